"""Test comparisons of sets: used dependencies, the tidy frame, streamed files."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tdlab.diversity import (
    DiversityMeter,
    DiversityReport,
    Features,
    SplitCounts,
    bootstrap_interval,
    compare,
    comparison_frame,
    featurise,
    measure,
    profile,
    rarefied_entropy,
    summarise,
    taxonomy_domains,
)
from tdlab.errors import ConfigError
from tdlab.formats import TrajectorySet, read_trajectories, scan_trajectories
from tdlab.records import Dependency, Trajectory, rng_for
from tests.diversity.builders import DOMAINS, TOOLS, trajectory

FIND = ("find_orders", {"query": "tea"}, {"orders": [{"order_id": "ord_123", "payment_id": "pay_77"}]})
READ = ("get_order", {"order_id": "ord_123"}, {"order_id": "ord_123"})
REFUND = ("refund_payment", {"payment_id": "pay_77", "note": {"of": ["ord_123"]}}, {"ok": True})
EDGES = [
    Dependency(source="shop/find_orders", target="shop/get_order", path=("o",), parameter="order_id", score=1),
    Dependency(source="shop/find_orders", target="bank/refund_payment", path=("p",), parameter="payment_id", score=1),
    Dependency(source="shop/create_order", target="shop/get_order", path=("order_id",), parameter="order_id", score=1),
    Dependency(source="shop/create_order", target="shop/delete_order", score=1),
]


def flows(*turns: Any) -> tuple[tuple[str, str, str], ...]:
    return featurise(trajectory(*turns), TOOLS, DOMAINS).dependencies


# ------------------------------------------------------------------------------------------------------- dependencies


def test_a_dependency_is_used_when_a_value_went_along_it() -> None:
    assert flows("u:tea", [FIND], [READ], [REFUND]) == (
        ("shop/find_orders", "bank/refund_payment", "note"),
        ("shop/find_orders", "bank/refund_payment", "payment_id"),
        ("shop/find_orders", "shop/get_order", "order_id"),
    )
    assert flows("u:about ord_123", [FIND], [READ]) == (), "the user said it"
    assert flows("u:tea", [READ], [FIND]) == (), "nothing flows backwards"
    failed = ("get_order", {"order_id": "ord_123"}, ValueError("no"))
    assert flows("u:tea", [FIND], [failed]) == (), "a failed call used nothing"


def test_dependency_coverage_is_the_share_of_binding_edges() -> None:
    meter = DiversityMeter()
    first = featurise(trajectory("u:tea", [FIND], [READ], id="1"), TOOLS, DOMAINS)
    second = featurise(trajectory("u:tea", [FIND], [READ], [REFUND], id="2"), TOOLS, DOMAINS)
    meter.add(first)
    assert meter.report(replicates=5).coverage.dependency_share is None
    found = meter.report(dependencies=EDGES, replicates=5).coverage
    assert (found.dependencies, found.known_dependencies, found.dependency_share) == (1, 3, 1 / 3)
    meter.add(second)
    found = meter.report(dependencies=EDGES, tools=TOOLS, replicates=5).coverage
    assert (found.dependencies, found.known_dependencies, found.dependency_share) == (3, 3, 2 / 3)
    assert found.tool_share == 3 / 7
    meter.remove(second)
    assert meter.report(dependencies=EDGES, replicates=5).coverage.dependencies == 1
    assert meter.report(dependencies=[], replicates=5).coverage.dependency_share == 0.0


def test_features_of_earlier_runs_are_still_read() -> None:
    kept = featurise(trajectory("u:tea", [FIND]), TOOLS, DOMAINS).model_dump(mode="json")
    del kept["dependencies"]
    assert Features.model_validate(kept).dependencies == ()


# ----------------------------------------------------------------------------------------------------------- merging


def some(seed: int, number: int, shop: str) -> list[Trajectory]:
    names = {name: f"{shop}/{name}" for name in ("get_order", "find_orders", "create_order")}
    made = []
    for place in range(number):
        order = sorted(names, key=lambda name: (rng_for(seed, place, name).random(), name))
        calls = [[(name, {"q": f"{shop}{place}"}, {"r": 1})] for name in order[: 1 + (seed + place) % 3]]
        made.append(trajectory("u:x", *calls, "a:Done.", id=f"{shop}{place}", tools=names))
    return made


@settings(max_examples=25)
@given(st.integers(0, 99), st.integers(1, 12), st.integers(1, 12))
def test_merging_sets_that_share_no_domain_follows_the_chain_rule(seed: int, a: int, b: int) -> None:
    """H of the union is the mean of both plus the entropy of the set a trajectory is from, in any order."""
    domains = {"one": {"x": 0.25, "y": 0.75}, "two": {"z": 1.0}}
    first = [featurise(t, {}, domains) for t in some(seed, a, "one")]
    second = [featurise(t, {}, domains) for t in some(seed + 1, b, "two")]
    union = DiversityMeter(first + second)
    share = a / (a + b)
    which = -share * math.log2(share) - (1 - share) * math.log2(1 - share)
    for gauge in (DiversityMeter.h_dom, lambda meter: meter.h_mode("tool_sequence")):
        apart = share * gauge(DiversityMeter(first)) + (1 - share) * gauge(DiversityMeter(second))
        assert gauge(union) == pytest.approx(apart + which, abs=1e-9)
    assert union.report(replicates=3) == DiversityMeter(second + first).report(replicates=3)


# ------------------------------------------------------------------------------------------------------------- frames


@pytest.fixture(scope="module")
def reports() -> dict[str, DiversityReport]:
    sets = {
        "small": TrajectorySet(tuple(some(1, 8, "one"))),
        "large": TrajectorySet(tuple(some(2, 40, "one") + some(3, 30, "two"))),
    }
    return compare(sets, replicates=50)


def test_the_frame_has_a_row_a_dataset_metric_and_basis(reports: dict[str, DiversityReport]) -> None:
    frame = comparison_frame(reports)
    assert list(frame.columns) == [
        "dataset", "metric", "label", "unit", "basis", "value", "low", "high", "n", "trajectories", "k", "ceiling",
        "share", "coverage",
    ]  # fmt: skip
    assert len(frame) == 2 * (4 * 3 + 1)
    assert not frame.duplicated(["dataset", "metric", "basis"]).any()
    equal = frame[(frame["basis"] == "equal N") & (frame["metric"] != "cac")]
    assert set(equal["n"]) == {8.0}
    for basis in ("all", "equal N"):
        rows = frame[(frame["basis"] == basis) & (frame["metric"] != "cac")]
        assert (rows["low"] <= rows["value"] + 1e-9).all()
        assert (rows["value"] <= rows["high"] + 1e-9).all()
        assert (rows["value"] <= rows["ceiling"] + 1e-9).all()
        assert rows["share"].between(0, 1).all()
    covered = frame[frame["basis"] == "equal coverage"]
    assert covered.groupby("metric")["coverage"].nunique().eq(1).all()
    assert covered["value"].notna().all()
    assert comparison_frame({}).empty


def test_at_equal_n_the_smaller_set_is_itself(reports: dict[str, DiversityReport]) -> None:
    small = reports["small"].signature
    assert (small.rarefied, small.rarefied_low, small.rarefied_high) == (small.value, small.low, small.high)
    large = reports["large"].signature
    assert large.rarefied is not None
    assert large.rarefied_low is not None
    assert large.rarefied_high is not None
    assert large.rarefied_low <= large.rarefied <= large.rarefied_high
    assert large.rarefied_high - large.rarefied_low > large.high - large.low, "fewer trajectories, a wider interval"


def test_a_set_below_the_common_n_has_rows_without_values() -> None:
    frame = comparison_frame(compare({"a": TrajectorySet(tuple(some(1, 5, "one")))}, rarefy_to=6, replicates=5))
    assert frame[frame["basis"] == "equal N"]["value"].isna().all()


def test_the_interval_at_fewer_draws_surrounds_the_rarefied_value() -> None:
    counts = [40, 30, 20, 5, 5, 1, 1]
    low, high = bootstrap_interval(counts, seed=0, draws=20)
    assert low < rarefied_entropy(counts, 20) < high <= math.log2(20)
    assert summarise(counts, rarefy_to=20).rarefied_low == pytest.approx(low)


# ------------------------------------------------------------------------------------------------------------ streams


def test_a_stream_measures_as_the_set_does(tmp_path: Path) -> None:
    talks = [
        {"conversations": [
            {"from": "human", "value": f"order {n}"},
            {"from": "function_call", "value": json.dumps({"name": f"s{n % 3}__get", "arguments": {"id": n}})},
            {"from": "observation", "value": "{}"},
            {"from": "gpt", "value": "Done." if n % 2 else "Which one?"},
        ]}
        for n in range(30)
    ]  # fmt: skip
    path = tmp_path / "x.jsonl"
    path.write_text("\n".join(json.dumps(talk) for talk in talks) + "\n{broken\n")
    read, stream = read_trajectories(path), scan_trajectories(path)
    assert profile(stream, replicates=5) == profile(read, replicates=5)
    assert len(measure(stream)) == 30
    assert compare({"a": stream}, replicates=5) == compare({"a": read}, replicates=5)
    assert stream.trajectories.__contains__(read.trajectories[3])


# --------------------------------------------------------------------------------------------------- domains there are


def test_domains_of_a_files_own_raise_its_ceiling_and_no_other() -> None:
    """A file may name domains outside the taxonomy; H_dom must not exceed its ceiling because of them."""
    assert len(taxonomy_domains()) == 37

    def one_set(domains: list[str]) -> TrajectorySet:
        made = tuple(trajectory("u:Go", [("get_order", {"id": n}, "ok")], id=f"t{n}") for n in range(len(domains)))
        split = [t.model_copy(update={"tools": {"get_order": f"s{n}/get_order"}}) for n, t in enumerate(made)]
        return TrajectorySet(tuple(split), {}, {f"s{n}": {domain: 1.0} for n, domain in enumerate(domains)})

    own = one_set([f"own-{n}" for n in range(60)])
    usual = one_set(sorted(taxonomy_domains()))
    found = compare({"own": own, "usual": usual}, categories=taxonomy_domains(), replicates=20)
    assert (found["own"].domain.categories, found["usual"].domain.categories) == (97, 37)
    assert found["own"].domain.value == found["own"].domain.ceiling == pytest.approx(math.log2(60))
    alone = profile(usual, categories=taxonomy_domains(), replicates=20).domain
    assert (alone.categories, alone.value, alone.normalised) == (37, pytest.approx(math.log2(37)), 1.0)
    assert profile(own, categories=taxonomy_domains(), replicates=20).domain.categories == 97
    assert profile(own, replicates=20).domain.categories is None
    with pytest.raises(ConfigError, match="categories=37, but 60"):
        profile(own, categories=37, replicates=20)


def test_the_ceiling_at_equal_n_counts_the_domains_of_so_many_trajectories() -> None:
    """Each trajectory has two of four domains: ten hold 20 pairs, five hold 10; four domains allow 2 bits."""
    split = [({"a": 0.5, "b": 0.5}, 5), ({"c": 0.5, "d": 0.5}, 5)]
    for n, known, top in ((1, 4, 1.0), (5, 4, 2.0), (1, 37, 1.0), (5, 37, math.log2(10)), (5, None, math.log2(10))):
        found = summarise(SplitCounts.of(split), categories=known, rarefy_to=n, replicates=50)
        assert found.rarefied_ceiling == pytest.approx(top), (n, known)
        assert found.rarefied is not None
        assert found.rarefied_high is not None
        assert found.rarefied <= found.rarefied_high <= found.rarefied_ceiling + 1e-12
    assert summarise([3, 2], rarefy_to=9, replicates=5).rarefied_ceiling is None
    made = tuple(trajectory("u:Go", [FIND], [REFUND], id=f"t{n}") for n in range(8))
    both = TrajectorySet(made, dict(TOOLS), {"shop": {"retail": 1.0}, "bank": {"banking": 1.0}})
    frame = comparison_frame(compare({"both": both}, categories=2, rarefy_to=1, replicates=20))
    row = frame.query("metric == 'domain' and basis == 'equal N'").iloc[0]
    assert (row["value"], row["ceiling"], row["share"]) == (1.0, 1.0, 1.0)
    frame = comparison_frame(compare({"both": both}, categories=3, rarefy_to=2, replicates=20))
    row = frame.query("metric == 'domain' and basis == 'equal N'").iloc[0]
    assert (row["ceiling"], row["share"]) == (pytest.approx(math.log2(3)), pytest.approx(1 / math.log2(3)))
