"""Test of a server: whether it answers, is the one that its address names, and makes queues for us.

The same as official apps do: connect, create a queue, secure it, delete it.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from simplex_calls.crypto import Ed25519PrivateKey, Random, X25519PrivateKey
from simplex_calls.smp.address import ServerAddress
from simplex_calls.smp.channel import SMPClient, handshake
from simplex_calls.smp.commands import Del, Key, New, QueueMode, SKey
from simplex_calls.smp.connecting import TLSConnector
from simplex_calls.smp.connection import Connector
from simplex_calls.smp.errors import (
    BrokerError,
    ErrorCode,
    NetworkError,
    NotAnSMPServerError,
    ServerIdentityError,
    SMPError,
    VersionError,
)
from simplex_calls.smp.messages import Ids, Msg, Ok
from simplex_calls.smp.queues import NetworkConfig
from simplex_calls.smp.sender_keys import new_sender_key
from simplex_calls.smp.socks import Credentials


class VerdictKind(Enum):
    """What a test of a server found."""

    OK = "ok"
    UNREACHABLE = "unreachable"
    """Nothing listens there, the name is not known, or this computer is offline."""
    TIMEOUT = "timeout"
    """It does not answer in time."""
    NOT_SMP = "not-smp"
    """Something answers, but not in this protocol."""
    WRONG_IDENTITY = "wrong-identity"
    """An SMP server, but not the one with the fingerprint in the address."""
    WRONG_VERSION = "wrong-version"
    """It speaks no version of the protocol that we do."""
    WRONG_PASSWORD = "wrong-password"  # noqa: S105 - a word
    """It makes queues only for those who have another password than the address has."""
    REFUSED = "refused"
    """It refused the test queue for another reason."""
    BROKEN = "broken"
    """It answered with something that is no answer, or left in the middle."""


@dataclass(frozen=True, slots=True)
class ServerVerdict:
    """The result of :func:`probe_server`. ``version`` is the agreed one, where it came so far."""

    kind: VerdictKind
    version: int | None = None
    round_trip_s: float | None = None
    """Between the request for a queue and the answer."""

    @property
    def is_ok(self) -> bool:
        """Whether the server can be used."""
        return self.kind is VerdictKind.OK


async def probe_server(
    address: ServerAddress,
    *,
    config: NetworkConfig | None = None,
    connector: Connector | None = None,
    clock: Callable[[], float] = time.monotonic,
    random: Random = os.urandom,
    now: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC),
) -> ServerVerdict:
    """Test a server on a connection of its own; raises nothing of this floor. The rest is as with ``Network``."""
    config = config or NetworkConfig()
    if connector is None:
        credentials = None if config.socks_proxy is None else Credentials.make(random)
        connector = TLSConnector(config.socks_proxy, credentials, prefer_onion=config.prefer_onion)
    try:
        async with asyncio.timeout(config.connect_timeout):
            connection = await connector(address)
            try:
                session = await handshake(connection, address.fingerprint, now(), random=random)
            except BaseException as error:
                connection.close()
                await connection.wait_closed()
                if isinstance(error, NetworkError):  # a connection that stood: something is there
                    return ServerVerdict(VerdictKind.NOT_SMP)
                raise
    except TimeoutError:
        return ServerVerdict(VerdictKind.TIMEOUT)
    except NotAnSMPServerError:
        return ServerVerdict(VerdictKind.NOT_SMP)
    except ServerIdentityError:
        return ServerVerdict(VerdictKind.WRONG_IDENTITY)
    except VersionError:
        return ServerVerdict(VerdictKind.WRONG_VERSION)
    except (SMPError, OSError):
        return ServerVerdict(VerdictKind.UNREACHABLE)
    client = SMPClient(connection, session, _Deaf(), clock=clock, random=random, config=config)
    client.start()
    try:
        async with asyncio.timeout(config.command_timeout):
            return await _use(client, address, clock, random)
    except TimeoutError:
        return ServerVerdict(VerdictKind.TIMEOUT, session.version)
    except BrokerError:
        return ServerVerdict(VerdictKind.REFUSED, session.version)
    except SMPError:
        return ServerVerdict(VerdictKind.BROKEN, session.version)
    finally:
        client.close()
        await client.wait_closed()


async def _use(client: SMPClient, address: ServerAddress, clock: Callable[[], float], random: Random) -> ServerVerdict:
    """Create, secure and delete a queue."""
    key, dh_key = Ed25519PrivateKey.generate(random), X25519PrivateKey.generate(random)
    since = clock()
    new = New(key.public, dh_key.public, address.password, subscribe=True, mode=QueueMode.MESSAGING)
    try:
        ids = await client.request(new, key=key)
    except BrokerError as error:
        if error.error.code is ErrorCode.AUTH:
            return ServerVerdict(VerdictKind.WRONG_PASSWORD, client.version)
        raise
    took = clock() - since
    if not isinstance(ids, Ids):
        return ServerVerdict(VerdictKind.BROKEN, client.version)
    sender_key = new_sender_key(random, sender_can_secure=ids.sender_can_secure)
    if ids.sender_can_secure:
        secured = await client.request(SKey(sender_key.public), entity_id=ids.sender_id, key=sender_key)
    else:
        secured = await client.request(Key(sender_key.public), entity_id=ids.recipient_id, key=key)
    deleted = await client.request(Del(), entity_id=ids.recipient_id, key=key)
    is_done = isinstance(secured, Ok) and isinstance(deleted, Ok)
    return ServerVerdict(VerdictKind.OK if is_done else VerdictKind.BROKEN, client.version, took)


class _Deaf:
    """Hears nothing: the queue is deleted before anybody knows of it."""

    def message(self, recipient_id: bytes, message: Msg) -> None:
        """Nobody can have sent one."""

    def ended(self, recipient_id: bytes) -> None:
        """Nobody else can subscribe."""

    def deleted(self, recipient_id: bytes) -> None:
        """It was ourselves."""

    def closed(self, client: SMPClient) -> None:
        """What is in flight fails by itself."""
