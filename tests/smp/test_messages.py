from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simplex_calls.crypto import X25519PublicKey
from simplex_calls.smp.commands import LinkData, QueueMode
from simplex_calls.smp.encoding import VersionRange
from simplex_calls.smp.errors import BrokerError, CommandFault, DecodeError, ErrorCode, ServerError
from simplex_calls.smp.handshake import SignedServerKey
from simplex_calls.smp.messages import (
    BrokerMessage,
    Deld,
    End,
    Ends,
    Err,
    Ids,
    Info,
    Lnk,
    Msg,
    Nid,
    NMsg,
    Ok,
    PKey,
    Pong,
    PRes,
    RRes,
    Sok,
    Soks,
    decode_message,
    encode_message,
)
from tests.vectors import simplexmq

H = bytes.fromhex
SECTION = simplexmq()["smp"]
PARAMS = SECTION["params"]
DH = X25519PublicKey.from_der(H(PARAMS["dh_pub_der"]))
RID, SID = H(PARAMS["qid_10"]), H(PARAMS["qid_20"])
LINK = LinkData(H(PARAMS["enc_fixed_data"]), H(PARAMS["enc_user_data"]))

MESSAGES: dict[str, BrokerMessage] = {
    "IDS messaging": Ids(RID, SID, DH, QueueMode.MESSAGING),
    "IDS contact + link id": Ids(RID, SID, DH, QueueMode.CONTACT, H(PARAMS["qid_30"])),
    "IDS no mode": Ids(RID, SID, DH),
    "IDS with server ntf creds": Ids(RID, SID, DH, QueueMode.MESSAGING, notifier=Nid(H(PARAMS["qid_40"]), DH)),
    "MSG": Msg(H(PARAMS["msg_id"]), H(PARAMS["send_body"])),
    "OK": Ok(),
    "SOK no service": Sok(),
    "END": End(),
    "DELD": Deld(),
    "PONG": Pong(),
    "LNK": Lnk(SID, LINK),
    "NID": Nid(H(PARAMS["qid_40"]), DH),
    'ERR STORE {storeErr = "some error"}': Err(ServerError(ErrorCode.STORE, None, "some error")),
    "ERR BLOCKED {blockInfo = BlockingInfo {reason = BRSpam, notice = Nothing}}": Err(
        ServerError(ErrorCode.BLOCKED, None, "reason=spam")
    ),
}
for fault in CommandFault:
    MESSAGES[f"ERR CMD {{cmdErr = {fault.value}}}"] = Err(ServerError.cmd(fault))
for code in ErrorCode:
    MESSAGES.setdefault(f"ERR {code.value}", Err(ServerError(code)))


def as_understood(message: BrokerMessage, version: int) -> BrokerMessage:
    """The message without what its encoding in ``version`` has no room for."""
    match message:
        case Ids():
            if version < 17:
                message = replace(message, notifier=None)
            if version < 15:
                said = QueueMode.MESSAGING if message.sender_can_secure else QueueMode.CONTACT
                mode = said if version >= 9 else None
                message = replace(message, mode=mode, link_id=None)
            return message
        case Deld() if version < 10:
            return End()
        case Sok() if version < 16:
            return Ok()
        case Err(ServerError(code=ErrorCode.BLOCKED)) if version < 12:
            return Err(ServerError(ErrorCode.AUTH))
        case _:
            return message


@pytest.mark.parametrize("vector", SECTION["broker_messages"], ids=lambda v: v["name"])
def test_vectors(vector: dict[str, Any]) -> None:
    name = vector["name"]
    message = MESSAGES[name]
    for case in vector["encodings"]:
        for version in case["versions"]:
            assert encode_message(message, version) == H(case["encoded"])
            assert decode_message(H(case["encoded"]), version) == as_understood(message, version)


@pytest.mark.parametrize(
    "data",
    [
        b"", b"WHAT", b"OK ", b"OK x", b"MSG", b"MSG \x05abc", b"ERR", b"ERR WHAT", b"ERR AUTH now", b"ERR CMD",
        b"ERR CMD WHAT", b"ERR STORE", b"IDS \x01a\x01b\x01c", b"END.", b"NMSG short",
    ],
)  # fmt: skip
def test_bad_messages(data: bytes) -> None:
    with pytest.raises(DecodeError):
        decode_message(data, 9)


def test_errors_of_proxies_and_of_older_servers() -> None:
    proxied = decode_message(b"ERR PROXY BROKER RESPONSE \x02\xff\xfe", 9)
    assert proxied == Err(ServerError(ErrorCode.PROXY, None, "BROKER RESPONSE \x02\udcff\udcfe"))
    assert encode_message(proxied, 9) == b"ERR PROXY BROKER RESPONSE \x02\xff\xfe"
    assert decode_message(b"ERR CMD NO_QUEUE", 6) == Err(ServerError.cmd(CommandFault.NO_ENTITY))


def test_error_texts() -> None:
    assert str(BrokerError(ServerError(ErrorCode.AUTH))) == "server refused the command: AUTH"
    assert str(ServerError.cmd(CommandFault.PROHIBITED)) == "CMD PROHIBITED"
    assert "detail" not in str(ServerError(ErrorCode.STORE, None, "detail"))


def test_queue_information() -> None:
    info = decode_message(b'INFO {"qiSnd":true,"qiNtf":false,"qiSize":3}', 9)
    assert isinstance(info, Info)
    assert info.parsed()["qiSize"] == 3
    for data in (b"{", b"[]", b"\xff", b"[" * 100_000):
        with pytest.raises(DecodeError):
            Info(data).parsed()


def test_nothing_secret_is_shown() -> None:
    for message in (Ids(b"hush", b"hush", DH), Msg(b"hush", b"hush"), Info(b"hush"), Lnk(b"hush", LINK)):
        assert "hush" not in repr(message)


ERRORS = st.one_of(
    st.sampled_from(CommandFault).map(ServerError.cmd),
    st.sampled_from([c for c in ErrorCode if c.value not in ("CMD", "PROXY", "STORE", "BLOCKED")]).map(ServerError),
    st.text(max_size=40).map(lambda s: ServerError(ErrorCode.STORE, None, s)),
)


@given(st.binary(max_size=255), st.binary(max_size=300), st.booleans(), ERRORS)
def test_round_trips(short: bytes, body: bytes, flag: bool, error: ServerError) -> None:
    for message in (
        Ids(short, short[::-1], DH, QueueMode.MESSAGING if flag else QueueMode.CONTACT),
        PKey(short, VersionRange(len(short), 300), SignedServerKey((body, short), body)),
        PRes(body),
        RRes(body),
        Msg(short, body),
        Err(error),
        Info(body),
        Nid(short, DH),
        NMsg(bytes(24), short),
        Lnk(short, LinkData(body, body)),
    ):
        assert decode_message(encode_message(message, 9), 9) == message
    some = short if flag else None
    ids = Ids(short, short, DH, QueueMode.CONTACT, some, some, Nid(short, DH) if flag else None)
    for later in (ids, Sok(some), Soks(len(body)), Ends(len(short))):
        assert decode_message(encode_message(later, 18), 18) == later


TAGS = [b"IDS ", b"MSG ", b"ERR ", b"ERR CMD ", b"ERR PROXY ", b"ERR STORE ", b"INFO ", b"NID ", b"LNK ", b"NMSG "]
TAGS += [b"PKEY ", b"PRES ", b"RRES ", b"SOK ", b"SOKS ", b"ENDS ", b""]


@given(st.sampled_from(TAGS), st.binary(max_size=150), st.integers(6, 18))
def test_garbage_raises_only_decode_errors(tag: bytes, data: bytes, version: int) -> None:
    with contextlib.suppress(DecodeError):
        decode_message(tag + data, version)


def test_notices_to_the_client_came_with_version_18() -> None:
    blocked = Err(ServerError(ErrorCode.BLOCKED, None, 'reason=spam,notice={"ttl":86400}'))
    assert decode_message(encode_message(blocked, 18), 18) == blocked
    assert encode_message(blocked, 17) == b"ERR BLOCKED reason=spam"
    assert encode_message(blocked, 11) == b"ERR AUTH"
