"""What the agent uses of :class:`simplex_calls.smp.network.Network`, so that tests can bring a network of their own."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from simplex_calls.crypto import Ed25519PrivateKey, PublicKey, X25519PublicKey
from simplex_calls.smp.address import ServerAddress
from simplex_calls.smp.commands import LinkData, LinkRequest, QueueMode
from simplex_calls.smp.queues import NetworkConfig, QueueIds, RecipientQueue
from simplex_calls.smp.transmission import AuthorizationKey


class NetworkPort(Protocol):
    """The methods are described there; all of them raise ``SMPError``."""

    def use_servers(self, servers: Iterable[ServerAddress]) -> None:
        """Know these servers as our own: commands to others are forwarded by them."""

    def configure(self, config: NetworkConfig) -> None:
        """Reach servers as ``config`` says from now on."""

    async def create_queue(
        self,
        server: ServerAddress,
        auth_key: Ed25519PrivateKey,
        dh_key: X25519PublicKey,
        *,
        subscribe: bool = True,
        mode: QueueMode | None = QueueMode.MESSAGING,
        link: LinkRequest | None = None,
        corr_id: bytes | None = None,
    ) -> QueueIds:
        """NEW."""
        ...

    def subscribe(self, queue: RecipientQueue) -> None:
        """Keep a queue subscribed."""

    def unsubscribe(self, queue: RecipientQueue) -> None:
        """Keep it subscribed no longer."""

    async def secure_queue_by_sender(self, server: ServerAddress, sender_id: bytes, auth_key: AuthorizationKey) -> None:
        """SKEY."""

    async def secure_queue(self, queue: RecipientQueue, sender_key: PublicKey) -> None:
        """KEY."""

    async def send(
        self, server: ServerAddress, sender_id: bytes, auth_key: AuthorizationKey | None, body: bytes, *, notify: bool
    ) -> None:
        """SEND."""

    async def acknowledge(self, queue: RecipientQueue, message_id: bytes) -> None:
        """ACK."""

    async def set_link_data(self, queue: RecipientQueue, link_id: bytes, data: LinkData) -> None:
        """LSET."""

    async def delete_link(self, queue: RecipientQueue) -> None:
        """LDEL."""

    async def get_link_data(self, server: ServerAddress, link_id: bytes) -> tuple[bytes, LinkData]:
        """LGET."""
        ...

    async def secure_and_get_link_data(
        self, server: ServerAddress, link_id: bytes, auth_key: AuthorizationKey
    ) -> tuple[bytes, LinkData]:
        """LKEY."""
        ...

    async def delete_queue(self, queue: RecipientQueue) -> None:
        """DEL."""

    async def close(self) -> None:
        """Close all connections."""
