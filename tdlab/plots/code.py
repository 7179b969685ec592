"""Figures of recorded code run again: verdicts by domain, and how long programs took beside the limit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tdlab.plots.style import PALETTE, STYLE, WIDTH, label, new_axes

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["compute_code_verdicts", "plot_code_check", "plot_code_times", "plot_code_verdicts"]

_VERDICTS = (
    ("same", "the same", PALETTE[2]),
    ("different", "different", PALETTE[5]),
    ("not_replayed", "not run", PALETTE[6]),
)
_MOST_BARS = 36
_LANGUAGES = ("python", "sql", "bash")


def compute_code_verdicts(checked: pd.DataFrame) -> pd.DataFrame:
    """One row a domain, most programs first: ``domain, title, same, different, not_replayed`` (numbers of programs).

    Takes the frame of a `tdlab.jobs.recheck.CheckReport`.
    """
    import pandas as pd

    from tdlab.pool import Taxonomy

    taxonomy = Taxonomy.bundled()
    names = [name for name, _, _ in _VERDICTS]
    rows = []
    for domain in sorted({str(domain) for domain in checked["domain"]}):
        found = checked.loc[checked["domain"] == domain, "verdict"]
        numbers = [int((found == name).sum()) for name in names]
        rows.append((domain, taxonomy[domain].title if domain in taxonomy else domain, numbers))
    rows.sort(key=lambda row: (-sum(row[2]), row[0]))
    return pd.DataFrame(
        [(domain, title, *numbers) for domain, title, numbers in rows], columns=["domain", "title", *names]
    )


def plot_code_verdicts(verdicts: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Stacked bars of the verdicts in each domain; takes `compute_code_verdicts`."""
    from matplotlib.ticker import MaxNLocator

    ax = new_axes(ax)
    shown = verdicts.head(_MOST_BARS)
    places = list(range(len(shown), 0, -1))
    left = [0] * len(shown)
    for name, words, colour in _VERDICTS:
        numbers = [int(number) for number in shown[name]]
        ax.barh(places, numbers, left=left, color=colour, height=0.72, label=f"{words} ({int(verdicts[name].sum())})")
        left = [before + number for before, number in zip(left, numbers, strict=True)]
    ax.set_yticks(places, [label(title) for title in shown["title"]])
    more = f", {len(verdicts) - len(shown)} more" if len(verdicts) > len(shown) else ""
    ax.set(xlabel="programs", title=f"Run again, by domain ({len(shown)}{more})", ylim=(0.3, len(shown) + 0.7))
    ax.tick_params(axis="y", labelsize=6.5 if len(shown) > 12 else 7, length=0)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    if len(shown):
        ax.legend(loc="lower right")
    return ax


def plot_code_times(checked: pd.DataFrame, *, time_limit_s: float, ax: Axes | None = None) -> Axes:
    """Seconds that each program took, by language, beside the limit; takes the frame of a `CheckReport`.

    A program that is compared several times counts with all its runs together.
    """
    ax = new_axes(ax)
    languages = [name for name in _LANGUAGES if (checked["language"] == name).any()]
    for place, language in enumerate(languages):
        group = checked[checked["language"] == language]
        spread = [place + ((number * 7919) % 101 - 50) / 170 for number in range(len(group))]
        for name, _, colour in _VERDICTS:
            picked = (group["verdict"] == name).to_list()
            times = [t for t, keep in zip(group["seconds"], picked, strict=True) if keep]
            where = [s for s, keep in zip(spread, picked, strict=True) if keep]
            ax.scatter(times, where, s=9, color=colour, linewidths=0, alpha=0.8)
    ax.axvline(time_limit_s, color="black", linewidth=0.9, linestyle="--")
    ax.annotate(
        f"limit {time_limit_s:g} s", (time_limit_s, 1.0), xycoords=("data", "axes fraction"), xytext=(-3, -2),
        textcoords="offset points", ha="right", va="top", fontsize=7,
    )  # fmt: skip
    ax.set_xscale("log")
    ax.set(xlabel="seconds", title="Time", ylim=(len(languages) - 0.3, -0.7))
    ax.set_yticks(range(len(languages)), languages)
    ax.tick_params(axis="y", length=0)
    return ax


def plot_code_check(checked: pd.DataFrame, *, time_limit_s: float, backend: str) -> Figure:
    """Both figures side by side. A run without code steps gives a figure that says so."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    verdicts = compute_code_verdicts(checked)
    with rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, max(2.4, 0.9 + 0.15 * min(len(verdicts), _MOST_BARS))), layout="constrained")
        if not len(checked):
            figure.text(0.5, 0.5, "This run has no code steps: there is nothing to run again.", ha="center", fontsize=9)
            return figure
        left, right = figure.subplots(1, 2, width_ratios=[1.5, 1])
        plot_code_verdicts(verdicts, ax=left)
        plot_code_times(checked, time_limit_s=time_limit_s, ax=right)
        same = int((checked["verdict"] == "same").sum())
        figure.suptitle(f"{same} of {len(checked)} programs reproduce, in {backend}", fontsize=9, x=0.01, ha="left")
    return figure
