"""The full statement of how diverse a set is, as one JSON-able record, and several of them as a table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tdlab.diversity._resample import draw, generator
from tdlab.diversity._tally import ONE
from tdlab.diversity.complexity import Complexity
from tdlab.diversity.entropy import Counts, EntropySummary, SplitCounts, hill_number, summarise
from tdlab.diversity.modes import MODE_VERSION, POSSIBLE_TRIGRAMS, trigrams
from tdlab.pool.naming import NAMING_VERSION
from tdlab.records import Record, Tool

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["CacSummary", "Coverage", "DiversityReport", "HillNumbers", "build_report", "profile_table"]

_COMPONENTS = ("calls", "leaves", "bound", "new_tools", "service_changes", "recoveries")


class HillNumbers(Record):
    """Effective numbers of categories: all of them, the common ones (2^H), the dominant ones (1 / sum p^2)."""

    q0: float
    q1: float
    q2: float


class CacSummary(Record):
    """CAC over a set: mean with its bootstrap interval at ``level``, quantiles, and the mean of each raw component."""

    mean: float
    low: float
    high: float
    level: float
    minimum: float
    q05: float
    q25: float
    median: float
    q75: float
    q95: float
    maximum: float
    components: dict[str, float]


class Coverage(Record):
    """How much of the tools was used. Shares are of the pool that was named; None where none was.

    ``tools`` and ``parameters`` count what was called and given; ``known_*`` what the pool has; a share counts only
    what is in the pool, so that calls of invented tools raise nothing.
    """

    calls: int
    tools: int
    parameters: int
    known_tools: int | None = None
    known_parameters: int | None = None
    tool_share: float | None = None
    parameter_share: float | None = None

    @classmethod
    def of(
        cls,
        tools: Mapping[str, int],
        parameters: Mapping[str, int],
        pool: Mapping[str, Tool] | None,
        *,
        calls: int,
    ) -> Coverage:
        """From use counts by tool key and by ``key:parameter``."""
        if pool is None:
            return cls(calls=calls, tools=len(tools), parameters=len(parameters))
        known = {f"{key}:{name}" for key, tool in pool.items() for name in tool.parameters}
        return cls(
            calls=calls,
            tools=len(tools),
            parameters=len(parameters),
            known_tools=len(pool),
            known_parameters=len(known),
            tool_share=sum(key in pool for key in tools) / len(pool) if pool else 0.0,
            parameter_share=sum(key in known for key in parameters) / len(known) if known else 0.0,
        )


class DiversityReport(Record):
    """How diverse a set of ``trajectories`` is. ``hill`` has the Hill numbers of each of the four entropies by name.

    ``domain`` is H_dom; ``tool_sequence``, ``signature`` and ``trigrams`` are H_mode (a), (b) and (c). ``mode_version``
    and ``naming_version`` name the rules behind the modes: numbers of different versions do not compare.
    """

    trajectories: int
    domain: EntropySummary
    tool_sequence: EntropySummary
    signature: EntropySummary
    trigrams: EntropySummary
    cac: CacSummary
    coverage: Coverage
    hill: dict[str, HillNumbers]
    mode_version: str = MODE_VERSION
    naming_version: str = NAMING_VERSION


def build_report(
    *,
    size: int,
    domains: Mapping[tuple[tuple[str, int], ...], int],
    sequences: list[int],
    signatures: Mapping[tuple[str, ...], int],
    complexities: Mapping[Complexity, int],
    coverage: Coverage,
    categories: int | None,
    seed: int,
    rarefy_to: int | None,
    replicates: int,
    level: float,
) -> DiversityReport:
    """A report from the counts of kinds of trajectory; all iteration is sorted, so that history leaves no trace."""
    counts: dict[str, tuple[Counts, int | None]] = {
        "domain": (SplitCounts.of((_masses(kind), count) for kind, count in sorted(domains.items())), categories),
        "tool_sequence": (sorted(sequences), None),
        "signature": ([count for _, count in sorted(signatures.items())], None),
        "trigrams": (
            SplitCounts.of((Counter(trigrams(kind)), count) for kind, count in sorted(signatures.items())),
            POSSIBLE_TRIGRAMS,
        ),
    }
    entropies = {
        name: summarise(found, categories=top, seed=seed, rarefy_to=rarefy_to, replicates=replicates, level=level)
        for name, (found, top) in counts.items()
    }
    return DiversityReport(
        trajectories=size,
        **entropies,
        cac=_cac_summary(complexities, seed=seed, replicates=replicates, level=level),
        coverage=coverage,
        hill={
            name: HillNumbers(q0=hill_number(found, 0), q1=hill_number(found, 1), q2=hill_number(found, 2))
            for name, (found, _) in counts.items()
        },
    )


def _masses(kind: tuple[tuple[str, int], ...]) -> dict[str, float]:
    return {domain: mass / ONE for domain, mass in kind}


def _cac_summary(complexities: Mapping[Complexity, int], *, seed: int, replicates: int, level: float) -> CacSummary:
    import numpy as np

    if not complexities:
        nothing = dict.fromkeys(
            ("mean", "low", "high", "minimum", "q05", "q25", "median", "q75", "q95", "maximum"), 0.0
        )
        return CacSummary(**nothing, level=level, components=dict.fromkeys(_COMPONENTS, 0.0))
    kinds = sorted(complexities.items(), key=lambda pair: [getattr(pair[0], name) for name in ("value", *_COMPONENTS)])
    values = np.array([kind.value for kind, _ in kinds])
    counts = np.array([count for _, count in kinds], dtype=np.int64)
    size = int(counts.sum())
    rng = generator("cac", seed)
    means = np.concatenate([rows @ values / size for rows in draw(counts, rng, replicates, size, False)])
    tail = (1.0 - level) / 2.0
    low, high = (float(bound) for bound in np.quantile(means, [tail, 1.0 - tail]))
    mean = float(values @ counts / size)
    q05, q25, median, q75, q95 = (
        float(q) for q in np.quantile(np.repeat(values, counts), [0.05, 0.25, 0.5, 0.75, 0.95])
    )
    return CacSummary(
        mean=mean,
        low=min(low, mean),
        high=max(high, mean),
        level=level,
        minimum=float(values[0]),
        q05=q05,
        q25=q25,
        median=median,
        q75=q75,
        q95=q95,
        maximum=float(values[-1]),
        components={name: float(sum(getattr(k, name) * c for k, c in kinds)) / size for name in _COMPONENTS},
    )


def profile_table(reports: Mapping[str, DiversityReport]) -> pd.DataFrame:
    """One row a dataset and metric, in the order given: dataset, metric, value, n, units, k, ceiling, ... as columns.

    The metrics are domain, tool_sequence, signature, trigrams (bits, the fields of `EntropySummary`) and cac, whose
    value is the mean and which has no ceiling and no corrections (missing values there).
    """
    import pandas as pd

    columns = ["dataset", "metric", *EntropySummary.model_fields]
    rows: list[dict[str, Any]] = []
    for dataset, report in reports.items():
        for metric in ("domain", "tool_sequence", "signature", "trigrams"):
            rows.append({"dataset": dataset, "metric": metric, **getattr(report, metric).model_dump()})
        cac = report.cac
        rows.append(
            {
                "dataset": dataset,
                "metric": "cac",
                "value": cac.mean,
                "n": report.trajectories,
                "units": report.trajectories,
                "low": cac.low,
                "high": cac.high,
                "level": cac.level,
            }
        )
    whole = ["n", "units", "k", "categories", "rarefied_to"]
    frame = pd.DataFrame(rows, columns=columns)
    kinds = {column: "Int64" if column in whole else "float64" for column in columns[2:]}
    return frame.astype(kinds)
