"""Count verdicts over a file, and compare them with a benchmark's own: an agreement table, Cohen's kappa, precisions.

A verdict without the world and the goal of a benchmark cannot match its reward: a conversation can be clean and miss
the goal. What lines up, and by how much more than the base rate, is measured here.
"""

from __future__ import annotations

from collections import Counter

from pydantic import Field

from tdlab.records import Record
from tdlab.tools import printable
from tdlab.verify.recording import CheckResult, RecordingVerdict

__all__ = ["Agreement", "CheckCount", "FlaggedPrecision", "VerdictExample", "VerdictTally", "VerificationReport"]

_EXAMPLES = 3
_PASSES = 1.0 - 1e-6  # tau2-bench counts a reward from here on as a pass


class VerdictExample(Record):
    """Where a check failed."""

    trajectory: str
    message: int | None = None
    reason: str


class CheckCount(Record):
    """How often a check passed, failed, and could not run; ``lacking`` counts why it could not."""

    passed: int = 0
    failed: int = 0
    not_known: int = 0
    lacking: dict[str, int] = Field(default_factory=dict)
    examples: tuple[VerdictExample, ...] = ()


class FlaggedPrecision(Record):
    """Of the trajectories that a check flags: how many there are, and how many of them the benchmark fails."""

    flagged: int
    failing: int

    @property
    def precision(self) -> float | None:
        """The share that the benchmark fails; None if nothing is flagged."""
        return self.failing / self.flagged if self.flagged else None


class Agreement(Record):
    """How verdicts line up with a benchmark's rewards, over the trajectories that have one.

    Attributes:
        accepted_passing: Accepted, and the benchmark passes it.
        accepted_failing: Accepted, and the benchmark fails it.
        rejected_passing: Rejected, and the benchmark passes it.
        rejected_failing: Rejected, and the benchmark fails it.
        checks: For each check that flags something, how many of those the benchmark fails.
    """

    accepted_passing: int = 0
    accepted_failing: int = 0
    rejected_passing: int = 0
    rejected_failing: int = 0
    checks: dict[str, FlaggedPrecision] = Field(default_factory=dict)

    @property
    def n(self) -> int:
        """The number of trajectories with a reward."""
        return self.accepted_passing + self.accepted_failing + self.rejected_passing + self.rejected_failing

    @property
    def base_rate(self) -> float | None:
        """The share that the benchmark fails: what a check that flags at random would reach."""
        return (self.accepted_failing + self.rejected_failing) / self.n if self.n else None

    @property
    def balanced_accuracy(self) -> float | None:
        """The mean of the shares of passing ones accepted and of failing ones rejected; None if one kind is missing.

        Example:
            >>> counts = Agreement(accepted_passing=8, rejected_passing=2, accepted_failing=6, rejected_failing=4)
            >>> counts.balanced_accuracy
            0.6
        """
        passing, failing = self.accepted_passing + self.rejected_passing, self.accepted_failing + self.rejected_failing
        if not passing or not failing:
            return None
        return (self.accepted_passing / passing + self.rejected_failing / failing) / 2

    @property
    def kappa(self) -> float | None:
        """Cohen's kappa: agreement beyond chance (Cohen, 1960); None where chance alone explains everything."""
        if not self.n:
            return None
        accepted = self.accepted_passing + self.accepted_failing
        passing = self.accepted_passing + self.rejected_passing
        by_chance = (accepted * passing + (self.n - accepted) * (self.n - passing)) / self.n**2
        observed = (self.accepted_passing + self.rejected_failing) / self.n
        return (observed - by_chance) / (1 - by_chance) if by_chance < 1 else None


class VerificationReport(Record):
    """The verdicts on one file, counted.

    ``agreement`` is None where no reward is recorded.
    """

    trajectories: int
    accepted: int
    checks: dict[str, CheckCount]
    agreement: Agreement | None = None


class VerdictTally:
    """Counts verdicts one by one; memory holds counts and the first examples.

    Example:
        >>> tally = VerdictTally()
        >>> tally.add(RecordingVerdict(trajectory="t", checks=(CheckResult(name="ending", state="passed"),)))
        >>> tally.report().accepted
        1
    """

    def __init__(self) -> None:
        self._trajectories = self._accepted = 0
        self._checks: dict[str, _CheckTally] = {}
        self._cells: Counter[tuple[bool, bool]] = Counter()
        self._flagged: Counter[str] = Counter()
        self._failing: Counter[str] = Counter()

    def add(self, verdict: RecordingVerdict) -> None:
        """Count one verdict."""
        self._trajectories += 1
        self._accepted += verdict.accepted
        for result in verdict.checks:
            self._checks.setdefault(result.name, _CheckTally()).add(verdict.trajectory, result)
        if verdict.reward is None:
            return
        passes = verdict.reward >= _PASSES
        self._cells[verdict.accepted, passes] += 1
        for result in verdict.failures:
            self._flagged[result.name] += 1
            self._failing[result.name] += not passes

    def report(self) -> VerificationReport:
        """Return the counts so far."""
        cells = self._cells
        agreement = Agreement(
            accepted_passing=cells[True, True],
            accepted_failing=cells[True, False],
            rejected_passing=cells[False, True],
            rejected_failing=cells[False, False],
            checks={
                name: FlaggedPrecision(flagged=number, failing=self._failing[name])
                for name, number in sorted(self._flagged.items())
            },
        )
        return VerificationReport(
            trajectories=self._trajectories,
            accepted=self._accepted,
            checks={name: tally.count() for name, tally in self._checks.items()},
            agreement=agreement if agreement.n else None,
        )


class _CheckTally:
    """The counts of one check."""

    def __init__(self) -> None:
        self._states: Counter[str] = Counter()
        self._lacking: Counter[str] = Counter()
        self._examples: list[VerdictExample] = []

    def add(self, trajectory: str, result: CheckResult) -> None:
        self._states[result.state] += 1
        if result.state == "not_known":
            self._lacking[result.reason] += 1
        elif result.state == "failed" and len(self._examples) < _EXAMPLES:
            reason = printable(result.reason, most=200)
            self._examples.append(VerdictExample(trajectory=trajectory, message=result.message, reason=reason))

    def count(self) -> CheckCount:
        return CheckCount(
            passed=self._states["passed"],
            failed=self._states["failed"],
            not_known=self._states["not_known"],
            lacking=dict(sorted(self._lacking.items())),
            examples=tuple(self._examples),
        )
