"""Our contact address, and who asks to connect through it: the part of the chat shell that deals with these."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime

from simplex_calls.agent.errors import AgentError, LargeMessage, UnknownConnection, UnknownRequest
from simplex_calls.agent.events import ContactRequestReceived
from simplex_calls.agent.links import ConnectionLink, ContactAddress, LinkError, parse_link
from simplex_calls.agent.short_link_uri import ShortLink, ShortLinkKind
from simplex_calls.chat.batch import compressed, decode_info
from simplex_calls.chat.contacts import Contacts, ContactStatus
from simplex_calls.chat.errors import RequestGoneError
from simplex_calls.chat.events import ChatEvent, ContactAdded, ContactRequestAdded, ContactRequestRemoved
from simplex_calls.chat.messages import ContactRequest, Info, MessageError, common_version
from simplex_calls.chat.port import AgentPort
from simplex_calls.chat.requests import Request, Requests
from simplex_calls.database import Database

logger = logging.getLogger(__name__)


def is_address(link: str) -> bool:
    """Whether a link is of a contact address; False for what is no link at all."""
    try:
        parsed = parse_link(link)
    except LinkError:
        return False
    return isinstance(parsed, ContactAddress) or (
        isinstance(parsed, ShortLink) and parsed.kind is ShortLinkKind.CONTACT
    )


class Addresses:
    """Makes and deletes the address, and answers requests. ``emit`` tells the floor above after the commit."""

    def __init__(
        self,
        database: Database,
        contacts: Contacts,
        agent: Callable[[], AgentPort],
        *,
        emit: Callable[[ChatEvent], None],
        now: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._contacts = contacts
        self._requests = Requests(database)
        self._agent = agent
        self._emit = emit
        self._now = now

    def link(self) -> ConnectionLink | None:
        """The address, if there is one."""
        ids = self._agent().addresses()
        return self._agent().address_link(ids[0]) if ids else None

    async def create(self, link_data: bytes) -> ConnectionLink:
        """Make the address; the one that there is, if there is."""
        found = self.link()
        if found is not None:
            return found
        return (await self._agent().create_address(link_data))[1]

    async def show(self, link_data: bytes) -> None:
        """Let the address show this of us from now on."""
        for address_id in self._agent().addresses():
            try:
                await self._agent().set_address_data(address_id, link_data)
            except AgentError as error:
                logger.warning("the address does not show the new profile: %s", type(error).__name__)

    async def delete(self) -> None:
        """Delete the address with the requests that wait; who was accepted stays."""
        for address_id in self._agent().addresses():
            with self._database.transaction():
                for request in self._requests.of_address(address_id):
                    self._forget(request.id)
                self._database.erase()
            # it may be deleted meanwhile
            with suppress(UnknownConnection):
                await self._agent().delete_address(address_id)

    def requests(self) -> list[Request]:
        """Who asks, the oldest first."""
        return self._requests.all()

    def take(self, event: ContactRequestReceived) -> None:
        """Note a request, in the agent's transaction."""
        try:
            message = decode_info(event.info)
            if isinstance(message.event, Info):
                asked = ContactRequest(message.event.profile)
            elif isinstance(message.event, ContactRequest):
                asked = message.event
            else:
                raise MessageError("a request must be a profile")
        except MessageError as error:
            logger.warning("a request to connect is not understood: %s", error)
            self._database.after_commit(lambda: self._reject(event.request_id))
            return
        noted = self._requests.add(
            event.request_id, event.address_id, asked, common_version(message.versions), self._now()
        )
        if noted is None:
            logger.warning("too many requests to connect wait")
            self._database.after_commit(lambda: self._reject(event.request_id))
            return
        request, former = noted
        if former is not None:
            self._emit(ContactRequestRemoved(former))
            self._database.after_commit(lambda: self._reject(former))
        self._emit(ContactRequestAdded(request))

    async def accept(self, request_id: int, info: bytes, *, pq: bool) -> int:
        """Connect with who asked: the id of the new connection, whose contact is stored with it."""
        request = self._request(request_id)

        def created(connection_id: int) -> None:
            contact = self._contacts.add(connection_id, ContactStatus.CONNECTING, self._now())
            contact = self._contacts.set_profile(contact, request.profile)
            contact = self._contacts.raise_version(contact, request.chat_version)
            self._forget(request_id)
            self._emit(ContactAdded(contact))

        try:
            try:
                return await self._agent().accept_request(request_id, info, created=created, pq=pq)
            except LargeMessage:
                return await self._agent().accept_request(request_id, compressed(info), created=created, pq=pq)
        except UnknownRequest:
            with self._database.transaction():
                self._forget(request_id)
            raise RequestGoneError(f"request {request_id} does not exist any more") from None

    def reject(self, request_id: int) -> None:
        """Forget who asked; they are not told."""
        with self._database.transaction():
            self._forget(self._request(request_id).id)
            self._database.erase(soon=False)
        self._reject(request_id)

    def _request(self, request_id: int) -> Request:
        request = self._requests.get(request_id)
        if request is None:
            raise RequestGoneError(f"request {request_id} does not exist: it was answered or its address deleted")
        return request

    def _forget(self, request_id: int) -> None:
        self._requests.remove(request_id)
        self._emit(ContactRequestRemoved(request_id))

    def _reject(self, request_id: int) -> None:
        try:
            self._agent().reject_request(request_id)
        except UnknownRequest:
            logger.info("a request was answered already")
