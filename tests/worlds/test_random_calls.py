"""Check that the rules of two bundled worlds hold after any sequence of calls, and that a world forgets them all."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tdlab.records import Json
from tdlab.tools import compile_schema, make_value
from tdlab.worlds import World, bundled_packs, load_pack

SERVICES = ("saffron_gable", "thimble_agenda")


@pytest.fixture(scope="module")
def worlds() -> dict[str, World]:
    return {service: World(load_pack(bundled_packs()[service]), seed=11) for service in SERVICES}


def arguments_for(world: World, name: str, rng: random.Random) -> dict[str, Json]:
    """Valid arguments, most of them values that the world holds in a column of the parameter's name."""
    tool = world.pack.programs[name].tool
    arguments: dict[str, Json] = {}
    for parameter, schema in tool.parameters.items():
        if parameter not in tool.required and rng.random() < 0.5:
            continue
        held = [row[parameter] for rows in world.tables().values() for row in rows if row.get(parameter) is not None]
        if held and rng.random() < 0.9:
            value = rng.choice(held)
            arguments[parameter] = bool(value) if schema.get("type") == "boolean" else value
        else:
            arguments[parameter] = make_value(rng, parameter, schema)
    return arguments


@pytest.mark.parametrize("service", SERVICES)
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_the_rules_of_a_world_hold_after_any_calls(service: str, worlds: dict[str, World], data: Any) -> None:
    world = worlds[service]
    world.reset()
    world.clock.reset()
    names = data.draw(st.lists(st.sampled_from(sorted(world.pack.programs)), min_size=1, max_size=12))
    seed = data.draw(st.integers(0, 10**6))
    rng = random.Random(seed)
    made = []
    for name in names:
        program = world.pack.programs[name]
        arguments = arguments_for(world, name, rng)
        if compile_schema(program.tool.input_schema).errors(arguments):
            continue
        before = world.changes()
        outcome = world.call(name, arguments)
        made.append((name, arguments, outcome))
        assert world.broken() == (), (name, arguments)
        if outcome.ok:
            assert not compile_schema(program.tool.output_schema or {}).errors(outcome.value)
        else:
            assert world.changes() == before, "a failed call changes nothing"
        if not program.writes:
            assert world.changes() == before, "reading changes nothing"
    end = world.changes()
    world.reset()
    world.clock.reset()
    assert world.changes() == {}
    assert [world.call(name, arguments) for name, arguments, _ in made] == [outcome for *_, outcome in made]
    assert world.changes() == end, "the same calls lead to the same state"
