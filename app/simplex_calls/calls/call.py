"""One call as a value: everything that is known of it between ringing and its end. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from simplex_calls.calls.keys import CallKeyPair, FrameKey
from simplex_calls.calls.state import ACTIVE_STATES, CLOCKS, RINGING_STATES, CallState, EndReason
from simplex_calls.chat.messages import CallMedia, CallOffer


class CallFailure(Enum):
    """What went wrong in a call that failed."""

    NO_PAGE = "no-page"
    """No call page was opened."""
    PAGE = "page"
    """The page reported an error that ends the call, or spoke nonsense."""
    PAGE_SILENT = "page-silent"
    """The page did not do its part in time: most often nobody allowed the microphone."""
    NO_MICROPHONE = "no-microphone"
    PERMISSION_DENIED = "permission-denied"
    NO_ENCRYPTION = "no-encryption"
    """Our page cannot encrypt frames."""
    PEER_NO_ENCRYPTION = "peer-no-encryption"
    """The other app does not encrypt frames."""
    BAD_KEY = "bad-key"
    """The other side's key was refused."""
    BAD_DESCRIPTION = "bad-description"
    """The other app's description of the call is larger than any that is meant."""
    PEER_SILENT = "peer-silent"
    """The other app accepted the call but did not go on."""
    NO_CONNECTION = "no-connection"
    """The two pages did not find a way to each other."""
    CONNECTION_LOST = "connection-lost"
    NOT_SENT = "not-sent"
    """A message of the call could not be sent."""
    ADDRESS_SHOWN = "address-shown"
    """The page's description would have shown our address, where the call goes through relays only."""
    TOO_LARGE = "too-large"
    """The page's description does not fit into a message."""


TIMEOUT_FAILURES = {
    CallState.DIALLING: CallFailure.NO_PAGE,
    CallState.ACCEPTED: CallFailure.NO_PAGE,
    CallState.PREPARING: CallFailure.PAGE_SILENT,
    CallState.CONSENTING_TO_CALL: CallFailure.NO_ENCRYPTION,
    CallState.CONSENTING_TO_ANSWER: CallFailure.PEER_NO_ENCRYPTION,
    CallState.YIELDING: CallFailure.PAGE_SILENT,
    CallState.OFFERING: CallFailure.PAGE_SILENT,
    CallState.RETURNING: CallFailure.PAGE_SILENT,
    CallState.ANSWERING: CallFailure.PAGE_SILENT,
    CallState.OFFERED: CallFailure.PEER_SILENT,
    CallState.CONNECTING: CallFailure.NO_CONNECTION,
    CallState.RECONNECTING: CallFailure.CONNECTION_LOST,
}
"""What it means when a state lasted too long (the other states end without a failure)."""


class CallProgress(Enum):
    """How far our invitation is known to have come."""

    NONE = "none"
    SENT = "sent"
    """The other side's server has it."""
    RINGING = "ringing"
    """The other side's program has it."""


@dataclass(frozen=True, slots=True)
class Yielded:
    """Our own invitation that gave way to the other side's."""

    wire_id: bytes = field(repr=False)
    keys: CallKeyPair | None


@dataclass(frozen=True, slots=True)
class Call:
    """A call. Times are Unix seconds."""

    id: str
    """Ours alone; it stays the same when two calls become one."""
    contact_id: int
    wire_id: bytes = field(repr=False)
    """``callId`` of the messages."""
    outgoing: bool
    media: CallMedia
    """What was called with; our page starts with it, too, unless ``camera_off``."""
    state: CallState
    started_at: float
    clock_at: float
    """When the clock of the present state began."""
    sent_at: float | None = None
    """When the server took the other side's invitation."""
    keys: CallKeyPair | None = None
    frame_key: FrameKey | None = None
    features: tuple[str, ...] = ()
    """What our page can do beyond the official one, once it has said it."""
    peer_features: tuple[str, ...] = ()
    """What the other side's can."""
    encrypted: bool | None = None
    """``None`` until both sides have said it; ``False`` before we answer or call: the user said yes to that."""
    offer: CallOffer | None = None
    offer_at: float | None = None
    """When the server took the other side's offer."""
    yielded: Yielded | None = None
    held: tuple[str, ...] = field(default=(), repr=False)
    """Our candidates that the other side cannot take yet."""
    held_extra: tuple[str, ...] = field(default=(), repr=False)
    """Their candidates that our page cannot take yet."""
    camera_off: bool = False
    """The user took the call with audio only."""
    relay_only: bool = False
    """The other side must not learn our address: the page's descriptions and candidates name relays only."""
    progress: CallProgress = CallProgress.NONE
    connected_at: float | None = None
    ended_at: float | None = None
    reason: EndReason | None = None
    failure: CallFailure | None = None

    @property
    def is_active(self) -> bool:
        """Whether this call has the line."""
        return self.state in ACTIVE_STATES

    @property
    def is_ringing(self) -> bool:
        """Whether the user may accept or reject it."""
        return self.state in RINGING_STATES

    @property
    def is_ended(self) -> bool:
        """Whether it is over."""
        return self.state is CallState.ENDED

    @property
    def deadline(self) -> float | None:
        """When the present state has lasted too long."""
        clock = CLOCKS.get(self.state)
        return self.clock_at + clock.seconds if clock else None
