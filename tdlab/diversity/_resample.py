"""Redrawn samples in chunks of bounded size: the only place where the diversity metrics use randomness."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from tdlab.records import rng_for

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["CHUNK", "draw", "generator"]

CHUNK = 2_000_000
"""Most numbers held at once by a resampling loop: 16 MB an array."""


def generator(purpose: str, seed: int) -> np.random.Generator:
    """A numpy generator that depends on ``purpose`` and ``seed`` alone."""
    import numpy as np

    return np.random.default_rng(rng_for("tdlab.diversity", purpose, seed).getrandbits(128))


def draw(
    kinds: NDArray[np.int64], rng: np.random.Generator, replicates: int, draws: int, without: bool
) -> Iterator[NDArray[np.int64]]:
    """Redrawn counts of each kind, shape (rows, kinds), with or without replacement.

    Many kinds with few members each are drawn member by member (the cost is that of ``draws``), few kinds with many
    members kind by kind.
    """
    import numpy as np

    total, width = int(kinds.sum()), len(kinds)
    by_label = draws <= 8 * width and total <= 8 * width
    labels = np.repeat(np.arange(width, dtype=np.int32), kinds) if by_label else None
    rows = max(1, CHUNK // max(width, draws if by_label else 1))
    for start in range(0, replicates, rows):
        size = min(rows, replicates - start)
        if labels is not None:
            counted = np.empty((size, width), dtype=np.int64)
            for row in range(size):
                if without:
                    found = rng.choice(total, draws, replace=False, shuffle=False)
                else:
                    found = rng.integers(0, total, size=draws, dtype=np.int32)
                counted[row] = np.bincount(labels[found], minlength=width)
            yield counted
        elif without:
            yield rng.multivariate_hypergeometric(kinds, draws, size=size, method="marginals")
        else:
            yield rng.multinomial(draws, kinds / total, size=size)
