"""The records that the store accepts and returns, and the table rows that they become."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tdlab.records import Blueprint, Json, Trajectory, Verdict
from tdlab.store._codec import as_key, decode, decode_record, encode

__all__ = ["CANDIDATE_COLUMNS", "Candidate", "Counts", "Generation", "candidate_from_row", "candidate_row"]

CANDIDATE_COLUMNS = "generation, position, accepted, reasons, lineage, features, verdict, blueprint, trajectory"


@dataclass(frozen=True, kw_only=True, slots=True)
class Generation:
    """One turn of the evolution loop: its number from 0, and the controller's measurements and decisions as JSON."""

    number: int
    record: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Candidate:
    """One offspring and the decision about it.

    ``position`` counts from 0 within its ``generation``. ``reasons`` are the verdict's ``name: reason`` lines, or the
    bar that it missed; empty when accepted. A candidate that could not be planned has no ``blueprint``; one that could
    not be played, or is not worth keeping, has no ``trajectory``. ``lineage`` and ``features`` are JSON mappings.
    """

    generation: int
    position: int
    accepted: bool
    reasons: tuple[str, ...] = ()
    lineage: Mapping[str, Json] = field(default_factory=dict)
    features: Mapping[str, Json] = field(default_factory=dict)
    verdict: Verdict | None = None
    blueprint: Blueprint | None = None
    trajectory: Trajectory | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Counts:
    """The numbers of records of each kind in a run."""

    tools: int
    services: int
    clusters: int
    generations: int
    candidates: int
    accepted: int
    rejected: int
    journal: int


def candidate_row(candidate: Candidate) -> tuple[object, ...]:
    what = f"candidate {candidate.generation}.{candidate.position}"
    blueprint, trajectory, verdict = candidate.blueprint, candidate.trajectory, candidate.verdict
    return (
        candidate.generation,
        candidate.position,
        int(candidate.accepted),
        as_key(blueprint.cluster) if blueprint else None,
        as_key(blueprint.id) if blueprint else None,
        as_key(trajectory.id) if trajectory else None,
        encode(candidate.reasons, what),
        encode(dict(candidate.lineage), what),
        encode(dict(candidate.features), what),
        encode(verdict, what) if verdict else None,
        encode(blueprint, what) if blueprint else None,
        encode(trajectory, what) if trajectory else None,
    )


def candidate_from_row(row: tuple[Json, ...]) -> Candidate:
    generation, position, accepted, reasons, lineage, features, verdict, blueprint, trajectory = row
    what = f"candidate {generation}.{position}"
    return Candidate(
        generation=generation,
        position=position,
        accepted=bool(accepted),
        reasons=tuple(decode(reasons)),
        lineage=decode(lineage),
        features=decode(features),
        verdict=decode_record(Verdict, verdict, what) if verdict is not None else None,
        blueprint=decode_record(Blueprint, blueprint, what) if blueprint is not None else None,
        trajectory=decode_record(Trajectory, trajectory, what) if trajectory is not None else None,
    )
