"""The one SQLite file of a run: its tables, how it is opened, and its errors in plain words."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from shlex import quote

from tdlab._files import sync_folder
from tdlab.errors import RunVersionError, StoreError

__all__ = [
    "APPLICATION_ID",
    "DATABASE",
    "LAYOUT",
    "connect_reader",
    "connect_writer",
    "create_database",
    "set_meta",
    "translated",
]

DATABASE = "run.sqlite"
APPLICATION_ID = 0x74646C62
"""``tdlb`` in SQLite's header: identifies a database of tdlab."""

LAYOUT = 1
"""The version of the tables below; raise it with any change that an older tdlab cannot read."""

_TABLES = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE sessions (number INTEGER PRIMARY KEY, started TEXT NOT NULL, versions TEXT NOT NULL);
CREATE TABLE tools (position INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, tool TEXT NOT NULL);
CREATE TABLE services (position INTEGER PRIMARY KEY, service TEXT NOT NULL);
CREATE TABLE clusters (position INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, cluster TEXT NOT NULL);
CREATE TABLE generations (number INTEGER PRIMARY KEY, record TEXT NOT NULL);
CREATE TABLE candidates (
    generation INTEGER NOT NULL REFERENCES generations (number),
    position INTEGER NOT NULL,
    accepted INTEGER NOT NULL CHECK (accepted IN (0, 1)),
    cluster_id TEXT,
    blueprint_id TEXT,
    trajectory_id TEXT,
    reasons TEXT NOT NULL,
    lineage TEXT NOT NULL,
    features TEXT NOT NULL,
    verdict TEXT,
    blueprint TEXT,
    trajectory TEXT,
    PRIMARY KEY (generation, position),
    CHECK (accepted = 0 OR trajectory IS NOT NULL)
);
CREATE UNIQUE INDEX accepted_trajectories ON candidates (trajectory_id) WHERE accepted;
CREATE INDEX accepted_order ON candidates (generation, position) WHERE accepted;
CREATE INDEX candidate_trajectories ON candidates (trajectory_id);
CREATE INDEX candidate_blueprints ON candidates (blueprint_id);
CREATE TABLE journal (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
"""

_SIDE_FILES = ("-wal", "-shm", "-journal")


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn errors of SQLite about ``path`` into StoreErrors."""
    try:
        yield
    except sqlite3.Error as error:
        raise _explain(path, error) from error


def _explain(path: Path, error: sqlite3.Error) -> StoreError:
    code = getattr(error, "sqlite_errorcode", 0)
    name = getattr(error, "sqlite_errorname", type(error).__name__)
    primary = code & 0xFF
    space = "free disk space; everything committed so far is kept"
    if primary == sqlite3.SQLITE_FULL:
        return StoreError(
            f"{path}: the disk is full ({error})",
            expected=space,
            do="free some space, then re-run the same command to resume",
        )
    if primary == sqlite3.SQLITE_IOERR:
        return StoreError(
            f"{path}: reading or writing failed ({error}, {name}); "
            "a full disk, a quota or a file-size limit (`ulimit -f`) causes this",
            expected=space,
            do="check the disk's space, limits and health, then re-run the same command to resume",
        )
    if primary == sqlite3.SQLITE_NOTADB:
        return StoreError(
            f"{path}: is not an SQLite database ({error})",
            expected="the database that tdlab wrote",
            do="restore the original file, or start a run in another folder with --out",
        )
    if primary == sqlite3.SQLITE_CORRUPT:
        return StoreError(
            f"{path}: is damaged ({error})",
            expected="the database that tdlab wrote",
            do=f"recover what is readable with `sqlite3 {quote(str(path))} .recover`; run in another folder with --out",
        )
    if primary in {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM}:
        return StoreError(
            f"{path}: cannot be opened or is not writable ({error})",
            expected="a folder that you may write to",
            do="change the permissions of the run directory, or choose another one with --out",
        )
    if primary in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
        return StoreError(
            f"{path}: another program has locked it ({error})",
            expected="a database that no other program writes",
            do="close the program that has the database open, then re-run the same command",
        )
    return StoreError(
        f"{path}: {error} ({name})",
        expected="a working run directory",
        do="check the disk; if it is healthy, report this as a bug of tdlab",
    )


def create_database(folder: Path) -> None:
    """Create the empty database under a temporary name and rename it, so that it is complete or absent.

    The caller must hold the folder's lock.

    Raises:
        StoreError: Files of an older database are in the way.
    """
    final = folder / DATABASE
    stray = [final.name + suffix for suffix in _SIDE_FILES if (folder / (final.name + suffix)).exists()]
    if stray:
        raise StoreError(
            f"{folder}: contains {', '.join(stray)} but no {DATABASE}",
            expected=f"both or neither, since the former may contain committed work of {DATABASE}",
            do=f"restore {DATABASE}, or choose another folder with --out",
        )
    draft = folder / f"{DATABASE}.new"
    for leftover in (draft, *(folder / (draft.name + suffix) for suffix in _SIDE_FILES)):
        with suppress(FileNotFoundError):
            leftover.unlink()
    with translated(final):
        connection = sqlite3.connect(draft, isolation_level=None)
        try:
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {LAYOUT}")
            connection.executescript(f"BEGIN IMMEDIATE; {_TABLES} COMMIT;")
            connection.execute("PRAGMA journal_mode = WAL")
        finally:
            connection.close()
    os.replace(draft, final)
    sync_folder(folder)


def connect_writer(folder: Path) -> sqlite3.Connection:
    """Return the connection of the process that holds the lock: WAL, ``synchronous=FULL``, explicit transactions."""
    path = folder / DATABASE
    with translated(path):
        connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=rw", uri=True, isolation_level=None, check_same_thread=False, timeout=30.0
        )
        try:
            _check_layout(path, connection)
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA foreign_keys = ON")
            connection.row_factory = sqlite3.Row
        except BaseException:
            connection.close()
            raise
    return connection


def connect_reader(folder: Path) -> sqlite3.Connection:
    """Return a connection that cannot write, beside a writer or on a read-only disk."""
    path = folder / DATABASE
    uri = path.absolute().as_uri()
    # On a read-only disk, a database without side files cannot be opened in WAL mode, since nothing can create them.
    # Then, and only then, it is opened as one that does not change.
    attempts = ["mode=ro"] if (folder / f"{DATABASE}-wal").exists() else ["mode=ro", "immutable=1"]
    with translated(path):
        while True:
            connection = sqlite3.connect(
                f"{uri}?{attempts.pop(0)}", uri=True, isolation_level=None, check_same_thread=False, timeout=30.0
            )
            try:
                _check_layout(path, connection)
            except sqlite3.OperationalError:
                connection.close()
                if not attempts:
                    raise
            except BaseException:
                connection.close()
                raise
            else:
                connection.row_factory = sqlite3.Row
                return connection


def _check_layout(path: Path, connection: sqlite3.Connection) -> None:
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (layout,) = connection.execute("PRAGMA user_version").fetchone()
    if application != APPLICATION_ID:
        raise StoreError(
            f"{path}: is empty, or a database of another program",
            expected="the database that tdlab wrote",
            do="choose another folder with --out",
        )
    if layout != LAYOUT:
        age = "newer" if layout > LAYOUT else "older"
        raise RunVersionError(
            f"{path}: has layout version {layout}",
            expected=f"layout version {LAYOUT}, which this tdlab reads and writes",
            do=f"use the {age} tdlab that wrote it (its `sessions` table names the version), or choose another folder",
        )
    connection.execute("SELECT count(*) FROM meta").fetchone()  # detects a damaged first page


def set_meta(db: sqlite3.Connection, values: Mapping[str, str]) -> None:
    """Store facts about the run, each a JSON text by name, within the open transaction."""
    db.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", list(values.items()))
