"""Synthesise diverse, verified tool-use trajectories from MCP tools.

The first open implementation of TDScaling (*Beyond Quantity: Trajectory Diversity Scaling for Code Agents*,
arXiv 2602.03219). One call makes a dataset::

    import tdlab

    run = tdlab.run(tdlab.RunConfig(target=200, seed=0), out="runs/first")
    run.trajectories()          # a DataFrame

Data flows through the packages in this order: `tdlab.pool`, `tdlab.clusters`, `tdlab.blueprints`, `tdlab.rollout`,
`tdlab.verify`, `tdlab.diversity`, `tdlab.evolution`; `tdlab.store` keeps the results of a run. The names of this module
are imported on first use, so that ``import tdlab`` is fast.
"""

from __future__ import annotations

import importlib
import logging
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tdlab.clusters import mine
    from tdlab.config import RunConfig
    from tdlab.errors import TdlabError
    from tdlab.jobs import ablate, check_run, estimate, export, run
    from tdlab.plots import figure_png, plot_run
    from tdlab.pool import Taxonomy, ToolPool
    from tdlab.store import Run, open_run

__all__ = [
    "Run",
    "RunConfig",
    "Taxonomy",
    "TdlabError",
    "ToolPool",
    "ablate",
    "check_run",
    "estimate",
    "export",
    "figure_png",
    "mine",
    "open_run",
    "plot_run",
    "run",
]

_HOMES = {
    "Run": "tdlab.store",
    "RunConfig": "tdlab.config",
    "Taxonomy": "tdlab.pool",
    "TdlabError": "tdlab.errors",
    "ToolPool": "tdlab.pool",
    "ablate": "tdlab.jobs",
    "check_run": "tdlab.jobs",
    "estimate": "tdlab.jobs",
    "export": "tdlab.jobs",
    "figure_png": "tdlab.plots",
    "mine": "tdlab.clusters",
    "open_run": "tdlab.store",
    "plot_run": "tdlab.plots",
    "run": "tdlab.jobs",
}


logging.getLogger(__name__).addHandler(logging.NullHandler())  # as a library, print nothing unless asked to


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'tdlab' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*__all__, *globals()])
