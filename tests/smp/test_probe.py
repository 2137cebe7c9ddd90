from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest

from simplex_calls.crypto import Ed25519PublicKey
from simplex_calls.smp.address import ServerAddress
from simplex_calls.smp.commands import Command, Del, Key, New, SKey
from simplex_calls.smp.connection import Connection, connect_in_memory
from simplex_calls.smp.encoding import VersionRange
from simplex_calls.smp.errors import ErrorCode, NetworkError, ServerError
from simplex_calls.smp.messages import BrokerMessage, Err, Ids, Ok, Pong
from simplex_calls.smp.probe import ServerVerdict, VerdictKind, probe_server
from simplex_calls.smp.queues import NetworkConfig
from simplex_calls.smp.transmission import verify_transmission
from tests.smp.server import ScriptedServer, ServerEnd
from tests.smp.test_network import SERVER_DH

Answers = Callable[[Command], BrokerMessage]
QUICK = NetworkConfig(connect_timeout=0.05, command_timeout=0.05)


def good(command: Command) -> BrokerMessage:
    return Ids(b"rid", b"sid", SERVER_DH, command.mode) if isinstance(command, New) else Ok()


def refusing(kind: type[Command], code: ErrorCode) -> Answers:
    return lambda command: Err(ServerError(code)) if isinstance(command, kind) else good(command)


async def probe(
    answers: Answers, *, versions: VersionRange | None = None, password: str | None = None
) -> tuple[ServerVerdict, list[Command]]:
    server = ScriptedServer()
    server.versions = versions or server.versions
    heard: list[Command] = []

    async def serve() -> None:
        end = await server.accept()
        while True:
            transmission, command = await end.receive()
            heard.append(command)
            end.answer(transmission, answers(command))

    serving = asyncio.ensure_future(serve())
    try:
        verdict = await probe_server(replace(server.address, password=password), connector=server.connect)
    finally:
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)
    return verdict, heard


async def test_a_good_server() -> None:
    verdict, heard = await probe(good, password="secret")
    assert verdict.is_ok
    assert verdict.version == 18
    assert verdict.round_trip_s is not None
    assert [type(command) for command in heard] == [New, SKey, Del]
    assert isinstance(heard[0], New)
    assert heard[0].password == "secret"


async def test_an_old_server() -> None:
    verdict, heard = await probe(good, versions=VersionRange(6, 8))
    assert (verdict.kind, verdict.version) == (VerdictKind.OK, 8)
    assert [type(command) for command in heard] == [New, Key, Del]
    assert isinstance(heard[1], Key)
    assert isinstance(heard[1].sender_key, Ed25519PublicKey)  # the oldest servers know no other kind


@pytest.mark.parametrize(
    ("answers", "kind"),
    [
        (refusing(New, ErrorCode.AUTH), VerdictKind.WRONG_PASSWORD),
        (refusing(New, ErrorCode.INTERNAL), VerdictKind.REFUSED),
        (refusing(SKey, ErrorCode.AUTH), VerdictKind.REFUSED),
        (refusing(Del, ErrorCode.AUTH), VerdictKind.REFUSED),
        (lambda _: Pong(), VerdictKind.BROKEN),
        (lambda command: good(command) if isinstance(command, New) else Pong(), VerdictKind.BROKEN),
    ],
)
async def test_what_a_server_answers(answers: Answers, kind: VerdictKind) -> None:
    verdict, _ = await probe(answers)
    assert (verdict.kind, verdict.version) == (kind, 18)


async def test_a_server_that_is_another() -> None:
    server = ScriptedServer()
    verdict = await probe_server(replace(server.address, fingerprint=bytes(32)), connector=server.connect)
    assert verdict == ServerVerdict(VerdictKind.WRONG_IDENTITY)


async def test_a_server_of_the_future() -> None:
    server = ScriptedServer()
    server.versions = VersionRange(19, 20)
    assert await probe_server(server.address, connector=server.connect) == ServerVerdict(VerdictKind.WRONG_VERSION)


async def test_a_server_that_is_not_there() -> None:
    server = ScriptedServer()
    server.refusing = True
    assert await probe_server(server.address, connector=server.connect) == ServerVerdict(VerdictKind.UNREACHABLE)

    async def fail(_address: ServerAddress) -> Connection:
        raise OSError

    assert (await probe_server(server.address, connector=fail)).kind is VerdictKind.UNREACHABLE


async def test_servers_that_are_none() -> None:
    async def garbled(_address: ServerAddress) -> Connection:
        client, server = connect_in_memory(b"id")
        server.write_block(b"HTTP/1.1 400 Bad Request".ljust(16384, b"\n"))
        return client

    async def hangs_up(_address: ServerAddress) -> Connection:
        client, server = connect_in_memory(b"id")
        server.close()
        return client

    for connector in (garbled, hangs_up):
        verdict = await probe_server(ScriptedServer().address, connector=connector)
        assert verdict == ServerVerdict(VerdictKind.NOT_SMP)


async def test_silence() -> None:
    async def silent(_address: ServerAddress) -> Connection:
        client, _ = connect_in_memory(b"id")
        return client

    server = ScriptedServer()
    assert await probe_server(server.address, connector=silent, config=QUICK) == ServerVerdict(VerdictKind.TIMEOUT)
    verdict = await probe_server(server.address, connector=server.connect, config=QUICK)
    assert verdict == ServerVerdict(VerdictKind.TIMEOUT, 18)


async def test_a_server_that_leaves_in_the_middle() -> None:
    server = ScriptedServer()
    task = asyncio.ensure_future(probe_server(server.address, connector=server.connect))
    end = await server.accept()
    await end.receive()
    end.close()
    assert (await task).kind is VerdictKind.BROKEN


async def test_over_tls() -> None:
    server = ScriptedServer()
    async with server.listening() as address:
        task = asyncio.ensure_future(probe_server(address))
        end: ServerEnd = await server.accept()
        for _ in range(3):
            transmission, command = await end.receive()
            if isinstance(command, New):
                assert verify_transmission(transmission, command.auth_key, server.identity.session_key)
            end.answer(transmission, good(command))
        assert (await task).is_ok
        with pytest.raises(NetworkError):
            await end.receive()
    assert (await probe_server(address)).kind is VerdictKind.UNREACHABLE


async def test_a_server_without_tls() -> None:
    def greet(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-OpenSSH_9.2p1\r\n")
        writer.close()

    plain = await asyncio.start_server(greet, "127.0.0.1", 0)
    port = plain.sockets[0].getsockname()[1]
    verdict = await probe_server(ServerAddress(("127.0.0.1",), port, bytes(32)))
    assert verdict == ServerVerdict(VerdictKind.NOT_SMP)
    plain.close()
    await plain.wait_closed()
