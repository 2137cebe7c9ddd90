"""Whatever a contact's app sends, in whatever order, is processed, and call entries and own texts stay as they are."""

from __future__ import annotations

import asyncio

from hypothesis import given, settings
from hypothesis import strategies as st

from simplex_calls.chat.batch import decode_body
from simplex_calls.chat.history import CallDetails, CallStatus, ChatItem, Direction, ItemKind
from simplex_calls.chat.messages import CallMedia, DeleteMessage, UpdateMessage, encode_message
from tests.chat.fake_agent import Person, Wire, befriend
from tests.chat.test_messages import MESSAGES

BODIES = MESSAGES.map(encode_message) | st.lists(MESSAGES.map(encode_message), max_size=4).map(
    lambda bodies: b"[" + b",".join(bodies) + b"]"
)
_IDS = st.sampled_from([(n).to_bytes(12, "big") for n in range(1, 5)])


def of_few_ids(body: bytes, target: bytes) -> bytes:
    """The same message about ids that are in use."""
    (message,) = decode_body(body)
    assert not isinstance(message, Exception)
    event = message.event
    if isinstance(event, UpdateMessage):
        event = UpdateMessage(target, event.content)
    elif isinstance(event, DeleteMessage):
        event = DeleteMessage(target)
    return encode_message(type(message)(event, target))


MESSAGES_OF_FEW_IDS = st.builds(of_few_ids, MESSAGES.map(encode_message), _IDS)


def ours(items: list[ChatItem]) -> list[ChatItem]:
    return [item for item in items if item.kind is ItemKind.CALL or item.direction is Direction.SENT]


@settings(deadline=None, max_examples=60)
@given(st.lists(BODIES | MESSAGES_OF_FEW_IDS | st.binary(max_size=50), max_size=12))
def test_any_messages(bodies: list[bytes]) -> None:
    async def run() -> None:
        wire = Wire()
        alice = Person(wire, "alice")
        bob_id, _ = await befriend(wire, alice, Person(wire, "bob"))
        connection_id = alice.chat.contact(bob_id).connection_id
        assert connection_id is not None
        alice.chat.send_text(bob_id, "ours")
        alice.chat.put_call_item(bob_id, Direction.RECEIVED, CallDetails(CallMedia.AUDIO, CallStatus.MISSED))
        before = ours(alice.chat.history(bob_id))
        for body in bodies:
            assert alice.agent.receive(connection_id, body)
        await asyncio.sleep(0)
        items = alice.chat.history(bob_id, limit=1000)
        assert ours(items) == before
        assert [item.id for item in items] == sorted({item.id for item in items})
        assert alice.chat.contact(bob_id).name
        await alice.chat.stop()

    asyncio.run(run())
