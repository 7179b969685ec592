"""Produce one offspring from an order: plan, mutate, play, verify, measure. A pure function of the order.

An `Order` says what to try; `Producer.produce` tries it and reads or writes nothing else. An order therefore gives the
same offspring in any process and in any sequence. The controller decides what depends on the rest of the set (near
duplicates, marginal gain); the part of the set's state that an order needs is in its ``set_state``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from tdlab.blueprints import Mutated, MutationContext, breed, first_plan, fresh_values, settle
from tdlab.config import RunConfig
from tdlab.diversity import Features, featurise
from tdlab.errors import BlueprintError
from tdlab.evolution.gauges import SetState
from tdlab.quality import faults_of
from tdlab.records import Blueprint, BusinessCluster, Check, Domains, Json, Tool, Trajectory, Verdict
from tdlab.rollout import (
    ENVIRONMENTS,
    TEACHERS,
    CodeRunner,
    CodingEnvironment,
    EnvironmentFactory,
    LlmRollout,
    ModelBackend,
    Rollout,
    TeacherFactory,
    play,
)
from tdlab.tasks import playing_packs, stage_here
from tdlab.verify import CheckFunction, NearDuplicates, verify
from tdlab.worlds import find_packs

__all__ = ["DraftPlan", "Offspring", "Order", "Producer", "VerifiedRollout", "play_and_verify"]


class DraftPlan(NamedTuple):
    """One way to execute an order.

    Attributes:
        base: The blueprint to start from; None for a new plan.
        mutations: Operators to apply, in this order.
        partner: The cluster that a bridge leads to.
    """

    base: Blueprint | None = None
    mutations: tuple[str, ...] = ()
    partner: str | None = None


class Order(NamedTuple):
    """What to try: a cluster, a seed, and one or several drafts, of which the one with the most merit is played.

    Attributes:
        generation: Number of the generation.
        position: Position in the generation.
        seed: Seed of every draw.
        cluster: Id of the cluster.
        drafts: The drafts.
        set_state: Computes the merit of a draft; without it, the first draft that can be bred is played.
        fresh: Whether to keep the plan and give it new values first.
        plan_seed: Seed of a new plan; ``seed`` by default.
        distractors: Keys of tools that may be offered in addition.
        aim: The domain that steering drew.
        aim_share: The probability of that draw.
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
    """The result of an order.

    Attributes:
        order: The order.
        blueprint: The plan; None if none could be made, and then the following fields are empty too.
        trajectory: The trajectory.
        verdict: The verdict of verification.
        features: Features of the trajectory.
        sketch: The hash that `tdlab.verify.NearDuplicates` compares.
        applied: Operators that were applied to the chosen draft.
        refused: Operators that could not be applied to it, with the reason.
        failure: Why there is no blueprint.
        chosen: Index of the draft that was played.
        merits: Merit of each draft; None if it could not be bred or was not needed.
        spent: What language models used (`tdlab.rollout.Spending.to_json`).
        faults: The faults of the conversation (`tdlab.quality.FAULTS`), if it is verified and nothing in it is guessed.
        replayed: Whether saved replies answered all requests to language models.
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
    faults: tuple[str, ...] = ()
    replayed: bool = False


class Producer:
    """Produces one offspring per order. Programs run in the sandbox of ``config.sandbox``, which `close` closes.

    Environment, teacher and checks are those that the config names, unless they are passed as objects.

    Args:
        config: The config of the run.
        tools: Definitions of tools, by key.
        clusters: The clusters that orders name.
        domains: Domains of each service.
        environment: The factory of environments to use.
        teacher: The factory of teachers to use.
        checks: Functions to use for names of ``config.verify.checks``.
        backend: Sends the calls to the language models, if the teacher is one.
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
        environment_used = environment or ENVIRONMENTS[config.rollout.environment]
        self._on_worlds = not environment_used.external
        self._packs = find_packs(config.rollout.packs)
        self.code = CodeRunner(config.sandbox)

    def close(self) -> None:
        """Close the sandbox, if a program has opened one."""
        self.code.close()

    def produce(self, order: Order) -> Offspring:
        """Execute an order. An order that cannot be planned gives an offspring with a ``failure``, not an exception."""
        with playing_packs(self._packs):
            return self._produce(order)

    def _produce(self, order: Order) -> Offspring:
        mutated, merits, failure = self._breed_drafts(order)
        for chosen in sorted(mutated, key=lambda index: (-(merits[index] or 0.0), index)):
            try:
                blueprint = settle(mutated[chosen].blueprint, self.tools)
            except BlueprintError as error:
                failure = failure or error.found
                continue
            return self._play(order, blueprint, mutated[chosen], chosen, merits)
        return Offspring(order, failure=failure, merits=merits)

    def _play(
        self, order: Order, blueprint: Blueprint, mutated: Mutated, chosen: int, merits: tuple[float | None, ...]
    ) -> Offspring:
        tools = {key: self.tools[key] for key in blueprint.offered}
        environment = self._environment or ENVIRONMENTS[self.config.rollout.environment]
        verified = play_and_verify(
            blueprint, tools, self.config, environment, self.code,
            teacher=self._teacher, checks=self._checks, backend=self.backend,
        )  # fmt: skip
        return Offspring(
            order,
            verified.blueprint,
            verified.trajectory,
            verified.verdict,
            features=featurise(verified.trajectory, tools, self.domains),
            sketch=self._duplicates.sketch(verified.trajectory) if verified.verdict.accepted else None,
            applied=mutated.applied,
            refused=mutated.refused,
            chosen=chosen,
            merits=merits,
            spent=verified.spent,
            faults=_faults(verified.trajectory, tools) if verified.verdict.accepted else (),
        )

    def _breed_drafts(self, order: Order) -> tuple[dict[int, Mutated], tuple[float | None, ...], str]:
        """Return the drafts that could be bred, by index and not yet settled; their merits; the first failure."""
        cluster = self.clusters[order.cluster]
        context = MutationContext(
            cluster=cluster,
            tools=self.tools,
            distractors=order.distractors,
            config=self.config.blueprints,
            facts=self.config.rollout.facts,
            stage=stage_here() if self._on_worlds else None,
            run_seed=self.config.seed,
        )
        mutated: dict[int, Mutated] = {}
        merits: list[float | None] = []
        failure = ""
        for index, draft in enumerate(order.drafts):
            try:
                partner = self.clusters.get(draft.partner) if draft.partner else None
                draft_context = context._replace(partner=partner)
                mutated[index] = self._breed(order, draft, draft_context, seed=order.seed + index)
            except BlueprintError as error:
                failure = failure or error.found
                merits.append(None)
                continue
            if order.set_state is None:
                merits.append(None)
                break
            merits.append(order.set_state.merit(order.set_state.predicted(mutated[index].blueprint, self.tools)))
        return mutated, tuple(merits), failure

    def _breed(self, order: Order, draft: DraftPlan, context: MutationContext, *, seed: int) -> Mutated:
        if draft.base is None:
            plan_seed = seed if order.plan_seed is None else order.plan_seed
            blueprint = first_plan(context, seed=plan_seed, settled=False)
        else:
            blueprint = draft.base
        # A mutant gets new values, since it would otherwise be a near-duplicate of its parent.
        if order.fresh or draft.base is not None:
            blueprint = fresh_values(blueprint, context, seed=seed, settled=False)
        return breed(blueprint, draft.mutations, context, seed=seed, settled=False)


class VerifiedRollout(NamedTuple):
    """A rollout with its verdict.

    Attributes:
        blueprint: The plan that was played; a proposer may have changed it.
        trajectory: The trajectory.
        verdict: The verdict of verification.
        spent: What language models used.
    """

    blueprint: Blueprint
    trajectory: Trajectory
    verdict: Verdict
    spent: list[dict[str, Json]]


def _faults(trajectory: Trajectory, tools: Mapping[str, Tool]) -> tuple[str, ...]:
    """Return the faults of a verified conversation; a rehearsal on guessed results is not held to them."""
    return () if trajectory.guessed else faults_of(trajectory, tools)


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
    """Play a blueprint and verify its trajectory, with a language model as the teacher if there is a ``backend``."""
    if backend is None:
        teacher = teacher or TEACHERS[config.rollout.teacher]
        stage = CodingEnvironment(environment(blueprint, tools), code)
        rollout = play(blueprint, tools, teacher(blueprint, tools), stage)
        verdict = verify(
            rollout.trajectory, blueprint, tools, stopped=rollout.stopped, code=code, config=config.verify,
            environment=environment, checks=checks,
        )  # fmt: skip
        return VerifiedRollout(blueprint, rollout.trajectory, verdict, [])
    models = LlmRollout(backend, config.teacher, blueprint, tools)
    verified = _judged(models, models.play(environment, code=code), config, environment, code, checks)
    if verified.objection and config.teacher.revise:
        again = models.play(environment, code=code, advice=verified.objection)
        verified = _judged(models, again, config, environment, code, checks)
    return VerifiedRollout(models.blueprint, verified.trajectory, verified.verdict, models.spending.to_json())


class _Judged(NamedTuple):
    trajectory: Trajectory
    verdict: Verdict
    objection: str


def _judged(
    models: LlmRollout,
    rollout: Rollout,
    config: RunConfig,
    environment: EnvironmentFactory,
    code: CodeRunner,
    checks: Mapping[str, CheckFunction],
) -> _Judged:
    """Verify a rollout and, if it passes and there is a committee, let the committee judge it."""
    verdict = verify(
        rollout.trajectory, models.blueprint, models.tools, stopped=rollout.stopped, code=code, config=config.verify,
        environment=environment, checks=checks,
    )  # fmt: skip
    judgement = models.judge(rollout.trajectory) if verdict.accepted else None
    if judgement is None:
        return _Judged(rollout.trajectory, verdict, "")
    check = Check(name="committee", passed=not judgement.objection, reason=judgement.objection)
    verdict = verdict.model_copy(update={"checks": (*verdict.checks, check), "scores": judgement.scores})
    return _Judged(rollout.trajectory, verdict, judgement.objection)
