"""The domains of a pool's services: given ones, labels, a model trained on labels, and a user's own labeller."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tdlab.errors import PoolError
from tdlab.pool import CachedLabeller, Placement, Taxonomy, ToolPool
from tdlab.pool.domains import FEWEST_EXAMPLES, Example, learn_scores, place_services
from tdlab.records import Domains, Service, Tool
from tests.benchmarks import domains as benchmark

TAXONOMY = Taxonomy.bundled()


def service(name: str, *tools: str, **facts: Any) -> Service:
    made = tuple(Tool(service=name, name=tool, input_schema={"type": "object"}) for tool in tools)
    return Service.model_validate({"name": name, "tools": made, **facts})


def labelled(count: int = FEWEST_EXAMPLES) -> list[Service]:
    """Return services whose label goes with words of their own that are not keywords."""
    kinds = [("Weather", "zanzo nimbli"), ("Database", "krevo tuplix"), ("Sports", "golpo striko")]
    return [
        service(
            f"s{n}", f"act_{n}", category=kinds[n % 3][0], description=f"{kinds[n % 3][1]} thing{n} of place{n % 7}"
        )
        for n in range(count)
    ]


def place(*services: Service, **options: Any) -> list[Placement]:
    return place_services(services, taxonomy=TAXONOMY, **options)


def test_what_stands_and_what_a_label_says_is_not_questioned() -> None:
    hotel = service("hotel", "book_room", category="Weather")
    assert place(hotel) == [Placement(domains={"weather-environment": 1.0}, confidence=1.0, by="label")]
    own = place(hotel, given=[{"databases": 1.0}])
    assert own == [Placement(domains={"databases": 1.0}, confidence=1.0, by="file")]
    assert place(service("x", category="Others"), labels=[["Sports"]])[0].domains == {"sports-fitness": 1.0}


def test_a_broad_label_leaves_the_choice_to_the_words() -> None:
    (route,) = place(service("r", "get_route", category="Travel & Maps", description="Transit directions by bus"))
    (hotel,) = place(service("h", "book_hotel", category="Travel & Maps", description="Hotel reservations"))
    assert max(route.domains, key=lambda d: route.domains[d]) == "maps-mobility"
    assert max(hotel.domains, key=lambda d: hotel.domains[d]) == "travel-hospitality"
    (silent,) = place(service("q", category="Travel & Maps"))
    assert set(silent.domains) <= set(TAXONOMY.choices("Travel & Maps"))
    assert {p.by for p in (route, hotel, silent)} == {"label"}


def test_few_labels_teach_nothing_and_keywords_decide() -> None:
    unknown = service("pg", "run_query", description="Run SQL on a Postgres database")
    placed = place(unknown, *labelled(FEWEST_EXAMPLES - 1))[0]
    assert (placed.by, next(iter(placed.domains))) == ("words", "databases")
    assert 0 < placed.confidence < 1


def test_words_that_labels_taught_decide_where_there_are_enough() -> None:
    unknown = service("new", "act", description="a krevo tuplix for you")
    placed = place(unknown, *labelled(150))[0]
    assert (placed.by, next(iter(placed.domains))) == ("learned", "databases")
    assert placed.confidence > 0.5
    assert place(unknown, *labelled(FEWEST_EXAMPLES - 1))[0].by == "none"


def test_a_domain_that_no_label_names_can_be_found() -> None:
    unknown = service("bulbs", "set_light", description="Smart home lights and thermostat: zigbee, home assistant, hue")
    placed = place(unknown, *labelled(150))[0]
    assert next(iter(placed.domains)) == "home-iot"


def test_no_evidence_is_other() -> None:
    for services in ([service("q1")], [service("q1"), *labelled(150)]):
        assert place(*services)[0] == Placement(domains={"other": 1.0}, confidence=0.0, by="none")


def test_distributions_are_whole_and_the_same_each_time() -> None:
    services = [*labelled(120), *(service(f"u{n}", "search_flights", "get_order", "x") for n in range(5))]
    first = place(*services)
    assert first == place(*services)
    for placed in first:
        assert abs(sum(placed.domains.values()) - 1.0) < 1e-9
        assert 1 <= len(placed.domains) <= 3
        assert list(placed.domains.values()) == sorted(placed.domains.values(), reverse=True)
        assert 0 <= placed.confidence <= 1


def test_an_example_is_not_judged_by_itself() -> None:
    services = labelled(150)
    examples = [Example(TAXONOMY.choices(s.category or "")) for s in services]
    wrong = [*examples[1:], examples[0]]
    scores = learn_scores(services, wrong, taxonomy=TAXONOMY)
    found = [TAXONOMY.ids[column] for column in scores.probabilities.argmax(axis=1)]
    assert np.mean([f == e.domains[0] for f, e in zip(found, wrong, strict=True)]) > 0.9
    lone = [Example(("healthcare",)), *examples[1:]]
    assert TAXONOMY.ids[learn_scores(services, lone, taxonomy=TAXONOMY).probabilities[0].argmax()] != "healthcare"


# ------------------------------------------------------------------------------------------------------------ labellers


def test_a_labeller_is_asked_where_no_label_speaks_and_remembers(tmp_path: Path) -> None:
    asked = []

    def label(found: Service) -> Domains:
        asked.append(found.name)
        return {"healthcare": 0.75, "databases": 0.25}

    path = tmp_path / "labels.jsonl"
    services = [service("a", "t"), service("b", "t"), service("c", "u"), service("d", category="Weather")]
    placed = place(*services, label=CachedLabeller(label, path))
    assert [p.by for p in placed] == ["labeller"] * 3 + ["label"]
    assert placed[0] == Placement(domains={"healthcare": 0.75, "databases": 0.25}, confidence=0.75, by="labeller")
    assert asked == ["a", "c"], "the same content is asked for once, whatever the service is called"
    again = CachedLabeller(label, path)
    assert (len(again), place(*services, label=again)) == (2, placed)
    assert asked == ["a", "c"]


def test_a_damaged_line_of_remembered_labels_is_asked_for_again(tmp_path: Path) -> None:
    path = tmp_path / "labels.jsonl"
    path.write_text('{"service": "x", "domains": {"databa\n[1]\n{}\n', encoding="utf-8")
    labeller = CachedLabeller(lambda _: {"databases": 1.0}, path)
    assert len(labeller) == 0
    assert labeller(service("a")) == {"databases": 1.0}
    assert len(CachedLabeller(lambda _: {}, path)) == 1


@pytest.mark.parametrize("answer", [{}, {"cooking": 1.0}, {"databases": 0.5}, {"databases": 1.5, "healthcare": -0.5}])
def test_a_labellers_nonsense_is_refused(answer: Domains) -> None:
    with pytest.raises(PoolError, match="the labeller's answer for 'a'"):
        place(service("a"), label=lambda _: answer)


def test_remembered_labels_need_a_place(tmp_path: Path) -> None:
    with pytest.raises(PoolError, match="cannot be written"):
        CachedLabeller(lambda _: {"databases": 1.0}, tmp_path / "no" / "labels.jsonl")(service("a"))


# ------------------------------------------------------------------------------------------------------------ in a pool


def test_a_pool_knows_how_its_services_were_placed(tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    lines = [
        {"server": "wx", "category": "Weather", "tools": [{"name": "t"}]},
        {"server": "pg", "tools": [{"name": "run_sql_query"}], "description": "Query a Postgres database"},
        {"server": "wx", "category": "Sports", "tools": [{"name": "u"}]},
    ]
    path.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    pool = ToolPool.load(path, label=None)
    assert [(name, pool.placement(name).by) for name in ("wx", "wx#2", "pg")] == [
        ("wx", "label"), ("wx#2", "label"), ("pg", "words"),
    ]  # fmt: skip
    assert pool.placement("wx#2").domains == {"sports-fitness": 1.0} == pool.service("wx#2").domains
    frame = pool.to_frame(level="service").set_index("service")
    assert frame.loc["pg", "domain_by"] == "words"
    assert 0 < frame.loc["pg", "domain_confidence"] < 1
    part = pool.subset(services=["pg"])
    assert part.placement("pg") == pool.placement("pg")
    assert ToolPool.load(path, label=lambda _: {"databases": 1.0}).placement("pg").by == "labeller"
    assert ToolPool.bundled().placement(ToolPool.bundled().services[0].name).by == "given"
    with pytest.raises(PoolError):
        pool.placement("no")


# ----------------------------------------------------------------------------------------------- the taxonomy's labels


def test_a_label_says_one_thing_several_or_nothing() -> None:
    assert TAXONOMY.choices("WEATHER") == ("weather-environment",)
    assert len(TAXONOMY.choices("Health & Fitness")) > 1
    assert TAXONOMY.label("Health & Fitness") is None
    assert TAXONOMY.choices("Others") == ()
    assert TAXONOMY.is_silent("others")
    assert not TAXONOMY.is_silent("Weather")
    assert not TAXONOMY.is_silent("never heard of")


@pytest.mark.parametrize(
    "broad",
    [
        [{"domains": ["a"], "labels": ["x"]}],
        [{"domains": ["a", "none"], "labels": ["x"]}],
        [{"domains": ["a", "b"], "labels": ["A"]}],
        [{"domains": ["a", "b"], "labels": ["quiet"]}],
        [{"domains": "a", "labels": []}],
    ],
)
def test_a_broad_label_must_be_one(broad: Any) -> None:
    content = {
        "version": "1",
        "unknown": {"id": "o", "title": "O"},
        "domains": [{"id": "a", "title": "A"}, {"id": "b", "title": "B"}],
        "silent_labels": ["quiet"],
        "broad_labels": broad,
    }
    with pytest.raises(PoolError):
        Taxonomy.from_text(json.dumps(content), source="here")


# ------------------------------------------------------------------------------------------------------- the benchmark


def test_the_benchmark_holds_out_what_it_tells() -> None:
    services = labelled(180)
    examples = benchmark.examples_of(services, TAXONOMY)
    results, confidence = benchmark.held_out(services, examples, TAXONOMY, folds=3)
    learned = benchmark.agreement(results["learned"], examples, TAXONOMY)
    assert learned["services"] == 180
    assert learned["top1"] > 0.95
    assert benchmark.agreement(results["majority"], examples, TAXONOMY)["top1"] < 0.5
    assert benchmark.agreement(results["words"], examples, TAXONOMY)["top1"] < 0.2
    bands, error = benchmark.calibration(results["learned"], confidence["learned"], examples, TAXONOMY)
    assert sum(count for _, count, _, _ in bands) == 180
    assert 0 <= error < 0.5
    twins = [service("a", "x", "y"), service("b", "y", "x")]
    assert len(set(benchmark.folds_of(twins, 7))) == 1
    assert "one domain, 3 folds" in benchmark.report(ToolPool.from_services(services), TAXONOMY, folds=3)
