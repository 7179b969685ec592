"""Each public format, in a small sample of our own, recognised by content rather than by name."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from tdlab.errors import PoolError
from tdlab.pool import POOL_FORMATS, ToolPool

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOL = {"name": "get_weather", "description": "Read the weather.", "inputSchema": SCHEMA}

POOL = {"server": "skies", "description": "Weather", "category": "Weather", "source": "x", "license": "MIT",
        "schema_quality": "scraped", "tools": [TOOL]}  # fmt: skip
BUNDLED = {"server": "skies", "title": "Skies", "description": "Weather", "domain": "weather-environment",
           "tools": [{**TOOL, "_meta": {"tdlab/errors": [{"code": "no_city", "message": "No {city}."}]}}]}  # fmt: skip
TOUCAN = {
    "labels": {"primary_label": "Weather", "secondary_labels": ["Maps"]},
    "metadata": {
        "server_name": "Skies",
        "server_info_crawled": {
            "author": "@me/skies",
            "overview": "Weather",
            "license": "MIT",
            "tools": [{"name": "get_weather", "parameters": [{"name": "city", "type": "string", "required": True}]}],
        },
        "remote_server_response": {"is_success": True, "tools": [{**TOOL, "input_schema": SCHEMA}]},
    },
}
TOUCAN_SCRAPED = {
    **TOUCAN,
    "metadata": {**TOUCAN["metadata"], "remote_server_response": {"is_success": False, "tools": []}},
}
MCPBENCH = {
    "summary": {},
    "servers": {"skies": {"name": "skies", "description": "", "tools": {"get_weather": {"input_schema": SCHEMA}}}},
}
MCPM = {"name": "skies", "display_name": "Skies", "categories": ["Weather"], "installations": {}, "tools": [TOOL]}
MCP = {"tools": [TOOL], "nextCursor": None}
RPC = {"jsonrpc": "2.0", "id": 1, "result": {"tools": [TOOL]}}
DOCKER = [{"name": "get_weather", "description": "x",
           "arguments": [{"name": "city", "type": "string", "desc": "Name", "required": True}]}]  # fmt: skip
OPENAI = [{"type": "function", "function": {"name": "get_weather", "parameters": SCHEMA}}]
RESPONSES = {"tools": [{"type": "function", "name": "get_weather", "parameters": SCHEMA}, {"type": "web_search"}]}
BFCL = {"name": "get_weather", "description": "x", "parameters": {**SCHEMA, "type": "dict"},
        "response": {"type": "dict", "properties": {"degrees": {"type": "float"}}}}  # fmt: skip
BFCL_ENTRY = {"id": "simple_0", "question": [[{"role": "user", "content": "?"}]], "function": [BFCL]}

SAMPLES = {
    "bundled": (BUNDLED, "skies"),
    "pool": (POOL, "skies"),
    "toucan": (TOUCAN, "@me/skies"),
    "toucan scraped": (TOUCAN_SCRAPED, "@me/skies"),
    "mcpbench": (MCPBENCH, "skies"),
    "mcpm": (MCPM, "skies"),
    "mcp": (MCP, "file"),
    "mcp rpc": (RPC, "file"),
    "mcp bare list": ([TOOL], "file"),
    "mcp one tool": (TOOL, "file"),
    "docker": (DOCKER, "file"),
    "openai": (OPENAI, "file"),
    "openai request": ({"model": "m", "tools": OPENAI}, "file"),
    "openai responses": (RESPONSES, "file"),
    "openai one": (OPENAI[0], "file"),
    "openai functions": ({"functions": [OPENAI[0]["function"]]}, "file"),
    "bfcl": (BFCL, "file"),
    "bfcl entry": (BFCL_ENTRY, "file"),
}


def write(folder: Path, content: Any, name: str = "file.json") -> Path:
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


@pytest.mark.parametrize("kind", SAMPLES)
@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("name", ["file.json", "file.jsonl", "file.txt"])
def test_every_format_is_read_whatever_the_file_is_called(kind: str, packed: bool, name: str, tmp_path: Path) -> None:
    content, service = SAMPLES[kind]
    path = tmp_path / name
    text = json.dumps(content).encode()
    path.write_bytes(gzip.compress(text) if packed else text)
    pool = ToolPool.load(path)
    tool = pool.tool(f"{service}/get_weather")
    assert list(tool.parameters) == ["city"]
    assert tool.required == ("city",)
    assert tool.input_schema["type"] == "object"
    assert pool.read == len(pool) + sum(i.severity == "error" and i.tool is not None for i in pool.issues)


@pytest.mark.parametrize("kind", SAMPLES)
def test_a_format_that_is_insisted_on_is_read_as_such(kind: str, tmp_path: Path) -> None:
    content, service = SAMPLES[kind]
    format = kind.split()[0]
    assert format in POOL_FORMATS
    assert f"{service}/get_weather" in ToolPool.load(write(tmp_path, content), format=format)


def test_insisting_on_another_format_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(PoolError, match="expected the format toucan"):
        ToolPool.load(write(tmp_path, POOL), format="toucan")
    with pytest.raises(PoolError, match="one of bundled, pool"):
        ToolPool.load(write(tmp_path, POOL), format="csv")


def test_facts_of_a_service_are_kept(tmp_path: Path) -> None:
    pool = ToolPool.load(write(tmp_path, POOL))
    service = pool.service("skies")
    assert (service.category, service.source, service.license) == ("Weather", "x", "MIT")
    assert service.schema_quality == "scraped"
    assert service.domains == {"weather-environment": 1.0}
    toucan = ToolPool.load(write(tmp_path, TOUCAN)).service("@me/skies")
    assert (toucan.title, toucan.category, toucan.schema_quality) == ("Skies", "Weather", "published")
    assert ToolPool.load(write(tmp_path, TOUCAN_SCRAPED)).service("@me/skies").schema_quality == "scraped"


def test_errors_and_annotations_of_a_bundled_service_are_kept(tmp_path: Path) -> None:
    content = json.loads(json.dumps(BUNDLED))
    content["tools"][0]["annotations"] = {"title": "Weather", "readOnlyHint": True, "idempotentHint": "yes"}
    tool = ToolPool.load(write(tmp_path, content)).tool("skies/get_weather")
    assert [(error.code, error.message) for error in tool.errors] == [("no_city", "No {city}.")]
    assert tool.annotations.title == "Weather"
    assert tool.annotations.read_only is True
    assert tool.annotations.idempotent is None
    assert tool.annotations.destructive is None


def test_bfcl_words_become_json_schema(tmp_path: Path) -> None:
    """Function docs are JSON lines in a .json file; their schemas use the types dict and float."""
    lines = "\n".join(json.dumps({**BFCL, "name": f"f{n}"}) for n in range(3))
    pool = ToolPool.load(write(tmp_path, lines, "weather_api.json"))
    assert list(pool.tools) == ["weather_api/f0", "weather_api/f1", "weather_api/f2"]
    output = pool.tool("weather_api/f0").output_schema
    assert output == {"type": "object", "properties": {"degrees": {"type": "number"}}}
    assert {issue.code for issue in pool.issues} == {"input_schema_fixed", "output_schema_fixed"}


def test_entries_of_a_benchmark_that_share_a_function_share_the_tool(tmp_path: Path) -> None:
    lines = "\n".join(json.dumps({**BFCL_ENTRY, "id": f"e{n}"}) for n in range(3))
    pool = ToolPool.load(write(tmp_path, lines))
    assert list(pool.tools) == ["file/get_weather"]
    assert pool.read == 1
    (repeat,) = [issue for issue in pool.issues if issue.code == "repeated_tool"]
    assert (repeat.severity, "2 times" in repeat.found) == ("note", True)
    assert not [issue for issue in pool.issues if issue.severity == "error"]


def test_a_list_of_services_and_a_list_of_mixed_parts(tmp_path: Path) -> None:
    other = {**POOL, "server": "seas"}
    assert [s.name for s in ToolPool.load(write(tmp_path, [POOL, other])).services] == ["seas", "skies"]
    mixed = ToolPool.load(write(tmp_path, [POOL, {**TOOL, "name": "alone"}, 7]))
    assert set(mixed.tools) == {"skies/get_weather", "file/alone"}
    assert mixed.read == 3


def test_folders_are_read_in_the_order_of_names_and_hidden_files_are_not(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    write(tmp_path, {**POOL, "server": "one"}, "b.json")
    write(tmp_path / "sub", {**POOL, "server": "two"}, "a.jsonl")
    write(tmp_path, {**POOL, "server": "never"}, ".hidden.json")
    write(tmp_path, "no JSON at all", "README.md")
    pool = ToolPool.load(tmp_path)
    assert [s.name for s in pool.services] == ["one", "two"]
    assert {issue.code for issue in pool.issues} == {"types_unknown", "skipped_file"}
    skipped = [(issue.severity, issue.found) for issue in pool.issues if issue.code == "skipped_file"]
    assert skipped == [
        ("note", "1 file not read (ending '.md'): README.md"),
        ("note", "1 file not read (hidden): .hidden.json"),
    ]


def test_the_fingerprint_is_of_the_content_not_of_the_files(tmp_path: Path) -> None:
    one, two = {**POOL, "server": "one"}, {**POOL, "server": "two"}
    apart = ToolPool.load([write(tmp_path, two, "a.json"), write(tmp_path, one, "b.json")])
    together = ToolPool.load(write(tmp_path, f"{json.dumps(one)}\n{json.dumps(two)}", "c.jsonl"))
    assert apart.fingerprint == together.fingerprint
    assert apart == together
    changed = ToolPool.load(write(tmp_path, [one, {**two, "description": "other"}], "d.json"))
    assert changed.fingerprint != together.fingerprint


def test_a_client_configuration_points_to_the_harvest(tmp_path: Path) -> None:
    with pytest.raises(PoolError, match="tdlab harvest"):
        ToolPool.load(write(tmp_path, {"mcpServers": {"a": {"command": "x"}}}))


@pytest.mark.parametrize(
    ("place", "tools", "services"),
    [
        ("formats/toucan_servers", 317, 40),
        ("formats/mcpm_servers", 8, 3),
        ("formats/docker_tools", 11, 2),
        ("formats/mcp_bench_servers_info.json", 215, 26),
        ("formats/tau2_tools.jsonl", 30, 2),
    ],
)
def test_recorded_formats(place: str, tools: int, services: int, shared: Path) -> None:
    pool = ToolPool.load(shared / "data" / place)
    assert (len(pool), len(pool.services), pool.read) == (tools, services, tools)
