"""Harvesting from and calling servers of our own: good ones, and every way in which one can misbehave."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tdlab.errors import HarvestError, PoolError
from tdlab.pool import LiveServers, ServerSpec, harvest, harvest_sync
from tdlab.pool.live.servers import Harvest
from tests.clock import slower

STUB = Path(__file__).with_name("mcp_stub.py")
WORD = {"word": "hello"}


def stub(name: str, mode: str, **facts: Any) -> ServerSpec:
    return ServerSpec(name=name, transport="stdio", command=sys.executable, args=("-S", str(STUB), mode), **facts)


def stubs(*modes: str) -> dict[str, ServerSpec]:
    return {mode: stub(mode, mode) for mode in modes}


def run(specs: dict[str, ServerSpec], **options: Any) -> Harvest:
    return asyncio.run(harvest(specs, **options))


def children() -> set[int]:
    """Return the processes that this one has started and that still run."""
    found = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[1]) == os.getpid() and fields[0] != "Z":
                found.add(int(entry.name))
    return found


@pytest.fixture(autouse=True)
def _no_process_is_left() -> Iterator[None]:
    before = children()
    yield
    deadline = time.monotonic() + 5 * slower()
    while time.monotonic() < deadline:
        if children() <= before:
            return
        time.sleep(0.1)
    pytest.fail(f"processes left: {children() - before}")


# ------------------------------------------------------------------------------------------------------------- harvest


def test_good_servers_are_harvested() -> None:
    done = run(stubs("good", "pages"), timeout_s=20)
    assert done.failures == {}
    assert [s.name for s in done.pool.services] == ["good", "pages"]
    assert len(done.pool) == done.pool.read == 16
    service = done.pool.service("good")
    assert (service.title, service.schema_quality, service.source) == ("A stub", "live", "live")
    assert service.description == "Weather forecasts and storms."
    assert service.domains == {"weather-environment": 1.0}
    assert done.pool.tool("good/echo").annotations.read_only is True
    assert {t.name for t in done.pool.service("pages").tools} == {t.name for t in service.tools}


def test_one_malformed_tool_does_not_cost_the_others() -> None:
    pool = run(stubs("malformed"), timeout_s=20).pool
    assert list(pool.tools) == ["malformed/echo", "malformed/bare"]
    assert pool.read == 5
    errors = [(issue.tool, issue.code) for issue in pool.issues if issue.severity == "error"]
    assert errors == [("[1]", "no_name"), ("[2]", "not_an_object"), ("remote", "bad_input_schema")]


def test_pages_that_go_round_in_circles_end() -> None:
    pool = run(stubs("endless"), timeout_s=20).pool
    assert list(pool.tools) == ["endless/echo"]
    assert any("refers back" in issue.found for issue in pool.issues)


def test_noise_between_messages_is_no_hindrance(capfd: pytest.CaptureFixture[str]) -> None:
    assert len(run(stubs("garbage"), timeout_s=20).pool) == 8
    assert capfd.readouterr() == ("", ""), "what a server prints must not reach the terminal"


@pytest.mark.slow
def test_servers_that_fail_are_reported_and_the_others_are_kept(capfd: pytest.CaptureFixture[str]) -> None:
    specs = {
        **stubs("dies", "hangs", "noise", "deaf", "none", "good"),
        "missing": ServerSpec(name="missing", transport="stdio", command="tdlab-no-such-command"),
        "refused": ServerSpec(name="refused", transport="http", url="http://127.0.0.1:9/mcp"),
    }
    seen: list[tuple[int, int, str, bool]] = []
    limit = round(3 * slower())
    started = time.monotonic()
    done = run(
        specs,
        timeout_s=limit,
        concurrency=8,
        on_progress=lambda n, total, server, reason: seen.append((n, total, server, reason is None)),
    )
    assert time.monotonic() - started < limit + 9 * slower(), "a hanging server must be ended soon after its time limit"
    assert next(iter(done.pool.tools)) == "good/echo"
    assert len(done.pool.services) == 1
    assert list(done.failures) == ["dies", "hangs", "noise", "deaf", "missing", "refused"]
    assert "its last lines on stderr: cannot find the" in done.failures["dies"]
    assert "\x1b" not in done.failures["dies"]
    assert done.failures["hangs"] == f"no answer within {limit} s; its last lines on stderr: waiting for a tape"
    assert "50 of its lines were not MCP messages" in done.failures["noise"]
    assert done.failures["deaf"].startswith(f"no answer within {limit} s")
    assert done.failures["missing"] == "'tdlab-no-such-command' does not exist"
    assert "ConnectError" in done.failures["refused"]
    assert sorted(n for n, *_ in seen) == list(range(1, 9))
    assert {server: ok for _, _, server, ok in seen} == {name: name in ("good", "none") for name in specs}
    assert ("none", "no_tools") in [(issue.service, issue.code) for issue in done.pool.issues]
    assert capfd.readouterr() == ("", "")


def test_when_no_server_answers_the_harvest_is_an_error() -> None:
    with pytest.raises(HarvestError) as caught:
        run(stubs("dies", "none"), timeout_s=10)
    assert "dies: " in caught.value.found
    assert "none: it answered without a usable tool" in caught.value.found
    with pytest.raises(HarvestError, match="no server was given"):
        run({})


def test_cancelling_a_harvest_ends_its_servers() -> None:
    async def briefly() -> None:
        await asyncio.wait_for(harvest(stubs("hangs", "deaf"), timeout_s=100), timeout=1)

    with pytest.raises(TimeoutError):
        asyncio.run(briefly())


def test_harvest_from_a_file_with_and_without_a_running_loop(tmp_path: Path) -> None:
    entry = {"command": sys.executable, "args": ["-S", str(STUB), "${TDLAB_STUB:-good}"]}
    path = tmp_path / "mcp.json"
    path.write_text(json.dumps({"mcpServers": {"here": entry}}))
    assert len(harvest_sync(path, timeout_s=20).pool) == 8

    async def in_a_loop() -> int:
        return len(harvest_sync(path, timeout_s=20).pool)

    assert asyncio.run(in_a_loop()) == 8


def test_a_harvest_is_the_same_pool_each_time() -> None:
    one, two = (run(stubs("good", "pages"), timeout_s=20, concurrency=n).pool for n in (1, 2))
    assert one.fingerprint == two.fingerprint


# ---------------------------------------------------------------------------------------------------------------- http


@contextmanager
def http_server(*, token: str | None = None) -> Iterator[str]:
    """Run a streamable-HTTP server made with the SDK in a thread of this process; yield its address."""
    import uvicorn
    from mcp.server.mcpserver import MCPServer
    from starlette.responses import PlainTextResponse

    server = MCPServer("ledger", instructions="Invoices and refunds")

    @server.tool()
    def create_invoice(amount_cents: int) -> dict[str, int]:
        """Create an invoice."""
        return {"amount_cents": amount_cents}

    inner = server.streamable_http_app()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        headers = dict(scope.get("headers", ()))
        if token is not None and scope["type"] == "http" and headers.get(b"authorization") != token.encode():
            await PlainTextResponse("go away", status_code=401)(scope, receive, send)
            return
        await inner(scope, receive, send)

    listening = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="critical"))
    thread = threading.Thread(target=listening.run, daemon=True)
    thread.start()
    while not listening.started:
        time.sleep(0.02)
    port = listening.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}/mcp"
    finally:
        listening.should_exit = True
        thread.join(10)


def test_streamable_http_is_harvested_and_called() -> None:
    with http_server(token="Bearer x") as url:
        spec = ServerSpec(name="ledger", transport="http", url=url, headers={"Authorization": "Bearer x"})
        pool = run({"ledger": spec}, timeout_s=20).pool
        assert list(pool.tools) == ["ledger/create_invoice"]
        assert pool.tool("ledger/create_invoice").required == ("amount_cents",)
        with LiveServers({"ledger": spec}) as servers:
            result = servers.call("ledger", "create_invoice", {"amount_cents": 1200}, timeout_s=20)
            assert result.ok
            assert result.structured == {"amount_cents": 1200}
            wrong = servers.call("ledger", "create_invoice", {"amount_cents": "many"}, timeout_s=20)
            assert not wrong.ok
            assert "amount_cents" in wrong.text


def test_a_refusal_over_http_is_reported() -> None:
    with http_server(token="Bearer x") as url, pytest.raises(HarvestError, match="web: "):
        run({"web": ServerSpec(name="web", transport="http", url=url)}, timeout_s=10)


# --------------------------------------------------------------------------------------------------------------- calls


@pytest.fixture(scope="module")
def good() -> Iterator[LiveServers]:
    with LiveServers(stubs("good")) as servers:
        servers.call("good", "echo", WORD)
        yield servers


def test_what_a_tool_answers(good: LiveServers) -> None:
    echo = good.call("good", "echo", {"word": "naïve 漢字\n🙂"})
    assert (echo.ok, echo.text, echo.structured, echo.ended) == (True, "naïve 漢字\n🙂", None, False)
    assert good.call("good", "picture", WORD).text.splitlines() == [
        "here",
        "[image/png, 4 bytes]",
        "[resource file:///r]",
        "inside",
        "[audio/ogg, 2 bytes]",
    ]
    structured = good.call("good", "structured", WORD)
    assert (structured.ok, structured.structured, structured.text) == (True, {"n": 3}, '{"n":3}')


def test_what_a_server_answers_is_taken_as_it_is_even_against_its_own_schema(good: LiveServers) -> None:
    lies = good.call("good", "lies", WORD)
    assert (lies.ok, lies.structured) == (True, {"n": "three"})


def test_errors_are_results(good: LiveServers) -> None:
    fail = good.call("good", "fail", WORD)
    assert (fail.ok, fail.text) == (False, "no such word")
    unknown = good.call("good", "no_such_tool", {})
    assert (unknown.ok, unknown.text) == (False, "not known")
    nonsense = good.call("good", "nonsense", WORD)
    assert not nonsense.ok
    assert "not a valid MCP result" in nonsense.text
    assert good.call("good", "echo", WORD).ok, "an error must not cost the connection"


def test_calls_from_many_threads_and_inside_a_running_loop(good: LiveServers) -> None:
    with ThreadPoolExecutor(8) as threads:
        words = [f"w{n}" for n in range(40)]
        answers = list(threads.map(lambda word: good.call("good", "echo", {"word": word}).text, words))
    assert answers == words

    async def in_a_loop() -> str:
        return good.call("good", "echo", WORD).text

    assert asyncio.run(in_a_loop()) == "hello"


def test_a_server_sees_only_what_its_entry_gives_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TDLAB_SECRET", "s3cret")
    with LiveServers({"s": stub("s", "good", env={"GIVEN": "yes"})}) as servers:
        seen = json.loads(servers.call("s", "environment", WORD).text)
    assert seen["GIVEN"] == "yes"
    assert "PATH" in seen
    assert "TDLAB_SECRET" not in seen


def test_servers_start_at_the_first_call_and_end_with_the_context() -> None:
    before = children()
    with LiveServers(stubs("good", "hangs")) as servers:
        assert children() == before
        assert servers.names == ("good", "hangs")
        servers.call("good", "echo", WORD)
        assert len(children() - before) == 1
    with pytest.raises(PoolError, match="not running"):
        servers.call("good", "echo", WORD)


def test_an_unknown_server_is_an_error() -> None:
    with LiveServers(stubs("good")) as servers, pytest.raises(PoolError, match="one of good"):
        servers.call("goods", "echo", WORD)


def test_a_server_that_was_killed_is_started_again() -> None:
    with LiveServers(stubs("good")) as servers:
        _, pid = servers.call("good", "count", WORD).text.split()
        os.kill(int(pid), signal.SIGKILL)
        again = servers.call("good", "count", WORD, repeatable=True)
        assert again.ok
        count, other = again.text.split()
        assert (count, other != pid) == ("1", True)


def test_a_call_in_flight_is_not_repeated_unless_it_may_be() -> None:
    with LiveServers(stubs("dies-on-call")) as servers:
        for repeatable in (False, True):
            result = servers.call("dies-on-call", "echo", WORD, repeatable=repeatable)
            assert (result.ok, result.ended) == (False, True)
            assert result.text == (
                "the server ended before it answered; its process ended with exit code 3; "
                "its last lines on stderr: the disk is on fire"
            )


def test_a_call_that_takes_too_long_is_cut_off() -> None:
    started = time.monotonic()
    with LiveServers(stubs("hangs-on-call")) as servers:
        result = servers.call("hangs-on-call", "echo", WORD, timeout_s=0.5)
    assert (result.ok, result.text) == (False, "no answer within 0.5 s")
    assert time.monotonic() - started < 8 * slower()


@pytest.mark.slow
def test_a_server_that_cannot_be_reached_is_not_tried_for_ever() -> None:
    limit = round(2 * slower())
    with LiveServers(stubs("hangs", "dies"), connect_timeout_s=limit) as servers:
        texts = [servers.call("hangs", "echo", WORD).text for _ in range(2)]
        assert texts[0].startswith(f"the server cannot be reached: no answer within {limit} s")
        started = time.monotonic()
        assert servers.call("hangs", "echo", WORD).text == texts[1]
        assert time.monotonic() - started < 0.75 * limit
        assert "its last lines on stderr: cannot find the" in servers.call("dies", "echo", WORD).text
