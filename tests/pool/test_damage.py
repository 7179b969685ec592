"""One fault costs what it touches: broken lines, cut files, values too deep, bytes of another encoding."""

from __future__ import annotations

import gzip
import json
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tdlab.errors import PoolError
from tdlab.pool import ToolPool
from tdlab.pool.files.salvage import salvage

SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}}


def tool(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "description": "Works.", "inputSchema": SCHEMA, **more}


def load(folder: Path, content: bytes | str, name: str = "pool.json") -> ToolPool:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return ToolPool.load(path)


def kept(pool: ToolPool) -> list[str]:
    return [tool.name for tool in pool.tools.values()]


def errors(pool: ToolPool) -> list[str]:
    return [issue.code for issue in pool.issues if issue.severity == "error"]


WHOLE = json.dumps({"tools": [tool("a"), tool("b"), tool("c")]})
PRETTY = json.dumps({"tools": [tool("a"), tool("b"), tool("c")]}, indent=1)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        (WHOLE[:-30], ["a", "b"]),
        (WHOLE[:-2], ["a", "b", "c"]),
        (PRETTY[: PRETTY.index('"c"') + 1], ["a", "b"]),
        (WHOLE.replace('}, {"name": "c"', '} {"name": "c"'), ["a", "b"]),
        (WHOLE.replace('"name": "c"', '"name" "c"'), ["a", "b"]),
        (json.dumps([{"name": "x", "tools": [tool("a")]}, {"name": "y", "tools": [tool("b"), tool("c")]}])[:-40],
         ["a", "b"]),
        (json.dumps({"tools": {"a": {"inputSchema": SCHEMA}, "b": {"inputSchema": SCHEMA}}})[:-9], ["a"]),
    ],
)  # fmt: skip
def test_what_comes_before_a_fault_is_kept(text: str, names: list[str], tmp_path: Path) -> None:
    pool = load(tmp_path, text)
    assert kept(pool) == names
    assert errors(pool) == ["damaged_file"]
    assert all(found.input_schema == SCHEMA for found in pool.tools.values()), (
        "half a definition looks like a whole one"
    )


def test_a_file_with_nothing_good_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(PoolError, match="it is not JSON"):
        load(tmp_path, WHOLE[:25])


@pytest.mark.parametrize("cut", [200, 20, 9])
@pytest.mark.parametrize("lines", [True, False])
def test_a_truncated_gzip_file_gives_what_came_before(cut: int, lines: bool, tmp_path: Path) -> None:
    rng = random.Random(3)
    tools = [tool(f"t{i}", description=str(rng.random())) for i in range(300)]
    text = "\n".join(map(json.dumps, tools)) if lines else json.dumps(tools)
    pool = load(tmp_path, gzip.compress(text.encode(), mtime=0)[:-cut], "pool.json.gz")
    assert 250 < len(pool) <= 300
    assert "damaged_file" in errors(pool)
    assert any("truncated gzip" in issue.found for issue in pool.issues)


@pytest.mark.parametrize("first", [b'{"server": "a", "to', b"\xff\xfe\xfd", b"[1, 2", b"7", b"not JSON at all"])
def test_one_broken_line_of_two(first: bytes, tmp_path: Path) -> None:
    good = json.dumps({"server": "b", "tools": [tool("x")]}).encode()
    for lines in ((first, good), (good, first)):
        pool = load(tmp_path, b"\n".join(lines), "pool.jsonl")
        assert kept(pool) == ["x"]
        assert len(errors(pool)) == 1


def test_a_value_too_deep_costs_its_own_tool(tmp_path: Path) -> None:
    for inner in ('{"type":"object","properties":{"a":', '{"anyOf":[', '{"type":"array","items":'):
        closing = "".join({"{": "}", "[": "]"}[letter] for letter in reversed(inner) if letter in "{[")
        deep = inner * 10_000 + "{}" + closing * 10_000
        text = f'{{"tools":[{json.dumps(tool("a"))},{{"name":"deep","inputSchema":{deep}}},{json.dumps(tool("c"))}]}}'
        pool = load(tmp_path, text)
        assert {"a", "c"} <= set(kept(pool))
        assert any("deeper than 150" in issue.found for issue in pool.issues)
        assert "deep" not in kept(pool) or any(i.tool == "deep" and i.severity == "fixed" for i in pool.issues)


def test_bytes_of_other_encodings(tmp_path: Path) -> None:
    latin = load(tmp_path, WHOLE.encode().replace(b"Works", b"Caf\xe9", 1))
    assert kept(latin) == ["a", "b", "c"]
    assert [(i.severity, i.code) for i in latin.issues] == [("fixed", "encoding")]
    assert kept(load(tmp_path, WHOLE.encode("utf-16"))) == ["a", "b", "c"]
    assert kept(load(tmp_path, WHOLE.replace("{", "\n{").encode("utf-16-be").join([b"\xfe\xff", b""]))) == [
        "a",
        "b",
        "c",
    ]


def test_numbers_that_json_cannot_hold_cost_their_keyword(tmp_path: Path) -> None:
    schema = '{"type":"object","properties":{"x":{"type":"number","default":NaN,"maximum":1e999,"minimum":2}}}'
    text = f'{{"score": Infinity, "tools":[{{"name":"a","inputSchema":{schema},"outputSchema":{schema}}}]}}'
    pool = load(tmp_path, text)
    (found,) = pool.tools.values()
    assert found.parameters["x"] == {"type": "number", "minimum": 2}
    assert {issue.code for issue in pool.issues if issue.severity == "fixed"} == {
        "input_schema_fixed", "output_schema_fixed"}  # fmt: skip
    assert "NaN" in next(issue.found for issue in pool.issues if issue.code == "input_schema_fixed")


@given(st.integers(0, len(WHOLE)))
def test_a_cut_anywhere_never_makes_half_a_tool(cut: int) -> None:
    rescued = salvage(WHOLE[:cut], None)
    if rescued is not None:
        tools = rescued.value.get("tools", [])
        assert tools == json.loads(WHOLE)["tools"][: len(tools)]
