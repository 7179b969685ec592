"""Every kind of problem in a plan is reported under its own code."""

from __future__ import annotations

from typing import Any

import pytest

from tdlab.blueprints import checked, violations
from tdlab.errors import BlueprintError
from tdlab.records import Ask, Binding, Blueprint, Call, Constant, Failure, FromResult, FromUser, Persona, Step, Tool

MAKE = Tool(
    service="desk", name="make_note",
    input_schema={"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]},
    output_schema={"type": "object", "properties": {"note_id": {"type": "string"}}},
)  # fmt: skip
SEND = Tool(
    service="desk", name="send_note",
    input_schema={"type": "object", "properties": {"note_id": {"type": "string"}}, "required": ["note_id"]},
)  # fmt: skip
TOOLS = {tool.key: tool for tool in (MAKE, SEND)}


def call(tool: str, /, **arguments: Binding) -> Call:
    return Call(tool=f"desk/{tool}", arguments=arguments)


def step(number: int, *calls: Call, kind: str = "call", **fields: Any) -> Step:
    return Step(id=f"s{number}", kind=kind, calls=calls, **fields)


def blueprint(*steps: Step, offered: tuple[str, ...] = tuple(TOOLS)) -> Blueprint:
    persona = Persona(name="Ada", role="tester")
    return Blueprint(id="b", cluster="c", seed=0, intent="", persona=persona, steps=steps, offered=offered)


TEXT = FromUser(slot="text", value="hello")
NOTE = FromResult(step="s1", path=("note_id",))
FIRST = step(1, call("make_note", text=TEXT))
SECOND = step(2, call("send_note", note_id=NOTE))

WRONG: dict[str, tuple[str, tuple[Step, ...]]] = {
    "no step": ("empty", ()),
    "two steps of one id": ("duplicate_step", (FIRST, FIRST)),
    "a step that is not there": ("unknown_step", (FIRST, step(2, call("make_note", text=TEXT), after=("s9",)))),
    "an order in a circle": ("cycle", (SECOND, FIRST)),
    "a turn that goes back": ("turn_order", (FIRST.model_copy(update={"turn": 1}), SECOND)),
    "two calls in one": ("calls", (step(1, *FIRST.calls, *FIRST.calls),)),
    "a batch of one": ("calls", (step(1, *FIRST.calls, kind="parallel"),)),
    "code without a call": ("calls", (FIRST, step(2, kind="code", request="1 + 1"))),
    "code of a business": ("code", (FIRST, step(2, FIRST.calls[0], kind="code", request="1 + 1"))),
    "an ask for nothing": ("ask", (FIRST, step(2, kind="ask"))),
    "a refusal of nothing": ("refuse", (step(1, kind="refuse"),)),
    "a yes to nothing": ("confirm", (FIRST, step(2, kind="confirm", about="s7"))),
    "a batch that fails": (
        "failure",
        (step(1, *FIRST.calls, *FIRST.calls, kind="parallel", failure=Failure(code="x", message="y")),),
    ),
    "a tool not on offer": ("unknown_tool", (step(1, call("burn_note")),)),
    "nothing bound": ("unbound", (step(1, call("make_note")),)),
    "a value of a wrong type": ("schema", (step(1, call("make_note", text=Constant(value=5))),)),
    "a value of no parameter's": ("schema", (step(1, call("make_note", text=Constant(value=None))),)),
    "a call that is not there": (
        "no_such_call",
        (FIRST, step(2, call("send_note", note_id=NOTE.model_copy(update={"call": 3})))),
    ),
    "a path that is not there": (
        "no_such_path",
        (FIRST, step(2, call("send_note", note_id=NOTE.model_copy(update={"path": ("note", 0)})))),
    ),
    "a secret nobody asks for": (
        "never_asked",
        (step(1, call("make_note", text=TEXT.model_copy(update={"when": "if_asked"}))),),
    ),
    "a secret asked for too late": (
        "asked_late",
        (
            step(0, kind="ask", asks=(Ask(slot="text", label="text"),)),
            step(1, call("make_note", text=TEXT.model_copy(update={"when": "if_asked"}))),
        ),
    ),
}


def test_a_coherent_plan_has_no_violation() -> None:
    assert violations(blueprint(FIRST, SECOND), TOOLS) == ()


@pytest.mark.parametrize(("code", "steps"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_named(code: str, steps: tuple[Step, ...]) -> None:
    found = violations(blueprint(*steps), TOOLS)
    assert code in {violation.code for violation in found}, found
    assert all(violation.message for violation in found)
    with pytest.raises(BlueprintError) as caught:
        checked(blueprint(*steps), TOOLS)
    assert caught.value.expected
    assert caught.value.do


def test_a_tool_that_is_called_has_to_be_offered() -> None:
    found = violations(blueprint(FIRST, offered=("desk/send_note",)), TOOLS)
    assert [violation.code for violation in found] == ["unknown_tool"]
