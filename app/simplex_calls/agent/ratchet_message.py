"""A ratchet message in its parts: sealed header, tag, body; and what the header says.

The two lengths before headers have one byte in version 2 and two from version 3 on. Both are read whatever the version,
as official peers do. Source: pqdr.md ("Message format"), and the official ratchet for the lengths.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from simplex_calls.agent.kem import KemParams, read_kem_params
from simplex_calls.agent.ratchet_state import HeaderError
from simplex_calls.agent.versions import POST_QUANTUM_VERSION
from simplex_calls.crypto import CryptoError, X448PublicKey, aead_decrypt, aead_encrypt, pad, unpad
from simplex_calls.smp.encoding import Reader, large, maybe, public_key, short, word16, word32
from simplex_calls.smp.errors import DecodeError

_HEADER_LENGTH = 88
_KEM_HEADER_LENGTH = 2310
_IV_SIZE = 16
_TAG_SIZE = 16


@dataclass(frozen=True, slots=True)
class Header:
    """What a header says. ``max_version`` is the highest e2e version of its sender."""

    max_version: int
    key: X448PublicKey
    previously_sent: int
    number: int
    kem: KemParams | None

    def encode(self, version: int) -> bytes:
        """The binary form; before version 3 it has no place for KEM keys."""
        kem = maybe(None if self.kem is None else self.kem.encode()) if version >= POST_QUANTUM_VERSION else b""
        numbers = word32(self.previously_sent) + word32(self.number)
        return word16(self.max_version) + public_key(self.key) + kem + numbers

    @classmethod
    def decode(cls, data: bytes, version: int) -> Header:
        """Decode the binary form; raises :class:`HeaderError`."""
        reader = Reader(data)
        try:
            max_version, key = reader.word16(), reader.key(X448PublicKey)
            kem = reader.maybe(lambda: read_kem_params(reader)) if version >= POST_QUANTUM_VERSION else None
            # headers may get longer in later versions
            return cls(max_version, key, reader.word32(), reader.word32(), kem)
        except DecodeError:
            raise HeaderError("the message's header does not decode") from None

    def seal(self, version: int, key: bytes, iv: bytes, associated_data: bytes, *, has_room: bool) -> bytes:
        """Encrypt with a header key, padded to the size with room for KEM keys or to the one without."""
        padded = pad(self.encode(version), _KEM_HEADER_LENGTH if has_room else _HEADER_LENGTH)
        body, tag = aead_encrypt(key, iv, associated_data, padded)
        return word16(version) + iv + tag + _counted(version, body)


@dataclass(frozen=True, slots=True)
class SealedHeader:
    """A header that is still encrypted."""

    version: int
    iv: bytes
    tag: bytes
    body: bytes

    def open(self, key: bytes, associated_data: bytes) -> Header | None:
        """The header if ``key`` is its key; raises :class:`HeaderError` if it is, and does not decode."""
        try:
            padded = unpad(aead_decrypt(key, self.iv, associated_data, self.body, self.tag))
        except CryptoError:
            return None
        return Header.decode(padded, self.version)


@dataclass(frozen=True, slots=True)
class Message:
    """A ratchet message. ``header`` is all that is authenticated together with the body."""

    version: int
    header: bytes
    tag: bytes
    body: bytes = field(repr=False)

    def encode(self) -> bytes:
        """The binary form."""
        return _counted(self.version, self.header) + self.tag + self.body

    @classmethod
    def decode(cls, data: bytes) -> Message:
        """Decode the binary form; raises :class:`HeaderError`."""
        reader = Reader(data)
        try:
            header = _read_counted(reader)
            tag, body = reader.take(_TAG_SIZE), reader.tail()
            return cls(Reader(header).word16(), header, tag, body)
        except DecodeError:
            raise HeaderError("the message is too short to have a header") from None

    def sealed_header(self) -> SealedHeader:
        """The header's parts; raises :class:`HeaderError`."""
        reader = Reader(self.header)
        try:
            version, iv, tag = reader.word16(), reader.take(_IV_SIZE), reader.take(_TAG_SIZE)
            body = _read_counted(reader)
            reader.end()
        except DecodeError:
            raise HeaderError("the message is too short to have a header") from None
        return SealedHeader(version, iv, tag, body)


def _counted(version: int, data: bytes) -> bytes:
    """A header with its length before it, which has two bytes from version 3 on."""
    return large(data) if version >= POST_QUANTUM_VERSION else short(data)


def _read_counted(reader: Reader) -> bytes:
    """Read either form of :func:`_counted`: no header is shorter than 32 bytes or longer than 8191."""
    return reader.large() if reader.peek() < b"\x20" else reader.short()
