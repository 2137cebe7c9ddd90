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

from simplex_calls.crypto import BoxKey, CryptoError, PublicKey, Random, X25519PrivateKey, X25519PublicKey
from simplex_calls.relay import answers
from simplex_calls.relay.allowance import ClientAllowance
from simplex_calls.relay.authorization import Verifier
from simplex_calls.relay.counts import Counts
from simplex_calls.relay.delivering import Deliveries
from simplex_calls.relay.forwarding import Forwarding, ForwardingError
from simplex_calls.relay.links import Links
from simplex_calls.relay.notifiers import Notifiers
from simplex_calls.relay.queue_table import ID_SIZE
from simplex_calls.relay.records import Queue, StoredMessage
from simplex_calls.relay.requests import decode_request
from simplex_calls.relay.rules import is_contact, is_secured_messaging, may_secure
from simplex_calls.relay.sessions import Limits, Outgoing, Proxied, Session
from simplex_calls.relay.state import RelayState
from simplex_calls.relay.store import Changes, Store
from simplex_calls.smp import commands, messages
from simplex_calls.smp.commands import LINK_DATA, SENDER_SECURES, CommandError, QueueMode
from simplex_calls.smp.encoding import base64url
from simplex_calls.smp.messages import BrokerMessage, Err, Msg, Ok
from simplex_calls.smp.proxied import FORWARDING_VERSIONS
from simplex_calls.smp.transmission import Transmission

_LIMITS = Limits()
_WITHOUT_ENTITY = (messages.Ids, messages.Pong, messages.RRes, messages.PKey)


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
        self.proxied: list[Proxied] = []
        self._is_proxy = is_proxy
        self._password = password
        self._state = state = RelayState(store, limits, random)
        self._queues = state.queues
        self._deliveries = Deliveries(state)
        self._links = Links(state)
        self._notifiers = Notifiers(state)

    @property
    def is_full(self) -> bool:
        """The disk is full: nothing that needs room is accepted."""
        return self._state.is_full

    @is_full.setter
    def is_full(self, is_full: bool) -> None:
        self._state.is_full = is_full

    @property
    def queue_count(self) -> int:
        """How many queues there are."""
        return len(self._queues)

    @property
    def message_count(self) -> int:
        """How many messages wait; counted anew each time."""
        return sum(len(queue.messages) for queue in self._queues.by_recipient.values())

    @property
    def counts(self) -> Counts:
        """What was done since the start."""
        return self._state.counts

    # sessions

    def connect(
        self,
        session_key: X25519PrivateKey,
        version: int,
        session_id: bytes = b"",
        client_key: X25519PublicKey | None = None,
        allowance: ClientAllowance | None = None,
    ) -> Session:
        """A client connected; ``session_key`` is the private half of the key in the server's handshake.

        ``client_key`` is the one in the client's: proxies' commands are encrypted with both. ``allowance`` is what
        it may add.
        """
        forwarding = None
        if client_key is not None and version in FORWARDING_VERSIONS:
            with contextlib.suppress(CryptoError):
                forwarding = Forwarding(session_id, session_key, client_key)
        return Session(version, Verifier(session_key), self._state.limits.deliveries, forwarding, allowance)

    def disconnect(self, session: Session) -> None:
        """A client is gone: its subscriptions end, unacknowledged messages are delivered to the next subscriber."""
        self._deliveries.disconnect(session)
        self._notifiers.disconnect(session)

    def refill(self, session: Session, now: float) -> list[Outgoing]:
        """The client read what it was sent: deliver what waited for that."""
        return self._deliveries.refill(session, int(now))

    # storage

    @property
    def has_changes(self) -> bool:
        """Whether something is to be stored."""
        return self._state.store.has_changes

    def take_changes(self) -> Changes:
        """What must be stored before the answers since the last call may leave."""
        return self._state.take_changes()

    def recover(self) -> None:
        """Forget all that was not stored: after a failed write, or a failure in between."""
        self._state.recover()

    def expire(self, now: float) -> list[Outgoing]:
        """Delete messages, and suspended queues, that are too old."""
        outgoing: list[Outgoing] = []
        oldest = now - self._state.limits.suspended_seconds
        for queue in list(self._queues.by_recipient.values()):
            if queue.suspended_at is not None and queue.suspended_at < oldest:
                self._delete(queue, None, outgoing)
            elif queue.messages:
                self._state.first(queue, int(now))
        return outgoing

    # commands

    def handle(self, session: Session, transmission: Transmission, now: float, outgoing: list[Outgoing]) -> None:
        """Carry out one command; its answer, and what it causes to be delivered, are added to ``outgoing``.

        What it delivers to its own session follows at the end of the block (:meth:`end_block`).
        """
        answer = self._handle(session, transmission, int(now), outgoing)
        if answer is None:  # a proxy's work: it is answered later
            return
        if type(answer) is Err:
            self.counts.refuse(answer, disk_is_full=self.is_full)
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
            command = decode_request(transmission, session.version)
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
                return self._notifiers.subscribe(session, transmission, outgoing)
            case commands.RFwd():
                return self._forwarded(session, transmission, command, now, outgoing)
            case commands.Prxy() | commands.PFwd():
                return self._proxied(session, transmission, command)
            case _:
                queue = self._queues.by_recipient.get(transmission.entity_id)
                key = None if queue is None else queue.recipient_key
                if not session.verifier.verified(transmission, key) or queue is None:
                    return answers.AUTH
                return self._recipient_command(session, queue, command, now, outgoing)

    def _recipient_command(
        self, session: Session, queue: Queue, command: commands.Command, now: int, outgoing: list[Outgoing]
    ) -> BrokerMessage:
        match command:
            case commands.Ack(message_id):
                return self._deliveries.acknowledge(session, queue, message_id, now)
            case commands.Sub():
                return self._deliveries.subscribe(session, queue, now, outgoing)
            case commands.Get():
                return self._deliveries.get(session, queue, now)
            case commands.Key(sender_key):
                return self._secure(queue, sender_key)
            case commands.LSet(link_id, data):
                return self._links.set(session, queue, link_id, data)
            case commands.LDel():
                self._links.delete(queue)
                return Ok()
            case commands.NKey(notifier_key, dh_key):
                return self._notifiers.enable(queue, notifier_key, dh_key, outgoing)
            case commands.NDel():
                self._notifiers.disable(queue, outgoing)
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
            return answers.AUTH
        if not self._knows_password(new.password):
            return answers.AUTH
        if self.is_full:
            return answers.DISK_FULL
        state = self._state
        if len(self._queues) >= state.limits.queues or not session.may_create():
            return answers.INTERNAL
        link = new.link
        if link is not None:
            refusal = self._links.refusal(session, link, transmission.corr_id)
            if refusal is not None:
                return refusal
        server_key = X25519PrivateKey.generate(state.random)
        try:
            box = BoxKey.agree(server_key, new.dh_key)
            notifier, nid = (
                (None, None)
                if new.notifier is None
                else self._notifiers.new(new.notifier.auth_key, new.notifier.dh_key)
            )
        except CryptoError:
            return answers.SYNTAX
        mode = new.mode
        if mode is None and SENDER_SECURES <= session.version < LINK_DATA:
            mode = QueueMode.CONTACT  # these versions say "sender may not secure it" for contacts' queues
        queue = Queue(
            number=state.next_queue,
            recipient_id=self._queues.unused_id(),
            sender_id=self._queues.unused_id() if link is None else link.sender_id,
            recipient_key=new.auth_key,
            box=box,
            mode=mode,
            link_id=None if link is None else link.link_id or self._queues.unused_id(),
            notifier=notifier,
        )
        state.next_queue += 1
        state.counts.queues_created += 1
        self._queues.insert(queue)
        if link is not None:
            self._links.add(queue, link.data)
        state.change(queue)
        if new.subscribe:
            self._deliveries.subscribe_new(session, queue)
        return messages.Ids(
            queue.recipient_id, queue.sender_id, server_key.public, queue.mode, queue.link_id, notifier=nid
        )

    def _knows_password(self, password: str | None) -> bool:
        return self._password is None or hmac.compare_digest((password or "").encode(), self._password.encode())

    def _secure(self, queue: Queue, key: PublicKey) -> BrokerMessage:
        if queue.sender_key is None:
            queue.sender_key = key
            self._state.change(queue)
        # the same key again is the repetition of a command whose answer was lost
        return Ok() if queue.sender_key == key else answers.AUTH

    def _suspend(self, queue: Queue, now: int) -> BrokerMessage:
        if queue.suspended_at is None:
            queue.suspended_at = now
            self._state.change(queue)
        return Ok()

    def _info(self, session: Session, queue: Queue, now: int) -> BrokerMessage:
        first = self._state.first(queue, now)
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
                    return answers.AUTH
                return self._secure(queue, key)
            case commands.LKey(key):
                queue = self._queues.by_link.get(transmission.entity_id)
                if not verifier.verified(transmission, key if may_secure(queue, key) else None) or queue is None:
                    return answers.AUTH
                answer = self._secure(queue, key)
                return answer if isinstance(answer, Err) else self._links.get(queue)
            case commands.LGet():
                queue = self._queues.by_link.get(transmission.entity_id)
                return answers.AUTH if queue is None or not is_contact(queue) else self._links.get(queue)

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
            return answers.AUTH
        if len(send.body) > messages.max_message_size(version):
            return answers.LARGE
        if queue.suspended_at is not None:
            return answers.AUTH
        if self.is_full:
            return answers.QUOTA  # the one refusal after which senders try again later
        if queue.link_id is not None and is_secured_messaging(queue):
            self._links.delete(queue)  # the joining side has all it needs from it
        state = self._state
        state.first(queue, now)
        if queue.messages and queue.messages[-1].is_quota:
            return answers.QUOTA
        full = len(queue.messages) >= state.limits.messages_per_queue
        message = StoredMessage(state.next_message, state.random(ID_SIZE), now, is_quota=full)
        state.next_message += 1
        state.touch(queue)
        queue.messages.append(message)
        if full:
            # the recipient learns of it after the messages before it, and the sender may go on after that
            state.store.add_message(queue, message, notify=False, body=b"")
            return answers.QUOTA
        state.store.add_message(queue, message, notify=send.notify, body=send.body)
        state.counts.messages_in += 1
        self._deliveries.arrived(queue, now, outgoing)
        if send.notify and queue.notifier is not None:
            self._notifiers.notify(queue.notifier, message, outgoing)
        return Ok()

    # what proxies ask for, and clients of this one as a proxy

    def _forwarded(
        self, session: Session, transmission: Transmission, command: commands.RFwd, now: int, outgoing: list[Outgoing]
    ) -> BrokerMessage:
        if session.forwarding is None:
            return answers.NO_SERVER_AUTH

        def carry_out(inner: Transmission, version: int) -> BrokerMessage:
            try:
                inner_command = decode_request(inner, version)
            except CommandError as error:
                return Err(error.error)
            match inner_command:
                case commands.Send() | commands.SKey() | commands.LKey() | commands.LGet():
                    answer = self._sender_command(session.verifier, version, inner, inner_command, now, outgoing)
                    if type(answer) is Err:
                        self.counts.refuse(answer, disk_is_full=self.is_full)
                    return answer
                case _:
                    return answers.PROHIBITED

        try:
            return messages.RRes(session.forwarding.answer(transmission.corr_id, command.encrypted, carry_out))
        except ForwardingError as error:
            return Err(error.error)

    def _proxied(
        self, session: Session, transmission: Transmission, command: commands.Prxy | commands.PFwd
    ) -> BrokerMessage | None:
        if isinstance(command, commands.Prxy) and not (self._is_proxy and self._knows_password(command.password)):
            return answers.PROXY_BASIC_AUTH
        if not self._is_proxy:
            return answers.PROXY_NO_SESSION
        self.proxied.append(Proxied(session, transmission.corr_id, transmission.entity_id, command))
        return None

    # parts

    def _delete(self, queue: Queue, by: Session | None, outgoing: list[Outgoing]) -> None:
        self._deliveries.deleted(queue, by, outgoing)
        self._notifiers.disable(queue, outgoing)
        self._state.touch(queue)
        self._state.store.delete_queue(queue)
        self._state.counts.queues_deleted += 1
        queue.messages.clear()
        self._queues.remove(queue)
