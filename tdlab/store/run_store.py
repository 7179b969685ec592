"""The run directory: one transactional store that a run writes to and everything else is derived from.

``run.sqlite`` (SQLite, WAL, ``synchronous=FULL``) is the truth; ``config.yaml``, ``dataset.jsonl``,
``dataset.parquet``, ``metrics.json`` and the figures beside it can be made again from it. What a method has returned
from is on the disk: it outlives ``kill -9`` at any moment, and what it had not finished leaves no trace.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from tdlab._files import remove_leftovers, unwritable
from tdlab.config import RunConfig, without_retired
from tdlab.errors import ConfigError, RunMismatch, RunNotFound, RunVersionError, StoreError
from tdlab.records import Blueprint, BusinessCluster, Domains, Json, Tool, Trajectory
from tdlab.store._codec import as_key, decode, decode_record, encode
from tdlab.store._database import DATABASE, connect_reader, connect_writer, create_database, set_meta, translated
from tdlab.store._lock import DirectoryLock, is_locked
from tdlab.store._rows import (
    CANDIDATE_COLUMNS,
    Candidate,
    Counts,
    Generation,
    candidate_from_row,
    candidate_row,
)
from tdlab.store._run_directory import config_differences, make_folder, refuse_foreign_files, runs_in

__all__ = ["Candidate", "Counts", "Generation", "RunState", "RunStore"]

_PAGE = 256
RunState = Literal["running", "complete", "stopped"]
_ENDED: dict[str | None, RunState] = {"complete": "complete", "stopped": "stopped"}
"""``running`` also while no process is at work: a killed run is one that can be resumed (`RunStore.is_live`)."""


class RunStore:
    """A run directory, opened to write (`create_or_resume`) or to read (`open`). A context manager.

    Methods may be called from any thread of the process that opened it, and from no other process. Every method
    raises StoreError where the disk or the database fails; after a full disk the store stays usable, and the call can
    be made again.
    """

    def __init__(self, folder: Path, connection: sqlite3.Connection, lock: DirectoryLock | None) -> None:
        """Use `create_or_resume` or `open`."""
        self._folder = folder
        self._file = folder / DATABASE
        self._connection = connection
        self._lock = lock
        self._process = os.getpid()
        self._guard = threading.RLock()
        self._closed = False

    # ------------------------------------------------------------------------------------------------ open and close

    @classmethod
    def create_or_resume(
        cls, path: str | Path, *, config: RunConfig, pool_fingerprint: str, versions: Mapping[str, str]
    ) -> Self:
        """The run of ``config`` on that pool in folder ``path``: a new one, or the one that is there.

        ``versions`` (library to version) is noted for this session. Raises RunMismatch, field by field, when another
        run is there; RunVersionError for another layout; RunLocked while another process writes; StoreError when the
        folder cannot be made or written, or when the database is damaged or foreign.
        """
        folder = Path(path)
        make_folder(folder)
        lock = DirectoryLock(folder)
        try:
            remove_leftovers(folder)
            if not (folder / DATABASE).exists():
                refuse_foreign_files(folder)
                create_database(folder)
            store = cls(folder, connect_writer(folder), lock)
        except OSError as error:
            lock.release()
            raise unwritable(folder, error) from error
        except BaseException:
            lock.release()
            raise
        try:
            store._begin_session(config, pool_fingerprint, versions)
        except BaseException:
            store.close()
            raise
        return store

    @classmethod
    def open(cls, path: str | Path) -> Self:
        """The run in folder ``path``, read-only, also while another process writes it.

        RunNotFound where there is none, RunVersionError for another layout, StoreError where it cannot be read.
        """
        folder = Path(path)
        if not folder.exists():
            near = runs_in(folder.parent)
            raise RunNotFound(
                f"{folder}: there is no such folder",
                expected="a run directory" + (f"; runs beside it: {', '.join(near)}" if near else ""),
                do="check the path, or make a run with `tdlab run --out`",
            )
        if not folder.is_dir():
            raise StoreError(f"{folder}: is a file", expected="a run directory", do="name the folder that holds it")
        if not (folder / DATABASE).exists():
            near = runs_in(folder)
            raise RunNotFound(
                f"{folder}: holds no {DATABASE}",
                expected="a run directory" + (f"; runs in it: {', '.join(near)}" if near else ""),
                do="check the path, or make a run with `tdlab run --out`",
            )
        return cls(folder, connect_reader(folder), None)

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
        """The store itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it, whatever happened."""
        self.close()

    def __repr__(self) -> str:
        """Where it is and how it was opened."""
        return f"RunStore({str(self._folder)!r}, {'read-only' if self._lock is None else 'writable'})"

    # -------------------------------------------------------------------------------------------------- what run it is

    @property
    def path(self) -> Path:
        """The run directory."""
        return self._folder

    @property
    def config(self) -> RunConfig:
        """The config that the run was made with."""
        return self._read_config(self._meta("config") or "{}")

    def _read_config(self, text: str) -> RunConfig:
        """Read the stored config; what earlier versions did not have takes its default, which was in the code then."""
        values, _ = without_retired(decode(text))
        try:
            return RunConfig.from_mapping(values, source=str(self._file))
        except ConfigError as error:
            raise RunVersionError(
                f"{self._file}: its config is not one of this tdlab: {error.found}",
                expected="the keys and ranges of tdlab.RunConfig",
                do="use the tdlab that wrote it (its `sessions` table names the version)",
            ) from error

    @property
    def pool_fingerprint(self) -> str:
        """The fingerprint of the pool that the run was made from."""
        return self._meta("pool_fingerprint") or ""

    @property
    def versions(self) -> dict[str, str]:
        """Library to version, as the latest session had them."""
        row = self._one("SELECT versions FROM sessions ORDER BY number DESC LIMIT 1")
        return {} if row is None else dict(decode(row[0]))

    @property
    def sessions(self) -> list[tuple[str, dict[str, str]]]:
        """When each session of the run started (ISO 8601, UTC) and with which versions, oldest first."""
        return [
            (started, decode(text))
            for started, text in self._all("SELECT started, versions FROM sessions ORDER BY number")
        ]

    @property
    def is_live(self) -> bool:
        """Whether a process works on the run now."""
        return self._lock is not None or is_locked(self._folder)

    @property
    def status(self) -> RunState:
        """How far the run is."""
        return _ENDED.get(self._meta("status"), "running")

    @property
    def reason(self) -> str:
        """Why a stopped run stopped, else empty."""
        return str(decode(self._meta("reason") or '""'))

    @property
    def summary(self) -> dict[str, Json]:
        """What `mark_complete` was given; empty before."""
        return dict(decode(self._meta("summary") or "{}"))

    def mark_complete(self, summary: Mapping[str, Json]) -> None:
        """The run has all it wanted; ``summary`` is kept with it."""
        text = encode(dict(summary), "the summary")
        with self._transaction() as db:
            set_meta(db, {"status": "complete", "reason": '""', "summary": text})

    def mark_stopped(self, reason: str) -> None:
        """The run ended before its target for ``reason``; resuming makes it run again."""
        with self._transaction() as db:
            set_meta(db, {"status": "stopped", "reason": encode(reason, "the reason")})

    def put_paid(self, summary: Mapping[str, Json]) -> None:
        """Note what the run has paid a teacher in all so far; the last note stands."""
        text = encode(dict(summary), "what was paid")
        with self._transaction() as db:
            set_meta(db, {"paid": text})

    @property
    def paid(self) -> Json:
        """What `put_paid` noted last, or None: it depends on luck and concurrency, so no derived file holds it."""
        text = self._meta("paid")
        return None if text is None else decode(text)

    # -------------------------------------------------------------------------------------------------------- mining

    def put_mining(
        self,
        *,
        clusters: Iterable[BusinessCluster],
        tools: Iterable[Tool],
        services: Mapping[str, Domains],
        report: Mapping[str, Json],
    ) -> None:
        """Store the selected clusters in order, the tools they use, their services' domains and the miner's report.

        All or nothing; what an earlier call stored is replaced. StoreError once a generation has been committed.
        """
        tool_rows = [(n, as_key(tool.key), encode(tool, f"tool {tool.key}")) for n, tool in enumerate(tools)]
        service_rows = [(n, encode(pair, f"service {pair[0]}")) for n, pair in enumerate(services.items())]
        cluster_rows = [
            (n, as_key(cluster.id), encode(cluster, f"cluster {cluster.id}")) for n, cluster in enumerate(clusters)
        ]
        report_text = encode(dict(report), "the mining report")
        with self._transaction() as db:
            if db.execute("SELECT 1 FROM generations LIMIT 1").fetchone():
                raise StoreError(
                    f"{self._folder}: generations have been made from the clusters that are stored",
                    expected="mining before the first generation",
                    do="resume the run as it is, or start another in a new folder",
                )
            for table in ("tools", "services", "clusters"):
                db.execute(f"DELETE FROM {table}")  # noqa: S608  # one of three names above
            db.executemany("INSERT INTO tools VALUES (?, ?, ?)", tool_rows)
            db.executemany("INSERT INTO services VALUES (?, ?)", service_rows)
            db.executemany("INSERT INTO clusters VALUES (?, ?, ?)", cluster_rows)
            set_meta(db, {"mining": report_text})

    def mining(self) -> dict[str, Json] | None:
        """The report that `put_mining` was given; None before it was called."""
        text = self._meta("mining")
        return None if text is None else dict(decode(text))

    def clusters(self) -> Iterator[BusinessCluster]:
        """The selected clusters in the order they were selected."""
        for (text,) in self._pages(
            "SELECT position, cluster FROM clusters WHERE position > ? ORDER BY position LIMIT ?"
        ):
            yield decode_record(BusinessCluster, text, "a cluster")

    def cluster(self, cluster_id: str) -> BusinessCluster:
        """One cluster; RunNotFound for another id."""
        row = self._one("SELECT cluster FROM clusters WHERE id = ?", as_key(cluster_id))
        if row is None:
            raise RunNotFound(f"no cluster {cluster_id!r} in {self._folder}", do="list them with `clusters()`")
        return decode_record(BusinessCluster, row[0], f"cluster {cluster_id}")

    def tools(self) -> Iterator[Tool]:
        """The tools that the clusters use, in the order they were given."""
        for (text,) in self._pages("SELECT position, tool FROM tools WHERE position > ? ORDER BY position LIMIT ?"):
            yield decode_record(Tool, text, "a tool")

    def tool(self, key: str) -> Tool:
        """One tool by its ``service/name``; RunNotFound for another key."""
        row = self._one("SELECT tool FROM tools WHERE key = ?", as_key(key))
        if row is None:
            raise RunNotFound(f"no tool {key!r} in {self._folder}", do="list them with `tools()`")
        return decode_record(Tool, row[0], f"tool {key}")

    def services(self) -> dict[str, Domains]:
        """Service name to its domains, in the order they were given."""
        return dict(decode(text) for (text,) in self._all("SELECT service FROM services ORDER BY position"))

    # --------------------------------------------------------------------------------------------------- generations

    def commit_generation(self, generation: Generation, candidates: Sequence[Candidate]) -> None:
        """Store a generation and all its candidates in one transaction: after a return all are there, else none.

        StoreError when it is not the next generation (the first is 0), when a candidate belongs to another one, when
        an accepted trajectory was accepted before, or when the disk fails; the store is then as it was.
        """
        record = encode(dict(generation.record), f"generation {generation.number}")
        rows = [candidate_row(candidate) for candidate in candidates]
        strays = [c.position for c in candidates if c.generation != generation.number]
        if strays or len({c.position for c in candidates}) != len(rows):
            raise StoreError(
                f"generation {generation.number}: candidates {strays or 'with one position twice'} do not belong to it",
                expected="candidates of this generation, each with a position of its own",
                do="this is a fault of the caller; nothing was written",
            )
        with self._transaction() as db:
            (last,) = db.execute("SELECT max(number) FROM generations").fetchone()
            following = 0 if last is None else last + 1
            if generation.number != following:
                raise StoreError(
                    f"generation {generation.number} was to be committed and {following} is next",
                    expected=f"generation {following}",
                    do="continue after `last_generation()`; nothing was written",
                )
            db.execute("INSERT INTO generations VALUES (?, ?)", (generation.number, record))
            try:
                db.executemany(f"INSERT INTO candidates VALUES ({', '.join('?' * 12)})", rows)  # noqa: S608  # only question marks
            except sqlite3.IntegrityError as error:
                raise StoreError(
                    f"generation {generation.number}: {error}",
                    expected="accepted candidates with a trajectory that was not accepted before",
                    do="this is a fault of the caller; nothing was written",
                ) from error

    def discard_last_generation(self) -> None:
        """Forget the generation committed last with its candidates; for one that was cut short and is made anew."""
        with self._transaction() as db:
            for table, column in (("candidates", "generation"), ("generations", "number")):
                db.execute(f"DELETE FROM {table} WHERE {column} = (SELECT max(number) FROM generations)")  # noqa: S608  # names above

    def rejudge(self, candidates: Iterable[Candidate]) -> None:
        """Replace what was decided about candidates that are there (accepted, reasons, verdict): all or none of them.

        StoreError where one is not there, or where a trajectory would be accepted twice.
        """
        rows = [(*(candidate_row(c)[i] for i in (2, 6, 9)), c.generation, c.position) for c in candidates]
        with self._transaction() as db:
            for row in rows:
                try:
                    changed = db.execute(
                        "UPDATE candidates SET accepted = ?, reasons = ?, verdict = ? "
                        "WHERE generation = ? AND position = ?",
                        row,
                    ).rowcount
                except sqlite3.IntegrityError as error:
                    raise StoreError(f"candidate {row[3]}.{row[4]}: {error}", do="nothing was written") from error
                if changed != 1:
                    raise StoreError(f"there is no candidate {row[3]}.{row[4]}", do="nothing was written")

    def last_generation(self) -> Generation | None:
        """The generation committed last; None before the first."""
        row = self._one("SELECT number, record FROM generations ORDER BY number DESC LIMIT 1")
        return None if row is None else Generation(number=row[0], record=decode(row[1]))

    def generation(self, number: int) -> Generation | None:
        """One generation; None where there is none of that number."""
        row = self._one("SELECT record FROM generations WHERE number = ?", min(number, 2**62))
        return None if row is None else Generation(number=number, record=decode(row[0]))

    def generations(self) -> Iterator[Generation]:
        """Every generation in order."""
        for number, text in self._pages(
            "SELECT number, number, record FROM generations WHERE number > ? ORDER BY number LIMIT ?"
        ):
            yield Generation(number=number, record=decode(text))

    def accepted(self) -> Iterator[Candidate]:
        """The candidates that make the dataset, in order of generation and position."""
        return self.candidates(accepted=True)

    def candidates(
        self, *, accepted: bool | None = None, generation: int | None = None, bodies: bool = True
    ) -> Iterator[Candidate]:
        """Candidates in order of generation and position, read page by page: memory does not grow with the run.

        Only the accepted or the rejected ones where ``accepted`` says so; only those of one ``generation`` where given.
        Without ``bodies`` blueprints and trajectories are not read and are None: many times quicker.
        """
        columns = CANDIDATE_COLUMNS if bodies else CANDIDATE_COLUMNS.replace("blueprint, trajectory", "NULL, NULL")
        for row in self._candidate_rows(columns, accepted, generation):
            yield candidate_from_row(row)

    def candidate_of(self, noun: Literal["trajectory", "blueprint"], key: str) -> Candidate:
        """The candidate with that record, the accepted one where there are several; RunNotFound for another id."""
        sql = f"SELECT {CANDIDATE_COLUMNS} FROM candidates WHERE {noun}_id = ? "  # noqa: S608  # a Literal
        row = self._one(sql + "ORDER BY accepted DESC, generation, position", as_key(key))
        if row is None:
            raise RunNotFound(f"no {noun} {key!r} in {self._folder}", do=f"list them with `ids({noun!r})`")
        return candidate_from_row(row)

    def features(self, *, accepted: bool | None = None) -> Iterator[tuple[int, int, dict[str, Json]]]:
        """Generation, position and features of each candidate, in order, without reading its trajectory."""
        for generation, position, text in self._candidate_rows("generation, position, features", accepted, None):
            yield generation, position, decode(text)

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Within the block, all that a store open to read gives is of one moment, though the run goes on.

        Keep the block short: the writer's log grows until it ends. For the writer itself it changes nothing.
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

    def ids(self, noun: Literal["trajectory", "blueprint", "cluster"]) -> list[str]:
        """Ids of all stored records of a kind, each once, in the order they were stored."""
        if noun == "cluster":
            return [row[0] for row in self._all("SELECT id FROM clusters ORDER BY position")]
        sql = f"SELECT {noun}_id, min(rowid) AS first FROM candidates WHERE {noun}_id IS NOT NULL "  # noqa: S608  # a Literal
        return [row[0] for row in self._all(sql + f"GROUP BY {noun}_id ORDER BY first")]

    def trajectory(self, trajectory_id: str) -> Trajectory:
        """One stored trajectory, the accepted one where there are several; RunNotFound for another id."""
        return decode_record(Trajectory, self._text("trajectory", trajectory_id), f"trajectory {trajectory_id}")

    def blueprint(self, blueprint_id: str) -> Blueprint:
        """One stored blueprint; RunNotFound for another id."""
        return decode_record(Blueprint, self._text("blueprint", blueprint_id), f"blueprint {blueprint_id}")

    def _text(self, noun: Literal["trajectory", "blueprint"], key: str) -> str:
        row = self._one(
            f"SELECT {noun} FROM candidates WHERE {noun}_id = ? ORDER BY accepted DESC, generation, position",  # noqa: S608  # a Literal
            as_key(key),
        )
        if row is None:
            raise RunNotFound(f"no {noun} {key!r} in {self._folder}", do=f"list them with `ids({noun!r})`")
        return str(row[0])

    def counts(self) -> Counts:
        """How many of each there are."""
        row = self._one(
            "SELECT (SELECT count(*) FROM tools), (SELECT count(*) FROM services), (SELECT count(*) FROM clusters), "
            "(SELECT count(*) FROM generations), (SELECT count(*) FROM candidates), "
            "(SELECT count(*) FROM candidates WHERE accepted), (SELECT count(*) FROM journal)"
        )
        tools, services, clusters, generations, candidates, accepted, journal = row or (0,) * 7
        return Counts(
            tools=tools,
            services=services,
            clusters=clusters,
            generations=generations,
            candidates=candidates,
            accepted=accepted,
            rejected=candidates - accepted,
            journal=journal,
        )

    def accepted_by_cluster(self) -> dict[str, int]:
        """How many accepted candidates each cluster has given; clusters with none are left out."""
        sql = "SELECT cluster_id, count(*) FROM candidates WHERE accepted AND cluster_id IS NOT NULL "
        return dict(self._all(sql + "GROUP BY cluster_id ORDER BY cluster_id"))

    def rejection_reasons(self) -> dict[str, int]:
        """Word before the colon of a rejected candidate's first reason, to how many there are; commonest first."""
        tally: Counter[str] = Counter()
        for (text,) in self._all("SELECT reasons FROM candidates WHERE NOT accepted ORDER BY generation, position"):
            reasons = decode(text)
            tally[reasons[0].partition(":")[0] if reasons else "no reason given"] += 1
        return dict(sorted(tally.items(), key=lambda item: (-item[1], item[0])))

    # ------------------------------------------------------------------------------------------------------- journal

    def journal_put(self, key: str, value: Json) -> None:
        """Note what was paid for outside (a live call, a model's reply) before it is used: on the disk on return.

        The first value of a key stays: a second call with another value raises StoreError.
        """
        text = encode(value, f"journal entry {key}")
        with self._transaction() as db:
            row = db.execute("SELECT value FROM journal WHERE key = ?", (as_key(key),)).fetchone()
            if row is None:
                db.execute("INSERT INTO journal VALUES (?, ?)", (as_key(key), text))
            elif row[0] != text:
                raise StoreError(
                    f"journal entry {key!r} is there already with another value",
                    expected="one value a key: what was paid for is not thrown away",
                    do="look with `journal_get` before paying, or use another key",
                )

    def journal_get(self, key: str, default: Json = None) -> Json:
        """What was noted under ``key``, else ``default``."""
        row = self._one("SELECT value FROM journal WHERE key = ?", as_key(key))
        return default if row is None else decode(row[0])

    # ---------------------------------------------------------------------------------------------------------- inside

    def _begin_session(self, config: RunConfig, pool_fingerprint: str, versions: Mapping[str, str]) -> None:
        wanted = config.model_dump(mode="json")
        with self._transaction() as db:
            found = dict(db.execute("SELECT key, value FROM meta").fetchall())
            if "config" not in found:
                begun = {"config": encode(wanted, "the config"), "pool_fingerprint": pool_fingerprint}
                set_meta(db, {**begun, "status": "running", "reason": '""'})
            else:
                known = self._read_config(found["config"]).model_dump(mode="json")
                differences = config_differences(known, wanted)
                if found.get("pool_fingerprint") != pool_fingerprint:
                    differences.append(
                        f"the pool's content is {found.get('pool_fingerprint')} there and {pool_fingerprint} here"
                    )
                if differences:
                    raise RunMismatch(
                        f"{self._folder}: holds another run: " + "; ".join(differences),
                        expected="the same config and pool, to resume it",
                        do="use the values that are there, or choose another folder with --out",
                    )
                if known != wanted:  # only in what no digest tells: how the teacher is reached, what it may cost
                    set_meta(db, {"config": encode({**wanted, "pool": known["pool"]}, "the config")})
                if found.get("status") == "stopped":
                    set_meta(db, {"status": "running", "reason": '""'})
            started = datetime.now(UTC).isoformat(timespec="seconds")
            text = encode(dict(sorted(versions.items())), "the versions")
            db.execute("INSERT INTO sessions (started, versions) VALUES (?, ?)", (started, text))

    def _usable(self) -> sqlite3.Connection:
        if self._closed or os.getpid() != self._process:
            raise StoreError(
                f"{self._folder}: the store is closed" if self._closed else f"{self._folder}: used in a forked process",
                expected="the process that opened it, before `close`",
                do="open it again",
            )
        return self._connection

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._guard:
            db = self._usable()
            if self._lock is None:
                raise StoreError(
                    f"{self._folder}: is open to read", expected="a writable store", do="use RunStore.create_or_resume"
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

    def _one(self, sql: str, *values: object) -> tuple[Json, ...] | None:
        with self._guard, translated(self._file):
            row: tuple[Json, ...] | None = self._usable().execute(sql, values).fetchone()
            return row

    def _all(self, sql: str, *values: object) -> list[tuple[Json, ...]]:
        with self._guard, translated(self._file):
            return self._usable().execute(sql, values).fetchall()

    def _meta(self, key: str) -> str | None:
        row = self._one("SELECT value FROM meta WHERE key = ?", key)
        return None if row is None else str(row[0])

    def _pages(self, sql: str) -> Iterator[tuple[Json, ...]]:
        """Rows of a query whose first column is the key to continue after; it is left out of what is yielded."""
        last = -1
        while rows := self._all(sql, last, _PAGE):
            yield from (row[1:] for row in rows)
            last = rows[-1][0]

    def _candidate_rows(
        self, columns: str, accepted: bool | None, generation: int | None
    ) -> Iterator[tuple[Json, ...]]:
        where = "" if accepted is None else f" AND {'' if accepted else 'NOT '}accepted"
        if generation is not None:
            where += f" AND generation = {int(generation)}"
        sql = (
            f"SELECT {columns} FROM candidates WHERE (generation, position) > (?, ?){where} "  # noqa: S608  # made above
            "ORDER BY generation, position LIMIT ?"
        )
        last: tuple[int, int] = (-1, -1)
        while rows := self._all(sql, *last, _PAGE):
            yield from rows
            last = (rows[-1][0], rows[-1][1])
