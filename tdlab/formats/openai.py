"""One conversation per record, ``{"id", "messages", "tools"}``, in the shape of a chat API.

Formats by the shape of the messages: ``openai``, ``anthropic`` (content blocks), ``vercel`` (the AI SDK's parts),
``langchain`` (messages with a ``type``). All are read by the same rule, so that a file may mix them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from tdlab.formats._chat_record import chat_recording
from tdlab.formats._json import list_of
from tdlab.formats._roles import unwrapped
from tdlab.formats.base import Format, Item, Recording
from tdlab.formats.messages import is_message, is_message_list
from tdlab.records import Json

__all__ = ["ANTHROPIC", "LANGCHAIN", "OPENAI", "VERCEL"]

_BLOCKS = {"tool_use", "tool_result", "server_tool_use", "mcp_tool_use", "mcp_tool_result"}
_KEYS = ("messages", "history", "dialogue", "conversation", "chat_history", "trajectory")
"""Where records keep their messages."""


def _messages(value: Json) -> list[Any] | None:
    """Return the messages of a record, of their JSON text, or of a bare list; None where there are none."""
    if isinstance(value, dict):
        for key in _KEYS:
            listed = list_of(value.get(key))
            if is_message_list(listed):
                return listed
        if isinstance(value.get("messages"), list):
            return list(value["messages"])
        return None
    return value if is_message_list(value) else None


def _unpack_if(is_own: Callable[[list[Any]], bool]) -> Callable[[Json], Iterator[Item] | None]:
    def unpack(value: Json) -> Iterator[Item] | None:
        messages = _messages(value)
        if messages is None or not is_own(messages):
            return None
        return iter([Item("", {**(value if isinstance(value, dict) else {}), "messages": messages})])

    return unpack


def _reader(name: str) -> Callable[[Item, str], Recording]:
    def read(item: Item, fallback: str) -> Recording:
        return chat_recording(item.value, item.value["messages"], fallback, name)

    return read


def _parts(messages: list[Any]) -> Iterator[dict[str, Any]]:
    for message in messages:
        if isinstance(message, dict):
            for key in ("content", "parts"):
                for part in message[key] if isinstance(message.get(key), list) else ():
                    if isinstance(part, dict):
                        yield part


def _is_anthropic(messages: list[Any]) -> bool:
    return any(part.get("type") in _BLOCKS for part in _parts(messages))


def _is_vercel(messages: list[Any]) -> bool:
    return any(isinstance(message, dict) and "toolInvocations" in message for message in messages) or any(
        isinstance(kind := part.get("type"), str) and (kind.startswith("tool-") or kind == "dynamic-tool")
        for part in _parts(messages)
    )


def _is_langchain(messages: list[Any]) -> bool:
    first = messages[0] if messages else None
    if not isinstance(first, dict):
        return False
    return first.get("lc") is not None or ("role" not in first and "from" not in first and is_message(unwrapped(first)))


OPENAI = Format("openai", _unpack_if(lambda messages: True), _reader("openai"), is_message)
ANTHROPIC = Format("anthropic", _unpack_if(_is_anthropic), _reader("anthropic"), is_message)
VERCEL = Format("vercel", _unpack_if(_is_vercel), _reader("vercel"), is_message)
LANGCHAIN = Format("langchain", _unpack_if(_is_langchain), _reader("langchain"), is_message)
