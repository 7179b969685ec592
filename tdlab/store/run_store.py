"""The writer's side of the run directory: one transactional store from which everything else is derived.

``run.sqlite`` (SQLite, WAL, ``synchronous=FULL``) is the source of truth; ``config.yaml``, ``dataset.jsonl``,
``dataset.parquet``, ``metrics.json`` and the figures beside it can be recreated from it. When a method returns, its
data are on the disk and survive ``kill -9`` at any moment; an unfinished method leaves no trace.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from shlex import quote
from typing import Literal, Self

from tdlab._files import remove_leftovers, unwritable
from tdlab.config import RunConfig, without_retired
from tdlab.errors import ConfigError, RunMismatch, RunNotFound, RunVersionError, StoreError
from tdlab.records import Blueprint, BusinessCluster, Domains, Json, Reason, Record, Tool, Trajectory
from tdlab.store._codec import as_key, decode, decode_record, encode
from tdlab.store._connection import PAGE, StoreConnection
from tdlab.store._database import DATABASE, connect_reader, connect_writer, create_database, set_meta
from tdlab.store._lock import DirectoryLock, is_locked
from tdlab.store._rows import (
    CANDIDATE_COLUMNS,
    INSERT_CANDIDATE,
    WITHOUT_BODIES,
    Candidate,
    Counts,
    Generation,
    candidate_from_row,
    candidate_row,
    generation_from_row,
)
from tdlab.store._run_directory import config_differences, make_folder, refuse_foreign_files, runs_in

__all__ = ["Candidate", "Counts", "Generation", "RunState", "RunStore"]

RunState = Literal["running", "complete", "stopped"]
"""The state of a run. ``running`` includes runs whose process was killed and can be resumed (`RunStore.is_live`)."""
_ENDED: dict[str | None, RunState] = {"complete": "complete", "stopped": "stopped"}


class RunStore(StoreConnection):
    """A run directory, opened to write (`create_or_resume`) or to read (`open`). A context manager.

    Any thread of the process that opened it may call its methods, but no other process. Every method raises StoreError
    where the disk or the database fails. After a full disk the store stays usable, and the call can be repeated.

    Example:
        >>> from tdlab import RunConfig
        >>> settings = {"config": RunConfig(target=3), "pool_fingerprint": "none", "versions": {}}
        >>> with RunStore.create_or_resume("runs/new", **settings) as store:
        ...     store.commit_generation(Generation(number=0), [Candidate(generation=0, position=0, accepted=False)])
        ...     store.counts().rejected
        1
    """

    # ------------------------------------------------------------------------------------------------ open and close

    @classmethod
    def create_or_resume(
        cls, path: str | Path, *, config: RunConfig, pool_fingerprint: str, versions: Mapping[str, str]
    ) -> Self:
        """Open the run in folder ``path`` to write: a new run, or the one that is there.

        Args:
            path: The run directory, created if it does not exist.
            config: The run's settings.
            pool_fingerprint: The fingerprint of the pool that the run draws from.
            versions: Library to version, recorded for this session.

        Raises:
            RunMismatch: The folder holds a run of another config or pool; the message lists the differences.
            RunVersionError: Another version of tdlab wrote it.
            RunLocked: Another process is writing to it.
            StoreError: The folder cannot be created or written, or the database is damaged or foreign.
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
        """Open the run in folder ``path`` to read, even while another process writes to it.

        Raises:
            RunNotFound: There is no run; the message names runs nearby.
            RunVersionError: Another version of tdlab wrote it.
            StoreError: It cannot be read.
        """
        folder = Path(path)
        if not folder.exists():
            near = runs_in(folder.parent)
            raise RunNotFound(
                f"{folder}: the folder does not exist",
                expected="a run directory" + (f"; runs beside it: {', '.join(near)}" if near else ""),
                do=f"check the path, or start a run with `tdlab run --out {quote(str(folder))}`",
            )
        if not folder.is_dir():
            raise StoreError(f"{folder}: is a file", expected="a run directory", do="pass the folder that contains it")
        if not (folder / DATABASE).exists():
            near = runs_in(folder)
            raise RunNotFound(
                f"{folder}: contains no {DATABASE}",
                expected="a run directory" + (f"; runs in it: {', '.join(near)}" if near else ""),
                do=f"check the path, or start a run with `tdlab run --out {quote(str(folder))}`",
            )
        return cls(folder, connect_reader(folder), None)

    def __repr__(self) -> str:
        """Show the path and how the store was opened."""
        return f"RunStore({str(self._folder)!r}, {'read-only' if self._lock is None else 'writable'})"

    # ---------------------------------------------------------------------------------------------------- about the run

    @property
    def path(self) -> Path:
        """The run directory."""
        return self._folder

    @property
    def config(self) -> RunConfig:
        """The config that the run was made with."""
        return self._read_config(self._meta("config") or "{}")

    def _read_config(self, text: str) -> RunConfig:
        """Return the stored config; a setting that an earlier version lacked takes the default that its code used."""
        values, _ = without_retired(decode(text))
        try:
            return RunConfig.from_mapping(values, source=str(self._file))
        except ConfigError as error:
            raise RunVersionError(
                f"{self._file}: its config does not fit this version of tdlab: {error.found}",
                expected="the keys and ranges of tdlab.RunConfig",
                do="use the tdlab that wrote it (its `sessions` table names the version)",
            ) from error

    @property
    def pool_fingerprint(self) -> str:
        """The fingerprint of the pool that the run was made from."""
        return self._meta("pool_fingerprint") or ""

    @property
    def versions(self) -> dict[str, str]:
        """The versions of libraries in the latest session, by library."""
        row = self._one("SELECT versions FROM sessions ORDER BY number DESC LIMIT 1")
        return {} if row is None else dict(decode(row["versions"]))

    @property
    def sessions(self) -> list[tuple[str, dict[str, str]]]:
        """The start (ISO 8601, UTC) and the library versions of each session, oldest first."""
        return [
            (started, decode(text))
            for started, text in self._all("SELECT started, versions FROM sessions ORDER BY number")
        ]

    @property
    def is_live(self) -> bool:
        """Whether a process is writing to the run now."""
        return self._lock is not None or is_locked(self._folder)

    @property
    def status(self) -> RunState:
        """The state of the run."""
        return _ENDED.get(self._meta("status"), "running")

    @property
    def reason(self) -> str:
        """The reason why a stopped run stopped, else empty."""
        return str(decode(self._meta("reason") or '""'))

    @property
    def summary(self) -> dict[str, Json]:
        """The summary passed to `mark_complete`; empty before."""
        return dict(decode(self._meta("summary") or "{}"))

    def mark_complete(self, summary: Mapping[str, Json]) -> None:
        """Record that the run has reached its target, with a summary of it."""
        text = encode(dict(summary), "the summary")
        with self._transaction() as db:
            set_meta(db, {"status": "complete", "reason": '""', "summary": text})

    def mark_stopped(self, reason: str) -> None:
        """Record that the run stopped before its target, and why; resuming makes it run again."""
        with self._transaction() as db:
            set_meta(db, {"status": "stopped", "reason": encode(reason, "the reason")})

    def put_paid(self, summary: Mapping[str, Json]) -> None:
        """Record the total cost of the teacher so far; the last record counts."""
        text = encode(dict(summary), "what was paid")
        with self._transaction() as db:
            set_meta(db, {"paid": text})

    @property
    def paid(self) -> Json:
        """The last record of `put_paid`, or None. Costs vary between runs, so no derived file contains them."""
        text = self._meta("paid")
        return None if text is None else decode(text)

    # -------------------------------------------------------------------------------------------------------- mining

    def put_mining(
        self,
        *,
        clusters: Iterable[BusinessCluster],
        tools: Iterable[Tool],
        services: Mapping[str, Domains],
        report: Record | dict[str, Json],
    ) -> None:
        """Store the selected clusters in order, the tools they use, their services' domains and the miner's report.

        All or nothing; a second call replaces the first.

        Raises:
            StoreError: A generation has been committed already.
        """
        tool_rows = [(n, as_key(tool.key), encode(tool, f"tool {tool.key}")) for n, tool in enumerate(tools)]
        service_rows = [(n, encode(pair, f"service {pair[0]}")) for n, pair in enumerate(services.items())]
        cluster_rows = [
            (n, as_key(cluster.id), encode(cluster, f"cluster {cluster.id}")) for n, cluster in enumerate(clusters)
        ]
        report_text = encode(report, "the mining report")
        with self._transaction() as db:
            if db.execute("SELECT 1 FROM generations LIMIT 1").fetchone():
                raise StoreError(
                    f"{self._folder}: generations were already made from the stored clusters",
                    expected="mining before the first generation",
                    do="resume the run as it is, or start another one in a new folder with --out",
                )
            for table in ("tools", "services", "clusters"):
                db.execute(f"DELETE FROM {table}")  # noqa: S608  # one of three names above
            db.executemany("INSERT INTO tools VALUES (?, ?, ?)", tool_rows)
            db.executemany("INSERT INTO services VALUES (?, ?)", service_rows)
            db.executemany("INSERT INTO clusters VALUES (?, ?, ?)", cluster_rows)
            set_meta(db, {"mining": report_text})

    def mining(self) -> dict[str, Json] | None:
        """Return the miner's report, or None before `put_mining`."""
        text = self._meta("mining")
        return None if text is None else dict(decode(text))

    def clusters(self) -> Iterator[BusinessCluster]:
        """Yield the selected clusters in order of selection."""
        for row in self._pages("clusters", "position"):
            yield decode_record(BusinessCluster, row["cluster"], "a cluster")

    def cluster(self, cluster_id: str) -> BusinessCluster:
        """Return one cluster.

        Raises:
            RunNotFound: No cluster has that id.
        """
        row = self._one("SELECT cluster FROM clusters WHERE id = ?", as_key(cluster_id))
        if row is None:
            raise RunNotFound(f"no cluster {cluster_id!r} in {self._folder}", do="list them with `clusters()`")
        return decode_record(BusinessCluster, row["cluster"], f"cluster {cluster_id}")

    def tools(self) -> Iterator[Tool]:
        """Yield the tools that the clusters use, in the order of `put_mining`."""
        for row in self._pages("tools", "position"):
            yield decode_record(Tool, row["tool"], "a tool")

    def tool(self, key: str) -> Tool:
        """Return one tool by its key (``service/name``).

        Raises:
            RunNotFound: No tool has that key.
        """
        row = self._one("SELECT tool FROM tools WHERE key = ?", as_key(key))
        if row is None:
            raise RunNotFound(f"no tool {key!r} in {self._folder}", do="list them with `tools()`")
        return decode_record(Tool, row["tool"], f"tool {key}")

    def services(self) -> dict[str, Domains]:
        """Return each service's domains, in the order of `put_mining`."""
        return dict(decode(text) for (text,) in self._all("SELECT service FROM services ORDER BY position"))

    # --------------------------------------------------------------------------------------------------- generations

    def commit_generation(self, generation: Generation, candidates: Sequence[Candidate]) -> None:
        """Store a generation and all its candidates in one transaction: after the return all are stored, else none.

        Raises:
            StoreError: It is not the next generation (the first is 0), a candidate belongs to another one, a trajectory
                was accepted before, or the disk fails; the store is then unchanged.
        """
        record = encode(generation.record, f"generation {generation.number}")
        rows = [candidate_row(candidate) for candidate in candidates]
        strays = [c.position for c in candidates if c.generation != generation.number]
        if strays or len({c.position for c in candidates}) != len(rows):
            raise StoreError(
                f"generation {generation.number}: candidates {strays or 'with one position twice'} do not belong to it",
                expected="candidates of this generation, each with a position of its own",
                do="correct the calling code; nothing was written",
            )
        with self._transaction() as db:
            (last,) = db.execute("SELECT max(number) FROM generations").fetchone()
            following = 0 if last is None else last + 1
            if generation.number != following:
                raise StoreError(
                    f"generation {generation.number} cannot be committed, since {following} is next",
                    expected=f"generation {following}",
                    do="continue after `last_generation()`; nothing was written",
                )
            db.execute("INSERT INTO generations VALUES (?, ?)", (generation.number, record))
            try:
                db.executemany(INSERT_CANDIDATE, rows)
            except sqlite3.IntegrityError as error:
                raise StoreError(
                    f"generation {generation.number}: {error}",
                    expected="accepted candidates with a trajectory that was not accepted before",
                    do="correct the calling code; nothing was written",
                ) from error

    def discard_last_generation(self) -> None:
        """Delete the last generation and its candidates, because it was cut short and will be made again."""
        with self._transaction() as db:
            for table, column in (("candidates", "generation"), ("generations", "number")):
                db.execute(f"DELETE FROM {table} WHERE {column} = (SELECT max(number) FROM generations)")  # noqa: S608  # names above

    def replace_verdicts(self, candidates: Iterable[Candidate]) -> None:
        """Replace the decisions about stored candidates (accepted, reasons, verdict): all of them or none.

        Raises:
            StoreError: A candidate is not stored, or a trajectory would be accepted twice.
        """
        rows = [candidate_row(candidate) for candidate in candidates]
        with self._transaction() as db:
            for row in rows:
                name = f"candidate {row['generation']}.{row['position']}"
                try:
                    changed = db.execute(
                        "UPDATE candidates SET accepted = :accepted, reasons = :reasons, verdict = :verdict "
                        "WHERE generation = :generation AND position = :position",
                        row,
                    ).rowcount
                except sqlite3.IntegrityError as error:
                    raise StoreError(f"{name}: {error}", do="nothing was written") from error
                if changed != 1:
                    raise StoreError(f"there is no {name}", do="nothing was written")

    def last_generation(self) -> Generation | None:
        """Return the last generation, or None before the first."""
        row = self._one("SELECT number, record FROM generations ORDER BY number DESC LIMIT 1")
        return None if row is None else generation_from_row(row)

    def generation(self, number: int) -> Generation | None:
        """Return one generation, or None if there is none of that number."""
        row = self._one("SELECT number, record FROM generations WHERE number = ?", min(number, 2**62))
        return None if row is None else generation_from_row(row)

    def generations(self) -> Iterator[Generation]:
        """Yield every generation in order."""
        for row in self._pages("generations", "number"):
            yield generation_from_row(row)

    def accepted(self) -> Iterator[Candidate]:
        """Yield the candidates that make the dataset, in order of generation and position."""
        return self.candidates(accepted=True)

    def candidates(
        self, *, accepted: bool | None = None, generation: int | None = None, bodies: bool = True
    ) -> Iterator[Candidate]:
        """Yield candidates in order of generation and position, read page by page: memory does not grow with the run.

        Args:
            accepted: Whether to return only accepted (True) or rejected (False) candidates.
            generation: The only generation to return.
            bodies: Whether to read blueprints and trajectories; without them (None) reading is many times faster.
        """
        for row in self._candidate_rows(CANDIDATE_COLUMNS if bodies else WITHOUT_BODIES, accepted, generation):
            yield candidate_from_row(row)

    def candidate_of(self, noun: Literal["trajectory", "blueprint"], key: str) -> Candidate:
        """Return the candidate with that record; of several the accepted one.

        Raises:
            RunNotFound: No record has that id.
        """
        sql = f"SELECT {CANDIDATE_COLUMNS} FROM candidates WHERE {noun}_id = ? "  # noqa: S608  # a Literal
        row = self._one(sql + "ORDER BY accepted DESC, generation, position", as_key(key))
        if row is None:
            raise RunNotFound(f"no {noun} {key!r} in {self._folder}", do=f"list them with `ids({noun!r})`")
        return candidate_from_row(row)

    def features(self, *, accepted: bool | None = None) -> Iterator[tuple[int, int, dict[str, Json]]]:
        """Yield generation, position and features of each candidate in order, without reading trajectories."""
        for row in self._candidate_rows("generation, position, features", accepted, None):
            yield row["generation"], row["position"], decode(row["features"])

    def ids(self, noun: Literal["trajectory", "blueprint", "cluster"]) -> list[str]:
        """Return the ids of all stored records of one kind, each once, in the order of storing."""
        if noun == "cluster":
            return [row["id"] for row in self._all("SELECT id FROM clusters ORDER BY position")]
        sql = f"SELECT {noun}_id AS id, min(rowid) AS first FROM candidates WHERE {noun}_id IS NOT NULL "  # noqa: S608  # a Literal
        return [row["id"] for row in self._all(sql + f"GROUP BY {noun}_id ORDER BY first")]

    def trajectory(self, trajectory_id: str) -> Trajectory:
        """Return one stored trajectory; of several the accepted one.

        Raises:
            RunNotFound: No trajectory has that id.
        """
        return decode_record(Trajectory, self._text("trajectory", trajectory_id), f"trajectory {trajectory_id}")

    def blueprint(self, blueprint_id: str) -> Blueprint:
        """Return one stored blueprint.

        Raises:
            RunNotFound: No blueprint has that id.
        """
        return decode_record(Blueprint, self._text("blueprint", blueprint_id), f"blueprint {blueprint_id}")

    def _text(self, noun: Literal["trajectory", "blueprint"], key: str) -> str:
        row = self._one(
            f"SELECT {noun} FROM candidates WHERE {noun}_id = ? ORDER BY accepted DESC, generation, position",  # noqa: S608  # a Literal
            as_key(key),
        )
        if row is None:
            raise RunNotFound(f"no {noun} {key!r} in {self._folder}", do=f"list them with `ids({noun!r})`")
        return str(row[noun])

    def counts(self) -> Counts:
        """Return the number of records of each kind."""
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
        """Return the number of accepted candidates of each cluster; clusters without any are left out."""
        sql = "SELECT cluster_id, count(*) AS number FROM candidates WHERE accepted AND cluster_id IS NOT NULL "
        rows = self._all(sql + "GROUP BY cluster_id ORDER BY cluster_id")
        return {row["cluster_id"]: row["number"] for row in rows}

    def rejection_reasons(self) -> dict[str, int]:
        """Return how many rejected candidates have each first reason (the word before the colon), commonest first."""
        tally: Counter[str] = Counter()
        for (text,) in self._all("SELECT reasons FROM candidates WHERE NOT accepted ORDER BY generation, position"):
            reasons = decode(text)
            tally[Reason.parse(reasons[0]).check if reasons else "no reason given"] += 1
        return dict(sorted(tally.items(), key=lambda item: (-item[1], item[0])))

    # ------------------------------------------------------------------------------------------------------- journal

    def journal_put(self, key: str, value: Json) -> None:
        """Record a paid result (a live call, a model's reply) before it is used; it is on the disk on return.

        Raises:
            StoreError: The key has another value already: the first value of a key stays.
        """
        text = encode(value, f"journal entry {key}")
        with self._transaction() as db:
            row = db.execute("SELECT value FROM journal WHERE key = ?", (as_key(key),)).fetchone()
            if row is None:
                db.execute("INSERT INTO journal VALUES (?, ?)", (as_key(key), text))
            elif row["value"] != text:
                raise StoreError(
                    f"journal entry {key!r} exists already with another value",
                    expected="one value per key, since a paid result is never discarded",
                    do="call `journal_get` before paying, or use another key",
                )

    def journal_get(self, key: str, default: Json = None) -> Json:
        """Return the value recorded under ``key``, else ``default``."""
        row = self._one("SELECT value FROM journal WHERE key = ?", as_key(key))
        return default if row is None else decode(row["value"])

    # ---------------------------------------------------------------------------------------------------------- inside

    def _begin_session(self, config: RunConfig, pool_fingerprint: str, versions: Mapping[str, str]) -> None:
        given = config.model_dump(mode="json")
        with self._transaction() as db:
            meta = dict(db.execute("SELECT key, value FROM meta").fetchall())
            if "config" not in meta:
                first = {"config": encode(given, "the config"), "pool_fingerprint": pool_fingerprint}
                set_meta(db, {**first, "status": "running", "reason": '""'})
            else:
                stored = self._read_config(meta["config"]).model_dump(mode="json")
                differences = config_differences(stored, given)
                if meta.get("pool_fingerprint") != pool_fingerprint:
                    differences.append(
                        f"the pool's content is {meta.get('pool_fingerprint')} in the run directory "
                        f"and {pool_fingerprint} now"
                    )
                if differences:
                    raise RunMismatch(
                        f"{self._folder}: contains another run: " + "; ".join(differences),
                        expected="the same config and pool, to resume it",
                        do="use the values in the run directory, or choose another folder with --out",
                    )
                if stored != given:  # only in settings outside the digest: how to reach the teacher, its budget
                    set_meta(db, {"config": encode({**given, "pool": stored["pool"]}, "the config")})
                if meta.get("status") == "stopped":
                    set_meta(db, {"status": "running", "reason": '""'})
            started = datetime.now(UTC).isoformat(timespec="seconds")
            text = encode(dict(sorted(versions.items())), "the versions")
            db.execute("INSERT INTO sessions (started, versions) VALUES (?, ?)", (started, text))

    def _candidate_rows(self, columns: str, accepted: bool | None, generation: int | None) -> Iterator[sqlite3.Row]:
        where = "" if accepted is None else f" AND {'' if accepted else 'NOT '}accepted"
        if generation is not None:
            where += f" AND generation = {int(generation)}"
        sql = (
            f"SELECT {columns} FROM candidates WHERE (generation, position) > (?, ?){where} "  # noqa: S608  # made above
            "ORDER BY generation, position LIMIT ?"
        )
        last: tuple[int, int] = (-1, -1)
        while rows := self._all(sql, *last, PAGE):
            yield from rows
            last = (rows[-1]["generation"], rows[-1]["position"])
