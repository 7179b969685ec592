"""Steer synthesis towards the long tail, and compare that with controls (paper: innovation 3).

`Controller` reads the gauges, orders offspring and decides on them. `Producer` produces one offspring per order.
`evolve` runs generations until the target is met, the budget is spent or the gauges are flat, and commits each to the
run directory. The setting ``strategy`` names one of `STRATEGIES`: ``evolved`` steers; ``random`` draws uniformly,
``planned`` draws plans and never mutates them, ``quantity`` repeats a few plans with new values. `what_if` shows what
other settings would keep of existing candidates.
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
from tdlab.evolution.gauges import GAUGES, EntropyGauge, Gauge, MeanGauge
from tdlab.evolution.loop import Progress, evolve
from tdlab.evolution.predict import Prediction
from tdlab.evolution.process_pool import ProcessPool
from tdlab.evolution.producer import DraftPlan, Offspring, Order, Producer
from tdlab.evolution.steering import Gauges
from tdlab.evolution.strategies import STRATEGIES, Strategy
from tdlab.evolution.thread_pool import ThreadPool
from tdlab.evolution.what_if import MODE_KINDS, CachedCandidates, WhatIf, cached_candidates, what_if

__all__ = [
    "ARMS",
    "GAUGES",
    "METRICS",
    "MODE_KINDS",
    "STRATEGIES",
    "CachedCandidates",
    "Cell",
    "Controller",
    "Decision",
    "DraftPlan",
    "EntropyGauge",
    "Estimate",
    "Gauge",
    "Gauges",
    "MeanGauge",
    "Measured",
    "Offspring",
    "Order",
    "Prediction",
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
