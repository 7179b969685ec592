"""Selection by coverage: the fast greedy equals the textbook one, and the curve fits a submodular objective."""

from __future__ import annotations

import time
from itertools import pairwise
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tdlab.clusters import ClusterCandidate, naive_greedy, random_curve, select
from tdlab.records import rng_for

WEIGHTS = st.sampled_from([0.0, 0.25, 0.5, 1.0, 1.5, 3.0])


@st.composite
def instances(draw: st.DrawFn) -> tuple[list[ClusterCandidate], list[float], list[float]]:
    """Draw candidates over at most 12 tools and 12 edges, with weights that often tie."""
    tool_weights = draw(st.lists(WEIGHTS, min_size=1, max_size=12))
    edge_weights = draw(st.lists(WEIGHTS, min_size=0, max_size=12))
    candidate = st.builds(
        ClusterCandidate,
        st.sets(st.integers(0, len(tool_weights) - 1), max_size=6).map(lambda s: tuple(sorted(s))),
        (st.sets(st.integers(0, len(edge_weights) - 1), max_size=6) if edge_weights else st.just(set())).map(
            lambda s: tuple(sorted(s))
        ),
    )
    return draw(st.lists(candidate, min_size=0, max_size=20)), tool_weights, edge_weights


@given(instances(), st.sampled_from([0.3, 0.9, 1.0]), st.sampled_from([None, 1, 3, 100]))
def test_lazy_greedy_is_the_naive_greedy(instance: tuple, coverage: float, most: int | None) -> None:
    candidates, tools, edges = instance
    lazy = select(candidates, tools, edges, coverage=coverage, max_clusters=most)
    naive = naive_greedy(candidates, tools, edges, coverage=coverage, max_clusters=most)
    assert lazy.chosen == naive.chosen
    assert lazy.objective == pytest.approx(naive.objective)


@given(instances())
def test_the_curve_rises_with_falling_gains_and_reaches_all(instance: tuple) -> None:
    candidates, tools, edges = instance
    chosen = select(candidates, tools, edges, coverage=1.0)
    gains = [b - a for a, b in zip((0.0, *chosen.curve), chosen.curve, strict=False)]
    assert all(gain > 0 for gain in gains), "a chosen candidate adds something"
    assert all(later <= earlier + 1e-9 for earlier, later in pairwise(gains))
    covered_tools = {t for c in candidates for t in c.tools}
    covered_edges = {e for c in candidates for e in c.edges}
    assert chosen.reachable == pytest.approx(
        sum(tools[t] for t in covered_tools) + sum(edges[e] for e in covered_edges)
    )
    assert chosen.objective == pytest.approx(chosen.reachable)


@given(instances(), st.floats(0.05, 1.0))
def test_it_stops_as_soon_as_the_share_is_reached(instance: tuple, coverage: float) -> None:
    candidates, tools, edges = instance
    chosen = select(candidates, tools, edges, coverage=coverage)
    if chosen.curve:
        assert chosen.curve[-1] >= coverage - 1e-9
        assert all(share < coverage for share in chosen.curve[:-1])


@given(instances())
def test_greedy_keeps_its_guarantee_against_random_choice(instance: tuple) -> None:
    candidates, tools, edges = instance
    curve = random_curve(candidates, tools, edges, seed=1)
    chosen = select(candidates, tools, edges, coverage=1.0)
    for count, share in enumerate(curve, start=1):
        greedy = chosen.curve[min(count, len(chosen.curve)) - 1] if chosen.curve else 0.0
        assert greedy >= (1 - 1 / 2.718281828) * share - 1e-9


def test_ties_go_to_the_lower_index() -> None:
    twins = [ClusterCandidate((0, 1), ()), ClusterCandidate((1, 2), ()), ClusterCandidate((0, 2), ())]
    assert select(twins, [1.0, 1.0, 1.0], [], coverage=1.0).chosen == (0, 1)


def test_nothing_to_cover_is_no_error() -> None:
    assert select([], [1.0], [], coverage=1.0).chosen == ()
    assert select([ClusterCandidate((0,), ())], [0.0], [], coverage=1.0).chosen == ()
    assert random_curve([ClusterCandidate((0,), ())], [0.0], [], seed=0) == (0.0,)


def test_anything_with_tools_and_edges_is_a_candidate() -> None:
    thing = SimpleNamespace(tools=[0], edges=[0])
    assert select([thing], {0: 1.0}, {0: 0.5}, coverage=1.0).objective == 1.5


def test_work_grows_with_the_incidences_not_with_their_square() -> None:
    rng = rng_for("coverage speed")
    size = 20_000
    candidates = [ClusterCandidate(tuple(sorted({rng.randrange(size) for _ in range(12)})), ()) for _ in range(size)]
    began = time.process_time()
    chosen = select(candidates, [1.0] * size, [], coverage=0.98)
    assert len(chosen.chosen) > 1000
    assert time.process_time() - began < 10.0, "the naive greedy would take minutes here"
