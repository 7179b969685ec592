"""Entropies of counts, in bits, with the numbers that a fair reading needs: N, K, ceiling, corrections, interval.

``counts`` is a mapping from category to count, a vector of counts, or a `SplitCounts`, where one trajectory gives its
mass to several categories (its domains, its trigrams). Zero counts are ignored. Every function is pure and, given its
seed, deterministic. Values that cannot be counts raise ConfigError.

Sources: Shannon, *A mathematical theory of communication* (1948); Miller, *Note on the bias of information estimates*
(1955); Chao and Shen, *Nonparametric estimation of Shannon's index of diversity when there are unseen species* (2003);
Hurlbert, *The nonconcept of species diversity* (1971) for rarefaction; Hill, *Diversity and evenness* (1973); Good,
*The population frequencies of species* (1953) for coverage; Efron and Tibshirani, *An introduction to the bootstrap*
(1993).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from tdlab.diversity._resample import CHUNK, draw, generator
from tdlab.diversity.counts import Counts, PreparedCounts, prepare_counts
from tdlab.errors import ConfigError
from tdlab.records import Record

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = [
    "NEAR_ONE",
    "EntropySummary",
    "bootstrap_interval",
    "ceiling",
    "chao_shen",
    "coverage",
    "entropy",
    "hill_number",
    "log_power_sum",
    "miller_madow",
    "rarefied_entropy",
    "summarise",
]

_TABULATED = 2_000_000
"""Up to this many draws, n log2 n is looked up in a table."""


def entropy(counts: Counts) -> float:
    """Return the Shannon entropy of counts, H = - sum p log2 p with p = count / total (Shannon 1948; plug-in estimate).

    The estimate is low by about (K - 1) / (2 N ln 2), so that only entropies at equal N can be compared. The result
    does not depend on the order of the counts, to the last bit.

    Args:
        counts: Counts by category, a vector of counts, or `SplitCounts`.

    Returns:
        Entropy in bits: 0 for fewer than two categories, log2 K for K categories with equal counts.

    Raises:
        ConfigError: A count is negative or not finite.

    Example:
        >>> entropy({"food": 4, "travel": 2, "health": 1, "news": 1})
        1.75
    """
    return prepare_counts(counts).entropy


def ceiling(n: float, categories: int | None = None) -> float:
    """Return the highest entropy that a set can have: min(log2 n, log2 categories).

    Args:
        n: Number of draws.
        categories: Number of categories that exist, seen or not; None if it is not known.

    Returns:
        Ceiling in bits; 0 for at most one draw or category.

    Example:
        >>> ceiling(500, 37)
        5.209
    """
    top = math.log2(n) if n > 1 else 0.0
    if categories is not None:
        top = min(top, math.log2(categories) if categories > 1 else 0.0)
    return top


def miller_madow(counts: Counts) -> float:
    """Return the entropy with the Miller-Madow correction, H + (K - 1) / (2 N ln 2) (Miller 1955).

    The correction is accurate for N well above K and too small otherwise. N is the total mass: the number of draws, or
    of trajectories with a mass of 1 each.

    Args:
        counts: Counts by category, a vector of counts, or `SplitCounts`.

    Returns:
        Entropy in bits; 0 for no counts.

    Raises:
        ConfigError: A count is negative or not finite.

    Example:
        >>> miller_madow([4, 2, 1, 1])
        2.0205
    """
    table = prepare_counts(counts)
    if not table.masses:
        return 0.0
    return table.entropy + (len(table.masses) - 1) / (2.0 * table.total * math.log(2.0))


def coverage(counts: Counts) -> float:
    """Estimate the probability that the next draw is of a category already seen (Good 1953): 1 - f1 / N.

    f1 is the number of singletons; for `SplitCounts` it is the mass of the categories that only one trajectory has.

    Args:
        counts: Counts by category, a vector of counts, or `SplitCounts`.

    Returns:
        Coverage in [0, 1]; 0 for no counts.

    Raises:
        ConfigError: A count is negative or not finite.

    Example:
        >>> coverage([4, 2, 1, 1])
        0.75
    """
    table = prepare_counts(counts)
    return max(0.0, 1.0 - table.singleton_mass / table.total) if table.masses else 0.0


def chao_shen(counts: Counts) -> float:
    """Estimate the entropy with unseen categories, by Horvitz and Thompson with adjusted coverage (Chao and Shen 2003).

    With the `coverage` C and q = C p, H = - sum q log2 q / (1 - (1 - q)^N). The denominator is the probability that a
    category is met at all. If every category was met only once, C would be 0; then 1 / N is used, as is usual. For
    `SplitCounts` the probability is our own: 1 - (1 - C t / N)^N for a category in t of N trajectories, since a
    trajectory meets a category whatever its mass. The estimate corrects more than Miller-Madow if N is small.

    Args:
        counts: Counts by category, a vector of counts, or `SplitCounts`.

    Returns:
        Entropy in bits; 0 for fewer than two categories.

    Raises:
        ConfigError: A count is negative or not finite.

    Example:
        >>> chao_shen([4, 2, 1, 1])
        2.2771
    """
    table = prepare_counts(counts)
    if len(table.masses) < 2:
        return 0.0
    total = table.total
    sample_coverage = 1.0 - table.singleton_mass / total
    if sample_coverage <= 1e-12:
        sample_coverage = 1.0 / max(total, 1.0)
    incidences, draws = (table.masses, total) if table.incidences is None else (table.incidences, float(table.units))
    terms = []
    for mass, incidence in zip(table.masses, incidences, strict=True):
        share, detection = sample_coverage * mass / total, sample_coverage * incidence / draws
        if 0.0 < share < 1.0:
            terms.append(
                -share * math.log2(share) / (-math.expm1(draws * math.log1p(-detection)) if detection < 1.0 else 1.0)
            )
    return math.fsum(terms)


def hill_number(counts: Counts, q: float) -> float:
    """Return the Hill number of order ``q``: how many equally common categories would be as diverse (Hill 1973).

    (sum p^q)^(1 / (1 - q)). Order 0 is the number of categories K, order 1 is 2^H, order 2 is 1 / sum p^2. It never
    grows with ``q``.

    Args:
        counts: Counts by category, a vector of counts, or `SplitCounts`.
        q: The order, at least 0.

    Returns:
        Effective number of categories; 0 for no counts.

    Raises:
        ConfigError: The order or a count is negative or not finite.

    Example:
        >>> [hill_number([4, 2, 1, 1], order) for order in (0, 1, 2)]
        [4.0, 3.364, 2.909]
    """
    if not math.isfinite(q) or q < 0:
        raise ConfigError(f"a Hill number of order {q!r}", expected="a finite order, at least 0")
    table = prepare_counts(counts)
    if not table.masses:
        return 0.0
    if q == 0:
        return float(len(table.masses))
    if abs(q - 1.0) < NEAR_ONE:
        return float(2.0**table.entropy)
    return math.exp(log_power_sum([m / table.total for m in table.masses], q) / (1.0 - q))


NEAR_ONE = 1e-6
"""Orders closer to 1 than this count as 1, since the general formula would divide by almost 0."""


def log_power_sum(shares: Sequence[float], q: float) -> float:
    """Return ln(sum p^q) of positive shares, without underflow at high orders."""
    largest = max(shares)
    return q * math.log(largest) + math.log(math.fsum((share / largest) ** q for share in shares))


def bootstrap_interval(
    counts: Counts, *, seed: int, replicates: int = 1000, level: float = 0.95, draws: int | None = None
) -> tuple[float, float]:
    """Estimate an interval for the entropy of another sample of the same size, by multinomial bootstrap.

    A redrawn sample has fewer categories than the original, so that the replicates are low by the bias of the estimate.
    The interval is shifted by the mean difference and thus surrounds the value: (H + q_low - mean, H + q_high - mean),
    cut to [0, log2 of the pairs] (Efron and Tibshirani 1993). It shows how far H varies at the same N, not how far it
    is from the truth at N = infinity. Memory is bounded.

    Args:
        counts: Counts by category, a vector of counts, or `SplitCounts`, whose trajectories are redrawn whole.
        seed: Seed of the draws.
        replicates: Number of redrawn samples.
        level: Confidence level, in (0, 1).
        draws: Size of the redrawn samples, in trajectories; by default that of the set. The interval then surrounds
            the entropy rarefied to that size.

    Returns:
        Lower and upper end, in bits.

    Raises:
        ConfigError: A count, ``replicates``, ``level`` or ``draws`` is out of range.

    Example:
        >>> bootstrap_interval([4, 2, 1, 1], seed=0)
        (0.9, 2.2)
    """
    import numpy as np

    _check_resampling(replicates, level)
    table = prepare_counts(counts)
    size = table.units if draws is None else draws
    value = table.entropy if size == table.units else rarefied_entropy(table, size, seed=seed)
    if len(table.masses) < 2 or table.units < 1:
        return value, value
    entropies = np.concatenate(list(_replicates(table, generator("bootstrap", seed), replicates, size, False)))
    tail = (1.0 - level) / 2.0
    low, high = np.quantile(entropies, [tail, 1.0 - tail]) - entropies.mean()
    top = max(ceiling(max(table.pairs, table.n) if size == table.units else size * table.pairs / table.units), value)
    return max(0.0, value + min(float(low), 0.0)), min(top, value + max(float(high), 0.0))


def rarefied_entropy(counts: Counts, n: int, *, seed: int = 0, replicates: int = 200) -> float:
    """Return the expected entropy of ``n`` trajectories drawn without replacement (rarefaction; Hurlbert 1971).

    For whole counts the result is exact: the sum over categories of E[-(X/n) log2(X/n)] with X hypergeometric
    (N, count, n). For `SplitCounts` it is the mean over draws of whole trajectories, and for other fractional counts
    the mean over multinomial draws.

    Args:
        counts: Counts by category, a vector of counts, or `SplitCounts`.
        n: Number of trajectories, from 1 to that of the set.
        seed: Seed of the draws.
        replicates: Number of draws.

    Returns:
        Entropy in bits; that of the whole set if ``n`` is its size.

    Raises:
        ConfigError: ``n``, ``replicates`` or a count is out of range.

    Example:
        >>> rarefied_entropy([4, 2, 1, 1], 4)
        1.335
    """
    import numpy as np

    _check_resampling(replicates, 0.95)
    table = prepare_counts(counts)
    if n < 1 or n > table.units:
        raise ConfigError(
            f"rarefaction to {n} of {table.units} trajectories",
            expected=f"1 to {table.units}",
            do="use the size of the smallest set",
        )
    if n == table.units:
        return table.entropy
    if not table.is_whole:
        entropies = np.concatenate(list(_replicates(table, generator("rarefy", seed), replicates, n, True)))
        return float(entropies.mean())
    from scipy.special import gammaln

    def log_choose(top: Any, bottom: Any) -> Any:
        return gammaln(top + 1.0) - gammaln(bottom + 1.0) - gammaln(top - bottom + 1.0)

    total = table.units
    categories_by_count: dict[int, int] = {}
    for mass in table.masses:
        categories_by_count[int(mass)] = categories_by_count.get(int(mass), 0) + 1
    terms = []
    for count, categories in sorted(categories_by_count.items()):
        sampled = np.arange(max(0, n - (total - count)), min(count, n) + 1, dtype=np.float64)
        log_probabilities = log_choose(float(count), sampled) + log_choose(float(total - count), n - sampled)
        probabilities = np.exp(log_probabilities - log_probabilities.max())
        shares = sampled / n
        bits = np.where(shares > 0, -shares * np.log2(np.where(shares > 0, shares, 1.0)), 0.0)
        terms.append(categories * float((probabilities * bits).sum() / probabilities.sum()))
    return math.fsum(terms)


class EntropySummary(Record):
    """One entropy with the numbers that a fair reading needs; made by `summarise`. Entropies are in bits.

    Attributes:
        value: Plug-in entropy.
        n: Total mass: the number of draws, or of trajectories with a mass of 1 each.
        units: Number of trajectories; intervals redraw them, and ``rarefied_to`` counts them.
        k: Number of categories that were seen.
        categories: Number of categories that exist; None if it is not known.
        ceiling: min(log2 max(n, number of (trajectory, category) pairs), log2 categories).
        normalised: value / ceiling, in [0, 1]; 0 for a ceiling of 0.
        miller_madow: Entropy with the Miller-Madow correction, at most log2 categories.
        chao_shen: Entropy with the Chao-Shen correction, at most log2 categories.
        coverage: Sample coverage of Good and Turing, in [0, 1].
        low: Lower end of the interval of `bootstrap_interval`.
        high: Upper end of that interval.
        level: Confidence level of the intervals.
        rarefied_to: Common number of trajectories.
        rarefied: Entropy at that number; None if the set is smaller.
        rarefied_low: Lower end of its interval.
        rarefied_high: Upper end of its interval.
        rarefied_ceiling: Ceiling at that number, for the average number of pairs per trajectory.
        covered_to: Common sample coverage, in [0, 1].
        covered_size: Number of draws at which the set reaches that coverage.
        covered: Entropy at that coverage (see `at_coverage`); None if the set cannot reach it.
    """

    value: float
    n: int
    units: int
    k: int
    categories: int | None
    ceiling: float
    normalised: float
    miller_madow: float
    chao_shen: float
    coverage: float
    low: float
    high: float
    level: float
    rarefied_to: int | None
    rarefied: float | None
    rarefied_low: float | None = None
    rarefied_high: float | None = None
    rarefied_ceiling: float | None = None
    covered_to: float | None = None
    covered_size: float | None = None
    covered: float | None = None


def summarise(
    counts: Counts,
    *,
    categories: int | None = None,
    seed: int = 0,
    rarefy_to: int | None = None,
    replicates: int = 1000,
    level: float = 0.95,
) -> EntropySummary:
    """Compute every estimate of this module.

    Args:
        counts: Counts by category, a vector of counts, or `SplitCounts`.
        categories: Number of categories that exist; None if it is not known.
        seed: Seed of the draws.
        rarefy_to: Common number of trajectories to rarefy to.
        replicates: Number of redrawn samples of an interval.
        level: Confidence level of the intervals.

    Returns:
        The summary. It is the summary of one set: ``covered`` is filled by `compare`.

    Raises:
        ConfigError: More categories were seen than exist, or a count or an option is out of range.

    Example:
        >>> summary = summarise([4, 2, 1, 1], categories=16, rarefy_to=4)
        >>> summary.value, summary.ceiling, summary.rarefied
        (1.75, 3.0, 1.335)
    """
    table = prepare_counts(counts)
    value = table.entropy
    if categories is not None and categories < len(table.masses):
        raise ConfigError(
            f"categories={categories}, but {len(table.masses)} categories occur",
            expected=f"at least {len(table.masses)}",
            do="count the categories of the set too, or leave `categories` out",
        )
    maximum = math.inf if categories is None else math.log2(max(categories, 1))
    entropy_ceiling = max(ceiling(max(table.pairs, table.n), categories), 0.0)
    low, high = bootstrap_interval(table, seed=seed, replicates=replicates, level=level)
    rarefied = rarefied_low = rarefied_high = rarefied_ceiling = None
    if rarefy_to is not None and 1 <= rarefy_to <= table.units:
        rarefied = rarefied_entropy(table, rarefy_to, seed=seed)
        rarefied_ceiling = max(ceiling(rarefy_to * max(table.pairs, table.n) / table.units, categories), rarefied)
        rarefied_low, rarefied_high = low, high
        if rarefy_to < table.units:
            rarefied_low, rarefied_high = bootstrap_interval(
                table, seed=seed, replicates=replicates, level=level, draws=rarefy_to
            )
        rarefied_high = max(min(rarefied_high, rarefied_ceiling), rarefied)
    return EntropySummary(
        value=value,
        n=table.n,
        units=table.units,
        k=len(table.masses),
        categories=categories,
        ceiling=entropy_ceiling,
        normalised=min(value / entropy_ceiling, 1.0) if entropy_ceiling > 0 else 0.0,
        miller_madow=min(miller_madow(table), max(maximum, value)),
        chao_shen=min(chao_shen(table), max(maximum, value)),
        coverage=coverage(table),
        low=low,
        high=max(min(high, entropy_ceiling), value),
        level=level,
        rarefied_to=rarefy_to,
        rarefied=rarefied,
        rarefied_low=rarefied_low,
        rarefied_high=rarefied_high,
        rarefied_ceiling=rarefied_ceiling,
    )


# ------------------------------------------------------------------------------------------------------- resampling


def _check_resampling(replicates: int, level: float) -> None:
    if replicates < 1:
        raise ConfigError(f"replicates={replicates}", expected="at least 1")
    if not 0.0 < level < 1.0:
        raise ConfigError(f"level={level!r}", expected="a number between 0 and 1, such as 0.95")


def _replicates(
    table: PreparedCounts, rng: np.random.Generator, replicates: int, draws: int, without: bool
) -> Iterator[NDArray[np.float64]]:
    """Yield the entropies of ``replicates`` samples of ``draws`` trajectories, in chunks of bounded size."""
    import numpy as np

    if table.split is not None:
        for units in draw(table.split.units, rng, replicates, draws, without):
            yield _row_entropies(np.asarray(units @ table.split.spread))
        return
    masses = np.array(table.masses)
    if table.is_whole and draws <= _TABULATED:
        steps = np.arange(draws + 1, dtype=np.float64)
        n_log_n = steps * np.log2(np.maximum(steps, 1.0))
        for sampled in draw(masses.astype(np.int64), rng, replicates, draws, without):
            yield np.maximum(0.0, math.log2(draws) - n_log_n[sampled].sum(axis=1) / draws)
        return
    rows = max(1, CHUNK // len(masses))
    for start in range(0, replicates, rows):
        size = min(rows, replicates - start)
        yield _row_entropies(rng.multinomial(draws, masses / masses.sum(), size=size).astype(np.float64))


def _row_entropies(masses: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the entropy of each row of (rows, categories); numpy's sums are exact enough for replicates."""
    import numpy as np

    totals = masses.sum(axis=1)
    mass_log_mass = (masses * np.log2(np.where(masses > 0, masses, 1.0))).sum(axis=1)
    entropies: NDArray[np.float64] = np.maximum(0.0, np.log2(totals) - mass_log_mass / totals)
    return entropies
