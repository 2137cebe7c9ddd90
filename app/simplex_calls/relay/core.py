"""The relay itself, without sockets, clock or disk: commands of sessions in, answers and deliveries out.

Source: simplex-messaging.md, "SMP commands". A queue delivers one message at a time: the next one follows its ACK.
Answers and deliveries must leave only after the changes that come with them (:meth:`RelayCore.take_changes`) are
stored; if they cannot be stored, :meth:`RelayCore.recover` returns to what the disk holds, and every session that had
a part in it must be disconnected, which for its client is no more than a lost connection.
"""

from __future__ import annotations

import contextlib
import datetime
import hmac
import json
import os

from simplex_calls.crypto import (
    BoxKey,
    CryptoError,
    PublicKey,
    Random,
    X448PublicKey,
    X25519PrivateKey,
    X25519PublicKey,
)
from simplex_calls.relay.allowance import Allowance
from simplex_calls.relay.authorization import Verifier
from simplex_calls.relay.forwarding import Forwarding, ForwardingError
from simplex_calls.relay.notifications import PendingNotifications, notification
from simplex_calls.relay.queue_table import ID_SIZE, QueueTable
from simplex_calls.relay.rules import is_contact, is_secured_messaging, may_secure
from simplex_calls.relay.sessions import Limits, Outgoing, Proxied, Session, Subscription
from simplex_calls.relay.store import Changes, Notifier, Queue, Store, StoredMessage
from simplex_calls.smp import commands, messages
from simplex_calls.smp.body import QuotaReached, Received, encrypt_received
from simplex_calls.smp.commands import (
    LINK_DATA,
    SENDER_SECURES,
    CommandError,
    LinkData,
    NotifierRequest,
    QueueMode,
    check_credentials,
    decode_command,
    sender_id_for,
)
from simplex_calls.smp.encoding import base64url
from simplex_calls.smp.errors import CommandFault, ErrorCode, ServerError
from simplex_calls.smp.messages import BrokerMessage, Err, Msg, Ok
from simplex_calls.smp.proxied import FORWARDING_VERSIONS
from simplex_calls.smp.transmission import Transmission

_AUTH = Err(ServerError(ErrorCode.AUTH))
_QUOTA = Err(ServerError(ErrorCode.QUOTA))
_NO_MESSAGE = Err(ServerError(ErrorCode.NO_MSG))
_LARGE = Err(ServerError(ErrorCode.LARGE_MSG))
_INTERNAL = Err(ServerError(ErrorCode.INTERNAL))
_PROHIBITED = Err(ServerError.cmd(CommandFault.PROHIBITED))
_SYNTAX = Err(ServerError.cmd(CommandFault.SYNTAX))
_SERVICE = ServerError(ErrorCode.SERVICE)
_DISK_FULL = Err(ServerError(ErrorCode.STORE, detail="disk is full"))
_NO_SERVER_AUTH = Err(ServerError(ErrorCode.PROXY, detail="BROKER TRANSPORT NO_AUTH"))
_PROXY_BASIC_AUTH = Err(ServerError(ErrorCode.PROXY, detail="BASIC_AUTH"))
_PROXY_NO_SESSION = Err(ServerError(ErrorCode.PROXY, detail="NO_SESSION"))
_WITHOUT_ENTITY = (messages.Ids, messages.Pong, messages.RRes, messages.PKey)


_LIMITS = Limits()


class _RefusedError(CommandError):
    """A command that is answered with another error than ``CMD``."""

    def __init__(self, error: ServerError) -> None:
        super().__init__(CommandFault.PROHIBITED)
        self.error = error


class RelayCore:
    """All queues of a relay and the sessions that use them.

    ``password`` is what NEW and PRXY must bring, None: anybody may create queues. ``is_proxy``: whether commands are
    forwarded to other servers; those wait in :attr:`proxied`. Times are seconds since 1970.
    """

    def __init__(
        self,
        store: Store,
        *,
        limits: Limits = _LIMITS,
        password: str | None = None,
        is_proxy: bool = False,
        random: Random = os.urandom,
    ) -> None:
        self.is_full = False
        """The disk is full: nothing that needs room is accepted."""
        self.proxied: list[Proxied] = []
        self._is_proxy = is_proxy
        self._store = store
        self._limits = limits
        self._password = password
        self._random = random
        self._queues = QueueTable(random)
        self._notified: dict[bytes, Session] = {}
        self._notifications = PendingNotifications()
        self._subscribers: dict[int, Session] = {}
        self._touched: dict[int, Queue] = {}
        self._unconfirmed: dict[int, Queue] = {}
        self._next_queue = 1
        for queue in store.load():
            self._queues.insert(queue)
            self._next_queue = max(self._next_queue, queue.number + 1)
        self._next_message = store.next_message_number()

    @property
    def queue_count(self) -> int:
        """How many queues there are."""
        return len(self._queues)

    # sessions

    def connect(
        self,
        session_key: X25519PrivateKey,
        version: int,
        session_id: bytes = b"",
        client_key: X25519PublicKey | None = None,
        allowance: Allowance | None = None,
    ) -> Session:
        """A client connected; ``session_key`` is the private half of the key in the server's handshake.

        ``client_key`` is the one in the client's: proxies' commands are encrypted with both. ``allowance`` is how many
        queues it may create.
        """
        forwarding = None
        if client_key is not None and version in FORWARDING_VERSIONS:
            with contextlib.suppress(CryptoError):
                forwarding = Forwarding(session_id, session_key, client_key)
        return Session(version, Verifier(session_key), self._limits.deliveries, forwarding, allowance)

    def disconnect(self, session: Session) -> None:
        """A client is gone: its subscriptions end, unacknowledged messages are delivered to the next subscriber."""
        for number in session.subscriptions:
            if self._subscribers.get(number) is session:
                del self._subscribers[number]
        for notifier_id in session.notifiers:
            if self._notified.get(notifier_id) is session:
                del self._notified[notifier_id]
        session.subscriptions.clear()
        session.notifiers.clear()
        session.waiting.clear()
        session.following.clear()

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
        self._store.discard()
        lost = self._unconfirmed | self._touched
        self._unconfirmed, self._touched = {}, {}
        stored = {queue.number: queue for queue in self._store.load(lost)}
        for number, queue in lost.items():
            self._queues.remove(queue)
            restored = stored.get(number)
            if restored is not None:
                queue.sender_key = restored.sender_key
                queue.suspended_at = restored.suspended_at
                queue.link_id = restored.link_id
                queue.notifier = restored.notifier
                queue.messages = restored.messages
                self._queues.insert(queue)

    def expire(self, now: float) -> list[Outgoing]:
        """Delete messages, and suspended queues, that are too old."""
        outgoing: list[Outgoing] = []
        for queue in list(self._queues.by_recipient.values()):
            if queue.suspended_at is not None and queue.suspended_at < now - self._limits.suspended_seconds:
                self._delete(queue, None, outgoing)
            elif queue.messages:
                self._first(queue, int(now))
        return outgoing

    # commands

    def handle(self, session: Session, transmission: Transmission, now: float, outgoing: list[Outgoing]) -> None:
        """Carry out one command; its answer, and what it causes to be delivered, are added to ``outgoing``.

        What it delivers to its own session follows at the end of the block (:meth:`end_block`).
        """
        answer = self._handle(session, transmission, int(now), outgoing)
        if answer is None:  # a proxy's work: it is answered later
            return
        # a new queue's ids, PONG and a forwarded answer come without the id of a queue
        entity_id = b"" if isinstance(answer, _WITHOUT_ENTITY) else transmission.entity_id
        early = patient = False
        if transmission.command.startswith(b"ACK"):
            early, patient = type(answer) is Msg, type(answer) is Ok
        outgoing.append(Outgoing(session, transmission.corr_id, entity_id, answer, early, patient))

    def end_block(self, session: Session, outgoing: list[Outgoing]) -> None:
        """The commands of a block are answered: now the messages of the queues that it subscribed to may follow.

        A client waits for many answers at once; messages between them would hold them up.
        """
        outgoing += session.following
        session.following.clear()

    def _handle(
        self, session: Session, transmission: Transmission, now: int, outgoing: list[Outgoing]
    ) -> BrokerMessage | None:
        try:
            command = self._decoded(transmission, session.version)
        except CommandError as error:
            return Err(error.error)
        match command:
            case commands.Ping():
                return messages.Pong()
            case commands.Send() | commands.SKey() | commands.LKey() | commands.LGet():
                return self._sender_command(session.verifier, session.version, transmission, command, now, outgoing)
            case commands.New():
                return self._new(session, transmission, command)
            case commands.NSub():
                return self._subscribe_notifier(session, transmission, outgoing)
            case commands.RFwd():
                return self._forwarded(session, transmission, command, now, outgoing)
            case commands.Prxy() | commands.PFwd():
                return self._proxied(session, transmission, command)
            case _:
                queue = self._queues.by_recipient.get(transmission.entity_id)
                key = None if queue is None else queue.recipient_key
                if not session.verifier.verified(transmission, key) or queue is None:
                    return _AUTH
                return self._recipient_command(session, queue, command, now, outgoing)

    def _decoded(self, transmission: Transmission, version: int) -> commands.Command:
        command = decode_command(transmission.command, version)
        check_credentials(command, authorized=bool(transmission.authorization), entity=bool(transmission.entity_id))
        if transmission.service_authorization or isinstance(command, commands.Subs | commands.NSubs):
            raise _RefusedError(_SERVICE)  # no session here is a service's
        match command:
            case (
                commands.New(auth_key=X448PublicKey()) | commands.Key(X448PublicKey()) | commands.SKey(X448PublicKey())
                | commands.LKey(X448PublicKey()) | commands.NKey(notifier_key=X448PublicKey())
                | commands.New(notifier=NotifierRequest(auth_key=X448PublicKey()))
            ):  # fmt: skip
                raise CommandError(CommandFault.SYNTAX)  # nothing can be signed or authenticated with it
        return command

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
            case commands.LSet(link_id, data):
                return self._set_link(queue, link_id, data)
            case commands.LDel():
                self._delete_link(queue)
                return Ok()
            case commands.NKey(notifier_key, dh_key):
                return self._enable_notifier(queue, notifier_key, dh_key, outgoing)
            case commands.NDel():
                self._disable_notifier(queue, outgoing)
                return Ok()
            case commands.Off():
                return self._suspend(queue, now)
            case commands.Del():
                self._delete(queue, session, outgoing)
                return Ok()
            case _:
                return self._info(session, queue, now)

    # what the recipient asks for

    def _new(self, session: Session, transmission: Transmission, new: commands.New) -> BrokerMessage:
        if not session.verifier.verified(transmission, new.auth_key):
            return _AUTH
        if not self._knows_password(new.password):
            return _AUTH
        if self.is_full:
            return _DISK_FULL
        if len(self._queues) >= self._limits.queues or not session.may_create():
            return _INTERNAL
        link = new.link
        if link is not None:
            # so nobody can find out, by trying, whether there is a queue with an id that is known from elsewhere
            if link.sender_id != sender_id_for(transmission.corr_id):
                return _PROHIBITED
            if self._queues.is_taken(link.sender_id) or (
                link.link_id is not None and self._queues.is_taken(link.link_id)
            ):
                return _AUTH
        server_key = X25519PrivateKey.generate(self._random)
        try:
            box = BoxKey.agree(server_key, new.dh_key)
            notifier, nid = (
                (None, None) if new.notifier is None else self._new_notifier(new.notifier.auth_key, new.notifier.dh_key)
            )
        except CryptoError:
            return _SYNTAX
        mode = new.mode
        if mode is None and SENDER_SECURES <= session.version < LINK_DATA:
            mode = QueueMode.CONTACT  # these versions say "sender may not secure it" for contacts' queues
        queue = Queue(
            number=self._next_queue,
            recipient_id=self._queues.unused_id(),
            sender_id=self._queues.unused_id() if link is None else link.sender_id,
            recipient_key=new.auth_key,
            box=box,
            mode=mode,
            link_id=None if link is None else link.link_id or self._queues.unused_id(),
            notifier=notifier,
        )
        self._next_queue += 1
        self._queues.insert(queue)
        self._change(queue)
        if link is not None:
            self._store.put_link(queue, link.data)
        if new.subscribe:
            self._subscribers[queue.number] = session
            session.subscriptions[queue.number] = Subscription(queue, by_get=False)
        return messages.Ids(
            queue.recipient_id, queue.sender_id, server_key.public, queue.mode, queue.link_id, notifier=nid
        )

    def _knows_password(self, password: str | None) -> bool:
        return self._password is None or hmac.compare_digest((password or "").encode(), self._password.encode())

    def _subscribe(self, session: Session, queue: Queue, now: int, outgoing: list[Outgoing]) -> BrokerMessage:
        subscription = session.subscriptions.get(queue.number)
        if subscription is None:
            subscription = session.subscriptions[queue.number] = Subscription(queue, by_get=False)
        elif subscription.by_get:
            return _PROHIBITED
        previous = self._subscribers.get(queue.number)
        if previous is not None and previous is not session:
            self._end(previous, queue, outgoing)
        self._subscribers[queue.number] = session
        subscription.delivered = None
        self._deliver(session, subscription, now, session.following)
        return messages.Sok()

    def _get(self, session: Session, queue: Queue, now: int) -> BrokerMessage:
        subscription = session.subscriptions.get(queue.number)
        if subscription is None:
            subscription = session.subscriptions[queue.number] = Subscription(queue, by_get=True)
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
        # an empty id stands for whatever was delivered, and deletes nothing
        if subscription is None or subscription.delivered is None or message_id not in (b"", subscription.delivered):
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

    def _set_link(self, queue: Queue, link_id: bytes, data: LinkData) -> BrokerMessage:
        if is_secured_messaging(queue):
            return _AUTH
        if queue.link_id is None:
            if self._queues.is_taken(link_id):
                return _AUTH
        else:
            current = self._store.link(queue)
            # what the link's hash covers never changes
            if queue.link_id != link_id or current is None or current.fixed != data.fixed:
                return _AUTH
        if self.is_full:
            return _DISK_FULL
        queue.link_id = link_id
        self._queues.by_link[link_id] = queue
        self._change(queue)
        self._store.put_link(queue, data)
        return Ok()

    def _delete_link(self, queue: Queue) -> None:
        if queue.link_id is not None:
            del self._queues.by_link[queue.link_id]
            queue.link_id = None
            self._change(queue)
            self._store.put_link(queue, None)

    def _suspend(self, queue: Queue, now: int) -> BrokerMessage:
        if queue.suspended_at is None:
            queue.suspended_at = now
            self._change(queue)
        return Ok()

    def _info(self, session: Session, queue: Queue, now: int) -> BrokerMessage:
        first = self._first(queue, now)
        info: dict[str, object] = {
            "qiSnd": queue.sender_key is not None,
            "qiNtf": queue.notifier is not None,
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

    # what notifiers ask for, and recipients for them

    def _new_notifier(self, key: PublicKey, dh_key: X25519PublicKey) -> tuple[Notifier, messages.Nid]:
        server_key = X25519PrivateKey.generate(self._random)
        notifier = Notifier(self._queues.unused_id(), key, BoxKey.agree(server_key, dh_key))
        return notifier, messages.Nid(notifier.notifier_id, server_key.public)

    def _enable_notifier(
        self, queue: Queue, key: PublicKey, dh_key: X25519PublicKey, outgoing: list[Outgoing]
    ) -> BrokerMessage:
        if self.is_full:
            return _DISK_FULL
        try:
            notifier, nid = self._new_notifier(key, dh_key)
        except CryptoError:
            return _SYNTAX
        self._disable_notifier(queue, outgoing)
        queue.notifier = notifier
        self._queues.by_notifier[notifier.notifier_id] = queue
        self._change(queue)
        return nid

    def _disable_notifier(self, queue: Queue, outgoing: list[Outgoing]) -> None:
        if queue.notifier is None:
            return
        notifier_id = queue.notifier.notifier_id
        self._queues.by_notifier.pop(notifier_id, None)
        self._notifications.take(notifier_id)
        subscriber = self._notified.pop(notifier_id, None)
        if subscriber is not None:
            subscriber.notifiers.discard(notifier_id)
            outgoing.append(Outgoing(subscriber, b"", notifier_id, messages.Deld()))
        queue.notifier = None
        self._change(queue)

    def _subscribe_notifier(
        self, session: Session, transmission: Transmission, outgoing: list[Outgoing]
    ) -> BrokerMessage:
        notifier_id = transmission.entity_id
        queue = self._queues.by_notifier.get(notifier_id)
        key = queue.notifier.key if queue is not None and queue.notifier is not None else None
        if not session.verifier.verified(transmission, key):
            return _AUTH
        previous = self._notified.get(notifier_id)
        if previous is not None and previous is not session:
            previous.notifiers.discard(notifier_id)
            outgoing.append(Outgoing(previous, b"", notifier_id, messages.End()))
        self._notified[notifier_id] = session
        session.notifiers.add(notifier_id)
        for message in self._notifications.take(notifier_id):
            session.following.append(Outgoing(session, b"", notifier_id, message))
        return messages.Sok()

    def _notify(self, notifier: Notifier, message: StoredMessage, outgoing: list[Outgoing]) -> None:
        content = notification(notifier.box, message.message_id, message.time, self._random)
        subscriber = self._notified.get(notifier.notifier_id)
        if subscriber is None or subscriber.room <= 0:
            self._notifications.add(notifier.notifier_id, content)
        else:
            subscriber.room -= 1
            outgoing.append(Outgoing(subscriber, b"", notifier.notifier_id, content))

    # what the sender asks for

    def _sender_command(
        self,
        verifier: Verifier,
        version: int,
        transmission: Transmission,
        command: commands.Send | commands.SKey | commands.LKey | commands.LGet,
        now: int,
        outgoing: list[Outgoing],
    ) -> BrokerMessage:
        """``version`` is what the sender speaks, ``verifier`` verifies it: directly or through a proxy."""
        match command:
            case commands.Send():
                return self._send(verifier, version, transmission, command, now, outgoing)
            case commands.SKey(key):
                queue = self._queues.by_sender.get(transmission.entity_id)
                if not verifier.verified(transmission, key if may_secure(queue, key) else None) or queue is None:
                    return _AUTH
                return self._secure(queue, key)
            case commands.LKey(key):
                queue = self._queues.by_link.get(transmission.entity_id)
                if not verifier.verified(transmission, key if may_secure(queue, key) else None) or queue is None:
                    return _AUTH
                answer = self._secure(queue, key)
                return answer if isinstance(answer, Err) else self._link(queue)
            case commands.LGet():
                queue = self._queues.by_link.get(transmission.entity_id)
                return _AUTH if queue is None or not is_contact(queue) else self._link(queue)

    def _link(self, queue: Queue) -> BrokerMessage:
        data = self._store.link(queue)
        return _AUTH if data is None else messages.Lnk(queue.sender_id, data)

    def _send(
        self,
        verifier: Verifier,
        version: int,
        transmission: Transmission,
        send: commands.Send,
        now: int,
        outgoing: list[Outgoing],
    ) -> BrokerMessage:
        queue = self._queues.by_sender.get(transmission.entity_id)
        if transmission.authorization:
            key = None if queue is None else queue.sender_key
            allowed = verifier.verified(transmission, key)
        else:
            allowed = queue is not None and queue.sender_key is None
        if not allowed or queue is None:
            return _AUTH
        if len(send.body) > messages.max_message_size(version):
            return _LARGE
        if queue.suspended_at is not None:
            return _AUTH
        if self.is_full:
            return _QUOTA  # the one refusal after which senders try again later
        if queue.link_id is not None and is_secured_messaging(queue):
            self._delete_link(queue)  # the joining side has all it needs from it
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
        if send.notify and queue.notifier is not None:
            self._notify(queue.notifier, message, outgoing)
        return Ok()

    # what proxies ask for, and clients of this one as a proxy

    def _forwarded(
        self, session: Session, transmission: Transmission, command: commands.RFwd, now: int, outgoing: list[Outgoing]
    ) -> BrokerMessage:
        if session.forwarding is None:
            return _NO_SERVER_AUTH

        def carry_out(inner: Transmission, version: int) -> BrokerMessage:
            try:
                inner_command = self._decoded(inner, version)
            except CommandError as error:
                return Err(error.error)
            match inner_command:
                case commands.Send() | commands.SKey() | commands.LKey() | commands.LGet():
                    return self._sender_command(session.verifier, version, inner, inner_command, now, outgoing)
                case _:
                    return _PROHIBITED

        try:
            return messages.RRes(session.forwarding.answer(transmission.corr_id, command.encrypted, carry_out))
        except ForwardingError as error:
            return Err(error.error)

    def _proxied(
        self, session: Session, transmission: Transmission, command: commands.Prxy | commands.PFwd
    ) -> BrokerMessage | None:
        if isinstance(command, commands.Prxy) and not (self._is_proxy and self._knows_password(command.password)):
            return _PROXY_BASIC_AUTH
        if not self._is_proxy:
            return _PROXY_NO_SESSION
        self.proxied.append(Proxied(session, transmission.corr_id, transmission.entity_id, command))
        return None

    # parts

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

    def _next(self, session: Session, subscription: Subscription, now: int) -> Msg | None:
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

    def _deliver(self, session: Session, subscription: Subscription, now: int, outgoing: list[Outgoing]) -> None:
        if subscription.delivered is None:
            message = self._next(session, subscription, now)
            if message is not None:
                outgoing.append(Outgoing(session, b"", subscription.queue.recipient_id, message, early=True))

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
        self._disable_notifier(queue, outgoing)
        self._touch(queue)
        self._store.delete_queue(queue)
        queue.messages.clear()
        self._queues.remove(queue)

    def _touch(self, queue: Queue) -> None:
        self._touched[queue.number] = queue

    def _change(self, queue: Queue) -> None:
        self._touch(queue)
        self._store.put_queue(queue)
