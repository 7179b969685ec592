"""What writers build with: the notes of an export, its registry, and the parts that several formats share."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tdlab.errors import FormatError
from tdlab.formats._json import looks_like_error
from tdlab.formats._results import opened
from tdlab.formats._thoughts import split_thoughts
from tdlab.formats._written_calls import written_calls
from tdlab.formats._written_results import written_results
from tdlab.records import Domains, Json, Message, Score, Tool, ToolCall, Trajectory, canonical_json
from tdlab.registry import Registry

__all__ = [
    "EXPORTS",
    "MARKS",
    "NOTE_KINDS",
    "STRAY_ERRORS",
    "Columns",
    "ExportFormat",
    "ExportNote",
    "ExportSource",
    "NoteTaker",
    "answered_in_order",
    "call_text",
    "export_format",
    "note_common",
    "note_marks",
    "plain_json",
    "tool_definitions",
]

NOTE_KINDS: dict[str, str] = {
    "annotations": "hints and documented errors of a tool",
    "call_ids": "ids of calls: renamed, or left out so that a result is matched to its call by position",
    "error_flags": "whether a result is an error, where its text alone does not show it",
    "late_shapes": "the first 10 MB have no call, by which datasets' JSONL reader knows the columns: use Parquet",
    "left_out": "a whole conversation: nothing of it is left that the format can hold",
    "malformed_arguments": "arguments that are no JSON object; written as an empty object",
    "markup": "text with the format's own marks, which a reader takes for a call or a result",
    "no_user": "no user message; some chat templates refuse such a conversation",
    "numbers": "a number that the trainer's reader rounds or cannot hold",
    "output_schemas": "the schema of a tool's results",
    "pairing": "which result answers which call, where results are missing or in another order",
    "parallel_calls": "several calls in one message; chat templates such as Llama 3's refuse them",
    "reasoning": "what a model wrote before its answer",
    "receipts": "receipts, plan and world state of tdlab's own run",
    "scores": "the marks of a committee",
    "services": "the service and domains of a tool whose name does not say them",
    "surrogates": "half a surrogate pair; written as U+FFFD",
    "system_messages": "system messages after the first message; moved, or refused by some chat templates",
    "text_beside_calls": "text in a message with calls; written apart, left out, or left out by some chat templates",
    "turns": "the borders between messages: merged, filled or cut so that speakers take turns",
    "undefined_tools": "a tool that is called or offered without a definition",
    "white_space": "white space at the ends of a text",
}
"""What each kind of `ExportNote` is about."""

Columns = Mapping[str, Any]
"""A Parquet layout: column names to "text", "json" (`datasets`' Json), ``[layout]`` or ``{field: layout}``."""


@dataclass(frozen=True)
class ExportNote:
    """Something that the target format cannot hold, or that some trainers refuse, and what was written instead.

    Attributes:
        kind: A key of `NOTE_KINDS`, or a plug-in's own.
        trajectory: The trajectory's id; empty for a fact about a tool, which is noted once.
        where: The message, call or tool.
        text: Details, if any.
    """

    kind: str
    trajectory: str
    where: str = ""
    text: str = ""

    def __str__(self) -> str:
        location = ", ".join(part for part in (self.trajectory, self.where) if part)
        return f"{self.kind}: {location}" + (f": {self.text}" if self.text else "")


@dataclass(frozen=True)
class ExportSource:
    """One trajectory to write, with all that a format may want to know.

    ``services`` is None where the file shall hold nothing but what the trainer knows. ``suffix`` is the file's.
    """

    trajectory: Trajectory
    tools: Mapping[str, Tool]
    services: Mapping[str, Domains] | None = None
    scores: Sequence[Score] = ()
    suffix: str = ".jsonl"


class NoteTaker:
    """Collects the notes on one export; facts about a tool are passed on once."""

    def __init__(self, report: Callable[[ExportNote], None]) -> None:
        self._report = report
        self._tools: set[tuple[str, str]] = set()
        self._trajectory = ""

    def begin(self, trajectory: str) -> None:
        """Name the trajectory that the next notes are about."""
        self._trajectory = trajectory

    def add(self, kind: str, where: str = "", text: str = "") -> None:
        """Note a fact about the current trajectory."""
        self._report(ExportNote(kind, self._trajectory, where, text))

    def about_tool(self, kind: str, tool: str, text: str = "") -> None:
        """Note a fact about a tool, unless it was noted before."""
        if (kind, tool) not in self._tools:
            self._tools.add((kind, tool))
            self._report(ExportNote(kind, "", tool, text))


@dataclass(frozen=True)
class ExportFormat:
    """A format that trajectories are written in.

    Attributes:
        name: The name by which users choose it.
        trainer: The trainers that read it, for ``--help``.
        convert: Takes a source and the notes, returns the record of JSON values, or None to leave it out.
        columns: The Parquet layout; None if the format is JSONL only.
        annotated: Whether records can have the text column ``tdlab`` beside these, when ``services`` is given.
    """

    name: str
    trainer: str
    convert: Callable[[ExportSource, NoteTaker], dict[str, Json] | None]
    columns: Columns | None = None
    annotated: bool = False


EXPORTS: Registry[ExportFormat] = Registry(
    "tdlab.export_formats",
    "export format",
    valid=lambda name, value: (
        ""
        if isinstance(value, ExportFormat) and value.name == name
        else f"a tdlab.formats.ExportFormat whose name is {name!r}"
    ),
    error=FormatError,
)
"""The formats that are written."""

Convert = Callable[[ExportSource, NoteTaker], dict[str, Json] | None]


def export_format(
    name: str, trainer: str, columns: Columns | None = None, *, annotated: bool = False
) -> Callable[[Convert], Convert]:
    """Return a decorator that registers a function as the writer of a format."""

    def add(convert: Convert) -> Convert:
        EXPORTS.register(name)(ExportFormat(name, trainer, convert, columns, annotated))
        return convert

    return add


# -------------------------------------------------------------------------------------------------------- shared parts


def plain_json(value: Json) -> Json:
    """Return a copy with sorted keys.

    Raises:
        ValueError: It has no JSON form (NaN, an infinity).
    """
    return json.loads(canonical_json(value))


def tool_definitions(source: ExportSource) -> list[dict[str, Json]]:
    """Return the definitions of the offered tools in OpenAI's shape, by visible name."""
    tools = source.tools
    return [
        {
            "type": "function",
            "function": {
                "name": name,
                "description": tools[key].description,
                "parameters": plain_json(tools[key].input_schema),
            },
        }
        for name, key in sorted(source.trajectory.tools.items())
        if key in tools
    ]


def call_text(call: ToolCall) -> str:
    """Return a call as the JSON text ``{"name", "arguments"}`` with spaces, as chat templates write it."""
    return json.dumps({"name": call.name, "arguments": plain_json(call.arguments)}, ensure_ascii=False)


MARKS = re.compile(r"</?(?:tool_call|tool_response|tools)>")
"""The tags of Hermes and Qwen, which readers of tagged text and of ShareGPT look for."""


def note_marks(text: str, index: int, notes: NoteTaker) -> None:
    """Note a text of a message that a reader takes for a call, a result, a thought or a wrapper."""
    mark = MARKS.search(text)
    if mark is not None:
        notes.add("markup", f"message {index}", mark.group())
        return
    written = written_calls(text, answered=True)
    if written.calls or written.notes or written_results(text)[0]:
        notes.add("markup", f"message {index}", "a call or a result in the syntax of some model")
    elif split_thoughts(text)[0] != text or opened(text).text != text:
        notes.add("markup", f"message {index}", "the marks of a thought, or MCP's wrapper of a result")


STRAY_ERRORS = "error_flags: of results that answer no call"
DOCUMENTED_ERRORS = "annotations: documented errors"
STRAY_RESULTS = "pairing: results that answer no call"
"""Facts that a format may hold apart from others of their kind, which stands before the colon."""


def note_common(source: ExportSource, notes: NoteTaker, held: Collection[str]) -> None:
    """Note everything about a source that is not among the kinds that the format holds."""
    for kind, where, text in _facts_of_trajectory(source.trajectory):
        if kind not in held:
            notes.add(kind.partition(":")[0], where, text)
    if source.scores and "scores" not in held:
        notes.add("scores")
    for kind, tool, text in _facts_of_tools(source):
        if kind not in held:
            notes.about_tool(kind.partition(":")[0], tool, text)


def _facts_of_trajectory(trajectory: Trajectory) -> Iterator[tuple[str, str, str]]:
    if trajectory.executions or trajectory.steps or trajectory.state or trajectory.blueprint:
        yield "receipts", "", ""
    messages = trajectory.messages
    if not any(message.role == "user" for message in messages):
        yield "no_user", "", ""
    for index, message in enumerate(messages):
        where = f"message {index}"
        if message.role == "tool":
            seems = looks_like_error(message.content)
            if message.tool_call_id is None and (seems or message.is_error):
                yield STRAY_ERRORS, where, ""
            elif message.is_error != seems:
                yield "error_flags", where, ""
        if message.role == "tool" and message.tool_call_id is None:
            yield STRAY_RESULTS, where, "a result that answers no call"
        if message.reasoning:
            yield "reasoning", where, ""
        if message.role == "system" and index:
            yield "system_messages", where, ""
        if len(message.tool_calls) > 1:
            yield "parallel_calls", where, f"{len(message.tool_calls)} calls"
        if message.tool_calls and message.content:
            yield "text_beside_calls", where, ""
        for call in message.tool_calls:
            if call.malformed is not None:
                yield "malformed_arguments", f"call {call.id}", ""
    if any(message.tool_calls for message in messages):
        yield "call_ids", "", ""
        if not answered_in_order(messages):
            yield "pairing", "", ""


def answered_in_order(messages: Sequence[Message]) -> bool:
    """Return whether each result answers the oldest open call, and no call is left open before a later one."""
    waiting: list[str] = []
    for message in messages:
        if message.role == "tool":
            if not waiting or message.tool_call_id != waiting.pop(0):
                return False
        elif message.tool_calls:
            if waiting:
                return False
            waiting = [call.id for call in message.tool_calls]
    return True


def _facts_of_tools(source: ExportSource) -> Iterator[tuple[str, str, str]]:
    trajectory, tools = source.trajectory, source.tools
    called = {call.name for call in trajectory.calls()}
    for name in sorted(called | set(trajectory.tools)):
        key = trajectory.tools.get(name)
        tool = tools.get(key) if key is not None else None
        if tool is None:
            yield "undefined_tools", name, "called" if name in called else "offered"
        if key is not None and key != _key_in_name(name):
            yield "services", key, ""
        if tool is None:
            continue
        if tool.annotations.model_dump(exclude_none=True):
            yield "annotations", tool.key, ""
        if tool.errors:
            yield DOCUMENTED_ERRORS, tool.key, "its documented errors"
        if tool.output_schema is not None:
            yield "output_schemas", tool.key, ""


def _key_in_name(name: str) -> str:
    """Return the key of the tool that a visible name ``service__tool`` says; other names have no service."""
    service, mark, tool = name.partition("__")
    return f"{service}/{tool}" if mark and service and tool else f"/{name}"
