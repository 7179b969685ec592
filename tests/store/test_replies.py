"""The journal of replies: the first reply stays, nothing acknowledged is lost, foreign files are recognised."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

import pytest

from tdlab.errors import StoreError
from tdlab.store import PaidCalls, ReplyJournal


def put(journal: ReplyJournal, key: str, value: str, owner: str = "run") -> str:
    return journal.put(
        key, value, owner=owner, role="user", model="m", input_tokens=3, output_tokens=2
    ).result(timeout=30)  # fmt: skip


def test_the_first_reply_of_a_key_stays_and_both_were_paid_for(tmp_path: Path) -> None:
    with ReplyJournal(tmp_path / "deep" / "replies.sqlite") as one, ReplyJournal(one.path) as other:
        assert put(one, "k", "first") == "first"
        assert put(other, "k", "second", "other") == "first"
        assert other.get("k") == "first"
        assert one.get("unknown") is None
        assert one.paid("run") == other.paid("run") == [PaidCalls("user", "m", 1, 3, 2)]
        assert one.paid("other") == [PaidCalls("user", "m", 1, 3, 2)]
        one.charge(owner="run", role="user", model="m", input_tokens=1, output_tokens=1).result(timeout=30)
        assert one.paid("run") == [PaidCalls("user", "m", 2, 4, 3)]
        assert len(one) == 1


def test_many_threads_lose_nothing(tmp_path: Path) -> None:
    with ReplyJournal(tmp_path / "replies.sqlite") as journal:

        def work(number: int) -> None:
            for n in range(50):
                assert put(journal, f"{number}/{n}", f"v{n}") == f"v{n}"

        threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(journal) == 400
        assert journal.paid("run") == [PaidCalls("user", "m", 400, 1200, 800)]
    with ReplyJournal(tmp_path / "replies.sqlite") as journal:
        assert sorted(journal.keys()) == sorted(f"{a}/{b}" for a in range(8) for b in range(50))


def test_a_file_of_another_program_is_left_alone(tmp_path: Path) -> None:
    foreign = tmp_path / "foreign.sqlite"
    connection = sqlite3.connect(foreign)
    connection.execute("CREATE TABLE mine (a)")
    connection.close()
    with pytest.raises(StoreError, match="not a journal of replies"), ReplyJournal(foreign):
        pass
    text = tmp_path / "notes.txt"
    text.write_text("these are my notes, and they are longer than a header of a database " * 20)
    with pytest.raises(StoreError, match="not an SQLite database"), ReplyJournal(text):
        pass
    with pytest.raises(StoreError, match="not open"):
        ReplyJournal(tmp_path / "new.sqlite").get("k")
