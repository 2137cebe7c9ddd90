"""The ``paste`` command: a call whose two texts travel by any other channel, without a SimpleX connection."""

from __future__ import annotations

import argparse
import os
import sys

from simplex_calls.calls.ice import DEFAULT_ICE_SERVERS, IceConfig, IceServerError
from simplex_calls.catalogue import text
from simplex_calls.desktop.errors import DesktopError
from simplex_calls.desktop.pasted import PastedBrowser, PastedWindow


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--ice-server", action="append", metavar="URI", help=text("cli.paste.ice_server.help"))
    parser.add_argument("--no-ice-servers", action="store_true", help=text("cli.paste.no_ice_servers.help"))
    parser.add_argument("--relay-only", action="store_true", help=text("cli.paste.relay_only.help"))
    parser.add_argument("--browser", action="store_true", help=text("cli.window.browser.help"))
    parser.add_argument("--no-open", action="store_true", help=text("cli.window.no_open.help"))


def run(arguments: argparse.Namespace) -> int:
    """Show the call's page until it is closed; 1 if it cannot be shown."""
    if arguments.no_open and not arguments.browser:
        return _complain(text("cli.window.no_open.alone"))
    if arguments.no_ice_servers and arguments.ice_server:
        return _complain(text("cli.paste.ice_server.both"))
    # a server's password is better not seen by every process
    named = arguments.ice_server or os.environ.get("SIMPLEX_CALLS_ICE_SERVERS", "").split()
    servers = () if arguments.no_ice_servers else named or DEFAULT_ICE_SERVERS
    try:
        ice = IceConfig.parse(servers, relay_only=arguments.relay_only)
    except IceServerError as error:
        return _complain(str(error))
    try:
        if arguments.browser:
            return PastedBrowser(ice, opens=not arguments.no_open).run()
        return PastedWindow(ice).run()
    except DesktopError as error:
        return _complain(str(error))


def _complain(message: str) -> int:
    sys.stderr.write(f"simplex-calls: {message}\n")
    return 1
