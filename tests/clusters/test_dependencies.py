"""Mined dependencies: real chains are found with evidence, generic words join nothing, hostile pools are harmless."""

from __future__ import annotations

import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import pytest

from tdlab.clusters import DependencyGraph, mine_dependencies
from tdlab.config import ClusterConfig
from tdlab.pool.catalogue import ToolPool
from tdlab.records import Dependency, Service, Tool, canonical_json
from tdlab.tools.names import referenced_entity
from tests.clusters.pools import pool, shop, tool

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def bundled() -> ToolPool:
    return ToolPool.bundled()


@pytest.fixture(scope="module")
def graph(bundled: ToolPool) -> DependencyGraph:
    return mine_dependencies(bundled)


def test_a_chain_is_found_with_path_and_parameter() -> None:
    edges = {(e.source, e.target, e.parameter): e for e in mine_dependencies(pool(shop())).edges}
    made = edges["shop/create_invoice", "shop/send_invoice", "invoice_id"]
    assert made.path == ("invoice_id",)
    listed = edges["shop/list_invoices", "shop/get_invoice", "invoice_id"]
    assert listed.path == ("invoices", 0, "invoice_id")
    found = edges["shop/find_customer", "shop/create_invoice", "customer_id"]
    assert found.path == ("customers", 0, "customer_id")
    assert {e.kind for e in made.evidence} >= {"returns", "match", "order", "mention"}


def test_paging_and_query_words_join_nothing() -> None:
    tools = [
        tool("s", "list_cats", query="string", limit="integer", page="integer", cursor="string"),
        tool("s", "list_dogs", query="string", limit="integer", page="integer", cursor="string"),
    ]
    assert mine_dependencies(pool(tools)).edges == ()


def test_creation_comes_before_what_it_makes_possible() -> None:
    graph = mine_dependencies(pool(shop()), ClusterConfig(edge_threshold=0.0))
    score = {(e.source, e.target): e.score for e in graph.edges}
    forward = score["shop/create_invoice", "shop/get_invoice"]
    assert forward > score.get(("shop/get_invoice", "shop/create_invoice"), 0.0)


@pytest.mark.parametrize(
    ("speaker", "words", "source", "target"),
    [
        ("beta", "Do beta. Call `alpha_thing` first.", "alpha_thing", "beta_thing"),
        ("beta", "Do beta with the token obtained from alpha_thing.", "alpha_thing", "beta_thing"),
        ("alpha", "Do alpha. Use this before calling beta_thing.", "alpha_thing", "beta_thing"),
    ],
)
def test_explicit_words_make_an_ordering_edge(speaker: str, words: str, source: str, target: str) -> None:
    tools = [
        tool("s", "alpha_thing", words if speaker == "alpha" else "Do alpha.", n="integer"),
        tool("s", "beta_thing", words if speaker == "beta" else "Do beta.", n="integer"),
    ]
    edges = mine_dependencies(pool(tools)).edges
    assert [(e.source, e.target) for e in edges] == [(f"s/{source}", f"s/{target}")]
    assert edges[0].evidence[-1].kind == "mention"


def test_a_sibling_named_as_the_alternative_is_no_dependency() -> None:
    tools = [
        tool("s", "alpha_thing", "Do alpha.", n="integer"),
        tool("s", "beta_thing", "Do beta. For x use alpha_thing instead.", n="integer"),
    ]
    assert mine_dependencies(pool(tools)).edges == ()


def test_services_join_over_real_world_entities_only() -> None:
    stocks = [
        tool("news", "search_news", "Search market news. Returns tickers.", topic="string"),
        tool("news", "list_movers", "List market movers. Returns the ticker of each.", day="string"),
        tool("news", "get_order", "Get an order of a paper.", order_id="string"),
    ]
    market = [
        tool("market", "get_quote", "Get a market quote.", ticker="string"),
        tool("market", "cancel_order", "Cancel an order on the market.", order_id="string"),
    ]
    both = pool(stocks, market, news="markets", market="markets")
    edges = mine_dependencies(both, ClusterConfig(edge_threshold=0.1)).edges
    crossing = [e for e in edges if e.source.split("/")[0] != e.target.split("/")[0]]
    assert {e.parameter for e in crossing} == {"ticker"}, "an order of one business is not an order of another"
    assert all(e.evidence[0].kind == "shared-entity" for e in crossing)


def test_every_bundled_chain_over_an_identifier_is_found(bundled: ToolPool, graph: DependencyGraph) -> None:
    have = {(e.source, e.target) for e in graph.edges}
    missing = []
    for service in bundled.services:
        for maker in service.tools:
            words = maker.name.split("_")
            given = set((maker.output_schema or {}).get("properties", {})) - set(maker.parameters)
            new = {
                p
                for p in given
                if referenced_entity(p) and p.endswith("_id") and words[0] in ("create", "open", "book", "add")
            }
            for user in service.tools:
                if user.key != maker.key and new & set(user.required) and (maker.key, user.key) not in have:
                    missing.append((maker.key, user.key))
    assert not missing


def test_edges_bind_what_is_there(bundled: ToolPool, graph: DependencyGraph) -> None:
    for edge in graph.edges:
        assert 0.35 <= edge.score <= 1.0
        assert edge.source != edge.target
        assert edge.evidence, "every edge says why"
        assert all(0.0 <= e.weight <= 1.0 for e in edge.evidence)
        if edge.parameter:
            assert edge.parameter in bundled.tools[edge.target].parameters
            schema = bundled.tools[edge.source].output_schema or {}
            for part in edge.path:
                schema = schema["items"] if isinstance(part, int) else schema["properties"][part]
        else:
            assert edge.path == ()


def test_one_edge_for_source_target_parameter_in_a_fixed_order(graph: DependencyGraph) -> None:
    keys = [(e.source, e.target, e.parameter) for e in graph.edges]
    assert all(a < b for a, b in pairwise(keys))


def test_lookups_agree_with_the_edges(graph: DependencyGraph) -> None:
    assert sum(len(graph.into(key)) for key in graph.tools) == len(graph)
    assert sum(len(graph.out_of(key)) for key in graph.tools) == len(graph)
    frame, network = graph.to_frame(), graph.graph()
    assert len(frame) == network.number_of_edges() == len(graph)
    assert set(network.nodes) == set(graph.tools)
    pairs = graph.pair_scores()
    assert all(0.0 < score <= 1.0 for score in pairs.values())


def test_the_order_of_services_does_not_matter(bundled: ToolPool, graph: DependencyGraph) -> None:
    turned = pool(*reversed(bundled.services))
    assert [canonical_json(e) for e in mine_dependencies(turned).edges] == [canonical_json(e) for e in graph.edges]


def test_neither_the_hash_seed_nor_the_order_of_services_matters() -> None:
    code = (
        "import sys; from types import SimpleNamespace as N;"
        "from tdlab.pool.catalogue import ToolPool; from tdlab.clusters import mine; from tdlab.records import digest;"
        "p = ToolPool.bundled(); s = p.services[:: int(sys.argv[1])]; m = mine(N(services=s, tools=p.tools), seed=5);"
        "print(digest([c.id for c in m.clusters], [e.model_dump(mode='json') for e in m.dependencies.edges]))"
    )
    answers = {
        subprocess.run(
            [sys.executable, "-c", code, order],
            capture_output=True,
            text=True,
            check=True,
            cwd=ROOT,
            env={"PYTHONHASHSEED": seed},
        ).stdout
        for seed, order in (("1", "1"), ("2", "-1"))
    }
    assert len(answers) == 1


def test_a_hub_of_two_thousand_tools_stays_small() -> None:
    tools = [tool("hub", f"get_report_{i:04d}x", account_id="string") for i in range(2000)]
    tools.append(tool("hub", "list_accounts"))
    began = time.process_time()
    graph = mine_dependencies(pool(tools), ClusterConfig(sources_per_parameter=16))
    assert time.process_time() - began < 15
    assert len(graph) <= 16 * 2001
    assert graph.report.echoes_left_out > 0, "that a report shows its account again is counted, and no edge"
    assert graph.report.kinds == {"new": 2000}
    assert all(any(e.source == "hub/list_accounts" for e in graph.into(t.key)) for t in tools[:50])


def test_many_services_of_one_shared_word_stay_near_linear() -> None:
    def world(count: int) -> float:
        services = [
            [
                tool(f"s{i}", f"list_part{i % 97}s", "List parts. Returns repository names."),
                tool(f"s{i}", "get_it", repository="string"),
            ]
            for i in range(count)
        ]
        began = time.process_time()
        mine_dependencies(pool(*services))
        return time.process_time() - began

    world(100)
    small, large = world(250), world(2000)
    assert large < 8 * small * 3 + 1.0, f"8 times the services took {large / small:.1f} times as long"


def test_hostile_tools_do_no_harm() -> None:
    strange = [
        Tool(service="x", name="", input_schema={}),
        Tool(
            service="x", name="loop", description="loop loop() `loop`", input_schema={"properties": {"loop_id": True}}
        ),
        Tool(
            service="x",
            name="many",
            input_schema={"type": "object", "properties": {f"p{i}_id": {} for i in range(3000)}},
        ),
        Tool(
            service="x",
            name="self",
            input_schema={"$defs": {"a": {"$ref": "#/$defs/a"}}, "properties": {"a": {"$ref": "#/$defs/a"}}},
        ),
        Tool(service="x", name="far", input_schema={"properties": {"a": {"$ref": "https://example.org/s.json"}}}),
        Tool(
            service="x",
            name="列表_订单",
            description="返回订单",
            input_schema={"properties": {"订单": {"type": "string"}}},
        ),
    ]
    graph = mine_dependencies(pool(strange), ClusterConfig(edge_threshold=0.0))
    assert all(e.source != e.target for e in graph.edges)
    assert isinstance(graph.edges, tuple)
    assert mine_dependencies(pool()).edges == ()
    assert mine_dependencies(pool(Service(name="empty"))).edges == ()


def test_a_graph_can_be_made_by_hand() -> None:
    edge = Dependency(source="a/x", target="a/y", score=0.5)
    graph = DependencyGraph([edge], ["a/x", "a/y"])
    assert graph.into("a/y") == graph.out_of("a/x") == (edge,)
    assert graph.into("a/x") == ()


@pytest.mark.parametrize(
    ("name", "described", "joined"),
    [("forgejo-scan", "", True), ("scan", "for Forgejo", True), ("scan", "for Gitlore", False)],
)
def test_a_value_of_a_platform_goes_to_services_that_speak_of_it(name: str, described: str, joined: bool) -> None:
    """A repository on one forge does not exist on another, even if the parameters have the same name."""
    hosts = [
        tool("forgejo", "search_repositories", "Search repositories. Returns repository names.", query="string"),
        tool("forgejo", "get_repository", "Get a repository.", repository="string"),
    ]
    scanner = Service(
        name=name, description=described, domains={"software": 1.0},
        tools=(tool(name, "scan_repository", "Scan a repository for secrets.", repository="string"),),
    )  # fmt: skip
    graph = mine_dependencies(pool(hosts, scanner, forgejo="software"))
    assert bool([e for e in graph.into(f"{name}/scan_repository") if e.parameter == "repository"]) is joined


def test_what_tells_how_a_call_went_leads_nowhere() -> None:
    outcome = {
        "type": "object",
        "properties": {"error": {"type": "string"}, "successful": {"type": "boolean"}, "branch": {"type": "string"}},
    }
    one = tool("s", "get_branch", branch="string").model_copy(update={"output_schema": outcome})
    other = tool("s", "get_branch_protection", branch="string", error="string")
    found = mine_dependencies(pool([one, other])).edges
    assert not [edge for edge in found if edge.path and edge.path[-1] in ("error", "successful")]
