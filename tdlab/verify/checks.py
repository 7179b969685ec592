"""The checks that a trajectory must pass, each a pure function with a reason for every failure (design: verification).

All of them judge the recorded messages, not the teacher's or the environment's word: the plan is followed again by a
fresh inspector, and in the simulated world every call is executed again and its result compared.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tdlab.config import VerifyConfig
from tdlab.records import CODE_TOOL, Blueprint, Call, Check, Json, Tool, Trajectory, Verdict, canonical_json
from tdlab.registry import Registry
from tdlab.rollout import (
    CODE_EXECUTOR,
    CodeRunner,
    EnvironmentFactory,
    offered_names,
    parsed,
    recorded_output,
    sha256_of,
)
from tdlab.tools import compile_schema, leaves, show
from tdlab.verify.context import CheckContext, CheckedCall
from tdlab.verify.faithfulness import check_faithful
from tdlab.verify.grounding import check_disclosure, check_grounding

__all__ = ["CHECKS", "CheckContext", "CheckFunction", "verify"]

CheckFunction = Callable[[CheckContext], str]
"""A check: why the trajectory fails it, or an empty string."""

CHECKS: Registry[CheckFunction] = Registry("tdlab.checks", "check", setting="verify.checks")
"""The checks by name: tdlab's own in the order in which they are run, then those of plug-ins."""


def verify(
    trajectory: Trajectory,
    blueprint: Blueprint,
    tools: Mapping[str, Tool],
    *,
    stopped: str = "",
    code: CodeRunner | None = None,
    config: VerifyConfig | None = None,
    environment: EnvironmentFactory | None = None,
    checks: Mapping[str, CheckFunction] = {},
) -> Verdict:
    """Check one trajectory.

    Args:
        trajectory: The trajectory.
        blueprint: The plan that it claims to follow.
        tools: Every tool that the blueprint offers, by key.
        stopped: Why its rollout was cut off; empty if it was not.
        code: What runs programs again; without it a trajectory that holds code is not accepted.
        config: Thresholds, and the names of checks besides tdlab's own; default: ``VerifyConfig()``.
        environment: What made the environment of the rollout; by default the registered one that the trajectory names.
        checks: Functions to use for names of ``config.checks`` instead of registered checks.

    Returns:
        The verdict, with each check and its reason.
    """
    config = config or VerifyConfig()
    context = CheckContext(trajectory, blueprint, tools, code, config, environment)
    made = [Check(name="completed", passed=not stopped, reason=stopped)]
    for name in dict.fromkeys((*CHECKS.own, *config.checks)):
        check = checks.get(name) or CHECKS[name]
        reason = check(context)
        made.append(Check(name=name, passed=not reason, reason=reason))
    return Verdict(trajectory=trajectory.id, checks=tuple(made))


def _dialogue(context: CheckContext) -> str:
    """Roles and calls stand where a chat API wants them."""
    messages = context.trajectory.messages
    if not messages or messages[0].role not in ("user", "system"):
        return "the conversation does not start with the user"
    if messages[-1].role != "assistant" or messages[-1].tool_calls or not messages[-1].content.strip():
        return "the conversation does not end with a reply of the assistant"
    waiting: list[str] = []
    seen: set[str] = set()
    before = ""
    for place, message in enumerate(messages):
        if message.role == "tool":
            if message.tool_call_id not in waiting:
                return f"a tool message answers {message.tool_call_id!r}, which is not waiting for an answer"
            waiting.remove(message.tool_call_id)
            before = "tool"
            continue
        if waiting:
            return f"the call {waiting[0]!r} has no result"
        if message.role == "system" and place:
            return "a system message stands inside the conversation"
        if message.role == before == "user":
            return "the user speaks twice in a row"
        if message.role == "assistant" and before not in ("user", "tool"):
            return "the assistant speaks twice in a row"
        if message.role == "user" and before == "tool":
            return "the user speaks where the assistant has to react to a result"
        for call in message.tool_calls:
            if call.id in seen:
                return f"two calls have the id {call.id!r}"
            if message.role != "assistant":
                return f"a {message.role} message makes calls"
            seen.add(call.id)
            waiting.append(call.id)
        if not message.content.strip() and not message.tool_calls:
            return f"a message of the {message.role} is empty"
        before = message.role
    return ""


def _offer(context: CheckContext) -> str:
    """The trajectory is of this blueprint, offers its tools under their names, and calls no other."""
    trajectory, blueprint = context.trajectory, context.blueprint
    if trajectory.blueprint != blueprint.id:
        return f"the trajectory is of the blueprint {trajectory.blueprint!r}, not of {blueprint.id!r}"
    if trajectory.tools != offered_names(blueprint.offered, context.tools):
        return "the tools on offer are not those of the blueprint"
    for made in context.calls:
        if made.tool is None:
            return f"{made.call.name!r} was not offered"
    return ""


def _schema(context: CheckContext) -> str:
    """The arguments of every call fit the tool's input schema."""
    for made in context.calls:
        if made.call.malformed is not None:
            return f"{made.name}: the arguments are not a JSON object"
        for problem in compile_schema(made.tool.input_schema).errors(made.call.arguments) if made.tool else ():
            return f"{made.name}: {problem}"
    return ""


def _executor(context: CheckContext) -> str:
    """Every result has an executor's receipt that fits it to the letter."""
    trajectory = context.trajectory
    receipts = {e.call_id: e for e in trajectory.executions}
    if len(receipts) != len(trajectory.executions):
        return "two receipts are for the same call"
    for made in context.calls:
        receipt = receipts.pop(made.call.id, None)
        if made.result is None:
            return f"{made.name} has no result"
        if receipt is None:
            return f"the result of {made.name} came from no executor"
        if receipt.result_sha256 != sha256_of(made.result.content):
            return f"the result of {made.name} is not what its executor returned"
        if receipt.arguments_sha256 != sha256_of(canonical_json(made.call.arguments)):
            return f"{made.name} was executed with other arguments"
        if receipt.tool != trajectory.tools.get(made.call.name) or receipt.ok == made.result.is_error:
            return f"the receipt of {made.name} is for another call"
        expected = CODE_EXECUTOR if receipt.tool == CODE_TOOL else trajectory.environment
        if receipt.executor.partition(":")[0] != expected:
            return f"{made.name} was executed by {receipt.executor!r}, not by the {expected} environment"
    return f"a receipt is for the call {next(iter(receipts))!r}, which is not in the conversation" if receipts else ""


def _replay(context: CheckContext) -> str:
    """Executing the calls again gives the same results and the same end, where the environment allows it."""
    if context.replayable is None:
        return ""
    world = context.replayable(context.blueprint, context.tools)
    for made in context.calls:
        if made.tool is None:
            return f"{made.call.name!r} was not offered, so it cannot be executed again"
        if made.tool.key == CODE_TOOL:
            continue  # `_code` does it
        again = world.call(made.tool, made.call.arguments, call_id=made.call.id)
        if made.result is None or again.text != made.result.content or again.ok == made.result.is_error:
            return f"executed again, {made.name} returns something else"
    if world.changes() != context.trajectory.state:
        return "executed again, the calls leave another end state"
    return ""


def _code(context: CheckContext) -> str:
    """Programs print again what is on record; SandboxUnavailable where the sandbox itself fails."""
    for made in context.calls:
        if made.tool is None or made.tool.key != CODE_TOOL or made.result is None:
            continue
        if context.code is None:
            return f"{made.name} was not run again: there is no sandbox"
        recorded = recorded_output(made.result.content)
        if recorded is None:
            return f"the result of {made.name} is no answer of the code tool"
        if recorded.ok == made.result.is_error:
            return f"{made.name} ended with {recorded.status}, which its message does not say"
        compared = context.code.replay(made.call.arguments, recorded)
        if not compared.same:
            where = compared.differences[0] if compared.differences else None
            told = f": {show(where.recorded)} is on record, it is {show(where.replayed)}" if where else ""
            return f"run again, {made.name} gives something else ({compared.reason}){told}"
    return ""


def _outputs(context: CheckContext) -> str:
    """Results fit the output schemas that the tools declare."""
    for made in context.calls:
        if made.tool is None or made.tool.output_schema is None or made.failed:
            continue
        answer = context.answers[made.call.id]
        for problem in compile_schema(made.tool.output_schema).errors(answer):
            return f"the result of {made.name}: {problem}"
    return ""


def _plan(context: CheckContext) -> str:
    """The blueprint's steps happened, all of them, in an order that its DAG allows, bound as planned."""
    inspector, left = context.followed
    if left:
        return left
    if inspector.missing():
        return "steps were not carried out: " + ", ".join(inspector.missing())
    if {step: list(ids) for step, ids in context.trajectory.steps.items()} != inspector.steps:
        return "the record of which calls carried out which steps is wrong"
    by_id = {made.call.id: made for made in context.calls}
    users = [n for n, message in enumerate(context.trajectory.messages) if message.role == "user"]
    turns = sorted({step.turn for step in context.blueprint.steps})
    for step in context.blueprint.steps:
        for index, planned in enumerate(step.calls):
            ids = inspector.calls_of(step.id, index)
            failed = [call_id for call_id in ids if by_id[call_id].failed]
            if step.failure is not None and (len(ids) != 2 or failed != ids[:1]):
                return f"step {step.id} was to fail once and to be tried again"
            for call_id in ids:
                made = by_id[call_id]
                if sum(place < made.position for place in users) <= turns.index(step.turn):
                    return f"step {step.id} was carried out before the user asked for it"
                if step.kind == "code":
                    reason = _works_as_planned(context, made, planned)
                    if reason:
                        return f"step {step.id}: {reason}"
                    continue
                if set(made.call.arguments) != set(planned.arguments):
                    return f"step {step.id} calls {planned.tool} with other parameters than planned"
                for parameter, binding in planned.arguments.items():
                    found, expected = made.call.arguments[parameter], context.planned(binding)
                    if found != expected or isinstance(found, bool) != isinstance(expected, bool):
                        return f"step {step.id}: {parameter} is {show(found)}, planned was {show(expected)}"
    return ""


def _works_as_planned(context: CheckContext, made: CheckedCall, planned: Call) -> str:
    """A program is the planned one, or another (a language model's) that prints all that the planned one prints."""
    expected = {parameter: context.planned(binding) for parameter, binding in planned.arguments.items()}
    if made.call.arguments == expected:
        return ""
    if context.code is None or made.result is None:
        return f"{made.name} is another program than planned, and there is no sandbox to compare them"
    wanted, given = context.code.run(expected), recorded_output(made.result.content)
    if not wanted.ok or given is None or not given.ok:
        return f"{made.name} is another program than planned and cannot be compared with it"
    shown = [leaf for _, leaf in leaves(parsed(given.stdout))]
    for name, leaf in leaves(parsed(wanted.stdout)):
        if leaf not in shown:
            return f"{made.name} is another program than planned and does not print the {name} {show(leaf)}"
    return ""


def _recovered(context: CheckContext) -> str:
    """No error is left standing: a call that failed succeeds in a later message."""
    failed: dict[str, tuple[int, str]] = {}
    for made in context.calls:
        if made.failed:
            failed[made.call.name] = made.position, made.call.id
        elif failed.get(made.call.name, (made.position, ""))[0] < made.position:
            del failed[made.call.name]
    for name, (_, call_id) in failed.items():
        answer = context.answers.get(call_id)
        message = answer.get("error", {}) if isinstance(answer, dict) else answer
        text = message.get("message", message) if isinstance(message, dict) else message
        return f"{name} failed and was not recovered: {show(text)}"
    return ""


def _end_state(context: CheckContext) -> str:
    """The world ends as the blueprint promises, where the environment is one that can be replayed."""
    trajectory = context.trajectory
    if context.replayable is None:
        return ""
    expected: dict[tuple[str, str], dict[str, Json] | None] = {}
    for promise in context.blueprint.promises:
        place = (promise.entity, str(context.planned(promise.identity)))
        if promise.kind == "absent":
            expected[place] = None
        else:
            fields = {field: context.planned(binding) for field, binding in promise.fields.items()}
            expected[place] = {**(expected.get(place) or {}), **fields}
    for (entity, identity), wanted in expected.items():
        if identity not in trajectory.state.get(entity, {}):
            return f"nothing happened to the {entity} {identity!r}, which was promised"
        actual = trajectory.state[entity][identity]
        if (wanted is None) != (actual is None):
            return f"the {entity} {identity!r} is {'gone' if actual is None else 'still there'}, against the promise"
        for field, value in (wanted or {}).items():
            if actual.get(field) != value:
                return f"the {entity} {identity!r} has {field} {show(actual.get(field))}, promised was {show(value)}"
    return ""


for _name, _check in {
    "dialogue": _dialogue,
    "offer": _offer,
    "schema": _schema,
    "grounding": check_grounding,
    "executor": _executor,
    "replay": _replay,
    "code": _code,
    "outputs": _outputs,
    "plan": _plan,
    "disclosure": check_disclosure,
    "faithful": check_faithful,
    "recovered": _recovered,
    "end_state": _end_state,
}.items():
    CHECKS.register(_name)(_check)
