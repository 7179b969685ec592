"""Compare several datasets as the paper's Figure 3 does, with the numbers that a fair reading needs beside each."""

from __future__ import annotations

import math
import numbers
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tdlab.diversity import DiversityReport, comparison_frame
from tdlab.plots.style import PALETTE, STYLE, WIDTH, label, new_axes

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["compute_comparison", "plot_comparison", "plot_datasets"]

_METRICS = {
    "domain": "Domain entropy H_dom",
    "tool_sequence": "H_mode (a), tool sequences",
    "signature": "H_mode (b), signatures",
    "trigrams": "H_mode (c), trigrams",
    "cac": "Complexity (CAC), mean",
}
_BESIDE = {  # columns of numbers beside an Axes: right edge in points, heading, fields of a row
    "equal_value": (30, "value", ("equal_value",)),
    "interval": (82, "95 % interval", ("equal_low", "equal_high")),
    "equal_ceiling": (111, "ceiling", ("equal_ceiling",)),
    "trajectories": (150, "N", ("trajectories",)),
    "k": (172, "K", ("k",)),
    "value": (197, "value", ("value",)),
    "ceiling": (224, "ceiling", ("ceiling",)),
    "miller_madow": (245, "MM", ("miller_madow",)),
    "chao_shen": (268, "CS", ("chao_shen",)),
}
_MOST_CHARACTERS = 34
_CAPTION = (
    "Dot and line: value at the common N with its 95 % interval. Bar: ceiling at that N. Ring: the whole set; do not",
    "compare rings across sizes. K: categories seen. MM, CS: Miller-Madow and Chao-Shen estimates, in bits.",
)
_BESIDE_CAC = ("equal_value", "interval", "trajectories")


def compute_comparison(reports: Mapping[str, DiversityReport]) -> pd.DataFrame:
    """Tabulate the diversity of several datasets, for `plot_comparison`.

    CAC is a mean, which does not grow with N. Its values at the common N are therefore those of the whole set, and it
    has no ceiling and no corrections.

    Args:
        reports: Reports by dataset name, from `tdlab.diversity.compare`. If they were made without a common N, the
            ``equal_*`` columns are missing values.

    Returns:
        One row per dataset and metric, in the given order. Columns: ``dataset``, ``metric``, ``trajectories`` (N),
        ``k`` (categories seen); of the whole set ``value``, ``low``, ``high`` (95 % interval), ``ceiling``,
        ``miller_madow``, ``chao_shen``; at the common N ``equal_n``, ``equal_value``, ``equal_low``, ``equal_high``,
        ``equal_ceiling``. Entropies are in bits; CAC has no unit.

    Example:
        >>> from tdlab.diversity import DiversityMeter
        >>> reports = {"mine": DiversityMeter().report(), "theirs": DiversityMeter().report()}
        >>> compute_comparison(reports).shape
        (10, 15)
    """
    import pandas as pd

    tidy = comparison_frame(reports)
    rows: list[dict[Any, Any]] = []
    for (dataset, metric), group in tidy.groupby(["dataset", "metric"], sort=False):
        by_basis = group.set_index("basis")
        whole = by_basis.loc["all"]
        row = {"dataset": dataset, "metric": metric, **whole[["trajectories", "k"]].to_dict()}
        row |= whole[["value", "low", "high", "ceiling"]].to_dict()
        if metric != "cac":
            summary = getattr(reports[str(dataset)], str(metric))
            if summary is not None:  # H_dom is not known where no service is
                row |= {"miller_madow": summary.miller_madow, "chao_shen": summary.chao_shen}
        equal = whole if metric == "cac" else by_basis.loc["equal N"] if "equal N" in by_basis.index else None
        if equal is not None:
            row |= {f"equal_{name}": equal[name] for name in ("n", "value", "low", "high", "ceiling")}
        rows.append(row)
    counts, numbers = ("trajectories", "k"), ("n", "value", "low", "high", "ceiling")
    measured = ("value", "low", "high", "ceiling", "miller_madow", "chao_shen", *(f"equal_{name}" for name in numbers))
    frame = pd.DataFrame(rows, columns=["dataset", "metric", *counts, *measured])
    return frame.astype({**dict.fromkeys(counts, "Int64"), **dict.fromkeys(measured, "float64")})


def plot_comparison(comparison: pd.DataFrame, *, metric: str = "signature", ax: Axes | None = None) -> Axes:
    """Draw one metric of every dataset, with its numbers to the right of the Axes.

    A filled dot is the value at the common N with its 95 % interval; a bar is the ceiling at that N. An open circle is
    the value of the whole set, which must not be compared across sizes. The numbers are those at the common N, then N,
    the support K, value, ceiling, Miller-Madow and Chao-Shen estimate of the whole set.

    Args:
        comparison: The frame of `compute_comparison`.
        metric: A value of its ``metric`` column: ``domain``, ``tool_sequence``, ``signature``, ``trigrams``, ``cac``.
        ax: Where to draw; a new figure of one Axes by default.

    Returns:
        The Axes, with one line per dataset, the first on top.

    Example:
        >>> from tdlab.diversity import DiversityMeter
        >>> ax = plot_comparison(compute_comparison({"mine": DiversityMeter().report()}), metric="domain")
        >>> ax.get_title()
        'Domain entropy H_dom'
    """
    import pandas as pd

    ax = new_axes(ax)
    rows = comparison[comparison["metric"] == metric].reset_index(drop=True)
    entropy = metric != "cac"
    heights = range(len(rows), 0, -1)
    for height, row in zip(heights, rows.to_dict("records"), strict=True):
        if pd.notna(row["equal_value"]):
            interval = [row["equal_low"], row["equal_high"]]
            ax.plot(interval, [height, height], color=PALETTE[0], linewidth=2.2, zorder=2)
            ax.plot([row["equal_value"]], [height], "o", color=PALETTE[0], markersize=5, zorder=3)
        if entropy:
            ring: dict[str, Any] = {"markersize": 6.5, "markerfacecolor": "none", "markeredgecolor": PALETTE[1]}
            ax.plot([row["value"]], [height], "o", zorder=2, **ring)
            if pd.notna(row["equal_ceiling"]):
                bar = [row["equal_ceiling"]] * 2
                ax.plot(bar, [height - 0.3, height + 0.3], color="black", linewidth=1.0, zorder=1)
    columns = list(_BESIDE) if entropy else list(_BESIDE_CAC)
    for column in columns:
        edge, heading, fields = _BESIDE[column]
        for height, cells in zip(heights, rows[list(fields)].itertuples(index=False), strict=True):
            _write_beside(ax, edge, height, _cells(tuple(cells)))
        _write_beside(ax, edge, len(rows) + 0.75, heading, color="0.35")
    ax.set_yticks(heights, [label(name) for name in rows["dataset"]])
    ax.tick_params(axis="y", length=0)
    common = rows["equal_n"].dropna()
    if entropy:
        at = f"at N = {common.iloc[0]:,.0f}" if len(common) else "at a common N"
        _write_beside(ax, 111, len(rows) + 1.45, at, color="0.35")
        _write_beside(ax, 268, len(rows) + 1.45, "the whole set", color="0.35")
    ax.set(ylim=(0.4, len(rows) + 0.6), xlabel="bits" if entropy else "", title=_METRICS.get(metric, metric))
    ax.set_xlim(0, 1.06 * max(ax.dataLim.x1, 0.1))  # room for a dot on the ceiling
    return ax


def plot_datasets(reports: Mapping[str, DiversityReport]) -> Figure:
    """Compare several datasets in one figure: the four entropies at equal N, and CAC.

    Args:
        reports: Reports by dataset name, from `tdlab.diversity.compare`.

    Returns:
        A figure with one `plot_comparison` per metric, one below the other.

    Example:
        >>> from tdlab.diversity import DiversityMeter
        >>> len(plot_datasets({"mine": DiversityMeter().report(), "theirs": DiversityMeter().report()}).axes)
        5
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    comparison = compute_comparison(reports)
    datasets = max(len(reports), 1)
    inches = 0.17 * datasets + 0.12  # height of one Axes, and of what lies between two
    between, top, bottom = 0.66, 0.86, 0.3
    height = top + bottom + len(_METRICS) * inches + (len(_METRICS) - 1) * between
    with rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, height))
        axes = figure.subplots(len(_METRICS), 1)
        figure.subplots_adjust(
            left=_LEFT, right=0.455, top=1 - top / height, bottom=bottom / height, hspace=between / inches
        )
        for ax, metric in zip(axes, _METRICS, strict=True):
            plot_comparison(comparison, metric=metric, ax=ax)
        _fit_names(axes, list(reports))
        for line, text in enumerate(_CAPTION):
            figure.text(0.01, 1 - (0.06 + 0.14 * line) / height, text, fontsize=6.5, va="top", color="0.2")
    return figure


_LEFT = 0.16  # share of the width of `plot_datasets` that is left for the names of the datasets


def _fit_names(axes: Iterable[Axes], names: Sequence[str]) -> None:
    """Cut names that do not fit beside the Axes at their beginning, since file names differ at the end."""
    first, *others = axes
    texts = []
    for tick, name in zip(first.get_yticklabels(), names, strict=True):
        rest = name[-_MOST_CHARACTERS:]
        tick.set_text(label(name) if rest == name else label("…" + rest[1:]))
        while tick.get_window_extent().width * 72 / first.figure.dpi > _LEFT * WIDTH * 72 - 8 and len(rest) > 1:
            rest = rest[1:]
            tick.set_text(label("…" + rest))
        texts.append(tick.get_text())
    for ax in (first, *others):
        ax.set_yticks(ax.get_yticks(), texts)


def _write_beside(ax: Axes, edge: float, height: float, text: str, **style: Any) -> None:
    """Write text that ends ``edge`` points to the right of an Axes, at a height in data units."""
    ax.annotate(
        text, (1.0, height), xycoords=("axes fraction", "data"), xytext=(edge, 0), textcoords="offset points",
        ha="right", va="center", fontsize=6, annotation_clip=False, **style,
    )  # fmt: skip


def _cells(values: tuple[object, ...]) -> str:
    texts = [_cell(cell) for cell in values]
    return texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.2f}" if math.isfinite(value) else "–"
    return f"{value:,}" if isinstance(value, numbers.Integral) else "–"
