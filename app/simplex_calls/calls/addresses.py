"""Which addresses a page's description and candidates would show the contact. Pure.

Where a call goes through relays only, the page gathers and says nothing else; here is looked once more, before anything
is sent. Source: RFC 8839, section 5.1 (candidates), RFC 8866, section 5.7 (``c=``).
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterable
from typing import Any

from simplex_calls.calls.packed import is_bounded, unpack

_CANDIDATE = "candidate:"
_ADDRESS, _TYPE = 4, slice(6, 8)
"""The places of a candidate's address and of its type among its words."""


def hides_address(description: str, candidates: str) -> bool:
    """Whether nothing but relays' addresses is in a packed description (may be empty) and in packed candidates.

    What cannot be read hides nothing.
    """
    try:
        session = _read(description) if description else {}
        listed = [str(one["candidate"]) for one in (_read(candidates) if candidates else [])]
        lines = [*str(session.get("sdp", "")).splitlines(), *listed]
    except (ValueError, TypeError, KeyError, AttributeError):
        return False
    said = [line.removeprefix("a=").split() for line in lines]
    offered = [words for words in said if words and words[0].startswith(_CANDIDATE)]
    if any(words[_TYPE] != ["typ", "relay"] for words in offered):
        return False
    relayed = {words[_ADDRESS] for words in offered}
    return not any(_is_address(word) for word in _words(said) - relayed)


def _read(text: str) -> Any:
    if not is_bounded(text):
        raise ValueError("too large")
    return json.loads(unpack(text))


def _words(said: Iterable[list[str]]) -> set[str]:
    return {word for words in said for word in words}


def _is_address(word: str) -> bool:
    """Whether a word tells where somebody is: no placeholder, and not the loopback of an origin line."""
    try:
        address = ipaddress.ip_address(word.partition("%")[0])
    except ValueError:
        # the name of a host that stands for its address (mDNS)
        return word.endswith(".local")
    return not (address.is_unspecified or address.is_loopback)
