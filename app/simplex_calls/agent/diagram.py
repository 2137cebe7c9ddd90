"""Draw the agent's tables of states for docs/: ``python -m simplex_calls.agent.diagram NAME``, one of ``DOCUMENTS``."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any

from simplex_calls.agent.connection import TRANSITIONS, ConnectionState
from simplex_calls.agent.events import RatchetSync
from simplex_calls.agent.resync import SYNC_TRANSITIONS
from simplex_calls.agent.rotation import (
    RCV_TRANSITIONS,
    SND_TRANSITIONS,
    RotationEvent,
    RotationStep,
)
from simplex_calls.diagrams import Row, page, state_diagram


def rows() -> list[Row]:
    """The table's transitions, in the order of the states."""
    order = {state: number for number, state in enumerate(ConnectionState)}
    table = sorted(TRANSITIONS.items(), key=lambda row: (order[row[0][0]], order[row[1].state], row[0][1].name))
    return [
        Row(
            state.value,
            event.value,
            transition.state.value,
            [action.value for action in transition.actions],
            label=event.name.lower().replace("_", " "),
        )
        for (state, event), transition in table
    ]


def document() -> str:
    """The page of the documentation."""
    first = (ConnectionState.INVITED, ConnectionState.ASKED, ConnectionState.JOINED, ConnectionState.ADDRESS)
    starts = [state.value for state in first]
    diagram = state_diagram(rows(), starts, ends=[ConnectionState.FAILED.value])
    return page(
        "The states of a connection",
        "app/simplex_calls/agent/connection.py",
        "simplex_calls.agent.diagram",
        "docs/connection-states.md",
        rows(),
        diagram,
    )


def ratchet_document() -> str:
    """The page about starting a ratchet again."""
    order = {state: number for number, state in enumerate(RatchetSync)}
    table = sorted(SYNC_TRANSITIONS.items(), key=lambda row: (order[row[0][0]], order[row[1].state], row[0][1].name))
    transitions = [
        Row(
            state.value,
            event.value,
            step.state.value,
            [action.value for action in step.actions],
            label=event.name.lower().replace("_", " "),
        )
        for (state, event), step in table
    ]
    return page(
        "The states of a ratchet's synchronization",
        "app/simplex_calls/agent/resync.py",
        "simplex_calls.agent.diagram ratchet",
        "docs/ratchet-states.md",
        transitions,
        state_diagram(transitions, [RatchetSync.OK.value], ends=[]),
    )


def _rotation_document(side: str, table: Mapping[tuple[Any, RotationEvent], RotationStep]) -> str:
    """The page about replacing a queue, of one side."""
    transitions = [
        Row(
            state.value,
            event.value,
            step.state.value,
            [*(action.value for action in step.actions), f"report: {step.phase.value}"],
            label=event.name.lower().replace("_", " "),
        )
        for (state, event), step in table.items()
    ]
    return page(
        f"The states of a {side} queue's replacement",
        "app/simplex_calls/agent/rotation.py",
        f"simplex_calls.agent.diagram {side}-queue",
        f"docs/{side}-queue-states.md",
        transitions,
        state_diagram(transitions, ["settled"], ends=["replaced"]),
    )


DOCUMENTS: dict[str, Callable[[], str]] = {
    "connection": document,
    "ratchet": ratchet_document,
    "receiving-queue": lambda: _rotation_document("receiving", RCV_TRANSITIONS),
    "sending-queue": lambda: _rotation_document("sending", SND_TRANSITIONS),
}


if __name__ == "__main__":
    sys.stdout.write(DOCUMENTS[sys.argv[1] if len(sys.argv) > 1 else "connection"]())
