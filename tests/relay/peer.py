"""A client of the relay's core: makes transmissions as a client does, and decodes what comes back from its bytes."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

from simplex_calls.crypto import (
    BoxKey,
    Ed25519PrivateKey,
    X25519PrivateKey,
)
from simplex_calls.relay.core import RelayCore
from simplex_calls.relay.sessions import Limits, Outgoing
from simplex_calls.relay.sessions import Session as CoreSession
from simplex_calls.relay.store import Store
from simplex_calls.smp.body import QuotaReached, Received, decrypt_received
from simplex_calls.smp.commands import Ack, Command, New, QueueMode, Send, Sub, encode_command
from simplex_calls.smp.errors import CommandFault, ErrorCode, ServerError
from simplex_calls.smp.messages import BrokerMessage, Err, Ids, Msg, Ok, Sok, decode_message, encode_message
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
        self,
        store: Store | None = None,
        *,
        limits: Limits | None = None,
        password: str | None = None,
        is_proxy: bool = False,
    ) -> None:
        self.store = store or Store()
        self.core = RelayCore(self.store, limits=limits or Limits(), password=password, is_proxy=is_proxy)
        self.now = START
        self.peers: list[Peer] = []

    def peer(self, version: int = VERSION) -> Peer:
        peer = Peer(self, len(self.peers), version)
        self.peers.append(peer)
        return peer

    def commit(self) -> None:
        self.store.write(self.core.take_changes())

    def take(self, outgoing: list[Outgoing]) -> None:
        """Hand messages to their peers, as bytes."""
        for message in outgoing:
            for peer in self.peers:
                if peer.core_session is message.session:
                    decoded = decode_message(encode_message(message.message, peer.version), peer.version)
                    peer.received.append((message.corr_id, message.entity_id, decoded))


@dataclass
class Peer:
    server: Server
    number: int
    version: int = VERSION
    received: list[tuple[bytes, bytes, BrokerMessage]] = field(default_factory=list)

    def __post_init__(self) -> None:
        server_key, session_id = X25519PrivateKey.generate(), bytes([self.number]) * 32
        self.client_key = X25519PrivateKey.generate()
        client_key = self.client_key.public if self.version >= 7 else None
        self.core_session: CoreSession = self.server.core.connect(server_key, self.version, session_id, client_key)
        self.session = Session(self.version, session_id, server_key.public if self.version >= 7 else None)
        self._numbers = itertools.count()

    def ask(
        self,
        command: Command,
        entity_id: bytes = b"",
        key: AuthorizationKey | None = None,
        corr_id: bytes | None = None,
    ) -> BrokerMessage:
        return self.ask_raw(encode_command(command, self.version), entity_id, key, corr_id)

    def ask_raw(
        self,
        command: bytes,
        entity_id: bytes = b"",
        key: AuthorizationKey | None = None,
        corr_id: bytes | None = None,
    ) -> BrokerMessage:
        """Send a command, and return its answer; what else comes is in :attr:`received`."""
        corr_id = corr_id or next(self._numbers).to_bytes(24, "big")
        data = encode_transmission(self.session, corr_id, entity_id, command, key)
        outgoing: list[Outgoing] = []
        self.server.core.handle(self.core_session, decode_transmission(self.session, data), self.server.now, outgoing)
        self.server.core.end_block(self.core_session, outgoing)
        self.server.commit()
        self.server.take(outgoing)
        (at,) = (at for at, item in enumerate(self.received) if item[0] == corr_id)
        _, answered_entity, answer = self.received.pop(at)
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
        mode = QueueMode.MESSAGING if sender_can_secure else QueueMode.CONTACT
        new = New(self.key.public, dh_key.public, subscribe=subscribe, mode=mode)
        ids = recipient.ask(new, key=self.key)
        assert isinstance(ids, Ids)
        assert ids.sender_can_secure == (sender_can_secure and recipient.version >= 9)
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

    def subscribe(self, peer: Peer) -> BrokerMessage:
        """Subscribe, and return the message that follows the answer if there is one."""
        answer = self.ask(peer, Sub())
        deliveries = [message for message in peer.deliveries(self.recipient_id) if isinstance(message, Msg)]
        return deliveries[-1] if deliveries and isinstance(answer, Ok | Sok) else answer

    def bodies(self, peer: Peer) -> list[bytes]:
        """Subscribe, receive and acknowledge everything that is in the queue."""
        bodies = []
        peer.core_session.room = 1000
        message = self.subscribe(peer)
        while message not in (Ok(), Sok()):
            assert isinstance(message, Msg), message
            content = self.open(message)
            bodies.append(content.body if isinstance(content, Received) else b"QUOTA")
            message = self.ask(peer, Ack(message.message_id))
        return bodies
