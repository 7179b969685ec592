"""Dependencies: returned values matched with the parameters that need them, each with its evidence.

A score is the product of five factors in [0, 1]: how certain it is that the source returns the value, how well value
and parameter match (name, entity, type, format), how distinctive the parameter is (its kind, and how rare its name is
among the services of the pool), how much the target needs it, and how natural it is that the target's operation follows
the source's. Explicit mentions ("call X first") raise the score. The factors are judgements of this project, made in
advance and not fitted; `tests/benchmarks/dependencies.py` measures them against recorded dataflow. Most of them are
settings (`tdlab.config.ClusterConfig`).

The work is near-linear. Inside a service, an inverted index by name and entity matches values with parameters. Across
services only shared real-world entities count, among a bounded number of neighbours (`tdlab.clusters._cross_service`).
"""

from __future__ import annotations

import heapq
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from tdlab.clusters._mentions import Mention, mentions_in
from tdlab.clusters._topics import similarity, tool_topics
from tdlab.config import ClusterConfig, MatchWeights, TopicWeights
from tdlab.records import Dependency, Evidence, Record, Service, Tool
from tdlab.tools import (
    ReturnedField,
    SAID,
    Returns,
    Slot,
    inner_properties,
    normal_name,
    outcome_of_field,
    parameter_kind,
    shared_concept,
    types_of,
)

if TYPE_CHECKING:
    import networkx
    import pandas

__all__ = ["DependencyGraph", "DependencyReport", "Pool", "mine_dependencies"]


class Pool(Protocol):
    """The parts of a tool pool that mining uses."""

    @property
    def services(self) -> tuple[Service, ...]:
        """All services, in any order."""

    @property
    def tools(self) -> Mapping[str, Tool]:
        """Every tool, by key."""


# Fixed by definition: how natural it is that one operation follows another is part of what a dependency means.
_FLOW: dict[str, dict[str, float]] = {
    "list": {"list": 0.6, "read": 1.0, "create": 0.85, "update": 0.9, "delete": 0.85, "act": 0.9, "compute": 0.85},
    "create": {"list": 0.6, "read": 0.95, "create": 0.95, "update": 0.95, "delete": 0.85, "act": 0.95, "compute": 0.7},
    "read": {"list": 0.6, "read": 0.8, "create": 0.85, "update": 0.95, "delete": 0.85, "act": 0.95, "compute": 0.8},
    "update": {"list": 0.35, "read": 0.65, "create": 0.45, "update": 0.5, "delete": 0.5, "act": 0.55, "compute": 0.35},
    "act": {"list": 0.35, "read": 0.65, "create": 0.5, "update": 0.45, "delete": 0.5, "act": 0.5, "compute": 0.35},
    "delete": {"list": 0.15, "read": 0.2, "create": 0.25, "update": 0.15, "delete": 0.15, "act": 0.15, "compute": 0.1},
    "compute": {"list": 0.25, "read": 0.3, "create": 0.4, "update": 0.35, "delete": 0.15, "act": 0.4, "compute": 0.4},
}
# Fixed, a bound on work: values of one name or entity that are kept, to prefer among equals those like the target.
_MAX_RANKED = 256


class DependencyReport(Record):
    """The counts of mining dependencies.

    Attributes:
        threshold: The minimum score of a dependency.
        sources_per_parameter: Most sources of a parameter within its service.
        cross_sources_per_parameter: Most sources of a parameter in other services.
        capped: Dependencies beyond these two limits.
        not_compared: Values that were not compared with a parameter.
        in_service: Dependencies within a service.
        cross_service: Dependencies across services.
        companions: Ties between tools of one topic.
    """

    threshold: float = 0.0
    sources_per_parameter: int = 0
    cross_sources_per_parameter: int = 0
    capped: int = 0
    not_compared: int = 0
    in_service: int = 0
    cross_service: int = 0
    companions: int = 0


class DependencyGraph:
    """All dependencies of a pool, one per source, target and parameter, in that order.

    ``report`` has the counts of mining, and of what its limits left out.

    Args:
        edges: The dependencies, in any order.
        tools: Keys of all tools, also of those without a dependency.
        report: The counts of mining.

    Example:
        >>> from tdlab.records import Dependency
        >>> edge = Dependency(source="shop/list_orders", target="shop/get_order", parameter="order_id", score=0.9)
        >>> graph = DependencyGraph([edge], ["shop/get_order", "shop/list_orders"])
        >>> [edge.source for edge in graph.into("shop/get_order")]
        ['shop/list_orders']
    """

    def __init__(
        self, edges: Iterable[Dependency], tools: Iterable[str], report: DependencyReport | None = None
    ) -> None:
        self.edges: tuple[Dependency, ...] = tuple(sorted(edges, key=lambda e: (e.source, e.target, e.parameter)))
        self.tools: tuple[str, ...] = tuple(tools)
        self.report = report or DependencyReport()
        self._into: dict[str, list[Dependency]] = {}
        self._out: dict[str, list[Dependency]] = {}
        for edge in self.edges:
            self._into.setdefault(edge.target, []).append(edge)
            self._out.setdefault(edge.source, []).append(edge)

    def __len__(self) -> int:
        return len(self.edges)

    def into(self, tool: str) -> tuple[Dependency, ...]:
        """Return the edges to a tool, by its key, ordered by source and parameter."""
        return tuple(self._into.get(tool, ()))

    def out_of(self, tool: str) -> tuple[Dependency, ...]:
        """Return the edges from a tool, by its key, ordered by target and parameter."""
        return tuple(self._out.get(tool, ()))

    def pair_scores(self) -> dict[tuple[str, str], float]:
        """Return one score for each pair of source and target, over all parameters that the source can fill.

        The parameters of one call are neither independent nor the same evidence. So the score is the mean of the best
        edge's score and 1 - product(1 - score).
        """
        missing: dict[tuple[str, str], float] = {}
        best: dict[tuple[str, str], float] = {}
        for edge in self.edges:
            pair = (edge.source, edge.target)
            missing[pair] = missing.get(pair, 1.0) * (1.0 - edge.score)
            best[pair] = max(best.get(pair, 0.0), edge.score)
        return {pair: round((best[pair] + 1.0 - product) / 2, 6) for pair, product in missing.items()}

    def to_frame(self) -> pandas.DataFrame:
        """Return a table with one row per edge.

        Its columns are ``source``, ``target``, ``path``, ``parameter``, ``score`` and ``evidence`` (``kind: detail``,
        joined by ``; ``).
        """
        import pandas as pd

        return pd.DataFrame(
            {
                "source": [e.source for e in self.edges],
                "target": [e.target for e in self.edges],
                "path": [".".join(str(part) for part in e.path) for e in self.edges],
                "parameter": [e.parameter for e in self.edges],
                "score": [e.score for e in self.edges],
                "evidence": ["; ".join(f"{x.kind}: {x.detail}" for x in e.evidence) for e in self.edges],
            }
        )

    def graph(self) -> networkx.MultiDiGraph[str]:
        """Return a networkx graph of tool keys; edges are keyed by parameter, with ``score`` and ``dependency``."""
        import networkx as nx

        graph: networkx.MultiDiGraph[str] = nx.MultiDiGraph()
        graph.add_nodes_from(self.tools)
        for edge in self.edges:
            graph.add_edge(edge.source, edge.target, key=edge.parameter, score=edge.score, dependency=edge)
        return graph


class _Offer(NamedTuple):
    """A returned value in the index: the tool that returns it (an index), the field, the tool's operation."""

    tool: int
    field: ReturnedField
    operation: str


def mine_dependencies(pool: Pool, config: ClusterConfig | None = None) -> DependencyGraph:
    """Find which tool returns a value that another tool needs.

    For each parameter of each target, the best ``config.sources_per_parameter`` sources of its own service are kept,
    and the best ``config.across.sources_per_parameter`` of other services. Of sources with equal scores, those about
    the same topic as the target come first.

    Args:
        pool: The tools, by service.
        config: The factors and limits of scoring; the default settings if None.

    Returns:
        All dependencies with a score of at least ``config.edge_threshold``. In its ``report``, ``capped`` counts
        sources beyond these limits, and ``not_compared`` values beyond the most certain ``2 * sources_per_parameter +
        1``.

    Example:
        >>> from tdlab import ToolPool
        >>> graph = mine_dependencies(ToolPool.bundled())
        >>> len(graph) > len(graph.tools)
        True
        >>> min(edge.score for edge in graph.edges) >= 0.35
        True
    """
    from tdlab.clusters._cross_service import join_services

    config = config or ClusterConfig()
    services = sorted(_services(pool), key=lambda service: service.name)
    distinctness = _distinctness(services, config)
    left_out: Counter[str] = Counter()
    edges: list[Dependency] = []
    returns: dict[str, Returns] = {}
    for service in services:
        if not service.tools:
            continue
        returned = returns[service.name] = Returns(service.tools)
        edges.extend(_inside(returned, distinctness, config, left_out))
    in_service = len(edges)
    served = {(edge.target, edge.parameter) for edge in edges if edge.score >= config.served}
    joined = join_services(services, returns, served, config, left_out)
    edges.extend(joined)
    report = DependencyReport(
        threshold=config.edge_threshold,
        sources_per_parameter=config.sources_per_parameter,
        cross_sources_per_parameter=config.across.sources_per_parameter,
        capped=left_out["capped"],
        not_compared=left_out["not_compared"],
        in_service=in_service,
        cross_service=len(joined),
    )
    return DependencyGraph(edges, sorted(tool.key for service in services for tool in service.tools), report)


def _services(pool: Pool) -> Iterator[Service]:
    services: Any = pool.services
    yield from services.values() if isinstance(services, Mapping) else services


def _distinctness(services: list[Service], config: ClusterConfig) -> dict[str, float]:
    """Return how distinctive each normalised parameter name is, up to 1: the fewer services use it, the more.

    With few services there is nothing to count, and every name counts as fully distinctive.
    """
    if len(services) < max(2, config.few_services):
        return {}
    least, slope = config.matching.common_name, config.matching.rare_name
    seen: Counter[str] = Counter()
    for service in services:
        seen.update({normal_name(name)[0] for tool in service.tools for name in tool.parameters})
    top = math.log(len(services))
    return {
        name: round(least + (1.0 - least) * min(1.0, slope * math.log(len(services) / count) / top), 4)
        for name, count in seen.items()
    }


class _Match(NamedTuple):
    """A value that could fill a parameter, with its score before mentions count."""

    score: float
    slot: Slot
    field: ReturnedField
    how: str


class _Similarity:
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


def _inside(
    returned: Returns, distinctness: Mapping[str, float], config: ClusterConfig, left_out: Counter[str]
) -> list[Dependency]:
    """Return the edges inside one service."""
    threshold, cap, matching = config.edge_threshold, config.sources_per_parameter, config.matching
    tools = returned.tools
    keys = [tool.key for tool in tools]
    index = _index(returned)
    operations = [returned.nature(tool).operation for tool in tools]
    focuses = {
        returned.focus(tool)
        for tool, operation in zip(tools, operations, strict=True)
        if operation in ("list", "read", "create")
    }
    shared = Counter(
        slot.name
        for tool, operation in zip(tools, operations, strict=True)
        if operation not in ("create", "update")
        for slot in returned.slots(tool)
        if not slot.inside and slot.required
    )
    ranked: dict[tuple[tuple[str, str], str], list[tuple[float, _Offer]]] = {}
    mentions = mentions_in(tools, config.mentions)
    alike = _Similarity(tools, config.topics)
    edges: list[Dependency] = []
    for j, tool in enumerate(tools):
        mentioned = mentions.get(j, {})
        matches: dict[str, dict[int, _Match]] = {}
        verb, focus = returned.nature(tool).verb, returned.focus(tool)
        handles = sum(s.required and not s.inside and s.kind in _HANDLES for s in returned.slots(tool))
        for slot in returned.slots(tool):
            weight = _slot_weight(slot, distinctness, focuses, shared, config)
            weight *= matching.made_up if _is_made_up(slot, operations[j], focus, verb, handles) else 1.0
            if weight <= 0.0 or (weight < threshold and not mentioned):
                continue
            options = matches.setdefault(slot.parameter, {})
            for key, quality, how in _wanted(slot, matching):
                for strength, offer in _top(index, ranked, key, operations[j], 2 * cap + 1, j, alike, left_out):
                    if offer.tool == j:
                        continue
                    score = strength * quality * weight * _compatible(offer.field.schema, slot.schema, matching)
                    if offer.tool not in options or score > options[offer.tool].score:
                        options[offer.tool] = _Match(score, slot, offer.field, how)
        mention_of = {source: m.parameter or _best_parameter(matches, source) for source, m in mentioned.items()}
        for parameter, options in matches.items():
            scored = []
            for source, match in options.items():
                score = match.score
                if mention_of.get(source) == parameter:
                    score = 1.0 - (1.0 - score) * (1.0 - mentioned[source].weight)
                if score >= threshold:
                    scored.append((-score, source))
            kept = scored
            if len(scored) > cap:
                kept = sorted(scored, key=lambda s: (s[0], -alike(s[1], j), keys[s[1]]))[:cap]
                left_out["capped"] += len(scored) - cap
            for negative, source in kept:
                match = options[source]
                evidence = _evidence(tools[source], tool, operations[source], operations[j], match)
                if mention_of.get(source) == parameter:
                    evidence = (*evidence, _mention_evidence(mentioned[source]))
                edges.append(
                    Dependency(
                        source=keys[source],
                        target=keys[j],
                        path=match.field.path,
                        parameter=parameter,
                        score=round(min(-negative, 1.0), 4),
                        evidence=evidence,
                    )
                )
        for source, mention in mentioned.items():
            if source not in matches.get(mention_of[source], {}) and mention.weight >= threshold:
                edges.append(
                    Dependency(
                        source=keys[source],
                        target=keys[j],
                        score=round(mention.weight, 4),
                        evidence=(_mention_evidence(mention),),
                    )
                )
    return edges


def _mention_evidence(mention: Mention) -> Evidence:
    return Evidence(kind="mention", detail=mention.detail, weight=mention.weight)


def _best_parameter(matches: Mapping[str, Mapping[int, _Match]], source: int) -> str:
    """Return the parameter that a source fills best; empty if it fills none."""
    scores = [(options[source].score, parameter) for parameter, options in matches.items() if source in options]
    return max(scores)[1] if scores else ""


def _index(returned: Returns) -> dict[tuple[str, str], list[_Offer]]:
    """Return the most certain value of each tool under each key by which parameters look for values."""
    index: dict[tuple[str, str], list[_Offer]] = {}
    for i, tool in enumerate(returned.tools):
        operation = returned.nature(tool).operation
        best: dict[tuple[str, str], _Offer] = {}
        for field in returned.fields(tool):  # the most certain first
            offer = _Offer(i, field, operation)
            for key in _keys(field):
                best.setdefault(key, offer)
            if field.entity and len(field.path) > 1 and field.path[-2] == 0:
                whole = field._replace(path=field.path[:-1], name=field.entity, schema={"type": "object"})
                best.setdefault(("record", field.entity), _Offer(i, whole, operation))
        for key, offer in best.items():
            index.setdefault(key, []).append(offer)
    return index


def _keys(field: ReturnedField) -> Iterator[tuple[str, str]]:
    """Yield the index keys of a returned value: by name, and by entity if it identifies one."""
    if (
        outcome_of_field(field.name) is not None
    ):  # ``error`` and ``successful`` say how the call went; no tool needs them
        return
    name, words = normal_name(field.name)
    kind = parameter_kind(field.name, field.schema)
    if kind == "id" and len(words) == 1 and field.entity:
        name = f"{field.entity}_id"
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


def _wanted(slot: Slot, weights: MatchWeights) -> Iterator[tuple[tuple[str, str], float, str]]:
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


def _slot_weight(
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


_HANDLES = ("id", "ref", "world", "label")
_STANDALONE = frozenset("create make new generate init initialize write save export build compose render draft".split())
"""Verbs of tools that make a thing with a name or a path of its own, unlike ``add_paragraph(filename)``."""


def _is_made_up(slot: Slot, operation: str, focus: str, verb: str, handles: int) -> bool:
    """Return whether the caller makes the value up: the title of a new or changed entity comes from no other tool.

    Nor does the path of a new file, if it is the only handle (of ``handles``) that the tool asks for.
    """
    if slot.inside:
        return False
    if slot.kind == "label" and slot.entity in ("", focus):
        return operation in ("create", "update")
    return operation == "create" and verb in _STANDALONE and handles == 1 and slot.world == "file_path"


def _top(
    index: Mapping[tuple[str, str], list[_Offer]],
    ranked: dict[tuple[tuple[str, str], str], list[tuple[float, _Offer]]],
    key: tuple[str, str],
    operation: str,
    count: int,
    target: int,
    alike: _Similarity,
    left_out: Counter[str],
) -> list[tuple[float, _Offer]]:
    """Return the ``count`` strongest offers under a key for a target with an operation, ranked once for all targets.

    Equal offers are ordered by their similarity to the target: dozens of tools of a market-data feed return a symbol,
    and the alphabet is no reason to choose among them.
    """
    if key not in index:
        return []
    ranking = (key, operation)
    if ranking not in ranked:
        offers = index[key]
        scored = [(offer.field.certainty * _FLOW[offer.operation][operation], offer) for offer in offers]
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


def _compatible(returned: dict[str, Any], needed: dict[str, Any], weights: MatchWeights) -> float:
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


@lru_cache(maxsize=100_000)
def _shared_evidence(kind: str, detail: str, weight: float) -> Evidence:
    return Evidence(kind=kind, detail=detail, weight=weight)


def _evidence(source: Tool, target: Tool, before: str, after: str, match: _Match) -> tuple[Evidence, ...]:
    # the weights of evidence are for display only and do not enter any score, so they are fixed
    field, slot = match.field, match.slot
    declared = "declares" if field.certainty >= 0.95 and source.output_schema else "is inferred to return"
    what = f"{slot.parameter}.{slot.inside}" if slot.inside else slot.parameter
    return (
        _shared_evidence("returns", f"{source.name} {declared} {field.name}", round(field.certainty, 4)),
        _shared_evidence("match", f"{match.how}: {field.name} for {what}", 1.0 if match.how == "same name" else 0.85),
        _shared_evidence("order", f"{after} after {before}", _FLOW[before][after]),
    )
