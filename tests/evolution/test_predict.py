"""Test predictions: what a blueprint should add is what its trajectory has."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tdlab.diversity import ALPHABET, DiversityMeter, Tally, trigrams
from tdlab.evolution.predict import Prediction, SetState, predict
from tests.evolution.parts import config, controller, grow, mined, producer

letters = st.lists(st.sampled_from(ALPHABET), max_size=12).map(tuple)


def test_the_forecast_of_the_mode_comes_true_with_the_scripted_teacher() -> None:
    settings_ = config()
    tools = mined()[1]
    told = []
    for offspring, decision in grow(controller(settings_), producer(settings_), 6):
        if decision.accepted and offspring.blueprint is not None and offspring.features is not None:
            told.append((predict(offspring.blueprint, tools), offspring.features))
    assert len(told) > 30
    right = sum(expected.signature == features.signature for expected, features in told)
    assert right >= 0.95 * len(told), f"{right} of {len(told)}"
    # CAC is a forecast: what the assistant reads from earlier results may be more than the plan binds
    errors = [abs(expected.cac - features.cac) / max(features.cac, 1.0) for expected, features in told]
    assert sum(errors) / len(errors) < 0.25


@given(st.lists(letters, min_size=1, max_size=8), letters)
def test_the_gain_of_the_mode_is_the_meters(set_: list[tuple[str, ...]], one: tuple[str, ...]) -> None:
    counts: Counter[tuple[str, str, str]] = Counter()
    for signature in set_:
        counts.update(trigrams(signature))
    modes = Counter(set_)
    set_state = SetState(Tally.of(counts), Tally.of(modes), mean_cac=0.0, steer_mode=1.0, steer_cac=0.0, cac_scale=1.0)

    def entropy(masses: Counter[Any]) -> float:
        total = sum(masses.values())
        return -sum(n / total * math.log2(n / total) for n in masses.values())

    steering = (len(set_) + 1) * (entropy(counts + Counter(trigrams(one))) - entropy(counts))
    headline = (len(set_) + 1) * (entropy(modes + Counter([one])) - entropy(modes))
    assert math.isclose(set_state.mode_gain(one), steering, abs_tol=1e-6)
    assert math.isclose(set_state.signature_gain(one), headline, abs_tol=1e-6)
    assert math.isclose(set_state.merit(Prediction(one, 7.0)), steering + headline, abs_tol=1e-6)


def test_the_compass_agrees_with_the_meter_on_real_trajectories() -> None:
    settings_ = config()
    steering, producing = controller(settings_), producer(settings_)
    grow(steering, producing, 2)
    meter: DiversityMeter = steering.meter
    for order in steering.orders(2):
        offspring = producing.produce(order)
        if offspring.features is not None and order.set_state is not None:
            mode = offspring.features.signature
            assert math.isclose(order.set_state.mode_gain(mode), meter.gain(offspring.features).mode, abs_tol=1e-6)
            headline = meter.gain(offspring.features, variant="signature").mode
            assert math.isclose(order.set_state.signature_gain(mode), headline, abs_tol=1e-6)


def test_an_empty_set_has_no_gain_to_tell() -> None:
    set_state = SetState(Tally(), Tally(), mean_cac=0.0, steer_mode=1.0, steer_cac=1.0, cac_scale=10.0)
    assert set_state.mode_gain(("read", "reply")) == 0.0
    assert set_state.signature_gain(("read", "reply")) == 0.0
    assert set_state.merit(Prediction(("read", "reply"), 5.0)) == 0.5


def test_the_draft_with_most_merit_is_played() -> None:
    settings_ = config()
    steering, producing = controller(settings_), producer(settings_)
    grow(steering, producing, 2)
    several = 0
    for order in steering.orders(2):
        offspring = producing.produce(order)
        merits = [merit for merit in offspring.merits if merit is not None]
        assert len(offspring.merits) == len(order.drafts)
        assert offspring.merits[offspring.chosen] == max(merits)
        several += len(set(merits)) > 1
        assert producing.produce(order) == offspring, "an order is carried out the same way each time"
    assert several, "there was something to choose"
