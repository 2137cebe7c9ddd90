"""The children of ``serve``: started, looked at, started again, and all stopped together."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import shutil
import signal
import sys
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from simplex_calls.catalogue import text
from simplex_calls.serve import supervision
from simplex_calls.serve.health import HealthError
from simplex_calls.serve.plan import ServeError
from simplex_calls.serve.supervision import Child, State

_log = logging.getLogger(__name__)

_STARTING_PAUSE = 0.25
"""Seconds between checks of a child that has not answered yet."""
_STARTING_SECONDS = 20.0
"""So long it may take to answer for the first time."""
CHECK_PAUSE = 30.0
"""Seconds between checks of a child that answers."""
_STOP_SECONDS = 10.0
_TAIL = 8
"""Lines of a child's output that are kept, to be told if it cannot be started."""
_TAIL_SECONDS = 1.0
"""How long they are waited for after its end."""


class Process(Protocol):
    """A running child."""

    async def wait(self) -> int:
        """Wait for its end; the exit status, negative for a signal."""

    def send_signal(self, number: signal.Signals) -> None:
        """Signal it, if it still runs."""

    @property
    def tail(self) -> Sequence[str]:
        """The last lines that it wrote."""


@dataclass(frozen=True, slots=True)
class Spec:
    """A child: its command, and what asks whether it serves (raises :class:`HealthError`)."""

    name: str
    command: tuple[str, ...]
    check: Callable[[], Awaitable[None]]
    is_told: bool = True
    """Whether its errors are passed on."""


Spawn = Callable[[Spec], Awaitable[Process]]


class Supervisor:
    """Keeps the children of ``specs`` running, within :meth:`run`.

    ``spawn`` starts a process, ``clock`` gives seconds, ``sleep`` waits; ``on_change`` is called when the state of a
    child changes.
    """

    def __init__(
        self,
        specs: Sequence[Spec],
        *,
        spawn: Spawn,
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        on_change: Callable[[], None] = lambda: None,
    ) -> None:
        self._specs = specs
        self._spawn = spawn
        self._clock = clock
        self._sleep = sleep
        self._on_change = on_change
        self._processes: dict[str, Process] = {}
        self.children = {spec.name: Child() for spec in specs}

    @property
    def is_healthy(self) -> bool:
        """Whether all answer."""
        return all(child.state is State.HEALTHY for child in self.children.values())

    async def run(self) -> None:
        """Keep them running until it is cancelled, and stop them all then.

        Raises :class:`ServeError` when one of them cannot be started.
        """
        failure: BaseException | None = None
        try:
            async with asyncio.TaskGroup() as group:
                for spec in self._specs:
                    group.create_task(self._keep(spec), name=f"serve: {spec.name}")
        except* ServeError as errors:
            failure = errors.exceptions[0]
        if failure is not None:  # raised in there, it would be a group again
            raise failure

    def signal(self, name: str, number: signal.Signals) -> None:
        """Signal a child, if it runs."""
        process = self._processes.get(name)
        if process is not None:
            process.send_signal(number)

    async def _keep(self, spec: Spec) -> None:
        while True:
            process = await self._spawn(spec)
            self._processes[spec.name] = process
            self._set(spec, supervision.started(self.children[spec.name], self._clock()))
            checking = asyncio.create_task(self._check(spec, process), name=f"serve: checks of {spec.name}")
            try:
                status = await process.wait()
            finally:
                await _cancelled(checking)
                self._processes.pop(spec.name, None)
                await self._stop(process)
            now = self._clock()
            child = supervision.ended(self.children[spec.name], now)
            self._set(spec, child)
            if child.state is State.FAILED:
                tail = "\n".join(f"    {line}" for line in process.tail)
                raise ServeError(text("serve.child.failed", name=spec.name, status=status, tail=tail).rstrip())
            _log.warning("%s ended (%d), it is started again in %.0f s", spec.name, status, child.start_again_at - now)
            await self._sleep(child.start_again_at - now)

    async def _check(self, spec: Spec, process: Process) -> None:
        since = self._clock()
        while True:
            child = self.children[spec.name]
            is_new = child.state is State.STARTING and self._clock() - since < _STARTING_SECONDS
            await self._sleep(_STARTING_PAUSE if is_new else CHECK_PAUSE if child.state is State.HEALTHY else 1.0)
            try:
                await spec.check()
            except HealthError as error:
                if not is_new:
                    _log.warning("%s missed a check: %s", spec.name, error)
                    self._set(spec, supervision.missed(self.children[spec.name]))
                    if supervision.is_stuck(self.children[spec.name]):
                        process.send_signal(signal.SIGKILL)
                        return
            else:
                self._set(spec, supervision.answered(self.children[spec.name]))

    async def _stop(self, process: Process) -> None:
        """End it, kindly first; nothing if it has ended."""
        process.send_signal(signal.SIGTERM)
        waiting = asyncio.ensure_future(process.wait())
        done, _ = await asyncio.wait({waiting}, timeout=_STOP_SECONDS)
        if not done:
            process.send_signal(signal.SIGKILL)
        await waiting

    def _set(self, spec: Spec, child: Child) -> None:
        if child != self.children[spec.name]:
            self.children[spec.name] = child
            self._on_change()


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


class _System:
    """A process of the system."""

    def __init__(self, process: asyncio.subprocess.Process, *, is_told: bool) -> None:
        self._process = process
        self._is_told = is_told
        self.tail: deque[str] = deque(maxlen=_TAIL)
        self._reading = asyncio.create_task(self._read())

    async def wait(self) -> int:
        status = await self._process.wait()
        # whoever it started may still hold the pipe
        await asyncio.wait({self._reading}, timeout=_TAIL_SECONDS)
        self._reading.cancel()
        return status

    def send_signal(self, number: signal.Signals) -> None:
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)

    async def _read(self) -> None:
        output = self._process.stderr or self._process.stdout
        while output is not None:
            try:
                line = await output.readline()
            except ValueError:  # longer than the buffer
                continue
            if not line:
                return
            words = line.decode("utf-8", "replace").rstrip()
            if words:
                if not words[0].isspace():  # coturn's list of options hides what it said before
                    self.tail.append(words)
                if self._is_told:
                    sys.stderr.write(f"{words}\n")


async def spawn(spec: Spec) -> Process:
    """Start a process that ends with this one; of its output the last lines are kept. Raises :class:`ServeError`."""
    # a supervisor that is killed leaves nothing behind that holds the ports
    setpriv = shutil.which("setpriv")
    guard = [setpriv, "--pdeathsig", "TERM", "--"] if setpriv else []
    try:
        process = await asyncio.create_subprocess_exec(
            *guard,
            *spec.command,
            stdin=asyncio.subprocess.DEVNULL,
            # ours repeats what is told here; coturn writes its errors there
            stdout=asyncio.subprocess.DEVNULL if spec.is_told else asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE if spec.is_told else asyncio.subprocess.STDOUT,
            umask=0o077,
            start_new_session=True,  # Ctrl+C is for the supervisor, which stops them in order
        )
    except OSError as error:
        raise ServeError(
            text("serve.child.missing", command=spec.command[0], reason=os.strerror(error.errno or 0))
        ) from None
    return _System(process, is_told=spec.is_told)
