"""What agents send to one another: envelopes (what SMP carries) and messages (what the ratchet carries).

An envelope holds a ratchet's ciphertext, whose plaintext is an agent message. Messages of an established connection
are numbered, and each names the SHA-256 of the one before it. Source: agent-protocol.md ("Agent message envelope",
"Messages between SMP agents").
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from simplex_calls.agent.kem import KemAccepted
from simplex_calls.agent.links import Invitation, LinkError
from simplex_calls.agent.queue_address import QueueAddress, QueueInfo, QueueUri
from simplex_calls.agent.x3dh import E2EParams
from simplex_calls.crypto import PublicKey, sha256
from simplex_calls.smp.encoding import Reader, boolean, int64, items, large, maybe, public_key, short, word16
from simplex_calls.smp.errors import DecodeError

T = TypeVar("T")


class EnvelopeError(ValueError):
    """An envelope or an agent message does not follow the protocol."""


@dataclass(frozen=True, slots=True)
class AgentConfirmation:
    """The first envelope in a queue; the joiner's carries its ratchet keys."""

    agent_version: int
    e2e: E2EParams | None
    body: bytes = field(repr=False)
    """Ratchet ciphertext of :class:`ConnInfoReply` (joiner) or :class:`ConnInfo` (initiator)."""


@dataclass(frozen=True, slots=True)
class AgentMsgEnvelope:
    """Every later envelope."""

    agent_version: int
    body: bytes = field(repr=False)
    """Ratchet ciphertext of an agent message."""


@dataclass(frozen=True, slots=True)
class AgentInvitation:
    """The request of somebody who uses a contact address: an invitation to connect, under the queue's box only."""

    agent_version: int
    invitation: Invitation = field(repr=False)
    info: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class AgentRatchetKey:
    """New ratchet keys of a peer that wants to start the ratchet again."""

    agent_version: int
    e2e: E2EParams
    info: bytes = field(repr=False)


Envelope = AgentConfirmation | AgentMsgEnvelope | AgentInvitation | AgentRatchetKey


@dataclass(frozen=True, slots=True)
class ConnInfo:
    """The initiator's answer to a confirmation, with the application's connection info."""

    info: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class ConnInfoReply:
    """The joiner's confirmation: its queues for the way back, and the application's connection info."""

    queues: tuple[QueueInfo, ...]
    info: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class RatchetInfo:
    """Comes with :class:`AgentRatchetKey`."""

    info: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Hello:
    """The queue is secured and can be used."""


@dataclass(frozen=True, slots=True)
class AMsg:
    """A message of the application."""

    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Receipt:
    """The other side's agent received our message ``number``, and this is its SHA-256."""

    number: int
    hash: bytes
    info: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class Receipts:
    """Delivery receipts."""

    receipts: tuple[Receipt, ...]


@dataclass(frozen=True, slots=True)
class QueueContinue:
    """A queue that was full has room again."""

    address: QueueAddress


@dataclass(frozen=True, slots=True)
class QueueAdd:
    """New queues of the other side, each with the one that it replaces."""

    queues: tuple[tuple[QueueUri, QueueAddress | None], ...]


@dataclass(frozen=True, slots=True)
class QueueKeys:
    """Keys to secure new queues with."""

    queues: tuple[tuple[QueueInfo, PublicKey], ...]


@dataclass(frozen=True, slots=True)
class QueueUse:
    """New queues can be used; True for the primary one."""

    queues: tuple[tuple[QueueAddress, bool], ...]


@dataclass(frozen=True, slots=True)
class QueueTest:
    """The first message in a new queue."""

    addresses: tuple[QueueAddress, ...]


@dataclass(frozen=True, slots=True)
class RatchetReady:
    """A ratchet that was started again works; ``number`` is the last message that was decrypted before."""

    number: int


@dataclass(frozen=True, slots=True)
class Unknown:
    """A kind of message that newer agents know: tag and body as they came. It counts in the hash chain like others."""

    data: bytes = field(repr=False)


MessageBody = (
    Hello | AMsg | Receipts | QueueContinue | QueueAdd | QueueKeys | QueueUse | QueueTest | RatchetReady | Unknown
)


@dataclass(frozen=True, slots=True)
class Message:
    """A message of an established connection.

    ``number`` counts from 1 and includes the handshake's messages; ``previous_hash`` is :func:`message_hash` of the
    message before it, empty for the first.
    """

    number: int
    previous_hash: bytes
    body: MessageBody


AgentMessage = ConnInfo | ConnInfoReply | RatchetInfo | Message


def message_hash(encoded: bytes) -> bytes:
    """What the next message names as ``previous_hash``: the SHA-256 of an encoded agent message."""
    return sha256(encoded)


def encode_envelope(envelope: Envelope) -> bytes:
    """The binary form of an envelope."""
    version = word16(envelope.agent_version)
    match envelope:
        case AgentConfirmation(_, e2e, body):
            return version + b"C" + maybe(None if e2e is None else e2e.encode()) + body
        case AgentMsgEnvelope(_, body):
            return version + b"M" + body
        case AgentInvitation(_, invitation, info):
            return version + b"I" + large(str(invitation).encode("ascii")) + info
        case AgentRatchetKey(_, e2e_params, info):
            return version + b"R" + e2e_params.encode() + info


def decode_envelope(data: bytes) -> Envelope:
    """Decode an envelope; raises :class:`EnvelopeError`."""
    reader = Reader(data)
    try:
        version = reader.word16()
        match reader.take(1):
            case b"C":
                return AgentConfirmation(version, reader.maybe(lambda: E2EParams.read(reader)), reader.tail())
            case b"M":
                return AgentMsgEnvelope(version, reader.tail())
            case b"I":
                link = reader.large().decode("ascii")
                return AgentInvitation(version, Invitation.parse(link), reader.tail())
            case b"R":
                e2e = E2EParams.read(reader)
                if isinstance(e2e.kem, KemAccepted):
                    raise DecodeError("KEM keys are accepted where they can only be proposed")
                return AgentRatchetKey(version, e2e, reader.tail())
    except (DecodeError, LinkError) as error:
        raise EnvelopeError(f"agent envelope does not decode: {error}") from None
    except UnicodeDecodeError:
        raise EnvelopeError("agent envelope does not decode: the link is not ASCII") from None
    raise EnvelopeError("agent envelope is of an unknown kind")


def encode_message(message: AgentMessage) -> bytes:
    """The binary form of an agent message."""
    match message:
        case ConnInfo(info):
            return b"I" + info
        case ConnInfoReply(queues, info):
            return b"D" + items(queue.encode() for queue in queues) + info
        case RatchetInfo(info):
            return b"R" + info
        case Message(number, previous_hash, body):
            return b"M" + int64(number) + short(previous_hash) + _encode_body(body)


def decode_message(data: bytes) -> AgentMessage:
    """Decode an agent message; raises :class:`EnvelopeError`."""
    reader = Reader(data)
    try:
        match reader.take(1):
            case b"I":
                return ConnInfo(reader.tail())
            case b"D":
                queues = reader.nonempty(lambda: QueueInfo.read(reader))
                return ConnInfoReply(tuple(queues), reader.tail())
            case b"R":
                return RatchetInfo(reader.tail())
            case b"M":
                message = Message(reader.int64(), reader.short(), _read_body(reader))
                reader.end()
                return message
    except DecodeError as error:
        raise EnvelopeError(f"agent message does not decode: {error}") from None
    raise EnvelopeError("agent message is of an unknown kind")


def _encode_body(body: MessageBody) -> bytes:
    match body:
        case Hello():
            return b"H"
        case AMsg(content):
            return b"M" + content
        case Receipts(receipts):
            return b"V" + items(int64(item.number) + short(item.hash) + large(item.info) for item in receipts)
        case QueueContinue(address):
            return b"QC" + address.encode()
        case QueueAdd(added):
            return b"QA" + items(uri.encode() + maybe(None if old is None else old.encode()) for uri, old in added)
        case QueueKeys(keys):
            return b"QK" + items(queue.encode() + public_key(key) for queue, key in keys)
        case QueueUse(used):
            return b"QU" + items(address.encode() + boolean(primary) for address, primary in used)
        case QueueTest(addresses):
            return b"QT" + items(address.encode() for address in addresses)
        case RatchetReady(number):
            return b"E" + int64(number)
        case Unknown(data):
            return data


def _read_body(reader: Reader) -> MessageBody:
    tag = reader.peek(2 if reader.peek() == b"Q" else 1)
    if not tag:
        raise DecodeError("the message has no kind")
    read = _BODIES.get(tag)
    if read is None:
        return Unknown(reader.tail())
    reader.literal(tag)
    return read(reader)


def _read_receipt(reader: Reader) -> Receipt:
    return Receipt(reader.int64(), reader.short(), reader.large())


def _read_added(reader: Reader) -> tuple[QueueUri, QueueAddress | None]:
    return QueueUri.read(reader), reader.maybe(lambda: QueueAddress.read(reader))


def _read_key(reader: Reader) -> tuple[QueueInfo, PublicKey]:
    return QueueInfo.read(reader), reader.public_key()


def _read_use(reader: Reader) -> tuple[QueueAddress, bool]:
    return QueueAddress.read(reader), reader.boolean()


def _all(reader: Reader, read: Callable[[Reader], T]) -> tuple[T, ...]:
    return tuple(reader.nonempty(lambda: read(reader)))


_BODIES: dict[bytes, Callable[[Reader], MessageBody]] = {
    b"H": lambda _: Hello(),
    b"M": lambda reader: AMsg(reader.tail()),
    b"V": lambda reader: Receipts(_all(reader, _read_receipt)),
    b"QC": lambda reader: QueueContinue(QueueAddress.read(reader)),
    b"QA": lambda reader: QueueAdd(_all(reader, _read_added)),
    b"QK": lambda reader: QueueKeys(_all(reader, _read_key)),
    b"QU": lambda reader: QueueUse(_all(reader, _read_use)),
    b"QT": lambda reader: QueueTest(_all(reader, QueueAddress.read)),
    b"E": lambda reader: RatchetReady(reader.int64()),
}
