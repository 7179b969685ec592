"""Test code steps without a sandbox: messages, commands, panel and figures."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from matplotlib.axes import Axes

import tdlab
from tdlab.config import RunConfig
from tdlab.errors import ConfigError, PoolError, SandboxUnavailable
from tdlab.jobs.recheck import check_run, replay_programs
from tdlab.panels import check_code
from tdlab.plots import compute_code_verdicts, figure_png, plot_code_check, plot_code_times, plot_code_verdicts
from tdlab.pool import ToolPool
from tdlab.records import CODE_TOOL, Service, Tool
from tdlab.sandbox import BackendReport, Enforcement, held_by, reports_frame
from tests.jobs import hashes, in_process, small_pool, small_pool_file

CHECKED = pd.DataFrame(
    [
        ("t1", "c1", "databases", "python", "same", 0.004, "", "print(1)", "{}"),
        ("t1", "c2", "databases", "sql", "different", 0.05, "1 differences", "select 1", "{}"),
        ("t2", "c1", "healthcare", "bash", "not_replayed", 1.5, "three processes failed", "true", "{}"),
        ("t3", "c1", "not in any taxonomy $x$", "python", "same", 0.003, "", "print(2)", "{}"),
    ],
    columns=["trajectory", "call", "domain", "language", "verdict", "seconds", "reason", "code", "recorded"],
)

pytestmark = pytest.mark.usefixtures("no_figures")


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("plain") / "run"
    pool = small_pool_file(folder.parent)
    tdlab.run(RunConfig(target=8, pool=str(pool)), out=folder, progress=False).close()
    return folder


def bare(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Make this machine look as if it had neither bubblewrap nor docker."""
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("DOCKER_HOST", f"unix://{folder}/none.sock")


def test_a_run_says_that_code_steps_are_left_out_and_how_to_have_them(
    plain: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    status, out, _ = in_process(monkeypatch, capsys, "show", "run", plain)
    assert status == 0
    assert "code steps" in out
    assert "none: sandbox.backend is none (`tdlab run --code`" in " ".join(out.split())
    with tdlab.open_run(plain) as run:
        assert CODE_TOOL not in {tool.key for tool in run.store.tools()}
        assert not any("code" in features["signature"] for _, _, features in run.store.features())


def test_check_of_a_run_without_code_needs_no_sandbox(
    plain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bare(monkeypatch, tmp_path)
    before = hashes(plain)
    status, out, err = in_process(monkeypatch, capsys, "check", plain)
    assert status == 0, err
    assert "has no code steps" in out
    assert check_run(plain, progress=False).checked == ()
    assert hashes(plain) == before


def test_doctor_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bare(monkeypatch, tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    status, out, _ = in_process(monkeypatch, capsys, "sandbox", "doctor")
    assert status == 1
    assert "bubblewrap does not work: bwrap is not installed" in " ".join(out.split())
    assert "apt-get install bubblewrap" in out
    assert "No working sandbox found. Runs will skip code steps." in out


def test_code_without_a_sandbox_is_refused_before_anything_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bare(monkeypatch, tmp_path)
    status, _, err = in_process(monkeypatch, capsys, "run", "--code", "-n", 5, "-o", tmp_path / "run")
    assert status == 2
    assert "no working sandbox on this machine" in err
    assert "apt-get install bubblewrap" in err
    assert not (tmp_path / "run").exists()
    with pytest.raises(SandboxUnavailable, match="no working sandbox on this machine"):
        tdlab.run(RunConfig(target=5).with_values(sandbox__backend="auto"), out=tmp_path / "run", progress=False)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("sandbox", "serve", "--memory", 1), "at least 32 MB"),
        (("sandbox", "serve", "--database", "shop"), "NAME=FILE"),
        (("sandbox", "serve", "--database", "shop=/nowhere/shop.db"), "cannot be read"),
        (("check", "nowhere"), "the folder does not exist"),
        (("run", "--set", "sandbox.backend=chroot"), "sandbox.backend"),
        (("run", "--set", "sandbox.memory_mb=1"), "sandbox.memory_mb"),
    ],
)
def test_wrong_words_are_explained(
    words: tuple[object, ...], told: str, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    status, _, err = in_process(monkeypatch, capsys, *words)
    assert status == 2
    assert told in err


def test_no_programs_need_no_sandbox_and_workers_are_counted_from_one() -> None:
    assert replay_programs([]).to_frame().empty
    with pytest.raises(ConfigError, match="workers is 0"):
        replay_programs([], workers=0)


def test_a_pool_cannot_bring_a_code_tool_of_its_own(tmp_path: Path) -> None:
    service, _, name = CODE_TOOL.partition("/")
    fake = Tool(service=service, name=name, input_schema={"type": "object"})
    pool = ToolPool.from_services([*small_pool().services, Service(name=service, tools=(fake,))])
    with pytest.raises(PoolError, match=CODE_TOOL):
        tdlab.run(RunConfig(target=2), out=tmp_path / "run", pool=pool, progress=False)


def test_the_panel_of_a_run_without_code_says_so(plain: Path) -> None:
    with tdlab.open_run(plain) as run:
        panel = check_code(run)
        assert panel.png == b""
        panel.refresh()
    assert panel.png.startswith(b"\x89PNG")
    assert "no code steps" in panel.status
    assert panel.shown == ()
    assert panel.detail == ""


def test_verdicts_are_counted_by_domain() -> None:
    verdicts = compute_code_verdicts(CHECKED)
    assert verdicts["domain"].to_list()[0] == "databases"
    assert verdicts[["same", "different", "not_replayed"]].sum().to_list() == [2, 1, 1]
    axes = plot_code_verdicts(verdicts)
    assert isinstance(axes, Axes)
    lengths = sum(bar.get_width() for group in axes.containers for bar in group)
    assert lengths == len(CHECKED)
    shown = [text.get_text() for text in axes.get_legend().get_texts()]
    assert shown == ["the same (2)", "different (1)", "not run (1)"]


def test_every_program_is_a_dot_beside_the_limit() -> None:
    axes = plot_code_times(CHECKED, time_limit_s=10)
    assert sum(len(dots.get_offsets()) for dots in axes.collections) == len(CHECKED)
    assert [line.get_xdata()[0] for line in axes.lines] == [10]
    assert figure_png(plot_code_check(CHECKED, time_limit_s=10, backend="bubblewrap")).startswith(b"\x89PNG")
    assert plot_code_check(CHECKED.head(0), time_limit_s=10, backend="none").texts


def test_the_first_tier_that_holds_is_taken() -> None:
    docker = BackendReport(name="docker", available=False, reason="no engine", install="start one")
    bubblewrap = BackendReport(
        name="bubblewrap", available=True, probes=23, enforced={"memory": Enforcement(level="kernel", how="cgroup")}
    )
    assert held_by([docker, bubblewrap]) == "bubblewrap"
    assert held_by([docker]) == held_by([]) == "none"
    assert held_by([bubblewrap, docker.model_copy(update={"available": True})]) == "docker"
    frame = reports_frame([docker, bubblewrap]).set_index("backend")
    assert frame.loc["bubblewrap", "kernel"] == "memory"
    assert frame.loc["docker", "to_do"] == "start one"
