"""Worked examples: each number in the scores of dependencies, the growth of candidates and their selection, by hand."""

from __future__ import annotations

import math
from collections import Counter
from itertools import pairwise
from typing import Any

import pytest

from tdlab.clusters import DependencyGraph, grow, mine, mine_dependencies, select
from tdlab.clusters._candidate_arrays import CandidateArrays
from tdlab.clusters._cross_service import _candidates, _limited, _neighbours
from tdlab.clusters._matching import FLOW, compatible, is_made_up, slot_weight, wanted
from tdlab.clusters._mentions import mentions_in
from tdlab.clusters._topic_links import companions
from tdlab.clusters._topics import common_words, service_words, similarity, tool_topics
from tdlab.clusters.candidates import ClusterCandidate, _Grower
from tdlab.clusters.coverage import fixed_point, naive_greedy, pack, random_curve, select_packed
from tdlab.clusters.dependencies import _distinctness
from tdlab.config import ClusterConfig, CompanionConfig, GrowthConfig, MatchWeights, MentionWeights, TopicWeights
from tdlab.records import Dependency, Evidence, Service, Tool, rng_for
from tdlab.tools import Slot
from tests.clusters.pools import pool, tool

CONFIG = ClusterConfig(edge_threshold=0.01)
MATCHING = MatchWeights()


def returning(made: Tool, **fields: Any) -> Tool:
    """The tool, with an output schema that declares these fields (name of a type, or a schema)."""
    properties = {name: {"type": kind} if isinstance(kind, str) else kind for name, kind in fields.items()}
    return made.model_copy(update={"output_schema": {"type": "object", "properties": properties}})


def scores(*tools: Tool, config: ClusterConfig = CONFIG) -> dict[tuple[str, str, str], float]:
    """The score of each dependency, by names of source and target and by parameter."""
    graph = mine_dependencies(pool(list(tools)), config)
    return {(e.source.split("/")[1], e.target.split("/")[1], e.parameter): e.score for e in graph.edges}


def slot(kind: str, *, name: str = "x", entity: str = "", required: bool = True, **more: Any) -> Slot:
    values = {"parameter": name, "inside": "", "world": "", "schema": {"type": "string"}, **more}
    return Slot(name=name, entity=entity, kind=kind, required=required, **values)


def weight(one: Slot, *, telling: Any = None, focuses: Any = (), shared: Any = None, config: Any = CONFIG) -> float:
    return slot_weight(one, telling or {}, set(focuses), shared or {}, config)


# --- dependencies: a whole score


def test_a_score_is_the_product_of_its_judgements() -> None:
    """Declared (0.97), an action after a creation (0.95), an identifier (1); optional inside an object (0.7 x 0.85)."""
    create = returning(tool("s", "create_invoice", amount="number"), invoice_id="string")
    send = tool("s", "send_invoice", invoice_id="string")
    inside = {"type": "object", "properties": {"invoice_id": {"type": "string"}}}
    pay = tool("s", "pay_bill", optional=("options",), options=inside)
    found = scores(create, send, pay)
    assert found["create_invoice", "send_invoice", "invoice_id"] == round(0.97 * 0.95, 4)
    assert found["create_invoice", "pay_bill", "options"] == round(0.97 * 0.95 * 0.7 * 0.85, 4)


def test_a_listed_value_is_a_little_less_sure() -> None:
    listed = {"type": "array", "items": {"type": "object", "properties": {"invoice_id": {"type": "string"}}}}
    names = {"type": "array", "items": {"type": "string"}}
    find = returning(tool("s", "list_invoices"), invoices=listed)
    tags = returning(tool("s", "list_tags"), tag_ids=names)
    found = scores(find, tags, tool("s", "get_invoice", invoice_id="string"), tool("s", "get_tag", tag_id="string"))
    assert found["list_invoices", "get_invoice", "invoice_id"] == 0.97
    assert found["list_tags", "get_tag", "tag_id"] == 0.95, "tag_ids holds values of tag_id"


def test_a_mention_raises_a_score_and_stands_alone_where_nothing_fits() -> None:
    create = returning(tool("s", "create_invoice", amount="number"), invoice_id="string")
    send = tool("s", "send_invoice", "Send it. Call create_invoice first.", invoice_id="string")
    audit = tool("s", "audit_books", "Audit. Call create_invoice first.", year="integer")
    found = scores(create, send, audit)
    assert found["create_invoice", "send_invoice", "invoice_id"] == round(1 - (1 - 0.97 * 0.95) * (1 - 0.75), 4)
    assert found["create_invoice", "audit_books", ""] == 0.75
    strict = scores(create, send, audit, config=ClusterConfig(edge_threshold=0.76))
    assert ("create_invoice", "audit_books", "") not in strict
    at = scores(create, send, audit, config=ClusterConfig(edge_threshold=0.75))
    assert at["create_invoice", "audit_books", ""] == 0.75, "a score at the threshold counts"


def test_the_threshold_is_met_by_a_score_that_equals_it() -> None:
    """0.97 x 1 x 1: listed identifiers read."""
    listed = {"type": "array", "items": {"type": "object", "properties": {"invoice_id": {"type": "string"}}}}
    tools = (returning(tool("s", "list_invoices"), invoices=listed), tool("s", "get_invoice", invoice_id="string"))
    for threshold, kept in ((0.97, 1), (0.971, 0)):
        found = scores(*tools, config=ClusterConfig(edge_threshold=threshold))
        assert len(found) == kept, threshold


def test_so_many_sources_are_kept_and_the_others_counted() -> None:
    makers = [
        returning(tool("s", f"list_{word}", page="integer"), ticket_id="string")
        for word in ("ants", "bees", "cats", "dogs")
    ]
    target = tool("s", "close_ticket", ticket_id="string")
    graph = mine_dependencies(pool([*makers, target]), ClusterConfig(sources_per_parameter=3))
    assert len(graph.into("s/close_ticket")) == 3
    assert graph.report.capped == 1
    assert graph.report.in_service == 3
    assert mine_dependencies(pool([*makers, target]), ClusterConfig(sources_per_parameter=4)).report.capped == 0
    assert graph.report.not_compared == 0
    one = mine_dependencies(pool([*makers, target]), ClusterConfig(sources_per_parameter=1))
    assert one.report.not_compared == 2 * 1, "of 4 that find it out (the target only repeats it) 3, by name and entity"


def test_of_equal_sources_the_one_most_like_the_target_is_kept() -> None:
    """Six lists return a ticket as surely; one more is surer; the target and the last list speak of refunds."""
    makers = [
        returning(tool("s", f"list_{word}", page="integer"), ticket_id="string")
        for word in ("ants", "bees", "cats", "dogs", "eels", "refunds")
    ]
    target = tool("s", "close_refund_ticket", ticket_id="string")
    graph = mine_dependencies(pool([*makers, target]), ClusterConfig(sources_per_parameter=1))
    assert [edge.source for edge in graph.into(target.key)] == ["s/list_refunds"]
    surer = returning(tool("s", "create_ticket", amount="number"), ticket_id="string")
    graph = mine_dependencies(pool([*makers, surer, target]), ClusterConfig(sources_per_parameter=1))
    assert [edge.source for edge in graph.into(target.key)] == ["s/create_ticket"]
    assert graph.report.capped == 2, "of the three that are compared"


def test_scores_of_some_other_fits() -> None:
    create = returning(tool("s", "create_invoice", amount="number"), id="string")
    listed = {"type": "array", "items": {"type": "object", "properties": {"invoice_id": {"type": "string"}}}}
    found = scores(
        create,
        returning(tool("s", "list_invoices"), invoices=listed),
        returning(tool("s", "get_letter", letter_id="string"), message="string"),
        tool("s", "send_invoice", invoice_id="string"),
        tool("s", "refund_invoice", invoice_id="integer"),
        tool("s", "print_record", invoice={"type": "object"}),
        tool("s", "send_mail", message="string"),
    )
    assert found["create_invoice", "send_invoice", "invoice_id"] == round(0.97 * 0.95, 4), "a bare id has the same name"
    assert found["create_invoice", "refund_invoice", "invoice_id"] == round(0.97 * 0.95 * 0.8, 4)
    assert found["list_invoices", "print_record", "invoice"] == round(0.97 * 0.85 * 0.75 * 0.55, 4), "a whole record"
    assert found["get_letter", "send_mail", "message"] == round(0.97 * 0.95 * 0.08, 4)
    names = {"type": "array", "items": {"type": "object", "properties": {"name": {"type": "string"}}}}
    cities = returning(tool("s", "list_cities"), cities=names)
    assert scores(cities, tool("s", "get_city", city_id="string")) == {}, "a name is no identifier"


def test_scores_of_pairs_lie_between_the_best_edge_and_all_of_them() -> None:
    edges = [Dependency(source="a", target="b", parameter=p, score=s) for p, s in (("x", 0.6), ("y", 0.5))]
    assert DependencyGraph(edges, ["a", "b"]).pair_scores() == {("a", "b"): pytest.approx((0.6 + 1 - 0.4 * 0.5) / 2)}


def test_evidence_says_how_sure_it_is() -> None:
    create = returning(tool("s", "create_invoice", amount="number"), invoice_id="string")
    graph = mine_dependencies(pool([create, tool("s", "send_invoice", invoice_id="string")]), CONFIG)
    (edge,) = graph.into("s/send_invoice")
    assert [(e.kind, e.weight) for e in edge.evidence] == [("returns", 0.97), ("match", 1.0), ("order", 0.95)]
    assert "declares" in edge.evidence[0].detail
    other = mine_dependencies(
        pool(
            [
                returning(tool("s", "create_invoice", amount="number"), id="string"),
                tool("s", "send_note", invoice="string"),
            ]
        ),
        CONFIG,
    )
    (edge,) = other.into("s/send_note")
    assert [e.weight for e in edge.evidence] == [0.97, 0.85, 0.95]
    assert edge.score == round(0.97 * 0.95 * 0.6 * 0.85, 4), "an identifier for a value that names what is created"


# --- dependencies: the factors


@pytest.mark.parametrize(
    ("before", "row"),
    [
        ("list", (0.9, 1.0, 0.85, 0.9, 0.85, 0.9, 0.85)),
        ("create", (0.9, 0.95, 0.8, 0.95, 0.85, 0.95, 0.7)),
        ("read", (0.9, 0.8, 0.85, 0.95, 0.85, 0.95, 0.8)),
        ("update", (0.35, 0.65, 0.45, 0.5, 0.5, 0.55, 0.35)),
        ("act", (0.35, 0.65, 0.5, 0.45, 0.5, 0.5, 0.35)),
        ("delete", (0.15, 0.2, 0.25, 0.15, 0.15, 0.15, 0.1)),
        ("compute", (0.25, 0.3, 0.4, 0.35, 0.15, 0.4, 0.4)),
    ],
)
def test_which_operation_follows_which(before: str, row: tuple[float, ...]) -> None:
    after = ("list", "read", "create", "update", "delete", "act", "compute")
    assert FLOW[before] == dict(zip(after, row, strict=True))


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("id", 1.0), ("ref", 0.92), ("world", 0.75), ("label", 0.6), ("value", 0.55), ("time", 0.25),
        ("quantity", 0.15), ("choice", 0.12), ("prose", 0.08), ("flag", 0.0), ("control", 0.0),
    ],
)  # fmt: skip
def test_a_parameter_weighs_what_its_kind_tells(kind: str, expected: float) -> None:
    assert weight(slot(kind)) == expected
    assert weight(slot(kind, required=False)) == pytest.approx(expected * 0.7)
    assert weight(slot(kind, inside="y")) == pytest.approx(expected * 0.85)
    assert weight(slot(kind), telling={"x": 0.5}) == pytest.approx(expected * (1.0 if kind == "id" else 0.5))
    assert weight(slot(kind, schema={"type": "boolean"})) == 0.0


def test_some_plain_values_weigh_more() -> None:
    focus = slot("value", entity="city")
    assert weight(focus, focuses=["city"]) == 0.85
    assert weight(focus, focuses=["town"]) == 0.55
    assert weight(focus._replace(schema={"type": "number"}), focuses=["city"]) == 0.55
    assert weight(slot("value"), shared={"x": 3}) == 0.75
    assert weight(slot("label"), shared={"x": 3}) == 0.75
    assert weight(slot("world"), shared={"x": 3}) == 0.75
    assert weight(slot("ref"), shared={"x": 3}) == 0.92
    assert weight(slot("value"), shared={"x": 2}) == 0.55
    assert weight(slot("value", required=False), shared={"x": 3}) == pytest.approx(0.55 * 0.7)
    assert weight(slot("world"), shared={"x": 3}, config=ClusterConfig.model_validate({"kinds": {"world": 0.9}})) == 0.9


def test_an_object_that_names_its_fields_weighs_half() -> None:
    described = {"type": "object", "properties": {"a": {"type": "string"}}}
    assert weight(slot("value", schema=described)) == pytest.approx(0.55 * 0.5)
    assert weight(slot("value", schema=described, inside="a")) == pytest.approx(0.55 * 0.85)
    assert weight(slot("value", schema={"type": "object"})) == 0.55, "one that takes any record"


@pytest.mark.parametrize(
    ("one", "expected"),
    [
        (slot("id", name="city_id", entity="city"), [(("name", "city_id"), 1.0), (("id", "city"), 0.85)]),
        (slot("ref", name="city", entity="city"), [(("name", "city"), 1.0), (("id", "city"), 0.6)]),
        (slot("label", name="name", entity="city"), [(("name", "name"), 1.0), (("id", "city"), 0.6)]),
        (
            slot("value", name="city", entity="city"),
            [(("name", "city"), 1.0), (("id", "city"), 0.6), (("of", "city"), 0.6)],
        ),
        (
            slot("value", name="city", entity="city", schema={"type": "object"}),
            [(("name", "city"), 1.0), (("record", "city"), 0.75), (("id", "city"), 0.6), (("of", "city"), 0.6)],
        ),
        (
            slot("world", name="stock_symbol", world="ticker"),
            [(("name", "stock_symbol"), 1.0), (("world", "ticker"), 0.8)],
        ),
        (slot("world", name="ticker", world="ticker"), [(("name", "ticker"), 1.0), (("world", "ticker"), 0.8)]),
        (slot("time", name="day", entity="city"), [(("name", "day"), 1.0)]),
    ],
)
def test_what_can_fill_a_parameter_and_how_well(one: Slot, expected: list) -> None:
    assert [(key, quality) for key, quality, _ in wanted(one, MATCHING)] == expected


@pytest.mark.parametrize(
    ("given", "wanted", "expected"),
    [
        ({"type": "string"}, {"type": "string"}, 1.0),
        ({}, {"type": "string"}, 1.0),
        ({"type": "string"}, {}, 1.0),
        ({"type": "integer"}, {"type": "number"}, 1.0),
        ({"type": "string"}, {"type": "integer"}, 0.8),
        ({"type": "number"}, {"type": "string"}, 0.8),
        ({"type": "boolean"}, {"type": "string"}, 0.2),
        ({"type": "string"}, {"type": "boolean"}, 0.2),
        ({"type": "string"}, {"type": "array", "items": {"type": "string"}}, 1.0),
        ({"type": "string"}, {"type": "array", "items": {"type": "object"}}, 0.2),
        ({"type": "string"}, {"type": "array"}, 0.2),
        ({"type": "string"}, {"type": "string", "items": {"type": "integer"}}, 1.0),
        ({"type": "string", "format": "date"}, {"type": "string", "format": "email"}, 0.6),
        ({"type": "string", "format": "date"}, {"type": "string", "format": "date"}, 1.0),
        ({"type": "string", "format": "date"}, {"type": "string"}, 1.0),
        ({"type": "string", "pattern": "a"}, {"type": "string", "pattern": "b"}, 0.25),
        ({"type": "integer", "format": "a"}, {"type": "string", "format": "b"}, 0.8 * 0.6),
    ],
)
def test_how_well_schemas_fit(given: dict, wanted: dict, expected: float) -> None:
    assert compatible(given, wanted, MATCHING) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("one", "operation", "focus", "expected"),
    [
        (slot("label", entity="city"), "create", "city", True),
        (slot("label"), "update", "city", True),
        (slot("label", entity="country"), "create", "city", False),
        (slot("label", entity="city"), "read", "city", False),
        (slot("label", entity="city", inside="y"), "create", "city", False),
        (slot("value", entity="city"), "create", "city", False),
    ],
)
def test_a_new_things_name_is_made_up(one: Slot, operation: str, focus: str, expected: bool) -> None:
    assert is_made_up(one, operation, focus, operation, 1, {"city"}) is expected


@pytest.mark.parametrize(
    ("verb", "handles", "expected"), [("create", 1, True), ("create", 2, False), ("add", 1, False), ("write", 1, True)]
)
def test_the_path_of_a_new_file_is_made_up(verb: str, handles: int, expected: bool) -> None:
    """``create_document(filename)``, but neither ``create_sheet(path, sheet_name)`` nor ``add_paragraph(filename)``."""
    path = slot("world", name="filename", world="file_path")
    assert is_made_up(path, "create", "document", verb, handles, set()) is expected
    assert not is_made_up(path, "read", "document", verb, handles, set())


def test_a_made_up_name_counts_for_three_tenths() -> None:
    """A name (0.6) that a list tells (0.97), for a creation (0.85); it is required by one tool alone."""
    listed = {"type": "array", "items": {"type": "object", "properties": {"name": {"type": "string"}}}}
    find = returning(tool("s", "list_cities"), cities=listed)
    found = scores(find, tool("s", "create_city", name="string"), tool("s", "get_city", name="string"))
    assert found["list_cities", "create_city", "name"] == round(0.97 * 0.85 * 0.6 * 0.3, 4)
    assert found["list_cities", "get_city", "name"] == round(0.97 * 1.0 * 0.6, 4)


def test_a_name_that_few_services_use_tells_more() -> None:
    def services(count: int, common: int) -> list[Service]:
        return [
            Service(
                name=f"s{n}", tools=(tool(f"s{n}", "get", **({"town": "string"} if n < common else {}), all="string"),)
            )
            for n in range(count)
        ]

    assert _distinctness(services(29, 1), CONFIG) == {}
    found = _distinctness(services(30, 10), CONFIG)
    assert found["all"] == 0.4
    assert found["town"] == round(0.4 + 0.6 * 1.5 * math.log(3) / math.log(30), 4)
    assert _distinctness(services(30, 1), CONFIG)["town"] == 1.0
    assert _distinctness([], ClusterConfig(few_services=0)) == {}
    assert _distinctness(services(1, 1), ClusterConfig(few_services=0)) == {}


@pytest.mark.parametrize(
    ("target", "parameter", "expected"),
    [
        ("Do beta. Call alpha_thing first.", "", ("alpha_thing", 0.75)),
        ("Do beta after alpha_thing.", "", ("alpha_thing", 0.75)),
        ("Do beta; goes well with `alpha_thing`", "", ("alpha_thing", 0.3)),
        ("Do beta.", "The token of alpha_thing.", ("alpha_thing", 0.85)),
        ("Do beta, then call alpha_thing.", "", ("beta_thing", 0.7)),
    ],
)
def test_how_plainly_an_order_is_said(target: str, parameter: str, expected: tuple[str, float]) -> None:
    schema = {"type": "integer", "description": parameter}
    tools = [tool("s", "alpha_thing", "Do alpha.", n="integer"), tool("s", "beta_thing", target, n=schema)]
    ((_, sources),) = mentions_in(tools, MentionWeights()).items()
    ((source, mention),) = sources.items()
    assert (tools[source].name, mention.weight) == expected


def test_a_parameter_that_is_served_at_home_is_not_asked_for_abroad() -> None:
    """The reading of tickers at home scores 0.97 x 0.8 x 0.8 (the concept's weight is abroad's, 0.75 is home's)."""
    home = [
        returning(tool("home", "get_firm", firm="string"), ticker="string"),
        tool("home", "get_quote", "Get a market quote.", ticker="string"),
    ]
    abroad = [returning(tool("abroad", "list_movers", "Market movers.", day="string"), ticker="string")]
    made = pool(home, abroad, home="markets", abroad="markets")
    score = round(0.97 * 0.8 * 0.75, 4)
    for served, sources in ((score, {"home/get_firm"}), (score + 0.01, {"home/get_firm", "abroad/list_movers"})):
        graph = mine_dependencies(made, ClusterConfig(served=served))
        assert {e.source for e in graph.into("home/get_quote")} == sources
    assert next(e.score for e in graph.into("home/get_quote") if e.source == "home/get_firm") == score


# --- dependencies across services


def test_a_shared_concept_is_trusted_by_how_close_the_services_are() -> None:
    """A ticker (0.8, telling) that a list surely tells, between services of one domain (affinity 0.25 of 0.4)."""
    from tests.clusters.pools import pool as build

    news = [returning(tool("news", "list_movers", day="string"), ticker="string")]
    market = [
        tool("market", "get_quote", ticker="string"),
        tool("market", "fetch_chart", optional=("ticker",), ticker="string"),
    ]
    graph = mine_dependencies(build(news, market, news="markets", market="markets"), CONFIG)
    found = {e.target: e for e in graph.edges}
    close = 0.25 / 0.4
    assert found["market/get_quote"].score == round(0.97 * 0.8 * (0.85 + 0.15 * close), 4)
    assert found["market/fetch_chart"].score == round(0.97 * 0.8 * 0.7 * (0.85 + 0.15 * close), 4)
    assert [e.weight for e in found["market/get_quote"].evidence] == [0.8, 0.97, 0.25]


def test_what_only_describes_is_trusted_less_and_a_writer_tells_less() -> None:
    """An e-mail (0.62, not telling) from a tool that creates (0.9): 0.6 + 0.4 x closeness."""
    people = [returning(tool("people", "create_person", label="string"), email="string")]
    mail = [tool("mail", "send_letter", email="string")]
    graph = mine_dependencies(pool(people, mail, people="office", mail="office"), CONFIG)
    (edge,) = graph.into("mail/send_letter")
    assert edge.score == round(0.97 * 0.9 * 0.62 * (0.6 + 0.4 * 0.25 / 0.4), 4)
    apart = mine_dependencies(pool(people, mail, people="office", mail="letters"), CONFIG)
    assert apart.into("mail/send_letter") == (), "of different domains, and nothing in common"


def test_nearest_services_share_the_rarest_words() -> None:
    names = ("amber copper", "amber", "copper", "zinc")
    services = [Service(name=f"n{n}", title=title, tools=(tool(f"n{n}", f"x{n}"),)) for n, title in enumerate(names)]
    near = _neighbours(services, CONFIG.across)
    assert near[0] == {1: 0.5, 2: 0.5}
    assert near[1] == {0: 1.0}
    assert near[3] == {}
    one = CONFIG.across.model_copy(update={"neighbours": 1})
    assert _neighbours(services, one)[0] == {1: 0.5}
    thirds = [service.model_copy(update={"title": services[0].title + " iron"}) for service in services[:1]]
    thirds += [*services[1:3], Service(name="n9", title="iron", tools=(tool("n9", "x9"),))]
    assert _neighbours(thirds, CONFIG.across)[0] == {1: 0.3333, 2: 0.3333, 3: 0.3333}
    rare = CONFIG.across.model_copy(update={"word_services": 1})
    assert _neighbours(services, rare)[0] == {}


def test_a_fork_is_no_neighbour() -> None:
    def service(name: str, *tools: str) -> Service:
        return Service(name=name, title="amber", tools=tuple(tool(name, one) for one in tools))

    three, two = ("a1", "a2", "a3", "a4"), ("a1", "a2", "b3", "b4")
    most = ("a1", "a2", "a3", "b4")
    assert _neighbours([service("x", *three), service("y", *two)], CONFIG.across)[0] == {1: 1.0}
    assert _neighbours([service("x", *three), service("y", *most)], CONFIG.across)[0] == {1: -1.0}


def test_three_services_are_asked_and_small_ones_ask_their_domain() -> None:
    givers: dict[int, list] = {n: [] for n in range(1, 6)}
    domain = ["d", "d", "d", "other", "d", "d"]
    near = {1: 0.5, 2: 0.1, 3: 0.1, 4: 0.3}
    across = CONFIG.across
    asked = _candidates(0, near, givers, [1, 2, 3, 4, 5], [0, 1, 2, 3, 4], 0, domain, 9, across)
    assert asked == [(1, 0.5), (2, 0.25), (3, 0.1)]
    ring = ([1, 2, 3, 4, 5], [10, 20, 30, 40, 50])
    assert _candidates(0, {}, givers, *ring, 25, domain, 5, across) == [(4, 0.25), (5, 0.25), (1, 0.25)]
    assert _candidates(0, {}, givers, *ring, 25, domain, 6, across) == [], "a service of six tools is not small"
    assert _candidates(0, {4: -1.0}, givers, *ring, 25, domain, 5, across) == [(5, 0.25), (1, 0.25), (2, 0.25)]
    two = across.model_copy(update={"asked": 2})
    assert _candidates(0, {}, givers, *ring, 25, domain, 5, two) == [(4, 0.25), (5, 0.25)]


def test_four_edges_lead_from_a_tool_into_another_service() -> None:
    edges = [Dependency(source="a/x", target=f"b/{n}", parameter="p", score=0.4 + n / 100) for n in range(6)]
    left_out: Counter[str] = Counter()
    kept = _limited(edges, {f"b/{n}": "b" for n in range(6)}, 4, left_out)
    assert [edge.target for edge in kept] == ["b/5", "b/4", "b/3", "b/2"]
    assert left_out == {"capped": 2}


# --- words


def test_words_of_tools_weigh_by_where_they_stand_and_how_rare_they_are() -> None:
    tools = [
        tool("s", "get_harbor_data", "Tells about a lighthouse.", tide="string"),
        tool("s", "list_boats", "Boats.", tide="string"),
    ]
    first, second = tool_topics(tools, TopicWeights())
    one, both = math.log(1 + 2 / 1), math.log(1 + 2 / 2)
    assert first == pytest.approx(
        {
            "get": 0.3 * one,
            "harbor": one,
            "data": 0.3 * one,
            "p:tide": 0.8 * both,
            "tell": 0.3 * one,
            "lighthouse": 0.3 * one,
        }
    )
    assert second == pytest.approx({"list": 0.3 * one, "boat": one, "p:tide": 0.8 * both})
    assert similarity(first, second) == pytest.approx(
        0.8 * both / math.sqrt(sum(first.values()) * sum(second.values()))
    )
    assert common_words(first, second) == ["tide"]


def test_words_of_services_weigh_by_where_they_stand() -> None:
    services = [
        Service(
            name="@owner/harbor", description="Lighthouse keepers.",
            tools=(tool("@owner/harbor", "get_boat", "Tells the tide.", depth="string"),),
        ),
        Service(name="b", description="harbor boat tide depth lighthouse keeper", tools=(tool("b", "x"),)),
    ]  # fmt: skip
    every, plain, named = service_words(services, TopicWeights())
    rare = math.log(1 + 2 / 2)
    words = {"harbor": 1.0, "boat": 1.0, "tide": 0.6, "depth": 0.4}
    assert plain[0] == pytest.approx({word: weight * rare for word, weight in words.items()})
    assert named[0] == pytest.approx({"harbor": rare, "boat": rare})
    assert every[0] == pytest.approx({**plain[0], "lighthouse": 0.25 * rare, "keeper": 0.25 * rare})


# --- companions


def group(*names: str, service: str = "s", **more: Any) -> Service:
    return Service(name=service, tools=tuple(tool(service, name) for name in names), **more)


def ties(*services: Service, **values: Any) -> dict[tuple[str, str], float]:
    config = ClusterConfig(companions=CompanionConfig(**values))
    topics = {
        t.key: words for s in services for t, words in zip(s.tools, tool_topics(s.tools, config.topics), strict=True)
    }
    return {(edge.source, edge.target): edge.score for edge in companions(services, (), config, topics)}


def test_a_tie_scores_between_a_tenth_and_three_tenths() -> None:
    words = {"s/a": {"x": 1.0}, "s/b": {"x": 1.0}, "s/c": {"x": 1.0, "y": 3.0}}
    service = Service(name="s", tools=tuple(tool("s", name) for name in "abc"))
    found = {(e.source, e.target): e.score for e in companions([service], (), ClusterConfig(), words)}
    assert found["s/b", "s/a"] == 0.3, "they speak of the same"
    assert found["s/c", "s/a"] == round(0.1 + 0.2 * 1 / math.sqrt(4), 4)


def test_a_tool_is_tied_to_three_others_first() -> None:
    tools = [f"boat_{word}" for word in ("ant", "bee", "cat", "dog", "eel", "fox")]
    into = [target for _, target in ties(group(*tools))]
    assert into.count("s/boat_ant") == 3
    assert [target for _, target in ties(group(*tools), ties=1)].count("s/boat_ant") == 1


def test_enough_tools_that_dependencies_join_need_no_ties() -> None:
    service = group("boat_ant", "boat_bee", "boat_cat")
    topics = {t.key: {"boat": 1.0} for t in service.tools}
    edges = [Dependency(source="s/boat_ant", target=f"s/boat_{w}", parameter="p", score=0.9) for w in ("bee", "cat")]
    assert companions([service], edges, ClusterConfig(), topics) == []
    assert companions([service], edges[:1], ClusterConfig(), topics) != []
    assert companions([service], edges[:1], ClusterConfig(min_tools=1, max_tools=2), topics) == []
    (tie,) = companions([service], edges[:1], ClusterConfig(min_tools=1, max_tools=3), topics)
    assert {tie.source, tie.target} >= {"s/boat_cat"}, "a service that fits into a cluster is one group"


# --- growth


def chain(*scores_: float, service: str = "s") -> DependencyGraph:
    names = [f"{service}/{n}" for n in range(len(scores_) + 1)]
    edges = [
        Dependency(source=names[n], target=names[n + 1], parameter="p", score=score) for n, score in enumerate(scores_)
    ]
    return DependencyGraph(edges, names)


def grown(graph: DependencyGraph, **values: Any) -> set[str]:
    """The tools of the first candidate, from the first tool; all but the given settings are the defaults."""
    growth = GrowthConfig(**values.pop("growth", {}))
    config = ClusterConfig(**{"candidates_per_tool": 1, "min_tools": 2, "max_tools": 2, **values, "growth": growth})
    found = grow(graph, config, topics=TOPICS, services={})
    return {graph.tools[tool] for tool in next(c for c in found if c.order[0] == 0).tools}


TOPICS: dict[str, dict[str, float]] = {
    "s/seed": {"ship": 1.0}, "s/same": {"ship": 1.0}, "s/near": {"ship": 0.07, "tax": 0.93}, "s/far": {"tax": 1.0},
    "s/hub": {"ship": 1.0}, "s/odd": {"ship": 1.0},
}  # fmt: skip


def from_seed(**scores_: float) -> DependencyGraph:
    edges = [
        Dependency(source="s/seed", target=f"s/{name}", parameter="p", score=score) for name, score in scores_.items()
    ]
    others = [f"s/other{n}" for n in range(12)]  # a service that is larger than a cluster
    return DependencyGraph(edges, ["s/seed", *(f"s/{name}" for name in scores_), *others])


def test_growth_takes_the_best_edge_and_halves_what_speaks_of_something_else() -> None:
    assert grown(from_seed(same=0.5, far=0.9)) == {"s/seed", "s/same"}, "0.9 x 0.5 is less than 0.5"
    assert grown(from_seed(same=0.44, far=0.9)) == {"s/seed", "s/far"}
    assert grown(from_seed(same=0.5, far=0.9), growth={"unlike": 0.6}) == {"s/seed", "s/far"}


def test_a_full_candidate_takes_half_the_topic_over_strong_edges_with_another_only() -> None:
    """The similarity of near is 0.07: half of 0.13 and more, but not 0.13."""
    sizes = {"min_tools": 1, "max_tools": 3}
    names = ["s/seed", "s/same", "s/near", *(f"s/other{n}" for n in range(12))]
    for score, links, taken in ((0.7, 2, True), (0.69, 2, False), (0.7, 1, False)):
        ends = [("seed", "same", 0.9), ("seed", "near", score), ("same", "near", score)][: links + 1]
        edges = [Dependency(source=f"s/{a}", target=f"s/{b}", parameter="p", score=s) for a, b, s in ends]
        assert ("s/near" in grown(DependencyGraph(edges, names), **sizes)) == taken, (score, links)
    assert "s/near" in grown(from_seed(near=0.3, same=0.1), **sizes, growth={"about": 0.07})
    assert "s/far" not in grown(from_seed(far=0.9, same=0.1), **sizes), "another topic, however strong the edge"


def test_too_few_tools_take_another_topic_over_strong_edges_only() -> None:
    sizes = {"min_tools": 3, "max_tools": 3}
    assert "s/far" in grown(from_seed(far=0.7, same=0.1), **sizes)
    graph = from_seed(far=0.69, same=0.1)
    assert grow(graph, ClusterConfig(**sizes), topics=TOPICS) == (), "no cluster rather than one of two topics"


def test_each_further_link_adds_a_twentieth() -> None:
    """From the seed over hub: odd has two links of 0.5, same one of 0.54: 0.5 + 0.05 wins; of 0.56 it does not."""
    for rival, winner in ((0.54, "s/odd"), (0.56, "s/same")):
        pairs = [("seed", "hub", 0.9), ("seed", "odd", 0.5), ("hub", "odd", 0.5), ("seed", "same", rival)]
        edges = [Dependency(source=f"s/{a}", target=f"s/{b}", parameter="p", score=score) for a, b, score in pairs]
        graph = DependencyGraph(edges, ["s/seed", "s/hub", "s/odd", "s/same"])
        assert grown(graph, min_tools=3, max_tools=3) == {"s/seed", "s/hub", winner}, rival


def test_at_most_four_further_links_count() -> None:
    hubs = [f"s/h{n}" for n in range(5)]
    edges = [Dependency(source="s/seed", target=hub, parameter="p", score=0.95) for hub in hubs]
    edges += [Dependency(source=hub, target="s/odd", parameter="p", score=0.5) for hub in (*hubs, "s/seed")]
    for rival, winner in ((0.69, "s/odd"), (0.71, "s/same")):
        more = [*edges, Dependency(source="s/seed", target="s/same", parameter="p", score=rival)]
        graph = DependencyGraph(more, ["s/seed", *hubs, "s/odd", "s/same"])
        config = ClusterConfig(candidates_per_tool=1, min_tools=7, max_tools=7)
        found = grow(graph, config)
        tools = {graph.tools[tool] for tool in next(c for c in found if c.order[0] == 0).tools}
        assert winner in tools, rival
        assert len(tools) == 7


def spread(home: int, abroad: tuple[int, ...], score: float = 0.9) -> DependencyGraph:
    """A chain at home, and from its first tool an edge into a chain of each of the services abroad."""
    names = [f"h/{n}" for n in range(home)]
    edges = [Dependency(source=a, target=b, parameter="p", score=0.9) for a, b in pairwise(names)]
    for place, size in enumerate(abroad):
        others = [f"x{place}/{n}" for n in range(size)]
        names += others
        edges.append(Dependency(source="h/0", target=others[0], parameter="p", score=score))
        edges += [Dependency(source=a, target=b, parameter="p", score=0.9) for a, b in pairwise(others)]
    return DependencyGraph(edges, names)


def candidate(
    graph: DependencyGraph, attempt: int, least: int, most: int, *, seed: int = 0, **growth: Any
) -> list[str]:
    config = ClusterConfig(growth=GrowthConfig(**growth))
    grower = _Grower(graph, config, 0.0, None, {})
    grower.begin(0)
    return [graph.tools[tool] for tool in grower.members(0, attempt, least, most, rng_for("worked", seed))]


AROUND, BRIDGE, UPSTREAM, DOWNSTREAM = range(4)


def test_a_bridge_crosses_over_edges_of_half_or_more() -> None:
    assert any(name.startswith("x0/") for name in candidate(spread(9, (3,), 0.5), BRIDGE, 3, 6))
    assert not any(name.startswith("x0/") for name in candidate(spread(9, (3,), 0.49), BRIDGE, 3, 6))
    assert not any(name.startswith("x0/") for name in candidate(spread(9, (3,), 0.9), AROUND, 3, 6))


def test_a_bridge_leaves_two_tools_of_six_to_the_other_service() -> None:
    made = {len(tools): tools for tools in (candidate(spread(9, (5,)), BRIDGE, 3, 6, seed=n) for n in range(20))}
    assert {size: sum(name.startswith("x0/") for name in tools) for size, tools in made.items()} == {4: 1, 5: 2, 6: 2}
    assert made[6] == ["h/0", "h/1", "h/2", "h/3", "x0/0", "x0/1"], "home first"
    assert made[4] == ["h/0", "h/1", "h/2", "x0/0"]
    assert candidate(spread(9, (5,)), BRIDGE, 6, 6) == [f"h/{n}" for n in range(6)], "six at least: home alone"


def test_a_small_service_takes_three_guests_from_each_of_two_others() -> None:
    tools = candidate(spread(1, (5, 5, 5)), AROUND, 7, 12)
    homes = [name.split("/")[0] for name in tools]
    assert homes == ["h", "x0", "x0", "x0", "x1", "x1", "x1"]
    assert [n.split("/")[0] for n in candidate(spread(1, (5, 5, 5)), AROUND, 7, 12, guests=2)] == [
        "h", "x0", "x0", "x1", "x1",
    ]  # fmt: skip
    assert len({n.split("/")[0] for n in candidate(spread(1, (5, 5, 5)), AROUND, 12, 12, services=4)}) == 4
    assert candidate(spread(1, (5, 5, 5)), AROUND, 4, 12)[1:] == ["x0/0", "x0/1", "x0/2"], "enough from one"


def test_upstream_and_downstream_follow_the_arrows() -> None:
    graph = chain(0.9, 0.9, 0.9)
    grower = _Grower(graph, ClusterConfig(), 0.0, None, {})
    for start, attempt, expected in ((2, UPSTREAM, {0, 1, 2}), (1, DOWNSTREAM, {1, 2, 3}), (1, AROUND, {0, 1, 2, 3})):
        grower.begin(start)
        assert set(grower.members(start, attempt, 3, 4, rng_for("shape"))) == expected, attempt


def test_a_size_is_drawn_from_the_middle_up() -> None:
    graph = chain(*[0.9] * 20)
    assert {len(candidate(graph, AROUND, 3, 9, seed=n)) for n in range(60)} == {6, 7, 8, 9}
    assert {len(candidate(graph, AROUND, 8, 9, seed=n)) for n in range(20)} == {8, 9}


def test_later_attempts_are_looser() -> None:
    """Four attempts take the best edge, later ones a random share of it, half or more: 0.9 may lose to 0.5, not 0.4."""

    def winners(rival: float) -> set[str]:
        graph = from_seed(same=0.9, odd=rival)
        config = ClusterConfig(min_tools=2, max_tools=2, candidates_per_tool=100)
        return {"/".join(sorted(graph.tools[t] for t in c.tools)) for c in grow(graph, config) if c.order[0] == 0}

    assert len(winners(0.5)) == 2
    assert len(winners(0.4)) == 1
    first = grow(from_seed(same=0.9, odd=0.89), ClusterConfig(min_tools=2, max_tools=2, candidates_per_tool=4))
    assert len({c.tools for c in first if c.order[0] == 0}) == 1


def test_edges_below_the_threshold_are_not_grown_along() -> None:
    assert len(grow(chain(0.05), ClusterConfig(min_tools=2))) == 1
    graph = chain(0.5, 0.49)
    assert [c.tools for c in grow(graph, ClusterConfig(min_tools=2), threshold=0.5)] == [(0, 1)]


# --- selection


def test_tools_weigh_by_their_schema_and_edges_by_their_score() -> None:
    def service(quality: str, *, parameters: bool = True) -> Service:
        made = tool(quality, "get_it", **({"it_id": "string"} if parameters else {}))
        return Service(name=quality, tools=(made,), schema_quality=quality)

    for quality, expected in (("live", 1.0), ("bundled", 1.0), ("published", 1.0), ("scraped", 0.8), ("none", 0.4)):
        assert mine(pool(service(quality))).weights[0] == [expected]
        assert mine(pool(service(quality, parameters=False))).weights[0] == [0.4]
        assert mine(pool(service(quality)), ClusterConfig(tool_weight=3.0)).weights[0] == [pytest.approx(3 * expected)]
    create = returning(tool("s", "create_invoice", amount="number"), invoice_id="string")
    mined = mine(
        pool([create, tool("s", "send_invoice", invoice_id="string"), tool("s", "drop_invoice", amount="number")])
    )
    weights = dict(zip(mined.dependencies.edges, mined.weights[1], strict=True))
    for edge, found in weights.items():
        assert found == pytest.approx(0.5 * edge.score if edge.parameter else 0.0)
    assert any(weights.values())


def test_the_greedy_choice_by_hand() -> None:
    """Weights 3, 2, 2, 1 and an edge of 0.5: {0} + edge 3.5, then {1, 2} 4.0 first; {3} is not worth choosing."""
    candidates = [ClusterCandidate((0,), (0,)), ClusterCandidate((1, 2), ()), ClusterCandidate((2, 3), ())]
    chosen = select(candidates, [3.0, 2.0, 2.0, 1.0], [0.5], coverage=0.85)
    assert chosen.chosen == (1, 0)
    assert chosen.curve == pytest.approx((4 / 8.5, 7.5 / 8.5))
    assert (chosen.objective, chosen.reachable) == (7.5, 8.5)
    assert select(candidates, [3.0, 2.0, 2.0, 1.0], [0.5], coverage=7.5 / 8.5).chosen == (1, 0), "exactly reached"
    assert select(candidates, [3.0, 2.0, 2.0, 1.0], [0.5], coverage=0.89).chosen == (1, 0, 2)
    assert select(candidates, [3.0, 2.0, 2.0, 1.0], [0.5], max_clusters=1).chosen == (1,)
    assert naive_greedy(candidates, [3.0, 2.0, 2.0, 1.0], [0.5], max_clusters=2).chosen == (1, 0)
    assert random_curve(candidates, [3.0, 2.0, 2.0, 1.0], [0.5], seed=0)[-1] == 1.0
    assert len(random_curve(candidates, [3.0, 2.0, 2.0, 1.0], [0.5], seed=0, max_clusters=2)) == 2
    assert select(candidates[1:], {1: 3.0, 3: 1.0}, {}).reachable == 4.0, "what is not named weighs nothing"


def test_a_random_order_covers_what_comes_first_once() -> None:
    candidates = [ClusterCandidate((n,), ()) for n in range(6)] + [ClusterCandidate((0, 1), ())]
    weights = [float(2**n) for n in range(6)]
    order = list(range(7))
    rng_for("random coverage", 3).shuffle(order)
    covered: set[int] = set()
    expected = []
    for place in order:
        covered |= set(candidates[place].tools)
        expected.append(sum(weights[t] for t in covered) / 63)
    assert random_curve(candidates, weights, [], seed=3) == pytest.approx(tuple(expected))


def test_weights_are_whole_numbers_of_a_trillionth_or_as_many_as_fit() -> None:
    weights, scale = fixed_point([0.1, 0.25])
    assert (weights.tolist(), scale) == ([100_000_000_000, 250_000_000_000], 1e12)
    assert fixed_point([3e6])[1] == 1e11, "60 bits hold 1.15e18"
    assert fixed_point([1.2e6])[1] == 1e11
    assert fixed_point([1.1e6])[1] == 1e12
    assert fixed_point([])[1] == fixed_point([0.0])[1] == 1.0
    assert select([ClusterCandidate((0,), ())], [1e-12], [], coverage=0.4).chosen == (0,), "the least weight there is"
    packed = pack([ClusterCandidate((0, 1), (0,)), ClusterCandidate((1,), ())], [1.0, 2.0], [4.0])
    assert packed.starts.tolist() == [0, 3, 4]
    assert packed.items.tolist() == [0, 1, 2, 1]
    assert select_packed(packed).chosen == (0,)


def test_a_stricter_choice_cuts_candidates_where_no_edge_holds() -> None:
    graph = DependencyGraph(
        [
            Dependency(source="s/0", target="s/1", parameter="p", score=0.6),
            Dependency(source="s/1", target="s/2", parameter="p", score=0.5),
            Dependency(
                source="s/2",
                target="s/3",
                kind="companion",
                score=0.3,
                evidence=(Evidence(kind="companion", detail="", weight=0.3),),
            ),
        ],
        ["s/0", "s/1", "s/2", "s/3"],
    )
    whole = ClusterCandidate((0, 1, 2, 3), (0, 1, 2), (0, 1, 2, 3))
    arrays = CandidateArrays(graph, [whole], tool_weights=[1.0] * 4, edge_weights=[0.5, 0.5, 0.0])
    common = {"coverage": 1.0, "max_clusters": None}
    for threshold, least, most, tools in (
        (0.5, 3, 12, (0, 1, 2, 3)), (0.51, 2, 12, (0, 1)), (0.51, 3, 12, None), (0.61, 1, 12, (0,)),
        (0.5, 3, 3, (0, 1, 2)), (0.6, 2, 12, (0, 1)),
    ):  # fmt: skip
        found = arrays.choose(edge_threshold=threshold, min_tools=least, max_tools=most, **common)
        assert [own.tools for own in found.members] == ([] if tools is None else [tools]), threshold
