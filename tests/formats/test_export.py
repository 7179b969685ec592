"""Exports: what is not noted as lost reads back, files are complete and repeatable, and every loss is a record."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tdlab.errors import FormatError, StoreError
from tdlab.formats import (
    EXPORTS,
    NOTE_KINDS,
    Exporter,
    ExportNote,
    TrajectorySet,
    export_trajectories,
    read_trajectories,
)
from tdlab.records import Execution, Message, Tool, ToolCall, Trajectory
from tests.formats.conversations import DOMAINS, NAMES, TOOLS, comparable, trajectories

FILES = [(name, ".jsonl") for name in EXPORTS.own] + [
    (name, ".parquet") for name in EXPORTS.own if EXPORTS[name].columns is not None
]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("exported")


def noted(notes: list[ExportNote]) -> dict[str, set[str]]:
    kinds: dict[str, set[str]] = defaultdict(set)
    for note in notes:
        assert note.kind in NOTE_KINDS, f"{note} is of no known kind"
        kinds[note.trajectory].add(note.kind)
    return kinds


def round_trip(
    originals: list[Trajectory], tools: dict[str, Tool], format: str, path: Path, **options: Any
) -> tuple[dict[str, set[str]], TrajectorySet]:
    notes: list[ExportNote] = []
    report = export_trajectories(originals, tools, path, format=format, on_note=notes.append, **options)
    assert report.trajectories + report.left_out == len(originals)
    assert sum(count.notes for count in report.notes) == len(notes)
    return noted(notes), read_trajectories(path)


@pytest.mark.parametrize(("format", "suffix"), FILES)
@settings(max_examples=40)
@given(st.lists(trajectories(), min_size=1, max_size=3, unique_by=lambda t: t.id))
def test_what_is_not_noted_reads_back(place: Path, format: str, suffix: str, originals: list[Trajectory]) -> None:
    if format in ("trl", "openai", "atif"):
        originals = [t for t in originals if not any("<" in m.content for m in t.messages)]
    kinds, back = {}, None
    path = place / f"{format}{suffix}"
    notes: list[ExportNote] = []
    export_trajectories(originals, TOOLS, path, format=format, services=DOMAINS, on_note=notes.append)
    kinds = noted(notes)
    left = [t for t in originals if "left_out" not in kinds[t.id]]
    if not left:
        return
    back = read_trajectories(path)
    assert not [p for p in back.problems if p.severity != "noted"], "what was written cannot be read"
    assert len(back.trajectories) == len(left)
    for before, after in zip(left, back.trajectories, strict=True):
        assert comparable(after, format, kinds[before.id], original=False) == comparable(
            before, format, kinds[before.id], original=True
        ), f"{format} lost something of this without a note; it noted {sorted(kinds[before.id])}"


@pytest.mark.parametrize(("format", "suffix"), FILES)
def test_the_same_trajectories_give_the_same_bytes(tmp_path: Path, format: str, suffix: str) -> None:
    other = {name: NAMES[name] for name in reversed(NAMES)}
    for name, names in (("a", NAMES), ("b", other)):
        export_trajectories(
            [SAMPLE.model_copy(update={"tools": names})], dict(reversed(TOOLS.items())) if name == "b" else TOOLS,
            tmp_path / f"{name}{suffix}", format=format, services=DOMAINS,
        )  # fmt: skip
    assert (tmp_path / f"a{suffix}").read_bytes() == (tmp_path / f"b{suffix}").read_bytes()


SAMPLE = Trajectory(
    id="t1",
    messages=(
        Message(role="system", content="Be brief."),
        Message(role="user", content="Where are A and B?"),
        Message(
            role="assistant",
            content="I look.",
            reasoning="Two orders.",
            tool_calls=(
                ToolCall(id="c1", name="shop__get_order", arguments={"order_id": "A", "deep": {"x": [None, 1.5]}}),
                ToolCall(id="c2", name="shop__get_order", arguments={"order_id": None}),
            ),
        ),
        Message(role="tool", content="sent", tool_call_id="c1"),
        Message(role="tool", content="refused", tool_call_id="c2", is_error=True),
        Message(role="assistant", content="A was sent."),
    ),
    tools=NAMES,
    executions=(
        Execution(call_id="c1", tool="x", executor="simulated:world", ok=True, arguments_sha256="", result_sha256=""),
    ),
)


def rows(format: str, path: Path, **options: Any) -> list[dict[str, Any]]:
    export_trajectories([SAMPLE], TOOLS, path, format=format, **options)
    return lines(path)


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def test_trl_has_objects_as_arguments_and_tools_as_text(tmp_path: Path) -> None:
    (row,) = rows("trl", tmp_path / "x.jsonl")
    assert list(row) == ["id", "messages", "tools"]
    call = row["messages"][2]["tool_calls"][0]
    assert call == {
        "id": "call00001",
        "type": "function",
        "function": {"name": "shop__get_order", "arguments": {"order_id": "A", "deep": {"x": [None, 1.5]}}},
    }
    assert row["messages"][2]["reasoning_content"] == "Two orders."
    assert row["messages"][3] == {
        "role": "tool",
        "content": "sent",
        "tool_call_id": "call00001",
        "name": "shop__get_order",
    }
    assert [tool["function"]["name"] for tool in json.loads(row["tools"])] == ["odd.name-1/ü", "pay", "shop__get_order"]


def test_openai_has_text_as_arguments(tmp_path: Path) -> None:
    (row,) = rows("openai", tmp_path / "x.jsonl")
    assert row["messages"][2]["tool_calls"][1]["function"]["arguments"] == '{"order_id":null}'
    assert isinstance(row["tools"], list)


def test_shapes_of_the_rows_of_other_trainers(tmp_path: Path) -> None:
    call = '{"name": "shop__get_order", "arguments": {"deep": {"x": [null, 1.5]}, "order_id": "A"}}'
    second = '{"name": "shop__get_order", "arguments": {"order_id": null}}'
    (row,) = rows("sharegpt", tmp_path / "x.jsonl")
    assert [(turn["from"], turn["value"]) for turn in row["conversations"]] == [
        ("system", "Be brief."), ("human", "Where are A and B?"), ("gpt", "I look."), ("function_call", call),
        ("function_call", second), ("observation", "sent"), ("observation", "refused"), ("gpt", "A was sent."),
    ]  # fmt: skip
    (row,) = rows("llama-factory", tmp_path / "x.jsonl")
    assert row["system"] == "Be brief."
    assert [(turn["from"], turn["value"]) for turn in row["conversations"]] == [
        ("human", "Where are A and B?"), ("function_call", f"[{call}, {second}]"),
        ("observation", "sent\n</tool_response>\n<tool_response>\nrefused"), ("gpt", "A was sent."),
    ]  # fmt: skip
    (row,) = rows("ms-swift", tmp_path / "x.jsonl")
    assert [turn["role"] for turn in row["messages"]] == [
        "system", "user", "assistant", "tool_call", "tool_call", "tool_response", "tool_response", "assistant",
    ]  # fmt: skip
    assert row["messages"][2]["content"] == "<think>\nTwo orders.\n</think>\n\nI look."
    (row,) = rows("toucan", tmp_path / "x.jsonl")
    assert json.loads(row["messages"])[3]["function_call"] == {
        "name": "shop__get_order", "arguments": '{"order_id":null}',
    }  # fmt: skip
    (row,) = rows("qwen", tmp_path / "x.jsonl")
    assert row["messages"][2]["content"].endswith(
        f"I look.\n<tool_call>\n{call}\n</tool_call>\n<tool_call>\n{second}\n</tool_call>"
    )
    assert row["messages"][3] == {
        "role": "user",
        "content": "<tool_response>\nsent\n</tool_response>\n<tool_response>\nrefused\n</tool_response>",
    }
    (row,) = rows("hermes", tmp_path / "x.jsonl")
    assert [turn["from"] for turn in row["conversations"]] == ["system", "human", "gpt", "tool", "gpt"]


@pytest.mark.parametrize("first", ["assistant", "user"])
def test_rows_of_llama_factory_take_turns(tmp_path: Path, first: str) -> None:
    """It skips a row unless human and observation stand at even places and the last turn is gpt or a call."""
    messages = [
        Message(role=first, content="Hello"),
        Message(role="user", content="Again"),
        *SAMPLE.messages[2:5],
        Message(role="user", content="And?"),
        *SAMPLE.messages[5:],
        SAMPLE.messages[2].model_copy(update={"content": ""}),
        Message(role="user", content="Bye"),
    ]
    odd = SAMPLE.model_copy(update={"messages": tuple(messages)})
    notes: list[ExportNote] = []
    export_trajectories([odd], TOOLS, tmp_path / "x.jsonl", format="llama-factory", on_note=notes.append)
    (row,) = lines(tmp_path / "x.jsonl")
    sides = [turn["from"] in ("human", "observation") for turn in row["conversations"]]
    assert sides == [index % 2 == 0 for index in range(len(sides))]
    assert len(sides) % 2 == 0
    assert len([note for note in notes if note.kind == "turns"]) >= 2, "joined and cut turns are noted"
    talk = Trajectory(id="t", messages=(Message(role="user", content="Hello?"),))
    report = export_trajectories([talk], {}, tmp_path / "x.jsonl", format="llama-factory")
    assert (report.trajectories, report.left_out) == (0, 1)
    assert "left_out" in {count.kind for count in report.notes}


@pytest.mark.slow
def test_rows_of_llama_factory_keep_every_text_that_is_not_noted(shared: Path, tmp_path: Path) -> None:
    """Its turns are joined, so the texts are looked for in them: all but those beside calls, and the last questions."""
    checked = 0
    for folder in sorted((shared / "data" / "trajectories").iterdir()):
        recorded = read_trajectories(folder)
        notes: list[ExportNote] = []
        export_trajectories(
            recorded.trajectories, recorded.tools, tmp_path / "x.jsonl", format="llama-factory", on_note=notes.append
        )
        beside = {(note.trajectory, note.where) for note in notes if note.kind == "text_beside_calls"}
        by_id = {row["id"]: row for row in lines(tmp_path / "x.jsonl")}
        for trajectory in recorded.trajectories:
            row = by_id[trajectory.id]
            text = "\n".join([row["system"], *(turn["value"] for turn in row["conversations"])])
            last = max(n for n, message in enumerate(trajectory.messages) if message.role == "assistant")
            for index, message in enumerate(trajectory.messages):
                cut = index > last or any(
                    (trajectory.id, f"message {n}") in beside for n in (index, index + 1) if message.role == "assistant"
                )
                assert cut or message.content in text, f"{trajectory.id}, message {index}"
                checked += not cut
    assert checked > 5_000


def test_an_integer_of_more_than_64_bits_does_not_spoil_the_file(tmp_path: Path) -> None:
    big = SAMPLE.messages[2].tool_calls[0].model_copy(update={"arguments": {"n": 2**70, "low": -(2**63), "f": 1e-12}})
    odd = SAMPLE.model_copy(update={"messages": (Message(role="assistant", tool_calls=(big,)),)})
    notes: list[ExportNote] = []
    export_trajectories([odd], TOOLS, tmp_path / "x.jsonl", on_note=notes.append)
    (row,) = lines(tmp_path / "x.jsonl")
    assert row["messages"][0]["tool_calls"][0]["function"]["arguments"] == {
        "f": 1e-12, "low": -(2**63), "n": str(2**70),
    }  # fmt: skip
    assert len([note for note in notes if note.kind == "numbers"]) == 2


def test_facts_about_tools_are_noted_once(tmp_path: Path) -> None:
    notes: list[ExportNote] = []
    several = [SAMPLE.model_copy(update={"id": str(number)}) for number in range(5)]
    report = export_trajectories(several, TOOLS, tmp_path / "x.jsonl", format="sharegpt", on_note=notes.append)
    kinds = {count.kind: (count.notes, count.trajectories) for count in report.notes}
    assert kinds["receipts"] == (5, 5)
    assert kinds["annotations"] == (1, 0)
    assert kinds["undefined_tools"] == (1, 0)
    assert kinds["services"] == (2, 0), "shop/eu, which the name does not say, and bank"
    assert kinds["error_flags"] == (5, 5)
    assert kinds["text_beside_calls"] == (5, 5)


def test_an_unknown_format_says_which_there_are(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="trl"):
        export_trajectories([SAMPLE], TOOLS, tmp_path / "x.jsonl", format="trll")
    with pytest.raises(FormatError, match="columns"):
        export_trajectories([SAMPLE], TOOLS, tmp_path / "x.parquet", format="atif")
    with pytest.raises(StoreError, match="not open"):
        Exporter(tmp_path / "x.jsonl").add(SAMPLE, TOOLS)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize(("format", "suffix"), FILES)
def test_recorded_trajectories_read_back(shared: Path, tmp_path: Path, format: str, suffix: str) -> None:
    checked = 0
    for folder in sorted((shared / "data" / "trajectories").iterdir()):
        recorded = read_trajectories(folder)
        kinds, back = round_trip(
            list(recorded.trajectories), recorded.tools, format, tmp_path / f"x{suffix}", services=recorded.domains
        )
        left = [t for t in recorded.trajectories if "left_out" not in kinds[t.id]]
        assert len(left) == len(back.trajectories)
        for before, after in zip(left, back.trajectories, strict=True):
            assert comparable(after, format, kinds[before.id], original=False) == comparable(
                before, format, kinds[before.id], original=True
            ), f"{folder.name}, {before.id}: {format} lost something; it noted {sorted(kinds[before.id])}"
            checked += 1
    assert checked > 500
