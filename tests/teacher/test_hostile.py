"""Hostile servers and environments, over real HTTP: the budget, the key and the run stay safe."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import tdlab
from tdlab.config import RunConfig, TeacherConfig
from tdlab.errors import BudgetSpent, ConfigError, TeacherError
from tdlab.jobs.run import REPLIES
from tdlab.rollout import SimulatedEnvironment
from tdlab.rollout.llm import (
    ChatReply,
    DryRunBackend,
    LiveBackend,
    LlmRollout,
    Misbehaviour,
    MockServer,
    RequestRefused,
    SpendingLine,
)
from tdlab.rollout.llm.client import ChatClient
from tdlab.store import ReplyJournal
from tdlab.verify import verify
from tests.clock import slower
from tests.jobs import ROOT, command, environment, in_process, small_pool_file
from tests.teacher.parts import asked, config, echo, raw_server, request, said, teacher
from tests.teacher.tasks import improvised

pytestmark = pytest.mark.usefixtures("no_figures")
KEY = "k3y/with+base64=0123"


# --- refusals


@pytest.mark.parametrize(
    ("status", "words", "told"),
    [
        (402, "Insufficient Balance", "no quota left"),
        (429, {"error": {"code": "insufficient_quota"}}, "no quota left"),
        (405, "", "HTTP 405"),
        (307, "", "HTTP 307"),
    ],
)
def test_an_error_of_the_account_or_address_ends_the_run_and_is_no_rejection(
    status: int, words: Any, told: str
) -> None:
    with raw_server(lambda body, key: (status, words)) as address:
        replies, client = asked(teacher(address), [request(f"{n}") for n in range(3)])
    assert {type(reply) for reply in replies} == {TeacherError}
    assert told in replies[0].found
    assert client.traffic.failures == {}, "it was asked again"


def test_a_model_that_the_server_does_not_take_is_an_error_and_not_a_run_of_rejections(tmp_path: Path) -> None:
    with (
        raw_server(lambda body, key: (400, "mock is not a valid model ID")) as address,
        pytest.raises(TeacherError, match="refused 10 requests in a row, last: HTTP 400: mock is not a") as caught,
    ):
        tdlab.run(config(address, target=20, evolution__dry=100), out=tmp_path / "run", progress=False)
    assert "check teacher.model" in caught.value.do


def test_requests_that_are_refused_among_others_are_data() -> None:
    def reply(body: Any, key: str) -> tuple[int, Any]:
        text = body["messages"][-1]["content"]
        return (400, "no") if text.startswith("bad") else (200, echo(body))

    with raw_server(reply) as address:
        wanted = [request(f"{'bad' if n % 10 else 'good'} {n}") for n in range(60)]
        replies, _ = asked(teacher(address, concurrency=1), wanted)
    assert [type(reply) for reply in replies] == [RequestRefused if n % 10 else ChatReply for n in range(60)]


def test_a_request_that_is_too_long_is_told_in_the_servers_words_and_the_limit_stays() -> None:
    """The server names the parameter although it supports it."""
    words = "'max_tokens' or 'max_completion_tokens' is too large: 2048. The maximum context length is 4096 tokens"
    met: list[dict[str, Any]] = []

    def reply(body: Any, key: str) -> tuple[int, Any]:
        met.append(body)
        return (400, words) if body["messages"][-1]["content"] == "long" else (200, echo(body))

    with raw_server(reply) as address:
        replies, client = asked(teacher(address, concurrency=1), [request("long"), request("short")])
    assert str(replies[0]) == f"needs about 2,057 tokens, the model's context is 4,096: HTTP 400: {words}"
    assert replies[1].text == "SHORT"
    assert client.traffic.failures == {}
    assert all("max_tokens" in body for body in met)


def test_a_server_that_knows_the_limit_by_its_other_name_gets_that() -> None:
    def reply(body: Any, key: str) -> tuple[int, Any]:
        if "max_tokens" in body:
            return 400, "Unsupported parameter: 'max_tokens' is not supported. Use 'max_completion_tokens' instead."
        return 200, echo(body)

    with raw_server(reply) as address:
        replies, client = asked(teacher(address, concurrency=1), [request("a"), request("b")])
    assert [reply.text for reply in replies] == ["A", "B"]
    assert client.traffic.failures == {"no limit": 1}


def test_a_server_that_shows_a_request_it_refuses_does_not_change_the_limit() -> None:
    """It names every parameter, but calls only another one unsupported."""
    words = {"detail": "Extra inputs are not permitted: seed_of_the_day", "pad": "x" * 200}
    with raw_server(lambda body, key: (422, {**words, "input": body})) as address:
        (reply,), client = asked(teacher(address), [request()])
    assert isinstance(reply, RequestRefused)
    assert client.traffic.failures == {}


# --- costs


@pytest.mark.parametrize(
    "usage",
    [
        {"prompt_tokens": 0, "completion_tokens": 0}, {"prompt_tokens": -7, "completion_tokens": -7}, None, [],
        {"prompt_tokens": "9", "completion_tokens": 1.5}, {"prompt_tokens": True, "completion_tokens": 2**70},
    ],
)  # fmt: skip
def test_a_server_that_does_not_count_does_not_escape_the_budget(usage: Any) -> None:
    with raw_server(lambda body, key: (200, {**said("four words or so"), "usage": usage})) as address:
        settings = teacher(address, budget_tokens=40, concurrency=1)
        replies, client = asked(settings, [request(f"{n}") for n in range(20)])
    assert {type(reply) for reply in replies} == {ChatReply, BudgetSpent}
    assert 40 <= client.budget.spent.tokens < 60
    assert not any(reply.counted for reply in replies if isinstance(reply, ChatReply))


@pytest.mark.slow
def test_a_call_given_up_in_time_counts_for_the_server_may_bill_it(tmp_path: Path) -> None:
    with (
        MockServer(Misbehaviour(latency_s=30.0), answer=echo) as server,
        ReplyJournal(tmp_path / "replies.sqlite") as journal,
    ):
        settings = teacher(server.base_url, tries=5, timeout_s=0.8 * slower(), budget_tokens=150)
        (reply,), client = asked(settings, [request(max_tokens=64)], journal=journal, owner="a run")
        assert isinstance(reply, BudgetSpent)
        assert server.counts["calls"] == 3
        (paid,) = journal.paid("a run")
    assert client.budget.spent.tokens == paid.input_tokens + paid.output_tokens >= 3 * 64


@pytest.mark.parametrize("budget", [{"budget_tokens": 0}, {"budget_money": 0.0}])
def test_a_budget_of_nothing_buys_nothing(tmp_path: Path, budget: dict[str, Any]) -> None:
    with MockServer() as server:
        settings = config(server.base_url, **{f"teacher__{name}": value for name, value in budget.items()})
        with tdlab.run(settings, out=tmp_path / "run", progress=False) as run:
            assert "stopped: the budget is spent" in run.status
        assert server.counts.get("calls", 0) == 0


def test_an_unknown_price_is_told_with_how_to_add_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Both the estimate and the run say how; the table that they show works."""
    pool = small_pool_file(tmp_path)
    words = ("-p", pool, "-n", 3, "--set", "teacher.model=big-one", "--set", "teacher.budget_money=0.0001")
    status, out, _ = in_process(monkeypatch, capsys, "estimate", "--sample", 2, *words)
    shown = " ".join(out.split())
    assert status == 0
    assert "unknown cost" in shown
    assert "with an entry for big-one, and add --set teacher.prices=prices.json" in shown
    assert "teacher.budget_money is set, but a model has no price" in shown
    with pytest.raises(ConfigError, match="price of 'big-one' is not known") as caught:
        ChatClient(teacher("http://127.0.0.1:9/v1", model="big-one", budget_money=1.0))
    assert "--set teacher.prices=prices.json" in caught.value.do
    table = tmp_path / "prices.json"
    table.write_text(caught.value.expected.partition("such as ")[2].replace("NAME", "big-one"))
    words = (*words, "--set", f"teacher.prices={table}")
    status, out, _ = in_process(monkeypatch, capsys, "estimate", "--sample", 2, *words)
    shown = " ".join(out.split())
    assert status == 0
    assert "unknown cost" not in shown
    assert "The budget is too small: teacher.budget_money is 0.0001 USD" in shown


# --- the key and the address


@pytest.mark.parametrize("end", ["", "\n", " \r\n"])
def test_a_key_with_a_line_end_is_that_key(monkeypatch: pytest.MonkeyPatch, end: str) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY + end)
    with MockServer(Misbehaviour(key=KEY), answer=echo) as server, LiveBackend(teacher(server.base_url)) as backend:
        assert backend.ask(request("hello")).text == "HELLO"


@pytest.mark.parametrize("key", [f"{KEY}\n{KEY}", f"\u201c{KEY}\u201d", f"{KEY} x", f"\0{KEY}"])
def test_a_key_that_no_header_can_hold_is_an_error_that_does_not_show_it(key: str) -> None:
    with pytest.raises(ConfigError, match="the key for the teacher") as caught:
        ChatClient(teacher("http://127.0.0.1:9/v1"), api_key=key)
    assert KEY not in str(caught.value)


def test_a_reply_that_holds_the_key_loses_it_also_where_it_is_spelt_with_escapes(tmp_path: Path) -> None:
    """With a journal and without, in text, refusal and arguments."""
    spelt = KEY.replace("/", "\\/").replace("k3y", "\\u006b3y")
    assert json.loads(f'"{spelt}"') == KEY

    def reply(body: Any, key: str) -> tuple[int, Any]:
        call = {"function": {"name": f"get_{key}", "arguments": f'{{"token": "{spelt}", "n": 1}}'}}
        return 200, said(f'{{"message": "{spelt}"}}', tool_calls=[call], refusal=f"not with {key}")

    with raw_server(reply) as address, ReplyJournal(tmp_path / "replies.sqlite") as journal:
        for kept in (journal, None):
            (found,), _ = asked(teacher(address), [request()], api_key=KEY, journal=kept, owner="a run")
            assert isinstance(found, ChatReply)
            assert json.loads(found.text) == {"message": "[key]"}
            assert json.loads(found.calls[0].arguments) == {"token": "[key]", "n": 1}
            assert (found.calls[0].name, found.refusal) == ("get_[key]", "not with [key]")
    assert KEY.encode() not in b"".join(path.read_bytes() for path in tmp_path.iterdir())


@pytest.mark.parametrize("key", ["0", "true", "null", "EMPTY", "text"])
def test_a_placeholder_for_a_key_changes_no_reply(tmp_path: Path, key: str) -> None:
    text = "10 texts: true, null, EMPTY"
    with raw_server(lambda body, key: (200, said(text))) as address, ReplyJournal(tmp_path / "r.sqlite") as journal:
        for _ in range(2):
            (found,), _ = asked(teacher(address), [request()], api_key=key, journal=journal)
            assert found.text == text


@pytest.mark.parametrize(
    "address",
    [
        "http://me:hunter2@127.0.0.1:9/v1", "http://127.0.0.1:9/v1?token=hunter2", "http://[::1/hunter2",
        "http://127.0.0.1:99999/hunter2", "127.0.0.1:9/hunter2", "http:///hunter2", "http://ho st/hunter2", "ftp://hunter2",
    ],
)  # fmt: skip
def test_an_address_that_is_none_or_holds_a_secret_is_an_error_that_does_not_show_it(
    tmp_path: Path, address: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither from the config nor from the environment; no run directory is created with it either."""
    with pytest.raises(ConfigError, match=r"teacher\.base_url") as caught:
        RunConfig().with_values(teacher__base_url=address)
    told = [str(caught.value)]
    with pytest.raises(ValueError, match=r"teacher\.base_url") as wrong:
        TeacherConfig(base_url=address)
    told.append(str(wrong.value))
    monkeypatch.setenv("OPENAI_BASE_URL", address)
    words = ("--set", "rollout.teacher=llm", "--set", "teacher.model=m")
    status, _, shown = in_process(
        monkeypatch, capsys, "run", "-p", small_pool_file(tmp_path), "-o", tmp_path / "run", *words
    )
    assert status == 2
    assert "OPENAI_BASE_URL" in shown
    assert "hunter2" not in "".join([*told, shown])


@pytest.mark.parametrize("proxy", ["ftp://me:hunter2@127.0.0.1:9", "http://me:hunter2@[::1", "socks9://hunter2"])
def test_a_proxy_that_is_none_is_an_error_that_does_not_show_it(proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", proxy)
    monkeypatch.delenv("http_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    with pytest.raises(ConfigError, match="the proxy") as caught, LiveBackend(teacher("http://10.255.255.1/v1")):
        pass
    assert "hunter2" not in str(caught.value)


def test_a_proxy_without_a_scheme_is_one_of_http(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server acts as the proxy and so receives the whole address."""
    monkeypatch.delenv("http_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    with raw_server(lambda body, key: (200, echo(body))) as address:
        monkeypatch.setenv("HTTP_PROXY", address.removeprefix("http://").removesuffix("/v1"))
        (reply,), _ = asked(teacher("http://10.255.255.1/v1"), [request("through")])
    assert reply.text == "THROUGH"


def test_what_is_missing_in_a_config_is_told_without_all_the_rest() -> None:
    with pytest.raises(ConfigError, match="no model plays the proposer") as caught:
        RunConfig().with_values(rollout__teacher="llm")
    assert "evolution" not in caught.value.found
    assert len(caught.value.found) < 200


# --- the run


@pytest.mark.parametrize("width", [60, 100, 200])
def test_all_of_the_live_line_is_seen_however_narrow_the_terminal(width: int) -> None:
    from io import StringIO

    from rich.console import Console

    from tdlab.jobs.progress import Reporter

    told = StringIO()
    line = "12 rejected, 34 min left, 1.2M tokens, 3.45 USD, 56 calls/s, errors 429: 7, 500: 8, connection: 9"
    with Reporter(console=Console(file=told, width=width, force_terminal=True)) as reporter:
        reporter.stage("trajectories", total=100)
        reporter.update(40, note=line)
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", told.getvalue())
    assert "…" not in shown
    for part in line.split():
        assert part in shown


def test_the_live_line_tells_all_that_matters(tmp_path: Path) -> None:
    with (
        MockServer(Misbehaviour(rate_429=0.4, retry_after_s=0.0), answer=echo) as server,
        LiveBackend(teacher(server.base_url, model="mock", tries=50)) as backend,
    ):
        ticker = SpendingLine(backend, target=10)
        assert ticker.line(0, 0) == "0 rejected, 0 tokens, 0.00 USD"
        for n in range(20):
            backend.ask(request(f"number {n}", model="mock"))
        line = ticker.line(5, 2)
    assert re.fullmatch(r"2 rejected, \d+ s left, \d+ tokens, 0\.00 USD, \d+ calls/s, errors 429: \d+", line), line


def test_a_server_that_is_not_there_is_told_before_the_mining(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def too_early(*arguments: Any, **options: Any) -> Any:
        raise AssertionError("it mined first")

    monkeypatch.setattr(sys.modules["tdlab.jobs.run"], "mine", too_early)
    with pytest.raises(TeacherError, match="cannot be reached"):
        tdlab.run(config("http://127.0.0.1:9/v1"), out=tmp_path / "run", progress=False)


@pytest.mark.parametrize("number", ["1" + "0" * 400, "-1e308", "1e308", "5e-324"])
def test_a_number_beyond_all_reckoning_is_data(number: str) -> None:
    """The model puts it into the arguments of every call, twice."""
    blueprint, tools = improvised()[0]
    config = TeacherConfig(model="mock", roles=("assistant",))

    class ModelBackend(DryRunBackend):
        def ask(self, request: Any, *, attempt: int = 0) -> ChatReply:
            reply = super().ask(request, attempt=attempt)
            calls = tuple(
                call._replace(arguments=f'{{"far": [{number}, {number}], {call.arguments[1:]}'.replace(", }", "}"))
                for call in reply.calls
            )
            return reply._replace(calls=calls)

    rollout = LlmRollout(ModelBackend(config), config, blueprint, tools).play(SimulatedEnvironment)
    assert not verify(rollout.trajectory, blueprint, tools, stopped=rollout.stopped).accepted


def test_closing_does_not_wait_for_delayed_calls() -> None:
    """The server asks for a minute: calls that wait for a retry or for their turn end at once."""
    with (
        MockServer(Misbehaviour(rate_429=1.0, retry_after_s=60.0), answer=echo) as server,
        LiveBackend(teacher(server.base_url, concurrency=2)) as backend,
        ThreadPoolExecutor(8) as threads,
    ):
        asking = [threads.submit(backend.ask, request(f"{n}")) for n in range(8)]
        end = time.monotonic() + 20 * slower()
        while not server.counts.get("429") and time.monotonic() < end:
            time.sleep(0.01)
        began = time.monotonic()
        backend.close("that is enough")
        for future in asking:
            with pytest.raises(TeacherError, match="that is enough"):
                future.result(timeout=10 * slower())
        assert time.monotonic() - began < 5 * slower()


@pytest.mark.slow
@pytest.mark.crash
def test_interrupted_it_ends_soon_and_the_same_command_pays_for_nothing_twice(tmp_path: Path) -> None:
    pool = small_pool_file(tmp_path)
    with MockServer(Misbehaviour(latency_s=0.1)) as server:
        words = ["run", "-p", pool, "-o", tmp_path / "run", "-n", 8, "--set", "rollout.teacher=llm"]
        words += ["--set", "teacher.model=mock", "--set", f"teacher.base_url={server.base_url}"]
        words += ["--set", "teacher.concurrency=4", "--set", "evolution.batch=8"]

        def start() -> subprocess.Popen[str]:
            return subprocess.Popen(
                command(*words),
                cwd=ROOT,
                env=environment(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
            )

        process = start()
        end = time.monotonic() + 90 * slower()
        while server.counts.get("calls", 0) < 20 and time.monotonic() < end:
            time.sleep(0.01)
        assert process.poll() is None, "it was quicker than the interrupt"
        os.kill(process.pid, signal.SIGINT)
        _, told = process.communicate(timeout=20 * slower())
        assert process.returncode == 130
        assert "To resume:" in told
        assert "Traceback" not in told
        with ReplyJournal(tmp_path / REPLIES) as journal:
            assert len(journal) == server.counts["calls"], "what was paid for was lost"
        process = start()
        _, told = process.communicate(timeout=120 * slower())
        assert process.returncode == 0, told
        with ReplyJournal(tmp_path / REPLIES) as journal:
            assert len(journal) == server.counts["calls"], "a request was paid for twice"


@pytest.mark.slow
@pytest.mark.crash
def test_runs_that_share_a_journal_at_once_make_what_each_would_make(tmp_path: Path) -> None:
    pool = small_pool_file(tmp_path)
    with MockServer(Misbehaviour(latency_s=0.02)) as server:
        words = ["-p", pool, "-n", 6, "--set", "rollout.teacher=llm", "--set", "teacher.model=mock"]
        words += ["--set", f"teacher.base_url={server.base_url}", "--set", "teacher.concurrency=4"]
        started = [
            subprocess.Popen(
                command("run", "-o", tmp_path / name, *words), cwd=ROOT, env=environment(), stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE, text=True,
            )
            for name in ("one", "two")
        ]  # fmt: skip
        for process in started:
            _, told = process.communicate(timeout=120 * slower())
            assert process.returncode == 0, told
        with ReplyJournal(tmp_path / REPLIES) as journal:
            assert len(journal) <= server.counts["calls"] <= 2 * len(journal)
    assert (tmp_path / "one" / "dataset.jsonl").read_bytes() == (tmp_path / "two" / "dataset.jsonl").read_bytes()
