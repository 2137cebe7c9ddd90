from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simplex_calls.crypto import X25519PublicKey
from simplex_calls.smp.commands import LinkData
from simplex_calls.smp.errors import BrokerError, CommandFault, DecodeError, EncodeError, ErrorCode, ServerError
from simplex_calls.smp.messages import (
    BrokerMessage,
    Deld,
    End,
    Err,
    Ids,
    Info,
    Lnk,
    Msg,
    Nid,
    NMsg,
    Ok,
    Pong,
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
    "IDS messaging": Ids(RID, SID, DH, True),
    "IDS contact + link id": Ids(RID, SID, DH, False),
    "IDS no mode": Ids(RID, SID, DH, False),
    "IDS with server ntf creds": Ids(RID, SID, DH, True),
    "MSG": Msg(H(PARAMS["msg_id"]), H(PARAMS["send_body"])),
    "OK": Ok(),
    "SOK no service": Ok(),
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


def changes_later(message: BrokerMessage, name: str, version: int) -> bool:
    """Tell whether the encoding belongs to a version that this codec refuses."""
    return (isinstance(message, Ids) and version > 14) or (name.startswith("SOK") and version > 15)


@pytest.mark.parametrize("vector", SECTION["broker_messages"], ids=lambda v: v["name"])
def test_vectors(vector: dict[str, Any]) -> None:
    name = vector["name"]
    message = MESSAGES[name]
    for case in vector["encodings"]:
        for version in case["versions"]:
            if changes_later(message, name, version):
                continue
            assert encode_message(message, version) == H(case["encoded"])
            decoded = decode_message(H(case["encoded"]), version)
            if isinstance(message, Ids) and version < 9:
                assert decoded == Ids(RID, SID, DH)
            elif isinstance(message, Deld) and version < 10:
                assert decoded == End()
            elif isinstance(message, Err) and message.error.code is ErrorCode.BLOCKED and version < 12:
                assert decoded == Err(ServerError(ErrorCode.AUTH))
            else:
                assert decoded == message


def test_ids_of_later_versions_is_refused() -> None:
    with pytest.raises(EncodeError):
        encode_message(Ids(RID, SID, DH), 15)
    with pytest.raises(DecodeError):
        decode_message(encode_message(Ids(RID, SID, DH), 9), 15)


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
        Ids(short, short[::-1], DH, flag),
        Msg(short, body),
        Err(error),
        Info(body),
        Nid(short, DH),
        NMsg(bytes(24), short),
        Lnk(short, LinkData(body, body)),
    ):
        assert decode_message(encode_message(message, 9), 9) == message


TAGS = [b"IDS ", b"MSG ", b"ERR ", b"ERR CMD ", b"ERR PROXY ", b"ERR STORE ", b"INFO ", b"NID ", b"LNK ", b"NMSG ", b""]


@given(st.sampled_from(TAGS), st.binary(max_size=150), st.integers(6, 18))
def test_garbage_raises_only_decode_errors(tag: bytes, data: bytes, version: int) -> None:
    with contextlib.suppress(DecodeError):
        decode_message(tag + data, version)
