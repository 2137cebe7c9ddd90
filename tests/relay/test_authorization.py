"""Nobody learns from a refusal, or from its time, whether a queue exists."""

from __future__ import annotations

import statistics
import time
from collections import Counter
from collections.abc import Iterator

import pytest

from simplex_calls.crypto import BoxKey, Ed448PrivateKey, Ed448PublicKey, Ed25519PrivateKey, Ed25519PublicKey
from simplex_calls.crypto import X25519PrivateKey as BoxPrivateKey
from simplex_calls.crypto import X25519PublicKey as BoxPublicKey
from simplex_calls.relay.authorization import Verifier
from simplex_calls.smp.commands import Ack, Command, Del, Get, Key, Off, Que, Send, SKey, Sub
from simplex_calls.smp.messages import Ok
from simplex_calls.smp.transmission import AuthorizationKey
from tests.relay.peer import AUTH, Queue, Server

KEYS: list[AuthorizationKey] = [BoxPrivateKey.generate(), Ed25519PrivateKey.generate(), Ed448PrivateKey.generate()]
UNKNOWN = b"\1" * 24


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Counts the expensive operations."""
    counter: Counter[str] = Counter()
    verify_ed25519, verify_ed448 = Ed25519PublicKey.verify, Ed448PublicKey.verify
    open_box, agree = BoxKey.open, BoxKey.agree

    def ed25519(self: Ed25519PublicKey, signature: bytes, message: bytes) -> bool:
        counter[f"Ed25519 {len(message)}"] += 1
        return verify_ed25519(self, signature, message)

    def ed448(self: Ed448PublicKey, signature: bytes, message: bytes) -> bool:
        counter[f"Ed448 {len(message)}"] += 1
        return verify_ed448(self, signature, message)

    def opened(self: BoxKey, nonce: bytes, box: bytes) -> bytes:
        counter["box"] += 1
        return open_box(self, nonce, box)

    def agreed(private: BoxPrivateKey, peer: BoxPublicKey) -> BoxKey:
        counter["exchange"] += 1
        return agree(private, peer)

    monkeypatch.setattr(Ed25519PublicKey, "verify", ed25519)
    monkeypatch.setattr(Ed448PublicKey, "verify", ed448)
    monkeypatch.setattr(BoxKey, "open", opened)
    monkeypatch.setattr(BoxKey, "agree", agreed)
    return counter


def queues(server: Server) -> Iterator[Queue]:
    """Queues with sender's keys of all kinds and without one."""
    alice = server.peer()
    for sender_key in KEYS:
        queue = Queue(alice)
        queue.sender_key = sender_key
        assert queue.ask(alice, Key(sender_key.public)) == Ok()
        yield queue
    yield Queue(alice)
    yield Queue(alice, sender_can_secure=False)
    suspended = Queue(alice)
    suspended.ask(alice, Off())
    yield suspended


@pytest.mark.parametrize("key", KEYS)
def test_a_refusal_costs_the_same_whether_or_not_the_queue_exists(key: AuthorizationKey, work: Counter[str]) -> None:
    server = Server()
    existing = list(queues(server))
    mallory = server.peer()
    stranger: AuthorizationKey = type(key).generate()

    def cost(command: Command, entity_id: bytes) -> Counter[str]:
        work.clear()
        assert mallory.ask(command, entity_id, stranger) == AUTH
        return Counter(work)

    recipients: tuple[Command, ...] = (Sub(), Get(), Ack(b"x" * 24), Off(), Del(), Que(), Key(key.public))
    for command in recipients:
        expected = cost(command, UNKNOWN)
        assert expected
        for queue in existing:
            assert cost(command, queue.recipient_id) == expected
            assert cost(command, queue.sender_id) == expected
    senders: tuple[Command, ...] = (Send(b"message"), SKey(key.public))
    for command in senders:
        expected = cost(command, UNKNOWN)
        assert expected
        for queue in existing:
            assert cost(command, queue.sender_id) == expected
            assert cost(command, queue.recipient_id) == expected


def test_only_a_key_that_proved_itself_is_remembered(work: Counter[str]) -> None:
    server = Server()
    queue = next(queues(server))
    bob, mallory = server.peer(), server.peer()
    work.clear()
    assert queue.send(bob, b"one", signed=True) == Ok()
    once = work["exchange"]
    assert queue.send(bob, b"two", signed=True) == Ok()
    assert work["exchange"] == once + 1  # the client's; the relay's is remembered
    stranger = BoxPrivateKey.generate()
    for _ in range(2):
        before = work["exchange"]
        assert mallory.ask(Send(b"forged"), queue.sender_id, stranger) == AUTH
        assert work["exchange"] == before + 2


def test_the_memory_for_keys_is_bounded() -> None:
    verifier = Verifier(BoxPrivateKey.generate())
    keys = {bytes([n & 0xFF, n >> 8]) + bytes(30): BoxKey(bytes(32)) for n in range(4096)}
    verifier._trusted.update(keys)
    server = Server()
    queue, bob = next(queues(server)), server.peer()
    bob.core_session.verifier._trusted.update(keys)
    assert queue.send(bob, b"one", signed=True) == Ok()
    assert len(bob.core_session.verifier._trusted) == 1


def test_refusals_take_the_same_time() -> None:
    """Measured: medians of many refusals differ by less than a fifth (a leak would be a factor)."""
    server = Server()
    queue = next(queues(server))
    mallory = server.peer()
    stranger = BoxPrivateKey.generate()
    times: dict[bytes, list[float]] = {UNKNOWN: [], queue.sender_id: []}
    for _ in range(150):
        for entity_id, taken in times.items():
            start = time.perf_counter()
            assert mallory.ask(Send(b"message"), entity_id, stranger) == AUTH
            taken.append(time.perf_counter() - start)
    unknown, known = (statistics.median(taken) for taken in times.values())
    assert 0.8 < unknown / known < 1.25


@pytest.mark.parametrize("size", [0, 1, 63, 65, 79, 81, 113, 115, 255])
def test_an_authorization_of_another_size_is_none(size: int) -> None:
    verifier = Verifier(BoxPrivateKey.generate())
    for key in (*(key.public for key in KEYS), None):
        assert not verifier.verify(key, bytes(size), b"authorized", bytes(24))
