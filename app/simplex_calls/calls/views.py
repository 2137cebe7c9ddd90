"""What the floors above see of calls: frozen values and events."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum

from simplex_calls.calls.call import Call, CallFailure, CallProgress
from simplex_calls.calls.page import MediaSource, PageStats
from simplex_calls.calls.state import CallState, EndReason
from simplex_calls.chat.history import CallDetails, CallStatus
from simplex_calls.chat.messages import CallMedia


class CallPhase(Enum):
    """A call's state in the words that a user knows."""

    CALLING = "calling"
    """We called; nobody has answered yet."""
    RINGING = "ringing"
    """Somebody calls us."""
    CONNECTING = "connecting"
    """Accepted; the pages look for a way to each other."""
    CONNECTED = "connected"
    ENDED = "ended"


class Consent(Enum):
    """Whose program cannot encrypt frames, where our user is asked whether the call goes on without that."""

    OURS = "ours"
    THEIRS = "theirs"


class CallDirection(Enum):
    """Who called."""

    OUTGOING = "outgoing"
    INCOMING = "incoming"


_PHASES = {
    CallState.NEW: CallPhase.CALLING,
    CallState.DIALLING: CallPhase.CALLING,
    CallState.PREPARING: CallPhase.CALLING,
    CallState.CONSENTING_TO_CALL: CallPhase.CALLING,
    CallState.CALLING: CallPhase.CALLING,
    CallState.RINGING: CallPhase.RINGING,
    CallState.WAITING: CallPhase.RINGING,
    CallState.CONNECTED: CallPhase.CONNECTED,
    CallState.RECONNECTING: CallPhase.CONNECTED,
    CallState.ENDED: CallPhase.ENDED,
}


_CONSENTS = {CallState.CONSENTING_TO_CALL: Consent.OURS, CallState.CONSENTING_TO_ANSWER: Consent.THEIRS}


def phase_of(state: CallState) -> CallPhase:
    """The user's word for a state."""
    return _PHASES.get(state, CallPhase.CONNECTING)


@dataclass(frozen=True, slots=True)
class CallView:
    """A call as it is now; times are UTC."""

    id: str
    contact_id: int
    contact_name: str = field(repr=False)
    media: CallMedia
    direction: CallDirection
    state: CallPhase
    is_active: bool
    """Whether it has the line; at most one call does. Others ring, or are over."""
    encrypted: bool | None
    """Whether frames are encrypted end to end; ``None`` until both sides have said it."""
    started_at: datetime
    connected_at: datetime | None = None
    ended_at: datetime | None = None
    end_reason: EndReason | None = None
    failure: CallFailure | None = None
    """With ``EndReason.FAILED`` and ``LOST``: what went wrong; ``client.failure.<value>`` is its text."""
    progress: CallProgress = CallProgress.NONE
    """How far our invitation is known to have come."""
    item_id: int | None = None
    """Its entry in the history."""
    has_page: bool = False
    """Whether a page is attached."""
    consent_wanted: Consent | None = None
    """The call waits for our user's yes to going on without frame encryption (``Client.consent``), or for the end."""
    detail: CallState = CallState.NEW
    """The state of the table, for logs and tests."""

    @property
    def duration(self) -> float | None:
        """Seconds from connected to the end, once it is over; ``None`` if it never connected."""
        if self.connected_at is None or self.ended_at is None:
            return None
        return max((self.ended_at - self.connected_at).total_seconds(), 0.0)


@dataclass(frozen=True, slots=True)
class CallChanged:
    """A call began, moved on or ended."""

    call: CallView


@dataclass(frozen=True, slots=True)
class PageWanted:
    """A page must be opened and attached for this call."""

    call_id: str


@dataclass(frozen=True, slots=True)
class CallStats:
    """What the call's page has counted so far; about once a second."""

    call_id: str
    stats: PageStats


@dataclass(frozen=True, slots=True)
class CallMediaChanged:
    """A source went on or off: the other side's (as far as the page can see), or ours."""

    call_id: str
    is_ours: bool
    source: MediaSource
    enabled: bool


@dataclass(frozen=True, slots=True)
class AcceptWanted:
    """A call's page would take another call that rings; the user is to be asked something first."""

    call_id: str


CallsEvent = CallChanged | PageWanted | CallStats | CallMediaChanged | AcceptWanted


def view(call: Call, contact_name: str, item_id: int | None, *, has_page: bool) -> CallView:
    """Make the view of a call."""
    return CallView(
        id=call.id,
        contact_id=call.contact_id,
        contact_name=contact_name,
        media=call.media,
        direction=CallDirection.OUTGOING if call.outgoing else CallDirection.INCOMING,
        state=phase_of(call.state),
        is_active=call.is_active,
        encrypted=call.encrypted,
        started_at=_moment(call.started_at),
        connected_at=_moment(call.connected_at) if call.connected_at is not None else None,
        ended_at=_moment(call.ended_at) if call.ended_at is not None else None,
        end_reason=call.reason,
        failure=call.failure,
        progress=call.progress,
        item_id=item_id,
        has_page=has_page,
        consent_wanted=_CONSENTS.get(call.state),
        detail=call.state,
    )


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


_STATUSES = {
    EndReason.DECLINED: CallStatus.DECLINED,
    EndReason.NO_ANSWER: CallStatus.NO_ANSWER,
    EndReason.MISSED: CallStatus.MISSED,
    EndReason.BUSY: CallStatus.BUSY,
    EndReason.FAILED: CallStatus.FAILED,
    EndReason.LOST: CallStatus.LOST,
}


def history_details(call: Call) -> CallDetails:
    """What the history says of a call."""
    if call.reason is None:
        is_ringing = phase_of(call.state) in {CallPhase.CALLING, CallPhase.RINGING}
        return CallDetails(call.media, CallStatus.RINGING if is_ringing else CallStatus.ACTIVE)
    duration = None
    if call.connected_at is not None and call.ended_at is not None:
        duration = max(int(call.ended_at - call.connected_at), 0)
    status = _STATUSES.get(call.reason, CallStatus.ENDED)
    if status is CallStatus.ENDED and duration is None:
        if call.outgoing:
            return CallDetails(call.media, CallStatus.CANCELLED)
        duration = 0
    return CallDetails(call.media, status, duration)
