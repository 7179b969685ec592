"""Test entropies of counts: mathematical laws, values worked out by hand, invalid counts."""

from __future__ import annotations

import itertools
import math
import random
from statistics import mean

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tdlab.diversity import (
    EntropySummary,
    SplitCounts,
    bootstrap_interval,
    ceiling,
    chao_shen,
    coverage,
    entropy,
    hill_number,
    miller_madow,
    rarefied_entropy,
    summarise,
)
from tdlab.errors import ConfigError

whole = st.lists(st.integers(1, 60), min_size=1, max_size=25)
masses = st.lists(st.floats(0.001, 50, allow_nan=False), min_size=1, max_size=25)


def test_values_worked_out_by_hand() -> None:
    assert entropy([1, 1, 1, 1]) == 2.0
    assert entropy({"a": 3, "b": 1}) == pytest.approx(0.75 * math.log2(4 / 3) + 0.25 * 2, abs=1e-15)
    assert entropy([2, 1, 1]) == 1.5
    assert entropy([0.5, 0.25, 0.25]) == 1.5
    assert entropy([7]) == entropy([]) == entropy({}) == entropy([0, 0, 3]) == 0.0
    assert miller_madow([2, 1, 1]) == pytest.approx(1.5 + 2 / (2 * 4 * math.log(2)))
    assert hill_number([2, 1, 1], 0) == 3.0
    assert hill_number([2, 1, 1], 1) == pytest.approx(2**1.5)
    assert hill_number([2, 1, 1], 2) == pytest.approx(16 / 6)
    assert hill_number([1] * 100, 1000.0) == pytest.approx(100), "no underflow at high orders"
    assert hill_number([1] * 10, 1 - 1e-14) == pytest.approx(10), "no cancellation near order 1"
    assert coverage([2, 1, 1]) == 0.5
    assert ceiling(500) == pytest.approx(8.9657843)
    assert ceiling(500, 24) == math.log2(24)
    assert ceiling(0) == ceiling(1) == ceiling(100, 1) == ceiling(100, 0) == 0.0


def test_all_unique_sequences_sit_on_the_ceiling_as_the_papers_number_does() -> None:
    found = summarise([1] * 500)
    assert found.value == pytest.approx(8.966, abs=5e-4)
    assert found.value == found.ceiling == pytest.approx(math.log2(500))
    assert found.normalised == 1.0
    assert found.coverage == 0.0
    assert found.high == found.ceiling


@given(whole)
def test_bounds(counts: list[int]) -> None:
    value = entropy(counts)
    assert 0.0 <= value <= math.log2(len(counts)) <= ceiling(sum(counts)) + 1e-12
    assert value <= miller_madow(counts)
    assert 0.0 <= coverage(counts) <= 1.0


@given(masses, st.randoms(use_true_random=False))
def test_order_changes_no_bit(counts: list[float], rng: random.Random) -> None:
    shuffled = rng.sample(counts, len(counts))
    assert entropy(shuffled) == entropy(counts)
    assert chao_shen(shuffled) == chao_shen(counts)
    assert hill_number(shuffled, 2) == hill_number(counts, 2)
    assert entropy(dict(enumerate(counts))) == entropy(np.array(counts)) == entropy(counts)


@given(st.integers(1, 300), st.integers(1, 1000))
def test_uniform_counts_give_log2_of_their_number(categories: int, count: int) -> None:
    assert entropy([count] * categories) == pytest.approx(math.log2(categories), abs=1e-12)
    for q in (0, 1, 2):
        assert hill_number([count] * categories, q) == pytest.approx(categories)


@given(masses, st.integers(1, 1000))
def test_only_shares_matter(counts: list[float], factor: int) -> None:
    assert entropy([c * factor for c in counts]) == pytest.approx(entropy(counts), abs=1e-9)


@given(whole, whole)
def test_merging_sets_without_common_categories(first: list[int], second: list[int]) -> None:
    """Chain rule: H of the union is the mean of both plus the entropy of the set a draw is from."""
    a, b = sum(first), sum(second)
    expected = entropy([a, b]) + (a * entropy(first) + b * entropy(second)) / (a + b)
    assert entropy(first + second) == pytest.approx(expected, abs=1e-9)


@given(whole, st.data())
def test_merging_sets_over_the_same_categories_never_lowers_the_mean(first: list[int], data: st.DataObject) -> None:
    second = data.draw(st.lists(st.integers(1, 60), min_size=len(first), max_size=len(first)))
    a, b = sum(first), sum(second)
    union = entropy([x + y for x, y in zip(first, second, strict=True)])
    apart = (a * entropy(first) + b * entropy(second)) / (a + b)
    assert apart - 1e-9 <= union <= apart + entropy([a, b]) + 1e-9


@given(whole, st.integers(0, 24))
def test_splitting_a_category_never_lowers_and_merging_two_never_raises(counts: list[int], place: int) -> None:
    place %= len(counts)
    half = counts[place] // 2
    split = [*counts[:place], half, counts[place] - half, *counts[place + 1 :]]
    assert entropy(split) >= entropy(counts) - 1e-12
    if len(counts) > 1:
        merged = [counts[0] + counts[1], *counts[2:]]
        assert entropy(merged) <= entropy(counts) + 1e-12


@given(whole)
def test_hill_numbers_fall_with_their_order(counts: list[int]) -> None:
    found = [hill_number(counts, q) for q in (0, 0.5, 1, 1.5, 2, 4)]
    assert all(a >= b - 1e-9 for a, b in itertools.pairwise(found))
    assert found[-1] >= 1 - 1e-9


def test_chao_shen_is_its_formula() -> None:
    counts = [4, 2, 3, 1, 6, 4]
    n, c = 20, 1 - 1 / 20
    expected = -sum((c * x / n) * math.log2(c * x / n) / (1 - (1 - c * x / n) ** n) for x in counts)
    assert chao_shen(counts) == pytest.approx(expected, rel=1e-12)


def split_sample(draws: np.ndarray, pairs: list[tuple[int, int]]) -> SplitCounts:
    """Return trajectories of mass 1, each split evenly between the two domains of its pair."""
    return SplitCounts.of([({str(a): 0.5, str(b): 0.5}, 1) for a, b in (pairs[place] for place in draws)])


def test_chao_shen_of_split_masses_goes_by_the_trajectories_that_met_a_category() -> None:
    """By hand: 4 trajectories; a is in all of them, b in three, c in one; C = 1 - 0.25 / 4."""
    split = SplitCounts.of([({"a": 0.5, "b": 0.5}, 3), ({"a": 0.75, "c": 0.25}, 1)])
    c = 1 - 0.25 / 4
    parts = [(2.25, 4), (1.5, 3), (0.25, 1)]
    expected = -sum(c * m / 4 * math.log2(c * m / 4) / (1 - (1 - c * t / 4) ** 4) for m, t in parts)
    assert chao_shen(split) == pytest.approx(expected, rel=1e-12)
    every = SplitCounts.of([({"a": 0.5, "b": 0.5}, 3)])
    assert chao_shen(every) == pytest.approx(1.0), "what every trajectory has is met for sure"


def test_chao_shen_of_split_masses_comes_closer_to_a_known_truth_than_the_plain_value() -> None:
    rng = np.random.default_rng(3)
    pairs = list(itertools.combinations(range(12), 2))
    truth = entropy(split_sample(np.arange(len(pairs)), pairs))
    samples = [split_sample(rng.integers(0, len(pairs), 10), pairs) for _ in range(80)]
    adjusted, plain = mean(chao_shen(s) for s in samples), mean(entropy(s) for s in samples)
    assert plain < truth - 0.2
    assert abs(adjusted - truth) < 0.1


def test_corrections_do_not_pass_what_the_categories_allow() -> None:
    lonely = [1] * 10
    assert chao_shen(lonely) > miller_madow(lonely) > math.log2(11)
    found = summarise(lonely, categories=11)
    assert found.chao_shen == found.miller_madow == math.log2(11)
    assert summarise(lonely).chao_shen == chao_shen(lonely), "where their number is not known nothing is cut"


def test_more_categories_than_there_are_is_an_error() -> None:
    with pytest.raises(ConfigError, match="categories=2, but 3"):
        summarise([1, 1, 1], categories=2)


def test_corrections_come_closer_to_a_known_truth_than_the_plain_value() -> None:
    rng = np.random.default_rng(7)
    shares = 1.0 / np.arange(1, 201)
    shares /= shares.sum()
    truth = entropy(shares)
    samples = [rng.multinomial(150, shares) for _ in range(60)]
    plain = mean(entropy(s) for s in samples)
    corrected = mean(miller_madow(s) for s in samples)
    adjusted = mean(chao_shen(s) for s in samples)
    assert plain < corrected < truth
    assert abs(adjusted - truth) < abs(corrected - truth) < abs(plain - truth)


# ------------------------------------------------------------------------------------------------------ rarefaction


@given(st.lists(st.integers(1, 4), min_size=1, max_size=4), st.data())
def test_rarefaction_is_the_mean_over_every_subset(counts: list[int], data: st.DataObject) -> None:
    draws = [category for category, count in enumerate(counts) for _ in range(count)]
    n = data.draw(st.integers(1, min(len(draws), 6)))
    every = [entropy([subset.count(c) for c in set(subset)]) for subset in itertools.combinations(draws, n)]
    assert rarefied_entropy(counts, n) == pytest.approx(mean(every), abs=1e-9)


@given(whole)
def test_rarefaction_grows_with_n_up_to_the_value(counts: list[int]) -> None:
    total = sum(counts)
    sizes = sorted({1, max(1, total // 3), max(1, total // 2), total})
    found = [rarefied_entropy(counts, n) for n in sizes]
    assert found[0] == pytest.approx(0.0, abs=1e-9)
    assert found[-1] == entropy(counts)
    assert all(a <= b + 1e-9 for a, b in itertools.pairwise(found))


def test_rarefied_split_counts_come_near_the_exact_value() -> None:
    counts = [30, 20, 10, 5, 5]
    split = SplitCounts.of(({category: 1.0}, count) for category, count in enumerate(counts))
    assert rarefied_entropy(split, 20, replicates=2000) == pytest.approx(rarefied_entropy(counts, 20), abs=0.02)


def test_rarefaction_of_many_draws_is_quick_and_finite() -> None:
    counts = [1] * 40_000 + [2] * 20_000 + [1000] * 20
    assert 9.9 < rarefied_entropy(counts, 5000) < ceiling(5000)


# --------------------------------------------------------------------------------------------------------- bootstrap


@given(whole, st.integers(0, 2**63))
def test_the_interval_surrounds_the_value_within_its_bounds(counts: list[int], seed: int) -> None:
    low, high = bootstrap_interval(counts, seed=seed, replicates=60)
    assert 0.0 <= low <= entropy(counts) <= high <= max(ceiling(sum(counts)), entropy(counts))


def test_the_interval_depends_on_the_seed_alone() -> None:
    counts = [9, 7, 5, 3, 1]
    assert bootstrap_interval(counts, seed=1) == bootstrap_interval(counts, seed=1)
    assert bootstrap_interval(counts, seed=1) != bootstrap_interval(counts, seed=2)


def test_a_higher_level_is_wider_and_more_data_narrower() -> None:
    counts = [9, 7, 5, 3, 1]

    def width(counts: list[int], level: float) -> float:
        low, high = bootstrap_interval(counts, seed=0, level=level)
        return high - low

    assert width(counts, 0.5) < width(counts, 0.95) < width(counts, 0.999)
    assert width([c * 100 for c in counts], 0.95) < width(counts, 0.95) / 5


def test_the_interval_covers_what_other_samples_of_the_same_size_show() -> None:
    """As documented, 95 % intervals contain the expected entropy at this N about that often."""
    rng = np.random.default_rng(3)
    shares = np.array([0.3, 0.2, 0.15, 0.1, 0.1, 0.05, 0.05, 0.05])
    expected = float(np.mean([entropy(rng.multinomial(200, shares)) for _ in range(2000)]))
    held = 0
    for trial in range(200):
        low, high = bootstrap_interval(rng.multinomial(200, shares), seed=trial, replicates=300)
        held += low <= expected <= high
    assert 0.90 <= held / 200 <= 0.99, f"{held} of 200 intervals held the expected value"


def test_resampling_with_many_kinds_agrees_with_resampling_by_shares() -> None:
    """The two ways of drawing, chosen by size, must follow the same distribution."""
    few = bootstrap_interval([400, 300, 200, 100], seed=5, replicates=4000)
    as_masses = bootstrap_interval([400.0 + 1e-9, 300, 200, 100 - 1e-9], seed=5, replicates=4000)
    assert few == pytest.approx(as_masses, abs=0.01)


# -------------------------------------------------------------------------------------------------------- split masses


@given(whole)
def test_split_counts_with_whole_masses_are_plain_counts(counts: list[int]) -> None:
    split = SplitCounts.of(({category: 1.0}, count) for category, count in enumerate(counts))
    plain, same = summarise(counts, seed=3, replicates=20), summarise(split, seed=3, replicates=20)
    for name in ("value", "n", "units", "k", "ceiling", "normalised", "miller_madow", "chao_shen", "coverage"):
        assert getattr(same, name) == pytest.approx(getattr(plain, name), abs=1e-12), name


def test_fractional_masses_count_trajectories() -> None:
    """Three trajectories: two in one domain each, one split over two domains."""
    split = SplitCounts.of([({"a": 1.0}, 2), ({"a": 0.5, "b": 0.5}, 1)])
    found = summarise(split, categories=10)
    assert (found.n, found.units, found.k) == (3, 3, 2)
    assert found.value == pytest.approx(entropy([2.5, 0.5]))
    assert found.ceiling == pytest.approx(math.log2(4)), "four (trajectory, domain) pairs"
    assert found.coverage == pytest.approx(1 - 0.5 / 3), "only the half in b was met by one trajectory alone"
    assert entropy([2.5, 0.5]) == pytest.approx(entropy(split))


def test_one_trajectory_over_two_domains_stays_under_its_ceiling() -> None:
    found = summarise(SplitCounts.of([({"a": 0.5, "b": 0.5}, 1)]))
    assert (found.value, found.ceiling, found.normalised) == (1.0, 1.0, 1.0)


def test_intervals_of_split_counts_redraw_trajectories_not_their_parts() -> None:
    """200 draws in 20 trajectories of ten equal draws count as 20, so that the interval is wider."""
    clumped = SplitCounts.of(({category: 10.0}, 5) for category in range(4))
    loose = [50, 50, 50, 50]
    low, high = bootstrap_interval(clumped, seed=0)
    loose_low, loose_high = bootstrap_interval(loose, seed=0)
    assert entropy(clumped) == entropy(loose)
    assert high - low > 3 * (loose_high - loose_low)


# ------------------------------------------------------------------------------------------------------------ hostile


@pytest.mark.parametrize("counts", [[1, -1], [float("nan")], [float("inf"), 1], [10**400], ["x"], {"a": None}], ids=str)
def test_what_is_no_count_is_refused(counts: object) -> None:
    with pytest.raises(ConfigError, match="a count of"):
        entropy(counts)


def test_settings_out_of_range_are_refused() -> None:
    for level in (0.0, 1.0, -1.0, 2.0, float("nan")):
        with pytest.raises(ConfigError, match="level="):
            bootstrap_interval([1, 2], seed=0, level=level)
    with pytest.raises(ConfigError, match="replicates"):
        bootstrap_interval([1, 2], seed=0, replicates=0)
    for n in (0, 4):
        with pytest.raises(ConfigError, match="rarefaction"):
            rarefied_entropy([1, 2], n)
    for q in (-1.0, float("nan"), float("inf")):
        with pytest.raises(ConfigError, match="Hill"):
            hill_number([1, 2], q)
    with pytest.raises(ConfigError, match="trajectories of one kind"):
        SplitCounts.of([({"a": 1.0}, -1)])
    with pytest.raises(ConfigError, match="a mass of"):
        SplitCounts.of([({"a": float("nan")}, 1)])


@pytest.mark.parametrize("counts", [[], {}, [0], SplitCounts.of([])], ids=["list", "mapping", "zeros", "split"])
def test_nothing_has_no_entropy_and_no_warnings(counts: object) -> None:
    found = summarise(counts, categories=5, rarefy_to=3)
    assert (found.value, found.n, found.k, found.low, found.high, found.ceiling) == (0, 0, 0, 0, 0, 0)
    assert found.rarefied is None


def test_counts_too_large_to_tabulate_are_measured_all_the_same() -> None:
    found = summarise([10**12, 10**12, 5 * 10**11], replicates=50)
    assert found.value == pytest.approx(entropy([2, 2, 1]))
    assert found.low <= found.value <= found.high


def test_a_summary_goes_through_json() -> None:
    found = summarise({"a": 3, "b": 1}, categories=7, rarefy_to=2)
    assert EntropySummary.model_validate_json(found.model_dump_json()) == found
    assert found.rarefied is not None
    assert found.rarefied < found.value
