"""From a pool to its selected Business Clusters: dependencies, candidates, maximum coverage, and a report of it all."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from tdlab.clusters._companions import companions
from tdlab.clusters._words import entity_words
from tdlab.clusters.candidates import Candidate, grow
from tdlab.clusters.coverage import Selection, select
from tdlab.clusters.dependencies import DependencyGraph, Pool, _services, mine_dependencies
from tdlab.config import ClusterConfig
from tdlab.records import BusinessCluster, Domains, Service, digest

if TYPE_CHECKING:
    import pandas

__all__ = ["Mined", "mine"]

_SCHEMA_WEIGHT = {"live": 1.0, "bundled": 1.0, "published": 1.0, "scraped": 0.8, "none": 0.4}
_UNKNOWN_DOMAIN = "other"


class Mined(NamedTuple):
    """What mining found. ``clusters`` are in order of choice; ``report`` is JSON-able, its ``seconds`` kept apart."""

    clusters: tuple[BusinessCluster, ...]
    dependencies: DependencyGraph
    selection: Selection
    report: dict[str, Any]
    seconds: dict[str, float]

    def to_frame(self) -> pandas.DataFrame:
        """One row a cluster: id, title, tools, services, dependencies, depth, domain (the largest), domains."""
        import pandas as pd

        return pd.DataFrame(
            [
                {
                    "id": cluster.id,
                    "title": cluster.title,
                    "tools": len(cluster.tools),
                    "services": len({key.rsplit("/", 1)[0] for key in cluster.tools}),
                    "dependencies": len(cluster.dependencies),
                    "depth": _depth(cluster),
                    "domain": max(cluster.domains, key=lambda d: (cluster.domains[d], d), default=""),
                    "domains": cluster.domains,
                }
                for cluster in self.clusters
            ],
            columns=["id", "title", "tools", "services", "dependencies", "depth", "domain", "domains"],
        )

    def summary(self) -> str:
        """The report in a few lines of plain text."""
        r = self.report
        lines = [
            f"{r['services']} services, {r['tools']} tools",
            f"{r['in_service']} dependencies in services, {r['cross_service']} across, {r['companions']} companions",
            f"{r['candidates']} candidates, {r['clusters']} clusters chosen",
            f"tools covered: {r['tools_covered']} ({r['tool_coverage']:.1%})",
            f"tools with an input schema covered: {r['schema_tool_coverage']:.1%}",
            f"dependencies covered: {r['dependencies_covered']} ({r['edge_coverage']:.1%})",
        ]
        lines += [f"note: {note}" for note in r["notes"]]
        return "\n".join(lines)


def mine(
    pool: Pool,
    config: ClusterConfig | None = None,
    *,
    seed: int = 0,
    on_progress: Callable[[str, float], None] | None = None,
) -> Mined:
    """Mine the pool's Business Clusters. ``on_progress(stage, share done)`` is called as stages end.

    Where no set of ``min_tools`` connected tools exists in the whole pool, clusters are made of what there is, down to
    one tool, and the report's ``notes`` say so. The result depends on the pool, the config and the seed alone.
    """
    config = config or ClusterConfig()
    tell = on_progress or (lambda stage, share: None)
    seconds: dict[str, float] = {}
    services = {service.name: service for service in sorted(_services(pool), key=lambda s: s.name)}
    began = time.perf_counter()
    graph = mine_dependencies(pool, threshold=config.edge_threshold)
    reached = {key for edge in graph.edges for key in (edge.source, edge.target)}
    ties = companions(services.values(), reached)
    if ties:
        graph = DependencyGraph([*graph.edges, *ties], graph.tools, {**graph.report, "companions": len(ties)})
    seconds["dependencies"] = time.perf_counter() - began
    tell("dependencies", 0.5)
    began = time.perf_counter()
    notes: list[str] = []
    candidates: tuple[Candidate, ...] = ()
    fewest = config.min_tools
    while not candidates and fewest >= 1 and graph.tools:
        candidates = grow(
            graph, min_tools=fewest, max_tools=config.max_tools, per_tool=config.candidates_per_tool, seed=seed
        )
        if not candidates:
            fewest -= 1
    if candidates and fewest < config.min_tools:
        notes.append(
            f"no {config.min_tools} tools of this pool belong together: clusters of {fewest} or more were made instead"
        )
    if not graph.tools:
        notes.append("the pool has no tools: no cluster was made")
    seconds["candidates"] = time.perf_counter() - began
    tell("candidates", 0.8)
    began = time.perf_counter()
    tools = pool.tools
    owner = {tool.key: service for service in services.values() for tool in service.tools}
    weights = [config.tool_weight * _weight_of(tools[key].input_schema, owner[key]) for key in graph.tools]
    edge_weights = [config.edge_weight * edge.score if edge.parameter else 0.0 for edge in graph.edges]
    chosen = select(candidates, weights, edge_weights, coverage=config.coverage, max_clusters=config.max_clusters)
    seconds["selection"] = time.perf_counter() - began
    tell("selection", 0.95)
    clusters = tuple(_cluster(candidates[i], graph, pool, owner) for i in chosen.chosen)
    report = _report(graph, candidates, chosen, clusters, services, pool, notes)
    tell("done", 1.0)
    return Mined(clusters, graph, chosen, report, {k: round(v, 3) for k, v in seconds.items()})


def _weight_of(input_schema: dict[str, Any], service: Service) -> float:
    quality = _SCHEMA_WEIGHT[service.schema_quality]
    return quality if input_schema.get("properties") else min(quality, 0.4)


def _cluster(candidate: Candidate, graph: DependencyGraph, pool: Pool, owner: dict[str, Service]) -> BusinessCluster:
    keys = tuple(graph.tools[i] for i in candidate.tools)
    edges = tuple(graph.edges[e] for e in candidate.edges)
    return BusinessCluster(
        id=digest("cluster", list(keys), [[e.source, e.target, e.parameter] for e in edges]),
        tools=keys,
        dependencies=edges,
        domains=_domains(keys, owner),
        title=_title(keys, pool, owner),
    )


def _domains(keys: Sequence[str], owner: dict[str, Service]) -> Domains:
    """A mass of 1 split evenly over the tools, each share over the domains of the tool's service."""
    mass: Counter[str] = Counter()
    for key in keys:
        own = owner[key].domains or {_UNKNOWN_DOMAIN: 1.0}
        total = sum(own.values()) or 1.0
        for domain, share in own.items():
            mass[domain] += share / total / len(keys)  # type: ignore[assignment]
    return {domain: round(mass[domain], 6) for domain in sorted(mass)}


def _title(keys: Sequence[str], pool: Pool, owner: dict[str, Service]) -> str:
    """``Harbor Ledger: invoice, customer`` : the services with the most tools and the entities named most."""
    homes = Counter(owner[key].title or owner[key].name for key in keys)
    entities = Counter(word for key in keys if (word := " ".join(entity_words(pool.tools[key])[-2:])))
    places = [name for name, _ in sorted(homes.items(), key=lambda x: (-x[1], x[0]))]
    nouns = [noun for noun, _ in sorted(entities.items(), key=lambda x: (-x[1], x[0]))[:3]]
    where = " + ".join(places[:2]) + (f" and {len(places) - 2} more" if len(places) > 2 else "")
    return f"{where}: {', '.join(nouns)}" if nouns else where


def _depth(cluster: BusinessCluster) -> int:
    """Edges on the longest shortest path between two tools of the cluster, along dependencies."""
    after: dict[str, set[str]] = {}
    for edge in cluster.dependencies:
        after.setdefault(edge.source, set()).add(edge.target)
    deepest = 0
    for start in cluster.tools:
        seen, layer, depth = {start}, [start], 0
        while layer:
            layer = sorted({t for s in layer for t in after.get(s, ()) if t not in seen})
            seen.update(layer)
            depth += bool(layer)
        deepest = max(deepest, depth)
    return deepest


def _report(
    graph: DependencyGraph,
    candidates: Sequence[Candidate],
    chosen: Selection,
    clusters: Sequence[BusinessCluster],
    services: dict[str, Service],
    pool: Pool,
    notes: list[str],
) -> dict[str, Any]:
    covered = {i for c in chosen.chosen for i in candidates[c].tools}
    edges = {e for c in chosen.chosen for e in candidates[c].edges}
    with_schema = {i for i, key in enumerate(graph.tools) if pool.tools[key].input_schema.get("properties")}
    reachable = {i for candidate in candidates for i in candidate.tools}
    sizes = Counter(len(cluster.tools) for cluster in clusters)
    domains: Counter[str] = Counter()
    for cluster in clusters:
        domains.update(cluster.domains)
    return {
        "services": len(services),
        "tools": len(graph.tools),
        "tools_with_schema": len(with_schema),
        "dependencies": len(graph.edges),
        "in_service": graph.report.get("in_service", 0),
        "cross_service": graph.report.get("cross_service", 0),
        "companions": graph.report.get("companions", 0),
        "dependency_report": graph.report,
        "candidates": len(candidates),
        "clusters": len(clusters),
        "sizes": {str(size): sizes[size] for size in sorted(sizes)},
        "tools_in_no_candidate": len(graph.tools) - len(reachable),
        "tools_covered": len(covered),
        "tool_coverage": len(covered) / len(graph.tools) if graph.tools else 0.0,
        "schema_tool_coverage": len(covered & with_schema) / len(with_schema) if with_schema else 0.0,
        "dependencies_covered": len(edges),
        "edge_coverage": len(edges) / len(graph.edges) if graph.edges else 0.0,
        "objective": chosen.objective,
        "weight_coverage": chosen.curve[-1] if chosen.curve else 0.0,
        "domains": {domain: round(domains[domain], 4) for domain in sorted(domains)},
        "notes": notes,
    }
