"""The environment of executable worlds: the calls of a rollout run on the worlds of its recipe."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping

from tdlab.errors import RolloutError
from tdlab.records import Blueprint, Json, TaskPart, TaskScript, Tool
from tdlab.rollout.environments import ENVIRONMENTS, ToolResult, receipt
from tdlab.rollout.improvised import ImprovisedEnvironment
from tdlab.tasks import stage_here
from tdlab.tools import compile_schema
from tdlab.worlds import World

__all__ = ["SimulatedEnvironment", "WorldEnvironment"]


class WorldEnvironment:
    """The worlds of a blueprint's recipe, fresh; what its script lets happen happens before the call that it names.

    Only one such environment of a thread can be in use: the worlds are those of the thread's stage.

    Args:
        blueprint: A plan with a recipe and a script.
        tools: Every tool that the blueprint offers, by key.
        name: The name of the environment in receipts.
    """

    replayable = True
    external = False

    def __init__(self, blueprint: Blueprint, tools: Mapping[str, Tool], *, name: str = "simulated") -> None:
        self.name = name
        if blueprint.recipe is None or blueprint.script is None:
            raise RolloutError("the blueprint has no recipe", expected="a plan of a service that has a pack")
        self._stage = stage_here()
        self._seed = blueprint.recipe.world
        services = dict.fromkeys((blueprint.recipe.service, *blueprint.recipe.partners))
        self._worlds = dict(zip(services, self._stage.worlds(list(services), self._seed), strict=True))
        self._calls: Counter[str] = Counter()  # by tool
        self._happens = list(_happenings(blueprint.script))

    def call(self, tool: Tool, arguments: Mapping[str, Json], *, call_id: str) -> ToolResult:
        """Execute one call; invalid arguments and documented errors give error results."""
        problems = compile_schema(tool.input_schema).errors(dict(arguments))
        if problems:
            return self._result(
                tool, arguments, call_id, {"code": "invalid_arguments", "message": problems[0]}, ok=False
            )
        world = self._world(tool.service)
        self._calls[tool.key] += 1
        for place, (awaited, number, sql, parameters) in enumerate(self._happens):
            if awaited == tool.key and self._calls[awaited] >= number:
                world.happen(sql, parameters)
                del self._happens[place]
                break
        outcome = world.call(tool.name, arguments)
        if outcome.ok:
            return self._result(tool, arguments, call_id, outcome.value, ok=True)
        error = {"code": outcome.code, "message": outcome.message}
        return self._result(tool, arguments, call_id, error, ok=False)

    def changes(self) -> dict[str, dict[str, Json]]:
        """Return the rows that changed: service and table -> primary key -> the row; None where it is gone."""
        return {
            f"{service}.{table}": rows
            for service, world in self._worlds.items()
            for table, rows in world.changes().items()
        }

    def holds(self, part: TaskPart) -> bool:
        """Return whether the goal of a part of the script holds now."""
        return bool(self._world(part.service).query(part.goal, part.facts))

    def _world(self, service: str) -> World:
        if service not in self._worlds:
            self._worlds[service] = self._stage.world(service, self._seed)
        return self._worlds[service]

    def _result(self, tool: Tool, arguments: Mapping[str, Json], call_id: str, value: Json, *, ok: bool) -> ToolResult:
        text = json.dumps(value if ok else {"error": value}, ensure_ascii=False)
        return ToolResult(ok, text, receipt(call_id, tool, f"{self.name}:world", arguments, text, ok=ok))


def _happenings(script: TaskScript) -> Iterator[tuple[str, int, str, dict[str, Json]]]:
    """What happens in a script: before which call, by tool and number, and as SQL with its parameters."""
    calls: Counter[str] = Counter()
    for beat in script.beats:
        if beat.happens is not None:
            yield beat.calls[0].tool, calls[beat.calls[0].tool] + 1, *beat.happens
        calls.update(call.tool for call in beat.calls)


@ENVIRONMENTS.register("simulated")
class SimulatedEnvironment:
    """A simulated world for one rollout: executable where the blueprint has a script, else improvised from schemas.

    Receipts name the executor ``simulated:world`` or ``simulated:guessed``.

    Args:
        blueprint: The plan.
        tools: Every tool that the blueprint offers, by key.
    """

    name = "simulated"
    replayable = True
    external = False

    def __init__(self, blueprint: Blueprint, tools: Mapping[str, Tool]) -> None:
        self.inner = (
            ImprovisedEnvironment(blueprint, tools, name=self.name)
            if blueprint.script is None
            else WorldEnvironment(blueprint, tools, name=self.name)
        )

    def call(self, tool: Tool, arguments: Mapping[str, Json], *, call_id: str) -> ToolResult:
        """Execute one call; invalid arguments and unknown identifiers give error results."""
        return self.inner.call(tool, arguments, call_id=call_id)

    def changes(self) -> dict[str, dict[str, Json]]:
        """Return what the calls changed: entity -> identifier (as text) -> fields; None for a deleted entity."""
        return self.inner.changes()

    def holds(self, part: TaskPart) -> bool:
        """Return whether the goal of a part of the script holds now; an improvised world has no goals."""
        return isinstance(self.inner, WorldEnvironment) and self.inner.holds(part)
