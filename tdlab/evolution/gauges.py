"""Gauges: the measures that steering keeps above their thresholds.

A gauge measures each trajectory once. A reading sums up the measurements of one set, so that its value and the gain of
one more trajectory take time proportional to that trajectory. `GAUGES` holds tdlab's own gauges: domain entropy and
steering mode entropy, both as shares of their ceilings, and mean CAC.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, Self

from tdlab.diversity import POSSIBLE_TRIGRAMS, Features, Tally, counted_masses, trigrams, whole_masses
from tdlab.evolution.predict import Prediction, predict
from tdlab.records import Blueprint, Tool
from tdlab.registry import Registry

__all__ = ["GAUGES", "EntropyGauge", "EntropyReading", "Gauge", "MeanGauge", "MeanReading", "SetState", "mode_of"]

_FIXED = 1 << 40  # sums are in units of 2**-40, so that adding and removing are exact

Masses = Iterable[tuple[Hashable, int]]


@dataclass
class EntropyReading:
    """The value of an entropy gauge for one set; ``categories`` is the number that exist, or None."""

    categories: int | None = None
    tally: Tally = field(default_factory=Tally)
    size: int = 0

    @property
    def value(self) -> float:
        """Entropy / ceiling, in [0, 1]."""
        return self.tally.share(self.categories)

    def add(self, masses: Masses) -> None:
        """Add a trajectory."""
        self.tally.add(masses)
        self.size += 1

    def remove(self, masses: Masses) -> None:
        """Remove a trajectory that was added before."""
        self.tally.remove(masses)
        self.size -= 1

    def gain(self, masses: Masses) -> float:
        """Return (N + 1) times the change of entropy in bits by one more trajectory; see `tdlab.diversity.Gain`."""
        return (self.size + 1) * self.tally.gain(masses)

    def merit(self, masses: Masses) -> float:
        """Return the gain for the choice of a draft; 0 for an empty set, which has no entropy to change."""
        return self.gain(masses) if self.size else 0.0

    def copy(self) -> Self:
        """Return a copy."""
        return replace(self, tally=self.tally.copy())


@dataclass
class MeanReading:
    """The value of a mean gauge for one set."""

    total: int = 0
    size: int = 0

    @property
    def value(self) -> float:
        """The mean; 0 for an empty set."""
        return self.total / _FIXED / self.size if self.size else 0.0

    def add(self, number: float) -> None:
        """Add a trajectory."""
        self.total += round(number * _FIXED)
        self.size += 1

    def remove(self, number: float) -> None:
        """Remove a trajectory that was added before."""
        self.total -= round(number * _FIXED)
        self.size -= 1

    def gain(self, number: float) -> float:
        """Return the number of one more trajectory minus the mean."""
        return number - self.value

    def merit(self, number: float) -> float:
        """Return the gain."""
        return self.gain(number)

    def copy(self) -> Self:
        """Return a copy."""
        return replace(self)


@dataclass(frozen=True)
class Gauge(ABC):
    """A measure of sets of trajectories that steering can watch: an `EntropyGauge` or a `MeanGauge`.

    Attributes:
        title: Its title in tables and figures.
        measure: Returns the measurement of a trajectory, from its features.
        predict: Returns the expected measurement from a prediction, the blueprint and the tools by key. With it, the
            gauge influences which of several drafts is played.
        family: The family of mutations that it turns on while it is below its threshold.
    """

    title: str
    measure: Callable[[Features], Any]
    predict: Callable[[Prediction, Blueprint, Mapping[str, Tool]], Any] | None = None
    family: str = "complexity"

    @abstractmethod
    def reading(self, *, domains: int) -> EntropyReading | MeanReading:
        """Return the reading of an empty set; ``domains`` is the number of domains that the run can reach."""

    @abstractmethod
    def scale(self, threshold: float) -> float:
        """Return the change of its value that counts as one bit and as its whole range."""


@dataclass(frozen=True)
class EntropyGauge(Gauge):
    """An entropy as a share of its ceiling. ``measure`` returns pairs of category and mass.

    Attributes:
        categories: Number of categories that exist; None if it is not known.

    Example:
        >>> from collections import Counter
        >>> from tdlab.diversity import counted_masses
        >>> EntropyGauge("tools / ceiling", lambda features: counted_masses(Counter(features.tools))).title
        'tools / ceiling'
    """

    categories: int | None = None

    def reading(self, *, domains: int) -> EntropyReading:
        """Return the reading of an empty set."""
        return EntropyReading(self.categories)

    def scale(self, threshold: float) -> float:
        """Return 1: the range of a share, and one bit."""
        return 1.0


@dataclass(frozen=True)
class MeanGauge(Gauge):
    """The mean over the trajectories of the number that ``measure`` returns.

    Example:
        >>> MeanGauge("tools per trajectory", lambda features: float(len(features.tools))).family
        'complexity'
    """

    def reading(self, *, domains: int) -> MeanReading:
        """Return the reading of an empty set."""
        return MeanReading()

    def scale(self, threshold: float) -> float:
        """Return the threshold."""
        return threshold or 1.0


GAUGES: Registry[Gauge] = Registry(
    "tdlab.gauges",
    "gauge",
    setting="evolution.gauges",
    valid=lambda name, value: "" if isinstance(value, Gauge) else "an EntropyGauge or MeanGauge of tdlab.evolution",
)
"""The gauges by name. tdlab's own have thresholds in `EvolutionConfig`; those of plug-ins in its ``gauges``."""


class _DomainGauge(EntropyGauge):
    def reading(self, *, domains: int) -> EntropyReading:
        return EntropyReading(domains)


@dataclass
class _ModeReading(EntropyReading):
    """Counts the trigrams of modes, and for merit whole modes too: trigrams alone would favour a mode already there."""

    modes: Tally = field(default_factory=Tally)

    def add(self, measured: Any) -> None:
        super().add(measured[0])
        self.modes.add(measured[1])

    def remove(self, measured: Any) -> None:
        super().remove(measured[0])
        self.modes.remove(measured[1])

    def gain(self, measured: Any) -> float:
        return super().gain(measured[0])

    def merit(self, measured: Any) -> float:
        return super().merit(measured) + ((self.size + 1) * self.modes.gain(measured[1]) if self.size else 0.0)

    def copy(self) -> Self:
        return replace(self, tally=self.tally.copy(), modes=self.modes.copy())


class _ModeGauge(EntropyGauge):
    def reading(self, *, domains: int) -> EntropyReading:
        return _ModeReading(POSSIBLE_TRIGRAMS)


def mode_of(signature: tuple[str, ...]) -> Any:
    """Return the measurement of the mode gauge: the masses of the trigrams, and of the signature as a whole."""
    return counted_masses(Counter(trigrams(signature))), counted_masses({signature: 1})


GAUGES.register("domain")(
    _DomainGauge("H_dom / ceiling", lambda features: whole_masses(features.domains), family="domain")
)
GAUGES.register("mode")(
    _ModeGauge(
        "H_mode / ceiling",
        lambda features: mode_of(features.signature),
        lambda prediction, blueprint, tools: mode_of(prediction.signature),
        family="mode",
    )
)
GAUGES.register("cac")(
    MeanGauge("mean CAC", lambda features: features.cac, lambda prediction, blueprint, tools: prediction.cac)
)


class SetState(NamedTuple):
    """The state of the set, as far as the merit of a draft depends on it.

    Attributes:
        readings: The readings of the gauges that have a prediction; not changed any more.
        strengths: Strength at which each of them steers, in [0, 1].
        scales: The change of each of them that counts as one bit.
    """

    readings: Mapping[str, EntropyReading | MeanReading]
    strengths: Mapping[str, float]
    scales: Mapping[str, float]

    def merit(self, measured: Mapping[str, Any]) -> float:
        """Return the sum of the marginal gains, each times the strength of its gauge.

        Args:
            measured: Measurement of each gauge, or its prediction.

        Returns:
            The merit.
        """
        total = 0.0
        for name, reading in self.readings.items():
            total += self.strengths[name] * (reading.merit(measured[name]) / self.scales[name])
        return total

    def predicted(self, blueprint: Blueprint, tools: Mapping[str, Tool]) -> dict[str, Any]:
        """Return the expected measurement of each gauge for a blueprint; ``tools`` holds every tool, by key."""
        prediction, measured = predict(blueprint, tools), {}
        for name in self.readings:
            expect = GAUGES[name].predict
            if expect is not None:
                measured[name] = expect(prediction, blueprint, tools)
        return measured
