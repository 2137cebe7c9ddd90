from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simplex_calls.calls.keys import CallKeyError, CallKeyPair
from simplex_calls.crypto import X25519PrivateKey, X25519PublicKey

LOW_ORDER = [
    bytes(32),
    bytes([1, *bytes(31)]),
    bytes.fromhex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"),
    bytes.fromhex("5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157"),
    bytes.fromhex("ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
]


def test_both_sides_get_the_raw_shared_secret() -> None:
    # RFC 7748, section 6.1
    alice = CallKeyPair(
        X25519PrivateKey(bytes.fromhex("77076d0a7318a57d3c16c17251b26645df4c2f92ebc0992ac177fba51db92c2a"))
    )
    bob = CallKeyPair(
        X25519PrivateKey(bytes.fromhex("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb"))
    )
    secret = bytes.fromhex("4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742")
    assert alice.frame_key(bob.public_der).raw == bob.frame_key(alice.public_der).raw == secret
    assert base64.urlsafe_b64decode(alice.frame_key(bob.public_der).text) == secret
    assert len(alice.public_der) == 44


@pytest.mark.parametrize("point", LOW_ORDER)
def test_all_zero_secrets_are_refused(point: bytes) -> None:
    with pytest.raises(CallKeyError):
        CallKeyPair.generate().frame_key(X25519PublicKey(point).der)


@given(st.binary(max_size=60))
def test_garbage_keys_are_refused(der: bytes) -> None:
    with pytest.raises(CallKeyError):
        CallKeyPair.generate().frame_key(der)


def test_no_secret_is_shown() -> None:
    pair = CallKeyPair.generate()
    key = pair.frame_key(CallKeyPair.generate().public_der)
    for shown in (repr(pair), repr(key)):
        assert str(pair.private.raw) not in shown
        assert str(key.raw) not in shown
        assert key.text not in shown
