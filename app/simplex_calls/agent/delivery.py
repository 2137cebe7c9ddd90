"""Bytes leave: one worker for each sending queue, in order, until the server took each or refused it for good.

An entry of the outbox leaves the database in the same transaction that reports what became of it. So a process
killed in between does it again, with the same bytes, and the receiving side recognises the repetition.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from simplex_calls.agent.events import FailureReason
from simplex_calls.agent.port import NetworkPort
from simplex_calls.agent.records import OutboxItem, OutboxKind, QueueDeletion, SndQueue
from simplex_calls.agent.store import Store
from simplex_calls.crypto import Random, decode_public_key
from simplex_calls.smp.address import ServerAddress
from simplex_calls.smp.errors import BrokerError, ErrorCode, LargeMessageError, SMPError
from simplex_calls.smp.sender_keys import SenderKey

_log = logging.getLogger(__name__)

_DAY = 86_400.0


@dataclass(frozen=True, slots=True)
class DeliveryConfig:
    """Pauses and limits, in seconds. The defaults are those of the official agent."""

    first_pause: float = 2.0
    longest_pause: float = 120.0
    growth: float = 1.5
    first_quota_pause: float = 300.0
    longest_quota_pause: float = 6 * 3600.0
    message_lifetime: float = 2 * _DAY
    """How long a message is tried while its server cannot be reached."""
    quota_lifetime: float = 7 * _DAY
    """How long a message is tried while the recipient's queue is full."""
    deletion_lifetime: float = 30 * _DAY


class Outcome(Enum):
    """What an error means for an entry of the outbox."""

    RETRY = "retry"
    FULL = "full"
    """The recipient's queue takes no more until it was read."""
    GONE = "gone"
    """The queue is not ours to use any more: neither this entry nor the following ones will ever go."""
    REFUSED = "refused"
    TOO_LARGE = "too large"


_OUTCOMES = {
    ErrorCode.AUTH: Outcome.GONE,
    ErrorCode.BLOCKED: Outcome.GONE,
    ErrorCode.QUOTA: Outcome.FULL,
    ErrorCode.LARGE_MSG: Outcome.TOO_LARGE,
    # a fault of the server's or of this session's, not of the message
    ErrorCode.INTERNAL: Outcome.RETRY,
    ErrorCode.STORE: Outcome.RETRY,
    ErrorCode.SESSION: Outcome.RETRY,
    ErrorCode.BLOCK: Outcome.RETRY,
    ErrorCode.EXPIRED: Outcome.RETRY,
}


def judge(error: SMPError) -> Outcome:
    """What to do after ``error``: all that is not a server's clear refusal may pass."""
    if isinstance(error, BrokerError):
        return _OUTCOMES.get(error.error.code, Outcome.REFUSED)
    if isinstance(error, LargeMessageError):
        return Outcome.TOO_LARGE
    return Outcome.RETRY


class Pause:
    """Growing pauses between attempts, with jitter, that can be cut short."""

    def __init__(self, first: float, longest: float, growth: float, random: Random) -> None:
        self._first, self._longest, self._growth, self._random = first, longest, growth, random
        self._next = first

    async def wait(self, wake: asyncio.Event) -> bool:
        """Wait for the pause's end or for ``wake``; tells whether it was that. The next pause is longer either way."""
        length = self._next * (0.75 + int.from_bytes(self._random(2), "big") / 0x20000)
        self._next = min(self._next * self._growth, self._longest)
        try:
            async with asyncio.timeout(length):
                await wake.wait()
        except TimeoutError:
            return False
        wake.clear()
        return True

    def reset(self) -> None:
        """An attempt succeeded: start again with the first pause."""
        self._next = self._first


class DeliveryListener(Protocol):
    """What the outbox tells, inside the transaction that takes the entry out."""

    def sent(self, queue: SndQueue, item: OutboxItem) -> None:
        """The server did what ``item`` asked for."""

    def failed(self, queue: SndQueue, item: OutboxItem, reason: FailureReason) -> None:
        """``item`` will never go; the next ones are tried."""

    def gone(self, queue: SndQueue, items: list[OutboxItem], reason: FailureReason) -> None:
        """The queue cannot be used any more: ``items`` is all that waited for it."""

    def full(self, queue: SndQueue) -> None:
        """The recipient's queue takes no more."""

    def drained(self, queue: SndQueue) -> None:
        """It does again."""


@dataclass(slots=True)
class _Worker:
    server: ServerAddress
    task: asyncio.Task[None]
    wake: asyncio.Event
    full: bool = False


class Delivery:
    """Works the outbox off, and deletes queues on their servers."""

    def __init__(
        self,
        store: Store,
        network: NetworkPort,
        listener: DeliveryListener,
        *,
        clock: Callable[[], float],
        random: Random = os.urandom,
        config: DeliveryConfig | None = None,
    ) -> None:
        self._store = store
        self._network = network
        self._listener = listener
        self._clock = clock
        self._random = random
        self.config = config or DeliveryConfig()
        self._workers: dict[int, _Worker] = {}
        self._deletions: dict[int, _Worker] = {}
        self._running = False

    def start(self) -> None:
        """Continue with all that waits in the database."""
        self._running = True
        for queue_id in self._store.outbox.queues():
            self.wake(queue_id)
        self.wake_deletions()

    async def stop(self) -> None:
        """Stop all workers; what they were at is tried again after the next start."""
        self._running = False
        tasks = [worker.task for worker in (*self._workers.values(), *self._deletions.values())]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._workers.clear()
        self._deletions.clear()

    def wake(self, queue_id: int) -> None:
        """There is something in this queue's outbox."""
        if not self._running or queue_id in self._workers:
            return
        queue = self._store.queues.snd_queue(queue_id)
        if queue is None or self._store.queues.waits_for_replaced(queue_id):
            return
        wake = asyncio.Event()
        task = asyncio.create_task(self._work(queue_id, wake), name="outbox")
        task.add_done_callback(_note_end)
        self._workers[queue_id] = _Worker(queue.server, task, wake)

    def wake_deletions(self) -> None:
        """There may be queues to delete."""
        if not self._running:
            return
        for deletion in self._store.queues.deletions():
            if deletion.id not in self._deletions:
                wake = asyncio.Event()
                task = asyncio.create_task(self._delete(deletion, wake), name="queue deletion")
                task.add_done_callback(_note_end)
                self._deletions[deletion.id] = _Worker(deletion.queue.server, task, wake)

    def server_connected(self, server: ServerAddress) -> None:
        """Cut short all pauses that wait for ``server``."""
        for worker in (*self._workers.values(), *self._deletions.values()):
            if worker.server == server and not worker.full:
                worker.wake.set()

    def queue_drained(self, queue_id: int) -> None:
        """The recipient emptied its queue: cut the pause of a full one short."""
        worker = self._workers.get(queue_id)
        if worker is not None:
            worker.wake.set()

    async def _work(self, queue_id: int, wake: asyncio.Event) -> None:
        config = self.config
        pause = Pause(config.first_pause, config.longest_pause, config.growth, self._random)
        full_pause = Pause(config.first_quota_pause, config.longest_quota_pause, config.growth, self._random)
        try:
            while (item := self._store.outbox.first(queue_id)) and (queue := self._store.queues.snd_queue(queue_id)):
                wake.clear()
                reason = None
                try:
                    await self._perform(queue, item)
                except SMPError as error:
                    reason = self._judge(item, error)
                    if reason is None:
                        if judge(error) is Outcome.FULL:
                            if not self._workers[queue_id].full:
                                self._workers[queue_id].full = True
                                self._tell(self._listener.full, queue)
                            if await full_pause.wait(wake):
                                full_pause.reset()
                        elif not self._postpone(item):
                            # the connection that this very attempt made is no reason for another at once
                            wake.clear()
                            await pause.wait(wake)
                        continue
                try:
                    self._settle(queue, item, reason)
                except Exception as error:  # noqa: BLE001 - a full disk, or a fault above, must not stop the queue
                    # the same bytes go again, and the recipient recognises them
                    _log.critical("what became of an entry cannot be noted: %s", type(error).__name__)
                    await pause.wait(wake)
                else:
                    pause.reset()
                    full_pause.reset()
                    if reason is None and self._workers[queue_id].full:
                        self._workers[queue_id].full = False
                        self._tell(self._listener.drained, queue)
            for follower in self._store.queues.replacing(queue_id):
                self.wake(follower)
        finally:
            # nothing is awaited between the last look into the outbox and this, so no entry is overlooked
            self._workers.pop(queue_id, None)

    def _tell(self, what: Callable[[SndQueue], None], queue: SndQueue) -> None:
        try:
            with self._store.database.transaction():
                what(queue)
        except Exception as error:  # noqa: BLE001 - it is not worth the worker's end
            _log.critical("what became of a queue cannot be noted: %s", type(error).__name__)

    def _postpone(self, item: OutboxItem) -> bool:
        """A new queue of ours that cannot be secured yet holds nobody's messages up."""
        if item.kind is not OutboxKind.SECURE_NEW:
            return False
        try:
            with self._store.database.transaction():
                return self._store.outbox.postpone(item)
        except Exception as error:  # noqa: BLE001 - a full disk must not stop the queue: it is tried where it stands
            _log.critical("an entry cannot be put off: %s", type(error).__name__)
            return False

    def _judge(self, item: OutboxItem, error: SMPError) -> FailureReason | None:
        """Why to give ``item`` up; ``None``: try again later."""
        outcome = judge(error)
        age = self._clock() - item.created
        if outcome is Outcome.RETRY:
            _log.debug("sending is put off: %s", type(error).__name__)
            return FailureReason.EXPIRED if age > self.config.message_lifetime else None
        if outcome is Outcome.FULL:
            _log.info("the recipient's queue is full")
            return FailureReason.EXPIRED if age > self.config.quota_lifetime else None
        _log.warning("an entry of the outbox (%s) was refused: %s", item.kind.value, error)
        return {
            Outcome.GONE: FailureReason.QUEUE_GONE,
            Outcome.TOO_LARGE: FailureReason.TOO_LARGE,
            Outcome.REFUSED: FailureReason.REFUSED,
        }[outcome]

    def _settle(self, queue: SndQueue, item: OutboxItem, reason: FailureReason | None) -> None:
        """Take an entry out and tell what became of it; ``reason`` is why it failed, if it did."""
        with self._store.database.transaction():
            if (
                reason is not None
                and item.kind is not OutboxKind.SECURE_NEW
                and (reason is FailureReason.QUEUE_GONE or item.kind not in (OutboxKind.MESSAGE, OutboxKind.SERVICE))
            ):
                items = self._store.outbox.take(queue.id)
                if items:
                    self._listener.gone(queue, items, reason)
            elif self._store.outbox.delete(item.id):
                if reason is None:
                    self._listener.sent(queue, item)
                else:
                    self._listener.failed(queue, item, reason)

    async def _perform(self, queue: SndQueue, item: OutboxItem) -> None:
        network = self._network
        match item.kind:
            case OutboxKind.SECURE_THEIRS:
                await network.secure_queue_by_sender(queue.server, queue.sender_id, queue.auth_key)
            case OutboxKind.SECURE_OURS:
                for own in self._store.queues.rcv_queues(queue.connection_id):
                    await network.secure_queue(own.subscription, decode_public_key(item.body))
            case OutboxKind.REQUEST:
                # an address has many senders, so no key
                await self._send(queue, item, None)
            case OutboxKind.SECURE_NEW:
                new_id, key = item.secured
                for own in self._store.queues.rcv_queues(queue.connection_id):
                    if own.id == new_id:
                        await network.secure_queue(own.subscription, key)
            case OutboxKind.CONFIRMATION if not queue.sender_can_secure:
                try:
                    await self._send(queue, item, None)
                except BrokerError as error:
                    if error.error.code is not ErrorCode.AUTH:
                        raise
                    # perhaps it came through before, and the recipient secured the queue with the key inside
                    await self._send(queue, item, queue.auth_key)
            case _:
                await self._send(queue, item, queue.auth_key)

    async def _send(self, queue: SndQueue, item: OutboxItem, key: SenderKey | None) -> None:
        await self._network.send(queue.server, queue.sender_id, key, item.body, notify=item.notify)

    async def _delete(self, deletion: QueueDeletion, wake: asyncio.Event) -> None:
        config = self.config
        pause = Pause(config.first_pause, config.longest_pause, config.growth, self._random)
        try:
            while True:
                wake.clear()
                try:
                    await self._network.delete_queue(deletion.queue)
                    break
                except SMPError as error:
                    expired = self._clock() - deletion.created > config.deletion_lifetime
                    if expired or judge(error) not in (Outcome.RETRY, Outcome.FULL):
                        _log.info("a queue is left to its server: %s", error)
                        break
                wake.clear()
                await pause.wait(wake)
            with self._store.database.transaction():
                self._store.queues.delete_deletion(deletion.id)
        finally:
            self._deletions.pop(deletion.id, None)


def _note_end(task: asyncio.Task[None]) -> None:
    """A worker that failed (a full disk, say) starts again with the next entry or the next start."""
    if not task.cancelled() and (error := task.exception()) is not None:
        _log.critical("the worker of an %s stopped: %s", task.get_name(), type(error).__name__)
