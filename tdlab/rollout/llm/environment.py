"""The environment that a model plays, for services without a pack: it proposes, and code checks and applies.

A reply holds what a call changes, what it reads that was not known, and the result. The code keeps the state of the
service: it applies changes only if they agree with it, and a result only if it agrees with the state after them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from tdlab.errors import SchemaError
from tdlab.records import Blueprint, Json, Tool, canonical_json
from tdlab.rollout.environments import ToolResult, failures_of, receipt
from tdlab.rollout.llm.session import MAX_LINE, OBJECT, AgentSession
from tdlab.rollout.views import setting_of
from tdlab.tools import compile_schema, preview, referenced_entity

__all__ = ["LlmEnvironment", "entities_in"]

_READS = re.compile(r"(?:get|list|find|search|show|read|describe|count)(?:[_A-Z]|$)")
_MAX_ENTRIES = 64  # changes or new facts of one call

Entity = tuple[str, str]
"""The type of an entity, and its identifier as text."""


class LlmEnvironment:
    """Execute calls with state changes and results that a model proposes.

    A failure that the plan foresees happens as planned.

    Args:
        blueprint: The plan; the entities of its world exist at the beginning.
        tools: Every tool that the blueprint offers, by key.
        session: Sends the requests.
    """

    name = "llm"

    def __init__(self, blueprint: Blueprint, tools: Mapping[str, Tool], session: AgentSession) -> None:
        self._session = session
        setting = setting_of(blueprint)
        self._now = setting.now if setting is not None else None
        self._wanted = [blueprint.intent, *blueprint.story] if blueprint.story else []
        self._state: dict[str, dict[str, dict[str, Json] | None]] = {}
        for seed in blueprint.world:
            self._state.setdefault(seed.entity, {})[_text(seed.id)] = dict(seed.fields)
        self._changed: dict[str, dict[str, Json]] = {}
        self._failures = failures_of(blueprint)
        self._count: dict[str, int] = {}
        self._history: list[dict[str, Json]] = []

    def call(self, tool: Tool, arguments: Mapping[str, Json], *, call_id: str) -> ToolResult:
        """Execute one call; raise RolloutStopped if the model proposes nothing that agrees with the state."""
        count = self._count.get(tool.key, 0)
        self._count[tool.key] = count + 1
        failure = self._failures.get((tool.key, count))
        try:
            problems = compile_schema(tool.input_schema).errors(dict(arguments))
        except SchemaError as error:
            problems = (error.found,)
        if failure is not None:
            result: dict[str, Json] = {"error": {"code": failure.code, "message": failure.message}}
        elif problems:
            result = {"error": {"code": "invalid_arguments", "message": problems[0]}}
        elif (gone := self._gone(arguments)) is not None:
            result = {"error": {"code": "not_found", "message": f"There is no {gone[0]} {gone[1]}."}}
        else:
            result = self._proposed(tool, arguments)
        text, ok = canonical_json(result), "error" not in result
        self._history.append({"tool": tool.key, "arguments": dict(arguments), "result": result})
        return ToolResult(ok, text, receipt(call_id, tool, self.name, arguments, text, ok=ok))

    def changes(self) -> dict[str, dict[str, Json]]:
        """Return what the calls changed: entity -> identifier (as text) -> fields; None for a deleted entity."""
        return {entity: dict(rows) for entity, rows in self._changed.items()}

    def _gone(self, arguments: Mapping[str, Json]) -> Entity | None:
        """Return an entity that the arguments refer to and that was deleted."""
        for parameter, value in arguments.items():
            entity = referenced_entity(parameter)
            rows = self._state.get(entity or "", {})
            if entity is not None and isinstance(value, (str, int)) and rows.get(_text(value), {}) is None:
                return entity, _text(value)
        return None

    def _proposed(self, tool: Tool, arguments: Mapping[str, Json]) -> dict[str, Json]:
        output = tool.output_schema or {"type": "object"}
        material = {
            "tool": {"key": tool.key, "description": tool.description, "parameters": tool.parameters, "output": output},
            "now": self._now,
            "wanted": self._wanted,
            "state": self._state,
            "history": self._history,
            "call": {"tool": tool.key, "arguments": dict(arguments)},
        }
        reads_only = tool.annotations.read_only is True or bool(_READS.match(tool.name))

        def check(reply: dict[str, Json]) -> str:
            result, changes, known = reply["result"], reply["changes"], reply["known"]
            if set(result) == {"error"}:
                return "a call that fails changes nothing" if changes else _error_problem(result["error"])
            if reads_only and changes:
                return f"{tool.name} only reads, so it changes nothing"
            try:
                problems = compile_schema(output).errors(result)
            except SchemaError as error:
                return error.found
            return (
                (problems[0] if problems else "")
                or self._refused(changes, known)
                or self._contradiction(result, self._after(changes, known))
            )

        reply = self._session.structured("environment", material, _schema(output), check)
        if "error" not in reply["result"]:
            self._state = self._after(reply["changes"], reply["known"])
            for change in reply["changes"]:
                rows = self._changed.setdefault(change["entity"], {})
                rows[_text(change["id"])] = self._state[change["entity"]][_text(change["id"])]
        return dict(reply["result"])

    def _refused(self, changes: list[dict[str, Json]], known: list[dict[str, Json]]) -> str:
        """Say which proposed entry does not agree with the state; empty if all do."""
        for change in changes:
            before = self._state.get(change["entity"], {}).get(_text(change["id"]), {})
            if before is None:
                return f"the {change['entity']} {_text(change['id'])} was deleted, so it cannot be changed"
        for fact in known:
            rows = self._state.get(fact["entity"], {})
            before = rows.get(_text(fact["id"]), {})
            if before is None or fact["fields"] is None:
                return f"the {fact['entity']} {_text(fact['id'])} is gone, so it cannot be read"
            for field, value in fact["fields"].items():
                if field in before and before[field] != value:
                    was = preview(before[field])
                    return f"the {fact['entity']} {_text(fact['id'])} has {field} {was}, not {preview(value)}"
        return ""

    def _after(
        self, changes: list[dict[str, Json]], known: list[dict[str, Json]]
    ) -> dict[str, dict[str, dict[str, Json] | None]]:
        state = {entity: dict(rows) for entity, rows in self._state.items()}
        for entry in (*known, *changes):
            rows = state.setdefault(entry["entity"], {})
            before = rows.get(_text(entry["id"])) or {}
            rows[_text(entry["id"])] = None if entry["fields"] is None else {**before, **entry["fields"]}
        return state

    def _contradiction(self, result: Json, state: Mapping[str, Mapping[str, dict[str, Json] | None]]) -> str:
        """Say which field of an entity in the result differs from the state; empty if none does."""
        for name, identity, shown in entities_in(result):
            rows = state.get(name, {})
            if identity not in rows:
                continue
            row = rows[identity]
            if row is None and self._state.get(name, {}).get(identity, {}) is not None:
                continue  # gone by this call, which may say what it was
            if row is None:
                return f"the result shows the {name} {identity}, which is gone"
            for field, value in shown.items():
                if field in row and row[field] != value:
                    return (
                        f"the {name} {identity} has {field} {preview(row[field])}, and the result says {preview(value)}"
                    )
        return ""


def _schema(output: dict[str, Json]) -> dict[str, Json]:
    entry: dict[str, Json] = {
        **OBJECT,
        "properties": {
            "entity": {"type": "string", "minLength": 1, "maxLength": 60},
            "id": {"type": ["string", "integer"]},
            "fields": {"type": ["object", "null"]},
        },
        "required": ["entity", "id", "fields"],
    }
    entries = {"type": "array", "items": entry, "maxItems": _MAX_ENTRIES}
    failed = {
        **OBJECT,
        "properties": {
            "error": {
                **OBJECT,
                "properties": {
                    "code": {"type": "string", "maxLength": 60},
                    "message": {"type": "string", "maxLength": MAX_LINE},
                },
                "required": ["code", "message"],
            }
        },
        "required": ["error"],
    }
    # The declared schema may refer to its own definitions, so the result is checked against it apart from this one.
    result = {"type": "object"} if "$defs" in output or "definitions" in output else {"anyOf": [output, failed]}
    properties: dict[str, Json] = {
        "reason": {"type": "string", "maxLength": MAX_LINE},
        "changes": entries,
        "known": entries,
        "result": result,
    }
    return {**OBJECT, "properties": properties, "required": list(properties)}


def _error_problem(error: Json) -> str:
    fits = isinstance(error, dict) and isinstance(error.get("message"), str) and bool(error["message"].strip())
    return "" if fits else "an error needs a code and a message"


def entities_in(value: Json) -> Iterator[tuple[str, str, dict[str, Json]]]:
    """Yield the objects with exactly one identifier: type, identifier and their other scalar fields."""
    if isinstance(value, dict):
        own = [f for f, v in value.items() if isinstance(v, (str, int)) and referenced_entity(f) is not None]
        if len(own) == 1:
            rest = {f: v for f, v in value.items() if f != own[0] and isinstance(v, (str, int, float, bool))}
            yield str(referenced_entity(own[0])), _text(value[own[0]]), rest
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from entities_in(inner)


def _text(identity: Json) -> str:
    return identity if isinstance(identity, str) else canonical_json(identity)
