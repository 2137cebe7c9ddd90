"""Test vectors made by the official implementation: from the shared folder when it is there, else our copy."""

from __future__ import annotations

import gzip
import json
from functools import cache
from pathlib import Path
from typing import Any

_HERE = Path(__file__).parent
_SHARED = _HERE.parent.parent / "shared" / "vectors"


@cache
def simplexmq() -> Any:
    shared = _SHARED / "simplexmq-6.5.5.json"
    if shared.is_file():
        return json.loads(shared.read_bytes())
    return json.loads(gzip.decompress((_HERE / "vectors" / "simplexmq-6.5.5.json.gz").read_bytes()))


@cache
def chat_bodies() -> Any:
    return json.loads((_HERE / "vectors" / "chat-bodies.json").read_bytes())
