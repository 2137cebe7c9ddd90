"""The second encryption of blocks, inside TLS: a fresh key for every block, none of which can be computed backwards.

From version 11 on, whenever the client has sent a session key. Both directions have a chain of keys; every block moves
its chain on. Source: simplex-messaging.md, "Transport handshake" and "SMP Transmission and transport block structure".
"""

from __future__ import annotations

from typing import Self

from simplex_calls.crypto import (
    TAG_SIZE,
    BoxKey,
    CryptoError,
    X25519PrivateKey,
    X25519PublicKey,
    hkdf,
    pad,
    unpad,
)
from simplex_calls.smp.errors import DecodeError, EncodeError

BLOCK_SIZE = 16384
ENCRYPTED_BLOCKS = 11
"""From this version on blocks are encrypted."""


class KeyChain:
    """One direction's keys: 32 bytes from which each step takes a box key and a nonce."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def step(self) -> tuple[BoxKey, bytes]:
        """The next block's key and nonce."""
        derived = hkdf(b"", self._key, b"SimpleXSbChain", 88)
        self._key = derived[:32]
        return BoxKey.from_secret(derived[32:64]), derived[64:]


class BlockCipher:
    """Encrypts the blocks that one end sends, and decrypts those that it receives; each in their order."""

    def __init__(self, sending: KeyChain, receiving: KeyChain) -> None:
        self._sending = sending
        self._receiving = receiving

    @classmethod
    def for_server(cls, session_id: bytes, own: X25519PrivateKey, peer: X25519PublicKey) -> Self:
        """The server's end; raises :class:`CryptoError` if the client's key is not safe."""
        server, client = _chains(session_id, own, peer)
        return cls(server, client)

    @classmethod
    def for_client(cls, session_id: bytes, own: X25519PrivateKey, peer: X25519PublicKey) -> Self:
        """The client's end; raises :class:`CryptoError` if the server's key is not safe."""
        server, client = _chains(session_id, own, peer)
        return cls(client, server)

    def seal(self, content: bytes) -> bytes:
        """The block that carries ``content``; raises :class:`EncodeError` if it does not fit."""
        try:
            padded = pad(content, BLOCK_SIZE - TAG_SIZE)
        except CryptoError:
            raise EncodeError("content does not fit into a block") from None
        key, nonce = self._sending.step()
        return key.seal(nonce, padded)

    def open(self, block: bytes) -> bytes:
        """What a block carries; raises :class:`DecodeError`."""
        key, nonce = self._receiving.step()
        try:
            return unpad(key.open(nonce, block))
        except CryptoError as error:
            raise DecodeError(str(error)) from None


def _chains(session_id: bytes, own: X25519PrivateKey, peer: X25519PublicKey) -> tuple[KeyChain, KeyChain]:
    keys = hkdf(session_id, own.exchange(peer), b"SimpleXSbChainInit", 64)
    return KeyChain(keys[:32]), KeyChain(keys[32:])
