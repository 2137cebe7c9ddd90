"""The connection's security code: digits that are the same on both sides unless somebody sits between them.

It is the SHA-256 of the ratchet's associated data (both sides' first X3DH keys), as a decimal number in groups of five
digits; official apps show the same, as text and as the text of a QR code. It changes with the keys, when the ratchet
is started again. Source: the official agent and chat library ("verification code").
"""

from __future__ import annotations

from simplex_calls.agent.ratchet_state import RatchetState
from simplex_calls.crypto import sha256

_GROUP = 5


def security_code(state: RatchetState) -> str:
    """The code of a connection: up to 78 digits in groups of five, the last one shorter."""
    digits = str(int.from_bytes(sha256(state.associated_data), "big"))
    return " ".join(digits[start : start + _GROUP] for start in range(0, len(digits), _GROUP))


def code_digest(code: str) -> bytes:
    """The 32 bytes that a code's digits stand for."""
    return int("".join(code.split())).to_bytes(32, "big")


def is_same_code(one: str, other: str) -> bool:
    """Whether two codes are the same, however they are spaced."""
    return bool(one.strip()) and "".join(one.split()) == "".join(other.split())
