from __future__ import annotations

import asyncio
import contextlib
import logging
import resource
import socket
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simplex_calls.crypto import Ed25519PrivateKey, X25519PrivateKey, pad, unpad
from simplex_calls.relay import ClientLimits, Limits, Relay, RelayConfig, RelayError, server
from simplex_calls.relay.connected import Connected
from simplex_calls.relay.delivering import Deliveries
from simplex_calls.relay.sessions import Session as CoreSession
from simplex_calls.relay.store import Changes, DiskFullError, Store, StoreError
from simplex_calls.smp.commands import Ack, Get, New, Ping, Send, Sub
from simplex_calls.smp.connecting import connect_tls
from simplex_calls.smp.connection import connect_in_memory
from simplex_calls.smp.errors import CommandFault, DecodeError, ErrorCode, NetworkError, ServerError
from simplex_calls.smp.handshake import ClientHello, decode_server_hello, encode_hello
from simplex_calls.smp.messages import End, Err, Msg, Ok, Pong, Sok
from simplex_calls.smp.tls import TLSConnection
from simplex_calls.smp.transmission import BLOCK_SIZE, Session, pack_blocks
from tests.relay.blocks import VERSION, BlockClient, LiveQueue, random_body

BLOCK = Err(ServerError(ErrorCode.BLOCK))
AUTH = Err(ServerError(ErrorCode.AUTH))
Connect = Callable[[Relay], Awaitable[BlockClient]]

VERSION_IN_CLEAR = 9

connects = pytest.mark.parametrize("connect", [BlockClient.in_memory, BlockClient.over_tls])


def config(data: Path | None = None, **changes: object) -> RelayConfig:
    return RelayConfig(port=0, data=data, **changes)  # type: ignore[arg-type]


def connected_to(relay: Relay) -> dict[CoreSession, Connected]:
    assert relay._worker is not None
    return relay._worker.connected


@connects
async def test_messages_go_through(connect: Connect, tmp_path: Path) -> None:
    async with Relay(config(tmp_path)) as relay, await connect(relay) as alice, await connect(relay) as bob:
        assert await alice.ask(Ping()) == Pong()
        queue = await LiveQueue.create(alice)
        bodies = [random_body() for _ in range(3)]
        for body in bodies:
            assert await queue.send(bob, body) == Ok()
        corr_id, entity_id, message = await alice.read()
        assert (corr_id, entity_id) == (b"", queue.recipient_id)
        assert isinstance(message, Msg)
        assert await queue.bodies(alice) == bodies
        other = await LiveQueue.create(bob)
        assert await other.send(alice, b"back") == Ok()


@connects
async def test_two_recipients_get_their_own(connect: Connect) -> None:
    async with Relay(config()) as relay, await connect(relay) as alice, await connect(relay) as carol:
        async with await connect(relay) as bob:
            first, second = await LiveQueue.create(alice), await LiveQueue.create(carol)
            for _ in range(3):
                assert await first.send(bob, b"to alice") == Ok()
                assert await second.send(bob, b"to carol") == Ok()
            for client, queue in ((alice, first), (carol, second)):
                _, entity_id, _ = await client.read()
                assert entity_id == queue.recipient_id
            assert await first.bodies(alice) == [b"to alice"] * 3
            assert await second.bodies(carol) == [b"to carol"] * 3
            # carol may take alice's queue over only with alice's key
            assert await carol.ask(Sub(), first.recipient_id, second.key) == AUTH
            assert await carol.ask(Sub(), first.recipient_id, first.key) == Sok()
            assert await alice.read() == (b"", first.recipient_id, End())


async def test_a_batch_is_answered_in_a_batch() -> None:
    async with Relay(config()) as relay, await BlockClient.in_memory(relay, VERSION_IN_CLEAR) as alice:
        queue = await LiveQueue.create(alice, subscribe=False)
        commands = [
            alice.encode(Ping()),
            alice.encode(Send(b"one"), queue.sender_id),
            alice.encode(Sub(), queue.recipient_id, Ed25519PrivateKey.generate()),
            b"\x05nonsense",
            alice.encode(Ping()),
        ]
        alice.send(*commands)
        block = await alice.connection.read_block()
        assert block[2] == len(commands)
        alice.send(*commands)
        answers = [(await alice.read())[2] for _ in commands]
        assert answers == [Pong(), Ok(), AUTH, BLOCK, Pong()]
        assert await queue.bodies(alice) == [b"one", b"one"]


async def test_pipelined_commands_are_answered_in_order() -> None:
    async with Relay(config()) as relay, await BlockClient.over_tls(relay) as alice:
        queue = await LiveQueue.create(alice, subscribe=False)
        bodies = [str(n).encode() for n in range(100)]
        for body in bodies:
            alice.send(alice.encode(Send(body), queue.sender_id))
        assert [(await alice.read())[2] for _ in bodies] == [Ok()] * len(bodies)
        assert await queue.bodies(alice) == bodies


async def test_messages_survive_a_restart(tmp_path: Path) -> None:
    async with Relay(config(tmp_path)) as relay, await BlockClient.over_tls(relay) as alice:
        address = relay.address
        queue = await LiveQueue.create(alice)
        await queue.send(alice, b"one")
    async with Relay(config(tmp_path)) as relay, await BlockClient.over_tls(relay) as alice:
        assert relay.address.fingerprint == address.fingerprint
        assert await queue.bodies(alice) == [b"one"]


async def test_what_was_received_is_carried_out_before_the_end(tmp_path: Path) -> None:
    relay = Relay(config(tmp_path))
    await relay.start()
    alice = await BlockClient.in_memory(relay)
    queue = await LiveQueue.create(alice, subscribe=False)
    alice.send(alice.encode(Send(b"one"), queue.sender_id), alice.encode(Send(b"two"), queue.sender_id))
    alice.send(alice.encode(Ping()))
    assert (await alice.read())[2] == Ok()
    await relay.stop()
    await relay.stop()
    assert [(await alice.read())[2] for _ in range(2)] == [Ok(), Pong()]
    with pytest.raises(NetworkError):
        await alice.read()
    async with Relay(config(tmp_path)) as relay, await BlockClient.in_memory(relay) as alice:
        assert await queue.bodies(alice) == [b"one", b"two"]


async def test_what_a_client_sent_before_it_left_is_carried_out() -> None:
    async with Relay(config()) as relay, await BlockClient.in_memory(relay) as alice:
        queue = await LiveQueue.create(alice)
        async with await BlockClient.in_memory(relay) as bob:
            bob.send(*(bob.encode(Send(b"bye"), queue.sender_id) for _ in range(20)))
        async with asyncio.timeout(10):
            assert isinstance((await alice.read())[2], Msg)
        assert await queue.bodies(alice) == [b"bye"] * 20


async def test_a_password_is_needed() -> None:
    async with Relay(config(password="sesame")) as relay, await BlockClient.over_tls(relay) as alice:
        key = Ed25519PrivateKey.generate()
        assert await alice.ask(New(key.public, X25519PrivateKey.generate().public), key=key) == AUTH
        queue = await LiveQueue.create(alice, password="sesame")
        assert await queue.send(alice, b"no password for senders") == Ok()
        assert "sesame" not in str(relay.address) + repr(relay._config)


async def test_bad_blocks_are_told_and_harm_nobody() -> None:
    async with Relay(config()) as relay, await BlockClient.in_memory(relay) as alice:
        async with await BlockClient.in_memory(relay, VERSION_IN_CLEAR) as mallory:
            for bad in (bytes(BLOCK_SIZE), b"\xff" * BLOCK_SIZE, pad(b"\x02\x00\x01", BLOCK_SIZE)):
                mallory.connection.write_block(bad)
                assert await mallory.read() == (b"", b"", BLOCK)
            mallory.send(b"\x40" + bytes(64) + b"\x18" + bytes(24) + b"\x00PING")
            assert (await mallory.read())[2] == Err(ServerError.cmd(CommandFault.HAS_AUTH))
            assert await mallory.ask(Ping()) == Pong()
        assert await alice.ask(Ping()) == Pong()


COMMANDS = st.tuples(
    st.sampled_from([b"", bytes(64), bytes(80), bytes(114)]),
    st.sampled_from([b"", bytes(24), b"R" * 24, b"S" * 24]),
    st.sampled_from(
        b"NEW SUB KEY SKEY SEND ACK GET OFF DEL QUE PING NSUB LSET LDEL LKEY LGET NKEY NDEL PRXY PFWD RFWD SUBS".split()
    ),
    st.binary(max_size=100),
).map(lambda t: _short(t[0]) + _short(bytes(24)) + _short(t[1]) + t[2] + b" " + t[3])


@settings(max_examples=60, deadline=None)
@given(
    garbage=st.lists(
        st.one_of(
            st.binary(max_size=300),
            st.lists(st.one_of(st.binary(max_size=200), COMMANDS), min_size=1, max_size=5),
        ),
        min_size=1,
        max_size=4,
    ),
    padded=st.booleans(),
    before_hello=st.booleans(),
)
def test_garbage_is_answered_or_ends_the_connection(
    garbage: list[bytes | list[bytes]], padded: bool, before_hello: bool
) -> None:
    blocks: list[bytes] = []
    for item in garbage:
        if isinstance(item, list):
            blocks += pack_blocks(item)
        else:
            blocks.append(pad(item, BLOCK_SIZE) if padded else item.ljust(BLOCK_SIZE, b"#"))

    async def check() -> None:
        async with Relay(config()) as relay, await BlockClient.in_memory(relay) as alice:
            queue = await LiveQueue.create(alice)
            mallory = BlockClient(relay.address.fingerprint, relay.connect_in_memory(), VERSION_IN_CLEAR)
            if not before_hello:
                await mallory.handshake()
            for block in blocks:
                known = block.replace(b"R" * 24, queue.recipient_id).replace(b"S" * 24, queue.sender_id)
                mallory.connection.write_block(known)
            if before_hello:
                with pytest.raises(NetworkError):
                    for _ in range(2):  # the relay's hello, then the end
                        await mallory.connection.read_block()
            else:
                assert await mallory.ask(Ping()) == Pong()
                assert mallory._unasked
            await mallory.close()
            assert await alice.ask(Ping()) == Pong()
            assert b"still here" not in await queue.bodies(alice)
            assert await queue.send(alice, b"still here") == Ok()
            assert await queue.bodies(alice) == [b"still here"]

    asyncio.run(check())


def _short(data: bytes) -> bytes:
    return bytes((len(data),)) + data


@pytest.mark.parametrize(
    "hello",
    [
        ClientHello(VERSION, b"\1" * 32),
        ClientHello(5, b""),
        ClientHello(19, b""),
    ],
)
async def test_a_handshake_that_does_not_fit_ends_the_connection(hello: ClientHello) -> None:
    async with Relay(config()) as relay:
        connection = relay.connect_in_memory()
        decode_server_hello(await connection.read_block())
        if not hello.fingerprint:
            hello = ClientHello(hello.version, relay.address.fingerprint)
        connection.write_block(encode_hello(hello))
        with pytest.raises(NetworkError):
            await connection.read_block()


async def test_a_client_that_does_not_shake_hands_is_disconnected() -> None:
    limits = ClientLimits(handshake_seconds=0.05)
    async with Relay(config(client_limits=limits)) as relay:
        connection = relay.connect_in_memory()
        await connection.read_block()
        async with asyncio.timeout(5):
            with pytest.raises(NetworkError):
                await connection.read_block()


async def test_plain_text_is_refused_by_tls() -> None:
    async with Relay(config()) as relay:
        reader, writer = await asyncio.open_connection("127.0.0.1", relay.address.effective_port)
        writer.write(b"GET / HTTP/1.1\r\n\r\n")
        async with asyncio.timeout(5):
            assert not (await reader.read()).startswith(b"HTTP")
        writer.close()
        async with await BlockClient.over_tls(relay) as alice:
            assert await alice.ask(Ping()) == Pong()


async def test_connections_are_limited() -> None:
    async with Relay(config(connections=1)) as relay:
        async with await BlockClient.over_tls(relay) as alice:
            assert await alice.ask(Ping()) == Pong()
            for _ in range(2):
                with pytest.raises(NetworkError):
                    await connect_tls(relay.address)
            assert await alice.ask(Ping()) == Pong()


async def test_connections_count_before_they_shake_hands() -> None:
    limits = ClientLimits(handshake_seconds=2.0)
    async with Relay(config(connections=1, client_limits=limits)) as relay:
        mute = socket.create_connection(("127.0.0.1", relay.address.effective_port))
        with mute, pytest.raises(NetworkError):
            await connect_tls(relay.address)
        async with asyncio.timeout(5):
            while relay._serving:
                await asyncio.sleep(0)
        async with await BlockClient.over_tls(relay) as alice:
            assert await alice.ask(Ping()) == Pong()


async def test_who_only_holds_places_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "_GREETING_SECONDS", 0.0)
    async with Relay(config(connections=2)) as relay, await BlockClient.over_tls(relay) as alice:
        assert await alice.ask(Ping()) == Pong()
        mute = socket.create_connection(("127.0.0.1", relay.address.effective_port))
        silent = relay.connect_in_memory()  # takes the place of the other one
        await silent.read_block()
        with mute:
            async with await BlockClient.over_tls(relay) as bob:
                assert await bob.ask(Ping()) == Pong()
            with pytest.raises(NetworkError):
                await silent.read_block()
        assert await alice.ask(Ping()) == Pong()


async def test_half_a_block_is_not_waited_for() -> None:
    async with Relay(config(client_limits=ClientLimits(stalled_seconds=0.2))) as relay:
        alice, slow = await BlockClient.over_tls(relay), await BlockClient.over_tls(relay)
        async with alice, slow:
            for connection in (alice.connection, slow.connection):
                assert isinstance(connection, TLSConnection)
            (block,) = pack_blocks([slow.encode(Ping())], slow.session.cipher)
            slow.connection._writer.write(block[:100])  # type: ignore[attr-defined]
            async with asyncio.timeout(10):
                with pytest.raises(NetworkError):
                    await slow.read()
            assert await alice.ask(Ping()) == Pong()


async def test_a_block_may_come_in_pieces() -> None:
    async with Relay(config()) as relay, await BlockClient.over_tls(relay) as alice:
        writer = alice.connection._writer  # type: ignore[attr-defined]
        blocks = b"".join(pack_blocks([alice.encode(Ping())], alice.session.cipher)[0] for _ in range(5))
        for start in range(0, len(blocks), 7001):
            writer.write(blocks[start : start + 7001])
            await writer.drain()
        assert [(await alice.read())[2] for _ in range(5)] == [Pong()] * 5


@connects
async def test_slow_readers_together_leave_so_much_lying(connect: Connect) -> None:
    async with Relay(config(waiting_blocks=4)) as relay, await connect(relay) as bob:
        slow = await connect(relay)
        queue = await LiveQueue.create(slow, subscribe=False)
        await queue.send(slow, random_body())
        for _ in range(30):
            slow.send(*(slow.encode(Get(), queue.recipient_id, queue.key) for _ in range(100)))
        async with asyncio.timeout(20):
            while len(connected_to(relay)) > 1:
                assert await bob.ask(Ping()) == Pong()
        await slow.close()


@settings(max_examples=20, deadline=None)
@given(garbage=st.lists(st.binary(min_size=1, max_size=40_000), min_size=1, max_size=4), inside_tls=st.booleans())
def test_garbage_on_the_wire_ends_its_connection(garbage: list[bytes], inside_tls: bool) -> None:
    async def check() -> None:
        async with Relay(config()) as relay, await BlockClient.over_tls(relay) as alice:
            if inside_tls:
                mallory = await connect_tls(relay.address)
                reader, writer = mallory._reader, mallory._writer
            else:
                reader, writer = await asyncio.open_connection("127.0.0.1", relay.address.effective_port)
            writer.write(b"".join(garbage))
            if writer.can_write_eof():
                writer.write_eof()
            else:
                writer.write(bytes(BLOCK_SIZE))
            async with asyncio.timeout(10):
                with contextlib.suppress(OSError):
                    await reader.read()
            writer.close()
            assert await alice.ask(Ping()) == Pong()

    asyncio.run(check())


async def test_idle_clients_without_subscriptions_are_disconnected() -> None:
    now = 1_700_000_000.0
    async with Relay(config(), clock=lambda: now) as relay:
        async with await BlockClient.in_memory(relay) as idle, await BlockClient.in_memory(relay) as alice:
            assert await idle.ask(Ping()) == Pong()
            queue = await LiveQueue.create(alice)
            now += 7 * 3600
            async with await BlockClient.in_memory(relay) as bob:
                assert await bob.ask(Ping()) == Pong()
                relay.keep_house()
                async with asyncio.timeout(5):
                    with pytest.raises(NetworkError):
                        await idle.read()
                assert await queue.send(bob, b"one") == Ok()
            assert isinstance((await alice.read())[2], Msg)


async def test_housekeeping_deletes_old_messages(tmp_path: Path) -> None:
    now = 1_700_000_000.0
    async with Relay(config(tmp_path), clock=lambda: now) as relay:
        async with await BlockClient.in_memory(relay) as alice:
            queue = await LiveQueue.create(alice, subscribe=False)
            await queue.send(alice, b"one")
            await LiveQueue.create(alice)  # its subscription keeps the connection
            now += 22 * 24 * 3600
            relay.keep_house()
            assert await alice.ask(Ping()) == Pong()
    store = Store(tmp_path / "relay.db")
    assert [len(stored.messages) for stored in store.load()] == [0, 0]
    store.close()


@connects
async def test_a_client_that_does_not_read_is_disconnected_alone(connect: Connect) -> None:
    limits = ClientLimits(stalled_seconds=0.2)
    async with Relay(config(client_limits=limits)) as relay, await connect(relay) as bob:
        slow = await connect(relay)
        queue = await LiveQueue.create(slow, subscribe=False)
        await queue.send(slow, random_body())
        for _ in range(30):  # 30 blocks ask for 50 MB
            slow.send(*(slow.encode(Get(), queue.recipient_id, queue.key) for _ in range(100)))
        async with asyncio.timeout(20):
            while len(connected_to(relay)) > 1:
                assert await bob.ask(Ping()) == Pong()
                assert max(entry.client.backlog for entry in connected_to(relay).values()) <= 64
        (entry,) = connected_to(relay).values()
        assert not entry.blocks
        await slow.close()


async def test_messages_wait_for_a_slow_reader() -> None:
    limits = Limits(deliveries=4)
    async with Relay(config(limits=limits)) as relay, await BlockClient.over_tls(relay) as bob:
        async with await BlockClient.over_tls(relay) as alice:
            queues = [await LiveQueue.create(alice, subscribe=False) for _ in range(60)]
            for queue in queues:
                await queue.send(bob, queue.sender_id)
            alice.send(*(alice.encode(Sub(), queue.recipient_id, queue.key) for queue in queues))
            received: set[bytes] = set()
            async with asyncio.timeout(20):
                while len(received) < len(queues):
                    _, entity_id, message = await alice.read()
                    if isinstance(message, Msg):
                        received.add(entity_id)
            assert received == {queue.recipient_id for queue in queues}


async def test_when_the_disk_fails_nothing_is_promised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    write, failing = Store.write, True

    def fail(store: Store, changes: object) -> None:
        if failing:
            raise StoreError("the disk is full")
        write(store, changes)  # type: ignore[arg-type]

    async with Relay(config(tmp_path)) as relay, await BlockClient.in_memory(relay) as other:
        async with await BlockClient.in_memory(relay) as alice, await BlockClient.in_memory(relay) as bob:
            queue = await LiveQueue.create(alice, subscribe=False)
            await queue.send(bob, b"one")
            monkeypatch.setattr(Store, "write", fail)
            bob.send(bob.encode(Send(b"lost"), queue.sender_id))
            with pytest.raises(NetworkError):
                await bob.read()
            failing = False
            assert await other.ask(Ping()) == Pong()
            assert await queue.bodies(alice) == [b"one"]
            assert await queue.send(alice, b"two") == Ok()
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == [
        "a group of commands failed: the disk is full"
    ]


async def test_a_fault_in_the_relay_harms_only_those_it_concerns(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fault(*_: object) -> None:
        raise ZeroDivisionError

    async with Relay(config()) as relay, await BlockClient.in_memory(relay) as other:
        async with await BlockClient.in_memory(relay) as alice:
            queue = await LiveQueue.create(alice, subscribe=False)
            await queue.send(alice, b"one")
            with monkeypatch.context() as patch:
                patch.setattr(Deliveries, "get", fault)
                alice.send(alice.encode(Send(b"lost"), queue.sender_id), alice.encode(Ping()))
                alice.send(alice.encode(Get(), queue.recipient_id, queue.key))
                with pytest.raises(NetworkError):
                    for _ in range(3):
                        await alice.read()
            assert (await queue.bodies(other))[0] == b"one"
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == [
        "a group of commands failed: ZeroDivisionError"
    ]


async def test_a_relay_whose_database_is_lost_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise StoreError("the disk is gone")

    async with Relay(config(tmp_path)) as relay, await BlockClient.in_memory(relay) as alice:
        queue = await LiveQueue.create(alice)
        monkeypatch.setattr(Store, "write", fail)
        monkeypatch.setattr(Store, "load", fail)
        alice.send(alice.encode(Send(b"lost"), queue.sender_id))
        async with asyncio.timeout(5):
            with pytest.raises(RelayError, match="the disk is gone"):
                await relay.wait()
            with pytest.raises(NetworkError):
                while True:
                    await alice.read()


async def test_a_start_that_fails_says_why(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(RelayError, match=f"port {port} of 127.0.0.1 cannot be opened: it is in use"):
            await Relay(RelayConfig(port=port, data=tmp_path)).start()
    with pytest.raises(RelayError, match="no such address"):
        await Relay(RelayConfig(host="", port=0)).start()
    with pytest.raises(RelayError, match="no such address"):
        await Relay(RelayConfig(host="host.invalid", port=0)).start()
    async with Relay(config(tmp_path)):
        with pytest.raises(RelayError, match="another relay"):
            await Relay(config(tmp_path)).start()
    (tmp_path / "identity" / "server.key").write_text("damage")
    with pytest.raises(RelayError, match="is damaged"):
        await Relay(config(tmp_path)).start()
    (tmp_path / "file").write_text("")
    with pytest.raises(RelayError, match="cannot be used"):
        await Relay(config(tmp_path / "file")).start()


async def test_the_log_names_nothing(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with Relay(config(password="sesame")) as relay, await BlockClient.over_tls(relay) as alice:
        queue = await LiveQueue.create(alice, password="sesame")
        await queue.send(alice, b"attack at dawn")
        message = (await alice.read())[2]
        assert isinstance(message, Msg)
        await alice.ask(Ack(message.message_id), queue.recipient_id, queue.key)
        with pytest.raises((NetworkError, DecodeError)):
            stranger = await connect_tls(relay.address)
            await stranger.read_block()
            stranger.write_block(bytes(BLOCK_SIZE))
            await stranger.read_block()
        await stranger.wait_closed()
    text = "\n".join(record.getMessage() for record in caplog.records if record.name.startswith("simplex_calls"))
    assert "relay started with 0 queues" in text
    for secret in ("127.0.0.1", "sesame", "attack", queue.recipient_id.hex(), str(queue.recipient_id)):
        assert secret not in text


async def test_when_files_run_out(caplog: pytest.LogCaptureFixture) -> None:
    """Mute connections that use up all files: little is said of it, and the relay goes on afterwards."""
    async with Relay(config()) as relay:
        limits = resource.getrlimit(resource.RLIMIT_NOFILE)
        place = ("127.0.0.1", relay.address.effective_port)
        mute = [socket.create_connection(place)]
        resource.setrlimit(resource.RLIMIT_NOFILE, (mute[0].fileno() + 40, limits[1]))
        try:
            with pytest.raises(OSError, match="open files"):
                while True:
                    mute.append(socket.create_connection(place))
            while not caplog.records:
                await asyncio.sleep(0)
            for _ in range(100):
                await asyncio.sleep(0)
        finally:
            for connection in mute:
                connection.close()
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        assert len([record for record in caplog.records if "cannot be accepted" in record.getMessage()]) == 1
        async with await BlockClient.over_tls(relay) as alice:
            assert await alice.ask(Ping()) == Pong()


async def test_housekeeping_on_a_full_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    tried = asyncio.Event()
    loop = asyncio.get_running_loop()

    def fail(_store: Store) -> None:
        loop.call_soon_threadsafe(tried.set)
        raise StoreError("the disk is full")

    monkeypatch.setattr(Store, "shrink", fail)
    async with Relay(config(tmp_path)) as relay, await BlockClient.in_memory(relay) as alice:
        relay.keep_house()
        await tried.wait()
        assert await alice.ask(Ping()) == Pong()
    assert "not given back yet" in caplog.text


async def test_a_full_disk_can_be_emptied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write, keep_reserve, full = Store.write, Store.keep_reserve, False

    def refuse_what_grows(store: Store, changes: Changes) -> None:
        if full and changes.messages:
            raise DiskFullError("the disk is full")
        write(store, changes)

    reserve = tmp_path / "relay.reserve"
    async with Relay(config(tmp_path, full_seconds=0.01)) as relay, await BlockClient.in_memory(relay) as alice:
        assert reserve.stat().st_size > 10_000_000
        queue = await LiveQueue.create(alice, subscribe=False)
        await queue.send(alice, b"one")
        monkeypatch.setattr(Store, "write", refuse_what_grows)
        monkeypatch.setattr(Store, "keep_reserve", lambda store: not full and keep_reserve(store))
        full = True
        async with await BlockClient.in_memory(relay) as bob:
            bob.send(bob.encode(Send(b"lost"), queue.sender_id))
            with pytest.raises(NetworkError):
                await bob.read()
        assert not reserve.exists()
        assert await queue.send(alice, b"two") == Err(ServerError(ErrorCode.QUOTA))
        assert await queue.bodies(alice) == [b"one"]
        full = False
        async with asyncio.timeout(5):
            while relay._core.is_full:
                await asyncio.sleep(0.01)
        assert reserve.exists()
        assert await queue.send(alice, b"three") == Ok()


async def test_a_start_on_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Store, "keep_reserve", lambda _: False)
    async with Relay(config(tmp_path)) as relay, await BlockClient.in_memory(relay) as alice:
        key = Ed25519PrivateKey.generate()
        refused = await alice.ask(New(key.public, X25519PrivateKey.generate().public), key=key)
        assert refused == Err(ServerError(ErrorCode.STORE, detail="disk is full"))


async def test_receiving_does_not_wait_for_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with Relay(config(tmp_path)) as relay, await BlockClient.in_memory(relay) as alice:
        queue = await LiveQueue.create(alice)
        async with await BlockClient.in_memory(relay) as bob:
            may_write = threading.Event()
            write, written = Store.write, asyncio.Event()
            loop = asyncio.get_running_loop()

            def write_later(store: Store, changes: Changes) -> None:
                loop.call_soon_threadsafe(written.set)
                may_write.wait(10)
                write(store, changes)

            monkeypatch.setattr(Store, "write", write_later)
            bob.send(*(bob.encode(Send(body), queue.sender_id) for body in (b"one", b"two")))
            first = (await alice.read())[2]
            assert isinstance(first, Msg)
            await written.wait()
            pong = asyncio.create_task(bob.ask(Ping()))
            second = await alice.ask(Ack(first.message_id), queue.recipient_id, queue.key)
            assert isinstance(second, Msg)
            assert await alice.ask(Ack(second.message_id), queue.recipient_id, queue.key) == Ok()
            # what bob sent is not promised before it is stored, nor is what he asks after that answered
            assert not pong.done()
            may_write.set()
            assert await pong == Pong()
            assert [(await bob.read())[2] for _ in range(2)] == [Ok(), Ok()]


@pytest.mark.parametrize("version", [6, 9, 18])
async def test_versions_over_tls(version: int) -> None:
    async with Relay(config()) as relay:
        async with await BlockClient.over_tls(relay, version) as alice, await BlockClient.over_tls(relay) as bob:
            queue = await LiveQueue.create(alice)
            assert await queue.send(bob, random_body()) == Ok()
            assert len(await queue.bodies(alice)) == 1


async def test_a_client_without_the_protocols_name_gets_version_6() -> None:
    async with Relay(config()) as relay:
        client, server = connect_in_memory(bytes(32), alpn=None)
        relay._accept(server)
        hello = decode_server_hello(await client.read_block())
        assert (hello.versions.minimum, hello.versions.maximum) == (6, 6)
        client.write_block(encode_hello(ClientHello(6, relay.address.fingerprint)))
        old = BlockClient(relay.address.fingerprint, client, 6)
        old.session = Session(6, hello.session_id)
        assert await old.ask(Ping()) == Pong()
        queue = await LiveQueue.create(old)
        assert await queue.send(old, b"one") == Ok()
        assert await queue.bodies(old) == [b"one"]


async def test_a_services_certificate_is_refused() -> None:
    async with Relay(config()) as relay:
        client = relay.connect_in_memory()
        await client.read_block()
        key = X25519PrivateKey.generate().public
        hello = ClientHello(16, relay.address.fingerprint, key).encode()
        client.write_block(pad(hello[:-1] + b"1M", BLOCK_SIZE))
        assert unpad(await client.read_block()) == b"EHANDSHAKE BAD_AUTH"
        with pytest.raises(NetworkError):
            await client.read_block()
