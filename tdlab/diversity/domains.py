"""Which business domains a trajectory is about: its mass of 1, split over the domains of the services it called.

Every call has an equal share, and a call's share goes to its service's domains in their own proportions. The split is
ours; the paper's is not published.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from functools import lru_cache

from tdlab.diversity._calls import PlayedCall, played, service_of
from tdlab.pool import Taxonomy
from tdlab.records import Domains, Tool, Trajectory

__all__ = ["UNKNOWN_DOMAIN", "domain_mass", "domain_mass_of", "number_of_domains", "taxonomy_domains"]

UNKNOWN_DOMAIN = "other"
"""Where the mass of an unknown service goes; the id of the taxonomy's own unknown domain."""


@lru_cache(maxsize=1)
def taxonomy_domains() -> frozenset[str]:
    """Every domain that the bundled taxonomy can place a service in: its 36, and `UNKNOWN_DOMAIN`; 37 in all."""
    return frozenset({*Taxonomy.bundled().ids, UNKNOWN_DOMAIN})


def number_of_domains(categories: int | Collection[str] | None, seen: Iterable[str]) -> int | None:
    """How many domains there are, for the ceiling of H_dom; None where that is not known.

    ``categories`` is that number, or the domains themselves, such as `taxonomy_domains`: then those that were ``seen``
    besides (a pool's or a file's own) count as well.
    """
    if categories is None or isinstance(categories, int):
        return categories
    return len({*categories, *seen})


def domain_mass(trajectory: Trajectory, tools: Mapping[str, Tool], services: Mapping[str, Domains]) -> Domains:
    """Domain id -> share of the trajectory, sorted by id; the shares sum to 1.

    ``services`` maps a service to its domains; one that is missing, or whose shares are no positive numbers, counts as
    "other". Tools of no service at all (an agent runner's own, such as a hand-over) carry no mass where other calls do.
    A trajectory without calls (a refusal) is about the services that it was offered, and where it was offered none,
    "other".
    """
    return domain_mass_of(played(trajectory, tools), trajectory, tools, services)


def domain_mass_of(
    calls: list[PlayedCall], trajectory: Trajectory, tools: Mapping[str, Tool], services: Mapping[str, Domains]
) -> Domains:
    """`domain_mass` for calls that are already paired with their results."""
    called = [call.service for call in calls if call.service]
    if not called and not calls:
        called = [service for key in trajectory.tools.values() if (service := service_of(key, tools))]
    if not called:
        return {UNKNOWN_DOMAIN: 1.0}
    shares: dict[str, list[float]] = {}
    times: dict[str, int] = {}
    for service in called:
        times[service] = times.get(service, 0) + 1
    for service, count in times.items():
        for domain, share in _normalised(services.get(service, {})).items():
            shares.setdefault(domain, []).append(share * count / len(called))
    return {domain: math.fsum(sorted(shares[domain])) for domain in sorted(shares)}


def _normalised(domains: Domains) -> Domains:
    kept = {domain: share for domain, share in domains.items() if math.isfinite(share) and share > 0}
    if not kept:
        return {UNKNOWN_DOMAIN: 1.0}
    largest = max(kept.values())
    scaled = {domain: part for domain, share in kept.items() if (part := share / largest) > 0}
    total = math.fsum(scaled.values())
    return {domain: part / total for domain, part in scaled.items()}
