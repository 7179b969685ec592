"""The live environment: results come from the server, are saved before use, and are requested only once."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tdlab.blueprints import plan
from tdlab.pool import LiveServers, harvest_sync, read_mcp_config
from tdlab.pool.live.servers import LiveResult
from tdlab.records import Blueprint, BusinessCluster, Tool
from tdlab.rollout import LiveEnvironment, ScriptedTeacher, play
from tdlab.rollout.environments import sha256_of
from tdlab.verify import verify

TOOL = Tool(service="clock", name="now", input_schema={"type": "object"})


class Servers:
    """A substitute for connected servers that counts its calls."""

    def __init__(self, *answers: LiveResult) -> None:
        self._answers = list(answers)
        self.asked: list[tuple[str, str, dict[str, Any], float]] = []

    def call(
        self, service: str, name: str, arguments: dict[str, Any], *, timeout_s: float, repeatable: bool
    ) -> LiveResult:
        self.asked.append((service, name, arguments, timeout_s))
        return self._answers[len(self.asked) - 1]


def environment(servers: Servers, journal: dict[str, str] | None, *, scope: str = "rollout") -> LiveEnvironment:
    return LiveEnvironment(
        Blueprint.model_construct(id=scope),
        {TOOL.key: TOOL},
        servers=servers,
        timeout_s=2.5,
        journal_get=None if journal is None else journal.get,
        journal_put=None if journal is None else journal.__setitem__,
    )


def test_an_answer_is_not_asked_for_twice() -> None:
    journal: dict[str, str] = {}
    first = Servers(LiveResult(ok=True, text="nine", structured={"b": 1, "a": "é"}))
    result = environment(first, journal).call(TOOL, {"zone": "UTC"}, call_id="c1")
    assert result.text == '{"a":"é","b":1}', "a structured answer is recorded in canonical form"
    assert result.execution.executor == "live:clock"
    assert result.execution.result_sha256 == sha256_of(result.text)
    assert first.asked == [("clock", "now", {"zone": "UTC"}, 2.5)]
    silent = Servers()
    again = environment(silent, journal).call(TOOL, {"zone": "UTC"}, call_id="c1")
    assert again == result
    assert silent.asked == [], "the journalled answer was asked for again"


@pytest.mark.parametrize(
    ("scope", "call_id", "arguments"),
    [("another", "c1", {"zone": "UTC"}), ("rollout", "c2", {"zone": "UTC"}), ("rollout", "c1", {"zone": "CET"})],
)
def test_another_call_is_asked_for(scope: str, call_id: str, arguments: dict[str, Any]) -> None:
    journal: dict[str, str] = {}
    servers = Servers(LiveResult(ok=True, text="nine"), LiveResult(ok=True, text="ten"))
    environment(servers, journal).call(TOOL, {"zone": "UTC"}, call_id="c1")
    result = environment(servers, journal, scope=scope).call(TOOL, arguments, call_id=call_id)
    assert result.text == "ten"
    assert len(servers.asked) == 2


def test_a_failure_is_a_result_and_is_journalled_too() -> None:
    journal: dict[str, str] = {}
    servers = Servers(LiveResult(ok=False, text="no such zone"))
    result = environment(servers, journal).call(TOOL, {}, call_id="c1")
    assert not result.ok
    assert not result.execution.ok
    assert result.text == "no such zone"
    assert environment(Servers(), journal).call(TOOL, {}, call_id="c1") == result


def test_without_a_journal_nothing_is_kept_and_nothing_is_known_of_changes() -> None:
    servers = Servers(LiveResult(ok=True, text="1"), LiveResult(ok=True, text="2"))
    live = environment(servers, None)
    assert live.call(TOOL, {}, call_id="c1").text == "1"
    assert live.call(TOOL, {}, call_id="c1").text == "2"
    assert live.changes() == {}


@pytest.mark.servers
def test_a_real_server_answers(tmp_path: Path) -> None:
    command = shutil.which("mcp-server-time")
    if command is None:
        pytest.skip("mcp-server-time is not in PATH (see .ci/run)")
    config = tmp_path / "mcp.json"
    config.write_text(json.dumps({"mcpServers": {"time": {"command": command, "args": ["--local-timezone", "UTC"]}}}))
    tool = harvest_sync(config, timeout_s=60).pool.tools["time/get_current_time"]
    with LiveServers(read_mcp_config(config)) as servers:
        journal: dict[str, str] = {}
        live = LiveEnvironment(
            Blueprint.model_construct(id="s"),
            {tool.key: tool},
            servers=servers,
            timeout_s=60,
            journal_get=journal.get,
            journal_put=journal.__setitem__,
        )
        result = live.call(tool, {"timezone": "Asia/Tokyo"}, call_id="c1")
        assert result.ok, result.text
        assert "Asia/Tokyo" in result.text
        assert live.call(tool, {"timezone": "Asia/Tokyo"}, call_id="c1") == result
        wrong = live.call(tool, {"timezone": "Nowhere/Town"}, call_id="c2")
        assert not wrong.ok
        assert "Nowhere/Town" in wrong.text


@pytest.mark.servers
def test_a_blueprint_over_a_real_server_plays_and_verifies(tmp_path: Path) -> None:
    command = shutil.which("mcp-server-time")
    if command is None:
        pytest.skip("mcp-server-time is not in PATH (see .ci/run)")
    config = tmp_path / "mcp.json"
    config.write_text(json.dumps({"mcpServers": {"time": {"command": command, "args": ["--local-timezone", "UTC"]}}}))
    tool = harvest_sync(config, timeout_s=60).pool.tools["time/get_current_time"]
    tools = {tool.key: tool}
    cluster = BusinessCluster(id="clock", tools=(tool.key,), dependencies=(), domains={})
    facts = {"time": {"timezone": ["Asia/Tokyo", "Europe/Lisbon"]}}
    blueprint = plan(cluster, tools, seed=4, goals=1, facts=facts)
    with LiveServers(read_mcp_config(config)) as servers:
        rollout = play(
            blueprint,
            tools,
            ScriptedTeacher(blueprint, tools),
            LiveEnvironment(blueprint, tools, servers=servers, timeout_s=60),
        )
    verdict = verify(rollout.trajectory, blueprint, tools, stopped=rollout.stopped)
    assert verdict.accepted, verdict.reasons
    assert {e.executor for e in rollout.trajectory.executions} == {"live:time"}
