from __future__ import annotations

import contextlib
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simplex_calls.crypto import X25519PrivateKey, hkdf
from simplex_calls.smp.blocks import BLOCK_SIZE, BlockCipher, KeyChain
from simplex_calls.smp.errors import DecodeError, EncodeError
from simplex_calls.smp.transmission import MAX_TRANSMISSION_SIZE, TransmissionError, pack_blocks, unpack_block
from tests.vectors import simplexmq

H = bytes.fromhex
SECTION = simplexmq()["crypto"]["block_chain"]


def chains() -> tuple[KeyChain, KeyChain]:
    keys = hkdf(H(SECTION["session_id"]), H(SECTION["dh_secret"]), b"SimpleXSbChainInit", 64)
    assert keys == H(SECTION["init_okm"])
    return KeyChain(keys[:32]), KeyChain(keys[32:])


def pair() -> tuple[BlockCipher, BlockCipher]:
    session_id, client, server = os.urandom(32), X25519PrivateKey.generate(), X25519PrivateKey.generate()
    return (
        BlockCipher.for_client(session_id, client, server.public),
        BlockCipher.for_server(session_id, server, client.public),
    )


def test_vectors() -> None:
    for chain, name in zip(chains(), ("chain1_server_snd", "chain2_client_snd"), strict=True):
        plain = bytes(40)
        for step in SECTION[name]:
            key, nonce = chain.step()
            assert nonce == H(step["nonce"])
            assert key.open(nonce, key.from_secret(H(step["key"])).seal(nonce, plain)) == plain
    sending, receiving = chains()
    first = SECTION["first_block_chain1"]
    block = BlockCipher(sending, receiving).seal(H(first["plain"]))
    assert block == H(first["block"])
    assert len(block) == first["padded_len"] + 16 == BLOCK_SIZE


def test_both_ways_in_order() -> None:
    client, server = pair()
    for number in range(5):
        body = b"%d" % number
        assert server.open(client.seal(body)) == body
        assert client.open(server.seal(body)) == body
    one, two = client.seal(b"same"), client.seal(b"same")
    assert one != two
    with pytest.raises(DecodeError):
        server.open(two)  # the first one is missing


def test_a_block_that_is_changed() -> None:
    client, server = pair()
    block = bytearray(client.seal(b"body"))
    block[100] ^= 1
    with pytest.raises(DecodeError):
        server.open(bytes(block))


def test_the_longest_transmission_fits() -> None:
    client, server = pair()
    (block,) = pack_blocks([bytes(MAX_TRANSMISSION_SIZE)], client)
    assert unpack_block(block, server) == [bytes(MAX_TRANSMISSION_SIZE)]
    with pytest.raises(EncodeError):
        pack_blocks([b"first", bytes(MAX_TRANSMISSION_SIZE + 1)], client)
    # nothing was encrypted by that, so the chains are still in step
    (block,) = pack_blocks([b"next"], client)
    assert unpack_block(block, server) == [b"next"]
    with pytest.raises(EncodeError):
        client.seal(bytes(BLOCK_SIZE))


@given(st.binary(max_size=300))
def test_garbage(data: bytes) -> None:
    client, server = pair()
    for block in (data, data.ljust(BLOCK_SIZE, b"#")):
        with pytest.raises(DecodeError):
            pair()[1].open(block)
    with contextlib.suppress(TransmissionError):
        unpack_block(client.seal(data), server)
