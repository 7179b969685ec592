"""Worlds: what a pack's tools return and change, the clock, setting back, and that nothing depends on anything else."""

from __future__ import annotations

from pathlib import Path

import pytest

from tdlab.errors import PackError
from tdlab.worlds import World, load_pack
from tests.worlds.packs import WORLD, write_pack


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(load_pack(write_pack(tmp_path / "lending")), seed=1)


def test_results_have_the_shape_of_the_output_schema(world: World) -> None:
    outcome = world.call("find_books", {"title": "blue", "limit": 5})
    assert outcome.ok
    assert {book["title"] for book in outcome.value["books"]} == {"The Blue Lamp", "The Blue Harbour", "The Blue Door"}
    assert all(isinstance(book["on_loan"], bool) for book in outcome.value["books"]), "0 and 1 are booleans here"


def test_pages_follow_one_another_and_end(world: World) -> None:
    first = world.call("find_books", {"title": "blue"}).value
    assert len(first["books"]) == 2
    second = world.call("find_books", {"title": "blue", "cursor": first["next_cursor"]}).value
    assert len(second["books"]) == 1
    assert second["next_cursor"] is None
    assert not {b["book_id"] for b in first["books"]} & {b["book_id"] for b in second["books"]}


@pytest.mark.parametrize("cursor", ["p99", "2", "'; DROP TABLE books", ""])
def test_a_cursor_that_was_never_given_is_an_error(world: World, cursor: str) -> None:
    assert world.call("find_books", {"title": "blue", "cursor": cursor}).code == "invalid_arguments"


def test_a_precondition_that_does_not_hold_is_the_documented_error(world: World) -> None:
    lent = world.query("SELECT book_id, due FROM loans")[0]
    outcome = world.call("lend", {"book_id": lent["book_id"], "reader": "Ada"})
    assert outcome.code == "on_loan"
    assert outcome.message == f"{lent['book_id']} is lent until {lent['due']}.", "columns of the query fill the message"
    assert world.changes() == {}, "a failed call changes nothing"


def test_an_act_changes_rows_and_can_be_set_back(world: World) -> None:
    before = world.tables()
    free = world.query("SELECT book_id FROM books WHERE book_id NOT IN (SELECT book_id FROM loans)")[0]["book_id"]
    outcome = world.call("lend", {"book_id": free, "reader": "Ada"})
    loan = outcome.value["loan_id"]
    assert world.changes()["loans"][loan]["reader"] == "Ada"
    world.reset()
    assert world.tables() == before
    assert world.changes() == {}


def test_the_clock_moves_with_every_call_and_not_by_itself(world: World) -> None:
    moments = [world.clock.now]
    for _ in range(3):
        world.call("find_books", {"title": "blue"})
        moments.append(world.clock.now)
    assert moments == sorted(set(moments))
    world.look("find_books", {"title": "blue"})
    assert world.clock.now == moments[-1]


def test_an_attempt_that_fails_leaves_no_trace(world: World) -> None:
    free = world.query("SELECT book_id FROM books WHERE book_id NOT IN (SELECT book_id FROM loans)")[0]["book_id"]
    now = world.clock.now

    def lend_and_fail() -> None:
        with world.attempt():
            world.call("lend", {"book_id": free, "reader": "Ada"})
            raise KeyError(free)

    with pytest.raises(KeyError):
        lend_and_fail()
    assert world.changes() == {}
    assert world.clock.now == now


def test_the_same_seed_is_the_same_world_and_another_seed_another(tmp_path: Path) -> None:
    pack = load_pack(write_pack(tmp_path / "lending"))
    assert World(pack, 1).tables() == World(pack, 1).tables()
    assert World(pack, 1).tables() != World(pack, 2).tables()


def test_nothing_depends_on_the_order_in_which_rows_are_found(tmp_path: Path) -> None:
    pack = load_pack(write_pack(tmp_path / "lending"))
    assert World(pack, 1).tables() == World(pack, 1, reverse=True).tables()


def test_an_invariant_that_is_broken_is_named(world: World) -> None:
    assert world.broken() == ()
    world.happen("INSERT INTO loans SELECT 'ln_x', book_id, 'Bo', '2026-01-01' FROM loans LIMIT 1", {})
    assert world.broken() == ("a book is lent once",)


def test_a_population_that_breaks_a_constraint_is_refused(tmp_path: Path) -> None:
    twice = WORLD.replace("digits(4, 'book', n)", "'0001'")
    pack = load_pack(write_pack(tmp_path / "lending", world=twice))
    with pytest.raises(PackError, match=r"world\.sql:9.*UNIQUE.*\[constraints\]"):
        World(pack, 1)
