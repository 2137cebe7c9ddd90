"""Carries out what the table of :mod:`simplex_calls.agent.connection` says, inside the caller's transaction."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field

from simplex_calls.agent.connection import ConnectionAction, ConnectionEvent, ConnectionState, transition
from simplex_calls.agent.envelopes import ConnInfo
from simplex_calls.agent.events import (
    AgentEvent,
    ConfirmationReceived,
    Connected,
    ConnectionFailed,
    ContactRequestReceived,
    FailureReason,
    InfoReceived,
    MessageDelivered,
    MessageFailed,
    MessageReceived,
    MessageRejected,
    RejectionReason,
)
from simplex_calls.agent.link_store import LinkStore
from simplex_calls.agent.outgoing import Outgoing
from simplex_calls.agent.records import OutboxItem, OutboxKind, SndQueue
from simplex_calls.agent.store import Store
from simplex_calls.database import is_storage_failure

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Cause:
    """What comes with an event, as far as its actions need it."""

    info: bytes = field(default=b"", repr=False)
    """The peer's info, or with ``ALLOW`` ours."""
    message: MessageReceived | None = None
    body: bytes = field(default=b"", repr=False)
    notify: bool = False
    reason: FailureReason = FailureReason.REFUSED
    request_id: int = 0


_NOTHING = Cause()


class Lifecycle:
    """Moves connections from state to state, and tells the floor above."""

    def __init__(self, store: Store, outgoing: Outgoing, handler: Callable[[AgentEvent], None]) -> None:
        self._store = store
        self._outgoing = outgoing
        self._handler = handler

    def emit(self, event: AgentEvent) -> bool:
        """Hand ``event`` to the floor above; False if it failed on it, and nothing of what it did stays."""
        try:
            with self._store.database.savepoint():
                self._handler(event)
        except Exception as error:  # whatever the floor above raises must not stop the queue
            if is_storage_failure(error):
                raise  # a full disk or the like: nothing is lost if all of it is tried again later
            _log.error("an event (%s) could not be processed: %s", type(event).__name__, type(error).__name__)
            return False
        return True

    def tell(self, event: AgentEvent) -> None:
        """Hand ``event`` to the floor above, in a transaction of its own."""
        with self._store.database.transaction():
            self.emit(event)

    def fire(self, connection_id: int, event: ConnectionEvent, cause: Cause = _NOTHING) -> bool:
        """Let ``event`` happen; False if the connection's state does not allow it (nothing changes then)."""
        connection = self._store.connection(connection_id)
        step = transition(connection.state, event)
        if step is None:
            _log.warning("%s is not expected by a connection that is %s", event.name, connection.state.value)
            return False
        if step.state is not connection.state:
            self._store.set_state(connection_id, step.state)
        for action in step.actions:
            self._do(action, connection_id, cause)
            if self._store.connection(connection_id).state is not step.state:
                break  # the floor above answered at once, or failed on what it was told
        return True

    def send(self, connection_id: int, body: bytes, *, notify: bool) -> int | None:
        """Put a message into the outbox: its number; ``None`` if the state does not allow it."""
        if not self.fire(connection_id, ConnectionEvent.SEND, Cause(body=body, notify=notify)):
            return None
        return self._store.connection(connection_id).sent_number

    def _do(self, action: ConnectionAction, connection_id: int, cause: Cause) -> None:
        # read again for every action: the one before may have moved the chain
        connection = self._store.connection(connection_id)
        outgoing = self._outgoing
        match action:
            case ConnectionAction.REPORT_REQUEST:
                if not self.emit(ContactRequestReceived(connection_id, cause.request_id, cause.info)):
                    # who asks can ask again; what the floor above does not know of would wait for ever
                    LinkStore(self._store.database).delete_request(cause.request_id)
                    self.emit(MessageRejected(connection_id, RejectionReason.NOT_PROCESSED))
            case ConnectionAction.REPORT_CONFIRMATION:
                version, pq = connection.agent_version, connection.pq_supported
                self._handshake_event(ConfirmationReceived(connection_id, cause.info, version, pq))
            case ConnectionAction.REPORT_INFO:
                version, pq = connection.agent_version, connection.pq_supported
                self._handshake_event(InfoReceived(connection_id, cause.info, version, pq))
            case ConnectionAction.REPORT_CONNECTED:
                self.emit(Connected(connection_id))
            case ConnectionAction.REPORT_FAILED:
                self.emit(ConnectionFailed(connection_id, cause.reason))
            case ConnectionAction.SECURE_OWN_QUEUE:
                for queue in self._store.queues.rcv_queues(connection_id):
                    if queue.sender_key is not None:
                        outgoing.secure_own_queue(connection, queue.sender_key)
            case ConnectionAction.SECURE_THEIR_QUEUE:
                outgoing.secure_their_queue(connection)
            case ConnectionAction.QUEUE_CONFIRMATION:
                outgoing.confirmation(connection, ConnInfo(cause.info))
            case ConnectionAction.QUEUE_HELLO:
                outgoing.hello(connection)
            case ConnectionAction.QUEUE_MESSAGE:
                outgoing.message(connection, cause.body, notify=cause.notify)
            case ConnectionAction.DELIVER:
                message = cause.message
                if message is not None and not self.emit(message):
                    self.emit(MessageRejected(connection_id, RejectionReason.NOT_PROCESSED, message.broker_time))

    def _handshake_event(self, event: ConfirmationReceived | InfoReceived) -> None:
        if not self.emit(event):
            cause = Cause(reason=FailureReason.NOT_PROCESSED)
            self.fire(event.connection_id, ConnectionEvent.FAIL, cause)

    # what the outbox tells

    def sent(self, queue: SndQueue, item: OutboxItem) -> None:
        """The server did what ``item`` asked for."""
        match item.kind:
            case OutboxKind.MESSAGE:
                self.emit(MessageDelivered(queue.connection_id, item.number))
            case OutboxKind.REQUEST:
                self._store.queues.delete_snd_queue(queue.id)
            case OutboxKind.HELLO:
                self.fire(queue.connection_id, ConnectionEvent.HELLO_SENT)
            case OutboxKind.CONFIRMATION if queue.sender_can_secure:
                self.fire(queue.connection_id, ConnectionEvent.CONFIRMATION_SENT_SECURED)
            case OutboxKind.CONFIRMATION:
                self.fire(queue.connection_id, ConnectionEvent.CONFIRMATION_SENT)
            case (
                OutboxKind.SECURE_OURS
                | OutboxKind.SECURE_THEIRS
                | OutboxKind.SERVICE
                | OutboxKind.SECURE_NEW
                | OutboxKind.QUEUE_TEST
            ):
                pass

    def failed(self, queue: SndQueue, item: OutboxItem, reason: FailureReason) -> None:
        """``item`` will never go; the next ones are tried."""
        if item.kind is OutboxKind.MESSAGE:
            self.emit(MessageFailed(queue.connection_id, item.number, reason))

    def gone(self, queue: SndQueue, items: list[OutboxItem], reason: FailureReason) -> None:
        """The queue cannot be used any more: ``items`` is all that waited for it."""
        if queue.is_address:
            self._store.queues.delete_snd_queue(queue.id)
            if self._store.connection(queue.connection_id).state is not ConnectionState.ASKED:
                return  # the owner answered: the request was taken, and only the server's word for it was lost
        for index, item in enumerate(items):
            self.failed(queue, item, FailureReason.CONNECTION if index else reason)
        self.fire(queue.connection_id, ConnectionEvent.FAIL, Cause(reason=reason))
