"""Every text is there in every language, with the same names to fill in."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from simplex_calls import catalogue
from simplex_calls.catalogue import DEFAULT_LANGUAGE, LANGUAGES

LOCALES = Path(catalogue.__file__).parent / "locales"
PARTS = sorted(path.name for path in (LOCALES / DEFAULT_LANGUAGE).glob("*.json"))
OTHERS = sorted(set(LANGUAGES) - {DEFAULT_LANGUAGE})
WORDS = "call.code.words"

SAME = {
    *("chat.title", "desktop.title", "chat.title.unread", "chat.title.missed", "desktop.title.named"),
    *(
        "client.encryption.none",
        "call.shortcut",
    ),
    *("chat.announce", "cli.demo.side_failed", "profiles.error.file", "chat.calls.volume.percent"),
    "chat.add.paste.placeholder",
    *(f"call.quality.unit.{measure}" for measure in ("bitrate", "share", "time", "rate", "height")),
    *(f"call.settings.resolution.{lines}" for lines in (360, 720, 1080)),
}
"""Texts that are names, punctuation or empty, and so the same everywhere."""
SAME_WORDS = {
    "de": {"Passphrase", "Passphrase: ", "Audio", "Video", "Party", "Relay", "Details", "Link", "Server", "Name"},
    "es": {"Error", "audio", "No"},
    "ru": set[str](),
}
"""Words that a language shares with English."""

QUOTES = {"de": "„“", "es": "«»", "ru": "«»"}


def _read(language: str, part: str) -> dict[str, str]:
    pairs = json.loads((LOCALES / language / part).read_text("utf-8"), object_pairs_hook=list[tuple[str, str]])
    texts = dict(pairs)
    assert len(texts) == len(pairs), f"{language}/{part} has an id twice"
    return texts


def _names(text: str) -> list[str]:
    return sorted(re.findall(r"\{[^}]*\}", text))


def test_the_languages_are_those_that_there_are_folders_for() -> None:
    assert sorted(path.name for path in LOCALES.iterdir() if path.is_dir()) == sorted(LANGUAGES)


def test_no_id_is_in_two_parts() -> None:
    ids = [message_id for part in PARTS for message_id in _read(DEFAULT_LANGUAGE, part)]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("language", OTHERS)
def test_every_text_is_translated(language: str, part: str) -> None:
    english, others = _read(DEFAULT_LANGUAGE, part), _read(language, part)
    # in the same order, too: what a change of one file needs in the others is then seen at once
    assert list(others) == list(english)
    assert {name: _names(text) for name, text in others.items()} == {
        name: _names(text) for name, text in english.items()
    }
    untranslated = {name: text for name, text in others.items() if text == english[name] and name not in SAME}
    assert set(untranslated.values()) <= SAME_WORDS[language], untranslated


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("language", OTHERS)
def test_signs_are_those_of_the_language(language: str, part: str) -> None:
    english = _read(DEFAULT_LANGUAGE, part)
    for name, text in _read(language, part).items():
        assert "..." not in text, name
        assert text.endswith("…") == english[name].endswith("…"), name
        assert text.strip().endswith("?") == english[name].strip().endswith("?"), name
        quotes = QUOTES[language]
        assert text.count(quotes[0]) == text.count(quotes[1]), name
        assert not set('„“”«»"') - set(quotes) & set(_prose(text, name)), name
        assert text.count("¿") == (text.count("?") if language == "es" else 0), name


def _prose(text: str, name: str) -> str:
    """A text without what is to be typed as it stands."""
    return "" if name.startswith(("cli.", "relay.")) else text


@pytest.mark.parametrize("language", [DEFAULT_LANGUAGE, *OTHERS])
def test_each_emoji_of_a_call_code_has_a_word_of_its_own(language: str) -> None:
    words = _read(language, "call.json")[WORDS].split(", ")
    assert len(words) == len(set(words)) == 256


def test_russian_is_in_cyrillic() -> None:
    for part in PARTS:
        for name, text in _read("ru", part).items():
            if name not in SAME and re.sub(r"\{[^}]*\}|\W", "", text):
                assert re.search("[а-яё]", text), name
