"""Finders: tools that look things up return what their siblings ask for, even where no name says so.

``search(query)`` and ``fetch_content(url)``, ``get_coordinates(city)`` and ``get_forecast(latitude, longitude)``: a
value that a sibling needs, that a user can hardly know and that no other tool finds out, comes from the tools of the
service that search, list or look up. Which of them is a judgement by words: the name that speaks of the value first,
then the description, then a search for anything.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, Protocol

from tdlab.records import Tool
from tdlab.tools.names import ToolNature, split_words
from tdlab.tools.nouns import singular
from tdlab.tools.parameters import ENTITY_NOISE, SAID, Slot, entity_words, identifying_name, normal_name, parameter_kind
from tdlab.tools.schema_shapes import clean, item, types_of

__all__ = ["Found", "found_values", "shows_members"]

Given = Callable[[Tool], Iterable[tuple[str, str, float]]]


class Outputs(Protocol):
    """The parts of `tdlab.tools.outputs.Returns` that are used here."""

    tools: tuple[Tool, ...]

    def nature(self, tool: Tool) -> ToolNature:
        """Return the tool's nature."""

    def focus(self, tool: Tool) -> str:
        """Return the one noun that the tool's answer is about."""

    def slots(self, tool: Tool) -> tuple[Slot, ...]:
        """Return the tool's slots."""


class Found(NamedTuple):
    """A value that a tool presumably finds out: the parameter of its siblings that needs it, and how surely."""

    parameter: str
    schema: dict[str, Any]
    certainty: float
    entity: str


class _Need(NamedTuple):
    slot: Slot
    nouns: set[str]
    askers: set[str]


# Fixed by definition, like the other certainties of inferred outputs (`tdlab.tools.outputs`).
_NAMED, _DESCRIBED, _SEARCHED = 0.7, 0.55, 0.5
_SURE = 0.45
"""Values at least this certain are found out: their siblings need no other source."""
_FINDERS_OF_ONE = 4
"""Finders of one value: a value that a dozen tools could tell says nothing about any of them."""
_NO_NOUN = ENTITY_NOISE | frozenset(
    "from to start end source target destination origin first last new old path object item resource entity"
    " type".split()
)
_FROM = re.compile(
    r"\b(?:from|returned by|provided by|obtained (?:by|via|with)|result of)\b([^.;,()]{3,50})", re.IGNORECASE
)
_ANYTHING = frozenset("search web item everything anything object resource node page site internet".split())
_WORDS_OF = {
    "latitude": ("coordinate", "location", "geocode", "place"),
    "longitude": ("coordinate", "location", "geocode", "place"),
    "coordinates": ("location", "geocode", "place"),
    "place": ("location", "geocode", "address", "coordinate"),
    "place_id": ("location", "geocode"),
    "symbol": ("ticker", "company", "stock"),
    "ticker": ("symbol", "company", "stock"),
    "file_path": ("file", "directory", "folder"),
    "account": ("me", "myself", "whoami", "viewer"),
    "url": ("link", "website", "web"),
}
"""Nouns that speak of a concept without its name."""


_LISTING = frozenset("list ls dir tree crawl map sitemap glob walk scan grep find search browse discover links".split())
_SAYS_MEMBERS = re.compile(
    r"\b(?:lists?|listing|tree|all|find|finds|discover|discovers|crawls?)\b[^.;]{0,60}"
    r"\b(?:files|paths|directories|folders|urls|links|pages|entries|results)\b",
    re.IGNORECASE,
)


def shows_members(tool: Tool, operation: str) -> bool:
    """Return whether a tool that takes a path, a link or a query shows the paths or links of what it finds there.

    ``directory_tree(path)`` and ``crawl(url)`` read by their names, and list by what they do. ``read_file(path)`` shows
    its own path at most.

    Args:
        tool: The tool.
        operation: What it does (`ToolNature.operation`).

    Returns:
        Whether it does.

    Example:
        >>> from tdlab.records import Tool
        >>> tool = Tool(service="files", name="directory_tree", input_schema={"type": "object"})
        >>> shows_members(tool, "read")
        True
    """
    if operation != "read":
        return operation == "list"
    first_sentence = tool.description[:300].split(". ")[0]
    return bool(_LISTING.intersection(split_words(tool.name))) or bool(_SAYS_MEMBERS.search(first_sentence))


def found_values(returned: Outputs, given: Given) -> dict[str, list[Found]]:
    """Return what the finders of a service find out, by key of the tool.

    Args:
        returned: The outputs of the service's tools.
        given: Returns the name, entity and certainty of each value that a tool returns by itself.
    """
    certain = _surely_found(returned, given)
    needs = {key: need for key, need in _needs(returned).items() if not _is_found(need.slot, certain)}
    if not needs:
        return {}
    named: dict[str, list[Tool]] = {}
    described: dict[str, list[Tool]] = {}
    searching: list[Tool] = []
    starting: list[Tool] = []
    for tool in returned.tools:
        nature = returned.nature(tool)
        if nature.operation not in ("list", "read"):
            continue
        for word in {singular(word) for word in split_words(tool.name)}:
            named.setdefault(word, []).append(tool)
        for word in {singular(word) for word in split_words(tool.description[:300])}:
            described.setdefault(word, []).append(tool)
        if nature.effect == "search":
            searching.append(tool)
        if not any(slot.required and slot.handle for slot in returned.slots(tool)):
            starting.append(tool)  # one can begin with it: it needs nothing that another tool tells
    # a search for customers finds no designs; the one search of a service, or one for anything, finds what there is
    if len(searching) > 1:
        searching = [tool for tool in searching if not set(entity_words(tool)) - _NO_NOUN - _ANYTHING]
    values: dict[str, list[Found]] = {}
    for need in needs.values():
        chosen: dict[str, tuple[float, Tool]] = {}
        for certainty, groups in (
            (_NAMED, [named.get(noun, []) for noun in sorted(need.nouns)]),
            (_DESCRIBED, [described.get(noun, []) for noun in sorted(need.nouns)]),
            (_SEARCHED, [searching]),
        ):
            for tool in (tool for group in groups if len(group) <= 4 * _FINDERS_OF_ONE for tool in group):
                if tool.key not in need.askers and tool.key not in chosen:
                    chosen[tool.key] = (certainty, tool)
            if len(chosen) >= _FINDERS_OF_ONE or need.slot.world == "account":
                break
        if not chosen and need.slot.world != "account" and len(starting) <= _FINDERS_OF_ONE:
            chosen = {tool.key: (_SEARCHED, tool) for tool in starting if tool.key not in need.askers}
        schema = item(clean(need.slot.schema))
        for certainty, tool in list(chosen.values())[:_FINDERS_OF_ONE]:
            values.setdefault(tool.key, []).append(Found(need.slot.parameter, schema, certainty, need.slot.entity))
    return values


def _surely_found(returned: Outputs, given: Given) -> set[str]:
    """Return the normal names that tools list or read and do not ask for, and ``id:`` with the entities identified."""
    certain: set[str] = set()
    for tool in returned.tools:
        if returned.nature(tool).operation not in ("list", "read"):
            continue
        taken = {slot.name for slot in returned.slots(tool)}
        for name, entity, certainty in given(tool):
            identifies = parameter_kind(name, {}) == "id"
            normal = identifying_name(name, entity) if identifies else normal_name(name)[0]
            if certainty >= _SURE and normal not in taken:
                certain.add(normal)
                if identifies:
                    certain.add(f"id:{entity}")
    return certain


def _is_found(slot: Slot, certain: set[str]) -> bool:
    return slot.name in certain or (slot.kind == "id" and f"id:{slot.entity}" in certain)


def _origin(slot: Slot) -> set[str]:
    """Return the nouns after which a parameter's description says that the value comes from something.

    ``ref``: "exact target element reference from the page snapshot".
    """
    text = slot.schema.get("description")
    clauses = _FROM.findall(text[:300]) if isinstance(text, str) else []
    return {singular(word) for clause in clauses for word in split_words(clause)} - _NO_NOUN


def _needs(returned: Outputs) -> dict[str, _Need]:
    """Return the required values that a user can hardly know, by normal name."""
    nouns_of_names = {singular(word) for tool in returned.tools for word in split_words(tool.name)}
    nouns_of_names -= {returned.nature(tool).verb for tool in returned.tools} | _NO_NOUN
    needs: dict[str, _Need] = {}
    for tool in returned.tools:
        for slot in returned.slots(tool):
            if (
                slot.inside
                or not slot.required
                or (slot.world in SAID and slot.world != "account")
                or "boolean" in types_of(slot.schema)
            ):
                continue
            words = {singular(word) for word in normal_name(slot.parameter)[1]} - _NO_NOUN
            origin = _origin(slot) & nouns_of_names if slot.kind in ("id", "ref", "world", "value") else set()
            if not (
                slot.kind in ("id", "ref", "world") or (slot.kind == "value" and (words & nouns_of_names or origin))
            ):
                continue
            need = needs.get(slot.name)
            if need is None:
                nouns = words | origin | ({slot.entity} - {""}) | set(_WORDS_OF.get(slot.world, ()))
                if slot.world == "account":  # only get_me finds out a name that the user knows otherwise
                    nouns = set(_WORDS_OF["account"])
                need = needs[slot.name] = _Need(slot, nouns, set())
            need.askers.add(tool.key)
            if slot.kind in ("id", "ref") and returned.nature(tool).operation == "read":
                need.nouns.update({returned.focus(tool)} - _NO_NOUN - {""})
        for slot in returned.slots(tool):
            if not slot.inside and slot.name in needs:
                needs[slot.name].askers.add(tool.key)
    return needs
