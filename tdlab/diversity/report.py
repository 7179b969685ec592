"""The diversity report of a set as one JSON-compatible record, and several reports as a table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from tdlab.diversity._resample import draw, generator
from tdlab.diversity._tally import ONE
from tdlab.diversity.complexity import Complexity
from tdlab.diversity.counts import PreparedCounts, SplitCounts, prepare_counts
from tdlab.diversity.entropy import EntropySummary, hill_number, summarise
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
    """Effective numbers of categories (Hill 1973): all (q0), the common ones (q1 = 2^H), the dominant ones (q2)."""

    q0: float
    q1: float
    q2: float


class CacSummary(Record):
    """CAC of a set: mean with its bootstrap interval at ``level``, quantiles, and the mean of each raw component."""

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
    """How much of a pool of tools a set used.

    Shares count only what is in the pool, so that calls of invented tools raise nothing. Dependencies that only order
    two tools carry no value and are not counted.

    Attributes:
        calls: Number of calls.
        tools: Number of different tools that were called.
        parameters: Number of different parameters that were given.
        known_tools: Number of tools of the pool; None without a pool, like the other fields about it.
        known_parameters: Number of parameters of the pool.
        tool_share: Share of the pool's tools that were called, in [0, 1].
        parameter_share: Share of the pool's parameters that were given.
        dependencies: Number of (source tool, target tool, parameter) triples along which a value went.
        known_dependencies: Number of such triples that exist.
        dependency_share: Share of them that were used.
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
        """Compute coverage from counts by tool key and by ``key:parameter``, and the ``flows`` that were observed."""
        coverage = cls(calls=calls, tools=len(tools), parameters=len(parameters), dependencies=len(flows))
        shares: dict[str, Any] = {}
        if pool is not None:
            declared = {f"{key}:{name}" for key, tool in pool.items() for name in tool.parameters}
            shares |= {
                "known_tools": len(pool),
                "known_parameters": len(declared),
                "tool_share": sum(key in pool for key in tools) / len(pool) if pool else 0.0,
                "parameter_share": sum(key in declared for key in parameters) / len(declared) if declared else 0.0,
            }
        if dependencies is not None:
            edges = {(edge.source, edge.target, edge.parameter) for edge in dependencies if edge.parameter}
            shares |= {
                "known_dependencies": len(edges),
                "dependency_share": sum(flow in edges for flow in flows) / len(edges) if edges else 0.0,
            }
        return coverage.model_copy(update=shares)


class DiversityReport(Record):
    """The diversity of a set of trajectories; made by `DiversityMeter.report`, `profile` and `compare`.

    Attributes:
        trajectories: Number of trajectories.
        domain: H_dom; None (not known) where no trajectory's services are known.
        tool_sequence: H_mode (a).
        signature: H_mode (b).
        trigrams: H_mode (c).
        cac: CAC.
        coverage: Use of the pool.
        hill: Hill numbers of each entropy, by name.
        mode_version: Version of the rules behind the modes; values of different versions cannot be compared.
        naming_version: Version of the rules that read tool definitions, likewise.
        without_service: Number of trajectories whose services are not known; they count as domain "other".
    """

    trajectories: int
    domain: EntropySummary | None
    tool_sequence: EntropySummary
    signature: EntropySummary
    trigrams: EntropySummary
    cac: CacSummary
    coverage: Coverage
    hill: dict[str, HillNumbers]
    mode_version: str = MODE_VERSION
    naming_version: str = NAMING_VERSION
    without_service: int = 0


def metric_counts(
    domains: Mapping[tuple[tuple[str, int], ...], int],
    sequences: list[int],
    signatures: Mapping[tuple[str, ...], int],
) -> dict[str, PreparedCounts]:
    """Return the counts of the four entropies by name, in an order that does not depend on the order of additions."""
    ordered = sorted(signatures.items())
    return {
        "domain": prepare_counts(SplitCounts.of((_masses(kind), count) for kind, count in sorted(domains.items()))),
        "tool_sequence": prepare_counts(sorted(sequences)),
        "signature": prepare_counts([count for _, count in ordered]),
        "trigrams": prepare_counts(SplitCounts.of((Counter(trigrams(kind)), count) for kind, count in ordered)),
    }


def build_report(
    *,
    size: int,
    without_service: int,
    counts: Mapping[str, PreparedCounts],
    complexities: Mapping[Complexity, int],
    coverage: Coverage,
    categories: int | None,
    seed: int,
    rarefy_to: int | None,
    cover_to: Mapping[str, float] | None,
    replicates: int,
    level: float,
) -> DiversityReport:
    """Build a report from the counts of `metric_counts`."""
    possible = {"domain": categories, "trigrams": POSSIBLE_TRIGRAMS}
    entropies: dict[str, Any] = {"domain": None}
    if size and without_service == size:
        counts = {name: prepared for name, prepared in counts.items() if name != "domain"}
    for name, prepared in counts.items():
        summary = summarise(
            prepared, categories=possible.get(name), seed=seed, rarefy_to=rarefy_to, replicates=replicates, level=level
        )
        if cover_to is not None and name in cover_to:
            estimate = at_coverage(prepared, cover_to[name], seed=seed)
            summary = summary.model_copy(
                update={
                    "covered_to": cover_to[name],
                    "covered_size": None if estimate is None else estimate.size,
                    "covered": None if estimate is None else estimate.entropy,
                }
            )
        entropies[name] = summary
    return DiversityReport(
        trajectories=size,
        **entropies,
        cac=_cac_summary(complexities, seed=seed, replicates=replicates, level=level),
        coverage=coverage,
        hill={
            name: HillNumbers(q0=hill_number(prepared, 0), q1=hill_number(prepared, 1), q2=hill_number(prepared, 2))
            for name, prepared in counts.items()
        },
        without_service=without_service,
    )


def _masses(kind: tuple[tuple[str, int], ...]) -> dict[str, float]:
    return {domain: mass / ONE for domain, mass in kind}


def _cac_summary(complexities: Mapping[Complexity, int], *, seed: int, replicates: int, level: float) -> CacSummary:
    import numpy as np

    if not complexities:
        zeros = dict.fromkeys(("mean", "low", "high", "minimum", "q05", "q25", "median", "q75", "q95", "maximum"), 0.0)
        return CacSummary(**zeros, level=level, components=dict.fromkeys(_COMPONENTS, 0.0))
    row_of = attrgetter("value", *_COMPONENTS)
    kinds = sorted((row_of(kind), count) for kind, count in complexities.items())
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
    """Tabulate several reports.

    Args:
        reports: Reports by dataset name.

    Returns:
        One row per dataset and metric, in the given order, with missing values where it is not known. Columns:
        ``dataset``, ``metric`` (``domain``, ``tool_sequence``, ``signature``, ``trigrams``, in bits, and ``cac``), and
        the fields of `EntropySummary`. The value of ``cac`` is the mean; it has no ceiling and no corrections.

    Example:
        >>> profile_table({"mine": DiversityMeter().report()})["metric"].tolist()
        ['domain', 'tool_sequence', 'signature', 'trigrams', 'cac']
    """
    import pandas as pd

    columns = ["dataset", "metric", *EntropySummary.model_fields]
    rows: list[dict[str, Any]] = []
    for dataset, report in reports.items():
        for metric in ("domain", "tool_sequence", "signature", "trigrams"):
            estimate = getattr(report, metric)
            rows.append({"dataset": dataset, "metric": metric, **({} if estimate is None else estimate.model_dump())})
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
    whole_columns = ["n", "units", "k", "categories", "rarefied_to"]
    frame = pd.DataFrame(rows, columns=columns)
    types = {column: "Int64" if column in whole_columns else "float64" for column in columns[2:]}
    return frame.astype(types)


_LABELS = {
    "domain": "H_dom",
    "tool_sequence": "H_mode (a) tool sequence",
    "signature": "H_mode (b) signature",
    "trigrams": "H_mode (c) trigrams",
    "cac": "CAC",
}


def comparison_frame(reports: Mapping[str, DiversityReport]) -> pd.DataFrame:
    """Tabulate several reports of `compare` in tidy form, for a figure.

    Args:
        reports: Reports by dataset name.

    Returns:
        One row per dataset, metric and basis, in the given order. ``basis`` is "all" (the whole set; not comparable
        across sizes), "equal N" (rarefied to ``n`` trajectories) or "equal coverage" (at the common sample
        ``coverage``, which the set has at ``n`` draws). Columns: ``dataset``, ``metric``, ``label`` and ``unit`` (for
        axes), ``basis``, ``value``, ``low`` and ``high`` (interval; missing at equal coverage), ``n``,
        ``trajectories`` and ``k`` (of the whole set), ``ceiling`` (in bits, at this ``n``; missing for CAC and at
        equal coverage), ``share`` (value / ceiling), ``coverage``. A set that cannot reach the common N or coverage has
        rows with missing values. CAC is a mean and has the basis "all" only.

    Example:
        >>> comparison_frame({"mine": DiversityMeter().report()})["basis"].unique().tolist()
        ['all']
    """
    import pandas as pd

    rows: list[dict[str, Any]] = []
    for dataset, report in reports.items():
        for metric in ("domain", "tool_sequence", "signature", "trigrams"):
            summary: EntropySummary | None = getattr(report, metric)
            if summary is None:
                rows.append(
                    {"dataset": dataset, "metric": metric, "label": _LABELS[metric], "unit": "bits", "basis": "all"}
                    | {"trajectories": report.trajectories}
                )
                continue
            common: dict[str, Any] = {"dataset": dataset, "metric": metric, "label": _LABELS[metric], "unit": "bits"}
            common |= {"trajectories": summary.units, "k": summary.k}
            rows.append(
                common
                | {"basis": "all", "value": summary.value, "low": summary.low, "high": summary.high, "n": summary.units}
                | {"ceiling": summary.ceiling, "share": summary.normalised, "coverage": summary.coverage}
            )
            if summary.rarefied_to is not None:
                top = summary.rarefied_ceiling
                rows.append(
                    common
                    | {"basis": "equal N", "n": summary.rarefied_to, "value": summary.rarefied, "ceiling": top}
                    | {"low": summary.rarefied_low, "high": summary.rarefied_high}
                    | {"share": summary.rarefied / top if summary.rarefied is not None and top else None}
                )
            if summary.covered_to is not None:
                rows.append(
                    common
                    | {"basis": "equal coverage", "value": summary.covered, "n": summary.covered_size}
                    | {"coverage": summary.covered_to}
                )
        cac = report.cac
        common = {"dataset": dataset, "metric": "cac", "label": _LABELS["cac"], "unit": "", "basis": "all"}
        common |= {"value": cac.mean, "low": cac.low, "high": cac.high}
        rows.append(common | {"n": report.trajectories, "trajectories": report.trajectories})
    text_columns = ["dataset", "metric", "label", "unit", "basis"]
    number_columns = ["value", "low", "high", "n", "trajectories", "k", "ceiling", "share", "coverage"]
    frame = pd.DataFrame(rows, columns=[*text_columns, *number_columns])
    whole_columns = ["trajectories", "k"]
    return frame.astype({column: "Int64" if column in whole_columns else "float64" for column in number_columns})
