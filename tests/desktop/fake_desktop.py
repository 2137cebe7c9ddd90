"""A session bus of a test's own, and a notification daemon on it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from dbus_fast.aio import MessageBus
from dbus_fast.service import ServiceInterface, dbus_method, dbus_signal

if TYPE_CHECKING:
    # D-Bus signatures, which the library reads from the annotations
    s = str
    u = int
    i = int


@asynccontextmanager
async def session_bus() -> AsyncIterator[str]:
    """Run a bus, and give its address."""
    process = await asyncio.create_subprocess_exec(
        "dbus-daemon", "--session", "--nofork", "--nopidfile", "--print-address", stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        yield (await process.stdout.readline()).decode().strip()
    finally:
        process.terminate()
        await process.wait()


class NotificationDaemon(ServiceInterface):
    """Shows nothing, remembers everything, and presses the buttons that a test wants pressed."""

    def __init__(self) -> None:
        super().__init__("org.freedesktop.Notifications")
        self.shown: asyncio.Queue[tuple[int, str, str, dict[str, str]]] = asyncio.Queue()
        self.closed: asyncio.Queue[int] = asyncio.Queue()
        self._last = 0

    @dbus_method()
    def GetCapabilities(self) -> "as":  # type: ignore[valid-type] # noqa: F722, N802
        return ["actions", "body", "persistence"]

    @dbus_method()
    def GetServerInformation(self) -> "ssss":  # type: ignore[name-defined] # noqa: F821, N802
        return ["test", "test", "1", "1.2"]

    @dbus_method()
    def Notify(  # noqa: N802
        self,
        _app: "s",
        _replaces: "u",
        _icon: "s",
        summary: "s",
        body: "s",
        actions: "as",  # type: ignore[valid-type] # noqa: F722
        _hints: "a{sv}",  # type: ignore[valid-type] # noqa: F722
        _timeout: "i",
    ) -> "u":
        self._last += 1
        # key, label, key, label, …
        self.shown.put_nowait((self._last, summary, body, dict(zip(actions[1::2], actions[::2], strict=True))))
        return self._last

    @dbus_method()
    def CloseNotification(self, number: "u") -> None:  # noqa: N802
        self.closed.put_nowait(number)

    def press(self, number: int, key: str) -> None:
        """The user presses a button."""
        self.ActionInvoked(number, key)

    @dbus_signal()
    def ActionInvoked(self, number: int, key: str) -> "us":  # type: ignore[name-defined] # noqa: F821, N802
        return [number, key]

    @dbus_signal()
    def NotificationClosed(self, number: int, reason: int) -> "uu":  # type: ignore[name-defined] # noqa: F821, N802
        return [number, reason]


@asynccontextmanager
async def notification_daemon(address: str) -> AsyncIterator[NotificationDaemon]:
    """Run a daemon on the bus."""
    bus = await MessageBus(address).connect()
    daemon = NotificationDaemon()
    bus.export("/org/freedesktop/Notifications", daemon)
    await bus.request_name("org.freedesktop.Notifications")
    try:
        yield daemon
    finally:
        bus.disconnect()
        await bus.wait_for_disconnect()  # type: ignore[no-untyped-call]
