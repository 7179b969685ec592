"""Text for people, singular and plural, JSON from outside: one implementation each, by example."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tdlab.tools import JsonError, counted, keyword_form, preview, read_json, shorten, singular
from tdlab.tools.nouns import is_plural, plural


@pytest.mark.parametrize(
    ("several", "one"),
    [
        ("orders", "order"), ("entries", "entry"), ("boxes", "box"), ("branches", "branch"), ("wishes", "wish"),
        ("classes", "class"), ("people", "person"), ("indices", "index"), ("statuses", "status"), ("movies", "movie"),
        ("status", "status"), ("address", "address"), ("analysis", "analysis"), ("data", "data"), ("dns", "dns"),
        ("ids", "ids"), ("", ""),
    ],
)  # fmt: skip
def test_the_singular_of_a_noun(several: str, one: str) -> None:
    assert singular(several) == one


@pytest.mark.parametrize("noun", ["order", "entry", "box", "branch", "dish", "day", "trajectory", "epoch"])
def test_a_plural_is_read_back(noun: str) -> None:
    assert is_plural(plural(noun))
    assert singular(plural(noun)) == noun
    assert keyword_form(plural(noun).title()) == noun


def test_keywords_are_cut_more_roughly_than_names() -> None:
    assert [keyword_form(word) for word in ("videos", "people", "series", "movies")] == [
        "video", "people", "series", "movy",
    ]  # fmt: skip


def test_a_number_with_its_noun() -> None:
    assert [counted(n, "reply") for n in (0, 1, 1000)] == ["0 replies", "1 reply", "1,000 replies"]


@given(st.text(), st.integers(1, 50))
def test_a_shortened_text_is_as_long_as_may_be_and_begins_like_the_whole(text: str, limit: int) -> None:
    shown = shorten(text, limit)
    assert len(shown) == min(len(text), limit)
    assert shown == text or (shown[-1] == "…" and text.startswith(shown[:-1]))


def test_a_value_is_shown_in_about_80_characters() -> None:
    assert preview({"a": 1}) == '{"a": 1}'
    assert preview("x" * 100) == '"' + "x" * 79 + '…"'
    assert preview(list(range(1000))) == "an array of 1000"
    assert len(preview({"name": "y" * 200})) == 80
    assert preview(float) == "a type"


@pytest.mark.parametrize(
    ("text", "reason", "line"),
    [
        ('{"a": ', "is not JSON (Expecting value at column 7)", 1),
        ('{"a":\n [,]}', "is not JSON (Expecting value at line 2, column 3)", 2),
        ("[NaN]", "contains NaN, which is not JSON", None),
        ("[-Infinity]", "contains -Infinity, which is not JSON", None),
        ("[1e999]", "contains 1e999, a number out of range", None),
        ("[" * 100_000, "is nested too deeply", None),
        ("9" * 10_000, "is not readable JSON (Exceeds the limit", None),
    ],
)
def test_what_is_no_json_is_refused_with_the_reason(text: str, reason: str, line: int | None) -> None:
    with pytest.raises(JsonError) as caught:
        read_json(text)
    assert str(caught.value).startswith(reason)
    assert caught.value.line == line


def test_half_of_a_surrogate_pair_is_replaced_unless_the_caller_looks_for_it() -> None:
    assert read_json(r'"\ud83d\ude00 \ud83d"') == "😀 \ufffd"
    assert read_json(r'"\ud83d"', strict=False) == "\ud83d"
    assert read_json("[1e999]", strict=False) == [float("inf")]


@given(
    st.recursive(
        st.none() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_json_is_read_as_it_was_written(value: object) -> None:
    assert read_json(json.dumps(value)) == value
