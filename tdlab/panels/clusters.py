"""The panels of Business Clusters: select them with sliders, and look at one.

Mining is done once, before. A slider selects from the same candidates (`MiningResult.reselect`), which takes a fraction
of a second even for tens of thousands of tools.
"""

from __future__ import annotations

from typing import NamedTuple

from tdlab.clusters import MiningResult
from tdlab.panels.panel import Panel
from tdlab.plots import compute_cluster_domains, compute_random_coverage, plot_cluster, plot_clusters
from tdlab.records import BusinessCluster

__all__ = ["ShownCluster", "cluster_panel", "clusters_panel"]


def clusters_panel(mined: MiningResult) -> Panel[MiningResult]:
    """Make a panel that selects clusters by edge threshold, size and coverage.

    The sliders start at the settings of the mining and allow only stricter ones, so mine with loose settings.

    Args:
        mined: Result of `tdlab.mine`.

    Returns:
        The panel; its ``result`` is the `MiningResult` of the selection.

    Example:
        >>> import tdlab
        >>> pool = tdlab.ToolPool.bundled().subset(services=["hearthwren_rooms"])
        >>> panel = clusters_panel(tdlab.mine(pool))
        >>> panel.controls["tools"].value = (3, 5)
        >>> int(panel.result.shapes()["tools"].max())
        5
    """
    import ipywidgets as widgets

    config = mined.config
    random = compute_random_coverage(mined)
    layout = _layout()
    return Panel(
        {
            "edge_threshold": widgets.FloatSlider(
                value=config.edge_threshold, min=config.edge_threshold, max=0.95, step=0.05,
                description="edges from", **layout,
            ),
            "tools": widgets.IntRangeSlider(
                value=(config.min_tools, config.max_tools), min=config.min_tools, max=config.max_tools,
                description="tools", **layout,
            ),
            "coverage": widgets.FloatSlider(
                value=config.coverage, min=0.1, max=1.0, step=0.01, description="coverage", **layout
            ),
        },
        compute=lambda edge_threshold, tools, coverage: mined.reselect(
            edge_threshold=edge_threshold, min_tools=tools[0], max_tools=tools[1], coverage=coverage
        ),
        paint=lambda selected: plot_clusters(selected, random=random),
        describe=lambda selected: (
            f"{selected.report.clusters:,} clusters of {selected.report.candidates:,} candidates; they cover "
            f"{selected.report.schema_tool_coverage:.1%} of the tools with a schema and "
            f"{selected.report.edge_coverage:.1%} of the edges"
        ),
    )  # fmt: skip


class ShownCluster(NamedTuple):
    """A cluster shown in a panel: its number (from 1) among the ``matching`` clusters, and how it is drawn."""

    cluster: BusinessCluster | None
    number: int
    matching: int
    threshold: float
    into: int


def cluster_panel(mined: MiningResult) -> Panel[ShownCluster]:
    """Make a panel that shows one cluster at a time as a graph with the evidence of its edges.

    Args:
        mined: Result of `tdlab.mine` or of ``reselect``.

    Returns:
        The panel; its ``result`` is the cluster that it shows, as a `ShownCluster`.

    Example:
        >>> import tdlab
        >>> pool = tdlab.ToolPool.bundled().subset(services=["hearthwren_rooms", "mothwing_returns"])
        >>> panel = cluster_panel(tdlab.mine(pool))
        >>> panel.controls["number"].value = 2
        >>> panel.result.number
        2
    """
    import ipywidgets as widgets

    domains = compute_cluster_domains(mined)
    titles = sorted(zip(domains["title"], domains["domain"], strict=True))
    frame = mined.to_frame()
    layout = _layout()

    def choose(domain: str, number: int, threshold: float, into: int) -> ShownCluster:
        matching = [i for i, own in enumerate(frame["domain"]) if not domain or own == domain]
        if not matching:
            return ShownCluster(None, 0, 0, threshold, into)
        number = min(number, len(matching))
        return ShownCluster(mined.clusters[matching[number - 1]], number, len(matching), threshold, into)

    def describe(shown: ShownCluster) -> str:
        cluster = shown.cluster
        if cluster is None:
            return "no cluster has this as its main domain"
        best = max(cluster.dependencies, key=lambda edge: edge.score, default=None)
        evidence = "; ".join(evidence.detail for evidence in best.evidence) if best else "no dependencies"
        return f"{shown.number} of {shown.matching}: {cluster.id}, {len(cluster.tools)} tools. Best edge: {evidence}"

    domain = widgets.Dropdown(
        options=[("every domain", ""), *titles], description="domain", style=layout["style"], layout=layout["layout"]
    )
    number = widgets.IntSlider(value=1, min=1, max=max(1, len(frame)), description="number", **layout)

    def limit(_: object) -> None:
        number.max = max(1, choose(domain.value, 1, 0.0, 1).matching)

    domain.observe(limit, names="value")  # before the panel observes it, so that the number is valid when it is drawn
    return Panel(
        {
            "domain": domain,
            "number": number,
            "threshold": widgets.FloatSlider(
                value=0.0, min=0.0, max=1.0, step=0.05, description="edges from", **layout
            ),
            "into": widgets.IntSlider(value=2, min=1, max=6, description="edges per tool", **layout),
        },
        compute=choose,
        paint=lambda shown: plot_cluster(shown.cluster, threshold=shown.threshold, into=shown.into),
        describe=describe,
    )  # fmt: skip


def _layout() -> dict[str, object]:
    import ipywidgets as widgets

    return {
        "style": {"description_width": "7em"},
        "layout": widgets.Layout(width="26em"),
        "continuous_update": False,
    }
