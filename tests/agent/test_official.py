"""What an official agent sent, from the server's bytes up (the vectors' "full_stack")."""

from __future__ import annotations

from typing import Any

from simplex_calls.agent.connection import ConnectionState
from simplex_calls.agent.events import ConfirmationReceived, Connected, IntegrityKind, MessageReceived
from simplex_calls.agent.links import Invitation
from simplex_calls.agent.records import NewRcvQueue
from simplex_calls.agent.x3dh import E2EPrivateKeys
from simplex_calls.crypto import BoxKey, Ed25519PrivateKey, X448PrivateKey, X25519PrivateKey, X25519PublicKey
from simplex_calls.smp.messages import Msg
from simplex_calls.smp.queues import QueueIds
from tests.agent.fake_network import FakeQueue
from tests.agent.peers import Person, until
from tests.vectors import simplexmq


def _raw(key: Any) -> bytes:
    return bytes.fromhex(key["priv_raw"])


def _message(step: Any) -> Msg:
    return Msg(bytes.fromhex(step["msg_id"]), bytes.fromhex(step["msg_encrypted_body"]))


async def test_an_official_agent_uses_our_link(alice: Person) -> None:
    case = next(case for case in simplexmq()["full_stack"] if case["name"] == "PQ off")
    initiator, uri = case["initiator"], Invitation.parse(case["invitation"]).queues[0]
    recipient_id = bytes(24)
    server_key = X25519PublicKey(bytes.fromhex(case["server"]["queue_dh_key"]["pub_raw"]))
    queue = NewRcvQueue(
        uri.server,
        QueueIds(recipient_id, uri.sender_id, server_key, sender_can_secure=True),
        Ed25519PrivateKey.generate(),
        X25519PrivateKey(_raw(initiator["recipient_dh_key"])),
        X25519PrivateKey(_raw(initiator["queue_e2e_key"])),
        4,
    )
    keys = E2EPrivateKeys(X448PrivateKey(_raw(initiator["x3dh_key1"])), X448PrivateKey(_raw(initiator["x3dh_key2"])))
    store, agent = alice.agent._store, alice.agent
    with alice.database.transaction():
        connection_id = store.add_connection(ConnectionState.INVITED, 7)
        store.ratchets.add_invitation_keys(connection_id, keys)
        store.queues.add_rcv_queue(connection_id, queue)
        alice._add_contact(connection_id)

    agent.message(uri.server, recipient_id, _message(case["confirmation"]))
    (confirmed,) = alice.events
    assert isinstance(confirmed, ConfirmationReceived)
    assert bytes.fromhex(case["confirmation"]["agent_message"]).endswith(confirmed.info)
    assert confirmed.info == b"bob's info"
    assert agent.connection_state(connection_id) is ConnectionState.ALLOWED

    # its reply queue takes our answer
    target = store.queues.snd_queue_of(connection_id)
    assert target is not None
    secret = BoxKey.from_secret(bytes(32))
    their = FakeQueue(target.server, b"", target.sender_id, secret, sender_can_secure=True)
    alice.servers.by_sender[target.sender_id] = their
    await until(lambda: Connected(connection_id) in alice.events)
    assert their.sender_key == target.auth_key.public

    agent.message(uri.server, recipient_id, _message(case["hello"]))
    agent.message(uri.server, recipient_id, _message(case["a_msg"]))
    agent.message(uri.server, recipient_id, _message(case["a_msg"]))
    (message,) = (event for event in alice.events if isinstance(event, MessageReceived))
    assert message.integrity.kind is IntegrityKind.OK
    assert message.number == 3
    assert bytes.fromhex(case["a_msg"]["agent_message"]).endswith(message.body)
