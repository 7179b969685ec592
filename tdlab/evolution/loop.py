"""The loop: generations of orders, offspring and decisions, each committed to the store before the next begins.

A run that was killed is rebuilt from what was committed and goes on with the next generation; since every draw depends
on the seed, the generation and the position alone, it ends as if nothing had happened.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from itertools import zip_longest
from typing import NamedTuple

from tdlab.diversity import Features
from tdlab.errors import BudgetSpent, StoreError, TeacherError
from tdlab.evolution.controller import Controller, Decision
from tdlab.evolution.studio import Offspring, Studio
from tdlab.evolution.threads import Threads
from tdlab.evolution.workers import Workers
from tdlab.memory import rare_collection
from tdlab.records import Json
from tdlab.store import Candidate, Generation, RunStore

__all__ = ["Progress", "evolve"]


class Progress(NamedTuple):
    """Where a run stands: told after every generation."""

    generation: int
    accepted: int
    rejected: int
    target: int


def evolve(
    store: RunStore,
    controller: Controller,
    studio: Studio,
    *,
    workers: int = 1,
    on_progress: Callable[[Progress], None] | None = None,
    threads: Threads | None = None,
) -> str:
    """Run generations until the target is met or nothing more is found; returns why it stopped.

    ``"target"`` when as many trajectories as wanted are in the store, else a sentence. State is read from the store
    first, so calling it again continues. ``threads`` carry the orders out in place of ``workers``, and progress is then
    told after every offspring. Where they were stopped, what they made is kept as a part of a generation, which is made
    anew when the run goes on; what was paid for is not paid for again. TeacherError where the server failed.
    """
    config = studio.config
    stopped: TeacherError | None = None
    generation, rejected, dry = _rebuild(store, controller)
    with rare_collection(), threads or Workers(studio, workers) as crew:
        while len(controller) < config.target:
            if dry >= config.evolution.patience:
                return f"no trajectory was accepted in {dry} generations in a row"
            before, drawn_with = controller.record(), controller.plan_record()
            candidates: list[Candidate] = []
            found: Counter[str] = Counter()
            orders = controller.orders(generation)
            for offspring in crew.produce(orders, wanted=lambda: config.target - len(controller)):
                if len(controller) >= config.target:
                    break
                decision = controller.consider(offspring)
                candidates.append(_candidate(offspring, decision))
                found["accepted" if decision.accepted else decision.reasons[0].partition(":")[0]] += 1
                if threads is not None and on_progress is not None:
                    tried = rejected + len(candidates) - found["accepted"]
                    on_progress(Progress(generation, len(controller), tried, config.target))
            stopped = threads.stopped if threads is not None and len(controller) < config.target else None
            accepted = found.pop("accepted", 0)
            record: dict[str, Json] = {
                "strategy": config.evolution.strategy,
                "tried": len(candidates),
                "accepted": accepted,
                "rejected": dict(sorted(found.items())),
                "before": before,
                **drawn_with,
                "after": controller.record(),
                "total": len(controller),
                **({"partial": True} if stopped is not None else {}),
            }
            if stopped is not None and not candidates:
                break
            store.commit_generation(Generation(number=generation, record=record), candidates)
            generation += 1
            rejected += len(candidates) - accepted
            dry = 0 if accepted else dry + 1
            if on_progress is not None:
                on_progress(Progress(generation, len(controller), rejected, config.target))
            if stopped is not None:
                break
    if stopped is None:
        return "target"
    if isinstance(stopped, BudgetSpent):
        return f"{stopped.found} ({stopped.expected})"
    raise stopped


def _rebuild(store: RunStore, controller: Controller) -> tuple[int, int, int]:
    """The controller's state from the store: next generation, rejected so far, dry generations at the end."""
    last = store.last_generation()
    if last is not None and last.record.get("partial"):
        store.discard_last_generation()
        last = store.last_generation()
    if last is None:
        return 0, 0, 0
    for kept in store.accepted():
        if kept.blueprint is None or kept.trajectory is None:
            raise StoreError(
                f"candidate {kept.generation}.{kept.position} is accepted and has no trajectory",
                expected="a blueprint and a trajectory for each accepted candidate",
                do="the database was changed by hand; start another run with --out",
            )
        controller.recall(kept.blueprint, kept.trajectory, Features.model_validate(kept.features))
    dry = 0
    for generation in store.generations():
        dry = 0 if generation.record["accepted"] else dry + 1
    return last.number + 1, store.counts().rejected, dry


def _candidate(offspring: Offspring, decision: Decision) -> Candidate:
    order = offspring.order
    lineage: dict[str, Json] = {
        "seed": order.seed,
        "cluster": order.cluster,
        "aim": order.aim,
        "aim_share": order.aim_share,
        "fresh": order.fresh,
        "drafts": [
            {
                "base": draft.base.id if draft.base else None,
                "ordered": list(draft.mutations),
                "partner": draft.partner,
                "merit": merit,
            }
            for draft, merit in zip_longest(order.drafts, offspring.merits)
        ],
        "chosen": offspring.chosen,
        "applied": list(offspring.applied),
        "refused": dict(offspring.refused),
        "gain": None if decision.gain is None else {**decision.gain._asdict(), "weighed": decision.weighed},
        "bar": decision.bar,
        **({"spent": list(offspring.spent)} if offspring.spent else {}),
    }
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
