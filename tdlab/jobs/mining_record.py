"""What a run stores about its mining: the miner's report, and what was read of the pool, and counts of its issues."""

from __future__ import annotations

from pydantic import Field

from tdlab.clusters import MiningReport
from tdlab.pool import PoolIssue, ToolPool
from tdlab.records import Record

__all__ = ["IssueCount", "MiningRecord", "issue_counts"]


class IssueCount(Record):
    """How many issues of one kind a pool has.

    Attributes:
        severity: ``error``, ``fixed`` or ``note``.
        code: The kind, a stable word.
        count: How many there are.
        example: One of them, in words.
    """

    severity: str
    code: str
    count: int
    example: str


class MiningRecord(MiningReport):
    """The report of a run's mining, as `tdlab.store.RunStore.mining` gives it in JSON.

    Attributes:
        read: How many tool definitions were read.
        issues: The issues of the pool by kind, errors first.
        frames: For each service that is executed, how many of its task frames the clusters reach, and how many it has.
    """

    read: int
    issues: tuple[IssueCount, ...]
    frames: dict[str, tuple[int, int]] = Field(default_factory=dict)


def issue_counts(pool: ToolPool) -> tuple[IssueCount, ...]:
    """Count the issues of a pool by kind.

    Args:
        pool: The pool.

    Returns:
        One count per severity and code, errors first, with an example each.

    Example:
        >>> from tdlab.pool import ToolPool
        >>> issue_counts(ToolPool.bundled())
        ()
    """
    kinds: dict[tuple[str, str], list[PoolIssue]] = {}
    for issue in pool.issues:
        kinds.setdefault((issue.severity, issue.code), []).append(issue)
    order = ("error", "fixed", "note")
    return tuple(
        IssueCount(severity=severity, code=code, count=len(issues), example=_describe(issues[0]))
        for (severity, code), issues in sorted(kinds.items(), key=lambda kind: (order.index(kind[0][0]), kind[0][1]))
    )


def _describe(issue: PoolIssue) -> str:
    name = "/".join(name for name in (issue.service, issue.tool) if name is not None)
    return f"{name}: {issue.found}" if name else issue.found
