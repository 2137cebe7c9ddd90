"""Attacks on the messages of the agents: numbers, hashes, receipts, queues; over a live connection."""

from __future__ import annotations

import itertools

import pytest

from simplex_calls.agent import envelopes, outgoing
from simplex_calls.agent.envelopes import AMsg, Receipt, Receipts
from simplex_calls.agent.events import MessageReceived
from simplex_calls.agent.queue_address import QueueAddress, QueueInfo, QueueUri
from simplex_calls.agent.rotating import MOST_QUEUES
from simplex_calls.agent.x3dh import E2EPrivateKeys
from simplex_calls.client import Delivery
from simplex_calls.crypto import Ed25519PrivateKey, X25519PrivateKey, X25519PublicKey
from simplex_calls.smp.address import ServerAddress
from simplex_calls.smp.commands import QueueMode
from simplex_calls.smp.encoding import VersionRange, int64, short
from tests.hostile.contact import Meeting, chat, profile, text

INT64 = 2**63


async def test_numbers_and_hashes_that_follow_nothing(met: Meeting) -> None:
    mallory = met.mallory
    numbers = [0, -1, -INT64, INT64 - 1, INT64 - 1, 1, 2, 2**31, 2**32, 5]
    for number in numbers:
        await mallory.say(text(f"n{number}"), number=number)
    for previous in (b"", b"short", bytes(32), bytes(255)):
        await mallory.say(text(f"h{len(previous)}"), previous=previous)
    await met.mallory_is_read()
    # all were read, and the user is told that something is wrong
    texts = met.texts()
    assert texts[: len(numbers)] == [f"n{number}" for number in numbers]
    assert set(met.notices()) == {"out-of-step", "messages-lost"}
    assert met.notices()["messages-lost"] < len(numbers) << 31
    # from here on the chain is whole again
    before = met.notices()
    await met.mallory_is_read()
    assert met.notices() == before


async def test_kinds_that_nobody_knows_or_that_are_broken(met: Meeting) -> None:
    mallory = met.mallory
    connection = mallory.connection
    head = b"M" + int64(connection.sent_number + 1) + short(connection.sent_hash)
    broken = [b"", b"?", b"M", b"I" + b"x", b"D\0", b"D\1", b"R", b"M" + bytes(8), head, head + b"Q", head + b"V\0"]
    broken += [head + b"V\1" + bytes(7), head + b"QA\1", head + b"QC", head + b"H" + b"more", head + b"E" + bytes(7)]
    unknown = [head + tag for tag in (b"Z", b"QZ" + bytes(9_000), b"\0", b"\xff" * 9)]
    for content in broken + unknown:
        await mallory.enveloped(mallory.encrypted(content))
    for envelope in (b"", b"\0\7", b"\0\7Z", b"\0\7M", b"\0\7C0", b"\0\7C1", b"\0\7R", b"\0\7I" + bytes(9)):
        await mallory.boxed(envelope)
    await mallory.deliver(b"")
    await mallory.deliver(b"\0\4" + b"0" + bytes(24) + bytes(100))
    await met.mallory_is_read()
    assert len(met.history()) <= 3


async def test_what_belongs_to_connecting_comes_again(met: Meeting) -> None:
    mallory = met.mallory
    queue = mallory.queue
    keys = E2EPrivateKeys.generate().public_at(3)
    info = chat("x.info", {"profile": profile("Somebody else")})
    reply = QueueInfo(4, queue.server, b"q" * 24, X25519PrivateKey.generate().public, QueueMode.MESSAGING)
    for e2e, message in ((keys, envelopes.ConnInfoReply((reply,), info)), (None, envelopes.ConnInfo(info))):
        for dh_key in (None, queue.e2e_public, X25519PrivateKey.generate().public, X25519PublicKey(bytes(32))):
            sealed = mallory.encrypted(envelopes.encode_message(message))
            envelope = envelopes.encode_envelope(envelopes.AgentConfirmation(7, e2e, sealed[:13_000]))
            await mallory.boxed(envelope, dh_key=dh_key)
            await mallory.boxed(envelope, dh_key=dh_key, sender_key=Ed25519PrivateKey.generate().public)
    await mallory.say(text("with a key"), number=7)
    for _ in range(20):
        await mallory.message(envelopes.Hello())
        await mallory.message(envelopes.RatchetReady(-1))
    await met.mallory_is_read()
    assert met.contact.name == "Mallory"
    assert met.contact.is_connected
    assert len(met.alice.client.contacts()) == 2


async def test_receipts_of_anything(met: Meeting) -> None:
    mallory = met.mallory
    item = met.alice.client.send_text(met.mallory_id, "to be confirmed")
    await mallory.until(lambda: any(b"to be confirmed" in body for body in mallory.bodies))
    numbers = [-1, 0, INT64 - 1, -INT64, *range(1, 40)]
    wrong = [Receipt(number, hash_) for number in numbers for hash_ in (bytes(32), b"", b"x" * 255)]
    for number in range(0, len(wrong), 60):
        await mallory.message(Receipts(tuple(wrong[number : number + 60])))
    # of receipts, by their numbers in Alice's chain
    await mallory.say(text("confirm"))
    await mallory.message(Receipts(tuple(Receipt(number, bytes(32), b"i" * 9) for number in range(40))))
    await met.mallory_is_read()
    (found,) = [found for found in met.history() if found.id == item.id]
    assert found.delivery is Delivery.SENT
    assert len([event for event in mallory.events if isinstance(event, MessageReceived)]) == 1


async def test_who_does_not_read_does_not_fill_our_outbox(met: Meeting, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every text is answered by a receipt, and those wait here while the queue over there is full."""
    monkeypatch.setattr(outgoing, "MAX_WAITING", 20)
    mallory, old = met.mallory, own(met)
    mallory.agent._acknowledging.start = lambda *_: None  # type: ignore[method-assign]
    for number in range(160):
        await mallory.say(text(str(number)))
    for number in range(1, 10):
        await mallory.message(envelopes.QueueAdd(((added(number), old),)))
        await mallory.message(envelopes.QueueContinue(old))
    await met.mallory_is_read()
    assert met.rows("outbox") == 20
    # what the user says waits nevertheless
    met.alice.client.send_text(met.mallory_id, "are you there?")
    assert met.rows("outbox") == 21


def somewhere(number: int) -> ServerAddress:
    return ServerAddress((f"smp{number}.example.com",), None, number.to_bytes(32, "big"))


def own(met: Meeting) -> QueueAddress:
    """Mallory's queue, which Alice sends to."""
    mallory = met.mallory
    (queue,) = mallory.agent._store.queues.rcv_queues(mallory.connection_id)
    return QueueAddress(queue.server, queue.sender_id)


def added(number: int, *, key: X25519PublicKey | None = None, mode: QueueMode | None = QueueMode.MESSAGING) -> QueueUri:
    key = X25519PrivateKey.generate().public if key is None else key
    return QueueUri(VersionRange(4, 4), somewhere(number), number.to_bytes(24, "big"), key, mode)


async def test_queues_without_end(met: Meeting) -> None:
    mallory, old = met.mallory, own(met)
    # she does not answer
    for number in range(1, 30):
        await mallory.message(envelopes.QueueAdd(((added(number), old),)))
    await mallory.message(envelopes.QueueAdd(tuple((added(number), old) for number in range(100, 150))))
    await met.mallory_is_read()
    assert met.rows("snd_queues") <= 1 + MOST_QUEUES
    met.alice.client.send_text(met.mallory_id, "still there")
    await mallory.until(lambda: any(b"still there" in body for body in mallory.bodies))


async def test_queues_in_no_order_and_of_nobody(met: Meeting) -> None:
    mallory, old = met.mallory, own(met)
    strange = QueueAddress(somewhere(1), b"s" * 24)
    info = added(1).at(4)
    key = Ed25519PrivateKey.generate().public
    bodies: list[envelopes.MessageBody] = [
        envelopes.QueueUse(((old, True),)),
        envelopes.QueueUse(((strange, False), (old, True))),
        envelopes.QueueKeys(((info, key),)),
        envelopes.QueueTest((old,)),
        envelopes.QueueTest((strange,) * 40),
        envelopes.QueueContinue(old),
        envelopes.QueueContinue(strange),
        envelopes.QueueAdd(((added(1), None),)),
        envelopes.QueueAdd(((added(2), strange),)),
        envelopes.QueueAdd(((added(3, key=X25519PublicKey(bytes(32))), old),)),
        envelopes.QueueAdd(((added(4, mode=QueueMode.CONTACT), old),)),
        envelopes.QueueAdd(((QueueUri(VersionRange(9, 12), somewhere(5), b"q", info.dh_key, None), old),)),
        envelopes.QueueAdd(((QueueUri(VersionRange(1, 4), old.server, old.sender_id, info.dh_key, None), old),)),
    ]
    for body in bodies * 3:
        await mallory.message(body)
    await met.mallory_is_read()
    assert met.rows("snd_queues") == 2
    met.alice.client.send_text(met.mallory_id, "still there")
    await mallory.until(lambda: any(b"still there" in body for body in mallory.bodies))


async def test_a_queue_where_nobody_is(met: Meeting) -> None:
    """Alice is sent away to a server that does not exist, and from there to others."""
    mallory = met.mallory
    replaced = own(met)
    for number in itertools.chain(range(1, 20), [1, 2]):
        uri = added(number)
        await mallory.message(envelopes.QueueAdd(((uri, replaced),)))
        await mallory.message(envelopes.QueueUse(((uri.address, True),)))
        replaced = uri.address
    await met.mallory_is_read()
    assert met.rows("snd_queues") <= 1 + MOST_QUEUES
    # Bob's queues are his own
    await met.bob_reaches_alice()


async def test_queue_floods(met: Meeting) -> None:
    mallory, old = met.mallory, own(met)
    for _ in range(40):
        await mallory.message(envelopes.QueueContinue(old))
    await met.bob_reaches_alice()
    await met.mallory_is_read()
    assert met.rows("outbox") <= 1


async def test_integrity_is_told_without_end_but_not_shown_so(met: Meeting) -> None:
    """Every text after a damaged message: two entries each, as long as that is allowed."""
    mallory = met.mallory
    for number in range(15):
        await mallory.enveloped(b"damaged")
        await mallory.message(AMsg(text(str(number))))
    await met.mallory_is_read()
    assert met.texts()[:15] == [str(number) for number in range(15)]
