"""The benchmark against recorded dataflow: its measures are right, and mining finds the recorded dataflow."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise, permutations
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tdlab.clusters import mine
from tdlab.pool.catalogue import ToolPool
from tdlab.records import Tool
from tests.benchmarks import clusters as scale
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
    filled = report["across"]["filled"]
    assert sum(map(len, filled.values())) == report["across"]["observed"] == 17
    assert not any(kind.startswith("shared entity") for kind in filled), "now the ranking across would say something"


def test_what_values_filled_across_services_is_told() -> None:
    def made(service: str, name: str, **parameters: str) -> Tool:
        properties = {parameter: {"type": kind} for parameter, kind in parameters.items()}
        return Tool(service=service, name=name, input_schema={"type": "object", "properties": properties})

    tools = {t.key: t for t in (made("a", "find"), made("b", "scan", repository="string", query="string"))}
    pair = ("a/find", "b/scan")
    for counts, kind in ((Counter(repository=2, query=1), "shared entity (repository)"), (Counter(query=1), "prose")):
        seen = benchmark.FromResult(set(), Counter({pair: 1}), set(), Counter(), {pair: counts}, Counter())
        assert list(benchmark.kinds_filled([pair, ("b/scan", "a/find")], seen, tools)) == [kind]


def test_declared_identifiers_are_found_with_outputs_hidden() -> None:
    report = benchmark.held_out(ToolPool.bundled().services[::3])
    own, others = report["rankings"]["tdlab"], report["rankings"]
    assert report["found_out"] > 100
    assert own["found_out_average_precision"] >= 0.6
    assert all(
        own["found_out_average_precision"] > row["found_out_average_precision"] + 0.1
        for name, row in others.items()
        if name != "tdlab"
    )


def test_a_declared_pair_needs_one_name_and_one_format() -> None:
    def made(name: str, given: dict, taken: dict) -> Tool:
        schemas = [{"type": "object", "properties": part} for part in (taken, given)]
        return Tool(service="s", name=name, input_schema=schemas[0], output_schema=schemas[1])

    order, other = {"type": "string", "pattern": "^o-[0-9]{4}$"}, {"type": "string", "pattern": "^x-[0-9]{4}$"}
    tools = [
        made("list", {"orders": {"type": "array", "items": {"type": "object", "properties": {"order": order}}}}, {}),
        made("ship", {"order": order}, {"order": order}),
        made("bill", {}, {"order": order}),
        made("odd", {"order": other}, {"name": {"type": "string"}}),
    ]
    found = benchmark.declared(tools)
    assert found == {("s/list", "s/ship"): 2, ("s/list", "s/bill"): 2, ("s/ship", "s/bill"): 1}


def test_a_grown_pool_is_larger_renamed_and_the_same_each_time() -> None:
    services = ToolPool.bundled().services
    count = sum(len(service.tools) for service in services)
    one, two = scale.grown(services, 2 * count, seed=3), scale.grown(services[::-1], 2 * count, seed=3)
    assert [s.model_dump() for s in one] == [s.model_dump() for s in two]
    tools = [tool for service in one for tool in service.tools]
    assert 1.8 * count <= len(tools) <= 2 * count
    assert len({tool.key for tool in tools}) == len(tools)
    assert len({tool.name for tool in tools}) > 1.2 * len({t.name for s in services for t in s.tools})
    assert sum(len(s.tools) for s in scale.grown(services, 100)) <= 100


def test_the_benchmark_of_clusters_runs_on_any_pool(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pool = scale.as_pool(ToolPool.bundled().services[:20])
    mined = mine(pool)
    report = scale.selection(mined, apricot=None, naive=500)
    assert report["naive greedy"]["same_choice"]
    assert report["naive greedy"]["same_objective"]
    rows = scale.coverage(mined, pool, seeds=2)["rows"]
    assert all(row["ratio"] is None or row["ratio"] > 1.0 for row in rows)
    assert scale.crossing(mined, pool, 3, seed=1).count("\n") == 9
    text = scale.sample(mined, pool, 5, seed=1)
    assert text.count("## ") == 5
    assert text == scale.sample(mined, pool, 5, seed=1) != scale.sample(mined, pool, 5, seed=2)
    assert scale.main(["--pool", str(tmp_path / "none.jsonl")]) == 1
    assert "not there" in capsys.readouterr().err
