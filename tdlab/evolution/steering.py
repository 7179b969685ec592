"""Steering as pure functions of numbers: strengths, draws, weighed gains, and the plateau of the gauges.

The controller uses them on a growing run and `tdlab.evolution.what_if` on existing candidates, so that a setting means
the same in both. The paper names the gauges only; the formulas are ours.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import NamedTuple

from tdlab.config import EvolutionConfig
from tdlab.diversity import Gain
from tdlab.evolution.strategies import STRATEGIES

__all__ = [
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
    """The three gauges and the strength at which each steers.

    Each gauge is the lower of its value over the sliding window and its value over the whole set.

    Attributes:
        domain: Domain entropy / ceiling, in [0, 1].
        mode: Steering mode entropy / ceiling, in [0, 1].
        cac: Mean CAC.
        steer_domain: Strength at which the domain gauge steers, in [0, 1].
        steer_mode: Strength at which the mode gauge steers.
        steer_cac: Strength at which CAC steers.
    """

    domain: float
    mode: float
    cac: float
    steer_domain: float
    steer_mode: float
    steer_cac: float

    @property
    def values(self) -> dict[str, float]:
        """The gauges by name."""
        return {"domain": self.domain, "mode": self.mode, "cac": self.cac}

    @property
    def strengths(self) -> dict[str, float]:
        """The strengths by gauge."""
        return {"domain": self.steer_domain, "mode": self.steer_mode, "cac": self.steer_cac}

    @property
    def steers(self) -> bool:
        """True if a gauge is below its threshold."""
        return max(self.steer_domain, self.steer_mode, self.steer_cac) > 0.0


def read_gauges(config: EvolutionConfig, *, domain: float, mode: float, cac: float) -> Gauges:
    """Return the gauges at these values with their strengths; the controls do not steer."""
    if not STRATEGIES[config.strategy].steers:
        return Gauges(domain, mode, cac, 0.0, 0.0, 0.0)
    return Gauges(
        domain,
        mode,
        cac,
        strength(domain, config.domain_threshold, full_at=config.domain_full_at),
        strength(mode, config.mode_threshold, full_at=config.full_at),
        strength(cac, config.complexity_threshold, full_at=config.full_at),
    )


def strength(value: float, threshold: float, *, full_at: float) -> float:
    """Return the strength of a gauge in [0, 1]: its relative shortfall / ``full_at``, at most 1.

    A threshold of 0 turns the gauge off.
    """
    shortfall = max(0.0, threshold - value) / threshold if threshold > 0 else 0.0
    return min(1.0, shortfall / full_at)


def number_of_drafts(gauges: Gauges, config: EvolutionConfig) -> int:
    """Return how many drafts are bred for one order: 1 without steering, up to ``config.max_drafts``."""
    return 1 + round(max(gauges.steer_mode, gauges.steer_cac) * (config.max_drafts - 1))


def rarity(count: float, config: EvolutionConfig) -> float:
    """Return the weight of a domain with ``count`` trajectories in the draw: (count + a)^(-b)."""
    weight: float = (count + config.smoothing) ** -config.strength
    return weight


def weigh(gain: Gain, gauges: Gauges, config: EvolutionConfig) -> float:
    """Return the sum of the marginal gains, each times the strength of its gauge; CAC as a share of its threshold."""
    cac = gain.cac / (config.complexity_threshold or 1.0)
    return gauges.steer_domain * gain.domain + gauges.steer_mode * gain.mode + gauges.steer_cac * cac


def budget_spent(tried: int, kept: int) -> str:
    """Say that a run stops because its budget of offspring is spent."""
    return f"budget: {tried} offspring {'was' if tried == 1 else 'were'} tried and {kept} of them kept"


def ran_dry(generations: int) -> str:
    """Say that a run stops because it accepted nothing in so many generations."""
    return f"dry: no trajectory was accepted in {generations} generation{'s in a row' if generations > 1 else ''}"


class Plateau:
    """Watch the gauges of the whole set over generations, and report when they are flat.

    The gauges are flat if at least one is below its threshold and none of those below has moved by more than
    ``config.flat`` of its range (CAC: of its threshold) for ``config.patience`` generations. More offspring would then
    add size and no diversity. The controls do not steer and never reach a plateau.
    """

    def __init__(self, config: EvolutionConfig) -> None:
        self._config = config
        self._past: deque[tuple[float, float, float]] = deque(maxlen=(config.patience or 0) + 1)

    def note(self, whole: Mapping[str, float]) -> None:
        """Note the gauges ``domain``, ``mode`` and ``cac`` of the whole set after a generation."""
        self._past.append((whole["domain"], whole["mode"], whole["cac"]))

    def reached(self) -> str:
        """Return why the run should stop, or an empty string while it should go on."""
        config = self._config
        thresholds = (config.domain_threshold, config.mode_threshold, config.complexity_threshold)
        if config.patience is None or not STRATEGIES[config.strategy].steers or len(self._past) <= config.patience:
            return ""
        flat_gauges = []
        for name, threshold, values in zip(
            ("domain", "mode", "CAC"), thresholds, zip(*self._past, strict=True), strict=True
        ):
            if values[-1] >= threshold:
                continue
            scale = threshold if name == "CAC" else 1.0
            if (max(values) - min(values)) / scale > config.flat:
                return ""
            flat_gauges.append(f"{name} {values[-1]:.4g} of {threshold:.4g}")
        if not flat_gauges:
            return ""
        generations = f"{config.patience} generation{'s' * (config.patience != 1)}"
        return (
            f"plateau: in {generations} no gauge below its threshold moved by more than "
            f"{config.flat:g} ({', '.join(flat_gauges)}); more would add size, not diversity"
        )
