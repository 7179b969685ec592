"""OpenAI messages: one conversation per line, ``{"id", "messages", "tools"}``; tools a list or JSON text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import ValidationError

from tdlab.formats._json import list_of, object_of
from tdlab.formats.base import ConversationBuilder, Format, Item, Recording, tool_definition
from tdlab.formats.messages import is_message_list, read_messages
from tdlab.records import Annotations, Domains, Json, Message, Tool, Trajectory

__all__ = ["EXTRA", "OPENAI", "listed_tools"]

EXTRA = "tdlab"
"""An optional key, a JSON text, for facts that OpenAI's shape lacks: tool keys, annotations, domains, errors."""


def _unpack(value: Json) -> Iterator[Item] | None:
    if isinstance(value, dict) and isinstance(value.get("messages"), list):
        return iter([Item("", value)])
    if is_message_list(value):
        return iter([Item("", {"messages": value})])
    return None


def _read(item: Item, fallback: str) -> Recording:
    value = item.value
    builder = read_messages(value["messages"])
    tools, names, domains, extra = listed_tools(value.get("tools", value.get("functions")), value.get(EXTRA), builder)
    messages = builder.messages
    if "errors" in extra:
        failed_calls = {call for call in list_of(extra["errors"]) if isinstance(call, str)}
        messages = [
            m.model_copy(update={"is_error": m.tool_call_id in failed_calls}) if m.role == "tool" else m
            for m in messages
        ]
    own_ids = {new: old for new, old in object_of(extra.get("calls")).items() if isinstance(old, str) and old}
    if own_ids:
        messages = [_with_ids(message, own_ids) for message in messages]
    recorded_id = value.get("id")
    return Recording(
        Trajectory(
            id=str(recorded_id) if isinstance(recorded_id, (str, int)) and str(recorded_id) else fallback,
            messages=tuple(messages),
            tools=names,
        ),
        tools,
        OPENAI.name,
        domains,
    )


def _with_ids(message: Message, own_ids: dict[str, str]) -> Message:
    """Return a message with the ids that its calls had before a file renamed them."""
    calls = tuple(call.model_copy(update={"id": own_ids.get(call.id, call.id)}) for call in message.tool_calls)
    answered = message.tool_call_id
    return message.model_copy(
        update={"tool_calls": calls, "tool_call_id": None if answered is None else own_ids.get(answered, answered)}
    )


def listed_tools(
    definitions: Json, note: Json, builder: ConversationBuilder
) -> tuple[dict[str, Tool], dict[str, str], dict[str, Domains], dict[str, Any]]:
    """Return definitions by key, visible names to keys, domains by service, and the decoded ``note`` (see `EXTRA`).

    Tools that the conversation calls without a definition get a key too.
    """
    extra = object_of(note)
    known = object_of(extra.get("tools"))
    domains = _domains(object_of(extra.get("domains")))
    names = {name: "/".join(_split(name, known, domains)) for name in known}
    tools: dict[str, Tool] = {}
    for definition in list_of(definitions):
        bare = tool_definition(definition, "")
        if bare is None:
            continue
        service, name = _split(bare.name, known, domains)
        tool = bare.model_copy(
            update={"service": service, "name": name, "annotations": _annotations(known.get(bare.name))}
        )
        names[bare.name] = tool.key
        tools.setdefault(tool.key, tool)
    for called in builder.names:
        if called not in names:
            names[called] = "/".join(_split(called, known, domains))
    return tools, names, domains, extra


def _split(visible: str, known: dict[str, Any], domains: dict[str, Domains]) -> tuple[str, str]:
    """Return the service and name of a tool: from the file's own note, else from ``service__name``, else no service."""
    note = known.get(visible)
    key = note.get("key") if isinstance(note, dict) else None
    if isinstance(key, str) and "/" in key:
        for service in sorted(domains, key=len, reverse=True):
            if key.startswith(service + "/") and len(key) > len(service) + 1:
                return service, key[len(service) + 1 :]
        service, _, name = key.rpartition("/")
        if name:
            return service, name
    service, mark, name = visible.partition("__")
    return (service, name) if mark and service and name else ("", visible)


def _annotations(note: Json) -> Annotations:
    raw = note.get("annotations") if isinstance(note, dict) else None
    if not isinstance(raw, dict):
        return Annotations()
    try:
        return Annotations.model_validate(raw)
    except ValidationError:
        return Annotations()


def _domains(raw: dict[str, Any]) -> dict[str, Domains]:
    return {
        service: {
            name: float(share) for name, share in shares.items() if isinstance(share, (int, float)) and 0 < share <= 1
        }
        for service, shares in raw.items()
        if isinstance(shares, dict)
    }


OPENAI = Format("openai", _unpack, _read)
