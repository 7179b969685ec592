"""Plans with code over the bundled pool: the tools with the code tool, and blueprints with a program."""

from __future__ import annotations

from functools import cache

from tdlab.blueprints import MutationContext, breed, plan
from tdlab.errors import BlueprintError
from tdlab.records import CODE_TOOL, Blueprint, Tool, rng_for
from tdlab.sandbox import RUN_CODE
from tests.blueprints.bundled import OPERATORS, bundled, context


@cache
def tools() -> dict[str, Tool]:
    return {**bundled().tools, CODE_TOOL: RUN_CODE}


def shop(seed: int) -> MutationContext:
    return context(seed)._replace(tools=tools())


@cache
def coded(seed: int) -> Blueprint | None:
    """Return a blueprint with a program, mutated before and after by drawn operators; None if no program fits."""
    room, rng = shop(seed), rng_for("coded", seed)
    before, after = rng.sample(OPERATORS, k=rng.randint(0, 2)), rng.sample(OPERATORS, k=rng.randint(0, 2))
    try:
        bred = breed(plan(room.cluster, room.tools, seed=seed), (*before, "add_code_step", *after), room, seed=seed)
    except BlueprintError:
        return None
    return bred.blueprint if "add_code_step" in bred.applied else None


def coded_blueprints(wanted: int, *, first: int = 0) -> list[tuple[int, Blueprint]]:
    """Return a number of blueprints with a program, with their seeds."""
    found: list[tuple[int, Blueprint]] = []
    seed = first
    while len(found) < wanted:
        made = coded(seed)
        if made is not None:
            found.append((seed, made))
        seed += 1
    return found
