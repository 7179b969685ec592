"""Companions: ties between tools that serve one task although no value flows between them.

Sixteen unit converters need nothing from each other, and still belong together; a server whose only tool returns the
weather belongs with other weather servers. If dependencies join fewer tools than a cluster needs, the group is tied to
the most similar tools of its service. If the service itself is too small, the group is tied to tools of other services
about the same topic, of the same main domain or with a high affinity. A tie has no path and no parameter, and a low
score, so that it is never taken for a dependency. Tools with nothing in common are not tied.
"""

from __future__ import annotations

import bisect
import heapq
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from tdlab.clusters._topics import common_words, name_families, service_words, similarity
from tdlab.config import ClusterConfig, CompanionConfig
from tdlab.records import Dependency, Evidence, Service, Tool, heaviest
from tdlab.tools import split_words

__all__ = ["companions"]

# Fixed, a bound on work: a word that more tools of one service use does not make them neighbours.
_MAX_TOOLS_OF_A_WORD = 200


class _Groups:
    """Union-find over tool keys, with the size of each group."""

    def __init__(self) -> None:
        self._parent: dict[str, str] = {}
        self._size: dict[str, int] = {}

    def find(self, key: str) -> str:
        """Return the representative of a key's group."""
        parent = self._parent
        while parent.get(key, key) != key:
            parent[key] = parent.get(parent[key], parent[key])
            key = parent[key]
        return key

    def join(self, one: str, other: str) -> None:
        """Merge the groups of two keys."""
        a, b = self.find(one), self.find(other)
        if a != b:
            small, large = sorted((a, b), key=lambda root: (self.size(root), root))
            self._size[large] = self.size(large) + self.size(small)
            self._parent[small] = large

    def size(self, key: str) -> int:
        """Return the size of a key's group."""
        return self._size.get(self.find(key), 1)


def companions(
    services: Sequence[Service],
    edges: Iterable[Dependency],
    config: ClusterConfig,
    topics: Mapping[str, Mapping[str, float]],
) -> list[Dependency]:
    """Return ties for the tools in groups of fewer than ``min_tools`` joined by ``edges``, by service and tool.

    ``services`` are sorted by name; ``topics`` has the weighted words of each tool by key (`tool_topics`).
    """
    least = config.min_tools
    groups = _Groups()
    for edge in edges:
        if edge.kind in ("new", "order"):  # neither an echo nor a context parameter makes two tools one affair
            groups.join(edge.source, edge.target)
    ties: list[Dependency] = []
    for service in services:
        if len(service.tools) > 1:
            ties.extend(_inside_service(service, topics, groups, least, config.max_tools, config.companions))
            if len(service.tools) <= config.max_tools:
                ties.extend(_whole_service(service, topics, groups, config.companions))
    # a lone tool of a large service is left alone: other services have less to do with it than its own
    small = [
        i
        for i, service in enumerate(services)
        if len(service.tools) <= 2 * config.max_tools and any(groups.size(tool.key) < least for tool in service.tools)
    ]
    ties.extend(_across_services(services, small, topics, groups, config))
    return ties


def _inside_service(
    service: Service,
    topics: Mapping[str, Mapping[str, float]],
    groups: _Groups,
    least: int,
    most: int,
    config: CompanionConfig,
) -> list[Dependency]:
    """Tie each tool of a group that is too small to the most similar tools, until the group is large enough."""
    keys = [tool.key for tool in service.tools]
    ungrouped = [i for i, key in enumerate(keys) if groups.size(key) < least]
    if not ungrouped:
        return []
    users: dict[str, list[int]] = {}
    for i, key in enumerate(keys):
        for word in topics[key]:
            users.setdefault(word, []).append(i)
    # in a large service two tools that share a verb or a flag are no companions; in a small one little is enough
    least_alike = config.alike_inside if len(keys) > most else 0.0
    families = name_families(service.tools)
    nearest: dict[int, list[tuple[int, float]]] = {}
    for i in ungrouped:
        own = topics[keys[i]]
        shared: defaultdict[int, float] = defaultdict(float)
        for word, weight in own.items():
            group = users[word]
            if len(group) <= _MAX_TOOLS_OF_A_WORD:
                for other in group:
                    shared[other] += min(weight, topics[keys[other]][word])
        shared.pop(i, None)
        best = heapq.nsmallest(4 * config.ties, shared.items(), key=lambda x: (-x[1], abs(x[0] - i), x[0]))
        measured = [(other, similarity(own, topics[keys[other]])) for other, _ in best]
        nearest[i] = [
            (other, alike)
            for other, alike in measured
            if alike >= least_alike and not _of_two_families(families[i], families[other])
        ]
    ties: list[Dependency] = []
    tied: set[tuple[int, int]] = set()

    def tie(other: int, i: int, close: float) -> None:
        if (other, i) not in tied and (i, other) not in tied:
            tied.add((other, i))
            words = common_words(topics[keys[i]], topics[keys[other]])
            ties.append(_tie(keys[other], keys[i], close, f"both have to do with {', '.join(words)}", config))
        groups.join(keys[i], keys[other])

    before = {i: groups.find(keys[i]) for i in range(len(keys))}
    for i in ungrouped:
        for other, close in [o for o in nearest[i] if before[o[0]] != before[i]][: config.ties]:
            tie(other, i, close)
    enough = min(least, len(keys))
    for i in ungrouped:
        while groups.size(keys[i]) < enough:
            outside = [o for o in nearest[i] if groups.find(keys[o[0]]) != groups.find(keys[i])]
            if not outside:
                break
            other, close = outside[0]
            tie(other, i, close)
    return ties


def _whole_service(
    service: Service, topics: Mapping[str, Mapping[str, float]], groups: _Groups, config: CompanionConfig
) -> list[Dependency]:
    """Tie the groups of a service that fits into one cluster, each by the two tools that are most alike."""
    keys, families = [tool.key for tool in service.tools], name_families(service.tools)
    pairs = sorted(
        (-similarity(topics[one], topics[other]), one, other)
        for i, one in enumerate(keys)
        for j, other in enumerate(keys[i + 1 :], start=i + 1)
        if groups.find(one) != groups.find(other) and not _of_two_families(families[i], families[j])
    )
    ties = []
    for negative, one, other in pairs:
        if -negative >= config.alike and groups.find(one) != groups.find(other):
            groups.join(one, other)
            words = common_words(topics[one], topics[other])
            ties.append(_tie(one, other, -negative, f"both have to do with {', '.join(words)}", config))
    return ties


def _across_services(
    services: Sequence[Service],
    small: Sequence[int],
    topics: Mapping[str, Mapping[str, float]],
    groups: _Groups,
    config: ClusterConfig,
) -> list[Dependency]:
    """Tie the services in ``small`` to tools of related services, but never a tool to a copy of itself."""
    if not small or len(services) < 2:
        return []
    least, most, own = config.min_tools, config.across.word_services, config.companions
    words, plain, named = service_words(services, config.topics)
    totals = [sum(spoken.values()) or 1.0 for spoken in words]
    domain = [heaviest(s.domains) for s in services]
    distinctive = 0.0
    if len(services) >= config.few_services:
        distinctive = math.log(1 + len(services) / max(own.widely_used * len(services), own.few_services))
    users: dict[str, list[int]] = {}
    users_in_domain: dict[tuple[str, str], list[int]] = {}
    for s, spoken in enumerate(plain):
        for word in spoken:
            users.setdefault(word, []).append(s)
            users_in_domain.setdefault((domain[s], word), []).append(s)
    ties: list[Dependency] = []
    for s in small:
        near: set[int] = set()
        for word in plain[s]:
            sharing = users[word]
            if len(sharing) > most:
                group = users_in_domain[domain[s], word]
                sharing = _window(group, bisect.bisect_left(group, s), most)
            near.update(sharing)
        near.discard(s)
        names = {tool.name.lower(): tool for tool in services[s].tools}
        close: list[tuple[float, int]] = []
        for other in near:
            same = domain[other] == domain[s] != ""
            if not any(
                word in plain[other] and max(named[s].get(word, 0.0), named[other].get(word, 0.0)) >= distinctive
                for word in plain[s]
            ):
                continue
            weight = sum(min(w, words[other][word]) for word, w in words[s].items() if word in words[other])
            affinity = weight / (totals[s] * totals[other]) ** 0.5
            if affinity < (own.some_topic if same else own.same_topic):
                continue
            others = {tool.name.lower(): tool for tool in services[other].tools}
            shared = names.keys() & others
            if len(shared) * 2 > min(len(names), len(others)) and (
                affinity >= own.fork or any(_one_description(names[name], others[name], own) for name in shared)
            ):
                continue
            close.append((-affinity * (own.domain_bonus if same else 1.0), other))
        # where a service has enough tools for a cluster, the two tools themselves have to be alike
        least_alike = own.alike if len(services[s].tools) < least else max(own.alike, own.alike_inside)
        for negative, other in heapq.nsmallest(own.services, close):
            about = common_words(plain[s], plain[other])
            for tool in services[s].tools:
                if groups.size(tool.key) >= least:
                    continue
                alike, best = max(
                    (
                        (similarity(topics[tool.key], topics[t.key]), t.key)
                        for t in services[other].tools[:60]
                        if t.name.lower() != tool.name.lower() or not _one_description(tool, t, own)
                    ),
                    default=(0.0, ""),
                )
                if alike >= least_alike:
                    detail = f"both services have to do with {', '.join(about)}"
                    ties.append(_tie(best, tool.key, min(1.0, (alike - negative) / 2), detail, own))
    return ties


def _of_two_families(one: str, other: str) -> bool:
    return bool(one and other) and one != other


def _one_description(one: Tool, other: Tool, config: CompanionConfig) -> bool:
    """Return whether two tools have almost the same description; an empty description is never the same."""
    mine, theirs = set(split_words(one.description)), set(split_words(other.description))
    return bool(mine & theirs) and len(mine & theirs) >= config.same_words * len(mine | theirs)


def _window(group: Sequence[int], start: int, most: int) -> list[int]:
    """Return the members of a large group from a position on, wrapping around at the end."""
    count = min(most, len(group))
    return [group[(start + step) % len(group)] for step in range(count)]


def _tie(source: str, target: str, close: float, detail: str, config: CompanionConfig) -> Dependency:
    score = round(config.least_score + (config.most_score - config.least_score) * close, 4)
    return Dependency(
        source=source,
        target=target,
        kind="companion",
        score=score,
        evidence=(Evidence(kind="companion", detail=detail, weight=score),),
    )
