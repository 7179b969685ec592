"""The figure of a blueprint: its DAG and its violations."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tdlab.blueprints import as_graph, violations
from tdlab.plots.style import PALETTE, STYLE, WIDTH, label, new_axes, rows_of
from tdlab.records import Blueprint, Step, Tool
from tdlab.tools import shorten

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["compute_edges", "compute_steps", "plot_blueprint", "plot_dag"]

_COLOURS = {
    "call": PALETTE[0], "parallel": PALETTE[4], "ask": PALETTE[1], "confirm": PALETTE[3], "refuse": PALETTE[5],
    "code": PALETTE[2],
}  # fmt: skip
_RED = "#b00020"
_MOST_CHARACTERS = 44  # of a step's name
_COLUMN_WIDTH = 1.15  # least width of a column, in inches
_LINE_CHARACTERS = 15  # of a line of a step's name
_CHARACTERS_PER_INCH = 20  # of the list of violations
_LINE_HEIGHT = 0.115  # of a line in that list, in inches


def compute_steps(blueprint: Blueprint, tools: Mapping[str, Tool]) -> pd.DataFrame:
    """Lay out the steps of a blueprint.

    Args:
        blueprint: The plan.
        tools: Definitions of the tools that it calls, by key.

    Returns:
        One row per step, in the order of the plan: ``step`` (its id), ``kind``, ``turn``, ``label``, ``failure``
        (whether it fails once), ``column``, ``row``, ``violation`` (its violations in words, or an empty string).
        ``column`` is the number of steps that must come one after the other before this one, over all turns; it does
        not depend on the order of the plan. ``row`` counts the steps within a column.

    Example:
        >>> import tdlab
        >>> with tdlab.open_run("runs/first") as run:
        ...     tools = {tool.key: tool for tool in run.store.tools()}
        ...     steps = compute_steps(next(run.store.accepted()).blueprint, tools)
        >>> set(steps["violation"])
        {''}
    """
    import pandas as pd

    messages: dict[str, list[str]] = {}
    for violation in violations(blueprint, tools):
        messages.setdefault(violation.step, []).append(violation.message)
    column: dict[str, int] = {}
    row: dict[str, int] = {}
    used: dict[int, int] = {}
    last_of_turn: dict[int, int] = {}
    for step in _in_order(blueprint):
        turn_start = max((last + 1 for turn, last in last_of_turn.items() if turn < step.turn), default=0)
        level = max([turn_start, *(column[needed] + 1 for needed in step.needs() if needed in column)])
        column[step.id] = level
        last_of_turn[step.turn] = max(last_of_turn.get(step.turn, 0), level)
        row[step.id] = used.get(level, 0)
        used[level] = row[step.id] + 1
    rows = [
        (step.id, step.kind, step.turn, _step_label(step), step.failure is not None, column[step.id], row[step.id],
         "; ".join(messages.get(step.id, ())))
        for step in blueprint.steps
    ]  # fmt: skip
    columns = ["step", "kind", "turn", "label", "failure", "column", "row", "violation"]
    return pd.DataFrame(rows, columns=columns)


def compute_edges(blueprint: Blueprint) -> pd.DataFrame:
    """List the edges of a blueprint's DAG.

    Args:
        blueprint: The plan.

    Returns:
        One row per edge: ``source`` and ``target`` (ids of steps), ``kind`` (``data`` or ``order``), ``label``.

    Example:
        >>> import tdlab
        >>> with tdlab.open_run("runs/first") as run:
        ...     edges = compute_edges(next(run.store.accepted()).blueprint)
        >>> list(edges)
        ['source', 'target', 'kind', 'label']
    """
    import pandas as pd

    edges = [(a, b, edge["kind"], edge["label"]) for a, b, edge in as_graph(blueprint).edges(data=True)]
    return pd.DataFrame(edges, columns=["source", "target", "kind", "label"])


def plot_dag(steps: pd.DataFrame, edges: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw a box for each step and an arrow for each edge.

    A solid arrow carries a value; a dotted arrow only sets an order. A red frame marks a violation, a dashed frame an
    injected failure.

    Args:
        steps: The frame of `compute_steps`.
        edges: The frame of `compute_edges`.
        ax: Where to draw; a new figure of one Axes by default.

    Returns:
        The Axes.

    Example:
        >>> import tdlab
        >>> with tdlab.open_run("runs/first") as run:
        ...     tools = {tool.key: tool for tool in run.store.tools()}
        ...     blueprint = next(run.store.accepted()).blueprint
        >>> ax = plot_dag(compute_steps(blueprint, tools), compute_edges(blueprint))
    """
    ax = new_axes(ax)
    centres = {s["step"]: (float(s["column"]), -float(s["row"])) for s in rows_of(steps)}
    boxes: dict[str, Any] = {}
    for step in rows_of(steps):
        frame = _RED if step["violation"] else "black" if step["failure"] else "white"
        text = "\n".join((step["step"], *_label_lines(step["label"])))
        box = ax.text(
            *centres[step["step"]], text, ha="center", va="center", fontsize=6,
            color="white" if step["kind"] == "call" else "black", wrap=False,
            bbox={
                "boxstyle": "round,pad=0.35", "facecolor": _COLOURS.get(step["kind"], "0.5"), "edgecolor": frame,
                "linewidth": 2.0 if step["violation"] else 1.2, "linestyle": "--" if step["failure"] else "-",
            },
        )  # fmt: skip
        boxes[step["step"]] = box.get_bbox_patch()
    for edge in rows_of(edges):
        if edge["source"] not in centres or edge["target"] not in centres:
            continue
        ax.annotate(
            "", centres[edge["target"]], xytext=centres[edge["source"]], zorder=1,
            arrowprops={
                "arrowstyle": "-|>", "color": "0.45", "lw": 0.9,
                "patchA": boxes[edge["source"]], "patchB": boxes[edge["target"]],
                "linestyle": "-" if edge["kind"] == "data" else ":", "connectionstyle": "arc3,rad=0.12",
            },
        )  # fmt: skip
    turn_columns: dict[int, int] = {}
    for step in rows_of(steps):
        turn_columns[step["turn"]] = min(turn_columns.get(step["turn"], step["column"]), step["column"])
    for column in sorted(set(turn_columns.values())):
        turns = sorted(turn for turn, turn_column in turn_columns.items() if turn_column == column)
        if column:
            ax.axvline(column - 0.5, color="0.8", linewidth=0.7)
        heading = "request " + " and ".join(str(turn + 1) for turn in turns)
        ax.text(column - 0.45, 0.72, heading, fontsize=6.5, color="0.35", ha="left", va="bottom")
    width = float(steps["column"].max()) if len(steps) else 0.0
    depth = float(steps["row"].max()) if len(steps) else 0.0
    ax.set(xlim=(-0.6, width + 0.6), ylim=(-depth - 0.6, 1.0), xticks=[], yticks=[])
    for side in ("left", "bottom"):
        ax.spines[side].set_visible(False)
    return ax


def plot_blueprint(blueprint: Blueprint, tools: Mapping[str, Tool]) -> Figure:
    """Draw a blueprint: its DAG, a legend of the kinds of step, and its violations in words.

    Args:
        blueprint: The plan.
        tools: Definitions of the tools that it calls, by key.

    Returns:
        A figure that grows with the plan.

    Example:
        >>> import tdlab
        >>> with tdlab.open_run("runs/first") as run:
        ...     tools = {tool.key: tool for tool in run.store.tools()}
        ...     figure = plot_blueprint(next(run.store.accepted()).blueprint, tools)
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    steps = compute_steps(blueprint, tools)
    columns = int(steps["column"].max()) + 1 if len(steps) else 1
    rows = int(steps["row"].max()) + 1 if len(steps) else 1
    violating = [": ".join((s["step"], s["violation"])) for s in rows_of(steps) if s["violation"]]
    width = max(WIDTH, _COLUMN_WIDTH * columns)
    lines = [line for text in violating for line in _wrapped(text, round(_CHARACTERS_PER_INCH * width))]
    with rc_context(STYLE):
        size = (width, 1.25 + 0.62 * rows + _LINE_HEIGHT * len(lines))
        figure = Figure(figsize=size, layout="constrained")
        ax = plot_dag(steps, compute_edges(blueprint), ax=figure.subplots())
        ax.set_title(f"Blueprint {blueprint.id}: {len(steps)} steps, {len(violating)} violations")
        kinds = [Patch(color=_COLOURS[kind], label=kind) for kind in _COLOURS if kind in set(steps["kind"])]
        marks = [
            Line2D([], [], color="0.45", label="carries a value"),
            Line2D([], [], color="0.45", linestyle=":", label="comes before"),
            Patch(facecolor="white", edgecolor="black", linestyle="--", label="fails once"),
            Patch(facecolor="white", edgecolor=_RED, label="violation"),
        ]
        figure.legend(handles=[*kinds, *marks], loc="outside lower center", ncols=len(kinds) + 4, fontsize=6.5)
        if lines:
            ax.text(0, -0.02, "\n".join(lines), transform=ax.transAxes, fontsize=6.5, color=_RED, va="top")
    return figure


def _in_order(blueprint: Blueprint) -> list[Step]:
    """Return the steps turn by turn, each after the steps it needs; a plan with a cycle keeps its own order."""
    import networkx as nx

    by_id = {step.id: step for step in blueprint.steps}
    listed = {step.id: position for position, step in enumerate(blueprint.steps)}
    graph = as_graph(blueprint).subgraph(by_id)
    if len(by_id) < len(blueprint.steps) or not nx.is_directed_acyclic_graph(graph):
        return list(blueprint.steps)
    order = nx.lexicographical_topological_sort(graph, key=lambda name: (by_id[name].turn, listed[name]))
    return [by_id[name] for name in order]


def _label_lines(text: str) -> list[str]:
    """Break a step's label into short lines at underscores and blanks."""
    shortened = shorten(" ".join(text.split()), _MOST_CHARACTERS)
    lines = [""]
    for word in re.split(r"(?<=[_ ])", shortened):
        for piece in (word[at : at + _LINE_CHARACTERS] for at in range(0, len(word), _LINE_CHARACTERS)):
            if lines[-1] and len(lines[-1]) + len(piece.rstrip()) > _LINE_CHARACTERS:
                lines.append("")
            lines[-1] += piece
    return [label(line) for line in lines]


def _wrapped(text: str, characters: int) -> list[str]:
    """Break a text into lines of at most ``characters``; indent all but the first."""
    first, *more = textwrap.wrap(text, characters, subsequent_indent=" ", break_on_hyphens=False)
    return [label(first, most=characters), *(f"    {label(line, most=characters)}" for line in more)]


def _step_label(step: Step) -> str:
    """Describe a step briefly: by its tool, or by what it asks for."""
    if step.calls:
        first = step.calls[0].tool.partition("/")[2]
        return first if len(step.calls) == 1 else f"{first} +{len(step.calls) - 1}"
    if step.asks:
        return "ask: " + ", ".join(ask.label for ask in step.asks)
    return f"confirm {step.about}" if step.about else step.kind
