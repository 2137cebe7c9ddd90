"""The double ratchet with header encryption and KEM (X448, sntrup761, AES-256-GCM, HKDF-SHA512), e2e versions 2 and 3.

Pure functions over :class:`.ratchet_state.RatchetState`: encryption depends on nothing but the state, decryption draws
one new key pair (and in version 3 new KEM keys) when the other side has turned the ratchet. On any error the caller's
state is what it was, even when a message with a valid header has a body that was changed, so nobody between the two
parties can put them out of step. Sources: pqdr.md, and "Double Ratchet with header encryption" in Signal's
specification.

Version 3 differs in the length prefixes and in a place for KEM keys in the header. Each turn may use KEM or not: see
:func:`encrypt` for how it is turned on and off.
"""

from __future__ import annotations

import itertools
from collections.abc import Container, Iterator
from dataclasses import dataclass, field, replace
from enum import Enum

from simplex_calls.agent.kem import KemKeys, KemParams, KemProposed
from simplex_calls.agent.ratchet_message import Header, Message
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
    SkippedLookup,
    StoredRatchetError,
    TooManySkippedError,
    UnsupportedRatchetError,
)
from simplex_calls.agent.versions import E2E_VERSIONS, POST_QUANTUM_VERSION
from simplex_calls.agent.x3dh import (
    Agreement,
    E2EParams,
    E2EPrivateKeys,
    agree_as_initiator,
    agree_as_joiner,
)
from simplex_calls.crypto import (
    CryptoError,
    KemSource,
    Random,
    SystemKem,
    X448PrivateKey,
    X448PublicKey,
    aead_decrypt,
    aead_encrypt,
    hkdf,
    pad,
    unpad,
)

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
    "SkippedLookup",
    "StoredRatchetError",
    "TooManySkippedError",
    "UnsupportedRatchetError",
    "decrypt",
    "encrypt",
    "init_receiving",
    "init_sending",
]

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

    ``own`` are the keys whose public halves go into the confirmation (with KEM keys from :func:`.x3dh.reply_kem`, or
    the ratchet starts without KEM), ``initiator`` those of the invitation at the version agreed on, ``ratchet_key`` is
    a new one. Raises :class:`RatchetError` on keys that are not safe to use.
    """
    try:
        agreed = agree_as_joiner(own, initiator)
        shared = agreed.kem.accepted.shared if agreed.kem and agreed.kem.accepted else None
        root_key, chain_key, next_header_key = _root_step(agreed.root_key, ratchet_key, initiator.key2, shared)
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
        kem=agreed.kem,
        supports_kem=agreed.kem is not None,
        enables_kem=agreed.kem is not None,
        sending_kem=shared is not None,
    )


def init_receiving(
    own: E2EPrivateKeys, joiner: E2EParams, max_version: int = E2E_VERSIONS.maximum, *, pq: bool = False
) -> RatchetState:
    """Set up the initiator's ratchet, which must decrypt the joiner's confirmation before it can send.

    ``own`` are the keys whose public halves are in the invitation, ``joiner`` those of the confirmation, ``pq`` whether
    KEM is wanted. Raises :class:`RatchetError` on keys that are not safe to use.
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
        kem=agreed.kem,
        supports_kem=pq,
        enables_kem=pq,
    )


def encrypt(
    state: RatchetState,
    plaintext: bytes,
    padded_length: int,
    *,
    pq: bool | None = None,
    max_version: int = E2E_VERSIONS.maximum,
) -> tuple[RatchetState, bytes]:
    """Encrypt ``plaintext``, padded to ``padded_length`` bytes: the new state, and the message.

    ``pq`` turns KEM on or off from the next turn of the ratchet on; None leaves it as it is. It is on once both sides
    want it and each has turned the ratchet. ``max_version`` is what we speak: a ratchet of an older version rises to it
    when both sides have told each other. Raises :class:`NotReadyError` and :class:`PlaintextTooLongError`.
    """
    chain = state.sending
    if chain is None:
        raise NotReadyError("nothing was received from the other side yet, so nothing can be sent")
    try:
        padded = pad(plaintext, padded_length)
    except CryptoError:
        raise PlaintextTooLongError(f"{len(plaintext)} bytes do not fit into {padded_length - 2}") from None
    enables_kem = state.enables_kem if pq is None else pq
    state = replace(
        state,
        max_version=max(max_version, POST_QUANTUM_VERSION if pq else state.version),
        supports_kem=_supports_kem(state, enables_kem),
        enables_kem=enables_kem,
    )
    chain_key, key, header_iv = _chain_step(chain.chain_key)
    header = _encrypt_header(state, chain, header_iv)
    body, tag = aead_encrypt(key.key, key.iv, state.associated_data + header, padded)
    message = Message(state.version, header, tag, body).encode()
    # who turns KEM off still proposes: only what was encapsulated is forgotten
    kem = state.kem.proposed() if state.kem and pq is False else state.kem
    return replace(state, sending=replace(chain, chain_key=chain_key), sent=state.sent + 1, kem=kem), message


def decrypt(
    state: RatchetState, skipped: SkippedLookup, ciphertext: bytes, random: Random, kem: KemSource | None = None
) -> Decrypted:
    """Decrypt a message: the new state, what changes in the skipped keys, and the text.

    ``random`` (56 bytes) and ``kem`` are drawn from only when the ratchet turns. Raises :class:`RatchetError`; then
    nothing has changed, and the same message fails again.
    """
    message = Message.decode(ciphertext)
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
        state = _turn(state, found.header, random, kem or SystemKem())
    state = _skip(state, found.header.number, added)
    receiving = _receiving(state)
    chain_key, key, _ = _chain_step(receiving.chain_key)
    plaintext = _decrypt_body(state, message, key)
    state = replace(state, receiving=replace(receiving, chain_key=chain_key), received=state.received + 1)
    surplus = len(skipped) + len(added) - MAX_SKIPPED_STORED if added else 0
    removed = tuple(skipped.oldest(surplus)) if surplus > 0 else ()
    return Decrypted(state, SkippedDelta(tuple(added), removed), plaintext)


class _Step(Enum):
    """Where a header's key belongs."""

    SAME = "the current receiving chain"
    TURN = "the next receiving chain: the other side turned the ratchet"
    PAST = "an earlier chain that messages are missing of"


@dataclass(frozen=True, slots=True)
class _Found:
    header: Header
    header_key: bytes = field(repr=False)
    step: _Step


def _find_header(state: RatchetState, skipped: SkippedLookup, message: Message) -> _Found:
    """Find the chain of a message; the usual ones first, as every chain costs one attempt to decrypt."""
    current = state.receiving.header_key if state.receiving else None
    steps = {state.next_receiving_header_key: _Step.TURN}
    if current is not None:
        steps = {current: _Step.SAME} | steps
    sealed = message.sealed_header()
    # the stored keys are not even asked for if it is one of these
    for key in itertools.chain(steps, _other(steps, skipped)):
        header = sealed.open(key, state.associated_data)
        if header is not None:
            return _Found(header, key, steps.get(key, _Step.PAST))
    raise HeaderError("the message's header is of no chain of this ratchet")


def _other(known: Container[bytes], skipped: SkippedLookup) -> Iterator[bytes]:
    yield from (key for key in skipped.header_keys() if key not in known)


def _check_skip(state: RatchetState, header: Header, *, turn: bool) -> None:
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


def _turn(state: RatchetState, header: Header, random: Random, source: KemSource) -> RatchetState:
    """Start a new receiving and a new sending chain with the other side's new key and one of our own."""
    own_key, peer_key = X448PrivateKey.generate(random), header.key
    try:
        received, kem = _turn_kem(state, header.kem, source)
        shared = kem.accepted.shared if kem and kem.accepted else None
        root_key, receiving_chain_key, next_receiving = _root_step(state.root_key, state.own_key, peer_key, received)
        root_key, sending_chain_key, next_sending = _root_step(root_key, own_key, peer_key, shared)
    except CryptoError:
        raise UnsupportedRatchetError("the other side's ratchet key is not safe to use") from None
    enables_kem = received is not None or kem is not None
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
        kem=kem,
        supports_kem=_supports_kem(state, enables_kem),
        enables_kem=enables_kem,
        sending_kem=shared is not None,
        receiving_kem=received is not None,
    )


def _turn_kem(state: RatchetState, theirs: KemParams | None, source: KemSource) -> tuple[bytes | None, KemKeys | None]:
    """The secret of the new receiving chain, and the KEM keys with the one of the new sending chain."""
    wanted = state.enables_kem and state.version >= POST_QUANTUM_VERSION
    if theirs is None:
        # it is proposed where the user wants it; an own proposal that stays without an answer is taken back
        return None, KemKeys.propose(source) if wanted and state.kem is None else None
    received = None
    if not isinstance(theirs, KemProposed):
        if state.kem is None:
            raise UnsupportedRatchetError("the other side accepted KEM keys that were not proposed")
        received = state.kem.own.decapsulate(theirs.ciphertext)
    return received, KemKeys.accept(source, theirs.key) if wanted else None


def _supports_kem(state: RatchetState, enables_kem: bool) -> bool:  # noqa: FBT001
    return state.supports_kem or (enables_kem and state.version >= POST_QUANTUM_VERSION)


def _receiving(state: RatchetState) -> ReceivingChain:
    if state.receiving is None:
        raise StoredRatchetError("stored ratchet has a header key but no receiving chain")
    return state.receiving


def _encrypt_header(state: RatchetState, chain: SendingChain, iv: bytes) -> bytes:
    kem = None if state.kem is None else state.kem.params
    header = Header(state.max_version, state.own_public_key, state.previously_sent, state.sent, kem)
    has_room = state.supports_kem and state.version >= POST_QUANTUM_VERSION
    return header.seal(state.version, chain.header_key, iv, state.associated_data, has_room=has_room)


def _decrypt_body(state: RatchetState, message: Message, key: MessageKey) -> bytes:
    try:
        return unpad(aead_decrypt(key.key, key.iv, state.associated_data + message.header, message.body, message.tag))
    except CryptoError:
        raise MessageError("the message's body does not decrypt: it was changed on its way") from None


def _root_step(
    root_key: bytes, own: X448PrivateKey, peer: X448PublicKey, shared: bytes | None
) -> tuple[bytes, bytes, bytes]:
    """The next root key, the new chain's key, and the header key of the chain after it. ``shared`` is KEM's secret."""
    keys = hkdf(root_key, own.exchange(peer) + (shared or b""), _ROOT_INFO, 96)
    return keys[:32], keys[32:64], keys[64:]


def _chain_step(chain_key: bytes) -> tuple[bytes, MessageKey, bytes]:
    """The next chain key, a message's key, and its header's initialisation vector."""
    keys = hkdf(b"", chain_key, _CHAIN_INFO, 96)
    return keys[:32], MessageKey(keys[32:64], keys[64:80]), keys[80:]
