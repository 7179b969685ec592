"""The records that the store accepts and returns, and the table rows that they become."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field

from tdlab.records import Blueprint, Json, Reason, Trajectory, Verdict
from tdlab.store._codec import Model, as_key, decode, decode_record, encode
from tdlab.store.history import GenerationRecord, Lineage

__all__ = [
    "CANDIDATE_COLUMNS",
    "INSERT_CANDIDATE",
    "WITHOUT_BODIES",
    "Candidate",
    "Counts",
    "Generation",
    "candidate_from_row",
    "candidate_row",
    "generation_from_row",
]

CANDIDATE_COLUMNS = "generation, position, accepted, reasons, lineage, features, verdict, blueprint, trajectory"
WITHOUT_BODIES = CANDIDATE_COLUMNS.replace("blueprint, trajectory", "NULL AS blueprint, NULL AS trajectory")
INSERT_CANDIDATE = (
    "INSERT INTO candidates VALUES (:generation, :position, :accepted, :cluster_id, :blueprint_id, :trajectory_id, "
    ":reasons, :lineage, :features, :verdict, :blueprint, :trajectory)"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Generation:
    """One turn of the evolution loop: its number from 0, and its result."""

    number: int
    record: GenerationRecord = field(default_factory=GenerationRecord)


@dataclass(frozen=True, kw_only=True, slots=True)
class Candidate:
    """One offspring and the decision about it.

    ``position`` counts from 0 within its ``generation``. ``reasons`` are the verdict's, or the bar that it missed;
    empty when accepted. A candidate that could not be planned has no ``blueprint``; one that could not be played, or is
    not worth keeping, has no ``trajectory``. ``features`` is a JSON mapping.
    """

    generation: int
    position: int
    accepted: bool
    reasons: tuple[Reason, ...] = ()
    lineage: Lineage = field(default_factory=Lineage)
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


def candidate_row(candidate: Candidate) -> dict[str, object]:
    """Return the values of a row of the table of candidates, by column."""
    what = f"candidate {candidate.generation}.{candidate.position}"
    blueprint, trajectory, verdict = candidate.blueprint, candidate.trajectory, candidate.verdict
    return {
        "generation": candidate.generation,
        "position": candidate.position,
        "accepted": int(candidate.accepted),
        "cluster_id": as_key(blueprint.cluster) if blueprint else None,
        "blueprint_id": as_key(blueprint.id) if blueprint else None,
        "trajectory_id": as_key(trajectory.id) if trajectory else None,
        "reasons": encode([str(reason) for reason in candidate.reasons], what),
        "lineage": encode(candidate.lineage, what),
        "features": encode(dict(candidate.features), what),
        "verdict": encode(verdict, what) if verdict else None,
        "blueprint": encode(blueprint, what) if blueprint else None,
        "trajectory": encode(trajectory, what) if trajectory else None,
    }


def candidate_from_row(row: sqlite3.Row) -> Candidate:
    """Return the candidate of a row of `CANDIDATE_COLUMNS`."""
    what = f"candidate {row['generation']}.{row['position']}"

    def record(kind: type[Model], column: str) -> Model | None:
        return None if row[column] is None else decode_record(kind, row[column], f"the {column} of {what}")

    return Candidate(
        generation=row["generation"],
        position=row["position"],
        accepted=bool(row["accepted"]),
        reasons=tuple(Reason.parse(line) for line in decode(row["reasons"])),
        lineage=decode_record(Lineage, row["lineage"], f"the lineage of {what}"),
        features=decode(row["features"]),
        verdict=record(Verdict, "verdict"),
        blueprint=record(Blueprint, "blueprint"),
        trajectory=record(Trajectory, "trajectory"),
    )


def generation_from_row(row: sqlite3.Row) -> Generation:
    """Return the generation of a row of its table."""
    number = row["number"]
    return Generation(number=number, record=decode_record(GenerationRecord, row["record"], f"generation {number}"))
