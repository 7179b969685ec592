"""The program of a SQL job: runs the statements on the copy of the database and prints a JSON object.

``{"columns": [...], "rows": [[...]], "truncated": false, "changes": n}`` or ``{"error": "..."}`` with exit code 1. The
rows are those of the last statement that returns any. Bytes are written as ``{"hex": "..."}``.
"""

# ruff: noqa: T201 (the printed text is the result)

from __future__ import annotations

import json
import os
import sqlite3
import sys
import time
from collections.abc import Iterator
from typing import Any

OPTIONS: dict[str, Any] = json.loads(sys.argv[1])
WORK = OPTIONS["folder"]
DENIED = {sqlite3.SQLITE_ATTACH, sqlite3.SQLITE_DETACH}
WRITES = {
    getattr(sqlite3, "SQLITE_" + name)
    for name in (
        "INSERT UPDATE DELETE ALTER_TABLE REINDEX ANALYZE CREATE_INDEX CREATE_TABLE CREATE_TEMP_INDEX "
        "CREATE_TEMP_TABLE CREATE_TEMP_TRIGGER CREATE_TEMP_VIEW CREATE_TRIGGER CREATE_VIEW DROP_INDEX DROP_TABLE "
        "DROP_TEMP_INDEX DROP_TEMP_TABLE DROP_TEMP_TRIGGER DROP_TEMP_VIEW DROP_TRIGGER DROP_VIEW CREATE_VTABLE "
        "DROP_VTABLE"
    ).split()
}
PRAGMAS = {"table_info", "table_xinfo", "table_list", "index_list", "index_info", "index_xinfo", "foreign_key_list"}
PRAGMAS |= {"database_list", "user_version", "encoding", "integrity_check", "quick_check", "collation_list"}
FUNCTIONS = {"load_extension", "fts3_tokenizer", "readfile", "writefile", "edit"}


def allow(action: int, first: str | None, second: str | None, _database: str | None, _source: str | None) -> int:
    """Decide what a statement may do, as SQLite's authorizer."""
    if action in DENIED or (action in WRITES and not OPTIONS["writable"]):
        return sqlite3.SQLITE_DENY
    if action == sqlite3.SQLITE_PRAGMA and ((first or "").lower() not in PRAGMAS or (second and not safe(first))):
        return sqlite3.SQLITE_DENY
    if action == sqlite3.SQLITE_FUNCTION and (second or "").lower() in FUNCTIONS:
        return sqlite3.SQLITE_DENY
    return sqlite3.SQLITE_OK


def safe(pragma: str | None) -> bool:
    """Return whether a pragma is harmless with an argument."""
    return (pragma or "").lower() not in ("user_version", "encoding")


def plain(value: Any) -> Any:
    """Convert a value to one that JSON can represent."""
    if isinstance(value, bytes):
        return {"hex": value.hex()}
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return {"float": repr(value)}
    return value


def statements(text: str) -> Iterator[str]:
    """Yield the statements of a script, each complete according to SQLite."""
    statement = ""
    for piece in text.split(";"):
        statement += piece + ";"
        if sqlite3.complete_statement(statement):
            if statement.strip(" \t\r\n;"):
                yield statement
            statement = ""
    if statement.strip(" \t\r\n;"):
        yield statement.rstrip(";") if not sqlite3.complete_statement(statement) else statement


def main() -> int:
    """Run the statements and print the last rows; return the exit code."""
    writable = OPTIONS["writable"]
    path = os.path.join(WORK, ".database")
    with open(os.path.join(WORK, ".query.sql"), encoding="utf-8") as file:
        text = file.read()
    connection = sqlite3.connect(
        f"file:{path}?mode={'rwc' if writable else 'ro&immutable=1'}", uri=True, isolation_level=None
    )
    connection.text_factory = lambda data: data.decode("utf-8", "replace")
    if hasattr(connection, "setlimit"):
        connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 50_000_000)
    end = time.monotonic() + OPTIONS["seconds"] * 0.95
    connection.execute("PRAGMA temp_store = MEMORY")
    if not writable:
        connection.execute("PRAGMA query_only = 1")
    connection.set_authorizer(allow)
    connection.set_progress_handler(lambda: time.monotonic() > end, 10_000)
    shown: dict[str, Any] = {"columns": [], "rows": [], "truncated": False}
    try:
        for statement in statements(text):
            cursor = connection.execute(statement)
            if cursor.description is None:
                continue
            shown = {"columns": [column[0] for column in cursor.description], "rows": [], "truncated": False}
            size = 0
            for row in cursor:
                values = [plain(value) for value in row]
                size += len(json.dumps(values))
                if len(shown["rows"]) >= OPTIONS["max_rows"] or size > OPTIONS["max_bytes"]:
                    shown["truncated"] = True
                    break
                shown["rows"].append(values)
            cursor.close()
        shown["changes"] = connection.total_changes
    except (sqlite3.Error, sqlite3.Warning, ValueError, OverflowError, RecursionError) as error:
        text = "interrupted: time is up" if time.monotonic() > end else str(error)
        print(json.dumps({"error": text, "kind": type(error).__name__}))
        return 1
    print(json.dumps(shown))
    return 0


sys.exit(main())
