"""Makes queues on our servers and stores them with what they are for, or has them deleted again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from simplex_calls.agent.delivery import Delivery
from simplex_calls.agent.errors import AgentError
from simplex_calls.agent.events import AgentEvent, ServerConnected
from simplex_calls.agent.port import NetworkPort
from simplex_calls.agent.queue_address import QueueInfo, QueueUri
from simplex_calls.agent.records import NewRcvQueue
from simplex_calls.agent.short_links import NewLink
from simplex_calls.agent.store import Store
from simplex_calls.agent.versions import CLIENT_VERSIONS
from simplex_calls.crypto import CryptoError, Ed25519PrivateKey, Random, X25519PrivateKey
from simplex_calls.database import sqlite
from simplex_calls.smp.address import ServerAddress
from simplex_calls.smp.commands import LinkData, LinkRequest, QueueMode, sender_id_for
from simplex_calls.smp.queues import RecipientQueue

_CORRELATION_ID_SIZE = 24


class QueueMaker:
    """Our side of NEW."""

    def __init__(
        self,
        store: Store,
        network: NetworkPort,
        delivery: Delivery,
        servers: Sequence[ServerAddress],
        *,
        tell: Callable[[AgentEvent], None],
        clock: Callable[[], float],
        random: Random,
    ) -> None:
        self._store = store
        self._network = network
        self._delivery = delivery
        self.servers = tuple(servers)
        self._tell = tell
        self._clock = clock
        self._random = random

    def choose_server(self, other_than: ServerAddress | None = None) -> ServerAddress:
        """One of our servers by chance, if possible not the one that the peer chose."""
        choice = [server for server in self.servers if server != other_than] or list(self.servers)
        if not choice:
            raise AgentError("no server is set up to receive on: add one to the settings")
        return choice[int.from_bytes(self._random(4), "big") % len(choice)]

    async def create(self, server: ServerAddress, client_version: int) -> NewRcvQueue:
        """Make a queue for one sender."""
        auth_key, dh_key, e2e_key = self._keys()
        ids = await self._network.create_queue(server, auth_key, dh_key.public)
        return NewRcvQueue(replace(server, password=None), ids, auth_key, dh_key, e2e_key, client_version)

    async def create_with_link(
        self, server: ServerAddress, mode: QueueMode, link_for: Callable[[QueueUri], NewLink]
    ) -> tuple[NewRcvQueue, NewLink | None]:
        """Make a queue that a short link leads to: the queue, and the link if the server keeps such data.

        ``link_for`` makes what is behind the link of the queue at this address.
        """
        auth_key, dh_key, e2e_key = self._keys()
        bare = replace(server, password=None)
        correlation_id = self._random(_CORRELATION_ID_SIZE)
        sender_id = sender_id_for(correlation_id)
        link = link_for(QueueUri(CLIENT_VERSIONS, bare, sender_id, e2e_key.public, mode))
        request = LinkRequest(sender_id, LinkData(link.fixed, link.user), link.link_id or None)
        ids = await self._network.create_queue(
            server, auth_key, dh_key.public, mode=mode, link=request, corr_id=correlation_id
        )
        queue = NewRcvQueue(bare, ids, auth_key, dh_key, e2e_key, CLIENT_VERSIONS.maximum)
        if ids.link_id is None or ids.sender_id != sender_id:
            return queue, None
        return queue, replace(link, link_id=ids.link_id)

    def _keys(self) -> tuple[Ed25519PrivateKey, X25519PrivateKey, X25519PrivateKey]:
        generate = X25519PrivateKey.generate
        return Ed25519PrivateKey.generate(self._random), generate(self._random), generate(self._random)

    def store(self, connection_id: int, queue: NewRcvQueue) -> None:
        """Store a queue inside the caller's transaction, and keep it subscribed after that."""
        try:
            stored = self._store.queues.add_rcv_queue(connection_id, queue)
        except CryptoError:
            raise AgentError("the server answered with a key that is not safe to use: choose another server") from None
        except sqlite.IntegrityError:
            raise AgentError("the server answered with the id of another queue: choose another server") from None

        def subscribe() -> None:
            self._network.subscribe(stored.subscription)
            # a queue is subscribed by its creation, so the network will not tell it
            self._tell(ServerConnected(stored.server, (connection_id,)))

        self._store.database.after_commit(subscribe)

    @contextmanager
    def storing(self, queue: NewRcvQueue) -> Iterator[None]:
        """A transaction for the connection of a queue that was just made: if it fails, the queue is deleted again."""
        database = self._store.database
        committed: list[bool] = []
        try:
            with database.transaction():
                database.after_commit(lambda: committed.append(True))
                yield
        except Exception:
            if not committed:
                with database.transaction():
                    recipient = RecipientQueue(queue.server, queue.ids.recipient_id, queue.auth_key)
                    self._store.queues.add_deletion(recipient, self._clock())
                    database.after_commit(self._delivery.wake_deletions)
            raise


def queue_mode(queue: NewRcvQueue) -> QueueMode | None:
    """What the sender is told of a queue for one sender."""
    return QueueMode.MESSAGING if queue.ids.sender_can_secure else None


def queue_uri(queue: NewRcvQueue, mode: QueueMode | None) -> QueueUri:
    """A new queue as it stands in a link."""
    return QueueUri(CLIENT_VERSIONS, queue.server, queue.ids.sender_id, queue.e2e_key.public, mode)


def queue_info(queue: NewRcvQueue) -> QueueInfo:
    """What the peer is told of a queue that it shall send to."""
    return QueueInfo(queue.client_version, queue.server, queue.ids.sender_id, queue.e2e_key.public, queue_mode(queue))
