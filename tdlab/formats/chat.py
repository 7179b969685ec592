"""Chats in other layouts: ShareGPT, Hermes and Qwen tags, Toucan in both of its forms, and TRL's columns."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tdlab.formats._chat_record import chat_recording
from tdlab.formats._json import list_of, object_of
from tdlab.formats._rendered import is_rendered, rendered_messages
from tdlab.formats._roles import role_of
from tdlab.formats.base import Format, Item, Recording
from tdlab.formats.messages import is_message_list
from tdlab.records import Json, Tool

__all__ = ["HERMES", "SHAREGPT", "TOUCAN", "TRL"]


def _conversation(value: Json) -> Json:
    """Return the list of messages of a ShareGPT object; None where there is none."""
    if not isinstance(value, dict):
        return value if _is_sharegpt(value) else None
    for key in ("conversations", "conversation"):
        messages = list_of(value.get(key))
        if is_message_list(messages):
            return messages
    return None


def _is_sharegpt(value: Json) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], dict) and {"from", "value"} <= set(value[0])


def _is_turn(value: Json) -> bool:
    return isinstance(value, dict) and {"from", "value"} <= set(value) and role_of(value) is not None


def _unpack_sharegpt(value: Json) -> Iterator[Item] | None:
    messages = _conversation(value)
    if messages is None:
        if isinstance(value, dict) and isinstance(value.get("conversations"), list):
            return iter([Item("", {**value, "messages": value["conversations"]})])
        return None
    return iter([Item("", {**(value if isinstance(value, dict) else {}), "messages": messages})])


def _read_sharegpt(item: Item, fallback: str) -> Recording:
    return chat_recording(item.value, item.value["messages"], fallback, SHAREGPT.name)


def _unpack_hermes(value: Json) -> Iterator[Item] | None:
    messages = _conversation(value)
    if messages is None:
        messages = list_of(value.get("messages")) if isinstance(value, dict) else value
    if not is_message_list(messages) or not _has_tags(messages):
        return None
    return iter([Item("", {**(value if isinstance(value, dict) else {}), "messages": messages})])


def _has_tags(messages: list[Any]) -> bool:
    """Return whether a chat has tool use in tags: an assistant's call, or tools in a system message, and no other."""
    tagged = False
    for message in messages:
        if not isinstance(message, dict) or message.get("tool_calls"):
            return False
        text = message.get("value", message.get("content"))
        if isinstance(text, str):
            role = role_of(message)
            tagged |= (role == "assistant" and "<tool_call>" in text) or (
                role == "system" and "<tools>" in text and "</tools>" in text
            )
    return tagged


def _read_hermes(item: Item, fallback: str) -> Recording:
    return chat_recording(item.value, item.value["messages"], fallback, HERMES.name)


# ------------------------------------------------------------------------------------------------------------- Toucan

_TOUCAN_KEYS = {"subset_name", "target_tools", "question_quality_assessment", "response_quality_assessment"}


def _unpack_toucan(value: Json) -> Iterator[Item] | None:
    if not isinstance(value, dict):
        return None
    messages = list_of(value.get("messages"))
    if not messages or not isinstance(messages[0], dict):
        return None
    roles = [message.get("role") for message in messages if isinstance(message, dict)]
    if "tool_call" in roles or "tool_response" in roles or _TOUCAN_KEYS & set(value):
        return iter([Item("", {**value, "messages": messages})])
    servers = object_of(value.get("metadata")).get("mcp_servers")
    return iter([Item("", {**value, "messages": messages})]) if isinstance(servers, list) else None


def _read_toucan(item: Item, fallback: str) -> Recording:
    """Read rows as published (``function_call``, role ``function``) or as made for training (``tool_call`` roles).

    A tool's visible name is the server's slug, a hyphen and its own name. The row's metadata names the servers.
    """
    recording = chat_recording(item.value, item.value["messages"], fallback, TOUCAN.name)
    slugs = dict(_servers(object_of(item.value.get("metadata")).get("mcp_servers")))
    if not slugs:
        return recording
    names: dict[str, str] = {}
    tools: dict[str, Tool] = {}
    for visible, key in recording.trajectory.tools.items():
        service, name = _split(visible, slugs)
        names[visible] = f"{service}/{name}"
        if key in recording.tools:
            tool = recording.tools[key].model_copy(update={"service": service, "name": name})
            tools.setdefault(tool.key, tool)
    trajectory = recording.trajectory.model_copy(update={"tools": names})
    return Recording(trajectory, tools, TOUCAN.name, recording.domains, notes=recording.notes)


def _servers(raw: Json) -> Iterator[tuple[str, str]]:
    for server in raw if isinstance(raw, list) else []:
        name = server.get("server_name") if isinstance(server, dict) else None
        if isinstance(name, str) and name:
            yield name.lower().replace(" ", "-"), name


def _split(visible: str, slugs: dict[str, str]) -> tuple[str, str]:
    """Return the service and name of a tool from its visible name."""
    for slug in sorted(slugs, key=len, reverse=True):
        if visible.startswith(slug + "-") and len(visible) > len(slug) + 1:
            return slugs[slug], visible[len(slug) + 1 :]
    if len(slugs) == 1:
        return next(iter(slugs.values())), visible
    return "", visible


# ---------------------------------------------------------------------------------------------------------------- TRL

_TEXTS = ("text", "chat", "conversation", "conversations", "messages", "prompt")
"""Where records keep a conversation that is one rendered text."""


def _unpack_trl(value: Json) -> Iterator[Item] | None:
    if not isinstance(value, dict) or isinstance(value.get("messages"), list):
        return None
    answer = value.get("completion", value.get("chosen"))
    if isinstance(value.get("prompt", answer), (str, list)) and isinstance(answer, (str, list)):
        return iter([Item("", value)])
    if is_message_list(value.get("prompt")) or any(is_rendered(value.get(key)) for key in _TEXTS):
        return iter([Item("", value)])
    return None


def _read_trl(item: Item, fallback: str) -> Recording:
    """Read prompt and completion (or the chosen answer), conversational or plain, and whole rendered texts.

    A plain prompt is the user's text and a plain completion the assistant's, unless they contain a template's turns.
    """
    value = item.value
    prompt, answer = value.get("prompt", []), value.get("completion", value.get("chosen", []))
    if not answer:
        text = next((value[key] for key in _TEXTS if is_rendered(value.get(key))), None)
        if text is not None:
            return chat_recording(value, rendered_messages(text), fallback, TRL.name)
    both = "".join(part for part in (prompt, answer) if isinstance(part, str))
    if is_rendered(both) and isinstance(prompt, str) and isinstance(answer, str):
        return chat_recording(value, rendered_messages(both), fallback, TRL.name)
    messages = [*_as_messages(prompt, "user"), *_as_messages(answer, "assistant")]
    return chat_recording(value, messages, fallback, TRL.name)


def _as_messages(content: Json, role: str) -> list[Json]:
    if isinstance(content, str):
        return [{"role": role, "content": content}] if content else []
    return content if isinstance(content, list) else []


HERMES = Format("hermes", _unpack_hermes, _read_hermes, keys=frozenset({"messages", "conversations", "conversation"}))
SHAREGPT = Format(
    "sharegpt", _unpack_sharegpt, _read_sharegpt, _is_turn, frozenset({"conversations", "conversation", "from"})
)
TOUCAN = Format("toucan", _unpack_toucan, _read_toucan, keys=frozenset({"messages"}))
TRL = Format("trl", _unpack_trl, _read_trl, keys=frozenset({"completion", "chosen", *_TEXTS}))
