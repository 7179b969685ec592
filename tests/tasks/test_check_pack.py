"""Check that `check_pack` finds what is wrong with a pack, with file, line and rule; and ``tdlab packs``."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tdlab.errors import PackError
from tdlab.tasks import PackReport, check_pack, read_frames
from tdlab.worlds import load_pack
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
         "      lent_out:"),
        ("- frame: is_it_there", "- frame: is_it_here", "frames", "there is no frame 'is_it_here'", "    follows:"),
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
        ("slots:\n  reader:", "slots:\n  readers:", "solved", "no way to book_id, reader for borrow", "  borrow:"),
        ("tell: [due]", "tell: [due, loan_id]", "utterances", "no reply of borrow says due, loan_id", "    done:"),
        ("{if on_loan}No, {title} is out.{else}Yes, {title} is here.{end}", "{if on_loan}No{else}Yes{end}, {titel}.",
         "utterances", "no reply of is_it_there says on_loan", "    done:\n      - \"{if on_loan}"),
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
    assert "lending: 1 errors; 0 of 0 tasks solved" in out
    assert "1 of 4 packs pass" in out
    line = TASKS[: TASKS.index("act: [{lend")].count("\n") + 1
    assert re.search(rf"bad/tasks\.yaml:{line}: lend has no parameter 'shelf' \[frames\]", err)
    assert re.search(r"broken/tasks\.yaml:\d: not YAML", err)
    assert "none/tools.json: the file is missing" in err


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
