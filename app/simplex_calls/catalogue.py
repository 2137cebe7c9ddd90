"""The translation catalogue: every text that a user sees, by its id.

Texts are in ``locales/<language>/<part>.json``, each a flat object of ``"id": "text with {names}"``; the pages get the
same files. A text that a language lacks is shown in English.
"""

from __future__ import annotations

import json
import locale
from functools import cache
from importlib import resources

DEFAULT_LANGUAGE = "en"


@cache
def texts(language: str) -> dict[str, str]:
    """All texts of ``language`` by id, English where it has none."""
    merged: dict[str, str] = {}
    for name in dict.fromkeys((DEFAULT_LANGUAGE, language)):
        folder = resources.files("simplex_calls") / "locales" / name
        if folder.is_dir():
            for part in sorted(folder.iterdir(), key=lambda item: item.name):
                if part.name.endswith(".json"):
                    merged.update(json.loads(part.read_text("utf-8")))
    return merged


def user_language() -> str:
    """The two-letter language of the user's locale, English where there is no catalogue for it."""
    name = (locale.getlocale()[0] or DEFAULT_LANGUAGE).split("_")[0].lower()
    return name if (resources.files("simplex_calls") / "locales" / name).is_dir() else DEFAULT_LANGUAGE


def text(message_id: str, /, **names: object) -> str:
    """The text ``message_id`` in the user's language, with ``names`` filled in; raises ``KeyError`` if unknown."""
    return texts(user_language())[message_id].format(**names)
