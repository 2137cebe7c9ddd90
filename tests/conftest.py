"""Two clients in memory that are contacts, for the floors above them."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import hypothesis
import pytest

from simplex_calls.client import PLAIN, Client
from tests.chat import fake_agent
from tests.linked import SERVER, Agents

# The same examples in every run, so that a commit is judged by what it changes; HYPOTHESIS_PROFILE=search looks for new
# ones, far longer. No deadlines: how long an example takes is a matter of what else the machine does.
hypothesis.settings.register_profile("same", derandomize=True, deadline=None)
hypothesis.settings.register_profile("search", max_examples=5_000, deadline=None, print_blob=True)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))

# The tests read English, whatever their user does.
os.environ["LANGUAGE"] = "en"


@pytest.fixture
def agents(monkeypatch: pytest.MonkeyPatch) -> Agents:
    # the client's clock is the real one: what arrives must not be hours old
    monkeypatch.setattr(fake_agent, "BROKER_TIME", datetime.now(UTC))
    return Agents()


@pytest.fixture
async def alice(tmp_path: Path, agents: Agents) -> AsyncIterator[Client]:
    async with Client(tmp_path / "alice", "Alice", [SERVER], agent=agents, key=PLAIN) as client:
        yield client


@pytest.fixture
async def bob(alice: Client, tmp_path: Path, agents: Agents) -> AsyncIterator[Client]:
    async with Client(tmp_path / "bob", "Bob", [SERVER], agent=agents, key=PLAIN) as client:
        await client.connect(await alice.create_invitation())
        agents.wire.run()
        yield client


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session
