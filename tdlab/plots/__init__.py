"""Figures: compute/plot pairs in one colour-blind-safe style.

``compute_*`` functions give tidy frames, ``plot_*`` functions draw one on an Axes (a new one where none is given) and
return it, `save_figure` writes PDF and PNG whose bytes depend on the figure alone. The only importer of matplotlib and
seaborn; a module for each part of the workbench, `tdlab.plots.style` for what they share.
"""

from __future__ import annotations

from tdlab.plots.blueprints import compute_edges, compute_steps, plot_blueprint, plot_dag
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

__all__ = [
    "PALETTE",
    "compute_complexity",
    "compute_domains",
    "compute_edges",
    "compute_gauges",
    "compute_modes",
    "compute_spending",
    "compute_steps",
    "compute_timeline",
    "figure_png",
    "plot_blueprint",
    "plot_complexity",
    "plot_dag",
    "plot_domains",
    "plot_gauges",
    "plot_modes",
    "plot_rollout",
    "plot_run",
    "plot_spending",
    "plot_timeline",
    "save_figure",
]
