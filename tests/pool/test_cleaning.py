"""Cleaning: certain defects are fixed and reported, doubtful ones are only reported, everything else is left alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tdlab.pool import PoolIssue, ToolPool
from tdlab.pool.files.bundled import data_file
from tdlab.pool.repair.descriptions import clean_prose, page_header
from tdlab.pool.repair.language import LANGUAGES, language
from tdlab.pool.repair.scraped import described_parameters, page_parameters
from tdlab.pool.repair.services import clean_service
from tdlab.records import Service, Tool

HEAD = "Deploy Server Tasks MCP Server Claim Server @acme/tasks-mcp Try in Playground"


def page(*names: str, required: tuple[str, ...] = ()) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "object", "properties": {name: {"type": "string"} for name in names}}
    return {**schema, "required": list(required)} if required else schema


def scraped(*tools: tuple[str, str, dict[str, Any]], quality: str = "scraped", **facts: Any) -> Service:
    name = facts.pop("name", "@acme/tasks-mcp")
    made = tuple(Tool(service=name, name=n, description=d, input_schema=s) for n, d, s in tools)
    return Service(name=name, schema_quality=quality, tools=made, **facts)


def codes(issues: list[PoolIssue], severity: str = "fixed") -> set[str]:
    return {issue.code for issue in issues if issue.severity == severity}


# ---------------------------------------------------------------------------------------------------------------- pages


@pytest.mark.parametrize("tail", ["", " list_tasks"])
def test_the_head_of_a_page_is_no_description(tail: str) -> None:
    service = scraped(("list_tasks", HEAD + tail, page()), ("add_task", "Add a task", page("title")))
    fixed, issues = clean_service(service)
    assert [tool.description for tool in fixed.tools] == ["", "Add a task"]
    assert fixed.title == "Tasks MCP Server"
    assert {"page_header", "page_title"} <= codes(issues)


@pytest.mark.parametrize(
    "words",
    [
        "Deploy Server to production and wait until it answers.",
        "Deploy Server NAME to a region, Try in Playground first when unsure",
        HEAD + " and then something that the page did not say",
        "",
    ],
)
def test_a_description_that_says_more_is_left(words: str) -> None:
    fixed, issues = clean_service(scraped(("deploy", words, page())))
    assert fixed.tools[0].description == words
    assert "page_header" not in codes(issues)


def test_page_words_in_a_real_description_are_noted() -> None:
    _, issues = clean_service(scraped(("x", "Lists tasks. Claim Server", page())))
    assert "page_boilerplate" in codes(issues, "note")


def test_a_title_that_is_there_stays() -> None:
    fixed, _ = clean_service(scraped(("t", HEAD, page()), title="Mine"))
    assert fixed.title == "Mine"


def test_the_head_names_another_tool() -> None:
    assert page_header(f"{HEAD} b", service="@acme/tasks-mcp", tools=frozenset("ab")) == (True, "Tasks MCP Server")
    assert page_header(f"{HEAD} c", service="@acme/tasks-mcp", tools=frozenset("ab"))[0] is False


# ----------------------------------------------------------------------------------------------------------- parameters


@pytest.mark.parametrize(
    ("tool", "description", "names", "required", "kept"),
    [
        ("create_customer", "Create a new customer", "Create a new customer id", "id", "id"),
        ("create_customer", "", "Create a new customer id", "id", "id"),
        ("get_all", "Get all SDK connections, which is how it works", "Get all SDK limit", "", "limit"),
        ("search", "Search jobs by keyword", "Search jobs by keyword days", "", "keyword days"),
        ("issue", "Get an issue. Args: ctx: The FastMCP context.", "The FastMCP issue_key", "", "issue_key"),
        ("price", "Oil prices. Keyword Arguments: interval", "Keyword interval", "", "interval"),
        ("order", "Place an order. Args: side: BUY or SELL", "BUY or SELL qty", "qty", "qty"),
        ("run", "批量启动", "RegionId InstanceIds", "InstanceIds", "RegionId InstanceIds"),
        ("mail", "Send mail", "to from body", "", "to from body"),
        ("add", "Adds two numbers", "a b", "a b", "a b"),
        ("city", "Get the weather. City names work", "City Country", "City Country", "City Country"),
    ],
)
def test_words_of_a_sentence_are_no_parameters(
    tool: str, description: str, names: str, required: str, kept: str
) -> None:
    schema = page(*names.split(), required=tuple(required.split()))
    read = page_parameters(schema, tool=tool, description=description, tools=frozenset(), headed=False)
    assert list(read.schema["properties"]) == kept.split()
    assert sorted([*read.schema["properties"], *(w for gone in read.dropped.values() for w in gone)]) == sorted(
        names.split()
    )


def test_buttons_of_a_form_tell_types() -> None:
    schema = page("tags", "Add", "Item", "dry_run", "True", "False", "name", required=("name",))
    fixed, issues = clean_service(scraped(("tag", "Tag it", schema)))
    assert fixed.tools[0].input_schema["properties"] == {
        "tags": {"type": "array"},
        "dry_run": {"type": "boolean"},
        "name": {"type": "string"},
    }
    assert fixed.tools[0].parameters.keys() == {"tags", "dry_run", "name"}
    assert {"form_words", "typed_by_form"} <= codes(issues)


@pytest.mark.parametrize("names", ["True x False", "Add x Item", "Item Add", "False True"])
def test_buttons_that_are_not_side_by_side_stay_and_are_doubtful(names: str) -> None:
    fixed, issues = clean_service(scraped(("t", "Does something", page(*names.split()))))
    assert list(fixed.tools[0].parameters) == names.split()
    assert "doubtful_parameter" in codes(issues, "note")


def test_names_of_other_tools_go_only_below_a_pages_head() -> None:
    def tools(words: str) -> Service:
        return scraped(("get_tasks", "List them", page()), ("get_task", words, page("get_tasks", "id")))

    assert list(clean_service(tools(f"{HEAD} get_tasks"))[0].tools[1].parameters) == ["id"]
    assert list(clean_service(tools("Get one"))[0].tools[1].parameters) == ["get_tasks", "id"]


def test_only_pages_are_read_as_pages() -> None:
    service = scraped(("t", "Create a thing", page("Create", "a", "True", "False")), quality="published")
    fixed, _ = clean_service(service)
    assert fixed == service


@given(
    st.lists(st.sampled_from("Create a new the id query True False Add Item limit userId The x".split()), unique=True),
    st.sets(st.sampled_from(["id", "query", "x", "a"])),
    st.text("Create a new the id query. ", max_size=40),
)
def test_reading_a_page_invents_nothing_and_keeps_what_is_needed(
    names: list[str], needed: set[str], words: str
) -> None:
    schema = page(*names, required=tuple(sorted(needed & set(names))))
    fixed, _ = clean_service(scraped(("t", words, schema)))
    after = fixed.tools[0].input_schema
    assert set(after["properties"]) <= set(names)
    assert needed & set(names) <= set(after["properties"])
    assert set(clean_service(fixed)[0].tools[0].input_schema["properties"]) <= set(after["properties"])


# ----------------------------------------------------------------------------------------------------------- docstrings


def test_a_docstring_declares_parameters_where_there_is_no_schema() -> None:
    words = (
        "Fetch posts.\n\nArgs:\n    user_id (int): Whose posts,\n        as a number\n"
        "    tags (list[str], optional): Only these\n    raw: As it is. (required)\n    ctx: hidden\n\n"
        "Returns:\n    str: x"
    )
    fixed, issues = clean_service(scraped(("posts", words, page()), quality="none"))
    assert fixed.tools[0].input_schema == {
        "type": "object",
        "properties": {
            "user_id": {"type": "integer", "description": "Whose posts, as a number"},
            "tags": {"type": "array", "description": "Only these"},
            "raw": {"description": "As it is. (required)"},
        },
        "required": ["raw"],
    }
    assert "described_parameters" in codes(issues)


@pytest.mark.parametrize(
    "words",
    [
        "Args: user_id: Whose posts limit: How many",
        "Arguments:\nTakes no arguments",
        "Args:\n    None",
        "Args:\n    the user to look up\n    id: x",
        "Args:\n    a: x\n    a: y",
        "No section",
    ],
)
def test_what_is_not_plain_is_not_read(words: str) -> None:
    assert described_parameters(words) is None


def test_a_schema_that_is_there_goes_before_the_docstring() -> None:
    service = scraped(("t", "T.\n\nArgs:\n    a: x", {"type": "object", "properties": {}}), quality="live")
    assert clean_service(service)[0].tools[0].input_schema == {"type": "object", "properties": {}}


# ---------------------------------------------------------------------------------------------------------------- texts


@pytest.mark.parametrize(
    ("text", "after", "code"),
    [
        ("a\r\nb", "a\nb", "whitespace"),
        ("Do.\n    \n    Args:\n        x: y\n", "Do.\n\nArgs:\n    x: y", "whitespace"),
        ("CafÃ© and naÃ¯ve", "Café and naïve", "encoding"),
        ("a\u00a0b\u200bc\x07", "a bc", "encoding"),
        ("One of (p1 &#124; p2) &amp; more for the call", "One of (p1 | p2) & more for the call", "html_entity"),
        ("Don&#39;t use this for the other one", "Don't use this for the other one", "html_entity"),
        (
            'See <a target="_blank" href="https://x.org/a">the page</a> for more of this.',
            "See the page (https://x.org/a) for more of this.",
            "html_tag",
        ),
        (
            "Uses [Riza](https://riza.io) to run the code",
            "Uses Riza (https://riza.io) to run the code",
            "markdown_link",
        ),
        ("![b](https://img.shields.io/x.svg) Good", "Good", "markdown_link"),
    ],
)
def test_texts_are_put_right(text: str, after: str, code: str) -> None:
    assert clean_prose(text) == (after, (code,) if code == "whitespace" else clean_prose(text)[1], ())
    assert code in clean_prose(text)[1]
    assert clean_prose(after)[0] == after


@pytest.mark.parametrize(
    "text",
    [
        "Plain words, 5 < 6 && 7 > 3; AT&T",
        "Escapes HTML entities such as &amp; and &lt;",
        "Text must be HTML: use <br> for line breaks",
        "Answer with markdown links: [title](https://example.com/page)",
        "Ã alone is a letter",
        "def f(x):\n  return x",
        "Query ?a=1&copy=2",
        "特殊字符&必须写成&amp;",
        "标题必须写成&lt;b&gt;的形式",
        "Символ амперсанда пишется как &amp; в тексте",
        "Schreib das Zeichen als &amp; in den Text",
        "Escribe el signo como &amp; en el texto del mensaje",
        "Ampersands are written as &amp; in the query",
        'Pass the text with "&lt;" for the sign and no other mark',
        "In a name, & becomes &amp; before it is sent to the server",
        "引用请写成[标题](https://docs.acme.dev/page)",
        "Zitiere als [Titel](https://acme.dev/seite) am Ende",
        "Cite the source at the end, as [title](https://acme.dev/page)",
        "Link the page with [its name](https://your-site.com/page) in the body",
        "文本里的链接写成<a href='https://acme.dev'>名称</a>",
        "The message is HTML, with <a href='https://acme.dev'>links</a> in it",
        'Repairs text that was read wrongly: the word "Ã©" is one of these',
        "说明：\n    name: 名称\n      part: 部分",
        "Writes the file as it is:\n```\na  \n\n\n\nb\n```",
    ],
)
def test_texts_that_mean_what_they_say_are_left(text: str) -> None:
    found, done, _ = clean_prose(text)
    assert (found, done) == (text, ())


def test_a_services_description_is_read_by_people() -> None:
    words = '<p align="center"><img src="https://x/y.png"/></p>Reads [Notion](https://notion.so).'
    assert clean_prose(words, service=True)[0] == "Reads Notion."
    for about in ("Turns <br> into a line break", "Wraps the words in '<b>' and the rest in '<i>'"):
        assert clean_prose(about, service=True)[0] == about


@given(
    st.lists(
        st.sampled_from(["a ", "\n", "  b", "\r", "\t", "\u00a0", "&#124;", "<br>", "[x](https://y)", "é", "\x07"])
    ).map("".join)
)
def test_cleaning_a_text_twice_is_cleaning_it_once(text: str) -> None:
    once = clean_prose(text)[0]
    assert clean_prose(once)[0] == once


def test_placeholders_and_names() -> None:
    service = scraped(
        ("a", "No description available.", page()),
        ("get_user_list", "get_user_list: Lists every user", page()),
        ("get_user", "Get user", page()),
        quality="live",
    )
    todo = scraped(("todo", "Todo", page()), quality="live")
    assert clean_service(todo)[0].tools[0].description == "Todo"
    fixed, issues = clean_service(service)
    assert [tool.description for tool in fixed.tools] == ["", "Lists every user", "Get user"]
    assert {"placeholder", "name_prefix"} <= codes(issues)
    assert "name_only" in codes(issues, "note")


# ---------------------------------------------------------------------------------------------------------------- types


@pytest.mark.parametrize(
    ("schema", "contradicts"),
    [
        ({"type": "string", "default": 10}, True),
        ({"type": "string", "default": None}, False),
        ({"type": "integer", "enum": ["a", "b"]}, True),
        ({"type": "integer", "default": 1.0}, False),
        ({"type": "boolean", "default": 1}, True),
        ({"type": "string", "description": "Array of ids"}, True),
        ({"type": "string", "description": "Whether to wait"}, True),
        ({"type": "string", "description": "Number of results"}, True),
        ({"type": "string", "description": "Phone number"}, False),
        ({"type": ["string", "null"], "default": 1}, False),
    ],
)
def test_types_that_are_contradicted_are_noted_and_left(schema: dict[str, Any], contradicts: bool) -> None:
    service = scraped(("t", "T", {"type": "object", "properties": {"x": schema}}), quality="live")
    fixed, issues = clean_service(service)
    assert fixed == service
    assert ("type_contradicted" in codes(issues, "note")) is contradicts


@pytest.mark.parametrize(
    ("kind", "examples", "after"),
    [
        ("integer", ["1", "20"], [1, 20]),
        ("boolean", ["True", "false"], [True, False]),
        ("array", ['["a"]'], [["a"]]),
        ("integer", ["1", "many"], ["1", "many"]),
        ("string", ["1"], ["1"]),
        ("integer", [1], [1]),
    ],
)
def test_examples_are_read_as_their_type(kind: str, examples: list[Any], after: list[Any]) -> None:
    schema = {"type": "object", "properties": {"x": {"type": kind, "examples": examples}}}
    fixed, issues = clean_service(scraped(("t", "T", schema), quality="live"))
    assert fixed.tools[0].input_schema["properties"]["x"]["examples"] == after
    assert ("example_type" in codes(issues)) is (after != examples)


# ------------------------------------------------------------------------------------------------------------ languages


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("Get the weather for a city", "en"),
        ("获取城市的天气", "zh"),
        ("プロジェクトの構造を生成します", "ja"),
        ("지하철역 정보를 조회합니다", "ko"),
        ("Получает погоду", "ru"),
        ("Crea un nuevo programa de viajes con los datos del usuario", "es"),
        ("Obtém a lista de usuários do sistema com os dados para o relatório", "pt"),
        ("Fetches reports (业绩预告) for a stock", "en"),
        ("", ""),
        ("x", ""),
    ],
)
def test_languages(text: str, code: str) -> None:
    assert language(text) == code
    assert code == "" or code in LANGUAGES


@given(st.text())
def test_any_text_has_a_known_language_or_none(text: str) -> None:
    assert language(text) in {*LANGUAGES, ""}


# ------------------------------------------------------------------------------------------------------------ in a pool


def rows(tmp_path: Path, *services: dict[str, Any]) -> Path:
    path = tmp_path / "pool.jsonl"
    path.write_text("".join(json.dumps(service) + "\n" for service in services), encoding="utf-8")
    return path


def test_loading_cleans_unless_told_not_to(tmp_path: Path) -> None:
    tool = {"name": "t", "description": HEAD, "inputSchema": page("x", "True", "False")}
    path = rows(
        tmp_path,
        {"server": "@acme/tasks-mcp", "schema_quality": "scraped", "source": "web", "tools": [tool]},
        {"server": "ok", "schema_quality": "live", "source": "reg", "tools": [{**tool, "description": "Do the thing"}]},
    )
    clean, raw = ToolPool.load(path), ToolPool.load(path, clean=False)
    assert clean.tool("@acme/tasks-mcp/t").description == ""
    assert raw.tool("@acme/tasks-mcp/t").description == HEAD
    assert clean.tool("ok/t") == raw.tool("ok/t")
    assert {i.where for i in clean.issues} == {"pool.jsonl:1"}
    assert clean.read == raw.read == 2
    frame = clean.report(before=raw)
    assert frame.loc[("web", "scraped"), "form_words (fixed)"] == 1
    assert frame.loc[("reg", "live"), "form_words (fixed)"] == 0
    assert frame.loc[("web", "scraped"), "parameters"] == 1
    assert frame.loc[("web", "scraped"), "parameters_before"] == 3
    assert frame.loc[("all", ""), "tools"] == 2


def test_the_bundled_services_need_no_cleaning() -> None:
    pool = ToolPool.load(str(data_file("services")))
    assert {issue.code for issue in pool.issues} == {"skipped_file"}, "only the packs beside the tools are skipped"
    assert pool.services == tuple(
        s.model_copy(update={"schema_quality": "published"}) for s in ToolPool.bundled().services
    )


def test_quality_grades_and_doubts() -> None:
    described = {"type": "object", "properties": {"x": {"type": "string", "description": "An x"}}}
    pool = ToolPool.from_services(
        [
            scraped(("a", "A", described), ("b", "B", page()), ("c", "", page("x")), name="live", quality="live"),
            scraped(("a", "A", page("x")), ("b", "B", page()), name="web"),
        ]
    )
    grades = {key: (pool.quality(key).grade, pool.quality(key).trust) for key in pool.tools}
    assert grades == {
        "live/a": ("described", 1.0),
        "live/b": ("empty", 0.7),
        "live/c": ("typed", 0.63),
        "web/a": ("names", 0.4),
        "web/b": ("missing", 0.1),
    }
    assert [pool.quality(key).usable for key in pool.tools] == [True, True, True, True, False]
    assert list(pool.to_frame()["trust"]) == [trust for _, trust in grades.values()]
    assert pool.quality("live/c").reasons == ("no_description",)
