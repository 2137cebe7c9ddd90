"""What a page sends with a request, checked. Pure."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from simplex_calls.catalogue import text

MAX_TEXT_LENGTH = 100_000
"""Most characters of any text that a page hands over; what fits into a message is the client's to say."""
MAX_NUMBER = 2**53
MAX_LIST_LENGTH = 200


class RequestError(Exception):
    """A page's request that cannot be done; the text is for the user, ``code`` its id in the catalogue."""

    def __init__(self, code: str, /, **names: object) -> None:
        super().__init__(text(code, **names))
        self.code = code


class Params:
    """Typed access to what a page sent; a :class:`RequestError` for anything else."""

    def __init__(self, values: object) -> None:
        if values is not None and not isinstance(values, Mapping):
            raise RequestError("bridge.error.request")
        self._values: Mapping[str, Any] = values or {}

    def has(self, name: str) -> bool:
        """Whether there is a value, which ``null`` is not."""
        return self._values.get(name) is not None

    def number(self, name: str) -> int:
        """A whole number ≥ 0."""
        value = self._values.get(name)
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_NUMBER:
            raise RequestError("bridge.error.request")
        return value

    def optional_number(self, name: str) -> int | None:
        """A whole number ≥ 0 or nothing."""
        return self.number(name) if self.has(name) else None

    def text(self, name: str) -> str:
        """A text that can be stored and sent."""
        value = self._values.get(name)
        if not isinstance(value, str):
            raise RequestError("bridge.error.request")
        if len(value) > MAX_TEXT_LENGTH:
            raise RequestError("client.error.too-large")
        try:
            value.encode()
        except UnicodeEncodeError:
            # half of a surrogate pair: neither SQLite nor the network takes it
            raise RequestError("bridge.error.request") from None
        return value

    def optional_text(self, name: str) -> str | None:
        """A text or nothing."""
        return self.text(name) if self.has(name) else None

    def choice(self, name: str, choices: tuple[str, ...]) -> str:
        """One of the texts in ``choices``."""
        value = self.text(name)
        if value not in choices:
            raise RequestError("bridge.error.request")
        return value

    def flag(self, name: str) -> bool:
        """Yes or no; what is left out is no."""
        value = self._values.get(name, False)
        if not isinstance(value, bool):
            raise RequestError("bridge.error.request")
        return value

    def optional_flag(self, name: str) -> bool | None:
        """Yes, no or nothing."""
        return self.flag(name) if self.has(name) else None

    def items(self, name: str) -> list[Params]:
        """A list of objects."""
        values = self._values.get(name)
        if not isinstance(values, list) or len(values) > MAX_LIST_LENGTH:
            raise RequestError("bridge.error.request")
        if not all(isinstance(value, Mapping) for value in values):
            raise RequestError("bridge.error.request")
        return [Params(value) for value in values]


Method = Callable[[Params], Awaitable[Any]]
"""One thing that a page can ask for."""
