from __future__ import annotations

import datetime
import shutil
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from simplex_calls.relay.certificates import CertificateError, load_identity, make_identity
from simplex_calls.smp.certificates import fingerprint, verify_chain

NOW = datetime.datetime(2026, 11, 22, tzinfo=datetime.UTC)


def test_a_client_accepts_the_chain() -> None:
    identity = make_identity(NOW)
    assert len(identity.certificates) == 2
    assert fingerprint(identity.certificates[1]) == identity.fingerprint
    for when in (NOW, NOW + datetime.timedelta(days=365 * 100), NOW - datetime.timedelta(hours=12)):
        assert verify_chain(identity.certificates, identity.fingerprint, when) == identity.key.public
    online, authority = (x509.load_der_x509_certificate(der) for der in identity.certificates)
    assert authority.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)[0].value == "SimpleX"
    assert authority.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert not online.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert "PRIVATE" not in repr(identity)
    assert make_identity(NOW).fingerprint != identity.fingerprint


def test_the_identity_is_made_once(tmp_path: Path) -> None:
    first = load_identity(tmp_path, NOW)
    shutil.rmtree(tmp_path / "identity" / "offline")  # its owner keeps it elsewhere
    assert load_identity(tmp_path, NOW + datetime.timedelta(days=1)) == first


def test_keys_are_for_the_owner_alone(tmp_path: Path) -> None:
    load_identity(tmp_path, NOW)
    files = {path.relative_to(tmp_path / "identity").as_posix(): path for path in tmp_path.rglob("*.*")}
    assert set(files) == {"server.crt", "server.key", "offline/ca.crt", "offline/ca.key"}
    assert {path.stat().st_mode & 0o777 for path in files.values()} == {0o600}
    assert (tmp_path / "identity").stat().st_mode & 0o777 == 0o700


def test_an_interrupted_start_leaves_nothing_behind(tmp_path: Path) -> None:
    draft = tmp_path / "identity.new" / "offline"
    draft.mkdir(parents=True)
    (draft / "ca.key").write_text("half")
    identity = load_identity(tmp_path, NOW)
    assert load_identity(tmp_path, NOW) == identity
    assert not draft.exists()


def test_damage_is_told(tmp_path: Path) -> None:
    load_identity(tmp_path, NOW)
    other = tmp_path / "other"
    load_identity(other, NOW)
    folder = tmp_path / "identity"
    for name in ("server.crt", "server.key"):
        good = (folder / name).read_bytes()
        for bad in (b"", b"no PEM", good[: len(good) // 2], good[:-40], (other / "identity" / name).read_bytes()):
            (folder / name).write_bytes(bad)
            with pytest.raises(CertificateError, match="is damaged") as raised:
                load_identity(tmp_path, NOW)
            assert "PRIVATE" not in str(raised.value)
        (folder / name).unlink()
        with pytest.raises(CertificateError, match=f"{name} is missing"):
            load_identity(tmp_path, NOW)
        (folder / name).write_bytes(good)
    load_identity(tmp_path, NOW)
    chain = (folder / "server.crt").read_bytes()
    (folder / "server.crt").write_bytes(chain + chain)
    with pytest.raises(CertificateError, match="is damaged"):
        load_identity(tmp_path, NOW)


def test_a_folder_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CertificateError, match="cannot be used"):
        load_identity(tmp_path / "file", NOW)
