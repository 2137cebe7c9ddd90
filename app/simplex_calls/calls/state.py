"""The table of a call's states, for both sides. Pure; every transition of a call is here and nowhere else.

The **caller** dials, asks its page what it can do, sends the invitation, takes the other side's offer and answers it.
The **called** side rings, accepts, lets its page make the offer and takes the answer. Then both connect. (SimpleX RFC
"2022-04-20 video calls": the called side makes the WebRTC offer.)

What is not in the table does not happen: the event is ignored and logged by name. ``python -m
simplex_calls.calls.diagram`` draws the table.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType


class CallState(Enum):
    """Where a call is. ``NEW`` is the moment before it exists."""

    NEW = "new"
    # the caller's side
    DIALLING = "dialling"
    """The user called; there is no page yet."""
    PREPARING = "preparing"
    """The page was asked for its microphone, camera and encryption."""
    CONSENTING_TO_CALL = "consenting to call"
    """Our page cannot encrypt frames: the user is asked before the invitation leaves."""
    CALLING = "calling"
    """The invitation was sent; the other side rings."""
    CONSENTING_TO_ANSWER = "consenting to answer"
    """The other side accepted, and its app does not encrypt frames: the user is asked before our page answers."""
    ANSWERING = "answering"
    """The other side accepted; our page answers its offer."""
    # the called side
    RINGING = "ringing"
    WAITING = "waiting"
    """Ringing while another call is active: shown, to accept or reject."""
    ACCEPTED = "accepted"
    """The user accepted; there is no page yet."""
    OFFERING = "offering"
    """The page makes its offer."""
    OFFERED = "offered"
    """The offer was sent; the caller's page answers."""
    # both called each other: ours gives way, or comes back
    YIELDING = "yielding"
    """Ours gave way to theirs while our page was still preparing."""
    RETURNING = "returning"
    """The other side took our invitation, not theirs: our page starts over as the caller's."""
    # both sides
    CONNECTING = "connecting"
    CONNECTED = "connected"
    RECONNECTING = "reconnecting"
    """It was connected; the pages look for a new way to each other."""
    ENDED = "ended"


class CallEvent(Enum):
    """What can happen to a call."""

    # the user
    DIAL = "dial"
    ACCEPT = "accept"
    REJECT = "reject"
    HANG_UP = "hang up"
    CONSENT = "consent to a call without frame encryption"
    # the other side
    INVITATION = "invitation"
    INVITATION_WHILE_ENGAGED = "invitation while engaged"
    INVITATION_TOO_OLD = "invitation too old"
    INVITATION_TOO_MANY = "one invitation too many"
    INVITATION_REPLACED = "newer invitation of the same contact"
    INVITATION_WINS = "their invitation wins over ours"
    OFFER = "offer"
    UNENCRYPTED_OFFER = "offer without frame encryption"
    OFFER_TO_YIELDED = "offer to our earlier invitation"
    ANSWER = "answer"
    EXTRA = "extra candidates"
    PEER_RESTART = "restart of ICE"
    PEER_END = "end"
    # the page
    PAGE_ATTACHED = "page attached"
    PAGE_CAPABILITIES = "page: capabilities"
    PAGE_UNABLE_TO_ENCRYPT = "page: capabilities without frame encryption"
    PAGE_OFFER = "page: offer"
    PAGE_ANSWER = "page: answer"
    PAGE_CANDIDATES = "page: candidates"
    PAGE_CONNECTED = "page: connected"
    PAGE_AWAY = "page: no connection for now"
    PAGE_RESTART = "page: restart of ICE"
    PAGE_LOST_CONNECTION = "page: connection lost"
    PAGE_CLOSED = "page closed"
    # this program
    LINE_TAKEN = "another call becomes active"
    LINE_FREE = "the other call ends"
    FAILURE = "failure"
    TIMEOUT = "timeout"
    RESTART = "restart of the program"


class Action(Enum):
    """What a transition does, in order."""

    WANT_PAGE = "ask for a page"
    ASK_CAPABILITIES = "ask the page for capabilities"
    PAGE_START = "let the page make an offer"
    PAGE_TAKE_OFFER = "give the offer to the page"
    PAGE_TAKE_ANSWER = "give the answer to the page"
    PAGE_TAKE_CANDIDATES = "give candidates to the page"
    PAGE_TAKE_RESTART = "give the restart of ICE to the page"
    PAGE_END = "end the page"
    SEND_INVITATION = "send the invitation"
    SEND_OFFER = "send the offer"
    SEND_ANSWER = "send the answer"
    SEND_CANDIDATES = "send candidates"
    SEND_RESTART = "send the restart of ICE"
    SEND_END = "send the end"
    HOLD_CANDIDATES = "hold our candidates back"
    HOLD_EXTRA = "hold their candidates back"
    RELEASE_CANDIDATES = "send the candidates held back"
    RELEASE_EXTRA = "give the candidates held back to the page"


class EndReason(Enum):
    """Why a call ended."""

    ENDED = "ended"
    """Somebody hung up."""
    DECLINED = "declined"
    NO_ANSWER = "no answer"
    UNREACHABLE = "unreachable"
    """No answer, and the other side's program is not known to have got the call; only views say so."""
    MISSED = "missed"
    BUSY = "busy"
    """It came while another call was active, and was not taken."""
    LOST = "connection lost"
    """It was connected, and the two sides did not find each other again."""
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Transition:
    """Where an event leads: the next state, what to do, and for :attr:`CallState.ENDED` why."""

    state: CallState
    actions: tuple[Action, ...] = ()
    reason: EndReason | None = None


@dataclass(frozen=True, slots=True)
class Clock:
    """How long a state may last, in seconds. States with the same clock share their time."""

    name: str
    seconds: float


RING_SECONDS = 60.0
"""How long a call rings, on either side."""

INVITATION_SECONDS = 180.0
"""An invitation that took longer than this to arrive is a missed call and does not ring."""

_RING = Clock("ring", RING_SECONDS)

CLOCKS = MappingProxyType(
    {
        CallState.DIALLING: Clock("page", 60),
        CallState.ACCEPTED: Clock("page", 60),
        # somebody has to find and press the browser's "allow", or looks at the preview; nobody waits for it yet
        CallState.PREPARING: Clock("permission", 600),
        CallState.YIELDING: Clock("permission", 120),
        CallState.CONSENTING_TO_CALL: Clock("consent", 60),
        CallState.CALLING: Clock("answer", RING_SECONDS),
        CallState.CONSENTING_TO_ANSWER: Clock("consent", 60),
        CallState.RINGING: _RING,
        CallState.WAITING: _RING,
        CallState.OFFERING: Clock("offer", 120),
        CallState.OFFERED: Clock("offered", 60),
        CallState.RETURNING: Clock("answering", 120),
        CallState.ANSWERING: Clock("answering", 120),
        CallState.CONNECTING: Clock("connect", 60),
        # our page gives up after a minute and says so; one that does not must not stay for ever
        CallState.RECONNECTING: Clock("reconnect", 65),
    }
)
"""What :attr:`CallEvent.TIMEOUT` is measured by; a state that is not here may last for ever."""

CONSENTING_STATES = frozenset({CallState.CONSENTING_TO_CALL, CallState.CONSENTING_TO_ANSWER})
"""Here nothing goes on before the user has said yes to a call without frame encryption."""
RINGING_STATES = frozenset({CallState.RINGING, CallState.WAITING})
ACTIVE_STATES = frozenset(CallState) - RINGING_STATES - {CallState.NEW, CallState.ENDED}
"""A call in one of these has the line: there is at most one."""

_Table = dict[tuple[CallState, CallEvent], Transition]


def _ends(
    states: Iterable[CallState], events: Iterable[CallEvent], reason: EndReason, *actions: Action
) -> Iterable[tuple[tuple[CallState, CallEvent], Transition]]:
    transition = Transition(CallState.ENDED, actions, reason)
    return [((state, event), transition) for state in states for event in events]


def _stays(
    states: Iterable[CallState], event: CallEvent, *actions: Action
) -> Iterable[tuple[tuple[CallState, CallEvent], Transition]]:
    return [((state, event), Transition(state, actions)) for state in states]


def _table() -> _Table:
    s, e, a, r = CallState, CallEvent, Action, EndReason
    rows: _Table = {
        # the caller
        (s.NEW, e.DIAL): Transition(s.DIALLING, (a.WANT_PAGE,)),
        (s.DIALLING, e.PAGE_ATTACHED): Transition(s.PREPARING, (a.ASK_CAPABILITIES,)),
        (s.PREPARING, e.PAGE_CAPABILITIES): Transition(s.CALLING, (a.SEND_INVITATION,)),
        (s.PREPARING, e.PAGE_UNABLE_TO_ENCRYPT): Transition(s.CONSENTING_TO_CALL),
        (s.CONSENTING_TO_CALL, e.CONSENT): Transition(s.CALLING, (a.SEND_INVITATION,)),
        (s.CALLING, e.UNENCRYPTED_OFFER): Transition(s.CONSENTING_TO_ANSWER),
        (s.CONSENTING_TO_ANSWER, e.CONSENT): Transition(s.ANSWERING, (a.PAGE_TAKE_OFFER, a.RELEASE_EXTRA)),
        (s.CALLING, e.OFFER): Transition(s.ANSWERING, (a.PAGE_TAKE_OFFER, a.RELEASE_EXTRA)),
        (s.ANSWERING, e.PAGE_ANSWER): Transition(s.CONNECTING, (a.SEND_ANSWER, a.RELEASE_CANDIDATES)),
        # the called side
        (s.NEW, e.INVITATION): Transition(s.RINGING),
        (s.NEW, e.INVITATION_WHILE_ENGAGED): Transition(s.WAITING),
        (s.NEW, e.INVITATION_TOO_OLD): Transition(s.ENDED, (), r.MISSED),
        (s.NEW, e.INVITATION_TOO_MANY): Transition(s.ENDED, (a.SEND_END,), r.BUSY),
        (s.NEW, e.FAILURE): Transition(s.ENDED, (a.SEND_END,), r.FAILED),
        (s.RINGING, e.LINE_TAKEN): Transition(s.WAITING),
        (s.WAITING, e.LINE_FREE): Transition(s.RINGING),
        (s.RINGING, e.ACCEPT): Transition(s.ACCEPTED, (a.WANT_PAGE,)),
        (s.WAITING, e.ACCEPT): Transition(s.ACCEPTED, (a.WANT_PAGE,)),
        (s.ACCEPTED, e.PAGE_ATTACHED): Transition(s.OFFERING, (a.PAGE_START,)),
        (s.OFFERING, e.PAGE_OFFER): Transition(s.OFFERED, (a.SEND_OFFER, a.RELEASE_CANDIDATES)),
        (s.OFFERED, e.ANSWER): Transition(s.CONNECTING, (a.PAGE_TAKE_ANSWER, a.RELEASE_EXTRA)),
        # both called each other: our call goes on as the called side of theirs
        (s.DIALLING, e.INVITATION_WINS): Transition(s.ACCEPTED),
        (s.PREPARING, e.INVITATION_WINS): Transition(s.YIELDING),
        (s.YIELDING, e.PAGE_CAPABILITIES): Transition(s.OFFERING, (a.PAGE_START,)),
        (s.CONSENTING_TO_CALL, e.INVITATION_WINS): Transition(s.OFFERING, (a.PAGE_START,)),
        (s.CALLING, e.INVITATION_WINS): Transition(s.OFFERING, (a.PAGE_START,)),
        # ... unless they take ours after all, as an official app does: it forgets its own when ours arrives
        (s.OFFERING, e.OFFER_TO_YIELDED): Transition(s.RETURNING, (a.ASK_CAPABILITIES,)),
        (s.OFFERED, e.OFFER_TO_YIELDED): Transition(s.RETURNING, (a.ASK_CAPABILITIES,)),
        (s.RETURNING, e.PAGE_CAPABILITIES): Transition(s.ANSWERING, (a.PAGE_TAKE_OFFER, a.RELEASE_EXTRA)),
        # both sides
        (s.CONNECTING, e.PAGE_CONNECTED): Transition(s.CONNECTED),
        (s.CONNECTED, e.PAGE_AWAY): Transition(s.RECONNECTING),
        (s.RECONNECTING, e.PAGE_CONNECTED): Transition(s.CONNECTED),
    }

    live = {s.CONNECTED, s.RECONNECTING}

    # Candidates. The official caller takes ours from our offer on, the official called side from our answer on, and
    # both lose what comes earlier; so ours wait until our page's description has left.
    rows.update(_stays({s.OFFERING, s.ANSWERING}, e.PAGE_CANDIDATES, a.HOLD_CANDIDATES))
    rows.update(_stays({s.OFFERED, s.CONNECTING} | live, e.PAGE_CANDIDATES, a.SEND_CANDIDATES))
    holding = {s.CALLING, s.CONSENTING_TO_ANSWER, s.OFFERING, s.OFFERED, s.RETURNING}
    rows.update(_stays(holding, e.EXTRA, a.HOLD_EXTRA))
    rows.update(_stays({s.ANSWERING, s.CONNECTING} | live, e.EXTRA, a.PAGE_TAKE_CANDIDATES))

    # A new way. The other side's page may have been connected, and lost that again, before ours is.
    rows.update(_stays(live, e.PAGE_RESTART, a.SEND_RESTART))
    rows.update(_stays({s.CONNECTING} | live, e.PEER_RESTART, a.PAGE_TAKE_RESTART))

    # Ends. Before the invitation has left, the other side knows nothing of the call.
    unsent = {s.DIALLING, s.PREPARING}
    rows.update(_ends(unsent, {e.HANG_UP, e.PAGE_CLOSED, e.RESTART}, r.ENDED, a.PAGE_END))
    rows.update(_ends(unsent, {e.FAILURE, e.TIMEOUT, e.PAGE_LOST_CONNECTION}, r.FAILED, a.PAGE_END))

    # no yes is a no, and says why
    rows.update(_ends({s.CONSENTING_TO_CALL}, {e.PAGE_CLOSED, e.RESTART}, r.ENDED, a.PAGE_END))
    refusals = {e.HANG_UP, e.FAILURE, e.TIMEOUT, e.PAGE_LOST_CONNECTION}
    rows.update(_ends({s.CONSENTING_TO_CALL}, refusals, r.FAILED, a.PAGE_END))
    rows.update(_ends({s.CONSENTING_TO_ANSWER}, {e.PEER_END}, r.ENDED, a.PAGE_END))
    rows.update(_ends({s.CONSENTING_TO_ANSWER}, {e.PAGE_CLOSED, e.RESTART}, r.ENDED, a.SEND_END, a.PAGE_END))
    rows.update(_ends({s.CONSENTING_TO_ANSWER}, refusals, r.FAILED, a.SEND_END, a.PAGE_END))

    rows.update(_ends({s.CALLING}, {e.PEER_END}, r.DECLINED, a.PAGE_END))
    rows.update(_ends({s.CALLING}, {e.TIMEOUT}, r.NO_ANSWER, a.SEND_END, a.PAGE_END))

    ringing = {s.RINGING, s.WAITING}
    rows.update(_ends(ringing, {e.REJECT, e.HANG_UP}, r.DECLINED, a.SEND_END))
    rows.update(_ends(ringing, {e.FAILURE}, r.FAILED, a.SEND_END))
    rows.update(_ends(ringing, {e.RESTART}, r.MISSED, a.SEND_END))
    for state, reason in ((s.RINGING, r.MISSED), (s.WAITING, r.BUSY)):
        rows.update(_ends({state}, {e.PEER_END, e.INVITATION_REPLACED}, reason))
        rows.update(_ends({state}, {e.TIMEOUT}, reason, a.SEND_END))

    agreeing = {s.ANSWERING, s.ACCEPTED, s.OFFERING, s.OFFERED, s.YIELDING, s.RETURNING, s.CONNECTING}
    rows.update(_ends(agreeing | {s.CONNECTED}, {e.PEER_END}, r.ENDED, a.PAGE_END))
    # somebody who calls again has given up the call that we are answering; one that connects may be alive
    rows.update(_ends({s.ACCEPTED, s.OFFERING, s.OFFERED}, {e.INVITATION_REPLACED}, r.ENDED, a.PAGE_END))
    rows.update(_ends(agreeing, {e.TIMEOUT}, r.FAILED, a.SEND_END, a.PAGE_END))
    known = agreeing | {s.CALLING} | live
    rows.update(_ends(known, {e.HANG_UP, e.PAGE_CLOSED, e.RESTART}, r.ENDED, a.SEND_END, a.PAGE_END))
    rows.update(_ends(known, {e.FAILURE}, r.FAILED, a.SEND_END, a.PAGE_END))
    rows.update(_ends(known - live, {e.PAGE_LOST_CONNECTION}, r.FAILED, a.SEND_END, a.PAGE_END))
    rows.update(_ends(live, {e.PAGE_LOST_CONNECTION}, r.LOST, a.SEND_END, a.PAGE_END))
    rows.update(_ends({s.RECONNECTING}, {e.TIMEOUT}, r.LOST, a.SEND_END, a.PAGE_END))
    # their minute is over just before ours, or they gave up; and nobody calls who is in a call already
    rows.update(_ends({s.RECONNECTING}, {e.PEER_END, e.INVITATION_REPLACED}, r.LOST, a.PAGE_END))
    return rows


TABLE = MappingProxyType(_table())
"""(state, event) → transition; a pair that is not here is not allowed and changes nothing."""


def transition(state: CallState, event: CallEvent) -> Transition | None:
    """Where ``event`` leads from ``state``; ``None`` if it is not allowed there."""
    return TABLE.get((state, event))
