"""The simulated world is consistent: a created entity can be read, found, changed and deleted, and then it is gone."""

from __future__ import annotations

import pytest

from tdlab.records import SeedEntity
from tdlab.tools.schema import compile_schema
from tests.rollout.worlds import NOTES, Hand, files, notes, tool, with_errors


@pytest.fixture(params=[True, False], ids=["declared outputs", "no outputs declared"])
def hand(request: pytest.FixtureRequest) -> Hand:
    return Hand(notes(declared=request.param))


def ids(listing: dict[str, list[dict[str, str]]]) -> list[str]:
    return [note["note_id"] for note in listing["notes"]]


def test_the_whole_life_of_an_entity(hand: Hand) -> None:
    made = hand("create_note", text="buy rye")
    note = made["note_id"]
    assert made["text"] == "buy rye"
    assert hand("get_note", note_id=note)["note_id"] == note
    assert note in ids(hand("list_notes")), "what was created is not listed"
    assert hand("update_note", note_id=note, text="buy oats")["text"] == "buy oats"
    assert hand.world.changes()["note"][note]["text"] == "buy oats"
    hand("delete_note", note_id=note)
    assert hand.fails("get_note", note_id=note)["code"] == "note_not_found"
    assert hand.fails("update_note", note_id=note, text="again")["code"] == "note_not_found"
    assert hand.fails("delete_note", note_id=note)["code"] == "note_not_found"
    assert note not in ids(hand("list_notes")), "what was deleted is still listed"
    assert hand.world.changes()["note"] == {note: None}


def test_a_change_is_seen_by_every_tool() -> None:
    hand = Hand(notes(declared=True))
    note = hand("create_note", text="buy rye")["note_id"]
    hand("update_note", note_id=note, text="buy oats")
    assert hand("get_note", note_id=note)["text"] == "buy oats"
    listed = {entry["note_id"]: entry for entry in hand("list_notes")["notes"]}
    assert listed[note] == hand("get_note", note_id=note), "the list and the note itself disagree"


def test_several_are_deleted_at_once(hand: Hand) -> None:
    first, second = hand("create_note", text="one")["note_id"], hand("create_note", text="two")["note_id"]
    kept = hand("create_note", text="three")["note_id"]
    hand("delete_notes", note_ids=[first, second])
    assert hand.world.changes()["note"][first] is None
    assert hand.world.changes()["note"][second] is None
    assert kept in ids(hand("list_notes"))
    assert hand.fails("get_note", note_id=second)["code"] == "note_not_found"


def test_what_is_known_by_its_path_lives_and_dies_too() -> None:
    hand = Hand(files())
    hand("create_file", path="/a.txt", content="first")
    assert hand("read_file", path="/a.txt")["content"] == "first"
    hand("update_file", path="/a.txt", content="second")
    assert hand("read_file", path="/a.txt")["content"] == "second"
    hand("delete_file", path="/a.txt")
    assert hand.fails("read_file", path="/a.txt")["code"] == "file_not_found"
    assert hand.world.changes()["file"] == {"/a.txt": None}
    hand("create_file", path="/a.txt", content="third")
    assert hand("read_file", path="/a.txt")["content"] == "third"


def test_what_a_rollout_is_told_of_exists_before() -> None:
    hand = Hand(notes(declared=True), SeedEntity(entity="note", id="n-1", fields={"text": "from before"}))
    assert hand("get_note", note_id="n-1")["text"] == "from before"
    assert "n-1" in ids(hand("list_notes"))
    assert hand.world.changes() == {}


def test_an_unknown_identifier_is_an_error_in_the_tools_own_words() -> None:
    tools = notes(declared=True)
    tools["get_note"] = with_errors(tools["get_note"], note_not_found="No note is filed under {note_id}.")
    hand = Hand(tools)
    assert hand.fails("get_note", note_id="n-404") == {
        "code": "note_not_found",
        "message": "No note is filed under n-404.",
    }
    assert "n-404" in hand.fails("update_note", note_id="n-404", text="x")["message"]


def test_the_state_that_an_output_fixes_persists() -> None:
    hand = Hand(notes(declared=True))
    note = hand("create_note", text="buy rye")["note_id"]
    assert hand("archive_note", note_id=note)["status"] == "archived"
    assert hand("get_note", note_id=note)["status"] == "archived"
    hand("update_note", note_id=note, text="more")
    assert hand.world.changes()["note"][note]["status"] in ("archived", "updated")


def test_a_verb_leaves_its_state_where_the_schema_lists_it() -> None:
    status = {"type": "string", "enum": ["open", "cancelled", "paid"]}
    fields = {"order_id": {"type": "string"}, "status": status}
    made = (
        tool("get_order", "order_id", fields, order_id="string"),
        tool("cancel_order", "order_id", fields, order_id="string"),
        tool("pay_order", "order_id", fields, order_id="string"),
    )
    hand = Hand({t.name: t for t in made}, SeedEntity(entity="order", id="o1"), SeedEntity(entity="order", id="o2"))
    assert hand("cancel_order", order_id="o1")["status"] == "cancelled"
    assert hand("get_order", order_id="o1")["status"] == "cancelled"
    assert hand("pay_order", order_id="o2")["status"] == "paid"
    assert hand("get_order", order_id="o2")["status"] == "paid"


def test_reading_changes_nothing_and_tells_the_same_twice(hand: Hand) -> None:
    listed = hand("list_notes")
    assert hand("list_notes") == listed
    note = ids(listed)[0]
    assert hand("get_note", note_id=note) == hand("get_note", note_id=note)
    assert hand("list_notes", limit=1)["notes"] == listed["notes"][:1]
    assert hand.world.changes() == {}


def test_a_list_and_a_look_agree_on_what_was_never_set() -> None:
    hand = Hand(notes(declared=True))
    for entry in hand("list_notes")["notes"]:
        assert hand("get_note", note_id=entry["note_id"]) == entry


def test_pages_hold_everything_once() -> None:
    hand = Hand(notes(declared=True))
    for n in range(7):
        hand("create_note", text=f"note {n}")
    everything = ids(hand("list_notes"))
    assert len(everything) >= 7
    by_cursor, cursor = [], None
    while True:
        page = hand("list_notes", limit=3, **({"cursor": cursor} if cursor else {}))
        assert len(page["notes"]) <= 3, "the limit was not kept to"
        assert page["total"] == len(everything)
        by_cursor += ids(page)
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert by_cursor == everything
    by_offset = [i for start in range(0, len(everything), 2) for i in ids(hand("list_notes", limit=2, offset=start))]
    assert by_offset == everything
    by_page = [i for number in (1, 2, 3, 4) for i in ids(hand("list_notes", limit=4, page=number))]
    assert by_page == everything
    assert "never given out" in hand.fails("list_notes", cursor="elsewhere")["message"]


def test_a_search_finds_what_it_was_asked_for() -> None:
    fields = {"item_id": {"type": "string"}, "title": {"type": "string"}, "price": {"type": "number"},
              "starts_at": {"type": "string", "format": "date-time"}, "kind": {"type": "string"}}  # fmt: skip
    output = {"items": {"type": "array", "items": {"type": "object", "properties": fields}}}
    search = tool(
        "search_items", "", output, query="string", min_price="number", max_price="number", start_date="string",
        end_date="string", kind="string",
    )  # fmt: skip
    hand = Hand({"search_items": search})
    found = hand(
        "search_items", query="oak desk", min_price=10, max_price=20, kind="used", start_date="2026-05-01",
        end_date="2026-05-09",
    )["items"]  # fmt: skip
    assert found
    for item in found:
        assert "oak desk" in item["title"]
        assert 10 <= item["price"] <= 20
        assert item["kind"] == "used"
        assert "2026-05-01" <= item["starts_at"][:10] <= "2026-05-09"
    other = hand("search_items", query="pine shelf")["items"]
    assert not {i["item_id"] for i in found} & {i["item_id"] for i in other}, "another search found the same items"


def test_what_was_added_inside_is_shown_inside() -> None:
    step = {"step_id": {"type": "string"}, "label": {"type": "string"}}
    whole = {"plan_id": {"type": "string"}, "steps": {"type": "array", "items": {"type": "object", "properties": step}}}
    made = (
        tool("create_plan", "title", {"plan_id": {"type": "string"}}, title="string"),
        tool("add_step", "plan_id label", {**step, "plan_id": {"type": "string"}}, plan_id="string", label="string"),
        tool("get_plan", "plan_id", whole, plan_id="string"),
    )
    hand = Hand({t.name: t for t in made})
    plan = hand("create_plan", title="move")["plan_id"]
    added = [hand("add_step", plan_id=plan, label=label)["step_id"] for label in ("pack", "carry")]
    assert [s["step_id"] for s in hand("get_plan", plan_id=plan)["steps"]] == added
    assert [s["label"] for s in hand("get_plan", plan_id=plan)["steps"]] == ["pack", "carry"]


def test_settings_that_there_are_only_one_of_are_read_back() -> None:
    fields = {"theme": {"type": "string"}, "font": {"type": "string"}}
    made = (tool("update_preferences", "theme", fields, theme="string"), tool("get_preference", "", fields))
    hand = Hand({t.name: t for t in made})
    hand("update_preferences", theme="dark")
    assert hand("get_preference")["theme"] == "dark"


def test_invalid_arguments_are_an_error_and_change_nothing() -> None:
    hand = Hand(notes(declared=True))
    assert hand.fails("create_note", text=5)["code"] == "invalid_arguments"
    assert hand.fails("create_note")["code"] == "invalid_arguments"
    assert hand.world.changes() == {}


def test_two_worlds_of_one_seed_are_the_same_and_of_two_seeds_are_not() -> None:
    first, again, other = (Hand(notes(declared=True), seed=seed)("list_notes") for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_results_fit_the_schema_that_is_declared() -> None:
    hand = Hand(notes(declared=True))
    assert compile_schema({"type": "object", "properties": NOTES}).errors(hand("list_notes")) == ()


def test_a_call_that_went_well_reports_no_failure() -> None:
    output = {
        "error": {"type": ["string", "null"]}, "error_message": {"type": "string"}, "errors": {"type": "array"},
        "successful": {"type": "boolean"}, "ok": {"type": "boolean"}, "error_rate": {"type": "number"},
    }  # fmt: skip
    hand = Hand({"run_report": tool("run_report", "", output)})
    answer = hand("run_report")
    assert {k: answer[k] for k in ("error", "error_message", "errors", "successful", "ok")} == {
        "error": None, "error_message": "", "errors": [], "successful": True, "ok": True,
    }  # fmt: skip
    assert isinstance(answer["error_rate"], (int, float)), "a measure is no report of the call itself"
