"""OpenAI's and TRL's files: one reads back as it was written, with all its notes, and is complete or absent."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tdlab.errors import StoreError
from tdlab.formats import export_trajectories, openai_record, read_trajectories
from tdlab.records import Annotations, Message, Tool, ToolCall, Trajectory

TOOLS = {
    tool.key: tool
    for tool in (
        Tool(
            service="shop/eu",
            name="get_order",
            description="Read an order.",
            input_schema={"type": "object", "properties": {"order_id": {"type": "string"}}, "required": ["order_id"]},
            annotations=Annotations(read_only=True, destructive=False),
        ),
        Tool(service="bank", name="pay", input_schema={"type": "object"}),
    )
}
NAMES = {"shop__get_order": "shop/eu/get_order", "pay": "bank/pay", "invented": "nowhere/invented"}
DOMAINS = {"shop/eu": {"ecommerce": 1.0}, "bank": {"payments": 0.5, "travel": 0.5}, "unused": {"x": 1.0}}

Writer = Callable[..., Path]
"""Takes trajectories, tools, a path without its suffix and options; returns the file."""


def writer(format: str, suffix: str) -> Writer:
    def write(trajectories: list[Trajectory], tools: dict[str, Tool], path: Path, **options: Any) -> Path:
        file = path.with_suffix(suffix)
        report = export_trajectories(trajectories, tools, file, format=format, **options)
        assert report.trajectories == len(trajectories)
        return file

    return write


KINDS = [(format, suffix) for format in ("openai", "trl") for suffix in (".jsonl", ".parquet")]
WRITERS = pytest.mark.parametrize("write", [writer(*kind) for kind in KINDS], ids=["".join(kind) for kind in KINDS])

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3), max_leaves=6
)


@st.composite
def trajectories(draw: st.DrawFn) -> Trajectory:
    messages: list[Message] = []
    number = 0
    for _ in range(draw(st.integers(1, 4))):
        kind = draw(st.sampled_from(["system", "user", "assistant", "calls"]))
        if kind != "calls":
            messages.append(Message(role=kind, content=draw(texts)))
            continue
        calls = []
        for _ in range(draw(st.integers(1, 3))):
            number += 1
            arguments = draw(st.dictionaries(texts, values, max_size=3))
            calls.append(ToolCall(id=f"c{number}", name=draw(st.sampled_from(sorted(NAMES))), arguments=arguments))
        messages.append(Message(role="assistant", content=draw(texts), tool_calls=tuple(calls)))
        for call in calls:
            messages.append(
                Message(role="tool", content=draw(texts), tool_call_id=call.id, is_error=draw(st.booleans()))
            )
    return Trajectory(id=draw(texts.filter(bool)), messages=tuple(messages), tools=NAMES)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("written")


@WRITERS
@settings(max_examples=30)
@given(st.lists(trajectories(), min_size=1, max_size=3, unique_by=lambda t: t.id))
def test_what_is_written_is_what_is_read(place: Path, write: Writer, trajectories: list[Trajectory]) -> None:
    first = write(trajectories, TOOLS, place / "a", services=DOMAINS)
    found = read_trajectories(first)
    assert list(found.trajectories) == trajectories
    assert found.problems == ()
    assert found.tools == TOOLS
    assert found.domains == {"bank": DOMAINS["bank"], "nowhere": {"nowhere": 1.0}, "shop/eu": DOMAINS["shop/eu"]}
    second = write(list(found.trajectories), found.tools, place / "b", services=DOMAINS)
    assert second.read_bytes() == first.read_bytes()


def sample() -> Trajectory:
    call = ToolCall(id="c1", name="shop__get_order", arguments={"order_id": "A", "a": [1, {"z": None, "b": 2.5}]})
    bad = ToolCall(id="c2", name="pay", malformed="{oops")
    return Trajectory(
        id="t1",
        messages=(
            Message(role="user", content="caf\u00e9 \U0001f600"),
            Message(role="assistant", tool_calls=(call, bad)),
            Message(role="tool", content="Error: no", tool_call_id="c1", is_error=True),
            Message(role="tool", content="paid", tool_call_id="c2"),
            Message(role="assistant", content="Done."),
        ),
        tools=NAMES,
    )


def test_the_shape_of_a_line(tmp_path: Path) -> None:
    export_trajectories([sample()], TOOLS, tmp_path / "x.jsonl", format="openai")
    (line,) = (tmp_path / "x.jsonl").read_text(encoding="utf-8").splitlines()
    value = json.loads(line)
    assert list(value) == ["id", "messages", "tools"], "nothing but OpenAI's shape unless asked"
    assert value["messages"][1] == {
        "role": "assistant",
        "content": "",
        "tool_calls": [
            {
                "id": "c1",
                "type": "function",
                "function": {"name": "shop__get_order", "arguments": '{"a":[1,{"b":2.5,"z":null}],"order_id":"A"}'},
            },
            {"id": "c2", "type": "function", "function": {"name": "pay", "arguments": "{oops"}},
        ],
    }
    assert value["messages"][2] == {"role": "tool", "content": "Error: no", "tool_call_id": "c1"}
    assert [tool["function"]["name"] for tool in value["tools"]] == ["pay", "shop__get_order"], "defined tools, by name"
    assert set(value["tools"][0]) == {"type", "function"}
    assert "caf\u00e9 \U0001f600" in line, "people can read it"


@WRITERS
def test_without_services_errors_are_recognised_by_their_text(tmp_path: Path, write: Writer) -> None:
    found = read_trajectories(write([sample()], TOOLS, tmp_path / "x"))
    assert [message.is_error for message in found.trajectories[0].messages] == [m.is_error for m in sample().messages]
    assert found.trajectories[0].tools == {"shop__get_order": "shop/get_order", "pay": "/pay"}


@WRITERS
def test_bytes_do_not_depend_on_the_order_of_keys(tmp_path: Path, write: Writer) -> None:
    talk = sample()
    call = talk.messages[1].tool_calls[0]
    turned = call.model_copy(update={"arguments": dict(reversed(call.arguments.items()))})
    other = talk.model_copy(
        update={
            "messages": (
                talk.messages[0],
                talk.messages[1].model_copy(update={"tool_calls": (turned, talk.messages[1].tool_calls[1])}),
                *talk.messages[2:],
            ),
            "tools": dict(reversed(NAMES.items())),
        }
    )
    services = dict(reversed(DOMAINS.items()))
    first = write([talk], TOOLS, tmp_path / "a", services=DOMAINS)
    second = write([other], dict(reversed(TOOLS.items())), tmp_path / "b", services=services)
    assert first.read_bytes() == second.read_bytes()


@WRITERS
def test_half_surrogates_become_replacement_characters(tmp_path: Path, write: Writer) -> None:
    talk = Trajectory(
        id="t",
        messages=(
            Message(role="user", content="a\ud800b\ud83d\ude00"),
            Message(role="assistant", tool_calls=(ToolCall(id="1", name="pay", arguments={"\udc00": "\ud800"}),)),
        ),
        tools=NAMES,
    )
    (found,) = read_trajectories(write([talk], TOOLS, tmp_path / "x")).trajectories
    assert found.messages[0].content == "a\ufffdb\U0001f600", "a pair in two halves is one character"
    assert next(iter(found.calls())).arguments == {"\ufffd": "\ufffd"}


@WRITERS
def test_nothing_is_left_behind_when_a_trajectory_cannot_be_written(tmp_path: Path, write: Writer) -> None:
    file = write([sample()], TOOLS, tmp_path / "x")
    old = file.read_bytes()
    call = ToolCall(id="1", name="pay", arguments={"a": float("nan")})
    broken = Trajectory(id="odd", messages=(Message(role="assistant", tool_calls=(call,)),))
    with pytest.raises(StoreError, match="trajectory odd"):
        write([sample(), broken], TOOLS, tmp_path / "x")
    assert file.read_bytes() == old
    assert list(tmp_path.iterdir()) == [file]


@WRITERS
def test_a_place_that_cannot_be_written(tmp_path: Path, write: Writer) -> None:
    with pytest.raises(StoreError):
        write([sample()], TOOLS, tmp_path / "no" / "such" / "folder" / "x")


@WRITERS
def test_an_empty_set_is_an_empty_file_of_its_kind(tmp_path: Path, write: Writer) -> None:
    assert write([], TOOLS, tmp_path / "x").exists()


def test_many_row_groups(tmp_path: Path) -> None:
    talk = [sample().model_copy(update={"id": f"t{n}"}) for n in range(2500)]
    assert export_trajectories(iter(talk), TOOLS, tmp_path / "x.parquet").trajectories == 2500
    assert [t.id for t in read_trajectories(tmp_path / "x.parquet").trajectories] == [t.id for t in talk]


def test_the_extra_key_of_foreign_files_is_not_trusted(tmp_path: Path) -> None:
    record: dict[str, Any] = openai_record(sample(), TOOLS)
    for extra in (
        7, "{", "[]", '{"tools": 1, "domains": 2, "errors": 3}', '{"tools": {"pay": 1}, "domains": {"a": [1]}}',
        '{"tools": {"pay": {"key": "/", "annotations": {"read_only": "maybe", "x": 1}}}}',
        '{"domains": {"bank": {"a": 1e300, "b": -1, "c": "x"}}, "errors": [1, null]}',
    ):  # fmt: skip
        (tmp_path / "x").write_text(json.dumps({**record, "tdlab": extra}))
        assert len(read_trajectories(tmp_path / "x").trajectories) == 1
