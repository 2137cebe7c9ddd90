from __future__ import annotations

from typing import Any

import pytest

from simplex_calls.agent.x3dh import (
    E2EParams,
    E2EParamsRange,
    E2EPrivateKeys,
    agree_as_initiator,
    agree_as_joiner,
)
from simplex_calls.crypto import CryptoError, X448PrivateKey
from simplex_calls.smp.encoding import Reader, VersionRange
from simplex_calls.smp.errors import DecodeError
from tests.vectors import simplexmq

H = bytes.fromhex
SCENARIOS = simplexmq()["ratchet"]


def private_keys(party: dict[str, Any]) -> E2EPrivateKeys:
    return E2EPrivateKeys(
        X448PrivateKey(H(party["key1"]["priv_raw"])),
        X448PrivateKey(H(party["key2"]["priv_raw"])),
    )


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario["name"])
def test_agreement(scenario: dict[str, Any]) -> None:
    joiner, initiator = private_keys(scenario["joiner"]), private_keys(scenario["initiator"])
    version = scenario["e2e_version"]
    agreed = agree_as_joiner(joiner, initiator.public_at(version))
    assert agreed == agree_as_initiator(initiator, joiner.public_at(version))
    expected = scenario["x3dh"]
    assert agreed.associated_data == H(expected["assoc_data"])
    if not expected["kem_shared_secret"]:
        assert agreed.root_key == H(expected["ratchet_key"])
        assert agreed.joiner_header_key == H(expected["snd_header_key"])
        assert agreed.initiator_header_key == H(expected["rcv_next_header_key"])
    assert expected["ratchet_key"] not in repr(agreed)


@pytest.mark.parametrize("scenario", SCENARIOS[:2], ids=lambda scenario: scenario["name"])
def test_params(scenario: dict[str, Any]) -> None:
    for name in ("joiner", "initiator"):
        encoded = H(scenario[name]["params_binary"])
        reader = Reader(encoded + b"!")
        params = E2EParams.read(reader)
        assert reader.tail() == b"!"
        assert params == private_keys(scenario[name]).public_at(scenario["e2e_version"])
        assert params.encode() == encoded


def test_param_ranges() -> None:
    keys = simplexmq()["uris"]["keys"]
    own = E2EPrivateKeys(*(X448PrivateKey(H(keys[name]["priv_raw"])) for name in ("x3dh_1", "x3dh_2")))
    for vector in simplexmq()["uris"]["e2e_params_uri"]:
        versions = VersionRange.parse(vector["name"][1:].split()[0])
        reader = Reader(H(vector["binary"]))
        params = E2EParamsRange.read(reader)
        reader.end()
        assert params == own.public(versions)
        assert params.at(2) == own.public_at(2)
        if "kem" not in vector["name"]:
            assert params.encode() == H(vector["binary"])
    accepted = Reader(H(simplexmq()["uris"]["e2e_params_uri_accepted"]["binary"]))
    assert E2EParamsRange.read(accepted) == own.public(VersionRange(2, 3))
    accepted.end()
    with pytest.raises(DecodeError, match="KEM"):
        E2EParamsRange.read(Reader(own.public(VersionRange(2, 3)).encode()[:-1] + b"1X"))


def test_stored_keys() -> None:
    own = E2EPrivateKeys.generate()
    assert E2EPrivateKeys.from_bytes(own.to_bytes()) == own
    with pytest.raises(CryptoError, match="size"):
        E2EPrivateKeys.from_bytes(own.to_bytes() + b"!")
