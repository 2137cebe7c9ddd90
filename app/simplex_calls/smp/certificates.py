"""Who a server is: a chain of certificates, and a session key signed by its first one.

A server's address holds the fingerprint of its offline certificate. That one signed the online certificate, whose key
the TLS handshake proves; the same key signs the X25519 session key of the SMP handshake. Source: simplex-messaging.md,
"Server certificate".
"""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import warnings
from collections.abc import Sequence
from itertools import pairwise

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ed448, ed25519
from cryptography.utils import CryptographyDeprecationWarning

from simplex_calls.crypto import (
    BoxKey,
    CryptoError,
    Ed448PrivateKey,
    Ed448PublicKey,
    Ed25519PrivateKey,
    Ed25519PublicKey,
    X25519PrivateKey,
    X25519PublicKey,
)
from simplex_calls.smp.errors import ServerIdentityError

VerificationKey = Ed25519PublicKey | Ed448PublicKey
SigningKey = Ed25519PrivateKey | Ed448PrivateKey

# AlgorithmIdentifier of RFC 8410, DER
_ALGORITHMS: tuple[tuple[type[VerificationKey], bytes], ...] = (
    (Ed25519PublicKey, bytes.fromhex("300506032b6570")),
    (Ed448PublicKey, bytes.fromhex("300506032b6571")),
)


_ANY_KEY = X25519PrivateKey(b"\x5a" * 32)


def fingerprint(certificate: bytes) -> bytes:
    """The SHA-256 of a DER certificate: 32 bytes."""
    return hashlib.sha256(certificate).digest()


def verify_chain(chain: Sequence[bytes], expected: bytes, now: dt.datetime) -> VerificationKey:
    """Check a server's DER certificates, the online one first, and return the online certificate's key.

    The second certificate must be the one with the ``expected`` fingerprint (what may follow it is the operator's and
    adds nothing to the server's identity), each must be signed by the next, and the first two must be valid ``now``.
    Raises :class:`ServerIdentityError`.
    """
    if not 2 <= len(chain) <= 4:
        raise ServerIdentityError(f"server sent {len(chain)} certificates instead of 2 to 4")
    if not hmac.compare_digest(fingerprint(chain[1]), expected):
        raise ServerIdentityError("server's certificate is not the one in its address: wrong server or wrong address")
    try:
        certificates = _load(chain)
        for certificate, issuer in pairwise(certificates):
            certificate.verify_directly_issued_by(issuer)
        for certificate in certificates[:2]:
            if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
                raise ServerIdentityError("server's certificate is not valid at this time (is the clock right?)")
        key = certificates[0].public_key()
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm, x509.InvalidVersion):
        raise ServerIdentityError("server's certificates are not signed as they must be") from None
    except CryptographyDeprecationWarning:
        raise ServerIdentityError("server's certificates are not encoded as they must be") from None
    match key:
        case ed25519.Ed25519PublicKey():
            return Ed25519PublicKey(key.public_bytes_raw())
        case ed448.Ed448PublicKey():
            return Ed448PublicKey(key.public_bytes_raw())
        case _:
            raise ServerIdentityError("server's certificate has a key that is neither Ed25519 nor Ed448")


def _load(chain: Sequence[bytes]) -> list[x509.Certificate]:
    # What the library takes today with a warning (a serial number below 1) it refuses tomorrow: refuse it at once,
    # so that no peer writes a warning to the user's terminal.
    with warnings.catch_warnings():
        warnings.simplefilter("error", CryptographyDeprecationWarning)
        return [x509.load_der_x509_certificate(der) for der in chain]


def sign_key(key: X25519PublicKey, signing_key: SigningKey) -> bytes:
    """Sign a session key: DER SEQUENCE of the wrapped key, the algorithm, and the signature of the former.

    The official encoding wraps the SubjectPublicKeyInfo in one more SEQUENCE, and signs that.
    """
    algorithm = next(der for kind, der in _ALGORITHMS if isinstance(signing_key.public, kind))
    wrapped = _der(0x30, key.der)
    signature = b"\0" + signing_key.sign(wrapped)
    return _der(0x30, wrapped + algorithm + _der(0x03, signature))


def verify_key(signed: bytes, verification_key: VerificationKey) -> X25519PublicKey:
    """Check what :func:`sign_key` made and return the session key; raises :class:`ServerIdentityError`."""
    tag, content, rest = _read_der(signed)
    key_tag, key_der, after = _read_der(content)
    algorithm = next(der for kind, der in _ALGORITHMS if isinstance(verification_key, kind))
    bits_tag, bits, bits_rest = _read_der(after.removeprefix(algorithm))
    encoded = (tag, key_tag, bits_tag) == (0x30, 0x30, 0x03) and after.startswith(algorithm)
    if not encoded or rest or bits_rest or not bits.startswith(b"\0"):
        raise ServerIdentityError("server's session key is not encoded as it must be")
    if not verification_key.verify(bits[1:], content[: len(content) - len(after)]):
        raise ServerIdentityError("server's session key is not signed by its certificate")
    try:
        key = X25519PublicKey.from_der(key_der)
    except CryptoError:
        raise ServerIdentityError("server's session key is not an X25519 key") from None
    try:
        # whatever the private half is: better found out here than by the first command that needs the key
        BoxKey.agree(_ANY_KEY, key)
    except CryptoError:
        raise ServerIdentityError("server's session key is not safe to use") from None
    return key


def _der(tag: int, content: bytes) -> bytes:
    size = len(content)
    length = bytes((size,)) if size < 0x80 else bytes((0x81, size))
    return bytes((tag,)) + length + content


def _read_der(data: bytes) -> tuple[int, bytes, bytes]:
    """(tag, content, rest) of an element of up to 255 bytes; an empty element if it is none."""
    if len(data) < 2:
        return 0, b"", data
    start, size = (3, data[2]) if data[1] == 0x81 and len(data) > 2 else (2, data[1])
    if (size >= 0x80 and start == 2) or len(data) < start + size:
        return 0, b"", data
    return data[0], data[start : start + size], data[start + size :]
