"""Where the relay's time goes: the parts of one message, from the sender's block to the OK of its ACK, without I/O.

Each of the five blocks has a message of its own here. In a crowd, the small ones share blocks.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable

from simplex_calls.crypto import BoxKey, Ed25519PrivateKey, X25519PrivateKey, sha512
from simplex_calls.relay.core import RelayCore
from simplex_calls.relay.sessions import Outgoing
from simplex_calls.relay.sessions import Session as CoreSession
from simplex_calls.relay.store import Store
from simplex_calls.smp.blocks import BlockCipher
from simplex_calls.smp.commands import Ack, Command, New, QueueMode, Send, SKey, encode_command
from simplex_calls.smp.messages import Ids, Msg, encode_message
from simplex_calls.smp.transmission import (
    AuthorizationKey,
    Session,
    decode_transmission,
    encode_transmission,
    pack_blocks,
    unpack_block,
)

ROUNDS = 800
_PARTS = (
    ("decrypt and unpack 2 blocks", "unpack"),
    ("decode 2 transmissions", "decode"),
    ("verify and carry out SEND, encrypt its message", "SEND"),
    ("verify and carry out ACK", "ACK"),
    ("encode 3 transmissions", "encode"),
    ("pack and encrypt 3 blocks", "pack"),
)


class _Side:
    def __init__(self, core: RelayCore, server_key: X25519PrivateKey, session_id: bytes) -> None:
        own = X25519PrivateKey.generate()
        self.core_session: CoreSession = core.connect(server_key, 18, session_id, own.public)
        cipher = BlockCipher.for_client(session_id, own, server_key.public)
        self.client = Session(18, session_id, server_key.public, cipher)
        self.server = Session(
            18, session_id, server_key.public, BlockCipher.for_server(session_id, server_key, own.public)
        )


class _Round:
    """A relay's core with one queue, and the time that its parts took."""

    def __init__(self) -> None:
        self.core = RelayCore(Store())
        server_key, session_id = X25519PrivateKey.generate(), os.urandom(32)
        self.recipient, self.sender = (_Side(self.core, server_key, session_id) for _ in range(2))
        self.key, self.sender_key = Ed25519PrivateKey.generate(), X25519PrivateKey.generate()
        self.times: dict[str, list[float]] = {part: [] for _, part in _PARTS}
        dh_key = X25519PrivateKey.generate().public
        new = New(self.key.public, dh_key, mode=QueueMode.MESSAGING)
        (made,) = self.step("SEND", self.recipient, new, b"", self.key)
        assert isinstance(made.message, Ids)
        self.ids = made.message
        self.step("SEND", self.sender, SKey(self.sender_key.public), self.ids.sender_id, self.sender_key)

    def step(self, name: str, side: _Side, command: Command, entity_id: bytes, key: AuthorizationKey) -> list[Outgoing]:
        encoded = encode_transmission(side.client, os.urandom(24), entity_id, encode_command(command, 18), key)
        (block,) = pack_blocks([encoded], side.client.cipher)
        outgoing: list[Outgoing] = []
        begun = time.perf_counter()
        (item,) = unpack_block(block, side.server.cipher)
        unpacked = time.perf_counter()
        transmission = decode_transmission(side.server, item)
        decoded = time.perf_counter()
        self.core.handle(side.core_session, transmission, 1.7e9, outgoing)
        handled = time.perf_counter()
        answers = [
            (one.session, encode_transmission(side.server, one.corr_id, one.entity_id, encode_message(one.message, 18)))
            for one in outgoing
        ]
        ready = time.perf_counter()
        for session, answer in answers:
            to = self.sender if session is self.sender.core_session else self.recipient
            pack_blocks([answer], to.server.cipher)
        over = time.perf_counter()
        taken = (unpacked - begun, decoded - unpacked, handled - decoded, ready - handled, over - ready)
        for part, seconds in zip(("unpack", "decode", name, "encode", "pack"), taken, strict=True):
            self.times[part].append(seconds)
        return outgoing

    def message(self, body: bytes) -> None:
        self.recipient.core_session.room = 1
        sent = self.step("SEND", self.sender, Send(body), self.ids.sender_id, self.sender_key)
        (delivered,) = [one.message for one in sent if isinstance(one.message, Msg)]
        self.step("ACK", self.recipient, Ack(delivered.message_id), self.ids.recipient_id, self.key)


def measure_parts() -> str:
    """The tables of docs/benchmarks.md."""
    measured = _Round()
    body = os.urandom(16_000)
    for _ in range(ROUNDS // 10):
        measured.message(body)
    for times in measured.times.values():
        times.clear()
    for _ in range(ROUNDS):
        measured.message(body)
    lines = ["| parts of a message, all blocks by themselves | µs |", "|---|---|"]
    total = 0.0
    for label, part in _PARTS:
        times = measured.times[part]
        each = statistics.median(times) if part in ("SEND", "ACK") else 2 * statistics.median(_pairs(times))
        total += each
        lines.append(f"| {label} | {each * 1e6:.0f} |")
    lines.append(f"| together | {total * 1e6:.0f} |")
    return "\n".join(lines) + "\n\n" + _primitives(body)


def _pairs(times: list[float]) -> list[float]:
    """The mean of the two steps of each message."""
    return [(first + second) / 2 for first, second in zip(times[::2], times[1::2], strict=True)]


def _primitives(body: bytes) -> str:
    box, nonce = BoxKey(os.urandom(32)), os.urandom(24)
    sealed = box.seal(nonce, body)
    key = Ed25519PrivateKey.generate()
    signature, public = key.sign(body[:150]), key.public
    mine, theirs = X25519PrivateKey.generate(), X25519PrivateKey.generate()
    cipher = BlockCipher.for_server(b"", mine, theirs.public)
    works: dict[str, Callable[[], object]] = {
        "encrypt a block: chain of keys, padding, box": lambda: cipher.seal(body),
        "a box of 16,000 bytes, sealed": lambda: box.seal(nonce, body),
        "the same, opened": lambda: box.open(nonce, sealed),
        "verify an Ed25519 signature (ACK)": lambda: public.verify(signature, body[:150]),
        "SHA-512 of 16,000 bytes (SEND)": lambda: sha512(body),
    }
    lines = ["| of which is cryptography | µs |", "|---|---|"]
    for label, work in works.items():
        times = []
        for _ in range(ROUNDS):
            begun = time.perf_counter()
            work()
            times.append(time.perf_counter() - begun)
        lines.append(f"| {label} | {statistics.median(times) * 1e6:.0f} |")
    return "\n".join(lines) + "\n"
