"""Whether both servers do what clients want of them: asked as clients ask, over their ports."""

from __future__ import annotations

import asyncio
import datetime as dt
import os
import ssl
import time
from pathlib import Path

from simplex_calls.catalogue import text
from simplex_calls.serve.plan import Plan
from simplex_calls.smp.address import ServerAddress
from simplex_calls.smp.channel import SMPClient, handshake
from simplex_calls.smp.commands import Ping
from simplex_calls.smp.connecting import connect_tls
from simplex_calls.smp.errors import SMPError
from simplex_calls.smp.messages import Msg, Pong
from simplex_calls.smp.queues import NetworkConfig
from simplex_calls.stun import (
    StunClient,
    StunError,
    StunRefusedError,
    StunTimeoutError,
    StunUnreachableError,
    Transport,
    time_limited,
)

SECONDS = 5.0
"""How long a server is waited for."""
_CREDENTIAL_SECONDS = 60
_UNAUTHORIZED = 401


class HealthError(Exception):
    """A server does not serve; the text says what is wrong."""


async def check_relay(plan: Plan, fingerprint: bytes) -> None:
    """Connect by TLS, shake hands, and have PING answered; raises :class:`HealthError`."""
    address = ServerAddress((plan.local_host,), plan.port, fingerprint)
    try:
        async with asyncio.timeout(SECONDS):
            connection = await connect_tls(address)
            try:
                session = await handshake(connection, fingerprint, dt.datetime.now(dt.UTC))
            except BaseException:
                connection.close()
                raise
            client = SMPClient(
                connection, session, _Deaf(), clock=time.monotonic, random=os.urandom, config=NetworkConfig()
            )
            client.start()
            try:
                answer = await client.request(Ping())
            finally:
                client.close()
                await client.wait_closed()
    except TimeoutError:
        raise HealthError(text("serve.health.timeout")) from None
    except (SMPError, OSError) as error:
        raise HealthError(str(error)) from None
    if not isinstance(answer, Pong):
        raise HealthError(text("serve.health.answer"))


async def check_turn(plan: Plan, secret: str, certificate: Path) -> None:
    """Bind and allocate over UDP with a credential for a minute, and bind over TCP and TLS.

    ``certificate`` is the file of the one that the server must show. Raises :class:`HealthError`.
    """
    host, port = plan.local_host, plan.turn_port
    credentials = time_limited(secret, f"health-{os.urandom(6).hex()}", time.time() + _CREDENTIAL_SECONDS)
    try:
        async with StunClient.connect(host, port, timeout=SECONDS) as client:
            await client.binding()
            await client.allocate(credentials)
            await client.release()
        async with StunClient.connect(host, port, Transport.TCP, timeout=SECONDS) as client:
            await client.binding()
        async with StunClient.connect(
            host, plan.turns_port, Transport.TLS, tls=_only(certificate), timeout=SECONDS
        ) as client:
            await client.binding()
    except StunTimeoutError:
        raise HealthError(text("serve.health.timeout")) from None
    except StunRefusedError as error:
        what = "serve.health.secret" if error.code == _UNAUTHORIZED else "serve.health.refused"
        raise HealthError(text(what, code=error.code)) from None
    except (StunUnreachableError, StunError) as error:
        raise HealthError(str(error)) from None
    except OSError:
        raise HealthError(text("serve.health.certificate", path=certificate)) from None


def _only(certificate: Path) -> ssl.SSLContext:
    """Take this certificate and no other, by whatever name the server is reached."""
    context = ssl.create_default_context(cafile=str(certificate))
    context.check_hostname = False
    # one that an authority signed ends at itself here, not at the authority
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context


class _Deaf:
    """Hears nothing: there are no queues."""

    def message(self, recipient_id: bytes, message: Msg) -> None:
        """No queue can get one."""

    def ended(self, recipient_id: bytes) -> None:
        """Nothing is subscribed to."""

    def deleted(self, recipient_id: bytes) -> None:
        """Nothing can be deleted."""

    def closed(self, client: SMPClient) -> None:
        """What is in flight fails by itself."""
