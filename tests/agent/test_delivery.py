from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from simplex_calls.agent.delivery import DeliveryConfig, Outcome, Pause, judge
from simplex_calls.agent.events import ConnectionFailed, FailureReason, MessageFailed
from simplex_calls.smp.errors import (
    BrokerError,
    CommandFault,
    ErrorCode,
    LargeMessageError,
    NetworkError,
    ServerError,
    ServerIdentityError,
    SMPError,
)
from tests.agent.fake_network import FakeServers
from tests.agent.peers import SERVER, Person, connect, until


def broker(code: ErrorCode) -> BrokerError:
    return BrokerError(ServerError(code))


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (NetworkError("x"), Outcome.RETRY),
        (ServerIdentityError("x"), Outcome.RETRY),
        (broker(ErrorCode.INTERNAL), Outcome.RETRY),
        (broker(ErrorCode.SESSION), Outcome.RETRY),
        (broker(ErrorCode.QUOTA), Outcome.FULL),
        (broker(ErrorCode.AUTH), Outcome.GONE),
        (broker(ErrorCode.LARGE_MSG), Outcome.TOO_LARGE),
        (LargeMessageError("x"), Outcome.TOO_LARGE),
        (BrokerError(ServerError.cmd(CommandFault.SYNTAX)), Outcome.REFUSED),
    ],
)
def test_what_an_error_means(error: SMPError, outcome: Outcome) -> None:
    assert judge(error) is outcome


def no_waiting(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Let all pauses end at once, and list how long they would have been."""
    lengths: list[float] = []
    real = asyncio.timeout

    def timeout(length: float) -> asyncio.Timeout:
        lengths.append(length)
        return real(0)

    monkeypatch.setattr(asyncio, "timeout", timeout)
    return lengths


async def test_pauses_grow_to_their_limit_and_start_again(monkeypatch: pytest.MonkeyPatch) -> None:
    lengths = no_waiting(monkeypatch)
    pause = Pause(2, 9, 1.5, lambda size: b"\x80" + bytes(size - 1))
    wake = asyncio.Event()
    for _ in range(5):
        await pause.wait(wake)
    assert lengths == [2, 3, 4.5, 6.75, 9]
    wake.set()
    assert await pause.wait(wake)
    assert not wake.is_set()
    assert not await pause.wait(wake)
    assert lengths[-1] == 9
    pause.reset()
    await pause.wait(wake)
    assert lengths[-1] == 2


@pytest.mark.parametrize(("random", "expected"), [(b"\0\0", 0.75), (b"\xff\xff", 1.25)])
async def test_pauses_are_jittered(random: bytes, expected: float, monkeypatch: pytest.MonkeyPatch) -> None:
    lengths = no_waiting(monkeypatch)
    await Pause(1, 1, 1, lambda _: random).wait(asyncio.Event())
    assert lengths == [pytest.approx(expected, abs=0.001)]


async def test_a_server_that_drops_the_connection_at_every_message(person: Callable[..., Person], bob: Person) -> None:
    alice = person("alice", delivery=DeliveryConfig(first_pause=3600, longest_pause=3600))
    await alice.start()
    await connect(alice, bob)
    attempts = 0

    async def drop(*_: object, **__: object) -> None:
        nonlocal attempts
        attempts += 1
        alice.agent.connected(SERVER)  # made for this very message
        raise NetworkError("connection was lost")

    send = alice.network.send
    alice.network.send = drop  # type: ignore[method-assign]
    alice.send(b"patience")
    await until(lambda: attempts > 0)
    for _ in range(100):
        await asyncio.sleep(0)
    assert attempts == 1
    alice.network.send = send  # type: ignore[method-assign]
    alice.agent.connected(SERVER)
    await until(lambda: bob.received == [b"patience"])


async def test_a_message_that_is_refused_does_not_stop_the_next(alice: Person, bob: Person) -> None:
    await connect(alice, bob)
    send = alice.network.send
    errors = [
        broker(ErrorCode.LARGE_MSG),
        BrokerError(ServerError.cmd(CommandFault.SYNTAX)),
        broker(ErrorCode.INTERNAL),
    ]

    async def refuse(*arguments: object, **more: object) -> None:
        if errors:
            raise errors.pop(0)
        await send(*arguments, **more)  # type: ignore[arg-type]

    alice.network.send = refuse  # type: ignore[method-assign]
    numbers = [alice.send(body) for body in (b"large", b"odd", b"fine")]
    await until(lambda: bob.received == [b"fine"])
    await until(lambda: alice.outbox_empty)
    assert MessageFailed(alice.contact, numbers[0], FailureReason.TOO_LARGE) in alice.events
    assert MessageFailed(alice.contact, numbers[1], FailureReason.REFUSED) in alice.events
    assert not any(isinstance(event, ConnectionFailed) for event in alice.events)


async def test_a_gone_queue_fails_all_that_waits_for_it(alice: Person, bob: Person, servers: FakeServers) -> None:
    await connect(alice, bob)
    servers.down = True
    numbers = [alice.send(b"%d" % number) for number in range(3)]
    await bob.agent.delete_connection(bob.contact)
    servers.delete(next(queue.recipient_id for queue in servers.queues.values() if queue.subscriber is bob.network))
    servers.down = False
    await until(lambda: any(isinstance(event, ConnectionFailed) for event in alice.events))
    assert alice.events[-4:] == [
        MessageFailed(alice.contact, numbers[0], FailureReason.QUEUE_GONE),
        MessageFailed(alice.contact, numbers[1], FailureReason.CONNECTION),
        MessageFailed(alice.contact, numbers[2], FailureReason.CONNECTION),
        ConnectionFailed(alice.contact, FailureReason.QUEUE_GONE),
    ]
    await until(lambda: alice.outbox_empty)


async def test_a_handshake_that_is_refused_fails_the_connection(
    alice: Person, bob: Person, servers: FakeServers
) -> None:
    link = await alice.invite()
    servers.quota = 0
    await bob.join(link)
    (queue,) = (queue for queue in servers.queues.values() if queue.subscriber is alice.network)
    await until(lambda: queue.full)
    servers.delete(queue.recipient_id)
    bob.network.go_offline()
    await bob.restart()
    await until(lambda: ConnectionFailed(bob.contact, FailureReason.QUEUE_GONE) in bob.events)


async def test_a_reconnection_cuts_pauses_short(servers: FakeServers, person: Callable[..., Person]) -> None:
    slow = DeliveryConfig(first_pause=3600, longest_pause=3600)
    alice, bob = person("alice", delivery=slow), person("bob", delivery=slow)
    await alice.start()
    await bob.start()
    await connect(alice, bob)
    alice.network.go_offline()
    alice.send(b"soon")
    for _ in range(50):
        await asyncio.sleep(0)
    assert bob.received == []
    alice.network.go_online()
    await until(lambda: bob.received == [b"soon"])


async def test_deletions_of_unknown_or_ancient_queues_are_given_up(
    alice: Person, bob: Person, servers: FakeServers
) -> None:
    await connect(alice, bob)
    servers.queues.clear()
    await alice.agent.delete_connection(alice.contact)
    await until(lambda: alice.outbox_empty)
    servers.down = True
    await bob.agent.delete_connection(bob.contact)
    bob.now += 31 * 86_400
    await until(lambda: bob.outbox_empty)


async def test_nothing_is_lost_if_the_worker_is_stopped_at_any_turn(person: Callable[..., Person]) -> None:
    alice, bob = person("alice"), person("bob")
    await alice.start()
    await bob.start()
    await connect(alice, bob)
    for turns in range(8):
        alice.send(b"%d" % turns)
        for _ in range(turns):
            await asyncio.sleep(0)
        await alice.restart()
    await until(lambda: bob.received == [b"%d" % turns for turns in range(8)])
    await until(lambda: alice.undelivered == 0)
    assert alice.agent._store.outbox.queues() == []
