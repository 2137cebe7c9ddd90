"""All calls of a profile as one value: who has the line, who waits, and which of two crossing calls goes on. Pure.

Every method takes the time (Unix seconds) and returns a :class:`Step`: the next switchboard, the calls that changed and
what to do. How one call moves is the table's business (:mod:`simplex_calls.calls.state`); here is what lies between
calls:

* One call at a time is active; others ring as *waiting*. Accepting one ends the active one first.
* A contact's newer invitation replaces their earlier one that still rings, or that we are still answering.
* **Both call each other at once.** The invitation with the lexicographically smaller call id goes on, on both sides,
  in whatever order the messages arrive; one without encryption gives way to one with it. The side whose
  invitation gave way accepts the other at once, as its user wanted this call. An official app knows no such rule: when
  our invitation reaches it, it forgets its own, and its user may accept ours. So an offer to an invitation that gave
  way is taken too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from simplex_calls.calls.call import TIMEOUT_FAILURES, Call, CallFailure, CallProgress
from simplex_calls.calls.effects import Effect
from simplex_calls.calls.keys import CallKeyPair
from simplex_calls.calls.page import Response
from simplex_calls.calls.state import CallEvent, CallState, transition
from simplex_calls.calls.turn import WIRE_ID_SIZE, Past, Turn
from simplex_calls.chat.messages import (
    CallAnswer,
    CallEnd,
    CallExtra,
    CallInvitation,
    CallMedia,
    CallMessage,
    CallOffer,
    CallRestart,
)
from simplex_calls.crypto import Random


class CallMissingError(LookupError):
    """There is no such call, or not any more."""


class CallStateError(Exception):
    """The call is not in a state for this."""


class UnencryptedError(CallStateError):
    """The other app does not encrypt the call's media, and our user has not said yes to that."""


class NoRelayError(CallStateError):
    """The contact must not learn our address, and there is no relay."""


class LineBusyError(Exception):
    """Another call is active."""


@dataclass(frozen=True, slots=True)
class Step:
    """What came of an event. ``ignored`` names events that were not allowed, for the log."""

    board: Switchboard
    changed: tuple[Call, ...] = ()
    effects: tuple[Effect, ...] = ()
    ignored: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Switchboard:
    """The calls that are not over, by their id."""

    calls: Mapping[str, Call] = field(default_factory=lambda: MappingProxyType({}))
    past: tuple[Past, ...] = ()

    @property
    def active(self) -> Call | None:
        """The call that has the line."""
        return next((call for call in self.calls.values() if call.is_active), None)

    @property
    def next_deadline(self) -> float | None:
        """When :meth:`tick` has something to do."""
        return min((call.deadline for call in self.calls.values() if call.deadline is not None), default=None)

    def of_contact(self, contact_id: int) -> list[Call]:
        """The contact's calls."""
        return [call for call in self.calls.values() if call.contact_id == contact_id]

    def get(self, call_id: str) -> Call:
        """The call; raises :class:`CallMissingError`."""
        try:
            return self.calls[call_id]
        except KeyError:
            raise CallMissingError("there is no such call any more") from None

    # the user

    def dial(
        self, contact_id: int, media: CallMedia, now: float, random: Random, *, relay_only: bool = False
    ) -> tuple[Step, str]:
        """Call a contact: the step and the call's id. If that contact rings, their call is accepted.

        ``relay_only``: the other side learns no address but those of relays.
        Raises :class:`LineBusyError`, :class:`UnencryptedError`.
        """
        for call in self.of_contact(contact_id):
            if call.is_ringing:
                return self.accept(call.id, now, relay_only=relay_only), call.id
        if self.active is not None:
            raise LineBusyError("another call is active")
        call = Call(
            id=random(WIRE_ID_SIZE).hex(),
            contact_id=contact_id,
            wire_id=random(WIRE_ID_SIZE),
            outgoing=True,
            media=media,
            state=CallState.NEW,
            started_at=now,
            clock_at=now,
            keys=CallKeyPair.generate(random),
            relay_only=relay_only,
        )
        turn = Turn(self.calls, self.past, now)
        turn.apply(call, CallEvent.DIAL)
        return _step(turn), call.id

    def accept(
        self,
        call_id: str,
        now: float,
        *,
        audio_only: bool = False,
        unencrypted: bool = False,
        relay_only: bool = False,
    ) -> Step:
        """Take a call that rings; ends the active one. ``audio_only``: our page starts without the camera.

        ``relay_only``: as in :meth:`dial`.
        ``unencrypted``: the user knows that the media of this call are protected on their way only. Without it such a
        call is not taken, and rings on. Raises :class:`CallMissingError`, :class:`CallStateError`,
        :class:`UnencryptedError`.
        """
        call = self.get(call_id)
        if not call.is_ringing:
            raise CallStateError("the call does not ring")
        if not call.encrypted and not unencrypted:
            raise UnencryptedError("the other app does not encrypt this call")
        turn = Turn(self.calls, self.past, now)
        if (active := self.active) is not None:
            turn.apply(active, CallEvent.HANG_UP)
        turn.apply(turn.calls[call_id], CallEvent.ACCEPT, camera_off=audio_only, relay_only=relay_only)
        return _step(turn)

    def consent(self, call_id: str, now: float) -> Step:
        """Our user goes on without frame encryption, as was asked.

        Raises :class:`CallMissingError`, :class:`CallStateError`.
        """
        turn = Turn(self.calls, self.past, now)
        if not turn.consent(self.get(call_id)):
            raise CallStateError("the call does not wait for consent")
        return _step(turn)

    def end(self, call_id: str, event: CallEvent, now: float, failure: CallFailure | None = None) -> Step:
        """Reject, hang up, or end for another reason of this side. Raises the errors of :meth:`accept`."""
        call = self.get(call_id)
        found = transition(call.state, event)
        if found is None or found.state is not CallState.ENDED:
            raise CallStateError(f"{event.value} does not end the call now")
        turn = Turn(self.calls, self.past, now)
        turn.apply(call, event, failure=failure)
        return _step(turn)

    # the other side

    def message(
        self,
        contact_id: int,
        message: CallMessage,
        sent_at: float,
        now: float,
        random: Random,
        *,
        waited: float | None = None,
    ) -> Step:
        """Take a call message; ``sent_at`` is when the server took it, by the server's clock.

        ``waited``: how long it waited there; if nobody knows, it is told by our clock.
        """
        turn = Turn(self.calls, self.past, now)
        match message:
            case CallInvitation():
                turn.invitation(
                    contact_id, message, sent_at, random, waited=now - sent_at if waited is None else waited
                )
            case CallOffer():
                turn.offer(contact_id, message, sent_at)
            case CallAnswer():
                turn.answer(contact_id, message)
            case CallExtra():
                turn.candidates(contact_id, message)
            case CallRestart():
                turn.restart(contact_id, message)
            case CallEnd():
                turn.peer_end(contact_id, message.call_id)
        return _step(turn)

    def progressed(self, contact_id: int, wire_id: bytes, progress: CallProgress, now: float) -> Step:
        """Our invitation has come so far; what is known of it never goes back."""
        turn = Turn(self.calls, self.past, now)
        order = list(CallProgress)
        for call in self.of_contact(contact_id):
            is_news = order.index(progress) > order.index(call.progress)
            if call.wire_id == wire_id and call.outgoing and call.state is CallState.CALLING and is_news:
                turn.put(replace(call, progress=progress))
        return _step(turn)

    # the page

    def page_attached(self, call_id: str, now: float) -> Step:
        """A page can be commanded. Raises :class:`CallMissingError`, :class:`CallStateError`."""
        call = self.get(call_id)
        if transition(call.state, CallEvent.PAGE_ATTACHED) is None:
            raise CallStateError("the call does not wait for a page")
        turn = Turn(self.calls, self.past, now)
        turn.apply(call, CallEvent.PAGE_ATTACHED)
        return _step(turn)

    def page_said(self, call_id: str, response: Response, now: float) -> Step:
        """Take what the call's page says. Raises :class:`CallMissingError`."""
        turn = Turn(self.calls, self.past, now)
        turn.page(self.get(call_id), response)
        return _step(turn)

    # this program

    def tick(self, now: float) -> Step:
        """End what has lasted too long."""
        turn = Turn(self.calls, self.past, now)
        for call_id in self.calls:
            call = turn.calls.get(call_id)
            if call is not None and call.clock_at > now:
                # the computer's clock was set back: the state's time starts again rather than last for hours
                call = turn.calls[call_id] = replace(call, clock_at=now)
            if call is not None and call.deadline is not None and call.deadline <= now:
                turn.apply(call, CallEvent.TIMEOUT, failure=TIMEOUT_FAILURES.get(call.state))
        return _step(turn)

    def restart(self, now: float) -> Step:
        """Close all calls that the last run of the program left open."""
        turn = Turn(self.calls, self.past, now)
        for call in self.calls.values():
            turn.apply(turn.calls[call.id], CallEvent.RESTART)
        return _step(turn)


def _step(turn: Turn) -> Step:
    board = Switchboard(MappingProxyType(turn.calls), turn.past)
    return Step(board, tuple(turn.changed.values()), tuple(turn.effects), tuple(turn.ignored))
