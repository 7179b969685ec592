"""Check the lines that belong to no service."""

from __future__ import annotations

import random
from functools import partial

import pytest

from tdlab.speech import After, Habits, agreement, asking, closing, continuing, habits_for, in_words, joined, welcome

SEEDS = range(60)


def test_a_question_names_everything_at_once() -> None:
    clauses = ["which day you would like", "which city it is in", "how many you are"]
    for seed in SEEDS:
        text = asking(clauses, random.Random(seed))
        assert "which day you would like, which city it is in and how many you are" in text
        assert text[0].isupper()
        assert text[-1] in ".?"
    assert len({asking(clauses, random.Random(seed)) for seed in SEEDS}) >= 5


@pytest.mark.parametrize(
    "line", [closing, welcome, partial(agreement, "Shall I book it?"), partial(agreement, "Is that right?")]
)
def test_a_line_is_the_same_for_a_seed_and_one_of_many(line: object) -> None:
    assert callable(line)
    texts = [line(random.Random(seed)) for seed in SEEDS]
    assert texts == [line(random.Random(seed)) for seed in SEEDS]
    assert len(set(texts)) >= 5
    assert all(text[0].isupper() and text[-1] in ".!" for text in texts)


def test_a_later_request_keeps_its_words_and_its_names() -> None:
    for seed in SEEDS:
        text = continuing("Could you move it to Friday?", random.Random(seed))
        assert text.endswith(("ould you move it to Friday?",))
        before = text[: -len("Could you move it to Friday?")]
        small = text[len(before)] == "c"
        assert small == bool(before and before.strip()[-1] not in ".!"), text
    named = {continuing("Mirabelle would be nice.", random.Random(seed)) for seed in SEEDS}
    assert all(text.endswith("Mirabelle would be nice.") for text in named)
    assert len(named) >= 5
    assert all("I'd like" in continuing("I'd like two.", random.Random(seed)) for seed in SEEDS)


def test_after_a_refusal_nobody_says_thanks_for_it() -> None:
    texts = {continuing("Please book it.", random.Random(seed), after="refused") for seed in SEEDS}
    assert len(texts) >= 4
    assert not any(word in text for text in texts for word in ("Thank", "Great", "Perfect", "Also"))
    assert all(text.endswith("Please book it.") for text in texts)


def test_who_is_asked_whether_to_do_it_does_not_say_that_it_is_right() -> None:
    assert not any("right" in agreement("Shall I delete it?", random.Random(seed)).lower() for seed in SEEDS)
    assert any("right" in agreement("Under Ada King, is that right?", random.Random(seed)).lower() for seed in SEEDS)


@pytest.mark.parametrize(("after", "never"), [("answered", "Perfect"), ("answered", "While"), ("stopped", "Too bad")])
def test_what_leads_in_fits_what_was_settled(after: After, never: str) -> None:
    texts = {continuing("Please book it.", random.Random(seed), after=after) for seed in SEEDS}
    assert len(texts) >= 3
    assert not any(never in text for text in texts)


def test_habits_are_drawn_from_all_there_are() -> None:
    drawn = {habits_for(random.Random(seed), "user") for seed in range(80)}
    assert drawn == {
        Habits(clock, order, numbers, "user")
        for clock in ("12", "24")
        for order in ("day", "month")
        for numbers in ("digits", "words")
    }
    assert habits_for(random.Random(1), "assistant").side == "assistant"


@pytest.mark.parametrize(
    ("parts", "text"), [([], ""), (["a"], "a"), (["a", "b"], "a and b"), (["a", "b", "c"], "a, b and c")]
)
def test_words_are_joined(parts: list[str], text: str) -> None:
    assert joined(parts) == text
    assert joined(parts, "or") == text.replace("and", "or")


@pytest.mark.parametrize(("number", "text"), [(0, "zero"), (20, "twenty"), (21, "21"), (1200, "1,200"), (-3, "-3")])
def test_small_numbers_have_words(number: int, text: str) -> None:
    assert in_words(number) == text
