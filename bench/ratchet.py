"""The double ratchet with and without KEM: messages of the usual padded lengths, and the KEM by itself."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable

from simplex_calls.agent.kem import KemKeys
from simplex_calls.agent.ratchet import RatchetState, SkippedKeys, decrypt, encrypt, init_receiving, init_sending
from simplex_calls.agent.versions import POST_QUANTUM_VERSION, agent_message_length
from simplex_calls.agent.x3dh import E2EPrivateKeys, reply_kem
from simplex_calls.crypto import SystemKem, X448PrivateKey

ROUNDS = 200
_AGENT_VERSION = 7


def _pair(*, pq: bool) -> tuple[RatchetState, RatchetState]:
    version, source = POST_QUANTUM_VERSION, SystemKem()
    initiator = E2EPrivateKeys.generate(os.urandom, KemKeys.propose(source) if pq else None)
    invitation = initiator.public_at(version)
    joiner = E2EPrivateKeys.generate(os.urandom, reply_kem(invitation, source, wanted=pq))
    sending = init_sending(joiner, invitation, X448PrivateKey.generate(), version)
    return sending, init_receiving(initiator, joiner.public_at(version), version, pq=pq)


def _message(sender: RatchetState, receiver: RatchetState) -> tuple[RatchetState, RatchetState, float, float]:
    length = agent_message_length(_AGENT_VERSION, pq=sender.supports_kem)
    start = time.perf_counter()
    sender, sealed = encrypt(sender, b"hello", length)
    middle = time.perf_counter()
    opened = decrypt(receiver, SkippedKeys(), sealed, os.urandom)
    return sender, opened.state, middle - start, time.perf_counter() - middle


def _medians(*, pq: bool, turns: bool) -> tuple[float, float]:
    """Microseconds to encrypt and to decrypt."""
    sender, receiver = _pair(pq=pq)
    sender, receiver, *_ = _message(sender, receiver)
    taken: list[tuple[float, float]] = []
    for _ in range(ROUNDS):
        if turns:
            sender, receiver = receiver, sender
        sender, receiver, *times = _message(sender, receiver)
        taken.append((times[0], times[1]))
    if pq and turns and not sender.is_quantum_resistant:
        raise AssertionError("the ratchet with KEM went on without")
    encrypting, decrypting = (statistics.median(column) * 1e6 for column in zip(*taken, strict=True))
    return encrypting, decrypting


def _median(action: Callable[[], object]) -> float:
    taken = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        action()
        taken.append(time.perf_counter() - start)
    return statistics.median(taken) * 1e6


def measure_ratchet() -> str:
    rows = [
        "| a message that fills its block | encrypt, µs | with KEM, µs | decrypt, µs | with KEM, µs |",
        "|---|---|---|---|---|",
    ]
    for name, turns in (("next in the same chain", False), ("with a turn of the ratchet", True)):
        (encrypting, decrypting), (pq_encrypting, pq_decrypting) = (
            _medians(pq=pq, turns=turns) for pq in (False, True)
        )
        figures = " | ".join(f"{figure:.0f}" for figure in (encrypting, pq_encrypting, decrypting, pq_decrypting))
        rows.append(f"| {name} | {figures} |")
    source = SystemKem()
    key = source.generate()
    secret = source.encapsulate(key.public)
    rows += [
        "",
        "| sntrup761 | µs |",
        "|---|---|",
        f"| new key pair | {_median(source.generate):.0f} |",
        f"| encapsulate | {_median(lambda: source.encapsulate(key.public)):.0f} |",
        f"| decapsulate | {_median(lambda: key.decapsulate(secret.ciphertext)):.0f} |",
    ]
    return "\n".join(rows)
