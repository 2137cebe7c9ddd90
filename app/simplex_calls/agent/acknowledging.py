"""Tells servers that messages are stored, until they answer: before that nothing more comes in a queue."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

from simplex_calls.agent.delivery import DeliveryConfig, Pause
from simplex_calls.agent.port import NetworkPort
from simplex_calls.agent.records import RcvQueue
from simplex_calls.crypto import Random
from simplex_calls.smp.errors import NetworkError, SMPError

_log = logging.getLogger(__name__)


class Acknowledging:
    """One task for each queue: what concerns its last message replaces what was at work for an earlier one."""

    def __init__(self, network: NetworkPort, *, random: Random, config: DeliveryConfig) -> None:
        self._network = network
        self._random = random
        self._config = config
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._not_before: dict[int, float] = {}
        """Of queues that give too much: when, by the event loop's clock, the next message may come."""

    def start(self, queue: RcvQueue, message_id: bytes) -> None:
        """Acknowledge a message that is stored; if that is lost for good, the server sends the message again."""
        self._run(queue.id, self._acknowledge(queue, message_id))

    def slow_down(self, queue: RcvQueue, seconds: float) -> None:
        """Acknowledge the message in hand only after so many seconds."""
        self._not_before[queue.id] = asyncio.get_running_loop().time() + seconds

    def later(self, queue: RcvQueue, action: Callable[[], None]) -> None:
        """Try again, after a pause, to process a message that could not be stored."""
        self._run(queue.id, self._wait(action))

    def forget(self, queue: RcvQueue) -> None:
        """The queue is deleted."""
        self._not_before.pop(queue.id, None)
        task = self._tasks.pop(queue.id, None)
        if task is not None:
            task.cancel()

    async def stop(self) -> None:
        """Stop all tasks; servers send again what was not acknowledged."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _run(self, queue_id: int, work: Coroutine[Any, Any, None]) -> None:
        previous = self._tasks.pop(queue_id, None)
        if previous is not None:
            previous.cancel()
        task = asyncio.create_task(work, name="acknowledgement")
        self._tasks[queue_id] = task

        def ended(_: asyncio.Task[None]) -> None:
            if self._tasks.get(queue_id) is task:
                del self._tasks[queue_id]

        task.add_done_callback(ended)

    async def _acknowledge(self, queue: RcvQueue, message_id: bytes) -> None:
        config = self._config
        not_before = self._not_before.get(queue.id)
        if not_before is not None:
            # if the connection is lost meanwhile, the message comes again, and waits for the rest of this time
            await asyncio.sleep(not_before - asyncio.get_running_loop().time())
            self._not_before.pop(queue.id, None)
        pause, never = Pause(config.first_pause, config.longest_pause, config.growth, self._random), asyncio.Event()
        while True:
            try:
                await self._network.acknowledge(queue.subscription, message_id)
            except NetworkError:
                _log.debug("an acknowledgement was lost")
                await pause.wait(never)
            except SMPError as error:
                # whatever it says: if the queue is there, nothing more comes before the server takes this, and if it
                # is gone, the next subscription tells
                _log.info("an acknowledgement was refused: %s", error)
                await pause.wait(never)
            else:
                return

    async def _wait(self, action: Callable[[], None]) -> None:
        await asyncio.sleep(self._config.first_pause)
        action()
