"""The servers of ``serve`` from their start to their end."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import logging
import os
import shutil
import signal
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from simplex_calls.catalogue import text
from simplex_calls.relay.certificates import load_identity
from simplex_calls.serve import certificates, coturn
from simplex_calls.serve.certificates import Certificate
from simplex_calls.serve.children import Spec, Supervisor, spawn
from simplex_calls.serve.folder import Folder
from simplex_calls.serve.health import check_relay, check_turn
from simplex_calls.serve.http import health_page
from simplex_calls.serve.plan import RELAY, TURN, Plan, ServeError
from simplex_calls.serve.ports import check_ports, has_ipv6

_log = logging.getLogger(__name__)

_RENEWAL_SECONDS = 3600.0
"""How often given certificates are looked at for newer ones."""
_PLACES = ("/usr/bin", "/usr/sbin", "/usr/local/bin")


@dataclass(frozen=True, slots=True)
class Source:
    """Where the certificate of TURN over TLS comes from; without files, it is our own."""

    chain: Path | None
    key: Path | None


def fingerprint(folder: Folder) -> bytes:
    """Of the relay, whose identity is made if there is none; raises :class:`CertificateError`."""
    folder.relay.mkdir(exist_ok=True, mode=0o700)
    return load_identity(folder.relay, dt.datetime.now(dt.UTC)).fingerprint


def prepare_certificate(folder: Folder, plan: Plan, source: Source) -> bool:
    """Put the certificate where coturn finds it; whether it changed. Raises :class:`ServeError`."""
    now = dt.datetime.now(dt.UTC)
    present = _present(folder)
    if source.chain is not None and source.key is not None:
        wanted = Certificate(folder.read(source.chain), folder.read(source.key))
        certificates.check(wanted, plan.public_hosts, now)
    elif present is not None and certificates.is_fresh(present, plan.public_hosts, now):
        return False
    else:
        wanted = certificates.make(plan.public_hosts, now)
    if wanted == present:
        return False
    folder.write(folder.key_file, wanted.key)
    folder.write(folder.certificate_file, wanted.chain)
    return True


async def serve(
    folder: Folder,
    plan: Plan,
    source: Source | None,
    *,
    health_port: int | None = None,
    metrics: tuple[str, int] | None = None,
    on_ready: Callable[[], None],
) -> None:
    """Run the servers until SIGTERM or SIGINT; ``on_ready`` is called when they serve. Raises :class:`ServeError`."""
    specs = []
    check_ports(plan)
    if RELAY in plan.parts:
        specs.append(_relay(folder, plan, metrics))
    if TURN in plan.parts:
        specs.append(await _turn(folder, plan))
    folder.store_plan(plan)
    stop = asyncio.Event()
    told = False

    def changed() -> None:
        nonlocal told
        if supervisor.is_healthy and not told:
            told = True
            on_ready()
            _notify("READY=1")

    def renew() -> None:
        try:
            if source is not None and TURN in plan.parts and prepare_certificate(folder, plan, source):
                _log.warning("turn: there is a new certificate")
                supervisor.signal(TURN, signal.SIGUSR2)  # which makes coturn read it
        except ServeError as error:
            _log.error("turn: the certificate stays as it is: %s", error)

    supervisor = Supervisor(specs, spawn=spawn, clock=time.monotonic, on_change=changed)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    loop.add_signal_handler(signal.SIGHUP, renew)
    async with contextlib.AsyncExitStack() as stack:
        if health_port is not None:
            await stack.enter_async_context(health_page(health_port, lambda: supervisor))
        tasks = [asyncio.create_task(each) for each in (supervisor.run(), _every(_RENEWAL_SECONDS, renew), _set(stop))]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            _notify("STOPPING=1")
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


def relay_command(folder: Folder, plan: Plan, metrics: tuple[str, int] | None, *, ipv6: bool) -> tuple[str, ...]:
    """The command line of the relay: passwords are in files."""
    first, *others = plan.hosts or (("0.0.0.0", "::") if ipv6 else ("0.0.0.0",))  # noqa: S104 (what it is for)
    command = [sys.executable, "-m", "simplex_calls", "relay", "--host", first]
    for host in others:
        command += ["--also", host]
    command += ["--port", str(plan.port), "--public-host", plan.public_hosts[0], "--data", str(folder.relay)]
    if not plan.is_open:
        command += ["--password-file", str(folder.password_file)]
    if plan.is_lan:
        command.append("--forward-to-private")
    if metrics is not None:
        command += ["--metrics", "{}:{}".format(*metrics)]
    return tuple(command)


def _relay(folder: Folder, plan: Plan, metrics: tuple[str, int] | None) -> Spec:
    if not plan.is_open:
        folder.password()
    identity = fingerprint(folder)
    command = relay_command(folder, plan, metrics, ipv6=has_ipv6())
    return Spec(RELAY, command, lambda: check_relay(plan, identity))


async def _turn(folder: Folder, plan: Plan) -> Spec:
    program = find_turnserver()
    files = coturn.TurnFiles(folder.turn, folder.certificate_file, folder.key_file, folder.secrets())
    process = await asyncio.create_subprocess_exec(
        program, "--help", stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await process.communicate()
    known = coturn.options_of(output.decode("utf-8", "replace"))
    folder.write(folder.configuration_file, coturn.configuration(plan, files, known).encode())
    # -c: the secrets are in the file, not on the command line, where every user of this machine sees them
    command = (program, "-c", str(folder.configuration_file))
    # what it writes names its clients' addresses, so nobody is told it
    return Spec(TURN, command, lambda: check_turn(plan, files.secrets[0], folder.certificate_file), is_told=False)


def find_turnserver() -> str:
    """Coturn's program; raises :class:`ServeError`."""
    found = shutil.which("turnserver") or shutil.which("turnserver", path=":".join(_PLACES))
    if found is None:
        raise ServeError(text("serve.coturn.missing"))
    return found


def _present(folder: Folder) -> Certificate | None:
    if not (folder.certificate_file.exists() and folder.key_file.exists()):
        return None
    return Certificate(folder.read(folder.certificate_file), folder.read(folder.key_file))


def _notify(state: str) -> None:
    """Tell systemd, if it asks to be told: sd_notify(3)."""
    place = os.environ.get("NOTIFY_SOCKET")
    if place:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock, contextlib.suppress(OSError):
            sock.sendto(state.encode(), "\0" + place[1:] if place.startswith("@") else place)


async def _every(seconds: float, do: Callable[[], None]) -> None:
    while True:
        await asyncio.sleep(seconds)
        do()


async def _set(event: asyncio.Event) -> None:
    await event.wait()
