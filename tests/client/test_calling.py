from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from simplex_calls.bridge.methods import ChatMethods
from simplex_calls.client import PLAIN, CallMedia, CallPhase, CallSettings, Client, ClientError, Consent
from tests.bridge.people import FakeShell
from tests.calls.pages import ScriptedPage
from tests.linked import SERVER, Agents


async def ring(alice: Client, agents: Agents, media: str) -> asyncio.Task[None]:
    call = await alice.start_call(alice.contacts()[0].id, media)
    task = asyncio.create_task(alice.attach_page(call.id, ScriptedPage()))
    while not agents.wire.moving:
        await asyncio.sleep(0)
    agents.wire.run()
    return task


@pytest.mark.parametrize(("audio_only", "media"), [(True, "audio"), (False, "video")])
async def test_a_video_call_taken_with_audio_only(
    alice: Client, bob: Client, agents: Agents, *, audio_only: bool, media: str
) -> None:
    task = await ring(alice, agents, "video")
    call = await bob.accept(bob.calls()[0].id, audio_only=audio_only)
    # it stays a video call: the camera may be turned on, and the other's is shown
    assert call.media is CallMedia.VIDEO
    page = ScriptedPage()
    attached = asyncio.create_task(bob.attach_page(call.id, page))
    while not any(command["type"] == "start" for command in page.commands):
        await asyncio.sleep(0)
    (start,) = [command for command in page.commands if command["type"] == "start"]
    assert start["media"] == media
    await bob.hang_up(call.id)
    agents.wire.run()
    await asyncio.gather(task, attached)


async def test_how_calls_ring_is_stored(tmp_path: Path, agents: Agents) -> None:
    async with Client(tmp_path / "a", "A", [SERVER], key=PLAIN) as client:
        assert client.call_settings == CallSettings()
        client.set_call_settings(CallSettings(ring_volume=30, is_silent=True, do_not_disturb=True))
    async with Client(tmp_path / "a", "A", [SERVER], key=PLAIN) as client:
        assert client.call_settings == CallSettings(ring_volume=30, is_silent=True, do_not_disturb=True)
    with pytest.raises(ValueError, match="volume"):
        CallSettings(ring_volume=101)


async def test_pages_change_how_calls_ring(alice: Client) -> None:
    methods = ChatMethods(alice, FakeShell(), None)

    async def ask(method: str, **params: Any) -> Any:
        answer = await methods.answer({"id": 1, "method": method, "params": params})
        assert answer is not None
        return answer.get("result") or answer["error"]["code"]

    assert await ask("call_settings") == {"ringVolume": 80, "isSilent": False, "doNotDisturb": False, "preview": False}
    assert await ask("set_call_settings", ringVolume=0, doNotDisturb=True, preview=True) == {
        "ringVolume": 0,
        "isSilent": False,
        "doNotDisturb": True,
        "preview": True,
    }
    assert alice.call_settings == CallSettings(ring_volume=0, do_not_disturb=True, preview=True)
    assert await ask("set_call_settings", ringVolume=101) == "bridge.error.request"
    assert await ask("set_call_settings", isSilent="yes") == "bridge.error.request"
    assert alice.call_settings.ring_volume == 0


async def test_a_contact_whose_calls_are_taken_with_audio_only(alice: Client, bob: Client, agents: Agents) -> None:
    contact_id = bob.contacts()[0].id
    assert bob.set_audio_only(contact_id, on=True).audio_only
    task = await ring(alice, agents, "video")
    call = await bob.accept(bob.calls()[0].id)
    page = ScriptedPage()
    attached = asyncio.create_task(bob.attach_page(call.id, page))
    while not any(command["type"] == "start" for command in page.commands):
        await asyncio.sleep(0)
    assert [command["media"] for command in page.commands if command["type"] == "start"] == ["audio"]
    await bob.hang_up(call.id)
    agents.wire.run()
    await asyncio.gather(task, attached)
    assert not bob.set_audio_only(contact_id, on=False).audio_only
    with pytest.raises(ClientError):
        bob.set_audio_only(99, on=True)


async def test_a_call_without_frame_encryption_needs_a_yes_on_both_sides(
    alice: Client, bob: Client, agents: Agents
) -> None:
    call = await alice.start_call(alice.contacts()[0].id, "audio")
    page = ScriptedPage({"capabilities": {"type": "capabilities", "capabilities": {"encryption": False}}})
    attached = asyncio.create_task(alice.attach_page(call.id, page))
    while alice.call(call.id).consent_wanted is not Consent.OURS:
        await asyncio.sleep(0)
    agents.wire.run()
    assert bob.calls() == []
    assert (await alice.consent(call.id)).consent_wanted is None
    with pytest.raises(ClientError) as caught:
        await alice.consent(call.id)
    assert caught.value.message_id == "client.error.call-state"
    agents.wire.run()
    (rings,) = bob.calls()
    assert rings.encrypted is False
    methods = ChatMethods(bob, FakeShell(), None)

    async def ask(method: str, **params: Any) -> Any:
        answer = await methods.answer({"id": 1, "method": method, "params": params})
        assert answer is not None
        return answer.get("result") or answer["error"]["code"]

    bob.confirm_ip_exposure(rings.contact_id)
    assert await ask("accept", callId=rings.id) == "client.error.unencrypted"
    assert await ask("start_call", contactId=rings.contact_id, media="audio") == "client.error.unencrypted"
    assert bob.call(rings.id).state is CallPhase.RINGING
    assert (await ask("accept", callId=rings.id, unencrypted=True))["state"] == "connecting"
    await bob.hang_up(rings.id)
    agents.wire.run()
    await attached


async def test_missed_calls_are_counted_until_they_are_seen(alice: Client, bob: Client, agents: Agents) -> None:
    contact_id = bob.contacts()[0].id
    for missed in (1, 2):
        task = await ring(alice, agents, "audio")
        await alice.hang_up(alice.calls()[0].id)
        agents.wire.run()
        await task
        assert (bob.contact(contact_id).missed_calls, bob.contact(contact_id).unread) == (missed, missed)
    # one that was declined was not missed
    task = await ring(alice, agents, "audio")
    (rings,) = [call for call in bob.calls() if call.state is CallPhase.RINGING]
    await bob.reject(rings.id)
    agents.wire.run()
    await task
    assert bob.contact(contact_id).missed_calls == 2
    bob.mark_read(contact_id)
    assert bob.contact(contact_id).missed_calls == 0
    assert alice.contacts()[0].missed_calls == 0
