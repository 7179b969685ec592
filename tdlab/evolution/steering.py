"""Steering as pure functions of numbers: strengths, draws, weighed gains, and the plateau of the gauges.

The controller uses them on a growing run and `tdlab.evolution.what_if` on existing candidates, so that a setting means
the same in both. The paper names the gauges only; the formulas are ours.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any, NamedTuple

from tdlab.config import EvolutionConfig
from tdlab.diversity import Features
from tdlab.evolution.gauges import GAUGES, SetState
from tdlab.evolution.strategies import STRATEGIES

__all__ = [
    "GaugeSet",
    "Gauges",
    "Plateau",
    "budget_spent",
    "number_of_drafts",
    "ran_dry",
    "rarity",
    "read_gauges",
    "strength",
    "weigh",
]


class Gauges(NamedTuple):
    """The gauges by name, and the strength at which each steers.

    Attributes:
        values: The lower of each gauge's value over the sliding window and its value over the whole set.
        strengths: How strongly each steers, in [0, 1].
    """

    values: Mapping[str, float]
    strengths: Mapping[str, float]

    @property
    def steers(self) -> bool:
        """True if a gauge is below its threshold."""
        return max(self.strengths.values()) > 0.0

    def strength_of(self, family: str) -> float:
        """Return the strength of a family of mutations: the highest of its gauges."""
        return max((s for name, s in self.strengths.items() if GAUGES[name].family == family), default=0.0)


class GaugeSet:
    """The gauges of a config over a growing set and over its sliding window.

    Args:
        config: The names and thresholds of the gauges, and the size of the window.
        domains: Number of domains that can be reached.
    """

    def __init__(self, config: EvolutionConfig, *, domains: int) -> None:
        self._config = config
        self._gauges = {name: GAUGES[name] for name in config.thresholds}
        self.whole = {name: gauge.reading(domains=domains) for name, gauge in self._gauges.items()}
        self.window = {name: gauge.reading(domains=domains) for name, gauge in self._gauges.items()}
        self._recent: deque[Mapping[str, Any]] = deque()

    def measure(self, features: Features) -> dict[str, Any]:
        """Return the measurement of each gauge for a trajectory."""
        return {name: gauge.measure(features) for name, gauge in self._gauges.items()}

    def add(self, measured: Mapping[str, Any]) -> None:
        """Add a trajectory; the window drops its oldest one beyond its size."""
        self._recent.append(measured)
        oldest = self._recent.popleft() if len(self._recent) > self._config.window else None
        for name, reading in self.whole.items():
            reading.add(measured[name])
            self.window[name].add(measured[name])
            if oldest is not None:
                self.window[name].remove(oldest[name])

    def read(self) -> Gauges:
        """Return the gauges with their strengths."""
        values = {name: min(reading.value, self.window[name].value) for name, reading in self.whole.items()}
        return read_gauges(self._config, values)

    def state(self, gauges: Gauges) -> SetState:
        """Return the state of the whole set, for the choice between drafts."""
        thresholds = self._config.thresholds
        names = [name for name, gauge in self._gauges.items() if gauge.predict is not None]
        return SetState(
            readings={name: self.whole[name].copy() for name in names},
            strengths={name: gauges.strengths[name] for name in names},
            scales={name: self._gauges[name].scale(thresholds[name]) for name in names},
        )

    def gain(self, measured: Mapping[str, Any]) -> dict[str, float]:
        """Return the marginal gain of one more trajectory, by gauge; see `tdlab.diversity.Gain`."""
        return {name: reading.gain(measured[name]) for name, reading in self.whole.items()}


def read_gauges(config: EvolutionConfig, values: Mapping[str, float]) -> Gauges:
    """Return the gauges at these values with their strengths; the controls do not steer."""
    if not STRATEGIES[config.strategy].steers:
        return Gauges(values, dict.fromkeys(values, 0.0))
    strengths = {
        name: strength(
            value, config.thresholds[name], full_at=config.domain_full_at if name == "domain" else config.full_at
        )
        for name, value in values.items()
    }
    return Gauges(values, strengths)


def strength(value: float, threshold: float, *, full_at: float) -> float:
    """Return the strength of a gauge in [0, 1]: its relative shortfall / ``full_at``, at most 1.

    A threshold of 0 turns the gauge off.
    """
    shortfall = max(0.0, threshold - value) / threshold if threshold > 0 else 0.0
    return min(1.0, shortfall / full_at)


def number_of_drafts(gauges: Gauges, config: EvolutionConfig) -> int:
    """Return how many drafts are bred for one order: 1 without steering, up to ``config.max_drafts``.

    Only gauges with a prediction count, since the others cannot tell drafts apart.
    """
    most = max((s for name, s in gauges.strengths.items() if GAUGES[name].predict is not None), default=0.0)
    return 1 + round(most * (config.max_drafts - 1))


def rarity(count: float, config: EvolutionConfig) -> float:
    """Return the weight of a domain with ``count`` trajectories in the draw: (count + a)^(-b)."""
    weight: float = (count + config.smoothing) ** -config.strength
    return weight


def weigh(gain: Mapping[str, float], gauges: Gauges, config: EvolutionConfig) -> float:
    """Return the sum of the marginal gains, each times the strength of its gauge; means as shares of the threshold."""
    total = 0.0
    for name, strength in gauges.strengths.items():
        total += strength * (gain[name] / GAUGES[name].scale(config.thresholds[name]))
    return total


def budget_spent(tried: int, kept: int) -> str:
    """Say that a run stops because its budget of offspring is spent."""
    return f"budget: {tried} offspring {'was' if tried == 1 else 'were'} tried and {kept} of them kept"


def ran_dry(generations: int) -> str:
    """Say that a run stops because it accepted nothing in so many generations."""
    return f"dry: no trajectory was accepted in {generations} generation{'s in a row' if generations > 1 else ''}"


class Plateau:
    """Watch the gauges of the whole set over generations, and report when they are flat.

    The gauges are flat if at least one is below its threshold and none of those below has moved by more than
    ``config.flat`` of its range (of its threshold, for a mean) for ``config.patience`` generations. More offspring
    would then add size and no diversity. The controls do not steer and never reach a plateau.
    """

    def __init__(self, config: EvolutionConfig) -> None:
        self._config = config
        self._past: deque[Mapping[str, float]] = deque(maxlen=(config.patience or 0) + 1)

    def note(self, whole: Mapping[str, float]) -> None:
        """Note the gauges of the whole set after a generation, by name."""
        self._past.append(whole)

    def reached(self) -> str:
        """Return why the run should stop, or an empty string while it should go on."""
        config = self._config
        if config.patience is None or not STRATEGIES[config.strategy].steers or len(self._past) <= config.patience:
            return ""
        flat_gauges = []
        for name, threshold in config.thresholds.items():
            values = [whole[name] for whole in self._past]
            if values[-1] >= threshold:
                continue
            if (max(values) - min(values)) / GAUGES[name].scale(threshold) > config.flat:
                return ""
            flat_gauges.append(f"{GAUGES[name].title} {values[-1]:.4g} of {threshold:.4g}")
        if not flat_gauges:
            return ""
        generations = f"{config.patience} generation{'s' * (config.patience != 1)}"
        return (
            f"plateau: in {generations} no gauge below its threshold moved by more than "
            f"{config.flat:g} ({', '.join(flat_gauges)}); more would add size, not diversity"
        )
