"""The local profile: what contacts, links and requests tell of the user, and to whom calls are welcome."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from simplex_calls.chat.contacts import MAX_FULL_NAME_LENGTH, Contact, Contacts, clean_name
from simplex_calls.chat.errors import ChatError, ImageError
from simplex_calls.chat.events import ChatEvent, ContactUpdated
from simplex_calls.chat.link_data import encode_link_data
from simplex_calls.chat.messages import (
    MAX_IMAGE_LENGTH,
    MAX_INFO_LENGTH,
    SUPPORTED_VERSIONS,
    ChatMessage,
    ContactRequest,
    Info,
    Profile,
    encode_message,
    is_image,
)
from simplex_calls.chat.sending import Sending
from simplex_calls.crypto import Random
from simplex_calls.database import Database

_REQUEST_ID_LENGTH = 16


def _call_preferences(allowed: bool) -> dict[str, Any] | None:  # noqa: FBT001 - a value
    """The preferences that say so: calls are welcome where nothing is said."""
    return None if allowed else {"calls": {"allow": "no"}}


def _with_preferences(profile: Profile, *, calls_allowed: bool) -> Profile:
    """The profile as it is sent: official apps offer their users nothing that we would not show."""
    refused = ("files", "fullDelete", "reactions", "sessions", "timedMessages", "voice")
    preferences = {"calls": {"allow": "yes" if calls_allowed else "no"}} | {name: {"allow": "no"} for name in refused}
    return dataclasses.replace(profile, preferences=preferences)


class OwnProfile:
    """Keeps the profile, and tells contacts of its changes. ``changed`` is told of them, after the first time."""

    def __init__(
        self,
        database: Database,
        contacts: Contacts,
        sending: Sending,
        *,
        emit: Callable[[ChatEvent], None],
        changed: Callable[[], None],
        random: Random,
    ) -> None:
        self._database = database
        self._contacts = contacts
        self._sending = sending
        self._emit = emit
        self._changed = changed
        self._random = random

    @property
    def stored(self) -> Profile | None:
        """The profile; none before :meth:`change` was called the first time."""
        row = self._database.execute("SELECT * FROM profile").fetchone()
        if row is None:
            return None
        return Profile(row["display_name"], row["full_name"], _call_preferences(row["calls_allowed"]), row["image"])

    def change(self, display_name: str, full_name: str, image: str | None, *, calls_allowed: bool) -> Profile:
        """Choose or change it; all connected contacts are told. Raises :class:`ChatError`."""
        if image is not None and (not is_image(image) or len(image) > MAX_IMAGE_LENGTH):
            raise ImageError("a profile's picture must be a small JPEG or PNG as a data: URL")
        full_name = clean_name(full_name, MAX_FULL_NAME_LENGTH)
        profile = Profile(clean_name(display_name), full_name, _call_preferences(calls_allowed), image)
        if not profile.display_name:
            raise ChatError("a profile needs a name with at least one visible character")
        with self._database.transaction():
            before, contacts = self.stored, {contact.id: contact for contact in self._contacts.all()}
            if profile == before:
                return profile
            self._database.execute(
                "INSERT OR REPLACE INTO profile (id, display_name, full_name, image, calls_allowed)"
                " VALUES (1, ?, ?, ?, ?)",
                (profile.display_name, profile.full_name, image, calls_allowed),
            )
            for contact in self._contacts.all():
                if contact != contacts.get(contact.id):
                    self._emit(ContactUpdated(contact))
                if contact.is_connected:
                    self._sending.try_send(contact, Info(self._for(contact, profile)))
            if before is not None:
                self._changed()
        return profile

    def set_calls_allowed(self, contact_id: int, allowed: bool | None) -> Contact:  # noqa: FBT001 - a value
        """Welcome a contact's calls, or not; ``None``: as in the profile. They are told."""
        with self._database.transaction():
            before = self._sending.contact(contact_id)
            contact = self._contacts.set_own_calls_allowed(before, allowed)
            profile = self.stored
            if contact != before:
                self._emit(ContactUpdated(contact))
            if contact.is_connected and profile is not None:
                self._sending.try_send(contact, Info(self._for(contact, profile)))
        return contact

    @staticmethod
    def _for(contact: Contact, profile: Profile) -> Profile:
        """What a contact is told of the profile: with what is meant for them."""
        own = contact.own_calls_allowed
        return _with_preferences(profile, calls_allowed=profile.calls_allowed if own is None else own)

    def info(self) -> bytes:
        """What who connects is told of us. Raises :class:`ChatError` while there is no profile, as the others do."""
        return encode_message(ChatMessage(Info(self._shown()), versions=SUPPORTED_VERSIONS), MAX_INFO_LENGTH)

    def request(self) -> bytes:
        """What the owner of an address is told of us when we ask."""
        asked = ContactRequest(self._shown(), self._random(_REQUEST_ID_LENGTH))
        return encode_message(ChatMessage(asked, versions=SUPPORTED_VERSIONS), MAX_INFO_LENGTH)

    def link_data(self) -> bytes:
        """What our links show of us."""
        return encode_link_data(self._shown())

    def _shown(self) -> Profile:
        profile = self.stored
        if profile is None:
            raise ChatError("choose a name for your profile first")
        return _with_preferences(profile, calls_allowed=profile.calls_allowed)
