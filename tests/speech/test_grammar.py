"""Check the grammar of utterances: how templates are parsed, expanded and filled, and which errors they give."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence

import pytest

from tdlab.records import Json
from tdlab.speech import Habits, Slot, Speaker, expanded, filled, parsed_template, slots_of, unknown_slots

NOW = "2026-03-11T08:49:00Z"
SPEAKER = Speaker(Habits("24", "day", "words"), NOW, {"area": {"main_room": ("inside",), "terrace": ("outside",)}})


def said_with(template: str, values: Mapping[str, Json], seeds: Sequence[int] = range(40)) -> set[str]:
    """What is said of a template with 40 seeds."""
    texts = set()
    for seed in seeds:
        rng = random.Random(seed)
        texts.add(filled(expanded(template, values, rng), values, SPEAKER, rng))
    return texts


def test_a_template_is_text_and_slots() -> None:
    assert parsed_template("For {n:people} on {day}") == ("For ", Slot("n", "people"), " on ", Slot("day"))
    assert parsed_template("{fee:cents EUR}") == (Slot("fee", "cents", "EUR"),)
    assert parsed_template("") == ()


def test_alternatives_are_all_said_and_nothing_else() -> None:
    assert said_with("<Hi|Hello|Good <day|evening>>, Ada", {}) == {
        "Hi, Ada",
        "Hello, Ada",
        "Good day, Ada",
        "Good evening, Ada",
    }


def test_an_alternative_that_cannot_be_said_gives_way_to_one_that_can() -> None:
    assert said_with("<in {city}|somewhere>", {}) == {"Somewhere"}
    assert said_with("<in {city}|somewhere>", {"city": None}) == {"Somewhere"}
    assert said_with("<in {city}|somewhere>", {"city": "Lyon"}) == {"In Lyon", "Somewhere"}


def test_an_optional_part_is_left_out_now_and_then_and_where_its_value_is_not_known() -> None:
    assert said_with("a table[ in {city}]", {"city": "Lyon"}) == {"A table in Lyon", "A table"}
    assert said_with("a table[ in {city}]", {}) == {"A table"}
    assert said_with("a table[ in {city}[, {area}]]", {"city": "Lyon", "area": "terrace"}) == {
        "A table",
        "A table in Lyon",
        "A table in Lyon, outside",
    }


def test_rows_are_joined_and_the_rest_is_counted() -> None:
    rows: Json = [{"t": "18:00", "area": "terrace"}, {"t": "19:00", "area": "main_room"}, {"t": "20:30", "area": "bar"}]
    template = "There is {each rows or 4}{t:clock} {area}{end}."
    assert said_with(template, {"rows": rows}) == {"There is 18:00 outside, 19:00 inside or 20:30 bar."}
    assert said_with(template.replace("or 4", "and 2"), {"rows": rows}) == {
        "There is 18:00 outside, 19:00 inside and 1 more."
    }
    assert said_with(template, {"rows": []}) == {"There is."}
    assert said_with("{each names}{value}{end}", {"names": ["milk", "eggs"]}) == {"Milk and eggs"}


def test_a_row_may_use_what_is_true_of_the_whole() -> None:
    values: dict[str, Json] = {"rows": [{"t": "18:00"}], "city": "Lyon"}
    assert said_with("{each rows}{t:clock} in {city}{end}", values) == {"18:00 in Lyon"}


@pytest.mark.parametrize(
    ("value", "text"),
    [(5, "Yes"), (0, "No"), (None, "No"), ("", "No"), ([], "No"), (False, "No"), (True, "Yes"), ("x", "Yes")],
)
def test_a_condition_is_by_whether_there_is_something(value: Json, text: str) -> None:
    assert said_with("{if fee}yes{else}no{end}", {"fee": value}) == {text}


def test_a_condition_needs_no_else_and_may_hold_other_parts() -> None:
    assert said_with("done{if fee}, it costs {fee:cents EUR}{end}.", {"fee": 0}) == {"Done."}
    assert said_with("{if a}{if b}both{else}one{end}{else}none{end}", {"a": 1, "b": 0}) == {"One"}
    assert said_with("{if fee}<yes|sure>{end}", {"fee": 1}) == {"Yes", "Sure"}


def test_the_slots_of_a_template_are_those_outside_of_rows() -> None:
    template = "<{a}|x>[ {b}]{if c}{d}{else}{e}{end}{each f and 3}{g}{end}{h:money i}{j:cents EUR}"
    assert slots_of(template) == set("abcdefhij") - {"g"}
    assert slots_of(parsed_template(template)) == slots_of(template)


def test_an_expanded_template_needs_the_slots_it_kept_alone() -> None:
    for seed in range(20):
        kept = slots_of(expanded("{n} seats[ in {city}]", {"n": 2, "city": "Lyon"}, random.Random(seed)))
        assert kept in ({"n"}, {"n", "city"})


def test_sentences_begin_with_a_capital_and_spaces_are_single() -> None:
    values: dict[str, Json] = {"id": "bkg_1", "mail": "ada@x.example", "empty": ""}
    assert said_with("it's fine.  thanks , bye", {}) == {"It's fine. Thanks, bye"}
    assert said_with("{id} is it. {mail} is mine.", values) == {"bkg_1 is it. ada@x.example is mine."}
    assert said_with("so {empty} there", values) == {"So there"}


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("a <b|c", "'<' is not closed"),
        ("a [b", "'[' is not closed"),
        ("a {b", "is no slot"),
        ("a {b c}", "is no slot"),
        ("a {}", "is no slot"),
        ("a ] b", "closes nothing"),
        ("a > b", "closes nothing"),
        ("a } b", "closes nothing"),
        ("[a <b] c>", "is not closed"),
        ("{each rows}{a}", "{each rows} has no {end}"),
        ("{if a}b{else}c", "{if a} has no {end}"),
        ("a {end}", "closes nothing"),
        ("<b>bold</b>", "hold no alternatives"),
        ("[" * 21 + "]" * 21, "nested more than 20 deep"),
        ("{if a}" * 600, "nested more than 20 deep"),
        ("<" * 90 + "a", "nested more than 20 deep"),
        ("<a|b>" * 101, "more than 100 alternatives"),
        ("a" * 4001, "4,001 characters"),
        ("{each rows}[{each others}x{end}]{end}", "{each others} stands inside {each rows}"),
        ("{each rows 0}x{end}", "{each rows 0} takes a number from 1 to 100"),
        ("{each rows 99999999999}x{end}", "takes a number from 1 to 100"),
        ("{n:last}{n:last x}", "{n:last x} takes a number from 1 to 20"),
        ("{n:last 21}", "takes a number from 1 to 20"),
        ("{n:persons}", "there is no form 'persons'; there are cents, clock, count"),
    ],
)  # fmt: skip
def test_a_broken_template_is_refused_with_what_is_wrong(template: str, words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        parsed_template(template)


def test_unknown_slots_are_named_also_in_rows_conditions_and_options() -> None:
    rows = {"rows": {"title"}}
    assert unknown_slots("{city} and {area}", {"city", "area"}, rows) == ()
    assert unknown_slots("in {town}[ or {city}]<, {a}|>{if b}{c}{else}{d}{end}", {"city"}, rows) == (
        "a",
        "b",
        "c",
        "d",
        "town",
    )
    assert unknown_slots("{each rows}{title} {shelf} {city}{end}", {"city", "rows"}, rows) == ("shelf",)
    assert unknown_slots("[{each others}{anything}{end}]", {"others"}, rows) == ()
    assert unknown_slots("{each rows}{title}{end}", set(), rows) == ("rows",)
    assert unknown_slots("{fee:money currency}", {"fee"}, rows) == ("currency",)


def test_a_slot_without_a_value_cannot_be_filled() -> None:
    with pytest.raises(KeyError, match="city"):
        said_with("in {city}", {})
    with pytest.raises(ValueError, match="is no list"):
        said_with("{each rows}{a}{end}", {"rows": 3})
    with pytest.raises(ValueError, match="not expanded"):
        filled(parsed_template("<a|b>"), {}, SPEAKER, random.Random(1))


def test_like_values_are_said_alike_in_one_utterance() -> None:
    values: dict[str, Json] = {"a": "2026-04-20", "b": "2026-04-22"}
    for text in said_with("from {a:day} to {b:day}", values):
        first, second = text.removeprefix("From ").split(" to ")
        assert re.sub(r"\d+(?:st|nd|rd|th)?|\w+day", "", first) == re.sub(r"\d+(?:st|nd|rd|th)?|\w+day", "", second)


def test_habits_are_kept() -> None:
    values: dict[str, Json] = {"at": "2026-04-20T19:30:00Z"}
    for clock, order in (("12", "day"), ("12", "month"), ("24", "day"), ("24", "month")):
        for seed in range(20):
            rng = random.Random(seed)
            text = filled(expanded("{at}", values, rng), values, Speaker(Habits(clock, order), NOW, {}), rng)
            assert ("19:30" in text) == (clock == "24"), text
            assert ("April 20" in text) == (order == "month"), text
