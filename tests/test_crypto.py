from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simplex_calls import crypto
from simplex_calls.crypto import box
from tests.vectors import simplexmq

H = bytes.fromhex
VECTORS = simplexmq()["crypto"]
SIGNING: dict[str, type[crypto.Ed25519PrivateKey | crypto.Ed448PrivateKey]] = {
    "ed25519": crypto.Ed25519PrivateKey,
    "ed448": crypto.Ed448PrivateKey,
}
AGREEING: dict[str, type[crypto.X25519PrivateKey | crypto.X448PrivateKey]] = {
    "x25519": crypto.X25519PrivateKey,
    "x448": crypto.X448PrivateKey,
}


@pytest.mark.parametrize("name", VECTORS["keys"])
def test_keys_and_their_der(name: str) -> None:
    vector = VECTORS["keys"][name]
    private = (SIGNING | AGREEING)[name.split("_")[0]](H(vector["priv_raw"]))
    assert private.public.raw == H(vector["pub_raw"])
    assert private.public.der == H(vector["pub_der"])
    assert private.der == H(vector["priv_der"])
    assert crypto.decode_public_key(H(vector["pub_der"])) == private.public
    assert vector["priv_raw"] not in repr(private)


@pytest.mark.parametrize("vector", VECTORS["sign"], ids=lambda v: v["alg"])
def test_signatures(vector: dict[str, str]) -> None:
    private = SIGNING[vector["alg"]](H(vector["priv_raw"]))
    message, signature = H(vector["msg"]), H(vector["signature"])
    assert private.sign(message) == signature
    assert private.public.verify(signature, message)
    assert not private.public.verify(signature, message + b"!")
    assert not private.public.verify(b"short", message)


@pytest.mark.parametrize("vector", VECTORS["dh"], ids=lambda v: v["alg"])
def test_diffie_hellman(vector: dict[str, str]) -> None:
    if vector["alg"] == "x25519":
        secret = crypto.X25519PrivateKey(H(vector["priv"])).exchange(crypto.X25519PublicKey(H(vector["pub"])))
    else:
        secret = crypto.X448PrivateKey(H(vector["priv"])).exchange(crypto.X448PublicKey(H(vector["pub"])))
    assert secret == H(vector["secret"])


def test_low_order_keys_are_refused() -> None:
    with pytest.raises(crypto.CryptoError, match="not safe"):
        crypto.X25519PrivateKey.generate().exchange(crypto.X25519PublicKey(bytes(32)))
    with pytest.raises(crypto.CryptoError, match="not safe"):
        crypto.BoxKey.agree(crypto.X25519PrivateKey.generate(), crypto.X25519PublicKey(bytes(32)))
    with pytest.raises(crypto.CryptoError, match="not safe"):
        crypto.X448PrivateKey.generate().exchange(crypto.X448PublicKey(bytes(56)))


def test_hashes_and_hkdf() -> None:
    hashes = VECTORS["hashes"]
    assert crypto.sha256(H(hashes["msg"])) == H(hashes["sha256"])
    assert crypto.sha512(H(hashes["msg"])) == H(hashes["sha512"])
    for vector in VECTORS["hkdf"]:
        okm = crypto.hkdf(H(vector["salt"]), H(vector["ikm"]), vector["info"].encode(), vector["len"])
        assert okm == H(vector["okm"])


def test_padding_vectors() -> None:
    for vector in VECTORS["pad"]:
        padded = crypto.pad(H(vector["msg"]), vector["padded_len"])
        assert padded == H(vector["padded"])
        assert crypto.unpad(padded) == H(vector["msg"])


def test_nonces() -> None:
    nonces = VECTORS["cb_nonce"]
    for name in ("from_long", "from_short"):
        assert crypto.cb_nonce(H(nonces[name]["in"])) == H(nonces[name]["nonce"])
    assert crypto.reverse_nonce(H(nonces["reversed"]["in"])) == H(nonces["reversed"]["nonce"])


@pytest.mark.parametrize(("section", "secret"), [("crypto_box", "dh_secret"), ("secret_box", "key")])
def test_boxes(section: str, secret: str) -> None:
    for vector in VECTORS[section]:
        key, nonce, plain = (
            crypto.BoxKey.from_secret(H(vector[secret])),
            H(vector["nonce"]),
            H(vector["plain"]),
        )
        message = crypto.pad(plain, vector["padded_len"]) if vector["padded_len"] else plain
        assert key.seal(nonce, message) == H(vector["box"])
        assert key.open(nonce, H(vector["box"])) == message


def test_authenticator() -> None:
    vector = VECTORS["cb_authenticator"]
    key = crypto.BoxKey.agree(crypto.X25519PrivateKey(H(vector["priv"])), crypto.X25519PublicKey(H(vector["peer_pub"])))
    assert crypto.authenticator(key, H(vector["nonce"]), H(vector["msg"])) == H(vector["authenticator"])


def test_aead() -> None:
    for vector in VECTORS["aead"]:
        plain = H(vector["plain"])
        message = crypto.pad(plain, vector["padded_len"]) if vector["padded_len"] else plain
        key, iv, associated = H(vector["key"]), H(vector["iv"]), H(vector["ad"])
        assert crypto.aead_encrypt(key, iv, associated, message) == (H(vector["cipher"]), H(vector["tag"]))
        assert crypto.aead_decrypt(key, iv, associated, H(vector["cipher"]), H(vector["tag"])) == message
        with pytest.raises(crypto.CryptoError):
            crypto.aead_decrypt(key, iv, associated + b"!", H(vector["cipher"]), H(vector["tag"]))


@given(st.binary(max_size=300), st.integers(0, 400))
def test_padding_round_trip(message: bytes, size: int) -> None:
    if len(message) > size - 2:
        with pytest.raises(crypto.CryptoError):
            crypto.pad(message, size)
    else:
        padded = crypto.pad(message, size)
        assert len(padded) == size
        assert crypto.unpad(padded) == message


@given(st.binary(max_size=100))
def test_garbage_raises_only_crypto_errors(data: bytes) -> None:
    key = crypto.BoxKey(bytes(32))
    for attempt in (
        lambda: crypto.decode_public_key(data),
        lambda: crypto.unpad(data[:1]),
        lambda: key.open(bytes(24), data),
        lambda: key.open(data, bytes(40)),
        lambda: crypto.aead_decrypt(bytes(32), bytes(16), b"", data, bytes(16)),
    ):
        with pytest.raises(crypto.CryptoError):
            attempt()


def test_both_forms_of_hsalsa20_agree() -> None:
    for key in (bytes(32), bytes(range(32)), b"\xff" * 32):
        assert box._plain_hsalsa20(key) == box._hsalsa20(key)
