"""Delivery receipts: the other side's agent tells that it received a message of ours, and names its hash.

They are messages of the agents, chained and ratcheted like all others, sent only for messages of the floor above and
only when that asks for it. Receipts of unknown numbers, and repeated ones, are passed over; a wrong hash is told, and
so is a right one that follows. Sources: agent-protocol.md ("A_RCVD"), and what the official agent does.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

from simplex_calls.agent import envelopes
from simplex_calls.agent.connection import ConnectionState
from simplex_calls.agent.errors import WrongState
from simplex_calls.agent.events import AgentEvent, MessageReceiptReceived
from simplex_calls.agent.outgoing import Outgoing
from simplex_calls.agent.store import Store
from simplex_calls.agent.versions import supports_receipts

_log = logging.getLogger(__name__)

AWAITED_SECONDS = 21 * 86_400.0
"""How long a receipt is waited for, as long as official agents do."""


@dataclass(frozen=True, slots=True)
class _Delivered:
    """The message that the floor above has in hand."""

    connection_id: int
    number: int
    hash: bytes


class DeliveryReceipts:
    """Sends receipts, and finds what received ones are about; inside the caller's transaction."""

    def __init__(
        self,
        store: Store,
        outgoing: Outgoing,
        emit: Callable[[AgentEvent], bool],
        clock: Callable[[], float],
    ) -> None:
        self._store = store
        self._outgoing = outgoing
        self._emit = emit
        self._clock = clock
        self._delivered: _Delivered | None = None

    def delivering(self, connection_id: int, number: int, digest: bytes) -> None:
        """The floor above is about to get this message."""
        self._delivered = _Delivered(connection_id, number, digest)

    def delivered(self) -> None:
        """The floor above is done with it."""
        self._delivered = None

    def send(self, connection_id: int, number: int) -> bool:
        """Confirm the message in hand; False if the peer knows no receipts or nothing can be sent now.

        Raises :class:`WrongState` for any other message.
        """
        message = self._delivered
        if message is None or (message.connection_id, message.number) != (connection_id, number):
            raise WrongState("a receipt is sent while its message is processed")
        connection = self._store.connection(connection_id)
        if connection.state is not ConnectionState.CONNECTED or not supports_receipts(connection.agent_version):
            return False
        receipt = envelopes.Receipt(number, message.hash)
        return self._outgoing.answer(connection, envelopes.Receipts((receipt,)))

    def received(self, connection_id: int, receipts: envelopes.Receipts) -> None:
        """Tell what the peer received."""
        for receipt in receipts.receipts:
            is_good = self._store.settle_receipt(connection_id, receipt.number, receipt.hash)
            if is_good is None:
                _log.info("a receipt is of no message that waits for one")
            else:
                self._emit(MessageReceiptReceived(connection_id, receipt.number, is_good))

    def forget_old(self) -> None:
        """Wait no longer for receipts of messages that were sent long ago."""
        self._store.forget_receipts(before=self._clock() - AWAITED_SECONDS)
