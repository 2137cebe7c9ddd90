"""Subscribes to all queues after the start, some at a time: a profile with thousands of contacts is usable at once."""

from __future__ import annotations

import asyncio
import logging

from simplex_calls.agent.port import NetworkPort
from simplex_calls.agent.store import Store

_log = logging.getLogger(__name__)

AT_ONCE = 100
"""How many queues in one turn of the event loop: a few milliseconds."""


class Subscribing:
    """What a start subscribes to; queues that are made later are subscribed by whoever makes them."""

    def __init__(self, store: Store, network: NetworkPort) -> None:
        self._store = store
        self._network = network
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Subscribe to the first queues now, and go on with the others."""
        last = self._some(0)
        if last is not None:
            self._task = asyncio.create_task(self._others(last), name="subscriptions")

    async def stop(self) -> None:
        """Stop where it is."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def _some(self, after: int) -> int | None:
        """Subscribe to the next queues after an id: the last one's id, or ``None`` when there are no more."""
        queues = self._store.queues.rcv_queues_after(after, AT_ONCE)
        for queue in queues:
            self._network.subscribe(queue.subscription)
        return queues[-1].id if len(queues) == AT_ONCE else None

    async def _others(self, after: int) -> None:
        last: int | None = after
        try:
            while last is not None:
                await asyncio.sleep(0)
                last = self._some(last)
        except Exception as error:  # noqa: BLE001 - a damaged file: what is subscribed stays so
            _log.critical("not all queues are subscribed: %s", type(error).__name__)
