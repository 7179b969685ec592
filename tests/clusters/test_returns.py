"""Returned schemas: declared if the declaration is informative, else inferred; always a valid object schema."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tdlab.pool.catalogue import ToolPool
from tdlab.records import Tool, canonical_json
from tdlab.tools import Returns, returned_fields, returned_schema, with_outputs


def tool(name: str, description: str = "", /, required: list[str] | None = None, **parameters: Any) -> Tool:
    """Return a tool of the service ``s``; parameters are schemas or names of types."""
    properties = {n: {"type": s} if isinstance(s, str) else s for n, s in parameters.items()}
    schema = {
        "type": "object",
        "properties": properties,
        "required": list(properties) if required is None else required,
    }
    return Tool(service="s", name=name, description=description, input_schema=schema)


def stripped(pool: ToolPool) -> list[list[Tool]]:
    """Return the bundled services without their output schemas."""
    return [[t.model_copy(update={"output_schema": None}) for t in service.tools] for service in pool.services]


@pytest.fixture(scope="module")
def bundled() -> ToolPool:
    return ToolPool.bundled()


def at(schema: dict[str, Any], path: tuple[str | int, ...]) -> dict[str, Any] | None:
    """Return the schema at a path, or None."""
    for part in path:
        schema = schema.get("items") if isinstance(part, int) else schema.get("properties", {}).get(part)
        if not isinstance(schema, dict):
            return None
    return schema


def test_a_declared_output_is_taken_as_it_is(bundled: ToolPool) -> None:
    for one in bundled.tools.values():
        assert returned_schema(one) == one.output_schema, one.key


@pytest.mark.parametrize(
    "vague",
    [
        None,
        {"type": "object", "properties": {"result": {"type": "string"}}, "required": ["result"]},
        {"type": "object"},
        {"type": "string"},
        {"type": "object", "properties": {"content": {"type": "array", "items": {"type": "string"}}}},
    ],
)
def test_an_output_that_says_nothing_is_inferred(vague: dict[str, Any] | None) -> None:
    one = tool("create_invoice", customer_id="string", amount="number").model_copy(update={"output_schema": vague})
    assert {"invoice_id", "customer_id", "amount"} <= set(returned_schema(one)["properties"])


def test_verbs_give_the_shape() -> None:
    read = tool("get_invoice_details", invoice_id="string")
    make = tool("create_invoice", customer_id="string", amount="number")
    many = tool("list_invoices", customer_id="string", limit="integer")
    gone = tool("delete_invoice", invoice_id="string")
    known = Returns([read, make, many, gone])
    assert {"invoice_id", "customer_id", "amount"} <= set(known.schema(read)["properties"])
    record = known.schema(many)["properties"]["invoices"]["items"]
    assert {"invoice_id", "customer_id"} <= set(record["properties"])
    assert known.schema(gone)["properties"]["deleted"] == {"type": "boolean", "const": True}
    assert "limit" not in canonical_json(known.schema(many))


def test_what_siblings_need_comes_from_who_speaks_of_it() -> None:
    user = tool("get_user", "Get a user, including their orders.", user_id="string")
    order = tool("get_order", "Get an order.", order_id="string")
    fields = {field.name: field for field in Returns([user, order]).fields(user)}
    assert fields["order_id"].entity == "order"
    back = {field.name for field in Returns([user, order]).fields(order)}
    assert "user_id" in back, "what is listed under a user knows its user"


def test_inferred_schemas_are_valid_and_hold_every_field(bundled: ToolPool) -> None:
    for tools in stripped(bundled):
        known = Returns(tools)
        for one in tools:
            schema = known.schema(one)
            jsonschema.Draft202012Validator.check_schema(schema)
            assert schema["type"] == "object"
            for field in known.fields(one):
                assert at(schema, field.path) is not None, (one.key, field.path)
                assert 0.0 < field.certainty <= 1.0


def test_described_tools_need_no_siblings(bundled: ToolPool) -> None:
    for tools in stripped(bundled)[:10]:
        known = Returns(tools)
        for before, after in zip(tools, with_outputs(tools), strict=True):
            if set(known.schema(before)["properties"]) != {"result"}:
                assert returned_schema(after) == known.schema(before)


def test_order_of_questions_does_not_matter(bundled: ToolPool) -> None:
    for tools in stripped(bundled)[:10]:
        forward, backward = Returns(tools), Returns(tools)
        a = [canonical_json(forward.schema(one)) for one in tools]
        b = [canonical_json(backward.schema(one)) for one in reversed(tools)]
        assert a == b[::-1]


ANY = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 5)
    | st.sampled_from(["string", "object", "array", "id", "[", "#/$defs/x"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["type", "items", "properties", "enum", "pattern", "$ref", "$defs", "anyOf", "minimum", "id"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(
    st.sampled_from(["get_x", "list_things", "createThing", "", "delete-all", "计算", "compute_sum", "a" * 300]),
    st.dictionaries(st.sampled_from(["id", "thing_id", "", "_", "名", "x" * 200, "url"]), ANY, max_size=4),
    ANY,
    st.text(max_size=80),
)
def test_no_schema_however_wrong_breaks_it(name: str, parameters: dict[str, Any], output: Any, text: str) -> None:
    one = Tool(
        service="s",
        name=name,
        description=text,
        input_schema={"type": "object", "properties": parameters},
        output_schema=output if isinstance(output, dict) else None,
    )
    schema = returned_schema(one)
    assert schema["type"] == "object"
    if one.output_schema is None:
        jsonschema.Draft202012Validator.check_schema(schema)
    returned_fields(one)
