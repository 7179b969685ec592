"""Lists of chat messages, in the shape of any API or template, read by one tolerant rule."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from tdlab.formats._json import object_of, text_of
from tdlab.formats._literal import loads_leniently
from tdlab.formats._parts import Parts, RawCall, RawResult, parts_of, result_message, steps_of
from tdlab.formats._roles import Role, role_of, unwrapped
from tdlab.formats._thoughts import split_thoughts
from tdlab.formats._written_calls import calls_in_value, written_calls
from tdlab.formats._written_results import segments_of, written_results
from tdlab.formats.base import ConversationBuilder, Unreadable
from tdlab.records import Json, Tool

__all__ = ["is_message", "is_message_list", "read_messages", "say_assistant"]

_CONTENT = frozenset(
    ("content", "value", "parts", "text", "tool_calls", "function_call", "toolInvocations", "tool_messages")
)


def is_message(value: Json) -> bool:
    """Return whether this is one chat message: it has a role that is known, and something to say."""
    inner = unwrapped(value)
    return isinstance(inner, dict) and not _CONTENT.isdisjoint(inner) and role_of(inner) is not None


def is_message_list(value: Json) -> bool:
    """Return whether this is a list of chat messages, judging by its first entries."""
    return isinstance(value, list) and any(is_message(entry) for entry in value[:3])


def read_messages(
    raw: Json, tools: Iterable[Tool] = (), *, system: Json = None, plain: bool = False
) -> ConversationBuilder:
    """Return a conversation from a list of messages.

    Calls and results are read from the parts and keys of any API and from the syntax of any chat template
    (`_parts`, `_written_calls`). Thoughts are taken out of an assistant's text first. A message that cannot be read is
    left out with a note. Calls that the *user* makes (tau2-bench's telecom) and their results are left out: they are
    not the assistant's reasoning.

    Args:
        raw: The messages.
        tools: The offered tools.
        system: A system message that stands beside the list.
        plain: Whether texts are what was said, as in files that tdlab wrote: no thoughts, calls or results in them.

    Raises:
        Unreadable: There is no message that can be read.
    """
    if not isinstance(raw, list) or not raw:
        raise Unreadable("has no messages")
    builder = ConversationBuilder(tools, plain=plain)
    messages = [unwrapped(message) for message in raw]
    roles = [_role(message) for message in messages]
    if not any(roles):
        raise Unreadable(f"message 0 has the role {_shown_role(messages[0])}")
    said = text_of(system)
    if said and roles[0] != "system":
        builder.say("system", said)
    reader = _Reader(builder, messages, roles, plain=plain)
    for index in range(len(messages)):
        reader.read(index)
    reader.close()
    if not builder.messages:
        raise Unreadable("has no message that can be read")
    return builder


def _role(message: Json) -> Role | None:
    return "call" if isinstance(message, RawCall) else role_of(message)


def _shown_role(message: Json) -> str:
    if not isinstance(message, dict):
        return type(message).__name__
    role = message.get("role", message.get("from", message.get("type")))
    return repr(str(role)[:40])


class _Reader:
    """Reads the messages of one list into a builder."""

    def __init__(
        self, builder: ConversationBuilder, messages: Sequence[Json], roles: Sequence[Role | None], *, plain: bool
    ) -> None:
        self._builder, self._messages, self._roles, self._plain = builder, messages, roles, plain
        self._thoughts: list[str] = []
        self._calls: list[RawCall] = []

    def read(self, index: int) -> None:
        """Read the message at an index."""
        message, role = self._messages[index], self._roles[index]
        if isinstance(message, RawCall):
            self._calls.append(message)
            return
        if role is None or not isinstance(message, dict):
            self._builder.note("skipped", f"message {index} has the role {_shown_role(message)}, which is not known")
            return
        if role == "call":
            self._take_call(message, index)
            return
        if role == "thought":
            self._thoughts += parts_of({**message, "role": "assistant"}).texts
            return
        self.close()
        if role == "tool":
            self._tool(message, index)
        elif role == "assistant":
            if isinstance(message.get("content"), str) and "parts" not in message:  # as most are
                self._assistant(message, index)
            else:
                for step in steps_of(message):
                    self._assistant(step, index)
        elif role == "user":
            self._user(message, index)
        else:
            self._system(message, index)

    def close(self) -> None:
        """Add the calls that are waiting for others: messages that are one call each are one turn."""
        if self._calls:
            self._builder.call("", self._calls, thought=self._take_thoughts(), join=self._follows_assistant())
            self._calls = []

    def _follows_assistant(self) -> bool:
        """Return whether the last message is an assistant's text, to which calls of their own belong."""
        messages = self._builder.messages
        return bool(messages) and messages[-1].role == "assistant" and not messages[-1].tool_calls

    def _follows_calls(self, index: int) -> bool:
        """Return whether the message before is an assistant's with the old API's call."""
        before = self._messages[index - 1] if index else None
        return isinstance(before, dict) and self._roles[index - 1] == "assistant" and bool(before.get("function_call"))

    def _take_thoughts(self) -> str:
        if not self._thoughts:
            return ""
        thoughts, self._thoughts = "\n".join(thought for thought in self._thoughts if thought), []
        return thoughts

    def _note(self, parts: Parts, index: int) -> None:
        for note in parts.notes:
            self._builder.note("noted", f"message {index}: {note}")

    def _system(self, message: dict[str, Any], index: int) -> None:
        parts = parts_of(message)
        self._note(parts, index)
        self._builder.say("system", parts.text)

    def _user(self, message: dict[str, Any], index: int) -> None:
        parts = parts_of(message)
        self._note(parts, index)
        results, text = parts.results, parts.text
        if not results and not self._plain:
            written, rest = written_results(text)
            if written and (self._builder.waits or (not rest and "<" in text)):
                results, text = written, rest
        for result in results:
            self._builder.answer(result)
        if text or not results:
            self._builder.say("user", text)

    def _tool(self, message: dict[str, Any], index: int) -> None:
        several = message.get("tool_messages")
        if isinstance(several, list):
            for entry in several:
                if isinstance(entry, dict):
                    self._tool(entry, index)
            return
        if message.get("requestor") == "user":
            return
        if isinstance(message.get("content", message.get("parts")), list):
            parts = parts_of(message)
            if parts.results:
                self._note(parts, index)
                for result in parts.results:
                    self._builder.answer(result)
                return
        whole = result_message(message)
        if whole.id is not None and whole.id == message.get("id") and not self._builder.knows(whole.id):
            whole = whole._replace(id=None)  # the message's own id
        if isinstance(whole.content, str) and not self._plain:
            results, rest = written_results(whole.content)
            if len(results) > 1 or (results and not rest):
                for result in results:
                    call_id = result.id or (whole.id if len(results) == 1 else None)
                    name = result.name or whole.name
                    self._builder.answer(RawResult(call_id, result.content, whole.failed, name))
                return
        self._builder.answer(whole)

    def _take_call(self, message: dict[str, Any], index: int) -> None:
        """Take a message that is nothing but calls: in its keys, in its parts, or as JSON or a repr in its text."""
        parts = parts_of(message)
        if parts.calls:
            self._calls += parts.calls
            return
        text = parts.text
        try:
            calls = calls_in_value(loads_leniently(text))
        except ValueError as error:
            calls = list(written_calls(text, answered=True).calls)
            if not calls:
                raise Unreadable(f"message {index}, a call, {error}") from None
        if not calls:
            raise Unreadable(f"message {index} is a call that names no tool")
        self._calls += calls

    def _assistant(self, message: dict[str, Any], index: int) -> None:
        parts = parts_of(message)
        self._note(parts, index)
        text, thoughts = (parts.text, "") if self._plain else split_thoughts(parts.text)
        thought = "\n".join([part for part in (self._take_thoughts(), *parts.thoughts, thoughts) if part])
        if parts.calls:
            # The old API has one call a message; those in a row are parallel calls.
            join = bool(message.get("function_call")) and not text and self._follows_calls(index)
            self._builder.call(text, parts.calls, thought=thought, join=join)
        else:
            name = message.get("metadata", message.get("recipient"))
            if isinstance(name, str) and name.strip() in self._builder.offered and object_of(text):  # GLM-4, ChatGLM3
                self._builder.call("", [RawCall(None, name.strip(), text)], thought=thought)
            elif self._plain:
                self._builder.say("assistant", text, thought=thought)
            else:
                self._say(text, thought, index)
        for result in parts.results:
            self._builder.answer(result)

    def _say(self, text: str, thought: str, index: int) -> None:
        answered = index + 1 < len(self._messages) and self._is_result(index + 1)
        say_assistant(self._builder, text, thought=thought, answered=answered, where=f"message {index}: ")

    def _is_result(self, index: int) -> bool:
        role = self._roles[index]
        if role != "user":
            return role == "tool"
        message = self._messages[index]
        text = text_of(message.get("content", message.get("value"))) if isinstance(message, dict) else ""
        return bool(written_results(text)[0])


def say_assistant(
    builder: ConversationBuilder, text: str, *, thought: str = "", answered: bool = False, where: str = ""
) -> None:
    """Add an assistant's text, with the calls that are written in it.

    Args:
        builder: The conversation.
        text: The text, without its thoughts.
        thought: The thoughts.
        answered: Whether a tool's result follows.
        where: The position of the message, for notes.
    """
    for segment in segments_of(text):
        if segment.is_result:
            builder.answer(RawResult(None, segment.text))
            continue
        written = written_calls(segment.text, offered=builder.offered, answered=answered or segment.is_answered)
        for note in written.notes:
            builder.note("noted", f"{where}{note}")
        if written.thoughts:
            thought = "\n".join(part for part in (thought, written.thoughts) if part)
        if written.calls:
            builder.call(written.text, written.calls, thought=thought)
        elif written.text or thought or not segment.is_part:
            builder.say("assistant", written.text, thought=thought)
        thought = ""
