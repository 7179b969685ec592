"""Which defects of a schema are fixed, which are left alone, and that no input makes the fixer fail."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tdlab.pool.repair.schemas import fix_schema, replace_surrogates
from tdlab.tools.schema import compile_schema, schema_problem


def within(schema: Any) -> dict[str, Any]:
    return {"type": "object", "properties": {"a": schema}}


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("dict", "object"),
        ("Object", "object"),
        ("float", "number"),
        ("int", "integer"),
        ("STRING", "string"),
        ("list", "array"),
        ("tuple", "array"),
        ("bool", "boolean"),
        ("None", "null"),
        ("str | null", ["string", "null"]),
        ("string, optional", "string"),
        ("integer or string", ["integer", "string"]),
        (["String", "Null"], ["string", "null"]),
    ],
)
def test_types_of_other_languages_are_translated(written: Any, meant: Any) -> None:
    fixed, fixes = fix_schema(within({"type": written}))
    assert fixed["properties"]["a"] == {"type": meant}
    assert len(fixes) == 1
    assert fixes[0].startswith("$.properties.a: type")
    assert schema_problem(fixed) is None


@pytest.mark.parametrize("written", ["any", "Foo", {"2": "x"}, 7, [], ["string", "Foo"]])
def test_a_type_that_is_not_known_is_dropped(written: Any) -> None:
    fixed, fixes = fix_schema(within({"type": written, "description": "x"}))
    assert fixed["properties"]["a"] == {"description": "x"}
    assert "is unknown, dropped" in fixes[0]


@pytest.mark.parametrize(
    ("broken", "whole"),
    [
        (None, {"type": "object", "properties": {}}),
        ({}, {"type": "object"}),
        ({"properties": {"a": {}}}, {"type": "object", "properties": {"a": {}}}),
        (
            {"path": {"type": "string"}, "depth": {"type": "integer", "optional": True}},
            {
                "type": "object",
                "properties": {"path": {"type": "string"}, "depth": {"type": "integer", "optional": True}},
                "required": ["path"],
            },
        ),
        (
            {"title": {"type": "string"}, "type": {"type": "string"}},
            {"type": "object", "properties": {"title": {"type": "string"}, "type": {"type": "string"}}},
        ),
        (
            {"type": "object", "properties": {"type": "object", "properties": {"a": {}}, "required": ["a"]}},
            {"type": "object", "properties": {"a": {}}, "required": ["a"]},
        ),
        (
            {"type": "object", "properties": {"a": {"type": "string", "required": True}, "b": {"required": False}}},
            {"type": "object", "properties": {"a": {"type": "string"}, "b": {}}, "required": ["a"]},
        ),
        (
            {"type": "object", "properties": {"a": {}, "required": ["a"]}},
            {"type": "object", "properties": {"a": {}}, "required": ["a"]},
        ),
        (
            {"type": "object", "properties": {"a": {}}, "required": ["a", "a", 3]},
            {"type": "object", "properties": {"a": {}}, "required": ["a"]},
        ),
        (
            {"type": "object", "properties": {"a": {}}, "required": "a"},
            {"type": "object", "properties": {"a": {}}, "required": ["a"]},
        ),
        (
            {"type": "object", "properties": {"a": {}}, "required": "yes"},
            {"type": "object", "properties": {"a": {}}, "required": []},
        ),
        ({"type": "object", "properties": None, "required": None}, {"type": "object"}),
        (within({"minimum": 1, "exclusiveMinimum": True}), within({"exclusiveMinimum": 1})),
        (within({"exclusiveMaximum": False}), within({})),
        (within({"minimum": "3", "maxLength": -1}), within({"minimum": 3})),
        (within({"enum": None, "pattern": None, "default": None}), within({"default": None})),
        (within({"enum": []}), within({})),
        (within({"pattern": "((", "type": "string"}), within({"type": "string"})),
        (within({"default": float("nan"), "enum": [1, float("inf")]}), within({"enum": [1]})),
        (within({"default": {"deep": [float("-inf")]}, "minimum": 0}), within({"minimum": 0})),
        (within({"type": "STRING", "nullable": True}), within({"type": ["string", "null"]})),
        (within({"type": "List[int]"}), within({"type": "array", "items": {"type": "integer"}})),
        (within({"type": "array<string>"}), within({"type": "array", "items": {"type": "string"}})),
        (within({"type": "number[]"}), within({"type": "array", "items": {"type": "number"}})),
        (within({"type": "Optional[str]"}), within({"type": ["string", "null"]})),
        (within({"type": "Dict[str, float]"}), within({"type": "object", "additionalProperties": {"type": "number"}})),
        (within({"type": "Literal['a', 'b']"}), within({"type": "string", "enum": ["a", "b"]})),
        (within({"type": "array of strings"}), within({"type": "array", "items": {"type": "string"}})),
        (within({"type": "array", "items": [{}]}), within({"type": "array", "prefixItems": [{}]})),
        (within({"type": "array", "items": "int"}), within({"type": "array", "items": {"type": "integer"}})),
        (within("str"), within({"type": "string"})),
        (within("the path of a file"), within({"description": "the path of a file"})),
        (within(3), within({})),
        ({"$schema": "http://example.invalid/x", "type": "object"}, {"type": "object"}),
        (within({"description": "half \ud83d a pair"}), within({"description": "half \ufffd a pair"})),
    ],
)
def test_repairs(broken: Any, whole: Any) -> None:
    before = copy.deepcopy(broken)
    fixed, fixes = fix_schema(broken)
    assert fixed == whole
    assert fixes, "a repair has to be told"
    assert schema_problem(fixed) is None
    assert broken == before, "the input must not be changed"


def test_a_list_of_parameters_is_a_schema() -> None:
    fixed, fixes = fix_schema(
        [
            {"name": "query", "type": "string", "desc": "Search query", "required": True},
            {"name": "limit", "type": "integer", "required": False},
        ]
    )
    assert fixes == ()
    assert fixed == {
        "type": "object",
        "properties": {"query": {"type": "string", "description": "Search query"}, "limit": {"type": "integer"}},
        "required": ["query"],
    }


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object", "properties": {"type": {"type": "string"}, "required": {"type": "boolean"}}},
        {"type": "object", "properties": {"properties": {"type": "object"}, "enum": {"type": "string"}}},
        {"type": "object", "properties": {"a": {"default": {"type": "dict"}, "enum": [{"type": "dict"}, None]}}},
        {"type": "object", "properties": {"a": {"const": None, "examples": [None, {"required": "x"}]}}},
        {"$schema": "http://json-schema.org/draft-07/schema#", **within({"type": "array", "items": [{}, {}]})},
        {"$schema": "http://json-schema.org/draft-04/schema#", **within({"minimum": 1, "exclusiveMinimum": True})},
        {"type": "object", "anyOf": [{"required": ["a"]}, {"required": ["b"]}], "properties": {"a": {}, "b": {}}},
    ],
)
def test_what_is_right_stays_as_it_is(schema: dict[str, Any]) -> None:
    assert schema_problem(schema) is None
    assert fix_schema(schema) == (schema, ())


@pytest.mark.parametrize(
    "schema",
    [
        within({"$ref": "http://example.invalid/x"}),
        within({"$ref": "#/$defs/none"}),
        {"type": "array"},
        "a text",
        [1, 2],
    ],
)
def test_what_has_no_safe_repair_stays_unusable(schema: Any) -> None:
    assert schema_problem(fix_schema(schema)[0]) is not None


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.sampled_from(["object", "dict", "string", "float", "a", "", "$.x", "\ud800"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                "type properties required items enum minimum exclusiveMinimum $schema $ref allOf not a b name".split()
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=12,
)


@given(JSON)
def test_any_json_at_all_is_survived(schema: Any) -> None:
    fixed, fixes = fix_schema(schema)
    if schema_problem(fixed) is None:
        compile_schema(fixed).is_valid({"a": 1})
        assert fix_schema(fixed) == (fixed, ()), "a repaired schema must need no repair"
    assert all(isinstance(words, str) for words in fixes)


def test_replace_surrogates() -> None:
    assert replace_surrogates("plain — naïve 漢字 🙂") == "plain — naïve 漢字 🙂"
    assert replace_surrogates("\ud83d!") == "\ufffd!"
