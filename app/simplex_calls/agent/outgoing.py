"""What we send becomes bytes: numbered, chained, ratcheted, boxed for the queue, and put into the outbox.

All of it happens in the caller's transaction; the queue's worker is woken when that is committed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from simplex_calls.agent import envelopes, ratchet
from simplex_calls.agent.errors import AgentError, LargeMessage, RatchetNotReady, WrongState
from simplex_calls.agent.links import Invitation
from simplex_calls.agent.queue_address import QueueAddress
from simplex_calls.agent.records import Connection, OutboxKind, SndQueue
from simplex_calls.agent.store import Store
from simplex_calls.agent.versions import (
    AGENT_VERSIONS,
    agent_message_length,
    connection_info_length,
    supports_pq,
)
from simplex_calls.agent.x3dh import E2EParams
from simplex_calls.crypto import PublicKey, Random
from simplex_calls.crypto.box import NONCE_SIZE
from simplex_calls.smp.body import ClientEnvelope, ClientMessage

MAX_WAITING = 500
"""How much may wait for a peer until its own messages are not answered any more (with receipts, say): 8 MB."""


class Outgoing:
    """Puts entries into the outbox."""

    def __init__(
        self, store: Store, *, wake: Callable[[int], None], clock: Callable[[], float], random: Random
    ) -> None:
        self._store = store
        self._wake = wake
        self._clock = clock
        self._random = random

    def secure_their_queue(self, connection: Connection) -> None:
        """SKEY before anything else, where the peer's queue lets its sender secure it."""
        queue = self._queue(connection)
        if queue.sender_can_secure:
            self._put(queue, OutboxKind.SECURE_THEIRS, 0, b"")

    def secure_own_queue(self, connection: Connection, sender_key: PublicKey) -> None:
        """KEY for our queue, before the peer hears from us that it is secured."""
        self._put(self._queue(connection), OutboxKind.SECURE_OURS, 0, sender_key.der)

    def confirmation(
        self,
        connection: Connection,
        info: envelopes.ConnInfo | envelopes.ConnInfoReply,
        e2e_params: E2EParams | None = None,
    ) -> None:
        """Our confirmation, the first message of our chain; ``e2e_params`` go in the clear with the joiner's only.

        Raises :class:`LargeMessage`.
        """
        queue = self._queue(connection)
        encoded = envelopes.encode_message(info)
        number = connection.sent_number + 1
        length = connection_info_length(connection.agent_version, pq=connection.pq_supported)
        sealed = self._ratchet(connection, encoded, length, pq=connection.pq_supported)
        self._store.set_sent(connection.id, number, envelopes.message_hash(encoded))
        envelope = envelopes.AgentConfirmation(connection.agent_version, e2e_params, sealed)
        sender_key = None if queue.sender_can_secure else queue.auth_key.public
        message = ClientMessage(envelopes.encode_envelope(envelope), sender_key)
        boxed = ClientEnvelope.seal(
            message, queue.e2e_secret, self._random(NONCE_SIZE), queue.client_version, queue.e2e_public
        )
        self._put(queue, OutboxKind.CONFIRMATION, number, boxed.encode(), notify=True)

    def request(self, queue: SndQueue, agent_version: int, invitation: Invitation, info: bytes) -> None:
        """Our invitation to the owner of an address; nobody but the queue's box protects it."""
        envelope = envelopes.encode_envelope(envelopes.AgentInvitation(agent_version, invitation, info))
        boxed = ClientEnvelope.seal(
            ClientMessage(envelope), queue.e2e_secret, self._random(NONCE_SIZE), queue.client_version, queue.e2e_public
        )
        self._put(queue, OutboxKind.REQUEST, 0, boxed.encode(), notify=True)

    def hello(self, connection: Connection) -> None:
        """HELLO: the queue that we receive from is secured."""
        self._message(connection, OutboxKind.HELLO, envelopes.Hello(), notify=True)

    def message(self, connection: Connection, body: bytes, *, notify: bool) -> int:
        """A message of the floor above: its number. Raises :class:`LargeMessage` and :class:`RatchetNotReady`."""
        if not connection.ratchet_sync.allows_sending:
            raise RatchetNotReady
        pq = connection.pq_wanted and supports_pq(connection.agent_version)
        if pq and not connection.pq_supported:
            self._store.set_pq(connection.id, supported=True)
            connection = replace(connection, pq_supported=True)
        number = self._message(connection, OutboxKind.MESSAGE, envelopes.AMsg(body), notify=notify, pq=pq)
        digest = self._store.connection(connection.id).sent_hash
        self._store.await_receipt(connection.id, number, digest, self._clock())
        return number

    def service(self, connection: Connection, body: envelopes.MessageBody) -> bool:
        """A message between the agents that nobody above waits for; False if nothing can be sent now."""
        if not connection.ratchet_sync.allows_sending:
            return False
        self._message(connection, OutboxKind.SERVICE, body, notify=False)
        return True

    def answer(self, connection: Connection, body: envelopes.MessageBody) -> bool:
        """A message between the agents that the peer causes, as often as it likes, and can do without.

        False if nothing can be sent now, or too much waits: who sends and never reads fills no disk.
        """
        queue = self._store.queues.snd_queue_of(connection.id)
        if queue is None or self._store.outbox.has(queue.id, MAX_WAITING):
            return False
        return self.service(connection, body)

    def secure_new_queue(self, connection: Connection, queue_id: int, sender_key: PublicKey) -> None:
        """KEY for a queue of ours that is to replace another."""
        self._put(self._queue(connection), OutboxKind.SECURE_NEW, 0, queue_id.to_bytes(8, "big") + sender_key.der)

    def test(self, connection: Connection, address: QueueAddress) -> None:
        """QTEST, in the queue that is used from now on."""
        self._message(connection, OutboxKind.QUEUE_TEST, envelopes.QueueTest((address,)), notify=False)

    def ratchet_keys(self, connection: Connection, keys: E2EParams) -> None:
        """New keys to start the ratchet again with: under the queue's box only. They count in our chain."""
        encoded = envelopes.encode_message(envelopes.RatchetInfo(b""))
        number = connection.sent_number + 1
        self._store.set_sent(connection.id, number, envelopes.message_hash(encoded))
        envelope = envelopes.AgentRatchetKey(AGENT_VERSIONS.maximum, keys, encoded)
        self._seal(self._queue(connection), OutboxKind.SERVICE, number, envelope, notify=True)

    def ready(self, connection: Connection) -> None:
        """EREADY: the ratchet was started again."""
        body = envelopes.RatchetReady(connection.received_number)
        self._message(connection, OutboxKind.SERVICE, body, notify=True)

    def _message(
        self,
        connection: Connection,
        kind: OutboxKind,
        body: envelopes.MessageBody,
        *,
        notify: bool,
        pq: bool | None = None,
    ) -> int:
        queue = self._queue(connection)
        number = connection.sent_number + 1
        encoded = envelopes.encode_message(envelopes.Message(number, connection.sent_hash, body))
        length = agent_message_length(connection.agent_version, pq=connection.pq_supported)
        sealed = self._ratchet(connection, encoded, length, pq=pq)
        self._store.set_sent(connection.id, number, envelopes.message_hash(encoded))
        self._seal(queue, kind, number, envelopes.AgentMsgEnvelope(AGENT_VERSIONS.maximum, sealed), notify=notify)
        return number

    def _seal(
        self, queue: SndQueue, kind: OutboxKind, number: int, envelope: envelopes.Envelope, *, notify: bool
    ) -> None:
        message = ClientMessage(envelopes.encode_envelope(envelope))
        boxed = ClientEnvelope.seal(message, queue.e2e_secret, self._random(NONCE_SIZE), queue.client_version)
        self._put(queue, kind, number, boxed.encode(), notify=notify)

    def _ratchet(self, connection: Connection, encoded: bytes, length: int, *, pq: bool | None) -> bytes:
        try:
            state = self._store.ratchets.ratchet(connection.id)
            if state is None:
                raise WrongState("the connection has no ratchet yet: wait until it is connected")
            state, sealed = ratchet.encrypt(state, encoded, length, pq=pq)
        except ratchet.PlaintextTooLongError:
            raise LargeMessage(len(encoded), length - 2) from None
        except ratchet.RatchetError as error:
            raise AgentError(f"the message cannot be encrypted: {error}") from None
        self._store.ratchets.set_ratchet(connection.id, state)
        return sealed

    def _queue(self, connection: Connection) -> SndQueue:
        queue = self._store.queues.snd_queue_of(connection.id)
        if queue is None:
            raise WrongState("the connection has no queue to send to yet: wait until it is connected")
        return queue

    def _put(self, queue: SndQueue, kind: OutboxKind, number: int, body: bytes, *, notify: bool = False) -> None:
        self._store.outbox.add(queue, kind, number, body, notify=notify, now=self._clock())
        self._store.database.after_commit(lambda: self._wake(queue.id))
