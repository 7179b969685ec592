"""The script of a task: every message and call of one good conversation, in order, made by playing it on the world.

A script is a reference, not the only right way. The scripted teacher plays it; a language model gets the task alone.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from tdlab.records import Json, Record

__all__ = ["Beat", "ScriptCall", "Source", "TaskPart", "TaskScript"]

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
    """A task with its script."""

    parts: tuple[TaskPart, ...]
    beats: tuple[Beat, ...]
    policy: tuple[str, ...] = ()
    name: str = ""
    role: str = ""
