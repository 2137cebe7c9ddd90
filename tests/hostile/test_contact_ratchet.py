"""Attacks on the ratchet, over a live connection."""

from __future__ import annotations

import random
from dataclasses import replace

from simplex_calls.agent import envelopes, ratchet
from simplex_calls.agent.events import MessageReceiptReceived, RatchetSync
from simplex_calls.agent.kem import KemKeys
from simplex_calls.agent.ratchet_message import Message, _counted
from simplex_calls.agent.resynchronizing import MAX_KEYS
from simplex_calls.agent.x3dh import E2EParams, E2EPrivateKeys
from simplex_calls.crypto import X448PrivateKey, X448PublicKey, aead_encrypt, pad
from simplex_calls.smp.encoding import large, public_key, word16, word32
from tests.agent.pooled_kem import PooledKem
from tests.hostile.contact import Mallory, Meeting, text

LOW_ORDER = [X448PublicKey(raw) for raw in (bytes(56), b"\1" + bytes(55), b"\xff" * 28 + b"\xfe" + b"\xff" * 27)]
"""Points that lead to an all-zero secret whatever they are multiplied with."""


def crafted(
    mallory: Mallory,
    *,
    version: int = 3,
    max_version: int = 3,
    key: X448PublicKey | None = None,
    kem: bytes | None = None,
    previous: int | None = None,
    number: int | None = None,
    turn: bool = False,
    body: bytes = b"",
) -> bytes:
    """A ratchet message with any header, under the header key of Mallory's chain, or of her next one (``turn``)."""
    state = mallory.ratchet
    assert state.sending is not None
    header_key = state.next_sending_header_key if turn else state.sending.header_key
    key = state.own_public_key if key is None else key
    previous = state.previously_sent if previous is None else previous
    if kem is None:
        kem = b"0" if state.kem is None else b"1" + state.kem.params.encode()
    numbers = word32(previous) + word32(state.sent if number is None else number)
    header = word16(max_version) + public_key(key) + (kem if version >= 3 else b"") + numbers
    sealed, tag = aead_encrypt(header_key, bytes(16), state.associated_data, pad(header, 2310))
    head = word16(version) + bytes(16) + tag + _counted(3, sealed)
    _, message_key, _ = ratchet._chain_step(state.sending.chain_key)
    padded = pad(body, 13_000)
    content, body_tag = aead_encrypt(message_key.key, message_key.iv, state.associated_data + head, padded)
    return Message(3, head, body_tag, content).encode()


def sync(met: Meeting) -> RatchetSync:
    return met.alice.client.details(met.mallory_id).ratchet_sync


async def turned(met: Meeting) -> None:
    """Mallory gets a receipt, so that her ratchet turns with the next message."""
    mallory = met.mallory
    before = sum(isinstance(event, MessageReceiptReceived) for event in mallory.events)
    mallory.agent.send(mallory.connection_id, text("please confirm"))
    await mallory.until(lambda: sum(isinstance(event, MessageReceiptReceived) for event in mallory.events) > before)


async def test_more_skipped_than_a_ratchet_allows(met: Meeting) -> None:
    before = met.mallory.ratchet
    met.mallory.skip(ratchet.MAX_SKIPPED_IN_STEP + 1)
    for _ in range(5):
        await met.mallory.say(text("from the future"))
    for number in (2**32 - 1, 2**31, 10_000):
        await met.mallory.enveloped(crafted(met.mallory, number=number))
        await met.mallory.enveloped(crafted(met.mallory, turn=True, number=number, previous=number))
    await met.alice.until(lambda: met.notices().get("unreadable") == 11)
    assert sync(met) is RatchetSync.REQUIRED
    assert met.rows("skipped_keys") == 0
    # one message that is what it should be, and all is well
    met.mallory.ratchet = before
    await met.mallory_is_read()
    assert sync(met) is RatchetSync.OK
    assert len(met.history()) < 5


async def test_skipping_over_many_turns_fills_nothing(met: Meeting) -> None:
    size = met.size
    for _ in range(6):
        met.mallory.skip(ratchet.MAX_SKIPPED_IN_STEP - 2)
        await turned(met)
    assert ratchet.MAX_SKIPPED_STORED - 1024 < met.rows("skipped_keys") <= ratchet.MAX_SKIPPED_STORED
    assert met.size - size < 1 << 20
    # a message of no chain is tried with each of them
    unread = crafted(met.mallory)
    await met.mallory.enveloped(unread[:-1] + bytes((unread[-1] ^ 1,)))
    met.mallory.ratchet = replace(met.mallory.ratchet, next_sending_header_key=bytes(32))
    await met.mallory.enveloped(crafted(met.mallory, turn=True))
    await met.mallory_is_read()


async def test_old_messages_again(met: Meeting) -> None:
    sealed = [met.mallory.encrypted(met.mallory.numbered(envelopes.AMsg(text(f"{n}")))) for n in range(5)]
    for _ in range(10):
        for message in sealed:
            await met.mallory.enveloped(message)
    # the same message, written in another way, and others that came later in between
    await met.mallory.enveloped(sealed[4][1:] if sealed[4][0] == 0 else sealed[4])
    await met.mallory_is_read()
    assert met.texts() == ["0", "1", "2", "3", "4", "from Mallory 1"]
    assert met.alice.client.contact(met.mallory_id).unread == 6


async def test_changed_bits(met: Meeting) -> None:
    choose = random.Random(0)
    sealed = met.mallory.encrypted(met.mallory.numbered(envelopes.AMsg(text("whole"))))
    places = [*range(40), *(choose.randrange(len(sealed)) for _ in range(20))]
    for place in places:
        changed = bytearray(sealed)
        changed[place] ^= 1 << choose.randrange(8)
        await met.mallory.enveloped(bytes(changed))
    for cut in (0, 1, 2, 40, 200, len(sealed) - 1):
        await met.mallory.enveloped(sealed[:cut])
    await met.mallory.enveloped(sealed + b"\0")
    await met.mallory.enveloped(sealed)
    await met.alice.until(lambda: "whole" in met.texts())
    await met.mallory_is_read()
    # whatever failed is one notice that counts
    assert len(met.history()) == 3
    assert sync(met) is RatchetSync.OK


async def test_versions(met: Meeting) -> None:
    details = met.alice.client._agent.connection_details  # type: ignore[union-attr]
    connection = met.contact.connection_id
    assert connection is not None
    for version in (0, 1, 2, 4, 0xFFFF):
        words = f"of version {version}"
        body = met.mallory.numbered(envelopes.AMsg(text(words)))
        sealed = crafted(met.mallory, version=version, max_version=version, body=body)
        # her own ratchet moves on with it
        met.mallory.skip(1)
        await met.mallory.enveloped(sealed)
        await met.mallory.enveloped(met.mallory.encrypted(met.mallory.numbered(envelopes.Hello())), version)
        await met.mallory.boxed(b"?", version=version)
        await met.mallory.boxed(word16(version) + b"?")
        await met.mallory_is_read()
        assert words in met.texts() or version < 3
    state = met.alice.client._agent._store.ratchets.ratchet(connection)  # type: ignore[union-attr]
    assert state is not None
    # neither down nor up to what nobody speaks
    assert (state.version, details(connection).agent_version) == (3, 7)


async def test_unsafe_ratchet_keys(met: Meeting) -> None:
    for key in LOW_ORDER[:2]:
        await met.mallory.enveloped(crafted(met.mallory, turn=True, key=key, number=0))
        await met.mallory.enveloped(crafted(met.mallory, key=key))
    await met.mallory_is_read()
    assert sync(met) is RatchetSync.OK


async def test_kem_keys_of_another_state_and_of_no_size(met: Meeting) -> None:
    source = PooledKem()
    own = KemKeys.propose(source)
    other = KemKeys.accept(source, own.own.public)
    assert other.accepted is not None
    proposed, accepted = own.params.encode(), other.params.encode()
    kinds = [
        proposed,
        accepted,
        b"P" + large(b""),
        b"P" + large(bytes(1157)),
        b"A" + large(bytes(1039)) * 2,
        b"X",
        b"P",
    ]
    await turned(met)
    for kem in kinds:
        for turn in (True, False):
            await met.mallory.enveloped(crafted(met.mallory, kem=b"1" + kem[:2200], turn=turn, number=0))
    await met.mallory.enveloped(crafted(met.mallory, kem=b"2"))
    await met.mallory_is_read()
    assert sync(met) is RatchetSync.OK


def keys_of(*, key1: X448PublicKey | None = None, key2: X448PublicKey | None = None, version: int = 3) -> E2EParams:
    public = E2EPrivateKeys(X448PrivateKey.generate(), X448PrivateKey.generate()).public_at(version)
    return replace(public, key1=key1 or public.key1, key2=key2 or public.key2)


async def renew(mallory: Mallory, keys: E2EParams) -> None:
    await mallory.boxed(envelopes.encode_envelope(envelopes.AgentRatchetKey(7, keys, b"")))


async def test_new_keys_without_end(met: Meeting) -> None:
    mallory = met.mallory
    # she does not answer Alice's
    mallory.agent._resync.their_keys = lambda *_: None  # type: ignore[method-assign]
    for _ in range(MAX_KEYS + 30):
        await renew(mallory, keys_of())
    await met.alice.until(lambda: met.notices().get("code-changed") == MAX_KEYS)
    # the way back is kept
    await met.bob_reaches_alice()
    assert len(met.history()) == 1
    assert met.rows("ratchet_key_hashes") == MAX_KEYS


async def test_new_keys_that_are_not_safe(met: Meeting) -> None:
    before = met.alice.client.details(met.mallory_id).security_code
    for low in LOW_ORDER[:2]:
        await renew(met.mallory, keys_of(key1=low))
        await renew(met.mallory, keys_of(key2=low))
    for version in (0, 1, 4, 0xFFFF):
        await renew(met.mallory, keys_of(version=version))
    await met.mallory_is_read()
    details = met.alice.client.details(met.mallory_id)
    assert (details.security_code, details.ratchet_sync) == (before, RatchetSync.OK)
    # those that are not safe are told as what cannot be read; nothing was made for them
    assert met.notices() == {"unreadable": 4}
    assert met.rows("resync_keys") == 0
