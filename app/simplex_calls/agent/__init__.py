"""Agents: duplex connections between two people over simplex queues, encrypted by a double ratchet.

Follows agent-protocol.md (versions 2 to 7) and pqdr.md (e2e versions 2 and 3). :class:`Agent` is the shell; what it
tells is in :mod:`.events`. The pure half: :mod:`.connection` (the table of states), :mod:`.ratchet`, :mod:`.x3dh`,
:mod:`.links`, :mod:`.short_links`, :mod:`.envelopes`. In one database transaction: :mod:`.receiving` (what comes),
:mod:`.outgoing` (what goes into the outbox), :mod:`.lifecycle` (what the table says); then :mod:`.delivery` sends it.
:mod:`.own_links` and :mod:`.joining` make connections over the network, :mod:`.queue_making` the queues for them.
"""

from simplex_calls.agent.agent import Agent
from simplex_calls.agent.delivery import DeliveryConfig
from simplex_calls.agent.errors import AgentError
from simplex_calls.agent.events import AgentEvent
from simplex_calls.agent.links import LinkError

__all__ = ["Agent", "AgentError", "AgentEvent", "DeliveryConfig", "LinkError"]
