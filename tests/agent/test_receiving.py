from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simplex_calls.agent.connection import ConnectionState
from simplex_calls.agent.events import (
    ConfirmationReceived,
    Integrity,
    IntegrityKind,
    MessageReceived,
    MessageRejected,
    RejectionReason,
)
from simplex_calls.agent.receiving import broker_time, check_integrity
from simplex_calls.agent.records import Connection
from simplex_calls.smp.body import Received, encrypt_received
from simplex_calls.smp.messages import Msg
from tests.agent.fake_network import NOW
from tests.agent.peers import SERVER, Person, connect

LAST = Connection(1, ConnectionState.CONNECTED, 7, 1, b"", 5, b"hash of 5", pq_wanted=True, pq_supported=True)


@pytest.mark.parametrize(
    ("number", "previous", "integrity"),
    [
        (6, b"hash of 5", Integrity()),
        (6, b"other", Integrity(IntegrityKind.BAD_HASH)),
        (7, b"hash of 6", Integrity(IntegrityKind.GAP, 6, 6)),
        (20, b"hash of 5", Integrity(IntegrityKind.GAP, 6, 19)),
        (5, b"hash of 4", Integrity(IntegrityKind.DUPLICATE)),
        (4, b"hash of 3", Integrity(IntegrityKind.BAD_NUMBER)),
        (-1, b"", Integrity(IntegrityKind.BAD_NUMBER)),
    ],
)
def test_integrity(number: int, previous: bytes, integrity: Integrity) -> None:
    assert check_integrity(LAST, number, previous) == integrity
    assert integrity.ok == (integrity.kind is IntegrityKind.OK)


@given(st.integers(-(2**63), 2**63 - 1))
def test_any_server_time_is_a_time(timestamp: int) -> None:
    assert datetime(1970, 1, 1, tzinfo=UTC) <= broker_time(timestamp) <= datetime.max.replace(tzinfo=UTC)


def test_time_is_the_servers() -> None:
    assert broker_time(NOW) == datetime.fromtimestamp(NOW, UTC)


async def test_any_garbage_of_server_or_sender_is_rejected(alice: Person, bob: Person) -> None:
    await connect(alice, bob)
    (queue,) = bob.agent._store.queues.rcv_queues()
    good = next(fake for fake in bob.servers.queues.values() if fake.recipient_id == queue.recipient_id).bodies[0]
    count = 0

    @given(
        body=st.binary(max_size=200) | st.integers(0, len(good) - 1).map(lambda cut: good[:cut]), sealed=st.booleans()
    )
    def check(body: bytes, sealed: bool) -> None:
        nonlocal count
        count += 1
        message_id = count.to_bytes(24, "big")
        message = Msg(message_id, body)
        if sealed:
            message = encrypt_received(Received(NOW, notify=False, body=body), queue.server_secret, message_id)
        before = len(bob.events)
        bob.agent.message(SERVER, queue.recipient_id, message)
        (event,) = bob.events[before:]
        assert isinstance(event, MessageRejected)
        assert event.reason in (RejectionReason.MALFORMED, RejectionReason.NOT_EXPECTED)
        assert (event.broker_time is not None) == sealed

    check()
    assert bob.agent.connection_state(bob.contact) is ConnectionState.CONNECTED
    assert not any(isinstance(event, MessageReceived | ConfirmationReceived) for event in bob.events)
