"""Selecting again from the same candidates: the same selection without changes, a valid one with changes."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tdlab.clusters import MiningResult, mine
from tdlab.config import ClusterConfig
from tdlab.errors import ConfigError
from tdlab.pool.catalogue import ToolPool
from tests.clusters.test_mining import joined


@pytest.fixture(scope="module")
def mined() -> MiningResult:
    return mine(ToolPool.bundled())


def test_nothing_asked_is_the_same_choice(mined: MiningResult) -> None:
    again = mined.reselect()
    assert again.clusters == mined.clusters
    assert again.selection == mined.selection
    assert again.report == mined.report


@given(
    st.floats(0.35, 1.0),
    st.integers(3, 6),
    st.integers(6, 12),
    st.sampled_from([0.2, 0.8, 1.0]),
    st.sampled_from([None, 1, 20]),
)
def test_every_move_of_a_slider_gives_valid_clusters(
    mined: MiningResult, threshold: float, least: int, most: int, coverage: float, count: int | None
) -> None:
    other = mined.reselect(
        edge_threshold=threshold, min_tools=least, max_tools=most, coverage=coverage, max_clusters=count
    )
    assert len(other.clusters) == other.report.clusters == len(other.selection.chosen)
    if count is not None:
        assert len(other.clusters) <= count
    for cluster in other.clusters:
        assert least <= len(cluster.tools) <= most
        assert joined(cluster.tools, cluster.dependencies)
        assert all(e.score >= threshold or e.evidence[0].kind == "companion" for e in cluster.dependencies)


def test_stricter_thresholds_leave_less_to_cover(mined: MiningResult) -> None:
    reachable = [mined.reselect(edge_threshold=t).selection.reachable for t in (0.35, 0.5, 0.65, 0.8, 0.95)]
    assert reachable == sorted(reachable, reverse=True)
    assert reachable[-1] < reachable[0]


@pytest.mark.parametrize("looser", [{"edge_threshold": 0.2}, {"min_tools": 2}, {"max_tools": 13}])
def test_what_was_not_mined_is_refused_with_the_way_to_get_it(mined: MiningResult, looser: dict) -> None:
    with pytest.raises(ConfigError, match="looser than the mined") as caught:
        mined.reselect(**looser)
    assert next(iter(looser)) in caught.value.found


def test_a_move_is_quick(mined: MiningResult) -> None:
    mined.reselect()
    began = time.process_time()
    for threshold in (0.4, 0.5, 0.6, 0.7, 0.8):
        mined.reselect(edge_threshold=threshold)
    assert time.process_time() - began < 1.0, "200 ms each, and some forty times that is needed in fact"


def test_mining_at_the_threshold_reaches_no_more_edges_than_growing_lower_and_cutting() -> None:
    pool = ToolPool.bundled()
    low = mine(pool, ClusterConfig(edge_threshold=0.2))
    cut, grown = low.reselect(edge_threshold=0.5), mine(pool, ClusterConfig(edge_threshold=0.5))
    assert cut.report.tool_coverage > 0.9
    assert grown.report.tool_coverage > 0.9
