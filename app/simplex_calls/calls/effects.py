"""What a step of the switchboard asks the shell to do. Pure values, in the order in which they must be done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from simplex_calls.chat.messages import CallMessage


@dataclass(frozen=True, slots=True)
class SendMessage:
    """Send a call message to the contact."""

    call_id: str
    contact_id: int
    message: CallMessage


@dataclass(frozen=True, slots=True)
class PageCommand:
    """Give the call's page a command; ``needs_servers``: with the ICE servers and the relay policy."""

    call_id: str
    fields: Mapping[str, Any] = field(repr=False)
    needs_servers: bool = False


@dataclass(frozen=True, slots=True)
class WantPage:
    """A page must be opened for the call."""

    call_id: str


@dataclass(frozen=True, slots=True)
class EndPage:
    """The call's page is no longer needed; ``keep`` it open when it has something to tell its user."""

    call_id: str
    keep: bool


Effect = SendMessage | PageCommand | WantPage | EndPage
