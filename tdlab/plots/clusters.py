"""The figure of mined clusters, and its parts: coverage beside random choice, sizes, depths, domains."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from tdlab.clusters import MiningResult, random_curve
from tdlab.plots.bars import draw_bars, draw_nothing, whole_numbers
from tdlab.plots.style import PALETTE, STYLE, WIDTH, new_axes
from tdlab.pool import Taxonomy

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

_POINTS = 200
"""Of a longer curve so many points are drawn."""
_NOTHING = "no cluster was chosen"


def compute_coverage(mined: MiningResult) -> pd.DataFrame:
    """The curve of the selection: ``clusters`` (chosen so far, from 0), ``share`` of the weight that can be covered."""
    import pandas as pd

    curve = (0.0, *mined.selection.curve)
    return pd.DataFrame({"clusters": range(len(curve)), "share": curve})


def compute_random_coverage(mined: MiningResult, *, seeds: int = 5) -> pd.DataFrame:
    """The same for ``mined.candidates`` taken in random order: ``clusters``, and ``low``, ``share`` (mean), ``high``.

    ``low`` and ``high`` are the least and the most of ``seeds`` orders. All candidates as they were grown take part,
    whatever a `MiningResult.reselect` chose from them.
    """
    import numpy as np
    import pandas as pd

    curves = np.array([random_curve(mined.candidates, *mined.weights, seed=seed) for seed in range(seeds)])
    curves = np.hstack([np.zeros((seeds, 1)), curves.reshape(seeds, -1)])
    columns = {"low": curves.min(axis=0), "share": curves.mean(axis=0), "high": curves.max(axis=0)}
    return pd.DataFrame({"clusters": range(curves.shape[1]), **columns})


def compute_cluster_domains(mined: MiningResult) -> pd.DataFrame:
    """One row a domain, heaviest first: ``domain``, ``title``, ``clusters`` (mass; sums to the number of clusters)."""
    import pandas as pd

    taxonomy = Taxonomy.bundled()
    rows = sorted(mined.report["domains"].items(), key=lambda row: (-row[1], row[0]))
    titled = [(d, taxonomy[d].title if d in taxonomy else d, mass) for d, mass in rows]
    return pd.DataFrame(titled, columns=["domain", "title", "clusters"])


def plot_coverage(coverage: pd.DataFrame, *, random: pd.DataFrame | None = None, ax: Axes | None = None) -> Axes:
    """Covered share over the number of clusters; takes `compute_coverage`, and `compute_random_coverage` beside it.

    The curve of random choice is drawn until three times as many clusters as were selected.
    """
    ax = new_axes(ax)
    count = int(coverage["clusters"].max())
    if not count:
        return draw_nothing(ax, _NOTHING)
    line = _thinned(coverage)
    ax.plot(line["clusters"], line["share"], color=PALETTE[0], label="selected")
    if random is not None:
        beside = _thinned(random[random["clusters"] <= 3 * count])
        ax.plot(beside["clusters"], beside["share"], color=PALETTE[1], linestyle="--", label="random choice")
        ax.fill_between(beside["clusters"], beside["low"], beside["high"], color=PALETTE[1], alpha=0.25, linewidth=0)
    reached = float(coverage["share"].iloc[-1])
    ax.plot([count], [reached], "o", color=PALETTE[0], markersize=3)
    whole_numbers(ax.xaxis)
    ax.set(xlabel="clusters", ylabel="share of the weight", ylim=(0, 1.05), title=f"Coverage ({reached:.1%})")
    ax.set_xlim(left=0)
    ax.legend(loc="lower right")
    return ax


def plot_cluster_sizes(clusters: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Bars: clusters by number of tools; takes `MiningResult.shapes` or `MiningResult.to_frame`."""
    return _counted(clusters, "tools", "tools of the cluster", "Size", PALETTE[2], ax)


def plot_cluster_depths(clusters: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Bars: clusters by dependency depth; takes `MiningResult.shapes` or `MiningResult.to_frame`."""
    return _counted(clusters, "depth", "dependency depth", "Depth", PALETTE[3], ax)


def plot_cluster_domains(domains: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Bars of the mass of each domain; takes `compute_cluster_domains`."""
    ax = new_axes(ax)
    if not len(domains):
        return draw_nothing(ax, _NOTHING)
    draw_bars(ax, list(domains["title"]), list(domains["clusters"]))
    ax.set(xlabel="clusters", title=f"Domains ({len(domains)})")
    return ax


def plot_clusters(mined: MiningResult, *, random: pd.DataFrame | None = None) -> Figure:
    """The figure of a mining: coverage beside random choice, sizes and depths, beside the domains.

    ``random`` is `compute_random_coverage` of the same mining where it is at hand; it does not change with a choice.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    clusters, report = mined.shapes(), mined.report
    random = compute_random_coverage(mined) if random is None else random
    parts: Mapping[str, Callable[[Axes], Axes]] = {
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
        for name, plot in parts.items():
            plot(axes[name])
        title = f"{report['clusters']:,} Business Clusters of {report['candidates']:,} candidates"
        figure.suptitle(title, fontsize=9, x=0.01, ha="left")
        margin = (
            f"{report['tools']:,} tools of {report['services']:,} services, edges from {report['edge_threshold']:.2f},"
            f" {report['schema_tool_coverage']:.1%} of the tools that have a schema"
        )
        figure.text(0.995, 0.008, margin, fontsize=5.5, ha="right", va="bottom", color="0.35")
        figure.draw_without_rendering()
        figure.set_layout_engine("none")
    return figure


def _counted(clusters: pd.DataFrame, column: str, words: str, title: str, colour: str, ax: Axes | None) -> Axes:
    """Bars of the clusters that have each number of something."""
    ax = new_axes(ax)
    if not len(clusters):
        return draw_nothing(ax, _NOTHING)
    counts = clusters[column].value_counts().sort_index()
    ax.bar(counts.index, counts, color=colour, width=0.85)
    ax.set_xticks(range(int(counts.index.min()), int(counts.index.max()) + 1))
    whole_numbers(ax.yaxis)
    mean = float(clusters[column].mean())
    ax.set(xlabel=words, ylabel="clusters", title=f"{title} (mean {mean:.1f})")
    return ax


def _thinned(curve: pd.DataFrame) -> pd.DataFrame:
    """At most `_POINTS` rows, the first and the last among them."""
    step = max(1, -(-len(curve) // _POINTS))
    places = sorted({*range(0, len(curve), step), len(curve) - 1})
    return curve.iloc[places]
