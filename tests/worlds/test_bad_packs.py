"""Packs that are wrong or hostile: each is refused with file, line and rule, and does nothing outside its database."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tdlab.errors import PackError
from tdlab.worlds import World, load_pack
from tests.worlds.packs import TOOLS, WORLD, write_pack

LEND = "INSERT INTO loans VALUES (:loan_id, :book_id, :reader, at(now(), '+14 days', 'date'));"


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM books", "SELECT 1 WERE NOT EXISTS (SELECT 1 FROM books", "syntax"),
        (":reader, at(", ":borrower, at(", "unknown parameter :borrower"),
        ("--- error on_loan", "--- error lent_out", "documents no error 'lent_out'"),
        ("--- tool lend", "--- tool give", "has no tool 'give'"),
        ("--- result", "--- outcome", "opens no section"),
        ("SELECT loan_id, due", "SELECT loan_id, due, reader", "has no field 'reader'"),
        ("--- page books", "--- page volumes", "has no field 'volumes'"),
        ("FROM books b WHERE", "FROM volumes b WHERE", "no such table"),
        ("at(now(), '+14 days', 'date')", "date('now')", "reads the machine's clock"),
        ("at(now(), '+14 days', 'date')", "CURRENT_DATE", "reads the machine's clock"),
        ("at(now(), '+14 days', 'date')", "hex(randomblob(4))", "not allowed"),
        (LEND, "DELETE FROM numbers;", "delete from numbers is not allowed"),
        (LEND, "UPDATE sqlite_master SET sql = '';", "sqlite_master"),
        (LEND, "ATTACH DATABASE '/tmp/other.db' AS other;", "ATTACH"),
        (LEND, "PRAGMA writable_schema = 1;", "PRAGMA"),
        (LEND, "COMMIT;", "COMMIT"),
        (LEND, "CREATE TABLE more (x);", "not allowed"),
        (LEND, "CREATE TRIGGER t AFTER INSERT ON loans BEGIN SELECT 1; END;", "not allowed"),
        (LEND, "SELECT load_extension('evil');", "load_extension"),
        (LEND, "DROP TABLE loans;", "not allowed"),
        (LEND, "VACUUM INTO '/tmp/copy.db';", "VACUUM"),
        ("SELECT due FROM loans WHERE book_id = :book_id;", "DELETE FROM loans;", "not allowed"),
        (LEND, LEND.rstrip(";"), "without an end"),
    ],
)  # fmt: skip
def test_a_wrong_statement_is_refused_with_its_line(tmp_path: Path, old: str, new: str, words: str) -> None:
    world = WORLD.replace(old, new, 1)
    line = world[: world.index(new)].count("\n") + 1
    folder = write_pack(tmp_path / "lending", world=world)
    with pytest.raises(PackError) as caught:
        load_pack(folder)
    assert caught.value.line in (line - 1, line), str(caught.value)  # a statement is named by its first line
    assert words in str(caught.value)
    assert not Path("/tmp/other.db").exists()
    assert not Path("/tmp/copy.db").exists()


@pytest.mark.parametrize("missing", ["tools.json", "world.sql", "tasks.yaml"])
def test_a_missing_file_is_named(tmp_path: Path, missing: str) -> None:
    folder = write_pack(tmp_path / "lending")
    (folder / missing).unlink()
    with pytest.raises(PackError, match=missing):
        load_pack(folder)


def test_a_tool_without_a_section_is_named(tmp_path: Path) -> None:
    folder = write_pack(tmp_path / "lending", world=WORLD[: WORLD.index("--- tool lend")])
    with pytest.raises(PackError, match="no section for lend"):
        load_pack(folder)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("lists: [", "not YAML"),
        ("- a\n- b\n", "no mapping"),
        ("lists: {a: [1]}\nlists: {b: [2]}\n", "twice"),
        ("a: &x [1]\nb: *x\n", "alias"),
        ("a: !!python/object/apply:os.system ['true']\n", "the tag"),
        ("a: " + "[" * 2000 + "]" * 2000, "nested too deeply"),
    ],
)
def test_a_wrong_document_is_refused(tmp_path: Path, text: str, words: str) -> None:
    folder = write_pack(tmp_path / "lending", tasks=text)
    with pytest.raises(PackError, match=words):
        load_pack(folder)


@pytest.mark.parametrize("text", ["", "[]", "{", '{"tools": []}', "nope"])
def test_tools_that_are_no_service_are_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(PackError, match=r"tools\.json"):
        load_pack(write_pack(tmp_path / "lending", tools=text))


ENDLESS = "WITH RECURSIVE r(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM r) SELECT count(*) FROM r"


@pytest.mark.parametrize(
    "query",
    [
        ENDLESS,
        "SELECT count(*) FROM numbers a, numbers b, numbers c, numbers d",
        "SELECT length(group_concat(printf('%1000d', a.n))) FROM numbers a, numbers b, numbers c",
    ],
)
def test_an_endless_query_ends_in_time(tmp_path: Path, query: str) -> None:
    pack = load_pack(
        write_pack(
            tmp_path / "lending",
            world=WORLD.replace("SELECT due FROM loans WHERE book_id = :book_id", f"SELECT 1 AS due WHERE ({query})"),
        )
    )
    world = World(pack, 1)
    book = world.query("SELECT book_id FROM books")[0]["book_id"]
    began = time.process_time()
    with pytest.raises(PackError) as caught:
        world.call("lend", {"book_id": book, "reader": "Ada"})
    assert "world.sql" in str(caught.value)
    assert time.process_time() - began < 30
    assert world.call("find_books", {"title": "blue"}).ok, "the world can still be used"


@pytest.mark.parametrize(
    "population",
    [
        f"INSERT INTO books SELECT 'x', n FROM numbers WHERE n = ({ENDLESS});",
        """INSERT INTO books SELECT a.n || '-' || b.n || '-' || c.n, printf('%50000d', 1)
        FROM numbers a, numbers b, numbers c;""",
    ],
)
def test_a_population_without_end_is_refused(tmp_path: Path, population: str) -> None:
    pack = load_pack(
        write_pack(tmp_path / "lending", world=WORLD.replace("--- invariant", population + "\n\n--- invariant"))
    )
    with pytest.raises(PackError):
        World(pack, 1)


def test_an_error_code_of_the_documentation_is_needed(tmp_path: Path) -> None:
    tools = {**TOOLS, "tools": [TOOLS["tools"][0], {**TOOLS["tools"][1], "_meta": {}}]}  # type: ignore[index,dict-item]
    with pytest.raises(PackError, match="documents no error 'book_not_found'"):
        load_pack(write_pack(tmp_path / "lending", tools=tools))
