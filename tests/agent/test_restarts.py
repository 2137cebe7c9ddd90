"""Either side is killed before and after every commit, and started again: nothing is lost, doubled or out of step."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from simplex_calls.agent.errors import LinkUsed
from simplex_calls.smp.errors import SMPError
from tests.agent.fake_network import FakeServers, Faults, Killed
from tests.agent.peers import Person, until


async def _attempt(person: Person, action: Callable[[], object]) -> bool:
    """Do something that may be interrupted by the person's death; True if it was done."""
    try:
        result = action()
        if asyncio.iscoroutine(result):
            await result
    except (Killed, SMPError):
        return False
    return True


async def _revive(*people: Person) -> None:
    for person in people:
        if not person.alive:
            await person.restart()


async def _meet(alice: Person, bob: Person, way: str) -> None:
    """Alice makes a link, and Bob uses it; as often as it takes."""
    link = ""

    async def make() -> None:
        nonlocal link
        # a link of which only the database knows is found there
        if way == "address":
            link = str(alice.agent.address_link(alice.address)) if alice.address else await alice.publish()
        else:
            link = await alice.invite(short=way == "short")

    while not link:
        await _attempt(alice, make)
        await _revive(alice)
    while not bob.has_contact:
        if way != "full":
            await _attempt(bob, lambda: bob.agent.look_up_link(link))
            await _revive(alice, bob)
        await _attempt(bob, lambda: bob.join(link))
        await _revive(alice, bob)
    while way == "address" and not alice.has_contact:
        if alice.requests:
            assert len(alice.requests) == 1
            await _attempt(alice, alice.accept)
        await _revive(alice, bob)
        await asyncio.sleep(0)


async def _story(alice: Person, bob: Person, way: str) -> None:
    """Alice and Bob meet, both say two things; whoever dies on the way is started again."""
    await _meet(alice, bob, way)

    async def reached(condition: Callable[[], bool]) -> None:
        for _ in range(20_000):
            await _revive(alice, bob)
            if condition():
                return
            await asyncio.sleep(0)
        raise AssertionError("it did not come to pass")

    await reached(lambda: bool(alice.connected and bob.connected))
    for person, body in ((alice, b"a1"), (alice, b"a2"), (bob, b"b1"), (bob, b"b2")):
        while body not in person.sent:
            await _attempt(person, lambda person=person, body=body: person.send(body))  # type: ignore[misc]
            await _revive(alice, bob)
    await reached(lambda: alice.outbox_empty and bob.outbox_empty and alice.servers.idle)
    check(alice, bob)
    assert not alice.requests
    for queue in alice.servers.queues.values():
        if queue.link is not None and not queue.sender_can_secure and way == "address":
            assert len(set(queue.bodies)) <= 1  # the request, or none if its making died
        elif queue.bodies:  # all but those of attempts that died
            greeted = 0 if queue.sender_can_secure else 1
            assert len(set(queue.bodies)) == 3 + greeted  # what was sent again was the same, byte for byte
    assert (alice.info, bob.info) == (b"info of bob", b"info of alice")


def check(alice: Person, bob: Person) -> None:
    assert bob.received == alice.sent
    assert alice.received == bob.sent
    assert (alice.connected, bob.connected) == (1, 1)
    assert not alice.broken_chain
    assert not bob.broken_chain
    assert alice.undelivered == bob.undelivered == 0


async def _run_story(victim: str, kill_at: int | None, *, kill_after: bool, securable: bool, way: str) -> int:
    """Tell the story with one death; return how many commits the victim made until it, or in all."""
    servers = FakeServers(sender_can_secure=securable)
    people = {name: Person(name, servers) for name in ("alice", "bob")}
    for name, one in people.items():
        await one.start(kill_at=kill_at if name == victim else None, kill_after=kill_after)
    commits = [people[victim].disk.commits]
    try:
        await _revive(*people.values())
        await _story(people["alice"], people["bob"], way)
        return max(*commits, people[victim].disk.commits)
    finally:
        for one in people.values():
            await one.end()


@pytest.mark.parametrize(
    ("way", "securable"),
    [("full", True), ("full", False), ("short", True), ("address", True), ("address", False)],
    ids=["full, fast", "full, slow", "short", "address, fast", "address, slow"],
)
@pytest.mark.parametrize("victim", ["alice", "bob"])
async def test_killed_at_every_commit(victim: str, way: str, securable: bool) -> None:
    total = await _run_story(victim, None, kill_after=False, securable=securable, way=way)
    assert total > 10
    for kill_at in range(1, total + 1):
        for kill_after in (False, True):
            await _run_story(victim, kill_at, kill_after=kill_after, securable=securable, way=way)


@pytest.mark.parametrize("short", [False, True])
async def test_a_join_that_died_leaves_nothing_and_can_be_repeated(short: bool) -> None:
    servers = FakeServers()
    alice, bob = Person("alice", servers), Person("bob", servers)
    await alice.start()
    link = await alice.invite(short=short)
    deaths = 0
    for kill_at in range(1, 30):
        await bob.restart(kill_at=kill_at)
        if not bob.alive:
            continue
        await _attempt(bob, lambda: bob.join(link))
        if bob.has_contact:
            break
        deaths += 1
    else:
        raise AssertionError("Bob never joined")
    # before the key is stored, and before the connection is; between them, before what a short link gave is
    assert deaths == (4 if short else 2)
    await bob.restart()
    with pytest.raises(LinkUsed):
        await bob.join(link)
    await until(lambda: bool(alice.connected and bob.connected))
    await alice.end()
    await bob.end()


ACTIONS = st.lists(
    st.tuples(
        st.sampled_from(["send", "send", "send", "restart", "die at", "die at", "offline", "online", "turn"]),
        st.sampled_from(["alice", "bob"]),
        st.integers(1, 8),
        st.booleans(),
    ),
    max_size=25,
)


async def _schedule(actions: list[tuple[str, str, int, bool]], seed: int, *, securable: bool, settled: bool) -> None:
    servers = FakeServers(sender_can_secure=securable)
    people = {
        name: Person(name, servers, Faults(seed + index, lose_request=0.1, lose_answer=0.1, drop=0.05))
        for index, name in enumerate(("alice", "bob"))
    }
    alice, bob = people.values()
    try:
        for one in people.values():
            await one.start()
        link = ""
        while not link:
            try:
                link = await alice.invite()
            except SMPError:
                await asyncio.sleep(0)
        while not bob.has_contact:
            await _attempt(bob, lambda: bob.join(link))
        if settled:
            await until(lambda: bool(alice.connected and bob.connected))
        count = 0
        for action, name, number, flag in actions:
            one = people[name]
            await _revive(*people.values())
            match action:
                case "send":
                    for _ in range(number % 3 + 1):
                        if one.alive and one.connected:
                            count += 1
                            body = b"%d" % count
                            await _attempt(one, lambda one=one, body=body: one.send(body))  # type: ignore[misc]
                case "restart":
                    await one.restart()
                case "die at":
                    await one.restart(kill_at=number, kill_after=flag)
                case "offline":
                    one.network.go_offline()
                case "online":
                    one.network.go_online()
            for _ in range(number * 5):
                await asyncio.sleep(0)
        for one in people.values():
            one.faults.lose_request = one.faults.lose_answer = one.faults.drop = 0.0
            one.disk.kill_at = None
            one.network.go_online()
        await _revive(alice, bob)
        for one in people.values():
            one.network.go_offline()
            one.network.go_online()
        await until(lambda: bool(alice.connected and bob.connected))
        await until(lambda: alice.outbox_empty and bob.outbox_empty and servers.idle)
        check(alice, bob)
        alice.send(b"last a")
        bob.send(b"last b")
        await until(lambda: alice.received[-1:] == [b"last b"] and bob.received[-1:] == [b"last a"])
    finally:
        for one in people.values():
            await one.end()


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(actions=ACTIONS, seed=st.integers(0, 1000), securable=st.booleans(), settled=st.booleans())
def test_any_schedule_delivers_everything_once_and_in_order(
    actions: list[tuple[str, str, int, bool]], seed: int, securable: bool, settled: bool
) -> None:
    """``settled``: nobody dies before both are connected."""
    asyncio.run(_schedule(actions, seed, securable=securable, settled=settled))
