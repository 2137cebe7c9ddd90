"""People with an agent and a small floor above it, for tests: they can be killed and started again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from simplex_calls.agent.agent import Agent
from simplex_calls.agent.delivery import DeliveryConfig
from simplex_calls.agent.events import (
    AgentEvent,
    ConfirmationReceived,
    Connected,
    ContactRequestReceived,
    InfoReceived,
    MessageDelivered,
    MessageReceived,
)
from simplex_calls.smp.address import ServerAddress
from simplex_calls.smp.queues import NetworkHandler
from tests.agent.fake_network import NOW, Disk, FakeNetwork, FakeServers, Faults, Killed
from tests.agent.pooled_kem import PooledKem

SERVER = ServerAddress(("127.0.0.1",), 5223, bytes(range(32)))
AT_ONCE = DeliveryConfig(first_pause=0, longest_pause=0, first_quota_pause=3600, longest_quota_pause=3600)

_SCHEMA = """
CREATE TABLE app_contacts (connection_id INTEGER PRIMARY KEY, info BLOB, connected INTEGER NOT NULL DEFAULT 0);
CREATE TABLE app_addresses (id INTEGER PRIMARY KEY);
CREATE TABLE app_requests (request_id INTEGER PRIMARY KEY, info BLOB);
CREATE TABLE app_received (id INTEGER PRIMARY KEY AUTOINCREMENT, connection_id INTEGER, body BLOB, fine INTEGER);
CREATE TABLE app_sent (number INTEGER, connection_id INTEGER, body BLOB, delivered INTEGER NOT NULL DEFAULT 0);
"""


@dataclass
class Person:
    """An agent with an application that keeps everything in its own tables, in the agent's transactions."""

    name: str
    servers: FakeServers
    faults: Faults = field(default_factory=Faults)
    delivery: DeliveryConfig = AT_ONCE
    on_event: Callable[[AgentEvent], None] | None = None

    def __post_init__(self) -> None:
        self.disk = Disk()
        self.now = float(NOW)
        self.events: list[AgentEvent] = []

    async def start(self, *, kill_at: int | None = None, kill_after: bool = False) -> None:
        """Start the process; it may die right then (see :attr:`alive`)."""
        try:
            self.database = self.disk.open(kill_at=kill_at, kill_after=kill_after)
            self.database.migrate("app", [_SCHEMA])
            self.agent = Agent(
                self.database,
                [SERVER],
                self.handle,
                network=self._network,
                clock=lambda: self.now,
                delivery=self.delivery,
                kem=PooledKem(),
            )
            await self.agent.start()
        except Killed:
            pass

    def _network(self, handler: NetworkHandler) -> FakeNetwork:
        self.network = FakeNetwork(self.servers, handler, self.faults)
        return self.network

    @property
    def alive(self) -> bool:
        return not self.disk.dead

    async def kill(self) -> None:
        """End the process without any farewell."""
        self.disk.dead = True
        if hasattr(self, "network"):
            self.network.die()
            await self.agent.stop()

    async def restart(self, *, kill_at: int | None = None, kill_after: bool = False) -> None:
        await self.kill()
        await self.start(kill_at=kill_at, kill_after=kill_after)

    def handle(self, event: AgentEvent) -> None:
        self.events.append(event)
        if self.on_event is not None:
            self.on_event(event)
        execute = self.database.execute
        match event:
            case ContactRequestReceived(_, request_id, info):
                execute("INSERT INTO app_requests VALUES (?, ?)", (request_id, info))
            case ConfirmationReceived(connection_id, info):
                execute("UPDATE app_contacts SET info = ? WHERE connection_id = ?", (info, connection_id))
                self.agent.allow_connection(connection_id, b"info of " + self.name.encode())
            case InfoReceived(connection_id, info):
                execute("UPDATE app_contacts SET info = ? WHERE connection_id = ?", (info, connection_id))
            case Connected(connection_id):
                execute("UPDATE app_contacts SET connected = connected + 1 WHERE connection_id = ?", (connection_id,))
            case MessageReceived():
                execute(
                    "INSERT INTO app_received (connection_id, body, fine) VALUES (?, ?, ?)",
                    (event.connection_id, event.body, event.integrity.ok),
                )
            case MessageDelivered(connection_id, number):
                execute(
                    "UPDATE app_sent SET delivered = delivered + 1 WHERE connection_id = ? AND number = ?",
                    (connection_id, number),
                )
            case _:
                pass

    # what the person does

    def _add_contact(self, connection_id: int) -> None:
        self.database.execute("INSERT INTO app_contacts (connection_id) VALUES (?)", (connection_id,))

    async def invite(self, *, short: bool = False) -> str:
        _, link = await self.agent.create_connection(created=self._add_contact, user_data=self.name.encode())
        return str(link) if short else link.full

    async def join(self, link: str) -> None:
        await self.agent.join_connection(link, b"info of " + self.name.encode(), created=self._add_contact)

    async def publish(self, *, short: bool = True) -> str:
        """Make a contact address."""

        def created(address_id: int) -> None:
            self.database.execute("INSERT INTO app_addresses VALUES (?)", (address_id,))

        _, link = await self.agent.create_address(self.name.encode(), created=created)
        return str(link) if short else link.full

    async def accept(self) -> None:
        """Accept the oldest request."""
        request_id = self.requests[0][0]

        def created(connection_id: int) -> None:
            self._add_contact(connection_id)
            self.database.execute("DELETE FROM app_requests WHERE request_id = ?", (request_id,))

        await self.agent.accept_request(request_id, b"info of " + self.name.encode(), created=created)

    def send(self, body: bytes) -> int:
        with self.database.transaction():
            number = self.agent.send(self.contact, body)
            self.database.execute(
                "INSERT INTO app_sent (number, connection_id, body) VALUES (?, ?, ?)", (number, self.contact, body)
            )
        return number

    # what the person knows

    @property
    def _rows(self) -> Callable[..., list[tuple[object, ...]]]:
        connection = self.disk.connection
        assert connection is not None
        return lambda sql: [tuple(row) for row in connection.execute(sql).fetchall()]

    @property
    def has_contact(self) -> bool:
        return bool(self._rows("SELECT 1 FROM app_contacts"))

    @property
    def address(self) -> int | None:
        rows = self._rows("SELECT id FROM app_addresses")
        return int(str(rows[-1][0])) if rows else None

    @property
    def requests(self) -> list[tuple[int, bytes]]:
        """Ids and infos of those who asked and were not answered."""
        return self._rows("SELECT request_id, info FROM app_requests ORDER BY request_id")  # type: ignore[return-value]

    @property
    def contact(self) -> int:
        (number,) = self._rows("SELECT connection_id FROM app_contacts")[-1]
        assert isinstance(number, int)
        return number

    @property
    def connected(self) -> int:
        """How often the (last) contact was told to be connected."""
        rows = self._rows("SELECT connected FROM app_contacts ORDER BY connection_id")
        return int(str(rows[-1][0])) if rows else 0

    @property
    def info(self) -> object:
        return self._rows("SELECT info FROM app_contacts ORDER BY connection_id")[-1][0]

    @property
    def received(self) -> list[object]:
        return [body for (body,) in self._rows("SELECT body FROM app_received ORDER BY id")]

    @property
    def broken_chain(self) -> bool:
        return bool(self._rows("SELECT 1 FROM app_received WHERE NOT fine"))

    @property
    def sent(self) -> list[object]:
        return [body for (body,) in self._rows("SELECT body FROM app_sent ORDER BY number")]

    @property
    def undelivered(self) -> int:
        return len(self._rows("SELECT 1 FROM app_sent WHERE delivered != 1"))

    @property
    def outbox_empty(self) -> bool:
        return not self._rows("SELECT 1 FROM outbox UNION ALL SELECT 1 FROM queue_deletions")

    async def end(self) -> None:
        await self.kill()
        self.disk.close()


async def until(condition: Callable[[], bool], *, turns: int = 20_000) -> None:
    """Let the loop turn until ``condition`` holds."""
    for _ in range(turns):
        if condition():
            return
        await asyncio.sleep(0)
    raise AssertionError("it did not come to pass")


async def connect(alice: Person, bob: Person) -> None:
    """Alice invites, Bob joins, both are connected."""
    await bob.join(await alice.invite())
    await until(lambda: bool(alice.connected and bob.connected and alice.servers.idle))
