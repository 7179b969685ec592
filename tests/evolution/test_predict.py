"""Test predictions: what a blueprint should add is what its trajectory has."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tdlab.diversity import ALPHABET, DiversityMeter, trigrams
from tdlab.evolution.gauges import GAUGES, EntropyReading, MeanReading, SetState, mode_of
from tdlab.evolution.predict import predict
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


def modes(set_: list[tuple[str, ...]]) -> EntropyReading:
    reading = GAUGES["mode"].reading(domains=1)
    for signature in set_:
        reading.add(mode_of(signature))
    assert isinstance(reading, EntropyReading)
    return reading


@given(st.lists(letters, min_size=1, max_size=8), letters)
def test_the_merit_of_the_mode_is_the_gain_of_both_entropies(set_: list[tuple[str, ...]], one: tuple[str, ...]) -> None:
    counts: Counter[tuple[str, str, str]] = Counter()
    for signature in set_:
        counts.update(trigrams(signature))

    def entropy(masses: Counter[Any]) -> float:
        total = sum(masses.values())
        return -sum(n / total * math.log2(n / total) for n in masses.values())

    steering = (len(set_) + 1) * (entropy(counts + Counter(trigrams(one))) - entropy(counts))
    headline = (len(set_) + 1) * (entropy(Counter(set_) + Counter([one])) - entropy(Counter(set_)))
    reading = modes(set_)
    assert math.isclose(reading.gain(mode_of(one)), steering, abs_tol=1e-6)
    assert math.isclose(reading.merit(mode_of(one)), steering + headline, abs_tol=1e-6)
    set_state = SetState({"mode": reading}, {"mode": 0.5}, {"mode": 1.0})
    assert math.isclose(set_state.merit({"mode": mode_of(one)}), 0.5 * (steering + headline), abs_tol=1e-6)


def test_the_state_of_the_set_agrees_with_the_meter_on_real_trajectories() -> None:
    settings_ = config()
    steering, producing = controller(settings_), producer(settings_)
    grow(steering, producing, 2)
    meter: DiversityMeter = steering.meter
    for order in steering.orders(2):
        offspring = producing.produce(order)
        if offspring.features is not None and order.set_state is not None:
            mode = mode_of(offspring.features.signature)
            reading = order.set_state.readings["mode"]
            assert math.isclose(reading.gain(mode), meter.gain(offspring.features).mode, abs_tol=1e-6)
            headline = meter.gain(offspring.features, variant="signature").mode
            assert math.isclose(reading.merit(mode) - reading.gain(mode), headline, abs_tol=1e-6)


def test_an_empty_set_has_no_entropy_to_change() -> None:
    mode = mode_of(("read", "reply"))
    readings = {"mode": modes([]), "cac": MeanReading()}
    set_state = SetState(readings, {"mode": 1.0, "cac": 1.0}, {"mode": 1.0, "cac": 10.0})
    assert readings["mode"].merit(mode) == 0.0
    assert set_state.merit({"mode": mode, "cac": 5.0}) == 0.5


@given(st.lists(st.floats(0.0, 1e4), min_size=1, max_size=20), st.integers(0, 19))
def test_readings_forget_exactly_what_is_removed(numbers: list[float], place: int) -> None:
    reading, without = MeanReading(), MeanReading()
    for number in numbers:
        reading.add(number)
    left = numbers[place % len(numbers)]
    reading.remove(left)
    for at, number in enumerate(numbers):
        if at != place % len(numbers):
            without.add(number)
    assert reading == without


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
