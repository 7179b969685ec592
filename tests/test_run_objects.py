"""Test environments, teachers and checks passed to `tdlab.run`: names, objects, worker processes, errors."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

import tdlab
from tdlab.config import RunConfig
from tdlab.errors import ConfigError
from tdlab.rollout import AssistantTurn, AssistantView, ScriptedTeacher, SimulatedEnvironment
from tdlab.verify import CheckContext
from tests.jobs import hashes, small_pool


def shouting(context: CheckContext) -> str:
    """Check that worker processes import from this module."""
    return "" if all(message.content.isupper() for message in context.trajectory.messages[-1:]) else "nobody shouts"


class Shouter(ScriptedTeacher):
    """Teacher that worker processes import from this module."""

    name = "shouter"

    def assistant(self, view: AssistantView) -> AssistantTurn:
        turn = super().assistant(view)
        return turn if turn.tool_calls else turn._replace(content=turn.content.upper())


class Signed(SimulatedEnvironment):
    """Environment that worker processes import from this module."""

    name = "signed"


@pytest.mark.slow
def test_objects_in_worker_processes(tmp_path: Path) -> None:
    settings = {"environment": Signed, "teacher": Shouter, "checks": [shouting, "dialogue"]}
    config = RunConfig(target=8).with_values(evolution__batch=8)
    datasets = set()
    for workers in (1, 2):
        out = tmp_path / f"with{workers}"
        with tdlab.run(config, out=out, pool=small_pool(), workers=workers, progress=False, **settings) as run:
            assert run.config.rollout.environment == f"{__name__}:Signed"
            assert run.config.rollout.teacher == f"{__name__}:Shouter"
            assert run.config.verify.checks == (f"{__name__}:shouting", "dialogue")
            for kept in run.store.accepted():
                assert kept.trajectory.environment == "signed"
                assert kept.trajectory.messages[-1].content.isupper()
                assert {"shouting", "replay"} <= {check.name.rpartition(":")[2] for check in kept.verdict.checks}
            datasets.add(hashes(out)["dataset.jsonl"])
            stored = run.config
    assert len(datasets) == 1
    with tdlab.run(config, out=out, pool=small_pool(), progress=False, **settings) as again:
        assert again.status == "complete"
    with pytest.raises(ConfigError, match=r"there is no environment '.*:Signed'") as refused:
        tdlab.run(stored, out=out, pool=small_pool(), progress=False)
    assert "pass it to tdlab.run again" in refused.value.do


def test_objects_that_cannot_be_used(tmp_path: Path) -> None:
    class Local(SimulatedEnvironment):
        name = "local"

    for settings, words in (
        ({"environment": Local}, "the environment is .*Local, which no other process can import"),
        ({"environment": object()}, "which no other process can import"),
        ({"environment": shouting}, "a class with the attributes name = '.*shouting', replayable and external"),
        ({"environment": SimulatedEnvironment}, "SimulatedEnvironment, whose name is 'simulated'"),
        ({"teacher": lambda blueprint, tools: None}, "the teacher is .*lambda"),
        ({"checks": [partial(shouting)]}, "the check is functools.partial"),
        ({"checks": [3]}, "the check is 3"),
    ):
        with pytest.raises(ConfigError, match=words) as refused:
            tdlab.run(RunConfig(target=2), out=tmp_path / "run", progress=False, **settings)
        assert refused.value.expected
        assert refused.value.do
    assert not (tmp_path / "run").exists()
