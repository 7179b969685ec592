"""Test the benchmark of measuring at a small size: its numbers are right and its bars are met."""

from __future__ import annotations

from pathlib import Path

from tdlab.diversity import profile
from tdlab.formats import scan_trajectories
from tests.benchmarks.diversity import measure_adding, write_lines


def test_a_larger_pool_costs_the_same_and_equals_its_recount() -> None:
    found = measure_adding(100, 2000, candidates=60)
    assert found["equals_recount"]
    assert found["ratio"] < 3, "best of several rounds, on machines that are busy"


def test_its_file_is_read_whole(tmp_path: Path) -> None:
    write_lines(tmp_path / "x.jsonl", 50)
    assert profile(scan_trajectories(tmp_path / "x.jsonl"), replicates=3).trajectories == 50
