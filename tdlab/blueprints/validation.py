"""Validation of blueprints: the DAG, the bindings, the schemas and the dialogue.

`violations` returns everything that is wrong, as data; `checked` raises an error instead. Plans and mutations are
checked before use, so no contradictory plan reaches a teacher.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from tdlab.blueprints.templates import gaps_of, printed_schema
from tdlab.errors import BlueprintError
from tdlab.records import CODE_TOOL, Blueprint, Call, FromResult, FromTemplate, FromUser, Json, Record, Step, Tool
from tdlab.tools import CompiledSchema, cached_per_tool, compile_schema, returned_schema, schema_at

if TYPE_CHECKING:
    import networkx as nx

__all__ = ["Violation", "ancestors", "as_graph", "checked", "schema_for_some", "violations"]


class Violation(Record):
    """One problem of a blueprint: a stable ``code``, the id of the step, and a message."""

    code: str
    step: str
    message: str


def as_graph(blueprint: Blueprint) -> nx.DiGraph[str]:
    """Return the DAG of a blueprint's steps.

    Args:
        blueprint: The plan.

    Returns:
        A networkx graph. Nodes are step ids with ``kind``, ``turn`` and ``tools``; edges have ``kind`` (``data`` or
        ``order``) and ``label``.

    Example:
        >>> from tdlab.records import BusinessCluster, Tool
        >>> schema = {"type": "object", "properties": {"title": {"type": "string"}}, "required": ["title"]}
        >>> tools = {"notes/create_note": Tool(service="notes", name="create_note", input_schema=schema)}
        >>> cluster = BusinessCluster(id="notes", tools=tuple(tools), dependencies=(), domains={}, title="Notes")
        >>> as_graph(plan(cluster, tools, seed=1)).nodes["s1"]
        {'kind': 'call', 'turn': 0, 'tools': ['notes/create_note']}
    """
    import networkx as nx

    graph: nx.DiGraph[str] = nx.DiGraph()
    for step in blueprint.steps:
        graph.add_node(step.id, kind=step.kind, turn=step.turn, tools=[call.tool for call in step.calls])
    for step in blueprint.steps:
        for before in step.after:
            graph.add_edge(before, step.id, kind="order", label="")
        for call in step.calls:
            for parameter, binding in call.arguments.items():
                for source in binding.inputs.values() if isinstance(binding, FromTemplate) else (binding,):
                    if isinstance(source, FromResult):
                        path = ".".join(map(str, source.path))
                        graph.add_edge(source.step, step.id, kind="data", label=f"{path} -> {parameter}")
    return graph


def ancestors(blueprint: Blueprint) -> dict[str, frozenset[str]]:
    """Return the ids of all steps that must come before each step, in the order of ``steps``."""
    before_step: dict[str, frozenset[str]] = {}
    for step in blueprint.steps:
        before: set[str] = set()
        for needed in step.needs():
            before.add(needed)
            before |= before_step.get(needed, frozenset())
        before_step[step.id] = frozenset(before)
    return before_step


def checked(blueprint: Blueprint, tools: Mapping[str, Tool]) -> Blueprint:
    """Return a blueprint unchanged, or raise an error if it is not coherent.

    Args:
        blueprint: The plan.
        tools: Every tool that it offers, by key.

    Returns:
        The same blueprint.

    Raises:
        BlueprintError: If there are violations, with the first five.

    Example:
        >>> from tdlab.records import BusinessCluster, Tool
        >>> schema = {"type": "object", "properties": {"title": {"type": "string"}}, "required": ["title"]}
        >>> tools = {"notes/create_note": Tool(service="notes", name="create_note", input_schema=schema)}
        >>> cluster = BusinessCluster(id="notes", tools=tuple(tools), dependencies=(), domains={}, title="Notes")
        >>> blueprint = plan(cluster, tools, seed=1)
        >>> checked(blueprint, tools) is blueprint
        True
    """
    problems = violations(blueprint, tools)
    if problems:
        raise BlueprintError(
            "the plan is not coherent: " + "; ".join(f"{v.step}: {v.message}" for v in problems[:5]),
            expected="a blueprint without violations",
            do="call tdlab.blueprints.violations(blueprint, tools) for the whole list",
        )
    return blueprint


def violations(blueprint: Blueprint, tools: Mapping[str, Tool]) -> tuple[Violation, ...]:
    """List everything that makes a blueprint incoherent.

    Args:
        blueprint: The plan.
        tools: Every tool that it offers, by key.

    Returns:
        The violations, in the order of the steps; empty for a coherent plan.

    Example:
        >>> from tdlab.records import BusinessCluster, Tool
        >>> schema = {"type": "object", "properties": {"title": {"type": "string"}}, "required": ["title"]}
        >>> tools = {"notes/create_note": Tool(service="notes", name="create_note", input_schema=schema)}
        >>> cluster = BusinessCluster(id="notes", tools=tuple(tools), dependencies=(), domains={}, title="Notes")
        >>> blueprint = plan(cluster, tools, seed=1)
        >>> violations(blueprint, tools)
        ()
        >>> [violation.code for violation in violations(blueprint, {})]
        ['unknown_tool']
    """
    problems: list[Violation] = []
    before = ancestors(blueprint)
    seen: set[str] = set()
    asked: dict[str, str] = {}
    ids = {step.id for step in blueprint.steps}
    turn = 0
    if not any(step.kind in ("call", "parallel", "refuse", "code") for step in blueprint.steps):
        problems.append(Violation(code="empty", step="", message="the plan does nothing"))
    for step in blueprint.steps:

        def note(code: str, message: str, step: Step = step) -> None:
            problems.append(Violation(code=code, step=step.id, message=message))

        if step.id in seen:
            note("duplicate_step", f"two steps are called {step.id!r}")
        for needed in step.needs():
            if needed not in ids:
                note("unknown_step", f"needs {needed!r}, which is not in the plan")
            elif needed not in seen:
                note("cycle", f"needs {needed!r}, which does not come before it: the order has a cycle")
        if step.turn < turn:
            note("turn_order", f"belongs to turn {step.turn} after a step of turn {turn}")
        turn = max(turn, step.turn)
        _check_kind(step, ids, note, scripted=blueprint.script is not None)
        for ask in step.asks:
            asked[ask.slot] = step.id
        for call in step.calls:
            tool = tools.get(call.tool)
            if tool is None or call.tool not in blueprint.offered:
                note("unknown_tool", f"calls {call.tool!r}, which is not offered")
                continue
            _check_call(blueprint, call, tool, tools, before[step.id], note)
            for binding in call.sources():
                if isinstance(binding, FromUser) and binding.when == "if_asked":
                    if binding.slot not in asked:
                        note("never_asked", f"{binding.slot!r} is told only if asked, and nobody asks")
                    elif asked[binding.slot] not in before[step.id]:
                        note("asked_late", f"{binding.slot!r} is asked for in a step that need not come before")
        seen.add(step.id)
    return tuple(problems)


def _check_kind(step: Step, ids: set[str], note: Callable[[str, str], None], *, scripted: bool) -> None:
    """Note what a step lacks; in a script the user may choose in words of their own, or think again."""
    wanted = {"call": (1, 1), "parallel": (2, 32), "code": (1, 1)}.get(step.kind, (0, 0))
    if not wanted[0] <= len(step.calls) <= wanted[1]:
        note("calls", f"a {step.kind} step has {len(step.calls)} calls, not {wanted[0]} to {wanted[1]}")
    if step.kind == "code" and not step.request:
        note("code", "a program that nobody asks for")
    if any((call.tool == CODE_TOOL) != (step.kind == "code") for call in step.calls):
        note("code", f"a {step.kind} step calls {step.calls[0].tool}: code steps, and only they, call {CODE_TOOL}")
    if step.kind == "code" and step.about is not None and step.about not in step.needs():
        note("code", f"picks from {step.about!r}, which its program does not read")
    if step.kind == "ask" and not step.asks and not scripted:
        note("ask", "an ask step asks for nothing")
    if step.kind == "refuse" and not step.request:
        note("refuse", "a refusal without a request")
    if step.kind == "confirm" and step.about not in ids and not (scripted and step.about is None):
        note("confirm", f"confirms {step.about!r}, which is not in the plan")
    if step.failure is not None and step.kind != "call":
        note("failure", f"a failure cannot be injected into a {step.kind} step")


def _check_call(
    blueprint: Blueprint,
    call: Call,
    tool: Tool,
    tools: Mapping[str, Tool],
    before: frozenset[str],
    note: Callable[[str, str], None],
) -> None:
    for parameter in tool.required:
        if parameter not in call.arguments:
            note("unbound", f"{tool.key} needs {parameter!r} and nothing is bound to it")
    known: dict[str, Json] = {}
    for parameter, binding in call.arguments.items():
        if isinstance(binding, FromTemplate):
            gaps = set(gaps_of(binding))
            if gaps != set(binding.inputs):
                note(
                    "gaps", f"{parameter!r} is written with {sorted(gaps)} and has the inputs {sorted(binding.inputs)}"
                )
        elif not isinstance(binding, FromResult):
            known[parameter] = binding.value
        for source in binding.inputs.values() if isinstance(binding, FromTemplate) else (binding,):
            if isinstance(source, FromResult):
                _check_observed(blueprint, parameter, source, tools, before, note)
    # What is bound to an observation is not known yet, so the schema is asked about the rest, without ``required``.
    observed = frozenset(call.arguments) - frozenset(known)
    compiled = schema_for_some(tool, observed) if observed else compile_schema(tool.input_schema)
    for message in () if compiled.is_valid(known) else compiled.errors(known):
        note("schema", f"{tool.key}: {message}")


def _check_observed(
    blueprint: Blueprint,
    parameter: str,
    binding: FromResult,
    tools: Mapping[str, Tool],
    before: frozenset[str],
    note: Callable[[str, str], None],
) -> None:
    if binding.step not in before:
        note("not_before", f"{parameter!r} is read from {binding.step!r}, which need not come before")
        return
    source = blueprint.step(binding.step)
    if binding.call >= len(source.calls):
        note("no_such_call", f"{parameter!r} is read from call {binding.call} of {binding.step!r}")
        return
    made = source.calls[binding.call]
    producer = tools.get(made.tool)
    returned = (
        None if producer is None else printed_schema(made) if made.tool == CODE_TOOL else returned_schema(producer)
    )
    if returned is None or schema_at(returned, binding.path) is None:
        note("no_such_path", f"{parameter!r} is read at {binding.path!r}, which {binding.step!r} does not return")


@cached_per_tool
def schema_for_some(tool: Tool, missing: frozenset[str]) -> CompiledSchema:
    """Return the input schema of a tool for arguments without those in ``missing``; its references stay valid."""
    partial = {k: v for k, v in tool.input_schema.items() if k not in _TOGETHER}
    required = [name for name in tool.input_schema.get("required") or () if name not in missing]
    return compile_schema({**partial, "required": required})


_TOGETHER = (
    "$ref",
    "minProperties",
    "anyOf",
    "oneOf",
    "allOf",
    "if",
    "then",
    "else",
    "dependentRequired",
    "dependentSchemas",
    "not",
)
