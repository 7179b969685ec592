"""Tools and servers in every nesting and notation: which are services, which are one, and what is no tool at all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tdlab.errors import PoolError
from tdlab.pool import ToolPool

BAKE = {"type": "object", "properties": {"loaf": {"type": "string"}}, "required": ["loaf"]}
SELL = {"type": "object", "properties": {"price": {"type": "number"}}, "required": ["price"]}


def mcp(name: str, schema: Any = BAKE) -> dict[str, Any]:
    return {"name": name, "description": f"Use {name} now.", "inputSchema": schema}


def load(folder: Path, content: Any, name: str = "kitchen.json") -> ToolPool:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return ToolPool.load(path)


def names(pool: ToolPool) -> dict[str, list[str]]:
    return {service.name: sorted(tool.name for tool in service.tools) for service in pool.services}


def codes(pool: ToolPool, severity: str) -> list[str]:
    return sorted(issue.code for issue in pool.issues if issue.severity == severity)


TWO = {"ovens": ["bake", "list"], "shop": ["list", "sell"]}
OVENS, SHOP = [mcp("list"), mcp("bake")], [mcp("list", SELL), mcp("sell", SELL)]
GEMINI = {"name": "bake", "description": "Bake.", "parameters": {
    "type": "OBJECT", "properties": {"loaf": {"type": "STRING", "nullable": True}}, "required": ["loaf"]}}  # fmt: skip


@pytest.mark.parametrize(
    "content",
    [
        [{"name": "ovens", "tools": OVENS}, {"name": "shop", "tools": SHOP}],
        {"servers": [{"name": "ovens", "tools": OVENS}, {"server_name": "shop", "tools": SHOP}]},
        {"mcp_servers": {"ovens": {"tools": OVENS}, "shop": {"tools": SHOP}}},
        {"ovens": {"tools": OVENS}, "shop": {"tools": {tool["name"]: tool for tool in SHOP}}},
        {"ovens": OVENS, "shop": SHOP},
        {"version": 2, "data": {"ovens": OVENS, "shop": SHOP}},
        {"tools": {"ovens": {"tools": OVENS}, "shop": SHOP}},
        {"tools": {"ovens": OVENS, "shop": SHOP}},
        [{"name": "A pack", "tools": {"ovens": {"tools": OVENS}}}, {"name": "B pack", "tools": {"shop": SHOP}}],
        {"name": "Hub", "tools": [{"name": "ovens", "tools": OVENS}, {"name": "shop", "tools": SHOP}]},
        {"result": {"servers": [{"serverInfo": {"name": "ovens"}, "tools": OVENS}, {"server": "shop", "tools": SHOP}]}},
        [{"label": "Ovens", "id": "ovens", "tools": OVENS}, {"label": "Shop", "id": "shop", "tools": SHOP}],
        "\n".join(json.dumps({"name": name, "tools": tools}) for name, tools in (("ovens", OVENS), ("shop", SHOP))),
        [[{"name": "ovens", "tools": OVENS}], [{"name": "shop", "tools": json.dumps(SHOP)}]],
    ],
)
def test_what_holds_tools_is_a_service(content: Any, tmp_path: Path) -> None:
    pool = load(tmp_path, content)
    assert names(pool) == TWO
    assert pool.tool("ovens/list").required == ("loaf",)
    assert pool.tool("shop/list").required == ("price",)
    assert codes(pool, "error") == []
    assert pool.read == 4


def test_what_surrounds_the_only_server_is_about_it(tmp_path: Path) -> None:
    pack = {"name": "Baking pack", "category": "Food", "description": "Bakes.", "tools": {"ovens": {"tools": OVENS}}}
    (service,) = load(tmp_path, pack).services
    assert (service.name, service.description, service.category) == ("ovens", "Bakes.", "Food")
    two = {**pack, "tools": {"ovens": {"tools": OVENS}, "shop": {"description": "Sells.", "tools": SHOP}}}
    assert [s.description for s in load(tmp_path, two).services] == ["", "Sells."]


def test_a_member_that_holds_no_tools_is_reported_and_the_others_are_kept(tmp_path: Path) -> None:
    pool = load(tmp_path, {"tools": {"ovens": OVENS, "broken": {"tools": 7}, "none": {"url": "x"}}})
    assert names(pool) == {"ovens": ["bake", "list"]}
    assert codes(pool, "error") == ["malformed_part", "malformed_part"]
    lines = load(tmp_path, [{"name": "ovens", "tools": OVENS}, 7, {"name": "shop", "tools": [*SHOP, "text", None]}])
    assert names(lines) == TWO
    assert codes(lines, "error") == ["not_an_object"] * 3


@pytest.mark.parametrize(
    "content",
    [
        {"tools": [{"functionDeclarations": [GEMINI]}]},
        {"config": {"tools": [{"function_declarations": [GEMINI]}, {"googleSearch": {}}]}},
        {"functionDeclarations": [GEMINI]},
        [GEMINI],
        {"tools": [{"name": "bake", "description": "Bake.", "input_schema": BAKE}]},
        {"toolConfig": {"tools": [{"toolSpec": {"name": "bake", "inputSchema": {"json": BAKE}}}]}},
        [{"toolSpec": {"name": "bake", "inputSchema": {"json": BAKE}}}],
        {"tools": {"bake": {"description": "Bake.", "inputSchema": {"jsonSchema": BAKE}}}},
        {"bake": {"description": "Bake.", "parameters": BAKE}},
        [{"type": "function", "name": "bake", "inputSchema": BAKE}],
        [{"name": "bake", "description": "Bake.", "args_schema": BAKE}],
        [{"name": "bake", "description": "Bake.", "args": {"loaf": {"type": "string", "required": True}}}],
        [{"lc": 1, "type": "constructor", "id": ["x"], "kwargs": {"name": "bake", "args_schema": BAKE}}],
        {"tools": json.dumps([{"type": "function", "function": {"name": "bake", "parameters": BAKE}}]), "messages": []},
        {"model": "m", "messages": [], "functions": [{"name": "bake", "parameters": BAKE}]},
        {"request": {"body": {"tools": [{"type": "function", "function": {"name": "bake", "parameters": BAKE}}]}}},
        {"id": "t0", "question": [[]], "function": {"name": "bake", "parameters": {**BAKE, "type": "dict"}}},
        {"tool_name": "kitchen", "api_list": [{"name": "bake", "required_parameters": [
            {"name": "loaf", "type": "STRING"}], "optional_parameters": []}]},
    ],
)  # fmt: skip
def test_every_notation_of_a_tool_is_read(content: Any, tmp_path: Path) -> None:
    pool = load(tmp_path, content)
    assert names(pool) == {"kitchen": ["bake"]}
    tool = pool.tool("kitchen/bake")
    assert tool.required == ("loaf",)
    kind = tool.input_schema["properties"]["loaf"]["type"]
    assert "string" in ([kind] if isinstance(kind, str) else kind)


@pytest.mark.parametrize(
    ("extra", "says"),
    [
        ({"type": "web_search_20250305", "name": "web_search", "max_uses": 3}, "web_search_20250305"),
        ({"type": "computer_20250124", "name": "computer", "display_width_px": 1024}, "computer_20250124"),
        ({"type": "web_search"}, "'web_search'"),
        ({"type": "code_interpreter", "container": {"type": "auto"}}, "code_interpreter"),
        ({"type": "file_search", "vector_store_ids": []}, "file_search"),
        ({"googleSearch": {}}, "googleSearch"),
        ({"url_context": {}}, "url_context"),
        ({"type": "mcp", "server_label": "x", "server_url": "https://x.invalid"}, "tdlab harvest"),
        ({"type": "provider-defined", "id": "openai.web_search", "name": "web_search", "args": {}}, "provider-defined"),
        ({"type": "builtin_function", "function": {"name": "$web_search"}}, "builtin_function"),
        ({"type": "custom", "name": "shell", "description": "Runs it."}, "free text"),
    ],
)
def test_tools_that_are_built_into_an_api_are_set_aside(extra: Any, says: str, tmp_path: Path) -> None:
    pool = load(tmp_path, {"tools": [extra, {"name": "bake", "description": "Bake.", "input_schema": BAKE}]})
    assert names(pool) == {"kitchen": ["bake"]}
    (issue,) = [issue for issue in pool.issues if issue.severity == "error"]
    assert issue.code == "built_in_tool"
    assert says in issue.found
    assert pool.read == 2


def test_a_tool_of_a_kind_with_a_schema_is_no_built_in(tmp_path: Path) -> None:
    pool = load(tmp_path, {"tools": [{"type": "action", "name": "bake", "parameters": BAKE}, {
        "type": "custom", "name": "sell", "input_schema": SELL}]})  # fmt: skip
    assert names(pool) == {"kitchen": ["bake", "sell"]}


# ------------------------------------------------------------------------------------------------- names and repeats


def doc(name: str, *parameters: str, words: str = "Works.") -> dict[str, Any]:
    properties = {parameter: {"type": "string"} for parameter in parameters}
    return {"name": name, "description": words, "parameters": {"type": "dict", "properties": properties}}


def test_dotted_names_of_unrelated_functions_are_services(tmp_path: Path) -> None:
    entries = [
        {"id": "a", "function": [doc("tide.now", "port"), doc("plain", "x")]},
        {"id": "b", "function": [doc("tide.now", "port"), doc("bank.rate", "bank")]},
        {"id": "c", "function": [doc("tide.now", "buoy", "day", words="Other.")]},
    ]
    pool = load(tmp_path, "\n".join(map(json.dumps, entries)))
    assert names(pool) == {"tide": ["tide.now", "tide.now#2"], "bank": ["bank.rate"], "kitchen": ["plain"]}
    assert codes(pool, "error") == []
    assert "tool_name_taken" in codes(pool, "fixed")
    assert codes(pool, "note").count("repeated_tool") == 1
    assert pool.read == 4
    assert list(pool.tool("tide/tide.now#2").parameters) == ["buoy", "day"]


@pytest.mark.parametrize(
    "content",
    [
        {"tools": [{**mcp(name), "inputSchema": {"type": "object", "properties": {
            "owner": {"type": "string"}, "repo": {"type": "string"}}}} for name in ("issues.list", "labels.list")]},
        {"name": "kitchen", "tools": [mcp("tide.now"), mcp("bank.rate", SELL)]},
        {"tools": [mcp("kitchen.bake"), mcp("kitchen.sell", SELL)]},
        [doc("issues.list", "owner", "repo"), doc("labels.list", "owner", "repo"), doc("pulls.get", "owner", "number")],
    ],
)  # fmt: skip
def test_one_server_that_uses_dots_is_not_torn_apart(content: Any, tmp_path: Path) -> None:
    assert [service.name for service in load(tmp_path, content).services] == ["kitchen"]


def test_a_server_that_says_its_name_in_no_way_but_dots(tmp_path: Path) -> None:
    assert set(names(load(tmp_path, {"tools": [mcp("tide.now"), mcp("bank.rate", SELL)]}))) == {"tide", "bank"}


def test_a_namespace_over_several_files_of_a_folder_is_one_service(tmp_path: Path) -> None:
    for number, text in enumerate(([doc("tide.now", "port")], [doc("tide.now", "port"), doc("tide.next", "port")])):
        (tmp_path / f"part{number}.json").write_text(json.dumps(text))
    assert names(ToolPool.load(tmp_path)) == {"tide": ["tide.next", "tide.now"]}


def test_a_name_that_looks_like_the_second_of_another_loses_nothing(tmp_path: Path) -> None:
    tools = [mcp("get"), mcp("get#2", SELL), mcp("get", SELL), mcp("get"), mcp("get", {"type": "object"})]
    pool = load(tmp_path, {"server": "s", "tools": tools})
    assert len(pool) == 4
    assert pool.read == 4
    assert {"get", "get#2"} < {tool.name for tool in pool.services[0].tools}


# ------------------------------------------------------------------------------------------------------------ folders


def test_one_tool_a_file_is_one_service_of_the_folder(tmp_path: Path) -> None:
    for path in ("ovens/bake.json", "ovens/heat.snap", "shop/sell.yaml", "shop/buy.json", "alone/tools.json"):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(json.dumps(mcp(Path(path).stem)))
    (tmp_path / "alone/tools.json").write_text(json.dumps({"tools": [mcp("one")]}))
    assert names(ToolPool.load(tmp_path)) == {"ovens": ["bake", "heat"], "shop": ["buy", "sell"], "tools": ["one"]}
    assert names(ToolPool.load(sorted((tmp_path / "ovens").iterdir()))) == {"ovens": ["bake", "heat"]}
    assert names(ToolPool.load(tmp_path / "ovens/bake.json")) == {"bake": ["bake"]}


def test_servers_with_one_tool_each_are_not_merged(tmp_path: Path) -> None:
    for name in ("ovens", "shop"):
        (tmp_path / f"{name}.json").write_text(json.dumps({"tools": [mcp("list")]}))
    assert names(ToolPool.load(tmp_path)) == {"ovens": ["list"], "shop": ["list"]}


def test_what_a_folder_has_beside_pool_files_is_listed(tmp_path: Path) -> None:
    (tmp_path / "good.ndjson").write_text(json.dumps({"server": "a", "tools": [mcp("x")]}) + "\n")
    (tmp_path / "compose.yaml").write_text("services:\n  db: {image: postgres}\n")
    for name in ("a.png", "b.png", "c.png", "d.png", "LICENSE", ".env"):
        (tmp_path / name).write_text("x")
    (tmp_path / "linked").symlink_to(tmp_path.parent, target_is_directory=True)
    pool = ToolPool.load(tmp_path)
    skipped = [issue for issue in pool.issues if issue.code == "skipped_file"]
    assert {issue.severity for issue in skipped} == {"note"}
    words = "\n".join(issue.found for issue in skipped)
    for part in ("4 files", "a.png, b.png, c.png and 1 more", "LICENSE", ".env", "linked/", "YAML without tools"):
        assert part in words, f"{part} is not said in:\n{words}"


def test_an_unknown_format_says_what_was_looked_for_and_what_is_there(tmp_path: Path) -> None:
    with pytest.raises(PoolError) as caught:
        load(tmp_path, [{"zebra": 1, "apple": 2}])
    assert "zebra, apple" in caught.value.found
    assert "openapi" in caught.value.found
    with pytest.raises(PoolError, match="answers of a benchmark"):
        load(tmp_path, '{"id": "a", "ground_truth": []}\n{"id": "b", "ground_truth": []}')
    with pytest.raises(PoolError, match=r"multi_turn_func_doc.*in 1 other place"):
        load(tmp_path, "\n".join(json.dumps({"id": i, "question": [], "involved_classes": ["A"]}) for i in "ab"))


def test_several_pools_are_one(tmp_path: Path) -> None:
    one, two = tmp_path / "one.json", tmp_path / "two.json"
    one.write_text(json.dumps({"server": "a", "tools": [mcp("x")]}))
    two.write_text(json.dumps({"server": "b", "tools": [mcp("y")]}))
    both = ToolPool.named([str(one), "bundled", str(two)])
    assert {"a/x", "b/y", "basalt_outfitters/get_order"} < set(both.tools)
    assert both.read == ToolPool.bundled().read + 2
    assert both.placement("a").by != "given"
    assert ToolPool.named([str(one), str(two)]) == ToolPool.load([one, two])
    with pytest.raises(PoolError, match="no path was given"):
        ToolPool.named([])


# ----------------------------------------------------------------------------------------------------- parameter lists


@pytest.mark.parametrize(
    ("entry", "schema", "required"),
    [
        ({"name": "a", "type": "string", "required": True, "enum": None}, {"type": "string"}, ("a",)),
        ({"name": "a", "type": "str", "required": "yes", "default": None}, {"type": "string"}, ("a",)),
        ({"name": "a", "type": "json", "required": False}, {"type": "object"}, ()),
        ({"name": "a", "type": "any"}, {}, ()),
        ({"name": "a", "type": "array", "innerType": "json"}, {"type": "array", "items": {"type": "object"}}, ()),
        ({"name": "a", "type": "array<integer>"}, {"type": "array", "items": {"type": "integer"}}, ()),
        ({"name": "a", "type": "list", "items": "float"}, {"type": "array", "items": {"type": "number"}}, ()),
        ({"name": "a", "type": "string", "enum": ["x", "y"]}, {"type": "string", "enum": ["x", "y"]}, ()),
        (
            {"name": "a", "type": "json", "properties": [{"name": "b", "type": "int", "required": True}]},
            {"type": "object", "properties": {"b": {"type": "integer"}}, "required": ["b"]},
            (),
        ),
        (
            {"name": "a", "type": "array", "innerType": "json", "properties": {"b": {"type": "dict"}}},
            {"type": "array", "items": {"type": "object", "properties": {"b": {"type": "object"}}}},
            (),
        ),
        ({"key": "a", "schema": {"type": "string", "enum": ["x"]}, "isRequired": True},
         {"type": "string", "enum": ["x"]}, ("a",)),
    ],
)  # fmt: skip
def test_a_list_of_parameters_is_repaired_as_a_schema_is(
    entry: Any, schema: Any, required: tuple[str, ...], tmp_path: Path
) -> None:
    pool = load(tmp_path, {"name": "s", "tools": [{"name": "t", "description": "T.", "parameters": [entry]}]})
    tool = pool.tool("s/t")
    assert tool.parameters == {"a": schema}
    assert tool.required == required


def test_the_reason_is_that_of_the_value_that_failed(tmp_path: Path) -> None:
    bad = [{"name": "a", "type": "dict"}, {"name": "b", "type": "string", "$ref": "nowhere"}]
    pool = load(tmp_path, {"name": "s", "tools": [{"name": "t", "parameters": bad}, mcp("ok")]})
    (issue,) = [issue for issue in pool.issues if issue.severity == "error"]
    assert "nowhere" in issue.found
    assert "expected a JSON object" not in issue.found
    mixed = load(tmp_path, {"name": "s", "tools": [{"name": "t", "parameters": [{"name": "a"}, 7, {"name": "a"}]}]})
    (fixed,) = [issue for issue in mixed.issues if issue.code == "input_schema_fixed"]
    assert "[1] is 7" in fixed.found
    assert "'a' occurs twice" in fixed.found
