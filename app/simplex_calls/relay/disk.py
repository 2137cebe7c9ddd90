"""The relay's disk: one group of changes at a time is written while the next is carried out; and what if it is full."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from simplex_calls.relay.store import Changes, DiskFullError, Store, StoreError

_log = logging.getLogger(__name__)


class Disk:
    """Writes to ``store``, in a thread of its own unless it is ``in_memory``.

    ``on_full`` is called with True when there is no room left, and with False when there is some again.
    """

    def __init__(self, store: Store, *, in_memory: bool, full_seconds: float, on_full: Callable[[bool], None]) -> None:
        self._store = store
        # one thread: groups are written one after the other
        self._thread = None if in_memory else ThreadPoolExecutor(1, "relay-disk")
        self._full_seconds = full_seconds
        self._on_full = on_full
        self._full_timer: asyncio.TimerHandle | None = None
        self._reserve_is_used = False
        self._is_full = False

    def start(self) -> None:
        """Keep a reserve, if there is room for it."""
        if not self._store.keep_reserve():
            self.set_full()

    def write(self, changes: Changes, *, shrink: bool, done: Callable[[Exception | None], None]) -> None:
        """Write a group, then give room back if ``shrink``, and call ``done`` with the error if there was one."""
        if self._thread is None:
            done(self._try(changes, shrink=shrink))
            return
        loop = asyncio.get_running_loop()

        def told(error: Exception | None) -> None:
            if self._reserve_is_used:
                self.set_full()
            done(error)

        def work() -> None:
            error = self._try(changes, shrink=shrink)
            loop.call_soon_threadsafe(told, error)

        self._thread.submit(work)

    def set_full(self) -> None:
        """There is no room: use the reserve for what makes room, until the disk has as much again."""
        self._reserve_is_used = False
        if self._full_timer is not None:
            self._full_timer.cancel()
        if not self._is_full:
            _log.warning("the disk is full: messages can be received and deleted, not sent")
            self._is_full = True
            self._store.use_reserve()
            self._on_full(True)  # noqa: FBT003 (an event)
        self._full_timer = asyncio.get_running_loop().call_later(self._full_seconds, self._look_for_room)

    def close(self) -> None:
        """Wait for the thread."""
        if self._full_timer is not None:
            self._full_timer.cancel()
        if self._thread is not None:
            self._thread.shutdown()

    def _try(self, changes: Changes, *, shrink: bool) -> Exception | None:
        try:
            self._write(changes)
        except Exception as error:  # noqa: BLE001 (whatever it is, nobody may be told that it is stored)
            return error
        if shrink:
            try:
                self._store.shrink()
            except StoreError as error:
                # it takes room to give room back; on a full disk the next time will do
                _log.warning("space of deleted messages is not given back yet: %s", error)
        return None

    def _write(self, changes: Changes) -> None:
        if not changes:
            return
        try:
            self._store.write(changes)
        except DiskFullError:
            # what was carried out already may have the reserve; nothing more that needs room is accepted after it
            self._reserve_is_used = True
            self._store.use_reserve()
            self._store.write(changes)

    def _look_for_room(self) -> None:
        if self._store.keep_reserve():
            self._is_full = False
            _log.info("the disk has room again")
            self._on_full(False)  # noqa: FBT003
        else:
            self.set_full()
            # what was deleted meanwhile can be given back
            self._on_full(True)  # noqa: FBT003
