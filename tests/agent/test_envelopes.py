from __future__ import annotations

import hashlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simplex_calls.agent import ratchet
from simplex_calls.agent.envelopes import (
    AgentConfirmation,
    AgentInvitation,
    AgentMessage,
    AgentMsgEnvelope,
    AgentRatchetKey,
    AMsg,
    ConnInfo,
    ConnInfoReply,
    Envelope,
    EnvelopeError,
    Hello,
    Message,
    MessageBody,
    QueueAdd,
    QueueContinue,
    QueueKeys,
    QueueTest,
    QueueUse,
    RatchetInfo,
    RatchetReady,
    Receipt,
    Receipts,
    Unknown,
    decode_envelope,
    decode_message,
    encode_envelope,
    encode_message,
    message_hash,
)
from simplex_calls.agent.kem import KemAccepted, KemProposed
from simplex_calls.agent.links import Invitation
from simplex_calls.agent.queue_address import QueueAddress, QueueUri
from simplex_calls.agent.ratchet import SkippedKeys
from simplex_calls.agent.versions import (
    AGENT_MESSAGE_LENGTH,
    CONNECTION_INFO_LENGTH,
    agent_message_length,
    connection_info_length,
    supports_pq,
    supports_ratchet_sync,
    supports_receipts,
)
from simplex_calls.agent.x3dh import E2EParams, E2EPrivateKeys
from simplex_calls.crypto import (
    KemCiphertext,
    KemPublicKey,
    X448PrivateKey,
    X448PublicKey,
    X25519PublicKey,
    decode_public_key,
)
from simplex_calls.smp.address import ServerAddress
from simplex_calls.smp.commands import QueueMode
from simplex_calls.smp.encoding import VersionRange
from tests.agent.test_x3dh import private_keys
from tests.vectors import simplexmq

H = bytes.fromhex
AGENT = simplexmq()["agent"]
PARAMS = AGENT["params"]

SERVER = ServerAddress.parse(PARAMS["server"])
QUEUE = QueueUri(
    VersionRange(1, 4),
    SERVER,
    H(PARAMS["sender_id"]),
    X25519PublicKey.from_der(H(PARAMS["queue_dh_pub_der"])),
    QueueMode.MESSAGING,
)
ADDRESS = QueueAddress(SERVER, H(PARAMS["sender_id"]))
HASH = H(PARAMS["receipt_msg_hash"])
KEYS = (
    X448PublicKey.from_der(H(PARAMS["x448_k1_pub_der"])),
    X448PublicKey.from_der(H(PARAMS["x448_k2_pub_der"])),
)


def queue_message(number: int, body: MessageBody) -> Message:
    return Message(number, HASH, body)


MESSAGES: dict[str, AgentMessage] = {
    "AgentConnInfo 'alice info'": ConnInfo(b"alice info"),
    "AgentConnInfoReply [queue info v4] 'bob info'": ConnInfoReply((QUEUE.at(4),), b"bob info"),
    "AgentRatchetInfo 'info'": RatchetInfo(b"info"),
    "A_QCONT": queue_message(5, QueueContinue(ADDRESS)),
    "QADD": queue_message(6, QueueAdd(((QUEUE, QueueAddress(SERVER, bytes(range(30, 54)))),))),
    "QKEY": queue_message(7, QueueKeys(((QUEUE.at(4), decode_public_key(H(PARAMS["snd_auth_pub_der"]))),))),
    "QUSE primary": queue_message(8, QueueUse(((ADDRESS, True),))),
    "QTEST": queue_message(9, QueueTest((ADDRESS,))),
    "EREADY 12": queue_message(10, RatchetReady(12)),
}
CHAIN: list[MessageBody] = [
    Hello(),
    AMsg(b"hello there"),
    AMsg(b"second message"),
    Receipts((Receipt(7, HASH),)),
]
KEM = KemPublicKey(H(PARAMS["kem_pub"]))
ENVELOPES: dict[str, Envelope] = {
    "AgentConfirmation v7, e2e v2": AgentConfirmation(7, E2EParams(2, *KEYS), b"ENC"),
    "AgentConfirmation v7, e2e v3 no kem": AgentConfirmation(7, E2EParams(3, *KEYS), b"ENC"),
    "AgentConfirmation v7, e2e v3 kem proposed": AgentConfirmation(7, E2EParams(3, *KEYS, KemProposed(KEM)), b"ENC"),
    "AgentConfirmation v7, e2e v3 kem accepted": AgentConfirmation(
        7,
        E2EParams(3, *KEYS, KemAccepted(KemCiphertext(H(PARAMS["kem_ct"])), KemPublicKey(H(PARAMS["kem_pub2"])))),
        b"ENC",
    ),
    "AgentConfirmation v7, no e2e params": AgentConfirmation(7, None, b"ENC"),
    "AgentMsgEnvelope v7": AgentMsgEnvelope(7, b"ENC"),
    "AgentRatchetKey v7": AgentRatchetKey(7, E2EParams(3, *KEYS), b"R"),
}


@pytest.mark.parametrize("vector", AGENT["agent_messages"], ids=lambda vector: vector["name"])
def test_agent_messages(vector: dict[str, str]) -> None:
    message, encoded = MESSAGES[vector["name"]], H(vector["encoded"])
    assert encode_message(message) == encoded
    assert decode_message(encoded) == message
    assert message_hash(encoded) == H(vector["sha256"])


def test_the_hash_chain() -> None:
    previous = b""
    for number, (body, vector) in enumerate(zip(CHAIN, AGENT["agent_messages_chain"], strict=True), 1):
        message = Message(number, previous, body)
        encoded = encode_message(message)
        assert encoded == H(vector["encoded"])
        assert decode_message(encoded) == message
        previous = message_hash(encoded)
        assert previous == H(vector["sha256"])


@pytest.mark.parametrize("vector", AGENT["envelopes"], ids=lambda vector: vector["name"])
def test_envelopes(vector: dict[str, str]) -> None:
    encoded = H(vector["encoded"])
    if vector["name"] == "AgentInvitation v7":
        envelope = decode_envelope(encoded)
        assert isinstance(envelope, AgentInvitation)
        assert (envelope.agent_version, str(envelope.invitation)) == (7, encoded[5 : -len(envelope.info)].decode())
        assert encode_envelope(envelope) == encoded
        return
    expected = ENVELOPES[vector["name"]]
    assert encode_envelope(expected) == encoded
    assert decode_envelope(encoded) == expected


def test_new_ratchet_keys_only_propose() -> None:
    kem = KemAccepted(KemCiphertext(H(PARAMS["kem_ct"])), KEM)
    proposal = AgentRatchetKey(7, E2EParams(3, *KEYS, KemProposed(KEM)), b"R")
    assert decode_envelope(encode_envelope(proposal)) == proposal
    with pytest.raises(EnvelopeError, match="only be proposed"):
        decode_envelope(encode_envelope(AgentRatchetKey(7, E2EParams(3, *KEYS, kem), b"R")))


def test_padded_lengths() -> None:
    lengths = AGENT["padded_lengths"]
    for version in (5, 6, 7):
        assert agent_message_length(version, pq=True) == lengths["agent_msg_pq_on"]
        assert connection_info_length(version, pq=True) == lengths["conn_info_pq_on"]
    for version, pq in ((2, True), (4, True), (2, False), (7, False)):
        assert agent_message_length(version, pq=pq) == AGENT_MESSAGE_LENGTH == lengths["agent_msg_pq_off"]
        assert connection_info_length(version, pq=pq) == CONNECTION_INFO_LENGTH == lengths["conn_info_pq_off"]


def test_what_peers_of_a_version_can_do() -> None:
    assert [supports_pq(version) for version in (4, 5, 7)] == [False, True, True]
    assert [supports_pq(7, version) for version in (2, 3, 4)] == [False, True, True]
    assert [supports_ratchet_sync(version) for version in (2, 3)] == [False, True]
    assert [supports_receipts(version) for version in (3, 4)] == [False, True]


def stack_keys(party: dict[str, Any], peer: dict[str, Any]) -> E2EPrivateKeys:
    return private_keys({"key1": party["x3dh_key1"], "key2": party["x3dh_key2"], "kem": party["kem"]}, peer)


@pytest.mark.parametrize("stack", simplexmq()["full_stack"], ids=lambda stack: stack["name"])
def test_full_stack(stack: dict[str, Any]) -> None:
    """A joiner's first three messages, from agent message to envelope, and back at the initiator."""
    link = Invitation.parse(stack["invitation"])
    version, agent_version = link.e2e.versions.maximum, stack["agent_version"]
    pq = stack["joiner"]["kem"] is not None
    joining = stack_keys(stack["joiner"], stack["initiator"])
    inviting = stack_keys(stack["initiator"], stack["joiner"])
    assert inviting.public(link.e2e.versions) == link.e2e
    ratchet_key = X448PrivateKey(H(stack["joiner"]["initial_ratchet_key"]["priv_raw"]))
    joiner = ratchet.init_sending(joining, link.e2e.at(version), ratchet_key, version)
    initiator, skipped = None, SkippedKeys()
    for name, length in (
        ("confirmation", connection_info_length(agent_version, pq=pq)),
        ("hello", agent_message_length(agent_version, pq=pq)),
        ("a_msg", agent_message_length(agent_version, pq=pq)),
    ):
        step: dict[str, Any] = stack[name]
        message = decode_message(H(step["agent_message"]))
        assert encode_message(message) == H(step["agent_message"])
        joiner, ciphertext = ratchet.encrypt(joiner, encode_message(message), length, pq=pq, max_version=version)
        assert ciphertext == H(step["ratchet_ciphertext"])
        first = name == "confirmation"
        envelope: Envelope = (
            AgentConfirmation(agent_version, joining.public_at(version), ciphertext)
            if first
            else AgentMsgEnvelope(agent_version, ciphertext)
        )
        assert encode_envelope(envelope) == H(step["agent_envelope"])

        received = decode_envelope(H(step["agent_envelope"]))
        if isinstance(received, AgentConfirmation):
            assert received.e2e is not None
            initiator = ratchet.init_receiving(inviting, received.e2e, version, pq=pq)
        else:
            assert isinstance(received, AgentMsgEnvelope)
        assert initiator is not None
        result = ratchet.decrypt(initiator, skipped, received.body, lambda size: b"\x01" * size)
        initiator = result.state
        assert (joiner.sending_kem, initiator.receiving_kem, initiator.sending_kem) == (pq, pq, pq)
        assert decode_message(result.plaintext) == message
    assert isinstance(decode_message(H(stack["confirmation"]["agent_message"])), ConnInfoReply)
    assert decode_message(H(stack["hello"]["agent_message"])) == Message(
        2, hashlib.sha256(H(stack["confirmation"]["agent_message"])).digest(), Hello()
    )


def test_unknown_kinds() -> None:
    for data in (b"Znew", b"QZnew", b"Q"):
        message = Message(3, HASH, Unknown(data))
        assert decode_message(encode_message(message)) == message
    for encoded in (b"", b"Z", b"M" + bytes(8) + b"\0"):
        with pytest.raises(EnvelopeError):
            decode_message(encoded)
    for encoded in (b"", b"\0\7", b"\0\7Zabc"):
        with pytest.raises(EnvelopeError):
            decode_envelope(encoded)


def test_several_queues_and_receipts() -> None:
    for message in (
        ConnInfoReply((QUEUE.at(3), QUEUE.at(2)), b"{}"),
        queue_message(1, Receipts((Receipt(1, HASH), Receipt(2, HASH, b"i" * 300)))),
        queue_message(1, QueueAdd(((QUEUE, None), (QUEUE, ADDRESS)))),
        queue_message(1, QueueUse(((ADDRESS, True), (ADDRESS, False)))),
    ):
        # a queue of version 2 has no place for its mode
        decoded = decode_message(encode_message(message))
        assert encode_message(decoded) == encode_message(message)


def test_what_follows_or_lacks_is_an_error() -> None:
    for message in MESSAGES.values():
        encoded = encode_message(message)
        for end in range(len(encoded)):
            try:
                assert decode_message(encoded[:end]) != message
            except EnvelopeError:
                continue
        if isinstance(message, Message):
            with pytest.raises(EnvelopeError, match="too many"):
                decode_message(encoded + b"!")
    with pytest.raises(EnvelopeError, match="empty"):
        decode_message(b"D\0info")


def test_an_invitation_within_an_envelope_is_checked() -> None:
    with pytest.raises(EnvelopeError, match="link"):
        decode_envelope(b"\0\7I\0\5helloinfo")
    with pytest.raises(EnvelopeError, match="ASCII"):
        decode_envelope(b"\0\7I\0\5\xff\xff\xff\xff\xffinfo")


def test_bodies_stay_out_of_repr() -> None:
    shown = repr([ConnInfo(b"secret"), AMsg(b"secret"), AgentMsgEnvelope(7, b"secret"), Unknown(b"secret")])
    assert "secret" not in shown


@given(st.binary(max_size=300), st.integers(0, 300))
def test_garbage_raises_only_envelope_errors(data: bytes, cut: int) -> None:
    samples = [H(vector["encoded"]) for vector in AGENT["agent_messages"] + AGENT["envelopes"]]
    for sample in (*samples, b"M" + bytes(8)):
        changed = sample[:cut] + data + sample[cut + 1 :]
        for encoded in (data, changed, sample[: cut % 50] + data):
            for decode in (decode_message, decode_envelope):
                try:
                    decode(encoded)
                except EnvelopeError:
                    continue


bodies = st.one_of(
    st.just(Hello()),
    st.binary(max_size=100).map(AMsg),
    st.lists(
        st.builds(Receipt, st.integers(0, 2**63 - 1), st.binary(max_size=255), st.binary(max_size=300)), min_size=1
    ).map(lambda receipts: Receipts(tuple(receipts))),
    st.integers(0, 2**63 - 1).map(RatchetReady),
)


@given(st.integers(0, 2**63 - 1), st.binary(max_size=255), bodies)
def test_messages_round_trip(number: int, previous: bytes, body: MessageBody) -> None:
    message = Message(number, previous, body)
    assert decode_message(encode_message(message)) == message
