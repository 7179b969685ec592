"""Writers of chat messages with calls beside the text: OpenAI's shape, TRL's, and ATIF's documents."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from tdlab.formats._chat_record import EXTRA
from tdlab.formats._exporting import (
    STRAY_ERRORS,
    ExportSource,
    NoteTaker,
    export_format,
    note_common,
    tool_definitions,
)
from tdlab.formats.atif import atif_record
from tdlab.formats.write import annotation_text, openai_record
from tdlab.records import Json, Message, Trajectory, canonical_json

__all__ = ["openai", "trl"]

_ALWAYS = {"call_ids", "pairing", "text_beside_calls", "reasoning"}
_ANNOTATED = {"annotations", "error_flags", "services", "scores"}


@export_format(
    "openai",
    "OpenAI's API, and servers that speak it; arguments are JSON text",
    {"id": "text", "messages": ["json"], "tools": "text"},
    annotated=True,
)
def openai(source: ExportSource, notes: NoteTaker) -> dict[str, Json]:
    """Return OpenAI's shape: arguments are JSON text, as the API demands; malformed ones stay as they are."""
    held = {*_ALWAYS, "no_user", "malformed_arguments", "parallel_calls", "system_messages"}
    note_common(source, notes, held | (_ANNOTATED if source.services is not None else set()))
    record = openai_record(source.trajectory, source.tools, services=source.services, scores=source.scores)
    if source.suffix == ".parquet":
        record["tools"] = canonical_json(record["tools"])
    else:
        for tool in record["tools"]:
            function = tool["function"]
            function["parameters"] = _schema_numbers(function["parameters"], function["name"], notes)
    return record


def _schema_numbers(value: Json, name: str, notes: NoteTaker) -> Json:
    """Return a schema whose integers have at most 64 bits; see `_numbers`. Larger bounds become floats."""
    if isinstance(value, dict):
        return {key: _schema_numbers(item, name, notes) for key, item in value.items()}
    if isinstance(value, list):
        return [_schema_numbers(item, name, notes) for item in value]
    if isinstance(value, int) and not _LEAST <= value <= _MOST:
        notes.about_tool("numbers", name, f"{str(value)[:40]} is written as a float of 10 digits")
        return float(f"{min(max(value, -_MOST_FLOAT), _MOST_FLOAT):.9e}")
    if isinstance(value, float) and _as_datasets_keeps(value) != value:
        notes.about_tool("numbers", name, f"{value!r}: datasets rounds it in JSONL; Parquet keeps 15 digits")
    return value


def _as_datasets_keeps(value: float) -> float:
    """Return a float as `datasets` 5 rewrites it when it reads JSONL: 10 decimals, or 10 digits of a large one."""
    return float(f"{value:.10f}") if abs(value) <= 1e16 else float(f"{value:.9e}")


@export_format(
    "trl",
    "TRL, and other trainers that use a tokenizer's chat template",
    {"id": "text", "messages": ["json"], "tools": "text"},
    annotated=True,
)
def trl(source: ExportSource, notes: NoteTaker) -> dict[str, Json]:
    """Return TRL's conversational form: arguments are objects, which every chat template renders; tools are JSON text.

    TRL decodes the text of ``tools``; as a nested column they would be padded with nulls.
    """
    held = _ALWAYS - {"text_beside_calls"} | (_ANNOTATED if source.services is not None else set())
    note_common(source, notes, held)
    ids = _short_ids(source.trajectory)
    if ids and source.services is None:
        notes.add("call_ids", "", "renamed to nine letters and digits")
    names = {call.id: call.name for call in source.trajectory.calls()}
    record: dict[str, Json] = {
        "id": source.trajectory.id,
        "messages": [_trl_message(message, names, ids, source, notes) for message in source.trajectory.messages],
        "tools": json.dumps(tool_definitions(source), ensure_ascii=False),
    }
    if source.services is not None:
        record[EXTRA] = annotation_text(source.trajectory, source.tools, source.services, source.scores, ids)
    return record


def _short_ids(trajectory: Trajectory) -> dict[str, str]:
    """Return new ids by old ones, where an old one is not of nine letters and digits: Mistral's template refuses it."""
    known = [call.id for call in trajectory.calls()]
    if all(_NINE.fullmatch(call_id) for call_id in known) and len(set(known)) == len(known):
        return {}
    return {call_id: f"call{number:05d}" for number, call_id in enumerate(dict.fromkeys(known), 1)}


_NINE = re.compile("[A-Za-z0-9]{9}")


def _trl_message(
    message: Message, names: Mapping[str, str], ids: Mapping[str, str], source: ExportSource, notes: NoteTaker
) -> dict[str, Json]:
    record: dict[str, Json] = {"role": message.role, "content": message.content}
    if message.reasoning:
        record["reasoning_content"] = message.reasoning
    if message.tool_calls:
        record["tool_calls"] = [
            {
                "id": ids.get(call.id, call.id),
                "type": "function",
                "function": {
                    "name": call.name,
                    "arguments": _numbers(call.arguments, f"call {call.id}", source.suffix, notes),
                },
            }
            for call in message.tool_calls
        ]
    if message.role == "tool" and message.tool_call_id is not None:
        record["tool_call_id"] = ids.get(message.tool_call_id, message.tool_call_id)
        if message.tool_call_id in names:
            record["name"] = names[message.tool_call_id]
    return record


_MOST, _LEAST, _MOST_FLOAT = 2**64 - 1, -(2**63), 10**308


def _numbers(value: Any, where: str, suffix: str, notes: NoteTaker) -> Json:
    """Return arguments with sorted keys and with numbers that `datasets` can hold.

    An integer of more than 64 bits becomes text: one of them in a JSONL file makes `datasets` 5 give up its Json type
    for the whole file and pad all arguments with nulls. `datasets` writes floats of JSONL with 10 decimals.
    """
    if isinstance(value, dict):
        return {key: _numbers(item, where, suffix, notes) for key, item in sorted(value.items())}
    if isinstance(value, list | tuple):
        return [_numbers(item, where, suffix, notes) for item in value]
    if isinstance(value, int) and not isinstance(value, bool) and not _LEAST <= value <= _MOST:
        notes.add("numbers", where, f"{str(value)[:40]} is written as text")
        return str(value)
    if isinstance(value, float):
        if value != value or value in (float("inf"), float("-inf")):
            raise ValueError("Out of range float values are not JSON compliant")
        if suffix != ".parquet" and _as_datasets_keeps(value) != value:
            notes.add("numbers", where, f"{value!r}: datasets rounds it in JSONL; Parquet keeps 15 digits")
    return value


@export_format("atif", "Harbor, and other tools that read ATIF documents")
def atif(source: ExportSource, notes: NoteTaker) -> dict[str, Json]:
    """Return an ATIF document; error flags and malformed arguments are in ``extra``."""
    held = {*_ALWAYS, "no_user", "malformed_arguments", "parallel_calls", "system_messages", "error_flags"}
    annotated = {"annotations", "services"} if source.services is not None else set()
    note_common(source, notes, {*held, *annotated, STRAY_ERRORS})
    before: set[str] = set()
    for index, message in enumerate(source.trajectory.messages):
        if message.role != "tool":
            before = {call.id for call in message.tool_calls}
        elif message.tool_call_id is not None and message.tool_call_id not in before:
            notes.add("turns", f"message {index}", "a late result stands at its call")
    return atif_record(source.trajectory, source.tools, services=source.services)
