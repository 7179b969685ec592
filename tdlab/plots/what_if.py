"""Figures of a replay: entropy and complexity over generations, acceptance, the domain x mode x complexity map.

`plot_what_if` makes the figure. `WhatIfCanvas` makes its picture many times over, for a panel: scales stand still from
one picture to the next, so that what does not change is drawn once and only the data are drawn anew.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from tdlab.evolution import MODE_KINDS, WhatIf
from tdlab.plots.style import PALETTE, STYLE, WIDTH, label, new_axes

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "WhatIfCanvas",
    "compute_acceptance",
    "compute_what_if_map",
    "plot_acceptance",
    "plot_complexity_line",
    "plot_entropies",
    "plot_what_if",
    "plot_what_if_map",
]

_COLOURS = {
    "kept": PALETTE[2],
    "near-duplicate": PALETTE[3],
    "not verified": PALETTE[5],
    "below the bar": PALETTE[1],
    "not tried": "0.8",
}
_LINES: tuple[tuple[str, str, str, Literal["-", "--"]], ...] = (
    ("domain", "domains", PALETTE[0], "-"),
    ("mode", "modes (trigrams)", PALETTE[5], "--"),
)


def compute_acceptance(replayed: WhatIf) -> pd.DataFrame:
    """One row an outcome, the kept first: ``outcome`` and how many ``candidates`` had it (0 for none)."""
    counts = replayed.candidates["outcome"].value_counts(sort=False)
    return counts.reindex(list(_COLOURS), fill_value=0).rename_axis("outcome").reset_index(name="candidates")


def compute_what_if_map(replayed: WhatIf) -> pd.DataFrame:
    """The domain x mode x complexity map: one row a domain and kind of mode that a candidate has, in their order.

    Columns: ``domain`` (the heaviest of the trajectory), ``kind`` (of `MODE_KINDS`; a trajectory counts in each that it
    has), ``candidates`` (all there are), ``kept``, ``cac`` (mean CAC of the kept; missing where none was).
    """
    import pandas as pd

    found: dict[tuple[str, str], list[float]] = {}
    frame = replayed.candidates
    for domain, kinds, outcome, cac in zip(
        frame["domain"], frame["kinds"], frame["outcome"], frame["cac"], strict=True
    ):
        for kind in kinds:
            cell = found.setdefault((domain, kind), [0, 0, 0.0])
            cell[0] += 1
            if outcome == "kept":
                cell[1] += 1
                cell[2] += cac
    rows = [(*key, there, kept, total / kept if kept else None) for key, (there, kept, total) in sorted(found.items())]
    table = pd.DataFrame(rows, columns=["domain", "kind", "candidates", "kept", "cac"])
    return table.astype({"candidates": "int64", "kept": "int64", "cac": "float64"})


def plot_entropies(
    generations: pd.DataFrame, *, thresholds: tuple[float, float] = (0.0, 0.0), ax: Axes | None = None
) -> Axes:
    """The two normalised entropies over the size of the set, thresholds dotted where they steer; `WhatIf`."""
    ax = new_axes(ax)
    _entropy_lines(generations, thresholds, ax)
    _dress_entropies(ax, most=_most(generations))
    ax.legend(loc="lower right")
    return ax


def plot_complexity_line(generations: pd.DataFrame, *, threshold: float = 0.0, ax: Axes | None = None) -> Axes:
    """Mean CAC over the size of the set, its threshold dotted where it steers; takes `WhatIf.generations`."""
    ax = new_axes(ax)
    _complexity_line(generations, threshold, ax)
    top = max([threshold, *generations["cac"]], default=0.0)
    _dress_complexity(ax, most=_most(generations), top=top)
    return ax


def plot_acceptance(acceptance: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Horizontal bars: what became of the candidates; takes `compute_acceptance`."""
    ax = new_axes(ax)
    _acceptance_bars(acceptance, ax)
    _dress_acceptance(ax, most=int(acceptance["candidates"].max()))
    return ax


def plot_what_if_map(cells: pd.DataFrame, *, top: float | None = None, ax: Axes | None = None) -> Axes:
    """The domain x mode x complexity map: grey rings are what there was to choose from, discs what is kept.

    Areas are numbers of trajectories, colours the mean CAC of the kept, up to ``top``; a ring without a disc is a hole.
    Takes `compute_what_if_map`.
    """
    ax = new_axes(ax)
    highest = top if top is not None else float(cells["cac"].max()) if cells["kept"].any() else 1.0
    _dress_map(cells, ax, top=highest)
    _map_discs(cells, ax, top=highest)
    return ax


def plot_what_if(replayed: WhatIf) -> Figure:
    """What a replay would keep, on one figure."""
    from matplotlib import rc_context

    evolution = replayed.evolution
    with rc_context(STYLE):
        figure, axes = _new_figure()
        thresholds = (evolution.domain_threshold, evolution.mode_threshold)
        plot_entropies(replayed.generations, thresholds=thresholds, ax=axes["entropies"])
        plot_complexity_line(replayed.generations, threshold=evolution.complexity_threshold, ax=axes["complexity"])
        plot_acceptance(compute_acceptance(replayed), ax=axes["acceptance"])
        plot_what_if_map(compute_what_if_map(replayed), top=_top(replayed), ax=axes["map"])
    return figure


class WhatIfCanvas:
    """Pictures of replays over the same candidates, each in a fraction of the time that a figure takes.

    Scales are those of all the candidates, so that pictures compare. The first picture makes what stays.
    """

    def __init__(self, *, dpi: int = 100) -> None:
        self._dpi = dpi
        self._key: tuple[Any, ...] = ()
        self._axes: dict[str, Axes] = {}
        self._canvas: Any = None
        self._background: Any = None

    def png(self, replayed: WhatIf) -> bytes:
        """The picture of a replay as PNG bytes."""
        from matplotlib import rc_context
        from matplotlib.image import imsave

        cells = compute_what_if_map(replayed)
        top = _top(replayed)
        most = _scale(int(replayed.generations["total"].iloc[-1]) if len(replayed.generations) else 1)
        key = (len(replayed.candidates), tuple(cells["candidates"]), most, top)
        with rc_context(STYLE):
            if key != self._key:
                self._prepare(cells, most=most, top=top, candidates=len(replayed.candidates))
                self._key = key
            evolution = replayed.evolution
            thresholds = (evolution.domain_threshold, evolution.mode_threshold)
            axes = self._axes
            drawn: dict[str, list[Artist]] = {
                "entropies": _entropy_lines(replayed.generations, thresholds, axes["entropies"]),
                "complexity": _complexity_line(
                    replayed.generations, evolution.complexity_threshold, axes["complexity"]
                ),
                "acceptance": _acceptance_bars(compute_acceptance(replayed), axes["acceptance"]),
                "map": _map_discs(cells, axes["map"], top=top),
            }
            self._canvas.restore_region(self._background)
            for name, artists in drawn.items():
                for artist in artists:
                    axes[name].draw_artist(artist)
                    artist.remove()
            buffer = io.BytesIO()
            imsave(buffer, self._canvas.buffer_rgba(), format="png", dpi=self._dpi, pil_kwargs={"compress_level": 1})
        return buffer.getvalue()

    def _prepare(self, cells: pd.DataFrame, *, most: int, top: float, candidates: int) -> None:
        """Draw what does not depend on a replay's settings."""
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.lines import Line2D

        figure, self._axes = _new_figure()
        figure.set_dpi(self._dpi)
        _dress_entropies(self._axes["entropies"], most=most)
        handles = [Line2D([], [], color=colour, linestyle=dash, label=name) for _, name, colour, dash in _LINES]
        self._axes["entropies"].legend(handles=handles, loc="lower right")
        _dress_complexity(self._axes["complexity"], most=most, top=1.3 * top)
        _dress_acceptance(self._axes["acceptance"], most=candidates)
        _dress_map(cells, self._axes["map"], top=top)
        self._canvas = FigureCanvasAgg(figure)
        self._canvas.draw()
        self._background = self._canvas.copy_from_bbox(figure.bbox)
        for ax in self._axes.values():
            ax.set_autoscale_on(False)


# ------------------------------------------------------------------------------------------------ stays, and moves


def _new_figure() -> tuple[Figure, dict[str, Axes]]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH, 4.6))
    grid = figure.add_gridspec(
        3, 2, left=0.115, right=0.97, top=0.94, bottom=0.09, hspace=0.85, wspace=0.5, width_ratios=(1, 1.15),
        height_ratios=(1.3, 1, 0.9),
    )  # fmt: skip
    places: Mapping[str, Any] = {
        "entropies": grid[0, 0], "complexity": grid[1, 0], "acceptance": grid[2, 0], "map": grid[:, 1],
    }  # fmt: skip
    return figure, {name: figure.add_subplot(place) for name, place in places.items()}


def _dress_entropies(ax: Axes, *, most: int) -> None:
    ax.set(xlabel="trajectories kept", ylabel="entropy / ceiling", title="Entropy over generations")
    ax.set(xlim=(0, most), ylim=(0.0, 1.05))


def _entropy_lines(generations: pd.DataFrame, thresholds: tuple[float, float], ax: Axes) -> list[Artist]:
    drawn: list[Artist] = []
    marker = "o" if len(generations) < 2 else None
    for (gauge, name, colour, dash), threshold in zip(_LINES, thresholds, strict=True):
        drawn += ax.plot(
            generations["total"], generations[gauge], color=colour, linestyle=dash, label=name, marker=marker,
            clip_on=marker is None,
        )  # fmt: skip
        if threshold > 0:
            drawn.append(ax.axhline(threshold, color=colour, linewidth=0.7, linestyle=":"))
    return drawn


def _dress_complexity(ax: Axes, *, most: int, top: float) -> None:
    ax.set(xlabel="trajectories kept", ylabel="mean CAC", title="Complexity", xlim=(0, most), ylim=(0, top * 1.08 + 1))


def _complexity_line(generations: pd.DataFrame, threshold: float, ax: Axes) -> list[Artist]:
    marker = "o" if len(generations) < 2 else None
    drawn: list[Artist] = [
        *ax.plot(generations["total"], generations["cac"], color=PALETTE[1], marker=marker, clip_on=marker is None)
    ]
    if threshold > 0:
        drawn.append(ax.axhline(threshold, color=PALETTE[1], linewidth=0.7, linestyle=":"))
    return drawn


def _dress_acceptance(ax: Axes, *, most: int) -> None:
    ax.set_yticks(range(len(_COLOURS), 0, -1), list(_COLOURS))
    ax.set(xlabel="candidates", title="Acceptance", ylim=(0.3, len(_COLOURS) + 0.7), xlim=(0, max(most, 1) * 1.22))
    ax.tick_params(axis="y", length=0)


def _acceptance_bars(acceptance: pd.DataFrame, ax: Axes) -> list[Artist]:
    drawn: list[Artist] = []
    for place, (name, colour) in enumerate(_COLOURS.items()):
        number = int(acceptance.loc[acceptance["outcome"] == name, "candidates"].sum())
        up = len(_COLOURS) - place
        drawn += ax.barh([up], [number], color=colour, height=0.7).patches
        drawn.append(
            ax.annotate(f"{number:,}", (number, up), xytext=(2, 0), textcoords="offset points", va="center", fontsize=7)
        )
    return drawn


def _dress_map(cells: pd.DataFrame, ax: Axes, *, top: float) -> None:
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    domains = _domains(cells)
    across, up, area = _places(cells)
    ax.scatter(across, up, s=cells["candidates"] * area, facecolors="none", edgecolors="0.75", linewidths=0.6)
    kinds = _kinds(cells)
    ax.set_xticks(range(len(kinds)), kinds)
    ax.set_yticks(range(len(domains)), [label(domain) for domain in domains])
    ax.set(xlim=(-0.6, len(kinds) - 0.4), ylim=(-0.8, len(domains) - 0.2), title="Domain x mode x complexity")
    ax.tick_params(length=0, labelsize=5.5 if len(domains) > 24 else 6.5)
    scale = ScalarMappable(Normalize(0.0, top), cmap="cividis")
    bar = ax.figure.colorbar(scale, ax=ax, shrink=0.5, pad=0.03, aspect=30)
    bar.set_label("mean CAC of the kept", fontsize=6.5)
    bar.ax.tick_params(labelsize=6)


def _map_discs(cells: pd.DataFrame, ax: Axes, *, top: float) -> list[Artist]:
    across, up, area = _places(cells)
    kept = cells["kept"] > 0
    return [
        ax.scatter(
            across[kept], up[kept], s=cells["kept"][kept] * area, c=cells["cac"][kept], cmap="cividis", vmin=0.0,
            vmax=top, linewidths=0,
        )
    ]  # fmt: skip


def _domains(cells: pd.DataFrame) -> list[str]:
    return sorted(set(cells["domain"]), reverse=True)


def _kinds(cells: pd.DataFrame) -> list[str]:
    there = set(cells["kind"])
    return [kind for kind in MODE_KINDS if kind in there]


def _places(cells: pd.DataFrame) -> tuple[pd.Series[int], pd.Series[int], float]:
    """Where each cell lies, and the area of a trajectory in square points."""
    across = cells["kind"].map({kind: place for place, kind in enumerate(_kinds(cells))})
    up = cells["domain"].map({domain: place for place, domain in enumerate(_domains(cells))})
    return across, up, 150.0 / max(1, int(cells["candidates"].max()))


def _top(replayed: WhatIf) -> float:
    """The CAC at the top of every scale: that of one candidate in twenty is higher."""
    return float(replayed.candidates["cac"].quantile(0.95)) or 1.0


def _most(generations: pd.DataFrame) -> int:
    return int(max([1, *generations["total"]]))


def _scale(number: int) -> int:
    """The end of an axis: the next of 1, 2, 5 times a power of ten at or above the number."""
    power = 1
    while True:
        for step in (1, 2, 5):
            if step * power >= number:
                return step * power
        power *= 10
