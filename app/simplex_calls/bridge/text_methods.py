"""What the chat page can ask about a conversation's history; described in :mod:`simplex_calls.bridge.methods`."""

from __future__ import annotations

from simplex_calls.bridge.params import Method, Params, RequestError
from simplex_calls.bridge.values import Json, item_json
from simplex_calls.client import Client

MAX_HISTORY = 200


class TextMethods:
    """Texts: read, written, changed, removed."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def table(self) -> dict[str, Method]:
        """The methods by name."""
        return {
            "history": self._history,
            "clear_history": self._clear_history,
            "send_text": self._send_text,
            "edit_text": self._edit_text,
            "delete_item": self._delete_item,
        }

    async def _history(self, params: Params) -> list[Json]:
        limit = params.optional_number("limit")
        limit = 50 if limit is None else limit
        if not 1 <= limit <= MAX_HISTORY:
            raise RequestError("bridge.error.request")
        before = params.optional_number("before")
        return [item_json(it) for it in self._client.history(params.number("contactId"), limit=limit, before=before)]

    async def _clear_history(self, params: Params) -> None:
        self._client.clear_history(params.number("contactId"))

    async def _send_text(self, params: Params) -> Json:
        return item_json(self._client.send_text(params.number("contactId"), params.text("text")))

    async def _edit_text(self, params: Params) -> Json:
        return item_json(self._client.edit_text(params.number("itemId"), params.text("text")))

    async def _delete_item(self, params: Params) -> None:
        self._client.delete_item(params.number("itemId"), for_everyone=params.flag("forEveryone"))
