"""Narrow views: the assistant never sees the plan, nor the user the world; the inspector stops what leaves the plan."""

from __future__ import annotations

import re

import pytest

from tdlab.records import Blueprint, FromUser, Tool, ToolCall
from tdlab.rollout import (
    AssistantTurn,
    AssistantView,
    Inspector,
    ScriptedTeacher,
    SimulatedEnvironment,
    UserTurn,
    UserView,
    brief_of,
    play,
)
from tdlab.tools.phrases import mentions
from tdlab.verify import verify
from tests.blueprints.bundled import OPERATORS, Played, played

SEEDS = range(40)


class Spy:
    """A teacher that records what each side sees, and delegates to the scripted teacher."""

    name = "scripted"

    def __init__(self, blueprint: Blueprint, tools: dict[str, Tool]) -> None:
        self._inner = ScriptedTeacher(blueprint, tools)
        self.assistant_views: list[AssistantView] = []
        self.user_views: list[UserView] = []

    def user(self, view: UserView) -> UserTurn | None:
        self.user_views.append(view)
        return self._inner.user(view)

    def assistant(self, view: AssistantView) -> AssistantTurn:
        self.assistant_views.append(view)
        return self._inner.assistant(view)


def spied(made: Played) -> Spy:
    spy = Spy(made.blueprint, made.tools)
    again = play(made.blueprint, made.tools, spy, SimulatedEnvironment(made.blueprint, made.tools))
    assert again.trajectory == made.trajectory, "a spy changed the rollout"
    return spy


def secrets(blueprint: Blueprint) -> list[tuple[str, str]]:
    """Return the distinctive texts that the user says at some point, as (parameter, value)."""
    return [
        (parameter, binding.value)
        for _, _, call in blueprint.calls()
        for parameter, binding in call.arguments.items()
        if isinstance(binding, FromUser) and isinstance(binding.value, str) and any(c.isdigit() for c in binding.value)
    ]


@pytest.mark.parametrize("seed", SEEDS)
def test_the_assistants_view_holds_no_value_that_was_not_said_or_returned(seed: int) -> None:
    made = played(seed)
    descriptions = "\n".join(tool.model_dump_json() for tool in made.tools.values())
    for view in spied(made).assistant_views:
        assert set(view._fields) == {"tools", "messages"}
        heard = "\n".join(m.content for m in view.messages if m.role in ("user", "tool"))
        shown = repr(view.messages)
        for parameter, value in secrets(made.blueprint):
            if value in shown and value not in descriptions:
                assert mentions(heard, parameter, value) or value in heard, f"{value!r} is in view and nobody said it"


@pytest.mark.parametrize("seed", SEEDS)
def test_the_users_view_holds_their_brief_and_no_result(seed: int) -> None:
    made = played(seed)
    for view in spied(made).user_views:
        assert set(view._fields) == {"brief", "requests_made", "messages"}
        assert {m.role for m in view.messages} <= {"user", "assistant"}
        assert not any(m.tool_calls for m in view.messages)


def test_withheld_details_are_in_no_request() -> None:
    made = [played(1000 + n, "withhold_information") for n in range(6)]
    withheld = 0
    for one in made:
        brief = brief_of(one.blueprint, one.tools)
        told = {name for request in brief.requests for name, _ in request.details}
        assert not told & set(brief.withheld)
        withheld += len(brief.withheld)
    assert withheld >= 6


class Silent(ScriptedTeacher):
    """A user who never says a value."""

    def user(self, view: UserView) -> UserTurn | None:
        turn = super().user(view)
        return None if turn is None else UserTurn("Please do it.", turn.kind)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_scripted_assistant_makes_no_call_whose_value_is_not_in_the_conversation(seed: int) -> None:
    made = played(seed)
    teacher = Silent(made.blueprint, made.tools)
    rollout = play(made.blueprint, made.tools, teacher, SimulatedEnvironment(made.blueprint, made.tools))
    said = {(parameter, value) for parameter, value in secrets(made.blueprint)}
    returned = "\n".join(m.content for m in rollout.trajectory.messages if m.role == "tool")
    for call in rollout.trajectory.calls():
        for parameter, value in call.arguments.items():
            if (parameter, value) in said and isinstance(value, str):
                assert value in returned, f"{call.name} uses {value!r}, which nobody said"
    if said:
        assert not verify(rollout.trajectory, made.blueprint, made.tools, stopped=rollout.stopped).accepted


def test_every_operator_plays_out_and_verifies() -> None:
    for name in OPERATORS:
        verdicts = [played(3000 + n, name) for n in range(12)]
        assert any(name in one.blueprint.lineage for one in verdicts), f"{name} never applied"
        for one in verdicts:
            assert one.verdict.accepted, one.verdict.reasons


class Stray(ScriptedTeacher):
    """An assistant that calls the first tool again and again."""

    def assistant(self, view: AssistantView) -> AssistantTurn:
        number = len(view.messages)
        return AssistantTurn("", (ToolCall(id=f"c{number}", name=next(iter(view.tools)), arguments={}),))


class Chatty(ScriptedTeacher):
    """An assistant and a user who never stop talking."""

    def assistant(self, view: AssistantView) -> AssistantTurn:
        return AssistantTurn("Is that so?")

    def user(self, view: UserView) -> UserTurn | None:
        return UserTurn("It is.", "answer")


@pytest.mark.parametrize("teacher", [Stray, Chatty])
def test_a_teacher_that_leaves_the_plan_is_stopped_with_a_reason(teacher: type[ScriptedTeacher]) -> None:
    made = played(3)
    rollout = play(
        made.blueprint, made.tools, teacher(made.blueprint, made.tools),
        SimulatedEnvironment(made.blueprint, made.tools),
    )  # fmt: skip
    assert rollout.stopped
    assert len(rollout.trajectory.messages) < 200
    assert not verify(rollout.trajectory, made.blueprint, made.tools, stopped=rollout.stopped).accepted


def test_the_inspector_tells_calls_of_one_tool_apart_by_their_values() -> None:
    made = next(one for one in (played(3000 + n, "parallelise") for n in range(20)) if any(
        step.kind == "parallel" for step in one.blueprint.steps))  # fmt: skip
    step = next(step for step in made.blueprint.steps if step.kind == "parallel")
    values = [{p: b.value for p, b in call.arguments.items() if isinstance(b, FromUser)} for call in step.calls]
    inspector = Inspector(made.blueprint)
    for earlier in made.blueprint.steps[: made.blueprint.steps.index(step)]:
        for call in earlier.calls:
            assert inspector.admit(call.tool, "earlier") == ""
    for number in reversed(range(len(step.calls))):
        assert inspector.admit(step.calls[number].tool, f"c{number}", values[number]) == ""
    assert [inspector.calls_of(step.id, n) for n in range(len(step.calls))] == [
        [f"c{n}"] for n in range(len(step.calls))
    ]
    assert "not in the plan" in inspector.admit("nobody/nothing", "x")


def test_results_of_a_batch_are_told_apart() -> None:
    seen = 0
    for n in range(240):
        one = played(5000 + n, "parallelise")
        for message in one.trajectory.messages:
            labels = re.findall(r"(?:^|[.:] )For (.{1,60}?): ", message.content) if message.role == "assistant" else []
            assert len(labels) == len(set(labels)), f"two results under one label in {message.content!r}"
            seen += len(labels) > 1
    assert seen > 5, f"only {seen} replies tell of a batch"
