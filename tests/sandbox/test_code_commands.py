"""The commands and the panel with real sandboxes: doctor, serve with the official client, a row in full."""

from __future__ import annotations

import io
import json
import os
import sqlite3
import sys
from pathlib import Path

import anyio
import pytest

import tdlab
from tdlab.config import RunConfig, SandboxConfig
from tdlab.panels import check_code
from tdlab.pool import ToolPool
from tdlab.records import Blueprint
from tdlab.store import Run
from tests.jobs import ROOT, WITH_PROGRAMS, finish


@pytest.fixture(scope="module")
def run(bubblewrap: SandboxConfig, tmp_path_factory: pytest.TempPathFactory) -> Run:
    pool = ToolPool.bundled().subset(services=WITH_PROGRAMS)
    config = RunConfig(target=16).with_values(sandbox__backend=bubblewrap.backend)
    return tdlab.run(config, out=tmp_path_factory.mktemp("made") / "run", pool=pool, progress=False)


def test_doctor_tells_what_each_tier_holds(bubblewrap: SandboxConfig, docker_host: str, tmp_path: Path) -> None:
    done = finish("sandbox", "doctor", cwd=tmp_path, DOCKER_HOST=docker_host, COLUMNS="160")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count(" escape attempts succeeded") == 2
    for guarantee in ("filesystem", "network", "memory", "dies_with_harness"):
        assert sum(line.startswith(guarantee) for line in done.stdout.splitlines()) == 2
    assert "On this machine, auto chooses docker." in done.stdout


def test_gc_says_what_it_found(bubblewrap: SandboxConfig, tmp_path: Path) -> None:
    done = finish("sandbox", "gc", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "leftovers" in done.stdout


def test_the_official_client_can_use_the_command(bubblewrap: SandboxConfig, tmp_path: Path) -> None:
    from mcp import Client, StdioServerParameters
    from mcp.client.stdio import stdio_client

    with sqlite3.connect(tmp_path / "shop.db") as made:
        made.executescript("create table t(a); insert into t values (1), (2);")
    made.close()
    words = ["-m", "tdlab.cli", "sandbox", "serve", "-b", "bubblewrap", "--database", f"shop={tmp_path / 'shop.db'}"]
    parameters = StdioServerParameters(command=sys.executable, args=words, env={**os.environ, "PYTHONPATH": str(ROOT)})

    async def main() -> None:
        with open(tmp_path / "stderr", "w+") as errors:
            async with Client(stdio_client(parameters, errlog=errors)) as client:
                (tool,) = (await client.list_tools()).tools
                assert tool.name == "run_code"
                good = await client.call_tool("run_code", {"language": "python", "code": "print(6 * 7)"})
                assert good.structured_content is not None
                assert good.structured_content["stdout"] == "42\n"
                query = {"language": "sql", "code": "select sum(a) from t", "database": "shop"}
                rows = (await client.call_tool("run_code", query)).structured_content
                assert rows is not None
                assert json.loads(rows["stdout"])["rows"] == [[3]]
                assert (await client.call_tool("run_code", {"language": "python", "code": "1/0"})).is_error

    anyio.run(main)


def test_the_panel_runs_everything_and_shows_one_row_in_full(run: Run) -> None:
    panel = check_code(run)
    panel.refresh()
    assert panel.png.startswith(b"\x89PNG")
    assert panel.result is not None
    assert panel.result.ok
    assert len(panel.result.checked) >= 3
    assert f"{len(panel.result.checked)} the same" in panel.status
    first = panel.shown[0]
    code = str(first.program.arguments["code"]).splitlines()[0]
    assert code.replace('"', "&quot;").replace("'", "&#x27;") in panel.detail
    panel.row.value = len(panel.shown) - 1
    assert "<b>recorded</b>" in panel.detail
    panel.verdict.value = "different"
    assert panel.shown == ()
    assert panel.detail == ""
    panel.verdict.value = ""
    assert panel.detail


def test_what_differs_is_shown_and_escaped(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    import tdlab.panels.code as module

    (first, *_) = module.recorded_programs(run)
    hostile = first.model_copy(
        update={"recorded": first.recorded.replace('"stdout":"', '"stdout":"<script>alert(1)</script>')}
    )
    monkeypatch.setattr(module, "recorded_programs", lambda _: (hostile,))
    panel = check_code(run)
    panel.refresh()
    panel.verdict.value = "different"
    assert len(panel.shown) == 1
    assert "<script>" not in panel.detail
    assert "&lt;script&gt;" in panel.detail
    assert "now:      " in panel.detail


def test_a_run_with_code_says_so_and_its_steps_can_be_seen(run: Run) -> None:
    from rich.console import Console

    from tdlab.cli.render import show_blueprint, show_run

    made = [
        c.blueprint for c in run.store.accepted() if c.blueprint and any(s.kind == "code" for s in c.blueprint.steps)
    ]
    assert isinstance(made[0], Blueprint)
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(show_run(run))
    console.print(show_blueprint(made[0]))
    text = console.export_text()
    assert "run and re-run in the sandbox" in text
    assert "program: import json" in text
    assert "code" in run.calls()["tool"].str.cat()
