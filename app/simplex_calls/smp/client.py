"""The door to the SMP client for the floor above: :class:`Network` and what belongs to it."""

from simplex_calls.smp.channel import SMPClient
from simplex_calls.smp.network import Network
from simplex_calls.smp.queues import NetworkConfig, NetworkHandler, QueueIds, RecipientQueue

__all__ = ["Network", "NetworkConfig", "NetworkHandler", "QueueIds", "RecipientQueue", "SMPClient"]
