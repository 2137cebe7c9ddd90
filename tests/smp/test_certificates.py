from __future__ import annotations

import contextlib

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519
from hypothesis import given
from hypothesis import strategies as st

from simplex_calls.crypto import Ed448PrivateKey, Ed25519PrivateKey, X25519PrivateKey, X25519PublicKey
from simplex_calls.smp.certificates import fingerprint, sign_key, verify_chain, verify_key
from simplex_calls.smp.errors import ServerIdentityError
from tests.smp.server import DAY, NOW, Identity, certificate

CA, LEAF, OTHER = (ed25519.Ed25519PrivateKey.generate() for _ in range(3))
CA_DER = certificate(CA, CA, name="ca")
LEAF_DER = certificate(LEAF, CA)
KEY = X25519PrivateKey.generate().public
SIGNING = Ed25519PrivateKey.generate()


@pytest.mark.parametrize("kind", [ed25519.Ed25519PrivateKey, ed448.Ed448PrivateKey])
def test_a_good_server(kind: type[ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey]) -> None:
    identity = Identity.make(kind)
    leaf = verify_chain(identity.chain, identity.fingerprint, NOW)
    assert leaf == identity.signing_key.public
    assert verify_key(identity.signed_key().signed_key, leaf) == identity.session_key.public


def test_chains_with_an_operator() -> None:
    top = certificate(OTHER, OTHER, name="top", issuer_name="top")
    middle = certificate(CA, OTHER, name="ca", issuer_name="top")
    leaf = verify_chain((LEAF_DER, middle, top), fingerprint(middle), NOW)
    assert leaf.raw == LEAF.public_key().public_bytes_raw()
    with pytest.raises(ServerIdentityError, match="address"):
        verify_chain((LEAF_DER, middle, top), fingerprint(top), NOW)


def test_chains_that_are_refused() -> None:
    expected = fingerprint(CA_DER)
    other_leaf = certificate(LEAF, OTHER)
    stranger = certificate(CA, CA, name="stranger", issuer_name="stranger")
    old = certificate(LEAF, CA, age=40 * DAY)
    early = certificate(LEAF, CA, age=-DAY)
    curve = ec.generate_private_key(ec.SECP256R1())
    for chain, text in (
        ((), "0 certificates"),
        ((CA_DER,), "1 certificates"),
        ((LEAF_DER, CA_DER, CA_DER, CA_DER, CA_DER), "5 certificates"),
        ((CA_DER, LEAF_DER), "address"),
        ((LEAF_DER, stranger), "address"),
        ((other_leaf, CA_DER), "signed"),
        ((b"junk", CA_DER), "signed"),
        ((LEAF_DER, CA_DER, stranger), "signed"),
        ((old, CA_DER), "time"),
        ((early, CA_DER), "time"),
    ):
        with pytest.raises(ServerIdentityError, match=text):
            verify_chain(chain, expected, NOW)
    with pytest.raises(ServerIdentityError, match="Ed25519"):
        verify_chain((_certificate_of_another_curve(curve.public_key()), CA_DER), expected, NOW)


def _certificate_of_another_curve(key: ec.EllipticCurvePublicKey) -> bytes:
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding
    from cryptography.x509.oid import NameOID

    def name(text: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

    builder = x509.CertificateBuilder().subject_name(name("leaf")).issuer_name(name("ca")).public_key(key)
    builder = builder.serial_number(1).not_valid_before(NOW - DAY).not_valid_after(NOW + DAY)
    return builder.sign(CA, None).public_bytes(Encoding.DER)


@pytest.mark.parametrize("signing", [SIGNING, Ed448PrivateKey.generate()], ids=["ed25519", "ed448"])
def test_signed_keys_that_are_refused(signing: Ed25519PrivateKey | Ed448PrivateKey) -> None:
    signed = sign_key(KEY, signing)
    assert verify_key(signed, signing.public) == KEY
    others = (Ed25519PrivateKey.generate().public, Ed448PrivateKey.generate().public)
    for other in others:
        with pytest.raises(ServerIdentityError):
            verify_key(signed, other)
    for position in range(len(signed)):
        changed = signed[:position] + bytes((signed[position] ^ 1,)) + signed[position + 1 :]
        with pytest.raises(ServerIdentityError):
            verify_key(changed, signing.public)
    for broken in (b"", signed[:-1], signed + b"\0", signed[:3]):
        with pytest.raises(ServerIdentityError):
            verify_key(broken, signing.public)


@pytest.mark.parametrize("raw", [bytes(32), b"\1" + bytes(31), b"\xec" + b"\xff" * 30 + b"\x7f"], ids=["0", "1", "-1"])
def test_session_keys_that_are_not_safe(raw: bytes) -> None:
    signed = sign_key(X25519PublicKey(raw), SIGNING)
    with pytest.raises(ServerIdentityError, match="not safe"):
        verify_key(signed, SIGNING.public)


@given(st.binary(max_size=200))
def test_garbage(data: bytes) -> None:
    for candidate in (data, b"\x30\x78" + data, sign_key(KEY, SIGNING)[:50] + data):
        with contextlib.suppress(ServerIdentityError):
            verify_key(candidate, SIGNING.public)
    with pytest.raises(ServerIdentityError):
        verify_chain((data, CA_DER), fingerprint(CA_DER), NOW)
    with pytest.raises(ServerIdentityError):
        verify_chain((LEAF_DER, data), fingerprint(data), NOW)
