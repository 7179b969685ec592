"""Test how a trajectory's mass of 1 is split over business domains."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tdlab.diversity import UNKNOWN_DOMAIN, domain_mass
from tests.diversity.builders import DOMAINS, NAMES, TOOLS, trajectory

SHOP, BANK, LAB = ("get_order", {}, 1), ("convert_currency", {}, 1), ("run_code", {}, 1)


def test_every_call_has_an_equal_share() -> None:
    assert domain_mass(trajectory([SHOP], [SHOP, SHOP], [BANK]), TOOLS, DOMAINS) == {
        "ecommerce": 0.75,
        "payments": 0.125,
        "travel": 0.125,
    }


def test_unknown_services_are_other() -> None:
    assert domain_mass(trajectory([SHOP], [LAB]), TOOLS, {"shop": {"ecommerce": 1.0}}) == {
        "ecommerce": 0.5,
        "other": 0.5,
    }
    assert domain_mass(trajectory([SHOP]), TOOLS, {}) == {UNKNOWN_DOMAIN: 1.0}


def test_shares_of_any_size_are_only_proportions() -> None:
    huge = {"shop": {"a": 1e308, "b": 1e308, "c": 5e-324}}
    assert domain_mass(trajectory([SHOP]), TOOLS, huge) == {"a": 0.5, "b": 0.5}


@pytest.mark.parametrize("wrong", [{}, {"a": 0.0}, {"a": -1.0}, {"a": math.nan}, {"a": math.inf}])
def test_domains_that_are_no_distribution_are_other(wrong: dict[str, float]) -> None:
    assert domain_mass(trajectory([SHOP]), TOOLS, {"shop": wrong}) == {UNKNOWN_DOMAIN: 1.0}


def test_a_conversation_without_calls_is_about_what_it_was_offered() -> None:
    offered = {"get_order": "shop/get_order", "run_code": "lab/run_code"}
    assert domain_mass(trajectory("u:hi", "a:no", tools=offered), TOOLS, DOMAINS) == {"ecommerce": 0.5, "software": 0.5}
    assert domain_mass(trajectory("u:hi", "a:no", tools={}), TOOLS, DOMAINS) == {UNKNOWN_DOMAIN: 1.0}


def test_a_runners_own_tools_carry_no_mass_beside_others() -> None:
    names = {**NAMES, "transfer": "/transfer"}
    assert domain_mass(trajectory([("transfer", {}, 1)], [LAB], tools=names), TOOLS, DOMAINS) == {"software": 1.0}
    assert domain_mass(trajectory([("transfer", {}, 1)], tools=names), TOOLS, DOMAINS) == {UNKNOWN_DOMAIN: 1.0}


@given(
    st.lists(st.sampled_from([SHOP, BANK, LAB]), max_size=12),
    st.dictionaries(
        st.sampled_from(["shop", "bank", "lab"]),
        st.dictionaries(st.sampled_from("abcdef"), st.floats(0, 10), max_size=4),
    ),
)
def test_the_mass_is_one_and_in_a_fixed_order(calls: list[Any], services: dict[str, dict[str, float]]) -> None:
    found = domain_mass(trajectory(*([call] for call in calls)), TOOLS, services)
    assert math.fsum(found.values()) == pytest.approx(1.0, abs=1e-12)
    assert list(found) == sorted(found)
    assert all(share > 0 for share in found.values())
