"""The figure of an ablation: its arms with their intervals, beside the ceilings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tdlab.evolution import METRICS
from tdlab.plots.style import PALETTE, STYLE, WIDTH, label, new_axes

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["plot_ablation", "plot_arms"]

_ARM_COLOURS = {"evolved": PALETTE[0], "random": PALETTE[5], "quantity": PALETTE[3], "no_evolution": PALETTE[1]}
_SHOWN = ("domain", "signature", "trigrams", "cac", "verified", "kept")


def plot_arms(table: pd.DataFrame, *, metric: str, ax: Axes | None = None) -> Axes:
    """One metric of an ablation: a dot an arm with its 95 % interval, and the arm's ceiling at that N, dashed.

    Arms whose trajectories hold more domains or trigrams each have a higher ceiling. Takes
    `tdlab.evolution.ablation_tables.pool_cells`. The first arm is on top.
    """
    ax = new_axes(ax)
    part = table[table["metric"] == metric]
    places = range(len(part), 0, -1)
    for place, row in zip(places, part.to_dict("records"), strict=True):
        colour = _ARM_COLOURS.get(row["arm"], PALETTE[2])
        ax.plot([row["low"], row["high"]], [place, place], color=colour, linewidth=1.2, solid_capstyle="butt")
        ax.plot([row["mean"]], [place], color=colour, marker="o", markersize=4, linestyle="none")
        if row["ceiling"] == row["ceiling"]:  # CAC has none
            ends = [place - 0.5, place + 0.5]
            ax.plot([row["ceiling"]] * 2, ends, color="0.4", linewidth=0.8, linestyle="--", label="ceiling")
    ax.set_yticks(places, [label(arm.replace("_", " ").replace("cac", "CAC")) for arm in part["arm"]])
    ax.set(ylim=(0.4, len(part) + 0.6), title=METRICS[metric])
    ax.margins(x=0.08)
    ax.tick_params(axis="y", length=0)
    return ax


def plot_ablation(table: pd.DataFrame, *, margin: str = "") -> Figure:
    """The figure of an ablation: every metric but the tool sequences, with N and the number of seeds.

    ``margin`` is small print below, such as the config's digest.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    first = table.iloc[0]
    arms = table["arm"].nunique()
    with rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 1.5 + 2 * (0.45 + 0.17 * arms)))
        figure.set_layout_engine("constrained", rect=(0.0, 0.04, 1.0, 0.96))
        axes = figure.subplots(2, 3)
        for ax, metric in zip(axes.flat, _SHOWN, strict=True):
            plot_arms(table, metric=metric, ax=ax)
        for ax in axes[:, 1:].flat:
            ax.set_yticklabels([])
        seeds = f"{first['seeds']} seeds, 95 % intervals" if first["seeds"] > 1 else "1 seed"
        figure.suptitle(f"At N = {first['n']:,}, {seeds}; dashed: the ceilings", fontsize=9, x=0.01, ha="left")
        figure.text(0.995, 0.008, label(margin, most=160), fontsize=5.5, ha="right", va="bottom", color="0.35")
        figure.draw_without_rendering()
        figure.set_layout_engine("none")
    return figure
