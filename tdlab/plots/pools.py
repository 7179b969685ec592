"""The figure of a pool and its parts: domains, quality of schemas by source, trust, sizes of services.

Every ``compute_*`` function takes the frame of tools of `ToolPool.to_frame`, whole or filtered: one row per tool.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from tdlab.plots.bars import domain_table, draw_bars, draw_histogram, draw_nothing, whole_numbers
from tdlab.plots.style import PALETTE, STYLE, WIDTH, label, new_axes
from tdlab.pool import GRADES, ToolPool

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "compute_pool_domains",
    "compute_pool_grades",
    "compute_service_sizes",
    "plot_pool",
    "plot_pool_domains",
    "plot_pool_grades",
    "plot_pool_trust",
    "plot_service_sizes",
    "plot_tools",
]

_COLOURS: dict[str, str] = dict(
    zip(GRADES, ("#0072B2", "#56B4E9", "#009E73", "#F0E442", "#E69F00", "#BBBBBB"), strict=True)
)
_SOURCE_CHARACTERS = 24  # a longer name of a source leaves no room for its bar
_NOTHING = "no tool matches the filters"


def compute_pool_domains(tools: pd.DataFrame) -> pd.DataFrame:
    """Count the tools of each domain. A tool counts in the heaviest domain of its service.

    Args:
        tools: One row per tool, as `ToolPool.to_frame` returns it.

    Returns:
        One row per domain, the most tools first: ``domain`` (id), ``title``, ``tools``.

    Example:
        >>> import pandas as pd
        >>> compute_pool_domains(pd.DataFrame({"domain": ["food", "food"]}))["tools"].tolist()
        [2]
    """
    return domain_table({str(name): int(n) for name, n in tools["domain"].value_counts().items()}, "tools")


def compute_pool_grades(tools: pd.DataFrame) -> pd.DataFrame:
    """Count the tools of each source by the grade of their schema.

    Args:
        tools: One row per tool, as `ToolPool.to_frame` returns it.

    Returns:
        One row per source, the most tools first, and one column per grade of `tdlab.pool.GRADES`.

    Example:
        >>> import pandas as pd
        >>> compute_pool_grades(pd.DataFrame({"source": ["bundled"], "grade": ["typed"]}))["typed"].tolist()
        [1]
    """
    import pandas as pd

    table = pd.crosstab(tools["source"].where(tools["source"] != "", "(no source given)"), tools["grade"])
    table = table.reindex(columns=list(GRADES), fill_value=0)
    totals = table.sum(axis=1)
    order = sorted(table.index, key=lambda source: (-totals[source], source))
    return table.reindex(order).rename_axis(index="source", columns=None)


def compute_service_sizes(tools: pd.DataFrame) -> pd.DataFrame:
    """Count the tools of each service.

    Args:
        tools: One row per tool, as `ToolPool.to_frame` returns it.

    Returns:
        One row per service, the most tools first: ``service``, ``tools``.

    Example:
        >>> import pandas as pd
        >>> compute_service_sizes(pd.DataFrame({"service": ["a", "b", "b"]}))["tools"].tolist()
        [2, 1]
    """
    sizes = tools.groupby("service", sort=True).size().rename("tools").reset_index()
    return sizes.sort_values(["tools", "service"], ascending=[False, True], ignore_index=True)


def plot_pool_domains(domains: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw a bar for the number of tools in each domain.

    Args:
        domains: The frame of `compute_pool_domains`.
        ax: Where to draw; a new figure of one Axes by default.

    Returns:
        The Axes.

    Example:
        >>> import pandas as pd
        >>> plot_pool_domains(pd.DataFrame({"title": ["Food"], "tools": [2]})).get_title()
        'Domains (1)'
    """
    ax = new_axes(ax)
    if not len(domains):
        return draw_nothing(ax, _NOTHING)
    draw_bars(ax, list(domains["title"]), list(domains["tools"]))
    ax.set(xlabel="tools", title=f"Domains ({len(domains)})")
    return ax


def plot_pool_grades(grades: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw the tools of each source as bars stacked by the grade of their schema.

    Args:
        grades: The frame of `compute_pool_grades`.
        ax: Where to draw; a new figure of one Axes by default.

    Returns:
        The Axes.

    Example:
        >>> import pandas as pd
        >>> grades = compute_pool_grades(pd.DataFrame({"source": ["bundled"], "grade": ["typed"]}))
        >>> plot_pool_grades(grades).get_title()
        'Schemas by source'
    """
    ax = new_axes(ax)
    if not len(grades):
        return draw_nothing(ax, _NOTHING)
    heights = list(range(len(grades), 0, -1))
    starts = [0] * len(grades)
    for grade in grades.columns:
        values = [int(value) for value in grades[grade]]
        if any(values):
            ax.barh(heights, values, left=starts, color=_COLOURS[str(grade)], height=0.72, label=str(grade))
        starts = [start + value for start, value in zip(starts, values, strict=True)]
    ax.set_yticks(heights, [label(str(source), most=_SOURCE_CHARACTERS) for source in grades.index])
    ax.set(title="Schemas by source", ylim=(min(0.3, len(grades) - 2.7), len(grades) + 0.7))
    whole_numbers(ax.xaxis)
    ax.tick_params(axis="y", length=0)
    ax.legend(loc="upper center", bbox_to_anchor=(0.4, -0.13), ncols=3, handlelength=1.0, columnspacing=1.0)
    return ax


def plot_pool_trust(tools: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw a histogram of the trust in the tools' schemas.

    Args:
        tools: One row per tool with the column ``trust`` in [0, 1], as `ToolPool.to_frame` returns it.
        ax: Where to draw; a new figure of one Axes by default.

    Returns:
        The Axes.

    Example:
        >>> import pandas as pd
        >>> plot_pool_trust(pd.DataFrame({"trust": [0.5, 1.0]})).get_title()
        'Trust (mean 0.75)'
    """
    ax = new_axes(ax)
    if not len(tools):
        return draw_nothing(ax, _NOTHING)
    draw_histogram(ax, tools["trust"], bins=[i / 20 for i in range(21)], colour=PALETTE[2])
    whole_numbers(ax.yaxis)
    ax.set(xlabel="trust in the schema", ylabel="tools", title=f"Trust (mean {tools['trust'].mean():.2f})", xlim=(0, 1))
    return ax


def plot_service_sizes(sizes: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw a histogram of the number of tools per service, in bins that double in width.

    Args:
        sizes: The frame of `compute_service_sizes`.
        ax: Where to draw; a new figure of one Axes by default.

    Returns:
        The Axes.

    Example:
        >>> import pandas as pd
        >>> plot_service_sizes(pd.DataFrame({"tools": [1, 2, 5]})).get_title()
        'Services (3)'
    """
    ax = new_axes(ax)
    if not len(sizes):
        return draw_nothing(ax, _NOTHING)
    edges = [1]
    while edges[-1] <= int(sizes["tools"].max()):
        edges.append(2 * edges[-1])
    counts = [int(((sizes["tools"] >= low) & (sizes["tools"] < 2 * low)).sum()) for low in edges[:-1]]
    names = [str(low) if low == 1 else f"{low}\N{EN DASH}{2 * low - 1}" for low in edges[:-1]]
    ax.bar(range(len(counts)), counts, color=PALETTE[1], width=0.85)
    ax.set_xticks(range(len(counts)), names)
    whole_numbers(ax.yaxis)
    ax.set(xlabel="tools of the service", ylabel="services", title=f"Services ({len(sizes):,})")
    if len(names) > 6:
        ax.tick_params(axis="x", labelsize=6, rotation=30)
    return ax


def plot_tools(tools: pd.DataFrame, *, title: str = "", margin: str = "") -> Figure:
    """Draw a frame of tools: domains, schemas by source, trust, and sizes of services.

    Args:
        tools: One row per tool, as `ToolPool.to_frame` returns it, whole or filtered.
        title: Title of the figure.
        margin: Small print below the figure.

    Returns:
        A figure of four Axes.

    Example:
        >>> import tdlab
        >>> figure = plot_tools(tdlab.ToolPool.bundled().to_frame().head(20), title="20 tools")
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    frames: Mapping[str, tuple[Callable[..., Axes], pd.DataFrame]] = {
        "domains": (plot_pool_domains, compute_pool_domains(tools)),
        "grades": (plot_pool_grades, compute_pool_grades(tools)),
        "trust": (plot_pool_trust, tools),
        "sizes": (plot_service_sizes, compute_service_sizes(tools)),
    }
    with rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 5.6))
        figure.set_layout_engine("constrained", rect=(0.01, 0.03, 0.98, 0.97))
        axes = figure.subplot_mosaic(
            [["domains", "grades"], ["domains", "trust"], ["domains", "sizes"]], height_ratios=[1.3, 1, 1]
        )
        for name, (plot, frame) in frames.items():
            plot(frame, ax=axes[name])
        figure.suptitle(label(title, most=100), fontsize=9, x=0.01, ha="left")
        figure.text(0.995, 0.008, margin, fontsize=5.5, ha="right", va="bottom", color="0.35")
        figure.draw_without_rendering()
        figure.set_layout_engine("none")
    return figure


def plot_pool(pool: ToolPool) -> Figure:
    """Draw a pool: domains, schemas by source, trust, and sizes of services, with its fingerprint in the margin.

    Args:
        pool: The pool.

    Returns:
        A figure of four Axes.

    Example:
        >>> import tdlab
        >>> len(plot_pool(tdlab.ToolPool.bundled().subset(services=["cobblegate_permits"])).axes)
        4
    """
    title = f"{len(pool):,} tools of {len(pool.services):,} services"
    return plot_tools(pool.to_frame(), title=title, margin=f"pool {pool.fingerprint[:16]}")
