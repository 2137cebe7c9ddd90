from __future__ import annotations

import contextlib
import hashlib
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simplex_calls.crypto import Ed25519PublicKey, PublicKey, X25519PublicKey, decode_public_key
from simplex_calls.smp.address import ServerAddress
from simplex_calls.smp.commands import (
    Ack,
    Command,
    CommandError,
    Del,
    Get,
    Key,
    LDel,
    LGet,
    LinkData,
    LinkRequest,
    LKey,
    LSet,
    NDel,
    New,
    NKey,
    NotifierRequest,
    NSub,
    NSubs,
    Off,
    PFwd,
    Ping,
    Prxy,
    Que,
    QueueMode,
    RFwd,
    Send,
    SKey,
    Sub,
    Subs,
    check_credentials,
    decode_command,
    encode_command,
    sender_id_for,
)
from simplex_calls.smp.errors import CommandFault
from tests.vectors import simplexmq

H = bytes.fromhex
SECTION = simplexmq()["smp"]
PARAMS = SECTION["params"]
ED = decode_public_key(H(PARAMS["ed25519"]["pub_der"]))
X = X25519PublicKey.from_der(H(PARAMS["x25519_auth_pub_der"]))
DH = X25519PublicKey.from_der(H(PARAMS["dh_pub_der"]))
NTF = decode_public_key(H(PARAMS["ntf_ed25519_pub_der"]))
LINK = LinkData(H(PARAMS["enc_fixed_data"]), H(PARAMS["enc_user_data"]))

COMMANDS: dict[str, Command] = {
    "NEW ed25519, dh, no auth, subscribe, messaging, no ntf creds": New(ED, DH, mode=QueueMode.MESSAGING),
    "NEW x25519 auth key, basic auth 'pass123', only create, contact": New(X, DH, "pass123", False, QueueMode.CONTACT),
    "NEW no queueReqData": New(ED, DH),
    "NEW messaging with link data": New(ED, DH, mode=QueueMode.MESSAGING, link=LinkRequest(H(PARAMS["qid_1"]), LINK)),
    "NEW contact with link data": New(
        ED, DH, mode=QueueMode.CONTACT, link=LinkRequest(H(PARAMS["qid_1"]), LINK, H(PARAMS["qid_2"]))
    ),
    "NEW with ntf creds": New(ED, DH, mode=QueueMode.MESSAGING, notifier=NotifierRequest(NTF, DH)),
    "SUB": Sub(),
    "KEY ed25519": Key(ED),
    "KEY x25519": Key(X),
    "LSET": LSet(H(PARAMS["qid_2"]), LINK),
    "LDEL": LDel(),
    "NKEY": NKey(NTF, DH),
    "NDEL": NDel(),
    "GET": Get(),
    "ACK": Ack(H(PARAMS["msg_id"])),
    "OFF": Off(),
    "DEL": Del(),
    "QUE": Que(),
    "SKEY ed25519": SKey(ED),
    "SKEY x25519": SKey(X),
    "SEND notification=T": Send(H(PARAMS["send_body"]), True),
    "SEND notification=F": Send(H(PARAMS["send_body"]), False),
    "PING": Ping(),
    "LKEY": LKey(ED),
    "LGET": LGet(),
}


@pytest.mark.parametrize("vector", SECTION["commands"], ids=lambda v: v["name"])
def test_vectors(vector: dict[str, Any]) -> None:
    command = COMMANDS[vector["name"]]
    tested = set()
    for case in vector["encodings"]:
        for version in case["versions"]:
            tested.add(version)
            assert encode_command(command, version) == H(case["encoded"])
            assert decode_command(H(case["encoded"]), version) == as_understood(command, version)
    assert tested >= {6, 7, 8, 9, 10, 11, 12, 14, 15, 16, 17, 18}


def as_understood(command: Command, version: int) -> Command:
    """The command without what its encoding in ``version`` has no room for."""
    if not isinstance(command, New) or version >= 17:
        return command
    command = replace(command, notifier=None)
    if version >= 15:
        return command
    said = QueueMode.MESSAGING if command.sender_can_secure else QueueMode.CONTACT
    return replace(command, mode=said if version >= 9 else None, link=None)


def test_sender_id_of_a_correlation_id() -> None:
    assert sender_id_for(b"c" * 24) == hashlib.sha3_384(b"c" * 24).digest()[:24]


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (b"", "UNKNOWN"),
        (b"HELLO", "UNKNOWN"),
        (b"sub", "UNKNOWN"),
        (b" SUB", "UNKNOWN"),
        (b"SUB ", "SYNTAX"),
        (b"SUB x", "SYNTAX"),
        (b"SUBS x", "SYNTAX"),
        (b"KEY", "SYNTAX"),
        (b"KEY \x03abc", "SYNTAX"),
        (b"SEND T", "SYNTAX"),
        (b"SEND X body", "SYNTAX"),
        (b"ACK \x03ab", "SYNTAX"),
        (b"ACK \x01ab", "SYNTAX"),
        (b"NEW", "SYNTAX"),
        (encode_command(New(ED, DH), 9)[:-2] + b"XF", "SYNTAX"),
        (encode_command(New(ED, DH, "p"), 9).replace(b"\x01p", b"\x01\xff"), "SYNTAX"),
    ],
)
def test_faults(data: bytes, fault: str) -> None:
    with pytest.raises(CommandError) as caught:
        decode_command(data, 9)
    assert caught.value.error.fault is CommandFault(fault)


def test_flags_of_the_future_are_ignored() -> None:
    assert decode_command(b"SEND Tabc body", 9) == Send(b"body", True)


@pytest.mark.parametrize(
    ("command", "authorized", "entity", "fault"),
    [
        (New(ED, DH), True, False, None),
        (New(ED, DH), False, False, "NO_AUTH"),
        (New(ED, DH), True, True, "HAS_AUTH"),
        (Send(b""), False, True, None),
        (Send(b""), True, True, None),
        (Send(b""), True, False, "NO_ENTITY"),
        (Ping(), False, False, None),
        (Ping(), True, False, "HAS_AUTH"),
        (Ping(), False, True, "HAS_AUTH"),
        (LGet(), False, True, None),
        (LGet(), True, True, "HAS_AUTH"),
        (LGet(), False, False, "NO_ENTITY"),
        (Sub(), True, True, None),
        (Sub(), False, True, "NO_AUTH"),
        (Sub(), True, False, "NO_AUTH"),
        (NSub(), True, False, "NO_AUTH"),
        (Subs(), True, True, None),
        (Subs(), True, False, "NO_AUTH"),
        (NSubs(), False, True, "NO_AUTH"),
    ],
)
def test_credentials(command: Command, authorized: bool, entity: bool, fault: str | None) -> None:
    if fault is None:
        check_credentials(command, authorized=authorized, entity=entity)
    else:
        with pytest.raises(CommandError) as caught:
            check_credentials(command, authorized=authorized, entity=entity)
        assert caught.value.error.fault is CommandFault(fault)


def test_nothing_secret_is_shown() -> None:
    for command in (New(ED, DH, "hush"), Send(b"hush"), Ack(b"hush"), LSet(b"hush", LinkData(b"hush", b"hush"))):
        assert "hush" not in repr(command)


KEYS: st.SearchStrategy[PublicKey] = st.binary(min_size=32, max_size=32).map(Ed25519PublicKey)


@given(KEYS, st.binary(max_size=200), st.binary(max_size=255), st.booleans(), st.none() | st.text("abc-é", max_size=50))
def test_round_trips(key: PublicKey, body: bytes, short: bytes, flag: bool, password: str | None) -> None:
    for command in (
        New(key, DH, password, flag, QueueMode.CONTACT if flag else QueueMode.MESSAGING),
        Prxy(ServerAddress(("host.example",), 5223, bytes(32)), password),
        PFwd(len(short), DH, body),
        RFwd(body),
        Key(key),
        SKey(key),
        Send(body, flag),
        Ack(short),
        NKey(key, DH),
        LSet(short, LinkData(body, body)),
        LKey(key),
        NSub(),
        Subs(),
        NSubs(),
    ):
        assert decode_command(encode_command(command, 9), 9) == command
    links = [None, LinkRequest(short, LinkData(body, body), short[::-1] if flag else None)]
    mode = QueueMode.CONTACT if flag else QueueMode.MESSAGING
    for link in links:
        for notifier in (None, NotifierRequest(key, DH)):
            new = New(key, DH, password, flag, mode, link, notifier)
            assert decode_command(encode_command(new, 18), 18) == new


TAGS = [
    b"NEW",
    b"PRXY",
    b"PFWD",
    b"RFWD",
    b"SUB",
    b"KEY",
    b"SKEY",
    b"SEND",
    b"ACK",
    b"LSET",
    b"NKEY",
    b"LKEY",
    b"PING",
    b"",
]


@given(st.sampled_from(TAGS), st.binary(max_size=150), st.integers(6, 18))
def test_garbage_raises_only_command_errors(tag: bytes, data: bytes, version: int) -> None:
    for candidate in (tag + data, tag + b" " + data, tag + b" \x2c" + DH.der + data):
        with contextlib.suppress(CommandError):
            decode_command(candidate, version)
