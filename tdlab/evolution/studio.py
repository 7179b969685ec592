"""One offspring, from order to verdict: plan, mutate, play, verify, measure. A pure function of the order.

An `Order` says what to try; `Studio.produce` tries it. Nothing else is read or written, so orders can be carried out in
any process, in any sequence, twice if need be, and give the same offspring. What depends on the rest of the set (near
duplicates, marginal gain) is decided by the controller.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from tdlab.blueprints import Workshop, breed, fresh_values, plan
from tdlab.config import RunConfig
from tdlab.diversity import Features, featurise
from tdlab.errors import BlueprintError
from tdlab.records import Blueprint, BusinessCluster, Domains, Tool, Trajectory, Verdict
from tdlab.rollout import Environment, ScriptedTeacher, SimulatedEnvironment, play
from tdlab.verify import NearDuplicates, verify

if TYPE_CHECKING:
    from datasketch import MinHash

__all__ = ["Offspring", "Order", "Studio"]


class Order(NamedTuple):
    """What to try: a cluster, a seed, a parent to start from (None: a new plan), operators to apply in this order.

    ``fresh`` keeps the plan and gives it new values first. A new plan is drawn from ``plan_seed``, or from ``seed``
    where that is None. ``aim`` is the domain that steering drew.
    """

    generation: int
    position: int
    seed: int
    cluster: str
    base: Blueprint | None = None
    mutations: tuple[str, ...] = ()
    fresh: bool = False
    plan_seed: int | None = None
    partner: str | None = None
    distractors: tuple[str, ...] = ()
    aim: str | None = None


class Offspring(NamedTuple):
    """What became of an order. ``failure`` says why there is no blueprint; then the other fields are None."""

    order: Order
    blueprint: Blueprint | None = None
    trajectory: Trajectory | None = None
    verdict: Verdict | None = None
    features: Features | None = None
    sketch: MinHash | None = None
    applied: tuple[str, ...] = ()
    refused: Mapping[str, str] = {}
    failure: str = ""


class Studio:
    """All that producing needs: the config, the tools and clusters by key, the services' domains.

    ``environment`` makes the environment of a rollout; the simulated one where it is None.
    """

    def __init__(
        self,
        config: RunConfig,
        tools: Mapping[str, Tool],
        clusters: tuple[BusinessCluster, ...],
        domains: Mapping[str, Domains],
        *,
        environment: Callable[[Blueprint, Mapping[str, Tool]], Environment] | None = None,
    ) -> None:
        self.config = config
        self.tools = tools
        self.clusters = {cluster.id: cluster for cluster in clusters}
        self.domains = domains
        self._environment = environment or SimulatedEnvironment
        self._duplicates = NearDuplicates(threshold=config.verify.near_duplicate)

    def produce(self, order: Order) -> Offspring:
        """Carry out an order. What cannot be planned is an offspring with a ``failure``, not an exception."""
        cluster = self.clusters[order.cluster]
        workshop = Workshop(
            cluster=cluster,
            tools=self.tools,
            partner=self.clusters.get(order.partner) if order.partner else None,
            distractors=order.distractors,
            config=self.config.blueprints,
            facts=self.config.rollout.facts,
        )
        applied: tuple[str, ...] = ()
        refused: dict[str, str] = {}
        try:
            if order.base is None:
                seed = order.seed if order.plan_seed is None else order.plan_seed
                blueprint = plan(
                    cluster, self.tools, seed=seed, config=self.config.blueprints, facts=self.config.rollout.facts
                )
            else:
                blueprint = order.base
            if order.fresh:
                blueprint = fresh_values(blueprint, workshop, seed=order.seed)
            bred = breed(blueprint, order.mutations, workshop, seed=order.seed)
            blueprint, applied, refused = bred.blueprint, bred.applied, bred.refused
            if order.base is not None and not applied and not order.fresh:
                blueprint = fresh_values(blueprint, workshop, seed=order.seed)
        except BlueprintError as error:
            return Offspring(order, failure=error.found, applied=applied, refused=refused)
        tools = {key: self.tools[key] for key in blueprint.offered}
        rollout = play(blueprint, tools, ScriptedTeacher(blueprint, tools), self._environment(blueprint, tools))
        verdict = verify(rollout.trajectory, blueprint, tools, stopped=rollout.stopped)
        features = featurise(rollout.trajectory, tools, self.domains)
        sketch = self._duplicates.sketch(rollout.trajectory) if verdict.accepted else None
        return Offspring(order, blueprint, rollout.trajectory, verdict, features, sketch, applied, refused)
