"""Test figures of plans and rollouts: frames agree with the records, artists with the frames."""

from __future__ import annotations

import tdlab
from tdlab.panels.blueprints import Preview, preview
from tdlab.plots import (
    compute_edges,
    compute_steps,
    compute_timeline,
    figure_png,
    plot_blueprint,
    plot_dag,
    plot_rollout,
    plot_spending,
    plot_timeline,
)
from tests.jobs import small_pool


def found() -> Preview:
    pool = small_pool()
    return preview(tdlab.mine(pool, seed=0).clusters[0], pool, seed=1, goals=2, failures=1, withheld=1)


def test_the_dag_stands_in_columns_after_what_it_needs() -> None:
    made = found()
    steps, edges = compute_steps(made.blueprint, made.tools), compute_edges(made.blueprint)
    column = dict(zip(steps["step"], steps["column"], strict=True))
    assert list(steps["step"]) == [step.id for step in made.blueprint.steps]
    assert all(column[a] < column[b] for a, b in zip(edges["source"], edges["target"], strict=True))
    assert len(steps.groupby(["column", "row"])) == len(steps), "no two stand in one place"
    assert (steps["violation"] == "").all()
    ax = plot_dag(steps, edges)
    words = [text.get_text() for text in ax.texts]
    assert all(any(word.startswith(f"{step}\n") for word in words) for step in steps["step"])
    assert sum(text.arrow_patch is not None for text in ax.texts if hasattr(text, "arrow_patch")) == len(edges)


def test_violations_are_named_and_drawn() -> None:
    made = found()
    wrong = made.blueprint.model_copy(update={"steps": made.blueprint.steps[::-1]})
    steps = compute_steps(wrong, made.tools)
    assert (steps["violation"] != "").sum() >= 1
    figure = plot_blueprint(wrong, made.tools)
    assert any("which does not come before it" in text.get_text() for text in figure.axes[0].texts)
    assert figure_png(figure) == figure_png(plot_blueprint(wrong, made.tools))


def test_the_timeline_joins_calls_to_steps_and_shows_what_is_missing() -> None:
    made = found()
    timeline = compute_timeline(made.blueprint, made.trajectory)
    calls = sum(1 for _ in made.trajectory.calls())
    actual = timeline[(timeline["lane"] == "assistant") & (timeline["state"] != "said")]
    assert len(actual) == calls
    assert set(actual["step"]) == {step.id for step in made.blueprint.steps if step.calls}
    assert (actual["state"] == "failed").sum() == sum(step.failure is not None for step in made.blueprint.steps)
    assert not (timeline["state"] == "missing").any()
    short = made.trajectory.model_copy(update={"messages": made.trajectory.messages[:1], "steps": {}})
    cut = compute_timeline(made.blueprint, short)
    assert (cut[cut["lane"] == "planned"]["state"] == "missing").all()
    ax = plot_timeline(timeline)
    assert [label.get_text() for label in ax.get_yticklabels()] == ["planned", "assistant", "user"]
    assert figure_png(plot_rollout(made.blueprint, made.trajectory)).startswith(b"\x89PNG")


def test_spending_is_drawn_by_role() -> None:
    import pandas as pd

    rows = [
        {"role": role, "model": "m", "fate": fate, "calls": 2, "input_tokens": 3000, "output_tokens": 500, "money": 1.0}
        for role in ("user", "assistant")
        for fate in ("accepted", "rejected")
    ]
    ax = plot_spending(pd.DataFrame(rows))
    assert [label.get_text() for label in ax.get_yticklabels()] == ["user", "assistant"]
    assert sum(bar.get_width() for bar in ax.patches) == 14.0


def test_every_violation_is_told_in_full_and_inside_the_figure() -> None:
    made = found()
    wrong = made.blueprint.model_copy(update={"steps": made.blueprint.steps[::-1]})
    figure = plot_blueprint(wrong, made.tools)
    ax = figure.axes[0]
    told = next(text for text in ax.texts if "which does not come before it" in text.get_text())
    words = " ".join(told.get_text().split())
    steps = compute_steps(wrong, made.tools)
    for step, violation in zip(steps["step"], steps["violation"], strict=True):
        assert not violation or f"{step}: {violation}" in words
    figure.draw_without_rendering()
    box, room = told.get_window_extent(), figure.bbox
    assert (box.x0, box.y0) >= (room.x0, room.y0)
    assert box.x1 <= room.x1, "the words run out of the figure"


def test_a_plan_is_laid_out_alike_in_whatever_order_it_is_listed() -> None:
    made = found()
    wrong = made.blueprint.model_copy(update={"steps": made.blueprint.steps[::-1]})
    columns = [
        dict(zip(frame["step"], frame["column"], strict=True))
        for frame in (compute_steps(made.blueprint, made.tools), compute_steps(wrong, made.tools))
    ]
    assert columns[0] == columns[1]
    first, second = made.blueprint.steps[:2]
    circle = (first.model_copy(update={"after": (second.id,)}), second.model_copy(update={"after": (first.id,)}))
    turning = made.blueprint.model_copy(update={"steps": (*circle, *made.blueprint.steps[2:])})
    steps = compute_steps(turning, made.tools)
    assert steps["violation"].iloc[0]
    assert figure_png(plot_blueprint(turning, made.tools)).startswith(b"\x89PNG")


def test_long_names_of_steps_are_broken_not_drawn_over_their_neighbours() -> None:
    made = found()
    steps, edges = compute_steps(made.blueprint, made.tools), compute_edges(made.blueprint)
    steps["label"] = "calculate_the_$monthly_instalments_for_a_customer_" + "x" * 60
    figure = plot_dag(steps, edges).figure
    lines = [text.get_text().split("\n") for text in figure.axes[0].texts if "\n" in text.get_text()]
    assert len(lines) == len(steps)
    assert all(len(line.replace("\\$", "$")) <= 15 for step in lines for line in step)
    assert all(step[-1].endswith("…") for step in lines)
    assert figure_png(figure).startswith(b"\x89PNG")
