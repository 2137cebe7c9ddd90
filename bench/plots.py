"""Bar charts as one SVG file: no library is needed for so little."""

from __future__ import annotations

import html
from dataclasses import dataclass, field
from pathlib import Path

WIDTH, LEFT, BAR, GAP, HEAD, FOOT = 760, 16, 14, 4, 58, 34
COLOURS = ("#4c78a8", "#f58518", "#54a24b", "#b279a2", "#e45756")
STYLE = (
    "text{font:12px sans-serif;fill:#333}.title{font-weight:bold}.tick{text-anchor:middle}"
    ".aim{stroke:#c00;stroke-dasharray:4 3}.paper{fill:#fff}.axis{stroke:#999}"
)


@dataclass(frozen=True)
class Bars:
    """Stacked bars, one below the other; ``aim``: a line at a value."""

    title: str
    parts: list[str]
    values: list[list[float]]
    aim: float | None = None


@dataclass
class _Drawing:
    top: float = 0.0
    lines: list[str] = field(default_factory=list)

    def text(self, x: float, y: float, words: str, kind: str = "") -> None:
        self.lines.append(f'<text x="{x:.0f}" y="{y:.0f}" class="{kind}">{html.escape(words)}</text>')

    def box(self, x: float, y: float, width: float, colour: str) -> None:
        self.lines.append(f'<rect x="{x:.1f}" y="{y:.0f}" width="{width:.1f}" height="{BAR}" fill="{colour}"/>')

    def line(self, x: float, y: float, x2: float, y2: float, kind: str) -> None:
        self.lines.append(f'<path d="M{x:.1f} {y:.0f}L{x2:.1f} {y2:.0f}" class="{kind}"/>')


def write_plots(path: Path, plots: list[Bars]) -> None:
    """All plots in one file, one below the other."""
    drawing = _Drawing()
    for plot in plots:
        _draw(drawing, plot)
    size = f'width="{WIDTH}" height="{drawing.top:.0f}" viewBox="0 0 {WIDTH} {drawing.top:.0f}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size}><style>{STYLE}</style>'
    paper = f'<rect class="paper" width="{WIDTH}" height="{drawing.top:.0f}"/>'
    path.write_text("\n".join([head, paper, *drawing.lines, "</svg>"]) + "\n", "utf-8")


def _draw(drawing: _Drawing, plot: Bars) -> None:
    top = drawing.top
    drawing.text(LEFT, top + 20, plot.title, "title")
    x = float(LEFT)
    for part, colour in zip(plot.parts, COLOURS, strict=False):
        drawing.box(x, top + 30, BAR, colour)
        drawing.text(x + BAR + 5, top + 42, part)
        x += BAR + 24 + 7 * len(part)
    most = max([sum(values) for values in plot.values] + [plot.aim or 0.0]) * 1.05
    scale = (WIDTH - 2 * LEFT) / most
    y = top + HEAD
    for values in plot.values:
        x = float(LEFT)
        for value, colour in zip(values, COLOURS, strict=False):
            drawing.box(x, y, value * scale, colour)
            x += value * scale
        y += BAR + GAP
    drawing.line(LEFT, y, WIDTH - LEFT, y, "axis")
    step = _step(most)
    for number in range(int(most / step) + 1):
        drawing.line(LEFT + number * step * scale, y, LEFT + number * step * scale, y + 5, "axis")
        drawing.text(LEFT + number * step * scale, y + 18, f"{number * step:g}", "tick")
    if plot.aim is not None:
        drawing.line(LEFT + plot.aim * scale, top + HEAD - 4, LEFT + plot.aim * scale, y, "aim")
    drawing.top = y + FOOT


def _step(most: float) -> float:
    """A round number of which some five fit."""
    power = 1.0
    while power * 10 <= most:
        power *= 10
    while power > most:
        power /= 10
    return next(power * factor for factor in (0.2, 0.5, 1, 2, 5) if most / (power * factor) <= 8)
