"""The environment and the planner with untrusted schemas: nothing hangs and nothing crashes."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from tdlab.blueprints import checked, plan
from tdlab.errors import BlueprintError
from tdlab.records import BusinessCluster, Tool
from tdlab.rollout import ScriptedTeacher, SimulatedEnvironment, play
from tdlab.verify import verify
from tests.rollout.worlds import Hand

SECONDS = 5.0


def hostile(schema: Any, *, name: str = "create_thing", output: dict[str, Any] | None = None) -> Tool:
    """Return a tool with one parameter of a schema."""
    whole = {"type": "object", "properties": {"value": schema}, "required": ["value"]}
    if isinstance(schema, dict) and "$defs" in schema:
        whole["$defs"] = schema["$defs"]
    return Tool(service="desk", name=name, description="Create a thing.", input_schema=whole, output_schema=output)


HOSTILE: dict[str, Any] = {
    "a reference to itself": {"$ref": "#/properties/value"},
    "a tree without an end": {
        "$ref": "#/$defs/node",
        "$defs": {"node": {"type": "object", "properties": {"child": {"$ref": "#/$defs/node"}}, "required": ["child"]}},
    },
    "a tree that may end": {
        "$ref": "#/$defs/node",
        "$defs": {"node": {"type": "object", "properties": {"child": {"$ref": "#/$defs/node"}}}},
    },
    "a reference to nowhere": {"$ref": "#/$defs/missing"},
    "a reference to another document": {"$ref": "https://example.com/schema.json"},
    "a million items": {"type": "array", "items": {"type": "string"}, "minItems": 1_000_000},
    "no item allowed": {"type": "array", "items": {"type": "string"}, "maxItems": 0},
    "unique items of one kind": {"type": "array", "items": {"const": 1}, "minItems": 3, "uniqueItems": True},
    "a pattern that backtracks": {"type": "string", "pattern": "^(a+)+b$"},
    "a pattern of many repeats": {"type": "string", "pattern": "^(a{1,900}){900}$"},
    "a long text": {"type": "string", "minLength": 10_000_000},
    "a text shorter than it is long": {"type": "string", "minLength": 9, "maxLength": 3},
    "a number between nothing": {"type": "integer", "minimum": 9, "maximum": 3},
    "everything and its opposite": {"allOf": [{"type": "string"}, {"type": "integer"}]},
    "not anything": {"not": {}},
    "an empty enum": {"enum": []},
    "false": False,
    "a huge integer": {"type": "integer", "minimum": 10**40, "maximum": 10**40 + 5},
    "a number beyond floats": {"type": "number", "minimum": 1e308},
    "a tiny step": {"type": "number", "multipleOf": 1e-300, "minimum": 0, "maximum": 1},
    "names that are no identifiers": {
        "type": "object",
        "properties": {"": {"type": "string"}, "a b/c~d": {"type": "integer"}, "#": {"type": "boolean"}},
        "required": ["", "a b/c~d", "#"],
    },
    "other scripts": {"type": "string", "enum": ["日本語", "עברית", "emoji 🦔", "a\u0000b", "\u202eabc"]},
    "a lone surrogate": {"type": "string", "enum": ["\ud800"]},
    "ten thousand properties": {"type": "object", "properties": {f"p{n}": {"type": "string"} for n in range(10_000)}},
    "ten thousand required": {
        "type": "object",
        "properties": {f"p{n}": {"type": "integer"} for n in range(10_000)},
        "required": [f"p{n}" for n in range(10_000)],
    },
    "types of the wrong kind": {"type": 7, "properties": [], "items": "x", "required": "value"},
    "deep nesting": {
        "type": "array",
        "items": {"type": "array", "items": {"type": "array", "items": {"type": "array"}}},
    },
}


def cluster(*tools: Tool) -> BusinessCluster:
    return BusinessCluster(id="c", tools=tuple(t.key for t in tools), dependencies=(), domains={})


@pytest.mark.parametrize("schema", HOSTILE.values(), ids=HOSTILE)
def test_a_plan_is_coherent_and_plays_or_is_refused_with_a_reason(schema: Any) -> None:
    tool = hostile(schema)
    began = time.process_time()
    try:
        blueprint = checked(plan(cluster(tool), {tool.key: tool}, seed=1, goals=1), {tool.key: tool})
    except BlueprintError as error:
        reason = error.found
    else:
        reason = ""
    assert time.process_time() - began < SECONDS, "too slow"
    if reason:
        return
    tools = {tool.key: tool}
    rollout = play(blueprint, tools, ScriptedTeacher(blueprint, tools), SimulatedEnvironment(blueprint, tools))
    verdict = verify(rollout.trajectory, blueprint, tools, stopped=rollout.stopped)
    assert verdict.accepted or verdict.reasons
    assert time.process_time() - began < SECONDS, "too slow"


@pytest.mark.parametrize(
    ("name", "case"),
    [
        (name, case)
        for case in HOSTILE
        for name in ("create_thing", "list_things", "get_thing")
        if name == "get_thing" or "thousand" not in case
    ],
)
def test_an_output_is_made_or_the_call_is_an_error(name: str, case: str) -> None:
    schema = HOSTILE[case]
    item = {"type": "object", "properties": {"thing_id": {"type": "string"}, "value": schema}}
    output: dict[str, Any] = {
        "type": "object",
        "properties": {"value": schema, "things": {"type": "array", "items": item}},
    }
    if isinstance(schema, dict) and "$defs" in schema:
        output["$defs"] = schema["$defs"]
    tool = Tool(service="desk", name=name, input_schema={"type": "object"}, output_schema=output)
    began = time.process_time()
    ok, answer = Hand({name: tool}).attempt(name)
    assert ok or answer["error"]["code"] == "not_simulated", answer
    assert time.process_time() - began < SECONDS, "too slow"


@pytest.mark.parametrize(
    "arguments", [{"value": "\ud800"}, {"value": "x" * 200_000}, {"value": 10**400}, {"\udfff": 1}]
)
def test_hostile_arguments_get_a_result(arguments: dict[str, Any]) -> None:
    tool = Tool(service="desk", name="create_thing", input_schema={"type": "object"})
    result = Hand({"create_thing": tool}).world.call(tool, arguments, call_id="call_1")
    assert isinstance(json.loads(result.text), dict)
    assert len(result.execution.result_sha256) == 64


def test_names_that_differ_only_in_odd_signs_stay_apart() -> None:
    schema = {"type": "object"}
    tools = [Tool(service="desk", name=name, input_schema=schema) for name in ("do it!", "do-it?", "do_it", "日本")]
    blueprint = plan(cluster(*tools), {t.key: t for t in tools}, seed=3, goals=4)
    rollout = play(
        blueprint, {t.key: t for t in tools}, ScriptedTeacher(blueprint, {t.key: t for t in tools}),
        SimulatedEnvironment(blueprint, {t.key: t for t in tools}),
    )  # fmt: skip
    assert len(set(rollout.trajectory.tools)) == 4
    assert verify(rollout.trajectory, blueprint, {t.key: t for t in tools}).accepted
