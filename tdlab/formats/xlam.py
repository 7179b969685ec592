"""xLAM and its relatives: one query, the tools offered, and the calls that answer it, as values or as JSON texts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from tdlab.formats._definitions import definitions_in
from tdlab.formats._json import text_of
from tdlab.formats._literal import calls_of, loads_leniently
from tdlab.formats._transcript import Transcript, shown
from tdlab.formats._written_calls import calls_in_value
from tdlab.formats.base import Format, Item, Recording
from tdlab.formats.messages import is_message_list
from tdlab.records import Json

__all__ = ["XLAM"]

_QUERIES = ("query", "question", "instruction", "prompt", "user_query")
_TOOLS = ("tools", "functions", "function", "available_tools")
_ANSWERS = ("answers", "answer", "ground_truth", "calls", "function_calls", "tool_calls", "expected_calls")


def _first(value: dict[str, Any], keys: tuple[str, ...]) -> Json:
    return next((value[key] for key in keys if value.get(key) is not None), None)


def _unpack(value: Json) -> Iterator[Item] | None:
    if not isinstance(value, dict) or "messages" in value or "conversations" in value:
        return None
    query, tools, answers = (_first(value, keys) for keys in (_QUERIES, _TOOLS, _ANSWERS))
    if tools is None or answers is None or not isinstance(query, (str, list)) or not query:
        return None
    if isinstance(query, list) and not is_message_list(query):
        return None
    certain = {"query", "tools", "answers"} <= set(value)
    if not certain and not (any(definitions_in(tools)) and _calls(answers)):
        return None
    if isinstance(tools, dict) and isinstance(tools.get("name"), str):
        tools = [tools]
    return iter([Item("", {"id": value.get("id"), "query": query, "tools": tools, "answers": answers})])


def _calls(answers: Json) -> list[tuple[str, Json]] | None:
    """Return the calls of an answer: a list or its JSON text, or calls in Python syntax; None for anything else."""
    value = answers
    if isinstance(value, str):
        if not ("(" in value or "[" in value or "{" in value or "," in value):
            return None  # plain words
        try:
            value = loads_leniently(value)
        except ValueError:
            try:
                return list(calls_of(str(answers)))
            except ValueError:
                return None
    if isinstance(value, list) and _is_texts(value):
        try:
            return [call for entry in value for call in calls_of(entry)]
        except ValueError:
            return None
    if not isinstance(value, (list, dict)):
        return None
    return [(call.name, call.arguments) for entry in _listed(value) for call in calls_in_value(entry)]


def _is_texts(entries: list[Json]) -> bool:
    return bool(entries) and all(isinstance(entry, str) for entry in entries)


def _listed(value: Json) -> list[Json]:
    return value if isinstance(value, list) else [value]


def _read(item: Item, fallback: str) -> Recording:
    """Read the query, and the calls as one turn of the assistant; no result is recorded."""
    value = item.value
    log = Transcript()
    if isinstance(value["query"], list):
        log.messages += value["query"]
    else:
        log.say("user", value["query"])
    answers = value["answers"]
    if isinstance(answers, str) and answers[:1] in ("[", "{"):
        with suppress(ValueError):  # calls in Python syntax, or none
            answers = loads_leniently(answers)
    if isinstance(answers, dict) or (isinstance(answers, list) and not _is_texts(answers)):
        _take_objects(log, _listed(answers))
    else:
        calls = _calls(answers)
        if calls is None:
            log.say("assistant", text_of(value["answers"]))
        for name, arguments in calls or ():
            log.call(None, name, arguments)
    return log.recording({"id": value["id"], "tools": value["tools"]}, fallback, XLAM.name)


def _take_objects(log: Transcript, entries: list[Json]) -> None:
    for entry in entries:
        calls = calls_in_value(entry)
        for call in calls:
            log.call(None, call.name, call.arguments)
        if not calls and not isinstance(entry, str):
            log.note("skipped", f"an answer names no tool: {shown(entry)}")


XLAM = Format("xlam", _unpack, _read, keys=frozenset(_QUERIES))
