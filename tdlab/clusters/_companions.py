"""Companions: which tools of one service serve one task though no value flows between them.

Sixteen unit converters feed nothing to each other, and still belong together. A tool that no dependency reaches is tied
to the siblings it has most in common with: parameters asked for, nouns and verb of the name, weighted by how few of the
service's tools have them. Such a tie binds nothing (empty path and parameter), and scores at most 0.3, so that it never
passes for a dependency nor outweighs one.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable

from tdlab.clusters._words import ENTITY_NOISE, kind_of, normal
from tdlab.pool.naming import singular, split_words
from tdlab.records import Dependency, Evidence, Service, Tool

__all__ = ["companions"]

_MOST = 0.3
_TIES = 3


def companions(services: Iterable[Service], joined: set[str]) -> list[Dependency]:
    """Ties for every tool whose key is not in ``joined``, at most three each, in order of service and tool.

    Every tool of a service of two or more gets at least one: having the service in common is the least of reasons.
    """
    found: list[Dependency] = []
    for service in services:
        alone = [i for i, tool in enumerate(service.tools) if tool.key not in joined]
        if not alone or len(service.tools) < 2:
            continue
        traits = [_traits(tool) for tool in service.tools]
        having: dict[str, list[int]] = {}
        for i, own in enumerate(traits):
            for trait in own:
                having.setdefault(trait, []).append(i)
        weight = {trait: math.log(1 + len(traits) / len(group)) for trait, group in having.items()}
        for i in alone:
            total = sum(weight[trait] for trait in traits[i]) or 1.0
            shared: dict[int, float] = {}
            for trait in traits[i]:
                group = having[trait]
                if len(group) <= 200:
                    for other in group:
                        if other != i:
                            shared[other] = shared.get(other, 0.0) + weight[trait]
            nearest = heapq.nsmallest(_TIES, shared.items(), key=lambda x: (-x[1], abs(x[0] - i), x[0]))
            if not nearest:
                nearest = [(i - 1 if i else 1, 0.0)]
            for other, common in nearest:
                names = [t.split(":", 1)[1] for t in traits[i] if t in traits[other]]
                found.append(_tie(service.tools[other], service.tools[i], min(1.0, common / total), names))
    return found


def _traits(tool: Tool) -> dict[str, None]:
    """What a tool can have in common with another; an ordered set."""
    traits: dict[str, None] = {}
    for word in split_words(tool.name):
        if singular(word) not in ENTITY_NOISE and len(word) > 1:
            traits[f"word:{singular(word)}"] = None
    for parameter, schema in tool.parameters.items():
        if kind_of(parameter, schema) != "control":
            traits[f"parameter:{normal(parameter)[0]}"] = None
    return traits


def _tie(source: Tool, target: Tool, similarity: float, names: list[str]) -> Dependency:
    detail = f"both have to do with {', '.join(names[:4])}" if names else "tools of one small service"
    score = round(0.1 + (_MOST - 0.1) * similarity, 4)
    return Dependency(
        source=source.key,
        target=target.key,
        score=score,
        evidence=(Evidence(kind="companion", detail=detail, weight=score),),
    )
