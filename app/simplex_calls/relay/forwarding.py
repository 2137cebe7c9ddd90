"""Commands that a proxy forwards to this relay: unwrapped, carried out, and their answers wrapped.

Source: simplex-messaging.md, "Proxying sender commands"; the layers themselves are in ``smp.proxied``.
"""

from __future__ import annotations

from collections.abc import Callable

from simplex_calls.crypto import BoxKey, CryptoError, X25519PrivateKey, X25519PublicKey
from simplex_calls.smp.encoding import VersionRange
from simplex_calls.smp.errors import CommandFault, DecodeError, EncodeError, ErrorCode, ServerError, SMPError
from simplex_calls.smp.messages import BrokerMessage, Err, encode_message
from simplex_calls.smp.proxied import FORWARDING_VERSIONS, Forwarded, ForwardedAnswer
from simplex_calls.smp.transmission import (
    Session,
    Transmission,
    TransmissionError,
    decode_transmission,
    encode_transmission,
)

_CRYPTO = ServerError(ErrorCode.CRYPTO)
_BLOCK = ServerError(ErrorCode.BLOCK)
_SYNTAX = ServerError.cmd(CommandFault.SYNTAX)

_VERSIONS = VersionRange(FORWARDING_VERSIONS.minimum, 0xFFFF)
"""A sender that is newer than the relay encodes as the version of its proxy's session says."""


class ForwardingError(SMPError):
    """What was forwarded is not valid; :attr:`error` is the answer to the proxy."""

    def __init__(self, error: ServerError) -> None:
        super().__init__(f"forwarded command is not valid: {error}")
        self.error = error


class Forwarding:
    """Unwraps commands, and wraps their answers, in the session of one proxy."""

    def __init__(self, session_id: bytes, session_key: X25519PrivateKey, proxy_key: X25519PublicKey) -> None:
        """Raises :class:`CryptoError` if the proxy's key is not safe."""
        self._session_id = session_id
        self._session_key = session_key
        self._secret = BoxKey.agree(session_key, proxy_key)

    def answer(
        self, corr_id: bytes, encrypted: bytes, carry_out: Callable[[Transmission, int], BrokerMessage]
    ) -> bytes:
        """Have a forwarded command carried out and return what RRES carries.

        ``carry_out`` gets the sender's transmission and the version that it is encoded in. Raises
        :class:`ForwardingError`.
        """
        try:
            forwarded = Forwarded.open(self._secret, corr_id, encrypted)
        except DecodeError:
            raise ForwardingError(_SYNTAX) from None
        except CryptoError:
            raise ForwardingError(_CRYPTO) from None
        if forwarded.version not in _VERSIONS:
            raise ForwardingError(_SYNTAX)
        try:
            key, data = forwarded.open_command(self._session_key)
        except DecodeError:
            raise ForwardingError(_BLOCK) from None
        except CryptoError:
            raise ForwardingError(_CRYPTO) from None
        try:
            sealed = forwarded.seal_answer(key, self._carried_out(data, forwarded.version, carry_out))
        except EncodeError:
            raise ForwardingError(_BLOCK) from None
        return ForwardedAnswer(forwarded.corr_id, sealed).seal(self._secret, corr_id)

    def _carried_out(self, data: bytes, version: int, carry_out: Callable[[Transmission, int], BrokerMessage]) -> bytes:
        session = Session(version, self._session_id)
        answer: BrokerMessage
        try:
            transmission = decode_transmission(session, data)
        except TransmissionError as error:
            corr_id, entity_id, answer = error.corr_id, b"", Err(error.error)
        else:
            corr_id, entity_id, answer = transmission.corr_id, transmission.entity_id, carry_out(transmission, version)
        return encode_transmission(session, corr_id, entity_id, encode_message(answer, version))
