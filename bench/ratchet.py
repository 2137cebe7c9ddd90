"""The double ratchet: a message of the usual padded length, in one chain and with a turn of the ratchet each time."""

from __future__ import annotations

import os
import statistics
import time

from simplex_calls.agent.ratchet import RatchetState, SkippedKeys, decrypt, encrypt, init_receiving, init_sending
from simplex_calls.agent.versions import AGENT_MESSAGE_LENGTH, E2E_VERSIONS
from simplex_calls.agent.x3dh import E2EPrivateKeys
from simplex_calls.crypto import X448PrivateKey

ROUNDS = 300


def _pair() -> tuple[RatchetState, RatchetState]:
    joiner, initiator = E2EPrivateKeys.generate(os.urandom), E2EPrivateKeys.generate(os.urandom)
    version = E2E_VERSIONS.maximum
    sending = init_sending(joiner, initiator.public_at(version), X448PrivateKey.generate())
    receiving = init_receiving(initiator, joiner.public_at(version))
    return sending, receiving


def _message(sender: RatchetState, receiver: RatchetState) -> tuple[RatchetState, RatchetState, float, float]:
    start = time.perf_counter()
    sender, sealed = encrypt(sender, b"hello", AGENT_MESSAGE_LENGTH)
    middle = time.perf_counter()
    opened = decrypt(receiver, SkippedKeys(), sealed, os.urandom)
    return sender, opened.state, middle - start, time.perf_counter() - middle


def measure_ratchet() -> str:
    rows = ["| message of 15,840 bytes | encrypt, µs | decrypt, µs |", "|---|---|---|"]
    for name, turns in (("next in the same chain", False), ("with a turn of the ratchet", True)):
        sender, receiver = _pair()
        sender, receiver, *_ = _message(sender, receiver)
        taken: list[tuple[float, float]] = []
        for _ in range(ROUNDS):
            if turns:
                sender, receiver = receiver, sender
            sender, receiver, *times = _message(sender, receiver)
            taken.append((times[0], times[1]))
        medians = [statistics.median(column) * 1e6 for column in zip(*taken, strict=True)]
        rows.append(f"| {name} | {medians[0]:.0f} | {medians[1]:.0f} |")
    return "\n".join(rows)
