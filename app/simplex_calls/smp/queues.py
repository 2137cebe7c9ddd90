"""What the floor above says and hears about queues: the values and the handler of ``Network``."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

from simplex_calls.crypto import X25519PublicKey
from simplex_calls.smp.address import ServerAddress
from simplex_calls.smp.errors import SMPError
from simplex_calls.smp.messages import Msg
from simplex_calls.smp.socks import SocksProxy
from simplex_calls.smp.transmission import AuthorizationKey


@dataclass(frozen=True, slots=True)
class QueueIds:
    """A new queue: its two ids, and the server's key for the encryption of delivered bodies."""

    recipient_id: bytes = field(repr=False)
    sender_id: bytes = field(repr=False)
    server_dh_key: X25519PublicKey
    sender_can_secure: bool
    link_id: bytes | None = field(default=None, repr=False)
    """Of the short link that was asked for; None where the server is too old for it."""


@dataclass(frozen=True, slots=True)
class RecipientQueue:
    """A queue that we receive from: where it is, its id for us, and the key that authorizes our commands."""

    server: ServerAddress
    recipient_id: bytes = field(repr=False)
    auth_key: AuthorizationKey = field(repr=False)


class PrivateRouting(Enum):
    """For which servers our commands to contacts' queues go by way of a server of ours, which hides our address."""

    ALWAYS = "always"
    UNKNOWN = "unknown"
    """For all but our own servers."""
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class NetworkConfig:
    """How servers are reached. Times are in seconds; the defaults suit the internet, tests have their own."""

    private_routing: PrivateRouting = PrivateRouting.UNKNOWN
    known_servers: frozenset[ServerAddress] = frozenset()
    """Our own servers: they may see our address, and they forward."""
    allow_direct: bool = False
    """Whether a server that no server of ours can forward to is connected to directly. It sees our address then, so
    without this such commands fail; through a SOCKS proxy, where it sees nothing, they are always sent."""
    socks_proxy: SocksProxy | None = None
    prefer_onion: bool = True
    """Whether a server's onion host is tried before its others, through the SOCKS proxy."""

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
