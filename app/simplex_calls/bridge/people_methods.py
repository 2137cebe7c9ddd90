"""What the chat page can ask about people: links and contacts. Described in :mod:`simplex_calls.bridge.methods`."""

from __future__ import annotations

from simplex_calls.bridge.params import Method, Params
from simplex_calls.bridge.values import Json, contact_json, details_json, link_json, preview_json
from simplex_calls.client import Client, ClientError, ConnectionLink, Contact


class PeopleMethods:
    """Links and contacts: made, used, removed."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def table(self) -> dict[str, Method]:
        """The methods by name."""
        return {
            "create_invitation": self._create_invitation,
            "invitation": self._invitation,
            "look_up_link": self._look_up_link,
            "connect": self._connect,
            "delete_contact": self._delete_contact,
            "details": self._details,
            "verify": self._verify,
            "set_calls_allowed": self._set_calls_allowed,
            "set_audio_only": self._set_audio_only,
            "set_quantum_resistance": self._set_quantum_resistance,
            "synchronize": self._synchronize,
            "switch_queue": self._switch_queue,
            "abort_switching": self._abort_switching,
            "mark_read": self._mark_read,
        }

    def contact(self, contact: Contact) -> Json:
        """A contact with the newest of their items."""
        try:
            last = self._client.history(contact.id, limit=1)
        except ClientError:
            # removed since
            last = []
        is_verified = contact.verified_code is not None and self._is_verified(contact.id)
        return contact_json(contact, last[-1] if last else None, is_verified=is_verified)

    def _is_verified(self, contact_id: int) -> bool:
        try:
            return self._client.details(contact_id).is_verified
        except ClientError:
            return False

    async def _create_invitation(self, _: Params) -> Json:
        link = await self._client.create_invitation()
        return self._invitation_json(self._owner_of(link), link)

    def _owner_of(self, link: ConnectionLink) -> int | None:
        for contact in reversed(self._client.contacts()):
            if self._client.invitation_link(contact.id) == link:
                return contact.id
        return None

    async def _invitation(self, params: Params) -> Json | None:
        contact_id = params.number("contactId")
        link = self._client.invitation_link(contact_id)
        return None if link is None else self._invitation_json(contact_id, link)

    @staticmethod
    def _invitation_json(contact_id: int | None, link: ConnectionLink) -> Json:
        return {"contactId": contact_id} | link_json(link)

    async def _look_up_link(self, params: Params) -> Json:
        return preview_json(await self._client.look_up_link(params.text("link").strip()))

    async def _synchronize(self, params: Params) -> None:
        self._client.synchronize(params.number("contactId"))

    async def _switch_queue(self, params: Params) -> None:
        await self._client.switch_queue(params.number("contactId"))

    async def _abort_switching(self, params: Params) -> None:
        self._client.abort_switching_queue(params.number("contactId"))

    async def _mark_read(self, params: Params) -> None:
        self._client.mark_read(params.number("contactId"))

    async def _connect(self, params: Params) -> Json:
        return self.contact(await self._client.connect(params.text("link").strip()))

    async def _delete_contact(self, params: Params) -> None:
        await self._client.delete_contact(params.number("contactId"), tell=not params.flag("isQuiet"))

    def _details_json(self, contact_id: int) -> Json:
        client = self._client
        return details_json(client.contact(contact_id), client.details(contact_id), client.call_route(contact_id))

    async def _details(self, params: Params) -> Json:
        return self._details_json(params.number("contactId"))

    async def _verify(self, params: Params) -> Json:
        contact_id = params.number("contactId")
        is_same = self._client.verify(contact_id, params.optional_text("code"))
        # another code does not take the mark away, but it is not the contact's
        return self._details_json(contact_id) | {"isSame": is_same}

    async def _set_calls_allowed(self, params: Params) -> Json:
        contact_id = params.number("contactId")
        return self.contact(self._client.set_calls_allowed(contact_id, params.optional_flag("isAllowed")))

    async def _set_audio_only(self, params: Params) -> Json:
        return self.contact(self._client.set_audio_only(params.number("contactId"), on=params.flag("isOn")))

    async def _set_quantum_resistance(self, params: Params) -> None:
        self._client.set_quantum_resistance(params.number("contactId"), on=params.flag("isOn"))
