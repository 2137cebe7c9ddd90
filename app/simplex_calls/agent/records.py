"""The rows of the agent's tables as values."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from simplex_calls.agent.connection import ConnectionState
from simplex_calls.agent.events import RatchetSync
from simplex_calls.agent.rotation import RcvRotation, SndRotation
from simplex_calls.crypto import (
    BoxKey,
    Ed25519PrivateKey,
    PublicKey,
    X25519PrivateKey,
    X25519PublicKey,
    decode_public_key,
)
from simplex_calls.smp.address import ServerAddress
from simplex_calls.smp.queues import QueueIds, RecipientQueue
from simplex_calls.smp.sender_keys import SenderKey


@dataclass(frozen=True, slots=True)
class Connection:
    """A row of ``connections``: the state, and where both hash chains stand."""

    id: int
    state: ConnectionState
    agent_version: int
    sent_number: int
    sent_hash: bytes
    received_number: int
    received_hash: bytes
    pq_wanted: bool
    """Whether the user wants post-quantum encryption with this peer."""
    pq_supported: bool
    """Whether our messages make room for KEM keys. Once they do, they go on with that."""
    ratchet_sync: RatchetSync = RatchetSync.OK


@dataclass(frozen=True, slots=True)
class RcvQueue:
    """A queue that we receive from: ours on its server."""

    id: int
    connection_id: int
    server: ServerAddress
    recipient_id: bytes = field(repr=False)
    sender_id: bytes = field(repr=False)
    auth_key: Ed25519PrivateKey = field(repr=False)
    server_secret: BoxKey = field(repr=False)
    e2e_key: X25519PrivateKey = field(repr=False)
    e2e_secret: BoxKey | None = field(repr=False)
    """Agreed with the sender; ``None`` until its confirmation comes."""
    sender_key: PublicKey | None = field(repr=False)
    """The key that we must secure the queue with, if its sender did not."""
    client_version: int
    sender_can_secure: bool
    last_message: bytes | None = field(repr=False)
    """The server's id of the last message that we stored."""
    replaces: int | None = None
    """The queue that this one is to replace, until it has."""
    rotation: RcvRotation = RcvRotation.SETTLED
    """How far its own replacement is."""

    @property
    def subscription(self) -> RecipientQueue:
        """What the network needs to receive from it."""
        return RecipientQueue(self.server, self.recipient_id, self.auth_key)


@dataclass(frozen=True, slots=True)
class NewRcvQueue:
    """A queue just made on ``server``, not stored yet."""

    server: ServerAddress
    ids: QueueIds = field(repr=False)
    auth_key: Ed25519PrivateKey = field(repr=False)
    dh_key: X25519PrivateKey = field(repr=False)
    e2e_key: X25519PrivateKey = field(repr=False)
    client_version: int


@dataclass(frozen=True, slots=True)
class SndQueue:
    """A queue that we send to: the peer's on its server."""

    id: int
    connection_id: int
    server: ServerAddress
    sender_id: bytes = field(repr=False)
    auth_key: SenderKey = field(repr=False)
    e2e_public: X25519PublicKey = field(repr=False)
    e2e_secret: BoxKey = field(repr=False)
    client_version: int
    sender_can_secure: bool
    is_address: bool = False
    """The queue of a contact address, for one request; not the connection's own."""
    replaces: int | None = None
    """The queue that this one is to replace, until it has."""
    rotation: SndRotation = SndRotation.SETTLED
    """How far its own replacement is."""


class OutboxKind(Enum):
    """What an entry of the outbox asks for. Entries of a queue are done in order, one after the other."""

    SECURE_THEIRS = "secure theirs"
    """SKEY: the sending queue is secured with our key."""
    SECURE_OURS = "secure ours"
    """KEY: our receiving queue is secured with the peer's key (the ``body``)."""
    REQUEST = "request"
    """Our invitation to the owner of a contact address."""
    CONFIRMATION = "confirmation"
    HELLO = "hello"
    MESSAGE = "message"
    SECURE_NEW = "secure new"
    """KEY for a queue of ours that is to replace another (its id and the peer's key are the ``body``)."""
    QUEUE_TEST = "queue test"
    """QTEST, the first message in a queue that replaces another."""
    SERVICE = "service"
    """A message from agent to agent that nobody above waits for."""


@dataclass(frozen=True, slots=True)
class OutboxItem:
    """A row of ``outbox``: the finished bytes, so that every attempt sends the same."""

    id: int
    queue_id: int
    kind: OutboxKind
    number: int
    body: bytes = field(repr=False)
    notify: bool
    created: float
    """Seconds since the epoch."""

    @property
    def secured(self) -> tuple[int, PublicKey]:
        """Of ``SECURE_NEW``: our queue's id, and the key."""
        return int.from_bytes(self.body[:8], "big"), decode_public_key(self.body[8:])


@dataclass(frozen=True, slots=True)
class QueueDeletion:
    """A row of ``queue_deletions``: a queue of ours that its server must still forget."""

    id: int
    queue: RecipientQueue = field(repr=False)
    created: float
