"""Carries out what the tables of :mod:`simplex_calls.agent.rotation` say, and hears of the outbox first.

While a new sending queue is being tested, what is sent goes there, but not before all that waited for the old queue is
on its server: nothing overtakes, and nothing is lost with the old queue.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace

from simplex_calls.agent import envelopes
from simplex_calls.agent.connection import ConnectionState
from simplex_calls.agent.errors import RatchetNotReady, WrongState
from simplex_calls.agent.events import (
    FailureReason,
    QueueDirection,
    QueueDrained,
    QueueFull,
    QueueSwitched,
    RejectionReason,
)
from simplex_calls.agent.lifecycle import Lifecycle
from simplex_calls.agent.outgoing import Outgoing
from simplex_calls.agent.queue_address import QueueAddress, QueueInfo, QueueUri
from simplex_calls.agent.records import Connection, NewRcvQueue, OutboxItem, OutboxKind, RcvQueue, SndQueue
from simplex_calls.agent.rotation import (
    RCV_TRANSITIONS,
    SND_TRANSITIONS,
    RcvRotation,
    RotationAction,
    RotationEvent,
    SndRotation,
)
from simplex_calls.agent.store import Store
from simplex_calls.agent.versions import CLIENT_VERSIONS, highest_common
from simplex_calls.crypto import BoxKey, CryptoError, PublicKey, Random, X25519PrivateKey
from simplex_calls.smp.commands import QueueMode
from simplex_calls.smp.sender_keys import new_sender_key

_log = logging.getLogger(__name__)

MOST_QUEUES = 8
"""How many sending queues a peer may leave us with."""


class RotationRefused(Exception):  # noqa: N818 - a verdict on what came
    """What the peer says of queues is not used, and nothing has changed."""

    reason = RejectionReason.NOT_EXPECTED


class Rotation:
    """Replaces queues; a listener of the outbox that passes on what is not about that."""

    def __init__(
        self,
        store: Store,
        outgoing: Outgoing,
        lifecycle: Lifecycle,
        *,
        add_queue: Callable[[int, NewRcvQueue], None],
        forget: Callable[[Sequence[RcvQueue]], None],
        clock: Callable[[], float],
        random: Random,
    ) -> None:
        self._store = store
        self._outgoing = outgoing
        self._lifecycle = lifecycle
        self._add_queue = add_queue
        self._forget = forget
        self._clock = clock
        self._random = random

    def is_switching(self, connection_id: int) -> bool:
        """Whether a queue is being replaced, on either side."""
        receiving, sending = self._store.queues.rcv_queues(connection_id), self._store.queues.snd_queues(connection_id)
        replaced = [queue.replaces for queue in receiving] + [queue.replaces for queue in sending]
        return any(queue_id is not None for queue_id in replaced)

    def can_abort(self, connection_id: int) -> bool:
        """Whether a queue of ours is being replaced and may stay yet."""
        queues = self._store.queues.rcv_queues(connection_id)
        return any((queue.rotation, RotationEvent.ABORT) in RCV_TRANSITIONS for queue in queues)

    # what the user asks for

    def check(self, connection_id: int) -> RcvQueue:
        """The queue to be replaced; raises :class:`WrongState` if none can be now."""
        connection = self._store.connection(connection_id)
        if connection.state is not ConnectionState.CONNECTED:
            raise WrongState("the queue can be replaced once the connection is made")
        if not connection.ratchet_sync.allows_sending:
            raise RatchetNotReady
        queues = self._store.queues.rcv_queues(connection_id)
        if len(queues) != 1:
            raise WrongState("the queue is being replaced already")
        return queues[0]

    def ask(self, connection_id: int, new: NewRcvQueue) -> None:
        """Store a queue that was made, and tell the peer. Raises :class:`WrongState`."""
        old = self.check(connection_id)
        self._add_queue(connection_id, new)
        self._store.queues.set_rcv_replaces(self._store.queues.rcv_queues(connection_id)[-1].id, old.id)
        self._fire_rcv(old, RotationEvent.ASK)

    def abort(self, connection_id: int) -> None:
        """Let the old queue stay. Raises :class:`WrongState`: nothing is replaced, or the peer may use the new one."""
        self._store.connection(connection_id)
        old = next(
            (queue for queue in self._store.queues.rcv_queues(connection_id) if queue.rotation.value != "settled"), None
        )
        if old is None or not self._fire_rcv(old, RotationEvent.ABORT):
            raise WrongState("the replacement of the queue cannot be stopped now")

    def resume(self, connection_id: int) -> None:
        """The ratchet was started again: what was sent of a replacement may have been lost with the old one."""
        actions = {
            RcvRotation.ADDED: RotationAction.SEND_ADD,
            RcvRotation.SECURING: RotationAction.SECURE_NEW,
            RcvRotation.USED: RotationAction.SEND_USE,
        }
        for old in self._store.queues.rcv_queues(connection_id):
            action = actions.get(old.rotation)
            if action is not None:
                self._do_rcv(action, old)

    # what the peer says; all raise RotationRefused

    def add(self, connection: Connection, message: envelopes.QueueAdd) -> None:
        """QADD: the peer made another queue."""
        uri, address = message.queues[0]
        if address is None:
            raise RotationRefused("a queue was added that replaces none")
        version = highest_common(CLIENT_VERSIONS, uri.versions)
        if version is None or uri.mode is QueueMode.CONTACT:
            raise RotationRefused("the new queue is of no kind that is known here")
        queues = self._store.queues.snd_queues(connection.id)
        if any(_is(queue, uri.address) for queue in queues):
            raise RotationRefused("the new queue is used by this connection already")
        old = next((queue for queue in queues if _is(queue, address)), None)
        if old is None:
            raise RotationRefused("the queue to be replaced is not of this connection")
        if old.rotation is SndRotation.SETTLED and len(queues) >= MOST_QUEUES:
            raise RotationRefused("too many queues are being replaced")
        self._require(connection)
        info = replace(uri.at(version), server=replace(uri.server, password=None))
        e2e_key = X25519PrivateKey.generate(self._random)
        if not self._fire_snd(old, RotationEvent.ADD, lambda: self._send_key(connection, old, info, e2e_key)):
            raise RotationRefused("another queue is used instead of it already")

    def keys(self, connection: Connection, message: envelopes.QueueKeys) -> None:
        """QKEY: the peer's key for our new queue."""
        info, sender_key = message.queues[0]
        queues = self._store.queues.rcv_queues(connection.id)
        new = next((queue for queue in queues if queue.replaces is not None and _is(queue, info.address)), None)
        old = None if new is None else next((queue for queue in queues if queue.id == new.replaces), None)
        if new is None or old is None or info.version not in CLIENT_VERSIONS:
            raise RotationRefused("keys came for no new queue of this connection")
        # taken while the ratchet is started again, too: they would not come another time
        if connection.state is not ConnectionState.CONNECTED:
            raise RotationRefused("queues cannot be replaced now")
        if (old.rotation, RotationEvent.THEIR_KEY) not in RCV_TRANSITIONS:
            raise RotationRefused("the new queue has its keys already")
        try:
            secret = BoxKey.agree(new.e2e_key, info.dh_key)
        except CryptoError:
            raise RotationRefused("the key for the new queue is not safe to use") from None
        self._store.queues.confirm_rcv_queue(new.id, secret, min(new.client_version, info.version), sender_key)
        self._fire_rcv(old, RotationEvent.THEIR_KEY)

    def use(self, connection: Connection, message: envelopes.QueueUse) -> None:
        """QUSE: the peer secured its new queue."""
        address, _ = message.queues[0]
        queues = self._store.queues.snd_queues(connection.id)
        new = next((queue for queue in queues if queue.replaces is not None and _is(queue, address)), None)
        old = None if new is None else next((queue for queue in queues if queue.id == new.replaces), None)
        if old is None:
            raise RotationRefused("no new queue of this connection is to be used")
        self._require(connection)
        if not self._fire_snd(old, RotationEvent.USE):
            raise RotationRefused("the new queue is used already")

    def received_in(self, queue: RcvQueue) -> None:
        """A message was decrypted that came in ``queue``."""
        old = self._replaced(queue)
        if old is not None:
            self._fire_rcv(old, RotationEvent.FIRST_MESSAGE)

    def subscription_lost(self, queue: RcvQueue) -> bool:
        """The server does not know ``queue``; True if it was a new one that is given up now."""
        old = self._replaced(queue)
        return old is not None and self._fire_rcv(old, RotationEvent.FAILED)

    def _replaced(self, queue: RcvQueue) -> RcvQueue | None:
        if queue.replaces is None:
            return None
        return next(
            (one for one in self._store.queues.rcv_queues(queue.connection_id) if one.id == queue.replaces), None
        )

    def _require(self, connection: Connection) -> None:
        if connection.state is not ConnectionState.CONNECTED or not connection.ratchet_sync.allows_sending:
            raise RotationRefused("queues cannot be replaced now")

    # the receiving side

    def _fire_rcv(self, old: RcvQueue, event: RotationEvent) -> bool:
        step = RCV_TRANSITIONS.get((old.rotation, event))
        if step is None:
            return False
        self._store.queues.set_rcv_rotation(old.id, step.state.value)
        for action in step.actions:
            self._do_rcv(action, old)
        self._lifecycle.emit(QueueSwitched(old.connection_id, QueueDirection.RECEIVING, step.phase))
        return True

    def _do_rcv(self, action: RotationAction, old: RcvQueue) -> None:
        connection = self._store.connection(old.connection_id)
        new = next((queue for queue in self._store.queues.rcv_queues(connection.id) if queue.replaces == old.id), None)
        if new is None:
            return
        match action:
            case RotationAction.SEND_ADD:
                versions = CLIENT_VERSIONS
                mode = QueueMode.MESSAGING if new.sender_can_secure else None
                uri = QueueUri(versions, new.server, new.sender_id, new.e2e_key.public, mode)
                self._outgoing.service(connection, envelopes.QueueAdd(((uri, _address(old)),)))
            case RotationAction.SECURE_NEW if new.sender_key is not None:
                self._outgoing.secure_new_queue(connection, new.id, new.sender_key)
            case RotationAction.SEND_USE:
                self._outgoing.service(connection, envelopes.QueueUse(((_address(new), True),)))
            case RotationAction.DELETE_OLD:
                self._store.queues.set_rcv_replaces(new.id, None)
                self._delete(old)
            case RotationAction.DELETE_NEW:
                self._delete(new)

    def _delete(self, queue: RcvQueue) -> None:
        self._store.queues.add_deletion(queue.subscription, self._clock())
        self._store.queues.delete_rcv_queue(queue.id)
        self._store.database.after_commit(lambda: self._forget([queue]))

    # the sending side

    def _fire_snd(self, old: SndQueue, event: RotationEvent, send_key: Callable[[], None] | None = None) -> bool:
        step = SND_TRANSITIONS.get((old.rotation, event))
        if step is None:
            return False
        self._store.queues.set_snd_rotation(old.id, step.state.value)
        for action in step.actions:
            new = next(
                (queue for queue in self._store.queues.snd_queues(old.connection_id) if queue.replaces == old.id), None
            )
            match action:
                case RotationAction.SEND_KEY if send_key is not None:
                    send_key()
                case RotationAction.SEND_TEST if new is not None:
                    self._store.queues.set_snd_usable(new.id)
                    connection = self._store.connection(old.connection_id)
                    self._outgoing.test(connection, _address(new))
                case RotationAction.DELETE_OLD if new is not None:
                    self._store.queues.set_snd_replaces(new.id, None)
                    self._store.queues.delete_snd_queue(old.id)
                case RotationAction.DELETE_NEW if new is not None:
                    self._store.queues.delete_snd_queue(new.id)
        self._lifecycle.emit(QueueSwitched(old.connection_id, QueueDirection.SENDING, step.phase))
        return True

    def _send_key(self, connection: Connection, old: SndQueue, info: QueueInfo, e2e_key: X25519PrivateKey) -> None:
        auth_key = new_sender_key(self._random, sender_can_secure=info.sender_can_secure)
        try:
            new = self._store.queues.add_snd_queue(
                connection.id,
                info.server,
                info.sender_id,
                auth_key=auth_key,
                e2e_key=e2e_key,
                their_key=info.dh_key,
                client_version=info.version,
                sender_can_secure=info.sender_can_secure,
            )
        except CryptoError:
            raise RotationRefused("the new queue's key is not safe to use") from None
        self._store.queues.set_snd_replaces(new.id, old.id)
        public: PublicKey = auth_key.public
        answer = envelopes.QueueKeys(((replace(info, dh_key=e2e_key.public), public),))
        if not self._outgoing.answer(self._store.connection(connection.id), answer):
            raise RotationRefused("too much waits for the peer already")

    # what the outbox tells (DeliveryListener)

    def sent(self, queue: SndQueue, item: OutboxItem) -> None:
        """The server did what ``item`` asked for."""
        match item.kind:
            case OutboxKind.SECURE_NEW:
                self._settled(queue, item, RotationEvent.SECURED)
            case OutboxKind.QUEUE_TEST:
                old = None if queue.replaces is None else self._store.queues.snd_queue(queue.replaces)
                if old is not None:
                    self._fire_snd(old, RotationEvent.TESTED)
            case _:
                self._lifecycle.sent(queue, item)

    def _settled(self, queue: SndQueue, item: OutboxItem, event: RotationEvent) -> None:
        """Our new queue was secured, or will never be."""
        new_id, _ = item.secured
        new = next((one for one in self._store.queues.rcv_queues(queue.connection_id) if one.id == new_id), None)
        connection = self._store.connection(queue.connection_id)
        old = None if new is None else self._replaced(new)
        # otherwise it is done again when the ratchet is in step: see resume
        if old is not None and (connection.ratchet_sync.allows_sending or event is RotationEvent.FAILED):
            self._fire_rcv(old, event)

    def failed(self, queue: SndQueue, item: OutboxItem, reason: FailureReason) -> None:
        """``item`` will never go; the next ones are tried."""
        if item.kind is OutboxKind.SECURE_NEW:
            self._settled(queue, item, RotationEvent.FAILED)
        else:
            self._lifecycle.failed(queue, item, reason)

    def gone(self, queue: SndQueue, items: list[OutboxItem], reason: FailureReason) -> None:
        """The queue cannot be used any more: ``items`` is all that waited for it."""
        current = self._store.queues.snd_queue_of(queue.connection_id)
        old = None if queue.replaces is None else self._store.queues.snd_queue(queue.replaces)
        if current is None or queue.is_address or (old is None and current.id == queue.id):
            self._lifecycle.gone(queue, items, reason)
            return
        # the connection has another queue
        for item in items:
            self.failed(queue, item, reason)
        if old is not None:
            self._fire_snd(old, RotationEvent.FAILED)

    def full(self, queue: SndQueue) -> None:
        """The recipient's queue takes no more."""
        self._lifecycle.emit(QueueFull(queue.connection_id))

    def drained(self, queue: SndQueue) -> None:
        """It does again."""
        self._lifecycle.emit(QueueDrained(queue.connection_id))


def _address(queue: RcvQueue | SndQueue) -> QueueAddress:
    return QueueAddress(queue.server, queue.sender_id)


def _is(queue: RcvQueue | SndQueue, address: QueueAddress) -> bool:
    return queue.sender_id == address.sender_id and queue.server.fingerprint == address.server.fingerprint
