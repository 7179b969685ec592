"""What servers do in their own way: reasoning, tokens, schemas, replies that they cannot parse, contexts, time-outs."""

from __future__ import annotations

import contextlib
import json
import time
from pathlib import Path
from typing import Any

import pytest

from tdlab.config import TeacherConfig
from tdlab.errors import TeacherError
from tdlab.rollout.llm import ChatClient, ChatReply, LlmRollout, Prices, RequestRefused, Spending
from tdlab.rollout.llm.budget import Price
from tdlab.rollout.llm.protocol import reply_from_body, reply_from_text, split_reasoning
from tdlab.rollout.worlds import SimulatedEnvironment
from tdlab.store import ReplyJournal
from tests.clock import slower
from tests.teacher.parts import ModelBackend, asked, echo, in_loop, raw_server, request, said, teacher
from tests.teacher.tasks import improvised

SCHEMA = {"type": "object", "properties": {"kind": {"type": "string", "pattern": "^[^x]*$"}}}


# --- reasoning


@pytest.mark.parametrize(
    ("written", "reasoning", "text"),
    [
        ("Hello", "", "Hello"),
        (" Hello ", "", " Hello "),
        ("<think>a</think> b", "a", "b"),
        ("\n<think>\na\n</think>\n<think>b</think>c", "a\n\nb", "c"),
        ("<think></think>\n\nc", "", "c"),
        ("a, so b</think>\n\nc", "a, so b", "c"),
        ("a</think>b</think>c", "a\n\nb", "c"),
        ("<think>cut off", "cut off", ""),
        ("<think>a</think>b <think>c", "a", "b <think>c"),
        ("Write <think> and </think>.", "", "Write <think> and </think>."),
        ("<think>a</think>the tag </think> ends it", "a", "the tag </think> ends it"),
        ('{"message": "the tag </think> ends it"}', "", '{"message": "the tag </think> ends it"}'),
        ('a</think>{"message": 1}', "a", '{"message": 1}'),
    ],
)
def test_thoughts_are_kept_apart(written: str, reasoning: str, text: str) -> None:
    assert split_reasoning(written) == (reasoning, text)
    reply = reply_from_body(json.dumps(said(written)).encode(), request())
    assert (reply.reasoning, reply.text) == (reasoning, text)
    assert reply_from_text(reply.to_text()) == reply
    earlier = json.dumps([written, [["f", "{}"]], "stop", "", 3, 4, True])
    assert reply_from_text(earlier).text == text
    assert reply_from_text(earlier).calls[0].name == "f"


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
def test_thoughts_in_a_field_of_their_own_are_read_and_counted(field: str) -> None:
    body = said(None, **{field: "a \ud83d thought"})
    reply = reply_from_body(json.dumps(body).encode(), request())
    assert (reply.text, reply.reasoning) == ("", "a \ufffd thought")
    assert reply.output_tokens == 3, "a server that does not count is estimated with the thoughts"
    assert reply_from_body(json.dumps(said("x", **{field: {"a": 1}})).encode(), request()).reasoning == ""


# --- tokens


@pytest.mark.parametrize(
    ("usage", "cached"),
    [
        ({"prompt_tokens_details": {"cached_tokens": 30}}, 30),
        ({"prompt_cache_hit_tokens": 30, "prompt_cache_miss_tokens": 70}, 30),
        ({"cache_read_input_tokens": 30}, 30),
        ({"prompt_tokens_details": {"cached_tokens": 101}}, 0),
        ({"prompt_tokens_details": {"cached_tokens": -1}}, 0),
        ({"prompt_tokens_details": {"cached_tokens": True}}, 0),
        ({"prompt_tokens_details": [3], "completion_tokens_details": None}, 0),
        ({"prompt_tokens": 10**9, "cache_read_input_tokens": 30}, 0),
    ],
)
def test_cached_tokens_are_read_in_each_dialect_and_absurd_ones_are_not_believed(usage: Any, cached: int) -> None:
    counted = {"prompt_tokens": 100, "completion_tokens": 9, "completion_tokens_details": {"reasoning_tokens": 4}}
    reply = reply_from_body(json.dumps({**said("x"), "usage": {**counted, **usage}}).encode(), request())
    assert reply.cached_input_tokens == cached
    assert reply.input_tokens <= 100
    assert reply.reasoning_tokens == (0 if usage.get("completion_tokens_details", 1) is None else 4)


def test_cached_tokens_cost_their_price_also_after_a_restart(tmp_path: Path) -> None:
    usage = {"prompt_tokens": 100, "completion_tokens": 10, "prompt_tokens_details": {"cached_tokens": 60}}
    prices = tmp_path / "prices.json"
    prices.write_text('{"per": 1, "models": {"m": {"input": 10, "output": 1, "cached": 1}}}')
    with raw_server(lambda body, key: (200, {**said("x"), "usage": usage})) as address:
        settings = teacher(address, prices=str(prices), budget_money=10_000)
        for _ in range(2):
            with ReplyJournal(tmp_path / "replies.sqlite") as journal:
                _, client = asked(settings, [request()], journal=journal, owner="a run")
                assert client.budget.spent.money(client.prices) == 40 * 10 + 60 + 10
    plain = Prices(per=1, models={"m": Price(input=10, output=1)})
    assert Spending.of(client.budget.spent.to_json()).money(plain) == 1010, (
        "without a price they cost as much as others"
    )


def test_a_journal_of_an_earlier_version_is_read_and_written(tmp_path: Path) -> None:
    import sqlite3

    file = tmp_path / "replies.sqlite"
    with ReplyJournal(file) as journal:
        usage = {"owner": "a", "role": "user", "model": "m", "input_tokens": 9, "output_tokens": 3}
        journal.put("k", "v", **usage).result()
    with sqlite3.connect(file) as db:
        db.execute("ALTER TABLE totals DROP COLUMN cached_input_tokens")
        db.execute("PRAGMA user_version = 1")
    db.close()
    with ReplyJournal(file) as journal:
        assert journal.get("k") == "v"
        journal.put("k2", "v", **usage, cached_input_tokens=4).result()
        assert journal.paid("a") == [("user", "m", 2, 18, 6, 4)]


# --- replies that the server could not parse


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (500, "Failed to parse input at pos 17: <tool_call>"),
        (500, "Unexpected empty grammar stack after accepting piece: }"),
        (500, "Error in the tool parser: invalid JSON"),
        (400, {"error": {"code": "tool_use_failed", "message": "Failed to call a function."}}),
    ],
)
def test_a_reply_that_the_server_cannot_parse_is_paid_for_once_and_unusable(
    tmp_path: Path, status: int, words: Any
) -> None:
    calls: list[Any] = []

    def reply(body: Any, key: str) -> tuple[int, Any]:
        calls.append(body)
        return status, words

    with raw_server(reply) as address, ReplyJournal(tmp_path / "replies.sqlite") as journal:
        for _ in range(2):
            (found,), client = asked(teacher(address), [request()], journal=journal, owner="a run")
            assert (found.finish, found.text, found.calls, found.counted) == ("unparsable", "", (), False)
            assert found.problem
        assert len(calls) == 1
        assert client.traffic.failures == {}
        assert client.budget.spent.tokens > 0
    blueprint, tools = improvised()[0]
    backend = ModelBackend(*[found] * 3)
    rollout = LlmRollout(backend, TeacherConfig(model="m", roles=("assistant",)), blueprint, tools)
    stopped = rollout.play(SimulatedEnvironment).stopped
    assert "could not parse the reply" in stopped
    assert backend.attempts == [0, 1, 2]


# --- schemas


def schemas_of(bodies: list[dict[str, Any]]) -> list[bool]:
    return ["response_format" in body for body in bodies]


@pytest.mark.parametrize("status", [400, 500])
def test_a_schema_that_cannot_be_compiled_is_sent_in_the_prompt_and_others_as_before(status: int) -> None:
    bodies: list[dict[str, Any]] = []

    def reply(body: dict[str, Any], key: str) -> tuple[int, Any]:
        bodies.append(body)
        if "bad" in str(body.get("response_format")):
            return status, {"error": {"message": "JSON schema conversion failed: Unrecognized schema"}}
        return 200, echo(body)

    bad = {"type": "object", "properties": {"bad": {"pattern": "^x$"}}}
    with raw_server(reply) as address:
        wanted = [request(text, reply_schema=schema) for text, schema in (("a", bad), ("b", SCHEMA), ("c", bad))]
        replies, client = asked(teacher(address, concurrency=1), wanted)
    assert all(isinstance(found, ChatReply) for found in replies)
    assert sorted(schemas_of(bodies)) == [False, False, True, True], "a schema that failed is not tried again"
    assert client.traffic.failures == {"no schema": 1}
    (prompted, *_) = [body for body in bodies if "response_format" not in body]
    assert '"pattern":"^x$"' in prompted["messages"][0]["content"], "the prompt has the whole schema"


@pytest.mark.parametrize(
    "words", ["This response_format type is unavailable now", "'response_format.type' must be 'text'"]
)
def test_a_server_without_schemas_gets_none_from_then_on(words: str) -> None:
    bodies: list[dict[str, Any]] = []

    def reply(body: dict[str, Any], key: str) -> tuple[int, Any]:
        bodies.append(body)
        return (400, words) if "response_format" in body else (200, echo(body))

    with raw_server(reply) as address:
        wanted = [request(str(n), reply_schema={**SCHEMA, "title": str(n)}) for n in range(3)]
        asked(teacher(address, concurrency=1), wanted)
    assert sorted(schemas_of(bodies)) == [False, False, False, True]


def test_a_server_that_fails_for_a_moment_keeps_its_schemas() -> None:
    bodies: list[dict[str, Any]] = []

    def reply(body: dict[str, Any], key: str) -> tuple[int, Any]:
        bodies.append(body)
        return (500, "something broke") if len(bodies) == 1 else (200, echo(body))

    with raw_server(reply) as address:
        _, client = asked(teacher(address), [request(reply_schema=SCHEMA)])
    assert schemas_of(bodies) == [True, True]
    assert client.traffic.failures == {"500": 1}
    assert "pattern" not in str(bodies[0]["response_format"])


# --- contexts


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (400, "This model's maximum context length is 4096 tokens. However, you requested 5000 tokens"),
        (400, {"error": {"message": "the request exceeds the available context size (4096 tokens)"}}),
        (
            500,
            {"error": {"type": "exceed_context_size_error", "message": "context size (4096) exceeded", "n_ctx": 4096}},
        ),
    ],
)
def test_a_context_that_is_exceeded_refuses_the_request_with_its_size(status: int, words: Any) -> None:
    calls: list[Any] = []

    def reply(body: Any, key: str) -> tuple[int, Any]:
        calls.append(body)
        return status, words

    with raw_server(reply) as address:
        (found,), _ = asked(teacher(address), [request("x" * 8000)])
    assert isinstance(found, RequestRefused)
    assert "needs about 4,0" in str(found)
    assert "the model's context is 4,096" in str(found)
    assert len(calls) == 1


def test_tools_that_a_server_takes_only_with_a_flag_end_the_run_with_that_flag() -> None:
    words = '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set'
    with raw_server(lambda body, key: (400, words)) as address:
        (found,), _ = asked(teacher(address), [request(tools=({"type": "function"},))])
    assert isinstance(found, TeacherError)
    assert "start vLLM with --enable-auto-tool-choice" in found.do


# --- time-outs


def test_a_time_out_lowers_the_limit_and_counts_by_the_longest_reply() -> None:
    """Before the first reply, what a call that timed out may have cost is ``max_tokens``, later twice the longest."""

    def reply(body: Any, key: str) -> tuple[int, Any]:
        if body["messages"][-1]["content"] == "slow":
            time.sleep(3.0 * slower())
        return 200, echo(body)

    charged = []
    with raw_server(reply) as address:
        for texts in (["slow"], ["hello", "slow"]):
            client = ChatClient(teacher(address, timeout_s=1.0 * slower(), tries=1))

            async def work(client: ChatClient = client, texts: list[str] = texts) -> None:
                async with client:
                    for text in texts:
                        with contextlib.suppress(TeacherError, RequestRefused):
                            await client.ask(request(text, max_tokens=64))

            in_loop(work)
            assert client.traffic.failures == {"timeout": 1}
            assert client.traffic.limit < 8
            charged.append(client.budget.spent.used["user", "m"].output_tokens)
    assert charged == [64, 2 + 2 * 2]
