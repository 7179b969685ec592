"""Worked examples: each number and comparison of steering, ordering, deciding and predicting, by hand.

Everything here is made by hand (clusters, features, blueprints), so that a number of the steering that changes fails
one example, and no other part of tdlab does.
"""

from __future__ import annotations

import math
import random
from collections import Counter
from typing import Any

import pytest

from tdlab.config import EvolutionConfig, RunConfig
from tdlab.diversity import Complexity, Features, whole_masses
from tdlab.evolution import Controller, DraftPlan, Gauges, Offspring, Order
from tdlab.evolution.gauges import GAUGES, SetState, mode_of
from tdlab.evolution.predict import Prediction, predict
from tdlab.evolution.steering import (
    Plateau,
    budget_spent,
    number_of_drafts,
    ran_dry,
    rarity,
    read_gauges,
    strength,
    weigh,
)
from tdlab.records import (
    CODE_TOOL,
    Ask,
    Blueprint,
    BusinessCluster,
    Call,
    Check,
    Constant,
    Failure,
    FromResult,
    FromTemplate,
    FromUser,
    Message,
    Persona,
    Reason,
    Step,
    Tool,
    Trajectory,
    Verdict,
    rng_for,
)

DEFAULTS = EvolutionConfig()
MODES = ("add_refusal", "add_confirmation")
OPERATORS = (*MODES, "branch", "bridge_clusters")
"""Two of the family of modes (refuse, confirm), one of complexity, one of domains."""


# --- steering: strengths, drafts, draws, gains


@pytest.mark.parametrize(
    ("value", "threshold", "full_at", "expected"),
    [(0.81, 0.9, 0.2, 0.5), (0.72, 0.9, 0.2, 1.0), (0.7, 0.9, 0.2, 1.0), (0.95, 0.9, 0.2, 0.0), (0.5, 0.0, 0.2, 0.0)],
)
def test_strength_is_the_shortfall_as_a_share_of_the_threshold(
    value: float, threshold: float, full_at: float, expected: float
) -> None:
    assert strength(value, threshold, full_at=full_at) == pytest.approx(expected)


def steer(domain: float = 0.0, mode: float = 0.0, cac: float = 0.0) -> Gauges:
    """Gauges that steer with these strengths."""
    return Gauges({}, {"domain": domain, "mode": mode, "cac": cac})


def test_gauges_steer_by_their_own_thresholds() -> None:
    values = {"domain": 0.998 * 0.998, "mode": 0.9 * 0.9, "cac": 36 * 0.95}
    found = read_gauges(DEFAULTS, values)
    assert found.values == values
    assert found.strengths == pytest.approx({"domain": 0.002 / 0.005, "mode": 0.1 / 0.2, "cac": 0.05 / 0.2})
    assert found.steers
    assert read_gauges(DEFAULTS.model_copy(update={"strategy": "random"}), dict.fromkeys(values, 0.0)).strengths == {
        "domain": 0.0, "mode": 0.0, "cac": 0.0,
    }  # fmt: skip
    other = DEFAULTS.model_copy(update={"full_at": 0.4, "domain_full_at": 0.01})
    assert read_gauges(other, values).strengths == pytest.approx({"domain": 0.2, "mode": 0.25, "cac": 0.125})


@pytest.mark.parametrize("steered", ["domain", "mode", "cac"])
def test_any_gauge_below_its_threshold_steers(steered: str) -> None:
    assert not steer().steers
    assert steer(**{steered: 0.01}).steers


@pytest.mark.parametrize(
    ("modes", "cac", "expected"), [(0, 0, 1), (0.3, 0, 2), (0, 0.5, 2), (0.4, 0.9, 3), (1, 0, 3), (0.05, 0.08, 1)]
)
def test_drafts_grow_from_1_to_3_with_the_stronger_of_two_gauges(modes: float, cac: float, expected: int) -> None:
    assert number_of_drafts(steer(1.0, modes, cac), DEFAULTS) == expected
    assert number_of_drafts(Gauges({}, {"domain": 1.0}), DEFAULTS) == 1, "domains are aimed at, not chosen by"


def test_a_domain_weighs_count_plus_a_to_the_minus_b() -> None:
    assert rarity(3.0, DEFAULTS) == pytest.approx(1 / 4)
    assert rarity(3.0, EvolutionConfig(smoothing=0.5, strength=2.0)) == pytest.approx(3.5**-2)


def test_a_gain_is_weighed_by_the_strengths() -> None:
    gain, gauges = {"domain": 0.5, "mode": 0.25, "cac": 9.0}, steer(1.0, 0.5, 0.25)
    assert weigh(gain, gauges, DEFAULTS) == pytest.approx(0.5 + 0.125 + 0.25 * 9 / 36)
    off = DEFAULTS.model_copy(update={"complexity_threshold": 0.0})
    assert weigh(gain, gauges, off) == pytest.approx(0.5 + 0.125 + 0.25 * 9)


# --- steering: stops


def plateau(past: list[tuple[float, float, float]], **values: Any) -> str:
    watch = Plateau(EvolutionConfig(patience=2, flat=0.25, **values))
    for domain, mode, cac in past:
        watch.note({"domain": domain, "mode": mode, "cac": cac})
    return watch.reached()


def test_a_plateau_is_a_range_of_at_most_flat() -> None:
    assert "H_dom / ceiling 0.5 of 0.998, H_mode / ceiling 0.5 of 0.9" in plateau(
        [(0.75, 0.5, 99), (0.6, 0.5, 99), (0.5, 0.5, 99)]
    )
    assert plateau([(0.751, 0.5, 99), (0.6, 0.5, 99), (0.5, 0.5, 99)]) == ""
    assert plateau([(0.5, 0.5, 99), (0.5, 0.5, 99)]) == "", "two generations after the first"
    assert "CAC 10 of 36" in plateau([(1, 1, 19), (1, 1, 12), (1, 1, 10)]), "9 is a quarter of 36"
    assert plateau([(1, 1, 19.1), (1, 1, 12), (1, 1, 10)]) == ""
    assert plateau([(0.9, 1, 99), (0.95, 1, 99), (0.998, 1, 99)]) == "", "a gauge at its threshold is not waited for"
    assert plateau([(0.998, 1, 99), (0.998, 1, 99), (0.95, 1, 99)]) != ""
    forgotten = [(0.1, 0.5, 99), (0.5, 0.5, 99), (0.5, 0.5, 99), (0.5, 0.5, 99)]
    assert plateau(forgotten).startswith(
        "plateau: in 2 generations no gauge below its threshold moved by more than 0.25"
    )
    assert plateau([(0.5, 0.5, 99)] * 3, strategy="random") == ""
    one = Plateau(EvolutionConfig(patience=1))
    for _ in range(2):
        one.note({"domain": 0.5, "mode": 0.5, "cac": 1.0})
    assert one.reached().startswith("plateau: in 1 generation no gauge")
    never = Plateau(EvolutionConfig(patience=None))
    never.note({"domain": 0.5, "mode": 0.5, "cac": 1.0})
    assert never.reached() == ""


def test_stops_are_said_in_sentences() -> None:
    assert budget_spent(1, 0) == "budget: 1 offspring was tried and 0 of them kept"
    assert budget_spent(2, 1) == "budget: 2 offspring were tried and 1 of them kept"
    assert ran_dry(1) == "dry: no trajectory was accepted in 1 generation"
    assert ran_dry(2) == "dry: no trajectory was accepted in 2 generations in a row"


# --- the controller, over clusters and features made by hand


def cluster(name: str, **domains: float) -> BusinessCluster:
    return BusinessCluster(id=name, tools=(f"{name}/a",), dependencies=(), domains=domains, title=name)


CLUSTERS = (cluster("a", north=1.0), cluster("b", south=0.5, north=0.5), cluster("c", south=1.0))


def controller(**values: Any) -> Controller:
    config = RunConfig(target=1000).with_values(**{f"evolution__{name}": value for name, value in values.items()})
    spare = [f"spare/{n}" for n in range(10)]
    return Controller(config, CLUSTERS, distractors=spare, categories=2, mutations=[*OPERATORS, "no such operator"])


def features(number: int, *letters: str, cac: float = 10.0, **domains: float) -> Features:
    complexity = Complexity(
        value=cac, calls=1, leaves=0.0, bound=0, new_tools=1, service_changes=0, recoveries=0
    )  # fmt: skip
    return Features(
        id=f"t{number}", domains=domains or {"north": 1.0}, tool_sequence=(), signature=letters or ("read", "reply"),
        complexity=complexity, tools=(), parameters=(), calls=1, offered=1,
    )  # fmt: skip


def blueprint(*steps: Step, cluster: str = "a", number: int = 0) -> Blueprint:
    return Blueprint(
        id=f"b{number}", cluster=cluster, seed=0, intent="", persona=Persona(name="Ada", role="analyst"),
        steps=steps or (Step(id="s1", kind="refuse", request="x"),), offered=(),
    )  # fmt: skip


def admit(steering: Controller, *made: Features, cluster: str = "a") -> None:
    for number, one in enumerate(made):
        steering.admit(blueprint(cluster=cluster, number=number), one)


def test_each_operator_weighs_its_floor_and_what_its_gauge_adds() -> None:
    steering = controller()
    gauges = steer(0.3, 0.5, 0.4)
    weights = {"add_refusal": 1.2, "add_confirmation": 1.2, "branch": 0.6, "bridge_clusters": 0.5}
    assert steering._weights(gauges) == pytest.approx(weights)
    admit(
        steering, features(0, "confirm", "reply"), features(1, "refuse"), features(2, "refuse"), features(3, "refuse")
    )
    weights = {"add_refusal": 0.2 + 2 * 0.5 * 0.25, "add_confirmation": 0.2 + 2 * 0.5 * 0.75, "branch": 0.6}
    found = steering._weights(gauges)
    assert {name: found[name] for name in weights} == pytest.approx(weights)


def test_a_letter_is_counted_once_a_trajectory_and_batches_of_any_size_are_one() -> None:
    steering = controller()
    admit(steering, features(0, "parallel-2", "read", "parallel-3", "read"), features(1, "parallel-4+", "reply"))
    assert [steering._count_of(letter) for letter in ("read", "parallel", "reply", "ask")] == [1, 3, 1, 0]


def test_the_gauges_are_the_lower_of_window_and_whole() -> None:
    steering = controller(window=2)
    admit(steering, features(0, cac=60.0), features(1, cac=20.0), features(2, cac=10.0))
    assert steering.gauges().values["cac"] == 15.0, "of 20 and 10 in the window; the whole is at 30"
    assert steering.record().window["cac"] == 15.0
    assert steering.record().whole["cac"] == 30.0
    admit(steering, features(3, cac=100.0), features(4, cac=100.0))
    assert steering.gauges().values["cac"] == pytest.approx(58.0)
    uneven = controller(window=3)
    admit(uneven, *(features(n, north=1.0) for n in range(3)), *(features(9, south=1.0) for n in range(3)))
    assert uneven.record().whole["domain"] == pytest.approx(1.0)
    assert uneven.gauges().values["domain"] == 0.0
    assert uneven.gauges().values["mode"] == pytest.approx(uneven.record().whole["mode"], abs=1e-9)
    assert uneven.gauges().values["mode"] < uneven.record().window["mode"]


def test_records_have_nine_decimals() -> None:
    steering = controller()
    admit(steering, features(0, cac=1.0), features(1, cac=0.0), features(2, cac=0.0), cluster="a")
    assert steering.record().whole["cac"] == steering.record().values["cac"] == 0.333333333
    admit(steering, features(3, "ask", "read", cac=0.0, north=0.65, south=0.35))
    record = steering.record()
    for values in (record.values, record.strengths, record.whole, record.window):
        assert all(value == round(value, 9) for value in values.values())
    exact = {"domain": steering.meter.normalised_domain(), "mode": steering.meter.normalised_mode()}
    for name, value in exact.items():
        assert record.whole[name] == round(value, 9)
        assert round(value, 8) != round(value, 9) != round(value, 10), "the example tells nine decimals from others"
    weights, _ = controller(mutation_floor=1 / 3).plan_record()
    assert weights["branch"] == round(1 / 3 + 1, 9)
    assert record.strengths["domain"] == min(1.0, record.strengths["domain"])


@pytest.mark.parametrize(("strategy", "drafts"), [("quantity", 1), ("planned", 1), ("random", 1), ("evolved", 3)])
def test_a_plan_record_says_what_orders_are_drawn_with(strategy: str, drafts: int) -> None:
    operators, most = controller(strategy=strategy).plan_record()
    assert most == drafts
    assert bool(operators) == (strategy in ("random", "evolved"))


def draft_plans(steering: Controller, gauges: Gauges, number: int = 600, weights: Any = None) -> list[DraftPlan]:
    rng = rng_for("worked example")
    return [steering._draft(rng, "a", gauges, weights or dict.fromkeys(OPERATORS, 1.0)) for _ in range(number)]


def near(share: float, expected: float, number: int) -> bool:
    return abs(share - expected) < 4 * math.sqrt(expected * (1 - expected) / number)


def test_a_quarter_of_drafts_start_from_a_parent() -> None:
    steering = controller()
    assert all(plan.base is None for plan in draft_plans(steering, steer(0, 0, 0), 50))
    admit(steering, features(0))
    found = draft_plans(steering, steer(0, 0, 0))
    assert near(sum(plan.base is not None for plan in found) / 600, 0.25, 600)
    partners = Counter(plan.partner for plan in found)
    assert set(partners) == {None, "b", "c"}, "its own cluster is no partner"


def test_drafts_have_up_to_four_operators_and_three_more_at_full_strength() -> None:
    steering = controller()
    calm = Counter(len(plan.mutations) for plan in draft_plans(steering, steer(1.0, 0, 0)))
    assert set(calm) == {0, 1, 2, 3, 4}
    assert all(near(count / 600, 0.2, 600) for count in calm.values())
    for full in (steer(0, 1.0, 0), steer(0, 0, 1.0)):
        lengths = Counter(len(plan.mutations) for plan in draft_plans(steering, full))
        assert set(lengths) == {3, 4}, "a random number from 0 to 4, and three: four at most"
        assert near(lengths[3] / 600, 0.2, 600)
    half = Counter(len(plan.mutations) for plan in draft_plans(steering, steer(0, 0.5, 0)))
    assert near(half[0] / 600, 0.2 / 8, 600)
    none = draft_plans(controller(max_mutations=0), steer(0, 1.0, 0), 20)
    assert not any(plan.mutations for plan in none)


def test_an_operator_of_the_modes_is_applied_once_to_a_draft_others_may_repeat() -> None:
    found = [Counter(plan.mutations) for plan in draft_plans(controller(), steer(0, 1.0, 0))]
    assert max(counts[name] for counts in found for name in MODES) == 1
    assert max(counts["branch"] for counts in found) > 1
    few = draft_plans(controller(), steer(0, 1.0, 0), 50, dict.fromkeys(MODES, 1.0))
    assert max(len(plan.mutations) for plan in few) == 2, "where none is left, that is all"


def test_operators_are_drawn_by_their_weights() -> None:
    weights = {"add_refusal": 3.0, "branch": 1.0}
    found = draft_plans(controller(max_mutations=1), steer(0, 1.0, 0), 600, weights)
    first = Counter(plan.mutations[0] for plan in found)
    assert near(first["branch"] / 600, 0.25, 600)


def test_the_planned_control_has_no_operators() -> None:
    steering = controller(strategy="planned")
    admit(steering, features(0))
    assert set(draft_plans(steering, steer(0, 1.0, 0), 20)) == {DraftPlan()}


def test_orders_offer_six_distractors_and_as_many_drafts_as_steering_asks_for() -> None:
    (order, *_), three = controller(batch=2).orders(0), controller(batch=2, distractors=3).orders(0)
    assert len(order.distractors) == len(set(order.distractors)) == 6
    assert len(three[0].distractors) == 3
    assert len(order.drafts) == 3
    assert order.set_state is not None
    assert [(o.generation, o.position) for o in three] == [(0, 0), (0, 1)]
    few = Controller(RunConfig(), CLUSTERS, distractors=["x/1", "x/2"], categories=2, mutations=OPERATORS).orders(0)
    assert set(few[0].distractors) == {"x/1", "x/2"}
    assert controller(max_drafts=1).orders(0)[0].set_state is None, "one draft: nothing to choose by"
    assert controller(max_drafts=2).orders(0)[0].set_state is not None


class Recorder(random.Random):
    """A random number generator that keeps the weights of its choices."""

    def __init__(self, *_: object) -> None:
        super().__init__(1)
        self.weights: list[list[float]] = []

    def choices(self, population: Any, weights: Any = None, **more: Any) -> list[Any]:
        self.weights.append(list(weights))
        return super().choices(population, weights, **more)


def test_a_cluster_is_drawn_by_its_mass_over_one_plus_its_uses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the domain north, a has 1 and was used three times, and b has half."""
    rng = Recorder()
    monkeypatch.setattr("tdlab.evolution.controller.rng_for", lambda *_: rng)
    expected = {"north": 3.0, "south": 1e9}
    order = controller()._order(0, 0, steer(1.0, 0, 0), None, {}, expected, Counter({"a": 3}))
    assert order.aim == "north"
    assert order.aim_share == pytest.approx(1.0, abs=1e-6)
    assert order.cluster in ("a", "b")
    assert rng.weights[:2] == [[1 / 4, 1 / (1e9 + 1)], [1 / 4, 0.5]]


def test_a_domain_is_aimed_at_by_its_rarity() -> None:
    """North has 1 and south nothing: weights of 1/2 and 1, shares of 1/3 and 2/3."""
    rng = Recorder()
    shares = {controller()._aim(rng, {"north": 1.0}) for _ in range(50)}
    assert rng.weights[0] == [0.5, 1.0]
    assert {name: round(share, 9) for name, share in shares} == {"north": 0.333333333, "south": 0.666666667}


def test_an_order_counts_for_the_next_ones_of_its_generation() -> None:
    steering = controller()
    expected, used = {"north": 2.0}, Counter({"a": 1})
    order = steering._order(0, 0, steer(0, 0, 0), None, {}, expected, used)
    assert (order.aim, order.aim_share) == (None, None), "no gauge of domains steers"
    masses = {"a": {"north": 3.0}, "b": {"north": 2.5, "south": 0.5}, "c": {"north": 2.0, "south": 1.0}}
    assert expected == masses[order.cluster]
    assert used[order.cluster] == 1 + (order.cluster == "a")


def test_domains_are_aimed_at_as_often_as_their_gauge_steers() -> None:
    steering = controller()
    aims = sum(steering._order(n, 0, steer(0.3, 0, 0), None, {}, {}, Counter()).aim is not None for n in range(600))
    assert near(aims / 600, 0.3, 600)


def test_the_quantity_control_repeats_its_clusters_with_new_values() -> None:
    steering = controller(strategy="quantity", quantity_seeds=2, batch=3)
    orders = [*steering.orders(0), *steering.orders(1)]
    assert [order.cluster for order in orders] == ["a", "b", "a", "b", "a", "b"]
    assert [order.fresh for order in orders] == [False, False, True, True, True, True]
    assert len({order.plan_seed for order in orders}) == 2
    assert len({order.seed for order in orders}) == 6


def test_seeds_have_62_bits() -> None:
    random_, quantity = (controller(strategy=name, batch=40).orders(0) for name in ("random", "quantity"))
    plans = [controller(strategy="quantity", batch=3).orders(0)] + [
        Controller(
            RunConfig(seed=seed).with_values(evolution__strategy="quantity", evolution__batch=3), CLUSTERS,
            distractors=[], categories=2, mutations=(),
        ).orders(0)
        for seed in range(20)
    ]  # fmt: skip
    of_plans = [order.plan_seed or 0 for orders in plans for order in orders]
    for seeds in ([order.seed for order in random_], [order.seed for order in quantity], of_plans):
        assert 2**61 <= max(seeds) < 2**62


def test_a_set_state_holds_what_merit_needs() -> None:
    steering = controller(complexity_threshold=50.0)
    admit(steering, features(0, "read", "reply", cac=20.0), features(1, "read", "reply", cac=30.0), features(2, "ask"))
    state = steering._set_state(steer(0, 0.5, 0.75))
    assert state is not None
    assert state.readings["cac"].value == 20.0
    assert (state.strengths, state.scales) == ({"mode": 0.5, "cac": 0.75}, {"mode": 1.0, "cac": 50.0})
    assert signature_gain(state, "read", "reply") == pytest.approx(4 * (entropy(3, 1) - entropy(2, 1)))
    off = controller(complexity_threshold=0.0)._set_state(steer(0, 0.5, 0))
    assert off is not None
    assert off.scales["cac"] == 1.0


# --- deciding


def offspring(number: int, *letters: str, cac: float = 10.0, words: str = "", **domains: float) -> Offspring:
    said = words or " ".join(f"w{number}x{n}" for n in range(20))
    trajectory = Trajectory(id=f"t{number}", messages=(Message(role="user", content=said),))
    verdict = Verdict(trajectory=f"t{number}", checks=(Check(name="completed", passed=True),))
    made = features(number, *letters, cac=cac, **domains)
    order = Order(0, number, number, "a")
    return Offspring(order, blueprint(number=number), trajectory, verdict, made)


def test_the_bar_is_met_by_a_gain_that_equals_it() -> None:
    """One gauge steers fully, of complexity: a CAC of 28 where the mean is 10 gains 18, half of the threshold of 36."""
    values = {"domain_threshold": 0.0, "mode_threshold": 0.0, "batch": 1}
    for least, accepted in ((0.5, True), (0.501, False)):
        steering = controller(min_gain=least, **values)
        assert steering.consider(offspring(0)).bar is None, "the first meets no bar"
        decision = steering.consider(offspring(1, cac=28.0))
        assert decision.accepted == accepted
        assert decision.weighed == pytest.approx(0.5)
        assert decision.bar == least
        assert decision.reasons == (() if accepted else (Reason("gain", "0.5000 is below the bar of 0.5010"),))
        assert len(steering) == 1 + accepted
    idle = controller(min_gain=0.5, complexity_threshold=0.0, **values)
    idle.consider(offspring(0))
    assert idle.consider(offspring(1)).bar is None, "nothing steers: no bar"


@pytest.mark.parametrize(("most", "accepted"), [(0, False), (1, True), (None, True)])
def test_diversity_is_not_bought_with_faults(most: int | None, accepted: bool) -> None:
    steering = controller(most_faults=most, batch=1)
    steering.consider(offspring(0))
    decision = steering.consider(offspring(1, "ask", cac=40.0)._replace(faults=("idle_calls",)))
    assert decision.accepted == accepted
    assert decision.reasons == (() if accepted else (Reason("quality", "idle calls"),))
    control = controller(most_faults=0, strategy="random")
    assert control.consider(offspring(2)._replace(faults=("idle_calls",))).accepted, (
        "controls report, they do not choose"
    )


def test_what_is_not_accepted_says_why() -> None:
    steering = controller()
    failed = steering.consider(Offspring(Order(0, 0, 0, "a"), failure="no tool"))
    assert failed.reasons == (Reason("blueprint", "no tool"),)
    for missing in ("blueprint", "trajectory", "features", "verdict"):
        (reason,) = steering.consider(offspring(1)._replace(**{missing: None})).reasons
        assert reason.check == "blueprint", missing
    checks = (Check(name="schema", passed=False, reason="wrong"),)
    rejected = offspring(1)._replace(verdict=Verdict(trajectory="t1", checks=checks))
    assert steering.consider(rejected).reasons == (Reason("schema", "wrong"),)
    assert steering.consider(offspring(2, words="a b c d e f g h")).accepted
    again = steering.consider(offspring(3, words="a b c d e f g h"))
    assert (again.accepted, again.duplicate_of) == (False, "t2")
    assert len(steering) == 1


def test_parents_are_kept_up_to_a_number_and_while_they_can_grow() -> None:
    steering = controller(max_parents=2)
    admit(steering, *(features(n) for n in range(4)))
    assert [parent.id for parent in steering._parents["a"]] == ["b0", "b1"]
    long = tuple(Step(id=f"s{n}", kind="refuse", request="x") for n in range(14))
    steering.admit(blueprint(*long, cluster="c"), features(5))
    assert steering._parents["c"] == [], "of 14 steps, the most that a blueprint has"
    steering.admit(blueprint(*long[:13], cluster="c"), features(6))
    assert len(steering._parents["c"]) == 1
    assert steering._cluster_uses == {"a": 4, "c": 2}


def test_what_leaves_the_window_is_the_oldest() -> None:
    steering = controller(window=2)
    admit(steering, *(features(n, cac=float(n)) for n in range(4)))
    assert steering.record().window["cac"] == 2.5, "of 2 and 3"
    assert steering._gauges.window["cac"].size == 2


# --- predicting


TOOLS = {
    tool.key: tool
    for tool in (
        Tool(service="shop", name="get_order", input_schema={"type": "object"}),
        Tool(service="shop", name="create_order", input_schema={"type": "object"}),
        Tool(service="bank", name="search_payments", input_schema={"type": "object"}),
        Tool(service="tdlab", name="run_code", input_schema={"type": "object"}),
    )
}
FAILURE = Failure(code="timeout", message="Try again.")


def said(value: Any) -> FromUser:
    return FromUser(slot="s", value=value)


def step(kind: str, *calls: Call, **more: Any) -> Step:
    return Step(id=f"s{id(calls)}", kind=kind, calls=calls, **more)


def test_a_call_adds_one_its_leaves_what_is_bound_and_a_new_tool() -> None:
    read = Call(tool="shop/get_order", arguments={"a": said("x"), "b": Constant(value=[1, 2]), "c": said({"d": 3})})
    found = predict(blueprint(step("call", read)), TOOLS)
    assert found.signature == ("read", "reply")
    assert found.cac == pytest.approx(1 + math.log2(1 + 4) + 0 + 1)
    bound = Call(tool="shop/get_order", arguments={"a": FromResult(step="s1", path=("x",)), "b": said("y")})
    again = predict(blueprint(step("call", read), step("call", bound)), TOOLS)
    assert again.signature == ("read", "reply")
    assert again.cac == pytest.approx(found.cac + 1 + math.log2(1 + 2) + 1), "the tool is known"


def test_services_change_failures_recover_and_turns_reply() -> None:
    read, write = Call(tool="shop/get_order"), Call(tool="shop/create_order")
    search = Call(tool="bank/search_payments")
    plan = blueprint(step("call", read), step("call", search, turn=1), step("call", write, turn=1, failure=FAILURE))
    found = predict(plan, TOOLS)
    assert found.signature == ("read", "reply", "search", "write", "error", "write", "recover", "reply")
    assert found.cac == pytest.approx(3 * 1 + 3 * 1 + 2 + 1), "calls, new tools, changes of service, a recovery"


def test_code_is_no_change_of_service() -> None:
    template = FromTemplate(form="python", template="print(«a»)", inputs={"a": said(1)})
    code = Call(tool=CODE_TOOL, arguments={"code": template, "language": Constant(value="python")})
    plan = blueprint(
        step("call", Call(tool="shop/get_order")), step("code", code), step("call", Call(tool="shop/get_order"))
    )
    found = predict(plan, TOOLS)
    assert found.signature == ("read", "code", "read", "reply")
    assert found.cac == pytest.approx(3 + math.log2(1 + 2) + 2)


@pytest.mark.parametrize(
    ("size", "letter"), [(2, "parallel-2"), (3, "parallel-3"), (4, "parallel-4+"), (5, "parallel-4+")]
)
def test_batches_have_letters_of_their_size(size: int, letter: str) -> None:
    plan = blueprint(step("parallel", *[Call(tool="shop/get_order")] * size))
    assert predict(plan, TOOLS).signature == (letter, "read", "reply")
    mixed = blueprint(step("parallel", Call(tool="shop/create_order"), Call(tool="shop/get_order")))
    assert predict(mixed, TOOLS).signature == ("parallel-2", "read", "write", "reply")


def test_what_a_blueprint_does_without_tools_has_letters_too() -> None:
    ask = Step(id="a", kind="ask", asks=(Ask(slot="s", label="x"),))
    refuse = Step(id="r", kind="refuse", request="x")
    assert predict(blueprint(ask, refuse), TOOLS) == Prediction(("ask", "refuse"), 0.0)
    assert predict(blueprint().model_copy(update={"steps": ()}), TOOLS) == Prediction(("reply",), 0.0)


def entropy(*counts: int) -> float:
    total = sum(counts)
    return -sum(n / total * math.log2(n / total) for n in counts)


def mode_gain(state: SetState, *letters: str) -> float:
    return state.readings["mode"].gain(mode_of(letters))


def signature_gain(state: SetState, *letters: str) -> float:
    return state.readings["mode"].merit(mode_of(letters)) - mode_gain(state, *letters)


def set_state(*signatures: tuple[str, ...], cac: float = 10.0, modes: float = 1.0, complexity: float = 1.0) -> SetState:
    steering = controller()
    admit(steering, *(features(n, *letters, cac=cac) for n, letters in enumerate(signatures)))
    state = steering._set_state(steer(0, modes, complexity))
    assert state is not None
    return state


def test_merit_weighs_modes_and_complexity_by_their_strengths() -> None:
    """A set of two equal modes: one of another kind gains 3 times H(2, 1), since H(2) is nothing."""
    read, ask = ("read", "reply"), ("ask", "reply")
    state = set_state(read, read, cac=20.0, modes=0.5, complexity=0.25)
    assert signature_gain(state, *ask) == pytest.approx(3 * entropy(2, 1))
    assert signature_gain(state, *read) == pytest.approx(0.0)
    measured = {"mode": mode_of(ask), "cac": 30.0}
    gain = mode_gain(state, *ask) + 3 * entropy(2, 1)
    assert state.merit(measured) == pytest.approx(0.5 * gain + 0.25 * (30 - 20) / 36)
    assert state._replace(strengths={"mode": 0.0, "cac": 0.25}).merit(measured) == pytest.approx(0.25 * (30 - 20) / 36)


def test_a_trigram_gain_by_hand() -> None:
    """Two trigrams, of each two; two more of other kinds: 2, 2, 1, 1."""
    state = set_state(("read", "reply"), ("read", "reply"))
    assert mode_gain(state, "ask", "write") == pytest.approx(3 * (entropy(2, 2, 1, 1) - entropy(2, 2)))
    assert set_state().readings["mode"].merit(mode_of(("ask", "write"))) == 0.0


# --- readings


def test_an_entropy_is_read_and_read_back() -> None:
    reading = GAUGES["domain"].reading(domains=4)
    assert (reading.value, reading.merit(whole_masses({"north": 1.0}))) == (0.0, 0.0)
    for domain in ("north", "south", "south"):
        reading.add(whole_masses({domain: 1.0}))
    assert reading.value == pytest.approx(entropy(1, 2) / math.log2(3)), "of three trajectories and four domains"
    reading.remove(whole_masses({"south": 1.0}))
    assert reading.value == pytest.approx(1.0)
    assert reading.gain(whole_masses({"east": 1.0})) == pytest.approx(3 * (math.log2(3) - 1))


def test_a_mean_is_read_and_read_back() -> None:
    reading = GAUGES["cac"].reading(domains=4)
    assert (reading.value, reading.gain(5.0), reading.merit(5.0)) == (0.0, 5.0, 5.0)
    for number in (0.1, 0.2, 0.6):
        reading.add(number)
    assert reading.value == pytest.approx(0.3, abs=1e-11)
    reading.remove(0.6)
    assert reading.value == pytest.approx(0.15, abs=1e-11)
    assert reading.gain(1.15) == reading.merit(1.15) == pytest.approx(1.0, abs=1e-11)


def test_a_copy_is_a_set_of_its_own() -> None:
    measured = {"domain": whole_masses({"north": 1.0}), "mode": mode_of(("read", "reply")), "cac": 10.0}
    for name, one in measured.items():
        reading = GAUGES[name].reading(domains=4)
        reading.add(one)
        copy = reading.copy()
        copy.add(one)
        assert (reading.size, copy.size) == (1, 2), name


def test_a_bit_counts_as_much_as_the_threshold_of_a_mean() -> None:
    assert (GAUGES["domain"].scale(0.5), GAUGES["mode"].scale(0.0)) == (1.0, 1.0)
    assert (GAUGES["cac"].scale(36.0), GAUGES["cac"].scale(0.0)) == (36.0, 1.0)


def test_what_a_blueprint_should_add_is_predicted_for_gauges_that_can_be() -> None:
    state = controller()._set_state(steer(1.0, 1.0, 1.0))
    assert state is not None
    found = state.predicted(blueprint(step("call", Call(tool="shop/get_order"))), TOOLS)
    assert found == {"mode": mode_of(("read", "reply")), "cac": 2.0}
