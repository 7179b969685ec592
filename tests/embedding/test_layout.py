"""Test the layout: exact neighbours, small sets, the same points on a second run, and trustworthiness."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tdlab.embedding import layout, nearest, trustworthiness
from tdlab.embedding._layout import LEAST
from tdlab.errors import ConfigError


def groups(sizes: tuple[int, ...], *, dimensions: int = 12, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return unit vectors around one direction per group, and the group of each."""
    rng = np.random.default_rng(seed)
    belongs = np.repeat(np.arange(len(sizes)), sizes)
    rows = np.eye(dimensions)[belongs] + rng.normal(scale=0.1, size=(len(belongs), dimensions))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32), belongs


@pytest.fixture(scope="module")
def laid_out() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Fit once for all tests: compiling UMAP takes seconds in each process."""
    rows, belongs = groups((60, 40, 50))
    return rows, belongs, layout(rows, seed=3)


@pytest.mark.slow
def test_groups_lie_apart_and_neighbours_stay_neighbours(laid_out: tuple[Any, ...]) -> None:
    rows, belongs, plane = laid_out
    assert plane.shape == (150, 2)
    near, _ = nearest(plane, 6)
    assert (belongs[near] == belongs[:, None]).mean() > 0.99
    assert trustworthiness(rows, plane) > 0.85


def test_the_same_seed_gives_the_same_bits_and_another_does_not(laid_out: tuple[Any, ...]) -> None:
    rows, _, plane = laid_out
    assert (layout(rows, seed=3) == plane).all()
    assert (layout(rows, seed=4) != plane).any()


def test_all_rows_alike_are_laid_out(laid_out: tuple[Any, ...]) -> None:
    plane = layout(np.ones((40, 5)))
    assert plane.shape == (40, 2)
    assert np.isfinite(plane).all()


@pytest.mark.parametrize("size", [0, 1, 2, 3, 4, LEAST - 1, LEAST])
def test_few_points_are_no_problem(size: int) -> None:
    rows, _ = groups((size,))
    plane = layout(rows)
    assert plane.shape == (size, 2)
    assert np.isfinite(plane).all()
    if 1 < size < LEAST:
        assert len(np.unique(plane, axis=0)) == size, "different vectors are different points"


def test_few_points_of_one_dimension_keep_their_distances() -> None:
    plane = layout([[0.0], [1.0], [3.0]])
    assert np.abs(plane[:, 0] - plane[0, 0]) == pytest.approx([0, 1, 3])
    assert not plane[:, 1].any()


@settings(max_examples=30)
@given(st.integers(1, 60), st.integers(1, 5), st.integers(0, 99))
def test_neighbours_are_those_of_all_distances(size: int, dimensions: int, seed: int) -> None:
    rows = np.random.default_rng(seed).normal(size=(size, dimensions)).astype(np.float32)
    number = min(size, 7)
    indices, distances = nearest(rows, number)
    full = np.linalg.norm(rows[:, None].astype(float) - rows[None].astype(float), axis=2)
    assert distances == pytest.approx(np.sort(full, axis=1)[:, :number], abs=2e-3)
    assert (indices[:, 0] == np.arange(size)).all(), "itself first"
    assert all(len(set(row)) == number for row in indices.tolist())


def test_of_equal_rows_each_is_its_own_first_neighbour() -> None:
    indices, distances = nearest(np.ones((30, 3)), 5)
    assert (indices[:, 0] == np.arange(30)).all()
    assert not distances[:, 0].any()
    assert distances.max() < 1e-3


def test_trustworthiness_is_that_of_scikit_learn() -> None:
    from sklearn.manifold import trustworthiness as theirs

    rng = np.random.default_rng(1)
    rows, plane = rng.normal(size=(120, 6)), rng.normal(size=(120, 2))
    for neighbours in (1, 5, 15):
        assert trustworthiness(rows, plane, neighbours=neighbours) == pytest.approx(
            theirs(rows, plane, n_neighbors=neighbours), abs=1e-6
        )
    assert trustworthiness(rows, rows[:, :6]) == pytest.approx(1.0)
    judged = trustworthiness(rows, plane, sample=60, seed=2)
    assert judged == pytest.approx(trustworthiness(rows, plane), abs=0.05)


@pytest.mark.parametrize(
    "call",
    [
        lambda: layout(np.array([[np.nan, 1.0]] * 20)),
        lambda: layout([1.0, 2.0]),
        lambda: layout(np.ones((20, 2)), neighbours=1),
        lambda: layout(np.ones((20, 2)), min_dist=-1),
        lambda: nearest(np.ones((3, 2)), 4),
        lambda: trustworthiness(np.ones((9, 2)), np.ones((8, 2)), neighbours=2),
        lambda: trustworthiness(np.ones((9, 2)), np.ones((9, 2)), neighbours=5),
    ],
)
def test_what_cannot_be_laid_out_is_explained(call: Any) -> None:
    with pytest.raises(ConfigError, match="expected: "):
        call()
