"""The results of a search in the simulated world are within the requested bounds."""

from __future__ import annotations

import datetime
from typing import Any

import pytest

from tdlab.records import Tool
from tdlab.rollout._simulated_search import bounds_of, within
from tests.rollout.worlds import Hand, tool

ROOM = {
    "room_id": {"type": "string"},
    "room_name": {"type": "string"},
    "price_cents": {"type": "integer", "minimum": 100},
    "distance_km": {"type": "number"},
    "created_at": {"type": "string", "format": "date-time"},
}
ROOMS = {"rooms": {"type": "array", "items": {"type": "object", "properties": ROOM}}}
DAY = {"date": {"type": "string", "format": "date"}, "mean": {"type": "number"}}


def rooms() -> dict[str, Tool]:
    made = (
        tool("create_room", "room_name price_cents", ROOM, room_name="string", price_cents="integer"),
        tool("search_rooms", "", ROOMS, max_price_cents="integer", min_price_cents="integer", radius_km="number"),
        tool(
            "list_means",
            "start_date end_date",
            {"means": {"type": "array", "items": {"type": "object", "properties": DAY}, "minItems": 4, "maxItems": 4}},
            start_date={"type": "string", "format": "date"},
            end_date={"type": "string", "format": "date"},
        ),
    )
    return {t.name: t for t in made}


@pytest.mark.parametrize("seed", range(8))
def test_prices_and_distances_keep_to_their_bounds(seed: int) -> None:
    hand = Hand(rooms(), seed=seed)
    found = hand("search_rooms", max_price_cents=900, min_price_cents=500, radius_km=3.5)["rooms"]
    assert found
    assert all(500 <= room["price_cents"] <= 900 and 0 <= room["distance_km"] <= 3.5 for room in found), found


@pytest.mark.parametrize("seed", range(8))
def test_a_narrower_search_leaves_out_what_the_wider_one_found(seed: int) -> None:
    hand = Hand(rooms(), seed=seed)
    wide = {room["room_id"]: room["price_cents"] for room in hand("search_rooms", max_price_cents=9000)["rooms"]}
    dear = hand("create_room", room_name="The attic", price_cents=8000)["room_id"]
    narrow = {room["room_id"]: room["price_cents"] for room in hand("search_rooms", max_price_cents=400)["rooms"]}
    assert all(price <= 400 for price in narrow.values()), narrow
    assert dear not in narrow, "what was created above the ceiling is found below it"
    again = {room["room_id"]: room["price_cents"] for room in hand("search_rooms", max_price_cents=9000)["rooms"]}
    assert again.items() >= wide.items(), "the wide search forgot what it had found"
    assert again[dear] == 8000


def test_days_of_a_series_follow_one_another_inside_the_span() -> None:
    days = [row["date"] for row in Hand(rooms())("list_means", start_date="2026-05-01", end_date="2026-05-05")["means"]]
    assert days == ["2026-05-01", "2026-05-02", "2026-05-03", "2026-05-04"]


@pytest.mark.parametrize(
    ("fields", "arguments", "inside"),
    [
        ({"price": 5}, {"max_price": 5}, True),
        ({"price": 6}, {"max_price": 5}, False),
        ({"price": 6}, {"max_weight": 5}, True),
        ({"taken_at": "2026-03-04T10:00:00Z"}, {"start_date": "2026-03-04", "end_date": "2026-03-04"}, True),
        ({"taken_at": "2026-03-05T10:00:00Z"}, {"end_date": "2026-03-04"}, False),
        (
            {"starts_at": "2026-03-04T10:00:00Z", "created_at": "2020-01-01T00:00:00Z"},
            {"start_date": "2026-03-01"},
            True,
        ),
        ({"maturity_date": "2026-01-01"}, {"matures_after": "2027-01-01"}, False),
        ({"price": True}, {"max_price": 0}, True),
        ({"price": "cheap"}, {"max_price": 5}, True),
        ({"price": 6}, {"max_price": "cheap"}, True),
        ({"account_id": 7}, {"to_account_id": 5}, True),
        ({"distance_m": 900}, {"radius_km": 1}, True),
    ],
)
def test_what_lies_between_bounds(fields: dict[str, Any], arguments: dict[str, Any], inside: bool) -> None:
    assert within(fields, bounds_of(arguments)) is inside


RENDER = {
    "render_id": {"type": "string"},
    "timeline_id": {"type": "string"},
    "resolution": {"type": "string"},
    "percent": {"type": "integer"},
}
TIMELINE = {"timeline_id": {"type": "string"}, "title": {"type": "string"}}


def test_what_an_act_begins_is_new_and_can_be_read_back() -> None:
    made = (
        tool("create_timeline", "title", TIMELINE, title="string"),
        tool("start_render", "timeline_id resolution", RENDER, timeline_id="string", resolution="string"),
        tool("get_render", "render_id", RENDER, render_id="string"),
    )
    hand = Hand({t.name: t for t in made})
    timeline = hand("create_timeline", title="Spring")["timeline_id"]
    first = hand("start_render", timeline_id=timeline, resolution="1080p")
    second = hand("start_render", timeline_id=timeline, resolution="720p")
    assert first["render_id"] != second["render_id"], "two renders were begun under one identifier"
    assert hand("get_render", render_id=first["render_id"]) == first
    assert hand("get_render", render_id=second["render_id"]) == second
    assert first["timeline_id"] == timeline
    assert hand.world.changes()["render"].keys() == {first["render_id"], second["render_id"]}


def test_dates_in_the_series_are_dates() -> None:
    for row in Hand(rooms())("list_means", start_date="2026-12-30", end_date="2027-01-02")["means"]:
        day = datetime.date.fromisoformat(row["date"])
        assert datetime.date(2026, 12, 30) <= day <= datetime.date(2027, 1, 2)
