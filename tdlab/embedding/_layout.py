"""Vectors to points of a plane: neighbours, UMAP, and how far the picture can be trusted. The only importer of umap.

A cold process spends most of its time on compiling UMAP's search for neighbours (NN-descent). Up to `EXACT` vectors
the neighbours are found here instead, exactly, by matrix products, and are handed over.
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
"""Changes whenever the same vectors could get other coordinates by a rule of this module."""
LEAST = 16
"""Fewer vectors than this are laid out by their two principal components: UMAP fails on 2 and 3, and says nothing
about so few."""
EXACT = 40_000
"""Up to this many vectors neighbours are exact, at a cost that grows with the square of their number."""

_BLOCK = 1024
_EPOCHS = 200


def layout(
    features: ArrayLike, *, neighbours: int = 15, min_dist: float = 0.1, epochs: int | None = None, seed: int = 0
) -> Array:
    """Coordinates in the plane, shape (n, 2): UMAP by Euclidean distance, from the principal components onward.

    The same features, options and seed give the same coordinates on one machine, in one thread. ``epochs`` is 200 by
    default, at any n. Fewer than `LEAST` rows are projected on their principal components.
    """
    import numpy as np

    rows = _checked(features)
    if neighbours < 2 or not 0.0 <= min_dist <= 1.0:
        raise ConfigError(
            f"{neighbours} neighbours and a least distance of {min_dist}", expected="at least 2, and 0 to 1"
        )
    if len(rows) < LEAST:
        return _principal(rows)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=ImportWarning)  # about tensorflow, which nothing here needs
        from umap import UMAP
    near = min(neighbours, len(rows) - 1)
    known = nearest(rows, near) if len(rows) <= EXACT else None
    mapper = UMAP(
        n_neighbors=near,
        min_dist=min_dist,
        n_epochs=epochs or _EPOCHS,
        init=_start(rows, seed),
        precomputed_knn=(None, None, None) if known is None else known,
        force_approximation_algorithm=True,
        random_state=seed,
        n_jobs=1,
    )
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="precomputed_knn", category=UserWarning)
        coordinates = np.asarray(mapper.fit_transform(rows), dtype=np.float32)
    if not np.isfinite(coordinates).all():
        raise ConfigError("coordinates that are not finite", do="look for rows that are far from all others")
    result: Array = coordinates
    return result


def nearest(features: ArrayLike, number: int) -> tuple[NDArray[np.int32], Array]:
    """The ``number`` nearest rows of each row by Euclidean distance, itself first: indices and distances (n, number).

    Exact but for the rounding of single precision; n^2 d operations in blocks of bounded size.
    """
    import numpy as np

    rows = _checked(features)
    size = len(rows)
    if not 1 <= number <= size:
        raise ConfigError(f"{number} nearest of {size} rows", expected="1 to as many as there are")
    squares = np.einsum("ij,ij->i", rows, rows)
    indices = np.empty((size, number), dtype=np.int32)
    distances = np.empty((size, number), dtype=np.float32)
    for start in range(0, size, _BLOCK):
        block = rows[start : start + _BLOCK]
        here = np.arange(len(block))
        far = squares[None, :] - 2.0 * (block @ rows.T)  # squared distance less the row's own square
        far[here, start + here] = -np.inf
        found = (
            np.argpartition(far, number - 1, axis=1)[:, :number]
            if number < size
            else np.tile(np.arange(size), (len(block), 1))
        )
        values = np.take_along_axis(far, found, axis=1)
        order = np.lexsort((found, values), axis=1)
        indices[start : start + _BLOCK] = np.take_along_axis(found, order, axis=1)
        values = np.take_along_axis(values, order, axis=1) + squares[start : start + _BLOCK, None]
        distances[start : start + _BLOCK] = np.sqrt(np.maximum(values, 0.0))
    distances[:, 0] = 0.0
    return indices, distances


def trustworthiness(
    features: ArrayLike, coordinates: ArrayLike, *, neighbours: int = 15, sample: int | None = None, seed: int = 0
) -> float:
    """Whether what is near on the map was near before: 1 at best (Venna and Kaski, 2001; scikit-learn's definition).

    ``sample`` judges that many rows, drawn by ``seed``, against all the others; None judges each.
    """
    import numpy as np

    rows, plane = _checked(features), _checked(coordinates)
    size = len(rows)
    if len(plane) != size or not 1 <= neighbours < size / 2:
        raise ConfigError(
            f"{neighbours} neighbours among {size} rows and {len(plane)} points",
            expected="as many points as rows, and fewer neighbours than half of them",
        )
    chosen = np.arange(size)
    if sample is not None and sample < size:
        chosen = np.sort(np.random.default_rng(seed).choice(size, sample, replace=False))
    penalty = 0
    for start in range(0, len(chosen), _BLOCK):
        block = chosen[start : start + _BLOCK]
        here = np.arange(len(block))
        before, after = _squared(rows, block), _squared(plane, block)
        before[here, block] = after[here, block] = np.inf
        near = np.argpartition(after, neighbours - 1, axis=1)[:, :neighbours]
        ranks = np.empty(before.shape, dtype=np.int32)
        np.put_along_axis(
            ranks, np.argsort(before, axis=1, kind="stable"), np.arange(1, size + 1, dtype=np.int32)[None, :], axis=1
        )
        penalty += int(np.maximum(np.take_along_axis(ranks, near, axis=1) - neighbours, 0).sum())
    worst = len(chosen) * neighbours * (2 * size - 3 * neighbours - 1) / 2
    return 1.0 - penalty / worst


def _squared(rows: Any, chosen: Any) -> Any:
    import numpy as np

    block = rows[chosen].astype(np.float64)
    whole = rows.astype(np.float64)
    return (block**2).sum(axis=1)[:, None] + (whole**2).sum(axis=1)[None, :] - 2.0 * block @ whole.T


def _checked(features: ArrayLike) -> Array:
    import numpy as np

    rows: Array = np.ascontiguousarray(features, dtype=np.float32)
    if rows.ndim != 2 or not np.isfinite(rows).all():
        raise ConfigError(f"features of the shape {rows.shape}", expected="finite numbers, one row an item")
    return rows


def _principal(rows: Array) -> Array:
    """The first two principal components, signs fixed; zeros where there are fewer."""
    import numpy as np

    plane = np.zeros((len(rows), 2), dtype=np.float32)
    if len(rows) < 2 or not rows.shape[1]:
        return plane
    centred = rows.astype(np.float64) - rows.mean(axis=0, dtype=np.float64)
    worth, directions = np.linalg.eigh(centred.T @ centred)
    for place in range(min(2, len(worth))):
        if worth[-1 - place] > 1e-12:
            direction = directions[:, -1 - place]
            plane[:, place] = centred @ (direction * np.sign(direction[np.abs(direction).argmax()]))
    return plane


def _start(rows: Array, seed: int) -> Array:
    """Where UMAP begins: principal components to 10 either way, with a little noise so that equal rows can part."""
    import numpy as np

    plane = _principal(rows)
    plane = plane * (10.0 / max(float(np.abs(plane).max()), 1e-12))
    noise = np.random.default_rng(seed).normal(scale=1e-4, size=plane.shape)
    start: Array = (plane + noise).astype(np.float32)
    return start
