"""Attacks with messages of the chat protocol, over a live connection."""

from __future__ import annotations

import base64
import json
import struct
import time
import zlib

import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from simplex_calls.agent.agent import Agent
from simplex_calls.chat.limits import Allowance, Rate
from simplex_calls.client import CallDetails, Direction, TextDetails
from simplex_calls.events import ContactUpdated, ItemAdded
from simplex_calls.smp.encoding import base64url, large
from tests.hostile.contact import Meeting, chat, profile, text

EVENTS = [
    *("x.info", "x.contact", "x.ok", "x.direct.del", "x.msg.new", "x.msg.update", "x.msg.del", "x.msg.react"),
    *("x.msg.file.descr", "x.msg.deleted", "x.file", "x.file.acpt", "x.file.acpt.inv", "x.file.cancel", "x.info.probe"),
    *("x.grp.inv", "x.grp.acpt", "x.grp.mem.new", "x.grp.mem.inv", "x.grp.mem.fwd", "x.grp.del", "x.grp.msg.forward"),
    *("x.call.inv", "x.call.offer", "x.call.answer", "x.call.extra", "x.call.end", "x.no.such.thing"),
]
KEYS = [
    *("profile", "content", "msgId", "callId", "invitation", "offer", "answer", "extra", "rtcSession", "rtcExtraInfo"),
    *("callType", "callDhPubKey", "type", "text", "displayName", "fullName", "image", "preferences", "file", "quote"),
]
_SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30) | st.just("a" * 3_000)
_VALUES = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=5),
    max_leaves=12,
)
_PARAMS = st.dictionaries(st.sampled_from(KEYS), _VALUES, max_size=6)


def zipped(*contents: bytes) -> bytes:
    frames = (zstandard.ZstdCompressor().compress(content) for content in contents)
    return b"X" + bytes((len(contents),)) + b"".join(b"1" + large(frame) for frame in frames)


async def test_events_with_anything_in_them(met: Meeting) -> None:
    bodies: list[bytes] = []

    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(st.sampled_from([event for event in EVENTS if event != "x.direct.del"]), _PARAMS | _VALUES)
    def collect(event: str, params: object) -> None:
        body = chat(event, params)
        if len(body) < 13_000:
            bodies.append(body)

    collect()
    # and one by one with each value of a wrong type
    for event in EVENTS:
        if event != "x.direct.del":
            wrong: list[object] = [{}, [], 1, {key: [] for key in KEYS}]
            bodies += [chat(event, params) for params in wrong]
            bodies.append(chat(event, {key: dict.fromkeys(KEYS, "") for key in KEYS}))
    for start in range(0, len(bodies), 4):
        await met.mallory.say(zipped(b"[" + b",".join(bodies[start : start + 4]) + b"]"))
    await met.mallory_is_read()
    assert met.contact.is_connected
    assert len(met.history()) < len(bodies)


async def test_containers(met: Meeting) -> None:
    say = met.mallory.say
    deep = b'{"event":"x.msg.new","params":' + b'{"content":' * 1_000
    for body in (
        b"",
        b"\0",
        b"{",
        b"[" * 12_000,
        b"[" + b"]" * 12_000,
        b"[" * 6_000 + b"]" * 6_000,
        b'{"a":' * 2_000 + b"1" + b"}" * 2_000,
        deep,
        chat("x.info", {"profile": profile("Mallory", preferences=json.loads("[" * 400 + "]" * 400))}),
        b"[" + b",".join([b"{}"] * 4_000) + b"]",
        b"[" + b",".join([b"[]"] * 4_000) + b"]",
        b"1" * 12_000,
        b'{"event":"x.msg.new","params":{"content":{"type":"text","text":' + b"9" * 5_000 + b"}}}",
        b'{"v":"1-99999999999999999999","event":"x.ok","params":{}}',
        b'{"v":"9-1","event":"x.ok","params":{}}',
        b"=\xff" + b"\0\0" * 255,
        b"=\2" + large(b"=\1" + large(b"{}")) + large(b"[]"),
        b"X\0",
        b"X\1",
        b"X\xff" + b"1\0\0" * 255,
        zipped(bytes(1 << 24)),
        zipped(*[bytes(60_000)] * 40),
        zipped(zipped(zipped(text("nested")))),
        zipped(b"[" + b",".join([b"{}"] * 20_000) + b"]"),
        b"X\1" + b"1" + large(zstandard.ZstdCompressor(write_content_size=False).compress(text("no size"))),
    ):
        await say(body)
    await met.mallory_is_read()
    # what could not be read is one notice that counts
    assert len(met.history()) == 2
    # and what is fine in a batch is read, however much there is in it
    await say(zipped(b"[" + b",".join(text(f"{n}") for n in range(500)) + b"]"))
    await met.mallory_is_read()
    assert len([words for words in met.texts() if words.isdigit()]) == 255


def png(width: int, height: int) -> str:
    """A picture of one colour that is small as a file."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    pixels = zlib.compress(bytes((width // 8 + 1) * min(height, 2_000)))
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    return "data:image/png;base64," + base64.b64encode(data).decode()


async def test_profiles(met: Meeting) -> None:
    say = met.mallory.say
    fine = png(16, 16)
    await say(chat("x.info", {"profile": profile("Mallory", image=fine)}))
    await met.mallory_is_read()
    assert met.contact.image == fine
    images: list[object] = [png(20_000, 20_000), png(2_000, 2_000), "data:image/svg+xml;base64,AAAA", "javascript:1"]
    images += ["data:text/html;base64,AAAA", "data:image/png;base64," + "A" * 12_000, {}, 1, fine + "'onerror='x"]
    for image in images:
        await say(chat("x.info", {"profile": profile("Mallory", image=image)}))
        await met.mallory_is_read()
        assert met.contact.image is None
    names = ["\u202eyrollaM", "Bob", "B\u200bob", "Bob\n", "a" * 6_000, "\0", "", " \t\r\n", "\u200f" * 100, "x\x1b[2J"]
    for name in names * 3:
        await say(chat("x.info", {"profile": profile(name, fullName=name)}))
    await say(zipped(chat("x.info", {"profile": profile("n" * 60_000)})))
    await met.mallory_is_read()
    seen = [event.contact for event in met.alice.of(ContactUpdated) if event.contact.id == met.mallory_id]
    assert len(seen) >= 15
    for contact in seen:
        assert contact.name.isprintable()
        assert 0 < len(contact.name) <= 60
        assert contact.name != "Bob"
        assert "\u202e" not in contact.name + contact.full_name
    assert met.alice.client.contact(met.bob_id).name == "Bob"
    # renaming oneself again and again is told once
    assert met.notices()["renamed"] == 1


async def test_messages_of_others_and_entries_that_nobody_changes(met: Meeting) -> None:
    say = met.mallory.say
    client = met.alice.client
    own = client.send_text(met.mallory_id, "Alice's own")
    other = client.send_text(met.bob_id, "for Bob")
    await met.bob_reaches_alice()
    before = [(item.id, item.details) for item in client.history(met.bob_id)]
    await say(chat("x.call.inv", {"callId": base64url(b"c" * 16), "invitation": call_type()}))
    await say(chat("x.call.end", {"callId": base64url(b"c" * 16)}))
    await met.mallory_is_read()
    (call,) = [item for item in met.history() if isinstance(item.details, CallDetails)]
    ids = [item.message_id for item in [own, other, *client.history(met.bob_id)] if item.message_id]
    ids += [b"c" * 16, b"new" * 4, bytes(255)]
    for message_id in ids:
        shared = base64url(message_id)
        await say(chat("x.msg.del", {"msgId": shared}))
        await say(chat("x.msg.update", {"msgId": shared, "content": {"type": "text", "text": "changed"}}))
        await say(text("repeated", message_id))
        await say(chat("x.msg.del", {"msgId": shared, "memberId": shared, "scope": 7}))
    await met.mallory_is_read()
    assert [(item.id, item.details) for item in client.history(met.bob_id)] == before
    items = {item.id: item for item in met.history()}
    assert items[call.id] == call
    assert items[own.id].details == own.details
    # those that came of it are Mallory's own, and taken back
    rest = [item for item in items.values() if isinstance(item.details, TextDetails) and item.id not in (own.id,)]
    assert all(item.direction is Direction.RECEIVED for item in rest)
    assert len(rest) == len(set(ids)) + 2


def call_type() -> dict[str, object]:
    return {"callType": {"media": "audio", "capabilities": {"encryption": False}}}


async def test_nothing_follows_a_farewell(met: Meeting) -> None:
    farewell = chat("x.direct.del", {})
    invitation = chat("x.call.inv", {"callId": base64url(b"c" * 16), "invitation": call_type()})
    late = [text("late"), invitation, chat("x.info", {"profile": profile("Ghost")}), farewell]
    await met.mallory.say(b"[" + b",".join([text("before"), farewell, *late]) + b"]")
    await met.alice.until(lambda: met.contact.status.value == "gone")
    await met.bob_reaches_alice()
    assert met.texts() == ["before"]
    assert met.contact.name == "Mallory"
    assert met.alice.client.calls() == []


async def test_texts_without_end_wait_on_their_server(met: Meeting) -> None:
    """A contact who floods us fills the history slowly, loses nothing, and is in nobody's way."""
    inbox, agent = met.alice.client._chat._inbox, met.alice.client._agent
    assert isinstance(agent, Agent)
    inbox._entries = Allowance(Rate(50, 36_000.0), time.monotonic)
    size = met.size
    bodies = [b"[" + b",".join(text(f"{n} {m}") for m in range(10)) + b"]" for n in range(30)]
    for body in bodies:
        await met.mallory.say(body)
    for _ in range(3):
        await met.bob_reaches_alice()
    await met.alice.until(lambda: agent._acknowledging._not_before)
    await met.bob_reaches_alice()
    assert 40 <= len(met.texts()) <= 60
    assert met.size - size < 1 << 20
    # an hour later
    inbox._entries = Allowance(Rate(1_000, 1.0), time.monotonic)
    connection_id = met.contact.connection_id
    assert connection_id is not None
    (queue,) = agent._store.queues.rcv_queues(connection_id)
    assert queue.last_message is not None
    agent._acknowledging._not_before.clear()
    agent._acknowledging.start(queue, queue.last_message)
    await met.mallory_is_read()
    assert met.texts()[:300] == [f"{n} {m}" for n in range(30) for m in range(10)]
    assert len(met.alice.of(ItemAdded)) < 320
