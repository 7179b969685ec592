"""Pools as users publish them: whose a tool is, parameters below the root of a schema, odd texts, secrets in a file."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tdlab.errors import PoolError
from tdlab.pool import ToolPool
from tests.pool import contents

SECRET = "ghp_AbCd1234EfGh5678IjKl"


def mcp(name: str, /, **properties: Any) -> dict[str, Any]:
    return {
        "name": name,
        "description": f"Opens {name} at the weir.",
        "inputSchema": {"type": "object", "properties": properties},
    }


def load(folder: Path, content: Any, name: str = "weirs.json") -> ToolPool:
    return contents.load(folder, content, name)


def names(pool: ToolPool) -> dict[str, list[str]]:
    return {service.name: [tool.name for tool in service.tools] for service in pool.services}


# ------------------------------------------------------------------------------------------------ whose a tool is


def body(**properties: Any) -> dict[str, Any]:
    return {"description": "Does what it says.", "parameters": {"type": "object", "properties": properties}}


@pytest.mark.parametrize(
    "content",
    [
        {"moss": {"open": body(a={"type": "string"})}, "fern": {"open": body(b={}), "shut": body()}},
        {"servers": {"moss": {"open": body()}, "fern": {"open": body(b={}), "shut": body()}}},
        {"tools": {"moss": {"open": body()}, "fern": {"open": body(b={}), "shut": body()}}},
        [mcp("mcp__moss__open"), mcp("mcp__fern__open"), mcp("mcp__fern__shut")],
        [mcp("moss__open"), mcp("fern__open"), mcp("fern__shut")],
        [{"type": "function", "function": {"name": name, **body()}} for name in
         ("mcp__moss__open", "mcp__fern__open", "mcp__fern__shut")],
        [{**mcp("open"), "server_name": "moss"}, {**mcp("open"), "server_name": "fern"},
         {**mcp("shut"), "server": {"name": "fern", "version": "2"}}],
        {"17": {"server": "moss", **mcp("open")}, "18": {"server": "fern", **mcp("open")},
         "19": {"server": "fern", **mcp("shut")}},
    ],
)  # fmt: skip
def test_tools_of_two_servers_are_two_services(content: Any, tmp_path: Path) -> None:
    assert names(load(tmp_path, content)) == {"moss": ["open"], "fern": ["open", "shut"]}


def test_one_null_in_a_map_of_tools_costs_no_service(tmp_path: Path) -> None:
    pool = load(tmp_path, {"moss": {"open": body(), "shut": None}, "fern": {"open": body()}})
    assert names(pool) == {"moss": ["open"], "fern": ["open"]}
    assert "moss: the tool 'shut' is null" in {issue.found for issue in pool.issues}


@pytest.mark.parametrize(
    "content",
    [
        {"tools": [mcp("__start__"), mcp("list")]},
        [{**mcp("__start__"), "service": {"tier": "gold"}}, mcp("list", name={}, server={}, tools={"type": "array"})],
    ],
)
def test_what_names_no_service_tears_nothing_apart(content: Any, tmp_path: Path) -> None:
    assert names(load(tmp_path, content)) == {"weirs": ["__start__", "list"]}


def test_the_tools_of_one_server_keep_names_with_a_common_word(tmp_path: Path) -> None:
    pool = load(tmp_path, {"tools": [mcp("weir_open"), mcp("weir_shut")]})
    assert names(pool) == {"weirs": ["weir_open", "weir_shut"]}


@pytest.mark.parametrize(
    "about",
    [
        {"server": {"name": "moss", "version": "1"}},
        {"name": "moss", "server": {"type": "node", "mcp_config": {"env": {"K": SECRET}}}},
        {"serverName": "moss", "serverConfig": {"command": "npx", "env": {"K": SECRET}}},
    ],
)
def test_an_object_that_is_the_server_is_not_its_name(about: dict[str, Any], tmp_path: Path) -> None:
    pool = load(tmp_path, {**about, "tools": [mcp("open")]})
    assert names(pool) == {"moss": ["open"]}
    assert not [issue for issue in pool.issues if issue.severity == "error"]


def test_a_page_with_more_to_come_is_noted(tmp_path: Path) -> None:
    first, last = {"tools": [mcp("a")], "nextCursor": "2"}, {"tools": [mcp("b")]}
    pool = load(tmp_path, first)
    assert [issue.code for issue in pool.issues if issue.code == "more_pages"] == ["more_pages"]
    lines = [{"jsonrpc": "2.0", "id": n, "result": page} for n, page in enumerate((first, last))]
    for content in ([first, last], "\n".join(map(json.dumps, lines))):
        pool = load(tmp_path, content)
        assert names(pool) == {"weirs": ["a", "b"]}
        assert "more_pages" not in {issue.code for issue in pool.issues}


# --------------------------------------------------------------------------------------- parameters below the root

ARGS = {"type": "object", "properties": {"day": {"type": "string"}, "n": {"type": "integer"}}, "required": ["day"]}


@pytest.mark.parametrize(
    ("schema", "parameters", "required"),
    [
        ({"$ref": "#/definitions/Args", "definitions": {"Args": ARGS}}, ["day", "n"], ["day"]),
        ({"type": "object", "$ref": "#/$defs/A", "$defs": {"A": {"$ref": "#/$defs/B"}, "B": ARGS}}, ["day", "n"],
         ["day"]),
        ({"type": "object", "allOf": [ARGS, {"properties": {"m": {}}}]}, ["day", "m", "n"], ["day"]),
        ({"anyOf": [ARGS, {"type": "object", "properties": {"day": {"type": "null"}}, "required": ["day"]}]},
         ["day", "n"], ["day"]),
        ({"type": "object", "properties": {"k": {}}, "required": ["k"], "oneOf": [ARGS, {"properties": {"m": {}}}]},
         ["day", "k", "m", "n"], ["k"]),
        ({"type": "object", "properties": [{"name": "day", "type": "str", "required": True}, {"name": "n"}]},
         ["day", "n"], ["day"]),
        ({"type": "object", "properties": {"day": {"type": "array", "items": []}, "n": {}}, "required": ["day"]},
         ["day", "n"], ["day"]),
        ({"required": [{"name": "day", "type": "str"}], "optional": [{"name": "n", "type": "int"}]}, ["day", "n"],
         ["day"]),
    ],
)  # fmt: skip
def test_parameters_below_the_root_are_the_tools(
    schema: Any, parameters: list[str], required: list[str], tmp_path: Path
) -> None:
    pool = load(tmp_path, [{"name": "book", "description": "Books a day.", "parameters": schema}])
    tool = pool.tool("weirs/book")
    assert (sorted(tool.parameters), list(tool.required)) == (parameters, required)
    assert [issue.code for issue in pool.issues] == ["input_schema_fixed"]


def test_constants_of_alternatives_become_an_enumeration(tmp_path: Path) -> None:
    kinds = [{"type": "object", "properties": {"kind": {"const": word}}, "required": ["kind"]} for word in "ab"]
    tool = load(tmp_path, [{"name": "act", "description": "Acts.", "inputSchema": {"anyOf": kinds}}]).tool("weirs/act")
    assert (tool.parameters["kind"], tool.required) == ({"enum": ["a", "b"]}, ("kind",))
    assert tool.input_schema["anyOf"] == kinds


@pytest.mark.parametrize("schema", [{"$ref": "#"}, {"$ref": "#/$defs/A", "$defs": {"A": {"$ref": "#/$defs/A"}}}])
def test_a_schema_that_is_itself_ends(schema: Any, tmp_path: Path) -> None:
    pool = load(tmp_path, [{"name": "t", "description": "Loops.", "inputSchema": schema}, mcp("ok")])
    assert "weirs/ok" in pool.tools


@pytest.mark.parametrize("reference", ["#/$defs/none", "https://x.invalid/s.json#/A", "schemas.json#/A"])
def test_one_lost_reference_costs_no_tool(reference: str, tmp_path: Path) -> None:
    pool = load(tmp_path, [mcp("book", slot={"$ref": reference, "description": "A slot."}, n={"type": "integer"})])
    assert pool.tool("weirs/book").parameters == {"slot": {"description": "A slot."}, "n": {"type": "integer"}}
    (issue,) = pool.issues
    assert (issue.severity, issue.code) == ("fixed", "input_schema_fixed")
    assert reference in issue.found


# -------------------------------------------------------------------------------------------------------- odd texts


def test_comments_and_trailing_commas(tmp_path: Path) -> None:
    text = json.dumps({"tools": [mcp("a"), mcp("b")]}).replace("]}", "],}")
    pool = load(tmp_path, f"// of the weir\n{text}")
    assert names(pool) == {"weirs": ["a", "b"]}
    assert "commented_json" in {issue.code for issue in pool.issues}


def test_documents_one_after_the_other(tmp_path: Path) -> None:
    pool = load(tmp_path, "\n".join(json.dumps(mcp(name), indent=2) for name in ("a", "b")))
    assert names(pool) == {"weirs": ["a", "b"]}


@pytest.mark.parametrize(
    ("start", "word"), [(b"PK\x03\x04", "zip"), (b"\x28\xb5\x2f\xfd", "zstd"), (b"PAR1", "Parquet")]
)
def test_what_is_packed_otherwise_is_called_so(start: bytes, word: str, tmp_path: Path) -> None:
    with pytest.raises(PoolError, match=word):
        load(tmp_path, start + b"\0" * 99)


def test_a_schema_in_a_broken_text_costs_one_tool(tmp_path: Path) -> None:
    rows = [{"name": name, "description": "Opens.", "inputSchema": text} for name, text in
            (("a", '{"type": "object", "properties": {"x": {}}}'), ("b", "{broken"))]  # fmt: skip
    pool = load(tmp_path, rows)
    assert names(pool) == {"weirs": ["a"]}
    assert [(issue.tool, issue.code) for issue in pool.issues if issue.severity == "error"] == [
        ("b", "bad_input_schema")
    ]


def test_half_a_surrogate_in_a_message_can_be_written(tmp_path: Path) -> None:
    tool = {"type": "function", "function": {"name": "b", "description": "Opens.", "parameters": "\ud800"}}
    (tmp_path / os.fsdecode(b"w\xff.json")).write_text(json.dumps([mcp("a"), tool]))
    (tmp_path / os.fsdecode(b"x\xff.json")).write_text("7")
    pool = ToolPool.load(tmp_path)
    assert [tool.name for tool in pool.tools.values()] == ["a"]
    text = pool.issues_frame().to_json(force_ascii=False)
    assert json.loads(text.encode())
    assert "\\udcff.json" in str([issue.where for issue in pool.issues])


# ----------------------------------------------------------------------------------------------------------- secrets


@pytest.mark.parametrize(
    "content",
    [
        {"servers": {"a": {"tools": [mcp("x")]}, "b": {"command": "npx", "env": {"TOKEN": SECRET}}}},
        {"a": {"tools": [mcp("x")]}, "c": {"tools": [mcp("y")]}, "auth": {"token": SECRET}},
        {"tools": [mcp("x"), {"headers": {"Authorization": SECRET}}, [SECRET], {"name": {"t": SECRET}}]},
        {"server": 5, "tools": [mcp("x")], "env": {"T": SECRET}},
        [mcp("x"), {"name": "y", "description": {"s": SECRET}, "parameters": [{"name": "p"}, {"token": SECRET}]}],
        {"openapi": "3.0.0", "info": {"title": "A"}, "paths": {"/a": {"get": {"operationId": "x", "parameters": [
            {"in": "query", "example": SECRET}]}}, "/b": [SECRET]}},
    ],
)  # fmt: skip
def test_no_value_of_an_object_is_in_a_message(content: Any, tmp_path: Path) -> None:
    pool = load(tmp_path, content)
    assert pool.issues
    assert SECRET not in pool.issues_frame().to_json()
