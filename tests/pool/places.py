"""Data for the real servers of the tests: a git repository with one commit, and a database with one row."""

from __future__ import annotations

import sqlite3
import subprocess
from pathlib import Path


def make_repository(folder: Path) -> Path:
    """Create a git repository in ``folder``, with one file committed on ``main``."""
    repository = folder / "repository"
    repository.mkdir()
    (repository / "a.txt").write_text("first\n")
    identity = ["-c", "user.name=Test", "-c", "user.email=test@example.invalid"]
    for arguments in (["init", "-q", "-b", "main"], ["add", "."], ["commit", "-q", "-m", "The first one"]):
        subprocess.run(["git", *identity, *arguments], cwd=repository, check=True)
    return repository


def make_database(folder: Path) -> Path:
    """Create an SQLite database in ``folder``: a table of items with one row."""
    database = folder / "stock.db"
    with sqlite3.connect(database) as connection:
        connection.execute("create table items (name text, amount integer)")
        connection.execute("insert into items values ('bolts', 12)")
    connection.close()
    return database
