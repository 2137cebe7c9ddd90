"""What one client may take of the relay, and what all together may."""

from __future__ import annotations

import os
from pathlib import Path

from simplex_calls.crypto import Ed25519PrivateKey, X25519PrivateKey
from simplex_calls.relay.allowance import Allowances, Rate
from simplex_calls.relay.listening import Places, is_local, place_of
from simplex_calls.relay.sessions import Limits
from simplex_calls.relay.store import Store
from simplex_calls.smp.commands import Del, LDel, LinkData, LSet, New, QueueMode, encode_command
from simplex_calls.smp.errors import ErrorCode, ServerError
from simplex_calls.smp.messages import Err, Ok
from simplex_calls.smp.transmission import decode_transmission, encode_transmission
from tests.relay.peer import START, Queue, Server
from tests.relay.test_links import DATA, LinkedQueue


def test_one_client_creates_so_many_queues() -> None:
    now = 0.0
    allowances = Allowances(Rate(2, 1), Rate(1000, 1000), lambda: now)
    assert [allowances.of("a").queues.take() for _ in range(3)] == [True, True, False]
    assert allowances.of("b").queues.take()
    now = 3600.0
    assert [allowances.of("a").queues.take() for _ in range(2)] == [True, False]
    server = Server(limits=Limits())
    alice = server.peer()
    alice.core_session.allowance = allowances.of("a")
    key = Ed25519PrivateKey.generate()
    assert alice.ask(New(key.public, X25519PrivateKey.generate().public), key=key) == Err(
        ServerError(ErrorCode.INTERNAL)
    )


def test_few_allowances_are_kept_and_those_in_use_longest() -> None:
    allowances = Allowances(Rate(1, 0), Rate(1, 0), lambda: 0.0)
    assert allowances.of("spent").queues.take()
    for number in range(20_000):
        allowances.of(str(number))
    assert len(allowances) == 10_000
    assert not allowances.of("spent").queues.take()


def test_link_data_are_limited_by_bytes(tmp_path: Path) -> None:
    refused = Err(ServerError(ErrorCode.STORE, detail="no room for link data"))
    size = len(DATA.fixed) + len(DATA.user)
    store = Store(tmp_path / "relay.db")
    server = Server(store, limits=Limits(link_bytes=2 * size))
    alice = server.peer(18)
    one, two = LinkedQueue(alice, QueueMode.CONTACT), LinkedQueue(alice, QueueMode.CONTACT)
    third = Queue(alice)
    assert third.ask(alice, LSet(os.urandom(24), DATA)) == refused
    # what replaces data takes no more
    assert one.ask(alice, LSet(one.link_id, DATA)) == Ok()
    assert one.ask(alice, LSet(one.link_id, LinkData(DATA.fixed, DATA.user + b"!"))) == refused
    store.close()
    server = Server(Store(tmp_path / "relay.db"), limits=Limits(link_bytes=2 * size))
    alice = server.peer(18)
    assert third.ask(alice, LSet(os.urandom(24), DATA)) == refused
    assert two.ask(alice, Del()) == Ok()
    assert third.ask(alice, LSet(os.urandom(24), DATA)) == Ok()
    # a group that is lost counts no longer
    assert one.ask(alice, LDel()) == Ok()
    lost = encode_command(LSet(os.urandom(24), DATA), 18)
    sent = encode_transmission(alice.session, os.urandom(24), one.recipient_id, lost, one.key)
    server.core.handle(alice.core_session, decode_transmission(alice.session, sent), START, [])
    server.core.recover()
    assert one.ask(alice, LSet(os.urandom(24), DATA)) == Ok()
    server.store.close()


def test_one_client_puts_so_much_into_links() -> None:
    size = len(DATA.fixed) + len(DATA.user)
    server = Server()
    alice = server.peer(18)
    alice.core_session.allowance = Allowances(Rate(9, 0), Rate(2 * size, 0), lambda: 0.0).of("a")
    queue = LinkedQueue(alice, QueueMode.CONTACT)
    assert queue.ask(alice, LSet(queue.link_id, DATA)) == Ok()
    assert queue.ask(alice, LSet(queue.link_id, DATA)) == Err(
        ServerError(ErrorCode.STORE, detail="no room for link data")
    )


def test_places_are_shared() -> None:
    places = Places(limit=4, share=2)
    assert [places.enter("198.51.100.1") for _ in range(3)] == [True, True, False]
    assert places.enter("198.51.100.2")
    assert places.enter("127.0.0.1")
    assert places.is_full
    assert not places.enter("198.51.100.3")
    places.leave("198.51.100.1")
    assert places.enter("198.51.100.3")
    for place in ("198.51.100.1", "198.51.100.2", "127.0.0.1", "198.51.100.3"):
        places.leave(place)
    assert not places._by_place
    assert [places.enter("127.0.0.1") for _ in range(5)] == [True] * 4 + [False]


def test_what_a_place_is() -> None:
    assert place_of(("198.51.100.1", 5223)) == "198.51.100.1"
    assert place_of(("::ffff:198.51.100.1", 5223, 0, 0)) == "198.51.100.1"
    assert place_of(("2001:db8::1", 5223, 0, 0)) == place_of(("2001:db8::ff:2", 5223, 0, 0))
    assert place_of(("2001:db8:0:1::1", 5223, 0, 0)) != place_of(("2001:db8::1", 5223, 0, 0))
    assert place_of(("fe80::1%eth0", 5223, 0, 2)) == "fe80::/64"
    assert place_of("") == ""
    assert [is_local(place) for place in ("", "127.0.0.1", "::1", "198.51.100.1", "fe80::/64")] == [
        True, True, True, False, False,
    ]  # fmt: skip
