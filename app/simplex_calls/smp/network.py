"""All queues on all servers: one connection a server, kept open as long as queues there are subscribed."""

from __future__ import annotations

import asyncio
import datetime as dt
import os
import time
from collections.abc import Callable
from typing import Any

from simplex_calls.crypto import Ed25519PrivateKey, PublicKey, Random, X25519PrivateKey, X25519PublicKey
from simplex_calls.smp.address import ServerAddress
from simplex_calls.smp.channel import Clock, Sleep
from simplex_calls.smp.commands import Ack, Command, Del, Get, Key, New, Off, Ping, Que, Send, SKey
from simplex_calls.smp.connection import Connector
from simplex_calls.smp.errors import (
    BrokerError,
    CommandFault,
    ErrorCode,
    NetworkError,
    ServerError,
    UnexpectedResponseError,
)
from simplex_calls.smp.messages import BrokerMessage, Ids, Info, Msg, Ok, Pong
from simplex_calls.smp.queues import NetworkConfig, NetworkHandler, QueueIds, RecipientQueue
from simplex_calls.smp.server_link import ServerLink
from simplex_calls.smp.tls import connect_tls
from simplex_calls.smp.transmission import AuthorizationKey

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
        connector: Connector = connect_tls,
        sleep: Sleep = asyncio.sleep,
        now: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC),
    ) -> None:
        """``clock`` is monotonic seconds, ``now`` the calendar that certificates are checked against."""
        self._handler = handler
        self._clock = clock
        self._random = random
        self._config = config or NetworkConfig()
        self._connector = connector
        self._sleep = sleep
        self._now = now
        self._links: dict[ServerAddress, ServerLink] = {}
        self._closed = False

    async def create_queue(
        self,
        server: ServerAddress,
        auth_key: Ed25519PrivateKey,
        dh_key: X25519PublicKey,
        *,
        subscribe: bool = True,
        sender_can_secure: bool = True,
    ) -> QueueIds:
        """NEW: create a queue whose commands ``auth_key`` authorizes and whose bodies are encrypted for ``dh_key``.

        With ``subscribe`` the queue is kept subscribed from now on, as after :meth:`subscribe`.
        """
        link = self._link(server)
        command = New(auth_key.public, dh_key, server.password, subscribe, sender_can_secure)
        created: list[QueueIds] = []

        def on_created(answer: BrokerMessage) -> None:
            # at once, before what the server sends next is looked at
            if isinstance(answer, Ids) and answer.recipient_id and answer.sender_id:
                if link.knows(answer.recipient_id):
                    return  # the server mixes up its queues, or means to take one from us
                ids = QueueIds(answer.recipient_id, answer.sender_id, answer.server_dh_key, answer.sender_can_secure)
                created.append(ids)
                if subscribe:
                    link.subscribed_by_creation(RecipientQueue(server, ids.recipient_id, auth_key))

        await link.request(command, key=auth_key, on_answer=on_created)
        if not created:
            raise UnexpectedResponseError("server answered NEW with something else")
        return created[0]

    def subscribe(self, queue: RecipientQueue) -> None:
        """Keep a queue subscribed, now and after every reconnection, until :meth:`unsubscribe`.

        Whether and when it succeeds the handler hears.
        """
        self._link(queue.server).subscribe(queue)

    def unsubscribe(self, queue: RecipientQueue) -> None:
        """Keep a queue subscribed no longer; messages that still come are left at the server."""
        link = self._links.get(queue.server)
        if link is not None:
            link.unsubscribe(queue)

    async def secure_queue_by_sender(self, server: ServerAddress, sender_id: bytes, auth_key: X25519PrivateKey) -> None:
        """SKEY: set, as the sender, the key that our SENDs are authorized with. May be repeated with the same key."""
        await self._done(server, SKey(auth_key.public), sender_id, auth_key)

    async def secure_queue(self, queue: RecipientQueue, sender_key: PublicKey) -> None:
        """KEY: set, as the recipient, the key that the sender's commands are verified with."""
        await self._done(queue.server, Key(sender_key), queue.recipient_id, queue.auth_key)

    async def send(
        self, server: ServerAddress, sender_id: bytes, auth_key: X25519PrivateKey | None, body: bytes, *, notify: bool
    ) -> None:
        """SEND a body of up to 16,064 bytes; without a key as long as the queue is not secured.

        Raises :class:`LargeMessageError` too.
        """
        await self._done(server, Send(body, notify), sender_id, auth_key)

    async def acknowledge(self, queue: RecipientQueue, message_id: bytes) -> None:
        """ACK: the message is stored; the server deletes it and delivers the next one.

        That the server has nothing to acknowledge (the connection changed in between, the message expired) is fine:
        what it still has it delivers again.
        """
        link = self._link(queue.server)
        try:
            answer = await link.request(Ack(message_id), entity_id=queue.recipient_id, key=queue.auth_key)
        except BrokerError as error:
            if error.error not in _NOTHING_TO_ACKNOWLEDGE:
                raise
        else:
            if not isinstance(answer, Ok | Msg):
                raise UnexpectedResponseError("server answered ACK with something else")

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
            link.close()
        await asyncio.gather(*(link.wait_closed() for link in links))

    def _link(self, server: ServerAddress) -> ServerLink:
        if self._closed:
            raise NetworkError("the network is closed")
        link = self._links.get(server)
        if link is None:
            link = ServerLink(
                server,
                self._handler,
                clock=self._clock,
                random=self._random,
                config=self._config,
                connector=self._connector,
                sleep=self._sleep,
                now=self._now,
            )
            self._links[server] = link
        return link

    async def _request(
        self, server: ServerAddress, command: Command, entity_id: bytes = b"", key: AuthorizationKey | None = None
    ) -> BrokerMessage:
        return await self._link(server).request(command, entity_id=entity_id, key=key)

    async def _done(
        self, server: ServerAddress, command: Command, entity_id: bytes, key: AuthorizationKey | None
    ) -> None:
        answer = await self._request(server, command, entity_id, key)
        if not isinstance(answer, Ok):
            raise UnexpectedResponseError(f"server answered {type(command).__name__} with something else")
