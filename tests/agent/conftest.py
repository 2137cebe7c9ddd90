from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import pytest

from simplex_calls.agent.delivery import DeliveryConfig
from tests.agent.fake_network import FakeServers, Faults
from tests.agent.peers import AT_ONCE, Person


@pytest.fixture
def servers() -> FakeServers:
    return FakeServers()


@pytest.fixture
async def person(servers: FakeServers) -> AsyncIterator[Callable[..., Person]]:
    people: list[Person] = []

    def make(name: str, *, faults: Faults | None = None, delivery: DeliveryConfig = AT_ONCE) -> Person:
        people.append(Person(name, servers, faults or Faults(), delivery))
        return people[-1]

    yield make
    for one in people:
        await one.end()


@pytest.fixture
async def alice(person: Callable[..., Person]) -> Person:
    alice = person("alice")
    await alice.start()
    return alice


@pytest.fixture
async def bob(person: Callable[..., Person]) -> Person:
    bob = person("bob")
    await bob.start()
    return bob


@pytest.fixture
async def carol(person: Callable[..., Person]) -> Person:
    carol = person("carol")
    await carol.start()
    return carol
