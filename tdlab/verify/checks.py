"""The checks that a trajectory must pass, each a pure function that returns the reason of a failure.

All checks read the recorded messages and trust neither the teacher nor the environment. A new inspector follows the
plan, and calls of a replayable environment are executed again and their results compared.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tdlab.config import VerifyConfig
from tdlab.records import CODE_TOOL, Blueprint, Call, Check, Json, TaskScript, Tool, Trajectory, Verdict, canonical_json
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
from tdlab.tools import compile_schema, leaves, preview
from tdlab.verify.context import CheckContext, CheckedCall
from tdlab.verify.faithfulness import check_faithful
from tdlab.verify.grounding import check_disclosure, check_grounding
from tdlab.verify.outcomes import check_consent, check_goals, check_sources, check_told, check_tried_again
from tdlab.verify.stories import check_destroyed, check_served, check_values

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
    """Run every check on one trajectory.

    Args:
        trajectory: The trajectory.
        blueprint: The plan that it claims to follow.
        tools: Every tool that the blueprint offers, by key.
        stopped: Why its rollout was stopped before its end; empty if it was not.
        code: Re-runs programs; without it, a trajectory with programs is rejected.
        config: Thresholds, and the names of checks besides tdlab's own; by default ``VerifyConfig()``.
        environment: The factory of the rollout's environment; by default the registered one that the trajectory names.
        checks: Functions to use for names of ``config.checks`` instead of registered checks.

    Returns:
        The verdict, with each check and its reason.

    Raises:
        SandboxUnavailable: The sandbox fails while a program is re-run.

    Example:
        >>> import tdlab
        >>> with tdlab.open_run("runs/first") as run:
        ...     candidate = next(run.store.accepted())
        ...     tools = {tool.key: tool for tool in run.store.tools()}
        >>> verify(candidate.trajectory, candidate.blueprint, tools).accepted
        True
    """
    config = config or VerifyConfig()
    context = CheckContext(trajectory, blueprint, tools, code, config, environment)
    results = [Check(name="completed", passed=not stopped, reason=stopped)]
    for name in dict.fromkeys((*CHECKS.own, *config.checks)):
        check = checks.get(name) or CHECKS[name]
        reason = check(context)
        results.append(Check(name=name, passed=not reason, reason=reason))
    return Verdict(trajectory=trajectory.id, checks=tuple(results))


def _check_dialogue(context: CheckContext) -> str:
    """Check that roles and calls are in an order that chat APIs accept."""
    messages = context.trajectory.messages
    if not messages or messages[0].role not in ("user", "system"):
        return "the conversation does not start with the user"
    if messages[-1].role != "assistant" or messages[-1].tool_calls or not messages[-1].content.strip():
        return "the conversation does not end with a reply of the assistant"
    open_calls: list[str] = []
    call_ids: set[str] = set()
    previous = ""
    for index, message in enumerate(messages):
        if message.role == "tool":
            if message.tool_call_id not in open_calls:
                return f"a tool message answers {message.tool_call_id!r}, which is not waiting for an answer"
            open_calls.remove(message.tool_call_id)
            previous = "tool"
            continue
        if open_calls:
            return f"the call {open_calls[0]!r} has no result"
        if message.role == "system" and index:
            return "a system message is not the first message"
        if message.role == previous == "user":
            return "the user speaks twice in a row"
        if message.role == "assistant" and previous not in ("user", "tool"):
            return "the assistant speaks twice in a row"
        if message.role == "user" and previous == "tool":
            return "the user speaks before the assistant reacts to a result"
        for call in message.tool_calls:
            if call.id in call_ids:
                return f"two calls have the id {call.id!r}"
            if message.role != "assistant":
                return f"a {message.role} message makes calls"
            call_ids.add(call.id)
            open_calls.append(call.id)
        if not message.content.strip() and not message.tool_calls:
            return f"a message of the {message.role} is empty"
        previous = message.role
    return ""


def _check_offer(context: CheckContext) -> str:
    """Check that the trajectory is of this blueprint, offers its tools under their names, and calls no other."""
    trajectory, blueprint = context.trajectory, context.blueprint
    if trajectory.blueprint != blueprint.id:
        return f"the trajectory is of the blueprint {trajectory.blueprint!r}, not of {blueprint.id!r}"
    if trajectory.tools != offered_names(blueprint.offered, context.tools):
        return "the offered tools are not those of the blueprint"
    for checked in context.calls:
        if checked.tool is None:
            return f"{checked.call.name!r} was not offered"
    return ""


def _check_schema(context: CheckContext) -> str:
    """Check the arguments of every call against the tool's input schema."""
    for checked in context.calls:
        if checked.call.malformed is not None:
            return f"{checked.name}: the arguments are not a JSON object"
        for problem in compile_schema(checked.tool.input_schema).errors(checked.call.arguments) if checked.tool else ():
            return f"{checked.name}: {problem}"
    return ""


def _check_executor(context: CheckContext) -> str:
    """Check that every result has a receipt of its executor with the same hashes."""
    trajectory = context.trajectory
    receipts = {e.call_id: e for e in trajectory.executions}
    if len(receipts) != len(trajectory.executions):
        return "two receipts are for the same call"
    for checked in context.calls:
        receipt = receipts.pop(checked.call.id, None)
        if checked.result is None:
            return f"{checked.name} has no result"
        if receipt is None:
            return f"the result of {checked.name} has no receipt of an executor"
        if receipt.result_sha256 != sha256_of(checked.result.content):
            return f"the result of {checked.name} is not what its executor returned"
        if receipt.arguments_sha256 != sha256_of(canonical_json(checked.call.arguments)):
            return f"{checked.name} was executed with other arguments"
        if receipt.tool != trajectory.tools.get(checked.call.name) or receipt.ok == checked.result.is_error:
            return f"the receipt of {checked.name} is for another call"
        expected = CODE_EXECUTOR if receipt.tool == CODE_TOOL else trajectory.environment
        if receipt.executor.partition(":")[0] != expected:
            return f"{checked.name} was executed by {receipt.executor!r}, not by the {expected} environment"
    return f"a receipt is for the call {next(iter(receipts))!r}, which is not in the conversation" if receipts else ""


def _check_replay(context: CheckContext) -> str:
    """Check that executing the calls again gives the same results and end state, if the environment allows it."""
    if context.replayed is None:
        return ""
    for checked in context.calls:
        if checked.tool is None:
            return f"{checked.call.name!r} was not offered, so it cannot be executed again"
        if checked.tool.key == CODE_TOOL:
            continue  # `_check_code` re-runs it
        repeated = context.replayed.results[checked.call.id]
        if checked.result is None or repeated.text != checked.result.content or repeated.ok == checked.result.is_error:
            return f"executed again, {checked.name} returns something else"
    if context.replayed.changes != context.trajectory.state:
        return "executed again, the calls leave another end state"
    return ""


def _check_code(context: CheckContext) -> str:
    """Check that a re-run of each program prints the recorded output; SandboxUnavailable if the sandbox fails."""
    for checked in context.calls:
        if checked.tool is None or checked.tool.key != CODE_TOOL or checked.result is None:
            continue
        if context.code is None:
            return f"{checked.name} was not re-run: there is no sandbox"
        recorded = recorded_output(checked.result.content)
        if recorded is None:
            return f"the result of {checked.name} does not have the form of the code tool's results"
        if recorded.ok == checked.result.is_error:
            return f"{checked.name} ended with {recorded.status}, which its message does not say"
        comparison = context.code.replay(checked.call.arguments, recorded)
        if not comparison.same:
            difference = comparison.differences[0] if comparison.differences else None
            detail = (
                f": recorded {preview(difference.recorded)}, now {preview(difference.replayed)}" if difference else ""
            )
            return f"a re-run of {checked.name} gives another result ({comparison.reason}){detail}"
    return ""


def _check_outputs(context: CheckContext) -> str:
    """Check results against the output schemas that the tools declare."""
    for checked in context.calls:
        if checked.tool is None or checked.tool.output_schema is None or checked.failed:
            continue
        answer = context.answers[checked.call.id]
        for problem in compile_schema(checked.tool.output_schema).errors(answer):
            return f"the result of {checked.name}: {problem}"
    return ""


def _check_plan(context: CheckContext) -> str:
    """Check that all steps were executed, in an order that the DAG allows, with the planned values."""
    inspector, deviation = context.followed
    if deviation:
        return deviation
    if inspector.missing():
        return "steps were not executed: " + ", ".join(inspector.missing())
    if {step: list(ids) for step, ids in context.trajectory.steps.items()} != inspector.steps:
        return "the record of the calls of each step is wrong"
    calls_by_id = {checked.call.id: checked for checked in context.calls}
    user_positions = [n for n, message in enumerate(context.trajectory.messages) if message.role == "user"]
    turns = sorted({step.turn for step in context.blueprint.steps})
    for step in context.blueprint.steps:
        for index, planned_call in enumerate(step.calls):
            ids = inspector.calls_of(step.id, index)
            failed = [call_id for call_id in ids if calls_by_id[call_id].failed]
            if step.failure is not None and (len(ids) != 2 or failed != ids[:1]):
                return f"step {step.id} should fail once and be retried once"
            for call_id in ids:
                checked = calls_by_id[call_id]
                if sum(position < checked.position for position in user_positions) <= turns.index(step.turn):
                    return f"step {step.id} was executed before the user asked for it"
                if step.kind == "code":
                    reason = _works_as_planned(context, checked, planned_call)
                    if reason:
                        return f"step {step.id}: {reason}"
                    continue
                if set(checked.call.arguments) != set(planned_call.arguments):
                    return f"step {step.id} calls {planned_call.tool} with other parameters than planned"
                for parameter, binding in planned_call.arguments.items():
                    actual, expected = checked.call.arguments[parameter], context.planned(binding)
                    if actual != expected or isinstance(actual, bool) != isinstance(expected, bool):
                        return f"step {step.id}: {parameter} is {preview(actual)} instead of {preview(expected)}"
    return ""


def _works_as_planned(context: CheckContext, checked: CheckedCall, planned: Call) -> str:
    """Check that a program is the planned one, or another (of a language model) that prints all its values."""
    expected = {parameter: context.planned(binding) for parameter, binding in planned.arguments.items()}
    if checked.call.arguments == expected:
        return ""
    if context.code is None or checked.result is None:
        return f"{checked.name} is another program than planned, and there is no sandbox to compare them"
    planned_run, recorded_run = context.code.run(expected), recorded_output(checked.result.content)
    if not planned_run.ok or recorded_run is None or not recorded_run.ok:
        return f"{checked.name} is another program than planned and cannot be compared with it"
    printed = [leaf for _, leaf in leaves(parsed(recorded_run.stdout))]
    for name, leaf in leaves(parsed(planned_run.stdout)):
        if leaf not in printed:
            return f"{checked.name} is another program than planned and does not print the {name} {preview(leaf)}"
    return ""


def _check_recovered(context: CheckContext) -> str:
    """Check that every tool that failed succeeds in a later message."""
    open_failures: dict[str, tuple[int, str]] = {}
    for checked in context.calls:
        if checked.failed:
            open_failures[checked.call.name] = checked.position, checked.call.id
        elif open_failures.get(checked.call.name, (checked.position, ""))[0] < checked.position:
            del open_failures[checked.call.name]
    for name, (_, call_id) in open_failures.items():
        answer = context.answers.get(call_id)
        message = answer.get("error", {}) if isinstance(answer, dict) else answer
        text = message.get("message", message) if isinstance(message, dict) else message
        return f"{name} failed and was not recovered: {preview(text)}"
    return ""


def _check_end_state(context: CheckContext) -> str:
    """Check that the end state keeps the promises of the blueprint, if the environment can be replayed."""
    trajectory = context.trajectory
    if context.replayable is None:
        return ""
    expected: dict[tuple[str, str], dict[str, Json] | None] = {}
    for promise in context.blueprint.promises:
        key = (promise.entity, str(context.planned(promise.identity)))
        if promise.kind == "absent":
            expected[key] = None
        else:
            fields = {field: context.planned(binding) for field, binding in promise.fields.items()}
            expected[key] = {**(expected.get(key) or {}), **fields}
    for (entity, identity), promised in expected.items():
        if identity not in trajectory.state.get(entity, {}):
            return f"nothing happened to the {entity} {identity!r}, against the promise"
        actual = trajectory.state[entity][identity]
        if (promised is None) != (actual is None):
            return f"the {entity} {identity!r} {'is gone' if actual is None else 'still exists'}, against the promise"
        for field, value in (promised or {}).items():
            if actual.get(field) != value:
                return f"the {entity} {identity!r} has {field} {preview(actual.get(field))} instead of {preview(value)}"
    return ""


def _by_kind(
    plan: CheckFunction, script: Callable[[CheckContext, TaskScript], str], story: CheckFunction
) -> CheckFunction:
    """Judge a task on executable worlds and one whose story a model wrote by the outcome, any other by its plan."""

    def chosen(context: CheckContext) -> str:
        if context.blueprint.script is not None:
            return script(context, context.blueprint.script)
        return story(context) if context.blueprint.story else plan(context)

    return chosen


for _name, _check in {
    "dialogue": _check_dialogue,
    "offer": _check_offer,
    "schema": _check_schema,
    "grounding": _by_kind(check_grounding, check_sources, check_values),
    "executor": _check_executor,
    "replay": _check_replay,
    "code": _check_code,
    "outputs": _check_outputs,
    "plan": _by_kind(_check_plan, check_told, check_served),
    "disclosure": _by_kind(check_disclosure, check_consent, check_destroyed),
    "faithful": check_faithful,
    "recovered": _by_kind(_check_recovered, lambda context, _: check_tried_again(context), check_tried_again),
    "end_state": _by_kind(_check_end_state, check_goals, lambda context: ""),
}.items():
    CHECKS.register(_name)(_check)
