"""The business domains of a trajectory: its mass of 1, split over the domains of the services that it called.

Every call has an equal share, which is split over the domains of its service in their proportions. The split is ours;
the paper's is not published.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from functools import lru_cache

from tdlab.diversity._calls import PlayedCall, played, service_of
from tdlab.pool import Taxonomy
from tdlab.records import CODE_TOOL, Domains, Tool, Trajectory

__all__ = ["UNKNOWN_DOMAIN", "domain_mass", "domain_mass_of", "has_service", "number_of_domains", "taxonomy_domains"]

UNKNOWN_DOMAIN = "other"
"""The domain of an unknown service; the id of the taxonomy's own domain for these."""


@lru_cache(maxsize=1)
def taxonomy_domains() -> frozenset[str]:
    """Return every domain of the bundled taxonomy, `UNKNOWN_DOMAIN` included.

    Returns:
        The ids of 37 domains.

    Example:
        >>> len(taxonomy_domains())
        37
    """
    return frozenset({*Taxonomy.bundled().ids, UNKNOWN_DOMAIN})


def number_of_domains(categories: int | Collection[str] | None, seen: Iterable[str]) -> int | None:
    """Return the number of domains that exist, for the ceiling of H_dom; None if it is not known.

    ``categories`` is that number, or the domains themselves; then ``seen`` domains outside it count too, since a pool
    or a file may have domains of its own.
    """
    if categories is None or isinstance(categories, int):
        return categories
    return len({*categories, *seen})


def domain_mass(trajectory: Trajectory, tools: Mapping[str, Tool], services: Mapping[str, Domains]) -> Domains:
    """Split a trajectory's mass of 1 over business domains (H_dom is the paper's; the split is ours).

    Tools without a service (such as a hand-over of the agent runner) carry no mass if other calls do. A trajectory
    without calls (a refusal) has the domains of the services that it was offered.

    Args:
        trajectory: The trajectory.
        tools: Definitions of tools by key; only their services are used.
        services: Domains of each service. A service that is missing or has no positive share counts as "other".

    Returns:
        Share of each domain by id, sorted by id; the shares sum to 1.

    Example:
        >>> from tdlab.records import Message, ToolCall, Trajectory
        >>> call = ToolCall(id="1", name="book")
        >>> trajectory = Trajectory(id="t", messages=(Message(role="assistant", tool_calls=(call,)),),
        ...                         tools={"book": "inn/book"})
        >>> domain_mass(trajectory, {}, {"inn": {"travel": 3.0, "food": 1.0}})
        {'food': 0.25, 'travel': 0.75}
    """
    return domain_mass_of(played(trajectory, tools), trajectory, tools, services)


def has_service(calls: list[PlayedCall], trajectory: Trajectory, tools: Mapping[str, Tool]) -> bool:
    """Return whether a service of a trajectory is known: one that it called or, without calls, was offered."""
    if calls:
        return any(call.service or call.key == CODE_TOOL for call in calls)
    return not trajectory.tools or any(service_of(key, tools) for key in trajectory.tools.values())


def domain_mass_of(
    calls: list[PlayedCall], trajectory: Trajectory, tools: Mapping[str, Tool], services: Mapping[str, Domains]
) -> Domains:
    """Compute `domain_mass` from calls that are already paired with their results."""
    services_called = [call.service for call in calls if call.service]
    if not services_called and not calls:
        services_called = [service for key in trajectory.tools.values() if (service := service_of(key, tools))]
    if not services_called:
        return {UNKNOWN_DOMAIN: 1.0}
    parts_of_domain: dict[str, list[float]] = {}
    calls_of_service: dict[str, int] = {}
    for service in services_called:
        calls_of_service[service] = calls_of_service.get(service, 0) + 1
    for service, count in calls_of_service.items():
        for domain, share in _normalised(services.get(service, {})).items():
            parts_of_domain.setdefault(domain, []).append(share * count / len(services_called))
    return {domain: math.fsum(sorted(parts_of_domain[domain])) for domain in sorted(parts_of_domain)}


def _normalised(domains: Domains) -> Domains:
    positive = {domain: share for domain, share in domains.items() if math.isfinite(share) and share > 0}
    if not positive:
        return {UNKNOWN_DOMAIN: 1.0}
    largest = max(positive.values())
    relative = {domain: ratio for domain, share in positive.items() if (ratio := share / largest) > 0}
    total = math.fsum(relative.values())
    return {domain: ratio / total for domain, ratio in relative.items()}
