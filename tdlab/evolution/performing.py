"""Playing one blueprint and judging what came of it: with the scripted teacher, or with language models at a desk."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from tdlab.config import RunConfig
from tdlab.records import Blueprint, Check, Json, Tool, Trajectory, Verdict
from tdlab.rollout import CodeRunner, CodingEnvironment, Environment, ScriptedTeacher, play
from tdlab.rollout.llm.agents import Desk
from tdlab.rollout.llm.teacher import Part
from tdlab.verify import verify

__all__ = ["Performance", "perform"]


class Performance(NamedTuple):
    """What was played (a writer may have changed the blueprint), its verdict, and what models used for it."""

    blueprint: Blueprint
    trajectory: Trajectory
    verdict: Verdict
    spent: list[dict[str, Json]]


def perform(
    blueprint: Blueprint,
    tools: Mapping[str, Tool],
    config: RunConfig,
    environment: Callable[[Blueprint, Mapping[str, Tool]], Environment],
    code: CodeRunner,
    desk: Desk | None = None,
) -> Performance:
    """Play and verify; ``code`` runs programs, ``desk`` answers for the models of a run whose teacher is one."""
    if desk is None:
        stage = CodingEnvironment(environment(blueprint, tools), code)
        rollout = play(blueprint, tools, ScriptedTeacher(blueprint, tools), stage)
        verdict = verify(rollout.trajectory, blueprint, tools, stopped=rollout.stopped, code=code)
        return Performance(blueprint, rollout.trajectory, verdict, [])
    part = Part(desk, config.teacher, blueprint, tools)
    rollout = part.play(environment, code=code, values=config.rollout.environment != "live")
    trajectory = rollout.trajectory
    verdict = verify(trajectory, part.blueprint, tools, stopped=rollout.stopped, code=code)
    objection = part.judge(trajectory) if verdict.accepted else None
    if objection is not None:
        judged = Check(name="judge", passed=not objection, reason=objection)
        verdict = verdict.model_copy(update={"checks": (*verdict.checks, judged)})
    return Performance(part.blueprint, trajectory, verdict, part.spending.to_json())
