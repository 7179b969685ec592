"""Check that what `sayings` says of a value is found by `said`, and that other values of its kind are not."""

from __future__ import annotations

import datetime
import random
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tdlab.records import Json
from tdlab.speech import FORMS, Habits, Slot, Speaker, expanded, filled, form_of, said, said_in, sayings, slots_of

SENTENCES = ("{}", "{}.", "Could you do {}, please?", "I was thinking {} if that works.", "Well ({}).")
HABITS = [
    Habits(clock, order, numbers, side)
    for clock in ("12", "24")
    for order in ("day", "month")
    for numbers in ("digits", "words")
    for side in ("user", "assistant")
]
moments = st.datetimes(datetime.datetime(2026, 1, 1), datetime.datetime(2027, 12, 31))
clocks = st.times().map(lambda time: f"{time:%H:%M}")
wholes = st.one_of(st.integers(0, 40), st.integers(0, 10**7))
letters = st.text("abcdefghijklmnopqrstuvwxyzéß漢", min_size=1, max_size=6)
words = st.tuples(letters, st.sampled_from("_ -"), letters, st.sampled_from(["", "-b", "_c"])).map("".join)


def stamp(moment: datetime.datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:00Z}"


def spoken(form: str, value: Json, now: str, option: str = "") -> Iterator[str]:
    """Every saying of a value, and what each kind of speaker makes of it in a sentence."""
    for saying in sayings(form, value, now, option):
        for sentence in SENTENCES:
            yield sentence.format(saying.text)
    slot = f"{{value:{form}{' ' if option else ''}{option}}}"
    for place, habits in enumerate(HABITS):
        speaker, rng = Speaker(habits, now, {}), random.Random(place)
        yield filled(expanded(f"so {slot} it is", {"value": value}, rng), {"value": value}, speaker, rng)


def is_found(form: str, value: Json, now: str, option: str = "") -> None:
    for text in spoken(form, value, now, option):
        assert said(text, value, now), f"{value!r} is not found in {text!r} at {now}"


# -- every way of saying a value is found again


@settings(max_examples=80)
@given(moments, st.integers(-300, 600))
def test_a_day_is_found_in_every_way_of_saying_it(now: datetime.datetime, distance: int) -> None:
    day = (now.date() + datetime.timedelta(days=distance)).isoformat()
    is_found("day", day, stamp(now))
    is_found("on", day, stamp(now))


@settings(max_examples=50)
@given(moments, st.integers(-8, 30))
def test_a_close_day_is_found_in_every_way_of_saying_it(now: datetime.datetime, distance: int) -> None:
    is_found("on", (now.date() + datetime.timedelta(days=distance)).isoformat(), stamp(now))


@settings(max_examples=50)
@given(moments, clocks)
def test_a_time_is_found_in_every_way_of_saying_it(now: datetime.datetime, clock: str) -> None:
    is_found("clock", clock, stamp(now))


@settings(max_examples=50)
@given(moments, st.integers(-20, 300), clocks)
def test_a_moment_is_found_in_every_way_of_saying_it(now: datetime.datetime, distance: int, clock: str) -> None:
    day = now.date() + datetime.timedelta(days=distance)
    is_found("when", f"{day}T{clock}:00Z", stamp(now))


@settings(max_examples=50)
@given(wholes, st.sampled_from(["EUR", "USD", "GBP", "JPY", "CHF", "SEK", "XAF"]))
def test_an_amount_is_found_in_every_way_of_saying_it(cents: int, currency: str) -> None:
    now = "2026-03-13T08:49:00Z"
    is_found("cents", cents, now, currency)
    is_found("money", cents / 100, now, currency)


@settings(max_examples=50)
@given(wholes, st.sampled_from(["minutes", "hours", "days", "seconds", "weeks"]))
def test_a_count_and_a_duration_are_found_in_every_way_of_saying_them(number: int, unit: str) -> None:
    now = "2026-03-13T08:49:00Z"
    is_found("count", number, now)
    is_found("count", number, now, "night")
    is_found("people", number, now)
    is_found("number", number, now, "kg")
    is_found("percent", number, now)
    is_found("duration", number, now, unit)


@settings(max_examples=50)
@given(st.integers(-10000, 10000), st.sampled_from([10, 100]))
def test_a_fraction_is_found(number: int, parts: int) -> None:
    is_found("number", number / parts, "2026-03-13T08:49:00Z")
    is_found("percent", abs(number) / parts, "2026-03-13T08:49:00Z")


@settings(max_examples=50)
@given(st.sampled_from(["+447700", "+12025", "+4930901", "+919876", "+33612"]), st.integers(0, 999999))
def test_a_phone_number_is_found(beginning: str, rest: int) -> None:
    is_found("phone", f"{beginning}{rest:06d}", "2026-03-13T08:49:00Z")


@settings(max_examples=50)
@given(words)
def test_a_word_is_found_as_it_is_and_without_its_underscores(word: str) -> None:
    is_found("text", word, "2026-03-13T08:49:00Z")
    is_found("words", word, "2026-03-13T08:49:00Z")


@settings(max_examples=30)
@given(st.lists(words, min_size=1, max_size=5))
def test_a_list_is_found_where_all_of_its_parts_are_said(values: list[str]) -> None:
    is_found("list", list(values), "2026-03-13T08:49:00Z")


@pytest.mark.parametrize("side", ["user", "assistant"])
def test_a_word_of_a_machine_is_found_by_the_words_of_the_pack(side: str) -> None:
    terms: dict[str, dict[str, tuple[str, ...]]] = {
        "area": {"main_room": ("inside", "in the main room")},
        "notify": {"false": ("without telling them",)},
    }
    speaker = Speaker(Habits(side=side), "2026-03-13T08:49:00Z", terms)
    cases: list[tuple[str, Json]] = [("area", "main_room"), ("new__area", "main_room"), ("notify", False)]
    for slot, value in cases:
        for seed in range(6):
            rng = random.Random(seed)
            text = filled(expanded(f"the table {{{slot}}}", {slot: value}, rng), {slot: value}, speaker, rng)
            listed = terms[slot.rpartition("__")[2]][str(value).lower() if value is False else str(value)]
            assert any(word in text for word in listed)
            assert said(text, value, speaker.now, words=listed)
            assert not said("Some table will do.", value, speaker.now, words=listed)


def test_a_part_of_a_word_is_not_the_word() -> None:
    now = "2026-03-13T08:49:00Z"
    assert not said("He's outside.", "side", now)
    assert not said("Booking bkg_a1b2c3d4.", "bkg_a1b2c3d", now)
    assert not said("That is 1125.", 125, now)
    assert not said("That is 12.50 euros.", 50, now)


def test_abbreviations_are_not_the_whole_value() -> None:
    """``ending in 4821`` identifies a card that a tool has named; it does not tell its number."""
    now = "2026-03-13T08:49:00Z"
    assert not said(sayings("last", "tok_99124821", now)[0].text, "tok_99124821", now)
    assert not said(sayings("first_name", "Ada King", now)[0].text, "Ada King", now)


# -- other values are not


def days(rng: random.Random, now: datetime.datetime) -> tuple[Json, Json]:
    one, other = rng.sample(range(-5, 60), 2)
    return tuple((now.date() + datetime.timedelta(days=n)).isoformat() for n in (one, other))  # type: ignore[return-value]


def times(rng: random.Random, now: datetime.datetime) -> tuple[Json, Json]:
    one, other = rng.sample(range(24 * 12), 2)
    return f"{one // 12:02d}:{one % 12 * 5:02d}", f"{other // 12:02d}:{other % 12 * 5:02d}"


def same_day(rng: random.Random, now: datetime.datetime) -> tuple[Json, Json]:
    day, (one, other) = days(rng, now)[0], times(rng, now)
    return f"{day}T{one}:00Z", f"{day}T{other}:00Z"


def same_time(rng: random.Random, now: datetime.datetime) -> tuple[Json, Json]:
    (one, other), time = days(rng, now), times(rng, now)[0]
    return f"{one}T{time}:00Z", f"{other}T{time}:00Z"


def numbers(low: int, high: int) -> Callable[[random.Random, datetime.datetime], tuple[Json, Json]]:
    def pair(rng: random.Random, now: datetime.datetime) -> tuple[Json, Json]:
        one, other = rng.sample(range(low, high), 2)
        return one, other

    return pair


def phones(rng: random.Random, now: datetime.datetime) -> tuple[Json, Json]:
    one, other = rng.sample(range(10**6), 2)
    return f"+447700{one:06d}", f"+447700{other:06d}"


def enums(rng: random.Random, now: datetime.datetime) -> tuple[Json, Json]:
    one, other = rng.sample(["main_room", "terrace", "counter", "private_room", "gluten_free", "vegan"], 2)
    return one, other


@pytest.mark.parametrize(
    ("form", "option", "pairs"),
    [
        ("day", "", days),
        ("on", "", days),
        ("clock", "", times),
        ("when", "", same_day),
        ("when", "", same_time),
        ("people", "", numbers(3, 40)),
        ("count", "", numbers(3, 40)),
        ("count", "night", numbers(3, 40)),
        ("number", "kg", numbers(3, 5000)),
        ("duration", "minutes", numbers(3, 200)),
        ("cents", "EUR", numbers(100, 60000)),
        ("money", "USD", numbers(3, 60000)),
        ("phone", "", phones),
        ("words", "", enums),
    ],
)  # fmt: skip
def test_another_value_of_the_same_kind_is_not_found(
    form: str, option: str, pairs: Callable[[random.Random, datetime.datetime], tuple[Json, Json]]
) -> None:
    """What is said in fewer words than the value has, such as ``Wednesday the 3rd``, may be two values: rarely."""
    rng = random.Random(f"{form}{option}")
    tried, wrong = 0, []
    for _ in range(200):
        now = datetime.datetime(2026, 1, 5) + datetime.timedelta(minutes=rng.randrange(500 * 1440))
        value, other = pairs(rng, now)
        for saying in sayings(form, value, stamp(now), option):
            tried += 1
            if said(f"Could you do {saying.text}, please?", other, stamp(now)):
                wrong.append((saying.text, value, other, stamp(now)))
    assert len(wrong) <= 0.004 * tried, f"{len(wrong)} of {tried}: {wrong[:5]}"


@pytest.mark.parametrize(
    ("text", "value", "is_said"),
    [
        ("the 20th of March", "2026-03-20", True),
        ("the 20th of March", "2026-04-20", False),
        ("on the 20th", "2026-03-20", True),
        ("Friday the 20th", "2026-03-20", True),
        ("Friday the 20th", "2026-03-13", False),
        ("Friday the 20th", "2026-04-20", False),
        ("Friday, March 20", "2026-03-20", True),
        ("Friday, March 20", "2026-03-13", False),
        ("next Friday", "2026-03-13", True),
        ("next Friday", "2026-03-20", True),
        ("last Friday", "2026-03-06", True),
        ("last Friday", "2026-03-13", False),
        ("in two weeks", "2026-03-25", True),
        ("in a week", "2026-03-18", True),
        ("the day after tomorrow", "2026-03-13", True),
        ("2026-03-20", "2026-03-20", True),
        ("20.03.2026", "2026-03-20", True),
        ("31 February", "2026-02-28", False),
        ("half past seven", "19:30", True),
        ("quarter to eight", "19:45", True),
        ("7:30", "19:30", True),
        ("07:30", "19:30", False),
        ("12:15 am", "00:15", True),
        ("12:15 am", "15:00", False),
        ("00:15", "12:15", False),
        ("noon", "12:00", True),
        ("8 in the evening", "20:00", True),
        ("8 in the evening", "08:00", False),
        ("both of us", 2, True),
        ("just me", 1, True),
        ("an hour and a half", 90, True),
        ("nothing", None, False),
        ("yes", True, False),
        ("milk and eggs", ["milk", "eggs"], True),
        ("milk", ["milk", "eggs"], False),
        ("Rue Haute 4 in Lyon", {"street": "Rue Haute 4", "city": "Lyon"}, True),
        ("Rue Haute 4", {"street": "Rue Haute 4", "city": "Lyon"}, False),
        ("CASA OMBRA", "Casa Ombra", True),
    ],
)  # fmt: skip
def test_what_a_text_says_on_a_wednesday(text: str, value: Json, is_said: bool) -> None:
    assert said(text, value, "2026-03-11T08:49:00Z") is is_said


def test_a_value_may_be_said_over_several_turns() -> None:
    now = "2026-03-11T08:49:00Z"
    assert said_in(["Friday, please.", "At half past seven."], "2026-03-13T19:30:00Z", now)
    assert not said_in(["Friday, please.", "At half past six."], "2026-03-13T19:30:00Z", now)


# -- the forms themselves


@pytest.mark.parametrize(
    ("value", "schema", "form"),
    [
        ("2026-03-20", None, "day"),
        ("2026-03-20T19:30:00Z", None, "when"),
        ("2026-03-20", {"format": "date"}, "day"),
        ("20/3", {"format": "date"}, "day"),
        ("+447700900123", None, "phone"),
        ("bkg_1", None, "text"),
        (True, None, "text"),
        (None, None, "text"),
        (["a"], None, "list"),
        (3, None, "number"),
    ],
)  # fmt: skip
def test_a_value_has_a_form_of_its_own(value: Json, schema: dict[str, Json] | None, form: str) -> None:
    assert form_of(value, schema) == form
    assert form in FORMS


@pytest.mark.parametrize(
    ("form", "value"),
    [("count", 1.5), ("people", "four"), ("money", True), ("number", "3"), ("list", "a"), ("day", "soon"),
     ("cents", 12.5), ("clock", "soon"), ("duration", None)],
)  # fmt: skip
def test_a_form_refuses_what_it_cannot_say(form: str, value: Json) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # the message is of the form, or of datetime
        sayings(form, value, "2026-03-11T08:49:00Z")


def test_only_a_user_speaks_of_us() -> None:
    now = "2026-03-11T08:49:00Z"
    texts = set()
    for seed in range(30):
        rng = random.Random(seed)
        speaker = Speaker(Habits(side="assistant"), now, {})
        texts.add(filled(expanded("for {n:people}", {"n": 4}, rng), {"n": 4}, speaker, rng))
    assert texts
    assert not any("of us" in text for text in texts)


@pytest.mark.parametrize("form", ["money currency", "cents currency"])
def test_the_currency_of_an_amount_may_be_a_value(form: str) -> None:
    template = f"{{fee:{form}}}"
    assert slots_of(template) == {"fee", "currency"}
    values: dict[str, Json] = {"fee": 500, "currency": "CHF"}
    speaker, rng = Speaker(Habits(), "2026-03-11T08:49:00Z", {}), random.Random(1)
    text = filled(expanded(template, values, rng), values, speaker, rng)
    assert text in ("500 francs", "500 CHF", "5 francs", "5 CHF")
    assert Slot("fee", *form.split()).option == "currency"
