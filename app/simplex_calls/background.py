"""Work in a thread that tells how far it is, and ends when nobody wants it any more."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

__all__ = ["Abandoned", "Progress", "in_thread"]

_T = TypeVar("_T")

Progress = Callable[[int, int], None]
"""Told how many bytes of how many are done."""

_SECONDS_BETWEEN = 0.1


class Abandoned(Exception):  # noqa: N818 - not a fault
    """Raised in the thread, by what it tells its progress: clean up and end."""


async def in_thread(work: Callable[[Progress], _T], progress: Progress | None = None) -> _T:
    """Do ``work`` in a thread, and give what it gives; ``progress`` is told on the event loop, some times a second.

    When this is cancelled, the thread's own progress raises :class:`Abandoned`; this returns when the thread has ended.
    """
    loop = asyncio.get_running_loop()
    is_abandoned = threading.Event()
    told_at = 0.0

    def tell(done: int, total: int) -> None:
        nonlocal told_at
        if is_abandoned.is_set():
            raise Abandoned
        now = time.monotonic()
        if progress is not None and now - told_at >= _SECONDS_BETWEEN:
            told_at = now
            loop.call_soon_threadsafe(progress, done, total)

    future = loop.run_in_executor(None, work, tell)
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        is_abandoned.set()
        with suppress(Exception):
            await future
        raise
