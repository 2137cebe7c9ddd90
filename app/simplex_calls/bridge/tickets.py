"""One-time secrets: tokens in the addresses of pages, and what pages begin their sessions with. Pure."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

SECRET_SIZE = 32
MAX_TICKETS = 64
"""Most tickets that are open at a time, and most used ones that are remembered; the oldest are forgotten."""


class PageKind(Enum):
    """What a page is for."""

    CHAT = "chat"
    CALL = "call"


@dataclass(frozen=True, slots=True)
class Ticket:
    """What a secret opens."""

    kind: PageKind
    transport: str
    call_id: str | None = None


class Tickets:
    """Secrets that open something once. ``random(n)`` gives n random bytes."""

    def __init__(self, random: Callable[[int], bytes], limit: int = MAX_TICKETS) -> None:
        self._random = random
        self._limit = limit
        # by hash: how long a look-up takes says nothing of the secrets
        self._open: OrderedDict[bytes, Ticket] = OrderedDict()
        self._used: OrderedDict[bytes, Ticket] = OrderedDict()

    def issue(self, ticket: Ticket) -> str:
        """A new secret, of 64 hexadecimal digits."""
        secret = self._random(SECRET_SIZE).hex()
        self._put(self._open, secret, ticket)
        return secret

    def use(self, secret: str) -> Ticket | None:
        """What the secret opens; ``None`` if nothing (any more)."""
        ticket = self._open.pop(_key(secret), None)
        if ticket is not None:
            self._put(self._used, secret, ticket)
        return ticket

    def used(self, secret: str) -> Ticket | None:
        """What a used secret opened, as far as that is remembered."""
        return self._used.get(_key(secret))

    def _put(self, tickets: OrderedDict[bytes, Ticket], secret: str, ticket: Ticket) -> None:
        tickets[_key(secret)] = ticket
        while len(tickets) > self._limit:
            tickets.popitem(last=False)


def _key(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "replace")).digest()
