"""The quality report of a set: each measure with its N, interval and examples; several reports as a table."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal

from tdlab.records import Record

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Measure", "QualityExample", "QualityReport", "clustered_interval", "quality_table", "wilson_interval"]

_Z = 1.959963984540054  # the normal quantile of a 95 % interval


class QualityExample(Record):
    """One place where a measure found something: the trajectory's id, and a short text."""

    trajectory: str
    text: str


class Measure(Record):
    """One measure of a set.

    Attributes:
        title: A short name for tables.
        kind: ``share`` in [0, 1], or ``value``.
        value: The share or value; None where it cannot be determined ("not known"), never 0 for that.
        low: Lower end of the 95 % interval; None with the value.
        high: Upper end.
        count: How many of N it was found in; None for a value.
        n: How many things it was measured over.
        unit: What these things are.
        trajectories: How many trajectories have such a thing.
        examples: A few places where it was found.
    """

    title: str
    kind: Literal["share", "value"] = "share"
    value: float | None = None
    low: float | None = None
    high: float | None = None
    count: int | None = None
    n: int = 0
    unit: str
    trajectories: int = 0
    examples: tuple[QualityExample, ...] = ()


class QualityReport(Record):
    """The quality of a set of trajectories; `measure_quality` makes it.

    Attributes:
        trajectories: Number of trajectories.
        measures: Each measure by name, in the order of the table.
        contradictions: How many conversations have each kind of contradiction.
        sampled_messages: How many user messages, drawn at random by the seed, the self-BLEU was measured on.
    """

    trajectories: int
    measures: dict[str, Measure]
    contradictions: dict[str, int]
    sampled_messages: int


def wilson_interval(share: float, n: float) -> tuple[float, float]:
    """Return the 95 % Wilson interval of a share.

    Args:
        share: The observed share, in [0, 1].
        n: The number of observations, or an effective number; above 0.

    Returns:
        Lower and upper end, in [0, 1].

    Example:
        >>> wilson_interval(0.5, 100)
        (0.404, 0.596)
    """
    centre = share + _Z * _Z / (2 * n)
    spread = _Z * math.sqrt(share * (1 - share) / n + _Z * _Z / (4 * n * n))
    scale = 1 + _Z * _Z / n
    return max(0.0, (centre - spread) / scale), min(1.0, (centre + spread) / scale)


def clustered_interval(pairs: Sequence[tuple[int, int]]) -> tuple[float, float]:
    """Return the 95 % interval of a share whose observations come in clusters, such as calls of conversations.

    Observations of one conversation resemble each other, so N of them say less than N independent ones. The Wilson
    interval is taken at the effective number: N divided by the design effect, which follows from the variance of the
    ratio between clusters. Where none or all of the observations count, the effective number is that of clusters.

    Args:
        pairs: For each cluster with observations, how many count and how many there are.

    Returns:
        Lower and upper end, in [0, 1].

    Example:
        >>> clustered_interval([(1, 1), (0, 1)] * 50)
        (0.404, 0.596)
        >>> clustered_interval([(10, 10), (0, 10)] * 50)
        (0.404, 0.596)
    """
    clusters, total = len(pairs), sum(n for _, n in pairs)
    share = sum(count for count, _ in pairs) / total
    if not 0 < share < 1 or clusters < 2:
        return wilson_interval(share, clusters)
    between = sum((count - share * n) ** 2 for count, n in pairs) * clusters / (clusters - 1) / total**2
    effective = share * (1 - share) / between if between else total
    return wilson_interval(share, max(1.0, min(effective, total)))


def quality_table(reports: Mapping[str, QualityReport]) -> pd.DataFrame:
    """Tabulate several reports.

    Args:
        reports: Reports by dataset name.

    Returns:
        One row per dataset and measure, in the given order, with the columns ``dataset``, ``measure`` and the fields
        of `Measure` without the examples. What is not known is a missing value.

    Example:
        >>> from tdlab.formats import read_trajectories
        >>> report = measure_quality(read_trajectories("runs/first/dataset.jsonl").trajectories)
        >>> quality_table({"mine": report})["dataset"].unique().tolist()
        ['mine']
    """
    import pandas as pd

    columns = ["dataset", "measure", *(name for name in Measure.model_fields if name != "examples")]
    rows = [
        {"dataset": dataset, "measure": name, **measure.model_dump(exclude={"examples"})}
        for dataset, report in reports.items()
        for name, measure in report.measures.items()
    ]
    frame = pd.DataFrame(rows, columns=columns)
    numbers = {"value": "float64", "low": "float64", "high": "float64", "count": "Int64"}
    return frame.astype({**numbers, "n": "int64", "trajectories": "int64"})
