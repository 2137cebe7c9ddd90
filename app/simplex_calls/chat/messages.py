"""The chat protocol's JSON messages (``x.*``): bytes ⇄ typed values. Pure.

Specified in ``docs/protocol/simplex-chat.md`` and its JTD schema; the call messages in
``docs/rfcs/2022-04-20-video-calls.md``. Events and fields that we do not know are skipped: an unknown event becomes
:class:`Unknown` with its name. Session descriptions and candidates are opaque texts of the call pages.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any, NoReturn, TypeGuard, TypeVar

from simplex_calls.chat.pictures import preview_of
from simplex_calls.crypto import CryptoError, X25519PublicKey
from simplex_calls.smp.encoding import VersionRange, base64url, from_base64url
from simplex_calls.smp.errors import DecodeError

MAX_MESSAGE_LENGTH = 15_602
"""Most bytes of JSON in a message: official clients neither send nor expect more."""

MAX_INFO_LENGTH = 14_694
"""Most bytes of JSON in a connection info (``x.info`` while connecting)."""

MAX_ID_LENGTH = 255
MAX_QUOTE_LENGTH = 500
"""Most characters of a quoted text that are kept."""
_MAX_EVENT_LENGTH = 64


class MessageError(ValueError):
    """A body is not a message that we understand, or a message cannot be sent. Its text never holds content."""


class MessageTooLargeError(MessageError):
    """A message is longer than can be sent."""


SUPPORTED_VERSIONS = VersionRange(1, 9)
"""What we tell others: 8 is compressed messages, 9 is batches between contacts; above are groups and businesses."""


def common_version(theirs: VersionRange | None) -> int:
    """The highest chat version that we and a message's sender speak; 1, the first, if it does not say or none."""
    if theirs is None or theirs.minimum > SUPPORTED_VERSIONS.maximum:
        return SUPPORTED_VERSIONS.minimum
    return min(theirs.maximum, SUPPORTED_VERSIONS.maximum)


class CallMedia(Enum):
    """What a call starts with."""

    AUDIO = "audio"
    VIDEO = "video"


MAX_FEATURES = 16
_FEATURE = re.compile(r"[\x21-\x7e]{1,32}")


def feature_names(value: object) -> tuple[str, ...]:
    """The names of features in whatever came; what is none is passed over."""
    names = value if isinstance(value, list) else []
    return tuple([name for name in names if isinstance(name, str) and _FEATURE.fullmatch(name)][:MAX_FEATURES])


class ContentType(Enum):
    """Kinds of message content; all have a text, only ``TEXT`` and ``LINK`` are complete without a file."""

    TEXT = "text"
    LINK = "link"
    IMAGE = "image"
    VIDEO = "video"
    VOICE = "voice"
    FILE = "file"
    OTHER = "other"


MAX_IMAGE_LENGTH = 12_500
"""Most characters of a profile's picture: official apps make theirs no larger."""


def is_image(value: object) -> TypeGuard[str]:
    """Whether a value can be shown as a profile's picture; others are passed over, the profile is not."""
    return preview_of(value) is not None


@dataclass(frozen=True, slots=True)
class Profile:
    """What people tell their contacts about themselves. ``preferences`` are kept as received."""

    display_name: str = field(repr=False)
    full_name: str = field(default="", repr=False)
    preferences: Mapping[str, Any] | None = field(default=None, repr=False, hash=False)
    image: str | None = field(default=None, repr=False)
    """A small picture as a ``data:`` URL."""

    @property
    def calls_allowed(self) -> bool:
        """Whether calls are welcome: so unless the preferences say no."""
        calls = (self.preferences or {}).get("calls")
        return not (isinstance(calls, Mapping) and calls.get("allow") == "no")


@dataclass(frozen=True, slots=True)
class Content:
    """What a message says; ``kind`` other than text comes with a file or picture that we do not take."""

    text: str = field(repr=False)
    kind: ContentType = ContentType.TEXT
    quote: str = field(default="", repr=False)
    """The beginning of the text that this one answers."""
    preview: str | None = field(default=None, repr=False)
    """A small picture of the picture or video, as a ``data:`` URL."""


@dataclass(frozen=True, slots=True)
class RtcSession:
    """A page's session description and first candidates: LZ-compressed base64 of JSON, passed on unread."""

    description: str = field(repr=False)
    candidates: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Info:
    """``x.info``: the sender's profile, while connecting and whenever it changes."""

    profile: Profile


@dataclass(frozen=True, slots=True)
class ContactRequest:
    """``x.contact``: somebody asks to connect through an address; ``request_id`` is the same if they ask again."""

    profile: Profile
    request_id: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class NewMessage:
    """``x.msg.new``: a new text."""

    content: Content


@dataclass(frozen=True, slots=True)
class UpdateMessage:
    """``x.msg.update``: new content for the sender's earlier message."""

    target: bytes = field(repr=False)
    content: Content


@dataclass(frozen=True, slots=True)
class DeleteMessage:
    """``x.msg.del``: the sender wants an earlier message of theirs gone."""

    target: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class ContactDeleted:
    """``x.direct.del``: the sender deleted this contact."""


@dataclass(frozen=True, slots=True)
class CallInvitation:
    """``x.call.inv``: the caller rings. ``dh_key`` is absent when ``encryption`` (of frames) is not offered."""

    call_id: bytes = field(repr=False)
    media: CallMedia
    encryption: bool
    dh_key: X25519PublicKey | None = field(default=None, repr=False)
    features: tuple[str, ...] = ()
    """What the sender's call page can do beyond the official one, by name; official apps know no such field."""


@dataclass(frozen=True, slots=True)
class CallOffer:
    """``x.call.offer``: the called person accepted; their page's session description."""

    call_id: bytes = field(repr=False)
    media: CallMedia
    encryption: bool
    session: RtcSession
    dh_key: X25519PublicKey | None = field(default=None, repr=False)
    features: tuple[str, ...] = ()
    """As in the invitation."""


@dataclass(frozen=True, slots=True)
class CallAnswer:
    """``x.call.answer``: the caller's page's session description."""

    call_id: bytes = field(repr=False)
    session: RtcSession


@dataclass(frozen=True, slots=True)
class CallExtra:
    """``x.call.extra``: more candidates (LZ-compressed base64 of a JSON array)."""

    call_id: bytes = field(repr=False)
    candidates: str = field(repr=False)


class RestartStep(Enum):
    """What a message of an ICE restart is."""

    ASK = "ask"
    """Please make an offer: the answering side's way is gone."""
    OFFER = "offer"
    ANSWER = "answer"


@dataclass(frozen=True, slots=True)
class CallRestart:
    """``x.call.extra`` with ``restart``: a connected call looks for a new way. Only where both have that feature.

    An official app would take it for candidates. ``number`` counts the offers; ``description`` is empty in what asks.
    """

    call_id: bytes = field(repr=False)
    step: RestartStep
    number: int
    description: str = field(repr=False)
    candidates: str = field(repr=False)


MAX_RESTART_NUMBER = 1_000_000


@dataclass(frozen=True, slots=True)
class CallEnd:
    """``x.call.end``: hung up, declined or failed."""

    call_id: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Unknown:
    """An event that we do not take part in, by name."""

    event: str


CallMessage = CallInvitation | CallOffer | CallAnswer | CallExtra | CallRestart | CallEnd
Event = Info | ContactRequest | NewMessage | UpdateMessage | DeleteMessage | ContactDeleted | CallMessage | Unknown


@dataclass(frozen=True, slots=True)
class ChatMessage:
    """One message: ``versions`` and ``message_id`` as sent, if at all."""

    event: Event
    message_id: bytes | None = field(default=None, repr=False)
    versions: VersionRange | None = None


def notifies(event: Event) -> bool:
    """Whether the recipient's device may be woken for this event (the agent message's notification flag)."""
    return isinstance(event, NewMessage | CallInvitation)


# Encoding


def encode_message(message: ChatMessage, limit: int = MAX_MESSAGE_LENGTH) -> bytes:
    """Encode as JSON without white space; raises :class:`MessageTooLargeError` above ``limit`` bytes."""
    name, params = _encode_event(message.event)
    value: dict[str, Any] = {}
    if message.versions is not None:
        value["v"] = str(message.versions)
    if message.message_id is not None:
        value["msgId"] = base64url(message.message_id)
    value |= {"event": name, "params": params}
    try:
        body = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:
        raise MessageError("the text has characters that cannot be sent") from None
    if len(body) > limit:
        raise MessageTooLargeError(f"{name} has {len(body)} bytes, at most {limit} can be sent")
    return body


def _encode_event(event: Event) -> tuple[str, dict[str, Any]]:
    match event:
        case Info(profile):
            return "x.info", {"profile": encode_profile(profile)}
        case ContactRequest(profile, request_id):
            asked = {} if request_id is None else {"contactReqId": base64url(request_id)}
            return "x.contact", asked | {"profile": encode_profile(profile)}
        case NewMessage(content):
            return "x.msg.new", {"content": _encode_content(content)}
        case UpdateMessage(target, content):
            return "x.msg.update", {"msgId": base64url(target), "content": _encode_content(content)}
        case DeleteMessage(target):
            return "x.msg.del", {"msgId": base64url(target)}
        case ContactDeleted():
            return "x.direct.del", {}
        case CallInvitation():
            return "x.call.inv", {"callId": base64url(event.call_id), "invitation": _call_type(event)}
        case CallOffer():
            offer = _call_type(event) | {"rtcSession": _encode_session(event.session)}
            return "x.call.offer", {"callId": base64url(event.call_id), "offer": offer}
        case CallAnswer(call_id, session):
            return "x.call.answer", {"callId": base64url(call_id), "answer": {"rtcSession": _encode_session(session)}}
        case CallExtra(call_id, candidates):
            extra = {"rtcExtraInfo": {"rtcIceCandidates": candidates}}
            return "x.call.extra", {"callId": base64url(call_id), "extra": extra}
        case CallRestart(call_id, step, number, description, candidates):
            restart: dict[str, Any] = {"step": step.value, "number": number}
            if step is not RestartStep.ASK:
                restart["rtcSession"] = description
            info = {"rtcIceCandidates": candidates, "restart": restart}
            return "x.call.extra", {"callId": base64url(call_id), "extra": {"rtcExtraInfo": info}}
        case CallEnd(call_id):
            return "x.call.end", {"callId": base64url(call_id)}
        case Unknown(name):
            raise MessageError(f"{name} is not an event that we send")


def encode_profile(profile: Profile) -> dict[str, Any]:
    """A profile as JSON."""
    value: dict[str, Any] = {"displayName": profile.display_name, "fullName": profile.full_name}
    if profile.image is not None:
        value["image"] = profile.image
    if profile.preferences is not None:
        value["preferences"] = profile.preferences
    return value


def _encode_content(content: Content) -> dict[str, Any]:
    if content.kind is not ContentType.TEXT:
        raise MessageError(f"content of the kind {content.kind.value} cannot be sent")
    return {"type": "text", "text": content.text}


def _call_type(event: CallInvitation | CallOffer) -> dict[str, Any]:
    capabilities: dict[str, Any] = {"encryption": event.encryption}
    if event.features:
        capabilities["features"] = list(event.features)
    value: dict[str, Any] = {"callType": {"media": event.media.value, "capabilities": capabilities}}
    if event.dh_key is not None:
        value["callDhPubKey"] = base64url(event.dh_key.der)
    return value


def _encode_session(session: RtcSession) -> dict[str, str]:
    return {"rtcSession": session.description, "rtcIceCandidates": session.candidates}


# Decoding


def parse_json(body: bytes) -> Any:
    """Parse JSON; raises :class:`MessageError`, whatever the bytes are."""
    try:
        return json.loads(body.decode(), parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise MessageError("not valid JSON") from None


def _no_constant(_name: str) -> NoReturn:
    raise ValueError


def decode_message(body: bytes) -> ChatMessage:
    """Decode one message in plain JSON; raises :class:`MessageError` only."""
    return decode_value(parse_json(body))


def decode_value(value: object) -> ChatMessage:
    """Decode one message from its parsed JSON; raises :class:`MessageError` only."""
    if not isinstance(value, dict):
        raise MessageError("a message must be a JSON object")
    name = _get(value, "event", str)
    params = _get(value, "params", dict)
    if not (0 < len(name) <= _MAX_EVENT_LENGTH and name.isascii() and name.isprintable()):
        raise MessageError("the event has no usable name")
    decode = _DECODERS.get(name)
    try:
        return ChatMessage(
            event=decode(params) if decode else Unknown(name),
            message_id=_get_id(value, "msgId") if value.get("msgId") is not None else None,
            versions=_versions(_get(value, "v", str)) if value.get("v") is not None else None,
        )
    except MessageError as error:
        raise MessageError(f"{name}: {error}") from None


T = TypeVar("T")


def _get(value: Mapping[str, Any], key: str, expected: type[T]) -> T:
    found = value.get(key)
    if not isinstance(found, expected):
        raise MessageError(f"{key} is missing or of a wrong type")
    if isinstance(found, str):
        try:
            found.encode()
        except UnicodeEncodeError:
            raise MessageError(f"{key} is not valid Unicode") from None
    return found


def _get_id(value: Mapping[str, Any], key: str) -> bytes:
    decoded = _from_base64(_get(value, key, str), key)
    if not 0 < len(decoded) <= MAX_ID_LENGTH:
        raise MessageError(f"{key} is empty or too long")
    return decoded


def _from_base64(text: str, key: str) -> bytes:
    try:
        return from_base64url(text)
    except DecodeError:
        raise MessageError(f"{key} is not base64url") from None


def _versions(text: str) -> VersionRange:
    try:
        return VersionRange.parse(text)
    except DecodeError:
        raise MessageError("v is not a version range") from None


def decode_profile(params: Mapping[str, Any]) -> Profile:
    """The profile in parsed JSON that has one; raises :class:`MessageError`."""
    profile = _get(params, "profile", dict)
    preferences, image = profile.get("preferences"), profile.get("image")
    return Profile(
        display_name=_get(profile, "displayName", str),
        full_name=_get(profile, "fullName", str),
        image=image if is_image(image) else None,
        preferences=preferences if isinstance(preferences, dict) else None,
    )


def _contact_request(params: dict[str, Any]) -> ContactRequest:
    has_id = params.get("contactReqId") is not None
    return ContactRequest(decode_profile(params), _get_id(params, "contactReqId") if has_id else None)


def _new_message(params: dict[str, Any]) -> NewMessage:
    content = _content(params)
    if content.kind is ContentType.TEXT and isinstance(params.get("file"), dict):
        content = replace(content, kind=ContentType.FILE)
    quote = params.get("quote")
    if isinstance(quote, dict):
        # the answer itself can be read, whatever is wrong with this
        with suppress(MessageError):
            content = replace(content, quote=_content(quote).text[:MAX_QUOTE_LENGTH])
    return NewMessage(content)


def _content(params: dict[str, Any]) -> Content:
    content = _get(params, "content", dict)
    name = _get(content, "type", str)
    kind = ContentType(name) if name in _CONTENT_TYPES else ContentType.OTHER
    if kind is ContentType.OTHER and content.get("text") is None:
        return Content("", kind)
    has_preview = kind in (ContentType.IMAGE, ContentType.VIDEO)
    return Content(_get(content, "text", str), kind, preview=preview_of(content.get("image")) if has_preview else None)


_CONTENT_TYPES = {kind.value for kind in ContentType} - {ContentType.OTHER.value}


def _read_call_type(value: dict[str, Any]) -> tuple[CallMedia, bool, tuple[str, ...]]:
    """Media, encryption, features."""
    call_type = _get(value, "callType", dict)
    try:
        media = CallMedia(_get(call_type, "media", str))
    except ValueError:
        raise MessageError("media is neither audio nor video") from None
    capabilities = _get(call_type, "capabilities", dict)
    return media, _get(capabilities, "encryption", bool), feature_names(capabilities.get("features"))


def _dh_key(value: dict[str, Any]) -> X25519PublicKey | None:
    if value.get("callDhPubKey") is None:
        return None
    try:
        return X25519PublicKey.from_der(_from_base64(_get(value, "callDhPubKey", str), "callDhPubKey"))
    except CryptoError as error:
        raise MessageError(f"callDhPubKey is {error}") from None


def _session(value: dict[str, Any]) -> RtcSession:
    session = _get(value, "rtcSession", dict)
    return RtcSession(_get(session, "rtcSession", str), _get(session, "rtcIceCandidates", str))


def _call_invitation(params: dict[str, Any]) -> CallInvitation:
    invitation = _get(params, "invitation", dict)
    media, encryption, features = _read_call_type(invitation)
    return CallInvitation(_get_id(params, "callId"), media, encryption, _dh_key(invitation), features)


def _call_offer(params: dict[str, Any]) -> CallOffer:
    offer = _get(params, "offer", dict)
    media, encryption, features = _read_call_type(offer)
    return CallOffer(_get_id(params, "callId"), media, encryption, _session(offer), _dh_key(offer), features)


def _call_extra(params: dict[str, Any]) -> CallExtra | CallRestart:
    info = _get(_get(params, "extra", dict), "rtcExtraInfo", dict)
    call_id, candidates = _get_id(params, "callId"), _get(info, "rtcIceCandidates", str)
    if "restart" not in info:
        return CallExtra(call_id, candidates)
    restart = _get(info, "restart", dict)
    try:
        step = RestartStep(restart.get("step"))
    except ValueError:
        raise MessageError("step is none of a restart") from None
    number = _get(restart, "number", int)
    if not 0 <= number <= MAX_RESTART_NUMBER:
        raise MessageError("number is not that of a restart")
    description = "" if step is RestartStep.ASK else _get(restart, "rtcSession", str)
    return CallRestart(call_id, step, number, description, candidates)


_DECODERS: dict[str, Callable[[dict[str, Any]], Event]] = {
    "x.info": lambda params: Info(decode_profile(params)),
    "x.contact": _contact_request,
    "x.msg.new": _new_message,
    "x.msg.update": lambda params: UpdateMessage(_get_id(params, "msgId"), _content(params)),
    "x.msg.del": lambda params: DeleteMessage(_get_id(params, "msgId")),
    "x.direct.del": lambda _params: ContactDeleted(),
    "x.call.inv": _call_invitation,
    "x.call.offer": _call_offer,
    "x.call.answer": lambda params: CallAnswer(_get_id(params, "callId"), _session(_get(params, "answer", dict))),
    "x.call.extra": _call_extra,
    "x.call.end": lambda params: CallEnd(_get_id(params, "callId")),
}
