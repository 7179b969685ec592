"""Makers of what a handle names: the order of document-like services, where the caller chooses the handle."""

from __future__ import annotations

import pytest

from tdlab.clusters import DependencyGraph, mine, mine_dependencies
from tdlab.clusters._matching import ECHO_FLOW
from tdlab.config import ClusterConfig
from tdlab.records import Tool
from tests.clusters.pools import pool, tool

ANY = ClusterConfig(edge_threshold=0.01)
Edges = dict[tuple[str, str, str], tuple[str, float]]


def found(graph: DependencyGraph) -> Edges:
    """Return the kind and score of each edge, by names of source and target and by parameter."""
    return {(e.source.split("/")[1], e.target.split("/")[1], e.parameter): (e.kind, e.score) for e in graph.edges}


def documents(handle: str = "filename", thing: str = "document", verb: str = "create") -> list[Tool]:
    """Return a service whose tools all ask for the handle of one thing."""
    where = {handle: "string"}
    return [
        tool("office", f"{verb}_{thing}", f"{verb.capitalize()} a {thing}.", ("title",), **where, title="string"),
        tool("office", f"list_available_{thing}s", f"List the {thing}s of a folder.", ("folder",), folder="string"),
        tool("office", "add_heading", f"Add a heading to the {thing}.", **where, text="string"),
        tool("office", "add_paragraph", f"Add a paragraph to the {thing}.", **where, text="string"),
        tool("office", "add_table", f"Add a table to the {thing}.", **where, rows="integer"),
        tool("office", "get_text", f"Read the text of the {thing}.", **where),
        tool("office", "format_text", f"Format a part of the {thing}.", **where, bold="boolean"),
        tool("office", "delete_paragraph", f"Delete a paragraph of the {thing}.", **where, index="integer"),
    ]


_PARTS = ("add_heading", "add_paragraph", "add_table", "get_text", "format_text", "delete_paragraph")


@pytest.mark.parametrize("verb", ["create", "new", "open", "init"])
@pytest.mark.parametrize(
    ("handle", "thing"),
    [("filename", "document"), ("file_path", "presentation"), ("path", "notebook"), ("canvas_name", "canvas")],
)
def test_the_thing_is_made_before_its_parts(handle: str, thing: str, verb: str) -> None:
    edges = found(mine_dependencies(pool(documents(handle, thing, verb))))
    maker = f"{verb}_{thing}"
    for part in _PARTS:
        assert edges.get((maker, part, handle), ("", 0))[0] == "echo", f"{part} needs the {thing} of {maker}"
    before = {pair[0] for pair in edges if pair[1] == maker}
    expected = {f"list_available_{thing}s"} if verb == "open" else set()
    assert before <= expected, "nothing comes before the first call, unless what is opened is looked up"
    siblings = [pair for pair, (kind, _) in edges.items() if kind == "echo" and pair[0] != maker]
    assert not siblings, "a part is no source of the handle of the whole"


def test_makers_rank_above_guesses_and_parts_below_makers() -> None:
    edges = found(mine_dependencies(pool(documents()), ANY, all_flows=True))
    made = edges["create_document", "add_table", "filename"][1]
    part = edges["add_heading", "add_table", "filename"][1]
    read = edges["get_text", "add_table", "filename"][1]
    assert made > part > read > 0, "all pairs are ranked, and in this order"
    assert made > edges["list_available_documents", "add_table", "filename"][1]


def test_a_sheet_is_made_in_a_workbook() -> None:
    where = {"filepath": "string", "sheet_name": "string"}
    tools = [
        tool("excel", "create_workbook", "Create a workbook.", filepath="string"),
        tool("excel", "create_worksheet", "Create a worksheet in a workbook.", **where),
        tool("excel", "write_data", "Write rows to a worksheet.", **where, rows="array"),
        tool("excel", "read_data", "Read the rows of a worksheet.", **where),
        tool("excel", "create_chart", "Create a chart in a worksheet.", **where, data_range="string"),
    ]
    edges = found(mine_dependencies(pool(tools)))
    for later in ("create_worksheet", "write_data", "read_data", "create_chart"):
        assert edges["create_workbook", later, "filepath"][0] == "echo"
    for later in ("write_data", "read_data", "create_chart"):
        assert edges["create_worksheet", later, "sheet_name"][0] == "echo"
        assert ("create_worksheet", later, "filepath") not in edges, "a worksheet is no workbook"
        assert ("create_chart", later, "filepath") not in edges, "a chart is no workbook"


def test_files_are_written_and_directories_are_made() -> None:
    tools = [
        tool("files", "write_file", "Write a file.", path="string", content="string"),
        tool("files", "create_directory", "Create a directory.", path="string"),
        tool("files", "read_file", "Read a file.", path="string"),
        tool("files", "edit_file", "Edit a file.", path="string", edits="array"),
        tool("files", "list_directory", "List all files in a directory.", path="string"),
        tool("files", "directory_tree", "Get a tree of files and directories.", path="string"),
        tool("files", "get_file_info", "Get the size of a file.", path="string"),
    ]
    edges = found(mine_dependencies(pool(tools), ANY))
    assert edges["write_file", "read_file", "path"][0] == "echo"
    assert edges["create_directory", "list_directory", "path"][0] == "echo"
    assert ("create_directory", "read_file", "path") not in edges, "a directory is not read as a file"
    assert ("write_file", "list_directory", "path") not in edges
    for lister in ("list_directory", "directory_tree"):
        assert edges[lister, "edit_file", "path"][0] in ("new", "context"), "the paths below are other paths"
    assert ("get_file_info", "read_file", "path") not in edges


@pytest.mark.parametrize("optional", [(), ("session_id",)])
def test_a_session_is_started_before_it_is_used(optional: tuple[str, ...]) -> None:
    where = {"session_id": "string"}
    tools = [
        tool("browser", "create_session", "Create a browser session.", optional, **where),
        tool("browser", "navigate", "Go to a page.", **where, url="string"),
        tool("browser", "click", "Click an element.", **where, selector="string"),
        tool("browser", "take_screenshot", "Take a screenshot.", **where),
        tool("browser", "close_session", "Close the session.", **where),
    ]
    edges = found(mine_dependencies(pool(tools)))
    for later in ("navigate", "click", "take_screenshot", "close_session"):
        kind = edges["create_session", later, "session_id"][0]
        assert kind == ("new" if optional else "echo"), "the tool gives an identifier that its caller need not choose"
    assert ("click", "navigate", "session_id") not in edges


@pytest.mark.parametrize("name", ["crawl", "map_site", "list_links"])
def test_a_listing_of_a_site_shows_other_links(name: str) -> None:
    tools = [
        tool("web", "search", "Search the web.", query="string"),
        tool("web", name, "Find all pages of a site.", url="string"),
        tool("web", "fetch", "Fetch a page.", url="string"),
        tool("web", "extract", "Extract the data of a page.", url="string"),
    ]
    edges = found(mine_dependencies(pool(tools), ANY, all_flows=True))
    assert edges["search", "fetch", "url"][0] == edges[name, "fetch", "url"][0] == "new"
    assert edges["extract", "fetch", "url"][0] == "echo"


def test_what_acts_on_a_thing_does_not_make_it() -> None:
    tools = [
        tool("data", "export_table", "Export a table.", table_id="string"),
        tool("data", "enroll_user", "Enroll a user in a course.", user_id="string", course_id="string"),
        tool("data", "load_rows", "Load rows into a table.", table_id="string"),
        tool("data", "get_grades", "Get the grades of a user.", user_id="string"),
        tool("data", "list_sprints", "List the sprints.", limit="integer"),
        tool("data", "start_sprint", "Start a sprint.", sprint_id="string"),
        tool("data", "close_sprint", "Close a sprint.", sprint_id="string"),
        tool("data", "get_record", "Get a record.", record_id="string"),
        tool("data", "update_record", "Update a record.", record_id="string"),
    ]
    edges = mine_dependencies(pool(tools), ANY, all_flows=True).edges
    assert not [e for e in edges if any("same thing" in x.detail for x in e.evidence)]


def test_a_dozen_tools_that_write_to_a_path_make_no_main_thing() -> None:
    charts = [tool("plot", f"generate_{c}_chart", f"Draw a {c} chart.", path="string") for c in "abcdef"]
    readers = [tool("plot", f"show_{c}", f"Show {c}.", path="string") for c in ("size", "colors", "layers")]
    edges = mine_dependencies(pool([*charts, *readers]), ANY, all_flows=True).edges
    assert not [e for e in edges if any("same thing" in x.detail for x in e.evidence)]


def test_a_name_is_the_handle_of_its_own_thing_only() -> None:
    tools = [
        tool("crm", "create_campaign", "Create a campaign.", name="string"),
        tool("crm", "delete_contact", "Delete a contact.", name="string"),
        tool("crm", "delete_campaign", "Delete a campaign.", name="string"),
    ]
    edges = found(mine_dependencies(pool(tools), ANY, all_flows=True))
    made = ANY.matching.made * ECHO_FLOW["create"]["delete"]
    assert edges["create_campaign", "delete_campaign", "name"][1] >= made
    assert edges.get(("create_campaign", "delete_contact", "name"), ("", 0.0))[1] < made


@pytest.mark.parametrize("size", [30, 300])
def test_a_maker_has_one_edge_for_each_that_needs_its_thing(size: int) -> None:
    tools = [tool("office", "create_document", "Create a document.", filename="string")]
    tools += [tool("office", f"add_part{i}", "Add a part.", filename="string", text="string") for i in range(size)]
    graph = mine_dependencies(pool(tools))
    assert len(graph.out_of("office/create_document")) == size
    assert len(graph) == size


def test_a_maker_orders_a_cluster_and_does_not_grow_it() -> None:
    mined = mine(pool(documents()))
    weights = mined.weights[1]
    edges = mined.dependencies.edges
    made = [i for i, e in enumerate(edges) if e.source == "office/create_document" and e.parameter]
    assert {edges[i].target.split("/")[1] for i in made} == set(_PARTS)
    assert all(edges[i].kind == "echo" and weights[i] == 0.0 for i in made)


def test_an_echo_leads_to_a_change_rather_than_to_a_reading() -> None:
    """Who wrote a document knows what it holds, and goes on with it; who reads it goes on to change it."""
    tools = [
        tool("docs", "create_document", "Create a document.", file_path="string"),
        tool("docs", "add_heading", "Add a heading to a document.", file_path="string", heading="string"),
        tool("docs", "get_document_info", "Get information about a document.", file_path="string"),
        tool("docs", "search_documents", "Search a document for a text.", file_path="string", needle="string"),
    ]
    edges = found(mine_dependencies(pool(tools), ANY, all_flows=True))

    def score(source: str, target: str) -> float:
        return edges.get((source, target, "file_path"), ("", 0.0))[1]

    assert score("create_document", "add_heading") > score("create_document", "get_document_info")
    assert score("create_document", "get_document_info") > score("create_document", "search_documents")


def test_saving_a_thing_makes_no_thing_of_its_kind() -> None:
    tools = [
        tool("slides", "create_presentation", "Create a presentation.", presentation_id="string"),
        tool("slides", "save_presentation", "Save a presentation.", file_path="string", presentation_id="string"),
        tool("slides", "add_slide", "Add a slide.", presentation_id="string", title="string"),
    ]
    edges = found(mine_dependencies(pool(tools), ANY, all_flows=True))
    after_creating = edges["create_presentation", "add_slide", "presentation_id"][1]
    assert edges.get(("save_presentation", "add_slide", "presentation_id"), ("", 0.0))[1] < after_creating / 2
