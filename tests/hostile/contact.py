"""A hostile contact: a real agent on a real relay, whose ratchet, envelopes and chat messages a test makes by hand.

``meeting()`` gives a client (Alice), an honest contact of hers (Bob, a client) and the hostile one (Mallory).
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from simplex_calls.agent import envelopes, ratchet
from simplex_calls.agent.agent import Agent
from simplex_calls.agent.delivery import DeliveryConfig
from simplex_calls.agent.events import AgentEvent, ConfirmationReceived, Connected, MessageReceived
from simplex_calls.agent.port import NetworkPort
from simplex_calls.agent.ratchet_state import RatchetState
from simplex_calls.agent.records import Connection, SndQueue
from simplex_calls.agent.versions import AGENT_VERSIONS, agent_message_length
from simplex_calls.client import PLAIN, ChatItem, Client, Contact, NoticeDetails, TextDetails
from simplex_calls.crypto.box import NONCE_SIZE
from simplex_calls.database import Database
from simplex_calls.events import CallChanged, ContactConnected, Event
from simplex_calls.relay import Relay, RelayConfig
from simplex_calls.smp.address import ServerAddress
from simplex_calls.smp.body import ClientEnvelope, ClientMessage
from simplex_calls.smp.encoding import base64url
from simplex_calls.smp.errors import BrokerError
from simplex_calls.smp.network import Network
from simplex_calls.smp.queues import NetworkConfig, NetworkHandler
from tests.agent.pooled_kem import PooledKem

QUICK = NetworkConfig(reconnect_first=0.02, reconnect_max=0.2, retry_pause=0.02)
SOON = DeliveryConfig(first_pause=0.02, longest_pause=0.2, first_quota_pause=0.02, longest_quota_pause=0.1)
SECONDS = 30
"""Long enough for a busy machine: a test that waits so long has failed."""


def chat(event: str, params: object, **more: object) -> bytes:
    """A chat message with these parameters, right or wrong."""
    return json.dumps({"v": "1-9", "event": event, "params": params} | more).encode()


def text(words: str, message_id: bytes | None = None) -> bytes:
    """An honest text."""
    more = {} if message_id is None else {"msgId": base64url(message_id)}
    return chat("x.msg.new", {"content": {"type": "text", "text": words}}, **more)


class Mallory:
    """The hostile contact."""

    def __init__(self, agent: Agent, database: Database) -> None:
        self.agent = agent
        self.database = database
        self.events: list[AgentEvent] = []
        self.connection_id = 0
        self._changed = asyncio.Event()

    def handle(self, event: AgentEvent) -> None:
        self.events.append(event)
        if isinstance(event, ConfirmationReceived):
            self.agent.allow_connection(event.connection_id, chat("x.info", {"profile": profile("Mallory")}))
        self._changed.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(SECONDS):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    @property
    def bodies(self) -> list[bytes]:
        """What Alice's chat sent."""
        return [event.body for event in self.events if isinstance(event, MessageReceived)]

    @property
    def connection(self) -> Connection:
        return self.agent._store.connection(self.connection_id)

    @property
    def queue(self) -> SndQueue:
        queue = self.agent._store.queues.snd_queue_of(self.connection_id)
        assert queue is not None
        return queue

    @property
    def ratchet(self) -> RatchetState:
        state = self.agent._store.ratchets.ratchet(self.connection_id)
        assert state is not None
        return state

    @ratchet.setter
    def ratchet(self, state: RatchetState) -> None:
        with self.database.transaction():
            self.agent._store.ratchets.set_ratchet(self.connection_id, state)

    # from the outside to the inside: each takes anything

    async def deliver(self, body: bytes) -> None:
        """Bytes into Alice's queue, as soon as there is room."""
        queue = self.queue
        while True:
            try:
                await self.agent._network.send(queue.server, queue.sender_id, queue.auth_key, body, notify=False)
            except BrokerError as error:
                if error.error.code.value != "QUOTA":
                    raise
                await asyncio.sleep(0.01)
            else:
                return

    async def boxed(self, content: bytes, **changes: Any) -> None:
        """A client message with this content, under the queue's box."""
        queue, random = self.queue, self.agent._random
        sealed = ClientEnvelope.seal(
            ClientMessage(content, changes.pop("sender_key", None)),
            queue.e2e_secret,
            random(NONCE_SIZE),
            queue.client_version,
            changes.pop("dh_key", None),
        )
        await self.deliver(replace(sealed, **changes).encode())

    async def enveloped(self, sealed: bytes, version: int = AGENT_VERSIONS.maximum) -> None:
        """What a ratchet gave (or not), as a message of the agents."""
        await self.boxed(envelopes.encode_envelope(envelopes.AgentMsgEnvelope(version, sealed)))

    def encrypted(self, plaintext: bytes) -> bytes:
        """Any plaintext through the ratchet, which moves on."""
        length = agent_message_length(self.connection.agent_version, pq=self.connection.pq_supported)
        state, sealed = ratchet.encrypt(self.ratchet, plaintext, length)
        self.ratchet = state
        return sealed

    def numbered(
        self, body: envelopes.MessageBody, *, number: int | None = None, previous: bytes | None = None
    ) -> bytes:
        """The plaintext of the next message of the chain, or of one that says so of itself."""
        connection = self.connection
        encoded = envelopes.encode_message(
            envelopes.Message(
                connection.sent_number + 1 if number is None else number,
                connection.sent_hash if previous is None else previous,
                body,
            )
        )
        with self.database.transaction():
            store = self.agent._store
            store.set_sent(self.connection_id, connection.sent_number + 1, envelopes.message_hash(encoded))
        return encoded

    async def message(self, body: envelopes.MessageBody, **how: Any) -> None:
        """A message of the agents."""
        await self.enveloped(self.encrypted(self.numbered(body, **how)))

    async def say(self, body: bytes, **how: Any) -> None:
        """A body of the chat protocol."""
        await self.message(envelopes.AMsg(body), **how)

    def skip(self, count: int) -> None:
        """Encrypt so many messages that are never sent."""
        state = self.ratchet
        for _ in range(count):
            state, _ = ratchet.encrypt(state, b"lost", 16)
        self.ratchet = state


def profile(name: str, **more: object) -> dict[str, object]:
    """A profile in JSON."""
    return {"displayName": name, "fullName": ""} | more


@dataclass
class Watched:
    """A client whose events are kept."""

    client: Client
    seen: list[Event] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._changed = asyncio.Event()
        self._task = asyncio.create_task(self._watch())

    async def _watch(self) -> None:
        async for event in self.client.events():
            self.seen.append(event)
            self._changed.set()

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(SECONDS):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    def of(self, kind: type[Any]) -> list[Any]:
        return [event for event in self.seen if isinstance(event, kind)]

    def ringing(self, contact_id: int) -> set[str]:
        """The calls of a contact that rang."""
        calls = [event.call for event in self.of(CallChanged)]
        return {call.id for call in calls if call.contact_id == contact_id and call.state.value == "ringing"}


@dataclass
class Meeting:
    """Alice, who is attacked; Bob, her honest contact; Mallory."""

    alice: Watched
    bob: Watched
    mallory: Mallory
    bob_id: int
    """Of Bob at Alice's."""
    mallory_id: int
    alice_id: int
    """Of Alice at Bob's."""
    said: int = 0

    def history(self, contact_id: int | None = None, limit: int = 1000) -> list[ChatItem]:
        return self.alice.client.history(self.mallory_id if contact_id is None else contact_id, limit=limit)

    def texts(self, contact_id: int | None = None) -> list[str]:
        items = self.history(contact_id)
        return [item.details.text for item in items if isinstance(item.details, TextDetails)]

    def notices(self) -> dict[str, int]:
        """What Alice is told of Mallory's messages, and how often."""
        found: dict[str, int] = {}
        for item in self.history():
            if isinstance(item.details, NoticeDetails):
                name = item.details.notice.value
                found[name] = found.get(name, 0) + item.details.count
        return found

    @property
    def contact(self) -> Contact:
        return self.alice.client.contact(self.mallory_id)

    @property
    def size(self) -> int:
        """Bytes of Alice's profile."""
        database = self.alice.client._opened()
        (pages,), (size,) = (database.execute(f"PRAGMA {name}").fetchone() for name in ("page_count", "page_size"))
        return int(pages) * int(size)

    def rows(self, table: str) -> int:
        return int(self.alice.client._opened().execute(f"SELECT count(*) FROM {table}").fetchone()[0])

    async def bob_reaches_alice(self) -> None:
        """An honest contact's text, which comes through whatever else happens, and Alice's answer to it."""
        self.said += 1
        words = f"from Bob {self.said}"
        self.bob.client.send_text(self.alice_id, words)
        await self.alice.until(lambda: words in self.texts(self.bob_id))
        self.alice.client.send_text(self.bob_id, "to " + words)
        await self.bob.until(
            lambda: any(
                isinstance(item.details, TextDetails) and item.details.text == "to " + words
                for item in self.bob.client.history(self.alice_id)
            )
        )

    async def mallory_is_read(self) -> None:
        """What Mallory says honestly is read: the connection goes on, and all that came before it was taken."""
        self.said += 1
        words = f"from Mallory {self.said}"
        await self.mallory.say(text(words))
        await self.alice.until(lambda: words in self.texts()[-3:])


@asynccontextmanager
async def meeting(folder: Path, *, pq: bool = True) -> AsyncIterator[Meeting]:
    """Three people who know each other, two of them honest, on a relay in memory."""
    async with Relay(RelayConfig(port=0)) as relay:

        async def connector(*_: object) -> object:
            return relay.connect_in_memory()

        def network(handler: NetworkHandler) -> NetworkPort:
            return Network(handler=handler, config=QUICK, connector=connector)  # type: ignore[arg-type]

        def make(database: Database, servers: Sequence[ServerAddress], handler: Callable[[AgentEvent], None]) -> Agent:
            return Agent(database, servers, handler, network=network, kem=PooledKem(), delivery=SOON)

        server = relay.address.uri()
        database = Database(folder / "mallory.db")
        async with (
            Client(folder / "alice", "Alice", [server], key=PLAIN, agent=make) as alice,
            Client(folder / "bob", "Bob", [server], key=PLAIN, agent=make) as bob,
        ):
            for opened in (alice._opened(), bob._opened(), database):
                # nobody pulls the plug here, and waiting for the disk would be most of a test's time
                opened.execute("PRAGMA synchronous=OFF")
            watched = Watched(alice), Watched(bob)
            await asyncio.sleep(0)
            mallory: Mallory
            mallory = Mallory(make(database, [relay.address], lambda event: mallory.handle(event)), database)
            await mallory.agent.start()
            try:
                of_alice = await bob.connect(await alice.create_invitation())
                await watched[0].until(lambda: watched[0].of(ContactConnected))
                await watched[1].until(lambda: watched[1].of(ContactConnected))
                info = chat("x.info", {"profile": profile("Mallory")})
                link = (await alice.create_invitation()).full
                mallory.connection_id = await mallory.agent.join_connection(link, info, pq=pq)
                await watched[0].until(lambda: len(watched[0].of(ContactConnected)) == 2)
                await mallory.until(lambda: any(isinstance(event, Connected) for event in mallory.events))
                known = {contact.name: contact.id for contact in alice.contacts()}
                yield Meeting(*watched, mallory, known["Bob"], known["Mallory"], of_alice.id)
            finally:
                await mallory.agent.stop()
                database.close()


def faults(records: Sequence[logging.LogRecord]) -> list[str]:
    """What the program itself calls a fault of its own: an attack must not reach one."""
    return [
        record.getMessage()
        for record in records
        if record.name.startswith("simplex_calls") and record.levelno >= logging.ERROR
    ]
