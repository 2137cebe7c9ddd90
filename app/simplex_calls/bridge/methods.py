"""What the chat page can ask, and what it is told: JSON over either carrier. No sockets, no windows.

A request is ``{"id": n, "method": name, "params": {…}}``; its answer ``{"id": n, "result": …}`` or
``{"id": n, "error": {"text": for the user, "code": an id of the catalogue}}``. ``id`` is any whole number ≥ 0;
``params`` may be left out where there are none. Answers may come in another order than their requests; requests that
only touch this machine (all but those marked with →) are done in order.

Methods (what they give is the ``result``):

===========================  ================================================  =====================================
method                       params                                            result
===========================  ================================================  =====================================
``state``                                                                      *state*: all for the first paint
``set_profile``              ``displayName, fullName?, image?, callsAllowed?`` *profile*
``confirm_ip_exposure``      ``contactId``                                     ``null``: the warning was read
``create_invitation`` →                                                        *invitation*
``invitation``               ``contactId``                                     *invitation*, ``null`` once it was used
``look_up_link`` →           ``link``                                          *preview*: what ``connect`` would do
``connect`` →                ``link``                                          *contact*
``address``                                                                    *address*, ``null`` while there is none
``create_address`` →                                                           *address*
``delete_address`` →                                                           ``null``: with those who asked by it
``accept_request`` →         ``requestId``                                     *contact*
``reject_request``           ``requestId``                                     ``null``: they are not told
``delete_contact`` →         ``contactId, isQuiet?`` (not telling them)        ``null``
``details``                  ``contactId``                                     *details*
``verify``                   ``contactId, code?`` (none: takes the mark away)  *details* with ``isSame``
``set_calls_allowed``        ``contactId, isAllowed?`` (none: as in profile)   *contact*
``set_audio_only``           ``contactId, isOn``                               *contact*
``set_quantum_resistance``   ``contactId, isOn``                               ``null``
``synchronize``              ``contactId``                                     ``null``: new keys are agreed on
``switch_queue`` →           ``contactId``                                     ``null``: the details tell the rest
``abort_switching``          ``contactId``                                     ``null``: the former queue stays
``mark_read``                ``contactId``                                     ``null``: ``unread`` is 0
``history``                  ``contactId, limit?`` (1 … 200, 50), ``before?``  list of *item*, the oldest first
``clear_history``            ``contactId``                                     ``null``
``send_text``                ``contactId, text``                               *item*
``edit_text``                ``itemId, text``                                  *item*
``delete_item``              ``itemId, forEveryone?``                          ``null``
``start_call``               ``contactId, media`` (``audio``, ``video``)       *call*
``accept``                   ``callId, audioOnly?``                            *call*
``reject``                   ``callId``                                        *call*
``hang_up``                  ``callId``                                        *call*
``show_call``                ``callId``                                        ``null``: its page comes to the front
``paste_call``                                                                 ``null``: a page for it opens
``call_settings``                                                              *call settings*
``set_call_settings``        any of *call settings*                            *call settings*
``call_route``               ``contactId``                                     *route*
``set_call_route``           ``contactId, relay?`` (none: as in the settings)  *route*
``ice``                                                                        *ice*
``set_ice``                  ``servers?``: list of ``{uri, isOn}``, ``relay?`` *ice*
``reset_ice``                                                                  *ice*: with the servers of the beginning
``test_ice_server`` →        ``uri``                                           *verdict*
``add_servers``              ``text`` (a code of servers)                      ``{servers, iceServers}``: how many
``servers``                                                                    *servers*
``set_servers``              ``servers``: list of ``{uri, isOn}``              *servers*
``test_server`` →            ``uri``                                           *verdict*
``set_relay``                ``mode`` (``off, machine, lan``), ``host?``       *servers*
``network``                                                                    *network*
``set_network``              any of *network*                                  *network*
``profiles``                                                                   list of *home profile*
``switch_profile``           ``id, passphrase?``                               ``null``; ``reload`` follows
``keeps_keys``                                                                 whether the system keeps keys unasked
``protect_profile``          ``passphrase?, keyFile?``                         ``null``; ``reload`` follows
``add_profile``              ``name, passphrase?, keyFile?``                   *home profile*
``remove_profile``           ``id``                                            ``null``
``change_passphrase``        ``former, passphrase?, keyFile?``                 ``null``
``export_archive`` →         ``passphrase``                                    ``{path}``: the file that was written
``import_archive`` →         ``path, passphrase, newPassphrase?, keyFile?``    *home profile*
``cancel_archive``                                                             ``null``: what goes on is refused then
``set_language``             ``language?`` (none: as the system)               ``null``; ``reload`` follows
===========================  ================================================  =====================================

``start_call`` and ``accept`` answer with the error code ``bridge.error.ip-exposure`` while the contact's *route* says
``needsWarning``: show the warning, then ``confirm_ip_exposure`` or ``set_call_route``, and ask again. ``set_relay`` and
those about profiles are there only where the program has them; the page's template is told the names of all methods
that there are.

Where a key is to be kept: ``passphrase`` (``newPassphrase``) seals it; the flag ``keyFile`` lets it lie in a file, so
that whoever copies the folder reads the profile; with neither, the system keeps it, or, where ``keeps_keys`` is false,
the request is refused.

While no profile is open, ``state`` gives ``{locked?: home profile, profiles, isProtectionWanted, problem, mode}``
(``isProtectionWanted``: ask where its key is to be kept, or that of the first profile, for ``protect_profile``;
``problem``: why it could not be opened, empty if it only waits), and only ``profiles``, ``switch_profile``,
``keeps_keys``, ``protect_profile`` and ``add_profile`` can be asked besides.

Values (times are whole milliseconds since 1970, as ``Date`` takes them; ``?`` may be ``null``):

*state*
    ``profile?, contacts, requests, hasServers`` (new contacts can be made), ``calls, servers, storageProblem``
    (what keeps the profile from being stored, for the user; empty if nothing does),
    ``mode`` (``window``: calls open in windows of their own; ``browser``: the page opens them, see ``page_wanted``)
*profile*
    ``displayName, fullName, image?`` (a ``data:`` URL), ``callsAllowed``
*contact*
    ``id, name`` (empty until it is known), ``fullName, image?, status`` (``pending, connecting, connected, failed,
    gone``), ``isConnected`` (texts and calls can go), ``isVerified, callsAllowed`` (by both sides), ``callPermission``
    (``both, they-refuse, we-refuse``), ``audioOnly`` (their calls are taken with our camera off), ``unread``,
    ``missedCalls`` (since it was read), ``failure?`` (a word), ``createdAt, lastItem?`` (*item* without preview)
*details*
    ``contactId, isQuantumResistant`` (in both directions), ``wantsQuantumResistance`` (is turned on here),
    ``securityCode?`` (groups of digits), ``qr?`` (of the code, as official apps show and scan it), ``isVerified,
    ratchetSync`` (``ok, allowed, required, started, agreed``), ``isSwitching`` (a queue is being replaced),
    ``canAbortSwitching`` (it is ours, and may stay), ``receivingServers, sendingServers, ownCallsAllowed?`` (the
    user's wish for this contact; ``null``: as in the profile), ``route``
*item*
    ``id, contactId, kind, direction`` (``sent, received``), ``createdAt, sentAt?, delivery?`` (``sending, sent,
    received, failed``), ``failure?`` and by ``kind``:
    ``text``: ``text, content`` (``text, link, image, …``: other than the first two had a file that is not shown),
    ``preview?`` (a small picture of it: a ``data:`` URL, checked), ``edited, deleted``;
    ``call``: ``media, status`` (``ringing, active, ended, declined, no-answer, unreachable, cancelled, missed, busy,
    failed, connection-lost``), ``duration?`` (seconds);
    ``notice``: ``notice`` (a word; ``chat.notice.<word>`` is its text), ``count, text``
*call*
    ``id, contactId, contactName, media, direction`` (``incoming, outgoing``), ``state`` (``calling, ringing,
    connecting, connected, ended``), ``progress`` (of our invitation: ``none, sent, ringing``), ``isActive, hasPage,
    encrypted?, startedAt, connectedAt?, endedAt?, endReason?, failure?, itemId?, duration?`` (seconds);
    ``client.state.<state>``, ``client.end.<endReason>`` and ``client.failure.<failure>`` are texts of the catalogue
*call settings*
    ``ringVolume`` (percent), ``isSilent`` (no sound), ``doNotDisturb`` (neither sound nor notification),
    ``preview`` (before a call begins)
*server* (of a *state*)
    ``server`` (host name), ``isConnected``
*request*
    ``id, name, fullName, image?, createdAt``
*address*, *invitation*
    ``link`` (the short one where there is one), ``fullLink, shortLink?, qr``, an invitation also ``contactId?``;
    ``qr`` = ``{size, path}``: the code as one SVG path in a ``0 0 size size`` view box, its quiet zone included; fill
    it dark on light
*preview*
    ``kind`` (``invitation, contact``), ``profile?, isOwn, contactId?`` (who is connected by it already)
*servers*
    ``operators``: list of ``{id, name, servers}``, ``own``, and ``relay?``; each server is ``uri`` (with its password),
    ``host, onion?, isOn, isDefault`` (on with its operator), ``qr?`` (of own ones); the relay is ``mode, host?, hosts``
    (this machine's addresses in its networks), ``uri?`` and ``qr?`` while it runs, ``isOn``
*verdict*
    ``kind`` (a word; ``chat.verdict.<word>`` is its text, ``chat.ice.verdict.<word>`` that of a STUN or TURN server),
    ``roundTrip?`` (milliseconds)
*route*
    ``choice?`` (through relays only; ``null``: as in the settings), ``isRelayed`` (what comes of it), ``hasRelay``,
    ``needsWarning`` (the user must be told that the contact will see their IP address)
*ice*
    ``servers``: list of ``{uri`` (with its password), ``url`` (to be shown), ``isRelay, hasSecret`` (shared with the
    server: users are made of it), ``isOn, isDefault, qr}``, ``relay`` (``always, unverified, never``), ``hasRelay``
*network*
    ``socksProxy`` (``host:port``, empty for none), ``privateRouting`` (``always, unknown, never``),
    ``quantumResistance, receipts``
*home profile*
    ``id, name, isOpen, hasPassphrase, hasReadableKey`` (its key lies in a file beside it)

Events, pushed at any time after the session stands:

``{"event": "contact", "contact": …}``            new or changed
``{"event": "contact_connected", "contact": …}``  just now
``{"event": "contact_removed", "contactId"}``
``{"event": "request", "request": …}``            somebody asks to connect through the address
``{"event": "request_removed", "requestId"}``     answered, or asked again under another id
``{"event": "contact_taken", "contactId"}``       another program uses this profile at the same time
``{"event": "item", "item": …}``                  new or changed (look the id up)
``{"event": "item_removed", "contactId", "itemId"}``
``{"event": "history_cleared", "contactId"}``
``{"event": "call", "call": …}``                  began, rings, moved on, or ended
``{"event": "server", "server", "isConnected"}``
``{"event": "storage_failed", "text"}``           the profile's file cannot be read or written any more
``{"event": "profile", "profile": …}``
``{"event": "progress", "task", "done", "total"}``  bytes of an archive; ``task``: ``export, import``
``{"event": "accept_wanted", "callId"}``          accepted outside of this page, before the warning was read, or without
                                                  the yes to a call that is not encrypted: ask, then ``accept``
``{"event": "page_wanted", "callId", "url"}``     only in ``browser`` mode: open the url in a new tab (it serves once);
                                                  where the browser forbids it, show it as a link
``{"event": "next_url", "url"}``                  put it in place with ``history.replaceState`` for a reload to work
``{"event": "reload"}``                           another profile or language follows: load anew
"""

from __future__ import annotations

from collections.abc import Callable

from simplex_calls.bridge.address_methods import AddressMethods
from simplex_calls.bridge.answering import Methods
from simplex_calls.bridge.call_methods import CallMethods
from simplex_calls.bridge.home_methods import HomeMethods
from simplex_calls.bridge.ice_methods import IceMethods
from simplex_calls.bridge.network_methods import NetworkMethods
from simplex_calls.bridge.params import Params
from simplex_calls.bridge.people_methods import PeopleMethods
from simplex_calls.bridge.server_methods import ServerMethods
from simplex_calls.bridge.shell import HomePort, Shell
from simplex_calls.bridge.text_methods import TextMethods
from simplex_calls.bridge.values import Json, call_json, item_json, profile_json, request_json
from simplex_calls.client import Client
from simplex_calls.events import (
    CallChanged,
    ContactAdded,
    ContactConnected,
    ContactRemoved,
    ContactRequestAdded,
    ContactRequestRemoved,
    ContactTakenElsewhere,
    ContactUpdated,
    Event,
    HistoryCleared,
    ItemAdded,
    ItemRemoved,
    ItemUpdated,
    ServerConnected,
    ServerDisconnected,
    StorageFailed,
)


class ChatMethods(Methods):
    """Answers the chat page's requests, and words events for it."""

    def __init__(
        self,
        client: Client,
        shell: Shell,
        home: HomePort | None = None,
        push: Callable[[Json], None] = lambda _: None,
    ) -> None:
        """``push`` tells all chat pages something that is no event of the client."""
        self._client = client
        self._shell = shell
        self._people = PeopleMethods(client)
        self._servers = ServerMethods(client, home)
        super().__init__(
            {
                "state": self._state,
                "set_profile": self._set_profile,
                **self._people.table(),
                **AddressMethods(client, self._people.contact).table(),
                **TextMethods(client).table(),
                **CallMethods(client, shell).table(),
                **self._servers.table(),
                **NetworkMethods(client).table(),
                **IceMethods(client).table(),
                **({} if home is None else HomeMethods(home, push).table()),
            }
        )

    def event(self, event: Event) -> Json | None:
        """What the page is told of an event; ``None`` if nothing."""
        match event:
            case ContactAdded(contact) | ContactUpdated(contact):
                return {"event": "contact", "contact": self._people.contact(contact)}
            case ContactConnected(contact):
                return {"event": "contact_connected", "contact": self._people.contact(contact)}
            case ContactRemoved(contact_id):
                return {"event": "contact_removed", "contactId": contact_id}
            case ContactRequestAdded(request):
                return {"event": "request", "request": request_json(request)}
            case ContactRequestRemoved(request_id):
                return {"event": "request_removed", "requestId": request_id}
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
            case StorageFailed(_, words):
                return {"event": "storage_failed", "text": words}
            case _:
                # items tell of received texts; what a call's page counts is for the call's page
                return None

    # methods

    async def _state(self, _: Params) -> Json:
        client = self._client
        return {
            "profile": profile_json(client.profile),
            "contacts": [self._people.contact(contact) for contact in client.contacts()],
            "requests": [request_json(request) for request in client.contact_requests()],
            "hasServers": self._servers.has_server(),
            "calls": [call_json(call) for call in client.calls()],
            "servers": [{"server": it.server, "isConnected": it.is_connected} for it in client.server_status()],
            "storageProblem": client.storage_problem,
            "mode": self._shell.mode.value,
        }

    async def _set_profile(self, params: Params) -> Json | None:
        calls_allowed = params.optional_flag("callsAllowed")
        return profile_json(
            self._client.set_profile(
                params.text("displayName"),
                params.optional_text("fullName") or "",
                params.optional_text("image"),
                calls_allowed=True if calls_allowed is None else calls_allowed,
            )
        )
