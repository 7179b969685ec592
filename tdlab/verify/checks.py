"""The checks that a trajectory must pass, each a pure function with a reason for every failure (design: verification).

All of them judge the recorded messages, not the teacher's or the environment's word: the plan is followed again by a
fresh inspector, and in the simulated world every call is executed again and its result compared.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from typing import NamedTuple

from tdlab.blueprints.wording import label, leaves, mentions
from tdlab.pool.schema import compile_schema
from tdlab.records import (
    Blueprint,
    Check,
    Json,
    Literally,
    Message,
    Observed,
    Said,
    Tool,
    ToolCall,
    Trajectory,
    Verdict,
    canonical_json,
)
from tdlab.rollout._reporting import value_at
from tdlab.rollout.engine import Inspector
from tdlab.rollout.simulated import SimulatedEnvironment

__all__ = ["CHECKS", "Evidence", "verify"]


class Evidence(NamedTuple):
    """What verification looks at: a trajectory, the blueprint it claims to follow, and the tools by key."""

    trajectory: Trajectory
    blueprint: Blueprint
    tools: Mapping[str, Tool]

    def tool_of(self, call: ToolCall) -> Tool | None:
        """The tool that a call names, or None where it was not offered."""
        return self.tools.get(self.trajectory.tools.get(call.name, ""))


def verify(trajectory: Trajectory, blueprint: Blueprint, tools: Mapping[str, Tool], *, stopped: str = "") -> Verdict:
    """All checks on one trajectory. ``stopped`` is why its rollout was cut off, if it was."""
    evidence = Evidence(trajectory, blueprint, tools)
    checks = [Check(name="completed", passed=not stopped, reason=stopped)]
    for name, check in CHECKS.items():
        reason = check(evidence)
        checks.append(Check(name=name, passed=not reason, reason=reason))
    return Verdict(trajectory=trajectory.id, checks=tuple(checks))


def _dialogue(evidence: Evidence) -> str:
    """Roles and calls stand where a chat API wants them."""
    messages = evidence.trajectory.messages
    if not messages or messages[0].role not in ("user", "system"):
        return "the conversation does not start with the user"
    if messages[-1].role != "assistant" or messages[-1].tool_calls or not messages[-1].content:
        return "the conversation does not end with a reply of the assistant"
    waiting: list[str] = []
    seen: set[str] = set()
    for message in messages:
        if message.role == "tool":
            if message.tool_call_id not in waiting:
                return f"a tool message answers {message.tool_call_id!r}, which is not waiting for an answer"
            waiting.remove(message.tool_call_id)
            continue
        if waiting:
            return f"the call {waiting[0]!r} has no result"
        for call in message.tool_calls:
            if call.id in seen:
                return f"two calls have the id {call.id!r}"
            if message.role != "assistant":
                return f"a {message.role} message makes calls"
            seen.add(call.id)
            waiting.append(call.id)
        if message.role == "assistant" and not message.content and not message.tool_calls:
            return "an assistant message is empty"
    return ""


def _schema(evidence: Evidence) -> str:
    """Every call names an offered tool and its arguments fit the tool's input schema."""
    for call in evidence.trajectory.calls():
        tool = evidence.tool_of(call)
        if tool is None:
            return f"{call.name!r} was not offered"
        if call.malformed is not None:
            return f"{call.name}: the arguments are not a JSON object"
        for problem in compile_schema(tool.input_schema).errors(call.arguments):
            return f"{call.name}: {problem}"
    return ""


def _grounding(evidence: Evidence) -> str:
    """Every argument's value was said by the user, returned by an earlier call, or is fixed by the schema."""
    said: list[str] = []
    returned: list[str] = []
    values: set[str] = set()
    for message in evidence.trajectory.messages:
        if message.role == "user":
            said.append(message.content)
        elif message.role == "tool" and not message.is_error:
            returned.append(message.content)
            values |= {canonical_json(value) for _, value in leaves(_parsed(message.content))}
        for call in message.tool_calls:
            tool = evidence.tool_of(call)
            text = "\n".join(said)
            for parameter, value in call.arguments.items():
                schema = tool.parameters.get(parameter, {}) if tool is not None else {}
                if ("default" in schema and schema["default"] == value) or (
                    "const" in schema and schema["const"] == value
                ):
                    continue
                for name, leaf in leaves(value, parameter):
                    if canonical_json(leaf) in values or mentions(text, name, leaf):
                        continue
                    if isinstance(leaf, str) and len(leaf) >= 4 and any(leaf in r for r in returned):
                        continue
                    return f"{call.name}.{parameter} is {_show(leaf)}, which nobody said and no call returned"
    return ""


def _executor(evidence: Evidence) -> str:
    """Every result has an executor's receipt that fits it to the letter."""
    receipts = {e.call_id: e for e in evidence.trajectory.executions}
    if len(receipts) != len(evidence.trajectory.executions):
        return "two receipts are for the same call"
    results = evidence.trajectory.results()
    for call in evidence.trajectory.calls():
        receipt, result = receipts.pop(call.id, None), results.get(call.id)
        if result is None:
            return f"{call.name} ({call.id}) has no result"
        if receipt is None:
            return f"the result of {call.name} ({call.id}) came from no executor"
        if receipt.result_sha256 != _sha256(result.content):
            return f"the result of {call.name} ({call.id}) is not what its executor returned"
        if receipt.arguments_sha256 != _sha256(canonical_json(call.arguments)):
            return f"{call.name} ({call.id}) was executed with other arguments"
        if receipt.tool != evidence.trajectory.tools.get(call.name) or receipt.ok == result.is_error:
            return f"the receipt of {call.name} ({call.id}) is for another call"
    return f"a receipt is for the call {next(iter(receipts))!r}, which is not in the conversation" if receipts else ""


def _replay(evidence: Evidence) -> str:
    """In the simulated world: executing the calls again gives the same results and the same end."""
    trajectory = evidence.trajectory
    if trajectory.environment != "simulated":
        return ""
    world = SimulatedEnvironment(evidence.blueprint, evidence.tools)
    results = trajectory.results()
    for call in trajectory.calls():
        tool = evidence.tool_of(call)
        if tool is None:
            return f"{call.name!r} was not offered"
        again = world.call(tool, call.arguments, call_id=call.id)
        recorded = results.get(call.id)
        if recorded is None or again.text != recorded.content:
            return f"executed again, {call.name} ({call.id}) returns something else"
    if world.changes() != trajectory.state:
        return "executed again, the calls leave another end state"
    return ""


def _outputs(evidence: Evidence) -> str:
    """Results fit the output schemas that the tools declare."""
    results = evidence.trajectory.results()
    for call in evidence.trajectory.calls():
        tool, result = evidence.tool_of(call), results.get(call.id)
        if tool is None or tool.output_schema is None or result is None or result.is_error:
            continue
        for problem in compile_schema(tool.output_schema).errors(_parsed(result.content)):
            return f"the result of {call.name} ({call.id}): {problem}"
    return ""


def _plan(evidence: Evidence) -> str:
    """The blueprint's steps happened, all of them, in an order that its DAG allows, bound as planned."""
    inspector = Inspector(evidence.blueprint)
    by_id = {call.id: call for call in evidence.trajectory.calls()}
    for call in by_id.values():
        left = inspector.admit(evidence.trajectory.tools.get(call.name, call.name), call.id)
        if left:
            return left
    if inspector.missing():
        return "steps were not carried out: " + ", ".join(inspector.missing())
    results = evidence.trajectory.results()
    retried = _retried(evidence.blueprint)
    for step in evidence.blueprint.steps:
        ids = inspector.steps.get(step.id, [])
        if step.failure is not None and len(ids) < 2:
            return f"step {step.id} was to be tried again after its failure"
        for index, planned in enumerate(step.calls):
            for call_id in ids if step.kind == "call" else ids[index : index + 1]:
                arguments = by_id[call_id].arguments
                if set(arguments) != set(planned.arguments):
                    return f"step {step.id} calls {planned.tool} with other parameters than planned"
                for parameter, binding in planned.arguments.items():
                    expected = _expected(binding, inspector, results, retried)
                    if arguments[parameter] != expected:
                        return f"step {step.id}: {parameter} is {_show(arguments[parameter])}, planned was {_show(expected)}"
    return ""


def _disclosure(evidence: Evidence) -> str:
    """What the user tells only if asked is asked for, and what needs a yes gets one before it happens."""
    messages = evidence.trajectory.messages
    position = {call.id: n for n, m in enumerate(messages) for call in m.tool_calls}
    for step in evidence.blueprint.steps:
        if step.kind == "ask":
            for ask in step.asks:
                if not any(
                    m.role == "assistant" and f"the {ask.label}" in m.content and "?" in m.content for m in messages
                ):
                    return f"the assistant never asks for the {ask.label}"
        elif step.kind == "refuse":
            if messages[-1].role != "assistant" or "can't" not in messages[-1].content:
                return "the request that no tool can serve was not declined"
        elif step.kind == "confirm":
            calls = evidence.trajectory.steps.get(str(step.about), ())
            first = position.get(calls[0], 0) if calls else 0
            asked = [
                n
                for n, m in enumerate(messages[:first])
                if m.role == "assistant" and m.content.lower().endswith("shall i go ahead?")
            ]
            if not asked or not any(m.role == "user" for m in messages[asked[-1] : first]):
                return f"step {step.about} was carried out without a yes"
    hidden = {
        b.slot: (label(b.slot), p, b.value)
        for _, _, call in evidence.blueprint.calls()
        for p, b in call.arguments.items()
        if isinstance(b, Said) and b.when == "if_asked"
    }
    open_values = [
        b.value
        for _, _, call in evidence.blueprint.calls()
        for b in call.arguments.values()
        if isinstance(b, Said) and b.when == "at_once"
    ]
    first_words = next((m.content for m in messages if m.role == "user"), "")
    for name, parameter, value in hidden.values():
        if (
            isinstance(value, str)
            and len(value) >= 8
            and value not in open_values
            and mentions(first_words, parameter, value)
        ):
            return f"the user said the {name} before being asked"
    return ""


def _recovered(evidence: Evidence) -> str:
    """No error is left standing: a call that failed succeeds later."""
    results = evidence.trajectory.results()
    failed: dict[str, str] = {}
    for call in evidence.trajectory.calls():
        result = results.get(call.id)
        if result is not None and result.is_error:
            failed[call.name] = result.content
        else:
            failed.pop(call.name, None)
    for name, text in failed.items():
        message = value_at(text, ("error", "message"))
        return f"{name} failed and was not recovered: {_show(message if isinstance(message, str) else text)}"
    return ""


def _end_state(evidence: Evidence) -> str:
    """The simulated world ends as the blueprint promises."""
    trajectory = evidence.trajectory
    if trajectory.environment != "simulated":
        return ""
    inspector = Inspector(evidence.blueprint)
    for call in trajectory.calls():
        inspector.admit(trajectory.tools.get(call.name, call.name), call.id)
    results, retried = trajectory.results(), _retried(evidence.blueprint)
    expected: dict[tuple[str, str], dict[str, Json] | None] = {}
    for promise in evidence.blueprint.promises:
        identity = _expected(promise.identity, inspector, results, retried)
        place = (promise.entity, str(identity))
        if promise.kind == "absent":
            expected[place] = None
        else:
            fields = {f: _expected(b, inspector, results, retried) for f, b in promise.fields.items()}
            expected[place] = {**(expected.get(place) or {}), **fields}
    for (entity, identity), wanted in expected.items():
        if identity not in trajectory.state.get(entity, {}):
            return f"nothing happened to the {entity} {identity!r}, which was promised"
        actual = trajectory.state[entity][identity]
        if (wanted is None) != (actual is None):
            return f"the {entity} {identity!r} is {'gone' if actual is None else 'still there'}, against the promise"
        for field, value in (wanted or {}).items():
            if actual.get(field) != value:
                return f"the {entity} {identity!r} has {field} {_show(actual.get(field))}, promised was {_show(value)}"
    return ""


CHECKS: dict[str, Callable[[Evidence], str]] = {
    "dialogue": _dialogue,
    "schema": _schema,
    "grounding": _grounding,
    "executor": _executor,
    "replay": _replay,
    "outputs": _outputs,
    "plan": _plan,
    "disclosure": _disclosure,
    "recovered": _recovered,
    "end_state": _end_state,
}
"""The checks by name, in the order in which they are run; each returns why it fails, or an empty string."""


def _expected(
    binding: Literally | Said | Observed, inspector: Inspector, results: Mapping[str, Message], retried: frozenset[str]
) -> Json:
    if not isinstance(binding, Observed):
        return binding.value
    ids = inspector.steps.get(binding.step, [])
    if not ids:
        return None
    message = results.get(ids[-1] if binding.step in retried else ids[binding.call])
    found = value_at(message.content, binding.path) if message is not None else None
    return [found] if binding.as_list else found


def _retried(blueprint: Blueprint) -> frozenset[str]:
    return frozenset(step.id for step in blueprint.steps if step.failure is not None)


def _parsed(text: str) -> Json:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _show(value: Json) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 80 else text[:77] + "..."
