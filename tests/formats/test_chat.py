"""Chats in other layouts: ShareGPT, Hermes and Qwen tags, both forms of Toucan, TRL's columns, BFCL's calls, ATIF."""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tdlab.formats import (
    LineProblem,
    TrajectorySet,
    atif_record,
    export_trajectories,
    iter_trajectories,
    read_trajectories,
    scan_trajectories,
)
from tdlab.formats._literal import calls_of, literal
from tdlab.records import Message, Tool, ToolCall, Trajectory

WEATHER = {
    "name": "shop__get_order",
    "description": "Read.",
    "parameters": {"type": "object", "properties": {"id": {}}},
}
SHAPE = ["user", "assistant shop__get_order", "tool", "assistant"]
LISTED = json.dumps({"function": WEATHER})
SYSTEM = f"You call tools. They are within <tools></tools>:\n<tools>\n{LISTED}\n</tools>\nSay <tool_call>."
SHAREGPT = {
    "id": "s1",
    "conversations": [
        {"from": "human", "value": "Where is A-100?"},
        {"from": "function_call", "value": '{"name": "shop__get_order", "arguments": {"id": "A-100"}}'},
        {"from": "observation", "value": '{"status": "sent"}'},
        {"from": "gpt", "value": "Sent."},
    ],
    "system": "Be kind.",
    "tools": json.dumps([WEATHER]),
}
HERMES = {
    "id": "h1",
    "conversations": [
        {"from": "system", "value": SYSTEM},
        {"from": "human", "value": "Where is A-100?"},
        {
            "from": "gpt",
            "value": "Looking.\n<tool_call>\n{'arguments': {'id': 'A-100'}, 'name': 'shop__get_order'}\n</tool_call>",
        },
        {
            "from": "tool",
            "value": '<tool_response>\n{"name": "shop__get_order", "content": {"status": "sent"}}\n</tool_response>',
        },
        {"from": "gpt", "value": "Sent."},
    ],
}
QWEN = {
    "messages": [
        {"role": "system", "content": SYSTEM},
        {"role": "user", "content": "Where is A-100?"},
        {
            "role": "assistant",
            "content": '<tool_call>\n{"name": "shop__get_order", "arguments": {"id": "A-100"}}\n</tool_call>',
        },
        {"role": "user", "content": '<tool_response>\n{"status": "sent"}\n</tool_response>'},
        {"role": "assistant", "content": "Sent."},
    ]
}
CODER = json.loads(
    json.dumps(QWEN).replace(
        json.dumps('{"name": "shop__get_order", "arguments": {"id": "A-100"}}')[1:-1],
        "<function=shop__get_order>\\n<parameter=id>\\nA-100\\n</parameter>\\n</function>",
    )
)
CHATML = {
    "text": "".join(f"<|im_start|>{m['role']}\n{m['content']}<|im_end|>\n" for m in QWEN["messages"]),
    "id": "c1",
}
CALLING = {
    "role": "assistant",
    "tool_calls": [{"type": "function", "function": {"name": "shop__get_order", "arguments": {"id": "A-100"}}}],
}
TRL = {
    "prompt": [{"role": "user", "content": "Where is A-100?"}],
    "completion": [
        CALLING,
        {"role": "tool", "name": "shop__get_order", "content": '{"status": "sent"}'},
        {"role": "assistant", "content": "Sent."},
    ],
    "tools": [{"type": "function", "function": WEATHER}],
}
PREFERENCE = {"prompt": TRL["prompt"], "chosen": TRL["completion"], "rejected": [], "tools": TRL["tools"]}
TOUCAN_ROW = {
    "uuid": "t1",
    "subset_name": "single-turn-original",
    "target_tools": "get_order",
    "metadata": json.dumps({"mcp_servers": [{"server_name": "My Shop"}]}),
    "tools": json.dumps([{"type": "function", "function": {**WEATHER, "name": "my-shop-get_order"}}]),
    "messages": json.dumps(
        [
            {"role": "user", "content": "Where is A-100?"},
            {"role": "assistant", "content": "", "reasoning_content": "hm",
             "function_call": {"name": "my-shop-get_order", "arguments": '{"id": "A-100"}'}},
            {"role": "assistant", "content": "", "function_call": {"name": "my-shop-get_order", "arguments": "{}"}},
            {"role": "function", "name": "my-shop-get_order", "content": '{"status": "sent"}'},
            {"role": "function", "name": "my-shop-get_order", "content": "Error: no id"},
            {"role": "assistant", "content": "Sent."},
        ]
    ),
}  # fmt: skip
TOUCAN_TRAINING = {
    "tools": json.dumps(
        [{"function": {**WEATHER, "name": f"my-shop-{name}"}} for name in ("get_order", "list-orders")]
    ),
    "messages": [
        {"role": "user", "content": "Where is A-100?"},
        {
            "role": "tool_call",
            "content": str({"name": "my-shop-get_order", "arguments": '{"id": "A-100", "q": "it\'s"}'}),
        },
        {"role": "tool_response", "content": '{"status": "sent"}'},
        {"role": "assistant", "content": "Sent."},
    ],
}
BFCL = {
    "id": "multi_turn_base_0",
    "ground_truth": [
        ["cd(folder='document')", "mv(source='a.pdf', destination='temp')"],
        [],
        ["sort('a.pdf')", "post_tweet(content='x (y) [z]', tags=['#a', '#b'], n=-1, ok=True)"],
    ],
}
ATIF = {
    "schema_version": "ATIF-v1.5",
    "session_id": "run-7",
    "agent": {"name": "x", "version": "1", "tool_definitions": [{"type": "function", "function": WEATHER}]},
    "steps": [
        {"step_id": 1, "source": "user", "message": "Where is A-100?"},
        {
            "step_id": 2, "source": "agent", "message": "Looking.", "reasoning_content": "hm",
            "tool_calls": [
                {"tool_call_id": "c1", "function_name": "shop__get_order", "arguments": {"id": "A-100"}},
                {"tool_call_id": "c2", "function_name": "shop__get_order", "arguments": {}},
            ],
            "observation": {"results": [
                {"source_call_id": "c2", "content": "Error: no id"},
                {"source_call_id": "c1", "content": [{"type": "text", "text": "sent"}]},
            ]},
        },
        {"step_id": 3, "source": "agent", "message": "Sent."},
    ],
    "final_metrics": {"total_steps": 3},
}  # fmt: skip
ALL = {
    "sharegpt": SHAREGPT,
    "hermes": HERMES,
    "qwen": QWEN,
    "coder": CODER,
    "chatml": CHATML,
    "trl": TRL,
    "preference": PREFERENCE,
    "toucan": TOUCAN_ROW,
    "training": TOUCAN_TRAINING,
    "bfcl": BFCL,
    "atif": ATIF,
}


def put(folder: Path, content: Any, name: str = "file.json") -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return path


def only(found: TrajectorySet) -> Trajectory:
    assert len(found.trajectories) == 1, found.problems
    return found.trajectories[0]


def shape(talk: Trajectory) -> list[str]:
    return [m.role + "".join(f" {c.name}" for c in m.tool_calls) + (" !" if m.is_error else "") for m in talk.messages]


# ------------------------------------------------------------------------------------------------------------- chats


@pytest.mark.parametrize(
    ("value", "format", "front"),
    [
        (SHAREGPT, "sharegpt", ["system"]),
        (HERMES, "hermes", ["system"]),
        (QWEN, "hermes", ["system"]),
        (CODER, "hermes", ["system"]),
        (CHATML, "trl", ["system"]),
        (TRL, "trl", []),
        (PREFERENCE, "trl", []),
    ],
    ids=["sharegpt", "hermes", "qwen", "coder", "chatml", "trl", "preference"],
)
def test_one_conversation_in_seven_layouts(tmp_path: Path, value: Any, format: str, front: list[str]) -> None:
    found = read_trajectories(put(tmp_path, value))
    assert (found.format, found.problems) == (format, ())
    talk = only(found)
    assert shape(talk) == front + SHAPE
    call = next(talk.calls())
    assert (call.arguments, call.malformed) == ({"id": "A-100"}, None)
    assert json.loads(talk.results()[call.id].content) == {"status": "sent"}
    assert talk.tools == {"shop__get_order": "shop/get_order"}
    assert found.tools["shop/get_order"].parameters == {"id": {}}
    assert list(found.domains) == ["shop"]
    assert talk.messages[-1].content == "Sent."


def test_sharegpt_in_a_document_of_many_and_in_other_words(tmp_path: Path) -> None:
    other = {"conversations": [{"role": "User", "content": "hi"}, {"role": "assistant", "content": "hello"}]}
    bare = [{"from": "human", "value": "hi"}, {"from": "gpt", "value": "hello"}]
    for value in ([other, other], [other, bare]):
        assert [shape(t) for t in read_trajectories(put(tmp_path, value)).trajectories] == [["user", "assistant"]] * 2
    assert shape(only(read_trajectories(put(tmp_path, bare)))) == ["user", "assistant"]


def test_several_calls_in_tags_are_one_message_and_what_is_no_call_stays_text(tmp_path: Path) -> None:
    call = '<tool_call>{"name": "f", "arguments": {"a": 1}}</tool_call>'
    texts = [
        call + call,
        "<tool_call>not a call</tool_call> so",
        "Say <tool_call>" + '{"name": "g", "arguments": "{}"}',
    ]
    messages = [
        m for text in texts for m in ({"role": "assistant", "content": text}, {"role": "user", "content": "on"})
    ]
    talk = only(read_trajectories(put(tmp_path, {"messages": messages})))
    assert shape(talk) == ["assistant f f", "user", "assistant", "user", "assistant g", "user"]
    assert talk.messages[2].content == texts[1]
    assert len({c.id for c in talk.calls()}) == 3


def test_tags_beside_native_calls_are_only_words(tmp_path: Path) -> None:
    messages = [{**CALLING, "content": "I could say <tool_call>{}</tool_call>."}]
    found = read_trajectories(put(tmp_path, {"messages": messages}))
    assert (found.format, shape(only(found))) == ("openai", ["assistant shop__get_order"])


def test_plain_prompts_and_completions(tmp_path: Path) -> None:
    found = read_trajectories(put(tmp_path, {"prompt": "The sky is", "completion": " blue."}))
    assert (found.format, shape(only(found))) == ("trl", ["user", "assistant"])
    prompt, completion = CHATML["text"].split("<|im_start|>assistant\n", 1)
    both = {"prompt": prompt + "<|im_start|>assistant\n", "completion": completion}
    assert shape(only(read_trajectories(put(tmp_path, both)))) == ["system", *SHAPE]


# ------------------------------------------------------------------------------------------------------------ toucan


def test_toucan_as_published(tmp_path: Path) -> None:
    found = read_trajectories(put(tmp_path, TOUCAN_ROW))
    talk = only(found)
    assert (found.format, talk.id) == ("toucan", "t1")
    assert shape(talk) == ["user", "assistant my-shop-get_order my-shop-get_order", "tool", "tool !", "assistant"]
    assert talk.messages[1].tool_calls[0].arguments == {"id": "A-100"}
    assert talk.tools == {"my-shop-get_order": "My Shop/get_order"}
    assert list(found.domains) == ["My Shop"]


def test_toucan_for_training_holds_reprs_with_json_inside(tmp_path: Path) -> None:
    found = read_trajectories(put(tmp_path, TOUCAN_TRAINING))
    talk = only(found)
    assert (found.format, shape(talk)) == ("toucan", ["user", "assistant my-shop-get_order", "tool", "assistant"])
    assert talk.messages[1].tool_calls[0].arguments == {"id": "A-100", "q": "it's"}
    assert talk.tools["my-shop-list-orders"] == "my-shop/list-orders", "the service is what the names share"


@pytest.mark.parametrize("content", ["nonsense", "{'arguments': '{}'}", "__import__('os').getcwd()", "{'name': 3}", ""])
def test_toucan_calls_that_are_none_are_reported(tmp_path: Path, content: str) -> None:
    messages = [TOUCAN_TRAINING["messages"][0], {"role": "tool_call", "content": content}]
    path = put(tmp_path, "\n".join(map(json.dumps, [TOUCAN_TRAINING, {"messages": messages}])).encode())
    found = read_trajectories(path)
    assert (len(found.trajectories), [p.line for p in found.problems]) == (1, [2])


# -------------------------------------------------------------------------------------------------------------- bfcl


def test_bfcl_answers(tmp_path: Path) -> None:
    found = read_trajectories(put(tmp_path, BFCL))
    talk = only(found)
    assert (found.format, talk.id) == ("bfcl", "multi_turn_base_0")
    assert shape(talk) == ["assistant cd", "assistant mv", "assistant sort", "assistant post_tweet"]
    assert [c.arguments for c in talk.calls()] == [
        {"folder": "document"},
        {"source": "a.pdf", "destination": "temp"},
        {"arg_1": "a.pdf"},
        {"content": "x (y) [z]", "tags": ["#a", "#b"], "n": -1, "ok": True},
    ]
    assert talk.tools["cd"] == "GorillaFileSystem/cd"
    assert sorted(found.domains) == ["GorillaFileSystem", "TwitterAPI"]


def test_bfcl_with_its_questions_and_bfcl_results(tmp_path: Path) -> None:
    asked = {
        **BFCL,
        "question": [[{"role": "user", "content": "Move it."}], [], [{"role": "user", "content": "Sort."}]],
    }
    assert shape(only(read_trajectories(put(tmp_path, asked)))) == [
        "user", "assistant cd", "assistant mv", "user", "assistant sort", "assistant post_tweet",
    ]  # fmt: skip
    result = {"id": "r", "result": [[[{"cd": '{"folder": "x"}'}, {"ls": "{}"}], "Done."], ["[cd(folder='y'), ls()]"]]}
    talk = only(read_trajectories(put(tmp_path, result)))
    assert shape(talk) == ["assistant cd ls", "assistant", "assistant cd ls"]


@pytest.mark.parametrize(
    "text",
    [
        "cd(folder=open('x'))", "cd(folder=1 + 1)", "cd(*[1])", "cd(**{})", "(lambda: 1)()", "cd", "f'{x}'", "cd(x=y)",
        "__import__('os').system('true')(1)", "cd(", "", "\0", "[" * 100_000, "f(" + "-" * 100_000 + "1)",
        "f" + ".f" * 100_000,
        "f(" + "(" * 500 + ")" * 500 + ")", "f(x=" + "[" * 80 + "]" * 80 + ")", "f(x=1e999)", "f(x=b'1')", "f(x=1j)",
        "f(" + "1+" * 50_000 + "1)", "f(x=" + "9" * 10_000 + ")",
    ],
    ids=lambda text: text[:16],
)  # fmt: skip
def test_calls_are_parsed_and_never_evaluated(text: str) -> None:
    start = time.process_time()
    with pytest.raises(ValueError, match=r"\w"):
        calls_of(text)
    assert time.process_time() - start < 2


scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3), max_leaves=8
)


@given(values)
def test_a_repr_is_read_back(value: Any) -> None:
    assert literal(repr(value)) == value
    assert calls_of(f"a.f(x={value!r})") == [("a.f", {"x": value})]


# -------------------------------------------------------------------------------------------------------------- atif


def test_atif(tmp_path: Path) -> None:
    found = read_trajectories(put(tmp_path, ATIF))
    talk = only(found)
    assert (found.format, talk.id) == ("atif", "run-7")
    assert shape(talk) == ["user", "assistant shop__get_order shop__get_order", "tool !", "tool", "assistant"]
    assert talk.results()["c1"].content == "sent"
    assert talk.tools == {"shop__get_order": "shop/get_order"}
    assert "hm" not in [m.content for m in talk.messages], "what was thought was not said"


def test_atif_with_subagents_and_without_a_version(tmp_path: Path) -> None:
    inner = {**ATIF, "trajectory_id": "inner"}
    nested = {**ATIF, "trajectory_id": "outer", "subagent_trajectories": [{**inner, "subagent_trajectories": [inner]}]}
    found = read_trajectories(put(tmp_path, nested))
    assert [t.id for t in found.trajectories] == ["outer", "inner", "inner#2"]
    old = {key: value for key, value in ATIF.items() if key != "schema_version"}
    assert read_trajectories(put(tmp_path, old)).format == "atif"


@pytest.mark.parametrize(
    "steps",
    [[], [7], [{"source": "wizard", "message": "x"}], [{"source": "agent", "message": "x", "tool_calls": "f"}],
     [{"source": "agent", "message": "x", "tool_calls": [{"arguments": {}}]}],
     [{"source": "agent", "message": "x", "observation": "y"}], [{"source": "agent", "observation": {"results": [1]}}]],
    ids=str,
)  # fmt: skip
def test_atif_that_is_broken_is_reported(tmp_path: Path, steps: list[Any]) -> None:
    path = put(tmp_path, "\n".join(map(json.dumps, [ATIF, {**ATIF, "steps": steps}])).encode())
    found = read_trajectories(path)
    assert [(p.line, p.reason.startswith("atif: ")) for p in found.problems] == [(2, True)]


TOOL = Tool(service="shop", name="get_order", input_schema={"type": "object", "properties": {"id": {}}})
WRITTEN = Trajectory(
    id="w",
    messages=(
        Message(role="system", content="Be kind."),
        Message(role="user", content="hi"),
        Message(
            role="assistant",
            tool_calls=(
                ToolCall(id="c1", name="get_order", arguments={"id": "A"}),
                ToolCall(id="c2", name="get_order", malformed="{oops"),
            ),
        ),
        Message(role="tool", content="no", tool_call_id="c2", is_error=True),
        Message(role="tool", content="Error: but fine", tool_call_id="c1"),
        Message(role="assistant", content="Done."),
    ),
    tools={"get_order": TOOL.key},
    teacher="scripted",
)


def test_atif_that_is_written_has_the_published_shape() -> None:
    record = atif_record(WRITTEN, {TOOL.key: TOOL}, agent_version="1.2")
    assert record["schema_version"] == "ATIF-v1.7"
    assert set(record) == {"schema_version", "session_id", "trajectory_id", "agent", "steps"}
    assert {key: record["agent"][key] for key in ("name", "version", "model_name")} == {
        "name": "tdlab", "version": "1.2", "model_name": "scripted",
    }  # fmt: skip
    assert record["agent"]["tool_definitions"][0]["function"]["name"] == "get_order"
    assert [step["step_id"] for step in record["steps"]] == [1, 2, 3, 4]
    assert [step["source"] for step in record["steps"]] == ["system", "user", "agent", "agent"]
    for step in record["steps"]:
        assert isinstance(step["message"], str)
        assert set(step) <= {"step_id", "source", "message", "tool_calls", "observation"}
        made = {call["tool_call_id"] for call in step.get("tool_calls", [])}
        assert all(isinstance(call["arguments"], dict) for call in step.get("tool_calls", []))
        for result in step.get("observation", {"results": []})["results"]:
            assert result.get("source_call_id") in {None, *made}
            assert set(result) <= {"source_call_id", "content", "extra"}


def test_atif_that_is_written_is_read_back(tmp_path: Path) -> None:
    services = {"shop": {"ecommerce": 1.0}}
    stray = Message(role="tool", content="from nowhere")
    talk = [WRITTEN, WRITTEN.model_copy(update={"id": "v", "messages": (*WRITTEN.messages, stray)})]
    export_trajectories(talk, {TOOL.key: TOOL}, tmp_path / "a.jsonl", format="atif", services=services)
    found = read_trajectories(tmp_path / "a.jsonl")
    assert ({p.severity for p in found.problems}, found.format) == ({"noted"}, "atif"), "nothing is left out"
    assert [t.id for t in found.trajectories] == ["w", "v"]
    assert [t.messages for t in found.trajectories] == [t.messages for t in talk]
    assert found.trajectories[0].tools == WRITTEN.tools
    assert (found.tools, found.domains) == ({TOOL.key: TOOL}, services)


# --------------------------------------------------------------------------------------------------- files and streams


def test_every_layout_in_one_file_and_every_broken_line_is_named(tmp_path: Path) -> None:
    lines = [*map(json.dumps, ALL.values())]
    broken = [line[: len(line) // 2] for line in lines]
    both = [line for pair in zip(lines, broken, strict=True) for line in pair]
    found = read_trajectories(put(tmp_path, "\n".join(both).encode(), "all.jsonl"))
    assert len(found.trajectories) == len(ALL)
    assert [p.line for p in found.problems] == list(range(2, 2 * len(ALL) + 1, 2))
    assert found.format == "sharegpt + hermes + trl + toucan + bfcl + atif"


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("wrap", [lambda v: [v, v], lambda v: v], ids=["array", "one"])
def test_a_scan_gives_what_reading_gives(tmp_path: Path, name: str, wrap: Callable[[Any], Any]) -> None:
    path = put(tmp_path, gzip.compress(json.dumps(wrap(ALL[name]), indent=1).encode()), "x.json.gz")
    read, scanned = read_trajectories(path), scan_trajectories(path)
    assert tuple(scanned.trajectories) == tuple(scanned.trajectories) == read.trajectories
    assert len(scanned.trajectories) == len(read.trajectories)
    assert (scanned.tools, scanned.domains, scanned.format, scanned.problems) == (
        read.tools, read.domains, read.format, read.problems,
    )  # fmt: skip


def array(*elements: str, end: str = "]") -> bytes:
    return ("[\n" + ",\n".join(elements) + "\n" + end).encode()


def test_an_array_is_read_past_its_broken_elements(tmp_path: Path) -> None:
    good = json.dumps(SHAREGPT, indent=1)
    path = put(tmp_path, array(good, '{"conversations": [nonsense]}', good, "7", '"text"', good))
    found = read_trajectories(path)
    assert len(found.trajectories) == 3
    assert [(p.line, p.where) for p in found.problems] == [(0, "[1]"), (0, "[3]"), (0, "[4]")]
    assert found.problems[0].reason.startswith("is not JSON")


def test_an_array_that_breaks_off_gives_what_came_before(tmp_path: Path) -> None:
    good = json.dumps(SHAREGPT, indent=1)
    for end, reason in (
        (', {"conversations": [', "ends inside"),
        ("", "before the array is closed"),
        ("] 7", "after the array"),
    ):
        found = read_trajectories(put(tmp_path, array(good, good, end=end)))
        assert len(found.trajectories) == 2
        assert len(found.problems) == 1
        assert reason in found.problems[0].reason


@pytest.mark.parametrize("size", [1, 7, 100_000])
def test_arrays_are_cut_where_elements_end_whatever_their_size(tmp_path: Path, size: int) -> None:
    words = ('\\"]}[{,' * (size // 6 + 1))[:size]
    value = {"conversations": [{"from": "human", "value": words}, {"from": "gpt", "value": "\u00e9\U0001f600" * size}]}
    for text in (json.dumps([value] * 3, indent=1), json.dumps([value] * 3, ensure_ascii=False)):
        found = read_trajectories(put(tmp_path, text.encode(), f"{len(text)}.json"))
        assert [t.messages[0].content for t in found.trajectories] == [words] * 3
        assert found.problems == ()


def test_a_broken_first_line_does_not_make_a_document(tmp_path: Path) -> None:
    path = put(tmp_path, b'{"messages": [{"role"\n' + json.dumps(SHAREGPT).encode() + b"\n[oops\n")
    assert next(type(one) for one in iter_trajectories(path)) is LineProblem
    assert [p.line for p in read_trajectories(path).problems] == [1, 3]


@pytest.mark.parametrize(
    "piece",
    [
        "<tools>", "<tool_call>", "<tool_response>", "<function=a>", "<|im_start|>user\n", "</tools>", "<think>",
        "</think>", '<invoke name="x">', "<arg_key>", "[TOOL_CALLS]{", "[INST]", "[TOOL_RESULTS]",
        "<|channel|>a<|message|>",
        "<｜User｜>", "<｜tool▁output▁begin｜>", "<｜tool▁call▁begin｜>", "<|tool_call_begin|>", "<|python_tag|>",
        "<|start_header_id|>user", "USER: \n", "Action: x\n", "Action:\n```json\n{", "Observation: x\n", "f(a=1), ",
        ">>>f\n", "functools[", "<functioncall>", "<start_of_turn>user\n", "<|user|>", "<|start|>assistant",
    ],
)  # fmt: skip
def test_hostile_tags_take_no_time(tmp_path: Path, piece: str) -> None:
    text = piece * 60_000
    turns = [{"role": role, "content": "<tool_call>" + text} for role in ("system", "user", "assistant", "tool")]
    lines = [{"messages": turns}, {"text": "<|im_start|>user\n" + text}, {"text": text}]
    start = time.process_time()
    list(iter_trajectories(put(tmp_path, "\n".join(map(json.dumps, lines)).encode())))
    assert time.process_time() - start < 5
