"""A network in memory for the agent's tests: servers with queues, and everything that can go wrong on the way.

`FakeServers` outlives the agents; each `FakeNetwork` is the network of one running agent. Requests and answers are
lost, connections drop and messages come again as a seeded random source says; `Disk` is a database that survives the
"kill" of its process at a chosen commit.
"""

from __future__ import annotations

import asyncio
import os
import random
import sqlite3
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from simplex_calls.crypto import BoxKey, Ed25519PrivateKey, PublicKey, X25519PrivateKey, X25519PublicKey
from simplex_calls.database import Database
from simplex_calls.smp.address import ServerAddress
from simplex_calls.smp.body import QuotaReached, Received, encrypt_received
from simplex_calls.smp.commands import LinkData, LinkRequest, QueueMode, sender_id_for
from simplex_calls.smp.errors import BrokerError, ErrorCode, NetworkError, ServerError
from simplex_calls.smp.messages import Msg
from simplex_calls.smp.queues import NetworkConfig, NetworkHandler, QueueIds, RecipientQueue
from simplex_calls.smp.transmission import AuthorizationKey

T = TypeVar("T")

NOW = 1_790_000_000


class Killed(BaseException):
    """The process is gone."""


@dataclass
class Disk:
    """What is left of a process: its database as of the last commit."""

    connection: sqlite3.Connection | None = None
    commits: int = 0
    kill_at: int | None = None
    """Die at this commit (counted from the last :meth:`open`)…"""
    kill_after: bool = False
    """…after it, instead of before."""
    dead: bool = False

    def open(self, *, kill_at: int | None = None, kill_after: bool = False) -> Database:
        self.commits, self.dead = 0, False
        self.kill_at, self.kill_after = kill_at, kill_after
        database = Database()
        own: Any = database._connection
        if self.connection is None:
            self.connection = own
        else:
            own.close()
        database._connection = _Connection(self, self.connection)  # type: ignore[assignment]
        return database

    def close(self) -> None:
        if self.connection is not None:
            self.connection.close()


class _Connection:
    def __init__(self, disk: Disk, real: sqlite3.Connection) -> None:
        self._disk, self._real = disk, real

    def execute(self, sql: str, parameters: Any = ()) -> sqlite3.Cursor:
        disk = self._disk
        if disk.dead:
            raise Killed
        if sql == "COMMIT":
            disk.commits += 1
            if disk.commits == disk.kill_at:
                self._real.execute("COMMIT" if disk.kill_after else "ROLLBACK")
                disk.dead = True
                raise Killed
        return self._real.execute(sql, parameters)

    @property
    def in_transaction(self) -> bool:
        return self._real.in_transaction and not self._disk.dead

    def close(self) -> None:
        pass


@dataclass
class FakeQueue:
    server: ServerAddress
    recipient_id: bytes
    sender_id: bytes
    secret: BoxKey
    sender_can_secure: bool
    sender_key: PublicKey | None = None
    messages: deque[Msg] = field(default_factory=deque)
    full: bool = False
    subscriber: FakeNetwork | None = None
    bodies: list[bytes] = field(default_factory=list)
    """Everything that was ever accepted, in order."""
    link_id: bytes | None = None
    link: LinkData | None = None


@dataclass
class FakeServers:
    sender_can_secure: bool = True
    quota: int = 1000
    queues: dict[bytes, FakeQueue] = field(default_factory=dict)
    by_sender: dict[bytes, FakeQueue] = field(default_factory=dict)
    by_link: dict[bytes, FakeQueue] = field(default_factory=dict)
    short_links: bool = True
    """Whether the servers are new enough for link data."""
    down: bool = False

    def create(
        self,
        server: ServerAddress,
        dh_key: X25519PublicKey,
        mode: QueueMode | None = QueueMode.MESSAGING,
        link: LinkRequest | None = None,
    ) -> QueueIds:
        own = X25519PrivateKey.generate()
        can_secure = self.sender_can_secure and mode is QueueMode.MESSAGING
        taken = link if self.short_links else None
        sender_id = os.urandom(24) if taken is None else taken.sender_id
        if sender_id in self.by_sender:
            raise auth_error()
        queue = FakeQueue(server, os.urandom(24), sender_id, BoxKey.agree(own, dh_key), can_secure)
        self.queues[queue.recipient_id] = self.by_sender[queue.sender_id] = queue
        if taken is not None:
            self.set_link(queue, taken.link_id or os.urandom(24), taken.data)
        return QueueIds(queue.recipient_id, queue.sender_id, own.public, can_secure, queue.link_id)

    def set_link(self, queue: FakeQueue, link_id: bytes, data: LinkData) -> None:
        if self.by_link.setdefault(link_id, queue) is not queue:
            raise auth_error()
        queue.link_id, queue.link = link_id, data

    def delete_link(self, queue: FakeQueue) -> None:
        if queue.link_id is not None:
            del self.by_link[queue.link_id]
        queue.link_id = queue.link = None

    def link_data(self, link_id: bytes, key: PublicKey | None) -> tuple[bytes, LinkData]:
        queue = _found(self.by_link.get(link_id))
        if queue.link is None or queue.sender_can_secure != (key is not None):
            raise auth_error()
        if key is not None:
            self.secure(queue, key)
        return queue.sender_id, queue.link

    def own(self, recipient_id: bytes) -> FakeQueue:
        return _found(self.queues.get(recipient_id))

    def secure(self, queue: FakeQueue, key: PublicKey) -> None:
        if queue.sender_key not in (None, key):
            raise auth_error()
        queue.sender_key = key

    def send(self, sender_id: bytes, key: PublicKey | None, body: bytes) -> None:
        queue = _found(self.by_sender.get(sender_id))
        if key != queue.sender_key:
            raise auth_error()
        if queue.full or len(queue.messages) >= self.quota:
            if not queue.full:
                queue.full = True
                self._put(queue, QuotaReached(NOW))
            raise BrokerError(ServerError(ErrorCode.QUOTA))
        queue.bodies.append(body)
        self._put(queue, Received(NOW, notify=False, body=body))

    def _put(self, queue: FakeQueue, received: Received | QuotaReached) -> None:
        message_id = os.urandom(24)
        queue.messages.append(encrypt_received(received, queue.secret, message_id))
        if len(queue.messages) == 1:
            self.deliver(queue)

    def deliver(self, queue: FakeQueue) -> None:
        if queue.messages and queue.subscriber is not None:
            queue.subscriber.deliver(queue, queue.messages[0])

    def acknowledge(self, recipient_id: bytes, message_id: bytes) -> None:
        queue = self.own(recipient_id)
        if queue.messages and queue.messages[0].message_id == message_id:
            queue.messages.popleft()
            if not queue.messages:
                queue.full = False
        self.deliver(queue)

    def delete(self, recipient_id: bytes) -> None:
        queue = self.own(recipient_id)
        self.delete_link(queue)
        del self.queues[recipient_id], self.by_sender[queue.sender_id]

    @property
    def idle(self) -> bool:
        return not any(queue.messages for queue in self.queues.values())


@dataclass
class Faults:
    """How often things go wrong, from 0 to 1."""

    seed: int = 0
    lose_request: float = 0.0
    lose_answer: float = 0.0
    drop: float = 0.0
    """The connection drops at an operation, and comes back by itself."""

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)

    def happens(self, chance: float) -> bool:
        return chance > 0 and self.random.random() < chance


class FakeNetwork:
    """A ``NetworkPort``."""

    known_servers: frozenset[ServerAddress] = frozenset()
    config: NetworkConfig | None = None

    def __init__(self, servers: FakeServers, handler: NetworkHandler, faults: Faults | None = None) -> None:
        self.servers, self.handler = servers, handler
        self.faults = faults or Faults()
        self.subscriptions: dict[bytes, RecipientQueue] = {}
        self.dead = False
        self.online = True
        self.calls: list[str] = []
        self.session = 0

    # what can happen

    def die(self) -> None:
        """The process is gone: nothing comes in or goes out any more."""
        self.dead = True
        for queue in self.servers.queues.values():
            if queue.subscriber is self:
                queue.subscriber = None

    def go_offline(self) -> None:
        if not self.online or self.dead:
            return
        self.online = False
        self.session += 1
        for queue in self.servers.queues.values():
            if queue.subscriber is self:
                queue.subscriber = None
        for server in {queue.server for queue in self.subscriptions.values()}:
            self._guarded(self.handler.disconnected, server)

    def go_online(self) -> None:
        if self.online or self.dead:
            return
        self.online = True
        for server in {queue.server for queue in self.subscriptions.values()}:
            self._guarded(self.handler.connected, server)
        for queue in list(self.subscriptions.values()):
            self._subscribe(queue)

    def deliver(self, queue: FakeQueue, message: Msg) -> None:
        def arrive(session: int = self.session) -> None:
            if not self.dead and self.online and session == self.session:
                self._guarded(self.handler.message, queue.server, queue.recipient_id, message)

        asyncio.get_running_loop().call_soon(arrive)

    def _guarded(self, call: Callable[..., None], *arguments: Any) -> None:
        try:
            call(*arguments)
        except Killed:
            self.die()

    def _subscribe(self, queue: RecipientQueue) -> None:
        found = self.servers.queues.get(queue.recipient_id)
        if found is None:
            self._guarded(self.handler.subscription_failed, queue, auth_error())
            return
        other, found.subscriber = found.subscriber, self
        if other is not None and other is not self:
            other._guarded(other.handler.ended, queue)
        self._guarded(self.handler.subscribed, [queue])
        self.servers.deliver(found)

    async def _call(self, name: str, effect: Callable[[], T]) -> T:
        self.calls.append(name)
        session = self.session
        for _ in range(self.faults.random.randrange(3)):
            await asyncio.sleep(0)
        if self.faults.happens(self.faults.drop):
            self.go_offline()
            asyncio.get_running_loop().call_soon(self.go_online)
        self._check(session)
        if self.faults.happens(self.faults.lose_request):
            raise NetworkError("request lost")
        result = effect()
        await asyncio.sleep(0)
        self._check(session)
        if self.faults.happens(self.faults.lose_answer):
            raise NetworkError("answer lost")
        return result

    def _check(self, session: int) -> None:
        if self.dead or not self.online or self.servers.down or session != self.session:
            raise NetworkError("not connected")

    # Network

    def use_servers(self, servers: Iterable[ServerAddress]) -> None:
        self.known_servers = frozenset(servers)

    def configure(self, config: NetworkConfig) -> None:
        self.config = config

    async def create_queue(
        self,
        server: ServerAddress,
        auth_key: Ed25519PrivateKey,
        dh_key: X25519PublicKey,
        *,
        subscribe: bool = True,
        mode: QueueMode | None = QueueMode.MESSAGING,
        link: LinkRequest | None = None,
        corr_id: bytes | None = None,
    ) -> QueueIds:
        assert subscribe
        assert link is None or (corr_id is not None and link.sender_id == sender_id_for(corr_id))
        return await self._call("create", lambda: self.servers.create(server, dh_key, mode, link))

    async def set_link_data(self, queue: RecipientQueue, link_id: bytes, data: LinkData) -> None:
        own = queue.recipient_id
        await self._call("set link", lambda: self.servers.set_link(self.servers.own(own), link_id, data))

    async def delete_link(self, queue: RecipientQueue) -> None:
        await self._call("delete link", lambda: self.servers.delete_link(self.servers.own(queue.recipient_id)))

    async def get_link_data(self, server: ServerAddress, link_id: bytes) -> tuple[bytes, LinkData]:
        return await self._call("get link", lambda: self.servers.link_data(link_id, None))

    async def secure_and_get_link_data(
        self, server: ServerAddress, link_id: bytes, auth_key: AuthorizationKey
    ) -> tuple[bytes, LinkData]:
        return await self._call("secure by link", lambda: self.servers.link_data(link_id, auth_key.public))

    def subscribe(self, queue: RecipientQueue) -> None:
        self.subscriptions[queue.recipient_id] = queue
        if self.online and not self.dead:
            asyncio.get_running_loop().call_soon(self._subscribe, queue)

    def unsubscribe(self, queue: RecipientQueue) -> None:
        self.subscriptions.pop(queue.recipient_id, None)

    async def secure_queue_by_sender(
        self,
        server: ServerAddress,
        sender_id: bytes,
        auth_key: AuthorizationKey,
    ) -> None:
        def effect() -> None:
            queue = _found(self.servers.by_sender.get(sender_id))
            if not queue.sender_can_secure:
                raise auth_error()
            self.servers.secure(queue, auth_key.public)

        await self._call("secure by sender", effect)

    async def secure_queue(self, queue: RecipientQueue, sender_key: PublicKey) -> None:
        own = queue.recipient_id
        await self._call("secure", lambda: self.servers.secure(self.servers.own(own), sender_key))

    async def send(
        self,
        server: ServerAddress,
        sender_id: bytes,
        auth_key: AuthorizationKey | None,
        body: bytes,
        *,
        notify: bool,
    ) -> None:
        key = None if auth_key is None else auth_key.public
        await self._call("send", lambda: self.servers.send(sender_id, key, body))

    async def acknowledge(self, queue: RecipientQueue, message_id: bytes) -> None:
        await self._call("acknowledge", lambda: self.servers.acknowledge(queue.recipient_id, message_id))

    async def delete_queue(self, queue: RecipientQueue) -> None:
        await self._call("delete", lambda: self.servers.delete(queue.recipient_id))

    async def close(self) -> None:
        self.die()


def auth_error() -> BrokerError:
    return BrokerError(ServerError(ErrorCode.AUTH))


def _found(queue: FakeQueue | None) -> FakeQueue:
    if queue is None:
        raise auth_error()
    return queue
