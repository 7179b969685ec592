"""Tasks to play: on an executable world, and of services without a pack."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from typing import Any

from tdlab.blueprints import plan, settle
from tdlab.blueprints.world_plans import plan_recipe
from tdlab.clusters import mine
from tdlab.config import TeacherConfig
from tdlab.pool import ToolPool
from tdlab.records import Blueprint, Recipe, Tool
from tdlab.rollout import DryRunBackend, SimulatedEnvironment
from tdlab.rollout.llm import ChatReply, ChatRequest, LlmRollout
from tdlab.tasks import stage_here

POOL = ToolPool.bundled()


@cache
def task(
    service: str = "saffron_gable", frame: str = "book_table", seed: int = 3, *, twist: str = "", follow: int = 0
) -> tuple[Blueprint, dict[str, Tool]]:
    """Return a task on a world, with its tools."""
    recipe = Recipe(service=service, frame=frame, twist=twist, world=11, seed=seed, follow=follow)
    blueprint = settle(plan_recipe(recipe, "cluster", POOL.tools, stage_here(), seed=seed), POOL.tools)
    return blueprint, {key: POOL.tools[key] for key in blueprint.offered}


@cache
def improvised() -> tuple[tuple[Blueprint, dict[str, Tool]], ...]:
    """Return plans of services as if they had no pack, each with its tools."""
    made = []
    for n, cluster in enumerate(mine(POOL, seed=0).clusters[:40]):
        blueprint = plan(cluster, POOL.tools, seed=n)
        made.append((blueprint, {key: POOL.tools[key] for key in blueprint.offered}))
    return tuple(made)


class Interrupted:
    """The mock model, with some of its replies replaced: ``change`` gets a request and the mock's reply to it."""

    def __init__(self, config: TeacherConfig, change: Callable[[ChatRequest, ChatReply], ChatReply]) -> None:
        self._mock = DryRunBackend(config)
        self._change = change
        self.asked: list[ChatRequest] = []

    def ask(self, request: ChatRequest, *, attempt: int = 0) -> ChatReply:
        self.asked.append(request)
        return self._change(request, self._mock.ask(request, attempt=attempt))

    def of(self, role: str) -> list[ChatRequest]:
        return [request for request in self.asked if request.role == role]


def rollout_of(
    roles: str, change: Callable[[ChatRequest, ChatReply], ChatReply], played: tuple[Blueprint, dict[str, Tool]],
    **settings: Any,
) -> tuple[LlmRollout, Interrupted]:  # fmt: skip
    """Return a rollout with the mock model in some roles, and its backend."""
    config = TeacherConfig.model_validate({"model": "mock", "roles": roles.split(), **settings})
    backend = Interrupted(config, change)
    return LlmRollout(backend, config, *played), backend


def play(models: LlmRollout, **options: Any) -> Any:
    return models.play(SimulatedEnvironment, **options)


def as_it_is(request: ChatRequest, reply: ChatReply) -> ChatReply:
    return reply


def changed(role: str, **fields: Any) -> Callable[[ChatRequest, ChatReply], ChatReply]:
    """Return a change of the JSON object that a role replies with."""

    def change(request: ChatRequest, reply: ChatReply) -> ChatReply:
        if request.role != role:
            return reply
        return reply._replace(text=json.dumps({**json.loads(reply.text), **fields}))

    return change


def spoken(*texts: str) -> Callable[[ChatRequest, ChatReply], ChatReply]:
    """Return a change in which the user says these texts first, one after the other."""
    left = list(texts)

    def change(request: ChatRequest, reply: ChatReply) -> ChatReply:
        return reply._replace(text=left.pop(0)) if request.role == "user" and left else reply

    return change
