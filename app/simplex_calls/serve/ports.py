"""Whether the ports that the servers want are free: asked before, as coturn shares a taken one in silence."""

from __future__ import annotations

import errno
import os
import socket

from simplex_calls.catalogue import text
from simplex_calls.serve.plan import RELAY, TURN, Plan, ServeError

_ANY = ("0.0.0.0", "::")  # noqa: S104 (looked at, not served on)


def check_ports(plan: Plan) -> None:
    """Open and close each port; raises :class:`ServeError`."""
    for kind, port in _wanted(plan):
        for host in plan.hosts or _ANY:
            _try(kind, host, port)


def has_ipv6() -> bool:
    """Whether this machine can listen on IPv6."""
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as sock:
            sock.bind(("::", 0))
    except OSError:
        return False
    return True


def _wanted(plan: Plan) -> list[tuple[socket.SocketKind, int]]:
    wanted = []
    if RELAY in plan.parts:
        wanted.append((socket.SOCK_STREAM, plan.port))
    if TURN in plan.parts:
        wanted += [(kind, plan.turn_port) for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM)]
        wanted.append((socket.SOCK_STREAM, plan.turns_port))
    return wanted


def _try(kind: socket.SocketKind, host: str, port: int) -> None:
    protocol = "UDP" if kind is socket.SOCK_DGRAM else "TCP"
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=kind)[0]
        with socket.socket(family, kind) as sock:
            if kind is socket.SOCK_STREAM:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            sock.bind(address)
    except OSError as error:
        where = {"port": port, "protocol": protocol, "host": host}
        if error.errno == errno.EADDRINUSE:
            raise ServeError(text("serve.port.taken", **where)) from None
        if error.errno in (errno.EACCES, errno.EPERM):
            raise ServeError(text("serve.port.forbidden", **where)) from None
        if host == "::" and error.errno in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL, errno.EINVAL):
            return  # a machine without IPv6
        reason = os.strerror(error.errno) if error.errno and error.errno > 0 else text("serve.host.unknown")
        raise ServeError(text("serve.port.failed", reason=reason, **where)) from None
