from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable
from dataclasses import replace
from typing import Any

import pytest
import pytest_asyncio

from simplex_calls.crypto import Ed25519PrivateKey, X25519PrivateKey
from simplex_calls.smp.address import ServerAddress
from simplex_calls.smp.client import Network, NetworkConfig, QueueIds, RecipientQueue
from simplex_calls.smp.commands import (
    Ack,
    Del,
    Get,
    Key,
    LDel,
    LGet,
    LinkData,
    LinkRequest,
    LKey,
    LSet,
    NDel,
    New,
    NKey,
    Off,
    Ping,
    Que,
    QueueMode,
    Send,
    SKey,
    Sub,
    sender_id_for,
)
from simplex_calls.smp.connection import Connection, connect_in_memory
from simplex_calls.smp.encoding import VersionRange
from simplex_calls.smp.errors import (
    BrokerError,
    CommandFault,
    DecodeError,
    ErrorCode,
    LargeMessageError,
    NetworkError,
    ServerError,
    ServerIdentityError,
    UnexpectedResponseError,
)
from simplex_calls.smp.messages import BrokerMessage, End, Err, Ids, Info, Lnk, Msg, Nid, Ok, Pong, max_message_size
from simplex_calls.smp.transmission import verify_transmission
from tests.smp.server import Ear, ScriptedServer, ServerEnd, Sleeper

AUTH = Ed25519PrivateKey.generate()
SENDER = X25519PrivateKey.generate()
DH = X25519PrivateKey.generate()
SERVER_DH = X25519PrivateKey.generate().public
DATA = LinkData(b"fixed", b"user")
MSG, MSG2 = Msg(b"1" * 24, b"first"), Msg(b"2" * 24, b"second")


class Setup:
    def __init__(self) -> None:
        self.server = ScriptedServer()
        self.ear = Ear()
        self.sleeper = Sleeper()
        self.time = 1000.0
        self.network = Network(
            handler=self.ear, clock=lambda: self.time, sleep=self.sleeper, connector=self.server.connect
        )

    def queue(self, recipient_id: bytes = b"queue") -> RecipientQueue:
        return RecipientQueue(self.server.address, recipient_id, AUTH)

    async def subscribed(self, *names: bytes) -> ServerEnd:
        """A connection with these queues subscribed."""
        for name in names:
            self.network.subscribe(self.queue(name))
        end = await self.server.accept()
        await answer_subs(end, len(names))
        await self.ear.until("subscribed")
        return end

    async def reconnect(self) -> ServerEnd:
        (await self.sleeper.pause())()
        return await self.server.accept()


async def answer_subs(end: ServerEnd, count: int) -> list[bytes]:
    ids = []
    for _ in range(count):
        transmission, command = await end.receive()
        assert command == Sub()
        ids.append(transmission.entity_id)
        end.answer(transmission, Ok())
    return ids


@pytest_asyncio.fixture
async def setup() -> AsyncIterator[Setup]:
    made = Setup()
    yield made
    await made.network.close()


def start(call: Awaitable[Any]) -> asyncio.Task[Any]:
    return asyncio.ensure_future(call)


async def test_create_queue(setup: Setup) -> None:
    server = ServerAddress.parse(setup.server.address.uri().replace("@", ":secret@"))
    task = start(setup.network.create_queue(server, AUTH, DH.public))
    end = await setup.server.accept()
    transmission, command = await end.receive()
    assert command == New(AUTH.public, DH.public, "secret", mode=QueueMode.MESSAGING)
    assert transmission.entity_id == b""
    assert verify_transmission(transmission, AUTH.public, setup.server.identity.session_key)
    # a message right behind the answer is for a queue that is already known
    end.send((transmission.corr_id, b"", Ids(b"rid", b"sid", SERVER_DH, QueueMode.MESSAGING)), (b"", b"rid", MSG))
    assert await task == QueueIds(b"rid", b"sid", SERVER_DH, True)
    await setup.ear.until("message")
    # it is kept subscribed
    end.close()
    end = await setup.reconnect()
    assert await answer_subs(end, 1) == [b"rid"]


@pytest.mark.parametrize("ids", [(b"", b"sid"), (b"rid", b""), (b"taken", b"sid")])
async def test_create_queue_with_ids_that_cannot_be(setup: Setup, ids: tuple[bytes, bytes]) -> None:
    end = await setup.subscribed(b"taken")
    task = start(setup.network.create_queue(setup.server.address, AUTH, DH.public))
    transmission, _ = await end.receive()
    end.send((transmission.corr_id, b"", Ids(*ids, SERVER_DH, QueueMode.MESSAGING)), (b"", b"taken", MSG))
    with pytest.raises(UnexpectedResponseError):
        await task
    await setup.ear.until("message")  # the other queue is as it was


@pytest.mark.parametrize("version", range(7, 19))
async def test_servers_of_all_versions(setup: Setup, version: int) -> None:
    setup.server.versions = VersionRange(6, version)
    corr_id = bytes(range(24))
    request = LinkRequest(sender_id_for(corr_id), DATA)
    task = start(setup.network.create_queue(setup.server.address, AUTH, DH.public, link=request, corr_id=corr_id))
    end = await setup.server.accept()
    assert (end.session.version, end.session.cipher is not None) == (version, version >= 11)
    transmission, command = await end.receive()
    assert isinstance(command, New)
    assert command.mode is (QueueMode.MESSAGING if version >= 9 else None)
    assert command.link == (request if version >= 15 else None)
    assert (transmission.corr_id, transmission.entity_id) == (corr_id, b"")
    sender_id = b"sid" if command.link is None else command.link.sender_id
    link_id = None if command.link is None else b"link"
    end.send((transmission.corr_id, b"", Ids(b"rid", sender_id, SERVER_DH, command.mode, link_id)), (b"", b"rid", MSG))
    ids = await task
    assert (ids.sender_id, ids.link_id, ids.sender_can_secure) == (sender_id, link_id, version >= 9)
    await setup.ear.until("message")
    size = max_message_size(version)
    task = start(setup.network.send(setup.server.address, b"sid", SENDER, bytes(size), notify=False))
    transmission, command = await end.receive()
    assert command == Send(bytes(size))
    assert verify_transmission(transmission, SENDER.public, setup.server.identity.session_key)
    end.answer(transmission, Ok())
    await task
    with pytest.raises(LargeMessageError):
        await setup.network.send(setup.server.address, b"sid", SENDER, bytes(size + 1), notify=False)


async def test_create_queue_without_subscription(setup: Setup) -> None:
    task = start(setup.network.create_queue(setup.server.address, AUTH, DH.public, subscribe=False))
    end = await setup.server.accept()
    transmission, command = await end.receive()
    assert command == New(AUTH.public, DH.public, None, False, QueueMode.MESSAGING)
    end.send((transmission.corr_id, b"", Ids(b"rid", b"sid", SERVER_DH)), (b"", b"rid", MSG))
    assert (await task).sender_can_secure is False
    end.close()
    await setup.ear.until("disconnected")
    assert setup.ear.words() == ["connected", "disconnected"]


async def test_commands(setup: Setup) -> None:
    queue, server, network = setup.queue(), setup.server.address, setup.network
    info = {"qiSize": 1}
    cases: list[tuple[Awaitable[Any], object, BrokerMessage, object]] = [
        (network.secure_queue_by_sender(server, b"sid", SENDER), SKey(SENDER.public), Ok(), None),
        (network.secure_queue(queue, SENDER.public), Key(SENDER.public), Ok(), None),
        (network.send(server, b"sid", SENDER, b"body", notify=True), Send(b"body", True), Ok(), None),
        (network.send(server, b"sid", None, b"body", notify=False), Send(b"body"), Ok(), None),
        (network.get_message(queue), Get(), MSG, MSG),
        (network.get_message(queue), Get(), Ok(), None),
        (network.acknowledge(queue, MSG.message_id), Ack(MSG.message_id), Ok(), None),
        (network.suspend_queue(queue), Off(), Ok(), None),
        (network.queue_info(queue), Que(), Info(b'{"qiSize": 1}'), info),
        (network.delete_queue(queue), Del(), Ok(), None),
        (network.ping(server), Ping(), Pong(), None),
        (network.set_link_data(queue, b"link", DATA), LSet(b"link", DATA), Ok(), None),
        (network.delete_link(queue), LDel(), Ok(), None),
        (network.get_link_data(server, b"link"), LGet(), Lnk(b"sid", DATA), (b"sid", DATA)),
        (
            network.secure_and_get_link_data(server, b"link", SENDER),
            LKey(SENDER.public),
            Lnk(b"sid", DATA),
            (b"sid", DATA),
        ),
        (
            network.create_notifier(queue, AUTH.public, DH.public),
            NKey(AUTH.public, DH.public),
            Nid(b"nid", SERVER_DH),
            (b"nid", SERVER_DH),
        ),
        (network.delete_notifier(queue), NDel(), Ok(), None),
    ]
    end: ServerEnd | None = None
    for call, expected, answer, result in cases:
        task = start(call)
        end = end or await setup.server.accept()
        transmission, command = await end.receive()
        assert command == expected
        end.answer(transmission, answer)
        assert await task == result
    assert setup.server.attempts == 1


async def test_answers_that_do_not_fit(setup: Setup) -> None:
    queue, server, network = setup.queue(), setup.server.address, setup.network
    cases: list[tuple[Awaitable[Any], BrokerMessage]] = [
        (network.create_queue(server, AUTH, DH.public), Pong()),
        (network.send(server, b"sid", None, b"", notify=False), Info(b"{}")),
        (network.get_message(queue), Info(b"{}")),
        (network.acknowledge(queue, b"id"), Info(b"{}")),
        (network.queue_info(queue), Ok()),
        (network.get_link_data(server, b"link"), Ok()),
        (network.create_notifier(queue, AUTH.public, DH.public), Ok()),
        (network.ping(server), Ids(b"", b"", SERVER_DH)),
    ]
    end: ServerEnd | None = None
    for call, answer in cases:
        task = start(call)
        end = end or await setup.server.accept()
        end.answer((await end.receive())[0], answer)
        with pytest.raises(UnexpectedResponseError):
            await task
    assert end is not None
    task = start(network.queue_info(queue))
    end.answer((await end.receive())[0], Info(b"no JSON"))
    with pytest.raises(DecodeError):
        await task


async def test_a_body_too_large_does_not_disturb(setup: Setup) -> None:
    with pytest.raises(LargeMessageError):
        await setup.network.send(setup.server.address, b"sid", None, bytes(16065), notify=False)
    task = start(setup.network.ping(setup.server.address))
    end = await setup.server.accept()
    end.answer((await end.receive())[0], Pong())
    await task


async def test_acknowledging(setup: Setup) -> None:
    end = await setup.subscribed(b"queue")
    end.push(b"queue", MSG)
    await setup.ear.until("message")
    task = start(setup.network.acknowledge(setup.queue(), MSG.message_id))
    end.answer((await end.receive())[0], MSG2)  # the next message is the answer
    await task
    assert setup.ear.messages == [(b"queue", MSG), (b"queue", MSG2)]
    for error in (ServerError(ErrorCode.NO_MSG), ServerError.cmd(CommandFault.PROHIBITED)):
        task = start(setup.network.acknowledge(setup.queue(), MSG.message_id))
        end.answer((await end.receive())[0], Err(error))
        await task
    task = start(setup.network.acknowledge(setup.queue(), MSG.message_id))
    end.answer((await end.receive())[0], Err(ServerError(ErrorCode.AUTH)))
    with pytest.raises(BrokerError):
        await task


async def test_messages_before_the_one_in_hand_is_acknowledged(setup: Setup) -> None:
    """Of a flood one is passed on for each of our ACKs; and a late one is not forgotten."""
    end = await setup.subscribed(b"queue", b"other")
    flood = [Msg(b"%024d" % number, b"false") for number in range(1000)]
    end.send(*((b"", b"queue", message) for message in (MSG, MSG, *flood)), (b"", b"other", MSG2))
    await setup.ear.until("message", 2)
    assert setup.ear.messages == [(b"queue", MSG), (b"other", MSG2)]
    task = start(setup.network.acknowledge(setup.queue(), MSG.message_id))
    end.answer((await end.receive())[0], Ok())
    await task
    await setup.ear.until("message", 3)
    assert setup.ear.messages[2:] == [(b"queue", flood[-1])]
    task = start(setup.network.acknowledge(setup.queue(), flood[-1].message_id))
    end.answer((await end.receive())[0], MSG2)
    await task
    assert setup.ear.messages[3:] == [(b"queue", MSG2)]
    # what was in hand does not count on the next connection
    end.close()
    end = await setup.reconnect()
    await answer_subs(end, 2)
    end.push(b"queue", MSG2)
    await setup.ear.until("message", 5)


async def test_what_waited_of_a_queue_that_is_not_wanted_any_more(setup: Setup) -> None:
    end = await setup.subscribed(b"queue")
    end.send((b"", b"queue", MSG), (b"", b"queue", MSG2), (b"", b"queue", End()))
    await setup.ear.until("ended")
    task = start(setup.network.acknowledge(setup.queue(), MSG.message_id))
    end.answer((await end.receive())[0], Ok())
    await task
    assert setup.ear.messages == [(b"queue", MSG)]


async def test_one_connection_for_commands_at_once(setup: Setup) -> None:
    setup.network.subscribe(setup.queue())
    pings = [start(setup.network.ping(setup.server.address)) for _ in range(5)]
    end = await setup.server.accept()
    for _ in range(6):
        transmission, command = await end.receive()
        end.answer(transmission, Pong() if command == Ping() else Ok())
    await asyncio.gather(*pings)
    assert setup.server.attempts == 1


async def test_subscriptions_in_batches_and_again_after_reconnection(setup: Setup) -> None:
    names = {b"%d" % n for n in range(400)}
    end = await setup.subscribed(*names)
    assert len(end.blocks) <= 5
    assert sorted(await setup.ear.all_subscribed(400)) == sorted(names)
    setup.network.unsubscribe(setup.queue(b"7"))
    setup.network.subscribe(setup.queue(b"8"))  # it is already
    setup.network.subscribe(setup.queue(b"new"))
    assert await answer_subs(end, 1) == [b"new"]
    end.close()
    await setup.ear.until("disconnected")
    end = await setup.reconnect()
    assert set(await answer_subs(end, 400)) == names - {b"7"} | {b"new"}
    assert len(end.blocks) <= 5
    await setup.ear.until("connected", 2)


async def test_a_message_as_answer_to_sub(setup: Setup) -> None:
    setup.network.subscribe(setup.queue())
    end = await setup.server.accept()
    end.answer((await end.receive())[0], MSG)
    await setup.ear.until("message")
    assert setup.ear.words() == ["connected", "subscribed", "message"]


async def test_a_refused_subscription(setup: Setup) -> None:
    setup.network.subscribe(setup.queue(b"gone"))
    setup.network.subscribe(setup.queue(b"good"))
    end = await setup.server.accept()
    end.answer((await end.receive())[0], Err(ServerError(ErrorCode.AUTH)))
    end.answer((await end.receive())[0], Ok())
    assert await setup.ear.until("failed") == (b"gone", "server refused the command: AUTH")
    end.close()
    end = await setup.reconnect()
    assert await answer_subs(end, 1) == [b"good"]


async def test_a_passing_refusal_is_tried_again(setup: Setup) -> None:
    setup.network.subscribe(setup.queue())
    end = await setup.server.accept()
    end.answer((await end.receive())[0], Err(ServerError(ErrorCode.INTERNAL)))
    (await setup.sleeper.pause())()
    assert await answer_subs(end, 1) == [b"queue"]
    assert await setup.ear.until("subscribed") == [b"queue"]


async def test_another_client_takes_the_queue(setup: Setup) -> None:
    end = await setup.subscribed(b"queue", b"other")
    end.push(b"queue", End())
    assert await setup.ear.until("ended") == b"queue"
    end.push(b"queue", End())
    end.push(b"unknown", End())
    end.close()
    end = await setup.reconnect()
    assert await answer_subs(end, 1) == [b"other"]
    # to subscribe again takes it back
    setup.network.subscribe(setup.queue())
    transmission, _ = await end.receive()
    end.push(b"queue", End())  # about an earlier connection: our SUB is on its way
    end.answer(transmission, Ok())
    await setup.ear.until("subscribed", 3)
    assert setup.ear.words().count("ended") == 1


async def test_messages_of_unwanted_queues_stay_at_the_server(setup: Setup) -> None:
    end = await setup.subscribed(b"queue", b"other")
    setup.network.unsubscribe(setup.queue())
    setup.network.unsubscribe(setup.queue(b"never"))
    end.push(b"queue", MSG)
    end.push(b"other", MSG2)
    await setup.ear.until("message")
    assert setup.ear.messages == [(b"other", MSG2)]
    setup.network.subscribe(setup.queue())
    end.answer((await end.receive())[0], MSG)
    await setup.ear.until("message", 2)
    assert setup.ear.messages[1] == (b"queue", MSG)


async def test_wanted_again_with_another_key_while_asking(setup: Setup) -> None:
    setup.network.subscribe(setup.queue())
    end = await setup.server.accept()
    transmission, _ = await end.receive()
    setup.network.unsubscribe(setup.queue())
    other = Ed25519PrivateKey.generate()
    setup.network.subscribe(RecipientQueue(setup.server.address, b"queue", other))
    end.answer(transmission, Err(ServerError(ErrorCode.AUTH)))
    transmission, command = await end.receive()
    assert command == Sub()
    assert verify_transmission(transmission, other.public, setup.server.identity.session_key)
    end.answer(transmission, Ok())
    await setup.ear.until("subscribed")
    assert "failed" not in setup.ear.words()


async def test_a_connection_lost_with_commands_in_flight(setup: Setup) -> None:
    end = await setup.subscribed(b"queue")
    task = start(setup.network.suspend_queue(setup.queue()))
    await end.receive()
    end.close()
    with pytest.raises(NetworkError):
        await task
    # the next command does not wait for the reconnection's pause
    task = start(setup.network.ping(setup.server.address))
    end = await setup.server.accept()
    commands = {}
    for _ in range(2):
        transmission, command = await end.receive()
        commands[type(command)] = transmission
    end.answer(commands[Sub], Ok())
    end.answer(commands[Ping], Pong())
    await task
    await setup.ear.until("subscribed", 2)


async def test_backoff(setup: Setup) -> None:
    setup.server.refusing = True
    setup.network.subscribe(setup.queue())
    pauses = []
    for _ in range(14):
        end_pause = await setup.sleeper.pause()
        pauses.append(setup.sleeper.last)
        end_pause()
    for number, pause in enumerate(pauses):
        mean = min(60.0, 0.5 * 1.6**number)
        assert 0.5 * mean <= pause < 1.5 * mean
    assert len(set(pauses)) == len(pauses)
    end_pause = await setup.sleeper.pause()
    setup.server.refusing = False
    end_pause()
    end = await setup.server.accept()
    await answer_subs(end, 1)
    # lost soon again: the pauses go on growing; after a stable connection they start again
    end.close()
    end_pause = await setup.sleeper.pause()
    assert setup.sleeper.last >= 30.0
    end_pause()
    end = await setup.server.accept()
    setup.time += 100.0
    end.close()
    await setup.sleeper.pause()
    assert setup.sleeper.last < 1.0


async def test_a_server_that_failed_fails_at_once_for_a_while(setup: Setup) -> None:
    setup.server.refusing = True
    for _ in range(3):
        with pytest.raises(NetworkError):
            await setup.network.ping(setup.server.address)
    assert setup.server.attempts == 1
    setup.time += 1.0
    with pytest.raises(NetworkError):
        await setup.network.ping(setup.server.address)
    assert setup.server.attempts == 2


async def test_a_server_that_was_never_there_is_told_once(setup: Setup) -> None:
    setup.server.refusing = True
    setup.network.subscribe(setup.queue())
    for _ in range(3):
        (await setup.sleeper.pause())()
    again = await setup.sleeper.pause()
    assert setup.ear.heard == [("disconnected", setup.server.address)]
    setup.server.refusing = False
    again()
    end = await setup.server.accept()
    await answer_subs(end, 1)
    await setup.ear.until("subscribed")
    end.close()
    await setup.ear.until("disconnected", 2)
    assert setup.ear.words() == ["disconnected", "connected", "subscribed", "disconnected"]


async def test_no_reconnection_without_subscriptions(setup: Setup) -> None:
    end = await setup.subscribed(b"queue")
    setup.network.unsubscribe(setup.queue())
    end.close()
    await setup.ear.until("disconnected")
    await asyncio.sleep(0)
    assert setup.server.attempts == 1


async def test_wrong_identity(setup: Setup) -> None:
    other = ServerAddress(("127.0.0.1",), 1, bytes(32))
    with pytest.raises(ServerIdentityError):
        await setup.network.ping(other)
    assert setup.ear.heard == []


async def test_wrong_session_id(setup: Setup) -> None:
    setup.server.change_hello = lambda hello: replace(hello, session_id=b"other")
    with pytest.raises(ServerIdentityError, match="another connection"):
        await setup.network.ping(setup.server.address)


async def test_a_server_that_says_nothing() -> None:
    setup = Setup()
    ends: list[Connection] = []

    async def silent(_address: ServerAddress) -> Connection:
        client, server = connect_in_memory(b"id")
        ends.append(server)
        return client

    network = Network(handler=setup.ear, connector=silent, config=NetworkConfig(connect_timeout=0.02))
    with pytest.raises(NetworkError, match="in time"):
        await network.ping(setup.server.address)
    with pytest.raises(NetworkError):
        await ends[0].read_block()  # the connection was not left open
    await network.close()


@pytest.mark.parametrize("error", [OSError("unreachable"), ConnectionResetError()])
async def test_a_connector_that_fails(error: OSError) -> None:
    async def fail(_address: ServerAddress) -> Any:
        raise error

    network = Network(handler=Ear(), connector=fail)
    with pytest.raises(NetworkError):
        await network.ping(ServerAddress(("host",), None, bytes(32)))
    await network.close()


async def test_a_garbled_handshake(setup: Setup) -> None:
    async def garbled(_address: ServerAddress) -> Connection:
        client, server = connect_in_memory(b"id")
        server.write_block(b"HTTP/1.1 400 Bad Request".ljust(16384, b"\n"))
        return client

    network = Network(handler=setup.ear, connector=garbled)
    with pytest.raises(NetworkError, match="SMP server"):
        await network.ping(setup.server.address)
    await network.close()


async def test_a_command_given_up_while_connecting(setup: Setup) -> None:
    first = start(setup.network.ping(setup.server.address))
    second = start(setup.network.ping(setup.server.address))
    await asyncio.sleep(0)
    first.cancel()
    end = await setup.server.accept()
    end.answer((await end.receive())[0], Pong())
    await second
    with pytest.raises(asyncio.CancelledError):
        await first


async def test_a_creation_given_up_has_no_effect(setup: Setup) -> None:
    task = start(setup.network.create_queue(setup.server.address, AUTH, DH.public))
    end = await setup.server.accept()
    transmission, _ = await end.receive()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    end.answer(transmission, Ids(b"rid", b"sid", SERVER_DH), entity_id=b"")
    end.push(b"rid", MSG)
    ping = start(setup.network.ping(setup.server.address))
    end.answer((await end.receive())[0], Pong())
    await ping
    assert setup.ear.words() == ["connected"]


async def test_a_failing_handler_is_logged_by_name(
    setup: Setup, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    end = await setup.subscribed(b"queue")

    def message(*_args: object) -> None:
        raise RuntimeError("secret body")

    monkeypatch.setattr(setup.ear, "message", message)
    with caplog.at_level(logging.DEBUG):
        end.push(b"queue", MSG)
        ping = start(setup.network.ping(setup.server.address))
        end.answer((await end.receive())[0], Pong())
        await ping
    assert "message of the network's handler failed: RuntimeError" in caplog.text
    assert "secret" not in caplog.text


async def test_closing(setup: Setup) -> None:
    end = await setup.subscribed(b"queue")
    in_flight = start(setup.network.suspend_queue(setup.queue()))
    await end.receive()
    await setup.network.close()
    with pytest.raises(NetworkError):
        await in_flight
    with pytest.raises(NetworkError, match="closed"):
        await setup.network.ping(setup.server.address)
    with pytest.raises(NetworkError, match="closed"):
        setup.network.subscribe(setup.queue())
    with pytest.raises(NetworkError):
        await end.receive()
    await setup.network.close()


async def test_closing_while_connecting() -> None:
    stuck = asyncio.Event()

    async def never(_address: ServerAddress) -> Any:
        stuck.set()
        await asyncio.Event().wait()

    network = Network(handler=Ear(), connector=never)
    server = ServerAddress(("host",), None, bytes(32))
    network.subscribe(RecipientQueue(server, b"queue", AUTH))
    task = start(network.ping(server))
    await stuck.wait()
    await network.close()
    with pytest.raises(NetworkError, match="closed"):
        await task


async def test_over_tls() -> None:
    server, ear, sleeper = ScriptedServer(), Ear(), Sleeper()
    async with server.listening() as address:
        network = Network(handler=ear, sleep=sleeper)
        queue = RecipientQueue(address, b"queue", AUTH)
        network.subscribe(queue)
        end = await server.accept()
        await answer_subs(end, 1)
        task = start(network.send(address, b"sid", SENDER, bytes(16000), notify=False))
        transmission, command = await end.receive()
        assert command == Send(bytes(16000))
        assert verify_transmission(transmission, SENDER.public, server.identity.session_key)
        end.answer(transmission, Ok())
        await task
        end.push(b"queue", MSG)
        await ear.until("message")
        end.close()
        await ear.until("disconnected")
        (await sleeper.pause())()
        end = await server.accept()
        assert await answer_subs(end, 1) == [b"queue"]
        with pytest.raises(ServerIdentityError):
            await network.ping(ServerAddress(address.hosts, address.port, bytes(32)))
        await network.close()


def test_nothing_secret_is_shown() -> None:
    queue = RecipientQueue(ServerAddress(("host",), None, bytes(32)), b"hush", AUTH)
    ids = QueueIds(b"hush", b"hush", SERVER_DH, True)
    assert "hush" not in repr(queue) + repr(ids)
    assert AUTH.raw.hex() not in repr(queue)
