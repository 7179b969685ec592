"""The context of every check: a trajectory, the blueprint it claims to follow, and the look-ups they share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from tdlab.blueprints import follow, written
from tdlab.config import VerifyConfig
from tdlab.records import Binding, Blueprint, FromResult, FromTemplate, Json, Message, Tool, ToolCall, Trajectory
from tdlab.rollout import ENVIRONMENTS, CodeRunner, EnvironmentFactory, Inspector, parsed

__all__ = ["CheckContext", "CheckedCall"]


class CheckedCall(NamedTuple):
    """A call that was made: the position of its message, the call, its tool (None: not offered) and its result."""

    position: int
    call: ToolCall
    tool: Tool | None
    result: Message | None

    @property
    def name(self) -> str:
        """How reasons speak of the call."""
        return f"{self.call.name} ({self.call.id})"

    @property
    def failed(self) -> bool:
        """Whether its result is an error, or there is none."""
        return self.result is None or self.result.is_error


@dataclass(frozen=True)
class CheckContext:
    """What verification looks at: a trajectory, the blueprint it claims to follow, and the tools by key.

    ``code`` runs programs again; without it a trajectory that holds code does not count. ``environment`` made the
    environment of the rollout; by default it is the registered one that the trajectory names.
    """

    trajectory: Trajectory
    blueprint: Blueprint
    tools: Mapping[str, Tool]
    code: CodeRunner | None = None
    config: VerifyConfig = field(default_factory=VerifyConfig)
    environment: EnvironmentFactory | None = None

    @cached_property
    def replayable(self) -> EnvironmentFactory | None:
        """What makes an environment in which the calls can be executed again; None where that would say nothing."""
        name = self.trajectory.environment
        factory = self.environment or ENVIRONMENTS.get(name)
        return factory if factory is not None and factory.replayable and factory.name == name else None

    @cached_property
    def results(self) -> Mapping[str, Message]:
        """Tool messages by the id of the call they answer."""
        return self.trajectory.results()

    @cached_property
    def calls(self) -> tuple[CheckedCall, ...]:
        """Every call in order."""
        named = self.trajectory.tools
        return tuple(
            CheckedCall(position, call, self.tools.get(named.get(call.name, "")), self.results.get(call.id))
            for position, message in enumerate(self.trajectory.messages)
            for call in message.tool_calls
        )

    @cached_property
    def answers(self) -> dict[str, Json]:
        """The decoded results by call id; a text that is no JSON stands for itself."""
        return {call_id: parsed(message.content) for call_id, message in self.results.items()}

    @cached_property
    def followed(self) -> tuple[Inspector, str]:
        """A fresh inspector that went through all calls, and why it stopped, if it did."""
        inspector = Inspector(self.blueprint)
        for made in self.calls:
            tool = self.trajectory.tools.get(made.call.name, made.call.name)
            left = inspector.admit(tool, made.call.id, made.call.arguments)
            if left:
                return inspector, left
        return inspector, ""

    @cached_property
    def retried(self) -> frozenset[str]:
        """The steps whose first call is to fail."""
        return frozenset(step.id for step in self.blueprint.steps if step.failure is not None)

    def planned(self, binding: Binding) -> Json:
        """The value that a binding has in this trajectory; None where it has none."""
        if isinstance(binding, FromTemplate):
            return written(binding, {name: self.planned(source) for name, source in binding.inputs.items()})
        if not isinstance(binding, FromResult):
            return binding.value
        ids = self.followed[0].calls_of(binding.step, binding.call)
        if not ids:
            return None
        place = follow(self.answers.get(ids[-1]), binding.path)
        return [place] if binding.as_list else place
