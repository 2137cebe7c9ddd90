"""The ``simplex-calls`` command."""

from __future__ import annotations

import argparse
import importlib
import logging
import os
import sys
from collections.abc import Sequence

from simplex_calls import __version__
from simplex_calls.catalogue import text
from simplex_calls.database import DatabaseError

# Each command's module is imported when it is chosen: the relay needs no window, the window no relay of its own.
COMMANDS = {
    "window": "simplex_calls.window",
    "relay": "simplex_calls.relay.cli",
    "serve": "simplex_calls.serve.cli",
    "demo": "simplex_calls.demo.cli",
    "paste": "simplex_calls.paste",
}
DEFAULT_COMMAND = "window"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status: 0 for success, 1 for an error that is told, 2 for usage."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if not given or (given[0] not in COMMANDS and given[0] not in {"-h", "--help", "--version"}):
        given.insert(0, DEFAULT_COMMAND)

    parser = argparse.ArgumentParser(prog="simplex-calls", description=text("cli.description"))
    parser.add_argument("--version", action="version", version=f"simplex-calls {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar=text("cli.command"))
    chosen = given[0] if given[0] in COMMANDS else None
    for name, module in COMMANDS.items():
        sub = commands.add_parser(name, help=text(f"cli.{name}.help"), description=text(f"cli.{name}.help"))
        if name == chosen:
            importlib.import_module(module).add_arguments(sub)
    options = parser.parse_args(given)

    logging.basicConfig(
        level=os.environ.get("SIMPLEX_CALLS_LOG", "WARNING").upper(),
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        datefmt="%H:%M:%S",
    )
    try:
        status = importlib.import_module(COMMANDS[options.command]).run(options)
    except KeyboardInterrupt:
        return 130
    except DatabaseError as error:
        return complain(str(error))
    return int(status)


def complain(message: str) -> int:
    """Tell the user what is wrong, and give the exit status for it."""
    sys.stderr.write(f"simplex-calls: {message}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
