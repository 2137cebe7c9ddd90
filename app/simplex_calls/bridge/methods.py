"""What the chat page can ask, and what it is told: JSON over either carrier. No sockets, no windows.

A request is ``{"id": n, "method": name, "params": {…}}``; its answer ``{"id": n, "result": …}`` or
``{"id": n, "error": {"text": for the user, "code": an id of the catalogue}}``. ``id`` is any whole number ≥ 0;
``params`` may be left out where there are none. Answers may come in another order than their requests; requests that
only touch this machine (all but ``create_invitation``, ``connect``, ``delete_contact``) are done in order.

Methods (what they give is the ``result``):

========================  ===================================================  =====================================
method                    params                                               result
========================  ===================================================  =====================================
``state``                                                                      *state*: all for the first paint
``set_profile``           ``displayName, fullName?``                           *profile*
``confirm_ip_exposure``                                                        ``null``: the warning was read
``create_invitation``                                                          *invitation*
``invitation``            ``contactId``                                        *invitation*, ``null`` once it was used
``connect``               ``link``                                             *contact*
``delete_contact``        ``contactId``                                        ``null``
``history``               ``contactId, limit?`` (1 … 200, 50), ``before?``     list of *item*, the oldest first
``clear_history``         ``contactId``                                        ``null``
``send_text``             ``contactId, text``                                  *item*
``edit_text``             ``itemId, text``                                     *item*
``delete_item``           ``itemId, forEveryone?``                             ``null``
``start_call``            ``contactId, media`` (``audio``, ``video``)          *call*
``accept``                ``callId``                                           *call*
``reject``                ``callId``                                           *call*
``hang_up``               ``callId``                                           *call*
``show_call``             ``callId``                                           ``null``: its page comes to the front
========================  ===================================================  =====================================

``start_call`` and ``accept`` answer with the error code ``bridge.error.ip-exposure`` until ``confirm_ip_exposure`` was
called: show the warning, confirm, ask again.

Values (times are whole milliseconds since 1970, as ``Date`` takes them; ``?`` may be ``null``):

*state*
    ``profile?, contacts, calls, servers, isIpExposureConfirmed, mode`` (``window``: calls open in windows of their own;
    ``browser``: the page opens them, see ``page_wanted``)
*profile*
    ``displayName, fullName``
*contact*
    ``id, name`` (empty until it is known), ``fullName, status`` (``pending, connecting, connected, failed, gone``),
    ``isConnected`` (texts and calls can go), ``callsAllowed, failure?`` (a word), ``createdAt, lastItem?`` (*item*)
*item*
    ``id, contactId, kind, direction`` (``sent, received``), ``createdAt, sentAt?, delivery?`` (``sending, sent,
    failed``), ``failure?`` and by ``kind``:
    ``text``: ``text, content`` (``text, link, image, …``: other than the first two had a file that is not shown),
    ``edited, deleted``;
    ``call``: ``media, status`` (``ringing, active, ended, declined, no-answer, cancelled, missed, busy, failed``),
    ``duration?`` (seconds);
    ``notice``: ``notice`` (``messages-lost, out-of-step, unreadable, renamed, contact-deleted``), ``count, text``
*call*
    ``id, contactId, contactName, media, direction`` (``incoming, outgoing``), ``state`` (``calling, ringing,
    connecting, connected, ended``), ``isActive, hasPage, encrypted?, startedAt, connectedAt?, endedAt?, endReason?,
    failure?, itemId?, duration?`` (seconds); ``client.state.<state>``, ``client.end.<endReason>`` and
    ``client.failure.<failure>`` are texts of the catalogue
*server*
    ``server`` (host name), ``isConnected``
*invitation*
    ``contactId?, link, qr`` with ``qr`` = ``{size, path}``: the code as one SVG path in a ``0 0 size size`` view box,
    its quiet zone included; fill it dark on light

Events, pushed at any time after the session stands:

``{"event": "contact", "contact": …}``            new or changed
``{"event": "contact_connected", "contact": …}``  just now
``{"event": "contact_removed", "contactId"}``
``{"event": "contact_taken", "contactId"}``       another program uses this profile at the same time
``{"event": "item", "item": …}``                  new or changed (look the id up)
``{"event": "item_removed", "contactId", "itemId"}``
``{"event": "history_cleared", "contactId"}``
``{"event": "call", "call": …}``                  began, rings, moved on, or ended
``{"event": "server", "server", "isConnected"}``
``{"event": "profile", "profile": …}``
``{"event": "ip_exposure_wanted", "callId"}``     accepted outside of this page, before the warning was read: show it,
                                                  then ``confirm_ip_exposure`` and ``accept``
``{"event": "page_wanted", "callId", "url"}``     only in ``browser`` mode: open the url in a new tab (it serves once);
                                                  where the browser forbids it, show it as a link
``{"event": "next_url", "url"}``                  put it in place with ``history.replaceState`` for a reload to work
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from enum import Enum
from typing import Any, Protocol

from simplex_calls.bridge.faults import describe
from simplex_calls.bridge.values import Json, call_json, contact_json, item_json, profile_json, qr_json
from simplex_calls.catalogue import text
from simplex_calls.client import Client, ClientError, Contact
from simplex_calls.events import (
    CallChanged,
    ContactAdded,
    ContactConnected,
    ContactRemoved,
    ContactTakenElsewhere,
    ContactUpdated,
    Event,
    HistoryCleared,
    ItemAdded,
    ItemRemoved,
    ItemUpdated,
    ServerConnected,
    ServerDisconnected,
)

logger = logging.getLogger(__name__)

MAX_HISTORY = 200
MAX_TEXT_LENGTH = 100_000
"""Most characters of any text that a page hands over; what fits into a message is the client's to say."""
_MAX_NUMBER = 2**53


class Mode(Enum):
    """Where pages are shown."""

    WINDOW = "window"
    BROWSER = "browser"


class Shell(Protocol):
    """What the chat page needs of the program around it."""

    @property
    def mode(self) -> Mode:
        """Where pages are shown."""

    async def show_call(self, call_id: str) -> None:
        """Bring the call's page to the front."""


class RequestError(Exception):
    """A page's request that cannot be done; the text is for the user, ``code`` its id in the catalogue."""

    def __init__(self, code: str) -> None:
        super().__init__(text(code))
        self.code = code


# parameters


class _Params:
    """Typed access to what a page sent; a :class:`RequestError` for anything else."""

    def __init__(self, values: object) -> None:
        if values is not None and not isinstance(values, Mapping):
            raise RequestError("bridge.error.request")
        self._values: Mapping[str, Any] = values or {}

    def has(self, name: str) -> bool:
        return self._values.get(name) is not None

    def number(self, name: str) -> int:
        value = self._values.get(name)
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _MAX_NUMBER:
            raise RequestError("bridge.error.request")
        return value

    def optional_number(self, name: str) -> int | None:
        return self.number(name) if self.has(name) else None

    def text(self, name: str) -> str:
        value = self._values.get(name)
        if not isinstance(value, str):
            raise RequestError("bridge.error.request")
        if len(value) > MAX_TEXT_LENGTH:
            raise RequestError("client.error.too-large")
        try:
            value.encode()
        except UnicodeEncodeError:
            # half of a surrogate pair: neither SQLite nor the network takes it
            raise RequestError("bridge.error.request") from None
        return value

    def flag(self, name: str) -> bool:
        value = self._values.get(name, False)
        if not isinstance(value, bool):
            raise RequestError("bridge.error.request")
        return value


class ChatMethods:
    """Answers the chat page's requests, and words events for it."""

    def __init__(self, client: Client, shell: Shell) -> None:
        self._client = client
        self._shell = shell
        self._methods: dict[str, Callable[[_Params], Awaitable[Any]]] = {
            "state": self._state,
            "set_profile": self._set_profile,
            "confirm_ip_exposure": self._confirm_ip_exposure,
            "create_invitation": self._create_invitation,
            "invitation": self._invitation,
            "connect": self._connect,
            "delete_contact": self._delete_contact,
            "history": self._history,
            "clear_history": self._clear_history,
            "send_text": self._send_text,
            "edit_text": self._edit_text,
            "delete_item": self._delete_item,
            "start_call": self._start_call,
            "accept": self._accept,
            "reject": self._reject,
            "hang_up": self._hang_up,
            "show_call": self._show_call,
        }

    async def answer(self, message: object) -> Json | None:
        """Do a request and give its answer; ``None`` for what is not even a request."""
        if not isinstance(message, Mapping):
            logger.warning("the chat page sent something that is no request")
            return None
        number = message.get("id")
        if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number <= _MAX_NUMBER:
            logger.warning("the chat page sent a request without a number")
            return None
        try:
            name = message.get("method")
            method = self._methods.get(name) if isinstance(name, str) else None
            if method is None:
                raise RequestError("bridge.error.request")
            return {"id": number, "result": await method(_Params(message.get("params")))}
        except ClientError as error:
            return self.refusal(number, error.message_id, str(error))
        except RequestError as error:
            return self.refusal(number, error.code, str(error))
        except Exception as error:  # noqa: BLE001 - a fault of ours must not hang the page
            logger.error("a request of the chat page failed: %s", describe(error))  # noqa: TRY400 - no text
            return self.refusal(number, "bridge.error.internal", text("bridge.error.internal"))

    @staticmethod
    def refusal(number: int, code: str, words: str) -> Json:
        """The answer to a request that was not done."""
        return {"id": number, "error": {"code": code, "text": words}}

    def event(self, event: Event) -> Json | None:
        """What the page is told of an event; ``None`` if nothing."""
        match event:
            case ContactAdded(contact) | ContactUpdated(contact):
                return {"event": "contact", "contact": self._contact(contact)}
            case ContactConnected(contact):
                return {"event": "contact_connected", "contact": self._contact(contact)}
            case ContactRemoved(contact_id):
                return {"event": "contact_removed", "contactId": contact_id}
            case ContactTakenElsewhere(contact_id):
                return {"event": "contact_taken", "contactId": contact_id}
            case ItemAdded(item) | ItemUpdated(item):
                return {"event": "item", "item": item_json(item)}
            case ItemRemoved(contact_id, item_id):
                return {"event": "item_removed", "contactId": contact_id, "itemId": item_id}
            case HistoryCleared(contact_id):
                return {"event": "history_cleared", "contactId": contact_id}
            case CallChanged(call):
                return {"event": "call", "call": call_json(call)}
            case ServerConnected(server, _):
                return {"event": "server", "server": server, "isConnected": True}
            case ServerDisconnected(server, _):
                return {"event": "server", "server": server, "isConnected": False}
            case _:
                # items tell of received texts; what a call's page counts is for the call's page
                return None

    def _contact(self, contact: Contact) -> Json:
        try:
            last = self._client.history(contact.id, limit=1)
        except ClientError:
            # removed since the event
            last = []
        return contact_json(contact, last[-1] if last else None)

    # methods

    async def _state(self, _: _Params) -> Json:
        client = self._client
        return {
            "profile": profile_json(client.profile),
            "contacts": [self._contact(contact) for contact in client.contacts()],
            "calls": [call_json(call) for call in client.calls()],
            "servers": [{"server": it.server, "isConnected": it.is_connected} for it in client.server_status()],
            "isIpExposureConfirmed": client.is_ip_exposure_confirmed,
            "mode": self._shell.mode.value,
        }

    async def _set_profile(self, params: _Params) -> Json | None:
        full_name = params.text("fullName") if params.has("fullName") else ""
        return profile_json(self._client.set_profile(params.text("displayName"), full_name))

    async def _confirm_ip_exposure(self, _: _Params) -> None:
        self._client.confirm_ip_exposure()

    async def _create_invitation(self, _: _Params) -> Json:
        link = await self._client.create_invitation()
        return self._invitation_json(self._owner_of(link), link)

    def _owner_of(self, link: str) -> int | None:
        for contact in reversed(self._client.contacts()):
            if self._client.invitation_link(contact.id) == link:
                return contact.id
        return None

    async def _invitation(self, params: _Params) -> Json | None:
        contact_id = params.number("contactId")
        link = self._client.invitation_link(contact_id)
        return None if link is None else self._invitation_json(contact_id, link)

    @staticmethod
    def _invitation_json(contact_id: int | None, link: str) -> Json:
        return {"contactId": contact_id, "link": link, "qr": qr_json(link)}

    async def _connect(self, params: _Params) -> Json:
        return self._contact(await self._client.connect(params.text("link").strip()))

    async def _delete_contact(self, params: _Params) -> None:
        await self._client.delete_contact(params.number("contactId"))

    async def _history(self, params: _Params) -> list[Json]:
        limit = params.optional_number("limit")
        limit = 50 if limit is None else limit
        if not 1 <= limit <= MAX_HISTORY:
            raise RequestError("bridge.error.request")
        before = params.optional_number("before")
        return [item_json(it) for it in self._client.history(params.number("contactId"), limit=limit, before=before)]

    async def _clear_history(self, params: _Params) -> None:
        self._client.clear_history(params.number("contactId"))

    async def _send_text(self, params: _Params) -> Json:
        return item_json(self._client.send_text(params.number("contactId"), params.text("text")))

    async def _edit_text(self, params: _Params) -> Json:
        return item_json(self._client.edit_text(params.number("itemId"), params.text("text")))

    async def _delete_item(self, params: _Params) -> None:
        self._client.delete_item(params.number("itemId"), for_everyone=params.flag("forEveryone"))

    async def _start_call(self, params: _Params) -> Json:
        self._check_ip_exposure()
        return call_json(await self._client.start_call(params.number("contactId"), params.text("media")))

    async def _accept(self, params: _Params) -> Json:
        self._check_ip_exposure()
        return call_json(await self._client.accept(params.text("callId")))

    def _check_ip_exposure(self) -> None:
        if not self._client.is_ip_exposure_confirmed:
            raise RequestError("bridge.error.ip-exposure")

    async def _reject(self, params: _Params) -> Json:
        return call_json(await self._client.reject(params.text("callId")))

    async def _hang_up(self, params: _Params) -> Json:
        return call_json(await self._client.hang_up(params.text("callId")))

    async def _show_call(self, params: _Params) -> None:
        await self._shell.show_call(self._client.call(params.text("callId")).id)
