"""Plans on executable worlds: a recipe is drawn and changed, and the task that it gives becomes a blueprint.

The recipe is what evolution breeds: which kind of task, what goes wrong, what follows, which services take part. The
blueprint's steps are derived from the script of the task, which has been played on the world already.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache

from tdlab.errors import BlueprintError, MutationRefused, PackError, TaskError
from tdlab.records import (
    CODE_TOOL,
    Ask,
    Beat,
    Binding,
    Blueprint,
    BusinessCluster,
    Call,
    Constant,
    Failure,
    FromResult,
    FromUser,
    Persona,
    Recipe,
    ScriptCall,
    Source,
    Step,
    TaskScript,
    Tool,
    digest,
)
from tdlab.tasks import Frame, Stage, meeting_of
from tdlab.tools import split_words

__all__ = [
    "draw_recipe",
    "follow_on",
    "frames_reached",
    "packed_services",
    "plan_recipe",
    "reachable_frames",
    "refused_wish",
    "steps_of",
    "tools_near",
    "twist_of",
    "unplayed",
    "with_partners",
    "world_seeds",
]


def packed_services(cluster: BusinessCluster, tools: Mapping[str, Tool], stage: Stage) -> dict[str, int]:
    """Return the services of a cluster that can be executed.

    Args:
        cluster: The cluster.
        tools: Definitions of tools by key.
        stage: The packs and worlds.

    Returns:
        Service to the number of the cluster's tools that belong to it.

    Example:
        >>> from tdlab.pool import ToolPool
        >>> from tdlab.records import BusinessCluster
        >>> from tdlab.tasks import stage_here
        >>> pool = ToolPool.bundled().subset(services=["saffron_gable"])
        >>> cluster = BusinessCluster(id="tables", tools=tuple(pool.tools), dependencies=(), domains={})
        >>> packed_services(cluster, pool.tools, stage_here())
        {'saffron_gable': 8}
    """
    counts = Counter(key.rpartition("/")[0] for key in cluster.tools)
    return {service: count for service, count in counts.items() if stage.knows(service, tools)}


def reachable_frames(cluster: BusinessCluster, service: str, stage: Stage, *, programs: bool = False) -> list[str]:
    """Return the frames of a service that a cluster reaches: those whose acts it holds, and those that only ask.

    All frames where it reaches none; those that take a program only where ``programs`` can be run.
    """
    frames = [name for name, frame in stage.tasks(service).frames.items() if programs or not frame.program]
    return [name for name in frames if _reaches(cluster, service, name, stage)] or frames


def frames_reached(
    clusters: Sequence[BusinessCluster], tools: Mapping[str, Tool], stage: Stage
) -> dict[str, tuple[int, int]]:
    """Return how many task frames of each service some cluster reaches: those whose acts one cluster holds.

    Args:
        clusters: The clusters of a run.
        tools: Definitions of tools by key.
        stage: The packs and worlds.

    Returns:
        Service to the number of frames that are reached and the number that it has; services of the clusters that can
        be executed alone.

    Example:
        >>> from tdlab.pool import ToolPool
        >>> from tdlab.records import BusinessCluster
        >>> from tdlab.tasks import stage_here
        >>> pool = ToolPool.bundled().subset(services=["saffron_gable"])
        >>> held = ("saffron_gable/search_restaurants", "saffron_gable/join_waitlist")
        >>> cluster = BusinessCluster(id="waiting", tools=held, dependencies=(), domains={})
        >>> frames_reached([cluster], pool.tools, stage_here())
        {'saffron_gable': (2, 5)}
    """
    reached: dict[str, set[str]] = {}
    for cluster in clusters:
        for service in packed_services(cluster, tools, stage):
            frames = stage.tasks(service).frames
            reached.setdefault(service, set()).update(f for f in frames if _reaches(cluster, service, f, stage))
    return {service: (len(names), len(stage.tasks(service).frames)) for service, names in sorted(reached.items())}


def _reaches(cluster: BusinessCluster, service: str, frame: str, stage: Stage) -> bool:
    held = {key.rpartition("/")[2] for key in cluster.tools if key.rpartition("/")[0] == service}
    return _acted(stage.tasks(service).frames[frame]) <= held


def _acted(frame: Frame) -> set[str]:
    return {tool for act in frame.act for tool in act}


def draw_recipe(
    cluster: BusinessCluster,
    tools: Mapping[str, Tool],
    stage: Stage,
    rng: random.Random,
    *,
    run_seed: int,
    worlds: int,
    twisted: float,
) -> Recipe:
    """Draw the recipe of a task that a cluster reaches.

    Args:
        cluster: The cluster; at least one of its services can be executed.
        tools: Definitions of tools by key.
        stage: The packs and worlds.
        rng: What is drawn from.
        run_seed: The seed of the run.
        worlds: The number of worlds that each service has in the run.
        twisted: The share of tasks in which something does not go as hoped.

    Returns:
        The recipe.
    """
    services = packed_services(cluster, tools, stage)
    service = rng.choices(list(services), weights=list(services.values()))[0]
    frames, programs = stage.tasks(service).frames, CODE_TOOL in tools
    names = reachable_frames(cluster, service, stage, programs=programs)
    name = rng.choices(names, weights=[_PROGRAMS_WANTED if frames[name].program else 1 for name in names])[0]
    twists = list(frames[name].twists)
    twist = rng.choice(twists) if twists and rng.random() < twisted else ""
    world = rng.choice(world_seeds(run_seed, service, worlds))
    return Recipe(
        service=service, frame=name, twist=twist, world=world, seed=rng.getrandbits(48), programs=programs
    )  # fmt: skip


_PROGRAMS_WANTED = 4  # times as often as another one a task is drawn that takes a program, where programs run


def world_seeds(run_seed: int, service: str, count: int) -> range:
    """Return the seeds of a service's worlds in a run. Services begin on different days, as businesses do."""
    return range(first := run_seed * 10**6 + int(digest("worlds", service, length=12), 16) % 10**5, first + count)


def plan_recipe(recipe: Recipe, cluster: str, tools: Mapping[str, Tool], stage: Stage, *, seed: int) -> Blueprint:
    """Return the blueprint of a recipe's task, without an id.

    Args:
        recipe: The recipe.
        cluster: Id of the cluster that it was drawn for.
        tools: Definitions of tools by key.
        stage: The packs and worlds.
        seed: The seed of the blueprint.

    Returns:
        The blueprint.

    Raises:
        BlueprintError: The world makes no such task possible, or a pack's words or goal fail for it.
    """
    try:
        script = stage.script(recipe)
    except (TaskError, PackError) as error:  # a pack's fault in one draw costs this draw, not the run
        raise BlueprintError(f"{recipe.service}/{recipe.frame}: {error.found}") from None
    services = dict.fromkeys((recipe.service, *(part.service for part in script.parts)))
    offered = [tool.key for service in services for tool in stage.tasks(service).pack.service.tools]
    offered += [CODE_TOOL] * recipe.programs
    known = {tool.key: tool for service in services for tool in stage.tasks(service).pack.service.tools}
    wishes = [*dict.fromkeys(part.wish for part in script.parts)]
    return Blueprint(
        id="", cluster=cluster, seed=seed, intent="; then ".join(wishes) or script.beats[0].text,
        persona=Persona(name=script.name, role=script.role), steps=steps_of(script, known),
        offered=tuple(dict.fromkeys((*offered, *(key for key in recipe.distractors if key in tools)))),
        constraints=script.policy, recipe=recipe, script=script,
    )  # fmt: skip


def steps_of(script: TaskScript, tools: Mapping[str, Tool]) -> tuple[Step, ...]:
    """Return the steps of a script, in its order.

    Args:
        script: The script of a task.
        tools: The tools that it calls, by key.

    Returns:
        A step for each turn in which the assistant calls, asks, confirms or refuses.

    Example:
        >>> from tdlab.records import TaskScript
        >>> steps_of(TaskScript(now="2026-03-13T08:49:00Z", services=("A",), parts=(), beats=()), {})
        ()
    """
    return tuple(_Steps(script, tools))


def unplayed(recipe: Recipe, cluster: str, *, seed: int) -> Blueprint:
    """Return a blueprint that has only its recipe yet."""
    return Blueprint(
        id="", cluster=cluster, seed=seed, intent="", persona=Persona(name="", role=""), steps=(), offered=(),
        recipe=recipe,
    )  # fmt: skip


class _Steps:
    """The steps of a script, in its order."""

    def __init__(self, script: TaskScript, tools: Mapping[str, Tool]) -> None:
        self._beats = script.beats
        self._tools = tools
        places = [place for place, beat in enumerate(script.beats) if _makes_a_step(beat)]
        self._names = {place: f"s{number}" for number, place in enumerate(places, start=1)}
        self._made: list[tuple[str, int]] = []
        """For each call so far, the id of its step and its index there."""
        self._asked: dict[str, str] = {}
        """For each slot that was asked for, the id of the step that asked."""
        self._confirmed: dict[str, str] = {}
        """For each step that needs a yes, the id of the step that asks for it."""

    def __iter__(self) -> Iterator[Step]:
        turn, wish = -1, ""
        for place, beat in enumerate(self._beats):
            if beat.speaker == "user":
                turn += beat.purpose in ("open", "wish")
                wish = beat.text
            elif place in self._names:
                yield self._step(place, beat, max(turn, 0), wish)

    def _step(self, place: int, beat: Beat, turn: int, wish: str) -> Step:
        name = self._names[place]
        if beat.speaker == "calls":
            return self._calling(name, beat, turn)
        if beat.purpose in ("ask", "offer"):
            slots = self._beats[place + 1].tells
            self._asked |= dict.fromkeys(slots, name)
            asks = tuple(Ask(slot=slot, label=slot.replace("__", " ").replace("_", " ")) for slot in slots)
            return Step(id=name, kind="ask", asks=asks, turn=turn)
        if beat.purpose == "confirm":
            act = next((p for p in range(place, len(self._beats)) if self._beats[p].purpose == "act"), None)
            about = self._names.get(act) if act is not None else None
            if about is not None:
                self._confirmed[about] = name
            return Step(id=name, kind="confirm", about=about, turn=turn)
        return Step(id=name, kind="refuse", request=wish, turn=turn)

    def _calling(self, name: str, beat: Beat, turn: int) -> Step:
        calls = tuple(self._call(call) for call in beat.calls)
        self._made += [(name, index) for index in range(len(calls))]
        met = beat.calls[0]
        if met.tool == CODE_TOOL:
            return Step(id=name, kind="code", calls=calls, turn=turn, request="work it out")
        slots = [source.slot for call in beat.calls for source in call.sources.values() if source.kind == "user"]
        first = [self._asked[slot] for slot in slots if slot in self._asked]
        if name in self._confirmed:
            first.append(self._confirmed[name])
        return Step(
            id=name, kind="call" if len(calls) == 1 else "parallel", calls=calls, turn=turn,
            failure=Failure(code=met.meets, message=self._message(met), recovery="report") if met.meets else None,
            after=tuple(dict.fromkeys(first)),
        )  # fmt: skip

    def _call(self, call: ScriptCall) -> Call:
        bindings = {name: self._binding(value, call.sources.get(name)) for name, value in call.arguments.items()}
        return Call(tool=call.tool, arguments=bindings)

    def _binding(self, value: object, source: Source | None) -> Binding:
        if source is not None and source.kind == "user":
            return FromUser(slot=source.slot, value=value, when="if_asked" if source.slot in self._asked else "at_once")
        if source is not None and source.kind == "result":
            step, index = self._made[source.call]
            return FromResult(step=step, call=index, path=source.path)
        return Constant(value=value)

    def _message(self, call: ScriptCall) -> str:
        return next((e.message for e in self._tools[call.tool].errors if e.code == call.meets), call.meets)


def _makes_a_step(beat: Beat) -> bool:
    return beat.speaker == "calls" or (
        beat.speaker == "assistant" and beat.purpose in ("ask", "offer", "confirm", "refuse")
    )


# ------------------------------------------------------------------------------------------------- moves on recipes

_MOST_FOLLOWING = 2


def follow_on(recipe: Recipe, stage: Stage) -> Recipe:
    """One wish more that follows from what was reached."""
    frame = stage.tasks(recipe.service).frames[recipe.frame]
    if recipe.follow >= _MOST_FOLLOWING:
        raise MutationRefused(f"{recipe.follow} wishes follow already")
    if not frame.follows and not (frame.gives and recipe.partners):
        raise MutationRefused(f"nothing follows on {recipe.frame}")
    return recipe.model_copy(update={"follow": recipe.follow + 1})


def twist_of(recipe: Recipe, stage: Stage, rng: random.Random, kinds: Sequence[str]) -> Recipe:
    """A twist of one of some kinds, where the frame has one."""
    frame = stage.tasks(recipe.service).frames[recipe.frame]
    fitting = [name for name, twist in frame.twists.items() if meeting_of(twist)[0] in kinds]
    fitting = [name for name in fitting if name != recipe.twist]
    if not fitting:
        raise MutationRefused(f"{recipe.frame} has no other twist of this kind")
    return recipe.model_copy(update={"twist": rng.choice(fitting)})


def refused_wish(recipe: Recipe, stage: Stage, rng: random.Random) -> Recipe:
    """A wish that no tool of the service can fulfil; then no other service takes part, which might fulfil it."""
    if recipe.beyond:
        raise MutationRefused("one wish is refused already")
    if recipe.partners or recipe.distractors:
        raise MutationRefused("another service is offered, which might fulfil the wish")
    if not stage.tasks(recipe.service).beyond:
        raise MutationRefused(f"{recipe.service} has no wish beyond it")
    place = rng.choice(("first", "later", "last") if recipe.follow else ("first", "last"))
    return recipe.model_copy(update={"beyond": place})


def with_partners(
    recipe: Recipe, partner: BusinessCluster | None, tools: Mapping[str, Tool], stage: Stage, rng: random.Random
) -> Recipe:
    """Another service that can take up what this task gives: one of the other cluster, or else of the whole pool."""
    if recipe.beyond:
        raise MutationRefused("a wish beyond the service is refused, which another service might fulfil")
    frame = stage.tasks(recipe.service).frames[recipe.frame]
    if not frame.gives:
        raise MutationRefused(f"{recipe.frame} gives nothing that another service takes")
    wanted = packed_services(partner, tools, stage) if partner is not None else {}
    taking = [service for service in wanted if _takes(service, recipe, stage)] or [
        service
        for service in dict.fromkeys(key.rpartition("/")[0] for key in tools)
        if stage.knows(service, tools) and _takes(service, recipe, stage)
    ]
    if not taking:
        raise MutationRefused("no service takes up what this task gives")
    partners = tuple(dict.fromkeys((*recipe.partners, rng.choice(taking))))
    return recipe.model_copy(update={"partners": partners, "follow": max(1, recipe.follow)})


def _takes(service: str, recipe: Recipe, stage: Stage) -> bool:
    """Whether a service takes up what a recipe's frame gives."""
    if service in (recipe.service, *recipe.partners):
        return False
    tasks = stage.tasks(recipe.service)
    return any(
        kind in tasks.frames[recipe.frame].gives and given.suits(tasks.pack.service)
        for frame in stage.tasks(service).frames.values()
        for kind, given in frame.takes.items()
    )


def tools_near(recipe: Recipe, among: Sequence[str], tools: Mapping[str, Tool], stage: Stage, most: int) -> list[str]:
    """Return the tools nearest in meaning to those of the recipe's frame, nearest first: by the words they share."""
    frame = stage.tasks(recipe.service).frames[recipe.frame]
    own = {f"{recipe.service}/{name}" for name in _acted(frame)} or {
        tool.key for tool in stage.tasks(recipe.service).pack.service.tools
    }
    words = {word for key in own if key in tools for word in _words(tools[key])}
    inside = {recipe.service, *recipe.partners}
    free = [key for key in among if key.rpartition("/")[0] not in inside and stage.knows(key.rpartition("/")[0], tools)]
    return sorted(free, key=lambda key: (-len(words & _words(tools[key])), key))[:most]


def _words(tool: Tool) -> frozenset[str]:
    return _words_of(tool.name, tool.description)


@lru_cache(maxsize=4096)
def _words_of(*texts: str) -> frozenset[str]:
    return frozenset(word for text in texts for word in split_words(text) if len(word) > 3)
