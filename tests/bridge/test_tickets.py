from __future__ import annotations

import itertools
import re

from simplex_calls.bridge.tickets import PageKind, Ticket, Tickets

CHAT = Ticket(PageKind.CHAT, "websocket")


def numbered(limit: int = 64) -> Tickets:
    numbers = itertools.count()
    return Tickets(lambda size: next(numbers).to_bytes(size, "big"), limit)


def test_secrets_are_256_random_bits() -> None:
    sizes: list[int] = []

    def random(size: int) -> bytes:
        sizes.append(size)
        return b"\xab" * size

    assert re.fullmatch("(ab){32}", Tickets(random).issue(CHAT))
    assert sizes == [32]


def test_a_secret_opens_once() -> None:
    tickets = numbered()
    call = Ticket(PageKind.CALL, "webview", "7")
    secret, other = tickets.issue(call), tickets.issue(CHAT)
    assert tickets.used(secret) is None
    assert tickets.use(secret) == call
    assert tickets.use(secret) is None
    assert tickets.used(secret) == call
    assert tickets.use(other) == CHAT


def test_unknown_secrets_open_nothing() -> None:
    tickets = numbered()
    tickets.issue(CHAT)
    for secret in ("", "0", "\ud800", "f" * 64):
        assert tickets.use(secret) is None
        assert tickets.used(secret) is None


def test_memory_is_bounded() -> None:
    tickets = numbered(3)
    secrets = [tickets.issue(CHAT) for _ in range(4)]
    assert [tickets.use(secret) for secret in secrets] == [None, CHAT, CHAT, CHAT]
    late = tickets.issue(CHAT)
    tickets.use(late)
    assert [tickets.used(secret) for secret in [*secrets, late]] == [None, None, CHAT, CHAT, CHAT]
