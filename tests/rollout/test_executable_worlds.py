"""Test the environment of executable worlds: state, errors, what happens meanwhile, and replay."""

from __future__ import annotations

import json

import pytest

from tdlab.blueprints import MutationContext, settle
from tdlab.blueprints.world_plans import plan_recipe
from tdlab.errors import RolloutError
from tdlab.pool import ToolPool
from tdlab.records import Blueprint, BusinessCluster, Recipe
from tdlab.rollout import ScriptedTeacher, SimulatedEnvironment, WorldEnvironment, play
from tdlab.tasks import stage_here
from tdlab.verify import verify


@pytest.fixture(scope="module")
def pool() -> ToolPool:
    return ToolPool.bundled().subset(services=["saffron_gable", "thimble_agenda", "sluicegate_flags"])


@pytest.fixture(scope="module")
def context(pool: ToolPool) -> MutationContext:
    tools = tuple(key for key in pool.tools if key.startswith("saffron_gable/"))
    cluster = BusinessCluster(id="tables", tools=tools, dependencies=(), domains={"food-dining": 1.0})
    return MutationContext(cluster, pool.tools, stage=stage_here())


def blueprint_of(context: MutationContext, frame: str, **values: object) -> Blueprint:
    recipe = Recipe(service="saffron_gable", frame=frame, world=7, seed=3).model_copy(update=values)
    return settle(plan_recipe(recipe, "tables", context.tools, stage_here(), seed=1), context.tools)


def played(blueprint: Blueprint, pool: ToolPool) -> tuple[list[str], SimulatedEnvironment]:
    environment = SimulatedEnvironment(blueprint, pool.tools)
    rollout = play(blueprint, pool.tools, ScriptedTeacher(blueprint, pool.tools), environment)
    assert not rollout.stopped
    verdict = verify(rollout.trajectory, blueprint, pool.tools)
    assert verdict.accepted, [check for check in verdict.checks if not check.passed]
    return [message.content for message in rollout.trajectory.messages], environment


def test_a_rollout_begins_with_the_time_and_the_policy(context: MutationContext, pool: ToolPool) -> None:
    blueprint = blueprint_of(context, "cancel_booking")
    assert blueprint.script is not None
    texts, _ = played(blueprint, pool)
    assert "You help users of Saffron" in texts[0]
    assert blueprint.script.now[:4] in texts[0]
    for rule in blueprint.script.policy:
        assert rule in texts[0]


def test_the_end_state_has_the_row_that_was_made_and_no_other(context: MutationContext, pool: ToolPool) -> None:
    blueprint = blueprint_of(context, "book_table")
    _, environment = played(blueprint, pool)
    changes = environment.changes()
    assert list(changes) == ["saffron_gable.bookings"]
    (row,) = changes["saffron_gable.bookings"].values()
    assert row["status"] == "confirmed"
    assert blueprint.script is not None
    assert row["party_size"] == blueprint.script.parts[0].facts["party_size"]


def test_receipts_say_what_was_executed_and_what_was_guessed(context: MutationContext, pool: ToolPool) -> None:
    blueprint = blueprint_of(context, "book_table")
    environment = SimulatedEnvironment(blueprint, pool.tools)
    result = environment.call(pool.tools["saffron_gable/search_restaurants"], {"city": "Lyon"}, call_id="1")
    assert result.execution.executor == "simulated:world"
    plain = blueprint.model_copy(update={"recipe": None, "script": None})
    guessed = SimulatedEnvironment(plain, pool.tools)
    result = guessed.call(pool.tools["saffron_gable/search_restaurants"], {"city": "Lyon"}, call_id="1")
    assert result.execution.executor == "simulated:guessed"


def test_errors_are_those_that_the_service_documents(context: MutationContext, pool: ToolPool) -> None:
    environment = SimulatedEnvironment(blueprint_of(context, "book_table"), pool.tools)
    tool = pool.tools["saffron_gable/cancel_booking"]
    result = environment.call(tool, {"booking_id": "bkg_nothere"}, call_id="1")
    assert not result.ok
    assert json.loads(result.text)["error"]["code"] in {error.code for error in tool.errors}
    missing = environment.call(tool, {}, call_id="2")
    assert json.loads(missing.text)["error"]["code"] == "invalid_arguments"
    assert environment.changes() == {}


def test_what_another_customer_does_happens_before_the_call_that_it_is_for(
    context: MutationContext, pool: ToolPool
) -> None:
    frames = stage_here().tasks("saffron_gable").frames
    found = 0
    for frame in frames:
        for twist, way in frames[frame].twists.items():
            if way.happens is None:
                continue
            found += 1
            blueprint = blueprint_of(context, frame, twist=twist)
            assert blueprint.script is not None
            met = [call.meets for beat in blueprint.script.beats for call in beat.calls if call.meets]
            assert met, f"{twist} meets no error"
            played(blueprint, pool)
    assert found, "no twist of the pack lets something happen"


def test_a_tool_of_a_service_that_takes_no_part_is_executed_on_its_own_world(
    context: MutationContext, pool: ToolPool
) -> None:
    environment = SimulatedEnvironment(blueprint_of(context, "book_table"), pool.tools)
    result = environment.call(pool.tools["thimble_agenda/list_meeting_types"], {}, call_id="1")
    assert result.ok
    assert json.loads(result.text)["meeting_types"]


def test_a_plan_without_a_recipe_has_no_world(pool: ToolPool, context: MutationContext) -> None:
    plain = blueprint_of(context, "book_table").model_copy(update={"recipe": None, "script": None})
    with pytest.raises(RolloutError, match="no recipe"):
        WorldEnvironment(plain, pool.tools)
