"""The ``window`` command, which is the default: a profile's contacts, texts and calls in windows or in the browser."""

from __future__ import annotations

import argparse
import getpass
import sys
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import platformdirs

from simplex_calls.catalogue import text
from simplex_calls.desktop.app import Desktop
from simplex_calls.desktop.browser import Browser
from simplex_calls.desktop.errors import DesktopError
from simplex_calls.home import Home
from simplex_calls.keys import ProfileError
from simplex_calls.local_relay import LocalRelayError
from simplex_calls.own_relay import RELAY_PORT, OwnRelay
from simplex_calls.relay import RelayError
from simplex_calls.sqlcipher import os_reason

APP_NAME = "simplex-calls"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--data", type=Path, metavar="DIR", help=text("cli.window.data.help"))
    parser.add_argument("--name", metavar="NAME", help=text("cli.window.name.help"))
    parser.add_argument("--server", action="append", default=[], metavar="URI", help=text("cli.window.server.help"))
    parser.add_argument("--passphrase-file", metavar="FILE", help=text("cli.window.passphrase_file.help"))
    parser.add_argument("--key-file", action="store_true", help=text("cli.window.key_file.help"))
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

    try:
        passphrase = None if arguments.passphrase_file is None else _read_passphrase(arguments.passphrase_file)
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else text("cli.window.passphrase_file.not_text")
        return _complain(f"{arguments.passphrase_file}: {reason}")
    if passphrase == "":
        return _complain(text("cli.window.passphrase_file.empty"))

    def open_home() -> AbstractAsyncContextManager[Home]:
        relay = OwnRelay(user_data / "relay", RELAY_PORT)
        return Home(
            data, relay, name=arguments.name, servers=servers, passphrase=passphrase, key_file=arguments.key_file
        )

    try:
        if arguments.browser:
            return Browser(open_home, opens=not arguments.no_open).run()
        return Desktop(open_home).run()
    except (DesktopError, ProfileError) as error:
        return _complain(str(error))
    except (LocalRelayError, RelayError) as error:
        return _complain(text("desktop.error.relay", detail=error))
    except OSError as error:
        return _complain(f"{error.filename}: {os_reason(error)}" if error.filename else os_reason(error))


def _read_passphrase(file: str) -> str:
    """The first line of a file; of "-", what is typed or piped in. Never an argument, which every process can see."""
    if file == "-":
        if sys.stdin.isatty():
            return getpass.getpass(text("cli.window.passphrase_file.prompt"))
        return sys.stdin.readline().rstrip("\r\n")
    with Path(file).open(encoding="utf-8") as lines:
        return lines.readline().rstrip("\r\n")


def _complain(message: str) -> int:
    sys.stderr.write(f"simplex-calls: {message}\n")
    return 1
