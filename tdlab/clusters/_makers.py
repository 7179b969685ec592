"""Makers: the tools that bring about the thing which a handle names, although its caller names that thing beforehand.

``create_document(filename)`` answers with its own argument, which is an echo, and most tools of the service ask for a
filename, which makes it a context parameter. Still there is nothing to add a heading to before the document exists. So
the maker of the thing is the true source of its handle, and the only echo that says in which order to call.

The words of the handle name the thing (``sheet_name``, ``session_id``). A path or file name says nothing: it is
the handle of the main thing of the service, which the tools make that ask for no other handle.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tdlab.clusters._contexts import ADDING
from tdlab.clusters._matching import STANDALONE
from tdlab.records import Tool
from tdlab.tools import Returns, Slot, entity_words, split_words

__all__ = ["handle_key", "makers_of", "operation_of"]

Handle = tuple[str, str]

_OPENING = STANDALONE | frozenset(
    "open start launch begin connect clone checkout download import record register".split()
)
_NAMING = ("id", "ref", "world", "label", "value")
_SHOWING = frozenset("export render save".split())
"""Verbs of tools that make a file, but ask for the identifier of a thing that is there: ``export_table(table_id)``."""
_FEWEST_ASKERS = 2
"""Fewest tools that ask for a path which another tool is said to make."""


def handle_key(slot: Slot) -> Handle:
    """Return under which key handles are one: a bare ``name`` or ``title`` is another handle for each entity."""
    return slot.name, slot.entity if slot.kind in ("label", "id", "ref") else ""


def operation_of(tool: Tool, returned: Returns) -> str:
    """Return a tool's operation; who saves or exports a thing that is there, by its identifier, changes it at most."""
    nature, focus = returned.nature(tool), returned.focus(tool)
    if nature.operation == "create" and _shows(tool):
        handles = (slot for slot in returned.slots(tool) if slot.kind == "id" and not slot.inside)
        if any(slot.entity == focus for slot in handles):
            return "update"
    return nature.operation


def makers_of(returned: Returns, operations: Sequence[str], most: int) -> Mapping[Handle, tuple[int, ...]]:
    """Return the tools that make the thing which a handle names, by handle, as indices.

    Args:
        returned: The outputs of the service's tools.
        operations: The operation of each tool.
        most: Most makers of the main thing of a service. If there are more, none of them is its maker: a dozen tools
            that each write a chart to a path make charts.
    """
    given = {
        returned.focus(tool)
        for tool, operation in zip(returned.tools, operations, strict=True)
        if operation in ("list", "create")
    }
    askers: dict[Handle, int] = {}
    named: dict[Handle, list[int]] = {}
    main: dict[Handle, list[int]] = {}
    for i, tool in enumerate(returned.tools):
        slots = [slot for slot in returned.slots(tool) if not slot.inside and slot.kind in _NAMING]
        focus = returned.focus(tool)
        opens = _opens(tool, operations[i], returned.nature(tool).verb)
        required = [slot for slot in slots if slot.required and slot.kind in ("id", "ref", "world", "label")]
        for slot in slots:
            key = handle_key(slot)
            own = bool(slot.entity) and _is_about(slot.entity, tool, focus)
            only = slot.world == "file_path" and _is_only_handle(slot, required, focus)
            if slot.kind == "id":  # an identifier that is listed or created elsewhere is not made by start_sprint
                own = own and opens and (operations[i] == "create" or slot.entity not in given)
            if own and (opens or (operations[i] == "create" and not _shows(tool))):
                named.setdefault(key, []).append(i)
            elif only and (opens or _shows(tool)):
                main.setdefault(key, []).append(i)
            elif slot.required:
                askers[key] = askers.get(key, 0) + 1
    makers: dict[Handle, tuple[int, ...]] = {}
    for key, count in askers.items():
        if key in named:
            makers[key] = tuple(named[key])
        elif count >= _FEWEST_ASKERS and 0 < len(main.get(key, ())) <= most:
            makers[key] = tuple(main[key])
    return makers


def _opens(tool: Tool, operation: str, verb: str) -> bool:
    """Return whether a tool makes, opens or starts a whole thing; ``get_record`` records nothing."""
    words = split_words(tool.name)
    begins = not _OPENING.isdisjoint((verb, *words[:1])) and not _shows(tool)
    return operation in ("create", "act", "read") and begins and ADDING.isdisjoint(words)


def _shows(tool: Tool) -> bool:
    return not _SHOWING.isdisjoint(split_words(tool.name)[:1])


def _is_about(entity: str, tool: Tool, focus: str) -> bool:
    """Return whether a tool makes the entity itself: a worksheet is a sheet."""
    nouns = entity_words(tool)
    return bool(focus) and (focus == entity or focus.endswith(entity) or (len(nouns) == 1 and nouns[0] == entity))


def _is_only_handle(slot: Slot, required: Sequence[Slot], focus: str) -> bool:
    """Return whether a tool asks for no other handle than a path, and for the name of its own new thing at most.

    ``create_worksheet(filepath, sheet_name)`` makes no workbook; ``download(url, path)`` makes the file.
    """
    others = [one for one in required if one.parameter != slot.parameter and one.world != "url"]
    return slot.required and not any(one.kind != "label" or one.entity not in ("", focus) for one in others)
