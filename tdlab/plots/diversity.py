"""Several datasets side by side, done fairly: the paper's Figure 3 with everything that a number needs beside it."""

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
_BESIDE = {  # numbers beside an Axes: column -> (its right edge in points, heading, fields of a row)
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
_MOST_LETTERS = 34
_CAPTION = (
    "Dot and line: the value at the common N with its 95 % interval; bar: the ceiling at that N; ring: the whole set,",
    "which does not compare across sizes. K: categories seen. MM, CS: Miller-Madow and Chao-Shen estimates, in bits.",
)
_BESIDE_CAC = ("equal_value", "interval", "trajectories")


def compute_comparison(reports: Mapping[str, DiversityReport]) -> pd.DataFrame:
    """One row a dataset and metric, in the order given: what `plot_comparison` draws and prints.

    Columns: ``dataset``, ``metric``, ``trajectories`` (N), ``k`` (categories seen); ``value``, ``low``, ``high``,
    ``ceiling``, ``miller_madow`` and ``chao_shen`` of the whole set; ``equal_n`` (the common N), ``equal_value``,
    ``equal_low``, ``equal_high`` and ``equal_ceiling`` at that N. CAC is a mean, which does not grow with N: its
    equal value and interval are those of the whole set, and it has no ceiling and no corrections. ``reports`` come from
    `tdlab.diversity.compare`; without its common N the equal columns are missing values.
    """
    import pandas as pd

    tidy = comparison_frame(reports)
    rows: list[dict[Any, Any]] = []
    for (dataset, metric), part in tidy.groupby(["dataset", "metric"], sort=False):
        by_basis = part.set_index("basis")
        whole = by_basis.loc["all"]
        row = {"dataset": dataset, "metric": metric, **whole[["trajectories", "k"]].to_dict()}
        row |= whole[["value", "low", "high", "ceiling"]].to_dict()
        if metric != "cac":
            summary = getattr(reports[str(dataset)], str(metric))
            row |= {"miller_madow": summary.miller_madow, "chao_shen": summary.chao_shen}
        equal = whole if metric == "cac" else by_basis.loc["equal N"] if "equal N" in by_basis.index else None
        if equal is not None:
            row |= {f"equal_{name}": equal[name] for name in ("n", "value", "low", "high", "ceiling")}
        rows.append(row)
    columns = [
        "dataset", "metric", "trajectories", "k", "value", "low", "high", "ceiling", "miller_madow", "chao_shen",
        *(f"equal_{name}" for name in ("n", "value", "low", "high", "ceiling")),
    ]  # fmt: skip
    frame = pd.DataFrame(rows, columns=columns)
    return frame.astype({name: "Int64" if name in ("trajectories", "k") else "float64" for name in columns[2:]})


def plot_comparison(comparison: pd.DataFrame, *, metric: str = "signature", ax: Axes | None = None) -> Axes:
    """One metric of every dataset; takes `compute_comparison`.

    A filled dot is the value at the common N with its 95 % interval, a bar its ceiling there; the open circle is the
    value of the whole set, which does not compare across sizes. The numbers stand to the right: at the common N, then
    N, the support K, value, ceiling, Miller-Madow and Chao-Shen estimates of the whole set.
    """
    import pandas as pd

    ax = new_axes(ax)
    part = comparison[comparison["metric"] == metric].reset_index(drop=True)
    entropy = metric != "cac"
    places = range(len(part), 0, -1)
    for place, row in zip(places, part.to_dict("records"), strict=True):
        if pd.notna(row["equal_value"]):
            ends = [row["equal_low"], row["equal_high"]]
            ax.plot(ends, [place, place], color=PALETTE[0], linewidth=2.2, zorder=2)
            ax.plot([row["equal_value"]], [place], "o", color=PALETTE[0], markersize=5, zorder=3)
        if entropy:
            whole: dict[str, Any] = {"markersize": 6.5, "markerfacecolor": "none", "markeredgecolor": PALETTE[1]}
            ax.plot([row["value"]], [place], "o", zorder=2, **whole)
            if pd.notna(row["equal_ceiling"]):
                bar = [row["equal_ceiling"]] * 2
                ax.plot(bar, [place - 0.3, place + 0.3], color="black", linewidth=1.0, zorder=1)
    shown = list(_BESIDE) if entropy else list(_BESIDE_CAC)
    for name in shown:
        edge, heading, fields = _BESIDE[name]
        for place, cells in zip(places, part[list(fields)].itertuples(index=False), strict=True):
            _beside(ax, edge, place, _numbers(tuple(cells)))
        _beside(ax, edge, len(part) + 0.75, heading, color="0.35")
    ax.set_yticks(places, [label(name) for name in part["dataset"]])
    ax.tick_params(axis="y", length=0)
    common = part["equal_n"].dropna()
    if entropy:
        at = f"at N = {common.iloc[0]:,.0f}" if len(common) else "at a common N"
        _beside(ax, 111, len(part) + 1.45, at, color="0.35")
        _beside(ax, 268, len(part) + 1.45, "the whole set", color="0.35")
    ax.set(ylim=(0.4, len(part) + 0.6), xlabel="bits" if entropy else "", title=_METRICS.get(metric, metric))
    ax.set_xlim(0, 1.06 * max(ax.dataLim.x1, 0.1))  # room for a dot on the ceiling
    return ax


def plot_datasets(reports: Mapping[str, DiversityReport]) -> Figure:
    """The comparison of several datasets: the four entropies at equal N and CAC, one below the other."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    comparison = compute_comparison(reports)
    rows = max(len(reports), 1)
    inches = 0.17 * rows + 0.12  # height of one Axes, and of what lies between two
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
        for place, words in enumerate(_CAPTION):
            figure.text(0.01, 1 - (0.06 + 0.14 * place) / height, words, fontsize=6.5, va="top", color="0.2")
    return figure


_LEFT = 0.16  # share of the width of `plot_datasets` that the names of the datasets have


def _fit_names(axes: Iterable[Axes], names: Sequence[str]) -> None:
    """Cut names that do not fit beside the Axes at their beginning, since those of files differ at the end."""
    first, *others = axes
    shown = []
    for tick, name in zip(first.get_yticklabels(), names, strict=True):
        rest = name[-_MOST_LETTERS:]
        tick.set_text(label(name) if rest == name else label("…" + rest[1:]))
        while tick.get_window_extent().width * 72 / first.figure.dpi > _LEFT * WIDTH * 72 - 8 and len(rest) > 1:
            rest = rest[1:]
            tick.set_text(label("…" + rest))
        shown.append(tick.get_text())
    for ax in (first, *others):
        ax.set_yticks(ax.get_yticks(), shown)


def _beside(ax: Axes, edge: float, place: float, text: str, **style: Any) -> None:
    """Text that ends ``edge`` points to the right of an Axes, at a place on its y axis."""
    ax.annotate(
        text, (1.0, place), xycoords=("axes fraction", "data"), xytext=(edge, 0), textcoords="offset points",
        ha="right", va="center", fontsize=6, annotation_clip=False, **style,
    )  # fmt: skip


def _numbers(cells: tuple[object, ...]) -> str:
    shown = [_number(cell) for cell in cells]
    return shown[0] if len(shown) == 1 else f"[{', '.join(shown)}]"


def _number(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.2f}" if math.isfinite(value) else "–"
    return f"{value:,}" if isinstance(value, numbers.Integral) else "–"
