"""A SQLite connection that a pack cannot misuse: an authorizer, limits on sizes, and a bound on the work of a call.

A pack is data that anyone may have written. Its statements may read and write its own tables and call a fixed list of
functions; they may not attach files, set pragmas, load extensions, open transactions or read the machine's clock.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from tdlab.worlds._functions import FUNCTIONS

__all__ = ["Guard", "Stage", "open_database", "quoted", "trusted"]

Stage = Literal["tables", "populate", "read", "write"]
"""What the statements of a section may do: create tables, fill them, read them, or read and change them."""

NUMBERS = "numbers"
"""A table of the numbers 1 to 500 that every world has, to make rows from."""

_STEPS = 1000  # virtual-machine instructions between two looks at the budget
_BUDGET = {"tables": 200, "populate": 40_000, "read": 4_000, "write": 4_000}  # in looks: 40 million, 4 million
_SECONDS = 2.0  # of CPU for one statement: a step can be a long one, and an honest statement takes milliseconds
_BUILT_IN = frozenset(
    "abs avg cast ceil ceiling char coalesce count date datetime dense_rank first_value floor format glob group_concat "
    "ifnull iif instr json json_array json_array_length json_each json_extract json_group_array json_group_object "
    "json_object json_type julianday lag last_value lead length like likely lower ltrim max min nullif ntile "
    "percent_rank printf rank replace round row_number rtrim sign strftime substr substring sum time total trim typeof "
    "unicode unixepoch unlikely upper ->  ->>".split()
)
_LIMITS = {
    sqlite3.SQLITE_LIMIT_LENGTH: 200_000,
    sqlite3.SQLITE_LIMIT_SQL_LENGTH: 100_000,
    sqlite3.SQLITE_LIMIT_COLUMN: 100,
    sqlite3.SQLITE_LIMIT_EXPR_DEPTH: 100,
    sqlite3.SQLITE_LIMIT_COMPOUND_SELECT: 100,
    sqlite3.SQLITE_LIMIT_VDBE_OP: 50_000,
    sqlite3.SQLITE_LIMIT_FUNCTION_ARG: 64,
    sqlite3.SQLITE_LIMIT_ATTACHED: 0,
    sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH: 500,
    sqlite3.SQLITE_LIMIT_TRIGGER_DEPTH: 1,
    sqlite3.SQLITE_LIMIT_WORKER_THREADS: 0,
}
_MOST_PAGES = 4096  # of 4 KiB: no world grows beyond 16 MiB
_KEPT_STATEMENTS = 48  # prepared, of each world: 4 to 8 KB each, and a run has 200 worlds
_HEAP = (
    1 << 30
)  # bytes that SQLite may use in this process for all databases: sorting and WITH need memory of their own
_CHANGES = {
    sqlite3.SQLITE_INSERT: "insert into",
    sqlite3.SQLITE_UPDATE: "update",
    sqlite3.SQLITE_DELETE: "delete from",
}
_CREATIONS = {sqlite3.SQLITE_CREATE_TABLE, sqlite3.SQLITE_CREATE_INDEX}


class Guard:
    """Decides what statements may do. ``written`` collects the tables that prepared statements change."""

    def __init__(self) -> None:
        self.stage: Stage = "read"
        self.trusted = False
        self.refused = ""
        self.written: set[str] = set()
        self._left = 0
        self._until = 0.0

    def start(self, stage: Stage) -> None:
        """Begin a piece of work of this stage, with a fresh budget."""
        self.stage, self.refused, self._left = stage, "", _BUDGET[stage]
        self._until = time.thread_time() + _SECONDS

    def authorize(self, action: int, first: str | None, second: str | None, *_: str | None) -> int:
        """SQLite's question, once for every part of a statement that is prepared."""
        if self.trusted or self._allows(action, first or "", second or ""):
            return sqlite3.SQLITE_OK
        self.refused = self.refused or _what(action, first, second)
        return sqlite3.SQLITE_DENY

    def tick(self) -> int:
        """SQLite's question after each piece of work: non-zero ends the statement."""
        self._left -= 1
        if time.thread_time() > self._until:
            self._left = -1
        return int(self._left < 0)

    @property
    def is_exhausted(self) -> bool:
        """Whether the budget of the piece of work is used up."""
        return self._left < 0

    def _allows(self, action: int, first: str, second: str) -> bool:
        if action in (sqlite3.SQLITE_SELECT, sqlite3.SQLITE_RECURSIVE):
            return True
        if action == sqlite3.SQLITE_READ:
            return not first.startswith("sqlite_") or self.stage == "tables"
        if action == sqlite3.SQLITE_FUNCTION:
            return second.lower() in _BUILT_IN or second in FUNCTIONS
        if action in _CHANGES:
            if self.stage == "tables":
                return first == "sqlite_master"
            if self.stage in ("populate", "write") and not first.startswith("sqlite_") and first != NUMBERS:
                self.written.add(first)
                return True
            return False
        if action in _CREATIONS:
            return self.stage == "tables" and not second.startswith("sqlite_")
        return action == sqlite3.SQLITE_REINDEX and self.stage == "tables"


def open_database(*, reverse: bool = False) -> tuple[sqlite3.Connection, Guard]:
    """Open an empty guarded database in memory, with the table of numbers.

    Args:
        reverse: Give rows that no ORDER BY sorts in reverse.

    Returns:
        The connection (in autocommit mode) and its guard.
    """
    connection = sqlite3.connect(
        ":memory:", isolation_level=None, check_same_thread=False, cached_statements=_KEPT_STATEMENTS
    )
    guard = Guard()
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.execute("PRAGMA temp_store = MEMORY")
    connection.execute(f"PRAGMA hard_heap_limit = {_HEAP}")
    if reverse:
        connection.execute("PRAGMA reverse_unordered_selects = ON")
    connection.execute(f"PRAGMA max_page_count = {_MOST_PAGES}")
    connection.execute(f"CREATE TABLE {NUMBERS} (n INTEGER PRIMARY KEY)")
    insert = f"INSERT INTO {NUMBERS} VALUES (?)"  # noqa: S608  # a constant of this module
    connection.executemany(insert, [(n,) for n in range(1, 501)])
    connection.execute("SELECT 1 FROM json_each('[]')")  # its first use declares a table, which no pack may
    for limit, most in _LIMITS.items():
        connection.setlimit(limit, most)
    connection.set_authorizer(guard.authorize)
    connection.set_progress_handler(guard.tick, _STEPS)
    return connection, guard


@contextmanager
def trusted(guard: Guard) -> Iterator[None]:
    """Let tdlab's own statements through."""
    guard.trusted = True
    try:
        yield
    finally:
        guard.trusted = False


def quoted(name: str) -> str:
    """Return a name as SQL writes it, whatever is in it."""
    return '"' + name.replace('"', '""') + '"'


def _what(action: int, first: str | None, second: str | None) -> str:
    names = {value: name for name, value in vars(sqlite3).items() if name.startswith("SQLITE_") and value == action}
    action_name = _CHANGES.get(action)
    if action_name:
        return f"{action_name} {first}"
    if action == sqlite3.SQLITE_FUNCTION:
        return f"the function {second}()"
    kinds = {
        sqlite3.SQLITE_ATTACH: "ATTACH", sqlite3.SQLITE_DETACH: "DETACH", sqlite3.SQLITE_PRAGMA: "PRAGMA",
        sqlite3.SQLITE_TRANSACTION: "a transaction", sqlite3.SQLITE_SAVEPOINT: "a savepoint",
        sqlite3.SQLITE_CREATE_VTABLE: "a virtual table", sqlite3.SQLITE_CREATE_TRIGGER: "a trigger",
        sqlite3.SQLITE_CREATE_VIEW: "a view", sqlite3.SQLITE_READ: f"reading {first}",
    }  # fmt: skip
    return kinds.get(action, next(iter(names.values()), f"action {action}"))
