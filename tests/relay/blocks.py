"""A client of the whole relay that speaks in blocks, so that tests can send what no real client would."""

from __future__ import annotations

import asyncio
import datetime as dt
import itertools
import secrets
from types import TracebackType
from typing import Self

from simplex_calls.crypto import BoxKey, Ed25519PrivateKey, X25519PrivateKey
from simplex_calls.relay import Relay
from simplex_calls.smp.address import ServerAddress
from simplex_calls.smp.blocks import BlockCipher
from simplex_calls.smp.body import Received, decrypt_received
from simplex_calls.smp.certificates import verify_chain, verify_key
from simplex_calls.smp.commands import Ack, Command, New, Ping, QueueMode, Send, Sub, encode_command
from simplex_calls.smp.connecting import connect_tls
from simplex_calls.smp.connection import Connection
from simplex_calls.smp.handshake import ClientHello, decode_server_hello, encode_hello
from simplex_calls.smp.messages import BrokerMessage, Ids, Msg, Ok, Sok, decode_message
from simplex_calls.smp.transmission import (
    AuthorizationKey,
    Session,
    decode_transmission,
    encode_transmission,
    pack_blocks,
    unpack_block,
)

VERSION = 18


class BlockClient:
    """Commands are sent with :meth:`send`; what comes is read in order with :meth:`read`; :meth:`ask` does both."""

    def __init__(self, fingerprint: bytes, connection: Connection, version: int = VERSION) -> None:
        self.version = version
        self.fingerprint = fingerprint
        self.connection = connection
        self._numbers = itertools.count(1)
        self._last = b""
        self._received: list[tuple[bytes, bytes, BrokerMessage]] = []
        self._unasked: list[tuple[bytes, bytes, BrokerMessage]] = []
        self.session = Session(version, b"")

    @classmethod
    async def in_memory(cls, relay: Relay, version: int = VERSION) -> Self:
        client = cls(relay.address.fingerprint, relay.connect_in_memory(), version)
        await client.handshake()
        return client

    @classmethod
    async def over_tls(cls, relay: Relay, version: int = VERSION) -> Self:
        return await cls.to(relay.address, version)

    @classmethod
    async def to(cls, address: ServerAddress, version: int = VERSION) -> Self:
        client = cls(address.fingerprint, await connect_tls(address), version)
        await client.handshake()
        return client

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        await self.close()

    async def close(self) -> None:
        self.connection.close()
        await self.connection.wait_closed()

    async def handshake(self) -> None:
        hello = decode_server_hello(await self.connection.read_block())
        assert hello.session_id == self.connection.session_id
        assert hello.server_key is not None
        now = dt.datetime.now(dt.UTC)
        server_key = verify_key(
            hello.server_key.signed_key, verify_chain(hello.server_key.chain, self.fingerprint, now)
        )
        own = X25519PrivateKey.generate()
        client_hello = ClientHello(self.version, self.fingerprint, own.public if self.version >= 7 else None)
        self.connection.write_block(encode_hello(client_hello))
        cipher = BlockCipher.for_client(hello.session_id, own, server_key) if self.version >= 11 else None
        self.session = Session(self.version, hello.session_id, server_key, cipher)

    def encode(
        self,
        command: Command,
        entity_id: bytes = b"",
        key: AuthorizationKey | None = None,
        corr_id: bytes | None = None,
    ) -> bytes:
        self._last = corr_id or next(self._numbers).to_bytes(24, "big")
        return encode_transmission(self.session, self._last, entity_id, encode_command(command, self.version), key)

    def send(self, *transmissions: bytes) -> None:
        for block in pack_blocks(transmissions, self.session.cipher):
            self.connection.write_block(block)

    async def read(self) -> tuple[bytes, bytes, BrokerMessage]:
        """(correlation id, queue's id, message) of the next transmission that no :meth:`ask` took."""
        return self._unasked.pop(0) if self._unasked else await self._next()

    async def ask(
        self,
        command: Command,
        entity_id: bytes = b"",
        key: AuthorizationKey | None = None,
        corr_id: bytes | None = None,
    ) -> BrokerMessage:
        """Send a command and return its answer; what comes before it is left to :meth:`read`."""
        self.send(self.encode(command, entity_id, key, corr_id))
        async with asyncio.timeout(10):
            while True:
                item = await self._next()
                if item[0] == self._last:
                    return item[2]
                self._unasked.append(item)

    def take(self, entity_id: bytes) -> list[Msg]:
        """The messages of a queue that no :meth:`read` took."""
        taken = [message for _, at, message in self._unasked if at == entity_id and isinstance(message, Msg)]
        self._unasked = [item for item in self._unasked if item[1] != entity_id or not isinstance(item[2], Msg)]
        return taken

    async def _next(self) -> tuple[bytes, bytes, BrokerMessage]:
        while not self._received:
            for item in unpack_block(await self.connection.read_block(), self.session.cipher):
                received = decode_transmission(self.session, item)
                message = decode_message(received.command, self.version)
                self._received.append((received.corr_id, received.entity_id, message))
        return self._received.pop(0)


class LiveQueue:
    """A queue on a relay, with its keys."""

    key: AuthorizationKey
    recipient_id: bytes
    sender_id: bytes
    box: BoxKey

    @classmethod
    async def create(cls, client: BlockClient, *, subscribe: bool = True, password: str | None = None) -> Self:
        queue = cls()
        queue.key = Ed25519PrivateKey.generate()
        dh_key = X25519PrivateKey.generate()
        new = New(queue.key.public, dh_key.public, password, subscribe=subscribe, mode=QueueMode.MESSAGING)
        ids = await client.ask(new, key=queue.key)
        assert isinstance(ids, Ids)
        queue.recipient_id, queue.sender_id = ids.recipient_id, ids.sender_id
        queue.box = BoxKey.agree(dh_key, ids.server_dh_key)
        return queue

    async def send(self, client: BlockClient, body: bytes) -> BrokerMessage:
        return await client.ask(Send(body), self.sender_id)

    async def subscribe(self, client: BlockClient) -> BrokerMessage:
        """Subscribe, and return the message that follows the answer if there is one."""
        answer = await client.ask(Sub(), self.recipient_id, self.key)
        await client.ask(Ping())
        deliveries = client.take(self.recipient_id)
        return deliveries[-1] if deliveries and isinstance(answer, Ok | Sok) else answer

    async def bodies(self, client: BlockClient) -> list[bytes]:
        """Subscribe, receive and acknowledge everything that is in the queue."""
        bodies: list[bytes] = []
        message = await self.subscribe(client)
        while message not in (Ok(), Sok()):
            assert isinstance(message, Msg), message
            content = decrypt_received(message, self.box)
            bodies.append(content.body if isinstance(content, Received) else b"QUOTA")
            message = await client.ask(Ack(message.message_id), self.recipient_id, self.key)
        return bodies


def random_body(size: int = 16000) -> bytes:
    return secrets.token_bytes(size)
