"""The engine: plays one blueprint with a teacher and an environment, watched by the inspector.

The inspector holds the blueprint. It matches each call with a planned step whose predecessors are done, and stops a
rollout that leaves the plan. A stopped rollout is a result too: the trajectory so far, with the reason.
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
from tdlab.rollout.views import (
    AssistantView,
    RolloutStopped,
    Teacher,
    UserView,
    brief_of,
    offered_names,
    setting_of,
    system_message,
)

__all__ = ["Inspector", "Rollout", "play"]

_EXTRA_TURNS = 8  # assistant turns allowed beyond those that the plan needs


class Rollout(NamedTuple):
    """The result of `play`: the trajectory, and why it was stopped early; empty if it was not."""

    trajectory: Trajectory
    stopped: str


class Inspector:
    """Match the calls of a rollout with the calls of its blueprint.

    A task on executable worlds, or one whose story a model wrote, is judged by its outcome, so its calls may leave the
    plan; those that are planned are matched all the same. ``steps`` maps each step to the ids of its calls, in the
    order of the calls.

    Args:
        blueprint: The plan to follow.
    """

    def __init__(self, blueprint: Blueprint) -> None:
        self._free = blueprint.script is not None or bool(blueprint.story)
        self._open = [_Planned(step, index, call, step.needs()) for step, index, call in blueprint.calls()]
        self._done: set[str] = {step.id for step in blueprint.steps if not step.calls}
        self._call_ids: dict[tuple[str, int], list[str]] = {}
        self._awaits_retry: dict[str, tuple[str, int]] = {}
        self.steps: dict[str, list[str]] = {}

    def admit(self, tool: str, call_id: str, arguments: Mapping[str, Json] | None = None) -> str:
        """Match a call with a planned call.

        Args:
            tool: Key of the called tool.
            call_id: Id of the call.
            arguments: Arguments of the call. They decide between several planned calls of the tool: the first whose
                known values they contain.

        Returns:
            Why the call leaves the plan; empty if it does not.
        """
        if tool in self._awaits_retry:
            self._record(*self._awaits_retry.pop(tool), call_id)
            return ""
        ready = [
            index
            for index, planned in enumerate(self._open)
            if planned.call.tool == tool and all(needed in self._done for needed in planned.needs)
        ]
        if not ready and self._free:
            return ""
        if not ready:
            is_planned = any(planned.call.tool == tool for planned in self._open)
            why = "was called before what it needs was done" if is_planned else "is not in the plan at this point"
            return f"{tool} {why}"
        fitting = ready
        if len(ready) > 1 or self._free:
            fitting = [index for index in ready if _agrees(self._open[index].call, arguments)]
        if not fitting and self._free:
            return ""
        step, number, _, _ = self._open.pop((fitting or ready)[0])
        self._record(step.id, number, call_id)
        if step.failure is not None and step.failure.recovery == "retry":
            self._awaits_retry[tool] = (step.id, number)
        if not any(planned.step.id == step.id for planned in self._open):
            self._done.add(step.id)
        return ""

    def calls_of(self, step: str, index: int) -> list[str]:
        """Return the ids of the calls matched with one planned call: one id, or two if the first call was to fail."""
        return self._call_ids.get((step, index), [])

    def missing(self) -> tuple[str, ...]:
        """Return the ids of the steps with calls that are still missing; none where calls may leave the plan."""
        if self._free:
            return ()
        return tuple(dict.fromkeys(planned.step.id for planned in self._open))

    def _record(self, step: str, index: int, call_id: str) -> None:
        self.steps.setdefault(step, []).append(call_id)
        self._call_ids.setdefault((step, index), []).append(call_id)


class _Planned(NamedTuple):
    step: Step
    number: int
    call: Call
    needs: tuple[str, ...]


def _agrees(call: Call, arguments: Mapping[str, Json] | None) -> bool:
    """Return whether the arguments contain every value that the plan already knows."""
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
    """Play a blueprint until the user has nothing more to say, or until the rollout is stopped.

    The same teacher and environment give the same trajectory.

    Args:
        blueprint: The plan.
        tools: Every tool that the blueprint offers, by key.
        teacher: Writes what user and assistant say.
        environment: Executes the calls; a new one for each rollout.

    Returns:
        The trajectory, and the reason if the rollout was stopped.

    Raises:
        RolloutError: If a live server cannot be restarted.
        SandboxUnavailable: If a program is to run and no sandbox can run it.
        TeacherError: If the language model behind the teacher cannot be used.

    Example:
        >>> from tdlab import ToolPool
        >>> from tdlab.blueprints import plan
        >>> from tdlab.clusters import mine
        >>> pool = ToolPool.bundled()
        >>> blueprint = plan(mine(pool).clusters[0], pool.tools, seed=1)
        >>> teacher = ScriptedTeacher(blueprint, pool.tools)
        >>> rollout = play(blueprint, pool.tools, teacher, SimulatedEnvironment(blueprint, pool.tools))
        >>> rollout.stopped
        ''
        >>> set(rollout.trajectory.steps) == {step.id for step in blueprint.steps if step.calls}
        True
    """
    names = offered_names(blueprint.offered, tools)
    offered = {name: tools[key] for name, key in names.items()}
    brief = brief_of(blueprint, tools)
    inspector = Inspector(blueprint)
    setting = setting_of(blueprint)
    messages = [] if setting is None else [Message(role="system", content=system_message(setting))]
    executions: list[Execution] = []
    requests = 0
    stopped = ""
    budget = len(blueprint.script.beats) if blueprint.script else 0
    budget += sum(2 + len(step.calls) for step in blueprint.steps) + 2 * len(brief.requests) + _EXTRA_TURNS
    try:
        while not stopped:
            spoken = tuple(m for m in messages if m.role in ("user", "assistant") and not m.tool_calls)
            user_turn = teacher.user(UserView(brief, requests, spoken))
            if user_turn is None:
                break
            requests += user_turn.kind == "request"
            messages.append(Message(role="user", content=user_turn.content))
            while not stopped:
                if budget <= 0:
                    stopped = "the rollout is longer than its plan allows"
                    break
                budget -= 1
                turn = teacher.assistant(AssistantView(offered, tuple(messages)))
                messages.append(
                    Message(
                        role="assistant", content=turn.content, tool_calls=turn.tool_calls, reasoning=turn.reasoning
                    )
                )
                if not turn.tool_calls:
                    break
                for call in turn.tool_calls:
                    message, execution, stopped = _execute(call, offered, environment, inspector)
                    messages.append(message)
                    if execution is not None:
                        executions.append(execution)
                    if stopped:
                        break
    except RolloutStopped as reason:
        stopped = str(reason)
    if not stopped and all(message.role != "user" for message in messages):
        stopped = "the user said nothing"
    if not stopped and inspector.missing():
        stopped = "planned steps are missing: " + ", ".join(inspector.missing())
    trajectory = Trajectory(
        id="", messages=tuple(messages), tools=names, blueprint=blueprint.id, teacher=teacher.name,
        environment=environment.name, executions=tuple(executions),
        steps={step: tuple(ids) for step, ids in inspector.steps.items()}, state=environment.changes(),
    )  # fmt: skip
    return Rollout(trajectory.model_copy(update={"id": digest(trajectory)}), stopped)


def _execute(
    call: ToolCall, offered: Mapping[str, Tool], environment: Environment, inspector: Inspector
) -> tuple[Message, Execution | None, str]:
    """Execute one call: the tool message, the receipt, and why the rollout stops; empty if it goes on."""
    tool = offered.get(call.name)
    stopped = f"there is no tool {call.name!r}" if tool is None else inspector.admit(tool.key, call.id, call.arguments)
    if tool is None or stopped:
        return Message(role="tool", content=stopped, tool_call_id=call.id, is_error=True), None, stopped
    result = environment.call(tool, call.arguments, call_id=call.id)
    message = Message(role="tool", content=result.text, tool_call_id=call.id, is_error=not result.ok)
    return message, result.execution, ""
