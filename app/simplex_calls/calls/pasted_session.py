"""A call without SimpleX and its page: the shell around :class:`~simplex_calls.calls.pasted.PastedCall`."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable
from typing import Any

from simplex_calls.calls.attached import AttachedPage
from simplex_calls.calls.call import CallFailure
from simplex_calls.calls.ice import IceConfig
from simplex_calls.calls.page import Page, Response
from simplex_calls.calls.pasted import PastedCall, PastedState, PastedView
from simplex_calls.calls.views import CallPhase
from simplex_calls.catalogue import text
from simplex_calls.crypto import Random

logger = logging.getLogger(__name__)

Draw = Callable[[str], dict[str, Any]]
"""Makes a QR code of a text, as the page shows it."""

_PHASES = {
    PastedState.CONNECTED: CallPhase.CONNECTED,
    PastedState.ENDED: CallPhase.ENDED,
}


class PastedSession:
    """One pasted call, for one page: :meth:`attach` serves it until it is gone."""

    def __init__(self, ice: IceConfig, draw: Draw, *, random: Random = os.urandom) -> None:
        self.id = f"paste-{random(16).hex()}"
        self._call = PastedCall(ice, random)
        self._draw = draw
        self._ice = ice
        self._attached: AttachedPage | None = None
        self._shown: PastedView | None = None
        self.closed = asyncio.Event()
        """Set once its page is gone."""

    @property
    def state(self) -> PastedState:
        """Where the call is."""
        return self._call.state

    @property
    def is_waiting(self) -> bool:
        """Whether its page may still be opened."""
        return self._attached is None and self._call.state is PastedState.CHOOSING

    @property
    def is_open(self) -> bool:
        """Whether it has a page and is not over."""
        return self._attached is not None and self._call.state is not PastedState.ENDED

    async def attach(self, page: Page) -> None:
        """Serve the page until it is gone, which ends the call; a second page is closed at once."""
        if not self.is_waiting:
            await page.close()
            return
        attached = self._attached = AttachedPage(page, self._page_said, self._page_nonsense)
        self._show()
        try:
            await attached.run()
        finally:
            self._call.end()
            self.closed.set()

    def end(self) -> None:
        """End the call from outside: another takes its place."""
        self._call.end()
        self._show()

    def _page_said(self, response: Response) -> None:
        before = self._call.state
        commands = self._call.page_said(response)
        if self._attached is not None:
            for command in commands:
                self._attached.command(command)
        if self._call.state is not before:
            logger.info("a pasted call is %s", self._call.state.value)
        self._show()

    def _page_nonsense(self) -> None:
        self._call.end(CallFailure.PAGE)
        self._show()

    def _show(self) -> None:
        attached, view = self._attached, self._call.view
        if attached is None or view is self._shown:
            return
        self._shown = view
        phase = _PHASES.get(view.state, CallPhase.CONNECTING)
        failure = self._call.failure
        call: dict[str, Any] = {
            "contactName": "",
            "media": self._call.media.value,
            "state": phase.value,
            "reason": "failed" if failure is not None else None,
            "failure": failure.value if failure is not None else None,
            "others": [],
        }
        attached.show(call, {"state": text(f"client.state.{phase.value}"), "description": ""})
        attached.command(
            {
                "type": "paste",
                "step": view.state.value,
                "text": view.text,
                "codes": [self._draw(code) for code in view.codes],
                "problem": view.problem,
                "relayOnly": self._ice.relay_only,
                "parts": None if view.parts is None else {"read": view.parts[0], "count": view.parts[1]},
            }
        )
        if view.state is PastedState.ENDED:
            attached.finish(keep=failure is not None)
