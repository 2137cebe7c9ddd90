"""Versions of the agent floor's protocols, and the padded sizes that belong to them.

A version range is announced in invitation links; the highest version that both sides speak is used. Sources:
agent-protocol.md ("Connection request", "Agent message"), pqdr.md, and the version histories of the official agent.
"""

from __future__ import annotations

from simplex_calls.smp.encoding import VersionRange

AGENT_VERSIONS = VersionRange(2, 7)
"""Agent versions that we announce and accept.

2 is the duplex handshake, the oldest that official agents accept. 3 to 5 add messages that are optional to send
(ratchet renegotiation, receipts) and the sizes of post-quantum messages. 6 lets a
party secure the reply queue by itself. 7 says that the party that made the invitation sets its ratchet up when the
confirmation arrives, not when the user allows it, so that the other one may send at once. We do all of it.
"""

POST_QUANTUM_VERSION = 3
"""The first e2e version whose parameters and headers have a place for KEM keys."""

E2E_VERSIONS = VersionRange(2, 3)
"""Double ratchet versions that we announce and accept.

2 is X448 with header encryption; 1 had no key derivation in X3DH and is refused by official agents. 3 adds the
post-quantum KEM, used where both sides want it.
"""

CLIENT_VERSIONS = VersionRange(1, 4)
"""SMP client versions of our queues: 2 adds further host names, 3 queues that the sender can secure, 4 short links and
another way to write the queue's mode."""

CONNECTION_INFO_LENGTH = 14_832
"""Size that an :class:`.envelopes.ConnInfo` or ``ConnInfoReply`` is padded to in the ratchet (without post-quantum)."""

AGENT_MESSAGE_LENGTH = 15_840
"""Size that every other agent message is padded to in the ratchet (without post-quantum)."""

_PQ_CONNECTION_INFO_LENGTH = 11_106
_PQ_AGENT_MESSAGE_LENGTH = 13_618

_RATCHET_SYNC_VERSION = 3
_RECEIPTS_VERSION = 4
_PQ_VERSION = 5


def connection_info_length(agent_version: int, *, pq: bool) -> int:
    """Size that connection information is padded to in the ratchet; ``pq`` as for :func:`agent_message_length`."""
    return _PQ_CONNECTION_INFO_LENGTH if pq and agent_version >= _PQ_VERSION else CONNECTION_INFO_LENGTH


def agent_message_length(agent_version: int, *, pq: bool) -> int:
    """Size that every other agent message is padded to in the ratchet.

    ``pq`` is whether the connection makes room for KEM keys in its messages' headers: once it does (see
    :func:`supports_pq`, or when the user turned it on), it goes on with that, whether KEM is used or not.
    """
    return _PQ_AGENT_MESSAGE_LENGTH if pq and agent_version >= _PQ_VERSION else AGENT_MESSAGE_LENGTH


def supports_pq(agent_version: int, e2e_version: int | None = None) -> bool:
    """Whether a connection of these versions can have KEM keys in its messages.

    ``e2e_version`` is None where it is not known yet: to a contact address.
    """
    return agent_version >= _PQ_VERSION and (e2e_version is None or e2e_version >= POST_QUANTUM_VERSION)


def supports_ratchet_sync(agent_version: int) -> bool:
    """Whether a peer of this version can start its ratchet again."""
    return agent_version >= _RATCHET_SYNC_VERSION


def supports_receipts(agent_version: int) -> bool:
    """Whether a peer of this version understands delivery receipts."""
    return agent_version >= _RECEIPTS_VERSION


def highest_common(ours: VersionRange, theirs: VersionRange) -> int | None:
    """The version that both sides use: the highest that both ranges hold, or None if there is none."""
    common = ours.intersect(theirs)
    return None if common is None else common.maximum
