"""Tests of STUN and TURN servers: against coturn, and against what is none."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import ipaddress
import socket
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from simplex_calls.calls.ice import IceServer
from simplex_calls.calls.ice_probe import IceVerdictKind, probe_ice_server
from simplex_calls.serve import certificates
from simplex_calls.stun.message import Attribute, Kind, Message, Method, decode, encode, long_term_key, xored_address
from tests.calls.coturn import PASSWORD, SECRET, USER, coturn, free_port, needs_coturn

Kinds = IceVerdictKind
Reply = Callable[[bytes], bytes | None]


async def verdict(uri: str, seconds: float = 5.0) -> IceVerdictKind:
    found = await probe_ice_server(IceServer.parse(uri), timeout=seconds)
    assert found.is_ok == (found.round_trip_s is not None)
    return found.kind


@needs_coturn
async def test_a_server_with_users(tmp_path: Path) -> None:
    async with coturn(tmp_path, "--lt-cred-mech", f"--user={USER}:{PASSWORD}") as port:
        turn = f"turn:{USER}:{PASSWORD}@127.0.0.1:{port}"
        assert await verdict(f"stun:127.0.0.1:{port}") is Kinds.OK
        for uri in (turn, f"{turn}?transport=tcp"):
            assert await verdict(uri) is Kinds.OK
        assert await verdict(f"turn:{USER}:wrong@127.0.0.1:{port}") is Kinds.WRONG_CREDENTIALS
        assert await verdict(f"turn:mallory:{PASSWORD}@127.0.0.1:{port}") is Kinds.WRONG_CREDENTIALS


@needs_coturn
async def test_a_server_with_a_shared_secret(tmp_path: Path) -> None:
    async with coturn(tmp_path, "--use-auth-secret", f"--static-auth-secret={SECRET}") as port:
        server = IceServer.parse(f"turn::{SECRET}@127.0.0.1:{port}")
        assert (await probe_ice_server(server)).is_ok
        assert await verdict(f"turn::south@127.0.0.1:{port}") is Kinds.WRONG_CREDENTIALS
        # made two days ago: not valid any more
        late = await probe_ice_server(server, now=lambda: time.time() - 2 * 86400)
        assert late.kind is Kinds.WRONG_CREDENTIALS


@needs_coturn
async def test_a_server_that_only_tells_addresses(tmp_path: Path) -> None:
    async with coturn(tmp_path, "--stun-only") as port:
        assert await verdict(f"stun:127.0.0.1:{port}") is Kinds.OK
        assert await verdict(f"turn:a:b@127.0.0.1:{port}", 1) is Kinds.NO_RELAY


@asynccontextmanager
async def udp(reply: Reply) -> AsyncIterator[int]:
    class Server(asyncio.DatagramProtocol):
        def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
            self.transport = transport

        def datagram_received(self, data: bytes, addr: tuple[str | int, int]) -> None:
            answered = reply(data)
            if answered is not None:
                self.transport.sendto(answered, addr)

    port = free_port()
    made = await asyncio.get_running_loop().create_datagram_endpoint(Server, local_addr=("127.0.0.1", port))
    try:
        yield port
    finally:
        made[0].close()


@asynccontextmanager
async def tcp(
    talk: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]], port: int = 0
) -> AsyncIterator[int]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await talk(reader, writer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", port)
    async with server:
        yield server.sockets[0].getsockname()[1]


def answer(data: bytes, *attributes: tuple[int, bytes], code: int = 0, key: bytes | None = None) -> bytes:
    request = decode(data)
    if code:
        attributes = ((Attribute.ERROR_CODE, bytes((0, 0, code // 100, code % 100))), *attributes)
    kind = Kind.ERROR if code else Kind.SUCCESS
    return encode(Message(request.method, kind, request.transaction, attributes), key)


def relaying(address: str, code: int = 0) -> Reply:
    """A TURN server that relays at an address, or refuses who has the right credentials."""
    key = long_term_key(USER, "example", PASSWORD)

    def reply(data: bytes) -> bytes:
        request = decode(data)
        if request.get(Attribute.USERNAME) is None:
            return answer(data, (Attribute.REALM, b"example"), (Attribute.NONCE, b"1"), code=401)
        if code:
            return answer(data, code=code, key=key)
        where = xored_address((ipaddress.ip_address(address), 4000), request.transaction)
        return answer(data, (Attribute.XOR_RELAYED_ADDRESS, where), (Attribute.LIFETIME, b"\0\0\0\x3c"), key=key)

    return reply


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (relaying("203.0.113.5"), Kinds.OK),
        (relaying("0.0.0.0"), Kinds.NO_RELAY),
        (relaying("", 486), Kinds.NO_RELAY),
        (relaying("", 508), Kinds.NO_RELAY),
        (relaying("", 403), Kinds.NO_RELAY),
        (relaying("", 441), Kinds.WRONG_CREDENTIALS),
        (lambda data: answer(data, code=400), Kinds.NO_RELAY),
        (lambda data: answer(data, code=401), Kinds.WRONG_CREDENTIALS),
        (lambda data: answer(data), Kinds.NOT_STUN),
        (lambda data: answer(data, (Attribute.ERROR_CODE, b"")), Kinds.NOT_STUN),
        (lambda _: b"\0" * 20, Kinds.TIMEOUT),
        (lambda data: data, Kinds.TIMEOUT),
        (lambda data: answer(data)[:-1], Kinds.TIMEOUT),
        (lambda _: None, Kinds.TIMEOUT),
    ],
    ids=["ok", "nowhere", "quota", "full", "forbidden", "other", "bad", "no-nonce", "open", "damaged", *"zecs"],
)
async def test_what_a_relay_answers(reply: Reply, kind: IceVerdictKind) -> None:
    async with udp(reply) as port:
        assert await verdict(f"turn:{USER}:{PASSWORD}@127.0.0.1:{port}", 0.4) is kind


async def test_what_was_given_is_given_back() -> None:
    server = relaying("203.0.113.5")
    seen: list[tuple[int, bytes | None]] = []

    def reply(data: bytes) -> bytes | None:
        request = decode(data)
        seen.append((request.method, request.get(Attribute.LIFETIME)))
        return server(data)

    async with udp(reply) as port:
        assert await verdict(f"turn:{USER}:{PASSWORD}@127.0.0.1:{port}") is Kinds.OK
    assert seen[-1] == (Method.REFRESH, bytes(4))


async def test_where_nothing_is() -> None:
    port = free_port()
    assert await verdict(f"stun:127.0.0.1:{port}") is Kinds.UNREACHABLE
    assert await verdict(f"turn:a:b@127.0.0.1:{port}?transport=tcp") is Kinds.UNREACHABLE
    assert await verdict("stun:no-such-host.invalid") is Kinds.NO_HOST


async def test_udp_that_is_blocked_is_told_from_a_server_that_is_down() -> None:
    async def stun(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        data = await reader.readexactly(28)
        where = xored_address((ipaddress.ip_address("192.0.2.7"), 1), decode(data).transaction)
        writer.write(answer(data, (Attribute.XOR_MAPPED_ADDRESS, where)))
        await reader.read()

    async with udp(lambda _: None) as port, tcp(stun, port):
        assert await verdict(f"turn:a:b@127.0.0.1:{port}", 0.4) is Kinds.UDP_BLOCKED


async def test_what_speaks_another_protocol() -> None:
    async def web(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()

    async def silent(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read(1)

    for talk in (web, silent):
        async with tcp(talk) as port:
            assert await verdict(f"turn:a:b@127.0.0.1:{port}?transport=tcp") is Kinds.NOT_STUN
            assert await verdict(f"turns:a:b@127.0.0.1:{port}") in {Kinds.NOT_STUN, Kinds.UNREACHABLE}


async def test_a_certificate_that_nobody_trusts(tmp_path: Path) -> None:
    made = certificates.make(("127.0.0.1",), datetime.datetime.now(datetime.UTC))
    (tmp_path / "both.pem").write_bytes(made.chain + made.key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "both.pem")

    with socket.create_server(("127.0.0.1", 0)) as listener:

        def handshake() -> None:
            connection, _ = listener.accept()
            with connection, contextlib.suppress(OSError):
                context.wrap_socket(connection, server_side=True).close()

        served = asyncio.create_task(asyncio.to_thread(handshake))
        assert await verdict(f"turns:a:b@127.0.0.1:{listener.getsockname()[1]}") is Kinds.CERTIFICATE
        await served
