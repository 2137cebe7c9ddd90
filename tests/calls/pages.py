"""Scripted call pages: they answer every command at once, as a browser's page does in the end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

Answers = Mapping[str, Mapping[str, Any] | None]

OFFER = {"type": "offer", "offer": "b2ZmZXI=", "iceCandidates": "aWNl", "capabilities": {"encryption": True}}
ANSWER = {"type": "answer", "answer": "YW5zd2Vy", "iceCandidates": "aWNl"}
CAPABILITIES = {"type": "capabilities", "capabilities": {"encryption": True}}
CONNECTION = {"type": "connection", "state": {"connectionState": "connected"}}
OK = {"type": "ok"}


class ScriptedPage:
    """A page; ``answers`` replaces what it says to a command (``None``: nothing)."""

    def __init__(
        self, answers: Answers | None = None, *, connects: bool = True, happened: Callable[[], None] = lambda: None
    ) -> None:
        self._connects = connects
        self._answers: dict[str, Mapping[str, Any] | None] = {
            "capabilities": CAPABILITIES,
            "start": OFFER,
            "offer": ANSWER,
            **(answers or {}),
        }
        self._said: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()
        self._happened = happened
        self.commands: list[dict[str, Any]] = []
        self.closed = 0
        self.broken: Exception | None = None

    async def send(self, message: dict[str, Any]) -> None:
        if self.broken is not None:
            raise self.broken
        command = message["command"]
        self.commands.append(command)
        self._happened()
        answer = self._answers.get(command["type"], OK)
        if answer is not None:
            self._said.put_nowait({"corrId": message["corrId"], "resp": dict(answer), "command": command})
        if (
            self._connects
            and command["type"] in {"offer", "answer"}
            and answer is not None
            and answer["type"] != "error"
        ):
            self.say(CONNECTION)

    def say(self, resp: Any, **more: Any) -> None:
        """Say something unasked."""
        self._said.put_nowait({"resp": resp, **more})

    def leave(self) -> None:
        """The user closes the window."""
        self._said.put_nowait(None)

    async def responses(self) -> AsyncIterator[dict[str, Any]]:
        while (message := await self._said.get()) is not None:
            yield message

    async def close(self) -> None:
        self.closed += 1
        self.leave()
        self._happened()

    def types(self) -> list[str]:
        """The commands so far, without those that only show something."""
        return [command["type"] for command in self.commands if command["type"] not in {"call", "description"}]

    def shown(self) -> dict[str, Any]:
        """The newest of what the page was told to show."""
        return next(command["call"] for command in reversed(self.commands) if command["type"] == "call")
