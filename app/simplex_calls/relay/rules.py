"""Who may do what with a queue: the conditions that depend on its state alone.

Source: simplex-messaging.md, "SMP commands", and what servers of version 18 do: a queue of a client that did not say
what it is for is a contact's until it is secured.
"""

from __future__ import annotations

from simplex_calls.crypto import PublicKey
from simplex_calls.relay.records import Queue
from simplex_calls.smp.commands import QueueMode


def is_contact(queue: Queue) -> bool:
    """Whether anybody may get the data of its short link."""
    return queue.mode is QueueMode.CONTACT or (queue.mode is None and queue.sender_key is None)


def is_secured_messaging(queue: Queue) -> bool:
    """Whether its one sender is there, so that its link has done its work."""
    return queue.mode is not QueueMode.CONTACT and queue.sender_key is not None


def may_secure(queue: Queue | None, key: PublicKey) -> bool:
    """Whether a sender may set ``key`` itself; again with the same key, if the answer was lost."""
    return queue is not None and queue.mode is QueueMode.MESSAGING and queue.sender_key in (None, key)
