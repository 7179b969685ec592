"""Figures: compute/plot pairs in one colour-blind-safe style.

``compute_*`` functions give tidy frames, ``plot_*`` functions draw one on an Axes (a new one where none is given) and
return it, `save_figure` writes PDF and PNG whose bytes depend on the figure alone. The only importer of matplotlib and
seaborn; a module for each part of the workbench, `tdlab.plots.style` for what they share.
"""

from __future__ import annotations

from tdlab.plots.evolution import plot_ablation, plot_arms
from tdlab.plots.replay import (
    ReplayCanvas,
    compute_acceptance,
    compute_map,
    plot_acceptance,
    plot_complexity_line,
    plot_entropies,
    plot_map,
    plot_replay,
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

__all__ = [
    "PALETTE",
    "ReplayCanvas",
    "compute_acceptance",
    "compute_complexity",
    "compute_domains",
    "compute_gauges",
    "compute_map",
    "compute_modes",
    "figure_png",
    "plot_ablation",
    "plot_acceptance",
    "plot_arms",
    "plot_complexity",
    "plot_complexity_line",
    "plot_domains",
    "plot_entropies",
    "plot_gauges",
    "plot_map",
    "plot_modes",
    "plot_replay",
    "plot_run",
    "save_figure",
]
