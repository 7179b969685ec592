"""Clusters of the recorded pool of 26,534 tools: many candidates, few chosen, the same on any number of cores."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tdlab.clusters import MiningResult, mine
from tdlab.pool import ToolPool
from tdlab.records import digest
from tests.benchmarks import clusters as benchmark

pytestmark = [pytest.mark.fullpool, pytest.mark.timeout(900)]

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def pool(shared: Path) -> ToolPool:
    return ToolPool.load(shared / "data" / "pools" / "mcp_pool.jsonl.gz")


@pytest.fixture(scope="module")
def mined(pool: ToolPool) -> MiningResult:
    return mine(pool)


def name_of(mined: MiningResult) -> str:
    return digest([cluster.id for cluster in mined.clusters], [edge.score for edge in mined.dependencies.edges])


def test_there_are_as_many_candidates_as_the_paper_has(mined: MiningResult) -> None:
    candidates = mined.candidates
    assert len({candidate.tools for candidate in candidates}) == len(candidates) >= 30_000
    assert all(3 <= len(candidate.tools) <= 12 for candidate in candidates)


def test_few_clusters_cover_the_tools_that_have_a_schema(mined: MiningResult, pool: ToolPool) -> None:
    report = benchmark.coverage(mined, pool, seeds=2)
    assert report["covered"] >= 0.95
    assert report["clusters"] < report["tools"] / 3
    reached = [row for row in report["rows"] if row["share"] <= report["covered"]]
    assert max(row["share"] for row in reached) >= 0.9
    assert all(row["ratio"] is not None and row["ratio"] >= 1.5 for row in reached)


def test_the_clusters_are_the_same_on_any_number_of_cores(mined: MiningResult, shared: Path) -> None:
    """In a process with one thread and another hash seed, from the file to the clusters."""
    code = (
        "import os, sys; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n"
        "from tests.clusters.test_full_pool import ToolPool, mine, name_of\n"
        "print(name_of(mine(ToolPool.load(sys.argv[1]))))"
    )
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    done = subprocess.run(
        [sys.executable, "-c", code, str(shared / "data" / "pools" / "mcp_pool.jsonl.gz")],
        capture_output=True, text=True, check=True, cwd=ROOT,
        env={**os.environ, **threads, "PYTHONHASHSEED": "7", "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.stdout.strip() == name_of(mined)
