"""Gauges: the measures that steering keeps above their thresholds, each with its value over any set at any moment.

A gauge measures each trajectory once. A reading adds the measurements of one set up, so that its value and the gain of
one more trajectory cost the size of that trajectory. `GAUGES` has tdlab's own: domain entropy and steering mode entropy
as shares of their ceilings, and mean CAC.
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

_FIXED = 1 << 40  # means are sums of whole numbers of 2**-40: exact, whatever is added and removed

Masses = Iterable[tuple[Hashable, int]]


@dataclass
class EntropyReading:
    """What an entropy gauge reads of one set. ``categories`` is the number there can be; None if it is not known."""

    categories: int | None = None
    tally: Tally = field(default_factory=Tally)
    size: int = 0

    @property
    def value(self) -> float:
        """Entropy / ceiling, in [0, 1]."""
        return self.tally.share(self.categories)

    def add(self, masses: Masses) -> None:
        """Count one more trajectory."""
        self.tally.add(masses)
        self.size += 1

    def remove(self, masses: Masses) -> None:
        """Take back a trajectory that was added."""
        self.tally.remove(masses)
        self.size -= 1

    def gain(self, masses: Masses) -> float:
        """(N + 1) times the change of entropy in bits that one more trajectory would make; see `Gain`."""
        return (self.size + 1) * self.tally.gain(masses)

    def merit(self, masses: Masses) -> float:
        """The gain, as far as it speaks for a draft: an empty set has no entropy to change."""
        return self.gain(masses) if self.size else 0.0

    def copy(self) -> Self:
        """Another reading of the same set."""
        return replace(self, tally=self.tally.copy())


@dataclass
class MeanReading:
    """What a mean gauge reads of one set."""

    total: int = 0
    size: int = 0

    @property
    def value(self) -> float:
        """The mean; 0 for an empty set."""
        return self.total / _FIXED / self.size if self.size else 0.0

    def add(self, number: float) -> None:
        """Count one more trajectory."""
        self.total += round(number * _FIXED)
        self.size += 1

    def remove(self, number: float) -> None:
        """Take back a trajectory that was added."""
        self.total -= round(number * _FIXED)
        self.size -= 1

    def gain(self, number: float) -> float:
        """What one more trajectory has less the mean."""
        return number - self.value

    def merit(self, number: float) -> float:
        """The gain."""
        return self.gain(number)

    def copy(self) -> Self:
        """Another reading of the same set."""
        return replace(self)


@dataclass(frozen=True)
class Gauge(ABC):
    """A measure of sets of trajectories that steering can watch: an `EntropyGauge` or a `MeanGauge`.

    Attributes:
        title: What it is called in tables and figures.
        measure: Takes the features of a trajectory; returns what the reading of a set adds up.
        predict: Takes what playing a blueprint should give, the blueprint and the tools by key; returns what
            ``measure`` should then return. With it, the gauge has a say in which of several drafts is played.
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
        """Return the change of its value that counts as much as one bit, and as its whole range."""


@dataclass(frozen=True)
class EntropyGauge(Gauge):
    """The entropy of what trajectories hold, as a share of its ceiling. ``measure`` returns categories and masses.

    Attributes:
        categories: How many categories there can be; None if that is not known.

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
    """The mean of a number that each trajectory has, returned by ``measure``.

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
"""The gauges by name. tdlab's own have thresholds in `EvolutionConfig`, others in its ``gauges``."""


class _DomainGauge(EntropyGauge):
    def reading(self, *, domains: int) -> EntropyReading:
        return EntropyReading(domains)


@dataclass
class _ModeReading(EntropyReading):
    """Reads the trigrams of modes; for merit whole modes too, since trigrams alone would not mind a repeated mode."""

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
    """Return what the mode gauge measures of a mode: the masses of its trigrams, and of the mode as a whole."""
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
        readings: The readings of the gauges that have a prediction. Nothing is added to them.
        strengths: How strongly each of these gauges steers, in [0, 1].
        scales: The change of each of these gauges that counts as much as one bit.
    """

    readings: Mapping[str, EntropyReading | MeanReading]
    strengths: Mapping[str, float]
    scales: Mapping[str, float]

    def merit(self, measured: Mapping[str, Any]) -> float:
        """Return the marginal gain of each gauge, times its strength.

        Args:
            measured: What each gauge measures of a trajectory, or would by its prediction.
        """
        total = 0.0
        for name, reading in self.readings.items():
            total += self.strengths[name] * (reading.merit(measured[name]) / self.scales[name])
        return total

    def predicted(self, blueprint: Blueprint, tools: Mapping[str, Tool]) -> dict[str, Any]:
        """Return what each gauge should measure when a blueprint is played; ``tools`` holds every tool, by key."""
        prediction, found = predict(blueprint, tools), {}
        for name in self.readings:
            expect = GAUGES[name].predict
            if expect is not None:
                found[name] = expect(prediction, blueprint, tools)
        return found
