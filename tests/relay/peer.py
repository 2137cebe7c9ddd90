"""A client of the relay's core: makes transmissions as a client does, and decodes what comes back from its bytes."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

from simplex_calls.crypto import (
    BoxKey,
    Ed25519PrivateKey,
    X25519PrivateKey,
)
from simplex_calls.relay.core import Limits, Outgoing, RelayCore
from simplex_calls.relay.core import Session as CoreSession
from simplex_calls.relay.store import Store
from simplex_calls.smp.body import QuotaReached, Received, decrypt_received
from simplex_calls.smp.commands import Ack, Command, New, Send, Sub, encode_command
from simplex_calls.smp.errors import CommandFault, ErrorCode, ServerError
from simplex_calls.smp.messages import BrokerMessage, Err, Ids, Msg, Ok, decode_message, encode_message
from simplex_calls.smp.transmission import (
    AuthorizationKey,
    Session,
    decode_transmission,
    encode_transmission,
)

VERSION = 9
START = 1_700_000_000.0

AUTH = Err(ServerError(ErrorCode.AUTH))
QUOTA = Err(ServerError(ErrorCode.QUOTA))
NO_MSG = Err(ServerError(ErrorCode.NO_MSG))
LARGE_MSG = Err(ServerError(ErrorCode.LARGE_MSG))


def cmd(fault: CommandFault) -> Err:
    return Err(ServerError.cmd(fault))


class Server:
    """A core with a store in memory; ``now`` is what its clock says."""

    def __init__(
        self, store: Store | None = None, *, limits: Limits | None = None, password: str | None = None
    ) -> None:
        self.store = store or Store()
        self.core = RelayCore(self.store, limits=limits or Limits(), password=password)
        self.now = START
        self.peers: list[Peer] = []

    def peer(self) -> Peer:
        peer = Peer(self, len(self.peers))
        self.peers.append(peer)
        return peer

    def commit(self) -> None:
        self.store.write(self.core.take_changes())

    def take(self, outgoing: list[Outgoing]) -> None:
        """Hand messages to their peers, as bytes."""
        for message in outgoing:
            data = encode_message(message.message, VERSION)
            for peer in self.peers:
                if peer.core_session is message.session:
                    peer.received.append((message.corr_id, message.entity_id, decode_message(data, VERSION)))


@dataclass
class Peer:
    server: Server
    number: int
    received: list[tuple[bytes, bytes, BrokerMessage]] = field(default_factory=list)

    def __post_init__(self) -> None:
        server_key = X25519PrivateKey.generate()
        self.core_session: CoreSession = self.server.core.connect(server_key, VERSION)
        self.session = Session(VERSION, bytes([self.number]) * 32, server_key.public)
        self._numbers = itertools.count()

    def ask(self, command: Command, entity_id: bytes = b"", key: AuthorizationKey | None = None) -> BrokerMessage:
        return self.ask_raw(encode_command(command, VERSION), entity_id, key)

    def ask_raw(self, command: bytes, entity_id: bytes = b"", key: AuthorizationKey | None = None) -> BrokerMessage:
        """Send a command, and return its answer; what else comes is in :attr:`received`."""
        corr_id = next(self._numbers).to_bytes(24, "big")
        data = encode_transmission(self.session, corr_id, entity_id, command, key)
        outgoing: list[Outgoing] = []
        self.server.core.handle(self.core_session, decode_transmission(self.session, data), self.server.now, outgoing)
        self.server.commit()
        self.server.take(outgoing)
        answered, answered_entity, answer = self.received.pop()
        assert answered == corr_id
        assert answered_entity in (entity_id, b"")
        return answer

    def deliveries(self, entity_id: bytes) -> list[BrokerMessage]:
        """What came unasked for a queue since the last call."""
        messages = [message for corr_id, entity, message in self.received if entity == entity_id and not corr_id]
        self.received = [item for item in self.received if item[1] != entity_id or item[0]]
        return messages

    def disconnect(self) -> None:
        self.server.core.disconnect(self.core_session)


class Queue:
    """A queue as its recipient and its sender know it."""

    def __init__(self, recipient: Peer, *, subscribe: bool = True, sender_can_secure: bool = True) -> None:
        self.key: AuthorizationKey = Ed25519PrivateKey.generate()
        self.sender_key: AuthorizationKey = X25519PrivateKey.generate()
        dh_key = X25519PrivateKey.generate()
        new = New(self.key.public, dh_key.public, subscribe=subscribe, sender_can_secure=sender_can_secure)
        ids = recipient.ask(new, key=self.key)
        assert isinstance(ids, Ids)
        assert ids.sender_can_secure == sender_can_secure
        self.recipient_id, self.sender_id = ids.recipient_id, ids.sender_id
        self.box = BoxKey.agree(dh_key, ids.server_dh_key)

    def ask(self, peer: Peer, command: Command) -> BrokerMessage:
        """A command of the recipient."""
        return peer.ask(command, self.recipient_id, self.key)

    def send(self, peer: Peer, body: bytes, *, signed: bool = False, notify: bool = False) -> BrokerMessage:
        return peer.ask(Send(body, notify), self.sender_id, self.sender_key if signed else None)

    def open(self, message: BrokerMessage) -> Received | QuotaReached:
        assert isinstance(message, Msg), message
        return decrypt_received(message, self.box)

    def bodies(self, peer: Peer) -> list[bytes]:
        """Subscribe, receive and acknowledge everything that is in the queue."""
        bodies = []
        peer.core_session.room = 1000
        message = self.ask(peer, Sub())
        while message != Ok():
            assert isinstance(message, Msg), message
            content = self.open(message)
            bodies.append(content.body if isinstance(content, Received) else b"QUOTA")
            message = self.ask(peer, Ack(message.message_id))
        return bodies
