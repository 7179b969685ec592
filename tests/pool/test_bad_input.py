"""Bad pool files: each gives an error in three parts or an issue, and every good definition beside it is kept."""

from __future__ import annotations

import contextlib
import gzip
import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tdlab.errors import PoolError
from tdlab.pool import ToolPool
from tdlab.pool.files.definitions import read_tool
from tests.pool.contents import load

GOOD = {
    "name": "ok",
    "description": "Works.",
    "inputSchema": {"type": "object", "properties": {"a": {"type": "string"}}},
}


def service(name: str, *tools: Any) -> dict[str, Any]:
    return {"server": name, "description": "d", "tools": list(tools)}


def errors_of(pool: ToolPool) -> list[tuple[str | None, str]]:
    return [(issue.tool, issue.code) for issue in pool.issues if issue.severity == "error"]


def accounts(pool: ToolPool) -> bool:
    return pool.read == len(pool) + sum(i.severity == "error" and i.tool is not None for i in pool.issues)


# -------------------------------------------------------------------------------------- files that cannot be read


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty"),
        (b" \n\n", "is empty"),
        (b"hello", "line 1: it is not JSON"),
        (b'{\n "server": "a",\n "tools": [,]\n}', "line 3: it is not JSON"),
        (b'{"server": "a", "tools": [', "it is not JSON"),
        ('{"server": "é"}'.encode("latin-1"), "line 1: it is not UTF-8 (invalid byte 0xe9"),
        ('{"server": "a"}'.encode("utf-16"), "an object with the keys server"),
        (b"\xff\xfe{", "not UTF-16, as its first bytes say"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "it is not UTF-8"),
        (b"[" * 100_000 + b"]" * 100_000, "nested too deeply"),
        (b'{"server": ' + b"9" * 10_000 + b"}", "not readable JSON"),
        (gzip.compress(b'{"server": "a"}' * 1000, mtime=0)[:-20], "truncated"),
        (gzip.compress(b"x" * 100_000, mtime=0)[:60] + b"garbage", "damaged gzip"),
        (b"\x1f\x8bnot gzip at all", "damaged gzip"),
        (b"[]", "no usable tool (pool.json: empty)"),
        (b"{}", "no usable tool (pool.json: empty)"),
        (b'{"tools": []}', "no usable tool"),
        (b'"a text"', "expected tools in one of the formats"),
        (b'{"colour": "red"}', "an object with the keys colour"),
        (b'{"server": "a", "tools": "none"}', "its tools are 'none', expected a list"),
        (b'{"jsonrpc": "2.0", "id": 1, "error": {"code": -32601, "message": "no"}}', "a JSON-RPC error"),
    ],
)
def test_a_file_that_gives_no_pool_is_an_error_in_three_parts(content: bytes, says: str, tmp_path: Path) -> None:
    with pytest.raises(PoolError) as caught:
        load(tmp_path, content)
    assert says in caught.value.found
    assert "pool.json" in caught.value.found
    assert caught.value.expected
    assert caught.value.do


def test_paths_that_lead_nowhere(tmp_path: Path) -> None:
    with pytest.raises(PoolError, match="does not exist"):
        ToolPool.load(tmp_path / "none.json")
    with pytest.raises(PoolError, match="contains no file to read"):
        ToolPool.load(tmp_path)
    with pytest.raises(PoolError, match="no path was given"):
        ToolPool.load([])
    os.mkfifo(tmp_path / "fifo.json")
    with pytest.raises(PoolError, match="not a regular file"):
        ToolPool.load(tmp_path / "fifo.json")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_a_file_that_may_not_be_read(tmp_path: Path) -> None:
    path = tmp_path / "pool.json"
    path.write_text(json.dumps(service("a", GOOD)))
    path.chmod(0)
    with pytest.raises(PoolError, match="cannot be read"):
        ToolPool.load(path)


def test_a_bad_file_in_a_folder_is_reported_and_the_others_are_read(tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_bytes(b"{")
    (tmp_path / "cut.json.gz").write_bytes(gzip.compress(b"{}" * 1000)[:-9])
    (tmp_path / "good.json").write_text(json.dumps(service("a", GOOD)))
    pool = ToolPool.load(tmp_path)
    assert list(pool.tools) == ["a/ok"]
    assert [(i.where, i.code) for i in pool.issues] == [
        ("bad.json", "unreadable_file"),
        ("cut.json.gz", "unreadable_file"),
    ]


def test_broken_lines_are_reported_by_number_and_the_rest_is_read(tmp_path: Path) -> None:
    lines = [
        json.dumps(service("a", GOOD)).encode(),
        b'{"server": "b", "tools": [',
        b"",
        b'{"server": "c\xff", "tools": []}',
        b"3",
        json.dumps(service("d", GOOD)).encode(),
    ]
    pool = load(tmp_path, b"\n".join(lines), "pool.jsonl")
    assert list(pool.tools) == ["a/ok", "d/ok"]
    assert [(i.where, i.code) for i in pool.issues] == [
        ("pool.jsonl:2", "broken_line"),
        ("pool.jsonl:4", "broken_line"),
        ("pool.jsonl:5", "unrecognised"),
    ]
    assert "line 4: it is not UTF-8" in pool.issues[1].found


def test_a_byte_order_mark_and_windows_line_ends_are_no_fault(tmp_path: Path) -> None:
    text = "\ufeff" + "\r\n".join(json.dumps(service(name, GOOD)) for name in ("a", "b")) + "\r\n"
    pool = load(tmp_path, text.encode(), "pool.jsonl")
    assert list(pool.tools) == ["a/ok", "b/ok"]
    assert pool.issues == ()


def test_several_gzip_members_are_one_file(tmp_path: Path) -> None:
    parts = [gzip.compress(json.dumps(service(name, GOOD)).encode() + b"\n") for name in ("a", "b")]
    assert list(load(tmp_path, b"".join(parts)).tools) == ["a/ok", "b/ok"]


# ------------------------------------------------------------------------------------------- tools that cannot be used


@pytest.mark.parametrize(
    ("tool", "label", "code", "says"),
    [
        ({"description": "x", "inputSchema": {}}, "[1]", "no_name", "its name is None"),
        ({"name": "", "inputSchema": {}}, "[1]", "no_name", "its name is ''"),
        ({"name": 7, "inputSchema": {}}, "[1]", "no_name", "its name is 7"),
        ("a text", "[1]", "not_an_object", "expected a JSON object"),
        (None, "[1]", "not_an_object", "expected a JSON object"),
        ({"type": "web_search"}, "[1]", "built_in_tool", "a built-in tool of type 'web_search'"),
        ({"name": "t", "inputSchema": {"type": "array"}}, "t", "bad_input_schema", "type of its root is 'array'"),
        ({"name": "t", "inputSchema": "none"}, "t", "bad_input_schema", "expected a JSON object"),
        (
            {"name": "t", "inputSchema": {"type": "object", "$ref": "https://x.invalid/s"}},
            "t",
            "bad_input_schema",
            "never fetched",
        ),
        (
            {"name": "t", "inputSchema": {"type": "object", "$ref": "#/none"}},
            "t",
            "bad_input_schema",
            "cannot be resolved",
        ),
    ],
)
def test_an_unusable_tool_is_skipped_and_the_others_are_kept(
    tool: Any, label: str, code: str, says: str, tmp_path: Path
) -> None:
    pool = load(tmp_path, service("a", GOOD, tool, {**GOOD, "name": "after"}))
    assert list(pool.tools) == ["a/ok", "a/after"]
    assert errors_of(pool) == [(label, code)]
    (issue,) = [issue for issue in pool.issues if issue.severity == "error"]
    assert says in issue.found
    assert issue.service == "a"
    assert issue.where == "pool.json"
    assert pool.read == 3
    assert accounts(pool)


def test_an_output_schema_that_cannot_be_used_is_left_out(tmp_path: Path) -> None:
    pool = load(tmp_path, service("a", {**GOOD, "outputSchema": {"type": "object", "$ref": "http://x.invalid/s"}}))
    assert pool.tool("a/ok").output_schema is None
    assert [(i.severity, i.code) for i in pool.issues] == [("fixed", "output_schema_dropped")]


@pytest.mark.parametrize(
    ("change", "severity", "code"),
    [
        ({"description": None}, "note", "no_description"),
        ({"description": "Description not available"}, "note", "no_description"),
        ({"description": 7}, "fixed", "bad_description"),
        ({"description": "获取指定城市的天气预报"}, "note", "non_latin_description"),
        ({"inputSchema": {"type": "object", "properties": {}}}, "note", "no_parameters"),
        ({"inputSchema": None}, "fixed", "input_schema_fixed"),
        ({"inputSchema": {"type": "object", "properties": {"a": {"type": "float"}}}}, "fixed", "input_schema_fixed"),
        ({"inputSchema": {"type": "object", "properties": {"a": {"pattern": "(("}}}}, "fixed", "input_schema_fixed"),
        (
            {"inputSchema": {"type": "object", "properties": {"a": {"maximum": float("nan")}}}},
            "fixed",
            "input_schema_fixed",
        ),
        ({"description": "half \ud83d a pair"}, "fixed", "half_surrogate"),
        ({"inputSchema": json.dumps(GOOD["inputSchema"])}, "fixed", "schema_in_text"),
    ],
)
def test_every_fix_and_every_oddity_is_an_issue(change: Any, severity: str, code: str, tmp_path: Path) -> None:
    pool = load(tmp_path, service("a", {**GOOD, **change}))
    assert list(pool.tools) == ["a/ok"]
    assert (severity, code) in [(issue.severity, issue.code) for issue in pool.issues]


def test_a_pattern_that_backtracks_for_ever_is_read_and_never_hangs(tmp_path: Path) -> None:
    from tdlab.tools.schema import compile_schema

    schema = {"type": "object", "properties": {"a": {"type": "string", "pattern": "^(a|aa|(?!c)a)+$"}}}
    pool = load(tmp_path, service("a", {**GOOD, "inputSchema": schema}))
    errors = compile_schema(pool.tool("a/ok").input_schema).errors({"a": "a" * 60 + "!"})
    assert "steps of backtracking" in errors[0]


def test_two_services_of_one_name_are_both_kept_under_names_that_differ(tmp_path: Path) -> None:
    other = {**service("a", {**GOOD, "name": "other"}), "description": "another"}
    pool = load(tmp_path, [service("a", GOOD), other, {**other, "description": "a third"}])
    assert set(pool.tools) == {"a/ok", "a#2/other", "a#3/other"}
    assert [(i.severity, i.code) for i in pool.issues] == [("fixed", "service_name_taken")] * 2
    assert accounts(pool)


def test_the_same_service_twice_is_kept_once(tmp_path: Path) -> None:
    pool = load(tmp_path, [service("a", GOOD), service("a", GOOD)])
    assert list(pool.tools) == ["a/ok"]
    assert [(i.severity, i.tool, i.code) for i in pool.issues] == [("note", None, "repeated_service")]
    assert pool.read == 1


def test_a_service_of_ten_thousand_properties_and_a_pool_of_one_tool(tmp_path: Path) -> None:
    properties = {f"p{i}": {"type": "string", "description": "x" * 20} for i in range(10_000)}
    pool = load(tmp_path, service("a", {**GOOD, "inputSchema": {"type": "object", "properties": properties}}))
    assert len(pool) == 1
    assert len(pool.tool("a/ok").parameters) == 10_000
    assert pool.fingerprint


def test_a_service_without_tools_is_an_issue(tmp_path: Path) -> None:
    pool = load(tmp_path, [service("a", GOOD), service("b")])
    assert [s.name for s in pool.services] == ["a"]
    assert [(i.service, i.severity, i.code) for i in pool.issues] == [("b", "note", "no_tools")]


def test_halves_of_surrogate_pairs_never_get_into_a_pool(tmp_path: Path) -> None:
    bad = {**GOOD, "name": "n\ud800", "description": "d\udc00", "inputSchema": {"type": "object", "title": "\ud800"}}
    pool = load(tmp_path, service("s\ud800", bad))
    (tool,) = pool.tools.values()
    for text in (tool.service, tool.name, tool.description, json.dumps(tool.input_schema, ensure_ascii=False)):
        text.encode("utf-8")
    assert tool.name == "n\ufffd"


def test_text_is_data(tmp_path: Path) -> None:
    script = "<script>alert(1)</script>"
    hostile = {**GOOD, "name": "../../etc/passwd", "description": "{0.__class__} %s"}
    pool = load(tmp_path, {**service(script, hostile), "description": script})
    assert f"{script}/../../etc/passwd" in pool
    assert script not in pool._repr_html_()
    assert "&lt;script&gt;" in pool._repr_html_()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4) | st.just("\ud800"),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                "name description inputSchema parameters outputSchema annotations _meta type function".split()
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=10,
)


@given(JSON)
def test_any_definition_gives_a_tool_or_one_error(raw: Any) -> None:
    tool, issues = read_tool(raw, service="s", index=0, where="w")
    errors = [issue for issue in issues if issue.severity == "error"]
    assert (tool is None) == (len(errors) == 1)
    if tool is not None:
        assert tool.name
        assert tool.input_schema.get("type") == "object"


DOCUMENT_KEYS = "server tools name servers metadata server_info_crawled result jsonrpc function functions type".split()
DOCUMENTS = st.recursive(
    st.none() | st.integers() | st.text(max_size=3) | st.just({"name": "t", "inputSchema": {"type": "object"}}),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(DOCUMENT_KEYS), inner, max_size=4),
    max_leaves=10,
)


@given(st.one_of(DOCUMENTS.map(lambda d: json.dumps(d).encode()), st.binary(max_size=60)))
def test_any_file_gives_a_pool_that_accounts_for_all_or_a_pool_error(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.json"
    path.write_bytes(content)
    with contextlib.suppress(PoolError):
        assert accounts(ToolPool.load(path))
