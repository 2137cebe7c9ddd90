from __future__ import annotations

from pathlib import Path

import pytest

from simplex_calls.agent import diagram


@pytest.mark.parametrize("name", sorted(diagram.DOCUMENTS))
def test_the_documentation_is_current(name: str) -> None:
    path = Path(__file__).parents[2] / "docs" / f"{name}-states.md"
    assert path.read_text("utf-8") == diagram.DOCUMENTS[name]()
