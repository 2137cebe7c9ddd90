from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator

import pytest

from simplex_calls.catalogue import text
from simplex_calls.desktop.notifications import Notifications, Ring
from tests.desktop.fake_desktop import NotificationDaemon, notification_daemon, session_bus

needs_bus = pytest.mark.skipif(shutil.which("dbus-daemon") is None, reason="dbus-daemon is not installed")


@pytest.fixture
async def daemon(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[NotificationDaemon]:
    async with session_bus() as address, notification_daemon(address) as daemon:
        monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", address)
        yield daemon


@pytest.fixture
async def notifications(daemon: NotificationDaemon) -> AsyncIterator[Notifications]:
    notifications = Notifications()
    yield notifications
    await notifications.stop()


async def settle(notifications: Notifications) -> None:
    """Nobody presses a button before the program knows which notification it is on."""
    await asyncio.gather(*notifications._work)


class Pressed:
    def __init__(self) -> None:
        self.buttons: asyncio.Queue[str] = asyncio.Queue()

    def ring(self, call_id: str = "1", title: str = "Bob") -> Ring:
        return Ring(
            call_id,
            title,
            text("desktop.ring.video"),
            accept=lambda: self.buttons.put_nowait("accept"),
            reject=lambda: self.buttons.put_nowait("reject"),
            show=lambda: self.buttons.put_nowait("show"),
        )


@needs_bus
async def test_a_ring_is_shown_and_its_buttons_act(daemon: NotificationDaemon, notifications: Notifications) -> None:
    pressed = Pressed()
    async with asyncio.timeout(10):
        for call_id, label in (("1", "desktop.ring.accept"), ("2", "desktop.ring.reject")):
            notifications.ring(pressed.ring(call_id))
            number, title, message, actions = await daemon.shown.get()
            assert (title, message) == ("Bob", text("desktop.ring.video"))
            await settle(notifications)
            daemon.press(number, actions[text(label)])
            assert await pressed.buttons.get() == label.rpartition(".")[2]
        notifications.ring(pressed.ring("3"))
        number, _, _, actions = await daemon.shown.get()
        assert "default" in actions.values()
        await settle(notifications)
        daemon.press(number, "default")
        assert await pressed.buttons.get() == "show"


@needs_bus
async def test_a_ring_is_shown_once(daemon: NotificationDaemon, notifications: Notifications) -> None:
    pressed = Pressed()
    async with asyncio.timeout(10):
        notifications.ring(pressed.ring("1"))
        notifications.ring(pressed.ring("1"))
        notifications.ring(pressed.ring("2", "Carol"))
        assert [(await daemon.shown.get())[1] for _ in range(2)] == ["Bob", "Carol"]
    assert daemon.shown.empty()


@needs_bus
async def test_a_ring_is_withdrawn_when_it_stops(daemon: NotificationDaemon, notifications: Notifications) -> None:
    pressed = Pressed()
    async with asyncio.timeout(10):
        notifications.ring(pressed.ring())
        number, *_ = await daemon.shown.get()
        notifications.withdraw("1")
        notifications.withdraw("1")
        assert await daemon.closed.get() == number
    assert daemon.closed.empty()


@needs_bus
async def test_the_end_withdraws_everything(daemon: NotificationDaemon) -> None:
    notifications = Notifications()
    pressed = Pressed()
    async with asyncio.timeout(10):
        notifications.ring(pressed.ring("1"))
        notifications.ring(pressed.ring("2"))
        numbers = {(await daemon.shown.get())[0] for _ in range(2)}
        await notifications.stop()
        assert {await daemon.closed.get() for _ in range(2)} == numbers


@needs_bus
async def test_what_stopped_before_it_was_shown_is_not_shown(
    daemon: NotificationDaemon, notifications: Notifications
) -> None:
    pressed = Pressed()
    notifications.ring(pressed.ring("1"))
    notifications.withdraw("1")
    async with asyncio.timeout(10):
        notifications.ring(pressed.ring("2", "Carol"))
        assert (await daemon.shown.get())[1] == "Carol"
    assert daemon.shown.empty()


@pytest.mark.parametrize("address", ["", "unix:path=/nonexistent/bus"])
async def test_without_a_bus_nothing_happens(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], address: str
) -> None:
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", address)
    monkeypatch.delenv("DISPLAY", raising=False)
    notifications = Notifications()
    notifications.ring(Pressed().ring())
    notifications.withdraw("1")
    async with asyncio.timeout(10):
        await notifications.stop()
    assert capfd.readouterr() == ("", "")


@needs_bus
async def test_without_a_daemon_nothing_happens(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    async with session_bus() as address:
        monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", address)
        notifications = Notifications()
        notifications.ring(Pressed().ring())
        async with asyncio.timeout(10):
            await notifications.stop()
    assert capfd.readouterr().out == ""
