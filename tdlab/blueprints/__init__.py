"""Blueprints: the plan of one task, fixed before anyone speaks (paper: innovation 2, blueprint-then-execute).

`plan` makes one from a Business Cluster, `MUTATIONS` change it, `violations` says what is wrong with it, `as_graph`
gives its DAG. A blueprint is data: it can be stored, shown, mutated and played any number of times.
"""

from __future__ import annotations

from tdlab.blueprints.mutations import MUTATIONS, Mutated, Mutation, MutationContext, breed, fresh_values, mutate
from tdlab.blueprints.planner import named, plan, settle
from tdlab.blueprints.templates import could_be, follow, written
from tdlab.blueprints.validation import Violation, as_graph, checked, violations

__all__ = [
    "MUTATIONS",
    "Mutated",
    "Mutation",
    "MutationContext",
    "Violation",
    "as_graph",
    "breed",
    "checked",
    "could_be",
    "follow",
    "fresh_values",
    "mutate",
    "named",
    "plan",
    "settle",
    "violations",
    "written",
]
