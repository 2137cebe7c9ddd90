"""The containers that chat messages travel in: plain JSON, arrays, ``=`` batches, ``X`` compressed. Pure.

* ``{…}``: one message; ``[{…},…]``: several;
* ``=`` count:1 (length:2 element)*: several, each a JSON object or an element of groups and files, which we skip;
* ``X`` count:1 (``0`` length:1 bytes | ``1`` length:2 zstd frame)+: any of the above, compressed or not.

We send plain JSON, and compress what does not fit otherwise. ``docs/protocol/simplex-chat.md``, "Compressed
format"; the limits are those of the official client.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

import zstandard

from simplex_calls.chat.messages import ChatMessage, MessageError, Unknown, decode_message, decode_value, parse_json
from simplex_calls.smp.encoding import Reader, large
from simplex_calls.smp.errors import DecodeError

MAX_DECOMPRESSED_LENGTH = 65_536
"""Most bytes that the compressed parts of one body may grow to, together."""

MAX_MESSAGES = 255
"""Most messages that are taken from one body: what a batch can count, and more than fit into one uncompressed."""

_FOREIGN_ELEMENTS = {b"/": "signed element", b">": "forwarded element", b"F": "file chunk"}


def decode_body(body: bytes) -> list[ChatMessage | MessageError]:
    """Decode all messages of a body, in order; a bad one is an error in its place, the others stand.

    Those beyond :data:`MAX_MESSAGES` are not looked at: a single error stands for them. A body whose container is
    broken gives a single error. Never raises; memory stays below a small multiple of ``len(body)`` +
    :data:`MAX_DECOMPRESSED_LENGTH`.
    """
    try:
        parts = _uncompress(body[1:]) if body[:1] == b"X" else [body]
    except MessageError as error:
        return [error]
    decoded = (message for part in parts for message in _decode_part(part))
    messages = list(islice(decoded, MAX_MESSAGES))
    if next(decoded, None) is not None:
        messages.append(MessageError("too many messages in one body"))
    return messages


def compressed(body: bytes) -> bytes:
    """The same message in less room."""
    frame = zstandard.ZstdCompressor(level=3, write_content_size=True).compress(body)
    return b"X\x01" + b"1" + large(frame)


def joined(messages: Sequence[bytes]) -> bytes:
    """Several encoded messages as one body, for those who take them (chat version 9)."""
    return messages[0] if len(messages) == 1 else b"[" + b",".join(messages) + b"]"


def decode_info(body: bytes) -> ChatMessage:
    """Decode a connection info: one message in any container; raises :class:`MessageError`."""
    messages = decode_body(body)
    if len(messages) != 1:
        raise MessageError("a connection info must be one message")
    if isinstance(messages[0], MessageError):
        raise messages[0]
    return messages[0]


def _decode_part(part: bytes) -> Iterator[ChatMessage | MessageError]:
    """One after the other, so that nothing is done for messages that nobody takes."""
    try:
        if part[:1] == b"[":
            yield from map(_attempt_value, parse_json(part))
        elif part[:1] == b"=":
            yield from map(_attempt_element, _split_batch(part[1:]))
        else:
            yield _attempt_element(part)
    except MessageError as error:
        yield error


def _attempt_value(value: object) -> ChatMessage | MessageError:
    try:
        return decode_value(value)
    except MessageError as error:
        return error


def _attempt_element(element: bytes) -> ChatMessage | MessageError:
    if foreign := _FOREIGN_ELEMENTS.get(element[:1]):
        return ChatMessage(Unknown(foreign))
    if element[:1] != b"{":
        return MessageError("an empty message" if not element else "not a container of messages")
    try:
        return decode_message(element)
    except MessageError as error:
        return error


def _split_batch(data: bytes) -> list[bytes]:
    try:
        reader = Reader(data)
        elements = [reader.large() for _ in range(reader.byte())]
        reader.end()
    except DecodeError as error:
        raise MessageError(f"a damaged batch: {error}") from None
    return elements


def _uncompress(data: bytes) -> list[bytes]:
    parts: list[tuple[bool, bytes]] = []
    try:
        reader = Reader(data)
        for _ in range(reader.byte()):
            kind = reader.take(1)
            if kind not in (b"0", b"1"):
                raise MessageError("a compressed part is of an unknown kind")
            parts.append((kind == b"1", reader.large() if kind == b"1" else reader.short()))
        reader.end()
    except DecodeError as error:
        raise MessageError(f"a damaged compressed message: {error}") from None
    if not parts:
        raise MessageError("a compressed message without parts")
    # all sizes are known and within the limit before the first byte is decompressed
    sizes = [_decompressed_size(part) if compressed else len(part) for compressed, part in parts]
    if sum(sizes) > MAX_DECOMPRESSED_LENGTH:
        raise MessageError("a compressed message is too large")
    return [
        _decompress(part, size) if compressed else part for (compressed, part), size in zip(parts, sizes, strict=True)
    ]


def decompressed(frame: bytes) -> bytes:
    """The content of a frame that tells its size, which is within the limit; raises :class:`MessageError`."""
    size = _decompressed_size(frame)
    if size > MAX_DECOMPRESSED_LENGTH:
        raise MessageError("compressed data are too large")
    return _decompress(frame, size)


def _decompressed_size(frame: bytes) -> int:
    try:
        size = zstandard.frame_content_size(frame)
    except zstandard.ZstdError:
        raise MessageError("a compressed part is damaged") from None
    if size < 0:
        raise MessageError("a compressed part does not tell its size")
    return size


def _decompress(frame: bytes, size: int) -> bytes:
    if size == 0:
        return b""
    try:
        return zstandard.ZstdDecompressor().decompress(frame, max_output_size=size, allow_extra_data=False)
    except (zstandard.ZstdError, MemoryError):
        raise MessageError("a compressed part is damaged") from None
