"""Test the ablation: statistics, cells as run directories, resuming, and independence of the number of workers."""

from __future__ import annotations

import math
import os
import signal
import time
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tdlab
from tdlab.errors import ConfigError
from tdlab.evolution.ablation_tables import ARMS, METRICS, ablation_cells, ablation_markdown, interval, pool_cells
from tdlab.jobs import Ablation
from tdlab.plots import plot_ablation, plot_arms
from tdlab.store import open_run
from tests.clock import slower
from tests.jobs import descendants, finish, gone, in_process, small_pool, small_pool_file, started

pytestmark = pytest.mark.usefixtures("no_figures")

CONFIG = tdlab.RunConfig(target=10, seed=3).with_values(evolution__batch=5)
ARMS_TRIED = ("no_evolution", "random")


@pytest.fixture(scope="module")
def ablation(tmp_path_factory: pytest.TempPathFactory) -> Ablation:
    out = tmp_path_factory.mktemp("ablation") / "out"
    return tdlab.ablate(CONFIG, out=out, pool=small_pool(), arms=ARMS_TRIED, seeds=2, progress=False)


# --- statistics


def test_the_interval_is_students() -> None:
    """For two numbers, half the width is t(0.975, 1) = 12.7062 times their standard deviation over the root of 2."""
    mean, low, high = interval([1.0, 3.0])
    assert (mean, high - mean) == (2.0, pytest.approx(12.7062 * math.sqrt(2.0) / math.sqrt(2.0), rel=1e-5))
    assert mean - low == pytest.approx(high - mean)
    assert interval([0.9, 1.0], top=1.0)[1:] == (pytest.approx(0.95 - 12.7062 * 0.05, rel=1e-4), 1.0)
    assert interval([1.0, 3.0], top=4.0)[1:] == (0.0, 4.0)
    mean, low, high = interval([5.0])
    assert mean == 5.0
    assert math.isnan(low)
    assert math.isnan(high)


@given(st.lists(st.floats(1.0, 100.0), min_size=2, max_size=6), st.floats(1.1, 3.0))
def test_ratios_are_of_cells_with_one_seed(values: list[float], factor: float) -> None:
    rows = [
        {"arm": arm, "seed": seed, "metric": "cac", "value": value * times, "ceiling": None, "n": 5}
        for arm, times in (("evolved", factor), ("random", 1.0))
        for seed, value in enumerate(values)
    ]
    table = pool_cells(pd.DataFrame(rows)).set_index("arm")
    assert table.loc["evolved", "ratio"] == pytest.approx(factor)
    assert table.loc["evolved", "ratio_low"] == pytest.approx(factor), "pairs with one ratio leave no doubt about it"
    assert table.loc["random", "ratio"] == pytest.approx(1.0)
    assert table.loc["evolved", "apart"] == (table.loc["evolved", "low"] > table.loc["random", "high"])


def test_arms_differ_from_the_config_in_their_own_part_alone() -> None:
    cells = {cell.arm: cell.config for cell in ablation_cells(CONFIG, tuple(ARMS), [7])}
    evolved = cells["evolved"].model_dump()
    for arm, config in cells.items():
        ours = config.model_dump()
        differing = {key for key in ours["evolution"] if ours["evolution"][key] != evolved["evolution"][key]}
        assert {key for key in ours if ours[key] != evolved[key]} <= {"evolution"}
        assert len(differing) == (arm != "evolved"), (arm, differing)
        assert config.evolution.patience is None, "no arm ends before the others on a plateau"


@pytest.mark.parametrize(("arms", "seeds"), [(["evolvd"], [0]), ([], [0]), (["random"], []), (["random"] * 2, [0])])
def test_what_cannot_be_compared_is_explained(arms: list[str], seeds: list[int]) -> None:
    with pytest.raises(ConfigError, match="an ablation of arms") as caught:
        ablation_cells(CONFIG, arms, seeds)
    assert "no_mode_gauge" in caught.value.expected


# --- the whole


def test_every_cell_is_a_run_and_the_table_is_over_all_of_them(ablation: Ablation) -> None:
    assert sorted(p.name for p in ablation.path.iterdir() if p.is_dir()) == sorted(
        f"{arm}-seed{seed}" for arm in ARMS_TRIED for seed in (3, 4)
    )
    assert set(ablation.table["metric"]) == set(METRICS)
    assert set(ablation.table["n"]) == {10}
    for arm, seed in (("random", 3), ("no_evolution", 4)):
        with open_run(ablation.path / f"{arm}-seed{seed}") as run:
            metrics = run.metrics()["diversity"]
        cells = ablation.cells.query("arm == @arm and seed == @seed").set_index("metric")
        for metric in ("domain", "signature", "trigrams", "tool_sequence"):
            assert cells.loc[metric, "value"] == pytest.approx(metrics[metric]["value"])
            assert cells.loc[metric, "ceiling"] == pytest.approx(metrics[metric]["ceiling"])
        assert cells.loc["cac", "value"] == pytest.approx(metrics["cac"]["mean"])
    for name in ("ablation.csv", "ablation_cells.csv", "ablation.md", "ablation.pdf", "ablation.png"):
        assert (ablation.path / name).stat().st_size
    pd.testing.assert_frame_equal(pd.read_csv(ablation.path / "ablation_cells.csv"), ablation.cells)


@pytest.mark.slow
def test_workers_leave_no_trace_and_what_is_complete_is_not_made_again(ablation: Ablation, tmp_path: Path) -> None:
    words = {"pool": small_pool(), "arms": ARMS_TRIED, "seeds": 2, "progress": False}
    tdlab.ablate(CONFIG, out=tmp_path / "out", workers=2, **words)
    for name in ("ablation.csv", "ablation_cells.csv", "ablation.md", "ablation.png"):
        assert (tmp_path / "out" / name).read_bytes() == (ablation.path / name).read_bytes(), name
    before = {p: p.stat().st_mtime_ns for p in (tmp_path / "out").glob("*/dataset.jsonl")}
    tdlab.ablate(CONFIG, out=tmp_path / "out", **words)
    assert {p: p.stat().st_mtime_ns for p in (tmp_path / "out").glob("*/dataset.jsonl")} == before


@pytest.mark.crash
@pytest.mark.slow
def test_killed_in_the_middle_it_goes_on_and_ends_with_the_same_table(ablation: Ablation, tmp_path: Path) -> None:
    small_pool_file(tmp_path)
    arms = ",".join(ARMS_TRIED)
    words = ("ablate", "--pool", "pool.jsonl", "-n", "10", "--seeds", "2", "--arms", arms, "-o", "killed")
    more = ("--set", "seed=3", "--set", "evolution.batch=5")
    with started(*words, *more, "-w", "2", cwd=tmp_path) as process:
        deadline = time.monotonic() + 60 * slower()
        while not list((tmp_path / "killed").glob("*/run.sqlite")):
            assert time.monotonic() < deadline, "no cell was begun"
            time.sleep(0.02)
        below = descendants(process.pid)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        assert not gone(below, within=10)
    assert not (tmp_path / "killed" / "ablation.csv").exists()
    done = finish(*words, *more, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "### mean CAC, N = 10, 2 seeds" in done.stdout
    for name in ("ablation.csv", "ablation_cells.csv"):
        assert (tmp_path / "killed" / name).read_bytes() == (ablation.path / name).read_bytes()


def test_a_cell_short_of_its_target_sets_n_for_all_and_is_named(tmp_path: Path) -> None:
    config = CONFIG.with_values(evolution__budget=4)
    found = tdlab.ablate(config, out=tmp_path / "out", pool=small_pool(), arms=["random"], seeds=1, progress=False)
    n = int(found.table["n"].iloc[0])
    assert 1 <= n <= 4
    assert found.table["low"].isna().all(), "one seed has no interval"
    text = (tmp_path / "out" / "ablation.md").read_text(encoding="utf-8")
    assert f"- random-seed3 has {n} of 10 trajectories (budget: 4 offspring were tried and {n} of them kept)" in text


def test_an_ablation_is_made_offline(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="live servers"):
        tdlab.ablate(CONFIG.with_values(rollout__environment="live"), out=tmp_path / "out", progress=False)
    assert not (tmp_path / "out").exists()


# --- what is shown of it


def test_the_figure_shows_each_arm_at_its_mean_within_its_interval(ablation: Ablation) -> None:
    ax = plot_arms(ablation.table, metric="cac")
    part = ablation.table[ablation.table["metric"] == "cac"]
    dots = [line.get_xdata()[0] for line in ax.lines if line.get_marker() == "o"]
    spans = [tuple(line.get_xdata()) for line in ax.lines if len(line.get_xdata()) == 2]
    assert not [line for line in ax.lines if line.get_label() == "ceiling"], "CAC has none"
    assert dots == pytest.approx(list(part["mean"]))
    assert spans == [pytest.approx(span) for span in zip(part["low"], part["high"], strict=True)]
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["no evolution", "random"]
    titles = [ax.get_title(loc="left") for ax in plot_ablation(ablation.table).axes]
    assert titles == [METRICS[m] for m in ("domain", "signature", "trigrams", "cac", "verified", "kept")]


def test_the_figure_shows_each_arm_its_own_ceiling(ablation: Ablation) -> None:
    part = ablation.table[ablation.table["metric"] == "trigrams"]
    assert part["ceiling"].nunique() == len(ARMS_TRIED), "the arms have one ceiling: the test says nothing"
    lines = [line for line in plot_arms(ablation.table, metric="trigrams").lines if line.get_label() == "ceiling"]
    assert [(line.get_xdata()[0], sum(line.get_ydata()) / 2) for line in lines] == [
        (ceiling, place) for ceiling, place in zip(part["ceiling"], (2, 1), strict=True)
    ]


def test_what_fell_short_is_printed_and_one_seed_has_no_interval(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    pool = small_pool_file(tmp_path)
    words = ("ablate", "--pool", pool, "-n", 6, "--seeds", 1, "--arms", "random", "--set", "evolution.budget=1")
    status, out, err = in_process(monkeypatch, capsys, *words, "-o", tmp_path / "out")
    assert status == 0, err
    assert "- random-seed0 has 1 of 6 trajectories (budget: 1 offspring was tried and 1 of them kept)" in out
    assert "### mean CAC, N = 1, 1 seed\n" in out
    assert " to " not in next(line for line in out.splitlines() if line.startswith("| random "))


def test_the_markdown_has_a_row_an_arm_with_its_ceiling(ablation: Ablation) -> None:
    text = ablation_markdown(ablation.table)
    assert text.count("\n| random |") == len(METRICS)
    row = ablation.table.query("metric == 'domain' and arm == 'random'").iloc[0]
    assert f"| random | {row['mean']:.3f} | {row['low']:.3f} to {row['high']:.3f} | {row['ceiling']:.3f} |" in text
