"""Messages of STUN and TURN, bytes ⇄ values. Pure.

Source: RFC 8489, sections 5, 9.2 and 14; RFC 8656, section 18.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import struct
import zlib
from dataclasses import dataclass
from enum import IntEnum

MAGIC = 0x2112A442
HEADER_SIZE = 20
TRANSACTION_SIZE = 12
_FINGERPRINT_XOR = 0x5354554E
_INTEGRITY_SIZE = 20
_IPV4, _IPV6 = 1, 2

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
Address = tuple[IPAddress, int]
"""Where something is: IP address and port."""


class StunError(Exception):
    """What came is not the message that it should be."""


class Method(IntEnum):
    """What a message is about."""

    BINDING = 0x001
    ALLOCATE = 0x003
    REFRESH = 0x004
    CREATE_PERMISSION = 0x008


class Kind(IntEnum):
    """The class of a message."""

    REQUEST = 0b00
    INDICATION = 0b01
    SUCCESS = 0b10
    ERROR = 0b11


class Attribute(IntEnum):
    """The attributes that are used here."""

    MAPPED_ADDRESS = 0x0001
    USERNAME = 0x0006
    MESSAGE_INTEGRITY = 0x0008
    ERROR_CODE = 0x0009
    LIFETIME = 0x000D
    XOR_PEER_ADDRESS = 0x0012
    REALM = 0x0014
    NONCE = 0x0015
    XOR_RELAYED_ADDRESS = 0x0016
    REQUESTED_ADDRESS_FAMILY = 0x0017
    REQUESTED_TRANSPORT = 0x0019
    XOR_MAPPED_ADDRESS = 0x0020
    SOFTWARE = 0x8022
    FINGERPRINT = 0x8028


@dataclass(frozen=True, slots=True)
class Message:
    """A message without its integrity and its fingerprint. ``method`` is a number, as a server may use any."""

    method: int
    kind: Kind
    transaction: bytes
    attributes: tuple[tuple[int, bytes], ...] = ()

    def get(self, attribute: Attribute) -> bytes | None:
        """The value of the first attribute of this type."""
        return next((value for number, value in self.attributes if number == attribute), None)

    def address(self, attribute: Attribute) -> Address | None:
        """The address in an ``XOR-…`` attribute; raises :class:`StunError`."""
        value = self.get(attribute)
        return None if value is None else _xored_address(value, self.transaction)

    @property
    def error(self) -> tuple[int, str] | None:
        """Code and reason of ERROR-CODE (RFC 8489, section 14.8); raises :class:`StunError`."""
        value = self.get(Attribute.ERROR_CODE)
        if value is None:
            return None
        if len(value) < 4 or value[2] & 7 not in range(3, 7) or value[3] > 99:
            raise StunError("the error code is damaged")
        return (value[2] & 7) * 100 + value[3], value[4:].decode("utf-8", "replace")


def encode(message: Message, key: bytes | None = None) -> bytes:
    """The bytes of a message, with MESSAGE-INTEGRITY under ``key`` if there is one, and with FINGERPRINT."""
    body = b"".join(_attribute(number, value) for number, value in message.attributes)
    if key is not None:
        length = len(body) + 4 + _INTEGRITY_SIZE
        integrity = hmac.digest(key, _header(message, length) + body, hashlib.sha1)
        body += _attribute(Attribute.MESSAGE_INTEGRITY, integrity)
    head = _header(message, len(body) + 8)
    fingerprint = zlib.crc32(head + body) ^ _FINGERPRINT_XOR
    return head + body + _attribute(Attribute.FINGERPRINT, struct.pack("!I", fingerprint))


def decode(data: bytes, key: bytes | None = None) -> Message:
    """Read a whole message; with ``key``, its MESSAGE-INTEGRITY must be there and right. Raises :class:`StunError`."""
    if len(data) < HEADER_SIZE:
        raise StunError("a message of STUN has 20 bytes at least")
    kind_and_method, length, magic = struct.unpack_from("!HHI", data)
    if kind_and_method >> 14 or magic != MAGIC or length % 4 or len(data) != HEADER_SIZE + length:
        raise StunError("this is no message of STUN")
    kind = Kind((kind_and_method >> 4 & 1) | (kind_and_method >> 7 & 2))
    method = kind_and_method & 0xF | (kind_and_method >> 1 & 0x70) | (kind_and_method >> 2 & 0xF80)
    attributes: list[tuple[int, bytes]] = []
    is_authentic = False
    at = HEADER_SIZE
    while at < len(data):
        if at + 4 > len(data):
            raise StunError("an attribute is cut off")
        number, size = struct.unpack_from("!HH", data, at)
        value = data[at + 4 : at + 4 + size]
        if len(value) != size:
            raise StunError("an attribute is cut off")
        if number == Attribute.FINGERPRINT:
            head = data[:2] + struct.pack("!H", at - HEADER_SIZE + 8) + data[4:at]
            if value != struct.pack("!I", zlib.crc32(head) ^ _FINGERPRINT_XOR):
                raise StunError("the fingerprint is wrong")
        elif number == Attribute.MESSAGE_INTEGRITY:
            if key is not None:
                head = data[:2] + struct.pack("!H", at - HEADER_SIZE + 4 + _INTEGRITY_SIZE) + data[4:at]
                if not hmac.compare_digest(value, hmac.digest(key, head, hashlib.sha1)):
                    raise StunError("the integrity is wrong")
                is_authentic = True
        elif not is_authentic:  # what follows the integrity is not protected by it
            attributes.append((number, value))
        at += 4 + size + -size % 4
    if key is not None and not is_authentic:
        raise StunError("the integrity is missing")
    return Message(method, kind, data[8:HEADER_SIZE], tuple(attributes))


def size_in(head: bytes) -> int:
    """How long the message is that begins with these four bytes, as on TCP; raises :class:`StunError`."""
    kind, length = struct.unpack("!HH", head)
    if kind >> 14 or length % 4:
        raise StunError("this is no message of STUN")
    return int(HEADER_SIZE + length)


def long_term_key(username: str, realm: str, password: str) -> bytes:
    """The key of MESSAGE-INTEGRITY with long-term credentials (RFC 8489, section 18.5.1.1)."""
    return hashlib.md5(f"{username}:{realm}:{password}".encode(), usedforsecurity=False).digest()


def xored_address(address: Address, transaction: bytes) -> bytes:
    """The value of an ``XOR-…-ADDRESS`` (RFC 8489, section 14.2)."""
    host, port = address
    family = _IPV4 if host.version == 4 else _IPV6
    mask = struct.pack("!I", MAGIC) + transaction
    packed = bytes(a ^ b for a, b in zip(host.packed, mask, strict=False))
    return struct.pack("!BBH", 0, family, port ^ MAGIC >> 16) + packed


def _xored_address(value: bytes, transaction: bytes) -> Address:
    if len(value) < 4 or len(value) != {_IPV4: 8, _IPV6: 20}.get(value[1]):
        raise StunError("an address is damaged")
    (port,) = struct.unpack_from("!H", value, 2)
    mask = struct.pack("!I", MAGIC) + transaction
    packed = bytes(a ^ b for a, b in zip(value[4:], mask, strict=False))
    return ipaddress.ip_address(packed), port ^ MAGIC >> 16


def _header(message: Message, length: int) -> bytes:
    method, kind = message.method, message.kind
    bits = method & 0xF | (method & 0x70) << 1 | (method & 0xF80) << 2 | (kind & 1) << 4 | (kind & 2) << 7
    return struct.pack("!HHI", bits, length, MAGIC) + message.transaction


def _attribute(number: int, value: bytes) -> bytes:
    return struct.pack("!HH", number, len(value)) + value + bytes(-len(value) % 4)
