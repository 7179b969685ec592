"""Counts whose entropy is known at any moment: the only entropy of tdlab that is kept up to date.

Adding costs the size of what is added, and nothing drifts. Masses are whole numbers of 2**-32, and the running sum of
m log2 m is a whole number of 2**-60, so that adding and removing are exact and their order has no influence: the state
after any history equals the recount's, bit for bit. For whole counts the entropy equals
`tdlab.diversity.entropy.entropy` of the same counts, bit for bit; for fractions it is within 1e-9 bits.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, Self

from tdlab.diversity.entropy import ceiling

__all__ = ["ONE", "Tally", "counted_masses", "whole_masses"]

ONE = 1 << 32
"""A mass of 1."""

_FINE = 60

Parts = Iterable[tuple[Hashable, int]]


def whole_masses(shares: Mapping[str, float]) -> tuple[tuple[str, int], ...]:
    """Shares that sum to 1 as whole masses that sum to `ONE` exactly; the largest share takes up the rounding."""
    parts = [(name, max(0, int(share * ONE))) for name, share in sorted(shares.items())]
    rest = ONE - sum(mass for _, mass in parts)
    largest = max(range(len(parts)), key=lambda place: (parts[place][1], -place))
    parts[largest] = (parts[largest][0], parts[largest][1] + rest)
    return tuple((name, mass) for name, mass in parts if mass > 0)


def counted_masses(counts: Mapping[Any, int]) -> list[tuple[Any, int]]:
    """Counts of categories as masses of `ONE` each."""
    return [(category, count * ONE) for category, count in counts.items()]


@lru_cache(maxsize=1 << 16)
def _worth(mass: int) -> int:
    """The product m log2 m in units of 2**-60, from the float nearest to it."""
    if mass <= 0:
        return 0
    value = mass / ONE
    return int(math.ldexp(value * math.log2(value), _FINE))


@dataclass
class Tally:
    """Mass per category, and what its entropy and its ceiling need; ``Tally()`` is an empty one.

    ``total`` is the sum of ``masses``, ``pairs`` the number of (trajectory, category) pairs that gave them.
    """

    masses: dict[Hashable, int] = field(default_factory=dict)
    total: int = 0
    pairs: int = 0
    _worth: int = 0

    @classmethod
    def of(cls, counts: Mapping[Any, int]) -> Self:
        """A tally that holds each category as often as its count says, each count from one trajectory."""
        made = cls()
        made.add(counted_masses(counts))
        return made

    def copy(self) -> Self:
        """Another tally of the same masses."""
        return replace(self, masses=self.masses.copy())

    def add(self, parts: Parts) -> None:
        """Add one trajectory's masses (each category once)."""
        for category, mass in parts:
            old = self.masses.get(category, 0)
            self.masses[category] = old + mass
            self._worth += _worth(old + mass) - _worth(old)
            self.total += mass
            self.pairs += 1

    def remove(self, parts: Parts) -> None:
        """Take away what was added before; the caller makes sure that it was."""
        for category, mass in parts:
            old = self.masses[category]
            if old == mass:
                del self.masses[category]
            else:
                self.masses[category] = old - mass
            self._worth += _worth(old - mass) - _worth(old)
            self.total -= mass
            self.pairs -= 1

    @property
    def entropy(self) -> float:
        """Entropy in bits."""
        return _entropy(self.total, self._worth, len(self.masses))

    def share(self, categories: int | None) -> float:
        """Entropy over its ceiling, in [0, 1]; 0 while the ceiling is 0. ``categories``: how many there can be."""
        # the mass or the (trajectory, category) pairs, whichever is more
        top = ceiling(max(self.total / ONE, float(self.pairs)), categories)
        return min(self.entropy / top, 1.0) if top > 0 else 0.0

    def gain(self, parts: Parts) -> float:
        """The change of entropy in bits if ``parts`` were added; nothing is changed."""
        return self.entropy_with(parts) - self.entropy

    def entropy_with(self, parts: Parts) -> float:
        """Entropy in bits if ``parts`` were added; nothing is changed."""
        total, worth, categories = self.total, self._worth, len(self.masses)
        for category, mass in parts:
            old = self.masses.get(category, 0)
            categories += old == 0
            worth += _worth(old + mass) - _worth(old)
            total += mass
        return _entropy(total, worth, categories)


def _entropy(total: int, worth: int, categories: int) -> float:
    if categories < 2:
        return 0.0
    mass = total / ONE
    value = math.log2(mass) - worth / (1 << _FINE) / mass
    return min(max(value, 0.0), math.log2(categories))
