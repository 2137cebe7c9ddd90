"""What the network tells: messages, each taken in one transaction and then acknowledged, and how servers are.

Nothing that goes wrong with one message may block its queue, or another one.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from simplex_calls.agent.acknowledging import Acknowledging
from simplex_calls.agent.connection import ConnectionEvent
from simplex_calls.agent.delivery import Delivery
from simplex_calls.agent.events import (
    FailureReason,
    MessageRejected,
    RejectionReason,
    ServerConnected,
    ServerDisconnected,
    SubscriptionTaken,
)
from simplex_calls.agent.lifecycle import Cause, Lifecycle
from simplex_calls.agent.own_links import OwnLinks
from simplex_calls.agent.receiving import Receiver
from simplex_calls.agent.rotating import Rotation
from simplex_calls.agent.store import Store
from simplex_calls.database import is_storage_failure
from simplex_calls.smp.address import ServerAddress
from simplex_calls.smp.errors import BrokerError, ErrorCode, SMPError
from simplex_calls.smp.messages import Msg
from simplex_calls.smp.queues import RecipientQueue

_log = logging.getLogger(__name__)


class Listening:
    """The agent's ``NetworkHandler``."""

    def __init__(
        self,
        store: Store,
        lifecycle: Lifecycle,
        receiver: Receiver,
        rotation: Rotation,
        delivery: Delivery,
        acknowledging: Acknowledging,
        own_links: OwnLinks,
    ) -> None:
        self._store = store
        self._database = store.database
        self._lifecycle = lifecycle
        self._receiver = receiver
        self._rotation = rotation
        self._delivery = delivery
        self._acknowledging = acknowledging
        self._own_links = own_links

    def message(self, server: ServerAddress, recipient_id: bytes, message: Msg) -> None:
        """Process a message in one transaction, then acknowledge it."""
        queue = self._store.queues.rcv_queue(server, recipient_id)
        if queue is None:
            _log.info("a message came for a queue that was deleted")
            return
        committed: list[bool] = []
        try:
            with self._database.transaction():
                self._database.after_commit(lambda: committed.append(True))
                taken = self._receiver.receive(queue, message)
            if not taken:
                self._acknowledging.later(queue, lambda: self.message(server, recipient_id, message))
                return
        except Exception as error:  # noqa: BLE001 - no message may block its queue for good
            if is_storage_failure(error) and not committed:
                _log.critical("a message cannot be stored and stays on its server: %s", type(error).__name__)
                self._acknowledging.later(queue, lambda: self.message(server, recipient_id, message))
                return
            _log.error("a message could not be processed: %s", type(error).__name__)
            if not committed:
                with self._database.transaction():
                    self._store.queues.set_last_message(queue.id, message.message_id)
                    self._lifecycle.emit(MessageRejected(queue.connection_id, RejectionReason.NOT_PROCESSED))
        self._acknowledging.start(queue, message.message_id)

    def subscribed(self, queues: Sequence[RecipientQueue]) -> None:
        """Queues deliver (again)."""
        by_server: dict[ServerAddress, set[int]] = {}
        for queue in queues:
            stored = self._store.queues.rcv_queue(queue.server, queue.recipient_id)
            if stored is not None:
                by_server.setdefault(queue.server, set()).add(stored.connection_id)
        for server, ids in by_server.items():
            self._lifecycle.tell(ServerConnected(server, tuple(sorted(ids))))

    def subscription_failed(self, queue: RecipientQueue, error: SMPError) -> None:
        """The server refused a subscription: if it knows the queue no more, so do we."""
        stored = self._store.queues.rcv_queue(queue.server, queue.recipient_id)
        _log.warning("a subscription failed: %s", error)
        if stored is None or not isinstance(error, BrokerError):
            return
        if error.error.code in (ErrorCode.AUTH, ErrorCode.BLOCKED):
            with self._database.transaction():
                if self._rotation.subscription_lost(stored):
                    return
                cause = Cause(reason=FailureReason.QUEUE_GONE)
                self._lifecycle.fire(stored.connection_id, ConnectionEvent.FAIL, cause)

    def ended(self, queue: RecipientQueue) -> None:
        """Another client subscribed to a queue of ours."""
        stored = self._store.queues.rcv_queue(queue.server, queue.recipient_id)
        if stored is not None:
            self._lifecycle.tell(SubscriptionTaken(stored.connection_id))

    def connected(self, server: ServerAddress) -> None:
        """Send at once what waits for this server."""
        self._delivery.server_connected(server)
        self._own_links.send_waiting(server)

    def disconnected(self, server: ServerAddress) -> None:
        """The network is connecting again (or did not manage to yet)."""
        ids = self._store.queues.connections_of_server(server)
        if ids:
            self._lifecycle.tell(ServerDisconnected(server, ids))
