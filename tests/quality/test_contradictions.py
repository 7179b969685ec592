"""Test the kinds of contradictions: each finds its own, and not what is near to it."""

from __future__ import annotations

from typing import Any

import pytest

from tdlab.quality import measure_quality
from tests.quality.builders import Turn, talk


def kinds(*turns: Turn) -> dict[str, int]:
    """Return the kinds of contradictions in one conversation."""
    return measure_quality([talk(*turns)]).contradictions


def shown(result: Any, **arguments: Any) -> Turn:
    return [("get_thing", arguments, result)]


DAY = "2026-03-02"
AT_TEN, AT_ELEVEN = f"{DAY}T10:00:00Z", f"{DAY}T11:00:00Z"
TENS = [{"amount": 10}, {"amount": 10}]
ROWS = [{"a": 1}, {"a": 2}]

ONE_RESULT: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("range", {"start_date": "2026-09-02", "end_date": DAY}, {"start_date": DAY, "end_date": DAY}),
    ("range", {"starts_at": AT_ELEVEN, "ends_at": AT_TEN}, {"starts_at": f"{DAY}T11:00:00+02:00", "ends_at": AT_TEN}),
    ("range", {"min_price": 9, "max_price": 3}, {"min_price": 3, "max_price": 9, "from_stop": 9, "to_stop": 3}),
    ("range", {"planned_start_at": AT_ELEVEN, "ready_by": AT_TEN}, {"created_at": AT_ELEVEN, "due_date": "2026-02-01"}),
    ("duration", {"starts_at": AT_TEN, "ends_at": AT_ELEVEN, "minutes": 30}, {"starts_at": AT_TEN, "minutes": 60}),
    ("duration", {"starts_at": AT_TEN, "ends_at": AT_ELEVEN, "duration_hours": 2}, {"starts_at": AT_TEN, "hours": 1}),
    ("duration", {"check_in": DAY, "check_out": "2026-03-05", "nights": 2}, {"check_in": DAY, "nights": 3}),
    ("sum", {"total": 30, "lines": TENS}, {"total": 20, "lines": TENS}),
    ("sum", {"total": 5, "items": [{"price": 4, "quantity": 2}]}, {"total": 9, "shipping": 1, "items": [{"price": 4}]}),
    ("sum", {"quantity": 3, "unit_price": 5, "line_total": 20}, {"quantity": 3, "unit_price": 5, "line_total": 15}),
    ("count", {"rooms": ROWS, "room_count": 5}, {"rooms": ROWS, "room_count": 2}),
    ("count", {"results": ROWS, "count": 1}, {"results": ROWS, "count": 9, "next_cursor": "p2"}),
    (
        "currency",
        {"currency": "EUR", "lines": [{"currency": "CHF"}]},
        {"currency": "EUR", "lines": [{"currency": "eur"}]},
    ),
    ("capacity", {"party_size": 7, "seats": 4}, {"party_size": 4, "seats": 4}),
    ("capacity", {"booked": 12, "capacity": 10}, {"booked": 10, "capacity": 10}),
    ("clock", {"created_at": AT_ELEVEN, "replies": [{"created_at": AT_TEN}]}, {"replies": [{"created_at": AT_TEN}]}),
]
"""The kind, a result with a contradiction of that kind, and one that is near and has none."""


@pytest.mark.parametrize(("kind", "wrong", "right"), ONE_RESULT)
def test_one_result(kind: str, wrong: dict[str, Any], right: dict[str, Any]) -> None:
    assert kinds(shown(wrong)) == {kind: 1}
    assert kinds(shown(right)) == {}


def test_times_that_fit_are_no_contradiction() -> None:
    assert kinds(shown({"starts_at": AT_TEN, "ends_at": AT_ELEVEN, "minutes": 60})) == {}
    assert kinds(shown({"check_in": DAY, "check_out": "2026-03-05", "nights": 3})) == {}
    assert kinds(shown({"created_at": AT_TEN, "replies": [{"created_at": AT_ELEVEN}]})) == {}


def test_an_answer_about_something_else() -> None:
    assert kinds(shown({"order_id": "B", "total": 1}, order_id="A")) == {"answer": 1}
    assert kinds(shown({"order_id": "A", "total": 1}, order_id="A")) == {}
    assert kinds(shown({"places": [{"city": "Lyon"}]}, city="Porto")) == {"answer": 1}
    assert kinds(shown({"places": [{"city": "Lyon"}, {"city": "Porto, PT"}]}, city="Porto")) == {}
    slots = {"slots": [{"starts_at": "2026-03-16T20:30:00Z"}]}
    assert kinds(shown(slots, dining_date="2026-07-16")) == {"answer": 1}
    assert kinds(shown(slots, dining_date="2026-03-17")) == {}, "a day of leeway for time zones"
    assert kinds(shown(slots, start_date="2026-03-10", end_date="2026-03-20")) == {}
    assert kinds(shown(slots, start_date="2026-03-01", end_date="2026-03-05")) == {"answer": 1}


def test_an_act_beyond_a_capacity_that_was_shown() -> None:
    tables = [("find_free_tables", {"party_size": 2}, {"tables": [{"table_id": "t1", "seats": 4}]})]
    assert kinds(tables, [("book_table", {"table_id": "t1", "party_size": 7}, {"status": "confirmed"})]) == {
        "capacity": 1
    }
    assert kinds(tables, [("book_table", {"table_id": "t1", "party_size": 4}, {"status": "confirmed"})]) == {}
    assert kinds(tables, [("book_table", {"table_id": "t1", "party_size": 7}, ValueError("too many"))]) == {}
    assert kinds([("find_free_tables", {"party_size": 7}, {"tables": [{"table_id": "t1", "seats": 4}]})]) == {
        "capacity": 1
    }


def test_a_field_that_nothing_changed() -> None:
    def read(**fields: Any) -> Turn:
        return [("get_room", {"room_id": "r"}, {"room_id": "r", **fields})]

    rename = [("rename_room", {"room_id": "r", "name": "Elm"}, {"room_id": "r", "name": "Elm"})]
    assert kinds(read(name="Oak"), read(name="Elm")) == {"changed": 1}
    assert kinds(read(name="Oak"), rename, read(name="Elm")) == {}
    listed = [("list_rooms", {}, {"rooms": [{"room_id": "r", "name": "Oak (large)"}]})]
    assert kinds(read(name="Oak"), listed) == {}, "a longer form of the same"
    assert kinds(read(updated_at="2026-03-01"), read(updated_at="2026-03-02")) == {}
    other = [("get_room", {"room_id": "q"}, {"room_id": "q", "name": "Elm"})]
    assert kinds(read(name="Oak"), other) == {}


def test_another_object_says_otherwise_of_the_same_thing() -> None:
    slot = [("list_slots", {}, {"slots": [{"slot_id": "s1", "starts_at": "2026-03-06T12:00:00Z"}]})]
    wrong = [
        ("book_slot", {"slot_id": "s1"}, {"booking_id": "b", "slot_id": "s1", "starts_at": "2026-04-01T11:00:00Z"})
    ]
    right = [
        ("book_slot", {"slot_id": "s1"}, {"booking_id": "b", "slot_id": "s1", "starts_at": "2026-03-06T12:00:00Z"})
    ]
    assert kinds(slot, wrong) == {"changed": 1}
    assert kinds(slot, right) == {}


def test_states() -> None:
    def read(status: str) -> Turn:
        return [("get_order", {"order_id": "o"}, {"order_id": "o", "status": status})]

    assert kinds(read("delivered"), read("pending")) == {"changed": 1, "state": 1}
    assert kinds([("list_orders", {}, {"orders": [{"order_id": "o", "status": "delivered"}]})], read("pending")) == {
        "state": 1
    }
    assert kinds([("list_orders", {}, {"orders": [{"order_id": "o", "status": "pending"}]})], read("shipped")) == {}
    cancel = [("cancel_order", {"order_id": "o"}, {"order_id": "o", "status": "cancelled"})]
    assert kinds(cancel, cancel) == {"state": 1}
    assert kinds(cancel, [("reopen_order", {"order_id": "o"}, {"status": "open"})], cancel) == {}
    assert kinds(cancel, [("cancel_order", {"order_id": "o"}, ValueError("it is cancelled"))]) == {}
    assert kinds([("cancel_order", {"order_id": "o"}, {"order_id": "o", "status": "active"})]) == {"state": 1}


def test_the_clock_runs_forward() -> None:
    early, late = "2026-02-05T18:54:00Z", "2026-03-01T01:12:00Z"

    def opened(at: str) -> Turn:
        return [("open_incident", {"title": "x"}, {"incident_id": "i", "created_at": at})]

    def noted(at: str) -> Turn:
        return [("add_entry", {"incident_id": "i"}, {"entry_id": "e", "entered_at": at})]

    assert kinds(opened(late), noted(early)) == {"clock": 1}
    assert kinds(opened(early), noted(late)) == {}
    assert kinds("s:It is Thursday, 5 February 2026, 16:35 UTC.", opened(early)) == {}
    assert kinds("s:It is Thursday, 5 February 2026, 16:35 UTC.", opened(late)) == {"clock": 1}


def test_what_was_created_here_holds_what_was_added() -> None:
    make = [("create_round", {"name": "x"}, {"round_id": "r1", "name": "x"})]

    def add(count: int) -> Turn:
        return [
            ("add_stop", {"round_id": "r1", "place": "p"}, {"stop_id": "s1", "round_id": "r1", "stop_count": count})
        ]

    assert kinds(make, add(10)) == {"count": 1}
    assert kinds(make, add(1)) == {}
    assert kinds(add(10)) == {}, "created before"


def test_deep_and_odd_results_are_read() -> None:
    deep: Any = "x"
    for _ in range(60):
        deep = {"a": [deep]}
    assert (
        kinds(shown(deep), shown([1, None, "x"]), shown({"created_at": "2026-02-30T00:00:00Z", "updated_at": "x"}))
        == {}
    )
