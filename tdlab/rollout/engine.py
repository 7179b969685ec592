"""The stage: plays one blueprint between a teacher and an environment, under the inspector's eyes.

The inspector holds the blueprint. It recognises each call as a step of the plan whose predecessors are done, and stops
what leaves the plan. A stopped rollout is data: the trajectory so far, with the reason.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from tdlab.blueprints import could_be
from tdlab.records import (
    Blueprint,
    Call,
    Execution,
    FromResult,
    FromTemplate,
    Json,
    Message,
    Step,
    Tool,
    ToolCall,
    Trajectory,
    digest,
)
from tdlab.rollout.environments import Environment
from tdlab.rollout.views import AssistantView, RolloutStopped, Teacher, UserView, brief_of, offered_names

__all__ = ["Inspector", "Rollout", "play"]

_SLACK = 8  # assistant turns allowed beyond what the plan needs


class Rollout(NamedTuple):
    """What playing gave: the trajectory, and why it was stopped early (empty when it ran to its end)."""

    trajectory: Trajectory
    stopped: str


class Inspector:
    """Follows a rollout along its blueprint: which planned call each call is, and whether its turn has come.

    ``steps`` maps a step to the ids of the calls that carried it out, in the order in which they were made.
    """

    def __init__(self, blueprint: Blueprint) -> None:
        self._left = [_Planned(step, index, call, step.needs()) for step, index, call in blueprint.calls()]
        self._done: set[str] = {step.id for step in blueprint.steps if not step.calls}
        self._made: dict[tuple[str, int], list[str]] = {}
        self._awaits_retry: dict[str, tuple[str, int]] = {}
        self.steps: dict[str, list[str]] = {}

    def admit(self, tool: str, call_id: str, arguments: Mapping[str, Json] | None = None) -> str:
        """Take note of a call of the tool with the key ``tool``; returns why it leaves the plan, or an empty string.

        Where several planned calls could be meant, ``arguments`` tell which: the first whose known values they have.
        """
        if tool in self._awaits_retry:
            self._take(*self._awaits_retry.pop(tool), call_id)
            return ""
        ready = [
            place
            for place, planned in enumerate(self._left)
            if planned.call.tool == tool and all(needed in self._done for needed in planned.needs)
        ]
        if not ready:
            planned = any(left.call.tool == tool for left in self._left)
            why = "was called before what it needs was done" if planned else "is not in the plan at this point"
            return f"{tool} {why}"
        fitting = [place for place in ready if _agrees(self._left[place].call, arguments)] if len(ready) > 1 else ready
        step, number, _, _ = self._left.pop((fitting or ready)[0])
        self._take(step.id, number, call_id)
        if step.failure is not None:
            self._awaits_retry[tool] = (step.id, number)
        if not any(left.step.id == step.id for left in self._left):
            self._done.add(step.id)
        return ""

    def made_by(self, step: str, index: int) -> list[str]:
        """Ids of the calls that carried out one planned call of a step: one, or two where the first was to fail."""
        return self._made.get((step, index), [])

    def missing(self) -> tuple[str, ...]:
        """Steps with calls that have not been made."""
        return tuple(dict.fromkeys(planned.step.id for planned in self._left))

    def _take(self, step: str, index: int, call_id: str) -> None:
        self.steps.setdefault(step, []).append(call_id)
        self._made.setdefault((step, index), []).append(call_id)


class _Planned(NamedTuple):
    step: Step
    number: int
    call: Call
    needs: tuple[str, ...]


def _agrees(call: Call, arguments: Mapping[str, Json] | None) -> bool:
    """Whether the arguments have every value that the plan knows beforehand."""
    if arguments is None:
        return True
    for parameter, binding in call.arguments.items():
        given = arguments.get(parameter)
        if isinstance(binding, FromTemplate):
            if not isinstance(given, str) or not could_be(binding, given):
                return False
        elif not isinstance(binding, FromResult) and given != binding.value:
            return False
    return True


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
    try:
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
    except RolloutStopped as reason:
        stopped = str(reason)
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
    left = inspector.admit(tool.key, call.id, call.arguments)
    if left:
        return (Message(role="tool", content=left, tool_call_id=call.id, is_error=True), None), left
    result = environment.call(tool, call.arguments, call_id=call.id)
    message = Message(role="tool", content=result.text, tool_call_id=call.id, is_error=not result.ok)
    return (message, result.execution), ""
