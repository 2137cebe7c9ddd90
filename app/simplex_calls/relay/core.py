"""The relay itself, without sockets, clock or disk: commands of sessions in, answers and deliveries out.

Source: simplex-messaging.md, "SMP commands". A queue delivers one message at a time: the next one follows its ACK.
Answers and deliveries must leave only after the changes that come with them (:meth:`RelayCore.take_changes`) are
stored; if they cannot be stored, :meth:`RelayCore.recover` returns to what the disk holds, and every session that had
a part in it must be disconnected, which for its client is no more than a lost connection.
"""

from __future__ import annotations

import datetime
import hmac
import json
import os
from dataclasses import dataclass, field

from simplex_calls.crypto import BoxKey, CryptoError, PublicKey, Random, X448PublicKey, X25519PrivateKey
from simplex_calls.relay.authorization import Verifier
from simplex_calls.relay.store import Changes, Queue, Store, StoredMessage
from simplex_calls.smp import commands, messages
from simplex_calls.smp.body import QuotaReached, Received, encrypt_received
from simplex_calls.smp.commands import CommandError, check_credentials, decode_command
from simplex_calls.smp.encoding import base64url
from simplex_calls.smp.errors import CommandFault, ErrorCode, ServerError
from simplex_calls.smp.messages import BrokerMessage, Err, Msg, Ok
from simplex_calls.smp.transmission import Transmission

ID_SIZE = 24
"""Bytes of queue ids and message ids (a message id is also the nonce of its encryption)."""

_DAY = 24 * 3600
_AUTH = Err(ServerError(ErrorCode.AUTH))
_QUOTA = Err(ServerError(ErrorCode.QUOTA))
_NO_MESSAGE = Err(ServerError(ErrorCode.NO_MSG))
_LARGE = Err(ServerError(ErrorCode.LARGE_MSG))
_INTERNAL = Err(ServerError(ErrorCode.INTERNAL))
_PROHIBITED = Err(ServerError.cmd(CommandFault.PROHIBITED))
_SYNTAX = Err(ServerError.cmd(CommandFault.SYNTAX))
_UNKNOWN = Err(ServerError.cmd(CommandFault.UNKNOWN))


@dataclass(frozen=True, slots=True)
class Limits:
    """What the relay keeps, and for how long."""

    messages_per_queue: int = 128
    message_seconds: int = 21 * _DAY
    """Older messages are deleted, delivered or not."""
    suspended_seconds: int = 30 * _DAY
    """A queue that its recipient suspended and did not delete is deleted after this time."""
    queues: int = 200_000
    """All queues are kept in memory: with this many the relay creates no more."""
    deliveries: int = 32
    """Messages that may be on their way to one session before it has read them; the others wait in their queues."""


@dataclass(slots=True)
class _Subscription:
    queue: Queue
    by_get: bool
    """Made by GET: messages come only when asked for."""
    delivered: bytes | None = field(default=None, repr=False)
    """The id of the message that waits for its ACK."""


@dataclass(slots=True, eq=False)
class Session:
    """A connected client: the queues it receives from, and how many more messages it may be sent."""

    version: int
    verifier: Verifier
    room: int
    """How many more messages it may be sent before :meth:`RelayCore.refill`."""
    subscriptions: dict[int, _Subscription] = field(default_factory=dict, repr=False)
    waiting: dict[int, None] = field(default_factory=dict, repr=False)
    """Numbers of the queues whose next message had no room, in order."""

    @property
    def subscribed(self) -> bool:
        """Whether messages may come for this session without its asking."""
        return any(not subscription.by_get for subscription in self.subscriptions.values())


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message to ``session``: an answer if it has a correlation id, else something it did not ask for."""

    session: Session
    corr_id: bytes = field(repr=False)
    entity_id: bytes = field(repr=False)
    message: BrokerMessage = field(repr=False)
    early: bool = False
    """It may leave before the changes are stored: the next message, in answer to ACK. If the deletion of the one before
    is lost with the relay, that one is delivered again, which clients expect after any lost connection."""
    patient: bool = False
    """Nobody is kept waiting by it: OK to ACK."""


class RelayCore:
    """All queues of a relay and the sessions that use them.

    ``password`` is what NEW must bring, None: anybody may create queues. Times are seconds since 1970.
    """

    def __init__(
        self,
        store: Store,
        *,
        limits: Limits = Limits(),
        password: str | None = None,
        random: Random = os.urandom,
    ) -> None:
        self._store = store
        self._limits = limits
        self._password = password
        self._random = random
        self._by_recipient: dict[bytes, Queue] = {}
        self._by_sender: dict[bytes, Queue] = {}
        self._subscribers: dict[int, Session] = {}
        self._touched: dict[int, Queue] = {}
        self._unconfirmed: dict[int, Queue] = {}
        self._next_queue = 1
        for queue in store.load():
            self._insert(queue)
            self._next_queue = max(self._next_queue, queue.number + 1)
        self._next_message = store.next_message_number()

    @property
    def queue_count(self) -> int:
        """How many queues there are."""
        return len(self._by_recipient)

    # sessions

    def connect(self, session_key: X25519PrivateKey, version: int) -> Session:
        """A client connected; ``session_key`` is the private half of the key in the server's handshake."""
        return Session(version, Verifier(session_key), self._limits.deliveries)

    def disconnect(self, session: Session) -> None:
        """A client is gone: its subscriptions end, unacknowledged messages are delivered to the next subscriber."""
        for number in session.subscriptions:
            if self._subscribers.get(number) is session:
                del self._subscribers[number]
        session.subscriptions.clear()
        session.waiting.clear()

    def refill(self, session: Session, now: float) -> list[Outgoing]:
        """The client read what it was sent: deliver what waited for that."""
        session.room = self._limits.deliveries
        outgoing: list[Outgoing] = []
        while session.waiting and session.room > 0:
            number = next(iter(session.waiting))
            del session.waiting[number]
            subscription = session.subscriptions.get(number)
            if subscription is not None:
                self._deliver(session, subscription, int(now), outgoing)
        return outgoing

    # storage

    @property
    def has_changes(self) -> bool:
        """Whether something is to be stored."""
        return self._store.has_changes

    def take_changes(self) -> Changes:
        """What must be stored before the answers since the last call may leave."""
        self._unconfirmed, self._touched = self._touched, {}
        return self._store.take()

    def recover(self) -> None:
        """Forget all that was not stored: after a failed write, or a failure in between."""
        self._store.take()
        lost = self._unconfirmed | self._touched
        self._unconfirmed, self._touched = {}, {}
        stored = {queue.number: queue for queue in self._store.load(lost)}
        for number, queue in lost.items():
            self._remove(queue)
            restored = stored.get(number)
            if restored is not None:
                queue.sender_key = restored.sender_key
                queue.suspended_at = restored.suspended_at
                queue.messages = restored.messages
                self._insert(queue)

    def expire(self, now: float) -> list[Outgoing]:
        """Delete messages, and suspended queues, that are too old."""
        outgoing: list[Outgoing] = []
        for queue in list(self._by_recipient.values()):
            if queue.suspended_at is not None and queue.suspended_at < now - self._limits.suspended_seconds:
                self._delete(queue, None, outgoing)
            elif queue.messages:
                self._first(queue, int(now))
        return outgoing

    # commands

    def handle(self, session: Session, transmission: Transmission, now: float, outgoing: list[Outgoing]) -> None:
        """Carry out one command; what it causes to be delivered and then its answer are added to ``outgoing``."""
        answer = self._handle(session, transmission, int(now), outgoing)
        # a new queue's ids and PONG come without the id of a queue
        entity_id = b"" if isinstance(answer, messages.Ids | messages.Pong) else transmission.entity_id
        early = patient = False
        if transmission.command.startswith(b"ACK"):
            early, patient = type(answer) is Msg, type(answer) is Ok
        outgoing.append(Outgoing(session, transmission.corr_id, entity_id, answer, early, patient))

    def _handle(
        self, session: Session, transmission: Transmission, now: int, outgoing: list[Outgoing]
    ) -> BrokerMessage:
        if len(transmission.corr_id) != ID_SIZE:
            return _SYNTAX
        try:
            command = decode_command(transmission.command, session.version)
            check_credentials(command, authorized=bool(transmission.authorization), entity=bool(transmission.entity_id))
        except CommandError as error:
            return Err(error.error)
        match command:
            case (
                commands.New(X448PublicKey()) | commands.Key(X448PublicKey()) | commands.SKey(X448PublicKey())
            ):  # fmt: skip
                return _SYNTAX  # nothing can be signed or authenticated with it
            case commands.Ping():
                return messages.Pong()
            case commands.Send():
                return self._send(session, transmission, command, now, outgoing)
            case commands.New():
                return self._new(session, transmission, command)
            case commands.SKey():
                return self._secure_by_sender(session, transmission, command)
            case (
                commands.Ack() | commands.Sub() | commands.Get() | commands.Key()
                | commands.Off() | commands.Del() | commands.Que()
            ):  # fmt: skip
                queue = self._by_recipient.get(transmission.entity_id)
                key = None if queue is None else queue.recipient_key
                if not self._verified(session, transmission, key) or queue is None:
                    return _AUTH
                return self._recipient_command(session, queue, command, now, outgoing)
            case _:
                return _UNKNOWN

    def _recipient_command(
        self, session: Session, queue: Queue, command: commands.Command, now: int, outgoing: list[Outgoing]
    ) -> BrokerMessage:
        match command:
            case commands.Ack(message_id):
                return self._acknowledge(session, queue, message_id, now)
            case commands.Sub():
                return self._subscribe(session, queue, now, outgoing)
            case commands.Get():
                return self._get(session, queue, now)
            case commands.Key(sender_key):
                return self._secure(queue, sender_key)
            case commands.Off():
                return self._suspend(queue, now)
            case commands.Del():
                self._delete(queue, session, outgoing)
                return Ok()
            case _:
                return self._info(session, queue, now)

    # what the recipient asks for

    def _new(self, session: Session, transmission: Transmission, new: commands.New) -> BrokerMessage:
        if not self._verified(session, transmission, new.auth_key):
            return _AUTH
        if self._password is not None and not hmac.compare_digest(
            (new.password or "").encode(), self._password.encode()
        ):
            return _AUTH
        if len(self._by_recipient) >= self._limits.queues:
            return _INTERNAL
        server_key = X25519PrivateKey.generate(self._random)
        try:
            box = BoxKey.agree(server_key, new.dh_key)
        except CryptoError:
            return _SYNTAX
        queue = Queue(
            number=self._next_queue,
            recipient_id=self._unused_id(),
            sender_id=self._unused_id(),
            recipient_key=new.auth_key,
            box=box,
            sender_can_secure=new.sender_can_secure,
        )
        self._next_queue += 1
        self._insert(queue)
        self._change(queue)
        if new.subscribe:
            self._subscribers[queue.number] = session
            session.subscriptions[queue.number] = _Subscription(queue, by_get=False)
        return messages.Ids(queue.recipient_id, queue.sender_id, server_key.public, queue.sender_can_secure)

    def _unused_id(self) -> bytes:
        while True:
            new_id = self._random(ID_SIZE)
            if new_id not in self._by_recipient and new_id not in self._by_sender:
                return new_id

    def _subscribe(self, session: Session, queue: Queue, now: int, outgoing: list[Outgoing]) -> BrokerMessage:
        subscription = session.subscriptions.get(queue.number)
        if subscription is None:
            subscription = session.subscriptions[queue.number] = _Subscription(queue, by_get=False)
        elif subscription.by_get:
            return _PROHIBITED
        previous = self._subscribers.get(queue.number)
        if previous is not None and previous is not session:
            self._end(previous, queue, outgoing)
        self._subscribers[queue.number] = session
        subscription.delivered = None
        return self._next(session, subscription, now) or Ok()

    def _get(self, session: Session, queue: Queue, now: int) -> BrokerMessage:
        subscription = session.subscriptions.get(queue.number)
        if subscription is None:
            subscription = session.subscriptions[queue.number] = _Subscription(queue, by_get=True)
        elif not subscription.by_get:
            return _PROHIBITED
        first = self._first(queue, now)
        if first is None:
            return Ok()
        message = self._encrypted(queue, first)
        session.room -= 1  # also below zero: what was asked for is answered
        subscription.delivered = first.message_id
        return message

    def _acknowledge(self, session: Session, queue: Queue, message_id: bytes, now: int) -> BrokerMessage:
        subscription = session.subscriptions.get(queue.number)
        if subscription is None or subscription.delivered is None or subscription.delivered != message_id:
            return _NO_MESSAGE
        subscription.delivered = None
        # it may be gone already: expired, or acknowledged in another session
        if queue.messages and queue.messages[0].message_id == message_id:
            self._touch(queue)
            self._store.delete_message(queue.messages.popleft())
        if subscription.by_get:
            return Ok()
        return self._next(session, subscription, now) or Ok()

    def _secure(self, queue: Queue, key: PublicKey) -> BrokerMessage:
        if queue.sender_key is None:
            queue.sender_key = key
            self._change(queue)
        # the same key again is the repetition of a command whose answer was lost
        return Ok() if queue.sender_key == key else _AUTH

    def _suspend(self, queue: Queue, now: int) -> BrokerMessage:
        if queue.suspended_at is None:
            queue.suspended_at = now
            self._change(queue)
        return Ok()

    def _info(self, session: Session, queue: Queue, now: int) -> BrokerMessage:
        first = self._first(queue, now)
        info: dict[str, object] = {
            "qiSnd": queue.sender_key is not None,
            "qiNtf": False,
            "qiSize": len(queue.messages),
        }
        subscription = session.subscriptions.get(queue.number)
        if subscription is not None:
            state: dict[str, object] = {"qSubThread": "prohibitSub" if subscription.by_get else "noSub"}
            if subscription.delivered is not None:
                state["qDelivered"] = base64url(subscription.delivered)
            info["qiSub"] = state
        if first is not None:
            info["qiMsg"] = {
                "msgId": base64url(first.message_id),
                "msgTs": datetime.datetime.fromtimestamp(first.time, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
                "msgType": "quota" if first.is_quota else "message",
            }
        return messages.Info(json.dumps(info, separators=(",", ":")).encode())

    # what the sender asks for

    def _secure_by_sender(self, session: Session, transmission: Transmission, command: commands.SKey) -> BrokerMessage:
        queue = self._by_sender.get(transmission.entity_id)
        key = command.sender_key
        allowed = queue is not None and queue.sender_can_secure and queue.sender_key in (None, key)
        if not self._verified(session, transmission, key if allowed else None) or queue is None:
            return _AUTH
        return self._secure(queue, key)

    def _send(
        self, session: Session, transmission: Transmission, send: commands.Send, now: int, outgoing: list[Outgoing]
    ) -> BrokerMessage:
        queue = self._by_sender.get(transmission.entity_id)
        if transmission.authorization:
            key = None if queue is None else queue.sender_key
            allowed = self._verified(session, transmission, key)
        else:
            allowed = queue is not None and queue.sender_key is None
        if not allowed or queue is None:
            return _AUTH
        if len(send.body) > messages.MAX_MESSAGE_SIZE:
            return _LARGE
        if queue.suspended_at is not None:
            return _AUTH
        self._first(queue, now)
        if queue.messages and queue.messages[-1].is_quota:
            return _QUOTA
        full = len(queue.messages) >= self._limits.messages_per_queue
        message = StoredMessage(self._next_message, self._random(ID_SIZE), now, is_quota=full)
        self._next_message += 1
        self._touch(queue)
        queue.messages.append(message)
        if full:
            # the recipient learns of it after the messages before it, and the sender may go on after that
            self._store.add_message(queue, message, notify=False, body=b"")
            return _QUOTA
        self._store.add_message(queue, message, notify=send.notify, body=send.body)
        subscriber = self._subscribers.get(queue.number)
        if subscriber is not None:
            self._deliver(subscriber, subscriber.subscriptions[queue.number], now, outgoing)
        return Ok()

    # parts

    def _verified(self, session: Session, transmission: Transmission, key: PublicKey | None) -> bool:
        return session.verifier.verify(key, transmission.authorization, transmission.authorized, transmission.corr_id)

    def _first(self, queue: Queue, now: int) -> StoredMessage | None:
        """The message to deliver next; those that are too old are deleted before (the quota marker never is)."""
        oldest = now - self._limits.message_seconds
        while queue.messages:
            first = queue.messages[0]
            if first.is_quota or first.time >= oldest:
                return first
            self._touch(queue)
            self._store.delete_message(queue.messages.popleft())
        return None

    def _next(self, session: Session, subscription: _Subscription, now: int) -> Msg | None:
        """Put the next message of a subscription in delivery, if there is one and the session has room."""
        first = self._first(subscription.queue, now)
        if first is None:
            return None
        if session.room <= 0:
            session.waiting[subscription.queue.number] = None
            return None
        message = self._encrypted(subscription.queue, first)
        session.room -= 1
        subscription.delivered = first.message_id
        return message

    def _deliver(self, session: Session, subscription: _Subscription, now: int, outgoing: list[Outgoing]) -> None:
        if subscription.delivered is None:
            message = self._next(session, subscription, now)
            if message is not None:
                outgoing.append(Outgoing(session, b"", subscription.queue.recipient_id, message))

    def _encrypted(self, queue: Queue, message: StoredMessage) -> Msg:
        if message.is_quota:
            return encrypt_received(QuotaReached(message.time), queue.box, message.message_id)
        notify, body = self._store.content(message)
        return encrypt_received(Received(message.time, notify, body), queue.box, message.message_id)

    def _end(self, session: Session, queue: Queue, outgoing: list[Outgoing]) -> None:
        del session.subscriptions[queue.number]
        session.waiting.pop(queue.number, None)
        outgoing.append(Outgoing(session, b"", queue.recipient_id, messages.End()))

    def _delete(self, queue: Queue, by: Session | None, outgoing: list[Outgoing]) -> None:
        subscriber = self._subscribers.pop(queue.number, None)
        if subscriber is not None and subscriber is not by:
            del subscriber.subscriptions[queue.number]
            subscriber.waiting.pop(queue.number, None)
            outgoing.append(Outgoing(subscriber, b"", queue.recipient_id, messages.Deld()))
        if by is not None:
            by.subscriptions.pop(queue.number, None)
            by.waiting.pop(queue.number, None)
        self._touch(queue)
        self._store.delete_queue(queue)
        queue.messages.clear()
        self._remove(queue)

    def _insert(self, queue: Queue) -> None:
        self._by_recipient[queue.recipient_id] = queue
        self._by_sender[queue.sender_id] = queue

    def _remove(self, queue: Queue) -> None:
        self._by_recipient.pop(queue.recipient_id, None)
        self._by_sender.pop(queue.sender_id, None)

    def _touch(self, queue: Queue) -> None:
        self._touched[queue.number] = queue

    def _change(self, queue: Queue) -> None:
        self._touch(queue)
        self._store.put_queue(queue)
