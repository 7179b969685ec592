"""Helpers for tests of whole jobs: a small pool, the command as a process, and hashes of a run's files."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tdlab.pool import ToolPool, write_pool
from tests.clock import slower

ROOT = Path(__file__).resolve().parents[1]
FILES = ("dataset.jsonl", "dataset.parquet", "metrics.json", "diversity.pdf", "diversity.png")
SERVICES = ("barrowdeep_archive", "cobblegate_permits", "foxglove_marginalia", "hearthwren_rooms", "mothwing_returns")
WITH_PROGRAMS = ("lichen_watchpost", "petrel_mast", "rookhaven_tenancies", "umbel_wattage", "velloway_beamtime")
"""Services some of whose questions take a program."""
MANY_GENERATIONS = ("--set", "evolution.batch=4")


def small_pool() -> ToolPool:
    """Return a pool of five bundled services in five domains."""
    return ToolPool.bundled().subset(services=SERVICES)


def small_pool_file(folder: Path) -> Path:
    path = folder / "pool.jsonl"
    if not path.exists():
        write_pool(small_pool(), path)
    return path


def pool_with_programs(folder: Path) -> Path:
    path = folder / "programs.jsonl"
    if not path.exists():
        write_pool(ToolPool.bundled().subset(services=WITH_PROGRAMS), path)
    return path


def command(*words: object) -> list[str]:
    return [sys.executable, "-m", "tdlab.cli", *map(str, words)]


def environment(**changes: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), **changes}


def finish(*words: object, cwd: Path, timeout: float = 120, **changes: str) -> subprocess.CompletedProcess[str]:
    """Run ``tdlab`` and wait for its end."""
    return subprocess.run(
        command(*words),
        cwd=cwd,
        env=environment(**changes),
        capture_output=True,
        text=True,
        timeout=timeout * slower(),
        check=False,
    )


@contextmanager
def started(*words: object, cwd: Path, **changes: str) -> Iterator[subprocess.Popen[str]]:
    """Start ``tdlab`` in its own session; kill it and its children when the block ends."""
    process = subprocess.Popen(
        command(*words),
        cwd=cwd,
        env=environment(**changes),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if process.stderr is not None:
            process.stderr.close()


def reaches(process: subprocess.Popen[str], stages: Sequence[str]) -> str | None:
    """Wait for the first of ``stages`` that the process reports; None if it ends before."""
    assert process.stderr is not None
    for line in process.stderr:
        if line.strip() in stages:
            return line.strip()
    return None


def descendants(pid: int) -> set[int]:
    """Return the ids of all current descendants of ``pid``."""
    found: set[int] = set()
    waiting = [pid]
    while waiting:
        parent = waiting.pop()
        for children in Path(f"/proc/{parent}/task").glob("*/children"):
            try:
                new = {int(child) for child in children.read_text().split()} - found
            except OSError:
                continue
            found |= new
            waiting.extend(new)
    return found


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in ("Z", "X")


def gone(pids: set[int], *, within: float) -> set[int]:
    """Return the ``pids`` that still exist after ``within`` seconds (on an idle machine)."""
    end = time.monotonic() + within * slower()
    while (left := {pid for pid in pids if alive(pid)}) and time.monotonic() < end:
        time.sleep(0.02)
    return left


def hashes(folder: Path) -> dict[str, str]:
    """Return the hash of each derived file, or ``missing``."""
    return {
        name: hashlib.sha256((folder / name).read_bytes()).hexdigest() if (folder / name).exists() else "missing"
        for name in FILES
    }


def in_process(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: object
) -> tuple[int, str, str]:
    """Run ``tdlab`` in this process; return its exit status, stdout and stderr."""
    from tdlab.cli import main

    capsys.readouterr()
    monkeypatch.setattr(sys, "argv", ["tdlab", *map(str, words)])
    try:
        main()
        status = 0
    except SystemExit as leave:
        status = leave.code if isinstance(leave.code, int) else 0 if leave.code is None else 1
    out, err = capsys.readouterr()
    return status, out, err
