"""Draw the table of call states: ``python -m simplex_calls.calls.diagram > docs/call-states.md``."""

from __future__ import annotations

import sys

from simplex_calls.calls.state import TABLE, CallState
from simplex_calls.diagrams import Row, page, state_diagram


def rows() -> list[Row]:
    """The table's transitions, in the order of the states."""
    order = {state: number for number, state in enumerate(CallState)}
    table = sorted(TABLE.items(), key=lambda row: (order[row[0][0]], order[row[1].state], row[0][1].value))
    return [
        Row(
            state.value,
            event.value,
            transition.state.value,
            [action.value for action in transition.actions],
            reason=transition.reason.value if transition.reason else "",
        )
        for (state, event), transition in table
    ]


def document() -> str:
    """The page of the documentation."""
    diagram = state_diagram(rows(), starts=[CallState.NEW.value], ends=[CallState.ENDED.value])
    return page(
        "The states of a call",
        "app/simplex_calls/calls/state.py",
        "simplex_calls.calls.diagram",
        "docs/call-states.md",
        rows(),
        diagram,
    )


if __name__ == "__main__":
    sys.stdout.write(document())
