"""The targets of ``$ref``: one rule for checking, planning, mining and inventing values."""

from __future__ import annotations

import random
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tdlab.blueprints import plan
from tdlab.errors import BlueprintError
from tdlab.records import BusinessCluster, Tool
from tdlab.tools import compile_schema, make_value
from tdlab.tools.parameters import parameters_of
from tdlab.tools.references import References, inlined, objects_in, refers

WHOLE: dict[str, Any] = {
    "$defs": {
        "a/b": {"const": 1},
        "a~b": {"const": 2},
        "a b": {"const": 3},
        "~1": {"const": 4},
        "": {"const": 5},
        "a": {"b": {"const": 6}},
        "ü": {"const": 7},
        "named": {"$anchor": "here", "const": 8},
        "other": {"$id": "item.json", "const": 9, "$defs": {"part": {"const": 10}}},
    },
    "anyOf": [{"const": 11}, {"oneOf": [{"const": 12}]}],
}


@pytest.mark.parametrize(
    ("reference", "value"),
    [
        ("#/$defs/a~1b", 1),
        ("#/$defs/a~0b", 2),
        ("#/$defs/a%20b", 3),
        ("#/%24defs/a%20b", 3),
        ("#/$defs/~01", 4),
        ("#/$defs/", 5),
        ("#/$defs/a%2Fb", 6),  # decoded first, then parted: RFC 6901, section 6
        ("#/$defs/%C3%BC", 7),
        ("#here", 8),
        ("item.json", 9),
        ("item.json#/$defs/part", 10),
        ("#/anyOf/0", 11),
        ("#/anyOf/1/oneOf/0", 12),
    ],
)
def test_a_reference_leads_where_the_standard_says(reference: str, value: int) -> None:
    target = References(WHOLE).target(reference)
    assert isinstance(target, dict)
    assert target["const"] == value
    assert compile_schema({**WHOLE, "properties": {"x": {"$ref": reference}}, "anyOf": [{}, {"oneOf": [{}]}]})


@pytest.mark.parametrize(
    "reference",
    [
        "https://example.com/schema.json", "other.json#/a", "#/$defs/none", "#/anyOf/2", "#/anyOf/-", "#/anyOf/00",
        "#/anyOf/-1", "#/anyOf/١", "#/anyOf/" + "9" * 5000, "#/anyOf/0/const/x", "#nowhere", "/$defs/a",
        "#/$defs/a~1b/",
    ],
)  # fmt: skip
def test_a_reference_to_nowhere_or_elsewhere_leads_to_nothing(reference: str) -> None:
    assert References(WHOLE).target(reference) is None


def test_the_whole_schema_is_a_target() -> None:
    assert References(WHOLE).target("#") is WHOLE


@given(st.recursive(st.integers(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)), st.data())
def test_every_place_of_a_document_can_be_pointed_at(document: Any, data: st.DataObject) -> None:
    place, pointer = document, "#"
    while isinstance(place, (list, dict)) and place and data.draw(st.booleans()):
        key = data.draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
        place = place[key]
        pointer += "/" + quote(str(key).replace("~", "~0").replace("/", "~1"), safe="", errors="surrogatepass")
    root = document if isinstance(document, dict) else {}
    if root:
        assert References(root).target(pointer) == place


def test_references_are_written_out_with_what_stands_beside_them() -> None:
    schema = {
        "properties": {
            "start": {"type": "string", "format": "date", "description": "First day"},
            "end": {"$ref": "#/properties/start", "description": "Last day"},
        }
    }
    assert refers(schema)
    assert inlined(schema)["properties"]["end"] == {"type": "string", "format": "date", "description": "Last day"}


def test_names_of_properties_and_data_are_not_taken_for_keywords() -> None:
    schema = {
        "$defs": {"x": {"type": "string"}},
        "properties": {
            "definitions": {"$ref": "#/$defs/x"},
            "$ref": {"type": "string"},
            "properties": {"type": "null"},
        },
        "default": {"$ref": "#/$defs/x", "definitions": 1},
    }
    assert inlined(schema) == {
        "properties": {"definitions": {"type": "string"}, "$ref": {"type": "string"}, "properties": {"type": "null"}},
        "default": {"$ref": "#/$defs/x", "definitions": 1},
    }


def test_what_leads_back_into_itself_or_elsewhere_is_any_value() -> None:
    tree = {"type": "object", "properties": {"child": {"$ref": "#"}, "far": {"$ref": "https://example.com/a"}}}
    assert inlined(tree) == {
        "type": "object",
        "properties": {
            "child": {"type": "object", "properties": {"child": {}, "far": {}}},
            "far": {},
        },
    }
    ring = {"properties": {"a": {"$ref": "#/properties/b"}, "b": {"$ref": "#/properties/a"}}}
    assert inlined(ring) == {"properties": {"a": {}, "b": {}}}


def test_writing_out_has_a_bound() -> None:
    """Each definition refers three times to the next (3**30 values); others form a chain of a thousand."""
    wide: dict[str, Any] = {
        f"d{n}": {"properties": {p: {"$ref": f"#/$defs/d{n + 1}"} for p in "abc"}} for n in range(30)
    }
    assert sum(1 for _ in objects_in(inlined({"$ref": "#/$defs/d0", "$defs": wide}))) <= 20_000
    chain = {f"d{n}": {"$ref": f"#/$defs/d{n + 1}"} for n in range(1000)}
    assert inlined({"properties": {"a": {"$ref": "#/$defs/d0"}}, "$defs": chain}) == {"properties": {"a": {}}}


# ----------------------------------------------------------------------------------------------- tools that use them

COLOUR = {
    "type": "array",
    "prefixItems": [{"type": "number", "minimum": 0, "maximum": 1}] * 4,
    "minItems": 4,
    "maxItems": 4,
}
STOP = {"type": "object", "required": ["colour"], "properties": {"colour": COLOUR}, "additionalProperties": False}
TOOLS: dict[str, dict[str, Any]] = {
    "one or several, by the branch of an alternative": {
        "entries": {
            "anyOf": [STOP, {"type": "array", "items": {"$ref": "#/properties/entries/anyOf/0"}, "minItems": 1}]
        }
    },
    "a parameter like a branch of another": {
        "left": {"anyOf": [{"anyOf": [{"type": "string"}, {"type": "object"}]}, {"type": "array", "items": {}}]},
        "right": {"anyOf": [{"$ref": "#/properties/left/anyOf/0"}, {"$ref": "#/properties/left/anyOf/1"}]},
    },
    "a list of what another parameter is": {
        "first": {"anyOf": [{"type": "array", "items": {"enum": ["x", "y"]}}, {"type": "null"}]},
        "more": {"type": "array", "items": {"$ref": "#/properties/first/anyOf/0/items"}, "minItems": 1},
    },
    "a name in need of encoding": {
        "a b": {"type": "object", "required": ["c/d"], "properties": {"c/d": {"type": "integer"}}},
        "same": {"$ref": "#/properties/a%20b/properties/c~1d"},
    },
    "seven levels down": {
        "config": {
            "type": "object",
            "required": ["views"],
            "properties": {
                "views": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "required": ["sections"],
                        "properties": {
                            "sections": {
                                "type": "array",
                                "items": {
                                    "type": "object",
                                    "required": ["cards"],
                                    "properties": {
                                        "cards": {
                                            "type": "array",
                                            "items": {
                                                "anyOf": [
                                                    {
                                                        "type": "object",
                                                        "required": ["kind"],
                                                        "properties": {"kind": {"const": "tile"}},
                                                    }
                                                ]
                                            },
                                        }
                                    },
                                },
                            }
                        },
                    },
                }
            },
        },
        "card": {
            "$ref": "#/properties/config/properties/views/items/properties/sections/items/properties/cards/items"
            "/anyOf/0"
        },
    },
}


def usable(tool: Tool) -> None:
    """The schema compiles, each parameter gets a valid value, and a plan is coherent."""
    compiled = compile_schema(tool.input_schema)
    cluster = BusinessCluster(id="c", tools=(tool.key,), dependencies=(), domains={})
    for seed in range(10):
        rng = random.Random(seed)
        made = {p: make_value(rng, p, schema, root=tool.input_schema) for p, schema in tool.parameters.items()}
        assert compiled.errors({p: made[p] for p in tool.required}) == ()
        assert plan(cluster, {tool.key: tool}, seed=seed).steps
    assert not any(refers(schema) for schema in parameters_of(tool).values())


@pytest.mark.parametrize("trait", TOOLS)
def test_tools_with_references_are_usable(trait: str) -> None:
    schema = {"type": "object", "properties": TOOLS[trait], "required": list(TOOLS[trait])}
    usable(Tool(service="desk", name="create_entry", description="Create an entry.", input_schema=schema))


def test_a_reference_that_leaves_the_schema_is_reported() -> None:
    with pytest.raises(BlueprintError, match=r"refers to 'https://example.com/a', which is not in it"):
        make_value(random.Random(1), "x", {"$ref": "https://example.com/a"})


def test_a_value_of_too_many_parts_is_refused() -> None:
    schema: dict[str, Any] = {"$ref": "#/$defs/v0", "$defs": {}}
    for level in range(6):
        below = {"type": "string"} if level == 5 else {"$ref": f"#/$defs/v{level + 1}"}
        names = [f"p{n}" for n in range(20)]
        schema["$defs"][f"v{level}"] = {"type": "object", "properties": dict.fromkeys(names, below), "required": names}
    with pytest.raises(BlueprintError, match="more than 20000 parts"):
        make_value(random.Random(1), "x", schema)
