"""Figures of rollouts: planned against actual, and the tokens that each role of the teacher used."""

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
    """List the events of a rollout, planned and actual.

    Args:
        blueprint: The plan.
        trajectory: The trajectory that followed it.

    Returns:
        One row per event. ``lane`` is ``planned`` (a step of the blueprint), ``assistant`` (a call or a reply) or
        ``user``. ``position`` counts calls and messages; a planned step has the position of its first call, or one
        at the end if it was never executed. ``label`` describes the event. ``state`` is ``done``, ``failed``,
        ``missing``, ``unplanned`` or ``said``. ``step`` is the id of the planned step, also of a call.

    Example:
        >>> import tdlab
        >>> with tdlab.open_run("runs/first") as run:
        ...     candidate = next(run.store.accepted())
        >>> timeline = compute_timeline(candidate.blueprint, candidate.trajectory)
        >>> "missing" in set(timeline["state"])
        False
    """
    import pandas as pd

    step_of_call = {call_id: step for step, ids in trajectory.steps.items() for call_id in ids}
    results = trajectory.results()
    rows: list[tuple[str, int, str, str, str]] = []
    first_position: dict[str, int] = {}
    position = 0
    for message in trajectory.messages:
        if message.role == "user":
            rows.append(("user", position, "asks or answers", "said", ""))
            position += 1
        elif message.role == "assistant":
            for call in message.tool_calls:
                step_id = step_of_call.get(call.id, "")
                result = results.get(call.id)
                failed = result is None or result.is_error
                state = "unplanned" if not step_id else "failed" if failed else "done"
                rows.append(("assistant", position, call.name, state, step_id))
                first_position.setdefault(step_id, position)
                position += 1
            if not message.tool_calls:
                rows.append(("assistant", position, "says", "said", ""))
                position += 1
    for step in blueprint.steps:
        if not step.calls:
            continue
        name = step.calls[0].tool.partition("/")[2]
        if step.id in first_position:
            rows.append(("planned", first_position[step.id], f"{step.id} {name}", "done", step.id))
        else:
            rows.append(("planned", position, f"{step.id} {name}", "missing", step.id))
            position += 1
    return pd.DataFrame(rows, columns=["lane", "position", "label", "state", "step"])


def plot_timeline(timeline: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw planned steps, acts of the assistant and acts of the user in three lanes on one axis.

    Args:
        timeline: The frame of `compute_timeline`.
        ax: Where to draw; a new figure of one Axes by default.

    Returns:
        The Axes.

    Example:
        >>> import pandas as pd
        >>> timeline = pd.DataFrame({"lane": ["user"], "position": [0], "label": ["asks"], "state": ["said"],
        ...                          "step": [""]})
        >>> [tick.get_text() for tick in plot_timeline(timeline).get_yticklabels()]
        ['planned', 'assistant', 'user']
    """
    ax = new_axes(ax)
    heights = {lane: len(_LANES) - 1 - n for n, lane in enumerate(_LANES)}
    planned = {row["step"]: row["position"] for row in rows_of(timeline) if row["lane"] == "planned"}
    for row in rows_of(timeline):
        if row["lane"] == "assistant" and row["step"] in planned:
            positions = [planned[row["step"]], row["position"]]
            ax.plot(positions, [heights["planned"], heights["assistant"]], color="0.75", linewidth=0.8, zorder=1)
    for state, colour in _STATES.items():
        events = timeline[timeline["state"] == state]
        if len(events):
            marker = "o" if state == "said" else "X" if state in ("failed", "unplanned") else "s"
            ax.scatter(events["position"], events["lane"].map(heights), color=colour, marker=marker, s=42, zorder=2,
                       label=state, edgecolor="white", linewidth=0.5)  # fmt: skip
    for row in rows_of(timeline):
        if row["lane"] == "planned":
            ax.text(row["position"], heights["planned"] + 0.16, label(row["label"]), rotation=38, fontsize=6, ha="left",
                    va="bottom")  # fmt: skip
    ax.set_yticks([heights[lane] for lane in _LANES], list(_LANES))
    last = int(timeline["position"].max()) if len(timeline) else 0
    whole_numbers(ax.xaxis)
    ax.set(xlabel="calls and messages, in order", ylim=(-0.5, 4.0), xlim=(-0.7, last + 2.5))
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.22), ncols=5)
    return ax


def plot_rollout(blueprint: Blueprint, trajectory: Trajectory) -> Figure:
    """Draw one rollout, planned against actual.

    Args:
        blueprint: The plan.
        trajectory: The trajectory that followed it.

    Returns:
        A figure of one `plot_timeline`, whose title counts calls and missing steps.

    Example:
        >>> import tdlab
        >>> with tdlab.open_run("runs/first") as run:
        ...     candidate = next(run.store.accepted())
        >>> figure = plot_rollout(candidate.blueprint, candidate.trajectory)
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    timeline = compute_timeline(blueprint, trajectory)
    with rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 2.9), layout="constrained")
        ax = plot_timeline(timeline, ax=figure.subplots())
        calls = timeline[(timeline["lane"] == "assistant") & (timeline["state"] != "said")]
        missing = int((timeline["state"] == "missing").sum())
        title = f"Trajectory {trajectory.id}: {len(calls)} calls, {missing} planned steps missing"
        ax.set_title(title)
    return figure


def compute_spending(run: Run) -> pd.DataFrame:
    """Tabulate the calls, tokens and cost of a run's language models.

    Args:
        run: A finished run.

    Returns:
        One row per role, model and fate of the rollout; no row for a scripted run. Columns: ``role``, ``model``,
        ``fate`` (``accepted`` or ``rejected``), ``calls``, ``input_tokens``, ``output_tokens``, ``money`` (in the
        currency of the price table; NaN without a price).

    Example:
        >>> import tdlab
        >>> with tdlab.open_run("runs/first") as run:
        ...     len(compute_spending(run))
        0
    """
    import pandas as pd

    spending = run.metrics().get("teacher", {})
    rows = [{"fate": fate, **row} for fate in ("accepted", "rejected") for row in spending.get(fate, ())]
    columns = ["role", "model", "fate", "calls", "input_tokens", "output_tokens", "money"]
    return pd.DataFrame(rows, columns=columns)


def plot_spending(spending: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw the tokens of each role; those of rejected rollouts are hatched.

    Args:
        spending: The frame of `compute_spending`.
        ax: Where to draw; a new figure of one Axes by default.

    Returns:
        The Axes, with an axis of thousands of tokens.

    Example:
        >>> import pandas as pd
        >>> spending = pd.DataFrame({"role": ["user"], "fate": ["accepted"], "input_tokens": [900],
        ...                          "output_tokens": [90]})
        >>> plot_spending(spending).get_title()
        'Tokens by role of the teacher'
    """
    ax = new_axes(ax)
    roles = list(dict.fromkeys(spending["role"]))
    for row, role in enumerate(roles):
        start = 0.0
        for fate, column, colour, hatch in (
            ("accepted", "input_tokens", PALETTE[0], ""), ("accepted", "output_tokens", PALETTE[1], ""),
            ("rejected", "input_tokens", PALETTE[0], "////"), ("rejected", "output_tokens", PALETTE[1], "////"),
        ):  # fmt: skip
            selection = spending[(spending["role"] == role) & (spending["fate"] == fate)]
            tokens = float(selection[column].sum()) / 1000.0
            ax.barh(row, tokens, left=start, color=colour, hatch=hatch, edgecolor="white", linewidth=0.4,
                    label=f"{column.partition('_')[0]}, {fate}" if row == 0 else None)  # fmt: skip
            start += tokens
    ax.set_yticks(range(len(roles)), [label(role) for role in roles])
    ax.set(xlabel="thousand tokens", title="Tokens by role of the teacher")
    if roles:
        ax.legend(loc="upper center", bbox_to_anchor=(0.4, -0.24), ncols=2, fontsize=6.5)
    return ax
