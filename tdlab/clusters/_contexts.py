"""Values that are no news: echoes of a tool's own arguments, and context parameters that a whole service asks for.

An *echo* is a returned value that the source itself requires as an input: its caller had it before. A *context
parameter* (organisation, project, owner, repository, workspace, account) is asked for by most tools of a service, about
several different things, and says where a call takes place rather than what it is about. It is bound once for a whole
task. So its value is news only from the tools that are about that entity, or that find it out.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from tdlab.records import Tool
from tdlab.tools import (
    ReturnedField,
    Returns,
    Slot,
    ToolNature,
    identifying_name,
    normal_name,
    parameter_kind,
    referenced_entity,
    shared_concept,
    singular,
    split_words,
    types_of,
)

__all__ = ["ADDING", "Known", "asks_in_context", "contexts_of", "is_echo", "known_to_caller", "lists_parts"]

ADDING = frozenset("add append insert attach".split())
"""Verbs of tools that put something into a thing that is there, and make no such thing."""
_PARTS = frozenset(
    "child children sub descendant nested below related similar linked past previous neighbor member reply".split()
)
"""Words of tools that list things of the same sort below or beside one."""

# Fixed by definition: what the words "most tools" and "several things" mean.
_MOST = 0.4
"""Share of the tools of a service that ask for a context parameter, in a service of any usual size."""
_FEWEST_TOOLS = 4
"""Fewest tools that ask for it."""
_FEWEST_THINGS = 3
"""Fewest other things that these tools are about."""
_MANY_THINGS = 7
"""Of so many other things it is the context also in a large service, where no parameter is asked for by most tools."""
_KINDS = ("id", "ref", "world", "label", "value")
_CONTAINERS = ("file_path", "url")
"""Concepts of which one holds others: a directory has paths, a site has pages."""

_MEMBERS = frozenset("file path directory folder document page url link site sitemap image attachment".split())
"""What a list shows the paths or links of; ``find_text(filename)`` shows texts of one file."""


class Known(NamedTuple):
    """The names, concepts and identified entities of the values that the caller of a tool must already have."""

    names: frozenset[str]
    concepts: frozenset[str]
    entities: frozenset[str]


def known_to_caller(returned: Returns, index: int, contexts: Mapping[str, str]) -> Known:
    """Return what the caller of a tool, given by its index, must know beforehand.

    A tool that changes something shows what it was given, required or not, and its context is known everywhere. Where a
    schema requires nothing at all, identifiers that a tool reads by count as required.
    """
    tool = returned.tools[index]
    nature, focus = returned.nature(tool), returned.focus(tool)
    operation = nature.operation
    changes = operation in ("create", "update", "delete", "act")
    lax = not tool.required and operation == "read"
    makes = operation == "create" and not _puts(tool, nature)  # a task that is created below another is a new one
    slots = [
        slot
        for slot in returned.slots(tool)
        if (
            slot.required
            or (changes and not (makes and _is_chosen(slot, focus)))
            or slot.name in contexts
            or (lax and slot.handle)
        )
        and (not slot.inside or slot.inside in _required_inside(tool.parameters.get(slot.parameter, {})))
    ]
    return Known(
        frozenset(slot.name for slot in slots),
        frozenset(slot.world for slot in slots if slot.world),
        frozenset(
            slot.entity
            for slot in slots
            if slot.kind in ("id", "ref") and slot.entity and not (makes and slot.entity == focus)
        ),
    )


def _puts(tool: Tool, nature: ToolNature) -> bool:
    """Return whether a tool puts a thing that is there into another: ``add_user_to_team`` makes no user."""
    return nature.verb in ADDING and not {"to", "into"}.isdisjoint(split_words(tool.name))


def _is_chosen(slot: Slot, focus: str) -> bool:
    """Return whether a new thing gets an identifier of its own unless its caller gives one."""
    return slot.kind == "id" and slot.name == f"{focus}_id" and not slot.required


def _required_inside(schema: Mapping[str, object]) -> Iterable[str]:
    items = schema.get("items")
    inner = schema if "properties" in schema or not isinstance(items, Mapping) else items
    required = inner.get("required")
    return [name for name in required if isinstance(name, str)] if isinstance(required, list) else ()


def is_echo(
    field: ReturnedField, known: Known, operation: str, focus: str, *, members: bool = False, parts: bool = False
) -> bool:
    """Return whether a returned value is one that the tool requires as an input.

    The members of a list that are of the same sort as its container are other ones: the paths in a directory and, with
    ``parts``, the pages below a page. With ``members``, the tool shows such members although its inferred output is no
    list.
    """
    name = normal_name(field.name)[0]
    kind = parameter_kind(field.name, field.schema)
    if kind == "id":
        name = identifying_name(field.name, field.entity)
    concept = shared_concept(field.name)[0]
    listed = operation == "list" and 0 in field.path
    if concept in _CONTAINERS and (members or (listed and focus in _MEMBERS)):
        return False
    if listed and kind in ("id", "ref") and _thing_of(field) == focus and (parts or focus not in known.entities):
        return False
    return (
        name in known.names or (concept != "" and concept in known.concepts)
        or (kind in ("id", "ref") and field.entity in known.entities)
    )  # fmt: skip


def lists_parts(tool: Tool) -> bool:
    """Return whether a tool lists things below or beside one of the same sort: ``list_child_pages(page_id)`` does."""
    words = split_words(tool.name)
    return not _PARTS.isdisjoint([*words, *map(singular, words)])


def _thing_of(field: ReturnedField) -> str:
    """Return the noun that an identifier names itself, else the one of its record: a comment may show its bill's."""
    return (referenced_entity(field.name, field.entity) or field.entity).split("_")[-1]


def contexts_of(returned: Returns) -> dict[str, str]:
    """Return the context parameters of a service: normal name -> the entity that they identify, or ``""``."""
    askers: dict[str, set[str]] = {}
    things: dict[str, set[str]] = {}
    entities: dict[str, str] = {}
    for tool in returned.tools:
        focus = returned.focus(tool)
        for slot in returned.slots(tool):
            if slot.inside or slot.kind not in _KINDS or types_of(slot.schema) & {"boolean", "object"}:
                continue
            askers.setdefault(slot.name, set()).add(tool.key)
            entity = entities.setdefault(slot.name, _entity_of(slot))
            if focus and focus != entity:
                things.setdefault(slot.name, set()).add(focus)
    fewest = max(_FEWEST_TOOLS, math.ceil(_MOST * len(returned.tools)))
    return {
        name: entities[name]
        for name, keys in askers.items()
        if (len(keys) >= fewest and len(things.get(name, ())) >= _FEWEST_THINGS)
        or len(things.get(name, ())) >= _MANY_THINGS
    }


def _entity_of(slot: Slot) -> str:
    return slot.entity or slot.name.split("_")[0]


def asks_in_context(slot: Slot, contexts: Mapping[str, str], focus: str) -> bool:
    """Return whether a slot of a tool about ``focus`` asks for a context parameter and not for its own thing."""
    return not slot.inside and slot.name in contexts and contexts[slot.name] != focus
