"""The relay on the network: connections in, blocks to the core, answers out after the disk has the changes.

All blocks that came in while the previous group was being written are carried out as the next group, whatever
connection they came from, and stored in one transaction; the answers of the group leave after it. So every OK is on the
disk, and a busy relay waits for the disk once for many commands.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import errno
import logging
import os
import socket
import time
from collections import deque
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from simplex_calls.crypto import Random, X25519PrivateKey
from simplex_calls.relay.allowance import Allowances
from simplex_calls.relay.certificates import CertificateError, Identity, load_identity, make_identity
from simplex_calls.relay.client import Client, ClientLimits
from simplex_calls.relay.core import RelayCore
from simplex_calls.relay.incoming import Incoming
from simplex_calls.relay.proxy import Proxy, ProxyError, ProxyLimits, reachable_from
from simplex_calls.relay.sessions import Limits, Outgoing, Proxied
from simplex_calls.relay.sessions import Session as CoreSession
from simplex_calls.relay.store import Changes, DiskFullError, Store, StoreError
from simplex_calls.smp.address import DEFAULT_PORT, ServerAddress
from simplex_calls.smp.commands import PFwd, Prxy
from simplex_calls.smp.connecting import connect_tls
from simplex_calls.smp.connection import Connection, Connector, MemoryConnection, connect_in_memory
from simplex_calls.smp.errors import AddressError, DecodeError, ErrorCode, NetworkError, ServerError
from simplex_calls.smp.messages import BrokerMessage, Err, encode_message
from simplex_calls.smp.tls import server_context
from simplex_calls.smp.transmission import (
    Session,
    TransmissionError,
    decode_transmission,
    encode_transmission,
    unpack_block,
)

_log = logging.getLogger(__name__)

_DATABASE = "relay.db"
_GROUP = 512
"""Commands carried out at once, a few more at most, so that the first ones do not wait for too many others."""


_STORED_WITHIN = 0.02
"""Seconds after which deletions are stored that no answer waits for."""
_QUICK = 0.004
"""Seconds: a disk that takes longer for a transaction, on average, is waited for in its own thread."""
_PATIENCE = 0.005
"""Seconds after which OK to ACK is sent, if nothing else is stored before."""
_REST = 0.02
"""Seconds from one transaction to the next at most, while commands wait for it."""
_CREDIT = 0.02
"""Seconds of the disk's rest that transactions may have saved up."""
_BACKLOG = 128
"""Connections that the system keeps until they are accepted."""


class RelayError(Exception):
    """The relay cannot start or go on; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class RelayConfig:
    """How a relay runs. ``port`` 0: any free one; ``data`` None: everything in memory, gone with the relay."""

    host: str = "127.0.0.1"
    also: tuple[str, ...] = ()
    """Further addresses of this machine to listen on, at the same port; its address names the first host alone."""
    port: int = DEFAULT_PORT
    data: Path | None = None
    password: str | None = field(default=None, repr=False)
    """What clients must know to create queues; None: anybody may."""
    limits: Limits = field(default_factory=Limits)
    client_limits: ClientLimits = field(default_factory=ClientLimits)
    forwards: bool = True
    """Whether clients may have commands forwarded to other servers; with a password, those that know it."""
    forwards_to_all: bool | None = None
    """Whether private addresses may be forwarded to; None: only where the relay's own ``host`` is as private."""
    proxy_limits: ProxyLimits = field(default_factory=ProxyLimits)
    connections: int = 900
    """Clients at the same time, more are refused; so many fit into the usual limit of 1,024 open files."""
    housekeeping_seconds: float = 3600.0
    """How often old messages are deleted and idle clients disconnected."""
    full_seconds: float = 10.0
    """How often a relay on a full disk looks for room."""
    stop_seconds: float = 5.0
    """How long a stopping relay waits for its clients to read their last answers."""


@dataclass(slots=True, eq=False)
class _Connected:
    client: Client
    transport: Session
    session: CoreSession
    blocks: deque[bytes] = field(default_factory=deque, repr=False)
    """Received, not carried out yet."""
    commands: deque[bytes] = field(default_factory=deque, repr=False)
    """The rest of a block that was begun."""
    proxied: int = 0
    """Commands that are on their way to other servers."""
    gone: bool = False
    """Its connection is closed; what it sent before is carried out still."""


class Relay:
    """An SMP server.

    ``async with Relay(config) as relay`` starts and stops it; :attr:`address` is where clients find it. ``clock`` gives
    seconds since 1970, ``connector`` opens connections to the servers that it forwards to. Raises
    :class:`RelayError`.
    """

    def __init__(
        self,
        config: RelayConfig = RelayConfig(),
        *,
        clock: Callable[[], float] = time.time,
        random: Random = os.urandom,
        connector: Connector = connect_tls,
    ) -> None:
        self._config = config
        self._clock = clock
        self._random = random
        self._server: asyncio.Server | None = None
        self._worker: asyncio.Task[None] | None = None
        self._housekeeper: asyncio.Task[None] | None = None
        self._serving: set[asyncio.Task[None]] = set()
        self._connected: dict[CoreSession, _Connected] = {}
        self._ready: dict[_Connected, None] = {}
        self._drained: dict[CoreSession, None] = {}
        self._expire_due = False
        self._store_due = False
        self._store_timer: asyncio.TimerHandle | None = None
        self._unstored: set[CoreSession] = set()
        """Those whose commands had a part in what is not on the disk yet."""
        self._promised: list[Outgoing] = []
        """What leaves as soon as all before it is on the disk."""
        self._disk_seconds = 0.0
        self._store_at = 0.0
        self._wake = asyncio.Event()
        self._stopping = False
        self._full = False
        self._full_timer: asyncio.TimerHandle | None = None
        self._reserve_is_used = False
        self._allowances = Allowances(config.limits.client_queues, config.limits.client_queues_per_hour, clock)
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
        # one thread: groups are written one after the other
        self._disk = ThreadPoolExecutor(1, "relay-disk")
        try:
            self._core = RelayCore(
                self._store,
                limits=config.limits,
                password=config.password,
                is_proxy=config.forwards,
                random=self._random,
            )
            if not self._store.keep_reserve():
                self._set_full()
            self._server = await self._listen()
            port = self._server.sockets[0].getsockname()[1]
            self._address = ServerAddress((config.host,), port, self._identity.fingerprint)
        except BaseException as error:
            if self._server is not None:
                self._server.close()
            self._close_files()
            if isinstance(error, StoreError | AddressError):
                raise RelayError(str(error)) from None
            raise
        self._worker = asyncio.create_task(self._work(), name="relay: commands")
        self._housekeeper = asyncio.create_task(self._keep_house(), name="relay: housekeeping")
        _log.info("relay started with %d queues", self._core.queue_count)

    async def stop(self) -> None:
        """Carry out and answer what was received, then close everything."""
        if self._worker is None or self._server is None or self._housekeeper is None:
            return
        self._server.close()
        self._housekeeper.cancel()
        self._stopping = True
        for connected in self._connected.values():
            self._set_ready(connected)
        self._wake.set()
        await asyncio.wait((self._worker,))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._config.stop_seconds):
                for connected in list(self._connected.values()):
                    await connected.client.flush()
        tasks = [*self._serving, *self._forwarding]
        for task in tasks:
            task.cancel()
        await asyncio.gather(self._worker, self._housekeeper, *tasks, return_exceptions=True)
        await self._proxy.close()
        if self._full_timer is not None:
            self._full_timer.cancel()
        self._worker = None
        self._close_files()
        self._ended.set()
        _log.info("relay stopped")

    async def wait(self) -> None:
        """Wait until the relay ends by itself, which it does on an error alone; raises :class:`RelayError`."""
        await self._ended.wait()
        if self._failure is not None:
            raise self._failure

    def connect_in_memory(self) -> MemoryConnection:
        """A client's end of a connection to this relay that needs no network."""
        client, server = connect_in_memory(self._random(32))
        self._accept(server)
        return client

    def _close_files(self) -> None:
        self._disk.shutdown()
        self._store.close()

    # connections

    async def _listen(self) -> asyncio.Server:
        config, identity = self._config, self._identity
        self._tls = server_context(identity.chain_pem, identity.key_pem)
        try:
            server = await asyncio.get_running_loop().create_server(
                lambda: Incoming(self._accept_incoming),
                [config.host, *config.also],
                config.port,
                # when files run out, asyncio reports it, and tries again, once for each connection that it accepts at
                # a time: with its usual hundred that fills a disk with logs
                backlog=1,
            )
        except OSError as error:
            raise RelayError(
                f"port {config.port} of {config.host} cannot be opened: {_reason(error)}; choose another one"
            ) from None
        for listening in server.sockets:
            with socket.fromfd(listening.fileno(), listening.family, listening.type) as same:
                same.listen(_BACKLOG)
        return server

    def _accept_incoming(self, incoming: Incoming) -> None:
        """A connection is open; whether it is TLS is not known yet, but it counts already."""
        if self._has_room():
            self._begin(self._serve_tls(incoming))
        else:
            incoming.abort()

    def _accept(self, connection: Connection) -> None:
        if self._has_room():
            self._begin(self._serve(connection, ""))
        else:
            connection.close()

    def _has_room(self) -> bool:
        full = len(self._serving) >= self._config.connections
        if full and not self._full:
            _log.warning("connections are refused: there are %d", len(self._serving))
        self._full = full
        return not (self._stopping or full)

    def _begin(self, serving: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(serving, name="relay: client")
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)

    async def _serve_tls(self, incoming: Incoming) -> None:
        try:
            connection = await incoming.start_tls(self._tls, self._config.client_limits.handshake_seconds)
        except (NetworkError, OSError):
            _log.debug("a connection was lost as soon as it was open")
        else:
            await self._serve(connection, incoming.place)

    async def _serve(self, connection: Connection, place: str) -> None:
        client = Client(connection, self._config.client_limits, self._clock)
        session_key = X25519PrivateKey.generate(self._random)
        writer: asyncio.Task[None] | None = None
        connected: _Connected | None = None
        try:
            transport, hello = await client.handshake(self._identity, session_key)
            session = self._core.connect(
                session_key, transport.version, transport.session_id, hello.client_key, self._allowances.of(place)
            )
            connected = self._connected[session] = _Connected(client, transport, session)
            entry = connected
            client.on_drained = lambda: self._kept_up(entry)
            writer = asyncio.create_task(client.write(), name="relay: client's output")
            await client.receive(lambda block: self._submit(entry, block))
        except (NetworkError, DecodeError) as error:
            _log.debug("handshake failed: %s", error)
        finally:
            if connected is not None:
                connected.gone = True
                self._set_ready(connected)
            client.close()
            if writer is not None:
                writer.cancel()
                await asyncio.gather(writer, return_exceptions=True)
            await client.wait_closed()

    def _submit(self, connected: _Connected, block: bytes) -> None:
        if not self._stopping:
            connected.blocks.append(block)
            self._set_ready(connected)

    def _set_ready(self, connected: _Connected) -> None:
        self._ready[connected] = None
        self._wake.set()

    def _kept_up(self, connected: _Connected) -> None:
        """A client read all it was sent."""
        if connected.session.waiting or connected.session.room <= 0:
            self._drained[connected.session] = None
            self._set_ready(connected)
        else:
            self._core.refill(connected.session, 0)  # nothing waits: this only makes room

    # commands

    async def _work(self) -> None:
        try:
            while not self._stopping:
                await self._wake.wait()
                self._wake.clear()
                while self._ready or self._expire_due:
                    await self._carry_out_group()
                    await asyncio.sleep(0)  # blocks are read meanwhile
                if self._store_due:
                    await self._store_changes()
            await self._carry_out_group()
            await self._store_changes()
        except Exception as error:  # noqa: BLE001 (whatever it is, it must be told and not leave clients waiting)
            self._fail(_name(error))

    def _fail(self, reason: str) -> None:
        _log.error("relay cannot go on: %s", reason)
        self._failure = RelayError(reason)
        self._stopping = True
        if self._server is not None:
            self._server.close()
        for connected in self._connected.values():
            connected.client.close()
        self._ended.set()

    async def _carry_out_group(self) -> None:
        expired = self._expire_due
        outgoing: list[Outgoing] = []
        try:
            self._carry_out(outgoing)
        except Exception as error:  # noqa: BLE001 (one client's commands must not end the relay of the others)
            self._undo(error, outgoing)
            return
        finally:
            self._start_proxied()
        self._unstored.update(message.session for message in outgoing)
        self._promised += self._send_early(outgoing)
        if expired:
            await self._store_changes()
            try:
                await self._on_disk(self._store.shrink)
            except StoreError as error:
                # it takes room to give room back; on a full disk the next time will do
                _log.warning("space of deleted messages is not given back yet: %s", error)
        elif self._promised:
            # A disk that has just worked rests a little, so that one transaction holds the commands of many.
            rest = self._store_at - asyncio.get_running_loop().time()
            if all(message.patient for message in self._promised):
                rest = max(rest, _PATIENCE)
            if rest <= 0 or not self._core.has_changes:
                await self._store_changes()
            else:
                self._store_in(rest)
        elif self._core.has_changes:
            # nobody waits for the disk: these deletions go there with what comes next
            self._store_in(_STORED_WITHIN)

    def _store_in(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        if self._store_timer is not None:
            if self._store_timer.when() <= loop.time() + seconds:
                return
            self._store_timer.cancel()
        self._store_timer = loop.call_later(seconds, self._set_store_due)

    def _set_store_due(self) -> None:
        self._store_timer = None
        self._store_due = True
        self._wake.set()

    async def _store_changes(self) -> None:
        """Store what was carried out, then send what it promises."""
        if self._store_timer is not None:
            self._store_timer.cancel()
            self._store_timer = None
        self._store_due = False
        outgoing, self._promised = self._promised, []
        try:
            changes = self._core.take_changes()
            if changes:
                loop = asyncio.get_running_loop()
                start = loop.time()
                await self._on_disk(lambda: self._write(changes))
                # single transactions follow each other at once; in a crowd, the disk works a third of the time
                cost = min(3 * (loop.time() - start), _REST)
                self._store_at = max(self._store_at, start - _CREDIT) + cost
        except Exception as error:  # noqa: BLE001 (as above)
            self._undo(error, outgoing)
            return
        if self._reserve_is_used:
            self._set_full()
        self._unstored.clear()
        self._send(outgoing)

    def _write(self, changes: Changes) -> None:
        try:
            self._store.write(changes)
        except DiskFullError:
            # what was carried out already may have the reserve; nothing more that needs room is accepted after it
            self._reserve_is_used = True
            self._store.use_reserve()
            self._store.write(changes)

    def _undo(self, error: Exception, outgoing: list[Outgoing]) -> None:
        """Return to what the disk holds.

        Nobody was told that anything since then is stored: to the clients that had a part in it the connection is
        lost, and they will try again.
        """
        _log.error("a group of commands failed: %s", _name(error))
        self._core.recover()
        if isinstance(error, DiskFullError):
            self._set_full()
        for session in self._unstored | {message.session for message in outgoing}:
            self._drop(session)
        self._unstored.clear()
        self._promised.clear()

    def _set_full(self) -> None:
        """There is no room: use the reserve for what makes room, until the disk has as much again."""
        self._reserve_is_used = False
        if self._full_timer is not None:
            self._full_timer.cancel()
        if not self._core.is_full:
            _log.warning("the disk is full: messages can be received and deleted, not sent")
            self._core.is_full = True
            self._store.use_reserve()
        self._full_timer = asyncio.get_running_loop().call_later(self._config.full_seconds, self._look_for_room)

    def _look_for_room(self) -> None:
        if self._store.keep_reserve():
            self._core.is_full = False
            _log.info("the disk has room again")
        else:
            self._set_full()
            self._expire_due = True  # gives back what was deleted meanwhile
            self._wake.set()

    def _start_proxied(self) -> None:
        proxied, self._core.proxied = self._core.proxied, []
        for item in proxied:
            connected = self._connected.get(item.session)
            if connected is not None:
                connected.proxied += 1
                task = asyncio.create_task(self._forward(connected, item), name="relay: forwarding")
                self._forwarding.add(task)
                task.add_done_callback(self._forwarding.discard)

    async def _forward(self, connected: _Connected, item: Proxied) -> None:
        answer: BrokerMessage
        try:
            match item.command:
                case Prxy(server):
                    answer = await self._proxy.connect(server)
                case PFwd() as command:
                    answer = await self._proxy.forward(item.entity_id, item.corr_id, command)
        except ProxyError as error:
            answer = Err(error.error)
        except Exception as error:  # noqa: BLE001 (the client must not wait for ever)
            _log.error("forwarding failed: %s", _name(error))
            answer = Err(ServerError(ErrorCode.INTERNAL))
        connected.proxied -= 1
        self._set_ready(connected)
        self._send([Outgoing(item.session, item.corr_id, item.entity_id, answer)])

    def _send_early(self, outgoing: list[Outgoing]) -> list[Outgoing]:
        """Send what need not wait for the disk; return the rest. A session's messages keep their order."""
        if not any(message.early for message in outgoing):
            return outgoing
        waiting = {message.session for message in self._promised}
        waiting.update(message.session for message in outgoing if not message.early)
        early = [message for message in outgoing if message.session not in waiting]
        if not early:
            return outgoing
        self._send(early)
        return [message for message in outgoing if message.session in waiting]

    async def _on_disk(self, action: Callable[[], None]) -> None:
        """Write, in this thread as long as the disk is quicker than a change of threads."""
        if self._config.data is None:
            action()
            return
        start = time.perf_counter()
        if self._disk_seconds < _QUICK:
            action()
        else:
            await asyncio.get_running_loop().run_in_executor(self._disk, action)
        self._disk_seconds += (time.perf_counter() - start - self._disk_seconds) / 16

    def _carry_out(self, outgoing: list[Outgoing]) -> None:
        """Carry out what the clients sent."""
        core, now = self._core, self._clock()
        if self._expire_due:
            self._expire_due = False
            outgoing += core.expire(now)
        drained, self._drained = self._drained, {}
        for session in drained:
            outgoing += core.refill(session, now)
        size = 0
        while self._ready and size < _GROUP:
            connected = next(iter(self._ready))
            del self._ready[connected]
            session = connected.session
            self._unstored.add(session)
            if session not in self._connected:  # dropped
                continue
            # A client that reads too slowly has its next commands wait, as their answers would need memory.
            while (connected.commands or connected.blocks) and self._may_go_on(connected):
                self._carry_out_next(connected, now, outgoing)
                size += 1
            if connected.gone:
                self._connected.pop(session, None)
                core.disconnect(session)

    def _may_go_on(self, connected: _Connected) -> bool:
        return (
            connected.gone
            or self._stopping
            or (connected.session.room > 0 and connected.proxied < self._config.proxy_limits.commands)
        )

    def _carry_out_next(self, connected: _Connected, now: float, outgoing: list[Outgoing]) -> None:
        """Carry out a client's next command."""
        try:
            if not connected.commands:
                connected.client.finished()
                connected.commands.extend(unpack_block(connected.blocks.popleft(), connected.transport.cipher))
            transmission = decode_transmission(connected.transport, connected.commands.popleft())
        except TransmissionError as error:
            outgoing.append(Outgoing(connected.session, error.corr_id, b"", Err(error.error)))
        else:
            self._core.handle(connected.session, transmission, now, outgoing)
        if not connected.commands:
            self._core.end_block(connected.session, outgoing)

    def _send(self, outgoing: list[Outgoing]) -> None:
        by_session: dict[CoreSession, list[bytes]] = {}
        for message in outgoing:
            connected = self._connected.get(message.session)
            if connected is not None:
                transport = connected.transport
                by_session.setdefault(message.session, []).append(
                    encode_transmission(
                        transport,
                        message.corr_id,
                        message.entity_id,
                        encode_message(message.message, transport.version),
                    )
                )
        for session, transmissions in by_session.items():
            self._connected[session].client.send(transmissions)

    def _drop(self, session: CoreSession) -> None:
        connected = self._connected.pop(session, None)
        self._core.disconnect(session)
        if connected is not None:
            connected.client.close()

    # time

    async def _keep_house(self) -> None:
        while True:
            await asyncio.sleep(self._config.housekeeping_seconds)
            self.keep_house()

    def keep_house(self) -> None:
        """Delete what is too old and disconnect idle clients; done by itself from time to time."""
        now = self._clock()
        self._expire_due = True
        self._wake.set()
        for connected in self._connected.values():
            if not connected.session.subscribed and connected.client.is_idle(now):
                connected.client.close()


def _reason(error: OSError) -> str:
    """What the system says, without the address that asyncio repeats."""
    if error.errno == errno.EADDRINUSE:
        return "it is in use"
    return os.strerror(error.errno) if error.errno and error.errno > 0 else "there is no such address"


def _name(error: Exception) -> str:
    """What may be logged of an error: its text if it is one of ours."""
    return str(error) if isinstance(error, StoreError) else type(error).__name__
