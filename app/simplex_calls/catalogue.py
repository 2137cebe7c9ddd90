"""The translation catalogue: every text that a user sees, by its id.

Texts are in ``locales/<language>/<part>.json``, each a flat object of ``"id": "text with {names}"``; the pages get the
same files. A text that a language lacks is shown in English.

A text with a number is worded so that it fits every number ("Lost messages: 5"), with a second text of its own for
exactly one (``<id>.one``) where that reads better: no language needs rules of plurals.
"""

from __future__ import annotations

import json
import locale
import os
from collections.abc import Mapping
from functools import cache
from importlib import resources

DEFAULT_LANGUAGE = "en"
LANGUAGES = {"de": "Deutsch", "en": "English", "es": "Español", "ru": "Русский"}
"""The languages of the catalogue, each by its own name."""

_LOCALE_VARIABLES = ("LC_ALL", "LC_MESSAGES", "LANG")
_chosen: str | None = None


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


def chosen_language() -> str | None:
    """What the user chose in the settings; ``None``: as the system."""
    return _chosen


def choose_language(language: str | None) -> None:
    """Use ``language`` in this process from now on; ``None``, or one that there is no catalogue for: the system's."""
    # one user sits before a process, and the texts of every floor are for them
    global _chosen  # noqa: PLW0603
    _chosen = language if language in LANGUAGES else None


def user_language() -> str:
    """The two-letter language that the user chose, or that of the system."""
    return _chosen or system_language(os.environ)


def system_language(environment: Mapping[str, str]) -> str:
    """The language by the rules of gettext: the first of ``LANGUAGE`` that there is, else that of the locale.

    ``LC_ALL`` goes before ``LC_MESSAGES``, and that before ``LANG``. Where none is set (Windows), the locale that the
    process has. English where there is no catalogue for it.
    """
    preferred = environment.get("LANGUAGE", "")
    set_locale = next(filter(None, map(environment.get, _LOCALE_VARIABLES)), None)
    if not preferred and set_locale is None:
        set_locale = locale.getlocale()[0]
    names = preferred.split(":") if preferred else [set_locale or ""]
    known = (name.replace("-", "_").split("_")[0].split(".")[0].lower() for name in names)
    return next((name for name in known if name in LANGUAGES), DEFAULT_LANGUAGE)


def text(message_id: str, /, **names: object) -> str:
    """The text ``message_id`` in the user's language, with ``names`` filled in; raises ``KeyError`` if unknown."""
    return texts(user_language())[message_id].format(**names)
