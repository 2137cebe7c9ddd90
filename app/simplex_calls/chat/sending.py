"""What goes to contacts: an event becomes a message, and the agent sends it, in the caller's transaction."""

from __future__ import annotations

import logging
from collections.abc import Callable

from simplex_calls.agent.errors import AgentError, LargeMessage, RatchetNotReady
from simplex_calls.chat.batch import compressed
from simplex_calls.chat.contacts import Contact, Contacts
from simplex_calls.chat.errors import ChatError, KeysNeededError, NotConnectedError, TooLargeError
from simplex_calls.chat.messages import (
    SUPPORTED_VERSIONS,
    ChatMessage,
    Event,
    MessageError,
    MessageTooLargeError,
    encode_message,
    notifies,
)
from simplex_calls.chat.port import AgentPort
from simplex_calls.crypto import Random
from simplex_calls.database import Database

logger = logging.getLogger(__name__)

COMPRESSION_VERSION = 8
"""The chat version from which on compressed messages are understood."""

_MESSAGE_ID_LENGTH = 12


class Sending:
    """Sends to contacts. ``agent`` is asked for when it is needed: it is made after this."""

    def __init__(
        self, database: Database, contacts: Contacts, agent: Callable[[], AgentPort], *, random: Random
    ) -> None:
        self._database = database
        self._contacts = contacts
        self._agent = agent
        self._random = random

    def contact(self, contact_id: int) -> Contact:
        """One contact; raises :class:`ChatError` when there is none."""
        contact = self._contacts.get(contact_id)
        if contact is None:
            raise ChatError(f"contact {contact_id} does not exist: it was removed or never made")
        return contact

    def connected(self, contact_id: int) -> Contact:
        """One that something can be sent to; raises :class:`NotConnectedError`, too."""
        contact = self.contact(contact_id)
        if not contact.is_connected:
            raise NotConnectedError(f"contact {contact_id} is {contact.status.value}: nothing can be sent")
        return contact

    def new_message_id(self) -> bytes:
        """The id of a new message."""
        return self._random(_MESSAGE_ID_LENGTH)

    def send(self, contact: Contact, event: Event, message_id: bytes | None = None) -> int:
        """Send an event: the agent's number for it. Raises what :meth:`encode` and :meth:`send_encoded` do."""
        body = self.encode(event, message_id or self.new_message_id())
        return self.send_encoded(contact, body, notify=notifies(event))

    def try_send(self, contact: Contact, event: Event) -> int | None:
        """Send, or not: the transaction goes on."""
        try:
            with self._database.savepoint():
                return self.send(contact, event)
        except ChatError as error:
            logger.info("%s is not sent to contact %d: %s", type(event).__name__, contact.id, type(error).__name__)
            return None

    @staticmethod
    def encode(event: Event, message_id: bytes) -> bytes:
        """The body of a message; raises :class:`TooLargeError` and :class:`ChatError`."""
        try:
            return encode_message(ChatMessage(event, message_id, SUPPORTED_VERSIONS))
        except MessageTooLargeError as error:
            raise TooLargeError(f"this cannot be sent: {error}") from None
        except MessageError as error:
            raise ChatError(f"this cannot be sent: {error}") from None

    def send_encoded(self, contact: Contact, body: bytes, *, notify: bool) -> int:
        """Send a body: the agent's number for it.

        Raises :class:`TooLargeError`, :class:`KeysNeededError` and :class:`NotConnectedError`.
        """
        if contact.connection_id is None:
            raise NotConnectedError(f"contact {contact.id} has no connection: nothing can be sent")
        try:
            return self._send_body(contact, contact.connection_id, body, notify=notify)
        except LargeMessage as error:
            raise TooLargeError(f"this cannot be sent: {error}") from None
        except RatchetNotReady as error:
            raise KeysNeededError(f"nothing can be sent to contact {contact.id}: {error}") from None
        except AgentError as error:
            raise NotConnectedError(f"nothing can be sent to contact {contact.id}: {error}") from None

    def _send_body(self, contact: Contact, connection_id: int, body: bytes, *, notify: bool) -> int:
        try:
            return self._agent().send(connection_id, body, notify=notify)
        except LargeMessage:
            # where post-quantum keys take their room, less is left than a message may have
            if contact.chat_version < COMPRESSION_VERSION:
                raise
            return self._agent().send(connection_id, compressed(body), notify=notify)
