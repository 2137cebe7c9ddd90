"""The relay on the network: starts and stops everything, and lets clients in."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import logging
import os
import socket
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Self

from simplex_calls.crypto import Random, X25519PrivateKey
from simplex_calls.relay.allowance import Allowances, Rate
from simplex_calls.relay.certificates import CertificateError, Identity, load_identity, make_identity
from simplex_calls.relay.client import Client
from simplex_calls.relay.config import RelayConfig, RelayError
from simplex_calls.relay.connected import Connected
from simplex_calls.relay.core import RelayCore
from simplex_calls.relay.counts import Counts
from simplex_calls.relay.disk import Disk
from simplex_calls.relay.listening import Listening, Places, is_local
from simplex_calls.relay.proxy import Proxy, ProxyError, reachable_from
from simplex_calls.relay.sessions import Outgoing, Proxied
from simplex_calls.relay.store import Store, StoreError
from simplex_calls.relay.tls_socket import TLSSocket
from simplex_calls.relay.wire import MemoryWire, Wire
from simplex_calls.relay.worker import Worker
from simplex_calls.smp.address import ServerAddress
from simplex_calls.smp.commands import PFwd, Prxy
from simplex_calls.smp.connecting import connect_tls
from simplex_calls.smp.connection import Connector, MemoryConnection, connect_in_memory
from simplex_calls.smp.errors import AddressError, DecodeError, ErrorCode, NetworkError, ServerError
from simplex_calls.smp.messages import BrokerMessage, Err
from simplex_calls.smp.tls import server_context

_log = logging.getLogger(__name__)

_CONFIG = RelayConfig()
_DATABASE = "relay.db"
_GREETING_SECONDS = 1.0
"""A connection that has not finished its handshake by then makes room for another one when there is none."""


class _Admission:
    """A connection that counts, until :meth:`end`."""

    def __init__(self, places: Places, place: str, at: float) -> None:
        self._places: Places | None = places
        self.place = place
        self.at = at
        self.task: asyncio.Task[None] | None = None

    def end(self) -> None:
        """It counts no longer."""
        if self._places is not None:
            self._places.leave(self.place)
            self._places = None


@dataclass(frozen=True, slots=True)
class Numbers:
    """How a relay stands."""

    counts: Counts
    connections: int
    queues: int
    messages: int
    is_full: bool


class Relay:
    """An SMP server.

    ``async with Relay(config) as relay`` starts and stops it; :attr:`address` is where clients find it. ``clock`` gives
    seconds since 1970, ``connector`` opens connections to the servers that it forwards to. Raises
    :class:`RelayError`.
    """

    def __init__(
        self,
        config: RelayConfig = _CONFIG,
        *,
        clock: Callable[[], float] = time.time,
        random: Random = os.urandom,
        connector: Connector = connect_tls,
    ) -> None:
        self._config = config
        self._clock = clock
        self._random = random
        self._listening: Listening | None = None
        self._worker: Worker | None = None
        self._housekeeper: asyncio.Task[None] | None = None
        self._watch: asyncio.TimerHandle | None = None
        self._places = Places(config.connections, config.place_connections)
        self._serving: set[asyncio.Task[None]] = set()
        self._greeting: dict[_Admission, None] = {}
        """Connections whose handshake is not done, the oldest first."""
        self._stopping = False
        self._is_crowded = False
        limits = config.limits
        self._allowances = Allowances(
            Rate(limits.client_queues, limits.client_queues_per_hour),
            Rate(limits.client_link_bytes, limits.client_link_bytes_per_hour),
            clock,
        )
        self._forwarding: set[asyncio.Task[None]] = set()
        self._proxy = Proxy(
            connector,
            (lambda _: True) if config.forwards_to_all else reachable_from(config.host),
            clock=clock,
            random=random,
            limits=config.proxy_limits,
        )
        self._failure: RelayError | None = None
        self._ended = asyncio.Event()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    @property
    def address(self) -> ServerAddress:
        """Where clients find this relay, without the password."""
        return self._address

    async def start(self) -> None:
        """Open the files and the port; raises :class:`RelayError` with nothing left open."""
        config = self._config
        now = datetime.datetime.fromtimestamp(self._clock(), datetime.UTC)
        try:
            if config.data is None:
                self._identity: Identity = make_identity(now)
            else:
                config.data.mkdir(parents=True, exist_ok=True, mode=0o700)
                self._identity = load_identity(config.data, now)
            self._store = Store(None if config.data is None else config.data / _DATABASE)
        except OSError as error:
            raise RelayError(f"{config.data} cannot be used: {error.strerror}") from None
        except (CertificateError, StoreError) as error:
            raise RelayError(str(error)) from None
        self._tls = server_context(self._identity.chain_pem, self._identity.key_pem)
        self._disk = Disk(
            self._store,
            in_memory=config.data is None,
            full_seconds=config.full_seconds,
            on_full=self._set_full,
        )
        try:
            self._core = RelayCore(
                self._store,
                limits=config.limits,
                password=config.password,
                is_proxy=config.forwards,
                random=self._random,
            )
            self._worker = Worker(
                self._core,
                self._disk,
                clock=self._clock,
                proxied_at_once=config.proxy_limits.commands,
                waiting_blocks=config.waiting_blocks,
                forward=self._forward,
                fail=self._fail,
            )
            self._disk.start()
            self._listening = await Listening.open((config.host, *config.also), config.port, self._accept_socket)
            self._address = ServerAddress((config.host,), self._listening.port, self._identity.fingerprint)
        except BaseException as error:
            if self._listening is not None:
                self._listening.close()
            self._worker = None
            self._close_files()
            if isinstance(error, StoreError | AddressError):
                raise RelayError(str(error)) from None
            raise
        self._housekeeper = asyncio.create_task(self._keep_house(), name="relay: housekeeping")
        self._watch_clients()
        _log.info("relay started with %d queues", self._core.queue_count)

    async def stop(self) -> None:
        """Carry out and answer what was received, then close everything."""
        worker = self._worker
        if worker is None or self._listening is None or self._housekeeper is None:
            return
        self._listening.close()
        self._housekeeper.cancel()
        self._stopping = True
        await worker.finish()
        clients = [connected.client for connected in worker.connected.values()]
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._config.stop_seconds):
                for client in clients:
                    await client.flush()
        for client in clients:
            client.close()
        tasks = [*(admission.task for admission in self._greeting if admission.task), *self._forwarding]
        for task in tasks:
            task.cancel()
        await asyncio.gather(self._housekeeper, *tasks, *self._serving, return_exceptions=True)
        await self._proxy.close()
        if self._watch is not None:
            self._watch.cancel()
        self._worker = None
        self._close_files()
        self._ended.set()
        _log.info("relay stopped")

    async def wait(self) -> None:
        """Wait until the relay ends by itself, which it does on an error alone; raises :class:`RelayError`."""
        await self._ended.wait()
        if self._failure is not None:
            raise self._failure

    def numbers(self) -> Numbers:
        """How the relay stands, while it runs."""
        core = self._core
        return Numbers(core.counts, len(self._places), core.queue_count, core.message_count, core.is_full)

    def connect_in_memory(self) -> MemoryConnection:
        """A client's end of a connection to this relay that needs no network."""
        client, server = connect_in_memory(self._random(32))
        self._accept(server)
        return client

    def _close_files(self) -> None:
        self._disk.close()
        self._store.close()

    def _set_full(self, is_full: bool) -> None:  # noqa: FBT001 (an event)
        if self._worker is not None:
            self._worker.set_full(is_full)

    def _fail(self, reason: str) -> None:
        _log.error("relay cannot go on: %s", reason)
        self._failure = RelayError(reason)
        self._stopping = True
        if self._listening is not None:
            self._listening.close()
        if self._worker is not None:
            for connected in self._worker.connected.values():
                connected.client.close()
        self._ended.set()

    # connections

    def _accept_socket(self, sock: socket.socket, place: str) -> None:
        """A connection is open; whether it is TLS is not known yet, but it counts already."""
        admission = self._admit(place)
        if admission is None:
            sock.close()
        else:
            self._begin(admission, self._serve_tls(sock, admission))

    def _accept(self, connection: MemoryConnection) -> None:
        admission = self._admit("")
        if admission is None:
            connection.close()
        else:
            self._begin(admission, self._serve(MemoryWire(connection), admission))

    def _admit(self, place: str) -> _Admission | None:
        if self._stopping:
            return None
        now = asyncio.get_running_loop().time()
        oldest = next(iter(self._greeting), None)
        if self._places.is_full and oldest is not None and now - oldest.at >= _GREETING_SECONDS:
            # whoever only holds places must not keep others out
            self._greeted(oldest)
            oldest.end()
            if oldest.task is not None:
                oldest.task.cancel()
        is_admitted = self._places.enter(place)
        if is_admitted:
            self._core.counts.connections_opened += 1
        else:
            self._core.counts.refused["connections" if self._places.is_full else "client_connections"] += 1
        if self._places.is_full and not (is_admitted or self._is_crowded):
            _log.warning("connections are refused: there are %d", self._config.connections)
        self._is_crowded = not is_admitted
        return _Admission(self._places, place, now) if is_admitted else None

    def _begin(self, admission: _Admission, serving: Coroutine[None, None, None]) -> None:
        admission.task = task = asyncio.create_task(serving, name="relay: client")
        self._greeting[admission] = None
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)

    def _greeted(self, admission: _Admission) -> None:
        self._greeting.pop(admission, None)

    async def _serve_tls(self, sock: socket.socket, admission: _Admission) -> None:
        try:
            wire = await TLSSocket.accept(sock, self._tls, self._config.client_limits.handshake_seconds)
        except NetworkError:
            _log.debug("a connection was lost as soon as it was open")
        else:
            await self._serve(wire, admission)
        finally:
            self._greeted(admission)
            admission.end()

    async def _serve(self, wire: Wire, admission: _Admission) -> None:
        client = Client(wire, self._config.client_limits, self._clock)
        worker = self._worker
        try:
            if worker is not None:
                lost = await self._welcome(client, worker, admission)
                self._greeted(admission)
                await lost.wait()
        except (NetworkError, DecodeError) as error:
            _log.debug("handshake failed: %s", error)
        finally:
            client.close()
            await client.wait_closed()
            self._greeted(admission)
            admission.end()

    async def _welcome(self, client: Client, worker: Worker, admission: _Admission) -> asyncio.Event:
        """Shake hands and hand what the client sends to the worker; the event tells that it is gone."""
        session_key = X25519PrivateKey.generate(self._random)
        transport, hello = await client.handshake(self._identity, session_key)
        session = self._core.connect(
            session_key,
            transport.version,
            transport.session_id,
            hello.client_key,
            self._allowances.of(admission.place),
        )
        connected = worker.connected[session] = Connected(client, transport, session, admission.place)
        lost = asyncio.Event()

        def on_lost() -> None:
            connected.gone = True
            worker.set_ready(connected)
            lost.set()

        client.receive(lambda block: worker.submit(connected, block), on_lost, lambda: worker.kept_up(connected))
        return lost

    # forwarding

    def _forward(self, connected: Connected, item: Proxied) -> None:
        task = asyncio.create_task(self._forward_and_answer(connected, item), name="relay: forwarding")
        self._forwarding.add(task)
        task.add_done_callback(self._forwarding.discard)

    async def _forward_and_answer(self, connected: Connected, item: Proxied) -> None:
        answer: BrokerMessage
        try:
            match item.command:
                case Prxy(server):
                    # on this machine there may be many people, with a connection each
                    client = connected if is_local(connected.place) else connected.place
                    answer = await self._proxy.connect(server, client)
                case PFwd() as command:
                    answer = await self._proxy.forward(item.entity_id, item.corr_id, command)
        except ProxyError as error:
            answer = Err(error.error)
        except Exception as error:  # noqa: BLE001 (the client must not wait for ever)
            _log.error("forwarding failed: %s", type(error).__name__)
            answer = Err(ServerError(ErrorCode.INTERNAL))
        if self._worker is not None:
            self._worker.answer_proxied(connected, Outgoing(item.session, item.corr_id, item.entity_id, answer))

    # time

    async def _keep_house(self) -> None:
        while True:
            await asyncio.sleep(self._config.housekeeping_seconds)
            self.keep_house()

    def keep_house(self) -> None:
        """Delete what is too old and disconnect idle clients; done by itself from time to time."""
        if self._worker is None:
            return
        now = self._clock()
        self._worker.expire()
        for connected in self._worker.connected.values():
            if not connected.session.subscribed and connected.client.is_idle(now):
                connected.client.close()

    def _watch_clients(self) -> None:
        """Disconnect clients that take too long over a block, again and again."""
        loop = asyncio.get_running_loop()
        if self._worker is not None:
            now = loop.time()
            for connected in list(self._worker.connected.values()):
                if connected.client.is_stuck(now):
                    self._core.counts.refused["slow_client"] += 1
                    self._worker.drop(connected.session)
        self._watch = loop.call_later(self._config.client_limits.stalled_seconds / 4, self._watch_clients)
