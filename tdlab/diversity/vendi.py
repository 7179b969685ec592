"""The Vendi score: the effective number of different items in a set, from the similarity of each pair.

VS = exp(-sum l ln l) over the eigenvalues l of K / n, where K holds the similarities of the n items and has ones on its
diagonal (Friedman and Dieng, *The Vendi Score: a diversity evaluation metric for machine learning*, 2023). For
K = X X^T with features X of d columns, X^T X / n has the same nonzero eigenvalues, so that the low-rank form here takes
O(n d^2 + d^3) time and never holds K. Other orders are those of Pasarkar and Dieng, *Cousins of the Vendi score*
(2024). The score runs from 1 (all equal) to n (all orthogonal). It grows with n: compare at equal n, with
`rarefied_vendi`.
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
"""Rows that are converted to floats at the same time."""


def vendi_score(features: ArrayLike, *, weights: ArrayLike | None = None, order: float = 1.0) -> float:
    """Return the Vendi score of items that are given by features (Friedman and Dieng 2023).

    Rows are scaled to length 1, so that similarity is the cosine. Needs memory for (block + d) x d floats, or for n x n
    if n < d.

    Args:
        features: Embeddings, or kernel features such as random Fourier features, shape (n, d).
        weights: How often each row occurs, shape (n,); once by default.
        order: Order of the Hill number of the eigenvalues: 1 is the Vendi score, ``math.inf`` counts only the largest.

    Returns:
        Effective number of items, from 1 to n; 0 for no rows.

    Raises:
        ConfigError: A row is zero or not finite, or a shape, a weight or the order is invalid.

    Example:
        >>> vendi_score([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
        1.89
    """
    import numpy as np

    rows: NDArray[Any] = np.asarray(features)
    if rows.ndim != 2 or (rows.shape[1] == 0 and rows.shape[0] > 0):
        raise ConfigError(f"features of shape {rows.shape}", expected="one row per item: shape (n, d)")
    shares = _shares(weights, rows.shape[0])
    if not rows.shape[0]:
        return 0.0
    if rows.shape[0] < rows.shape[1]:
        scaled = _unit_rows(rows) * np.sqrt(shares)[:, None]
        return _score_of_eigenvalues(np.linalg.eigvalsh(scaled @ scaled.T), order)
    moments = np.zeros((rows.shape[1], rows.shape[1]))
    for start in range(0, rows.shape[0], _BLOCK):
        block = _unit_rows(rows[start : start + _BLOCK])
        moments += (block * shares[start : start + _BLOCK, None]).T @ block
    return _score_of_eigenvalues(np.linalg.eigvalsh((moments + moments.T) / 2), order)


def vendi_score_of_kernel(kernel: ArrayLike, *, order: float = 1.0) -> float:
    """Return the Vendi score of items that are given by their similarities (Friedman and Dieng 2023), in O(n^3) time.

    Args:
        kernel: Similarity of each pair, shape (n, n): symmetric, positive semidefinite, with ones on its diagonal.
        order: Order of the Hill number of the eigenvalues: 1 is the Vendi score, ``math.inf`` counts only the largest.

    Returns:
        Effective number of items, from 1 to n; 0 for no items.

    Raises:
        ConfigError: The matrix is not such a kernel, or the order is negative.

    Example:
        >>> vendi_score_of_kernel([[1.0, 0.0], [0.0, 1.0]])
        2.0
    """
    import numpy as np

    matrix = np.asarray(kernel, dtype=np.float64)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
        raise ConfigError(f"a kernel of shape {matrix.shape}", expected="a square matrix")
    if not len(matrix):
        return 0.0
    if not np.isfinite(matrix).all() or not np.allclose(matrix, matrix.T, atol=1e-8):
        raise ConfigError("a kernel that is not symmetric, or not finite", expected="k(x, y) = k(y, x), finite")
    if not np.allclose(np.diag(matrix), 1.0, atol=1e-6):
        raise ConfigError(
            "a kernel whose diagonal is not 1",
            expected="k(x, x) = 1",
            do="divide k(x, y) by the root of k(x, x) k(y, y)",
        )
    eigenvalues = np.linalg.eigvalsh(matrix / len(matrix))
    if eigenvalues[0] < -1e-6:
        raise ConfigError(f"a kernel with the eigenvalue {eigenvalues[0]:.3g}", expected="no negative eigenvalues")
    return _score_of_eigenvalues(eigenvalues, order)


def rarefied_vendi(
    features: ArrayLike, n: int, *, seed: int = 0, replicates: int = 20, order: float = 1.0
) -> tuple[float, float, float]:
    """Return the Vendi score of subsets of ``n`` rows, so that sets of different sizes can be compared.

    Args:
        features: Embeddings or kernel features, shape (N, d).
        n: Size of a subset, from 1 to N.
        seed: Seed of the draws.
        replicates: Number of subsets, each drawn without replacement.
        order: Order of the Hill number of the eigenvalues: 1 is the Vendi score.

    Returns:
        Mean over the subsets, and the ends of the range that holds 95 % of them.

    Raises:
        ConfigError: ``n`` or ``replicates`` is out of range, or `vendi_score` refuses the rows.

    Example:
        >>> rarefied_vendi([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]], 2)
        (1.75, 1.0, 2.0)
    """
    import numpy as np

    rows: NDArray[Any] = np.asarray(features)
    if rows.ndim != 2 or not 1 <= n <= rows.shape[0]:
        raise ConfigError(f"n={n} for an array of shape {rows.shape}", expected="at least 1, at most the rows")
    if replicates < 1:
        raise ConfigError(f"replicates={replicates}", expected="at least 1")
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
    shares = np.asarray(weights, dtype=np.float64)
    if shares.shape != (n,) or not np.isfinite(shares).all() or (shares < 0).any() or (n and shares.sum() <= 0):
        raise ConfigError(f"weights of shape {shares.shape}", expected=f"{n} finite numbers, none negative")
    return shares / shares.sum() if n else shares


def _unit_rows(rows: NDArray[Any]) -> NDArray[np.float64]:
    import numpy as np

    block = np.asarray(rows, dtype=np.float64)
    largest = np.abs(block).max(axis=1, keepdims=True)
    if not np.isfinite(largest).all() or (largest == 0).any():
        raise ConfigError(
            "a row of zeros, or one that is not finite",
            expected="finite rows that are not zero",
            do="drop such rows: they have no direction to compare",
        )
    block = block / largest
    scaled: NDArray[np.float64] = block / np.linalg.norm(block, axis=1, keepdims=True)
    return scaled


def _score_of_eigenvalues(eigenvalues: NDArray[Any], order: float) -> float:
    if math.isnan(order) or order < 0:
        raise ConfigError(f"a Vendi score of order {order!r}", expected="an order of at least 0")
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
