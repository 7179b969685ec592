"""A store's connection to its database: opened once, guarded by a lock, with transactions and reading by pages."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from tdlab.errors import StoreError
from tdlab.store._database import DATABASE, translated
from tdlab.store._lock import DirectoryLock

__all__ = ["PAGE", "StoreConnection"]

PAGE = 256
"""Rows read at once: memory does not grow with the run."""


class StoreConnection:
    """The database of a run directory in use: with the directory's ``lock`` to write, without it to read.

    A context manager. Any thread of the process that opened it may use it, but no other process.
    """

    def __init__(self, folder: Path, connection: sqlite3.Connection, lock: DirectoryLock | None) -> None:
        """Use `RunStore.create_or_resume` or `RunStore.open` instead."""
        self._folder = folder
        self._file = folder / DATABASE
        self._connection = connection
        self._lock = lock
        self._process = os.getpid()
        self._guard = threading.RLock()
        self._closed = False

    def close(self) -> None:
        """Close the database and release the lock; a second call does nothing."""
        with self._guard:
            if self._closed or os.getpid() != self._process:
                return
            self._closed = True
            try:
                self._connection.close()
            finally:
                if self._lock is not None:
                    self._lock.release()

    def __enter__(self) -> Self:
        """Return the store itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the store, whatever happened."""
        self.close()

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Let everything read within the block show one moment of the run, even while it continues.

        Keep the block short: the writer's log grows until it ends. A store opened to write is not affected.
        """
        if self._lock is not None:
            yield
            return
        with self._guard, translated(self._file):
            self._usable().execute("BEGIN")
        try:
            yield
        finally:
            with self._guard, translated(self._file):
                self._usable().execute("ROLLBACK")

    def _usable(self) -> sqlite3.Connection:
        if self._closed or os.getpid() != self._process:
            raise StoreError(
                f"{self._folder}: the store is closed" if self._closed else f"{self._folder}: used in a forked process",
                expected="the process that opened it, before `close`",
                do="open it again in this process",
            )
        return self._connection

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._guard:
            db = self._usable()
            if self._lock is None:
                raise StoreError(
                    f"{self._folder}: is open to read",
                    expected="a writable store",
                    do="open it with RunStore.create_or_resume",
                )
            with translated(self._file):
                db.execute("BEGIN IMMEDIATE")
                try:
                    yield db
                    db.execute("COMMIT")
                except BaseException:
                    if db.in_transaction:
                        db.execute("ROLLBACK")
                    raise

    def _one(self, sql: str, *values: object) -> sqlite3.Row | None:
        with self._guard, translated(self._file):
            row: sqlite3.Row | None = self._usable().execute(sql, values).fetchone()
            return row

    def _all(self, sql: str, *values: object) -> list[sqlite3.Row]:
        with self._guard, translated(self._file):
            return self._usable().execute(sql, values).fetchall()

    def _meta(self, key: str) -> str | None:
        row = self._one("SELECT value FROM meta WHERE key = ?", key)
        return None if row is None else str(row["value"])

    def _pages(self, table: str, key: str) -> Iterator[sqlite3.Row]:
        """Yield the rows of a table in the order of its ``key``, read page by page."""
        last = -1
        sql = f"SELECT * FROM {table} WHERE {key} > ? ORDER BY {key} LIMIT ?"  # noqa: S608  # names of the layout
        while rows := self._all(sql, last, PAGE):
            yield from rows
            last = rows[-1][key]
