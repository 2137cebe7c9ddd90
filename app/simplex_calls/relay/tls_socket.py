"""Connections over TLS at the relay: whole blocks between the socket and its callbacks, nothing in between.

asyncio's own TLS copies every block through four buffers and wakes a task for it. A relay does little else than to
move blocks, so here the TLS library reads and writes the socket itself, and a block is handed on when its last byte is
there.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import socket
import ssl
import sys
import termios
from collections import deque
from collections.abc import Callable

from simplex_calls.smp.errors import NetworkError
from simplex_calls.smp.tls import SHUTDOWN_TIMEOUT
from simplex_calls.smp.transmission import BLOCK_SIZE

_AT_ONCE = 4
"""Blocks that are read before others have their turn."""
_KEEP_ALIVE = (("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 15), ("TCP_KEEPCNT", 4))
"""Seconds of silence, seconds between probes, probes; named so on Linux."""


class TLSSocket:
    """A :class:`wire.Wire` over TLS. It is made by :meth:`accept`."""

    def __init__(self, tls: ssl.SSLSocket) -> None:
        binding = tls.get_channel_binding("tls-unique")
        if not binding:
            raise NetworkError("TLS connection has no channel binding")
        self.session_id: bytes = binding
        self.peer_chain: tuple[bytes, ...] = ()
        self.alpn: str | None = tls.selected_alpn_protocol()
        self._loop = asyncio.get_running_loop()
        self._tls = tls
        self._number = tls.fileno()
        self._buffer = bytearray(BLOCK_SIZE)
        self._view = memoryview(self._buffer)
        self._filled = 0
        self._begun_at = 0.0
        self._outbox: deque[bytes | memoryview] = deque()
        self._blocked_at = 0.0
        self._reads = False
        self._closed = False
        self._released: asyncio.Future[None] = self._loop.create_future()
        self._first: asyncio.Future[bytes] | None = None
        self._on_block: Callable[[bytes], None] = self._take_first
        self._on_lost: Callable[[], None] = _nothing
        self._on_drained: Callable[[], None] = _nothing

    @classmethod
    async def accept(cls, sock: socket.socket, context: ssl.SSLContext, seconds: float) -> TLSSocket:
        """Shake hands as a TLS server, within a time; raises :class:`NetworkError`. ``sock`` is taken over."""
        sock.settimeout(0)
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            for option, value in _KEEP_ALIVE:
                if hasattr(socket, option):
                    sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
            tls = context.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
        except (OSError, ValueError):
            sock.close()
            raise NetworkError("connection is closed") from None
        try:
            async with asyncio.timeout(seconds):
                await _shake_hands(tls)
            return cls(tls)
        except ssl.SSLError:
            # what went wrong was said; it must reach the other end
            released: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            _Lingering(socket.socket(fileno=tls.detach()), asyncio.get_running_loop(), released)
            await released
            raise NetworkError("client does not speak TLS as SMP clients do") from None
        except (OSError, TimeoutError):
            tls.close()
            raise NetworkError("client did not shake hands by TLS") from None
        except BaseException:
            tls.close()
            raise

    # in

    async def read_block(self) -> bytes:
        """The next block; raises :class:`NetworkError`. For the handshake; afterwards see :meth:`receive`."""
        if self._closed:
            raise NetworkError("connection is closed")
        self._first = self._loop.create_future()
        self.resume()
        try:
            return await self._first
        finally:
            self._first = None

    def receive(
        self, on_block: Callable[[bytes], None], on_lost: Callable[[], None], on_drained: Callable[[], None]
    ) -> None:
        """Hand on every block that comes; see :class:`wire.Wire`."""
        self._on_block, self._on_lost, self._on_drained = on_block, on_lost, on_drained
        if self._closed:
            self._loop.call_soon(on_lost)
        else:
            self.resume()

    def pause(self) -> None:
        """Read nothing more for now."""
        if self._reads:
            self._reads = False
            self._loop.remove_reader(self._number)

    def resume(self) -> None:
        """Go on reading."""
        if not self._reads and not self._closed:
            self._reads = True
            self._loop.add_reader(self._number, self._read)
            if self._tls.pending():
                self._loop.call_soon(self._read)  # what the library holds already, the system does not tell of

    def _read(self) -> None:
        for _ in range(_AT_ONCE):
            if not self._reads:
                return
            try:
                count = self._tls.recv_into(self._view[self._filled :])
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
                return
            except (OSError, ValueError):
                count = 0
            if not count:
                self.abort()
                return
            filled = self._filled + count
            if filled == BLOCK_SIZE:
                self._filled = 0
                self._on_block(bytes(self._buffer))
                if self._closed or not (self._tls.pending() or self._has_another()):
                    return  # to read in vain costs more than to ask
            else:
                if not self._filled:
                    self._begun_at = self._loop.time()
                self._filled = filled
        if self._reads and self._tls.pending():
            self._loop.call_soon(self._read)

    def _has_another(self) -> bool:
        """Whether the system holds enough for another block."""
        waiting = fcntl.ioctl(self._number, termios.FIONREAD, bytes(4))
        return int.from_bytes(waiting, sys.byteorder) > BLOCK_SIZE

    def _take_first(self, block: bytes) -> None:
        self.pause()
        if self._first is not None and not self._first.done():
            self._first.set_result(block)

    # out

    def write_block(self, block: bytes) -> None:
        """Send a block, after those that wait."""
        if len(block) != BLOCK_SIZE:
            raise ValueError(f"a block has {BLOCK_SIZE} bytes")
        if self._closed:
            return
        self._outbox.append(block)
        if len(self._outbox) == 1:
            self._write()
            if self._outbox and not self._closed:
                self._blocked_at = self._loop.time()
                self._loop.add_writer(self._number, self._write_on)

    def _write(self) -> None:
        outbox = self._outbox
        try:
            while outbox:
                sent = self._tls.send(outbox[0])
                if sent < len(outbox[0]):
                    outbox[0] = memoryview(outbox[0])[sent:]
                else:
                    outbox.popleft()
        except (ssl.SSLWantWriteError, ssl.SSLWantReadError):
            return
        except (OSError, ValueError):
            self.abort()

    def _write_on(self) -> None:
        before = len(self._outbox)
        self._write()
        if self._closed:
            return
        if not self._outbox:
            self._loop.remove_writer(self._number)
            self._on_drained()
        elif len(self._outbox) < before:
            self._blocked_at = self._loop.time()

    @property
    def backlog(self) -> int:
        """Blocks that the other end has not taken yet."""
        return len(self._outbox)

    @property
    def takes_more(self) -> bool:
        """Whether all that was written is on its way."""
        return not self._outbox and not self._closed

    async def drain(self) -> None:
        """Return at once: before :meth:`receive` one block is written, which the system takes."""

    def stuck_for(self, now: float) -> float:
        """For how many seconds a block, in or out, has been waiting for its rest; ``now`` is the loop's time."""
        since = now
        if self._outbox:
            since = self._blocked_at
        if self._filled and self._reads:
            since = min(since, self._begun_at)
        return now - since

    # the end

    def close(self) -> None:
        """Close, after what is on its way was sent; blocks that wait are dropped."""
        if self._closed:
            return
        if self._outbox:
            self.abort()  # a block is half out, nothing can be said any more
            return
        self._end()
        with contextlib.suppress(OSError, ValueError):  # also: that the other end's good-bye is not there yet
            self._tls.unwrap()
        bare = socket.socket(fileno=self._tls.detach())
        # What comes still is read, or the system would take back what was sent last.
        _Lingering(bare, self._loop, self._released)

    def abort(self) -> None:
        """Close at once."""
        if not self._closed:
            self._end()
            self._tls.close()
            self._released.set_result(None)

    async def wait_closed(self) -> None:
        """Wait until everything is released."""
        await asyncio.shield(self._released)

    def _end(self) -> None:
        self.pause()
        if self._outbox:
            self._loop.remove_writer(self._number)
            self._outbox.clear()
        self._closed = True
        if self._first is not None and not self._first.done():
            self._first.set_exception(NetworkError("connection is closed"))
        self._loop.call_soon(self._on_lost)


class _Lingering:
    """A socket whose sending half is closed, until the other end has closed the other half or some time is over."""

    def __init__(self, sock: socket.socket, loop: asyncio.AbstractEventLoop, released: asyncio.Future[None]) -> None:
        self._sock = sock
        self._loop = loop
        self._released = released
        self._timer: asyncio.TimerHandle | None = None
        try:
            sock.shutdown(socket.SHUT_WR)
        except OSError:
            self._release()
        else:
            self._timer = loop.call_later(SHUTDOWN_TIMEOUT, self._release)
            loop.add_reader(sock.fileno(), self._discard)

    def _discard(self) -> None:
        try:
            while self._sock.recv(BLOCK_SIZE):
                pass
        except BlockingIOError:
            return
        except OSError:
            pass
        self._release()

    def _release(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._loop.remove_reader(self._sock.fileno())
        self._sock.close()
        if not self._released.done():
            self._released.set_result(None)


async def _shake_hands(tls: ssl.SSLSocket) -> None:
    loop = asyncio.get_running_loop()
    while True:
        try:
            tls.do_handshake()
        except ssl.SSLWantReadError:
            await _until(loop.add_reader, loop.remove_reader, tls.fileno())
        except ssl.SSLWantWriteError:
            await _until(loop.add_writer, loop.remove_writer, tls.fileno())
        else:
            return


async def _until(add: Callable[..., None], remove: Callable[[int], bool], number: int) -> None:
    ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    add(number, _set, ready)
    try:
        await ready
    finally:
        remove(number)


def _set(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)


def _nothing() -> None:
    """Before there is anything to do."""
