"""Writing trajectories: a file reads back as it was written, has the same bytes each time, is complete or absent."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tdlab.errors import StoreError
from tdlab.formats import openai_record, read_trajectories, write_openai_jsonl, write_parquet
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

Writer = Callable[..., int]
WRITERS = pytest.mark.parametrize("write", [write_openai_jsonl, write_parquet], ids=["jsonl", "parquet"])

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
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
    assert write(trajectories, TOOLS, place / "a", services=DOMAINS) == len(trajectories)
    found = read_trajectories(place / "a")
    assert list(found.trajectories) == trajectories
    assert found.problems == ()
    assert found.tools == TOOLS
    assert found.domains == {"bank": DOMAINS["bank"], "nowhere": {"nowhere": 1.0}, "shop/eu": DOMAINS["shop/eu"]}
    first = (place / "a").read_bytes()
    write(list(found.trajectories), found.tools, place / "b", services=DOMAINS)
    assert (place / "b").read_bytes() == first


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
    write_openai_jsonl([sample()], TOOLS, tmp_path / "x.jsonl")
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
    write([sample()], TOOLS, tmp_path / "x")
    found = read_trajectories(tmp_path / "x")
    assert found.trajectories[0].messages == sample().messages
    assert found.trajectories[0].tools == {"shop__get_order": "shop/get_order", "pay": "/pay"}


@WRITERS
def test_bytes_do_not_depend_on_the_order_of_keys(tmp_path: Path, write: Writer) -> None:
    told = sample()
    call = told.messages[1].tool_calls[0]
    turned = call.model_copy(update={"arguments": dict(reversed(call.arguments.items()))})
    other = told.model_copy(
        update={
            "messages": (
                told.messages[0],
                told.messages[1].model_copy(update={"tool_calls": (turned, told.messages[1].tool_calls[1])}),
                *told.messages[2:],
            ),
            "tools": dict(reversed(NAMES.items())),
        }
    )
    services = dict(reversed(DOMAINS.items()))
    write([told], TOOLS, tmp_path / "a", services=DOMAINS)
    write([other], dict(reversed(TOOLS.items())), tmp_path / "b", services=services)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_half_surrogates_are_written_as_what_each_format_can_hold(tmp_path: Path) -> None:
    told = Trajectory(
        id="t",
        messages=(
            Message(role="user", content="a\ud800b"),
            Message(role="assistant", tool_calls=(ToolCall(id="1", name="pay", arguments={"\udc00": "\ud800"}),)),
        ),
        tools=NAMES,
    )
    for name, write in (("x.jsonl", write_openai_jsonl), ("x.parquet", write_parquet)):
        write([told], TOOLS, tmp_path / name)
        (found,) = read_trajectories(tmp_path / name).trajectories
        assert "\ud800" not in found.messages[0].content
        assert found.messages[0].content.startswith("a\ufffd")
        assert next(iter(found.calls())).malformed is None
    assert "a\\ud800b" in (tmp_path / "x.jsonl").read_text(encoding="utf-8")


@WRITERS
def test_nothing_is_left_behind_when_a_trajectory_cannot_be_written(tmp_path: Path, write: Writer) -> None:
    (tmp_path / "x").write_text("old")
    call = ToolCall(id="1", name="pay", arguments={"a": float("nan")})
    broken = Trajectory(id="odd", messages=(Message(role="assistant", tool_calls=(call,)),))
    with pytest.raises(StoreError, match="trajectory odd"):
        write([sample(), broken], TOOLS, tmp_path / "x")
    assert (tmp_path / "x").read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["x"]


@WRITERS
def test_a_place_that_cannot_be_written(tmp_path: Path, write: Writer) -> None:
    with pytest.raises(StoreError):
        write([sample()], TOOLS, tmp_path / "no" / "such" / "folder" / "x")


@WRITERS
def test_an_empty_set_is_an_empty_file_of_its_kind(tmp_path: Path, write: Writer) -> None:
    assert write([], TOOLS, tmp_path / "x") == 0
    assert (tmp_path / "x").exists()


def test_many_row_groups(tmp_path: Path) -> None:
    told = [sample().model_copy(update={"id": f"t{n}"}) for n in range(2500)]
    assert write_parquet(iter(told), TOOLS, tmp_path / "x") == 2500
    assert [t.id for t in read_trajectories(tmp_path / "x").trajectories] == [t.id for t in told]


def test_the_extra_key_of_foreign_files_is_not_trusted(tmp_path: Path) -> None:
    record: dict[str, Any] = openai_record(sample(), TOOLS)
    for extra in (
        7, "{", "[]", '{"tools": 1, "domains": 2, "errors": 3}', '{"tools": {"pay": 1}, "domains": {"a": [1]}}',
        '{"tools": {"pay": {"key": "/", "annotations": {"read_only": "maybe", "x": 1}}}}',
        '{"domains": {"bank": {"a": 1e300, "b": -1, "c": "x"}}, "errors": [1, null]}',
    ):  # fmt: skip
        (tmp_path / "x").write_text(json.dumps({**record, "tdlab": extra}))
        assert len(read_trajectories(tmp_path / "x").trajectories) == 1
