"""What the core keeps of a connected client, what it sends to one, and how much of everything."""

from __future__ import annotations

from dataclasses import dataclass, field

from simplex_calls.relay.allowance import ClientAllowance
from simplex_calls.relay.authorization import Verifier
from simplex_calls.relay.forwarding import Forwarding
from simplex_calls.relay.records import Queue
from simplex_calls.smp import commands
from simplex_calls.smp.messages import BrokerMessage

_DAY = 24 * 3600


@dataclass(frozen=True, slots=True)
class Limits:
    """What the relay keeps, and for how long."""

    messages_per_queue: int = 128
    message_seconds: int = 21 * _DAY
    """Older messages are deleted, delivered or not."""
    suspended_seconds: int = 30 * _DAY
    """A queue that its recipient suspended and did not delete is deleted after this time."""
    queues: int = 200_000
    """All queues are kept in memory: with this many the relay creates no more."""
    client_queues: int = 20_000
    """What one client's address may create at once; see :class:`Allowance`."""
    client_queues_per_hour: float = 1_000
    link_bytes: int = 1 << 30
    """The data of all short links: with so much the relay takes no more."""
    client_link_bytes: int = 64 << 20
    """What one client's address may put there at once, with each LSET counted anew."""
    client_link_bytes_per_hour: float = 16 << 20
    deliveries: int = 32
    """Messages that may be on their way to one session before it has read them; the others wait in their queues."""


@dataclass(slots=True)
class Subscription:
    """A queue that a session receives from."""

    queue: Queue
    by_get: bool
    """Made by GET: messages come only when asked for."""
    delivered: bytes | None = field(default=None, repr=False)
    """The id of the message that waits for its ACK."""


@dataclass(slots=True, eq=False)
class Session:
    """A connected client: the queues it receives from, and how many more messages it may be sent."""

    version: int
    verifier: Verifier
    room: int
    """How many more messages it may be sent before :meth:`RelayCore.refill`."""
    forwarding: Forwarding | None = None
    allowance: ClientAllowance | None = None
    following: list[Outgoing] = field(default_factory=list, repr=False)
    """What is delivered to it after the answers to the block that is being carried out."""
    notifiers: set[bytes] = field(default_factory=set, repr=False)
    """Ids whose notifications it receives."""
    subscriptions: dict[int, Subscription] = field(default_factory=dict, repr=False)
    waiting: dict[int, None] = field(default_factory=dict, repr=False)
    """Numbers of the queues whose next message had no room, in order."""

    @property
    def subscribed(self) -> bool:
        """Whether messages may come for this session without its asking."""
        return bool(self.notifiers) or any(not subscription.by_get for subscription in self.subscriptions.values())

    def may_create(self) -> bool:
        """Use up the right to create one queue."""
        return self.allowance is None or self.allowance.queues.take()

    def may_put(self, size: int) -> bool:
        """Use up the right to store so many bytes of link data."""
        return self.allowance is None or self.allowance.link_bytes.take(size)


@dataclass(slots=True)  # not frozen: that takes three times as long to make
class Outgoing:
    """A message to ``session``: an answer if it has a correlation id, else something it did not ask for."""

    session: Session
    corr_id: bytes = field(repr=False)
    entity_id: bytes = field(repr=False)
    message: BrokerMessage = field(repr=False)
    early: bool = False
    """It may leave before the changes are stored: a message. If the relay dies before it has stored it, its sender was
    told nothing and sends it again; if before it has stored the deletion of the message before, that one is delivered
    again. Clients expect either after any lost connection."""
    patient: bool = False
    """The same of OK to ACK; and nobody is kept waiting by it, so it can leave with what comes next."""


@dataclass(frozen=True, slots=True)
class Proxied:
    """A command of ``session`` to this relay as a proxy; it is carried out, and answered, outside the core."""

    session: Session
    corr_id: bytes = field(repr=False)
    entity_id: bytes = field(repr=False)
    command: commands.Prxy | commands.PFwd = field(repr=False)
