"""A sender and a recipient that cost as little as they can, so that a measurement shows the relay and not them."""

from __future__ import annotations

import asyncio
import datetime as dt
import itertools
import os
from collections.abc import Callable
from dataclasses import dataclass

from simplex_calls.crypto import BoxKey, Ed25519PrivateKey, X25519PrivateKey, authenticator, cb_nonce
from simplex_calls.smp.address import ServerAddress
from simplex_calls.smp.channel import handshake
from simplex_calls.smp.commands import Ack, Command, New, QueueMode, SKey, encode_command
from simplex_calls.smp.connecting import connect_tls
from simplex_calls.smp.connection import Connection
from simplex_calls.smp.messages import Ids, decode_message
from simplex_calls.smp.transmission import (
    AuthorizationKey,
    Session,
    Transmission,
    decode_transmission,
    encode_transmission,
    pack_blocks,
    unpack_block,
)

_AT_ONCE = 50


@dataclass(frozen=True, slots=True)
class Queue:
    """A queue as its recipient and its sender know it."""

    recipient_id: bytes
    sender_id: bytes
    key: Ed25519PrivateKey
    box: BoxKey
    """Of the sender's key and the session's: what its commands are authenticated with."""


class Peer:
    """A connection; what is sent in one turn of the event loop leaves together."""

    def __init__(self, connection: Connection, session: Session) -> None:
        self._connection = connection
        self.session = session
        self._numbers = itertools.count(1)
        self._outgoing: list[bytes] = []

    @classmethod
    async def connect(cls, server: ServerAddress) -> Peer:
        """Connect and shake hands."""
        connection = await connect_tls(server)
        return cls(connection, await handshake(connection, server.fingerprint, dt.datetime.now(dt.UTC)))

    def send(self, command: Command, entity_id: bytes = b"", key: AuthorizationKey | None = None) -> bytes:
        """Send a command; returns its correlation id."""
        corr_id = next(self._numbers).to_bytes(24, "big")
        encoded = encode_command(command, self.session.version)
        self._put(encode_transmission(self.session, corr_id, entity_id, encoded, key))
        return corr_id

    def send_message(self, queue: Queue, body: bytes) -> None:
        """SEND, as :meth:`send` does it, with the agreement of keys done before."""
        corr_id = next(self._numbers).to_bytes(24, "big")
        sent = b"\x18" + corr_id + b"\x18" + queue.sender_id + b"SEND F " + body
        authorized = bytes((len(self.session.session_id),)) + self.session.session_id + sent
        self._put(b"\x50" + authenticator(queue.box, cb_nonce(corr_id), authorized) + b"0" + sent)

    async def read(self) -> list[Transmission]:
        """What the next block brings."""
        block = await self._connection.read_block()
        return [decode_transmission(self.session, item) for item in unpack_block(block, self.session.cipher)]

    async def close(self) -> None:
        """Close the connection."""
        self._connection.close()
        await self._connection.wait_closed()

    def _put(self, transmission: bytes) -> None:
        self._outgoing.append(transmission)
        if len(self._outgoing) == 1:
            asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self) -> None:
        outgoing, self._outgoing = self._outgoing, []
        for block in pack_blocks(outgoing, self.session.cipher):
            self._connection.write_block(block)


async def make_queues(count: int, recipient: Peer, sender: Peer) -> list[Queue]:
    """Queues that ``recipient`` receives from, secured by ``sender``."""
    assert sender.session.server_key is not None
    queues: list[Queue] = []
    while len(queues) < count:
        keys: dict[bytes, Ed25519PrivateKey] = {}
        for _ in range(min(_AT_ONCE, count - len(queues))):
            key, dh_key = Ed25519PrivateKey.generate(), X25519PrivateKey.generate()
            keys[recipient.send(New(key.public, dh_key.public, mode=QueueMode.MESSAGING), b"", key)] = key
        made: list[tuple[Ids, Ed25519PrivateKey]] = []
        while len(made) < len(keys):
            for answer in await recipient.read():
                ids = decode_message(answer.command, recipient.session.version)
                assert isinstance(ids, Ids)
                made.append((ids, keys[answer.corr_id]))
        for ids, key in made:
            sender_key = X25519PrivateKey.generate()
            box = BoxKey.agree(sender_key, sender.session.server_key)
            queues.append(Queue(ids.recipient_id, ids.sender_id, key, box))
            sender.send(SKey(sender_key.public), ids.sender_id, sender_key)
        secured = 0
        while secured < len(made):
            secured += len(await sender.read())
    return queues


class Traffic:
    """Messages from ``sender`` into ``queues`` in turn; ``recipient`` acknowledges each and reports it."""

    def __init__(self, recipient: Peer, sender: Peer, queues: list[Queue], size: int) -> None:
        self._recipient = recipient
        self._sender = sender
        self._queues = queues
        self._keys = {queue.recipient_id: queue.key for queue in queues}
        self._body = os.urandom(size)
        self._number = 0
        self.on_arrival: Callable[[], None] = lambda: None
        self.on_stored: Callable[[], None] = lambda: None

    def send(self) -> None:
        """Send the next message."""
        self._sender.send_message(self._queues[self._number % len(self._queues)], self._body)
        self._number += 1

    async def receive(self) -> None:
        """Receive, for ever."""
        while True:
            for transmission in await self._recipient.read():
                if transmission.command.startswith(b"MSG "):
                    message_id = transmission.command[5:29]
                    self._recipient.send(Ack(message_id), transmission.entity_id, self._keys[transmission.entity_id])
                    self.on_arrival()

    async def hear_answers(self) -> None:
        """Check the answers to what was sent, for ever."""
        while True:
            for transmission in await self._sender.read():
                if transmission.command != b"OK":
                    raise AssertionError(transmission.command)
                self.on_stored()
