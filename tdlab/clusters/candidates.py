"""Candidate clusters: sets of tools grown along dependencies from every seed tool, in several shapes.

The shape says where to grow. *Around* follows dependencies in both directions. *Bridge* does the same and then adds a
tool or two of another service. *Upstream* adds the tools to call before the seed, *downstream* those that need its
result. Further attempts repeat the shapes, with some randomness in the choice of edges.

An echo adds nothing: its value was known. The source of a context parameter joins once for a candidate and leads
to nothing else: that a hundred tools ask for a project does not join them.

Growth follows the best edge out of the set so far: one with a high score, to a tool about the seed's topic, with
several dependencies to members. Once the set has ``min_tools``, a tool about another topic joins only over a strong
edge: one matching value is no reason to combine two topics in one task. Growth stays in the seed's service unless the
shape is *bridge* or the service is too small; then each attempt starts with another related service. The shapes are
this project's own; the paper only says that clusters keep logical dependencies.
"""

from __future__ import annotations

import heapq
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from tdlab.clusters._topics import similarity
from tdlab.clusters.dependencies import DependencyGraph
from tdlab.config import ClusterConfig
from tdlab.records import rng_for

__all__ = ["ClusterCandidate", "grow"]

# Fixed by definition: the shapes, and the share of tools that a bridge leaves to the other service (one in three).
_SHAPES = ("around", "bridge", "upstream", "downstream")
# Fixed by definition: one tool that asks for an organization is about it; with two it is where they all take place.
_FEWEST_BOUND = 2


class ClusterCandidate(NamedTuple):
    """A connected set of tools: ``tools`` and ``edges`` are sorted indices into the graph's tools and edges.

    ``order`` has the tools in the order of growth; every prefix of it is connected.

    Example:
        >>> ClusterCandidate(tools=(0, 2), edges=(1,), order=(2, 0)).tools
        (0, 2)
    """

    tools: tuple[int, ...]
    edges: tuple[int, ...]
    order: tuple[int, ...] = ()


class _Step(NamedTuple):
    """An edge as seen from one of its tools: the other tool, the score, and the context parameter that it binds."""

    tool: int
    score: float
    context: str


class _Grower:
    """The graph as adjacency lists, and the state of one seed."""

    def __init__(
        self,
        graph: DependencyGraph,
        config: ClusterConfig,
        threshold: float,
        topics: Mapping[str, Mapping[str, float]] | None,
        services: Mapping[str, str],
    ) -> None:
        self.config = config.growth
        index = {tool: i for i, tool in enumerate(graph.tools)}
        self.service = [services.get(tool) or tool.rsplit("/", 1)[0] for tool in graph.tools]
        sizes = Counter(self.service)
        self.small = {name for name, count in sizes.items() if count <= config.max_tools}
        self.topics = [topics.get(tool, {}) for tool in graph.tools] if topics is not None else None
        self.ends: list[tuple[int, int]] = []
        self.before: list[list[_Step]] = [[] for _ in graph.tools]
        self.after: list[list[_Step]] = [[] for _ in graph.tools]
        self.provides: list[set[str]] = [set() for _ in graph.tools]
        self.out_edges: list[list[int]] = [[] for _ in graph.tools]
        for e, edge in enumerate(graph.edges):
            source, target = index.get(edge.source, -1), index.get(edge.target, -1)
            self.ends.append((source, target))
            if edge.score >= threshold and source >= 0 and target >= 0 and source != target:
                self.out_edges[source].append(e)
                if edge.kind == "echo":
                    continue
                context = f"{self.service[target]}/{edge.parameter}" if edge.kind == "context" else ""
                if context:
                    self.provides[source].add(context)
                else:
                    self.after[source].append(_Step(target, edge.score, ""))
                self.before[target].append(_Step(source, edge.score, context))
        self.binders: set[int] = set()
        self._similarity: dict[int, float] = {}

    def begin(self, seed: int) -> None:
        """Start from another seed."""
        self._seed = seed
        self._similarity = {}

    def similarity(self, tool: int) -> float:
        """Return the similarity of a tool's topic to the seed's, in [0, 1]; 1 without topics."""
        if self.topics is None:
            return 1.0
        if tool not in self._similarity:
            self._similarity[tool] = similarity(self.topics[self._seed], self.topics[tool])
        return self._similarity[tool]

    def _belongs(self, tool: int, score: float, links: int, enough: bool) -> bool:
        """Return whether a tool joins a candidate: it is about the topic of the seed, or it is much needed.

        Below the least size, a strong edge will do. From then on, a tool over a strong edge and with a further one
        (``links``) needs half the similarity. A service that fits into a cluster is one affair, so that its tools
        always belong.
        """
        if self.service[tool] in self.small:
            return True
        similar, about, strong = self.similarity(tool), self.config.about, score >= self.config.strong
        return similar >= about or (strong and (not enough or (links > 0 and similar >= about / 2)))

    def _bound_by(self, tool: int, context: str, members: Mapping[int, None]) -> int:
        """Return how many members ask for the context parameter that a tool finds out."""
        return sum(
            any(step.tool == tool and step.context == context for step in self.before[member]) for member in members
        )

    def fill(
        self,
        members: dict[int, None],
        size: int,
        homes: set[str],
        sides: Sequence[Sequence[Sequence[_Step]]],
        loose: bool,
        rng: random.Random,
        *,
        least: int,
    ) -> None:
        """Grow ``members`` to ``size`` along the best edges to services in ``homes``.

        From ``least`` members on, a tool about another topic joins only over a strong edge.
        """
        heap: list[tuple[float, int, str]] = []
        links: dict[int, int] = {}
        strongest: dict[int, float] = {}
        service, config = self.service, self.config
        bound = {context for tool in members for context in self.provides[tool]}

        def reach(tool: int) -> None:
            for side in sides:
                for other, score, context in side[tool]:
                    if other not in members and service[other] in homes and context not in bound:
                        count = links[other] = links.get(other, -1) + 1
                        if score < strongest.get(other, 0.0):
                            if count > config.links:
                                continue
                            score = strongest[other]
                        strongest[other] = score
                        value = score * (config.unlike + (1.0 - config.unlike) * self.similarity(other))
                        value += config.link_bonus * min(count, config.links)
                        value *= rng.uniform(config.loosest, 1.0) if loose else 1.0
                        heapq.heappush(heap, (-value, other, context))

        for tool in members:
            if tool not in self.binders:
                reach(tool)
        while heap and len(members) < size:
            _, tool, context = heapq.heappop(heap)
            if tool in members or context in bound or (context and len(self.binders) >= max(1, size // 4)):
                continue
            if context and self._bound_by(tool, context, members) < _FEWEST_BOUND:
                continue
            if context or self._belongs(tool, strongest[tool], links[tool], len(members) >= least):
                members[tool] = None
                bound |= self.provides[tool]
                if context:
                    self.binders.add(tool)
                else:
                    reach(tool)

    def members(self, start: int, attempt: int, least: int, most: int, rng: random.Random) -> dict[int, None]:
        """Grow one candidate and return its tools: from the seed's service first, then perhaps from others."""
        shape = _SHAPES[attempt % len(_SHAPES)]
        loose = attempt >= len(_SHAPES)
        size = rng.randint(max(least, (least + most) // 2), most)
        members = {start: None}
        self.binders = set()
        homes = {self.service[start]}
        both = (self.before, self.after)
        directed = {"upstream": (self.before,), "downstream": (self.after,)}.get(shape, both)
        quota = size if shape != "bridge" else max(least, 2 * size // 3)
        self.fill(members, quota, homes, directed, loose, rng, least=least)
        if len(members) < least:
            self.fill(members, least, homes, both, loose, rng, least=least)
        if len(members) < least:
            self._visit_services(members, homes, attempt, least, size, loose, rng)
        elif shape == "bridge" and len(members) < size:
            crossing = self._crossing(members, homes, self.config.bridge)
            if crossing:
                other = crossing[0]
                homes.add(self.service[other])
                members[other] = None
                self.fill(members, min(size, len(members) + 1), {self.service[other]}, both, loose, rng, least=least)
                self.fill(members, size, {self.service[start]}, both, loose, rng, least=least)
        return members

    def _visit_services(
        self,
        members: dict[int, None],
        homes: set[str],
        attempt: int,
        least: int,
        size: int,
        loose: bool,
        rng: random.Random,
    ) -> None:
        """Add a few tools of each of several other services to those of a small one, until there are enough."""
        turn = attempt
        while len(homes) < self.config.services:
            crossing = self._crossing(members, homes, 0.0)
            if not crossing:
                return
            other = crossing[turn % len(crossing)]
            turn = 0
            homes.add(self.service[other])
            members[other] = None
            limit = min(size, len(members) + self.config.guests - 1)
            self.fill(members, limit, {self.service[other]}, (self.before, self.after), loose, rng, least=least)
            if len(members) >= least and len(homes) >= self.config.services - 1:
                return

    def _crossing(self, members: Mapping[int, None], homes: set[str], weakest: float) -> list[int]:
        """Return the best tool of each other service reached by an edge of at least ``weakest``, the best first."""
        crossings = sorted(
            (-score, other)
            for tool in members
            for side in (self.before, self.after)
            for other, score, _ in side[tool]
            if score >= weakest and self.service[other] not in homes
        )
        first: dict[str, int] = {}
        for _, other in crossings:
            first.setdefault(self.service[other], other)
        return list(first.values())

    def edges_of(self, tools: Sequence[int]) -> tuple[int, ...]:
        """Return the usable edges between tools of a set, as sorted indices."""
        inside = set(tools)
        return tuple(sorted(e for tool in tools for e in self.out_edges[tool] if self.ends[e][1] in inside))


def grow(
    graph: DependencyGraph,
    config: ClusterConfig | None = None,
    *,
    seed: int = 0,
    threshold: float = 0.0,
    topics: Mapping[str, Mapping[str, float]] | None = None,
    services: Mapping[str, str] | None = None,
) -> tuple[ClusterCandidate, ...]:
    """Grow candidate clusters from every tool of a graph, ``config.candidates_per_tool`` attempts each.

    Args:
        graph: The dependencies to grow along.
        config: Sizes and settings of growth; the default settings if None.
        seed: Seed of the random sizes and choices.
        threshold: Score of the weakest edge to grow along and to keep.
        topics: The weighted words of each tool by key, which keep a candidate to the topic of its seed; None to ignore
            topics.
        services: The service of each tool by key; by default, the part of the key before the last ``/``.

    Returns:
        All distinct candidates with at least ``config.min_tools`` tools, in the order of their first seeds.

    Example:
        >>> from tdlab import ToolPool
        >>> graph = mine_dependencies(ToolPool.bundled())
        >>> candidates = grow(graph)
        >>> min(len(candidate.tools) for candidate in candidates)
        3
    """
    config = config or ClusterConfig()
    min_tools, max_tools = config.min_tools, config.max_tools
    grower = _Grower(graph, config, threshold, topics, services or {})
    seen: dict[tuple[int, ...], tuple[int, ...]] = {}
    for start in range(len(graph.tools)):
        if not grower.before[start] and not grower.after[start]:
            if min_tools <= 1:
                seen.setdefault((start,), (start,))
            continue
        grower.begin(start)
        for attempt in range(config.candidates_per_tool):
            rng = rng_for("candidate", seed, graph.tools[start], attempt)
            members = tuple(grower.members(start, attempt, min_tools, max_tools, rng))
            if len(members) >= min_tools:
                seen.setdefault(tuple(sorted(members)), members)
    return tuple(ClusterCandidate(tools, grower.edges_of(tools), order) for tools, order in seen.items())
