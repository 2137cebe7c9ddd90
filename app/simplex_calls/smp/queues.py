"""What the floor above says and hears about queues: the values and the handler of ``Network``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from simplex_calls.crypto import X25519PublicKey
from simplex_calls.smp.address import ServerAddress
from simplex_calls.smp.errors import SMPError
from simplex_calls.smp.messages import Msg
from simplex_calls.smp.transmission import AuthorizationKey


@dataclass(frozen=True, slots=True)
class QueueIds:
    """A new queue: its two ids, and the server's key for the encryption of delivered bodies."""

    recipient_id: bytes = field(repr=False)
    sender_id: bytes = field(repr=False)
    server_dh_key: X25519PublicKey
    sender_can_secure: bool


@dataclass(frozen=True, slots=True)
class RecipientQueue:
    """A queue that we receive from: where it is, its id for us, and the key that authorizes our commands."""

    server: ServerAddress
    recipient_id: bytes = field(repr=False)
    auth_key: AuthorizationKey = field(repr=False)


@dataclass(frozen=True, slots=True)
class NetworkConfig:
    """Times in seconds. The defaults suit the internet; tests have their own."""

    connect_timeout: float = 20.0
    """To connect, and to finish both handshakes."""
    command_timeout: float = 15.0
    """To the answer of a command."""
    ping_interval: float = 300.0
    """Of silence, before PING is sent."""
    reconnect_first: float = 0.5
    """Mean pause before the first reconnection."""
    reconnect_factor: float = 1.6
    reconnect_max: float = 60.0
    stable_after: float = 30.0
    """A connection that lived this long makes the pauses start again from the first."""
    retry_pause: float = 0.5
    """After a failed connection, commands fail at once for this long."""


class NetworkHandler(Protocol):
    """Hears from ``Network``. Called on the event loop's thread; must not block. What it raises is logged by name."""

    def message(self, server: ServerAddress, recipient_id: bytes, message: Msg) -> None:
        """A message came; the next one of this queue comes after ``acknowledge``."""
        ...

    def subscribed(self, queues: list[RecipientQueue]) -> None:
        """The server delivers these queues' messages from now on."""
        ...

    def subscription_failed(self, queue: RecipientQueue, error: SMPError) -> None:
        """The server refused for good (no such queue, wrong key): the queue is not kept subscribed any more."""
        ...

    def ended(self, queue: RecipientQueue) -> None:
        """Another client subscribed to the queue: it is not kept subscribed any more."""
        ...

    def connected(self, server: ServerAddress) -> None:
        """A connection to the server is open; subscriptions follow."""
        ...

    def disconnected(self, server: ServerAddress) -> None:
        """The connection was lost, its subscriptions with it; or the first attempt to make it failed."""
        ...
