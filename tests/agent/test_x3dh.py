from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from simplex_calls.agent.kem import KemAccepted, KemKeys, KemProposed
from simplex_calls.agent.x3dh import (
    E2EParams,
    E2EParamsRange,
    E2EPrivateKeys,
    agree_as_initiator,
    agree_as_joiner,
    reply_kem,
)
from simplex_calls.crypto import (
    CryptoError,
    Encapsulated,
    KemCiphertext,
    KemPrivateKey,
    KemPublicKey,
    SystemKem,
    X448PrivateKey,
)
from simplex_calls.smp.encoding import Reader, VersionRange
from simplex_calls.smp.errors import DecodeError
from tests.vectors import simplexmq

H = bytes.fromhex
SCENARIOS = simplexmq()["ratchet"]


def kem_keys(stored: dict[str, Any] | None, peer_key: str | None = None) -> KemKeys | None:
    """A party's KEM keys as the vectors write them; ``peer_key`` is what an acceptance was made for."""
    if stored is None:
        return None
    own = KemPrivateKey(H(stored["sk"]))
    assert own.public.raw == H(stored["pk"])
    if stored["kind"] == "proposed":
        return KemKeys(own)
    assert peer_key is not None
    ciphertext = KemCiphertext(H(stored["ciphertext"]))
    return KemKeys(own, Encapsulated(KemPublicKey(H(peer_key)), ciphertext, H(stored["shared_secret"])))


def private_keys(party: dict[str, Any], peer: dict[str, Any] | None = None) -> E2EPrivateKeys:
    return E2EPrivateKeys(
        X448PrivateKey(H(party["key1"]["priv_raw"])),
        X448PrivateKey(H(party["key2"]["priv_raw"])),
        kem_keys(party["kem"], peer["kem"]["pk"] if peer and peer["kem"] else None),
    )


def both(scenario: dict[str, Any]) -> tuple[E2EPrivateKeys, E2EPrivateKeys]:
    """The joiner's and the initiator's keys."""
    return private_keys(scenario["joiner"], scenario["initiator"]), private_keys(scenario["initiator"])


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario["name"])
def test_agreement(scenario: dict[str, Any]) -> None:
    joiner, initiator = both(scenario)
    version = scenario["e2e_version"]
    agreed = agree_as_joiner(joiner, initiator.public_at(version))
    theirs = agree_as_initiator(initiator, joiner.public_at(version))
    assert replace(agreed, kem=None) == replace(theirs, kem=None)
    expected = scenario["x3dh"]
    assert agreed.associated_data == H(expected["assoc_data"])
    assert agreed.root_key == H(expected["ratchet_key"])
    assert agreed.joiner_header_key == H(expected["snd_header_key"])
    assert agreed.initiator_header_key == H(expected["rcv_next_header_key"])
    assert expected["ratchet_key"] not in repr(agreed)
    shared = {party.kem.accepted.shared.hex() for party in (agreed, theirs) if party.kem and party.kem.accepted}
    assert shared == ({expected["kem_shared_secret"]} if expected["kem_shared_secret"] else set())


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario["name"])
def test_params(scenario: dict[str, Any]) -> None:
    for name, keys in zip(("joiner", "initiator"), both(scenario), strict=True):
        encoded = H(scenario[name]["params_binary"])
        reader = Reader(encoded + b"!")
        params = E2EParams.read(reader)
        assert reader.tail() == b"!"
        assert params == keys.public_at(scenario["e2e_version"])
        assert params.encode() == encoded


def own_keys(kem: KemKeys | None = None) -> E2EPrivateKeys:
    keys = simplexmq()["uris"]["keys"]
    return E2EPrivateKeys(
        X448PrivateKey(H(keys["x3dh_1"]["priv_raw"])), X448PrivateKey(H(keys["x3dh_2"]["priv_raw"])), kem
    )


def test_param_ranges() -> None:
    uris = simplexmq()["uris"]
    for vector in uris["e2e_params_uri"]:
        versions = VersionRange.parse(vector["name"][1:].split()[0])
        reader = Reader(H(vector["binary"]))
        params = E2EParamsRange.read(reader)
        reader.end()
        kem = KemProposed(KemPublicKey(H(uris["keys"]["kem_public_key"]))) if "kem" in vector["name"] else None
        assert params == replace(own_keys().public(versions), kem=kem)
        assert params.at(2) == own_keys().public_at(2)
        assert params.at(3).kem == kem
        assert params.encode() == H(vector["binary"])
    # an invitation cannot accept what was not proposed to it
    accepted = H(uris["e2e_params_uri_accepted"]["binary"])
    with pytest.raises(DecodeError, match="KEM"):
        E2EParamsRange.read(Reader(accepted))
    confirmation = E2EParams.read(Reader(accepted[:2] + accepted[4:]))
    assert confirmation.version == 2
    confirmation = E2EParams.read(Reader(accepted[2:]))
    assert isinstance(confirmation.kem, KemAccepted)
    assert confirmation.encode() == accepted[2:]
    plain = own_keys().public(VersionRange(2, 3)).encode()[:-1]
    for damaged in (b"1X", b"1P\0\1X", b"1A" + b"\0\0" + b"\0\0", b"2", b"1"):
        with pytest.raises(DecodeError):
            E2EParamsRange.read(Reader(plain + damaged))


class CountedKem(SystemKem):
    """The system's, which tells how often it was asked."""

    def __init__(self) -> None:
        self.made: list[str] = []

    def generate(self) -> KemPrivateKey:
        self.made.append("key")
        return super().generate()

    def encapsulate(self, peer_key: KemPublicKey) -> Encapsulated:
        self.made.append("secret")
        return super().encapsulate(peer_key)


def test_what_an_answer_holds() -> None:
    source = CountedKem()
    proposing = E2EPrivateKeys.generate(kem=KemKeys.propose(source)).public(VersionRange(2, 3))
    silent = own_keys().public(VersionRange(2, 3))
    assert reply_kem(proposing.at(3), source, wanted=False) is None
    # version 2 has no place for keys
    assert reply_kem(proposing.at(2), source, wanted=True) is None
    assert source.made == ["key"]
    proposal = reply_kem(silent.at(3), source, wanted=True)
    assert proposal is not None
    assert proposal.accepted is None
    assert source.made == ["key"] * 2
    accepted = reply_kem(proposing.at(3), source, wanted=True)
    assert accepted is not None
    assert accepted.accepted is not None
    assert source.made == ["key"] * 2 + ["secret", "key"]
    assert accepted.proposed() == KemKeys(accepted.own)


def test_keys_that_do_not_fit_together() -> None:
    source = SystemKem()
    initiator, other = (E2EPrivateKeys.generate(kem=KemKeys.propose(source)) for _ in range(2))
    joiner = E2EPrivateKeys.generate(kem=reply_kem(initiator.public_at(3), source, wanted=True))
    for wrong in (other.public_at(3), initiator.without_kem().public_at(3), joiner.public_at(3)):
        with pytest.raises(CryptoError, match="not the one"):
            agree_as_joiner(joiner, wrong)
    with pytest.raises(CryptoError, match="not proposed"):
        agree_as_initiator(initiator.without_kem(), joiner.public_at(3))
    # both proposed, as in a ratchet that is started again: it starts without KEM
    assert agree_as_initiator(initiator, other.public_at(3)).kem is None
    assert agree_as_joiner(other, initiator.public_at(3)).kem == other.kem
    # at version 2 nothing of it counts
    plain = agree_as_joiner(joiner, initiator.public_at(2))
    assert plain == agree_as_initiator(initiator, joiner.public_at(2))
    assert plain.kem is None


def test_stored_keys() -> None:
    initiator = E2EPrivateKeys.generate(kem=KemKeys.propose(SystemKem()))
    joiner = E2EPrivateKeys.generate(kem=reply_kem(initiator.public_at(3), wanted=True))
    for own in (E2EPrivateKeys.generate(), initiator, joiner):
        stored = own.to_bytes()
        assert E2EPrivateKeys.from_bytes(stored) == own
        for damaged in (stored + b"!", stored[:-1], stored[:60], b"", stored[:112] + b"X" + stored[113:] + b"X"):
            with pytest.raises(CryptoError, match="size"):
                E2EPrivateKeys.from_bytes(damaged)
    # as stored before there were KEM keys
    assert len(own_keys().to_bytes()) == 112
    assert "raw" not in repr(initiator)
