"""Entropies of counts, in bits, each with what is needed to read it fairly: N, K, ceiling, corrections, interval.

``counts`` is a mapping from category to count, a vector of counts, or a `SplitCounts`, where one trajectory gives its
mass to several categories (its domains, its trigrams). Zero counts are left out. Nothing here knows of trajectories;
every function is pure and, given its seed, deterministic. Values that cannot be counts raise ConfigError.

Sources: Shannon, *A mathematical theory of communication* (1948); Miller, *Note on the bias of information estimates*
(1955); Chao and Shen, *Nonparametric estimation of Shannon's index of diversity when there are unseen species* (2003);
Hurlbert, *The nonconcept of species diversity* (1971) for rarefaction; Hill, *Diversity and evenness* (1973); Good,
*The population frequencies of species* (1953) for coverage; Efron and Tibshirani, *An introduction to the bootstrap*
(1993).
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

from tdlab.diversity._resample import CHUNK, draw, generator
from tdlab.errors import ConfigError
from tdlab.records import Record

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = [
    "NEAR_ONE",
    "Counts",
    "EntropySummary",
    "Prepared",
    "SplitCounts",
    "bootstrap_interval",
    "ceiling",
    "chao_shen",
    "coverage",
    "entropy",
    "hill_number",
    "log_power_sum",
    "miller_madow",
    "prepare",
    "rarefied_entropy",
    "summarise",
]

_TABULATED = 2_000_000
"""Up to this many draws, n log2 n is looked up; above, it is computed."""


@dataclass(frozen=True)
class SplitCounts:
    """Counts of kinds of trajectory, each kind spread over categories: what is resampled is the trajectory.

    ``units[u]`` trajectories are of kind ``u``. Entry ``e`` says that each trajectory of kind ``kind[e]`` gives
    ``mass[e]`` to category ``category[e]``. Shapes: ``units`` (kinds,), the other three (entries,); ``categories`` is
    the number of categories that occur.
    """

    units: NDArray[np.int64]
    kind: NDArray[np.int64]
    category: NDArray[np.int64]
    mass: NDArray[np.float64]
    categories: int

    @classmethod
    def of(cls, kinds: Iterable[tuple[Mapping[Any, float], int]]) -> SplitCounts:
        """From pairs of (category -> mass of one trajectory, number of such trajectories), in any order."""
        import numpy as np

        units: list[int] = []
        index: dict[Hashable, int] = {}
        category: list[int] = []
        mass: list[float] = []
        sizes: list[int] = []
        for masses, count in kinds:
            if count < 0 or count != int(count):
                raise ConfigError(f"{count!r} trajectories of a kind", expected="a whole number that is not negative")
            if count == 0:
                continue
            for value in masses.values():
                if not 0 < value < math.inf:
                    if value != 0:
                        raise ConfigError(f"a mass of {value!r}", expected="a finite number that is not negative")
                    masses = {name: value for name, value in masses.items() if value != 0}
            category += [index.setdefault(name, len(index)) for name in masses]
            mass += masses.values()
            sizes.append(len(masses))
            units.append(int(count))
        return cls(
            np.array(units, dtype=np.int64),
            np.repeat(np.arange(len(units), dtype=np.int64), sizes),
            np.array(category, dtype=np.int64),
            np.array(mass, dtype=np.float64),
            len(index),
        )

    def totals(self, units: NDArray[Any] | None = None) -> NDArray[np.float64]:
        """Mass of each category, shape (categories,), for these ``units`` or others of the same shape."""
        import numpy as np

        chosen = self.units if units is None else units
        found = np.bincount(self.category, weights=self.mass * chosen[self.kind], minlength=self.categories)
        return found.astype(np.float64)

    @cached_property
    def spread(self) -> Any:
        """The masses as a sparse matrix, shape (kinds, categories): redrawn units times this are redrawn totals."""
        import numpy as np
        from scipy.sparse import csr_array

        ends = np.searchsorted(self.kind, np.arange(len(self.units) + 1))
        return csr_array((self.mass, self.category, ends), shape=(len(self.units), self.categories))


Counts: TypeAlias = "Mapping[Any, float] | Sequence[float] | NDArray[Any] | SplitCounts | Prepared"
"""What the functions here take."""


@dataclass(frozen=True)
class Prepared:
    """Counts made ready by `prepare`: positive ``masses``, ``units`` (trajectories), (trajectory, category) ``pairs``.

    ``lonely`` is the mass of categories that one trajectory alone has, ``whole`` says that all masses are whole.
    ``met`` is in how many trajectories each category was met; None for plain counts, where a trajectory is a draw.
    """

    masses: list[float]
    units: int
    pairs: int
    lonely: float
    whole: bool
    split: SplitCounts | None
    met: list[float] | None = None

    @cached_property
    def total(self) -> float:
        """The sum of the masses."""
        return math.fsum(self.masses)

    @property
    def n(self) -> int:
        """The total as a whole number."""
        return round(self.total)

    @cached_property
    def entropy(self) -> float:
        """Shannon entropy in bits."""
        return _plain(self.masses)


def prepare(counts: Counts) -> Prepared:
    """Counts checked once, to hand to several functions of this module; what is ready already is returned as it is."""
    if isinstance(counts, Prepared):
        return counts
    if isinstance(counts, SplitCounts):
        import numpy as np

        met = np.bincount(counts.category, weights=counts.units[counts.kind], minlength=counts.categories)
        totals = counts.totals()
        masses = [float(m) for m in totals]
        lonely = math.fsum(m for m, times in zip(masses, met, strict=True) if times == 1)
        return Prepared(masses, int(counts.units.sum()), int(met.sum()), lonely, False, counts, met.tolist())
    values = counts.values() if isinstance(counts, Mapping) else counts
    masses = [mass for value in values if (mass := _mass(value)) > 0]
    whole = all(m.is_integer() for m in masses)
    n = round(math.fsum(masses))
    lonely = math.fsum(m for m in masses if m <= 1)
    return Prepared(masses, n, n, lonely, whole, None)


def _mass(value: Any) -> float:
    try:
        mass = float(value)
    except (OverflowError, TypeError, ValueError):
        mass = math.nan
    if not math.isfinite(mass) or mass < 0:
        raise ConfigError(f"a count of {str(value)[:40]}", expected="finite counts that are not negative")
    return mass


def _plain(masses: Iterable[float]) -> float:
    """H = log2 M - (sum m log2 m) / M, the sum rounded once, so that order never matters; within [0, log2 K]."""
    kept = [m for m in masses if m > 0]
    if len(kept) < 2:
        return 0.0
    total = math.fsum(kept)
    value = math.log2(total) - math.fsum(m * math.log2(m) for m in kept) / total
    return min(max(value, 0.0), math.log2(len(kept)))


def entropy(counts: Counts) -> float:
    """Shannon entropy of the shares p = count / total, in bits: H = - sum p log2 p (Shannon 1948; plug-in estimate).

    0 for no counts and for one category, log2 K when K categories have equal counts. The order of the counts has no
    influence on any bit of the result. Biased low by about (K - 1) / (2 N ln 2): compare at equal N only.
    """
    return prepare(counts).entropy


def ceiling(n: float, categories: int | None = None) -> float:
    """The most bits that an entropy can have: min(log2 n, log2 ``categories``); 0 when there is nothing to choose from.

    ``n`` is the number of draws, ``categories`` that of the categories there are (not those seen), where it is known.
    """
    top = math.log2(n) if n > 1 else 0.0
    if categories is not None:
        top = min(top, math.log2(categories) if categories > 1 else 0.0)
    return top


def miller_madow(counts: Counts) -> float:
    """The plug-in entropy plus its first-order bias, in bits: H + (K - 1) / (2 N ln 2) (Miller 1955).

    N is the total mass: draws, or trajectories where each has a mass of 1. Good for N well over K, too low below that.
    """
    table = prepare(counts)
    if not table.masses:
        return 0.0
    return table.entropy + (len(table.masses) - 1) / (2.0 * table.total * math.log(2.0))


def coverage(counts: Counts) -> float:
    """Good-Turing sample coverage in [0, 1]: 1 - the mass of categories that one trajectory alone has / the total mass.

    For plain counts this is 1 - f1 / N, f1 being the singletons (Good 1953): an estimate of the chance that the next
    draw falls in a category that was seen. 0 for no counts.
    """
    table = prepare(counts)
    return max(0.0, 1.0 - table.lonely / table.total) if table.masses else 0.0


def chao_shen(counts: Counts) -> float:
    """Coverage-adjusted Horvitz-Thompson estimate of the entropy, in bits (Chao and Shen 2003).

    With C the `coverage` and q = C p: H = - sum q log2 q / (1 - (1 - q)^N). Where every category was met by one
    trajectory alone C would be 0; then 1 / N is taken, as is usual. Reaches further than Miller-Madow. What is divided
    by is the chance that a category is met at all. For `SplitCounts` that is ours: 1 - (1 - C t / N)^N for a category
    met in t of N trajectories, since a trajectory with a small mass of it meets it as surely as one with a large mass.
    """
    table = prepare(counts)
    if len(table.masses) < 2:
        return 0.0
    total = table.total
    seen = 1.0 - table.lonely / total
    if seen <= 1e-12:
        seen = 1.0 / max(total, 1.0)
    met, draws = (table.masses, total) if table.met is None else (table.met, float(table.units))
    terms = []
    for mass, times in zip(table.masses, met, strict=True):
        q, chance = seen * mass / total, seen * times / draws
        if 0.0 < q < 1.0:
            terms.append(-q * math.log2(q) / (-math.expm1(draws * math.log1p(-chance)) if chance < 1.0 else 1.0))
    return math.fsum(terms)


def hill_number(counts: Counts, q: float) -> float:
    """Hill number of order ``q``: the number of equally common categories that would be as diverse (Hill 1973).

    (sum p^q)^(1 / (1 - q)); order 0 is the number of categories K, order 1 is 2^H, order 2 is 1 / sum p^2. Unit:
    categories. Falls, or stays, as ``q`` grows. 0 for no counts.
    """
    if not math.isfinite(q) or q < 0:
        raise ConfigError(f"a Hill number of order {q!r}", expected="a finite order that is not negative")
    table = prepare(counts)
    if not table.masses:
        return 0.0
    if q == 0:
        return float(len(table.masses))
    if abs(q - 1.0) < NEAR_ONE:
        return float(2.0**table.entropy)
    return math.exp(log_power_sum([m / table.total for m in table.masses], q) / (1.0 - q))


NEAR_ONE = 1e-6
"""Orders nearer to 1 than this are taken for 1, where the general formula divides by next to nothing."""


def log_power_sum(shares: Sequence[float], q: float) -> float:
    """ln(sum p^q) without underflow at high orders; the shares are positive."""
    largest = max(shares)
    return q * math.log(largest) + math.log(math.fsum((share / largest) ** q for share in shares))


def bootstrap_interval(
    counts: Counts, *, seed: int, replicates: int = 1000, level: float = 0.95, draws: int | None = None
) -> tuple[float, float]:
    """Interval in bits for the entropy that another sample of the same size would show, by multinomial bootstrap.

    N trajectories are redrawn with replacement ``replicates`` times. A redrawn sample has fewer categories than the
    sample it came from, so the replicates sit lower than the value by the estimate's own bias; the interval is moved by
    that mean difference and thus surrounds the value: (H + q_low - mean, H + q_high - mean), cut to [0, log2 of the
    pairs]. It says how far H would move at the same N, not how far it is from the truth at N = infinity.
    With ``draws`` it is the interval of that many trajectories, around the value rarefied to them.
    Same seed, same interval. Memory is bounded whatever N and ``replicates`` are.
    """
    import numpy as np

    _check_resampling(replicates, level)
    table = prepare(counts)
    size = table.units if draws is None else draws
    value = table.entropy if size == table.units else rarefied_entropy(table, size, seed=seed)
    if len(table.masses) < 2 or table.units < 1:
        return value, value
    found = np.concatenate(list(_replicates(table, generator("bootstrap", seed), replicates, size, False)))
    tail = (1.0 - level) / 2.0
    low, high = np.quantile(found, [tail, 1.0 - tail]) - found.mean()
    top = max(ceiling(max(table.pairs, table.n) if size == table.units else size * table.pairs / table.units), value)
    return max(0.0, value + min(float(low), 0.0)), min(top, value + max(float(high), 0.0))


def rarefied_entropy(counts: Counts, n: int, *, seed: int = 0, replicates: int = 200) -> float:
    """The entropy in bits to expect of ``n`` trajectories taken from these without replacement (Hurlbert 1971).

    Whole counts: exact, E[H] = sum over categories of E[-(X/n) log2(X/n)] with X hypergeometric(N, count, n); no
    random number is used. `SplitCounts`: the mean over ``replicates`` draws of n whole trajectories. Fractional
    counts with nothing known of the trajectories behind them: the mean over multinomial draws. ``n`` above the number
    of trajectories is an error; at that number the result is the entropy itself.
    """
    import numpy as np

    _check_resampling(replicates, 0.95)
    table = prepare(counts)
    if n < 1 or n > table.units:
        raise ConfigError(
            f"rarefaction to {n} of {table.units} trajectories",
            expected="at least 1 and at most as many as there are",
            do="compare at the size of the smallest set",
        )
    if n == table.units:
        return table.entropy
    if not table.whole:
        found = np.concatenate(list(_replicates(table, generator("rarefy", seed), replicates, n, True)))
        return float(found.mean())
    from scipy.special import gammaln

    def log_choose(top: Any, bottom: Any) -> Any:
        return gammaln(top + 1.0) - gammaln(bottom + 1.0) - gammaln(top - bottom + 1.0)

    total = table.units
    times: dict[int, int] = {}
    for mass in table.masses:
        times[int(mass)] = times.get(int(mass), 0) + 1
    terms = []
    for count, categories in sorted(times.items()):
        drawn = np.arange(max(0, n - (total - count)), min(count, n) + 1, dtype=np.float64)
        log_chance = log_choose(float(count), drawn) + log_choose(float(total - count), n - drawn)
        chance = np.exp(log_chance - log_chance.max())
        share = drawn / n
        bits = np.where(share > 0, -share * np.log2(np.where(share > 0, share, 1.0)), 0.0)
        terms.append(categories * float((chance * bits).sum() / chance.sum()))
    return math.fsum(terms)


class EntropySummary(Record):
    """One entropy with all that a fair reading needs. Bits, but for ``n``, ``units``, ``k``, ``categories``.

    ``n`` is the mass: draws, or trajectories where each has a mass of 1. ``units`` is the number of trajectories,
    which is what intervals redraw and what ``rarefied_to`` counts. ``k`` categories were seen, of ``categories`` where
    that is known. ``ceiling`` is min(log2 max(n, trajectory-category pairs), log2 categories) and ``normalised`` is
    value / ceiling, 0 where the ceiling is 0. ``coverage`` is Good-Turing's. ``low`` and ``high`` bound the ``level``
    interval of `bootstrap_interval`. ``rarefied`` with its interval and its ceiling (of as
    many pairs as so many trajectories have on average) is None where there are fewer than ``rarefied_to``
    trajectories. ``miller_madow`` and ``chao_shen`` are cut to log2 ``categories`` where that is known, as no set can
    have more. ``covered`` is the value at the sample coverage ``covered_to``, reached at ``covered_size`` draws (see
    `tdlab.diversity.at_coverage`), None where that is out of reach.
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
    """Every estimate of this module for ``counts``; ``rarefy_to`` names the common size to rarefy to.

    ``categories`` is the number of categories there are; ConfigError where more than that were seen.
    """
    table = prepare(counts)
    value = table.entropy
    if categories is not None and categories < len(table.masses):
        raise ConfigError(
            f"{len(table.masses)} categories seen of {categories} that there are",
            expected="at least as many as were seen",
            do="count those that the set has besides, or leave `categories` out",
        )
    most = math.inf if categories is None else math.log2(max(categories, 1))
    top = max(ceiling(max(table.pairs, table.n), categories), 0.0)
    low, high = bootstrap_interval(table, seed=seed, replicates=replicates, level=level)
    rarefied = rarefied_low = rarefied_high = rarefied_top = None
    if rarefy_to is not None and 1 <= rarefy_to <= table.units:
        rarefied = rarefied_entropy(table, rarefy_to, seed=seed)
        rarefied_top = max(ceiling(rarefy_to * max(table.pairs, table.n) / table.units, categories), rarefied)
        rarefied_low, rarefied_high = low, high
        if rarefy_to < table.units:
            rarefied_low, rarefied_high = bootstrap_interval(
                table, seed=seed, replicates=replicates, level=level, draws=rarefy_to
            )
        rarefied_high = max(min(rarefied_high, rarefied_top), rarefied)
    return EntropySummary(
        value=value,
        n=table.n,
        units=table.units,
        k=len(table.masses),
        categories=categories,
        ceiling=top,
        normalised=min(value / top, 1.0) if top > 0 else 0.0,
        miller_madow=min(miller_madow(table), max(most, value)),
        chao_shen=min(chao_shen(table), max(most, value)),
        coverage=coverage(table),
        low=low,
        high=max(min(high, top), value),
        level=level,
        rarefied_to=rarefy_to,
        rarefied=rarefied,
        rarefied_low=rarefied_low,
        rarefied_high=rarefied_high,
        rarefied_ceiling=rarefied_top,
    )


# ------------------------------------------------------------------------------------------------------- resampling


def _check_resampling(replicates: int, level: float) -> None:
    if replicates < 1:
        raise ConfigError(f"{replicates} bootstrap replicates", expected="at least 1")
    if not 0.0 < level < 1.0:
        raise ConfigError(f"a confidence level of {level!r}", expected="a number between 0 and 1, such as 0.95")


def _replicates(
    table: Prepared, rng: np.random.Generator, replicates: int, draws: int, without: bool
) -> Iterator[NDArray[np.float64]]:
    """Entropies of ``replicates`` samples of ``draws`` trajectories, in chunks of bounded size."""
    import numpy as np

    if table.split is not None:
        for units in draw(table.split.units, rng, replicates, draws, without):
            yield _vector(np.asarray(units @ table.split.spread))
        return
    masses = np.array(table.masses)
    if table.whole and draws <= _TABULATED:
        steps = np.arange(draws + 1, dtype=np.float64)
        worth = steps * np.log2(np.maximum(steps, 1.0))
        for sampled in draw(masses.astype(np.int64), rng, replicates, draws, without):
            yield np.maximum(0.0, math.log2(draws) - worth[sampled].sum(axis=1) / draws)
        return
    rows = max(1, CHUNK // len(masses))
    for start in range(0, replicates, rows):
        size = min(rows, replicates - start)
        yield _vector(rng.multinomial(draws, masses / masses.sum(), size=size).astype(np.float64))


def _vector(masses: NDArray[np.float64]) -> NDArray[np.float64]:
    """Entropy of every row of (rows, categories), by numpy's sums: for replicates, where no last bit matters."""
    import numpy as np

    totals = masses.sum(axis=1)
    worth = (masses * np.log2(np.where(masses > 0, masses, 1.0))).sum(axis=1)
    found: NDArray[np.float64] = np.maximum(0.0, np.log2(totals) - worth / totals)
    return found
