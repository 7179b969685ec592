"""TF-IDF and a truncated SVD, deterministic, with numpy and scipy only.

Importing scikit-learn for this takes a second, and its vectoriser three times as long as this one. The SVD is
randomised (Halko, Martinsson and Tropp, *Finding structure with randomness*, 2011) with power iterations. Columns are
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
    """Return the TF-IDF of documents as a sparse matrix (documents, terms) with rows of length 1.

    An entry is (1 + ln tf) * idf with idf = 1 + ln((1 + n) / (1 + df)). Terms of fewer than ``least`` documents are
    left out, since they say nothing about similarity (unless there are fewer than ``least`` documents). A document
    without terms is a row of zeros.
    """
    import numpy as np
    from scipy.sparse import csr_array

    vocabulary: defaultdict[str, int] = defaultdict()
    vocabulary.default_factory = vocabulary.__len__
    terms: list[int] = []
    row_ends = [0]
    for document in documents:
        terms += [vocabulary[term] for term in document]
        row_ends.append(len(terms))
    total = len(row_ends) - 1
    order = {term: column for column, term in enumerate(sorted(vocabulary))}
    column_of_term = np.fromiter((order[term] for term in vocabulary), dtype=np.int32, count=len(vocabulary))
    columns = column_of_term[np.array(terms, dtype=np.int64)] if terms else np.zeros(0, dtype=np.int32)
    ones = np.ones(len(columns), dtype=np.float32)
    table = csr_array((ones, columns, np.array(row_ends, dtype=np.int64)), shape=(total, len(vocabulary)))
    table.sum_duplicates()
    document_counts = np.bincount(table.indices, minlength=len(vocabulary))
    kept_columns = np.flatnonzero(document_counts >= min(least, total))
    table = table[:, kept_columns]
    idf = (1.0 + np.log((1.0 + total) / (1.0 + document_counts[kept_columns]))).astype(np.float32)
    table.data = (1.0 + np.log(table.data)) * idf[table.indices]
    lengths = np.sqrt(np.add.reduceat(np.append(table.data**2, np.float32(0)), table.indptr[:-1])) if total else ones
    lengths[np.diff(table.indptr) == 0] = 1.0
    table.data /= np.repeat(lengths, np.diff(table.indptr)).astype(np.float32)
    return table


def reduced(table: Any, dimensions: int, *, seed: int) -> Array:
    """Project the rows of a sparse matrix (n, terms) on its leading right singular vectors: (n, at most dimensions)."""
    import numpy as np

    width = min(dimensions, *table.shape)
    if width < 1 or table.nnz == 0:
        return np.zeros((table.shape[0], max(width, 1)), dtype=np.float32)
    rng = np.random.default_rng(seed)
    sampled = min(width + _OVERSAMPLED, *table.shape)
    transposed = table.T.tocsr()
    basis = _orthonormal(table @ rng.standard_normal((table.shape[1], sampled)).astype(np.float32))
    for _ in range(_POWER_ITERATIONS):
        basis = _orthonormal(table @ _orthonormal(transposed @ basis))
    basis = _orthonormal(basis)
    projected = (transposed @ basis).astype(np.float64)  # (terms, drawn)
    eigenvalues, eigenvectors = np.linalg.eigh(projected.T @ projected)
    width = min(width, len(eigenvalues))
    leading = np.argsort(-eigenvalues, kind="stable")[:width]
    scores = basis.astype(np.float64) @ (eigenvectors[:, leading] * np.sqrt(np.maximum(eigenvalues[leading], 0.0)))
    signs = np.sign(scores[np.abs(scores).argmax(axis=0), np.arange(width)])
    result: Array = (scores * np.where(signs == 0, 1.0, signs)).astype(np.float32)
    return result


def _orthonormal(columns: Any) -> Any:
    """Return an orthonormal basis of the columns' span, by their products: LAPACK's QR is slow for tall matrices."""
    import numpy as np

    tall = columns.astype(np.float64)
    eigenvalues, eigenvectors = np.linalg.eigh(tall.T @ tall)
    is_kept = eigenvalues > 1e-12 * max(float(eigenvalues[-1]), 1e-300)
    return (tall @ (eigenvectors[:, is_kept] / np.sqrt(eigenvalues[is_kept]))).astype(np.float32)


def scaled_rows(rows: Any) -> Array:
    """Scale rows to length 1; a row of zeros stays a row of zeros."""
    import numpy as np

    array = np.asarray(rows, dtype=np.float32)
    lengths = np.linalg.norm(array, axis=1, keepdims=True)
    scaled: Array = (array / np.where(lengths > 1e-6, lengths, 1.0)).astype(np.float32)
    return scaled
