"""Companions: which tools serve one task though no value flows between them.

Sixteen unit converters feed nothing to each other, and still belong together; a server whose one tool tells the weather
belongs with others that tell it. Where dependencies join fewer tools than a cluster needs, such a group is tied, first
inside its service to the tools it has most in common with, and where the service itself is too small, to the tools of
other services that speak of the same things: same main domain, or plainly the same topic. A tie binds nothing (empty
path and parameter), and scores at most 0.3, so that it never passes for a dependency nor outweighs one. Where nothing
is in common, there is no tie: a coincidence is no company.
"""

from __future__ import annotations

import bisect
import heapq
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from tdlab.clusters._topics import common_words, service_words, similarity, tool_topics
from tdlab.records import Dependency, Evidence, Service, Tool
from tdlab.tools import split_words

__all__ = ["companions"]

_MOST = 0.3
_TIES = 3
_KINDRED = 6
"""A small service is tied to at most so many others."""
_MAX_SERVICES_OF_A_WORD = 64
_SAME_TOPIC = 0.25
"""Affinity from which two services of different main domains have the same topic."""
_SOME_TOPIC = 0.12
"""Affinity that two services of the same main domain need."""
_ALIKE = 0.06
"""Similarity that a tool needs to one of a kindred service."""
_WIDELY = 0.05
"""A topic is a word that no larger share of services uses, and that stands in a name of one of the two."""
_FEW = 6
"""So many services may always share a topic."""
_MANY_SERVICES = 30
"""With fewer services there is nothing to count words by."""
_FORK = 0.6
"""Affinity from which two services with the same tool names are one server twice."""
_SAME_WORDS = 0.6
"""Share of words in common from which two descriptions of tools of one name are one description."""


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
    *,
    least: int = 3,
    topics: Mapping[str, Mapping[str, float]] | None = None,
) -> list[Dependency]:
    """Ties for the tools that ``edges`` join to fewer than ``least`` in all, in order of service and tool.

    ``services`` are in order of name; ``topics`` are each tool's weighted words by key (`tool_topics`).
    """
    if topics is None:
        topics = {t.key: w for s in services for t, w in zip(s.tools, tool_topics(s.tools), strict=True)}
    groups = _Groups()
    for edge in edges:
        groups.join(edge.source, edge.target)
    found: list[Dependency] = []
    for service in services:
        if len(service.tools) > 1:
            found.extend(_at_home(service, topics, groups, least))
    small = [i for i, service in enumerate(services) if any(groups.size(tool.key) < least for tool in service.tools)]
    found.extend(_abroad(services, small, topics, groups, least))
    return found


def _at_home(
    service: Service, topics: Mapping[str, Mapping[str, float]], groups: _Groups, least: int
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
            if len(group) <= 200:
                for other in group:
                    shared[other] += min(weight, topics[keys[other]][word])
        shared.pop(i, None)
        best = heapq.nsmallest(4 * _TIES, shared.items(), key=lambda x: (-x[1], abs(x[0] - i), x[0]))
        nearest[i] = [(other, similarity(own, topics[keys[other]])) for other, _ in best]
    found: list[Dependency] = []
    tied: set[tuple[int, int]] = set()

    def tie(other: int, i: int, close: float) -> None:
        if (other, i) not in tied and (i, other) not in tied:
            tied.add((other, i))
            words = common_words(topics[keys[i]], topics[keys[other]])
            found.append(_tie(keys[other], keys[i], close, f"both have to do with {', '.join(words)}"))
        groups.join(keys[i], keys[other])

    before = {i: groups.find(keys[i]) for i in range(len(keys))}
    for i in alone:
        for other, close in [o for o in nearest[i] if before[o[0]] != before[i]][:_TIES]:
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
    least: int,
) -> list[Dependency]:
    """Ties of the services in ``small`` to tools of kindred ones; a tool is no company for its own copy."""
    if not small or len(services) < 2:
        return []
    words, plain, named = service_words(services)
    totals = [sum(own.values()) or 1.0 for own in words]
    domain = [max(s.domains, key=lambda d: (s.domains[d], d), default="") for s in services]
    telling = 0.0
    if len(services) >= _MANY_SERVICES:
        telling = math.log(1 + len(services) / max(_WIDELY * len(services), _FEW))
    having: dict[str, list[int]] = {}
    within: dict[tuple[str, str], list[int]] = {}
    for s, own in enumerate(plain):
        for word in own:
            having.setdefault(word, []).append(s)
            within.setdefault((domain[s], word), []).append(s)
    found: list[Dependency] = []
    for s in small:
        near: set[int] = set()
        for word in plain[s]:
            fellows = having[word]
            if len(fellows) > _MAX_SERVICES_OF_A_WORD:
                group = within[domain[s], word]
                fellows = _window(group, bisect.bisect_left(group, s))
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
            if affinity < (_SOME_TOPIC if same else _SAME_TOPIC):
                continue
            others = {tool.name.lower(): tool for tool in services[other].tools}
            shared = names.keys() & others
            if len(shared) * 2 > min(len(names), len(others)) and (
                affinity >= _FORK or any(_one_description(names[name], others[name]) for name in shared)
            ):
                continue
            close.append((-affinity * (1.3 if same else 1.0), other))
        for negative, other in heapq.nsmallest(_KINDRED, close):
            about = common_words(plain[s], plain[other])
            for tool in services[s].tools:
                if groups.size(tool.key) >= least:
                    continue
                alike, best = max(
                    (
                        (similarity(topics[tool.key], topics[t.key]), t.key)
                        for t in services[other].tools[:60]
                        if t.name.lower() != tool.name.lower() or not _one_description(tool, t)
                    ),
                    default=(0.0, ""),
                )
                if alike >= _ALIKE:
                    detail = f"both services have to do with {', '.join(about)}"
                    found.append(_tie(best, tool.key, min(1.0, (alike - negative) / 2), detail))
    return found


def _one_description(one: Tool, other: Tool) -> bool:
    """Whether two tools are described in the same words; no words are no description."""
    mine, theirs = set(split_words(one.description)), set(split_words(other.description))
    return bool(mine & theirs) and len(mine & theirs) >= _SAME_WORDS * len(mine | theirs)


def _window(group: Sequence[int], place: int) -> list[int]:
    """The members of a large group that follow a place in it, round the end."""
    count = min(_MAX_SERVICES_OF_A_WORD, len(group))
    return [group[(place + step) % len(group)] for step in range(count)]


def _tie(source: str, target: str, close: float, detail: str) -> Dependency:
    score = round(0.1 + (_MOST - 0.1) * close, 4)
    return Dependency(
        source=source,
        target=target,
        score=score,
        evidence=(Evidence(kind="companion", detail=detail, weight=score),),
    )
