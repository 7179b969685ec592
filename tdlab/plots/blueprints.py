"""The figure of a blueprint: its DAG with what is wrong with it."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tdlab.blueprints import as_graph, violations
from tdlab.plots.style import PALETTE, STYLE, WIDTH, label, new_axes, rows_of
from tdlab.records import Blueprint, Step, Tool

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["compute_edges", "compute_steps", "plot_blueprint", "plot_dag"]

_COLOURS = {
    "call": PALETTE[0], "parallel": PALETTE[4], "ask": PALETTE[1], "confirm": PALETTE[3], "refuse": PALETTE[5],
    "code": PALETTE[2],
}  # fmt: skip
_FAULT = "#b00020"
_MOST_LETTERS = 44  # of a step's name
_COLUMN = 1.15  # inches of a column at least
_LETTERS = 15  # of a line of a step's name
_LETTERS_AN_INCH = 20  # of the violations in words
_LINE = 0.115  # inches of one of their lines


def compute_steps(blueprint: Blueprint, tools: Mapping[str, Tool]) -> pd.DataFrame:
    """One row a step: ``step``, ``kind``, ``turn``, ``label``, ``failure``, ``column``, ``row``, ``violation``.

    ``column`` counts the steps that must come one after the other before it, over all turns, whatever order they are
    listed in; ``row`` tells apart what stands in one column. ``violation`` is what is wrong with the step, empty where
    nothing is.
    """
    import pandas as pd

    wrong: dict[str, list[str]] = {}
    for found in violations(blueprint, tools):
        wrong.setdefault(found.step, []).append(found.message)
    column: dict[str, int] = {}
    row: dict[str, int] = {}
    used: dict[int, int] = {}
    last_of_turn: dict[int, int] = {}
    for step in _in_order(blueprint):
        first = max((last + 1 for turn, last in last_of_turn.items() if turn < step.turn), default=0)
        place = max([first, *(column[needed] + 1 for needed in step.needs() if needed in column)])
        column[step.id] = place
        last_of_turn[step.turn] = max(last_of_turn.get(step.turn, 0), place)
        row[step.id] = used.get(place, 0)
        used[place] = row[step.id] + 1
    rows = [
        (step.id, step.kind, step.turn, _said_of(step), step.failure is not None, column[step.id], row[step.id],
         "; ".join(wrong.get(step.id, ())))
        for step in blueprint.steps
    ]  # fmt: skip
    columns = ["step", "kind", "turn", "label", "failure", "column", "row", "violation"]
    return pd.DataFrame(rows, columns=columns)


def compute_edges(blueprint: Blueprint) -> pd.DataFrame:
    """One row an edge of the DAG: ``source``, ``target``, ``kind`` (``data`` or ``order``), ``label``."""
    import pandas as pd

    edges = [(a, b, found["kind"], found["label"]) for a, b, found in as_graph(blueprint).edges(data=True)]
    return pd.DataFrame(edges, columns=["source", "target", "kind", "label"])


def plot_dag(steps: pd.DataFrame, edges: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Boxes for steps and arrows for what they need; takes `compute_steps` and `compute_edges`.

    Solid arrows carry values, dotted ones only an order. A red frame is a violation, a dashed one an injected failure.
    """
    ax = new_axes(ax)
    where = {s["step"]: (float(s["column"]), -float(s["row"])) for s in rows_of(steps)}
    boxes: dict[str, Any] = {}
    for step in rows_of(steps):
        frame = _FAULT if step["violation"] else "black" if step["failure"] else "white"
        words = "\n".join((step["step"], *_named(step["label"])))
        text = ax.text(
            *where[step["step"]], words, ha="center", va="center", fontsize=6,
            color="white" if step["kind"] == "call" else "black", wrap=False,
            bbox={
                "boxstyle": "round,pad=0.35", "facecolor": _COLOURS.get(step["kind"], "0.5"), "edgecolor": frame,
                "linewidth": 2.0 if step["violation"] else 1.2, "linestyle": "--" if step["failure"] else "-",
            },
        )  # fmt: skip
        boxes[step["step"]] = text.get_bbox_patch()
    for edge in rows_of(edges):
        if edge["source"] not in where or edge["target"] not in where:
            continue
        ax.annotate(
            "", where[edge["target"]], xytext=where[edge["source"]], zorder=1,
            arrowprops={
                "arrowstyle": "-|>", "color": "0.45", "lw": 0.9,
                "patchA": boxes[edge["source"]], "patchB": boxes[edge["target"]],
                "linestyle": "-" if edge["kind"] == "data" else ":", "connectionstyle": "arc3,rad=0.12",
            },
        )  # fmt: skip
    first: dict[int, int] = {}
    for step in rows_of(steps):
        first[step["turn"]] = min(first.get(step["turn"], step["column"]), step["column"])
    for column in sorted(set(first.values())):
        begun = sorted(turn for turn, place in first.items() if place == column)
        if column:
            ax.axvline(column - 0.5, color="0.8", linewidth=0.7)
        name = "request " + " and ".join(str(turn + 1) for turn in begun)
        ax.text(column - 0.45, 0.72, name, fontsize=6.5, color="0.35", ha="left", va="bottom")
    width = float(steps["column"].max()) if len(steps) else 0.0
    depth = float(steps["row"].max()) if len(steps) else 0.0
    ax.set(xlim=(-0.6, width + 0.6), ylim=(-depth - 0.6, 1.0), xticks=[], yticks=[])
    for side in ("left", "bottom"):
        ax.spines[side].set_visible(False)
    return ax


def plot_blueprint(blueprint: Blueprint, tools: Mapping[str, Tool]) -> Figure:
    """The figure of one blueprint: its DAG, a legend of step kinds, and its violations in words."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    steps = compute_steps(blueprint, tools)
    columns = int(steps["column"].max()) + 1 if len(steps) else 1
    rows = int(steps["row"].max()) + 1 if len(steps) else 1
    wrong = [": ".join((s["step"], s["violation"])) for s in rows_of(steps) if s["violation"]]
    width = max(WIDTH, _COLUMN * columns)
    words = [line for text in wrong for line in _wrapped(text, round(_LETTERS_AN_INCH * width))]
    with rc_context(STYLE):
        size = (width, 1.25 + 0.62 * rows + _LINE * len(words))
        figure = Figure(figsize=size, layout="constrained")
        ax = plot_dag(steps, compute_edges(blueprint), ax=figure.subplots())
        ax.set_title(f"Blueprint {blueprint.id}: {len(steps)} steps, {len(wrong)} violations")
        kinds = [Patch(color=_COLOURS[kind], label=kind) for kind in _COLOURS if kind in set(steps["kind"])]
        lines = [
            Line2D([], [], color="0.45", label="carries a value"),
            Line2D([], [], color="0.45", linestyle=":", label="comes before"),
            Patch(facecolor="white", edgecolor="black", linestyle="--", label="fails once"),
            Patch(facecolor="white", edgecolor=_FAULT, label="violation"),
        ]
        figure.legend(handles=[*kinds, *lines], loc="outside lower center", ncols=len(kinds) + 4, fontsize=6.5)
        if words:
            ax.text(0, -0.02, "\n".join(words), transform=ax.transAxes, fontsize=6.5, color=_FAULT, va="top")
    return figure


def _in_order(blueprint: Blueprint) -> list[Step]:
    """The steps, each after what it needs and turn by turn; as they are listed where they go in a circle."""
    import networkx as nx

    by_id = {step.id: step for step in blueprint.steps}
    listed = {step.id: place for place, step in enumerate(blueprint.steps)}
    graph = as_graph(blueprint).subgraph(by_id)
    if len(by_id) < len(blueprint.steps) or not nx.is_directed_acyclic_graph(graph):
        return list(blueprint.steps)
    order = nx.lexicographical_topological_sort(graph, key=lambda name: (by_id[name].turn, listed[name]))
    return [by_id[name] for name in order]


def _named(text: str) -> list[str]:
    """A step's name in short lines, broken at underscores and blanks."""
    shown = " ".join(text.split())
    shown = shown if len(shown) <= _MOST_LETTERS else f"{shown[: _MOST_LETTERS - 1]}…"
    lines = [""]
    for word in re.split(r"(?<=[_ ])", shown):
        for part in (word[at : at + _LETTERS] for at in range(0, len(word), _LETTERS)):
            if lines[-1] and len(lines[-1]) + len(part.rstrip()) > _LETTERS:
                lines.append("")
            lines[-1] += part
    return [label(line) for line in lines]


def _wrapped(text: str, letters: int) -> list[str]:
    """Lines of at most so many letters, those after the first set in."""
    first, *more = textwrap.wrap(text, letters, subsequent_indent=" ", break_on_hyphens=False)
    return [label(first, most=letters), *(f"    {label(line, most=letters)}" for line in more)]


def _said_of(step: Step) -> str:
    """A step in a word or two: its tool, or what it asks for."""
    if step.calls:
        first = step.calls[0].tool.partition("/")[2]
        return first if len(step.calls) == 1 else f"{first} +{len(step.calls) - 1}"
    if step.asks:
        return "ask: " + ", ".join(ask.label for ask in step.asks)
    return f"confirm {step.about}" if step.about else step.kind
