"""The states of a ratchet's synchronization: one table of transitions, pure.

When what comes cannot be decrypted, both sides send each other new keys and start the ratchet again. The peer may do
so at any time. Sources: agent-protocol.md ("Ratchet synchronization"), and the official agent for which failure means
what. What an event does not find in the table changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from simplex_calls.agent.events import RatchetSync
from simplex_calls.agent.ratchet import (
    DuplicateMessageError,
    EarlierMessageError,
    HeaderError,
    MessageError,
    RatchetError,
    TooManySkippedError,
)


class SyncEvent(Enum):
    """What can happen to the ratchet's synchronization."""

    BODY_FAILED = "a message's body was not decrypted, or its key is used up"
    """Others may be fine."""
    CHAIN_FAILED = "a message is of no chain known here, or too far ahead"
    """Nothing that follows will be fine."""
    DECRYPTED = "a message was decrypted"
    ASK = "the user asks for new keys"
    FORCE = "the user insists on new keys"
    THEIR_KEYS = "their new keys came"


class SyncAction(Enum):
    """What a transition asks for, in this order, in the same transaction."""

    SEND_KEYS = "send new keys"
    START_RATCHET = "start the ratchet again"
    REPORT = "report the state"


@dataclass(frozen=True, slots=True)
class SyncStep:
    """The state that follows, and what to do."""

    state: RatchetSync
    actions: tuple[SyncAction, ...] = ()


_S, _E, _A = RatchetSync, SyncEvent, SyncAction

SYNC_TRANSITIONS: dict[tuple[RatchetSync, SyncEvent], SyncStep] = {
    (_S.OK, _E.BODY_FAILED): SyncStep(_S.ALLOWED, (_A.REPORT,)),
    (_S.OK, _E.CHAIN_FAILED): SyncStep(_S.REQUIRED, (_A.REPORT,)),
    (_S.ALLOWED, _E.CHAIN_FAILED): SyncStep(_S.REQUIRED, (_A.REPORT,)),
    **{
        (state, _E.DECRYPTED): SyncStep(_S.OK, (_A.REPORT,))
        # while our keys are on their way, what the peer sent before it got them is still read
        for state in (_S.ALLOWED, _S.REQUIRED, _S.AGREED)
    },
    **{
        (state, _E.ASK): SyncStep(_S.STARTED, (_A.SEND_KEYS, _A.REPORT))  # as the user sees that something is wrong
        for state in (_S.ALLOWED, _S.REQUIRED)
    },
    **{(state, _E.FORCE): SyncStep(_S.STARTED, (_A.SEND_KEYS, _A.REPORT)) for state in RatchetSync},
    **{
        (state, _E.THEIR_KEYS): SyncStep(_S.AGREED, (_A.SEND_KEYS, _A.START_RATCHET, _A.REPORT))
        # even when keys were agreed just now: the peer would wait for an answer for good
        for state in (_S.OK, _S.ALLOWED, _S.REQUIRED, _S.AGREED)
    },
    # theirs are the answer to ours, or both sides asked at once
    (_S.STARTED, _E.THEIR_KEYS): SyncStep(_S.AGREED, (_A.START_RATCHET, _A.REPORT)),
}


def sync_step(state: RatchetSync, event: SyncEvent) -> SyncStep | None:
    """What ``event`` does in ``state``; ``None``: nothing."""
    return SYNC_TRANSITIONS.get((state, event))


def judge_failure(error: RatchetError) -> SyncEvent | None:
    """What a message that was not decrypted says about the ratchet; ``None``: nothing."""
    match error:
        case DuplicateMessageError():
            return None
        case HeaderError() | TooManySkippedError():
            return SyncEvent.CHAIN_FAILED
        case MessageError() | EarlierMessageError():
            return SyncEvent.BODY_FAILED
    return None
