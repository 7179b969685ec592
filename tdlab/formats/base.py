"""What every reader builds with: conversations whose call ids are unique and whose results name their call."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import ValidationError

from tdlab.formats._json import arguments_of, is_shallow, looks_like_error
from tdlab.records import Domains, Json, Message, Tool, ToolCall, Trajectory
from tdlab.tools import read_json

__all__ = [
    "ConversationBuilder",
    "Format",
    "Item",
    "LineProblem",
    "Recording",
    "Unreadable",
    "name_of",
    "tool_definition",
]


class Unreadable(Exception):
    """One conversation cannot be read; the text says why. A `LineProblem` tells it to the user."""


@dataclass(frozen=True)
class LineProblem:
    """A part of a file that was left out: which file, which line (0 in a one-document file), where in it, and why."""

    path: str
    line: int
    where: str
    reason: str

    def __str__(self) -> str:
        place = ", ".join(part for part in (f"line {self.line}" if self.line else "", self.where) if part)
        return f"{self.path}: {place}: {self.reason}" if place else f"{self.path}: {self.reason}"


@dataclass(frozen=True)
class Recording:
    """One conversation that was read, the tools it defines by key, and domains of services where the file has them.

    ``environment`` is a service whose tools were all offered, where the format has such a thing and lists no tools.
    """

    trajectory: Trajectory
    tools: dict[str, Tool]
    format: str
    domains: dict[str, Domains] = field(default_factory=dict)
    environment: str = ""


@dataclass(frozen=True)
class Item:
    """One conversation still in its file's own form: where it stands, its value, and what the document says of all."""

    where: str
    value: dict[str, Any]
    context: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Format:
    """A format: its name, how to take a decoded value apart (None: not this format), how to read one item of it.

    ``read`` takes the item and an id to use where the item has none, and raises `Unreadable`.
    """

    name: str
    unpack: Callable[[Json], Iterator[Item] | None]
    read: Callable[[Item, str], Recording]


class ConversationBuilder:
    """A conversation in the making. Ids of calls are made unique; a result finds the oldest open call of its id.

    A result without an id answers the oldest open call of the name it gives, else the oldest open one; a result that
    answers nothing is kept with no id. Where no flag says so, an error is told by its text.
    """

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.names: dict[str, None] = {}
        self._ids: set[str] = set()
        self._open: list[tuple[str, str, str]] = []

    def say(self, role: Literal["system", "user", "assistant"], text: str) -> None:
        """A message without calls."""
        self.messages.append(Message(role=role, content=text))

    def call(self, text: str, calls: list[tuple[str | None, str, Json]]) -> None:
        """An assistant message with calls, each (id or None, name, arguments as recorded)."""
        made = []
        for wanted, name, raw in calls:
            arguments, malformed = arguments_of(raw)
            unique = self._unique(wanted)
            self._open.append((wanted or unique, unique, name))
            self.names.setdefault(name)
            made.append(ToolCall(id=unique, name=name, arguments=arguments, malformed=malformed))
        self.messages.append(Message(role="assistant", content=text, tool_calls=tuple(made)))

    def result(self, call_id: str | None, text: str, *, failed: bool | None = None, name: str | None = None) -> None:
        """A tool's answer."""
        self.messages.append(
            Message(
                role="tool",
                content=text,
                tool_call_id=self._answered(call_id, name),
                is_error=looks_like_error(text) if failed is None else failed,
            )
        )

    def _unique(self, wanted: str | None) -> str:
        found = wanted or f"call_{len(self._ids) + 1}"
        number = 2
        while found in self._ids:
            found = f"{wanted or 'call'}_{len(self._ids) + number}"
            number += 1
        self._ids.add(found)
        return found

    def _answered(self, call_id: str | None, name: str | None) -> str | None:
        place = None
        if call_id is not None:
            place = next((i for i, (wanted, _, _) in enumerate(self._open) if wanted == call_id), None)
        elif self._open:
            place = next((i for i, (_, _, called) in enumerate(self._open) if called == name), 0)
        return None if place is None else self._open.pop(place)[1]


def name_of(value: Json) -> str:
    """A tool's name as recorded; Unreadable where it is no text or empty."""
    if not isinstance(value, str) or not value:
        raise Unreadable(f"calls a tool whose name is {str(value)[:60]!r}")
    return value


def tool_definition(raw: Json, service: str, name: str | None = None) -> Tool | None:
    """A Tool from an OpenAI or bare function definition; None for what is no definition (then the tool is undefined).

    ``name`` replaces the definition's own, where the service was part of it.
    """
    if not isinstance(raw, dict):
        return None
    function = raw.get("function", raw)
    if not isinstance(function, dict) or not isinstance(function.get("name"), str) or not function["name"]:
        return None
    schema = function.get("parameters", function.get("inputSchema", function.get("input_schema")))
    if isinstance(schema, str):
        try:
            schema = read_json(schema)
        except ValueError:
            schema = None
    description = function.get("description")
    try:
        return Tool(
            service=service,
            name=name or function["name"],
            description=description if isinstance(description, str) else "",
            input_schema=schema if isinstance(schema, dict) and is_shallow(schema) else {"type": "object"},
        )
    except ValidationError:
        return None
