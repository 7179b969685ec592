"""Evolution: the loop that steers synthesis towards the long tail, and its controls (paper: innovation 3).

`Controller` reads the gauges, orders offspring and decides; `Producer` produces one offspring from an order; `evolve`
runs generations until the target is met, the budget is spent or the gauges have gone flat, every one committed to the
run directory. ``strategy`` names one of `STRATEGIES`: ``evolved``, a plug-in or a control. ``random`` draws uniformly,
``planned`` draws plans and never mutates one, ``quantity`` repeats a few plans with new values.
"""

from __future__ import annotations

from tdlab.evolution.ablation_tables import (
    ARMS,
    METRICS,
    Cell,
    Measured,
    ablation_cells,
    ablation_markdown,
    measure_run,
    pool_cells,
    tabulate,
)
from tdlab.evolution.controller import Controller, Decision
from tdlab.evolution.cost import Estimate, RoleEstimate, estimate_spending
from tdlab.evolution.loop import Progress, evolve
from tdlab.evolution.process_pool import ProcessPool
from tdlab.evolution.producer import DraftPlan, Offspring, Order, Producer
from tdlab.evolution.steering import Gauges
from tdlab.evolution.strategies import STRATEGIES, Strategy
from tdlab.evolution.thread_pool import ThreadPool
from tdlab.evolution.what_if import MODE_KINDS, CachedCandidates, WhatIf, cached_candidates, what_if

__all__ = [
    "ARMS",
    "METRICS",
    "MODE_KINDS",
    "STRATEGIES",
    "CachedCandidates",
    "Cell",
    "Controller",
    "Decision",
    "DraftPlan",
    "Estimate",
    "Gauges",
    "Measured",
    "Offspring",
    "Order",
    "ProcessPool",
    "Producer",
    "Progress",
    "RoleEstimate",
    "Strategy",
    "ThreadPool",
    "WhatIf",
    "ablation_cells",
    "ablation_markdown",
    "cached_candidates",
    "estimate_spending",
    "evolve",
    "measure_run",
    "pool_cells",
    "tabulate",
    "what_if",
]
