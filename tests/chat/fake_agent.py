"""An agent without servers: links two chats in memory, moves messages only when the test says so."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from simplex_calls.agent.details import LinkKind, LinkPreview
from simplex_calls.agent.errors import LargeMessage, RatchetNotReady, UnknownConnection, UnknownRequest, WrongState
from simplex_calls.agent.events import (
    AgentEvent,
    ConfirmationReceived,
    Connected,
    ContactRequestReceived,
    FailureReason,
    InfoReceived,
    Integrity,
    MessageDelivered,
    MessageFailed,
    MessageReceiptReceived,
    MessageReceived,
    MessageRejected,
    QueueDirection,
    QueueSwitched,
    RatchetSync,
    RejectionReason,
    SwitchPhase,
)
from simplex_calls.agent.links import ConnectionLink
from simplex_calls.chat.chat import Chat
from simplex_calls.chat.events import CallMessageReceived, ChatEvent
from simplex_calls.database import Database
from simplex_calls.smp.address import ServerAddress
from simplex_calls.smp.queues import NetworkConfig

OK = Integrity()
SERVER_OF_PEER = ServerAddress(("peer.example.org",), None, bytes(32))
BROKER_TIME = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


@dataclass
class Wire:
    """All agents of a test, and what is between them."""

    links: dict[str, tuple[FakeAgent, int]] = field(default_factory=dict)
    moving: deque[Callable[[], object]] = field(default_factory=deque)
    has_receipts: bool = False
    """Whether the agents are of a version that sends them."""

    def run(self) -> None:
        """Move everything that is on its way, answers included."""
        while self.moving:
            self.moving.popleft()()


class FakeAgent:
    """Behaves like the agent towards the chat floor: same transactions, same events."""

    limit = 15_700
    info_limit = 14_800

    def __init__(self, wire: Wire, database: Database, handler: Callable[[AgentEvent], None]) -> None:
        self.wire = wire
        self.database = database
        self.handler = handler
        self.peers: dict[int, tuple[FakeAgent, int] | None] = {}
        self.connected: set[int] = set()
        self.numbers = itertools.count(1)
        self.ids = itertools.count(1)
        self.sent: list[tuple[int, bytes, bool]] = []
        self.deleted: list[int] = []
        self.next_failure: FailureReason | None = None
        self.running = False
        self.pq: dict[int, bool] = {}
        self.links: dict[int, ConnectionLink] = {}
        self.shown: dict[str, bytes] = {}
        self.own_addresses: list[int] = []
        self.requests: dict[int, tuple[FakeAgent, int]] = {}
        self.sync: dict[int, RatchetSync] = {}
        self.switching: set[int] = set()
        self.wishes_pq: list[bool] = []
        self.network: NetworkConfig | None = None
        self.servers: tuple[ServerAddress, ...] = ()
        self.dies_after_making = False
        self.slowed: list[tuple[int, float]] = []

    def send_receipt(self, connection_id: int, number: int) -> bool:
        found = self.peers.get(connection_id)
        if found and self.wire.has_receipts:
            peer, peer_id = found
            self.database.after_commit(
                lambda: self.wire.moving.append(
                    lambda: peer.tell(MessageReceiptReceived(peer_id, number, is_good=True))
                )
            )
        return self.wire.has_receipts

    def slow_down(self, connection_id: int, seconds: float) -> None:
        self.slowed.append((connection_id, seconds))

    def security_code(self, connection_id: int) -> str | None:
        peer = self.peers.get(connection_id)
        # the same on both sides
        return None if peer is None else " ".join(f"{n:05}" for n in sorted([connection_id, peer[1], 31415]))

    def is_quantum_resistant(self, connection_id: int) -> bool:
        return self.pq.get(connection_id, True)

    def wants_pq(self, connection_id: int) -> bool:
        return self.pq.get(connection_id, True)

    def set_pq(self, connection_id: int, *, on: bool) -> None:
        self.pq[connection_id] = on

    def servers_of(self, connection_id: int) -> tuple[tuple[ServerAddress, ...], tuple[ServerAddress, ...]]:
        return self.servers, () if self.peers.get(connection_id) is None else (SERVER_OF_PEER,)

    def configure_network(self, config: NetworkConfig) -> None:
        self.network = config

    def use_servers(self, servers: Sequence[ServerAddress]) -> None:
        self.servers = tuple(servers)

    async def start(self) -> None:
        self.running = True

    async def stop(self) -> None:
        self.running = False

    def tell(self, event: AgentEvent) -> bool:
        """Hand an event over as the agent does; False if the floor above failed on it."""
        with self.database.transaction():
            try:
                with self.database.savepoint():
                    self.handler(event)
            except Exception:  # noqa: BLE001 - the agent's own rule
                self.handler(MessageRejected(event.connection_id, RejectionReason.NOT_PROCESSED))  # type: ignore[union-attr]
                return False
        return True

    async def create_connection(
        self, *, created: Callable[[int], None] | None = None, user_data: bytes = b"", pq: bool = True
    ) -> tuple[int, ConnectionLink]:
        self.wishes_pq.append(pq)
        connection_id = next(self.ids)
        link = f"simplex:/invitation#{id(self)}-{connection_id}"
        self._make(connection_id, None, created)
        self.wire.links[link] = (self, connection_id)
        self.links[connection_id] = ConnectionLink(link)
        self.shown[link] = user_data
        return connection_id, self.links[connection_id]

    def connection_link(self, connection_id: int) -> ConnectionLink | None:
        return self.links.get(connection_id)

    async def look_up_link(self, link: str) -> LinkPreview:
        agent, connection_id = self.wire.links[link]
        kind = LinkKind.CONTACT if connection_id in agent.own_addresses else LinkKind.INVITATION
        is_own = agent is self
        return LinkPreview(kind, agent.shown[link], is_own=is_own, connection_id=connection_id if is_own else None)

    def addresses(self) -> list[int]:
        return self.own_addresses

    async def create_address(
        self, user_data: bytes = b"", *, created: Callable[[int], None] | None = None
    ) -> tuple[int, ConnectionLink]:
        address_id = next(self.ids)
        link = f"simplex:/contact#{id(self)}-{address_id}"
        self.wire.links[link] = (self, address_id)
        self.links[address_id] = ConnectionLink(link)
        self.shown[link] = user_data
        self.own_addresses.append(address_id)
        return address_id, self.links[address_id]

    def address_link(self, address_id: int) -> ConnectionLink:
        return self.links[address_id]

    async def set_address_data(self, address_id: int, user_data: bytes) -> None:
        self.shown[self.links[address_id].full] = user_data

    async def delete_address(self, address_id: int) -> None:
        self.own_addresses.remove(address_id)
        del self.wire.links[self.links.pop(address_id).full]

    async def accept_request(
        self, request_id: int, info: bytes, *, created: Callable[[int], None] | None = None, pq: bool = True
    ) -> int:
        if request_id not in self.requests:
            raise UnknownRequest(request_id)
        peer, peer_id = self.requests.pop(request_id)
        connection_id = next(self.ids)
        self._make(connection_id, (peer, peer_id), created)
        peer.peers[peer_id] = (self, connection_id)
        self.wire.moving.append(lambda: peer.tell(ConfirmationReceived(peer_id, info)))
        return connection_id

    def reject_request(self, request_id: int) -> None:
        if self.requests.pop(request_id, None) is None:
            raise UnknownRequest(request_id)

    def ask(self, address_id: int, info: bytes, asker: tuple[FakeAgent, int]) -> None:
        request_id = next(self.ids)
        self.requests[request_id] = asker
        with self.database.transaction():
            self.handler(ContactRequestReceived(address_id, request_id, info))

    def ratchet_sync(self, connection_id: int) -> RatchetSync:
        return self.sync.get(connection_id, RatchetSync.OK)

    def synchronize_ratchet(self, connection_id: int, *, force: bool = False) -> None:
        self.sync[connection_id] = RatchetSync.STARTED

    async def switch_receiving_queue(self, connection_id: int) -> None:
        if not self.ratchet_sync(connection_id).allows_sending:
            raise RatchetNotReady
        if connection_id in self.switching:
            raise WrongState("being replaced already")
        self.switching.add(connection_id)
        self.tell(QueueSwitched(connection_id, QueueDirection.RECEIVING, SwitchPhase.STARTED))

    def abort_switching_queue(self, connection_id: int) -> None:
        if connection_id not in self.switching:
            raise WrongState("nothing is replaced")
        self.switching.remove(connection_id)
        self.tell(QueueSwitched(connection_id, QueueDirection.RECEIVING, SwitchPhase.ABORTED))

    def can_abort_switching(self, connection_id: int) -> bool:
        return connection_id in self.switching

    def is_switching(self, connection_id: int) -> bool:
        return connection_id in self.switching

    async def join_connection(
        self, link: str, info: bytes, *, created: Callable[[int], None] | None = None, pq: bool = True
    ) -> int:
        self.wishes_pq.append(pq)
        if len(info) > self.info_limit:
            raise LargeMessage(len(info), self.info_limit)
        connection_id = next(self.ids)
        peer, peer_id = self.wire.links[link]
        if peer_id in peer.own_addresses:
            self._make(connection_id, None, created)
            self.wire.moving.append(lambda: peer.ask(peer_id, info, (self, connection_id)))
            return connection_id
        del self.wire.links[link]
        self._make(connection_id, (peer, peer_id), created)
        peer.peers[peer_id] = (self, connection_id)
        self.wire.moving.append(lambda: peer.tell(ConfirmationReceived(peer_id, info)))
        return connection_id

    def _make(
        self, connection_id: int, peer: tuple[FakeAgent, int] | None, created: Callable[[int], None] | None
    ) -> None:
        with self.database.transaction():
            if created is not None:
                created(connection_id)
        self.peers[connection_id] = peer
        if self.dies_after_making:
            raise KeyboardInterrupt

    def allow_connection(self, connection_id: int, info: bytes) -> None:
        if len(info) > self.info_limit:
            raise LargeMessage(len(info), self.info_limit)
        found = self.peers[connection_id]
        assert found
        peer, peer_id = found

        def move() -> None:
            peer.tell(InfoReceived(peer_id, info))
            peer.connect(peer_id)
            self.connect(connection_id)

        self.database.after_commit(lambda: self.wire.moving.append(move))

    def connect(self, connection_id: int) -> None:
        self.connected.add(connection_id)
        self.tell(Connected(connection_id))

    def send(self, connection_id: int, body: bytes, *, notify: bool = False) -> int:
        # before the transaction: the caller's goes on
        if connection_id not in self.connected:
            raise WrongState("not connected")
        if not self.ratchet_sync(connection_id).allows_sending:
            raise RatchetNotReady
        if len(body) > self.limit:
            raise LargeMessage(len(body), self.limit)
        with self.database.transaction():
            number = next(self.numbers)

            def queue() -> None:
                self.sent.append((connection_id, body, notify))
                self.wire.moving.append(lambda: self.deliver(connection_id, number, body))

            self.database.after_commit(queue)
        return number

    def deliver(self, connection_id: int, number: int, body: bytes) -> None:
        if self.next_failure:
            reason, self.next_failure = self.next_failure, None
            self.tell(MessageFailed(connection_id, number, reason))
            return
        self.tell(MessageDelivered(connection_id, number))
        found = self.peers.get(connection_id)
        if found:
            found[0].receive(found[1], body, number)

    def receive(self, connection_id: int, body: bytes, number: int = 1, integrity: Integrity = OK) -> bool:
        if connection_id not in self.peers:
            return False
        return self.tell(MessageReceived(connection_id, number, BROKER_TIME, integrity, body))

    async def delete_connection(self, connection_id: int) -> None:
        if connection_id not in self.peers:
            raise UnknownConnection(connection_id)
        del self.peers[connection_id]
        self.connected.discard(connection_id)
        self.deleted.append(connection_id)


class Person:
    """One side of a test: a chat over a fake agent, and the events that it told."""

    def __init__(self, wire: Wire, name: str | None, database: Database | None = None) -> None:
        self.now = 1_800_000_000.0
        self.events: list[ChatEvent] = []
        self.event_error: Exception | None = None
        self.calls: list[CallMessageReceived] = []
        self.call_handler: Callable[[CallMessageReceived], None] = self.calls.append
        self.database = database or Database()
        self.random_bytes = itertools.count(1)
        self.chat = Chat(
            self.database,
            self._make_agent(wire),
            handler=self._handle,
            clock=lambda: self.now,
            random=lambda size: next(self.random_bytes).to_bytes(size, "big"),
        )
        if name is not None:
            self.chat.set_profile(name)

    def _make_agent(self, wire: Wire) -> Callable[[Callable[[AgentEvent], None]], FakeAgent]:
        def make(handler: Callable[[AgentEvent], None]) -> FakeAgent:
            self.agent = FakeAgent(wire, self.database, handler)
            return self.agent

        return make

    def _handle(self, event: ChatEvent) -> None:
        if isinstance(event, CallMessageReceived):
            self.call_handler(event)
        elif self.event_error:
            raise self.event_error
        else:
            # everything else comes after the commit: a new transaction is possible
            with self.database.transaction():
                self.database.after_commit(lambda: self.events.append(event))

    def take_events(self) -> list[ChatEvent]:
        taken, self.events = self.events, []
        return taken


async def befriend(wire: Wire, inviter: Person, joiner: Person) -> tuple[int, int]:
    """Connect two people; their contact ids at the inviter and at the joiner."""
    invitation = await inviter.chat.create_invitation()
    contact = await joiner.chat.connect(str(invitation.link))
    wire.run()
    inviter.take_events()
    joiner.take_events()
    return invitation.contact_id, contact.id
