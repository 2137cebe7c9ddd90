"""The texts of a page, as a script of their own: no secret is in it, so that it may be compressed.

A page itself holds the secret of its session, and is sent as it is.
"""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from functools import cache

from simplex_calls.catalogue import LANGUAGES, texts

_CALL = ("call.", "client.")
_PREFIXES = {"call": _CALL, "paste": (*_CALL, "paste."), "chat": ("chat.", "client.", "bridge.")}


@dataclass(frozen=True, slots=True)
class PageTexts:
    """The script, and the same as gzip."""

    plain: bytes
    packed: bytes


@cache
def page_texts(page: str, language: str) -> PageTexts | None:
    """The texts of the page with the template ``page`` in ``language``; ``None`` if there are none."""
    prefixes = _PREFIXES.get(page)
    if prefixes is None or language not in LANGUAGES:
        return None
    found = {name: value for name, value in texts(language).items() if name.startswith(prefixes)}
    plain = f"globalThis.simplexCallsTexts={json.dumps(found, ensure_ascii=False, separators=(',', ':'))};\n".encode()
    return PageTexts(plain, gzip.compress(plain, mtime=0))
