"""The figure of mined clusters and its parts: coverage against random choice, sizes, depths, domains."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from tdlab.clusters import MiningResult, random_curve
from tdlab.plots.bars import domain_table, draw_bars, draw_nothing, whole_numbers
from tdlab.plots.style import PALETTE, STYLE, WIDTH, new_axes

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "compute_cluster_domains",
    "compute_coverage",
    "compute_random_coverage",
    "plot_cluster_depths",
    "plot_cluster_domains",
    "plot_cluster_sizes",
    "plot_clusters",
    "plot_coverage",
]

_MOST_POINTS = 200
"""Most points drawn of a curve."""
_NOTHING = "no cluster was chosen"


def compute_coverage(mined: MiningResult) -> pd.DataFrame:
    """Return the coverage curve of a selection.

    Args:
        mined: The result of `tdlab.clusters.mine`.

    Returns:
        One row per number of clusters, from 0: ``clusters`` (chosen so far) and ``share`` (covered share of the weight
        that can be covered, in [0, 1]).

    Example:
        >>> import tdlab
        >>> mined = tdlab.mine(tdlab.ToolPool.bundled().subset(services=["cobblegate_permits"]))
        >>> float(compute_coverage(mined)["share"].iloc[0])
        0.0
    """
    import pandas as pd

    curve = (0.0, *mined.selection.curve)
    return pd.DataFrame({"clusters": range(len(curve)), "share": curve})


def compute_random_coverage(mined: MiningResult, *, seeds: int = 5) -> pd.DataFrame:
    """Return the coverage curve of clusters that are chosen at random, the baseline of `compute_coverage`.

    All candidates take part as they were grown, whatever `MiningResult.reselect` chose from them.

    Args:
        mined: The result of `tdlab.clusters.mine`.
        seeds: Number of random orders.

    Returns:
        One row per number of clusters, from 0: ``clusters``; ``low``, ``share`` and ``high`` (least, mean and highest
        covered share over the random orders).

    Example:
        >>> import tdlab
        >>> mined = tdlab.mine(tdlab.ToolPool.bundled().subset(services=["cobblegate_permits"]))
        >>> list(compute_random_coverage(mined, seeds=2))
        ['clusters', 'low', 'share', 'high']
    """
    import numpy as np
    import pandas as pd

    curves = np.array([random_curve(mined.candidates, *mined.weights, seed=seed) for seed in range(seeds)])
    curves = np.hstack([np.zeros((seeds, 1)), curves.reshape(seeds, -1)])
    columns = {"low": curves.min(axis=0), "share": curves.mean(axis=0), "high": curves.max(axis=0)}
    return pd.DataFrame({"clusters": range(curves.shape[1]), **columns})


def compute_cluster_domains(mined: MiningResult) -> pd.DataFrame:
    """Count the clusters of each domain.

    Args:
        mined: The result of `tdlab.clusters.mine`.

    Returns:
        One row per domain, the heaviest first: ``domain`` (id), ``title``, ``clusters`` (mass). A cluster's mass of 1
        is split over its domains, so that the column sums to the number of clusters.

    Example:
        >>> import tdlab
        >>> mined = tdlab.mine(tdlab.ToolPool.bundled().subset(services=["cobblegate_permits"]))
        >>> list(compute_cluster_domains(mined))
        ['domain', 'title', 'clusters']
    """
    return domain_table(mined.report.domains, "clusters")


def plot_coverage(coverage: pd.DataFrame, *, random: pd.DataFrame | None = None, ax: Axes | None = None) -> Axes:
    """Draw the covered share of the weight over the number of clusters.

    Args:
        coverage: The frame of `compute_coverage`.
        random: The frame of `compute_random_coverage`; drawn up to three times the number of selected clusters.
        ax: Where to draw; a new figure of one Axes by default.

    Returns:
        The Axes.

    Example:
        >>> import pandas as pd
        >>> plot_coverage(pd.DataFrame({"clusters": [0, 1, 2], "share": [0.0, 0.6, 0.9]})).get_title()
        'Coverage (90.0%)'
    """
    ax = new_axes(ax)
    count = int(coverage["clusters"].max())
    if not count:
        return draw_nothing(ax, _NOTHING)
    curve = _thinned(coverage)
    ax.plot(curve["clusters"], curve["share"], color=PALETTE[0], label="selected")
    if random is not None:
        baseline = _thinned(random[random["clusters"] <= 3 * count])
        ax.plot(baseline["clusters"], baseline["share"], color=PALETTE[1], linestyle="--", label="random choice")
        ax.fill_between(
            baseline["clusters"], baseline["low"], baseline["high"], color=PALETTE[1], alpha=0.25, linewidth=0
        )
    reached = float(coverage["share"].iloc[-1])
    ax.plot([count], [reached], "o", color=PALETTE[0], markersize=3)
    whole_numbers(ax.xaxis)
    ax.set(xlabel="clusters", ylabel="share of the weight", ylim=(0, 1.05), title=f"Coverage ({reached:.1%})")
    ax.set_xlim(left=0)
    ax.legend(loc="lower right")
    return ax


def plot_cluster_sizes(clusters: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw how many clusters have each number of tools.

    Args:
        clusters: One row per cluster with the column ``tools``: `MiningResult.shapes` or `MiningResult.to_frame`.
        ax: Where to draw; a new figure of one Axes by default.

    Returns:
        The Axes.

    Example:
        >>> import pandas as pd
        >>> plot_cluster_sizes(pd.DataFrame({"tools": [3, 3, 6]})).get_title()
        'Size (mean 4.0)'
    """
    return _plot_counts(clusters, "tools", "tools of the cluster", "Size", PALETTE[2], ax)


def plot_cluster_depths(clusters: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw how many clusters have each dependency depth: the edges on the longest shortest path between two tools.

    Args:
        clusters: One row per cluster with the column ``depth``: `MiningResult.shapes` or `MiningResult.to_frame`.
        ax: Where to draw; a new figure of one Axes by default.

    Returns:
        The Axes.

    Example:
        >>> import pandas as pd
        >>> plot_cluster_depths(pd.DataFrame({"depth": [1, 2, 3]})).get_title()
        'Depth (mean 2.0)'
    """
    return _plot_counts(clusters, "depth", "dependency depth", "Depth", PALETTE[3], ax)


def plot_cluster_domains(domains: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw a bar for the mass of each domain.

    Args:
        domains: The frame of `compute_cluster_domains`.
        ax: Where to draw; a new figure of one Axes by default.

    Returns:
        The Axes.

    Example:
        >>> import pandas as pd
        >>> plot_cluster_domains(pd.DataFrame({"title": ["Travel"], "clusters": [3.0]})).get_title()
        'Domains (1)'
    """
    ax = new_axes(ax)
    if not len(domains):
        return draw_nothing(ax, _NOTHING)
    draw_bars(ax, list(domains["title"]), list(domains["clusters"]))
    ax.set(xlabel="clusters", title=f"Domains ({len(domains)})")
    return ax


def plot_clusters(mined: MiningResult, *, random: pd.DataFrame | None = None) -> Figure:
    """Draw a mining result: coverage against random choice, sizes and depths, beside the domains.

    Args:
        mined: The result of `tdlab.clusters.mine`.
        random: The frame of `compute_random_coverage`, if it is known already. It depends on the candidates only, so
            that it can be kept while `MiningResult.reselect` changes the selection.

    Returns:
        A figure of four Axes.

    Example:
        >>> import tdlab
        >>> mined = tdlab.mine(tdlab.ToolPool.bundled().subset(services=["cobblegate_permits"]))
        >>> len(plot_clusters(mined).axes)
        4
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    clusters, report = mined.shapes(), mined.report
    random = compute_random_coverage(mined) if random is None else random
    plots: Mapping[str, Callable[[Axes], Axes]] = {
        "coverage": lambda ax: plot_coverage(compute_coverage(mined), random=random, ax=ax),
        "sizes": lambda ax: plot_cluster_sizes(clusters, ax=ax),
        "depths": lambda ax: plot_cluster_depths(clusters, ax=ax),
        "domains": lambda ax: plot_cluster_domains(compute_cluster_domains(mined), ax=ax),
    }
    with rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 5.6))
        figure.set_layout_engine("constrained", rect=(0.01, 0.03, 0.98, 0.97))
        axes = figure.subplot_mosaic(
            [["coverage", "domains"], ["sizes", "domains"], ["depths", "domains"]], height_ratios=[1.3, 1, 1]
        )
        for name, plot in plots.items():
            plot(axes[name])
        title = f"{report.clusters:,} Business Clusters of {report.candidates:,} candidates"
        figure.suptitle(title, fontsize=9, x=0.01, ha="left")
        margin = (
            f"{report.tools:,} tools of {report.services:,} services, edges from {report.edge_threshold:.2f},"
            f" {report.schema_tool_coverage:.1%} of the tools that have a schema"
        )
        figure.text(0.995, 0.008, margin, fontsize=5.5, ha="right", va="bottom", color="0.35")
        figure.draw_without_rendering()
        figure.set_layout_engine("none")
    return figure


def _plot_counts(
    clusters: pd.DataFrame, column: str, axis_label: str, title: str, colour: str, ax: Axes | None
) -> Axes:
    """Draw how many clusters have each value of a column."""
    ax = new_axes(ax)
    if not len(clusters):
        return draw_nothing(ax, _NOTHING)
    counts = clusters[column].value_counts().sort_index()
    ax.bar(counts.index, counts, color=colour, width=0.85)
    ax.set_xticks(range(int(counts.index.min()), int(counts.index.max()) + 1))
    whole_numbers(ax.yaxis)
    mean = float(clusters[column].mean())
    ax.set(xlabel=axis_label, ylabel="clusters", title=f"{title} (mean {mean:.1f})")
    return ax


def _thinned(curve: pd.DataFrame) -> pd.DataFrame:
    """Return at most `_MOST_POINTS` rows, the first and the last among them."""
    step = max(1, -(-len(curve) // _MOST_POINTS))
    positions = sorted({*range(0, len(curve), step), len(curve) - 1})
    return curve.iloc[positions]
