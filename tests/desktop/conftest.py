from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from simplex_calls.bridge.server import Bridge
from simplex_calls.client import Client
from tests.bridge.people import FakeShell


@pytest.fixture
def shell() -> FakeShell:
    return FakeShell()


@pytest.fixture
async def bridge(alice: Client, shell: FakeShell) -> AsyncIterator[Bridge]:
    async with Bridge(alice, shell) as bridge:
        yield bridge
