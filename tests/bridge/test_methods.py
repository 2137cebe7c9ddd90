from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import segno
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from simplex_calls.agent.events import FailureReason
from simplex_calls.bridge import methods as methods_module
from simplex_calls.bridge.methods import ChatMethods
from simplex_calls.bridge.params import MAX_TEXT_LENGTH
from simplex_calls.bridge.values import contact_json, item_json, qr_json
from simplex_calls.catalogue import texts
from simplex_calls.chat.history import CallDetails, CallStatus, ChatItem, Direction, Notice, NoticeDetails, TextDetails
from simplex_calls.chat.messages import ContentType
from simplex_calls.client import PLAIN, CallMedia, Client, Contact, ContactStatus
from simplex_calls.events import (
    CallChanged,
    ContactTakenElsewhere,
    Event,
    HistoryCleared,
    ItemRemoved,
    MessageReceived,
    PageWanted,
    ServerConnected,
    ServerDisconnected,
)
from tests.bridge.people import FakeShell
from tests.linked import SERVER, Agents

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
NOON_MS = 1_795_348_800_000


@pytest.fixture
def methods(alice: Client, shell: FakeShell) -> ChatMethods:
    return ChatMethods(alice, shell)


async def done(methods: ChatMethods, method: str, **params: Any) -> Any:
    answer = await methods.answer({"id": 3, "method": method, "params": params})
    assert answer is not None
    assert answer.keys() == {"id", "result"}, answer
    assert answer["id"] == 3
    json.dumps(answer)
    return answer["result"]


async def refused(methods: ChatMethods, method: str, **params: Any) -> str:
    answer = await methods.answer({"id": 3, "method": method, "params": params})
    assert answer is not None
    assert answer.keys() == {"id", "error"}, answer
    assert answer["error"].keys() == {"text", "code"}
    code: str = answer["error"]["code"]
    assert code in texts("en")
    return code


async def test_the_first_paint(methods: ChatMethods, alice: Client, bob: Client, agents: Agents) -> None:
    alice.send_text(1, "hello")
    agents.wire.run()
    state = await done(methods, "state")
    assert state["profile"] == {"displayName": "Alice", "fullName": "", "image": None, "callsAllowed": True}
    assert state["calls"] == []
    assert state["servers"] == []
    assert state["mode"] == "browser"
    (contact,) = state["contacts"]
    assert contact["name"] == "Bob"
    assert contact["isConnected"]
    assert contact["callsAllowed"]
    assert contact["status"] == "connected"
    assert contact["lastItem"] | {"createdAt": 0} == {
        "id": 1,
        "contactId": 1,
        "kind": "text",
        "preview": None,
        "direction": "sent",
        "createdAt": 0,
        "sentAt": None,
        "delivery": "sent",
        "failure": None,
        "text": "hello",
        "content": "text",
        "edited": False,
        "deleted": False,
    }


async def test_an_invitation_and_its_link(methods: ChatMethods, bob: Client, agents: Agents) -> None:
    made = await done(methods, "create_invitation")
    assert made["contactId"] == 2
    assert await done(methods, "invitation", contactId=2) == made
    # the fake agent's links are short; what is drawn is what segno draws
    assert made["qr"] == qr_json(made["link"])
    bobs = ChatMethods(bob, FakeShell())
    contact = await done(bobs, "connect", link=f"  {made['link']}\n")
    assert contact["status"] == "connecting"
    agents.wire.run()
    assert await done(methods, "invitation", contactId=2) is None
    assert await refused(methods, "invitation", contactId=99) == "client.error.no-contact"


def test_the_code_of_a_link() -> None:
    link = "simplex:/invitation#/?v=2-7&smp=" + "x" * 600
    drawn = qr_json(link)
    dark = set()
    for x, y, width, back in re.findall(r"M(\d+) (\d+)h(\d+)v1h-(\d+)z", drawn["path"]):
        assert width == back
        dark |= {(int(x) + step, int(y)) for step in range(int(width))}
    expected = segno.make(link, error="l", micro=False, boost_error=False)
    assert drawn["size"] == len(expected.matrix) + 8
    assert dark == {(x + 4, y + 4) for y, row in enumerate(expected.matrix) for x, value in enumerate(row) if value}
    assert re.sub(r"M\d+ \d+h\d+v1h-\d+z", "", drawn["path"]) == ""


async def test_texts(methods: ChatMethods, alice: Client, bob: Client, agents: Agents) -> None:
    item = await done(methods, "send_text", contactId=1, text="helo")
    assert item["delivery"] == "sending"
    agents.wire.run()
    edited = await done(methods, "edit_text", itemId=item["id"], text="hello")
    assert (edited["text"], edited["edited"]) == ("hello", True)
    for number in range(3):
        alice.send_text(1, str(number))
    assert [it["text"] for it in await done(methods, "history", contactId=1)] == ["hello", "0", "1", "2"]
    newest = await done(methods, "history", contactId=1, limit=2)
    assert [it["text"] for it in newest] == ["1", "2"]
    older = await done(methods, "history", contactId=1, limit=1, before=newest[0]["id"])
    assert [it["text"] for it in older] == ["0"]
    await done(methods, "delete_item", itemId=newest[1]["id"], forEveryone=False)
    assert len(await done(methods, "history", contactId=1)) == 3
    await done(methods, "clear_history", contactId=1)
    assert await done(methods, "history", contactId=1) == []
    await done(methods, "delete_contact", contactId=1)
    assert (await done(methods, "state"))["contacts"] == []


async def test_the_profile(methods: ChatMethods, alice: Client) -> None:
    profile = await done(methods, "set_profile", displayName="Ally", fullName="Alice L.")
    assert profile == {"displayName": "Ally", "fullName": "Alice L.", "image": None, "callsAllowed": True}
    fewer = await done(methods, "set_profile", displayName="Al")
    assert (fewer["displayName"], fewer["fullName"]) == ("Al", "")
    assert await refused(methods, "set_profile", displayName=" \u202e ") == "client.error.name"


async def test_calls_need_the_warning_to_be_read(
    methods: ChatMethods, alice: Client, bob: Client, agents: Agents, shell: FakeShell
) -> None:
    assert await refused(methods, "start_call", contactId=1, media="video") == "bridge.error.ip-exposure"
    assert await refused(methods, "accept", callId="x") == "client.error.call-gone"
    assert alice.calls() == []
    assert (await done(methods, "call_route", contactId=1))["needsWarning"] is True
    await done(methods, "confirm_ip_exposure", contactId=1)
    assert (await done(methods, "call_route", contactId=1))["needsWarning"] is False
    call = await done(methods, "start_call", contactId=1, media="video")
    assert call["contactName"] == "Bob"
    assert (call["media"], call["direction"], call["state"]) == ("video", "outgoing", "calling")
    assert (call["isActive"], call["hasPage"], call["encrypted"]) == (True, False, None)
    assert call["endedAt"] is None
    await done(methods, "show_call", callId=call["id"])
    assert shell.shown == [call["id"]]
    ended = await done(methods, "hang_up", callId=call["id"])
    assert (ended["state"], ended["endReason"], ended["failure"]) == ("ended", "ended", None)
    assert await refused(methods, "reject", callId="nobody") == "client.error.call-gone"
    assert await refused(methods, "start_call", contactId=1, media="telepathy") == "client.error.media"


NONSENSE: list[tuple[str, dict[str, Any]]] = [
    ("nothing", {}),
    ("__init__", {}),
    ("_state", {}),
    ("history", {}),
    ("history", {"contactId": "1"}),
    ("history", {"contactId": True}),
    ("history", {"contactId": -1}),
    ("history", {"contactId": 2**64}),
    ("history", {"contactId": 1, "limit": 0}),
    ("history", {"contactId": 1, "limit": 100_000}),
    ("history", {"contactId": 1, "before": "x"}),
    ("send_text", {"contactId": 1}),
    ("send_text", {"contactId": 1, "text": 5}),
    ("send_text", {"contactId": 1, "text": "\ud800"}),
    ("delete_item", {"itemId": 1, "forEveryone": "yes"}),
    ("connect", {"link": None}),
]


@pytest.mark.parametrize(("method", "params"), NONSENSE)
async def test_nonsense_is_refused(methods: ChatMethods, bob: Client, method: str, params: dict[str, Any]) -> None:
    assert await refused(methods, method, **params) == "bridge.error.request"


async def test_long_texts_are_refused(methods: ChatMethods, bob: Client) -> None:
    long = "x" * (MAX_TEXT_LENGTH + 1)
    assert await refused(methods, "send_text", contactId=1, text=long) == "client.error.too-large"
    assert await refused(methods, "send_text", contactId=1, text="x" * 20_000) == "client.error.too-large"


@pytest.mark.parametrize("message", [None, 5, [], {}, {"id": "1"}, {"id": -1}, {"id": True, "method": "state"}])
async def test_what_is_no_request_gets_no_answer(methods: ChatMethods, message: object) -> None:
    assert await methods.answer(message) is None


@pytest.mark.parametrize("params", [5, [], "x", [["contactId", 1]]])
async def test_parameters_are_objects(methods: ChatMethods, params: object) -> None:
    answer = await methods.answer({"id": 1, "method": "history", "params": params})
    assert answer is not None
    assert answer["error"]["code"] == "bridge.error.request"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
)
NAMES = st.sampled_from(
    ["contactId", "text", "itemId", "forEveryone", "callId", "media", "link", "limit", "before", "displayName"]
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200, deadline=None)
@given(
    method=st.sampled_from(
        ["history", "send_text", "edit_text", "delete_item", "accept", "reject", "hang_up", "invitation", "show_call"]
    ),
    params=st.dictionaries(NAMES, JSON),
)
async def test_any_parameters_are_answered(methods: ChatMethods, method: str, params: dict[str, Any]) -> None:
    answer = await methods.answer({"id": 1, "method": method, "params": params})
    assert answer is not None
    assert answer.get("error", {}).get("code") != "bridge.error.internal"
    json.dumps(answer)


async def test_a_fault_of_ours_is_told_and_logged(
    methods: ChatMethods, alice: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ValueError("a secret")

    monkeypatch.setattr(alice, "calls", broken)
    assert await refused(methods, "state") == "bridge.error.internal"
    assert "a request of the chat page failed: ValueError at " in caplog.text
    assert "test_methods.py:" in caplog.text
    assert "secret" not in caplog.text


def item(details: TextDetails | CallDetails | NoticeDetails, **more: Any) -> ChatItem:
    return ChatItem(5, 1, Direction.RECEIVED, details, NOON, sent_at=NOON, **more)


def test_items_of_every_kind() -> None:
    call = item_json(item(CallDetails(CallMedia.AUDIO, CallStatus.ENDED, 61)))
    assert call.items() >= {"kind": "call", "media": "audio", "status": "ended", "duration": 61}.items()
    notice = item_json(item(NoticeDetails(Notice.MESSAGES_LOST, 4)))
    assert notice.items() >= {"kind": "notice", "notice": "messages-lost", "count": 4, "text": ""}.items()
    received = item_json(item(TextDetails("hi", edited=True)))
    assert received.items() >= {"kind": "text", "createdAt": NOON_MS, "sentAt": NOON_MS, "edited": True}.items()


def test_previews_are_told_where_they_are_shown() -> None:
    picture = item(TextDetails("", ContentType.IMAGE, preview="data:image/png;base64,AAAA"))
    assert item_json(picture)["preview"] == "data:image/png;base64,AAAA"
    contact = Contact(1, "Bob", "", ContactStatus.CONNECTED, NOON)
    assert contact_json(contact, picture)["lastItem"] == item_json(picture) | {"preview": None}
    call = item(CallDetails(CallMedia.AUDIO, CallStatus.ENDED, 61))
    assert contact_json(contact, call)["lastItem"] == item_json(call)


def test_every_method_is_described(methods: ChatMethods) -> None:
    described = set(re.findall(r"^``(\w+)``", methods_module.__doc__ or "", re.MULTILINE))
    assert set(methods.names) <= described


def test_a_contact_that_failed() -> None:
    contact = Contact(4, "Bob", "", ContactStatus.FAILED, NOON, failure=next(iter(FailureReason)))
    told = contact_json(contact, None)
    assert told["failure"] == next(iter(FailureReason)).value
    assert (told["isConnected"], told["lastItem"], told["createdAt"]) == (False, None, NOON_MS)


async def test_events(methods: ChatMethods, alice: Client, bob: Client, agents: Agents) -> None:
    events = alice.events()
    bob.send_text(1, "hello")
    agents.wire.run()
    seen: list[Event] = [await anext(events), await anext(events)]
    assert isinstance(seen[1], MessageReceived)
    told = [methods.event(event) for event in seen]
    assert told[0] is not None
    assert (told[0]["event"], told[0]["item"]["text"]) == ("item", "hello")
    # the item has told it already
    assert told[1] is None
    alice.confirm_ip_exposure(1)
    call = await alice.start_call(1, "audio")
    assert methods.event(CallChanged(call)) == {
        "event": "call",
        "call": (await done(methods, "hang_up", callId=call.id))
        | {"state": "calling", "isActive": True}
        | dict.fromkeys(("endedAt", "endReason")),
    }
    others: list[tuple[Event, dict[str, Any] | None]] = [
        (ItemRemoved(1, 2), {"event": "item_removed", "contactId": 1, "itemId": 2}),
        (HistoryCleared(1), {"event": "history_cleared", "contactId": 1}),
        (ContactTakenElsewhere(1), {"event": "contact_taken", "contactId": 1}),
        (ServerConnected("host", (1,)), {"event": "server", "server": "host", "isConnected": True}),
        (ServerDisconnected("host", (1,)), {"event": "server", "server": "host", "isConnected": False}),
        (PageWanted("x"), None),
    ]
    for event, expected in others:
        assert methods.event(event) == expected


async def test_who_has_just_connected_can_be_written_to(
    methods: ChatMethods, alice: Client, agents: Agents, tmp_path: Path
) -> None:
    events = alice.events()
    link = str(await alice.create_invitation())
    async with Client(tmp_path / "carol", "Carol", [SERVER], agent=agents, key=PLAIN) as carol:
        await carol.connect(link)
        agents.wire.run()
    events.close()
    told = [methods.event(event) async for event in events]
    # of the events that carry the contact, the last one is what the page goes on with
    last = [message for message in told if message is not None and "contact" in message][-1]
    assert last["event"] == "contact_connected"
    assert (last["contact"]["name"], last["contact"]["isConnected"]) == ("Carol", True)
