"""Test the main job: the same bytes whatever happens to its processes, and the content of a run directory."""

from __future__ import annotations

import itertools
import json
import os
import random
import re
import shlex
import signal
import subprocess
import time
from pathlib import Path

import pytest

import tdlab
from tdlab.errors import ConfigError, PoolError
from tdlab.formats import read_trajectories
from tdlab.pool import ToolPool
from tdlab.store import open_run
from tests.clock import slower
from tests.jobs import (
    FILES,
    MANY_GENERATIONS,
    ROOT,
    descendants,
    finish,
    gone,
    hashes,
    reaches,
    small_pool,
    small_pool_file,
    started,
)

TARGET = 28


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("jobs")
    small_pool_file(folder)
    return folder


def job(out: str, *more: str) -> tuple[str, ...]:
    return ("run", "--pool", "pool.jsonl", "--out", out, "-n", str(TARGET), *MANY_GENERATIONS, *more)


@pytest.fixture(scope="module")
def undisturbed(place: Path) -> dict[str, str]:
    """Return the hashes of an undisturbed run."""
    done = finish(*job("undisturbed"), cwd=place, PYTHONHASHSEED="0")
    assert done.returncode == 0, done.stderr
    found = hashes(place / "undisturbed")
    assert "missing" not in found.values()
    with open_run(place / "undisturbed") as run:
        assert run.status == "complete"
        assert run.counts().generations >= 6
    return found


# --- kills and Ctrl-C


@pytest.mark.crash
@pytest.mark.slow
def test_killed_ten_times_and_resumed_it_ends_with_the_same_bytes(place: Path, undisturbed: dict[str, str]) -> None:
    """The process is killed at ten random moments of its stages, with one worker and with two."""
    rng = random.Random(20)
    moments = [("clusters", 0.3), *[("trajectories", 0.9)] * 7, ("files", 1.2), ("files", 1.2)]
    number, landed = 0, []
    for place_in_list, (stage, longest) in enumerate(moments):
        workers = "2" if place_in_list % 3 == 2 else "1"
        while True:
            with started(*job(f"killed-{number}", "-w", workers), cwd=place) as process:
                came = reaches(process, [stage, "files"])
                assert came is not None, f"the run ended with {process.wait()} before it came to {stage}"
                time.sleep(rng.uniform(0.0, longest if came == stage else 1.2))
                below = descendants(process.pid)
                over = process.poll() is not None
                process.send_signal(signal.SIGKILL)
                process.wait()
                left = gone(below, within=10)
                assert not left, f"{len(left)} worker processes outlived their parent"
            if not over:
                landed.append(came)
                break
            assert hashes(place / f"killed-{number}") == undisturbed
            number += 1  # the run was faster than the kill: try another run at the same moment
    assert len(landed) == 10
    for one in range(number + 1):
        done = finish(*job(f"killed-{one}"), cwd=place)
        assert done.returncode == 0, done.stderr
        assert hashes(place / f"killed-{one}") == undisturbed
        with open_run(place / f"killed-{one}") as run:
            ids = list(run.trajectories()["trajectory"])
        assert len(ids) == len(set(ids)) == TARGET, "nothing is lost, nothing is twice"


@pytest.mark.slow
@pytest.mark.crash
def test_ctrl_c_stops_cleanly_and_says_how_to_resume(place: Path, undisturbed: dict[str, str]) -> None:
    with started(*job("a folder", "-w", "2"), cwd=place) as process:
        assert reaches(process, ["trajectories"]) == "trajectories"
        time.sleep(0.6)
        below = descendants(process.pid)
        os.killpg(process.pid, signal.SIGINT)
        assert process.stderr is not None
        said = process.stderr.read()
        assert process.wait(timeout=30 * slower()) == 130
        assert not gone(below, within=10)
    assert "Traceback" not in said, said
    again = re.search(r"To resume:\n  (.*)\n", said)
    assert again is not None, said
    assert "'a folder'" in again.group(1), "the command can be pasted into a shell"
    done = subprocess.run(
        shlex.split(again.group(1)),
        cwd=place,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert hashes(place / "a folder") == undisturbed


# --- same bytes always


@pytest.mark.parametrize(("workers", "seed"), [("2", "1"), pytest.param("4", "31337", marks=pytest.mark.slow)])
def test_workers_and_hash_seed_leave_no_trace(
    place: Path, undisturbed: dict[str, str], workers: str, seed: str
) -> None:
    done = finish(*job(f"workers-{workers}", "-w", workers), cwd=place, PYTHONHASHSEED=seed)
    assert done.returncode == 0, done.stderr
    assert hashes(place / f"workers-{workers}") == undisturbed


def test_a_complete_run_is_left_as_it_is_and_its_files_are_made_again(place: Path, undisturbed: dict[str, str]) -> None:
    folder = place / "undisturbed"
    for name in FILES:
        (folder / name).unlink()
    config = tdlab.RunConfig.from_yaml(folder / "config.yaml")
    again = tdlab.run(config, out=folder, pool=small_pool(), progress=False)
    assert again.status == "complete"
    assert hashes(folder) == undisturbed


def test_another_seed_gives_another_dataset(place: Path, undisturbed: dict[str, str], tmp_path: Path) -> None:
    config = tdlab.RunConfig.from_yaml(place / "undisturbed" / "config.yaml").with_values(seed=1, target=4)
    other = tdlab.run(config, out=tmp_path / "run", pool=small_pool(), progress=False)
    with open_run(place / "undisturbed") as run:
        assert not set(other.trajectories()["trajectory"]) & set(run.trajectories()["trajectory"])


# --- what a run says


def test_metrics_and_dataset_agree_with_the_store(place: Path, undisturbed: dict[str, str]) -> None:
    with open_run(place / "undisturbed") as run:
        metrics = run.metrics()
        counts = run.counts()
        assert metrics["accepted"] == counts.accepted == TARGET
        assert metrics["rejected"] == counts.rejected == sum(metrics["rejections"].values())
        assert metrics["diversity"]["trajectories"] == TARGET
        assert metrics["config"] == run.config.digest
        lines = (run.path / "dataset.jsonl").read_text(encoding="utf-8").splitlines()
        assert [json.loads(line)["id"] for line in lines] == list(run.trajectories()["trajectory"])
        read = read_trajectories(run.path / "dataset.jsonl")
        assert len(read.trajectories) == TARGET
        assert not read.problems


def test_every_decision_is_recorded_with_its_numbers(place: Path, undisturbed: dict[str, str]) -> None:
    with open_run(place / "undisturbed") as run:
        for generation in run.store.generations():
            record = generation.record
            assert record.operators
            assert set(record.before.strengths) == set(record.before.values) == {"domain", "mode", "cac"}
            assert set(record.before.whole) == set(record.after.window) == {"domain", "mode", "cac"}
            assert record.tried == record.accepted + sum(record.rejected.values())
        for candidate in run.store.candidates():
            lineage = candidate.lineage
            if lineage.drafts[1:]:
                assert lineage.draft.merit == max(draft.merit for draft in lineage.drafts if draft.merit is not None)
            assert candidate.accepted == (not candidate.reasons)
            if candidate.accepted:
                gain, steer = lineage.gain, lineage.steer
                assert gain is not None
                assert steer is not None
                assert set(gain) == set(steer) == {"domain", "mode", "cac"}
                weighed = steer["domain"] * gain["domain"] + steer["mode"] * gain["mode"]
                weighed += steer["cac"] * gain["cac"] / run.config.evolution.complexity_threshold
                assert lineage.weighed == pytest.approx(weighed), "what it was weighed by is recorded beside it"


def test_steering_begins_where_the_gauges_are(place: Path, undisturbed: dict[str, str]) -> None:
    """Each generation starts with the gauges at the end of the previous one."""
    with open_run(place / "undisturbed") as run:
        records = [generation.record for generation in run.store.generations()]
    for before, after in itertools.pairwise(records):
        assert before.after == after.before


def test_live_servers_and_the_environment_have_to_agree(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="live servers are given"):
        tdlab.run(tdlab.RunConfig(), out=tmp_path / "run", servers={}, progress=False)
    with pytest.raises(ConfigError, match="workers is 0"):
        tdlab.run(tdlab.RunConfig(), out=tmp_path / "run", workers=0, progress=False)


def test_a_mining_with_other_settings_is_refused(tmp_path: Path) -> None:
    mined = tdlab.mine(ToolPool.from_services([]))
    with pytest.raises(ConfigError, match="mined with other settings"):
        tdlab.run(tdlab.RunConfig().with_values(clusters__min_tools=2), out=tmp_path / "run", mined=mined)


def test_an_empty_pool_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    with pytest.raises(PoolError, match="no usable tool"):
        tdlab.run(tdlab.RunConfig(), out=tmp_path / "run", pool=ToolPool.from_services([]), progress=False)
    assert not (tmp_path / "run").exists()
