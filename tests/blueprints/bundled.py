"""The bundled pool, mined once per process, and blueprints over it with every kind of step."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

from tdlab.blueprints import MUTATIONS, Mutated, MutationContext, breed, plan
from tdlab.clusters import mine
from tdlab.config import ClusterConfig
from tdlab.pool.catalogue import ToolPool
from tdlab.records import Blueprint, BusinessCluster, Tool, Trajectory, Verdict, rng_for
from tdlab.rollout import ScriptedTeacher, SimulatedEnvironment, play
from tdlab.tools import Returns
from tdlab.verify import verify

OPERATORS = tuple(name for name in MUTATIONS if name != "add_code_step")


class Bundled(NamedTuple):
    """Tools by key (with inferred outputs if none are declared), and their clusters."""

    tools: dict[str, Tool]
    clusters: tuple[BusinessCluster, ...]


class Played(NamedTuple):
    """A blueprint, its rollout and the verdict."""

    blueprint: Blueprint
    tools: dict[str, Tool]
    trajectory: Trajectory
    verdict: Verdict
    bred: Mutated


@cache
def bundled() -> Bundled:
    """Return the bundled pool and its clusters, with seed 0."""
    pool = ToolPool.bundled()
    mined = mine(pool, ClusterConfig(), seed=0)
    tools: dict[str, Tool] = {}
    for service in pool.services:
        returns = Returns(service.tools)
        for tool in service.tools:
            schema = returns.schema(tool)
            declared = schema == tool.output_schema
            tools[tool.key] = (
                tool if declared else tool.model_copy(update={"output_schema": schema, "output_inferred": True})
            )
    return Bundled(tools, mined.clusters)


def context(seed: int, cluster: BusinessCluster | None = None) -> MutationContext:
    """Return a context over one cluster, by default drawn by ``seed``, with a partner and distractors."""
    tools, clusters = bundled()
    rng = rng_for("context", seed)
    drawn, partner = rng.sample(clusters, k=2)
    cluster = cluster or drawn
    offered = tuple(rng.sample(sorted(tools), k=6))
    return MutationContext(cluster, tools, partner=partner if partner is not cluster else None, distractors=offered)


@cache
def played(seed: int, *operators: str) -> Played:
    """Plan, mutate (with the given or up to four drawn operators), play and verify."""
    room = context(seed)
    rng = rng_for("played", seed)
    names = operators or tuple(rng.sample(OPERATORS, k=rng.randint(0, 4)))
    bred = breed(plan(room.cluster, room.tools, seed=seed), names, room, seed=seed)
    tools = {key: room.tools[key] for key in bred.blueprint.offered}
    teacher = ScriptedTeacher(bred.blueprint, tools)
    rollout = play(bred.blueprint, tools, teacher, SimulatedEnvironment(bred.blueprint, tools))
    verdict = verify(rollout.trajectory, bred.blueprint, tools, stopped=rollout.stopped)
    return Played(bred.blueprint, tools, rollout.trajectory, verdict, bred)
