"""One conversation, prepared once for all measures: calls with their results, user messages, replies."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from tdlab.diversity import utterance
from tdlab.records import CODE_TOOL, Json, Message, Tool, ToolCall, Trajectory
from tdlab.tools import JsonError, ToolNature, cached_per_tool, nature, nature_of_name, read_json

__all__ = ["Call", "Conversation", "Text", "is_acting", "key_leaves", "text_form"]

_THOUGHT = re.compile(r"<think>.*?(?:</think>|\Z)", re.DOTALL)
_NOTEBOOK = frozenset({"think"})  # tau-bench's tool for writing down a thought: it asks nothing of the world
_OPENING = 500  # characters of a reply in which it refuses, if it does
_MOST_LEAVES = 4000  # read of one result

# How assistants refuse that the letters of reasoning modes, made for steering, do not count as a refusal.
_REFUSES = re.compile(
    r"\b(?:i have no (?:way|means|tool)|i(?: a|')m (?:not able|unable) to|there(?:'s| is) no way (?:to|for me)"
    r"|i (?:do not|don't) have (?:a|any) (?:way|tool|means)|none of (?:my|the) tools|(?:is not|isn't) something i can"
    r"|i (?:can't|cannot) (?:do|help with) that)\b"
)
_SIGNS = (
    "cannot", "can not", "can't", "able to", "not have", "n't have", "none of", "no tool", "no function", "decline",
    "refuse", "give up", "give_up", "have no ", "no way", "something i can",
)  # fmt: skip
"""One of these is in every refusal; looking for them first saves most of the time."""


class Text(NamedTuple):
    """What one message says: the number of the message, its text, and the text in lower case with plain quotes."""

    place: int
    text: str
    plain: str


@dataclass(slots=True)
class Call:
    """A call with its tool, the message that makes it, and its result.

    ``value`` is the decoded result: JSON where the text is JSON, else the text itself. ``text`` is None where the
    recording has no result.
    """

    call: ToolCall
    key: str
    service: str
    tool: Tool | None
    nature: ToolNature
    message: int
    answered_at: int | None = None
    failed: bool = False
    text: str | None = None
    value: Json = None

    @property
    def succeeded(self) -> bool:
        """Whether the recording has a result that is no error."""
        return self.text is not None and not self.failed


@dataclass
class Conversation:
    """A trajectory with the definitions of its tools, prepared for the measures."""

    trajectory: Trajectory
    definitions: Mapping[str, Tool]
    calls: list[Call] = field(default_factory=list)
    users: list[Text] = field(default_factory=list)
    replies: list[Text] = field(default_factory=list)

    def __post_init__(self) -> None:
        open_by_id: dict[str, deque[Call]] = {}
        for index, message in enumerate(self.trajectory.messages):
            if message.role == "user":
                self.users.append(_text(index, message.content))
            elif message.role == "tool":
                waiting = open_by_id.get(message.tool_call_id or "")
                if waiting:
                    _answer(waiting.popleft(), index, message)
            elif message.role == "assistant":
                said = _spoken(message.content)
                if said:
                    self.replies.append(_text(index, said))
                for call in message.tool_calls:
                    if call.name not in _NOTEBOOK:
                        made = self._call(call, index)
                        self.calls.append(made)
                        open_by_id.setdefault(call.id, deque()).append(made)

    def _call(self, call: ToolCall, index: int) -> Call:
        key = self.trajectory.key_of(call)
        tool = self.definitions.get(key)
        service = "" if key == CODE_TOOL else tool.service if tool is not None else key.rpartition("/")[0]
        meaning = nature_of_name(key.rpartition("/")[2]) if tool is None else _nature(tool)
        return Call(call, key, service, tool, meaning, index)

    @property
    def id(self) -> str:
        """The trajectory's id."""
        return self.trajectory.id

    @cached_property
    def offered(self) -> dict[str, Tool | None]:
        """The offered and the called tools by key, with their definitions where these are known."""
        keys = dict.fromkeys([*self.trajectory.tools.values(), *(call.key for call in self.calls)])
        return {key: self.definitions.get(key) for key in keys}

    @cached_property
    def refusals(self) -> list[tuple[Text, Text | None]]:
        """Replies that refuse, each with the user's message before it."""
        return [(reply, self.wish_before(reply.place)) for reply in self.replies if _refuses(reply)]

    def wish_before(self, index: int) -> Text | None:
        """Return the last user message before a message."""
        return next((user for user in reversed(self.users) if user.place < index), None)

    def turn(self, index: int) -> int:
        """Return the number of user messages before a message."""
        return sum(user.place < index for user in self.users)


def text_form(value: Json) -> str:
    """Return a scalar as it is written in a text, in lower case; empty for null and for what is not a scalar."""
    if isinstance(value, str):
        return value.strip().casefold()
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return str(value) if isinstance(value, (int, float)) else ""


def key_leaves(value: Json, name: str = "", most: int = _MOST_LEAVES) -> Iterator[tuple[str, Json]]:
    """Yield the nearest key and the value of every scalar, in order, at most ``most`` of them."""
    stack: list[tuple[str, Json]] = [(name, value)]
    while stack and most:
        key, item = stack.pop()
        if isinstance(item, dict):
            stack.extend(reversed(item.items()))
        elif isinstance(item, list):
            stack.extend((key, inner) for inner in reversed(item))
        else:
            most -= 1
            yield key, item


def is_acting(call: Call) -> bool:
    """Return whether a call changes something, as far as its tool tells."""
    return call.nature.effect in ("write", "delete")


@cached_per_tool
def _nature(tool: Tool) -> ToolNature:
    return nature(tool)


def _answer(call: Call, index: int, message: Message) -> None:
    call.answered_at, call.failed, call.text = index, message.is_error, message.content
    call.value = message.content
    if message.content.lstrip()[:1] in ("{", "[", '"', "n", "t", "f", *"-0123456789"):
        try:
            call.value = read_json(message.content, strict=False)
        except JsonError:
            call.value = message.content


def _text(index: int, text: str) -> Text:
    return Text(index, text, text.replace("\u2019", "'").casefold())


def _spoken(text: str) -> str:
    """Return what an assistant says: without thoughts, and the texts of a message that is a JSON object."""
    if "think>" in text:
        unopened = text.find("</think>")
        if unopened >= 0 and text.find("<think>", 0, unopened) < 0:
            text = text[unopened + len("</think>") :]
        text = _THOUGHT.sub("", text)
    text = text.strip()
    if text.startswith("{") and text.endswith("}"):
        try:
            value = read_json(text, strict=False)
        except JsonError:
            return text
        return "\n".join(leaf for _, leaf in key_leaves(value) if isinstance(leaf, str))
    return text


def _refuses(reply: Text) -> bool:
    opening = reply.plain[:_OPENING]
    if not any(sign in opening for sign in _SIGNS):
        return False
    return bool(_REFUSES.search(opening)) or utterance(reply.text[:_OPENING]) == "refuse"
