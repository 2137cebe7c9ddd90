"""The door to the SMP client for the floor above: :class:`Network` and what belongs to it."""

from simplex_calls.smp.channel import SMPClient
from simplex_calls.smp.network import Network
from simplex_calls.smp.probe import ServerVerdict, VerdictKind, probe_server
from simplex_calls.smp.queues import NetworkConfig, NetworkHandler, PrivateRouting, QueueIds, RecipientQueue
from simplex_calls.smp.socks import SocksProxy

__all__ = [
    "Network",
    "NetworkConfig",
    "NetworkHandler",
    "PrivateRouting",
    "QueueIds",
    "RecipientQueue",
    "SMPClient",
    "ServerVerdict",
    "SocksProxy",
    "VerdictKind",
    "probe_server",
]
