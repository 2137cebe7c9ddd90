"""What can go wrong in this floor; the texts say what happened and what to do, and hold no content."""

from __future__ import annotations


class ChatError(Exception):
    """Something asked of the chat floor cannot be done."""


class NotConnectedError(ChatError):
    """The contact cannot be reached: not connected yet, failed, or deleted by the other side."""


class ImageError(ChatError):
    """A picture is none, or too large."""


class RequestGoneError(ChatError):
    """A request to connect was answered already, or its address was deleted."""


class KeysNeededError(NotConnectedError):
    """Nothing can be sent to the contact before new keys are agreed on."""


class TooLargeError(ChatError):
    """A text, an offer or an answer is larger than a message can be."""
