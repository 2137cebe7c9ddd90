"""A message comes: server's layer, queue's box, envelope, ratchet, number and hash, and what it means.

One call is one database transaction, whatever the message holds: it is stored and counted as received, or refused
with a reason. Only after the commit it is acknowledged to the server, so a process killed in between is given it
again, and recognises it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from simplex_calls.agent import envelopes, ratchet
from simplex_calls.agent.connection import ConnectionEvent, ConnectionState
from simplex_calls.agent.events import (
    Integrity,
    IntegrityKind,
    MessageReceived,
    MessageRejected,
    QuantumResistanceChanged,
    RatchetSync,
    RejectionReason,
)
from simplex_calls.agent.lifecycle import Cause, Lifecycle
from simplex_calls.agent.link_store import LinkStore
from simplex_calls.agent.outgoing import Outgoing
from simplex_calls.agent.queue_address import QueueAddress, QueueInfo
from simplex_calls.agent.receipts import DeliveryReceipts
from simplex_calls.agent.records import Connection, RcvQueue
from simplex_calls.agent.resynchronizing import Resynchronizer, SyncRefused
from simplex_calls.agent.rotating import Rotation, RotationRefused
from simplex_calls.agent.rotation import RcvRotation
from simplex_calls.agent.store import Store
from simplex_calls.agent.versions import AGENT_VERSIONS, CLIENT_VERSIONS, E2E_VERSIONS, supports_pq
from simplex_calls.crypto import (
    BoxKey,
    CryptoError,
    KemSource,
    PublicKey,
    Random,
    X25519PrivateKey,
    X25519PublicKey,
    sha256,
)
from simplex_calls.smp.body import ClientEnvelope, QuotaReached, Received, decrypt_received
from simplex_calls.smp.errors import DecodeError
from simplex_calls.smp.messages import Msg
from simplex_calls.smp.sender_keys import new_sender_key

_log = logging.getLogger(__name__)

HOLD_SECONDS = 60.0
"""How long a message in one of two queues waits for earlier ones in the other, from the last that came there."""

MAX_REQUESTS = 1000
"""How many unanswered requests an address keeps: anybody may send them."""


class _Held(Exception):  # noqa: N818 - not an error
    """Messages before this one may still be in the queue that is being replaced."""


class _Rejected(Exception):  # noqa: N818 - not an error of ours: a verdict on what came
    """What came is acknowledged and reported, but not used."""

    def __init__(self, reason: RejectionReason, why: str) -> None:
        super().__init__(why)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class _Arrival:
    """What is known of the message in hand."""

    queue: RcvQueue
    received: Received
    client_version: int
    dh_key: X25519PublicKey | None
    sender_key: PublicKey | None

    @property
    def time(self) -> datetime:
        return broker_time(self.received.timestamp)


def broker_time(timestamp: int) -> datetime:
    """A server's time; one that no calendar holds becomes the nearest that does."""
    return datetime.fromtimestamp(min(max(timestamp, 0), 253_402_300_799), UTC)


def check_integrity(connection: Connection, number: int, previous_hash: bytes) -> Integrity:
    """Compare a message with the chain of those that came before it on ``connection``."""
    last = connection.received_number
    if number == last + 1:
        kind = IntegrityKind.OK if previous_hash == connection.received_hash else IntegrityKind.BAD_HASH
        return Integrity(kind)
    if number > last + 1:
        return Integrity(IntegrityKind.GAP, last + 1, number - 1)
    return Integrity(IntegrityKind.DUPLICATE if number == last else IntegrityKind.BAD_NUMBER)


class Receiver:
    """Processes messages of our queues."""

    def __init__(
        self,
        store: Store,
        lifecycle: Lifecycle,
        outgoing: Outgoing,
        receipts: DeliveryReceipts,
        resync: Resynchronizer,
        rotation: Rotation,
        *,
        queue_drained: Callable[[int], None],
        clock: Callable[[], float],
        random: Random,
        kem: KemSource,
    ) -> None:
        self._store = store
        self._links = LinkStore(store.database)
        self._lifecycle = lifecycle
        self._outgoing = outgoing
        self._receipts = receipts
        self._resync = resync
        self._rotation = rotation
        self._clock = clock
        self._held: dict[int, tuple[int, float]] = {}
        """Of queues whose message waits: what had been received then, and since when."""
        self._queue_drained = queue_drained
        self._random = random
        self._kem = kem

    def receive(self, queue: RcvQueue, message: Msg) -> bool:
        """Process one message inside the caller's transaction; False: not yet, it must stay on its server."""
        if message.message_id == queue.last_message:
            _log.info("the server sent a message again that was stored already")
            return True
        time = None
        try:
            delivered = decrypt_received(message, queue.server_secret)
            time = broker_time(delivered.timestamp)
            # what a refused message did must not stay, but that it came must
            with self._store.database.savepoint():
                self._process(queue, delivered)
        except (DecodeError, envelopes.EnvelopeError, CryptoError) as error:
            _log.warning("a message was malformed: %s", error)
            self._reject(queue, RejectionReason.MALFORMED, time)
        except ratchet.RatchetError as error:
            _log.warning("a message was not decrypted: %s", error)
            self._reject(queue, RejectionReason.NOT_DECRYPTED, time)
            self._resync.failed(queue.connection_id, error)
        except _Held:
            _log.debug("a message waits for those in the queue before")
            return False
        except SyncRefused as refused:
            _log.info("ratchet keys were refused: %s", refused)
            self._reject(queue, refused.reason, time)
        except _Rejected as rejected:
            # a repetition is what every interrupted delivery brings
            level = logging.INFO if rejected.reason is RejectionReason.DUPLICATE else logging.WARNING
            _log.log(level, "a message was refused: %s", rejected)
            self._reject(queue, rejected.reason, time)
        self._store.queues.set_last_message(queue.id, message.message_id)
        return True

    def _reject(self, queue: RcvQueue, reason: RejectionReason, time: datetime | None) -> None:
        self._lifecycle.emit(MessageRejected(queue.connection_id, reason, time))

    def _process(self, queue: RcvQueue, delivered: Received | QuotaReached) -> None:
        if isinstance(delivered, QuotaReached):
            self._continue_peer(queue)
            return
        envelope = ClientEnvelope.decode(delivered.body)
        if envelope.version > max(CLIENT_VERSIONS.maximum, queue.client_version):
            raise _Rejected(RejectionReason.MALFORMED, "its client version is not known here")
        first = queue.e2e_secret is None
        if first and envelope.dh_key is None:
            raise _Rejected(RejectionReason.NOT_EXPECTED, "it came before the queue's confirmation")
        secret = queue.e2e_secret
        if secret is None:
            assert envelope.dh_key is not None  # noqa: S101 - checked above
            secret = BoxKey.agree(queue.e2e_key, envelope.dh_key)
        content = envelope.open(secret)
        arrival = _Arrival(queue, delivered, envelope.version, envelope.dh_key, content.sender_key)
        match envelopes.decode_envelope(content.body):
            case envelopes.AgentConfirmation() as confirmation:
                self._confirmation(arrival, confirmation, secret)
            case envelopes.AgentInvitation() as request:
                self._request(arrival, request, sha256(content.body))
            case envelopes.AgentMsgEnvelope() as message if not first and envelope.dh_key is None:
                self._message(arrival, message)
            case envelopes.AgentRatchetKey() as keys if not first and envelope.dh_key is None:
                self._ratchet_keys(self._known(arrival, keys.agent_version), keys)
            case other:
                raise _Rejected(RejectionReason.NOT_EXPECTED, f"{type(other).__name__} is not expected")

    def _continue_peer(self, queue: RcvQueue) -> None:
        """Our queue was full and is empty now: the peer may send again."""
        connection = self._store.connection(queue.connection_id)
        if connection.state is ConnectionState.CONNECTED:
            address = QueueAddress(queue.server, queue.sender_id)
            self._outgoing.answer(connection, envelopes.QueueContinue(address))

    # requests

    def _request(self, arrival: _Arrival, request: envelopes.AgentInvitation, digest: bytes) -> None:
        """Somebody sent an invitation to our address; it is kept whether we can use it or not, as they wait."""
        address = self._store.connection(arrival.queue.connection_id)
        if address.state is not ConnectionState.ADDRESS:
            raise _Rejected(RejectionReason.NOT_EXPECTED, "it came where no address is")
        if self._store.message_seen(address.id, digest):
            raise _Rejected(RejectionReason.DUPLICATE, "the request came before")
        queue = request.invitation.queues[0]
        if self._store.queues.has_snd_queue(queue.server, queue.sender_id):
            raise _Rejected(RejectionReason.DUPLICATE, "the request was accepted already")
        if self._links.request_count(address.id) >= MAX_REQUESTS:
            raise _Rejected(RejectionReason.NOT_PROCESSED, "too many requests wait for an answer")
        server = replace(queue.server, password=None)
        request_id = self._links.add_request(
            address.id, server, queue.sender_id, str(request.invitation), arrival.received.timestamp
        )
        if request_id is None:
            raise _Rejected(RejectionReason.DUPLICATE, "the request waits already")
        self._store.add_message_hash(address.id, digest)
        self._fire(address, ConnectionEvent.REQUEST, Cause(info=request.info, request_id=request_id))

    # confirmations

    def _confirmation(self, arrival: _Arrival, confirmation: envelopes.AgentConfirmation, secret: BoxKey) -> None:
        queue = arrival.queue
        digest = sha256(confirmation.body)
        if self._store.message_seen(queue.connection_id, digest):
            raise _Rejected(RejectionReason.DUPLICATE, "the confirmation came before")
        if queue.e2e_secret is not None or arrival.dh_key is None or queue.replaces is not None:
            raise _Rejected(RejectionReason.NOT_EXPECTED, "the queue was confirmed already")
        if arrival.sender_key is None and not queue.sender_can_secure:
            raise _Rejected(RejectionReason.NOT_EXPECTED, "the confirmation has no key to secure the queue with")
        connection = self._store.connection(queue.connection_id)
        if confirmation.agent_version > max(AGENT_VERSIONS.maximum, connection.agent_version):
            raise _Rejected(RejectionReason.MALFORMED, "its agent version is not known here")
        client_version = min(queue.client_version, arrival.client_version)
        self._store.queues.confirm_rcv_queue(queue.id, secret, client_version, arrival.sender_key)
        self._store.add_message_hash(queue.connection_id, digest)
        if confirmation.e2e is None:
            self._answer_to_join(connection, arrival, confirmation)
        else:
            self._answer_to_link(connection, confirmation)

    def _answer_to_link(self, connection: Connection, confirmation: envelopes.AgentConfirmation) -> None:
        """Somebody used our link."""
        keys, params = self._store.ratchets.invitation_keys(connection.id), confirmation.e2e
        if keys is None or params is None:
            raise _Rejected(RejectionReason.NOT_EXPECTED, "it answers no link of this connection")
        if params.version not in E2E_VERSIONS:
            raise _Rejected(RejectionReason.MALFORMED, "its ratchet version is not known here")
        pq = connection.pq_supported and supports_pq(confirmation.agent_version, params.version)
        self._store.set_pq(connection.id, supported=pq)
        self._store.ratchets.set_ratchet(connection.id, ratchet.init_receiving(keys, params, pq=pq))
        content, _ = self._decrypt(connection.id, confirmation.body)
        reply = envelopes.decode_message(content)
        if not isinstance(reply, envelopes.ConnInfoReply):
            raise _Rejected(RejectionReason.NOT_EXPECTED, "the confirmation has no queue for the way back")
        self._store.ratchets.delete_invitation_keys(connection.id)
        self._store.set_agent_version(connection.id, confirmation.agent_version)
        self._store.set_received(connection.id, 1, envelopes.message_hash(content))
        self._add_reply_queue(connection, reply.queues)
        self._fire(connection, ConnectionEvent.CONFIRMATION, Cause(info=reply.info))

    def _add_reply_queue(self, connection: Connection, queues: tuple[QueueInfo, ...]) -> None:
        info = next((queue for queue in queues if queue.version in CLIENT_VERSIONS), None)
        if info is None:
            raise _Rejected(RejectionReason.MALFORMED, "no queue for the way back has a version known here")
        self._store.queues.add_snd_queue(
            connection.id,
            replace(info.server, password=None),
            info.sender_id,
            auth_key=new_sender_key(self._random, sender_can_secure=info.sender_can_secure),
            e2e_key=X25519PrivateKey.generate(self._random),
            their_key=info.dh_key,
            client_version=info.version,
            sender_can_secure=info.sender_can_secure,
        )

    def _answer_to_join(
        self, connection: Connection, arrival: _Arrival, confirmation: envelopes.AgentConfirmation
    ) -> None:
        """The maker of the link that we used allowed us."""
        content, _ = self._decrypt(connection.id, confirmation.body)
        answer = envelopes.decode_message(content)
        if not isinstance(answer, envelopes.ConnInfo):
            raise _Rejected(RejectionReason.NOT_EXPECTED, "the confirmation has no connection info")
        self._store.set_received(connection.id, 1, envelopes.message_hash(content))
        event = ConnectionEvent.INFO if arrival.sender_key is None else ConnectionEvent.INFO_WITH_KEY
        self._fire(connection, event, Cause(info=answer.info))

    # messages

    def _message(self, arrival: _Arrival, envelope: envelopes.AgentMsgEnvelope) -> None:
        connection = self._store.connection(arrival.queue.connection_id)
        digest = sha256(envelope.body)
        if self._store.message_seen(connection.id, digest):
            raise _Rejected(RejectionReason.DUPLICATE, "the peer sent it before")
        connection = self._known(arrival, envelope.agent_version)
        content, is_first = self._decrypt(connection.id, envelope.body)
        self._store.add_message_hash(connection.id, digest)
        if self._resync.decrypted(connection) and connection.ratchet_sync is RatchetSync.AGREED:
            self._rotation.resume(connection.id)
        self._deliver(connection, arrival, content, is_first=is_first)

    def _ratchet_keys(self, connection: Connection, keys: envelopes.AgentRatchetKey) -> None:
        """New keys; they count in the peer's chain, so what follows them is in its place."""
        self._resync.their_keys(connection, keys.e2e)
        self._store.set_received(connection.id, connection.received_number + 1, envelopes.message_hash(keys.info))

    def _known(self, arrival: _Arrival, agent_version: int) -> Connection:
        """The connection, with the agent version that the peer shows: it may have been updated."""
        connection = self._store.connection(arrival.queue.connection_id)
        version = min(agent_version, AGENT_VERSIONS.maximum)
        if version > connection.agent_version:
            self._store.set_agent_version(connection.id, version)
            connection = replace(connection, agent_version=version)
        return connection

    def _deliver(self, connection: Connection, arrival: _Arrival, content: bytes, *, is_first: bool) -> None:
        """Take what the ratchet gave; whatever it is, the ratchet has moved and the number counts."""
        try:
            message = envelopes.decode_message(content)
        except envelopes.EnvelopeError as error:
            _log.warning("a message was malformed: %s", error)
            self._reject(arrival.queue, RejectionReason.MALFORMED, arrival.time)
            return
        if not isinstance(message, envelopes.Message):
            _log.warning("%s is not expected in a message", type(message).__name__)
            self._reject(arrival.queue, RejectionReason.NOT_EXPECTED, arrival.time)
            return
        self._hold(connection, arrival.queue, message.number)
        self._rotation.received_in(arrival.queue)
        integrity = check_integrity(connection, message.number, message.previous_hash)
        if not integrity.ok:
            _log.warning("a message does not follow the one before it: %s", integrity.kind.value)
        self._store.set_received(connection.id, message.number, envelopes.message_hash(content))
        match message.body:
            case envelopes.AMsg(body):
                received = MessageReceived(connection.id, message.number, arrival.time, integrity, body)
                self._receipts.delivering(connection.id, message.number, envelopes.message_hash(content))
                try:
                    self._fire_or_reject(connection, ConnectionEvent.MESSAGE, Cause(message=received), arrival)
                finally:
                    self._receipts.delivered()
            case envelopes.Receipts() as receipts:
                self._receipts.received(connection.id, receipts)
            case envelopes.Hello():
                self._fire_or_reject(connection, ConnectionEvent.HELLO, Cause(), arrival)
            case envelopes.RatchetReady():
                self._resync.ready(connection.id, is_first=is_first)
            case envelopes.QueueContinue(address):
                self._continue(connection, address)
            case envelopes.QueueAdd() | envelopes.QueueKeys() | envelopes.QueueUse() as change:
                self._rotate(connection.id, change, arrival)
            case envelopes.QueueTest():
                pass  # that it came is all
            case other:
                _log.info("%s is acknowledged and not used", type(other).__name__)

    def _continue(self, connection: Connection, address: QueueAddress) -> None:
        """The peer emptied the queue that was full."""
        queues = self._store.queues.snd_queues(connection.id)
        queue = next((queue for queue in queues if queue.sender_id == address.sender_id), None)
        if queue is not None:
            queue_id = queue.id
            self._store.database.after_commit(lambda: self._queue_drained(queue_id))

    def _hold(self, connection: Connection, queue: RcvQueue, number: int) -> None:
        """While two queues deliver, let no message overtake those in the other one; for a time, if none come."""
        is_switching = queue.replaces is not None or queue.rotation is RcvRotation.USED
        if not is_switching or number <= connection.received_number + 1:
            self._held.pop(queue.id, None)
            return
        now = self._clock()
        received, since = self._held.get(queue.id, (-1, now))
        if received != connection.received_number:
            since = now
            self._held[queue.id] = (connection.received_number, now)
        if now - since < HOLD_SECONDS:
            raise _Held
        del self._held[queue.id]

    def _rotate(
        self,
        connection_id: int,
        change: envelopes.QueueAdd | envelopes.QueueKeys | envelopes.QueueUse,
        arrival: _Arrival,
    ) -> None:
        connection = self._store.connection(connection_id)
        try:
            with self._store.database.savepoint():
                match change:
                    case envelopes.QueueAdd():
                        self._rotation.add(connection, change)
                    case envelopes.QueueKeys():
                        self._rotation.keys(connection, change)
                    case envelopes.QueueUse():
                        self._rotation.use(connection, change)
        except RotationRefused as refused:
            _log.warning("a queue is not replaced: %s", refused)
            self._reject(arrival.queue, refused.reason, arrival.time)

    def _decrypt(self, connection_id: int, ciphertext: bytes) -> tuple[bytes, bool]:
        """The text, and whether it is the first that a ratchet received which could not send before."""
        state = self._store.ratchets.ratchet(connection_id)
        if state is None:
            raise _Rejected(RejectionReason.NOT_EXPECTED, "the connection has no ratchet yet")
        skipped = self._store.ratchets.skipped_keys(connection_id)
        decrypted = ratchet.decrypt(state, skipped, ciphertext, self._random, self._kem)
        self._store.ratchets.set_ratchet(connection_id, decrypted.state)
        self._store.ratchets.change_skipped_keys(connection_id, decrypted.skipped_delta)
        on = decrypted.state.is_quantum_resistant
        connected = self._store.connection(connection_id).state is ConnectionState.CONNECTED
        if connected and on is not state.is_quantum_resistant:
            self._lifecycle.emit(QuantumResistanceChanged(connection_id, on))
        return decrypted.plaintext, state.sending is None

    def _fire(self, connection: Connection, event: ConnectionEvent, cause: Cause) -> None:
        if not self._lifecycle.fire(connection.id, event, cause):
            raise _Rejected(RejectionReason.NOT_EXPECTED, "the connection's state does not allow it")

    def _fire_or_reject(self, connection: Connection, event: ConnectionEvent, cause: Cause, arrival: _Arrival) -> None:
        if not self._lifecycle.fire(connection.id, event, cause):
            self._reject(arrival.queue, RejectionReason.NOT_EXPECTED, arrival.time)
