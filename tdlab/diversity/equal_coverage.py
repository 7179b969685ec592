"""Compare sets at equal sample coverage instead of at equal size.

At equal N the richer of two sets is seen less completely, so that differences shrink. Sample coverage is the
probability that the next draw is of a category already seen; at equal coverage both sets are seen equally well (Chao
and Jost 2012). Smaller sizes are interpolated (rarefaction, exact for plain counts), larger ones extrapolated up to
twice the sample. An extrapolated entropy is at most log2 of the size and log2 of the expected number of categories. If
one set repeats almost nothing, the common coverage is low and the comparison says little.

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

from tdlab.diversity.counts import Counts, PreparedCounts, prepare_counts
from tdlab.diversity.entropy import rarefied_entropy
from tdlab.errors import ConfigError
from tdlab.records import Record

__all__ = ["CoverageEstimate", "at_coverage", "common_coverage", "sample_coverage"]

_FURTHEST = 2.0
"""Extrapolate to at most twice the sample, as the authors of the method advise."""


class CoverageEstimate(Record):
    """The diversity of a set at a sample coverage; made by `at_coverage`.

    Attributes:
        coverage: The sample coverage, in [0, 1].
        size: Number of draws (trajectories for `SplitCounts`) at which the set has that coverage; not always whole.
        extrapolated: Whether ``size`` is larger than the sample.
        entropy: Entropy at that size, in bits.
        q0: Hill number of order 0; None for `SplitCounts`.
        q1: Hill number of order 1.
        q2: Hill number of order 2; None for `SplitCounts`.
    """

    coverage: float
    size: float
    extrapolated: bool
    entropy: float
    q0: float | None
    q1: float
    q2: float | None


def sample_coverage(counts: Counts, size: float | None = None) -> float:
    """Estimate the sample coverage at a number of draws (Chao and Jost 2012), more precisely than `coverage`.

    Between whole numbers below the size of the sample the estimate is interpolated linearly.

    Args:
        counts: Whole counts by category, a vector of counts, or `SplitCounts`.
        size: Number of draws, at least 1; by default that of the sample.

    Returns:
        Coverage in [0, 1]; 0 for no counts.

    Raises:
        ConfigError: The counts are not whole numbers, or ``size`` is less than 1.

    Example:
        >>> sample_coverage([4, 2, 1, 1]), sample_coverage([4, 2, 1, 1], 2)
        (0.781, 0.429)
    """
    sample = _sample(counts)
    if not sample.times:
        return 0.0
    if size is not None and not 1 <= size < math.inf:
        raise ConfigError(f"the coverage of {size!r} draws", expected="a finite number, at least 1")
    return sample.coverage(sample.n if size is None else size)


def common_coverage(sets: Iterable[Counts]) -> float:
    """Return the highest coverage at which all sets can be compared (Chao and Jost 2012).

    Plain counts reach the coverage at twice their size, `SplitCounts` their own coverage.

    Args:
        sets: Counts of each set, as `sample_coverage` takes them; sets without counts are ignored.

    Returns:
        Coverage in [0, 1]; 0 if no set has counts.

    Raises:
        ConfigError: The counts of a set are not whole numbers.

    Example:
        >>> common_coverage([[4, 2, 1, 1], [3, 3, 1, 1, 1]])
        0.897
    """
    reached = [sample.reach for counts in sets if (sample := _sample(counts)).times]
    return min(reached, default=0.0)


def at_coverage(counts: Counts, coverage: float, *, seed: int = 0, replicates: int = 200) -> CoverageEstimate | None:
    """Estimate entropy and Hill numbers at a sample coverage (Chao and Jost 2012; Chao et al. 2014).

    For plain counts the values are exact expectations up to the size of the sample and estimates above it. For
    `SplitCounts` they are means over draws of whole trajectories. A coverage below that of one draw gives the values of
    one draw.

    Args:
        counts: Whole counts by category, a vector of counts, or `SplitCounts`.
        coverage: The sample coverage, in [0, 1].
        seed: Seed of the draws.
        replicates: Number of draws.

    Returns:
        The estimate, or None if the set has no counts or cannot reach the coverage.

    Raises:
        ConfigError: The counts are not whole numbers, or ``coverage`` is out of range.

    Example:
        >>> estimate = at_coverage([4, 2, 1, 1], 0.5)
        >>> estimate.size, estimate.entropy
        (2.59, 0.964)
        >>> at_coverage([1, 1, 1], 0.9) is None
        True
    """
    if not 0.0 <= coverage <= 1.0:
        raise ConfigError(f"coverage={coverage!r}", expected="a number from 0 to 1")
    sample = _sample(counts)
    if not sample.times or coverage > sample.reach + 1e-12:
        return None
    size = sample.size(coverage)
    is_plain = sample.table.split is None
    q0 = q2 = None
    if size > sample.n:
        sample_share = sample.n / size
        q0, q2 = sample.further_richness(size - sample.n), sample.dominance(size)
        entropy_bits = sample_share * sample.table.entropy + (1 - sample_share) * max(
            sample.asymptote(), sample.table.entropy
        )
        entropy_bits = max(sample.table.entropy, min(entropy_bits, math.log2(q0), math.log2(size)))
    else:
        entropy_bits = _between(size, lambda m: rarefied_entropy(sample.table, m, seed=seed, replicates=replicates))
        if is_plain:
            q0, q2 = _between(size, sample.richness), _between(size, sample.dominance)
    return CoverageEstimate(
        coverage=sample.coverage(size),
        size=size,
        extrapolated=size > sample.n,
        entropy=entropy_bits,
        q0=q0,
        q1=2.0**entropy_bits,
        q2=q2,
    )


def _sample(counts: Counts) -> _Sample:
    table = prepare_counts(counts)
    if table.split is None:
        if not table.is_whole:
            raise ConfigError(
                "coverage of counts that are not whole numbers",
                expected="whole counts, or SplitCounts",
                do="count trajectories with SplitCounts.of",
            )
        incidences = table.masses
    else:
        import numpy as np

        split = table.split
        incidences = np.bincount(split.category, weights=split.units[split.kind], minlength=split.categories).tolist()
    categories_by_count: dict[int, int] = {}
    for count in incidences:
        categories_by_count[int(count)] = categories_by_count.get(int(count), 0) + 1
    return _Sample(table, dict(sorted(categories_by_count.items())), table.units)


@dataclass(frozen=True)
class _Sample:
    """A sample of ``n`` draws (or trajectories), in which ``times[x]`` categories were met x times."""

    table: PreparedCounts
    times: dict[int, int]
    n: int

    @cached_property
    def total(self) -> int:
        """The number of incidences: n for plain counts, (trajectory, category) pairs for split counts."""
        return sum(count * categories for count, categories in self.times.items())

    @cached_property
    def unseen(self) -> float:
        """Chao's lower bound for the number of unseen categories (f0)."""
        once, twice = self.times.get(1, 0), self.times.get(2, 0)
        scale = (self.n - 1) / self.n
        return scale * once * once / (2 * twice) if twice else scale * once * (once - 1) / 2

    @cached_property
    def slack(self) -> float:
        """The factor A by which the uncovered share falls with each further draw."""
        once = self.times.get(1, 0)
        return self.n * self.unseen / (self.n * self.unseen + once) if once else 0.0

    @cached_property
    def reach(self) -> float:
        """The highest coverage that can be estimated."""
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
        """Return the size that has this coverage, at least 1 and within reach."""
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
        """Return the expected number of categories in m of the draws."""
        return math.fsum(
            categories * (1.0 - math.exp(_log_choose(self.n - count, m) - _log_choose(self.n, m)))
            if count <= self.n - m
            else float(categories)
            for count, categories in self.times.items()
        )

    def dominance(self, m: float) -> float:
        """Return the Hill number of order 2 at size m, by its unbiased estimate, which also holds above n."""
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
        """Estimate the entropy of an infinite sample in bits (Chao, Wang and Jost 2013)."""
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
    """Return the sum over k >= 0 of (1 - a)^(k + 1) / (n + k), by the integral of (1 - a) t^(n - 1) / (1 - (1 - a) t).

    Substitutes t = exp(-v / n), with v on a logarithmic grid that begins far below the scale n a of the integrand.
    """
    import numpy as np

    v = np.exp(np.linspace(math.log(min(n * a, 1.0)) - 18.0, math.log(60.0), 6000))
    integrand = v * np.exp(-v) / -np.expm1(math.log1p(-a) - v / n)
    return float((1.0 - a) / n * np.trapezoid(integrand, np.log(v)))


def _between(size: float, exact: Callable[[int], float]) -> float:
    """Interpolate a function of whole sizes linearly."""
    low = math.floor(size)
    below = exact(low)
    return below if low == size else below + (size - low) * (exact(low + 1) - below)


def _log_choose(top: int, bottom: int) -> float:
    return math.lgamma(top + 1) - math.lgamma(bottom + 1) - math.lgamma(top - bottom + 1)
