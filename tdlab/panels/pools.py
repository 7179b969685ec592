"""The panel of a pool: its tools by source, domain and quality of schema."""

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
    """Select the tools that match every filter.

    Args:
        tools: One row per tool, from `ToolPool.to_frame`.
        source: Where the tools come from; "" matches any.
        domain: Id of a domain of the taxonomy; "" matches any.
        grade: Quality of the schema, one of `tdlab.pool.GRADES`; "" matches any.
        trust: Least trust in the schema, 0 to 1.

    Returns:
        The matching rows.

    Example:
        >>> import tdlab
        >>> tools = tdlab.ToolPool.bundled().to_frame()
        >>> set(filter_tools(tools, domain="healthcare")["domain"])
        {'healthcare'}
    """
    kept = tools["trust"] >= trust
    for column, wanted in (("source", source), ("domain", domain), ("grade", grade)):
        if wanted:
            kept &= tools[column] == wanted
    return tools[kept]


def pool_panel(pool: ToolPool) -> Panel[pd.DataFrame]:
    """Make a panel that filters the tools of a pool and draws them.

    Args:
        pool: The pool.

    Returns:
        The panel; its ``result`` is a table with one row per matching tool.

    Example:
        >>> import tdlab
        >>> panel = pool_panel(tdlab.ToolPool.bundled())
        >>> panel.controls["domain"].value = "healthcare"
        >>> set(panel.result["domain"])
        {'healthcare'}
    """
    import ipywidgets as widgets

    tools = pool.to_frame()
    sources = sorted({source for source in tools["source"] if source})
    domains = compute_pool_domains(tools)
    titles = sorted(zip(domains["title"], domains["tools"], domains["domain"], strict=True))
    wide = {"style": {"description_width": "7em"}, "layout": widgets.Layout(width="26em")}

    def figure(matching: pd.DataFrame) -> object:
        title = f"{len(matching):,} of {len(tools):,} tools, {matching['service'].nunique():,} services"
        return plot_tools(matching, title=title, margin=f"pool {pool.fingerprint[:16]}")

    def describe(matching: pd.DataFrame) -> str:
        if not len(matching):
            return f"0 tools of 0 services: none of {len(tools):,} tools matches all filters"
        share = float((matching["description"].str.strip() != "").mean())
        return (
            f"{len(matching):,} tools of {matching['service'].nunique():,} services; {share:.0%} with a description,"
            f" {matching['has_output'].sum():,} declare their output"
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
        describe=describe,
    )
