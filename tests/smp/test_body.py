from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simplex_calls.crypto import BoxKey, Ed25519PrivateKey, X25519PrivateKey, X25519PublicKey
from simplex_calls.smp.body import (
    CONFIRMATION_SIZE,
    MESSAGE_SIZE,
    ClientEnvelope,
    ClientMessage,
    QuotaReached,
    Received,
    decrypt_received,
    encrypt_received,
)
from simplex_calls.smp.errors import DecodeError, LargeMessageError
from simplex_calls.smp.messages import Msg, decode_message, encode_message, max_message_size
from tests.vectors import simplexmq

H = bytes.fromhex
SECTION = simplexmq()["client_messages"]
SENDER = X25519PrivateKey(H(SECTION["snd_e2e_key"]["priv_raw"]))
RECIPIENT = X25519PrivateKey(H(SECTION["rcv_e2e_key"]["priv_raw"]))
AUTH = Ed25519PrivateKey(H(SECTION["snd_auth_ed25519"]["priv_raw"])).public
KEY = BoxKey.agree(SENDER, RECIPIENT.public)
NONCE = bytes(24)


@pytest.mark.parametrize("vector", SECTION["envelopes"], ids=lambda v: v["name"])
def test_envelope_vectors(vector: dict[str, Any]) -> None:
    confirmation = vector["padded_len"] == CONFIRMATION_SIZE
    message = ClientMessage(H(vector["body"]), AUTH if vector["client_message"].startswith("4b") else None)
    assert message.encode() == H(vector["client_message"])
    envelope = ClientEnvelope.seal(
        message, KEY, H(vector["nonce"]), vector["client_version"], SENDER.public if confirmation else None
    )
    assert envelope.encode() == H(vector["envelope"])
    assert len(envelope.encode()) == vector["envelope_len"] <= max_message_size(9)
    decoded = ClientEnvelope.decode(H(vector["envelope"]))
    assert decoded == envelope
    assert decoded.open(BoxKey.agree(RECIPIENT, SENDER.public)) == message


def test_received_vectors() -> None:
    vector = SECTION["server_to_recipient"]
    server = X25519PrivateKey(H(vector["server_dh_key"]["priv_raw"]))
    recipient = X25519PrivateKey(H(vector["recipient_dh_key"]["priv_raw"]))
    at_server, at_recipient = BoxKey.agree(server, recipient.public), BoxKey.agree(recipient, server.public)
    message = vector["message"]
    received = Received(vector["timestamp"], True, H(message["sent_body"]))
    assert received.encode() == H(message["plain"])
    sent = encrypt_received(received, at_server, H(vector["msg_id"]))
    assert sent.body == H(message["encrypted_body"])
    assert encode_message(sent, 9) == H(message["command"])
    assert decode_message(H(message["command"]), 9) == sent
    assert decrypt_received(sent, at_recipient) == received

    quota = QuotaReached(vector["timestamp"])
    assert quota.encode() == H(vector["quota"]["plain"])
    sent = encrypt_received(quota, at_server, H(vector["msg_id"]))
    assert sent.body == H(vector["quota"]["encrypted_body"])
    assert decrypt_received(sent, at_recipient) == quota


def test_what_does_not_fit() -> None:
    fits = ClientMessage(bytes(MESSAGE_SIZE - 3))
    assert ClientEnvelope.seal(fits, KEY, NONCE, 3).open(KEY) == fits
    with pytest.raises(LargeMessageError):
        ClientEnvelope.seal(ClientMessage(bytes(MESSAGE_SIZE - 2)), KEY, NONCE, 3)
    with pytest.raises(LargeMessageError):
        ClientEnvelope.seal(ClientMessage(bytes(CONFIRMATION_SIZE - 2)), KEY, NONCE, 3, SENDER.public)
    with pytest.raises(LargeMessageError):
        encrypt_received(Received(0, False, bytes(max_message_size(9) + 100)), KEY, NONCE)
    largest = Received(0, False, bytes(max_message_size(9)))
    assert decrypt_received(encrypt_received(largest, KEY, NONCE), KEY) == largest


def test_flags_of_the_future_are_ignored() -> None:
    plain = bytes(8) + b"Tabc body"
    boxed = KEY.seal(NONCE, len(plain).to_bytes(2, "big") + plain)
    assert decrypt_received(Msg(NONCE, boxed), KEY) == Received(0, True, b"body")


def test_other_keys_do_not_open() -> None:
    other = BoxKey.agree(X25519PrivateKey.generate(), RECIPIENT.public)
    with pytest.raises(DecodeError):
        ClientEnvelope.seal(ClientMessage(b"x"), KEY, NONCE, 3).open(other)
    with pytest.raises(DecodeError):
        decrypt_received(encrypt_received(QuotaReached(1), KEY, NONCE), other)


def test_nothing_secret_is_shown() -> None:
    shown = (
        repr(ClientMessage(b"hush"))
        + repr(ClientEnvelope(1, None, b"hush", b"hush"))
        + repr(Received(1, True, b"hush"))
    )
    assert "hush" not in shown


@given(st.binary(max_size=300), st.booleans(), st.integers(1, 4), st.booleans())
def test_round_trip(body: bytes, with_key: bool, version: int, secured: bool) -> None:
    message = ClientMessage(body, AUTH if with_key else None)
    sender: X25519PublicKey | None = SENDER.public if secured else None
    envelope = ClientEnvelope.decode(ClientEnvelope.seal(message, KEY, NONCE, version, sender).encode())
    assert (envelope.version, envelope.dh_key, envelope.open(KEY)) == (version, sender, message)


@given(st.binary(max_size=200))
def test_garbage(data: bytes) -> None:
    boxed = KEY.seal(NONCE, data)
    padded = KEY.seal(NONCE, len(data).to_bytes(2, "big") + data)
    for box in (data, boxed, padded):
        for attempt in (
            lambda box=box: ClientEnvelope.decode(box),
            lambda box=box: ClientEnvelope(3, None, NONCE, box).open(KEY),
            lambda box=box: decrypt_received(Msg(NONCE, box), KEY),
            lambda box=box: ClientMessage.decode(box),
        ):
            with contextlib.suppress(DecodeError):
                attempt()
