"""Test what the assistant says: values must be known, but sums, conversions and counts are allowed."""

from __future__ import annotations

import json

import pytest

from tdlab.records import Blueprint, Message, Persona, Tool, ToolCall, Trajectory
from tdlab.verify import CHECKS, CheckContext

TOOL = Tool(
    service="shop", name="get_order", description="Returns an order, by ISO8601 dates.", input_schema={"type": "object"}
)
RESULT = {
    "order_id": "ord_7fk2", "total_cents": 123450, "placed_on": "2026-03-02", "note": 'He said "leave it" there',
    "lines": [{"cents": 100000}, {"cents": 20450}, {"cents": 3000}], "weight_g": 2500,
}  # fmt: skip


def faithful(reply: str) -> str:
    messages = (
        Message(role="user", content="What is in order ord_7fk2 of ada@example.org? My budget is 1,000 euros."),
        Message(role="assistant", tool_calls=(ToolCall(id="c1", name="get_order", arguments={"id": "ord_7fk2"}),)),
        Message(role="tool", content=json.dumps(RESULT), tool_call_id="c1"),
        Message(role="assistant", content=reply),
    )
    blueprint = Blueprint(
        id="b", cluster="c", seed=1, intent="", persona=Persona(name="Ada", role="r"), steps=(), offered=()
    )
    trajectory = Trajectory(id="t", messages=messages, tools={"get_order": TOOL.key}, blueprint="b")
    return CHECKS["faithful"](CheckContext(trajectory, blueprint, {TOOL.key: TOOL}))


@pytest.mark.parametrize(
    "reply",
    [
        "Order ord_7fk2 comes to 123450 cents.",
        "Order ORD_7FK2 comes to 1,234.50 euros, placed on 2026-03-02.",
        "The first two lines make 120,450.",
        "That is 122450 more than a thousand.",
        "All three lines together: 123450.",
        "It weighs 2.5 kg and has 3 lines, in 12 boxes.",
        'The note says "leave it".',
        "Dates are given in ISO8601.",
        "I wrote to ada@example.org.",
        "x",
    ],
)
def test_what_follows_from_the_conversation_may_be_said(reply: str) -> None:
    assert faithful(reply) == ""


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        ("Order ord_7fk3 is on its way.", "ord_7fk3"),
        ("It comes to 9,999 euros.", "9,999"),
        ("It was placed on 2026-03-05.", "2026-03-05"),
        ('The note says "burn it".', "burn it"),
        ("I wrote to bob@example.org.", "bob@example.org"),
        ("See https://example.org/track.", "https://example.org/track"),
    ],
)
def test_what_is_made_up_is_caught_by_name(reply: str, said: str) -> None:
    assert said in faithful(reply)


def test_what_is_returned_later_does_not_count_yet() -> None:
    early = Message(role="assistant", content="That order is ord_9zz9.")
    late = Message(role="tool", content='{"order_id": "ord_9zz9"}', tool_call_id="c1")
    call = Message(role="assistant", tool_calls=(ToolCall(id="c1", name="get_order"),))
    messages = (Message(role="user", content="Which order?"), early, Message(role="user", content="Go on."), call, late)
    blueprint = Blueprint(
        id="b", cluster="c", seed=1, intent="", persona=Persona(name="Ada", role="r"), steps=(), offered=()
    )
    trajectory = Trajectory(id="t", messages=messages, tools={"get_order": TOOL.key}, blueprint="b")
    assert "ord_9zz9" in CHECKS["faithful"](CheckContext(trajectory, blueprint, {TOOL.key: TOOL}))
