"""The replacement of a queue by a new one, on both sides: two tables of transitions, pure.

Who receives from a queue makes another one and asks the peer to use it (``QADD``); the peer answers with its key for it
(``QKEY``); when the new queue is secured (``KEY``), the peer is told so (``QUSE``) and sends there from then on, a test
first (``QTEST``). The first message in the new queue ends it: the old one is deleted. Each state is that of the queue
that is replaced. Sources: agent-protocol.md ("Rotating messaging queue"), and the official agent for what may be
aborted. What an event does not find in the table is not allowed then, and changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from simplex_calls.agent.events import SwitchPhase


class RcvRotation(Enum):
    """Where the replacement of a queue that we receive from stands."""

    SETTLED = "settled"
    ADDED = "added"
    """QADD is on its way; the peer's key must come."""
    SECURING = "securing"
    """The new queue is being secured with the peer's key."""
    USED = "used"
    """QUSE is on its way; the first message must come in the new queue."""
    REPLACED = "replaced"
    """The queue is gone."""


class SndRotation(Enum):
    """Where the replacement of a queue that we send to stands."""

    SETTLED = "settled"
    KEYED = "keyed"
    """QKEY is on its way; the peer must secure the new queue."""
    TESTING = "testing"
    """QTEST is on its way, behind all that waited for the old queue."""
    REPLACED = "replaced"
    """The queue is gone."""


class RotationEvent(Enum):
    """What can happen."""

    ASK = "we made another queue"
    THEIR_KEY = "their key for it came"
    SECURED = "the server took their key"
    FIRST_MESSAGE = "a message came in it"
    ABORT = "we want the old one to stay"
    ADD = "they made another queue"
    USE = "they secured it"
    TESTED = "the server took our test"
    FAILED = "the new queue cannot be used"


class RotationAction(Enum):
    """What a transition asks for, in this order, in the same transaction."""

    SEND_ADD = "send QADD"
    SECURE_NEW = "secure the new queue"
    SEND_USE = "send QUSE"
    SEND_KEY = "send QKEY"
    SEND_TEST = "send QTEST in the new queue"
    DELETE_OLD = "delete the old queue"
    DELETE_NEW = "delete the new queue"


@dataclass(frozen=True, slots=True)
class RotationStep:
    """The state that follows, what to do, and what is reported then."""

    state: RcvRotation | SndRotation
    actions: tuple[RotationAction, ...]
    phase: SwitchPhase


_R, _S, _E, _A, _P = RcvRotation, SndRotation, RotationEvent, RotationAction, SwitchPhase

RCV_TRANSITIONS: dict[tuple[RcvRotation, RotationEvent], RotationStep] = {
    (_R.SETTLED, _E.ASK): RotationStep(_R.ADDED, (_A.SEND_ADD,), _P.STARTED),
    (_R.ADDED, _E.THEIR_KEY): RotationStep(_R.SECURING, (_A.SECURE_NEW,), _P.CONFIRMED),
    (_R.ADDED, _E.ABORT): RotationStep(_R.SETTLED, (_A.DELETE_NEW,), _P.ABORTED),
    (_R.ADDED, _E.FAILED): RotationStep(_R.SETTLED, (_A.DELETE_NEW,), _P.ABORTED),
    (_R.SECURING, _E.SECURED): RotationStep(_R.USED, (_A.SEND_USE,), _P.SECURED),
    (_R.SECURING, _E.ABORT): RotationStep(_R.SETTLED, (_A.DELETE_NEW,), _P.ABORTED),
    (_R.SECURING, _E.FAILED): RotationStep(_R.SETTLED, (_A.DELETE_NEW,), _P.ABORTED),
    # from here on the peer may have left the old queue, so it cannot be aborted
    (_R.USED, _E.FAILED): RotationStep(_R.SETTLED, (_A.DELETE_NEW,), _P.ABORTED),
    (_R.USED, _E.FIRST_MESSAGE): RotationStep(_R.REPLACED, (_A.DELETE_OLD,), _P.COMPLETED),
}

SND_TRANSITIONS: dict[tuple[SndRotation, RotationEvent], RotationStep] = {
    (_S.SETTLED, _E.ADD): RotationStep(_S.KEYED, (_A.SEND_KEY,), _P.STARTED),
    # they aborted the one before
    (_S.KEYED, _E.ADD): RotationStep(_S.KEYED, (_A.DELETE_NEW, _A.SEND_KEY), _P.STARTED),
    (_S.KEYED, _E.USE): RotationStep(_S.TESTING, (_A.SEND_TEST,), _P.SECURED),
    (_S.KEYED, _E.FAILED): RotationStep(_S.SETTLED, (_A.DELETE_NEW,), _P.ABORTED),
    (_S.TESTING, _E.TESTED): RotationStep(_S.REPLACED, (_A.DELETE_OLD,), _P.COMPLETED),
    (_S.TESTING, _E.FAILED): RotationStep(_S.SETTLED, (_A.DELETE_NEW,), _P.ABORTED),
}
