"""Named horizontal bars, histograms and axes of whole numbers, shared by most figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from tdlab.plots.style import PALETTE, label
from tdlab.pool import Taxonomy

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis

__all__ = ["domain_table", "draw_bars", "draw_histogram", "draw_nothing", "whole_numbers"]

_FEWEST = 8  # leave room for at least this many bars: a single bar that fills the Axes reads as a background


def domain_table(masses: Mapping[str, float], column: str) -> pd.DataFrame:
    """Return one row per domain, the heaviest first: ``domain`` (its id), ``title`` and its mass in ``column``."""
    import pandas as pd

    taxonomy = Taxonomy.bundled()
    ranked = sorted(masses, key=lambda domain: (-masses[domain], domain))
    titles = [taxonomy[domain].title if domain in taxonomy else domain or "unknown" for domain in ranked]
    return pd.DataFrame({"domain": ranked, "title": titles, column: [masses[domain] for domain in ranked]})


def draw_bars(
    ax: Axes, names: Sequence[str], values: Sequence[float], *, most: int = 40, colour: str = PALETTE[0]
) -> int:
    """Draw bars from the top down in the order given, and return how many were drawn.

    Of more than ``most`` values, the last ones are added up in one bar.
    """
    bars = list(zip((label(name) for name in names), values, strict=True))
    if len(bars) > most:
        rest = bars[most - 1 :]
        bars = [*bars[: most - 1], (f"{len(rest)} others", sum(value for _, value in rest))]
    positions = range(len(bars), 0, -1)
    ax.barh(positions, [value for _, value in bars], color=colour, height=0.72)
    ax.set_yticks(positions, [name for name, _ in bars])
    ax.set_ylim(0.3 - max(0, _FEWEST - len(bars)), len(bars) + 0.7)
    whole_numbers(ax.xaxis)
    ax.tick_params(axis="y", labelsize=6.5 if len(bars) > 12 else 7, length=0)
    return len(bars)


def draw_histogram(ax: Axes, values: pd.Series[float], *, bins: int | list[float], colour: str) -> None:
    """Draw how many of the values lie in each bin, given as a number of bins or as their edges."""
    import seaborn

    seaborn.histplot(x=values, bins=bins, color=colour, alpha=1, edgecolor="white", linewidth=0.4, ax=ax)


def whole_numbers(axis: Axis) -> None:
    """Give an axis of counts whole ticks with thousands separators."""
    from matplotlib.ticker import MaxNLocator

    axis.set_major_locator(MaxNLocator(nbins=5, integer=True))
    axis.set_major_formatter("{x:,.0f}")


def draw_nothing(ax: Axes, message: str) -> Axes:
    """Show a message in an empty Axes, in place of a plot without data."""
    ax.set_axis_off()
    ax.text(0.5, 0.5, message, ha="center", va="center", transform=ax.transAxes, color="0.35")
    return ax
