"""The relay's identity: an offline certificate authority and the online certificate that it signed.

The fingerprint of the authority's certificate is part of the relay's address; TLS shows the chain [online, authority]
(simplex-messaging.md, "Server certificate", the chain of two). Everything is made at the first start, in one folder
that appears whole or not at all:

    identity/server.crt          the chain, PEM
    identity/server.key          the online private key
    identity/offline/ca.crt      the authority's certificate
    identity/offline/ca.key      its private key: not read by the relay, may be kept elsewhere
"""

from __future__ import annotations

import datetime
import hashlib
import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from simplex_calls.crypto import Ed25519PrivateKey

FOLDER = "identity"
_VALID_DAYS = 999_999


class CertificateError(Exception):
    """The relay's certificates cannot be made or read; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Identity:
    """What the relay shows to clients: the chain [online, authority] and the online private key."""

    certificates: tuple[bytes, ...]
    """DER, the online one first."""
    fingerprint: bytes
    """SHA-256 of the authority's certificate: the server identity in addresses, 32 bytes."""
    key: Ed25519PrivateKey
    chain_pem: bytes = field(repr=False)
    key_pem: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class _Files:
    chain: bytes
    key: bytes = field(repr=False)
    authority: bytes
    authority_key: bytes = field(repr=False)


def make_identity(now: datetime.datetime) -> Identity:
    """Make a new identity, kept in memory only."""
    files = _make(now)
    return _read(files.chain, files.key, "the new certificate")


def load_identity(data: Path, now: datetime.datetime) -> Identity:
    """Read the identity in the folder ``data``; make it there if there is none.

    Raises :class:`CertificateError`.
    """
    folder = data / FOLDER
    try:
        if not folder.exists():
            _write(_make(now), folder)
        chain, key = (folder / "server.crt").read_bytes(), (folder / "server.key").read_bytes()
    except FileNotFoundError as error:
        raise CertificateError(
            f"{error.filename} is missing: restore it, or remove {folder} to start with a new address"
        ) from None
    except OSError as error:
        raise CertificateError(f"{folder} cannot be used: {error.strerror}") from None
    return _read(chain, key, str(folder))


def _make(now: datetime.datetime) -> _Files:
    authority_key, online_key = ed25519.Ed25519PrivateKey.generate(), ed25519.Ed25519PrivateKey.generate()
    authority_name = x509.Name(
        [
            x509.NameAttribute(NameOID.COMMON_NAME, "SMP server CA"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "SimpleX"),
        ]
    )
    online_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    key_id = x509.SubjectKeyIdentifier.from_public_key(authority_key.public_key())
    authority = (
        _builder(authority_name, authority_name, authority_key.public_key(), now)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(key_id, critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(key_id), critical=False)
        .sign(authority_key, None)
    )
    usage = dict.fromkeys(("key_encipherment", "data_encipherment", "key_cert_sign", "crl_sign"), False)
    online = (
        _builder(online_name, authority_name, online_key.public_key(), now)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=False)
        .add_extension(
            x509.KeyUsage(
                digital_signature=True,
                content_commitment=True,
                key_agreement=True,
                encipher_only=False,
                decipher_only=False,
                **usage,
            ),
            critical=False,
        )
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(authority_key, None)
    )
    authority_pem = authority.public_bytes(Encoding.PEM)
    return _Files(
        chain=online.public_bytes(Encoding.PEM) + authority_pem,
        key=_private_pem(online_key),
        authority=authority_pem,
        authority_key=_private_pem(authority_key),
    )


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ed25519.Ed25519PublicKey, now: datetime.datetime
) -> x509.CertificateBuilder:
    # a certificate must not look as if it came from the future to a client whose clock is a little behind
    start = now - datetime.timedelta(days=1)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + datetime.timedelta(days=_VALID_DAYS))
    )


def _private_pem(key: ed25519.Ed25519PrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _write(files: _Files, folder: Path) -> None:
    """Write all files beside ``folder`` and move them into place at once."""
    draft = folder.with_name(folder.name + ".new")
    shutil.rmtree(draft, ignore_errors=True)
    (draft / "offline").mkdir(parents=True, mode=0o700)
    draft.chmod(0o700)
    for name, content in (
        ("server.crt", files.chain),
        ("server.key", files.key),
        ("offline/ca.crt", files.authority),
        ("offline/ca.key", files.authority_key),
    ):
        descriptor = os.open(draft / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    draft.rename(folder)


def _read(chain_pem: bytes, key_pem: bytes, where: str) -> Identity:
    damaged = CertificateError(
        f"{where} is damaged: restore it from a backup, or remove it to start with a new address"
    )
    try:
        certificates = x509.load_pem_x509_certificates(chain_pem)
        key = load_pem_private_key(key_pem, None)
        online, authority = certificates
        online.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature, x509.InvalidVersion):
        raise damaged from None
    if not isinstance(key, ed25519.Ed25519PrivateKey) or online.public_key() != key.public_key():
        raise damaged
    ders = tuple(certificate.public_bytes(Encoding.DER) for certificate in certificates)
    return Identity(
        certificates=ders,
        fingerprint=hashlib.sha256(ders[-1]).digest(),
        key=Ed25519PrivateKey(key.private_bytes_raw()),
        chain_pem=chain_pem,
        key_pem=key_pem,
    )
