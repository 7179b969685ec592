"""What a run stores about its mining: the miner's report, and what was read of the pool."""

from __future__ import annotations

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
    """

    read: int
    issues: tuple[IssueCount, ...]
