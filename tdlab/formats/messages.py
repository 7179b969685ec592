"""Lists of chat messages, in OpenAI's shape and in the flat one of tau2-bench: read by one tolerant rule."""

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
    """What a message's role means; None for what is no message, and for a role that is unknown or no text."""
    told = message.get("role") if isinstance(message, dict) else None
    return _ROLES.get(told) if isinstance(told, str) else None


def is_message_list(value: Json) -> bool:
    """Whether this is a list of chat messages, by its first entry."""
    return isinstance(value, list) and bool(value) and _role(value[0]) is not None


def is_chat(value: Json) -> bool:
    """Whether this is a list of chat messages in OpenAI's or ShareGPT's keys, by its first entry."""
    if is_message_list(value):
        return True
    return isinstance(value, list) and bool(value) and isinstance(value[0], dict) and {"from", "value"} <= set(value[0])


def read_messages(raw: Json) -> ConversationBuilder:
    """A conversation from a list of messages; Unreadable names the message that cannot be read.

    Calls are nested (``function: {name, arguments}``) or flat (``name, arguments``), arguments text or object; the old
    ``function_call`` and ``function`` role are known. Calls that the *user* makes (tau2-bench's telecom) and their
    results are left out: they are not the assistant's reasoning.
    """
    if not isinstance(raw, list) or not raw:
        raise Unreadable("has no messages")
    talk = ConversationBuilder()
    for place, message in enumerate(raw):
        role = _role(message)
        if role is None:
            found = message.get("role") if isinstance(message, dict) else type(message).__name__
            raise Unreadable(f"message {place} has the role {str(found)[:40]!r}")
        if role == "tool":
            _tool(message, talk)
        elif role == "assistant":
            _assistant(message, talk, place)
        elif role == "user":
            talk.say("user", text_of(message.get("content")))
        else:
            talk.say("system", text_of(message.get("content")))
    return talk


def _assistant(message: dict[str, Any], talk: ConversationBuilder, place: int) -> None:
    text = text_of(message.get("content"))
    raw = message.get("tool_calls")
    if not raw and isinstance(message.get("function_call"), dict):
        raw = [{"function": message["function_call"]}]
    if not raw:
        talk.say("assistant", text)
        return
    if not isinstance(raw, list):
        raise Unreadable(f"message {place} has tool_calls that are no list")
    calls: list[tuple[str | None, str, Json]] = []
    for call in raw:
        inner = call.get("function", call) if isinstance(call, dict) else None
        if not isinstance(inner, dict):
            raise Unreadable(f"message {place} has a tool call that is no object")
        given = call.get("id")
        calls.append(
            (given if isinstance(given, str) and given else None, name_of(inner.get("name")), inner.get("arguments"))
        )
    talk.call(text, calls)


def _tool(message: dict[str, Any], talk: ConversationBuilder) -> None:
    several = message.get("tool_messages")
    if isinstance(several, list):
        for one in several:
            if isinstance(one, dict):
                _tool(one, talk)
        return
    if message.get("requestor") == "user":
        return
    given = message.get("tool_call_id", message.get("id"))
    name = message.get("name")
    flag = message.get("error", message.get("is_error"))
    talk.result(
        given if isinstance(given, str) and given else None,
        text_of(message.get("content")),
        failed=flag if isinstance(flag, bool) else None,
        name=name if isinstance(name, str) else None,
    )
