"""Counts of categories, of draws or of trajectories that are spread over several categories, validated once."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

from tdlab.errors import ConfigError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Counts", "PreparedCounts", "SplitCounts", "plug_in_entropy", "prepare_counts"]


@dataclass(frozen=True)
class SplitCounts:
    """Counts of kinds of trajectory, each kind spread over several categories. Resampling draws whole trajectories.

    ``units[u]`` trajectories are of kind ``u``. Entry ``e`` says that each trajectory of kind ``kind[e]`` gives
    ``mass[e]`` to category ``category[e]``.

    Attributes:
        units: Number of trajectories of each kind, shape (kinds,).
        kind: Kind of each entry, shape (entries,).
        category: Category of each entry, shape (entries,).
        mass: Mass of each entry, shape (entries,).
        categories: Number of categories that occur.

    Example:
        >>> counts = SplitCounts.of([({"food": 0.5, "travel": 0.5}, 2), ({"food": 1.0}, 1)])
        >>> counts.totals().tolist()
        [2.0, 1.0]
    """

    units: NDArray[np.int64]
    kind: NDArray[np.int64]
    category: NDArray[np.int64]
    mass: NDArray[np.float64]
    categories: int

    @classmethod
    def of(cls, kinds: Iterable[tuple[Mapping[Any, float], int]]) -> SplitCounts:
        """Build counts from pairs of (category -> mass of one trajectory, number of such trajectories).

        Args:
            kinds: The pairs, in any order.

        Returns:
            The counts.

        Raises:
            ConfigError: A mass is negative or not finite, or a number is not a whole number.
        """
        import numpy as np

        units: list[int] = []
        index_of_category: dict[Hashable, int] = {}
        category: list[int] = []
        mass: list[float] = []
        sizes: list[int] = []
        for masses, count in kinds:
            if count < 0 or count != int(count):
                raise ConfigError(f"{count!r} trajectories of one kind", expected="a whole number, at least 0")
            if count == 0:
                continue
            for value in masses.values():
                if not 0 < value < math.inf:
                    if value != 0:
                        raise ConfigError(f"a mass of {value!r}", expected="a finite number, at least 0")
                    masses = {name: value for name, value in masses.items() if value != 0}
            category += [index_of_category.setdefault(name, len(index_of_category)) for name in masses]
            mass += masses.values()
            sizes.append(len(masses))
            units.append(int(count))
        return cls(
            np.array(units, dtype=np.int64),
            np.repeat(np.arange(len(units), dtype=np.int64), sizes),
            np.array(category, dtype=np.int64),
            np.array(mass, dtype=np.float64),
            len(index_of_category),
        )

    def totals(self, units: NDArray[Any] | None = None) -> NDArray[np.float64]:
        """Return the mass of each category, shape (categories,), for these or other ``units`` of the same shape."""
        import numpy as np

        units_of_kind = self.units if units is None else units
        totals_of_category = np.bincount(
            self.category, weights=self.mass * units_of_kind[self.kind], minlength=self.categories
        )
        return totals_of_category.astype(np.float64)

    @cached_property
    def spread(self) -> Any:
        """The masses as a sparse matrix, shape (kinds, categories): redrawn units times it are redrawn totals."""
        import numpy as np
        from scipy.sparse import csr_array

        row_starts = np.searchsorted(self.kind, np.arange(len(self.units) + 1))
        return csr_array((self.mass, self.category, row_starts), shape=(len(self.units), self.categories))


Counts: TypeAlias = "Mapping[Any, float] | Sequence[float] | NDArray[Any] | SplitCounts | PreparedCounts"
"""The counts that the functions of this module take."""


@dataclass(frozen=True)
class PreparedCounts:
    """Validated counts; made by `prepare_counts`.

    Attributes:
        masses: Positive mass of each category.
        units: Number of trajectories; of draws for plain counts.
        pairs: Number of (trajectory, category) pairs.
        singleton_mass: Mass of the categories that only one trajectory has.
        is_whole: Whether all masses are whole numbers.
        split: The split counts behind them; None for plain counts.
        incidences: Number of trajectories that have each category; None for plain counts.
    """

    masses: list[float]
    units: int
    pairs: int
    singleton_mass: float
    is_whole: bool
    split: SplitCounts | None
    incidences: list[float] | None = None

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
        return plug_in_entropy(self.masses)


def prepare_counts(counts: Counts) -> PreparedCounts:
    """Validate counts once, for several functions of this module.

    Args:
        counts: Counts by category, a vector of counts, or `SplitCounts`; prepared counts are returned unchanged.

    Returns:
        The validated counts.

    Raises:
        ConfigError: A count is negative or not finite.

    Example:
        >>> prepare_counts({"food": 3, "travel": 1, "health": 0}).masses
        [3.0, 1.0]
    """
    if isinstance(counts, PreparedCounts):
        return counts
    if isinstance(counts, SplitCounts):
        import numpy as np

        incidences = np.bincount(counts.category, weights=counts.units[counts.kind], minlength=counts.categories)
        totals = counts.totals()
        masses = [float(m) for m in totals]
        singleton_mass = math.fsum(m for m, incidence in zip(masses, incidences, strict=True) if incidence == 1)
        return PreparedCounts(
            masses, int(counts.units.sum()), int(incidences.sum()), singleton_mass, False, counts, incidences.tolist()
        )
    raw_counts = counts.values() if isinstance(counts, Mapping) else counts
    masses = [mass for raw_count in raw_counts if (mass := _mass(raw_count)) > 0]
    is_whole = all(m.is_integer() for m in masses)
    n = round(math.fsum(masses))
    singleton_mass = math.fsum(m for m in masses if m <= 1)
    return PreparedCounts(masses, n, n, singleton_mass, is_whole, None)


def _mass(value: Any) -> float:
    try:
        mass = float(value)
    except (OverflowError, TypeError, ValueError):
        mass = math.nan
    if not math.isfinite(mass) or mass < 0:
        raise ConfigError(f"a count of {str(value)[:40]}", expected="finite counts, at least 0")
    return mass


def plug_in_entropy(masses: Iterable[float]) -> float:
    """Return log2 M - (sum m log2 m) / M within [0, log2 K]; the sum is rounded once, so that order never matters."""
    positive = [m for m in masses if m > 0]
    if len(positive) < 2:
        return 0.0
    total = math.fsum(positive)
    value = math.log2(total) - math.fsum(m * math.log2(m) for m in positive) / total
    return min(max(value, 0.0), math.log2(len(positive)))
