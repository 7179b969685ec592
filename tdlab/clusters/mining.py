"""From a pool to its selected Business Clusters: dependencies, candidates, maximum coverage, and a report of it all."""

from __future__ import annotations

import logging
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from tdlab.clusters._candidate_arrays import CandidateArrays, Choice
from tdlab.clusters._topic_links import companions
from tdlab.clusters._topics import tool_topics
from tdlab.clusters.candidates import ClusterCandidate, grow
from tdlab.clusters.coverage import Selection
from tdlab.clusters.dependencies import DependencyGraph, DependencyReport, Pool, _services, mine_dependencies
from tdlab.config import ClusterConfig, SchemaWeights
from tdlab.errors import ConfigError
from tdlab.records import BusinessCluster, Domains, Record, Service, Tool, digest, heaviest
from tdlab.tools import entity_words

if TYPE_CHECKING:
    import pandas

__all__ = ["MiningReport", "MiningResult", "mine"]

_log = logging.getLogger(__name__)
_UNKNOWN_DOMAIN = "other"


class _Basis(NamedTuple):
    """What was mined before anything was chosen: shared by all choices made from it."""

    graph: DependencyGraph
    candidates: tuple[ClusterCandidate, ...]
    weights: tuple[list[float], list[float]]
    grown: CandidateArrays
    services: Mapping[str, Service]
    owner: Mapping[str, Service]
    tools: Mapping[str, Tool]
    config: ClusterConfig
    with_schema: frozenset[int]
    fewest: int
    notes: tuple[str, ...]


class MiningReport(Record):
    """What mining counted, in numbers; the coverages are shares in [0, 1].

    Attributes:
        services: Services of the pool.
        tools: Tools of the pool.
        tools_with_schema: Tools whose input schema has properties.
        edge_threshold: Least score of a dependency that counts.
        dependencies: Dependencies that reach it.
        in_service: Dependencies within a service, whatever their score.
        cross_service: Dependencies across services.
        companions: Pairs joined by topic alone.
        dependency_report: What mining the dependencies counted.
        candidates: Clusters to select from.
        clusters: Clusters selected.
        sizes: Number of tools -> selected clusters of that size.
        tools_in_no_candidate: Tools that could not be covered.
        tools_covered: Tools in a selected cluster.
        tool_coverage: Their share of all tools.
        schema_tool_coverage: The share of the tools with a schema that is covered.
        dependencies_covered: Dependencies within a selected cluster.
        edge_coverage: Their share of all that reach the threshold.
        objective: The weight that the selection covers.
        weight_coverage: Its share of all weight.
        domains: Domain -> clusters, each counted in shares.
        notes: What the reader should know about the choice.
    """

    services: int
    tools: int
    tools_with_schema: int
    edge_threshold: float
    dependencies: int
    in_service: int
    cross_service: int
    companions: int
    dependency_report: DependencyReport
    candidates: int
    clusters: int
    sizes: dict[int, int]
    tools_in_no_candidate: int
    tools_covered: int
    tool_coverage: float
    schema_tool_coverage: float
    dependencies_covered: int
    edge_coverage: float
    objective: float
    weight_coverage: float
    domains: dict[str, float]
    notes: tuple[str, ...]


class MiningResult:
    """What mining found.

    ``dependencies`` is the whole graph, companions included; ``selection`` what was chosen, ``config`` what was asked
    for (with what `reselect` was given); ``seconds`` (stage to wall time) is kept apart from the ``report``. `reselect`
    chooses again in a moment.
    """

    def __init__(
        self,
        basis: _Basis,
        choice: Choice,
        config: ClusterConfig,
        report: MiningReport,
        seconds: dict[str, float],
    ) -> None:
        self._basis = basis
        self._choice = choice
        self.config = config
        self.dependencies: DependencyGraph = basis.graph
        self.selection: Selection = choice.selection
        self.report = report
        self.seconds = seconds

    @property
    def candidates(self) -> tuple[ClusterCandidate, ...]:
        """Every candidate as it was grown; `random_curve` and `naive_greedy` take them with `weights`."""
        return self._basis.candidates

    @property
    def weights(self) -> tuple[list[float], list[float]]:
        """What covering each tool and each edge of `dependencies` weighs: by schema quality, and by score."""
        return self._basis.weights

    @cached_property
    def clusters(self) -> tuple[BusinessCluster, ...]:
        """The chosen clusters, in order of choice; built when first asked for."""
        return tuple(_cluster(members, self._basis) for members in self._choice.members)

    def reselect(
        self,
        *,
        edge_threshold: float | None = None,
        min_tools: int | None = None,
        max_tools: int | None = None,
        coverage: float | None = None,
        max_clusters: int | None = None,
    ) -> MiningResult:
        """Choose anew from the candidates that were grown: no mining, so it serves a slider.

        A candidate is cut before the first tool that no edge scored at least ``edge_threshold`` (or tie of companions)
        joins to the tools added before it, and after ``max_tools`` tools; edges below the threshold are dropped; what
        is left with fewer than ``min_tools`` is not chosen from. What is not given stays as it was mined, so
        ``mined.reselect()`` is ``mined``'s own choice. Mining anew may grow other candidates: where a cut candidate
        ends, growth would have gone on elsewhere. ConfigError for values looser than those mined with; mine once with
        the loosest values that the sliders allow.
        """
        config = self._basis.config
        given = {
            "edge_threshold": edge_threshold,
            "min_tools": min_tools,
            "max_tools": max_tools,
            "coverage": coverage,
            "max_clusters": max_clusters,
        }
        wanted = ClusterConfig.model_validate({**config.model_dump(), **_given(given)})
        for name, looser in (
            ("edge_threshold", wanted.edge_threshold < config.edge_threshold),
            ("min_tools", wanted.min_tools < config.min_tools),
            ("max_tools", wanted.max_tools > config.max_tools),
        ):
            if looser:
                raise ConfigError(
                    f"reselect({name}={getattr(wanted, name)}) asks for more than was mined",
                    expected=f"nothing looser than {name}={getattr(config, name)}",
                    do=f"mine(pool, ClusterConfig({name}={getattr(wanted, name)})) once, then reselect from that",
                )
        return _choose(self._basis, wanted, dict(self.seconds))

    def shapes(self) -> pandas.DataFrame:
        """One row a cluster, in order of choice: tools, dependencies, depth. Quick: no records are built.

        ``depth`` counts the edges on the longest shortest path between two of its tools, along dependencies.
        """
        import pandas as pd

        members = self._choice.members
        return pd.DataFrame(
            {
                "tools": [len(own.tools) for own in members],
                "dependencies": [len(own.edges) for own in members],
                "depth": self._depths,
            }
        )

    @cached_property
    def _depths(self) -> list[int]:
        ends = self._basis.grown.ends
        return [_depth(own.tools, map(tuple, ends[list(own.edges)].tolist())) for own in self._choice.members]

    def to_frame(self) -> pandas.DataFrame:
        """One row a cluster: id, title, tools, services, dependencies, depth, domain (the largest), domains."""
        import pandas as pd

        return pd.DataFrame(
            [
                {
                    "id": cluster.id,
                    "title": cluster.title,
                    "tools": len(cluster.tools),
                    "services": len({self._basis.owner[key].name for key in cluster.tools}),
                    "dependencies": len(cluster.dependencies),
                    "depth": depth,
                    "domain": heaviest(cluster.domains),
                    "domains": cluster.domains,
                }
                for cluster, depth in zip(self.clusters, self._depths, strict=True)
            ],
            columns=["id", "title", "tools", "services", "dependencies", "depth", "domain", "domains"],
        )

    def summary(self) -> str:
        """The report in a few lines of plain text."""
        r = self.report
        lines = [
            f"{r.services} services, {r.tools} tools",
            f"{r.in_service} dependencies in services, {r.cross_service} across, {r.companions} companions",
            f"{r.candidates} candidates, {r.clusters} clusters chosen",
            f"tools covered: {r.tools_covered} ({r.tool_coverage:.1%})",
            f"tools with an input schema covered: {r.schema_tool_coverage:.1%}",
            f"dependencies covered: {r.dependencies_covered} ({r.edge_coverage:.1%})",
        ]
        lines += [f"note: {note}" for note in r.notes]
        return "\n".join(lines)


def mine(
    pool: Pool,
    config: ClusterConfig | None = None,
    *,
    seed: int = 0,
    on_progress: Callable[[str, float], None] | None = None,
) -> MiningResult:
    """Mine the pool's Business Clusters. ``on_progress(stage, share done)`` is called as stages end.

    In a pool of few services, tools that nothing joins into ``min_tools`` form clusters of their own, down to one tool,
    and the report's ``notes`` say so; and where ``config.coverage`` is nearly all, selection goes on until every tool
    of such a pool is in a cluster. Small clusters are made of any pool where no set of ``min_tools`` exists in it. The
    result depends on the pool, the config and the seed alone.
    """
    config = config or ClusterConfig()
    seconds: dict[str, float] = {}
    started = time.perf_counter()

    def tell(stage: str, share: float) -> None:
        _log.info("mining: %s after %.1f s", stage, time.perf_counter() - started)
        if on_progress is not None:
            on_progress(stage, share)

    services = {service.name: service for service in sorted(_services(pool), key=lambda s: s.name)}
    _log.info("mining %d tools of %d services", len(pool.tools), len(services))
    began = time.perf_counter()
    graph = mine_dependencies(pool, config)
    seconds["dependencies"] = time.perf_counter() - began
    tell("dependencies", 0.5)
    began = time.perf_counter()
    topics = {
        tool.key: words
        for service in services.values()
        for tool, words in zip(service.tools, tool_topics(service.tools, config.topics), strict=True)
    }
    ties = companions(tuple(services.values()), graph.edges, config, topics)
    graph = DependencyGraph(
        [*graph.edges, *ties], graph.tools, graph.report.model_copy(update={"companions": len(ties)})
    )
    seconds["companions"] = time.perf_counter() - began
    tell("companions", 0.6)
    began = time.perf_counter()
    owner = {tool.key: service for service in services.values() for tool in service.tools}
    candidates, exempt, fewest, notes = _candidates(graph, config, seed, topics, owner)
    seconds["candidates"] = time.perf_counter() - began
    tell("candidates", 0.85)
    began = time.perf_counter()
    tools = pool.tools
    weights = (
        [config.tool_weight * _weight_of(tools[key].input_schema, owner[key], config.schemas) for key in graph.tools],
        [config.edge_weight * edge.score if edge.parameter else 0.0 for edge in graph.edges],
    )
    with_schema = frozenset(i for i, key in enumerate(graph.tools) if tools[key].input_schema.get("properties"))
    grown = CandidateArrays(graph, candidates, tool_weights=weights[0], edge_weights=weights[1], exempt=exempt)
    basis = _Basis(
        graph, tuple(candidates), weights, grown, services, owner, tools, config, with_schema, fewest, tuple(notes)
    )
    mined = _choose(basis, config, seconds)
    mined.seconds["selection"] = round(time.perf_counter() - began, 3)
    tell("done", 1.0)
    return mined


def _candidates(
    graph: DependencyGraph,
    config: ClusterConfig,
    seed: int,
    topics: Mapping[str, Mapping[str, float]],
    owner: Mapping[str, Service],
) -> tuple[list[ClusterCandidate], list[bool], int, list[str]]:
    """Candidates, which of them may be small, the fewest tools of the others, and notes."""
    notes: list[str] = []
    if not graph.tools:
        return [], [], config.min_tools, ["the pool has no tools: no cluster was made"]
    fewest = config.min_tools
    found: list[ClusterCandidate] = []
    while not found and fewest >= 1:
        found = list(
            grow(
                graph,
                config.model_copy(update={"min_tools": fewest}),
                seed=seed,
                topics=topics,
                services={key: service.name for key, service in owner.items()},
            )
        )
        fewest -= not found
    if fewest < config.min_tools:
        notes.append(
            f"no {config.min_tools} tools of this pool belong together: clusters of {fewest} or more were made instead"
        )
    small: list[ClusterCandidate] = []
    if len({service.name for service in owner.values()}) < config.few_services:
        small = _left_over(graph, found)
        if small:
            tools = sum(len(candidate.tools) for candidate in small)
            notes.append(
                f"{tools} tools that nothing joins to {config.min_tools} became {len(small)} clusters of their own"
            )
    return [*found, *small], [False] * len(found) + [True] * len(small), fewest, notes


def _left_over(graph: DependencyGraph, candidates: Sequence[ClusterCandidate]) -> list[ClusterCandidate]:
    """The tools in no candidate, by what joins them: sets too small to be candidates."""
    reached = {tool for candidate in candidates for tool in candidate.tools}
    place = {key: i for i, key in enumerate(graph.tools)}
    found: list[ClusterCandidate] = []
    for start in range(len(graph.tools)):
        if start in reached:
            continue
        order, todo = [], [start]
        while todo:
            tool = todo.pop(0)
            if tool not in reached:
                reached.add(tool)
                order.append(tool)
                key = graph.tools[tool]
                todo.extend(sorted(place[e.source] for e in graph.into(key)))
                todo.extend(sorted(place[e.target] for e in graph.out_of(key)))
        inside = {graph.tools[tool] for tool in order}
        edges = [i for i, e in enumerate(graph.edges) if e.source in inside and e.target in inside]
        found.append(ClusterCandidate(tuple(sorted(order)), tuple(edges), tuple(order)))
    return found


def _choose(basis: _Basis, config: ClusterConfig, seconds: dict[str, float]) -> MiningResult:
    """Cut, select and report."""
    choice = basis.grown.choose(
        edge_threshold=config.edge_threshold,
        min_tools=basis.fewest if config.min_tools == basis.config.min_tools else config.min_tools,
        max_tools=config.max_tools,
        coverage=config.coverage,
        max_clusters=config.max_clusters,
        every_tool=len(basis.services) < config.few_services and config.coverage >= config.cover_all_from,
    )
    report = _report(basis, choice, config)
    return MiningResult(basis, choice, config, report, {stage: round(value, 3) for stage, value in seconds.items()})


def _given(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _weight_of(input_schema: dict[str, Any], service: Service, weights: SchemaWeights) -> float:
    quality: float = getattr(weights, service.schema_quality)
    return quality if input_schema.get("properties") else min(quality, weights.none)


def _cluster(candidate: ClusterCandidate, basis: _Basis) -> BusinessCluster:
    keys = tuple(basis.graph.tools[i] for i in candidate.tools)
    edges = tuple(basis.graph.edges[e] for e in candidate.edges)
    return BusinessCluster(
        id=digest("cluster", list(keys), [[e.source, e.target, e.parameter] for e in edges]),
        tools=keys,
        dependencies=edges,
        domains=_domains(keys, basis.owner),
        title=_title(keys, basis.tools, basis.owner),
    )


def _domains(keys: Sequence[str], owner: Mapping[str, Service]) -> Domains:
    """A mass of 1 split evenly over the tools, each share over the domains of the tool's service."""
    mass: defaultdict[str, float] = defaultdict(float)
    for key in keys:
        for domain, share in _shares(owner[key]).items():
            mass[domain] += share / len(keys)
    return {domain: round(mass[domain], 6) for domain in sorted(mass)}


def _title(keys: Sequence[str], tools: Mapping[str, Tool], owner: Mapping[str, Service]) -> str:
    """``Harbor Ledger: invoice, customer`` : the services with the most tools and the entities named most."""
    homes = Counter(owner[key].title or owner[key].name for key in keys)
    entities = Counter(word for key in keys if (word := " ".join(entity_words(tools[key])[-2:])))
    places = [name for name, _ in sorted(homes.items(), key=lambda x: (-x[1], x[0]))]
    nouns = [noun for noun, _ in sorted(entities.items(), key=lambda x: (-x[1], x[0]))[:3]]
    where = " + ".join(places[:2]) + (f" and {len(places) - 2} more" if len(places) > 2 else "")
    return f"{where}: {', '.join(nouns)}" if nouns else where


def _depth(tools: Sequence[int], ends: Iterable[tuple[int, int]]) -> int:
    """Edges on the longest shortest path between two tools of a cluster, along its edges (pairs of source and target).

    Sets of tools are the bits of an integer, so that a step from many tools at once is a few operations.
    """
    place = {tool: i for i, tool in enumerate(tools)}
    after = [0] * len(tools)
    for source, target in ends:
        after[place[source]] |= 1 << place[target]
    deepest = 0
    for start in range(len(tools)):
        seen = layer = 1 << start
        depth = -1
        while layer:
            depth += 1
            reached = 0
            while layer:
                reached |= after[(layer & -layer).bit_length() - 1]
                layer &= layer - 1
            layer = reached & ~seen
            seen |= layer
        deepest = max(deepest, depth)
    return deepest


def _report(basis: _Basis, choice: Choice, config: ClusterConfig) -> MiningReport:
    graph = basis.graph
    covered = {i for members in choice.members for i in members.tools}
    edges = {e for members in choice.members for e in members.edges}
    usable = int((basis.grown.strength >= config.edge_threshold).sum())
    with_schema = basis.with_schema
    sizes = Counter(len(members.tools) for members in choice.members)
    mass: defaultdict[str, float] = defaultdict(float)
    for members in choice.members:
        for tool in members.tools:
            mass[basis.owner[graph.tools[tool]].name] += 1.0 / len(members.tools)
    domains: defaultdict[str, float] = defaultdict(float)
    for name in sorted(mass):
        for domain, share in _shares(basis.services[name]).items():
            domains[domain] += mass[name] * share
    return MiningReport(
        services=len(basis.services),
        tools=len(graph.tools),
        tools_with_schema=len(with_schema),
        edge_threshold=config.edge_threshold,
        dependencies=usable,
        in_service=graph.report.in_service,
        cross_service=graph.report.cross_service,
        companions=graph.report.companions,
        dependency_report=graph.report,
        candidates=choice.candidates,
        clusters=len(choice.members),
        sizes={size: sizes[size] for size in sorted(sizes)},
        tools_in_no_candidate=len(graph.tools) - choice.reached,
        tools_covered=len(covered),
        tool_coverage=len(covered) / len(graph.tools) if graph.tools else 0.0,
        schema_tool_coverage=len(covered & with_schema) / len(with_schema) if with_schema else 0.0,
        dependencies_covered=len(edges),
        edge_coverage=len(edges) / usable if usable else 0.0,
        objective=choice.selection.objective,
        weight_coverage=choice.selection.curve[-1] if choice.selection.curve else 0.0,
        domains={domain: round(domains[domain], 4) for domain in sorted(domains)},
        notes=basis.notes,
    )


def _shares(service: Service) -> Domains:
    """A service's domains as shares of 1."""
    own = service.domains or {_UNKNOWN_DOMAIN: 1.0}
    total = sum(own.values()) or 1.0
    return {domain: share / total for domain, share in own.items()}
