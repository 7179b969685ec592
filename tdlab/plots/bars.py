"""Horizontal bars with a name each, as most figures of the workbench need them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tdlab.plots.style import PALETTE, label

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis

__all__ = ["draw_bars", "draw_nothing", "whole_numbers"]

_FEWEST = 8  # bars that there is always room for, so that a single one is no wall


def draw_bars(
    ax: Axes, names: Sequence[str], values: Sequence[float], *, most: int = 40, colour: str = PALETTE[0]
) -> int:
    """Bars from the top down in the order given; where there are more than ``most`` the last are one bar together.

    Returns how many were drawn.
    """
    shown = list(zip((label(name) for name in names), values, strict=True))
    if len(shown) > most:
        rest = shown[most - 1 :]
        shown = [*shown[: most - 1], (f"{len(rest)} others", sum(value for _, value in rest))]
    places = range(len(shown), 0, -1)
    ax.barh(places, [value for _, value in shown], color=colour, height=0.72)
    ax.set_yticks(places, [name for name, _ in shown])
    ax.set_ylim(0.3 - max(0, _FEWEST - len(shown)), len(shown) + 0.7)
    whole_numbers(ax.xaxis)
    ax.tick_params(axis="y", labelsize=6.5 if len(shown) > 12 else 7, length=0)
    return len(shown)


def whole_numbers(axis: Axis) -> None:
    """Ticks of an axis that counts: whole, with commas."""
    from matplotlib.ticker import MaxNLocator

    axis.set_major_locator(MaxNLocator(nbins=5, integer=True))
    axis.set_major_formatter("{x:,.0f}")


def draw_nothing(ax: Axes, words: str) -> Axes:
    """An Axes that says that there is nothing to draw."""
    ax.set_axis_off()
    ax.text(0.5, 0.5, words, ha="center", va="center", transform=ax.transAxes, color="0.35")
    return ax
