"""A scripted SMP server, in memory or on a TLS port, and a handler that remembers what it heard."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import os
import ssl
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ed448, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from simplex_calls.crypto import Ed448PrivateKey, Ed25519PrivateKey, X25519PrivateKey
from simplex_calls.smp.address import ServerAddress
from simplex_calls.smp.certificates import SigningKey, fingerprint, sign_key
from simplex_calls.smp.commands import Command, decode_command
from simplex_calls.smp.connection import Connection, connect_in_memory
from simplex_calls.smp.encoding import VersionRange
from simplex_calls.smp.errors import NetworkError, SMPError
from simplex_calls.smp.handshake import ServerHello, SignedServerKey, accept_client, encode_hello
from simplex_calls.smp.messages import BrokerMessage, Msg, encode_message
from simplex_calls.smp.queues import RecipientQueue
from simplex_calls.smp.tls import STREAM_LIMIT, TLSConnection, server_context, to_pem
from simplex_calls.smp.transmission import (
    Session,
    Transmission,
    decode_transmission,
    encode_transmission,
    pack_blocks,
    unpack_block,
)

NOW = dt.datetime.now(dt.UTC)
DAY = dt.timedelta(days=1)
LibraryKey = ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey


def certificate(
    subject: LibraryKey, issuer: LibraryKey, *, name: str = "leaf", issuer_name: str = "ca", age: dt.timedelta = DAY
) -> bytes:
    built = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer_name)]))
        .public_key(subject.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - age)
        .not_valid_after(NOW - age + 30 * DAY)
        .sign(issuer, None)
    )
    return built.public_bytes(Encoding.DER)


@dataclass
class Identity:
    """A server's certificates and keys."""

    chain: tuple[bytes, ...]
    leaf: LibraryKey
    session_key: X25519PrivateKey = field(default_factory=X25519PrivateKey.generate)

    @classmethod
    def make(
        cls, kind: type[ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey] = ed25519.Ed25519PrivateKey
    ) -> Identity:
        ca, leaf = kind.generate(), kind.generate()
        return cls((certificate(leaf, ca), certificate(ca, ca, name="ca")), leaf)

    @property
    def fingerprint(self) -> bytes:
        return fingerprint(self.chain[1])

    @property
    def signing_key(self) -> SigningKey:
        raw = self.leaf.private_bytes_raw()
        return Ed448PrivateKey(raw) if isinstance(self.leaf, ed448.Ed448PrivateKey) else Ed25519PrivateKey(raw)

    def signed_key(self) -> SignedServerKey:
        return SignedServerKey(self.chain, sign_key(self.session_key.public, self.signing_key))

    def context(self) -> ssl.SSLContext:
        key = self.leaf.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        return server_context(to_pem(self.chain), key)


class ServerEnd:
    """The server's end of one connection: the test reads commands and sends answers."""

    def __init__(self, connection: Connection, session: Session) -> None:
        self.connection = connection
        self.session = session
        self.blocks: list[int] = []
        self._waiting: list[Transmission] = []

    async def receive(self) -> tuple[Transmission, Command]:
        """The next command, decoded."""
        if not self._waiting:
            data = unpack_block(await self.connection.read_block(), self.session.cipher)
            self.blocks.append(len(data))
            self._waiting = [decode_transmission(self.session, one) for one in data]
        transmission = self._waiting.pop(0)
        return transmission, decode_command(transmission.command, self.session.version)

    def answer(self, to: Transmission, message: BrokerMessage, *, entity_id: bytes | None = None) -> None:
        entity = to.entity_id if entity_id is None else entity_id
        self.send((to.corr_id, entity, message))

    def push(self, entity_id: bytes, message: BrokerMessage) -> None:
        self.send((b"", entity_id, message))

    def send(self, *messages: tuple[bytes, bytes, BrokerMessage]) -> None:
        session = self.session
        transmissions = [
            encode_transmission(session, corr_id, entity_id, encode_message(message, session.version))
            for corr_id, entity_id, message in messages
        ]
        for block in pack_blocks(transmissions, session.cipher):
            self.connection.write_block(block)

    def close(self) -> None:
        self.connection.close()


class ScriptedServer:
    """Accepts connections after the handshake; the test takes them with :meth:`accept`."""

    def __init__(self, identity: Identity | None = None) -> None:
        self.identity = identity or Identity.make()
        self.address = ServerAddress(("127.0.0.1",), 5223, self.identity.fingerprint)
        self.versions = VersionRange(6, 18)
        self.refusing = False
        self.change_hello: Callable[[ServerHello], ServerHello] = lambda hello: hello
        self.attempts = 0
        self._accepted: asyncio.Queue[ServerEnd] = asyncio.Queue()
        self._tasks: set[asyncio.Task[None]] = set()
        self._ends: list[Connection] = []

    async def connect(self, _address: ServerAddress) -> Connection:
        """The connector of a client in memory."""
        self.attempts += 1
        if self.refusing:
            raise NetworkError("refused")
        client, server = connect_in_memory(os.urandom(32))
        self.serve(server)
        return client

    def serve(self, connection: Connection) -> None:
        self._ends.append(connection)
        task = asyncio.get_running_loop().create_task(self._shake_hands(connection))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _shake_hands(self, connection: Connection) -> None:
        hello = ServerHello(self.versions, connection.session_id, self.identity.signed_key())
        try:
            connection.write_block(encode_hello(self.change_hello(hello)))
            session, _ = accept_client(
                await connection.read_block(),
                fingerprint=self.identity.fingerprint,
                session_id=connection.session_id,
                server_key=self.identity.session_key,
                versions=self.versions,
            )
        except SMPError:
            connection.close()
            return
        self._accepted.put_nowait(ServerEnd(connection, session))

    async def accept(self) -> ServerEnd:
        async with asyncio.timeout(10):
            return await self._accepted.get()

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator[ServerAddress]:
        """Listen on a TLS port of this computer."""

        def on_connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self.serve(TLSConnection(reader, writer))

        server = await asyncio.start_server(
            on_connection,
            "127.0.0.1",
            0,
            ssl=self.identity.context(),
            limit=STREAM_LIMIT,
            ssl_shutdown_timeout=1,
        )
        port = server.sockets[0].getsockname()[1]
        try:
            yield ServerAddress(("127.0.0.1",), port, self.identity.fingerprint)
        finally:
            server.close()
            for end in self._ends:
                end.close()
            for end in self._ends:
                await end.wait_closed()
            await server.wait_closed()


Heard = tuple[str, object]


class Ear:
    """A handler that keeps what it hears, in order."""

    def __init__(self) -> None:
        self.heard: list[Heard] = []
        self._news: asyncio.Event = asyncio.Event()
        self.messages: list[tuple[bytes, Msg]] = []
        self.subscriptions: list[bytes] = []

    def _hear(self, what: str, value: object) -> None:
        self.heard.append((what, value))
        self._news.set()

    def message(self, server: ServerAddress, recipient_id: bytes, message: Msg) -> None:
        self.messages.append((recipient_id, message))
        self._hear("message", recipient_id)

    def subscribed(self, queues: list[RecipientQueue]) -> None:
        self.subscriptions += [queue.recipient_id for queue in queues]
        self._hear("subscribed", [queue.recipient_id for queue in queues])

    def subscription_failed(self, queue: RecipientQueue, error: SMPError) -> None:
        self._hear("failed", (queue.recipient_id, str(error)))

    def ended(self, queue: RecipientQueue) -> None:
        self._hear("ended", queue.recipient_id)

    def connected(self, server: ServerAddress) -> None:
        self._hear("connected", server)

    def disconnected(self, server: ServerAddress) -> None:
        self._hear("disconnected", server)

    def words(self) -> list[str]:
        return [what for what, _ in self.heard]

    async def all_subscribed(self, count: int) -> list[bytes]:
        """Wait until so many subscriptions were heard of; the queues' ids."""
        async with asyncio.timeout(10):
            while len(self.subscriptions) < count:
                self._news.clear()
                await self._news.wait()
        return self.subscriptions

    async def until(self, what: str, count: int = 1) -> object:
        """Wait until ``what`` was heard ``count`` times; what came with it the last time."""
        async with asyncio.timeout(10):
            while True:
                values = [value for word, value in self.heard if word == what]
                if len(values) >= count:
                    return values[count - 1]
                self._news.clear()
                await self._news.wait()


class Sleeper:
    """Stands in for ``asyncio.sleep``: a test sees each pause and ends it."""

    def __init__(self) -> None:
        self._pauses: asyncio.Queue[tuple[float, asyncio.Future[None]]] = asyncio.Queue()

    async def __call__(self, seconds: float) -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._pauses.put_nowait((seconds, future))
        await future

    async def pause(self, *, below: float = 100.0) -> Callable[[], None]:
        """The next pause shorter than ``below`` (leaving out the keep-alive's); call the result to end it."""
        async with asyncio.timeout(10):
            while True:
                seconds, future = await self._pauses.get()
                if seconds < below:
                    self.last = seconds
                    return lambda: None if future.done() else future.set_result(None)

    last: float = 0.0
