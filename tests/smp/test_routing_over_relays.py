"""Private routing by the project's own relays: one forwards, the other has the queue."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from simplex_calls.crypto import BoxKey, Ed25519PrivateKey, X25519PrivateKey
from simplex_calls.relay import Relay, RelayConfig
from simplex_calls.smp.address import ServerAddress
from simplex_calls.smp.body import Received, decrypt_received
from simplex_calls.smp.commands import LinkData, LinkRequest, sender_id_for
from simplex_calls.smp.connecting import TLSConnector
from simplex_calls.smp.connection import Connection
from simplex_calls.smp.errors import BrokerError, ErrorCode
from simplex_calls.smp.network import Network
from simplex_calls.smp.probe import VerdictKind, probe_server
from simplex_calls.smp.queues import NetworkConfig, RecipientQueue
from tests.smp.server import Ear

DATA = LinkData(b"fixed data", b"user data")


async def test_a_message_and_a_link_by_way_of_a_relay(tmp_path: Path) -> None:
    visited: list[ServerAddress] = []

    async def connector(server: ServerAddress) -> Connection:
        visited.append(server)
        return await TLSConnector()(server)

    async with (
        Relay(RelayConfig(port=0, data=tmp_path / "mine", password="secret")) as mine,
        Relay(RelayConfig(port=0, data=tmp_path / "theirs")) as theirs,
    ):
        ours = replace(mine.address, password="secret")
        assert (await probe_server(ours)).is_ok
        assert (await probe_server(mine.address)).kind is VerdictKind.WRONG_PASSWORD
        known = frozenset([ours])
        alice_ear = Ear()
        alice = Network(handler=alice_ear)
        bob = Network(handler=Ear(), connector=connector, config=NetworkConfig(known_servers=known))
        auth_key, dh_key, sender_key = (
            Ed25519PrivateKey.generate(),
            X25519PrivateKey.generate(),
            X25519PrivateKey.generate(),
        )
        corr_id = bytes(range(24))
        request = LinkRequest(sender_id_for(corr_id), DATA)
        ids = await alice.create_queue(theirs.address, auth_key, dh_key.public, link=request, corr_id=corr_id)
        assert ids.link_id is not None
        assert ids.sender_id == request.sender_id

        sender_id, data = await bob.secure_and_get_link_data(theirs.address, ids.link_id, sender_key)
        assert (sender_id, data) == (ids.sender_id, DATA)
        for body in (b"first", bytes(16000)):
            await bob.send(theirs.address, sender_id, sender_key, body, notify=True)
            await alice_ear.until("message")
            recipient_id, message = alice_ear.messages.pop()
            received = decrypt_received(message, BoxKey.agree(dh_key, ids.server_dh_key))
            assert isinstance(received, Received)
            assert received.body == body
            queue = RecipientQueue(theirs.address, recipient_id, auth_key)
            await alice.acknowledge(queue, message.message_id)
            alice_ear.heard.clear()
        with pytest.raises(BrokerError) as caught:
            await bob.send(theirs.address, sender_id, X25519PrivateKey.generate(), b"", notify=False)
        assert caught.value.error.code is ErrorCode.AUTH
        assert set(visited) == {mine.address}
        await alice.close()
        await bob.close()
