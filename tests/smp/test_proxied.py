from __future__ import annotations

import contextlib
import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simplex_calls.crypto import BoxKey, CryptoError, X25519PrivateKey, X25519PublicKey
from simplex_calls.smp.commands import Send, SKey, decode_command
from simplex_calls.smp.encoding import VersionRange
from simplex_calls.smp.errors import (
    DecodeError,
    EncodeError,
    LargeMessageError,
    ProxyFault,
    ServerIdentityError,
    UnexpectedResponseError,
    VersionError,
)
from simplex_calls.smp.messages import Ok, PKey, encode_message
from simplex_calls.smp.proxied import (
    FORWARDED_SIZE,
    Forwarded,
    ForwardedAnswer,
    ForwardedCommand,
    accept_destination,
)
from simplex_calls.smp.transmission import (
    Session,
    decode_transmission,
    encode_transmission,
    verify_transmission,
)
from tests.smp.server import NOW, Identity

IDENTITY = Identity.make()
PROXY = X25519PrivateKey.generate()
SECRET = BoxKey.agree(PROXY, IDENTITY.session_key.public)
SENDER = X25519PrivateKey.generate()
RFWD = bytes(range(24))


CURRENT = VersionRange(8, 17)


def destination(versions: VersionRange = CURRENT) -> Session:
    answer = PKey(b"session", versions, IDENTITY.signed_key())
    return accept_destination(answer, fingerprint=IDENTITY.fingerprint, now=NOW)


@pytest.mark.parametrize("version", [8, 9, 16, 17])
@pytest.mark.parametrize("command", [Send(bytes(16048), True), SKey(SENDER.public)])
def test_there_and_back(version: int, command: Send | SKey) -> None:
    session = destination(VersionRange(8, version))
    sealed = ForwardedCommand.seal(session, command, b"q" * 24, SENDER)
    assert sealed.command.version == session.version == version
    assert len(sealed.command.encrypted) == FORWARDED_SIZE + 16

    # the proxy, then the destination
    on_the_way = Forwarded(sealed.corr_id, version, sealed.command.command_key, sealed.command.encrypted)
    arrived = Forwarded.open(BoxKey.agree(IDENTITY.session_key, PROXY.public), RFWD, on_the_way.seal(SECRET, RFWD))
    assert arrived == on_the_way
    key, data = arrived.open_command(IDENTITY.session_key)
    theirs = Session(version, b"session")
    transmission = decode_transmission(theirs, data)
    assert verify_transmission(transmission, SENDER.public, IDENTITY.session_key)
    assert decode_command(transmission.command, version) == command

    answer = encode_transmission(theirs, transmission.corr_id, transmission.entity_id, encode_message(Ok(), version))
    back = ForwardedAnswer(arrived.corr_id, arrived.seal_answer(key, answer))
    returned = ForwardedAnswer.open(SECRET, RFWD, back.seal(SECRET, RFWD))
    assert returned == back
    assert sealed.open(returned.encrypted) == Ok()


def test_each_command_has_a_key_of_its_own() -> None:
    one, two = (ForwardedCommand.seal(destination(), Send(b""), b"q", None) for _ in range(2))
    assert one.command.command_key != two.command.command_key
    assert one.corr_id != two.corr_id


def test_answers_that_are_none() -> None:
    session = destination()
    sealed = ForwardedCommand.seal(session, Send(b""), b"q", None)
    forwarded = Forwarded(sealed.corr_id, session.version, sealed.command.command_key, sealed.command.encrypted)
    key, _ = forwarded.open_command(IDENTITY.session_key)
    other = encode_transmission(session, bytes(24), b"q", b"OK")
    garbled = encode_transmission(session, sealed.corr_id, b"q", b"WHAT")
    for answer in (b"", bytes(16242), forwarded.seal_answer(key, other), forwarded.seal_answer(key, garbled)):
        with pytest.raises(UnexpectedResponseError):
            sealed.open(answer)


def test_a_proxy_cannot_bring_another_server() -> None:
    answer = PKey(b"session", VersionRange(8, 17), Identity.make().signed_key())
    with pytest.raises(ServerIdentityError):
        accept_destination(answer, fingerprint=IDENTITY.fingerprint, now=NOW)
    with pytest.raises(ServerIdentityError):
        late = PKey(b"session", VersionRange(8, 17), IDENTITY.signed_key())
        accept_destination(late, fingerprint=IDENTITY.fingerprint, now=NOW + dt.timedelta(days=365))


def test_a_server_that_is_too_old() -> None:
    with pytest.raises(VersionError):
        destination(VersionRange(6, 7))
    with pytest.raises(EncodeError):
        ForwardedCommand.seal(Session(8, b"session"), Send(b""), b"q", None)


def test_a_command_that_does_not_fit() -> None:
    with pytest.raises(LargeMessageError):
        ForwardedCommand.seal(destination(), Send(bytes(16200)), b"q" * 24, SENDER)
    # the authenticator, the absent signature of a service, both ids, and the command's words
    overhead = (1 + 80) + 1 + (1 + 24) + (1 + 24) + len(b"SEND F ")
    for size, fits in ((16221 - overhead, True), (16222 - overhead, False)):
        with contextlib.nullcontext() if fits else pytest.raises(LargeMessageError):
            ForwardedCommand.seal(destination(), Send(bytes(size)), b"q" * 24, SENDER)


@given(st.binary(max_size=200))
def test_garbage_between_the_servers(data: bytes) -> None:
    for sealed in (data, SECRET.seal(RFWD, data), SECRET.seal(RFWD[::-1], data)):
        with contextlib.suppress(CryptoError, DecodeError):
            Forwarded.open(SECRET, RFWD, sealed)
        with contextlib.suppress(CryptoError, DecodeError):
            ForwardedAnswer.open(SECRET, RFWD, sealed)
    key = X25519PrivateKey.generate()
    box = BoxKey.agree(key, IDENTITY.session_key.public)
    for encrypted in (data, box.seal(RFWD, data), box.seal(RFWD, len(data).to_bytes(2, "big") + data)):
        with contextlib.suppress(CryptoError, DecodeError):
            Forwarded(RFWD, 9, key.public, encrypted).open_command(IDENTITY.session_key)
    with pytest.raises(CryptoError):
        Forwarded(RFWD, 9, X25519PublicKey(bytes(32)), data).open_command(IDENTITY.session_key)


@pytest.mark.parametrize(
    ("detail", "fault"),
    [
        ("NO_SESSION", ProxyFault.NO_SESSION),
        ("BASIC_AUTH", ProxyFault.REFUSED),
        ("PROTOCOL AUTH", ProxyFault.PROTOCOL),
        ("BROKER HOST", ProxyFault.HOST),
        ("BROKER NETWORK", ProxyFault.UNREACHABLE),
        ("BROKER NETWORK TIMEOUT", ProxyFault.UNREACHABLE),
        ("BROKER TIMEOUT", ProxyFault.TIMEOUT),
        ("BROKER TRANSPORT VERSION", ProxyFault.VERSION),
        ("BROKER TRANSPORT HANDSHAKE IDENTITY", ProxyFault.OTHER),
        ("BROKER RESPONSE \x05BLOCK", ProxyFault.OTHER),
        ("", ProxyFault.OTHER),
    ],
)
def test_what_a_proxy_says(detail: str, fault: ProxyFault) -> None:
    assert ProxyFault.parse(detail) is fault
