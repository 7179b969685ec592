"""Logs of agents: Claude Code, Codex, SWE-agent, mini-swe-agent and OpenHands, as their programs write them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tdlab.errors import FormatError
from tdlab.formats import TrajectorySet, read_trajectories
from tests.formats.logs import (
    Lines,
    calls,
    damaged,
    errors,
    odd_results,
    read_document,
    read_lines,
    read_value,
    shape,
    unpaired,
)

# -------------------------------------------------------------------------------------------------------- Claude Code


def event(kind: str, uuid: str, parent: str | None, content: Any, **beside: Any) -> dict[str, Any]:
    message: dict[str, Any] = {"role": kind, "content": content}
    if "mid" in beside:
        message["id"] = beside.pop("mid")
    return {
        "type": kind, "uuid": uuid, "parentUuid": parent, "sessionId": "s1", "isSidechain": False, "message": message,
        **beside,
    }  # fmt: skip


def use(call_id: str, name: str = "Read", **arguments: Any) -> list[dict[str, Any]]:
    return [{"type": "tool_use", "id": call_id, "name": name, "input": arguments}]


def result(call_id: str, text: str = "ok", **beside: Any) -> list[dict[str, Any]]:
    return [{"type": "tool_result", "tool_use_id": call_id, "content": text, **beside}]


PARALLEL = [
    {"type": "summary", "summary": "Compare", "leafUuid": "z"},
    {"type": "file-history-snapshot", "messageId": "m", "snapshot": {}},
    event("user", "u0", None, "<local-command-caveat>Caveat</local-command-caveat>", isMeta=True),
    event("user", "u1", "u0", "Compare a and b"),
    event("assistant", "u2", "u1", [{"type": "thinking", "thinking": "both", "signature": "x"}], mid="m1"),
    event("assistant", "u3", "u2", use("t1", path="a"), mid="m1"),
    event("user", "u4", "u3", result("t1"), toolUseResult={"type": "text"}),
    event("assistant", "u5", "u3", use("t2", path="b"), mid="m1"),
    event("user", "u6", "u5", result("t2", "no such file", is_error=True)),
    {"type": "system", "subtype": "turn_duration", "uuid": "u7", "parentUuid": "u6", "sessionId": "s1"},
    event("assistant", "u8", "u6", [{"type": "text", "text": "b is missing."}], mid="m2"),
]


def test_claude_code_joins_the_lines_of_one_message_and_keeps_parallel_results(tmp_path: Path) -> None:
    session = read_lines(tmp_path, PARALLEL)
    assert session.format == "claude-code"
    assert session.problems == ()
    (trajectory,) = session.trajectories
    assert trajectory.id == "s1"
    assert shape(trajectory) == ["user", "assistant Read Read", "tool", "tool", "assistant"]
    assert trajectory.messages[1].reasoning == "both"
    assert errors(trajectory) == ["t2"]


def test_claude_code_as_one_array_reads_the_same(tmp_path: Path) -> None:
    assert read_document(tmp_path, PARALLEL).trajectories == read_lines(tmp_path, PARALLEL).trajectories


def test_claude_code_keeps_the_last_branch_of_an_edited_prompt_and_says_so(tmp_path: Path) -> None:
    lines = [
        event("user", "a", None, "List"),
        event("assistant", "b", "a", use("t1"), mid="m1"),
        event("user", "c", "b", result("t1")),
        event("user", "d", "c", "Delete all"),
        event("assistant", "e", "d", use("t2", "Delete"), mid="m2"),
        event("user", "f", "c", "Count them"),
        event("assistant", "g", "f", [{"type": "text", "text": "2"}], mid="m3"),
    ]
    session = read_lines(tmp_path, lines)
    (trajectory,) = session.trajectories
    assert [name for name, _ in calls(trajectory)] == ["Read"]
    assert [m.content for m in trajectory.messages if m.role == "user"] == ["List", "Count them"]
    assert [p.severity for p in session.problems] == ["skipped"]
    assert "2 messages" in session.problems[0].reason


def test_claude_code_follows_compaction_resumed_sessions_and_cut_logs(tmp_path: Path) -> None:
    boundary = {
        "type": "system", "subtype": "compact_boundary", "uuid": "c", "parentUuid": None, "logicalParentUuid": "b",
        "sessionId": "s1",
    }  # fmt: skip
    lines = [
        event("user", "a", "gone", "List"),
        event("assistant", "b", "a", use("t1"), mid="m1"),
        boundary,
        event("user", "d", "c", "A summary of it all", isCompactSummary=True),
        event("user", "e", "d", result("t1")),
        event("assistant", "a2", "e", [{"type": "text", "text": "Done."}], mid="m2", sessionId="s2"),
    ]
    session = read_lines(tmp_path, [*lines, *lines[:2]])  # a resumed log repeats what came before
    (trajectory,) = session.trajectories
    assert shape(trajectory) == ["user", "assistant Read", "tool", "assistant"]
    assert unpaired(trajectory) == 0
    assert any("compacted" in problem.reason for problem in session.problems)


def test_claude_code_reads_subagents_and_interleaved_sessions_apart(tmp_path: Path) -> None:
    side = {"isSidechain": True, "agentId": "x1"}
    lines = [
        event("user", "a", None, "Research"),
        event("user", "q", None, "Other", sessionId="s2"),
        event("assistant", "b", "a", use("t1", "Task"), mid="m1"),
        event("user", "c", None, "look it up", **side),
        event("assistant", "d", "c", use("t9", "Grep"), mid="n1", **side),
        event("assistant", "r", "q", use("t5", "Bash"), mid="m9", sessionId="s2"),
        event("user", "e", "d", result("t9"), **side),
        event("user", "f", "b", result("t1")),
        event("user", "s", "r", result("t5"), sessionId="s2"),
    ]
    session = read_lines(tmp_path, lines)
    read = {trajectory.id: [name for name, _ in calls(trajectory)] for trajectory in session.trajectories}
    assert read == {"s1": ["Task"], "s2": ["Bash"], "s1-x1": ["Grep"]}
    assert all(unpaired(trajectory) == 0 for trajectory in session.trajectories)


def test_claude_code_stream_and_unknown_kinds(tmp_path: Path) -> None:
    lines: Lines = [
        {"type": "system", "subtype": "init", "session_id": "z", "tools": ["Bash"]},
        {"type": "assistant", "message": {"id": "m", "content": use("t1", "mcp__files__save")}, "session_id": "z"},
        {"type": "user", "message": {"role": "user", "content": result("t1")}, "session_id": "z"},
        {"type": "tool_teleport", "session_id": "z", "name": "Bash"},
        {"type": "tool_teleport", "session_id": "z", "name": "Bash"},
        {
            "type": "progress",
            "session_id": "z",
            "data": {"type": "agent_progress", "message": {"message": {"content": use("s")}}},
        },
        {"type": "result", "subtype": "success", "result": "Saved.", "session_id": "z"},
    ]
    session = read_lines(tmp_path, lines)
    (trajectory,) = session.trajectories
    assert trajectory.tools == {"mcp__files__save": "files/save"}
    assert [problem.severity for problem in session.problems] == ["skipped", "skipped"]
    reasons = " | ".join(problem.reason for problem in session.problems)
    assert "2 events of the kind 'tool_teleport'" in reasons
    assert "1 calls of subagents" in reasons


def test_claude_code_clears_caveats_and_odd_messages(tmp_path: Path) -> None:
    lines = [
        event("user", "a", None, "List"),
        event("assistant", "b", "a", use("t1"), mid="m1"),
        event("user", "c", "b", result("t1")),
        event("user", "d", "c", "<command-name>/clear</command-name>\n<command-args></command-args>"),
        event("user", "e", "d", [{"type": "text", "text": "<local-command-stdout>x</local-command-stdout>"}]),
        {**event("user", "f", "e", ""), "message": "error"},
        event("user", "f", "e", "Count"),
        event("user", "g", "f", None),
    ]
    session = read_lines(tmp_path, lines)
    assert {t.id: shape(t) for t in session.trajectories} == {
        "s1": ["user", "assistant Read", "tool"],
        "s1-2": ["user"],
    }
    assert session.trajectories[1].messages[0].content == "Count"
    reasons = " | ".join(problem.reason for problem in session.problems)
    assert "in the user's name" in reasons
    assert "1 messages are left out, which are no objects" in reasons


def test_claude_code_reads_around_a_broken_line(tmp_path: Path) -> None:
    text = "".join(json.dumps(line) + "\n" for line in PARALLEL)
    path = tmp_path / "log.jsonl"
    path.write_text(text.replace('{"type": "user", "uuid": "u6"', '{"type": "user" "uuid": "u6"', 1))
    session = read_trajectories(path)
    (trajectory,) = session.trajectories
    assert shape(trajectory) == ["user", "assistant Read Read", "tool", "assistant"]
    assert len(session.problems) == 1


# -------------------------------------------------------------------------------------------------------------- Codex


def item(**payload: Any) -> dict[str, Any]:
    return {"timestamp": "2026-01-01T00:00:00Z", "type": "response_item", "payload": payload}


def said(role: str, text: str) -> dict[str, Any]:
    kind = "output_text" if role == "assistant" else "input_text"
    return {"type": "message", "role": role, "content": [{"type": kind, "text": text}]}


CODEX = [
    {"type": "session_meta", "payload": {"id": "c1", "instructions": "Be short."}},
    item(**said("user", "<environment_context>\n<cwd>/w</cwd></environment_context>")),
    item(**said("user", "Fix it")),
    {"type": "event_msg", "payload": {"type": "user_message", "message": "Fix it"}},
    {"type": "turn_context", "payload": {"cwd": "/w"}},
    item(type="reasoning", summary=[{"type": "summary_text", "text": "look"}], encrypted_content="gAAA"),
    item(type="function_call", name="shell", arguments='{"command": ["ls"]}', call_id="k1"),
    item(type="function_call", name="mcp__files__stat", arguments="{}", call_id="k2"),
    item(type="function_call_output", call_id="k1", output='{"output": "no", "metadata": {"exit_code": 2}}'),
    item(type="function_call_output", call_id="k2", output="fine"),
    item(type="custom_tool_call", name="apply_patch", input="*** Begin Patch", call_id="k3"),
    item(type="custom_tool_call_output", call_id="k3", output="Exit code: 1\nWall time: 0.1 s\nOutput:\nbad patch"),
    {"type": "compacted", "payload": {"message": "so far"}},
    item(type="teleport_call", call_id="k4"),
    item(**said("assistant", "Done.")),
]


def test_codex_rollout(tmp_path: Path) -> None:
    session = read_lines(tmp_path, CODEX)
    assert session.format == "codex"
    (trajectory,) = session.trajectories
    assert trajectory.id == "c1"
    assert shape(trajectory) == [
        "system", "system", "user", "assistant shell mcp__files__stat", "tool", "tool", "assistant apply_patch", "tool",
        "assistant",
    ]  # fmt: skip
    assert trajectory.messages[3].reasoning == "look"
    assert trajectory.messages[4].content == "no"
    assert calls(trajectory)[2] == ("apply_patch", {"input": "*** Begin Patch"})
    assert errors(trajectory) == ["k1", "k3"]
    assert sorted(p.severity for p in session.problems) == ["noted", "skipped"]
    assert any("teleport_call" in p.reason for p in session.problems)


def test_codex_of_bare_items_after_a_head(tmp_path: Path) -> None:
    lines = [
        {"id": "old", "timestamp": "t", "instructions": None},
        {"record_type": "state"},
        said("user", "List"),
        {"type": "function_call", "name": "shell", "arguments": "{", "call_id": "k"},
        {"type": "function_call_output", "call_id": "k", "output": "a"},
        said("assistant", "a"),
    ]
    session = read_lines(tmp_path, lines)
    assert session.format == "codex"
    (trajectory,) = session.trajectories
    assert shape(trajectory) == ["user", "assistant shell", "tool", "assistant"]
    assert next(trajectory.calls()).malformed == "{"
    assert len(session.problems) == 1


def test_codex_sessions_in_one_file_and_a_fork(tmp_path: Path) -> None:
    second = [{"type": "session_meta", "payload": {"id": "c2"}}, *CODEX[:1], *CODEX[2:3], *CODEX[-1:]]
    session = read_lines(tmp_path, [*CODEX, *second])
    assert [trajectory.id for trajectory in session.trajectories] == ["c1", "c2"]
    assert shape(session.trajectories[1])[-2:] == ["user", "assistant"]


def test_codex_exec_events(tmp_path: Path) -> None:
    lines: Lines = [
        {"type": "thread.started", "thread_id": "t"},
        {"type": "turn.started"},
        {"type": "item.started", "item": {"id": "i1", "type": "command_execution", "command": "ls"}},
        {
            "type": "item.completed",
            "item": {
                "id": "i1",
                "type": "command_execution",
                "command": "ls",
                "aggregated_output": "a",
                "exit_code": 0,
            },
        },
        {
            "type": "item.completed",
            "item": {"id": "i2", "type": "mcp_tool_call", "server": "f", "tool": "save", "error": {"message": "full"}},
        },
        {"type": "item.completed", "item": {"id": "i3", "type": "agent_message", "text": "No."}},
    ]
    (trajectory,) = read_lines(tmp_path, lines).trajectories
    assert [name for name, _ in calls(trajectory)] == ["shell", "save"]
    assert trajectory.tools["save"] == "f/save"
    assert errors(trajectory) == ["i2"]


# --------------------------------------------------------------------------------------------- SWE-agent and its mini


def test_swe_agent_with_tool_calls_takes_the_last_step_from_the_trajectory(tmp_path: Path) -> None:
    def act(action: str, call: str) -> dict[str, Any]:
        tool_calls = [{"id": call, "type": "function", "function": {"name": "bash", "arguments": "{}"}}]
        return {"role": "assistant", "content": "go", "thought": "go", "action": action, "tool_calls": tool_calls}

    document = {
        "trajectory": [
            {"action": name, "observation": f"{name} done", "thought": "go"} for name in ("a", "b", "submit")
        ],
        "history": [
            {"role": "system", "content": "You work.", "message_type": "system_prompt", "agent": "main"},
            {"role": "user", "content": "A demo: ```\nrm x\n```", "is_demo": True, "agent": "main"},
            {"role": "user", "content": "Fix it", "message_type": "observation", "agent": "main"},
            act("a", "t1"),
            {"role": "tool", "content": [{"type": "text", "text": "OBSERVATION:\na done"}], "tool_call_ids": ["t1"]},
            act("b", "t2"),
        ],
        "info": {},
    }
    session = read_document(tmp_path, document)
    assert session.format == "swe-agent"
    (trajectory,) = session.trajectories
    assert shape(trajectory) == ["system", "user", *["assistant bash", "tool"] * 3]
    assert [m.content for m in trajectory.messages if m.role == "tool"] == ["a done", "b done", "submit done"]
    assert calls(trajectory)[2] == ("bash", {"command": "submit"})
    assert [p.reason for p in session.problems] == ["the demonstrations in the history are left out"]


def test_swe_agent_of_texts_and_blocks(tmp_path: Path) -> None:
    history = [
        {"role": "user", "content": "Fix it", "agent": "primary"},
        {
            "role": "assistant",
            "content": "Look.\n```\nls -F\n```",
            "agent": "p",
            "thought": "Look.",
            "action": "ls -F\n",
        },
        {"role": "user", "content": "weir.py", "agent": "primary"},
        {"role": "assistant", "content": "Hm.", "agent": "primary", "thought": "Hm.", "action": ""},
        {"role": "user", "content": "Your output was not formatted correctly", "agent": "primary"},
        7,
        {"role": "assistant", "content": "Done.\n<command>\nsubmit\n</command>", "agent": "primary"},
    ]
    session = read_document(tmp_path, {"history": history})
    (trajectory,) = session.trajectories
    assert calls(trajectory) == [("bash", {"command": "ls -F"}), ("bash", {"command": "submit"})]
    assert [m.content for m in trajectory.messages if m.role == "assistant"] == ["Look.", "Hm.", "Done."]
    assert len(session.problems) == 1  # the message that is a number
    rows = [
        {"role": "system", "system_prompt": "You work.", "text": None},
        {"role": "user", "system_prompt": None, "text": "Fix it"},
        {"role": "ai", "system_prompt": None, "text": "Look.\n```\nls\n```"},
        {"role": "user", "system_prompt": None, "text": "a"},
    ]
    (row,) = read_document(tmp_path, {"instance_id": "i", "trajectory": rows}).trajectories
    assert (row.id, shape(row)) == ("i", ["system", "user", "assistant bash", "tool"])


def test_swe_agent_reports_a_history_that_disagrees(tmp_path: Path) -> None:
    steps = [{"action": name, "observation": "o"} for name in ("x", "y")]
    history = [{"role": "assistant", "content": "", "agent": "a", "action": "z", "thought": ""}]
    session = read_document(tmp_path, {"trajectory": steps, "history": history})
    assert ["do not agree" in p.reason for p in session.problems] == [True]
    only_steps = read_document(tmp_path, {"trajectory": steps, "environment": "main"})
    assert shape(only_steps.trajectories[0]) == ["assistant bash", "tool"] * 2


MINI_TAIL = [
    {"role": "user", "content": "<returncode>3</returncode>\n<output>\nno\n</output>", "extra": {"returncode": 3}},
    {"role": "exit", "content": "diff", "extra": {"exit_status": "Submitted"}},
]


@pytest.mark.parametrize(
    "turn",
    [
        {"role": "assistant", "content": "THOUGHT: x\n\n```bash\nls a\n```"},
        {"role": "assistant", "content": "THOUGHT: x\n\n```mswea_bash_command\nls a\n```", "extra": {}},
        {"role": "assistant", "content": "x ```bash\nnot this\n```", "extra": {"actions": [{"command": "ls a"}]}},
        {
            "role": "assistant",
            "content": "x",
            "tool_calls": [
                {"id": "q", "type": "function", "function": {"name": "bash", "arguments": '{"command":"ls a"}'}}
            ],
            "extra": {"actions": [{"command": "ls a", "tool_call_id": "q"}]},
        },
        {
            "object": "response",
            "output": [{"type": "message", "content": [{"type": "output_text", "text": "x"}]}],
            "extra": {"actions": [{"command": "ls a", "tool_call_id": "q"}]},
        },
    ],
)
def test_mini_swe_agent_calls_bash_once_and_fails_by_return_code(tmp_path: Path, turn: dict[str, Any]) -> None:
    start = [{"role": "system", "content": "s"}, {"role": "user", "content": "Fix"}]
    document = {"messages": [*start, turn, *MINI_TAIL], "trajectory_format": "mini-swe-agent-1.1", "info": {}}
    session = read_document(tmp_path, document)
    assert session.format == "mini-swe-agent"
    (trajectory,) = session.trajectories
    assert shape(trajectory) == ["system", "user", "assistant bash", "tool"]
    assert calls(trajectory) == [("bash", {"command": "ls a"})]
    assert len(errors(trajectory)) == 1


def test_mini_swe_agent_of_bare_messages_and_odd_roles(tmp_path: Path) -> None:
    turn = {"role": "assistant", "content": "x\n```bash\nls\n```"}
    messages = [
        {"role": "user", "content": "Fix"},
        turn,
        MINI_TAIL[0],
        {"role": "wizard", "content": "?"},
        turn,
        MINI_TAIL[1],
    ]
    session = read_document(tmp_path, messages)
    assert session.format == "mini-swe-agent"
    (trajectory,) = session.trajectories
    assert shape(trajectory) == ["user", *["assistant bash", "tool"] * 2]
    assert trajectory.messages[-1].content == "diff"  # what the last command printed
    assert ["wizard" in p.reason for p in session.problems] == [True]


# ---------------------------------------------------------------------------------------------------------- OpenHands


def action(number: int, kind: str, source: str = "agent", **args: Any) -> dict[str, Any]:
    return {"id": number, "source": source, "action": kind, "args": args}


def observation(number: int, name: str, cause: int, content: str = "ok", **extras: Any) -> dict[str, Any]:
    return {"id": number, "source": "agent", "observation": name, "cause": cause, "content": content, "extras": extras}


OPENHANDS = [
    action(0, "system", content="You work."),
    action(1, "message", "user", content="Fix it"),
    action(2, "recall", "user", query="Fix it"),
    observation(3, "recall", 2),
    action(4, "run", command="ls", thought="look", is_input=False),
    observation(5, "run", 4, "no", exit_code=2),
    action(6, "call_tool_mcp", name="fetch", arguments={"url": "u"}, thought=""),
    observation(7, "error", 6, "no such tool"),
    {"id": 8, "source": "environment", "observation": "agent_state_changed", "content": "", "extras": {}},
    action(9, "think", thought="hard"),
    observation(10, "think", 9, "Your thought has been logged."),
    action(11, "finish", final_thought="Done."),
]


def test_openhands_events(tmp_path: Path) -> None:
    session = read_document(tmp_path, OPENHANDS)
    assert session.format == "openhands"
    assert session.problems == ()
    (trajectory,) = session.trajectories
    assert calls(trajectory) == [
        ("run", {"command": "ls", "is_input": False}), ("fetch", {"url": "u"}), ("think", {"thought": "hard"}),
    ]  # fmt: skip
    assert errors(trajectory) == ["event-4", "event-6"]
    assert unpaired(trajectory) == 0
    assert trajectory.messages[-1].content == "Done."


def test_openhands_rows_of_evaluation(tmp_path: Path) -> None:
    pairs = [[OPENHANDS[4], OPENHANDS[5]], [OPENHANDS[6], OPENHANDS[7]], [OPENHANDS[11], {}]]
    rows = [
        {"instance_id": "a", "instruction": "Fix it", "history": OPENHANDS[1:]},
        {"instance_id": "b", "instruction": "Fix it", "history": pairs},
    ]
    session = read_lines(tmp_path, rows, "output.jsonl")
    assert [trajectory.id for trajectory in session.trajectories] == ["a", "b"]
    assert shape(session.trajectories[1]) == ["user", "assistant run", "tool", "assistant fetch", "tool", "assistant"]


def test_openhands_parallel_calls_of_one_answer_are_one_turn(tmp_path: Path) -> None:
    def of_answer(event: dict[str, Any], call: str) -> dict[str, Any]:
        return {**event, "tool_call_metadata": {"tool_call_id": call, "model_response": {"id": "r1"}}}

    events = [
        of_answer(action(0, "run", command="a"), "x"),
        observation(1, "run", 0, "A"),
        of_answer(action(2, "run", command="b"), "y"),
        observation(3, "run", 2, "B"),
        observation(4, "run", 77, "whose?"),
    ]
    session = read_document(tmp_path, events)
    (trajectory,) = session.trajectories
    assert shape(trajectory) == ["assistant run run", "tool", "tool", "tool"]
    assert [m.tool_call_id for m in trajectory.messages if m.role == "tool"] == ["x", "y", None]
    assert ["answers no call" in p.reason for p in session.problems] == [True]


def test_openhands_takes_the_arguments_that_the_model_wrote(tmp_path: Path) -> None:
    made = {
        "id": "x",
        "function": {"name": "str_replace_editor", "arguments": '{"command": "create", "file_text": "a"}'},
    }
    metadata = {"tool_call_id": "x", "model_response": {"id": "r", "choices": [{"message": {"tool_calls": [made]}}]}}
    edit = action(0, "edit", path="/w", content="", start=1, end=-1, thought="", impl_source="oh_aci")
    events = [{**edit, "tool_call_metadata": metadata}, observation(1, "edit", 0)]
    (trajectory,) = read_document(tmp_path, events).trajectories
    assert calls(trajectory) == [("edit", {"command": "create", "file_text": "a"})]


SDK: Lines = [
    {"kind": "SystemPromptEvent", "source": "agent", "system_prompt": {"text": "You work."}, "tools": []},
    {"kind": "MessageEvent", "source": "user", "llm_message": {"content": [{"type": "text", "text": "Fix it"}]}},
    {
        "kind": "ActionEvent", "id": "e1", "source": "agent", "thought": [{"type": "text", "text": "look"}],
        "tool_name": "terminal", "tool_call_id": "x", "llm_response_id": "r", "action": {"command": "ls", "kind": "A"},
    },
    {
        "kind": "ActionEvent", "id": "e2", "source": "agent", "tool_name": "editor", "tool_call_id": "y",
        "llm_response_id": "r", "tool_call": {"name": "editor", "arguments": '{"command": "view"}'},
    },
    {
        "kind": "ObservationEvent", "source": "environment", "tool_call_id": "x", "action_id": "e1",
        "observation": {"content": [{"type": "text", "text": "no"}], "is_error": False, "exit_code": 1},
    },
    {"kind": "AgentErrorEvent", "source": "agent", "tool_name": "editor", "tool_call_id": "y", "error": "bad path"},
    {"kind": "NovelEvent", "source": "agent", "tool_name": "editor"},
    {
        "kind": "ActionEvent", "id": "e3", "source": "agent", "tool_name": "finish", "tool_call_id": "z",
        "llm_response_id": "r2", "action": {"message": "Done.", "kind": "FinishAction"},
    },
]  # fmt: skip


def test_openhands_sdk_events(tmp_path: Path) -> None:
    session = read_lines(tmp_path, SDK)
    assert session.format == "openhands"
    (trajectory,) = session.trajectories
    assert shape(trajectory) == ["system", "user", "assistant terminal editor", "tool", "tool", "assistant"]
    assert calls(trajectory) == [("terminal", {"command": "ls"}), ("editor", {"command": "view"})]
    assert errors(trajectory) == ["x", "y"]
    assert trajectory.messages[-1].content == "Done."
    assert ["NovelEvent" in p.reason for p in session.problems] == [True]


# ------------------------------------------------------------------------------------------------------- hostile input

SAMPLES: dict[str, Any] = {
    "claude-code": PARALLEL,
    "codex": CODEX,
    "openhands": OPENHANDS,
    "sdk": SDK,
    "mini": {
        "messages": [{"role": "assistant", "content": "x\n```bash\nls\n```"}, *MINI_TAIL],
        "info": {"mini_version": "2"},
    },
    "swe": {
        "trajectory": [{"action": "a", "observation": "o", "thought": "t"}],
        "history": [{"role": "assistant", "content": "x", "agent": "m", "action": "a", "thought": "t"}],
    },
}


@pytest.mark.parametrize("sample", SAMPLES)
def test_no_odd_part_breaks_a_reader(sample: str) -> None:
    count = 0
    for value in damaged(SAMPLES[sample]):
        parts = read_value(value)
        assert parts, f"nothing is read and nothing is reported of {json.dumps(value)[:200]}"
        lost, problems = odd_results(parts)
        assert problems or not lost, f"a result without a call is not reported in {json.dumps(value)[:200]}"
        count += 1
    assert count > 50


def test_a_log_of_nothing_but_noise_is_an_error(tmp_path: Path) -> None:
    noise: list[Callable[[], TrajectorySet]] = [
        lambda: read_lines(tmp_path, [{"type": "summary", "leafUuid": "x", "summary": "s"}]),
        lambda: read_lines(tmp_path, [{"type": "session_meta", "payload": {"id": "c"}}]),
        lambda: read_document(tmp_path, [{"id": 0, "observation": "null", "content": "", "extras": {}}]),
    ]
    for read in noise:
        with pytest.raises(FormatError):
            read()
