"""What an ablation compares, and how: the arms, what is measured of each run, and the pooling over seeds.

An arm is the config with one part of the evolution taken away, or a control in its place; a cell is an arm with a seed.
Every cell is measured at the same N, that of the smallest: entropies are rarefied to it and stand beside the ceiling
that N sets. Over seeds a number is a mean with its 95 % interval by Student's t; ratios to the baseline are of cells
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
"""Arm -> the config values that make it, as `RunConfig.with_values` takes them."""

METRICS: dict[str, str] = {
    "domain": "H_dom (bits)",
    "signature": "H_mode, signature (bits)",
    "trigrams": "H_mode, trigrams (bits)",
    "tool_sequence": "H_mode, tool sequence (bits)",
    "cac": "mean CAC",
    "verified": "verified / played",
    "kept": "kept / tried",
}
"""Metric -> what it is called, with its unit. ``verified`` counts near-duplicates as not verified."""

_LEVEL = 0.95
_ENTROPIES = ("domain", "signature", "trigrams", "tool_sequence")


class Cell(NamedTuple):
    """One run of an ablation: an arm with a seed."""

    arm: str
    seed: int
    config: RunConfig

    @property
    def name(self) -> str:
        """Its folder's name."""
        return f"{self.arm}-seed{self.seed}"


class Measured(NamedTuple):
    """What a cell's run came to, before a common N is known. ``cac`` holds the CAC of each trajectory kept.

    ``categories`` is the number of domains there are: the taxonomy's with "other" (37), and the clusters' own besides.
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
    """The cells of an ablation, seed by seed. No arm stops on a plateau, since arms are compared at equal N.

    ConfigError for an unknown arm, or where there is nothing to compare.
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
    """What the run in ``store`` came to."""
    meter = DiversityMeter()
    cac: list[float] = []
    tried = played = verified = 0
    for candidate in store.candidates(bodies=False):
        tried += 1
        played += candidate.verdict is not None
        if candidate.accepted or (candidate.reasons and candidate.reasons[0].startswith("gain:")):
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
    """One row a cell and metric, at the common N: the size of the smallest set.

    Columns: ``arm``, ``seed``, ``metric``, ``value``, ``ceiling`` (at that N; missing where there is none), ``n``,
    ``trajectories`` (of the whole set), ``tried``. Mean CAC and the two rates are of the whole set.
    """
    import pandas as pd

    n = min(one.trajectories for one in measured)
    if n < 1:
        empty = [one.cell for one in measured if not one.trajectories]
        raise ConfigError(
            f"{', '.join(empty)} made no trajectory", expected="at least one in each cell", do="see its folder for why"
        )
    rows = []
    for cell, one in zip(cells, measured, strict=True):
        about = {"arm": cell.arm, "seed": cell.seed, "n": n, "trajectories": one.trajectories, "tried": one.tried}
        for metric in _ENTROPIES:
            counts = one.counts[metric]
            known = {"domain": one.categories, "trigrams": POSSIBLE_TRIGRAMS}.get(metric)
            top = ceiling(n * max(counts.pairs, counts.n) / counts.units, known)
            value = rarefied_entropy(counts, n, seed=cell.seed)
            rows.append({**about, "metric": metric, "value": value, "ceiling": top})
        rows.append({**about, "metric": "cac", "value": sum(one.cac) / len(one.cac)})
        rows.append({**about, "metric": "verified", "value": one.verified / one.played, "ceiling": 1.0})
        rows.append({**about, "metric": "kept", "value": one.trajectories / one.tried, "ceiling": 1.0})
    columns = ["arm", "seed", "metric", "value", "ceiling", "n", "trajectories", "tried"]
    return pd.DataFrame(rows, columns=columns)


def pool_cells(cells: pd.DataFrame, *, baseline: str = "random") -> pd.DataFrame:
    """One row a metric and arm, pooled over seeds; takes `tabulate`.

    Columns: ``metric``, ``arm``, ``mean`` with its 95 % interval ``low`` to ``high`` (missing for one seed; cut to
    [0, ceiling], as nothing lies beyond), ``ceiling`` and ``share`` (mean / ceiling; missing for a ceiling of 0),
    ``n``, ``seeds``, ``ratio`` to the baseline's cell of the same seed (missing for a baseline of 0) with ``ratio_low``
    and ``ratio_high``, and ``apart``: whether the interval and the baseline's do not overlap. The last four are missing
    where the baseline is not among the arms.
    """
    import pandas as pd

    rows = []
    for metric in METRICS:
        part = cells[cells["metric"] == metric]
        by_seed = {arm: group.set_index("seed")["value"] for arm, group in part.groupby("arm", sort=False)}
        beside = interval(by_seed[baseline].to_numpy(), top=_top(part, baseline)) if baseline in by_seed else None
        for arm, values in by_seed.items():
            top = _top(part, str(arm))
            mean, low, high = interval(values.to_numpy(), top=top)
            row: dict[str, Any] = {"metric": metric, "arm": arm, "mean": mean, "low": low, "high": high}
            row |= {
                "ceiling": top,
                "share": mean / top if top else float("nan"),
                "n": int(part["n"].iloc[0]),
                "seeds": len(values),
            }
            if beside is not None:
                ratios = (values / by_seed[baseline].replace(0.0, float("nan"))).dropna()
                row |= dict(zip(("ratio", "ratio_low", "ratio_high"), interval(ratios.to_numpy()), strict=True))
                known = len(values) > 1 and len(by_seed[baseline]) > 1
                row["apart"] = bool(low > beside[2] or high < beside[1]) if known else None
            rows.append(row)
    columns = ["metric", "arm", "mean", "low", "high", "ceiling", "share", "n", "seeds"]
    return pd.DataFrame(rows, columns=[*columns, "ratio", "ratio_low", "ratio_high", "apart"])


def _top(part: pd.DataFrame, arm: str) -> float:
    """The mean ceiling of an arm's cells; nan where there is none."""
    return float(part[part["arm"] == arm]["ceiling"].astype("float64").mean())


def interval(values: Any, *, top: float = float("nan")) -> tuple[float, float, float]:
    """Mean and 95 % interval (Student's t) of a vector of numbers; the interval is nan for fewer than two.

    With ``top`` the numbers lie in [0, top], and so does the interval.
    """
    import numpy as np
    from scipy.stats import t

    found = np.asarray(values, dtype=np.float64)
    mean = float(found.mean()) if len(found) else float("nan")
    if len(found) < 2:
        return mean, float("nan"), float("nan")
    half = float(t.ppf(0.5 + _LEVEL / 2.0, len(found) - 1) * found.std(ddof=1) / np.sqrt(len(found)))
    if top == top:
        return mean, max(0.0, mean - half), min(max(top, mean), mean + half)
    return mean, mean - half, mean + half


def ablation_markdown(table: pd.DataFrame, *, titles: Mapping[str, str] = METRICS) -> str:
    """`pool_cells` as a Markdown table for each metric."""
    parts = []
    for metric, part in table.groupby("metric", sort=False):
        first = part.iloc[0]
        seeds = f"{first['seeds']} seed" + ("" if first["seeds"] == 1 else "s")
        parts.append(f"### {titles[str(metric)]}, N = {first['n']}, {seeds}\n")
        parts.append("| arm | mean | 95 % interval | ceiling | share | ratio to random | 95 % interval | apart |")
        parts.append("|---|---:|---:|---:|---:|---:|---:|---|")
        for row in part.to_dict("records"):
            apart = {True: "yes", False: "no"}.get(row["apart"], "")
            span, ratio_span = _span(row["low"], row["high"]), _span(row["ratio_low"], row["ratio_high"])
            cells = [row["arm"], _shown(row["mean"]), span, _shown(row["ceiling"]), _shown(row["share"])]
            parts.append("| " + " | ".join([*cells, _shown(row["ratio"]), ratio_span, apart]) + " |")
        parts.append("")
    return "\n".join(parts)


def _span(low: Any, high: Any) -> str:
    return " to ".join(shown for shown in (_shown(low), _shown(high)) if shown)


def _shown(value: Any) -> str:
    return "" if value is None or value != value else f"{value:.3f}"
