"""Count overlaps over a dataset."""

from __future__ import annotations

from collections import Counter

from pydantic import Field

from tdlab.contamination.benchmark import Benchmark, ContaminationRules
from tdlab.contamination.overlap import KINDS, Match, Overlap
from tdlab.records import Record

__all__ = ["BenchmarkSize", "ContaminationReport", "OverlapExample", "OverlapTally"]

_EXAMPLES = 3


class BenchmarkSize(Record):
    """What there is to compare with: tasks, distinct texts, names of tools, identifiers.

    ``cut`` counts the tasks of which only the beginning is compared, ``problems`` the parts of files that hold no task.
    """

    tasks: int
    texts: int
    names: int
    values: int
    cut: int = 0
    problems: int = 0


class OverlapExample(Record):
    """A trajectory that shares something, and what."""

    trajectory: str
    match: Match


class ContaminationReport(Record):
    """How far a dataset overlaps with benchmarks.

    Attributes:
        trajectories: The number compared.
        contaminated: Those that a deciding kind of overlap marks.
        kinds: The number of trajectories with each kind of overlap.
        strongest: The same, by the strongest kind that a trajectory has.
        examples: The largest overlaps of each kind.
        unread: The trajectories of which only a part was compared.
        rules: What counted.
        benchmark: What there was to compare with.
    """

    trajectories: int
    contaminated: int
    kinds: dict[str, int]
    strongest: dict[str, int]
    examples: dict[str, tuple[OverlapExample, ...]] = Field(default_factory=dict)
    unread: int = 0
    rules: ContaminationRules
    benchmark: BenchmarkSize

    @property
    def share(self) -> float | None:
        """The share of the trajectories that is contaminated; None if there are none."""
        return self.contaminated / self.trajectories if self.trajectories else None


class OverlapTally:
    """Counts overlaps one by one; memory holds counts and examples.

    Example:
        >>> tally = OverlapTally()
        >>> tally.add(Overlap(trajectory="t", contaminated=False))
        >>> tally.report(Benchmark()).trajectories
        1
    """

    def __init__(self) -> None:
        self._trajectories = self._contaminated = self._unread = 0
        self._kinds: Counter[str] = Counter()
        self._strongest: Counter[str] = Counter()
        self._examples: dict[str, list[OverlapExample]] = {}

    def add(self, overlap: Overlap) -> None:
        """Count what one trajectory shares."""
        self._trajectories += 1
        self._contaminated += overlap.contaminated
        self._unread += bool(overlap.unread)
        if overlap.strongest is not None:
            self._strongest[overlap.strongest.kind] += 1
        for match in overlap.matches:
            self._kinds[match.kind] += 1
            examples = self._examples.setdefault(match.kind, [])
            examples.append(OverlapExample(trajectory=overlap.trajectory, match=match))
            examples.sort(key=lambda example: (-example.match.size, -example.match.score))
            del examples[_EXAMPLES:]

    def report(self, benchmark: Benchmark, *, problems: int = 0) -> ContaminationReport:
        """Return the counts so far."""
        return ContaminationReport(
            trajectories=self._trajectories,
            contaminated=self._contaminated,
            kinds={kind: self._kinds[kind] for kind in KINDS},
            strongest={kind: self._strongest[kind] for kind in KINDS},
            examples={kind: tuple(self._examples[kind]) for kind in KINDS if kind in self._examples},
            unread=self._unread,
            rules=benchmark.rules,
            benchmark=BenchmarkSize(
                tasks=benchmark.tasks,
                texts=len(benchmark.texts),
                names=len(benchmark.names),
                values=len(benchmark.values),
                cut=benchmark.cut,
                problems=problems,
            ),
        )
