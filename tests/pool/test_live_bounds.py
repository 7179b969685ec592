"""What a live server returns is bounded in bytes and memory, cut with a mark, and what is cut is reported."""

from __future__ import annotations

import json
import resource
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tdlab
from tdlab.pool import LiveLimits, LiveServers, ServerSpec, cut_bytes
from tdlab.pool.live.limits import cut_text
from tests.jobs import in_process
from tests.pool.test_live import STUB, run, stub, stubs

SMALL = LiveLimits(message_bytes=1_000_000, result_bytes=1000)


@given(st.text(max_size=900), st.integers(128, 400))
def test_a_cut_text_is_a_marked_beginning_within_the_limit(text: str, limit: int) -> None:
    text = text.encode("utf-8", "replace").decode("utf-8")
    size = len(text.encode())
    cut = cut_text(text, limit)
    assert len(cut.encode()) <= limit
    if size <= limit:
        assert cut == text
        return
    head, _, mark = cut.rpartition("\n[")
    assert text.startswith(head), "what is kept is a beginning, with no letter cut in two"
    assert cut_bytes(cut) == size
    assert mark == f"cut: the first {len(head.encode()):,} of {size:,} bytes]"


def test_a_result_is_cut_at_the_limit_and_between_letters() -> None:
    with LiveServers(stubs("large"), limits=SMALL) as servers:
        whole = servers.call("large", "echo", {"word": "999"})
        assert (whole.ok, whole.text) == (True, "漢" * 333)
        cut = servers.call("large", "echo", {"word": "300000"})
        assert cut.ok
        assert len(cut.text.encode()) <= 1000
        assert cut.text.startswith("漢" * 300)
        assert "\ufffd" not in cut.text
        assert cut_bytes(cut.text) == 300_000
        structured = servers.call("large", "structured", {"word": "1"})
        assert structured.structured is None
        assert cut_bytes(structured.text) == 300_011


def test_an_answer_without_end_of_line_is_passed_over_in_bounded_memory() -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with LiveServers(stubs("long-line"), limits=SMALL) as servers:
        result = servers.call("long-line", "echo", {"word": "x"}, timeout_s=60)
        assert not result.ok
        assert "more than the 1,000,000 that are read at once; it was not read" in result.text
        assert not servers.call("long-line", "echo", {"word": "x"}, timeout_s=60).ended, "the connection must survive"
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 30_000, f"40 MB on one line took {grown} KB"


def test_endless_lists_of_tools_end() -> None:
    done = run(stubs("many"), timeout_s=60, limits=LiveLimits(tools=2500))
    assert len(done.pool) == 2500
    assert [(i.code, i.severity) for i in done.pool.issues if i.tool is None] == [("too_many_tools", "error")]
    paged = run(stubs("many"), timeout_s=60, limits=LiveLimits(pages=2))
    assert len(paged.pool) == 2000
    assert any("more than 2 pages" in issue.found for issue in paged.pool.issues)
    sized = run(stubs("many"), timeout_s=60, limits=LiveLimits(listing_bytes=100_000))
    assert 100 < len(sized.pool) < 1000
    assert "listing_too_large" in {issue.code for issue in sized.pool.issues}


def test_the_pages_that_came_are_kept_where_the_next_never_comes() -> None:
    done = run(stubs("slow-pages"), timeout_s=3)
    assert list(done.pool.tools) == ["slow-pages/echo", "slow-pages/count"]
    (issue,) = [issue for issue in done.pool.issues if issue.code == "listing_incomplete"]
    assert issue.severity == "error"
    assert "no answer within 3 s" in issue.found


def test_enormous_descriptions_are_cut_and_enormous_definitions_skipped() -> None:
    pool = run(stubs("prose"), timeout_s=30).pool
    assert list(pool.tools) == ["prose/echo", "prose/long", "prose/count"]
    described = pool.tool("prose/long").input_schema["properties"]["word"]["description"]
    assert len(described.encode()) <= LiveLimits().description_bytes
    issues = {(issue.tool, issue.code, issue.severity) for issue in pool.issues if issue.service == "prose"}
    assert ("long", "description_cut", "fixed") in issues
    assert ("wide", "definition_too_large", "error") in issues


def test_tools_that_the_clients_file_takes_out_are_left_out_and_named() -> None:
    some = {
        "only": stub("only", "good", only_tools=("echo", "count")),
        "out": stub("out", "good", without_tools=("echo",)),
    }
    pool = run(some, timeout_s=20).pool
    assert [tool.name for tool in pool.service("only").tools] == ["echo", "count"]
    assert "out/echo" not in pool.tools
    assert {issue.service for issue in pool.issues if issue.code == "switched_off"} == {"only", "out"}


class Handler(BaseHTTPRequestHandler):
    """Answers each POST with the status, headers and body that ``answers`` gives for its MCP method."""

    answers: ClassVar[dict[str, tuple[int, dict[str, str], bytes]]] = {}
    seen: ClassVar[list[tuple[str, dict[str, str]]]] = []
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        message = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.seen.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
        method = message.get("method")
        if "id" not in message:
            self._send(202, {}, b"")
        elif method in self.answers or "*" in self.answers:
            self._send(*self.answers.get(method, self.answers.get("*", (500, {}, b""))))
        elif method == "initialize":
            result = {
                "protocolVersion": message["params"]["protocolVersion"], "capabilities": {"tools": {}},
                "serverInfo": {"name": "web", "version": "1"},
            }  # fmt: skip
            self._answer(message, result)
        elif method == "tools/list":
            tool = {"name": "read", "description": "Read.", "inputSchema": {"type": "object"}}
            self._answer(message, {"tools": [tool]})
        elif method == "tools/call":
            self._answer(message, {"content": [{"type": "text", "text": "x" * 3_000_000}]})
        else:
            self._send(404, {}, b"")

    def do_GET(self) -> None:
        self._send(405, {}, b"")

    def do_DELETE(self) -> None:
        self._send(405, {}, b"")

    def _answer(self, message: dict[str, Any], result: Any) -> None:
        body = json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result}).encode()
        self._send(200, {"content-type": "application/json"}, body)

    def _send(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in {**headers, "content-length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def web(answers: dict[str, tuple[int, dict[str, str], bytes]] | None = None) -> Iterator[tuple[str, type[Handler]]]:
    """Run a little MCP server over HTTP; yield its address and its handler, which keeps what it has seen."""
    handler = type("One", (Handler,), {"answers": answers or {}, "seen": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/mcp", handler
    finally:
        server.shutdown()
        server.server_close()


def test_answers_over_http_are_bounded_too() -> None:
    import gzip

    bomb = gzip.compress(b" " * 50_000_000)
    packed = {"content-type": "application/json", "content-encoding": "gzip"}
    with web() as (url, _), LiveServers({"w": spec(url)}, limits=LiveLimits(result_bytes=1000)) as servers:
        result = servers.call("w", "read", {}, timeout_s=30)
        assert (result.ok, cut_bytes(result.text)) == (True, 3_000_000)
    for answers in ({}, {"tools/call": (200, packed, bomb)}):
        with web(answers) as (url, _), LiveServers({"w": spec(url)}, limits=SMALL) as servers:
            result = servers.call("w", "read", {}, timeout_s=30)
            assert not result.ok
            assert "more than the 1,000,000 bytes that are read at once" in result.text


def spec(url: str, **facts: Any) -> ServerSpec:
    return ServerSpec(name="w", transport="http", url=url, **facts)


def test_a_run_reports_the_results_that_were_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    entry = {"command": sys.executable, "args": ["-S", str(STUB), "gauge"]}
    bad = {"args": ["nothing"]}
    (tmp_path / "mcp.json").write_text(json.dumps({"mcpServers": {"gauge": entry, "bad": bad}}))
    words = ("--set", "rollout.result_bytes=2048", "--no-figure", "--out", tmp_path / "run", "-n", "2")
    status, out, err = in_process(monkeypatch, capsys, "run", "--servers", tmp_path / "mcp.json", *words)
    assert status == 0, err
    assert "bad: skipped, it has no command and no url" in err
    assert "cut results" in out
    assert "server_failed" in out, "the server that failed belongs to the run's record"
    with tdlab.open_run(tmp_path / "run") as opened:
        cut = opened.metrics()["cut"]
        assert cut["results"] >= 2
        assert cut["largest_bytes"] == 600_000
        results = [m for t in opened.store.accepted() for m in t.trajectory.results().values()]
        assert all(len(message.content.encode()) <= 2048 for message in results)
