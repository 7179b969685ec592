"""Figures of rollouts: what was planned against what happened, and what the teacher's roles used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tdlab.plots.bars import whole_numbers
from tdlab.plots.style import PALETTE, STYLE, WIDTH, label, new_axes, rows_of
from tdlab.records import Blueprint, Trajectory
from tdlab.store import Run

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["compute_spending", "compute_timeline", "plot_rollout", "plot_spending", "plot_timeline"]

_STATES = {"done": PALETTE[2], "failed": PALETTE[5], "missing": "0.75", "unplanned": PALETTE[3], "said": PALETTE[4]}
_LANES = ("planned", "assistant", "user")


def compute_timeline(blueprint: Blueprint, trajectory: Trajectory) -> pd.DataFrame:
    """One row an event: ``lane``, ``place``, ``label``, ``state``, ``step``.

    ``lane`` is ``planned`` (a step of the blueprint, at the place where it was carried out, or at the end where it was
    not), ``assistant`` (a call or a reply) or ``user``. ``place`` counts the calls and spoken messages. ``state`` is
    ``done``, ``failed``, ``missing``, ``unplanned`` or ``said``. ``step`` joins a call to its planned step.
    """
    import pandas as pd

    of_call = {call_id: step for step, ids in trajectory.steps.items() for call_id in ids}
    results = trajectory.results()
    rows: list[tuple[str, int, str, str, str]] = []
    met: dict[str, int] = {}
    place = 0
    for message in trajectory.messages:
        if message.role == "user":
            rows.append(("user", place, "asks or answers", "said", ""))
            place += 1
        elif message.role == "assistant":
            for call in message.tool_calls:
                done_for = of_call.get(call.id, "")
                result = results.get(call.id)
                failed = result is None or result.is_error
                state = "unplanned" if not done_for else "failed" if failed else "done"
                rows.append(("assistant", place, call.name, state, done_for))
                met.setdefault(done_for, place)
                place += 1
            if not message.tool_calls:
                rows.append(("assistant", place, "says", "said", ""))
                place += 1
    for step in blueprint.steps:
        if not step.calls:
            continue
        name = step.calls[0].tool.partition("/")[2]
        if step.id in met:
            rows.append(("planned", met[step.id], f"{step.id} {name}", "done", step.id))
        else:
            rows.append(("planned", place, f"{step.id} {name}", "missing", step.id))
            place += 1
    return pd.DataFrame(rows, columns=["lane", "place", "label", "state", "step"])


def plot_timeline(timeline: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Planned steps above what the assistant and the user did, on one axis; takes `compute_timeline`."""
    ax = new_axes(ax)
    heights = {lane: len(_LANES) - 1 - n for n, lane in enumerate(_LANES)}
    planned = {row["step"]: row["place"] for row in rows_of(timeline) if row["lane"] == "planned"}
    for row in rows_of(timeline):
        if row["lane"] == "assistant" and row["step"] in planned:
            places = [planned[row["step"]], row["place"]]
            ax.plot(places, [heights["planned"], heights["assistant"]], color="0.75", linewidth=0.8, zorder=1)
    for state, colour in _STATES.items():
        some = timeline[timeline["state"] == state]
        if len(some):
            marker = "o" if state == "said" else "X" if state in ("failed", "unplanned") else "s"
            ax.scatter(some["place"], some["lane"].map(heights), color=colour, marker=marker, s=42, zorder=2,
                       label=state, edgecolor="white", linewidth=0.5)  # fmt: skip
    for row in rows_of(timeline):
        if row["lane"] == "planned":
            ax.text(row["place"], heights["planned"] + 0.16, label(row["label"]), rotation=38, fontsize=6, ha="left",
                    va="bottom")  # fmt: skip
    ax.set_yticks([heights[lane] for lane in _LANES], list(_LANES))
    last = int(timeline["place"].max()) if len(timeline) else 0
    whole_numbers(ax.xaxis)
    ax.set(xlabel="calls and messages, in order", ylim=(-0.5, 4.0), xlim=(-0.7, last + 2.5))
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.22), ncols=5)
    return ax


def plot_rollout(blueprint: Blueprint, trajectory: Trajectory) -> Figure:
    """The figure of one rollout: planned against actual."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    timeline = compute_timeline(blueprint, trajectory)
    with rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 2.9), layout="constrained")
        ax = plot_timeline(timeline, ax=figure.subplots())
        made = timeline[(timeline["lane"] == "assistant") & (timeline["state"] != "said")]
        missing = int((timeline["state"] == "missing").sum())
        title = f"Trajectory {trajectory.id}: {len(made)} calls, {missing} planned steps missing"
        ax.set_title(title)
    return figure


def compute_spending(run: Run) -> pd.DataFrame:
    """One row a role, model and fate; empty for a scripted run.

    Columns: ``role``, ``model``, ``fate`` (``accepted`` or ``rejected``), ``calls``, ``input_tokens``,
    ``output_tokens``, ``money`` (NaN where no price is known).
    """
    import pandas as pd

    spent = run.metrics().get("teacher", {})
    rows = [{"fate": fate, **row} for fate in ("accepted", "rejected") for row in spent.get(fate, ())]
    columns = ["role", "model", "fate", "calls", "input_tokens", "output_tokens", "money"]
    return pd.DataFrame(rows, columns=columns)


def plot_spending(spending: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Tokens by role, what went into rejected rollouts hatched; takes `compute_spending`."""
    ax = new_axes(ax)
    roles = list(dict.fromkeys(spending["role"]))
    for place, role in enumerate(roles):
        left = 0.0
        for fate, part, colour, hatch in (
            ("accepted", "input_tokens", PALETTE[0], ""), ("accepted", "output_tokens", PALETTE[1], ""),
            ("rejected", "input_tokens", PALETTE[0], "////"), ("rejected", "output_tokens", PALETTE[1], "////"),
        ):  # fmt: skip
            some = spending[(spending["role"] == role) & (spending["fate"] == fate)]
            tokens = float(some[part].sum()) / 1000.0
            ax.barh(place, tokens, left=left, color=colour, hatch=hatch, edgecolor="white", linewidth=0.4,
                    label=f"{part.partition('_')[0]}, {fate}" if place == 0 else None)  # fmt: skip
            left += tokens
    ax.set_yticks(range(len(roles)), [label(role) for role in roles])
    ax.set(xlabel="thousand tokens", title="What the teacher's roles used")
    if roles:
        ax.legend(loc="upper center", bbox_to_anchor=(0.4, -0.24), ncols=2, fontsize=6.5)
    return ax
