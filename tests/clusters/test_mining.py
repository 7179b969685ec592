"""Candidates and mining: connected, distinct, of the right size, reproducible, with notes about small pools."""

from __future__ import annotations

import json
import time
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from tdlab.cli.render import show_mined
from tdlab.clusters import ClusterCandidate, DependencyGraph, MiningReport, MiningResult, grow, mine, mine_dependencies
from tdlab.config import ClusterConfig, RunConfig
from tdlab.pool.catalogue import ToolPool
from tdlab.records import Dependency, Service, Tool, canonical_json, rng_for
from tdlab.store import RunStore, open_run
from tests.clusters.pools import pool, shop, tool


@pytest.fixture(scope="module")
def bundled() -> ToolPool:
    return ToolPool.bundled()


@pytest.fixture(scope="module")
def mined(bundled: ToolPool) -> MiningResult:
    return mine(bundled)


def connected(candidate: ClusterCandidate, graph: DependencyGraph) -> bool:
    """Whether the candidate's edges join all its tools, in any direction."""
    place = {key: i for i, key in enumerate(graph.tools)}
    near: dict[int, set[int]] = {t: set() for t in candidate.tools}
    for e in candidate.edges:
        a, b = place[graph.edges[e].source], place[graph.edges[e].target]
        near[a].add(b)
        near[b].add(a)
    seen, todo = set(), [candidate.tools[0]]
    while todo:
        one = todo.pop()
        if one not in seen:
            seen.add(one)
            todo.extend(near[one])
    return seen == set(candidate.tools)


def joined(tools: tuple[str, ...], edges: tuple[Dependency, ...]) -> bool:
    """Whether the edges join all the tools, in any direction."""
    seen, todo = set(), [tools[0]]
    while todo:
        one = todo.pop()
        if one not in seen:
            seen.add(one)
            todo.extend(e.target if e.source == one else e.source for e in edges if one in (e.source, e.target))
    return seen == set(tools)


@pytest.mark.parametrize(("least", "most", "tries"), [(3, 12, 3), (2, 4, 6), (5, 5, 1)])
def test_candidates_are_connected_distinct_and_in_size(bundled: ToolPool, least: int, most: int, tries: int) -> None:
    graph = mine_dependencies(bundled)
    found = grow(graph, ClusterConfig(min_tools=least, max_tools=most, candidates_per_tool=tries))
    assert found
    assert len({c.tools for c in found}) == len(found)
    for candidate in found:
        assert least <= len(candidate.tools) <= most
        assert list(candidate.tools) == sorted(set(candidate.tools))
        assert connected(candidate, graph), [graph.tools[t] for t in candidate.tools]


def test_a_candidate_spans_few_services(bundled: ToolPool) -> None:
    graph = mine_dependencies(bundled)
    for candidate in grow(graph, ClusterConfig(candidates_per_tool=4)):
        assert len({graph.tools[t].split("/")[0] for t in candidate.tools}) <= 3


def test_clusters_cover_the_bundled_pool(bundled: ToolPool, mined: MiningResult) -> None:
    assert mined.report.tool_coverage >= 0.95
    domains = {d for c in mined.clusters for d in c.domains}
    assert len(domains) >= 20
    for cluster in mined.clusters:
        assert 3 <= len(cluster.tools) <= 12
        assert sum(cluster.domains.values()) == pytest.approx(1.0, abs=1e-4)
        assert cluster.title
        inside = set(cluster.tools)
        assert all(e.source in inside and e.target in inside for e in cluster.dependencies)
    assert len({c.id for c in mined.clusters}) == len(mined.clusters)


def test_the_same_pool_and_seed_give_the_same_clusters(bundled: ToolPool, mined: MiningResult) -> None:
    again = mine(pool(*reversed(bundled.services)))
    assert [canonical_json(c) for c in again.clusters] == [canonical_json(c) for c in mined.clusters]
    assert canonical_json(again.report) == canonical_json(mined.report)


def test_the_report_is_plain_json_and_the_frame_has_a_row_each(mined: MiningResult) -> None:
    assert MiningReport.model_validate(json.loads(json.dumps(mined.report.model_dump()))) == mined.report
    assert len(mined.to_frame()) == len(mined.clusters) == mined.report.clusters
    assert "clusters chosen" in mined.summary()
    assert len(mined.selection.curve) == len(mined.clusters)


def test_fewer_clusters_on_demand(bundled: ToolPool) -> None:
    assert len(mine(bundled, ClusterConfig(max_clusters=5)).clusters) == 5
    assert len(mine(bundled, ClusterConfig(coverage=0.3)).clusters) < 40


def test_a_pool_of_one_tool_gives_one_cluster_of_one_tool() -> None:
    mined = mine(pool([tool("solo", "get_time")]))
    assert [c.tools for c in mined.clusters] == [("solo/get_time",)]
    assert mined.report.notes, "and the report says that it is smaller than asked for"


def test_an_empty_pool_gives_none() -> None:
    mined = mine(pool())
    assert mined.clusters == ()
    assert mined.report.notes
    assert mined.to_frame().empty


def test_tools_that_feed_nothing_keep_their_siblings_company() -> None:
    units = [
        tool("units", f"convert_{what}", value="number", unit="string") for what in ("mass", "length", "heat", "area")
    ]
    mined = mine(pool(units, shop()))
    assert {k for c in mined.clusters for k in c.tools} == {t.key for t in [*units, *shop()]}
    ties = [e for c in mined.clusters for e in c.dependencies if e.source.startswith("units/")]
    assert ties
    assert all(e.evidence[0].kind == "companion" and not e.parameter and e.score <= 0.3 for e in ties)


def clock() -> list[Tool]:
    return [
        tool("time", "get_current_time", "Get current time in a specific timezone.", timezone="string"),
        tool(
            "time",
            "convert_time",
            "Convert time between timezones.",
            source_timezone="string",
            time="string",
            target_timezone="string",
        ),
    ]


def test_in_a_small_pool_a_service_that_nothing_joins_is_a_cluster_of_its_own_and_said_to_be() -> None:
    mined = mine(pool(shop(), clock(), [tool("lone", "roll_dice", sides="integer")]))
    assert ("time/convert_time", "time/get_current_time") in [c.tools for c in mined.clusters]
    assert ("lone/roll_dice",) in [c.tools for c in mined.clusters]
    assert mined.report.tools_in_no_candidate == 0
    assert any("clusters of their own" in note for note in mined.report.notes)
    assert all(len(c.tools) >= 3 for c in mined.clusters if c.tools[0].startswith("shop/"))


def many(extra: list[list[Tool]]) -> list[list[Tool]]:
    """Return thirty unrelated shops and the extra services: enough services to count words."""
    trades = (
        "amber bamboo copper denim ebony felt granite hemp iron jade kelp linen marble nylon oak pearl quartz rubber"
        " silk teak umber velvet walnut yew zinc cotton leather glass paper wool"
    ).split()
    return [
        [tool(trade, f"{verb}_{trade}", **{f"{trade}_id": "string"}) for verb in ("get", "weigh", "polish")]
        for trade in trades
    ] + extra


def test_small_services_of_one_topic_keep_each_other_company_and_the_others_stay_out() -> None:
    weather = [
        [tool("skies", "get_weather_forecast", "Weather forecast for a city.", city="string")],
        [tool("met", "current_weather", "The weather now.", place="string")],
        [tool("storms", "weather_alerts", "Severe weather alerts for a region.", region="string")],
    ]
    odd = [[tool("dice", "roll_dice", "Roll some dice.", sides="integer")]]
    made = pool(*many([*weather, *odd]), skies="weather", met="weather", storms="weather", dice="games")
    mined = mine(made, ClusterConfig(coverage=1.0))
    together = {"skies/get_weather_forecast", "met/current_weather", "storms/weather_alerts"}
    assert any(set(c.tools) == together for c in mined.clusters)
    assert all("dice/roll_dice" not in c.tools for c in mined.clusters), "nothing is in common: no coincidence"
    assert all(3 <= len(c.tools) <= 12 for c in mined.clusters)
    ties = [e for c in mined.clusters if set(c.tools) == together for e in c.dependencies]
    assert all("weather" in e.evidence[0].detail and e.score <= 0.3 for e in ties)


def test_words_of_the_trade_and_of_owners_make_no_company() -> None:
    prose = "Enables seamless integration of powerful AI tools through a standardized interface."
    one = Service(name="@bob/dice-mcp", description=prose, tools=(tool("@bob/dice-mcp", "roll_dice", sides="integer"),))
    two = Service(name="@bob/soup-mcp", description=prose, tools=(tool("@bob/soup-mcp", "cook_soup", pot="string"),))
    three = Service(name="@bob/kite-mcp", description=prose, tools=(tool("@bob/kite-mcp", "fly_kite", line="string"),))
    others = pool(*many([])).services
    mined = mine(pool(*others, one, two, three))
    assert mined.report.tools_in_no_candidate == 3


def test_a_pair_in_a_service_is_tied_to_its_siblings() -> None:
    pair = [
        tool("studio", "create_take", "Record a take.", title="string"),
        tool("studio", "delete_take", "Delete a take.", take_id="string"),
    ]
    others = [tool("studio", f"set_{what}", f"The {what} of a take.", decibel="number") for what in ("gain", "reverb")]
    mined = mine(pool(*many([pair + others])))
    assert {t.key for t in pair + others} <= {k for c in mined.clusters for k in c.tools}


def test_one_service_alone_is_no_reason_to_stand_together() -> None:
    demo = [
        tool("demo", "add_numbers", "Sum of both.", a="number", b="number"),
        tool("demo", "shout", "Upper case.", words="string"),
        tool("demo", "sleep", "Wait a while.", steps="integer"),
    ]
    mined = mine(pool(*many([demo])))
    assert not {t.key for t in demo} & {k for c in mined.clusters for k in c.tools}


def test_a_fork_under_another_name_is_no_company() -> None:
    def rocks(name: str) -> list[Tool]:
        return [
            tool(name, "read_query", "Execute a SELECT query that returns a result set.", query="string"),
            tool(name, "write_query", "Execute a DDL or DML command without a result set.", query="string"),
        ]

    mined = mine(pool(*many([rocks("star-rocks"), rocks("starrocks-mirror")])))
    homes = [{k.partition("/")[0] for k in c.tools} for c in mined.clusters]
    assert not any({"star-rocks", "starrocks-mirror"} <= home for home in homes)


def test_of_equal_sources_those_that_speak_of_the_target_are_kept() -> None:
    """Dozens of tools of a feed return a symbol; the alphabet is no reason to choose among them."""
    output = {"type": "object", "properties": {"symbol": {"type": "string"}}}

    def feed(name: str, description: str) -> Tool:
        return tool("feed", name, description, page="integer").model_copy(update={"output_schema": output})

    others = [feed(f"list_{i:02}_things", f"List the things of series {i}.") for i in range(60)]
    near = feed("list_zebra_ratios", "List ratios of a balance sheet.")
    target = tool("feed", "get_balance_ratios", "Ratios of a balance sheet.", symbol="string")
    graph = mine_dependencies(pool([*others, near, target]))
    sources = [e.source for e in graph.into(target.key) if e.parameter == "symbol"]
    assert near.key in sources
    assert len(sources) == 16, "the others are as sure, and the alphabet would have chosen among them"


def test_growth_stays_with_the_affair_once_there_are_tools_enough() -> None:
    graph = DependencyGraph(
        [
            Dependency(source="s/a", target="s/b", parameter="p", score=0.6),
            Dependency(source="s/b", target="s/c", parameter="p", score=0.6),
            Dependency(source="s/c", target="s/far", parameter="p", score=0.6),
            Dependency(source="s/b", target="s/strong", parameter="p", score=0.9),
            Dependency(source="s/c", target="s/strong", parameter="p", score=0.9),
        ],
        ["s/a", "s/b", "s/c", "s/far", "s/strong", "s/unlike"],
    )
    words = {"s/a": {"ship": 1.0}, "s/b": {"ship": 1.0}, "s/c": {"ship": 1.0}, "s/far": {"tax": 1.0}}
    kept = grow(
        graph,
        ClusterConfig(max_tools=5, candidates_per_tool=1),
        topics={**words, "s/strong": {"ship": 0.07, "tax": 0.93}},
    )
    from_a = {graph.tools[i] for i in next(c for c in kept if c.order[0] == 0).tools}
    assert from_a == {"s/a", "s/b", "s/c", "s/strong"}


def test_a_tool_whose_name_has_a_slash_belongs_to_its_own_service() -> None:
    odd = [tool("video", f"channel/{verb}", channel_id="string") for verb in ("get", "list", "mute")]
    mined = mine(pool(shop(), odd))
    frame = mined.to_frame()
    assert set(frame["services"]) == {1}
    assert mined.report.tool_coverage == 1.0


def test_a_small_service_joins_over_what_both_speak_of() -> None:
    hosts = [
        tool("forge", "search_repositories", "Search repositories. Returns repository names.", query="string"),
        tool("forge", "get_repository", "Get a repository.", repository="string"),
        tool("forge", "star_repository", "Star a repository.", repository="string"),
    ]
    scanner = [tool("scan", "scan_repository", "Scan a repository for secrets.", repository="string")]
    mined = mine(pool(hosts, scanner, forge="software", scan="software"))
    assert any("scan/scan_repository" in c.tools for c in mined.clusters)


def test_tools_without_schemas_weigh_less_but_count() -> None:
    bare = [Tool(service="bare", name=f"get_{w}", input_schema={"type": "object"}) for w in ("sun", "moon", "star")]
    mined = mine(pool(Service(name="bare", tools=tuple(bare), schema_quality="none"), shop()))
    assert mined.clusters[0].tools[0].startswith("shop/"), "real schemas first"
    assert mined.report.tool_coverage == 1.0


def test_progress_is_told_to_the_end(bundled: ToolPool) -> None:
    told: list[float] = []
    mine(bundled, ClusterConfig(max_clusters=3), on_progress=lambda stage, share: told.append(share))
    assert told == sorted(told)
    assert told[-1] == 1.0


def test_a_service_of_thousands_of_tools_with_nothing_in_common_is_tied_in_linear_time() -> None:
    rng = rng_for("unlike tools")
    names = {"".join(rng.choice("bdfgklmnprstvz") + rng.choice("aeiou") for _ in range(4)) for _ in range(3000)}
    tools = [tool("hub", name) for name in sorted(names)]
    began = time.process_time()
    mined = mine(pool(tools, shop()), ClusterConfig(candidates_per_tool=1, coverage=0.5))
    assert time.process_time() - began < 15
    assert mined.report.tools_in_no_candidate == 0


def test_mining_and_a_run_name_the_same_domain_of_two_equals(tmp_path: Path) -> None:
    """`tdlab mine` once named the last by name, `Run.clusters` the first."""
    service = Service(name="shop", tools=tuple(shop()), domains={"retail": 0.5, "finance": 0.5})
    mined = mine(pool(service), config=ClusterConfig(min_tools=2))
    assert list(mined.to_frame()["domain"]) == ["finance"] * len(mined.clusters) != []
    with RunStore.create_or_resume(tmp_path, config=RunConfig(), pool_fingerprint="p", versions={}) as store:
        store.put_mining(clusters=mined.clusters, tools=shop(), services={"shop": service.domains}, report=mined.report)
    with open_run(tmp_path) as run:
        assert list(run.clusters()["domain"]) == list(mined.to_frame()["domain"])
    printed = StringIO()
    Console(width=200, file=printed).print(show_mined(mined))
    assert "finance" in printed.getvalue()
    assert "retail" not in printed.getvalue()
