"""Lists of chat messages, in OpenAI's shape or in the flat one of tau2-bench, read by one tolerant rule."""

from __future__ import annotations

from typing import Any

from tdlab.formats._json import text_of
from tdlab.formats.base import ConversationBuilder, Unreadable, name_of
from tdlab.records import Json

__all__ = ["is_chat", "is_message_list", "read_messages"]

_ROLES = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
    "tool": "tool",
    "function": "tool",
}


def _role(message: Json) -> str | None:
    """Return the meaning of a message's role; None for anything without a known role."""
    role = message.get("role") if isinstance(message, dict) else None
    return _ROLES.get(role) if isinstance(role, str) else None


def is_message_list(value: Json) -> bool:
    """Return whether this is a list of chat messages, judging by its first entry."""
    return isinstance(value, list) and bool(value) and _role(value[0]) is not None


def is_chat(value: Json) -> bool:
    """Return whether this is a list of chat messages with OpenAI's or ShareGPT's keys, judging by its first entry."""
    if is_message_list(value):
        return True
    return isinstance(value, list) and bool(value) and isinstance(value[0], dict) and {"from", "value"} <= set(value[0])


def read_messages(raw: Json) -> ConversationBuilder:
    """Return a conversation from a list of messages.

    Calls are nested (``function: {name, arguments}``) or flat (``name, arguments``), arguments text or object; the old
    ``function_call`` and ``function`` role are known. Calls that the *user* makes (tau2-bench's telecom) and their
    results are left out: they are not the assistant's reasoning.

    Raises:
        Unreadable: A message cannot be read; the text names it.
    """
    if not isinstance(raw, list) or not raw:
        raise Unreadable("has no messages")
    builder = ConversationBuilder()
    for index, message in enumerate(raw):
        role = _role(message)
        if role is None:
            shown = message.get("role") if isinstance(message, dict) else type(message).__name__
            raise Unreadable(f"message {index} has the role {str(shown)[:40]!r}")
        if role == "tool":
            _tool(message, builder)
        elif role == "assistant":
            _assistant(message, builder, index)
        elif role == "user":
            builder.say("user", text_of(message.get("content")))
        else:
            builder.say("system", text_of(message.get("content")))
    return builder


def _assistant(message: dict[str, Any], builder: ConversationBuilder, index: int) -> None:
    text = text_of(message.get("content"))
    raw = message.get("tool_calls")
    if not raw and isinstance(message.get("function_call"), dict):
        raw = [{"function": message["function_call"]}]
    if not raw:
        builder.say("assistant", text)
        return
    if not isinstance(raw, list):
        raise Unreadable(f"message {index} has tool_calls that are not a list")
    calls: list[tuple[str | None, str, Json]] = []
    for call in raw:
        inner = call.get("function", call) if isinstance(call, dict) else None
        if not isinstance(inner, dict):
            raise Unreadable(f"message {index} has a tool call that is not an object")
        call_id = call.get("id")
        calls.append(
            (
                call_id if isinstance(call_id, str) and call_id else None,
                name_of(inner.get("name")),
                inner.get("arguments"),
            )
        )
    builder.call(text, calls)


def _tool(message: dict[str, Any], builder: ConversationBuilder) -> None:
    several = message.get("tool_messages")
    if isinstance(several, list):
        for part in several:
            if isinstance(part, dict):
                _tool(part, builder)
        return
    if message.get("requestor") == "user":
        return
    call_id = message.get("tool_call_id", message.get("id"))
    name = message.get("name")
    flag = message.get("error", message.get("is_error"))
    builder.result(
        call_id if isinstance(call_id, str) and call_id else None,
        text_of(message.get("content")),
        failed=flag if isinstance(flag, bool) else None,
        name=name if isinstance(name, str) else None,
    )
