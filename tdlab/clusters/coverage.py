"""Weighted maximum coverage over tools and dependency edges: the lazy greedy (CELF) and the two it is measured against.

The objective of a set of candidates is the weight of the tools in their union plus the weight of the edges in theirs.
It is monotone and submodular, so greedy choice reaches at least (1 - 1/e) of the best set of the same size (Nemhauser,
Wolsey and Fisher 1978), and a gain computed earlier bounds the gain now, which is why most need no recomputation
(Minoux 1978; Leskovec et al. 2007).
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import NamedTuple, Protocol

from tdlab.records import rng_for

__all__ = ["Coverable", "Selection", "naive_greedy", "random_curve", "select"]

_EPSILON = 1e-12


class Coverable(Protocol):
    """A candidate: which tools and which edges it covers, as indices."""

    @property
    def tools(self) -> Sequence[int]:
        """Indices of the tools it covers, each once."""

    @property
    def edges(self) -> Sequence[int]:
        """Indices of the edges it covers, each once."""


class Selection(NamedTuple):
    """What was chosen, in order of choice.

    ``chosen`` are indices of candidates; ``curve[i]`` is the covered share of the reachable weight after i + 1 choices;
    ``objective`` the covered weight; ``reachable`` the weight that all candidates together cover.
    """

    chosen: tuple[int, ...]
    curve: tuple[float, ...]
    objective: float
    reachable: float


class _Instance(NamedTuple):
    items: list[list[int]]
    weights: list[float]
    reachable: float


def _instance(
    candidates: Sequence[Coverable], tool_weights: Sequence[float], edge_weights: Sequence[float]
) -> _Instance:
    """One universe of items: tools first, then edges, so that the inner loop sees one list of integers."""
    shift = len(tool_weights)
    weights = [*map(float, tool_weights), *map(float, edge_weights)]
    items = [[*candidate.tools, *(edge + shift for edge in candidate.edges)] for candidate in candidates]
    covered = set(chain.from_iterable(items))
    return _Instance(items, weights, sum(weights[i] for i in sorted(covered)))


def select(
    candidates: Sequence[Coverable],
    tool_weights: Sequence[float] | Mapping[int, float],
    edge_weights: Sequence[float] | Mapping[int, float],
    *,
    coverage: float = 1.0,
    max_clusters: int | None = None,
) -> Selection:
    """Choose candidates until ``coverage`` of the reachable weight is covered, or ``max_clusters`` are chosen.

    Ties go to the lower index, so the answer is the same as `naive_greedy`'s. A candidate that adds nothing is never
    chosen. Weights are non-negative, indexed by tool and by edge.
    """
    items, weights, reachable = _instance(candidates, _dense(tool_weights), _dense(edge_weights))
    limit = len(items) if max_clusters is None else max_clusters
    target = coverage * reachable - _EPSILON * max(1.0, reachable)
    left = list(weights)
    heap = [(-_gain(left, own), index) for index, own in enumerate(items)]
    heapq.heapify(heap)
    chosen: list[int] = []
    curve: list[float] = []
    objective = 0.0
    while heap and len(chosen) < limit and objective < target:
        bound, index = heap[0]
        gain = _gain(left, items[index])
        if -bound != gain:
            if gain > _EPSILON:
                heapq.heapreplace(heap, (-gain, index))
            else:
                heapq.heappop(heap)
            continue
        if gain <= _EPSILON:
            break
        heapq.heappop(heap)
        for item in items[index]:
            left[item] = 0.0
        objective += gain
        chosen.append(index)
        curve.append(objective / reachable)
    return Selection(tuple(chosen), tuple(curve), objective, reachable)


def naive_greedy(
    candidates: Sequence[Coverable],
    tool_weights: Sequence[float] | Mapping[int, float],
    edge_weights: Sequence[float] | Mapping[int, float],
    *,
    coverage: float = 1.0,
    max_clusters: int | None = None,
) -> Selection:
    """The textbook greedy, every gain computed in every round: the reference for `select`, quadratic in candidates."""
    items, weights, reachable = _instance(candidates, _dense(tool_weights), _dense(edge_weights))
    limit = len(items) if max_clusters is None else max_clusters
    target = coverage * reachable - _EPSILON * max(1.0, reachable)
    left = list(weights)
    chosen: list[int] = []
    curve: list[float] = []
    objective = 0.0
    while len(chosen) < limit and objective < target:
        best, best_gain = -1, _EPSILON
        for index, own in enumerate(items):
            gain = _gain(left, own)
            if gain > best_gain:
                best, best_gain = index, gain
        if best < 0:
            break
        for item in items[best]:
            left[item] = 0.0
        objective += best_gain
        chosen.append(best)
        curve.append(objective / reachable)
    return Selection(tuple(chosen), tuple(curve), objective, reachable)


def random_curve(
    candidates: Sequence[Coverable],
    tool_weights: Sequence[float] | Mapping[int, float],
    edge_weights: Sequence[float] | Mapping[int, float],
    *,
    seed: int,
    max_clusters: int | None = None,
) -> tuple[float, ...]:
    """The curve of candidates taken in random order: covered share of the reachable weight after each."""
    items, weights, reachable = _instance(candidates, _dense(tool_weights), _dense(edge_weights))
    order = list(range(len(items)))
    rng: random.Random = rng_for("random coverage", seed)
    rng.shuffle(order)
    left = list(weights)
    covered = 0.0
    curve: list[float] = []
    for index in order[:max_clusters]:
        covered += _gain(left, items[index])
        for item in items[index]:
            left[item] = 0.0
        curve.append(covered / reachable if reachable else 0.0)
    return tuple(curve)


def _gain(left: list[float], own: list[int]) -> float:
    return sum([left[item] for item in own])


def _dense(weights: Sequence[float] | Mapping[int, float]) -> Sequence[float]:
    if isinstance(weights, Mapping):
        return [weights.get(i, 0.0) for i in range(max(weights, default=-1) + 1)]
    return weights
