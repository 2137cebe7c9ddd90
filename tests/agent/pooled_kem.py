"""Real KEM keys and secrets, but few keys, as making one takes long."""

from __future__ import annotations

import itertools
from functools import cache

from simplex_calls.crypto import KemPrivateKey, SystemKem


@cache
def _pool() -> list[KemPrivateKey]:
    return [KemPrivateKey.generate() for _ in range(5)]


class PooledKem(SystemKem):
    """Gives the same keys in turn."""

    def __init__(self) -> None:
        self._keys = itertools.cycle(_pool())

    def generate(self) -> KemPrivateKey:
        return next(self._keys)
