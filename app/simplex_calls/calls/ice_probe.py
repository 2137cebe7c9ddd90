"""Test of a STUN or TURN server: whether a call could use it, in one word, and how long an answer takes.

A STUN server is asked for our address, a TURN server for a relay, which is given back at once.
"""

from __future__ import annotations

import asyncio
import os
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from simplex_calls.calls.ice import IceServer
from simplex_calls.crypto import Random
from simplex_calls.stun import (
    Credentials,
    Fault,
    StunClient,
    StunError,
    StunRefusedError,
    StunTimeoutError,
    StunUnreachableError,
    Transport,
)

_TIMEOUT_SECONDS = 5.0
_ALLOCATION_SECONDS = 60
_UNAUTHORIZED = frozenset({401, 441})


class IceVerdictKind(Enum):
    """What a test found."""

    OK = "ok"
    NO_HOST = "no-host"
    """The name is not known, or this computer is offline."""
    UNREACHABLE = "unreachable"
    """Nothing listens there."""
    TIMEOUT = "timeout"
    UDP_BLOCKED = "udp-blocked"
    """UDP gets no answer, TCP does."""
    CERTIFICATE = "certificate"
    """The browser engine would not trust its certificate either."""
    NOT_STUN = "not-stun"
    """Something answers, but not in this protocol."""
    WRONG_CREDENTIALS = "wrong-credentials"
    NO_RELAY = "no-relay"
    """It takes the credentials, or asks for none, but gives no relay: full, or not a TURN server."""


@dataclass(frozen=True, slots=True)
class IceVerdict:
    """The result of :func:`probe_ice_server`."""

    kind: IceVerdictKind
    round_trip_s: float | None = None
    """Between one request and its answer."""

    @property
    def is_ok(self) -> bool:
        """Whether calls can use the server."""
        return self.kind is IceVerdictKind.OK


_FAULTS = {
    Fault.NO_HOST: IceVerdictKind.NO_HOST,
    Fault.CERTIFICATE: IceVerdictKind.CERTIFICATE,
    Fault.NO_TLS: IceVerdictKind.NOT_STUN,
    Fault.LEFT: IceVerdictKind.NOT_STUN,
    Fault.NOTHING_THERE: IceVerdictKind.UNREACHABLE,
}


async def probe_ice_server(
    server: IceServer,
    *,
    tls: ssl.SSLContext | None = None,
    timeout: float = _TIMEOUT_SECONDS,  # noqa: ASYNC109 (of each request)
    now: Callable[[], float] = time.time,
    clock: Callable[[], float] = time.monotonic,
    random: Random = os.urandom,
) -> IceVerdict:
    """Test a server; raises nothing of it. ``tls`` is whom to trust (the system's authorities)."""
    server = server.fresh(now(), random)
    try:
        async with StunClient.connect(server.host, server.port, server.transport, tls=tls, timeout=timeout) as client:
            if server.is_relay:
                return await _allocate(client, server, clock)
            since = clock()
            await client.binding()
            return IceVerdict(IceVerdictKind.OK, clock() - since)
    except StunTimeoutError:
        return IceVerdict(await _silence(server, tls, timeout))
    except StunUnreachableError as error:
        return IceVerdict(_FAULTS[error.fault])
    except StunRefusedError as error:
        is_known = server.is_relay and error.code in _UNAUTHORIZED
        return IceVerdict(IceVerdictKind.WRONG_CREDENTIALS if is_known else IceVerdictKind.NO_RELAY)
    except StunError:
        return IceVerdict(IceVerdictKind.NOT_STUN)


async def _allocate(client: StunClient, server: IceServer, clock: Callable[[], float]) -> IceVerdict:
    credentials = Credentials(server.username or "", server.credential or "")
    since = clock()
    allocation = await client.allocate(credentials, lifetime=_ALLOCATION_SECONDS)
    # one that learns how credentials are asked for, one that brings them
    took = (clock() - since) / 2
    await client.release()
    host, port = allocation.relayed
    if host.is_unspecified or port == 0:
        return IceVerdict(IceVerdictKind.NO_RELAY)
    return IceVerdict(IceVerdictKind.OK, took)


async def _silence(server: IceServer, tls: ssl.SSLContext | None, timeout: float) -> IceVerdictKind:  # noqa: ASYNC109
    """What it means that no answer came: whether there is one to a simpler question, or by another way."""
    ways = dict.fromkeys((server.transport, Transport.TCP))
    answered = await asyncio.gather(*(_answers(server, way, tls, timeout) for way in ways))
    found = dict(zip(ways, answered, strict=True))
    if found[server.transport] and server.is_relay:
        return IceVerdictKind.NO_RELAY
    if server.transport is Transport.UDP and found[Transport.TCP]:
        return IceVerdictKind.UDP_BLOCKED
    return IceVerdictKind.TIMEOUT


async def _answers(
    server: IceServer,
    transport: Transport,
    tls: ssl.SSLContext | None,
    timeout: float,  # noqa: ASYNC109 (of each request)
) -> bool:
    try:
        async with StunClient.connect(server.host, server.port, transport, tls=tls, timeout=timeout) as client:
            await client.binding()
    except StunRefusedError:
        return True
    except (StunTimeoutError, StunUnreachableError, StunError):
        return False
    return True
