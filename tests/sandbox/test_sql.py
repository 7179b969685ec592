"""SQL jobs: queries on a copy, read-only by default, within limits of time, rows and bytes, without escape."""

from __future__ import annotations

import json
import sqlite3
from typing import Any

import pytest

from tdlab.sandbox import WORK_FOLDER, Database, Job, JobResult, SyncSandbox
from tests.clock import slower


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("sql") / "shop.db"
    with sqlite3.connect(path) as connection:
        connection.executescript(
            "create table item(id integer primary key, name text, price real, picture blob);"
            "insert into item values (1, 'tea', 2.5, x'00ff'), (2, 'größe; x', null, null), (3, 'cup', 7.25, null);"
        )
    connection.close()
    return path.read_bytes()


def query(sandbox: SyncSandbox, shop: bytes, code: str, *, wall_s: float | None = None, **options: Any) -> JobResult:
    return sandbox.run(
        Job(language="sql", code=code, database=Database(content=shop, **options), wall_s=wall_s, mode="fork")
    )


def answer(result: JobResult) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(result.stdout.data)
    return found


def test_rows_come_back_as_json(sandbox: SyncSandbox, shop: bytes) -> None:
    found = answer(query(sandbox, shop, "select * from item order by id"))
    assert found["columns"] == ["id", "name", "price", "picture"]
    assert found["rows"] == [[1, "tea", 2.5, {"hex": "00ff"}], [2, "größe; x", None, None], [3, "cup", 7.25, None]]
    assert found["truncated"] is False


def test_a_fresh_interpreter_answers_the_same(sandbox: SyncSandbox, shop: bytes) -> None:
    job = Job(language="sql", code="select sum(price) from item", database=Database(content=shop))
    assert answer(sandbox.run(job)) == answer(query(sandbox, shop, "select sum(price) from item"))


def test_a_semicolon_in_a_text_does_not_end_a_statement(sandbox: SyncSandbox, shop: bytes) -> None:
    found = answer(query(sandbox, shop, "select 1; select 'a;b' as x -- the last; one\n;"))
    assert (found["columns"], found["rows"]) == (["x"], [["a;b"]])


@pytest.mark.parametrize(
    "code",
    [
        "insert into item values (9, 'x', 1, null)",
        "drop table item",
        "create table y(a)",
        "create temp table y(a)",
        "attach database '/tmp/other.db' as other",
        "attach ':memory:' as m",
        f"vacuum into '{WORK_FOLDER}/copy.db'",
        "pragma writable_schema = 1",
        "pragma query_only = 0",
        "pragma journal_mode = wal",
        f"pragma temp_store_directory = '{WORK_FOLDER}'",
        "select load_extension('/usr/lib/x.so')",
        "select readfile('/etc/passwd')",
        f"select writefile('{WORK_FOLDER}/x', 'y')",
        "select * from nothing",
        "selec 1",
        "select 1 +",
        "'",
    ],
)
def test_what_is_not_allowed_is_an_error_and_changes_nothing(sandbox: SyncSandbox, shop: bytes, code: str) -> None:
    result = query(sandbox, shop, code)
    assert (result.status, result.exit_code) == ("error", 1), result.stdout.text
    assert answer(result)["error"]


def test_a_writable_copy_can_be_changed_and_the_original_is_not(sandbox: SyncSandbox, shop: bytes) -> None:
    found = answer(query(sandbox, shop, "delete from item where id > 1; select count(*) from item", writable=True))
    assert (found["rows"], found["changes"]) == ([[1]], 2)
    assert answer(query(sandbox, shop, "select count(*) from item"))["rows"] == [[3]]


def test_a_writable_copy_still_attaches_nothing(sandbox: SyncSandbox, shop: bytes) -> None:
    for code in (f"attach '{WORK_FOLDER}/x' as x", f"vacuum into '{WORK_FOLDER}/y'", "select load_extension('x')"):
        assert query(sandbox, shop, code, writable=True).status == "error"


ENDLESS = "with recursive n(i) as (select 1 union all select i + 1 from n) select count(*) from n"


def test_an_endless_query_is_stopped_by_its_own_clock(sandbox: SyncSandbox, shop: bytes) -> None:
    result = query(sandbox, shop, ENDLESS, wall_s=1)
    assert answer(result)["error"] == "interrupted: time is up"
    assert result.wall_s < 1 + 0.2 * slower()


@pytest.mark.parametrize(
    "code",
    ["select hex(zeroblob(900000000))", "select replace(hex(zeroblob(9000000)), '0', hex(zeroblob(100)))"],
)
def test_an_enormous_value_does_not_hurt(sandbox: SyncSandbox, shop: bytes, code: str) -> None:
    assert query(sandbox, shop, code).status in ("error", "memory", "cpu_limit", "timeout")


def test_rows_and_bytes_end_at_their_limits(sandbox: SyncSandbox, shop: bytes) -> None:
    many = "with recursive n(i) as (select 1 union all select i + 1 from n limit 100000) select i, 'x' from n"
    found = answer(query(sandbox, shop, many, max_rows=10))
    assert (len(found["rows"]), found["truncated"]) == (10, True)
    found = answer(query(sandbox, shop, many, max_rows=100000, max_bytes=1000))
    assert found["truncated"] is True
    assert len(json.dumps(found["rows"])) < 2000


@pytest.mark.parametrize("content", [b"", b"not a database" * 100, b"SQLite format 3\x00" + bytes(4000)])
def test_what_is_no_database_is_an_error(sandbox: SyncSandbox, content: bytes) -> None:
    result = query(sandbox, content, "select * from item")
    assert (result.status, result.exit_code) == ("error", 1), (result.status, result.stderr.text)
    assert answer(result)["error"]
