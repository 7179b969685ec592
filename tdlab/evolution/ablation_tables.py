"""The tables of an ablation: arms, measurements of each run, and pooling over seeds.

An arm is the config with one part of the evolution removed, or with a control in its place; a cell is an arm with a
seed. All cells are compared at the same N, that of the smallest: entropies are rarefied to it and stand beside their
ceiling there. Over seeds, a number is a mean with its 95 % interval (Student 1908); ratios to the baseline are of cells
with the same seed. `tdlab.ablate` makes the runs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from tdlab.config import RunConfig
from tdlab.diversity import (
    POSSIBLE_TRIGRAMS,
    DiversityMeter,
    Features,
    PreparedCounts,
    ceiling,
    rarefied_entropy,
    taxonomy_domains,
)
from tdlab.errors import ConfigError
from tdlab.store import RunStore

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "ARMS",
    "METRICS",
    "Cell",
    "Measured",
    "ablation_cells",
    "ablation_markdown",
    "interval",
    "measure_run",
    "pool_cells",
    "tabulate",
]

ARMS: dict[str, dict[str, Any]] = {
    "evolved": {"evolution__strategy": "evolved"},
    "no_domain_gauge": {"evolution__strategy": "evolved", "evolution__domain_threshold": 0.0},
    "no_mode_gauge": {"evolution__strategy": "evolved", "evolution__mode_threshold": 0.0},
    "no_cac_gauge": {"evolution__strategy": "evolved", "evolution__complexity_threshold": 0.0},
    "no_evolution": {"evolution__strategy": "planned"},
    "random": {"evolution__strategy": "random"},
    "quantity": {"evolution__strategy": "quantity"},
}
"""Arms, and the config values that make each, as `RunConfig.with_values` takes them."""

METRICS: dict[str, str] = {
    "domain": "H_dom (bits)",
    "signature": "H_mode, signature (bits)",
    "trigrams": "H_mode, trigrams (bits)",
    "tool_sequence": "H_mode, tool sequence (bits)",
    "cac": "mean CAC",
    "verified": "verified / played",
    "kept": "kept / tried",
}
"""Metrics, and the title of each with its unit. ``verified`` counts near-duplicates as not verified."""

_CONFIDENCE = 0.95
_ENTROPIES = ("domain", "signature", "trigrams", "tool_sequence")


class Cell(NamedTuple):
    """One run of an ablation: an arm with a seed."""

    arm: str
    seed: int
    config: RunConfig

    @property
    def name(self) -> str:
        """The name of its folder."""
        return f"{self.arm}-seed{self.seed}"


class Measured(NamedTuple):
    """Measurements of one run, before a common N is known; made by `measure_run`.

    Attributes:
        cell: Name of the cell.
        status: Status of the run, or why it stopped short of its target.
        trajectories: Number of trajectories that were kept.
        tried: Number of offspring.
        played: Number of offspring that were played and verified.
        verified: Number of those that passed verification.
        categories: Number of domains that exist: the taxonomy's 37, and those of the clusters outside it.
        counts: Counts of each entropy, by name.
        cac: CAC of each kept trajectory.
    """

    cell: str
    status: str
    trajectories: int
    tried: int
    played: int
    verified: int
    categories: int
    counts: dict[str, PreparedCounts]
    cac: tuple[float, ...]


def ablation_cells(config: RunConfig, arms: Sequence[str], seeds: Sequence[int]) -> list[Cell]:
    """List the cells of an ablation, seed by seed. No arm stops on a plateau, since arms are compared at equal N.

    Args:
        config: The config that all arms share.
        arms: Names of arms, each once, of `ARMS`.
        seeds: Seeds, each once.

    Returns:
        One cell per seed and arm.

    Raises:
        ConfigError: An arm is unknown, an arm or a seed is repeated, or there is none.

    Example:
        >>> from tdlab.config import RunConfig
        >>> [cell.name for cell in ablation_cells(RunConfig(), ["evolved", "random"], [0])]
        ['evolved-seed0', 'random-seed0']
    """
    unknown = [arm for arm in arms if arm not in ARMS]
    if unknown or not arms or not seeds or len(set(arms)) < len(arms) or len(set(seeds)) < len(seeds):
        raise ConfigError(
            f"an ablation of arms {', '.join(arms) or '(none)'} over {len(seeds)} seeds"
            + (f": unknown {', '.join(unknown)}" if unknown else ""),
            expected="different seeds, and different arms out of " + ", ".join(ARMS),
            do="leave `arms` out for all of them",
        )
    return [
        Cell(arm, seed, config.with_values(seed=seed, evolution__patience=None, **ARMS[arm]))
        for seed in seeds
        for arm in arms
    ]


def measure_run(store: RunStore, *, cell: str) -> Measured:
    """Measure a finished run.

    Args:
        store: The store of the run.
        cell: Name of its cell.

    Returns:
        The measurements.

    Example:
        >>> import tdlab
        >>> with tdlab.open_run("runs/first") as run:
        ...     measure_run(run.store, cell="evolved-seed0").trajectories
        12
    """
    meter = DiversityMeter()
    cac: list[float] = []
    tried = played = verified = 0
    for candidate in store.candidates(bodies=False):
        tried += 1
        played += candidate.verdict is not None
        if candidate.accepted or (candidate.reasons and candidate.reasons[0].check == "gain"):
            verified += 1
        if candidate.accepted:
            features = Features.model_validate(candidate.features)
            meter.add(features)
            cac.append(features.cac)
    return Measured(
        cell=cell,
        status=store.status if store.status != "stopped" else store.reason,
        trajectories=len(meter),
        tried=tried,
        played=played,
        verified=verified,
        categories=len(taxonomy_domains().union(*(cluster.domains for cluster in store.clusters()))),
        counts=meter.counts(),
        cac=tuple(cac),
    )


def tabulate(cells: Sequence[Cell], measured: Sequence[Measured]) -> pd.DataFrame:
    """Tabulate the cells of an ablation at their common N, the size of the smallest set.

    Args:
        cells: The cells.
        measured: The measurements of each cell, in the same order.

    Returns:
        One row per cell and metric: ``arm``, ``seed``, ``metric``, ``value``, ``ceiling`` (at the common N; missing for
        CAC), ``n`` (the common N), ``trajectories`` (of the whole set), ``tried``. Mean CAC and the two rates are of
        the whole set.

    Raises:
        ConfigError: A cell has no trajectory.

    Example:
        >>> import tdlab
        >>> cells = ablation_cells(tdlab.RunConfig(), ["evolved"], [0])
        >>> with tdlab.open_run("runs/first") as run:
        ...     table = tabulate(cells, [measure_run(run.store, cell=cells[0].name)])
        >>> set(table["metric"]) == set(METRICS)
        True
    """
    import pandas as pd

    n = min(measurement.trajectories for measurement in measured)
    if n < 1:
        empty_cells = [measurement.cell for measurement in measured if not measurement.trajectories]
        raise ConfigError(
            f"{', '.join(empty_cells)}: no trajectory was accepted",
            expected="at least one in each cell",
            do=f"run `tdlab show {empty_cells[0]}` in the ablation's folder to see why",
        )
    rows = []
    for cell, measurement in zip(cells, measured, strict=True):
        common = {
            "arm": cell.arm,
            "seed": cell.seed,
            "n": n,
            "trajectories": measurement.trajectories,
            "tried": measurement.tried,
        }
        for metric in _ENTROPIES:
            counts = measurement.counts[metric]
            known_categories = {"domain": measurement.categories, "trigrams": POSSIBLE_TRIGRAMS}.get(metric)
            entropy_ceiling = ceiling(n * max(counts.pairs, counts.n) / counts.units, known_categories)
            value = rarefied_entropy(counts, n, seed=cell.seed)
            rows.append({**common, "metric": metric, "value": value, "ceiling": entropy_ceiling})
        rows.append({**common, "metric": "cac", "value": sum(measurement.cac) / len(measurement.cac)})
        rows.append(
            {**common, "metric": "verified", "value": measurement.verified / measurement.played, "ceiling": 1.0}
        )
        rows.append({**common, "metric": "kept", "value": measurement.trajectories / measurement.tried, "ceiling": 1.0})
    columns = ["arm", "seed", "metric", "value", "ceiling", "n", "trajectories", "tried"]
    return pd.DataFrame(rows, columns=columns)


def pool_cells(cells: pd.DataFrame, *, baseline: str = "random") -> pd.DataFrame:
    """Pool the cells of an ablation over seeds.

    Args:
        cells: The frame of `tabulate`.
        baseline: The arm that others are compared with.

    Returns:
        One row per metric and arm: ``metric``, ``arm``, ``mean``, ``low`` and ``high`` (95 % interval by Student's t,
        cut to [0, ceiling]; missing for one seed), ``ceiling``, ``share`` (mean / ceiling; missing for a ceiling of 0),
        ``n``, ``seeds``; ``ratio`` to the baseline's cell of the same seed (missing for a baseline of 0), with
        ``ratio_low`` and ``ratio_high``; ``apart`` (whether the intervals of the arm and the baseline do not overlap).
        The last four are missing if the baseline is not among the arms.

    Example:
        >>> import pandas as pd
        >>> cells = pd.DataFrame({"metric": "cac", "arm": ["evolved", "random"], "seed": 0, "value": [9.0, 6.0],
        ...                       "ceiling": float("nan"), "n": 50})
        >>> pool_cells(cells)["ratio"].tolist()
        [1.5, 1.0]
    """
    import pandas as pd

    table_rows = []
    for metric in METRICS:
        rows = cells[cells["metric"] == metric]
        by_seed = {arm: group.set_index("seed")["value"] for arm, group in rows.groupby("arm", sort=False)}
        reference = (
            interval(by_seed[baseline].to_numpy(), top=_mean_ceiling(rows, baseline)) if baseline in by_seed else None
        )
        for arm, values in by_seed.items():
            highest = _mean_ceiling(rows, str(arm))
            mean, low, high = interval(values.to_numpy(), top=highest)
            row: dict[str, Any] = {"metric": metric, "arm": arm, "mean": mean, "low": low, "high": high}
            row |= {
                "ceiling": highest,
                "share": mean / highest if highest else float("nan"),
                "n": int(rows["n"].iloc[0]),
                "seeds": len(values),
            }
            if reference is not None:
                ratios = (values / by_seed[baseline].replace(0.0, float("nan"))).dropna()
                row |= dict(zip(("ratio", "ratio_low", "ratio_high"), interval(ratios.to_numpy()), strict=True))
                has_intervals = len(values) > 1 and len(by_seed[baseline]) > 1
                row["apart"] = bool(low > reference[2] or high < reference[1]) if has_intervals else None
            table_rows.append(row)
    columns = ["metric", "arm", "mean", "low", "high", "ceiling", "share", "n", "seeds"]
    return pd.DataFrame(table_rows, columns=[*columns, "ratio", "ratio_low", "ratio_high", "apart"])


def _mean_ceiling(rows: pd.DataFrame, arm: str) -> float:
    """Return the mean ceiling of an arm's cells; nan if there is none."""
    return float(rows[rows["arm"] == arm]["ceiling"].astype("float64").mean())


def interval(values: Any, *, top: float = float("nan")) -> tuple[float, float, float]:
    """Return mean and 95 % interval (Student's t) of a vector of numbers; the interval is nan for fewer than two.

    ``top`` cuts the interval to [0, top], for numbers that cannot lie outside.
    """
    import numpy as np
    from scipy.stats import t

    numbers = np.asarray(values, dtype=np.float64)
    mean = float(numbers.mean()) if len(numbers) else float("nan")
    if len(numbers) < 2:
        return mean, float("nan"), float("nan")
    half_width = float(t.ppf(0.5 + _CONFIDENCE / 2.0, len(numbers) - 1) * numbers.std(ddof=1) / np.sqrt(len(numbers)))
    if top == top:
        return mean, max(0.0, mean - half_width), min(max(top, mean), mean + half_width)
    return mean, mean - half_width, mean + half_width


def ablation_markdown(table: pd.DataFrame, *, titles: Mapping[str, str] = METRICS) -> str:
    """Write a pooled ablation as Markdown, one table per metric.

    Args:
        table: The frame of `pool_cells`.
        titles: Title of each metric.

    Returns:
        The text.

    Example:
        >>> import pandas as pd
        >>> cells = pd.DataFrame({"metric": "cac", "arm": ["random"], "seed": 0, "value": [6.0],
        ...                       "ceiling": float("nan"), "n": 50})
        >>> ablation_markdown(pool_cells(cells)).splitlines()[0]
        '### mean CAC, N = 50, 1 seed'
    """
    lines = []
    for metric, rows in table.groupby("metric", sort=False):
        first_row = rows.iloc[0]
        seeds = f"{first_row['seeds']} seed" + ("" if first_row["seeds"] == 1 else "s")
        lines.append(f"### {titles[str(metric)]}, N = {first_row['n']}, {seeds}\n")
        lines.append("| arm | mean | 95 % interval | ceiling | share | ratio to random | 95 % interval | apart |")
        lines.append("|---|---:|---:|---:|---:|---:|---:|---|")
        for row in rows.to_dict("records"):
            apart = {True: "yes", False: "no"}.get(row["apart"], "")
            span, ratio_span = _span(row["low"], row["high"]), _span(row["ratio_low"], row["ratio_high"])
            texts = [row["arm"], _number(row["mean"]), span, _number(row["ceiling"]), _number(row["share"])]
            lines.append("| " + " | ".join([*texts, _number(row["ratio"]), ratio_span, apart]) + " |")
        lines.append("")
    return "\n".join(lines)


def _span(low: Any, high: Any) -> str:
    return " to ".join(text for text in (_number(low), _number(high)) if text)


def _number(value: Any) -> str:
    return "" if value is None or value != value else f"{value:.3f}"
