"""Servers' messages: answers to commands, and what comes unasked (MSG, END).

Source: simplex-messaging.md, "Server messages", and for versions 15 to 18 what servers of version 18 send.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from simplex_calls.crypto import X25519PublicKey
from simplex_calls.smp import encoding
from simplex_calls.smp.commands import (
    LINK_DATA,
    NEW_NOTIFIER,
    SENDER_SECURES,
    LinkData,
    QueueMode,
    read_queue_mode,
)
from simplex_calls.smp.encoding import Reader, VersionRange
from simplex_calls.smp.errors import DecodeError, ServerError
from simplex_calls.smp.handshake import SignedServerKey

DELETED_EVENT = 10
"""From this version on a subscriber of a deleted queue is told DELD, before it END."""

SERVICES = 16
"""From this version on a subscription is confirmed by SOK, and IDS may name a service."""


def max_message_size(version: int) -> int:
    """The longest SEND body, in bytes, that a server of ``version`` takes."""
    return 16048 if version >= 11 else 16064 if version >= 8 else 16088


@dataclass(frozen=True, slots=True)
class Ids:
    """IDS: the new queue's ids, and the server's key for the encryption of delivered bodies."""

    recipient_id: bytes = field(repr=False)
    sender_id: bytes = field(repr=False)
    server_dh_key: X25519PublicKey
    mode: QueueMode | None = None
    link_id: bytes | None = field(default=None, repr=False)
    service_id: bytes | None = field(default=None, repr=False)
    notifier: Nid | None = None

    @property
    def sender_can_secure(self) -> bool:
        """Whether the sender may secure the queue with its own key."""
        return self.mode is QueueMode.MESSAGING


@dataclass(frozen=True, slots=True)
class Msg:
    """MSG: a message, its body encrypted by the server for the recipient (see ``body.decrypt_received``)."""

    message_id: bytes = field(repr=False)
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class End:
    """END: another connection subscribed to the queue."""


@dataclass(frozen=True, slots=True)
class Deld:
    """DELD: the queue was deleted (version 10 and later)."""


@dataclass(frozen=True, slots=True)
class Ok:
    """OK: done."""


@dataclass(frozen=True, slots=True)
class Sok:
    """SOK: subscribed, for a service if there is one (``OK`` before version 16)."""

    service_id: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Soks:
    """SOKS: a service is subscribed to so many queues."""

    count: int


@dataclass(frozen=True, slots=True)
class Ends:
    """ENDS: another connection of the service subscribed to so many queues."""

    count: int


@dataclass(frozen=True, slots=True)
class Err:
    """ERR: not done, for this reason."""

    error: ServerError


@dataclass(frozen=True, slots=True)
class Pong:
    """PONG: the answer to PING."""


@dataclass(frozen=True, slots=True)
class Info:
    """INFO: the state of a queue, as the JSON text of the server."""

    data: bytes = field(repr=False)

    def parsed(self) -> dict[str, Any]:
        """The JSON object; raises :class:`DecodeError`."""
        try:
            value = json.loads(self.data)
        except (ValueError, RecursionError):
            raise DecodeError("queue information is not JSON") from None
        if not isinstance(value, dict):
            raise DecodeError("queue information is not a JSON object")
        return value


@dataclass(frozen=True, slots=True)
class Nid:
    """NID: push notifications are enabled under this id."""

    notifier_id: bytes = field(repr=False)
    server_dh_key: X25519PublicKey


@dataclass(frozen=True, slots=True)
class NMsg:
    """NMSG: a message came into a queue (for push servers)."""

    nonce: bytes
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Lnk:
    """LNK: the data of a short link, and the sender's id of its queue."""

    sender_id: bytes = field(repr=False)
    data: LinkData = field(repr=False)


@dataclass(frozen=True, slots=True)
class PKey:
    """PKEY: a proxy is connected; who the other server is, and the session to name in PFWD."""

    session_id: bytes = field(repr=False)
    versions: VersionRange
    server_key: SignedServerKey


@dataclass(frozen=True, slots=True)
class PRes:
    """PRES: the encrypted answer to a forwarded command, from a proxy to its client."""

    encrypted: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class RRes:
    """RRES: the encrypted answer to RFWD."""

    encrypted: bytes = field(repr=False)


BrokerMessage = (
    Ids | Msg | End | Deld | Ok | Sok | Soks | Ends | Err | Pong | Info | Nid | NMsg | Lnk | PKey | PRes | RRes
)

_BARE: dict[bytes, Callable[[], BrokerMessage]] = {b"END": End, b"DELD": Deld, b"OK": Ok, b"PONG": Pong}


def encode_message(message: BrokerMessage, version: int) -> bytes:
    """Encode a server's message for a client of ``version``; raises :class:`EncodeError`."""
    match message:
        case Ids():
            return _encode_ids(message, version)
        case Msg(message_id, body):
            return b"MSG " + encoding.short(message_id) + body
        case Err(error):
            return b"ERR " + error.encode(version)
        case Ok():
            return b"OK"
        case Pong():
            return b"PONG"
        case End():
            return b"END"
        case Deld():
            return b"DELD" if version >= DELETED_EVENT else b"END"
        case Info(data):
            return b"INFO " + data
        case Nid(notifier_id, key):
            return b"NID " + encoding.short(notifier_id) + encoding.public_key(key)
        case NMsg(nonce, data):
            return b"NMSG " + nonce + encoding.short(data)
        case Lnk(sender_id, link_data):
            return b"LNK " + encoding.short(sender_id) + link_data.encode()
        case Sok(service_id):
            return b"SOK " + _maybe_short(service_id) if version >= SERVICES else b"OK"
        case Soks(count):
            return b"SOKS " + encoding.int64(count)
        case Ends(count):
            return b"ENDS " + encoding.int64(count)
        case PKey(session_id, versions, server_key):
            return b"PKEY " + encoding.short(session_id) + versions.encode() + server_key.encode()
        case PRes(encrypted):
            return b"PRES " + encrypted
        case RRes(encrypted):
            return b"RRES " + encrypted


def decode_message(data: bytes, version: int) -> BrokerMessage:
    """Decode a server's message; raises :class:`DecodeError`."""
    reader = Reader(data)
    tag = reader.until(b" ")
    if (bare := _BARE.get(tag)) is not None:
        message = bare()
    elif (arguments := _READERS.get(tag)) is not None:
        reader.space()
        message = arguments(reader, version)
    else:
        raise DecodeError("server's message is not a known one")
    reader.end()
    return message


def _encode_ids(ids: Ids, version: int) -> bytes:
    encoded = b"IDS " + encoding.short(ids.recipient_id) + encoding.short(ids.sender_id)
    encoded += encoding.public_key(ids.server_dh_key)
    if version >= LINK_DATA:
        encoded += encoding.maybe(None if ids.mode is None else ids.mode.value.encode()) + _maybe_short(ids.link_id)
    elif version >= SENDER_SECURES:
        encoded += encoding.boolean(ids.sender_can_secure)
    if version >= SERVICES:
        encoded += _maybe_short(ids.service_id)
    if version >= NEW_NOTIFIER:
        nid = ids.notifier
        keys = None if nid is None else encoding.short(nid.notifier_id) + encoding.public_key(nid.server_dh_key)
        encoded += encoding.maybe(keys)
    return encoded


def _read_ids(reader: Reader, version: int) -> Ids:
    recipient_id, sender_id, key = reader.short(), reader.short(), reader.x25519_key()
    mode: QueueMode | None = None
    link_id: bytes | None = None
    if version >= LINK_DATA:
        mode, link_id = reader.maybe(lambda: read_queue_mode(reader)), reader.maybe(reader.short)
    elif version >= SENDER_SECURES:
        mode = QueueMode.MESSAGING if reader.boolean() else QueueMode.CONTACT
    service_id = reader.maybe(reader.short) if version >= SERVICES else None
    notifier = reader.maybe(lambda: Nid(reader.short(), reader.x25519_key())) if version >= NEW_NOTIFIER else None
    return Ids(recipient_id, sender_id, key, mode, link_id, service_id, notifier)


def _maybe_short(value: bytes | None) -> bytes:
    return encoding.maybe(None if value is None else encoding.short(value))


_READERS: dict[bytes, Callable[[Reader, int], BrokerMessage]] = {
    b"IDS": _read_ids,
    b"MSG": lambda r, _: Msg(r.short(), r.tail()),
    b"ERR": lambda r, _: Err(ServerError.decode(r.tail())),
    b"INFO": lambda r, _: Info(r.tail()),
    b"NID": lambda r, _: Nid(r.short(), r.x25519_key()),
    b"NMSG": lambda r, _: NMsg(r.take(24), r.short()),
    b"LNK": lambda r, _: Lnk(r.short(), LinkData.read(r)),
    b"SOKS": lambda r, _: Soks(r.int64()),
    b"ENDS": lambda r, _: Ends(r.int64()),
    b"SOK": lambda r, _: Sok(r.maybe(r.short)),
    b"PKEY": lambda r, _: PKey(r.short(), r.version_range(), SignedServerKey.read(r)),
    b"PRES": lambda r, _: PRes(r.tail()),
    b"RRES": lambda r, _: RRes(r.tail()),
}
