"""Commands of all clients, carried out in turns, stored in groups, and answered.

A turn carries out what has come in since the last one, whatever connection it came from. While the disk writes one
group of changes, the next is collected; the answers of a group leave after it is on the disk. So every OK is on the
disk, a busy relay waits for the disk once for many commands, and its core need not wait for the disk at all.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field

from simplex_calls.relay.connected import Connected
from simplex_calls.relay.core import RelayCore
from simplex_calls.relay.disk import Disk
from simplex_calls.relay.sessions import Outgoing, Proxied, Session
from simplex_calls.relay.store import DiskFullError, StoreError
from simplex_calls.smp.messages import Err, encode_message
from simplex_calls.smp.transmission import (
    TransmissionError,
    decode_transmission,
    encode_transmission,
    unpack_block,
)

_log = logging.getLogger(__name__)

_TURN = 64
"""Commands carried out at once, a few more at most: then the sockets have their turn."""
_GROUP = 512
"""Commands in a group, a few more at most: those that come while the disk is busy with the one before must wait."""
_STORED_WITHIN = 0.02
"""Seconds after which deletions are stored that no answer waits for."""
_PATIENCE = 0.005
"""Seconds after which OK to ACK is sent, if nothing else is sent to its client before, which takes it along."""
_PAUSE, _REST = 0.003, 0.02
"""Seconds from one transaction to the next, at least and at most, while commands wait for it."""
_RELIEVED_FOR = 0.05
"""Seconds after which what waits for slow readers is counted again."""
_CREDIT = 0.02
"""Seconds of the disk's rest that transactions may have saved up."""


@dataclass(slots=True, eq=False)
class _Group:
    """What was carried out since the last group was taken to the disk."""

    promised: list[Outgoing] = field(default_factory=list)
    """What leaves as soon as all before it is on the disk."""
    waiting: set[tuple[Session, bytes]] = field(default_factory=set)
    """The sessions and queues of these."""
    sessions: set[Session] = field(default_factory=set)
    """Those whose commands had a part in it."""
    size: int = 0
    """Commands."""
    began: float = 0.0
    """When the first of what is promised was carried out."""


class Worker:
    """Carries out the commands of all clients in :attr:`connected`.

    ``proxied_at_once``: how many of one client may be on their way to other servers; ``waiting_blocks``: how many may
    wait for all clients together to read them. ``forward`` takes what this relay shall forward, ``fail`` is called with
    the reason when nothing can go on.
    """

    def __init__(
        self,
        core: RelayCore,
        disk: Disk,
        *,
        clock: Callable[[], float],
        proxied_at_once: int,
        waiting_blocks: int,
        forward: Callable[[Connected, Proxied], None],
        fail: Callable[[str], None],
    ) -> None:
        self.connected: dict[Session, Connected] = {}
        """All clients whose handshake is done."""
        self._core = core
        self._disk = disk
        self._clock = clock
        self._proxied_at_once = proxied_at_once
        self._waiting_blocks = waiting_blocks
        self._forward = forward
        self._fail = fail
        self._loop = asyncio.get_running_loop()
        self._ready: dict[Connected, None] = {}
        self._drained: dict[Session, None] = {}
        self._expire_due = False
        self._shrink_due = False
        self._turn_is_due = False
        self._group = _Group()
        self._writing: _Group | None = None
        self._fault: Exception | None = None
        """What made a group worthless while the one before was being written."""
        self._patient: dict[Session, list[Outgoing]] = {}
        """What leaves together with the next that is sent to a session."""
        self._patient_timer: asyncio.TimerHandle | None = None
        self._store_timer: asyncio.TimerHandle | None = None
        self._store_at = 0.0
        self._relieve_at = 0.0
        self._stopping = False
        self._idle = asyncio.Event()
        self._failed = False

    # what comes in

    def submit(self, connected: Connected, block: bytes) -> None:
        """A client sent a block."""
        if not self._stopping:
            connected.blocks.append(block)
            self.set_ready(connected)

    def set_ready(self, connected: Connected) -> None:
        """Look at a client in the next turn."""
        self._ready[connected] = None
        self._take_turn()

    def kept_up(self, connected: Connected) -> None:
        """A client took all that it was sent."""
        if connected.session.waiting or connected.session.room <= 0:
            self._drained[connected.session] = None
            self.set_ready(connected)
        else:
            self._core.refill(connected.session, 0)  # nothing waits: this only makes room

    def expire(self) -> None:
        """Delete what is too old, and give its room back."""
        self._expire_due = True
        self._take_turn()

    def set_full(self, is_full: bool) -> None:  # noqa: FBT001 (an event)
        """Tell the core of a full disk; its room may be given back."""
        if is_full and self._core.is_full:
            self.expire()
        self._core.is_full = is_full

    async def finish(self) -> None:
        """Carry out and store all that has come in; nothing comes in any more."""
        self._stopping = True
        for connected in self.connected.values():
            self._ready[connected] = None
        self._take_turn()
        if not self._failed:
            await self._idle.wait()
        if self._patient_timer is not None:
            self._patient_timer.cancel()
        self._send_patient()

    # turns

    def _take_turn(self) -> None:
        if not self._turn_is_due:
            self._turn_is_due = True
            self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        self._turn_is_due = False
        if self._failed:
            return
        try:
            self._carry_out_turn()
            self._decide()
        except Exception as error:  # noqa: BLE001 (whatever it is, it must be told and not leave clients waiting)
            self._end(error)

    def _end(self, error: Exception) -> None:
        self._failed = True
        self._idle.set()
        self._fail(_name(error))

    def _carry_out_turn(self) -> None:
        if self._fault is not None or (self._writing is not None and self._group.size >= _GROUP):
            return  # the disk first; this is called again then
        outgoing: list[Outgoing] = []
        try:
            self._carry_out(outgoing)
        except Exception as error:  # noqa: BLE001 (one client's commands must not end the relay of the others)
            self._group.sessions.update(message.session for message in outgoing)
            self._spoil(error)
            return
        finally:
            self._start_proxied()
        self._group.sessions.update(message.session for message in outgoing)
        self._promise(outgoing)
        if self._ready or self._expire_due:
            self._take_turn()

    def _carry_out(self, outgoing: list[Outgoing]) -> None:
        """Carry out what the clients sent."""
        core, now = self._core, self._clock()
        if self._expire_due:
            self._expire_due = False
            self._shrink_due = True
            outgoing += core.expire(now)
        drained, self._drained = self._drained, {}
        for session in drained:
            outgoing += core.refill(session, now)
        size = 0
        while self._ready and size < _TURN:
            connected = next(iter(self._ready))
            del self._ready[connected]
            session = connected.session
            if session not in self.connected:  # dropped
                continue
            # A client that reads too slowly has its next commands wait, as their answers would need memory.
            while (connected.commands or connected.blocks) and self._may_go_on(connected):
                self._group.sessions.add(session)
                self._carry_out_next(connected, now, outgoing)
                size += 1
            if connected.gone:
                self.connected.pop(session, None)
                self._patient.pop(session, None)
                core.disconnect(session)
        self._group.size += size

    def _may_go_on(self, connected: Connected) -> bool:
        return (
            connected.gone
            or self._stopping
            or (connected.session.room > 0 and connected.proxied < self._proxied_at_once)
        )

    def _carry_out_next(self, connected: Connected, now: float, outgoing: list[Outgoing]) -> None:
        """Carry out a client's next command."""
        try:
            if not connected.commands:
                connected.client.finished()
                connected.commands.extend(unpack_block(connected.blocks.popleft(), connected.transport.cipher))
            transmission = decode_transmission(connected.transport, connected.commands.popleft())
        except TransmissionError as error:
            outgoing.append(Outgoing(connected.session, error.corr_id, b"", Err(error.error)))
        else:
            self._core.handle(connected.session, transmission, now, outgoing)
        if not connected.commands:
            self._core.end_block(connected.session, outgoing)

    def _start_proxied(self) -> None:
        proxied, self._core.proxied = self._core.proxied, []
        for item in proxied:
            connected = self.connected.get(item.session)
            if connected is not None:
                connected.proxied += 1
                self._forward(connected, item)

    def answer_proxied(self, connected: Connected, answer: Outgoing) -> None:
        """A command came back from another server."""
        connected.proxied -= 1
        self.set_ready(connected)
        self._send([answer])

    # the disk

    def _promise(self, outgoing: list[Outgoing]) -> None:
        """Send what need not wait for the disk, and keep the rest. Of a queue, a session hears in order."""
        group, writing = self._group, self._writing
        early: list[Outgoing] = []
        for message in outgoing:
            at = (message.session, message.entity_id)
            if not (message.early or message.patient) or at in group.waiting or (writing and at in writing.waiting):
                if not group.promised:
                    group.began = self._loop.time()
                group.promised.append(message)
                group.waiting.add(at)
            elif message.patient:
                self._patient.setdefault(message.session, []).append(message)
            else:
                early.append(message)
        if early:
            self._send(early)
        if self._patient and self._patient_timer is None:
            self._patient_timer = self._loop.call_later(_PATIENCE, self._send_patient)

    def _send_patient(self) -> None:
        self._patient_timer = None
        patient, self._patient = self._patient, {}
        self._send([message for messages in patient.values() for message in messages])

    def _decide(self) -> None:
        """What was carried out goes to the disk now, later, or has no need to."""
        if self._writing is not None:
            return
        if self._fault is not None:
            error, self._fault = self._fault, None
            self._undo(error)
        group = self._group
        if self._shrink_due or (self._stopping and not self._ready):
            self._store()
        elif not self._core.has_changes:
            # what was carried out changed nothing
            self._group = _Group()
            self._keep_promise(group)
        elif group.promised:
            # A disk that has just worked rests a little, so that one transaction holds the commands of many; what is
            # received meanwhile need not be written at all.
            rest = self._store_at - self._loop.time()
            if rest <= 0 or group.size >= _GROUP:
                self._store()
            else:
                self._store_in(rest)
        else:
            # nobody waits for the disk: these deletions go there with what comes next
            self._store_in(_STORED_WITHIN)

    def _store_in(self, seconds: float) -> None:
        if self._store_timer is not None:
            if self._store_timer.when() <= self._loop.time() + seconds:
                return
            self._store_timer.cancel()
        self._store_timer = self._loop.call_later(seconds, self._store_now)

    def _store_now(self) -> None:
        self._store_timer = None
        if self._writing is None and not self._failed:
            try:
                self._store()
            except Exception as error:  # noqa: BLE001 (as above)
                self._end(error)

    def _store(self) -> None:
        """Take what was carried out to the disk, then send what it promises."""
        if self._store_timer is not None:
            self._store_timer.cancel()
            self._store_timer = None
        self._writing, self._group = self._group, _Group()
        shrink, self._shrink_due = self._shrink_due, False
        changes = self._core.take_changes()
        began = self._loop.time()
        if not changes and not shrink:
            self._stored(began, None)
            return
        self._disk.write(changes, shrink=shrink, done=lambda error: self._stored(began, error))

    def _stored(self, began: float, error: Exception | None) -> None:
        written, self._writing = self._writing, None
        if written is None or self._failed:
            return
        try:
            if error is None:
                # single transactions follow each other at once; in a crowd, the disk works a third of the time
                cost = min(max(3 * (self._loop.time() - began), _PAUSE), _REST)
                self._store_at = max(self._store_at, began - _CREDIT) + cost
                self._keep_promise(written)
            else:
                # nobody was told of what was built on it, either
                self._group.sessions |= written.sessions
                self._spoil(error)
            if self._stopping and not (self._ready or self._core.has_changes or self._group.promised or self._fault):
                self._idle.set()
            else:
                self._take_turn()
        except Exception as fault:  # noqa: BLE001 (as above)
            self._end(fault)

    def _keep_promise(self, group: _Group) -> None:
        self._send(group.promised)
        if group.promised:
            self._core.counts.answered(self._loop.time() - group.began, len(group.promised))

    def _spoil(self, error: Exception) -> None:
        self._fault = error
        self._take_turn()

    def _undo(self, error: Exception) -> None:
        """Return to what the disk holds.

        Nobody was told that anything since then is stored: to the clients that had a part in it the connection is
        lost, and they will try again.
        """
        _log.error("a group of commands failed: %s", _name(error))
        group, self._group = self._group, _Group()
        self._core.recover()
        if isinstance(error, DiskFullError):
            self._disk.set_full()
        for session in group.sessions:
            self.drop(session)

    # what goes out

    def _send(self, outgoing: list[Outgoing]) -> None:
        by_session: dict[Session, list[bytes]] = {}
        for message in outgoing:
            connected = self.connected.get(message.session)
            if connected is None:
                continue
            transmissions = by_session.get(message.session)
            if transmissions is None:
                before = self._patient.pop(message.session, ()) if self._patient else ()
                transmissions = by_session[message.session] = [_encoded(connected, one) for one in before]
            transmissions.append(_encoded(connected, message))
        is_slow = False
        for session, transmissions in by_session.items():
            connected = self.connected[session]
            connected.client.send(transmissions)
            if connected.client.backlog:
                is_slow = True
            else:
                self.kept_up(connected)
        if is_slow and self._loop.time() >= self._relieve_at:
            self._relieve()

    def _relieve(self) -> None:
        """Disconnect the slowest readers, if all together leave too much lying."""
        waiting = sorted(self.connected.values(), key=lambda connected: connected.client.backlog)
        total = sum(connected.client.backlog for connected in waiting)
        self._relieve_at = self._loop.time() + _RELIEVED_FOR
        while total > self._waiting_blocks:
            slowest = waiting.pop()
            total -= slowest.client.backlog
            self._core.counts.refused["slow_client"] += 1
            self.drop(slowest.session)

    def drop(self, session: Session) -> None:
        """Disconnect a client."""
        connected = self.connected.pop(session, None)
        self._patient.pop(session, None)
        self._core.disconnect(session)
        if connected is not None:
            connected.client.close()


def _encoded(connected: Connected, message: Outgoing) -> bytes:
    version = connected.transport.version
    encoded = encode_message(message.message, version)
    return encode_transmission(connected.transport, message.corr_id, message.entity_id, encoded)


def _name(error: Exception) -> str:
    """What may be logged of an error: its text if it is one of ours."""
    return str(error) if isinstance(error, StoreError) else type(error).__name__
