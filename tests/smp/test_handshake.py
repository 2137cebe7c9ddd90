from __future__ import annotations

import contextlib
import datetime as dt
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simplex_calls.crypto import Ed25519PrivateKey, X25519PublicKey, pad
from simplex_calls.smp.certificates import sign_key, verify_chain, verify_key
from simplex_calls.smp.encoding import VersionRange
from simplex_calls.smp.errors import DecodeError, EncodeError, ServerIdentityError, SMPError
from simplex_calls.smp.handshake import (
    ClientHello,
    ServerHello,
    SignedServerKey,
    accept_server,
    decode_client_hello,
    decode_server_hello,
    encode_hello,
)
from simplex_calls.smp.transmission import BLOCK_SIZE, Session, decode_transmission, unpack_block
from tests.vectors import simplexmq

H = bytes.fromhex
SECTION = simplexmq()["handshake"]
CHAIN = tuple(H(der) for der in SECTION["cert_chain_der"])
SESSION_KEY = X25519PublicKey(H(SECTION["server_session_key"]["pub_raw"]))
CLIENT_KEY = X25519PublicKey(H(SECTION["client_session_key"]["pub_raw"]))
LEAF_KEY = Ed25519PrivateKey(H(SECTION["leaf_ed25519_priv"]))
SESSION_ID = H(SECTION["session_id"])


@pytest.mark.parametrize("vector", SECTION["handshakes"], ids=lambda v: v["name"])
def test_vectors(vector: dict[str, Any]) -> None:
    version = vector["agreed_version"]
    offered = VersionRange(6, 18) if vector["alpn"] else VersionRange(6, 6)
    signed = SignedServerKey(CHAIN, sign_key(SESSION_KEY, LEAF_KEY)) if vector["alpn"] else None
    server = ServerHello(offered, SESSION_ID, signed)
    assert server.encode() == H(vector["server_handshake"])
    assert encode_hello(server) == H(vector["server_handshake_block"])
    assert decode_server_hello(H(vector["server_handshake_block"])) == server

    client = ClientHello(version, H(SECTION["ca_fingerprint"]), CLIENT_KEY if version >= 7 else None)
    assert client.encode() == H(vector["client_handshake"])
    assert encode_hello(client) == H(vector["client_handshake_block"])
    assert decode_client_hello(H(vector["client_handshake_block"])) == client

    if not vector["blocks_encrypted"]:
        for exchange in vector["exchange"]:
            for side, word in (("client", b"PING"), ("server", b"PONG")):
                (data,) = unpack_block(H(exchange[f"{side}_block"]))
                received = decode_transmission(Session(version, SESSION_ID), data)
                assert (received.command, received.corr_id.hex()) == (word, exchange["corr_id"])


def test_the_server_of_the_vectors_is_who_it_says() -> None:
    hello = decode_server_hello(H(SECTION["handshakes"][0]["server_handshake_block"]))
    assert hello.server_key is not None
    leaf = verify_chain(hello.server_key.chain, H(SECTION["ca_fingerprint"]), dt.datetime(2026, 12, 1, tzinfo=dt.UTC))
    assert leaf == LEAF_KEY.public
    assert verify_key(hello.server_key.signed_key, leaf) == SESSION_KEY


def test_additions_are_ignored() -> None:
    for server in (ServerHello(VersionRange(6, 9), b"id", SignedServerKey((b"a", b"b"), b"k")),):
        assert decode_server_hello(pad(server.encode() + b"more", BLOCK_SIZE)) == server
    client = ClientHello(9, bytes(32), CLIENT_KEY)
    assert decode_client_hello(pad(client.encode() + b"more", BLOCK_SIZE)) == client
    bare = ClientHello(9, bytes(32))
    assert decode_client_hello(encode_hello(bare)) == bare
    assert decode_client_hello(pad(bare.encode() + b"more", BLOCK_SIZE)) == bare


def test_a_server_without_key() -> None:
    hello = ServerHello(VersionRange(6, 9), b"id")
    assert decode_server_hello(encode_hello(hello)) == hello


def test_a_hello_that_does_not_fit() -> None:
    with pytest.raises(EncodeError, match="block"):
        encode_hello(ServerHello(VersionRange(9, 9), b"id", SignedServerKey((bytes(16384),), b"")))


@given(st.binary(max_size=300))
def test_garbage(data: bytes) -> None:
    for block in (data, pad(data, BLOCK_SIZE), pad(b"\x00\x06\x00\x12\x02id" + data, BLOCK_SIZE)):
        for decode in (decode_server_hello, decode_client_hello):
            with contextlib.suppress(DecodeError):
                decode(block)


NOW = dt.datetime(2026, 12, 1, tzinfo=dt.UTC)
FINGERPRINT = H(SECTION["ca_fingerprint"])


def accept(block: bytes, *, certificate: bytes | None = CHAIN[0]) -> tuple[Session, bytes]:
    return accept_server(block, fingerprint=FINGERPRINT, session_id=SESSION_ID, peer_certificate=certificate, now=NOW)


def test_accepting_the_server_of_the_vectors() -> None:
    for certificate in (CHAIN[0], None):
        session, answer = accept(H(SECTION["handshakes"][0]["server_handshake_block"]), certificate=certificate)
        assert session == Session(9, SESSION_ID, SESSION_KEY)
        assert decode_client_hello(answer) == ClientHello(9, FINGERPRINT)
    with pytest.raises(ServerIdentityError, match="TLS"):
        accept(H(SECTION["handshakes"][0]["server_handshake_block"]), certificate=CHAIN[1])


def test_a_certificate_that_the_library_only_warns_of_is_refused() -> None:
    block = bytearray(H(SECTION["handshakes"][0]["server_handshake_block"]))
    block[55] ^= 1  # makes the serial number 0
    with pytest.raises(ServerIdentityError):
        accept(bytes(block))


@given(st.integers(2, 600), st.integers(1, 255))
def test_a_changed_hello_is_never_taken_for_another_key(position: int, change: int) -> None:
    block = bytearray(H(SECTION["handshakes"][0]["server_handshake_block"]))
    block[position] ^= change
    with contextlib.suppress(SMPError):
        session, _ = accept(bytes(block))
        assert (session.version, session.server_key) == (9, SESSION_KEY)
