"""A client of one STUN or TURN server: requests over UDP, TCP or TLS, one at a time.

Source: RFC 8489, section 6.2 (retransmissions) and 9.2 (long-term credentials); RFC 8656, sections 7 and 9.
"""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from enum import Enum
from typing import Protocol, Self

from simplex_calls.stun.credentials import Credentials
from simplex_calls.stun.message import (
    TRANSACTION_SIZE,
    Address,
    Attribute,
    IPAddress,
    Kind,
    Message,
    Method,
    StunError,
    decode,
    encode,
    long_term_key,
    size_in,
    xored_address,
)

_RETRANSMIT_SECONDS = 0.25
"""The first pause until a request is sent again over UDP; each is twice the one before."""
_TIMEOUT_SECONDS = 5.0
_UDP = b"\x11\0\0\0"
_UNAUTHORIZED, _STALE_NONCE = 401, 438


class Transport(Enum):
    """How a server is spoken to."""

    UDP = "udp"
    TCP = "tcp"
    TLS = "tls"


class Fault(Enum):
    """Why a server cannot be reached."""

    NO_HOST = "no such host"
    CERTIFICATE = "its certificate is not trusted"
    NO_TLS = "it does not speak TLS"
    NOTHING_THERE = "nothing listens there, or the way is closed"
    LEFT = "it closed the connection"


class StunUnreachableError(Exception):
    """Nothing can be sent there; ``fault`` says why."""

    def __init__(self, fault: Fault, detail: str = "") -> None:
        super().__init__(f"the server cannot be reached: {detail or fault.value}")
        self.fault = fault


class StunTimeoutError(Exception):
    """No answer came in time."""


class StunRefusedError(Exception):
    """The server refused; ``code`` says why (401: credentials, 403: a peer that it does not allow, 486: quota)."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"the server refused: {code}")
        self.code = code
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Allocation:
    """What a TURN server gave."""

    relayed: Address
    """Where peers reach the client."""
    lifetime: int
    """Seconds."""


@dataclass(frozen=True, slots=True)
class _Session:
    """What a server asks credentials to be used with."""

    key: bytes
    attributes: tuple[tuple[int, bytes], ...]


class _Wire(Protocol):
    is_reliable: bool

    def send(self, data: bytes) -> None: ...

    async def receive(self) -> bytes: ...

    def close(self) -> None: ...


class StunClient:
    """Requests to one server, one at a time; made by :meth:`connect`."""

    def __init__(self, wire: _Wire, timeout: float) -> None:
        self._wire = wire
        self._timeout = timeout
        self._session: _Session | None = None

    @classmethod
    @asynccontextmanager
    async def connect(
        cls,
        host: str,
        port: int,
        transport: Transport = Transport.UDP,
        *,
        tls: ssl.SSLContext | None = None,
        timeout: float = _TIMEOUT_SECONDS,  # noqa: ASYNC109 (of each request)
    ) -> AsyncIterator[Self]:
        """Open the way to a server; ``tls`` is whom to trust (the system's authorities).

        Raises :class:`StunUnreachableError`, :class:`StunTimeoutError`.
        """
        try:
            async with asyncio.timeout(timeout):
                wire = await _open(host, port, transport, tls)
        except TimeoutError:
            raise StunTimeoutError("the server did not answer in time") from None
        except ssl.SSLCertVerificationError as error:
            raise StunUnreachableError(Fault.CERTIFICATE, error.verify_message) from None
        except (OSError, UnicodeError) as error:
            raise _unreachable(error) from None
        try:
            yield cls(wire, timeout)
        finally:
            wire.close()

    async def binding(self) -> Address:
        """Our address as the server sees it; raises as :meth:`allocate`."""
        answer = await self._request(Method.BINDING, ())
        address = answer.address(Attribute.XOR_MAPPED_ADDRESS)
        if address is None:
            raise StunError("the server did not say which address it sees")
        return address

    async def allocate(self, credentials: Credentials, *, lifetime: int = 600) -> Allocation:
        """Make an allocation for UDP (RFC 8656, section 7).

        Raises :class:`StunRefusedError`, :class:`StunTimeoutError`, :class:`StunUnreachableError`, :class:`StunError`.
        """
        attributes = (
            (int(Attribute.REQUESTED_TRANSPORT), _UDP),
            (int(Attribute.LIFETIME), lifetime.to_bytes(4, "big")),
        )
        try:
            # the first request learns the realm and a nonce from its refusal
            await self._request(Method.ALLOCATE, attributes)
        except StunRefusedError as error:
            if error.code != _UNAUTHORIZED or self._session is None:
                raise
        else:
            raise StunError("the server gives allocations to everybody")
        self._session = _session(self._session.attributes, credentials)
        answer = await self._request(Method.ALLOCATE, attributes)
        relayed = answer.address(Attribute.XOR_RELAYED_ADDRESS)
        if relayed is None:
            raise StunError("the server did not say which address it relays")
        return Allocation(relayed, int.from_bytes(answer.get(Attribute.LIFETIME) or b"", "big"))

    async def permit(self, peer: IPAddress) -> None:
        """Let a peer send to the allocation (RFC 8656, section 9); raises as :meth:`allocate`."""
        await self._request(Method.CREATE_PERMISSION, (), peer=(peer, 9))

    async def release(self) -> None:
        """Give the allocation back (RFC 8656, section 8); raises as :meth:`allocate`."""
        await self._request(Method.REFRESH, ((int(Attribute.LIFETIME), bytes(4)),))

    async def _request(
        self, method: Method, attributes: tuple[tuple[int, bytes], ...], peer: Address | None = None
    ) -> Message:
        for is_last in (False, True):
            session = self._session if self._session is not None and self._session.key else None
            transaction = os.urandom(TRANSACTION_SIZE)
            sent = attributes
            if peer is not None:
                sent += ((int(Attribute.XOR_PEER_ADDRESS), xored_address(peer, transaction)),)
            if session is not None:
                sent += session.attributes
            message = Message(method, Kind.REQUEST, transaction, sent)
            answer = await self._exchange(message, None if session is None else session.key)
            if answer.kind is Kind.SUCCESS:
                return answer
            code, reason = answer.error or (0, "")
            realm, nonce = answer.get(Attribute.REALM), answer.get(Attribute.NONCE)
            if code == _UNAUTHORIZED and session is None and realm is not None and nonce is not None:
                given = ((int(Attribute.REALM), realm), (int(Attribute.NONCE), nonce))
                self._session = _Session(b"", given)
            if code == _STALE_NONCE and session is not None and nonce is not None and not is_last:
                changed = tuple((n, nonce if n == Attribute.NONCE else value) for n, value in session.attributes)
                self._session = _Session(session.key, changed)
                continue
            raise StunRefusedError(code, reason)
        raise StunError("the server takes no nonce of its own")

    async def _exchange(self, request: Message, key: bytes | None) -> Message:
        """Send a request until its answer is there."""
        data = encode(request, key)
        try:
            async with asyncio.timeout(self._timeout):
                sending = asyncio.create_task(self._send(data))
                try:
                    while True:
                        received = await self._wire.receive()
                        with suppress(StunError):  # what else comes to this socket is not for us
                            answer = decode(received)
                            if answer.transaction == request.transaction and answer.kind in (Kind.SUCCESS, Kind.ERROR):
                                if answer.kind is Kind.SUCCESS and key is not None:
                                    answer = decode(received, key)
                                return answer
                finally:
                    sending.cancel()
                    with suppress(asyncio.CancelledError):
                        await sending
        except TimeoutError:
            raise StunTimeoutError("the server did not answer in time") from None
        except ConnectionResetError:
            raise StunUnreachableError(Fault.LEFT) from None
        except OSError as error:
            raise _unreachable(error) from None

    async def _send(self, data: bytes) -> None:
        pause = _RETRANSMIT_SECONDS
        while True:
            self._wire.send(data)
            if self._wire.is_reliable:
                return
            await asyncio.sleep(pause)
            pause *= 2


def _session(asked: tuple[tuple[int, bytes], ...], credentials: Credentials) -> _Session:
    realm = dict(asked)[Attribute.REALM].decode("utf-8", "replace")
    username = (int(Attribute.USERNAME), credentials.username.encode())
    return _Session(long_term_key(credentials.username, realm, credentials.password), (username, *asked))


def _unreachable(error: OSError | UnicodeError) -> StunUnreachableError:
    """What the system says, without the address."""
    if isinstance(error, UnicodeError | socket.gaierror):
        return StunUnreachableError(Fault.NO_HOST)
    if isinstance(error, ssl.SSLError):
        return StunUnreachableError(Fault.NO_TLS)
    return StunUnreachableError(Fault.NOTHING_THERE, os.strerror(error.errno) if error.errno else "")


async def _open(host: str, port: int, transport: Transport, tls: ssl.SSLContext | None) -> _Wire:
    if transport is Transport.UDP:
        _, datagrams = await asyncio.get_running_loop().create_datagram_endpoint(_Datagrams, remote_addr=(host, port))
        return datagrams
    context = (tls or ssl.create_default_context()) if transport is Transport.TLS else None
    return _Stream(*await asyncio.open_connection(host, port, ssl=context))


class _Datagrams(asyncio.DatagramProtocol):
    """UDP."""

    is_reliable = False

    def __init__(self) -> None:
        self._transport: asyncio.DatagramTransport | None = None
        self._received: asyncio.Queue[bytes | Exception] = asyncio.Queue()

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self._transport = transport

    def datagram_received(self, data: bytes, _addr: object) -> None:
        self._received.put_nowait(data)

    def error_received(self, exc: Exception) -> None:
        self._received.put_nowait(exc)

    def send(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.sendto(data)

    async def receive(self) -> bytes:
        received = await self._received.get()
        if isinstance(received, Exception):
            raise received
        return received

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


class _Stream:
    """TCP or TLS: messages follow each other (RFC 8489, section 6.2.2)."""

    is_reliable = True

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    def send(self, data: bytes) -> None:
        self._writer.write(data)

    async def receive(self) -> bytes:
        try:
            head = await self._reader.readexactly(4)
            return head + await self._reader.readexactly(size_in(head) - 4)
        except asyncio.IncompleteReadError:
            raise ConnectionResetError from None

    def close(self) -> None:
        # at once: a server that does not answer is not waited for
        self._writer.transport.abort()
