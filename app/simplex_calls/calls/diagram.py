"""Draw the table of call states: ``python -m simplex_calls.calls.diagram > docs/call-states.md``."""

from __future__ import annotations

import sys

from simplex_calls.calls.state import TABLE, CallState


def mermaid() -> str:
    """The table as a Mermaid state diagram; events that lead to the same state share an arrow."""
    arrows: dict[tuple[CallState, CallState], list[str]] = {}
    for (state, event), transition in TABLE.items():
        if transition.state is state:
            continue
        label = event.value.replace(":", "")
        if transition.reason is not None:
            label += f" ({transition.reason.value})"
        arrows.setdefault((state, transition.state), []).append(label)
    lines = ["stateDiagram-v2"]
    for state in CallState:
        for target in CallState:
            labels = arrows.get((state, target))
            if labels:
                start = "[*]" if state is CallState.NEW else state.value
                lines.append(f"    {start} --> {target.value}: {', '.join(sorted(labels))}")
    lines.append(f"    {CallState.ENDED.value} --> [*]")
    return "\n".join(lines)


def table() -> str:
    """The table as Markdown, with every action."""
    order = {state: number for number, state in enumerate(CallState)}
    lines = ["| state | event | next state | actions |", "|---|---|---|---|"]
    rows = sorted(TABLE.items(), key=lambda row: (order[row[0][0]], order[row[1].state], row[0][1].value))
    for (state, event), transition in rows:
        target = transition.state.value
        if transition.reason is not None:
            target += f" ({transition.reason.value})"
        actions = "; ".join(action.value for action in transition.actions)
        lines.append(f"| {state.value} | {event.value} | {target} | {actions} |")
    return "\n".join(lines)


def document() -> str:
    """The page of the documentation."""
    return (
        "# The states of a call\n\n"
        "Made from the table in `app/simplex_calls/calls/state.py` by"
        " `python -m simplex_calls.calls.diagram > docs/call-states.md`; a test holds that it is current.\n\n"
        f"```mermaid\n{mermaid()}\n```\n\n{table()}\n"
    )


if __name__ == "__main__":
    sys.stdout.write(document())
