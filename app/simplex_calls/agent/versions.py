"""Versions of the agent floor's protocols, and the padded sizes that belong to them.

A version range is announced in invitation links; the highest version that both sides speak is used. Sources:
agent-protocol.md ("Connection request", "Agent message"), pqdr.md, and the version histories of the official agent.
"""

from __future__ import annotations

from simplex_calls.smp.encoding import VersionRange

AGENT_VERSIONS = VersionRange(2, 7)
"""Agent versions that we announce and accept.

2 is the duplex handshake, the oldest that official agents accept. 3 to 5 add messages that are optional to send
(ratchet renegotiation, receipts) and the sizes of post-quantum messages, which e2e version 2 never uses. 6 lets a
party secure the reply queue by itself. 7 says that the party that made the invitation sets its ratchet up when the
confirmation arrives, not when the user allows it, so that the other one may send at once. We do all of it.
"""

E2E_VERSIONS = VersionRange(2, 2)
"""Double ratchet versions that we announce and accept.

2 is X448 with header encryption; 1 had no key derivation in X3DH and is refused by official agents. 3 adds the
post-quantum KEM, which we do not have: official peers announce 2-3 and take 2 with us.
"""

CLIENT_VERSIONS = VersionRange(1, 3)
"""SMP client versions of our queues: 2 adds further host names, 3 queues that the sender can secure.

4 brings short links and another way to write the queue's mode; it is read (:mod:`.queue_address`) but not announced.
"""

CONNECTION_INFO_LENGTH = 14_832
"""Size that an :class:`.envelopes.ConnInfo` or ``ConnInfoReply`` is padded to in the ratchet (without post-quantum)."""

AGENT_MESSAGE_LENGTH = 15_840
"""Size that every other agent message is padded to in the ratchet (without post-quantum)."""


def highest_common(ours: VersionRange, theirs: VersionRange) -> int | None:
    """The version that both sides use: the highest that both ranges hold, or None if there is none."""
    common = ours.intersect(theirs)
    return None if common is None else common.maximum
