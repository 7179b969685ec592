"""The loop: generations of orders, offspring and decisions, each committed to the store before the next begins.

A run that was interrupted is rebuilt from the committed generations and continues with the next one. Every draw depends
only on the seed, the generation and the position, so that the result is the same as without the interruption.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from itertools import zip_longest
from typing import NamedTuple

from tdlab._gc import rare_collection
from tdlab.config import EvolutionConfig
from tdlab.diversity import Features
from tdlab.errors import BudgetSpent, RolloutError, StoreError, TeacherError
from tdlab.evolution.controller import Controller, Decision
from tdlab.evolution.failing import FailingTeacher
from tdlab.evolution.process_pool import ProcessPool
from tdlab.evolution.producer import Offspring, Producer
from tdlab.evolution.steering import Plateau, budget_spent, ran_dry
from tdlab.evolution.thread_pool import ThreadPool
from tdlab.store import Candidate, DraftRecord, Generation, GenerationRecord, Lineage, RunStore

__all__ = ["Progress", "evolve"]
_log = logging.getLogger(__name__)


class Progress(NamedTuple):
    """The progress of a run: number of the generation, accepted and rejected offspring, and the target."""

    generation: int
    accepted: int
    rejected: int
    target: int


def evolve(
    store: RunStore,
    controller: Controller,
    producer: Producer,
    *,
    workers: int = 1,
    on_progress: Callable[[Progress], None] | None = None,
    threads: ThreadPool | None = None,
) -> str:
    """Run generations until the target or another stop is reached.

    The state is read from the store first, so that a second call continues the run. If threads are stopped in the
    middle of a generation, their offspring are kept as a partial generation; a resumed run makes that generation again,
    with the cached replies of the models.

    Args:
        store: The store of the run.
        controller: Orders offspring and decides on them; empty, it is filled from the store.
        producer: Executes orders.
        workers: Number of worker processes.
        on_progress: Called after every generation; with ``threads``, also after every offspring.
        threads: Executes the orders in place of worker processes, for language models.

    Returns:
        ``"target"``, or a sentence that says why the run stopped before: the budget of offspring is spent, the gauges
        that steer were flat for ``patience`` generations, nothing was accepted for ``dry`` generations, or with
        ``threads`` the last rollouts all failed.

    Raises:
        TeacherError: The server of the language models failed.
        RolloutError: A live server is gone.
        StoreError: The database was changed by hand.

    Example:
        >>> import tdlab
        >>> with tdlab.open_run("runs/first") as run:  # a finished run has nothing left to do
        ...     clusters, tools = tuple(run.store.clusters()), {tool.key: tool for tool in run.store.tools()}
        ...     controller = Controller(run.config, clusters, distractors=[], categories=37, mutations=[])
        ...     evolve(run.store, controller, Producer(run.config, tools, clusters, {}))
        'target'
    """
    config = producer.config
    stopped: TeacherError | RolloutError | None = None
    past = _rebuild(store, controller, Plateau(config.evolution))
    failing = FailingTeacher(config.teacher) if threads is not None else None
    hopeless = ""

    def wanted() -> int:
        missing = config.target - len(controller)
        return missing if failing is None else min(missing, failing.room)

    with rare_collection(), threads or ProcessPool(producer, workers) as worker_pool:
        while len(controller) < config.target:
            if why := past.stop(config.evolution, accepted=len(controller)):
                return why
            before, (operators, drafts) = controller.record(), controller.plan_record()
            candidates: list[Candidate] = []
            outcomes: Counter[str] = Counter()
            orders = controller.orders(past.generations)
            if config.evolution.budget is not None:
                orders = orders[: config.evolution.budget - past.tried]
            for offspring in worker_pool.produce(orders, wanted=wanted):
                if len(controller) >= config.target:
                    break
                decision = controller.consider(offspring)
                candidates.append(_candidate(offspring, decision))
                outcomes["accepted" if decision.accepted else decision.reasons[0].check] += 1
                if threads is not None and on_progress is not None:
                    rejected = past.tried + len(candidates) - len(controller)
                    on_progress(Progress(past.generations, len(controller), rejected, config.target))
                if failing is not None and (hopeless := failing.note(offspring)):
                    break
            stopped = threads.stopped if threads is not None and len(controller) < config.target else None
            accepted = outcomes.pop("accepted", 0)
            record = GenerationRecord(
                strategy=config.evolution.strategy,
                tried=len(candidates),
                accepted=accepted,
                rejected=dict(sorted(outcomes.items())),
                before=before,
                operators=operators,
                drafts=drafts,
                after=controller.record(),
                total=len(controller),
                partial=stopped is not None or bool(hopeless),
            )
            if stopped is not None and not candidates:
                break
            store.commit_generation(Generation(number=past.generations, record=record), candidates)
            _log.info("generation %d: %d of %d accepted", past.generations, accepted, len(candidates))
            past = past.after(record)
            if on_progress is not None:
                on_progress(Progress(past.generations, len(controller), past.tried - len(controller), config.target))
            if stopped is not None or hopeless:
                break
    if stopped is None:
        return hopeless or "target"
    if isinstance(stopped, BudgetSpent):
        return f"{stopped.found} ({stopped.expected})"
    raise stopped


class _Past(NamedTuple):
    """The past of a run, as far as its stops need it; the last ``dry`` generations accepted nothing."""

    plateau: Plateau
    generations: int = 0
    tried: int = 0
    dry: int = 0

    def after(self, record: GenerationRecord) -> _Past:
        """Return the past with one more generation, from its record."""
        self.plateau.note(record.after.whole)
        dry = 0 if record.accepted else self.dry + 1
        return self._replace(generations=self.generations + 1, tried=self.tried + record.tried, dry=dry)

    def stop(self, config: EvolutionConfig, *, accepted: int) -> str:
        """Return why the run should stop before its target, or an empty string while it should go on."""
        if config.budget is not None and self.tried >= config.budget:
            return budget_spent(self.tried, accepted)
        if self.dry >= config.dry:
            return ran_dry(self.dry)
        return self.plateau.reached()


def _rebuild(store: RunStore, controller: Controller, plateau: Plateau) -> _Past:
    """Fill the controller from the store, and return the past of the run."""
    last = store.last_generation()
    if last is not None and last.record.partial:
        store.discard_last_generation()
    past = _Past(plateau)
    for candidate in store.accepted():
        if candidate.blueprint is None or candidate.trajectory is None:
            raise StoreError(
                f"candidate {candidate.generation}.{candidate.position} is accepted and has no trajectory; "
                "the database was changed by hand",
                expected="a blueprint and a trajectory for each accepted candidate",
                do="start another run: tdlab run --out runs/other",
            )
        controller.recall(candidate.blueprint, candidate.trajectory, Features.model_validate(candidate.features))
    for generation in store.generations():
        past = past.after(generation.record)
    return past


def _candidate(offspring: Offspring, decision: Decision) -> Candidate:
    order = offspring.order
    lineage = Lineage(
        seed=order.seed,
        cluster=order.cluster,
        aim=order.aim,
        aim_share=order.aim_share,
        fresh=order.fresh,
        drafts=tuple(
            DraftRecord(
                base=draft.base.id if draft.base else None, ordered=draft.mutations, partner=draft.partner, merit=merit
            )
            for draft, merit in zip_longest(order.drafts, offspring.merits)
        ),
        chosen=offspring.chosen,
        applied=offspring.applied,
        refused=dict(offspring.refused),
        gain=None if decision.gain is None else dict(decision.gain),
        weighed=decision.weighed,
        steer=None if decision.gauges is None else dict(decision.gauges.strengths),
        bar=decision.bar,
        spent=tuple(map(dict, offspring.spent)),
        duplicate_of=decision.duplicate_of,
        faults=offspring.faults,
    )
    return Candidate(
        generation=order.generation,
        position=order.position,
        accepted=decision.accepted,
        reasons=decision.reasons,
        lineage=lineage,
        features=offspring.features.model_dump(mode="json") if offspring.features else {},
        verdict=offspring.verdict,
        blueprint=offspring.blueprint,
        trajectory=offspring.trajectory,
    )
