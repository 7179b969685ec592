"""The roles of entities in a tool: which one it is about, which ones its parameters identify, which ones it returns.

The planner uses them to know what must exist before a task starts, the simulated environment to know what a call reads
and changes. Both derive them from the schemas by `tdlab.tools.names`, so they agree.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from tdlab.records import Json, Tool
from tdlab.tools.cache import cached_per_tool
from tdlab.tools.names import ToolNature, nature, referenced_entity, split_words
from tdlab.tools.nouns import singular
from tdlab.tools.outputs import returned_schema

__all__ = ["Roles", "issued_ids", "item_list", "roles"]

_HANDLES = frozenset("path name title key slug url uri username filename file filepath handle".split())


class Roles(NamedTuple):
    """The entity that a tool is about, and the entities in its parameters and its output.

    ``own`` is the entity that the tool is about, ``own_parameter`` the parameter that identifies one of them,
    ``own_list`` a parameter that identifies several. ``handle`` is a parameter that names one in another way (a path, a
    title) where there is no identifier. ``references`` maps each identifying parameter to its entity, including the own
    ones. ``issued`` maps a top-level output field to the entity that it identifies. ``listed`` is the output field with
    a list of entities, the entity and the name of the identifying field in an item.
    """

    nature: ToolNature
    own: str
    own_parameter: str | None
    own_list: str | None
    handle: str | None
    references: dict[str, str]
    issued: dict[str, str]
    listed: tuple[str, str, str] | None


@cached_per_tool
def roles(tool: Tool) -> Roles:
    """Return the roles of entities in a tool.

    Args:
        tool: The tool.

    Returns:
        The roles, cached.

    Example:
        >>> from tdlab.records import Tool
        >>> schema = {"type": "object", "properties": {"order_id": {"type": "string"}}, "required": ["order_id"]}
        >>> found = roles(Tool(service="shop", name="cancel_order", input_schema=schema))
        >>> found.own, found.own_parameter
        ('order', 'order_id')
    """
    meaning = nature(tool)
    entity, operation = meaning.entity, meaning.operation
    references = {p: noun for p in tool.parameters if (noun := referenced_entity(p, entity)) is not None}
    output = returned_schema(tool)
    properties = output.get("properties")
    fields = properties if isinstance(properties, dict) else {}
    issued = {f: noun for f in fields if (noun := referenced_entity(f, entity)) is not None and _is_scalar(fields[f])}
    listed = item_list(output, entity)
    own_parameter = _own_parameter(tool, meaning, references) if operation != "create" else None
    own_list = _own_list(tool, entity, references) if own_parameter is None and operation != "create" else None
    identified = own_parameter or own_list
    if identified is not None:
        own = references[identified]
    elif listed is not None and operation in ("list", "read", "compute"):
        own = listed[1]
    else:
        new = [noun for f, noun in issued.items() if f not in tool.parameters and noun not in references.values()]
        own = next((noun for noun in new if _same_noun(noun, entity)), new[0] if new else entity)
    handle = _handle(tool, own, references) if identified is None and operation != "list" else None
    return Roles(meaning, own, own_parameter, own_list, handle, references, issued, listed)


def item_list(output: Mapping[str, Json], entity: str) -> tuple[str, str, str] | None:
    """Return the first output field that lists objects with an identifier: (field, entity, identifying field)."""
    properties = output.get("properties")
    for field, schema in properties.items() if isinstance(properties, dict) else ():
        items = schema.get("items") if isinstance(schema, dict) and schema.get("type") == "array" else None
        inner = items.get("properties") if isinstance(items, dict) else None
        if not isinstance(inner, dict):
            continue
        words = split_words(field)
        name = "_".join((*words[:-1], singular(words[-1]))) if words else entity
        identifying = [(f, e) for f in inner if (e := referenced_entity(f, name)) is not None]
        best = next(
            (pair for pair in identifying if _same_noun(pair[1], name)), identifying[0] if identifying else None
        )
        if best is not None:
            return field, best[1], best[0]
    return None


def issued_ids(value: Json, entity: str = "") -> Iterator[tuple[str, Json]]:
    """Yield every identifier in a result, at any depth.

    Args:
        value: The result of a call.
        entity: The entity that the result is about, to which a bare ``id`` refers.

    Yields:
        (entity, identifier) pairs.

    Example:
        >>> list(issued_ids({"order_id": 7, "items": [{"id": "a"}]}))
        [('order', 7), ('item', 'a')]
    """
    if isinstance(value, dict):
        for field, inner in value.items():
            identified = referenced_entity(field, entity)
            if identified is not None and isinstance(inner, (str, int)) and not isinstance(inner, bool):
                yield identified, inner
            elif identified is not None and isinstance(inner, list):
                yield from ((identified, v) for v in inner if isinstance(v, (str, int)) and not isinstance(v, bool))
            if isinstance(inner, (dict, list)):
                words = split_words(field)
                yield from issued_ids(inner, "_".join((*words[:-1], singular(words[-1]))) if words else entity)
    elif isinstance(value, list):
        for inner in value:
            if isinstance(inner, (dict, list)):
                yield from issued_ids(inner, entity)


def _own_parameter(tool: Tool, meaning: ToolNature, references: Mapping[str, str]) -> str | None:
    scalar = [p for p in references if _is_scalar(tool.parameters[p])]
    exact = [p for p in scalar if references[p] == meaning.entity]
    if exact:
        return exact[0]
    close = [p for p in scalar if _same_noun(references[p], meaning.entity)]
    if close:
        return close[0]
    words = set(meaning.entity.split("_"))
    inside = [p for p in scalar if p in tool.required and set(references[p].split("_")) <= words]
    if len(inside) == 1 and meaning.operation in ("read", "update", "delete", "act"):
        return inside[0]
    required = [p for p in scalar if p in tool.required]
    return required[0] if len(required) == 1 and meaning.operation in ("update", "delete", "act") else None


def _own_list(tool: Tool, entity: str, references: Mapping[str, str]) -> str | None:
    lists = [p for p in references if tool.parameters[p].get("type") == "array"]
    return next((p for p in lists if _same_noun(references[p], entity)), None)


def _handle(tool: Tool, entity: str, references: Mapping[str, str]) -> str | None:
    """Return the required parameter that names the entity without being an identifier; an exact name goes first."""
    if not entity:
        return None
    head = entity.split("_")[-1]
    scalar = [p for p in tool.required if p not in references and _is_scalar(tool.parameters[p])]
    exact = [p for p in scalar if split_words(p) in ((head,), (head, "name"), (head, "path"), ("name",))]
    return next(iter(exact), next((p for p in scalar if split_words(p)[-1:] and split_words(p)[-1] in _HANDLES), None))


def _same_noun(entity: str, other: str) -> bool:
    """Return whether two entity names share their last noun, so that ``pending_order`` is an ``order``."""
    return bool(entity) and bool(other) and entity.split("_")[-1] == other.split("_")[-1]


def _is_scalar(schema: Json) -> bool:
    return not (isinstance(schema, dict) and schema.get("type") in ("array", "object"))
