"""Weighted maximum coverage over tools and dependency edges: the greedy with linear work, and what it is measured by.

The objective of a set of candidates is the weight of the tools in their union plus the weight of the edges in theirs.
It is monotone and submodular, so greedy choice reaches at least (1 - 1/e) of the best set of the same size (Nemhauser,
Wolsey and Fisher 1978).

`select` keeps every gain exact instead of bounding it: when an item is covered, its weight is taken from the gains of
the candidates that hold it, and since an item is covered once, all of that work together is one visit to each
incidence. The largest gain is found lazily (Minoux 1978) over blocks of candidates: a block's maximum known from
earlier bounds its maximum now. Weights are held as integers (decimal fixed point), so that sums are exact, ties are
ties, and the order of addition cannot matter.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple, Protocol

from tdlab.records import rng_for

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]

__all__ = [
    "Coverable",
    "Packed",
    "Selection",
    "fixed_point",
    "naive_greedy",
    "pack",
    "random_curve",
    "select",
    "select_packed",
]

# Fixed: exactness of the arithmetic, which no choice depends on.
_DIGITS = 12
"""Decimal places kept of a weight, fewer where the sum of all weights would not fit into 60 bits."""
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


class Packed(NamedTuple):
    """An instance in flat arrays: candidate ``i`` covers ``items[starts[i]:starts[i + 1]]``, tools before edges.

    ``weights`` are integers; ``scale`` of them make a weight of 1.
    """

    starts: Ints
    items: Ints
    weights: Ints
    scale: float


def pack(
    candidates: Sequence[Coverable],
    tool_weights: Sequence[float] | Mapping[int, float],
    edge_weights: Sequence[float] | Mapping[int, float],
) -> Packed:
    """Flat arrays of an instance. Weights are non-negative and finite, indexed by tool and by edge."""
    import numpy as np

    tools, edges = _dense(tool_weights), _dense(edge_weights)
    of_tools = [candidate.tools for candidate in candidates]
    of_edges = [candidate.edges for candidate in candidates]
    lengths = np.empty(2 * len(of_tools), dtype=np.int64)
    lengths[0::2] = [len(own) for own in of_tools]
    lengths[1::2] = [len(own) for own in of_edges]
    items = np.empty(int(lengths.sum()), dtype=np.int64)
    is_edge = np.repeat(np.arange(len(lengths)) % 2 == 1, lengths)
    items[~is_edge] = np.fromiter(chain.from_iterable(of_tools), dtype=np.int64, count=int(lengths[0::2].sum()))
    items[is_edge] = np.fromiter(chain.from_iterable(of_edges), dtype=np.int64, count=int(lengths[1::2].sum()))
    items[is_edge] += len(tools)
    starts = np.zeros(len(of_tools) + 1, dtype=np.int64)
    np.cumsum(lengths[0::2] + lengths[1::2], out=starts[1:])
    return Packed(starts, items, *fixed_point([*tools, *edges]))


def fixed_point(weights: Sequence[float]) -> tuple[Ints, float]:
    """Weights as integers and the scale: decimal places are kept exactly, as many as 60 bits of their sum allow."""
    import numpy as np

    exact = np.asarray(weights, dtype=np.float64)
    total = float(exact.sum())
    digits = min(_DIGITS, math.floor(60 * math.log10(2) - math.log10(total))) if total > 0 else 0
    scale = 10.0**digits
    return np.rint(exact * scale).astype(np.int64), scale


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
    return select_packed(pack(candidates, tool_weights, edge_weights), coverage=coverage, max_clusters=max_clusters)


def select_packed(instance: Packed, *, coverage: float = 1.0, max_clusters: int | None = None) -> Selection:
    """`select` on flat arrays."""
    import numpy as np

    starts, items, weights, scale = instance
    count = len(starts) - 1
    reachable = _reachable(instance)
    limit = count if max_clusters is None else min(count, max_clusters)
    target = _target(coverage, reachable)
    if not count or reachable <= 0:
        return Selection((), (), 0.0, 0.0)
    left = weights.copy()
    holders, first = _holders(instance)
    width = max(1, math.isqrt(count))
    blocks = -(-count // width)
    padded = np.full(blocks * width, -1, dtype=np.int64)
    padded[:count] = _gains(instance, left)
    table = padded.reshape(blocks, width)
    bound = table.max(axis=1)
    begins: list[int] = starts.tolist()
    chosen: list[int] = []
    covered: list[int] = []
    objective = 0
    while len(chosen) < limit and objective < target:
        block = int(bound.argmax())
        row = table[block]
        place = int(row.argmax())
        gain = int(row[place])
        if gain < bound[block]:
            bound[block] = gain
            continue
        if gain <= 0:
            break
        index = block * width + place
        own = items[begins[index] : begins[index + 1]]
        own = own[left[own] > 0]
        begin, size = first[own], first[own + 1] - first[own]
        places = np.arange(size.sum()) + np.repeat(begin - (size.cumsum() - size), size)
        np.subtract.at(padded, holders[places], np.repeat(left[own], size))
        left[own] = 0
        objective += gain
        chosen.append(index)
        covered.append(objective)
    curve = tuple(value / reachable for value in covered)
    return Selection(tuple(chosen), curve, objective / scale, reachable / scale)


def naive_greedy(
    candidates: Sequence[Coverable],
    tool_weights: Sequence[float] | Mapping[int, float],
    edge_weights: Sequence[float] | Mapping[int, float],
    *,
    coverage: float = 1.0,
    max_clusters: int | None = None,
) -> Selection:
    """The textbook greedy, every gain computed in every round: the reference for `select`, quadratic in candidates."""
    instance = pack(candidates, tool_weights, edge_weights)
    starts, items, weights, scale = instance
    reachable = _reachable(instance)
    limit = len(starts) - 1 if max_clusters is None else max_clusters
    target = _target(coverage, reachable)
    left = weights.copy()
    chosen: list[int] = []
    curve: list[float] = []
    objective = 0
    while len(chosen) < limit and objective < target:
        gains = _gains(instance, left)
        best = int(gains.argmax())
        if gains[best] <= 0:
            break
        objective += int(gains[best])
        left[items[starts[best] : starts[best + 1]]] = 0
        chosen.append(best)
        curve.append(objective / reachable)
    return Selection(tuple(chosen), tuple(curve), objective / scale, reachable / scale)


def random_curve(
    candidates: Sequence[Coverable],
    tool_weights: Sequence[float] | Mapping[int, float],
    edge_weights: Sequence[float] | Mapping[int, float],
    *,
    seed: int,
    max_clusters: int | None = None,
) -> tuple[float, ...]:
    """The curve of candidates taken in random order: covered share of the reachable weight after each."""
    import numpy as np

    instance = pack(candidates, tool_weights, edge_weights)
    starts, items, weights, _ = instance
    count = len(starts) - 1
    order = list(range(count))
    rng_for("random coverage", seed).shuffle(order)
    rank = np.empty(count, dtype=np.int64)
    rank[order] = np.arange(count)
    earliest = np.full(len(weights), count, dtype=np.int64)
    np.minimum.at(earliest, items, np.repeat(rank, np.diff(starts)))
    gains = np.zeros(count + 1, dtype=np.int64)
    np.add.at(gains, earliest, weights)
    reachable = _reachable(instance)
    total = gains[:count][:max_clusters].cumsum().tolist()
    return tuple(value / reachable if reachable else 0.0 for value in total)


def _reachable(instance: Packed) -> int:
    import numpy as np

    held = np.zeros(len(instance.weights), dtype=bool)
    held[instance.items] = True
    return int(instance.weights[held].sum())


def _target(coverage: float, reachable: int) -> float:
    return coverage * reachable - max(_EPSILON * reachable, 0.5 if reachable > 1 else 0.0)


def _gains(instance: Packed, left: Ints) -> Ints:
    """What each candidate adds, given what is ``left`` of each item's weight."""
    import numpy as np

    sums = np.zeros(len(instance.items) + 1, dtype=np.int64)
    np.cumsum(left[instance.items], out=sums[1:])
    return np.diff(sums[instance.starts])


def _holders(instance: Packed) -> tuple[Ints, Ints]:
    """For each item the candidates that hold it: ``holders[first[item]:first[item + 1]]``."""
    import numpy as np

    count = max(len(instance.starts) - 1, 1)
    owner = np.repeat(np.arange(len(instance.starts) - 1), np.diff(instance.starts))
    first = np.zeros(len(instance.weights) + 1, dtype=np.int64)
    np.cumsum(np.bincount(instance.items, minlength=len(instance.weights)), out=first[1:])
    both = instance.items * count + owner
    both.sort()
    return both % count, first


def _dense(weights: Sequence[float] | Mapping[int, float]) -> Sequence[float]:
    if isinstance(weights, Mapping):
        return [weights.get(i, 0.0) for i in range(max(weights, default=-1) + 1)]
    return weights
