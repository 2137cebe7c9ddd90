"""Which language the user sees."""

from __future__ import annotations

import locale
from collections.abc import Iterator

import pytest

from simplex_calls.catalogue import choose_language, chosen_language, system_language, text, user_language


@pytest.fixture(autouse=True)
def _as_the_system() -> Iterator[None]:
    yield
    choose_language(None)


@pytest.mark.parametrize(
    ("environment", "language"),
    [
        ({"LANG": "de_DE.UTF-8"}, "de"),
        ({"LANG": "de"}, "de"),
        ({"LANG": "es_MX"}, "es"),
        ({"LANG": "ru_RU.KOI8-R"}, "ru"),
        ({"LANG": "de_DE.UTF-8", "LC_MESSAGES": "es_ES.UTF-8"}, "es"),
        ({"LANG": "de_DE.UTF-8", "LC_MESSAGES": "es_ES.UTF-8", "LC_ALL": "ru_RU.UTF-8"}, "ru"),
        ({"LANG": "de_DE.UTF-8", "LC_ALL": ""}, "de"),
        ({"LANG": "de_DE.UTF-8", "LC_ALL": "C.UTF-8"}, "en"),
        ({"LC_ALL": "C.UTF-8", "LANGUAGE": "de"}, "de"),
        ({"LANG": "de_DE.UTF-8", "LANGUAGE": "fr:ru_RU:es"}, "ru"),
        ({"LANG": "de_DE.UTF-8", "LANGUAGE": "fr:it"}, "en"),
        ({"LANG": "fr_FR.UTF-8"}, "en"),
        ({"LANG": "POSIX"}, "en"),
        ({"LANG": "../de"}, "en"),
    ],
)
def test_the_language_of_the_system(environment: dict[str, str], language: str) -> None:
    assert system_language(environment) == language


def test_without_variables_the_locale_of_the_process_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locale, "getlocale", lambda: ("de_AT", "UTF-8"))
    assert system_language({}) == "de"
    monkeypatch.setattr(locale, "getlocale", lambda: (None, None))
    assert system_language({}) == "en"


def test_what_the_user_chose_goes_before_the_system(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LANGUAGE", "de")
    assert (user_language(), text("chat.cancel")) == ("de", "Abbrechen")
    choose_language("es")
    assert (chosen_language(), user_language(), text("chat.cancel")) == ("es", "es", "Cancelar")
    choose_language("tlh")
    assert (chosen_language(), user_language()) == (None, "de")
