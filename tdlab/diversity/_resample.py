"""Redraw samples in chunks of bounded size. No other module of this package draws at random."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from tdlab.records import rng_for

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["CHUNK", "draw", "generator"]

CHUNK = 2_000_000
"""Most numbers in one array of a resampling loop (16 MB)."""


def generator(purpose: str, seed: int) -> np.random.Generator:
    """Return a numpy generator that depends on ``purpose`` and ``seed`` only."""
    import numpy as np

    return np.random.default_rng(rng_for("tdlab.diversity", purpose, seed).getrandbits(128))


def draw(
    kinds: NDArray[np.int64], rng: np.random.Generator, replicates: int, draws: int, without: bool
) -> Iterator[NDArray[np.int64]]:
    """Yield redrawn counts of each kind, shape (rows, kinds), with or without replacement.

    Many kinds with few members each are drawn member by member, in time proportional to ``draws``; few kinds with many
    members are drawn kind by kind.
    """
    import numpy as np

    total, width = int(kinds.sum()), len(kinds)
    is_by_member = draws <= 8 * width and total <= 8 * width
    kind_of_member = np.repeat(np.arange(width, dtype=np.int32), kinds) if is_by_member else None
    rows = max(1, CHUNK // max(width, draws if is_by_member else 1))
    for start in range(0, replicates, rows):
        size = min(rows, replicates - start)
        if kind_of_member is not None:
            counted = np.empty((size, width), dtype=np.int64)
            for row in range(size):
                if without:
                    members = rng.choice(total, draws, replace=False, shuffle=False)
                else:
                    members = rng.integers(0, total, size=draws, dtype=np.int32)
                counted[row] = np.bincount(kind_of_member[members], minlength=width)
            yield counted
        elif without:
            yield rng.multivariate_hypergeometric(kinds, draws, size=size, method="marginals")
        else:
            yield rng.multinomial(draws, kinds / total, size=size)
