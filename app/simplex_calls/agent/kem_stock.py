"""KEM keys made before they are needed.

A new sntrup761 key pair takes 30 ms, and each turn of a ratchet needs one, just when a message was received. So some
are kept in stock, in memory only, and made anew one at a time while nothing else happens.
"""

from __future__ import annotations

import asyncio
from collections import deque

from simplex_calls.crypto import KemPrivateKey, SystemKem

STOCK = 3
"""How many are kept: setting up a call turns the ratchet about as often in a second."""

PAUSE = 0.25
"""Seconds from the use of a key until the next one is made, and between two."""


class KemStock(SystemKem):
    """The operating system's randomness, with keys in stock while an event loop runs."""

    def __init__(self, *, size: int = STOCK, pause: float = PAUSE) -> None:
        self._size = size
        self._pause = pause
        self._keys: deque[KemPrivateKey] = deque()
        self._refill: asyncio.TimerHandle | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def open(self) -> None:
        """Start to fill the stock; inside the event loop."""
        self._loop = asyncio.get_running_loop()
        self._refill_later()

    def close(self) -> None:
        """Stop, and forget the keys that were not used."""
        self._loop = None
        if self._refill is not None:
            self._refill.cancel()
            self._refill = None
        self._keys.clear()

    def generate(self) -> KemPrivateKey:
        """A private key that nobody else gets."""
        key = self._keys.popleft() if self._keys else super().generate()
        self._refill_later()
        return key

    def _refill_later(self) -> None:
        if self._loop is not None and self._refill is None and len(self._keys) < self._size:
            self._refill = self._loop.call_later(self._pause, self._make_one)

    def _make_one(self) -> None:
        self._refill = None
        self._keys.append(super().generate())
        self._refill_later()
