"""Dependencies across services: over shared real-world entities, between services with related topics.

The neighbours of a service are the services that share its rare words, except forks of the same server. If no neighbour
returns a needed value, the next services of the same domain that return it are considered. So the work grows with the
number of words and values, not with the square of the number of services.
"""

from __future__ import annotations

import bisect
import heapq
import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence, Set
from typing import NamedTuple

from tdlab.clusters._contexts import is_echo, known_to_caller
from tdlab.clusters._topics import content_words
from tdlab.config import AcrossConfig, ClusterConfig
from tdlab.records import Dependency, Evidence, Service, Tool, heaviest
from tdlab.tools import ReturnedField, Returns, Slot, nature_of_name, shared_concept, singular, split_words, types_of

__all__ = ["join_services"]

# Fixed by definition: words and operations, not numbers.
_OF_ONE_PLATFORM = frozenset({"contract", "package", "repository", "transaction"})
"""Concepts that belong to one platform: a repository on one forge does not exist on another."""
_NO_PLATFORM = frozenset("blockchain block chain code crypto evm git manager onchain script smart token web".split())
"""Words that many platforms share and that do not name one."""
_NUMBERS = (("count",), ("counts",), ("balance",), ("total",), ("exists",))
"""Last words of tools that return a number or a yes."""
_SOURCE_OPERATIONS = ("list", "read", "create", "update", "act")


class _Source(NamedTuple):
    """A tool that returns the value of a concept, and how surely."""

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
    """Return edges between tools of different services, with a limited number of sources for each parameter.

    Pairs of target and parameter in ``served`` get no edge. A value that only describes something (a city, an e-mail
    address) joins only services that are close or of one domain. A value that belongs to a platform joins only services
    of which one mentions the other by name.
    """
    across, optional = config.across, config.matching.optional
    services = [service for service in services if service.tools]
    sources_of: dict[str, dict[int, list[_Source]]] = {}
    for s, service in enumerate(services):
        for concept, sources in _sources(returns[service.name], across).items():
            sources_of.setdefault(concept, {})[s] = sources
    if len(services) < 2 or not sources_of:
        return []
    near = _neighbours(services, across)
    names, mentioned = _platforms(services)
    domain = [heaviest(s.domains) for s in services]
    order = sorted(range(len(services)), key=lambda s: (domain[s], services[s].name))
    position = {s: p for p, s in enumerate(order)}
    rings = {concept: sorted(owners, key=lambda s: position[s]) for concept, owners in sources_of.items()}
    positions = {concept: [position[s] for s in ring] for concept, ring in rings.items()}
    edges: list[Dependency] = []
    for s, service in enumerate(services):
        returned = returns[service.name]
        for tool in service.tools:
            best: dict[tuple[str, str], tuple[float, Slot, _Source, float]] = {}
            for slot in returned.slots(tool):
                concept, weight = shared_concept(slot.inside or slot.parameter)
                need = 1.0 if slot.required else optional
                if not concept or weight * need < config.edge_threshold or slot.kind == "control":
                    continue
                if types_of(slot.schema) & {"boolean"} or concept not in sources_of:
                    continue
                if (tool.key, slot.parameter) in served:
                    continue
                for other, affinity in _candidates(
                    s,
                    near[s],
                    sources_of[concept],
                    rings[concept],
                    positions[concept],
                    position[s],
                    domain,
                    len(service.tools),
                    across,
                ):
                    if concept in _OF_ONE_PLATFORM and not (names[s] & mentioned[other] or names[other] & mentioned[s]):
                        continue
                    nearest = across.close / 2 if domain[other] == domain[s] else across.close
                    if weight < across.telling and affinity < nearest:
                        continue
                    least = across.trust_telling if weight >= across.telling else across.trust_other
                    trust = least + (1.0 - least) * min(1.0, affinity / across.close)
                    for source in sources_of[concept][other]:
                        score = source.strength * weight * need * trust
                        key = (slot.parameter, source.tool.key)
                        if score >= config.edge_threshold and (key not in best or score > best[key][0]):
                            best[key] = (score, slot, source, affinity)
            edges.extend(_best_edges(tool, best, across.sources_per_parameter, left_out))
    owner = {tool.key: service.name for service in services for tool in service.tools}
    return _limited(edges, owner, across.into_one_service, left_out)


def _limited(edges: list[Dependency], owner: Mapping[str, str], most: int, left_out: Counter[str]) -> list[Dependency]:
    """Keep the best ``most`` edges from one tool into one other service; further ones add nothing new."""
    count: Counter[tuple[str, str]] = Counter()
    kept = []
    for edge in sorted(edges, key=lambda e: (-e.score, e.target, e.parameter, e.source)):
        pair = (edge.source, owner[edge.target])
        count[pair] += 1
        if count[pair] <= most:
            kept.append(edge)
    left_out["capped"] += len(edges) - len(kept)
    return kept


def _best_edges(
    tool: Tool, best: Mapping[tuple[str, str], tuple[float, Slot, _Source, float]], cap: int, left_out: Counter[str]
) -> list[Dependency]:
    """Return the edges to a tool from the ``cap`` best sources of each parameter."""
    by_parameter: dict[str, list[tuple[float, Slot, _Source, float]]] = {}
    for (parameter, _), option in best.items():
        by_parameter.setdefault(parameter, []).append(option)
    edges = []
    for parameter, options in by_parameter.items():
        kept = heapq.nsmallest(cap, options, key=lambda o: (-o[0], o[2].tool.key))
        left_out["capped"] += len(options) - len(kept)
        for score, slot, source, affinity in kept:
            concept = shared_concept(slot.inside or slot.parameter)
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
            edges.append(
                Dependency(
                    source=source.tool.key,
                    target=tool.key,
                    path=source.field.path,
                    parameter=parameter,
                    score=round(score, 4),
                    evidence=evidence,
                )
            )
    return edges


def _sources(returned: Returns, config: AcrossConfig) -> dict[str, list[_Source]]:
    """Return the tools of a service that find out each real-world concept, the strongest first.

    A value that a tool only repeats from its arguments does not count: the caller knows it already.
    """
    by_concept: dict[str, dict[str, _Source]] = {}
    for i, tool in enumerate(returned.tools):
        operation, focus = returned.nature(tool).operation, returned.focus(tool)
        if operation not in _SOURCE_OPERATIONS or split_words(tool.name)[-1:] in _NUMBERS:
            continue
        known = known_to_caller(returned, i, {})
        for field in returned.fields(tool):
            concept = shared_concept(field.name)[0]
            if concept and field.name not in tool.parameters and not is_echo(field, known, operation, focus):
                strength = field.certainty * (1.0 if operation in ("list", "read") else config.changed)
                sources = by_concept.setdefault(concept, {})
                if tool.key not in sources or sources[tool.key].strength < strength:
                    sources[tool.key] = _Source(strength, tool, field)
    return {
        concept: heapq.nsmallest(config.sources, sources.values(), key=lambda x: (-x.strength, x.tool.key))
        for concept, sources in by_concept.items()
    }


def _platforms(services: Sequence[Service]) -> tuple[list[set[str]], list[set[str]]]:
    """Return the words of each service's name, and all words of its name and description.

    The owner in a name (``@owner/name``) does not name a platform, nor does a concept (``repository-tools``).
    """
    names, mentioned = [], []
    for service in services:
        own = set(content_words(" ".join(name.rsplit("/", 1)[-1] for name in (service.name, service.title))))
        names.append({word for word in own if not shared_concept(word)[0] and word not in _NO_PLATFORM})
        mentioned.append(own | set(content_words(service.description)))
    return names, mentioned


def _candidates(
    s: int,
    near: Mapping[int, float],
    owners: Mapping[int, list[_Source]],
    ring: Sequence[int],
    positions: Sequence[int],
    own_position: int,
    domain: Sequence[str],
    size: int,
    config: AcrossConfig,
) -> list[tuple[int, float]]:
    """Return the services considered for a value: the nearest neighbours with it, else the next of the same domain."""
    chosen = [
        (other, max(affinity, config.same_domain) if domain[other] == domain[s] != "" else affinity)
        for other, affinity in near.items()
        if other in owners and affinity > 0.0
    ][: config.asked]
    if chosen or not domain[s] or size > config.small_service:
        return chosen
    start = bisect.bisect_left(positions, own_position)
    for step in range(min(len(ring), 2 * config.asked + 2)):
        other = ring[(start + step) % len(ring)]
        if other != s and near.get(other, 0.0) >= 0.0 and domain[other] == domain[s] and len(chosen) < config.asked:
            chosen.append((other, config.same_domain))
    return chosen


def _neighbours(services: Sequence[Service], config: AcrossConfig) -> list[dict[int, float]]:
    """Return the neighbours of each service with an affinity in (0, 1], the nearest first; forks get -1."""
    words: list[set[str]] = []
    for service in services:
        text = " ".join([service.name, service.title, service.description, *(tool.name for tool in service.tools[:60])])
        verbs = {nature_of_name(tool.name).verb for tool in service.tools}
        words.append({singular(word) for word in split_words(text) if len(word) > 3 and word not in verbs})
    users: dict[str, list[int]] = {}
    for s, own in enumerate(words):
        for word in own:
            users.setdefault(word, []).append(s)
    rarity = {w: math.log(1 + len(services) / len(u)) for w, u in users.items() if 2 <= len(u) <= config.word_services}
    tool_names = [{tool.name.lower() for tool in service.tools} for service in services]
    neighbours: list[dict[int, float]] = []
    for s, own in enumerate(words):
        sums: defaultdict[int, float] = defaultdict(float)
        total = 0.0
        for word in sorted(own):
            if word in rarity:
                total += rarity[word]
                for other in users[word]:
                    if other != s:
                        sums[other] += rarity[word]
        nearest = heapq.nsmallest(3 * config.neighbours, sums.items(), key=lambda x: (-x[1], x[0]))
        near: dict[int, float] = {}
        forks: dict[int, float] = {}
        for other, shared in nearest:
            if len(tool_names[s] & tool_names[other]) > config.fork * min(len(tool_names[s]), len(tool_names[other])):
                forks[other] = -1.0
            elif len(near) < config.neighbours:
                near[other] = round(min(1.0, shared / total), 4)
        neighbours.append({**near, **forks})
    return neighbours
