"""The benchmark against observed dataflow: its measures are right, and the recorded dataflow is found."""

from __future__ import annotations

from itertools import pairwise, permutations
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.benchmarks import dependencies as benchmark


def plain_average_precision(hits: list[bool]) -> float:
    found, total = 0, 0.0
    for rank, hit in enumerate(hits, start=1):
        if hit:
            found += 1
            total += found / rank
    return total / sum(hits)


@given(st.lists(st.tuples(st.sampled_from([0.0, 0.5, 1.0]), st.booleans()), min_size=1, max_size=6))
def test_ties_share_the_mean_over_all_their_orders(rows: list[tuple[float, bool]]) -> None:
    if not any(hit for _, hit in rows):
        return
    pairs = [(str(i), "x") for i in range(len(rows))]
    scores = {pair: score for pair, (score, _) in zip(pairs, rows, strict=True)}
    observed = {pair: 1 for pair, (_, hit) in zip(pairs, rows, strict=True) if hit}
    orders = [o for o in permutations(rows) if all(a[0] >= b[0] for a, b in pairwise(o))]
    expected = sum(plain_average_precision([hit for _, hit in order]) for order in orders) / len(orders)
    assert benchmark.measure(pairs, scores, observed).average_precision == pytest.approx(expected, abs=1e-4)


def test_values_too_short_or_empty_do_not_count() -> None:
    arguments = {"a": "abc", "b": True, "c": None, "d": ["abcd", {"e": 12345}], "f": 7}
    assert sorted(benchmark.values_of(arguments)) == ["12345", "abcd"]


def test_recorded_dataflow_is_found(shared: Path) -> None:
    report = benchmark.evaluate(*benchmark.defaults())
    inside = report["in_service"]
    assert (inside["observed"], inside["pairs"]) == (167, 886), "the pairs that the issue counts"
    own = inside["rankings"]["tdlab"]
    assert own["average_precision"] >= 0.60
    assert own["r_precision"] >= 0.60
    assert all(
        own["average_precision"] > row["average_precision"]
        for name, row in inside["rankings"].items()
        if name != "tdlab"
    )
