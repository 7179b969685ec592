"""Test the Vendi score of copies, of orthogonal items and of groups, in low-rank form and from a kernel."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tdlab.diversity import hill_number, rarefied_vendi, vendi_score, vendi_score_of_kernel
from tdlab.errors import ConfigError

seeds = st.integers(0, 2**31)
orders = pytest.mark.parametrize("order", [0.0, 0.5, 1.0, 2.0, math.inf])


def rows(seed: int, n: int, d: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, d))


@orders
@pytest.mark.parametrize("n", [1, 2, 7, 60])
def test_identical_items_are_one_and_orthogonal_ones_are_all(order: float, n: int) -> None:
    assert vendi_score(np.tile(rows(1, 1, 12), (n, 1)), order=order) == pytest.approx(1.0)
    assert vendi_score(np.eye(n, n + 3) * 5, order=order) == pytest.approx(n)
    assert vendi_score(np.eye(n), order=order) == pytest.approx(n)


@given(seeds, st.lists(st.integers(1, 9), min_size=1, max_size=8))
def test_groups_of_copies_are_the_hill_number_of_their_sizes(seed: int, sizes: list[int]) -> None:
    basis = np.linalg.qr(rows(seed, 8, 8))[0]
    items = np.concatenate([np.tile(basis[i], (size, 1)) for i, size in enumerate(sizes)])
    assert vendi_score(items) == pytest.approx(hill_number(sizes, 1), rel=1e-6)
    assert vendi_score(items, order=2) == pytest.approx(hill_number(sizes, 2), rel=1e-6)
    assert vendi_score(basis[: len(sizes)], weights=sizes) == pytest.approx(hill_number(sizes, 1), rel=1e-6)


@given(seeds, st.integers(1, 30), st.integers(1, 30))
def test_the_low_rank_form_is_the_score_of_the_kernel(seed: int, n: int, d: int) -> None:
    items = rows(seed, n, d)
    unit = items / np.linalg.norm(items, axis=1, keepdims=True)
    assert vendi_score(items) == pytest.approx(vendi_score_of_kernel(unit @ unit.T), rel=1e-6)


@given(seeds, st.integers(1, 25), st.integers(1, 25))
def test_bounds_order_scale_and_copies(seed: int, n: int, d: int) -> None:
    items = rows(seed, n, d)
    score = vendi_score(items)
    assert 1.0 - 1e-9 <= score <= min(n, d) + 1e-9
    rng = np.random.default_rng(seed)
    shuffled = items[rng.permutation(n)] * rng.uniform(0.1, 9, size=(n, 1))
    assert vendi_score(shuffled) == pytest.approx(score, rel=1e-9)
    assert vendi_score(np.concatenate([items, items])) == pytest.approx(score, rel=1e-9), "every item twice"
    found = [vendi_score(items, order=q) for q in (0, 0.5, 1, 2, math.inf)]
    assert all(a >= b - 1e-6 for a, b in itertools.pairwise(found))


def test_many_rows_are_read_in_blocks_and_the_cost_is_that_of_the_rank() -> None:
    items = rows(3, 6_000, 16)
    assert vendi_score(items) == pytest.approx(vendi_score(items.astype(np.float32)), rel=1e-4)
    assert 15.5 < vendi_score(items) <= 16


def test_rarefied_scores_compare_sets_of_other_sizes() -> None:
    items = rows(5, 300, 48)
    few, low, high = rarefied_vendi(items, 50, seed=1)
    assert low <= few <= high < vendi_score(items)
    assert rarefied_vendi(items, 50, seed=1) == (few, low, high)
    assert rarefied_vendi(items, 300)[0] == pytest.approx(vendi_score(items))
    assert few == pytest.approx(vendi_score(items[:50]), rel=0.05)


def test_what_is_no_feature_and_no_kernel_is_refused() -> None:
    assert vendi_score(np.empty((0, 5))) == vendi_score_of_kernel(np.empty((0, 0))) == 0.0
    for wrong in (np.ones(3), np.ones((2, 0)), [[0.0, 0.0]], [[math.nan, 1.0]], [[math.inf, 1.0]]):
        with pytest.raises(ConfigError):
            vendi_score(wrong)
    for kernel in (np.ones((2, 3)), [[1.0, 2.0], [0.0, 1.0]], [[2.0, 0.0], [0.0, 2.0]], [[1.0, 2.0], [2.0, 1.0]]):
        with pytest.raises(ConfigError, match="kernel"):
            vendi_score_of_kernel(kernel)
    for weights in ([1.0], [-1.0, 2.0], [0.0, 0.0], [math.nan, 1.0]):
        with pytest.raises(ConfigError, match="weights"):
            vendi_score(np.eye(2), weights=weights)
    with pytest.raises(ConfigError, match="order"):
        vendi_score(np.eye(2), order=-1)
    with pytest.raises(ConfigError):
        rarefied_vendi(np.eye(2), 3)
    assert vendi_score([[1e300, 1e300], [1e-300, -1e-300]]) == pytest.approx(2.0)
