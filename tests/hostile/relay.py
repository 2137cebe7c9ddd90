"""A hostile relay: a real one, with a man in its middle who has its keys and may change whatever comes and goes.

``gathering()`` gives a client (Alice) with a contact on an honest relay (Bob) and one on the hostile relay (Carol).
Only Alice's connections are touched unless a test says otherwise.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from simplex_calls.agent.agent import Agent
from simplex_calls.agent.delivery import DeliveryConfig
from simplex_calls.agent.events import AgentEvent
from simplex_calls.agent.port import NetworkPort
from simplex_calls.client import CallPhase, ChatItem, Client, Delivery, NoticeDetails, TextDetails
from simplex_calls.crypto import X25519PrivateKey
from simplex_calls.database import Database, DatabaseKey
from simplex_calls.events import ContactConnected, PageWanted
from simplex_calls.relay import Relay, RelayConfig
from simplex_calls.smp.address import ServerAddress
from simplex_calls.smp.blocks import BlockCipher
from simplex_calls.smp.certificates import verify_key
from simplex_calls.smp.commands import Ack, Command, Send, Sub, decode_command
from simplex_calls.smp.connection import Connection, MemoryConnection, connect_in_memory
from simplex_calls.smp.errors import NetworkError
from simplex_calls.smp.handshake import decode_client_hello, decode_server_hello
from simplex_calls.smp.messages import BrokerMessage, Msg, decode_message, encode_message
from simplex_calls.smp.network import Network
from simplex_calls.smp.queues import NetworkConfig, NetworkHandler
from simplex_calls.smp.transmission import (
    Session,
    decode_transmission,
    encode_transmission,
    pack_blocks,
    unpack_block,
)
from tests.agent.pooled_kem import PooledKem
from tests.calls.pages import ScriptedPage
from tests.hostile.contact import Watched, faults

COMMAND_TIMEOUT = 5.0
QUICK = NetworkConfig(command_timeout=COMMAND_TIMEOUT, reconnect_first=0.01, reconnect_max=0.03, retry_pause=0.01)
SOON = DeliveryConfig(first_pause=0.01, longest_pause=0.03, first_quota_pause=0.01, longest_quota_pause=0.03)


class QuickNetwork(Network):
    """Its times are short, whatever the settings of the client above are."""

    def configure(self, config: NetworkConfig) -> None:
        super().configure(
            replace(
                QUICK,
                private_routing=config.private_routing,
                known_servers=config.known_servers,
                socks_proxy=config.socks_proxy,
            )
        )


@dataclass(frozen=True)
class Asked:
    """A command on its way to the relay; ``raw`` is its transmission."""

    corr_id: bytes
    entity_id: bytes
    command: Command
    raw: bytes


@dataclass(frozen=True)
class Said:
    """A message on its way to the client; ``asked`` is the command that it answers. Bytes are sent as they are."""

    corr_id: bytes
    entity_id: bytes
    message: BrokerMessage | bytes
    asked: Asked | None = None


Up = Callable[["Line", Asked], Iterable[Asked]]
Down = Callable[["Line", Said], Iterable[Said]]


def pass_up(_: Line, asked: Asked) -> Iterable[Asked]:
    """Honest."""
    return (asked,)


def pass_down(_: Line, said: Said) -> Iterable[Said]:
    """Honest."""
    return (said,)


class Line:
    """One client's connection through the man in the middle."""

    def __init__(self, hostile: HostileRelay, owner: str, client: MemoryConnection, relay: MemoryConnection) -> None:
        self.hostile = hostile
        self.owner = owner
        self.client = client
        self._relay = relay
        self.asked: dict[bytes, Asked] = {}
        self.held: list[Said] = []
        self._session: Session | None = None
        self._to_relay: Session | None = None

    @property
    def session(self) -> Session:
        """That with the client: its cipher encrypts what the client is sent."""
        assert self._session is not None
        return self._session

    async def run(self) -> None:
        with suppress(NetworkError):
            await self._shake_hands()
            await asyncio.gather(self._pump(self._up()), self._pump(self._down()))
        self.close()

    async def _pump(self, way: Coroutine[None, None, None]) -> None:
        with suppress(NetworkError):
            await way

    def close(self) -> None:
        self.client.close()
        self._relay.close()

    async def _shake_hands(self) -> None:
        block = await self._relay.read_block()
        self.client.write_block(block)
        answer = await self.client.read_block()
        hello, chosen = decode_server_hello(block), decode_client_hello(answer)
        assert hello.server_key is not None
        assert chosen.client_key is not None
        key = self.hostile.private(verify_key(hello.server_key.signed_key, self.hostile.relay._identity.key.public).raw)
        ciphers = [BlockCipher.for_server(hello.session_id, key, chosen.client_key) for _ in range(2)]
        # seen from the relay, this end is the client
        ciphers[1]._sending, ciphers[1]._receiving = ciphers[1]._receiving, ciphers[1]._sending
        self._session, self._to_relay = (
            Session(chosen.version, hello.session_id, key.public, None if chosen.is_proxy else cipher)
            for cipher in ciphers
        )
        self._relay.write_block(answer)

    async def _up(self) -> None:
        session, to_relay = self.session, self._to_relay
        assert to_relay is not None
        try:
            while True:
                passed: list[bytes] = []
                for raw in unpack_block(await self.client.read_block(), session.cipher):
                    transmission = decode_transmission(session, raw)
                    command = decode_command(transmission.command, session.version)
                    asked = Asked(transmission.corr_id, transmission.entity_id, command, raw)
                    self.asked[asked.corr_id] = asked
                    taken = tuple(self.hostile.up_of(self)(self, asked))
                    self.hostile.note(done=taken == (asked,))
                    passed += [one.raw for one in taken]
                for block in pack_blocks(passed, to_relay.cipher):
                    self._relay.write_block(block)
                    await self._relay.drain()
        finally:
            self._relay.close()

    async def _down(self) -> None:
        session, to_relay = self.session, self._to_relay
        assert to_relay is not None
        try:
            while True:
                for raw in unpack_block(await self._relay.read_block(), to_relay.cipher):
                    transmission = decode_transmission(to_relay, raw)
                    said = Said(
                        transmission.corr_id,
                        transmission.entity_id,
                        decode_message(transmission.command, session.version),
                        self.asked.get(transmission.corr_id),
                    )
                    given = tuple(self.hostile.down_of(self)(self, said))
                    self.hostile.note(done=given == (said,))
                    self.say(*given)
                await self.client.drain()
        finally:
            self.client.close()

    def say(self, *messages: Said) -> None:
        """Send the client this, in as few blocks as it fits into."""
        session = self.session
        encoded = [
            encode_transmission(
                session,
                said.corr_id,
                said.entity_id,
                said.message if isinstance(said.message, bytes) else encode_message(said.message, session.version),
            )
            for said in messages
        ]
        for block in pack_blocks(encoded, session.cipher):
            self.client.write_block(block)

    def answer(self, asked: Asked, message: BrokerMessage | bytes) -> None:
        self.say(Said(asked.corr_id, asked.entity_id, message, asked))


class HostileRelay:
    """A relay whose clients (of one owner) are at the mercy of ``up`` and ``down``."""

    def __init__(self, honest: Relay | None = None) -> None:
        self._made: list[bytes] = []

        async def connector(_: ServerAddress) -> Connection:
            assert honest is not None
            return honest.connect_in_memory()

        self.relay = Relay(RelayConfig(port=0), random=self._random, connector=connector)
        self.up: Up = pass_up
        self.down: Down = pass_down
        self.victim = "alice"
        self.connections = 0
        self.misdeeds = 0
        self._news = asyncio.Event()
        self.lines: list[Line] = []
        self._tasks: set[asyncio.Task[None]] = set()

    def _random(self, size: int) -> bytes:
        made = os.urandom(size)
        if size == X25519PrivateKey.size:
            self._made.append(made)
            del self._made[:-50]
        return made

    def private(self, public: bytes) -> X25519PrivateKey:
        """The private half of a key that this relay made."""
        return next(key for made in self._made if (key := X25519PrivateKey(made)).public.raw == public)

    def up_of(self, line: Line) -> Up:
        return self.up if line.owner == self.victim else pass_up

    def down_of(self, line: Line) -> Down:
        return self.down if line.owner == self.victim else pass_down

    def note(self, *, done: bool) -> None:
        if not done:
            self.misdeeds += 1
            self._news.set()

    async def misbehaves(self, times: int = 1) -> None:
        """Wait until it was dishonest so often from now on."""
        until = self.misdeeds + times
        async with asyncio.timeout(30):
            while self.misdeeds < until:
                self._news.clear()
                await self._news.wait()

    def connect(self, owner: str) -> Connection:
        self.connections += 1
        session_id = os.urandom(32)
        client, ours = connect_in_memory(session_id)
        theirs, relay = connect_in_memory(session_id)
        self.relay._accept(relay)
        line = Line(self, owner, ours, theirs)
        self.lines = [other for other in self.lines if not other.client._closed] + [line]
        task = asyncio.get_running_loop().create_task(line.run())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return client

    def of(self, owner: str = "alice") -> list[Line]:
        return [line for line in self.lines if line.owner == owner and line._session is not None]

    def cut(self) -> None:
        """Close the victim's connections."""
        for line in self.of(self.victim):
            line.close()

    def repent(self) -> None:
        """Be honest from now on, beginning with new connections."""
        self.up, self.down = pass_up, pass_down
        self.victim = "alice"
        self.cut()

    async def stop(self) -> None:
        for line in self.lines:
            line.close()
        await asyncio.gather(*self._tasks)
        await self.relay.stop()


@dataclass
class Gathering:
    """Alice, Bob by way of an honest relay, Carol by way of the hostile one."""

    alice: Watched
    bob: Watched
    carol: Watched
    relay: HostileRelay
    honest: Relay
    folder: Path
    make: Callable[[str], Callable[..., Agent]]
    ids: dict[tuple[str, str], int] = field(default_factory=dict)
    said: int = 0

    def person(self, name: str) -> Watched:
        person = getattr(self, name)
        assert isinstance(person, Watched)
        return person

    def items(self, owner: str, contact: str) -> list[ChatItem]:
        return self.person(owner).client.history(self.ids[owner, contact], limit=1000)

    def texts(self, owner: str, contact: str) -> list[str]:
        """What ``owner`` has of ``contact``, in order."""
        found = [item for item in self.items(owner, contact) if isinstance(item.details, TextDetails)]
        return [item.details.text for item in found if item.direction.value == "received"]  # type: ignore[union-attr]

    def fates(self, owner: str, contact: str) -> dict[str, Delivery | None]:
        """How far each own text got."""
        found = [item for item in self.items(owner, contact) if isinstance(item.details, TextDetails)]
        sent = [item for item in found if item.direction.value == "sent"]
        return {item.details.text: item.delivery for item in sent}  # type: ignore[union-attr]

    def notices(self) -> dict[str, int]:
        """What Alice is told of Carol's messages, and how often."""
        found: dict[str, int] = {}
        for item in self.items("alice", "carol"):
            if isinstance(item.details, NoticeDetails):
                found[item.details.notice.value] = found.get(item.details.notice.value, 0) + item.details.count
        return found

    def say(self, owner: str, contact: str) -> str:
        self.said += 1
        words = f"{owner} {self.said}"
        self.person(owner).client.send_text(self.ids[owner, contact], words)
        return words

    async def reaches(self, owner: str, contact: str) -> None:
        words = self.say(owner, contact)
        await self.person(contact).until(lambda: words in self.texts(contact, owner)[-5:])

    async def bob_is_there(self) -> None:
        """Texts both ways, whatever the other relay does."""
        await self.reaches("bob", "alice")
        await self.reaches("alice", "bob")

    async def calls(self, owner: str, contact: str) -> None:
        """A whole call, from ring to hang-up."""
        caller, callee = self.person(owner), self.person(contact)
        before = callee.ringing(self.ids[contact, owner])
        call = await caller.client.start_call(self.ids[owner, contact], "audio")
        pages = [asyncio.create_task(caller.client.attach_page(call.id, ScriptedPage()))]
        await callee.until(lambda: callee.ringing(self.ids[contact, owner]) > before)
        (theirs,) = callee.ringing(self.ids[contact, owner]) - before
        await callee.client.accept(theirs)
        await callee.until(lambda: PageWanted(theirs) in callee.seen)
        pages.append(asyncio.create_task(callee.client.attach_page(theirs, ScriptedPage())))
        for who, call_id in ((caller, call.id), (callee, theirs)):
            await who.until(lambda who=who, call_id=call_id: who.client.call(call_id).state is CallPhase.CONNECTED)  # type: ignore[misc]
        await caller.client.hang_up(call.id)
        await callee.until(lambda: callee.client.call(theirs).state is CallPhase.ENDED)
        await asyncio.gather(*pages)

    async def bob_calls(self) -> None:
        """Calls both ways, whatever the other relay does."""
        await self.calls("alice", "bob")
        await self.calls("bob", "alice")

    async def restart_alice(self) -> None:
        """End Alice's program and start it again."""
        before = self.alice
        await before.client.stop()
        before._task.cancel()
        client = Client(self.folder / "alice", key=self._key, agent=self.make("alice"))
        await client.start()
        self.alice = Watched(client)
        await asyncio.sleep(0)

    _key: DatabaseKey = field(default_factory=DatabaseKey.generate)


@asynccontextmanager
async def gathering(folder: Path) -> AsyncIterator[Gathering]:
    """Three people; Alice knows both others, who do not know each other."""
    async with Relay(RelayConfig(port=0)) as honest:
        hostile = HostileRelay(honest)
        await hostile.relay.start()

        def make(owner: str) -> Callable[..., Agent]:
            async def connector(server: ServerAddress) -> Connection:
                if server.fingerprint == honest.address.fingerprint:
                    return honest.connect_in_memory()
                return hostile.connect(owner)

            def network(handler: NetworkHandler) -> NetworkPort:
                return QuickNetwork(handler=handler, config=QUICK, connector=connector)

            def agent(
                database: Database, servers: Sequence[ServerAddress], handler: Callable[[AgentEvent], None]
            ) -> Agent:
                return Agent(database, servers, handler, network=network, kem=PooledKem(), delivery=SOON)

            return agent

        key, good, bad = DatabaseKey.generate(), honest.address.uri(), hostile.relay.address.uri()
        alice = Client(folder / "alice", "Alice", [good], key=key, agent=make("alice"))
        async with (
            Client(folder / "bob", "Bob", [good], key=DatabaseKey.generate(), agent=make("bob")) as bob,
            Client(folder / "carol", "Carol", [bad], key=DatabaseKey.generate(), agent=make("carol")) as carol,
        ):
            await alice.start()
            people = [Watched(client) for client in (alice, bob, carol)]
            await asyncio.sleep(0)
            gathered = Gathering(people[0], people[1], people[2], hostile, honest, folder, make)
            gathered._key = key
            try:
                of_bob = await bob.connect(await alice.create_invitation())
                await people[0].until(lambda: people[0].of(ContactConnected))
                await people[1].until(lambda: people[1].of(ContactConnected))
                alice.set_servers([bad])
                of_carol = await carol.connect(await alice.create_invitation())
                await people[0].until(lambda: len(people[0].of(ContactConnected)) == 2)
                await people[2].until(lambda: people[2].of(ContactConnected))
                alice.set_servers([good, bad])
                known = {contact.name.lower(): contact.id for contact in alice.contacts()}
                gathered.ids = {
                    ("alice", "bob"): known["bob"],
                    ("alice", "carol"): known["carol"],
                    ("bob", "alice"): of_bob.id,
                    ("carol", "alice"): of_carol.id,
                }
                yield gathered
            finally:
                await gathered.alice.client.stop()
                await hostile.stop()


@asynccontextmanager
async def unharmed(people: Gathering, caplog: pytest.LogCaptureFixture) -> AsyncIterator[Gathering]:
    """No fault of ours is met, whatever the relay does, and the other contact is reached after it."""
    unhandled: list[str] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: unhandled.append(str(context.get("message"))))
    yield people
    people.relay.repent()
    await people.bob_is_there()
    loop.set_exception_handler(None)
    assert unhandled == []
    assert faults(caplog.get_records("call")) == []


async def attacked(met: Gathering, *, up: Up = pass_up, down: Down = pass_down, times: int = 2) -> None:
    """Talk while the relay misbehaves, and after it."""
    before = met.texts("alice", "carol"), met.texts("carol", "alice")
    relay = met.relay
    relay.up, relay.down = up, down
    misbehaves = asyncio.ensure_future(relay.misbehaves(times))
    relay.cut()
    from_carol, from_alice = [met.say("carol", "alice")], [met.say("alice", "carol")]
    await met.bob_is_there()
    await misbehaves
    from_carol.append(met.say("carol", "alice"))
    from_alice.append(met.say("alice", "carol"))
    await met.bob_is_there()
    relay.repent()
    from_carol.append(met.say("carol", "alice"))
    from_alice.append(met.say("alice", "carol"))

    def settled() -> bool:
        return all(fate not in (None, Delivery.SENDING) for fate in met.fates("alice", "carol").values())

    await met.alice.until(lambda: met.texts("alice", "carol") == before[0] + from_carol)
    await met.alice.until(settled)
    fates = met.fates("alice", "carol")
    # what the relay refused is told, and the rest arrives
    expected = [words for words in from_alice if fates[words] is not Delivery.FAILED]
    assert expected[-1:] == from_alice[-1:]
    await met.carol.until(lambda: met.texts("carol", "alice") == before[1] + expected)


def queue_ids(line: Line) -> list[bytes]:
    """The ids of the victim's queues, as they were seen."""
    return sorted({asked.entity_id for asked in line.asked.values() if isinstance(asked.command, Sub | Ack)})


def sender_ids(line: Line) -> list[bytes]:
    return sorted({asked.entity_id for asked in line.asked.values() if isinstance(asked.command, Send)})


def answers(change: Callable[[Line, Said], Iterable[Said]]) -> Down:
    """Change answers to commands only; messages pass."""
    return lambda line, said: change(line, said) if said.asked and not isinstance(said.message, Msg) else (said,)


def deliveries(change: Callable[[Line, Said, Msg], Iterable[Said]]) -> Down:
    """Change delivered messages only."""
    return lambda line, said: change(line, said, said.message) if isinstance(said.message, Msg) else (said,)


def with_message(said: Said, message: BrokerMessage | bytes) -> Said:
    return replace(said, message=message)
