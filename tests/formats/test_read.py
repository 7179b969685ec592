"""Reading trajectory files: every format, detected by content, and everything that can be broken in a file."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from tdlab.errors import FormatError
from tdlab.formats import LineProblem, TrajectorySet, iter_trajectories, looks_like_error, read_trajectories
from tdlab.records import Domains, Message, Service, Trajectory

USER = {"role": "user", "content": "Where is order A-100?"}
CALL = {
    "role": "assistant",
    "content": None,
    "tool_calls": [
        {"id": "c1", "type": "function", "function": {"name": "get_order", "arguments": '{"order_id": "A-100"}'}}
    ],
}
RESULT = {"role": "tool", "tool_call_id": "c1", "content": '{"status": "sent"}'}
REPLY = {"role": "assistant", "content": "It was sent."}
TOOL = {
    "type": "function",
    "function": {
        "name": "get_order",
        "description": "Read an order.",
        "parameters": {"type": "object", "properties": {"order_id": {"type": "string"}}},
    },
}
OPENAI = {"id": "one", "messages": [USER, CALL, RESULT, REPLY], "tools": [TOOL]}

TAU = {
    "task_id": 3,
    "trial": 1,
    "reward": 0.0,
    "traj": [{"role": "system", "content": "# Retail agent policy\n\nBe kind."}, USER, CALL, RESULT, REPLY],
}
TAU2 = {
    "info": {"environment_info": {"domain_name": "telecom", "tool_defs": None}},
    "tasks": [],
    "simulations": [
        {
            "id": "sim-1",
            "messages": [
                {"role": "assistant", "content": "Hi!", "tool_calls": None},
                {"role": "user", "content": None, "tool_calls": [{"id": "u1", "name": "toggle", "arguments": {}}]},
                {"role": "tool", "id": "u1", "requestor": "user", "content": "toggled"},
                {
                    "role": "assistant",
                    "content": None,
                    "tool_calls": [
                        {"id": "a", "name": "get_line", "arguments": {"line": "L1"}},
                        {"id": "b", "name": "get_line", "arguments": {"line": "L2"}},
                    ],
                },
                {
                    "role": "tool",
                    "tool_messages": [
                        {"role": "tool", "id": "a", "content": "ok", "error": False},
                        {"role": "tool", "id": "b", "content": "no such line", "error": True},
                    ],
                },
            ],
        }
    ],
}
MCP_BENCH = {
    "task_run_results": {
        "some/model": [
            {
                "task_id": "task-1",
                "solution": "Everything is found.",
                "execution_results": [
                    {"tool": "transfer_to_agent", "call_id": "t0", "server": "", "round": 1, "parameters": {"a": 1},
                     "success": True, "response": {"result": None}},
                    {"tool": "big_museum__search-objects", "call_id": "t1", "server": "Big Museum", "round": 2,
                     "parameters": {"q": "monet", "__intent": "look"}, "success": True,
                     "response": {"content": [{"type": "text", "text": "found 7"}], "isError": False}},
                    {"tool": "big_museum__get-object", "call_id": "t2", "server": "Big Museum", "round": 2,
                     "parameters": {"id": 7}, "success": False,
                     "response": {"content": [{"type": "text", "text": "404"}], "isError": True}},
                ],
            }
        ]
    }
}  # fmt: skip
TOOLBENCH = {
    "77": {
        "query": "Find a family film.",
        "available_tools": [
            {
                "name": "genres_for_film_search",
                "description": 'This is the subfunction for tool "film_search", you can use this tool.',
                "parameters": {"type": "object", "properties": {}, "required": [], "optional": []},
            }
        ],
        "answer": {
            "final_answer": '{"return_type": "give_answer", "final_answer": "Toy Story."}',
            "answer_details": [
                {"role": "system", "message": "", "next": [
                    {"role": "user", "message": "Find a fam", "next": [
                        {"role": "tool", "message": "{'name': 'abandoned', 'arguments': '{}'", "next": []},
                        {"role": "assistant", "message": "I look at the genres.", "next": [
                            {"role": "tool", "message":
                                "{'name': 'genres_for_film_search', 'arguments': '{\\n  \"a\": \"it\\'s\"\\n}',"
                                " 'response': '{\"error\": \"\", \"resp", "next": [
                                {"role": "tool", "message": "{'name': 'genres_for_film_search', 'arguments': '{\"b",
                                 "next": [
                                    {"role": "tool", "message": "{'name': 'Finish', 'arguments': '{"}]}]}]}]}]}
            ],
        },
    }
}  # fmt: skip


def put(folder: Path, content: Any, name: str = "file.json") -> Path:
    path = folder / name
    if not isinstance(content, bytes):
        content = (content if isinstance(content, str) else json.dumps(content)).encode()
    path.write_bytes(content)
    return path


def only(found: TrajectorySet) -> Trajectory:
    assert len(found.trajectories) == 1, found.problems
    return found.trajectories[0]


def shape(trajectory: Trajectory) -> list[str]:
    """Return each message as its role, the names that it calls, and a mark for an error."""
    return [
        m.role + "".join(f" {c.name}" for c in m.tool_calls) + (" !" if m.is_error else "") for m in trajectory.messages
    ]


# ---------------------------------------------------------------------------------------------------------- formats


@pytest.mark.parametrize("tools", [[TOOL], json.dumps([TOOL]), [TOOL["function"]]], ids=["list", "text", "bare"])
def test_openai(tmp_path: Path, tools: Any) -> None:
    found = read_trajectories(put(tmp_path, {**OPENAI, "tools": tools}))
    assert (found.format, found.problems) == ("openai", ())
    talk = only(found)
    assert talk.id == "one"
    assert shape(talk) == ["user", "assistant get_order", "tool", "assistant"]
    assert talk.messages[1].tool_calls[0].arguments == {"order_id": "A-100"}
    assert talk.tools == {"get_order": "/get_order"}
    assert found.tools["/get_order"].description == "Read an order."
    assert found.domains == {}, "the file names no service"


def test_openai_services_in_names(tmp_path: Path) -> None:
    text = json.dumps(OPENAI).replace("get_order", "shop__get_order")
    found = read_trajectories(put(tmp_path, text))
    assert only(found).tools == {"shop__get_order": "shop/get_order"}
    assert found.tools["shop/get_order"].service == "shop"
    assert found.domains == {"shop": {"shop": 1.0}}


def test_openai_in_the_old_shape(tmp_path: Path) -> None:
    old = [
        USER,
        {"role": "assistant", "function_call": {"name": "f", "arguments": "{}"}},
        {"role": "function", "name": "f", "content": "1"},
        {"role": "developer", "content": [{"type": "text", "text": "a"}, {"type": "image_url"}, "b"]},
    ]
    talk = only(read_trajectories(put(tmp_path, old)))
    assert shape(talk) == ["user", "assistant f", "tool", "system"]
    assert talk.messages[2].tool_call_id == talk.messages[1].tool_calls[0].id
    assert talk.messages[3].content == "a\n[image_url]\nb"


def test_tau_bench(tmp_path: Path) -> None:
    found = read_trajectories(put(tmp_path, [TAU, {**TAU, "trial": 2, "traj": TAU["traj"][:2]}]))
    assert (found.format, found.domains) == ("tau-bench", {"retail": {"retail": 1.0}})
    first, second = found.trajectories
    assert (first.id, second.id) == ("retail-3-1", "retail-3-2")
    assert first.tools == second.tools == {"get_order": "retail/get_order"}, "one environment offers the same tools"


def test_tau2_bench(tmp_path: Path) -> None:
    found = read_trajectories(put(tmp_path, TAU2))
    talk = only(found)
    assert (found.format, talk.id, list(found.domains)) == ("tau2-bench", "sim-1", ["telecom"])
    assert shape(talk) == ["assistant", "user", "assistant get_line get_line", "tool", "tool !"]
    assert talk.messages[2].tool_calls[1].arguments == {"line": "L2"}


def test_mcp_bench(tmp_path: Path) -> None:
    found = read_trajectories(put(tmp_path, MCP_BENCH))
    talk = only(found)
    assert (found.format, talk.id) == ("mcp-bench", "task-1")
    assert shape(talk) == [
        "assistant transfer_to_agent",
        "tool",
        "assistant big_museum__search-objects big_museum__get-object",
        "tool",
        "tool !",
        "assistant",
    ]
    assert talk.tools["big_museum__get-object"] == "Big Museum/get-object"
    assert talk.tools["transfer_to_agent"] == "/transfer_to_agent"
    assert talk.messages[2].tool_calls[0].arguments == {"q": "monet"}, "the runner's own note is no argument"
    assert talk.messages[3].content == "found 7"
    assert list(found.domains) == ["Big Museum"]


def test_toolbench(tmp_path: Path) -> None:
    found = read_trajectories(put(tmp_path, TOOLBENCH))
    talk = only(found)
    assert (found.format, talk.id) == ("toolbench", "77")
    assert [m.role for m in talk.messages] == ["user", "assistant", "tool", "assistant", "assistant"]
    assert talk.messages[0].content == "Find a family film.", "the whole query, not the node that was cut"
    first, second = talk.messages[1], talk.messages[3]
    assert first.content == "I look at the genres."
    assert first.tool_calls[0].arguments == {"a": "it's"}
    assert not talk.messages[2].is_error
    assert second.tool_calls[0].malformed == '{"b'
    assert talk.messages[-1].content == "Toy Story."
    assert talk.tools == {"genres_for_film_search": "film_search/genres_for_film_search"}
    assert list(found.domains) == ["film_search"]


def test_toolbench_errors_and_giving_up(tmp_path: Path) -> None:
    text = json.dumps(TOOLBENCH).replace('\\"error\\": \\"\\"', '\\"error\\": \\"Unauthorized\\"')
    text = text.replace("give_answer", "give_up_and_restart").replace(', \\"final_answer\\": \\"Toy Story.\\"', "")
    talk = only(read_trajectories(put(tmp_path, text)))
    assert talk.messages[2].is_error
    assert "give_up_and_restart" in talk.messages[-1].content


def test_services_are_classified_by_whoever_can(tmp_path: Path) -> None:
    asked: list[Service] = []

    def classify(service: Service) -> Domains:
        asked.append(service)
        return {"arts": 1.0}

    found = read_trajectories(put(tmp_path, MCP_BENCH), classify=classify)
    assert found.domains == {"Big Museum": {"arts": 1.0}}
    assert [(s.name, [t.name for t in s.tools]) for s in asked] == [("Big Museum", ["get-object", "search-objects"])]


# -------------------------------------------------------------------------------------------------------- containers


@pytest.mark.parametrize("document", [OPENAI, [TAU], TAU2, MCP_BENCH, TOOLBENCH], ids=["o", "t", "t2", "m", "tb"])
@pytest.mark.parametrize("indent", [None, 1])
@pytest.mark.parametrize("packed", [False, True])
def test_one_line_or_many_packed_or_not_is_the_same(
    tmp_path: Path, document: Any, indent: int | None, packed: bool
) -> None:
    plain = read_trajectories(put(tmp_path, document, "a.json"))
    text = json.dumps(document, indent=indent).encode()
    other = read_trajectories(put(tmp_path, gzip.compress(text) if packed else b"\xef\xbb\xbf\n" + text, "b.bin"))
    assert other.trajectories == plain.trajectories
    assert (other.tools, other.domains) == (plain.tools, plain.domains)
    assert [(p.where, p.reason, p.severity) for p in other.problems] == [
        (p.where, p.reason, p.severity) for p in plain.problems
    ]


def test_jsonl_of_mixed_formats(tmp_path: Path) -> None:
    lines = [OPENAI, TAU, TAU2, MCP_BENCH, TOOLBENCH, [OPENAI, TAU]]
    found = read_trajectories(put(tmp_path, "\n".join(map(json.dumps, lines))))
    assert found.format == "openai + tau-bench + tau2-bench + mcp-bench + toolbench"
    assert [t.id for t in found.trajectories] == ["one", "retail-3-1", "sim-1", "task-1", "77", "one#2", "retail-3-1#2"]
    assert {(p.line, p.severity) for p in found.problems} == {(5, "noted")}, "ToolBench's recordings cut arguments off"


def test_a_named_format_leaves_out_the_others(tmp_path: Path) -> None:
    path = put(tmp_path, "\n".join(map(json.dumps, [OPENAI, TAU])))
    found = read_trajectories(path, format="tau-bench")
    assert [t.id for t in found.trajectories] == ["retail-3-1"]
    assert [p.line for p in found.problems] == [1]
    with pytest.raises(FormatError, match=r"no trajectory format 'tau'"):
        read_trajectories(path, format="tau")


def test_a_folder_is_read_in_the_order_of_names(tmp_path: Path) -> None:
    put(tmp_path, {**OPENAI, "id": "z"}, "2.jsonl")
    put(tmp_path, {**OPENAI, "id": "a"}, "10.json")
    put(tmp_path, "[broken", "3.json")
    put(tmp_path, "no trajectories here", "readme.txt")
    found = read_trajectories(tmp_path)
    assert [t.id for t in found.trajectories] == ["a", "z"]
    assert [Path(p.path).name for p in found.problems] == ["3.json", "readme.txt"], "what was passed over is listed"


def test_ids_are_made_up_where_there_are_none(tmp_path: Path) -> None:
    nameless = {"messages": [USER, REPLY]}
    found = read_trajectories(put(tmp_path, "\n".join(map(json.dumps, [nameless, nameless])), "set.jsonl"))
    assert [t.id for t in found.trajectories] == ["set-1", "set-2"]


def test_iterating_streams_what_reading_collects(tmp_path: Path) -> None:
    path = put(tmp_path, "\n".join([json.dumps(OPENAI), "{", json.dumps(TAU)]))
    found = list(iter_trajectories(path))
    assert [type(one).__name__ for one in found] == ["Recording", "LineProblem", "Recording"]


# ----------------------------------------------------------------------------------------------------------- broken


def test_broken_lines_are_reported_one_by_one_and_the_rest_is_read(tmp_path: Path) -> None:
    def line(**changes: Any) -> bytes:
        return json.dumps({**OPENAI, **changes}).encode()

    bad_call = {"role": "assistant", "tool_calls": [{"id": "x", "function": {"arguments": "{}"}}]}
    lines = [
        line(),
        b'{"id": "cut", "messages": [{"role": "us',
        b"",
        b"\xff\xfe not utf-8",
        b"[1, 2]",
        b"{}",
        b'"text"',
        line(messages=[]),
        line(messages=[{"role": "wizard", "content": "x"}]),
        line(messages=[USER, bad_call]),
        line(messages=[USER, {"role": "assistant", "tool_calls": "none"}]),
        line(messages=[USER, {"role": "assistant", "tool_calls": ["none"]}]),
        line(score=float("nan")),
        b'{"messages": [], "score": 1e999}',
        b'{"messages": ' + b"[" * 100_000,
        b'{"n": ' + b"9" * 10_000 + b"}",
        line(id="last"),
    ]
    found = read_trajectories(put(tmp_path, b"\n".join(lines), "f.jsonl"))
    assert [t.id for t in found.trajectories] == ["one", "one#2", "one#3", "one#4", "one#5", "last"]
    skipped = [(p.line, p.where) for p in found.problems if p.severity == "skipped"]
    assert skipped == [(2, ""), (4, ""), (5, "[0]"), (5, "[1]"), *((n, "") for n in (6, 7, 8, 9, 14, 15, 16))]
    reasons = {p.line: p.reason for p in found.problems}
    assert reasons[2] == "is not JSON (Unterminated string at column 37)"
    assert reasons[4] == "is not UTF-8 text (byte 0)"
    assert reasons[6] == "has no known format (an empty object)"
    assert reasons[8] == "openai: has no messages"
    assert reasons[9] == "openai: message 0 has the role 'wizard'"
    assert reasons[15] == "is nested too deeply"
    assert "digits" in reasons[16]
    assert str(found.problems[0]).endswith("f.jsonl: line 2: " + reasons[2])


def test_one_odd_part_does_not_lose_a_conversation(tmp_path: Path) -> None:
    bad_call = {"role": "assistant", "tool_calls": [{"id": "x", "function": {"arguments": "{}"}}]}
    odd = [
        {**OPENAI, "messages": [USER, {"role": "wizard", "content": "x"}, REPLY]},
        {**OPENAI, "messages": [USER, bad_call, REPLY]},
        {**OPENAI, "messages": [USER, {"role": "assistant", "tool_calls": "none"}, REPLY]},
        {**OPENAI, "messages": [USER, 7, REPLY]},
        {**OPENAI, "score": float("nan"), "messages": [USER, REPLY]},
    ]
    for value in odd:
        found = read_trajectories(put(tmp_path, value, "f.jsonl"))
        talk = only(found)
        assert (talk.messages[0].content, talk.messages[-1].content) == (USER["content"], REPLY["content"])
        assert len(found.problems) == 1, f"the odd part is named: {value}"
    assert found.problems[0].severity == "fixed", "NaN is no JSON and is read as null"


def test_one_broken_conversation_of_a_document_leaves_the_others(tmp_path: Path) -> None:
    broken = {**TAU2, "simulations": [TAU2["simulations"][0], {"id": "x"}, 7]}
    found = read_trajectories(put(tmp_path, broken))
    assert [p.where for p in found.problems] == ["simulations[1]", "simulations[2]"]
    both = {**TOOLBENCH, "78": {"query": "x"}, "79": None}
    found = read_trajectories(put(tmp_path, both))
    assert [p.where for p in found.problems if p.severity == "skipped"] == ["query 78", "query 79"]
    runs = {"task_run_results": {"m": [*MCP_BENCH["task_run_results"]["some/model"], {"status": "failed"}], "n": None}}
    found = read_trajectories(put(tmp_path, runs))
    assert [(p.where, p.reason) for p in found.problems] == [("m[1]", "mcp-bench: has no execution_results")]


def test_calls_without_ids_and_results_without_ids_find_each_other(tmp_path: Path) -> None:
    def call(*names: str) -> dict[str, Any]:
        return {"role": "assistant", "tool_calls": [{"function": {"name": n, "arguments": {}}} for n in names]}

    messages = [
        call("f", "g"),
        {"role": "tool", "name": "g", "content": "for g"},
        {"role": "tool", "content": "for f"},
        call("f"),
        {"role": "tool", "tool_call_id": "stranger", "content": "for nobody"},
    ]
    talk = only(read_trajectories(put(tmp_path, {"messages": messages})))
    f, g = talk.messages[0].tool_calls
    assert (talk.messages[1].tool_call_id, talk.messages[2].tool_call_id) == (g.id, f.id)
    assert talk.messages[4].tool_call_id is None
    assert len({c.id for c in talk.calls()}) == 3


def test_repeated_call_ids_become_unique_and_keep_their_results(tmp_path: Path) -> None:
    twice = [USER, CALL, RESULT, CALL, {**RESULT, "content": "Error: gone"}, REPLY]
    talk = only(read_trajectories(put(tmp_path, {"messages": twice})))
    first, second = talk.calls()
    assert first.id != second.id
    assert talk.results()[first.id].is_error is False
    assert talk.results()[second.id].is_error is True


@pytest.mark.parametrize(
    ("raw", "arguments", "malformed"),
    [
        ('{"a": 1}', {"a": 1}, None),
        ({"a": 1}, {"a": 1}, None),
        ("", {}, None),
        ("  ", {}, None),
        (None, {}, None),
        ('{"a": ', {}, '{"a": '),
        ("[1]", {}, "[1]"),
        ([1], {}, "[1]"),
        ('{"a": NaN}', {}, '{"a": NaN}'),
        ('{"a": 1e999}', {}, '{"a": 1e999}'),
        ('{"a": ' + "9" * 5000 + "}", {}, '{"a": ' + "9" * 5000 + "}"),
        ('{"a": ' + "9" * 400 + "}", {"a": int("9" * 400)}, None),
        ('{"a": "\\ud83d\\ude00 \\ud800"}', {"a": "\U0001f600 \ufffd"}, None),
        ('{"a": ' + "[" * 70 + "]" * 70 + "}", {}, '{"a": ' + "[" * 70 + "]" * 70 + "}"),
    ],
    ids=lambda value: str(value)[:24],
)
def test_arguments_of_every_kind(tmp_path: Path, raw: Any, arguments: Any, malformed: str | None) -> None:
    call = {"role": "assistant", "tool_calls": [{"id": "1", "function": {"name": "f", "arguments": raw}}]}
    made = next(only(read_trajectories(put(tmp_path, {"messages": [call]}))).calls())
    assert (made.arguments, made.malformed) == (arguments, malformed)


def test_half_surrogates_become_replacement_marks(tmp_path: Path) -> None:
    line = '{"id": "\\ud800", "messages": [{"role": "user", "content": "a\\udfffb \\ud83d\\ude00"}]}'
    talk = only(read_trajectories(put(tmp_path, line)))
    assert (talk.id, talk.messages) == ("\ufffd", (Message(role="user", content="a\ufffdb \U0001f600"),))


def test_odd_tools_are_left_undefined(tmp_path: Path) -> None:
    odd = [None, 7, {}, {"function": {}}, {"function": {"name": ""}}, {"name": "ok", "parameters": "{nonsense"}, TOOL]
    found = read_trajectories(put(tmp_path, {**OPENAI, "tools": odd}))
    assert sorted(found.tools) == ["/get_order", "/ok"]
    assert found.tools["/ok"].input_schema == {"type": "object"}
    assert read_trajectories(put(tmp_path, {**OPENAI, "tools": "not json"})).tools == {}


def test_too_many_problems_are_counted_not_kept(tmp_path: Path) -> None:
    found = read_trajectories(put(tmp_path, json.dumps(OPENAI) + "\n{" * 2500))
    assert len(found.problems) == 1001
    assert found.problems[-1].reason == "1500 more problems are not listed"


def test_a_packed_file_that_breaks_off_gives_what_came_before(tmp_path: Path) -> None:
    lines = [json.dumps({**OPENAI, "id": f"t{n}", "noise": list(range(n, n + 300))}) for n in range(200)]
    packed = gzip.compress("\n".join(lines).encode())
    found = read_trajectories(put(tmp_path, packed[: len(packed) * 2 // 3], "cut.jsonl.gz"))
    assert 50 < len(found.trajectories) < 200
    assert "the compressed data ends early" in found.problems[-1].reason


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (b"", "is empty"),
        (b"\n \n", "is empty"),
        (b"hello world\nthis is prose\n", "line 1: is not JSON"),
        (b'[\n{"messages": \n', "one JSON document that is not JSON"),
        (b'{\n"messages": [\xff]\n}', "one JSON document that is not UTF-8"),
        ('{"messages": []}'.encode("utf-16"), "UTF-16"),
        (b'{"name": "not a trajectory"}\n', 'an object with the keys "name"'),
        (b"\x00\x01\x02\x03" * 100, "no trajectory could be read"),
        (b"\x1f\x8b broken gzip", "cannot be read"),
        (b"PAR1 but not really PAR1", "not a valid Parquet"),
        (b'{"simulations": []}', "tau2-bench: contains no conversation"),
    ],
)
def test_nothing_to_read_says_what_was_found_expected_and_to_do(tmp_path: Path, content: bytes, word: str) -> None:
    path = put(tmp_path, content, "what.json")
    with pytest.raises(FormatError) as caught:
        read_trajectories(path)
    assert word in caught.value.found
    assert "what.json" in caught.value.found
    assert caught.value.expected
    assert caught.value.do


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="No such file"):
        read_trajectories(tmp_path / "absent.jsonl")
    with pytest.raises(FormatError, match="is empty"):
        read_trajectories(tmp_path)


def test_a_problem_reads_as_a_sentence() -> None:
    assert str(LineProblem("f", 0, "row 3", "is odd")) == "f: row 3: is odd"
    assert str(LineProblem("f", 2, "[1]", "is odd")) == "f: line 2, [1]: is odd"
    assert str(LineProblem("f", 0, "", "is odd")) == "f: is odd"


@pytest.mark.parametrize(
    "text",
    [
        "Error: User not found",
        "error",
        "Error executing tool x: 'ln'",
        "ValueError: bad",
        "HTTP error! status: 404",
        "Traceback (most recent call last):\n  File",
        '{"error": "Unauthorized", "response": ""}',
        '{"error": {"code": 7}}',
        '{"isError": true}',
        '{"success": false}',
        '{"ok": false, "reason": "x"}',
        '{"status": "error"}',
        '{"error": "Unauth',
    ],
)
def test_texts_that_are_errors(text: str) -> None:
    assert looks_like_error(text)


@pytest.mark.parametrize(
    "text",
    ["", "ok", '{"error": "", "resp', '{"error": null}', '{"errors": []}', '{"success": true}', "[]", "No errors found",
     "errors: 0 of 10", '{"status": "errored out of 3"}', "{" * 5000, "Terror: a film", "exceptional"],
)  # fmt: skip
def test_texts_that_are_none(text: str) -> None:
    assert not looks_like_error(text)
