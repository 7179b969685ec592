"""One cluster as a graph: tools in layers, and arrows where a value goes from one tool to another.

A cluster may hold a hundred edges, too many to read. Drawn are the best edge of each pair of tools and the best few
edges into each tool. An edge that would close a cycle is not drawn, and a tie of companions only where nothing else
joins two parts. The margin says how many edges there are; `BusinessCluster.dependencies` holds all of them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from tdlab.plots.bars import draw_nothing
from tdlab.plots.style import PALETTE, STYLE, WIDTH, label
from tdlab.records import BusinessCluster, Dependency
from tdlab.tools import split_words

if TYPE_CHECKING:
    import networkx
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["ClusterGraph", "compute_cluster_graph", "plot_cluster", "plot_cluster_graph"]

_KINDS: dict[str, tuple[str, str, Any]] = {
    "declared": ("declared output", PALETTE[0], "-"),
    "inferred": ("inferred output", PALETTE[1], "-"),
    "mention": ("mentioned in a description", PALETTE[3], "-"),
    "shared-entity": ("entity shared by services", PALETTE[2], "-"),
    "echo": ("value known before", "0.6", "--"),
    "companion": ("companions: no value flows", "0.6", ":"),
}
"""Kind of an edge: its legend, its colour and its line style."""

_LINE_CHARACTERS = 15  # of a line of a tool's name
_STEP = 0.1
_BORDERS = (0, 5, 2)  # places in PALETTE of the colours of the services' boxes


class ClusterGraph(NamedTuple):
    """The drawing of a cluster; made by `compute_cluster_graph`.

    Attributes:
        tools: One row per tool: ``tool`` (key), ``name`` (wrapped, without the words that all names begin with),
            ``service``, ``x`` and ``y`` in [0, 1].
        edges: One row per edge that is drawn: ``source`` and ``target`` (keys), ``parameter``, ``score``, ``kind``
            (see the legend), ``evidence``.
        all_edges: The number of edges of the cluster, drawn or not.
    """

    tools: pd.DataFrame
    edges: pd.DataFrame
    all_edges: int


def compute_cluster_graph(cluster: BusinessCluster, *, threshold: float = 0.0, into: int = 2) -> ClusterGraph:
    """Choose the edges of a cluster to draw, and lay out its tools in layers from left to right along them.

    Args:
        cluster: The cluster.
        threshold: Least score of an edge, in [0, 1]. Ties of companions are drawn whatever their score.
        into: Most arrows into one tool.

    Returns:
        The tools with their positions, and the edges to draw.

    Example:
        >>> import tdlab
        >>> with tdlab.open_run("runs/first") as run:
        ...     graph = compute_cluster_graph(next(iter(run.store.clusters())))
        >>> len(graph.edges) <= graph.all_edges
        True
    """
    import networkx as nx
    import pandas as pd

    best: dict[tuple[str, str], Dependency] = {}
    for edge in cluster.dependencies:
        pair = (edge.source, edge.target)
        if (edge.score >= threshold or _kind(edge) == "companion") and (
            pair not in best or (edge.score, best[pair].parameter) > (best[pair].score, edge.parameter)
        ):
            best[pair] = edge
    ranked = sorted(best.values(), key=lambda e: (_kind(e) == "companion", -e.score, e.source, e.target))
    graph: nx.DiGraph[str] = nx.DiGraph()
    graph.add_nodes_from(cluster.tools)
    groups = nx.utils.UnionFind(cluster.tools)
    drawn: list[Dependency] = []
    for edge in ranked:
        joined = groups[edge.source] == groups[edge.target]
        tie = _kind(edge) == "companion"
        if (joined and (tie or graph.in_degree(edge.target) >= into)) or nx.has_path(graph, edge.target, edge.source):
            continue
        graph.add_edge(edge.source, edge.target)
        groups.union(edge.source, edge.target)
        drawn.append(edge)
    positions = _positions(graph)
    names = _names(cluster.tools)
    tools = pd.DataFrame(
        [(key, names[key], key.rpartition("/")[0], *positions[key]) for key in cluster.tools],
        columns=["tool", "name", "service", "x", "y"],
    )
    edges = pd.DataFrame(
        [(e.source, e.target, e.parameter, e.score, _kind(e), _evidence_text(e)) for e in drawn],
        columns=["source", "target", "parameter", "score", "kind", "evidence"],
    )
    return ClusterGraph(tools, edges, len(cluster.dependencies))


def plot_cluster_graph(graph: ClusterGraph, *, ax: Axes | None = None) -> Axes:
    """Draw tools as boxes coloured by service, and edges as arrows coloured by evidence with parameter and score.

    Args:
        graph: The result of `compute_cluster_graph`.
        ax: Where to draw; a new wide figure of one Axes by default.

    Returns:
        The Axes.

    Example:
        >>> import tdlab
        >>> with tdlab.open_run("runs/first") as run:
        ...     ax = plot_cluster_graph(compute_cluster_graph(next(iter(run.store.clusters()))))
    """
    from matplotlib.lines import Line2D

    ax = _wide_axes() if ax is None else ax
    if not len(graph.tools):
        return draw_nothing(ax, "no cluster")
    ax.set(xlim=(-0.1, 1.1), ylim=(-0.08, 1.08))
    ax.set_axis_off()
    centre = {tool: (x, y) for tool, x, y in zip(graph.tools["tool"], graph.tools["x"], graph.tools["y"], strict=True)}
    services = list(dict.fromkeys(graph.tools["service"]))
    names = dict(zip(graph.tools["tool"], graph.tools["name"], strict=True))
    out_degrees, in_degrees = graph.edges["source"].value_counts(), graph.edges["target"].value_counts()
    layer = 1 / max(1, graph.tools["x"].nunique() - 1)
    for row in graph.edges.to_dict("records"):
        source, target, parameter, score = row["source"], row["target"], row["parameter"], row["score"]
        _, colour, line = _KINDS[row["kind"]]
        start, end = centre[source], centre[target]
        tie = row["kind"] == "companion"
        bend = 0.0 if abs(end[0] - start[0]) < 1.5 * layer else 0.15
        ax.annotate(
            "", xy=end, xytext=start, zorder=1,
            arrowprops={"arrowstyle": "-" if tie else "-|>", "color": colour, "linestyle": line,
                        "shrinkA": 2, "shrinkB": _edge_gap(ax, names[target], start, end), "mutation_scale": 8,
                        "linewidth": 0.5 + 0.8 * score, "connectionstyle": f"arc3,rad={bend}"},
        )  # fmt: skip
        if parameter:
            share = 0.6 if out_degrees[source] >= in_degrees[target] else 0.4
            x, y = (a + share * (b - a) for a, b in zip(start, end, strict=True))
            sag = bend * abs(end[0] - start[0]) * (1 - (2 * share - 1) ** 2) if bend else 0.0
            ax.text(x, y - 0.5 * sag, f"{label(parameter)} {score:.2f}", fontsize=5.2, color="0.2",
                    ha="center", va="center", zorder=2,
                    bbox={"boxstyle": "square,pad=0.1", "fc": "white", "ec": "none", "alpha": 0.8})  # fmt: skip
    for tool, name, service in zip(graph.tools["tool"], graph.tools["name"], graph.tools["service"], strict=True):
        border = PALETTE[_BORDERS[services.index(service) % 3]]
        ax.text(*centre[tool], name, fontsize=6, ha="center", va="center", zorder=3,
                bbox={"boxstyle": "round,pad=0.3", "fc": "white", "ec": border, "lw": 0.9})  # fmt: skip
    kinds = [kind for kind in _KINDS if kind in set(graph.edges["kind"])]
    lines = [Line2D([], [], color=_KINDS[k][1], linestyle=_KINDS[k][2], label=_KINDS[k][0]) for k in kinds]
    if len(services) > 1:
        lines += [
            Line2D(
                [], [], color=PALETTE[_BORDERS[i % 3]], marker="s", markerfacecolor="white", ls="", label=label(name)
            )
            for i, name in enumerate(services)
        ]
    ax.legend(handles=lines, loc="upper center", bbox_to_anchor=(0.5, -0.01), ncols=3, fontsize=6)
    return ax


def plot_cluster(cluster: BusinessCluster | None, *, threshold: float = 0.0, into: int = 2) -> Figure:
    """Draw one cluster with its title; the margin holds its id and how many of its edges are drawn.

    Args:
        cluster: The cluster; None gives a figure that says that there is none.
        threshold: Least score of an edge that is drawn, in [0, 1].
        into: Most arrows into one tool.

    Returns:
        A figure of one `plot_cluster_graph`.

    Example:
        >>> plot_cluster(None).axes[0].texts[0].get_text()
        'no cluster'
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    cluster = cluster or BusinessCluster(id="", tools=(), dependencies=(), domains={})
    graph = compute_cluster_graph(cluster, threshold=threshold, into=into)
    with rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 4.4))
        figure.set_layout_engine("constrained", rect=(0.0, 0.03, 1.0, 0.97))
        plot_cluster_graph(graph, ax=figure.subplots())
        figure.suptitle(label(cluster.title, most=100), fontsize=9, x=0.01, ha="left")
        margin = f"cluster {cluster.id} · {len(graph.edges)} of {graph.all_edges} edges drawn"
        figure.text(0.995, 0.008, margin, fontsize=5.5, ha="right", va="bottom", color="0.35")
    return figure


def _kind(edge: Dependency) -> str:
    """Return the kind of an edge, a key of `_KINDS`: what it carries, and else its evidence."""
    if edge.kind in ("echo", "companion"):
        return edge.kind
    if edge.kind == "order":
        return "mention"
    if any(evidence.kind == "shared-entity" for evidence in edge.evidence):
        return "shared-entity"
    return "declared" if any(e.kind == "returns" and " declares " in e.detail for e in edge.evidence) else "inferred"


def _evidence_text(edge: Dependency) -> str:
    return "; ".join(f"{e.kind}: {e.detail}" for e in edge.evidence)


def _positions(graph: networkx.DiGraph[str]) -> dict[str, tuple[float, float]]:
    """Place each tool: its layer is the longest path that leads to it, moved right up to the tools that it feeds."""
    import networkx as nx

    layer: dict[str, int] = {}
    for tool in nx.topological_sort(graph):
        layer[tool] = max((layer[source] + 1 for source in graph.predecessors(tool)), default=0)
    for tool in reversed(list(nx.topological_sort(graph))):
        target_layers = [layer[target] for target in graph.successors(tool)]
        if target_layers:
            layer[tool] = min(target_layers) - 1
    last = max(layer.values(), default=0)
    height: dict[str, float] = {}
    for number in range(last + 1):
        members = [tool for tool in graph if layer[tool] == number]

        def mean_source_height(tool: str) -> tuple[float, str]:
            heights = [height[source] for source in graph.predecessors(tool) if source in height]
            return (-sum(heights) / len(heights) if heights else -0.5, tool)

        members.sort(key=mean_source_height)
        for slot, tool in enumerate(members):
            height[tool] = 1.0 - (slot + 0.5) / len(members)
        if len(members) == 1:  # single tools at one height would put the words of their arrows over each other
            height[members[0]] += _STEP * (-1) ** number
    return {tool: ((layer[tool] / last if last else 0.5), height[tool]) for tool in graph}


def _edge_gap(ax: Axes, name: str, start: tuple[float, float], end: tuple[float, float]) -> float:
    """Return the distance in points from the centre of a tool's box to its border, in the direction of ``start``."""
    lines = name.split("\n")
    half_width, half_height = 1.75 * max(map(len, lines)) + 4, 3.7 * len(lines) + 3
    window = ax.get_window_extent()
    dx, dy = abs(end[0] - start[0]) * window.width, abs(end[1] - start[1]) * window.height
    length = math.hypot(dx, dy) or 1.0
    return min(half_width * length / dx if dx else math.inf, half_height * length / dy if dy else math.inf)


def _names(keys: Sequence[str]) -> Mapping[str, str]:
    """Return wrapped names of tools by key, without the words that all of them begin with."""
    bare = {key: key.rpartition("/")[2] or key for key in keys}
    words = [split_words(name) for name in bare.values()]
    common = 0
    if len(words) > 2:
        while all(len(own) > common + 1 for own in words) and len({own[common] for own in words}) == 1:
            common += 1
    return {
        key: "\n".join(_lines(own[common:])) if common else "\n".join(_lines(own)) or label(bare[key])
        for key, own in zip(bare, words, strict=True)
    }


def _lines(words: Sequence[str], most: int = 3) -> list[str]:
    lines: list[str] = []
    for word in words:
        text = label(word)
        if lines and len(lines[-1]) + 1 + len(text) <= _LINE_CHARACTERS:
            lines[-1] += f" {text}"
        else:
            lines.append(text)
    return lines if len(lines) <= most else [*lines[: most - 1], f"{lines[most - 1]}…"]


def _wide_axes() -> Axes:
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context(STYLE):
        return Figure(figsize=(WIDTH, 4.2), layout="constrained").subplots()
