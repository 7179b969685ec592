"""Test the measures of what assistants do: each finds its fault, and not what is near to it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.quality.builders import Turn, found

ROOMS = [{"room_id": f"rm_{name}", "floor": 1} for name in ("ab1", "cd2", "ef3")]


def listing(rooms: list[Any]) -> Turn:
    return [("list_rooms", {"floor": 1}, {"rooms": rooms})]


def book(room: str, result: Any = None) -> Turn:
    return [("book_room", {"room_id": room}, result or {"booking_id": "bk_1"})]


def test_a_pick_is_the_first_by_position() -> None:
    assert found("first_item_picks", "u:A room", listing(ROOMS), book("rm_ab1")) == (1, 1)
    assert found("first_item_picks", "u:A room", listing(ROOMS), book("rm_ef3")) == (0, 1)
    assert found("first_item_picks", "u:A room", listing(ROOMS), book("rm_ef3"), book("rm_ab1")) == (0, 1), "one a list"


def test_what_is_no_pick_from_a_list() -> None:
    assert found("first_item_picks", "u:Room rm_ab1", listing(ROOMS), book("rm_ab1")) == (None, 0), "known before"
    assert found("first_item_picks", "u:A room", listing(ROOMS[:1]), book("rm_ab1")) == (None, 0), "no choice"
    walked = [book(room["room_id"]) for room in ROOMS]
    assert found("first_item_picks", "u:All rooms", listing(ROOMS), *walked) == (None, 0), "all are used"
    pairs = [[ROOMS[0], ROOMS[1]], [ROOMS[2]]]
    assert found("first_item_picks", "u:Two rooms", [("find", {}, pairs)], book("rm_ef3")) == (0, 1), "lists as items"


def test_identical_retries_and_errors_that_are_handled() -> None:
    fails = book("rm_ab1", ValueError("taken"))
    again = ("u:A room", fails, book("rm_ab1"), "a:Done.")
    assert found("identical_retries", *again) == (1, 1)
    assert found("conversations_with_error", *again) == (1, 1)
    assert found("conversations_with_handled_error", *again) == (0, 1)
    other = ("u:A room", fails, book("rm_cd2"), "a:The first was taken.")
    assert found("identical_retries", *other) == (0, 1)
    assert found("conversations_with_handled_error", *other) == (1, 1)
    asked = ("u:A room", fails, "a:It is taken.", "u:Try it again", book("rm_ab1"))
    assert found("identical_retries", *asked) == (0, 1), "the user asked for it"
    assert found("conversations_with_handled_error", "u:A room", fails, "a:Done, enjoy!") == (0, 1), "not reported"
    assert found("conversations_with_error", "u:A room", book("rm_ab1")) == (0, 1)


def test_without_results_errors_are_not_known() -> None:
    assert found("conversations_with_error", "u:A room", [("book_room", {}, None)]) == (None, 0)


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        ({}, 1),
        ("", 1),
        ("null", 1),
        ({"room_id": "rm_ab1"}, 1),
        ({"room_id": "rm_ab1", "note": None}, 1),
        ({"room_id": "rm_ab1", "booked": True}, 0),
        ({"rooms": []}, 0),
        ([], 0),
        ({"room_id": "rm_ab1", "floor": 3}, 0),
        ("booked", 0),
    ],
)
def test_results_without_information(result: Any, expected: int) -> None:
    assert found("results_without_information", [("get_room", {"room_id": "rm_ab1"}, result)]) == (expected, 1)


def test_created_and_destroyed() -> None:
    cancel = [("cancel_booking", {"booking_id": "bk_1"}, {"status": "cancelled"})]
    assert found("created_and_destroyed", "u:A room", book("rm_ab1"), cancel) == (1, 1)
    other = [("cancel_booking", {"booking_id": "bk_9"}, {"status": "cancelled"})]
    assert found("created_and_destroyed", "u:A room", book("rm_ab1"), other) == (0, 1)
    refused = [("cancel_booking", {"booking_id": "bk_1"}, ValueError("too late"))]
    assert found("created_and_destroyed", "u:A room", book("rm_ab1"), refused) == (0, 1)


def test_successive_requests_that_share_no_service() -> None:
    inn, bank = [("inns/list_rooms", {}, {"a": 1})], [("bank/get_balance", {}, {"b": 2})]
    assert found("requests_sharing_no_service", "u:Rooms?", inn, "u:Balance?", bank) == (1, 1)
    assert found("requests_sharing_no_service", "u:Rooms?", inn, "u:Both?", bank, inn) == (0, 1)
    assert found("requests_sharing_no_service", "u:Rooms, balance?", inn, bank) == (None, 0), "one request"
    assert found("requests_sharing_no_service", "u:Rooms?", inn, "u:?", [("get", {}, 1)], service="") == (None, 0)


def test_idle_calls() -> None:
    look = [("get_room", {"room_id": "rm_ab1"}, {"room_id": "rm_ab1", "view": "harbour", "price": 8900})]
    assert found("idle_calls", "u:Hi", look, "a:Welcome.") == (1, 1)
    assert found("idle_calls", "u:Hi", look, "a:It looks on the Harbour.") == (0, 1)
    assert found("idle_calls", "u:Hi", look, "a:It is 89.00.") == (0, 1), "minor units"
    assert found("idle_calls", "u:Hi", look, [("search", {"view": "harbour"}, None)], "a:Welcome.") == (0, 1), "used"
    assert found("idle_calls", "u:Hi", look, book("rm_ab1"), "a:Welcome.") == (0, 1), "a look before an act"
    assert found("idle_calls", "u:Hi", book("rm_ab1"), "a:Welcome.") == (None, 0), "acts are not idle"
    assert found("idle_calls", "u:Hi", listing(ROOMS), "a:There are three rooms.") == (0, 1), "counted"
    when = [("get_slot", {"slot": "s"}, {"starts_at": "2026-10-09T09:20:00Z"})]
    assert found("idle_calls", "u:Hi", when, "a:On Friday the 9th.") == (0, 1)
    assert found("idle_calls", "u:Hi", when, "a:Hello to you.") == (1, 1)


def test_two_roles_that_are_one_entity() -> None:
    def send(**arguments: Any) -> tuple[int | None, int]:
        return found("two_roles_one_entity", [("send", arguments, "ok")])

    assert send(from_account="a", to_account="a") == (1, 1)
    assert send(home_team_id="x", away_team_id="x") == (1, 1)
    assert send(from_account="a", to_account="b") == (0, 1)
    assert send(from_date="2026-01-01", to_date="2026-01-01") == (None, 0), "one day"
    assert send(from_account="a", note="a") == (None, 0)


def test_guessed_results_need_receipts_that_tell() -> None:
    calls = [("get_room", {"room_id": "r"}, {"a": 1})]
    assert found("guessed_results", calls, executors=("simulated:guessed", "simulated:world")) == (1, 2)
    assert found("guessed_results", calls, executors=("simulated",)) == (None, 0)
    assert found("guessed_results", calls) == (None, 0)


def test_refusals() -> None:
    refuses = "a:I'm sorry, I can't do that: none of my tools can do it."
    near = ("u:Please cancel the booking of my room", refuses)
    offered = ("list_rooms", "book_room")
    assert found("conversations_with_refusal", *near) == (1, 1)
    assert found("refusals_last", "u:Rooms?", listing(ROOMS), *near) == (1, 1)
    assert found("refusals_last", *near, "u:Rooms?", listing(ROOMS)) == (0, 1)
    assert found("refusals_near_miss", *near, offered=offered) == (1, 1)
    assert found("refusals_near_miss", "u:What's the weather?", refuses, offered=offered) == (0, 1)
    assert found("refusals_near_miss", *near) == (None, 0), "no tools are known"
    assert found("conversations_with_refusal", "u:Hi", "a:Hello, how can I help?") == (0, 1)


def test_wrong_refusals() -> None:
    refuses = "a:I'm sorry, I can't do that: none of my tools can do it."
    wish = "u:Please cancel the booking, it is bk_1"
    assert found("wrong_refusals", wish, refuses, offered=("cancel_booking",)) == (1, 1)
    assert found("wrong_refusals", wish, refuses, offered=("create_booking",)) == (0, 1), "another verb"
    policy = "a:I have no way to cancel it, since it starts today."
    assert found("wrong_refusals", wish, policy, offered=("cancel_booking",)) == (0, 1), "a reason"
    adjective = "u:Change the priority of a booking that is already open, an open booking"
    assert found("wrong_refusals", adjective, refuses, offered=("open_booking",)) == (0, 1), "not the verb"
    looked = [("get_booking", {"booking_id": "bk_1"}, {"status": "held"})]
    assert found("wrong_refusals", wish, looked, refuses, offered=("cancel_booking",)) == (0, 1), "it was looked up"
