"""Breeding: changes blueprints with mutation operators (paper: blueprint evolution).

An operator is a function from blueprint to blueprint with a precondition. It returns a new blueprint, or raises
MutationRefused if it does not apply. `MUTATIONS` has the operators by name, with the family of diversity that each
serves; evolution chooses by family. tdlab's own operators are in `tdlab.blueprints.mutations`.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple

from tdlab.blueprints.drafts import BlueprintDraft, Facts, replace_said
from tdlab.blueprints.planner import freeze, make_persona, plan, settle
from tdlab.blueprints.world_plans import draw_recipe, packed_services, plan_recipe, unplayed, world_seeds
from tdlab.config import BlueprintConfig
from tdlab.errors import BlueprintError, MutationRefused, SandboxUnavailable, SchemaError
from tdlab.records import Binding, Blueprint, BusinessCluster, FromUser, Recipe, Tool, rng_for
from tdlab.registry import Registry
from tdlab.tasks import Stage

__all__ = ["MUTATIONS", "Mutated", "Mutation", "MutationContext", "breed", "first_plan", "fresh_values", "mutate"]


class MutationContext(NamedTuple):
    """The material of mutation operators.

    Attributes:
        cluster: The cluster of the blueprint.
        tools: Every tool of the cluster, the partner and the distractors, by key.
        partner: Another cluster, for tasks over both; None for none.
        distractors: Keys of tools that may be offered although no step needs them.
        config: The settings of planning.
        facts: Values that exist on live servers, service -> parameter -> values; None to invent values.
        stage: The executable worlds; None to improvise all services.
        run_seed: The seed of the run, on which the seeds of its worlds depend.
    """

    cluster: BusinessCluster
    tools: Mapping[str, Tool]
    partner: BusinessCluster | None = None
    distractors: tuple[str, ...] = ()
    config: BlueprintConfig = BlueprintConfig()
    facts: Facts | None = None
    stage: Stage | None = None
    run_seed: int = 0

    @property
    def executable(self) -> bool:
        """True if a service of the cluster can be executed."""
        return self.stage is not None and bool(packed_services(self.cluster, self.tools, self.stage))

    def draft(self, blueprint: Blueprint, rng: random.Random, cluster: BusinessCluster | None = None) -> BlueprintDraft:
        """Return a draft that continues a blueprint, over its own cluster or another one."""
        return BlueprintDraft(cluster or self.cluster, self.tools, rng, self.config, facts=self.facts, base=blueprint)


class Mutation(NamedTuple):
    """An operator.

    Attributes:
        name: Its name, also in a blueprint's ``lineage``.
        family: The family of diversity that it serves: ``domain``, ``mode``, ``complexity`` or that of a plug-in's
            gauge.
        letters: The mode letters that it brings into a trajectory.
        apply: Takes a blueprint, the context and a random generator; returns a new blueprint, or raises
            MutationRefused if it does not apply.
        move: The same for the recipe of a task on executable worlds, which is planned again after it; without it,
            ``apply`` changes the blueprint.
    """

    name: str
    family: str
    letters: tuple[str, ...]
    apply: Callable[[Blueprint, MutationContext, random.Random], Blueprint]
    move: Callable[[Recipe, MutationContext, random.Random], Recipe] | None = None


MUTATIONS: Registry[Mutation] = Registry(
    "tdlab.mutations",
    "mutation",
    setting="blueprints.mutations",
    valid=lambda name, value: (
        "" if isinstance(value, Mutation) and value.name == name else f"a Mutation whose name is {name!r}"
    ),
)
"""The operators by name. ``add_code_step`` needs the code tool among the tools, which a run with a sandbox adds."""


def mutate(blueprint: Blueprint, name: str, context: MutationContext, *, seed: int) -> Blueprint:
    """Apply one operator; the same arguments give the same blueprint.

    Args:
        blueprint: The blueprint to change.
        name: A name in `MUTATIONS`.
        context: The cluster, its tools and other material.
        seed: Seed of all choices.

    Returns:
        A new blueprint with ``blueprint`` as its parent.

    Raises:
        MutationRefused: If the operator does not apply, with the reason.
        SandboxUnavailable: If a code step is to be added and there is no code tool.
        ConfigError: For an unknown operator.

    Example:
        >>> from tdlab.records import BusinessCluster, Tool
        >>> schema = {"type": "object", "properties": {"title": {"type": "string"}}, "required": ["title"]}
        >>> tools = {"notes/create_note": Tool(service="notes", name="create_note", input_schema=schema)}
        >>> cluster = BusinessCluster(id="notes", tools=tuple(tools), dependencies=(), domains={}, title="Notes")
        >>> blueprint, context = plan(cluster, tools, seed=1), MutationContext(cluster, tools)
        >>> mutate(blueprint, "inject_failure", context, seed=1).lineage
        ('inject_failure',)
        >>> mutate(blueprint, "bridge_clusters", context, seed=1)
        Traceback (most recent call last):
        tdlab.errors.MutationRefused: bridge_clusters: ...
    """
    child = _applied(blueprint, name, context, rng_for("mutate", name, seed, blueprint.id))
    return _settled(child.model_copy(update={"parent": blueprint.id}), name, context)


def _applied(blueprint: Blueprint, name: str, context: MutationContext, rng: random.Random) -> Blueprint:
    """Apply an operator without settling the result; raise MutationRefused if that fails."""
    try:
        mutation = MUTATIONS[name]
        if blueprint.recipe is None or mutation.move is None:
            child = mutation.apply(blueprint, context, rng)
        else:
            child = _moved(blueprint, mutation.move(blueprint.recipe, context, rng), context)
        return child.model_copy(update={"lineage": (*blueprint.lineage, name)})
    except MutationRefused as refused:
        raise refused if refused.found.startswith(name) else MutationRefused(f"{name}: {refused.found}") from None
    except SandboxUnavailable:
        raise
    except (BlueprintError, SchemaError) as error:
        raise MutationRefused(f"{name}: {error.found}") from None


def _moved(blueprint: Blueprint, recipe: Recipe, context: MutationContext) -> Blueprint:
    """Return the task of another recipe, with the history of a blueprint."""
    return _played(recipe, blueprint, context)


def _played(recipe: Recipe, blueprint: Blueprint, context: MutationContext) -> Blueprint:
    """Return the task of a recipe, with the cluster and history of a blueprint."""
    if context.stage is None:
        raise BlueprintError("there is no stage to play the task on")
    child = plan_recipe(recipe, blueprint.cluster, context.tools, context.stage, seed=blueprint.seed)
    return child.model_copy(update={"parent": blueprint.parent, "lineage": blueprint.lineage})


def first_plan(context: MutationContext, *, seed: int, settled: bool = True) -> Blueprint:
    """Return a new plan for the context's cluster: a task on an executable world where there is one.

    Args:
        context: The cluster, its tools and other material.
        seed: Seed of all choices.
        settled: Whether to settle the result, as in `plan`. A task on an executable world that is not settled has a
            recipe alone, which `breed` plays.

    Returns:
        The blueprint.

    Raises:
        BlueprintError: If no task can be planned.

    Example:
        >>> from tdlab.records import BusinessCluster, Tool
        >>> schema = {"type": "object", "properties": {"title": {"type": "string"}}, "required": ["title"]}
        >>> tools = {"notes/create_note": Tool(service="notes", name="create_note", input_schema=schema)}
        >>> cluster = BusinessCluster(id="notes", tools=tuple(tools), dependencies=(), domains={}, title="Notes")
        >>> first_plan(MutationContext(cluster, tools), seed=1) == plan(cluster, tools, seed=1)
        True
    """
    stage = context.stage if context.executable else None
    if stage is None:
        return plan(
            context.cluster, context.tools, seed=seed, config=context.config, facts=context.facts, settled=settled
        )
    rng = rng_for("recipe", seed, context.cluster.id)
    for _ in range(_TRIES):
        recipe = draw_recipe(
            context.cluster, context.tools, stage, rng, run_seed=context.run_seed, worlds=context.config.worlds,
            twisted=context.config.twisted,
        )  # fmt: skip
        sketch = unplayed(recipe, context.cluster.id, seed=seed)
        if not settled:
            return sketch
        with suppress(BlueprintError):
            return settle(_played(recipe, sketch, context), context.tools)
    raise BlueprintError(f"no task of cluster {context.cluster.id} is possible in its worlds")


_TRIES = 4


def _settled(child: Blueprint, name: str, context: MutationContext) -> Blueprint:
    try:
        return settle(child, context.tools)
    except BlueprintError as error:
        raise MutationRefused(f"{name}: {error.found}") from None


class Mutated(NamedTuple):
    """A mutated blueprint, the operators that were applied, and the reason for each that was refused."""

    blueprint: Blueprint
    applied: tuple[str, ...]
    refused: dict[str, str]


def breed(
    base: Blueprint, names: Sequence[str], context: MutationContext, *, seed: int, settled: bool = True
) -> Mutated:
    """Apply several operators in turn, skipping those that do not apply.

    Args:
        base: The blueprint to change.
        names: Names in `MUTATIONS`, in the order of application.
        context: The cluster, its tools and other material.
        seed: Seed of all choices.
        settled: Whether to settle the result, as in `plan`. If it is not coherent, operators with an incoherent result
            are skipped.

    Returns:
        The new blueprint, whose parent is ``base``, with the applied and the refused operators.

    Raises:
        ConfigError: For an unknown operator.

    Example:
        >>> from tdlab.records import BusinessCluster, Tool
        >>> schema = {"type": "object", "properties": {"title": {"type": "string"}}, "required": ["title"]}
        >>> tools = {"notes/create_note": Tool(service="notes", name="create_note", input_schema=schema)}
        >>> cluster = BusinessCluster(id="notes", tools=tuple(tools), dependencies=(), domains={}, title="Notes")
        >>> blueprint, context = plan(cluster, tools, seed=1), MutationContext(cluster, tools)
        >>> mutated = breed(blueprint, ["inject_failure", "bridge_clusters"], context, seed=1)
        >>> mutated.applied, list(mutated.refused)
        (('inject_failure',), ['bridge_clusters'])
    """
    if base.recipe is not None:
        mutated = _bred_recipe(base, base.recipe, names, context, seed=seed)
        return mutated._replace(blueprint=settle(mutated.blueprint, context.tools)) if settled else mutated
    mutated = _bred(base, names, context, seed=seed, each=False)
    if not settled or not mutated.applied:
        return mutated
    try:
        return mutated._replace(blueprint=settle(mutated.blueprint, context.tools))
    except BlueprintError:
        mutated = _bred(base, names, context, seed=seed, each=True)
        return mutated._replace(blueprint=settle(mutated.blueprint, context.tools)) if mutated.applied else mutated


def _bred_recipe(
    base: Blueprint, recipe: Recipe, names: Sequence[str], context: MutationContext, *, seed: int
) -> Mutated:
    """Apply operators to the recipe of a task, and play the task once; what makes it impossible is left out again."""
    recipes, applied, refused, others = [recipe], [], {}, []
    for index, name in enumerate(names):
        mutation, rng = MUTATIONS[name], rng_for("breed", seed, base.id, index, name)
        if mutation.move is None:
            others.append((name, rng))
            continue
        try:
            recipes.append(mutation.move(recipes[-1], context, rng))
            applied.append(name)
        except MutationRefused as error:
            refused[name] = f"{name}: {error.found}"
    child = base if base.script is not None and not applied else None
    rng = rng_for("breed", seed, base.id)
    while child is None:
        try:
            child = _played_somehow(recipes[-1], base, context, rng)
        except BlueprintError as error:
            if not applied:
                raise
            recipes.pop()
            refused[applied.pop()] = error.found
            child = base if base.script is not None and not applied else None
    for name, rng in others:
        try:
            child = _applied(child, name, context, rng)
            applied.append(name)
        except MutationRefused as error:
            refused[name] = error.found
    if applied:
        lineage = (*base.lineage, *applied)
        child = child.model_copy(update={"id": "", "parent": base.id or base.parent, "lineage": lineage})
    return Mutated(child, tuple(applied), refused)


def _played_somehow(recipe: Recipe, base: Blueprint, context: MutationContext, rng: random.Random) -> Blueprint:
    """Play a task with other choices, and in other worlds of the run, where the first are not possible."""
    reason: BlueprintError | None = None
    for _ in range(_TRIES):
        try:
            return _played(recipe, base, context)
        except BlueprintError as error:
            reason = reason or error
        world = rng.choice(world_seeds(context.run_seed, recipe.service, context.config.worlds))
        recipe = recipe.model_copy(update={"seed": rng.getrandbits(48), "world": world})
    raise reason or BlueprintError("no task is possible")


def _bred(base: Blueprint, names: Sequence[str], context: MutationContext, *, seed: int, each: bool) -> Mutated:
    """Apply operators without settling the result; with ``each``, skip those whose own result cannot be settled."""
    child, applied, refused = base, [], {}
    for index, operator in enumerate(names):
        try:
            changed = _applied(child, operator, context, rng_for("breed", seed, base.id, index, operator))
            if each:
                _settled(changed, operator, context)
            child = changed
            applied.append(operator)
        except (MutationRefused, SandboxUnavailable) as error:
            refused[operator] = error.found
    if applied:
        child = child.model_copy(update={"id": "", "parent": base.id or base.parent})
    return Mutated(child, tuple(applied), refused)


def fresh_values(blueprint: Blueprint, context: MutationContext, *, seed: int, settled: bool = True) -> Blueprint:
    """Return the same plan for another user: new values, persona and world; topology and intent stay.

    The ``quantity`` control makes its blueprints in this way. It is not a mutation, so the lineage stays.

    Args:
        blueprint: The plan.
        context: The cluster, its tools and other material.
        seed: Seed of the new values.
        settled: Whether to settle the result, as in `plan`.

    Returns:
        The new blueprint.

    Raises:
        BlueprintError: If the result is not coherent.

    Example:
        >>> from tdlab.records import BusinessCluster, Tool
        >>> schema = {"type": "object", "properties": {"title": {"type": "string"}}, "required": ["title"]}
        >>> tools = {"notes/create_note": Tool(service="notes", name="create_note", input_schema=schema)}
        >>> cluster = BusinessCluster(id="notes", tools=tuple(tools), dependencies=(), domains={}, title="Notes")
        >>> blueprint = plan(cluster, tools, seed=1)
        >>> other = fresh_values(blueprint, MutationContext(cluster, tools), seed=2)
        >>> other.intent == blueprint.intent, other.persona == blueprint.persona
        (True, False)
    """
    rng = rng_for("values", seed, blueprint.id)
    if blueprint.recipe is not None:
        recipe = blueprint.recipe.model_copy(update={"seed": rng.getrandbits(48)})
        sketch = unplayed(recipe, blueprint.cluster, seed=seed).model_copy(
            update={"parent": blueprint.id or blueprint.parent, "lineage": blueprint.lineage}
        )
        return settle(_played(recipe, sketch, context), context.tools) if settled else sketch
    draft = BlueprintDraft(context.cluster, context.tools, rng, context.config, facts=context.facts)
    slots: dict[str, FromUser] = {}
    steps = []
    for step in blueprint.steps:
        calls = []
        for call in step.calls:
            tool = context.tools[call.tool]
            arguments: dict[str, Binding] = {}
            for parameter, binding in call.arguments.items():
                if isinstance(binding, FromUser):
                    if binding.slot not in slots:
                        said = draft.tell(tool, parameter, fresh=True)
                        slots[binding.slot] = said.model_copy(update={"slot": binding.slot, "when": binding.when})
                    arguments[parameter] = slots[binding.slot]
                else:
                    arguments[parameter] = replace_said(binding, slots)
            calls.append(call.model_copy(update={"arguments": arguments}))
        steps.append(step.model_copy(update={"calls": tuple(calls)}))
    draft.steps = steps
    child = freeze(
        draft, cluster=blueprint.cluster, seed=seed, intent=blueprint.intent, persona=make_persona(rng),
        offered=blueprint.offered, parent=blueprint.id or blueprint.parent, lineage=blueprint.lineage,
        constraints=blueprint.constraints,
    )  # fmt: skip
    return settle(child, context.tools) if settled else child
