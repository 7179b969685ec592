"""Writing trajectories as OpenAI JSONL: whole files or none, and the same bytes for the same trajectories."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tdlab._files import atomic_open
from tdlab.errors import StoreError
from tdlab.formats.openai import EXTRA
from tdlab.records import Domains, Json, Message, Tool, Trajectory, canonical_json

__all__ = ["openai_message", "openai_record", "write_openai_jsonl"]


def write_openai_jsonl(
    trajectories: Iterable[Trajectory],
    tools: Mapping[str, Tool],
    path: str | Path,
    *,
    services: Mapping[str, Domains] | None = None,
) -> int:
    """Write one line a trajectory, ``{"id", "messages", "tools"}`` in OpenAI's shape, and return how many.

    ``tools`` maps tool keys to definitions; a name without one is called but not listed. Arguments are JSON text, keys
    sorted. OpenAI's shape has no place for a tool's service and annotations nor for error flags; with ``services``
    (service -> domains) each line has a fourth key, ``tdlab``, a JSON text that keeps them, so that what is read back
    measures the same. The file appears when it is complete. StoreError where it cannot be written.
    """
    written = 0
    with atomic_open(path) as handle:
        for trajectory in trajectories:
            record = openai_record(trajectory, tools, services=services)
            text = json.dumps(record, ensure_ascii=False, separators=(",", ":"))
            handle.write(text.encode("utf-8", "backslashreplace") + b"\n")  # a lone surrogate becomes its JSON escape
            written += 1
    return written


def openai_record(
    trajectory: Trajectory, tools: Mapping[str, Tool], *, services: Mapping[str, Domains] | None = None
) -> dict[str, Json]:
    """One trajectory in OpenAI's shape, as a value that JSON can hold; the same record gives the same value.

    StoreError where an argument or a schema holds what JSON cannot (NaN, an infinity).
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
            record[EXTRA] = canonical_json(_extra(trajectory, tools, services))
    except ValueError as error:
        raise StoreError(
            f"trajectory {trajectory.id}: cannot be written as JSON ({error})",
            expected="arguments and schemas of JSON values, no NaN and no infinity",
            do="leave the trajectory out; verification should have rejected it",
        ) from None
    return record


def openai_message(message: Message) -> dict[str, Json]:
    """A message as the chat API has it; ValueError for arguments that are no JSON."""
    found: dict[str, Json] = {"role": message.role, "content": message.content}
    if message.tool_calls:
        found["tool_calls"] = [
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
        found["tool_call_id"] = message.tool_call_id
    return found


def _extra(trajectory: Trajectory, tools: Mapping[str, Tool], services: Mapping[str, Domains]) -> dict[str, Any]:
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
    errors = [m.tool_call_id for m in trajectory.messages if m.is_error and m.tool_call_id is not None]
    return {"tools": notes, "domains": used, "errors": errors}
