from __future__ import annotations

from typing import Any

import pytest

from simplex_calls.crypto import CryptoError, KemCiphertext, KemPrivateKey, KemPublicKey, SystemKem
from simplex_calls.crypto.sntrup761 import Encapsulated
from tests.vectors import simplexmq

H = bytes.fromhex
VECTORS = simplexmq()["sntrup761"]


@pytest.mark.parametrize("vector", VECTORS, ids=range(len(VECTORS)))
def test_official_vectors(vector: dict[str, Any]) -> None:
    private = KemPrivateKey(H(vector["secret_key"]))
    assert private.public.raw == H(vector["public_key"])
    assert private.decapsulate(KemCiphertext(H(vector["ciphertext"]))) == H(vector["shared_secret"])
    # a ciphertext for somebody else gives another secret, which depends on nothing but the two
    bad = private.decapsulate(KemCiphertext(H(vector["bad_ciphertext"])))
    assert bad == H(vector["bad_ciphertext_shared_secret"])


def test_new_keys() -> None:
    private = KemPrivateKey.generate()
    made = SystemKem().encapsulate(private.public)
    assert made.peer_key == private.public
    assert private.decapsulate(made.ciphertext) == made.shared
    other = SystemKem().generate()
    assert other.raw != private.raw
    assert other.decapsulate(made.ciphertext) != made.shared


@pytest.mark.parametrize("kind", [KemPrivateKey, KemPublicKey, KemCiphertext])
def test_sizes(kind: type[KemPrivateKey | KemPublicKey | KemCiphertext]) -> None:
    for size in (0, kind.size - 1, kind.size + 1):
        with pytest.raises(CryptoError, match=f"must have {kind.size} bytes"):
            kind(bytes(size))
    with pytest.raises(CryptoError):
        Encapsulated(KemPublicKey(bytes(KemPublicKey.size)), KemCiphertext(bytes(KemCiphertext.size)), b"")


def test_any_bytes_of_the_right_size() -> None:
    # neither direction fails, as there is no way to tell: the two sides just do not agree
    for filling in (b"\x00", b"\x55", b"\xff"):
        public = KemPublicKey(filling * KemPublicKey.size)
        assert len(SystemKem().encapsulate(public).shared) == 32
        private = KemPrivateKey(filling * KemPrivateKey.size)
        assert len(private.decapsulate(KemCiphertext(filling * KemCiphertext.size))) == 32


def test_secrets_do_not_show() -> None:
    private = KemPrivateKey.generate()
    made = SystemKem().encapsulate(private.public)
    assert repr(private) == "KemPrivateKey()"
    assert repr(made.shared) not in repr(made)
