"""``simplex-calls serve``: the options, and what is printed."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import sys
from pathlib import Path

import segno
from platformdirs import user_data_path

from simplex_calls.catalogue import text
from simplex_calls.relay.certificates import CertificateError
from simplex_calls.relay.cli import is_loopback, metrics_place, reachable
from simplex_calls.serve.folder import Folder
from simplex_calls.serve.health import HealthError, check_relay, check_turn
from simplex_calls.serve.plan import PARTS, RELAY, TURN, Plan, ServeError, address_of, code, ice_lines, is_any
from simplex_calls.serve.privileges import command_as, hand_over, user_to_become
from simplex_calls.serve.running import Source, fingerprint, prepare_certificate, serve
from simplex_calls.smp.errors import SMPError

UNHEALTHY = 3
"""The exit status of ``--check`` when a server does not serve."""
_SYSTEM_DATA = Path("/var/lib/simplex-calls")
_DEFAULTS = Plan()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    first, last = _DEFAULTS.relayed_ports

    def add(name: str, **how: object) -> None:
        parser.add_argument(name, help=text(f"serve.{name.strip('-').replace('-', '_')}.help"), **how)  # type: ignore[arg-type]

    add("--public-host", action="append", default=[], metavar="HOST")
    add("--host", action="append", default=[], metavar="HOST")
    add("--external-ip", action="append", default=[], metavar="PUBLIC[/PRIVATE]", type=_external_ip)
    add("--port", type=_port, default=_DEFAULTS.port, metavar="PORT")
    add("--turn-port", type=_port, default=_DEFAULTS.turn_port, metavar="PORT")
    add("--turns-port", type=_port, default=_DEFAULTS.turns_port, metavar="PORT")
    add("--relayed-ports", type=_ports, default=(first, last), metavar="FIRST-LAST")
    add("--cert", type=Path, metavar="FILE")
    add("--key", type=Path, metavar="FILE")
    add("--realm", default=_DEFAULTS.realm, type=_word, metavar="NAME")
    add("--lan", action="store_true")
    add("--open", action="store_true")
    add("--user-quota", type=_count, default=_DEFAULTS.user_quota, metavar="COUNT")
    add("--total-quota", type=_count, default=_DEFAULTS.total_quota, metavar="COUNT")
    add("--max-bps", type=_count, default=_DEFAULTS.max_bps, metavar="BYTES")
    add("--only", choices=PARTS)
    add("--data", type=Path, metavar="DIR")
    add("--health", type=_port, metavar="PORT")
    add("--metrics", type=metrics_place, metavar="[HOST:]PORT")
    add("--user", metavar="NAME")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--check", action="store_true", help=text("serve.check.help"))
    which.add_argument("--show", action="store_true", help=text("serve.show.help"))
    parser.add_argument("--certificate-is-ready", action="store_true", help=argparse.SUPPRESS)


def run(options: argparse.Namespace) -> int:
    """Run, check or show the servers.

    Returns the exit status: 0 when they were told to stop, or are well; 3 when a check found one that does not serve; 1
    on any other error, which is told.
    """
    folder = Folder((options.data or _default_data()).absolute())
    try:
        if options.check:
            return asyncio.run(_check(folder))
        if options.show:
            _show(folder, folder.plan())
            return 0
        return _run(options, folder)
    except (ServeError, SMPError, CertificateError) as error:
        sys.stderr.write(f"simplex-calls: {error}\n")
        return 1


def plan_of(options: argparse.Namespace) -> Plan:
    """What the options ask for; raises :class:`ServeError`."""
    if (options.cert is None) != (options.key is None):
        raise ServeError(text("serve.cert.both"))
    hosts = tuple(host for host in options.host if not is_any(host))
    if hosts and len(hosts) != len(options.host):
        raise ServeError(text("serve.host.both"))
    for host in hosts:
        if address_of(host) is None:
            raise ServeError(text("serve.host.number", host=host))
    ports = [options.port, options.turn_port, options.turns_port]
    if len(set(ports)) != len(ports):
        raise ServeError(text("serve.port.same"))
    public = options.public_host or [pair.partition("/")[0] for pair in options.external_ip] or list(hosts)
    return Plan(
        hosts=hosts,
        public_hosts=tuple(dict.fromkeys(public or [reachable("0.0.0.0")])),  # noqa: S104 (asked, not opened)
        port=options.port,
        turn_port=options.turn_port,
        turns_port=options.turns_port,
        relayed_ports=options.relayed_ports,
        external_ips=tuple(options.external_ip),
        realm=options.realm,
        is_lan=options.lan,
        is_open=options.open,
        own_certificate=options.cert is None,
        user_quota=options.user_quota,
        total_quota=options.total_quota,
        max_bps=options.max_bps,
        parts=PARTS if options.only is None else (options.only,),
    )


def _run(options: argparse.Namespace, folder: Folder) -> int:
    plan = plan_of(options)
    # an address that cannot be written down is found before anything is made
    plan.relay_address(bytes(32), None)
    user = user_to_become(options.user)
    folder.prepare()
    source = None if options.certificate_is_ready else Source(options.cert, options.key)
    if TURN in plan.parts and source is not None:
        prepare_certificate(folder, plan, source)
    if user is not None:
        hand_over(folder.path, user)
        arguments = [*sys.argv[1:], "--data", str(folder.path), "--certificate-is-ready"]
        command = command_as(user, arguments)
        sys.stdout.flush()
        os.execv(command[0], command)  # noqa: S606 (no shell is wanted)

    def ready() -> None:
        _say(text("serve.running"))
        _show(folder, plan, only_to_people=True)
        _say(text("serve.stop"))

    with contextlib.suppress(KeyboardInterrupt):  # before the loop takes signals
        asyncio.run(serve(folder, plan, source, health_port=options.health, metrics=options.metrics, on_ready=ready))
    _say(text("serve.stopped"))
    return 0


async def _check(folder: Folder) -> int:
    plan = folder.plan()
    checks = {}
    if RELAY in plan.parts:
        checks[RELAY] = check_relay(plan, fingerprint(folder))
    if TURN in plan.parts:
        checks[TURN] = check_turn(plan, folder.secrets()[0], folder.certificate_file)
    status = 0
    for name, check in checks.items():
        try:
            await check
        except HealthError as error:
            status = UNHEALTHY
            _say(text("serve.check.bad", name=name, reason=error))
        else:
            _say(text("serve.check.good", name=name))
    return status


def _show(folder: Folder, plan: Plan, *, only_to_people: bool = False) -> None:
    """Print the addresses, and the code unless nobody sees it: what goes into a log has no secrets."""
    relay = None
    if RELAY in plan.parts:
        password = None if plan.is_open else folder.password()
        relay = plan.relay_address(fingerprint(folder), password)
    addresses = [] if relay is None else [str(relay)]
    secret = folder.secrets()[0] if TURN in plan.parts else None
    if secret is not None:
        addresses += ice_lines(plan, None)
    _say("\n" + "".join(f"    {address}\n" for address in addresses))
    if TURN in plan.parts and plan.own_certificate:
        _say(text("serve.own_certificate", path=folder.certificate_file))
    if any(is_loopback(host) for host in plan.public_hosts):
        _say(text("serve.local"))
    elif not plan.is_lan and not plan.external_ips and any(_is_private(host) for host in plan.public_hosts):
        _say(text("serve.private"))
    if only_to_people and not sys.stdout.isatty():
        _say(text("serve.code.hidden"))
        return
    lines = code(relay, plan, secret)
    _say(text("serve.code"))
    _say("\n" + "".join(f"    {line}\n" for line in lines.splitlines()))
    segno.make(lines, error="l", micro=False, boost_error=False).terminal(out=sys.stdout, compact=True)


def _say(words: str) -> None:
    sys.stdout.write(words + "\n")
    sys.stdout.flush()  # whoever starts it from a script waits for the addresses


def _is_private(host: str) -> bool:
    address = address_of(host)
    return address is not None and address.is_private


def _default_data() -> Path:
    return _SYSTEM_DATA if os.geteuid() == 0 else user_data_path("simplex-calls", appauthor=False) / "serve"


def _port(value: str) -> int:
    number = int(value) if value.isascii() and value.isdecimal() else 0
    if not 0 < number <= 0xFFFF:
        raise argparse.ArgumentTypeError(text("serve.port.range"))
    return number


def _ports(value: str) -> tuple[int, int]:
    first, _, last = value.partition("-")
    ports = _port(first), _port(last)
    if ports[0] > ports[1]:
        raise argparse.ArgumentTypeError(text("serve.ports.range"))
    return ports


def _count(value: str) -> int:
    number = int(value) if value.isascii() and value.isdecimal() else -1
    if not 0 <= number < 1 << 31:
        raise argparse.ArgumentTypeError(text("serve.count.range"))
    return number


def _external_ip(value: str) -> str:
    public, slash, private = value.partition("/")
    if address_of(public) is None or (slash and address_of(private) is None):
        raise argparse.ArgumentTypeError(text("serve.external_ip.form"))
    return value


def _word(value: str) -> str:
    if not value or not value.isascii() or not value.isprintable() or " " in value or len(value) > 127:
        raise argparse.ArgumentTypeError(text("serve.realm.form"))
    return value
