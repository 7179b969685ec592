"""Candidate clusters in flat arrays, so that another threshold, size or coverage needs only a mask and a selection.

Each candidate was grown tool by tool, and every prefix of that order is connected. So a stricter threshold or a smaller
size keeps a prefix: the candidate ends before the first tool that no usable edge joins to an earlier one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from tdlab.clusters.candidates import ClusterCandidate
from tdlab.clusters.coverage import Packed, Selection, fixed_point, select_packed
from tdlab.clusters.dependencies import DependencyGraph

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["CandidateArrays", "Choice"]


class Choice(NamedTuple):
    """The chosen candidates, cut to the requested size: ``members[i]`` has the tools and edges of the i-th choice.

    ``candidates`` counts the candidates that were available, and ``reached`` the tools in any of them.
    """

    selection: Selection
    members: tuple[ClusterCandidate, ...]
    candidates: int
    reached: int


class CandidateArrays:
    """All candidates over a graph's tools and edges.

    ``items`` are tools, then edges with the number of tools added; an item belongs to a candidate's first ``n`` tools
    if its ``rank`` is below ``n``. ``ends`` has the two tools of each edge, ``strength`` its score (2 for ties of
    companions, which no threshold removes), and ``score`` the same for each item (2 for tools). An echo joins no tool
    to a candidate. ``exempt`` marks candidates that may have fewer than ``min_tools``.
    """

    def __init__(
        self,
        graph: DependencyGraph,
        candidates: Sequence[ClusterCandidate],
        *,
        tool_weights: Sequence[float],
        edge_weights: Sequence[float],
        exempt: Sequence[bool] = (),
    ) -> None:
        import numpy as np

        self.tools = len(graph.tools)
        count = len(candidates)
        index = {key: i for i, key in enumerate(graph.tools)}
        ends = np.array([(index[e.source], index[e.target]) for e in graph.edges], dtype=np.int64).reshape(-1, 2)
        self.ends: NDArray[np.int64] = ends
        strength = np.array([2.0 if e.kind == "companion" else e.score for e in graph.edges], dtype=np.float64)
        joining = np.where([e.kind == "echo" for e in graph.edges], -1.0, strength)
        self.strength: NDArray[np.float64] = strength
        n_tools = np.array([len(c.tools) for c in candidates], dtype=np.int64)
        n_edges = np.array([len(c.edges) for c in candidates], dtype=np.int64)
        order = np.array([t for c in candidates for t in c.order or c.tools], dtype=np.int64)
        edges = np.array([e for c in candidates for e in c.edges], dtype=np.int64)
        first = np.zeros(count + 1, dtype=np.int64)
        np.cumsum(n_tools, out=first[1:])
        owner_t, owner_e = np.repeat(np.arange(count), n_tools), np.repeat(np.arange(count), n_edges)
        rank = np.arange(len(order)) - first[owner_t]
        by_key = owner_t * max(self.tools, 1) + order
        sorting = by_key.argsort()
        end_positions = [
            sorting[np.searchsorted(by_key, owner_e * max(self.tools, 1) + ends[edges, side], sorter=sorting)]
            for side in (0, 1)
        ]
        later = np.maximum(*end_positions)
        joined = np.full(len(order), -1.0)
        joined[rank == 0] = 2.0
        np.maximum.at(joined, later, joining[edges])
        owner = np.concatenate([owner_t, owner_e])
        sorting = owner.argsort(kind="stable")
        self.owner: NDArray[np.int64] = owner[sorting]
        self.items: NDArray[np.int64] = np.concatenate([order, edges + self.tools])[sorting]
        self.rank: NDArray[np.int64] = np.concatenate([rank, rank[later]])[sorting]
        self.score: NDArray[np.float64] = np.concatenate([np.full(len(order), 2.0), strength[edges]])[sorting]
        self._first, self._joined, self._tool_rank, self._sizes = first, joined, rank, n_tools
        self.exempt: NDArray[np.bool_] = np.zeros(count, dtype=bool)
        self.exempt[: len(exempt)] = exempt
        self.weights, self.scale = fixed_point([*tool_weights, *edge_weights])

    def __len__(self) -> int:
        return len(self._sizes)

    def choose(
        self,
        *,
        edge_threshold: float,
        min_tools: int,
        max_tools: int,
        coverage: float,
        max_clusters: int | None,
        every_tool: bool = False,
    ) -> Choice:
        """Cut every candidate, drop those that become too small, and select among the rest.

        With ``every_tool``, selection continues beyond ``coverage`` until every tool that can be covered is covered.
        """
        import numpy as np

        count = len(self)
        if not count:
            return Choice(Selection((), (), 0.0, 0.0), (), 0, 0)
        stop = np.where(self._joined >= edge_threshold, np.iinfo(np.int64).max, self._tool_rank)
        length = np.minimum(np.minimum.reduceat(stop, self._first[:-1]), np.minimum(self._sizes, max_tools))
        length[(length < min_tools) & ~self.exempt] = 0
        kept = (self.rank < length[self.owner]) & (self.score >= edge_threshold)
        owner, items = self.owner[kept], self.items[kept]
        starts = np.zeros(count + 1, dtype=np.int64)
        np.cumsum(np.bincount(owner, minlength=count), out=starts[1:])
        instance = Packed(starts, items, self.weights, self.scale)
        selection = select_packed(instance, coverage=1.0 if every_tool else coverage, max_clusters=max_clusters)
        if every_tool:
            selection = _enough(selection, instance, coverage, self.tools)
        members = []
        for i in selection.chosen:
            covered = items[starts[i] : starts[i + 1]].tolist()
            tools = sorted(item for item in covered if item < self.tools)
            edges = sorted(item - self.tools for item in covered if item >= self.tools)
            members.append(ClusterCandidate(tuple(tools), tuple(edges)))
        held = np.zeros(len(self.weights), dtype=bool)
        held[items] = True
        return Choice(selection, tuple(members), int((length > 0).sum()), int(held[: self.tools].sum()))


def _enough(selection: Selection, instance: Packed, coverage: float, tools: int) -> Selection:
    """Return the prefix of a complete selection that reaches the coverage and every tool that the whole covers."""
    seen: set[int] = set()
    last = 0
    for count, i in enumerate(selection.chosen, start=1):
        new = {t for t in instance.items[instance.starts[i] : instance.starts[i + 1]].tolist() if t < tools} - seen
        if any(instance.weights[tool] for tool in new):
            last = count
        seen |= new
    share = next((n for n, value in enumerate(selection.curve, start=1) if value >= coverage - 1e-9), 0)
    kept = max(last, share)
    objective = selection.curve[kept - 1] * selection.reachable if kept else 0.0
    return Selection(selection.chosen[:kept], selection.curve[:kept], objective, selection.reachable)
