"""Draw the agent's tables of states for docs/: ``python -m simplex_calls.agent.diagram [connection|ratchet]``."""

from __future__ import annotations

import sys

from simplex_calls.agent.connection import TRANSITIONS, ConnectionState
from simplex_calls.agent.events import RatchetSync
from simplex_calls.agent.resync import SYNC_TRANSITIONS
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


DOCUMENTS = {"connection": document, "ratchet": ratchet_document}


if __name__ == "__main__":
    sys.stdout.write(DOCUMENTS[sys.argv[1] if len(sys.argv) > 1 else "connection"]())
