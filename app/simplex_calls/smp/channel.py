"""One connection to one server: commands are pipelined, packed into blocks, and matched with their answers."""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
import os
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Protocol

from simplex_calls.crypto import Random, X25519PrivateKey
from simplex_calls.smp.commands import Command, Get, PFwd, Ping, Prxy, Send, encode_command
from simplex_calls.smp.connection import Connection
from simplex_calls.smp.errors import (
    BrokerError,
    DecodeError,
    LargeMessageError,
    NetworkError,
    NotAnSMPServerError,
    SMPError,
    UnexpectedResponseError,
)
from simplex_calls.smp.handshake import accept_server
from simplex_calls.smp.messages import (
    BrokerMessage,
    Deld,
    End,
    Err,
    Ids,
    Msg,
    PKey,
    Pong,
    decode_message,
    max_message_size,
)
from simplex_calls.smp.queues import NetworkConfig
from simplex_calls.smp.transmission import (
    CORR_ID_SIZE,
    MAX_TRANSMISSION_SIZE,
    AuthorizationKey,
    Session,
    Transmission,
    TransmissionError,
    decode_transmission,
    encode_transmission,
    pack_blocks,
    unpack_block,
)

_log = logging.getLogger(__name__)

Outcome = BrokerMessage | SMPError
Clock = Callable[[], float]
Sleep = Callable[[float], Awaitable[object]]


class ChannelListener(Protocol):
    """Hears what a server sends unasked, on the event loop's thread."""

    def message(self, recipient_id: bytes, message: Msg) -> None:
        """A message came: unasked, or as the answer to SUB or ACK."""
        ...

    def ended(self, recipient_id: bytes) -> None:
        """Another connection subscribed."""
        ...

    def deleted(self, recipient_id: bytes) -> None:
        """A subscribed queue was deleted."""
        ...

    def closed(self, client: SMPClient) -> None:
        """The connection is over; all commands in flight have been answered with an error."""
        ...


async def handshake(
    connection: Connection,
    fingerprint: bytes,
    now: dt.datetime,
    *,
    random: Random = os.urandom,
    is_proxy: bool = False,
) -> Session:
    """Shake hands as a client; raises :class:`NetworkError`, :class:`ServerIdentityError`, :class:`VersionError`."""
    block = await connection.read_block()
    try:
        session, answer = accept_server(
            block,
            fingerprint=fingerprint,
            session_id=connection.session_id,
            peer_chain=connection.peer_chain,
            client_key=X25519PrivateKey.generate(random),
            now=now,
            is_proxy=is_proxy,
        )
    except DecodeError:
        raise NotAnSMPServerError("server's handshake does not decode: is it an SMP server?") from None
    connection.write_block(answer)
    await connection.drain()
    return session


@dataclass(slots=True)
class _InFlight:
    command: Command
    entity_id: bytes = field(repr=False)
    callback: Callable[[Outcome], None]
    transmission: bytes = field(repr=False)
    sent_at: float
    timer: asyncio.TimerHandle


class SMPClient:
    """A client on an open connection after the handshake. :meth:`start` it once; :meth:`close` it or let it end."""

    def __init__(
        self,
        connection: Connection,
        session: Session,
        listener: ChannelListener,
        *,
        clock: Clock = time.monotonic,
        sleep: Sleep = asyncio.sleep,
        random: Random = os.urandom,
        config: NetworkConfig | None = None,
    ) -> None:
        self._connection = connection
        self._session = session
        self._listener = listener
        self._clock = clock
        self._sleep = sleep
        self._random = random
        self._config = config or NetworkConfig()
        self._in_flight: dict[bytes, _InFlight] = {}
        self._outgoing: list[bytes] = []
        self._wake = asyncio.Event()
        self._over = asyncio.Event()
        self._failure: SMPError | None = None
        self._task: asyncio.Task[None] | None = None
        self._last_received = clock()

    @property
    def is_open(self) -> bool:
        """Whether commands can be sent."""
        return self._failure is None

    @property
    def version(self) -> int:
        """The agreed version of the protocol."""
        return self._session.version

    def start(self) -> None:
        """Begin to read, write and keep alive."""
        self._last_received = self._clock()
        self._task = asyncio.get_running_loop().create_task(self._run())

    def close(self, reason: SMPError | None = None) -> None:
        """Close the connection; commands in flight fail with ``reason``. May be called again."""
        if self._failure is not None:
            return
        self._failure = reason or NetworkError("connection is closed")
        self._connection.close()
        if self._task is not None:
            self._task.cancel()
        pending = list(self._in_flight.values())
        self._in_flight.clear()
        self._outgoing.clear()
        for waiting in pending:
            waiting.timer.cancel()
            waiting.callback(self._failure)
        self._over.set()
        self._listener.closed(self)

    async def wait_over(self) -> None:
        """Wait until the connection is over."""
        await self._over.wait()

    async def wait_closed(self) -> None:
        """After :meth:`close`: wait until everything is released."""
        if self._task is not None:
            await asyncio.wait([self._task])
        await self._connection.wait_closed()

    def submit(
        self,
        command: Command,
        callback: Callable[[Outcome], None],
        *,
        entity_id: bytes = b"",
        key: AuthorizationKey | None = None,
        corr_id: bytes | None = None,
        patience: float | None = None,
    ) -> None:
        """Send a command, packed together with what else is sent in this turn of the event loop.

        ``corr_id`` (24 bytes, used once) is for commands that depend on it, ``patience`` (seconds) for those that take
        longer to answer. ``callback`` is called once, with the answer or an error, never before this returns. Raises
        :class:`NetworkError` if the connection is over, :class:`LargeMessageError`, :class:`EncodeError`.
        """
        if self._failure is not None:
            raise self._failure
        if isinstance(command, Send) and len(command.body) > max_message_size(self._session.version):
            raise LargeMessageError(f"message of {len(command.body)} bytes is too large to send")
        corr_id = corr_id or self._random(CORR_ID_SIZE)
        encoded = encode_command(command, self._session.version)
        transmission = encode_transmission(self._session, corr_id, entity_id, encoded, key)
        if len(transmission) > MAX_TRANSMISSION_SIZE:
            raise LargeMessageError(f"command of {len(encoded)} bytes does not fit into a block")
        timer = asyncio.get_running_loop().call_later(patience or self._config.command_timeout, self._expire, corr_id)
        self._in_flight[corr_id] = _InFlight(command, entity_id, callback, transmission, self._clock(), timer)
        self._outgoing.append(transmission)
        self._wake.set()

    async def request(
        self,
        command: Command,
        *,
        entity_id: bytes = b"",
        key: AuthorizationKey | None = None,
        corr_id: bytes | None = None,
        patience: float | None = None,
    ) -> BrokerMessage:
        """Send a command and wait for its answer.

        Raises what :meth:`submit` raises, :class:`BrokerError` if the server refuses, :class:`NetworkError` if it does
        not answer. A message that answers ACK is given to the listener as well.
        """
        answer: asyncio.Future[BrokerMessage] = asyncio.get_running_loop().create_future()

        def settle(outcome: Outcome) -> None:
            if answer.done():
                return
            if isinstance(outcome, SMPError):
                answer.set_exception(outcome)
            else:
                answer.set_result(outcome)

        self.submit(command, settle, entity_id=entity_id, key=key, corr_id=corr_id, patience=patience)
        return await answer

    async def _run(self) -> None:
        reason: SMPError = NetworkError("connection was lost")
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._read())
                group.create_task(self._write())
                group.create_task(self._keep_alive())
        except* SMPError as errors:
            reason = next(error for error in errors.exceptions if isinstance(error, SMPError))
        finally:
            self.close(reason)

    async def _read(self) -> None:
        while True:
            block = await self._connection.read_block()
            self._last_received = self._clock()
            try:
                transmissions = [
                    decode_transmission(self._session, data) for data in unpack_block(block, self._session.cipher)
                ]
            except TransmissionError:
                # TLS saw to it that these are the server's own bytes: it cannot be understood, so start afresh
                raise NetworkError("server sent a block that does not decode") from None
            for transmission in transmissions:
                if self._receive(transmission):
                    await asyncio.sleep(0)  # what is done with a message takes its time, and there may be hundreds
            await asyncio.sleep(0)  # many blocks at once shall not keep others waiting

    async def _write(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            outgoing, self._outgoing = self._outgoing, []
            for block in pack_blocks(outgoing, self._session.cipher):
                self._connection.write_block(block)
                await self._connection.drain()

    async def _keep_alive(self) -> None:
        while self.is_open:
            silence = self._clock() - self._last_received
            if silence < self._config.ping_interval:
                await self._sleep(self._config.ping_interval - silence)
                continue
            try:
                answer: BrokerMessage | None = await self.request(Ping())
            except NetworkError:
                continue  # where nothing else was received, the expiry of the command ends the connection
            except SMPError:
                answer = None
            if not isinstance(answer, Pong):
                # what it says is the reason of nothing but this: commands in flight were neither done nor refused
                raise NetworkError("server answered PING with something else")

    def _expire(self, corr_id: bytes) -> None:
        waiting = self._in_flight.pop(corr_id)
        if waiting.transmission in self._outgoing:
            # a server that reads nothing must not have us pile up what nobody waits for
            self._outgoing.remove(waiting.transmission)
        late = NetworkError("server did not answer in time")
        waiting.callback(late)
        # a proxy may be waiting for a server that somebody else chose, which says nothing of our connection to it
        if self._last_received <= waiting.sent_at and not isinstance(waiting.command, PFwd | Prxy):
            self.close(late)  # nothing at all has come since: the connection is dead

    def _receive(self, transmission: Transmission) -> bool:
        """Pass on what came; tells whether it was a message."""
        outcome: Outcome
        try:
            outcome = decode_message(transmission.command, self._session.version)
        except DecodeError:
            outcome = UnexpectedResponseError("server sent a message that does not decode")
        waiting = self._in_flight.pop(transmission.corr_id, None) if transmission.corr_id else None
        if waiting is None:
            self._receive_unasked(transmission.entity_id, outcome)
            return isinstance(outcome, Msg)
        waiting.timer.cancel()
        if isinstance(outcome, Err):
            outcome = BrokerError(outcome.error)
        elif not isinstance(outcome, SMPError | Ids | Pong | PKey) and transmission.entity_id != waiting.entity_id:
            outcome = UnexpectedResponseError("server answered for another queue")
        waiting.callback(outcome)
        if not isinstance(outcome, Msg) or isinstance(waiting.command, Get):
            return False
        self._listener.message(transmission.entity_id, outcome)
        return True

    def _receive_unasked(self, entity_id: bytes, outcome: Outcome) -> None:
        match outcome:
            case Msg():  # also the answer to a command that was given up
                self._listener.message(entity_id, outcome)
            case End():
                self._listener.ended(entity_id)
            case Deld():
                self._listener.deleted(entity_id)
            case Err(error):
                _log.warning("server reports an error: %s", error)
            case _:
                _log.debug("ignored from server: %s", type(outcome).__name__)
