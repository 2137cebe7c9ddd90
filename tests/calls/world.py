"""Two sides of calls without a network: a switchboard each, obedient pages, and messages that wait to be delivered."""

from __future__ import annotations

import hashlib
from collections.abc import Hashable
from copy import copy
from dataclasses import dataclass, field
from typing import Any

from simplex_calls.calls.call import Call
from simplex_calls.calls.effects import EndPage, PageCommand, SendMessage, WantPage
from simplex_calls.calls.page import Capabilities, PageAnswer, PageConnected, PageOffer, Response
from simplex_calls.calls.state import CallEvent, CallState
from simplex_calls.calls.switchboard import Step, Switchboard
from simplex_calls.chat.messages import CallMedia, CallMessage

NOW = 1_800_000_000.0
CONTACT = 7


@dataclass
class Side:
    """One person's program. Every random byte follows from ``seed`` and a counter, so that runs repeat."""

    seed: bytes
    board: Switchboard = field(default_factory=Switchboard)
    counter: int = 0
    inbox: tuple[CallMessage, ...] = ()
    outbox: tuple[CallMessage, ...] = ()
    commands: tuple[dict[str, Any], ...] = ()
    wants_page: tuple[str, ...] = ()
    page: str | None = None
    ended: tuple[Call, ...] = ()
    ignored: tuple[str, ...] = ()
    now: float = NOW

    def random(self, size: int) -> bytes:
        self.counter += 1
        # the seed leads, so that it decides which call id is smaller
        return (self.seed + hashlib.sha256(self.seed + bytes([self.counter])).digest())[:size]

    def take(self, step: Step) -> None:
        self.board = step.board
        self.ended += tuple(call for call in step.changed if call.is_ended)
        self.ignored += step.ignored
        for effect in step.effects:
            match effect:
                case SendMessage(_, _, message):
                    self.outbox += (message,)
                case PageCommand(call_id, fields):
                    if call_id == self.page:
                        self.commands += (dict(fields),)
                case WantPage(call_id):
                    self.wants_page += (call_id,)
                case EndPage(call_id):
                    self.wants_page = tuple(wanted for wanted in self.wants_page if wanted != call_id)
                    if call_id == self.page:
                        self.page, self.commands = None, ()

    def dial(self, media: CallMedia = CallMedia.VIDEO) -> str:
        step, call_id = self.board.dial(CONTACT, media, self.now, self.random)
        self.take(step)
        return call_id

    def accept(self, call_id: str, *, unencrypted: bool = False) -> None:
        self.take(self.board.accept(call_id, self.now, unencrypted=unencrypted))

    def consent(self) -> None:
        self.take(self.board.consent(self.call.id, self.now))

    def end(self, call_id: str, event: CallEvent = CallEvent.HANG_UP) -> None:
        self.take(self.board.end(call_id, event, self.now))

    def receive(self, message: CallMessage, sent_at: float | None = None, contact_id: int = CONTACT) -> None:
        sent = self.now if sent_at is None else sent_at
        self.take(self.board.message(contact_id, message, sent, self.now, self.random))

    def say(self, response: Response, call_id: str | None = None) -> None:
        page = call_id or self.page
        assert page is not None
        self.take(self.board.page_said(page, response, self.now))

    def attach(self) -> None:
        call_id, self.wants_page = self.wants_page[0], self.wants_page[1:]
        self.page = call_id
        self.take(self.board.page_attached(call_id, self.now))

    def obey(self) -> None:
        """Let the page do the first command that waits."""
        command, self.commands = self.commands[0], self.commands[1:]
        match command["type"]:
            case "capabilities":
                self.say(Capabilities(encryption=True))
            case "start":
                self.say(PageOffer("b2ZmZXI=", "aWNl", encryption=True))
            case "offer":
                self.say(PageAnswer("YW5zd2Vy", "aWNl"))

    @property
    def call(self) -> Call:
        (call,) = self.board.calls.values()
        return call

    @property
    def states(self) -> list[CallState]:
        return [call.state for call in self.board.calls.values()]

    def clone(self) -> Side:
        return copy(self)

    def identity(self) -> tuple[Hashable, ...]:
        calls = tuple(
            sorted((c.id, c.wire_id, c.state.value, c.yielded and c.yielded.wire_id) for c in self.board.calls.values())
        )
        names = tuple(command["type"] for command in self.commands)
        past = tuple((p.wire_id, p.was_known) for p in self.board.past)
        inbox = tuple((type(m).__name__, m.call_id) for m in self.inbox)
        return calls, names, past, inbox, self.page, self.wants_page, self.counter

    # the explorer's view: what can happen next, besides what users do

    def moves(self) -> list[str]:
        found = []
        if self.inbox:
            found.append("receive")
        if self.wants_page:
            found.append("attach")
        if self.commands:
            found.append("obey")
        elif any(call.state is CallState.CONNECTING and call.id == self.page for call in self.board.calls.values()):
            found.append("connect")
        return found

    def move(self, name: str) -> None:
        match name:
            case "receive":
                message, self.inbox = self.inbox[0], self.inbox[1:]
                self.receive(message)
            case "attach":
                self.attach()
            case "obey":
                self.obey()
            case "connect":
                self.say(PageConnected(None))
            case "dial":
                # somebody who is in a call already has no need to
                ringing = next((call for call in self.board.of_contact(CONTACT) if call.is_ringing), None)
                if ringing is not None and not ringing.encrypted:
                    self.accept(ringing.id, unencrypted=True)
                elif self.board.active is None:
                    self.dial()
            case "hang up":
                self.end(next(iter(self.board.calls)), CallEvent.HANG_UP)
            case "accept":
                call = next(call for call in self.board.calls.values() if call.is_ringing)
                self.accept(call.id, unencrypted=call.encrypted is False)


def exchange(one: Side, other: Side) -> None:
    """Carry all messages that wait to be sent into the other side's inbox."""
    one.inbox, other.outbox = one.inbox + other.outbox, ()
    other.inbox, one.outbox = other.inbox + one.outbox, ()


def run(one: Side, other: Side) -> None:
    """Let pages and messages go on until nothing more happens by itself."""
    exchange(one, other)
    while True:
        busy = next(((side, names[0]) for side in (one, other) if (names := side.moves())), None)
        if busy is None:
            return
        busy[0].move(busy[1])
        exchange(one, other)
