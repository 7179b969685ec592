"""Domains: labels first, then words; nothing is guessed without evidence."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tdlab.errors import PoolError
from tdlab.pool import Taxonomy
from tdlab.records import Service, Tool

TAXONOMY = Taxonomy.bundled()


def service(name: str = "s", *tools: str, **facts: object) -> Service:
    made = tuple(Tool(service=name, name=tool, input_schema={"type": "object"}) for tool in tools)
    return Service.model_validate({"name": name, "tools": made, **facts})


def test_the_bundled_taxonomy_is_whole() -> None:
    assert len(TAXONOMY) >= 20
    assert TAXONOMY.version
    assert TAXONOMY.unknown.id == "other"
    assert TAXONOMY.unknown.id not in TAXONOMY.ids
    assert "other" in TAXONOMY
    assert len(set(TAXONOMY.ids)) == len(TAXONOMY)
    for domain in TAXONOMY:
        assert domain.title, domain.id
        assert domain.description, domain.id
        assert len(domain.keywords) >= 5, domain.id
        assert all(word == word.lower() for word in domain.keywords), domain.id
        assert domain.labels, domain.id


def test_no_label_stands_for_two_domains() -> None:
    owners: dict[str, str] = {}
    for domain in TAXONOMY:
        for label in domain.labels:
            assert TAXONOMY.label(label) == domain.id, f"{label!r} of {domain.id} leads to {TAXONOMY.label(label)}"
            assert owners.setdefault(label.lower(), domain.id) == domain.id


@pytest.mark.parametrize("label", ["Weather", "WEATHER", " weather ", "weather-environment", "Weather and environment"])
def test_labels_are_found_whatever_their_letter_case(label: str) -> None:
    assert TAXONOMY.classify(service(category=label)) == {"weather-environment": 1.0}


def test_a_label_goes_before_words() -> None:
    assert TAXONOMY.classify(service("hotel_booking", "book_room", category="Weather")) == {"weather-environment": 1.0}
    assert TAXONOMY.classify(service("x"), labels=["nonsense", "Sports"]) == {"sports-fitness": 1.0}


@pytest.mark.parametrize(
    ("name", "tools", "words", "domain"),
    [
        ("acme", ["create_invoice", "refund_payment", "list_payouts"], "", "payments-banking"),
        ("flights-mcp", ["search_flights", "get_airport"], "Airline reservations", "travel-hospitality"),
        ("pg", ["run_query"], "Run SQL on a Postgres database", "databases"),
        ("x", ["getPatientRecord", "listPrescriptions"], "", "healthcare"),
        ("x", [], "Open pull requests in a repository", "software-development"),
    ],
)
def test_words_tell_the_domain(name: str, tools: list[str], words: str, domain: str) -> None:
    domains = TAXONOMY.classify(service(name, *tools, description=words))
    assert max(domains, key=lambda d: domains[d]) == domain


@pytest.mark.parametrize(
    "words", ["", "zzz", "An MCP server", "Model Context Protocol server", "获取天气", "!!!", "categorical reshoppers"]
)
def test_without_evidence_the_domain_is_other(words: str) -> None:
    assert TAXONOMY.classify(service("mcp-server", description=words)) == {"other": 1.0}


@given(
    st.text("abcdefghijklmnopqrstuvwxyz_- ", max_size=40),
    st.lists(st.sampled_from(["get_order", "send_email", "searchFlights", "x", "list_files"]), max_size=4),
    st.text(max_size=60),
)
def test_weights_are_a_distribution_over_known_domains(name: str, tools: list[str], words: str) -> None:
    domains = TAXONOMY.classify(service(name, *tools, description=words))
    assert abs(sum(domains.values()) - 1.0) < 1e-9
    assert all(weight > 0 for weight in domains.values())
    assert all(domain in TAXONOMY for domain in domains)
    assert 1 <= len(domains) <= 3


def test_what_is_asked_for_and_not_there() -> None:
    assert TAXONOMY["healthcare"].title
    assert TAXONOMY["other"] is TAXONOMY.unknown
    with pytest.raises(PoolError, match="one of payments-banking"):
        TAXONOMY["cooking"]


@pytest.mark.parametrize(
    "text",
    [
        "no JSON",
        "[]",
        '{"version": "1"}',
        json.dumps({"version": "1", "unknown": {"id": "o", "title": "O"}, "domains": [{"id": "a"}]}),
        json.dumps({"version": "1", "unknown": {"id": "o", "title": "O"}, "domains": [{"id": "o", "title": "A"}]}),
    ],
)
def test_a_file_that_is_no_taxonomy(text: str, tmp_path: Path) -> None:
    path = tmp_path / "taxonomy.json"
    path.write_text(text)
    with pytest.raises(PoolError):
        Taxonomy.from_file(path)
    with pytest.raises(PoolError, match="cannot be read"):
        Taxonomy.from_file(tmp_path / "none.json")
