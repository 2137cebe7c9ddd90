"""Carries out what the table of :mod:`simplex_calls.agent.resync` says, inside the caller's transaction.

Both sides' new keys are compared by their hashes: the side with the greater one starts as the joiner, sends first
(``EREADY``, which the other one answers), and so both come to the same ratchet even if both asked at once.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from simplex_calls.agent import ratchet
from simplex_calls.agent.connection import ConnectionState
from simplex_calls.agent.errors import WrongState
from simplex_calls.agent.events import (
    AgentEvent,
    QuantumResistanceChanged,
    RatchetOutOfStep,
    RatchetSync,
    RejectionReason,
    SecurityCodeChanged,
)
from simplex_calls.agent.kem import KemKeys
from simplex_calls.agent.outgoing import Outgoing
from simplex_calls.agent.records import Connection
from simplex_calls.agent.resync import SyncAction, SyncEvent, judge_failure, sync_step
from simplex_calls.agent.store import Store
from simplex_calls.agent.versions import E2E_VERSIONS, POST_QUANTUM_VERSION, supports_ratchet_sync
from simplex_calls.agent.x3dh import E2EParams, E2EPrivateKeys
from simplex_calls.crypto import CryptoError, KemSource, Random, X448PrivateKey, X448PublicKey, sha256

_log = logging.getLogger(__name__)

MAX_KEYS = 20
"""How many times a peer may start the ratchet again in :data:`KEYS_SECONDS`; more is an attack on our processor."""

KEYS_SECONDS = 3600.0


class SyncRefused(Exception):  # noqa: N818 - a verdict on what came
    """The peer's keys are not used, and nothing has changed."""

    def __init__(self, why: str, reason: RejectionReason = RejectionReason.NOT_EXPECTED) -> None:
        super().__init__(why)
        self.reason = reason


class Resynchronizer:
    """Starts ratchets again."""

    def __init__(
        self,
        store: Store,
        outgoing: Outgoing,
        emit: Callable[[AgentEvent], bool],
        *,
        clock: Callable[[], float],
        random: Random,
        kem: KemSource,
    ) -> None:
        self._store = store
        self._outgoing = outgoing
        self._emit = emit
        self._clock = clock
        self._random = random
        self._kem = kem

    def ask(self, connection_id: int, *, force: bool) -> None:
        """The user wants the ratchet to be started again. Raises :class:`WrongState`."""
        connection = self._store.connection(connection_id)
        if connection.state is not ConnectionState.CONNECTED:
            raise WrongState("encryption can be renewed once the connection is made")
        if not supports_ratchet_sync(connection.agent_version):
            raise WrongState("the contact's app is too old to renew encryption")
        if not self._fire(connection, SyncEvent.FORCE if force else SyncEvent.ASK):
            raise WrongState("there is no need to renew encryption now")

    def failed(self, connection_id: int, error: ratchet.RatchetError) -> None:
        """A message was not decrypted."""
        event = judge_failure(error)
        connection = self._store.connection(connection_id)
        if event is not None and connection.state is ConnectionState.CONNECTED:
            self._fire(connection, event)

    def decrypted(self, connection: Connection) -> bool:
        """A message was decrypted; tells whether that changed something."""
        return self._fire(connection, SyncEvent.DECRYPTED)

    def ready(self, connection_id: int, *, is_first: bool) -> None:
        """EREADY came; ``is_first``: it is the ratchet's first message, so the peer waits for ours."""
        connection = self._store.connection(connection_id)
        # behind keys of ours that ask for another ratchet, nobody could read it any more
        if is_first and connection.ratchet_sync is not RatchetSync.STARTED:
            self._outgoing.ready(connection)

    def their_keys(self, connection: Connection, keys: E2EParams) -> None:
        """The peer sent new keys. Raises :class:`SyncRefused`."""
        if connection.state is not ConnectionState.CONNECTED:
            raise SyncRefused("ratchet keys came before the connection was made")
        if keys.version not in E2E_VERSIONS:
            raise SyncRefused("its ratchet version is not known here")
        digest = _hash(keys.key1, keys.key2)
        if self._store.ratchets.ratchet_key_seen(connection.id, digest):
            raise SyncRefused("these ratchet keys came before", RejectionReason.DUPLICATE)
        self._check(keys)
        now = self._clock()
        if self._store.ratchets.ratchet_keys_since(connection.id, now - KEYS_SECONDS) >= MAX_KEYS:
            raise SyncRefused("the peer starts the ratchet again too often")
        self._store.ratchets.add_ratchet_key(connection.id, digest, now)
        self._fire(connection, SyncEvent.THEIR_KEYS, keys)

    def _check(self, keys: E2EParams) -> None:
        """Refuse keys that lead to nothing secret before any are made for them: those would not be counted."""
        probe = X448PrivateKey.generate(self._random)
        try:
            probe.exchange(keys.key1)
            probe.exchange(keys.key2)
        except CryptoError:
            raise SyncRefused("its ratchet keys are not safe to use", RejectionReason.MALFORMED) from None

    def _fire(self, connection: Connection, event: SyncEvent, theirs: E2EParams | None = None) -> bool:
        step = sync_step(connection.ratchet_sync, event)
        if step is None:
            return False
        self._store.set_ratchet_sync(connection.id, step.state)
        for action in step.actions:
            match action:
                case SyncAction.SEND_KEYS:
                    self._send_keys(connection.id, E2E_VERSIONS.maximum if theirs is None else theirs.version)
                case SyncAction.START_RATCHET:
                    assert theirs is not None  # noqa: S101 - only THEIR_KEYS does this
                    self._start(connection.id, theirs)
                case SyncAction.REPORT:
                    _log.info("the ratchet's synchronization is %s", step.state.value)
                    self._emit(RatchetOutOfStep(connection.id, step.state))
        return True

    def _send_keys(self, connection_id: int, version: int) -> None:
        connection = self._store.connection(connection_id)
        kem = KemKeys.propose(self._kem) if version >= POST_QUANTUM_VERSION and _wants_pq(connection) else None
        keys = E2EPrivateKeys.generate(self._random, kem)
        self._store.ratchets.set_resync_keys(connection_id, keys)
        self._outgoing.ratchet_keys(connection, keys.public_at(version))

    def _start(self, connection_id: int, theirs: E2EParams) -> None:
        connection = self._store.connection(connection_id)
        own = self._store.ratchets.resync_keys(connection_id)
        if own is None:
            raise SyncRefused("no keys were sent to the peer")
        before = self._store.ratchets.ratchet(connection_id)
        joins = _hash(own.key1.public, own.key2.public) > _hash(theirs.key1, theirs.key2)
        if joins:
            state = ratchet.init_sending(own, theirs, X448PrivateKey.generate(self._random))
        else:
            state = ratchet.init_receiving(own, theirs, pq=_wants_pq(connection))
        self._store.ratchets.skipped_keys(connection_id).clear()
        self._store.ratchets.set_ratchet(connection_id, state)
        self._store.ratchets.delete_resync_keys(connection_id)
        if before is not None and before.is_quantum_resistant:
            self._emit(QuantumResistanceChanged(connection_id, on=False))
        self._emit(SecurityCodeChanged(connection_id))
        if joins:
            self._outgoing.ready(self._store.connection(connection_id))


def _wants_pq(connection: Connection) -> bool:
    return connection.pq_supported and connection.pq_wanted


def _hash(key1: X448PublicKey, key2: X448PublicKey) -> bytes:
    return sha256(key1.raw + key2.raw)
