"""``simplex-calls relay``: run a relay until it is told to stop."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import dataclasses
import ipaddress
import signal
import socket
import sys
from pathlib import Path

from platformdirs import user_data_path

from simplex_calls.catalogue import text
from simplex_calls.relay.config import RelayConfig, RelayError
from simplex_calls.relay.server import Relay
from simplex_calls.smp.address import DEFAULT_PORT, ServerAddress
from simplex_calls.smp.errors import SMPError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument("--host", default="127.0.0.1", metavar="HOST", help=text("relay.host.help"))
    parser.add_argument("--also", action="append", default=[], metavar="HOST", help=text("relay.also.help"))
    parser.add_argument("--port", type=_port, default=DEFAULT_PORT, metavar="PORT", help=text("relay.port.help"))
    parser.add_argument("--public-host", metavar="HOST", help=text("relay.public_host.help"))
    parser.add_argument("--data", type=Path, metavar="DIR", help=text("relay.data.help"))
    parser.add_argument("--password-file", type=Path, metavar="FILE", help=text("relay.password_file.help"))
    parser.add_argument("--no-forwarding", action="store_true", help=text("relay.no_forwarding.help"))
    parser.add_argument("--metrics", type=metrics_place, metavar="[HOST:]PORT", help=text("relay.metrics.help"))
    parser.add_argument("--forward-to-private", action="store_true", help=text("relay.forward_to_private.help"))


def run(options: argparse.Namespace) -> int:
    """Run the relay; returns the exit status: 0 when it was told to stop, 1 on an error that is told."""
    data: Path = options.data or user_data_path("simplex-calls", appauthor=False) / "relay"
    try:
        password = None if options.password_file is None else _read_password(options.password_file)
        config = RelayConfig(
            host=options.host,
            also=tuple(options.also),
            port=options.port,
            data=data,
            password=password,
            forwards=not options.no_forwarding,
            forwards_to_all=True if options.forward_to_private else None,
        )
        asyncio.run(_serve(config, options.public_host or reachable(options.host), options.metrics))
    except (RelayError, SMPError) as error:
        sys.stderr.write(f"simplex-calls: {error}\n")
        return 1
    except KeyboardInterrupt:  # where the loop takes no signals
        _say("relay.stopped")
    return 0


async def _serve(config: RelayConfig, public_host: str, metrics: tuple[str, int] | None) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):  # on Windows Ctrl+C is a KeyboardInterrupt
            loop.add_signal_handler(number, stop.set)
    # an address that cannot be written down is found before anything is made
    ServerAddress((public_host,), None, bytes(32), config.password)
    async with contextlib.AsyncExitStack() as stack:
        relay = await stack.enter_async_context(Relay(config))
        if metrics is not None:
            # the relay starts sooner without what this needs
            from simplex_calls.relay.metrics import metrics_page  # noqa: PLC0415

            await stack.enter_async_context(metrics_page(*metrics, relay.numbers))
        address = dataclasses.replace(relay.address, hosts=(public_host,))
        _say("relay.running")
        sys.stdout.write(f"\n    {address}\n\n")
        if config.password is not None:
            _say("relay.password")
        if is_loopback(public_host):
            _say("relay.local")
        _say("relay.stop")
        stopped = asyncio.create_task(stop.wait())
        failed = asyncio.create_task(relay.wait())
        try:
            await asyncio.wait((stopped, failed), return_when=asyncio.FIRST_COMPLETED)
            if failed.done():
                failed.result()
        finally:
            for task in (stopped, failed):
                task.cancel()
            await asyncio.gather(stopped, failed, return_exceptions=True)
    _say("relay.stopped")


def _say(message_id: str) -> None:
    sys.stdout.write(text(message_id) + "\n")
    sys.stdout.flush()  # whoever starts the relay from a script waits for the address


def _port(value: str) -> int:
    number = int(value) if value.isascii() and value.isdecimal() else -1
    if not 0 <= number <= 0xFFFF:
        raise argparse.ArgumentTypeError(text("relay.port.range"))
    return number


def metrics_place(value: str) -> tuple[str, int]:
    """Where metrics are served: ``PORT`` of this machine, or ``HOST:PORT``."""
    host, _, port = value.rpartition(":")
    return host.removeprefix("[").removesuffix("]") or "127.0.0.1", _port(port)


def _read_password(path: Path) -> str:
    try:
        lines = path.read_text("utf-8").splitlines()
    except OSError as error:
        raise RelayError(text("relay.password_file.unreadable", path=path, reason=error.strerror)) from None
    except UnicodeDecodeError:
        lines = []
    password = lines[0].strip() if lines else ""
    if not password:
        raise RelayError(text("relay.password_file.empty", path=path))
    return password


def reachable(host: str) -> str:
    """The host to write into the address: for "all addresses of this machine", the one that it sends from."""
    if host not in ("0.0.0.0", "::", ""):  # noqa: S104 (compared, not opened)
        return host
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe, contextlib.suppress(OSError):
        probe.connect(("192.0.2.1", 9))  # sends nothing: the system only chooses the way
        return str(probe.getsockname()[0])
    return "127.0.0.1"


def is_loopback(host: str) -> bool:
    """Whether it names this machine to itself."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
