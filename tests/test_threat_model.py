"""Every test that docs/threat-model.md names exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
NAMED = re.findall(r"`([\w./-]+\.(?:py|js))::([^`]+)`", (ROOT / "docs" / "threat-model.md").read_text("utf-8"))


def test_every_claim_names_a_test() -> None:
    rows = [
        row
        for row in (ROOT / "docs" / "threat-model.md").read_text("utf-8").splitlines()
        if row.startswith("| ") and not row.startswith("| It can")
    ]
    claims = [row for row in rows if row.strip("|").split("|")[1].strip()]
    assert len(claims) > 20
    for claim in claims:
        assert "::" in claim, claim


@pytest.mark.parametrize(("path", "name"), NAMED, ids=[f"{path}::{name}" for path, name in NAMED])
def test_a_named_test_exists(path: str, name: str) -> None:
    source = (ROOT / path).read_text("utf-8")
    if path.endswith(".py"):
        assert re.search(rf"^(?:async )?def {re.escape(name)}\(", source, re.MULTILINE)
    else:
        assert f'test("{name}"' in source
