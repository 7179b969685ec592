"""Figures: compute/plot pairs that take frames and return Axes, in one colour-blind-safe style.

The only importer of matplotlib and seaborn. ``compute_*`` functions give tidy frames, ``plot_*`` functions draw one on
an Axes (a new one where none is given), `save_figure` writes PDF and PNG whose bytes depend on the figure alone.
Figures are made without pyplot, so nothing here needs a display, leaks a window or changes a user's settings.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tdlab.store import Run, atomic_write

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "compute_complexity",
    "compute_domains",
    "compute_gauges",
    "compute_modes",
    "figure_png",
    "plot_complexity",
    "plot_domains",
    "plot_gauges",
    "plot_modes",
    "plot_run",
    "save_figure",
]

PALETTE = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#000000")
"""Okabe and Ito's eight colours, which people with any common colour vision can tell apart."""

_STYLE: Any = {  # matplotlib types its keys one by one
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 9,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "font.family": "DejaVu Sans",
    "pdf.fonttype": 42,
    "svg.hashsalt": "tdlab",
}


def compute_gauges(run: Run) -> pd.DataFrame:
    """One row a generation and gauge: ``generation``, ``trajectories`` (in the set after it), ``gauge``, ``value``.

    The gauges are ``domain`` and ``mode`` (shares of their ceilings, in [0, 1]) and ``cac`` (mean CAC).
    """
    import pandas as pd

    generations = run.generations()
    rows = [
        {"generation": row["generation"], "trajectories": row["total"], "gauge": gauge, "value": row[f"after.{gauge}"]}
        for _, row in generations.iterrows()
        for gauge in ("domain", "mode", "cac")
    ]
    return pd.DataFrame(rows, columns=["generation", "trajectories", "gauge", "value"])


def compute_domains(run: Run) -> pd.DataFrame:
    """One row a domain, heaviest first: ``domain``, ``trajectories`` (mass; the column sums to N)."""
    import pandas as pd

    mass: dict[str, float] = {}
    for _, _, features in run.store.features(accepted=True):
        for domain, share in features["domains"].items():
            mass[domain] = mass.get(domain, 0.0) + share
    rows = sorted(mass.items(), key=lambda item: (-item[1], item[0]))
    return pd.DataFrame(rows, columns=["domain", "trajectories"])


def compute_complexity(run: Run) -> pd.DataFrame:
    """One row a trajectory: ``trajectory`` (number in the dataset) and ``cac``."""
    import pandas as pd

    values = [features["complexity"]["value"] for _, _, features in run.store.features(accepted=True)]
    return pd.DataFrame({"trajectory": range(len(values)), "cac": values})


def compute_modes(run: Run) -> pd.DataFrame:
    """One row a letter of the mode alphabet: ``letter``, ``share`` of the trajectories that have it, largest first."""
    import pandas as pd

    total = 0
    having: dict[str, int] = {}
    for _, _, features in run.store.features(accepted=True):
        total += 1
        for letter in set(features["signature"]):
            having[letter] = having.get(letter, 0) + 1
    rows = sorted(((letter, n / total) for letter, n in having.items()), key=lambda item: (-item[1], item[0]))
    return pd.DataFrame(rows, columns=["letter", "share"])


def plot_gauges(gauges: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Lines of the two normalised entropies over the size of the set; takes `compute_gauges`."""
    ax = _axes(ax)
    for place, (gauge, name) in enumerate((("domain", "domains"), ("mode", "modes (steering)"))):
        line = gauges[gauges["gauge"] == gauge]
        ax.plot(line["trajectories"], line["value"], color=PALETTE[place], label=name, linewidth=1.8)
    ax.set(xlabel="trajectories in the set", ylabel="entropy / ceiling", ylim=(0, 1.02), title="Gauges")
    ax.legend(loc="lower right")
    return ax


def plot_domains(domains: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Horizontal bars of the mass of each domain; takes `compute_domains`."""
    ax = _axes(ax)
    shown = domains.iloc[::-1]
    ax.barh(shown["domain"], shown["trajectories"], color=PALETTE[0], height=0.75)
    ax.set(xlabel="trajectories", title=f"Domains ({len(domains)})")
    ax.tick_params(axis="y", labelsize=7, length=0)
    ax.margins(y=0.01)
    return ax


def plot_complexity(complexity: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Histogram of CAC with its mean; takes `compute_complexity`."""
    import seaborn as sns

    ax = _axes(ax)
    sns.histplot(complexity, x="cac", bins=30, color=PALETTE[1], edgecolor="white", linewidth=0.4, ax=ax)
    if len(complexity):
        mean = float(complexity["cac"].mean())
        ax.axvline(mean, color="black", linewidth=1.0, linestyle="--")
        ax.annotate(f"mean {mean:.1f}", (mean, 0.96), xycoords=("data", "axes fraction"), xytext=(4, 0),
                    textcoords="offset points", fontsize=8, va="top")  # fmt: skip
    ax.set(xlabel="cumulative action complexity", ylabel="trajectories", title="Complexity")
    return ax


def plot_modes(modes: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Horizontal bars: in what share of the trajectories each mode letter occurs; takes `compute_modes`."""
    ax = _axes(ax)
    shown = modes.iloc[::-1]
    ax.barh(shown["letter"], shown["share"], color=PALETTE[2], height=0.75)
    ax.set(xlabel="share of trajectories", xlim=(0, 1), title="Reasoning modes")
    ax.tick_params(axis="y", length=0)
    return ax


def plot_run(run: Run) -> Figure:
    """The figure of a run: gauges, complexity and modes beside the domains, with the run's digest in the margin."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context(_STYLE):
        figure = Figure(figsize=(9.5, 6.4), layout="constrained")
        axes = figure.subplot_mosaic(
            [["gauges", "domains"], ["complexity", "domains"], ["modes", "domains"]], width_ratios=[1, 1]
        )
        pairs: Mapping[str, tuple[Callable[[Run], pd.DataFrame], Callable[..., Axes]]] = {
            "gauges": (compute_gauges, plot_gauges),
            "complexity": (compute_complexity, plot_complexity),
            "modes": (compute_modes, plot_modes),
            "domains": (compute_domains, plot_domains),
        }
        for name, (compute, plot) in pairs.items():
            plot(compute(run), ax=axes[name])
        config = run.config
        label = f"{run.counts().accepted} trajectories, {config.evolution.strategy}, seed {config.seed}"
        figure.suptitle(label, fontsize=11, x=0.01, ha="left")
        figure.text(
            0.995,
            0.002,
            f"config {config.digest} on pool {run.store.pool_fingerprint[:16]}",
            fontsize=6,
            ha="right",
            color="0.45",
        )
    return figure


def figure_png(figure: Figure, *, dpi: int = 150) -> bytes:
    """The figure as PNG bytes."""
    return _rendered(figure, "png", dpi=dpi)


def save_figure(figure: Figure, stem: str | Path, *, dpi: int = 200) -> tuple[Path, Path]:
    """Write ``stem``.pdf and ``stem``.png, whole or not at all; returns both paths. StoreError where it cannot."""
    stem = Path(stem)
    written = []
    for kind in ("pdf", "png"):
        path = stem.with_name(f"{stem.name}.{kind}")
        atomic_write(path, _rendered(figure, kind, dpi=dpi))
        written.append(path)
    return written[0], written[1]


def _rendered(figure: Figure, kind: str, *, dpi: int) -> bytes:
    from matplotlib import rc_context

    metadata = {"pdf": {"CreationDate": None, "Producer": None}, "png": {"Software": None}}[kind]
    buffer = io.BytesIO()
    with rc_context(_STYLE):
        figure.savefig(buffer, format=kind, dpi=dpi, metadata=metadata)
    return buffer.getvalue()


def _axes(ax: Axes | None) -> Axes:
    if ax is not None:
        return ax
    from matplotlib.figure import Figure

    return Figure(figsize=(5, 3.2), layout="constrained").subplots()
