"""Candidate clusters: from every seed tool, sets of tools grown along dependencies, a few shapes each.

A shape says where to grow: *around* takes both directions, *bridge* does so and then crosses into one other service,
*upstream* gathers what must be called before the seed, *downstream* what its result makes possible; further attempts
repeat the shapes with some chance of taking a weaker edge. Growth takes the strongest edge out of the set so far and
stays in the seed's service, unless the shape bridges or the service is too small. The shapes are this project's own;
the paper only says that clusters keep logical dependencies.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Sequence
from typing import NamedTuple

from tdlab.clusters.dependencies import DependencyGraph
from tdlab.records import rng_for

__all__ = ["Candidate", "grow"]

_SHAPES = ("around", "bridge", "upstream", "downstream")
_MOST_SERVICES = 3
"""A candidate spans at most so many services."""
_BRIDGE = 0.45
"""A candidate that is large enough at home crosses only over an edge scored at least this."""


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
    """The tools of one candidate: grown at home first, then abroad where the shape bridges or home is too small."""
    shape = _SHAPES[attempt % len(_SHAPES)]
    loose = attempt >= len(_SHAPES)
    size = rng.randint(max(min_tools, (min_tools + max_tools) // 2), max_tools)
    members = {start}
    homes = {service[start]}
    upstream, downstream = shape != "downstream", shape != "upstream"
    quota = size if shape != "bridge" else max(min_tools, 2 * size // 3)
    _fill(members, quota, homes, before if upstream else None, after if downstream else None, service, loose, rng)
    if len(members) < min_tools:
        _fill(members, min_tools, homes, before, after, service, loose, rng)
    if len(members) < min_tools or (shape == "bridge" and len(members) < size):
        crossing = [
            (-score, other)
            for tool in sorted(members)
            for side in (before[tool], after[tool])
            for other, score in side
            if service[other] not in homes and (score >= _BRIDGE or len(members) < min_tools)
        ]
        while crossing and len(homes) < _MOST_SERVICES:
            other = min(crossing)[1]
            homes.add(service[other])
            members.add(other)
            _fill(members, size, homes, before, after, service, loose, rng)
            if len(members) >= min_tools:
                break
            crossing = [(value, place) for value, place in crossing if service[place] not in homes]
    return members


def _fill(
    members: set[int],
    size: int,
    homes: set[str],
    before: Sequence[Sequence[tuple[int, float]]] | None,
    after: Sequence[Sequence[tuple[int, float]]] | None,
    service: Sequence[str],
    loose: bool,
    rng: random.Random,
) -> None:
    """Grow ``members`` to ``size`` along the strongest edges that stay in ``homes``."""
    heap: list[tuple[float, int]] = []

    def reach(tool: int) -> None:
        for sides in (before, after):
            for other, score in sides[tool] if sides is not None else ():
                if other not in members and service[other] in homes:
                    heapq.heappush(heap, (-score * (rng.uniform(0.5, 1.0) if loose else 1.0), other))

    for tool in sorted(members):
        reach(tool)
    while heap and len(members) < size:
        _, tool = heapq.heappop(heap)
        if tool not in members:
            members.add(tool)
            reach(tool)


def _edges_of(
    tools: Sequence[int], out_edges: Sequence[Sequence[int]], ends: Sequence[tuple[int, int, float]]
) -> tuple[int, ...]:
    inside = set(tools)
    return tuple(sorted(e for tool in tools for e in out_edges[tool] if ends[e][1] in inside))
