"""Untrusted schemas: correct answers, clear reasons, nothing is fetched and nothing hangs."""

from __future__ import annotations

import copy
import pickle
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tdlab.errors import SchemaError
from tdlab.tools.schema import BACKTRACK_LIMIT, DEPTH_LIMIT, compile_schema, schema_problem

OBJECT = {"type": "object"}


def with_property(schema: Any) -> dict[str, Any]:
    return {"type": "object", "properties": {"a": schema}}


def expanding(levels: int) -> dict[str, Any]:
    """Return a schema in which each definition refers twice to the next: 2**levels checks of one value."""
    defs: dict[str, Any] = {f"d{i}": {"allOf": [{"$ref": f"#/$defs/d{i + 1}"}] * 2} for i in range(levels)}
    return {"type": "object", "$ref": "#/$defs/d0", "$defs": {**defs, f"d{levels}": {"type": "object"}}}


def nested(levels: int) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(levels):
        schema = with_property(schema)
    return schema


# ------------------------------------------------------------------------------------------------------------- answers


@pytest.mark.parametrize(
    ("schema", "value", "says"),
    [
        ({"type": "string"}, 3, "$: found 3, expected string"),
        ({"type": ["string", "null"]}, 3, "$: found 3, expected "),
        ({"enum": ["EUR", "USD"]}, "GBP", '$: found "GBP", expected one of "EUR", "USD"'),
        ({"const": "sent"}, "paid", '$: found "paid", expected "sent"'),
        ({"minimum": 1}, 0, "$: found 0, expected 1 or more"),
        ({"maxLength": 2}, "abc", '$: found "abc", expected 2 characters or fewer'),
        ({"minItems": 1}, [], "$: found [], expected 1 items or more"),
        ({"uniqueItems": True}, [1, 1], "$: found [1, 1], expected no item twice"),
        ({"pattern": "^inv_"}, "x", "$: found \"x\", expected a match of '^inv_'"),
        ({"format": "date"}, "soon", "$: found \"soon\", expected the format 'date'"),
        ({"required": ["b"]}, {}, "$: found no property 'b', expected the property 'b'"),
        ({"additionalProperties": False}, {"x": 1}, "$: found a property of the value 1, expected none"),
        ({"properties": {"y": {}}, "additionalProperties": False}, {"x": 1}, "$: found the properties 'x', expected "),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, 1, "$: found 1, expected string; or null"),
        ({"not": {"type": "null"}}, None, "$: found null, expected what does not fit"),
        ({"properties": {"a": {"items": {"type": "integer"}}}}, {"a": [1, "x"]}, '$.a[1]: found "x", expected integer'),
        ({"properties": {"a b": {"type": "integer"}}}, {"a b": "x"}, '$["a b"]: found "x", expected integer'),
    ],
)
def test_an_error_says_where_what_was_found_and_what_was_expected(schema: Any, value: Any, says: str) -> None:
    compiled = compile_schema(schema)
    assert not compiled.is_valid(value)
    errors = compiled.errors(value)
    assert len(errors) == 1
    assert errors[0].startswith(says), errors[0]


def test_a_value_that_fits_has_no_errors() -> None:
    compiled = compile_schema({"type": "object", "properties": {"day": {"format": "date"}}, "required": ["day"]})
    assert compiled.is_valid({"day": "2026-11-23"})
    assert compiled.errors({"day": "2026-11-23"}) == ()


def test_values_are_cut_and_long_lists_of_errors_too() -> None:
    long = compile_schema({"type": "integer"}).errors("x" * 10_000)
    assert len(long[0]) < 200
    many = compile_schema({"required": [f"p{i}" for i in range(500)]}).errors({})
    assert len(many) == 51
    assert many[-1] == "$: and 450 more errors"


def test_the_draft_is_the_one_the_schema_names() -> None:
    draft4 = {"$schema": "http://json-schema.org/draft-04/schema#", "minimum": 3, "exclusiveMinimum": True}
    assert not compile_schema(draft4).is_valid(3)
    assert compile_schema({"minimum": 3}).is_valid(3)


SCALARS = st.none() | st.booleans() | st.integers(-5, 5) | st.text("ab", max_size=3)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner)
)
TYPES = st.sampled_from(["object", "array", "string", "integer", "number", "boolean", "null"])
SCHEMAS = st.recursive(
    st.just({})
    | st.builds(lambda t: {"type": t}, TYPES)
    | st.builds(lambda v: {"enum": v}, st.lists(SCALARS, min_size=1, max_size=3))
    | st.builds(lambda a, b: {"minLength": a, "maximum": b}, st.integers(0, 3), st.integers(-3, 3)),
    lambda inner: (
        st.builds(lambda p, r: {"properties": p, "required": r}, st.dictionaries(st.sampled_from("abc"), inner),
                  st.lists(st.sampled_from("abc"), unique=True))
        | st.builds(lambda s: {"items": s}, inner)
        | st.builds(lambda k, s: {k: s}, st.sampled_from(["anyOf", "allOf", "oneOf"]),
                    st.lists(inner, min_size=1, max_size=2))
        | st.builds(lambda s: {"not": s}, inner)
    ),
    max_leaves=6,
)  # fmt: skip


@given(SCHEMAS, VALUES)
def test_answers_agree_with_another_validator(schema: dict[str, Any], value: Any) -> None:
    compiled = compile_schema(schema)
    expected = jsonschema.Draft202012Validator(schema).is_valid(value)
    assert compiled.is_valid(value) == expected
    assert (compiled.errors(value) == ()) == expected


# ------------------------------------------------------------------------------------------------------------ refusals


@pytest.mark.parametrize(
    ("schema", "says"),
    [
        ([], "expected a JSON object"),
        (None, "expected a JSON object"),
        (True, "expected a JSON object"),
        ({"type": "array"}, "the type of its root is 'array'"),
        ({"type": ["string", "null"]}, "the type of its root"),
        ({"type": "dict"}, "invalid JSON Schema at $.type"),
        ({"type": "object", "required": "a"}, "invalid JSON Schema at $.required"),
        ({"type": "object", "properties": {"a": 3}}, "invalid JSON Schema at $.properties.a"),
        ({"$schema": "http://example.invalid/mine", "type": "object"}, "names an unknown draft"),
        (with_property({"$ref": "http://example.invalid/x.json"}), "never fetched"),
        (with_property({"$ref": "https://example.invalid/x.json#/a"}), "never fetched"),
        (with_property({"$ref": "file:///etc/passwd"}), "never fetched"),
        (with_property({"$ref": "other.json"}), "never fetched"),
        ({"$id": "http://example.invalid/a", **with_property({"$ref": "b.json"})}, "never fetched"),
        (with_property({"$ref": "#/$defs/none"}), "cannot be resolved"),
        (with_property({"pattern": "(("}), "expected one that can be compiled"),
        (with_property({"pattern": "((a{1000}){1000}){1000}"}), "expected one that can be compiled"),
        (with_property({"maximum": float("nan")}), "not a JSON value"),
        (with_property({"description": "\ud800"}), "not a JSON value"),
        (nested(10_000), "nested too deeply"),
        (expanding(40), "its references expand"),
    ],
)
def test_a_schema_that_cannot_be_used_is_refused_in_words(schema: Any, says: str) -> None:
    problem = schema_problem(schema)
    assert problem is not None
    assert says in problem
    assert len(problem) < 800


def test_compiling_what_cannot_be_compiled_is_a_schema_error() -> None:
    with pytest.raises(SchemaError) as caught:
        compile_schema({"type": "dict"})
    assert caught.value.expected
    assert caught.value.do


def test_a_remote_reference_opens_no_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(0.3)
    address = f"http://127.0.0.1:{listener.getsockname()[1]}/schema.json"
    assert "never fetched" in str(schema_problem(with_property({"$ref": address})))
    with pytest.raises(TimeoutError):
        listener.accept()
    listener.close()


def test_references_inside_the_schema_are_fine() -> None:
    tree = {"type": "object", "properties": {"children": {"type": "array", "items": {"$ref": "#"}}}}
    assert schema_problem(tree) is None
    assert compile_schema(tree).is_valid({"children": [{"children": []}]})
    assert not compile_schema(tree).is_valid({"children": [{"children": 3}]})
    named = {"$defs": {"id": {"$anchor": "id", "type": "string"}}, **with_property({"$ref": "#id"})}
    assert schema_problem(named) is None
    assert schema_problem(expanding(8)) is None


# --------------------------------------------------------------------------------------------------- what could hang


@pytest.mark.parametrize("pattern", ["^(a+)+$", "^(a|aa)+$", "(x+x+)+y", "^(([a-z])+.)+[A-Z]([a-z])+$"])
def test_a_pattern_that_backtracks_for_ever_elsewhere_is_linear_here(pattern: str) -> None:
    compiled = compile_schema(with_property({"pattern": pattern}))
    started = time.process_time()
    assert not compiled.is_valid({"a": "a" * 20_000 + "!"})
    assert time.process_time() - started < 2.0


@pytest.mark.parametrize("pattern", ["^(a|aa|(?!c)a)+$", "^((?=a)a+)+$"])
def test_a_pattern_that_must_backtrack_gives_up_after_a_fixed_number_of_steps(pattern: str) -> None:
    compiled = compile_schema(with_property({"pattern": pattern}))
    started = time.process_time()
    answers = {compiled.errors({"a": "a" * 40 + "!"}) for _ in range(3)}
    assert time.process_time() - started < 2.0
    assert len(answers) == 1
    assert f"gave up after {BACKTRACK_LIMIT:,} steps" in answers.pop()[0]
    assert not compiled.is_valid({"a": "a" * 40 + "!"})
    assert compiled.is_valid({"a": "aaa"})


def test_ten_thousand_properties() -> None:
    names = [f"p{i}" for i in range(10_000)]
    schema = {
        "type": "object",
        "properties": {n: {"type": "string", "pattern": "^a"} for n in names},
        "required": names,
    }
    started = time.process_time()
    assert schema_problem(schema) is None
    assert compile_schema(schema).is_valid(dict.fromkeys(names, "ab"))
    assert len(compile_schema(schema).errors({})) == 51
    assert time.process_time() - started < 5.0


def test_deep_schemas_and_deep_values_never_crash() -> None:
    assert schema_problem(nested(100)) is None
    value: Any = "x"
    for _ in range(DEPTH_LIMIT + 1):
        value = [value]
    anything = compile_schema({})
    assert not anything.is_valid(value)
    assert "nested deeper" in anything.errors(value)[0]
    for _ in range(300_000):
        value = [value]
    assert not anything.is_valid(value)
    while isinstance(value, list):  # taken down level by level: Python's own recursion would not survive it
        value = value.pop()


def test_long_chains_of_references_take_no_recursion() -> None:
    length = 5_000
    defs: dict[str, Any] = {f"d{i}": {"$ref": f"#/$defs/d{i + 1}"} for i in range(length)}
    schema = {"$ref": "#/$defs/d0", "$defs": {**defs, f"d{length}": {"type": "object"}}}
    assert schema_problem(schema) is None
    assert compile_schema(schema).is_valid({})


# -------------------------------------------------------------------------------------------------- cache and sharing


def test_equal_content_is_compiled_once() -> None:
    assert compile_schema({"type": "object", "title": "once"}) is compile_schema({"type": "object", "title": "once"})


def test_a_changed_copy_is_another_schema() -> None:
    schema: dict[str, Any] = with_property({"type": "string"})
    assert compile_schema(schema).is_valid({"a": "x"})
    changed = copy.deepcopy(schema)
    changed["properties"]["a"]["type"] = "integer"
    assert not compile_schema(changed).is_valid({"a": "x"})
    assert compile_schema(schema).is_valid({"a": "x"})


def test_short_lived_schemas_are_not_taken_for_each_other() -> None:
    """A new dictionary may get the address of a deleted one; the cache must notice."""
    for n in range(20_000):
        assert compile_schema({"const": n % 7}).is_valid(n % 7)


def test_a_compiled_schema_survives_pickling() -> None:
    again = pickle.loads(pickle.dumps(compile_schema(with_property({"type": "string"}))))
    assert again.is_valid({"a": "x"})
    assert not again.is_valid({"a": 1})


def test_many_threads_get_the_same_answers() -> None:
    start = threading.Barrier(8)

    def work(seed: int) -> bool:
        start.wait()
        return all(
            compile_schema(with_property({"minimum": n % 50})).is_valid({"a": n % 50 - (n + seed) % 2})
            == ((n + seed) % 2 == 0)
            for n in range(400)
        )

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(8)))


@pytest.mark.parametrize("value", [{1, 2}, object(), {1: "a"}, b"bytes"])
def test_what_is_no_json_does_not_fit(value: Any) -> None:
    compiled = compile_schema({"type": "object", "properties": {"a": {"type": "string"}}})
    assert not compiled.is_valid(value)
    assert compiled.errors(value)
