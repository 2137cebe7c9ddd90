"""The ``window`` command, which is the default: a profile's contacts, texts and calls in windows or in the browser."""

from __future__ import annotations

import argparse
import json
import logging
import os
import socket
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path

import platformdirs

from simplex_calls.catalogue import text
from simplex_calls.client import Client
from simplex_calls.desktop.app import Desktop
from simplex_calls.desktop.browser import Browser
from simplex_calls.desktop.errors import DesktopError
from simplex_calls.local_relay import LocalRelayError, local_relay
from simplex_calls.relay import RelayError

logger = logging.getLogger(__name__)

APP_NAME = "simplex-calls"
RELAY_PORT = 5223
"""SMP's own port, for the relay of this machine; another one where it is taken."""
SERVERS_FILE = "servers.json"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--data", type=Path, metavar="DIR", help=text("cli.window.data.help"))
    parser.add_argument("--name", metavar="NAME", help=text("cli.window.name.help"))
    parser.add_argument("--server", action="append", default=[], metavar="URI", help=text("cli.window.server.help"))
    parser.add_argument("--browser", action="store_true", help=text("cli.window.browser.help"))
    parser.add_argument("--no-open", action="store_true", help=text("cli.window.no_open.help"))


def run(arguments: argparse.Namespace) -> int:
    """Open the profile and show it until the user closes it; 1 if it cannot be opened or shown."""
    user_data = platformdirs.user_data_path(APP_NAME)
    data = arguments.data or user_data
    if arguments.no_open and not arguments.browser:
        return _complain(text("cli.window.no_open.alone"))
    servers: Sequence[str] = arguments.server
    if any(not server.startswith("smp://") for server in servers):
        return _complain(text("cli.window.server.form"))

    def open_client() -> AbstractAsyncContextManager[Client]:
        return _client(data, arguments.name, servers, user_data / "relay")

    try:
        if arguments.browser:
            return Browser(open_client, opens=not arguments.no_open).run()
        return Desktop(open_client).run()
    except DesktopError as error:
        return _complain(str(error))
    except (LocalRelayError, RelayError) as error:
        return _complain(text("desktop.error.relay", detail=error))
    except OSError as error:
        return _complain(f"{error.filename}: {error.strerror}" if error.filename else str(error.strerror or error))


@asynccontextmanager
async def _client(data: Path, name: str | None, given: Sequence[str], relay: Path) -> AsyncIterator[Client]:
    """Open the client on the servers that were given now or before, or else on this machine's relay."""
    async with AsyncExitStack() as stack:
        servers = list(given) or remembered_servers(data)
        if not servers:
            servers = [await _local_relay(stack, relay)]
        client = await stack.enter_async_context(Client(data, name, servers))
        if given:
            # only now: the client has read them
            remember_servers(data, given)
        yield client


def remembered_servers(data: Path) -> list[str]:
    """The servers that this profile was opened with last."""
    try:
        servers = json.loads((data / SERVERS_FILE).read_text("utf-8"))
    except FileNotFoundError:
        return []
    except ValueError:
        servers = None
    if not isinstance(servers, list) or not all(isinstance(server, str) for server in servers):
        raise DesktopError(text("cli.window.servers_file", path=data / SERVERS_FILE))
    return servers


def remember_servers(data: Path, servers: Sequence[str]) -> None:
    """Keep the servers of this profile; they may hold passwords."""
    _write(data / SERVERS_FILE, json.dumps(list(servers)))


async def _local_relay(stack: AsyncExitStack, folder: Path) -> str:
    """Make sure of this machine's relay; its port stays the one of its first start."""
    port_file = folder / "port"
    try:
        port = int(port_file.read_text("ascii"))
    except (FileNotFoundError, ValueError):
        port = RELAY_PORT
    is_first = not (folder / "address").exists()
    try:
        return await stack.enter_async_context(local_relay(folder, port))
    except (RelayError, OSError):
        # only who is to run the relay learns that the port is taken; contacts know it by its port from then on
        if not is_first or port != RELAY_PORT or not _is_taken(port):
            raise
    port = _free_port()
    logger.info("port %d is taken, this machine's relay gets %d", RELAY_PORT, port)
    _write(port_file, str(port))
    return await stack.enter_async_context(local_relay(folder, port))


def _is_taken(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _write(path: Path, content: str) -> None:
    """Write a file that only this user can read, whole or not at all."""
    fresh = path.with_suffix(".new")
    with os.fdopen(os.open(fresh, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write(content + "\n")
    fresh.replace(path)


def _complain(message: str) -> int:
    sys.stderr.write(f"simplex-calls: {message}\n")
    return 1
