"""What is fuzzed: every decoder of bytes or texts that others send, with what it may raise and what must hold.

A target takes any bytes. It returns if they decode (and what it checks holds) or are refused by the decoder's own
error; anything else is a fault. ``python -m tests.fuzz`` searches for faults guided by coverage (atheris); the test
beside this file runs each on a few hundred changed messages.
"""

from __future__ import annotations

import contextlib
import functools
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from simplex_calls.agent import envelopes, ratchet
from simplex_calls.agent.links import Invitation, LinkError, ShortLink, parse_link
from simplex_calls.agent.queue_address import QueueUri
from simplex_calls.agent.ratchet_state import RatchetState, SkippedKeys, StoredRatchetError
from simplex_calls.agent.short_link_uri import ShortLinkKind
from simplex_calls.agent.short_links import FixedData, UserData
from simplex_calls.agent.x3dh import E2EParams, E2EPrivateKeys
from simplex_calls.calls.ice import IceConfig, IceServerError
from simplex_calls.calls.page import PageError, parse_message
from simplex_calls.chat.batch import MAX_DECOMPRESSED_LENGTH, MAX_MESSAGES, decode_body, decode_info
from simplex_calls.chat.messages import MessageError
from simplex_calls.crypto import CryptoError
from simplex_calls.smp.address import ServerAddress
from simplex_calls.smp.body import ClientEnvelope, ClientMessage
from simplex_calls.smp.commands import decode_command, encode_command
from simplex_calls.smp.encoding import Reader
from simplex_calls.smp.errors import DecodeError, SMPError
from simplex_calls.smp.handshake import ClientHello, ServerHello
from simplex_calls.smp.messages import decode_message, encode_message
from simplex_calls.smp.transmission import Session, decode_transmission, unpack_batch
from tests.agent.test_ratchet_properties import SENT, seeded
from tests.vectors import chat_bodies, simplexmq

H = bytes.fromhex
_VECTORS = simplexmq()
_LOWEST, _HIGHEST = 6, 18


@dataclass(frozen=True, slots=True)
class Target:
    """A decoder: ``run`` takes any bytes, ``seeds`` are true messages to start from."""

    name: str
    run: Callable[[bytes], object]
    seeds: tuple[bytes, ...]


def _of(
    name: str, seeds: Sequence[bytes], *errors: type[Exception]
) -> Callable[[Callable[[bytes], object]], Callable[[bytes], object]]:
    """Make a target of a function that may raise ``errors``."""

    def add(function: Callable[[bytes], object]) -> Callable[[bytes], object]:
        @functools.wraps(function)
        def run(data: bytes) -> object:
            with contextlib.suppress(*errors):
                return function(data)
            return None

        TARGETS.append(Target(name, run, tuple(seeds)))
        return function

    return add


TARGETS: list[Target] = []


def _with_versions(name: str, of: str) -> list[bytes]:
    """True encodings of a vector section, the version in the first byte."""
    return [
        bytes((version - _LOWEST,)) + H(encoding["encoded"])
        for item in _VECTORS[name][of]
        for encoding in item["encodings"]
        for version in (min(encoding["versions"]), max(encoding["versions"]))
    ]


def _version(data: bytes) -> int:
    return _LOWEST + (data[0] if data else 0) % (_HIGHEST - _LOWEST + 1)


@_of("smp commands", _with_versions("smp", "commands"), DecodeError)
def _commands(data: bytes) -> None:
    version = _version(data)
    command = decode_command(data[1:], version)
    assert decode_command(encode_command(command, version), version) == command


@_of("smp messages", _with_versions("smp", "broker_messages"), DecodeError)
def _messages(data: bytes) -> None:
    version = _version(data)
    message = decode_message(data[1:], version)
    again = decode_message(encode_message(message, version), version)
    # what a version has no place for is left out
    assert again == message or version < _HIGHEST


_TRANSMISSIONS = [
    bytes((case["version"] - _LOWEST,)) + H(case[name])
    for case in _VECTORS["transmissions"]["client"][::5]
    for name in ("transmission", "batch")
]


@_of("smp transmissions", _TRANSMISSIONS, DecodeError)
def _transmissions(data: bytes) -> None:
    session = Session(_version(data), H(_VECTORS["transmissions"]["client"][0]["session_id"]))
    with contextlib.suppress(DecodeError):
        decode_transmission(session, data[1:])
    assert all(len(item) < len(data) for item in unpack_batch(data[1:]))


_HELLOS = [
    H(case[name]) for case in _VECTORS["handshake"]["handshakes"] for name in ("client_handshake", "server_handshake")
]


@_of("smp handshakes", _HELLOS, SMPError)
def _hellos(data: bytes) -> None:
    with contextlib.suppress(DecodeError):
        ServerHello.decode(data)
    ClientHello.decode(data)


_CLIENT = _VECTORS["client_messages"]["envelopes"]


@_of(
    "client envelopes",
    [H(case[name])[:400] for case in _CLIENT for name in ("envelope", "client_message")],
    DecodeError,
)
def _client_envelopes(data: bytes) -> None:
    with contextlib.suppress(DecodeError):
        envelope = ClientEnvelope.decode(data)
        assert ClientEnvelope.decode(envelope.encode()) == envelope
    message = ClientMessage.decode(data)
    assert ClientMessage.decode(message.encode()) == message


@_of("agent envelopes", [H(case["encoded"]) for case in _VECTORS["agent"]["envelopes"]], envelopes.EnvelopeError)
def _agent_envelopes(data: bytes) -> None:
    envelope = envelopes.decode_envelope(data)
    assert envelopes.decode_envelope(envelopes.encode_envelope(envelope)) == envelope


_AGENT_MESSAGES = [
    H(case["encoded"]) for name in ("agent_messages", "agent_messages_chain") for case in _VECTORS["agent"][name]
]


@_of("agent messages", _AGENT_MESSAGES, envelopes.EnvelopeError)
def _agent_messages(data: bytes) -> None:
    message = envelopes.decode_message(data)
    again = envelopes.decode_message(envelopes.encode_message(message))
    # a queue's mode is left out in versions before 4, and the info that follows may look like one
    assert again == message or isinstance(message, envelopes.ConnInfoReply) or b"Q" in data


# the header's length may be written in one byte or in two; the three pairs of ratchets were made of the same keys
_TRUE_MESSAGES = {form for _, message in SENT.values() for form in (message, b"\0" + message, message[1:])}


@_of("ratchet messages", [message for _, message in SENT.values()], ratchet.RatchetError)
def _ratchet_messages(data: bytes) -> None:
    for stored, _ in SENT.values():
        with contextlib.suppress(ratchet.RatchetError):
            ratchet.decrypt(RatchetState.from_bytes(stored), SkippedKeys(), data, seeded(b"fuzz"))
            assert data in _TRUE_MESSAGES


@_of("stored ratchets", [stored for stored, _ in SENT.values()], StoredRatchetError)
def _stored_ratchets(data: bytes) -> None:
    state = RatchetState.from_bytes(data)
    assert RatchetState.from_bytes(state.to_bytes()) == state


@_of("stored keys", [E2EPrivateKeys.generate(seeded(b"fuzz")).to_bytes()], CryptoError)
def _stored_keys(data: bytes) -> None:
    assert E2EPrivateKeys.from_bytes(data).to_bytes() == data


_PARAMS = [H(scenario[side]["params_binary"]) for scenario in _VECTORS["ratchet"] for side in ("joiner", "initiator")]


@_of("ratchet parameters", _PARAMS, DecodeError)
def _params(data: bytes) -> None:
    reader = Reader(data)
    params = E2EParams.read(reader)
    assert params.encode() == data[: len(data) - reader.remaining]


_URIS = _VECTORS["uris"]
_TEXTS = [case["uri"] for name in ("connection_requests", "short_links", "queue_uris") for case in _URIS[name]]


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


@_of("links", [text.encode() for text in _TEXTS], LinkError)
def _links(data: bytes) -> None:
    link = parse_link(_text(data))
    assert parse_link(str(link)) == link


@_of("queue addresses", [case["uri"].encode() for case in _URIS["queue_uris"]], DecodeError)
def _queues(data: bytes) -> None:
    queue = QueueUri.parse(_text(data))
    assert QueueUri.parse(str(queue)) == queue


@_of("server addresses", [case["str"].encode() for case in _URIS["servers"]], DecodeError)
def _servers(data: bytes) -> None:
    address = ServerAddress.parse(_text(data))
    assert ServerAddress.parse(str(address)) == address
    assert ServerAddress.decode(address.encode()) == address


_BINARY = [H(case["binary"]) for name in ("connection_requests", "short_links") for case in _URIS[name]]


@_of("binary links", _BINARY, DecodeError)
def _binary_links(data: bytes) -> None:
    with contextlib.suppress(DecodeError):
        Invitation.decode(data)
    reader = Reader(data)
    link = ShortLink.read(reader)
    assert ShortLink.read(Reader(link.encode())) == link


_LINK_DATA = [
    H(_VECTORS["short_links"][kind][name])[65:]
    for kind in ("contact", "invitation")
    for name in ("fixed_data_signed", "user_data_signed")
]


@_of("link data", _LINK_DATA, DecodeError)
def _link_data(data: bytes) -> None:
    for kind in (ShortLinkKind.CONTACT, ShortLinkKind.INVITATION):
        with contextlib.suppress(DecodeError):
            user = UserData.read(Reader(data), kind)
            assert UserData.read(Reader(user.encode(kind)), kind) == user
    FixedData.read(Reader(data))


def _chat_seeds() -> list[bytes]:
    import base64

    bodies = chat_bodies()["bodies"]
    return [
        base64.b64decode(body["body_base64"]) if "body_base64" in body else body["body"].encode()
        for body in bodies
        if "body" in body or "body_base64" in body
    ]


@_of("chat bodies", _chat_seeds(), MessageError)
def _chat_bodies(data: bytes) -> None:
    messages = decode_body(data)
    assert len(messages) <= MAX_MESSAGES + 1
    assert MAX_DECOMPRESSED_LENGTH == 65_536
    decode_info(data)


@_of("page messages", [b'{"corrId":1,"resp":{"type":"ok"}}', b'{"resp":{"type":"ice","iceCandidates":"x"}}'], PageError)
def _page_messages(data: bytes) -> None:
    try:
        message = json.loads(data)
    except (ValueError, RecursionError):
        return
    parse_message(message)


@_of("ice servers", [b"turns:user:password@turn.example.com:5349?transport=tcp\nstun:stun.example.com"], IceServerError)
def _ice(data: bytes) -> None:
    IceConfig.parse(_text(data).split("\n"))
