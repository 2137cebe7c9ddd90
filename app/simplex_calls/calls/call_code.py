"""The call code: four emoji that both sides see alike exactly when nobody sits between them. Pure.

PBKDF2-SHA256 over the call's key, salted with what ties the call to the contact's keys (the digest of the ratchet's
associated data) and with the DTLS fingerprints of both descriptions (RFC 8122, section 5). There is no commitment to a
side's fingerprint before it knows the other's, so one who sits between could try certificates until the code fits: the
iterations make each try dear (docs/decisions.md). The page's twin is ``web/static/call/call-code.js``; both are held to
``tests/vectors/call-code.json``.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence

ITERATIONS = 600_000
CODE_LENGTH = 4
_LABEL = b"simplex-calls call code 1\n"
_KEY_SIZE = 32
_BINDING_SIZE = 32
_FINGERPRINT = re.compile(r"^a=fingerprint:[ \t]*(\S+)[ \t]+(\S+)[ \t]*\r?$", re.MULTILINE)

EMOJI = (
    "🐶🐱🐠🐰🦊🐻🐼🐨🐜🦁🐮🐷🐸🐵🐔🐧🦆🦅🦉🦇🐺🐴🦄🐝🦋🐌🐞🦂🐢🐍🐣🐙"
    "🦐🦀🐬🌸🦈🐊🦓🦍🐘🗼🐪🦒🦘🐑🐐🎆🦃🦚🦜🦢🦩🦔🦥🦨🧬🦕🐚🌵🎄🌴🍀🍁"
    "🍄🌻🌹🌷💐🌍🌙🌞⭐⚡🔥🌈⛄💧🌊☔🌋🍎🍊🍋🍌🍉🍇🍓🍒🍹🍍🥥🥝🥞🍆🥑"
    "🥦🌽🥕🍙🧅🥜🥐🍞🥨🧀🥚🍗🍔🍟🍕🌭🌮🍜🍣🍦🍩🍬🎂🍭🍯🍼☕🍷🍺🍿🧂🧊"
    "⚽🏀⚾🎾🎱🏓🎳🛹🎿⛳🎯🏹🎣🏆🥇🎲🧩🎮🎨🎭🎪🎤🎧🎹🥁🎷🎵🎸🎫🎬🎈🎁"
    "🎃🎀🚗🚌🚑🛫🚜🚲🗿🚂⛵🚢🚀🚁🛸⚓🚦⛽🏠🏰🗽🎡⛲⛺📅📱💻💡📡📷📺📻"
    "⏰⏳🔋🔌💎🔨🧮🧲🧪🔪🔑🚪🪑🛁🚿📬🧹🧺🧳🛒🔔📌📎📏📚📦💰🔍🔒🔬💾💉"
    "💊👓👕👖🧣🧤🧦👗🎒👠👑🎩💍💄👻👽🤖💀👀👄🦷🦴🧠👣🧱🧵👒🪁🎢🏮🧭🪐"
)
"""One for each value of a byte; their names are the text ``call.code.words``, in this order."""


class CallCodeError(ValueError):
    """There is no code for this. The text holds nothing of what was given."""


def fingerprints_of(sdp: str) -> str:
    """The fingerprints that a description names, whatever their order and letters; empty if there is none."""
    found = {f"{kind.lower()} {value.upper()}" for kind, value in _FINGERPRINT.findall(sdp)}
    return ",".join(sorted(found))


def call_code(key: bytes, binding: bytes, descriptions: Sequence[str]) -> bytes:
    """The code of a call: places in :data:`EMOJI`. The two descriptions may come in any order."""
    if len(key) != _KEY_SIZE or len(binding) != _BINDING_SIZE:
        raise CallCodeError(f"the key has {_KEY_SIZE} bytes and the binding {_BINDING_SIZE}")
    fingerprints = sorted(fingerprints_of(sdp) for sdp in descriptions)
    if len(fingerprints) != 2 or not all(fingerprints):
        raise CallCodeError("a call has two descriptions, each with a fingerprint")
    salt = _LABEL + binding + "\n".join(fingerprints).encode()
    return hashlib.pbkdf2_hmac("sha256", key, salt, ITERATIONS, CODE_LENGTH)


def emoji_of(code: bytes) -> list[str]:
    """What is shown of a code."""
    return [EMOJI[place] for place in code]
