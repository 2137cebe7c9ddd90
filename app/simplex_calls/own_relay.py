"""The relay that the program runs when the user wants it: for this machine, or for its local network.

What is wanted is kept beside the relay's data, for all profiles of the user.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import socket
import struct
from contextlib import AsyncExitStack, suppress
from pathlib import Path

from simplex_calls.bridge.shell import RelayMode, RelayState
from simplex_calls.catalogue import text
from simplex_calls.keys import ProfileError
from simplex_calls.local_relay import LOOPBACK, LocalRelayError, local_relay
from simplex_calls.relay import RelayError

logger = logging.getLogger(__name__)

RELAY_PORT = 5223
"""SMP's own port; another one where it is taken."""
WISH_FILE = "wanted.json"
_GET_ADDRESS = 0x8915
"""Linux' SIOCGIFADDR."""


class OwnRelay:
    """The relay whose data are in ``folder``; ``port`` is where it first tries to listen."""

    def __init__(self, folder: Path, port: int = RELAY_PORT) -> None:
        self._folder = folder
        self._port = port
        self._mode = RelayMode.OFF
        self._host: str | None = None
        self._running: AsyncExitStack | None = None
        self._address: str | None = None

    async def start(self) -> None:
        """Run it if the user wanted that; raises :class:`RelayError`, :class:`LocalRelayError`, ``OSError``."""
        self._mode, self._host = self._wish()
        if self._mode is RelayMode.LAN and self._host not in network_hosts():
            # in another network now: contacts on this machine still need it
            logger.warning("the relay's address in the network is gone, it serves this machine only")
            await self._run(LOOPBACK)
        elif self._mode is not RelayMode.OFF:
            await self._run(self._host or LOOPBACK)

    async def stop(self) -> None:
        """Stop it, if this process runs it."""
        running, self._running, self._address = self._running, None, None
        if running is not None:
            await running.aclose()

    def state(self) -> RelayState:
        """How it stands."""
        return RelayState(self._mode, self._host, network_hosts(), self._address)

    async def set(self, mode: RelayMode, host: str | None) -> None:
        """Run it as ``mode`` says, from now on at each start; raises :class:`ProfileError` and leaves it as it was."""
        wanted = host if mode is RelayMode.LAN else None
        if mode is RelayMode.LAN and wanted not in network_hosts():
            raise ProfileError("desktop.error.relay", detail=text("desktop.error.relay.host"))
        before = (self._mode, self._host)
        await self.stop()
        try:
            if mode is not RelayMode.OFF:
                await self._run(wanted or LOOPBACK)
            _write(self._folder / WISH_FILE, json.dumps({"mode": mode.value, "host": wanted}))
        except (RelayError, LocalRelayError, OSError) as error:
            await self.stop()
            if before[0] is not RelayMode.OFF:
                with suppress(RelayError, LocalRelayError, OSError):
                    await self._run(before[1] or LOOPBACK)
            raise ProfileError("desktop.error.relay", detail=error) from None
        self._mode, self._host = mode, wanted

    def _wish(self) -> tuple[RelayMode, str | None]:
        try:
            wish = json.loads((self._folder / WISH_FILE).read_text("utf-8"))
            mode, host = RelayMode(wish["mode"]), wish["host"]
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            # older versions ran it where no server was given
            return (RelayMode.MACHINE if (self._folder / "address").exists() else RelayMode.OFF), None
        return mode, host if isinstance(host, str) else None

    async def _run(self, host: str) -> None:
        async with AsyncExitStack() as stack:
            self._address = await self._listen(stack, host)
            self._running = stack.pop_all()

    async def _listen(self, stack: AsyncExitStack, host: str) -> str:
        """Make sure that it runs; its port stays the one of its first start."""
        port_file = self._folder / "port"
        try:
            port = int(port_file.read_text("ascii"))
            if not 0 < port < 1 << 16:
                port = self._port
        except (FileNotFoundError, ValueError):
            port = self._port
        is_first = not (self._folder / "address").exists()
        try:
            return await stack.enter_async_context(local_relay(self._folder, port, host))
        except (RelayError, OSError):
            # only who is to run the relay learns that the port is taken; contacts know it by its port from then on
            if not is_first or port != self._port or not _is_taken(host, port):
                raise
        port = _free_port(host)
        logger.info("port %d is taken, this machine's relay gets %d", self._port, port)
        _write(port_file, str(port))
        return await stack.enter_async_context(local_relay(self._folder, port, host))


def network_hosts() -> tuple[str, ...]:
    """This machine's IPv4 addresses in its networks, without the loopback one."""
    hosts: list[str] = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        for _, name in socket.if_nameindex():
            request = struct.pack("256s", name.encode()[:15])
            # interfaces that are down or have no such address say so
            with suppress(OSError):
                host = socket.inet_ntoa(fcntl.ioctl(probe.fileno(), _GET_ADDRESS, request)[20:24])
                if not host.startswith("127."):
                    hosts.append(host)
    return tuple(dict.fromkeys(hosts))


def _is_taken(host: str, port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind((host, port))
        except OSError:
            return True
    return False


def _free_port(host: str) -> int:
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def _write(path: Path, content: str) -> None:
    """Write a file that only this user can read, whole or not at all."""
    fresh = path.with_suffix(".new")
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with os.fdopen(os.open(fresh, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write(content + "\n")
    fresh.replace(path)
