"""What an edge carries: new values, echoes and context parameters; where they lead growth, and where they do not."""

from __future__ import annotations

import pytest

from tdlab.clusters import DependencyGraph, grow, mine, mine_dependencies
from tdlab.config import ClusterConfig
from tdlab.records import Dependency, Service, Tool
from tdlab.tools import Returns, brand_words
from tests.clusters.pools import pool, rich_services, tool

ANY = ClusterConfig(edge_threshold=0.01)
_THINGS = ("task", "sprint", "label", "comment", "webhook")


def kinds(graph: DependencyGraph) -> dict[tuple[str, str, str], str]:
    """Return the kind of each edge, by names of source and target and by parameter."""
    return {(e.source.split("/")[1], e.target.split("/")[1], e.parameter): e.kind for e in graph.edges}


def tracker(*extra: Tool, context: str = "project") -> list[Tool]:
    """Return a service in which every tool asks for a project, and things in it."""
    where = {f"{context}_id": "string"}
    tools = [tool("tracker", f"list_{context}s", f"List {context}s.")]
    for thing in _THINGS:
        tools += [
            tool("tracker", f"list_{thing}s", f"List the {thing}s.", **where),
            tool("tracker", f"create_{thing}", f"Create a {thing}.", **where, title="string"),
            tool("tracker", f"delete_{thing}", f"Delete a {thing}.", **where, **{f"{thing}_id": "string"}),
        ]
    return [*tools, *extra]


@pytest.mark.parametrize("context", ["project", "organization", "workspace", "account", "vault"])
def test_a_context_parameter_comes_from_its_own_tools_only(context: str) -> None:
    graph = mine_dependencies(pool(tracker(context=context)))
    into_context = [e for e in graph.edges if e.parameter == f"{context}_id"]
    assert {e.source for e in into_context} == {f"tracker/list_{context}s"}, "no sibling tells it"
    assert {e.kind for e in into_context} == {"context"}
    assert graph.report.context_parameters == 1
    assert graph.report.in_context + graph.report.echoes_left_out > 0, "what is left out is counted"
    assert kinds(graph)["create_sprint", "delete_sprint", "sprint_id"] == "new"


def test_what_a_service_is_about_is_no_context() -> None:
    notes = [
        tool("notes", "list_notes", "List notes."),
        *(tool("notes", f"{verb}_note", f"{verb} a note.", note_id="string") for verb in ("get", "update", "delete")),
        tool("notes", "share_note", "Share a note.", note_id="string", email="string"),
    ]
    found = kinds(mine_dependencies(pool(notes)))
    assert {found["list_notes", f"{verb}_note", "note_id"] for verb in ("get", "update", "delete", "share")} == {"new"}


def test_a_value_that_the_source_requires_is_an_echo() -> None:
    weather = [
        tool("weather", "get_forecast", "Forecast of a station.", station_code="string"),
        tool("weather", "get_alerts", "Alerts of a station.", station_code="string"),
    ]
    graph = mine_dependencies(pool(weather), ANY)
    assert {e.kind for e in graph.edges} == {"echo"}
    assert len(graph.into("weather/get_alerts")) == 1
    finder = tool("weather", "search_stations", "Search stations by city.", city="string")
    graph = mine_dependencies(pool([*weather, finder]), ANY)
    assert [(e.source, e.kind) for e in graph.into("weather/get_alerts")] == [("weather/search_stations", "new")]
    assert graph.report.echoes_left_out == 2


def test_the_members_of_a_container_are_new_values() -> None:
    """``list_directory(path)`` shows other paths than its own, ``create_directory(path)`` does not."""
    files = [tool("files", f"{name}_directory", path="string") for name in ("list", "create")]
    found = kinds(mine_dependencies(pool([*files, tool("files", "read_file", path="string")]), ANY, all_flows=True))
    assert found["list_directory", "read_file", "path"] == "new"
    assert found["create_directory", "read_file", "path"] == "echo"


def test_all_flows_keep_what_the_limits_leave_out() -> None:
    few, every = (mine_dependencies(pool(tracker()), ANY, all_flows=flows) for flows in (False, True))
    assert few.pair_scores().keys() < every.pair_scores().keys()
    assert kinds(every)["list_tasks", "create_task", "project_id"] == "echo"


@pytest.mark.parametrize(
    ("finder", "user", "parameter"),
    [
        (("search", "Search the web.", {"query": "string"}), ("fetch_content", {"url": "string"}), "url"),
        (
            ("get_coordinates", "Coordinates of a city.", {"city": "string"}),
            ("get_forecast", {"latitude": "number", "longitude": "number"}),
            "latitude",
        ),
        (("search_companies", "Find companies.", {"name": "string"}), ("get_quote", {"symbol": "string"}), "symbol"),
        (("geocode", "Look up.", {"address": "string"}), ("directions", {"destination": "string"}), "destination"),
        (("get_latest_news", "The news.", {}), ("get_article", {"article_url": "string"}), "article_url"),
        (("stay_search", "Search listings.", {"where": "string"}), ("stay_listing_details", {"id": "string"}), "id"),
        (
            ("page_snapshot", "Capture the page.", {}),
            ("click", {"ref": {"type": "string", "description": "Exact reference from the page snapshot"}}),
            "ref",
        ),
        (
            ("resolve-package-id", "Resolve a name.", {"packageName": "string"}),
            ("get-docs", {"registryPackageID": "string"}),
            "registryPackageID",
        ),
    ],
)  # fmt: skip
def test_what_nothing_else_finds_out_comes_from_those_that_search(
    finder: tuple[str, str, dict[str, str]], user: tuple[str, dict], parameter: str
) -> None:
    tools = [tool("s", finder[0], finder[1], **finder[2]), tool("s", user[0], **user[1])]
    found = kinds(mine_dependencies(pool(tools), ANY))
    assert found.get((finder[0], user[0], parameter)) == "new"


def test_a_search_for_one_thing_does_not_find_another() -> None:
    tools = [
        tool("shop", "search_customers", "Search customers.", query="string"),
        tool("shop", "search_invoices", "Search invoices.", query="string"),
        tool("shop", "get_design", "Get a design.", design_id="string"),
        *(tool("shop", f"list_{word}s", f"List {word}s.") for word in ("tax", "fee", "plan", "coupon")),
    ]
    assert not mine_dependencies(pool(tools)).into("shop/get_design")


def test_sorts_of_one_noun_are_not_one_entity() -> None:
    tools = [
        tool("bills", f"{verb}_{sort}_item{'s' if verb == 'list' else ''}", **need)
        for sort in ("invoice", "subscription")
        for verb, need in (
            ("list", {}),
            ("get", {f"{sort}_item_id": "string"}),
            ("delete", {f"{sort}_item_id": "string"}),
        )
    ]
    found = kinds(mine_dependencies(pool(tools)))
    assert ("list_invoice_items", "get_invoice_item", "invoice_item_id") in found
    crossed = [pair for pair in found if ("invoice" in pair[0]) != ("invoice" in pair[1])]
    assert not crossed, "an invoice item is no subscription item"


def test_the_name_of_a_product_is_no_thing() -> None:
    tools = [
        tool("Mailbird API", "create_mailbird_list", title="string"),
        tool("Mailbird API", "add_product_mailbird", list_id="string"),
        tool("Mailbird API", "get_list", list_id="string"),
    ]
    assert brand_words(tools) == {"mailbird", "api"}
    assert Returns(tools).focus(tools[1]) == "product"


def test_neither_echoes_nor_a_shared_context_grow_a_cluster() -> None:
    names = ["s/seed", "s/like", "s/near", "s/binder", "s/single", "s/other", "s/echo"]
    graph = DependencyGraph(
        [
            Dependency(source="s/seed", target="s/like", parameter="a", score=0.8),
            Dependency(source="s/like", target="s/near", parameter="b", score=0.8),
            Dependency(source="s/binder", target="s/seed", kind="context", parameter="p", score=0.9),
            Dependency(source="s/binder", target="s/near", kind="context", parameter="p", score=0.9),
            Dependency(source="s/single", target="s/seed", kind="context", parameter="q", score=0.9),
            Dependency(source="s/binder", target="s/other", kind="context", parameter="p", score=0.9),
            Dependency(source="s/seed", target="s/echo", kind="echo", parameter="c", score=0.9),
        ],
        names,
    )
    config = ClusterConfig(min_tools=3, max_tools=5, candidates_per_tool=4)
    grown = [{graph.tools[t] for t in c.tools} for c in grow(graph, config) if 0 in c.order[:1]]
    assert {"s/seed", "s/like", "s/near", "s/binder"} in grown, "its context is bound once"
    assert not any({"s/other", "s/echo"} & tools for tools in grown)
    assert not any("s/single" in tools for tools in grown), "it is the context of one tool only"


def test_an_echo_inside_a_cluster_stays_and_counts_nothing() -> None:
    mined = mine(pool(tracker()))
    graph = mined.dependencies
    weights = mined.weights[1]
    assert all(weights[i] == 0.0 for i, e in enumerate(graph.edges) if e.kind in ("echo", "order", "companion"))
    assert all(weights[i] > 0.0 for i, e in enumerate(graph.edges) if e.kind in ("new", "context"))


def test_clusters_of_a_large_service_keep_to_one_thing() -> None:
    """Every creation shows its project, and once all of them were one cluster."""
    things = ("invoice", "shipment", "webhook", "survey", "campaign", "coupon", "ticket", "sensor")
    where = {"organization_id": "string"}
    tools = [tool("suite", "list_organizations", "List organizations.")]
    for thing in things:
        tools += [
            tool("suite", f"list_{thing}s", f"List {thing}s.", **where),
            tool("suite", f"create_{thing}", f"Create a {thing}.", **where, title="string"),
            tool("suite", f"get_{thing}", f"Get a {thing}.", **where, **{f"{thing}_id": "string"}),
            tool("suite", f"archive_{thing}", f"Archive a {thing}.", **where, **{f"{thing}_id": "string"}),
        ]
    mined = mine(pool(tools), ClusterConfig(few_services=0))
    assert mined.report.tool_coverage == 1.0
    for cluster in mined.clusters:
        own = {thing for thing in things for key in cluster.tools if thing in key}
        assert len(own) == 1, cluster.tools


def test_a_service_that_fits_into_a_cluster_is_one_affair() -> None:
    tools = [
        tool("gym", "get_class", "Get a gym class.", class_code="string"),
        tool("gym", "get_class_times", "Times of a gym class.", class_code="string"),
        tool("gym", "list_trainers", "List gym trainers."),
        tool("gym", "get_trainer", "Get a gym trainer.", trainer_id="string"),
        tool("gym", "rate_trainer", "Rate the trainer of a gym class.", trainer_id="string", class_code="string"),
    ]
    mined = mine(pool(tools))
    assert [set(c.tools) for c in mined.clusters] == [{t.key for t in tools}]


@pytest.mark.parametrize("size", [40, 400])
def test_edges_grow_with_the_tools_and_not_with_their_pairs(size: int) -> None:
    things = [f"thing{chr(97 + i % 26)}{chr(97 + i // 26)}" for i in range(size // 4)]
    where = {"workspace_id": "string"}
    tools = [tool("big", "list_workspaces")]
    for thing in things:
        tools += [
            tool("big", f"list_{thing}s", **where),
            tool("big", f"get_{thing}", **where, **{f"{thing}_id": "string"}),
            tool("big", f"update_{thing}", **where, **{f"{thing}_id": "string"}),
            tool("big", f"delete_{thing}", **where, **{f"{thing}_id": "string"}),
        ]
    assert len(mine_dependencies(pool(tools))) < 6 * len(tools)


def test_a_rich_pool_is_the_same_each_time_and_keeps_its_sizes() -> None:
    one, two = rich_services(700, seed=2), rich_services(700, seed=2)
    assert [s.model_dump() for s in one] == [s.model_dump() for s in two]
    assert sum(len(s.tools) for s in one) == 700
    assert all(isinstance(s, Service) for s in one)
    assert len({s.name for s in one}) == len(one)
    declared = [t for s in one for t in s.tools if t.output_schema]
    assert 0.3 < len(declared) / 700 < 0.7


def flows(*tools: Tool) -> dict[tuple[str, str, str], str]:
    """Return the kinds of a service's edges."""
    return kinds(mine_dependencies(pool(list(tools))))


def test_a_value_that_the_caller_chooses_comes_from_no_tool() -> None:
    """Whoever closes an alert says so; that the alert had a state before is no source of the new one."""
    found = flows(
        *[
            tool("scanner", "list_alerts", "List alerts."),
            tool("scanner", "get_alert", "Get an alert.", alert_id="string"),
            tool("scanner", "update_alert", "Change an alert.", alert_id="string", alert_state="string"),
            tool("scanner", "create_alert", "Create an alert.", alert_state="string"),
        ]
    )
    assert found["list_alerts", "update_alert", "alert_id"] == "new"
    assert "new" not in {kind for (_, _, parameter), kind in found.items() if parameter == "alert_state"}


def test_an_attribute_of_the_same_thing_is_not_carried_from_reading_to_changing() -> None:
    tools = [
        tool("desk", "list_members", "List members."),
        tool("desk", "get_ticket", "Get a ticket.", ticket_id="string"),
        tool("desk", "update_ticket", "Change a ticket.", ("member_id",), ticket_id="string", member_id="string"),
        tool("desk", "create_ticket", "Create a ticket.", ("member_id",), member_id="string"),
    ]
    found = flows(*tools)
    assert ("get_ticket", "update_ticket", "member_id") not in found
    assert found["list_members", "update_ticket", "member_id"] == "new"


def test_an_aspect_of_things_does_not_say_which_there_are() -> None:
    tools = [
        tool("crm", "list_releases", "List releases."),
        tool("crm", "get_release_form_settings", "Get the settings of the form for releases."),
        tool("crm", "get_release", "Get a release.", release_id="string"),
        tool("crm", "delete_release", "Delete a release.", release_id="string"),
    ]
    found = flows(*tools)
    assert found["list_releases", "get_release", "release_id"] == "new"
    assert ("get_release_form_settings", "get_release", "release_id") not in found


def test_a_thing_of_another_sort_gives_no_identifier() -> None:
    """Webhooks of a repository and of an organization; and a short form of a word is the same word."""
    tools = [
        tool("forge", "create_org_webhook", "Create a webhook of an organization.", url="string"),
        tool("forge", "create_repository_webhook", "Create a webhook of a repository.", url="string"),
        tool("forge", "list_repository_webhooks", "List webhooks of a repository."),
        tool("forge", "get_organization_webhook", "Get a webhook.", webhook_id="string"),
        tool("forge", "delete_repository_webhook", "Delete a webhook.", webhook_id="string"),
    ]
    found = flows(*tools)
    assert ("create_org_webhook", "get_organization_webhook", "webhook_id") in found
    assert ("create_repository_webhook", "delete_repository_webhook", "webhook_id") in found
    assert ("create_org_webhook", "delete_repository_webhook", "webhook_id") not in found
    assert ("list_repository_webhooks", "get_organization_webhook", "webhook_id") not in found


def test_a_part_or_a_place_is_no_sort() -> None:
    """Rules of policies and members of groups: the policy and the user stay what they are."""
    tools = [
        tool("idp", "create_policy", "Create a policy.", title="string"),
        tool("idp", "create_device_policy", "Create a policy for devices.", title="string"),
        tool("idp", "list_policy_rules", "List the rules of a policy.", policy_id="string"),
        tool("idp", "create_policy_rule", "Create a rule.", policy_id="string", condition="string"),
        tool("idp", "create_user", "Create a user.", title="string"),
        tool("idp", "list_group_users", "List the users of a group.", group_id="string"),
        tool("idp", "add_user_to_group", "Add a user to a group.", user_id="string", group_id="string"),
        tool("idp", "delete_user", "Delete a user.", user_id="string"),
    ]
    found = flows(*tools)
    assert ("create_policy", "create_policy_rule", "policy_id") in found
    assert ("create_device_policy", "create_policy_rule", "policy_id") not in found
    assert ("create_user", "add_user_to_group", "user_id") in found
    assert ("list_group_users", "delete_user", "user_id") in found


def test_a_list_of_parts_asks_for_the_whole() -> None:
    tools = [
        tool("forum", "list_categories", "List categories."),
        tool("forum", "list_category_topics", "List the topics of a category.", id="string"),
        tool("forum", "list_latest_topics", "List the latest topics."),
        tool("forum", "get_topic", "Get a topic.", topic_id="string"),
        tool("forum", "get_category", "Get a category.", category_id="string"),
    ]
    found = flows(*tools)
    assert ("list_categories", "list_category_topics", "id") in found
    assert ("list_latest_topics", "list_category_topics", "id") not in found


def test_texts_found_in_a_file_do_not_name_it() -> None:
    tools = [
        tool("office", "find_texts", "Find texts in a document.", filename="string", needle="string"),
        tool("office", "list_documents", "List documents.", folder="string"),
        tool("office", "convert_document", "Convert a document.", filename="string"),
        tool("office", "get_document_text", "Get the text of a document.", filename="string"),
    ]
    assert flows(*tools).get(("find_texts", "convert_document", "filename")) in (None, "echo")


def test_tools_of_two_products_are_no_companions() -> None:
    names = ("tft-meta-items", "tft-meta-decks", "valorant-meta-maps", "valorant-meta-agents")
    mined = mine(pool([tool("games", name, f"Read {name}.") for name in names]))
    ties = [e for e in mined.dependencies.edges if e.kind == "companion"]
    families = {frozenset(key.split("/")[1].split("-")[0] for key in (e.source, e.target)) for e in ties}
    assert families == {frozenset({"tft"}), frozenset({"valorant"})}


def test_an_identifier_of_a_place_or_a_member_that_was_given_is_an_echo() -> None:
    """Adding a user to a team makes no user, and a list of what belongs to one page asks for that page."""
    tools = [
        tool("desk", "list_users", "List users."),
        tool(
            "desk",
            "add_user_to_team",
            "Add a user to a team.",
            ("user_id", "team_id"),
            user_id="string",
            team_id="string",
        ),
        tool("desk", "get_user", "Get a user.", user_id="string"),
        tool("desk", "list_shared_pages", "Share pages.", page_id="string"),
        tool("desk", "list_child_pages", "List the pages below a page.", page_id="string"),
        tool("desk", "get_page", "Get a page.", page_id="string"),
    ]
    found = flows(*tools)
    assert found["list_users", "get_user", "user_id"] == "new"
    assert found.get(("add_user_to_team", "get_user", "user_id")) in (None, "echo")
    assert found.get(("list_shared_pages", "get_page", "page_id")) in (None, "echo")
    assert found["list_child_pages", "get_page", "page_id"] == "new"


def test_what_is_created_below_another_thing_is_new() -> None:
    tools = [
        tool("todo", "create_task", "Create a task.", ("parent_task_id",), title="string", parent_task_id="string"),
        tool("todo", "get_task", "Get a task.", task_id="string"),
        tool("todo", "update_task", "Change a task.", ("parent_task_id",), task_id="string", parent_task_id="string"),
    ]
    assert flows(*tools)["create_task", "get_task", "task_id"] == "new"


def test_a_short_form_is_the_same_sort() -> None:
    tools = [
        tool("cloud", "list_org_configs", "List the configurations of an organization."),
        tool("cloud", "list_account_configs", "List the configurations of accounts."),
        tool("cloud", "delete_account_config", "Delete one.", account_configuration_id="string"),
    ]
    found = flows(*tools)
    assert ("list_account_configs", "delete_account_config", "account_configuration_id") in found
    assert ("list_org_configs", "delete_account_config", "account_configuration_id") not in found
