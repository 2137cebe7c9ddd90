"""Servers that are none, or stop in the middle, over TCP and TLS: each attempt ends, and the next one waits longer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import pytest

from simplex_calls.crypto import Ed25519PrivateKey
from simplex_calls.smp.address import ServerAddress
from simplex_calls.smp.encoding import VersionRange
from simplex_calls.smp.handshake import ServerHello, encode_hello
from simplex_calls.smp.network import Network
from simplex_calls.smp.queues import NetworkConfig, RecipientQueue
from simplex_calls.smp.transmission import BLOCK_SIZE
from tests.smp.server import Ear, Identity, ScriptedServer, Sleeper

AUTH = Ed25519PrivateKey.generate()
SHORT = NetworkConfig(connect_timeout=0.2)
ATTEMPTS = 4
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def silence(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await reader.read()


async def drip(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A byte now and then: something always comes, but never a block."""
    while not writer.is_closing():
        writer.write(b"\0")
        await writer.drain()
        await asyncio.sleep(0.01)


async def flood(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """More than anybody wants, without a word of the protocol."""
    while not writer.is_closing():
        writer.write(b"\xff" * BLOCK_SIZE)
        await writer.drain()


async def leave(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


async def half_a_block(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(bytes(BLOCK_SIZE // 2))
    await writer.drain()
    writer.write_eof() if writer.can_write_eof() else writer.close()
    await reader.read()


async def stolen_hello(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """That of a server with other keys, for a session of its own."""
    hello = ServerHello(VersionRange(6, 18), bytes(32), Identity.make().signed_key())
    writer.write(encode_hello(hello))
    await reader.read()


@asynccontextmanager
async def listening(serve: Serve, identity: Identity | None) -> AsyncIterator[tuple[ServerAddress, list[None]]]:
    """A server over TLS, or over bare TCP without an identity; and a list that grows with its connections."""
    seen: list[None] = []
    writers: list[asyncio.StreamWriter] = []

    async def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        seen.append(None)
        with suppress(OSError):
            await serve(reader, writer)

    context = None if identity is None else identity.context()
    server = await asyncio.start_server(
        accepted, "127.0.0.1", 0, ssl=context, ssl_shutdown_timeout=None if context is None else 1
    )
    fingerprint = bytes(32) if identity is None else identity.fingerprint
    try:
        yield ServerAddress(("127.0.0.1",), server.sockets[0].getsockname()[1], fingerprint), seen
    finally:
        server.close()
        for writer in writers:
            writer.transport.abort()
        await server.wait_closed()


SERVERS: dict[str, tuple[Serve, bool]] = {
    "TCP: silence": (silence, False),
    "TCP: a byte now and then": (drip, False),
    "TCP: a flood": (flood, False),
    "TCP: closes": (leave, False),
    "TLS: silence": (silence, True),
    "TLS: a byte now and then": (drip, True),
    "TLS: a flood": (flood, True),
    "TLS: closes": (leave, True),
    "TLS: half a block": (half_a_block, True),
    "TLS: the hello of another server": (stolen_hello, True),
}


@pytest.mark.parametrize(("serve", "over_tls"), SERVERS.values(), ids=SERVERS)
async def test_no_server(serve: Serve, over_tls: bool) -> None:
    """Each attempt ends within the time for it; between them are growing pauses, spread at random."""
    ear, sleeper = Ear(), Sleeper()
    async with listening(serve, Identity.make() if over_tls else None) as (address, seen):
        network = Network(handler=ear, sleep=sleeper, config=SHORT)
        network.subscribe(RecipientQueue(address, b"queue", AUTH))
        for number in range(ATTEMPTS):
            go_on = await sleeper.pause()
            mean = 0.5 * 1.6**number
            assert 0.5 * mean <= sleeper.last < 1.5 * mean
            assert len(seen) <= number + 1
            if number < ATTEMPTS - 1:
                go_on()
        assert ear.words() == ["disconnected"]  # told once
        await network.close()


async def test_closing_after_each_command() -> None:
    """A handshake that succeeds is no reason to be back at once."""
    server, ear, sleeper = ScriptedServer(), Ear(), Sleeper()
    async with server.listening() as address:
        network = Network(handler=ear, sleep=sleeper)
        network.subscribe(RecipientQueue(address, b"queue", AUTH))
        pauses = []
        for _ in range(ATTEMPTS):
            end = await server.accept()
            await end.receive()
            end.close()
            go_on = await sleeper.pause()
            pauses.append(sleeper.last)
            go_on()
        for number, pause in enumerate(pauses):
            mean = 0.5 * 1.6**number
            assert 0.5 * mean <= pause < 1.5 * mean
        assert len(set(pauses)) == ATTEMPTS
        await network.close()
