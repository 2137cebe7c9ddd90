"""How messages reach their recipients: one at a time of a queue, the next after the ACK of the one before.

Source: simplex-messaging.md, "SMP commands": SUB, GET, ACK, and "Deliver queue message".
"""

from __future__ import annotations

from simplex_calls.relay import answers
from simplex_calls.relay.records import Queue, StoredMessage
from simplex_calls.relay.sessions import Outgoing, Session, Subscription
from simplex_calls.relay.state import RelayState
from simplex_calls.smp import messages
from simplex_calls.smp.body import QuotaReached, Received, encrypt_received
from simplex_calls.smp.messages import BrokerMessage, Msg, Ok


class Deliveries:
    """Who receives from which queue, and what is on its way to them."""

    def __init__(self, state: RelayState) -> None:
        self._state = state
        self._subscribers: dict[int, Session] = {}

    def subscribe_new(self, session: Session, queue: Queue) -> None:
        """The client that made a queue receives from it."""
        self._subscribers[queue.number] = session
        session.subscriptions[queue.number] = Subscription(queue, by_get=False)

    def subscribe(self, session: Session, queue: Queue, now: int, outgoing: list[Outgoing]) -> BrokerMessage:
        """SUB."""
        subscription = session.subscriptions.get(queue.number)
        if subscription is None:
            subscription = session.subscriptions[queue.number] = Subscription(queue, by_get=False)
        elif subscription.by_get:
            return answers.PROHIBITED
        previous = self._subscribers.get(queue.number)
        if previous is not None and previous is not session:
            del previous.subscriptions[queue.number]
            previous.waiting.pop(queue.number, None)
            outgoing.append(Outgoing(previous, b"", queue.recipient_id, messages.End()))
        self._subscribers[queue.number] = session
        subscription.delivered = None
        self._deliver(session, subscription, now, session.following)
        return messages.Sok()

    def get(self, session: Session, queue: Queue, now: int) -> BrokerMessage:
        """GET."""
        subscription = session.subscriptions.get(queue.number)
        if subscription is None:
            subscription = session.subscriptions[queue.number] = Subscription(queue, by_get=True)
        elif not subscription.by_get:
            return answers.PROHIBITED
        first = self._state.first(queue, now)
        if first is None:
            return Ok()
        message = self._encrypted(queue, first)
        session.room -= 1  # also below zero: what was asked for is answered
        subscription.delivered = first.message_id
        return message

    def acknowledge(self, session: Session, queue: Queue, message_id: bytes, now: int) -> BrokerMessage:
        """ACK: the next message, or OK."""
        subscription = session.subscriptions.get(queue.number)
        # an empty id stands for whatever was delivered, and deletes nothing
        if subscription is None or subscription.delivered is None or message_id not in (b"", subscription.delivered):
            return answers.NO_MESSAGE
        subscription.delivered = None
        # it may be gone already: expired, or acknowledged in another session
        if queue.messages and queue.messages[0].message_id == message_id:
            self._state.delete_first(queue)
            self._state.counts.messages_acknowledged += 1
        if subscription.by_get:
            return Ok()
        return self._next(session, subscription, now) or Ok()

    def arrived(self, queue: Queue, now: int, outgoing: list[Outgoing]) -> None:
        """A message came into a queue."""
        subscriber = self._subscribers.get(queue.number)
        if subscriber is not None:
            self._deliver(subscriber, subscriber.subscriptions[queue.number], now, outgoing)

    def refill(self, session: Session, now: int) -> list[Outgoing]:
        """A client read what it was sent: deliver what waited for that."""
        session.room = self._state.limits.deliveries
        outgoing: list[Outgoing] = []
        while session.waiting and session.room > 0:
            number = next(iter(session.waiting))
            del session.waiting[number]
            subscription = session.subscriptions.get(number)
            if subscription is not None:
                self._deliver(session, subscription, now, outgoing)
        return outgoing

    def deleted(self, queue: Queue, by: Session | None, outgoing: list[Outgoing]) -> None:
        """A queue is deleted, by a session of its recipient or in the course of time."""
        subscriber = self._subscribers.pop(queue.number, None)
        if subscriber is not None and subscriber is not by:
            del subscriber.subscriptions[queue.number]
            subscriber.waiting.pop(queue.number, None)
            outgoing.append(Outgoing(subscriber, b"", queue.recipient_id, messages.Deld()))
        if by is not None:
            by.subscriptions.pop(queue.number, None)
            by.waiting.pop(queue.number, None)

    def disconnect(self, session: Session) -> None:
        """A client is gone: unacknowledged messages are delivered to the next subscriber."""
        for number in session.subscriptions:
            if self._subscribers.get(number) is session:
                del self._subscribers[number]
        session.subscriptions.clear()
        session.waiting.clear()
        session.following.clear()

    def _next(self, session: Session, subscription: Subscription, now: int) -> Msg | None:
        """Put the next message of a subscription in delivery, if there is one and the session has room."""
        first = self._state.first(subscription.queue, now)
        if first is None:
            return None
        if session.room <= 0:
            session.waiting[subscription.queue.number] = None
            return None
        message = self._encrypted(subscription.queue, first)
        session.room -= 1
        subscription.delivered = first.message_id
        return message

    def _deliver(self, session: Session, subscription: Subscription, now: int, outgoing: list[Outgoing]) -> None:
        if subscription.delivered is None:
            message = self._next(session, subscription, now)
            if message is not None:
                outgoing.append(Outgoing(session, b"", subscription.queue.recipient_id, message, early=True))

    def _encrypted(self, queue: Queue, message: StoredMessage) -> Msg:
        self._state.counts.messages_out += 1
        if message.is_quota:
            return encrypt_received(QuotaReached(message.time), queue.box, message.message_id)
        notify, body = self._state.store.content(message)
        return encrypt_received(Received(message.time, notify, body), queue.box, message.message_id)
