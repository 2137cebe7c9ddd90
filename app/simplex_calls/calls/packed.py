"""How far a packed description or list of candidates expands, counted without expanding it; and what it says. Pure.

They travel as LZ-string texts: base64 of the compressed JSON, the lowest bit of each number first (lz-string 1.5,
``decompressFromBase64``). The library has no bound, and fifteen kilobytes can stand for a hundred megabytes; so
nothing is given to a page that expands too far. What is damaged is left to the page, which refuses it.
"""

from __future__ import annotations

MAX_PACKED = 32_768
"""Most characters of a packed text: twice what a chat message holds, as that may be compressed itself."""

MAX_UNPACKED = 131_072
"""Most characters that a packed text may expand to; a description has 5 to 15 thousand."""

_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_SHORT, _LONG, _END = range(3)
_NEW_CHARACTER = {_SHORT: 8, _LONG: 16}


class _Letters(dict[int, str]):
    """The six bits of each letter; what is no letter counts as zero, as in the library."""

    def __missing__(self, _letter: int) -> str:
        return "000000"


_LETTERS = _Letters({ord(letter): f"{value:06b}" for value, letter in enumerate(_ALPHABET)})


def is_bounded(text: str) -> bool:
    """Whether a packed text may be given to a page: it, and what it stands for, are not too large."""
    return len(text) <= MAX_PACKED and unpacked_length(text) <= MAX_UNPACKED


def unpacked_length(text: str, limit: int = MAX_UNPACKED) -> int:
    """How many characters a packed text expands to; counting ends beyond ``limit``, or where the text is damaged."""
    bits = text.translate(_LETTERS)
    first = int(bits[1::-1] or "0", 2)
    if first not in _NEW_CHARACTER:
        # a code of the first character that does not exist makes the library's own strings of it
        return 0 if first == _END else limit + 1
    position = 2 + _NEW_CHARACTER[first]
    # of each entry of the library's dictionary, of which the first three are the codes
    lengths = [0, 0, 0, 1]
    total = last = 1
    width, until_wider = 3, 4
    while total <= limit:
        end = position + width
        if end > len(bits):
            return total
        code = int(bits[position:end][::-1], 2)
        position = end
        if code == _END:
            return total
        if code in _NEW_CHARACTER:
            position += _NEW_CHARACTER[code]
            length = 1
            lengths.append(length)
            until_wider -= 1
            if until_wider == 0:
                until_wider, width = 1 << width, width + 1
        elif code < len(lengths):
            length = lengths[code]
        elif code == len(lengths):
            length = last + 1
        else:
            return total
        total += length
        lengths.append(last + 1)
        last = length
        until_wider -= 1
        if until_wider == 0:
            until_wider, width = 1 << width, width + 1
    return total


def unpack(text: str, limit: int = MAX_UNPACKED) -> str:
    """What a packed text stands for; raises :class:`ValueError` if it is damaged, or longer than ``limit``."""
    bits = text.translate(_LETTERS)
    position = 0

    def number(width: int) -> int:
        nonlocal position
        position += width
        if position > len(bits):
            raise ValueError("the text is cut off")
        return int(bits[position - width : position][::-1], 2)

    first = number(2)
    if first == _END:
        return ""
    if first not in _NEW_CHARACTER:
        raise ValueError("the text is damaged")
    last = chr(number(_NEW_CHARACTER[first]))
    entries = ["", "", "", last]
    parts, total = [last], 1
    width, until_wider = 3, 4
    while total <= limit:
        code = number(width)
        if code == _END:
            # characters beyond 16 bits are two to the library
            return "".join(parts).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        if code in _NEW_CHARACTER:
            entry = chr(number(_NEW_CHARACTER[code]))
            entries.append(entry)
            until_wider -= 1
            if until_wider == 0:
                until_wider, width = 1 << width, width + 1
        elif code < len(entries):
            entry = entries[code]
        elif code == len(entries):
            entry = last + last[0]
        else:
            raise ValueError("the text is damaged")
        parts.append(entry)
        total += len(entry)
        entries.append(last + entry[0])
        last = entry
        until_wider -= 1
        if until_wider == 0:
            until_wider, width = 1 << width, width + 1
    raise ValueError("the text is too large")
