"""The diversity map: every trajectory a point, coloured by what one asks about."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from tdlab.embedding import MODE_FAMILIES, TrajectoryMap, map_trajectories
from tdlab.plots.style import PALETTE, STYLE, WIDTH, label, new_axes

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["COLOURS", "Colour", "compute_map", "map_figure", "plot_map", "plot_maps"]

Colour = Literal["domain", "mode", "complexity", "generation", "dataset"]
COLOURS: tuple[Colour, ...] = ("domain", "mode", "complexity", "generation", "dataset")
"""What the points of a map can be coloured by."""

compute_map = map_trajectories
"""The computing half of the pair: `plot_map` draws the ``frame`` of what it returns."""

_SHAPES = "o^sDvPX*"
_COLOURS = (*PALETTE[:6], PALETTE[7])  # all but the yellow, which is pale for small points
_OTHER = "0.75"
_NAMED = 7  # categories that have a colour of their own
_NUMBERED = 12  # clumps
_MANY = 4000  # points from which on they are small


def plot_map(
    frame: pd.DataFrame,
    *,
    colour: Colour = "domain",
    collapses: pd.DataFrame | None = None,
    ring: int | None = None,
    ax: Axes | None = None,
) -> Axes:
    """The points of a map, coloured by a column; takes the frame of a `TrajectoryMap`.

    Of many categories the seven commonest have a colour and a shape of their own, the others are grey. Complexity and
    generation are a scale; trajectories without a generation are grey. The twelve largest of ``collapses`` (of
    `tdlab.embedding.collapses`) are numbered where they lie, ``ring`` marks a row by its place. The axes have no unit
    and no meaning, and so no ticks.
    """
    from matplotlib.ticker import MaxNLocator

    ax = new_axes(ax)
    size = 5.0 if len(frame) >= _MANY else 14.0
    title = f"{len(frame):,} trajectories by {colour}"
    if colour in ("complexity", "generation"):
        values = frame[colour].astype("float64")
        known = values.notna()
        ax.scatter(frame["x"][~known], frame["y"][~known], s=size, color=_OTHER, linewidths=0)
        if known.any():
            part = frame[known].sample(frac=1.0, random_state=0)  # so that neither end lies on top
            order = part.index
            points = ax.scatter(part["x"], part["y"], c=values[order], s=size, cmap="viridis", linewidths=0, alpha=0.8)
            beside = ax.inset_axes((1.02, 0.1, 0.03, 0.8))
            bar = ax.figure.colorbar(points, cax=beside, ticks=MaxNLocator(5, integer=True))
            bar.outline.set_linewidth(0)
    else:
        for name, part, shape, paint in _groups(frame, colour):
            shown = f"{label(name)} ({len(part):,})"
            shown = f" {shown}" if shown.startswith("_") else shown  # matplotlib hides such labels
            ax.scatter(part["x"], part["y"], s=size, color=paint, marker=shape, linewidths=0, alpha=0.75, label=shown)
        if len(frame):
            ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=6, markerscale=1.3, handletextpad=0.2)
    for clump in () if collapses is None else collapses.head(_NUMBERED).itertuples():
        ax.annotate(
            str(clump.clump), (clump.x, clump.y), fontsize=6, ha="center", va="center", zorder=5,
            bbox={"boxstyle": "circle,pad=0.15", "facecolor": "white", "edgecolor": "black", "linewidth": 0.6},
        )  # fmt: skip
    if ring is not None:
        one = frame.iloc[ring]
        ax.plot([one["x"]], [one["y"]], "o", markersize=11, markerfacecolor="none", markeredgecolor="black", zorder=6)
    ax.set(xticks=[], yticks=[], title=title)
    ax.margins(0.03)
    return ax


def _groups(frame: pd.DataFrame, column: str) -> list[tuple[str, pd.DataFrame, str, str]]:
    """Name, rows, shape and colour of each category: the grey others first, then from the commonest on."""
    counts = frame[column].value_counts()
    order = {name: place for place, name in enumerate(MODE_FAMILIES)} if column == "mode" else {}
    names = sorted(counts.index, key=lambda name: (-counts[name], order.get(name, 0), str(name)))
    named, rest = (names, []) if len(names) <= _NAMED else (names[:_NAMED], names[_NAMED:])
    groups = [
        (str(name), frame[frame[column] == name], _SHAPES[place], _COLOURS[place]) for place, name in enumerate(named)
    ]
    if rest:
        groups.insert(0, (f"{len(rest)} other{'s' * (len(rest) > 1)}", frame[frame[column].isin(rest)], "o", _OTHER))
    return groups


def map_figure(
    frame: pd.DataFrame, *, colour: Colour = "domain", collapses: pd.DataFrame | None = None, ring: int | None = None
) -> Figure:
    """`plot_map` as a figure of its own, with room for the legend: what a panel shows."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 3.9), layout="constrained")
        plot_map(frame, colour=colour, collapses=collapses, ring=ring, ax=figure.subplots())
    return figure


def plot_maps(found: TrajectoryMap, *, collapses: pd.DataFrame | None = None) -> Figure:
    """One map in several colours: domain, mode, complexity, and generation and dataset where there are several."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    frame = found.frame
    colours: list[Colour] = ["domain", "mode", "complexity"]
    more: tuple[Colour, Colour] = ("generation", "dataset")
    colours += [one for one in more if frame[one].nunique() > 1]
    rows = (len(colours) + 1) // 2
    with rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 2.5 * rows), layout="constrained")
        axes = figure.subplots(rows, 2, squeeze=False).ravel()
        for place, ax in enumerate(axes):
            if place < len(colours):
                plot_map(frame, colour=colours[place], collapses=collapses if place == 0 else None, ax=ax)
            else:
                ax.set_axis_off()
    return figure
