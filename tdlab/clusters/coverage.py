"""Weighted maximum coverage over tools and dependency edges: a greedy algorithm with linear work, and its references.

The objective of a set of candidates is the weight of all tools and edges that they cover. It is monotone and
submodular, so greedy choice reaches at least (1 - 1/e) of the best set of the same size (Nemhauser, Wolsey and Fisher
1978).

`select` keeps every gain exact instead of bounding it. When an item is covered, its weight is subtracted from the gains
of the candidates that contain it; each item is covered once, so this work visits each incidence once. The largest gain
is found lazily (Minoux 1978) over blocks of candidates: a block's earlier maximum bounds its current one. Weights are
integers (decimal fixed point), so that sums are exact and do not depend on the order of addition.
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
"""Decimal places of a weight; fewer if the sum of all weights would not fit into 60 bits."""
_EPSILON = 1e-12


class Coverable(Protocol):
    """A candidate: the indices of the tools and edges that it covers."""

    @property
    def tools(self) -> Sequence[int]:
        """Indices of the covered tools, each once."""

    @property
    def edges(self) -> Sequence[int]:
        """Indices of the covered edges, each once."""


class Selection(NamedTuple):
    """A selection of candidates.

    ``chosen`` has the indices of the chosen candidates, in order of choice. ``curve[i]`` is the covered share of the
    reachable weight after i + 1 choices. ``objective`` is the covered weight, and ``reachable`` the weight that all
    candidates together cover.
    """

    chosen: tuple[int, ...]
    curve: tuple[float, ...]
    objective: float
    reachable: float


class Packed(NamedTuple):
    """A problem in flat arrays: candidate ``i`` covers ``items[starts[i]:starts[i + 1]]``, tools before edges.

    ``weights`` are integers, in units of 1 / ``scale``.
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
    """Convert candidates to flat arrays. Weights are non-negative and finite, indexed by tool and by edge."""
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
    """Convert weights to integers and their scale, with as many exact decimal places as 60 bits of their sum allow."""
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
    """Choose candidates greedily by the weight that each adds, like `naive_greedy` but in near-linear time.

    Ties go to the lower index. A candidate that adds nothing is never chosen.

    Args:
        candidates: The candidates, each with the indices of its tools and edges.
        tool_weights: Weight of covering each tool, by index; non-negative.
        edge_weights: Weight of covering each edge, by index; non-negative.
        coverage: Stop at this share of the reachable weight, in [0, 1].
        max_clusters: Stop at this number of candidates; None for no limit.

    Returns:
        The selection.

    Example:
        >>> candidates = [ClusterCandidate((0, 1), ()), ClusterCandidate((1, 2), (0,)), ClusterCandidate((2,), ())]
        >>> select(candidates, tool_weights=[1.0, 1.0, 1.0], edge_weights=[0.5]).chosen
        (1, 0)
    """
    return select_packed(pack(candidates, tool_weights, edge_weights), coverage=coverage, max_clusters=max_clusters)


def select_packed(instance: Packed, *, coverage: float = 1.0, max_clusters: int | None = None) -> Selection:
    """Select among the candidates of a problem in flat arrays, as `select` does."""
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
        column = int(row.argmax())
        gain = int(row[column])
        if gain < bound[block]:
            bound[block] = gain
            continue
        if gain <= 0:
            break
        index = block * width + column
        new = items[begins[index] : begins[index + 1]]
        new = new[left[new] > 0]
        begin, size = first[new], first[new + 1] - first[new]
        incidences = np.arange(size.sum()) + np.repeat(begin - (size.cumsum() - size), size)
        np.subtract.at(padded, holders[incidences], np.repeat(left[new], size))
        left[new] = 0
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
    """Choose candidates greedily with every gain computed in every round: the reference for `select`.

    The time is quadratic in the number of candidates.

    Args:
        candidates: The candidates, each with the indices of its tools and edges.
        tool_weights: Weight of covering each tool, by index; non-negative.
        edge_weights: Weight of covering each edge, by index; non-negative.
        coverage: Stop at this share of the reachable weight, in [0, 1].
        max_clusters: Stop at this number of candidates; None for no limit.

    Returns:
        The selection, the same as that of `select`.

    Example:
        >>> candidates = [ClusterCandidate((0, 1), ()), ClusterCandidate((1, 2), (0,)), ClusterCandidate((2,), ())]
        >>> naive_greedy(candidates, [1.0, 1.0, 1.0], [0.5]) == select(candidates, [1.0, 1.0, 1.0], [0.5])
        True
    """
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
    """Return the coverage of candidates in random order, for comparison with `select`.

    Args:
        candidates: The candidates, each with the indices of its tools and edges.
        tool_weights: Weight of covering each tool, by index; non-negative.
        edge_weights: Weight of covering each edge, by index; non-negative.
        seed: Seed of the order.
        max_clusters: Number of candidates to take; None for all.

    Returns:
        The covered share of the reachable weight after each candidate, in [0, 1].

    Example:
        >>> candidates = [ClusterCandidate((0, 1), ()), ClusterCandidate((1, 2), (0,)), ClusterCandidate((2,), ())]
        >>> random_curve(candidates, [1.0, 1.0, 1.0], [0.5], seed=0)[-1]
        1.0
    """
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
    """Return the weight that each candidate adds, given the weight ``left`` of each item."""
    import numpy as np

    sums = np.zeros(len(instance.items) + 1, dtype=np.int64)
    np.cumsum(left[instance.items], out=sums[1:])
    return np.diff(sums[instance.starts])


def _holders(instance: Packed) -> tuple[Ints, Ints]:
    """Return the candidates that contain each item: ``holders[first[item]:first[item + 1]]``."""
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
