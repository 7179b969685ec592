"""Fault injection: known corruptions of verified trajectories, each with the checks that must catch it.

A fault is a function (trajectory, blueprint, tools) -> corrupted trajectory, or None if it does not apply. Like a
forger who covers their tracks, a fault adapts the receipts to a forged result.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from tdlab.records import (
    Blueprint,
    Execution,
    FromResult,
    FromUser,
    Message,
    Tool,
    ToolCall,
    Trajectory,
    canonical_json,
)
from tdlab.rollout.environments import sha256_of
from tdlab.tools.phrases import label

Apply = Callable[[Trajectory, Blueprint, Mapping[str, Tool]], Trajectory | None]


class Fault(NamedTuple):
    """A corruption, and the checks of which at least one must fail."""

    name: str
    caught_by: frozenset[str]
    apply: Apply


FAULTS: list[Fault] = []


def fault(*checks: str) -> Callable[[Apply], Apply]:
    """Register a corruption that one of ``checks`` must catch."""

    def register(apply: Apply) -> Apply:
        FAULTS.append(Fault(apply.__name__, frozenset(checks), apply))
        return apply

    return register


# ------------------------------------------------------------------------------------------------------------ helpers


def with_messages(trajectory: Trajectory, messages: list[Message]) -> Trajectory:
    return trajectory.model_copy(update={"messages": tuple(messages)})


def with_call(trajectory: Trajectory, old: ToolCall, **changed: Any) -> Trajectory:
    """Change one call, and adapt its receipt to the new arguments."""
    new = old.model_copy(update=changed)
    messages = [
        m.model_copy(update={"tool_calls": tuple(new if c.id == old.id else c for c in m.tool_calls)})
        if any(c.id == old.id for c in m.tool_calls)
        else m
        for m in trajectory.messages
    ]
    executions = tuple(
        e.model_copy(update={"arguments_sha256": sha256_of(canonical_json(new.arguments))})
        if e.call_id == old.id
        else e
        for e in trajectory.executions
    )
    return with_messages(trajectory, messages).model_copy(update={"executions": executions})


def with_result(trajectory: Trajectory, call_id: str, content: str, *, receipt: bool) -> Trajectory:
    """Replace the result of a call, with or without a forged receipt."""
    messages = [
        m.model_copy(update={"content": content}) if m.tool_call_id == call_id else m for m in trajectory.messages
    ]
    executions = tuple(
        e.model_copy(update={"result_sha256": sha256_of(content)}) if receipt and e.call_id == call_id else e
        for e in trajectory.executions
    )
    return with_messages(trajectory, messages).model_copy(update={"executions": executions})


def without_call(trajectory: Trajectory, call_id: str) -> Trajectory:
    """Remove one call, its result and its receipt."""
    messages = []
    for m in trajectory.messages:
        if m.tool_call_id == call_id:
            continue
        left = tuple(c for c in m.tool_calls if c.id != call_id)
        if m.tool_calls and not left:
            continue
        messages.append(m.model_copy(update={"tool_calls": left}))
    return with_messages(trajectory, messages).model_copy(
        update={
            "executions": tuple(e for e in trajectory.executions if e.call_id != call_id),
            "steps": {
                s: kept for s, ids in trajectory.steps.items() if (kept := tuple(i for i in ids if i != call_id))
            },
        }
    )


def good_calls(trajectory: Trajectory) -> list[ToolCall]:
    failed = {m.tool_call_id for m in trajectory.messages if m.role == "tool" and m.is_error}
    return [call for call in trajectory.calls() if call.id not in failed]


def scalar_argument(trajectory: Trajectory, kind: type) -> tuple[ToolCall, str, Any] | None:
    for call in good_calls(trajectory):
        for name, value in call.arguments.items():
            if type(value) is kind and value not in ("", None):
                return call, name, value
    return None


# ---------------------------------------------------------------------------------------------------------- arguments


@fault("grounding", "plan", "schema")
def argument_altered_by_one_character(t: Trajectory, _: Blueprint, __: Mapping[str, Tool]) -> Trajectory | None:
    found = scalar_argument(t, str)
    if found is None:
        return None
    call, name, value = found
    other = value[:-1] + ("a" if value[-1] != "a" else "b")
    return with_call(t, call, arguments={**call.arguments, name: other})


@fault("grounding", "plan", "schema")
def argument_altered_by_one(t: Trajectory, _: Blueprint, __: Mapping[str, Tool]) -> Trajectory | None:
    found = scalar_argument(t, int)
    if found is None:
        return None
    call, name, value = found
    return with_call(t, call, arguments={**call.arguments, name: value + 1})


@fault("grounding", "plan")
def argument_flag_turned(t: Trajectory, _: Blueprint, __: Mapping[str, Tool]) -> Trajectory | None:
    found = scalar_argument(t, bool)
    if found is None:
        return None
    call, name, value = found
    return with_call(t, call, arguments={**call.arguments, name: not value})


@fault("grounding")
def value_that_nobody_said(t: Trajectory, b: Blueprint, _: Mapping[str, Tool]) -> Trajectory | None:
    """Cut a value that a call uses out of the user's messages."""
    for call in t.calls():
        for value in call.arguments.values():
            told = (
                isinstance(value, str)
                and len(value) >= 6
                and any(m.role == "tool" and value in m.content for m in t.messages)
            )
            said = [m for m in t.messages if m.role == "user" and isinstance(value, str) and value in m.content]
            if not isinstance(value, str) or len(value) < 6 or told or not said:
                continue
            messages = [
                m.model_copy(update={"content": m.content.replace(value, "that one")}) if m.role == "user" else m
                for m in t.messages
            ]
            return with_messages(t, messages)
    return None


@fault("grounding")
def value_said_inside_a_longer_one(t: Trajectory, b: Blueprint, tools: Mapping[str, Tool]) -> Trajectory | None:
    for _, _, call in b.calls():
        for name, binding in call.arguments.items():
            value = binding.value if isinstance(binding, FromUser) else None
            default = tools[call.tool].parameters[name].get("default")
            if (
                type(value) is not int
                or value < 2
                or value == default
                or not any(f" {value}" in m.content for m in t.messages)
            ):
                continue
            elsewhere = sum(str(value) in m.content for m in t.messages if m.role == "tool")
            if elsewhere:
                continue
            messages = [
                m.model_copy(update={"content": m.content.replace(f" {value}", f" 9{value}7")})
                if m.role == "user"
                else m
                for m in t.messages
            ]
            return with_messages(t, messages)
    return None


@fault("schema")
def argument_of_a_wrong_type(t: Trajectory, _: Blueprint, tools: Mapping[str, Tool]) -> Trajectory | None:
    for call in good_calls(t):
        tool = tools[t.tools[call.name]]
        for name in call.arguments:
            if tool.parameters[name].get("type") in ("string", "integer", "number"):
                return with_call(t, call, arguments={**call.arguments, name: [call.arguments[name]]})
    return None


@fault("schema", "plan")
def required_argument_left_out(t: Trajectory, _: Blueprint, tools: Mapping[str, Tool]) -> Trajectory | None:
    for call in good_calls(t):
        for name in tools[t.tools[call.name]].required:
            return with_call(t, call, arguments={k: v for k, v in call.arguments.items() if k != name})
    return None


@fault("schema", "plan")
def argument_added(t: Trajectory, _: Blueprint, __: Mapping[str, Tool]) -> Trajectory | None:
    call = next(iter(good_calls(t)), None)
    return with_call(t, call, arguments={**call.arguments, "not_a_parameter": 1}) if call else None


@fault("schema")
def arguments_that_are_no_object(t: Trajectory, _: Blueprint, __: Mapping[str, Tool]) -> Trajectory | None:
    call = next(iter(good_calls(t)), None)
    return with_call(t, call, arguments={}, malformed="[1, 2") if call else None


# ------------------------------------------------------------------------------------------------------------- results


@fault("executor")
def result_altered(t: Trajectory, _: Blueprint, __: Mapping[str, Tool]) -> Trajectory | None:
    call = next(iter(good_calls(t)), None)
    result = t.results().get(call.id) if call else None
    return with_result(t, call.id, result.content + " ", receipt=False) if call and result else None


@fault("replay")
def result_and_receipt_forged(t: Trajectory, _: Blueprint, __: Mapping[str, Tool]) -> Trajectory | None:
    for call in good_calls(t):
        answer = json.loads(t.results()[call.id].content)
        name = next((n for n, v in answer.items() if isinstance(v, str)), None)
        if name is not None:
            return with_result(t, call.id, canonical_json({**answer, name: answer[name] + "x"}), receipt=True)
    return None


@fault("outputs")
def result_that_breaks_its_schema(t: Trajectory, _: Blueprint, tools: Mapping[str, Tool]) -> Trajectory | None:
    for call in good_calls(t):
        schema = tools[t.tools[call.name]].output_schema or {}
        if schema.get("required"):
            return with_result(t, call.id, "{}", receipt=True)
    return None


@fault("replay")
def failure_passed_off_as_success(t: Trajectory, _: Blueprint, __: Mapping[str, Tool]) -> Trajectory | None:
    failed = next((m for m in t.messages if m.role == "tool" and m.is_error), None)
    if failed is None:
        return None
    messages = [m.model_copy(update={"is_error": False}) if m is failed else m for m in t.messages]
    executions = tuple(
        e.model_copy(update={"ok": True}) if e.call_id == failed.tool_call_id else e for e in t.executions
    )
    return with_messages(t, messages).model_copy(update={"executions": executions})


@fault("dialogue", "executor")
def result_missing(t: Trajectory, _: Blueprint, __: Mapping[str, Tool]) -> Trajectory | None:
    last = next((m for m in reversed(t.messages) if m.role == "tool"), None)
    return with_messages(t, [m for m in t.messages if m is not last]) if last else None


# ------------------------------------------------------------------------------------------------------------ receipts


@fault("executor")
def receipt_missing(t: Trajectory, _: Blueprint, __: Mapping[str, Tool]) -> Trajectory | None:
    return t.model_copy(update={"executions": t.executions[:-1]}) if t.executions else None


@fault("executor")
def receipt_of_another_call(t: Trajectory, _: Blueprint, __: Mapping[str, Tool]) -> Trajectory | None:
    if len(t.executions) < 2:
        return None
    first, second, *rest = t.executions
    swapped = [
        first.model_copy(update={"call_id": second.call_id}),
        second.model_copy(update={"call_id": first.call_id}),
        *rest,
    ]
    return t.model_copy(update={"executions": tuple(swapped)})


@fault("executor")
def receipt_twice(t: Trajectory, _: Blueprint, __: Mapping[str, Tool]) -> Trajectory | None:
    return t.model_copy(update={"executions": (*t.executions, t.executions[0])}) if t.executions else None


@fault("executor")
def receipt_of_a_call_never_made(t: Trajectory, _: Blueprint, __: Mapping[str, Tool]) -> Trajectory | None:
    if not t.executions:
        return None
    extra: Execution = t.executions[0].model_copy(update={"call_id": "call_999"})
    return t.model_copy(update={"executions": (*t.executions, extra)})


@fault("executor")
def receipt_of_another_executor(t: Trajectory, _: Blueprint, __: Mapping[str, Tool]) -> Trajectory | None:
    changed = tuple(e.model_copy(update={"executor": "live:elsewhere"}) for e in t.executions[:1])
    return t.model_copy(update={"executions": (*changed, *t.executions[1:])}) if changed else None


# --------------------------------------------------------------------------------------------------------------- steps


@fault("plan", "grounding", "replay")
def steps_swapped_against_the_plan(t: Trajectory, b: Blueprint, _: Mapping[str, Tool]) -> Trajectory | None:
    """Swap a step with the step that it takes a value from, each with its results."""
    for step in b.steps:
        for needed in {v.step for c in step.calls for v in c.arguments.values() if isinstance(v, FromResult)}:
            ids = t.steps.get(needed, ()), t.steps.get(step.id, ())
            if len(ids[0]) != 1 or len(ids[1]) != 1:
                continue
            blocks = [
                [m for m in t.messages if m.tool_call_id == i or any(c.id == i for c in m.tool_calls)]
                for i in (ids[0][0], ids[1][0])
            ]
            if any(len(block) != 2 for block in blocks):
                continue
            order = list(t.messages)
            places = [order.index(block[0]) for block in blocks]
            for place, block in zip(places, reversed(blocks), strict=True):
                order[place : place + 2] = block
            return with_messages(t, order)
    return None


@fault("plan")
def step_dropped(t: Trajectory, b: Blueprint, _: Mapping[str, Tool]) -> Trajectory | None:
    ids = [i for step in b.steps if step.failure is None for i in t.steps.get(step.id, ())]
    return without_call(t, ids[-1]) if ids else None


@fault("plan")
def call_added(t: Trajectory, _: Blueprint, __: Mapping[str, Tool]) -> Trajectory | None:
    """Add a call that is executed and receipted like the others."""
    call = next(iter(good_calls(t)), None)
    if call is None:
        return None
    place = next(n for n, m in enumerate(t.messages) if m.tool_call_id == call.id)
    extra = call.model_copy(update={"id": "call_extra"})
    result = t.messages[place].model_copy(update={"tool_call_id": "call_extra"})
    while t.messages[place + 1].role == "tool":
        place += 1
    messages = list(t.messages)
    messages[place + 1 : place + 1] = [Message(role="assistant", tool_calls=(extra,)), result]
    receipt = next(e for e in t.executions if e.call_id == call.id).model_copy(update={"call_id": "call_extra"})
    return with_messages(t, messages).model_copy(update={"executions": (*t.executions, receipt)})


@fault("offer")
def call_to_a_tool_not_offered(t: Trajectory, _: Blueprint, __: Mapping[str, Tool]) -> Trajectory | None:
    call = next(iter(good_calls(t)), None)
    return with_call(t, call, name="drop_all_tables") if call else None


@fault("offer")
def tools_on_offer_exchanged(t: Trajectory, _: Blueprint, __: Mapping[str, Tool]) -> Trajectory | None:
    used = {call.name for call in t.calls()}
    spare = next((name for name in t.tools if name not in used), None)
    return t.model_copy(update={"tools": {n: k for n, k in t.tools.items() if n != spare}}) if spare else None


@fault("offer")
def blueprint_of_another(t: Trajectory, _: Blueprint, __: Mapping[str, Tool]) -> Trajectory | None:
    return t.model_copy(update={"blueprint": "0123456789abcdef"})


@fault("plan")
def steps_recorded_wrongly(t: Trajectory, _: Blueprint, __: Mapping[str, Tool]) -> Trajectory | None:
    return t.model_copy(update={"steps": dict(list(t.steps.items())[:-1])}) if t.steps else None


@fault("plan", "recovered", "replay")
def failure_not_recovered(t: Trajectory, b: Blueprint, _: Mapping[str, Tool]) -> Trajectory | None:
    """Remove the retry of a failed call."""
    for step in b.steps:
        ids = t.steps.get(step.id, ())
        if step.failure is not None and len(ids) == 2:
            return without_call(t, ids[1])
    return None


@fault("plan", "replay")
def failure_that_never_happened(t: Trajectory, b: Blueprint, _: Mapping[str, Tool]) -> Trajectory | None:
    for step in b.steps:
        ids = t.steps.get(step.id, ())
        if step.failure is not None and len(ids) == 2:
            return without_call(t, ids[0])
    return None


@fault("plan")
def carried_out_before_it_was_asked_for(t: Trajectory, b: Blueprint, _: Mapping[str, Tool]) -> Trajectory | None:
    """Move the user's last request behind the calls that it led to."""
    users = [n for n, m in enumerate(t.messages) if m.role == "user"]
    turns = {step.turn for step in b.steps}
    if len(users) != len(turns) or len(users) < 2 or not any(m.tool_calls for m in t.messages[users[-1] :]):
        return None
    messages = list(t.messages)
    request = messages.pop(users[-1])
    messages.insert(len(messages) - 1, request)
    return with_messages(t, messages)


# ---------------------------------------------------------------------------------------------------------------- state


@fault("end_state", "replay")
def end_state_differs(t: Trajectory, _: Blueprint, __: Mapping[str, Tool]) -> Trajectory | None:
    for entity, records in t.state.items():
        for name, record in records.items():
            if isinstance(record, dict) and record:
                field = next(iter(record))
                changed = {**t.state, entity: {**records, name: {**record, field: "something else"}}}
                return t.model_copy(update={"state": changed})
    return None


@fault("end_state")
def promised_change_missing(t: Trajectory, b: Blueprint, _: Mapping[str, Tool]) -> Trajectory | None:
    return t.model_copy(update={"state": {}}) if t.state and b.promises else None


@fault("end_state")
def still_there_after_it_was_deleted(t: Trajectory, b: Blueprint, _: Mapping[str, Tool]) -> Trajectory | None:
    for promise in b.promises:
        gone = {n for n, record in t.state.get(promise.entity, {}).items() if record is None}
        if promise.kind == "absent" and gone:
            kept = {n: {} if n in gone else r for n, r in t.state[promise.entity].items()}
            return t.model_copy(update={"state": {**t.state, promise.entity: kept}})
    return None


# ------------------------------------------------------------------------------------------------------------- dialogue


@fault("dialogue")
def roles_out_of_order(t: Trajectory, _: Blueprint, __: Mapping[str, Tool]) -> Trajectory | None:
    return with_messages(t, [*t.messages[1:], t.messages[0]])


@fault("dialogue")
def no_reply_at_the_end(t: Trajectory, _: Blueprint, __: Mapping[str, Tool]) -> Trajectory | None:
    return with_messages(t, list(t.messages[:-1]))


@fault("dialogue")
def empty_reply(t: Trajectory, _: Blueprint, __: Mapping[str, Tool]) -> Trajectory | None:
    return with_messages(t, [*t.messages[:-1], t.messages[-1].model_copy(update={"content": "  "})])


@fault("dialogue")
def two_calls_of_one_id(t: Trajectory, _: Blueprint, __: Mapping[str, Tool]) -> Trajectory | None:
    calls = list(t.calls())
    if len(calls) < 2:
        return None
    first, second = calls[0].id, calls[1].id
    messages = [
        m.model_copy(
            update={
                "tool_call_id": first if m.tool_call_id == second else m.tool_call_id,
                "tool_calls": tuple(c.model_copy(update={"id": first}) if c.id == second else c for c in m.tool_calls),
            }
        )
        for m in t.messages
    ]
    return with_messages(t, messages)


@fault("dialogue")
def call_made_by_the_user(t: Trajectory, _: Blueprint, __: Mapping[str, Tool]) -> Trajectory | None:
    place = next((n for n, m in enumerate(t.messages) if m.tool_calls), None)
    if place is None:
        return None
    messages = list(t.messages)
    messages[place] = messages[place].model_copy(update={"role": "user"})
    return with_messages(t, messages)


@fault("dialogue")
def assistant_talks_to_itself(t: Trajectory, _: Blueprint, __: Mapping[str, Tool]) -> Trajectory | None:
    return with_messages(t, [*t.messages, Message(role="assistant", content="And one more thing.")])


# ----------------------------------------------------------------------------------------------------------- disclosure


@fault("disclosure")
def confirmation_skipped(t: Trajectory, b: Blueprint, _: Mapping[str, Tool]) -> Trajectory | None:
    """Remove both the question for permission and its answer."""
    if not any(step.kind == "confirm" for step in b.steps):
        return None
    place = next(
        (n for n, m in enumerate(t.messages) if m.role == "assistant" and "Shall I go ahead?" in m.content), None
    )
    return with_messages(t, [*t.messages[:place], *t.messages[place + 2 :]]) if place is not None else None


@fault("disclosure")
def confirmation_denied(t: Trajectory, b: Blueprint, _: Mapping[str, Tool]) -> Trajectory | None:
    """Let the user say no to an act that is done nevertheless."""
    if not any(step.kind == "confirm" for step in b.steps):
        return None
    place = next(
        (n for n, m in enumerate(t.messages) if m.role == "assistant" and "Shall I go ahead?" in m.content), None
    )
    if place is None:
        return None
    words = ("No, please leave that as it is.", "Please don't do that.", "Ok, no, stop!", "Yes... wait, do not do it.")
    messages = list(t.messages)
    messages[place + 1] = Message(role="user", content=words[len(t.messages) % len(words)])
    return with_messages(t, messages)


@fault("disclosure")
def question_not_asked(t: Trajectory, b: Blueprint, _: Mapping[str, Tool]) -> Trajectory | None:
    """Let the user give a value without being asked for it."""
    labels = [ask.label for step in b.steps for ask in step.asks]
    place = next(
        (n for n, m in enumerate(t.messages) if labels and m.role == "assistant" and f"the {labels[0]}" in m.content),
        None,
    )
    if place is None:
        return None
    answer = t.messages[place + 1].content
    messages = [*t.messages[:place], *t.messages[place + 2 :]]
    first = messages[0]
    messages[0] = first.model_copy(update={"content": f"{first.content} {answer}"})
    return with_messages(t, messages)


@fault("disclosure")
def said_before_it_was_asked_for(t: Trajectory, b: Blueprint, _: Mapping[str, Tool]) -> Trajectory | None:
    for _, _, call in b.calls():
        for binding in call.arguments.values():
            if isinstance(binding, FromUser) and binding.when == "if_asked" and isinstance(binding.value, str):
                if len(binding.value) < 8:
                    continue
                first = t.messages[0]
                early = first.model_copy(
                    update={"content": f"{first.content} The {label(binding.slot)} is {binding.value}."}
                )
                return with_messages(t, [early, *t.messages[1:]])
    return None


@fault("disclosure")
def claims_to_have_done_the_impossible(t: Trajectory, b: Blueprint, _: Mapping[str, Tool]) -> Trajectory | None:
    if not any(step.kind == "refuse" for step in b.steps):
        return None
    return with_messages(t, [*t.messages[:-1], Message(role="assistant", content="Done, that went through.")])


@fault("disclosure", "dialogue")
def impossible_request_never_made(t: Trajectory, b: Blueprint, _: Mapping[str, Tool]) -> Trajectory | None:
    if not any(step.kind == "refuse" for step in b.steps) or len(t.messages) < 4:
        return None
    return with_messages(t, list(t.messages[:-2]))


# ------------------------------------------------------------------------------------------------------------- faithful


def reworded(t: Trajectory, pattern: str, change: Callable[[re.Match[str]], str]) -> Trajectory | None:
    """Change the first match of the pattern in the assistant's messages."""
    for n, message in enumerate(t.messages):
        if message.role == "assistant" and (found := re.search(pattern, message.content)):
            said = message.content[: found.start()] + change(found) + message.content[found.end() :]
            return with_messages(
                t, [*t.messages[:n], message.model_copy(update={"content": said}), *t.messages[n + 1 :]]
            )
    return None


@fault("faithful")
def reply_with_another_identifier(t: Trajectory, b: Blueprint, _: Mapping[str, Tool]) -> Trajectory | None:
    return reworded(
        t, r"\b[a-z]{2,4}[-_][a-z0-9]{6,}\b(?<=\d)", lambda found: found[0][:-1] + str(9 - int(found[0][-1]))
    )


@fault("faithful")
def reply_with_another_day(t: Trajectory, b: Blueprint, _: Mapping[str, Tool]) -> Trajectory | None:
    return reworded(t, r"\b20\d\d-\d\d-\d\d", lambda found: "1987" + found[0][4:])


@fault("faithful")
def reply_with_another_amount(t: Trajectory, b: Blueprint, _: Mapping[str, Tool]) -> Trajectory | None:
    return reworded(t, r"(?<= )\d{4,7}(?=[,;.)])", lambda found: str(3 * int(found[0]) + 1777))


@fault("faithful")
def reply_that_quotes_what_was_not_there(t: Trajectory, b: Blueprint, _: Mapping[str, Tool]) -> Trajectory | None:
    return reworded(t, r'"[^"]{4,60}"', lambda found: '"a parcel for the moon"')


@fault("faithful")
def reply_that_makes_up_an_address(t: Trajectory, b: Blueprint, _: Mapping[str, Tool]) -> Trajectory | None:
    last = t.messages[-1]
    said = f"{last.content} A copy went to nobody@nowhere.example."
    return with_messages(t, [*t.messages[:-1], last.model_copy(update={"content": said})])
