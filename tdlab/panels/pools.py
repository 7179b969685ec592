"""The panel of a pool: what tools there are, by source, domain and quality of schema."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tdlab.panels.panel import Panel
from tdlab.plots import compute_pool_domains, plot_tools
from tdlab.pool import GRADES, ToolPool

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["filter_tools", "pool_panel"]


def filter_tools(
    tools: pd.DataFrame, *, source: str = "", domain: str = "", grade: str = "", trust: float = 0.0
) -> pd.DataFrame:
    """The rows of a frame of tools (`ToolPool.to_frame`) that meet every filter; an empty text filters nothing.

    ``domain`` is a taxonomy id, ``grade`` one of `tdlab.pool.quality.GRADES`, ``trust`` the least trust in a schema.
    """
    kept = tools["trust"] >= trust
    for column, wanted in (("source", source), ("domain", domain), ("grade", grade)):
        if wanted:
            kept &= tools[column] == wanted
    return tools[kept]


def pool_panel(pool: ToolPool) -> Panel[pd.DataFrame]:
    """Filters over a pool, with its figure drawn anew at each; ``result`` is the frame of the tools that are left."""
    import ipywidgets as widgets

    tools = pool.to_frame()
    sources = sorted({source for source in tools["source"] if source})
    domains = compute_pool_domains(tools)
    titles = sorted(zip(domains["title"], domains["tools"], domains["domain"], strict=True))
    wide = {"style": {"description_width": "7em"}, "layout": widgets.Layout(width="26em")}

    def figure(left: pd.DataFrame) -> object:
        title = f"{len(left):,} of {len(tools):,} tools, {left['service'].nunique():,} services"
        return plot_tools(left, title=title, margin=f"pool {pool.fingerprint[:16]}")

    def words(left: pd.DataFrame) -> str:
        if not len(left):
            return f"0 tools of 0 services: no tool meets all the filters, out of {len(tools):,}"
        described = float((left["description"].str.strip() != "").mean())
        return (
            f"{len(left):,} tools of {left['service'].nunique():,} services; {described:.0%} described,"
            f" {left['has_output'].sum():,} declare what they return"
        )

    return Panel(
        {
            "source": widgets.Dropdown(
                options=[("every source", ""), *((s, s) for s in sources)], description="source", **wide
            ),
            "domain": widgets.Dropdown(
                options=[("every domain", ""), *((f"{title} ({count:,})", d) for title, count, d in titles)],
                description="domain",
                **wide,
            ),
            "grade": widgets.Dropdown(
                options=[("every schema", ""), *((grade, grade) for grade in GRADES)], description="schema", **wide
            ),
            "trust": widgets.FloatSlider(
                value=0.0, min=0.0, max=1.0, step=0.05, description="trust from", continuous_update=False, **wide
            ),
        },
        compute=lambda **filters: filter_tools(tools, **filters),
        paint=figure,
        describe=words,
    )
