"""The mutation operators of tdlab, each a function from blueprint to blueprint with a precondition."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Iterable, Iterator
from typing import Literal

from tdlab.blueprints.breeding import MUTATIONS, Mutation, MutationContext
from tdlab.blueprints.code_ideas import ideas
from tdlab.blueprints.drafts import BlueprintDraft, is_paging, replace_said, shows_or_finds
from tdlab.blueprints.planner import freeze
from tdlab.blueprints.world_plans import follow_on, refused_wish, tools_near, twist_of, with_partners
from tdlab.errors import MutationRefused, SandboxUnavailable
from tdlab.records import (
    CODE_TOOL,
    Ask,
    Blueprint,
    BusinessCluster,
    Call,
    Failure,
    FromResult,
    FromTemplate,
    FromUser,
    Recipe,
    Step,
)
from tdlab.tasks import Stage
from tdlab.tools import goal_phrase, label, nature, roles

__all__ = ["MUTATIONS"]


def _extend_chain(blueprint: Blueprint, context: MutationContext, rng: random.Random) -> Blueprint:
    """Add a call that needs what the last steps returned."""
    draft = context.draft(blueprint, rng)
    order = {step.id: n for n, step in enumerate(draft.steps)}
    options = _consumers(draft, fed=lambda step: order[step] >= len(order) - 2)
    return _consume(draft, options, blueprint, "extend_chain")


def _branch(blueprint: Blueprint, context: MutationContext, rng: random.Random) -> Blueprint:
    """Use one step's result a second time, in another call."""
    draft = context.draft(blueprint, rng)
    used = {b.step for _, _, call in blueprint.calls() for b in call.arguments.values() if isinstance(b, FromResult)}
    return _consume(draft, _consumers(draft, fed=lambda step: step in used), blueprint, "branch")


def _parallelise(blueprint: Blueprint, context: MutationContext, rng: random.Random) -> Blueprint:
    """Ask for the same thing two to four times at once, with other values: a batch of independent calls."""
    draft = context.draft(blueprint, rng)
    options = [
        n
        for n, step in enumerate(draft.steps)
        if step.kind == "call"
        and step.failure is None
        and _pivots(draft, step)
        and shows_or_finds(draft.tools[step.calls[0].tool])
    ]
    if not options:
        raise MutationRefused("parallelise: no reading step has a value that the user says")
    place = rng.choice(options)
    step = draft.steps[place]
    tool = draft.tools[step.calls[0].tool]
    pivot = _pivots(draft, step)[0]
    calls = [step.calls[0]]
    values = [calls[0].arguments[pivot].value]  # type: ignore[union-attr]  # a pivot is a FromUser
    # Fixed by definition, here and for what is withheld: mostly one, now and then two or three.
    for _ in range(rng.choice((1, 1, 2, 3))):
        said = draft.tell(tool, pivot, fresh=True)
        if said.value in values:
            continue
        values.append(said.value)
        calls.append(Call(tool=tool.key, arguments={**calls[0].arguments, pivot: said}))
        draft.steps[place] = step.model_copy(update={"kind": "parallel", "calls": tuple(calls)})
    if len(calls) < 2:
        raise MutationRefused(f"parallelise: {tool.key} has no second value for {pivot!r}")
    return _done(draft, blueprint)


def _pivots(draft: BlueprintDraft, step: Step) -> list[str]:
    """Parameters of which a person might name several: said at once, no switch, and no mere setting."""
    tool = draft.tools[step.calls[0].tool]
    said = [
        parameter
        for parameter, binding in step.calls[0].arguments.items()
        if isinstance(binding, FromUser)
        and binding.when == "at_once"
        and isinstance(binding.value, (str, int, float))
        and not isinstance(binding.value, bool)
        and (parameter in roles(tool).references or parameter in tool.required)
    ]
    return sorted(said, key=lambda parameter: parameter not in roles(tool).references)


_TRANSIENT = (
    Failure(code="rate_limited", message="Too many requests. Try again in a moment."),
    Failure(code="timeout", message="The upstream service did not answer in time. The request was not carried out."),
    Failure(code="service_unavailable", message="The service is restarting. Nothing was changed; please retry."),
    Failure(code="conflict", message="The record is locked by another session. Nothing was changed; please retry."),
)
"""The last one is for calls that change something."""


def _inject_failure(blueprint: Blueprint, context: MutationContext, rng: random.Random) -> Blueprint:
    """Let the first try of one call fail in a way that passes, so that it has to be tried again."""
    draft = context.draft(blueprint, rng)
    options = [n for n, step in enumerate(draft.steps) if step.kind == "call" and step.failure is None]
    if not options:
        raise MutationRefused("inject_failure: every call fails once already")
    place = rng.choice(options)
    reads = nature(draft.tools[draft.steps[place].calls[0].tool]).effect in ("read", "search", "compute")
    failure = rng.choice(_TRANSIENT[:-1] if reads else _TRANSIENT)
    draft.steps[place] = draft.steps[place].model_copy(update={"failure": failure})
    return _done(draft, blueprint)


def _withhold_information(blueprint: Blueprint, context: MutationContext, rng: random.Random) -> Blueprint:
    """Let the user forget to say one to three things, so that the assistant has to ask."""
    draft = context.draft(blueprint, rng)
    first_use: dict[str, int] = {}
    required: set[str] = set()
    for n, step in enumerate(draft.steps):
        for call in step.calls:
            for parameter, binding in call.arguments.items():
                if isinstance(binding, FromUser) and binding.when == "at_once":
                    first_use.setdefault(binding.slot, n)
                    if parameter in draft.tools[call.tool].required:
                        required.add(binding.slot)
    hidden = [slot for slot in first_use if slot in required]
    if not hidden:
        raise MutationRefused("withhold_information: the user says nothing that a call requires")
    place = first_use[rng.choice(hidden)]
    together = [slot for slot in hidden if first_use[slot] == place]
    confirm = next(
        (n for n, s in enumerate(draft.steps) if s.kind == "confirm" and s.about == draft.steps[place].id), None
    )
    chosen = set(rng.sample(together, k=min(len(together), rng.choice((1, 1, 2, 3)))))
    ask = Step(
        id=draft.next_id(), kind="ask", turn=draft.steps[place].turn,
        asks=tuple(Ask(slot=slot, label=label(slot)) for slot in first_use if slot in chosen),
    )  # fmt: skip
    for n, step in enumerate(draft.steps):
        calls = []
        uses = False
        for call in step.calls:
            arguments = dict(call.arguments)
            for parameter, binding in arguments.items():
                later = {
                    source.slot: source.model_copy(update={"when": "if_asked"})
                    for source in (binding.inputs.values() if isinstance(binding, FromTemplate) else (binding,))
                    if isinstance(source, FromUser) and source.slot in chosen
                }
                if later:
                    arguments[parameter] = replace_said(binding, later)
                    uses = True
            calls.append(call.model_copy(update={"arguments": arguments}))
        if uses:
            draft.steps[n] = step.model_copy(update={"calls": tuple(calls), "after": (*step.after, ask.id)})
    if confirm is not None:  # what is to be confirmed has to be known
        draft.steps[confirm] = draft.steps[confirm].model_copy(update={"after": (*draft.steps[confirm].after, ask.id)})
    draft.steps.insert(place if confirm is None else confirm, ask)
    return _done(draft, blueprint)


def _add_distractor(blueprint: Blueprint, context: MutationContext, rng: random.Random) -> Blueprint:
    """Offer the assistant a few more tools that are of no use here."""
    left = [key for key in context.distractors if key not in blueprint.offered and key in context.tools]
    if not left:
        raise MutationRefused("add_distractor: there is no tool left that could distract")
    added = tuple(rng.sample(left, k=min(len(left), rng.randint(1, context.config.max_distractors))))
    draft = context.draft(blueprint, rng)
    return _done(draft, blueprint, offered=(*blueprint.offered, *added))


def _follow_up(blueprint: Blueprint, context: MutationContext, rng: random.Random) -> Blueprint:
    """Let the user come back with another request over the same cluster."""
    draft = context.draft(blueprint, rng)
    return _new_turn(draft, context.cluster, blueprint, "follow_up")


def _bridge_clusters(blueprint: Blueprint, context: MutationContext, rng: random.Random) -> Blueprint:
    """Let the task go on in another cluster, whose tools are offered from the start."""
    if context.partner is None or context.partner.id == context.cluster.id:
        raise MutationRefused("bridge_clusters: there is no other cluster to go on in")
    draft = context.draft(blueprint, rng, context.partner)
    return _new_turn(draft, context.partner, blueprint, "bridge_clusters")


def _add_confirmation(blueprint: Blueprint, context: MutationContext, rng: random.Random) -> Blueprint:
    """Have the assistant ask for a yes before a call that changes something."""
    draft = context.draft(blueprint, rng)
    confirmed = {step.about for step in draft.steps if step.kind == "confirm"}
    options = [
        n
        for n, step in enumerate(draft.steps)
        if step.kind == "call" and step.id not in confirmed
        and roles(draft.tools[step.calls[0].tool]).nature.effect in ("write", "delete")
    ]  # fmt: skip
    if not options:
        raise MutationRefused("add_confirmation: no unconfirmed step changes anything")
    place = rng.choice(options)
    step = draft.steps[place]
    confirm = Step(id=draft.next_id(), kind="confirm", about=step.id, turn=step.turn, after=step.needs())
    draft.steps[place] = step.model_copy(update={"after": (*step.after, confirm.id)})
    draft.steps.insert(place, confirm)
    return _done(draft, blueprint)


def _add_refusal(blueprint: Blueprint, context: MutationContext, rng: random.Random) -> Blueprint:
    """Let the user want one thing more, for which no tool is offered."""
    if any(step.kind == "refuse" for step in blueprint.steps):
        raise MutationRefused("add_refusal: one request is refused already")
    wishes = _wishes(blueprint, context)
    if not wishes:
        raise MutationRefused("add_refusal: there is no tool outside the offer to wish for")
    draft = context.draft(blueprint, rng)
    turn = max(step.turn for step in draft.steps) + 1
    wish = rng.choice(wishes)
    draft.steps.append(Step(id=draft.next_id(), kind="refuse", request=wish, turn=turn))
    return _done(draft, blueprint)


def _wishes(blueprint: Blueprint, context: MutationContext) -> list[str]:
    """What the user could want besides: near misses from the services in use where there are any, else anything."""
    offered = [context.tools[key] for key in blueprint.offered]
    served = {(roles(tool).nature.operation, roles(tool).own) for tool in offered}
    phrases = {goal_phrase(tool) for tool in offered}

    def unserved(keys: Iterable[str]) -> list[str]:
        found: dict[str, None] = {}
        for key in keys:
            tool = context.tools.get(key)
            if tool is None or key in blueprint.offered or (roles(tool).nature.operation, roles(tool).own) in served:
                continue
            if goal_phrase(tool) not in phrases:
                found[goal_phrase(tool)] = None
        return list(found)

    services = {tool.service for tool in offered}
    near = [*context.cluster.tools, *(context.partner.tools if context.partner else ()), *context.distractors]
    return unserved(k for k in near if k.partition("/")[0] in services) or unserved(context.distractors)


def _tighten_constraint(blueprint: Blueprint, context: MutationContext, rng: random.Random) -> Blueprint:
    """Have the user insist on one more detail: an optional parameter that was left open."""
    draft = context.draft(blueprint, rng)
    options = [
        (n, parameter)
        for n, step in enumerate(draft.steps)
        if step.kind == "call"
        for parameter in draft.tools[step.calls[0].tool].parameters
        if parameter not in step.calls[0].arguments and not is_paging(parameter)
    ]
    if not options:
        raise MutationRefused("tighten_constraint: every parameter is bound already")
    place, parameter = rng.choice(options)
    step = draft.steps[place]
    said = draft.tell(draft.tools[step.calls[0].tool], parameter)
    asked = draft.asked_in({parameter: said})
    if not set(asked) <= {earlier.id for earlier in draft.steps[:place]}:
        raise MutationRefused(f"tighten_constraint: {parameter!r} is told only later")
    call = step.calls[0].model_copy(update={"arguments": {**step.calls[0].arguments, parameter: said}})
    draft.steps[place] = step.model_copy(update={"calls": (call,), "after": (*step.after, *asked)})
    return _done(draft, blueprint, constraints=(*blueprint.constraints, label(parameter)))


def _add_code_step(blueprint: Blueprint, context: MutationContext, rng: random.Random) -> Blueprint:
    """Have the assistant write a program over what the calls returned, and go on with or report what it prints.

    SandboxUnavailable where the context has no code tool: there is nothing that could run the program.
    """
    if CODE_TOOL not in context.tools:
        raise SandboxUnavailable(
            "a code step was asked for and there is no code tool among the tools",
            expected=f"{CODE_TOOL}, which a sandbox executes",
            do="set sandbox.backend (or `tdlab run --code`), or leave add_code_step out of the mutations",
        )
    programs = sum(step.kind == "code" for step in blueprint.steps)
    if programs >= context.config.max_programs:
        raise MutationRefused(f"add_code_step: the plan has {programs} programs already")
    draft = context.draft(blueprint, rng)
    if len(draft.steps) >= draft.config.max_steps:
        raise MutationRefused("add_code_step: the plan is as long as it may be")
    found = ideas(draft)
    if not found:
        raise MutationRefused("add_code_step: nothing that the calls return can be worked on")
    idea = rng.choice(found[rng.choice(list(found))])
    place = next(n for n, step in enumerate(draft.steps) if step.id == idea.source.id)
    about = idea.source.id if idea.picks else None
    with _before_refusal(draft) as last:
        turn = idea.source.turn if idea.picks or rng.random() < context.config.program_at_once else last + 1
        same = turn == idea.source.turn
        request = f"{idea.request if same else idea.then}, {rng.choice(_BY_CODE)}"
        step = Step(id=draft.next_id(), kind="code", calls=(idea.call,), request=request, turn=turn, about=about)
        ends = [n for n, earlier in enumerate(draft.steps) if earlier.turn <= turn]
        draft.steps.insert(place + 1 if idea.picks else ends[-1] + 1, step)
    return _done(draft, blueprint, offered=(*blueprint.offered, CODE_TOOL))


_BY_CODE = (
    "worked out with a short program",
    "computed with code rather than by eye",
    "using a small script for it",
    "and please run code for that",
)


# ---------------------------------------------------------------------------------- the same on executable worlds


def _stage(context: MutationContext) -> Stage:
    if context.stage is None:
        raise MutationRefused("there is no stage to play the task on")
    return context.stage


def _move_follow(recipe: Recipe, context: MutationContext, rng: random.Random) -> Recipe:
    return follow_on(recipe, _stage(context))


def _move_bridge(recipe: Recipe, context: MutationContext, rng: random.Random) -> Recipe:
    return with_partners(recipe, context.partner, context.tools, _stage(context), rng)


def _move_obstacle(recipe: Recipe, context: MutationContext, rng: random.Random) -> Recipe:
    return twist_of(recipe, _stage(context), rng, ("error", "empty", "seen"))


def _move_second_thoughts(recipe: Recipe, context: MutationContext, rng: random.Random) -> Recipe:
    return twist_of(recipe, _stage(context), rng, ("change", "policy"))


def _move_refusal(recipe: Recipe, context: MutationContext, rng: random.Random) -> Recipe:
    refusing = refused_wish(recipe, _stage(context), rng)
    if rng.random() >= context.config.beyond:
        raise MutationRefused("people rarely wish for what is beyond a service")
    return refusing


def _move_withhold(recipe: Recipe, context: MutationContext, rng: random.Random) -> Recipe:
    if recipe.terse:
        raise MutationRefused("the user says little at once already")
    return recipe.model_copy(update={"terse": True})


def _move_rule(recipe: Recipe, context: MutationContext, rng: random.Random) -> Recipe:
    return _chosen_by(recipe, context, "rule")


def _move_offer(recipe: Recipe, context: MutationContext, rng: random.Random) -> Recipe:
    return _chosen_by(recipe, context, "ask")


def _chosen_by(recipe: Recipe, context: MutationContext, choice: Literal["rule", "ask"]) -> Recipe:
    if recipe.choice == choice:
        raise MutationRefused("the user chooses in this way already")
    if not _stage(context).tasks(recipe.service).frames[recipe.frame].choose:
        raise MutationRefused(f"nothing is chosen in {recipe.frame}")
    return recipe.model_copy(update={"choice": choice})


def _move_distractor(recipe: Recipe, context: MutationContext, rng: random.Random) -> Recipe:
    if recipe.beyond:
        raise MutationRefused("a wish is refused, which another tool might fulfil")
    left = [key for key in context.distractors if key not in recipe.distractors]
    most = rng.randint(1, context.config.max_distractors)
    near = tools_near(recipe, left, context.tools, _stage(context), most)
    if not near:
        raise MutationRefused("there is no tool left that could distract")
    return recipe.model_copy(update={"distractors": (*recipe.distractors, *near)})


def _no_move(why: str) -> Callable[[Recipe, MutationContext, random.Random], Recipe]:
    def refuse(recipe: Recipe, context: MutationContext, rng: random.Random) -> Recipe:
        raise MutationRefused(why)

    return refuse


for _mutation in (
    Mutation("extend_chain", "complexity", (), _extend_chain, _move_follow),
    Mutation("branch", "complexity", (), _branch, _move_offer),
    Mutation(
        "parallelise",
        "mode",
        ("parallel",),
        _parallelise,
        _no_move("calls that need not wait for each other are made at once as it is"),
    ),
    Mutation("inject_failure", "mode", ("error", "recover"), _inject_failure, _move_obstacle),
    Mutation("withhold_information", "mode", ("ask",), _withhold_information, _move_withhold),
    Mutation("add_distractor", "complexity", (), _add_distractor, _move_distractor),
    Mutation("follow_up", "complexity", ("reply",), _follow_up, _move_follow),
    Mutation("bridge_clusters", "domain", ("reply",), _bridge_clusters, _move_bridge),
    Mutation("add_confirmation", "mode", ("confirm",), _add_confirmation, _move_second_thoughts),
    Mutation("add_refusal", "mode", ("refuse",), _add_refusal, _move_refusal),
    Mutation("tighten_constraint", "complexity", (), _tighten_constraint, _move_rule),
    Mutation("add_code_step", "mode", ("code",), _add_code_step, _no_move("the task needs no program")),
):
    MUTATIONS.register(_mutation.name)(_mutation)


# ----------------------------------------------------------------------------------------------------------- helpers


def _consumers(draft: BlueprintDraft, *, fed: Callable[[str], bool]) -> list[str]:
    """Tools of the cluster not called yet, with a parameter that a step picked by ``fed`` can fill."""
    makers = {step.calls[0].tool: step.id for step in draft.steps if step.kind == "call"}
    found: dict[str, None] = {}
    for (target, _), feeds in sorted(draft.feeds.items()):
        if target in makers or len(draft.steps) >= draft.config.max_steps:
            continue
        if any((step := makers.get(feed.edge.source)) is not None and fed(step) for feed in feeds):
            found[target] = None
    return list(found)


@contextlib.contextmanager
def _before_refusal(draft: BlueprintDraft) -> Iterator[int]:
    """Gives the last turn that is not a refusal; a refusal stays the end of the conversation."""
    ending = [step for step in draft.steps if step.kind == "refuse"]
    draft.steps = [step for step in draft.steps if step.kind != "refuse"]
    yield max((step.turn for step in draft.steps), default=0)
    last = max((step.turn for step in draft.steps), default=0)
    taken = {step.id for step in draft.steps}
    for step in ending:
        draft.steps.append(
            step.model_copy(update={"turn": last + 1, "id": draft.next_id() if step.id in taken else step.id})
        )


def _consume(draft: BlueprintDraft, options: list[str], blueprint: Blueprint, name: str) -> Blueprint:
    if not options:
        raise MutationRefused(f"{name}: nothing in the cluster needs what the plan returns")
    goal = draft.rng.choice(options)
    with _before_refusal(draft) as turn:
        draft.add_goal(goal, turn=turn)
    return _done(draft, blueprint)


def _new_turn(draft: BlueprintDraft, cluster: BusinessCluster, blueprint: Blueprint, name: str) -> Blueprint:
    left = [key for key in cluster.tools if key in draft.tools and draft.made_by(key) is None]
    if not left or len(draft.steps) + 2 > draft.config.max_steps:
        raise MutationRefused(f"{name}: the plan is as long as it may be, or no tool is left")
    goal = draft.rng.choice(left)
    with _before_refusal(draft) as turn:
        draft.add_goal(goal, turn=turn + 1)
    intent = f"{blueprint.intent}; then {goal_phrase(draft.tools[goal])}"
    return _done(
        draft,
        blueprint,
        intent=intent,
        offered=(*blueprint.offered, *(k for k in cluster.tools if k in draft.tools)),
    )


def _done(
    draft: BlueprintDraft,
    blueprint: Blueprint,
    *,
    intent: str | None = None,
    offered: tuple[str, ...] | None = None,
    constraints: tuple[str, ...] | None = None,
) -> Blueprint:
    return freeze(
        draft, cluster=blueprint.cluster, seed=blueprint.seed, intent=intent or blueprint.intent,
        persona=blueprint.persona, offered=offered or blueprint.offered, parent=blueprint.id,
        lineage=blueprint.lineage,
        constraints=blueprint.constraints if constraints is None else constraints,
    )  # fmt: skip
