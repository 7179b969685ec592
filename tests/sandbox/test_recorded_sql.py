"""Five models' recorded SQL for the 500 questions of BIRD mini_dev, and queries on Chinook: all get a status.

Every 25th question by default; TDLAB_BIRD_STEP=1 takes all, which needs some minutes.
"""

from __future__ import annotations

import collections
import json
import os
import sqlite3
from pathlib import Path
from typing import Any

from tdlab.sandbox import Database, Job, SyncSandbox

MARK = "\t----- bird -----\t"
CHINOOK = [
    ("select count(*) from Track", "ok"),
    ("select a.Name, count(*) n from Artist a join Album b using (ArtistId) group by 1 order by n desc limit 3", "ok"),
    ("select sum(Total) from Invoice", "ok"),
    ("delete from Track", "error"),
    ("select count(*) from Track t1, Track t2, Track t3", "error"),
    ("select * from Track t1, Track t2, Track t3 order by random()", "memory"),
]


def empty(schema: dict[str, Any], path: Path) -> bytes:
    """Return a database with the tables of ``tables.json``, without rows."""
    columns: dict[int, list[str]] = collections.defaultdict(list)
    for (table, column), kind in zip(schema["column_names_original"], schema["column_types"], strict=True):
        if table >= 0:
            quoted = column.replace('"', '""')
            columns[table].append(f'"{quoted}" {kind}')
    with sqlite3.connect(path) as connection:
        for number, name in enumerate(schema["table_names_original"]):
            connection.execute(f'create table "{name}" ({", ".join(columns[number])})')
    connection.close()
    return path.read_bytes()


def test_bird(sandbox: SyncSandbox, shared: Path, tmp_path: Path, record_property: Any) -> None:
    folder = shared / "data" / "sql" / "bird_mini_dev"
    schemas = json.loads((folder / "tables.json").read_text())
    databases = {schema["db_id"]: empty(schema, tmp_path / f"{schema['db_id']}.db") for schema in schemas}
    counts: collections.Counter[str] = collections.Counter()
    files = sorted(folder.glob("predict_mini_dev_*.json"))
    assert len(files) == 5
    step = int(os.environ.get("TDLAB_BIRD_STEP", "25"))
    for file in files:
        answers = list(json.loads(file.read_text()).values())[::step]
        for answer in answers:
            code, _, name = (answer if isinstance(answer, str) else "").partition(MARK)
            job = Job(language="sql", code=code, database=Database(content=databases.get(name, b"")), mode="fork")
            result = sandbox.run(job)
            counts[result.status] += 1
            assert result.status in ("ok", "error", "timeout", "memory", "refused"), (
                result.status,
                result.reason,
                code,
            )
            if result.status in ("ok", "error"):
                assert isinstance(json.loads(result.stdout.data), dict)
    record_property("statuses", dict(counts))
    assert counts.total() == 5 * len(range(0, 500, step))
    assert counts["ok"] > counts.total() // 2


def test_chinook(sandbox: SyncSandbox, shared: Path) -> None:
    content = (shared / "data" / "sql" / "chinook" / "Chinook_Sqlite.sqlite").read_bytes()
    for code, status in CHINOOK:
        job = Job(language="sql", code=code, database=Database(content=content), mode="fork", wall_s=3)
        result = sandbox.run(job)
        assert result.status == status, (code, result.reason, result.stdout.text[:300])
        if status == "error":
            assert json.loads(result.stdout.data)["error"]
