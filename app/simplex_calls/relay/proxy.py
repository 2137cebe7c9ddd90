"""This relay as a proxy: commands of its clients to other servers, which see the relay's address and not theirs.

Source: simplex-messaging.md, "Proxying sender commands". One connection a destination serves all clients. What is
forwarded is encrypted for the destination; the proxy can neither read nor change it.

Whom it connects to is decided by addresses after their names were looked up, and it connects to just these: a relay on
the internet must not be used to reach what is behind its firewall, whatever a name means today.
"""

from __future__ import annotations

import asyncio
import dataclasses
import datetime as dt
import ipaddress
import socket
from collections import Counter
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, field

from simplex_calls.crypto import BoxKey, CryptoError, Random, X25519PrivateKey
from simplex_calls.smp.address import ServerAddress
from simplex_calls.smp.channel import SMPClient
from simplex_calls.smp.commands import PFwd, RFwd
from simplex_calls.smp.connection import Connection, Connector
from simplex_calls.smp.encoding import VersionRange
from simplex_calls.smp.errors import (
    BrokerError,
    DecodeError,
    ErrorCode,
    NetworkError,
    ServerError,
    ServerIdentityError,
    SMPError,
    VersionError,
)
from simplex_calls.smp.handshake import accept_server, decode_server_hello
from simplex_calls.smp.messages import Msg, PKey, PRes, RRes
from simplex_calls.smp.proxied import Forwarded, ForwardedAnswer, destination_id

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolve = Callable[[str, int], Awaitable[list[Address]]]

_OFFERED = VersionRange(8, 17)
"""What clients are told of a destination's versions: one below the newest, so that it cannot tell who updated first."""


class ProxyError(SMPError):
    """A command cannot be forwarded; :attr:`error` is the answer to the client."""

    def __init__(self, error: ServerError) -> None:
        super().__init__(f"command is not forwarded: {error}")
        self.error = error

    @classmethod
    def because(cls, detail: str) -> ProxyError:
        """``ERR PROXY`` with a detail."""
        return cls(ServerError(ErrorCode.PROXY, detail=detail))


@dataclass(frozen=True, slots=True)
class ProxyLimits:
    """How much is forwarded."""

    destinations: int = 100
    """Servers at the same time."""
    client_destinations: int = 25
    """Of these, opened for one client; for more, its own that were not used just now are closed."""
    client_idle_seconds: float = 5.0
    """What "just now" means."""
    idle_seconds: float = 60.0
    """A connection that was used within these is not closed in favour of another server's."""
    commands: int = 32
    """Of one client, on their way at the same time; its others wait."""
    connect_seconds: float = 15.0
    retry_seconds: float = 10.0
    """After a failure, a server is not tried again for so long."""


@dataclass(slots=True, eq=False)
class _Destination:
    link: SMPClient
    key: PKey
    secret: BoxKey = field(repr=False)
    client: Hashable
    """For whom it was opened first."""
    used_at: float


class Proxy:
    """Forwards commands to the servers that ``may_reach`` allows, by ``connector``. ``clock`` gives seconds."""

    def __init__(
        self,
        connector: Connector,
        may_reach: Callable[[Address], bool],
        *,
        clock: Callable[[], float],
        random: Random,
        limits: ProxyLimits,
        resolve: Resolve | None = None,
    ) -> None:
        self._connector = connector
        self._may_reach = may_reach
        self._clock = clock
        self._random = random
        self._limits = limits
        self._resolve = resolve or _look_up
        self._by_server: dict[ServerAddress, _Destination] = {}
        self._by_session: dict[bytes, _Destination] = {}
        self._connecting: dict[ServerAddress, asyncio.Task[_Destination]] = {}
        self._opening: Counter[Hashable] = Counter()
        """How many of these for whom."""
        self._failed: dict[ServerAddress, tuple[float, ProxyError]] = {}
        self._closing: set[asyncio.Task[None]] = set()

    async def connect(self, server: ServerAddress, client: Hashable = None) -> PKey:
        """PRXY: the session with ``server``; if there is none, one is made, at ``client``'s cost.

        Raises :class:`ProxyError`.
        """
        server = dataclasses.replace(server, password=None)
        destination = self._by_server.get(server)
        if destination is None:
            connecting = self._connecting.get(server)
            if connecting is None:
                connecting = self._connecting[server] = asyncio.create_task(self._connect(server, client))
                self._opening[client] += 1
                connecting.add_done_callback(lambda task: self._connected(server, client, task))
            # many clients may wait for it, and any of them may leave
            destination = await asyncio.shield(connecting)
        destination.used_at = self._clock()
        return destination.key

    async def forward(self, session_id: bytes, corr_id: bytes, command: PFwd) -> PRes:
        """PFWD: the answer of the server of this session; raises :class:`ProxyError`."""
        destination = self._by_session.get(destination_id(session_id))
        if destination is None:
            raise ProxyError.because("NO_SESSION")
        destination.used_at = self._clock()
        nonce = self._random(24)
        forwarded = Forwarded(corr_id, command.version, command.command_key, command.encrypted)
        try:
            answer = await destination.link.request(RFwd(forwarded.seal(destination.secret, nonce)), corr_id=nonce)
        except BrokerError as error:
            told = error.error.encode(destination.link.version).decode("utf-8", "surrogateescape")
            raise ProxyError.because(f"PROTOCOL {told}") from None
        except NetworkError:
            raise ProxyError.because("BROKER TIMEOUT" if destination.link.is_open else "BROKER NETWORK") from None
        except SMPError:
            raise ProxyError.because("BROKER RESPONSE \5BLOCK") from None
        if not isinstance(answer, RRes):
            raise ProxyError.because("BROKER UNEXPECTED \0")
        try:
            return PRes(ForwardedAnswer.open(destination.secret, nonce, answer.encrypted).encrypted)
        except DecodeError:
            raise ProxyError.because("BROKER RESPONSE \5BLOCK") from None
        except CryptoError:
            raise ProxyError(ServerError(ErrorCode.CRYPTO)) from None

    async def close(self) -> None:
        """Close all connections."""
        for task in self._connecting.values():
            task.cancel()
        await asyncio.gather(*self._connecting.values(), return_exceptions=True)
        for destination in list(self._by_server.values()):
            destination.link.close()
        await asyncio.gather(*self._closing)

    def closed(self, client: SMPClient) -> None:
        """A connection is over."""
        for server, destination in list(self._by_server.items()):
            if destination.link is client:
                del self._by_server[server]
                del self._by_session[destination_id(destination.key.session_id)]
        self._release(client.wait_closed())

    def message(self, recipient_id: bytes, message: Msg) -> None:
        """Nothing is subscribed to."""

    def ended(self, recipient_id: bytes) -> None:
        """Nothing is subscribed to."""

    def deleted(self, recipient_id: bytes) -> None:
        """Nothing is subscribed to."""

    async def _connect(self, server: ServerAddress, client: Hashable) -> _Destination:
        failure = self._failed.get(server)
        if failure is not None and self._clock() < failure[0]:
            raise failure[1].with_traceback(None)
        self._make_room(client)
        try:
            async with asyncio.timeout(self._limits.connect_seconds):
                connection = await self._connector(await self._allowed(server))
                try:
                    return await self._shake_hands(connection, server, client)
                except BaseException:
                    connection.close()
                    self._release(connection.wait_closed())
                    raise
        except (NetworkError, TimeoutError, OSError):
            raise ProxyError.because("BROKER NETWORK") from None
        except VersionError:
            raise ProxyError.because("BROKER TRANSPORT VERSION") from None
        except ServerIdentityError:
            raise ProxyError.because("BROKER TRANSPORT HANDSHAKE BAD_AUTH") from None
        except DecodeError:
            raise ProxyError.because("BROKER TRANSPORT HANDSHAKE PARSE") from None
        except CryptoError:
            raise ProxyError.because("BROKER TRANSPORT NO_AUTH") from None

    async def _shake_hands(self, connection: Connection, server: ServerAddress, client: Hashable) -> _Destination:
        own = X25519PrivateKey.generate(self._random)
        block = await connection.read_block()
        hello = decode_server_hello(block)
        session, answer = accept_server(
            block,
            fingerprint=server.fingerprint,
            session_id=connection.session_id,
            peer_chain=connection.peer_chain,
            client_key=own,
            now=dt.datetime.fromtimestamp(self._clock(), dt.UTC),
            is_proxy=True,
        )
        versions = hello.versions.intersect(_OFFERED)
        if versions is None or session.version < _OFFERED.minimum:
            raise VersionError("server does not take forwarded commands")
        if hello.server_key is None or session.server_key is None:
            raise CryptoError("server has no session key")
        secret = BoxKey.agree(own, session.server_key)
        connection.write_block(answer)
        await connection.drain()
        link = SMPClient(connection, session, self, random=self._random)
        link.start()
        key = PKey(connection.session_id, versions, hello.server_key)
        return _Destination(link, key, secret, client, self._clock())

    def _connected(self, server: ServerAddress, client: Hashable, task: asyncio.Task[_Destination]) -> None:
        del self._connecting[server]
        self._opening[client] -= 1
        if not self._opening[client]:
            del self._opening[client]
        if task.cancelled():
            return
        error = task.exception()
        if error is None:
            destination = task.result()
            if destination.link.is_open:
                self._failed.pop(server, None)
                self._by_server[server] = destination
                self._by_session[destination_id(destination.key.session_id)] = destination
        elif isinstance(error, ProxyError):
            if len(self._failed) >= self._limits.destinations:
                self._failed.clear()
            self._failed.setdefault(server, (self._clock() + self._limits.retry_seconds, error))

    async def _allowed(self, server: ServerAddress) -> ServerAddress:
        """The server at those of its addresses that may be connected to."""
        hosts: list[str] = []
        for host in server.hosts:
            if not host.endswith(".onion"):
                addresses = await self._resolve(host, server.effective_port)
                hosts += [str(address) for address in addresses if self._may_reach(address)]
        if not hosts:
            raise ProxyError.because("BROKER HOST")
        return dataclasses.replace(server, hosts=tuple(hosts[:4]))

    def _make_room(self, client: Hashable) -> None:
        """Close a connection if there is no room for one more: one of ``client``'s own if it has its share."""
        limits = self._limits
        own = [destination for destination in self._by_server.values() if destination.client == client]
        if len(own) + self._opening[client] > limits.client_destinations:
            self._close_oldest(own, limits.client_idle_seconds)
        elif len(self._by_server) + len(self._connecting) > limits.destinations:
            self._close_oldest(list(self._by_server.values()), limits.idle_seconds)

    def _close_oldest(self, destinations: list[_Destination], idle_seconds: float) -> None:
        oldest = min(destinations, key=lambda destination: destination.used_at, default=None)
        if oldest is None or self._clock() - oldest.used_at < idle_seconds:
            raise ProxyError.because("BROKER TIMEOUT")
        oldest.link.close()

    def _release(self, waiting: Awaitable[None]) -> None:
        task = asyncio.ensure_future(waiting)
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)


def reachable_from(host: str) -> Callable[[Address], bool]:
    """Which addresses a relay that listens on ``host`` may be used to reach.

    One on the loopback serves this machine's own programs, which reach everything anyway; one in a local network serves
    its neighbours, who reach each other but not this machine's loopback; one for everybody reaches public addresses.
    """
    try:
        own = ipaddress.ip_address("127.0.0.1" if host == "localhost" else host)
    except ValueError:
        own = None
    if own is not None and own.is_loopback:
        return lambda _: True
    if own is not None and own.is_private and not own.is_unspecified:
        return lambda address: not (_plain(address).is_loopback or _is_never(_plain(address)))
    return lambda address: _plain(address).is_global and not _is_never(_plain(address))


def _plain(address: Address) -> Address:
    mapped = address.ipv4_mapped or address.sixtofour if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def _is_never(address: Address) -> bool:
    # Python takes fec0::/10, the local networks of old, for global
    is_site_local = isinstance(address, ipaddress.IPv6Address) and address.is_site_local
    is_local = address.is_link_local or is_site_local
    return address.is_multicast or address.is_unspecified or is_local or address.is_reserved


async def _look_up(host: str, port: int) -> list[Address]:
    try:
        return [ipaddress.ip_address(host)]
    except ValueError:
        pass
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return []
    return [ipaddress.ip_address(str(place[0]).partition("%")[0]) for *_, place in found]
