"""The address of a server: ``smp://FINGERPRINT[:password]@host1,host2[:port]``.

The fingerprint is the SHA-256 of the server's offline certificate: who the server *is*, wherever it is reached.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field
from typing import Self

from simplex_calls.smp import encoding
from simplex_calls.smp.encoding import Reader
from simplex_calls.smp.errors import AddressError, DecodeError, EncodeError

DEFAULT_PORT = 5223
FINGERPRINT_SIZE = 32

_URI = re.compile(r"smp://([^:@/]*)(?::([^@]*))?@([^/#;\s]*)")
_HOST = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]{0,252})")
_PASSWORD = re.compile(r"[^\s:@/]+")


@dataclass(frozen=True, slots=True)
class ServerAddress:
    """Where a server is, and who it must prove to be.

    ``port`` is None where the address names none (then :attr:`effective_port` is 5223). The password allows the
    creation of queues; two addresses that differ in nothing else are the same server.
    """

    hosts: tuple[str, ...]
    port: int | None
    fingerprint: bytes
    password: str | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        if len(self.fingerprint) != FINGERPRINT_SIZE:
            raise AddressError("server address: the fingerprint must have 32 bytes")
        if not self.hosts or len(self.hosts) > 0xFF:
            raise AddressError("server address: it must name at least one host")
        for host in self.hosts:
            if not _is_host(host):
                raise AddressError("server address: a host is not valid")
        if self.port is not None and not 0 < self.port <= 0xFFFF:
            raise AddressError("server address: the port must be between 1 and 65535")
        if self.password is not None and not _is_password(self.password):
            raise AddressError("server address: the password may not have spaces, ':', '@' or '/'")

    @property
    def effective_port(self) -> int:
        """The port to connect to."""
        return DEFAULT_PORT if self.port is None else self.port

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse an ``smp://`` address, with or without password; raises :class:`AddressError`."""
        match = _URI.fullmatch(text.strip())
        if match is None:
            raise AddressError("server address must look like smp://FINGERPRINT@HOST:PORT")
        fingerprint_text, password, places = match.groups()
        try:
            fingerprint = encoding.from_base64url(fingerprint_text)
        except DecodeError:
            raise AddressError("server address: the fingerprint is not base64url") from None
        names, port_text = _split_port(places)
        hosts = tuple(_unbracket(host) for host in names.split(","))
        if port_text is not None and re.fullmatch(r"[0-9]{1,5}", port_text, re.ASCII) is None:
            raise AddressError("server address: the port is not a number")
        return cls(hosts, None if port_text is None else int(port_text), fingerprint, password)

    def uri(self, *, with_password: bool = False) -> str:
        """The address as text; the password only where it is asked for."""
        password = f":{self.password}" if with_password and self.password is not None else ""
        hosts = ",".join(f"[{host}]" if ":" in host else host for host in self.hosts)
        port = "" if self.port is None else f":{self.port}"
        return f"smp://{encoding.base64url(self.fingerprint)}{password}@{hosts}{port}"

    def __str__(self) -> str:
        return self.uri()

    def encode(self) -> bytes:
        """The binary form (without password), as inside queue addresses."""
        hosts = encoding.items(encoding.short(host.encode()) for host in self.hosts)
        port = encoding.short(b"" if self.port is None else str(self.port).encode())
        return hosts + port + encoding.short(self.fingerprint)

    @classmethod
    def read(cls, reader: Reader) -> Self:
        """Read the binary form; raises :class:`DecodeError`."""
        hosts = reader.nonempty(reader.short)
        port = reader.short()
        fingerprint = reader.short()
        try:
            names = tuple(_unbracket(host.decode("ascii")) for host in hosts)
        except UnicodeDecodeError:
            raise AddressError("server address: a host is not valid") from None
        if port and re.fullmatch(rb"[0-9]{1,5}", port) is None:
            raise AddressError("server address: the port is not a number")
        return cls(names, int(port) if port else None, fingerprint)

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Decode the whole of ``data`` as the binary form; raises :class:`DecodeError`."""
        reader = Reader(data)
        address = cls.read(reader)
        reader.end()
        return address


def _split_port(places: str) -> tuple[str, str | None]:
    """Split off ``:port``; colons within brackets belong to an IPv6 address."""
    head, colon, tail = places.rpartition(":")
    if not colon or "]" in tail:
        return places, None
    return head, tail


def _unbracket(host: str) -> str:
    return host[1:-1] if host.startswith("[") and host.endswith("]") else host


def _is_host(host: str) -> bool:
    if ":" in host:
        try:
            return "%" not in host and ipaddress.IPv6Address(host) is not None
        except ValueError:
            return False
    return _HOST.fullmatch(host) is not None


def _is_password(password: str) -> bool:
    if _PASSWORD.fullmatch(password) is None or not password.isprintable():
        return False
    try:
        return len(password.encode()) <= 0xFF
    except UnicodeEncodeError:
        raise EncodeError("server address: the password is not text") from None
