"""The diversity of a trajectory file, and of several files at equal N and at equal coverage."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from tdlab.diversity.complexity import CacWeights
from tdlab.diversity.equal_coverage import common_coverage
from tdlab.diversity.metrics import DiversityMeter, featurise
from tdlab.diversity.report import DiversityReport
from tdlab.formats import TrajectorySet, TrajectoryStream
from tdlab.records import Dependency, Domains, Tool

__all__ = ["compare", "measure", "profile"]


def measure(
    trajectories: TrajectorySet | TrajectoryStream,
    *,
    tools: Mapping[str, Tool] | None = None,
    domains: Mapping[str, Domains] | None = None,
    categories: int | None = None,
    weights: CacWeights | None = None,
) -> DiversityMeter:
    """Count a set of trajectories in a new meter. A stream is read one trajectory at a time.

    Args:
        trajectories: The set, or a stream.
        tools: Definitions of tools by key, added to those of the set; they override those of the set.
        domains: Domains of services, added to those of the set; they override those of the set.
        categories: Number of domains that exist, for the gauge of H_dom.
        weights: Weights of the components of CAC; all 1 by default.

    Returns:
        The meter.

    Example:
        >>> from tdlab.formats import read_trajectories
        >>> len(measure(read_trajectories("runs/first/dataset.jsonl")))
        12
    """
    known_tools = {**trajectories.tools, **(tools or {})}
    known_domains = {**trajectories.domains, **(domains or {})}
    meter = DiversityMeter(domain_categories=categories)
    for trajectory in trajectories.trajectories:
        meter.add(featurise(trajectory, known_tools, known_domains, weights=weights))
    return meter


def profile(
    trajectories: TrajectorySet | TrajectoryStream,
    *,
    tools: Mapping[str, Tool] | None = None,
    domains: Mapping[str, Domains] | None = None,
    dependencies: Iterable[Dependency] | None = None,
    categories: int | Collection[str] | None = None,
    weights: CacWeights | None = None,
    seed: int = 0,
    rarefy_to: int | None = None,
    replicates: int = 1000,
) -> DiversityReport:
    """Report the diversity of one set of trajectories. For several sets use `compare`.

    Coverage is measured against the tools that the set defines, if any, and against ``dependencies``.

    Args:
        trajectories: The set, or a stream.
        tools: Definitions of tools by key, added to those of the set.
        domains: Domains of services, added to those of the set. A service without known domains is a domain of its own,
            so that H_dom is then an entropy over services.
        dependencies: Dependencies that could be used, for coverage.
        categories: Number or names of the domains that exist, as in `compare`.
        weights: Weights of the components of CAC; all 1 by default.
        seed: Seed of the intervals.
        rarefy_to: Number of trajectories to rarefy to.
        replicates: Number of redrawn samples of an interval.

    Returns:
        The report.

    Raises:
        ConfigError: An option is out of range.

    Example:
        >>> from tdlab.formats import read_trajectories
        >>> profile(read_trajectories("runs/first/dataset.jsonl"), replicates=20).trajectories
        12
    """
    known_tools = {**trajectories.tools, **(tools or {})}
    return measure(trajectories, tools=tools, domains=domains, weights=weights).report(
        seed=seed,
        categories=categories,
        tools=known_tools or None,
        dependencies=dependencies,
        rarefy_to=rarefy_to,
        replicates=replicates,
    )


def compare(
    sets: Mapping[str, TrajectorySet | TrajectoryStream],
    *,
    tools: Mapping[str, Tool] | None = None,
    domains: Mapping[str, Domains] | None = None,
    dependencies: Iterable[Dependency] | None = None,
    categories: int | Collection[str] | None = None,
    weights: CacWeights | None = None,
    seed: int = 0,
    rarefy_to: int | None = None,
    replicates: int = 1000,
) -> dict[str, DiversityReport]:
    """Report the diversity of several sets, at one common N and at one common sample coverage.

    The common coverage is the highest that all sets reach (`common_coverage`). Only the fields ``rarefied`` and
    ``covered`` can be compared across sets of different sizes. Sets without trajectories influence neither.

    Args:
        sets: The sets, or streams, by name.
        tools: Definitions of tools by key, added to those of each set.
        domains: Domains of services, added to those of each set.
        dependencies: Dependencies that could be used, for coverage.
        categories: The domains that exist, for the ceiling of H_dom: their number, or their names, such as
            `taxonomy_domains`. Domains that a set has outside these names are added for that set, so that no set
            exceeds its ceiling and no report depends on the other sets. None: the ceiling is log2 N.
        weights: Weights of the components of CAC; all 1 by default.
        seed: Seed of the intervals.
        rarefy_to: The common N; by default the size of the smallest set.
        replicates: Number of redrawn samples of an interval.

    Returns:
        A report for each set, by name.

    Raises:
        ConfigError: An option is out of range.

    Example:
        >>> from tdlab.formats import TrajectorySet, read_trajectories
        >>> whole = read_trajectories("runs/first/dataset.jsonl")
        >>> reports = compare({"all": whole, "half": TrajectorySet(whole.trajectories[:6])}, replicates=20)
        >>> reports["all"].domain.rarefied_to
        6
    """
    edges = None if dependencies is None else tuple(dependencies)
    meters = {
        name: measure(trajectories, tools=tools, domains=domains, weights=weights)
        for name, trajectories in sets.items()
    }
    common_size = rarefy_to if rarefy_to is not None else min((len(m) for m in meters.values() if len(m)), default=None)
    counts = [meter.counts() for meter in meters.values()]
    common_coverages = {name: common_coverage(each[name] for each in counts) for name in (counts[0] if counts else ())}
    return {
        name: meter.report(
            seed=seed,
            categories=categories,
            tools={**sets[name].tools, **(tools or {})} or None,
            dependencies=edges,
            rarefy_to=common_size,
            cover_to=common_coverages,
            replicates=replicates,
        )
        for name, meter in meters.items()
    }
