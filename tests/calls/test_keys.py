from __future__ import annotations

import base64

import pytest

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
    alice, bob = CallKeyPair.generate(), CallKeyPair.generate()
    secret = alice.private.exchange(bob.public)
    assert alice.frame_key(bob.public).raw == bob.frame_key(alice.public).raw == secret
    assert base64.urlsafe_b64decode(alice.frame_key(bob.public).text) == secret


def test_both_sides_have_the_same_transcript_of_one_call_only() -> None:
    alice, bob = CallKeyPair.generate(), CallKeyPair.generate()
    call, other = bytes(16), bytes([1, *bytes(15)])
    hers = alice.frame_key(bob.public).transcript(call)
    assert hers == bob.frame_key(alice.public).transcript(call)
    assert len(hers) == 32
    assert hers != alice.frame_key(bob.public).transcript(other)
    assert hers != CallKeyPair.generate().frame_key(bob.public).transcript(call)


def test_known_answer() -> None:
    # RFC 7748, section 6.1: Bob's public key is his secret key times the base point
    bob = CallKeyPair(
        X25519PrivateKey(bytes.fromhex("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb"))
    )
    public = "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f"
    assert bob.frame_key(X25519PublicKey(bytes([9, *bytes(31)]))).raw.hex() == public == bob.public.raw.hex()


@pytest.mark.parametrize("point", LOW_ORDER)
def test_all_zero_secrets_are_refused(point: bytes) -> None:
    with pytest.raises(CallKeyError):
        CallKeyPair.generate().frame_key(X25519PublicKey(point))


def test_no_secret_is_shown() -> None:
    pair = CallKeyPair.generate()
    key = pair.frame_key(CallKeyPair.generate().public)
    for shown in (repr(pair), repr(key)):
        assert str(pair.private.raw) not in shown
        assert str(key.raw) not in shown
        assert key.text not in shown
