"""What the floor above may ask of a link or a connection: plain values."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from simplex_calls.agent.events import RatchetSync
from simplex_calls.smp.address import ServerAddress


class LinkKind(Enum):
    """What happens when a link is used."""

    INVITATION = "invitation"
    """Whoever uses it first is connected."""
    CONTACT = "contact"
    """Its owner is asked, and may accept or not."""


@dataclass(frozen=True, slots=True)
class LinkPreview:
    """What a link is, before it is used."""

    kind: LinkKind
    user_data: bytes | None = field(repr=False)
    """What its maker shows of itself; only short links have it."""
    is_own: bool
    connection_id: int | None
    """The connection (or the address) that the link is of, if it is ours or was used here already."""


@dataclass(frozen=True, slots=True)
class ConnectionDetails:
    """What is known of a connection, for those who want to know."""

    pq_sending: bool
    """Whether our last message was encrypted with post-quantum keys, too."""
    pq_receiving: bool
    rcv_servers: tuple[ServerAddress, ...]
    """Where we receive."""
    snd_servers: tuple[ServerAddress, ...]
    """Where the peer receives."""
    agent_version: int
    ratchet_sync: RatchetSync
    is_switching: bool
    """Whether a queue is being replaced."""

    @property
    def is_quantum_resistant(self) -> bool:
        """Both directions are."""
        return self.pq_sending and self.pq_receiving
