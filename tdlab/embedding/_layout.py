"""Vectors to points of a plane: neighbours, UMAP, and the trustworthiness of the result. The only importer of umap.

A cold process spends most of its time compiling UMAP's search for neighbours (NN-descent). For up to `EXACT` vectors
the neighbours are computed here by matrix products and handed to UMAP, which is exact and faster.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from tdlab.embedding._tfidf import Array
from tdlab.errors import ConfigError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

__all__ = ["EXACT", "LAYOUT_VERSION", "LEAST", "layout", "nearest", "trustworthiness"]

LAYOUT_VERSION = "1"
"""Changes whenever a change of this module could give the same vectors other coordinates."""
LEAST = 16
"""Fewer vectors are laid out by their two principal components: UMAP fails on 2 and 3, and is meaningless for so
few."""
EXACT = 40_000
"""Neighbours of up to this many vectors are exact; the cost grows with the square of their number."""

_BLOCK = 1024
_EPOCHS = 200


def layout(
    features: ArrayLike, *, neighbours: int = 15, min_dist: float = 0.1, epochs: int | None = None, seed: int = 0
) -> Array:
    """Lay out vectors in a plane by UMAP (McInnes, Healy and Melville 2018), starting from their principal components.

    Fewer than 16 rows are projected on their two principal components. The same arguments give the same coordinates on
    one machine; UMAP runs in one thread.

    Args:
        features: Vectors, shape (n, d); compared by Euclidean distance.
        neighbours: Neighbours of each point, at least 2. More show global structure, fewer local structure.
        min_dist: Least distance of points on the map, in [0, 1].
        epochs: Passes of the optimisation; 200 by default.
        seed: Seed of the optimisation.

    Returns:
        Coordinates, shape (n, 2).

    Raises:
        ConfigError: An option is out of range, the features are not a matrix of finite numbers, or UMAP returns
            coordinates that are not finite.

    Example:
        >>> layout([[0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]).shape
        (3, 2)
    """
    import numpy as np

    rows = _as_rows(features)
    if neighbours < 2 or not 0.0 <= min_dist <= 1.0:
        raise ConfigError(
            f"neighbours={neighbours}, min_dist={min_dist}", expected="at least 2 neighbours, and 0 <= min_dist <= 1"
        )
    if len(rows) < LEAST:
        return _principal_plane(rows)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=ImportWarning)  # about tensorflow, which nothing here needs
        from umap import UMAP
    count = min(neighbours, len(rows) - 1)
    neighbours_found = nearest(rows, count) if len(rows) <= EXACT else None
    mapper = UMAP(
        n_neighbors=count,
        min_dist=min_dist,
        n_epochs=epochs or _EPOCHS,
        init=_initial_plane(rows, seed),
        precomputed_knn=(None, None, None) if neighbours_found is None else neighbours_found,
        force_approximation_algorithm=True,
        random_state=seed,
        n_jobs=1,
    )
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="precomputed_knn", category=UserWarning)
        coordinates = np.asarray(mapper.fit_transform(rows), dtype=np.float32)
    if not np.isfinite(coordinates).all():
        raise ConfigError(
            "UMAP returned coordinates that are not finite",
            expected="features without extreme outliers",
            do="remove rows that are far from all others",
        )
    result: Array = coordinates
    return result


def nearest(features: ArrayLike, number: int) -> tuple[NDArray[np.int32], Array]:
    """Find the nearest rows of each row by Euclidean distance, the row itself first.

    Exact up to the rounding of single precision. Takes O(n^2 d) time; memory is bounded.

    Args:
        features: Vectors, shape (n, d).
        number: How many rows to find, from 1 to n.

    Returns:
        Indices and distances, both of shape (n, number), by increasing distance.

    Raises:
        ConfigError: ``number`` is out of range, or the features are not a matrix of finite numbers.

    Example:
        >>> indices, distances = nearest([[0.0], [1.0], [3.0]], 2)
        >>> indices.tolist()
        [[0, 1], [1, 0], [2, 1]]
    """
    import numpy as np

    rows = _as_rows(features)
    count = len(rows)
    if not 1 <= number <= count:
        raise ConfigError(f"number={number} for {count} rows", expected="at least 1 and at most the number of rows")
    squares = np.einsum("ij,ij->i", rows, rows)
    indices = np.empty((count, number), dtype=np.int32)
    distances = np.empty((count, number), dtype=np.float32)
    for start in range(0, count, _BLOCK):
        block = rows[start : start + _BLOCK]
        block_rows = np.arange(len(block))
        offsets = squares[None, :] - 2.0 * (block @ rows.T)  # squared distance minus the squared length of the row
        offsets[block_rows, start + block_rows] = -np.inf
        candidates = (
            np.argpartition(offsets, number - 1, axis=1)[:, :number]
            if number < count
            else np.tile(np.arange(count), (len(block), 1))
        )
        values = np.take_along_axis(offsets, candidates, axis=1)
        order = np.lexsort((candidates, values), axis=1)
        indices[start : start + _BLOCK] = np.take_along_axis(candidates, order, axis=1)
        values = np.take_along_axis(values, order, axis=1) + squares[start : start + _BLOCK, None]
        distances[start : start + _BLOCK] = np.sqrt(np.maximum(values, 0.0))
    distances[:, 0] = 0.0
    return indices, distances


def trustworthiness(
    features: ArrayLike, coordinates: ArrayLike, *, neighbours: int = 15, sample: int | None = None, seed: int = 0
) -> float:
    """Measure how many neighbours on a map are neighbours in the original space (Venna and Kaski 2001).

    A point that is among the nearest on the map and was not before counts by its original rank. The definition and the
    scale are those of scikit-learn.

    Args:
        features: Original vectors, shape (n, d).
        coordinates: Points of the map, shape (n, 2).
        neighbours: Neighbours of each point on the map, fewer than n / 2.
        sample: Number of rows to judge, against all others; None judges each row.
        seed: Seed that draws the sample.

    Returns:
        1 if all neighbours on the map were neighbours before; about 0.5 for a random map.

    Raises:
        ConfigError: ``neighbours`` is out of range, or the numbers of rows differ.

    Example:
        >>> trustworthiness([[0.0], [1.0], [3.0], [7.0]], [[0, 0], [1, 0], [3, 0], [7, 0]], neighbours=1)
        1.0
    """
    import numpy as np

    rows, plane = _as_rows(features), _as_rows(coordinates)
    count = len(rows)
    if len(plane) != count or not 1 <= neighbours < count / 2:
        raise ConfigError(
            f"{neighbours} neighbours among {count} rows and {len(plane)} points",
            expected="one point per row, and fewer neighbours than half the rows",
        )
    judged = np.arange(count)
    if sample is not None and sample < count:
        judged = np.sort(np.random.default_rng(seed).choice(count, sample, replace=False))
    penalty = 0
    for start in range(0, len(judged), _BLOCK):
        block = judged[start : start + _BLOCK]
        block_rows = np.arange(len(block))
        original_distances, plane_distances = _squared_distances(rows, block), _squared_distances(plane, block)
        original_distances[block_rows, block] = plane_distances[block_rows, block] = np.inf
        plane_neighbours = np.argpartition(plane_distances, neighbours - 1, axis=1)[:, :neighbours]
        ranks = np.empty(original_distances.shape, dtype=np.int32)
        np.put_along_axis(
            ranks,
            np.argsort(original_distances, axis=1, kind="stable"),
            np.arange(1, count + 1, dtype=np.int32)[None, :],
            axis=1,
        )
        penalty += int(np.maximum(np.take_along_axis(ranks, plane_neighbours, axis=1) - neighbours, 0).sum())
    worst = len(judged) * neighbours * (2 * count - 3 * neighbours - 1) / 2
    return 1.0 - penalty / worst


def _squared_distances(rows: Any, selected: Any) -> Any:
    """Return the squared distances of the selected rows from all rows, in double precision."""
    import numpy as np

    block = rows[selected].astype(np.float64)
    all_rows = rows.astype(np.float64)
    return (block**2).sum(axis=1)[:, None] + (all_rows**2).sum(axis=1)[None, :] - 2.0 * block @ all_rows.T


def _as_rows(features: ArrayLike) -> Array:
    import numpy as np

    rows: Array = np.ascontiguousarray(features, dtype=np.float32)
    if rows.ndim != 2 or not np.isfinite(rows).all():
        raise ConfigError(f"features of shape {rows.shape}", expected="a matrix of finite numbers, one row per item")
    return rows


def _principal_plane(rows: Array) -> Array:
    """Project rows on their first two principal components, with fixed signs; a missing component is 0."""
    import numpy as np

    plane = np.zeros((len(rows), 2), dtype=np.float32)
    if len(rows) < 2 or not rows.shape[1]:
        return plane
    centred = rows.astype(np.float64) - rows.mean(axis=0, dtype=np.float64)
    eigenvalues, directions = np.linalg.eigh(centred.T @ centred)
    for component in range(min(2, len(eigenvalues))):
        if eigenvalues[-1 - component] > 1e-12:
            direction = directions[:, -1 - component]
            plane[:, component] = centred @ (direction * np.sign(direction[np.abs(direction).argmax()]))
    return plane


def _initial_plane(rows: Array, seed: int) -> Array:
    """Return where UMAP starts: principal components scaled to [-10, 10], with noise that separates equal rows."""
    import numpy as np

    plane = _principal_plane(rows)
    plane = plane * (10.0 / max(float(np.abs(plane).max()), 1e-12))
    noise = np.random.default_rng(seed).normal(scale=1e-4, size=plane.shape)
    start: Array = (plane + noise).astype(np.float32)
    return start
