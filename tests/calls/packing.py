"""Packed texts (LZ-string) for tests: small ones of any JSON, and ones that expand without end."""

from __future__ import annotations

import json
from collections.abc import Iterator

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"


def _text(numbers: Iterator[tuple[int, int]]) -> str:
    """Numbers, each with its width in bits, as the library writes them."""
    bits = "".join(f"{number:0{width}b}"[::-1] for number, width in numbers)
    bits += "0" * (-len(bits) % 6)
    return "".join(ALPHABET[int(bits[place : place + 6], 2)] for place in range(0, len(bits), 6))


def pack(value: object) -> str:
    """JSON, packed: what the library makes of a call page's ``pack``."""
    text = value if isinstance(value, str) else json.dumps(value)

    def numbers() -> Iterator[tuple[int, int]]:
        # every character anew: valid, if not small
        width = 2
        until_wider = 0
        units = text.encode("utf-16-be", "surrogatepass")
        for place in range(0, len(units), 2):
            unit = int.from_bytes(units[place : place + 2], "big")
            is_long = unit > 0xFF
            yield int(is_long), width
            yield unit, 16 if is_long else 8
            if place == 0:
                width, until_wider = 3, 4
                continue
            # an entry for the character, and one for what it follows
            for _ in range(2):
                until_wider -= 1
                if until_wider == 0:
                    until_wider, width = 1 << width, width + 1
        yield 2, width

    return _text(numbers()) if text else "Q==="


def bomb(codes: int) -> str:
    """So many codes of one character, each one longer than the last: about half of their square in characters."""

    def numbers() -> Iterator[tuple[int, int]]:
        yield 0, 2
        yield ord("a"), 8
        width, until_wider = 3, 4
        for code in range(4, 4 + codes):
            yield code, width
            until_wider -= 1
            if until_wider == 0:
                until_wider, width = 1 << width, width + 1
        yield 2, width

    return _text(numbers())
