"""The planner: from a Business Cluster to the plan of one task (paper: blueprint-then-execute, the topology first).

A plan is grown backwards from goals. A goal is a tool of the cluster; each of its arguments is read from the output of
an earlier step where a dependency of the cluster says so, and told by the user where not. What the user refers to by
identifier is put into the world before the task starts, and what the steps change becomes a promise about its end.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from functools import lru_cache

from tdlab.blueprints.roles import ToolKey, output_of, roles
from tdlab.blueprints.validation import schema_at, violations
from tdlab.blueprints.values import make_identifier, make_person, make_value, ordered_pairs
from tdlab.blueprints.wording import goal_phrase
from tdlab.config import BlueprintConfig
from tdlab.errors import BlueprintError
from tdlab.pool.naming import nature
from tdlab.pool.schema import CompiledSchema, compile_schema
from tdlab.records import (
    Binding,
    Blueprint,
    BusinessCluster,
    Call,
    Dependency,
    Json,
    Observed,
    Persona,
    Promise,
    Said,
    SeedEntity,
    Step,
    Tool,
    digest,
    rng_for,
)

__all__ = ["Draft", "finish", "make_persona", "plan", "promises_of"]

Facts = Mapping[str, Mapping[str, list[Json]]]
"""Values that exist in the real world: service -> parameter -> values."""

_ROLES = (
    "office manager", "operations lead", "analyst", "founder of a small company", "assistant to the director",
    "project coordinator", "researcher", "freelancer", "team lead", "account manager", "engineer on call", "student",
    "shift supervisor", "consultant", "volunteer organiser", "product manager",
)  # fmt: skip


class Draft:
    """A plan in the making: steps are added to it, then `finish` freezes it. The working state of the planner and of
    the mutation operators; it never leaves this room.
    """

    def __init__(
        self,
        cluster: BusinessCluster,
        tools: Mapping[str, Tool],
        rng: random.Random,
        config: BlueprintConfig,
        *,
        facts: Facts | None = None,
        base: Blueprint | None = None,
    ) -> None:
        self.cluster = cluster
        self.tools = tools
        self.rng = rng
        self.config = config
        self.facts = facts or {}
        self.steps: list[Step] = list(base.steps) if base else []
        self.world: list[SeedEntity] = list(base.world) if base else []
        self.producers: dict[tuple[str, str], list[Dependency]] = {}
        for edge in cluster.dependencies:
            if (
                edge.parameter
                and edge.source in tools
                and edge.source != edge.target
                and _yields(tools[edge.source], edge)
            ):
                self.producers.setdefault((edge.target, edge.parameter), []).append(edge)
        self.said: dict[tuple[str, str], Said] = {}
        self.slots: set[str] = set()
        self.gone: set[str] = {roles(tools[c.tool]).own for s in self.steps for c in s.calls if _removes(tools[c.tool])}
        for step in self.steps:
            for call in step.calls:
                for parameter, binding in call.arguments.items():
                    if not isinstance(binding, Said):
                        continue
                    self.slots.add(binding.slot)
                    entity = roles(tools[call.tool]).references.get(parameter)
                    if entity not in self.gone and entity is not None and not isinstance(binding.value, list):
                        self.said.setdefault((entity, _shape(tools[call.tool], parameter)), binding)

    def next_id(self) -> str:
        """An id that no step of the draft has."""
        taken = {step.id for step in self.steps}
        number = len(self.steps) + 1
        while f"s{number}" in taken:
            number += 1
        return f"s{number}"

    def made_by(self, tool: str) -> str | None:
        """The first single-call step that calls ``tool``, if there is one."""
        return next((s.id for s in self.steps if s.kind == "call" and s.calls[0].tool == tool), None)

    def add_goal(self, tool_key: str, *, turn: int, depth: int = 0, open_goals: tuple[str, ...] = ()) -> str:
        """Add a call of a tool and, before it, the producers that it needs; returns the id of its step."""
        tool = self.tools[tool_key]
        chosen = [*tool.required, *self._optional(tool)]
        arguments: dict[str, Binding] = {}
        for parameter in chosen:
            arguments[parameter] = self._bind(tool, parameter, turn, depth, (*open_goals, tool_key))
        self._put_in_order(tool, arguments)
        self._mend(tool, arguments)
        step = Step(id=self.next_id(), kind="call", calls=(Call(tool=tool_key, arguments=arguments),), turn=turn)
        self.steps.append(step)
        if _removes(tool):
            self.gone.add(roles(tool).own)
        return step.id

    def tell(self, tool: Tool, parameter: str, *, fresh: bool = False) -> Said:
        """A binding to what the user says for a parameter; the same reference is said only once, unless ``fresh``."""
        schema = tool.parameters[parameter]
        entity = roles(tool).references.get(parameter)
        known = tuple(self.facts.get(tool.service, {}).get(parameter, ()))
        shape = (entity, _shape(tool, parameter)) if entity is not None else None
        if shape is not None and not fresh and not known and shape in self.said and entity not in self.gone:
            return self.said[shape]
        value = self._value(tool, parameter, schema, entity, known)
        said = Said(slot=self._slot(parameter), value=value)
        if shape is not None and entity is not None:
            if not isinstance(value, (list, dict)):
                self.said[shape] = said
            for identifier in value if isinstance(value, list) else [value]:
                if isinstance(identifier, (str, int)) and not isinstance(identifier, bool):
                    self.world.append(SeedEntity(entity=entity, id=identifier))
        return said

    def _value(
        self, tool: Tool, parameter: str, schema: Mapping[str, Json], entity: str | None, known: tuple[Json, ...]
    ) -> Json:
        compiled = _alone(ToolKey(tool), parameter)
        problem = ""
        for _ in range(6):
            if entity is not None and not known and schema.get("type") not in ("array", "object"):
                value = make_identifier(self.rng, entity, schema, root=tool.input_schema)
            else:
                value = make_value(self.rng, parameter, schema, root=tool.input_schema, known=known)
            errors = compiled.errors({parameter: value})
            if not errors:
                return value
            problem = errors[0]
        raise BlueprintError(
            f"no value was found for {tool.key}.{parameter}: {problem}", expected="a value that fits its schema"
        )

    def _optional(self, tool: Tool) -> list[str]:
        wanted = []
        for parameter in tool.parameters:
            if parameter in tool.required or nature_is_paging(parameter):
                continue
            linked = any(self.made_by(e.source) for e in self.producers.get((tool.key, parameter), ()))
            if linked or self.rng.random() < self.config.optional_share:
                wanted.append(parameter)
        return wanted[:4]

    def _bind(self, tool: Tool, parameter: str, turn: int, depth: int, open_goals: tuple[str, ...]) -> Binding:
        edges = [
            edge
            for edge in self.producers.get((tool.key, parameter), ())
            if edge.source not in open_goals
            and self._fits(edge, tool)
            and roles(tool).references.get(parameter, "") not in self.gone
        ]
        ready = [edge for edge in edges if self.made_by(edge.source)]
        if ready:
            edge = max(ready, key=lambda e: (e.score, e.source))
            return self._observe(edge, str(self.made_by(edge.source)), tool)
        room = depth < self.config.max_depth and len(self.steps) + depth + 1 < self.config.max_steps
        if edges and room and self.rng.random() < 0.8:
            edge = self.rng.choices(edges, weights=[e.score for e in edges])[0]
            made = self.add_goal(edge.source, turn=turn, depth=depth + 1, open_goals=open_goals)
            return self._observe(edge, made, tool)
        return self.tell(tool, parameter)

    def _fits(self, edge: Dependency, tool: Tool) -> bool:
        found = schema_at(output_of(self.tools[edge.source]), edge.path)
        return found is not None and kinds_fit(found, tool.parameters[edge.parameter]) is not None

    def _observe(self, edge: Dependency, step: str, tool: Tool) -> Observed:
        found = schema_at(output_of(self.tools[edge.source]), edge.path)
        as_list = found is not None and kinds_fit(found, tool.parameters[edge.parameter]) == "list"
        return Observed(step=step, path=edge.path, as_list=as_list)

    def _put_in_order(self, tool: Tool, arguments: dict[str, Binding]) -> None:
        """Let a range that the user says start before it ends."""
        for first, last in ordered_pairs(arguments):
            low, high = arguments[first], arguments[last]
            if not (isinstance(low, Said) and isinstance(high, Said)) or first in roles(tool).references:
                continue
            comparable = type(low.value) is type(high.value) and isinstance(low.value, (str, int, float))
            if (
                comparable
                and low.value > high.value
                and not compile_schema(tool.input_schema).errors(
                    {
                        **{p: b.value for p, b in arguments.items() if not isinstance(b, Observed)},
                        first: high.value,
                        last: low.value,
                    }
                )
            ):
                arguments[first] = low.model_copy(update={"value": high.value})
                arguments[last] = high.model_copy(update={"value": low.value})

    def _mend(self, tool: Tool, arguments: dict[str, Binding]) -> None:
        """Add what one of several alternatives requires, or drop optional arguments that do not go together."""
        for word in ("anyOf", "oneOf"):
            branches = [b for b in tool.input_schema.get(word) or () if isinstance(b, Mapping)]
            needed = [[p for p in b.get("required") or () if p in tool.parameters] for b in branches]
            if needed and not any(set(wanted) <= set(arguments) for wanted in needed):
                for parameter in min(needed, key=len):
                    if parameter not in arguments:
                        arguments[parameter] = self.tell(tool, parameter)
        known = {p: b.value for p, b in arguments.items() if not isinstance(b, Observed)}
        if len(known) < len(arguments) or not compile_schema(tool.input_schema).errors(known):
            return
        for parameter in [p for p in arguments if p not in tool.required]:
            del arguments[parameter]

    def _slot(self, parameter: str) -> str:
        slot, number = parameter, 2
        while slot in self.slots:
            slot, number = f"{parameter}_{number}", number + 1
        self.slots.add(slot)
        return slot


@lru_cache(maxsize=16384)
def _alone(key: ToolKey, parameter: str) -> CompiledSchema:
    """The schema of an object with one parameter of a tool and what its references need."""
    tool = key.tool
    holder: dict[str, Json] = {"type": "object", "properties": {parameter: tool.parameters[parameter]}}
    holder |= {k: tool.input_schema[k] for k in ("$defs", "definitions", "$schema") if k in tool.input_schema}
    return compile_schema(holder)


def kinds_fit(source: Mapping[str, Json], target: Mapping[str, Json]) -> str | None:
    """How an output field can fill a parameter: ``same``, ``list`` (one value in a list), or None.

    The target must allow every value that the source can take, as far as type, pattern, format, enum and bounds say.
    """
    have, want = _kinds(source) - {"null"}, _kinds(target) - {"null"}
    if not want or (have and have <= want) or (have == {"integer"} and "number" in want):
        return "same" if _within(source, target) else None
    if "array" in want and have and not have & {"array", "object"}:
        items = target.get("items")
        inner = items if isinstance(items, Mapping) else {}
        allowed = _kinds(inner)
        fits = (not allowed or have <= allowed) and target.get("minItems", 1) <= 1 and target.get("maxItems", 1) >= 1
        return "list" if fits and _within(source, inner) else None
    return None


def _within(source: Mapping[str, Json], target: Mapping[str, Json]) -> bool:
    if "const" in source:
        return "enum" not in target or source["const"] in target["enum"]
    if "enum" in target or "const" in target:
        return isinstance(source.get("enum"), list) and set(map(str, source["enum"])) <= set(
            map(str, target.get("enum", ()))
        )
    for word in ("pattern", "format", "multipleOf"):
        if word in target and source.get(word) != target[word]:
            return False
    for word, larger in (
        ("minimum", True),
        ("minLength", True),
        ("minItems", True),
        ("maximum", False),
        ("maxLength", False),
        ("maxItems", False),
    ):
        limit = target.get(word)
        if limit is None or (word == "minLength" and limit <= 1) or ("pattern" in target and word.endswith("Length")):
            continue
        have = source.get(word)
        if have is None or (have < limit if larger else have > limit):
            return False
    return True


def nature_is_paging(parameter: str) -> bool:
    """Whether an optional parameter only pages through results, which no person asks for."""
    return parameter.lower() in (
        "cursor",
        "page",
        "offset",
        "page_token",
        "pagetoken",
        "next_token",
        "after",
        "before",
        "starting_after",
    )


def plan(
    cluster: BusinessCluster,
    tools: Mapping[str, Tool],
    *,
    seed: int,
    config: BlueprintConfig | None = None,
    facts: Facts | None = None,
    goals: int | None = None,
) -> Blueprint:
    """Plan one task over a cluster: a coherent blueprint, a pure function of its arguments.

    ``goals`` is the number of things the user wants (one request each); one or two where it is not given. The tools
    offered are the cluster's. BlueprintError where no coherent plan can be made, with the reason.
    """
    config = config or BlueprintConfig()
    rng = rng_for("plan", seed, cluster.id)
    usable = [key for key in cluster.tools if key in tools]
    if not usable:
        raise BlueprintError(f"cluster {cluster.id} has no tool that can be used", expected="at least one tool")
    draft = Draft(cluster, tools, rng, config, facts=facts)
    wanted = goals if goals is not None else (1 if len(usable) < 3 or rng.random() < 0.6 else 2)
    chosen: list[str] = []
    for turn in range(wanted):
        left = [key for key in usable if draft.made_by(key) is None]
        if not left or len(draft.steps) + 1 > config.max_steps:
            break
        goal = rng.choices(left, weights=[_appeal(draft, key) for key in left])[0]
        draft.add_goal(goal, turn=turn)
        chosen.append(goal)
    intent = "; then ".join(goal_phrase(tools[key]) for key in chosen)
    return finish(draft, cluster=cluster.id, seed=seed, intent=intent, persona=make_persona(rng), offered=tuple(usable))


def make_persona(rng: random.Random) -> Persona:
    """A user: a name, a job, a way of writing."""
    style = rng.choice(("plain", "brief", "chatty", "formal"))
    return Persona(name=make_person(rng), role=rng.choice(_ROLES), style=style)


def finish(
    draft: Draft,
    *,
    cluster: str,
    seed: int,
    intent: str,
    persona: Persona,
    offered: tuple[str, ...],
    parent: str | None = None,
    lineage: tuple[str, ...] = (),
    constraints: tuple[str, ...] = (),
) -> Blueprint:
    """Freeze a draft: keep the part of the world that is still referred to, state the promises, name it by content."""
    steps = tuple(draft.steps)
    used = tuple(dict.fromkeys(call.tool for step in steps for call in step.calls))
    world = tuple({(s.entity, str(s.id)): s for s in draft.world}.values())
    blueprint = Blueprint(
        id="", cluster=cluster, seed=seed, intent=intent, persona=persona, steps=steps,
        offered=tuple(dict.fromkeys((*offered, *used))), world=world, promises=promises_of(steps, draft.tools),
        parent=parent, lineage=lineage, constraints=constraints,
    )  # fmt: skip
    found = violations(blueprint, draft.tools)
    if found:
        raise BlueprintError("the plan is not coherent: " + "; ".join(f"{v.step} {v.message}" for v in found[:3]))
    return blueprint.model_copy(update={"id": digest(blueprint)})


def promises_of(steps: tuple[Step, ...], tools: Mapping[str, Tool]) -> tuple[Promise, ...]:
    """What the end state must show, from what the steps change; the last change of an entity wins."""
    made: dict[str, Promise] = {}
    for step in steps:
        for index, call in enumerate(step.calls):
            tool = tools[call.tool]
            what, part = nature(tool), roles(tool)
            if what.effect not in ("write", "delete"):
                continue
            own = call.arguments.get(part.own_parameter) if part.own_parameter else None
            if own is not None and not _in_list(own):
                key = _identity_key(own)
                earlier = made.pop(key, None)  # so that the last change of an entity also comes last
                if what.operation == "delete":
                    made[key] = Promise(kind="absent", entity=part.own, identity=own)
                    continue
                fields = {p: b for p, b in call.arguments.items() if p != part.own_parameter and not _in_list(b)}
                if earlier is not None and earlier.kind == "exists":
                    fields = {**earlier.fields, **fields}
                made[key] = Promise(kind="exists", entity=part.own, identity=own, fields=fields)
            elif what.operation in ("create", "act"):
                new = next((f for f, e in part.issued.items() if e == part.own and f not in tool.parameters), None)
                if new is not None:
                    identity = Observed(step=step.id, call=index, path=(new,))
                    fields = {p: b for p, b in call.arguments.items() if not _in_list(b)}
                    made[_identity_key(identity)] = Promise(
                        kind="exists", entity=part.own, identity=identity, fields=fields
                    )
    return tuple(made.values())


def _removes(tool: Tool) -> bool:
    return nature(tool).operation == "delete"


def _yields(tool: Tool, edge: Dependency) -> bool:
    """Whether someone would call ``tool`` to get the value: nobody cancels an order to learn its number, and what a
    call only repeats of its own arguments is no news.
    """
    what = nature(tool)
    echoed = edge.path[-1] in tool.parameters and what.operation != "list"
    return what.effect != "delete" and not (echoed and what.operation != "create")


def _in_list(binding: Binding) -> bool:
    return isinstance(binding, Observed) and binding.as_list


def _identity_key(binding: Binding) -> str:
    if isinstance(binding, Observed):
        return f"{binding.step}[{binding.call}].{'.'.join(map(str, binding.path))}"
    return f"={binding.value!r}"


def _appeal(draft: Draft, key: str) -> float:
    tool = draft.tools[key]
    linked = sum(1 for p in tool.required if (key, p) in draft.producers)
    return 1.0 + 2.0 * linked + (1.5 if nature(tool).effect in ("write", "delete") else 0.0)


def _shape(tool: Tool, parameter: str) -> str:
    schema = tool.parameters.get(parameter, {})
    return f"{schema.get('type')}|{schema.get('pattern')}|{schema.get('format')}"


def _kinds(schema: Mapping[str, Json]) -> set[str]:
    kind = schema.get("type")
    if isinstance(kind, str):
        return {kind}
    if isinstance(kind, list):
        return {k for k in kind if isinstance(k, str)}
    for word in ("anyOf", "oneOf"):
        if isinstance(schema.get(word), list):
            return {k for branch in schema[word] if isinstance(branch, Mapping) for k in _kinds(branch)}
    return set()
