"""The relay of this machine: what calls go through as long as nobody has chosen a server.

All profiles of a user share it. The first process that needs it runs it; the others find its address in the file that
it leaves, and one of them takes over when the first one ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import logging
import os
from collections.abc import AsyncIterator
from pathlib import Path

from simplex_calls.relay import Relay, RelayConfig

logger = logging.getLogger(__name__)

LOOPBACK = "127.0.0.1"


class LocalRelayError(Exception):
    """The relay of this machine cannot be started; the text says why."""


@contextlib.asynccontextmanager
async def local_relay(
    folder: Path, port: int, host: str = LOOPBACK, *, retry_seconds: float = 1.0
) -> AsyncIterator[str]:
    """Make sure that a relay runs on this machine while the context is open, and give its address.

    It listens on ``host``, and on 127.0.0.1 for contacts that were made there. ``folder`` holds its certificates and
    queues; ``retry_seconds`` is how often a waiting process looks whether the one that runs it has ended. Raises
    :class:`LocalRelayError` when it cannot be started, and what :class:`Relay` raises.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    address_file = folder / "address"
    lock = os.open(folder / "lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    config = RelayConfig(host=host, also=() if host == LOOPBACK else (LOOPBACK,), port=port, data=folder)
    relay: Relay | None = None
    successor: asyncio.Task[None] | None = None
    try:
        if _take(lock):
            relay = await _start(config, address_file)
            address = str(relay.address)
        else:
            address = await _read(address_file)
            successor = asyncio.create_task(_take_over(lock, config, address_file, retry_seconds))
        yield address
    finally:
        if successor is not None:
            successor.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await successor
        if relay is not None:
            await relay.stop()
        os.close(lock)


async def _start(config: RelayConfig, address_file: Path) -> Relay:
    relay = Relay(config)
    await relay.start()
    try:
        # whole or not at all: another process may read it at any time
        fresh = address_file.with_suffix(".new")
        fresh.write_text(f"{relay.address}\n", "utf-8")
        fresh.replace(address_file)
    except OSError:
        await relay.stop()
        raise
    return relay


async def _read(address_file: Path) -> str:
    # the process that holds the lock writes the file within moments
    try:
        async with asyncio.timeout(10):
            while not address_file.is_file():  # noqa: ASYNC110 - another process writes it
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise LocalRelayError(
            "another window holds this machine's relay but has not started it: close it and try again"
        ) from None
    return address_file.read_text("utf-8").strip()


async def _take_over(lock: int, config: RelayConfig, address_file: Path, retry_seconds: float) -> None:
    while not _take(lock):  # noqa: ASYNC110 - the kernel tells of a freed lock only who blocks for it
        await asyncio.sleep(retry_seconds)
    relay = await _start(config, address_file)
    logger.info("took over this machine's relay")
    try:
        await asyncio.Event().wait()
    finally:
        await relay.stop()


def _take(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
