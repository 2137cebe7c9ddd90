from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from dataclasses import dataclass, replace
from typing import Any

import pytest
import pytest_asyncio

from simplex_calls.crypto import X25519PrivateKey, X25519PublicKey
from simplex_calls.smp.address import ServerAddress
from simplex_calls.smp.certificates import sign_key
from simplex_calls.smp.commands import Command, LGet, LinkData, LKey, PFwd, Prxy, Send, SKey, decode_command
from simplex_calls.smp.connection import Connection
from simplex_calls.smp.encoding import VersionRange
from simplex_calls.smp.errors import (
    BrokerError,
    CommandFault,
    ErrorCode,
    LargeMessageError,
    NetworkError,
    ProxyError,
    ProxyFault,
    ServerError,
    ServerIdentityError,
    UnexpectedResponseError,
)
from simplex_calls.smp.messages import BrokerMessage, Err, Lnk, Ok, PKey, Pong, PRes, encode_message
from simplex_calls.smp.network import Network
from simplex_calls.smp.proxied import Forwarded
from simplex_calls.smp.queues import NetworkConfig, PrivateRouting
from simplex_calls.smp.routing import is_direct_allowed, is_forwarded, is_known
from simplex_calls.smp.socks import SocksProxy
from simplex_calls.smp.transmission import (
    Session,
    Transmission,
    decode_transmission,
    encode_transmission,
    verify_transmission,
)
from tests.smp.server import Ear, Identity, ScriptedServer, ServerEnd, Sleeper

SENDER = X25519PrivateKey.generate()
DATA = LinkData(b"fixed", b"user")


def address(host: str, identity: Identity, password: str | None = None) -> ServerAddress:
    return ServerAddress((host,), 5223, identity.fingerprint, password)


@dataclass
class World:
    """Our servers (which forward), and a contact's."""

    ours: list[ScriptedServer]
    theirs: ScriptedServer
    network: Network

    async def send(self) -> None:
        await self.network.send(self.theirs.address, b"sid", SENDER, b"body", notify=False)


def world(count: int = 1, config: NetworkConfig | None = None) -> World:
    servers = [ScriptedServer() for _ in range(count + 1)]
    for number, server in enumerate(servers):
        server.address = replace(server.address, hosts=(f"server{number}.example",), password=f"pass{number}")
    by_host = {server.address.hosts[0]: server for server in servers}

    async def connect(there: ServerAddress) -> Connection:
        return await by_host[there.hosts[0]].connect(there)

    *ours, theirs = servers
    known = frozenset(server.address for server in ours)
    config = replace(config or NetworkConfig(), known_servers=known)
    return World(ours, theirs, Network(handler=Ear(), connector=connect, config=config, sleep=Sleeper()))


@pytest_asyncio.fixture
async def one() -> AsyncIterator[World]:
    made = world()
    yield made
    await made.network.close()


def start(call: Awaitable[Any]) -> asyncio.Task[Any]:
    return asyncio.ensure_future(call)


async def connect_destination(end: ServerEnd, server: ScriptedServer, identity: Identity | None = None) -> bytes:
    """Answer PRXY; the new session's id."""
    transmission, command = await end.receive()
    assert isinstance(command, Prxy)
    assert command.server == server.address
    session_id = b"session %d" % len(end.blocks)
    who = identity or server.identity
    end.answer(transmission, PKey(session_id, VersionRange(8, 17), who.signed_key()), entity_id=b"")
    return session_id


async def forwarded(end: ServerEnd, server: ScriptedServer, answer: BrokerMessage) -> tuple[Transmission, Command]:
    """Answer PFWD as proxy and destination in one; what arrived there."""
    transmission, command = await end.receive()
    assert isinstance(command, PFwd)
    packed = Forwarded(transmission.corr_id, command.version, command.command_key, command.encrypted)
    key, data = packed.open_command(server.identity.session_key)
    session = Session(command.version, transmission.entity_id)
    inner = decode_transmission(session, data)
    encoded = encode_message(answer, command.version)
    reply = encode_transmission(session, inner.corr_id, inner.entity_id, encoded)
    end.answer(transmission, PRes(packed.seal_answer(key, reply)))
    return inner, decode_command(inner.command, command.version)


def test_policy() -> None:
    mine, other = Identity.make(), Identity.make()
    known, unknown = address("mine.example", mine), address("other.example", other)
    config = NetworkConfig(known_servers=frozenset([known]))
    assert is_known(address("mine.example", mine, "password"), config)
    # who a server is may be claimed by anybody: its hosts must be ours, too
    assert not is_known(address("elsewhere.example", mine), config)
    assert not is_known(ServerAddress(("mine.example", "elsewhere.example"), None, mine.fingerprint), config)
    assert not is_known(address("mine.example", other), config)
    assert (is_forwarded(known, config), is_forwarded(unknown, config)) == (False, True)
    always = replace(config, private_routing=PrivateRouting.ALWAYS)
    assert (is_forwarded(known, always), is_forwarded(unknown, always)) == (False, True)
    two = replace(always, known_servers=frozenset([known, unknown]))
    assert is_forwarded(known, two)
    never = replace(config, private_routing=PrivateRouting.NEVER)
    assert not is_forwarded(unknown, never)
    assert not is_forwarded(unknown, NetworkConfig())
    assert is_direct_allowed(known, config)
    assert not is_direct_allowed(unknown, config)
    assert is_direct_allowed(unknown, replace(config, allow_direct=True))
    assert is_direct_allowed(unknown, replace(config, socks_proxy=SocksProxy()))


async def test_sending_by_way_of_our_server(one: World) -> None:
    task = start(one.send())
    end = await one.ours[0].accept()
    await connect_destination(end, one.theirs)
    inner, command = await forwarded(end, one.theirs, Ok())
    await task
    assert (inner.entity_id, command) == (b"sid", Send(b"body"))
    assert verify_transmission(inner, SENDER.public, one.theirs.identity.session_key)
    # the session stays
    calls: list[tuple[Awaitable[Any], Command, BrokerMessage, object]] = [
        (one.network.secure_queue_by_sender(one.theirs.address, b"sid", SENDER), SKey(SENDER.public), Ok(), None),
        (one.network.get_link_data(one.theirs.address, b"link"), LGet(), Lnk(b"sid", DATA), (b"sid", DATA)),
        (
            one.network.secure_and_get_link_data(one.theirs.address, b"link", SENDER),
            LKey(SENDER.public),
            Lnk(b"sid", DATA),
            (b"sid", DATA),
        ),
    ]
    for call, expected, answer, result in calls:
        task = start(call)
        _, command = await forwarded(end, one.theirs, answer)
        assert command == expected
        assert await task == result
    assert one.theirs.attempts == 0


async def test_the_password_is_that_of_our_server(one: World) -> None:
    task = start(one.send())
    end = await one.ours[0].accept()
    transmission, command = await end.receive()
    assert command == Prxy(one.theirs.address, "pass0")
    end.answer(transmission, Err(ServerError(ErrorCode.PROXY, None, "BROKER TIMEOUT")))
    with pytest.raises(ProxyError) as caught:
        await task
    assert caught.value.fault is ProxyFault.TIMEOUT


async def test_errors_of_the_destination(one: World) -> None:
    end: ServerEnd | None = None
    for code in (ErrorCode.AUTH, ErrorCode.QUOTA):
        task = start(one.send())
        if end is None:
            end = await one.ours[0].accept()
            await connect_destination(end, one.theirs)
        await forwarded(end, one.theirs, Err(ServerError(code)))
        with pytest.raises(BrokerError) as caught:
            await task
        assert caught.value.error.code is code


async def test_an_answer_that_does_not_fit(one: World) -> None:
    task = start(one.send())
    end = await one.ours[0].accept()
    await connect_destination(end, one.theirs)
    await forwarded(end, one.theirs, Pong())
    with pytest.raises(UnexpectedResponseError):
        await task
    task = start(one.send())
    transmission, _ = await end.receive()
    end.answer(transmission, PRes(bytes(100)))
    with pytest.raises(UnexpectedResponseError):
        await task


async def test_a_message_too_large(one: World) -> None:
    task = start(one.network.send(one.theirs.address, b"sid", SENDER, bytes(16049), notify=False))
    end = await one.ours[0].accept()
    await connect_destination(end, one.theirs)
    with pytest.raises(LargeMessageError):
        await task


async def test_a_lost_session_is_made_again(one: World) -> None:
    task = start(one.send())
    end = await one.ours[0].accept()
    first = await connect_destination(end, one.theirs)
    transmission, _ = await end.receive()
    assert transmission.entity_id == first
    end.answer(transmission, Err(ServerError(ErrorCode.PROXY, None, "NO_SESSION")))
    second = await connect_destination(end, one.theirs)
    inner, _ = await forwarded(end, one.theirs, Ok())
    assert second != first
    await task
    assert inner.entity_id == b"sid"


@pytest.mark.parametrize("detail", ["BROKER NETWORK", "BROKER TIMEOUT", "PROTOCOL CRYPTO"])
async def test_what_may_have_arrived_is_not_sent_again_at_once(detail: str) -> None:
    two = world(2, NetworkConfig(allow_direct=True))
    task = start(two.send())
    end = await first_end(two)
    await connect_destination(end, two.theirs)
    transmission, _ = await end.receive()
    end.answer(transmission, Err(ServerError(ErrorCode.PROXY, None, detail)))
    with pytest.raises(ProxyError):
        await task
    assert sum(server.attempts for server in (*two.ours, two.theirs)) == 1
    await two.network.close()


async def first_end(two: World) -> ServerEnd:
    tasks = [start(server.accept()) for server in two.ours]
    done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()
    end: ServerEnd = done.pop().result()
    return end


@pytest.mark.parametrize(
    "refusal",
    [
        ServerError(ErrorCode.PROXY, None, "BASIC_AUTH"),
        ServerError.cmd(CommandFault.UNKNOWN),
        ServerError(ErrorCode.PROXY, None, "PROTOCOL AUTH"),
    ],
)
async def test_another_server_of_ours(refusal: ServerError) -> None:
    two = world(2)
    task = start(two.send())
    end = await first_end(two)
    transmission, _ = await end.receive()
    end.answer(transmission, Err(refusal))
    end = await first_end(two)
    await connect_destination(end, two.theirs)
    await forwarded(end, two.theirs, Ok())
    await task
    # the one that forwarded is asked first from now on
    task = start(two.send())
    await forwarded(end, two.theirs, Ok())
    await task
    assert [server.attempts for server in two.ours] == [1, 1]
    await two.network.close()


async def test_a_server_of_ours_that_is_down() -> None:
    two = world(2)
    two.ours[0].refusing = True
    for _ in range(4):  # whichever is drawn first
        task = start(two.send())
        if two.ours[1].attempts == 0:
            end = await two.ours[1].accept()
            await connect_destination(end, two.theirs)
        await forwarded(end, two.theirs, Ok())
        await task
    two.ours[1].refusing = True
    end.close()
    with pytest.raises(NetworkError):
        await two.send()
    assert two.theirs.attempts == 0
    await two.network.close()


@pytest.mark.parametrize("detail", ["BROKER HOST", "BROKER TRANSPORT VERSION", "BASIC_AUTH"])
@pytest.mark.parametrize("allowed", [False, True])
async def test_directly_only_where_it_is_allowed(detail: str, allowed: bool) -> None:
    made = world(1, NetworkConfig(allow_direct=allowed))
    task = start(made.send())
    end = await made.ours[0].accept()
    transmission, _ = await end.receive()
    end.answer(transmission, Err(ServerError(ErrorCode.PROXY, None, detail)))
    if allowed:
        direct = await made.theirs.accept()
        transmission, command = await direct.receive()
        assert command == Send(b"body")
        direct.answer(transmission, Ok())
        await task
    else:
        with pytest.raises(ProxyError):
            await task
        assert made.theirs.attempts == 0
    await made.network.close()


async def test_a_proxy_that_brings_another_server(one: World) -> None:
    task = start(one.send())
    end = await one.ours[0].accept()
    await connect_destination(end, one.theirs, Identity.make())
    with pytest.raises(ServerIdentityError):
        await task
    assert one.theirs.attempts == 0


@pytest.mark.parametrize("raw", [None, bytes(32), b"\1" + bytes(31)], ids=["not signed by the server", "0", "1"])
async def test_a_proxy_that_brings_another_key(one: World, raw: bytes | None) -> None:
    """With the true server's certificates; the signature is another's, or the server's own key is not safe."""
    task = start(one.send())
    end = await one.ours[0].accept()
    transmission, _ = await end.receive()
    honest, other = one.theirs.identity.signed_key(), Identity.make()
    if raw is None:
        forged = other.signed_key().signed_key
    else:
        forged = sign_key(X25519PublicKey(raw), one.theirs.identity.signing_key)
    key = replace(honest, signed_key=forged)
    end.answer(transmission, PKey(b"session", VersionRange(8, 17), key), entity_id=b"")
    with pytest.raises(ServerIdentityError):
        await task
    assert one.theirs.attempts == 0


async def test_a_proxy_that_repeats_or_exchanges_answers(one: World) -> None:
    """An answer is that of one command: no other command is believed to be done by it."""
    first = start(one.send())
    end = await one.ours[0].accept()
    await connect_destination(end, one.theirs)
    await forwarded(end, one.theirs, Ok())
    await first
    kept: list[PRes] = []
    sends = [start(one.send()) for _ in range(2)]
    asked = []
    for _ in sends:
        transmission, command = await end.receive()
        assert isinstance(command, PFwd)
        packed = Forwarded(transmission.corr_id, command.version, command.command_key, command.encrypted)
        key, data = packed.open_command(one.theirs.identity.session_key)
        session = Session(command.version, transmission.entity_id)
        inner = decode_transmission(session, data)
        reply = encode_transmission(session, inner.corr_id, inner.entity_id, encode_message(Ok(), command.version))
        kept.append(PRes(packed.seal_answer(key, reply)))
        asked.append(transmission)
    for transmission, answer in zip(asked, reversed(kept), strict=True):
        end.answer(transmission, answer)
    for send in sends:
        with pytest.raises(UnexpectedResponseError):
            await send
    # an answer of before, to a command of now
    again = start(one.send())
    transmission, command = await end.receive()
    assert isinstance(command, PFwd)
    end.answer(transmission, kept[0])
    with pytest.raises(UnexpectedResponseError):
        await again
    last = start(one.send())
    await forwarded(end, one.theirs, Ok())
    await last


async def test_one_session_for_commands_at_once(one: World) -> None:
    tasks = [start(one.send()) for _ in range(3)]
    end = await one.ours[0].accept()
    await asyncio.sleep(0)
    tasks[0].cancel()
    await connect_destination(end, one.theirs)
    for _ in range(2):
        await forwarded(end, one.theirs, Ok())
    await asyncio.gather(*tasks[1:])


async def test_other_settings(one: World) -> None:
    one.network.configure(replace(one.network.config, private_routing=PrivateRouting.NEVER))
    task = start(one.send())
    end = await one.theirs.accept()
    transmission, _ = await end.receive()
    end.answer(transmission, Ok())
    await task
    one.network.use_servers([one.theirs.address])
    assert is_known(one.theirs.address, one.network.config)


async def test_our_own_servers_directly(one: World) -> None:
    task = start(one.network.send(one.ours[0].address, b"sid", SENDER, b"", notify=False))
    end = await one.ours[0].accept()
    transmission, command = await end.receive()
    assert command == Send(b"")
    end.answer(transmission, Ok())
    await task


async def test_a_destination_that_is_silent_does_not_cost_the_connection() -> None:
    made = world(1, NetworkConfig(connect_timeout=0.2, command_timeout=0.02))
    task = start(made.send())
    end = await made.ours[0].accept()
    _, command = await end.receive()
    assert isinstance(command, Prxy)
    with pytest.raises(NetworkError, match="in time"):
        await task
    made.network.configure(replace(made.network.config, connect_timeout=10.0))
    task = start(made.send())
    await connect_destination(end, made.theirs)
    _, command = await end.receive()
    assert isinstance(command, PFwd)
    with pytest.raises(NetworkError, match="in time"):
        await task
    made.network.configure(replace(made.network.config, command_timeout=10.0))
    task = start(made.send())
    await forwarded(end, made.theirs, Ok())
    await task
    assert made.ours[0].attempts == 1
    await made.network.close()
