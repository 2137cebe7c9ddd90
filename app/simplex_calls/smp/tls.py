"""TLS 1.3 under the SMP handshake: contexts and connections of both ends.

Certificates are self-made, so the library's own check against authorities is off. What takes its place: the TLS
handshake proves that the server has the key of its online certificate; the SMP handshake (``handshake.accept_server``)
brings the whole chain, which must start with that very certificate and hold, signed by it, the one whose fingerprint is
in the server's address. Until then the client sends nothing. Servers of version 6 show the chain in the TLS handshake
only. Source: simplex-messaging.md, "TLS transport encryption".
"""

from __future__ import annotations

import _ssl
import asyncio
import contextlib
import logging
import socket
import ssl
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from simplex_calls.smp.cipher_suites import restrict_to_one_suite
from simplex_calls.smp.errors import NetworkError
from simplex_calls.smp.handshake import ALPN
from simplex_calls.smp.transmission import BLOCK_SIZE

STREAM_LIMIT = 4 * BLOCK_SIZE
"""How many received bytes are kept before the other end is slowed down."""
SHUTDOWN_TIMEOUT = 2.0
"""Seconds that a closing connection waits for the other end to say good-bye too."""

_log = logging.getLogger(__name__)


class TLSConnection:
    """A ``Connection`` over TLS; at either end."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take over an open TLS stream; raises :class:`NetworkError` if it has no channel binding."""
        tls: ssl.SSLObject = writer.get_extra_info("ssl_object")
        binding = tls.get_channel_binding("tls-unique")
        if not binding:
            writer.transport.abort()
            raise NetworkError("TLS connection has no channel binding")
        self.session_id: bytes = binding
        self.peer_chain: tuple[bytes, ...] = _peer_chain(tls)
        self.alpn: str | None = tls.selected_alpn_protocol()
        self._reader = reader
        self._writer = writer

    async def read_block(self) -> bytes:
        """The next block; raises :class:`NetworkError`."""
        try:
            return await self._reader.readexactly(BLOCK_SIZE)
        except (EOFError, OSError):
            raise NetworkError("connection is closed") from None

    def write_block(self, block: bytes) -> None:
        """Queue a block for sending."""
        if len(block) != BLOCK_SIZE:
            raise ValueError(f"a block has {BLOCK_SIZE} bytes")
        if not self._writer.is_closing():
            self._writer.write(block)

    @property
    def takes_more(self) -> bool:
        """Whether all that was written is on its way."""
        return not self._writer.is_closing() and not self._writer.transport.get_write_buffer_size()

    async def drain(self) -> None:
        """Wait until the other end keeps up; raises :class:`NetworkError`."""
        try:
            await self._writer.drain()
        except OSError:
            raise NetworkError("connection is closed") from None

    def close(self) -> None:
        """Close, after what is queued was sent."""
        self._writer.close()

    async def wait_closed(self) -> None:
        """Wait until everything is released."""
        with contextlib.suppress(OSError, EOFError):
            await self._writer.wait_closed()


def _peer_chain(tls: ssl.SSLObject) -> tuple[bytes, ...]:
    """The certificates that the other end sent; the first one alone where Python does not tell the others."""
    leaf = tls.getpeercert(binary_form=True)
    if leaf is None:
        return ()
    # public from Python 3.13 on, and before that there under the same name one level below
    holder: Any = tls if hasattr(tls, "get_unverified_chain") else getattr(tls, "_sslobj", None)
    chain = holder.get_unverified_chain() if hasattr(holder, "get_unverified_chain") else None
    ders = [it if isinstance(it, bytes) else it.public_bytes(_ssl.ENCODING_DER) for it in chain or ()]
    return tuple(ders) if ders else (leaf,)


def client_context() -> ssl.SSLContext:
    """The context of clients: TLS 1.3, ALPN ``smp/1``; identity is checked afterwards (see the module)."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    _restrict(context)
    return context


def server_context(chain_pem: bytes, key_pem: bytes) -> ssl.SSLContext:
    """The context of servers: ``chain_pem`` holds the online certificate, then the offline one; the key is PKCS#8 PEM.

    Raises :class:`ssl.SSLError` if they do not belong together.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _restrict(context)
    restrict_to_one_suite(context)
    context.num_tickets = 0  # sessions are not resumed
    # the library loads them from files only; the directory is readable by its owner alone
    with tempfile.TemporaryDirectory(prefix="smp-") as directory:
        path = Path(directory) / "chain-and-key.pem"
        path.write_bytes(chain_pem + b"\n" + key_pem)
        context.load_cert_chain(path)
    return context


def _restrict(context: ssl.SSLContext) -> None:
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.options |= ssl.OP_NO_TICKET | ssl.OP_NO_COMPRESSION
    context.set_alpn_protocols([ALPN])


def keep_alive(writer: asyncio.StreamWriter) -> None:
    """Have the system notice within about a minute and a half that the other end is gone."""
    sock: socket.socket | None = writer.get_extra_info("socket")
    if sock is None:
        return
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    # seconds of silence, seconds between probes, probes; named so on Linux
    for option, value in (("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 15), ("TCP_KEEPCNT", 4)):
        if hasattr(socket, option):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)


def to_pem(certificates: Sequence[bytes]) -> bytes:
    """DER certificates as PEM, for :func:`server_context`."""
    return "".join(ssl.DER_cert_to_PEM_cert(certificate) for certificate in certificates).encode("ascii")
