"""The two texts of a call without SimpleX: an offer and its answer, as JSON that any channel can carry. Pure.

SimpleX RFC "2022-04-20 video calls", "Initial Prototype": the messages that set a call up are passed as JSON through
another channel. The members are named as in the chat protocol's call messages; ``id`` says which answer belongs to
which offer. Both sides' X25519 keys travel, not the frame key: who only reads the channel cannot decrypt a frame.

What mail and messengers do to a text is undone: line breaks, spaces and quote marks in it,
words around it, typographic quotes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from simplex_calls.calls.page import MAX_PASTED_LENGTH, MAX_TEXT_LENGTH
from simplex_calls.chat.messages import CallMedia, RtcSession, feature_names
from simplex_calls.crypto import CryptoError, X25519PublicKey
from simplex_calls.smp.encoding import base64url, from_base64url
from simplex_calls.smp.errors import DecodeError

ID_SIZE = 16
VERSION = 1
PART_LENGTH = 600
"""Most characters of a text in one QR code: cameras of ordinary computers read it from a screen."""
MAX_PARTS = 60

_MANGLED = str.maketrans({"“": '"', "”": '"', "„": '"', "«": '"', "»": '"', "″": '"'})
_BLANK = re.compile(r"[\s>\u00ad\u200b-\u200f\u2028-\u202e\u2060\ufeff]+")
_BASE64 = re.compile(r"[A-Za-z0-9+/]+=*")
_PART = re.compile(r"simplex-call:([0-9]{1,2})/([0-9]{1,2}):([A-Za-z0-9_-]{22}):(.+)")


class PastedTextError(ValueError):
    """A text is not what is waited for. ``reason`` says what is wrong, as the end of an id; never what it holds."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"a pasted text is {reason}")
        self.reason = reason


@dataclass(frozen=True, slots=True)
class PastedOffer:
    """The first text: whoever answers it is in the call."""

    TYPE: ClassVar[str] = "offer"

    id: bytes = field(repr=False)
    media: CallMedia
    session: RtcSession = field(repr=False)
    key: X25519PublicKey = field(repr=False)
    features: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PastedAnswer:
    """The second text, back to whoever made the offer with this ``id``."""

    TYPE: ClassVar[str] = "answer"

    id: bytes = field(repr=False)
    session: RtcSession = field(repr=False)
    key: X25519PublicKey = field(repr=False)
    features: tuple[str, ...] = ()


def write(message: PastedOffer | PastedAnswer) -> str:
    """The text of an offer or an answer: one line of ASCII."""
    value: dict[str, Any] = {"simplexCall": VERSION, "type": message.TYPE, "id": base64url(message.id)}
    if isinstance(message, PastedOffer):
        value["media"] = message.media.value
    value |= {
        "rtcSession": message.session.description,
        "rtcIceCandidates": message.session.candidates,
        "callDhPubKey": base64url(message.key.der),
        "features": list(message.features),
    }
    return json.dumps(value, separators=(",", ":"))


def read(text: str) -> PastedOffer | PastedAnswer:
    """Read a text, as the other side's channel left it.

    Raises :class:`PastedTextError` with ``reason`` ``none`` (no such text in it), ``damaged``, ``too-large`` or
    ``newer`` (of a version that we do not know).
    """
    if len(text) > MAX_PASTED_LENGTH:
        raise PastedTextError("too-large")
    text = _BLANK.sub("", text).translate(_MANGLED)
    start, end = text.find('{"simplexCall"'), text.rfind("}")
    if start < 0:
        raise PastedTextError("none")
    try:
        value = json.loads(text[start : end + 1])
    except (ValueError, RecursionError):
        raise PastedTextError("damaged") from None
    if not isinstance(value, Mapping):
        raise PastedTextError("damaged")
    if value.get("simplexCall") != VERSION:
        raise PastedTextError("newer")
    try:
        return _message(value)
    except (KeyError, TypeError, ValueError, CryptoError, DecodeError):
        raise PastedTextError("damaged") from None


def _message(value: Mapping[str, Any]) -> PastedOffer | PastedAnswer:
    id_ = from_base64url(value["id"])
    if len(id_) != ID_SIZE:
        raise ValueError("no id")
    session = RtcSession(_packed(value["rtcSession"]), _packed(value["rtcIceCandidates"]))
    key = X25519PublicKey.from_der(from_base64url(value["callDhPubKey"]))
    features = feature_names(value.get("features"))
    match value["type"]:
        case "offer":
            return PastedOffer(id_, CallMedia(value["media"]), session, key, features)
        case "answer":
            return PastedAnswer(id_, session, key, features)
        case _:
            raise ValueError("unknown type")


def _packed(value: object) -> str:
    if not isinstance(value, str) or len(value) > MAX_TEXT_LENGTH or _BASE64.fullmatch(value) is None:
        raise ValueError("not base64")
    return value


def split(text: str, id_: bytes) -> list[str]:
    """A text for QR codes: in parts where it is long. ``id_`` is the message's."""
    if len(text) <= PART_LENGTH:
        return [text]
    pieces = [text[start : start + PART_LENGTH] for start in range(0, len(text), PART_LENGTH)]
    name = base64url(id_).rstrip("=")
    return [f"simplex-call:{number}/{len(pieces)}:{name}:{piece}" for number, piece in enumerate(pieces, 1)]


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of one text that were read so far; a part of another text starts anew."""

    name: str = field(default="", repr=False)
    count: int = 0
    pieces: Mapping[int, str] = field(default_factory=dict, repr=False)

    def add(self, text: str) -> Parts:
        """With one more part, or as it was if ``text`` is none."""
        found = _PART.fullmatch(text.strip())
        if found is None or len(text) > 2 * PART_LENGTH:
            return self
        number, count, name, piece = int(found[1]), int(found[2]), found[3], found[4]
        if not 1 <= number <= count <= MAX_PARTS:
            return self
        known = self.pieces if (name, count) == (self.name, self.count) else {}
        return Parts(name, count, {**known, number: piece})

    @property
    def text(self) -> str | None:
        """The whole text, once all parts are there."""
        if self.count == 0 or len(self.pieces) < self.count:
            return None
        return "".join(self.pieces[number] for number in range(1, self.count + 1))


def is_part(text: str) -> bool:
    """Whether this is a part of a text (:func:`split`)."""
    return _PART.fullmatch(text.strip()) is not None
