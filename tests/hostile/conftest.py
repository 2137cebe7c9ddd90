from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.hostile.contact import Meeting, faults, meeting


@pytest.fixture
async def met(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> AsyncIterator[Meeting]:
    """Three people, one of them hostile; after each attack the honest ones go on, and no fault of ours was met."""
    async with meeting(tmp_path) as people:
        yield people
        await people.bob_reaches_alice()
    assert faults(caplog.get_records("call")) == []
