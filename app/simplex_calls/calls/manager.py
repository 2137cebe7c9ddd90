"""The shell around the switchboard: the database, the contact's messages, the pages and the clock."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import logging
import os
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Protocol

from simplex_calls.calls.attached import AttachedPage
from simplex_calls.calls.call import Call, CallFailure, CallProgress
from simplex_calls.calls.effects import EndPage, PageCommand, SendMessage, WantPage
from simplex_calls.calls.ice import IceConfig
from simplex_calls.calls.page import (
    AcceptOther,
    LocalMedia,
    Page,
    PageFault,
    PageSettings,
    PageStats,
    PeerMedia,
    RejectOther,
    Response,
)
from simplex_calls.calls.state import CallEvent, CallState, EndReason, transition
from simplex_calls.calls.store import CallStore
from simplex_calls.calls.switchboard import (
    CallMissingError,
    CallStateError,
    NoRelayError,
    Step,
    Switchboard,
)
from simplex_calls.calls.turn import preparation
from simplex_calls.calls.views import (
    AcceptWanted,
    CallChanged,
    CallMediaChanged,
    CallsEvent,
    CallStats,
    CallView,
    PageWanted,
    history_details,
    view,
)
from simplex_calls.catalogue import text
from simplex_calls.chat.contacts import Contact
from simplex_calls.chat.errors import ChatError, TooLargeError
from simplex_calls.chat.history import CallDetails, CallStatus, ChatItem, Direction
from simplex_calls.chat.messages import CallEnd, CallExtra, CallMedia, CallMessage, CallRestart
from simplex_calls.crypto import Random
from simplex_calls.database import Database

logger = logging.getLogger(__name__)

MAX_RECENT = 50
"""How many calls that are over can still be asked for."""


class CallChat(Protocol):
    """What calls use of :class:`simplex_calls.chat.chat.Chat`."""

    def contact(self, contact_id: int) -> Contact:
        """The contact; raises :class:`ChatError`."""

    def send_call_message(self, contact_id: int, message: CallMessage) -> None:
        """Send a message in the current transaction; raises :class:`ChatError`."""

    def gives_receipts(self, contact_id: int) -> bool:
        """Whether the contact's program is known to say what it received."""

    def call_binding(self, contact_id: int) -> bytes | None:
        """What the contact's keys are known by, 32 bytes that are the same on both sides; raises :class:`ChatError`."""

    def is_quantum_resistant(self, contact_id: int) -> bool | None:
        """Whether the contact's ratchet resists quantum computers both ways, if known; raises :class:`ChatError`."""

    def put_call_item(
        self, contact_id: int, direction: Direction, call: CallDetails, *, sent_at: datetime | None = None
    ) -> ChatItem:
        """Add a call to the history; raises :class:`ChatError`."""

    def update_call_item(self, item_id: int, call: CallDetails) -> ChatItem | None:
        """Write what came of a call."""


class Timer(Protocol):
    """A call of a function that is still to come."""

    def cancel(self) -> None:
        """Do not call it."""


Schedule = Callable[[float, Callable[[], None]], Timer]
"""Call a function after so many seconds."""


def _schedule(delay: float, action: Callable[[], None]) -> Timer:
    return asyncio.get_running_loop().call_later(delay, action)


@dataclass(frozen=True, slots=True)
class _Stored:
    """The switchboard after a step, with the calls' history entries."""

    board: Switchboard
    items: Mapping[str, int]


class CallManager:
    """All calls of a profile.

    ``handler`` gets every :data:`~simplex_calls.calls.views.CallsEvent` after its transaction. ``ice`` gives the
    servers of calls; ``relay_only`` says whether a contact must not learn our address, ``may_accept`` whether a call
    page may take their call, or the user is to be asked first. All methods belong to the event loop's thread. Those
    that a user causes raise the errors of the switchboard.
    """

    def __init__(
        self,
        database: Database,
        chat: CallChat,
        *,
        handler: Callable[[CallsEvent], None],
        ice: Callable[[], IceConfig] = IceConfig,
        relay_only: Callable[[int], bool] = lambda _: False,
        may_accept: Callable[[int], bool] = lambda _: True,
        ring_volume: Callable[[], int] = lambda: 0,
        preview: Callable[[], bool] = lambda: False,
        clock: Callable[[], float] = time.time,
        random: Random = os.urandom,
        schedule: Schedule = _schedule,
    ) -> None:
        self._database = database
        self._store = CallStore(database)
        self._chat = chat
        self._handler = handler
        self._ice = ice
        self._relay_only = relay_only
        self._may_accept = may_accept
        self._ring_volume = ring_volume
        self._preview = preview
        self._clock = clock
        self._random = random
        self._schedule = schedule
        self._timer: Timer | None = None
        self._is_stopped = False
        self._pages: dict[str, AttachedPage] = {}
        self._no_pages = asyncio.Event()
        self._no_pages.set()
        self._recent: deque[CallView] = deque(maxlen=MAX_RECENT)
        # the states after the steps since the last commit, by step number: the database says which of them hold
        self._steps = {self._store.step_number(): _Stored(Switchboard(), MappingProxyType({}))}

    def start(self) -> None:
        """Close the calls that a killed process left open: the other side is told, the history says what they were."""
        with self._database.transaction():
            left = self._store.load()
            if not left:
                return
            board = Switchboard(MappingProxyType({call.id: call for call, _ in left}))
            items = {call.id: item_id for call, item_id in left if item_id is not None}
            self._steps = {self._store.step_number(): _Stored(board, MappingProxyType(items))}
            self._change(lambda board: board.restart(self._clock()))
        logger.info("%d calls of an earlier run are closed", len(left))

    async def stop(self) -> None:
        """End all calls; the other sides are told. What still comes is stored for the next start to close."""
        if self._board.calls:
            self._change(lambda board: board.restart(self._clock()))
        self._is_stopped = True
        self._set_timer()
        for page in self._pages.values():
            page.abort()
        await self._no_pages.wait()

    # what others ask

    @property
    def _board(self) -> Switchboard:
        return self._stored().board

    def calls(self) -> list[CallView]:
        """The calls that are not over, and after them the latest that are, newest first."""
        now = [self._view(call) for call in self._board.calls.values()]
        return now + [replace(seen, has_page=seen.id in self._pages) for seen in reversed(self._recent)]

    def call(self, call_id: str) -> CallView:
        """One call, of :meth:`calls`; raises :class:`CallMissingError`."""
        for found in self.calls():
            if found.id == call_id:
                return found
        raise CallMissingError("there is no such call any more")

    # what a user does

    def start_call(self, contact_id: int, media: CallMedia) -> CallView:
        """Call a contact; accepts theirs if they ring."""
        relay_only = self._hides_address(contact_id)
        call_ids: list[str] = []

        def dial(board: Switchboard) -> Step:
            step, call_id = board.dial(contact_id, media, self._clock(), self._random, relay_only=relay_only)
            call_ids.append(call_id)
            return step

        self._change(dial)
        return self.call(call_ids[0])

    def accept(self, call_id: str, *, audio_only: bool = False, unencrypted: bool = False) -> CallView:
        """Take a call that rings; ends the active one. ``audio_only``: with our camera off.

        ``unencrypted``: also if the other app does not encrypt it; else :class:`UnencryptedError`.
        """
        relay_only = self._hides_address(self._board.get(call_id).contact_id)
        self._change(
            lambda board: board.accept(
                call_id, self._clock(), audio_only=audio_only, unencrypted=unencrypted, relay_only=relay_only
            )
        )
        return self.call(call_id)

    def consent(self, call_id: str) -> CallView:
        """Go on with a call whose view has ``consent_wanted``: without frame encryption."""
        self._change(lambda board: board.consent(call_id, self._clock()))
        return self.call(call_id)

    def _hides_address(self, contact_id: int) -> bool:
        """Whether a call with a contact goes through relays only; raises :class:`NoRelayError`."""
        relay_only = self._relay_only(contact_id)
        if relay_only and not self._ice().has_relay:
            raise NoRelayError("there is no relay that the call could go through")
        return relay_only

    def reject(self, call_id: str) -> CallView:
        """Decline a call that rings."""
        self._change(lambda board: board.end(call_id, CallEvent.REJECT, self._clock()))
        return self.call(call_id)

    def hang_up(self, call_id: str) -> CallView:
        """End a call in any state."""
        self._change(lambda board: board.end(call_id, CallEvent.HANG_UP, self._clock()))
        return self.call(call_id)

    async def attach_page(self, call_id: str, page: Page) -> None:
        """Let ``page`` carry the call; returns when the page is gone. A page that closes hangs up.

        A page may come while the call rings: it waits for the user to accept, and is closed if they do not.
        """
        call = self._board.get(call_id)
        if not call.is_ringing and transition(call.state, CallEvent.PAGE_ATTACHED) is None:
            raise CallStateError("the call does not wait for a page")
        if call_id in self._pages or self._is_stopped:
            raise CallStateError("the call takes no other page")
        attached = AttachedPage(
            page,
            on_response=lambda response: self._page_said(call_id, response),
            on_nonsense=lambda: self._page_nonsense(call_id),
        )
        self._pages[call_id] = attached
        self._no_pages.clear()
        try:
            if (settings := self._store.page_settings()) is not None:
                attached.command({"type": "settings", **settings.to_page()})
            if call.is_ringing:
                self._show_pages((call,))
                self._prepare(attached, call)
            else:
                self._page_attached(call_id)
            await attached.run()
        finally:
            del self._pages[call_id]
            self._end_quietly(call_id, CallEvent.PAGE_CLOSED)
            if not self._pages:
                self._no_pages.set()

    def _prepare(self, page: AttachedPage, call: Call) -> None:
        """Let a page look for ways while it rings, unless its user may still want others."""
        if self._may_accept(call.contact_id):
            known = replace(call, relay_only=self._relay_only(call.contact_id))
            self._command(page, known, preparation(known), needs_servers=True)

    def _page_attached(self, call_id: str) -> None:
        self._change(lambda board: board.page_attached(call_id, self._clock()))

    # what the chat floor tells

    def message_received(
        self, contact_id: int, message: CallMessage, broker_time: datetime, waited: float | None = None
    ) -> None:
        """Take a contact's call message, inside the transaction that stores it."""
        sent_at = broker_time.timestamp()
        self._change(
            lambda board: board.message(contact_id, message, sent_at, self._clock(), self._random, waited=waited)
        )

    def invitation_progressed(self, contact_id: int, wire_id: bytes, progress: CallProgress) -> None:
        """Our invitation has come so far."""
        self._change(lambda board: board.progressed(contact_id, wire_id, progress, self._clock()))

    def message_failed(self, contact_id: int, wire_id: bytes, message_type: type[CallMessage]) -> None:
        """A message of ours will never arrive."""
        if message_type in {CallEnd, CallExtra, CallRestart}:
            return
        for call in self._board.of_contact(contact_id):
            if call.wire_id == wire_id:
                self._end_quietly(call.id, CallEvent.FAILURE, CallFailure.NOT_SENT)

    def contact_lost(self, contact_id: int) -> None:
        """End all calls with a contact who is being removed, or cannot be reached any more."""
        for call in self._board.of_contact(contact_id):
            self._end_quietly(call.id, CallEvent.FAILURE, CallFailure.NOT_SENT)

    # what pages say

    def _page_said(self, call_id: str, response: Response) -> None:
        call = self._board.calls.get(call_id)
        if call is None:
            return
        match response:
            case PageStats():
                self._handler(CallStats(call_id, response))
            case PeerMedia(source, enabled):
                self._handler(CallMediaChanged(call_id, is_ours=False, source=source, enabled=enabled))
            case LocalMedia(source, enabled):
                self._handler(CallMediaChanged(call_id, is_ours=True, source=source, enabled=enabled))
            case PageSettings():
                with self._database.transaction():
                    self._store.set_page_settings(response)
            case AcceptOther() | RejectOther():
                self._answer_other(response)
            case _:
                if isinstance(response, PageFault):
                    logger.warning("a call page failed at %s: %s", response.command, response.code)
                self._change(lambda board: board.page_said(call_id, response, self._clock()))

    def _answer_other(self, answer: AcceptOther | RejectOther) -> None:
        try:
            match answer:
                case AcceptOther(call_id, unencrypted):
                    contact = self._chat.contact(self._board.get(call_id).contact_id)
                    if self._may_accept(contact.id):
                        self.accept(call_id, audio_only=contact.audio_only, unencrypted=unencrypted)
                    else:
                        self._handler(AcceptWanted(call_id))
                case RejectOther(call_id):
                    self.reject(call_id)
        except (CallMissingError, CallStateError, ChatError) as error:
            logger.info("the answer of a call page was not carried out: %s", error)

    def _page_nonsense(self, call_id: str) -> None:
        self._end_quietly(call_id, CallEvent.FAILURE, CallFailure.PAGE)

    def _end_quietly(self, call_id: str, event: CallEvent, failure: CallFailure | None = None) -> None:
        """End a call if it is still there."""
        call = self._board.calls.get(call_id)
        if call is not None and transition(call.state, event) is not None:
            self._change(lambda board: board.end(call_id, event, self._clock(), failure))

    def _tick(self) -> None:
        self._timer = None
        self._change(lambda board: board.tick(self._clock()))

    # one step

    def _change(self, make: Callable[[Switchboard], Step]) -> None:
        """Make a step and store it; what it asks for is done when the transaction is committed."""
        with self._database.transaction():
            stored = self._stored()
            step = make(stored.board)
            number = self._store.step_number()
            self._store.set_step_number(number + 1)
            self._database.after_commit(self._committed)
            failures = self._write(stored, step, number + 1)
            for name in step.ignored:
                logger.info("ignored: %s", name)
            self._database.after_commit(lambda: self._tell(step))
            self._database.after_commit(lambda: self._fail(failures))

    def _stored(self) -> _Stored:
        """The state that the database knows: later ones belong to a transaction that was rolled back."""
        number = self._store.step_number()
        for later in [step for step in self._steps if step > number]:
            del self._steps[later]
        return self._steps[number]

    def _committed(self) -> None:
        self._stored()
        newest = max(self._steps)
        for number in [step for step in self._steps if step < newest]:
            del self._steps[number]

    def _write(self, stored: _Stored, step: Step, number: int) -> dict[str, CallFailure]:
        """Store a step and its messages; the calls that fail because a message cannot be sent."""
        items = dict(stored.items)
        failures: dict[str, CallFailure] = {}
        for effect in step.effects:
            if isinstance(effect, SendMessage) and (failure := self._send(effect)) is not None:
                failures.setdefault(effect.call_id, failure)
        for call in step.changed:
            self._write_item(call, items)
            self._store.save(call, items.get(call.id))
        self._steps[number] = _Stored(step.board, MappingProxyType(items))
        return failures

    def _fail(self, failures: Mapping[str, CallFailure]) -> None:
        for call_id, failure in failures.items():
            self._end_quietly(call_id, CallEvent.FAILURE, failure)

    def _send(self, effect: SendMessage) -> CallFailure | None:
        name = type(effect.message).__name__
        try:
            with self._database.savepoint():
                self._chat.send_call_message(effect.contact_id, effect.message)
        except TooLargeError:
            logger.warning("%s is too large to be sent", name)
            return CallFailure.TOO_LARGE
        except ChatError as error:
            logger.warning("%s cannot be sent: %s", name, type(error).__name__)
            return CallFailure.NOT_SENT
        return None

    def _write_item(self, call: Call, items: dict[str, int]) -> None:
        details = history_details(call)
        if self._is_unreachable(call):
            details = replace(details, status=CallStatus.UNREACHABLE)
        try:
            with self._database.savepoint():
                if call.id in items:
                    self._chat.update_call_item(items[call.id], details)
                    return
                direction = Direction.SENT if call.outgoing else Direction.RECEIVED
                sent_at = datetime.fromtimestamp(call.sent_at, UTC) if call.sent_at is not None else None
                items[call.id] = self._chat.put_call_item(
                    call.contact_id, direction, details, sent_at=None if call.outgoing else sent_at
                ).id
        except ChatError as error:
            logger.info("a call is not in the history: %s", type(error).__name__)

    # after the commit

    def _tell(self, step: Step) -> None:
        self._set_timer()
        ending = {effect.call_id for effect in step.effects if isinstance(effect, EndPage)}
        for call in step.changed:
            seen = self._view(call)
            if call.is_ended:
                self._recent.append(seen)
                self._forget_item(call.id)
            logger.info("call is %s%s", call.state.value, f" ({call.reason.value})" if call.reason else "")
            self._handler(CallChanged(seen))
            if call.is_ended and call.id in self._pages and call.id not in ending:
                # it came while the call rang, and nobody accepted
                self._pages[call.id].finish(keep=False)
        self._show_pages(step.changed)
        for effect in step.effects:
            match effect:
                case WantPage(call_id):
                    self._handler(PageWanted(call_id))
                    if call_id in self._pages:
                        self._page_attached(call_id)
                case PageCommand(call_id, fields, needs_servers) if call_id in self._pages:
                    if (known := self._board.calls.get(call_id)) is not None:
                        self._command(self._pages[call_id], known, fields, needs_servers=needs_servers)
                case EndPage(call_id, keep) if call_id in self._pages:
                    self._pages[call_id].finish(keep=keep)
                case _:
                    pass

    def _command(self, page: AttachedPage, call: Call, fields: Mapping[str, Any], *, needs_servers: bool) -> None:
        servers = self._servers(call) if needs_servers else {}
        binding = self._binding(call.id) if "features" in fields else {}
        preview = {"preview": True} if fields["type"] in {"capabilities", "start"} and self._preview() else {}
        page.command({**fields, **servers, **binding, **preview})

    def _servers(self, call: Call) -> dict[str, Any]:
        """The servers for a call's page, the same at any time, and whether it may use its own addresses."""
        made = self._ice().fresh(call.started_at, lambda size: hashlib.sha256(call.id.encode()).digest()[:size])
        return replace(made, relay_only=call.relay_only).to_page()

    def _binding(self, call_id: str) -> dict[str, str]:
        """What ties the call's code to the contact's keys, where the other side knows of such a code."""
        call = self._board.calls.get(call_id)
        try:
            digest = self._chat.call_binding(call.contact_id) if call is not None else None
        except ChatError:
            return {}
        return {"binding": base64.urlsafe_b64encode(digest).decode("ascii")} if digest is not None else {}

    def _forget_item(self, call_id: str) -> None:
        stored, number = self._stored(), max(self._steps)
        items = {key: value for key, value in stored.items.items() if key != call_id}
        self._steps[number] = _Stored(stored.board, MappingProxyType(items))

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        deadline = self._board.next_deadline
        if deadline is not None and not self._is_stopped:
            self._timer = self._schedule(max(deadline - self._clock(), 0.0), self._tick)

    def _show_pages(self, changed: tuple[Call, ...]) -> None:
        """Tell every page what its user should see: the call in words, and who else calls."""
        others = [
            {
                "callId": call.id,
                "contactName": self._name(call.contact_id),
                "media": call.media.value,
                "encrypted": call.encrypted,
            }
            for call in self._board.calls.values()
            if call.state is CallState.WAITING
        ]
        ended = {call.id: call for call in changed if call.is_ended}
        for call_id, page in self._pages.items():
            call = self._board.calls.get(call_id) or ended.get(call_id)
            if call is None:
                continue
            seen = self._view(call)
            lock = "none" if seen.encrypted is None else "on" if seen.encrypted else "off"
            words = {
                "state": text(f"client.state.{seen.state.value}"),
                "description": text(f"client.encryption.{lock}"),
            }
            around = {"others": others, "ringVolume": self._ring_volume()}
            page.show(_page_call(seen) | around | self._resistance(call.contact_id), words)

    def _resistance(self, contact_id: int) -> dict[str, bool | None]:
        try:
            return {"isQuantumResistant": self._chat.is_quantum_resistant(contact_id)}
        except ChatError:
            return {"isQuantumResistant": None}

    def _view(self, call: Call) -> CallView:
        items = self._stored().items
        seen = view(
            call,
            self._name(call.contact_id),
            items.get(call.id),
            has_page=call.id in self._pages and not call.is_ringing,
        )
        return replace(seen, end_reason=EndReason.UNREACHABLE) if self._is_unreachable(call) else seen

    def _is_unreachable(self, call: Call) -> bool:
        has_rung = not call.outgoing or call.progress is CallProgress.RINGING
        if call.reason is not EndReason.NO_ANSWER or has_rung:
            return False
        # a program that sends no receipts may have rung all the same
        return self._chat.gives_receipts(call.contact_id)

    def _name(self, contact_id: int) -> str:
        try:
            return self._chat.contact(contact_id).name
        except ChatError:
            return ""


def _page_call(call: CallView) -> dict[str, Any]:
    """The ``call`` of the page's command ``call``; times in milliseconds, as pages count."""
    return {
        "contactName": call.contact_name,
        "media": call.media.value,
        "state": call.state.value,
        "direction": call.direction.value,
        "encrypted": call.encrypted,
        "consentWanted": call.consent_wanted.value if call.consent_wanted else None,
        "progress": call.progress.value,
        "connectedAt": round(call.connected_at.timestamp() * 1000) if call.connected_at else None,
        "reason": call.end_reason.value if call.end_reason else None,
        "failure": call.failure.value if call.failure else None,
    }
