"""Packs that are wrong or hostile: each is refused with file, line and rule, and does nothing outside its database."""

from __future__ import annotations

import json
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


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('"type": "string"', '"type": "strng"', "'strng' is unknown"),
        ('{"', '{"server": "shop", "', "the key 'server' twice"),
        ('"domain": "education-learning"', '"domain": "../.."', "there is no domain"),
        ('"type": "string"', '"type": "string", "default": 7', "the default of"),
        ('"description": "', '"description": "\\ud83d', "surrogate"),
    ],
)
def test_tools_that_need_a_repair_are_refused(tmp_path: Path, old: str, new: str, words: str) -> None:
    """A pool that somebody found is repaired; whoever writes a pack can put it right."""
    text = json.dumps(TOOLS)
    assert old in text
    with pytest.raises(PackError, match=words):
        load_pack(write_pack(tmp_path / "lending", tools=text.replace(old, new, 1)))


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


# ---------------------------------------------------------------------------- what a hostile tester came up with


def refused(folder: Path, *, world: str = WORLD, tools: object = TOOLS, play: bool = False) -> str:
    """The error of a pack that is loaded, and where ``play`` says so its world made and read."""
    path = write_pack(folder / "lending", world=world, tools=tools)
    if not play:
        with pytest.raises(PackError) as caught:
            load_pack(path)
        return str(caught.value)
    pack = load_pack(path)
    with pytest.raises(PackError) as caught:
        World(pack, 1).tables()
    return str(caught.value)


@pytest.mark.parametrize("name", ["a\" ; SELECT load_extension('x') --", "a.b", "ä", 'b"c'])
def test_names_are_plain_and_never_part_of_a_statement(tmp_path: Path, name: str) -> None:
    quoted = name.replace('"', '""')
    table = WORLD.replace("--- populate", f'CREATE TABLE "{quoted}" (x TEXT);\n\n--- populate', 1)
    column = WORLD.replace("--- populate", f'CREATE TABLE odd ("{quoted}" TEXT PRIMARY KEY);\n\n--- populate', 1)
    for number, world in enumerate((table, column)):
        words = refused(tmp_path / str(number), world=world)
        assert "letters, digits and _" in words
        assert "world.sql:" in words


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("date()", "machine's clock"),
        ("strftime('%Y')", "machine's clock"),
        ("date('n' || 'ow')", "machine's clock"),
        ("julianday(printf('no%c', 'w'))", "machine's clock"),
        ("datetime(due, 'localtime')", "machine's clock"),
        ("date('NOW ')", "machine's clock"),
        ("printf('%.*c', 1000000000, 'x')", "another format"),
        ("printf(title, 1)", "another format"),
        ("@x", "without a name"),
    ],
)
def test_what_a_statement_may_not_say(tmp_path: Path, expression: str, words: str) -> None:
    world = WORLD.replace(
        "SELECT due FROM loans WHERE", f"SELECT due, {expression} FROM loans JOIN books USING (book_id) WHERE"
    )
    assert world != WORLD
    assert words in refused(tmp_path, world=world)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("INSERT INTO loans VALUES (:loan_id", "INSERT OR ROLLBACK INTO loans VALUES (:loan_id", "ROLLBACK"),
        (
            "--- result\nSELECT loan_id",
            "--- error on_loan\nSELECT 1 AS due WHERE 0;\n--- result\nSELECT loan_id",
            "after --- do",
        ),
        (
            "--- result\nSELECT loan_id",
            "--- result\nSELECT loan_id FROM loans LIMIT 1;\n--- result\nSELECT loan_id",
            "a second",
        ),
        ("SELECT due FROM loans WHERE", "SELECT 1 FROM loans WHERE", "{due}, which is not known here"),
    ],
)
def test_what_a_tool_may_not_do(tmp_path: Path, old: str, new: str, words: str) -> None:
    world = WORLD.replace(old, new, 1)
    assert world != WORLD
    assert words in refused(tmp_path, world=world)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("CAST(x'ff' AS TEXT)", "cannot be read"),
        ("x'00ff'", "holds"),
        ("'a' || char(0)", "holds"),
        ("9e999", "holds"),
        ("digits(1000000000, 'x', 1)", "1 to 64 characters"),
        ("at(now(), 'tomorrow')", "no step"),
    ],
)
def test_a_cell_is_text_a_number_or_null(tmp_path: Path, value: str, words: str) -> None:
    world = WORLD.replace(
        "--- populate\n", f"CREATE TABLE odd (x);\n\n--- populate\nINSERT INTO odd SELECT {value};\n", 1
    )
    assert words in refused(tmp_path, world=world, play=True)


def test_a_population_that_takes_long_is_refused(tmp_path: Path) -> None:
    long = "length(replace(printf('%90000d', length(x)), ' ', 'ab')) > 1"
    heavy = f"CREATE TABLE odd (x TEXT CHECK ({long}));\n\n--- populate\n"
    fill = "INSERT INTO odd SELECT 1 FROM numbers a JOIN numbers b;\n"
    began = time.process_time()
    words = refused(tmp_path, world=WORLD.replace("--- populate\n", heavy + fill, 1), play=True)
    assert "too long" in words
    assert time.process_time() - began < 30


def test_a_query_gives_no_more_rows_than_anybody_reads(tmp_path: Path) -> None:
    world = World(load_pack(write_pack(tmp_path / "lending")), 1)
    with pytest.raises(PackError, match="rows"):
        world.query("SELECT a.n FROM numbers a JOIN numbers b")
    with pytest.raises(PackError, match="characters"):
        world.query("SELECT printf('%99999d', a.n) AS x FROM numbers a JOIN numbers b ON b.n < 3")


def test_a_statement_that_is_stopped_leaves_a_world_that_can_be_used(tmp_path: Path) -> None:
    """SQLite ends the transaction of a change that it has to stop."""
    world = World(load_pack(write_pack(tmp_path / "lending")), 1)
    before = world.tables()
    many = "numbers a, numbers b, numbers c WHERE a.n + b.n + c.n < 0"
    endless = f"INSERT INTO loans SELECT a.n || b.n || c.n, 'x', 'y', 'z' FROM {many}"
    with pytest.raises(PackError), world.attempt():
        world.happen(endless, {})
    assert world.tables() == before
    world.reset()
    assert world.tables() == before


def test_the_files_of_a_pack_are_no_links_and_not_large(tmp_path: Path) -> None:
    folder = write_pack(tmp_path / "lending")
    secret = tmp_path / "secret.txt"
    secret.write_text("token: s3cret\n", encoding="utf-8")
    (folder / "tasks.yaml").unlink()
    (folder / "tasks.yaml").symlink_to(secret)
    with pytest.raises(PackError, match="is a link") as caught:
        load_pack(folder)
    assert "s3cret" not in str(caught.value)
    (folder / "tasks.yaml").unlink()
    (folder / "tasks.yaml").write_text("# " + "x" * 2_000_000, encoding="utf-8")
    with pytest.raises(PackError, match="at most 1,000,000 bytes"):
        load_pack(folder)


@pytest.mark.parametrize("server", ["../../x", "/etc", "two words", "", "a/../b", "@a/b/c", "a/", ".a", "a\n"])
def test_a_server_has_a_plain_name(tmp_path: Path, server: str) -> None:
    assert "tools.json" in refused(tmp_path, tools={**TOOLS, "server": server})


@pytest.mark.parametrize("server", ["lending", "brave-search", "@Owner/lending.mcp", "7shelves"])
def test_a_server_keeps_the_name_that_it_has_in_the_pool(tmp_path: Path, server: str) -> None:
    assert load_pack(write_pack(tmp_path / "lending", tools={**TOOLS, "server": server})).service.name == server


def test_json_that_is_nested_too_deeply_is_refused(tmp_path: Path) -> None:
    assert "tools.json" in refused(tmp_path, tools='{"server": ' + "[" * 100_000 + "]" * 100_000 + "}")
