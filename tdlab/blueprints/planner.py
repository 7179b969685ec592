"""The planner: makes the plan of one task from a Business Cluster (paper: blueprint-then-execute, topology first).

A plan grows backwards from goals. A goal is a tool of the cluster. Each of its arguments comes from the result of an
earlier step if a dependency of the cluster allows it, and from the user otherwise. Entities that the user refers to by
identifier exist in the world from the start. The changes that the steps make become promises about the end state.
"""

from __future__ import annotations

import random
from collections.abc import Mapping

from tdlab.blueprints.code_ideas import follow_choice
from tdlab.blueprints.drafts import BlueprintDraft, Facts
from tdlab.blueprints.validation import violations
from tdlab.config import BlueprintConfig
from tdlab.errors import BlueprintError, SchemaError
from tdlab.records import (
    Binding,
    Blueprint,
    BusinessCluster,
    FromResult,
    FromTemplate,
    Persona,
    Promise,
    Step,
    Tool,
    digest,
    rng_for,
)
from tdlab.tools import goal_phrase, make_person, roles

__all__ = ["freeze", "make_persona", "named", "plan", "promises_of", "settle"]

# Fixed by definition: words.
_ROLES = (
    "office manager", "operations lead", "analyst", "founder of a small company", "assistant to the director",
    "project coordinator", "researcher", "freelancer", "team lead", "account manager", "engineer on call", "student",
    "shift supervisor", "consultant", "volunteer organiser", "product manager",
)  # fmt: skip


def plan(
    cluster: BusinessCluster,
    tools: Mapping[str, Tool],
    *,
    seed: int,
    config: BlueprintConfig | None = None,
    facts: Facts | None = None,
    goals: int | None = None,
    settled: bool = True,
) -> Blueprint:
    """Plan one task over the tools of a cluster; the same arguments give the same blueprint.

    Args:
        cluster: The tools, which the blueprint offers, and the dependencies between them.
        tools: Every tool of the cluster, by key.
        seed: Seed of all choices.
        config: The settings of planning; the default settings if None.
        facts: Values that exist on live servers, service -> parameter -> values; None to invent values.
        goals: Number of things that the user wants, one request each; None for one or two.
        settled: Whether to add promises, check the plan and set its id. Without that it is a draft for `settle`.

    Returns:
        The blueprint.

    Raises:
        BlueprintError: If no coherent plan can be made.

    Example:
        >>> from tdlab.records import BusinessCluster, Tool
        >>> schema = {"type": "object", "properties": {"title": {"type": "string"}}, "required": ["title"]}
        >>> tools = {"notes/create_note": Tool(service="notes", name="create_note", input_schema=schema)}
        >>> cluster = BusinessCluster(id="notes", tools=tuple(tools), dependencies=(), domains={}, title="Notes")
        >>> blueprint = plan(cluster, tools, seed=1)
        >>> blueprint.intent, [step.kind for step in blueprint.steps]
        ('create a note', ['call'])
    """
    config = config or BlueprintConfig()
    rng = rng_for("plan", seed, cluster.id)
    usable = [key for key in cluster.tools if key in tools]
    if not usable:
        raise BlueprintError(
            f"cluster {cluster.id} has no usable tool", expected="at least one of its tools in `tools`"
        )
    draft = BlueprintDraft(cluster, tools, rng, config, facts=facts)
    try:
        chosen = _choose_goals(draft, usable, goals)
        intent = "; then ".join(goal_phrase(tools[key]) for key in chosen)
        blueprint = freeze(
            draft, cluster=cluster.id, seed=seed, intent=intent, persona=make_persona(rng), offered=tuple(usable)
        )
    except SchemaError as error:
        raise BlueprintError(f"a tool of cluster {cluster.id} cannot be used: {error.found}") from None
    return settle(blueprint, tools) if settled else blueprint


def _choose_goals(draft: BlueprintDraft, usable: list[str], goals: int | None) -> list[str]:
    """Draw the goals and add them to the draft, one request each."""
    rng = draft.rng
    wanted = goals if goals is not None else (1 if len(usable) < 3 or rng.random() < draft.config.one_goal else 2)
    chosen: list[str] = []
    for turn in range(wanted):
        left = [key for key in usable if draft.made_by(key) is None]
        if not left or len(draft.steps) + 1 > draft.config.max_steps:
            break
        goal = rng.choices(left, weights=[_appeal(draft, key) for key in left])[0]
        draft.add_goal(goal, turn=turn)
        chosen.append(goal)
    return chosen


def make_persona(rng: random.Random) -> Persona:
    """Draw a user: a name, a job and a style of writing."""
    style = rng.choice(("plain", "brief", "chatty", "formal"))
    return Persona(name=make_person(rng), role=rng.choice(_ROLES), style=style)


def named(blueprint: Blueprint, *, parent: str | None = None) -> Blueprint:
    """Return a copy of a blueprint with its id set.

    Args:
        blueprint: The blueprint; its id is ignored.
        parent: Id of the blueprint that it was made from; by default as it is.

    Returns:
        The blueprint with an id, a digest of everything else in it.

    Example:
        >>> from tdlab.records import BusinessCluster, Tool
        >>> schema = {"type": "object", "properties": {"title": {"type": "string"}}, "required": ["title"]}
        >>> tools = {"notes/create_note": Tool(service="notes", name="create_note", input_schema=schema)}
        >>> cluster = BusinessCluster(id="notes", tools=tuple(tools), dependencies=(), domains={}, title="Notes")
        >>> draft = plan(cluster, tools, seed=1, settled=False)
        >>> draft.id, len(named(draft).id)
        ('', 16)
    """
    plain = blueprint.model_copy(update={"id": "", "parent": parent or blueprint.parent})
    return plain.model_copy(update={"id": digest(plain)})


def freeze(
    draft: BlueprintDraft,
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
    """Convert a draft to a blueprint without promises and id, which may not be coherent; `settle` completes it."""
    steps = tuple(follow_choice(draft.steps))
    used = tuple(dict.fromkeys(call.tool for step in steps for call in step.calls))
    world = tuple({(s.entity, str(s.id)): s for s in draft.world}.values())
    return Blueprint(
        id="", cluster=cluster, seed=seed, intent=intent, persona=persona, steps=steps,
        offered=tuple(dict.fromkeys((*offered, *used))), world=world, parent=parent, lineage=lineage,
        constraints=constraints,
    )  # fmt: skip


def settle(blueprint: Blueprint, tools: Mapping[str, Tool]) -> Blueprint:
    """Add the promises to a blueprint, check that it is coherent, and set its id.

    Args:
        blueprint: A draft, such as `plan` returns with ``settled=False``.
        tools: Every tool that it offers, by key.

    Returns:
        The settled blueprint.

    Raises:
        BlueprintError: If the plan is not coherent, with the first violations.

    Example:
        >>> from tdlab.records import BusinessCluster, Tool
        >>> schema = {"type": "object", "properties": {"title": {"type": "string"}}, "required": ["title"]}
        >>> tools = {"notes/create_note": Tool(service="notes", name="create_note", input_schema=schema)}
        >>> cluster = BusinessCluster(id="notes", tools=tuple(tools), dependencies=(), domains={}, title="Notes")
        >>> draft = plan(cluster, tools, seed=1, settled=False)
        >>> settle(draft, tools) == plan(cluster, tools, seed=1)
        True
    """
    if blueprint.recipe is not None:  # its script has been played on its world
        if blueprint.script is None:
            raise BlueprintError(
                "the task of the recipe has not been played", do="breed it, with no operator if need be"
            )
        return named(blueprint)
    stated = blueprint.model_copy(update={"promises": promises_of(blueprint.steps, tools)})
    problems = violations(stated, tools)
    if problems:
        raise BlueprintError("the plan is not coherent: " + "; ".join(f"{v.step} {v.message}" for v in problems[:3]))
    return named(stated)


def promises_of(steps: tuple[Step, ...], tools: Mapping[str, Tool]) -> tuple[Promise, ...]:
    """Return the promises about the end state, from the changes of the steps; the last change of an entity wins."""
    made: dict[str, Promise] = {}
    for step in steps:
        for index, call in enumerate(step.calls):
            tool = tools[call.tool]
            part = roles(tool)
            what = part.nature
            if what.effect not in ("write", "delete"):
                continue
            own = call.arguments.get(part.own_parameter) if part.own_parameter else None
            if own is not None and not _several(own):
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
                    identity = FromResult(step=step.id, call=index, path=(new,))
                    fields = {p: b for p, b in call.arguments.items() if not _in_list(b)}
                    made[_identity_key(identity)] = Promise(
                        kind="exists", entity=part.own, identity=identity, fields=fields
                    )
    return tuple(made.values())


def _in_list(binding: Binding) -> bool:
    return isinstance(binding, FromResult) and binding.as_list


def _several(own: Binding) -> bool:
    """Return whether a binding names several entities, or one by a compound value; then there is no promise."""
    if isinstance(own, FromResult):
        return own.as_list
    return isinstance(own, FromTemplate) or isinstance(own.value, (list, dict))


def _identity_key(binding: Binding) -> str:
    if isinstance(binding, FromResult):
        return f"{binding.step}[{binding.call}].{'.'.join(map(str, binding.path))}"
    if isinstance(binding, FromTemplate):
        return f"={binding.template!r}"
    return f"={binding.value!r}"


def _appeal(draft: BlueprintDraft, key: str) -> float:
    tool = draft.tools[key]
    linked = sum(1 for p in tool.required if (key, p) in draft.feeds)
    writing = draft.config.writing_goal if roles(tool).nature.effect in ("write", "delete") else 0.0
    return 1.0 + draft.config.linked_goal * linked + writing
