"""An LLM teacher on live MCP servers: what they really answer counts, and nothing is paid for twice.

The real servers have to be installed, and found through PATH (see .ci/run); the stubs are a file beside the tests.
"""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

import tdlab
from tdlab.config import RunConfig
from tdlab.errors import ConfigError, RolloutError
from tdlab.jobs.run import REPLIES
from tdlab.pool import LiveServers, ServerSpec, ToolPool, harvest_sync, read_mcp_config
from tdlab.pool.live.servers import LiveResult
from tdlab.rollout.llm import MockServer
from tdlab.rollout.llm.mock_model import MockModel
from tdlab.store import Candidate, ReplyJournal, Run
from tests.clock import slower
from tests.jobs import ROOT, in_process
from tests.pool.places import make_database, make_repository
from tests.teacher.parts import config

STUB = ROOT / "tests" / "pool" / "mcp_stub.py"
ZONES = {"timezone": ["Asia/Tokyo", "Europe/Lisbon"], "source_timezone": ["Europe/Lisbon"],
         "target_timezone": ["Asia/Tokyo"]}  # fmt: skip
REAL = ("git", "time", "sqlite", "everything", "memory")


pytestmark = pytest.mark.usefixtures("no_figures")


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Record the service of each call that reaches a server."""
    calls: list[str] = []
    call = LiveServers.call

    def noted(self: LiveServers, service: str, *arguments: Any, **options: Any) -> LiveResult:
        calls.append(service)
        return call(self, service, *arguments, **options)

    monkeypatch.setattr(LiveServers, "call", noted)
    return calls


class Job:
    """A live run over the servers of an ``mcpServers`` file, with a model at ``base_url``."""

    def __init__(self, folder: Path, entries: Mapping[str, Any], facts: Mapping[str, Any] | None = None) -> None:
        file = folder / "mcp.json"
        file.write_text(json.dumps({"mcpServers": entries}))
        self.specs: dict[str, ServerSpec] = read_mcp_config(file)
        found = harvest_sync(file, timeout_s=60, concurrency=2)
        assert found.failures == {}
        self.pool: ToolPool = found.pool
        self.facts = dict(facts or {})

    def config(self, base_url: str, **values: Any) -> RunConfig:
        plain: dict[str, Any] = {"clusters__min_tools": 1, "evolution__dry": 2, "rollout__facts": self.facts}
        return config(base_url).with_values(**{**plain, "rollout__environment": "live", **values})

    def run(self, base_url: str, out: Path, **values: Any) -> Run:
        settings = self.config(base_url, **values)
        return tdlab.run(settings, out=out, pool=self.pool, servers=self.specs, progress=False)


def stub(mode: str, *words: str) -> dict[str, Any]:
    return {"command": sys.executable, "args": [str(STUB), mode, *words]}


def executors(candidate: Candidate) -> set[str]:
    assert candidate.trajectory is not None
    return {execution.executor for execution in candidate.trajectory.executions}


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Job:
    """Five real servers: a repository, clocks, a database, everything, a memory."""
    found = {name: shutil.which(f"mcp-server-{name}") for name in REAL}
    missing = [name for name, path in found.items() if path is None]
    if missing:
        pytest.skip(f"not in PATH: {', '.join(f'mcp-server-{name}' for name in missing)} (see .ci/run)")
    folder = tmp_path_factory.mktemp("live").resolve()
    repository, database = make_repository(folder), make_database(folder)
    arguments = {
        "git": ["--repository", str(repository)], "time": ["--local-timezone", "UTC"],
        "sqlite": ["--db-path", str(database)],
    }  # fmt: skip
    entries: dict[str, dict[str, Any]] = {
        name: {"command": path, "args": arguments.get(name, [])} for name, path in found.items()
    }
    entries["memory"]["env"] = {"MEMORY_FILE_PATH": str(folder / "memory.json")}
    facts = {
        "git": {"repo_path": [str(repository)], "revision": ["main"], "target": ["main"], "branch_type": ["local"]},
        "time": ZONES,
        "sqlite": {"table_name": ["items"], "query": ["select name from items", "select amount from items"]},
    }
    return Job(folder, entries, facts)


@pytest.mark.servers
@pytest.mark.timeout(600)
def test_real_servers_answer_a_model_and_a_resumed_run_pays_for_nothing_twice(
    real: Job, made: list[str], tmp_path: Path
) -> None:
    """The first session stops at its budget; the second one finishes the run."""
    out = tmp_path / "run"
    with MockServer() as server:
        part = real.run(server.base_url, out, target=10, teacher__budget_tokens=30_000)
        assert "stopped: the budget is spent" in part.status
        part.close()
        paid, asked = server.counts["calls"], len(made)
        assert asked > 0
        run = real.run(server.base_url, out, target=10)
        assert run.status == "complete"
        assert server.counts["calls"] > paid
        with ReplyJournal(tmp_path / REPLIES) as journal:
            assert len(journal) == server.counts["calls"], "a request was paid for twice"
        calls = server.counts["calls"]
        printed = tdlab.estimate(real.config(server.base_url, target=10), pool=real.pool, progress=False)
        assert printed.tokens == pytest.approx(run.metrics()["teacher"]["tokens"], rel=0.5)
        run.close()
        real.run(server.base_url, out, target=10).close()
        assert server.counts["calls"] == calls, "a complete run asks nothing"
    services: set[str] = set()
    executed = 0
    for candidate in run_candidates(out):
        assert candidate.trajectory is not None
        executed += len(candidate.trajectory.executions)
        for execution in candidate.trajectory.executions:
            assert execution.executor == f"live:{execution.tool.partition('/')[0]}"
        if candidate.accepted:
            services |= executors(candidate)
            assert candidate.verdict is not None
            assert candidate.verdict.accepted
            assert candidate.trajectory.teacher == "llm:mock"
            assert candidate.trajectory.environment == "live"
    assert len(services) >= 4, services
    assert executed <= len(made) <= executed + 16, "a call was made again: more than rollouts in flight can explain"


def run_candidates(out: Path) -> list[Candidate]:
    with tdlab.open_run(out) as run:
        return list(run.store.candidates())


@pytest.mark.servers
@pytest.mark.parametrize(
    ("spoil", "check"),
    [
        (lambda reply: _said(reply, "Filed under ZX-90210."), "faithful"),
        (lambda reply: _argument(reply, "timezone", "America/Lima"), "grounding"),
    ],
)
def test_what_a_model_says_is_held_against_what_the_server_answered(
    real: Job, tmp_path: Path, spoil: Callable[[dict[str, Any]], dict[str, Any]], check: str
) -> None:
    """The model invents something in the assistant's turns: no such trajectory is accepted."""
    responder = MockModel()

    def answer(body: Mapping[str, Any]) -> dict[str, Any]:
        reply = responder.respond(body)
        return spoil(reply) if body["tdlab_script"]["role"] == "assistant" else reply

    folder = tmp_path / "time"
    folder.mkdir()
    path = shutil.which("mcp-server-time")
    job = Job(folder, {"time": {"command": path, "args": ["--local-timezone", "UTC"]}}, {"time": ZONES})
    with MockServer(answer=answer) as server:
        job.run(server.base_url, tmp_path / "run", target=4, evolution__budget=4).close()
    found = run_candidates(tmp_path / "run")
    reasons = [reason for candidate in found for reason in candidate.reasons]
    assert any(reason.check == check for reason in reasons), reasons
    spoilt = [c for c in found if c.trajectory is not None and ("ZX-90210" in str(c) or "America/Lima" in str(c))]
    assert spoilt
    assert not any(candidate.accepted for candidate in spoilt)


def _said(reply: dict[str, Any], words: str) -> dict[str, Any]:
    message = reply["choices"][0]["message"]
    if not message.get("tool_calls"):
        message["content"] += " " + words
    return reply


def _argument(reply: dict[str, Any], name: str, value: str) -> dict[str, Any]:
    for call in reply["choices"][0]["message"].get("tool_calls", ()):
        arguments = json.loads(call["function"]["arguments"])
        call["function"]["arguments"] = json.dumps({**arguments, name: value} if name in arguments else arguments)
    return reply


# --- servers that fail, played by stubs


def test_a_server_that_exits_during_a_call_ends_the_rollout_without_further_costs(tmp_path: Path) -> None:
    job = Job(tmp_path, {"stub": stub("dies-on-call")})
    with MockServer() as server:
        run = job.run(server.base_url, tmp_path / "run", rollout__allow_writes=True, evolution__budget=4)
    assert run.status.startswith("stopped: budget")
    run.close()
    found = run_candidates(tmp_path / "run")
    assert len(found) == 4
    for candidate in found:
        assert not candidate.accepted
        assert "stub: the server ended before it answered" in candidate.reasons[0].text
        assert candidate.trajectory is not None
        assert candidate.trajectory.messages[-1].tool_calls, "a model was asked to go on"


@pytest.mark.slow
@pytest.mark.parametrize(("mode", "why"), [("hangs-on-call", "no answer within {} s"), ("garbage", "not a valid MCP")])
def test_a_server_that_hangs_or_answers_garbage_is_a_rejection(tmp_path: Path, mode: str, why: str) -> None:
    job = Job(tmp_path, {"stub": stub(mode)})
    limit = round(0.5 * slower(), 1)
    began = time.monotonic()
    with MockServer() as server:
        run = job.run(
            server.base_url, tmp_path / "run", rollout__allow_writes=True, rollout__call_timeout_s=limit,
            target=30, evolution__budget=16, verify__near_duplicate=1.0, teacher__failing_window=None,
        )  # fmt: skip
    assert run.status.startswith("stopped: budget")
    run.close()
    found = run_candidates(tmp_path / "run")
    assert any(why.format(f"{limit:g}") in reason.text for candidate in found for reason in candidate.reasons)
    assert any(candidate.accepted for candidate in found) == (mode == "garbage")
    assert time.monotonic() - began < 60 * slower()


def test_a_server_that_is_gone_ends_the_run_with_an_error_and_it_goes_on_when_it_is_back(tmp_path: Path) -> None:
    grave = tmp_path / "grave"
    job = Job(tmp_path, {"stub": stub("gone-on-call", str(grave))})
    values: dict[str, Any] = {"target": 20, "rollout__allow_writes": True, "evolution__budget": 8}
    with MockServer() as server:
        grave.write_text("5")  # calls that it answers before it exits
        with pytest.raises(RolloutError, match="the live server stub is gone: the server cannot be reached") as caught:
            job.run(server.base_url, tmp_path / "run", **values)
        assert "its last lines on stderr: buried" in caught.value.found
        assert "to resume" in caught.value.do
        paid = server.counts["calls"]
        grave.write_text("1000")
        job.run(server.base_url, tmp_path / "run", **values).close()
        with ReplyJournal(tmp_path / REPLIES) as journal:
            assert len(journal) == server.counts["calls"] > paid, "a request was paid for twice"
    assert any(candidate.accepted for candidate in run_candidates(tmp_path / "run"))


def test_an_estimate_for_live_servers_is_of_their_tools_and_calls_none(
    tmp_path: Path, made: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    job = Job(tmp_path, {"stub": stub("good")})
    with pytest.raises(ConfigError, match="are not given"):
        tdlab.estimate(job.config("http://127.0.0.1:9/v1"), progress=False)
    words = ("-n", 2, "--set", "teacher.model=m", "--set", "clusters.min_tools=1")
    status, out, _ = in_process(monkeypatch, capsys, "estimate", "--servers", tmp_path / "mcp.json", "--json", *words)
    assert status == 0
    printed = json.loads(out)
    assert printed == tdlab.estimate(
        job.config("http://127.0.0.1:9/v1", target=2, teacher__model="m", evolution__dry=12, evolution__batch=64),
        pool=job.pool, progress=False,
    )._asdict() | {"roles": printed["roles"]}  # fmt: skip
    assert {row["role"] for row in printed["roles"]} == {"proposer", "user", "assistant"}
    assert made == [], "a server was called for an estimate"


def test_no_model_makes_up_what_a_live_server_answers() -> None:
    live = config("http://127.0.0.1:9/v1", rollout__environment="live", teacher__roles=["environment", "user"])
    assert not live.models_environment
    assert config("http://127.0.0.1:9/v1").models_environment
