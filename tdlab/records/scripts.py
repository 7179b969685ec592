"""Records of tasks: the recipe of a task, and the script of one good conversation about it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from tdlab.records.base import Json, Record

__all__ = ["Beat", "Purpose", "Recipe", "ScriptCall", "Source", "TaskPart", "TaskScript"]


class Recipe(Record):
    """What a task is made from: the same recipe gives the same script.

    ``world`` is the seed of the worlds, ``seed`` that of all other choices. ``partners`` are services that may take up
    what the first one gives, ``follow`` is how many wishes may follow on the first, ``beyond`` where a wish is refused.
    A ``terse`` user says little at once. ``choice`` says how the user chooses among several rows: by a rule such as the
    cheapest, or by being asked; empty for either. ``programs`` says that the assistant can run programs.
    ``distractors`` are tools that are offered besides those of the services.
    """

    service: str
    frame: str
    twist: str = ""
    world: int = 0
    seed: int = 0
    follow: int = 0
    partners: tuple[str, ...] = ()
    beyond: Literal["", "first", "later", "last"] = ""
    terse: bool = False
    choice: Literal["", "rule", "ask"] = ""
    programs: bool = False
    distractors: tuple[str, ...] = ()


Purpose = Literal[
    "open", "ask", "tell", "offer", "choose", "confirm", "agree", "report", "adjust", "act", "look", "done", "stop",
    "refuse", "wish", "close",
]  # fmt: skip


class Source(Record):
    """Where an argument comes from: the user said it (``slot``), or a call returned it (``call``, ``path``).

    What is ``composed`` is words that the assistant puts together from what it knows, such as an event's title.
    """

    kind: Literal["user", "result", "composed"]
    slot: str = ""
    call: int = -1
    path: tuple[str | int, ...] = ()


class ScriptCall(Record):
    """One call: the tool's key, its arguments with their sources, and the documented error it meets (empty: none)."""

    tool: str
    arguments: dict[str, Json]
    sources: dict[str, Source] = Field(default_factory=dict)
    meets: str = ""


class Beat(Record):
    """One turn of the script: what the user says, what the assistant says, or calls that it makes at once.

    ``tells`` are the facts that the user tells in it. ``happens`` is what happens in the world just before the calls.
    """

    speaker: Literal["user", "assistant", "calls"]
    purpose: Purpose
    text: str = ""
    tells: dict[str, Json] = Field(default_factory=dict)
    calls: tuple[ScriptCall, ...] = ()
    happens: tuple[str, dict[str, Json]] | None = None


class TaskPart(Record):
    """One thing the user wants: its frame and twist, its facts, the goal and what the user must be told.

    ``fulfilled`` is False where the user gives the wish up, and then the world must be unchanged by it.
    """

    service: str
    frame: str
    twist: str = ""
    wish: str
    facts: dict[str, Json]
    goal: str = ""
    tell: tuple[str, ...] = ()
    fulfilled: bool = True


class TaskScript(Record):
    """A task with its script.

    ``now`` is the moment at which it begins, ``services`` are the titles of the services in the order in which they
    come up, ``policy`` are the rules that the assistant follows; ``name`` and ``role`` say who the user is.
    """

    now: str
    services: tuple[str, ...]
    parts: tuple[TaskPart, ...]
    beats: tuple[Beat, ...]
    policy: tuple[str, ...] = ()
    name: str = ""
    role: str = ""
