"""STUN and TURN as far as it takes to try a server out: a binding, an allocation, a permission.

Follows RFC 8489 (STUN) and RFC 8656 (TURN) with long-term credentials; ``credentials`` makes those that are valid for a
time only, from a secret shared with the server. ``message`` is the codec; ``client`` speaks it over UDP, TCP or TLS.
Calls themselves are the pages' business: their engine has a TURN client of its own.
"""

from simplex_calls.stun.client import (
    Fault,
    StunClient,
    StunRefusedError,
    StunTimeoutError,
    StunUnreachableError,
    Transport,
)
from simplex_calls.stun.credentials import Credentials, time_limited
from simplex_calls.stun.message import StunError

__all__ = [
    "Credentials",
    "Fault",
    "StunClient",
    "StunError",
    "StunRefusedError",
    "StunTimeoutError",
    "StunUnreachableError",
    "Transport",
    "time_limited",
]
