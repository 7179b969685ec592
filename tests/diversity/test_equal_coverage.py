"""Test comparison at equal coverage: exact against all subsets, closer to the truth than raw values, within reach."""

from __future__ import annotations

import itertools
import math
from statistics import mean

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tdlab.diversity import (
    SplitCounts,
    at_coverage,
    common_coverage,
    entropy,
    hill_number,
    rarefied_entropy,
    sample_coverage,
)
from tdlab.diversity.equal_coverage import _tail
from tdlab.errors import ConfigError

small = st.lists(st.integers(1, 4), min_size=1, max_size=4)
whole = st.lists(st.integers(1, 40), min_size=1, max_size=25)


def split(counts: list[int]) -> SplitCounts:
    return SplitCounts.of(({category: 1.0}, count) for category, count in enumerate(counts))


@given(small, st.data())
def test_coverage_below_the_sample_is_the_mean_over_every_subset(counts: list[int], data: st.DataObject) -> None:
    """C(m) estimates the probability that one more draw is of a category among the first m draws."""
    draws = [category for category, count in enumerate(counts) for _ in range(count)]
    if len(draws) < 2:
        return
    m = data.draw(st.integers(1, min(len(draws) - 1, 6)))
    chances = []
    for chosen in itertools.combinations(range(len(draws)), m):
        seen = {draws[place] for place in chosen}
        left = [draws[place] for place in range(len(draws)) if place not in chosen]
        chances.append(mean(category in seen for category in left))
    assert sample_coverage(counts, m) == pytest.approx(mean(chances), abs=1e-9)
    assert sample_coverage(split(counts), m) == pytest.approx(sample_coverage(counts, m), abs=1e-9)


@given(whole)
def test_coverage_is_a_share_that_grows_with_the_size(counts: list[int]) -> None:
    n = sum(counts)
    sizes = sorted({1.0, 1.5, n / 3 + 1, n / 2 + 1, n - 0.5, float(n), n + 0.5, n * 1.5, n * 2.0} - {0.5})
    found = [sample_coverage(counts, size) for size in sizes]
    assert all(0.0 <= c <= 1.0 for c in found)
    assert all(a <= b + 1e-9 for a, b in itertools.pairwise(found))


@given(whole, st.floats(0, 1))
def test_a_size_has_the_coverage_that_was_asked_for(counts: list[int], wanted: float) -> None:
    reach = common_coverage([counts])
    found = at_coverage(counts, wanted)
    if wanted > reach:
        assert found is None
        return
    assert found is not None
    assert 1 <= found.size <= 2 * sum(counts)
    assert found.extrapolated == (found.size > sum(counts))
    assert sample_coverage(counts, found.size) == pytest.approx(found.coverage)
    if sum(counts) > found.size > 1:
        assert found.coverage == pytest.approx(wanted, abs=1e-6)


@given(whole)
def test_at_its_own_coverage_a_set_is_what_it_is(counts: list[int]) -> None:
    found = at_coverage(counts, sample_coverage(counts))
    assert found is not None
    if found.size == sum(counts):
        assert found.entropy == entropy(counts)
        assert found.q0 == pytest.approx(len(counts))
        assert found.q1 == pytest.approx(hill_number(counts, 1))


@given(whole)
def test_diversity_grows_with_coverage_and_stays_within_bounds(counts: list[int]) -> None:
    reach = common_coverage([counts])
    found = [at_coverage(counts, reach * part / 8) for part in range(9)]
    kept = [one for one in found if one is not None]
    assert len(kept) == 9
    for one in kept:
        assert one.q0 is not None
        assert one.q2 is not None
        assert one.q0 >= one.q1 - 1e-6
        assert one.entropy <= math.log2(one.size) + 1e-9
    for less, more in itertools.pairwise(kept):
        assert less.entropy <= more.entropy + 1e-9
        assert less.q0 <= more.q0 + 1e-6


def test_interpolated_entropy_is_rarefied_entropy() -> None:
    counts = [30, 20, 10, 5, 3, 1, 1]
    found = at_coverage(counts, sample_coverage(counts, 20))
    assert found is not None
    assert found.size == pytest.approx(20)
    assert found.entropy == pytest.approx(rarefied_entropy(counts, 20))
    assert at_coverage(split(counts), sample_coverage(counts, 20)).entropy == pytest.approx(found.entropy, abs=0.05)


def test_the_estimated_coverage_is_near_the_true_one() -> None:
    rng = np.random.default_rng(3)
    shares = 1.0 / np.arange(1, 201)
    shares /= shares.sum()
    estimated, true, further, true_further = [], [], [], []
    for _ in range(200):
        sample = rng.multinomial(150, shares)
        more = sample + rng.multinomial(150, shares)
        estimated.append(sample_coverage(sample))
        true.append(shares[sample > 0].sum())
        further.append(sample_coverage(sample, 300))
        true_further.append(shares[more > 0].sum())
    assert mean(estimated) == pytest.approx(mean(true), abs=0.02)
    assert mean(further) == pytest.approx(mean(true_further), abs=0.03)


def test_extrapolation_is_near_what_more_draws_show() -> None:
    rng = np.random.default_rng(4)
    shares = 1.0 / np.arange(1, 101)
    shares /= shares.sum()
    told, shown, plain = [], [], []
    for _ in range(100):
        sample = rng.multinomial(200, shares)
        found = at_coverage(sample, common_coverage([sample]))
        assert found is not None
        assert found.size == pytest.approx(400)
        told.append(found.entropy)
        shown.append(entropy(sample + rng.multinomial(200, shares)))
        plain.append(entropy(sample))
    assert abs(mean(told) - mean(shown)) < 0.05
    assert abs(mean(told) - mean(shown)) < abs(mean(plain) - mean(shown)) / 2


def test_sets_of_other_sizes_from_one_source_agree_at_equal_coverage() -> None:
    """Raw entropies of 100 and 2,000 draws differ; those at equal coverage do not."""
    rng = np.random.default_rng(5)
    shares = 1.0 / np.arange(1, 301)
    shares /= shares.sum()
    raw, fair = [], []
    for _ in range(40):
        sets = [rng.multinomial(100, shares), rng.multinomial(2000, shares)]
        common = common_coverage(sets)
        found = [at_coverage(one, common) for one in sets]
        raw.append(entropy(sets[1]) - entropy(sets[0]))
        fair.append(found[1].entropy - found[0].entropy)
    assert mean(raw) > 1.0
    assert abs(mean(fair)) < 0.15


@pytest.mark.parametrize(("n", "a"), [(200, 0.1), (200, 0.01), (28, 0.003), (5, 0.5), (2000, 0.001), (3, 0.999)])
def test_the_tail_of_the_entropy_estimate_is_its_sum(n: int, a: float) -> None:
    terms = 30_000
    assert _tail(n, a) == pytest.approx(math.fsum((1 - a) ** (k + 1) / (n + k) for k in range(terms)), rel=1e-6)


@pytest.mark.parametrize(
    "counts", [[1], [5], [1, 1], [1] * 500, [1] * 20_000, [2] * 300, [1, 10_000_000]], ids=lambda c: f"{c[:2]}x{len(c)}"
)
def test_extremes_are_finite(counts: list[int]) -> None:
    for part in (0.0, 0.5, 1.0):
        found = at_coverage(counts, common_coverage([counts]) * part)
        assert found is not None
        assert math.isfinite(found.entropy)
        assert 0.0 <= found.entropy <= math.log2(max(2 * sum(counts), 2))


def test_what_cannot_be_asked_is_refused() -> None:
    assert at_coverage([], 0.5) is None
    assert (sample_coverage([]), common_coverage([]), common_coverage([[], [3, 3]])) == (0.0, 0.0, 1.0)
    for wrong in (-0.1, 1.1, math.nan):
        with pytest.raises(ConfigError, match="coverage="):
            at_coverage([1, 2], wrong)
    for size in (0, -1, math.nan, math.inf):
        with pytest.raises(ConfigError, match="draws"):
            sample_coverage([1, 2], size)
    with pytest.raises(ConfigError, match="not whole numbers"):
        sample_coverage([0.5, 1.5])
