"""The diversity of any trajectory file, and of several at equal N and at equal coverage."""

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
    """A meter filled with a set. ``tools`` and ``domains`` add to, and win over, what the set itself brings.

    ``categories`` is the number of domains there are, for the gauge of H_dom. A `TrajectoryStream` is read conversation
    by conversation; what stays in memory are the counts.
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
    """The diversity of a set that was read from a file.

    Without ``domains`` a service's domain is what the reader made of it (the service's own name, if nothing classified
    it), and then H_dom is an entropy over services. ``categories`` is as in `compare`. Coverage is measured against the
    tools the set defines, where it defines any, and against ``dependencies`` where they are given. ``rarefy_to`` is the
    common number of trajectories; see `compare` for several sets.
    """
    known = {**trajectories.tools, **(tools or {})}
    return measure(trajectories, tools=tools, domains=domains, weights=weights).report(
        seed=seed,
        categories=categories,
        tools=known or None,
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
    """Reports of several sets, each rarefied to one common N: ``rarefy_to``, else the size of the smallest set.

    Each entropy is also given at one sample coverage, the highest that all the sets reach (`common_coverage`). Only
    these two, ``rarefied`` and ``covered``, compare across sets of different sizes. Sets without trajectories set
    neither.

    ``categories`` sets the ceiling of H_dom. It is the number of domains there are, or their names, such as
    `taxonomy_domains` (37: the taxonomy's 36 and "other"), to which those that a set has besides are added for it, so
    that no set lies above its ceiling and what is said of one does not depend on the others. Unknown (None), the
    ceiling is what N sets.
    """
    edges = None if dependencies is None else tuple(dependencies)
    meters = {name: measure(one, tools=tools, domains=domains, weights=weights) for name, one in sets.items()}
    common = rarefy_to if rarefy_to is not None else min((len(m) for m in meters.values() if len(m)), default=None)
    counts = [meter.counts() for meter in meters.values()]
    cover = {name: common_coverage(one[name] for one in counts) for name in (counts[0] if counts else ())}
    return {
        name: meter.report(
            seed=seed,
            categories=categories,
            tools={**sets[name].tools, **(tools or {})} or None,
            dependencies=edges,
            rarefy_to=common,
            cover_to=cover,
            replicates=replicates,
        )
        for name, meter in meters.items()
    }
