from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from simplex_calls.crypto import Ed25519PrivateKey, X25519PrivateKey
from simplex_calls.smp.channel import Outcome, SMPClient, handshake
from simplex_calls.smp.commands import Ack, Get, LinkData, LSet, Off, Ping, Que, Send, SKey, Sub
from simplex_calls.smp.errors import (
    BrokerError,
    ErrorCode,
    LargeMessageError,
    NetworkError,
    ServerError,
    UnexpectedResponseError,
)
from simplex_calls.smp.messages import BrokerMessage, Deld, End, Ends, Err, Info, Msg, Ok, Pong, Sok, Soks
from simplex_calls.smp.queues import NetworkConfig
from simplex_calls.smp.transmission import BLOCK_SIZE, encode_transmission, pack_blocks, verify_transmission
from tests.smp.server import NOW, ScriptedServer, ServerEnd, Sleeper

QUEUE, OTHER = b"queue", b"other"
KEY = Ed25519PrivateKey.generate()
SENDER = X25519PrivateKey.generate()
MSG = Msg(b"m" * 24, b"body")


class Listener:
    def __init__(self) -> None:
        self.heard: list[tuple[str, bytes]] = []
        self.news = asyncio.Event()
        self.end = asyncio.Event()

    def message(self, recipient_id: bytes, message: Msg) -> None:
        self.heard.append(("message", recipient_id))
        self.news.set()

    def ended(self, recipient_id: bytes) -> None:
        self.heard.append(("ended", recipient_id))
        self.news.set()

    def deleted(self, recipient_id: bytes) -> None:
        self.heard.append(("deleted", recipient_id))
        self.news.set()

    def closed(self, client: SMPClient) -> None:
        self.end.set()


class Setup:
    def __init__(self) -> None:
        self.server = ScriptedServer()
        self.listener = Listener()
        self.sleeper = Sleeper()
        self.time = 0.0
        self.client: SMPClient
        self.end: ServerEnd

    async def open(self, config: NetworkConfig | None = None) -> None:
        connection = await self.server.connect(self.server.address)
        session = await handshake(connection, self.server.address.fingerprint, NOW)
        self.client = SMPClient(
            connection, session, self.listener, clock=lambda: self.time, sleep=self.sleeper, config=config
        )
        self.client.start()
        self.end = await self.server.accept()


@pytest_asyncio.fixture
async def setup() -> AsyncIterator[Setup]:
    made = Setup()
    await made.open()
    yield made
    made.client.close()
    await made.client.wait_closed()


async def test_commands_are_authorized(setup: Setup) -> None:
    tasks = [
        asyncio.create_task(setup.client.request(Sub(), entity_id=QUEUE, key=KEY)),
        asyncio.create_task(setup.client.request(SKey(SENDER.public), entity_id=OTHER, key=SENDER)),
        asyncio.create_task(setup.client.request(Send(b"hello", True), entity_id=OTHER)),
    ]
    for key, command in ((KEY, Sub()), (SENDER, SKey(SENDER.public)), (None, Send(b"hello", True))):
        transmission, received = await setup.end.receive()
        assert received == command
        assert len(transmission.corr_id) == 24
        if key is None:
            assert transmission.authorization == b""
        else:
            assert verify_transmission(transmission, key.public, setup.server.identity.session_key)
        setup.end.answer(transmission, Ok())
    assert await asyncio.gather(*tasks) == [Ok()] * 3


async def test_commands_of_one_turn_share_blocks(setup: Setup) -> None:
    tasks = [asyncio.create_task(setup.client.request(Que(), entity_id=b"%d" % n, key=KEY)) for n in range(300)]
    transmissions = [(await setup.end.receive())[0] for _ in tasks]
    assert sum(setup.end.blocks) == 300
    assert len(setup.end.blocks) <= 4
    # answered in the opposite order
    setup.end.send(*((t.corr_id, t.entity_id, Info(b"{}" + t.entity_id)) for t in reversed(transmissions)))
    answers = await asyncio.gather(*tasks)
    assert answers == [Info(b"{}%d" % n) for n in range(300)]


async def test_errors_are_raised(setup: Setup) -> None:
    task = asyncio.create_task(setup.client.request(Sub(), entity_id=QUEUE, key=KEY))
    transmission, _ = await setup.end.receive()
    setup.end.answer(transmission, Err(ServerError(ErrorCode.AUTH)))
    with pytest.raises(BrokerError) as caught:
        await task
    assert caught.value.error == ServerError(ErrorCode.AUTH)


async def test_what_comes_unasked(setup: Setup) -> None:
    setup.end.send(
        (b"", QUEUE, MSG),
        (b"", QUEUE, End()),
        (b"?" * 24, OTHER, MSG),
        (b"", OTHER, Deld()),
        (b"", b"", Err(ServerError(ErrorCode.INTERNAL))),
        (b"", b"", Pong()),
        (b"", b"service", Soks(2)),
        (b"", b"service", Ends(2)),
        (b"", b"service", Sok(b"service")),
        (b"", b"last", End()),
    )
    while not setup.listener.heard or setup.listener.heard[-1] != ("ended", b"last"):
        setup.listener.news.clear()
        await setup.listener.news.wait()
    # a deleted queue is told as END before version 10
    assert setup.listener.heard[:-1] == [("message", QUEUE), ("ended", QUEUE), ("message", OTHER), ("deleted", OTHER)]


async def test_a_message_as_answer(setup: Setup) -> None:
    for command, heard in ((Sub(), 1), (Ack(MSG.message_id), 2), (Get(), 2)):
        task = asyncio.create_task(setup.client.request(command, entity_id=QUEUE, key=KEY))
        transmission, _ = await setup.end.receive()
        setup.end.answer(transmission, MSG)
        assert await task == MSG
        assert setup.listener.heard == [("message", QUEUE)] * heard


async def test_answers_that_are_none(setup: Setup) -> None:
    for answer, entity_id in ((Ok(), OTHER), (MSG, OTHER)):
        task = asyncio.create_task(setup.client.request(Sub(), entity_id=QUEUE, key=KEY))
        transmission, _ = await setup.end.receive()
        setup.end.answer(transmission, answer, entity_id=entity_id)
        with pytest.raises(UnexpectedResponseError):
            await task
    task = asyncio.create_task(setup.client.request(Sub(), entity_id=QUEUE, key=KEY))
    transmission, _ = await setup.end.receive()
    (block,) = pack_blocks(
        [encode_transmission(setup.end.session, transmission.corr_id, QUEUE, b"NONSENSE")], setup.end.session.cipher
    )
    setup.end.connection.write_block(block)
    with pytest.raises(UnexpectedResponseError):
        await task
    assert setup.listener.heard == []
    assert setup.client.is_open


async def test_the_server_closes_with_commands_in_flight(setup: Setup) -> None:
    tasks = [asyncio.create_task(setup.client.request(Off(), entity_id=QUEUE, key=KEY)) for _ in range(3)]
    await setup.end.receive()
    setup.end.close()
    for task in tasks:
        with pytest.raises(NetworkError):
            await task
    await setup.listener.end.wait()
    await setup.client.wait_over()
    assert not setup.client.is_open
    with pytest.raises(NetworkError):
        await setup.client.request(Ping())


@pytest.mark.parametrize("start", [b"", b"\xff\xff", b"\0\x01\0", b"\0\x03\x01\0\x05", b"\0\x04\x01\0\x01\xff"])
async def test_a_garbage_block_ends_the_connection(setup: Setup, start: bytes) -> None:
    task = asyncio.create_task(setup.client.request(Off(), entity_id=QUEUE, key=KEY))
    await setup.end.receive()
    setup.end.connection.write_block(start.ljust(BLOCK_SIZE, b"#"))
    with pytest.raises(NetworkError, match="decode"):
        await task
    await setup.listener.end.wait()


async def test_a_caller_that_gives_up(setup: Setup) -> None:
    task = asyncio.create_task(setup.client.request(Off(), entity_id=QUEUE, key=KEY))
    transmission, _ = await setup.end.receive()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    setup.end.answer(transmission, Ok())
    again = asyncio.create_task(setup.client.request(Ping()))
    transmission, _ = await setup.end.receive()
    setup.end.answer(transmission, Pong())
    assert await again == Pong()


async def test_a_late_answer() -> None:
    setup = Setup()
    await setup.open(NetworkConfig(command_timeout=0.05))
    outcomes: asyncio.Queue[Outcome] = asyncio.Queue()
    setup.client.submit(Get(), outcomes.put_nowait, entity_id=QUEUE, key=KEY)
    transmission, _ = await setup.end.receive()
    setup.time = 1.0
    setup.end.push(OTHER, MSG)  # something was received since: only the command fails
    assert isinstance(await outcomes.get(), NetworkError)
    assert setup.client.is_open
    setup.listener.news.clear()
    setup.end.answer(transmission, MSG)  # too late for the command, but a message all the same
    await setup.listener.news.wait()
    assert setup.listener.heard == [("message", OTHER), ("message", QUEUE)]
    # and with nothing received at all the connection is over
    with pytest.raises(NetworkError, match="in time"):
        await setup.client.request(Off(), entity_id=QUEUE, key=KEY)
    await setup.client.wait_over()
    await setup.client.wait_closed()


async def test_keep_alive() -> None:
    setup = Setup()
    await setup.open(NetworkConfig(command_timeout=0.05, ping_interval=50.0))
    wake = await setup.sleeper.pause()
    assert setup.sleeper.last == 50.0
    setup.time = 20.0
    setup.end.push(QUEUE, MSG)
    await setup.listener.news.wait()
    setup.time = 50.0
    wake()
    wake = await setup.sleeper.pause()
    assert setup.sleeper.last == 20.0  # the silence began with the message
    setup.time = 70.0
    wake()
    transmission, command = await setup.end.receive()
    assert command == Ping()
    setup.end.answer(transmission, Pong())
    wake = await setup.sleeper.pause()
    assert setup.sleeper.last == 50.0
    setup.time = 120.0
    wake()
    assert (await setup.end.receive())[1] == Ping()
    await setup.client.wait_over()  # no PONG
    await setup.client.wait_closed()


@pytest.mark.parametrize("false", [Err(ServerError(ErrorCode.AUTH)), Ok(), Info(b"{}")])
async def test_a_false_answer_to_ping(false: BrokerMessage) -> None:
    """It is not the answer to what else is on its way: that may still be done."""
    setup = Setup()
    await setup.open(NetworkConfig(ping_interval=50.0))
    wake = await setup.sleeper.pause()
    sent = asyncio.create_task(setup.client.request(Send(b"hello", True), entity_id=OTHER))
    assert (await setup.end.receive())[1] == Send(b"hello", True)
    setup.time = 50.0
    wake()
    transmission, command = await setup.end.receive()
    assert command == Ping()
    setup.end.answer(transmission, false)
    with pytest.raises(NetworkError, match="PING with something else"):
        await sent
    assert not setup.client.is_open
    await setup.client.wait_closed()


async def test_a_server_that_reads_nothing() -> None:
    """Commands that nobody waits for any more are not kept, and not sent later."""
    setup = Setup()
    await setup.open(NetworkConfig(command_timeout=0.02))
    reads = asyncio.Event()
    connection = setup.client._connection
    drain = connection.drain

    async def stuck() -> None:
        await reads.wait()
        await drain()

    connection.drain = stuck  # type: ignore[method-assign]
    for _ in range(3):
        # something comes, so the connection is not taken for dead
        setup.time += 1.0
        tasks = [asyncio.create_task(setup.client.request(Sub(), entity_id=QUEUE, key=KEY)) for _ in range(100)]
        await asyncio.sleep(0)
        setup.time += 1.0
        setup.end.push(QUEUE, MSG)
        assert {type(outcome) for outcome in await asyncio.gather(*tasks, return_exceptions=True)} == {NetworkError}
    assert setup.client.is_open
    assert setup.client._outgoing == []
    assert setup.client._in_flight == {}
    last = asyncio.create_task(setup.client.request(Send(b"last", True), entity_id=OTHER, patience=10.0))
    await asyncio.sleep(0)
    reads.set()
    received = []
    while Send(b"last", True) not in received:
        transmission, command = await setup.end.receive()
        received.append(command)
    assert len(received) <= 101  # those that were written when it stopped to read
    setup.end.answer(transmission, Ok())
    assert await last == Ok()
    setup.client.close()
    await setup.client.wait_closed()


async def test_commands_too_large(setup: Setup) -> None:
    with pytest.raises(LargeMessageError):
        await setup.client.request(Send(bytes(16049)), entity_id=QUEUE, key=SENDER)
    with pytest.raises(LargeMessageError):
        await setup.client.request(LSet(b"", LinkData(bytes(9000), bytes(9000))), entity_id=QUEUE, key=KEY)
    task = asyncio.create_task(setup.client.request(Send(bytes(16048)), entity_id=QUEUE, key=SENDER))
    transmission, command = await setup.end.receive()
    assert command == Send(bytes(16048))
    setup.end.answer(transmission, Ok())
    assert await task == Ok()


async def test_closing(setup: Setup) -> None:
    task = asyncio.create_task(setup.client.request(Ping()))
    await setup.end.receive()
    setup.client.close()
    setup.client.close()
    with pytest.raises(NetworkError):
        await task
    with pytest.raises(NetworkError):
        await setup.end.receive()
