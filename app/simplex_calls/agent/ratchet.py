"""The double ratchet with header encryption, e2e version 2 (X448, AES-256-GCM, HKDF-SHA512).

Pure functions over :class:`.ratchet_state.RatchetState`: encryption depends on nothing but the state, decryption draws
one new key pair when the other side has turned the ratchet. On any error the caller's state is what it was, even when
a message with a valid header has a body that was changed, so nobody between the two parties can put them out of step.
Sources: pqdr.md, and "Double Ratchet with header encryption" in Signal's specification.

Versions from 3 on differ in the length prefixes and in a place for KEM keys in the header: both are read and written,
a header that does carry KEM keys is refused.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import Enum

from simplex_calls.agent.ratchet_state import (
    MAX_SKIPPED_IN_STEP,
    MAX_SKIPPED_STORED,
    DuplicateMessageError,
    EarlierMessageError,
    HeaderError,
    MessageError,
    MessageKey,
    NotReadyError,
    PlaintextTooLongError,
    RatchetError,
    RatchetState,
    ReceivingChain,
    SendingChain,
    SkippedDelta,
    SkippedKey,
    SkippedKeys,
    StoredRatchetError,
    TooManySkippedError,
    UnsupportedRatchetError,
)
from simplex_calls.agent.versions import E2E_VERSIONS
from simplex_calls.agent.x3dh import (
    POST_QUANTUM_VERSION,
    Agreement,
    E2EParams,
    E2EPrivateKeys,
    agree_as_initiator,
    agree_as_joiner,
)
from simplex_calls.crypto import (
    CryptoError,
    Random,
    X448PrivateKey,
    X448PublicKey,
    aead_decrypt,
    aead_encrypt,
    hkdf,
    pad,
    unpad,
)
from simplex_calls.smp.encoding import Reader, large, maybe, public_key, short, word16, word32
from simplex_calls.smp.errors import DecodeError

__all__ = [
    "MAX_SKIPPED_IN_STEP",
    "MAX_SKIPPED_STORED",
    "Decrypted",
    "DuplicateMessageError",
    "EarlierMessageError",
    "HeaderError",
    "MessageError",
    "MessageKey",
    "NotReadyError",
    "PlaintextTooLongError",
    "RatchetError",
    "RatchetState",
    "ReceivingChain",
    "SendingChain",
    "SkippedDelta",
    "SkippedKey",
    "SkippedKeys",
    "StoredRatchetError",
    "TooManySkippedError",
    "UnsupportedRatchetError",
    "decrypt",
    "encrypt",
    "init_receiving",
    "init_sending",
]

_HEADER_LENGTH = 88
_IV_SIZE = 16
_TAG_SIZE = 16
_ROOT_INFO = b"SimpleXRootRatchet"
_CHAIN_INFO = b"SimpleXChainRatchet"


@dataclass(frozen=True, slots=True)
class Decrypted:
    """A decrypted message, and what must be stored together with it."""

    state: RatchetState
    skipped_delta: SkippedDelta
    plaintext: bytes = field(repr=False)


def init_sending(
    own: E2EPrivateKeys, initiator: E2EParams, ratchet_key: X448PrivateKey, max_version: int = E2E_VERSIONS.maximum
) -> RatchetState:
    """Set up the joiner's ratchet, which can send at once.

    ``own`` are the keys whose public halves go into the confirmation, ``initiator`` those of the invitation at the
    version agreed on, ``ratchet_key`` is a new one. Raises :class:`RatchetError` on keys that are not safe to use.
    """
    try:
        agreed = agree_as_joiner(own, initiator)
        root_key, chain_key, next_header_key = _root_step(agreed.root_key, ratchet_key, initiator.key2)
    except CryptoError:
        raise UnsupportedRatchetError("the invitation's keys are not safe to use") from None
    return RatchetState(
        version=initiator.version,
        max_version=max(max_version, initiator.version),
        associated_data=agreed.associated_data,
        own_key=ratchet_key,
        own_public_key=ratchet_key.public,
        root_key=root_key,
        sending=SendingChain(initiator.key2, chain_key, agreed.joiner_header_key),
        receiving=None,
        sent=0,
        received=0,
        previously_sent=0,
        next_sending_header_key=next_header_key,
        next_receiving_header_key=agreed.initiator_header_key,
    )


def init_receiving(own: E2EPrivateKeys, joiner: E2EParams, max_version: int = E2E_VERSIONS.maximum) -> RatchetState:
    """Set up the initiator's ratchet, which must decrypt the joiner's confirmation before it can send.

    ``own`` are the keys whose public halves are in the invitation, ``joiner`` those of the confirmation. Raises
    :class:`RatchetError` on keys that are not safe to use.
    """
    try:
        agreed: Agreement = agree_as_initiator(own, joiner)
    except CryptoError:
        raise UnsupportedRatchetError("the confirmation's keys are not safe to use") from None
    return RatchetState(
        version=joiner.version,
        max_version=max(max_version, joiner.version),
        associated_data=agreed.associated_data,
        own_key=own.key2,
        own_public_key=own.key2.public,
        root_key=agreed.root_key,
        sending=None,
        receiving=None,
        sent=0,
        received=0,
        previously_sent=0,
        next_sending_header_key=agreed.initiator_header_key,
        next_receiving_header_key=agreed.joiner_header_key,
    )


def encrypt(state: RatchetState, plaintext: bytes, padded_length: int) -> tuple[RatchetState, bytes]:
    """Encrypt ``plaintext``, padded to ``padded_length`` bytes: the new state, and the message.

    Raises :class:`NotReadyError` and :class:`PlaintextTooLongError`.
    """
    chain = state.sending
    if chain is None:
        raise NotReadyError("nothing was received from the other side yet, so nothing can be sent")
    try:
        padded = pad(plaintext, padded_length)
    except CryptoError:
        raise PlaintextTooLongError(f"{len(plaintext)} bytes do not fit into {padded_length - 2}") from None
    chain_key, key, header_iv = _chain_step(chain.chain_key)
    header = _encrypt_header(state, chain, header_iv)
    body, tag = aead_encrypt(key.key, key.iv, state.associated_data + header, padded)
    message = _counted(state.version, header) + tag + body
    return replace(state, sending=replace(chain, chain_key=chain_key), sent=state.sent + 1), message


def decrypt(state: RatchetState, skipped: SkippedKeys, ciphertext: bytes, random: Random) -> Decrypted:
    """Decrypt a message: the new state, what changes in the skipped keys, and the text.

    ``random`` is drawn from only when the ratchet turns (56 bytes). Raises :class:`RatchetError`; then nothing has
    changed, and the same message fails again.
    """
    message = _Message.decode(ciphertext)
    found = _find_header(state, skipped, message)
    key = skipped.get(found.header_key, found.header.number)
    if key is not None:
        # a message that others overtook
        plaintext = _decrypt_body(state, message, key)
        return Decrypted(state, SkippedDelta(removed=((found.header_key, found.header.number),)), plaintext)
    if found.step is _Step.PAST:
        raise EarlierMessageError("the message came before, or its key was dropped as one of too many")
    turn = found.step is _Step.TURN
    _check_skip(state, found.header, turn=turn)
    if found.header.max_version > state.version:
        version = max(state.version, min(found.header.max_version, state.max_version))
        state = replace(state, version=version)
    added: list[SkippedKey] = []
    if turn:
        state = _skip(state, found.header.previously_sent, added)
        state = _turn(state, found.header.key, random)
    state = _skip(state, found.header.number, added)
    receiving = _receiving(state)
    chain_key, key, _ = _chain_step(receiving.chain_key)
    plaintext = _decrypt_body(state, message, key)
    state = replace(state, receiving=replace(receiving, chain_key=chain_key), received=state.received + 1)
    surplus = len(skipped) + len(added) - MAX_SKIPPED_STORED if added else 0
    return Decrypted(state, SkippedDelta(tuple(added), tuple(skipped.oldest(max(surplus, 0)))), plaintext)


class _Step(Enum):
    """Where a header's key belongs."""

    SAME = "the current receiving chain"
    TURN = "the next receiving chain: the other side turned the ratchet"
    PAST = "an earlier chain that messages are missing of"


@dataclass(frozen=True, slots=True)
class _Header:
    max_version: int
    key: X448PublicKey
    previously_sent: int
    number: int

    def encode(self, version: int) -> bytes:
        kem = maybe(None) if version >= POST_QUANTUM_VERSION else b""
        numbers = word32(self.previously_sent) + word32(self.number)
        return word16(self.max_version) + public_key(self.key) + kem + numbers

    @classmethod
    def decode(cls, data: bytes, version: int) -> _Header:
        reader = Reader(data)
        try:
            max_version, key = reader.word16(), reader.key(X448PublicKey)
            if version >= POST_QUANTUM_VERSION and reader.maybe(lambda: True):
                raise UnsupportedRatchetError("the other side uses post-quantum keys, which were not agreed on")
            # headers may get longer in later versions
            return cls(max_version, key, reader.word32(), reader.word32())
        except DecodeError:
            raise HeaderError("the message's header does not decode") from None


@dataclass(frozen=True, slots=True)
class _Message:
    """A ratchet message in its parts. ``header`` is all that is authenticated together with the body."""

    header: bytes
    version: int
    header_iv: bytes
    header_tag: bytes
    header_body: bytes
    tag: bytes
    body: bytes

    @classmethod
    def decode(cls, data: bytes) -> _Message:
        reader = Reader(data)
        try:
            header = _read_counted(reader)
            tag, body = reader.take(_TAG_SIZE), reader.tail()
            inner = Reader(header)
            version, iv, header_tag = inner.word16(), inner.take(_IV_SIZE), inner.take(_TAG_SIZE)
            header_body = _read_counted(inner)
            inner.end()
        except DecodeError:
            raise HeaderError("the message is too short to have a header") from None
        return cls(header, version, iv, header_tag, header_body, tag, body)

    def open_header(self, key: bytes, associated_data: bytes) -> _Header | None:
        """The header if ``key`` is its key."""
        try:
            padded = aead_decrypt(key, self.header_iv, associated_data, self.header_body, self.header_tag)
            return _Header.decode(unpad(padded), self.version)
        except CryptoError:
            return None


@dataclass(frozen=True, slots=True)
class _Found:
    header: _Header
    header_key: bytes = field(repr=False)
    step: _Step


def _find_header(state: RatchetState, skipped: SkippedKeys, message: _Message) -> _Found:
    """Find the chain of a message; the usual ones first, as every chain costs one attempt to decrypt."""
    current = state.receiving.header_key if state.receiving else None
    steps = {state.next_receiving_header_key: _Step.TURN}
    if current is not None:
        steps = {current: _Step.SAME} | steps
    for key in (*steps, *skipped.header_keys()):
        header = message.open_header(key, state.associated_data)
        if header is not None:
            return _Found(header, key, steps.get(key, _Step.PAST))
    raise HeaderError("the message's header is of no chain of this ratchet")


def _check_skip(state: RatchetState, header: _Header, *, turn: bool) -> None:
    """Refuse what cannot be decrypted before any key is computed."""
    if state.receiving is not None:
        _check_distance(state.received, header.previously_sent if turn else header.number, ends_chain=turn)
    if turn:
        _check_distance(0, header.number, ends_chain=False)


def _check_distance(received: int, number: int, *, ends_chain: bool) -> None:
    if number < received:
        if ends_chain:
            raise HeaderError("the other side ended a chain before messages that came in it")
        if number == received - 1:
            raise DuplicateMessageError("the message is the one that was decrypted last")
        raise EarlierMessageError("the message came before, or its key was dropped as one of too many")
    if number - received > MAX_SKIPPED_IN_STEP:
        raise TooManySkippedError(number - received)


def _skip(state: RatchetState, number: int, added: list[SkippedKey]) -> RatchetState:
    """Move the receiving chain on to message ``number``, and keep the keys on the way."""
    receiving = state.receiving
    if receiving is None or number == state.received:
        return state
    chain_key = receiving.chain_key
    for skipped in range(state.received, number):
        chain_key, key, _ = _chain_step(chain_key)
        added.append(SkippedKey(receiving.header_key, skipped, key))
    return replace(state, receiving=replace(receiving, chain_key=chain_key), received=number)


def _turn(state: RatchetState, peer_key: X448PublicKey, random: Random) -> RatchetState:
    """Start a new receiving and a new sending chain with the other side's new key and one of our own."""
    own_key = X448PrivateKey.generate(random)
    try:
        root_key, receiving_chain_key, next_receiving = _root_step(state.root_key, state.own_key, peer_key)
        root_key, sending_chain_key, next_sending = _root_step(root_key, own_key, peer_key)
    except CryptoError:
        raise UnsupportedRatchetError("the other side's ratchet key is not safe to use") from None
    return replace(
        state,
        own_key=own_key,
        own_public_key=own_key.public,
        root_key=root_key,
        sending=SendingChain(peer_key, sending_chain_key, state.next_sending_header_key),
        receiving=ReceivingChain(receiving_chain_key, state.next_receiving_header_key),
        sent=0,
        received=0,
        previously_sent=state.sent,
        next_sending_header_key=next_sending,
        next_receiving_header_key=next_receiving,
    )


def _receiving(state: RatchetState) -> ReceivingChain:
    if state.receiving is None:
        raise StoredRatchetError("stored ratchet has a header key but no receiving chain")
    return state.receiving


def _encrypt_header(state: RatchetState, chain: SendingChain, iv: bytes) -> bytes:
    header = _Header(state.max_version, state.own_public_key, state.previously_sent, state.sent)
    padded = pad(header.encode(state.version), _HEADER_LENGTH)
    body, tag = aead_encrypt(chain.header_key, iv, state.associated_data, padded)
    return word16(state.version) + iv + tag + _counted(state.version, body)


def _decrypt_body(state: RatchetState, message: _Message, key: MessageKey) -> bytes:
    try:
        return unpad(aead_decrypt(key.key, key.iv, state.associated_data + message.header, message.body, message.tag))
    except CryptoError:
        raise MessageError("the message's body does not decrypt: it was changed on its way") from None


def _root_step(root_key: bytes, own: X448PrivateKey, peer: X448PublicKey) -> tuple[bytes, bytes, bytes]:
    """The next root key, the new chain's key, and the header key of the chain after it."""
    keys = hkdf(root_key, own.exchange(peer), _ROOT_INFO, 96)
    return keys[:32], keys[32:64], keys[64:]


def _chain_step(chain_key: bytes) -> tuple[bytes, MessageKey, bytes]:
    """The next chain key, a message's key, and its header's initialisation vector."""
    keys = hkdf(b"", chain_key, _CHAIN_INFO, 96)
    return keys[:32], MessageKey(keys[32:64], keys[64:80]), keys[80:]


def _counted(version: int, data: bytes) -> bytes:
    """A header with its length before it, which has two bytes from version 3 on."""
    return large(data) if version >= POST_QUANTUM_VERSION else short(data)


def _read_counted(reader: Reader) -> bytes:
    """Read either form of :func:`_counted`: no header is shorter than 32 bytes or longer than 8191."""
    return reader.large() if reader.peek() < b"\x20" else reader.short()
