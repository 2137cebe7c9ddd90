"""What the chat floor needs of the floor below: tests bring another one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from simplex_calls.smp.address import ServerAddress


class AgentPort(Protocol):
    """What the chat floor uses of :class:`simplex_calls.agent.agent.Agent`."""

    async def start(self) -> None:
        """Receive, and send what waits."""

    async def stop(self) -> None:
        """Close all connections to servers."""

    async def create_connection(self, *, created: Callable[[int], None] | None = None) -> tuple[int, str]:
        """Make a connection and the invitation link to it; ``created`` is called in the same transaction."""

    async def join_connection(self, link: str, info: bytes, *, created: Callable[[int], None] | None = None) -> int:
        """Use an invitation link; ``created`` is called in the same transaction."""

    def allow_connection(self, connection_id: int, info: bytes) -> None:
        """Accept who used our link."""

    def send(self, connection_id: int, body: bytes, *, notify: bool = False) -> int:
        """Store a message to be sent, and return its number."""

    async def delete_connection(self, connection_id: int) -> None:
        """Forget a connection here and on its servers."""

    def use_servers(self, servers: Sequence[ServerAddress]) -> None:
        """Make new connections on these servers of ours."""
