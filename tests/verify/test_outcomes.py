"""Test the checks of tasks on executable worlds: clean conversations pass, and each kind of fault is found."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tdlab.blueprints import settle
from tdlab.blueprints.world_plans import plan_recipe
from tdlab.errors import BlueprintError
from tdlab.pool import ToolPool
from tdlab.records import Blueprint, Json, Message, Recipe, ToolCall, Trajectory, digest
from tdlab.rollout import ScriptedTeacher, SimulatedEnvironment, play
from tdlab.tasks import stage_here
from tdlab.verify import verify

POOL = ToolPool.bundled().subset(services=["saffron_gable"])
FRAMES = stage_here().tasks("saffron_gable").frames


def planned(frame: str, seed: int, twist: str = "") -> Blueprint:
    recipe = Recipe(service="saffron_gable", frame=frame, twist=twist, world=11, seed=seed)
    return settle(plan_recipe(recipe, "tables", POOL.tools, stage_here(), seed=seed), POOL.tools)


def played(blueprint: Blueprint) -> Trajectory:
    environment = SimulatedEnvironment(blueprint, POOL.tools)
    return play(blueprint, POOL.tools, ScriptedTeacher(blueprint, POOL.tools), environment).trajectory


def replayed(blueprint: Blueprint, messages: list[Message]) -> Trajectory:
    """Return the trajectory in which the calls of these messages were really executed, with sealed receipts."""
    clean = played(blueprint)
    environment = SimulatedEnvironment(blueprint, POOL.tools)
    done: list[Message] = []
    executions = []
    for message in messages:
        if message.role == "tool":
            continue
        done.append(message)
        for call in message.tool_calls:
            result = environment.call(POOL.tools[clean.tools[call.name]], call.arguments, call_id=call.id)
            done.append(Message(role="tool", content=result.text, tool_call_id=call.id, is_error=not result.ok))
            executions.append(result.execution)
    changed = clean.model_copy(
        update={"id": "", "messages": tuple(done), "executions": tuple(executions), "state": environment.changes()}
    )
    return changed.model_copy(update={"id": digest(changed)})


def reasons(trajectory: Trajectory, blueprint: Blueprint) -> dict[str, str]:
    return {check.name: check.reason for check in verify(trajectory, blueprint, POOL.tools).checks if not check.passed}


def faulty(blueprint: Blueprint, change: Callable[[list[Message]], list[Message]]) -> dict[str, str]:
    clean = played(blueprint)
    assert reasons(clean, blueprint) == {}, "the clean conversation is rejected"
    messages = change(list(clean.messages))
    assert messages != list(clean.messages), "the fault was not made"
    return reasons(replayed(blueprint, messages), blueprint)


def with_argument(messages: list[Message], tool: str, name: str, value: Json) -> list[Message]:
    def changed(call: ToolCall) -> ToolCall:
        fits = call.name == tool and name in call.arguments
        return call.model_copy(update={"arguments": {**call.arguments, name: value}}) if fits else call

    return [m.model_copy(update={"tool_calls": tuple(map(changed, m.tool_calls))}) for m in messages]


def calls_of(messages: list[Message], tool: str) -> list[int]:
    return [n for n, m in enumerate(messages) if any(call.name == tool for call in m.tool_calls)]


@pytest.mark.parametrize("frame", FRAMES)
def test_clean_conversations_pass(frame: str) -> None:
    tried = 0
    for twist in ("", *FRAMES[frame].twists):
        for seed in range(6):
            try:
                blueprint = planned(frame, seed, twist)
            except BlueprintError:
                continue
            tried += 1
            assert reasons(played(blueprint), blueprint) == {}, (frame, twist, seed)
    assert tried >= 6


@pytest.mark.parametrize("seed", range(4))
def test_a_value_that_nobody_said_is_found(seed: int) -> None:
    found = faulty(planned("book_table", seed), lambda m: with_argument(m, "book_table", "phone", "+447700123456"))
    assert "grounding" in found
    assert "+447700123456" in found["grounding"]


@pytest.mark.parametrize("seed", range(4))
def test_another_number_of_people_is_found_by_what_was_said_and_by_the_end_state(seed: int) -> None:
    blueprint = planned("book_table", seed)
    assert blueprint.script is not None
    people = blueprint.script.parts[0].facts["party_size"]
    found = faulty(blueprint, lambda m: with_argument(m, "book_table", "party_size", people - 1))
    assert found.keys() & {"grounding", "end_state"}


def test_an_act_that_was_never_made_is_found() -> None:
    def skipped(messages: list[Message]) -> list[Message]:
        (place,) = calls_of(messages, "book_table")
        return [m for n, m in enumerate(messages) if n not in (place, place + 1)]

    found = faulty(planned("book_table", 1), skipped)
    assert "book a table" in found["end_state"]


def test_an_act_besides_what_was_wanted_is_found() -> None:
    def twice(messages: list[Message]) -> list[Message]:
        (place,) = calls_of(messages, "cancel_booking")
        blueprint_booking = messages[place].tool_calls[0].arguments["booking_id"]
        other = next(
            row["booking_id"]
            for row in stage_here()
            .world("saffron_gable", 11)
            .query("SELECT booking_id FROM bookings WHERE status = 'confirmed' ORDER BY booking_id")
            if row["booking_id"] != blueprint_booking
        )
        more = ToolCall(id="call_99", name="cancel_booking", arguments={"booking_id": other})
        return [*messages[:place], messages[place], messages[place + 1], Message(role="assistant", tool_calls=(more,)),
                *messages[place + 2 :]]  # fmt: skip

    found = faulty(planned("cancel_booking", 2), twice)
    assert "besides what was wanted" in found["end_state"]


def test_a_cancellation_without_a_yes_is_found() -> None:
    def unasked(messages: list[Message]) -> list[Message]:
        (place,) = calls_of(messages, "cancel_booking")
        asked = place - 2  # the question, before the user's yes
        return [m for n, m in enumerate(messages) if n not in (asked, asked + 1)]

    found = faulty(planned("cancel_booking", 2), unasked)
    assert "without the user's yes" in found["disclosure"]


def test_a_no_is_not_a_yes() -> None:
    def declined(messages: list[Message]) -> list[Message]:
        (place,) = calls_of(messages, "cancel_booking")
        no = messages[place - 1].model_copy(update={"content": "No, please don't."})
        return [*messages[: place - 1], no, *messages[place:]]

    found = faulty(planned("cancel_booking", 2), declined)
    assert "without the user's yes" in found["disclosure"]


def test_an_answer_that_is_withheld_is_found() -> None:
    def silent(messages: list[Message]) -> list[Message]:
        last = max(n for n, m in enumerate(messages) if m.role == "tool") + 1
        return [*messages[:last], messages[last].model_copy(update={"content": "That's all done for you."})]

    found = faulty(planned("book_table", 1), silent)
    assert "the user was not told" in found["plan"]


def test_a_call_that_fails_twice_in_the_same_way_is_found() -> None:
    blueprint = next(
        planned(name, seed, twist)
        for name, frame in FRAMES.items()
        for twist, way in frame.twists.items()
        for seed in range(3)
        if way.meets.partition(" ")[2] not in ("", "empty") and not way.meets.startswith("seen ")
    )

    def again(messages: list[Message]) -> list[Message]:
        failed = next(n for n, m in enumerate(messages) if m.role == "tool" and m.is_error)
        repeated = messages[failed - 1].tool_calls[0].model_copy(update={"id": "call_98"})
        return [*messages[: failed + 1], Message(role="assistant", tool_calls=(repeated,)), *messages[failed + 1 :]]

    assert "repeats a call that failed" in faulty(blueprint, again)["recovered"]


def test_a_result_that_was_touched_is_found() -> None:
    blueprint = planned("book_table", 1)
    clean = played(blueprint)
    messages = list(clean.messages)
    place = max(n for n, m in enumerate(messages) if m.role == "tool")
    text = messages[place].content.replace('"confirmed"', '"pending"')
    messages[place] = messages[place].model_copy(update={"content": text})
    found = reasons(clean.model_copy(update={"messages": tuple(messages)}), blueprint)
    assert {"executor", "replay"} <= found.keys()
