"""How one event moves the calls of a profile. Pure; :mod:`simplex_calls.calls.switchboard` says what the rules are."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from simplex_calls.calls.addresses import hides_address
from simplex_calls.calls.call import TIMEOUT_FAILURES, Call, CallFailure, Yielded
from simplex_calls.calls.effects import Effect, EndPage, PageCommand, SendMessage, WantPage
from simplex_calls.calls.keys import CallKeyError, CallKeyPair, FrameKey
from simplex_calls.calls.packed import is_bounded
from simplex_calls.calls.page import (
    Capabilities,
    PageAnswer,
    PageCandidates,
    PageConnected,
    PageConnection,
    PageConsent,
    PageEnded,
    PageFault,
    PageHangUp,
    PageOffer,
    PageRestart,
    Response,
)
from simplex_calls.calls.state import (
    CLOCKS,
    INVITATION_SECONDS,
    Action,
    CallEvent,
    CallState,
    EndReason,
    transition,
)
from simplex_calls.chat.messages import (
    CallAnswer,
    CallEnd,
    CallExtra,
    CallInvitation,
    CallMedia,
    CallMessage,
    CallOffer,
    CallRestart,
    RestartStep,
    RtcSession,
)
from simplex_calls.crypto import Random, X25519PublicKey

WIRE_ID_SIZE = 16
MAX_RINGING = 8
"""More calls than this are not shown at once: further ones get a busy end."""
MAX_HELD = 64
"""Most groups of candidates held back per call and direction; more are dropped."""
RESTART_FEATURE = "restart"
_MAX_PAST = 512
_MAX_PAST_OF_CONTACT = 16
"""So many of the calls that are over are remembered for each contact: nobody crowds another's out."""

_FATAL_COMMANDS = frozenset({"capabilities", "start", "offer", "answer"})
HARMLESS_CODES = frozenset({"no-camera", "camera-denied", "camera-busy", "ended"})
"""Codes of faults that a call goes on with: it has no picture, or a command came too late for the call before."""
FAULTS = {
    "no-microphone": CallFailure.NO_MICROPHONE,
    "microphone-busy": CallFailure.NO_MICROPHONE,
    "permission-denied": CallFailure.PERMISSION_DENIED,
    "no-encryption": CallFailure.NO_ENCRYPTION,
    "connection-failed": CallFailure.NO_CONNECTION,
    "connection-lost": CallFailure.CONNECTION_LOST,
    "setup-failed": CallFailure.PAGE,
}
"""What our page's codes of faults mean."""


@dataclass(frozen=True, slots=True)
class Past:
    """A call that is over, or was ended before its invitation came."""

    contact_id: int
    wire_id: bytes = field(repr=False)
    was_known: bool


class Turn:
    """The making of one step, for :class:`~simplex_calls.calls.switchboard.Switchboard` only.

    ``changed``, ``effects`` and ``ignored`` (names of events that were not allowed) are what came of it.
    """

    def __init__(self, calls: Mapping[str, Call], past: tuple[Past, ...], now: float) -> None:
        self.calls: dict[str, Call] = dict(calls)
        self._past = list(past)
        self._now = now
        self.changed: dict[str, Call] = {}
        self.effects: list[Effect] = []
        self.ignored: list[str] = []

    @property
    def past(self) -> tuple[Past, ...]:
        """The latest calls that are over."""
        counts: Counter[int] = Counter()
        kept: list[Past] = []
        for past in reversed(self._past):
            counts[past.contact_id] += 1
            if counts[past.contact_id] <= _MAX_PAST_OF_CONTACT:
                kept.append(past)
        return tuple(reversed(kept[:_MAX_PAST]))

    def find(self, contact_id: int, wire_id: bytes, name: str) -> Call | None:
        """The contact's call with this id; else the message ``name`` is ignored."""
        for call in self.calls.values():
            if call.contact_id == contact_id and call.wire_id == wire_id:
                return call
        self.ignored.append(f"{name}: no such call")
        return None

    # one call

    def put(self, call: Call) -> None:
        """Change what is known of a call; its state stays."""
        self.calls[call.id] = call
        self.changed[call.id] = call

    def apply(
        self,
        call: Call,
        event: CallEvent,
        *,
        session: RtcSession | None = None,
        candidates: str = "",
        restart: CallRestart | None = None,
        failure: CallFailure | None = None,
        **changes: Any,
    ) -> bool:
        """Make the table's transition, ``changes`` to the call with it; ``False`` if it is not allowed."""
        found = transition(call.state, event)
        if found is None:
            self.ignored.append(f"{event.value} while {call.state.value}")
            return False
        was_active = call.is_active
        clock, next_clock = CLOCKS.get(call.state), CLOCKS.get(found.state)
        if clock != next_clock:
            changes["clock_at"] = self._now
        if found.state is CallState.CONNECTED and call.connected_at is None:
            changes["connected_at"] = self._now
        if found.state is CallState.ENDED:
            if found.reason is EndReason.LOST:
                failure = CallFailure.CONNECTION_LOST
            elif found.reason is EndReason.FAILED and failure is None:
                # our user's no has the reason that the question had
                failure = TIMEOUT_FAILURES.get(call.state)
            changes |= {"ended_at": self._now, "reason": found.reason, "failure": failure}
        call = replace(call, state=found.state, **changes)
        for action in found.actions:
            call = self._act(call, action, event, session, candidates, restart)
        if call.is_ended:
            call = self._close(call)
        else:
            self.calls[call.id] = call
        self.changed[call.id] = call
        if call.is_active != was_active:
            self._line_changed(call)
        return True

    def _close(self, call: Call) -> Call:
        self.calls.pop(call.id, None)
        self._past.append(Past(call.contact_id, call.wire_id, was_known=True))
        if call.yielded is not None:
            # the invitation that gave way may still ring over there (their cancelled call was on its way to us)
            self._send(call, CallEnd(call.yielded.wire_id))
        return replace(call, keys=None, frame_key=None, yielded=None, offer=None, held=(), held_extra=())

    def _line_changed(self, call: Call) -> None:
        event, state = CallEvent.LINE_TAKEN, CallState.RINGING
        if not call.is_active:
            event, state = CallEvent.LINE_FREE, CallState.WAITING
        for other in list(self.calls.values()):
            if other.state is state:
                self.apply(other, event)

    def _act(
        self,
        call: Call,
        action: Action,
        event: CallEvent,
        session: RtcSession | None,
        candidates: str,
        restart: CallRestart | None,
    ) -> Call:
        match action:
            case Action.WANT_PAGE:
                self.effects.append(WantPage(call.id))
            case Action.ASK_CAPABILITIES:
                self._command(call, needs_servers=True, type="capabilities", media=call.media.value)
            case Action.PAGE_START:
                media = CallMedia.AUDIO if call.camera_off else call.media
                self._command(call, needs_servers=True, type="start", media=media.value, **_agreed(call))
            case Action.PAGE_TAKE_OFFER if call.offer is not None:
                self._command(
                    call,
                    needs_servers=True,
                    type="offer",
                    offer=call.offer.session.description,
                    iceCandidates=call.offer.session.candidates,
                    media=call.media.value,
                    **_agreed(call),
                )
            case Action.PAGE_TAKE_ANSWER if session is not None:
                self._command(call, type="answer", answer=session.description, iceCandidates=session.candidates)
            case Action.PAGE_TAKE_CANDIDATES:
                self._command(call, type="ice", iceCandidates=candidates)
            case Action.PAGE_TAKE_RESTART if restart is not None:
                fields: dict[str, Any] = {"step": restart.step.value, "number": restart.number}
                if restart.step is not RestartStep.ASK:
                    fields["description"] = restart.description
                self._command(call, type="restart", **fields, iceCandidates=restart.candidates)
            case Action.SEND_RESTART if restart is not None:
                self._send(call, restart)
            case Action.PAGE_END:
                # a page that has an error to show stays, until its user closes it
                told = {*FAULTS.values(), CallFailure.CONNECTION_LOST, CallFailure.PEER_NO_ENCRYPTION}
                keep = call.failure in told and event is not CallEvent.HANG_UP
                self.effects.append(EndPage(call.id, keep))
            case Action.SEND_INVITATION if call.keys is not None or call.encrypted is False:
                key = call.keys.public if call.keys is not None else None
                self._send(call, CallInvitation(call.wire_id, call.media, key is not None, key, call.features))
            case Action.SEND_OFFER if session is not None:
                key = call.keys.public if call.frame_key is not None and call.keys is not None else None
                self._send(call, CallOffer(call.wire_id, call.media, key is not None, session, key, call.features))
            case Action.SEND_ANSWER if session is not None:
                self._send(call, CallAnswer(call.wire_id, session))
            case Action.SEND_CANDIDATES:
                self._send(call, CallExtra(call.wire_id, candidates))
            case Action.SEND_END:
                self._send(call, CallEnd(call.wire_id))
            case Action.HOLD_CANDIDATES:
                return replace(call, held=self._hold(call.held, candidates))
            case Action.HOLD_EXTRA:
                return replace(call, held_extra=self._hold(call.held_extra, candidates))
            case Action.RELEASE_CANDIDATES:
                for group in call.held:
                    self._send(call, CallExtra(call.wire_id, group))
                return replace(call, held=())
            case Action.RELEASE_EXTRA:
                for group in call.held_extra:
                    self._command(call, type="ice", iceCandidates=group)
                return replace(call, held_extra=())
        return call

    def _hold(self, held: tuple[str, ...], candidates: str) -> tuple[str, ...]:
        if len(held) >= MAX_HELD:
            self.ignored.append("too many candidates held back")
            return held
        return (*held, candidates)

    def _send(self, call: Call, message: CallMessage) -> None:
        self.effects.append(SendMessage(call.id, call.contact_id, message))

    def _command(self, call: Call, *, needs_servers: bool = False, **fields: Any) -> None:
        self.effects.append(PageCommand(call.id, MappingProxyType(fields), needs_servers))

    # the other side's messages

    def invitation(
        self, contact_id: int, message: CallInvitation, sent_at: float, random: Random, *, waited: float
    ) -> None:
        """Take an invitation that waited on its server for so many seconds."""
        if any(
            message.call_id in {call.wire_id, call.yielded and call.yielded.wire_id}
            for call in self.calls.values()
            if call.contact_id == contact_id
        ):
            self.ignored.append("x.call.inv: this call is known")
            return
        past = [p for p in self._past if (p.contact_id, p.wire_id) == (contact_id, message.call_id)]
        if any(p.was_known for p in past):
            self.ignored.append("x.call.inv: this call is over")
            return
        call = Call(
            id=random(WIRE_ID_SIZE).hex(),
            contact_id=contact_id,
            wire_id=message.call_id,
            outgoing=False,
            media=message.media,
            state=CallState.NEW,
            started_at=self._now,
            clock_at=self._now,
            sent_at=sent_at,
            encrypted=False,
            peer_features=message.features,
        )
        if past or waited > INVITATION_SECONDS:
            self.apply(call, CallEvent.INVITATION_TOO_OLD)
            return
        ours = next((c for c in self.calls.values() if c.contact_id == contact_id and not c.is_ringing), None)
        is_encrypted = message.encryption and message.dh_key is not None
        if ours is not None and self._settle_crossing(ours, message, sent_at, is_encrypted=is_encrypted, random=random):
            return
        keys, frame_key = None, None
        if is_encrypted:
            keys = CallKeyPair.generate(random)
            frame_key = self._agree(keys, message.dh_key)
            if frame_key is None:
                self.apply(call, CallEvent.FAILURE, failure=CallFailure.BAD_KEY)
                return
        call = replace(call, keys=keys, frame_key=frame_key, encrypted=is_encrypted)
        for other in list(self.calls.values()):
            if other.contact_id == contact_id and transition(other.state, CallEvent.INVITATION_REPLACED) is not None:
                self.apply(other, CallEvent.INVITATION_REPLACED)
        if sum(other.is_ringing for other in self.calls.values()) >= MAX_RINGING:
            self.apply(call, CallEvent.INVITATION_TOO_MANY)
        elif any(other.is_active for other in self.calls.values()):
            self.apply(call, CallEvent.INVITATION_WHILE_ENGAGED)
        else:
            self.apply(call, CallEvent.INVITATION)

    def _settle_crossing(
        self, ours: Call, message: CallInvitation, sent_at: float, *, is_encrypted: bool, random: Random
    ) -> bool:
        """Both called each other; ``False`` if this is a call of its own after all."""
        if ours.offer_at is not None and sent_at <= ours.offer_at:
            # sent before they accepted ours, and overtaken on the way
            self.ignored.append("x.call.inv: they have accepted ours since")
            return True
        if transition(ours.state, CallEvent.INVITATION_WINS) is None:
            return False
        if ours.state is CallState.CONSENTING_TO_CALL and not is_encrypted:
            # ours would be none either: our user, who is being asked just now, may take theirs as well
            return False
        is_unsent = ours.state is not CallState.CALLING
        # an invitation without encryption gives way to one with it, on both sides
        is_ours_encrypted = ours.encrypted is not False
        is_alike = is_encrypted == is_ours_encrypted
        if (is_ours_encrypted and not is_encrypted) or (is_alike and not is_unsent and ours.wire_id < message.call_id):
            self.ignored.append("x.call.inv: ours goes on")
            return True
        keys, frame_key = None, None
        if is_encrypted:
            keys = CallKeyPair.generate(random)
            frame_key = self._agree(keys, message.dh_key)
            if frame_key is None:
                self.apply(ours, CallEvent.FAILURE, failure=CallFailure.BAD_KEY)
                return True
        yielded = None if is_unsent else Yielded(ours.wire_id, ours.keys)
        return self.apply(
            ours,
            CallEvent.INVITATION_WINS,
            wire_id=message.call_id,
            keys=keys,
            frame_key=frame_key,
            encrypted=is_encrypted,
            sent_at=sent_at,
            yielded=yielded,
            peer_features=message.features,
        )

    def _agree(self, keys: CallKeyPair | None, peer: X25519PublicKey | None) -> FrameKey | None:
        if keys is None or peer is None:
            return None
        try:
            return keys.frame_key(peer)
        except CallKeyError as error:
            self.ignored.append(str(error))
            return None

    def offer(self, contact_id: int, message: CallOffer, sent_at: float) -> None:
        """Take the offer to an invitation of ours."""
        event = CallEvent.OFFER_TO_YIELDED
        call = next(
            (
                call
                for call in self.calls.values()
                if call.contact_id == contact_id and call.yielded and call.yielded.wire_id == message.call_id
            ),
            None,
        )
        changes: dict[str, Any] = {}
        if call is not None and call.yielded is not None:
            keys = call.yielded.keys
            changes = {"wire_id": message.call_id, "keys": keys, "yielded": None, "held": (), "held_extra": ()}
        else:
            event = CallEvent.OFFER
            call = self.find(contact_id, message.call_id, "x.call.offer")
            if call is None:
                return
            keys = call.keys
        if transition(call.state, event) is None:
            self.ignored.append(f"{event.value} while {call.state.value}")
            return
        frame_key = None
        # an invitation without a key was sent after our user's yes: nothing that they say makes it encrypted
        if keys is not None:
            if not message.encryption or message.dh_key is None:
                # our invitation promised encryption: never go on in the clear without asking
                if event is CallEvent.OFFER_TO_YIELDED:
                    self.apply(replace(call, **changes), CallEvent.FAILURE, failure=CallFailure.PEER_NO_ENCRYPTION)
                    return
                event = CallEvent.UNENCRYPTED_OFFER
            elif (frame_key := self._agree(keys, message.dh_key)) is None:
                self.apply(replace(call, **changes), CallEvent.FAILURE, failure=CallFailure.BAD_KEY)
                return
        if not _is_session_bounded(message.session):
            self.apply(replace(call, **changes), CallEvent.FAILURE, failure=CallFailure.BAD_DESCRIPTION)
            return
        changes |= {"frame_key": frame_key, "encrypted": frame_key is not None, "offer": message, "offer_at": sent_at}
        # what goes beyond the official page stands on the frames' key
        changes |= {"peer_features": message.features if frame_key is not None else ()}
        self.apply(call, event, **changes)

    def answer(self, contact_id: int, message: CallAnswer) -> None:
        """Take the answer to our offer."""
        call = self.find(contact_id, message.call_id, "x.call.answer")
        if call is None:
            return
        if transition(call.state, CallEvent.ANSWER) is not None and not _is_session_bounded(message.session):
            self.apply(call, CallEvent.FAILURE, failure=CallFailure.BAD_DESCRIPTION)
            return
        self.apply(call, CallEvent.ANSWER, session=message.session, yielded=None)

    def candidates(self, contact_id: int, message: CallExtra) -> None:
        """Take more candidates; the call goes on without those that are too many."""
        call = self.find(contact_id, message.call_id, "x.call.extra")
        if call is None:
            return
        if not is_bounded(message.candidates):
            self.ignored.append("x.call.extra: too large")
            return
        self.apply(call, CallEvent.EXTRA, candidates=message.candidates)

    def restart(self, contact_id: int, message: CallRestart) -> None:
        """The other side's page looks for a new way to ours."""
        call = self.find(contact_id, message.call_id, "restart of ICE")
        if call is None:
            return
        if RESTART_FEATURE not in call.features:
            self.ignored.append("restart of ICE: our page knows nothing of it")
        elif not is_bounded(message.description) or not is_bounded(message.candidates):
            self.ignored.append("restart of ICE: too large")
        else:
            self.apply(call, CallEvent.PEER_RESTART, restart=message)

    def peer_end(self, contact_id: int, wire_id: bytes) -> None:
        """Take the end of a call."""
        for call in self.calls.values():
            known = {call.wire_id, call.yielded.wire_id} if call.yielded else {call.wire_id}
            if call.contact_id == contact_id and wire_id in known:
                self.apply(call, CallEvent.PEER_END)
                return
        self.ignored.append("x.call.end: no such call")
        if not any((p.contact_id, p.wire_id) == (contact_id, wire_id) for p in self._past):
            self._past.append(Past(contact_id, wire_id, was_known=False))

    def consent(self, call: Call) -> bool:
        """Our user wants the call without frame encryption; ``False`` if nobody asked."""
        return self.apply(call, CallEvent.CONSENT, keys=None, frame_key=None, features=(), encrypted=False)

    # the page's responses

    def page(self, call: Call, response: Response) -> None:
        """Take what the call's page says."""
        if isinstance(response, Capabilities) and response.media is not None and call.state is CallState.PREPARING:
            # nobody has been told of the call yet
            call = replace(call, media=response.media)
        match response:
            case Capabilities(encryption=False) if call.state is CallState.PREPARING:
                self.apply(call, CallEvent.PAGE_UNABLE_TO_ENCRYPT)
            case Capabilities(encryption=False) | PageOffer(encryption=False) if call.frame_key is not None:
                self.apply(call, CallEvent.FAILURE, failure=CallFailure.NO_ENCRYPTION)
            case Capabilities(features=features):
                self.apply(call, CallEvent.PAGE_CAPABILITIES, features=features)
            case PageOffer(description, candidates) | PageAnswer(description, candidates) if (
                call.relay_only and not hides_address(description, candidates)
            ):
                self.apply(call, CallEvent.FAILURE, failure=CallFailure.ADDRESS_SHOWN)
            case PageCandidates(candidates) if call.relay_only and not hides_address("", candidates):
                self.ignored.append("page: candidates that would show our address")
            case PageOffer(description, candidates, features=features):
                session = RtcSession(description, candidates)
                self.apply(call, CallEvent.PAGE_OFFER, session=session, features=features)
            case PageAnswer(description, candidates):
                self.apply(call, CallEvent.PAGE_ANSWER, session=RtcSession(description, candidates))
            case PageCandidates(candidates):
                self.apply(call, CallEvent.PAGE_CANDIDATES, candidates=candidates)
            case PageRestart(step, number, description, candidates) if RESTART_FEATURE in call.peer_features:
                restart = CallRestart(call.wire_id, step, number, description, candidates)
                self.apply(call, CallEvent.PAGE_RESTART, restart=restart)
            case PageConnection("disconnected" | "failed") if call.connected_at is not None:
                # the page looks for another way, and says when it has given up
                if call.state is CallState.CONNECTED:
                    self.apply(call, CallEvent.PAGE_AWAY)
            case PageConnected() | PageConnection("connected"):
                if call.state is not CallState.CONNECTED:
                    self.apply(call, CallEvent.PAGE_CONNECTED)
            case PageConnection("failed") | PageEnded():
                failure = CallFailure.NO_CONNECTION if call.connected_at is None else CallFailure.CONNECTION_LOST
                self.apply(call, CallEvent.PAGE_LOST_CONNECTION, failure=failure)
            case PageConsent():
                self.consent(call)
            case PageHangUp():
                self.apply(call, CallEvent.HANG_UP)
            case PageFault(command=command, code=code):
                self._fault(call, command, code)
            case _:
                pass

    def _fault(self, call: Call, command: str | None, code: str | None) -> None:
        failure = FAULTS.get(code or "")
        if failure is None and command in _FATAL_COMMANDS:
            # the official page has no codes; before a call it fails for want of a permission only
            failure = CallFailure.PERMISSION_DENIED if command == "capabilities" else CallFailure.PAGE
        if failure is None or code in HARMLESS_CODES or (command is not None and command not in _FATAL_COMMANDS):
            self.ignored.append("page: error that does not end the call")
            return
        if failure in {CallFailure.NO_CONNECTION, CallFailure.CONNECTION_LOST} and call.connected_at is not None:
            self.apply(call, CallEvent.PAGE_LOST_CONNECTION)
            return
        self.apply(call, CallEvent.FAILURE, failure=failure)


def _is_session_bounded(session: RtcSession) -> bool:
    return is_bounded(session.description) and is_bounded(session.candidates)


def preparation(call: Call) -> dict[str, Any]:
    """What a page can get ready of a call that rings: the command ``prepare``, without the servers."""
    return {"type": "prepare", "media": call.media.value, **_agreed(call)}


def _agreed(call: Call) -> dict[str, Any]:
    """What the page is told of the agreement with the other side's."""
    key = {"aesKey": call.frame_key.text} if call.frame_key is not None else {}
    # an official app says no features: its calls look to the page as they always did
    if not call.peer_features:
        return key
    if call.frame_key is not None:
        transcript = call.frame_key.transcript(call.wire_id)
        key["transcript"] = base64.urlsafe_b64encode(transcript).decode("ascii")
    return key | {"features": list(call.peer_features)}
