"""The pieces that readers build with: formats, recordings, problems, and conversations with consistent call ids."""

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
    """One conversation cannot be read; the text says why. It becomes a `LineProblem` for the user."""


@dataclass(frozen=True)
class LineProblem:
    """A part of a file that was skipped: the file, the line (0 in a file of one document), the position, and why."""

    path: str
    line: int
    where: str
    reason: str

    def __str__(self) -> str:
        location = ", ".join(part for part in (f"line {self.line}" if self.line else "", self.where) if part)
        return f"{self.path}: {location}: {self.reason}" if location else f"{self.path}: {self.reason}"


@dataclass(frozen=True)
class Recording:
    """One conversation as read, with the tools that it defines by key and the services' domains if stated.

    ``environment`` names a service whose tools were all offered, in formats that have environments but list no tools.
    ``reward`` is the benchmark's own verdict, and ``policy`` the assistant's instructions where no message holds them.
    """

    trajectory: Trajectory
    tools: dict[str, Tool]
    format: str
    domains: dict[str, Domains] = field(default_factory=dict)
    environment: str = ""
    reward: float | None = None
    policy: str = ""


@dataclass(frozen=True)
class Item:
    """One conversation in its file's own form: its position, its value, and what the document says about all."""

    where: str
    value: dict[str, Any]
    context: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Format:
    """A format of trajectory files.

    Attributes:
        name: The name by which users choose it.
        unpack: Takes a decoded JSON value and returns its conversations, or None if the value has another format.
        read: Takes one of them, with an id for conversations that have none, and returns the recording; raises
            `Unreadable`.
    """

    name: str
    unpack: Callable[[Json], Iterator[Item] | None]
    read: Callable[[Item, str], Recording]


class ConversationBuilder:
    """A conversation under construction: ids of calls become unique, and a result joins the oldest open call of its id.

    A result without an id answers the oldest open call of the name that it gives, or else the oldest open call; a
    result that answers no call is kept without an id. An error without a flag is recognised by its text.

    Example:
        >>> builder = ConversationBuilder()
        >>> builder.say("user", "Where is order 7?")
        >>> builder.call("", [("a", "get_order", '{"order": 7}')])
        >>> builder.result("a", '{"status": "shipped"}')
        >>> builder.messages[1].tool_calls[0].arguments, builder.messages[2].tool_call_id
        ({'order': 7}, 'a')
    """

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.names: dict[str, None] = {}
        self._ids: set[str] = set()
        self._open: list[tuple[str, str, str]] = []

    def say(self, role: Literal["system", "user", "assistant"], text: str) -> None:
        """Add a message without calls."""
        self.messages.append(Message(role=role, content=text))

    def call(self, text: str, calls: list[tuple[str | None, str, Json]]) -> None:
        """Add an assistant message with calls, each (id or None, name, arguments as recorded)."""
        tool_calls = []
        for recorded_id, name, raw in calls:
            arguments, malformed = arguments_of(raw)
            unique = self._unique(recorded_id)
            self._open.append((recorded_id or unique, unique, name))
            self.names.setdefault(name)
            tool_calls.append(ToolCall(id=unique, name=name, arguments=arguments, malformed=malformed))
        self.messages.append(Message(role="assistant", content=text, tool_calls=tuple(tool_calls)))

    def result(self, call_id: str | None, text: str, *, failed: bool | None = None, name: str | None = None) -> None:
        """Add a tool's answer."""
        self.messages.append(
            Message(
                role="tool",
                content=text,
                tool_call_id=self._answered_call(call_id, name),
                is_error=looks_like_error(text) if failed is None else failed,
            )
        )

    def _unique(self, recorded_id: str | None) -> str:
        unique = recorded_id or f"call_{len(self._ids) + 1}"
        number = 2
        while unique in self._ids:
            unique = f"{recorded_id or 'call'}_{len(self._ids) + number}"
            number += 1
        self._ids.add(unique)
        return unique

    def _answered_call(self, call_id: str | None, name: str | None) -> str | None:
        index = None
        if call_id is not None:
            index = next((i for i, (recorded_id, _, _) in enumerate(self._open) if recorded_id == call_id), None)
        elif self._open:
            index = next((i for i, (_, _, called) in enumerate(self._open) if called == name), 0)
        return None if index is None else self._open.pop(index)[1]


def name_of(value: Json) -> str:
    """Return a tool's name as recorded.

    Raises:
        Unreadable: It is not a string, or empty.
    """
    if not isinstance(value, str) or not value:
        raise Unreadable(f"calls a tool whose name is {str(value)[:60]!r}")
    return value


def tool_definition(raw: Json, service: str, name: str | None = None) -> Tool | None:
    """Return a Tool from an OpenAI or bare function definition; None for anything else (the tool then stays undefined).

    Args:
        raw: The definition as recorded.
        service: The service of the tool.
        name: The name to use instead of the definition's own, where the service was part of that.
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
