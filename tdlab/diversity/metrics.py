"""Measure a growing set of trajectories: the features of one trajectory, and a meter that counts them.

`featurise` reads a trajectory once; the metrics need only its `Features`. `DiversityMeter` holds the counts of a set.
Adding, removing and computing a gain take time proportional to one trajectory, whatever the size of the set, and the
gauges equal a recount exactly. `DiversityMeter.report` computes the full report.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from typing import Literal, NamedTuple, TypeVar

from pydantic import Field

from tdlab.diversity._calls import played
from tdlab.diversity._tally import ONE, Tally, counted_masses, whole_masses
from tdlab.diversity.complexity import CacWeights, Complexity, traced
from tdlab.diversity.counts import PreparedCounts
from tdlab.diversity.domains import domain_mass_of, has_service, number_of_domains
from tdlab.diversity.modes import POSSIBLE_TRIGRAMS, Trigram, signature_of, tool_sequence, trigrams
from tdlab.diversity.report import Coverage, DiversityReport, build_report, metric_counts
from tdlab.errors import ConfigError
from tdlab.records import Dependency, Domains, Record, Tool, Trajectory

__all__ = ["DiversityMeter", "Features", "Gain", "ModeVariant", "featurise"]

ModeVariant = Literal["tool_sequence", "signature", "trigrams"]
"""The variants of H_mode: (a) as in the paper, (b) the headline, (c) for steering."""


class Features(Record):
    """The features of one trajectory that the metrics need; made by `featurise`.

    Attributes:
        id: Id of the trajectory.
        domains: Share of each domain; the shares sum to 1.
        tool_sequence: Keys of the called tools, with repeats collapsed.
        signature: Letters of its reasoning mode, with repeats collapsed.
        complexity: CAC and its components.
        tools: Keys of the called tools, sorted.
        parameters: ``key:name`` of the parameters that were given, sorted.
        calls: Number of calls, including failed and repeated ones.
        offered: Number of tools that it could have called.
        dependencies: (source tool, target tool, parameter) triples along which a value went, sorted: the value was
            first mentioned in a result of the source and given to the target (as in CAC's ``bound``).
        service_known: Whether any service that it called is known; otherwise its domain is "other" only for want of
            a better one, and H_dom of a set of such trajectories is not known.
    """

    id: str
    domains: Domains
    tool_sequence: tuple[str, ...]
    signature: tuple[str, ...]
    complexity: Complexity
    tools: tuple[str, ...]
    parameters: tuple[str, ...]
    calls: int
    offered: int
    dependencies: tuple[tuple[str, str, str], ...] = ()
    service_known: bool = Field(default=True, exclude_if=lambda known: known)

    @property
    def cac(self) -> float:
        """Cumulative Action Complexity."""
        return self.complexity.value

    @property
    def trigrams(self) -> tuple[Trigram, ...]:
        """The trigrams of the signature."""
        return trigrams(self.signature)


def featurise(
    trajectory: Trajectory,
    tools: Mapping[str, Tool],
    domains: Mapping[str, Domains],
    *,
    weights: CacWeights | None = None,
) -> Features:
    """Compute the features of a trajectory.

    Args:
        trajectory: The trajectory.
        tools: Definitions of tools by key.
        domains: Domains of each service.
        weights: Weights of the components of CAC; all 1 by default.

    Returns:
        The features.

    Example:
        >>> from tdlab.records import Message, Trajectory
        >>> featurise(Trajectory(id="t", messages=(Message(role="assistant", content="Which day?"),)), {}, {}).signature
        ('ask',)
    """
    calls = played(trajectory, tools)
    complexity, dependencies = traced(calls, trajectory, weights=weights)
    return Features(
        id=trajectory.id,
        domains=domain_mass_of(calls, trajectory, tools, domains),
        tool_sequence=tool_sequence(trajectory),
        signature=signature_of(calls, trajectory),
        complexity=complexity,
        tools=tuple(sorted({call.key for call in calls})),
        parameters=tuple(sorted({f"{call.key}:{name}" for call in calls for name in call.call.arguments})),
        calls=len(calls),
        offered=len(trajectory.tools),
        dependencies=dependencies,
        service_known=has_service(calls, trajectory, tools),
    )


class Gain(NamedTuple):
    """The marginal gain of one more trajectory for a set of N: (N + 1) times the change of each metric.

    The entropy of a set changes by about 1 / N with each trajectory, so that the plain change depends on N. Multiplied
    by N + 1 it tends to the trajectory's surprise (-log2 p of its categories) minus the mean surprise of the set, which
    is the entropy. A positive gain means rarer than average.

    Attributes:
        domain: Gain in domain entropy, in bits.
        mode: Gain in mode entropy, in bits.
        cac: CAC of the trajectory minus the mean CAC of the set.
    """

    domain: float
    mode: float
    cac: float


class DiversityMeter:
    """Counts of a growing set, or of a sliding window of it (with `remove`). The order of additions does not matter.

    Args:
        features: Features of the first trajectories.
        domain_categories: Number of domains that exist, for the ceiling of H_dom; None: the ceiling is log2 N. Steering
            counts the domains that the run's clusters reach, since no move leads beyond them; reports count those of
            the taxonomy.

    Example:
        >>> from tdlab.records import Message, Trajectory
        >>> meter = DiversityMeter()
        >>> meter.add(featurise(Trajectory(id="t", messages=(Message(role="assistant", content="Hi."),)), {}, {}))
        >>> len(meter), meter.h_mode("signature")
        (1, 0.0)
    """

    def __init__(self, features: Iterable[Features] = (), *, domain_categories: int | None = None) -> None:
        self.domain_categories = domain_categories
        self._size = 0
        self._without_service = 0
        self._domain = Tally()
        self._modes: dict[str, Tally] = {"tool_sequence": Tally(), "signature": Tally(), "trigrams": Tally()}
        self._domain_kinds: Counter[tuple[tuple[str, int], ...]] = Counter()
        self._complexities: Counter[Complexity] = Counter()
        self._cac = 0
        self._calls = 0
        self._tools: Counter[str] = Counter()
        self._parameters: Counter[str] = Counter()
        self._dependencies: Counter[tuple[str, str, str]] = Counter()
        for member in features:
            self.add(member)

    def __len__(self) -> int:
        return self._size

    def add(self, features: Features) -> None:
        """Add a trajectory, in time proportional to its size."""
        domains = whole_masses(features.domains)
        self._size += 1
        self._without_service += not features.service_known
        self._domain.add(domains)
        self._domain_kinds[domains] += 1
        for variant, tally in self._modes.items():
            tally.add(_masses(features, variant))
        self._complexities[features.complexity] += 1
        self._cac += _fixed_point(features.cac)
        self._calls += features.calls
        self._tools.update(features.tools)
        self._parameters.update(features.parameters)
        self._dependencies.update(features.dependencies)

    def remove(self, features: Features) -> None:
        """Remove a trajectory that was added before.

        Args:
            features: Its features, exactly as they were added.

        Raises:
            ConfigError: The trajectory is not in the set.
        """
        domains = whole_masses(features.domains)
        if (
            self._domain_kinds[domains] < 1
            or self._complexities[features.complexity] < 1
            or features.signature not in self._modes["signature"].masses
            or features.tool_sequence not in self._modes["tool_sequence"].masses
        ):
            raise ConfigError(
                f"{features.id}: removed from a meter that does not hold it",
                expected="features that were added before",
                do="remove each trajectory at most once, with the features that were added",
            )
        self._size -= 1
        self._without_service -= not features.service_known
        self._domain.remove(domains)
        _decrease(self._domain_kinds, (domains,))
        for variant, tally in self._modes.items():
            tally.remove(_masses(features, variant))
        _decrease(self._complexities, (features.complexity,))
        self._cac -= _fixed_point(features.cac)
        self._calls -= features.calls
        _decrease(self._tools, features.tools)
        _decrease(self._parameters, features.parameters)
        _decrease(self._dependencies, features.dependencies)

    def h_dom(self) -> float:
        """Return the domain entropy in bits."""
        return self._domain.entropy

    def h_mode(self, variant: ModeVariant = "trigrams") -> float:
        """Return the reasoning-mode entropy of a variant, in bits."""
        return self._mode(variant).entropy

    def normalised_domain(self) -> float:
        """Return H_dom / ceiling, in [0, 1]; 0 for a ceiling of 0."""
        return self._domain.share(self.domain_categories)

    def normalised_mode(self, variant: ModeVariant = "trigrams") -> float:
        """Return H_mode / ceiling of a variant, in [0, 1]; 0 for a ceiling of 0."""
        return self._mode(variant).share(POSSIBLE_TRIGRAMS if variant == "trigrams" else None)

    def mean_cac(self) -> float:
        """Return the mean CAC of the trajectories; 0 for none."""
        return self._cac / _FIXED / self._size if self._size else 0.0

    def domain_counts(self) -> dict[str, float]:
        """Return the mass of each domain, sorted by domain."""
        return {str(name): mass / ONE for name, mass in sorted(self._domain.masses.items(), key=lambda kv: str(kv[0]))}

    def count(self, variant: ModeVariant, value: tuple[str, ...]) -> int:
        """Return how often a tool sequence, a signature or a trigram occurs in the set."""
        return self._mode(variant).masses.get(value, 0) // ONE

    def gain(self, features: Features, *, variant: ModeVariant = "trigrams") -> Gain:
        """Return the gain of a trajectory without adding it, in time proportional to its size.

        Args:
            features: Its features.
            variant: The variant of H_mode.

        Returns:
            The gain.
        """
        scale = self._size + 1
        return Gain(
            domain=scale * self._domain.gain(whole_masses(features.domains)),
            mode=scale * self._mode(variant).gain(_masses(features, variant)),
            cac=features.cac - self.mean_cac(),
        )

    def tally(self, variant: ModeVariant) -> Tally:
        """Return a copy of the counts of a variant of H_mode, whose entropy stays as it is now."""
        return self._mode(variant).copy()

    def counts(self) -> dict[str, PreparedCounts]:
        """Return the counts of ``domain``, ``tool_sequence``, ``signature`` and ``trigrams``."""
        signatures = {
            tuple(map(str, key)) if isinstance(key, tuple) else (): mass // ONE
            for key, mass in self._modes["signature"].masses.items()
        }
        return metric_counts(
            {kind: count for kind, count in self._domain_kinds.items() if count},
            [mass // ONE for mass in self._modes["tool_sequence"].masses.values()],
            signatures,
        )

    def report(
        self,
        *,
        seed: int = 0,
        categories: int | Collection[str] | None = None,
        tools: Mapping[str, Tool] | None = None,
        dependencies: Iterable[Dependency] | None = None,
        rarefy_to: int | None = None,
        cover_to: Mapping[str, float] | None = None,
        replicates: int = 1000,
        level: float = 0.95,
    ) -> DiversityReport:
        """Report every metric with N, K, ceiling, corrections, interval and rarefied value.

        Args:
            seed: Seed of the intervals.
            categories: Number of domains that exist, or their names (such as `taxonomy_domains`), to which those of the
                set are added; by default the meter's number.
            tools: The pool that coverage is measured against, by key.
            dependencies: The dependencies that coverage is measured against.
            rarefy_to: Common number of trajectories.
            cover_to: Common sample coverage of each entropy, by name.
            replicates: Number of redrawn samples of an interval; whole trajectories are redrawn.
            level: Confidence level of the intervals.

        Returns:
            The report.

        Raises:
            ConfigError: An option is out of range.
        """
        return build_report(
            size=self._size,
            without_service=self._without_service,
            counts=self.counts(),
            complexities={value: count for value, count in self._complexities.items() if count},
            coverage=Coverage.of(
                self._tools,
                self._parameters,
                tools,
                calls=self._calls,
                flows=self._dependencies,
                dependencies=dependencies,
            ),
            categories=number_of_domains(
                self.domain_categories if categories is None else categories, map(str, self._domain.masses)
            ),
            seed=seed,
            rarefy_to=rarefy_to,
            cover_to=cover_to,
            replicates=replicates,
            level=level,
        )

    def _mode(self, variant: str) -> Tally:
        if variant not in self._modes:
            raise ConfigError(f"mode variant {variant!r}", expected="one of " + ", ".join(self._modes))
        return self._modes[variant]


_FIXED = 1 << 40
_T = TypeVar("_T")


def _fixed_point(value: float) -> int:
    """Return a CAC in units of 2**-40, so that sums are exact."""
    return round(value * _FIXED)


def _masses(features: Features, variant: str) -> list[tuple[tuple[str, ...], int]]:
    if variant == "tool_sequence":
        return [(features.tool_sequence, ONE)]
    if variant == "signature":
        return [(features.signature, ONE)]
    return counted_masses(Counter(features.trigrams))


def _decrease(counter: Counter[_T], items: Iterable[_T]) -> None:
    for item in items:
        counter[item] -= 1
        if counter[item] <= 0:
            del counter[item]
