"""The agent: duplex connections over simplex queues, kept across restarts. This file is its shell.

It makes queues and links, hands what arrives to :mod:`.receiving`, and starts what the database says is to be done.
What a connection may do is decided by the table in :mod:`.connection`.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from simplex_calls.agent import ratchet
from simplex_calls.agent.acknowledging import Acknowledging
from simplex_calls.agent.connection import ConnectionEvent, ConnectionState
from simplex_calls.agent.delivery import Delivery, DeliveryConfig
from simplex_calls.agent.envelopes import ConnInfoReply
from simplex_calls.agent.errors import AgentError, LargeMessage, LinkUsed, WrongState
from simplex_calls.agent.events import (
    AgentEvent,
    FailureReason,
    MessageRejected,
    RejectionReason,
    ServerConnected,
    ServerDisconnected,
    SubscriptionTaken,
)
from simplex_calls.agent.kem_stock import KemStock
from simplex_calls.agent.lifecycle import Cause, Lifecycle
from simplex_calls.agent.links import Invitation, LinkError, LinkFault
from simplex_calls.agent.outgoing import Outgoing
from simplex_calls.agent.port import NetworkPort
from simplex_calls.agent.queue_address import QueueInfo, QueueMode, QueueUri
from simplex_calls.agent.receipts import DeliveryReceipts
from simplex_calls.agent.receiving import Receiver
from simplex_calls.agent.records import NewRcvQueue, RcvQueue
from simplex_calls.agent.store import Store
from simplex_calls.agent.subscribing import Subscribing
from simplex_calls.agent.versions import (
    AGENT_VERSIONS,
    CLIENT_VERSIONS,
    E2E_VERSIONS,
    agent_message_length,
    connection_info_length,
    highest_common,
    supports_pq,
)
from simplex_calls.agent.x3dh import E2EPrivateKeys, reply_kem
from simplex_calls.crypto import (
    BoxKey,
    CryptoError,
    Ed25519PrivateKey,
    KemSource,
    Random,
    X448PrivateKey,
    X25519PrivateKey,
)
from simplex_calls.database import Database, is_storage_failure, sqlite
from simplex_calls.smp.address import ServerAddress
from simplex_calls.smp.errors import BrokerError, ErrorCode, SMPError
from simplex_calls.smp.messages import Msg
from simplex_calls.smp.network import Network
from simplex_calls.smp.queues import NetworkHandler, RecipientQueue

_log = logging.getLogger(__name__)

_JOIN_KEY_LIFETIME = 30 * 86_400.0

_INFO_OVERHEAD = 400
# the padding's length, kind, number, hash of the one before with its length, and kind of content
_MESSAGE_OVERHEAD = 2 + 1 + 8 + 33 + 1

INFO_LIMIT = connection_info_length(AGENT_VERSIONS.maximum, pq=True) - _INFO_OVERHEAD
"""How many bytes of connection info always fit, whatever the names of the servers."""


class Agent:
    """Connections of one profile.

    ``handler`` gets every event inside the transaction that stores its cause: it may write to the same database and
    call :meth:`send` and :meth:`allow_connection`, but must not wait for anything. ``network`` makes the network for
    a handler (tests bring their own). ``clock`` gives seconds since the epoch.
    """

    def __init__(
        self,
        database: Database,
        servers: Sequence[ServerAddress],
        handler: Callable[[AgentEvent], None],
        *,
        network: Callable[[NetworkHandler], NetworkPort] | None = None,
        clock: Callable[[], float] = time.time,
        random: Random = os.urandom,
        kem: KemSource | None = None,
        delivery: DeliveryConfig | None = None,
    ) -> None:
        self._database = database
        self._servers = tuple(servers)
        self._clock = clock
        self._random = random
        self._kem_stock = KemStock()
        self._kem = kem or self._kem_stock
        self._store = Store(database)
        self._network: NetworkPort = Network(handler=self) if network is None else network(self)
        self._outgoing = Outgoing(self._store, wake=self._wake, clock=clock, random=random)
        self._lifecycle = Lifecycle(self._store, self._outgoing, handler)
        self._receipts = DeliveryReceipts(self._store, self._outgoing, self._lifecycle.emit, clock)
        self._receiver = Receiver(
            self._store,
            self._lifecycle,
            self._outgoing,
            self._receipts,
            queue_drained=self._queue_drained,
            random=random,
            kem=self._kem,
        )
        self._delivery = Delivery(
            self._store, self._network, self._lifecycle, clock=clock, random=random, config=delivery
        )
        self._acknowledging = Acknowledging(self._network, random=random, config=self._delivery.config)
        self._subscribing = Subscribing(self._store, self._network)
        self._joining: set[tuple[bytes, bytes]] = set()

    def use_servers(self, servers: Sequence[ServerAddress]) -> None:
        """Make new connections on these servers of ours; those that there are stay where they are."""
        self._servers = tuple(servers)

    async def start(self) -> None:
        """Subscribe to all queues, and continue with what was not sent or deleted yet."""
        if self._kem is self._kem_stock:
            self._kem_stock.open()
        with self._database.transaction():
            self._store.delete_join_keys(before=self._clock() - _JOIN_KEY_LIFETIME)
            self._receipts.forget_old()
        self._subscribing.start()
        self._delivery.start()

    async def stop(self) -> None:
        """Stop everything; what was not done is continued by the next start."""
        await self._subscribing.stop()
        self._kem_stock.close()
        await self._delivery.stop()
        await self._acknowledging.stop()
        await self._network.close()

    # connections

    async def create_connection(
        self, *, created: Callable[[int], None] | None = None, pq: bool = True
    ) -> tuple[int, str]:
        """Make a one-time invitation: the new connection's id, and the link (``simplex:/invitation#/?…``).

        ``created`` is called with the id inside the transaction that stores the connection, so that both floors know
        it or neither. ``pq``: whether post-quantum encryption is wanted. Raises :class:`AgentError` and ``SMPError``.
        """
        queue = await self._create_queue(self._choose_server(), CLIENT_VERSIONS.maximum)
        keys = E2EPrivateKeys.generate(self._random)
        with self._storing(queue):
            connection_id = self._store.add_connection(ConnectionState.INVITED, AGENT_VERSIONS.maximum)
            self._store.set_pq(connection_id, wanted=pq, supported=pq)
            self._store.add_invitation_keys(connection_id, keys)
            self._add_rcv_queue(connection_id, queue)
            if created is not None:
                created(connection_id)
        mode = QueueMode.MESSAGING if queue.ids.sender_can_secure else None
        uri = QueueUri(CLIENT_VERSIONS, queue.server, queue.ids.sender_id, queue.e2e_key.public, mode)
        return connection_id, str(Invitation(AGENT_VERSIONS, (uri,), keys.public(E2E_VERSIONS)))

    async def join_connection(
        self, link: str, info: bytes, *, created: Callable[[int], None] | None = None, pq: bool = True
    ) -> int:
        """Use somebody's one-time invitation: the new connection's id. ``info`` is what the maker is told of us.

        The rest goes on by itself, across restarts, until ``Connected`` or ``ConnectionFailed``. If this is killed or
        fails, no connection is left, and the same link can be tried again here. ``created`` and ``pq`` are as in
        :meth:`create_connection`. Raises :class:`LinkError`, :class:`AgentError` and ``SMPError``.
        """
        invitation = Invitation.parse(link)
        agent_version = highest_common(AGENT_VERSIONS, invitation.versions)
        e2e_version = highest_common(E2E_VERSIONS, invitation.e2e.versions)
        target = _usable_queue(invitation)
        if agent_version is None or e2e_version is None or target is None:
            raise LinkError(LinkFault.INCOMPATIBLE)
        pq_supported = pq and supports_pq(agent_version, e2e_version)
        _check_info(info, agent_version, pq=pq_supported)
        ratchet_key, e2e_key = X448PrivateKey.generate(self._random), X25519PrivateKey.generate(self._random)
        their_params = invitation.e2e.at(e2e_version)
        try:
            BoxKey.agree(e2e_key, target.dh_key)
            own_keys = E2EPrivateKeys.generate(self._random, reply_kem(their_params, self._kem, wanted=pq_supported))
            ratchet_state = ratchet.init_sending(own_keys, their_params, ratchet_key)
        except (CryptoError, ratchet.RatchetError):
            raise LinkError(LinkFault.DAMAGED, "its keys are not safe to use") from None
        name = (target.server.fingerprint, target.sender_id)
        self._check_unused(target)
        if name in self._joining:
            raise LinkUsed("This link is being used right now: wait until the contact appears.")
        self._joining.add(name)
        try:
            auth_key = await self._secure(target)
            queue = await self._create_queue(self._choose_server(other_than=target.server), target.version)
        finally:
            self._joining.discard(name)
        # nothing is awaited from here on
        with self._storing(queue):
            connection_id = self._store.add_connection(ConnectionState.JOINED, agent_version)
            self._add_rcv_queue(connection_id, queue)
            self._store.add_snd_queue(
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
            self._store.delete_join_key(target.server, target.sender_id)
            self._store.set_ratchet(connection_id, ratchet_state)
            reply = ConnInfoReply((_queue_info(queue),), info)
            connection = self._store.connection(connection_id)
            self._outgoing.confirmation(connection, reply, own_keys.public_at(e2e_version))
            if created is not None:
                created(connection_id)
        return connection_id

    def allow_connection(self, connection_id: int, info: bytes) -> None:
        """Answer ``ConfirmationReceived``: ``info`` is what the peer is told of us.

        Raises :class:`UnknownConnection`, :class:`WrongState` and :class:`LargeMessage`; nothing has changed then.
        """
        with self._atomic():
            connection = self._store.connection(connection_id)
            _check_info(info, connection.agent_version, pq=connection.pq_supported)
            if not self._lifecycle.fire(connection_id, ConnectionEvent.ALLOW, Cause(info=info)):
                raise WrongState("there is no confirmation to answer on this connection")

    def send(self, connection_id: int, body: bytes, *, notify: bool = False) -> int:
        """Send a message: its number. It is stored before this returns, and sent until the server takes it.

        ``notify``: worth waking up the peer's device for. Raises :class:`UnknownConnection`, :class:`WrongState`
        (not connected) and :class:`LargeMessage`; nothing has changed then.
        """
        with self._atomic():
            number = self._lifecycle.send(connection_id, body, notify=notify)
            if number is None:
                raise WrongState("messages can be sent once the connection is made")
            return number

    def send_receipt(self, connection_id: int, number: int) -> bool:
        """Tell the peer that its message ``number`` was received; only while ``MessageReceived`` is handled.

        False if the peer knows no receipts, or nothing can be sent now. Raises :class:`WrongState` at other times, and
        :class:`UnknownConnection`.
        """
        with self._atomic():
            return self._receipts.send(connection_id, number)

    def set_pq(self, connection_id: int, *, on: bool) -> None:
        """Turn post-quantum encryption on or off with a peer; it takes effect with the next messages of both sides.

        Raises :class:`UnknownConnection`.
        """
        with self._database.transaction():
            self._store.connection(connection_id)
            self._store.set_pq(connection_id, wanted=on)

    def is_quantum_resistant(self, connection_id: int) -> bool:
        """Whether post-quantum encryption is on in both directions; raises :class:`UnknownConnection`."""
        self._store.connection(connection_id)
        state = self._store.ratchet(connection_id)
        return state is not None and state.is_quantum_resistant

    def message_limit(self, connection_id: int) -> int:
        """How many bytes of a message's body fit now; raises :class:`UnknownConnection`."""
        connection = self._store.connection(connection_id)
        pq = connection.pq_supported or (connection.pq_wanted and supports_pq(connection.agent_version))
        return agent_message_length(connection.agent_version, pq=pq) - _MESSAGE_OVERHEAD

    async def delete_connection(self, connection_id: int) -> None:
        """Forget a connection at once; its queue on the server is deleted as soon as that can be reached.

        Raises :class:`UnknownConnection`.
        """
        with self._database.transaction():
            self._store.connection(connection_id)
            queues = self._store.rcv_queues(connection_id)
            for queue in queues:
                self._store.add_deletion(queue.subscription, self._clock())
            self._store.delete_connection(connection_id)
            self._database.after_commit(lambda: self._forget(queues))

    def connection_ids(self) -> list[int]:
        """All connections, oldest first."""
        return self._store.connection_ids()

    def connection_state(self, connection_id: int) -> ConnectionState:
        """Where a connection stands; raises :class:`UnknownConnection`."""
        return self._store.connection(connection_id).state

    # what the network tells (NetworkHandler)

    def message(self, server: ServerAddress, recipient_id: bytes, message: Msg) -> None:
        """Process a message in one transaction, then acknowledge it."""
        queue = self._store.rcv_queue(server, recipient_id)
        if queue is None:
            _log.info("a message came for a queue that was deleted")
            return
        committed: list[bool] = []
        try:
            with self._database.transaction():
                self._database.after_commit(lambda: committed.append(True))
                self._receiver.receive(queue, message)
        except Exception as error:  # noqa: BLE001 - no message may block its queue for good
            if is_storage_failure(error) and not committed:
                _log.critical("a message cannot be stored and stays on its server: %s", type(error).__name__)
                self._acknowledging.later(queue, lambda: self.message(server, recipient_id, message))
                return
            _log.error("a message could not be processed: %s", type(error).__name__)
            if not committed:
                with self._database.transaction():
                    self._store.set_last_message(queue.id, message.message_id)
                    self._lifecycle.emit(MessageRejected(queue.connection_id, RejectionReason.NOT_PROCESSED))
        self._acknowledging.start(queue, message.message_id)

    def subscribed(self, queues: Sequence[RecipientQueue]) -> None:
        """Queues deliver (again)."""
        by_server: dict[ServerAddress, set[int]] = {}
        for queue in queues:
            stored = self._store.rcv_queue(queue.server, queue.recipient_id)
            if stored is not None:
                by_server.setdefault(queue.server, set()).add(stored.connection_id)
        for server, ids in by_server.items():
            self._tell(ServerConnected(server, tuple(sorted(ids))))

    def subscription_failed(self, queue: RecipientQueue, error: SMPError) -> None:
        """The server refused a subscription: if it knows the queue no more, so do we."""
        stored = self._store.rcv_queue(queue.server, queue.recipient_id)
        _log.warning("a subscription failed: %s", error)
        if stored is None or not isinstance(error, BrokerError):
            return
        if error.error.code in (ErrorCode.AUTH, ErrorCode.BLOCKED):
            with self._database.transaction():
                cause = Cause(reason=FailureReason.QUEUE_GONE)
                self._lifecycle.fire(stored.connection_id, ConnectionEvent.FAIL, cause)

    def ended(self, queue: RecipientQueue) -> None:
        """Another client subscribed to a queue of ours."""
        stored = self._store.rcv_queue(queue.server, queue.recipient_id)
        if stored is not None:
            self._tell(SubscriptionTaken(stored.connection_id))

    def connected(self, server: ServerAddress) -> None:
        """Send at once what waits for this server."""
        self._delivery.server_connected(server)

    def disconnected(self, server: ServerAddress) -> None:
        """The network is connecting again (or did not manage to yet)."""
        ids = self._store.connections_of_server(server)
        if ids:
            self._tell(ServerDisconnected(server, ids))

    # inside

    def _tell(self, event: AgentEvent) -> None:
        with self._database.transaction():
            self._lifecycle.emit(event)

    @contextmanager
    def _atomic(self) -> Iterator[None]:
        """All or nothing, also within a caller's transaction, which may go on after our error."""
        failure: AgentError | None = None
        with self._database.transaction():
            try:
                with self._database.savepoint():
                    yield
            except AgentError as error:
                failure = error
        if failure is not None:
            raise failure

    def _wake(self, queue_id: int) -> None:
        self._delivery.wake(queue_id)

    def _queue_drained(self, queue_id: int) -> None:
        self._delivery.queue_drained(queue_id)

    def _choose_server(self, other_than: ServerAddress | None = None) -> ServerAddress:
        """One of our servers by chance, if possible not the one that the peer chose."""
        choice = [server for server in self._servers if server != other_than] or list(self._servers)
        if not choice:
            raise AgentError("no server is set up to receive on: add one to the settings")
        return choice[int.from_bytes(self._random(4), "big") % len(choice)]

    async def _create_queue(self, server: ServerAddress, client_version: int) -> NewRcvQueue:
        auth_key = Ed25519PrivateKey.generate(self._random)
        dh_key, e2e_key = X25519PrivateKey.generate(self._random), X25519PrivateKey.generate(self._random)
        ids = await self._network.create_queue(server, auth_key, dh_key.public)
        return NewRcvQueue(replace(server, password=None), ids, auth_key, dh_key, e2e_key, client_version)

    def _add_rcv_queue(self, connection_id: int, queue: NewRcvQueue) -> None:
        try:
            stored = self._store.add_rcv_queue(connection_id, queue)
        except CryptoError:
            raise AgentError("the server answered with a key that is not safe to use: choose another server") from None
        except sqlite.IntegrityError:
            raise AgentError("the server answered with the id of another queue: choose another server") from None

        def subscribe() -> None:
            self._network.subscribe(stored.subscription)
            # a queue is subscribed by its creation, so the network will not tell it
            self._tell(ServerConnected(stored.server, (connection_id,)))

        self._database.after_commit(subscribe)

    def _check_unused(self, target: QueueInfo) -> None:
        if self._store.has_own_queue(target.server, target.sender_id):
            raise LinkUsed("This is your own link: send it to the person you want to talk to.")
        if self._store.has_snd_queue(target.server, target.sender_id):
            raise LinkUsed("You used this link already: the contact is in your list.")

    async def _secure(self, target: QueueInfo) -> X25519PrivateKey:
        """Secure a link's queue with a key that was stored before, so that a second attempt uses the same."""
        with self._database.transaction():
            key = self._store.join_key(
                target.server, target.sender_id, X25519PrivateKey.generate(self._random), self._clock()
            )
        if target.sender_can_secure:
            try:
                await self._network.secure_queue_by_sender(target.server, target.sender_id, key)
            except BrokerError as error:
                if error.error.code is not ErrorCode.AUTH:
                    raise
                with self._database.transaction():
                    self._store.delete_join_key(target.server, target.sender_id)
                raise LinkUsed("This link was used already or has expired: ask for a new one.") from None
        return key

    @contextmanager
    def _storing(self, queue: NewRcvQueue) -> Iterator[None]:
        """A transaction for the connection of a queue that was just made: if it fails, the queue is deleted again."""
        committed: list[bool] = []
        try:
            with self._database.transaction():
                self._database.after_commit(lambda: committed.append(True))
                yield
        except Exception:
            if not committed:
                with self._database.transaction():
                    recipient = RecipientQueue(queue.server, queue.ids.recipient_id, queue.auth_key)
                    self._store.add_deletion(recipient, self._clock())
                    self._database.after_commit(self._delivery.wake_deletions)
            raise

    def _forget(self, queues: Sequence[RcvQueue]) -> None:
        for queue in queues:
            self._network.unsubscribe(queue.subscription)
            self._acknowledging.forget(queue)
        self._delivery.wake_deletions()


def _check_info(info: bytes, agent_version: int, *, pq: bool) -> None:
    limit = connection_info_length(agent_version, pq=pq) - _INFO_OVERHEAD
    if len(info) > limit:
        raise LargeMessage(len(info), limit)


def _usable_queue(invitation: Invitation) -> QueueInfo | None:
    """The first queue of a link that speaks a client version in common with us, at the highest such version."""
    for uri in invitation.queues:
        version = highest_common(CLIENT_VERSIONS, uri.versions)
        if version is not None and uri.mode is not QueueMode.CONTACT:
            info = uri.at(version)
            return replace(info, server=replace(info.server, password=None))
    return None


def _queue_info(queue: NewRcvQueue) -> QueueInfo:
    """What the peer is told of a queue that it shall send to."""
    mode = QueueMode.MESSAGING if queue.ids.sender_can_secure else None
    return QueueInfo(queue.client_version, queue.server, queue.ids.sender_id, queue.e2e_key.public, mode)
