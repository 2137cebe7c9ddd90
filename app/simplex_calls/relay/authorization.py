"""Verification of commands' authorisations, in the same time whether or not there is a key to verify with.

Source: simplex-messaging.md, "Command verification", "Deniable client authentication scheme" and the last paragraph of
"Error responses". Whoever does not hold a queue's key must not learn from the time of ``ERR AUTH`` if the queue exists:
the work depends on the kind of the authorisation alone, done with a dummy key where there is no key of this kind.
"""

from __future__ import annotations

import hmac
from typing import Final

from simplex_calls.crypto import (
    BoxKey,
    CryptoError,
    Ed448PrivateKey,
    Ed448PublicKey,
    Ed25519PrivateKey,
    Ed25519PublicKey,
    PublicKey,
    X25519PrivateKey,
    X25519PublicKey,
    cb_nonce,
    sha512,
)
from simplex_calls.smp.transmission import Transmission

AUTHENTICATOR_SIZE: Final = 80
_ED25519_SIZE: Final = 64
_ED448_SIZE: Final = 114

_TRUSTED_KEYS: Final = 4096

# Real keys: bytes that are no point of the curve would be refused early. What they verify is refused all the same.
_DUMMY_X25519 = X25519PrivateKey(b"\x5a" * 32).public
_DUMMY_ED25519 = Ed25519PrivateKey(b"\x5a" * 32).public
_DUMMY_ED448 = Ed448PrivateKey(b"\x5a" * 57).public


class Verifier:
    """Verifies the commands of one session: authenticators are made for the session's own X25519 key."""

    def __init__(self, session_key: X25519PrivateKey) -> None:
        self._session_key = session_key
        self._trusted: dict[bytes, BoxKey] = {}

    def verified(self, transmission: Transmission, key: PublicKey | None) -> bool:
        """:meth:`verify` a received transmission."""
        return self.verify(key, transmission.authorization, transmission.authorized, transmission.corr_id)

    def verify(self, key: PublicKey | None, authorization: bytes, authorized: bytes, correlation_id: bytes) -> bool:
        """Tell whether ``authorization`` of the bytes ``authorized`` was made with the private half of ``key``.

        ``key`` None: always False, after the same work.
        """
        size = len(authorization)
        if size == AUTHENTICATOR_SIZE:
            matches = isinstance(key, X25519PublicKey)
            peer = key if isinstance(key, X25519PublicKey) else _DUMMY_X25519
            return self._authenticated(peer, authorization, authorized, correlation_id) and matches
        if size == _ED25519_SIZE:
            matches = isinstance(key, Ed25519PublicKey)
            ed25519 = key if isinstance(key, Ed25519PublicKey) else _DUMMY_ED25519
            return ed25519.verify(authorization, authorized) and matches
        if size == _ED448_SIZE:
            matches = isinstance(key, Ed448PublicKey)
            ed448 = key if isinstance(key, Ed448PublicKey) else _DUMMY_ED448
            return ed448.verify(authorization, authorized) and matches
        return False

    def _authenticated(
        self, peer: X25519PublicKey, authorization: bytes, authorized: bytes, correlation_id: bytes
    ) -> bool:
        # Only a key that has proved itself in this session has its shared secret kept: whoever can merely guess
        # queue ids sees the full work every time.
        box = self._trusted.get(peer.raw)
        known = box is not None
        try:
            if box is None:
                box = BoxKey.agree(self._session_key, peer)
            digest = box.open(cb_nonce(correlation_id), authorization)
        except CryptoError:
            digest = b""
        valid = hmac.compare_digest(digest, sha512(authorized))
        if valid and not known and box is not None:
            if len(self._trusted) >= _TRUSTED_KEYS:
                self._trusted.clear()
            self._trusted[peer.raw] = box
        return valid
