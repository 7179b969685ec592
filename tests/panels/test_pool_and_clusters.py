"""Test the panels of pools and clusters: they follow their controls; errors are shown and raised."""

from __future__ import annotations

from typing import Any

import pytest

from tdlab.clusters import MiningResult, mine
from tdlab.config import ClusterConfig
from tdlab.errors import ConfigError
from tdlab.panels import cluster_panel, clusters_panel, filter_tools, pool_panel
from tdlab.pool import ToolPool
from tdlab.records import Service, Tool

PNG = b"\x89PNG"


@pytest.fixture(scope="module")
def pool() -> ToolPool:
    return ToolPool.bundled()


@pytest.fixture(scope="module")
def mined(pool: ToolPool) -> MiningResult:
    return mine(pool, ClusterConfig(edge_threshold=0.2))


def moved(panel: Any, **values: Any) -> bytes:
    before = panel.png
    for name, value in values.items():
        panel.controls[name].value = value
    assert panel.png.startswith(PNG)
    assert panel.png != before, "the picture did not follow the control"
    return bytes(panel.png)


def test_filters_keep_what_meets_all_of_them(pool: ToolPool) -> None:
    tools = pool.to_frame()
    assert len(filter_tools(tools)) == len(tools)
    some = filter_tools(tools, domain="healthcare", trust=0.5)
    assert len(some)
    assert set(some["domain"]) == {"healthcare"}
    assert filter_tools(tools, source="nowhere").empty


def test_the_pool_panel_follows_its_filters(pool: ToolPool) -> None:
    panel = pool_panel(pool)
    assert len(panel.result) == len(pool)
    moved(panel, domain="healthcare")
    assert set(panel.result["domain"]) == {"healthcare"}
    assert f"{len(panel.result)} tools of {panel.result['service'].nunique()} services" in panel.status
    moved(panel, domain="", grade="missing")
    assert panel.result.empty
    assert "0 tools of 0 services" in panel.status


def test_a_source_is_no_markup() -> None:
    tool = Tool(service="s", name="t", input_schema={"type": "object"})
    made = ToolPool.from_services([Service(name="s", source="<img src=x onerror=alert(1)>", tools=(tool,))])
    panel = pool_panel(made)
    panel.controls["source"].value = "<img src=x onerror=alert(1)>"
    assert len(panel.result) == 1
    assert "<img" not in panel.status


def test_the_sliders_choose_anew_without_mining(mined: MiningResult, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: Any, **__: Any) -> None:
        raise AssertionError("a slider must not mine")

    panel = clusters_panel(mined)
    assert panel.result.clusters == mined.clusters
    monkeypatch.setattr("tdlab.clusters.mining.mine_dependencies", never)
    monkeypatch.setattr("tdlab.clusters.mining.grow", never)
    moved(panel, edge_threshold=0.7)
    assert panel.result.clusters == mined.reselect(edge_threshold=0.7).clusters
    moved(panel, tools=(4, 6), coverage=0.6)
    assert set(panel.result.shapes()["tools"]) <= {4, 5, 6}
    assert panel.result.report.weight_coverage >= 0.6
    assert f"{panel.result.report.clusters} clusters of" in panel.status


def test_a_value_looser_than_what_was_mined_is_shown_and_raised(mined: MiningResult) -> None:
    panel = clusters_panel(mined)
    panel.controls["edge_threshold"].min = 0.0
    with pytest.raises(ConfigError):
        panel.controls["edge_threshold"].value = 0.05
    assert "is looser than the mined" in panel.status


def test_one_cluster_after_the_other(mined: MiningResult) -> None:
    panel = cluster_panel(mined)
    assert panel.result.cluster == mined.clusters[0]
    moved(panel, number=3)
    assert panel.result.cluster == mined.clusters[2]
    assert f"3 of {len(mined.clusters)}: {mined.clusters[2].id}" in panel.status
    domain = mined.to_frame()["domain"].iloc[5]
    moved(panel, domain=domain)
    own = [c for c, d in zip(mined.clusters, mined.to_frame()["domain"], strict=True) if d == domain]
    assert panel.result.cluster == own[min(3, len(own)) - 1]
    assert panel.result.matching == len(own) == panel.controls["number"].max
    panel.controls["number"].value = panel.controls["number"].max
    assert panel.result.cluster == own[-1]
    moved(panel, threshold=0.9)


def test_panels_of_nothing_say_so() -> None:
    empty = mine(ToolPool.from_services([]))
    assert clusters_panel(empty).png.startswith(PNG)
    panel = cluster_panel(empty)
    assert panel.result.cluster is None
    assert "no cluster" in panel.status
    assert pool_panel(ToolPool.from_services([])).result.empty
