"""The figure of an ablation: the arms with their intervals and ceilings."""

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
    """Draw one metric of an ablation: a dot per arm with its 95 % interval, and a dashed bar at the arm's ceiling.

    Arms differ in their ceiling because their trajectories hold different numbers of domains or trigrams.

    Args:
        table: The frame of `tdlab.evolution.pool_cells`.
        metric: A key of `tdlab.evolution.METRICS`.
        ax: Where to draw; a new figure of one Axes by default.

    Returns:
        The Axes, with the first arm on top.

    Example:
        >>> import pandas as pd
        >>> table = pd.DataFrame({"metric": "cac", "arm": ["evolved", "random"], "mean": [9.0, 6.0], "low": [8.0, 5.0],
        ...                       "high": [10.0, 7.0], "ceiling": float("nan")})
        >>> [tick.get_text() for tick in plot_arms(table, metric="cac").get_yticklabels()]
        ['evolved', 'random']
    """
    ax = new_axes(ax)
    rows = table[table["metric"] == metric]
    heights = range(len(rows), 0, -1)
    for height, row in zip(heights, rows.to_dict("records"), strict=True):
        colour = _ARM_COLOURS.get(row["arm"], PALETTE[2])
        ax.plot([row["low"], row["high"]], [height, height], color=colour, linewidth=1.2, solid_capstyle="butt")
        ax.plot([row["mean"]], [height], color=colour, marker="o", markersize=4, linestyle="none")
        if row["ceiling"] == row["ceiling"]:  # CAC has none
            ceiling_bar = [height - 0.5, height + 0.5]
            ax.plot([row["ceiling"]] * 2, ceiling_bar, color="0.4", linewidth=0.8, linestyle="--", label="ceiling")
    ax.set_yticks(heights, [label(arm.replace("_", " ").replace("cac", "CAC")) for arm in rows["arm"]])
    ax.set(ylim=(0.4, len(rows) + 0.6), title=METRICS[metric])
    ax.margins(x=0.08)
    ax.tick_params(axis="y", length=0)
    return ax


def plot_ablation(table: pd.DataFrame, *, margin: str = "") -> Figure:
    """Draw an ablation: all metrics except the tool sequences, with N and the number of seeds.

    Args:
        table: The frame of `tdlab.evolution.pool_cells`.
        margin: Small print below the figure, such as the digest of the config.

    Returns:
        A figure with one `plot_arms` per metric.

    Example:
        >>> import pandas as pd
        >>> from tdlab.evolution import METRICS
        >>> table = pd.DataFrame({"metric": list(METRICS), "arm": "random", "mean": 1.0, "low": 0.9, "high": 1.1,
        ...                       "ceiling": 2.0, "n": 50, "seeds": 3})
        >>> len(plot_ablation(table).axes)
        6
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
