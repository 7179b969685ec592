"""What makes reading fast and memory flat: formats ruled out by keys, short ways that change nothing, open sessions."""

from __future__ import annotations

import json
import random
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from tdlab.formats import FORMATS, LineProblem, Recording, _literal, _spool, iter_trajectories
from tdlab.formats._definitions import definitions_in
from tests.benchmarks.recordings import DOCUMENTS, LINES, SESSIONS

CASES = Path(__file__).parents[1] / "cases"


def values() -> list[dict[str, Any]]:
    """Return objects of every format: made ones, and the lines and documents of the cases."""
    rng = random.Random(0)
    made = [make(rng) for make in (*LINES.values(), *DOCUMENTS.values())]
    events = [event for make in SESSIONS.values() for event in make(rng)[:12]]
    read: list[Any] = []
    for path in sorted(CASES.glob("T*.json*")):
        text = path.read_text(errors="replace") if path.suffix != ".gz" else ""
        for part in (text, *text.splitlines()):
            try:
                read.append(json.loads(part))
            except ValueError:
                continue
    return [value for value in (*made, *events, *read) if isinstance(value, dict)]


def test_an_object_without_any_of_a_format_s_keys_is_none_of_it() -> None:
    known = values()
    assert len(known) > 300
    for name, format in FORMATS.items():
        for value in known if format.keys else ():
            if format.keys.isdisjoint(value):
                assert format.unpack(value) is None, (name, list(value))
                assert format.piece is None or not format.piece(value), (name, list(value))


@pytest.mark.parametrize(
    "text",
    [
        "f()", "a.b(x='1', y=\"2\", z=-3)", "f(x='a, b', y='(')", "f(x=1,y=2)", "f(x=1, )", "f(x=1, x=2)", "f(in=1)",
        "None()", "f(x=01)", "f(x=1.5)", "f(x='a' 'b')", "f(x='\\n')", "f('a')", "f(x=1) ", "f(x=True)", "f(é=1)",
        "f(x=1 if 1 else 2)", "f(x='\ud800')", "f(__debug__=1)", "[f(x=1), g()]", "f", "f(x=y)", "f(x=1)(y=2)",
    ],
)  # fmt: skip
def test_simple_calls_are_read_as_the_syntax_tree_says(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def outcome() -> str:
        try:
            return repr(_literal.calls_of(text))
        except ValueError as error:
            return type(error).__name__

    fast = outcome()
    monkeypatch.setattr(_literal, "_simple_call", lambda text: None)
    assert outcome() == fast


def test_definitions_that_are_equal_in_python_only_are_not_the_same() -> None:
    schemas = [{"type": "object", "properties": {"a": {"enum": [value]}}} for value in (1, True, 1.0)]
    tools = [definitions_in([{"name": "f", "parameters": schema}])[0] for schema in schemas]
    assert [repr(tool.input_schema["properties"]["a"]["enum"]) for tool in tools] == ["[1]", "[True]", "[1.0]"]
    assert definitions_in([{"name": "f", "parameters": schemas[0]}])[0] is tools[0]


@pytest.mark.parametrize("name", ["codex", "exchange-log"])
def test_sessions_of_one_file_are_not_held_together(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_spool, "_MOST_IN_MEMORY", 1 << 12)

    def peak(sessions: int) -> int:
        rng = random.Random(0)
        path = tmp_path / f"{sessions}.jsonl"
        lines = (json.dumps(event) + "\n" for _ in range(sessions) for event in SESSIONS[name](rng))
        path.write_text("".join(lines))
        tracemalloc.start()
        try:
            count = sum(isinstance(part, Recording) for part in iter_trajectories(path))
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
            assert count == sessions

    peak(2)  # what is kept once
    assert peak(40) < 1.5 * peak(4)


def test_a_broken_line_is_reported_before_the_sessions_after_it(tmp_path: Path) -> None:
    rng = random.Random(0)
    first, second = SESSIONS["codex"](rng), SESSIONS["codex"](rng)
    path = tmp_path / "log.jsonl"
    lines = [json.dumps(event) for event in first] + ["{broken"] + [json.dumps(event) for event in second]
    path.write_text("\n".join(lines))
    parts = list(iter_trajectories(path))
    assert [type(part) for part in parts] == [LineProblem, Recording, Recording]
    assert [part.line for part in parts if isinstance(part, LineProblem)] == [len(first) + 1]


def test_an_answer_in_python_syntax_is_read(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps({"query": "Where is order 7?", "tools": "[]", "answers": "[get_order(order=7)]"}))
    parts = list(iter_trajectories(path))
    assert [call.arguments for part in parts if isinstance(part, Recording) for call in part.trajectory.calls()] == [
        {"order": 7}
    ]
