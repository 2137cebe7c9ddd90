from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import pytest

from simplex_calls.bridge.server import Bridge
from simplex_calls.calls.ice import IceConfig
from simplex_calls.calls.pasted import PastedState
from simplex_calls.catalogue import text
from tests.bridge.people import FakeShell, ask, next_message, open_page
from tests.calls.pages import ANSWER, CONNECTION, OFFER
from tests.linked import Agents

ICE = IceConfig.parse([])


class Side:
    """One side's page, as a script."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket

    async def say(self, resp: dict[str, Any], **more: Any) -> None:
        await self.socket.send_json({"resp": resp, **more})

    async def command(self, kind: str) -> dict[str, Any]:
        message = await next_message(self.socket, lambda message: message["command"]["type"] == kind)
        command: dict[str, Any] = message["command"]
        return command

    async def step(self, name: str) -> dict[str, Any]:
        message = await next_message(
            self.socket,
            lambda message: message["command"]["type"] == "paste" and message["command"]["step"] == name,
        )
        command: dict[str, Any] = message["command"]
        return command


async def side(http: aiohttp.ClientSession, bridge: Bridge) -> Side:
    session = bridge.add_pasted(ICE)
    return Side(await open_page(http, bridge.origin, bridge.call_url(session.id, "websocket")))


async def test_two_texts_make_a_call(http: aiohttp.ClientSession) -> None:
    async with Bridge(None, FakeShell()) as first, Bridge(None, FakeShell()) as second:
        alice, bob = await side(http, first), await side(http, second)
        await alice.step("choosing")
        await alice.say({"type": "pasteStart", "media": "video"})
        start = await alice.command("start")
        assert "aesKey" not in start
        await alice.say(OFFER)
        offered = await alice.step("offered")
        assert offered["codes"][0].keys() == {"size", "path"}

        await bob.say({"type": "paste", "text": "nothing of the kind"})
        assert (await bob.step("choosing"))["problem"] is None
        assert (await bob.step("choosing"))["problem"] == "none"
        await bob.say({"type": "paste", "text": offered["text"]})
        offer = await bob.command("offer")
        await bob.say(ANSWER)
        answered = await bob.step("answered")

        await alice.say({"type": "paste", "text": answered["text"]})
        answer = await alice.command("answer")
        assert answer["aesKey"] == offer["aesKey"]
        for one in (alice, bob):
            await one.say(CONNECTION)
            await one.say({"type": "connected", "connectionInfo": {}})
            await one.step("connected")
        await alice.say({"type": "end"})
        await alice.step("ended")
        # its page is of no more use
        assert (await alice.socket.receive(timeout=10)).type in {aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.CLOSE}


async def test_its_address_opens_one_page(http: aiohttp.ClientSession) -> None:
    async with Bridge(None, FakeShell()) as bridge:
        session = bridge.add_pasted(ICE)
        first, second = bridge.call_url(session.id, "websocket"), bridge.call_url(session.id, "websocket")
        socket = await open_page(http, bridge.origin, first)
        await Side(socket).step("choosing")
        assert bridge.has_pasted
        async with http.get(second) as response:
            assert response.status == 410
        await socket.close()
        await asyncio.wait_for(session.closed.wait(), 10)
        assert session.state is PastedState.ENDED
        assert not bridge.has_pasted


async def test_another_call_takes_its_place(http: aiohttp.ClientSession, bridge: Bridge) -> None:
    one = await side(http, bridge)
    await one.step("choosing")
    bridge.end_pasted()
    await one.step("ended")


async def test_pages_that_speak_nonsense_end_it(http: aiohttp.ClientSession) -> None:
    async with Bridge(None, FakeShell()) as bridge:
        one = await side(http, bridge)
        await one.say({"type": "pasteStart", "media": "video"})
        await one.command("start")
        await one.say({"type": "offer", "offer": 5})
        await one.step("ended")


async def test_the_chat_page_opens_one(
    http: aiohttp.ClientSession, bridge: Bridge, shell: FakeShell, agents: Agents
) -> None:
    page = await open_page(http, bridge.origin, bridge.chat_url("websocket"))
    assert (await ask(page, "paste_call"))["result"] is None
    assert shell.pasted == 1


@pytest.mark.parametrize(
    "problem", ["none", "damaged", "too-large", "newer", "own", "answer-first", "both-offers", "other-call"]
)
def test_every_problem_has_its_words(problem: str) -> None:
    assert text(f"paste.problem.{problem}") != f"paste.problem.{problem}"
