"""Test the logs: a hanging job can be followed, and nothing is printed by default."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

import tdlab
from tdlab.errors import SandboxUnavailable, TeacherError
from tdlab.evolution import ProcessPool
from tdlab.pool import LiveServers, ServerSpec, harvest
from tdlab.rollout.llm import Misbehaviour, MockServer
from tdlab.sandbox import open_sandbox_sync
from tests.clock import slower
from tests.jobs import ROOT, environment, in_process, small_pool, small_pool_file
from tests.teacher.parts import asked, echo, request, teacher

STUB = ROOT / "tests" / "pool" / "mcp_stub.py"
pytestmark = pytest.mark.usefixtures("no_figures")


@pytest.fixture(autouse=True)
def _handlers() -> Iterator[None]:
    logger = logging.getLogger("tdlab")
    handlers, level = list(logger.handlers), logger.level
    yield
    logger.handlers[:] = handlers
    logger.setLevel(level)


def stub(mode: str) -> ServerSpec:
    return ServerSpec(name=mode, transport="stdio", command=sys.executable, args=("-S", str(STUB), mode))


class Negative(NamedTuple):
    """Producer for worker processes."""

    def produce(self, order: int) -> int:
        return -order


def test_as_a_library_it_prints_nothing_even_where_something_fails(tmp_path: Path) -> None:
    code = (
        "import asyncio, tdlab\n"
        "from tdlab.pool import ServerSpec, harvest\n"
        "spec = ServerSpec(name='x', transport='stdio', command='tdlab-no-such-command')\n"
        "try: asyncio.run(harvest({'x': spec}))\n"
        "except tdlab.TdlabError: pass\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment(), capture_output=True, text=True, check=True
    )
    assert (done.stdout, done.stderr) == ("", "")


@pytest.mark.slow
def test_a_harvest_that_hangs_says_where(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "tdlab")
    limit = round(2 * slower())
    asyncio.run(harvest({mode: stub(mode) for mode in ("pages", "hangs")}, timeout_s=limit))
    assert f"hangs: connecting over stdio, at most {limit} s" in caplog.messages
    assert any(text.startswith(f"hangs: failed: no answer within {limit} s") for text in caplog.messages)
    assert "pages: 3 tools listed, more to come" in caplog.messages
    assert "pages: 8 tools" in caplog.messages


def test_calls_of_live_servers_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "tdlab")
    with LiveServers({"good": stub("good")}) as servers:
        servers.call("good", "fail", {})
    assert [text.split(",")[0] for text in caplog.messages] == [
        "good: starting", "good: calling fail", "good: fail failed: no such word",
    ]  # fmt: skip


def test_worker_processes_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "tdlab")
    with ProcessPool(Negative(), 2) as pool:
        assert list(pool.produce([1, 2])) == [-1, -2]
    assert sum("worker process" in text and text.endswith("started") for text in caplog.messages) == 2


def test_attempts_of_the_teacher_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "tdlab")
    with MockServer(Misbehaviour(rate_500=1.0), answer=echo) as server:
        (reply,), _ = asked(teacher(server.base_url, tries=2), [request()])
    assert isinstance(reply, TeacherError)
    assert "asking m for the user, 1 calls in flight" in caplog.messages
    assert any(text.startswith("attempt 2 of 2 failed: HTTP 500") for text in caplog.messages)


def test_a_sandbox_that_cannot_be_used_is_logged(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    caplog.set_level(logging.INFO, "tdlab")
    options = {"base_url": f"unix://{tmp_path}/none"}
    with pytest.raises(SandboxUnavailable), open_sandbox_sync("docker", options=options):
        pass
    assert any(text.startswith("docker cannot be used: ") for text in caplog.messages)


def test_a_run_logs_its_stages_and_generations(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "tdlab")
    tdlab.run(tdlab.RunConfig(target=2), out=tmp_path / "run", pool=small_pool(), progress=False)
    shown = "\n".join(caplog.messages)
    for words in ("stage: clusters", "mining: dependencies after ", "stage: trajectories", "generation 0: 2 of 2"):
        assert words in shown


def test_the_command_logs_where_it_is_asked_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = ("mine", "--pool", small_pool_file(tmp_path))
    assert " INFO " not in in_process(monkeypatch, capsys, *mine)[2]
    for options, shown in ((("-v",), True), (("--log-level", "info"), True), (("--log-level", "ERROR"), False)):
        status, out, err = in_process(monkeypatch, capsys, *options, *mine)
        assert status == 0, err
        assert (" INFO    tdlab.clusters.mining: mining " in err) == shown
        assert err.count("mining: dependencies after") == shown, "an earlier handler is still there"
        assert " INFO " not in out
    assert in_process(monkeypatch, capsys, "--log-level", "loud", *mine)[0] == 2
