"""One server: the connection to it, made when it is needed, and the queues that are kept subscribed on it."""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
from collections.abc import Callable, Coroutine
from typing import Any

from simplex_calls.crypto import Random
from simplex_calls.smp.address import ServerAddress
from simplex_calls.smp.channel import Clock, Outcome, Sleep, SMPClient, handshake
from simplex_calls.smp.commands import Command, Sub
from simplex_calls.smp.connection import Connector
from simplex_calls.smp.errors import BrokerError, ErrorCode, NetworkError, ServerError, SMPError
from simplex_calls.smp.messages import BrokerMessage, Msg, Ok, Sok
from simplex_calls.smp.queues import NetworkConfig, NetworkHandler, RecipientQueue
from simplex_calls.smp.transmission import AuthorizationKey

_log = logging.getLogger(__name__)

_ASKED_AT_ONCE = 100
_LASTING = (ErrorCode.AUTH, ErrorCode.BLOCKED)
"""Errors of a subscription that say that the queue is not ours any more; all others may be gone the next time."""
_FIRST_RETRY = 3


class ServerLink:
    """See the module. ``close`` ends it for good."""

    def __init__(
        self,
        address: ServerAddress,
        handler: NetworkHandler,
        *,
        clock: Clock,
        random: Random,
        config: NetworkConfig,
        connector: Connector,
        sleep: Sleep,
        now: Callable[[], dt.datetime],
    ) -> None:
        self._address = address
        self._handler = handler
        self._clock = clock
        self._random = random
        self._config = config
        self._connector = connector
        self._sleep = sleep
        self._now = now
        self._client: SMPClient | None = None
        self._closing: set[asyncio.Task[None]] = set()
        self._connecting: asyncio.Task[SMPClient] | None = None
        self._keeping: asyncio.Task[None] | None = None
        self._retrying: asyncio.Task[None] | None = None
        self._failure: SMPError | None = None
        self._failed_at = 0.0
        self._closed = False
        self._is_down = False  # and the handler knows it
        # all queues to keep subscribed; those that are, on this connection; and those whose SUB is in flight
        self._wanted: dict[bytes, RecipientQueue] = {}
        self._active: set[bytes] = set()
        self._asked: set[bytes] = set()
        self._news: list[RecipientQueue] = []
        self._delivered: dict[bytes, Msg | None] = {}
        """By queue: a message is not acknowledged yet, and what came in spite of it."""
        self._retries = 0  # since a subscription succeeded the last time

    async def request(
        self,
        command: Command,
        *,
        entity_id: bytes = b"",
        key: AuthorizationKey | None = None,
        corr_id: bytes | None = None,
        on_answer: Callable[[BrokerMessage], None] | None = None,
    ) -> BrokerMessage:
        """Send a command on the connection, which is made if there is none; see ``SMPClient.request``.

        ``on_answer`` is called with the answer before anything else that the server sent is looked at.
        """
        client = await self._connected()
        if on_answer is None:
            return await client.request(command, entity_id=entity_id, key=key, corr_id=corr_id)
        answer: asyncio.Future[BrokerMessage] = asyncio.get_running_loop().create_future()

        def settle(outcome: Outcome) -> None:
            if isinstance(outcome, SMPError):
                if not answer.done():
                    answer.set_exception(outcome)
                return
            if not answer.done():  # given up by the caller otherwise: then it must have no effect
                on_answer(outcome)
                answer.set_result(outcome)

        client.submit(command, settle, entity_id=entity_id, key=key, corr_id=corr_id)
        return await answer

    async def client(self) -> SMPClient:
        """The open connection's client; it is made if there is none."""
        return await self._connected()

    def subscribe(self, queue: RecipientQueue) -> None:
        """Keep a queue subscribed."""
        if self._wanted.get(queue.recipient_id) == queue:
            return
        self._wanted[queue.recipient_id] = queue
        self._ask(queue)
        self._keep_connected()

    def subscribed_by_creation(self, queue: RecipientQueue) -> None:
        """Keep a queue subscribed that the server has subscribed this connection to."""
        self._wanted[queue.recipient_id] = queue
        self._active.add(queue.recipient_id)
        self._keep_connected()

    @property
    def queues(self) -> list[RecipientQueue]:
        """The queues that are kept subscribed."""
        return list(self._wanted.values())

    @property
    def is_down(self) -> bool:
        """Whether the connection was lost, or could not be made."""
        return self._is_down

    def knows(self, recipient_id: bytes) -> bool:
        """Whether a queue with this id is kept subscribed."""
        return recipient_id in self._wanted

    def unsubscribe(self, queue: RecipientQueue) -> None:
        """Keep a queue subscribed no longer."""
        self._wanted.pop(queue.recipient_id, None)
        self._active.discard(queue.recipient_id)
        self._delivered.pop(queue.recipient_id, None)

    def acknowledging(self, recipient_id: bytes) -> None:
        """The message in hand is being acknowledged: the server may send the next one."""
        waiting = self._delivered.pop(recipient_id, None)
        if waiting is not None:
            asyncio.get_running_loop().call_soon(self.message, recipient_id, waiting)

    def close(self) -> None:
        """Close the connection, and do not open it again."""
        self._closed = True
        self._wanted.clear()
        for task in (self._connecting, self._keeping, self._retrying):
            if task is not None:
                task.cancel()
        if self._client is not None:
            self._client.close(NetworkError("the network is closed"))

    async def wait_closed(self) -> None:
        """After :meth:`close`: wait until everything is released."""
        tasks = {task for task in (self._connecting, self._keeping, self._retrying) if task is not None}
        if tasks:
            await asyncio.wait(tasks)
        if self._closing:  # the first tasks may have added to them
            await asyncio.wait(self._closing)

    # connecting

    async def _connected(self, *, patient: bool = True) -> SMPClient:
        """The open connection, or a new one. Unless ``patient`` is off, a server that just failed fails again."""
        if self._closed:
            raise NetworkError("the network is closed")
        if self._client is not None:
            return self._client
        if self._connecting is None:
            if patient and self._failure and self._clock() - self._failed_at < self._config.retry_pause:
                raise self._failure.with_traceback(None)
            self._connecting = asyncio.get_running_loop().create_task(self._connect())
            self._connecting.add_done_callback(self._connect_ended)
        connecting = self._connecting
        # several commands may wait for it, and any of them may be given up
        try:
            return await asyncio.shield(connecting)
        except asyncio.CancelledError:
            caller = asyncio.current_task()
            if connecting.cancelled() and not (caller and caller.cancelling()):
                raise NetworkError("the network is closed") from None
            raise

    async def _connect(self) -> SMPClient:
        try:
            async with asyncio.timeout(self._config.connect_timeout):
                connection = await self._connector(self._address)
                try:
                    session = await handshake(connection, self._address.fingerprint, self._now(), random=self._random)
                except BaseException:
                    connection.close()
                    self._release(connection.wait_closed())
                    raise
        except TimeoutError:
            raise NetworkError("server did not answer in time") from None
        except OSError as error:
            raise NetworkError(f"server was not reached ({type(error).__name__})") from None
        client = SMPClient(
            connection,
            session,
            self,
            clock=self._clock,
            sleep=self._sleep,
            random=self._random,
            config=self._config,
        )
        self._client = client
        self._is_down = False
        client.start()
        _log.info("connected to a server, protocol version %d", client.version)
        self._tell(self._handler.connected, self._address)
        self._ask_all()
        return client

    def _connect_ended(self, task: asyncio.Task[SMPClient]) -> None:
        self._connecting = None
        error = None if task.cancelled() else task.exception()
        self._failure = error if isinstance(error, SMPError) else None
        self._failed_at = self._clock()
        if self._failure is not None:
            _log.info("no connection to a server: %s", self._failure)

    def _keep_connected(self) -> None:
        if self._keeping is None and not self._closed:
            self._keeping = asyncio.get_running_loop().create_task(self._keep())
            self._keeping.add_done_callback(self._keep_ended)

    def _keep_ended(self, task: asyncio.Task[None]) -> None:
        self._keeping = None
        # a queue may have been wanted just when the task had found that there is none
        if self._wanted and not task.cancelled() and task.exception() is None:
            self._keep_connected()

    async def _keep(self) -> None:
        """Stay connected while there are queues to keep subscribed."""
        failures = 0
        while self._wanted:
            since = self._clock()
            try:
                client = await self._connected(patient=False)
            except SMPError:  # logged where it happened; commands fail with it
                self._tell_down()
            else:
                await client.wait_over()
                if self._clock() - since >= self._config.stable_after:
                    failures = 0
            if self._wanted:
                await self._sleep(self._pause(failures))
                failures += 1

    def _pause(self, failures: int) -> float:
        """Seconds to wait after so many failures: growing, and spread over half to one and a half of the mean."""
        config = self._config
        # the exponent is bounded as floats overflow, long after the maximum is reached
        mean = min(config.reconnect_max, config.reconnect_first * config.reconnect_factor ** min(failures, 64))
        return mean * (0.5 + int.from_bytes(self._random(2), "big") / 0x10000)

    # subscribing

    def _ask_all(self) -> None:
        """Ask for all queues, some in each turn of the event loop: signing thousands of commands takes a second."""
        client, waiting = self._client, list(self._wanted)

        def ask_some() -> None:
            if self._client is not client:
                return  # the next connection asks for all again
            some, waiting[:] = waiting[:_ASKED_AT_ONCE], waiting[_ASKED_AT_ONCE:]
            for recipient_id in some:
                if (queue := self._wanted.get(recipient_id)) is not None:
                    self._ask(queue)
            if waiting:
                asyncio.get_running_loop().call_soon(ask_some)

        ask_some()

    def _ask(self, queue: RecipientQueue) -> None:
        client, recipient_id = self._client, queue.recipient_id
        if client is None or recipient_id in self._active or recipient_id in self._asked:
            return
        self._asked.add(recipient_id)

        def on_outcome(outcome: Outcome) -> None:
            self._asked.discard(recipient_id)
            current = self._wanted.get(recipient_id)
            if current == queue:
                self._asked_for(queue, client, outcome)
            elif current is not None:
                self._ask(current)  # wanted with another key since

        try:
            client.submit(Sub(), on_outcome, entity_id=recipient_id, key=queue.auth_key)
        except SMPError as error:
            on_outcome(error)

    def _asked_for(self, queue: RecipientQueue, client: SMPClient, outcome: Outcome) -> None:
        match outcome:
            case Ok() | Sok() | Msg():
                self._retries = 0
                self._active.add(queue.recipient_id)
                if not self._news:
                    asyncio.get_running_loop().call_soon(self._tell_news)
                self._news.append(queue)
            case BrokerError(error=ServerError(code=code)) if code in _LASTING:
                self._wanted.pop(queue.recipient_id, None)
                self._tell(self._handler.subscription_failed, queue, outcome)
            case _ if client.is_open:
                self._retry_later()

    def _retry_later(self) -> None:
        if self._retrying is None:
            self._retrying = asyncio.get_running_loop().create_task(self._retry())

    async def _retry(self) -> None:
        try:
            await self._sleep(self._pause(_FIRST_RETRY + self._retries))
            self._retries += 1
        finally:
            self._retrying = None
        self._ask_all()

    def _tell_news(self) -> None:
        """Report the queues that were subscribed since the last time."""
        news, self._news = self._news, []
        still = [queue for queue in news if queue.recipient_id in self._active]
        if still:
            self._tell(self._handler.subscribed, still)

    # what the connection tells

    def message(self, recipient_id: bytes, message: Msg) -> None:
        """Pass a message on; one of a queue that nobody wants stays unacknowledged, so the server keeps it.

        A server sends a queue's next message when the one before is acknowledged. Of those that come too early the last
        one waits, the others are left to the server: a flood of them takes neither memory nor time.
        """
        if self._news:
            self._tell_news()
        if recipient_id not in self._wanted:
            return
        if recipient_id in self._delivered:
            # an honest one does so when our ACK was given up and this is its late effect
            self._delivered[recipient_id] = message
            return
        self._delivered[recipient_id] = None
        self._tell(self._handler.message, self._address, recipient_id, message)

    def ended(self, recipient_id: bytes) -> None:
        """Another client has the queue now; to subscribe again would take it back and forth."""
        if recipient_id in self._asked:
            return  # our own SUB is on its way and takes it back
        queue = self._wanted.pop(recipient_id, None)
        self._active.discard(recipient_id)
        self._delivered.pop(recipient_id, None)
        if queue is not None:
            self._tell(self._handler.ended, queue)

    def deleted(self, recipient_id: bytes) -> None:
        """The queue is gone."""
        queue = self._wanted.pop(recipient_id, None)
        self._active.discard(recipient_id)
        self._delivered.pop(recipient_id, None)
        if queue is not None:
            self._tell(self._handler.subscription_failed, queue, BrokerError(ServerError(ErrorCode.AUTH)))

    def closed(self, client: SMPClient) -> None:
        """The connection is over."""
        if client is not self._client:
            return
        self._client = None
        self._active.clear()
        self._asked.clear()
        self._news.clear()
        self._delivered.clear()
        self._release(client.wait_closed())
        _log.info("disconnected from a server")
        self._tell_down()

    def _tell_down(self) -> None:
        """Tell once that the server is not there, however many attempts fail."""
        if not self._is_down:
            self._is_down = True
            self._tell(self._handler.disconnected, self._address)

    def _release(self, waiting: Coroutine[Any, Any, None]) -> None:
        """See a closed connection to its end, in the background."""
        task = asyncio.get_running_loop().create_task(waiting)
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    def _tell(self, hear: Callable[..., None], *args: object) -> None:
        try:
            hear(*args)
        except Exception as error:  # noqa: BLE001 - a fault above must not stop the connection below
            name = getattr(hear, "__name__", "handler")
            _log.error("%s of the network's handler failed: %s", name, type(error).__name__)


class OneOfMany:
    """The handler of a connection beside which there are others to the same server.

    A server counts as connected when all of its connections are that queues are received on.
    """

    def __init__(self, handler: NetworkHandler, siblings: Callable[[ServerAddress], list[ServerLink]]) -> None:
        self._handler = handler
        self._siblings = siblings
        self.message = handler.message
        self.subscribed = handler.subscribed
        self.subscription_failed = handler.subscription_failed
        self.ended = handler.ended

    def connected(self, server: ServerAddress) -> None:
        """Pass it on unless another connection is down."""
        if not self._is_down(server):
            self._handler.connected(server)

    def disconnected(self, server: ServerAddress) -> None:
        """Pass it on if anything is received on this or another connection that is down."""
        if self._is_down(server):
            self._handler.disconnected(server)

    def _is_down(self, server: ServerAddress) -> bool:
        return any(link.is_down and link.queues for link in self._siblings(server))
