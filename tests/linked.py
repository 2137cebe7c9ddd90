"""Clients in memory: their agents are linked to one another, without servers."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from simplex_calls.agent.events import AgentEvent
from simplex_calls.database import Database
from simplex_calls.smp.address import ServerAddress
from tests.chat.fake_agent import FakeAgent, Wire

SERVER = "smp://" + "A" * 43 + "=@127.0.0.1:1"


class Agents:
    """Makes agents without servers that are linked to one another."""

    def __init__(self) -> None:
        self.wire = Wire()
        self.made: list[FakeAgent] = []

    def __call__(
        self, database: Database, _servers: Sequence[ServerAddress], handler: Callable[[AgentEvent], None]
    ) -> FakeAgent:
        self.made.append(FakeAgent(self.wire, database, handler))
        return self.made[-1]
