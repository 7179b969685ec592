"""Blueprints: the plan of one task, fixed before anyone speaks (paper: innovation 2, blueprint-then-execute).

`plan` makes one from a Business Cluster, `MUTATIONS` change it, `violations` says what is wrong with it, `as_graph`
gives its DAG. A blueprint is data: it can be stored, shown, mutated and played any number of times.
"""

from __future__ import annotations

from tdlab.blueprints.mutations import MUTATIONS, Mutation, Offspring, Workshop, breed, fresh_values, mutate
from tdlab.blueprints.planner import plan, settle
from tdlab.blueprints.validation import Violation, as_graph, checked, violations

__all__ = [
    "MUTATIONS",
    "Mutation",
    "Offspring",
    "Violation",
    "Workshop",
    "as_graph",
    "breed",
    "checked",
    "fresh_values",
    "mutate",
    "plan",
    "settle",
    "violations",
]
