"""The client over real HTTP: temporary failures, permanent failures, and replies that are paid for only once."""

from __future__ import annotations

import logging
import socket
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tdlab.config import TeacherConfig
from tdlab.errors import BudgetSpent, ConfigError, TeacherError
from tdlab.rollout.llm import ChatReply, LiveBackend, Misbehaviour, MockServer, RequestRefused
from tdlab.rollout.llm.protocol import Unusable, reply_from_body, reply_from_text
from tdlab.rollout.llm.rate_limit import AdaptiveLimiter, backoff, retry_after
from tdlab.store import ReplyJournal
from tests.clock import slower
from tests.teacher.parts import asked, echo, in_loop, request, teacher

KEY = "sk-test-0123456789abcdef"


def test_a_reply_comes_back_with_its_tokens() -> None:
    with MockServer(answer=echo) as server:
        (reply,), client = asked(teacher(server.base_url), [request("hello")])
    assert reply == ChatReply("HELLO", input_tokens=2, output_tokens=2)
    assert client.budget.spent.tokens == 4


@pytest.mark.parametrize("kind", ["429", "500", "cut", "malformed"])
def test_what_fails_for_a_moment_is_made_again(kind: str) -> None:
    how = Misbehaviour.model_validate({f"rate_{kind}": 0.15, "retry_after_s": 0.01, "seed": 5})
    with MockServer(how, answer=echo) as server:
        replies, client = asked(teacher(server.base_url, tries=20), [request(f"n {n}") for n in range(30)])
        failed = server.counts[kind]
    assert [r.text for r in replies] == [f"N {n}" for n in range(30)]
    assert failed > 1
    assert client.traffic.failures == {{"cut": "connection", "malformed": "garbage"}.get(kind, kind): failed}


def test_retry_after_holds_back_every_call() -> None:
    how = Misbehaviour(rate_429=1.0, retry_after_s=0.6)
    with MockServer(how, answer=echo) as server:
        began = time.monotonic()
        (reply,), _ = asked(teacher(server.base_url, tries=2), [request()])
        assert server.counts["429"] == 2
    assert isinstance(reply, TeacherError)
    assert "HTTP 429" in reply.found
    assert time.monotonic() - began >= 0.6


@pytest.mark.parametrize("asks_for_s", [500.0, 0.5])
def test_a_server_that_asks_for_more_patience_than_there_is_ends_the_run_at_once(asks_for_s: float) -> None:
    """Also one that asks for little again and again; what waits for its turn ends with it."""
    with MockServer(Misbehaviour(rate_429=1.0, retry_after_s=asks_for_s), answer=echo) as server:
        began = time.monotonic()
        config = teacher(server.base_url, tries=100, patience_s=1.2, concurrency=2)
        replies, _ = asked(config, [request(f"{n}") for n in range(6)])
    assert all(isinstance(reply, TeacherError) and "teacher.patience_s" in reply.expected for reply in replies)
    assert time.monotonic() - began < 8 * slower()


def test_a_body_without_end_is_cut_off_and_the_call_made_again() -> None:
    with MockServer(Misbehaviour(rate_endless=1.0), answer=echo) as server:
        (reply,), client = asked(teacher(server.base_url, tries=2), [request()])
    assert isinstance(reply, TeacherError)
    assert "longer than" in reply.found
    assert client.traffic.failures == {"connection": 2}


def test_a_server_that_says_nothing_is_given_up_in_time() -> None:
    with MockServer(Misbehaviour(latency_s=30.0), answer=echo) as server:
        began = time.monotonic()
        (reply,), client = asked(teacher(server.base_url, tries=2, timeout_s=0.2), [request()])
    assert isinstance(reply, TeacherError)
    assert client.traffic.failures == {"timeout": 2}
    assert time.monotonic() - began < 10 * slower()


def test_an_unreachable_server_is_an_error_within_seconds_that_says_what_to_check() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound but not listening: the connection is refused
        address = f"http://127.0.0.1:{taken.getsockname()[1]}/v1"
        began = time.monotonic()
        with pytest.raises(TeacherError, match="cannot be reached") as caught, LiveBackend(teacher(address)):
            pass
        assert time.monotonic() - began < 5 * slower()
    assert "tdlab mock-server" in caught.value.do


def test_the_key_reaches_nothing_but_its_header(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The server accepts another key only and quotes the wrong one; a reply may contain it as well."""
    caplog.set_level(logging.DEBUG)

    def tell(body: Any) -> dict[str, Any]:
        return echo({"messages": [{"content": "x"}]}) | {
            "choices": [{"message": {"content": f"your key is {KEY}"}, "finish_reason": "stop"}]
        }

    with MockServer(Misbehaviour(key="another"), answer=echo) as server:
        with pytest.raises(TeacherError) as caught, LiveBackend(teacher(server.base_url), api_key=KEY):
            pass
        assert "Incorrect API key" in str(caught.value), "the error does not quote the server"
    file = tmp_path / "replies.sqlite"
    with (
        ReplyJournal(file) as journal,
        MockServer(Misbehaviour(key=KEY), answer=tell) as server,
        LiveBackend(teacher(server.base_url), journal=journal, owner="a run", api_key=KEY) as backend,
    ):
        reply = backend.ask(request())
    assert reply.text == "your key is [key]"
    written = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert KEY not in str(caught.value) + repr(caught.value) + caplog.text
    assert KEY.encode() not in written


def test_an_address_with_a_password_is_no_config() -> None:
    with pytest.raises(ValueError, match="password") as caught:
        TeacherConfig(base_url="https://me:hunter2@example.org/v1")
    assert "user, a password or a query" in str(caught.value)


def test_a_request_that_is_refused_is_data_and_a_wrong_address_is_not() -> None:
    def refuse(body: Any) -> dict[str, Any]:
        raise ValueError("context length exceeded")

    with MockServer(answer=refuse) as server:
        (reply,), _ = asked(teacher(server.base_url), [request()])
        assert isinstance(reply, RequestRefused)
        assert "context length exceeded" in str(reply)
        (reply,), _ = asked(teacher(server.base_url + "/nowhere"), [request()])
    assert isinstance(reply, TeacherError)
    assert "check teacher.base_url" in reply.do


def test_a_request_on_which_the_server_always_fails_is_data_while_others_go_well() -> None:
    def answer(body: Any) -> dict[str, Any]:
        if body["messages"][-1]["content"] == "poison":
            raise RuntimeError("the connection breaks")
        return echo(body)

    with MockServer(answer=answer) as server:
        requests = [request("poison"), *(request(f"n {n}") for n in range(20))]
        replies, _ = asked(teacher(server.base_url, tries=4, concurrency=2), requests)
    assert isinstance(replies[0], RequestRefused)
    assert "failed 4 times" in str(replies[0])
    assert all(isinstance(reply, ChatReply) for reply in replies[1:])


def test_text_that_is_no_unicode_does_no_harm() -> None:
    def answer(body: Any) -> dict[str, Any]:
        return echo({"messages": [{"content": "half a pair: \ud83d, and a NUL: \0"}]})

    with MockServer(answer=answer) as server:
        replies, _ = asked(teacher(server.base_url), [request(), request("half: \ud83d")])
    assert replies[0].text == "HALF A PAIR: \ufffd, AND A NUL: \0"
    assert isinstance(replies[1], RequestRefused)


def test_a_server_without_json_schema_gets_the_schema_in_the_prompt() -> None:
    met = []

    def answer(body: Any) -> dict[str, Any]:
        met.append(body)
        return echo(body)

    asking = request(reply_schema={"type": "object"}, messages=({"role": "system", "content": "Be kind."},))
    with MockServer(Misbehaviour(no_schema=True), answer=answer) as server:
        replies, client = asked(teacher(server.base_url, concurrency=1), [asking, request("second")])
    assert all(isinstance(reply, ChatReply) for reply in replies)
    (told,) = (body for body in met if body["messages"][0]["role"] == "system")
    assert "response_format" not in told
    assert told["messages"][0]["content"].startswith("Be kind.\n\nReply with one JSON object")
    assert client.traffic.failures == {"no schema": 1}


def test_the_same_request_is_paid_for_once_also_at_the_same_time_and_later(tmp_path: Path) -> None:
    requests = [request(f"n {n % 10}") for n in range(100)]
    with MockServer(Misbehaviour(latency_s=0.02), answer=echo) as server:
        with ReplyJournal(tmp_path / "replies.sqlite") as journal:
            first, _ = asked(teacher(server.base_url), requests, journal=journal, owner="a")
            assert server.counts["calls"] == 10
        with ReplyJournal(tmp_path / "replies.sqlite") as journal:
            again, client = asked(teacher(server.base_url), requests, journal=journal, owner="b")
            assert [paid.calls for paid in journal.paid("a")] == [10]
            assert journal.paid("b") == []
        assert server.counts["calls"] == 10
    assert first == again
    assert client.budget.spent.tokens == 0, "what comes from the journal costs nothing"


def test_no_more_calls_are_in_flight_than_allowed() -> None:
    with MockServer(Misbehaviour(latency_s=0.01), answer=echo) as server:
        asked(teacher(server.base_url, concurrency=5), [request(f"n {n}") for n in range(60)])
        assert server.most_in_flight == 5


def test_a_budget_is_exceeded_by_no_more_than_the_calls_in_flight(tmp_path: Path) -> None:
    """Each call costs 2 tokens in and 1 or 2 out; the budget allows some calls, and none in a later session."""
    requests = [request(f"{n:02d}") for n in range(60)]
    with MockServer(Misbehaviour(latency_s=0.01), answer=echo) as server:
        settings = teacher(server.base_url, concurrency=4, budget_tokens=45)
        with ReplyJournal(tmp_path / "replies.sqlite") as journal:
            replies, client = asked(settings, requests, journal=journal, owner="a run")
            spent = client.budget.spent.tokens
            calls = server.counts["calls"]
            kept = [reply for reply in replies if isinstance(reply, ChatReply)]
            assert {type(r) for r in replies} == {ChatReply, BudgetSpent}
            assert 45 <= spent < 45 + 4 * 4
            assert len(kept) == calls
            again, _ = asked(settings, requests, journal=journal, owner="a run")
            assert server.counts["calls"] == calls, "what was spent before the restart counts"
            assert [r for r in again if isinstance(r, ChatReply)] == kept


def test_a_budget_in_money_needs_the_prices_of_all_models(tmp_path: Path) -> None:
    prices = tmp_path / "prices.json"
    with pytest.raises(ConfigError, match="price of 'm' is not known"):
        asked(teacher("http://127.0.0.1:9/v1", budget_money=1.0), [])
    prices.write_text('{"per": 1, "models": {"m": {"input": 1, "output": 2}}}')
    with MockServer(answer=echo) as server:
        settings = teacher(server.base_url, budget_money=10.0, prices=str(prices), concurrency=1)
        replies, client = asked(settings, [request(f"{n}") for n in range(6)])
    assert [type(r) for r in replies].count(ChatReply) == 3, "each call costs 4"
    assert client.budget.spent.money(client.prices) == 12.0
    prices.write_text("{")
    with pytest.raises(ConfigError, match="not JSON"):
        asked(settings, [])


# --- parts


@given(st.binary(max_size=200))
def test_no_body_whatever_breaks_the_reader(body: bytes) -> None:
    with pytest.raises(Unusable):
        reply_from_body(body, request())


@given(st.recursive(st.none() | st.integers() | st.text(max_size=5), lambda v: st.lists(v) | st.dictionaries(
    st.sampled_from(["choices", "message", "content", "tool_calls", "function", "arguments", "usage", "name"]), v
), max_leaves=20))  # fmt: skip
def test_nothing_in_a_message_breaks_the_reader(part: Any) -> None:
    import json

    body = {"choices": [{"message": part, "finish_reason": part}], "usage": part}
    try:
        reply = reply_from_body(json.dumps(body).encode(), request())
    except Unusable:
        return
    assert reply_from_text(reply.to_text()) == reply
    assert reply.to_text().isascii()


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "3"}, 3.0),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after": "Thu, 01 Jan 1970 00:00:10 GMT"}, 10.0),
        ({"retry-after": "1e12"}, 1e12),
        ({"retry-after": "-4"}, 0.0),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "soon"}, None),
        ({}, None),
    ],
)
def test_retry_after_in_all_its_forms(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers, now=0.0) == seconds


@given(st.integers(1, 10_000))
def test_backoff_is_bounded(tries: int) -> None:
    assert 0.0 < backoff(tries) <= 20.0


def test_the_limiter_learns_from_429_and_recovers() -> None:
    async def work() -> tuple[float, float, float]:
        limiter = AdaptiveLimiter(16)
        limiter.throttled(0.0)
        limiter.throttled(0.0)  # a second 429 at the same time: the limit stays
        cut = limiter.limit
        for _ in range(1000):
            async with limiter:
                limiter.succeeded()
        grown = limiter.limit
        for _ in range(100):
            limiter._decreased_at = float("-inf")
            limiter.throttled(0.0)
        return cut, grown, limiter.limit

    assert in_loop(work) == (pytest.approx(11.2), 16.0, 1.0)
