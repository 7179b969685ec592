"""Figures of a what-if: entropy and complexity over generations, acceptance, the domain x mode x complexity map.

`plot_what_if` draws the figure. `WhatIfCanvas` draws it many times, for a panel: scales do not change from one picture
to the next, so that axes and legends are drawn once and only the data are redrawn.
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


def compute_acceptance(result: WhatIf) -> pd.DataFrame:
    """Count the candidates of each outcome.

    Args:
        result: The result of `tdlab.evolution.what_if`.

    Returns:
        One row per outcome, the kept first: ``outcome`` and ``candidates`` (their number, also if it is 0).

    Example:
        >>> import tdlab
        >>> from tdlab.evolution import cached_candidates, what_if
        >>> with tdlab.open_run("runs/first") as run:
        ...     result = what_if(cached_candidates(run), run.config.evolution, target=5)
        >>> compute_acceptance(result)["candidates"].tolist()[0]
        5
    """
    counts = result.candidates["outcome"].value_counts(sort=False)
    return counts.reindex(list(_COLOURS), fill_value=0).rename_axis("outcome").reset_index(name="candidates")


def compute_what_if_map(result: WhatIf) -> pd.DataFrame:
    """Count the candidates of each domain and kind of mode.

    Args:
        result: The result of `tdlab.evolution.what_if`.

    Returns:
        One row per domain and kind that some candidate has, sorted: ``domain`` (the heaviest of a trajectory), ``kind``
        (of `tdlab.evolution.MODE_KINDS`; a trajectory counts in each kind that it has), ``candidates``, ``kept``,
        ``cac`` (mean CAC of the kept; missing if none was kept).

    Example:
        >>> import tdlab
        >>> from tdlab.evolution import cached_candidates, what_if
        >>> with tdlab.open_run("runs/first") as run:
        ...     result = what_if(cached_candidates(run), run.config.evolution, target=5)
        >>> list(compute_what_if_map(result))
        ['domain', 'kind', 'candidates', 'kept', 'cac']
    """
    import pandas as pd

    cells: dict[tuple[str, str], list[float]] = {}
    frame = result.candidates
    for domain, kinds, outcome, cac in zip(
        frame["domain"], frame["kinds"], frame["outcome"], frame["cac"], strict=True
    ):
        for kind in kinds:
            cell = cells.setdefault((domain, kind), [0, 0, 0.0])
            cell[0] += 1
            if outcome == "kept":
                cell[1] += 1
                cell[2] += cac
    rows = [
        (*key, total_count, kept, cac_sum / kept if kept else None)
        for key, (total_count, kept, cac_sum) in sorted(cells.items())
    ]
    table = pd.DataFrame(rows, columns=["domain", "kind", "candidates", "kept", "cac"])
    return table.astype({"candidates": "int64", "kept": "int64", "cac": "float64"})


def plot_entropies(
    generations: pd.DataFrame, *, thresholds: tuple[float, float] = (0.0, 0.0), ax: Axes | None = None
) -> Axes:
    """Draw the two normalised entropies over the size of the set.

    Args:
        generations: One row per generation with the columns ``total``, ``domain`` and ``mode``, such as
            `tdlab.evolution.WhatIf.generations`.
        thresholds: Thresholds of domain and mode, in [0, 1], drawn as dotted lines; 0 draws none.
        ax: Where to draw; a new figure of one Axes by default.

    Returns:
        The Axes.

    Example:
        >>> import pandas as pd
        >>> plot_entropies(pd.DataFrame({"total": [5, 9], "domain": [0.8, 0.9], "mode": [0.6, 0.7]})).get_title()
        'Entropy over generations'
    """
    ax = new_axes(ax)
    _entropy_lines(generations, thresholds, ax)
    _set_up_entropies(ax, most=_last_size(generations))
    ax.legend(loc="lower right")
    return ax


def plot_complexity_line(generations: pd.DataFrame, *, threshold: float = 0.0, ax: Axes | None = None) -> Axes:
    """Draw the mean CAC over the size of the set.

    Args:
        generations: One row per generation with the columns ``total`` and ``cac``, such as
            `tdlab.evolution.WhatIf.generations`.
        threshold: Threshold of the mean CAC, drawn as a dotted line; 0 draws none.
        ax: Where to draw; a new figure of one Axes by default.

    Returns:
        The Axes.

    Example:
        >>> import pandas as pd
        >>> plot_complexity_line(pd.DataFrame({"total": [5, 9], "cac": [20.0, 24.0]})).get_ylabel()
        'mean CAC'
    """
    ax = new_axes(ax)
    _complexity_line(generations, threshold, ax)
    top = max([threshold, *generations["cac"]], default=0.0)
    _set_up_complexity(ax, most=_last_size(generations), top=top)
    return ax


def plot_acceptance(acceptance: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw the number of candidates of each outcome as horizontal bars.

    Args:
        acceptance: The frame of `compute_acceptance`.
        ax: Where to draw; a new figure of one Axes by default.

    Returns:
        The Axes.

    Example:
        >>> import pandas as pd
        >>> plot_acceptance(pd.DataFrame({"outcome": ["kept"], "candidates": [5]})).get_title()
        'Acceptance'
    """
    ax = new_axes(ax)
    _acceptance_bars(acceptance, ax)
    _set_up_acceptance(ax, most=int(acceptance["candidates"].max()))
    return ax


def plot_what_if_map(cells: pd.DataFrame, *, top: float | None = None, ax: Axes | None = None) -> Axes:
    """Draw the domain x mode x complexity map: a grey ring for the candidates of a cell, a disc for those kept.

    Areas show numbers of trajectories, colours the mean CAC of the kept. A ring without a disc is a hole.

    Args:
        cells: The frame of `compute_what_if_map`.
        top: CAC at the end of the colour scale; the highest of ``cells`` by default.
        ax: Where to draw; a new figure of one Axes by default.

    Returns:
        The Axes.

    Example:
        >>> import pandas as pd
        >>> cells = pd.DataFrame({"domain": ["food"], "kind": ["ask"], "candidates": [3], "kept": [1], "cac": [20.0]})
        >>> plot_what_if_map(cells).get_title()
        'Domain x mode x complexity'
    """
    ax = new_axes(ax)
    highest = top if top is not None else float(cells["cac"].max()) if cells["kept"].any() else 1.0
    _set_up_map(cells, ax, top=highest)
    _map_discs(cells, ax, top=highest)
    return ax


def plot_what_if(result: WhatIf) -> Figure:
    """Draw a what-if: entropies, complexity, acceptance, and the domain x mode x complexity map.

    Args:
        result: The result of `tdlab.evolution.what_if`.

    Returns:
        A figure of four Axes and a colour scale.

    Example:
        >>> import tdlab
        >>> from tdlab.evolution import cached_candidates, what_if
        >>> with tdlab.open_run("runs/first") as run:
        ...     figure = plot_what_if(what_if(cached_candidates(run), run.config.evolution, target=5))
    """
    from matplotlib import rc_context

    evolution = result.evolution
    with rc_context(STYLE):
        figure, axes = _new_figure()
        thresholds = (evolution.domain_threshold, evolution.mode_threshold)
        plot_entropies(result.generations, thresholds=thresholds, ax=axes["entropies"])
        plot_complexity_line(result.generations, threshold=evolution.complexity_threshold, ax=axes["complexity"])
        plot_acceptance(compute_acceptance(result), ax=axes["acceptance"])
        plot_what_if_map(compute_what_if_map(result), top=_highest_cac(result), ax=axes["map"])
    return figure


class WhatIfCanvas:
    """Draw what-ifs over the same candidates, each in a fraction of the time that a figure takes.

    Scales are those of all candidates, so that pictures can be compared. The first picture draws axes and legends,
    which the following ones reuse.

    Args:
        dpi: Resolution, in dots per inch.
    """

    def __init__(self, *, dpi: int = 100) -> None:
        self._dpi = dpi
        self._key: tuple[Any, ...] = ()
        self._axes: dict[str, Axes] = {}
        self._canvas: Any = None
        self._background: Any = None

    def png(self, result: WhatIf) -> bytes:
        """Return the picture of a what-if as PNG bytes."""
        from matplotlib import rc_context
        from matplotlib.image import imsave

        cells = compute_what_if_map(result)
        top = _highest_cac(result)
        most = _axis_end(int(result.generations["total"].iloc[-1]) if len(result.generations) else 1)
        key = (len(result.candidates), tuple(cells["candidates"]), most, top)
        with rc_context(STYLE):
            if key != self._key:
                self._prepare(cells, most=most, top=top, candidates=len(result.candidates))
                self._key = key
            evolution = result.evolution
            thresholds = (evolution.domain_threshold, evolution.mode_threshold)
            axes = self._axes
            drawn: dict[str, list[Artist]] = {
                "entropies": _entropy_lines(result.generations, thresholds, axes["entropies"]),
                "complexity": _complexity_line(result.generations, evolution.complexity_threshold, axes["complexity"]),
                "acceptance": _acceptance_bars(compute_acceptance(result), axes["acceptance"]),
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
        """Draw what does not depend on the settings of a what-if."""
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.lines import Line2D

        figure, self._axes = _new_figure()
        figure.set_dpi(self._dpi)
        _set_up_entropies(self._axes["entropies"], most=most)
        handles = [Line2D([], [], color=colour, linestyle=dash, label=name) for _, name, colour, dash in _LINES]
        self._axes["entropies"].legend(handles=handles, loc="lower right")
        _set_up_complexity(self._axes["complexity"], most=most, top=1.3 * top)
        _set_up_acceptance(self._axes["acceptance"], most=candidates)
        _set_up_map(cells, self._axes["map"], top=top)
        self._canvas = FigureCanvasAgg(figure)
        self._canvas.draw()
        self._background = self._canvas.copy_from_bbox(figure.bbox)
        for ax in self._axes.values():
            ax.set_autoscale_on(False)


# -------------------------------------------------------------------------- fixed parts (_set_up_*), and data


def _new_figure() -> tuple[Figure, dict[str, Axes]]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH, 4.6))
    grid = figure.add_gridspec(
        3, 2, left=0.115, right=0.97, top=0.94, bottom=0.09, hspace=0.85, wspace=0.5, width_ratios=(1, 1.15),
        height_ratios=(1.3, 1, 0.9),
    )  # fmt: skip
    panels: Mapping[str, Any] = {
        "entropies": grid[0, 0], "complexity": grid[1, 0], "acceptance": grid[2, 0], "map": grid[:, 1],
    }  # fmt: skip
    return figure, {name: figure.add_subplot(cell) for name, cell in panels.items()}


def _set_up_entropies(ax: Axes, *, most: int) -> None:
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


def _set_up_complexity(ax: Axes, *, most: int, top: float) -> None:
    ax.set(xlabel="trajectories kept", ylabel="mean CAC", title="Complexity", xlim=(0, most), ylim=(0, top * 1.08 + 1))


def _complexity_line(generations: pd.DataFrame, threshold: float, ax: Axes) -> list[Artist]:
    marker = "o" if len(generations) < 2 else None
    drawn: list[Artist] = [
        *ax.plot(generations["total"], generations["cac"], color=PALETTE[1], marker=marker, clip_on=marker is None)
    ]
    if threshold > 0:
        drawn.append(ax.axhline(threshold, color=PALETTE[1], linewidth=0.7, linestyle=":"))
    return drawn


def _set_up_acceptance(ax: Axes, *, most: int) -> None:
    ax.set_yticks(range(len(_COLOURS), 0, -1), list(_COLOURS))
    ax.set(xlabel="candidates", title="Acceptance", ylim=(0.3, len(_COLOURS) + 0.7), xlim=(0, max(most, 1) * 1.22))
    ax.tick_params(axis="y", length=0)


def _acceptance_bars(acceptance: pd.DataFrame, ax: Axes) -> list[Artist]:
    drawn: list[Artist] = []
    for index, (name, colour) in enumerate(_COLOURS.items()):
        number = int(acceptance.loc[acceptance["outcome"] == name, "candidates"].sum())
        height = len(_COLOURS) - index
        drawn += ax.barh([height], [number], color=colour, height=0.7).patches
        drawn.append(
            ax.annotate(
                f"{number:,}", (number, height), xytext=(2, 0), textcoords="offset points", va="center", fontsize=7
            )
        )
    return drawn


def _set_up_map(cells: pd.DataFrame, ax: Axes, *, top: float) -> None:
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    domains = _domains(cells)
    x, y, area = _cell_positions(cells)
    ax.scatter(x, y, s=cells["candidates"] * area, facecolors="none", edgecolors="0.75", linewidths=0.6)
    kinds = _kinds(cells)
    ax.set_xticks(range(len(kinds)), kinds)
    ax.set_yticks(range(len(domains)), [label(domain) for domain in domains])
    ax.set(xlim=(-0.6, len(kinds) - 0.4), ylim=(-0.8, len(domains) - 0.2), title="Domain x mode x complexity")
    ax.tick_params(length=0, labelsize=5.5 if len(domains) > 24 else 6.5)
    scale = ScalarMappable(Normalize(0.0, top), cmap="cividis")
    colour_bar = ax.figure.colorbar(scale, ax=ax, shrink=0.5, pad=0.03, aspect=30)
    colour_bar.set_label("mean CAC of the kept", fontsize=6.5)
    colour_bar.ax.tick_params(labelsize=6)


def _map_discs(cells: pd.DataFrame, ax: Axes, *, top: float) -> list[Artist]:
    x, y, area = _cell_positions(cells)
    kept = cells["kept"] > 0
    return [
        ax.scatter(
            x[kept], y[kept], s=cells["kept"][kept] * area, c=cells["cac"][kept], cmap="cividis", vmin=0.0,
            vmax=top, linewidths=0,
        )
    ]  # fmt: skip


def _domains(cells: pd.DataFrame) -> list[str]:
    return sorted(set(cells["domain"]), reverse=True)


def _kinds(cells: pd.DataFrame) -> list[str]:
    present = set(cells["kind"])
    return [kind for kind in MODE_KINDS if kind in present]


def _cell_positions(cells: pd.DataFrame) -> tuple[pd.Series[int], pd.Series[int], float]:
    """Return the x and y of each cell, and the area of one trajectory in square points."""
    x = cells["kind"].map({kind: column for column, kind in enumerate(_kinds(cells))})
    y = cells["domain"].map({domain: row for row, domain in enumerate(_domains(cells))})
    return x, y, 150.0 / max(1, int(cells["candidates"].max()))


def _highest_cac(result: WhatIf) -> float:
    """Return the CAC at the end of every scale: the 95 % quantile, so that one long trajectory does not stretch it."""
    return float(result.candidates["cac"].quantile(0.95)) or 1.0


def _last_size(generations: pd.DataFrame) -> int:
    return int(max([1, *generations["total"]]))


def _axis_end(number: int) -> int:
    """Return the end of an axis: the least of 1, 2, 5 times a power of ten that is not below the number."""
    power = 1
    while True:
        for step in (1, 2, 5):
            if step * power >= number:
                return step * power
        power *= 10
