"""What each agent may see and answer: the interface that every teacher implements.

The user sees its brief and what the assistant wrote. The assistant sees the offered tools and the conversation, never
the blueprint. Neither sees the environment. A teacher that implements `Teacher` cannot see more than these views.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator, Mapping
from typing import Literal, NamedTuple, Protocol

from tdlab.records import (
    Blueprint,
    FromResult,
    FromUser,
    Json,
    Message,
    Persona,
    Purpose,
    Step,
    TaskScript,
    Tool,
    ToolCall,
)
from tdlab.registry import Registry
from tdlab.tools import goal_phrase, label, roles, say_detail
from tdlab.worlds import start_of

__all__ = [
    "TEACHERS",
    "AssistantTurn",
    "AssistantView",
    "Line",
    "Request",
    "RolloutStopped",
    "Teacher",
    "TeacherFactory",
    "UserBrief",
    "UserTurn",
    "UserView",
    "brief_of",
    "describe",
    "goal_steps",
    "offered_names",
    "setting_of",
    "system_message",
]


class RolloutStopped(Exception):
    """This rollout cannot continue; the message says why. It becomes a rejection, and the run continues."""


class Request(NamedTuple):
    """One thing that the user wants.

    ``goals`` complete the sentence "I need to ...". ``details`` are (label, value) pairs that the user says at once.
    ``remarks`` are whole sentences, such as which of several results to take.
    """

    goals: tuple[str, ...]
    details: tuple[tuple[str, Json], ...] = ()
    remarks: tuple[str, ...] = ()


class Line(NamedTuple):
    """One thing that the user says in a task on executable worlds.

    Attributes:
        matter: The number of the request that it belongs to.
        purpose: What it is for; ``open`` and ``wish`` make a request.
        text: The words of the script.
        tells: The facts that it tells.
        cue: What the assistant of the script says before it; empty at the beginning.
        cue_purpose: What that is for, such as ``confirm`` or ``report``; empty at the beginning.
        unasked: Whether a user who may choose their words says it with the request: it is for parameters that a tool
            does without, so that an assistant need not ask.
    """

    matter: int
    purpose: Purpose
    text: str
    tells: dict[str, Json]
    cue: str
    cue_purpose: Purpose | Literal[""]
    unasked: bool = False

    @property
    def opens(self) -> bool:
        """Whether it makes a request."""
        return self.purpose in ("open", "wish")


class UserBrief(NamedTuple):
    """All that the user knows: a persona, the requests in order, and by label the values to give only if asked.

    For a task on executable worlds, ``lines`` are all that the user has to say, in the order of the script.
    """

    persona: Persona
    requests: tuple[Request, ...]
    withheld: dict[str, Json]
    lines: tuple[Line, ...] = ()


class UserView(NamedTuple):
    """What the user sees: the brief, the number of requests made so far, and the messages without tool calls."""

    brief: UserBrief
    requests_made: int
    messages: tuple[Message, ...]


class AssistantView(NamedTuple):
    """What the assistant sees: the offered tools by function name, and the conversation with tool results."""

    tools: Mapping[str, Tool]
    messages: tuple[Message, ...]


class UserTurn(NamedTuple):
    """A user message, which is the next request of the brief or an answer to the assistant."""

    content: str
    kind: Literal["request", "answer"]


class AssistantTurn(NamedTuple):
    """An assistant turn: tool calls, a message for the user, or both; never neither.

    ``reasoning`` is what a model wrote before it, where it is to be kept.
    """

    content: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    reasoning: str = ""


class Teacher(Protocol):
    """Writes what user and assistant say in one rollout. ``name`` goes into the trajectory."""

    name: str

    def user(self, view: UserView) -> UserTurn | None:
        """Return the user's next message, or None if there is nothing more to say."""
        ...

    def assistant(self, view: AssistantView) -> AssistantTurn:
        """Return the assistant's next turn."""
        ...


class TeacherFactory(Protocol):
    """Make the teacher of one rollout: usually the class of the teacher itself."""

    def __call__(self, blueprint: Blueprint, tools: Mapping[str, Tool], /) -> Teacher:
        """Return a teacher for a blueprint; ``tools`` holds every tool that it offers, by key."""
        ...


TEACHERS: Registry[TeacherFactory] = Registry("tdlab.teachers", "teacher", setting="rollout.teacher", also=("llm",))
"""The teachers that need no language model; ``llm`` is one for each rollout with the models of `TeacherConfig`."""


def goal_steps(blueprint: Blueprint, tools: Mapping[str, Tool], turn: int) -> tuple[Step, ...]:
    """Return the steps of a turn that are goals: they change something, or no other step needs them.

    Args:
        blueprint: The plan.
        tools: Every tool that the blueprint calls, by key.
        turn: Number of the user's request, from 0.

    Returns:
        The steps, in their order.

    Example:
        >>> from tdlab import ToolPool
        >>> from tdlab.blueprints import plan
        >>> from tdlab.clusters import mine
        >>> pool = ToolPool.bundled()
        >>> blueprint = plan(mine(pool).clusters[0], pool.tools, seed=1)
        >>> {step.turn for step in goal_steps(blueprint, pool.tools, 0)}
        {0}
    """
    steps = [step for step in blueprint.steps if step.turn == turn]
    used = {needed for step in steps for needed in step.needs()}
    return tuple(
        step
        for step in steps
        if step.calls
        and (step.id not in used or any(roles(tools[c.tool]).nature.effect in ("write", "delete") for c in step.calls))
    )


def brief_of(blueprint: Blueprint, tools: Mapping[str, Tool]) -> UserBrief:
    """Return the user's part of a blueprint.

    Args:
        blueprint: The plan.
        tools: Every tool that the blueprint calls, by key.

    Returns:
        The persona, the requests in order, and the values to give only if asked.

    Example:
        >>> from tdlab import ToolPool
        >>> from tdlab.blueprints import plan
        >>> from tdlab.clusters import mine
        >>> pool = ToolPool.bundled()
        >>> brief = brief_of(plan(mine(pool).clusters[0], pool.tools, seed=1, goals=2), pool.tools)
        >>> len(brief.requests), brief.withheld
        (2, {})
    """
    if blueprint.script is not None:
        lines = tuple(_lines(blueprint.script, tools))
        return UserBrief(blueprint.persona, tuple(Request((line.text,)) for line in lines if line.opens), {}, lines)
    if blueprint.story:
        return UserBrief(blueprint.persona, tuple(Request((text,)) for text in blueprint.story), {})
    withheld: dict[str, Json] = {}
    known_slots: set[str] = set()
    requests = []
    for turn in sorted({step.turn for step in blueprint.steps}):
        details: dict[str, tuple[str, Json]] = {}
        wanted = goal_steps(blueprint, tools, turn)
        goals = [_goal(blueprint, tools, step, c.tool) for step in wanted for c in step.calls]
        remarks: dict[str, None] = {}
        for step in blueprint.steps:
            if step.turn != turn:
                continue
            if step.kind == "refuse":
                goals.append(step.request)
            if step.kind == "code" and step not in wanted:
                remarks[f"{step.request[0].upper()}{step.request[1:]}."] = None
            for call in step.calls:
                for binding in call.sources():
                    if isinstance(binding, FromResult):
                        remarks |= dict.fromkeys(_choice(blueprint, tools, binding))
                    if not isinstance(binding, FromUser) or binding.slot in known_slots:
                        continue
                    if binding.when == "at_once":
                        details.setdefault(binding.slot, (label(binding.slot), binding.value))
                    else:
                        withheld.setdefault(label(binding.slot), binding.value)
        known_slots |= set(details)
        requests.append(Request(tuple(dict.fromkeys(goals)), tuple(details.values()), tuple(remarks)))
    return UserBrief(blueprint.persona, tuple(requests), withheld)


def _lines(script: TaskScript, tools: Mapping[str, Tool]) -> Iterator[Line]:
    optional = _optional_slots(script, tools)
    matter, cue = -1, ""
    cue_purpose: Purpose | Literal[""] = ""
    early = True
    for beat in script.beats:
        if beat.speaker == "user":
            opens = beat.purpose in ("open", "wish")
            matter += opens
            early = opens or (early and beat.purpose == "tell")
            unasked = early and not opens and bool(beat.tells) and beat.tells.keys() <= optional
            yield Line(matter, beat.purpose, beat.text, beat.tells, cue, cue_purpose, unasked)
        elif beat.speaker == "assistant":
            cue, cue_purpose = beat.text, beat.purpose


def _optional_slots(script: TaskScript, tools: Mapping[str, Tool]) -> set[str]:
    """Return the facts that the user tells for optional parameters alone."""
    optional: set[str] = set()
    required: set[str] = set()
    for call in (call for beat in script.beats for call in beat.calls if call.tool in tools):
        for parameter, source in call.sources.items():
            (required if parameter in tools[call.tool].required else optional).add(source.slot)
    return optional - required - {""}


def _goal(blueprint: Blueprint, tools: Mapping[str, Tool], step: Step, tool: str) -> str:
    if step.kind != "code":
        return goal_phrase(tools[tool])
    source = blueprint.step(step.about).calls[0].tool if step.about else None
    return f"{goal_phrase(tools[source])} and {step.request}" if source else step.request


def _choice(blueprint: Blueprint, tools: Mapping[str, Tool], binding: FromResult) -> tuple[str, ...]:
    """Return how the user wants one of several results to be chosen; only where the plan takes the first."""
    source = blueprint.step(binding.step).calls[binding.call]
    listed = roles(tools[source.tool]).listed
    if 0 not in binding.path or listed is None or binding.path[0] != listed[0]:
        return ()
    return (f"If several {label(listed[0])} come up, take the first.",)


def setting_of(blueprint: Blueprint) -> TaskScript | None:
    """Return when and where a blueprint is played: its script, or for a story of a model a script of nothing else.

    Args:
        blueprint: The plan.

    Returns:
        The script; None for a plan that says neither.

    Example:
        >>> from tdlab.records import Blueprint, Persona
        >>> plan = Blueprint(
        ...     id="", cluster="", seed=1, intent="", persona=Persona(name="", role=""), steps=(),
        ...     offered=("notes/add",), story=("Add a note.",),
        ... )
        >>> setting_of(plan).services
        ('notes',)
    """
    if blueprint.script is not None or not blueprint.story:
        return blueprint.script
    services = dict.fromkeys(key.rpartition("/")[0] for key in (*blueprint.tools, *blueprint.offered))
    now = f"{start_of(blueprint.seed).isoformat()}Z"
    return TaskScript(now=now, services=tuple(services), parts=(), beats=(), policy=blueprint.constraints)


def system_message(script: TaskScript) -> str:
    """Return the first message of a rollout on executable worlds: whose assistant it is, the time and the policy.

    Args:
        script: The script of the task.

    Returns:
        Plain text.

    Example:
        >>> from tdlab.records import TaskScript
        >>> script = TaskScript(now="2026-03-13T08:49:00Z", services=("Saffron Gable",), parts=(), beats=(), policy=())
        >>> print(system_message(script))
        You help users of Saffron Gable with the tools that you have.
        It is Friday, 13 March 2026, 08:49 UTC. All times are in UTC.
    """
    moment = datetime.datetime.fromisoformat(script.now)
    day = f"{_WEEKDAYS[moment.weekday()]}, {moment.day} {_MONTHS[moment.month - 1]} {moment.year}"
    whose = " and ".join((", ".join(script.services[:-1]), script.services[-1])[len(script.services) < 2 :])
    lines = [
        f"You help users of {whose} with the tools that you have.",
        f"It is {day}, {moment:%H:%M} UTC. All times are in UTC.",
    ]
    if script.policy:
        lines += ["", "Rules:", *(f"- {rule}" for rule in script.policy)]
    return "\n".join(lines)


_WEEKDAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
_MONTHS = "January February March April May June July August September October November December".split()


def offered_names(keys: tuple[str, ...], tools: Mapping[str, Tool]) -> dict[str, str]:
    """Return the function names under which tools are offered to an assistant.

    A tool keeps its own name; names that clash get the service's name as a prefix, and a number if they still clash.
    Characters that chat APIs do not allow become ``_``, and names end after 64 characters.

    Args:
        keys: Keys of the offered tools, ``service/tool``.
        tools: Every offered tool, by key.

    Returns:
        Function name to tool key, in the order of ``keys``.

    Example:
        >>> from tdlab.records import Tool
        >>> tools = {f"{name}/add": Tool(service=name, name="add", input_schema={}) for name in "ab"}
        >>> offered_names(("a/add",), tools)
        {'add': 'a/add'}
        >>> offered_names(("a/add", "b/add"), tools)
        {'a__add': 'a/add', 'b__add': 'b/add'}
    """
    names: dict[str, str] = {}
    plain = [_function_name(tools[key].name) for key in keys]
    for key, name in zip(keys, plain, strict=True):
        chosen = name
        if plain.count(name) > 1 or name in names:
            chosen = _function_name(f"{tools[key].service}__{tools[key].name}")
        number = 2
        while chosen in names:
            chosen = f"{chosen[:60]}_{number}"
            number += 1
        names[chosen] = key
    return names


def describe(details: tuple[tuple[str, Json], ...]) -> str:
    """Write details as running text: ``the city is Lyon, green only: yes, at most 5 results``."""
    parts = [say_detail(name, value) for name, value in details]
    return ", ".join(parts)


def _function_name(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_-]+", "_", name).strip("_")[:64] or "tool"
