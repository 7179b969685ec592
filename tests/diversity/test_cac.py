"""Test CAC: components worked out by hand; successful calls add, loops add nothing."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tdlab.diversity import CacWeights, Complexity, cac
from tdlab.diversity.complexity import scalars
from tdlab.records import Message, Trajectory
from tests.diversity.builders import NAMES, TOOLS, trajectory


def of(*turns: Any) -> Complexity:
    return cac(trajectory(*turns), TOOLS)


def test_components_by_hand() -> None:
    found = of(
        "u:Refund order A-100, please.",
        [("get_order", {"order_id": "A-100"}, {"order_id": "A-100", "payment_id": "pay_7781", "total": 1250})],
        [("refund_payment", {"payment_id": "pay_7781", "amount": 1250, "note": "ok"}, ValueError("rate limited"))],
        [("refund_payment", {"payment_id": "pay_7781", "amount": 1250, "note": "ok"}, {"refunded": True})],
        [("get_order", {"order_id": "A-100"}, {"order_id": "A-100", "status": "refunded"})],
        "a:Done.",
    )
    assert found == Complexity(
        value=2 + 1 + math.log2(4) + 2 + 2 + 1 + 1,
        calls=2,
        leaves=math.log2(2) + math.log2(4),
        bound=2,
        new_tools=2,
        service_changes=1,
        recoveries=1,
    )


def test_weights_scale_the_components_and_nothing_else() -> None:
    told = trajectory("u:x", [("get_order", {"order_id": "abcd"}, {})], [("convert_currency", {"amount": 1}, 2)])
    weights = CacWeights(call=2, leaves=0, bound=0, new_tool=0, service_change=10, recovery=0)
    plain, weighted = cac(told, TOOLS), cac(told, TOOLS, weights=weights)
    assert weighted.value == 2 * 2 + 10
    assert weighted.model_copy(update={"value": plain.value}) == plain


def test_nothing_done_is_nothing() -> None:
    assert of("u:hi", "a:hello").value == 0.0
    assert of([("get_order", {"order_id": "A-100"}, ValueError("no such order"))]).value == 0.0


def test_a_call_without_a_recorded_result_counts_as_successful() -> None:
    assert of([("get_order", {"order_id": "A-100"}, None)]).calls == 1


# ------------------------------------------------------------------------------------------------------------- bound


def bound(argument: Any, result: Any, *, said: str = "please") -> int:
    return of(f"u:{said}", [("find_orders", {"query": "q"}, result)], [("get_order", {"order_id": argument}, {})]).bound


@pytest.mark.parametrize(
    ("argument", "result"),
    [
        ("ord_123", {"orders": [{"order_id": "ord_123"}]}),
        ("ord_123", "found: ord_123."),
        ("ORD_123", {"orders": ["ord_123"]}),
        ("caf\u00e9 noir", '{"name": "caf\\u00e9 noir"}'),
        ('say "hi"', '{"name": "say \\"hi\\""}'),
        (4711, {"id": 4711}),
        ("4711", {"id": 4711}),
        (4711.0, {"id": 4711}),
        (12.75, {"price": 12.75}),
        (1250, "the total is 1250 EUR"),
    ],
)
def test_values_from_a_result_are_bound(argument: Any, result: Any) -> None:
    assert bound(argument, result) == 1


@pytest.mark.parametrize(
    ("argument", "result"),
    [
        ("abc", {"id": "abc"}),
        (42, {"id": 42}),
        (True, {"flag": True}),
        (None, {"flag": None}),
        ("open", {"state": "reopened"}),
        (123, {"id": 91234}),
        (125, {"price": 125.5}),
        (500, {"price": "3.500"}),
        ("missing", {"id": "other"}),
    ],
)
def test_short_common_or_absent_values_are_not_bound(argument: Any, result: Any) -> None:
    assert bound(argument, result) == 0


@pytest.mark.parametrize(
    ("argument", "traced"),
    [
        ("abcd", True), ("abc", False), ("123", True), ("12", False), (123, True), (99, False), (-123, True),
        (1.25, True), (1.5, False), (100.0, True), (99.0, False), (10**361, True), (2**1200, False), (2**1199, True),
        (float("inf"), False), (" abcd ", True),
    ],
)  # fmt: skip
def test_values_are_traced_from_four_characters_or_three_digits_on(argument: Any, traced: bool) -> None:
    said = argument if isinstance(argument, str) else int(argument) if argument == argument // 1 < 1e400 else argument
    assert bound(argument, f"found: {said}") == traced


def test_large_floats_are_written_as_whole_numbers_up_to_1e15() -> None:
    assert bound(999999999999999.0, "found: 999999999999999") == 1
    assert bound(1e15, "found: 1000000000000000") == 0
    assert bound(1e15, "found: 1000000000000000.0") == 1


def test_json_objects_and_lists_are_read_and_other_texts_are_not() -> None:
    for text, number in (
        ('{"name": "caf\\u00e9 noir"}', 1), ('  {"name": "caf\\u00e9 noir"}', 1), ('\n["caf\\u00e9 noir"]', 1),
        ('["caf\\u00e9 noir"]', 1), ('"caf\\u00e9 noir"', 0), ('{"name": "caf\\u00e9 noir"', 0),
    ):  # fmt: skip
        assert bound("caf\u00e9 noir", text) == number, text


def test_a_value_stands_as_a_word_of_its_own() -> None:
    assert bound("ord_1", "xord_1 ord_1x") == 0
    assert bound("ord_1", "xord_1 ord_1") == 1
    assert bound("/ord/", "a/ord/b") == 1
    assert bound(125, "12.125") == 0
    assert bound(125, "125.5") == 0
    assert bound(125, "v.125") == 1
    assert bound(125, "125.") == 1
    assert bound(125, ".125") == 1
    assert bound("x125", "3.x125") == 1
    assert bound("123x", "123x.5") == 1


def test_each_weight_counts_its_own_component() -> None:
    told = trajectory(
        "u:Refund order A-100, please.",
        [("get_order", {"order_id": "A-100"}, {"payment_id": "pay_7781"})],
        [("refund_payment", {"payment_id": "pay_7781"}, ValueError("rate limited"))],
        [("refund_payment", {"payment_id": "pay_7781"}, {"refunded": True})],
    )
    sizes = {"call": 2, "leaves": 2.0, "bound": 1, "new_tool": 2, "service_change": 1, "recovery": 1}
    nothing = dict.fromkeys(sizes, 0.0)
    for name, size in sizes.items():
        assert cac(told, TOOLS, weights=CacWeights.model_validate({**nothing, name: 3.0})).value == 3 * size, name
    assert cac(told, TOOLS).value == sum(sizes.values()), "all weights are 1"
    assert CacWeights().model_dump() == dict.fromkeys(sizes, 1.0)


def test_what_the_user_or_the_system_said_first_is_not_bound() -> None:
    assert bound("ord_123", {"id": "ord_123"}, said="look at ORD_123!") == 0
    assert bound(1250, {"total": 1250}, said="I paid 1,250 EUR") == 0
    told = of(
        "s:The shop is shop_77.", [("find_orders", {}, {"shop": "shop_77"})], [("get_order", {"o": "shop_77"}, 1)]
    )
    assert told.bound == 0


def test_what_the_user_repeats_later_stays_bound() -> None:
    found = of(
        [("find_orders", {"query": "q"}, {"id": "ord_123"})],
        "a:I found ord_123.",
        "u:yes, ord_123",
        [("get_order", {"order_id": "ord_123"}, {})],
        [("delete_order", {"order_id": "ord_123"}, {})],
    )
    assert found.bound == 2


def test_an_echo_of_the_assistants_own_invention_is_not_bound() -> None:
    found = of(
        [("create_order", {"item": "jasmine"}, {"item": "jasmine", "order_id": "ord_9"})],
        [("find_orders", {"query": "jasmine"}, {})],
    )
    assert found.bound == 0


def test_errors_tell_nothing_and_results_bind_only_what_comes_later() -> None:
    assert of([("get_order", {}, ValueError("try ord_123"))], [("get_order", {"order_id": "ord_123"}, {})]).bound == 0
    both = [("find_orders", {"query": "x"}, {"id": "ord_123"}), ("get_order", {"order_id": "ord_123"}, {})]
    assert of(both).bound == 0


# ---------------------------------------------------------------------------------------------------------- services


def test_service_changes() -> None:
    shop, bank = ("get_order", {"order_id": "a"}, 1), ("convert_currency", {"amount": 1}, 1)
    assert of([shop], [bank], [("find_orders", {}, 1)]).service_changes == 2
    assert of([shop], [bank], [shop]).service_changes == 1, "a repeated call changes no service"
    routing = cac(trajectory([shop], [("transfer", {}, 1)], [bank], tools={**NAMES, "transfer": "/transfer"}), TOOLS)
    assert routing.service_changes == 1, "a tool of no service is no service"


def test_recoveries() -> None:
    bad, good = ("get_order", {"order_id": "a"}, ValueError("x")), ("get_order", {"order_id": "b"}, 1)
    assert of([bad], [good]).recoveries == 1
    assert of([bad], [bad], [bad], [good]).recoveries == 1
    assert of([bad], [("find_orders", {}, 1)]).recoveries == 0
    assert of([bad], [good], [bad], [("get_order", {"order_id": "c"}, 1)]).recoveries == 1, "the same error again"
    other = ("get_order", {"order_id": "z"}, ValueError("y"))
    assert of([bad], [good], [other], [("get_order", {"order_id": "c"}, 1)]).recoveries == 2


# -------------------------------------------------------------------------------------------------------- properties

values = st.one_of(st.integers(0, 5000), st.sampled_from(["ord_1", "ord_2", "alpha beta", "x", None, True]))
arguments = st.dictionaries(st.sampled_from("abcd"), st.one_of(values, st.lists(values, max_size=3)), max_size=3)
results = st.one_of(
    st.dictionaries(st.sampled_from("pqr"), values, max_size=3), values.filter(lambda v: v is not None),
    st.just(ValueError("no")),
)  # fmt: skip
calls = st.tuples(st.sampled_from(sorted(NAMES)), arguments, results)
turns = st.lists(
    st.one_of(st.lists(calls, min_size=1, max_size=3), st.sampled_from(["u:ord_1, 1,250 please", "a:ok", "u:4711"])),
    max_size=8,
)


@settings(max_examples=60)
@given(turns, calls.filter(lambda call: not isinstance(call[2], Exception)))
def test_a_successful_step_never_lowers_it_and_a_new_one_adds_at_least_its_call(before: list[Any], step: Any) -> None:
    old, new = of(*before), of(*before, [step])
    assert new.value >= old.value
    seen = {(name, repr(args)) for turn in before if isinstance(turn, list) for name, args, _ in turn}
    if (step[0], repr(step[1])) not in seen:
        assert new.value >= old.value + 1


@settings(max_examples=60)
@given(turns, st.data())
def test_looping_never_raises_it(before: list[Any], data: st.DataObject) -> None:
    """Repeat any successful call unchanged, anywhere later and any number of times."""
    made = [
        (place, call)
        for place, turn in enumerate(before)
        if isinstance(turn, list)
        for call in turn
        if not isinstance(call[2], Exception)
    ]
    if not made:
        return
    place, call = data.draw(st.sampled_from(made))
    at = data.draw(st.integers(place + 1, len(before)))
    times = data.draw(st.integers(1, 4))
    looped = [*before[:at], *([[call]] * times), *before[at:]]
    assert of(*looped) == of(*before)


@settings(max_examples=60)
@given(turns, st.data())
def test_a_loop_that_fails_never_raises_it(before: list[Any], data: st.DataObject) -> None:
    made = [(n, call) for n, turn in enumerate(before) if isinstance(turn, list) for call in turn]
    if not made:
        return
    place, (name, args, _) = data.draw(st.sampled_from(made))
    at = data.draw(st.integers(place + 1, len(before)))
    looped = [*before[:at], [(name, args, ValueError("again"))], *before[at:]]
    assert of(*looped).value <= of(*before).value


@settings(max_examples=60)
@given(turns)
def test_the_value_is_the_sum_of_its_components(told: list[Any]) -> None:
    found = of(*told)
    parts = (found.calls, found.leaves, found.bound, found.new_tools, found.service_changes, found.recoveries)
    assert found.value == pytest.approx(sum(parts))
    assert found.new_tools <= found.calls
    assert found.service_changes <= max(0, found.calls - 1)


# ----------------------------------------------------------------------------------------------------------- hostile


def test_hostile_arguments() -> None:
    deep: Any = "x"
    for _ in range(50_000):
        deep = [deep]
    assert list(scalars(deep)) == ["x"]
    told = of(
        [("find_orders", {"query": 1}, '{"broken": ')],
        [("find_orders", {"query": 2}, "[" * 100_000)],
        [("get_order", {"a": 10**4000, "b": float("nan"), "c": float("inf"), "d": "\ud800" * 4, "e": {}}, "\ud800")],
    )  # fmt: skip
    assert told.calls == 3
    assert math.isfinite(told.value)


def test_malformed_arguments_count_as_none() -> None:
    told = trajectory([("get_order", {}, 1)])
    call = told.messages[0].tool_calls[0].model_copy(update={"malformed": "{oops"})
    broken = told.model_copy(update={"messages": (Message(role="assistant", tool_calls=(call,)), *told.messages[1:])})
    assert cac(broken, TOOLS).leaves == 0
    assert cac(Trajectory(id="x", messages=()), {}).value == 0
