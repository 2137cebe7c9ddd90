"""Using other people's links, and accepting those who used our address.

A short link is exchanged for a full one at its server. A one-time one is locked by that with a key that is stored
before, so that only we can look again and connect; an invitation is then joined with the same key. Through an address
we send an invitation of our own, and wait for its owner as for anybody who uses an invitation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from simplex_calls.agent import ratchet
from simplex_calls.agent.connection import ConnectionState
from simplex_calls.agent.details import LinkKind, LinkPreview
from simplex_calls.agent.envelopes import ConnInfoReply
from simplex_calls.agent.errors import LargeMessage, LinkUsed, UnknownRequest
from simplex_calls.agent.kem import KemKeys
from simplex_calls.agent.link_store import LinkStore
from simplex_calls.agent.links import ContactAddress, Invitation, LinkError, LinkFault, parse_link
from simplex_calls.agent.outgoing import Outgoing
from simplex_calls.agent.port import NetworkPort
from simplex_calls.agent.queue_address import QueueInfo
from simplex_calls.agent.queue_making import QueueMaker, queue_info, queue_mode, queue_uri
from simplex_calls.agent.short_link_uri import ShortLink, ShortLinkKind
from simplex_calls.agent.short_links import LinkKeys, OpenedLink, open_link
from simplex_calls.agent.store import Store
from simplex_calls.agent.versions import (
    AGENT_VERSIONS,
    CLIENT_VERSIONS,
    E2E_VERSIONS,
    connection_info_length,
    highest_common,
    supports_pq,
)
from simplex_calls.agent.x3dh import E2EPrivateKeys, reply_kem
from simplex_calls.crypto import BoxKey, CryptoError, KemSource, Random, X448PrivateKey, X25519PrivateKey
from simplex_calls.smp.address import ServerAddress
from simplex_calls.smp.commands import QueueMode
from simplex_calls.smp.errors import BrokerError, ErrorCode
from simplex_calls.smp.sender_keys import SenderKey, new_sender_key

_INFO_OVERHEAD = 400

INFO_LIMIT = connection_info_length(AGENT_VERSIONS.maximum, pq=True) - _INFO_OVERHEAD
"""How many bytes of connection info always fit, whatever the names of the servers."""

_USED = "This link was used already or has expired: ask for a new one."

Created = Callable[[int], None]


def check_info(info: bytes, agent_version: int, *, pq: bool) -> None:
    """Raise :class:`LargeMessage` if connection info does not fit."""
    limit = connection_info_length(agent_version, pq=pq) - _INFO_OVERHEAD
    if len(info) > limit:
        raise LargeMessage(len(info), limit)


class Joining:
    """Looks links up, and makes connections by them."""

    def __init__(
        self,
        store: Store,
        links: LinkStore,
        network: NetworkPort,
        queues: QueueMaker,
        outgoing: Outgoing,
        *,
        presets: Iterable[ServerAddress],
        kem: KemSource,
        clock: Callable[[], float],
        random: Random,
    ) -> None:
        self._store = store
        self._links = links
        self._network = network
        self._queues = queues
        self._outgoing = outgoing
        self._presets = tuple(presets)
        self._kem = kem
        self._clock = clock
        self._random = random
        self._busy: set[tuple[bytes, bytes]] = set()

    # looking

    async def look_up(self, text: str) -> LinkPreview:
        """Tell what a link is of; short ones are asked for at their server."""
        link = parse_link(text)
        if not isinstance(link, ShortLink):
            kind = LinkKind.INVITATION if isinstance(link, Invitation) else LinkKind.CONTACT
            queue = link.queues[0]
            return self._preview(kind, None, queue.server, queue.sender_id)
        server, link_id = self._place(link)
        kind = LinkKind.INVITATION if link.kind is ShortLinkKind.INVITATION else LinkKind.CONTACT
        own = _at(server, self._links.own_by_link_id(link_id))
        if own is not None:
            known = self._links.own(own)
            return LinkPreview(kind, None if known is None else known.user_data, is_own=True, connection_id=own)
        used = _at(server, self._links.used_by(link_id))
        if used is not None and kind is LinkKind.INVITATION:
            return LinkPreview(kind, None, is_own=False, connection_id=used)
        opened = await self._open(link, server, link_id)
        queue = opened.request.queues[0]
        return self._preview(kind, opened.user.data, queue.server, queue.sender_id)

    def _preview(self, kind: LinkKind, user_data: bytes | None, server: ServerAddress, sender_id: bytes) -> LinkPreview:
        own = _at(server, self._store.queues.own_queues(sender_id))
        if own is not None:
            return LinkPreview(kind, user_data, is_own=True, connection_id=own)
        used = _at(server, self._links.used_by(sender_id))
        return LinkPreview(kind, user_data, is_own=False, connection_id=used)

    def _place(self, link: ShortLink) -> tuple[ServerAddress, bytes]:
        """The server of a short link, and the link's id there."""
        if link.kind not in (ShortLinkKind.INVITATION, ShortLinkKind.CONTACT):
            raise LinkError(LinkFault.NOT_A_CONTACT)
        return link.server.address(self._presets), link.link_id or LinkKeys.of(link.kind, link.link_key).link_id

    async def _open(self, link: ShortLink, server: ServerAddress, link_id: bytes) -> OpenedLink:
        """Get what is behind a short link, and check it."""
        key = self._link_key(server, link_id) if link.kind is ShortLinkKind.INVITATION else None
        try:
            if key is None:
                sender_id, data = await self._network.get_link_data(server, link_id)
            else:
                sender_id, data = await self._network.secure_and_get_link_data(server, link_id, key)
        except BrokerError as error:
            if error.error.code is not ErrorCode.AUTH:
                raise
            with self._store.database.transaction():
                self._links.delete_link_key(server, link_id)
            raise LinkUsed(_USED) from None
        opened = open_link(link, server, sender_id, data.fixed, data.user)
        if key is not None:
            with self._store.database.transaction():
                # should its full link be used: not before the data say that this is the queue that has the key
                self._store.queues.join_key(server, sender_id, key, self._clock())
        if not opened.user.is_direct:
            raise LinkError(LinkFault.NOT_A_CONTACT)
        return opened

    def _link_key(self, server: ServerAddress, link_id: bytes) -> X25519PrivateKey:
        """The key that a one-time link's queue is, or will be, secured with."""
        with self._store.database.transaction():
            return self._links.link_key(server, link_id, X25519PrivateKey.generate(self._random), self._clock())

    # using

    async def join(self, text: str, info: bytes, *, created: Created | None, pq: bool) -> int:
        """Connect by a link of any kind."""
        link = parse_link(text)
        if not isinstance(link, ShortLink):
            return await self._use(link, info, created=created, pq=pq)
        server, link_id = self._place(link)
        if _at(server, self._links.own_by_link_id(link_id)) is not None:
            raise LinkUsed("This is your own link: send it to the person you want to talk to.")
        if link.kind is not ShortLinkKind.INVITATION:
            opened = await self._open(link, server, link_id)
            return await self._use(opened.request, info, created=created, pq=pq)
        if _at(server, self._links.used_by(link_id)) is not None:
            raise LinkUsed("You used this link already: the contact is in your list.")
        with self._one_at_a_time(server, link_id):
            opened = await self._open(link, server, link_id)
            key = self._link_key(server, link_id)

            def stored(connection_id: int) -> None:
                self._links.delete_link_key(server, link_id)
                self._links.set_used(connection_id, server, link_id)
                if created is not None:
                    created(connection_id)

            return await self._use(opened.request, info, created=stored, pq=pq, key=key)

    async def _use(
        self,
        request: Invitation | ContactAddress,
        info: bytes,
        *,
        created: Created | None,
        pq: bool,
        key: SenderKey | None = None,
    ) -> int:
        if isinstance(request, Invitation):
            return await self._join(request, info, created=created, pq=pq, key=key)
        return await self._ask(request, info, created=created, pq=pq)

    async def accept(self, request_id: int, info: bytes, *, created: Created | None, pq: bool) -> int:
        """Connect with somebody who asked through an address of ours."""
        request = self._links.request(request_id)
        if request is None:
            raise UnknownRequest(request_id)

        def stored(connection_id: int) -> None:
            self._links.delete_request(request_id)
            if created is not None:
                created(connection_id)

        return await self._join(Invitation.parse(request.invitation), info, created=stored, pq=pq)

    async def _join(
        self, invitation: Invitation, info: bytes, *, created: Created | None, pq: bool, key: SenderKey | None = None
    ) -> int:
        """Join; with ``key`` the invitation's queue was secured already."""
        agent_version = highest_common(AGENT_VERSIONS, invitation.versions)
        e2e_version = highest_common(E2E_VERSIONS, invitation.e2e.versions)
        target = _usable_queue(invitation)
        if agent_version is None or e2e_version is None or target is None:
            raise LinkError(LinkFault.INCOMPATIBLE)
        pq_supported = pq and supports_pq(agent_version, e2e_version)
        check_info(info, agent_version, pq=pq_supported)
        ratchet_key, e2e_key = X448PrivateKey.generate(self._random), X25519PrivateKey.generate(self._random)
        their_params = invitation.e2e.at(e2e_version)
        try:
            BoxKey.agree(e2e_key, target.dh_key)
            own_keys = E2EPrivateKeys.generate(self._random, reply_kem(their_params, self._kem, wanted=pq_supported))
            ratchet_state = ratchet.init_sending(own_keys, their_params, ratchet_key)
        except (CryptoError, ratchet.RatchetError):
            raise LinkError(LinkFault.DAMAGED, "its keys are not safe to use") from None
        self._check_unused(target)
        with self._one_at_a_time(target.server, target.sender_id):
            auth_key = await self._secure(target, key)
            server = self._queues.choose_server(other_than=target.server)
            queue = await self._queues.create(server, target.version)
        # nothing is awaited from here on
        with self._queues.storing(queue):
            connection_id = self._store.add_connection(ConnectionState.JOINED, agent_version)
            self._queues.store(connection_id, queue)
            self._store.queues.add_snd_queue(
                connection_id,
                target.server,
                target.sender_id,
                auth_key=auth_key,
                e2e_key=e2e_key,
                their_key=target.dh_key,
                client_version=target.version,
                sender_can_secure=target.sender_can_secure,
            )
            self._store.set_pq(connection_id, wanted=pq, supported=pq_supported)
            self._store.queues.delete_join_key(target.server, target.sender_id)
            self._store.ratchets.set_ratchet(connection_id, ratchet_state)
            self._links.set_used(connection_id, target.server, target.sender_id)
            reply = ConnInfoReply((queue_info(queue),), info)
            connection = self._store.connection(connection_id)
            self._outgoing.confirmation(connection, reply, own_keys.public_at(e2e_version))
            if created is not None:
                created(connection_id)
        return connection_id

    async def _ask(self, address: ContactAddress, info: bytes, *, created: Created | None, pq: bool) -> int:
        """Send an invitation of ours to an address."""
        agent_version = highest_common(AGENT_VERSIONS, address.versions)
        target = _usable_queue(address)
        if agent_version is None or target is None:
            raise LinkError(LinkFault.INCOMPATIBLE)
        pq_supported = pq and supports_pq(agent_version)
        check_info(info, agent_version, pq=pq_supported)
        e2e_key = X25519PrivateKey.generate(self._random)
        try:
            BoxKey.agree(e2e_key, target.dh_key)
        except CryptoError:
            raise LinkError(LinkFault.DAMAGED, "its key is not safe to use") from None
        if _at(target.server, self._store.queues.own_queues(target.sender_id)) is not None:
            raise LinkUsed("This is your own address: send it to the people you want to talk to.")
        keys = E2EPrivateKeys.generate(self._random, KemKeys.propose(self._kem) if pq_supported else None)
        with self._one_at_a_time(target.server, target.sender_id):
            server = self._queues.choose_server(other_than=target.server)
            queue = await self._queues.create(server, CLIENT_VERSIONS.maximum)
        # nothing is awaited from here on
        with self._queues.storing(queue):
            connection_id = self._store.add_connection(ConnectionState.ASKED, agent_version)
            self._queues.store(connection_id, queue)
            self._store.set_pq(connection_id, wanted=pq, supported=pq_supported)
            self._store.ratchets.add_invitation_keys(connection_id, keys)
            address_queue = self._store.queues.add_snd_queue(
                connection_id,
                target.server,
                target.sender_id,
                auth_key=new_sender_key(self._random, sender_can_secure=False),
                e2e_key=e2e_key,
                their_key=target.dh_key,
                client_version=target.version,
                sender_can_secure=False,
                is_address=True,
            )
            self._links.set_used(connection_id, target.server, target.sender_id)
            invitation = Invitation(AGENT_VERSIONS, (queue_uri(queue, queue_mode(queue)),), keys.public(E2E_VERSIONS))
            self._outgoing.request(address_queue, agent_version, invitation, info)
            if created is not None:
                created(connection_id)
        return connection_id

    def _check_unused(self, target: QueueInfo) -> None:
        if _at(target.server, self._store.queues.own_queues(target.sender_id)) is not None:
            raise LinkUsed("This is your own link: send it to the person you want to talk to.")
        if self._store.queues.has_snd_queue(target.server, target.sender_id):
            raise LinkUsed("You used this link already: the contact is in your list.")

    @contextmanager
    def _one_at_a_time(self, server: ServerAddress, entity_id: bytes) -> Iterator[None]:
        name = (server.fingerprint, entity_id)
        if name in self._busy:
            raise LinkUsed("This link is being used right now: wait until the contact appears.")
        self._busy.add(name)
        try:
            yield
        finally:
            self._busy.discard(name)

    async def _secure(self, target: QueueInfo, given: SenderKey | None) -> SenderKey:
        """Secure a link's queue with a key that was stored before, so that a second attempt uses the same."""
        if given is not None:
            key = given
        else:
            with self._store.database.transaction():
                new = new_sender_key(self._random, sender_can_secure=target.sender_can_secure)
                key = self._store.queues.join_key(target.server, target.sender_id, new, self._clock())
        if target.sender_can_secure:
            try:
                await self._network.secure_queue_by_sender(target.server, target.sender_id, key)
            except BrokerError as error:
                if error.error.code is not ErrorCode.AUTH:
                    raise
                if given is None:
                    with self._store.database.transaction():
                        self._store.queues.delete_join_key(target.server, target.sender_id)
                raise LinkUsed(_USED) from None
        return key


def _at(server: ServerAddress, found: Iterable[tuple[int, str]]) -> int | None:
    """The first of some connections whose server is this one, by its identity."""
    for connection_id, text in found:
        if ServerAddress.parse(text).fingerprint == server.fingerprint:
            return connection_id
    return None


def _usable_queue(request: Invitation | ContactAddress) -> QueueInfo | None:
    """The first queue of a link that speaks a client version in common with us, at the highest such version."""
    unfit = QueueMode.CONTACT if isinstance(request, Invitation) else QueueMode.MESSAGING
    for uri in request.queues:
        version = highest_common(CLIENT_VERSIONS, uri.versions)
        if version is not None and uri.mode is not unfit:
            info = uri.at(version)
            return replace(info, server=replace(info.server, password=None))
    return None
