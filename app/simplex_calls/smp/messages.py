"""Servers' messages: answers to commands, and what comes unasked (MSG, END).

Source: simplex-messaging.md, "Server messages". Encodings are those of protocol versions 6 to 14; ``IDS`` of 15 and
later is refused.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from simplex_calls.crypto import X25519PublicKey
from simplex_calls.smp import encoding
from simplex_calls.smp.commands import LAST_SIMPLE_NEW, SENDER_SECURES, LinkData
from simplex_calls.smp.encoding import Reader
from simplex_calls.smp.errors import DecodeError, EncodeError, ServerError

DELETED_EVENT = 10
"""From this version on a subscriber of a deleted queue is told DELD, before it END."""

MAX_MESSAGE_SIZE = 16064
"""The longest SEND body, in bytes, that a server of versions 8 to 10 takes."""


@dataclass(frozen=True, slots=True)
class Ids:
    """IDS: the new queue's ids, and the server's key for the encryption of delivered bodies."""

    recipient_id: bytes = field(repr=False)
    sender_id: bytes = field(repr=False)
    server_dh_key: X25519PublicKey
    sender_can_secure: bool = False


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


BrokerMessage = Ids | Msg | End | Deld | Ok | Err | Pong | Info | Nid | NMsg | Lnk

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
    if version > LAST_SIMPLE_NEW:
        raise EncodeError(f"IDS is not known in version {version}")
    key = encoding.public_key(ids.server_dh_key)
    mode = encoding.boolean(ids.sender_can_secure) if version >= SENDER_SECURES else b""
    return b"IDS " + encoding.short(ids.recipient_id) + encoding.short(ids.sender_id) + key + mode


def _read_ids(reader: Reader, version: int) -> Ids:
    if version > LAST_SIMPLE_NEW:
        raise DecodeError(f"IDS is not known in version {version}")
    recipient_id, sender_id, key = reader.short(), reader.short(), reader.x25519_key()
    return Ids(recipient_id, sender_id, key, reader.boolean() if version >= SENDER_SECURES else False)


_READERS: dict[bytes, Callable[[Reader, int], BrokerMessage]] = {
    b"IDS": _read_ids,
    b"MSG": lambda r, _: Msg(r.short(), r.tail()),
    b"ERR": lambda r, _: Err(ServerError.decode(r.tail())),
    b"INFO": lambda r, _: Info(r.tail()),
    b"NID": lambda r, _: Nid(r.short(), r.x25519_key()),
    b"NMSG": lambda r, _: NMsg(r.take(24), r.short()),
    b"LNK": lambda r, _: Lnk(r.short(), LinkData.read(r)),
}
