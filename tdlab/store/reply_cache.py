"""The journal of a teacher's replies: a file that keeps paid replies and is shared by runs with the same requests.

A reply is kept under a digest of its request's content, so it serves every later run that makes the same request,
whatever else differs between the two. The first reply of a key stays. SQLite (WAL, ``synchronous=FULL``); replies that
arrive while the disk is busy share the next transaction.
"""

from __future__ import annotations

import queue
import sqlite3
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from tdlab.errors import StoreError
from tdlab.store._database import translated

__all__ = ["PaidCalls", "ReplyJournal"]

_APPLICATION_ID = 0x7464_726A  # "tdrj"
_LAYOUT = 2
_MOST_TOGETHER = 512
_TABLES = """
CREATE TABLE replies (
    key TEXT PRIMARY KEY, value TEXT NOT NULL, owner TEXT NOT NULL, role TEXT NOT NULL, model TEXT NOT NULL,
    input_tokens INTEGER NOT NULL, output_tokens INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE totals (
    owner TEXT, role TEXT, model TEXT, calls INTEGER NOT NULL, input_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL, cached_input_tokens INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (owner, role, model)
) WITHOUT ROWID;
"""
_FROM_LAYOUT_1 = "ALTER TABLE totals ADD COLUMN cached_input_tokens INTEGER NOT NULL DEFAULT 0"
_KEEP = "INSERT OR IGNORE INTO replies VALUES (:key, :value, :owner, :role, :model, :input_tokens, :output_tokens)"
_ADD = (
    "INSERT INTO totals VALUES (:owner, :role, :model, 1, :input_tokens, :output_tokens, :cached_input_tokens) "
    "ON CONFLICT DO UPDATE SET calls = calls + 1, input_tokens = input_tokens + excluded.input_tokens, "
    "output_tokens = output_tokens + excluded.output_tokens, "
    "cached_input_tokens = cached_input_tokens + excluded.cached_input_tokens"
)


class PaidCalls(NamedTuple):
    """The calls that one run paid for in one role with one model; cached tokens are part of the input tokens."""

    role: str
    model: str
    calls: int
    input_tokens: int
    output_tokens: int
    cached_input_tokens: int = 0


class _Entry(NamedTuple):
    key: str
    value: str
    owner: str
    role: str
    model: str
    input_tokens: int
    output_tokens: int
    cached_input_tokens: int
    done: Future[str]


class ReplyJournal:
    """A context manager over the journal in the file ``path``, which is created if it does not exist.

    Any thread may call its methods; several processes may have the same file open.

    Raises:
        StoreError: The file cannot be read or written, or belongs to another program.

    Example:
        >>> with ReplyJournal("replies.sqlite") as journal:
        ...     usage = {"owner": "run 1", "role": "user", "model": "m", "input_tokens": 9, "output_tokens": 3}
        ...     journal.put("digest of the request", "Hello", **usage).result()
        ...     journal.get("digest of the request"), journal.paid("run 1")[0].calls
        'Hello'
        ('Hello', 1)
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._guard = threading.Lock()
        self._waiting: queue.SimpleQueue[_Entry | None] = queue.SimpleQueue()
        self._reader: sqlite3.Connection | None = None
        self._writer: sqlite3.Connection | None = None
        self._thread = threading.Thread(target=self._work, name="tdlab-replies", daemon=True)

    def __enter__(self) -> Self:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(
                f"{self.path}: cannot be created ({error.strerror})",
                expected="a folder for the journal of replies",
                do="choose a file in a folder that you may write to with --replies",
            ) from None
        try:
            with translated(self.path):
                self._open()
        except StoreError as error:
            if "--replies" in error.do:
                raise
            do = f"{error.do}; --replies FILE chooses another file for the journal of replies"
            raise StoreError(error.found, expected=error.expected, do=do) from None
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._waiting.put(None)
        self._thread.join()
        for connection in (self._reader, self._writer):
            if connection is not None:
                connection.close()
        self._reader = self._writer = None

    def get(self, key: str) -> str | None:
        """Return the reply kept under ``key``, or None."""
        with self._guard, translated(self.path):
            row = self._usable(self._reader).execute("SELECT value FROM replies WHERE key = ?", (key,)).fetchone()
        return None if row is None else str(row["value"])

    def put(
        self,
        key: str,
        value: str,
        *,
        owner: str,
        role: str,
        model: str,
        input_tokens: int,
        output_tokens: int,
        cached_input_tokens: int = 0,
    ) -> Future[str]:
        """Keep a reply that ``owner`` (the name of a run) paid for.

        Returns:
            A future that is done when the reply is on the disk. Its result is the reply under ``key``: this one, or an
            earlier one.
        """
        self._usable(self._writer)
        done: Future[str] = Future()
        self._waiting.put(
            _Entry(key, value, owner, role, model, input_tokens, output_tokens, cached_input_tokens, done)
        )
        return done

    def charge(self, *, owner: str, role: str, model: str, input_tokens: int, output_tokens: int) -> Future[str]:
        """Record the cost to ``owner`` of a call that brought no usable reply."""
        return self.put(
            "", "", owner=owner, role=role, model=model, input_tokens=input_tokens, output_tokens=output_tokens
        )

    def paid(self, owner: str) -> list[PaidCalls]:
        """Return the calls that a run has paid for so far, by role and model."""
        sql = (
            "SELECT role, model, calls, input_tokens, output_tokens, cached_input_tokens FROM totals WHERE owner = ? "
            "ORDER BY role, model"
        )
        with self._guard, translated(self.path):
            return [PaidCalls(*row) for row in self._usable(self._reader).execute(sql, (owner,))]

    def __len__(self) -> int:
        """Return the number of replies."""
        with self._guard, translated(self.path):
            (number,) = self._usable(self._reader).execute("SELECT count(*) FROM replies").fetchone()
        return int(number)

    def keys(self) -> Iterator[str]:
        """Return the keys of all replies, sorted."""
        with self._guard, translated(self.path):
            rows = self._usable(self._reader).execute("SELECT key FROM replies ORDER BY key").fetchall()
        return (str(key) for (key,) in rows)

    # ---------------------------------------------------------------------------------------------------------- inside

    def _open(self) -> None:
        self._writer = self._connect()
        try:
            self._prepare(self._writer)
            self._reader = self._connect()
        except BaseException:
            self._writer.close()
            raise

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False, timeout=60.0)
        connection.row_factory = sqlite3.Row
        return connection

    def _prepare(self, db: sqlite3.Connection) -> None:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        db.execute("BEGIN IMMEDIATE")
        try:
            (application,) = db.execute("PRAGMA application_id").fetchone()
            (layout,) = db.execute("PRAGMA user_version").fetchone()
            (tables,) = db.execute("SELECT count(*) FROM sqlite_master").fetchone()
            if not application and not tables:
                for statement in _TABLES.split(";"):
                    db.execute(statement)
                db.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
                db.execute(f"PRAGMA user_version = {_LAYOUT}")
            elif (application, layout) == (_APPLICATION_ID, 1):
                db.execute(_FROM_LAYOUT_1)
                db.execute(f"PRAGMA user_version = {_LAYOUT}")
            elif (application, layout) != (_APPLICATION_ID, _LAYOUT):
                raise StoreError(
                    f"{self.path}: is not a journal of replies that this tdlab can read",
                    expected=f"a journal that tdlab wrote (layout {_LAYOUT})",
                    do="choose another file with --replies",
                )
            db.execute("COMMIT")
        except BaseException:
            if db.in_transaction:
                db.execute("ROLLBACK")
            raise

    def _usable(self, connection: sqlite3.Connection | None) -> sqlite3.Connection:
        if connection is None:
            raise StoreError(
                f"{self.path}: the journal is not open",
                expected="a call inside `with ReplyJournal(...) as journal:`",
                do="enter the context manager first",
            )
        return connection

    def _work(self) -> None:
        """Write in a thread of its own: one transaction for all waiting entries, until None arrives."""
        last = False
        while not last:
            first = self._waiting.get()
            if first is None:
                return
            batch = [first]
            while len(batch) < _MOST_TOGETHER and not self._waiting.empty():
                entry = self._waiting.get()
                if entry is None:
                    last = True
                    break
                batch.append(entry)
            try:
                kept = self._commit(batch)
            except BaseException as error:  # noqa: BLE001 - the future raises it where the reply is waited for
                for entry in batch:
                    entry.done.set_exception(error)
                continue
            for entry, value in zip(batch, kept, strict=True):
                entry.done.set_result(value)

    def _commit(self, batch: list[_Entry]) -> list[str]:
        with translated(self.path):
            db = self._usable(self._writer)
            db.execute("BEGIN IMMEDIATE")
            try:
                kept = [self._add(db, entry) for entry in batch]
                db.execute("COMMIT")
            except BaseException:
                if db.in_transaction:
                    db.execute("ROLLBACK")
                raise
        return kept

    def _add(self, db: sqlite3.Connection, entry: _Entry) -> str:
        kept, values = entry.value, entry._asdict()
        if entry.key:
            added = db.execute(_KEEP, values).rowcount
            if not added:
                (kept,) = db.execute("SELECT value FROM replies WHERE key = ?", (entry.key,)).fetchone()
        db.execute(_ADD, values)
        return kept
