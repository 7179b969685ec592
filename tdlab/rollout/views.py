"""What each agent is allowed to see, and what it may answer: the interface that every teacher implements.

The user sees its own brief and what the assistant wrote. The assistant sees the offered tools and the conversation,
never the blueprint. Neither sees the environment. A teacher that keeps to `Teacher` cannot reach past these views.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal, NamedTuple, Protocol

from tdlab.records import Blueprint, FromResult, FromUser, Json, Message, Persona, Step, Tool, ToolCall
from tdlab.tools import detail, goal_phrase, label, roles

__all__ = [
    "AssistantTurn",
    "AssistantView",
    "Request",
    "RolloutStopped",
    "Teacher",
    "UserBrief",
    "UserTurn",
    "UserView",
    "brief_of",
    "describe",
    "goal_steps",
    "offered_names",
]


class RolloutStopped(Exception):
    """A teacher or environment cannot go on with this rollout; the text says why. It is data, no fault of the run."""


class Request(NamedTuple):
    """One thing the user wants: its goals as ends of "I need to ...", what they say about it, and how to choose.

    ``details`` are (label, value) pairs, said at once. ``remarks`` are whole sentences, such as which of several
    results to take.
    """

    goals: tuple[str, ...]
    details: tuple[tuple[str, Json], ...] = ()
    remarks: tuple[str, ...] = ()


class UserBrief(NamedTuple):
    """All a user knows: who they are, what they want in which order, what they tell only if asked for it by label."""

    persona: Persona
    requests: tuple[Request, ...]
    withheld: dict[str, Json]


class UserView(NamedTuple):
    """The user's side of the conversation so far: their brief, how many requests they made, all spoken messages."""

    brief: UserBrief
    requests_made: int
    messages: tuple[Message, ...]


class AssistantView(NamedTuple):
    """The assistant's side: the tools by the name they are offered under, and the conversation with tool results."""

    tools: Mapping[str, Tool]
    messages: tuple[Message, ...]


class UserTurn(NamedTuple):
    """What the user writes, and whether it is the next request of the brief or an answer to the assistant."""

    content: str
    kind: Literal["request", "answer"]


class AssistantTurn(NamedTuple):
    """What the assistant does next: calls, or words for the user, never nothing."""

    content: str = ""
    tool_calls: tuple[ToolCall, ...] = ()


class Teacher(Protocol):
    """Who writes the words of one rollout."""

    name: str

    def user(self, view: UserView) -> UserTurn | None:
        """The user's next message, or None when they have nothing more to say."""
        ...

    def assistant(self, view: AssistantView) -> AssistantTurn:
        """The assistant's next turn."""
        ...


def goal_steps(blueprint: Blueprint, tools: Mapping[str, Tool], turn: int) -> tuple[Step, ...]:
    """The steps of a turn that the user wants for their own sake: they change something, or nothing else needs them."""
    steps = [step for step in blueprint.steps if step.turn == turn]
    used = {needed for step in steps for needed in step.needs()}
    return tuple(
        step
        for step in steps
        if step.calls
        and (step.id not in used or any(roles(tools[c.tool]).nature.effect in ("write", "delete") for c in step.calls))
    )


def brief_of(blueprint: Blueprint, tools: Mapping[str, Tool]) -> UserBrief:
    """The user's part of a blueprint: requests in order, details said at once, details told only if asked."""
    withheld: dict[str, Json] = {}
    said_before: set[str] = set()
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
                    if not isinstance(binding, FromUser) or binding.slot in said_before:
                        continue
                    if binding.when == "at_once":
                        details.setdefault(binding.slot, (label(binding.slot), binding.value))
                    else:
                        withheld.setdefault(label(binding.slot), binding.value)
        said_before |= set(details)
        requests.append(Request(tuple(dict.fromkeys(goals)), tuple(details.values()), tuple(remarks)))
    return UserBrief(blueprint.persona, tuple(requests), withheld)


def _goal(blueprint: Blueprint, tools: Mapping[str, Tool], step: Step, tool: str) -> str:
    if step.kind != "code":
        return goal_phrase(tools[tool])
    source = blueprint.step(step.about).calls[0].tool if step.about else None
    return f"{goal_phrase(tools[source])} and {step.request}" if source else step.request


def _choice(blueprint: Blueprint, tools: Mapping[str, Tool], binding: FromResult) -> tuple[str, ...]:
    """How the user wants one of several results to be chosen, where the plan takes the first."""
    source = blueprint.step(binding.step).calls[binding.call]
    listed = roles(tools[source.tool]).listed
    if 0 not in binding.path or listed is None or binding.path[0] != listed[0]:
        return ()
    return (f"If several {label(listed[0])} come up, take the first.",)


def offered_names(keys: tuple[str, ...], tools: Mapping[str, Tool]) -> dict[str, str]:
    """Function name -> tool key: the tool's own name where it is free, else with its service in front.

    Names keep to what chat APIs allow: ``[A-Za-z0-9_-]``, at most 64 characters.
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
    """Details in running text: ``the city is Lyon, green only: yes, at most 5 results``."""
    parts = [detail(name, value) for name, value in details]
    return ", ".join(parts)


def _function_name(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_-]+", "_", name).strip("_")[:64] or "tool"
