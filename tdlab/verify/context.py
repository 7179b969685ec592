"""The context of every check: a trajectory, the blueprint it claims to follow, and the look-ups that checks share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from tdlab.blueprints import follow, written
from tdlab.config import VerifyConfig
from tdlab.records import (
    CODE_TOOL,
    Binding,
    Blueprint,
    FromResult,
    FromTemplate,
    Json,
    Message,
    TaskPart,
    Tool,
    ToolCall,
    Trajectory,
)
from tdlab.rollout import ENVIRONMENTS, CodeRunner, EnvironmentFactory, Inspector, ToolResult, parsed
from tdlab.tasks import stage_here

__all__ = ["CheckContext", "CheckedCall", "Replayed", "plain_number"]


class CheckedCall(NamedTuple):
    """A call of the trajectory under check.

    Attributes:
        position: Index of its message.
        call: The call.
        tool: Its tool; None if it was not offered.
        result: The tool message that answers it, if any.
    """

    position: int
    call: ToolCall
    tool: Tool | None
    result: Message | None

    @property
    def name(self) -> str:
        """The name of the call in reasons."""
        return f"{self.call.name} ({self.call.id})"

    @property
    def failed(self) -> bool:
        """True if its result is an error or missing."""
        return self.result is None or self.result.is_error


class Replayed(NamedTuple):
    """What executing the calls of a trajectory again gives.

    Attributes:
        results: The result of each call, by its id.
        changes: The end state.
        not_reached: The parts of the script whose goal never came to hold; None where the environment does not tell.
    """

    results: Mapping[str, ToolResult]
    changes: Mapping[str, Mapping[str, Json]]
    not_reached: frozenset[int] | None


@dataclass(frozen=True)
class CheckContext:
    """What every check reads; a check is a function of it.

    Attributes:
        trajectory: The trajectory under check.
        blueprint: The plan that it claims to follow.
        tools: Definitions of tools, by key.
        code: Re-runs programs; without it, a trajectory with programs is rejected.
        config: Thresholds.
        environment: The factory of the rollout's environment; by default the registered one that the trajectory names.
    """

    trajectory: Trajectory
    blueprint: Blueprint
    tools: Mapping[str, Tool]
    code: CodeRunner | None = None
    config: VerifyConfig = field(default_factory=VerifyConfig)
    environment: EnvironmentFactory | None = None

    @cached_property
    def replayable(self) -> EnvironmentFactory | None:
        """The factory of an environment that executes the calls again; None if the environment cannot be replayed."""
        name = self.trajectory.environment
        factory = self.environment or ENVIRONMENTS.get(name)
        return factory if factory is not None and factory.replayable and factory.name == name else None

    @cached_property
    def replayed(self) -> Replayed | None:
        """The calls, executed again; None if the environment cannot be replayed.

        Programs are left out: `tdlab.verify` re-runs them in a sandbox.
        """
        if self.replayable is None:
            return None
        world = self.replayable(self.blueprint, self.tools)
        script = self.blueprint.script
        holds = getattr(world, "holds", None)
        parts = script.parts if script is not None and holds is not None else ()
        open_goals = {number for number, part in enumerate(parts) if part.goal and part.fulfilled}
        results: dict[str, ToolResult] = {}
        for checked in self.calls:
            if checked.tool is None or checked.tool.key == CODE_TOOL:
                continue
            results[checked.call.id] = world.call(checked.tool, checked.call.arguments, call_id=checked.call.id)
            if holds is not None:
                open_goals -= {
                    number
                    for number in open_goals
                    if holds(parts[number]) or holds(self._in_own_words(parts[number], checked))
                }
        return Replayed(results, world.changes(), frozenset(open_goals) if holds is not None else None)

    def _in_own_words(self, part: TaskPart, checked: CheckedCall) -> TaskPart:
        """Return a part of the task with the texts that the assistant put together for a call, such as a title.

        Only a text that the user did not give word for word can be put together.
        """
        frame = stage_here().tasks(part.service).frames[part.frame]
        heard = [message.content for message in self.trajectory.messages if message.role == "user"]
        own: dict[str, Json] = {}
        for act in frame.act:
            parameters = act.get(checked.tool.name, ()) if checked.tool is not None else ()
            facts = parameters if isinstance(parameters, Mapping) else {name: name for name in parameters}
            for parameter, fact in facts.items():
                planned, made = part.facts.get(fact), checked.call.arguments.get(parameter)
                words = all(isinstance(text, str) and len(text.split()) > 1 for text in (planned, made))
                same = words and str(planned).rstrip(".!?").casefold() == str(made).rstrip(".!?").casefold()
                if same or (words and not any(str(planned) in text for text in heard)):
                    own[fact] = made
        return part.model_copy(update={"facts": {**part.facts, **own}}) if own else part

    @cached_property
    def results(self) -> Mapping[str, Message]:
        """Tool messages, by the id of the call that they answer."""
        return self.trajectory.results()

    @cached_property
    def calls(self) -> tuple[CheckedCall, ...]:
        """Every call, in order."""
        keys = self.trajectory.tools
        return tuple(
            CheckedCall(position, call, self.tools.get(keys.get(call.name, "")), self.results.get(call.id))
            for position, message in enumerate(self.trajectory.messages)
            for call in message.tool_calls
        )

    @cached_property
    def answers(self) -> dict[str, Json]:
        """The decoded results by call id; a text that is not JSON is returned as it is."""
        return {call_id: parsed(message.content) for call_id, message in self.results.items()}

    @cached_property
    def followed(self) -> tuple[Inspector, str]:
        """A new inspector that has read all calls, and why it stopped before the end (empty if it did not)."""
        inspector = Inspector(self.blueprint)
        for checked in self.calls:
            tool = self.trajectory.tools.get(checked.call.name, checked.call.name)
            deviation = inspector.admit(tool, checked.call.id, checked.call.arguments)
            if deviation:
                return inspector, deviation
        return inspector, ""

    @cached_property
    def retried(self) -> frozenset[str]:
        """The ids of the steps whose first call must fail."""
        return frozenset(step.id for step in self.blueprint.steps if step.failure and step.failure.recovery == "retry")

    def planned(self, binding: Binding) -> Json:
        """Return the value that a binding has in this trajectory, or None."""
        if isinstance(binding, FromTemplate):
            return written(binding, {name: self.planned(source) for name, source in binding.inputs.items()})
        if not isinstance(binding, FromResult):
            return binding.value
        ids = self.followed[0].calls_of(binding.step, binding.call)
        if not ids:
            return None
        result = follow(self.answers.get(ids[-1]), binding.path)
        return [result] if binding.as_list else result


def plain_number(value: Json) -> Json:
    """Return a whole number as an integer, and anything else as it is: 1755 and 1755.0 are one number."""
    return int(value) if isinstance(value, float) and value.is_integer() else value
