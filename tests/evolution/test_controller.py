"""Test the controller: draws, strength of steering, acceptance, and dependence of every draw on the seed only."""

from __future__ import annotations

import math
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tdlab.blueprints import MUTATIONS
from tdlab.evolution import Controller, Gauges
from tdlab.evolution.steering import strength
from tests.evolution.parts import config, controller, grow, mined, producer

STRATEGIES = ("evolved", "random", "quantity")


# --- strength


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0.01, 1))
def test_strength_grows_with_the_shortfall_and_is_nothing_above_the_threshold(
    one: float, other: float, threshold: float
) -> None:
    low, high = sorted((one, other))
    assert 0.0 <= strength(high, threshold, full_at=0.2) <= strength(low, threshold, full_at=0.2) <= 1.0
    assert strength(threshold, threshold, full_at=0.2) == 0.0
    assert strength(0.0, threshold, full_at=0.2) == 1.0


def test_a_threshold_of_nothing_turns_a_gauge_off() -> None:
    off = config(evolution__domain_threshold=0.0, evolution__mode_threshold=0.0, evolution__complexity_threshold=0.0)
    steering = controller(off)
    grow(steering, producer(off), 1)
    assert not steering.gauges().steers
    assert all(order.aim is None and len(order.drafts) == 1 for order in steering.orders(1))


@pytest.mark.parametrize("strategy", ["random", "quantity"])
def test_the_controls_never_steer(strategy: str) -> None:
    settings_ = config(evolution__strategy=strategy)
    steering = controller(settings_)
    for generation in range(3):
        gauges = steering.gauges()
        assert gauges.strengths == {"domain": 0.0, "mode": 0.0, "cac": 0.0}
        for order in steering.orders(generation):
            assert order.aim is None
            assert order.set_state is None
            assert len(order.drafts) == 1
            steering.consider(producer(settings_).produce(order))
    weights = set(steering.plan_record()[0].values())
    assert len(weights) <= 1, "every operator is as likely as any other"


def gauges(**strengths: float) -> Gauges:
    return Gauges({}, {"domain": 0.0, "mode": 0.0, "cac": 0.0, **strengths})


def test_each_gauge_turns_on_its_own_family_alone() -> None:
    steering = controller(config())
    flat = steering._weights(gauges())
    assert len(set(flat.values())) == 1
    for family, name in (("domain", "domain"), ("mode", "mode"), ("complexity", "cac")):
        weights = steering._weights(gauges(**{name: 1.0}))
        for name, weight in weights.items():
            assert (weight > flat[name]) == (MUTATIONS[name].family == family), (family, name)


def test_operators_whose_letters_are_rare_weigh_more() -> None:
    settings_ = config()
    steering = controller(settings_)
    grow(steering, producer(settings_), 3)
    weights = steering._weights(gauges(mode=1.0))
    modes = [name for name in weights if MUTATIONS[name].family == "mode"]
    counts = {name: min(steering._count_of(letter) for letter in MUTATIONS[name].letters) for name in modes}
    for one in modes:
        for other in modes:
            if counts[one] < counts[other]:
                assert weights[one] > weights[other]


# --- drawing


def test_rare_domains_are_drawn_in_proportion_to_the_formula() -> None:
    """The probability is proportional to (count + a)^(-b), by the reported share and by frequencies of many draws."""
    settings_ = config(evolution__strength=2.0, evolution__smoothing=0.5)
    steering = controller(settings_)
    counts = {domain: float(place) for place, domain in enumerate(steering._domains)}
    weights = {domain: (count + 0.5) ** -2.0 for domain, count in counts.items()}
    from tdlab.records import rng_for

    rng = rng_for("domains")
    drawn: Counter[str] = Counter()
    for _ in range(4000):
        domain, share = steering._aim(rng, counts)
        drawn[domain] += 1
        assert math.isclose(share, weights[domain] / sum(weights.values()))
    for domain, weight in weights.items():
        expected = weight / sum(weights.values())
        assert abs(drawn[domain] / 4000 - expected) < 4 * math.sqrt(expected * (1 - expected) / 4000) + 1e-9


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_orders_depend_on_the_seed_and_the_set_alone(strategy: str) -> None:
    settings_ = config(evolution__strategy=strategy)
    first, second = controller(settings_), controller(settings_)
    grow(first, producer(settings_), 2)
    grow(second, producer(settings_), 2)
    assert first.orders(2) == second.orders(2) == first.orders(2), "asking twice changes nothing"
    other = controller(settings_.with_values(seed=1))
    assert [o.seed for o in other.orders(0)] != [o.seed for o in first.orders(0)]


def test_orders_of_one_generation_spread_over_the_domains() -> None:
    """Each order counts the orders before it, so that a batch does not aim at a single rare domain."""
    settings_ = config(evolution__batch=40)
    aims = Counter(order.aim for order in controller(settings_).orders(0))
    domains = {domain for cluster in mined()[0] for domain in cluster.domains}
    assert set(aims) == domains
    assert max(aims.values()) <= 3 * 40 / len(domains)


def test_what_is_ordered_is_there() -> None:
    settings_ = config()
    steering = controller(settings_)
    grow(steering, producer(settings_), 3)
    clusters, tools, _ = mined()
    named = {cluster.id for cluster in clusters}
    for order in steering.orders(3):
        assert order.cluster in named
        assert set(order.distractors) <= set(tools)
        assert 1 <= len(order.drafts) <= settings_.evolution.max_drafts
        for draft in order.drafts:
            assert draft.partner is None or (draft.partner in named and draft.partner != order.cluster)
            assert draft.base is None or draft.base.cluster == order.cluster
            assert len(draft.mutations) <= settings_.evolution.max_mutations
            assert set(draft.mutations) <= set(MUTATIONS)


def test_quantity_repeats_the_first_plans_of_a_few_clusters() -> None:
    settings_ = config(evolution__strategy="quantity", evolution__quantity_seeds=3)
    steering = controller(settings_)
    met = grow(steering, producer(settings_), 4)
    plans = {(o.order.cluster, o.order.plan_seed) for o, _ in met}
    assert len(plans) == min(3, len(mined()[0]))
    kinds = {
        (o.blueprint.recipe.frame, o.blueprint.recipe.twist) if o.blueprint.recipe else o.features.tool_sequence
        for o, decision in met
        if o.features and o.blueprint and decision.accepted
    }
    assert len(kinds) <= 3
    assert all(not o.applied for o, _ in met)


# --- deciding


def bar(least: float | None) -> tuple[Controller, list[bool]]:
    settings_ = config(evolution__min_gain=least)
    steering = controller(settings_)
    return steering, [decision.accepted for _, decision in grow(steering, producer(settings_), 4)]


def test_no_bar_lets_in_all_that_verifies_and_is_new() -> None:
    settings_ = config(evolution__min_gain=None)
    steering = controller(settings_)
    for offspring, decision in grow(steering, producer(settings_), 4):
        assert decision.bar is None
        if not decision.accepted:
            assert decision.reasons[0].check != "gain"
        if decision.accepted:
            assert offspring.verdict is not None
            assert offspring.verdict.accepted


def test_a_bar_keeps_out_what_gains_less_and_says_by_how_much() -> None:
    settings_ = config(evolution__min_gain=0.05)
    steering = controller(settings_)
    met = grow(steering, producer(settings_), 5)
    kept = [d for _, d in met if d.accepted and d.bar is not None]
    left = [d for _, d in met if not d.accepted and d.gain is not None]
    assert kept
    assert left
    assert met[0][1].accepted or met[0][1].gain is None, "the first of a set meets no bar"
    assert all(d.weighed is not None and d.weighed >= 0.05 for d in kept)
    for decision in left:
        assert decision.weighed is not None
        assert decision.weighed < 0.05
        assert str(decision.reasons[0]).startswith(f"gain: {decision.weighed:.4f} is below the bar")


def test_the_bar_falls_where_no_gauge_steers() -> None:
    """When all thresholds are met, every verified offspring is accepted; otherwise a run could never end."""
    met_all = config(
        evolution__min_gain=50.0, evolution__domain_threshold=0.0, evolution__mode_threshold=0.0,
        evolution__complexity_threshold=0.0,
    )  # fmt: skip
    steering = controller(met_all)
    assert any(decision.accepted for _, decision in grow(steering, producer(met_all), 2))


def test_the_gain_recorded_is_what_the_set_gained() -> None:
    settings_ = config()
    steering = controller(settings_)
    producing = producer(settings_)
    grow(steering, producing, 2)
    for order in steering.orders(2):
        offspring = producing.produce(order)
        size, domain, mode = len(steering), steering.meter.h_dom(), steering.meter.h_mode()
        decision = steering.consider(offspring)
        if decision.accepted:
            assert decision.gain is not None
            assert math.isclose(decision.gain["domain"], (size + 1) * (steering.meter.h_dom() - domain), abs_tol=1e-9)
            assert math.isclose(decision.gain["mode"], (size + 1) * (steering.meter.h_mode() - mode), abs_tol=1e-9)


def test_a_duplicate_is_kept_out() -> None:
    settings_ = config()
    steering, producing = controller(settings_), producer(settings_)
    offspring = next(o for o, d in grow(steering, producing, 1) if d.accepted)
    size = len(steering)
    again = steering.consider(offspring)
    assert not again.accepted
    assert again.reasons[0].check == "near_duplicate"
    assert len(steering) == size


def test_the_window_forgets() -> None:
    settings_ = config(evolution__window=5)
    steering = controller(settings_)
    grow(steering, producer(settings_), 3)
    assert len(steering) > 5
    assert {reading.size for reading in steering._gauges.window.values()} == {5}
    assert {reading.size for reading in steering._gauges.whole.values()} == {len(steering)}


# --- and the whole


@settings(max_examples=3)
@given(st.integers(0, 2**31))
def test_resuming_anywhere_gives_the_state_of_going_on(seed: int) -> None:
    """After any generation, a state rebuilt from the accepted offspring gives the same orders."""
    settings_ = config(seed=seed, evolution__window=9)
    going_on, producing = controller(settings_), producer(settings_)
    accepted = []
    for generation in range(3):
        for order in going_on.orders(generation):
            offspring = producing.produce(order)
            if going_on.consider(offspring).accepted:
                accepted.append(offspring)
        resumed = controller(settings_)
        for kept in accepted:
            assert kept.blueprint is not None
            assert kept.trajectory is not None
            assert kept.features is not None
            # through JSON, as the store keeps them
            resumed.recall(
                type(kept.blueprint).model_validate_json(kept.blueprint.model_dump_json()),
                type(kept.trajectory).model_validate_json(kept.trajectory.model_dump_json()),
                type(kept.features).model_validate_json(kept.features.model_dump_json()),
            )
        assert resumed.record() == going_on.record()
        assert resumed.plan_record() == going_on.plan_record()
        assert resumed.orders(generation + 1) == going_on.orders(generation + 1)
        for order in going_on.orders(generation + 1)[:3]:
            offspring = producing.produce(order)
            assert resumed._duplicates.nearest(offspring.trajectory, offspring.sketch) == (
                going_on._duplicates.nearest(offspring.trajectory, offspring.sketch)
            )


@pytest.mark.slow
def test_evolution_beats_chance_on_modes_and_complexity() -> None:
    """Compare at equal N with the same pool and seed: a small case of what the ablations show."""
    found = {}
    for strategy in ("evolved", "random"):
        settings_ = config(evolution__strategy=strategy, evolution__batch=16, evolution__complexity_threshold=40.0)
        steering = controller(settings_)
        grow(steering, producer(settings_), 8)
        found[strategy] = (steering.meter.h_mode(), steering.meter.mean_cac())
    assert found["evolved"][0] > found["random"][0] + 0.3
    assert found["evolved"][1] > found["random"][1] * 1.1
