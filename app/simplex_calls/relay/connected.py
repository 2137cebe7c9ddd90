"""What the relay's shell keeps of a client after its handshake."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from simplex_calls.relay.client import Client
from simplex_calls.relay.sessions import Session as CoreSession
from simplex_calls.smp.transmission import Session


@dataclass(slots=True, eq=False)
class Connected:
    """A client, its session in the core, and what it sent that is not carried out yet."""

    client: Client
    transport: Session
    session: CoreSession
    place: str
    """Where it came from; see :func:`listening.place_of`."""
    blocks: deque[bytes] = field(default_factory=deque, repr=False)
    """Received, not carried out yet."""
    commands: deque[bytes] = field(default_factory=deque, repr=False)
    """The rest of a block that was begun."""
    proxied: int = 0
    """Commands that are on their way to other servers."""
    gone: bool = False
    """Its connection is closed; what it sent before is carried out still."""
