"""The Vendi score: how many wholly different things a set is worth, from the likeness of every two of them.

VS = exp(-sum l ln l) over the eigenvalues l of K / n, K being the likeness of the n items with ones on its diagonal
(Friedman and Dieng, *The Vendi Score: a diversity evaluation metric for machine learning*, 2023). Where K = X X^T for
features X of d columns, X^T X / n has the same eigenvalues but for zeros, so that the low-rank form here costs
O(n d^2 + d^3) and never holds K. Orders other than 1 as in Pasarkar and Dieng, *Cousins of the Vendi score* (2024).
Unit: effective items, from 1 (all alike) to n (all different). It grows with n: compare at equal n (`rarefied_vendi`).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from tdlab.diversity._resample import generator
from tdlab.diversity.entropy import NEAR_ONE, log_power_sum
from tdlab.errors import ConfigError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

__all__ = ["rarefied_vendi", "vendi_score", "vendi_score_of_kernel"]

_BLOCK = 4096
"""Rows that are turned into floats at once."""


def vendi_score(features: ArrayLike, *, weights: ArrayLike | None = None, order: float = 1.0) -> float:
    """Vendi score of items given by ``features``: embeddings, or kernel features such as random Fourier ones; (n, d).

    Rows are scaled to length 1, so that likeness is the cosine. ``weights`` (n,) says how often each row occurs. A row
    of zeros is like nothing and is refused. ``order`` is that of the Hill number of the eigenvalues: 1 is the score,
    ``math.inf`` counts only the largest. 0 for no rows. Memory: (block + d) x d floats, or n x n where n < d.
    """
    import numpy as np

    rows: NDArray[Any] = np.asarray(features)
    if rows.ndim != 2 or (rows.shape[1] == 0 and rows.shape[0] > 0):
        raise ConfigError(f"features of the shape {rows.shape}", expected="one row an item: shape (n, d)")
    shares = _shares(weights, rows.shape[0])
    if not rows.shape[0]:
        return 0.0
    if rows.shape[0] < rows.shape[1]:
        scaled = _scaled(rows) * np.sqrt(shares)[:, None]
        return _score(np.linalg.eigvalsh(scaled @ scaled.T), order)
    moments = np.zeros((rows.shape[1], rows.shape[1]))
    for start in range(0, rows.shape[0], _BLOCK):
        block = _scaled(rows[start : start + _BLOCK])
        moments += (block * shares[start : start + _BLOCK, None]).T @ block
    return _score(np.linalg.eigvalsh((moments + moments.T) / 2), order)


def vendi_score_of_kernel(kernel: ArrayLike, *, order: float = 1.0) -> float:
    """Vendi score of a likeness matrix: (n, n), symmetric, positive semidefinite, ones on its diagonal. O(n^3)."""
    import numpy as np

    likeness = np.asarray(kernel, dtype=np.float64)
    if likeness.ndim != 2 or likeness.shape[0] != likeness.shape[1]:
        raise ConfigError(f"a kernel of the shape {likeness.shape}", expected="a square matrix")
    if not len(likeness):
        return 0.0
    if not np.isfinite(likeness).all() or not np.allclose(likeness, likeness.T, atol=1e-8):
        raise ConfigError("a kernel that is not symmetric", expected="k(x, y) = k(y, x), finite")
    if not np.allclose(np.diag(likeness), 1.0, atol=1e-6):
        raise ConfigError("a kernel whose diagonal is not 1", expected="k(x, x) = 1", do="divide by the self-likeness")
    eigenvalues = np.linalg.eigvalsh(likeness / len(likeness))
    if eigenvalues[0] < -1e-6:
        raise ConfigError(f"a kernel with the eigenvalue {eigenvalues[0]:.3g}", expected="no negative eigenvalues")
    return _score(eigenvalues, order)


def rarefied_vendi(
    features: ArrayLike, n: int, *, seed: int = 0, replicates: int = 20, order: float = 1.0
) -> tuple[float, float, float]:
    """Mean Vendi score of ``n`` of the rows, and the 95 % range of the ``replicates`` draws without replacement."""
    import numpy as np

    rows: NDArray[Any] = np.asarray(features)
    if rows.ndim != 2 or not 1 <= n <= rows.shape[0]:
        raise ConfigError(f"{n} rows of an array of the shape {rows.shape}", expected="1 to as many as there are")
    if replicates < 1:
        raise ConfigError(f"{replicates} draws", expected="at least 1")
    rng = generator("vendi", seed)
    scores = [
        vendi_score(rows[np.sort(rng.choice(rows.shape[0], n, replace=False))], order=order) for _ in range(replicates)
    ]
    low, high = np.quantile(scores, [0.025, 0.975])
    return math.fsum(scores) / replicates, float(low), float(high)


def _shares(weights: ArrayLike | None, n: int) -> NDArray[np.float64]:
    import numpy as np

    if weights is None:
        return np.full(n, 1.0 / max(n, 1))
    found = np.asarray(weights, dtype=np.float64)
    if found.shape != (n,) or not np.isfinite(found).all() or (found < 0).any() or (n and found.sum() <= 0):
        raise ConfigError(f"weights of the shape {found.shape}", expected=f"{n} finite numbers, none negative")
    return found / found.sum() if n else found


def _scaled(rows: NDArray[Any]) -> NDArray[np.float64]:
    import numpy as np

    block = np.asarray(rows, dtype=np.float64)
    largest = np.abs(block).max(axis=1, keepdims=True)
    if not np.isfinite(largest).all() or (largest == 0).any():
        raise ConfigError("a row of zeros, or one that is not finite", expected="rows with a direction")
    block = block / largest
    scaled: NDArray[np.float64] = block / np.linalg.norm(block, axis=1, keepdims=True)
    return scaled


def _score(eigenvalues: NDArray[Any], order: float) -> float:
    if math.isnan(order) or order < 0:
        raise ConfigError(f"a Vendi score of order {order!r}", expected="an order that is not negative")
    size = len(eigenvalues)
    values: list[float] = eigenvalues.tolist()
    shares = [value for value in values if value > 1e-12 / size]
    total = math.fsum(shares)
    shares = [share / total for share in shares]
    if abs(order - 1.0) < NEAR_ONE:
        return math.exp(-math.fsum(share * math.log(share) for share in shares))
    if math.isinf(order):
        return 1.0 / max(shares)
    if order == 0:
        return float(len(shares))
    return math.exp(log_power_sum(shares, order) / (1.0 - order))
