"""Answers requests of a page by a table of methods: every request has one answer, whatever happens."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from simplex_calls.bridge.faults import describe
from simplex_calls.bridge.params import MAX_NUMBER, Method, Params, RequestError
from simplex_calls.bridge.values import Json
from simplex_calls.catalogue import text
from simplex_calls.client import ClientError
from simplex_calls.events import Event
from simplex_calls.keys import ProfileError

logger = logging.getLogger(__name__)


class Methods:
    """What a page can ask for, by name."""

    def __init__(self, table: Mapping[str, Method]) -> None:
        self._methods = dict(table)

    @property
    def names(self) -> frozenset[str]:
        """The names of what can be asked for."""
        return frozenset(self._methods)

    async def answer(self, message: object) -> Json | None:
        """Do a request and give its answer; ``None`` for what is not even a request."""
        if not isinstance(message, Mapping):
            logger.warning("the chat page sent something that is no request")
            return None
        number = message.get("id")
        if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number <= MAX_NUMBER:
            logger.warning("the chat page sent a request without a number")
            return None
        try:
            name = message.get("method")
            method = self._methods.get(name) if isinstance(name, str) else None
            if method is None:
                raise RequestError("bridge.error.request")
            return {"id": number, "result": await method(Params(message.get("params")))}
        except (ClientError, ProfileError) as error:
            return self.refusal(number, error.message_id, str(error))
        except RequestError as error:
            return self.refusal(number, error.code, str(error))
        except Exception as error:  # noqa: BLE001 - a fault of ours must not hang the page
            logger.error("a request of the chat page failed: %s", describe(error))  # noqa: TRY400 - no text
            return self.refusal(number, "bridge.error.internal", text("bridge.error.internal"))

    @staticmethod
    def refusal(number: int, code: str, words: str) -> Json:
        """The answer to a request that was not done."""
        return {"id": number, "error": {"code": code, "text": words}}

    def event(self, _event: Event) -> Json | None:
        """What the page is told of an event; ``None`` if nothing."""
        return None
