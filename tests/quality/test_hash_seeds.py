"""Test that quality does not depend on the order of sets: metrics.json is the same in every process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.jobs import ROOT

CODE = """
from tdlab.blueprints import plan
from tdlab.clusters import mine
from tdlab.quality import measure_quality
from tdlab.rollout import ScriptedTeacher, SimulatedEnvironment, play
from tests.jobs import small_pool

pool = small_pool()
trajectories = []
for seed, cluster in enumerate(mine(pool).clusters * 3):
    blueprint = plan(cluster, pool.tools, seed=seed)
    teacher, environment = ScriptedTeacher(blueprint, pool.tools), SimulatedEnvironment(blueprint, pool.tools)
    trajectories.append(play(blueprint, pool.tools, teacher, environment).trajectory)
report = measure_quality(trajectories, pool.tools)
assert any(measure.examples for measure in report.measures.values())
print(report.model_dump_json())
"""


def test_the_same_report_for_every_hash_seed(tmp_path: Path) -> None:
    reports = {
        subprocess.run(
            [sys.executable, "-c", CODE], check=True, capture_output=True, text=True, cwd=tmp_path,
            env={**os.environ, "PYTHONHASHSEED": str(seed), "PYTHONPATH": str(ROOT)},
        ).stdout
        for seed in (1, 2, 3)
    }  # fmt: skip
    assert len(reports) == 1
