"""Pages of the documentation about a table of states: a Mermaid diagram and the table itself."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """One transition in words."""

    state: str
    event: str
    target: str
    actions: Sequence[str] = ()
    label: str = ""
    """What its arrow says; :attr:`event` if empty."""
    reason: str = ""
    """Why it ends, where the target is an end."""


def state_diagram(rows: Sequence[Row], starts: Iterable[str], ends: Iterable[str]) -> str:
    """A Mermaid state diagram; events that lead to the same state share an arrow, those that stay have none."""
    arrows: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        if row.target != row.state:
            label = (row.label or row.event).replace(":", "") + (f" ({row.reason})" if row.reason else "")
            arrows.setdefault((row.state, row.target), []).append(label)
    lines = ["stateDiagram-v2", *(f"    [*] --> {state}" for state in starts)]
    lines += [f"    {state} --> {target}: {', '.join(sorted(labels))}" for (state, target), labels in arrows.items()]
    lines += [f"    {state} --> [*]" for state in ends]
    return "\n".join(lines)


def page(title: str, source: str, module: str, file: str, rows: Sequence[Row], diagram: str) -> str:
    """The whole page. ``source`` is the table's file, ``module`` prints this page, ``file`` holds it."""
    table = ["| state | event | next state | actions |", "|---|---|---|---|"]
    for row in rows:
        target = row.target + (f" ({row.reason})" if row.reason else "")
        table.append(f"| {row.state} | {row.event} | {target} | {'; '.join(row.actions)} |")
    return (
        f"# {title}\n\n"
        f"Made from the table in `{source}` by `python -m {module} > {file}`; a test holds that it is current.\n\n"
        f"```mermaid\n{diagram}\n```\n\n" + "\n".join(table) + "\n"
    )
