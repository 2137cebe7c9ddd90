"""The primitives of all SimpleX binary encodings: a reader over bytes, and functions that make bytes.

Strings of up to 255 bytes have a one-byte length ("short"), others two bytes ("large"); optional values start with
``1`` or ``0``, booleans are ``T`` or ``F``; integers are big-endian. Source: the ABNF of simplex-messaging.md.
"""

from __future__ import annotations

import base64
import binascii
import re
import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Self, TypeVar

from simplex_calls.crypto import CryptoError, PublicKey, X25519PublicKey, decode_public_key
from simplex_calls.smp.errors import DecodeError, EncodeError

T = TypeVar("T")
K = TypeVar("K", bound=PublicKey)


def word16(value: int) -> bytes:
    """Two bytes, big-endian."""
    return _pack("!H", value)


def word32(value: int) -> bytes:
    """Four bytes, big-endian."""
    return _pack("!I", value)


def int64(value: int) -> bytes:
    """Eight bytes, big-endian, signed."""
    return _pack("!q", value)


def boolean(value: bool) -> bytes:  # noqa: FBT001
    """``T`` or ``F``."""
    return b"T" if value else b"F"


def short(value: bytes) -> bytes:
    """A string of up to 255 bytes: one byte of length before it."""
    if len(value) > 0xFF:
        raise EncodeError(f"{len(value)} bytes do not fit into a short string (255)")
    return bytes((len(value),)) + value


def large(value: bytes) -> bytes:
    """A string of up to 65,535 bytes: two bytes of length before it."""
    if len(value) > 0xFFFF:
        raise EncodeError(f"{len(value)} bytes do not fit into a large string (65535)")
    return word16(len(value)) + value


def maybe(encoded: bytes | None) -> bytes:
    """An optional value: ``0``, or ``1`` and the encoded value."""
    return b"0" if encoded is None else b"1" + encoded


def items(encoded: Iterable[bytes]) -> bytes:
    """A list of up to 255 encoded values: one byte of count before them."""
    values = list(encoded)
    if len(values) > 0xFF:
        raise EncodeError(f"{len(values)} values do not fit into a list (255)")
    return bytes((len(values),)) + b"".join(values)


def public_key(key: PublicKey) -> bytes:
    """A public key: its SubjectPublicKeyInfo as a short string."""
    return short(key.der)


def base64url(data: bytes) -> str:
    """Padded base64url text."""
    return base64.urlsafe_b64encode(data).decode("ascii")


_BASE64URL = re.compile(r"[A-Za-z0-9_-]*={0,2}")


def from_base64url(text: str) -> bytes:
    """Decode base64url, with or without its padding; raises :class:`DecodeError`."""
    if _BASE64URL.fullmatch(text) is None:
        raise DecodeError("not base64url")
    bare = text.rstrip("=")
    try:
        return base64.urlsafe_b64decode(bare + "=" * (-len(bare) % 4))
    except binascii.Error:
        raise DecodeError("not base64url") from None


def _pack(form: str, value: int) -> bytes:
    try:
        return struct.pack(form, value)
    except struct.error:
        raise EncodeError("number is out of the range of its encoding") from None


class Reader:
    """Reads values off bytes, from the front. Every method raises :class:`DecodeError` if the bytes do not follow."""

    __slots__ = ("_data", "_position")

    def __init__(self, data: bytes) -> None:
        self._data = bytes(data)
        self._position = 0

    @property
    def remaining(self) -> int:
        """How many bytes are left."""
        return len(self._data) - self._position

    def take(self, size: int) -> bytes:
        """The next ``size`` bytes."""
        start = self._position
        end = start + size
        if end > len(self._data):
            raise DecodeError(f"{size} bytes expected, {self.remaining} left")
        self._position = end
        return self._data[start:end]

    def tail(self) -> bytes:
        """All bytes that are left."""
        start, self._position = self._position, len(self._data)
        return self._data[start:]

    def peek(self, size: int = 1) -> bytes:
        """The next bytes (up to ``size``), without taking them."""
        return self._data[self._position : self._position + size]

    def until(self, stop: bytes) -> bytes:
        """The bytes before ``stop``, which is left in place; all bytes if ``stop`` does not come."""
        end = self._data.find(stop, self._position)
        return self.tail() if end < 0 else self.take(end - self._position)

    def literal(self, expected: bytes) -> None:
        """Take exactly these bytes."""
        if self.take(len(expected)) != expected:
            raise DecodeError("a fixed part of the encoding is not there")

    def space(self) -> None:
        """Take one space."""
        self.literal(b" ")

    def end(self) -> None:
        """Check that nothing is left."""
        if self.remaining:
            raise DecodeError(f"{self.remaining} bytes too many")

    def byte(self) -> int:
        """One byte as a number."""
        at = self._position
        if at >= len(self._data):
            raise DecodeError("1 bytes expected, 0 left")
        self._position = at + 1
        return self._data[at]

    def word16(self) -> int:
        """Two bytes, big-endian."""
        return int.from_bytes(self.take(2), "big")

    def word32(self) -> int:
        """Four bytes, big-endian."""
        return int.from_bytes(self.take(4), "big")

    def int64(self) -> int:
        """Eight bytes, big-endian, signed."""
        return int.from_bytes(self.take(8), "big", signed=True)

    def boolean(self) -> bool:
        """``T`` or ``F``."""
        flag = self.take(1)
        if flag not in (b"T", b"F"):
            raise DecodeError("a boolean is neither T nor F")
        return flag == b"T"

    def short(self) -> bytes:
        """A string after one byte of length."""
        return self.take(self.byte())

    def large(self) -> bytes:
        """A string after two bytes of length."""
        return self.take(self.word16())

    def maybe(self, read: Callable[[], T]) -> T | None:
        """An optional value, read by ``read`` if it is there."""
        flag = self.take(1)
        if flag not in (b"0", b"1"):
            raise DecodeError("an optional value starts with neither 0 nor 1")
        return read() if flag == b"1" else None

    def items(self, read: Callable[[], T]) -> list[T]:
        """A list, possibly empty, after one byte of count."""
        return [read() for _ in range(self.byte())]

    def nonempty(self, read: Callable[[], T]) -> list[T]:
        """A list of at least one value."""
        values = self.items(read)
        if not values:
            raise DecodeError("a list is empty that may not be")
        return values

    def public_key(self) -> PublicKey:
        """A public key of any of the four algorithms."""
        try:
            return decode_public_key(self.short())
        except CryptoError as error:
            raise DecodeError(str(error)) from None

    def key(self, key_type: type[K]) -> K:
        """A public key of one algorithm."""
        try:
            return key_type.from_der(self.short())
        except CryptoError as error:
            raise DecodeError(str(error)) from None

    def x25519_key(self) -> X25519PublicKey:
        """An X25519 public key."""
        return self.key(X25519PublicKey)

    def version_range(self) -> VersionRange:
        """Two words: the lowest and the highest version."""
        return VersionRange.checked(self.word16(), self.word16())


@dataclass(frozen=True, slots=True)
class VersionRange:
    """Versions of a protocol that somebody speaks, both ends included."""

    minimum: int
    maximum: int

    @classmethod
    def checked(cls, minimum: int, maximum: int) -> Self:
        """Make one of what the other side sent; raises :class:`DecodeError`."""
        if not 0 <= minimum <= maximum <= 0xFFFF:
            raise DecodeError("version range is not valid")
        return cls(minimum, maximum)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse ``6-18``, or ``9`` for one version; raises :class:`DecodeError`."""
        if re.fullmatch(r"[0-9]{1,5}(-[0-9]{1,5})?", text, re.ASCII) is None:
            raise DecodeError("version range is not valid")
        low, _, high = text.partition("-")
        return cls.checked(int(low), int(high or low))

    def encode(self) -> bytes:
        """Two words."""
        return word16(self.minimum) + word16(self.maximum)

    def intersect(self, other: VersionRange) -> VersionRange | None:
        """The versions that both speak; None if there is none."""
        low, high = max(self.minimum, other.minimum), min(self.maximum, other.maximum)
        return VersionRange(low, high) if low <= high else None

    def __contains__(self, version: int) -> bool:
        return self.minimum <= version <= self.maximum

    def __str__(self) -> str:
        return f"{self.minimum}-{self.maximum}" if self.minimum != self.maximum else str(self.minimum)
