"""Check that `check_pack` finds what is wrong with a pack, with file, line and rule; and ``tdlab packs``."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tdlab.errors import PackError, SchemaError
from tdlab.tasks import PackReport, check_pack, read_frames
from tdlab.worlds import ServicePack, load_pack
from tests.jobs import in_process
from tests.tasks.lending import TASKS
from tests.worlds.packs import TOOLS, WORLD, write_pack


def report_of(folder: Path, *, world: str = WORLD, tasks: str = TASKS, tools: object = TOOLS) -> PackReport:
    return check_pack(load_pack(write_pack(folder / "lending", world=world, tasks=tasks, tools=tools)), seeds=3)


def changed(text: str, old: str, new: str) -> str:
    assert text.count(old) >= 1, old
    return text.replace(old, new, 1)


def with_tools(change: Callable[[dict[str, Any], dict[str, Any]], None]) -> dict[str, Any]:
    """The tools after a change of find_books and lend."""
    tools: dict[str, Any] = copy.deepcopy(TOOLS)
    change(*tools["tools"])
    return tools


def test_a_sound_pack_passes_and_every_frame_and_twist_is_counted(tmp_path: Path) -> None:
    report = report_of(tmp_path)
    assert report.errors == ()
    assert report.service == "lending"
    assert report.solved == dict.fromkeys(("borrow", "borrow/lent_out", "is_it_there", "what_is_there"), (3, 3))


@pytest.mark.parametrize(
    ("old", "new", "rule", "words", "near"),
    [
        # what can be seen without running it
        ("act: [{lend: [book_id, reader]}]", "act: [{lend: [book_id, reader, shelf]}]", "frames",
         "lend has no parameter 'shelf'", "act: [{lend"),
        ("act: [{lend: [book_id, reader]}]", "act: [{lend: [book_id]}]", "frames", "lend needs 'reader'",
         "act: [{lend"),
        ("act: [{lend: [book_id, reader]}]", "act: [{give: [book_id, reader]}]", "frames", "there is no tool 'give'",
         "act: [{give"),
        ("    goal: SELECT 1 FROM loans WHERE book_id = :book_id AND reader = :reader\n", "", "goals",
         "borrow has an act alone", "  borrow:"),
        ("    tell: [on_loan]\n", "", "frames", "is_it_there neither acts nor tells", "  is_it_there:"),
        ("meets: lend on_loan", "meets: lend lost", "frames", "lend documents no error 'lost'", "      lent_out:"),
        ("meets: lend on_loan", "meets: give on_loan", "frames", "there is no tool 'give'", "      lent_out:"),
        ('reply: ["All right, I have lent you nothing."]', "reply: []", "utterances", "stops without a reply",
         "          - stop: true"),
        ("- frame: is_it_there", "- frame: is_it_here", "frames", "there is no frame 'is_it_here'",
         "- frame: is_it_here"),
        ('      - "My daughter needs {title} for school."\n', "", "utterances", "borrow has 4 openings", "    open:"),
        # words
        ("Is {title} on the shelf right now?", "Is it {title on the shelf?", "utterances", "is no slot",
         "Is it {title"),
        ("Is {title} on the shelf right now?", "Is {title:book} there?", "utterances", "there is no form 'book'",
         "Is {title:book}"),
        ("Is {title} on the shelf right now?", "TODO {title}?", "utterances", "placeholder text", "TODO"),
        # what running it shows
        ("goal: SELECT 1 FROM loans WHERE book_id = :book_id AND reader = :reader", "goal: SELECT 1", "goals",
         "the goal of borrow holds before the start", "goal: SELECT 1"),
        ("goal: SELECT 1 FROM loans WHERE book_id = :book_id AND reader = :reader", "goal: SELECT 1 WHERE false",
         "goals", "the goal does not hold after borrow", "goal: SELECT 1"),
        ("SELECT book_id, title FROM books b WHERE NOT", "SELECT book_id, title FROM books b WHERE false AND NOT",
         "solved", "borrow is solved on 0 of 3 seeds: the world has no target for it", "  borrow:"),
        ("SELECT b.book_id, b.title FROM books b JOIN loans", "SELECT b.book_id, b.title FROM books b LEFT JOIN loans",
         "solved", "lend gives a result, not on_loan", "      lent_out:"),
        ("slots:\n  reader:", "slots:\n  readers:", "frames", "borrow needs 'reader', which not every",
         "    act: [{lend"),
        ("tell: [due]", "tell: [due, loan_id]", "utterances", "does not say loan_id", "It is yours until"),
        ("{if on_loan}No, {title} is out.{else}Yes, {title} is here.{end}", "{if on_loan}No{else}Yes{end}, {titel}.",
         "utterances", "has the unknown slot 'titel'", "{if on_loan}No{else}Yes{end}, {titel}."),
    ],
)  # fmt: skip
def test_a_fault_of_the_frames_is_found(tmp_path: Path, old: str, new: str, rule: str, words: str, near: str) -> None:
    tasks = changed(TASKS, old, new)
    errors = report_of(tmp_path, tasks=tasks).errors
    fitting = [error for error in errors if error.rule == rule and words in str(error)]
    assert fitting, [str(error) for error in errors]
    assert fitting[0].file == str(tmp_path / "lending" / "tasks.yaml")
    line = tasks[: tasks.index(near)].count("\n") + 1
    assert fitting[0].line == line, str(fitting[0])
    assert f"tasks.yaml:{line}" in str(fitting[0])
    assert "tdlab packs check" in str(fitting[0])


def test_an_unknown_slot_of_one_opening_is_found(tmp_path: Path) -> None:
    tasks = changed(TASKS, "Is {title} on the shelf right now?", "Is {titel} on the shelf right now?")
    errors = report_of(tmp_path, tasks=tasks).errors
    assert [error.rule for error in errors] == ["utterances"]
    assert "titel" in str(errors[0])


def test_six_words_in_a_row_belong_to_one_frame(tmp_path: Path) -> None:
    tasks = changed(TASKS, "My daughter needs {title} for school.", "{title}: my teacher told me about it once.")
    tasks = changed(tasks, "Quick question about {title}, lent or not?", "So, my Teacher told me about it: {title}?")
    (error,) = report_of(tmp_path, tasks=tasks).errors
    assert error.rule == "utterances"
    assert "'my teacher told me about it' is said in borrow as well" in str(error)
    assert error.line == tasks[: tasks.index("So, my Teacher")].count("\n") + 1
    five = changed(tasks, "told me about it:", "told me of it:")
    assert report_of(tmp_path, tasks=five).errors == ()


FOLLOWS = "        carry: {title: title}\n"
TWIST = "        meets: lend on_loan\n"
DONE = '"There are {each books and 5}{title}{end}."'
GOAL = "goal: SELECT 1 FROM loans WHERE book_id = :book_id AND reader = :reader"
TELL = "    tell: [books]\n"
SHELF = "Is {title} on the shelf right now?"
DEEP = "[" * 30 + "x" + "]" * 30


@pytest.mark.parametrize(
    ("old", "new", "rule", "words", "near"),
    [
        # texts outside of openings and replies
        ('"It\'s for {reader}."', '"For {reader:book}."', "utterances", "there is no form 'book'", "    tell: ["),
        ('"It\'s for {reader}."', '"For <{reader}."', "utterances", "'<' is not closed", "    tell: ["),
        ('"It\'s for {reader}."', '"{reader.__class__}"', "utterances", "slot 'reader.__class__'", "    tell: ["),
        ("ask: who is borrowing it", "ask: who {is", "utterances", "has brackets", "    ask: who {is"),
        ("wish: borrow a book", "wish: borrow {title}", "utterances", "has brackets", "    wish: borrow {title}"),
        ("wish: buy a book", "wish: buy <a|b", "utterances", "has brackets", "  - wish: buy <a"),
        ("Could I buy a copy from you?", "Could I buy <a copy?", "utterances", "not closed", "    say: [\"Could"),
        ("Could I buy a copy from you?", "Could I buy {title}?", "utterances", "unknown slot", "    say: [\"Could"),
        ("We only lend books, I", "We lend {title:zorb}, I", "utterances", "no form 'zorb'", "    reply: [\"We lend"),
        ("terms: {}", "terms:\n  title: {Night Ferry: [\"{0.__class__}\"]}", "utterances", "has brackets",
         "  title: {Night"),
        (TELL, TELL + "    takes: {note: {facts: {title: title}, say: [\"<Find {title}\"]}}\n", "utterances",
         "'<' is not closed", "    takes:"),
        (TELL, TELL + "    gives: {note: {title: \"On {titel}\"}}\n", "utterances", "unknown slot 'titel'",
         "    gives:"),
        # slots
        ("Somebody else has {title} at", "Somebody else has {titel} at", "utterances", "unknown slot 'titel'",
         "        reply: [\"Somebody"),
        ("And is {title} marked", "And is {titel} marked", "utterances", "unknown slot 'titel'",
         "        say: [\"And is"),
        ("Bring it back by {due:day}", "Bring it back by {duo:day}", "utterances", "unknown slot 'duo'",
         "      - \"Done. Bring"),
        (DONE, '"There are {each novels and 5}{title}{end}."', "utterances", "unknown slot 'novels'",
         "      - \"There are"),
        (DONE, '"There are {each books and 5}{shelf}{end}."', "utterances", "unknown slot 'shelf'",
         "      - \"There are"),
        (SHELF, "Is {title:clock} in?", "utterances", "the form 'clock' of title cannot say",
         "      - \"Is {title:clock"),
        (DONE, '"There are {each books and 5}{title:people}{end}."', "utterances", "'people' of title cannot say",
         "      - \"There are"),
        (SHELF, "Is {title:last x} in?", "utterances", "takes a number from 1 to 20", "      - \"Is {title:last"),
        (SHELF, "Is {title:last 99999999999} in?", "utterances", "a number from 1 to 20", "      - \"Is {title:last"),
        ("{each books and 5}", "{each books and 99999999999999999999}", "utterances", "a number from 1 to 100",
         "      - \"There are"),
        (SHELF, " ", "utterances", "an empty text", "      - \" \""),
        ("Done. Bring it back by {due:day}, please.", "Done. Bring it back.", "utterances", "does not say due",
         "      - \"Done. Bring"),
        # how deep, how long
        (SHELF, DEEP, "utterances", "nested more than 20 deep", "      - \"[[["),
        (SHELF, "x" * 4001, "utterances", "it has 4,001 characters", "      - \"xxx"),
        (SHELF, "<a|b> " * 101, "utterances", "more than 100 alternatives", "      - \"<a|b>"),
        (SHELF, "<script> {title}?", "utterances", "hold no alternatives", "      - \"<script>"),
        (DONE, '"{each books}{each books}{title}{end}{end}"', "utterances", "stands inside {each books}",
         "      - \"{each books}{each"),
        # characters that cannot be seen
        (SHELF, "Is {title} \\e[31m there?", "utterances", "the character U+001B", "      - \"Is {title} \\e"),
        (SHELF, "Is {title} \\u202e there?", "utterances", "the character U+202E", "      - \"Is {title} \\u"),
        (SHELF, "Is {title} \\0 there?", "utterances", "the character U+0000", "      - \"Is {title} \\0"),
        # what is not there
        (TELL, TELL + "    takes: {parcel: {facts: {title: title}, say: [\"Find {title}\"]}}\n", "frames",
         "nothing of the kind 'parcel'", "    takes:"),
        (TELL, TELL + "    takes: {note: {facts: {title: name}, say: [\"Find {title}\"]}}\n", "frames",
         "note has no field 'name'", "    takes:"),
        (TELL, TELL + "    takes: {note: {facts: {titel: title}, say: [\"Find {title}\"]}}\n", "frames",
         "'titel' is no fact of what_is_there", "    takes:"),
        (TELL, TELL + "    takes: {note: {facts: {title: title}, domains: [books], say: [\"Find {title}\"]}}\n",
         "frames", "there is no domain 'books'", "    takes:"),
        (TELL, TELL + "    gives: {parcel: {title: title}}\n", "frames", "of the kind 'parcel'", "    gives:"),
        (TELL, TELL + "    gives: {note: {title: titel}}\n", "frames", "'titel' is no fact of", "    gives:"),
        (FOLLOWS, "        carry: {title: colour}\n", "frames", "'colour' is no fact of borrow", FOLLOWS[:15]),
        (FOLLOWS, "        carry: {colour: title}\n", "frames", "'colour' is no fact of is_it_there", FOLLOWS[:15]),
        (FOLLOWS, FOLLOWS + "        when: colour\n", "frames", "'colour' is no fact of borrow", "      - frame: is"),
        ("terms: {}", "terms: {}\nimplies: {colour: [title]}", "frames", "no frame has the fact 'colour'", "implies:"),
        ("terms: {}", "terms: {}\nimplies: {title: [colour]}", "frames", "no frame has the fact 'colour'", "implies:"),
        ("slots:\n", "slots:\n  colour: {ask: which colour, tell: [\"{colour}.\"]}\n", "frames",
         "no frame has the fact 'colour'", "  colour:"),
        (TWIST, TWIST + "        happens: {before: bake, sql: DELETE FROM loans}\n", "frames",
         "there is no tool 'bake'",
         "        happens:"),
        (TWIST, TWIST + "        happens: {before: find_books, sql: DELETE FROM loans}\n", "frames",
         "it happens before find_books", "        happens:"),
        (TWIST, TWIST + "        happens: {before: lend, sql: SELECT 1}\n", "frames", "what happens changes nothing",
         "        happens:"),
        (TWIST, TWIST + "        happens: {before: lend, sql: \"DELETE FROM loans WHERE reader = :colour\"}\n",
         "parameters", "unknown parameter :colour", "        happens:"),
        (TWIST, TWIST + "        happens: {before: lend, sql: DELETE FROM shelves}\n", "sql", "no such table: shelves",
         "        happens:"),
        ("stop: true\n", "stop: true\n            frame: is_it_there\n", "frames", "in two ways at once",
         "          - stop: true"),
        (TELL, TELL + "    choose: {novels: [{by: ask, offer: [\"Which?\"], say: [\"{title}\"]}]}\n", "frames",
         "no tool returns a list 'novels'", "    choose:"),
        (TELL, TELL + "    choose: {books: [{by: nicest title, say: [\"{title}\"]}]}\n", "frames", "by: nicest title",
         "    choose:"),
        (TELL, TELL + "    choose: {books: [{by: same title, say: [\"{title}\"]}]}\n", "frames",
         "books has 0 ways by: ask", "    choose:"),
        (TELL, TELL + "    choose: {books: [{by: ask, say: [\"{title}\"]}]}\n", "frames", "by: ask without offer",
         "    choose:"),
        ("act: [{lend: [book_id, reader]}]", "act: [{lend: [book_id, reader], find_books: [title]}]", "frames",
         "2 tools in one act", "    act:"),
        ("reader: name}", "reader: shoe_size}", "frames", "a user has no 'shoe_size'", "    user:"),
        ("terms: {}", "terms: {}\nroles: []", "frames", "there are no roles", "roles:"),
        (TASKS[TASKS.index("beyond:") :], "beyond: []\n", "frames", "no wish goes beyond", "beyond:"),
        ("tell: [books]", "tell: [books, colour]", "frames", "what_is_there has no fact 'colour'",
         "    tell: [books, c"),
        # words for values
        ("terms: {}", "terms: {on_loan: {maybe: [perhaps]}}", "terms", "on_loan is never 'maybe'", "terms:"),
        # names
        ("  is_it_there:\n    wish", "  ../../x:\n    wish", "names", "the name '../../x'", "  ../../x:"),
        ("  is_it_there:\n    wish", "  7:\n    wish", "names", "the name '7'", "  7:"),
        ("  is_it_there:\n    wish", "  null:\n    wish", "names", "the name 'null'", "  null:"),
        ("  is_it_there:\n    wish", "  yes:\n    wish", "names", "the name 'yes'", "  yes:"),
        ("      lent_out:", "      lent-out:", "names", "the name 'lent-out'", "      lent-out:"),
        # queries
        (GOAL, "goal: SELECT 1 FROM loans WHERE book_id = :book", "parameters", "unknown parameter :book", "    goal:"),
        ("target: SELECT 'blue' AS title", "target: SELECT titel FROM books", "sql", "no such column: titel",
         "    target: SELECT titel"),
        ("target: SELECT 'blue' AS title", "target: SELECT :title AS title", "parameters", "parameter :title",
         "    target: SELECT :title"),
        (GOAL, "goal: SELECT 1 FROM shelves", "sql", "no such table: shelves", "    goal:"),
        ("lend book_not_found:", "give book_not_found:", "reached", "there is no tool 'give'", "  give book_not_found"),
        ("lend book_not_found:", "lend book_lost:", "reached", "lend documents no error 'book_lost'",
         "  lend book_lost"),
    ],
)  # fmt: skip
def test_what_a_pack_says_of_what_is_not_there_is_found(
    tmp_path: Path, old: str, new: str, rule: str, words: str, near: str
) -> None:
    tasks = changed(TASKS, old, new)
    errors = report_of(tmp_path, tasks=tasks).errors
    fitting = [error for error in errors if error.rule == rule and words in str(error)]
    assert fitting, [str(error) for error in errors]
    assert fitting[0].file == str(tmp_path / "lending" / "tasks.yaml")
    assert fitting[0].line == tasks[: tasks.index(near)].count("\n") + 1, str(fitting[0])
    assert fitting[0].expected


def a_list(find: dict[str, Any], lend: dict[str, Any]) -> None:
    lend["inputSchema"]["properties"]["tags"] = {"type": "array", "items": {"type": "string"}}


def three_states(find: dict[str, Any], lend: dict[str, Any]) -> None:
    row = find["outputSchema"]["properties"]["books"]["items"]["properties"]
    row["on_loan"] = {"type": ["string", "integer"], "enum": ["out", "in", "lost", 0, 1]}


def test_arguments_under_reach_that_are_no_json_are_found(tmp_path: Path) -> None:
    tasks = changed(TASKS, "'bk_none' AS book_id", "'bk_none' AS book_id, '[' AS tags")
    world = changed(WORLD, "WHERE NOT EXISTS (SELECT 1 FROM books WHERE book_id = :book_id)", "WHERE false")
    world = changed(world, "book_id TEXT NOT NULL REFERENCES books,\n", "book_id TEXT NOT NULL,\n")
    errors = report_of(tmp_path, tasks=tasks, world=world, tools=with_tools(a_list)).errors
    (error,) = [error for error in errors if error.rule == "reached"]
    assert "a list or an object that is no JSON" in str(error)
    assert error.line == tasks[: tasks.index("  lend book_not_found")].count("\n") + 1


def test_a_value_without_words_and_one_said_as_it_is_are_found(tmp_path: Path) -> None:
    tools = with_tools(three_states)
    done = changed(TASKS, "{each books and 5}{title}{end}", "{each books and 5}{title}, {on_loan}{end}")
    (error,) = report_of(tmp_path, tasks=done, tools=tools).errors
    assert "says on_loan, one of 0, 1, in, lost, out, as it is" in str(error)
    assert error.rule == "terms"
    some = changed(done, "terms: {}", "terms: {on_loan: {out: [lent], in: [here], '0': [here], '1': [lent]}}")
    (error,) = report_of(tmp_path, tasks=some, tools=tools).errors
    assert "on_loan has no words for 'lost'" in str(error)


@pytest.mark.parametrize("name", ["../../x", "/tmp/x", "a\x1b[31m", "x" * 81, "Lending Library"])
def test_a_service_without_a_plain_name_is_found(tmp_path: Path, name: str) -> None:
    try:
        errors = report_of(tmp_path, tools={**TOOLS, "server": name}).errors
    except PackError as error:  # refused when it is loaded
        errors = (error,)
    assert errors
    assert "\x1b" not in str(errors[0])
    assert "tools.json" in str(errors[0])


def test_a_fault_that_every_call_shows_is_told_once_with_a_count(tmp_path: Path) -> None:
    errors = report_of(tmp_path, tools=with_tools(other_output)).errors
    assert len(errors) == 1
    assert re.search(r"lend returns \$\.due.*\(and \d+ more like it\)", str(errors[0]))
    assert errors[0].line == WORLD[: WORLD.index("--- error book_not_found")].count("\n") + 2


def lost_mark(find: dict[str, Any], lend: dict[str, Any]) -> None:
    lend["_meta"]["tdlab/errors"].append({"code": "closed", "message": "Closed."})


def says_reading(find: dict[str, Any], lend: dict[str, Any]) -> None:
    lend["annotations"]["readOnlyHint"] = True


def says_writing(find: dict[str, Any], lend: dict[str, Any]) -> None:
    find["annotations"]["readOnlyHint"] = False


def other_output(find: dict[str, Any], lend: dict[str, Any]) -> None:
    lend["outputSchema"]["properties"]["due"]["pattern"] = "^2027"


@pytest.mark.parametrize(
    ("change", "rule", "words"),
    [
        (lost_mark, "reached", "lend documents closed and never raises it"),
        (says_reading, "reading", "lend says readOnlyHint and changes loans"),
        (says_writing, "reading", "find_books does not say readOnlyHint and changes nothing"),
        (other_output, "results", "lend returns $.due"),
    ],
)
def test_a_world_that_is_not_what_its_tools_say_is_found(
    tmp_path: Path, change: Callable[[dict[str, Any], dict[str, Any]], None], rule: str, words: str
) -> None:
    errors = report_of(tmp_path, tools=with_tools(change)).errors
    assert {error.rule for error in errors} == {rule}
    assert all(words in str(error) for error in errors)
    assert all(error.file == str(tmp_path / "lending" / "world.sql") for error in errors)
    assert all(error.line and error.expected for error in errors)


def test_an_error_that_cannot_occur_is_found(tmp_path: Path) -> None:
    world = changed(WORLD, "WHERE NOT EXISTS (SELECT 1 FROM books WHERE book_id = :book_id)", "WHERE false")
    world = changed(world, "book_id TEXT NOT NULL REFERENCES books,\n", "book_id TEXT NOT NULL,\n")
    errors = report_of(tmp_path, world=world).errors
    (error,) = [error for error in errors if error.rule == "reached"]
    assert "the arguments under reach do not meet lend book_not_found" in str(error)
    assert error.line == TASKS[: TASKS.index("  lend book_not_found")].count("\n") + 1
    silent = changed(TASKS, "lend book_not_found: SELECT 'bk_none' AS book_id, 'Ada' AS reader", "{}")
    errors = report_of(tmp_path, world=world, tasks=silent).errors
    (error,) = [error for error in errors if error.rule == "reached"]
    assert "lend book_not_found was never reached" in str(error)
    assert "reach: {lend book_not_found: SELECT" in str(error.expected)


def test_an_invariant_that_breaks_after_a_call_is_found(tmp_path: Path) -> None:
    world = changed(WORLD, "SELECT due FROM loans WHERE book_id = :book_id;", "SELECT due FROM loans WHERE false;")
    errors = report_of(tmp_path, world=world).errors
    broken = [error for error in errors if error.rule == "invariants"]
    assert broken
    assert "a book is lent once" in str(broken[0])
    assert "after lend(" in str(broken[0])


def test_rows_in_no_stated_order_are_found(tmp_path: Path) -> None:
    titles = "[The Blue Lamp, The Blue Harbour, A Short Winter, Night Ferry, The Blue Door]"
    tasks = changed(TASKS, titles, "[Blue, Blue Lamp, Blue Door, Night Ferry Blue, A Blue Winter]")
    assert report_of(tmp_path, tasks=tasks).errors == ()
    errors = report_of(tmp_path, tasks=tasks, world=changed(WORLD, "ORDER BY title, book_id;", ";")).errors
    assert {error.rule for error in errors} == {"order"}
    assert "find_books({'title': 'Blue'" in str(errors[0])
    assert "ORDER BY over something unique" in str(errors[0].expected)


def test_a_population_in_no_stated_order_is_found(tmp_path: Path) -> None:
    world = changed(WORLD, "FROM numbers WHERE n <= 5 ORDER BY n;", "FROM numbers WHERE n <= 5;")
    errors = report_of(tmp_path, world=world).errors
    assert "order" in {error.rule for error in errors}
    assert any("the population depends on the order of rows" in str(error) for error in errors)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("    wish: borrow a book\n", "", "frames.borrow.wish"),
        ("    wish: borrow a book\n", "    wishes: 3\n    wish: borrow a book\n", "frames.borrow.wishes"),
        ("beyond:\n", "beyonds:\n", "beyonds"),
        ("        meets: lend on_loan\n", "", "frames.borrow.twists.lent_out.meets"),
    ],
)
def test_a_missing_or_unknown_key_is_named(tmp_path: Path, old: str, new: str, words: str) -> None:
    pack = load_pack(write_pack(tmp_path / "lending", tasks=changed(TASKS, old, new)))
    with pytest.raises(PackError, match=re.escape(words)) as caught:
        read_frames(pack)
    assert caught.value.rule == "frames"
    assert caught.value.line > 0
    assert [str(error) for error in check_pack(pack).errors] == [str(caught.value)]


# -- the command line


def test_packs_check_prints_each_pack_and_how_many_pass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    good = write_pack(tmp_path / "good", tasks=TASKS)
    status, out, err = in_process(monkeypatch, capsys, "packs", "check", good, "--seeds", "2")
    assert (status, err) == (0, "")
    assert "lending: 0 errors; 8 of 8 tasks solved" in out
    assert "1 of 1 packs pass" in out

    bad = write_pack(tmp_path / "bad", tasks=changed(TASKS, "[book_id, reader]", "[book_id, reader, shelf]"))
    broken = write_pack(tmp_path / "broken", tasks="lists: [")
    words = ("packs", "check", good, bad, broken, tmp_path / "none", "--seeds", "2")
    status, out, err = in_process(monkeypatch, capsys, *words)
    assert status == 1
    assert "lending: 3 errors; 0 of 0 tasks solved" in out
    assert "1 of 4 packs pass" in out
    line = TASKS[: TASKS.index("act: [{lend")].count("\n") + 1
    assert re.search(rf"bad/tasks\.yaml:{line}: lend has no parameter 'shelf' \[frames\]", err)
    assert re.search(r"broken/tasks\.yaml:\d: not YAML", err)
    assert "none/tools.json: the file is missing" in err


def test_packs_check_goes_on_after_a_pack_that_breaks_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def loaded(folder: Path) -> ServicePack:
        if folder.name == "bad":
            raise SchemaError("the schema is none", expected="a JSON Schema")
        if folder.name == "deep":
            raise RecursionError
        return load_pack(folder)

    monkeypatch.setattr("tdlab.tasks.checking.load_pack", loaded)
    bad, deep = (write_pack(tmp_path / name, tasks=TASKS) for name in ("bad", "deep"))
    good = write_pack(tmp_path / "good", tasks=TASKS)
    twin = write_pack(tmp_path / "twin", tasks=TASKS)
    status, out, err = in_process(monkeypatch, capsys, "packs", "check", bad, deep, good, twin, good, "--seeds", "1")
    assert status == 1
    assert "bad/tools.json: the schema is none [files]" in err
    assert "deep/tools.json: it is nested too deeply [files]" in err
    assert re.search(r"twin/tools\.json:1: '.*good' has a service of the same name \[names\]", err)
    assert "2 of 5 packs pass" in out


def test_packs_check_prints_some_errors_of_each_rule_and_says_how_many_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    many = "\n".join(f'      - "What of {{titel}} and {number}?"' for number in range(33))
    tasks = changed(TASKS, '      - "Is {title} on the shelf right now?"', many)
    folder = write_pack(tmp_path / "lending", tasks=tasks)
    status, out, err = in_process(monkeypatch, capsys, "packs", "check", folder, "--seeds", "1")
    assert status == 1
    assert err.count("unknown slot 'titel'") == 20
    assert "and 13 more [utterances]" in err
    assert "lending: 33 errors" in out


def test_packs_show_prints_conversations_with_calls_and_results(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_pack(tmp_path / "lending", tasks=TASKS)
    status, out, err = in_process(monkeypatch, capsys, "packs", "show", folder, "-n", "6", "--frame", "borrow")
    assert (status, err) == (0, "")
    assert len(re.findall(r"^-- borrow (?:lent_out )?\(|^-- borrow  \(", out, re.MULTILINE)) == 6
    assert "user: " in out
    assert "assistant: " in out
    assert re.search(r"^  lend \{'book_id': 'bk_\d{4}', 'reader': '[^']+'\}$", out, re.MULTILINE)
    assert re.search(r"^    -> \{'loan_id': 'ln_\d{4}', 'due': '\d{4}-\d\d-\d\d'\}$", out, re.MULTILINE)
    again = in_process(monkeypatch, capsys, "packs", "show", folder, "-n", "6", "--frame", "borrow")
    assert again == (0, out, ""), "the same seed prints the same"
    assert in_process(monkeypatch, capsys, "packs", "show", folder, "-n", "6", "--seed", "1")[1] != out
    status, out, err = in_process(monkeypatch, capsys, "packs", "show", folder, "--frame", "borrow/lent_out", "-n", "2")
    assert status == 0
    assert "-> on_loan: bk_" in out


def test_packs_show_of_an_unknown_frame_names_those_there_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_pack(tmp_path / "lending", tasks=TASKS)
    status, _, err = in_process(monkeypatch, capsys, "packs", "show", folder, "--frame", "steal")
    assert status == 2
    assert "there is no frame 'steal'" in err
    assert "borrow, is_it_there, what_is_there" in err
