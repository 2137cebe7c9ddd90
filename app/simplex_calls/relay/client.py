"""One connected client, as the relay's shell sees it: handshake, blocks in, blocks out, and limits on both."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from simplex_calls.crypto import X25519PrivateKey, pad
from simplex_calls.relay.certificates import Identity
from simplex_calls.smp.blocks import BLOCK_SIZE, BlockCipher
from simplex_calls.smp.certificates import sign_key
from simplex_calls.smp.connection import Connection
from simplex_calls.smp.errors import DecodeError, NetworkError
from simplex_calls.smp.handshake import (
    ALPN,
    LEGACY_VERSIONS,
    SUPPORTED_VERSIONS,
    ClientHello,
    ServerHello,
    SignedServerKey,
    accept_client,
    encode_hello,
)
from simplex_calls.smp.transmission import Session, pack_blocks

_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class ClientLimits:
    """How much of one client is kept in memory, and how patient the relay is."""

    blocks_in: int = 16
    """Blocks that may wait to be carried out; then nothing more is read from the client."""
    blocks_out: int = 256
    """Blocks that may wait for the client to read them; then nothing more is read from it."""
    handshake_seconds: float = 30.0
    stalled_seconds: float = 60.0
    """A client that does not read what it is sent for so long is disconnected."""
    idle_seconds: float = 6 * 3600.0
    """A client without subscriptions that sends nothing for so long is disconnected."""


class Client:
    """A client on ``connection``. ``clock`` gives seconds; it is read whenever a block comes in."""

    def __init__(self, connection: Connection, limits: ClientLimits, clock: Callable[[], float]) -> None:
        self._connection = connection
        self._limits = limits
        self._clock = clock
        self._cipher: BlockCipher | None = None
        self._closed = False
        self._unfinished = 0
        self._outbox: list[bytes] = []
        self._has_output = asyncio.Event()
        self._may_read = asyncio.Event()
        self._may_read.set()
        self._flushed = asyncio.Event()
        self._flushed.set()
        self.on_drained: Callable[[], None] = _nothing
        """Called when the client has read what it was sent."""
        self.active_at = clock()
        """When the last block came."""

    async def handshake(self, identity: Identity, session_key: X25519PrivateKey) -> tuple[Session, ClientHello]:
        """Agree on the protocol's version; raises :class:`NetworkError`, :class:`DecodeError`."""
        connection = self._connection
        versions = SUPPORTED_VERSIONS if connection.alpn == ALPN else LEGACY_VERSIONS
        hello = ServerHello(
            versions,
            connection.session_id,
            SignedServerKey(identity.certificates, sign_key(session_key.public, identity.key)),
        )
        try:
            async with asyncio.timeout(self._limits.handshake_seconds):
                connection.write_block(encode_hello(hello))
                await connection.drain()
                block = await connection.read_block()
        except TimeoutError:
            raise NetworkError("client did not finish the handshake in time") from None
        session, answer = accept_client(
            block,
            fingerprint=identity.fingerprint,
            session_id=connection.session_id,
            server_key=session_key,
            versions=versions,
        )
        if answer.is_service:
            # TLS here asks for no certificate, so the client cannot have proved that this one is its own
            connection.write_block(pad(b"EHANDSHAKE BAD_AUTH", BLOCK_SIZE))
            raise DecodeError("client brought a certificate that TLS does not know of")
        self._cipher = session.cipher
        return session, answer

    async def receive(self, submit: Callable[[bytes], None]) -> None:
        """Hand every block to ``submit``, as fast as they are carried out, until the connection is closed."""
        try:
            while not self._closed:
                block = await self._connection.read_block()
                self.active_at = self._clock()
                self._unfinished += 1
                self._update()
                submit(block)
                await self._may_read.wait()
        except NetworkError:
            return

    def finished(self) -> None:
        """A submitted block is being carried out."""
        self._unfinished -= 1
        self._update()

    def send(self, transmissions: Iterable[bytes]) -> None:
        """Queue encoded transmissions for sending, in as few blocks as they fit in."""
        if self._closed:
            return
        blocks = pack_blocks(transmissions, self._cipher)
        if self._flushed.is_set() and self._connection.takes_more:
            while blocks and self._connection.takes_more:
                self._connection.write_block(blocks.pop(0))
            if not blocks and self._connection.takes_more:
                self.on_drained()
                return
        self._outbox += blocks
        self._has_output.set()
        self._flushed.clear()
        self._update()

    async def write(self) -> None:
        """Write what :meth:`send` could not write at once, until the connection is closed.

        Closes the connection of a client that does not read.
        """
        try:
            while True:
                await self._has_output.wait()
                while self._has_output.is_set():
                    self._has_output.clear()
                    # few at a time: the time limit is one for a slow client too
                    blocks, self._outbox = self._outbox[:_AT_ONCE], self._outbox[_AT_ONCE:]
                    for block in blocks:
                        self._connection.write_block(block)
                    async with asyncio.timeout(self._limits.stalled_seconds):
                        await self._connection.drain()
                    if self._outbox:
                        self._has_output.set()
                    self._update()
                self._flushed.set()
                self.on_drained()
        except (NetworkError, TimeoutError):
            self.close()

    async def flush(self) -> None:
        """Wait until all that was sent is written or the connection is closed."""
        await self._flushed.wait()

    def close(self) -> None:
        """Close the connection; :meth:`receive` ends."""
        self._closed = True
        self._outbox.clear()
        self._connection.close()
        self._flushed.set()
        self._may_read.set()

    async def wait_closed(self) -> None:
        """Wait until the connection is released."""
        await self._connection.wait_closed()

    def is_idle(self, now: float) -> bool:
        """Whether nothing came for too long."""
        return now - self.active_at > self._limits.idle_seconds

    def _update(self) -> None:
        room = self._unfinished < self._limits.blocks_in and len(self._outbox) < self._limits.blocks_out
        if room or self._closed:
            self._may_read.set()
        else:
            self._may_read.clear()


def _nothing() -> None:
    """Before there is anything to do."""
