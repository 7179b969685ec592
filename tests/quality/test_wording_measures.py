"""Test the measures of words: each finds its fault, and not what is near to it."""

from __future__ import annotations

import pytest

from tests.quality.builders import found, tool

ORDER = [("get_order", {"order_id": "W17"}, {"order_id": "W17", "status": "sent", "carrier": "DPD", "total": 12.5})]
BOOK = [("book_slot", {"slot_date": "2026-03-01", "party_size": 4}, {"booking_id": "b1"})]


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("u:The slot date is 2026-03-01 please", (1, 1)),
        ("u:slot_date: 2026-03-01", (1, 1)),
        ('u:For that, the **slot date** = "2026-03-01".', (1, 1)),
        ("u:Slot date 2026-03-01, party size of 4", (2, 2)),
        ("u:We'd come on 2026-03-01, the date of our slot", (0, 1)),
        ("u:A table on 2026-03-01 for 4", (0, 2)),
        ("u:Order 2026-03-014 and 14 of them", (None, 0)),
        ("u:Tomorrow, the four of us", (None, 0)),
    ],
)
def test_values_behind_their_own_label(said: str, expected: tuple[int, int]) -> None:
    assert found("values_behind_label", said, BOOK) == expected


def test_a_value_said_after_the_call_or_twice_counts_once_or_not() -> None:
    assert found("values_behind_label", BOOK, "u:slot date 2026-03-01") == (None, 0)
    assert found("values_behind_label", "u:On 2026-03-01.", "u:slot date is 2026-03-01", BOOK, BOOK) == (1, 1)


def test_quoted_descriptions_need_five_words_in_a_row() -> None:
    known = tool(
        "shop/book_slot", "Book a free sitting for a party.", slot_date="The day on which the guests will come."
    )
    said = "u:Please book a free sitting for a party."
    assert found("descriptions_quoted", said, BOOK, tools=(known,)) == (1, 1)
    assert found("descriptions_quoted", "u:It's the day on which the guests arrive", BOOK, tools=(known,)) == (1, 1)
    assert found("descriptions_quoted", "u:Book a sitting, a free one, for a party", BOOK, tools=(known,)) == (0, 1)
    assert found("descriptions_quoted", "u:Please book a table for my party", BOOK, tools=(known,)) == (0, 1)


def test_without_definitions_quotes_are_not_known() -> None:
    assert found("descriptions_quoted", "u:Please book a free sitting for a party.", BOOK) == (None, 0)


def test_a_reply_dumps_from_three_fields_on() -> None:
    assert found(
        "replies_dumping_parameters", "u:Where is W17?", ORDER, "a:Order id W17, status sent, carrier DPD."
    ) == (1, 1)
    listed = "a:**Order ID:** W17\n**Status:** sent\n**Total:** $12.50"
    assert found("replies_dumping_parameters", "u:Where is W17?", ORDER, listed.replace("12.50", "12.5")) == (1, 1)
    assert found("replies_dumping_parameters", "u:Where is W17?", ORDER, "a:W17 was sent with DPD, for $12.50.") == (
        0,
        1,
    )
    twice = "a:Order id W17 has the status sent; it is order id W17."
    assert found("replies_dumping_parameters", "u:Where is W17?", ORDER, twice) == (0, 1)
    first = "a:Shall I book with slot date 2026-03-01, party size 4?"
    assert found("replies_dumping_parameters", "u:Hi", first, "u:Yes", BOOK) == (0, 1)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("u:If several come up, take the first.", 1),
        ("u:Just pick the first one you find", 1),
        ("u:Any of them will do", 1),
        ("u:Book whichever comes first", 1),
        ("u:I'll take the first flight of the day", 0),
        ("u:Is it my first order?", 0),
        ("u:Did you take any notes?", 0),
    ],
)
def test_take_the_first(said: str, expected: int) -> None:
    assert found("take_the_first", said) == (expected, 1)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("lorem ipsum dolor", 1),
        ("your_api_key_here", 1),
        ("Dear [Your Name], hello", 1),
        ("the order {order_id} is late", 1),
        ("{{customer}} called", 1),
        ("TODO", 1),
        ("GET /orders/{order_id} is the path", 0),
        ('I want <b>bold</b> text and {"a": 1}', 0),
        ("todo list", 0),
    ],
)
def test_placeholders(text: str, expected: int) -> None:
    assert found("placeholder_text", f"u:{text}") == (expected, 1)
    assert found("placeholder_text", "u:Hi", [("send", {"text": text}, "ok")]) == (expected, 1)


def test_programs_may_hold_braces() -> None:
    code = [("tdlab/run_code", {"code": "print(f'{total} {name}')  # TODO"}, "1")]
    assert found("placeholder_text", "u:Hi", code) == (0, 1)
