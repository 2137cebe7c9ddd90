from __future__ import annotations

import contextlib
import hashlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simplex_calls.crypto import (
    Ed448PrivateKey,
    Ed25519PrivateKey,
    PublicKey,
    X448PrivateKey,
    X25519PrivateKey,
    X25519PublicKey,
)
from simplex_calls.smp.errors import EncodeError, ErrorCode
from simplex_calls.smp.transmission import (
    BLOCK_SIZE,
    AuthorizationKey,
    Session,
    TransmissionError,
    decode_transmission,
    encode_transmission,
    pack_blocks,
    unpack_block,
    verify_transmission,
)
from tests.vectors import simplexmq

H = bytes.fromhex
SECTION = simplexmq()["transmissions"]
SERVER_KEY = X25519PrivateKey(H(SECTION["keys"]["x25519_server_session"]["priv_raw"]))
KEYS: dict[str, AuthorizationKey | None] = {
    "none": None,
    "ed25519": Ed25519PrivateKey(H(SECTION["keys"]["ed25519"]["priv_raw"])),
    "ed448": Ed448PrivateKey(H(SECTION["keys"]["ed448"]["priv_raw"])),
    "x25519": X25519PrivateKey(H(SECTION["keys"]["x25519_client"]["priv_raw"])),
}
SESSION = Session(9, bytes(range(32)), SERVER_KEY.public)


def session_of(vector: dict[str, Any]) -> Session:
    return Session(vector["version"], H(vector["session_id"]), SERVER_KEY.public)


@pytest.mark.parametrize("vector", SECTION["client"], ids=lambda v: f"v{v['version']} {v['name']}")
def test_client_vectors(vector: dict[str, Any]) -> None:
    session, key = session_of(vector), KEYS[vector["auth_alg"]]
    encoded = encode_transmission(session, H(vector["corr_id"]), H(vector["entity_id"]), H(vector["command"]), key)
    assert encoded == H(vector["transmission"])
    (block,) = pack_blocks([encoded])
    assert block[2:].startswith(H(vector["batch"]))
    assert hashlib.sha256(block).hexdigest() == vector["block_sha256"]
    assert unpack_block(block) == [encoded]
    received = decode_transmission(session, encoded)
    assert received.corr_id == H(vector["corr_id"])
    assert received.entity_id == H(vector["entity_id"])
    assert received.command == H(vector["command"])
    assert received.authorization == H(vector["auth"])
    assert received.authorized == H(vector["authorized"])
    if key is not None:
        assert verify_transmission(received, key.public, SERVER_KEY)
        for other in KEYS.values():
            if other is not None and other is not key:
                assert not verify_transmission(received, other.public, SERVER_KEY)


@pytest.mark.parametrize("vector", SECTION["server"], ids=lambda v: f"v{v['version']} {v['name']}")
def test_server_vectors(vector: dict[str, Any]) -> None:
    session = session_of(vector)
    encoded = encode_transmission(session, H(vector["corr_id"]), H(vector["entity_id"]), H(vector["message"]))
    assert encoded == H(vector["transmission"])
    assert pack_blocks([encoded])[0][2:].startswith(H(vector["batch"]))
    received = decode_transmission(session, encoded)
    assert (received.corr_id, received.entity_id) == (H(vector["corr_id"]), H(vector["entity_id"]))
    assert received.command == H(vector["message"])


def test_a_batch_of_three() -> None:
    vector = SECTION["batch3_v18"]
    session = Session(18, H(SECTION["client"][0]["session_id"]))
    encoded = [
        encode_transmission(session, H(corr_id), H(entity_id), b"SUB", KEYS["ed25519"])
        for corr_id, entity_id in zip(vector["corr_ids"], vector["entity_ids"], strict=True)
    ]
    (batch,) = vector["batches"]
    expected = H(batch)
    assert pack_blocks(encoded)[0][2 : 2 + len(expected)] == expected
    assert [decode_transmission(session, t).corr_id.hex() for t in encoded] == vector["corr_ids"]


def test_authorizations_are_bound_to_session_and_content() -> None:
    for key in KEYS.values():
        if key is None:
            continue
        encoded = encode_transmission(SESSION, bytes(24), b"queue", b"SUB", key)
        elsewhere = Session(9, bytes(32), SERVER_KEY.public)
        assert verify_transmission(decode_transmission(SESSION, encoded), key.public, SERVER_KEY)
        assert not verify_transmission(decode_transmission(elsewhere, encoded), key.public, SERVER_KEY)
        assert not verify_transmission(decode_transmission(SESSION, encoded[:-3] + b"DEL"), key.public, SERVER_KEY)
    x_key = KEYS["x25519"]
    assert x_key is not None
    encoded = encode_transmission(SESSION, bytes(24), b"queue", b"SUB", x_key)
    assert not verify_transmission(decode_transmission(SESSION, encoded), x_key.public, X25519PrivateKey.generate())


def test_keys_that_cannot_authorize() -> None:
    received = decode_transmission(SESSION, encode_transmission(SESSION, bytes(24), b"q", b"SUB", KEYS["ed25519"]))
    unusable: list[PublicKey] = [X25519PublicKey(bytes(32)), X448PrivateKey.generate().public]
    for key in unusable:
        assert not verify_transmission(received, key, SERVER_KEY)
    with pytest.raises(EncodeError, match="no key"):
        encode_transmission(Session(9, b""), bytes(24), b"q", b"SUB", KEYS["x25519"])


def test_wrong_session_before_version_7() -> None:
    encoded = encode_transmission(Session(6, b"one"), b"corr", b"queue", b"SUB")
    with pytest.raises(TransmissionError) as caught:
        decode_transmission(Session(6, b"two"), encoded)
    assert caught.value.error.code is ErrorCode.SESSION
    assert caught.value.corr_id == b"corr"


def test_authorization_of_a_wrong_size() -> None:
    with pytest.raises(TransmissionError) as caught:
        decode_transmission(SESSION, b"\x03abc" + b"\x04corr" + b"\x01q" + b"SUB")
    assert caught.value.error.code is ErrorCode.BLOCK
    assert caught.value.corr_id == b"corr"


def test_blocks_are_filled() -> None:
    small = [bytes([n % 256]) * 10 for n in range(600)]
    blocks = pack_blocks(small)
    assert [len(unpack_block(block)) for block in blocks] == [255, 255, 90]
    assert [t for block in blocks for t in unpack_block(block)] == small
    big = [b"a" * 8000, b"b" * 8000, b"c" * 16363]
    assert [len(unpack_block(block)) for block in pack_blocks(big)] == [2, 1]
    assert all(len(block) == BLOCK_SIZE for block in blocks)
    assert pack_blocks([]) == []
    with pytest.raises(EncodeError, match="16364 bytes"):
        pack_blocks([bytes(16364)])


@given(st.lists(st.binary(max_size=6000), min_size=1, max_size=20))
def test_blocks_round_trip(transmissions: list[bytes]) -> None:
    assert [t for block in pack_blocks(transmissions) for t in unpack_block(block)] == transmissions


@given(st.binary(max_size=60), st.binary(max_size=40))
def test_garbage_blocks(start: bytes, end: bytes) -> None:
    for block in (start, (start + bytes(BLOCK_SIZE))[: BLOCK_SIZE - len(end)] + end, b"\x3f\xfe" + start):
        with contextlib.suppress(TransmissionError):
            assert unpack_block(block.ljust(BLOCK_SIZE, b"#") if len(block) > 30 else block)


@given(st.binary(max_size=250), st.integers(6, 18))
def test_garbage_transmissions(data: bytes, version: int) -> None:
    try:
        received = decode_transmission(Session(version, b"session"), data)
    except TransmissionError:
        return
    for key in KEYS.values():
        if key is not None:
            assert not verify_transmission(received, key.public, SERVER_KEY)


@given(st.binary(max_size=255), st.binary(max_size=255), st.binary(max_size=500), st.sampled_from(sorted(KEYS)))
def test_round_trip(corr_id: bytes, entity_id: bytes, command: bytes, key_name: str) -> None:
    key = KEYS[key_name]
    received = decode_transmission(SESSION, encode_transmission(SESSION, corr_id, entity_id, command, key))
    assert (received.corr_id, received.entity_id, received.command) == (corr_id, entity_id, command)
    assert key is None or verify_transmission(received, key.public, SERVER_KEY)
