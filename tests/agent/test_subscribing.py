from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from simplex_calls.agent import subscribing
from simplex_calls.agent.subscribing import Subscribing


class Floors:
    """A store with many queues, and a network that notes them."""

    def __init__(self, count: int) -> None:
        self.ids = list(range(1, count + 1))
        self.subscribed: list[int] = []
        self.damaged_after: int | None = None

    def rcv_queues_after(self, queue_id: int, limit: int) -> list[Any]:
        if self.damaged_after is not None and queue_id >= self.damaged_after:
            raise RuntimeError("damaged")
        found = [number for number in self.ids if number > queue_id][:limit]
        return [SimpleNamespace(id=number, subscription=number) for number in found]

    def subscribe(self, queue: int) -> None:
        self.subscribed.append(queue)


def make(count: int) -> tuple[Floors, Subscribing]:
    floors = Floors(count)
    store: Any = SimpleNamespace(queues=floors)
    network: Any = floors
    return floors, Subscribing(store, network)


@pytest.mark.parametrize("count", [0, 1, 99, 100, 101, 1000])
async def test_all_queues_are_subscribed_once_some_at_a_time(count: int) -> None:
    floors, work = make(count)
    work.start()
    assert len(floors.subscribed) == min(count, subscribing.AT_ONCE)
    for _ in range(30):
        await asyncio.sleep(0)
    assert floors.subscribed == floors.ids
    await work.stop()


async def test_queues_that_go_meanwhile_are_left_out(caplog: pytest.LogCaptureFixture) -> None:
    floors, work = make(250)
    work.start()
    del floors.ids[120:200]
    for _ in range(10):
        await asyncio.sleep(0)
    assert floors.subscribed == floors.ids
    await work.stop()
    assert not caplog.records


async def test_it_can_be_stopped(caplog: pytest.LogCaptureFixture) -> None:
    floors, work = make(1000)
    work.start()
    await work.stop()
    await asyncio.sleep(0.01)
    assert len(floors.subscribed) == subscribing.AT_ONCE
    floors, work = make(1000)
    floors.damaged_after = 300
    work.start()
    for _ in range(10):
        await asyncio.sleep(0)
    await work.stop()
    assert len(floors.subscribed) == 300
    assert "not all queues are subscribed" in caplog.text
