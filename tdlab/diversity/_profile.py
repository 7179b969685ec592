"""The diversity of any trajectory file, and of several at equal N."""

from __future__ import annotations

from collections.abc import Mapping

from tdlab.diversity.complexity import CacWeights
from tdlab.diversity.metrics import DiversityMeter, featurise
from tdlab.diversity.report import DiversityReport
from tdlab.records import Domains, Tool
from tdlab.store.formats import TrajectorySet

__all__ = ["compare", "measure", "profile"]


def measure(
    trajectories: TrajectorySet,
    *,
    tools: Mapping[str, Tool] | None = None,
    domains: Mapping[str, Domains] | None = None,
    categories: int | None = None,
    weights: CacWeights | None = None,
) -> DiversityMeter:
    """A meter filled with a set. ``tools`` and ``domains`` add to, and win over, what the set itself brings."""
    known_tools = {**trajectories.tools, **(tools or {})}
    known_domains = {**trajectories.domains, **(domains or {})}
    meter = DiversityMeter(domain_categories=categories)
    for trajectory in trajectories.trajectories:
        meter.add(featurise(trajectory, known_tools, known_domains, weights=weights))
    return meter


def profile(
    trajectories: TrajectorySet,
    *,
    tools: Mapping[str, Tool] | None = None,
    domains: Mapping[str, Domains] | None = None,
    categories: int | None = None,
    weights: CacWeights | None = None,
    seed: int = 0,
    rarefy_to: int | None = None,
    replicates: int = 1000,
) -> DiversityReport:
    """The diversity of a set that was read from a file.

    Without ``domains`` a service's domain is what the reader made of it (the service's own name, if nothing classified
    it), and then H_dom is an entropy over services. Coverage is measured against the tools the set defines, where it
    defines any. ``rarefy_to`` is the common number of trajectories; see `compare` for several sets.
    """
    known = {**trajectories.tools, **(tools or {})}
    return measure(trajectories, tools=tools, domains=domains, categories=categories, weights=weights).report(
        seed=seed, tools=known or None, rarefy_to=rarefy_to, replicates=replicates
    )


def compare(
    sets: Mapping[str, TrajectorySet],
    *,
    tools: Mapping[str, Tool] | None = None,
    domains: Mapping[str, Domains] | None = None,
    categories: int | None = None,
    weights: CacWeights | None = None,
    seed: int = 0,
    rarefy_to: int | None = None,
    replicates: int = 1000,
) -> dict[str, DiversityReport]:
    """Reports of several sets, each rarefied to one common N: ``rarefy_to``, else the size of the smallest set.

    Only the rarefied values compare across sets of different sizes. Sets without trajectories do not set the common N.
    """
    sizes = [len(one.trajectories) for one in sets.values() if one.trajectories]
    common = rarefy_to if rarefy_to is not None else min(sizes, default=None)
    return {
        name: profile(
            one,
            tools=tools,
            domains=domains,
            categories=categories,
            weights=weights,
            seed=seed,
            rarefy_to=common,
            replicates=replicates,
        )
        for name, one in sets.items()
    }
