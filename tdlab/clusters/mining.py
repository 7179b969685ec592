"""Mining: from a pool to its Business Clusters by dependencies, candidates and maximum coverage, with a report."""

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
    """The result of mining before selection, shared by all selections from it."""

    graph: DependencyGraph
    candidates: tuple[ClusterCandidate, ...]
    weights: tuple[list[float], list[float]]
    arrays: CandidateArrays
    services: Mapping[str, Service]
    owner: Mapping[str, Service]
    tools: Mapping[str, Tool]
    config: ClusterConfig
    with_schema: frozenset[int]
    fewest: int
    notes: tuple[str, ...]


class MiningReport(Record):
    """The counts of mining; coverages are shares in [0, 1].

    Attributes:
        services: Services of the pool.
        tools: Tools of the pool.
        tools_with_schema: Tools whose input schema has properties.
        edge_threshold: The minimum score of a dependency.
        dependencies: Dependencies with at least that score.
        in_service: Dependencies within a service, with any score.
        cross_service: Dependencies across services.
        companions: Ties between tools of one topic.
        dependency_report: The counts of mining the dependencies.
        candidates: Candidate clusters.
        clusters: Selected clusters.
        sizes: Number of tools -> selected clusters of that size.
        tools_in_no_candidate: Tools that no cluster can cover.
        tools_covered: Tools in a selected cluster.
        tool_coverage: Their share of all tools.
        schema_tool_coverage: The share of the tools with a schema that is covered.
        dependencies_covered: Dependencies within a selected cluster.
        edge_coverage: Their share of ``dependencies``.
        objective: The covered weight.
        weight_coverage: Its share of the reachable weight.
        domains: Domain -> number of clusters, with a cluster of several domains counted in shares.
        notes: Exceptions that were made, in words.
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
    """The result of `mine`.

    ``dependencies`` is the whole graph, with the ties of companions. ``selection`` says which candidates were chosen.
    ``config`` has the settings, as changed by `reselect`. ``report`` is a `MiningReport`, and ``seconds`` has
    the wall time of each stage.

    Example:
        >>> from tdlab import ToolPool
        >>> mined = mine(ToolPool.bundled())
        >>> len(mined.to_frame()) == len(mined.clusters) == mined.report.clusters
        True
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
        """All candidates, as they were grown; `select` and `random_curve` take them with `weights`."""
        return self._basis.candidates

    @property
    def weights(self) -> tuple[list[float], list[float]]:
        """The weights of covering each tool (by schema quality) and each edge of `dependencies` (by score)."""
        return self._basis.weights

    @cached_property
    def clusters(self) -> tuple[BusinessCluster, ...]:
        """The chosen clusters, in order of choice; built on first use."""
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
        """Select again from the same candidates, without mining: fast enough for a slider.

        A candidate is cut after ``max_tools`` tools, and before the first tool that no edge of at least
        ``edge_threshold`` (or tie of companions) joins to the tools before it. Then candidates with fewer than
        ``min_tools`` are dropped. Mining again may give other candidates, which would grow on where these are cut.

        Args:
            edge_threshold: Ignore dependencies that score lower.
            min_tools: Fewest tools in a cluster.
            max_tools: Most tools in a cluster.
            coverage: Stop at this share of the reachable weight.
            max_clusters: Stop at this number of clusters.

        Returns:
            Another result. Settings that are None stay as they were mined.

        Raises:
            ConfigError: For a setting that is looser than the mined one. Mine once with the loosest settings.
        """
        config = self._basis.config
        changes = {
            "edge_threshold": edge_threshold,
            "min_tools": min_tools,
            "max_tools": max_tools,
            "coverage": coverage,
            "max_clusters": max_clusters,
        }
        chosen = {name: value for name, value in changes.items() if value is not None}
        wanted = ClusterConfig.model_validate({**config.model_dump(), **chosen})
        for name, looser in (
            ("edge_threshold", wanted.edge_threshold < config.edge_threshold),
            ("min_tools", wanted.min_tools < config.min_tools),
            ("max_tools", wanted.max_tools > config.max_tools),
        ):
            if looser:
                raise ConfigError(
                    f"reselect({name}={getattr(wanted, name)}) is looser than the mined {name}={getattr(config, name)}",
                    expected=f"{name}={getattr(config, name)} or stricter",
                    do=f"mine(pool, ClusterConfig({name}={getattr(wanted, name)}))",
                )
        return _choose(self._basis, wanted, dict(self.seconds))

    def shapes(self) -> pandas.DataFrame:
        """Return the sizes of the clusters as a table, without building the clusters.

        Returns:
            One row per cluster, in order of choice, with the columns ``tools``, ``dependencies`` and ``depth``: the
            number of edges on the longest shortest path between two tools, along dependencies.
        """
        import pandas as pd

        members = self._choice.members
        return pd.DataFrame(
            {
                "tools": [len(cluster.tools) for cluster in members],
                "dependencies": [len(cluster.edges) for cluster in members],
                "depth": self._depths,
            }
        )

    @cached_property
    def _depths(self) -> list[int]:
        ends = self._basis.arrays.ends
        return [_depth(c.tools, map(tuple, ends[list(c.edges)].tolist())) for c in self._choice.members]

    def to_frame(self) -> pandas.DataFrame:
        """Return the clusters as a table.

        Returns:
            One row per cluster, in order of choice, with the columns ``id``, ``title``, ``tools``, ``services``,
            ``dependencies``, ``depth`` (as in `shapes`), ``domain`` (the heaviest) and ``domains``.
        """
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
        """Return the report as a few lines of text."""
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
    """Mine the Business Clusters of a pool.

    In a pool of fewer than ``config.few_services`` services, tools that nothing joins to ``config.min_tools`` others
    form smaller clusters, down to one tool; and if ``config.coverage`` is at least ``config.cover_all_from``, selection
    continues until every tool is in a cluster. A pool without any set of ``config.min_tools`` joined tools gives
    smaller clusters too. The ``notes`` in the report say so.

    Args:
        pool: The tools, by service.
        config: The settings of mining; the default settings if None.
        seed: Seed of the growth of candidates.
        on_progress: Called at the end of each stage, with its name and the share of work done, in [0, 1].

    Returns:
        The clusters, the dependencies and a report. They depend on the pool, the config and the seed only.

    Example:
        >>> from tdlab import ToolPool
        >>> mined = mine(ToolPool.bundled())
        >>> mined.report.tool_coverage
        1.0
        >>> mined.clusters[0].domains
        {'sports-fitness': 1.0}
    """
    config = config or ClusterConfig()
    seconds: dict[str, float] = {}
    started = time.perf_counter()

    def report_progress(stage: str, share: float) -> None:
        _log.info("mining: %s after %.1f s", stage, time.perf_counter() - started)
        if on_progress is not None:
            on_progress(stage, share)

    services = {service.name: service for service in sorted(_services(pool), key=lambda s: s.name)}
    _log.info("mining %d tools of %d services", len(pool.tools), len(services))
    began = time.perf_counter()
    graph = mine_dependencies(pool, config)
    seconds["dependencies"] = time.perf_counter() - began
    report_progress("dependencies", 0.5)
    began = time.perf_counter()
    topics = {
        tool.key: words
        for service in services.values()
        for tool, words in zip(service.tools, tool_topics(service.tools, config.topics), strict=True)
    }
    ties = companions(tuple(services.values()), graph.edges, config, topics)
    kinds = dict(graph.report.kinds)
    if ties:
        kinds["companion"] = len(ties)
    found = graph.report.model_copy(update={"companions": len(ties), "kinds": kinds})
    graph = DependencyGraph([*graph.edges, *ties], graph.tools, found)
    seconds["companions"] = time.perf_counter() - began
    report_progress("companions", 0.6)
    began = time.perf_counter()
    owner = {tool.key: service for service in services.values() for tool in service.tools}
    candidates, exempt, fewest, notes = _candidates(graph, config, seed, topics, owner)
    seconds["candidates"] = time.perf_counter() - began
    report_progress("candidates", 0.85)
    began = time.perf_counter()
    tools = pool.tools
    weights = (
        [config.tool_weight * _weight_of(tools[key].input_schema, owner[key], config.schemas) for key in graph.tools],
        [config.edge_weight * edge.score if edge.kind in ("new", "context") else 0.0 for edge in graph.edges],
    )
    with_schema = frozenset(i for i, key in enumerate(graph.tools) if tools[key].input_schema.get("properties"))
    arrays = CandidateArrays(graph, candidates, tool_weights=weights[0], edge_weights=weights[1], exempt=exempt)
    basis = _Basis(
        graph, tuple(candidates), weights, arrays, services, owner, tools, config, with_schema, fewest, tuple(notes)
    )
    mined = _choose(basis, config, seconds)
    mined.seconds["selection"] = round(time.perf_counter() - began, 3)
    report_progress("done", 1.0)
    return mined


def _candidates(
    graph: DependencyGraph,
    config: ClusterConfig,
    seed: int,
    topics: Mapping[str, Mapping[str, float]],
    owner: Mapping[str, Service],
) -> tuple[list[ClusterCandidate], list[bool], int, list[str]]:
    """Return the candidates, which of them may be small, the minimum size of the others, and notes."""
    notes: list[str] = []
    if not graph.tools:
        return [], [], config.min_tools, ["the pool has no tools, so there are no clusters"]
    fewest = config.min_tools
    candidates: list[ClusterCandidate] = []
    while not candidates and fewest >= 1:
        candidates = list(
            grow(
                graph,
                config.model_copy(update={"min_tools": fewest}),
                seed=seed,
                topics=topics,
                services={key: service.name for key, service in owner.items()},
            )
        )
        fewest -= not candidates
    if fewest < config.min_tools:
        notes.append(f"no {config.min_tools} tools of this pool belong together; clusters may have {fewest}")
    small: list[ClusterCandidate] = []
    if len({service.name for service in owner.values()}) < config.few_services:
        small = _small_candidates(graph, candidates)
        if small:
            tools = sum(len(candidate.tools) for candidate in small)
            notes.append(
                f"{tools} tools that nothing joins to {config.min_tools} form {len(small)} clusters of their own"
            )
    return [*candidates, *small], [False] * len(candidates) + [True] * len(small), fewest, notes


def _small_candidates(graph: DependencyGraph, candidates: Sequence[ClusterCandidate]) -> list[ClusterCandidate]:
    """Return the connected sets of tools that are in no candidate, since they are too small."""
    reached = {tool for candidate in candidates for tool in candidate.tools}
    index = {key: i for i, key in enumerate(graph.tools)}
    small: list[ClusterCandidate] = []
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
                todo.extend(sorted(index[e.source] for e in graph.into(key)))
                todo.extend(sorted(index[e.target] for e in graph.out_of(key)))
        inside = {graph.tools[tool] for tool in order}
        edges = [i for i, e in enumerate(graph.edges) if e.source in inside and e.target in inside]
        small.append(ClusterCandidate(tuple(sorted(order)), tuple(edges), tuple(order)))
    return small


def _choose(basis: _Basis, config: ClusterConfig, seconds: dict[str, float]) -> MiningResult:
    """Cut the candidates, select among them and report."""
    choice = basis.arrays.choose(
        edge_threshold=config.edge_threshold,
        min_tools=basis.fewest if config.min_tools == basis.config.min_tools else config.min_tools,
        max_tools=config.max_tools,
        coverage=config.coverage,
        max_clusters=config.max_clusters,
        every_tool=len(basis.services) < config.few_services and config.coverage >= config.cover_all_from,
    )
    report = _report(basis, choice, config)
    return MiningResult(basis, choice, config, report, {stage: round(value, 3) for stage, value in seconds.items()})


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
    """Split a mass of 1 evenly over the tools, and each share over the domains of the tool's service."""
    mass: defaultdict[str, float] = defaultdict(float)
    for key in keys:
        for domain, share in _shares(owner[key]).items():
            mass[domain] += share / len(keys)
    return {domain: round(mass[domain], 6) for domain in sorted(mass)}


def _title(keys: Sequence[str], tools: Mapping[str, Tool], owner: Mapping[str, Service]) -> str:
    """Return a title such as ``Harbor Ledger: invoice, customer``: the services and entities with the most tools."""
    services = Counter(owner[key].title or owner[key].name for key in keys)
    entities = Counter(word for key in keys if (word := " ".join(entity_words(tools[key])[-2:])))
    names = [name for name, _ in sorted(services.items(), key=lambda x: (-x[1], x[0]))]
    nouns = [noun for noun, _ in sorted(entities.items(), key=lambda x: (-x[1], x[0]))[:3]]
    where = " + ".join(names[:2]) + (f" and {len(names) - 2} more" if len(names) > 2 else "")
    return f"{where}: {', '.join(nouns)}" if nouns else where


def _depth(tools: Sequence[int], ends: Iterable[tuple[int, int]]) -> int:
    """Return the number of edges on the longest shortest path between two tools; ``ends`` are (source, target) pairs.

    Sets of tools are the bits of an integer, so that a step from many tools at once takes few operations.
    """
    bit = {tool: i for i, tool in enumerate(tools)}
    after = [0] * len(tools)
    for source, target in ends:
        after[bit[source]] |= 1 << bit[target]
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
    usable = int((basis.arrays.strength >= config.edge_threshold).sum())
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
    """Return the domains of a service as shares of 1."""
    domains = service.domains or {_UNKNOWN_DOMAIN: 1.0}
    total = sum(domains.values()) or 1.0
    return {domain: share / total for domain, share in domains.items()}
