"""Trajectories and messages in the shape of OpenAI's chat API, and the note of facts that it lacks."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from tdlab.errors import StoreError
from tdlab.formats._chat_record import EXTRA
from tdlab.records import Domains, Json, Message, Score, Tool, Trajectory, canonical_json

__all__ = ["annotation_text", "openai_message", "openai_record"]


def openai_record(
    trajectory: Trajectory,
    tools: Mapping[str, Tool],
    *,
    services: Mapping[str, Domains] | None = None,
    scores: Sequence[Score] = (),
) -> dict[str, Json]:
    """Return a trajectory in OpenAI's shape; the same record gives the same value.

    Args:
        trajectory: The trajectory to convert.
        tools: The tools' definitions by key.
        services: The services' domains. If given, the record has a fourth key, ``tdlab``, a JSON text with the facts
            that OpenAI's shape lacks, so that diversity measured on it is the same as on the original.
        scores: The marks of a committee, which become part of that key.

    Returns:
        A value that JSON can represent.

    Raises:
        StoreError: An argument or a schema has no JSON form (NaN, an infinity).

    Example:
        >>> from pathlib import Path
        >>> from tdlab.records import Message, Trajectory
        >>> hello = Trajectory(id="t1", messages=(Message(role="user", content="Hello"),))
        >>> openai_record(hello, {})
        {'id': 't1', 'messages': [{'role': 'user', 'content': 'Hello'}], 'tools': []}
    """
    try:
        listed = [
            {
                "type": "function",
                "function": {
                    "name": name,
                    "description": tools[key].description,
                    "parameters": json.loads(canonical_json(tools[key].input_schema)),
                },
            }
            for name, key in sorted(trajectory.tools.items())
            if key in tools
        ]
        record: dict[str, Json] = {
            "id": trajectory.id,
            "messages": [openai_message(message) for message in trajectory.messages],
            "tools": listed,
        }
        if services is not None:
            record[EXTRA] = annotation_text(trajectory, tools, services, scores)
    except ValueError as error:
        raise StoreError(
            f"trajectory {trajectory.id}: cannot be written as JSON ({error})",
            expected="arguments and schemas of JSON values, without NaN and infinities",
            do="leave the trajectory out; verification rejects such trajectories",
        ) from None
    return record


def openai_message(message: Message) -> dict[str, Json]:
    """Return a message in the shape of OpenAI's chat API.

    Args:
        message: The message to convert.

    Returns:
        A value that JSON can represent.

    Raises:
        ValueError: An argument has no JSON form.

    Example:
        >>> from tdlab.records import Message, ToolCall
        >>> call = ToolCall(id="c1", name="get_order", arguments={"id": 7})
        >>> openai_message(Message(role="assistant", tool_calls=(call,)))["tool_calls"][0]["function"]
        {'name': 'get_order', 'arguments': '{"id":7}'}
    """
    record: dict[str, Json] = {"role": message.role, "content": message.content}
    if message.reasoning:
        record["reasoning_content"] = message.reasoning
    if message.tool_calls:
        record["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {
                    "name": call.name,
                    "arguments": canonical_json(call.arguments) if call.malformed is None else call.malformed,
                },
            }
            for call in message.tool_calls
        ]
    if message.tool_call_id is not None:
        record["tool_call_id"] = message.tool_call_id
    return record


def annotation_text(
    trajectory: Trajectory,
    tools: Mapping[str, Tool],
    services: Mapping[str, Domains],
    scores: Sequence[Score] = (),
    ids: Mapping[str, str] = {},
) -> str:
    """Return the facts that OpenAI's shape lacks, as the JSON text of the key `EXTRA`.

    Args:
        trajectory: The trajectory.
        tools: The tools' definitions by key.
        services: The services' domains.
        scores: The marks of a committee.
        ids: The ids of calls in the file by their own ids, where they differ.
    """
    notes: dict[str, dict[str, Json]] = {}
    used: dict[str, Domains] = {}
    for name, key in trajectory.tools.items():
        notes[name] = {"key": key}
        tool = tools.get(key)
        if tool is None:
            continue
        annotations = tool.annotations.model_dump(mode="json", exclude_none=True)
        if annotations:
            notes[name]["annotations"] = annotations
        if tool.service in services:
            used[tool.service] = services[tool.service]
    failed = (m.tool_call_id for m in trajectory.messages if m.is_error and m.tool_call_id is not None)
    errors = [ids.get(call_id, call_id) for call_id in failed]
    renamed = {"calls": {new: old for old, new in ids.items()}} if ids else {}
    marks = {"scores": [score.model_dump(mode="json") for score in scores]} if scores else {}
    return canonical_json({"tools": notes, "domains": used, "errors": errors, **renamed, **marks})
