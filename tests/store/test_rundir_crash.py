"""Real processes, real signals, a really full disk: acknowledged records survive whole, others leave no trace."""

from __future__ import annotations

import errno
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tdlab.errors import RunLocked, StoreError
from tdlab.store import Candidate, RunStore, atomic_write
from tests.clock import slower
from tests.store import rundir_child as parts

ROOT = Path(__file__).parents[2]
CHILD = Path(parts.__file__)


Child = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def child() -> Iterator[Child]:
    """Start a process of rundir_child.py; none is left when the test ends."""
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: object) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, str(CHILD), *map(str, arguments)],
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def said(process: subprocess.Popen[str], word: str) -> str:
    """Return the next line that starts with ``word``; fail if the process ends first."""
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith(word):
            return line.strip()
    raise AssertionError(f"the process ended ({process.wait()}) before it said {word!r}")


def content(folder: Path) -> list[object]:
    with RunStore.open(folder) as store:
        return [
            list(store.clusters()),
            list(store.tools()),
            store.services(),
            store.mining(),
            list(store.generations()),
            list(store.candidates()),
            store.status,
            store.summary,
            [store.journal_get(f"call {g.number}") for g in store.generations()],
        ]


def check_whole(folder: Path, acknowledged: list[str]) -> int:
    """Check that every acknowledged record is there and every generation is whole; return their number."""
    if not (folder / "run.sqlite").exists():
        assert not acknowledged, f"acknowledged and gone: {acknowledged}"
        return 0
    with RunStore.open(folder) as store, store.snapshot():
        generations = list(store.generations())
        assert [g.number for g in generations] == list(range(len(generations)))
        by_generation: dict[int, list[Candidate]] = {g.number: [] for g in generations}
        for candidate in store.candidates():
            by_generation[candidate.generation].append(candidate)
        for number, found in by_generation.items():
            assert len(found) == parts.SIZE, f"generation {number} is there in part"
            assert found[0].trajectory is not None
            assert found[0].trajectory.id == f"t{number * parts.SIZE:05}"
            assert store.journal_get(f"call {number}") == {"paid": number}
        for line in acknowledged:
            word, _, number = line.partition(" ")
            if word == "generation":
                assert int(number) in by_generation, f"{line} was acknowledged and is gone"
            if word == "journal":
                assert store.journal_get(f"call {number}") == {"paid": int(number)}, (
                    f"{line} was acknowledged and is gone"
                )
            if word == "mined":
                assert store.counts().clusters == 2
    metrics = folder / "metrics.json"
    if metrics.exists():
        assert len(json.loads(metrics.read_bytes())["fill"]) == 20_000, "a derived file is there in part"
    return len(generations)


@pytest.mark.slow
@pytest.mark.crash
def test_kill_9_at_random_moments_loses_and_halves_nothing(tmp_path: Path, child: Child) -> None:
    folder, whole = tmp_path / "killed", tmp_path / "whole"
    rng = random.Random(20260203)
    acknowledged: list[str] = []
    reached: list[int] = []
    while len(reached) < 10 or (reached[-1] <= 10 and len(reached) < 40):  # more on a machine that is slow today
        process = child("write", folder, 100_000, 2_000)
        said(process, "ready")
        # creation and mining take about 0.03 s, a generation 0.001 to 0.01 s
        time.sleep(rng.uniform(0.0, 0.12) * slower())
        process.kill()
        assert process.stdout is not None
        acknowledged += [line.strip() for line in process.stdout if line.endswith("\n")]
        assert process.wait() == -signal.SIGKILL
        reached.append(check_whole(folder, acknowledged))
    assert reached == sorted(reached)
    assert reached[-1] > 10, f"the kills came before anything happened: {reached}"
    total = reached[-1] + 3
    for place in (folder, whole):
        process = child("write", place, total, 2_000)
        said(process, "complete")
        assert process.wait() == 0
    assert content(folder) == content(whole), "a run that was killed and resumed differs from an undisturbed one"
    assert not list(folder.glob(".tdlab-*")), "unfinished files of killed processes were left behind"


def test_the_lock_keeps_a_second_process_out_and_dies_with_its_holder(tmp_path: Path, child: Child) -> None:
    holder = child("hold", tmp_path)
    said(holder, "holding")
    with pytest.raises(RunLocked, match=f"process {holder.pid}") as caught:
        RunStore.create_or_resume(tmp_path, **parts.OPENING)
    assert caught.value.do
    second = child("hold", tmp_path)
    assert f"process {holder.pid}" in said(second, "refused")
    assert second.wait() == 2
    with RunStore.open(tmp_path) as reader:
        assert reader.is_live
        holder.kill()
        holder.wait()
        assert not reader.is_live
    with RunStore.create_or_resume(tmp_path, **parts.OPENING) as store:
        assert store.status == "running"


def test_a_worker_that_outlives_its_killed_parent_does_not_hold_the_lock(tmp_path: Path, child: Child) -> None:
    holder = child("hold-with-worker", tmp_path)
    worker = int(said(holder, "worker").split()[1])
    try:
        holder.kill()
        holder.wait()
        os.kill(worker, 0)  # it is alive
        with RunStore.create_or_resume(tmp_path, **parts.OPENING) as store:
            parts.commit(store, 0)
    finally:
        os.kill(worker, signal.SIGKILL)


def test_a_forked_process_may_not_use_its_parents_store(tmp_path: Path) -> None:
    with RunStore.create_or_resume(tmp_path, **parts.OPENING) as store:
        process = os.fork()
        if process == 0:
            try:
                store.counts()
            except StoreError as error:
                store.close()
                os._exit(7 if "forked" in error.found else 8)
            os._exit(9)
        assert os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == 7
        parts.commit(store, 0)
        with pytest.raises(RunLocked):
            RunStore.create_or_resume(tmp_path, **parts.OPENING)


def test_a_reader_beside_a_writer_sees_whole_generations(tmp_path: Path, child: Child) -> None:
    process = child("write", tmp_path, 150, 500)
    said(process, "mined")
    seen = []
    while process.poll() is None and len(seen) < 100:
        seen.append(check_whole(tmp_path, []))
    said(process, "complete")
    assert process.wait() == 0
    assert seen == sorted(seen)
    assert len(set(seen)) > 2, f"the reader saw no progress: {seen}"
    assert check_whole(tmp_path, []) == 150


# ----------------------------------------------------------------------------------------------------------- full disk


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a real file system of 1 MiB."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = shutil.which("mount")
    if mount is None or os.geteuid() != 0:
        pytest.skip("needs root and mount(8) to make a small file system")
    done = subprocess.run([mount, "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)], capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip(f"mounting a small file system is not permitted here: {done.stderr.strip()}")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def test_a_full_disk_loses_nothing_and_the_store_goes_on_once_there_is_room(small_disk: Path) -> None:
    folder = small_disk / "run"
    with RunStore.create_or_resume(folder, **parts.OPENING) as store:
        parts.put_mining(store)
        done = 0
        with pytest.raises(StoreError, match="disk") as caught:  # noqa: PT012  # one of the two in the loop fails
            while True:
                store.journal_put(f"call {done}", {"paid": done})
                parts.commit(store, done, padding=3_000)
                done += 1
        assert done > 3
        assert "everything committed so far is kept" in caught.value.expected
        assert "to resume" in caught.value.do
        with pytest.raises(StoreError, match="disk"):
            parts.commit(store, done, padding=1_000_000)
        assert store.counts().generations == done, "the store answers after the failure"
        assert check_whole(folder, [f"generation {n}" for n in range(done)]) == done
        subprocess.run(["mount", "-o", "remount,size=8m", str(small_disk)], check=True)
        store.journal_put(f"call {done}", {"paid": done})
        parts.commit(store, done, padding=3_000)
    assert check_whole(folder, [f"generation {n}" for n in range(done + 1)]) == done + 1


def test_a_run_cannot_be_made_on_a_full_disk_and_nothing_is_left(small_disk: Path) -> None:
    ballast = small_disk / "ballast"
    with ballast.open("wb", buffering=0) as file:
        while True:
            try:
                file.write(b"x" * 4096)
            except OSError as error:
                assert error.errno == errno.ENOSPC  # noqa: PT017  # the loop goes on until this
                break
    with pytest.raises(StoreError, match="disk"):
        RunStore.create_or_resume(small_disk / "run", **parts.OPENING)
    ballast.unlink()
    with RunStore.create_or_resume(small_disk / "run", **parts.OPENING) as store:
        parts.commit(store, 0)


def test_a_derived_file_that_finds_no_room_leaves_the_old_one(small_disk: Path) -> None:
    target = small_disk / "dataset.jsonl"
    atomic_write(target, b"old")
    with pytest.raises(StoreError, match="the disk is full") as caught:
        atomic_write(target, b"x" * (2 << 20))
    assert "free some space" in caught.value.do
    assert target.read_bytes() == b"old"
    assert os.listdir(small_disk) == ["dataset.jsonl"]


def test_a_run_that_was_killed_can_be_read_on_a_disk_that_cannot_be_written(small_disk: Path, child: Child) -> None:
    process = child("write", small_disk / "run", 100_000)
    said(process, "generation 5")
    process.kill()
    process.wait()
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    assert check_whole(small_disk / "run", [f"generation {n}" for n in range(6)]) >= 6
    with pytest.raises(StoreError, match="is not writable"):
        RunStore.create_or_resume(small_disk / "run", **parts.OPENING)


def test_a_file_size_limit_is_named_and_loses_nothing(tmp_path: Path, child: Child) -> None:
    process = child("write-limited", tmp_path, 100_000, 3_000, 600_000)
    assert process.stdout is not None
    lines = [line.strip() for line in process.stdout]
    assert process.wait() == 2, lines[-5:]
    assert "ulimit -f" in "".join(lines), lines[-5:]
    acknowledged = [line for line in lines if line.startswith(("generation", "journal", "mined"))]
    assert check_whole(tmp_path, acknowledged) == sum(line.startswith("generation") for line in acknowledged) > 3
