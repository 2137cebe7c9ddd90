"""Queues and messages as the relay keeps them in memory."""

from __future__ import annotations

from dataclasses import dataclass, field

from simplex_calls.crypto import BoxKey, PublicKey
from simplex_calls.smp.commands import QueueMode


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """A message in a queue, without its body. ``number`` orders all messages of the relay."""

    number: int
    message_id: bytes = field(repr=False)
    time: int
    """When the relay accepted it, seconds since 1970."""
    is_quota: bool = False
    """The marker that tells the recipient that the queue was full; it has no body."""


@dataclass(frozen=True, slots=True)
class Notifier:
    """Who may subscribe to the notifications of a queue, and the key that they are encrypted with."""

    notifier_id: bytes = field(repr=False)
    key: PublicKey = field(repr=False)
    box: BoxKey = field(repr=False)


@dataclass(slots=True, eq=False)
class Queue:
    """A queue as the relay keeps it in memory; its messages in the order of their arrival."""

    number: int
    recipient_id: bytes = field(repr=False)
    sender_id: bytes = field(repr=False)
    recipient_key: PublicKey = field(repr=False)
    box: BoxKey = field(repr=False)
    mode: QueueMode | None
    """What it is for; None if the client that made it was too old to say."""
    sender_key: PublicKey | None = field(default=None, repr=False)
    suspended_at: int | None = None
    link_id: bytes | None = field(default=None, repr=False)
    """Of its short link, whose data is in the store."""
    link_size: int = 0
    """Bytes of that data."""
    notifier: Notifier | None = field(default=None, repr=False)
    messages: list[StoredMessage] = field(default_factory=list, repr=False)
    """Few, so no deque: an empty one takes ten times as much."""
