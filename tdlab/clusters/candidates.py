"""Candidate clusters: from every seed tool, sets of tools grown along dependencies, a few shapes each.

A shape says where to grow: *upstream* gathers what must be called before the seed, *downstream* what its result makes
possible, *around* both; further shapes of the same three walk on with some chance of taking a weaker edge. Growth takes
the strongest edge out of the set so far, prefers edges of services already in it, and stops when nothing connects or the
shape's size is reached. The shapes are this project's own; the paper only says that clusters keep logical dependencies.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Sequence
from typing import NamedTuple

from tdlab.clusters.dependencies import DependencyGraph
from tdlab.records import rng_for

__all__ = ["Candidate", "grow"]

_SHAPES = ("around", "upstream", "downstream")
_FOREIGN = 0.72
"""Growth values an edge into another service by this factor: a task crosses services where it must, not by default."""


class Candidate(NamedTuple):
    """A connected set of tools: ``tools`` and ``edges`` are sorted indices into the graph's tools and edges."""

    tools: tuple[int, ...]
    edges: tuple[int, ...]


def grow(
    graph: DependencyGraph,
    *,
    min_tools: int,
    max_tools: int,
    per_tool: int,
    seed: int = 0,
    threshold: float = 0.0,
) -> tuple[Candidate, ...]:
    """All distinct candidates, in order of first seed: ``per_tool`` tries from every tool of the graph.

    Only edges scored at least ``threshold`` are grown along and kept. A set that cannot reach ``min_tools`` yields no
    candidate.
    """
    index = {tool: i for i, tool in enumerate(graph.tools)}
    service = [tool.rsplit("/", 1)[0] for tool in graph.tools]
    ends: list[tuple[int, int, float]] = [
        (index.get(e.source, -1), index.get(e.target, -1), e.score if e.score >= threshold else -1.0)
        for e in graph.edges
    ]
    before: list[list[tuple[int, float]]] = [[] for _ in graph.tools]
    after: list[list[tuple[int, float]]] = [[] for _ in graph.tools]
    out_edges: list[list[int]] = [[] for _ in graph.tools]
    for e, (source, target, score) in enumerate(ends):
        if score >= 0.0 and source >= 0 and target >= 0 and source != target:
            after[source].append((target, score))
            before[target].append((source, score))
            out_edges[source].append(e)
    seen: dict[tuple[int, ...], None] = {}
    for start in range(len(graph.tools)):
        if not before[start] and not after[start]:
            if min_tools <= 1:
                seen.setdefault((start,))
            continue
        for attempt in range(per_tool):
            rng = rng_for("candidate", seed, graph.tools[start], attempt)
            members = _one(start, attempt, before, after, service, min_tools, max_tools, rng)
            if len(members) >= min_tools:
                seen.setdefault(tuple(sorted(members)))
    return tuple(Candidate(tools, _edges_of(tools, out_edges, ends)) for tools in seen)


def _one(
    start: int,
    attempt: int,
    before: Sequence[Sequence[tuple[int, float]]],
    after: Sequence[Sequence[tuple[int, float]]],
    service: Sequence[str],
    min_tools: int,
    max_tools: int,
    rng: random.Random,
) -> set[int]:
    shape = _SHAPES[attempt % len(_SHAPES)]
    size = max_tools if attempt < len(_SHAPES) else rng.randint(min_tools, max_tools)
    size = min(size, rng.randint(max(min_tools, (min_tools + max_tools) // 2), max_tools))
    loose = attempt >= len(_SHAPES)
    members = {start}
    home = {service[start]}
    heap: list[tuple[float, int]] = []

    def reach(tool: int, both: bool) -> None:
        sides = []
        if shape != "downstream" or both:
            sides.append(before[tool])
        if shape != "upstream" or both:
            sides.append(after[tool])
        for side in sides:
            for other, score in side:
                if other not in members:
                    value = score * (1.0 if service[other] in home else _FOREIGN)
                    heapq.heappush(heap, (-value * (rng.uniform(0.5, 1.0) if loose else 1.0), other))

    reach(start, False)
    widened = shape == "around"
    while len(members) < size:
        while heap and heap[0][1] in members:
            heapq.heappop(heap)
        if not heap:
            if widened or len(members) >= min_tools:
                break
            widened = True  # too small in this direction alone: look both ways
            for tool in sorted(members):
                reach(tool, True)
            continue
        _, tool = heapq.heappop(heap)
        members.add(tool)
        home.add(service[tool])
        reach(tool, widened)
    return members


def _edges_of(
    tools: Sequence[int], out_edges: Sequence[Sequence[int]], ends: Sequence[tuple[int, int, float]]
) -> tuple[int, ...]:
    inside = set(tools)
    return tuple(sorted(e for tool in tools for e in out_edges[tool] if ends[e][1] in inside))
