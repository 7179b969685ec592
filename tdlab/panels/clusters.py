"""The panels of mined clusters: choose them anew with sliders, and look at one.

Mining is done once, before; a slider selects again from the same candidates (`MiningResult.reselect`), which takes a
fraction of a second even for tens of thousands of tools.
"""

from __future__ import annotations

from typing import NamedTuple

from tdlab.clusters import MiningResult
from tdlab.panels.panel import Panel
from tdlab.plots import compute_cluster_domains, compute_random_coverage, plot_cluster, plot_clusters
from tdlab.records import BusinessCluster

__all__ = ["ShownCluster", "cluster_panel", "clusters_panel"]


def clusters_panel(mined: MiningResult) -> Panel[MiningResult]:
    """Sliders for edge threshold, size of clusters and coverage; ``result`` is the `MiningResult` that they choose.

    The sliders begin at what was mined with, and allow nothing looser: mine with loose values to have room.
    """
    import ipywidgets as widgets

    config = mined.config
    random = compute_random_coverage(mined)
    wide = _wide()
    return Panel(
        {
            "edge_threshold": widgets.FloatSlider(
                value=config.edge_threshold, min=config.edge_threshold, max=0.95, step=0.05,
                description="edges from", **wide,
            ),
            "tools": widgets.IntRangeSlider(
                value=(config.min_tools, config.max_tools), min=config.min_tools, max=config.max_tools,
                description="tools", **wide,
            ),
            "coverage": widgets.FloatSlider(
                value=config.coverage, min=0.1, max=1.0, step=0.01, description="coverage", **wide
            ),
        },
        compute=lambda edge_threshold, tools, coverage: mined.reselect(
            edge_threshold=edge_threshold, min_tools=tools[0], max_tools=tools[1], coverage=coverage
        ),
        paint=lambda chosen: plot_clusters(chosen, random=random),
        describe=lambda chosen: (
            f"{chosen.report['clusters']:,} clusters of {chosen.report['candidates']:,} candidates; "
            f"{chosen.report['schema_tool_coverage']:.1%} of the tools with a schema, "
            f"{chosen.report['edge_coverage']:.1%} of the edges"
        ),
    )  # fmt: skip


class ShownCluster(NamedTuple):
    """A cluster that a panel shows: its place (from 1) among ``matching`` ones, and how it is drawn."""

    cluster: BusinessCluster | None
    place: int
    matching: int
    threshold: float
    into: int


def cluster_panel(mined: MiningResult) -> Panel[ShownCluster]:
    """One cluster after the other as a graph with its evidence, of every domain or one; ``result`` is what is shown."""
    import ipywidgets as widgets

    domains = compute_cluster_domains(mined)
    titles = sorted(zip(domains["title"], domains["domain"], strict=True))
    frame = mined.to_frame()
    wide = _wide()

    def shown(domain: str, number: int, threshold: float, into: int) -> ShownCluster:
        places = [i for i, own in enumerate(frame["domain"]) if not domain or own == domain]
        if not places:
            return ShownCluster(None, 0, 0, threshold, into)
        place = min(number, len(places))
        return ShownCluster(mined.clusters[places[place - 1]], place, len(places), threshold, into)

    def words(found: ShownCluster) -> str:
        cluster = found.cluster
        if cluster is None:
            return "no cluster has most of its mass there"
        best = max(cluster.dependencies, key=lambda edge: edge.score, default=None)
        why = "; ".join(evidence.detail for evidence in best.evidence) if best else "nothing joins its tools"
        return f"{found.place} of {found.matching}: {cluster.id}, {len(cluster.tools)} tools. Surest: {why}"

    picked = widgets.Dropdown(
        options=[("every domain", ""), *titles], description="domain", style=wide["style"], layout=wide["layout"]
    )
    number = widgets.IntSlider(value=1, min=1, max=max(1, len(frame)), description="number", **wide)

    def room(_: object) -> None:
        number.max = max(1, shown(picked.value, 1, 0.0, 1).matching)

    picked.observe(room, names="value")  # before the panel does, so that a number which is no more is not drawn
    return Panel(
        {
            "domain": picked,
            "number": number,
            "threshold": widgets.FloatSlider(value=0.0, min=0.0, max=1.0, step=0.05, description="edges from", **wide),
            "into": widgets.IntSlider(value=2, min=1, max=6, description="arrows a tool", **wide),
        },
        compute=shown,
        paint=lambda found: plot_cluster(found.cluster, threshold=found.threshold, into=found.into),
        describe=words,
    )  # fmt: skip


def _wide() -> dict[str, object]:
    import ipywidgets as widgets

    return {
        "style": {"description_width": "7em"},
        "layout": widgets.Layout(width="26em"),
        "continuous_update": False,
    }
