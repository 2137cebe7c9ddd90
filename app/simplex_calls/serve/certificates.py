"""The certificate of TURN over TLS: made here, or given and looked at before coturn starts with it. Pure."""

from __future__ import annotations

import datetime
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass, field

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from simplex_calls.catalogue import text
from simplex_calls.serve.plan import ServeError, address_of

_VALID = datetime.timedelta(days=825)
_RENEWED = datetime.timedelta(days=60)
"""A certificate of our own that is valid for less than this is made anew."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate with what is above it, and its key; PEM."""

    chain: bytes
    key: bytes = field(repr=False)


def make(hosts: Sequence[str], now: datetime.datetime) -> Certificate:
    """A certificate for ``hosts`` that signs itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "simplex-calls TURN server")])
    # not from the future for a client whose clock is a little behind
    start = now - datetime.timedelta(days=1)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + _VALID)
        .add_extension(x509.SubjectAlternativeName([_general_name(host) for host in hosts]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )
    return Certificate(
        certificate.public_bytes(Encoding.PEM),
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
    )


def is_fresh(certificate: Certificate, hosts: Sequence[str], now: datetime.datetime) -> bool:
    """Whether one of our own still fits, and will for a while."""
    try:
        check(certificate, hosts, now + _RENEWED)
    except ServeError:
        return False
    return True


def check(certificate: Certificate, hosts: Sequence[str], now: datetime.datetime) -> datetime.datetime:
    """Look whether clients of ``hosts`` can take it; until when it is valid. Raises :class:`ServeError`."""
    try:
        leaf = x509.load_pem_x509_certificates(certificate.chain)[0]
        names = _names(leaf)
    except (ValueError, x509.InvalidVersion):
        raise ServeError(text("serve.certificate.damaged")) from None
    try:
        key = load_pem_private_key(certificate.key, None)
    except TypeError:
        raise ServeError(text("serve.certificate.key.encrypted")) from None
    except ValueError:
        raise ServeError(text("serve.certificate.key.damaged")) from None
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if key.public_key().public_bytes(*form) != leaf.public_key().public_bytes(*form):
        raise ServeError(text("serve.certificate.key.other"))
    if leaf.not_valid_before_utc > now:
        raise ServeError(text("serve.certificate.early", date=leaf.not_valid_before_utc.date()))
    if leaf.not_valid_after_utc <= now:
        raise ServeError(text("serve.certificate.expired", date=leaf.not_valid_after_utc.date()))
    for host in hosts:
        if not any(_fits(name, host) for name in names):
            raise ServeError(text("serve.certificate.host", host=host, names=", ".join(names) or "–"))
    return leaf.not_valid_after_utc


def _names(leaf: x509.Certificate) -> list[str]:
    try:
        extension = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    addresses = extension.get_values_for_type(x509.IPAddress)
    return [*extension.get_values_for_type(x509.DNSName), *map(str, addresses)]


def _fits(name: str, host: str) -> bool:
    """RFC 6125, section 6.4: a star stands for the whole first label of a name."""
    address = address_of(host)
    if address is not None:
        return address_of(name) == address
    name, host = name.lower().rstrip("."), host.lower().rstrip(".")
    if name.startswith("*."):
        return host.partition(".")[2] == name[2:]
    return name == host


def _general_name(host: str) -> x509.GeneralName:
    address = address_of(host)
    if isinstance(address, ipaddress.IPv4Address | ipaddress.IPv6Address):
        return x509.IPAddress(address)
    return x509.DNSName(host)
