"""How well a returned value fits a parameter: by name, entity, concept and type, and how much it is needed.

An inverted index holds the values that the tools of a service return. It is kept twice: of values that a tool finds out
or makes, and of echoes, which it only repeats from its own arguments (`tdlab.clusters._contexts`).
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence, Set
from typing import Any, NamedTuple

from tdlab.clusters._contexts import is_echo, known_to_caller, lists_parts
from tdlab.clusters._topics import similarity, tool_topics
from tdlab.config import ClusterConfig, MatchWeights, TopicWeights
from tdlab.records import DependencyKind, Tool
from tdlab.tools import (
    SAID,
    ReturnedField,
    Returns,
    Slot,
    identifying_name,
    informative,
    inner_properties,
    normal_name,
    outcome_of_field,
    parameter_kind,
    shared_concept,
    shows_members,
    types_of,
)

__all__ = [
    "ECHO_FLOW",
    "FLOW",
    "STANDALONE",
    "Index",
    "Match",
    "Offer",
    "Similarity",
    "compatible",
    "index_values",
    "is_kept_by",
    "is_made_up",
    "slot_weight",
    "top_offers",
    "wanted",
]


# Fixed by definition: how natural it is that one operation follows another is part of what a dependency means.
FLOW: dict[str, dict[str, float]] = {
    "list": {"list": 0.9, "read": 1.0, "create": 0.85, "update": 0.9, "delete": 0.85, "act": 0.9, "compute": 0.85},
    "create": {"list": 0.9, "read": 0.95, "create": 0.8, "update": 0.95, "delete": 0.85, "act": 0.95, "compute": 0.7},
    "read": {"list": 0.9, "read": 0.8, "create": 0.85, "update": 0.95, "delete": 0.85, "act": 0.95, "compute": 0.8},
    "update": {"list": 0.35, "read": 0.65, "create": 0.45, "update": 0.5, "delete": 0.5, "act": 0.55, "compute": 0.35},
    "act": {"list": 0.35, "read": 0.65, "create": 0.5, "update": 0.45, "delete": 0.5, "act": 0.5, "compute": 0.35},
    "delete": {"list": 0.15, "read": 0.2, "create": 0.25, "update": 0.15, "delete": 0.15, "act": 0.15, "compute": 0.1},
    "compute": {"list": 0.25, "read": 0.3, "create": 0.4, "update": 0.35, "delete": 0.15, "act": 0.4, "compute": 0.4},
}
# The same for an echo, a value that the caller of the first tool had: who wrote a file knows what it holds, but a thing
# is looked at before it is changed, and what is built up is built by one call after another.
ECHO_FLOW: dict[str, dict[str, float]] = {
    "list": {"list": 0.5, "read": 0.7, "create": 0.6, "update": 0.85, "delete": 0.85, "act": 0.8, "compute": 0.65},
    "create": {"list": 0.4, "read": 0.65, "create": 0.9, "update": 0.95, "delete": 0.85, "act": 0.7, "compute": 0.8},
    "read": {"list": 0.8, "read": 0.65, "create": 0.7, "update": 0.95, "delete": 0.85, "act": 0.95, "compute": 0.75},
    "update": {"list": 0.2, "read": 0.5, "create": 0.25, "update": 0.65, "delete": 0.5, "act": 0.55, "compute": 0.35},
    "act": {"list": 0.3, "read": 0.3, "create": 0.25, "update": 0.55, "delete": 0.5, "act": 0.5, "compute": 0.35},
    "delete": FLOW["delete"],
    "compute": FLOW["compute"],
}
# Fixed, a bound on work: values of one name or entity that are kept, to prefer among equals those like the target.
_MAX_RANKED = 96


class Offer(NamedTuple):
    """A returned value in the index: the tool that returns it (an index), the field, the tool's operation."""

    tool: int
    field: ReturnedField
    operation: str


class Match(NamedTuple):
    """A value that could fill a parameter, with its score before mentions count.

    ``made`` says that the source makes the thing that the value names (`tdlab.clusters._makers`).
    """

    score: float
    slot: Slot
    field: ReturnedField
    how: str
    kind: DependencyKind
    made: bool = False


class Similarity:
    """The similarity of the topics of two tools of one service; words are counted on first use."""

    def __init__(self, tools: Sequence[Tool], weights: TopicWeights) -> None:
        self._tools = tools
        self._weights = weights
        self._topics: list[dict[str, float]] = []
        self._known: dict[tuple[int, int], float] = {}

    def __call__(self, one: int, other: int) -> float:
        pair = (one, other) if one < other else (other, one)
        if pair not in self._known:
            self._topics = self._topics or tool_topics(self._tools, self._weights)
            self._known[pair] = similarity(self._topics[one], self._topics[other])
        return self._known[pair]


Index = dict[tuple[str, str], list[Offer]]


def index_values(
    returned: Returns, operations: Sequence[str], contexts: Mapping[str, str], *, attributes: bool = False
) -> tuple[Index, Index]:
    """Return the most certain value of each tool under each key by which parameters look for values.

    ``operations`` are those of the tools. The first index has values that are new to the caller of the tool, the second
    has echoes. The values that a caller chooses are left out unless ``attributes``.
    """
    new: Index = {}
    echoes: Index = {}
    for i, tool in enumerate(returned.tools):
        operation, focus = returned.nature(tool).operation, returned.focus(tool)
        known = known_to_caller(returned, i, contexts)
        best: dict[tuple[str, str], Offer] = {}
        repeated: dict[tuple[str, str], Offer] = {}
        members = operation == "read" and informative(tool.output_schema) is None and shows_members(tool, operation)
        parts = lists_parts(tool)
        for field in returned.fields(tool):  # the most certain first
            offer = Offer(i, field, operations[i])
            echo = is_echo(field, known, operation, focus, members=members, parts=parts)
            if field.attribute and not (echo or attributes):
                continue
            for key in _keys(field):
                (repeated if echo else best).setdefault(key, offer)
            if field.entity and len(field.path) > 1 and field.path[-2] == 0:
                whole = field._replace(path=field.path[:-1], name=field.entity, schema={"type": "object"})
                best.setdefault(("record", field.entity), Offer(i, whole, operations[i]))
        for key, offer in best.items():
            new.setdefault(key, []).append(offer)
        for key, offer in repeated.items():
            if key not in best:
                echoes.setdefault(key, []).append(offer)
    return new, echoes


def _keys(field: ReturnedField) -> Iterator[tuple[str, str]]:
    """Yield the index keys of a returned value: by name, and by entity if it identifies one."""
    if (
        outcome_of_field(field.name) is not None
    ):  # ``error`` and ``successful`` say how the call went; no tool needs them
        return
    name = normal_name(field.name)[0]
    kind = parameter_kind(field.name, field.schema)
    if kind == "id":
        name = identifying_name(field.name, field.entity)
    yield ("name", name)
    concept = shared_concept(field.name)[0]
    if concept:
        yield ("world", concept)
    if kind in ("label", "value") and field.entity and field.entity != name:
        yield ("name", f"{field.entity}_{name}")
        yield ("of", field.entity)
    if kind in ("id", "ref") and field.entity:
        yield ("id", field.entity)


def _opaque(slot: Slot) -> bool:
    """Return whether a slot takes whole records whose fields its schema does not declare."""
    if slot.inside or inner_properties(slot.schema):
        return False
    types = types_of(slot.schema)
    items = slot.schema.get("items")
    return types == {"object"} or (types == {"array"} and isinstance(items, dict) and types_of(items) == {"object"})


def wanted(slot: Slot, weights: MatchWeights) -> Iterator[tuple[tuple[str, str], float, str]]:
    """Yield the index keys that can fill a slot, each with the quality of such a match and its name."""
    yield ("name", slot.name), 1.0, "same name"
    if slot.kind == "value" and slot.entity and _opaque(slot):
        yield ("record", slot.entity), weights.whole_record, "whole record"
    if slot.kind == "id" and slot.entity:
        yield ("id", slot.entity), weights.same_entity, "same entity"
    elif slot.kind in ("ref", "value", "label") and slot.entity:
        yield ("id", slot.entity), weights.named_entity, "same entity"
        if slot.kind == "value":
            yield ("of", slot.entity), weights.named_entity, "same entity"
    if slot.kind == "world" and slot.world:
        yield ("world", slot.world), weights.same_concept, "same kind of value"


def slot_weight(
    slot: Slot, distinctness: Mapping[str, float], focuses: set[str], shared: Mapping[str, int], config: ClusterConfig
) -> float:
    """Return how distinctive and how necessary a slot is, in [0, 1]; 0 for settings of the call."""
    matching = config.matching
    weight: float = getattr(config.kinds, slot.kind)
    if weight == 0.0:
        return 0.0
    types = types_of(slot.schema)
    if slot.kind == "value" and slot.entity in focuses and types <= {"string", "integer", "array"}:
        weight = matching.focus_value
    elif slot.kind in ("value", "label", "world") and slot.required and shared.get(slot.name, 0) >= matching.shared_by:
        weight = max(weight, matching.shared_value)
    if slot.kind != "id":
        weight *= distinctness.get(slot.name, 1.0)
    if slot.world in SAID:
        weight *= matching.said
    if "boolean" in types:
        return 0.0
    if "object" in types and not slot.inside and not _opaque(slot):
        weight *= matching.described_object
    if not slot.required:
        weight *= matching.optional
    return weight * (matching.nested if slot.inside else 1.0)


STANDALONE = frozenset("create make new generate init initialize write save export build compose render draft".split())
"""Verbs of tools that make a thing with a name or a path of its own, unlike ``add_paragraph(filename)``."""


def is_made_up(slot: Slot, operation: str, focus: str, verb: str, handles: int, things: Set[str]) -> bool:
    """Return whether the caller makes the value up: the title of a new or changed entity comes from no other tool.

    Nor do an optional identifier of its own for a new thing, an optional attribute (a colour) that names none of the
    ``things`` of the service, or the path of a new file, if that is the only handle (of ``handles``) that the tool asks
    for.
    """
    if slot.inside:
        return False
    if operation in ("create", "update"):
        if slot.kind == "label" and slot.entity in ("", focus):
            return True
        if slot.kind == "value" and not slot.required and (slot.entity == focus or slot.entity not in things):
            return True
        if operation == "create" and slot.kind == "id" and not slot.required and slot.name == f"{focus}_id":
            return True
    return operation == "create" and verb in STANDALONE and handles == 1 and slot.world == "file_path"


def is_kept_by(slot: Slot, operation: str, focus: str, source_focus: str) -> bool:
    """Return whether a value is an attribute of the thing that both tools are about, which changing it leaves alone.

    Whoever moves a task to another assignee does not read the assignee from that task.
    """
    optional = not slot.required and not slot.inside and slot.kind in ("id", "ref", "value") and slot.entity != focus
    return optional and operation in ("create", "update") and source_focus == focus


def top_offers(
    index: Mapping[tuple[str, str], list[Offer]],
    ranked: dict[tuple[tuple[str, str], str], list[tuple[float, Offer]]],
    key: tuple[str, str],
    operation: str,
    count: int,
    target: int,
    alike: Similarity,
    left_out: Counter[str],
    flow: Mapping[str, Mapping[str, float]] = FLOW,
) -> list[tuple[float, Offer]]:
    """Return the ``count`` strongest offers under a key for a target with an operation, ranked once for all targets.

    Equal offers are ordered by their similarity to the target: dozens of tools of a market-data feed return a symbol,
    and the alphabet is no reason to choose among them.
    """
    if key not in index:
        return []
    ranking = (key, operation)
    if ranking not in ranked:
        offers = index[key]
        scored = [(offer.field.certainty * flow[offer.operation][operation], offer) for offer in offers]
        ranked[ranking] = heapq.nsmallest(max(count, _MAX_RANKED), scored, key=lambda s: (-s[0], s[1].tool))
        left_out["not_compared"] += max(0, len(offers) - count)
    best = ranked[ranking]
    if len(best) <= count or best[count][0] < best[count - 1][0]:
        return best[:count]
    last = best[count][0]
    sure = [option for option in best if option[0] > last]
    equal = [option for option in best if option[0] == last]
    equal.sort(key=lambda option: (-alike(option[1].tool, target), option[1].tool))
    return sure + equal[: count - len(sure)]


def compatible(returned: dict[str, Any], needed: dict[str, Any], weights: MatchWeights) -> float:
    """Return how well a returned value's schema fits a parameter's, in [0, 1]; what is undeclared costs nothing."""
    have, need = types_of(returned), types_of(needed)
    if "array" in need and isinstance(needed.get("items"), dict):
        needed = needed["items"]
        need = types_of(needed)
    factor = 1.0
    if have and need and not have & need:
        numbers = {"integer", "number"}
        if have <= numbers and need <= numbers:
            factor = 1.0
        elif have <= numbers | {"string"} and need <= numbers | {"string"}:
            factor = weights.text_as_number
        else:
            return weights.other_type
    for word, cost in (("format", weights.other_format), ("pattern", weights.other_pattern)):
        if word in returned and word in needed and returned[word] != needed[word]:
            factor *= cost
    return factor
