"""Where a profile's key is kept: in the system's keyring, sealed by a passphrase, or in a file beside the profile.

A key is 32 random bytes (:class:`DatabaseKey`). A passphrase does not become the key: scrypt makes a second key of it
that seals the first one (AES-256-GCM), so that a passphrase can be changed without writing the profile anew, and a
wrong one is told from a damaged profile.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import importlib
import logging
import unicodedata
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from simplex_calls.catalogue import text
from simplex_calls.crypto import Random
from simplex_calls.database import DatabaseKey

if TYPE_CHECKING:
    import keyring.backend

logger = logging.getLogger(__name__)

SERVICE = "simplex-calls"
SALT_LENGTH = 16
MINIMUM_PASSPHRASE = 8
_NONCE_LENGTH = 12
_COST = 2**16
"""scrypt's N with r = 8: 64 MiB and a fifth of a second for each guess."""
_BLOCK = 8
_CHECK = b"simplex-calls profile key"
_SEALED = b"simplex-calls sealed profile key"

# What keeps secrets for the user; others that `keyring` may find write them to readable files.
_TRUSTED = ("SecretService", "libsecret", "kwallet", "macOS", "Windows")


class ProfileError(Exception):
    """Something cannot be done with a profile; the text is for the user, ``message_id`` names it."""

    def __init__(self, message_id: str, /, **names: object) -> None:
        super().__init__(text(message_id, **names))
        self.message_id = message_id


class PassphraseNeeded(ProfileError):  # noqa: N818 - named after what is wrong
    """The profile is sealed by a passphrase: ask for it."""

    def __init__(self) -> None:
        super().__init__("profiles.error.passphrase-needed")


class WrongPassphrase(ProfileError):  # noqa: N818 - named after what is wrong
    """Ask again."""

    def __init__(self) -> None:
        super().__init__("profiles.error.wrong-passphrase")


class WeakPassphrase(ProfileError):  # noqa: N818 - named after what is wrong
    """Ask for a longer one."""

    def __init__(self) -> None:
        super().__init__("profiles.error.weak-passphrase", minimum=MINIMUM_PASSPHRASE)


class KeyringUnavailable(ProfileError):  # noqa: N818 - named after what is wrong
    """There is no keyring, it is locked, or it does not answer: unlock it, or choose a passphrase."""

    def __init__(self) -> None:
        super().__init__("profiles.error.keyring")


class KeyMissing(ProfileError):  # noqa: N818 - named after what is wrong
    """The key is not where it was kept, or another one is."""

    def __init__(self) -> None:
        super().__init__("profiles.error.key-missing")


class ProtectionNeeded(ProfileError):  # noqa: N818 - named after what is wrong
    """There is no keyring: ask for a passphrase, or for the word that the key may lie in a file."""

    def __init__(self) -> None:
        super().__init__("profiles.error.protection-needed")


class ProtectionKind(Enum):
    """Where a key is kept."""

    KEYRING = "keyring"
    PASSPHRASE = "passphrase"  # noqa: S105 - a name
    KEY_FILE = "file"


@dataclass(frozen=True, slots=True)
class Protection:
    """Where a key is to be kept."""

    kind: ProtectionKind
    secret: str | None = field(default=None, repr=False)

    @classmethod
    def keyring(cls) -> Protection:
        """In the system's keyring."""
        return cls(ProtectionKind.KEYRING)

    @classmethod
    def passphrase(cls, passphrase: str) -> Protection:
        """Sealed by a passphrase; raises :class:`WeakPassphrase`."""
        if len(_normal(passphrase)) < MINIMUM_PASSPHRASE:
            raise WeakPassphrase
        return cls(ProtectionKind.PASSPHRASE, passphrase)

    @classmethod
    def key_file(cls) -> Protection:
        """In a file that whoever can read the disk can read: only on the user's explicit word."""
        return cls(ProtectionKind.KEY_FILE)


class Keyring(Protocol):
    """Keeps secrets by name. Methods but the first raise :class:`KeyringUnavailable`, and may wait for the user."""

    def is_available(self) -> bool:
        """Whether there is one."""
        ...

    def get(self, name: str) -> str | None:
        """Read a secret."""
        ...

    def set(self, name: str, secret: str) -> None:
        """Write one."""
        ...

    def delete(self, name: str) -> None:
        """Forget one, if it is there."""
        ...


class SystemKeyring:
    """The user's keyring: Secret Service or KWallet on Linux, Keychain on macOS, Credential Manager on Windows."""

    def is_available(self) -> bool:
        """Whether this desktop has one."""
        try:
            self._backend()
        except KeyringUnavailable:
            return False
        return True

    def get(self, name: str) -> str | None:
        """Read a secret."""
        secret: str | None = self._ask("get_password", name)
        return secret

    def set(self, name: str, secret: str) -> None:
        """Write one."""
        self._ask("set_password", name, secret)

    def delete(self, name: str) -> None:
        """Forget one, if it is there."""
        if self.get(name) is not None:
            self._ask("delete_password", name)

    def _ask(self, method: str, *arguments: str) -> Any:
        backend = self._backend()
        try:
            return getattr(backend, method)(SERVICE, *arguments)
        except Exception as error:  # noqa: BLE001 - backends raise what their system's libraries do
            logger.warning("the keyring failed: %s", type(error).__name__)
            raise KeyringUnavailable from None

    @staticmethod
    def _backend() -> keyring.backend.KeyringBackend:
        # loaded when it is needed: it takes longer than opening a profile
        chosen = importlib.import_module("keyring").get_keyring()
        chainer = importlib.import_module("keyring.backends.chainer")
        backends: list[keyring.backend.KeyringBackend]
        backends = chosen.backends if isinstance(chosen, chainer.ChainerBackend) else [chosen]
        for backend in backends:
            if type(backend).__module__ in {f"keyring.backends.{name}" for name in _TRUSTED}:
                return backend
        raise KeyringUnavailable


def check_value(key: DatabaseKey) -> str:
    """What tells whether a key is the one that was kept."""
    return _text(hmac.digest(key.raw, _CHECK, "sha256")[:16])


def derive(passphrase: str, salt: bytes, cost: int = _COST) -> bytes:
    """A key of 32 bytes from a passphrase (scrypt)."""
    return Scrypt(salt=salt, length=32, n=cost, r=_BLOCK, p=1).derive(_normal(passphrase).encode())


def seal(key: DatabaseKey, passphrase: str, random: Random) -> dict[str, str]:
    """A key as it is stored under a passphrase."""
    salt, nonce = random(SALT_LENGTH), random(_NONCE_LENGTH)
    sealed = AESGCM(derive(passphrase, salt)).encrypt(nonce, key.raw, _SEALED)
    return {"salt": _text(salt), "sealed": _text(nonce + sealed)}


def unseal(stored: dict[str, Any], passphrase: str) -> DatabaseKey:
    """The key that :func:`seal` stored. Raises :class:`WrongPassphrase`; ``ValueError`` for what it did not write."""
    salt, sealed = (_bytes(stored[name]) for name in ("salt", "sealed"))
    if len(salt) != SALT_LENGTH or len(sealed) != _NONCE_LENGTH + 32 + 16:
        raise ValueError("not a sealed key")
    try:
        raw = AESGCM(derive(passphrase, salt)).decrypt(sealed[:_NONCE_LENGTH], sealed[_NONCE_LENGTH:], _SEALED)
    except InvalidTag:
        raise WrongPassphrase from None
    return DatabaseKey(raw)


def encode_key(key: DatabaseKey) -> str:
    """A key as text, for a keyring or a key file."""
    return _text(key.raw)


def decode_key(encoded: str) -> DatabaseKey:
    """What :func:`encode_key` wrote; raises ``ValueError``."""
    return DatabaseKey(_bytes(encoded.strip()))


def _normal(passphrase: str) -> str:
    # the same characters typed on another system must give the same key
    return unicodedata.normalize("NFKC", passphrase)


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")


def _bytes(encoded: object) -> bytes:
    if not isinstance(encoded, str):
        raise ValueError("not a text")  # noqa: TRY004 - what is stored is wrong, not the caller
    try:
        return base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("not base64") from None
