"""Records of APIs and benchmarks: Responses items, Gemini contents, logged exchanges, xLAM rows, BFCL's answers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.formats.logs import (
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

WEATHER = {"name": "weather", "description": "Weather.", "parameters": {"type": "object", "properties": {"city": {}}}}


# ---------------------------------------------------------------------------------------------------------- Responses


def text(role: str, words: str) -> dict[str, Any]:
    kind = "output_text" if role == "assistant" else "input_text"
    return {"type": "message", "role": role, "content": [{"type": kind, "text": words}]}


def call(call_id: str, name: str = "weather", **arguments: Any) -> dict[str, Any]:
    return {
        "type": "function_call",
        "id": f"fc_{call_id}",
        "call_id": call_id,
        "name": name,
        "arguments": json.dumps(arguments),
    }


def output(call_id: str, content: Any = "ok", **beside: Any) -> dict[str, Any]:
    return {"type": "function_call_output", "call_id": call_id, "output": content, **beside}


ITEMS = [
    {"role": "user", "content": "Oslo and Moss?"},
    {"type": "reasoning", "id": "r", "summary": [{"type": "summary_text", "text": "two calls"}]},
    text("assistant", "Looking."),
    call("a", city="Oslo"),
    call("b", city="Moss"),
    output("b", [{"type": "input_text", "text": "Error: no station"}], status="completed"),
    output("a", '{"temperature": 3}'),
    text("assistant", "3 in Oslo."),
]


@pytest.mark.parametrize("form", ["record", "list", "lines", "texts"])
def test_responses_in_every_form(tmp_path: Path, form: str) -> None:
    if form == "list":
        session = read_document(tmp_path, ITEMS)
    elif form == "lines":
        session = read_lines(tmp_path, ITEMS)
    else:
        record = {"id": "x", "input": ITEMS[:-1], "output": ITEMS[-1:], "tools": [{"type": "function", **WEATHER}]}
        if form == "texts":
            record = {**record, "input": json.dumps(ITEMS[:-1])}
        session = read_lines(tmp_path, [record])
        assert session.trajectories[0].id == "x"
        assert session.tools["/weather"].description == "Weather."
    assert session.format == "responses"
    assert session.problems == ()
    (trajectory,) = session.trajectories
    assert shape(trajectory) == ["user", "assistant weather weather", "tool", "tool", "assistant"]
    assert (trajectory.messages[1].content, trajectory.messages[1].reasoning) == ("Looking.", "two calls")
    assert errors(trajectory) == ["b"]


def test_responses_built_in_calls(tmp_path: Path) -> None:
    items = [
        {"type": "mcp_list_tools", "server_label": "files", "tools": [{"name": "save", "input_schema": {}}]},
        {"type": "web_search_call", "id": "w", "status": "completed", "action": {"type": "search", "query": "tides"}},
        {"type": "mcp_call", "id": "m", "server_label": "files", "name": "save", "arguments": "{}", "output": "saved"},
        {"type": "mcp_call", "id": "n", "server_label": "files", "name": "drop", "arguments": "{}", "error": "no"},
        {"type": "reasoning", "summary": []},
        {"type": "code_interpreter_call", "id": "p", "code": "1+1", "outputs": [{"type": "logs", "logs": "2"}]},
        {"type": "shell_call", "call_id": "s", "action": {"commands": ["ls"]}},
        {
            "type": "shell_call_output", "call_id": "s",
            "output": [{"stdout": "", "stderr": "no", "outcome": {"type": "exit", "exit_code": 1}}],
        },
        {"type": "local_shell_call", "call_id": "l", "action": {"type": "exec", "command": ["ls"], "env": None}},
        {"type": "local_shell_call_output", "call_id": "l", "output": "a"},
        {"type": "custom_tool_call", "call_id": "c", "name": "patch", "input": "*** Begin"},
        {"type": "custom_tool_call_output", "call_id": "c", "output": "done"},
    ]  # fmt: skip
    session = read_lines(tmp_path, [{"input": "Go", "output": items, "object": "response"}])
    (trajectory,) = session.trajectories
    assert calls(trajectory) == [
        ("web_search", {"type": "search", "query": "tides"}), ("save", {}), ("drop", {}),
        ("code_interpreter", {"code": "1+1"}), ("shell", {"commands": ["ls"]}),
        ("local_shell", {"type": "exec", "command": ["ls"]}), ("patch", {"input": "*** Begin"}),
    ]  # fmt: skip
    assert trajectory.tools["save"] == trajectory.tools["drop"].replace("drop", "save") == "files/save"
    assert "files/save" in session.tools
    assert errors(trajectory) == ["n", "s"]
    assert unpaired(trajectory) == 0
    assert session.problems == ()


def test_responses_report_what_is_no_call(tmp_path: Path) -> None:
    items = [
        call("a", ""), {"type": "teleport_call", "call_id": "t"}, output("zzz"), 7, call("b"),
        {"type": "item_reference", "id": "x"},
    ]  # fmt: skip
    session = read_lines(tmp_path, [{"input": "Go", "output": items, "error": {"code": "server_error"}}])
    (trajectory,) = session.trajectories
    assert calls(trajectory) == [("weather", {})]
    reasons = " | ".join(problem.reason for problem in session.problems)
    for part in (
        "names no tool",
        "teleport_call",
        "answers no call",
        "not an object",
        "item_reference",
        "server_error",
    ):
        assert part in reasons


# ------------------------------------------------------------------------------------------------------------- Gemini


def gemini(snake: bool) -> dict[str, Any]:
    key = (
        (lambda name: name)
        if not snake
        else lambda name: {"functionCall": "function_call"}.get(name, "function_response")
    )
    return {
        "systemInstruction" if not snake else "system_instruction": {"parts": [{"text": "Be short."}]},
        "tools": [{"functionDeclarations" if not snake else "function_declarations": [WEATHER]}],
        "contents": [
            {"parts": [{"text": "Oslo and Moss?"}]},
            {
                "role": "model",
                "parts": [
                    {"thought": True, "text": "maybe drop_all"},
                    {key("functionCall"): {"name": "weather", "args": {"city": "Oslo"}}, "thoughtSignature": "x"},
                    {key("functionCall"): {"name": "weather", "args": {"city": "Moss"}}},
                ],
            },
            {
                "role": "function" if snake else "user",
                "parts": [
                    {key("functionResponse"): {"name": "weather", "response": {"t": 3}}},
                    {key("functionResponse"): {"name": "weather", "response": {"error": "no station"}}},
                ],
            },
            {"role": "model", "parts": [{"text": "3 in Oslo."}]},
        ],
    }


@pytest.mark.parametrize("snake", [False, True])
def test_gemini_contents(tmp_path: Path, snake: bool) -> None:
    session = read_lines(tmp_path, [gemini(snake)])
    assert session.format == "gemini"
    assert session.problems == ()
    (trajectory,) = session.trajectories
    assert shape(trajectory) == ["system", "user", "assistant weather weather", "tool", "tool", "assistant"]
    assert trajectory.messages[2].reasoning == "maybe drop_all"
    assert len(errors(trajectory)) == 1
    assert "/weather" in session.tools


def test_gemini_bare_contents_code_and_null_padding(tmp_path: Path) -> None:
    padding = {"text": None, "function_call": None, "thought": None}
    contents = [
        {
            "role": "user",
            "parts": [{**padding, "text": "Add"}, {"inlineData": {"mimeType": "image/png", "data": "AAAA"}}],
        },
        {
            "role": "model",
            "parts": [
                {**padding, "text": "Running."},
                {"executableCode": {"language": "PYTHON", "code": "1/0"}},
                {"codeExecutionResult": {"outcome": "OUTCOME_FAILED", "output": "ZeroDivisionError"}},
                {"text": "It failed."},
                {"functionCall": {"args": {}}},
            ],
        },
    ]
    session = read_document(tmp_path, contents)
    assert session.format == "gemini"
    (trajectory,) = session.trajectories
    assert shape(trajectory) == ["user", "assistant code_execution", "tool", "assistant"]
    assert "AAAA" not in trajectory.messages[0].content
    assert len(errors(trajectory)) == 1
    assert ["names no tool" in problem.reason for problem in session.problems] == [True]


def test_gemini_cli_session(tmp_path: Path) -> None:
    tool = {
        "id": "t1", "name": "run_shell_command", "args": {"command": "ls"}, "status": "error",
        "result": [{"functionResponse": {"id": "t1", "name": "x", "response": {"output": "no"}}}],
    }  # fmt: skip
    document = {
        "sessionId": "g1",
        "messages": [
            {"type": "user", "content": "List"},
            {"type": "gemini", "content": "", "thoughts": [{"subject": "S", "description": "d"}], "toolCalls": [tool]},
            {"type": "info", "content": "x"},
            {"type": "gemini", "content": "None."},
        ],
    }
    (trajectory,) = read_document(tmp_path, document).trajectories
    assert (trajectory.id, shape(trajectory)) == ("g1", ["user", "assistant run_shell_command", "tool", "assistant"])
    assert trajectory.messages[2].content == "no"
    assert errors(trajectory) == ["t1"]


# ---------------------------------------------------------------------------------------------------------- exchanges

ASKED = {"role": "user", "content": "Oslo?"}
CALLS = {
    "role": "assistant", "content": None,
    "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Oslo"}'}}],
}  # fmt: skip
CHAT = {"model": "m", "messages": [ASKED], "tools": [{"type": "function", "function": WEATHER}]}
COMPLETION = {"object": "chat.completion", "choices": [{"index": 0, "message": CALLS}]}
ANTHROPIC = {
    "model": "m", "system": "Be short.", "max_tokens": 9, "messages": [ASKED],
    "tools": [{"name": "weather", "input_schema": {"type": "object"}}],
}  # fmt: skip
BLOCKS = {
    "id": "msg_1", "type": "message", "role": "assistant",
    "content": [{"type": "tool_use", "id": "c1", "name": "weather", "input": {"city": "Oslo"}}],
}  # fmt: skip
OTEL = {
    "attributes": {
        "gen_ai.input.messages": json.dumps([{"role": "user", "parts": [{"type": "text", "content": "Oslo?"}]}]),
        "gen_ai.output.messages": json.dumps([{
            "role": "assistant",
            "parts": [{"type": "tool_call", "id": "c1", "name": "weather", "arguments": {"city": "Oslo"}}],
        }]),
    },
}  # fmt: skip
EXCHANGES = {
    "plain": {"request": CHAT, "response": COMPLETION},
    "helicone": {"request_id": "r", "request_body": CHAT, "response_body": COMPLETION},
    "texts": {"request_body": json.dumps(CHAT), "response_body": json.dumps(COMPLETION)},
    "litellm": {"id": "x", "messages": [ASKED], "response": COMPLETION, "model_parameters": {"tools": CHAT["tools"]}},
    "stored": {**COMPLETION, "id": "chatcmpl-1", "messages": [ASKED]},
    "langfuse": {"input": [ASKED], "output": CALLS},
    "langfuse tools": {"input": CHAT, "output": CALLS},
    "mitmproxy": {
        "request": {"method": "POST", "headers": {}, "body": json.dumps(ANTHROPIC)},
        "response": {"status_code": 200, "body": json.dumps(BLOCKS)},
    },
    "har": {
        "log": {
            "entries": [{
                "request": {"url": "u", "postData": {"text": json.dumps(ANTHROPIC)}},
                "response": {"status": 200, "content": {"mimeType": "application/json", "text": json.dumps(BLOCKS)}},
            }]
        }
    },
    "bedrock": {
        "input": {"inputBodyJson": {"messages": [{"role": "user", "content": [{"text": "Oslo?"}]}]}},
        "output": {
            "outputBodyJson": {
                "output": {
                    "message": {
                        "role": "assistant",
                        "content": [{"toolUse": {"toolUseId": "c1", "name": "weather", "input": {"city": "Oslo"}}}],
                    }
                }
            }
        },
    },
    "gemini": {
        "request": {"contents": [{"role": "user", "parts": [{"text": "Oslo?"}]}]},
        "response": {
            "candidates": [{"content": {"parts": [{"functionCall": {"name": "weather", "args": {"city": "Oslo"}}}]}}]
        },
    },
    "responses": {
        "request": {"model": "m", "input": "Oslo?"},
        "response": {"object": "response", "output": [call("c1", city="Oslo")]},
    },
    "ollama": {"request": CHAT, "response": {"model": "m", "message": CALLS, "done": True}},
    "opentelemetry": OTEL,
    "batch": {"custom_id": "b1", "method": "POST", "url": "/v1", "body": {**CHAT, "messages": [ASKED, CALLS]}},
}  # fmt: skip


@pytest.mark.parametrize("source", EXCHANGES)
def test_an_exchange_ends_with_the_response(tmp_path: Path, source: str) -> None:
    session = read_lines(tmp_path, [EXCHANGES[source]])
    assert session.format == "exchange"
    (trajectory,) = session.trajectories
    assert shape(trajectory)[-2:] == ["user", "assistant weather"]
    assert calls(trajectory) == [("weather", {"city": "Oslo"})]
    assert session.problems == ()


def events(*chunks: dict[str, Any]) -> str:
    return "".join(f"event: x\ndata: {json.dumps(chunk)}\n\n" for chunk in chunks) + "data: [DONE]\n\n"


def delta(**parts: Any) -> dict[str, Any]:
    return {"object": "chat.completion.chunk", "choices": [{"index": 0, "delta": parts}]}


def piece_of(arguments: str, **beside: Any) -> list[dict[str, Any]]:
    return [{"index": 0, **beside, "function": {"arguments": arguments, **({"name": "weather"} if beside else {})}}]


CHUNKS = [
    delta(role="assistant", content=""), delta(tool_calls=piece_of("", id="c1")),
    delta(tool_calls=piece_of('{"city":')), delta(tool_calls=piece_of(' "Oslo"}')), {"choices": []},
]  # fmt: skip
STREAMS: dict[str, tuple[dict[str, Any], Any]] = {
    "chat": (CHAT, events(*CHUNKS)),
    "chunks": (CHAT, CHUNKS),
    "anthropic": (
        ANTHROPIC,
        {
            "status": 200,
            "body_raw": events(
                {"type": "message_start", "message": {"id": "m"}},
                {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
                {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Looking."}},
                {
                    "type": "content_block_start", "index": 1,
                    "content_block": {"type": "tool_use", "id": "c1", "name": "weather", "input": {}},
                },
                {"type": "content_block_delta", "index": 1, "delta": {"partial_json": '{"city": '}},
                {"type": "content_block_delta", "index": 1, "delta": {"partial_json": '"Oslo"}'}},
                {"type": "message_stop"},
            ),
        },
    ),
    "responses": (
        {"model": "m", "input": "Oslo?"},
        events(
            {"type": "response.created", "response": {"output": []}},
            {"type": "response.completed", "response": {"output": [call("c1", city="Oslo")]}},
        ),
    ),
    "gemini": (
        {"contents": [{"role": "user", "parts": [{"text": "Oslo?"}]}]},
        events(
            {"candidates": [{"content": {"parts": [{"text": "Looking."}]}}]},
            {"candidates": [{"content": {"parts": [{"functionCall": {"name": "weather", "args": {"city": "Oslo"}}}]}}]},
        ),
    ),
}  # fmt: skip


@pytest.mark.parametrize("api", STREAMS)
def test_a_streamed_response_is_put_together(tmp_path: Path, api: str) -> None:
    request, response = STREAMS[api]
    session = read_lines(tmp_path, [{"request": request, "response": response}])
    (trajectory,) = session.trajectories
    assert shape(trajectory)[-2:] == ["user", "assistant weather"]
    assert calls(trajectory) == [("weather", {"city": "Oslo"})]
    assert session.problems == ()


def answered(*results: str) -> list[dict[str, Any]]:
    return [ASKED, CALLS, *({"role": "tool", "tool_call_id": "c1", "content": text} for text in results)]


def reply(words: str) -> dict[str, Any]:
    return {"choices": [{"message": {"role": "assistant", "content": words, "refusal": None}}]}


def test_successive_requests_of_one_conversation_are_one(tmp_path: Path) -> None:
    other = {"request": {"messages": [{"role": "user", "content": "Moss?"}]}, "response": reply("Rain.")}
    third = [*answered("3"), {"role": "assistant", "content": "3."}, {"role": "user", "content": "Thanks"}]
    lines = [
        {"request": CHAT, "response": COMPLETION},
        other,
        {"request": {"messages": answered("3")}, "response": reply("3.")},
        {"request": {"messages": third}, "response": reply("Bye.")},
    ]
    session = read_lines(tmp_path, lines)
    assert [shape(trajectory) for trajectory in session.trajectories] == [
        ["user", "assistant"],
        ["user", "assistant weather", "tool", "assistant", "user", "assistant"],
    ]
    assert ["2 earlier requests" in problem.reason for problem in session.problems] == [True]


def test_requests_that_only_begin_alike_stay_apart(tmp_path: Path) -> None:
    lines = [
        {"request": CHAT, "response": reply("Rain.")},  # another answer than the one that the next request has
        {"request": {"messages": answered("3")}, "response": reply("3.")},
        {"request": {"system": "Be rude.", "messages": answered("3")}, "response": reply("3!")},
    ]
    session = read_lines(tmp_path, lines)
    assert len(session.trajectories) == 3


def test_exchanges_report_what_cannot_be_read(tmp_path: Path) -> None:
    lines: list[dict[str, Any]] = [
        {"request": CHAT, "response": {"error": {"message": "overloaded"}}},
        {"request": {**CHAT, "messages": [{"role": "user", "content": "B"}]}, "response": "data: {}\n\ndata: [DONE]"},
        {"request": {**CHAT, "messages": [{"role": "user", "content": "C"}]}, "response": {"choices": [{"finish": 1}]}},
        {"custom_id": "b", "response": {"status_code": 200, "body": COMPLETION}},
        {"request": {**CHAT, "messages": [{"role": "user", "content": "D"}]}, "response": {**COMPLETION, "choices": [
            {"message": CALLS}, {"message": CALLS}]}},
    ]  # fmt: skip
    session = read_lines(tmp_path, lines)
    assert len(session.trajectories) == 5
    reasons = " | ".join(problem.reason for problem in session.problems)
    for part in ("overloaded", "stream of events", "holds no message", "not in the log", "2 choices"):
        assert part in reasons


# -------------------------------------------------------------------------------------------------- xLAM and relatives


@pytest.mark.parametrize(
    "row",
    [
        {"query": "Oslo?", "tools": [WEATHER], "answers": [{"name": "weather", "arguments": {"city": "Oslo"}}]},
        {
            "query": "Oslo?",
            "tools": json.dumps([{"name": "weather", "parameters": {"city": {"type": "str, optional"}}}]),
            "answers": json.dumps([{"name": "weather", "arguments": {"city": "Oslo"}}]),
        },
        {"question": "Oslo?", "function": WEATHER, "answer": "weather(city='Oslo')"},
        {
            "question": [{"role": "user", "content": "Oslo?"}],
            "functions": [WEATHER],
            "answers": ["weather(city='Oslo')"],
        },
    ],
)
def test_xlam_rows(tmp_path: Path, row: dict[str, Any]) -> None:
    session = read_lines(tmp_path, [{"id": 3, **row}])
    assert session.format == "xlam"
    (trajectory,) = session.trajectories
    assert (trajectory.id, shape(trajectory)) == ("3", ["user", "assistant weather"])
    assert calls(trajectory) == [("weather", {"city": "Oslo"})]
    assert "/weather" in session.tools


def test_xlam_without_calls_and_with_a_broken_one(tmp_path: Path) -> None:
    good = {"name": "weather", "arguments": {}}
    rows = [
        {"query": "Hi", "tools": "[]", "answers": "[]"},
        {"query": "Hi", "tools": [], "answers": "I cannot."},
        {"query": "Hi", "tools": [WEATHER], "answers": [{"arguments": {"city": "Oslo"}}, good]},
        {"question": "What is 2+2?", "answer": "4", "tools": "none"},  # no row of calls
    ]
    session = read_lines(tmp_path, rows)
    assert [shape(trajectory) for trajectory in session.trajectories] == [
        ["user"], ["user", "assistant"], ["user", "assistant weather"],
    ]  # fmt: skip
    reasons = [problem.reason for problem in session.problems]
    assert ["names no tool" in reason for reason in reasons] == [True, False]
    assert "no known format" in reasons[1]


# --------------------------------------------------------------------------------------------------------------- BFCL


def test_bfcl_answers_take_the_first_accepted_value(tmp_path: Path) -> None:
    first = {
        "place": ["Oslo", "oslo"], "unit": ["", "C"], "hours": [3, ""], "tags": [["a", "b"]], "any": [],
        "where": [{"lat": [1.5], "label": ["", "x"]}], "points": [[{"x": [1]}, {"x": [2, 3]}]], "note": [None],
    }  # fmt: skip
    rows = [
        {"id": "parallel_0", "ground_truth": [{"geo.weather": first}, {"tide": {}}]},
        {"id": "live_irrelevance_0", "ground_truth": []},
        {"id": "simple_python_3", "ground_truth": [{"tide": "Hest"}, {"tide": {"harbour": ["Hest"]}}, 7]},
    ]
    session = read_lines(tmp_path, rows)
    assert session.format == "bfcl"
    trajectory = session.trajectories[0]
    assert shape(trajectory) == ["assistant geo.weather tide"]
    assert calls(trajectory)[0][1] == {
        "place": "Oslo", "hours": 3, "tags": ["a", "b"], "where": {"lat": 1.5}, "points": [{"x": 1}, {"x": 2}],
        "note": None,
    }  # fmt: skip
    assert calls(session.trajectories[1]) == [("tide", {"harbour": "Hest"})]
    reasons = " | ".join(f"{problem.line} {problem.reason}" for problem in session.problems)
    for part in ("2 bfcl: has no calls", "'Hest'", "'7'"):
        assert part in reasons


def test_bfcl_answers_that_are_texts_and_calls_in_texts(tmp_path: Path) -> None:
    rows = [
        {"id": "memory_0-customer-0", "ground_truth": ["38", "thirty eight"], "source": "..."},
        {"id": "exec_parallel_1", "ground_truth": ["f(a=1)", "f(a=2)"]},
        {
            "id": "multi_turn_base_0",
            "ground_truth": [["cd(folder='x')", "ls(a=b)"], [], ["pwd()"]],
            "question": [[], [], []],
        },
    ]
    session = read_lines(tmp_path, rows)
    assert [shape(t) for t in session.trajectories] == [
        ["assistant"],
        ["assistant f f"],
        ["assistant cd", "assistant pwd"],
    ]
    assert session.trajectories[0].messages[0].content == "38"
    reasons = " | ".join(problem.reason for problem in session.problems)
    for part in ("2 answers are accepted", "no call", "ls(a=b)"):
        assert part in reasons


def test_bfcl_results_of_models(tmp_path: Path) -> None:
    log = [
        {"begin_of_turn_query": [], "step_0": [{"role": "assistant"}, {"role": "tool", "content": '{"error": "no"}'}]}
    ]
    rows = [
        {"id": "simple_python_0", "result": "[geo.weather(city='Oslo')]", "latency": 1.0},
        {"id": "simple_python_1", "result": [{"tide": '{"harbour": "Hest"}'}], "input_token_count": 3},
        {"id": "irrelevance_0", "result": "I cannot help.", "latency": 1.0},
        {"id": "simple_python_2", "result": "Error during inference: 500", "latency": 1.0},
        {"id": "multi_turn_base_1", "result": [[["cd(folder='x')"], "Done."]], "inference_log": log},
    ]
    session = read_lines(tmp_path, rows)
    assert [shape(trajectory) for trajectory in session.trajectories] == [
        ["assistant geo.weather"], ["assistant tide"], ["assistant"], ["assistant cd", "tool", "assistant"],
    ]  # fmt: skip
    assert len(errors(session.trajectories[3])) == 1
    assert ["Error during inference" in problem.reason for problem in session.problems] == [True]


# ------------------------------------------------------------------------------------------------------- hostile input

SAMPLES: dict[str, Any] = {
    "items": ITEMS,
    "record": {"input": ITEMS[:3], "output": ITEMS[3:], "tools": [WEATHER], "instructions": "Be short."},
    "gemini": gemini(False),
    "snake": gemini(True),
    "pair": [
        {"request": CHAT, "response": COMPLETION},
        {"request": {"messages": answered("3")}, "response": reply("3.")},
    ],
    "otel": OTEL,
    "mitm": EXCHANGES["mitmproxy"],
    "bedrock": EXCHANGES["bedrock"],
    "chunks": {"request": CHAT, "response": CHUNKS},
    "xlam": {"query": "Hi", "tools": [WEATHER], "answers": [{"name": "weather", "arguments": {"city": "Oslo"}}]},
    "bfcl": {"id": "parallel_0", "ground_truth": [{"f": {"a": [1, ""], "b": [{"c": [2]}]}}, {"g": {}}]},
    "result": {"id": "multi_turn_0", "result": [[["cd(a='x')"], [{"f": "{}"}]], ["Done."]], "question": [[ASKED], []]},
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
    assert count > 20


def test_other_records_with_such_keys_are_not_claimed(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"input": "Translate", "output": "Oversett", "instruction": "Do it"},
        {"request": "GET /", "response": "200"},
        {"id": "a", "result": "fine"},
        {"id": "b", "ground_truth": ["x", "y"]},
        {"type": "message", "text": "hi"},
        {"contents": "a book"},
    ]
    good = {"messages": [ASKED, {"role": "assistant", "content": "3."}]}
    session = read_lines(tmp_path, [*rows, good])
    assert (session.format, len(session.trajectories)) == ("openai", 1)
    assert len(session.problems) == len(rows)
