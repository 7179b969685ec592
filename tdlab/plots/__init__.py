"""Figures: compute/plot pairs in one colour-blind-safe style.

``compute_*`` functions return tidy frames. ``plot_*`` functions draw such a frame on an Axes (a new one by default) and
return it; those of a whole run, pool or plan return a Figure. `figure_png` and `save_figure` render a figure to bytes
that depend on the figure alone. There is one module for each part of the workbench; `tdlab.plots.style` holds what they
share. This package is the only importer of matplotlib and seaborn.
"""

from __future__ import annotations

from tdlab.plots.blueprints import compute_edges, compute_steps, plot_blueprint, plot_dag
from tdlab.plots.cluster_graph import ClusterGraph, compute_cluster_graph, plot_cluster, plot_cluster_graph
from tdlab.plots.clusters import (
    compute_cluster_domains,
    compute_coverage,
    compute_random_coverage,
    plot_cluster_depths,
    plot_cluster_domains,
    plot_cluster_sizes,
    plot_clusters,
    plot_coverage,
)
from tdlab.plots.code import compute_code_verdicts, plot_code_check, plot_code_times, plot_code_verdicts
from tdlab.plots.diversity import compute_comparison, plot_comparison, plot_datasets
from tdlab.plots.evolution import plot_ablation, plot_arms
from tdlab.plots.map import COLOURS, Colour, compute_map, map_figure, plot_map, plot_maps
from tdlab.plots.pools import (
    compute_pool_domains,
    compute_pool_grades,
    compute_service_sizes,
    plot_pool,
    plot_pool_domains,
    plot_pool_grades,
    plot_pool_trust,
    plot_service_sizes,
    plot_tools,
)
from tdlab.plots.rollouts import (
    compute_spending,
    compute_timeline,
    plot_rollout,
    plot_spending,
    plot_timeline,
)
from tdlab.plots.runs import (
    compute_complexity,
    compute_domains,
    compute_gauges,
    compute_modes,
    plot_complexity,
    plot_domains,
    plot_gauges,
    plot_modes,
    plot_run,
)
from tdlab.plots.style import PALETTE, figure_png, save_figure
from tdlab.plots.what_if import (
    WhatIfCanvas,
    compute_acceptance,
    compute_what_if_map,
    plot_acceptance,
    plot_complexity_line,
    plot_entropies,
    plot_what_if,
    plot_what_if_map,
)

__all__ = [
    "COLOURS",
    "PALETTE",
    "ClusterGraph",
    "Colour",
    "WhatIfCanvas",
    "compute_acceptance",
    "compute_cluster_domains",
    "compute_cluster_graph",
    "compute_code_verdicts",
    "compute_comparison",
    "compute_complexity",
    "compute_coverage",
    "compute_domains",
    "compute_edges",
    "compute_gauges",
    "compute_map",
    "compute_modes",
    "compute_pool_domains",
    "compute_pool_grades",
    "compute_random_coverage",
    "compute_service_sizes",
    "compute_spending",
    "compute_steps",
    "compute_timeline",
    "compute_what_if_map",
    "figure_png",
    "map_figure",
    "plot_ablation",
    "plot_acceptance",
    "plot_arms",
    "plot_blueprint",
    "plot_cluster",
    "plot_cluster_depths",
    "plot_cluster_domains",
    "plot_cluster_graph",
    "plot_cluster_sizes",
    "plot_clusters",
    "plot_code_check",
    "plot_code_times",
    "plot_code_verdicts",
    "plot_comparison",
    "plot_complexity",
    "plot_complexity_line",
    "plot_coverage",
    "plot_dag",
    "plot_datasets",
    "plot_domains",
    "plot_entropies",
    "plot_gauges",
    "plot_map",
    "plot_maps",
    "plot_modes",
    "plot_pool",
    "plot_pool_domains",
    "plot_pool_grades",
    "plot_pool_trust",
    "plot_rollout",
    "plot_run",
    "plot_service_sizes",
    "plot_spending",
    "plot_timeline",
    "plot_tools",
    "plot_what_if",
    "plot_what_if_map",
    "save_figure",
]
