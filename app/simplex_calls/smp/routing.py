"""Private routing: commands to the servers that contacts chose go by way of one of our own, which hides our address.

Our server (the proxy) connects to the other (the destination) for us: PRXY, once for each destination; then it forwards
what we encrypted for the destination: PFWD. The proxy learns where a command goes, but not to which queue; the
destination learns the queue, but not where we are. Source: simplex-messaging.md, "Proxying sender commands".
"""

from __future__ import annotations

import asyncio
import datetime as dt
import weakref
from collections.abc import Callable
from typing import Protocol

from simplex_calls.crypto import Random
from simplex_calls.smp.address import ServerAddress
from simplex_calls.smp.channel import SMPClient
from simplex_calls.smp.commands import Command, Prxy, Send
from simplex_calls.smp.errors import (
    BrokerError,
    ErrorCode,
    LargeMessageError,
    NetworkError,
    ProxyError,
    ProxyFault,
    ServerError,
    SMPError,
    UnexpectedResponseError,
)
from simplex_calls.smp.messages import BrokerMessage, Err, PKey, PRes, max_message_size
from simplex_calls.smp.proxied import FORWARDING_VERSIONS, ForwardedCommand, accept_destination, destination_id
from simplex_calls.smp.queues import NetworkConfig, PrivateRouting
from simplex_calls.smp.transmission import AuthorizationKey, Session

_NEXT_PROXY = (ProxyFault.REFUSED, ProxyFault.PROTOCOL)
"""Faults of the proxy alone: another one may forward."""
_NO_WAY = (ProxyFault.HOST, ProxyFault.VERSION, ProxyFault.REFUSED)
"""Faults that last: no server of ours brings us to this destination."""
_STALE = (ErrorCode.CRYPTO, ErrorCode.EXPIRED, ErrorCode.SESSION)
"""Errors of a session whose keys the servers hold no longer."""


def is_known(server: ServerAddress, config: NetworkConfig) -> bool:
    """Whether a server is one of ours, and all of its hosts are that server's.

    Who it is alone does not tell: a contact's link may name our server's fingerprint and a host that is not ours.
    """
    return any(
        server.fingerprint == known.fingerprint and set(server.hosts) <= set(known.hosts)
        for known in config.known_servers
    )


def is_forwarded(server: ServerAddress, config: NetworkConfig) -> bool:
    """Whether commands to a contact's queue on ``server`` go by way of a server of ours (where there is one)."""
    if not config.known_servers:
        return False
    match config.private_routing:
        case PrivateRouting.NEVER:
            return False
        case PrivateRouting.UNKNOWN:
            return not is_known(server, config)
        case PrivateRouting.ALWAYS:
            return not is_known(server, config) or bool(config.known_servers - {server})


def is_direct_allowed(server: ServerAddress, config: NetworkConfig) -> bool:
    """Whether ``server`` may be connected to where no server of ours can forward to it."""
    return config.allow_direct or config.socks_proxy is not None or is_known(server, config)


def is_no_way(error: SMPError) -> bool:
    """Whether no server of ours can forward to the destination, now or later."""
    return isinstance(error, ProxyError) and error.fault in _NO_WAY


class Connected(Protocol):
    """Gives the open client of a server, for the commands of one queue."""

    async def __call__(self, server: ServerAddress, entity_id: bytes) -> SMPClient:
        """Raises what ``Network`` does."""
        ...


class Routing:
    """Forwards commands by way of our servers; keeps the sessions with destinations as long as their connections."""

    def __init__(
        self,
        connected: Connected,
        config: Callable[[], NetworkConfig],
        *,
        random: Random,
        now: Callable[[], dt.datetime],
    ) -> None:
        self._connected = connected
        self._config = config
        self._random = random
        self._now = now
        self._sessions: weakref.WeakKeyDictionary[SMPClient, dict[ServerAddress, asyncio.Task[Session]]]
        self._sessions = weakref.WeakKeyDictionary()
        self._chosen: dict[ServerAddress, ServerAddress] = {}

    async def request(
        self, destination: ServerAddress, command: Command, entity_id: bytes, key: AuthorizationKey | None
    ) -> BrokerMessage:
        """Forward a command and return the destination's answer.

        Raises what ``Network`` does, and :class:`ProxyError` if it was not forwarded.
        """
        proxy, client, session = await self._route(destination, entity_id)
        try:
            return await self._forward(client, session, command, entity_id, key)
        except ProxyError as error:
            self._forget(client, destination, session)
            if error.fault is not ProxyFault.NO_SESSION:
                raise
        # the proxy lost its connection, and nothing was sent on: it connects again
        session = await self._session(proxy, client, destination)
        return await self._forward(client, session, command, entity_id, key)

    async def _route(self, destination: ServerAddress, entity_id: bytes) -> tuple[ServerAddress, SMPClient, Session]:
        """The first of our servers that connects to the destination, beginning with the one that did the last time."""
        failure: SMPError = ProxyError(ProxyFault.HOST)
        for proxy in self._proxies(destination):
            try:
                client = await self._connected(proxy, entity_id)
                session = await self._session(proxy, client, destination)
            except ProxyError as error:
                failure = error
                if error.fault not in _NEXT_PROXY:
                    raise
            except SMPError as error:
                failure = error
            else:
                self._chosen[destination] = proxy
                return proxy, client, session
            self._chosen.pop(destination, None)
        raise failure

    def _proxies(self, destination: ServerAddress) -> list[ServerAddress]:
        proxies = sorted(self._config().known_servers - {destination}, key=str)
        chosen = self._chosen.get(destination)
        ordered = [chosen] if chosen is not None and chosen in proxies else []
        while rest := [proxy for proxy in proxies if proxy not in ordered]:
            ordered.append(rest[int.from_bytes(self._random(4), "big") % len(rest)])
        return ordered

    async def _session(self, proxy: ServerAddress, client: SMPClient, destination: ServerAddress) -> Session:
        sessions = self._sessions.setdefault(client, {})
        task = sessions.get(destination)
        if task is None:
            task = asyncio.get_running_loop().create_task(self._open(proxy, client, destination))
            sessions[destination] = task
        try:
            # several commands may wait for it, and any of them may be given up
            return await asyncio.shield(task)
        except SMPError:
            if sessions.get(destination) is task:
                del sessions[destination]
            raise

    async def _open(self, proxy: ServerAddress, client: SMPClient, destination: ServerAddress) -> Session:
        """PRXY: have the proxy connect to the destination."""
        if client.version < FORWARDING_VERSIONS.minimum:
            raise ProxyError(ProxyFault.REFUSED)
        config = self._config()
        try:
            answer = await client.request(
                Prxy(destination, proxy.password), patience=config.connect_timeout + config.command_timeout
            )
        except BrokerError as error:
            raise _proxy_error(error.error) from None
        if not isinstance(answer, PKey):
            raise UnexpectedResponseError("proxy answered PRXY with something else")
        return accept_destination(answer, fingerprint=destination.fingerprint, now=self._now())

    async def _forward(
        self,
        client: SMPClient,
        session: Session,
        command: Command,
        entity_id: bytes,
        key: AuthorizationKey | None,
    ) -> BrokerMessage:
        """PFWD: have the proxy forward a command."""
        if isinstance(command, Send) and len(command.body) > max_message_size(session.version):
            raise LargeMessageError(f"message of {len(command.body)} bytes is too large to send")
        sealed = ForwardedCommand.seal(session, command, entity_id, key, random=self._random)
        try:
            answer = await client.request(
                sealed.command,
                entity_id=destination_id(session.session_id),
                corr_id=sealed.corr_id,
                patience=2 * self._config().command_timeout,
            )
        except BrokerError as error:
            raise _proxy_error(error.error) from None
        if not isinstance(answer, PRes):
            raise UnexpectedResponseError("proxy answered PFWD with something else")
        result = sealed.open(answer.encrypted)
        if isinstance(result, Err):
            raise BrokerError(result.error)
        return result

    def _forget(self, client: SMPClient, destination: ServerAddress, session: Session) -> None:
        """Drop a session that does not work, unless another command has already replaced it."""
        sessions = self._sessions.get(client, {})
        task = sessions.get(destination)
        if task is None or not task.done() or task.cancelled() or task.exception() is not None:
            return
        if task.result() is session:
            del sessions[destination]


def _proxy_error(error: ServerError) -> NetworkError:
    """What a proxy's own ``ERR`` means for the command that was to be forwarded."""
    if error.code is ErrorCode.PROXY:
        return ProxyError(ProxyFault.parse(error.detail))
    return ProxyError(ProxyFault.OTHER if error.code in _STALE else ProxyFault.PROTOCOL)
