from __future__ import annotations

import asyncio

import pytest

from simplex_calls.client import CallProgress, Client
from simplex_calls.events import CallChanged, Events
from tests.calls.pages import ScriptedPage
from tests.linked import Agents


async def progress(events: Events, call_id: str, until: CallProgress) -> list[CallProgress]:
    """What was told of a call's progress, until it has come so far."""
    told: list[CallProgress] = []
    while until not in told:
        event = await asyncio.wait_for(anext(events), 10)
        if isinstance(event, CallChanged) and event.call.id == call_id and event.call.progress not in told:
            told.append(event.call.progress)
    return told


@pytest.mark.parametrize("has_receipts", [True, False])
async def test_it_rings_once_the_other_side_says_so(
    alice: Client, bob: Client, agents: Agents, *, has_receipts: bool
) -> None:
    agents.wire.has_receipts = has_receipts
    events = alice.events()
    call = await alice.start_call(alice.contacts()[0].id, "audio")
    assert call.progress is CallProgress.NONE
    page = ScriptedPage()
    task = asyncio.create_task(alice.attach_page(call.id, page))
    while not agents.wire.moving:
        await asyncio.sleep(0)
    agents.wire.run()
    last = CallProgress.RINGING if has_receipts else CallProgress.SENT
    assert (await progress(events, call.id, last))[-1] is last
    assert alice.call(call.id).progress is last
    while not any(command["type"] == "call" and command["call"]["progress"] == last.value for command in page.commands):
        await asyncio.sleep(0)
    # their own call has no progress to tell
    assert bob.calls()[0].progress is CallProgress.NONE
    await alice.hang_up(call.id)
    agents.wire.run()
    await task


async def test_who_gives_receipts_is_learnt_from_texts(alice: Client, bob: Client, agents: Agents) -> None:
    bob_id = alice.contacts()[0].id
    assert alice._running is not None
    chat = alice._running[0]
    alice.send_text(bob_id, "hello")
    agents.wire.run()
    assert not chat.gives_receipts(bob_id)
    agents.wire.has_receipts = True
    alice.send_text(bob_id, "hello again")
    agents.wire.run()
    assert chat.gives_receipts(bob_id)
