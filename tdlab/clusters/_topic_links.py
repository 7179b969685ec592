"""Companions: which tools serve one task though no value flows between them.

Sixteen unit converters feed nothing to each other, and still belong together; a server whose one tool tells the weather
belongs with others that tell it. Where dependencies join fewer tools than a cluster needs, such a group is tied, first
inside its service to the tools it has most in common with, and where the service itself is too small, to the tools of
other services that speak of the same things: same main domain, or plainly the same topic. A tie binds nothing (empty
path and parameter), and scores little, so that it never passes for a dependency nor outweighs one. Where nothing
is in common, there is no tie: a coincidence is no company.
"""

from __future__ import annotations

import bisect
import heapq
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from tdlab.clusters._topics import common_words, service_words, similarity
from tdlab.config import ClusterConfig, CompanionConfig
from tdlab.records import Dependency, Evidence, Service, Tool, heaviest
from tdlab.tools import split_words

__all__ = ["companions"]

# Fixed, a bound on work: of a word that more tools of one service use, none of them is a neighbour of another.
_WIDEST = 200


class _Groups:
    """Union-find over keys that are met; groups know their size."""

    def __init__(self) -> None:
        self._parent: dict[str, str] = {}
        self._size: dict[str, int] = {}

    def find(self, key: str) -> str:
        parent = self._parent
        while parent.get(key, key) != key:
            parent[key] = parent.get(parent[key], parent[key])
            key = parent[key]
        return key

    def join(self, one: str, other: str) -> None:
        a, b = self.find(one), self.find(other)
        if a != b:
            small, large = sorted((a, b), key=lambda root: (self.size(root), root))
            self._size[large] = self.size(large) + self.size(small)
            self._parent[small] = large

    def size(self, key: str) -> int:
        return self._size.get(self.find(key), 1)


def companions(
    services: Sequence[Service],
    edges: Iterable[Dependency],
    config: ClusterConfig,
    topics: Mapping[str, Mapping[str, float]],
) -> list[Dependency]:
    """Ties for the tools that ``edges`` join to fewer than ``min_tools`` in all, in order of service and tool.

    ``services`` are in order of name; ``topics`` are each tool's weighted words by key (`tool_topics`).
    """
    least = config.min_tools
    groups = _Groups()
    for edge in edges:
        groups.join(edge.source, edge.target)
    found: list[Dependency] = []
    for service in services:
        if len(service.tools) > 1:
            found.extend(_at_home(service, topics, groups, least, config.companions))
    small = [i for i, service in enumerate(services) if any(groups.size(tool.key) < least for tool in service.tools)]
    found.extend(_abroad(services, small, topics, groups, config))
    return found


def _at_home(
    service: Service,
    topics: Mapping[str, Mapping[str, float]],
    groups: _Groups,
    least: int,
    config: CompanionConfig,
) -> list[Dependency]:
    """Ties inside one service: each tool of too small a group to those most like it, until it is large enough."""
    keys = [tool.key for tool in service.tools]
    alone = [i for i, key in enumerate(keys) if groups.size(key) < least]
    if not alone:
        return []
    having: dict[str, list[int]] = {}
    for i, key in enumerate(keys):
        for word in topics[key]:
            having.setdefault(word, []).append(i)
    nearest: dict[int, list[tuple[int, float]]] = {}
    for i in alone:
        own = topics[keys[i]]
        shared: defaultdict[int, float] = defaultdict(float)
        for word, weight in own.items():
            group = having[word]
            if len(group) <= _WIDEST:
                for other in group:
                    shared[other] += min(weight, topics[keys[other]][word])
        shared.pop(i, None)
        best = heapq.nsmallest(4 * config.ties, shared.items(), key=lambda x: (-x[1], abs(x[0] - i), x[0]))
        nearest[i] = [(other, similarity(own, topics[keys[other]])) for other, _ in best]
    found: list[Dependency] = []
    tied: set[tuple[int, int]] = set()

    def tie(other: int, i: int, close: float) -> None:
        if (other, i) not in tied and (i, other) not in tied:
            tied.add((other, i))
            words = common_words(topics[keys[i]], topics[keys[other]])
            found.append(_tie(keys[other], keys[i], close, f"both have to do with {', '.join(words)}", config))
        groups.join(keys[i], keys[other])

    before = {i: groups.find(keys[i]) for i in range(len(keys))}
    for i in alone:
        for other, close in [o for o in nearest[i] if before[o[0]] != before[i]][: config.ties]:
            tie(other, i, close)
    enough = min(least, len(keys))
    for i in alone:
        while groups.size(keys[i]) < enough:
            outside = [o for o in nearest[i] if groups.find(keys[o[0]]) != groups.find(keys[i])]
            if not outside:
                break
            other, close = outside[0]
            tie(other, i, close)
    return found


def _abroad(
    services: Sequence[Service],
    small: Sequence[int],
    topics: Mapping[str, Mapping[str, float]],
    groups: _Groups,
    config: ClusterConfig,
) -> list[Dependency]:
    """Ties of the services in ``small`` to tools of kindred ones; a tool is no company for its own copy."""
    if not small or len(services) < 2:
        return []
    least, most, own = config.min_tools, config.across.word_services, config.companions
    words, plain, named = service_words(services, config.topics)
    totals = [sum(spoken.values()) or 1.0 for spoken in words]
    domain = [heaviest(s.domains) for s in services]
    telling = 0.0
    if len(services) >= config.few_services:
        telling = math.log(1 + len(services) / max(own.widely_used * len(services), own.few_services))
    having: dict[str, list[int]] = {}
    within: dict[tuple[str, str], list[int]] = {}
    for s, spoken in enumerate(plain):
        for word in spoken:
            having.setdefault(word, []).append(s)
            within.setdefault((domain[s], word), []).append(s)
    found: list[Dependency] = []
    for s in small:
        near: set[int] = set()
        for word in plain[s]:
            fellows = having[word]
            if len(fellows) > most:
                group = within[domain[s], word]
                fellows = _window(group, bisect.bisect_left(group, s), most)
            near.update(fellows)
        near.discard(s)
        names = {tool.name.lower(): tool for tool in services[s].tools}
        close: list[tuple[float, int]] = []
        for other in near:
            same = domain[other] == domain[s] != ""
            if not any(
                word in plain[other] and max(named[s].get(word, 0.0), named[other].get(word, 0.0)) >= telling
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
                if alike >= own.alike:
                    detail = f"both services have to do with {', '.join(about)}"
                    found.append(_tie(best, tool.key, min(1.0, (alike - negative) / 2), detail, own))
    return found


def _one_description(one: Tool, other: Tool, config: CompanionConfig) -> bool:
    """Whether two tools are described in the same words; no words are no description."""
    mine, theirs = set(split_words(one.description)), set(split_words(other.description))
    return bool(mine & theirs) and len(mine & theirs) >= config.same_words * len(mine | theirs)


def _window(group: Sequence[int], place: int, most: int) -> list[int]:
    """The members of a large group that follow a place in it, round the end."""
    count = min(most, len(group))
    return [group[(place + step) % len(group)] for step in range(count)]


def _tie(source: str, target: str, close: float, detail: str, config: CompanionConfig) -> Dependency:
    score = round(config.least_score + (config.most_score - config.least_score) * close, 4)
    return Dependency(
        source=source,
        target=target,
        score=score,
        evidence=(Evidence(kind="companion", detail=detail, weight=score),),
    )
