"""Evolution: the loop that steers synthesis towards the long tail, and its controls (paper: innovation 3).

`Controller` reads the gauges, orders offspring and decides; `Studio` produces one offspring from an order; `evolve`
runs generations until the budget is met, every one committed to the run directory. ``strategy`` chooses between
``evolved`` and the controls: ``random`` draws uniformly, ``quantity`` repeats a few plans with new values.
"""

from __future__ import annotations

from tdlab.evolution.controller import Controller, Decision, Gauges
from tdlab.evolution.estimating import Estimate, RoleEstimate, estimate_spending
from tdlab.evolution.loop import Progress, evolve
from tdlab.evolution.studio import Draft, Offspring, Order, Studio
from tdlab.evolution.threads import Threads

__all__ = [
    "Controller",
    "Decision",
    "Draft",
    "Estimate",
    "Gauges",
    "Offspring",
    "Order",
    "Progress",
    "RoleEstimate",
    "Studio",
    "Threads",
    "estimate_spending",
    "evolve",
]
