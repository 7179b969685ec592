"""The parts that entities play in a tool: which one it is about, which parameters refer to others, what it issues.

The planner uses this to know what must exist before a task starts, the simulated environment to know what a call reads
and changes. Both read it from the schemas by `tdlab.pool.naming`, so they agree.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import unquote

from tdlab.clusters.returns import returned_schema
from tdlab.pool.naming import nature, reference, singular, split_words
from tdlab.records import Json, Tool, canonical_json

__all__ = ["Roles", "ToolKey", "issued_ids", "item_list", "output_of", "roles"]


class Roles(NamedTuple):
    """``own`` is the entity that the tool is about and ``own_parameter`` the parameter that names one, if any.

    ``references`` maps each identifying parameter to its entity, the own one included. ``issued`` maps a top-level
    output field to the entity that it identifies. ``listed`` is the output field that holds a list of entities, with
    the entity and the name of the identifying field in an item.
    """

    own: str
    own_parameter: str | None
    references: dict[str, str]
    issued: dict[str, str]
    listed: tuple[str, str, str] | None


def roles(tool: Tool) -> Roles:
    """The roles of one tool; cached by its key and its schemas' identity."""
    return _roles(ToolKey(tool))


class ToolKey:
    """A hashable stand-in for a tool, for caches: records hold dicts and cannot be hashed by value."""

    __slots__ = ("tool",)

    def __init__(self, tool: Tool) -> None:
        self.tool = tool

    def __hash__(self) -> int:
        return hash(self.tool.key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ToolKey) and (self.tool is other.tool or self.tool == other.tool)


@lru_cache(maxsize=65536)
def _roles(key: ToolKey) -> Roles:
    tool = key.tool
    what = nature(tool)
    references = {p: entity for p in tool.parameters if (entity := reference(p, what.entity)) is not None}
    output = output_of(tool)
    properties = output.get("properties")
    fields = properties if isinstance(properties, Mapping) else {}
    issued = {f: entity for f in fields if (entity := reference(f, what.entity)) is not None and _is_scalar(fields[f])}
    listed = item_list(output, what.entity)
    own_parameter = _own_parameter(tool, what.entity, references) if what.operation != "create" else None
    if own_parameter is not None:
        own = references[own_parameter]
    elif listed is not None and what.operation in ("list", "read", "compute"):
        own = listed[1]
    else:
        new = [entity for f, entity in issued.items() if f not in tool.parameters and entity not in references.values()]
        own = next((e for e in new if _same(e, what.entity)), new[0] if new else what.entity)
    return Roles(own, own_parameter, references, issued, listed)


def output_of(tool: Tool) -> dict[str, Json]:
    """What the tool returns, as a schema without references: each is replaced by what it points to, four levels deep,
    so that every part can be used alone.
    """
    return _output_of(ToolKey(tool))


@lru_cache(maxsize=65536)
def _output_of(key: ToolKey) -> dict[str, Json]:
    schema = returned_schema(key.tool)
    return _inlined(schema, schema, 4) if '"$ref"' in canonical_json(schema) else schema


def _inlined(part: Json, root: Mapping[str, Json], left: int) -> Json:
    if isinstance(part, list):
        return [_inlined(inner, root, left) for inner in part]
    if not isinstance(part, Mapping):
        return part
    pointer = part.get("$ref")
    if isinstance(pointer, str):
        place: Json = root
        for name in pointer.removeprefix("#").strip("/").split("/") if pointer != "#" else ():
            name = unquote(name).replace("~1", "/").replace("~0", "~")
            place = place.get(name) if isinstance(place, Mapping) else None
        return _inlined(place, root, left - 1) if isinstance(place, Mapping) and left > 0 else {}
    return {name: _inlined(inner, root, left) for name, inner in part.items() if name not in ("$defs", "definitions")}


def item_list(output: Mapping[str, Json], entity: str) -> tuple[str, str, str] | None:
    """The first output field that is a list of objects with an identifier: (field, entity, identifying field)."""
    properties = output.get("properties")
    for field, schema in properties.items() if isinstance(properties, Mapping) else ():
        items = schema.get("items") if isinstance(schema, Mapping) and schema.get("type") == "array" else None
        inner = items.get("properties") if isinstance(items, Mapping) else None
        if not isinstance(inner, Mapping):
            continue
        words = split_words(field)
        name = "_".join((*words[:-1], singular(words[-1]))) if words else entity
        named = [(f, e) for f in inner if (e := reference(f, name)) is not None]
        best = next((pair for pair in named if _same(pair[1], name)), named[0] if named else None)
        if best is not None:
            return field, best[1], best[0]
    return None


def issued_ids(value: Json, entity: str = "") -> Iterator[tuple[str, Json]]:
    """Every (entity, identifier) in a result, at any depth."""
    if isinstance(value, Mapping):
        for field, inner in value.items():
            named = reference(field, entity)
            if named is not None and isinstance(inner, (str, int)) and not isinstance(inner, bool):
                yield named, inner
            elif named is not None and isinstance(inner, list):
                yield from ((named, v) for v in inner if isinstance(v, (str, int)) and not isinstance(v, bool))
            if isinstance(inner, (Mapping, list)):
                words = split_words(field)
                yield from issued_ids(inner, "_".join((*words[:-1], singular(words[-1]))) if words else entity)
    elif isinstance(value, list):
        for inner in value:
            if isinstance(inner, (Mapping, list)):
                yield from issued_ids(inner, entity)


def _own_parameter(tool: Tool, entity: str, references: Mapping[str, str]) -> str | None:
    scalar = [p for p in references if _is_scalar(tool.parameters[p])]
    exact = [p for p in scalar if references[p] == entity]
    if exact:
        return exact[0]
    close = [p for p in scalar if _same(references[p], entity)]
    if close:
        return close[0]
    required = [p for p in scalar if p in tool.required]
    return required[0] if len(required) == 1 and nature(tool).operation in ("update", "delete", "act") else None


def _same(one: str, other: str) -> bool:
    """Whether two entity names share their head noun, so that ``pending_order`` is an ``order``."""
    return bool(one) and bool(other) and one.split("_")[-1] == other.split("_")[-1]


def _is_scalar(schema: Json) -> bool:
    return not (isinstance(schema, Mapping) and schema.get("type") in ("array", "object"))
