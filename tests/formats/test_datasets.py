"""Exports loaded by the real `datasets`: messages, arguments and tools come out as written, without null padding."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from tdlab.formats import EXPORTS, ExportNote, export_trajectories, read_trajectories
from tdlab.records import Message, ToolCall, Trajectory
from tests.formats.conversations import DOMAINS, NAMES, TOOLS

FILES = [(name, ".jsonl") for name in EXPORTS.own] + [
    (name, ".parquet") for name in EXPORTS.own if EXPORTS[name].columns is not None
]


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return `datasets.load_dataset` for one local file, without network and with a cache of its own."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    datasets = pytest.importorskip("datasets")
    datasets.disable_progress_bars()

    def load_file(path: Path) -> Any:
        kind = "parquet" if path.suffix == ".parquet" else "json"
        return datasets.load_dataset(kind, data_files=str(path), split="train", cache_dir=str(tmp_path / "cache"))

    return load_file


ARGUMENTS: tuple[dict[str, Any], ...] = (
    {"order_id": "A"},
    {"order_id": None},
    {},
    {"deep": {"x": [1, "2", None, {"y": 1.25}]}, "list": [], "object": {}},
    {"text": '{"a": 1}', "number": "5", "null": "null", "empty": "", "date": "2026-01-01"},
    {"ü": "\u2028 \x00 \U0001f600", "flag": True, "big": 2**63, "small": -(2**63), "float": 0.1},
)


def conversations() -> list[Trajectory]:
    """Conversations with arguments of every shape, one without calls first and one of calls alone."""
    made = [Trajectory(id="talk", messages=(Message(role="user", content="5"), Message(role="assistant")), tools=NAMES)]
    for number, arguments in enumerate(ARGUMENTS):
        calls = (
            ToolCall(id="c1", name="shop__get_order", arguments=arguments),
            ToolCall(id="c2", name="pay", arguments=ARGUMENTS[number - 1]),
        )
        messages = (
            Message(role="system", content="Rules."),
            Message(role="user", content="2026-01-01"),
            Message(role="assistant", tool_calls=calls),
            Message(role="tool", content='{"ok": null}', tool_call_id="c1"),
            Message(role="tool", content="", tool_call_id="c2"),
            Message(role="assistant", content="Done."),
        )
        made.append(Trajectory(id=f"t{number}", messages=messages, tools=NAMES if number else {}))
    calls_alone = Message(role="assistant", tool_calls=(ToolCall(id="c1", name="pay", arguments={"only": 1}),))
    return [*made, Trajectory(id="calls", messages=(calls_alone,))]


def raw_rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def raw_parquet(path: Path) -> list[dict[str, Any]]:
    rows = pq.read_table(path).to_pylist()
    return [{**row, "messages": [json.loads(message) for message in row["messages"]]} for row in rows]


@pytest.mark.parametrize(("format", "suffix"), FILES)
def test_rows_come_out_as_they_were_written(load: Any, tmp_path: Path, format: str, suffix: str) -> None:
    tools = TOOLS if format != "atif" else {**TOOLS, "bank/pay": TOOLS["shop/eu/get_order"]}
    export_trajectories(conversations(), tools, tmp_path / f"x{suffix}", format=format, services=DOMAINS)
    export_trajectories(conversations(), tools, tmp_path / "plain.jsonl", format=format, services=DOMAINS)
    loaded = [dict(row) for row in load(tmp_path / f"x{suffix}")]
    written = raw_rows(tmp_path / "plain.jsonl")
    if format == "openai" and suffix == ".parquet":
        written = [{**row, "tools": json.loads(row["tools"])} for row in raw_parquet(tmp_path / "x.parquet")]
        loaded = [{**row, "tools": json.loads(row["tools"])} for row in loaded]
    maximum = TOOLS["bank/pay"].input_schema["properties"]["amount"]["maximum"]
    assert maximum > 2**64, "the case that makes datasets pad a whole file"
    assert len(loaded) == len(written)
    for row, expected in zip(loaded, written, strict=True):
        assert row == expected


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
def test_arguments_and_tools_of_trl_survive(load: Any, tmp_path: Path, suffix: str) -> None:
    export_trajectories(conversations(), TOOLS, tmp_path / f"x{suffix}")
    loaded = load(tmp_path / f"x{suffix}")
    for row, trajectory in zip(loaded, conversations(), strict=True):
        calls = [call["function"] for message in row["messages"] for call in message.get("tool_calls", [])]
        assert [(call["name"], call["arguments"]) for call in calls] == [
            (call.name, call.arguments) for call in trajectory.calls()
        ]
        assert all(
            set(message) <= {"role", "content", "tool_calls", "tool_call_id", "name"} for message in row["messages"]
        )
        for definition in json.loads(row["tools"]):
            assert definition["function"]["parameters"] == TOOLS[NAMES[definition["function"]["name"]]].input_schema
    mapped = loaded.map(lambda row: {"calls": sum(len(m.get("tool_calls", [])) for m in row["messages"])})
    assert [row["messages"] for row in mapped] == [row["messages"] for row in loaded], "a map pads nothing"


def test_numbers_that_datasets_rounds_are_noted(load: Any, tmp_path: Path) -> None:
    """In JSONL it keeps 10 decimals of a float; an integer of 65 bits would pad the whole file with nulls."""
    numbers = {
        "long": 0.12345678912345,
        "tiny": 1e-12,
        "fine": -122.4194,
        "huge": 1e200,
        "large": 1.23456789012345e20,
        "integer": 2**64,
    }
    call = Message(role="assistant", tool_calls=(ToolCall(id="c1", name="pay", arguments=numbers),))
    made = [t.model_copy(update={"messages": (*t.messages, call)}) for t in conversations()[1:2]]
    noted: dict[str, set[str]] = {".jsonl": set(), ".parquet": set()}
    for suffix, seen in noted.items():

        def take(note: ExportNote, seen: set[str] = seen) -> None:
            if note.kind == "numbers":
                seen.add(note.text.split(":")[0].split(" is ")[0])

        export_trajectories(made, TOOLS, tmp_path / f"x{suffix}", on_note=take)
    assert noted == {
        ".jsonl": {"0.12345678912345", "1e-12", "1.23456789012345e+20", str(2**64)},
        ".parquet": {str(2**64)},
    }
    exact = load(tmp_path / "x.parquet")[0]["messages"][-1]["tool_calls"][0]["function"]["arguments"]
    assert exact == {**numbers, "integer": str(2**64)}
    rounded = load(tmp_path / "x.jsonl")[0]["messages"][-1]["tool_calls"][0]["function"]["arguments"]
    assert rounded == {
        **exact,
        "long": round(0.12345678912345, 10),
        "tiny": 0.0,
        "large": pytest.approx(1.234567890e20, rel=1e-15),
    }, "datasets rounds no more: drop the note"


def test_calls_after_ten_megabytes_of_talk_are_noted(load: Any, tmp_path: Path) -> None:
    """`datasets` looks for columns of mixed shapes in the first 10 MB of JSONL only; Parquet says its types itself."""
    talk = [Trajectory(id=f"t{n}", messages=(Message(role="user", content="x" * 50_000),)) for n in range(220)]
    call = ToolCall(id="c", name="pay", arguments={"a": 1})
    late = Trajectory(id="late", messages=(Message(role="user"), Message(role="assistant", tool_calls=(call,))))
    kinds = {}
    for name, rows in (("late.jsonl", [*talk, late]), ("early.jsonl", [late, *talk]), ("late.parquet", [*talk, late])):
        report = export_trajectories(rows, {}, tmp_path / name)
        kinds[name] = "late_shapes" in {count.kind for count in report.notes}
    assert kinds == {"late.jsonl": True, "early.jsonl": False, "late.parquet": False}
    with pytest.raises(Exception, match="generating the dataset"):
        load(tmp_path / "late.jsonl")
    for name, place in (("early.jsonl", 0), ("late.parquet", -1)):
        assert load(tmp_path / name)[place]["messages"][1]["tool_calls"][0]["function"]["arguments"] == {"a": 1}


@pytest.mark.slow
@pytest.mark.parametrize(("format", "suffix"), FILES)
def test_recorded_trajectories_come_out_as_they_were_written(
    load: Any, shared: Path, tmp_path: Path, format: str, suffix: str
) -> None:
    for folder in sorted((shared / "data" / "trajectories").iterdir()):
        recorded = read_trajectories(folder)
        numbers: dict[str, None] = {}
        export_trajectories(recorded.trajectories, recorded.tools, tmp_path / "plain.jsonl", format=format)
        export_trajectories(
            recorded.trajectories, recorded.tools, tmp_path / f"{folder.name}{suffix}", format=format,
            on_note=lambda note, seen=numbers: seen.setdefault(note.trajectory) if note.kind == "numbers" else None,
        )  # fmt: skip
        identities = [
            row.get("id", row.get("uuid", row.get("trajectory_id"))) for row in raw_rows(tmp_path / "plain.jsonl")
        ]
        loaded = load(tmp_path / f"{folder.name}{suffix}")
        for identity, row, expected in zip(identities, loaded, raw_rows(tmp_path / "plain.jsonl"), strict=True):
            if format == "openai" and suffix == ".parquet":
                row = {**row, "tools": json.loads(row["tools"])}
            if identity not in numbers:
                assert row == expected, f"{folder.name}, {identity}"
