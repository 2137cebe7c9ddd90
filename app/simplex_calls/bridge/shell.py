"""What the pages need of the program around them."""

from __future__ import annotations

from enum import Enum
from typing import Protocol


class Mode(Enum):
    """Where pages are shown."""

    WINDOW = "window"
    BROWSER = "browser"


class Shell(Protocol):
    """What the chat page needs of the program around it."""

    @property
    def mode(self) -> Mode:
        """Where pages are shown."""

    async def show_call(self, call_id: str) -> None:
        """Bring the call's page to the front."""
