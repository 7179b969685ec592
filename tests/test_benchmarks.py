"""Test the benchmark of the main job; the others only have to be importable."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.slow
def test_it_runs_and_names_every_stage() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.main_job", "--target", "20", "--warm", "5"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "20 verified trajectories" in done.stdout
    for stage in ("pool", "clusters", "produce", "  of it: play", "  of it: verify", "store", "files"):
        (line,) = (text for text in done.stdout.splitlines() if text.startswith(f"{stage} "))
        assert float(line.split()[-1]) > 0, f"no time was measured in {stage!r}: is its function elsewhere now?"


@pytest.mark.parametrize("name", sorted(path.stem for path in (ROOT / "tests" / "benchmarks").glob("*.py")))
def test_every_benchmark_can_be_started(name: str) -> None:
    """Benchmarks are run by hand, so a renamed function would go unnoticed."""
    importlib.import_module(f"tests.benchmarks.{name}")
