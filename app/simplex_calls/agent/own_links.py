"""Links of our own: one-time invitations and contact addresses, with a short link where the server keeps its data.

What is behind a short link is on the server in the same command that makes the queue. Data of an address that change
later are stored first, and sent until the server has them.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable

from simplex_calls.agent.connection import ConnectionState
from simplex_calls.agent.delivery import Outcome, judge
from simplex_calls.agent.errors import LargeMessage, UnknownConnection
from simplex_calls.agent.kem import KemKeys
from simplex_calls.agent.link_store import LinkStore, OwnLink, ShortLinkKeys
from simplex_calls.agent.links import ConnectionLink, ContactAddress, Invitation
from simplex_calls.agent.port import NetworkPort
from simplex_calls.agent.queue_address import QueueUri
from simplex_calls.agent.queue_making import QueueMaker, queue_mode, queue_uri
from simplex_calls.agent.queue_store import server_text
from simplex_calls.agent.records import RcvQueue
from simplex_calls.agent.short_link_uri import LinkServer, ShortLink, ShortLinkKind
from simplex_calls.agent.short_links import USER_DATA_SIZE, NewLink, UserData, make_link, seal_user_data
from simplex_calls.agent.store import Store
from simplex_calls.agent.versions import AGENT_VERSIONS, CLIENT_VERSIONS, E2E_VERSIONS
from simplex_calls.agent.x3dh import E2EPrivateKeys
from simplex_calls.crypto import Ed25519PrivateKey, KemSource, Random
from simplex_calls.smp.address import ServerAddress
from simplex_calls.smp.commands import LinkData, QueueMode
from simplex_calls.smp.errors import SMPError

_log = logging.getLogger(__name__)

# nonce, tag, length, signature with its length, kind, versions, and of addresses: direct, owners, relays, length
_OVERHEAD = 24 + 16 + 2 + 65 + 1 + 4 + 1 + 1 + 1 + 3

USER_DATA_LIMIT = USER_DATA_SIZE - _OVERHEAD
"""How many bytes of the floor above fit behind a short link."""


class OwnLinks:
    """Makes links and keeps what they stand for."""

    def __init__(
        self,
        store: Store,
        links: LinkStore,
        network: NetworkPort,
        queues: QueueMaker,
        *,
        presets: Iterable[ServerAddress],
        kem: KemSource,
        random: Random,
    ) -> None:
        self._store = store
        self._links = links
        self._network = network
        self._queues = queues
        self._presets = tuple(presets)
        self._kem = kem
        self._random = random
        self._sending: dict[int, asyncio.Task[None]] = {}

    async def invite(
        self, user_data: bytes, *, created: Callable[[int], None] | None, pq: bool
    ) -> tuple[int, ConnectionLink]:
        """Make a one-time invitation."""
        _check_user_data(user_data)
        # KEM keys go into the short link's data only: they would make the full link four times as long
        keys = E2EPrivateKeys.generate(self._random, KemKeys.propose(self._kem) if pq else None)
        root = Ed25519PrivateKey.generate(self._random)

        def link_for(uri: QueueUri) -> NewLink:
            invitation = Invitation(AGENT_VERSIONS, (uri,), keys.public(E2E_VERSIONS))
            return make_link(root, invitation, user_data, random=self._random)

        server = self._queues.choose_server()
        queue, new = await self._queues.create_with_link(server, QueueMode.MESSAGING, link_for)
        if new is None:
            keys = keys.without_kem()
        uri = queue_uri(queue, queue_mode(queue))
        full = str(Invitation(AGENT_VERSIONS, (uri,), keys.without_kem().public(E2E_VERSIONS)))
        link = ConnectionLink(full, None if new is None else self._short_invitation(queue.server, new))
        with self._queues.storing(queue):
            connection_id = self._store.add_connection(ConnectionState.INVITED, AGENT_VERSIONS.maximum)
            self._store.set_pq(connection_id, wanted=pq, supported=pq)
            self._store.ratchets.add_invitation_keys(connection_id, keys)
            self._queues.store(connection_id, queue)
            self._links.add(connection_id, link, _short_keys(root, new), user_data)
            if created is not None:
                created(connection_id)
        return connection_id, link

    async def create_address(
        self, user_data: bytes, *, created: Callable[[int], None] | None
    ) -> tuple[int, ConnectionLink]:
        """Make a contact address."""
        _check_user_data(user_data)
        root = Ed25519PrivateKey.generate(self._random)

        def link_for(uri: QueueUri) -> NewLink:
            return make_link(root, ContactAddress(AGENT_VERSIONS, (uri,)), user_data, random=self._random)

        server = self._queues.choose_server()
        queue, new = await self._queues.create_with_link(server, QueueMode.CONTACT, link_for)
        address = ContactAddress(AGENT_VERSIONS, (queue_uri(queue, QueueMode.CONTACT),))
        short = None if new is None else self._short_address(queue.server, new.link_key)
        link = ConnectionLink(str(address), short)
        with self._queues.storing(queue):
            address_id = self._store.add_connection(ConnectionState.ADDRESS, AGENT_VERSIONS.maximum)
            self._queues.store(address_id, queue)
            self._links.add(address_id, link, _short_keys(root, new), user_data)
            if created is not None:
                created(address_id)
        return address_id, link

    def link(self, connection_id: int) -> ConnectionLink | None:
        """The link of an invitation or an address; None of connections that were made otherwise."""
        own = self._links.own(connection_id)
        return None if own is None else own.link

    async def set_user_data(self, address_id: int, user_data: bytes) -> None:
        """Change what is shown to those who look at an address."""
        _check_user_data(user_data)
        with self._store.database.transaction():
            own = self._links.own(address_id)
            if own is None or self._store.connection(address_id).state is not ConnectionState.ADDRESS:
                raise UnknownConnection(address_id)
            self._links.set_user_data(address_id, user_data)
            queue = self._store.queues.rcv_queues(address_id)[0]
            if own.keys is None:
                self._make_short(own, queue, user_data)
        await self._send(address_id)

    def _make_short(self, own: OwnLink, queue: RcvQueue, user_data: bytes) -> None:
        """A short link for an address whose server kept no data when it was made."""
        root = Ed25519PrivateKey.generate(self._random)
        uri = QueueUri(CLIENT_VERSIONS, queue.server, queue.sender_id, queue.e2e_key.public, QueueMode.CONTACT)
        new = make_link(root, ContactAddress(AGENT_VERSIONS, (uri,)), user_data, random=self._random)
        keys = ShortLinkKeys(new.link_id, new.link_key, root, new.fixed)
        # it becomes a link when the server has what is behind it
        self._links.set_keys(own.connection_id, None, keys)

    def send_waiting(self, server: ServerAddress | None = None) -> None:
        """Send what a server (or any) does not have yet."""
        for connection_id in self._links.waiting(None if server is None else server_text(server)):
            if connection_id not in self._sending:
                task = asyncio.create_task(self._send_later(connection_id), name="link data")
                task.add_done_callback(_note_end)
                self._sending[connection_id] = task

    async def stop(self) -> None:
        """Stop sending; the next start goes on with it."""
        tasks = list(self._sending.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _send_later(self, connection_id: int) -> None:
        try:
            await self._send(connection_id)
        finally:
            self._sending.pop(connection_id, None)

    async def _send(self, connection_id: int) -> None:
        """LSET, once more if the data changed meanwhile; what the server cannot be told now waits."""
        while (own := self._links.own(connection_id)) and not own.is_on_server and own.keys is not None:
            user = UserData(AGENT_VERSIONS, own.user_data)
            sealed = seal_user_data(
                own.keys.root_key, ShortLinkKind.CONTACT, own.keys.link_key, user, random=self._random
            )
            queue = self._store.queues.rcv_queues(connection_id)[0]
            data = LinkData(own.keys.fixed_data, sealed)
            try:
                await self._network.set_link_data(queue.subscription, own.keys.link_id, data)
            except SMPError as error:
                _log.info("an address's data were not sent: %s", type(error).__name__)
                if judge(error) is Outcome.RETRY:
                    return
                with self._store.database.transaction():
                    self._links.set_on_server(connection_id, own.user_data)
                continue
            with self._store.database.transaction():
                self._links.set_on_server(connection_id, own.user_data)
                if own.link.short is None:
                    link = self._short_address(queue.server, own.keys.link_key)
                    self._links.set_keys(connection_id, link, own.keys)

    def _short_invitation(self, server: ServerAddress, new: NewLink) -> str:
        link = ShortLink(ShortLinkKind.INVITATION, LinkServer.of(server), new.link_key, new.link_id)
        return str(link.shortened(self._presets))

    def _short_address(self, server: ServerAddress, link_key: bytes) -> str:
        return str(ShortLink(ShortLinkKind.CONTACT, LinkServer.of(server), link_key).shortened(self._presets))


def _short_keys(root: Ed25519PrivateKey, new: NewLink | None) -> ShortLinkKeys | None:
    return None if new is None else ShortLinkKeys(new.link_id, new.link_key, root, new.fixed)


def _check_user_data(user_data: bytes) -> None:
    if len(user_data) > USER_DATA_LIMIT:
        raise LargeMessage(len(user_data), USER_DATA_LIMIT)


def _note_end(task: asyncio.Task[None]) -> None:
    """What failed (a damaged file, say) is tried again by the next start."""
    if not task.cancelled() and (error := task.exception()) is not None:
        _log.critical("sending an address's data stopped: %s", type(error).__name__)
