from __future__ import annotations

from pathlib import Path

from simplex_calls.agent import diagram


def test_the_documentation_is_current() -> None:
    path = Path(__file__).parents[2] / "docs" / "connection-states.md"
    assert path.read_text("utf-8") == diagram.document()
