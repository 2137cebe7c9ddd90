"""The one kind of error that :class:`~simplex_calls.client.Client` raises, and how the floors' errors become it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from simplex_calls.agent.errors import AgentError, LinkUsed, RatchetNotReady
from simplex_calls.agent.links import LinkError
from simplex_calls.calls.ice import IceServerError
from simplex_calls.calls.switchboard import (
    CallMissingError,
    CallStateError,
    LineBusyError,
    NoRelayError,
    UnencryptedError,
)
from simplex_calls.catalogue import text
from simplex_calls.chat.errors import ChatError, KeysNeededError, NotConnectedError, RequestGoneError, TooLargeError
from simplex_calls.database import DatabaseError, StorageFault, is_storage_failure, sqlite, storage_fault
from simplex_calls.smp.errors import AddressError, BrokerError, NetworkError, ServerIdentityError, SMPError

logger = logging.getLogger(__name__)


class ClientError(Exception):
    """Something cannot be done; the text is for the user and says what to do. ``message_id`` names it."""

    def __init__(self, message_id: str, /, **names: object) -> None:
        super().__init__(text(message_id, **names))
        self.message_id = message_id


def storage_error(fault: StorageFault, detail: object = "I/O error") -> ClientError:
    """What the user is told of a profile's file that cannot be used."""
    if fault is StorageFault.OTHER:
        return ClientError("client.error.storage", detail=detail)
    return ClientError(f"client.error.storage.{fault.value}")


@contextmanager
def user_errors() -> Iterator[None]:
    """Turn the floors' errors into what a user can read and act upon."""
    try:
        yield
    except DatabaseError as error:
        raise ClientError("client.error.profile", detail=error) from None
    except sqlite.DatabaseError as error:
        if not is_storage_failure(error):
            raise
        logger.critical("the profile cannot be read or written: %s", type(error).__name__)
        raise storage_error(storage_fault(error), error) from None
    except AddressError as error:
        raise ClientError("client.error.server-address", detail=error) from None
    except IceServerError as error:
        raise ClientError("client.error.ice-servers", detail=error) from None
    except LinkError as error:
        raise ClientError(f"client.error.link.{error.fault.value.replace(' ', '-')}") from None
    except (SMPError, AgentError, ChatError, CallMissingError, CallStateError, LineBusyError) as error:
        logger.info("refused: %s", type(error).__name__)
        for kind, message_id in _MESSAGES:
            if isinstance(error, kind):
                raise ClientError(message_id) from None
        raise ClientError("client.error.not-possible", detail=error) from None


_MESSAGES: tuple[tuple[type[Exception], str], ...] = (
    (LinkUsed, "client.error.link-used"),
    (RatchetNotReady, "client.error.keys-needed"),
    (AgentError, "client.error.connection"),
    (NetworkError, "client.error.server.unreachable"),
    (ServerIdentityError, "client.error.server.identity"),
    (BrokerError, "client.error.server.refused"),
    (SMPError, "client.error.server.failed"),
    (KeysNeededError, "client.error.keys-needed"),
    (NotConnectedError, "client.error.not-connected"),
    (TooLargeError, "client.error.too-large"),
    (RequestGoneError, "client.error.request-gone"),
    (CallMissingError, "client.error.call-gone"),
    (UnencryptedError, "client.error.unencrypted"),
    (NoRelayError, "client.error.no-relay"),
    (CallStateError, "client.error.call-state"),
    (LineBusyError, "client.error.line-busy"),
)
