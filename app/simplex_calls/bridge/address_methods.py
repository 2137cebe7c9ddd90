"""What the chat page can ask about the user's address and who asks through it: :mod:`simplex_calls.bridge.methods`."""

from __future__ import annotations

from collections.abc import Callable

from simplex_calls.bridge.params import Method, Params
from simplex_calls.bridge.values import Json, link_json
from simplex_calls.client import Client, Contact


class AddressMethods:
    """The address: made, shown, deleted; requests: accepted or not."""

    def __init__(self, client: Client, contact: Callable[[Contact], Json]) -> None:
        self._client = client
        self._contact = contact

    def table(self) -> dict[str, Method]:
        """The methods by name."""
        return {
            "address": self._address,
            "create_address": self._create_address,
            "delete_address": self._delete_address,
            "accept_request": self._accept_request,
            "reject_request": self._reject_request,
        }

    async def _address(self, _: Params) -> Json | None:
        link = self._client.address()
        return None if link is None else link_json(link)

    async def _create_address(self, _: Params) -> Json:
        return link_json(await self._client.create_address())

    async def _delete_address(self, _: Params) -> None:
        await self._client.delete_address()

    async def _accept_request(self, params: Params) -> Json:
        return self._contact(await self._client.accept_request(params.number("requestId")))

    async def _reject_request(self, params: Params) -> None:
        self._client.reject_request(params.number("requestId"))
