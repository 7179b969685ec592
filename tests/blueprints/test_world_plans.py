"""Test plans on executable worlds: recipes, the moves on them, and the blueprints they give."""

from __future__ import annotations

import random

import pytest

from tdlab.blueprints import MUTATIONS, MutationContext, breed, first_plan, fresh_values, mutate, settle
from tdlab.blueprints.world_plans import draw_recipe, packed_services, plan_recipe, reachable_frames, tools_near
from tdlab.config import BlueprintConfig
from tdlab.errors import BlueprintError, MutationRefused
from tdlab.pool import ToolPool
from tdlab.records import Blueprint, BusinessCluster, FromResult, Recipe
from tdlab.tasks import Stage, meeting_of, stage_here

NEVER_HERE = {"parallelise", "add_code_step", "bridge_clusters"}
"""Calls that need not wait are made at once as it is, no task of these packs needs a program, and none takes up what
another gives."""

SERVICES = ("saffron_gable", "thimble_agenda")


@pytest.fixture(scope="module")
def pool() -> ToolPool:
    return ToolPool.bundled().subset(services=SERVICES)


@pytest.fixture(scope="module")
def context(pool: ToolPool) -> MutationContext:
    tools = tuple(key for key in pool.tools if key.startswith("saffron_gable/"))
    cluster = BusinessCluster(id="tables", tools=tools, dependencies=(), domains={"food-dining": 1.0})
    others = tuple(key for key in pool.tools if key.startswith("thimble_agenda/"))
    partner = BusinessCluster(id="agenda", tools=others, dependencies=(), domains={"calendar-tasks": 1.0})
    return MutationContext(
        cluster,
        pool.tools,
        partner=partner,
        distractors=others,
        stage=stage_here(),
        run_seed=3,
        config=BlueprintConfig(beyond=1.0),
    )


def recipe_of(frame: str, **values: object) -> Recipe:
    return Recipe(service="saffron_gable", frame=frame, world=3000, seed=5).model_copy(update=values)


def planned(context: MutationContext, recipe: Recipe) -> Blueprint:
    assert context.stage is not None
    return settle(plan_recipe(recipe, context.cluster.id, context.tools, context.stage, seed=1), context.tools)


def test_only_services_with_the_packs_own_tools_are_executable(pool: ToolPool, context: MutationContext) -> None:
    assert context.executable
    assert packed_services(context.cluster, pool.tools, Stage()) == {"saffron_gable": len(context.cluster.tools)}
    key = context.cluster.tools[0]
    changed = pool.tools[key].model_copy(update={"input_schema": {"type": "object", "properties": {}}})
    assert packed_services(context.cluster, {**pool.tools, key: changed}, Stage()) == {}
    without = {k: tool for k, tool in pool.tools.items() if k != key}
    assert packed_services(context.cluster, without, Stage()) == {}


def test_a_cluster_reaches_the_frames_whose_acts_it_holds(context: MutationContext) -> None:
    stage = stage_here()
    frames = stage.tasks("saffron_gable").frames
    acts = {name: {tool for act in frame.act for tool in act} for name, frame in frames.items()}
    assert reachable_frames(context.cluster, "saffron_gable", stage) == list(frames)
    one = next(name for name, tools in acts.items() if tools)
    small = context.cluster.model_copy(update={"tools": tuple(f"saffron_gable/{tool}" for tool in acts[one])})
    reached = reachable_frames(small, "saffron_gable", stage)
    assert one in reached
    assert all(acts[name] <= acts[one] for name in reached)


@pytest.mark.parametrize("seed", range(12))
def test_a_plan_is_the_same_for_the_same_seed_and_its_steps_are_those_of_its_script(
    context: MutationContext, seed: int
) -> None:
    blueprint = first_plan(context, seed=seed)
    assert blueprint == first_plan(context, seed=seed)
    assert blueprint.script is not None
    scripted = [[call.tool for call in beat.calls] for beat in blueprint.script.beats if beat.calls]
    assert [[call.tool for call in step.calls] for step in blueprint.steps if step.calls] == scripted
    assert set(blueprint.tools) <= set(blueprint.offered)
    steps = [step.id for step in blueprint.steps]
    for step in blueprint.steps:
        for call in step.calls:
            for binding in call.arguments.values():
                if isinstance(binding, FromResult):
                    assert steps.index(binding.step) < steps.index(step.id), "a value comes from a later step"
    assert any(beat.purpose == "ask" for beat in blueprint.script.beats) == any(
        step.kind == "ask" and step.asks for step in blueprint.steps
    ) or any(beat.purpose == "offer" for beat in blueprint.script.beats)


def test_fresh_values_keep_the_kind_of_task(context: MutationContext) -> None:
    blueprint = first_plan(context, seed=4)
    other = fresh_values(blueprint, context, seed=9)
    assert blueprint.recipe is not None
    assert other.recipe is not None
    assert (other.recipe.frame, other.recipe.twist) == (blueprint.recipe.frame, blueprint.recipe.twist)
    assert other.parent == blueprint.id
    assert other.id != blueprint.id


@pytest.mark.parametrize("name", sorted(MUTATIONS.own))
def test_every_operator_gives_a_playable_task_or_says_why_not(context: MutationContext, name: str) -> None:
    applied = 0
    for seed in range(20):
        blueprint = first_plan(context, seed=seed)
        mutated = breed(blueprint, [name], context, seed=seed)
        if not mutated.applied:
            assert mutated.refused[name].startswith(f"{name}: ")
            assert mutated.blueprint == blueprint
            continue
        child = mutated.blueprint
        applied += 1
        assert child.lineage == (name,)
        assert child.parent == blueprint.id
        assert child.script is not None
        assert child.recipe != blueprint.recipe
    assert applied or name in NEVER_HERE, f"{name} never applies"


def test_each_move_does_what_its_name_says(context: MutationContext) -> None:
    follow = mutate(planned(context, recipe_of("book_table")), "follow_up", context, seed=1)
    assert follow.recipe is not None
    assert follow.recipe.follow == 1
    refusal = mutate(planned(context, recipe_of("book_table")), "add_refusal", context, seed=1)
    assert [step.kind for step in refusal.steps].count("refuse") == 1
    frames = stage_here().tasks("saffron_gable").frames
    obstacle = mutate(planned(context, recipe_of("book_table")), "inject_failure", context, seed=1)
    assert obstacle.recipe is not None
    assert meeting_of(frames["book_table"].twists[obstacle.recipe.twist])[0] in ("error", "empty", "seen")
    distracted = mutate(planned(context, recipe_of("book_table")), "add_distractor", context, seed=1)
    assert distracted.recipe is not None
    assert distracted.recipe.distractors
    assert set(distracted.recipe.distractors) <= set(distracted.offered)


def test_a_refused_wish_and_another_service_exclude_each_other(context: MutationContext) -> None:
    """The other service might fulfil the wish, and the refusal would be wrong."""
    refusing = planned(context, recipe_of("book_table", beyond="last"))
    for name in ("bridge_clusters", "add_distractor"):
        with pytest.raises(MutationRefused, match="might fulfil"):
            mutate(refusing, name, context, seed=1)
    bridged = planned(context, recipe_of("book_table", partners=("thimble_agenda",), follow=1))
    with pytest.raises(MutationRefused, match="might fulfil"):
        mutate(bridged, "add_refusal", context, seed=1)


def test_breeding_plays_the_task_once_and_leaves_out_what_makes_it_impossible(context: MutationContext) -> None:
    base = first_plan(context, seed=2, settled=False)
    assert base.script is None
    with pytest.raises(BlueprintError, match="has not been played"):
        settle(base, context.tools)
    names = ["inject_failure", "parallelise", "follow_up", "add_refusal", "withhold_information"]
    mutated = breed(base, names, context, seed=2)
    assert mutated.blueprint.script is not None
    assert mutated.blueprint.lineage == mutated.applied
    assert set(mutated.applied) | set(mutated.refused) == set(names)
    assert "parallelise" in mutated.refused
    assert breed(base, names, context, seed=2) == mutated


def test_an_impossible_recipe_is_an_error_of_the_blueprint(context: MutationContext) -> None:
    with pytest.raises(BlueprintError, match="saffron_gable/book_table: there is no twist 'hailstorm'"):
        planned(context, recipe_of("book_table", twist="hailstorm"))
    with pytest.raises(BlueprintError, match="there is no frame 'fly_to_the_moon'"):
        planned(context, recipe_of("fly_to_the_moon"))


def test_tools_near_share_words_and_are_of_other_services(context: MutationContext) -> None:
    near = tools_near(recipe_of("book_table"), context.distractors, context.tools, stage_here(), 3)
    assert len(near) == 3
    assert all(key.startswith("thimble_agenda/") for key in near)
    assert near[0] == "thimble_agenda/book_appointment", "the nearest in meaning comes first"


def test_what_goes_wrong_is_drawn_as_often_as_asked(context: MutationContext) -> None:
    rng = random.Random(1)
    drawn = [
        draw_recipe(context.cluster, context.tools, stage_here(), rng, run_seed=1, worlds=2, twisted=0.3)
        for _ in range(400)
    ]
    frames = stage_here().tasks("saffron_gable").frames
    can = [recipe for recipe in drawn if frames[recipe.frame].twists]
    assert 0.2 < sum(bool(recipe.twist) for recipe in can) / len(can) < 0.4
    worlds = {(recipe.service, recipe.world) for recipe in drawn}
    assert len({world for _, world in worlds}) == 2
