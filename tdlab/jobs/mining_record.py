"""What a run stores about its mining: the miner's report, and what was read of the pool."""

from __future__ import annotations

from pydantic import Field

from tdlab.clusters import MiningReport
from tdlab.records import Record

__all__ = ["IssueCount", "MiningRecord"]


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
