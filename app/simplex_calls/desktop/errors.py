"""What keeps the program from starting."""

from __future__ import annotations


class DesktopError(Exception):
    """The program cannot be shown; the text is for the user and says what to do."""
