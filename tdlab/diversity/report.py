"""The full statement of how diverse a set is, as one JSON-able record, and several of them as a table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from tdlab.diversity._resample import draw, generator
from tdlab.diversity._tally import ONE
from tdlab.diversity.complexity import Complexity
from tdlab.diversity.entropy import EntropySummary, Prepared, SplitCounts, hill_number, prepare, summarise
from tdlab.diversity.equal_coverage import at_coverage
from tdlab.diversity.modes import MODE_VERSION, POSSIBLE_TRIGRAMS, trigrams
from tdlab.records import Dependency, Record, Tool
from tdlab.tools import NAMING_VERSION

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "CacSummary",
    "Coverage",
    "DiversityReport",
    "HillNumbers",
    "build_report",
    "comparison_frame",
    "metric_counts",
    "profile_table",
]

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

    ``tools`` and ``parameters`` count what was called and given, ``dependencies`` the (source tool, target tool,
    parameter) triples along which a value went; ``known_*`` what the pool has; a share counts only what is in the pool,
    so that calls of invented tools raise nothing. Dependencies that only order two tools bind nothing and are not
    counted.
    """

    calls: int
    tools: int
    parameters: int
    known_tools: int | None = None
    known_parameters: int | None = None
    tool_share: float | None = None
    parameter_share: float | None = None
    dependencies: int = 0
    known_dependencies: int | None = None
    dependency_share: float | None = None

    @classmethod
    def of(
        cls,
        tools: Mapping[str, int],
        parameters: Mapping[str, int],
        pool: Mapping[str, Tool] | None,
        *,
        calls: int,
        flows: Collection[tuple[str, str, str]] = (),
        dependencies: Iterable[Dependency] | None = None,
    ) -> Coverage:
        """From use counts by tool key and by ``key:parameter``, and the ``flows`` that were seen."""
        found = cls(calls=calls, tools=len(tools), parameters=len(parameters), dependencies=len(flows))
        shares: dict[str, Any] = {}
        if pool is not None:
            known = {f"{key}:{name}" for key, tool in pool.items() for name in tool.parameters}
            shares |= {
                "known_tools": len(pool),
                "known_parameters": len(known),
                "tool_share": sum(key in pool for key in tools) / len(pool) if pool else 0.0,
                "parameter_share": sum(key in known for key in parameters) / len(known) if known else 0.0,
            }
        if dependencies is not None:
            edges = {(one.source, one.target, one.parameter) for one in dependencies if one.parameter}
            shares |= {
                "known_dependencies": len(edges),
                "dependency_share": sum(flow in edges for flow in flows) / len(edges) if edges else 0.0,
            }
        return found.model_copy(update=shares)


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


def metric_counts(
    domains: Mapping[tuple[tuple[str, int], ...], int],
    sequences: list[int],
    signatures: Mapping[tuple[str, ...], int],
) -> dict[str, Prepared]:
    """Counts of the four entropies by name, in an order in which history leaves no trace."""
    ordered = sorted(signatures.items())
    return {
        "domain": prepare(SplitCounts.of((_masses(kind), count) for kind, count in sorted(domains.items()))),
        "tool_sequence": prepare(sorted(sequences)),
        "signature": prepare([count for _, count in ordered]),
        "trigrams": prepare(SplitCounts.of((Counter(trigrams(kind)), count) for kind, count in ordered)),
    }


def build_report(
    *,
    size: int,
    counts: Mapping[str, Prepared],
    complexities: Mapping[Complexity, int],
    coverage: Coverage,
    categories: int | None,
    seed: int,
    rarefy_to: int | None,
    cover_to: Mapping[str, float] | None,
    replicates: int,
    level: float,
) -> DiversityReport:
    """A report from the counts of `metric_counts`."""
    known = {"domain": categories, "trigrams": POSSIBLE_TRIGRAMS}
    entropies: dict[str, EntropySummary] = {}
    for name, found in counts.items():
        summary = summarise(
            found, categories=known.get(name), seed=seed, rarefy_to=rarefy_to, replicates=replicates, level=level
        )
        if cover_to is not None and name in cover_to:
            reached = at_coverage(found, cover_to[name], seed=seed)
            summary = summary.model_copy(
                update={
                    "covered_to": cover_to[name],
                    "covered_size": None if reached is None else reached.size,
                    "covered": None if reached is None else reached.entropy,
                }
            )
        entropies[name] = summary
    return DiversityReport(
        trajectories=size,
        **entropies,
        cac=_cac_summary(complexities, seed=seed, replicates=replicates, level=level),
        coverage=coverage,
        hill={
            name: HillNumbers(q0=hill_number(found, 0), q1=hill_number(found, 1), q2=hill_number(found, 2))
            for name, found in counts.items()
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
    parts = attrgetter("value", *_COMPONENTS)
    kinds = sorted((parts(kind), count) for kind, count in complexities.items())
    table = np.array([kind for kind, _ in kinds], dtype=np.float64)
    values = table[:, 0]
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
        components={name: float(table[:, column] @ counts) / size for column, name in enumerate(_COMPONENTS, 1)},
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


_LABELS = {
    "domain": "H_dom",
    "tool_sequence": "H_mode (a) tool sequence",
    "signature": "H_mode (b) signature",
    "trigrams": "H_mode (c) trigrams",
    "cac": "CAC",
}


def comparison_frame(reports: Mapping[str, DiversityReport]) -> pd.DataFrame:
    """What a figure of several datasets needs, tidy: one row a dataset, metric and basis, in the order given.

    ``basis`` is "all" (each set whole: not comparable across sizes), "equal N" (rarefied to ``n`` trajectories) or
    "equal coverage" (at the sample ``coverage`` that all sets reach, where each has it at ``n`` draws). Columns:
    dataset, metric, label and unit (for axes), basis, value, low and high (the interval; missing at equal coverage), n,
    trajectories (of the whole set), k (categories seen in the whole set), ceiling (bits, at this n; missing for CAC and
    at equal coverage), share (value / ceiling) and coverage. Rows whose value cannot be had (a set smaller than the
    common N, or short of the common coverage) are there with missing values. CAC is a mean and has the basis "all"
    alone.
    """
    import pandas as pd

    rows: list[dict[str, Any]] = []
    for dataset, report in reports.items():
        for metric in ("domain", "tool_sequence", "signature", "trigrams"):
            one: EntropySummary = getattr(report, metric)
            about: dict[str, Any] = {"dataset": dataset, "metric": metric, "label": _LABELS[metric], "unit": "bits"}
            about |= {"trajectories": one.units, "k": one.k}
            rows.append(
                about
                | {"basis": "all", "value": one.value, "low": one.low, "high": one.high, "n": one.units}
                | {"ceiling": one.ceiling, "share": one.normalised, "coverage": one.coverage}
            )
            if one.rarefied_to is not None:
                top = one.rarefied_ceiling
                rows.append(
                    about
                    | {"basis": "equal N", "value": one.rarefied, "low": one.rarefied_low, "high": one.rarefied_high}
                    | {"n": one.rarefied_to, "ceiling": top}
                    | {"share": one.rarefied / top if one.rarefied is not None and top else None}
                )
            if one.covered_to is not None:
                rows.append(
                    about
                    | {"basis": "equal coverage", "value": one.covered, "n": one.covered_size}
                    | {"coverage": one.covered_to}
                )
        cac = report.cac
        about = {"dataset": dataset, "metric": "cac", "label": _LABELS["cac"], "unit": "", "basis": "all"}
        about |= {"value": cac.mean, "low": cac.low, "high": cac.high}
        rows.append(about | {"n": report.trajectories, "trajectories": report.trajectories})
    words = ["dataset", "metric", "label", "unit", "basis"]
    numbers = ["value", "low", "high", "n", "trajectories", "k", "ceiling", "share", "coverage"]
    frame = pd.DataFrame(rows, columns=[*words, *numbers])
    whole = ["trajectories", "k"]
    return frame.astype({column: "Int64" if column in whole else "float64" for column in numbers})
