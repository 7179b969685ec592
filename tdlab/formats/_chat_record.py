"""From a record that holds a list of messages to a recording: definitions, messages, names, identity."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from pydantic import ValidationError

from tdlab.formats._definitions import definitions_in
from tdlab.formats._json import list_of, object_of, text_of
from tdlab.formats._literal import loads_leniently
from tdlab.formats._roles import role_of, unwrapped
from tdlab.formats.base import ConversationBuilder, Recording
from tdlab.formats.messages import read_messages
from tdlab.records import Annotations, Domains, Json, Message, Tool, Trajectory
from tdlab.tools import read_json, service_in_name

__all__ = ["EXTRA", "chat_recording", "finished", "identity_of", "listed_tools"]

EXTRA = "tdlab"
"""An optional key, a JSON text, for facts that OpenAI's shape lacks: tool keys, annotations, domains, errors."""

_IDS = ("id", "uuid", "conversation_id", "trajectory_id", "instance_id", "session_id", "trace_id", "task_id")
_SYSTEMS = ("system", "instructions", "system_instruction", "systemInstruction", "system_prompt")
_OPEN, _CLOSE = "<tools>", "</tools>"


def chat_recording(value: dict[str, Any], messages: Json, fallback: str, format_name: str) -> Recording:
    """Return the recording of a record that holds a list of chat messages.

    Args:
        value: The record: tools (a list, a map or JSON text), a system message beside the list, an id.
        messages: The messages.
        fallback: The id of a record without one.
        format_name: The name of the format.

    Raises:
        Unreadable: There is no message that can be read.
    """
    listed = next((value[key] for key in ("tools", "functions", "available_tools") if value.get(key)), None)
    definitions = list(definitions_in(listed))
    if not definitions:
        definitions = [tool for text in _system_texts(value, messages) for tool in _written_tools(text)]
    system = next((value[key] for key in _SYSTEMS if value.get(key)), None)
    if isinstance(system, dict) and isinstance(system.get("parts"), list):
        system = system["parts"]
    builder = read_messages(messages, definitions, system=system, plain=EXTRA in value)
    return finished(builder, definitions, identity_of(value, fallback), format_name, note=value.get(EXTRA))


def finished(
    builder: ConversationBuilder, definitions: Iterable[Tool], identity: str, format_name: str, *, note: Json = None
) -> Recording:
    """Return the recording of a conversation that was read, with its tools' keys.

    Args:
        builder: The conversation.
        definitions: The tools offered, without a service.
        identity: The id.
        format_name: The name of the format.
        note: The value of `EXTRA`, if there is one.
    """
    tools, names, domains, extra = listed_tools(definitions, note, builder)
    messages = builder.messages
    if "errors" in extra:
        failed_calls = {call for call in list_of(extra["errors"]) if isinstance(call, str)}
        messages = [
            m.model_copy(update={"is_error": m.tool_call_id in failed_calls}) if m.tool_call_id is not None else m
            for m in messages
        ]
    own_ids = {new: old for new, old in object_of(extra.get("calls")).items() if isinstance(old, str) and old}
    if own_ids:
        messages = [_with_ids(message, own_ids) for message in messages]
    trajectory = Trajectory(id=identity, messages=tuple(messages), tools=names)
    recording = Recording(trajectory, tools, format_name, domains, notes=builder.notes)
    return with_services(recording, builder.services) if builder.services else recording


def with_services(recording: Recording, services: dict[str, str]) -> Recording:
    """Return the recording with the services that its calls or its log name, for tools whose names tell none."""
    names = dict(recording.trajectory.tools)
    tools = dict(recording.tools)
    for visible, key in recording.trajectory.tools.items():
        if key.startswith("/") and visible in services:
            names[visible] = f"{services[visible]}{key}"
            if key in tools:
                tool = tools.pop(key).model_copy(update={"service": services[visible]})
                tools.setdefault(tool.key, tool)
    if names == recording.trajectory.tools:
        return recording
    return replace(recording, trajectory=recording.trajectory.model_copy(update={"tools": names}), tools=tools)


def _with_ids(message: Message, own_ids: dict[str, str]) -> Message:
    """Return a message with the ids that its calls had before a file renamed them."""
    calls = tuple(call.model_copy(update={"id": own_ids.get(call.id, call.id)}) for call in message.tool_calls)
    answered = message.tool_call_id
    return message.model_copy(
        update={"tool_calls": calls, "tool_call_id": None if answered is None else own_ids.get(answered, answered)}
    )


def identity_of(value: dict[str, Any], fallback: str) -> str:
    """Return the id that a record states, as text; the fallback if it has none."""
    for key in _IDS:
        stated = value.get(key)
        if isinstance(stated, (str, int)) and not isinstance(stated, bool) and str(stated):
            return str(stated)
    return fallback


def _system_texts(value: dict[str, Any], messages: Json) -> Iterator[str]:
    if isinstance(value.get("system"), str):
        yield value["system"]
    for message in messages[:2] if isinstance(messages, list) else ():
        inner = unwrapped(message)
        if role_of(inner) == "system":
            yield text_of(inner.get("content", inner.get("value")))


def _written_tools(text: str) -> list[Tool]:
    """Return the definitions that a system message writes: in ``<tools>``, as one JSON list, or as objects in a row."""
    tagged = list(_tagged_tools(text))
    if tagged:
        return tagged
    if '"parameters"' not in text:
        return []
    start = min((position for mark in ("[{", "{") if (position := text.find(mark)) >= 0), default=len(text))
    values: list[Json] = []
    decoder = json.JSONDecoder()
    while start < len(text):  # one list, or objects below each other (Glaive)
        try:
            value, end = decoder.raw_decode(text, start)
        except (ValueError, RecursionError):
            break
        values += value if isinstance(value, list) else [value]
        start = end + len(text[end:]) - len(text[end:].lstrip())
        if start < len(text) and text[start] not in "[{":
            break
    tools = list(definitions_in(values))
    return tools if len(tools) == len(values) else []


def _tagged_tools(text: str) -> Iterator[Tool]:
    """Yield the definitions in the ``<tools>`` of a system message: one JSON list, or one object a line."""
    start = text.find(_OPEN)
    while start >= 0:
        end = text.find(_CLOSE, start)
        if end < 0:
            return
        start = max(start, text.rfind(_OPEN, start, end))
        block = text[start + len(_OPEN) : end]
        try:
            value = loads_leniently(block)
            yield from definitions_in(value if isinstance(value, list) else [value])
        except ValueError:
            for line in block.splitlines():
                try:
                    value = read_json(line)
                except ValueError:
                    continue
                yield from definitions_in(value if isinstance(value, list) else [value])
        start = text.find(_OPEN, end)


def listed_tools(
    definitions: Iterable[Tool], note: Json, builder: ConversationBuilder
) -> tuple[dict[str, Tool], dict[str, str], dict[str, Domains], dict[str, Any]]:
    """Return definitions by key, visible names to keys, domains by service, and the decoded ``note`` (see `EXTRA`).

    Tools that the conversation calls without a definition get a key too.
    """
    extra = object_of(note)
    known = object_of(extra.get("tools"))
    domains = _domains(object_of(extra.get("domains")))
    names = {name: "/".join(_split(name, known, domains)) for name in known}
    tools: dict[str, Tool] = {}
    for bare in definitions:
        tool = _with_facts(bare, known, domains) if known else _with_service(bare)
        names[bare.name] = tool.key
        tools.setdefault(tool.key, tool)
    for called in builder.names:
        if called not in names:
            names[called] = "/".join(_split(called, known, domains))
    return tools, names, domains, extra


def _with_facts(bare: Tool, known: dict[str, Any], domains: dict[str, Domains]) -> Tool:
    """Return a tool with its service, name and annotations."""
    service, name = _split(bare.name, known, domains)
    return bare.model_copy(update={"service": service, "name": name, "annotations": _annotations(known.get(bare.name))})


_SERVED: dict[int, tuple[Tool, Tool]] = {}
_MOST_SERVED = 1024


def _with_service(bare: Tool) -> Tool:
    """Return a tool with the service that its name alone tells, the same one for the same definition.

    The latest ones are kept with the definitions that they are made of, so that no other object has the definition's
    identity.
    """
    pair = _SERVED.get(id(bare))
    if pair is None:
        if len(_SERVED) >= _MOST_SERVED:
            _SERVED.clear()
        pair = _SERVED[id(bare)] = (bare, _with_facts(bare, {}, {}))
    return pair[1]


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
    return service_in_name(visible)


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
