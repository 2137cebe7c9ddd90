"""The page protocol: what a call page says, checked and typed; and the commands that it is given. Pure.

A page (ours, the official apps', or a script) gets ``{"corrId": n, "command": {"type": …}}`` and sends
``{"corrId": n, "resp": {"type": …}, "command": …}`` (``call.ts`` of the official page). Descriptions and candidates are
LZ-compressed base64 texts that are passed on unread. What only our page knows: the command ``call``, the responses
``stats``, ``consent``, ``accept`` and ``reject``, ``restart`` both ways (ICE begins anew), ``code`` in ``error``,
``features`` in capabilities; in ``start`` and ``offer`` the other side's ``features`` with ``binding`` (what ties the
call to the contact's keys) and ``transcript`` (what was agreed on in its messages, see ``keys.py``); and what a call
without SimpleX needs: the command
``paste``, ``keyLater`` and ``complete`` in ``start`` and ``offer``, ``aesKey`` in ``answer``, the responses
``pasteStart`` and ``paste``. What the response ``settings`` says comes to the next page by the command of that name.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Protocol

from simplex_calls.chat.messages import MAX_RESTART_NUMBER, CallMedia, RestartStep, feature_names

MAX_TEXT_LENGTH = 15_000
"""Most characters of a description or of candidates: what fits into a chat message."""

MAX_PASTED_LENGTH = 4 * MAX_TEXT_LENGTH
"""Most characters of a pasted text; what we write is far below."""

MAX_ERROR_LENGTH = 300
_MAX_NUMBER = 2**53
_SIGNALLING = ("capabilities", "offer", "answer", "ice", "restart")


class Page(Protocol):
    """One open call page, whatever carries it."""

    async def send(self, message: dict[str, Any]) -> None:
        """Give the page a command; an error means that the page is gone."""

    def responses(self) -> AsyncIterator[dict[str, Any]]:
        """What the page says, until it is closed, reloaded or gone."""

    async def close(self) -> None:
        """Close the page; doing it twice is fine."""


class PageError(ValueError):
    """A page said something that is not the page protocol. The text never holds what it said.

    ``is_signalling``: it was meant for the other side, or cannot even be told from that.
    """

    def __init__(self, message: str, *, is_signalling: bool = False) -> None:
        super().__init__(message)
        self.is_signalling = is_signalling


class MediaSource(Enum):
    """What can be on or off in a call."""

    MICROPHONE = "mic"
    CAMERA = "camera"
    SCREEN_AUDIO = "screenAudio"
    SCREEN_VIDEO = "screenVideo"


class MediaPath(Enum):
    """How media travel."""

    DIRECT = "direct"
    RELAY = "relay"
    """Through a TURN server, on at least one side."""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """The page has a microphone; whether it can encrypt frames."""

    encryption: bool
    features: tuple[str, ...] = ()
    """What the page can do beyond the official one, by name."""
    media: CallMedia | None = None
    """What the user chose to call with after all, in the preview."""


@dataclass(frozen=True, slots=True)
class PageOffer:
    """The called side's session description."""

    description: str = field(repr=False)
    candidates: str = field(repr=False)
    encryption: bool
    features: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PageAnswer:
    """The caller's session description."""

    description: str = field(repr=False)
    candidates: str = field(repr=False)
    features: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PageCandidates:
    """More candidates."""

    candidates: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class PageRestart:
    """The way to the other side is to be found anew."""

    step: RestartStep
    number: int
    description: str = field(repr=False)
    candidates: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class PageConnection:
    """The peer connection's state, in WebRTC's words."""

    state: str


@dataclass(frozen=True, slots=True)
class PageConnected:
    """Media flow; ``path`` if the page told."""

    path: MediaPath | None


@dataclass(frozen=True, slots=True)
class PeerMedia:
    """The other side's source went on or off, as far as the page can see."""

    source: MediaSource
    enabled: bool


@dataclass(frozen=True, slots=True)
class LocalMedia:
    """The user turned a source of this side on or off."""

    source: MediaSource
    enabled: bool


@dataclass(frozen=True, slots=True)
class PageConsent:
    """The user goes on without frame encryption, as the page was to ask."""


@dataclass(frozen=True, slots=True)
class PageHangUp:
    """The user pressed the page's button."""


@dataclass(frozen=True, slots=True)
class PageEnded:
    """The page lost the connection."""


@dataclass(frozen=True, slots=True)
class PageOk:
    """A command was done."""


@dataclass(frozen=True, slots=True)
class PageFault:
    """A command failed, or the page did. ``command`` is the type of the command, ``code`` one of our page's words."""

    message: str
    command: str | None
    code: str | None


@dataclass(frozen=True, slots=True)
class AcceptOther:
    """The user takes another call that was shown on the page."""

    call_id: str
    unencrypted: bool = False
    """Also if the other app does not encrypt it: the user was asked."""


@dataclass(frozen=True, slots=True)
class RejectOther:
    """The user declines another call that was shown on the page."""

    call_id: str


@dataclass(frozen=True, slots=True)
class PasteStart:
    """The user starts a call whose texts travel by another channel."""

    media: CallMedia


@dataclass(frozen=True, slots=True)
class PasteText:
    """A text of such a call, or a part of one, that the user has pasted."""

    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class PageStats:
    """What a page has counted so far in its call."""

    frames_sent: int = 0
    frames_encrypted: int = 0
    frames_decrypted: int = 0
    video_frames_decrypted: int = 0
    """Of ``frames_decrypted``."""
    frames_failed: int = 0
    """Received frames that did not decrypt, and were dropped."""
    frames_replayed: int = 0
    """Received frames that came before, and were dropped."""
    frames_decoded: int = 0
    audio_packets_received: int = 0
    audio_packets_sent: int = 0
    path: MediaPath | None = None
    width: int = 0
    height: int = 0
    first_frame_at: float | None = None
    """When the first remote frame was decoded (Unix seconds)."""


@dataclass(frozen=True, slots=True)
class PageSettings:
    """How the user wants sound and picture taken and sent, and which devices were chosen; kept for the next page."""

    settings: Mapping[str, bool | int | str]
    devices: Mapping[str, tuple[str, str] | None] = field(repr=False)
    """Microphone, camera and speaker: id and name, ``None`` for the system's choice."""

    def to_page(self) -> dict[str, Any]:
        """The command's fields."""
        devices = {
            kind: None if device is None else {"id": device[0], "label": device[1]}
            for kind, device in self.devices.items()
        }
        return {"settings": dict(self.settings), "devices": devices}


@dataclass(frozen=True, slots=True)
class UnknownResponse:
    """A type that we do not know, by name."""

    type: str


Response = (
    Capabilities
    | PageOffer
    | PageAnswer
    | PageCandidates
    | PageRestart
    | PageConnection
    | PageConnected
    | PeerMedia
    | LocalMedia
    | PageConsent
    | PageHangUp
    | PageEnded
    | PageOk
    | PageFault
    | AcceptOther
    | RejectOther
    | PasteStart
    | PasteText
    | PageStats
    | PageSettings
    | UnknownResponse
)


@dataclass(frozen=True, slots=True)
class PageMessage:
    """One message of a page; ``corr_id`` is the command's that it answers."""

    corr_id: int | None
    response: Response


def parse_message(message: object) -> PageMessage:
    """Check and type one message of a page; raises :class:`PageError`, whatever it is."""
    if not isinstance(message, Mapping):
        raise PageError("a page's message must be an object")
    corr_id = message.get("corrId")
    if corr_id is not None and (isinstance(corr_id, bool) or not isinstance(corr_id, int)):
        raise PageError("corrId is not a whole number")
    resp = message.get("resp")
    if not isinstance(resp, Mapping):
        raise PageError("a page's message has no resp")
    command = message.get("command")
    try:
        return PageMessage(corr_id, _response(resp, command if isinstance(command, Mapping) else {}))
    except PageError as error:
        raise PageError(f"{_name(resp)}: {error}", is_signalling=resp.get("type") in _SIGNALLING) from None


def _name(resp: Mapping[str, Any]) -> str:
    name = resp.get("type")
    # a page's own words stay out of errors and logs unless they are a plain name
    return name if isinstance(name, str) and re.fullmatch(r"[A-Za-z-]{1,32}", name) else "?"


def _response(resp: Mapping[str, Any], command: Mapping[str, Any]) -> Response:
    match resp.get("type"):
        case "capabilities":
            media = _media(resp) if "media" in resp else None
            return Capabilities(_encryption(resp), _features(resp), media)
        case "offer":
            return PageOffer(_text(resp, "offer"), _text(resp, "iceCandidates"), _encryption(resp), _features(resp))
        case "answer":
            return PageAnswer(_text(resp, "answer"), _text(resp, "iceCandidates"), _features(resp))
        case "ice":
            return PageCandidates(_text(resp, "iceCandidates"))
        case "restart":
            return _restart(resp)
        case "connection":
            return PageConnection(_short(_object(resp, "state"), "connectionState"))
        case "connected":
            return PageConnected(_path_of(resp))
        case "peerMedia":
            return PeerMedia(_source(resp), _flag(resp, "enabled"))
        case "consent":
            return PageConsent()
        case "end":
            return PageHangUp()
        case "ended":
            return PageEnded()
        case "ok":
            return _ok(command)
        case "error":
            return _fault(resp, command)
        case "accept":
            return AcceptOther(_short(resp, "callId"), unencrypted=resp.get("unencrypted") is True)
        case "reject":
            return RejectOther(_short(resp, "callId"))
        case "pasteStart":
            return PasteStart(_media(resp))
        case "paste":
            return PasteText(_pasted(resp))
        case "stats":
            return _stats(_object(resp, "stats"))
        case "settings":
            return read_settings(resp)
        case str():
            return UnknownResponse(_name(resp))
        case _:
            raise PageError("the response has no type")


def _text(value: Mapping[str, Any], key: str) -> str:
    text = value.get(key)
    if not isinstance(text, str) or not re.fullmatch(r"[A-Za-z0-9+/]+=*", text):
        raise PageError(f"{key} is not base64 text")
    if len(text) > MAX_TEXT_LENGTH:
        raise PageError(f"{key} has {len(text)} characters, at most {MAX_TEXT_LENGTH} can be sent")
    return text


def _restart(resp: Mapping[str, Any]) -> PageRestart:
    try:
        step = RestartStep(resp.get("step"))
    except ValueError:
        raise PageError("step is none of a restart") from None
    number = resp.get("number")
    if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number <= MAX_RESTART_NUMBER:
        raise PageError("number is not that of a restart")
    description = "" if step is RestartStep.ASK else _text(resp, "description")
    return PageRestart(step, number, description, _text(resp, "iceCandidates"))


def _short(value: Mapping[str, Any], key: str) -> str:
    text = value.get(key)
    if not isinstance(text, str) or not 0 < len(text) <= 64 or not text.isascii() or not text.isprintable():
        raise PageError(f"{key} is missing or not a short text")
    return text


def _object(value: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = value.get(key)
    if not isinstance(found, Mapping):
        raise PageError(f"{key} is missing or not an object")
    return found


def _flag(value: Mapping[str, Any], key: str) -> bool:
    flag = value.get(key)
    if not isinstance(flag, bool):
        raise PageError(f"{key} is missing or not true or false")
    return flag


def _encryption(resp: Mapping[str, Any]) -> bool:
    return _flag(_object(resp, "capabilities"), "encryption")


def _features(resp: Mapping[str, Any]) -> tuple[str, ...]:
    capabilities = resp.get("capabilities")
    return feature_names(capabilities.get("features") if isinstance(capabilities, Mapping) else None)


def _source(value: Mapping[str, Any]) -> MediaSource:
    try:
        return MediaSource(value.get("source"))
    except ValueError:
        raise PageError("source is not one of the four") from None


def _media(value: Mapping[str, Any]) -> CallMedia:
    try:
        return CallMedia(value.get("media"))
    except ValueError:
        raise PageError("media is neither audio nor video") from None


def _pasted(value: Mapping[str, Any]) -> str:
    text = value.get("text")
    if not isinstance(text, str):
        raise PageError("text is missing or not a text")
    # one character more than can be right: whoever reads it tells the user
    return text[: MAX_PASTED_LENGTH + 1]


def _path_of(resp: Mapping[str, Any]) -> MediaPath | None:
    """Direct or through a relay, from the chosen candidates; what is missing or odd tells nothing."""
    info = resp.get("connectionInfo")
    sides = [info.get(key) for key in ("localCandidate", "remoteCandidate")] if isinstance(info, Mapping) else []
    # the statistics call the member candidateType, an RTCIceCandidate calls it type
    kinds = [side.get("candidateType", side.get("type")) for side in sides if isinstance(side, Mapping)]
    if "relay" in kinds:
        return MediaPath.RELAY
    return MediaPath.DIRECT if kinds and all(isinstance(kind, str) for kind in kinds) else None


def _ok(command: Mapping[str, Any]) -> Response:
    if command.get("type") == "media":
        return LocalMedia(_source(command), _flag(command, "enable"))
    return PageOk()


def _fault(resp: Mapping[str, Any], command: Mapping[str, Any]) -> PageFault:
    message = resp.get("message")
    code = resp.get("code")
    kind = command.get("type")
    return PageFault(
        message=message[:MAX_ERROR_LENGTH] if isinstance(message, str) else "",
        command=kind if isinstance(kind, str) and len(kind) <= 64 else None,
        code=code if isinstance(code, str) and len(code) <= 64 else None,
    )


def _stats(stats: Mapping[str, Any]) -> PageStats:
    path = stats.get("path")
    first = stats.get("firstFrameAt")
    if path not in (None, "direct", "relay"):
        raise PageError("path is neither direct nor relay")
    if first is not None and (isinstance(first, bool) or not isinstance(first, int | float) or not 0 <= first < 1e15):
        raise PageError("firstFrameAt is not a time")
    return PageStats(
        frames_sent=_count(stats, "framesSent"),
        frames_encrypted=_count(stats, "framesEncrypted"),
        frames_decrypted=_count(stats, "framesDecrypted"),
        video_frames_decrypted=_count(stats, "videoFramesDecrypted"),
        frames_failed=_count(stats, "framesFailed"),
        frames_replayed=_count(stats, "framesReplayed"),
        frames_decoded=_count(stats, "framesDecoded"),
        audio_packets_received=_count(stats, "audioPacketsReceived"),
        audio_packets_sent=_count(stats, "audioPacketsSent"),
        path=MediaPath(path) if path else None,
        width=_count(stats, "width"),
        height=_count(stats, "height"),
        # pages count milliseconds (Date.now)
        first_frame_at=first / 1000 if first is not None else None,
    )


_SETTINGS: Mapping[str, tuple[bool | int | str, ...]] = {
    "echoCancellation": (True, False),
    "noiseSuppression": (True, False),
    "autoGainControl": (True, False),
    "isBitrateConstant": (True, False),
    "isLowData": (True, False),
    "isBackgroundBlurred": (True, False),
    "resolution": (360, 720, 1080),
    "screenContent": ("motion", "text"),
}
_DEVICES = ("microphone", "camera", "speaker")
_MAX_DEVICE_LENGTH = 256


def read_settings(value: Mapping[str, Any]) -> PageSettings:
    """Settings as a page says them, or as they were kept; raises :class:`PageError`. Unknown ones are left out."""
    given = _object(value, "settings")
    settings = {name: given[name] for name in _SETTINGS if name in given}
    for name, setting in settings.items():
        if not any(type(setting) is type(known) and setting == known for known in _SETTINGS[name]):
            raise PageError(f"{name} has a value that it cannot have")
    devices = _object(value, "devices")
    return PageSettings(settings, {kind: _device(devices, kind) for kind in _DEVICES})


def _device(devices: Mapping[str, Any], kind: str) -> tuple[str, str] | None:
    if devices.get(kind) is None:
        return None
    device = _object(devices, kind)
    texts = (device.get("id"), device.get("label"))
    if not all(isinstance(text, str) and len(text) <= _MAX_DEVICE_LENGTH for text in texts):
        raise PageError(f"{kind} has no id or no name, or a long one")
    return str(texts[0]), str(texts[1])


def _count(stats: Mapping[str, Any], key: str) -> int:
    value = stats.get(key, 0)
    if value is None:
        return 0
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < _MAX_NUMBER:
        raise PageError(f"{key} is not a count")
    return int(value)
