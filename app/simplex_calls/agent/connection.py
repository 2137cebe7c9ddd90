"""The states of a connection: one table of transitions, pure.

Two agents connect in one of two ways (agent-protocol.md, "Duplex connection procedure" and "Fast duplex connection
procedure"). Where the sender can secure a queue by itself, its confirmation completes that direction; where the
recipient must secure it with a key from the confirmation, HELLO messages prove that both did. Directions may differ,
so every path of the table ends in ``CONNECTED``. What an event does not find in the table is not allowed then: it is
reported and changes nothing.

Contact addresses turn the roles: who uses one sends an invitation, and whose address it is joins by that.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class ConnectionState(Enum):
    """Where a connection stands."""

    INVITED = "invited"
    """Our link waits for somebody to use it."""
    CONFIRMED = "confirmed"
    """The peer's confirmation came; the floor above must allow it."""
    ALLOWED = "allowed"
    """Our confirmation is on its way to the peer."""
    ASKED = "asked"
    """We sent an invitation to somebody's contact address: its owner may use it."""
    JOINED = "joined"
    """We used the peer's link: our confirmation is on its way, theirs must come."""
    GREETING = "greeting"
    """We created the link; our HELLO, the answer to theirs, is on its way."""
    GREETED = "greeted"
    """We joined; our HELLO is on its way, theirs must come."""
    CONNECTED = "connected"
    ADDRESS = "address"
    """Not a connection to anybody: a contact address of ours, where others ask."""
    FAILED = "failed"
    """The way to the peer is gone."""


class ConnectionEvent(Enum):
    """What can happen to a connection."""

    CONFIRMATION = "their confirmation came (to our link)"
    REQUEST = "somebody asks through our address"
    ALLOW = "the floor above allows it"
    CONFIRMATION_SENT = "our confirmation is sent; the peer must secure its queue"
    CONFIRMATION_SENT_SECURED = "our confirmation is sent to a queue that we secured"
    INFO = "their confirmation came (to our join); they secured our queue"
    INFO_WITH_KEY = "their confirmation came (to our join); we must secure our queue"
    HELLO = "their HELLO came"
    HELLO_SENT = "our HELLO is sent"
    MESSAGE = "a message came"
    SEND = "a message is to be sent"
    FAIL = "the queue is gone"


class ConnectionAction(Enum):
    """What a transition asks the agent to do, in this order, in the same transaction."""

    REPORT_REQUEST = "report the request"
    REPORT_CONFIRMATION = "report their info and ask"
    REPORT_INFO = "report their info"
    REPORT_CONNECTED = "report that messages can go"
    REPORT_FAILED = "report the failure"
    SECURE_OWN_QUEUE = "secure our queue with their key"
    SECURE_THEIR_QUEUE = "secure their queue with our key"
    QUEUE_CONFIRMATION = "put our confirmation into the outbox"
    QUEUE_HELLO = "put HELLO into the outbox"
    QUEUE_MESSAGE = "put the message into the outbox"
    DELIVER = "hand the message over"


@dataclass(frozen=True, slots=True)
class Transition:
    """The state that follows, and what to do."""

    state: ConnectionState
    actions: tuple[ConnectionAction, ...] = ()


_S, _E, _A = ConnectionState, ConnectionEvent, ConnectionAction

TRANSITIONS: dict[tuple[ConnectionState, ConnectionEvent], Transition] = {
    # an address, which stays one
    (_S.ADDRESS, _E.REQUEST): Transition(_S.ADDRESS, (_A.REPORT_REQUEST,)),
    (_S.ADDRESS, _E.FAIL): Transition(_S.ADDRESS, (_A.REPORT_FAILED,)),
    # the side that created the link, or sent one to an address
    (_S.ASKED, _E.CONFIRMATION): Transition(_S.CONFIRMED, (_A.REPORT_CONFIRMATION,)),
    (_S.INVITED, _E.CONFIRMATION): Transition(_S.CONFIRMED, (_A.REPORT_CONFIRMATION,)),
    (_S.CONFIRMED, _E.ALLOW): Transition(
        _S.ALLOWED, (_A.SECURE_OWN_QUEUE, _A.SECURE_THEIR_QUEUE, _A.QUEUE_CONFIRMATION)
    ),
    # a peer that secured our queue may write before we allow it (agent version 7)
    (_S.CONFIRMED, _E.MESSAGE): Transition(_S.CONFIRMED, (_A.DELIVER,)),
    (_S.ALLOWED, _E.MESSAGE): Transition(_S.ALLOWED, (_A.DELIVER,)),
    (_S.ALLOWED, _E.CONFIRMATION_SENT_SECURED): Transition(_S.CONNECTED, (_A.REPORT_CONNECTED,)),
    (_S.ALLOWED, _E.CONFIRMATION_SENT): Transition(_S.ALLOWED),
    (_S.ALLOWED, _E.HELLO): Transition(_S.GREETING, (_A.QUEUE_HELLO,)),
    # HELLO may overtake the server's answer to our confirmation
    (_S.GREETING, _E.CONFIRMATION_SENT_SECURED): Transition(_S.CONNECTED, (_A.REPORT_CONNECTED,)),
    (_S.GREETING, _E.CONFIRMATION_SENT): Transition(_S.GREETING),
    (_S.GREETING, _E.HELLO): Transition(_S.GREETING),
    (_S.GREETING, _E.MESSAGE): Transition(_S.GREETING, (_A.DELIVER,)),
    (_S.GREETING, _E.HELLO_SENT): Transition(_S.CONNECTED, (_A.REPORT_CONNECTED,)),
    # the side that used the link
    (_S.JOINED, _E.CONFIRMATION_SENT_SECURED): Transition(_S.JOINED),
    (_S.JOINED, _E.CONFIRMATION_SENT): Transition(_S.JOINED),
    (_S.JOINED, _E.INFO): Transition(_S.CONNECTED, (_A.REPORT_INFO, _A.REPORT_CONNECTED)),
    (_S.JOINED, _E.INFO_WITH_KEY): Transition(_S.GREETED, (_A.REPORT_INFO, _A.SECURE_OWN_QUEUE, _A.QUEUE_HELLO)),
    (_S.GREETED, _E.CONFIRMATION_SENT_SECURED): Transition(_S.GREETED),
    (_S.GREETED, _E.CONFIRMATION_SENT): Transition(_S.GREETED),
    (_S.GREETED, _E.HELLO_SENT): Transition(_S.GREETED),
    (_S.GREETED, _E.MESSAGE): Transition(_S.GREETED, (_A.DELIVER,)),
    (_S.GREETED, _E.HELLO): Transition(_S.CONNECTED, (_A.REPORT_CONNECTED,)),
    # both
    (_S.CONNECTED, _E.SEND): Transition(_S.CONNECTED, (_A.QUEUE_MESSAGE,)),
    (_S.CONNECTED, _E.MESSAGE): Transition(_S.CONNECTED, (_A.DELIVER,)),
    (_S.CONNECTED, _E.HELLO): Transition(_S.CONNECTED),
    (_S.CONNECTED, _E.HELLO_SENT): Transition(_S.CONNECTED),
    (_S.CONNECTED, _E.CONFIRMATION_SENT): Transition(_S.CONNECTED),
    (_S.CONNECTED, _E.CONFIRMATION_SENT_SECURED): Transition(_S.CONNECTED),
    # what we receive is delivered even if we can send no more
    (_S.FAILED, _E.MESSAGE): Transition(_S.FAILED, (_A.DELIVER,)),
    (_S.FAILED, _E.HELLO): Transition(_S.FAILED),
    **{
        (state, _E.FAIL): Transition(_S.FAILED, (_A.REPORT_FAILED,))
        for state in ConnectionState
        if state not in (ConnectionState.FAILED, ConnectionState.ADDRESS)
    },
}


def transition(state: ConnectionState, event: ConnectionEvent) -> Transition | None:
    """What ``event`` does in ``state``; ``None``: it is not allowed there."""
    return TRANSITIONS.get((state, event))
