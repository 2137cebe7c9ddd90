from __future__ import annotations

import contextlib
import datetime as dt
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simplex_calls.crypto import Ed25519PrivateKey, X25519PrivateKey, X25519PublicKey, pad
from simplex_calls.smp.certificates import sign_key, verify_chain, verify_key
from simplex_calls.smp.encoding import VersionRange
from simplex_calls.smp.errors import DecodeError, EncodeError, ServerIdentityError, SMPError
from simplex_calls.smp.handshake import (
    ClientHello,
    ServerHello,
    SignedServerKey,
    accept_client,
    accept_server,
    decode_client_hello,
    decode_server_hello,
    encode_hello,
)
from simplex_calls.smp.transmission import BLOCK_SIZE, Session, decode_transmission, pack_blocks, unpack_block
from tests.vectors import simplexmq

H = bytes.fromhex
SECTION = simplexmq()["handshake"]
CHAIN = tuple(H(der) for der in SECTION["cert_chain_der"])
SESSION_KEY = X25519PublicKey(H(SECTION["server_session_key"]["pub_raw"]))
CLIENT_KEY = X25519PublicKey(H(SECTION["client_session_key"]["pub_raw"]))
CLIENT_PRIVATE = X25519PrivateKey(H(SECTION["client_session_key"]["priv_raw"]))
SERVER_PRIVATE = X25519PrivateKey(H(SECTION["server_session_key"]["priv_raw"]))
LEAF_KEY = Ed25519PrivateKey(H(SECTION["leaf_ed25519_priv"]))
SESSION_ID = H(SECTION["session_id"])
NOW = dt.datetime(2026, 12, 1, tzinfo=dt.UTC)
FINGERPRINT = H(SECTION["ca_fingerprint"])


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

    ends = {"client": Session(version, SESSION_ID), "server": Session(version, SESSION_ID)}
    if vector["alpn"]:
        ends["client"], answer = accept_server(
            H(vector["server_handshake_block"]),
            fingerprint=H(SECTION["ca_fingerprint"]),
            session_id=SESSION_ID,
            peer_chain=CHAIN,
            client_key=CLIENT_PRIVATE,
            now=NOW,
            versions=VersionRange(6, version),
        )
        assert answer == H(vector["client_handshake_block"])
        ends["server"], said = accept_client(
            answer, fingerprint=H(SECTION["ca_fingerprint"]), session_id=SESSION_ID, server_key=SERVER_PRIVATE,
            versions=offered,
        )  # fmt: skip
        assert said == client
    assert [end.cipher is not None for end in ends.values()] == [vector["blocks_encrypted"]] * 2
    for exchange in vector["exchange"]:
        for sender, receiver, word in (("client", "server", b"PING"), ("server", "client", b"PONG")):
            block = H(exchange[f"{sender}_block"])
            (data,) = unpack_block(block, ends[receiver].cipher)
            received = decode_transmission(ends[receiver], data)
            assert (received.command, received.corr_id.hex()) == (word, exchange["corr_id"])
            assert pack_blocks([data], ends[sender].cipher) == [block]


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


def accept(block: bytes, *, chain: tuple[bytes, ...] = CHAIN, is_proxy: bool = False) -> tuple[Session, bytes]:
    return accept_server(
        block,
        fingerprint=FINGERPRINT,
        session_id=SESSION_ID,
        peer_chain=chain,
        client_key=CLIENT_PRIVATE,
        now=NOW,
        is_proxy=is_proxy,
    )


def test_accepting_the_server_of_the_vectors() -> None:
    for chain in (CHAIN, CHAIN[:1], ()):
        session, answer = accept(H(SECTION["handshakes"][0]["server_handshake_block"]), chain=chain)
        assert session == Session(18, SESSION_ID, SESSION_KEY)
        assert decode_client_hello(answer) == ClientHello(18, FINGERPRINT, CLIENT_KEY)
    with pytest.raises(ServerIdentityError, match="TLS"):
        accept(H(SECTION["handshakes"][0]["server_handshake_block"]), chain=CHAIN[1:])


def test_a_server_of_version_6_shows_its_certificates_in_tls() -> None:
    block = H(next(v for v in SECTION["handshakes"] if not v["alpn"])["server_handshake_block"])
    session, answer = accept(block)
    assert session == Session(6, SESSION_ID)
    assert decode_client_hello(answer) == ClientHello(6, FINGERPRINT)
    for chain in ((), CHAIN[:1], CHAIN[::-1]):
        with pytest.raises(ServerIdentityError):
            accept(block, chain=chain)
    with pytest.raises(ServerIdentityError):
        accept(encode_hello(ServerHello(VersionRange(6, 9), SESSION_ID)))


def test_blocks_of_proxies_are_not_encrypted_again() -> None:
    blocks = {vector["agreed_version"]: H(vector["server_handshake_block"]) for vector in SECTION["handshakes"]}
    session, answer = accept(blocks[18], is_proxy=True)
    assert (session.version, session.cipher) == (18, None)
    served, said = accept_client(
        answer, fingerprint=FINGERPRINT, session_id=SESSION_ID, server_key=SERVER_PRIVATE, versions=VersionRange(6, 18)
    )
    assert said.is_proxy
    assert served.cipher is None
    old = ServerHello(VersionRange(6, 12), SESSION_ID, SignedServerKey(CHAIN, sign_key(SESSION_KEY, LEAF_KEY)))
    assert accept(encode_hello(old), is_proxy=True)[0].version == 10


def test_what_a_server_refuses_of_a_client() -> None:
    def check(hello: ClientHello) -> None:
        accept_client(
            encode_hello(hello),
            fingerprint=FINGERPRINT,
            session_id=SESSION_ID,
            server_key=SERVER_PRIVATE,
            versions=VersionRange(6, 17),
        )

    check(ClientHello(17, FINGERPRINT, CLIENT_KEY))
    for hello in (
        ClientHello(18, FINGERPRINT, CLIENT_KEY),
        ClientHello(5, FINGERPRINT),
        ClientHello(9, bytes(32)),
        ClientHello(11, FINGERPRINT, X25519PublicKey(bytes(32))),
    ):
        with pytest.raises(DecodeError):
            check(hello)


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
        assert session.server_key in (None, SESSION_KEY)
        assert (session.version < 7) == (session.server_key is None)
