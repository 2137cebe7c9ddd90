"""An SMP server of our own: the one that people's simplex-calls use among themselves.

Follows simplex-messaging.md, versions 6 to 18, with the same codec as the client (``simplex_calls.smp``). ``core`` is
the server without sockets, clock or disk; ``store`` keeps queues and messages in SQLite. Around both: ``worker``
carries commands out in groups that ``disk`` stores; ``listening`` lets connections in, ``tls_socket`` moves their
blocks, ``client`` limits them; ``forwarding`` takes what other servers forward, ``proxy`` forwards to them;
``certificates`` makes its identity, ``counts`` is what ``metrics`` shows to Prometheus, and ``server`` starts and stops
it all. Used as
``async with Relay(RelayConfig(...)) as relay: relay.address``.
"""

from simplex_calls.relay.client import ClientLimits
from simplex_calls.relay.config import RelayConfig, RelayError
from simplex_calls.relay.server import Relay
from simplex_calls.relay.sessions import Limits

__all__ = ["ClientLimits", "Limits", "Relay", "RelayConfig", "RelayError"]
