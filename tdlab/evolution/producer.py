"""One offspring, from order to verdict: plan, mutate, play, verify, measure. A pure function of the order.

An `Order` says what to try; `Producer.produce` tries it. Nothing else is read or written, so an order gives the same
offspring in any process, in any sequence, however often it is produced. What depends on the rest of the set (near
duplicates, marginal gain) is decided by the controller; what an order has to know of the set travels in its
``set_state``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from tdlab.blueprints import Mutated, MutationContext, breed, fresh_values, plan, settle
from tdlab.config import RunConfig
from tdlab.diversity import Features, featurise
from tdlab.errors import BlueprintError
from tdlab.evolution.predict import SetState, predict
from tdlab.records import Blueprint, BusinessCluster, Check, Domains, Json, Tool, Trajectory, Verdict
from tdlab.rollout import (
    ENVIRONMENTS,
    TEACHERS,
    CodeRunner,
    CodingEnvironment,
    EnvironmentFactory,
    LlmRollout,
    ModelBackend,
    TeacherFactory,
    play,
)
from tdlab.verify import CheckFunction, NearDuplicates, verify

__all__ = ["DraftPlan", "Offspring", "Order", "Producer", "VerifiedRollout", "play_and_verify"]


class DraftPlan(NamedTuple):
    """One way to carry an order out: a parent to start from (None: a new plan), operators to apply in this order.

    ``partner`` is the cluster that a bridge leads to.
    """

    base: Blueprint | None = None
    mutations: tuple[str, ...] = ()
    partner: str | None = None


class Order(NamedTuple):
    """What to try: a cluster, a seed, and one draft or several, of which the one with the most merit is played.

    Merit is told by ``set_state``; without one the first draft that can be bred is played. ``fresh`` keeps the plan and
    gives it new values first. A new plan is drawn from ``plan_seed``, or from ``seed`` where that is None. ``aim`` is
    the domain that steering drew, ``aim_share`` the probability with which it did.
    """

    generation: int
    position: int
    seed: int
    cluster: str
    drafts: tuple[DraftPlan, ...] = (DraftPlan(),)
    set_state: SetState | None = None
    fresh: bool = False
    plan_seed: int | None = None
    distractors: tuple[str, ...] = ()
    aim: str | None = None
    aim_share: float | None = None


class Offspring(NamedTuple):
    """What became of an order. ``failure`` says why there is no blueprint; then the other fields are empty.

    ``sketch`` is what `tdlab.verify.NearDuplicates` compares, and nothing that others look into. ``chosen`` is the
    place of the draft that was played, ``merits`` holds the merit of each (None: it could not be
    bred, or there was nothing to choose by). ``applied`` and ``refused`` are about the operators of the chosen draft.
    ``spent`` is what language models used for it (`tdlab.rollout.llm.Spending.to_json`).
    """

    order: Order
    blueprint: Blueprint | None = None
    trajectory: Trajectory | None = None
    verdict: Verdict | None = None
    features: Features | None = None
    sketch: Any = None
    applied: tuple[str, ...] = ()
    refused: Mapping[str, str] = {}
    failure: str = ""
    chosen: int = 0
    merits: tuple[float | None, ...] = ()
    spent: Sequence[Mapping[str, Json]] = ()


class Producer:
    """All that producing needs: the config, the tools and clusters by key, the services' domains.

    Environment, teacher and checks are those that the config names in their registries. ``environment``, ``teacher``
    and ``checks`` (by the names that ``config.verify.checks`` has for them) are objects to use instead, or connected
    ones. ``backend`` answers for the language models of a run whose teacher is one. Programs run in the sandbox of
    ``config.sandbox``, opened by the first one; `close` ends it.
    """

    def __init__(
        self,
        config: RunConfig,
        tools: Mapping[str, Tool],
        clusters: tuple[BusinessCluster, ...],
        domains: Mapping[str, Domains],
        *,
        environment: EnvironmentFactory | None = None,
        teacher: TeacherFactory | None = None,
        checks: Mapping[str, CheckFunction] = {},
        backend: ModelBackend | None = None,
    ) -> None:
        self.config = config
        self.backend = backend
        self.tools = tools
        self.clusters = {cluster.id: cluster for cluster in clusters}
        self.domains = domains
        self._environment = environment
        self._teacher = teacher
        self._checks = checks
        self._duplicates = NearDuplicates(threshold=config.verify.near_duplicate)
        self.code = CodeRunner(config.sandbox)

    def close(self) -> None:
        """End the sandbox, if a program has opened one here."""
        self.code.close()

    def produce(self, order: Order) -> Offspring:
        """Carry out an order. What cannot be planned is an offspring with a ``failure``, not an exception."""
        bred, merits, failure = self._breed_drafts(order)
        for chosen in sorted(bred, key=lambda place: (-(merits[place] or 0.0), place)):
            try:
                blueprint = settle(bred[chosen].blueprint, self.tools)
            except BlueprintError as error:
                failure = failure or error.found
                continue
            return self._played(order, blueprint, bred[chosen], chosen, merits)
        return Offspring(order, failure=failure, merits=merits)

    def _played(
        self, order: Order, blueprint: Blueprint, draft: Mutated, chosen: int, merits: tuple[float | None, ...]
    ) -> Offspring:
        tools = {key: self.tools[key] for key in blueprint.offered}
        environment = self._environment or ENVIRONMENTS[self.config.rollout.environment]
        played = play_and_verify(
            blueprint, tools, self.config, environment, self.code,
            teacher=self._teacher, checks=self._checks, backend=self.backend,
        )  # fmt: skip
        return Offspring(
            order,
            played.blueprint,
            played.trajectory,
            played.verdict,
            features=featurise(played.trajectory, tools, self.domains),
            sketch=self._duplicates.sketch(played.trajectory) if played.verdict.accepted else None,
            applied=draft.applied,
            refused=draft.refused,
            chosen=chosen,
            merits=merits,
            spent=played.spent,
        )

    def _breed_drafts(self, order: Order) -> tuple[dict[int, Mutated], tuple[float | None, ...], str]:
        """The drafts that could be bred, by place, none settled; the merit of each; why the first that failed did."""
        cluster = self.clusters[order.cluster]
        mutation_context = MutationContext(
            cluster=cluster,
            tools=self.tools,
            distractors=order.distractors,
            config=self.config.blueprints,
            facts=self.config.rollout.facts,
        )
        bred: dict[int, Mutated] = {}
        merits: list[float | None] = []
        failure = ""
        for place, draft in enumerate(order.drafts):
            try:
                partner = self.clusters.get(draft.partner) if draft.partner else None
                shop = mutation_context._replace(partner=partner)
                bred[place] = self._breed(order, draft, shop, seed=order.seed + place)
            except BlueprintError as error:
                failure = failure or error.found
                merits.append(None)
                continue
            if order.set_state is None:
                merits.append(None)
                break
            merits.append(order.set_state.merit(predict(bred[place].blueprint, self.tools)))
        return bred, tuple(merits), failure

    def _breed(self, order: Order, draft: DraftPlan, mutation_context: MutationContext, *, seed: int) -> Mutated:
        config = self.config
        if draft.base is None:
            drawn = seed if order.plan_seed is None else order.plan_seed
            blueprint = plan(
                mutation_context.cluster,
                self.tools,
                seed=drawn,
                config=config.blueprints,
                facts=config.rollout.facts,
                settled=False,
            )
        else:
            blueprint = draft.base
        if order.fresh or draft.base is not None:  # a mutant tells of another user, else it nearly repeats its parent
            blueprint = fresh_values(blueprint, mutation_context, seed=seed, settled=False)
        return breed(blueprint, draft.mutations, mutation_context, seed=seed, settled=False)


class VerifiedRollout(NamedTuple):
    """What was played (a writer may have changed the blueprint), its verdict, and what models used for it."""

    blueprint: Blueprint
    trajectory: Trajectory
    verdict: Verdict
    spent: list[dict[str, Json]]


def play_and_verify(
    blueprint: Blueprint,
    tools: Mapping[str, Tool],
    config: RunConfig,
    environment: EnvironmentFactory,
    code: CodeRunner,
    *,
    teacher: TeacherFactory | None = None,
    checks: Mapping[str, CheckFunction] = {},
    backend: ModelBackend | None = None,
) -> VerifiedRollout:
    """Play and verify; ``code`` runs programs, ``backend`` answers for the models of a run whose teacher is one."""
    if backend is None:
        teacher = teacher or TEACHERS[config.rollout.teacher]
        stage = CodingEnvironment(environment(blueprint, tools), code)
        rollout = play(blueprint, tools, teacher(blueprint, tools), stage)
        verdict = verify(
            rollout.trajectory, blueprint, tools, stopped=rollout.stopped, code=code, config=config.verify,
            environment=environment, checks=checks,
        )  # fmt: skip
        return VerifiedRollout(blueprint, rollout.trajectory, verdict, [])
    part = LlmRollout(backend, config.teacher, blueprint, tools)
    rollout = part.play(environment, code=code, values=not environment.external)
    trajectory = rollout.trajectory
    verdict = verify(
        trajectory, part.blueprint, tools, stopped=rollout.stopped, code=code, config=config.verify,
        environment=environment, checks=checks,
    )  # fmt: skip
    objection = part.judge(trajectory) if verdict.accepted else None
    if objection is not None:
        judged = Check(name="judge", passed=not objection, reason=objection)
        verdict = verdict.model_copy(update={"checks": (*verdict.checks, judged)})
    return VerifiedRollout(part.blueprint, trajectory, verdict, part.spending.to_json())
