"""What became of the call messages that this run of the program has sent. Nothing of it outlives the program."""

from __future__ import annotations

from collections.abc import Callable

from simplex_calls.agent.events import FailureReason
from simplex_calls.chat.events import CallMessageDelivered, CallMessageFailed, CallMessageReached, ChatEvent
from simplex_calls.chat.messages import CallInvitation, CallMessage
from simplex_calls.database import Database

MAX_WAITING = 256
"""Most messages of which more may be heard; who does not send receipts never lets an invitation go."""


class SentCalls:
    """Call messages by contact and number, until nothing more can be heard of them."""

    def __init__(self, database: Database, emit: Callable[[ChatEvent], None]) -> None:
        self._database = database
        self._emit = emit
        self._waiting: dict[tuple[int, int], tuple[bytes, type[CallMessage]]] = {}

    def sent(self, contact_id: int, number: int, message: CallMessage) -> None:
        """The transaction sends a message."""

        def note() -> None:
            self._waiting[contact_id, number] = (message.call_id, type(message))
            while len(self._waiting) > MAX_WAITING:
                del self._waiting[next(iter(self._waiting))]

        self._database.after_commit(note)

    def settled(self, contact_id: int, number: int, failure: FailureReason | None) -> None:
        """The agent delivered a message to the server, or gave it up: perhaps one of these."""
        found = self._waiting.get((contact_id, number))
        if found is None:
            return
        call_id, message_type = found
        if failure is not None:
            self._emit(CallMessageFailed(contact_id, call_id, message_type, failure))
        else:
            self._emit(CallMessageDelivered(contact_id, call_id, message_type))
        # an invitation may still be receipted
        if failure is not None or message_type is not CallInvitation:
            self._forget(contact_id, number)

    def reached(self, contact_id: int, number: int) -> None:
        """The other side's program has a message: perhaps one of these."""
        found = self._waiting.get((contact_id, number))
        if found is not None:
            self._emit(CallMessageReached(contact_id, *found))
            self._forget(contact_id, number)

    def _forget(self, contact_id: int, number: int) -> None:
        def forget() -> None:
            self._waiting.pop((contact_id, number), None)

        self._database.after_commit(forget)
