"""All queues on all servers: one connection a server, kept open as long as queues there are subscribed.

Through a SOCKS proxy that keeps connections apart by their credentials, every queue has a connection of its own.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import os
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from simplex_calls.crypto import Ed25519PrivateKey, PublicKey, Random, X25519PublicKey
from simplex_calls.smp.address import ServerAddress
from simplex_calls.smp.channel import Clock, Sleep, SMPClient
from simplex_calls.smp.commands import (
    Ack,
    Command,
    Del,
    Get,
    Key,
    LDel,
    LGet,
    LinkData,
    LinkRequest,
    LKey,
    LSet,
    NDel,
    New,
    NKey,
    Off,
    Ping,
    Que,
    QueueMode,
    Send,
    SKey,
)
from simplex_calls.smp.connecting import TLSConnector
from simplex_calls.smp.connection import Connector
from simplex_calls.smp.errors import (
    BrokerError,
    CommandFault,
    ErrorCode,
    NetworkError,
    ProxyError,
    ServerError,
    UnexpectedResponseError,
)
from simplex_calls.smp.messages import BrokerMessage, Ids, Info, Lnk, Msg, Nid, Ok, Pong
from simplex_calls.smp.queues import NetworkConfig, NetworkHandler, QueueIds, RecipientQueue
from simplex_calls.smp.routing import Routing, is_direct_allowed, is_forwarded, is_no_way
from simplex_calls.smp.server_link import OneOfMany, ServerLink
from simplex_calls.smp.socks import Credentials
from simplex_calls.smp.transmission import CORR_ID_SIZE, AuthorizationKey

_NOTHING_TO_ACKNOWLEDGE = (ServerError(ErrorCode.NO_MSG), ServerError.cmd(CommandFault.PROHIBITED))


class Network:
    """The client of all servers.

    Every method that talks to a server connects first if it must, and raises :class:`BrokerError` (the server said
    no), :class:`NetworkError` (not reached, no answer, connection lost: whether the command was carried out is not
    known), :class:`ServerIdentityError`, :class:`VersionError` or :class:`UnexpectedResponseError`. Used on one event
    loop's thread.
    """

    def __init__(
        self,
        *,
        handler: NetworkHandler,
        clock: Clock = time.monotonic,
        random: Random = os.urandom,
        config: NetworkConfig | None = None,
        connector: Connector | None = None,
        sleep: Sleep = asyncio.sleep,
        now: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC),
    ) -> None:
        """``clock`` is monotonic seconds, ``now`` the calendar that certificates are checked against.

        ``connector`` stands in for TLS, with or without a SOCKS proxy, in tests.
        """
        self._handler = handler
        self._clock = clock
        self._random = random
        self._config = config or NetworkConfig()
        self._connector = connector
        self._sleep = sleep
        self._now = now
        # by server, and by queue where each has a connection of its own
        self._links: dict[tuple[ServerAddress, bytes], ServerLink] = {}
        self._closing: set[asyncio.Task[None]] = set()
        self._closed = False
        self._routing = Routing(self._client, lambda: self._config, random=random, now=now)

    @property
    def config(self) -> NetworkConfig:
        """How servers are reached now."""
        return self._config

    def configure(self, config: NetworkConfig) -> None:
        """Reach servers as ``config`` says from now on.

        With another SOCKS proxy all connections are made afresh: commands in flight fail with :class:`NetworkError`.
        """
        before, self._config = self._config, config
        if (before.socks_proxy, before.prefer_onion) == (config.socks_proxy, config.prefer_onion):
            return
        links = list(self._links.values())
        queues = [queue for link in links for queue in link.queues]
        self._links.clear()
        for link in links:
            self._close_link(link)
        for queue in queues:
            self.subscribe(queue)

    def use_servers(self, servers: Iterable[ServerAddress]) -> None:
        """Know these servers as our own: they may see our address, and forward our commands to others."""
        self._config = replace(self._config, known_servers=frozenset(servers))

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
        """NEW: create a queue whose commands ``auth_key`` authorizes and whose bodies are encrypted for ``dh_key``.

        With ``link`` comes the data of a short link, for a sender's id that was made of ``corr_id`` (24 random bytes,
        see ``commands.sender_id_for``). A server older than version 15 leaves it out: the ids have no ``link_id``, and
        another sender's id. With ``subscribe`` the queue is kept subscribed from now on, as after :meth:`subscribe`.
        """
        # its id is not known yet, but the connection that makes it is the one that it stays on
        place = (server, self._random(CORR_ID_SIZE) if self._is_isolating else b"")
        server_link = self._link(*place)
        command = New(auth_key.public, dh_key, server.password, subscribe, mode, link)
        created: list[QueueIds] = []

        def on_created(answer: BrokerMessage) -> None:
            # at once, before what the server sends next is looked at
            if isinstance(answer, Ids) and answer.recipient_id and answer.sender_id:
                if server_link.knows(answer.recipient_id):
                    return  # the server mixes up its queues, or means to take one from us
                ids = QueueIds(
                    answer.recipient_id,
                    answer.sender_id,
                    answer.server_dh_key,
                    answer.sender_can_secure,
                    _link_id(answer, link),
                )
                created.append(ids)
                if self._is_isolating and self._links.get(place) is server_link:
                    self._links[server, ids.recipient_id] = self._links.pop(place)
                if subscribe:
                    server_link.subscribed_by_creation(RecipientQueue(server, ids.recipient_id, auth_key))

        try:
            await server_link.request(command, key=auth_key, corr_id=corr_id, on_answer=on_created)
        finally:
            if not created and place[1]:
                self._drop(*place)
        if not created:
            raise UnexpectedResponseError("server answered NEW with something else")
        return created[0]

    def subscribe(self, queue: RecipientQueue) -> None:
        """Keep a queue subscribed, now and after every reconnection, until :meth:`unsubscribe`.

        Whether and when it succeeds the handler hears.
        """
        self._link(queue.server, queue.recipient_id).subscribe(queue)

    def unsubscribe(self, queue: RecipientQueue) -> None:
        """Keep a queue subscribed no longer; messages that still come are left at the server."""
        link = self._links.get(self._place(queue.server, queue.recipient_id))
        if link is not None:
            link.unsubscribe(queue)

    async def secure_queue_by_sender(self, server: ServerAddress, sender_id: bytes, auth_key: AuthorizationKey) -> None:
        """SKEY: set, as the sender, the key that our SENDs are authorized with. May be repeated with the same key."""
        answer = await self._contact_request(server, SKey(auth_key.public), sender_id, auth_key)
        if not isinstance(answer, Ok):
            raise UnexpectedResponseError("server answered SKEY with something else")

    async def secure_queue(self, queue: RecipientQueue, sender_key: PublicKey) -> None:
        """KEY: set, as the recipient, the key that the sender's commands are verified with."""
        await self._done(queue.server, Key(sender_key), queue.recipient_id, queue.auth_key)

    async def send(
        self, server: ServerAddress, sender_id: bytes, auth_key: AuthorizationKey | None, body: bytes, *, notify: bool
    ) -> None:
        """SEND a body of up to 16,064 bytes; without a key as long as the queue is not secured.

        Raises :class:`LargeMessageError` too.
        """
        answer = await self._contact_request(server, Send(body, notify), sender_id, auth_key)
        if not isinstance(answer, Ok):
            raise UnexpectedResponseError("server answered SEND with something else")

    async def acknowledge(self, queue: RecipientQueue, message_id: bytes) -> None:
        """ACK: the message is stored; the server deletes it and delivers the next one.

        That the server has nothing to acknowledge (the connection changed in between, the message expired) is fine:
        what it still has it delivers again.
        """
        link = self._link(queue.server, queue.recipient_id)
        link.acknowledging(queue.recipient_id)
        try:
            answer = await link.request(Ack(message_id), entity_id=queue.recipient_id, key=queue.auth_key)
        except BrokerError as error:
            if error.error not in _NOTHING_TO_ACKNOWLEDGE:
                raise
        else:
            if not isinstance(answer, Ok | Msg):
                raise UnexpectedResponseError("server answered ACK with something else")

    async def set_link_data(self, queue: RecipientQueue, link_id: bytes, data: LinkData) -> None:
        """LSET: set or change the data of a queue's short link."""
        await self._done(queue.server, LSet(link_id, data), queue.recipient_id, queue.auth_key)

    async def delete_link(self, queue: RecipientQueue) -> None:
        """LDEL: delete the data of a queue's short link."""
        await self._done(queue.server, LDel(), queue.recipient_id, queue.auth_key)

    async def get_link_data(self, server: ServerAddress, link_id: bytes) -> tuple[bytes, LinkData]:
        """LGET: the sender's id and the data behind a contact's short link."""
        return _link_data(await self._contact_request(server, LGet(), link_id, None))

    async def secure_and_get_link_data(
        self, server: ServerAddress, link_id: bytes, auth_key: AuthorizationKey
    ) -> tuple[bytes, LinkData]:
        """LKEY: secure the queue behind a one-time short link; its sender's id and the data.

        It may be asked again with the same key.
        """
        return _link_data(await self._contact_request(server, LKey(auth_key.public), link_id, auth_key))

    async def create_notifier(
        self, queue: RecipientQueue, notifier_key: PublicKey, dh_key: X25519PublicKey
    ) -> tuple[bytes, X25519PublicKey]:
        """NKEY: enable push notifications; the notifier's id and the server's key."""
        answer = await self._request(queue.server, NKey(notifier_key, dh_key), queue.recipient_id, queue.auth_key)
        if not isinstance(answer, Nid):
            raise UnexpectedResponseError("server answered NKEY with something else")
        return answer.notifier_id, answer.server_dh_key

    async def delete_notifier(self, queue: RecipientQueue) -> None:
        """NDEL: disable push notifications."""
        await self._done(queue.server, NDel(), queue.recipient_id, queue.auth_key)

    async def get_message(self, queue: RecipientQueue) -> Msg | None:
        """GET: one message without subscribing, to be acknowledged; None if there is none."""
        match await self._request(queue.server, Get(), queue.recipient_id, queue.auth_key):
            case Msg() as message:
                return message
            case Ok():
                return None
            case _:
                raise UnexpectedResponseError("server answered GET with something else")

    async def suspend_queue(self, queue: RecipientQueue) -> None:
        """OFF: the queue takes no more messages; those in it can be received."""
        await self._done(queue.server, Off(), queue.recipient_id, queue.auth_key)

    async def delete_queue(self, queue: RecipientQueue) -> None:
        """DEL: delete the queue with what is in it; it is unsubscribed first."""
        self.unsubscribe(queue)
        await self._done(queue.server, Del(), queue.recipient_id, queue.auth_key)
        if self._is_isolating:
            self._drop(queue.server, queue.recipient_id)

    async def queue_info(self, queue: RecipientQueue) -> dict[str, Any]:
        """QUE: the state of the queue, as the server's JSON object."""
        answer = await self._request(queue.server, Que(), queue.recipient_id, queue.auth_key)
        if not isinstance(answer, Info):
            raise UnexpectedResponseError("server answered QUE with something else")
        return answer.parsed()

    async def ping(self, server: ServerAddress) -> None:
        """PING: check that the server answers."""
        if not isinstance(await self._request(server, Ping()), Pong):
            raise UnexpectedResponseError("server answered PING with something else")

    async def close(self) -> None:
        """Close all connections; commands in flight fail with :class:`NetworkError`."""
        self._closed = True
        links = list(self._links.values())
        self._links.clear()
        for link in links:
            self._close_link(link)
        while self._closing:
            await asyncio.wait(self._closing)

    @property
    def _is_isolating(self) -> bool:
        proxy = self._config.socks_proxy
        return proxy is not None and proxy.is_isolating

    def _place(self, server: ServerAddress, entity_id: bytes) -> tuple[ServerAddress, bytes]:
        return server, entity_id if self._is_isolating else b""

    def _link(self, server: ServerAddress, entity_id: bytes = b"") -> ServerLink:
        if self._closed:
            raise NetworkError("the network is closed")
        place = self._place(server, entity_id)
        link = self._links.get(place)
        if link is None:
            link = ServerLink(
                server,
                OneOfMany(self._handler, self._siblings) if self._is_isolating else self._handler,
                clock=self._clock,
                random=self._random,
                config=self._config,
                connector=self._connector or self._new_connector(),
                sleep=self._sleep,
                now=self._now,
            )
            self._links[place] = link
        return link

    def _new_connector(self) -> Connector:
        config = self._config
        credentials = Credentials.make(self._random) if self._is_isolating else None
        return TLSConnector(config.socks_proxy, credentials, prefer_onion=config.prefer_onion)

    def _siblings(self, server: ServerAddress) -> list[ServerLink]:
        return [link for (address, _), link in self._links.items() if address == server]

    def _drop(self, server: ServerAddress, entity_id: bytes) -> None:
        """Close a connection that served one queue."""
        link = self._links.pop((server, entity_id), None)
        if link is not None:
            self._close_link(link)

    def _close_link(self, link: ServerLink) -> None:
        link.close()
        task = asyncio.get_running_loop().create_task(link.wait_closed())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def _client(self, server: ServerAddress, entity_id: bytes) -> SMPClient:
        return await self._link(server, entity_id).client()

    async def _request(
        self, server: ServerAddress, command: Command, entity_id: bytes = b"", key: AuthorizationKey | None = None
    ) -> BrokerMessage:
        return await self._link(server, entity_id).request(command, entity_id=entity_id, key=key)

    async def _contact_request(
        self, server: ServerAddress, command: Command, entity_id: bytes, key: AuthorizationKey | None
    ) -> BrokerMessage:
        """A command to the server that a contact chose, which shall not see our address: see ``routing``."""
        if is_forwarded(server, self._config):
            try:
                return await self._routing.request(server, command, entity_id, key)
            except ProxyError as error:
                if not (is_no_way(error) and is_direct_allowed(server, self._config)):
                    raise
        return await self._request(server, command, entity_id, key)

    async def _done(
        self, server: ServerAddress, command: Command, entity_id: bytes, key: AuthorizationKey | None
    ) -> None:
        answer = await self._request(server, command, entity_id, key)
        if not isinstance(answer, Ok):
            raise UnexpectedResponseError(f"server answered {type(command).__name__} with something else")


def _link_id(ids: Ids, link: LinkRequest | None) -> bytes | None:
    """The id of the short link, if the server took the request as it was meant."""
    if link is None or ids.sender_id != link.sender_id:
        return None
    return link.link_id or ids.link_id


def _link_data(answer: BrokerMessage) -> tuple[bytes, LinkData]:
    if not isinstance(answer, Lnk):
        raise UnexpectedResponseError("server answered with something else than a link's data")
    return answer.sender_id, answer.data
