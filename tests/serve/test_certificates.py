"""Certificates of TURN over TLS: ours, and given ones that do not fit."""

from __future__ import annotations

import datetime as dt

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from simplex_calls.serve.certificates import Certificate, check, is_fresh, make
from simplex_calls.serve.plan import ServeError

NOW = dt.datetime(2026, 11, 23, tzinfo=dt.UTC)
HOSTS = ("calls.example", "192.0.2.7", "2001:db8::7")
MADE = make(HOSTS, NOW)


def test_ours_fits_its_hosts() -> None:
    assert check(MADE, HOSTS, NOW) > NOW + dt.timedelta(days=800)
    check(MADE, ("CALLS.example",), NOW)
    assert is_fresh(MADE, HOSTS, NOW)
    assert not is_fresh(MADE, HOSTS, NOW + dt.timedelta(days=780))
    assert not is_fresh(MADE, ("other.example",), NOW)


def test_a_star_stands_for_one_label() -> None:
    star = make(("*.calls.example",), NOW)
    check(star, ("turn.calls.example",), NOW)
    for host in ("calls.example", "a.b.calls.example"):
        with pytest.raises(ServeError, match="not for"):
            check(star, (host,), NOW)


def encrypted(key: bytes) -> bytes:
    loaded = load_pem_private_key(key, None)
    return loaded.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))


@pytest.mark.parametrize(
    ("certificate", "days", "reason"),
    [
        (Certificate(b"no", MADE.key), 0, "no PEM certificate"),
        (Certificate(MADE.chain[:200], MADE.key), 0, "no PEM certificate"),
        (Certificate(MADE.chain, b"no"), 0, "no PEM private key"),
        (Certificate(MADE.chain, encrypted(MADE.key)), 0, "passphrase"),
        (Certificate(MADE.chain, make(HOSTS, NOW).key), 0, "do not belong together"),
        (MADE, -2, "is the clock"),
        (MADE, 900, "expired"),
    ],
    ids=["text", "cut", "key", "encrypted", "another", "early", "late"],
)
def test_what_does_not_fit_is_told(certificate: Certificate, days: int, reason: str) -> None:
    with pytest.raises(ServeError, match=reason):
        check(certificate, HOSTS, NOW + dt.timedelta(days=days))


def test_the_key_is_not_in_its_repr() -> None:
    assert "PRIVATE" not in repr(MADE)
