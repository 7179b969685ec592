"""Sparse counts to few dimensions: TF-IDF and a truncated SVD, in numpy and scipy alone, the same for the same input.

Loading scikit-learn for this costs a second, and its vectoriser three times the time of what is here. The SVD is
randomised (Halko, Martinsson and Tropp, *Finding structure with randomness*, 2011) with power iterations; columns are
in the order of the sorted vocabulary and signs are fixed, so that the order of the documents changes nothing but
rounding.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Array", "reduced", "scaled_rows", "tf_idf"]

if TYPE_CHECKING:
    Array = NDArray[np.float32]
else:
    Array = Any

_OVERSAMPLED = 16
_POWER_ITERATIONS = 3


def tf_idf(documents: Iterable[Sequence[str]], *, least: int = 2) -> Any:
    """A sparse matrix (documents, terms) of (1 + ln tf) * idf with rows of length 1; idf = 1 + ln((1 + n) / (1 + df)).

    Terms that fewer than ``least`` documents have are left out, since they say nothing about likeness; with fewer
    than ``least`` documents none is. A document without terms is a row of zeros.
    """
    import numpy as np
    from scipy.sparse import csr_array

    vocabulary: defaultdict[str, int] = defaultdict()
    vocabulary.default_factory = vocabulary.__len__
    terms: list[int] = []
    ends = [0]
    for document in documents:
        terms += [vocabulary[term] for term in document]
        ends.append(len(terms))
    size = len(ends) - 1
    order = {term: place for place, term in enumerate(sorted(vocabulary))}
    places = np.fromiter((order[term] for term in vocabulary), dtype=np.int32, count=len(vocabulary))
    columns = places[np.array(terms, dtype=np.int64)] if terms else np.zeros(0, dtype=np.int32)
    ones = np.ones(len(columns), dtype=np.float32)
    table = csr_array((ones, columns, np.array(ends, dtype=np.int64)), shape=(size, len(vocabulary)))
    table.sum_duplicates()
    having = np.bincount(table.indices, minlength=len(vocabulary))
    kept = np.flatnonzero(having >= min(least, size))
    table = table[:, kept]
    idf = (1.0 + np.log((1.0 + size) / (1.0 + having[kept]))).astype(np.float32)
    table.data = (1.0 + np.log(table.data)) * idf[table.indices]
    lengths = np.sqrt(np.add.reduceat(np.append(table.data**2, np.float32(0)), table.indptr[:-1])) if size else ones
    lengths[np.diff(table.indptr) == 0] = 1.0
    table.data /= np.repeat(lengths, np.diff(table.indptr)).astype(np.float32)
    return table


def reduced(table: Any, dimensions: int, *, seed: int) -> Array:
    """The rows of a sparse matrix (n, terms) over its leading right singular vectors, shape (n, at most dimensions)."""
    import numpy as np

    width = min(dimensions, *table.shape)
    if width < 1 or table.nnz == 0:
        return np.zeros((table.shape[0], max(width, 1)), dtype=np.float32)
    rng = np.random.default_rng(seed)
    drawn = min(width + _OVERSAMPLED, *table.shape)
    flipped = table.T.tocsr()
    basis = _orthonormal(table @ rng.standard_normal((table.shape[1], drawn)).astype(np.float32))
    for _ in range(_POWER_ITERATIONS):
        basis = _orthonormal(table @ _orthonormal(flipped @ basis))
    basis = _orthonormal(basis)
    across = (flipped @ basis).astype(np.float64)  # (terms, drawn)
    worth, turn = np.linalg.eigh(across.T @ across)
    width = min(width, len(worth))
    leading = np.argsort(-worth, kind="stable")[:width]
    found = basis.astype(np.float64) @ (turn[:, leading] * np.sqrt(np.maximum(worth[leading], 0.0)))
    signs = np.sign(found[np.abs(found).argmax(axis=0), np.arange(width)])
    result: Array = (found * np.where(signs == 0, 1.0, signs)).astype(np.float32)
    return result


def _orthonormal(columns: Any) -> Any:
    """An orthonormal basis of what the columns span, through their products: LAPACK's QR is slow for tall matrices."""
    import numpy as np

    tall = columns.astype(np.float64)
    worth, turn = np.linalg.eigh(tall.T @ tall)
    kept = worth > 1e-12 * max(float(worth[-1]), 1e-300)
    return (tall @ (turn[:, kept] / np.sqrt(worth[kept]))).astype(np.float32)


def scaled_rows(rows: Any) -> Array:
    """Rows of length 1; a row of zeros stays one."""
    import numpy as np

    found = np.asarray(rows, dtype=np.float32)
    lengths = np.linalg.norm(found, axis=1, keepdims=True)
    scaled: Array = (found / np.where(lengths > 1e-6, lengths, 1.0)).astype(np.float32)
    return scaled
