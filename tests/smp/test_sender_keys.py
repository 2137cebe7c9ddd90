from __future__ import annotations

import os

import pytest

from simplex_calls.crypto import CryptoError, Ed25519PrivateKey, X448PrivateKey, X25519PrivateKey
from simplex_calls.smp.errors import EncodeError
from simplex_calls.smp.sender_keys import decode_sender_key, encode_sender_key, new_sender_key
from simplex_calls.smp.transmission import Session, encode_transmission


def test_only_signatures_are_certain_to_be_checked_by_old_servers() -> None:
    old = Session(6, b"session")
    signing = new_sender_key(os.urandom, sender_can_secure=False)
    assert isinstance(signing, Ed25519PrivateKey)
    assert encode_transmission(old, b"c" * 24, b"q", b"SEND F hi", signing)[:1] == b"\x40"
    deniable = new_sender_key(os.urandom, sender_can_secure=True)
    assert isinstance(deniable, X25519PrivateKey)
    with pytest.raises(EncodeError):
        encode_transmission(old, b"c" * 24, b"q", b"SEND F hi", deniable)


def test_stored_keys_tell_their_kind() -> None:
    for sender_can_secure in (False, True):
        key = new_sender_key(os.urandom, sender_can_secure=sender_can_secure)
        assert decode_sender_key(encode_sender_key(key)) == key
    # as they were stored before there was another kind
    assert decode_sender_key(b"x" * 32) == X25519PrivateKey(b"x" * 32)
    for damaged in (
        b"",
        b"x" * 48,
        encode_sender_key(Ed25519PrivateKey.generate())[:-1],
        X448PrivateKey.generate().der,
    ):
        with pytest.raises(CryptoError):
            decode_sender_key(damaged)
