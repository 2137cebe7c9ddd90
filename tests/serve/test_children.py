"""The supervisor over processes and a clock of the test's own."""

from __future__ import annotations

import asyncio
import math
import signal
from collections.abc import Sequence

import pytest

from simplex_calls.serve.children import CHECK_PAUSE, Process, Spec, Supervisor, spawn
from simplex_calls.serve.health import HealthError
from simplex_calls.serve.plan import ServeError
from simplex_calls.serve.supervision import MISSES, TRIES, State


class FakeProcess:
    """Ends when it is told to, or signalled."""

    def __init__(self, *, ignores_term: bool = False) -> None:
        self.tail: Sequence[str] = ("the port is taken",)
        self.signals: list[signal.Signals] = []
        self.ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._ignores_term = ignores_term

    async def wait(self) -> int:
        return await asyncio.shield(self.ended)

    def end(self, status: int) -> None:
        if not self.ended.done():
            self.ended.set_result(status)

    def send_signal(self, number: signal.Signals) -> None:
        if not self.ended.done():
            self.signals.append(number)
            if not (self._ignores_term and number == signal.SIGTERM):
                self.end(-number)


class World:
    """Time goes on when everybody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0
        self.sleeping: dict[asyncio.Future[None], float] = {}
        self.spawned: list[tuple[float, str, FakeProcess]] = []
        self.healthy: set[str] = set()
        self.changes = 0

    async def sleep(self, seconds: float) -> None:
        waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.sleeping[waiting] = self.now + seconds
        try:
            await waiting
        finally:
            self.sleeping.pop(waiting, None)

    async def spawn(self, spec: Spec) -> Process:
        process = FakeProcess()
        self.spawned.append((self.now, spec.name, process))
        return process

    def spec(self, name: str) -> Spec:
        async def check() -> None:
            if name not in self.healthy:
                raise HealthError("no answer")

        return Spec(name, (name,), check)

    def changed(self) -> None:
        self.changes += 1

    def supervisor(self, *names: str) -> Supervisor:
        return Supervisor(
            [self.spec(name) for name in names],
            spawn=self.spawn,
            clock=lambda: self.now,
            sleep=self.sleep,
            on_change=self.changed,
        )

    async def settle(self) -> None:
        for _ in range(30):
            await asyncio.sleep(0)

    async def go_on(self, seconds: float) -> None:
        end = self.now + seconds
        await self.settle()
        while (due := min(self.sleeping.values(), default=math.inf)) <= end:
            self.now = max(self.now, due)
            for waiting, at in list(self.sleeping.items()):
                if at <= self.now and not waiting.done():
                    waiting.set_result(None)
            await self.settle()
        self.now = end

    def process(self, name: str) -> FakeProcess:
        return [process for _, of, process in self.spawned if of == name][-1]


async def stop(task: asyncio.Task[None]) -> None:
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_both_run_until_they_are_stopped() -> None:
    world = World()
    world.healthy = {"relay", "turn"}
    supervisor = world.supervisor("relay", "turn")
    task = asyncio.create_task(supervisor.run())
    await world.go_on(1)
    assert supervisor.is_healthy
    await world.go_on(1000)
    assert [name for _, name, _ in world.spawned] == ["relay", "turn"]
    assert world.changes == 4  # each was started, and became healthy
    await stop(task)
    assert all(process.signals == [signal.SIGTERM] for _, _, process in world.spawned)


async def test_one_that_dies_is_started_again_and_the_other_goes_on() -> None:
    world = World()
    world.healthy = {"relay", "turn"}
    supervisor = world.supervisor("relay", "turn")
    task = asyncio.create_task(supervisor.run())
    await world.go_on(5)
    world.process("turn").end(-9)
    await world.settle()
    assert supervisor.children["turn"].state is State.WAITING
    await world.go_on(3)
    assert [(at, name) for at, name, _ in world.spawned] == [(0, "relay"), (0, "turn"), (6, "turn")]
    assert supervisor.is_healthy
    assert supervisor.children["turn"].restarts == 1
    await stop(task)


async def test_one_that_does_not_answer_is_killed_and_started_again() -> None:
    world = World()
    world.healthy = {"turn"}
    supervisor = world.supervisor("turn")
    task = asyncio.create_task(supervisor.run())
    await world.go_on(1)
    world.healthy.clear()
    await world.go_on(CHECK_PAUSE + MISSES)
    assert world.spawned[0][2].signals == [signal.SIGKILL]
    world.healthy = {"turn"}
    await world.go_on(3)
    assert len(world.spawned) == 2
    assert supervisor.is_healthy
    await stop(task)


async def test_one_that_cannot_be_started_is_told_and_stops_the_other() -> None:
    world = World()
    world.healthy = {"relay"}
    task = asyncio.create_task(world.supervisor("relay", "turn").run())
    for _ in range(TRIES):
        await world.go_on(0)
        world.process("turn").end(1)
        await world.go_on(60)
    assert type(task.exception()) is ServeError
    with pytest.raises(ServeError, match=r"turn cannot be started: it ended with 1(.|\n)*the port is taken"):
        await task
    assert world.process("relay").signals == [signal.SIGTERM]
    assert len([name for _, name, _ in world.spawned if name == "turn"]) == TRIES


async def test_real_processes() -> None:
    async def check() -> None:
        """Always well."""

    process = await spawn(
        Spec("sh", ("sh", "-c", "echo said; echo '  --option'; umask; exec sleep 60"), check, is_told=False)
    )
    while len(process.tail) < 2:
        await asyncio.sleep(0.01)
    assert list(process.tail) == ["said", "0077"]
    process.send_signal(signal.SIGTERM)
    assert await process.wait() == -signal.SIGTERM
    process.send_signal(signal.SIGTERM)  # nobody is there any more


async def test_a_program_that_is_not_there() -> None:
    async def check() -> None:
        """Always well."""

    process = await spawn(Spec("none", ("/no/such/program",), check, is_told=False))
    assert await process.wait() != 0
