"""What executes a call: the interface of every environment, and the simulated one.

`SimulatedEnvironment` is a small world that any MCP schema can drive. It keeps entities by type and identifier, so what
was created can be read back, updated, found and deleted; an identifier that nobody issued is an error. What a schema
asks for and the world does not know yet is invented once, from the world's seed, the entity and the field alone, and is
therefore the same whichever tool shows it and however often.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import random
from collections.abc import Mapping
from typing import NamedTuple, Protocol

from tdlab.blueprints.roles import issued_ids, output_of, roles
from tdlab.blueprints.values import make_identifier, make_value, ordered_pairs
from tdlab.errors import BlueprintError
from tdlab.pool.naming import nature, reference, singular, split_words
from tdlab.pool.schema import compile_schema
from tdlab.records import Blueprint, Execution, Failure, Json, Tool, canonical_json, rng_for

__all__ = ["Environment", "SimulatedEnvironment", "ToolResult", "failures_of", "receipt"]

_CLOCK = datetime.datetime(2026, 3, 2, 9, 0, tzinfo=datetime.UTC)
_LISTED = (2, 4)  # how many entities a first search finds


class ToolResult(NamedTuple):
    """What a call gave: whether it went well, the text for the conversation, and the executor's receipt."""

    ok: bool
    text: str
    execution: Execution


class Environment(Protocol):
    """Executes calls and holds state. One environment serves one rollout."""

    name: str

    def call(self, tool: Tool, arguments: Mapping[str, Json], *, call_id: str) -> ToolResult:
        """Execute one call. A tool's own failure is a result with ``ok`` false, never an exception."""
        ...

    def changes(self) -> dict[str, dict[str, Json]]:
        """What the calls changed: entity, identifier (as text), fields; null for an entity that is gone."""
        ...


def receipt(
    call_id: str, tool: Tool, executor: str, arguments: Mapping[str, Json], text: str, *, ok: bool
) -> Execution:
    """The receipt that an executor leaves for one call."""
    return Execution(
        call_id=call_id,
        tool=tool.key,
        executor=executor,
        ok=ok,
        arguments_sha256=_sha256(canonical_json(dict(arguments))),
        result_sha256=_sha256(text),
    )


def failures_of(blueprint: Blueprint) -> dict[tuple[str, int], Failure]:
    """Where failures are injected: (tool key, how many calls of that tool came before) -> failure."""
    seen: dict[str, int] = {}
    planned: dict[tuple[str, int], Failure] = {}
    for step, _, call in blueprint.calls():
        count = seen.get(call.tool, 0)
        if step.failure is not None:
            planned[call.tool, count] = step.failure
            count += 1  # the retry
        seen[call.tool] = count + 1
    return planned


class SimulatedEnvironment:
    """A world that a blueprint seeds: ``world`` entities exist, ``failures`` strike, the rest is derived from ``seed``."""

    name = "simulated"

    def __init__(self, blueprint: Blueprint, tools: Mapping[str, Tool]) -> None:
        self._seed = blueprint.seed
        self._tools = tools
        self._failures = failures_of(blueprint)
        self._count: dict[str, int] = {}
        self._entities: dict[str, dict[str, dict[str, Json]]] = {}
        self._identities: dict[tuple[str, str], Json] = {}
        self._touched: dict[str, dict[str, None]] = {}
        self._searched: set[tuple[str, str]] = set()
        self._made = 0
        for seed in blueprint.world:
            self._know(seed.entity, seed.id, dict(seed.fields))

    def call(self, tool: Tool, arguments: Mapping[str, Json], *, call_id: str) -> ToolResult:
        """Execute one call against the world; invalid arguments and unknown identifiers are error results."""
        count = self._count.get(tool.key, 0)
        self._count[tool.key] = count + 1
        failure = self._failures.get((tool.key, count))
        if failure is not None:
            return self._error(call_id, tool, arguments, failure.code, failure.message)
        problems = compile_schema(tool.input_schema).errors(dict(arguments))
        if problems:
            return self._error(call_id, tool, arguments, "invalid_arguments", problems[0])
        missing = self._missing(tool, arguments)
        if missing is not None:
            entity, identifier = missing
            return self._error(
                call_id, tool, arguments, f"{entity}_not_found", _not_found(tool, entity, identifier, arguments)
            )
        try:
            output = self._carry_out(tool, arguments)
        except BlueprintError as error:
            return self._error(call_id, tool, arguments, "not_simulated", error.found)
        text = canonical_json(output)
        return ToolResult(True, text, receipt(call_id, tool, self.name, arguments, text, ok=True))

    def changes(self) -> dict[str, dict[str, Json]]:
        """What the calls created, changed or removed; entities only read are left out."""
        return {
            entity: {i: self._entities.get(entity, {}).get(i) for i in touched}
            for entity, touched in sorted(self._touched.items())
        }

    # -- the world

    def _carry_out(self, tool: Tool, arguments: Mapping[str, Json]) -> dict[str, Json]:
        what, part = nature(tool), roles(tool)
        schema = output_of(tool)
        own = arguments.get(part.own_parameter) if part.own_parameter else None
        if what.operation == "list" and part.listed is not None:
            return self._search(tool, arguments, schema)
        writes = what.effect in ("write", "delete")
        if own is not None and not isinstance(own, (list, dict)):
            record = self._entities.setdefault(part.own, {}).setdefault(str(own), {})
            if writes and what.operation != "delete":
                record.update({p: v for p, v in arguments.items() if p != part.own_parameter})
                record.update(_pinned(schema))
            output = self._fill(schema, part.own, own, {**record, **arguments}, ())
            if writes:
                self._touched.setdefault(part.own, {})[str(own)] = None
                if what.operation == "delete":
                    del self._entities[part.own][str(own)]
                else:
                    record.update(
                        {f: v for f, v in output.items() if not isinstance(v, (list, dict)) and f not in record}
                    )
        elif writes:
            self._made += 1
            field = next((f for f, e in part.issued.items() if e == part.own and f not in arguments), None)
            properties = schema.get("properties", {})
            identity: Json = f"{tool.key}#{self._made}"
            if field is not None:
                identity = _DRAWS.draw((self._seed, "new", part.own, self._made), field, part.own, properties[field])
            fields = {**arguments, **_pinned(schema)}
            if field is not None:
                fields[field] = identity
            output = self._fill(schema, part.own, identity, fields, ())
            if field is not None:
                kept = {f: v for f, v in output.items() if not isinstance(v, (list, dict))}
                self._know(part.own, identity, {**kept, **arguments})
                self._touched.setdefault(part.own, {})[str(identity)] = None
        else:
            output = self._fill(schema, part.own, canonical_json([tool.key, dict(arguments)]), dict(arguments), ())
        for entity, identifier in issued_ids(output, part.own):
            if not (what.operation == "delete" and str(identifier) == str(own)):
                self._know(entity, identifier, {})
        return output

    def _search(self, tool: Tool, arguments: Mapping[str, Json], schema: Mapping[str, Json]) -> dict[str, Json]:
        part = roles(tool)
        assert part.listed is not None  # the caller looked
        field, entity, id_field = part.listed
        items = schema["properties"][field]["items"]
        filters = {p: v for p, v in arguments.items() if p in items["properties"] and not isinstance(v, (list, dict))}
        filters |= {p: v for p, v in arguments.items() if p in part.references and not isinstance(v, (list, dict))}
        key = canonical_json(filters)
        if (entity, key) not in self._searched:
            self._searched.add((entity, key))
            place = (self._seed, "population", entity, key)
            for n in range(rng_for(*place).randint(*_LISTED)):
                identity = _DRAWS.draw((*place, n), id_field, entity, items["properties"][id_field])
                self._know(entity, identity, dict(filters))
        found = []
        for name, record in self._entities.get(entity, {}).items():
            identity = self._identities[entity, name]
            shown = self._fill(items, entity, identity, {**record, id_field: identity}, (field,))
            if all(shown.get(p, record.get(p)) == v for p, v in filters.items()):
                found.append(shown)
        limit = arguments.get("limit")
        if isinstance(limit, int) and not isinstance(limit, bool) and limit > 0:
            found = found[:limit]
        most = schema["properties"][field].get("maxItems")
        found = found[:most] if isinstance(most, int) else found
        known = {
            **arguments,
            field: found,
            "next_cursor": None,
            "total": len(found),
            "count": len(found),
            "total_count": len(found),
        }
        output = self._fill(schema, entity, canonical_json([tool.key, dict(arguments)]), known, ())
        for other, identifier in issued_ids(output, entity):
            self._know(other, identifier, {})
        return output

    def _fill(
        self, schema: Mapping[str, Json], entity: str, identity: Json, known: Mapping[str, Json], path: tuple[str, ...]
    ) -> dict[str, Json]:
        """An object that fits ``schema``: what is known as it is known, the rest invented once and for all."""
        properties = schema.get("properties")
        made: dict[str, Json] = {}
        invented: set[str] = set()
        for field, inner in properties.items() if isinstance(properties, Mapping) else ():
            inner = inner if isinstance(inner, Mapping) else {}
            if "const" in inner:
                made[field] = inner["const"]
            elif field in known and _fits(known[field], inner):
                made[field] = known[field]
            else:
                made[field] = self._invent(inner, entity, identity, field, (*path, field))
                invented.add(field)
        for first, last in ordered_pairs(invented):
            low, high = made[first], made[last]
            if type(low) is type(high) and isinstance(low, (str, int, float)) and low > high:
                if _fits(high, properties[first]) and _fits(low, properties[last]):
                    made[first], made[last] = high, low
        return made

    def _invent(
        self, schema: Mapping[str, Json], entity: str, identity: Json, field: str, path: tuple[str, ...]
    ) -> Json:
        named = reference(field, entity)
        if named == entity and _fits(identity, schema) and not str(identity).startswith("["):
            return identity
        kind = schema.get("type")
        if named is not None and kind not in ("array", "object"):
            for (other, _), known in self._identities.items():
                if other == named and _fits(known, schema):
                    return known
        if kind == "object" and isinstance(schema.get("properties"), Mapping):
            return self._fill(schema, entity, identity, {}, path)
        if kind == "array":
            return self._invent_list(schema, entity, identity, field, path)
        return _DRAWS.draw((self._seed, entity, str(identity), path), field, named, schema)

    def _invent_list(
        self, schema: Mapping[str, Json], entity: str, identity: Json, field: str, path: tuple[str, ...]
    ) -> list[Json]:
        items = schema.get("items")
        items = items if isinstance(items, Mapping) else {}
        rng = rng_for(self._seed, entity, str(identity), path, "length")
        fewest = max(int(schema.get("minItems", 1)), 1)
        length = rng.randint(fewest, max(fewest, min(int(schema.get("maxItems", 3)), 3)))
        words = split_words(field)
        inner = "_".join((*words[:-1], singular(words[-1]))) if words else entity
        made: list[Json] = []
        for n in range(length):
            place = f"{identity}/{field}/{n}"
            if isinstance(items.get("properties"), Mapping) and items.get("type", "object") == "object":
                value: Json = self._fill(items, inner, place, self._item_identity(items, inner, place), path)
            else:
                named = reference(field, entity) if items.get("type") in ("string", "integer", None) else None
                key = (self._seed, entity, str(identity), path, n)
                value = _DRAWS.draw(key, words[-1] if words else field, named, items)
            if not schema.get("uniqueItems") or value not in made:
                made.append(value)
        return made

    def _item_identity(self, items: Mapping[str, Json], entity: str, place: str) -> dict[str, Json]:
        """Identifiers of a listed item's own, so that two items of one list are two entities."""
        named = {f: e for f in items["properties"] if (e := reference(f, entity)) is not None}
        own = next((f for f, e in named.items() if e.split("_")[-1] == entity.split("_")[-1]), None)
        if own is None or not isinstance(items["properties"][own], Mapping):
            return {}
        return {own: _DRAWS.draw((self._seed, "item", place), own, named[own], items["properties"][own])}

    def _know(self, entity: str, identity: Json, fields: dict[str, Json]) -> None:
        record = self._entities.setdefault(entity, {}).setdefault(str(identity), {})
        self._identities[entity, str(identity)] = identity
        record.update(fields)

    def _missing(self, tool: Tool, arguments: Mapping[str, Json]) -> tuple[str, Json] | None:
        """The first reference in the arguments to an entity that is not there."""
        part, what = roles(tool), nature(tool)
        for parameter, entity in part.references.items():
            if parameter not in arguments or (
                what.operation == "create" and entity == part.own and parameter not in tool.required
            ):
                continue
            value = arguments[parameter]
            for identifier in value if isinstance(value, list) else [value]:
                if isinstance(identifier, (str, int)) and not self._exists(entity, str(identifier)):
                    return entity, identifier
        return None

    def _exists(self, entity: str, name: str) -> bool:
        """Whether an entity is there, under its own type or one with the same head noun (a ``home_team`` is a ``team``)."""
        if name in self._entities.get(entity, {}):
            return True
        head = entity.split("_")[-1]
        alike = [known for other, known in self._entities.items() if known and other.split("_")[-1] == head]
        # Where the world knows nothing of that name, an identifier that it issued under another one is taken for it.
        return any(name in known for known in alike or self._entities.values())

    def _error(self, call_id: str, tool: Tool, arguments: Mapping[str, Json], code: str, message: str) -> ToolResult:
        text = canonical_json({"error": {"code": code, "message": message}})
        return ToolResult(False, text, receipt(call_id, tool, self.name, arguments, text, ok=False))


class _Draws:
    """Invented values, remembered: a pure function of its key, asked for once in a rollout and again in its replay."""

    def __init__(self, *, most: int = 20_000) -> None:
        self._most = most
        self._kept: dict[tuple[object, ...], tuple[Mapping[str, Json], Json]] = {}

    def draw(self, key: tuple[object, ...], field: str, named: str | None, schema: Mapping[str, Json]) -> Json:
        kept = self._kept.get(key)
        if kept is not None and kept[0] is schema:
            return kept[1]
        value = _draw(rng_for(*key), field, named, schema)
        if len(self._kept) >= self._most:
            self._kept.clear()
        self._kept[key] = (schema, value)
        return value


def _draw(rng: random.Random, field: str, named: str | None, schema: Mapping[str, Json]) -> Json:
    kind = schema.get("type")
    if named is not None:
        return make_identifier(rng, named, schema)
    if isinstance(kind, list) and "null" in kind and (field.startswith("next") or rng.random() < 0.5):
        return None
    if field.endswith(("_at", "_time")) and kind == "string" and "pattern" not in schema and "enum" not in schema:
        return (_CLOCK + datetime.timedelta(minutes=rng.randint(-40_000, 600))).strftime("%Y-%m-%dT%H:%M:%SZ")
    return make_value(rng, field, schema)


_DRAWS = _Draws()


def _pinned(schema: Mapping[str, Json]) -> dict[str, Json]:
    """The fields that an output schema fixes: the state that the tool leaves its entity in."""
    properties = schema.get("properties")
    if not isinstance(properties, Mapping):
        return {}
    return {f: s["const"] for f, s in properties.items() if isinstance(s, Mapping) and "const" in s}


def _not_found(tool: Tool, entity: str, identifier: Json, arguments: Mapping[str, Json]) -> str:
    """The tool's own words for an entity that is not there, where it documents any."""
    for error in tool.errors:
        if "not_found" in error.code and entity.split("_")[-1] in error.code:
            text = error.message
            for name, value in arguments.items():
                text = text.replace("{" + name + "}", value if isinstance(value, str) else json.dumps(value))
            return text
    return f"There is no {entity.replace('_', ' ')} {identifier!r}."


def _fits(value: Json, schema: Mapping[str, Json]) -> bool:
    kind = schema.get("type")
    if len(schema) <= 2 and (len(schema) == 1 or "description" in schema) and isinstance(kind, str):
        return isinstance(value, _PLAIN.get(kind, object)) and (kind == "boolean" or not isinstance(value, bool))
    return compile_schema(schema if isinstance(schema, dict) else dict(schema)).is_valid(value) if schema else True


_PLAIN: dict[str, type | tuple[type, ...]] = {
    "string": str, "boolean": bool, "integer": int, "number": (int, float), "array": list, "object": dict,
}  # fmt: skip


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
