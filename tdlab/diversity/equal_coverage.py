"""Sets compared at equal coverage: the same share of what there is to find, instead of the same number of draws.

At equal N the richer of two sets is seen less completely, and so differences shrink. At equal sample coverage, the
chance that the next draw is of a category already seen, both are seen equally well (Chao and Jost 2012). A size is
lowered by interpolation (rarefaction, exact for plain counts) and raised by extrapolation up to twice the sample; an
extrapolated entropy is kept within log2 of the size and of the number of categories expected there. A common coverage
that is low, because one set repeats next to nothing, compares next to nothing.

Plain counts: coverage C(n) = 1 - (f1 / n) A with A = n f0 / (n f0 + f1), where f0 = (n - 1) f1^2 / (2 n f2), or
(n - 1) f1 (f1 - 1) / (2 n) without doubletons; C(m) = 1 - sum x/n C(n - x, m) / C(n - 1, m) below n; C(n + m) =
1 - (f1 / n) A^(m + 1) above. `SplitCounts`: the same with the numbers of trajectories that hold a category in place of
the counts (incidence data), never above n.

Sources: Chao and Jost, *Coverage-based rarefaction and extrapolation* (2012); Chao, Gotelli, Hsieh, Sander, Ma, Colwell
and Ellison, *Rarefaction and extrapolation with Hill numbers* (2014); Chao, Wang and Jost, *Entropy and the species
accumulation curve* (2013) for the entropy that extrapolation tends to.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property

from tdlab.diversity.entropy import Counts, Prepared, prepare, rarefied_entropy
from tdlab.errors import ConfigError
from tdlab.records import Record

__all__ = ["CoverageEstimate", "at_coverage", "common_coverage", "sample_coverage"]

_FURTHEST = 2.0
"""Extrapolation goes to twice the sample, as its authors advise."""


class CoverageEstimate(Record):
    """What a set would show at a sample ``coverage``: the ``size`` at which it has it, and the diversity there.

    ``size`` is in draws (trajectories for `SplitCounts`) and is no whole number in general. ``entropy`` is in bits;
    ``q0``, ``q1`` and ``q2`` are Hill numbers, the first and last None for `SplitCounts`. ``extrapolated`` says that
    the size is above the sample's.
    """

    coverage: float
    size: float
    extrapolated: bool
    entropy: float
    q0: float | None
    q1: float
    q2: float | None


def sample_coverage(counts: Counts, size: float | None = None) -> float:
    """Estimated sample coverage in [0, 1] at ``size`` draws (the sample's own by default), from 1 to any number.

    More exact than `tdlab.diversity.coverage`, which is Good's. 0 for no counts. Between whole numbers below the
    sample's size it is interpolated linearly.
    """
    sample = _sample(counts)
    if not sample.times:
        return 0.0
    if size is not None and not 1 <= size < math.inf:
        raise ConfigError(f"the coverage of {size!r} draws", expected="a finite number of draws, at least 1")
    return sample.coverage(sample.n if size is None else size)


def common_coverage(sets: Iterable[Counts]) -> float:
    """The highest coverage at which all the sets can be compared: the least of what each reaches; 0 for no sets.

    Plain counts reach the coverage of twice their size, `SplitCounts` their own. Sets without counts are left out.
    """
    reached = [sample.reach for one in sets if (sample := _sample(one)).times]
    return min(reached, default=0.0)


def at_coverage(counts: Counts, coverage: float, *, seed: int = 0, replicates: int = 200) -> CoverageEstimate | None:
    """Entropy in bits and Hill numbers at a sample coverage; None where the set cannot reach it or has no counts.

    Plain counts: exact expectations below the sample's size, estimates above. `SplitCounts`: means over ``replicates``
    draws of whole trajectories. A coverage below that of one draw gives the values of one draw.
    """
    if not 0.0 <= coverage <= 1.0:
        raise ConfigError(f"a coverage of {coverage!r}", expected="a number from 0 to 1")
    sample = _sample(counts)
    if not sample.times or coverage > sample.reach + 1e-12:
        return None
    size = sample.size(coverage)
    whole = sample.table.split is None
    q0 = q2 = None
    if size > sample.n:
        share = sample.n / size
        q0, q2 = sample.further_richness(size - sample.n), sample.dominance(size)
        bits = share * sample.table.entropy + (1 - share) * max(sample.asymptote(), sample.table.entropy)
        bits = max(sample.table.entropy, min(bits, math.log2(q0), math.log2(size)))
    else:
        bits = _between(size, lambda m: rarefied_entropy(sample.table, m, seed=seed, replicates=replicates))
        if whole:
            q0, q2 = _between(size, sample.richness), _between(size, sample.dominance)
    return CoverageEstimate(
        coverage=sample.coverage(size),
        size=size,
        extrapolated=size > sample.n,
        entropy=bits,
        q0=q0,
        q1=2.0**bits,
        q2=q2,
    )


def _sample(counts: Counts) -> _Sample:
    table = prepare(counts)
    if table.split is None:
        if not table.whole:
            raise ConfigError(
                "coverage of counts that are no whole numbers",
                expected="whole counts, or SplitCounts",
                do="keep the trajectories apart with SplitCounts.of",
            )
        met = table.masses
    else:
        import numpy as np

        split = table.split
        met = np.bincount(split.category, weights=split.units[split.kind], minlength=split.categories).tolist()
    times: dict[int, int] = {}
    for count in met:
        times[int(count)] = times.get(int(count), 0) + 1
    return _Sample(table, dict(sorted(times.items())), table.units)


@dataclass(frozen=True)
class _Sample:
    """``times[x]`` categories were met x times in ``n`` draws (or trajectories)."""

    table: Prepared
    times: dict[int, int]
    n: int

    @cached_property
    def total(self) -> int:
        """All that was met: n for plain counts, (trajectory, category) pairs for split ones."""
        return sum(count * categories for count, categories in self.times.items())

    @cached_property
    def unseen(self) -> float:
        """Chao's lower bound for the number of categories that were not met."""
        once, twice = self.times.get(1, 0), self.times.get(2, 0)
        scale = (self.n - 1) / self.n
        return scale * once * once / (2 * twice) if twice else scale * once * (once - 1) / 2

    @cached_property
    def slack(self) -> float:
        """A: by which factor the uncovered share falls with every further draw."""
        once = self.times.get(1, 0)
        return self.n * self.unseen / (self.n * self.unseen + once) if once else 0.0

    @cached_property
    def reach(self) -> float:
        """The highest coverage at which something can be said."""
        return self.coverage(self.n * _FURTHEST if self.table.split is None else self.n)

    def coverage(self, size: float) -> float:
        if size >= self.n:
            once = self.times.get(1, 0)
            return max(0.0, 1.0 - once / self.total * self.slack ** (size - self.n + 1)) if once else 1.0
        low = math.floor(size)
        below = self._interpolated(low)
        return below if low == size else below + (size - low) * (self.coverage(low + 1) - below)

    def _interpolated(self, m: int) -> float:
        missed = (
            categories * count / self.total * math.exp(_log_choose(self.n - count, m) - _log_choose(self.n - 1, m))
            for count, categories in self.times.items()
            if count <= self.n - m
        )
        return max(0.0, 1.0 - math.fsum(missed))

    def size(self, coverage: float) -> float:
        """The size that has this coverage, at least 1 and within reach."""
        if coverage > self.coverage(self.n):
            if coverage >= 1.0:
                return self.n * _FURTHEST
            once = self.times.get(1, 0)
            further = math.log((1.0 - coverage) * self.total / once) / math.log(self.slack) - 1.0
            return min(self.n + max(0.0, further), self.n * _FURTHEST)
        low, high = 1, self.n
        if coverage <= self.coverage(1):
            return 1.0
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self.coverage(middle) < coverage else (low, middle)
        below, above = self.coverage(low), self.coverage(high)
        return low + (min(coverage, above) - below) / (above - below) if above > below else float(high)

    def richness(self, m: int) -> float:
        """Expected number of categories in m of the draws."""
        return math.fsum(
            categories * (1.0 - math.exp(_log_choose(self.n - count, m) - _log_choose(self.n, m)))
            if count <= self.n - m
            else float(categories)
            for count, categories in self.times.items()
        )

    def dominance(self, m: float) -> float:
        """Hill number of order 2 at size m, by its unbiased estimate: also above n."""
        if self.n < 2:
            return 1.0
        pairs = math.fsum(c * x * (x - 1) for x, c in self.times.items()) / (self.n * (self.n - 1))
        return 1.0 / (1.0 / m + (m - 1) / m * pairs)

    def further_richness(self, more: float) -> float:
        seen = float(sum(self.times.values()))
        if not self.unseen:
            return seen
        chance = self.times.get(1, 0) / (self.n * self.unseen + self.times.get(1, 0))
        return seen + self.unseen * -math.expm1(more * math.log1p(-chance)) if chance < 1 else seen + self.unseen

    def asymptote(self) -> float:
        """The entropy in bits that an endless sample would show, as Chao, Wang and Jost estimate it."""
        from scipy.special import digamma

        n = self.n
        nats = math.fsum(c * x / n * (float(digamma(n)) - float(digamma(x))) for x, c in self.times.items() if x < n)
        once, twice = self.times.get(1, 0), self.times.get(2, 0)
        if once and n > 1:
            a = 2 * twice / ((n - 1) * once + 2 * twice) if twice else 2 / ((n - 1) * (once - 1) + 2)
            if a < 1:
                nats += once / n * _tail(n, a)
        return nats / math.log(2)


def _tail(n: int, a: float) -> float:
    """The sum over k from 0 of (1 - a)^(k + 1) / (n + k), as the integral of (1 - a) t^(n - 1) / (1 - (1 - a) t).

    With t = exp(-v / n) and v on a logarithmic grid, whose lower end is far below the scale n a of the integrand.
    """
    import numpy as np

    v = np.exp(np.linspace(math.log(min(n * a, 1.0)) - 18.0, math.log(60.0), 6000))
    worth = v * np.exp(-v) / -np.expm1(math.log1p(-a) - v / n)
    return float((1.0 - a) / n * np.trapezoid(worth, np.log(v)))


def _between(size: float, exact: Callable[[int], float]) -> float:
    """A value at a size that is no whole number: linear between its neighbours."""
    low = math.floor(size)
    below = exact(low)
    return below if low == size else below + (size - low) * (exact(low + 1) - below)


def _log_choose(top: int, bottom: int) -> float:
    return math.lgamma(top + 1) - math.lgamma(bottom + 1) - math.lgamma(top - bottom + 1)
