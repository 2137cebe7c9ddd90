"""The example of docs/api.md, as it is printed there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

API = Path(__file__).parents[2] / "docs" / "api.md"


async def test_the_example_runs(tmp_path: Path) -> None:
    source = next(
        block for block in re.findall(r"```python\n(.*?)```", API.read_text("utf-8"), re.DOTALL) if "def main" in block
    )
    example: dict[str, Any] = {"__name__": "example"}
    exec(compile(source, str(API), "exec"), example)
    log = await example["main"](tmp_path)
    assert "connected with Alice" in log
    assert "text: Hello Alice" in log
    for line in (
        "call with Bob: calling",
        "call with Alice: ringing",
        "call with Bob: connected",
        "call with Bob: ended",
    ):
        assert line in log
    assert log[-1].endswith("ended")
