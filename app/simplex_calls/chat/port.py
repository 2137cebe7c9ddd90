"""What the chat floor needs of the floor below: tests bring another one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from simplex_calls.agent.details import LinkPreview
from simplex_calls.agent.events import RatchetSync
from simplex_calls.agent.links import ConnectionLink
from simplex_calls.smp.address import ServerAddress
from simplex_calls.smp.queues import NetworkConfig


class AgentPort(Protocol):
    """What the chat floor uses of :class:`simplex_calls.agent.agent.Agent`."""

    async def start(self) -> None:
        """Receive, and send what waits."""

    async def stop(self) -> None:
        """Close all connections to servers."""

    async def create_connection(
        self, *, created: Callable[[int], None] | None = None, user_data: bytes = b"", pq: bool = True
    ) -> tuple[int, ConnectionLink]:
        """Make a connection and the invitation link to it; ``created`` is called in the same transaction."""

    def connection_link(self, connection_id: int) -> ConnectionLink | None:
        """The link that a connection of ours was made with."""

    async def look_up_link(self, link: str) -> LinkPreview:
        """What a link is of, before it is used."""

    def addresses(self) -> list[int]:
        """Our contact addresses."""

    async def create_address(
        self, user_data: bytes = b"", *, created: Callable[[int], None] | None = None
    ) -> tuple[int, ConnectionLink]:
        """Make a contact address: its id, and the link."""

    def address_link(self, address_id: int) -> ConnectionLink:
        """The link of an address."""

    async def set_address_data(self, address_id: int, user_data: bytes) -> None:
        """Change what the short link of an address shows."""

    async def delete_address(self, address_id: int) -> None:
        """Forget an address with its requests."""

    async def accept_request(
        self, request_id: int, info: bytes, *, created: Callable[[int], None] | None = None, pq: bool = True
    ) -> int:
        """Connect with who asked: the new connection."""

    def reject_request(self, request_id: int) -> None:
        """Forget who asked."""

    def ratchet_sync(self, connection_id: int) -> RatchetSync:
        """Whether both sides' ratchets fit together."""

    def synchronize_ratchet(self, connection_id: int, *, force: bool = False) -> None:
        """Agree on new keys with the other side."""

    async def switch_receiving_queue(self, connection_id: int) -> None:
        """Receive from the other side in another queue."""

    def abort_switching_queue(self, connection_id: int) -> None:
        """Let the old queue stay."""

    def can_abort_switching(self, connection_id: int) -> bool:
        """Whether our old queue can stay."""

    def is_switching(self, connection_id: int) -> bool:
        """Whether a queue is being replaced, on either side."""

    async def join_connection(
        self, link: str, info: bytes, *, created: Callable[[int], None] | None = None, pq: bool = True
    ) -> int:
        """Use an invitation link; ``created`` is called in the same transaction."""

    def allow_connection(self, connection_id: int, info: bytes) -> None:
        """Accept who used our link."""

    def send(self, connection_id: int, body: bytes, *, notify: bool = False) -> int:
        """Store a message to be sent, and return its number."""

    def slow_down(self, connection_id: int, seconds: float) -> None:
        """Take the next message of a connection only after so many seconds: it waits on its server."""

    def send_receipt(self, connection_id: int, number: int) -> bool:
        """Tell the other side that its message was received, while the event of it is handled."""

    def security_code(self, connection_id: int) -> str | None:
        """The digits that both sides can compare; ``None`` until the connection has keys."""

    def is_quantum_resistant(self, connection_id: int) -> bool:
        """Whether post-quantum encryption is on in both directions."""

    def wants_pq(self, connection_id: int) -> bool:
        """Whether post-quantum encryption is wanted on our side."""

    def set_pq(self, connection_id: int, *, on: bool) -> None:
        """Turn post-quantum encryption on or off."""

    def servers_of(self, connection_id: int) -> tuple[tuple[ServerAddress, ...], tuple[ServerAddress, ...]]:
        """The servers that we receive from, and those that we send to."""

    async def delete_connection(self, connection_id: int) -> None:
        """Forget a connection here and on its servers."""

    def configure_network(self, config: NetworkConfig) -> None:
        """Reach servers as ``config`` says from now on."""

    def use_servers(self, servers: Sequence[ServerAddress]) -> None:
        """Make new connections on these servers of ours."""
