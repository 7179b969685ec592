"""What steers, as pure functions of numbers: strengths, draws, weighed gains, and when the gauges have gone flat.

The controller uses these on a run that grows, `tdlab.evolution.what_if` on candidates that are there already, so that a
setting means the same in both. The formulas are this project's own; the paper names the gauges only.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import NamedTuple

from tdlab.config import EvolutionConfig
from tdlab.diversity import Gain

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
    """The three gauges and how strongly each steers, all in [0, 1] but ``cac``, which is a mean CAC.

    Each gauge is the lower of its value over the sliding window and over the whole set.
    """

    domain: float
    mode: float
    cac: float
    steer_domain: float
    steer_mode: float
    steer_cac: float

    @property
    def steers(self) -> bool:
        """Whether any gauge is below its threshold."""
        return max(self.steer_domain, self.steer_mode, self.steer_cac) > 0.0


def read_gauges(config: EvolutionConfig, *, domain: float, mode: float, cac: float) -> Gauges:
    """The gauges at these values, with the strength at which each steers; the controls steer by none."""
    if config.strategy != "evolved":
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
    """How strongly a gauge steers: its shortfall as a share of the threshold, in full from ``full_at`` of it on.

    A threshold of 0 turns the gauge off.
    """
    shortfall = max(0.0, threshold - value) / threshold if threshold > 0 else 0.0
    return min(1.0, shortfall / full_at)


def number_of_drafts(gauges: Gauges, config: EvolutionConfig) -> int:
    """How many drafts are bred for one order, from 1 (nothing to choose by) to ``config.max_drafts``."""
    return 1 + round(max(gauges.steer_mode, gauges.steer_cac) * (config.max_drafts - 1))


def rarity(count: float, config: EvolutionConfig) -> float:
    """What a domain that ``count`` trajectories are about weighs in the draw: (count + a)^(-b)."""
    weight: float = (count + config.smoothing) ** -config.strength
    return weight


def weigh(gain: Gain, gauges: Gauges, config: EvolutionConfig) -> float:
    """The marginal gain of each gauge, weighed by how strongly that gauge steers; CAC as a share of its threshold."""
    cac = gain.cac / (config.complexity_threshold or 1.0)
    return gauges.steer_domain * gain.domain + gauges.steer_mode * gain.mode + gauges.steer_cac * cac


def budget_spent(tried: int, kept: int) -> str:
    """Why a run stops whose budget of offspring is spent, in a sentence."""
    return f"budget: {tried} offspring {'was' if tried == 1 else 'were'} tried and {kept} of them kept"


def ran_dry(generations: int) -> str:
    """Why a run stops that accepted nothing in so many generations, in a sentence."""
    return f"dry: no trajectory was accepted in {generations} generation{'s in a row' if generations > 1 else ''}"


class Plateau:
    """Watches the gauges of the whole set, generation by generation, and says when they have gone flat.

    They are flat when a gauge is below its threshold, so that steering is at work, and each that is has kept within
    ``config.flat`` of its range (CAC: as a share of its threshold) for ``config.patience`` generations: what more is
    made adds size and no diversity. The controls have no gauge to wait for and never come to it.
    """

    def __init__(self, config: EvolutionConfig) -> None:
        self._config = config
        self._past: deque[tuple[float, float, float]] = deque(maxlen=(config.patience or 0) + 1)

    def note(self, whole: Mapping[str, float]) -> None:
        """The gauges after one more generation: ``domain``, ``mode`` and ``cac`` of the whole set."""
        self._past.append((whole["domain"], whole["mode"], whole["cac"]))

    def reached(self) -> str:
        """Why the run should stop, in a sentence; empty while it should go on."""
        config = self._config
        thresholds = (config.domain_threshold, config.mode_threshold, config.complexity_threshold)
        if config.patience is None or config.strategy != "evolved" or len(self._past) <= config.patience:
            return ""
        told = []
        for name, threshold, values in zip(
            ("domain", "mode", "CAC"), thresholds, zip(*self._past, strict=True), strict=True
        ):
            if values[-1] >= threshold:
                continue
            scale = threshold if name == "CAC" else 1.0
            if (max(values) - min(values)) / scale > config.flat:
                return ""
            told.append(f"{name} {values[-1]:.4g} of {threshold:.4g}")
        if not told:
            return ""
        generations = f"{config.patience} generation{'s' * (config.patience != 1)}"
        return (
            f"plateau: in {generations} no gauge below its threshold moved by more than "
            f"{config.flat:g} ({', '.join(told)}); more would add size, not diversity"
        )
