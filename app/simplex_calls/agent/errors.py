"""The agent's own errors; their texts say what happened and what to do, and hold no secret."""

from __future__ import annotations


class AgentError(Exception):
    """The agent cannot do what was asked."""


class UnknownConnection(AgentError):  # noqa: N818 - named after what is wrong
    """There is no such connection (any more)."""

    def __init__(self, connection_id: int) -> None:
        super().__init__(f"connection {connection_id} does not exist: it was deleted or never made")


class UnknownRequest(AgentError):  # noqa: N818 - named after what is wrong
    """There is no such contact request (any more)."""

    def __init__(self, request_id: int) -> None:
        super().__init__(
            f"contact request {request_id} does not exist: it was answered already, or its address deleted"
        )


class WrongState(AgentError):  # noqa: N818 - named after what is wrong
    """The connection's state does not allow this."""


class RatchetNotReady(WrongState):
    """Nothing can be sent before the ratchet was started again."""

    def __init__(self) -> None:
        super().__init__("encryption must be renewed with this contact before anything can be sent")


class LargeMessage(AgentError):  # noqa: N818 - named after what is wrong
    """The message does not fit into one agent message."""

    def __init__(self, size: int, limit: int) -> None:
        super().__init__(f"a message of {size} bytes is too large: {limit} bytes fit")
        self.limit = limit


class LinkUsed(AgentError):  # noqa: N818 - named after what is wrong
    """The link cannot be used, though nothing is wrong with its text."""
