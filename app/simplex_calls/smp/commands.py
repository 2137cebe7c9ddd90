"""Clients' commands: what a server is asked to do.

Source: simplex-messaging.md, "SMP commands", and for versions 15 to 18 what servers of version 18 take. ``NEW`` is the
only command whose bytes depend on the version (6 to 18); what a version has no room for is left out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum

from simplex_calls.crypto import PublicKey, X25519PublicKey
from simplex_calls.smp import encoding
from simplex_calls.smp.address import ServerAddress
from simplex_calls.smp.encoding import Reader
from simplex_calls.smp.errors import CommandFault, DecodeError, ServerError

SENDER_SECURES = 9
"""From this version on a queue's sender may secure it, and NEW and IDS say so."""
LINK_DATA = 15
"""From this version on NEW may bring the data of a short link, and NEW and IDS tell what a queue is for."""
NEW_NOTIFIER = 17
"""From this version on NEW may enable push notifications."""


class QueueMode(Enum):
    """What a queue is for."""

    MESSAGING = "M"
    """One sender, who may secure the queue with its own key."""
    CONTACT = "C"
    """Many senders: an address."""


class CommandError(DecodeError):
    """A command that does not decode or is not allowed so; :attr:`error` is the server's answer to it."""

    def __init__(self, fault: CommandFault) -> None:
        super().__init__(f"command is not valid: {fault.value}")
        self.error = ServerError.cmd(fault)


@dataclass(frozen=True, slots=True)
class LinkData:
    """The encrypted data of a short link: the part that never changes, and the part that may."""

    fixed: bytes = field(repr=False)
    user: bytes = field(repr=False)

    def encode(self) -> bytes:
        """Two large strings."""
        return encoding.large(self.fixed) + encoding.large(self.user)

    @classmethod
    def read(cls, reader: Reader) -> LinkData:
        """Read two large strings; raises :class:`DecodeError`."""
        return cls(reader.large(), reader.large())


@dataclass(frozen=True, slots=True)
class LinkRequest:
    """The short link of a new queue, at the ids that its maker chose.

    ``sender_id`` must be :func:`sender_id_for` the correlation id of NEW. ``link_id`` belongs to a contact's link; that
    of a one-time link is chosen by the server.
    """

    sender_id: bytes = field(repr=False)
    data: LinkData = field(repr=False)
    link_id: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class NotifierRequest:
    """The keys that enable push notifications of a new queue."""

    auth_key: PublicKey
    dh_key: X25519PublicKey


@dataclass(frozen=True, slots=True)
class New:
    """NEW: create a queue, for the recipient that signs with ``auth_key``."""

    auth_key: PublicKey
    dh_key: X25519PublicKey
    password: str | None = field(default=None, repr=False)
    subscribe: bool = True
    mode: QueueMode | None = None
    link: LinkRequest | None = None
    notifier: NotifierRequest | None = None

    @property
    def sender_can_secure(self) -> bool:
        """Whether the sender may secure the queue with its own key."""
        return self.mode is QueueMode.MESSAGING


@dataclass(frozen=True, slots=True)
class Sub:
    """SUB: have the messages of a queue delivered on this connection."""


@dataclass(frozen=True, slots=True)
class Subs:
    """SUBS: a service subscribes to all of its queues (from version 16)."""


@dataclass(frozen=True, slots=True)
class Key:
    """KEY: the recipient sets the key that sender's commands are verified with."""

    sender_key: PublicKey


@dataclass(frozen=True, slots=True)
class SKey:
    """SKEY: the sender sets its own key (from version 9)."""

    sender_key: PublicKey


@dataclass(frozen=True, slots=True)
class Send:
    """SEND: put a message into the queue."""

    body: bytes = field(repr=False)
    notify: bool = False


@dataclass(frozen=True, slots=True)
class Ack:
    """ACK: the message is stored here, delete it and deliver the next one."""

    message_id: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Get:
    """GET: one message without subscribing."""


@dataclass(frozen=True, slots=True)
class Off:
    """OFF: accept no more messages."""


@dataclass(frozen=True, slots=True)
class Del:
    """DEL: delete the queue with its messages."""


@dataclass(frozen=True, slots=True)
class Que:
    """QUE: tell the state of the queue."""


@dataclass(frozen=True, slots=True)
class Ping:
    """PING: keep the connection alive."""


@dataclass(frozen=True, slots=True)
class NKey:
    """NKEY: enable push notifications."""

    notifier_key: PublicKey
    dh_key: X25519PublicKey


@dataclass(frozen=True, slots=True)
class NDel:
    """NDEL: disable push notifications."""


@dataclass(frozen=True, slots=True)
class NSub:
    """NSUB: the push server subscribes to notifications."""


@dataclass(frozen=True, slots=True)
class NSubs:
    """NSUBS: a push server that is a service subscribes to those of all of its queues (from version 16)."""


@dataclass(frozen=True, slots=True)
class LSet:
    """LSET: set the data of a short link."""

    link_id: bytes = field(repr=False)
    data: LinkData = field(repr=False)


@dataclass(frozen=True, slots=True)
class LDel:
    """LDEL: delete the data of a short link."""


@dataclass(frozen=True, slots=True)
class LKey:
    """LKEY: get the data of a one-time short link, and secure its queue."""

    sender_key: PublicKey


@dataclass(frozen=True, slots=True)
class LGet:
    """LGET: get the data of a contact's short link."""


@dataclass(frozen=True, slots=True)
class Prxy:
    """PRXY: connect to another server, to forward a client's commands to it (from version 8)."""

    server: ServerAddress
    password: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class PFwd:
    """PFWD: forward an encrypted command to the server whose session is the entity id."""

    version: int
    command_key: X25519PublicKey
    encrypted: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class RFwd:
    """RFWD: a proxy forwards what a client encrypted for this server."""

    encrypted: bytes = field(repr=False)


Command = (
    New | Sub | Key | SKey | Send | Ack | Get | Off | Del | Que | Ping
    | NKey | NDel | NSub | Subs | NSubs | LSet | LDel | LKey | LGet | Prxy | PFwd | RFwd
)  # fmt: skip

_BARE: dict[bytes, Callable[[], Command]] = {
    b"SUB": Sub, b"GET": Get, b"OFF": Off, b"DEL": Del, b"QUE": Que, b"PING": Ping,
    b"NDEL": NDel, b"NSUB": NSub, b"SUBS": Subs, b"NSUBS": NSubs, b"LDEL": LDel, b"LGET": LGet,
}  # fmt: skip
_BARE_TAGS = {kind: tag for tag, kind in _BARE.items()}


def encode_command(command: Command, version: int) -> bytes:
    """Encode a command for a server of ``version``; raises :class:`EncodeError`."""
    match command:
        case New():
            return _encode_new(command, version)
        case Key(key):
            return b"KEY " + encoding.public_key(key)
        case SKey(key):
            return b"SKEY " + encoding.public_key(key)
        case Send(body, notify):
            return b"SEND " + encoding.boolean(notify) + b" " + body
        case Ack(message_id):
            return b"ACK " + encoding.short(message_id)
        case NKey(key, dh_key):
            return b"NKEY " + encoding.public_key(key) + encoding.public_key(dh_key)
        case LSet(link_id, data):
            return b"LSET " + encoding.short(link_id) + data.encode()
        case LKey(key):
            return b"LKEY " + encoding.public_key(key)
        case Prxy(server, password):
            return b"PRXY " + server.encode() + encoding.maybe(_password_bytes(password))
        case PFwd(forwarded_version, key, encrypted):
            return b"PFWD " + encoding.word16(forwarded_version) + encoding.public_key(key) + encrypted
        case RFwd(encrypted):
            return b"RFWD " + encrypted
        case _:
            return _BARE_TAGS[type(command)]


def decode_command(data: bytes, version: int) -> Command:
    """Decode a client's command; raises :class:`CommandError`, whose ``error`` is the answer to give."""
    reader = Reader(data)
    tag = reader.until(b" ")
    if (bare := _BARE.get(tag)) is not None:
        read = bare
    elif (arguments := _READERS.get(tag)) is not None:

        def read() -> Command:
            reader.space()
            return arguments(reader, version)

    else:
        raise CommandError(CommandFault.UNKNOWN)
    try:
        command = read()
        reader.end()
    except DecodeError:
        raise CommandError(CommandFault.SYNTAX) from None
    return command


def check_credentials(command: Command, *, authorized: bool, entity: bool) -> None:
    """Check that a command came with the authorization and the queue id it needs, and with none it may not have.

    Raises :class:`CommandError`. Which key the authorization was made with is the server's business.
    """
    fault: CommandFault | None = None
    match command:
        case New():
            fault = CommandFault.NO_AUTH if not authorized else CommandFault.HAS_AUTH if entity else None
        case Send():
            fault = None if entity else CommandFault.NO_ENTITY
        case LGet():
            fault = CommandFault.NO_ENTITY if not entity else CommandFault.HAS_AUTH if authorized else None
        case Ping() | Prxy() | RFwd():
            fault = CommandFault.HAS_AUTH if authorized or entity else None
        case PFwd():
            fault = CommandFault.NO_ENTITY if not entity else CommandFault.HAS_AUTH if authorized else None
        case _:
            fault = None if authorized and entity else CommandFault.NO_AUTH
    if fault is not None:
        raise CommandError(fault)


def _encode_new(new: New, version: int) -> bytes:
    password = _password_bytes(new.password)
    head = b"NEW " + encoding.public_key(new.auth_key) + encoding.public_key(new.dh_key)
    subscription = b"S" if new.subscribe else b"C"
    if version < SENDER_SECURES:
        return head + (b"" if password is None else b"A" + password) + subscription
    head += encoding.maybe(password) + subscription
    if version < LINK_DATA:
        return head + encoding.boolean(new.sender_can_secure)
    head += encoding.maybe(None if new.mode is None else new.mode.value.encode() + _encode_link(new.link))
    if version < NEW_NOTIFIER:
        return head
    notifier = new.notifier
    if notifier is None:
        return head + encoding.maybe(None)
    return head + encoding.maybe(encoding.public_key(notifier.auth_key) + encoding.public_key(notifier.dh_key))


def _encode_link(link: LinkRequest | None) -> bytes:
    if link is None:
        return encoding.maybe(None)
    link_id = b"" if link.link_id is None else encoding.short(link.link_id)
    return encoding.maybe(link_id + encoding.short(link.sender_id) + link.data.encode())


def _read_new(reader: Reader, version: int) -> New:
    auth_key, dh_key = reader.public_key(), reader.x25519_key()
    if version >= SENDER_SECURES:
        password = reader.maybe(reader.short)
    elif reader.peek() == b"A":
        reader.literal(b"A")
        password = reader.short()
    else:
        password = None
    subscription = reader.take(1)
    if subscription not in (b"S", b"C"):
        raise DecodeError("subscription mode is neither S nor C")
    mode: QueueMode | None = None
    link: LinkRequest | None = None
    notifier: NotifierRequest | None = None
    if version >= LINK_DATA:
        mode, link = reader.maybe(lambda: _read_queue_request(reader)) or (None, None)
    elif version >= SENDER_SECURES:
        mode = QueueMode.MESSAGING if reader.boolean() else QueueMode.CONTACT
    if version >= NEW_NOTIFIER:
        notifier = reader.maybe(lambda: NotifierRequest(reader.public_key(), reader.x25519_key()))
    return New(auth_key, dh_key, _password_text(password), subscription == b"S", mode, link, notifier)


def _read_queue_request(reader: Reader) -> tuple[QueueMode, LinkRequest | None]:
    mode = read_queue_mode(reader)

    def read_link() -> LinkRequest:
        link_id = reader.short() if mode is QueueMode.CONTACT else None
        sender_id = reader.short()
        return LinkRequest(sender_id, LinkData.read(reader), link_id)

    return mode, reader.maybe(read_link)


def read_queue_mode(reader: Reader) -> QueueMode:
    """Read ``M`` or ``C``; raises :class:`DecodeError`."""
    try:
        return QueueMode(reader.take(1).decode("ascii"))
    except ValueError:
        raise DecodeError("queue mode is neither M nor C") from None


def sender_id_for(corr_id: bytes) -> bytes:
    """The sender's id of a queue whose NEW has this correlation id and brings link data: 24 bytes.

    So the maker knows the id that it must put into the link before the server answers, and cannot choose it.
    """
    return hashlib.sha3_384(corr_id).digest()[:24]


def _password_bytes(password: str | None) -> bytes | None:
    return None if password is None else encoding.short(password.encode())


def _password_text(password: bytes | None) -> str | None:
    try:
        return None if password is None else password.decode()
    except UnicodeDecodeError:
        raise DecodeError("password is not text") from None


def _read_send(reader: Reader, _version: int) -> Send:
    notify = reader.boolean()
    reader.until(b" ")  # flags of the future
    reader.space()
    return Send(reader.tail(), notify)


_READERS: dict[bytes, Callable[[Reader, int], Command]] = {
    b"NEW": _read_new,
    b"KEY": lambda r, _: Key(r.public_key()),
    b"SKEY": lambda r, _: SKey(r.public_key()),
    b"SEND": _read_send,
    b"ACK": lambda r, _: Ack(r.short()),
    b"NKEY": lambda r, _: NKey(r.public_key(), r.x25519_key()),
    b"LSET": lambda r, _: LSet(r.short(), LinkData.read(r)),
    b"LKEY": lambda r, _: LKey(r.public_key()),
    b"PRXY": lambda r, _: Prxy(ServerAddress.read(r), _password_text(r.maybe(r.short))),
    b"PFWD": lambda r, _: PFwd(r.word16(), r.x25519_key(), r.tail()),
    b"RFWD": lambda r, _: RFwd(r.tail()),
}
