"""Worked examples: each number in the limits of verification, from just inside and from just outside."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tdlab.config import VerifyConfig
from tdlab.records import Blueprint, Message, Persona, Tool, ToolCall, Trajectory
from tdlab.verify import CheckContext, NearDuplicates, SimilarSets
from tdlab.verify.faithfulness import check_faithful
from tdlab.verify.grounding import _is_distinctive, asks_for, check_grounding
from tdlab.verify.near_duplicates import features_of

TOOL = Tool(service="shop", name="get_order", input_schema={"type": "object"})


# --- replies


def context(*messages: Message, **values: Any) -> CheckContext:
    persona = Persona(name="Ada", role="r")
    blueprint = Blueprint(id="b", cluster="c", seed=1, intent="", persona=persona, steps=(), offered=())
    trajectory = Trajectory(id="t", messages=messages, tools={"get_order": TOOL.key}, blueprint="b")
    return CheckContext(trajectory, blueprint, {TOOL.key: TOOL}, config=VerifyConfig(**values))


def call(number: int, **arguments: Any) -> Message:
    made = ToolCall(id=f"c{number}", name="get_order", arguments=arguments)
    return Message(role="assistant", tool_calls=(made,))


def after(result: Any) -> tuple[Message, ...]:
    """A user who says no value, and one result."""
    answer = Message(role="tool", content=json.dumps(result), tool_call_id="c1")
    return Message(role="user", content="Please look."), call(1), answer


def unfaithful(reply: str, result: Any, **values: Any) -> bool:
    """Whether the reply says something that the one result does not hold."""
    return bool(check_faithful(context(*after(result), Message(role="assistant", content=reply), **values)))


def test_numbers_below_a_hundred_are_not_checked() -> None:
    assert not unfaithful("There are 99.", {})
    assert unfaithful("There are 100.", {})
    assert not unfaithful("There are 999.", {}, small_number=1000)
    assert unfaithful("There are 99.", {}, small_number=99)


def test_numbers_may_be_restated_in_other_units_and_rounded() -> None:
    for said in (2500, 25, 250_000, "2.5", 2_500_000):
        assert not unfaithful(f"It is {said}.", {"size": 2500}, small_number=0), said
    for said in (24, 251_000, "2.6", 2_400_000, 5001, 12_500):
        assert unfaithful(f"It is {said}.", {"size": 2500}, small_number=0), said
    assert not unfaithful("It is 124.", {"size": 123.5})
    assert unfaithful("It is 124.", {"size": 123.4})
    assert not unfaithful("It is 123.5.", {"size": 123.45})
    assert unfaithful("It is 123.5.", {"size": 123.449})
    assert not unfaithful("It is 123.46.", {"size": 123.456})
    assert unfaithful("It is 123.46.", {"size": 123.42})


def test_a_text_of_twenty_digits_is_no_number() -> None:
    """A hundredth of 19 nines, as of cents, can be computed; of 20 it is an identifier."""
    assert not unfaithful("It is 99999999999999999.99.", {"id": "9" * 19})
    assert unfaithful("It is 999999999999999999.99.", {"id": "9" * 20})


def test_two_known_numbers_may_be_added_subtracted_and_multiplied_up_to_forty_of_them() -> None:
    two = {"a": 1234, "b": 5.5}
    for said in ("1239.5", "1228.5", 6787, 2468, "30.25"):
        assert not unfaithful(f"It is {said}.", two, small_number=0), said
    assert unfaithful("It is 6788.", two)
    assert unfaithful("It is 1239.5.", two, number_pairs=1)
    for count, wrong in ((40, False), (41, True)):
        many = {"sizes": [1000 + 7 * n * n for n in range(count)]}
        assert unfaithful(f"It is {1000 + 1007}.", many) == wrong, count


def test_a_list_may_be_added_up() -> None:
    listed = {"lines": [{"cents": 1000}, {"cents": 333}, {"cents": 25}]}
    assert not unfaithful("It is 1358.", listed)
    assert unfaithful("It is 1357.", listed)
    huge = {"lines": [{"cents": 1e200}, {"cents": 1.5e200}]}
    assert unfaithful("It is 2" + "5" + "0" * 199 + ".", huge), "nothing is computed with numbers beyond 1e100"


@pytest.mark.parametrize(
    ("token", "expected"),
    [
        ("ab12x", True), ("12:45", False), ("12:456", True), ("2026-1", True), ("words", False), ("a@bcd", True),
        ("x://y", True),
    ],
)  # fmt: skip
def test_what_looks_like_an_identifier_is_looked_for(token: str, expected: bool) -> None:
    assert unfaithful(f"See {token} here.", {}) == expected


def test_identifiers_of_five_characters_and_quotations_of_four_are_checked() -> None:
    assert unfaithful("See ord_9.", {})
    assert not unfaithful("See or_9.", {})
    assert unfaithful('He said "nope".', {})
    assert not unfaithful('He said "hey".', {})
    assert unfaithful(f'He said "{"x" * 200}".', {})
    assert not unfaithful(f'He said "{"x" * 201}".', {})


# --- arguments


def returned(name: str, value: Any, result: Any, **values: Any) -> bool:
    """Whether an argument of a second call is found in the result of the first."""
    return not check_grounding(context(*after(result), call(2, **{name: value}), **values))


def test_an_argument_below_a_hundred_has_to_match_by_name() -> None:
    assert returned("count", 100, {"other": 100})
    assert returned("count", -100, {"other": -100})
    assert not returned("count", 99, {"other": 99})
    assert not returned("count", -99, {"other": -99})
    assert returned("count", 99, {"count": 99})
    assert returned("count", 99, {"other": 99}, small_number=99)
    assert returned("count", 250.0, {"other": 250})
    assert not returned("flag", True, {"other": True})
    assert returned("flag", True, {"flag": True})
    assert not returned("note", "", {"other": ""})


def test_a_text_of_four_characters_may_stand_in_a_longer_one() -> None:
    assert returned("id", "ab12", {"note": "see ab12 now"})
    assert not returned("id", "ab1", {"note": "see ab1 now"})
    assert returned("id", "ab1", {"note": "ab1"})


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("abcde", True),
        ("abcd", False),
        (100, True),
        (99, False),
        (-100, True),
        (True, False),
        (None, False),
        (100.0, True),
    ],
)
def test_how_particular_a_value_is(value: Any, expected: bool) -> None:
    assert _is_distinctive(value, 100) == expected


def test_a_question_names_the_first_five_letters_of_each_telling_word() -> None:
    assert asks_for("Which subscription should I use?", "subscriber id")
    assert not asks_for("Which subset should I use?", "subscriber id")
    assert not asks_for("Tell me the subscription.", "subscriber id")
    assert asks_for("What date?", "date")


# --- near-duplicates


def spoken(number: int, words: list[str]) -> Trajectory:
    return Trajectory(id=f"t{number}", messages=(Message(role="user", content=" ".join(words)),))


def test_the_features_of_a_trajectory() -> None:
    call = ToolCall(id="c1", name="get", arguments={"a": {"b": 1}})
    messages = (Message(role="user", content="One two. Two!"), Message(role="assistant", tool_calls=(call,)))
    trajectory = Trajectory(id="t", messages=messages, tools={"get": "s/get"})
    assert features_of(trajectory) == {
        "words one two", "words two two", "call 0 s/get", "value s/get a b 1",
    }  # fmt: skip


def test_a_similarity_at_the_threshold_is_a_near_duplicate() -> None:
    """The estimate is a share of 128 hashes: a threshold of exactly that share is met, one just above is not."""
    words = [f"w{n}" for n in range(60)]
    one, other = spoken(0, words), spoken(1, [*words[:57], "x", "y", "zz"])
    sketches = NearDuplicates(threshold=0.5)
    similarity = sketches.sketch(one).jaccard(sketches.sketch(other))
    assert len(sketches.sketch(one)) == 128
    assert sketches.sketch(one).hashvalues[:3].tolist() == [16313785, 8997304, 195405068]
    assert similarity == 119 / 128, "the permutations are always the same ones"
    for threshold, passed in ((similarity, False), (similarity + 1e-6, True)):
        kept = NearDuplicates(threshold=threshold)
        kept.add(one)
        assert kept.check(other).passed == passed
        assert kept.nearest(other) == (None if passed else ("t0", similarity))


def test_the_hashing_looks_well_below_the_threshold() -> None:
    """Bands and rows that datasketch chooses for 0.15 less, misses weighing nine times a needless comparison."""
    from datasketch import MinHashLSH

    for threshold, lower in ((0.9, 0.75), (0.5, 0.35), (0.2, 0.1), (0.1, 0.1)):
        chosen = SimilarSets(threshold=threshold)._lsh()
        expected = MinHashLSH(threshold=lower, num_perm=128, weights=(0.1, 0.9))
        assert (chosen.b, chosen.r) == (expected.b, expected.r), threshold


def test_of_several_the_most_similar_is_named() -> None:
    words = [f"w{n}" for n in range(60)]
    kept = NearDuplicates(threshold=0.5)
    kept.add(spoken(0, [*words[:50], *(f"x{n}" for n in range(10))]))
    kept.add(spoken(1, [*words[:58], "x", "y"]))
    kept.add(spoken(2, [*words[:54], *(f"y{n}" for n in range(6))]))
    nearest = kept.nearest(spoken(3, words))
    assert nearest is not None
    assert nearest[0] == "t1"
    assert len(kept) == 3
