"""User and password for a TURN server, also those made of a secret that is shared with it. Pure."""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Credentials:
    """A user of a TURN server and the password."""

    username: str = field(repr=False)
    password: str = field(repr=False)


def time_limited(secret: str, name: str, expires_at: float) -> Credentials:
    """Credentials that the server takes until ``expires_at`` (seconds since 1970).

    Source: draft-uberti-behave-turn-rest, section 2.2, which coturn's ``use-auth-secret`` implements: the user is
    ``expiry:name``, the password the base64 of its HMAC-SHA1 under the secret. Quotas of one user count by ``name``.
    """
    username = f"{int(expires_at)}:{name}"
    digest = hmac.digest(secret.encode(), username.encode(), hashlib.sha1)
    return Credentials(username, base64.b64encode(digest).decode())
