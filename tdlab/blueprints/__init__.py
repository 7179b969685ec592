"""Blueprints: the plan of one task, fixed before the conversation (paper: innovation 2, blueprint-then-execute).

`first_plan` makes a blueprint from a Business Cluster: a task on an executable world, or where no service of the
cluster has a pack one that `plan` improvises. `mutate` and `breed` change it with the operators in `MUTATIONS`,
`violations` lists what is incoherent, and `as_graph` returns its DAG of steps. A blueprint is data: it can be stored,
shown, mutated and played any number of times.
"""

from __future__ import annotations

from tdlab.blueprints.breeding import Mutated, Mutation, MutationContext, breed, first_plan, fresh_values, mutate
from tdlab.blueprints.mutations import MUTATIONS
from tdlab.blueprints.planner import named, plan, settle
from tdlab.blueprints.retold import Wish, free_texts, retold, wishes_of
from tdlab.blueprints.templates import could_be, follow, written
from tdlab.blueprints.validation import Violation, as_graph, checked, violations
from tdlab.blueprints.world_plans import frames_reached, packed_services

__all__ = [
    "MUTATIONS",
    "Mutated",
    "Mutation",
    "MutationContext",
    "Violation",
    "Wish",
    "as_graph",
    "breed",
    "checked",
    "could_be",
    "first_plan",
    "follow",
    "frames_reached",
    "free_texts",
    "fresh_values",
    "mutate",
    "named",
    "packed_services",
    "plan",
    "retold",
    "settle",
    "violations",
    "wishes_of",
    "written",
]
