"""Dependencies: returned values matched with the parameters that need them, each with its evidence.

A score is the product of five factors in [0, 1]: how certain it is that the source returns the value, how well value
and parameter match (name, entity, type, format), how distinctive the parameter is (its kind, and how rare its name is
among the services of the pool), how much the target needs it, and how natural it is that the target's operation follows
the source's. Explicit mentions ("call X first") raise the score. The factors are judgements of this project, made in
advance and not fitted; `tests/benchmarks/dependencies.py` measures them against recorded dataflow. Most of them are
settings (`tdlab.config.ClusterConfig`).

Each edge says what it carries (`tdlab.records.Dependency.kind`): a new value, the value of a context parameter, or an
echo of the source's own arguments. Only the first makes two tools one affair. What the limits on the sources of a
parameter leave out is counted in the report.

The work is near-linear. Inside a service, an inverted index by name and entity matches values with parameters. Across
services only shared real-world entities count, among a bounded number of neighbours (`tdlab.clusters._cross_service`).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from pydantic import Field

from tdlab.clusters._in_service import ServiceMiner
from tdlab.config import ClusterConfig
from tdlab.records import Dependency, DependencyKind, Record, Service, Tool
from tdlab.tools import Returns, normal_name

if TYPE_CHECKING:
    import networkx
    import pandas

__all__ = ["DependencyGraph", "DependencyReport", "Pool", "mine_dependencies"]


class Pool(Protocol):
    """The parts of a tool pool that mining uses."""

    @property
    def services(self) -> tuple[Service, ...]:
        """All services, in any order."""

    @property
    def tools(self) -> Mapping[str, Tool]:
        """Every tool, by key."""


class DependencyReport(Record):
    """The counts of mining dependencies.

    Attributes:
        threshold: The minimum score of a dependency.
        sources_per_parameter: Most sources of a parameter within its service.
        cross_sources_per_parameter: Most sources of a parameter in other services.
        capped: Dependencies beyond these two limits.
        not_compared: Values that were not compared with a parameter.
        in_service: Dependencies within a service.
        cross_service: Dependencies across services.
        companions: Ties between tools of one topic.
        kinds: Kind of dependency -> how many there are.
        context_parameters: Parameters that most tools of a service ask for.
        in_context: Values that were not considered as sources of these parameters.
        weaker: Sources that were not kept, since another source of the parameter is much surer.
        echoes_left_out: Echoes that were not kept, since some tool finds the value out or another echo is as good.
    """

    threshold: float = 0.0
    sources_per_parameter: int = 0
    cross_sources_per_parameter: int = 0
    capped: int = 0
    not_compared: int = 0
    in_service: int = 0
    cross_service: int = 0
    companions: int = 0
    kinds: dict[DependencyKind, int] = Field(default_factory=dict)
    context_parameters: int = 0
    in_context: int = 0
    weaker: int = 0
    echoes_left_out: int = 0

    def left_out(self) -> str:
        """Return in words what the limits on the sources of a parameter left out.

        Example:
            >>> DependencyReport(capped=3, echoes_left_out=1200).left_out()
            '3 sources beyond the limits, 0 weak ones, 1,200 echoes, 0 values of 0 context parameters'
        """
        return (
            f"{self.capped:,} sources beyond the limits, {self.weaker:,} weak ones, {self.echoes_left_out:,} echoes, "
            f"{self.in_context:,} values of {self.context_parameters:,} context parameters"
        )


class DependencyGraph:
    """All dependencies of a pool, one per source, target and parameter, in that order.

    ``report`` has the counts of mining, and of what its limits left out.

    Args:
        edges: The dependencies, in any order.
        tools: Keys of all tools, also of those without a dependency.
        report: The counts of mining.

    Example:
        >>> from tdlab.records import Dependency
        >>> edge = Dependency(source="shop/list_orders", target="shop/get_order", parameter="order_id", score=0.9)
        >>> graph = DependencyGraph([edge], ["shop/get_order", "shop/list_orders"])
        >>> [edge.source for edge in graph.into("shop/get_order")]
        ['shop/list_orders']
    """

    def __init__(
        self, edges: Iterable[Dependency], tools: Iterable[str], report: DependencyReport | None = None
    ) -> None:
        self.edges: tuple[Dependency, ...] = tuple(sorted(edges, key=lambda e: (e.source, e.target, e.parameter)))
        self.tools: tuple[str, ...] = tuple(tools)
        self.report = report or DependencyReport()
        self._into: dict[str, list[Dependency]] = {}
        self._out: dict[str, list[Dependency]] = {}
        for edge in self.edges:
            self._into.setdefault(edge.target, []).append(edge)
            self._out.setdefault(edge.source, []).append(edge)

    def __len__(self) -> int:
        return len(self.edges)

    def into(self, tool: str) -> tuple[Dependency, ...]:
        """Return the edges to a tool, by its key, ordered by source and parameter."""
        return tuple(self._into.get(tool, ()))

    def out_of(self, tool: str) -> tuple[Dependency, ...]:
        """Return the edges from a tool, by its key, ordered by target and parameter."""
        return tuple(self._out.get(tool, ()))

    def pair_scores(self) -> dict[tuple[str, str], float]:
        """Return one score for each pair of source and target, over all parameters that the source can fill.

        The parameters of one call are neither independent nor the same evidence. So the score is the mean of the best
        edge's score and 1 - product(1 - score).
        """
        missing: dict[tuple[str, str], float] = {}
        best: dict[tuple[str, str], float] = {}
        for edge in self.edges:
            pair = (edge.source, edge.target)
            missing[pair] = missing.get(pair, 1.0) * (1.0 - edge.score)
            best[pair] = max(best.get(pair, 0.0), edge.score)
        return {pair: round((best[pair] + 1.0 - product) / 2, 6) for pair, product in missing.items()}

    def to_frame(self) -> pandas.DataFrame:
        """Return a table with one row per edge.

        Its columns are ``source``, ``target``, ``kind``, ``path``, ``parameter``, ``score`` and ``evidence``
        (``kind: detail``, joined by ``; ``).
        """
        import pandas as pd

        return pd.DataFrame(
            {
                "source": [e.source for e in self.edges],
                "target": [e.target for e in self.edges],
                "kind": [e.kind for e in self.edges],
                "path": [".".join(str(part) for part in e.path) for e in self.edges],
                "parameter": [e.parameter for e in self.edges],
                "score": [e.score for e in self.edges],
                "evidence": ["; ".join(f"{x.kind}: {x.detail}" for x in e.evidence) for e in self.edges],
            }
        )

    def graph(self) -> networkx.MultiDiGraph[str]:
        """Return a networkx graph of tool keys; edges are keyed by parameter, with ``score`` and ``dependency``."""
        import networkx as nx

        graph: networkx.MultiDiGraph[str] = nx.MultiDiGraph()
        graph.add_nodes_from(self.tools)
        for edge in self.edges:
            graph.add_edge(edge.source, edge.target, key=edge.parameter, score=edge.score, dependency=edge)
        return graph


def mine_dependencies(pool: Pool, config: ClusterConfig | None = None, *, all_flows: bool = False) -> DependencyGraph:
    """Find which tool returns a value that another tool needs.

    For each parameter of each target, the best ``config.sources_per_parameter`` sources of its own service are kept,
    and the best ``config.across.sources_per_parameter`` of other services. Of sources with equal scores, those about
    the same topic as the target come first.

    Args:
        pool: The tools, by service.
        config: The factors and limits of scoring; the default settings if None.
        all_flows: Keep every flow inside a service, also echoes and context values between siblings, without the limits
            on the sources of a parameter. `DependencyGraph.pair_scores` then ranks all pairs of tools.

    Returns:
        All dependencies with a score of at least ``config.edge_threshold``. In its ``report``, ``capped`` counts
        sources beyond these limits, and ``not_compared`` values beyond the most certain ``2 * sources_per_parameter +
        1``.

    Example:
        >>> from tdlab import ToolPool
        >>> graph = mine_dependencies(ToolPool.bundled())
        >>> len(graph) > len(graph.tools)
        True
        >>> min(edge.score for edge in graph.edges) >= 0.35
        True
    """
    from tdlab.clusters._cross_service import join_services

    config = config or ClusterConfig()
    services = sorted(_services(pool), key=lambda service: service.name)
    distinctness = _distinctness(services, config)
    left_out: Counter[str] = Counter()
    edges: list[Dependency] = []
    returns: dict[str, Returns] = {}
    for service in services:
        if not service.tools:
            continue
        returned = returns[service.name] = Returns(service.tools)
        edges.extend(ServiceMiner(returned, distinctness, config, left_out, all_flows=all_flows).edges())
    in_service = len(edges)
    served = {(e.target, e.parameter) for e in edges if e.kind != "echo" and e.score >= config.served}
    joined = join_services(services, returns, served, config, left_out)
    edges.extend(joined)
    report = DependencyReport(
        threshold=config.edge_threshold,
        sources_per_parameter=config.sources_per_parameter,
        cross_sources_per_parameter=config.across.sources_per_parameter,
        capped=left_out["capped"],
        not_compared=left_out["not_compared"],
        in_service=in_service,
        cross_service=len(joined),
        kinds=dict(sorted(Counter(edge.kind for edge in edges).items())),
        context_parameters=left_out["contexts"],
        in_context=left_out["in_context"],
        weaker=left_out["weak"],
        echoes_left_out=left_out["echoes"],
    )
    return DependencyGraph(edges, sorted(tool.key for service in services for tool in service.tools), report)


def _services(pool: Pool) -> Iterator[Service]:
    services: Any = pool.services
    yield from services.values() if isinstance(services, Mapping) else services


def _distinctness(services: list[Service], config: ClusterConfig) -> dict[str, float]:
    """Return how distinctive each normalised parameter name is, up to 1: the fewer services use it, the more.

    With few services there is nothing to count, and every name counts as fully distinctive.
    """
    if len(services) < max(2, config.few_services):
        return {}
    least, slope = config.matching.common_name, config.matching.rare_name
    seen: Counter[str] = Counter()
    for service in services:
        seen.update({normal_name(name)[0] for tool in service.tools for name in tool.parameters})
    top = math.log(len(services))
    return {
        name: round(least + (1.0 - least) * min(1.0, slope * math.log(len(services) / count) / top), 4)
        for name, count in seen.items()
    }
