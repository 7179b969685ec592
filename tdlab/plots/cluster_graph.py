"""One cluster as a graph: tools in layers, arrows where a value goes from one to the other, each with its evidence.

A cluster may hold a hundred edges; the arrows drawn are those that tell the story: of each pair the best, into each
tool the best few, none that would close a circle, and ties of companions only where nothing else joins. How many edges
there are in all stands under the picture, and `BusinessCluster.dependencies` has them.
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
    "mention": ("said in a description", PALETTE[3], "-"),
    "shared-entity": ("entity shared by services", PALETTE[2], "-"),
    "companion": ("companions: no value flows", "0.6", ":"),
}
_LETTERS = 15  # of a line of a tool's name
_STEP = 0.1
_HOMES = (0, 5, 2)  # colours of the services' boxes


class ClusterGraph(NamedTuple):
    """What is drawn of a cluster.

    ``tools``: tool (key), name (without what all have in common, wrapped), service, x, y in [0, 1]. ``edges``: source,
    target (keys), parameter, score, kind (see the legend), evidence. ``all_edges`` counts the cluster's, drawn or not.
    """

    tools: pd.DataFrame
    edges: pd.DataFrame
    all_edges: int


def compute_cluster_graph(cluster: BusinessCluster, *, threshold: float = 0.0, into: int = 2) -> ClusterGraph:
    """What is to be drawn of a cluster: at most ``into`` arrows into each tool, of edges scored at least ``threshold``.

    Layers run from left to right along the arrows; ties of companions are not cut by the threshold.
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
    places = _places(graph)
    names = _names(cluster.tools)
    tools = pd.DataFrame(
        [(key, names[key], key.rpartition("/")[0], *places[key]) for key in cluster.tools],
        columns=["tool", "name", "service", "x", "y"],
    )
    edges = pd.DataFrame(
        [(e.source, e.target, e.parameter, e.score, _kind(e), _evidence(e)) for e in drawn],
        columns=["source", "target", "parameter", "score", "kind", "evidence"],
    )
    return ClusterGraph(tools, edges, len(cluster.dependencies))


def plot_cluster_graph(graph: ClusterGraph, *, ax: Axes | None = None) -> Axes:
    """Tools as boxes, a colour a service; arrows coloured by their evidence, with parameter and score on them."""
    from matplotlib.lines import Line2D

    ax = _wide_axes() if ax is None else ax
    if not len(graph.tools):
        return draw_nothing(ax, "no cluster")
    ax.set(xlim=(-0.1, 1.1), ylim=(-0.08, 1.08))
    ax.set_axis_off()
    places = {tool: (x, y) for tool, x, y in zip(graph.tools["tool"], graph.tools["x"], graph.tools["y"], strict=True)}
    homes = list(dict.fromkeys(graph.tools["service"]))
    named = dict(zip(graph.tools["tool"], graph.tools["name"], strict=True))
    gives, takes = graph.edges["source"].value_counts(), graph.edges["target"].value_counts()
    layer = 1 / max(1, graph.tools["x"].nunique() - 1)
    for row in graph.edges.to_dict("records"):
        source, target, parameter, score = row["source"], row["target"], row["parameter"], row["score"]
        _, colour, line = _KINDS[row["kind"]]
        start, end = places[source], places[target]
        tie = row["kind"] == "companion"
        bend = 0.0 if abs(end[0] - start[0]) < 1.5 * layer else 0.15
        ax.annotate(
            "", xy=end, xytext=start, zorder=1,
            arrowprops={"arrowstyle": "-" if tie else "-|>", "color": colour, "linestyle": line,
                        "shrinkA": 2, "shrinkB": _room(ax, named[target], start, end), "mutation_scale": 8,
                        "linewidth": 0.5 + 0.8 * score, "connectionstyle": f"arc3,rad={bend}"},
        )  # fmt: skip
        if parameter:
            far = 0.6 if gives[source] >= takes[target] else 0.4
            x, y = (a + far * (b - a) for a, b in zip(start, end, strict=True))
            drop = bend * abs(end[0] - start[0]) * (1 - (2 * far - 1) ** 2) if bend else 0.0
            ax.text(x, y - 0.5 * drop, f"{label(parameter)} {score:.2f}", fontsize=5.2, color="0.2",
                    ha="center", va="center", zorder=2,
                    bbox={"boxstyle": "square,pad=0.1", "fc": "white", "ec": "none", "alpha": 0.8})  # fmt: skip
    for tool, name, service in zip(graph.tools["tool"], graph.tools["name"], graph.tools["service"], strict=True):
        edge = PALETTE[_HOMES[homes.index(service) % 3]]
        ax.text(*places[tool], name, fontsize=6, ha="center", va="center", zorder=3,
                bbox={"boxstyle": "round,pad=0.3", "fc": "white", "ec": edge, "lw": 0.9})  # fmt: skip
    kinds = [kind for kind in _KINDS if kind in set(graph.edges["kind"])]
    lines = [Line2D([], [], color=_KINDS[k][1], linestyle=_KINDS[k][2], label=_KINDS[k][0]) for k in kinds]
    if len(homes) > 1:
        lines += [
            Line2D([], [], color=PALETTE[_HOMES[i % 3]], marker="s", markerfacecolor="white", ls="", label=label(home))
            for i, home in enumerate(homes)
        ]
    ax.legend(handles=lines, loc="upper center", bbox_to_anchor=(0.5, -0.01), ncols=3, fontsize=6)
    return ax


def plot_cluster(cluster: BusinessCluster | None, *, threshold: float = 0.0, into: int = 2) -> Figure:
    """A figure of one cluster with its title, its id in the margin, and how many of its edges are drawn.

    For None it says that there is no cluster.
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
    kinds = [evidence.kind for evidence in edge.evidence]
    for kind in ("companion", "shared-entity"):
        if kind in kinds:
            return kind
    if not edge.parameter and "mention" in kinds:
        return "mention"
    return "declared" if any(e.kind == "returns" and " declares " in e.detail for e in edge.evidence) else "inferred"


def _evidence(edge: Dependency) -> str:
    return "; ".join(f"{one.kind}: {one.detail}" for one in edge.evidence)


def _places(graph: networkx.DiGraph[str]) -> dict[str, tuple[float, float]]:
    """Each tool's place: the layer is its longest way from a start, moved as near as may be to what it feeds."""
    import networkx as nx

    layer: dict[str, int] = {}
    for tool in nx.topological_sort(graph):
        layer[tool] = max((layer[before] + 1 for before in graph.predecessors(tool)), default=0)
    for tool in reversed(list(nx.topological_sort(graph))):
        after = [layer[target] for target in graph.successors(tool)]
        if after:
            layer[tool] = min(after) - 1
    last = max(layer.values(), default=0)
    height: dict[str, float] = {}
    for number in range(last + 1):
        row = [tool for tool in graph if layer[tool] == number]

        def wanted(tool: str) -> tuple[float, str]:
            before = [height[source] for source in graph.predecessors(tool) if source in height]
            return (-sum(before) / len(before) if before else -0.5, tool)

        row.sort(key=wanted)
        for place, tool in enumerate(row):
            height[tool] = 1.0 - (place + 0.5) / len(row)
        if len(row) == 1:  # side by side in one line the words on the arrows would meet
            height[row[0]] += _STEP * (-1) ** number
    return {tool: ((layer[tool] / last if last else 0.5), height[tool]) for tool in graph}


def _room(ax: Axes, name: str, start: tuple[float, float], end: tuple[float, float]) -> float:
    """Points from the middle of a tool's box to its edge, on the way from ``start``."""
    lines = name.split("\n")
    wide, high = 1.75 * max(map(len, lines)) + 4, 3.7 * len(lines) + 3
    size = ax.get_window_extent()
    across, down = abs(end[0] - start[0]) * size.width, abs(end[1] - start[1]) * size.height
    length = math.hypot(across, down) or 1.0
    return min(wide * length / across if across else math.inf, high * length / down if down else math.inf)


def _names(keys: Sequence[str]) -> Mapping[str, str]:
    """Names for people: without the words that all tools begin with, wrapped."""
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
        shown = label(word)
        if lines and len(lines[-1]) + 1 + len(shown) <= _LETTERS:
            lines[-1] += f" {shown}"
        else:
            lines.append(shown)
    return lines if len(lines) <= most else [*lines[: most - 1], f"{lines[most - 1]}…"]


def _wide_axes() -> Axes:
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context(STYLE):
        return Figure(figsize=(WIDTH, 4.2), layout="constrained").subplots()
