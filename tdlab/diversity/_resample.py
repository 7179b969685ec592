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
    """Redrawn counts of each kind, shape (rows, kinds), with or without replacement."""
    import numpy as np

    total, width = int(kinds.sum()), len(kinds)
    by_label = not without and draws <= 8 * width
    labels = np.repeat(np.arange(width), kinds) if by_label else None
    rows = max(1, CHUNK // max(width, draws if by_label else 1))
    for start in range(0, replicates, rows):
        size = min(rows, replicates - start)
        if without:
            yield rng.multivariate_hypergeometric(kinds, draws, size=size, method="marginals")
        elif labels is not None:
            found = labels[rng.integers(0, total, size=(size, draws))] + (np.arange(size) * width)[:, None]
            yield np.bincount(found.ravel(), minlength=size * width).reshape(size, width)
        else:
            yield rng.multinomial(draws, kinds / total, size=size)
