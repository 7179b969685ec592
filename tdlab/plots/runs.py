"""The figure of a run and its parts: gauges over generations, domains, complexity, reasoning modes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from tdlab.evolution import GAUGES, STRATEGIES, EntropyGauge
from tdlab.plots.bars import domain_table, draw_histogram
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

_MOST_BARS = 40  # of more domains, the last are added up in one bar


def compute_gauges(run: Run) -> pd.DataFrame:
    """Return the gauges of a run after each generation, over the whole set.

    Args:
        run: A run with at least one generation.

    Returns:
        One row per generation and gauge: ``generation``, ``trajectories`` (in the set after it), ``gauge``, ``value``.
        The gauges are ``domain`` and ``mode`` (entropies as shares of their ceilings, in [0, 1]; the ceiling of the
        domains counts those that the run's clusters reach), ``cac`` (mean CAC), and those that the config adds.

    Example:
        >>> import tdlab
        >>> with tdlab.open_run("runs/first") as run:
        ...     gauges = compute_gauges(run)
        >>> gauges["gauge"].unique().tolist()
        ['domain', 'mode', 'cac']
    """
    import pandas as pd

    rows = [
        (generation.number, generation.record.total, gauge, generation.record.after.whole[gauge])
        for generation in run.store.generations()
        for gauge in run.config.evolution.thresholds
    ]
    return pd.DataFrame(rows, columns=["generation", "trajectories", "gauge", "value"])


def compute_domains(run: Run) -> pd.DataFrame:
    """Count the trajectories of each domain.

    Args:
        run: A run.

    Returns:
        One row per domain, the heaviest first: ``domain`` (id), ``title``, ``trajectories`` (mass). A trajectory's mass
        of 1 is split over its domains, so that the column sums to N.

    Example:
        >>> import tdlab
        >>> with tdlab.open_run("runs/first") as run:
        ...     round(compute_domains(run)["trajectories"].sum())
        12
    """
    mass_of_domain: dict[str, float] = {}
    for _, _, features in run.store.features(accepted=True):
        for domain, share in features["domains"].items():
            mass_of_domain[domain] = mass_of_domain.get(domain, 0.0) + share
    return domain_table(mass_of_domain, "trajectories")


def compute_complexity(run: Run) -> pd.DataFrame:
    """Return the CAC of each trajectory.

    Args:
        run: A run.

    Returns:
        One row per trajectory: ``trajectory`` (position in the dataset, from 0) and ``cac``.

    Example:
        >>> import tdlab
        >>> with tdlab.open_run("runs/first") as run:
        ...     len(compute_complexity(run))
        12
    """
    import pandas as pd

    values = [features["complexity"]["value"] for _, _, features in run.store.features(accepted=True)]
    return pd.DataFrame({"trajectory": range(len(values)), "cac": values})


def compute_modes(run: Run) -> pd.DataFrame:
    """Return how many trajectories use each letter of the mode alphabet.

    Args:
        run: A run.

    Returns:
        One row per letter that occurs, the most common first: ``letter``, ``share`` (of the trajectories that have it,
        in [0, 1]).

    Example:
        >>> import tdlab
        >>> with tdlab.open_run("runs/first") as run:
        ...     "reply" in set(compute_modes(run)["letter"])
        True
    """
    import pandas as pd

    total = 0
    counts: dict[str, int] = {}
    for _, _, features in run.store.features(accepted=True):
        total += 1
        for letter in set(features["signature"]):
            counts[letter] = counts.get(letter, 0) + 1
    rows = sorted(((letter, count / total) for letter, count in counts.items()), key=lambda item: (-item[1], item[0]))
    return pd.DataFrame(rows, columns=["letter", "share"])


def plot_gauges(gauges: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw the normalised entropies over the size of the set: domains, modes, and those of plug-ins.

    Args:
        gauges: The frame of `compute_gauges`.
        ax: Where to draw; a new figure of one Axes by default.

    Returns:
        The Axes.

    Example:
        >>> import pandas as pd
        >>> plot_gauges(pd.DataFrame({"trajectories": [5, 9], "gauge": "mode", "value": [0.6, 0.7]})).get_title()
        'Entropy'
    """
    ax = new_axes(ax)
    lines = [("domain", "domains", PALETTE[0], "-"), ("mode", "reasoning modes (trigrams)", PALETTE[5], "--")]
    plugins = {name: GAUGES.get(name) for name in gauges["gauge"].unique() if name not in GAUGES.own}
    lines += [
        (name, gauge.title, PALETTE[2 + number % 3], ":")
        for number, (name, gauge) in enumerate(plugins.items())
        if isinstance(gauge, EntropyGauge)
    ]
    for gauge, name, colour, line_style in lines:
        rows = gauges[gauges["gauge"] == gauge]
        marker = "o" if len(rows) < 2 else None
        ax.plot(rows["trajectories"], rows["value"], color=colour, linestyle=line_style, label=name, marker=marker)
    ax.set(xlabel="trajectories in the set", ylabel="entropy / ceiling", ylim=(0, 1.05), title="Entropy")
    ax.set_xlim(left=0)
    ax.legend(loc="lower right")
    return ax


def plot_domains(domains: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw a horizontal bar for the mass of each domain; of more than 40 the smallest share one bar.

    Args:
        domains: The frame of `compute_domains`.
        ax: Where to draw; a new figure of one Axes by default.

    Returns:
        The Axes.

    Example:
        >>> import pandas as pd
        >>> plot_domains(pd.DataFrame({"title": ["Food"], "trajectories": [3.0]})).get_title()
        'Domains (1)'
    """
    ax = new_axes(ax)
    bars = [(label(title), number) for title, number in zip(domains["title"], domains["trajectories"], strict=True)]
    if len(bars) > _MOST_BARS:
        rest = bars[_MOST_BARS - 1 :]
        bars = [*bars[: _MOST_BARS - 1], (f"{len(rest)} others", sum(number for _, number in rest))]
    heights = range(len(bars), 0, -1)
    ax.barh(heights, [number for _, number in bars], color=PALETTE[0], height=0.72)
    ax.set_yticks(heights, [name for name, _ in bars])
    ax.set(xlabel="trajectories", title=f"Domains ({len(domains)})", ylim=(0.3, len(bars) + 0.7))
    ax.tick_params(axis="y", labelsize=6.5 if len(bars) > 12 else 7, length=0)
    return ax


def plot_complexity(complexity: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw a histogram of CAC with its mean.

    Args:
        complexity: The frame of `compute_complexity`.
        ax: Where to draw; a new figure of one Axes by default.

    Returns:
        The Axes.

    Example:
        >>> import pandas as pd
        >>> plot_complexity(pd.DataFrame({"cac": [10.0, 20.0]})).texts[0].get_text()
        'mean 15.0'
    """
    ax = new_axes(ax)
    if len(complexity):
        draw_histogram(ax, complexity["cac"], bins=24, colour=PALETTE[1])
        mean = float(complexity["cac"].mean())
        ax.axvline(mean, color="black", linewidth=0.9, linestyle="--")
        ax.set_ylim(top=ax.get_ylim()[1] * 1.16)  # leave room for the label above the bars
        side, offset = ("right", -3) if mean > sum(ax.get_xlim()) / 2 else ("left", 3)
        ax.annotate(
            f"mean {mean:.1f}", (mean, 0.98), xycoords=("data", "axes fraction"), xytext=(offset, 0),
            textcoords="offset points", fontsize=7, va="top", ha=side,
        )  # fmt: skip
    ax.set(xlabel="cumulative action complexity (CAC)", ylabel="trajectories", title="Complexity")
    return ax


def plot_modes(modes: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw a horizontal bar for the share of the trajectories that have each letter of the mode alphabet.

    Args:
        modes: The frame of `compute_modes`.
        ax: Where to draw; a new figure of one Axes by default.

    Returns:
        The Axes, with the most common letter on top.

    Example:
        >>> import pandas as pd
        >>> plot_modes(pd.DataFrame({"letter": ["read"], "share": [1.0]})).get_title()
        'Reasoning modes'
    """
    ax = new_axes(ax)
    heights = range(len(modes), 0, -1)
    ax.barh(heights, modes["share"], color=PALETTE[2], height=0.72)
    ax.set_yticks(heights, [label(letter) for letter in modes["letter"]])
    ax.set(xlabel="share of the trajectories", xlim=(0, 1), title="Reasoning modes", ylim=(0.3, len(modes) + 0.7))
    ax.tick_params(axis="y", labelsize=6.5, length=0)
    return ax


def plot_run(run: Run) -> Figure:
    """Draw a run: gauges, complexity and modes beside the domains, with the config's digest in the margin.

    Args:
        run: A run with at least one generation.

    Returns:
        A figure of four Axes.

    Example:
        >>> import tdlab
        >>> with tdlab.open_run("runs/first") as run:
        ...     len(plot_run(run).axes)
        4
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    domains = compute_domains(run)
    frames = {
        "gauges": compute_gauges(run),
        "complexity": compute_complexity(run),
        "modes": compute_modes(run),
        "domains": domains,
    }
    plot_functions: Mapping[str, Callable[..., Axes]] = {
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
        for name, plot in plot_functions.items():
            plot(frames[name], ax=axes[name])
        strategy = config.evolution.strategy
        known = STRATEGIES.get(strategy)
        strategy_name = strategy if known is None or known.steers else f"{strategy} control"
        title = f"{run.counts().accepted:,} verified trajectories, {strategy_name}, seed {config.seed}"
        figure.suptitle(title, fontsize=9, x=0.01, ha="left")
        margin = f"config {config.digest} · pool {run.store.pool_fingerprint[:16]}"
        figure.text(0.995, 0.008, margin, fontsize=5.5, ha="right", va="bottom", color="0.35")
        figure.draw_without_rendering()  # lay out once, so that no file format does it again
        figure.set_layout_engine("none")
    return figure
