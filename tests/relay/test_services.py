"""What a client hears that speaks as a service, which nobody is here: what official servers answer to such a one."""

from __future__ import annotations

import pytest

from simplex_calls.crypto import Ed25519PrivateKey, X25519PrivateKey
from simplex_calls.relay.sessions import Outgoing
from simplex_calls.smp.commands import Command, New, NSubs, QueueMode, Send, Sub, Subs, encode_command
from simplex_calls.smp.errors import CommandFault, ErrorCode, ServerError
from simplex_calls.smp.messages import BrokerMessage, Err, Ids, Sok
from simplex_calls.smp.transmission import (
    AuthorizationKey,
    TransmissionError,
    decode_transmission,
    encode_transmission,
)
from tests.relay.peer import AUTH, Peer, Queue, Server, cmd

KEY = Ed25519PrivateKey.generate()
SERVICE = Err(ServerError(ErrorCode.SERVICE))
SIGNATURE = KEY.sign(b"as the service")


def with_signature(
    peer: Peer, command: bytes, entity_id: bytes, key: AuthorizationKey, signature: bytes = SIGNATURE
) -> bytes:
    """An authorized transmission with the signature of a service beside the authorization."""
    data = encode_transmission(peer.session, bytes(24), entity_id, command, key)
    size = data[0] + 1
    assert data[size : size + 1] == b"0"
    return data[:size] + b"1" + bytes((len(signature),)) + signature + data[size + 1 :]


def answer(peer: Peer, data: bytes) -> BrokerMessage:
    outgoing: list[Outgoing] = []
    peer.server.core.handle(peer.core_session, decode_transmission(peer.session, data), peer.server.now, outgoing)
    (only,) = outgoing
    return only.message


@pytest.mark.parametrize("version", [16, 17, 18])
def test_signatures_of_services(version: int) -> None:
    alice = Server().peer(version)
    queue = Queue(alice, subscribe=False)
    new = New(KEY.public, X25519PrivateKey.generate().public, mode=QueueMode.MESSAGING)
    commands: list[tuple[Command, bytes, AuthorizationKey]] = [
        (new, b"", KEY),
        (Sub(), queue.recipient_id, queue.key),
        (Sub(), queue.recipient_id, KEY),  # told before the wrong key is
        (Send(b"body"), queue.sender_id, KEY),
        (Subs(), queue.recipient_id, KEY),
    ]
    for command, entity_id, key in commands:
        assert answer(alice, with_signature(alice, encode_command(command, version), entity_id, key)) == SERVICE
    # what is wrong with the command itself is told first
    assert answer(alice, with_signature(alice, b"SUB", b"", queue.key)) == cmd(CommandFault.NO_AUTH)
    assert answer(alice, with_signature(alice, b"SUBS now", b"id", KEY)) == cmd(CommandFault.SYNTAX)
    # and without it the same is done as always
    assert alice.ask(Sub(), queue.recipient_id, queue.key) == Sok()
    created = alice.ask(new, key=KEY)
    assert isinstance(created, Ids)
    assert created.service_id is None


@pytest.mark.parametrize("signature", [b"", SIGNATURE[1:], SIGNATURE + b"x"], ids=["none", "short", "long"])
def test_a_signature_of_another_length(signature: bytes) -> None:
    alice = Server().peer(18)
    with pytest.raises(TransmissionError) as caught:
        decode_transmission(alice.session, with_signature(alice, b"SUB", b"id", KEY, signature))
    assert caught.value.error == ServerError(ErrorCode.BLOCK)
    assert caught.value.corr_id == b""


@pytest.mark.parametrize("version", [6, 15, 16, 18])
def test_subscriptions_of_services(version: int) -> None:
    alice = Server().peer(version)
    queue = Queue(alice)
    for command in (Subs(), NSubs()):
        assert alice.ask(command, queue.recipient_id, KEY) == SERVICE
        assert alice.ask(command, b"service", queue.key) == SERVICE
        assert alice.ask(command, b"service") == cmd(CommandFault.NO_AUTH)
        assert alice.ask(command, key=KEY) == cmd(CommandFault.NO_AUTH)
    assert alice.ask(Sub(), queue.recipient_id, KEY) == AUTH
