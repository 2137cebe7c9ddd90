"""What one contact may ask of us in a while."""

from __future__ import annotations

import json

from simplex_calls.agent.events import MessageRejected, RejectionReason
from simplex_calls.chat.limits import ENTRIES, ENTRY_LENGTH, Allowance, Rate
from tests.chat.conftest import Friends


def test_so_many_at_once_and_again_with_time() -> None:
    now = 0.0
    allowance = Allowance(Rate(3, 60.0), lambda: now)
    assert [allowance.take(1) for _ in range(5)] == [True, True, True, False, False]
    now = 19.0
    assert not allowance.take(1)
    now = 20.0
    assert allowance.take(1)
    assert not allowance.take(1)
    now = 10_000.0
    assert [allowance.take(1) for _ in range(4)] == [True, True, True, False]


def test_nobody_pays_for_another() -> None:
    allowance = Allowance(Rate(1, 60.0), lambda: 0.0)
    assert allowance.take(1)
    assert not allowance.take(1)
    assert allowance.take(2)
    allowance.forget(1)
    assert allowance.take(1)


def test_what_was_too_much_is_earned_with_time() -> None:
    now = 0.0
    allowance = Allowance(Rate(10, 60.0), lambda: now)
    assert allowance.spend(1, 10.0) == 0.0
    assert allowance.spend(1, 2.0) == 12.0
    assert allowance.spend(2, 1.0) == 0.0
    now = 6.0
    assert allowance.spend(1, 0.0) == 6.0
    now = 12.0
    assert allowance.spend(1, 0.5) == 3.0
    now = 10_000.0
    assert allowance.spend(1, 11.0) == 6.0


def texts(count: int, words: str = "x") -> bytes:
    message = {"event": "x.msg.new", "params": {"content": {"type": "text", "text": words}}}
    return json.dumps([message] * count).encode()


async def test_who_adds_too_much_is_slowed_down(friends: Friends) -> None:
    slowed = friends.alice.agent.slowed
    for _ in range(ENTRIES.count // 200):
        friends.to_alice(texts(200))
    assert slowed == []
    connection_id = friends.alice.chat.contact(friends.bob_id).connection_id
    assert connection_id is not None
    for number in range(1, 4):
        friends.to_alice(texts(10))
        assert len(slowed) == number
    assert [id_ for id_, _ in slowed] == [connection_id] * 3
    assert 17.0 < slowed[-1][1] <= 18.0
    # a long text counts for what it takes, and what cannot be read counts, too
    friends.to_alice(texts(1, "x" * 3 * ENTRY_LENGTH))
    friends.alice.agent.tell(MessageRejected(connection_id, RejectionReason.MALFORMED))
    assert 20.0 < slowed[-1][1] <= 21.0
    # what is ours counts for nobody
    friends.alice.chat.send_text(friends.bob_id, "hello")
    friends.wire.run()
    assert len(slowed) == 5
    assert len(friends.alice.chat.history(friends.bob_id, limit=1_000)) == 1_000


async def test_nothing_of_a_message_counts_after_the_farewell_in_it(friends: Friends) -> None:
    farewell = b'{"event":"x.direct.del","params":{}}'
    friends.to_alice(b"[" + texts(1)[1:-1] + b"," + farewell + b"," + texts(5)[1:])
    assert not friends.alice.chat.contact(friends.bob_id).is_connected
    # the text, and the notice of the farewell
    assert len(friends.alice.chat.history(friends.bob_id)) == 2
