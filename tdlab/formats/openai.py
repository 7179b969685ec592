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

_BLOCKS: set[Any] = {"tool_use", "tool_result", "server_tool_use", "mcp_tool_use", "mcp_tool_result"}
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


def _unpack_if(name: str) -> Callable[[Json], Iterator[Item] | None]:
    """Return what unpacks the records of one shape; of any shape for ``openai``, which is tried first."""

    def unpack(value: Json) -> Iterator[Item] | None:
        messages = _messages(value)
        if messages is None:
            return None
        shape = _shape_of(messages)
        if name not in ("openai", shape):
            return None
        return iter([Item("", {**(value if isinstance(value, dict) else {}), "messages": messages}, {"shape": shape})])

    return unpack


def _shape_of(messages: list[Any]) -> str:
    if _is_langchain(messages):
        return "langchain"
    for message in messages:
        if not isinstance(message, dict):
            continue
        if "toolInvocations" in message:
            return "vercel"
        for key in ("content", "parts"):
            parts = message.get(key)
            if isinstance(parts, list):
                for part in parts:
                    kind = part.get("type") if isinstance(part, dict) else None
                    if kind in _BLOCKS:
                        return "anthropic"
                    if isinstance(kind, str) and (kind.startswith("tool-") or kind == "dynamic-tool"):
                        return "vercel"
    return "openai"


def _read(item: Item, fallback: str) -> Recording:
    return chat_recording(item.value, item.value["messages"], fallback, item.context.get("shape", "openai"))


def _is_langchain(messages: list[Any]) -> bool:
    first = messages[0] if messages else None
    if not isinstance(first, dict):
        return False
    return first.get("lc") is not None or ("role" not in first and "from" not in first and is_message(unwrapped(first)))


_OWN = frozenset({*_KEYS, "role", "from", "author", "speaker", "type", "lc"})
OPENAI = Format("openai", _unpack_if("openai"), _read, is_message, _OWN)
ANTHROPIC = Format("anthropic", _unpack_if("anthropic"), _read, is_message, _OWN)
VERCEL = Format("vercel", _unpack_if("vercel"), _read, is_message, _OWN)
LANGCHAIN = Format("langchain", _unpack_if("langchain"), _read, is_message, _OWN)
