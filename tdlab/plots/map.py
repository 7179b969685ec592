"""The diversity map: one point per trajectory, coloured by a property."""

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
"""The properties by which the points of a map can be coloured."""

compute_map = map_trajectories
"""Compute a map; `plot_map` draws its ``frame``."""

_MARKERS = "o^sDvPX*"
_COLOURS = (*PALETTE[:6], PALETTE[7])  # all but the yellow, which is too pale for small points
_OTHER_COLOUR = "0.75"
_MOST_COLOURED = 7  # categories with a colour of their own
_MOST_NUMBERED = 12  # clumps with a number
_MANY_POINTS = 4000  # from this many on, points are drawn small


def plot_map(
    frame: pd.DataFrame,
    *,
    colour: Colour = "domain",
    collapses: pd.DataFrame | None = None,
    ring: int | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the points of a map, coloured by a property.

    The seven most common categories have a colour and a marker of their own; the others are grey. Complexity and
    generation have a colour scale; trajectories without a generation are grey. The axes have no ticks, since they have
    no unit and no meaning.

    Args:
        frame: The frame of a `tdlab.embedding.TrajectoryMap`.
        colour: The column that gives the colours, one of `COLOURS`.
        collapses: The frame of `tdlab.embedding.collapses`; its twelve largest clumps are numbered.
        ring: Position of a row of ``frame`` to mark with a ring.
        ax: Where to draw; a new figure of one Axes by default.

    Returns:
        The Axes.

    Example:
        >>> import pandas as pd
        >>> frame = pd.DataFrame({"x": [0.0, 1.0], "y": [0.0, 1.0], "domain": ["travel", "food"]})
        >>> plot_map(frame).get_title()
        '2 trajectories by domain'
    """
    from matplotlib.ticker import MaxNLocator

    ax = new_axes(ax)
    size = 5.0 if len(frame) >= _MANY_POINTS else 14.0
    title = f"{len(frame):,} trajectories by {colour}"
    if colour in ("complexity", "generation"):
        values = frame[colour].astype("float64")
        known = values.notna()
        ax.scatter(frame["x"][~known], frame["y"][~known], s=size, color=_OTHER_COLOUR, linewidths=0)
        if known.any():
            rows = frame[known].sample(frac=1.0, random_state=0)  # shuffled, so that neither end of the scale is on top
            order = rows.index
            points = ax.scatter(rows["x"], rows["y"], c=values[order], s=size, cmap="viridis", linewidths=0, alpha=0.8)
            scale_axes = ax.inset_axes((1.02, 0.1, 0.03, 0.8))
            scale = ax.figure.colorbar(points, cax=scale_axes, ticks=MaxNLocator(5, integer=True))
            scale.outline.set_linewidth(0)
    else:
        for name, rows, shape, fill in _groups(frame, colour):
            entry = f"{label(name)} ({len(rows):,})"
            entry = f" {entry}" if entry.startswith("_") else entry  # matplotlib hides such labels
            ax.scatter(rows["x"], rows["y"], s=size, color=fill, marker=shape, linewidths=0, alpha=0.75, label=entry)
        if len(frame):
            ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=6, markerscale=1.3, handletextpad=0.2)
    for clump in () if collapses is None else collapses.head(_MOST_NUMBERED).itertuples():
        ax.annotate(
            str(clump.clump), (clump.x, clump.y), fontsize=6, ha="center", va="center", zorder=5,
            bbox={"boxstyle": "circle,pad=0.15", "facecolor": "white", "edgecolor": "black", "linewidth": 0.6},
        )  # fmt: skip
    if ring is not None:
        marked = frame.iloc[ring]
        ax.plot(
            [marked["x"]], [marked["y"]], "o", markersize=11, markerfacecolor="none", markeredgecolor="black", zorder=6
        )
    ax.set(xticks=[], yticks=[], title=title)
    ax.margins(0.03)
    return ax


def _groups(frame: pd.DataFrame, column: str) -> list[tuple[str, pd.DataFrame, str, str]]:
    """Return name, rows, marker and colour of each category: the grey others first, then by falling frequency."""
    counts = frame[column].value_counts()
    order = {name: position for position, name in enumerate(MODE_FAMILIES)} if column == "mode" else {}
    names = sorted(counts.index, key=lambda name: (-counts[name], order.get(name, 0), str(name)))
    coloured, rest = (names, []) if len(names) <= _MOST_COLOURED else (names[:_MOST_COLOURED], names[_MOST_COLOURED:])
    groups = [
        (str(name), frame[frame[column] == name], _MARKERS[position], _COLOURS[position])
        for position, name in enumerate(coloured)
    ]
    if rest:
        groups.insert(
            0, (f"{len(rest)} other{'s' * (len(rest) > 1)}", frame[frame[column].isin(rest)], "o", _OTHER_COLOUR)
        )
    return groups


def map_figure(
    frame: pd.DataFrame, *, colour: Colour = "domain", collapses: pd.DataFrame | None = None, ring: int | None = None
) -> Figure:
    """Draw `plot_map` in a figure of its own with room for the legend, as a panel shows it.

    Args:
        frame: The frame of a `tdlab.embedding.TrajectoryMap`.
        colour: The column that gives the colours, one of `COLOURS`.
        collapses: The frame of `tdlab.embedding.collapses`; its twelve largest clumps are numbered.
        ring: Position of a row of ``frame`` to mark with a ring.

    Returns:
        A wide figure of one Axes.

    Example:
        >>> import pandas as pd
        >>> figure = map_figure(pd.DataFrame({"x": [0.0, 1.0], "y": [0.0, 1.0], "domain": ["travel", "food"]}))
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 3.9), layout="constrained")
        plot_map(frame, colour=colour, collapses=collapses, ring=ring, ax=figure.subplots())
    return figure


def plot_maps(trajectory_map: TrajectoryMap, *, collapses: pd.DataFrame | None = None) -> Figure:
    """Draw a map once per property: domain, mode, complexity; also generation and dataset if there are several.

    Args:
        trajectory_map: The result of `tdlab.embedding.map_trajectories`.
        collapses: The frame of `tdlab.embedding.collapses`; its clumps are numbered on the first map.

    Returns:
        A figure with two maps in a row.

    Example:
        >>> import tdlab
        >>> with tdlab.open_run("runs/first") as run:
        ...     figure = plot_maps(compute_map({"first": run}, by="structure", cache=False))
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    frame = trajectory_map.frame
    colours: list[Colour] = ["domain", "mode", "complexity"]
    optional: tuple[Colour, Colour] = ("generation", "dataset")
    colours += [column for column in optional if frame[column].nunique() > 1]
    rows = (len(colours) + 1) // 2
    with rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 2.5 * rows), layout="constrained")
        axes = figure.subplots(rows, 2, squeeze=False).ravel()
        for position, ax in enumerate(axes):
            if position < len(colours):
                plot_map(frame, colour=colours[position], collapses=collapses if position == 0 else None, ax=ax)
            else:
                ax.set_axis_off()
    return figure
