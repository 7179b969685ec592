"""Dependencies across services: over shared real-world entities, among services that have to do with each other.

Neighbours of a service are those that share its rare words, forks of the same server left
out; where too few of them return the value that is needed, the next services of the same domain that do are asked. So
the work grows with the words and the values, not with the square of the pool.
"""

from __future__ import annotations

import bisect
import heapq
import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence, Set
from typing import NamedTuple

from tdlab.clusters._topics import content_words
from tdlab.config import AcrossConfig, ClusterConfig
from tdlab.records import Dependency, Evidence, Service, Tool, heaviest
from tdlab.tools import ReturnedField, Returns, Slot, nature_of_name, singular, split_words, types_of, world_name

__all__ = ["join_services"]

# Fixed by definition: words and operations, not numbers.
_OF_ONE_PLATFORM = frozenset({"contract", "package", "repository", "transaction"})
"""Concepts that mean something on one platform only: a repository of one forge is none of another's."""
_NO_PLATFORM = frozenset("blockchain block chain code crypto evm git manager onchain script smart token web".split())
"""Words of a trade that many platforms share."""
_NUMBERS = (("count",), ("counts",), ("balance",), ("total",), ("exists",))
"""Last words of tools that answer with a number or a yes."""
_SOURCE_OPERATIONS = ("list", "read", "create", "update", "act")


class _Source(NamedTuple):
    strength: float
    tool: Tool
    field: ReturnedField


def join_services(
    services: Sequence[Service],
    returns: Mapping[str, Returns],
    served: Set[tuple[str, str]],
    config: ClusterConfig,
    left_out: Counter[str],
) -> list[Dependency]:
    """Edges between tools of different services, so many sources at most for each (target, parameter).

    What is ``served`` needs none. A value that only describes (a city, an e-mail) joins only services that are close or
    of one domain; one that belongs to a platform only services of which one speaks of the other by name.
    """
    across, optional = config.across, config.matching.optional
    services = [service for service in services if service.tools]
    giving: dict[str, dict[int, list[_Source]]] = {}
    for s, service in enumerate(services):
        for concept, sources in _given(returns[service.name], across).items():
            giving.setdefault(concept, {})[s] = sources
    if len(services) < 2 or not giving:
        return []
    near = _neighbours(services, across)
    named, told = _platforms(services)
    domain = [heaviest(s.domains) for s in services]
    order = sorted(range(len(services)), key=lambda s: (domain[s], services[s].name))
    place = {s: p for p, s in enumerate(order)}
    rings = {c: sorted(givers, key=lambda s: place[s]) for c, givers in giving.items()}
    positions = {c: [place[s] for s in ring] for c, ring in rings.items()}
    found: list[Dependency] = []
    for s, service in enumerate(services):
        known = returns[service.name]
        for tool in service.tools:
            best: dict[tuple[str, str], tuple[float, Slot, _Source, float]] = {}
            for slot in known.slots(tool):
                concept, weight = world_name(slot.inside or slot.parameter)
                need = 1.0 if slot.required else optional
                if not concept or weight * need < config.edge_threshold or slot.kind == "control":
                    continue
                if types_of(slot.schema) & {"boolean"} or concept not in giving or (tool.key, slot.parameter) in served:
                    continue
                for other, affinity in _asked(
                    s,
                    near[s],
                    giving[concept],
                    rings[concept],
                    positions[concept],
                    place[s],
                    domain,
                    len(service.tools),
                    across,
                ):
                    if concept in _OF_ONE_PLATFORM and not (named[s] & told[other] or named[other] & told[s]):
                        continue
                    nearest = across.close / 2 if domain[other] == domain[s] else across.close
                    if weight < across.telling and affinity < nearest:
                        continue
                    least = across.trust_telling if weight >= across.telling else across.trust_other
                    trust = least + (1.0 - least) * min(1.0, affinity / across.close)
                    for source in giving[concept][other]:
                        score = source.strength * weight * need * trust
                        key = (slot.parameter, source.tool.key)
                        if score >= config.edge_threshold and (key not in best or score > best[key][0]):
                            best[key] = (score, slot, source, affinity)
            found.extend(_kept(tool, best, across.sources_per_parameter, left_out))
    owner = {tool.key: service.name for service in services for tool in service.tools}
    return _thinned(found, owner, across.into_one_service, left_out)


def _thinned(edges: list[Dependency], owner: Mapping[str, str], most: int, left_out: Counter[str]) -> list[Dependency]:
    """At most so many edges of one source tool into one other service, the best: more of them say nothing new."""
    count: Counter[tuple[str, str]] = Counter()
    kept = []
    for edge in sorted(edges, key=lambda e: (-e.score, e.target, e.parameter, e.source)):
        way = (edge.source, owner[edge.target])
        count[way] += 1
        if count[way] <= most:
            kept.append(edge)
    left_out["capped"] += len(edges) - len(kept)
    return kept


def _kept(
    tool: Tool, best: Mapping[tuple[str, str], tuple[float, Slot, _Source, float]], cap: int, left_out: Counter[str]
) -> list[Dependency]:
    by_parameter: dict[str, list[tuple[float, Slot, _Source, float]]] = {}
    for (parameter, _), option in best.items():
        by_parameter.setdefault(parameter, []).append(option)
    found = []
    for parameter, options in by_parameter.items():
        kept = heapq.nsmallest(cap, options, key=lambda o: (-o[0], o[2].tool.key))
        left_out["capped"] += len(options) - len(kept)
        for score, slot, source, affinity in kept:
            concept = world_name(slot.inside or slot.parameter)
            evidence = (
                Evidence(
                    kind="shared-entity", detail=f"{concept[0]}: {source.field.name} for {parameter}", weight=concept[1]
                ),
                Evidence(
                    kind="returns",
                    detail=f"{source.tool.name} returns {source.field.name}",
                    weight=round(source.field.certainty, 4),
                ),
                Evidence(
                    kind="affinity",
                    detail="the services share rare words or their domain",
                    weight=round(affinity, 4),
                ),
            )
            found.append(
                Dependency(
                    source=source.tool.key,
                    target=tool.key,
                    path=source.field.path,
                    parameter=parameter,
                    score=round(score, 4),
                    evidence=evidence,
                )
            )
    return found


def _given(known: Returns, config: AcrossConfig) -> dict[str, list[_Source]]:
    """For each real-world concept the tools of a service that find it out, strongest first.

    What a tool was told and repeats is not counted: whoever told it can tell the other service as well.
    """
    found: dict[str, dict[str, _Source]] = {}
    for tool in known.tools:
        operation = known.nature(tool).operation
        if operation not in _SOURCE_OPERATIONS or split_words(tool.name)[-1:] in _NUMBERS:
            continue
        for field in known.fields(tool):
            concept = world_name(field.name)[0]
            if concept and field.name not in tool.parameters:
                strength = field.certainty * (1.0 if operation in ("list", "read") else config.changed)
                sources = found.setdefault(concept, {})
                if tool.key not in sources or sources[tool.key].strength < strength:
                    sources[tool.key] = _Source(strength, tool, field)
    return {
        concept: heapq.nsmallest(config.sources, sources.values(), key=lambda x: (-x.strength, x.tool.key))
        for concept, sources in found.items()
    }


def _platforms(services: Sequence[Service]) -> tuple[list[set[str]], list[set[str]]]:
    """For each service the words that it is called by, and all that it is described with.

    The owner in a name (``@owner/name``) is no platform, nor is the name of a concept (``repository-tools``).
    """
    named, told = [], []
    for service in services:
        own = set(content_words(" ".join(name.rsplit("/", 1)[-1] for name in (service.name, service.title))))
        named.append({word for word in own if not world_name(word)[0] and word not in _NO_PLATFORM})
        told.append(own | set(content_words(service.description)))
    return named, told


def _asked(
    s: int,
    near: Mapping[int, float],
    givers: Mapping[int, list[_Source]],
    ring: Sequence[int],
    positions: Sequence[int],
    at: int,
    domain: Sequence[str],
    size: int,
    config: AcrossConfig,
) -> list[tuple[int, float]]:
    """The services asked for a value: the nearest neighbours that give it, else the next of the same domain."""
    chosen = [
        (other, max(affinity, config.same_domain) if domain[other] == domain[s] != "" else affinity)
        for other, affinity in near.items()
        if other in givers and affinity > 0.0
    ][: config.asked]
    if chosen or not domain[s] or size > config.small_service:
        return chosen
    start = bisect.bisect_left(positions, at)
    for step in range(min(len(ring), 2 * config.asked + 2)):
        other = ring[(start + step) % len(ring)]
        if other != s and near.get(other, 0.0) >= 0.0 and domain[other] == domain[s] and len(chosen) < config.asked:
            chosen.append((other, config.same_domain))
    return chosen


def _neighbours(services: Sequence[Service], config: AcrossConfig) -> list[dict[int, float]]:
    """For each service its nearest others with an affinity in (0, 1], nearest first; forks carry -1."""
    words: list[set[str]] = []
    for service in services:
        text = " ".join([service.name, service.title, service.description, *(tool.name for tool in service.tools[:60])])
        verbs = {nature_of_name(tool.name).verb for tool in service.tools}
        words.append({singular(word) for word in split_words(text) if len(word) > 3 and word not in verbs})
    having: dict[str, list[int]] = {}
    for s, own in enumerate(words):
        for word in own:
            having.setdefault(word, []).append(s)
    rare = {w: math.log(1 + len(services) / len(h)) for w, h in having.items() if 2 <= len(h) <= config.word_services}
    names = [{tool.name.lower() for tool in service.tools} for service in services]
    found: list[dict[int, float]] = []
    for s, own in enumerate(words):
        sums: defaultdict[int, float] = defaultdict(float)
        total = 0.0
        for word in sorted(own):
            if word in rare:
                total += rare[word]
                for other in having[word]:
                    if other != s:
                        sums[other] += rare[word]
        nearest = heapq.nsmallest(3 * config.neighbours, sums.items(), key=lambda x: (-x[1], x[0]))
        near: dict[int, float] = {}
        forks: dict[int, float] = {}
        for other, shared in nearest:
            if len(names[s] & names[other]) > config.fork * min(len(names[s]), len(names[other])):
                forks[other] = -1.0
            elif len(near) < config.neighbours:
                near[other] = round(min(1.0, shared / total), 4)
        found.append({**near, **forks})
    return found
