"""Messages that hold several steps, and marks of calls that few families share: each value was decided beforehand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tdlab.formats import TrajectorySet, read_trajectories

ASK = {"role": "user", "content": "How high?"}
TIDE = [("tide", {"h": "Hest"})]
OFFERED = [{"type": "function", "function": {"name": "tide", "parameters": {"type": "object"}}}]


def _read(folder: Path, value: Any) -> TrajectorySet:
    path = folder / "one.jsonl"
    path.write_text(json.dumps(value), encoding="utf-8")
    return read_trajectories(path)


def _calls(found: TrajectorySet) -> list[tuple[str, Any]]:
    return [(call.name, call.arguments) for call in found.trajectories[0].calls()]


def _shape(found: TrajectorySet) -> list[tuple[str, str, int]]:
    return [(message.role, message.content, len(message.tool_calls)) for message in found.trajectories[0].messages]


@pytest.mark.parametrize(
    ("text", "offered"),
    [
        ('<tool_calls>[\n{"name": "tide", "arguments": {"h": "Hest"}}\n]</tool_calls>', False),
        ('<function_calls>tide(h="Hest")</function_calls>', False),
        ('<|tool_call_start|>[tide(h="Hest")]<|tool_call_end|>', False),
        ("<start_function_call>call:tide{h:<escape>Hest<escape>}<end_function_call>", False),
        ('Action: ```json\n[{"tool_name": "tide", "parameters": {"h": "Hest"}}]\n```', False),
        ('```tool_code\ntide(h="Hest")\n```', False),
        ('tide\n{"h": "Hest"}', True),
        ("<seed:tool_call><function=tide><parameter=h>Hest</parameter></function></seed:tool_call>", False),
        ("<function=tide><parameter=h>Hest</parameter></function>\n</tool_call>", False),
    ],
)
def test_a_call_is_read_and_its_marks_are_not_said(text: str, offered: bool, tmp_path: Path) -> None:
    messages = [ASK, {"role": "assistant", "content": text}, {"role": "tool", "content": "3"}]
    found = _read(tmp_path, {"messages": messages, **({"tools": OFFERED} if offered else {})})
    assert _calls(found) == TIDE
    assert _shape(found)[1:] == [("assistant", "", 1), ("tool", "3", 0)]
    assert not found.problems


def test_a_call_in_a_fence_that_nothing_answers_is_an_example(tmp_path: Path) -> None:
    text = 'It writes:\n```\n<tool_call>{"name": "rm", "arguments": {}}</tool_call>\n```\nThat is all.'
    messages = [ASK, {"role": "assistant", "content": text}, {"role": "user", "content": "Thanks"}]
    found = _read(tmp_path, {"messages": messages})
    assert not _calls(found)
    assert found.trajectories[0].messages[1].content == text
    assert "example" in str(found.problems[0])


def test_an_argument_may_hold_the_tags_of_calls(tmp_path: Path) -> None:
    arguments = {"text": 'write <tool_call>{"name": "x"}</tool_call> so'}
    text = f"I write.\n<tool_call>{json.dumps({'name': 'w', 'arguments': arguments})}</tool_call>"
    found = _read(tmp_path, {"messages": [ASK, {"role": "assistant", "content": text}]})
    assert _calls(found) == [("w", arguments)]
    assert _shape(found)[1] == ("assistant", "I write.", 1)


def test_steps_of_the_ai_sdk_are_turns(tmp_path: Path) -> None:
    def part(name: str, value: int) -> list[Any]:
        inner = {"state": "result", "toolCallId": name, "toolName": name, "args": {}, "result": value}
        return [{"type": "step-start"}, {"type": "tool-invocation", "toolInvocation": inner}]

    parts = [*part("x", 1), *part("y", 2), {"type": "step-start"}, {"type": "text", "text": "Done"}]
    found = _read(tmp_path, {"messages": [ASK, {"role": "assistant", "content": "Done", "parts": parts}]})
    assert _shape(found)[1:] == [
        ("assistant", "", 1), ("tool", "1", 0), ("assistant", "", 1), ("tool", "2", 0), ("assistant", "Done", 0),
    ]  # fmt: skip


def test_parallel_invocations_of_one_step_are_one_turn(tmp_path: Path) -> None:
    def part(name: str) -> dict[str, Any]:
        return {"type": f"tool-{name}", "toolCallId": name, "state": "output-available", "input": {}, "output": name}

    parts = [{"type": "step-start"}, {"type": "text", "text": "Both."}, part("x"), part("y")]
    found = _read(tmp_path, {"messages": [ASK, {"role": "assistant", "parts": parts}]})
    assert _shape(found)[1:] == [("assistant", "Both.", 2), ("tool", "x", 0), ("tool", "y", 0)]


def test_what_was_said_after_a_tool_of_the_api_comes_after_its_result(tmp_path: Path) -> None:
    error = {"type": "web_search_tool_result_error", "error_code": "max_uses_exceeded"}
    blocks = [
        {"type": "text", "text": "I search."},
        {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"query": "x"}},
        {"type": "web_search_tool_result", "tool_use_id": "s", "content": error},
        {"type": "text", "text": "It failed."},
    ]
    found = _read(tmp_path, {"messages": [ASK, {"role": "assistant", "content": blocks}]})
    messages = found.trajectories[0].messages
    assert [(m.role, len(m.tool_calls)) for m in messages[1:]] == [("assistant", 1), ("tool", 0), ("assistant", 0)]
    assert (messages[1].content, messages[2].is_error, messages[3].content) == ("I search.", True, "It failed.")


def test_a_block_names_the_server_of_its_tool(tmp_path: Path) -> None:
    blocks = [{"type": "mcp_tool_use", "id": "m", "name": "tide", "server_name": "sea", "input": {"h": "Hest"}}]
    found = _read(tmp_path, {"messages": [ASK, {"role": "assistant", "content": blocks}]})
    assert found.trajectories[0].tools == {"tide": "sea/tide"}


def test_a_refusal_beside_the_content_is_said(tmp_path: Path) -> None:
    found = _read(tmp_path, {"messages": [ASK, {"role": "assistant", "content": None, "refusal": "I cannot."}]})
    assert _shape(found)[1] == ("assistant", "I cannot.", 0)


def test_a_call_that_is_flagged_as_a_thought_is_a_call(tmp_path: Path) -> None:
    part = {"functionCall": {"name": "tide", "args": {"h": "Hest"}}, "thought": True}
    contents = [{"role": "user", "parts": [{"text": "How high?"}]}, {"role": "model", "parts": [part]}]
    assert _calls(_read(tmp_path, {"contents": contents})) == TIDE


@pytest.mark.parametrize(
    ("wrapped", "text"),
    [
        ({"structuredContent": {"a": 1}, "isError": True}, '{"a": 1}'),
        ({"result": {"content": [{"type": "text", "text": "deep"}], "isError": True}}, "deep"),
    ],
)
def test_a_wrapper_is_opened(wrapped: Any, text: str, tmp_path: Path) -> None:
    call = {"id": "c", "type": "function", "function": {"name": "tide", "arguments": "{}"}}
    for content in (wrapped, json.dumps(wrapped)):
        messages = [
            ASK,
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "c", "content": content},
        ]
        result = _read(tmp_path, {"messages": messages}).trajectories[0].messages[-1]
        assert (result.content, result.is_error) == (text, True)


def test_a_run_without_a_history_begins_with_what_its_first_step_asked(tmp_path: Path) -> None:
    step = {
        "action": "ls", "observation": "a", "response": "I look", "query": [{"role": "system", "content": "S"}, ASK],
    }  # fmt: skip
    found = _read(tmp_path, {"instance_id": "i", "trajectory": [step]})
    assert [message.role for message in found.trajectories[0].messages] == ["system", "user", "assistant", "tool"]
