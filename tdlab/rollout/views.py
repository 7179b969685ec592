"""What each agent is allowed to see, and what it may answer: the interface that every teacher implements.

The user sees its own brief and what the assistant wrote. The assistant sees the offered tools and the conversation,
never the blueprint. Neither sees the environment. A teacher that keeps to `Teacher` cannot reach past these views.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal, NamedTuple, Protocol

from tdlab.blueprints.wording import goal_phrase, label, say
from tdlab.pool.naming import nature
from tdlab.records import Blueprint, Json, Message, Persona, Said, Tool, ToolCall

__all__ = [
    "AssistantTurn",
    "AssistantView",
    "Request",
    "Teacher",
    "UserBrief",
    "UserTurn",
    "UserView",
    "brief_of",
    "offered_names",
]


class Request(NamedTuple):
    """One thing the user wants: how they would name it, and (label, value) of what they say about it at once."""

    goal: str
    details: tuple[tuple[str, Json], ...]


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


def brief_of(blueprint: Blueprint, tools: Mapping[str, Tool]) -> UserBrief:
    """The user's part of a blueprint: requests in order, details said at once, details told only if asked."""
    turns = sorted({step.turn for step in blueprint.steps})
    withheld: dict[str, Json] = {}
    said_before: set[str] = set()
    requests = []
    for turn in turns:
        details: dict[str, tuple[str, Json]] = {}
        goals: list[str] = []
        steps = [step for step in blueprint.steps if step.turn == turn]
        used = {needed for step in steps for needed in step.needs()}
        for step in steps:
            if step.kind == "refuse":
                goals.append(step.request)
            for call in step.calls:
                if step.id not in used or nature(tools[call.tool]).effect in ("write", "delete"):
                    goals.append(goal_phrase(tools[call.tool]))
                for binding in call.arguments.values():
                    if not isinstance(binding, Said) or binding.slot in said_before:
                        continue
                    if binding.when == "at_once":
                        details.setdefault(binding.slot, (label(binding.slot), binding.value))
                    else:
                        withheld.setdefault(label(binding.slot), binding.value)
        said_before |= set(details)
        requests.append(Request(", and ".join(dict.fromkeys(goals)), tuple(details.values())))
    return UserBrief(blueprint.persona, tuple(requests), withheld)


def offered_names(keys: tuple[str, ...], tools: Mapping[str, Tool]) -> dict[str, str]:
    """Function name -> tool key: the tool's own name where it is free, else with its service in front, in [A-Za-z0-9_-]{1,64}."""
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
    """Details in running text: ``the city is Lyon, the date is 2026-03-04``."""
    return ", ".join(f"the {name} is {say(value)}" for name, value in details)


def _function_name(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_-]+", "_", name).strip("_")[:64] or "tool"
