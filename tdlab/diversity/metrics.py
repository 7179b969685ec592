"""A set of trajectories measured as it grows: what one trajectory is to the metrics, and the meter that adds them up.

`featurise` reads a trajectory once; from then on only its `Features` matter. `DiversityMeter` holds the counts of a
set: adding, removing and asking for a gain cost the size of one trajectory, whatever the size of the set, and the
gauges equal a recount exactly. `DiversityMeter.report` is the full statement of the design's section 6.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from typing import Literal, NamedTuple, TypeVar

from tdlab.diversity._calls import played
from tdlab.diversity._tally import ONE, Tally, whole_masses
from tdlab.diversity.complexity import CacWeights, Complexity, traced
from tdlab.diversity.domains import domain_mass_of, number_of_domains
from tdlab.diversity.entropy import Prepared, ceiling
from tdlab.diversity.modes import POSSIBLE_TRIGRAMS, Trigram, signature_of, tool_sequence, trigrams
from tdlab.diversity.report import Coverage, DiversityReport, build_report, metric_counts
from tdlab.errors import ConfigError
from tdlab.records import Dependency, Domains, Record, Tool, Trajectory

__all__ = ["DiversityMeter", "Features", "Gain", "ModeVariant", "featurise"]

ModeVariant = Literal["tool_sequence", "signature", "trigrams"]
"""(a) comparable with the paper, (b) the headline, (c) for steering."""


class Features(Record):
    """What the metrics need of one trajectory.

    ``domains`` sum to 1. ``tools`` and ``parameters`` (``key:name``) are those that it called and gave, sorted;
    ``offered`` is the number of tools it could have called. ``calls`` counts all calls, failed and repeated ones too.
    ``dependencies`` are the (source tool, target tool, parameter) along which a value went: one that was first seen in
    a result of the source and was given to the target (as in CAC's ``bound``), sorted.
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
    """The features of a trajectory. ``tools`` maps tool keys to definitions, ``domains`` services to their domains."""
    calls = played(trajectory, tools)
    complexity, flows = traced(calls, trajectory, weights=weights)
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
        dependencies=flows,
    )


class Gain(NamedTuple):
    """What one more trajectory would do to a set of N: (N + 1) times the change of each metric.

    A set's entropy moves by about 1 / N with each trajectory, so the plain change says nothing without N. Times N + 1
    it tends to the trajectory's surprise, -log2 p of what it holds, less the mean surprise (the entropy): above 0 means
    rarer than the set's average. ``domain`` and ``mode`` in bits; ``cac`` is exactly its CAC less the set's mean.
    """

    domain: float
    mode: float
    cac: float


class DiversityMeter:
    """Counts of a growing set (or of a sliding window of it, with `remove`). The order of additions has no influence.

    ``domain_categories`` is the number of domains there are, for the ceiling of H_dom; unknown, it is log2 N. Steering
    counts those that the run's clusters reach, since no move leads beyond them; a report counts the taxonomy's.
    """

    def __init__(self, features: Iterable[Features] = (), *, domain_categories: int | None = None) -> None:
        self.domain_categories = domain_categories
        self._size = 0
        self._domain = Tally()
        self._modes: dict[str, Tally] = {"tool_sequence": Tally(), "signature": Tally(), "trigrams": Tally()}
        self._domain_kinds: Counter[tuple[tuple[str, int], ...]] = Counter()
        self._complexities: Counter[Complexity] = Counter()
        self._cac = 0
        self._calls = 0
        self._tools: Counter[str] = Counter()
        self._parameters: Counter[str] = Counter()
        self._flows: Counter[tuple[str, str, str]] = Counter()
        for one in features:
            self.add(one)

    def __len__(self) -> int:
        return self._size

    def add(self, features: Features) -> None:
        """Count one more trajectory, in time proportional to its own size."""
        domains = whole_masses(features.domains)
        self._size += 1
        self._domain.add(domains)
        self._domain_kinds[domains] += 1
        for variant, tally in self._modes.items():
            tally.add(_parts(features, variant))
        self._complexities[features.complexity] += 1
        self._cac += _fixed(features.cac)
        self._calls += features.calls
        self._tools.update(features.tools)
        self._parameters.update(features.parameters)
        self._flows.update(features.dependencies)

    def remove(self, features: Features) -> None:
        """Take back a trajectory that was added; ConfigError where it was not."""
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
                do="remove exactly what was added, once",
            )
        self._size -= 1
        self._domain.remove(domains)
        _decrease(self._domain_kinds, (domains,))
        for variant, tally in self._modes.items():
            tally.remove(_parts(features, variant))
        _decrease(self._complexities, (features.complexity,))
        self._cac -= _fixed(features.cac)
        self._calls -= features.calls
        _decrease(self._tools, features.tools)
        _decrease(self._parameters, features.parameters)
        _decrease(self._flows, features.dependencies)

    def h_dom(self) -> float:
        """Domain entropy in bits."""
        return self._domain.entropy

    def h_mode(self, variant: ModeVariant = "trigrams") -> float:
        """Reasoning-mode entropy in bits, of the variant named."""
        return self._mode(variant).entropy

    def normalised_domain(self) -> float:
        """H_dom over its ceiling, in [0, 1]; 0 while the ceiling is 0."""
        return _share(self._domain.entropy, ceiling(self._domain.draws, self.domain_categories))

    def normalised_mode(self, variant: ModeVariant = "trigrams") -> float:
        """H_mode over its ceiling, in [0, 1]; 0 while the ceiling is 0."""
        tally = self._mode(variant)
        categories = POSSIBLE_TRIGRAMS if variant == "trigrams" else None
        return _share(tally.entropy, ceiling(tally.draws, categories))

    def mean_cac(self) -> float:
        """Mean CAC of the trajectories; 0 for none."""
        return self._cac / _FIXED / self._size if self._size else 0.0

    def domain_counts(self) -> dict[str, float]:
        """Domain -> mass, sorted by domain."""
        return {str(name): mass / ONE for name, mass in sorted(self._domain.masses.items(), key=lambda kv: str(kv[0]))}

    def count(self, variant: ModeVariant, value: tuple[str, ...]) -> int:
        """How often a tool sequence, a signature or a trigram occurs in the set."""
        return self._mode(variant).masses.get(value, 0) // ONE

    def gain(self, features: Features, *, variant: ModeVariant = "trigrams") -> Gain:
        """What adding this trajectory would do, without adding it; in time proportional to its own size."""
        scale = self._size + 1
        mode = self._mode(variant)
        return Gain(
            domain=scale * (self._domain.entropy_with(whole_masses(features.domains)) - self._domain.entropy),
            mode=scale * (mode.entropy_with(_parts(features, variant)) - mode.entropy),
            cac=features.cac - self.mean_cac(),
        )

    def counts(self) -> dict[str, Prepared]:
        """Counts by the names domain, tool_sequence, signature and trigrams, for the functions on plain counts."""
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
        """The whole statement: every metric with N, K, ceiling, corrections, interval and rarefied value.

        ``categories`` is the number of domains there are, or their names (`taxonomy_domains`: 37), to which those that
        the set has besides are added; by default it is the meter's number. ``tools`` and ``dependencies`` are the pool
        that coverage is measured against, ``rarefy_to`` the common number of trajectories, ``cover_to`` the common
        sample coverage of each entropy by name. Intervals redraw whole trajectories ``replicates`` times, from
        ``seed``.
        """
        return build_report(
            size=self._size,
            counts=self.counts(),
            complexities={value: count for value, count in self._complexities.items() if count},
            coverage=Coverage.of(
                self._tools,
                self._parameters,
                tools,
                calls=self._calls,
                flows=self._flows,
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
            raise ConfigError(f"a mode variant {variant!r}", expected="one of " + ", ".join(self._modes))
        return self._modes[variant]


_FIXED = 1 << 40
_T = TypeVar("_T")


def _fixed(value: float) -> int:
    """A CAC in units of 2**-40, so that sums are exact."""
    return round(value * _FIXED)


def _share(value: float, top: float) -> float:
    return min(value / top, 1.0) if top > 0 else 0.0


def _parts(features: Features, variant: str) -> list[tuple[tuple[str, ...], int]]:
    if variant == "tool_sequence":
        return [(features.tool_sequence, ONE)]
    if variant == "signature":
        return [(features.signature, ONE)]
    return [(gram, times * ONE) for gram, times in Counter(features.trigrams).items()]


def _decrease(counter: Counter[_T], items: Iterable[_T]) -> None:
    for item in items:
        counter[item] -= 1
        if counter[item] <= 0:
            del counter[item]
