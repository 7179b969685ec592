"""The cases of clients' files in the recorded data, each with its right value; see its README."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

import tdlab
from tdlab.pool import Harvest, cut_bytes, harvest_sync, read_mcp_config
from tests.jobs import in_process


@pytest.fixture
def cases(shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Copy the cases into a folder of the test's own, and work there as their README says."""
    folder = shared / "cases" / "srv"
    if not folder.is_dir():
        pytest.skip(f"no cases are at {folder}")
    here = tmp_path / "srv"
    shutil.copytree(folder, here)
    monkeypatch.chdir(here)
    return here


def harvested(file: str) -> Harvest:
    return harvest_sync(file, timeout_s=30)


@pytest.mark.parametrize("file", ["S01_jsonc", "S13_claude_json", "S14_env_types", "S15_workspace", "S17_zed"])
def test_one_tool_is_harvested(file: str, cases: Path) -> None:
    done = harvested(f"{file}.json")
    assert list(done.pool.tools) == ["weirs/get_gauge_0"]
    assert done.failures == {}


def test_values_reach_the_server_as_text(cases: Path) -> None:
    assert read_mcp_config("S14_env_types.json")["weirs"].env == {"PORT": "8080", "DEBUG": "true"}
    assert read_mcp_config("S15_workspace.json")["weirs"].env == {"HOME_DIR": f"{cases}/x"}


def test_an_input_is_reported_or_given(cases: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(tdlab.TdlabError, match="the input 'token' has no value; set the environment variable"):
        harvested("S02_inputs.json")
    monkeypatch.setenv("TDLAB_INPUT_TOKEN", "tok-9911")
    assert read_mcp_config("S02_inputs.json")["weirs"].env == {"TOKEN": "tok-9911"}
    assert len(harvested("S02_inputs.json").pool) == 1


@pytest.mark.parametrize(
    ("file", "name", "says"), [("S03a_no_command", "broken", "it has no command"), ("S03b_sse", "old", "SSE")]
)
def test_a_bad_entry_is_reported_and_the_other_harvested(file: str, name: str, says: str, cases: Path) -> None:
    done = harvested(f"{file}.json")
    assert list(done.pool.tools) == ["weirs/get_gauge_0"]
    assert says in done.failures[name]


@pytest.fixture
def closed(cases: Path) -> Iterator[None]:
    """Run the server that wants authorization."""
    server = subprocess.Popen([sys.executable, "auth.py"], cwd=cases, stderr=subprocess.DEVNULL)
    try:
        for _ in range(200):
            try:
                urllib.request.urlopen("http://127.0.0.1:8799/", timeout=1)
            except urllib.error.HTTPError:
                break
            except OSError:
                time.sleep(0.05)
        yield
    finally:
        server.kill()
        server.wait()


@pytest.mark.usefixtures("closed")
def test_a_server_that_wants_authorization_says_so(cases: Path) -> None:
    done = harvested("S12_401.json")
    assert list(done.pool.tools) == ["weirs/get_gauge_0"]
    for words in ("HTTP 401", "WWW-Authenticate: Bearer resource_metadata=", "wants authorization", '"headers"'):
        assert words in done.failures["closed"]
    content = json.loads(Path("S12_401.json").read_text())
    content["mcpServers"]["closed"]["headers"] = {"Authorization": "Bearer wrong-9911"}
    Path("wrong.json").write_text(json.dumps(content))
    assert "check the token" in harvested("wrong.json").failures["closed"]


def test_a_result_of_megabytes_is_cut_and_reported(
    cases: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("--servers", "huge.json", "-n", "2", "--out", tmp_path / "run", "--no-figure")
    status, out, err = in_process(monkeypatch, capsys, "run", *words)
    assert status == 0, err
    assert "cut results" in out
    assert "6,000,000 bytes" in out
    with tdlab.open_run(tmp_path / "run") as opened:
        results = [m.content for t in opened.store.accepted() for m in t.trajectory.results().values()]
    assert results
    assert {cut_bytes(text) for text in results} == {6_000_000}
    assert max(len(text.encode()) for text in results) <= 65_536
