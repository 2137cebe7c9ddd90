"""A call without SimpleX, from one side: its states, and what its page is asked to do. Pure.

Whoever starts gets an offer's text to pass on (:mod:`simplex_calls.calls.pasted_text`), whoever pastes it gets the
answer's text to pass back; both pages then connect. The page is the same as in any call, and speaks the same protocol
(:mod:`simplex_calls.calls.page`), with one more command, ``paste``, and two more responses.
"""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType
from typing import Any

from simplex_calls.calls.call import CallFailure
from simplex_calls.calls.ice import IceConfig
from simplex_calls.calls.keys import CallKeyError, CallKeyPair, FrameKey
from simplex_calls.calls.page import (
    PageAnswer,
    PageConnected,
    PageConnection,
    PageEnded,
    PageFault,
    PageHangUp,
    PageOffer,
    PasteStart,
    PasteText,
    Response,
)
from simplex_calls.calls.pasted_text import (
    ID_SIZE,
    Parts,
    PastedAnswer,
    PastedOffer,
    PastedTextError,
    is_part,
    read,
    split,
    write,
)
from simplex_calls.calls.turn import FAULTS, HARMLESS_CODES
from simplex_calls.chat.messages import CallMedia, RtcSession
from simplex_calls.crypto import Random, X25519PublicKey

_BINDING_LABEL = b"simplex-calls pasted call"


class PastedState(Enum):
    """Where a pasted call is."""

    CHOOSING = "choosing"
    """The user starts a call, or pastes the text of one."""
    OFFERING = "offering"
    """The page makes its offer."""
    OFFERED = "offered"
    """The offer's text is there to be passed on; the answer's is waited for."""
    ANSWERING = "answering"
    """The page answers the pasted offer."""
    ANSWERED = "answered"
    """The answer's text is there to be passed back."""
    CONNECTING = "connecting"
    CONNECTED = "connected"
    ENDED = "ended"


class PastedEvent(Enum):
    """What can happen to a pasted call."""

    START = "start"
    OFFER_PASTED = "offer pasted"
    ANSWER_PASTED = "answer pasted"
    PAGE_OFFER = "page: offer"
    PAGE_ANSWER = "page: answer"
    PAGE_CONNECTED = "page: connected"
    END = "end"


TABLE: Mapping[tuple[PastedState, PastedEvent], PastedState] = MappingProxyType(
    {
        (PastedState.CHOOSING, PastedEvent.START): PastedState.OFFERING,
        (PastedState.CHOOSING, PastedEvent.OFFER_PASTED): PastedState.ANSWERING,
        (PastedState.OFFERING, PastedEvent.PAGE_OFFER): PastedState.OFFERED,
        (PastedState.OFFERED, PastedEvent.ANSWER_PASTED): PastedState.CONNECTING,
        (PastedState.ANSWERING, PastedEvent.PAGE_ANSWER): PastedState.ANSWERED,
        (PastedState.ANSWERED, PastedEvent.PAGE_CONNECTED): PastedState.CONNECTED,
        (PastedState.CONNECTING, PastedEvent.PAGE_CONNECTED): PastedState.CONNECTED,
        **{(state, PastedEvent.END): PastedState.ENDED for state in PastedState if state is not PastedState.ENDED},
    }
)
"""Every transition; what is not here does not happen."""


@dataclass(frozen=True, slots=True)
class PastedView:
    """What the page shows: the step, the text to pass on, and what was wrong with a pasted one."""

    state: PastedState
    text: str = field(default="", repr=False)
    codes: tuple[str, ...] = field(default=(), repr=False)
    """The text for QR codes, in one or more parts."""
    problem: str | None = None
    """The end of a catalogue id."""
    parts: tuple[int, int] | None = None
    """How many parts of a text were read, of how many."""


class PastedCall:
    """One side of a pasted call. Methods return the page's commands; :attr:`view` is what it shows then."""

    def __init__(self, ice: IceConfig, random: Random = os.urandom) -> None:
        self._ice = ice
        self._keys = CallKeyPair.generate(random)
        self._id = random(ID_SIZE)
        self._media = CallMedia.AUDIO
        self._own: PastedOffer | PastedAnswer | None = None
        self._offer: PastedOffer | None = None
        self._parts = Parts()
        self.state = PastedState.CHOOSING
        self.failure: CallFailure | None = None
        self.view = PastedView(self.state)

    @property
    def media(self) -> CallMedia:
        """What the call starts with."""
        return self._media

    def page_said(self, response: Response) -> list[dict[str, Any]]:
        """The page's response; what it says out of turn changes nothing."""
        match response:
            case PasteStart(media) if self._move(PastedEvent.START):
                self._media = media
                # the frame key comes with the answer: its other half is not there yet
                return [{"type": "start", "media": media.value, "keyLater": True, **self._way()}]
            case PasteText(text):
                return self._pasted(text)
            case PageOffer() if self.state is PastedState.OFFERING:
                return self._tell(response, PastedEvent.PAGE_OFFER)
            case PageAnswer() if self.state is PastedState.ANSWERING:
                return self._tell(response, PastedEvent.PAGE_ANSWER)
            case PageConnected():
                self._move(PastedEvent.PAGE_CONNECTED)
            case PageConnection("failed"):
                is_lost = self.state is PastedState.CONNECTED
                self._fail(CallFailure.CONNECTION_LOST if is_lost else CallFailure.NO_CONNECTION)
            case PageFault(_, command, code) if code not in HARMLESS_CODES and (
                code in FAULTS or command in {"start", "offer", "answer"}
            ):
                self._fail(FAULTS.get(code or "", CallFailure.PAGE))
            case PageHangUp() | PageEnded():
                self._move(PastedEvent.END)
            case _:
                pass
        return []

    def end(self, failure: CallFailure | None = None) -> None:
        """The page is gone, or the program ends."""
        self.failure = self.failure or failure
        self._move(PastedEvent.END)

    def _fail(self, failure: CallFailure) -> None:
        if self._move(PastedEvent.END):
            self.failure = failure

    def _way(self) -> dict[str, Any]:
        # nothing can follow the text: all candidates go with it, and its way takes as long as it takes
        return {"complete": True, **self._ice.to_page()}

    def _move(self, event: PastedEvent) -> bool:
        state = TABLE.get((self.state, event))
        if state is None:
            return False
        self.state = state
        self.view = PastedView(state)
        return True

    # our text

    def _tell(self, said: PageOffer | PageAnswer, event: PastedEvent) -> list[dict[str, Any]]:
        session = RtcSession(said.description, said.candidates)
        if isinstance(said, PageOffer):
            if not said.encryption:
                self._fail(CallFailure.NO_ENCRYPTION)
                return []
            self._own = PastedOffer(self._id, self._media, session, self._keys.public, said.features)
        else:
            self._own = PastedAnswer(self._id, session, self._keys.public, said.features)
        self._move(event)
        text = write(self._own)
        self.view = PastedView(self.state, text, tuple(split(text, self._id)))
        return []

    # their text

    def _pasted(self, text: str) -> list[dict[str, Any]]:
        if self.state not in {PastedState.CHOOSING, PastedState.OFFERED}:
            return []
        if is_part(text):
            self._parts = self._parts.add(text)
            if self._parts.text is None:
                return self._say(parts=(len(self._parts.pieces), self._parts.count))
            text = self._parts.text
        self._parts = Parts()
        try:
            message = read(text)
        except PastedTextError as error:
            return self._say(error.reason)
        is_answer = isinstance(message, PastedAnswer)
        if self._own is not None and (message == self._own or message.key == self._keys.public):
            return self._say("own")
        if self.state is PastedState.CHOOSING:
            return self._say("answer-first") if is_answer else self._take_offer(message)
        if not is_answer:
            return self._say("both-offers")
        return self._say("other-call") if message.id != self._id else self._take_answer(message)

    def _take_offer(self, offer: PastedOffer | PastedAnswer) -> list[dict[str, Any]]:
        assert isinstance(offer, PastedOffer)  # noqa: S101 - said by the caller
        key = self._frame_key(offer.key)
        if key is None:
            return self._say("damaged")
        self._offer, self._id, self._media = offer, offer.id, offer.media
        self._move(PastedEvent.OFFER_PASTED)
        return [
            {
                "type": "offer",
                "offer": offer.session.description,
                "iceCandidates": offer.session.candidates,
                "media": offer.media.value,
                "aesKey": key.text,
                "features": list(offer.features),
                "binding": _binding(offer.id, offer.key, self._keys.public),
                "transcript": _base64(key.transcript(offer.id)),
                **self._way(),
            }
        ]

    def _take_answer(self, answer: PastedOffer | PastedAnswer) -> list[dict[str, Any]]:
        key = self._frame_key(answer.key)
        if key is None:
            return self._say("damaged")
        self._move(PastedEvent.ANSWER_PASTED)
        return [
            {
                "type": "answer",
                "answer": answer.session.description,
                "iceCandidates": answer.session.candidates,
                "aesKey": key.text,
                "features": list(answer.features),
                "binding": _binding(answer.id, self._keys.public, answer.key),
                "transcript": _base64(key.transcript(answer.id)),
            }
        ]

    def _frame_key(self, peer: X25519PublicKey) -> FrameKey | None:
        try:
            return self._keys.frame_key(peer)
        except CallKeyError:
            return None

    def _say(self, problem: str | None = None, parts: tuple[int, int] | None = None) -> list[dict[str, Any]]:
        self.view = PastedView(self.state, self.view.text, self.view.codes, problem, parts)
        return []


def _binding(id_: bytes, offering: X25519PublicKey, answering: X25519PublicKey) -> str:
    """What the call code is bound to in the place of a ratchet: both sides' keys, as they came out of the texts."""
    digest = hashlib.sha256(_BINDING_LABEL + id_ + offering.der + answering.der).digest()
    return _base64(digest)


def _base64(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).decode("ascii")
