"""The parts that entities play in a tool: which one it is about, which parameters refer to others, what it issues.

The planner uses this to know what must exist before a task starts, the simulated environment to know what a call reads
and changes. Both read it from the schemas by `tdlab.tools.names`, so they agree.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping
from functools import wraps
from typing import Concatenate, NamedTuple, ParamSpec, TypeVar

from tdlab.records import Json, Tool
from tdlab.tools.names import ToolNature, nature, reference, split_words
from tdlab.tools.nouns import singular
from tdlab.tools.outputs import returned_schema

__all__ = ["Roles", "issued_ids", "item_list", "output_of", "per_tool", "roles"]

_P = ParamSpec("_P")
_T = TypeVar("_T")
_KEPT = 16_384  # answers that each function of a tool remembers
_HANDLES = frozenset("path name title key slug url uri username filename file filepath handle".split())


def per_tool(function: Callable[Concatenate[Tool, _P], _T]) -> Callable[Concatenate[Tool, _P], _T]:
    """Remember what a pure function of a tool (and of hashable arguments) gave, by the tool's identity.

    Records hold dicts and cannot be hashed by value; the tools of a run stay the same objects throughout.
    """
    kept: dict[Hashable, tuple[Tool, _T]] = {}

    @wraps(function)
    def remembered(tool: Tool, /, *args: _P.args, **kwargs: _P.kwargs) -> _T:
        place: Hashable = (id(tool), *args) if args else id(tool)
        try:
            held, answer = kept[place]
        except KeyError:
            pass
        else:
            if held is tool:
                return answer
        made = function(tool, *args, **kwargs)
        if len(kept) >= _KEPT:
            kept.clear()
        kept[place] = (tool, made)  # holds the tool, so that its id is not given to another
        return made

    return remembered


class Roles(NamedTuple):
    """Which entity a tool is about, and how its parameters and its output speak of entities.

    ``own`` is the entity that the tool is about, ``own_parameter`` the parameter that names one of it by identifier,
    ``own_list`` one that names several. ``handle`` is a parameter that names one in another way (a path, a title) where
    there is no identifier. ``references`` maps each identifying parameter to its entity, the own ones included.
    ``issued`` maps a top-level output field to the entity that it identifies. ``listed`` is the output field that holds
    a list of entities, with the entity and the name of the identifying field in an item.
    """

    nature: ToolNature
    own: str
    own_parameter: str | None
    own_list: str | None
    handle: str | None
    references: dict[str, str]
    issued: dict[str, str]
    listed: tuple[str, str, str] | None


@per_tool
def roles(tool: Tool) -> Roles:
    """The roles of one tool; remembered."""
    what = nature(tool)
    references = {p: entity for p in tool.parameters if (entity := reference(p, what.entity)) is not None}
    output = output_of(tool)
    properties = output.get("properties")
    fields = properties if isinstance(properties, dict) else {}
    issued = {f: entity for f in fields if (entity := reference(f, what.entity)) is not None and _is_scalar(fields[f])}
    listed = item_list(output, what.entity)
    named = _own_parameter(tool, what, references) if what.operation != "create" else None
    several = _own_list(tool, what.entity, references) if named is None and what.operation != "create" else None
    if named is not None or several is not None:
        own = references[named or several or ""]
    elif listed is not None and what.operation in ("list", "read", "compute"):
        own = listed[1]
    else:
        new = [entity for f, entity in issued.items() if f not in tool.parameters and entity not in references.values()]
        own = next((e for e in new if _same(e, what.entity)), new[0] if new else what.entity)
    handle = _handle(tool, own, references) if named is None and several is None and what.operation != "list" else None
    return Roles(what, own, named, several, handle, references, issued, listed)


@per_tool
def output_of(tool: Tool) -> dict[str, Json]:
    """Return the schema of what a tool returns, references written out; remembered."""
    return returned_schema(tool)


def item_list(output: Mapping[str, Json], entity: str) -> tuple[str, str, str] | None:
    """The first output field that is a list of objects with an identifier: (field, entity, identifying field)."""
    properties = output.get("properties")
    for field, schema in properties.items() if isinstance(properties, dict) else ():
        items = schema.get("items") if isinstance(schema, dict) and schema.get("type") == "array" else None
        inner = items.get("properties") if isinstance(items, dict) else None
        if not isinstance(inner, dict):
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
    if isinstance(value, dict):
        for field, inner in value.items():
            named = reference(field, entity)
            if named is not None and isinstance(inner, (str, int)) and not isinstance(inner, bool):
                yield named, inner
            elif named is not None and isinstance(inner, list):
                yield from ((named, v) for v in inner if isinstance(v, (str, int)) and not isinstance(v, bool))
            if isinstance(inner, (dict, list)):
                words = split_words(field)
                yield from issued_ids(inner, "_".join((*words[:-1], singular(words[-1]))) if words else entity)
    elif isinstance(value, list):
        for inner in value:
            if isinstance(inner, (dict, list)):
                yield from issued_ids(inner, entity)


def _own_parameter(tool: Tool, what: ToolNature, references: Mapping[str, str]) -> str | None:
    scalar = [p for p in references if _is_scalar(tool.parameters[p])]
    exact = [p for p in scalar if references[p] == what.entity]
    if exact:
        return exact[0]
    close = [p for p in scalar if _same(references[p], what.entity)]
    if close:
        return close[0]
    words = set(what.entity.split("_"))
    inside = [p for p in scalar if p in tool.required and set(references[p].split("_")) <= words]
    if len(inside) == 1 and what.operation in ("read", "update", "delete", "act"):
        return inside[0]
    required = [p for p in scalar if p in tool.required]
    return required[0] if len(required) == 1 and what.operation in ("update", "delete", "act") else None


def _own_list(tool: Tool, entity: str, references: Mapping[str, str]) -> str | None:
    lists = [p for p in references if tool.parameters[p].get("type") == "array"]
    return next((p for p in lists if _same(references[p], entity)), None)


def _handle(tool: Tool, entity: str, references: Mapping[str, str]) -> str | None:
    """The required parameter that names the entity without being an identifier; an exact name comes first."""
    if not entity:
        return None
    head = entity.split("_")[-1]
    scalar = [p for p in tool.required if p not in references and _is_scalar(tool.parameters[p])]
    exact = [p for p in scalar if split_words(p) in ((head,), (head, "name"), (head, "path"), ("name",))]
    return next(iter(exact), next((p for p in scalar if split_words(p)[-1:] and split_words(p)[-1] in _HANDLES), None))


def _same(one: str, other: str) -> bool:
    """Whether two entity names share their head noun, so that ``pending_order`` is an ``order``."""
    return bool(one) and bool(other) and one.split("_")[-1] == other.split("_")[-1]


def _is_scalar(schema: Json) -> bool:
    return not (isinstance(schema, dict) and schema.get("type") in ("array", "object"))
