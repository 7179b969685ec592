"""Writers of chat messages with calls beside the text: OpenAI's shape, TRL's, and ATIF's documents."""

from __future__ import annotations

import json
from typing import Any

from tdlab.formats._exporting import (
    STRAY_ERRORS,
    ExportSource,
    NoteTaker,
    export_format,
    note_common,
    tool_definitions,
)
from tdlab.formats.atif import atif_record
from tdlab.formats.openai import EXTRA
from tdlab.formats.write import annotation_text, openai_record
from tdlab.records import Json, Message, canonical_json

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
    return record


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
    note_common(source, notes, _ALWAYS | (_ANNOTATED if source.services is not None else set()))
    names: dict[str, str] = {}
    messages: list[dict[str, Json]] = []
    for message in source.trajectory.messages:
        messages.append(_trl_message(message, names, source, notes))
        names.update((call.id, call.name) for call in message.tool_calls)
    record: dict[str, Json] = {
        "id": source.trajectory.id,
        "messages": messages,
        "tools": json.dumps(tool_definitions(source), ensure_ascii=False),
    }
    if source.services is not None:
        record[EXTRA] = annotation_text(source.trajectory, source.tools, source.services, source.scores)
    return record


def _trl_message(message: Message, names: dict[str, str], source: ExportSource, notes: NoteTaker) -> dict[str, Json]:
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
                    "arguments": _numbers(call.arguments, f"call {call.id}", source.suffix, notes),
                },
            }
            for call in message.tool_calls
        ]
    if message.role == "tool" and message.tool_call_id is not None:
        record["tool_call_id"] = message.tool_call_id
        if message.tool_call_id in names:
            record["name"] = names[message.tool_call_id]
    return record


_MOST, _LEAST = 2**64 - 1, -(2**63)


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
        if suffix != ".parquet" and abs(value) < 1e15 and float(f"{value:.10f}") != value:
            notes.add("numbers", where, f"{value!r}: datasets rounds it to 10 decimals in JSONL, not in Parquet")
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
