"""One connected client, as the relay's shell sees it: handshake, blocks in, blocks out, and limits on both."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from simplex_calls.crypto import X25519PrivateKey, pad
from simplex_calls.relay.certificates import Identity
from simplex_calls.relay.wire import Wire
from simplex_calls.smp.blocks import BLOCK_SIZE, BlockCipher
from simplex_calls.smp.certificates import sign_key
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


@dataclass(frozen=True, slots=True)
class ClientLimits:
    """How much of one client is kept in memory, and how patient the relay is."""

    blocks_in: int = 8
    """Blocks that may wait to be carried out; then nothing more is read from the client."""
    blocks_out: int = 256
    """Blocks that may wait for the client to read them; then nothing more is read from it."""
    handshake_seconds: float = 30.0
    stalled_seconds: float = 60.0
    """A client that takes, or finishes, no block for so long is disconnected."""
    idle_seconds: float = 6 * 3600.0
    """A client without subscriptions that sends nothing for so long is disconnected."""


class Client:
    """A client on ``connection``. ``clock`` gives seconds; it is read whenever a block comes in."""

    def __init__(self, connection: Wire, limits: ClientLimits, clock: Callable[[], float]) -> None:
        self._connection = connection
        self._limits = limits
        self._clock = clock
        self._cipher: BlockCipher | None = None
        self._closed = False
        self._unfinished = 0
        self._submit: Callable[[bytes], None] = _ignore
        self._has_drained: Callable[[], None] = _nothing
        self._flushed: asyncio.Event | None = None
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

    def receive(
        self, submit: Callable[[bytes], None], on_lost: Callable[[], None], on_drained: Callable[[], None]
    ) -> None:
        """Hand every block to ``submit``, as fast as they are carried out, until the connection is closed.

        Then ``on_lost`` is called. ``on_drained`` is called when the client has taken what waited for it.
        """
        self._submit, self._has_drained = submit, on_drained
        self._connection.receive(self._on_block, on_lost, self._on_drained)

    def finished(self) -> None:
        """A submitted block is being carried out."""
        self._unfinished -= 1
        self._update()

    def send(self, transmissions: Iterable[bytes]) -> None:
        """Queue encoded transmissions for sending, in as few blocks as they fit in."""
        if self._closed:
            return
        for block in pack_blocks(transmissions, self._cipher):
            self._connection.write_block(block)
        if self._connection.backlog:
            self._update()

    @property
    def backlog(self) -> int:
        """Blocks that the client has not taken yet."""
        return self._connection.backlog

    async def flush(self) -> None:
        """Wait until all that was sent is written or the connection is closed."""
        if not self._closed and self._connection.backlog:
            self._flushed = asyncio.Event()
            await self._flushed.wait()

    def close(self) -> None:
        """Close the connection; what waits for the client is dropped."""
        if not self._closed:
            self._closed = True
            self._connection.close()
            self._on_drained()

    async def wait_closed(self) -> None:
        """Wait until the connection is released."""
        await self._connection.wait_closed()

    def is_idle(self, now: float) -> bool:
        """Whether nothing came for too long."""
        return now - self.active_at > self._limits.idle_seconds

    def is_stuck(self, now: float) -> bool:
        """Whether a block has been on its way, in or out, for too long; ``now`` is the loop's time."""
        return self._connection.stuck_for(now) > self._limits.stalled_seconds

    def _on_block(self, block: bytes) -> None:
        self.active_at = self._clock()
        self._unfinished += 1
        if self._unfinished >= self._limits.blocks_in:
            self._connection.pause()
        self._submit(block)

    def _on_drained(self) -> None:
        if self._flushed is not None:
            self._flushed.set()
        if not self._closed:
            self._update()
            self._has_drained()

    def _update(self) -> None:
        if self._closed:
            return
        if self._unfinished < self._limits.blocks_in and self._connection.backlog < self._limits.blocks_out:
            self._connection.resume()
        else:
            self._connection.pause()


def _ignore(_block: bytes) -> None:
    """Before anybody wants it."""


def _nothing() -> None:
    """Before there is anything to do."""
