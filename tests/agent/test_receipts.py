from __future__ import annotations

from dataclasses import replace

import pytest

from simplex_calls.agent import envelopes
from simplex_calls.agent.errors import WrongState
from simplex_calls.agent.events import AgentEvent, MessageReceiptReceived, MessageReceived
from simplex_calls.agent.receipts import AWAITED_SECONDS
from tests.agent.peers import Person, connect, until


def receipts(person: Person) -> list[tuple[int, bool]]:
    return [(event.number, event.is_good) for event in person.events if isinstance(event, MessageReceiptReceived)]


def confirm_everything(person: Person) -> list[bool]:
    """Send a receipt for each message of the floor above; the list fills with what became of it."""
    sent: list[bool] = []

    def confirm(event: AgentEvent) -> None:
        if isinstance(event, MessageReceived):
            sent.append(person.agent.send_receipt(event.connection_id, event.number))

    person.on_event = confirm
    return sent


async def test_a_receipt_tells_that_the_peer_received_it(alice: Person, bob: Person) -> None:
    await connect(alice, bob)
    confirm_everything(bob)
    numbers = [alice.send(b"%d" % count) for count in range(3)]
    await until(lambda: receipts(alice) == [(number, True) for number in numbers])
    await until(lambda: alice.servers.idle and bob.outbox_empty)
    assert not bob.broken_chain
    bob.send(b"after receipts")
    await until(lambda: alice.received == [b"after receipts"])
    assert not alice.broken_chain


async def test_receipts_go_to_those_who_know_them(alice: Person, bob: Person) -> None:
    await connect(alice, bob)
    sent = confirm_everything(bob)
    with bob.database.transaction():
        bob.agent._store.set_agent_version(bob.contact, 3)
    store = bob.agent._store
    store.set_agent_version = lambda *_: None  # type: ignore[method-assign]
    alice.send(b"an old peer's")
    await until(lambda: bob.received == [b"an old peer's"])
    assert sent == [False]


async def test_a_receipt_is_sent_while_its_message_is_processed(alice: Person, bob: Person) -> None:
    await connect(alice, bob)
    number = alice.send(b"one")
    await until(lambda: bob.received == [b"one"])
    with pytest.raises(WrongState):
        bob.agent.send_receipt(bob.contact, number)
    errors: list[type[Exception]] = []

    def confirm_another(event: AgentEvent) -> None:
        if isinstance(event, MessageReceived):
            try:
                bob.agent.send_receipt(event.connection_id, event.number - 1)
            except WrongState as error:
                errors.append(type(error))

    bob.on_event = confirm_another
    alice.send(b"two")
    await until(lambda: bob.received == [b"one", b"two"])
    assert errors == [WrongState]


async def test_the_handlers_failure_takes_its_receipt_back(alice: Person, bob: Person) -> None:
    await connect(alice, bob)

    def fail(event: AgentEvent) -> None:
        if isinstance(event, MessageReceived):
            bob.agent.send_receipt(event.connection_id, event.number)
            raise ValueError("no")  # noqa: TRY004

    bob.on_event = fail
    alice.send(b"lost")
    await until(lambda: alice.servers.idle and alice.outbox_empty)
    assert receipts(alice) == []
    bob.on_event = None
    bob.send(b"fine")
    await until(lambda: alice.received == [b"fine"])
    assert not alice.broken_chain


async def test_strange_receipts_are_passed_over(alice: Person, bob: Person) -> None:
    await connect(alice, bob)
    number = alice.send(b"one")
    await until(lambda: bob.received == [b"one"])
    digest = bob.agent._store.connection(bob.contact).received_hash
    good = envelopes.Receipt(number, digest, b"info")
    wrong = replace(good, hash=b"another")

    def send(*items: envelopes.Receipt) -> None:
        with bob.database.transaction():
            bob.agent._outgoing.service(bob.agent._store.connection(bob.contact), envelopes.Receipts(items))

    send(replace(good, number=1), replace(good, number=-5), replace(good, number=99))
    send(wrong, wrong)
    send(wrong)
    send(good, good, wrong)
    await until(lambda: bob.outbox_empty and alice.servers.idle)
    assert receipts(alice) == [(number, False), (number, True)]


async def test_a_receipt_is_not_waited_for_for_ever(alice: Person, bob: Person) -> None:
    await connect(alice, bob)
    alice.send(b"one")
    await until(lambda: bob.received == [b"one"] and alice.outbox_empty)
    assert alice._rows("SELECT 1 FROM awaited_receipts") == [(1,)]
    alice.now += AWAITED_SECONDS + 60
    await alice.restart()
    assert alice._rows("SELECT 1 FROM awaited_receipts") == []
