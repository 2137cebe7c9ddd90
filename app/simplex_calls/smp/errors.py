"""Everything that can go wrong on this floor."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Self


class SMPError(Exception):
    """Base of all errors of the SMP floor. No text of theirs holds a key, an id or a message."""


class DecodeError(SMPError, ValueError):
    """Bytes or text from the other side do not follow the protocol."""


class EncodeError(SMPError, ValueError):
    """A value of ours does not fit into its encoding (too long, out of range, not in this version)."""


class AddressError(DecodeError):
    """A server address is not valid; the text says what is wrong with it."""


class NetworkError(SMPError):
    """The server was not reached, did not answer in time, or the connection was lost. Trying again later may help."""


class NotAnSMPServerError(NetworkError):
    """Something answers at the server's place, but not in this protocol."""


class ServerIdentityError(SMPError):
    """The server is not the one its address names, or its handshake is not bound to this TLS connection."""


class VersionError(SMPError):
    """The server and we speak no common version of the protocol."""


class ErrorCode(Enum):
    """The first word of a server's ``ERR`` (simplex-messaging.md, "Error responses")."""

    BLOCK = "BLOCK"
    SESSION = "SESSION"
    CMD = "CMD"
    PROXY = "PROXY"
    AUTH = "AUTH"
    BLOCKED = "BLOCKED"
    SERVICE = "SERVICE"
    CRYPTO = "CRYPTO"
    QUOTA = "QUOTA"
    STORE = "STORE"
    NO_MSG = "NO_MSG"
    LARGE_MSG = "LARGE_MSG"
    EXPIRED = "EXPIRED"
    INTERNAL = "INTERNAL"


class CommandFault(Enum):
    """What is wrong with a command: the second word of ``ERR CMD``."""

    UNKNOWN = "UNKNOWN"
    SYNTAX = "SYNTAX"
    PROHIBITED = "PROHIBITED"
    NO_AUTH = "NO_AUTH"
    HAS_AUTH = "HAS_AUTH"
    NO_ENTITY = "NO_ENTITY"


_WITH_DETAIL = (ErrorCode.PROXY, ErrorCode.BLOCKED, ErrorCode.STORE)


@dataclass(frozen=True, slots=True)
class ServerError:
    """The error in a server's ``ERR``: a code, the fault of a ``CMD``, and the unparsed rest of three others.

    ``detail`` is the rest of ``PROXY``, ``BLOCKED`` and ``STORE`` (bytes that are no UTF-8 are kept as surrogates).
    """

    code: ErrorCode
    fault: CommandFault | None = None
    detail: str = ""

    @classmethod
    def cmd(cls, fault: CommandFault) -> Self:
        """``ERR CMD fault``."""
        return cls(ErrorCode.CMD, fault)

    def encode(self, version: int) -> bytes:
        """Encode, without the ``ERR`` before it, as a client of ``version`` understands it."""
        if self.code is ErrorCode.BLOCKED and version < 12:
            return ErrorCode.AUTH.value.encode()
        detail = self.detail
        if self.code is ErrorCode.BLOCKED and version < 18:
            detail = detail.partition(",notice=")[0]  # notices to the client came later
        words = [self.code.value]
        if self.fault is not None:
            words.append(self.fault.value)
        if self.code in _WITH_DETAIL:
            words.append(detail)
        return " ".join(words).encode("utf-8", "surrogateescape")

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Decode what follows ``ERR`` and a space; raises :class:`DecodeError`."""
        word, space, rest = data.partition(b" ")
        try:
            code = ErrorCode(word.decode("ascii"))
            if code is ErrorCode.CMD:
                # older servers say NO_QUEUE for what is NO_ENTITY now
                return cls.cmd(CommandFault("NO_ENTITY" if rest == b"NO_QUEUE" else rest.decode("ascii")))
        except ValueError:
            raise DecodeError("server's error is not a known one") from None
        if code in _WITH_DETAIL:
            if not space:
                raise DecodeError(f"server's error {code.value} lacks its detail")
            return cls(code, None, rest.decode("utf-8", "surrogateescape"))
        if space:
            raise DecodeError(f"server's error {code.value} has bytes after it")
        return cls(code)

    def __str__(self) -> str:
        """The error's words; the detail stays out, as its author is the server."""
        return f"{self.code.value} {self.fault.value}" if self.fault else self.code.value


class BrokerError(SMPError):
    """The server answered a command with ``ERR``; :attr:`error` is what it said."""

    def __init__(self, error: ServerError) -> None:
        super().__init__(f"server refused the command: {error}")
        self.error = error


class ProxyFault(Enum):
    """What went wrong between a proxy and the server that it forwards to: the words of ``ERR PROXY``."""

    NO_SESSION = "NO_SESSION"
    """The proxy knows this session no longer: ask it to connect again."""
    REFUSED = "BASIC_AUTH"
    """The proxy forwards for others only."""
    PROTOCOL = "PROTOCOL"
    """The two servers do not get on: one refused what the other said."""
    HOST = "BROKER HOST"
    """The proxy has no way to the server's hosts."""
    VERSION = "BROKER TRANSPORT VERSION"
    """The two servers speak no common version that can forward."""
    UNREACHABLE = "BROKER NETWORK"
    TIMEOUT = "BROKER TIMEOUT"
    OTHER = "BROKER"

    @classmethod
    def parse(cls, detail: str) -> Self:
        """The fault in the ``detail`` of a server's error; words that are not known are :attr:`OTHER`."""
        for fault in cls:
            if fault is not cls.OTHER and (detail == fault.value or detail.startswith(fault.value + " ")):
                return fault
        return cls("BROKER")


class ProxyError(NetworkError):
    """A proxy did not forward the command, or not its answer. :attr:`fault` is what the proxy said."""

    def __init__(self, fault: ProxyFault) -> None:
        super().__init__(f"the command was not forwarded: {fault.value}")
        self.fault = fault


class UnexpectedResponseError(SMPError):
    """The server answered a command with a message that is no answer to it, or with bytes that do not decode."""


class LargeMessageError(SMPError):
    """A message does not fit into its padded size."""
