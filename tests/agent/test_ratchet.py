"""The double ratchet against the official implementation's vectors, byte for byte, and what it refuses."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from simplex_calls.agent import ratchet
from simplex_calls.agent.ratchet import RatchetState, SkippedDelta, SkippedKey, SkippedKeys
from simplex_calls.agent.ratchet_state import MessageKey, StoredRatchetError
from simplex_calls.agent.x3dh import E2EParams, E2EPrivateKeys
from simplex_calls.crypto import Encapsulated, KemCiphertext, KemPrivateKey, KemPublicKey, X448PrivateKey, X448PublicKey
from tests.agent.test_x3dh import both, private_keys
from tests.vectors import simplexmq

H = bytes.fromhex
SCENARIOS = {scenario["name"]: scenario for scenario in simplexmq()["ratchet"]}
ERRORS: dict[str, type[ratchet.RatchetError]] = {
    "CERatchetDuplicateMessage": ratchet.DuplicateMessageError,
    "CERatchetHeader": ratchet.HeaderError,
}


def described(state: RatchetState) -> dict[str, Any]:
    """The state in the vectors' words."""
    sending, receiving, kem = state.sending, state.receiving, state.kem
    return {
        "ad": state.associated_data.hex(),
        "dh_self_priv": state.own_key.raw.hex(),
        "dh_self_pub": state.own_public_key.raw.hex(),
        "enable_kem": state.enables_kem,
        "kem": kem
        and {
            "accepted": kem.accepted
            and {
                "ciphertext": kem.accepted.ciphertext.raw.hex(),
                "received_pk": kem.accepted.peer_key.raw.hex(),
                "shared_secret": kem.accepted.shared.hex(),
            },
            "pk": kem.own.public.raw.hex(),
            "sk": kem.own.raw.hex(),
        },
        "max_version": state.max_version,
        "next_header_key_rcv": state.next_receiving_header_key.hex(),
        "next_header_key_snd": state.next_sending_header_key.hex(),
        "nr": state.received,
        "ns": state.sent,
        "pn": state.previously_sent,
        "rcv": receiving and {"chain_key": receiving.chain_key.hex(), "header_key": receiving.header_key.hex()},
        "rcv_kem": state.receiving_kem,
        "root_key": state.root_key.hex(),
        "snd": sending
        and {
            "chain_key": sending.chain_key.hex(),
            "dh_remote_pub": sending.peer_key.raw.hex(),
            "header_key": sending.header_key.hex(),
        },
        "snd_kem": state.sending_kem,
        "support_kem": state.supports_kem,
        "version": state.version,
    }


def described_keys(keys: SkippedKeys) -> set[tuple[str, int, str, str]]:
    return {(item.header_key.hex(), item.number, item.key.key.hex(), item.key.iv.hex()) for item in keys}


def expected_keys(items: list[dict[str, Any]]) -> set[tuple[str, int, str, str]]:
    return {(item["header_key"], item["n"], item["message_key"], item["message_iv"]) for item in items}


def fixed(data: bytes) -> Any:
    """A source of randomness that gives ``data`` once."""
    drawn = iter([data])

    def random(size: int) -> bytes:
        value = next(drawn)
        assert len(value) == size
        return value

    return random


def no_random(_size: int) -> bytes:
    raise AssertionError("randomness was drawn although the ratchet does not turn")


class RecordedKem:
    """A source of KEM keys and secrets that gives what a state of the vectors has, each once."""

    def __init__(self, stored: dict[str, Any] | None) -> None:
        self._stored, self.drawn = stored or {}, set[str]()

    def _once(self, name: str) -> dict[str, Any]:
        assert name not in self.drawn
        self.drawn.add(name)
        return self._stored

    def generate(self) -> KemPrivateKey:
        return KemPrivateKey(H(self._once("key")["sk"]))

    def encapsulate(self, peer_key: KemPublicKey) -> Encapsulated:
        accepted = self._once("secret")["accepted"]
        assert peer_key.raw == H(accepted["received_pk"])
        return Encapsulated(peer_key, KemCiphertext(H(accepted["ciphertext"])), H(accepted["shared_secret"]))


def set_up(scenario: dict[str, Any]) -> dict[str, RatchetState]:
    version, top = scenario["e2e_version"], scenario["max_version"]
    joining, inviting = both(scenario)
    ratchet_key = X448PrivateKey(H(scenario["joiner"]["initial_ratchet_key"]["priv_raw"]))
    pq = scenario["initiator_pq_support"]
    return {
        "joiner": ratchet.init_sending(joining, inviting.public_at(version), ratchet_key, top),
        "initiator": ratchet.init_receiving(inviting, joining.public_at(version), top, pq=pq),
    }


def without_keys(state: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in state.items() if key != "skipped"}


@pytest.mark.parametrize("name", SCENARIOS)
def test_official_scenario(name: str) -> None:
    scenario = SCENARIOS[name]
    states = set_up(scenario)
    skipped = {party: SkippedKeys() for party in states}
    for party, state in states.items():
        assert described(state) == without_keys(scenario[f"{party}_state0"])
    sent: dict[int, bytes] = {}
    for step in scenario["steps"]:
        party, index, state = step["party"], step["index"], states[step["party"]]
        if step["op"] == "encrypt":
            state, sent[index] = ratchet.encrypt(
                state, H(step["plaintext"]), step["padded_len"], pq=step["pq"], max_version=scenario["max_version"]
            )
            assert sent[index] == H(step["ciphertext"])
        elif "error" in step:
            with pytest.raises(ERRORS[step["error"]]):
                ratchet.decrypt(state, skipped[party], sent[index], no_random, RecordedKem(None))
        else:
            after = step["state_after"]
            turns = H(after["dh_self_priv"]) != state.own_key.raw
            random = fixed(H(after["dh_self_priv"])) if turns else no_random
            kem = RecordedKem(after["kem"] if turns else None)
            result = ratchet.decrypt(state, skipped[party], sent[index], random, kem)
            assert result.plaintext == H(step["plaintext"])
            state, skipped[party] = result.state, skipped[party].applied(result.skipped_delta)
            assert not turns or ("key" in kem.drawn) == (state.kem is not None)
        if "state_after" in step:
            assert described(state) == without_keys(step["state_after"])
            assert described_keys(skipped[party]) == expected_keys(step["state_after"]["skipped"])
        states[party] = RatchetState.from_bytes(state.to_bytes())
        assert states[party] == state


def pair() -> tuple[RatchetState, RatchetState]:
    """Two ratchets that have exchanged one message each way: (joiner, initiator)."""
    states = set_up(SCENARIOS["v2 (no PQ)"])
    joiner, confirmation = ratchet.encrypt(states["joiner"], b"confirmation", 200)
    initiator = ratchet.decrypt(states["initiator"], SkippedKeys(), confirmation, fixed(b"\x01" * 56)).state
    initiator, answer = ratchet.encrypt(initiator, b"answer", 200)
    return ratchet.decrypt(joiner, SkippedKeys(), answer, fixed(b"\x02" * 56)).state, initiator


def skip(state: RatchetState, count: int) -> RatchetState:
    """Send ``count`` messages that are lost."""
    for _ in range(count):
        state, _ = ratchet.encrypt(state, b"", 2)
    return state


def test_the_initiator_cannot_send_first() -> None:
    with pytest.raises(ratchet.NotReadyError, match="nothing was received"):
        ratchet.encrypt(set_up(SCENARIOS["v2 (no PQ)"])["initiator"], b"", 100)


def test_a_message_that_does_not_fit_is_refused() -> None:
    joiner, _ = pair()
    ratchet.encrypt(joiner, b"x" * 98, 100)
    with pytest.raises(ratchet.PlaintextTooLongError, match="99 bytes do not fit into 98"):
        ratchet.encrypt(joiner, b"x" * 99, 100)


def test_the_limit_of_skipped_messages() -> None:
    joiner, initiator = pair()
    _, message = ratchet.encrypt(skip(joiner, ratchet.MAX_SKIPPED_IN_STEP), b"at the limit", 100)
    result = ratchet.decrypt(initiator, SkippedKeys(), message, fixed(b"\x03" * 56))
    assert result.plaintext == b"at the limit"
    assert [key.number for key in result.skipped_delta.added] == list(range(ratchet.MAX_SKIPPED_IN_STEP))
    _, message = ratchet.encrypt(skip(joiner, ratchet.MAX_SKIPPED_IN_STEP + 1), b"beyond", 100)
    with pytest.raises(ratchet.TooManySkippedError) as caught:
        ratchet.decrypt(initiator, SkippedKeys(), message, no_random)
    assert caught.value.count == ratchet.MAX_SKIPPED_IN_STEP + 1


@pytest.mark.parametrize("ends_chain", [False, True])
def test_too_many_skipped_are_refused_without_computing(*, ends_chain: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    joiner, initiator = pair()
    joiner, first = ratchet.encrypt(joiner, b"first", 100)
    initiator = ratchet.decrypt(initiator, SkippedKeys(), first, fixed(b"\x03" * 56)).state
    if ends_chain:
        # the peer lies about how many messages its last chain had
        initiator, answer = ratchet.encrypt(initiator, b"answer", 100)
        joiner = ratchet.decrypt(joiner, SkippedKeys(), answer, fixed(b"\x04" * 56)).state
        joiner = replace(joiner, previously_sent=0xFFFFFFFF)
    else:
        joiner = replace(joiner, sent=0xFFFFFFFE)
    _, message = ratchet.encrypt(joiner, b"far away", 100)
    computed: list[bytes] = []
    monkeypatch.setattr(ratchet, "_chain_step", computed.append)
    monkeypatch.setattr(ratchet, "_root_step", lambda *keys: computed.append(keys[0]))
    with pytest.raises(ratchet.TooManySkippedError):
        ratchet.decrypt(initiator, SkippedKeys(), message, no_random)
    assert computed == []


def test_a_peer_that_takes_messages_back_is_refused() -> None:
    joiner, initiator = pair()
    for _ in range(3):
        joiner, message = ratchet.encrypt(joiner, b"text", 100)
        initiator = ratchet.decrypt(initiator, SkippedKeys(), message, lambda size: b"\x03" * size).state
    initiator, answer = ratchet.encrypt(initiator, b"answer", 100)
    joiner = ratchet.decrypt(joiner, SkippedKeys(), answer, fixed(b"\x04" * 56)).state
    for claimed in range(3):
        _, message = ratchet.encrypt(replace(joiner, previously_sent=claimed), b"text", 100)
        with pytest.raises(ratchet.HeaderError, match="ended a chain"):
            ratchet.decrypt(initiator, SkippedKeys(), message, no_random)
    _, message = ratchet.encrypt(joiner, b"text", 100)
    assert ratchet.decrypt(initiator, SkippedKeys(), message, fixed(b"\x05" * 56)).plaintext == b"text"


def test_a_changed_message_leaves_no_trace() -> None:
    joiner, initiator = pair()
    joiner, lost = ratchet.encrypt(joiner, b"late", 100)
    joiner, message = ratchet.encrypt(joiner, b"text", 100)
    for position in range(len(message)):
        changed = bytearray(message)
        changed[position] ^= 0x40
        with pytest.raises(ratchet.RatchetError):
            ratchet.decrypt(initiator, SkippedKeys(), bytes(changed), lambda size: b"\x05" * size)
    with pytest.raises(ratchet.MessageError):
        ratchet.decrypt(initiator, SkippedKeys(), message[:-1] + bytes((message[-1] ^ 1,)), lambda size: b"\x05" * size)
    result = ratchet.decrypt(initiator, SkippedKeys(), message, fixed(b"\x05" * 56))
    kept = SkippedKeys().applied(result.skipped_delta)
    # the same for a message whose key waits: the key stays until the true message comes
    with pytest.raises(ratchet.MessageError):
        ratchet.decrypt(result.state, kept, lost[:-1] + bytes((lost[-1] ^ 1,)), no_random)
    assert ratchet.decrypt(result.state, kept, lost, no_random).plaintext == b"late"


def test_duplicates_and_earlier_messages() -> None:
    joiner, initiator = pair()
    messages = []
    for text in (b"0", b"1", b"2"):
        joiner, message = ratchet.encrypt(joiner, text, 100)
        messages.append(message)
    skipped = SkippedKeys()
    for message in (messages[0], messages[2]):
        result = ratchet.decrypt(initiator, skipped, message, lambda size: b"\x06" * size)
        initiator, skipped = result.state, skipped.applied(result.skipped_delta)
    with pytest.raises(ratchet.DuplicateMessageError):
        ratchet.decrypt(initiator, skipped, messages[2], no_random)
    with pytest.raises(ratchet.EarlierMessageError):
        ratchet.decrypt(initiator, skipped, messages[0], no_random)
    # after the next turn the chain is known by the key that is still missing
    initiator, answer = ratchet.encrypt(initiator, b"answer", 100)
    joiner = ratchet.decrypt(joiner, SkippedKeys(), answer, lambda size: b"\x07" * size).state
    joiner, message = ratchet.encrypt(joiner, b"3", 100)
    initiator = ratchet.decrypt(initiator, skipped, message, lambda size: b"\x08" * size).state
    with pytest.raises(ratchet.EarlierMessageError):
        ratchet.decrypt(initiator, skipped, messages[0], no_random)
    assert ratchet.decrypt(initiator, skipped, messages[1], no_random).plaintext == b"1"


def test_the_oldest_of_too_many_stored_keys_go_first() -> None:
    joiner, initiator = pair()
    kept = SkippedKeys(
        SkippedKey(b"h" * 32, number, MessageKey(bytes(32), bytes(16))) for number in range(ratchet.MAX_SKIPPED_STORED)
    )
    _, message = ratchet.encrypt(skip(joiner, 3), b"text", 100)
    delta = ratchet.decrypt(initiator, kept, message, fixed(b"\x09" * 56)).skipped_delta
    assert delta.removed == tuple((b"h" * 32, number) for number in range(3))
    after = kept.applied(delta)
    assert len(after) == ratchet.MAX_SKIPPED_STORED
    assert [item.number for item in after][-4:] == [ratchet.MAX_SKIPPED_STORED - 1, 0, 1, 2]
    # rows of a table, in order, give the same keys
    assert SkippedKeys(list(after)) == after


def test_a_peer_key_of_low_order_is_refused() -> None:
    joiner, initiator = pair()
    _, message = ratchet.encrypt(replace(joiner, own_public_key=X448PublicKey(bytes(56))), b"text", 100)
    with pytest.raises(ratchet.UnsupportedRatchetError, match="not safe"):
        ratchet.decrypt(initiator, SkippedKeys(), message, lambda size: b"\x0a" * size)
    own, bad = E2EPrivateKeys.generate(), X448PublicKey(bytes(56))
    with pytest.raises(ratchet.UnsupportedRatchetError, match="not safe"):
        ratchet.init_receiving(own, E2EParams(2, bad, bad))
    with pytest.raises(ratchet.UnsupportedRatchetError, match="not safe"):
        ratchet.init_sending(own, E2EParams(2, bad, bad), X448PrivateKey.generate())


def test_the_version_stays_at_what_was_agreed() -> None:
    scenario = SCENARIOS["v2 ratchet with max version 3 (upgrade to v3 on first reply)"]
    joining, inviting = private_keys(scenario["joiner"]), private_keys(scenario["initiator"])
    message = H(scenario["steps"][0]["ciphertext"])
    for top in (2, 3):
        state = ratchet.init_receiving(inviting, joining.public_at(2), top)
        result = ratchet.decrypt(state, SkippedKeys(), message, lambda size: b"\x0b" * size)
        assert (result.state.version, result.state.max_version) == (top, top)


def test_no_secret_shows() -> None:
    joiner, initiator = pair()
    _, message = ratchet.encrypt(skip(joiner, 1), b"text", 100)
    result = ratchet.decrypt(initiator, SkippedKeys(), message, fixed(b"\x0c" * 56))
    shown = repr((result, SkippedKeys().applied(result.skipped_delta), private_keys(SCENARIOS["v2 (no PQ)"]["joiner"])))
    secrets = [result.state.root_key, result.state.own_key.raw, result.plaintext, result.state.associated_data]
    secrets += [result.skipped_delta.added[0].header_key, result.skipped_delta.added[0].key.key]
    assert not any(repr(secret)[2:-1] in shown or secret.hex() in shown for secret in secrets)


def test_stored_values_are_checked() -> None:
    joiner, _ = pair()
    data = joiner.to_bytes()
    for wrong in (b"", data[:-1], data + b"!", b"\x01" + data[1:], b"\x03" + data[1:], data[:-5] + b"1" + data[-4:]):
        with pytest.raises(StoredRatchetError):
            RatchetState.from_bytes(wrong)
    with pytest.raises(StoredRatchetError):
        MessageKey.from_bytes(bytes(47))
    assert MessageKey.from_bytes(bytes(range(48))).to_bytes() == bytes(range(48))
    assert not SkippedDelta()


class Asked:
    """Skipped keys that tell what they were asked for."""

    def __init__(self, keys: SkippedKeys) -> None:
        self._keys = keys
        self.asked: list[str] = []

    def get(self, header_key: bytes, number: int, /) -> MessageKey | None:
        self.asked.append("get")
        return self._keys.get(header_key, number)

    def header_keys(self) -> list[bytes]:
        self.asked.append("header keys")
        return self._keys.header_keys()

    def oldest(self, count: int, /) -> list[tuple[bytes, int]]:
        self.asked.append("oldest")
        return self._keys.oldest(count)

    def __len__(self) -> int:
        self.asked.append("len")
        return len(self._keys)


def test_stored_keys_are_asked_for_only_where_they_matter() -> None:
    joiner, initiator = pair()
    joiner, first = ratchet.encrypt(joiner, b"first", 100)
    joiner, second = ratchet.encrypt(joiner, b"second", 100)
    joiner, third = ratchet.encrypt(joiner, b"third", 100)
    lookup = Asked(SkippedKeys())
    result = ratchet.decrypt(initiator, lookup, second, fixed(b"\x01" * 56))
    assert lookup.asked == ["get", "len"]
    kept = SkippedKeys().applied(result.skipped_delta)
    lookup = Asked(kept)
    initiator = ratchet.decrypt(result.state, lookup, third, no_random).state
    assert lookup.asked == ["get"]
    # a message of a chain before
    initiator, answer = ratchet.encrypt(initiator, b"answer", 100)
    joiner = ratchet.decrypt(joiner, SkippedKeys(), answer, fixed(b"\x02" * 56)).state
    _, turned = ratchet.encrypt(joiner, b"turned", 100)
    initiator = ratchet.decrypt(initiator, kept, turned, fixed(b"\x03" * 56)).state
    lookup = Asked(kept)
    assert ratchet.decrypt(initiator, lookup, first, no_random).plaintext == b"first"
    assert lookup.asked == ["header keys", "get"]
