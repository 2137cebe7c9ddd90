"""The keys of one call: a fresh X25519 pair on each side, the shared secret of which is the frame key.

The public keys travel in the invitation and the offer (``callDhPubKey``); the 32 raw bytes of the exchange are the
AES-256-GCM key of the frames, handed to the page as padded base64url (``aesKey``). No further derivation takes place:
that is what the official apps do (``Simplex.Chat.Call``). Between two of our own, keys of tracks are derived from it
and from :meth:`FrameKey.transcript`.
"""

from __future__ import annotations

import base64
import os
from dataclasses import dataclass, field
from typing import Self

from simplex_calls.crypto import CryptoError, Random, X25519PrivateKey, X25519PublicKey, sha256

_TRANSCRIPT_LABEL = b"simplex-calls call 1\n"


class CallKeyError(ValueError):
    """The other side's call key cannot be used. Its text never holds key bytes."""


@dataclass(frozen=True, slots=True)
class FrameKey:
    """The 32-byte key that both pages encrypt media frames with."""

    raw: bytes = field(repr=False)
    publics: frozenset[X25519PublicKey] = field(repr=False)
    """What it was made from."""

    def transcript(self, call_id: bytes) -> bytes:
        """What both sides agreed on in the messages of a call: SHA-256 of a label, the call's id and both public keys.

        The keys are in the order of their bytes, so that both sides have them alike.
        """
        return sha256(_TRANSCRIPT_LABEL + call_id + b"".join(sorted(key.raw for key in self.publics)))

    @property
    def text(self) -> str:
        """Padded base64url, the ``aesKey`` of the page protocol."""
        return base64.urlsafe_b64encode(self.raw).decode("ascii")


@dataclass(frozen=True, slots=True)
class CallKeyPair:
    """This side's key pair of one call."""

    private: X25519PrivateKey = field(repr=False)

    @classmethod
    def generate(cls, random: Random = os.urandom) -> Self:
        """Make the key pair of a new call."""
        return cls(X25519PrivateKey.generate(random))

    @property
    def public(self) -> X25519PublicKey:
        """The public key, for the other side."""
        return self.private.public

    def frame_key(self, peer: X25519PublicKey) -> FrameKey:
        """Agree on the frame key with the other side's public key.

        Raises :class:`CallKeyError` if it leads to an all-zero secret (a low-order point).
        """
        try:
            secret = self.private.exchange(peer)
        except CryptoError as error:
            raise CallKeyError(f"the call's key was refused: {error}") from None
        # whatever the library below checks, a secret that anybody can guess never becomes a frame key
        if not any(secret):
            raise CallKeyError("the call's key was refused: it leads to an all-zero secret")
        return FrameKey(secret, frozenset({self.public, peer}))
