"""Speaks with a window's page over Chromium's debugging port."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

import aiohttp


class Debugger:
    """The pages of one program."""

    def __init__(self, http: aiohttp.ClientSession, port: int) -> None:
        self._http = http
        self._address = f"http://127.0.0.1:{port}/json"
        self._numbers = itertools.count(1)

    async def page(self, title: str, *, besides: str = "") -> str:
        """Wait for the page with this title, and give its socket's address; not the one ``besides``."""
        while True:
            async with self._http.get(self._address) as response:
                for target in await response.json():
                    address: str = target["webSocketDebuggerUrl"]
                    if title in target["title"] and target["type"] == "page" and address != besides:
                        return address
            await asyncio.sleep(0.05)

    async def tell(self, page: str, method: str, **params: Any) -> dict[str, Any]:
        """Give an order, and its result; nothing of a page that dies of it."""
        number = next(self._numbers)
        async with self._http.ws_connect(page) as socket:
            await socket.send_json({"id": number, "method": method, "params": params})
            async for frame in socket:
                answer = frame.json()
                if answer.get("id") == number:
                    return dict(answer.get("result", {}))
                if answer.get("method") == "Inspector.targetCrashed":
                    return {}
        return {}

    async def evaluate(self, page: str, script: str) -> Any:
        """A script's value in the page, once its promise is kept."""
        result = await self.tell(
            page,
            "Runtime.evaluate",
            expression=script,
            awaitPromise=True,
            returnByValue=True,
            userGesture=True,
            # as a script of the page's own
            allowUnsafeEvalBlockedByCSP=False,
        )
        return result.get("result", {}).get("value")
