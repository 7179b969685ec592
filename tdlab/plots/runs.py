"""The figure of a run, and its parts: gauges while the set grew, domains, complexity, reasoning modes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from tdlab.plots.style import PALETTE, STYLE, WIDTH, label, new_axes
from tdlab.store import Run

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "compute_complexity",
    "compute_domains",
    "compute_gauges",
    "compute_modes",
    "plot_complexity",
    "plot_domains",
    "plot_gauges",
    "plot_modes",
    "plot_run",
]

_MOST_BARS = 40  # domains drawn one by one; the others are one bar


def compute_gauges(run: Run) -> pd.DataFrame:
    """One row a generation and gauge: ``generation``, ``trajectories`` (in the set after it), ``gauge``, ``value``.

    The gauges are those of the whole set after the generation: ``domain`` and ``mode`` (shares of their ceilings, in
    [0, 1]; that of the domains counts those that the run's clusters reach) and ``cac`` (mean CAC).
    """
    import pandas as pd

    rows = [
        (generation.number, generation.record["total"], gauge, generation.record["after"]["whole"][gauge])
        for generation in run.store.generations()
        for gauge in ("domain", "mode", "cac")
    ]
    return pd.DataFrame(rows, columns=["generation", "trajectories", "gauge", "value"])


def compute_domains(run: Run) -> pd.DataFrame:
    """One row a domain, heaviest first: ``domain`` (its id), ``title``, ``trajectories`` (mass; sums to N)."""
    import pandas as pd

    from tdlab.pool import Taxonomy

    taxonomy = Taxonomy.bundled()
    mass: dict[str, float] = {}
    for _, _, features in run.store.features(accepted=True):
        for domain, share in features["domains"].items():
            mass[domain] = mass.get(domain, 0.0) + share
    rows = sorted(mass.items(), key=lambda item: (-item[1], item[0]))
    titled = [(domain, taxonomy[domain].title if domain in taxonomy else domain, number) for domain, number in rows]
    return pd.DataFrame(titled, columns=["domain", "title", "trajectories"])


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
    ax = new_axes(ax)
    for gauge, name, colour, dash in (
        ("domain", "domains", PALETTE[0], "-"),
        ("mode", "reasoning modes (trigrams)", PALETTE[5], "--"),
    ):
        line = gauges[gauges["gauge"] == gauge]
        marker = "o" if len(line) < 2 else None
        ax.plot(line["trajectories"], line["value"], color=colour, linestyle=dash, label=name, marker=marker)
    ax.set(xlabel="trajectories in the set", ylabel="entropy / ceiling", ylim=(0, 1.05), title="Entropy")
    ax.set_xlim(left=0)
    ax.legend(loc="lower right")
    return ax


def plot_domains(domains: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Horizontal bars of the mass of each domain, the smallest together where there are many; `compute_domains`."""
    ax = new_axes(ax)
    shown = [(label(title), number) for title, number in zip(domains["title"], domains["trajectories"], strict=True)]
    if len(shown) > _MOST_BARS:
        rest = shown[_MOST_BARS - 1 :]
        shown = [*shown[: _MOST_BARS - 1], (f"{len(rest)} others", sum(number for _, number in rest))]
    places = range(len(shown), 0, -1)
    ax.barh(places, [number for _, number in shown], color=PALETTE[0], height=0.72)
    ax.set_yticks(places, [name for name, _ in shown])
    ax.set(xlabel="trajectories", title=f"Domains ({len(domains)})", ylim=(0.3, len(shown) + 0.7))
    ax.tick_params(axis="y", labelsize=6.5 if len(shown) > 12 else 7, length=0)
    return ax


def plot_complexity(complexity: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Histogram of CAC with its mean; takes `compute_complexity`."""
    ax = new_axes(ax)
    if len(complexity):
        ax.hist(complexity["cac"], bins=24, color=PALETTE[1], edgecolor="white", linewidth=0.4)
        mean = float(complexity["cac"].mean())
        ax.axvline(mean, color="black", linewidth=0.9, linestyle="--")
        ax.set_ylim(top=ax.get_ylim()[1] * 1.16)  # room for the word above the bars
        right = mean > sum(ax.get_xlim()) / 2
        ax.annotate(
            f"mean {mean:.1f}", (mean, 0.98), xycoords=("data", "axes fraction"), xytext=(-3 if right else 3, 0),
            textcoords="offset points", fontsize=7, va="top", ha="right" if right else "left",
        )  # fmt: skip
    ax.set(xlabel="cumulative action complexity (CAC)", ylabel="trajectories", title="Complexity")
    return ax


def plot_modes(modes: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Horizontal bars: in what share of the trajectories each mode letter occurs; takes `compute_modes`."""
    ax = new_axes(ax)
    places = range(len(modes), 0, -1)
    ax.barh(places, modes["share"], color=PALETTE[2], height=0.72)
    ax.set_yticks(places, [label(letter) for letter in modes["letter"]])
    ax.set(xlabel="share of the trajectories", xlim=(0, 1), title="Reasoning modes", ylim=(0.3, len(modes) + 0.7))
    ax.tick_params(axis="y", labelsize=6.5, length=0)
    return ax


def plot_run(run: Run) -> Figure:
    """The figure of a run: gauges, complexity and modes beside the domains, with the run's digest in the margin."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    domains = compute_domains(run)
    frames = {
        "gauges": compute_gauges(run),
        "complexity": compute_complexity(run),
        "modes": compute_modes(run),
        "domains": domains,
    }
    plots: Mapping[str, Callable[..., Axes]] = {
        "gauges": plot_gauges,
        "complexity": plot_complexity,
        "modes": plot_modes,
        "domains": plot_domains,
    }
    config = run.config
    with rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 5.6))
        figure.set_layout_engine("constrained", rect=(0.0, 0.03, 1.0, 0.97))
        axes = figure.subplot_mosaic(
            [["gauges", "domains"], ["complexity", "domains"], ["modes", "domains"]],
            width_ratios=[1, 1],
            height_ratios=[1, 1, 1.45],
        )
        for name, plot in plots.items():
            plot(frames[name], ax=axes[name])
        strategy = config.evolution.strategy
        shown = strategy if strategy == "evolved" else f"{strategy} control"
        title = f"{run.counts().accepted:,} verified trajectories, {shown}, seed {config.seed}"
        figure.suptitle(title, fontsize=9, x=0.01, ha="left")
        margin = f"config {config.digest} · pool {run.store.pool_fingerprint[:16]}"
        figure.text(0.995, 0.008, margin, fontsize=5.5, ha="right", va="bottom", color="0.35")
        figure.draw_without_rendering()  # places everything once; no file has to do it again
        figure.set_layout_engine("none")
    return figure
