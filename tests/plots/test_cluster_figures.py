"""Test figures of clusters: curves and counts as mined, and a graph without cycles that shows each arrow's evidence."""

from __future__ import annotations

from itertools import pairwise

import networkx as nx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tdlab.clusters import MiningResult, mine
from tdlab.plots import (
    compute_cluster_domains,
    compute_cluster_graph,
    compute_coverage,
    compute_random_coverage,
    figure_png,
    plot_cluster,
    plot_cluster_depths,
    plot_cluster_graph,
    plot_cluster_sizes,
    plot_clusters,
    plot_coverage,
)
from tdlab.pool import ToolPool
from tdlab.records import BusinessCluster, Dependency, Evidence


@pytest.fixture(scope="module")
def mined() -> MiningResult:
    return mine(ToolPool.bundled())


def test_the_curve_is_that_of_the_selection_and_lies_above_random_choice(mined: MiningResult) -> None:
    coverage, random = compute_coverage(mined), compute_random_coverage(mined)
    assert tuple(coverage["share"][1:]) == mined.selection.curve
    assert (random["low"] <= random["share"] + 1e-12).all()
    assert (random["share"] <= random["high"] + 1e-12).all()
    count = len(mined.selection.chosen)
    assert coverage["share"].iloc[-1] > random["high"].iloc[count]
    ax = plot_coverage(coverage, random=random)
    assert tuple(ax.lines[0].get_xdata()[[0, -1]]) == (0, count)


def test_bars_count_every_cluster_once(mined: MiningResult) -> None:
    for plot in (plot_cluster_sizes, plot_cluster_depths):
        for frame in (mined.shapes(), mined.to_frame()):
            assert sum(bar.get_height() for bar in plot(frame).patches) == len(mined.clusters)
    assert compute_cluster_domains(mined)["clusters"].sum() == pytest.approx(len(mined.clusters), abs=0.01)


def test_shapes_are_those_of_the_records(mined: MiningResult) -> None:
    shapes = mined.shapes()
    for cluster, row in zip(mined.clusters, shapes.itertuples(), strict=True):
        assert (row.tools, row.dependencies) == (len(cluster.tools), len(cluster.dependencies))
        graph = nx.DiGraph((edge.source, edge.target) for edge in cluster.dependencies)
        ways = nx.all_pairs_shortest_path_length(graph)
        assert row.depth == max((length for _, to in ways for length in to.values()), default=0)


def test_the_figure_of_a_choice_says_how_it_was_chosen(mined: MiningResult) -> None:
    chosen = mined.reselect(edge_threshold=0.6, coverage=0.5)
    figure = plot_clusters(chosen, random=compute_random_coverage(mined))
    words = " ".join(text.get_text() for text in figure.texts)
    assert f"{chosen.report.clusters:,} Business Clusters" in words
    assert "edges from 0.60" in words
    assert figure_png(figure) == figure_png(plot_clusters(chosen))


def test_nothing_chosen_is_drawn_as_such() -> None:
    empty = mine(ToolPool.from_services([]))
    figure_png(plot_clusters(empty))
    assert empty.shapes().empty


def test_every_arrow_is_an_edge_with_its_evidence(mined: MiningResult) -> None:
    for cluster in mined.clusters[:20]:
        graph = compute_cluster_graph(cluster)
        known = {(e.source, e.target, e.parameter, e.score) for e in cluster.dependencies}
        drawn = list(graph.edges[["source", "target", "parameter", "score"]].itertuples(index=False, name=None))
        assert set(drawn) <= known
        assert graph.edges["evidence"].str.contains(": ").all()
        assert nx.is_weakly_connected(nx.DiGraph([edge[:2] for edge in drawn])), "the picture falls apart"
        assert set(graph.tools["tool"]) == set(cluster.tools)


names = st.text(min_size=1, max_size=40)
scores = st.floats(0, 1)
kinds = st.sampled_from(["returns", "companion", "shared-entity", "mention"])


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_any_cluster_is_laid_out_without_a_circle_in_the_frame(data: st.DataObject) -> None:
    tools = tuple(dict.fromkeys(data.draw(st.lists(names, min_size=1, max_size=9))))
    ends = st.sampled_from(tools)
    edges = []
    for source, target, score, kind in data.draw(st.lists(st.tuples(ends, ends, scores, kinds), max_size=30)):
        parameter = "" if kind in ("companion", "mention") else "p"
        why = Evidence(kind=kind, detail="d", weight=score)
        edges.append(Dependency(source=source, target=target, parameter=parameter, score=score, evidence=(why,)))
    cluster = BusinessCluster(id="x", tools=tools, dependencies=tuple(edges), domains={})
    into = data.draw(st.integers(1, 3))
    graph = compute_cluster_graph(cluster, into=into)
    assert graph.tools["x"].between(-0.01, 1.01).all()
    assert graph.tools["y"].between(-0.01, 1.01).all()
    assert len(graph.tools) == len(graph.tools[["x", "y"]].drop_duplicates()), "one tool hides another"
    assert nx.is_directed_acyclic_graph(nx.DiGraph(graph.edges[["source", "target"]].to_numpy().tolist()))
    assert compute_cluster_graph(cluster, into=into).edges.equals(graph.edges)


def test_a_graph_in_hostile_text_is_drawn() -> None:
    tools = ("$\\frac{/<script>", "s/$x_", "s/" + "very_long_name_" * 40, "s/\u0000\u202e")
    why = (Evidence(kind="returns", detail="$", weight=1),)
    edges = tuple(
        Dependency(source=a, target=b, parameter="$\\oops{", score=0.5, evidence=why) for a, b in pairwise(tools)
    )
    cluster = BusinessCluster(id="a", tools=tools, dependencies=edges, domains={}, title="$\\frac{ \n x")
    assert figure_png(plot_cluster(cluster)).startswith(b"\x89PNG")
    assert plot_cluster_graph(compute_cluster_graph(cluster)).texts
    assert figure_png(plot_cluster(None)).startswith(b"\x89PNG")
