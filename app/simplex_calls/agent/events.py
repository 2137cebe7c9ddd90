"""What the agent tells the floor above: frozen facts, each about one connection or one server.

They are handed over inside the database transaction that stores their cause, in the order in which they happened.
Texts, keys and message bodies never show in their ``repr``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum

from simplex_calls.agent.versions import AGENT_VERSIONS
from simplex_calls.smp.address import ServerAddress

OLDEST_AGENT_VERSION = AGENT_VERSIONS.minimum


class IntegrityKind(Enum):
    """How a received message fits to the one before it (agent-protocol.md, "message integrity")."""

    OK = "ok"
    GAP = "gap"
    """Messages between the last one and this one never came."""
    BAD_HASH = "bad hash"
    """The peer names another previous message than the one that came."""
    BAD_NUMBER = "bad number"
    """The number is lower than one that came before."""
    DUPLICATE = "duplicate"
    """The number of the last message, used again."""


@dataclass(frozen=True, slots=True)
class Integrity:
    """The place of a message in the peer's numbered hash chain."""

    kind: IntegrityKind = IntegrityKind.OK
    first_missing: int | None = None
    """The first number that never came (only with ``GAP``)."""
    last_missing: int | None = None

    @property
    def ok(self) -> bool:
        """Nothing is missing or changed before this message."""
        return self.kind is IntegrityKind.OK


class FailureReason(Enum):
    """Why a message or a connection cannot be delivered or used any more."""

    QUEUE_GONE = "queue gone"
    """The server knows the queue or the key no more: the other side deleted it or used the link elsewhere."""
    EXPIRED = "expired"
    """The server could not be reached, or took no more messages, for days."""
    REFUSED = "refused"
    """The server refused it for good."""
    TOO_LARGE = "too large"
    CONNECTION = "connection"
    """The connection failed while the message waited."""
    NOT_PROCESSED = "not processed"
    """The connection's handshake could not be stored here."""
    INCOMPATIBLE = "incompatible"
    """The other side speaks no version, or sent no queue, that we can use."""


class RejectionReason(Enum):
    """Why something received was acknowledged without being delivered."""

    DUPLICATE = "duplicate"
    """The peer sent it twice; the first was delivered."""
    NOT_DECRYPTED = "not decrypted"
    MALFORMED = "malformed"
    NOT_EXPECTED = "not expected"
    """It does not belong to the present state of the connection."""
    NOT_PROCESSED = "not processed"
    """The floor above failed on it."""


@dataclass(frozen=True, slots=True)
class ContactRequestReceived:
    """Somebody asks to connect through an address of ours: answer with ``Agent.accept_request`` or ``reject_request``.

    The same request comes once, however often it is sent.
    """

    address_id: int
    request_id: int
    info: bytes = field(repr=False)


class RatchetSync(Enum):
    """Whether both sides' ratchets fit together (agent-protocol.md, "ratchet synchronization")."""

    OK = "ok"
    ALLOWED = "allowed"
    """A message could not be decrypted; others may. The ratchet can be started again."""
    REQUIRED = "required"
    """What comes cannot be decrypted any more, and nothing can be sent, until the ratchet is started again."""
    STARTED = "started"
    """Our new keys are on their way to the peer. Nothing can be sent meanwhile."""
    AGREED = "agreed"
    """Both sides have new keys; the first message under them must come. Nothing can be sent meanwhile."""

    @property
    def allows_sending(self) -> bool:
        """Whether messages can be sent."""
        return self in (RatchetSync.OK, RatchetSync.ALLOWED)


class QueueDirection(Enum):
    """Which of a connection's queues is replaced."""

    RECEIVING = "receiving"
    """The one that we receive from: we asked for it."""
    SENDING = "sending"
    """The one that we send to: the peer asked for it."""


class SwitchPhase(Enum):
    """How far the replacement of a queue is."""

    STARTED = "started"
    CONFIRMED = "confirmed"
    """The other side has got what it needs to use the new queue."""
    SECURED = "secured"
    """The new queue can be used."""
    COMPLETED = "completed"
    """The old queue is used no more."""
    ABORTED = "aborted"
    """The old queue stays."""


@dataclass(frozen=True, slots=True)
class ConfirmationReceived:
    """The peer used our link and sent its ``info``: answer with ``Agent.allow_connection``."""

    connection_id: int
    info: bytes = field(repr=False)
    agent_version: int = OLDEST_AGENT_VERSION
    """The version that the peer chose of ours."""
    pq_supported: bool = False
    """Whether post-quantum encryption can be on with this peer."""


@dataclass(frozen=True, slots=True)
class InfoReceived:
    """The peer whose link we used allowed the connection and sent its ``info``."""

    connection_id: int
    info: bytes = field(repr=False)
    agent_version: int = OLDEST_AGENT_VERSION
    pq_supported: bool = False


@dataclass(frozen=True, slots=True)
class Connected:
    """Messages can go both ways from now on."""

    connection_id: int


@dataclass(frozen=True, slots=True)
class QuantumResistanceChanged:
    """Post-quantum encryption is on in both directions now, or not any more.

    Told of connections that are connected; with ``Connected``, ask ``Agent.is_quantum_resistant``.
    """

    connection_id: int
    on: bool


@dataclass(frozen=True, slots=True)
class RatchetOutOfStep:
    """Whether messages can be decrypted, and sent, has changed: see :class:`RatchetSync`."""

    connection_id: int
    state: RatchetSync


@dataclass(frozen=True, slots=True)
class SecurityCodeChanged:
    """The ratchet was started again with other keys: what was verified before says nothing about them."""

    connection_id: int


@dataclass(frozen=True, slots=True)
class QueueSwitched:
    """The replacement of a queue has come to ``phase``."""

    connection_id: int
    direction: QueueDirection
    phase: SwitchPhase


@dataclass(frozen=True, slots=True)
class QueueFull:
    """The peer has not fetched its messages for so long that its server takes no more; they wait here."""

    connection_id: int


@dataclass(frozen=True, slots=True)
class QueueDrained:
    """The peer fetched its messages: those that waited are sent."""

    connection_id: int


@dataclass(frozen=True, slots=True)
class MessageReceived:
    """A message of the peer: ``number`` in its chain, when the server took it (UTC), and the ``body``."""

    connection_id: int
    number: int
    broker_time: datetime
    integrity: Integrity
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class MessageRejected:
    """Something came and was acknowledged, but not delivered; the connection goes on."""

    connection_id: int
    reason: RejectionReason
    broker_time: datetime | None = None


@dataclass(frozen=True, slots=True)
class MessageDelivered:
    """The server took the message that ``Agent.send`` gave this ``number``."""

    connection_id: int
    number: int


@dataclass(frozen=True, slots=True)
class MessageReceiptReceived:
    """The peer's agent received our message ``number``; ``is_good``: it was what we sent, byte for byte."""

    connection_id: int
    number: int
    is_good: bool


@dataclass(frozen=True, slots=True)
class MessageFailed:
    """The message with this ``number`` will never be delivered."""

    connection_id: int
    number: int
    reason: FailureReason


@dataclass(frozen=True, slots=True)
class ConnectionFailed:
    """Nothing can be sent on this connection any more (or it never came about)."""

    connection_id: int
    reason: FailureReason


@dataclass(frozen=True, slots=True)
class SubscriptionTaken:
    """Another process subscribed to this connection's queue: messages go there now."""

    connection_id: int


@dataclass(frozen=True, slots=True)
class ServerConnected:
    """These connections receive from ``server`` (again)."""

    server: ServerAddress
    connection_ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ServerDisconnected:
    """The connection to ``server`` was lost, or could not be made yet; it is tried again and again."""

    server: ServerAddress
    connection_ids: tuple[int, ...]


AgentEvent = (
    ContactRequestReceived
    | ConfirmationReceived
    | InfoReceived
    | Connected
    | QuantumResistanceChanged
    | MessageReceived
    | MessageRejected
    | MessageDelivered
    | MessageReceiptReceived
    | RatchetOutOfStep
    | SecurityCodeChanged
    | QueueSwitched
    | QueueFull
    | QueueDrained
    | MessageFailed
    | ConnectionFailed
    | SubscriptionTaken
    | ServerConnected
    | ServerDisconnected
)
