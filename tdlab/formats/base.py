"""The pieces that readers build with: formats, recordings, problems, and conversations with consistent call ids."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from tdlab.formats._json import arguments_of, looks_like_error
from tdlab.formats._meta_tools import reached_tool
from tdlab.formats._parts import RawCall, RawResult
from tdlab.formats._results import opened
from tdlab.records import Domains, Json, Message, Tool, ToolCall, Trajectory

__all__ = [
    "ConversationBuilder",
    "Format",
    "Item",
    "LineProblem",
    "Note",
    "Recording",
    "Severity",
    "Unreadable",
    "name_of",
]


class Unreadable(Exception):
    """One conversation cannot be read; the text says why. It becomes a `LineProblem` for the user."""


Severity = Literal["skipped", "fixed", "noted"]
"""What happened to a part: it was left out, it was repaired, or it was read and is odd."""


@dataclass(frozen=True)
class LineProblem:
    """A part of a file that is not read as it is: the file, the line (0 in one document), the position, and why.

    ``severity`` is ``skipped`` for a part that was left out, ``fixed`` for one that was repaired and ``noted`` for one
    that was read as it is although something about it is odd.
    """

    path: str
    line: int
    where: str
    reason: str
    severity: Severity = "skipped"

    def __str__(self) -> str:
        location = ", ".join(part for part in (f"line {self.line}" if self.line else "", self.where) if part)
        return f"{self.path}: {location}: {self.reason}" if location else f"{self.path}: {self.reason}"


class Note(NamedTuple):
    """Something about a conversation that was read: a part of it that was left out, repaired or is odd."""

    severity: Severity
    text: str


@dataclass(frozen=True)
class Recording:
    """One conversation as read, with the tools that it defines by key and the services' domains if stated.

    ``environment`` names a service whose tools were all offered, in formats that have environments but list no tools.
    ``notes`` are what is odd about the conversation.
    ``reward`` is the benchmark's own verdict, and ``policy`` the assistant's instructions where no message holds them.
    """

    trajectory: Trajectory
    tools: dict[str, Tool]
    format: str
    domains: dict[str, Domains] = field(default_factory=dict)
    environment: str = ""
    notes: tuple[Note, ...] = ()
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
        piece: Returns whether a value alone is one piece of a conversation (a message, an event): a file of such lines,
            or a list of them, is then given to ``unpack`` as one list. None for formats whose pieces never stand alone.
        stream: Takes the pieces of a file one by one, and returns their conversations as each one ends, for formats
            whose files hold many. The first 20 pieces decide whether it is used instead of ``unpack``. None for formats
            whose pieces in one file are one conversation, or must all be known.
        keys: Keys of which every object of the format has one at least: others are not given to ``unpack`` and
            ``piece``, which saves time. Empty for a format that must look at every object.
    """

    name: str
    unpack: Callable[[Json], Iterator[Item] | None]
    read: Callable[[Item, str], Recording]
    piece: Callable[[Json], bool] | None = None
    keys: frozenset[str] = frozenset()
    stream: Callable[[Iterator[Json]], Iterator[Item]] | None = None


class ConversationBuilder:
    """A conversation under construction: ids of calls become unique, and each result joins the call that it answers.

    A result answers an open call of its id; among several, that of its tool's name, else the oldest one of the
    latest batch. A result without an id answers an open call of its tool's name, or else the oldest one of the latest
    batch that has any. MCP's wrapper around a result is opened, and an error without a flag is recognised by its text.
    What is odd becomes a note: a result that answers no call, arguments that cannot be read or had to be repaired.

    Args:
        tools: The offered tools, whose schemas tell padding from arguments.
        plain: Whether arguments and results are as they were, as in files that tdlab wrote: no padding, no wrappers.

    Example:
        >>> builder = ConversationBuilder()
        >>> builder.say("user", "Where is order 7?")
        >>> builder.call("", [RawCall("a", "get_order", '{"order": 7}')])
        >>> builder.answer(RawResult("a", '{"status": "shipped"}'))
        >>> builder.messages[1].tool_calls[0].arguments, builder.messages[2].tool_call_id
        ({'order': 7}, 'a')
    """

    def __init__(self, tools: Iterable[Tool] = (), *, plain: bool = False) -> None:
        self._plain = plain
        self.messages: list[Message] = []
        self.names: dict[str, None] = {}
        self.reached: dict[str, None] = {}
        self.services: dict[str, str] = {}
        self._notes: dict[Note, None] = {}
        self._schemas = {tool.name: tool.input_schema for tool in tools}
        self._ids: set[str] = set()
        self._recorded_ids: set[str] = set()
        self._open: list[_OpenCall] = []
        self._batch = 0

    @property
    def offered(self) -> Collection[str]:
        """The names of the offered tools."""
        return self._schemas.keys()

    @property
    def waits(self) -> bool:
        """Whether a call has no result so far."""
        return bool(self._open)

    def knows(self, call_id: str) -> bool:
        """Return whether a call has been recorded with this id."""
        return call_id in self._recorded_ids

    @property
    def notes(self) -> tuple[Note, ...]:
        """What is odd, each once."""
        return tuple(self._notes)

    def note(self, severity: Severity, text: str) -> None:
        """Add a note, naming the message to come."""
        self._notes.setdefault(Note(severity, text))

    def say(self, role: Literal["system", "user", "assistant"], text: str, *, thought: str = "") -> None:
        """Add a message without calls."""
        self.messages.append(_message({"role": role, "content": text, "reasoning": thought}))

    def call(self, text: str, calls: Sequence[RawCall], *, thought: str = "", join: bool = False) -> None:
        """Add an assistant message with calls; with ``join``, add to the last message if it is the assistant's."""
        last = self.messages[-1] if self.messages else None
        if last is None or last.role != "assistant":
            self._batch += 1
        tool_calls = []
        for call in calls:
            arguments = arguments_of(call.arguments, self._schemas.get(call.name), padded=not self._plain)
            if arguments.malformed is not None:
                self.note(
                    "noted", f"the arguments of {call.name[:60]!r} are no JSON object: {arguments.malformed[:60]!r}"
                )
            if arguments.repaired:
                self.note("fixed", f"{call.name[:60]!r}: {arguments.repaired}")
            unique = self._unique(call.id)
            if call.id is not None:
                self._recorded_ids.add(call.id)
            self._open.append(_OpenCall(call.id, unique, call.name, self._batch))
            self.names.setdefault(call.name)
            if call.service is not None:
                self.services.setdefault(call.name, call.service)
            reached = reached_tool(arguments.values)
            key = None if reached is None else "/".join(reached)
            if key is not None:
                self.reached.setdefault(key)
            tool_calls.append(
                _tool_call(
                    {
                        "id": unique,
                        "name": call.name,
                        "arguments": arguments.values,
                        "malformed": arguments.malformed,
                        "reaches": key,
                    }
                )
            )
        if join and last is not None and last.role == "assistant":
            self.messages[-1] = Message(
                role="assistant",
                content="\n".join(part for part in (last.content, text) if part),
                tool_calls=(*last.tool_calls, *tool_calls),
                reasoning="\n".join(part for part in (last.reasoning, thought) if part),
            )
            return
        self.messages.append(
            _message({"role": "assistant", "content": text, "tool_calls": tuple(tool_calls), "reasoning": thought})
        )

    def answer(self, result: RawResult) -> None:
        """Add a tool's answer."""
        whole = self._plain and isinstance(result.content, str)
        text, flag = (result.content, None) if whole else opened(result.content)
        failed = result.failed if result.failed is not None else flag
        if result.failed is False and flag:
            failed = True
        answered = self._answered_call(result.id, result.name)
        if answered is None:
            which = f" of {result.name[:60]!r}" if result.name else ""
            self.note("noted", f"a result{which} answers no call: {text[:60]!r}")
        is_error = looks_like_error(text) if failed is None else failed
        self.messages.append(
            _message({"role": "tool", "content": text, "tool_call_id": answered, "is_error": is_error})
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
        """Return the unique id of the open call that a result answers, and close it."""
        if len(self._open) == 1 and call_id is not None and self._open[0].recorded_id == call_id:
            return self._open.pop().id
        if call_id is not None and call_id in self._recorded_ids:
            candidates = [call for call in self._open if call.recorded_id == call_id]
        else:
            candidates = self._open if call_id is None else []
        named = [call for call in candidates if call.name == name]
        if not named and name and call_id is None and any(call.name == name for call in self._open):
            named = [call for call in self._open if call.name == name]
        candidates = named or candidates
        if not candidates:
            return None
        latest = max(call.batch for call in candidates)
        chosen = next(call for call in candidates if call.batch == latest)
        self._open.remove(chosen)
        return chosen.id


# The validators themselves, as each message and call takes a third less time without the keyword arguments.
_message: Callable[[dict[str, Any]], Message] = Message.__pydantic_validator__.validate_python
_tool_call: Callable[[dict[str, Any]], ToolCall] = ToolCall.__pydantic_validator__.validate_python


class _OpenCall(NamedTuple):
    """A call without a result so far: the id as recorded, the unique one, its tool's name, the batch that it is of.

    A batch is all calls between two messages of others.
    """

    recorded_id: str | None
    id: str
    name: str
    batch: int


def name_of(value: Json) -> str:
    """Return a tool's name as recorded.

    Raises:
        Unreadable: It is not a string, or empty.
    """
    if not isinstance(value, str) or not value:
        raise Unreadable(f"calls a tool whose name is {str(value)[:60]!r}")
    return value
