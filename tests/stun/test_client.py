"""The client against a server of the test's own: retransmissions, refusals, nonces, and what never answers."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from simplex_calls.stun import StunClient, StunError, StunRefusedError, StunTimeoutError, StunUnreachableError
from simplex_calls.stun.client import Transport
from simplex_calls.stun.credentials import Credentials
from simplex_calls.stun.message import (
    Attribute,
    Kind,
    Message,
    Method,
    decode,
    encode,
    long_term_key,
    size_in,
    xored_address,
)

REALM, USER, PASSWORD = "example", "alice", "secret"
KEY = long_term_key(USER, REALM, PASSWORD)
HERE = (ipaddress.ip_address("192.0.2.7"), 4242)
Reply = Callable[[bytes], bytes | None]


def answer(request: Message, *attributes: tuple[int, bytes], code: int = 0, key: bytes | None = None) -> bytes:
    if code:
        attributes = ((Attribute.ERROR_CODE, bytes((0, 0, code // 100, code % 100)) + b"reason"), *attributes)
    kind = Kind.ERROR if code else Kind.SUCCESS
    return encode(Message(request.method, kind, request.transaction, attributes), key)


def mapped(request: Message) -> tuple[int, bytes]:
    return Attribute.XOR_MAPPED_ADDRESS, xored_address(HERE, request.transaction)


@asynccontextmanager
async def udp_server(reply: Reply) -> AsyncIterator[int]:
    class Server(asyncio.DatagramProtocol):
        def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
            self.transport = transport

        def datagram_received(self, data: bytes, addr: tuple[str | int, int]) -> None:
            answered = reply(data)
            if answered is not None:
                self.transport.sendto(answered, addr)

    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(Server, local_addr=("127.0.0.1", 0))
    try:
        yield transport.get_extra_info("sockname")[1]
    finally:
        transport.close()


@pytest.mark.parametrize("transport", [Transport.UDP, Transport.TCP])
async def test_a_binding(transport: Transport) -> None:
    def reply(data: bytes) -> bytes:
        request = decode(data)
        return answer(request, mapped(request))

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readexactly(4)
        answered = reply(head + await reader.readexactly(size_in(head) - 4))
        writer.write(answered[:7])
        await writer.drain()
        writer.write(answered[7:])
        with contextlib.suppress(ConnectionError):
            await reader.read()
        writer.close()
        served.set()

    async with udp_server(reply) as port:
        served = asyncio.Event()
        server = await asyncio.start_server(serve, "127.0.0.1", port)
        async with server, StunClient.connect("127.0.0.1", port, transport) as client:
            assert await client.binding() == HERE
        if transport is Transport.TCP:
            await served.wait()


async def test_a_lost_request_is_sent_again_and_strange_packets_are_passed_over() -> None:
    seen: list[bytes] = []

    def reply(data: bytes) -> bytes | None:
        seen.append(data)
        request = decode(data)
        if len(seen) == 1:
            return None
        if len(seen) == 2:
            return answer(Message(Method.BINDING, Kind.SUCCESS, bytes(12)), mapped(request))
        return answer(request, mapped(request))

    async with udp_server(reply) as port, StunClient.connect("127.0.0.1", port) as client:
        assert await client.binding() == HERE
    assert len(set(seen)) == 1


class Turn:
    """A TURN server that knows one user and takes each of its nonces ``uses`` times."""

    def __init__(self, uses: int = 99, key: bytes = KEY) -> None:
        self.nonce = 0
        self.uses = self.left = uses
        self.key = key
        self.released = False

    def __call__(self, data: bytes) -> bytes:
        request = decode(data)
        asked = ((Attribute.REALM, REALM.encode()), (Attribute.NONCE, b"%d" % self.nonce))
        if request.get(Attribute.USERNAME) is None:
            return answer(request, *asked, code=401)
        try:
            decode(data, self.key)
        except StunError:
            return answer(request, *asked, code=401)
        if self.left == 0:
            self.left, self.nonce = self.uses, self.nonce + 1
        if request.get(Attribute.NONCE) != b"%d" % self.nonce:
            return answer(request, asked[0], (Attribute.NONCE, b"%d" % self.nonce), code=438)
        self.left -= 1
        match request.method:
            case Method.ALLOCATE:
                relayed = Attribute.XOR_RELAYED_ADDRESS, xored_address(HERE, request.transaction)
                return answer(request, relayed, (Attribute.LIFETIME, b"\0\0\2\x58"), key=self.key)
            case Method.CREATE_PERMISSION:
                peer = request.address(Attribute.XOR_PEER_ADDRESS)
                return answer(request, code=403 if peer and peer[0].is_private else 0, key=self.key)
            case _:
                self.released = request.get(Attribute.LIFETIME) == bytes(4)
                return answer(request, key=self.key)


@pytest.mark.parametrize("uses", [99, 1])
async def test_an_allocation(uses: int) -> None:
    server = Turn(uses)
    async with udp_server(server) as port, StunClient.connect("127.0.0.1", port) as client:
        allocation = await client.allocate(Credentials(USER, PASSWORD))
        assert (allocation.relayed, allocation.lifetime) == (HERE, 600)
        await client.permit(ipaddress.ip_address("1.1.1.1"))
        with pytest.raises(StunRefusedError) as refused:
            await client.permit(ipaddress.ip_address("10.0.0.1"))
        assert refused.value.code == 403
        await client.release()
    assert server.released
    assert server.nonce == (0 if uses == 99 else 3)


async def test_wrong_credentials() -> None:
    async with udp_server(Turn()) as port, StunClient.connect("127.0.0.1", port) as client:
        with pytest.raises(StunRefusedError) as refused:
            await client.allocate(Credentials(USER, "wrong"))
    assert refused.value.code == 401
    assert "wrong" not in str(refused.value)


async def test_an_answer_that_is_not_the_servers() -> None:
    # who does not know the password cannot sign what it makes up
    server = Turn()

    def forge(data: bytes) -> bytes:
        answered = decode(server(data))
        return encode(answered, b"another key" if answered.kind is Kind.SUCCESS else None)

    async with udp_server(forge) as port, StunClient.connect("127.0.0.1", port, timeout=0.2) as client:
        with pytest.raises(StunTimeoutError):
            await client.allocate(Credentials(USER, PASSWORD))


async def test_servers_that_are_none() -> None:
    async with udp_server(lambda _: None) as port, StunClient.connect("127.0.0.1", port, timeout=0.1) as client:
        with pytest.raises(StunTimeoutError):
            await client.binding()
    async with udp_server(lambda _: b"?") as port, StunClient.connect("127.0.0.1", port, timeout=0.1) as client:
        with pytest.raises(StunTimeoutError):
            await client.binding()
    # nothing is there any more
    async with StunClient.connect("127.0.0.1", port) as client:
        with pytest.raises(StunUnreachableError, match="refused"):
            await client.binding()
    for transport in (Transport.TCP, Transport.TLS):
        with pytest.raises(StunUnreachableError, match="refused"):
            async with StunClient.connect("127.0.0.1", port, transport):
                pass
    with pytest.raises(StunUnreachableError, match="no such host"):
        async with StunClient.connect("no host", port):
            pass
