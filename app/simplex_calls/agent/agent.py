"""The agent: duplex connections over simplex queues, kept across restarts. This file is its shell.

It makes queues and links, and starts what the database says is to be done; what the network tells it leaves to
:mod:`.listening`.
What a connection may do is decided by the table in :mod:`.connection`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from simplex_calls.agent.acknowledging import Acknowledging
from simplex_calls.agent.connection import ConnectionEvent, ConnectionState
from simplex_calls.agent.delivery import Delivery, DeliveryConfig
from simplex_calls.agent.details import ConnectionDetails, LinkPreview
from simplex_calls.agent.errors import AgentError, UnknownConnection, UnknownRequest, WrongState
from simplex_calls.agent.events import AgentEvent, RatchetSync
from simplex_calls.agent.joining import Joining, check_info
from simplex_calls.agent.kem_stock import KemStock
from simplex_calls.agent.lifecycle import Cause, Lifecycle
from simplex_calls.agent.link_store import LinkStore
from simplex_calls.agent.links import ConnectionLink
from simplex_calls.agent.listening import Listening
from simplex_calls.agent.outgoing import Outgoing
from simplex_calls.agent.own_links import OwnLinks
from simplex_calls.agent.port import NetworkPort
from simplex_calls.agent.queue_making import QueueMaker
from simplex_calls.agent.receipts import DeliveryReceipts
from simplex_calls.agent.receiving import Receiver
from simplex_calls.agent.records import NewRcvQueue, RcvQueue
from simplex_calls.agent.resynchronizing import Resynchronizer
from simplex_calls.agent.rotating import Rotation
from simplex_calls.agent.security_code import security_code
from simplex_calls.agent.store import Store
from simplex_calls.agent.subscribing import Subscribing
from simplex_calls.agent.versions import CLIENT_VERSIONS, agent_message_length, supports_pq
from simplex_calls.crypto import KemSource, Random
from simplex_calls.database import Database
from simplex_calls.servers import preset_servers
from simplex_calls.smp.address import ServerAddress
from simplex_calls.smp.network import Network
from simplex_calls.smp.queues import NetworkConfig, NetworkHandler

_JOIN_KEY_LIFETIME = 30 * 86_400.0

# the padding's length, kind, number, hash of the one before with its length, and kind of content
_MESSAGE_OVERHEAD = 2 + 1 + 8 + 33 + 1


class Agent:
    """Connections of one profile.

    ``handler`` gets every event inside the transaction that stores its cause: it may write to the same database and
    call :meth:`send` and :meth:`allow_connection`, but must not wait for anything. ``network`` makes the network for
    a handler (tests bring their own). ``clock`` gives seconds since the epoch. ``presets`` are the servers that short
    links name by their host alone (the published ones that the program knows).
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
        presets: Sequence[ServerAddress] | None = None,
    ) -> None:
        presets = preset_servers() if presets is None else tuple(presets)
        self._database = database
        self._clock = clock
        self._random = random
        self._kem_stock = KemStock()
        self._kem = kem or self._kem_stock
        self._store = Store(database)
        self._network: NetworkPort = Network(handler=self) if network is None else network(self)
        self._network.use_servers(servers)
        self._outgoing = Outgoing(self._store, wake=self._wake, clock=clock, random=random)
        self._lifecycle = Lifecycle(self._store, self._outgoing, handler)
        self._receipts = DeliveryReceipts(self._store, self._outgoing, self._lifecycle.emit, clock)
        self._resync = Resynchronizer(
            self._store, self._outgoing, self._lifecycle.emit, clock=clock, random=random, kem=self._kem
        )
        self._rotation = Rotation(
            self._store,
            self._outgoing,
            self._lifecycle,
            add_queue=self._add_queue,
            forget=self._forget,
            clock=clock,
            random=random,
        )
        receiver = Receiver(
            self._store,
            self._lifecycle,
            self._outgoing,
            self._receipts,
            self._resync,
            self._rotation,
            queue_drained=self._queue_drained,
            clock=clock,
            random=random,
            kem=self._kem,
        )
        self._delivery = Delivery(
            self._store, self._network, self._rotation, clock=clock, random=random, config=delivery
        )
        self._acknowledging = Acknowledging(self._network, random=random, config=self._delivery.config)
        self._subscribing = Subscribing(self._store, self._network)
        self._links = LinkStore(database)
        self._queues = QueueMaker(
            self._store, self._network, self._delivery, servers, tell=self._lifecycle.tell, clock=clock, random=random
        )
        self._own_links = OwnLinks(
            self._store, self._links, self._network, self._queues, presets=presets, kem=self._kem, random=random
        )
        self._joining = Joining(
            self._store,
            self._links,
            self._network,
            self._queues,
            self._outgoing,
            presets=presets,
            kem=self._kem,
            clock=clock,
            random=random,
        )
        listening = Listening(
            self._store,
            self._lifecycle,
            receiver,
            self._rotation,
            self._delivery,
            self._acknowledging,
            self._own_links,
        )
        # as a NetworkHandler
        self.message = listening.message
        self.subscribed = listening.subscribed
        self.subscription_failed = listening.subscription_failed
        self.ended = listening.ended
        self.connected = listening.connected
        self.disconnected = listening.disconnected

    def use_servers(self, servers: Sequence[ServerAddress]) -> None:
        """Make new connections on these servers of ours; those that there are stay where they are."""
        self._queues.servers = tuple(servers)
        self._network.use_servers(servers)

    def configure_network(self, config: NetworkConfig) -> None:
        """Reach servers as ``config`` says from now on (private routing, SOCKS proxy); its own servers stay ours."""
        self._network.configure(replace(config, known_servers=frozenset(self._queues.servers)))

    async def start(self) -> None:
        """Subscribe to all queues, and continue with what was not sent or deleted yet."""
        if self._kem is self._kem_stock:
            self._kem_stock.open()
        with self._database.transaction():
            before = self._clock() - _JOIN_KEY_LIFETIME
            self._store.queues.delete_join_keys(before=before)
            self._links.delete_link_keys(before=before)
            self._receipts.forget_old()
        self._subscribing.start()
        self._delivery.start()
        self._own_links.send_waiting()

    async def stop(self) -> None:
        """Stop everything; what was not done is continued by the next start."""
        await self._subscribing.stop()
        self._kem_stock.close()
        await self._own_links.stop()
        await self._delivery.stop()
        await self._acknowledging.stop()
        await self._network.close()

    # connections

    async def create_connection(
        self, *, created: Callable[[int], None] | None = None, user_data: bytes = b"", pq: bool = True
    ) -> tuple[int, ConnectionLink]:
        """Make a one-time invitation: the new connection's id, and the link, short if the server keeps its data.

        ``created`` is called with the id inside the transaction that stores the connection, so that both floors know
        it or neither. ``user_data`` is what the short link shows of us before it is used. ``pq``: whether
        post-quantum encryption is wanted. Raises :class:`AgentError` and ``SMPError``.
        """
        return await self._own_links.invite(user_data, created=created, pq=pq)

    async def look_up_link(self, link: str) -> LinkPreview:
        """Tell what a link is before using it.

        Short links are looked up at their server; a one-time one cannot be used by anybody else after that. Raises
        :class:`LinkError`, :class:`LinkUsed` and ``SMPError``.
        """
        return await self._joining.look_up(link)

    async def join_connection(
        self, link: str, info: bytes, *, created: Callable[[int], None] | None = None, pq: bool = True
    ) -> int:
        """Use somebody's invitation or contact address, full or short: the new connection's id.

        ``info`` is what the maker is told of us. The rest goes on by itself, across restarts: with an invitation until
        ``Connected`` or ``ConnectionFailed``; an address's owner may take any time, or never answer, and
        ``ConfirmationReceived`` comes if it accepts. If this is killed or fails, no connection is left, and the same
        link can be tried again here. ``created`` and ``pq`` are as in :meth:`create_connection`. Raises
        :class:`LinkError`, :class:`AgentError` and ``SMPError``.
        """
        return await self._joining.join(link, info, created=created, pq=pq)

    def connection_link(self, connection_id: int) -> ConnectionLink | None:
        """The link that this connection or address of ours was made with; None of those made otherwise.

        Raises :class:`UnknownConnection`.
        """
        self._store.connection(connection_id)
        return self._own_links.link(connection_id)

    # contact addresses

    async def create_address(
        self, user_data: bytes = b"", *, created: Callable[[int], None] | None = None
    ) -> tuple[int, ConnectionLink]:
        """Make a contact address, by which anybody may ask to connect: its id, and the link.

        ``user_data`` is what the short link shows of us. Raises :class:`AgentError` and ``SMPError``.
        """
        return await self._own_links.create_address(user_data, created=created)

    def addresses(self) -> list[int]:
        """Our contact addresses, oldest first."""
        return self._store.connection_ids(addresses=True)

    def address_link(self, address_id: int) -> ConnectionLink:
        """The link of an address; raises :class:`UnknownConnection`."""
        link = self._own_links.link(address_id)
        if link is None or self._store.connection(address_id).state is not ConnectionState.ADDRESS:
            raise UnknownConnection(address_id)
        return link

    async def set_address_data(self, address_id: int, user_data: bytes) -> None:
        """Change what the short link of an address shows of us: stored at once, sent until the server has it.

        Raises :class:`UnknownConnection` and :class:`LargeMessage`.
        """
        await self._own_links.set_user_data(address_id, user_data)

    async def delete_address(self, address_id: int) -> None:
        """Forget an address with the requests that wait; who was accepted stays. Raises :class:`UnknownConnection`."""
        if self._store.connection(address_id).state is not ConnectionState.ADDRESS:
            raise UnknownConnection(address_id)
        await self.delete_connection(address_id)

    async def accept_request(
        self, request_id: int, info: bytes, *, created: Callable[[int], None] | None = None, pq: bool = True
    ) -> int:
        """Connect with who asked through an address: the new connection's id; the rest as after joining.

        If this is killed or fails, the request is still there. ``created`` is called in the transaction that stores
        the connection and forgets the request. Raises :class:`UnknownRequest`, :class:`LinkError` (no version in
        common), :class:`LinkUsed` (they are gone), :class:`AgentError` and ``SMPError``.
        """
        return await self._joining.accept(request_id, info, created=created, pq=pq)

    def reject_request(self, request_id: int) -> None:
        """Forget who asked through an address; they are not told. Raises :class:`UnknownRequest`."""
        with self._atomic():
            if not self._links.delete_request(request_id):
                raise UnknownRequest(request_id)
            self._database.erase()

    # messages

    def allow_connection(self, connection_id: int, info: bytes) -> None:
        """Answer ``ConfirmationReceived``: ``info`` is what the peer is told of us.

        Raises :class:`UnknownConnection`, :class:`WrongState` and :class:`LargeMessage`; nothing has changed then.
        """
        with self._atomic():
            connection = self._store.connection(connection_id)
            check_info(info, connection.agent_version, pq=connection.pq_supported)
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

    def slow_down(self, connection_id: int, seconds: float) -> None:
        """Take the next message of a connection only after so many seconds: until then it waits on its server.

        Nothing is lost: who sends too much fills the queue there, not us.
        """
        for queue in self._store.queues.rcv_queues(connection_id):
            self._acknowledging.slow_down(queue, seconds)

    async def switch_receiving_queue(self, connection_id: int) -> None:
        """Receive from the peer in another queue, on another server if there is one; ``QueueSwitched`` tells the rest.

        Raises :class:`UnknownConnection`, :class:`WrongState` (not connected, or being replaced already),
        :class:`AgentError` and ``SMPError``.
        """
        old = self._rotation.check(connection_id)
        server = self._queues.choose_server(other_than=old.server)
        queue = await self._queues.create(server, CLIENT_VERSIONS.maximum)
        with self._queues.storing(queue):
            self._rotation.ask(connection_id, queue)

    def abort_switching_queue(self, connection_id: int) -> None:
        """Let the old queue stay, if the peer was not told yet that it can use the new one.

        Raises :class:`UnknownConnection` and :class:`WrongState`; nothing has changed then.
        """
        with self._atomic():
            self._rotation.abort(connection_id)

    def is_switching(self, connection_id: int) -> bool:
        """Whether a queue is being replaced, on either side; raises :class:`UnknownConnection`."""
        self._store.connection(connection_id)
        return self._rotation.is_switching(connection_id)

    def can_abort_switching(self, connection_id: int) -> bool:
        """Whether :meth:`abort_switching_queue` would do something; raises :class:`UnknownConnection`."""
        self._store.connection(connection_id)
        return self._rotation.can_abort(connection_id)

    def ratchet_sync(self, connection_id: int) -> RatchetSync:
        """Whether both sides' ratchets fit together; raises :class:`UnknownConnection`."""
        return self._store.connection(connection_id).ratchet_sync

    def synchronize_ratchet(self, connection_id: int, *, force: bool = False) -> None:
        """Start the ratchet again with new keys; ``RatchetOutOfStep`` tells how it goes.

        Unless ``force`` it must be ``ALLOWED`` or ``REQUIRED``. Raises :class:`UnknownConnection` and
        :class:`WrongState`; nothing has changed then.
        """
        with self._atomic():
            self._resync.ask(connection_id, force=force)

    def set_pq(self, connection_id: int, *, on: bool) -> None:
        """Turn post-quantum encryption on or off with a peer; it takes effect with the next messages of both sides.

        Raises :class:`UnknownConnection`.
        """
        with self._database.transaction():
            self._store.connection(connection_id)
            self._store.set_pq(connection_id, wanted=on)

    def wants_pq(self, connection_id: int) -> bool:
        """Whether post-quantum encryption is wanted on our side; raises :class:`UnknownConnection`."""
        return self._store.connection(connection_id).pq_wanted

    def is_quantum_resistant(self, connection_id: int) -> bool:
        """Whether post-quantum encryption is on in both directions; raises :class:`UnknownConnection`."""
        self._store.connection(connection_id)
        state = self._store.ratchets.ratchet(connection_id)
        return state is not None and state.is_quantum_resistant

    def security_code(self, connection_id: int) -> str | None:
        """The digits that both sides can compare; ``None`` until the connection has keys.

        Raises :class:`UnknownConnection`.
        """
        self._store.connection(connection_id)
        state = self._store.ratchets.ratchet(connection_id)
        return None if state is None else security_code(state)

    def connection_details(self, connection_id: int) -> ConnectionDetails:
        """What is known of a connection; raises :class:`UnknownConnection`."""
        connection = self._store.connection(connection_id)
        state = self._store.ratchets.ratchet(connection_id)
        receiving, sending = self.servers_of(connection_id)
        return ConnectionDetails(
            pq_sending=state is not None and state.sending_kem,
            pq_receiving=state is not None and state.receiving_kem,
            rcv_servers=receiving,
            snd_servers=sending,
            agent_version=connection.agent_version,
            ratchet_sync=connection.ratchet_sync,
            is_switching=self._rotation.is_switching(connection_id),
        )

    def servers_of(self, connection_id: int) -> tuple[tuple[ServerAddress, ...], tuple[ServerAddress, ...]]:
        """The servers that we receive from, and those that we send to; raises :class:`UnknownConnection`."""
        self._store.connection(connection_id)
        sending = self._store.queues.snd_queue_of(connection_id)
        receiving = (queue.server for queue in self._store.queues.rcv_queues(connection_id))
        return tuple(receiving), () if sending is None else (sending.server,)

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
            queues = self._store.queues.rcv_queues(connection_id)
            for queue in queues:
                self._store.queues.add_deletion(queue.subscription, self._clock())
            self._store.delete_connection(connection_id)
            self._database.after_commit(lambda: self._forget(queues))

    def connection_ids(self) -> list[int]:
        """All connections, oldest first, without our addresses."""
        return self._store.connection_ids()

    def connection_state(self, connection_id: int) -> ConnectionState:
        """Where a connection stands; raises :class:`UnknownConnection`."""
        return self._store.connection(connection_id).state

    # inside

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

    def _add_queue(self, connection_id: int, queue: NewRcvQueue) -> None:
        self._queues.store(connection_id, queue)

    def _queue_drained(self, queue_id: int) -> None:
        self._delivery.queue_drained(queue_id)

    def _forget(self, queues: Sequence[RcvQueue]) -> None:
        for queue in queues:
            self._network.unsubscribe(queue.subscription)
            self._acknowledging.forget(queue)
        self._delivery.wake_deletions()
