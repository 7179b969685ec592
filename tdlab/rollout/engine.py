"""The stage: plays one blueprint between a teacher and an environment, under the inspector's eyes.

The inspector holds the blueprint. It recognises each call as a step of the plan whose predecessors are done, and stops
what leaves the plan. A stopped rollout is data: the trajectory so far, with the reason.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from tdlab.records import Blueprint, Execution, Message, Tool, ToolCall, Trajectory, digest
from tdlab.rollout.environments import Environment
from tdlab.rollout.views import AssistantView, Teacher, UserView, brief_of, offered_names

__all__ = ["Inspector", "Rollout", "play"]

_SLACK = 8  # assistant turns allowed beyond what the plan needs


class Rollout(NamedTuple):
    """What playing gave: the trajectory, and why it was stopped early (empty when it ran to its end)."""

    trajectory: Trajectory
    stopped: str


class Inspector:
    """Follows a rollout along its blueprint: which planned call each call is, and whether its turn has come."""

    def __init__(self, blueprint: Blueprint) -> None:
        self._blueprint = blueprint
        self._left = [(step, index, call) for step, index, call in blueprint.calls()]
        self._done: set[str] = {step.id for step in blueprint.steps if not step.calls}
        self.steps: dict[str, list[str]] = {}
        self._awaits_retry: dict[str, tuple[str, int]] = {}

    def admit(self, tool: str, call_id: str) -> str:
        """Take note of a call; returns why it leaves the plan, or an empty string."""
        if tool in self._awaits_retry:
            step_id, index = self._awaits_retry.pop(tool)
            self.steps[step_id].append(call_id)
            return ""
        for place, (step, index, call) in enumerate(self._left):
            if call.tool == tool and all(needed in self._done for needed in step.needs()):
                del self._left[place]
                self.steps.setdefault(step.id, []).append(call_id)
                if step.failure is not None:
                    self._awaits_retry[tool] = (step.id, index)
                if not any(left.id == step.id for left, _, _ in self._left):
                    self._done.add(step.id)
                return ""
        planned = any(call.tool == tool for _, _, call in self._left)
        return (
            f"{tool} was called before what it needs was done"
            if planned
            else f"{tool} is not in the plan at this point"
        )

    def missing(self) -> tuple[str, ...]:
        """Steps with calls that have not been made."""
        return tuple(dict.fromkeys(step.id for step, _, _ in self._left))


def play(blueprint: Blueprint, tools: Mapping[str, Tool], teacher: Teacher, environment: Environment) -> Rollout:
    """Play a blueprint to its end or until it is stopped.

    ``tools`` maps tool keys to tools and holds all that are offered. The same teacher and environment state give the
    same trajectory.
    """
    names = offered_names(blueprint.offered, tools)
    offered = {name: tools[key] for name, key in names.items()}
    brief = brief_of(blueprint, tools)
    inspector = Inspector(blueprint)
    messages: list[Message] = []
    executions: list[Execution] = []
    requests = 0
    stopped = ""
    budget = sum(2 + len(step.calls) for step in blueprint.steps) + 2 * len(brief.requests) + _SLACK
    while not stopped:
        spoken = tuple(m for m in messages if m.role in ("user", "assistant") and not m.tool_calls)
        said = teacher.user(UserView(brief, requests, spoken))
        if said is None:
            break
        requests += said.kind == "request"
        messages.append(Message(role="user", content=said.content))
        while not stopped:
            if budget <= 0:
                stopped = "the rollout is longer than its plan allows"
                break
            budget -= 1
            turn = teacher.assistant(AssistantView(offered, tuple(messages)))
            messages.append(Message(role="assistant", content=turn.content, tool_calls=turn.tool_calls))
            if not turn.tool_calls:
                break
            for call in turn.tool_calls:
                result, stopped = _execute(call, offered, environment, inspector)
                messages.append(result[0])
                if result[1] is not None:
                    executions.append(result[1])
                if stopped:
                    break
    if not stopped and inspector.missing():
        stopped = "steps were not carried out: " + ", ".join(inspector.missing())
    trajectory = Trajectory(
        id="", messages=tuple(messages), tools=names, blueprint=blueprint.id, teacher=teacher.name,
        environment=environment.name, executions=tuple(executions),
        steps={step: tuple(ids) for step, ids in inspector.steps.items()}, state=environment.changes(),
    )  # fmt: skip
    return Rollout(trajectory.model_copy(update={"id": digest(trajectory)}), stopped)


def _execute(
    call: ToolCall, offered: Mapping[str, Tool], environment: Environment, inspector: Inspector
) -> tuple[tuple[Message, Execution | None], str]:
    tool = offered.get(call.name)
    if tool is None:
        text = f"there is no tool {call.name!r}"
        return (Message(role="tool", content=text, tool_call_id=call.id, is_error=True), None), text
    left = inspector.admit(tool.key, call.id)
    if left:
        return (Message(role="tool", content=left, tool_call_id=call.id, is_error=True), None), left
    result = environment.call(tool, call.arguments, call_id=call.id)
    message = Message(role="tool", content=result.text, tool_call_id=call.id, is_error=not result.ok)
    return (message, result.execution), ""
