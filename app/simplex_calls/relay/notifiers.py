"""Who is told of messages without receiving them: push servers, on behalf of recipients.

Source: simplex-messaging.md, "Push notifications". There is no push service behind this relay; others' may subscribe.
"""

from __future__ import annotations

from simplex_calls.crypto import BoxKey, CryptoError, PublicKey, X25519PrivateKey, X25519PublicKey
from simplex_calls.relay import answers
from simplex_calls.relay.notifications import PendingNotifications, notification
from simplex_calls.relay.records import Notifier, Queue, StoredMessage
from simplex_calls.relay.sessions import Outgoing, Session
from simplex_calls.relay.state import RelayState
from simplex_calls.smp import messages
from simplex_calls.smp.messages import BrokerMessage
from simplex_calls.smp.transmission import Transmission


class Notifiers:
    """The notifiers of all queues, and the sessions that are subscribed to them."""

    def __init__(self, state: RelayState) -> None:
        self._state = state
        self._subscribers: dict[bytes, Session] = {}
        self._pending = PendingNotifications()

    def new(self, key: PublicKey, dh_key: X25519PublicKey) -> tuple[Notifier, messages.Nid]:
        """Make a notifier, and the answer with its id; raises :class:`CryptoError`."""
        server_key = X25519PrivateKey.generate(self._state.random)
        notifier = Notifier(self._state.queues.unused_id(), key, BoxKey.agree(server_key, dh_key))
        return notifier, messages.Nid(notifier.notifier_id, server_key.public)

    def enable(self, queue: Queue, key: PublicKey, dh_key: X25519PublicKey, outgoing: list[Outgoing]) -> BrokerMessage:
        """NKEY."""
        if self._state.is_full:
            return answers.DISK_FULL
        try:
            notifier, nid = self.new(key, dh_key)
        except CryptoError:
            return answers.SYNTAX
        self.disable(queue, outgoing)
        queue.notifier = notifier
        self._state.queues.by_notifier[notifier.notifier_id] = queue
        self._state.change(queue)
        return nid

    def disable(self, queue: Queue, outgoing: list[Outgoing]) -> None:
        """NDEL, and what happens to the notifier of a deleted queue."""
        if queue.notifier is None:
            return
        notifier_id = queue.notifier.notifier_id
        self._state.queues.by_notifier.pop(notifier_id, None)
        self._pending.take(notifier_id)
        subscriber = self._subscribers.pop(notifier_id, None)
        if subscriber is not None:
            subscriber.notifiers.discard(notifier_id)
            outgoing.append(Outgoing(subscriber, b"", notifier_id, messages.Deld()))
        queue.notifier = None
        self._state.change(queue)

    def subscribe(self, session: Session, transmission: Transmission, outgoing: list[Outgoing]) -> BrokerMessage:
        """NSUB."""
        notifier_id = transmission.entity_id
        queue = self._state.queues.by_notifier.get(notifier_id)
        key = queue.notifier.key if queue is not None and queue.notifier is not None else None
        if not session.verifier.verified(transmission, key):
            return answers.AUTH
        previous = self._subscribers.get(notifier_id)
        if previous is not None and previous is not session:
            previous.notifiers.discard(notifier_id)
            outgoing.append(Outgoing(previous, b"", notifier_id, messages.End()))
        self._subscribers[notifier_id] = session
        session.notifiers.add(notifier_id)
        for message in self._pending.take(notifier_id):
            session.following.append(Outgoing(session, b"", notifier_id, message))
        return messages.Sok()

    def notify(self, notifier: Notifier, message: StoredMessage, outgoing: list[Outgoing]) -> None:
        """Tell of a message."""
        content = notification(notifier.box, message.message_id, message.time, self._state.random)
        subscriber = self._subscribers.get(notifier.notifier_id)
        if subscriber is None or subscriber.room <= 0:
            self._pending.add(notifier.notifier_id, content)
        else:
            subscriber.room -= 1
            outgoing.append(Outgoing(subscriber, b"", notifier.notifier_id, content))

    def disconnect(self, session: Session) -> None:
        """A client is gone."""
        for notifier_id in session.notifiers:
            if self._subscribers.get(notifier_id) is session:
                del self._subscribers[notifier_id]
        session.notifiers.clear()
