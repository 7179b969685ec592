"""Test the report: intervals, self-BLEU, openers, what is not known, order and seed."""

from __future__ import annotations

import math
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tdlab.quality import (
    chao1_interval,
    clustered_interval,
    masked_words,
    measure_quality,
    opener,
    quality_table,
    self_bleu,
    wilson_interval,
)
from tests.quality.builders import measured, talk


@given(n=st.integers(1, 5000), part=st.floats(0, 1))
def test_a_wilson_interval_holds_its_share(n: int, part: float) -> None:
    share = round(part * n) / n
    low, high = wilson_interval(share, n)
    assert 0 <= low <= share + 1e-12
    assert share - 1e-12 <= high <= 1
    assert wilson_interval(1 - share, n) == pytest.approx((1 - high, 1 - low))


@given(st.lists(st.integers(1, 6).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), min_size=1, max_size=40))
def test_a_clustered_interval_holds_its_share_and_is_no_shorter(pairs: list[tuple[int, int]]) -> None:
    total = sum(n for _, n in pairs)
    share = sum(count for count, _ in pairs) / total
    low, high = clustered_interval(pairs)
    assert low - 1e-12 <= share <= high + 1e-12
    plain = wilson_interval(share, total)
    assert high - low >= plain[1] - plain[0] - 1e-12


def test_clusters_of_equal_answers_count_as_one_each() -> None:
    assert clustered_interval([(10, 10), (0, 10)] * 30) == pytest.approx(
        clustered_interval([(1, 1), (0, 1)] * 30), abs=0.01
    )
    assert clustered_interval([(0, 50)] * 4) == wilson_interval(0, 4)


def slow_self_bleu(texts: list[list[str]]) -> list[float]:
    """The definition: each text against all others, one by one."""
    scores = []
    for index, text in enumerate(texts):
        others = texts[:index] + texts[index + 1 :]
        logarithm = 0.0
        for size in range(1, 5):
            grams = Counter(tuple(text[i : i + size]) for i in range(len(text) - size + 1))
            matched = sum(
                min(count, max(sum(tuple(o[i : i + size]) == gram for i in range(len(o) - size + 1)) for o in others))
                for gram, count in grams.items()
            )
            logarithm += math.log(max(matched, 0.1) / max(1, grams.total())) / 4
        closest = min((len(other) for other in others), key=lambda length: (abs(length - len(text)), length))
        penalty = 1.0 if len(text) >= closest else math.exp(1 - closest / len(text))
        scores.append(min(1.0, math.exp(logarithm)) * penalty)
    return scores


@given(st.lists(st.lists(st.sampled_from("abcd"), min_size=1, max_size=9), min_size=2, max_size=8))
def test_self_bleu_is_its_definition(texts: list[list[str]]) -> None:
    assert self_bleu(texts) == pytest.approx(slow_self_bleu(texts))


def test_self_bleu_of_equal_and_of_different_texts() -> None:
    text = "please book a table for me".split()
    assert self_bleu([text, text, text]) == [1.0, 1.0, 1.0]
    assert max(self_bleu([list("abcdef"), list("ghijkl"), list("mnopqr")])) < 0.05
    assert self_bleu([text]) == self_bleu([]) == []


@given(st.lists(st.integers(1, 9), min_size=1, max_size=50))
def test_the_interval_of_distinct_kinds_holds_their_share(counts: list[int]) -> None:
    low, high = chao1_interval(counts)
    assert 0 <= low <= len(counts) / sum(counts) <= high <= 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Book a table at Bistro Lark on 3 May", "book a table at _ on _"),
        ("my id is mia_li_3668, or #W4680753.", "my id is _ or _"),
        ('Call it "Spring launch", at ada@example.org', "call it _ at _"),
        ("I want Berlin. Please hurry, I'm late", "i want _ please hurry i'm late"),
        ("Thanks! ###STOP###", "thanks"),
    ],
)
def test_values_are_masked(text: str, words: str) -> None:
    assert " ".join(masked_words(text)) == words


def test_values_of_calls_are_masked_too_and_openers_compare() -> None:
    assert " ".join(masked_words("send the invoice to the plumber", ["plumber"])) == "send the invoice to the _"
    assert opener(masked_words("Book Lyon now, and Graz later")) == ("book", "_", "now", "and")
    same = [talk(f"u:Please move order {number} to Monday", id=str(number)) for number in range(6)]
    assert measured("distinct_openers", *same, talk("u:Hi there")).value == pytest.approx(2 / 7)


def test_an_empty_set_knows_nothing() -> None:
    report = measure_quality([])
    assert report.trajectories == 0
    assert {measure.value for measure in report.measures.values()} == {None}
    assert {measure.n for measure in report.measures.values()} == {0}


def test_a_report_depends_on_the_seed_alone_and_has_examples() -> None:
    words = "one red apple fell from some very old tree near our quiet house last night".split()
    said = [" ".join(words[n % 7 :: 1 + n % 3]) for n in range(600)]
    talks = [talk(f"u:{text}, take the first.", id=f"t{n}") for n, text in enumerate(said)]
    report = measure_quality(talks, seed=1)
    assert report == measure_quality(iter(talks), seed=1)
    assert report != measure_quality(talks, seed=2)
    assert report.sampled_messages == 300
    first = report.measures["take_the_first"]
    assert (first.value, first.n, first.trajectories) == (1.0, 600, 600)
    assert [example.trajectory for example in first.examples] == ["t0", "t1", "t2"]
    table = quality_table({"mine": report})
    assert len(table) == len(report.measures)
    assert table.set_index("measure").loc["guessed_results", "value"] != 0


def test_examples_are_printable() -> None:
    hostile = talk("u:take the first\x1b[31m.", id="x", service="s")
    assert "\x1b" not in measure_quality([hostile]).model_dump_json()
