"""The reader's side of the run directory: DataFrames at the grain that one asks for, and single records by a short id.

Nothing here writes, and a run can be read while another process continues it. Text in the frames comes from tools,
users and models: it is untrusted, and escaped wherever tdlab shows it as HTML.
"""

from __future__ import annotations

import difflib
import html
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from shlex import quote
from types import TracebackType
from typing import TYPE_CHECKING, Literal, Self

from tdlab.config import RunConfig
from tdlab.errors import RunNotFound, StoreError
from tdlab.records import Blueprint, BusinessCluster, Json, Reason, Trajectory, heaviest
from tdlab.store.run_store import Candidate, Counts, Generation, RunStore

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Run", "open_run"]


def open_run(path: str | Path) -> Run:
    """Open a run to read, even while another process continues it.

    Args:
        path: The run directory.

    Returns:
        The run; close it, or use it as a context manager.

    Raises:
        RunNotFound: There is no run; the message names runs nearby.
        RunVersionError: Another version of tdlab wrote it.
        StoreError: It cannot be read.

    Example:
        >>> with open_run("runs/first") as run:
        ...     run.status, len(run.trajectories())
        ('complete', 12)
    """
    return Run(RunStore.open(path))


class Run:
    """A run, read-only.

    Frames are read again at each call, so they show the latest generation of a run that continues.

    Example:
        >>> with open_run("runs/first") as run:
        ...     calls = run.calls()
        ...     ids = run.trajectories()["trajectory"]
        ...     first = run.trajectory(ids[0][:12])
        >>> first.id == ids[0], len(calls) > 12
        (True, True)
    """

    def __init__(self, store: RunStore) -> None:
        """Use `open_run` instead; this object closes ``store``."""
        self._store = store

    @property
    def store(self) -> RunStore:
        """The underlying store, for its iterators."""
        return self._store

    @property
    def path(self) -> Path:
        """The run directory."""
        return self._store.path

    @property
    def config(self) -> RunConfig:
        """The config that the run was made with."""
        return self._store.config

    @property
    def status(self) -> str:
        """``running``, ``complete``, ``stopped: <reason>``, or ``interrupted`` (its process ended early)."""
        state = self._store.status
        if state == "stopped":
            return f"stopped: {self._store.reason}"
        if state == "running" and not self._store.is_live:
            return "interrupted"
        return state

    def counts(self) -> Counts:
        """Return the number of records of each kind."""
        return self._store.counts()

    def close(self) -> None:
        """Close the database; a second call does nothing."""
        self._store.close()

    def __enter__(self) -> Self:
        """Return the run itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the run, whatever happened."""
        self.close()

    # -------------------------------------------------------------------------------------------------------- frames

    def trajectories(self) -> pd.DataFrame:
        """Return one row for each accepted trajectory, in the order of the dataset.

        Columns: ``trajectory``, ``generation``, ``position``, ``blueprint``, ``cluster``, ``intent``, ``turns`` (user
        messages), ``messages``, ``calls``, ``tools`` and ``services`` (different ones called), ``errors`` (tool
        messages that are errors), ``steps``, ``mutations`` (operators applied, joined by ``+``), ``parent``,
        ``teacher``, ``environment``; then one column for each feature that is a single value.
        """
        return _frame((_trajectory_row(c) for c in self._store.accepted()), _TRAJECTORY_COLUMNS)

    def messages(self) -> pd.DataFrame:
        """Return one row for each message of the accepted trajectories.

        Columns: ``trajectory``, ``message`` (from 0), ``role``, ``content``, ``calls`` (their number),
        ``tool_call_id``, ``is_error``.
        """
        return _frame(
            (
                {
                    "trajectory": trajectory.id,
                    "message": n,
                    "role": message.role,
                    "content": message.content,
                    "calls": len(message.tool_calls),
                    "tool_call_id": message.tool_call_id,
                    "is_error": message.is_error,
                }
                for trajectory in self._trajectories()
                for n, message in enumerate(trajectory.messages)
            ),
            ("trajectory", "message", "role", "content", "calls", "tool_call_id", "is_error"),
        )

    def calls(self) -> pd.DataFrame:
        """Return one row for each tool call of the accepted trajectories.

        Columns: ``trajectory``, ``call`` (from 0), ``message`` (the one that makes it), ``id``, ``tool`` (key; empty
        for a name that was not offered), ``service``, ``name`` (as offered), ``arguments`` (JSON text), ``step``,
        ``executor``, ``ok`` (the executor's receipt; None without one), ``result``.
        """
        return _frame(
            (row for trajectory in self._trajectories() for row in _call_rows(trajectory)),
            (
                "trajectory",
                "call",
                "message",
                "id",
                "tool",
                "service",
                "name",
                "arguments",
                "step",
                "executor",
                "ok",
                "result",
            ),
        )

    def scores(self) -> pd.DataFrame:
        """Return one row for each mark that a judge of the committee gave, also to rollouts that were rejected.

        Columns: ``trajectory``, ``accepted``, ``judge``, ``criterion``, ``score`` (1 to 5), ``reason``.
        """
        return _frame(
            (
                {"trajectory": verdict.trajectory, "accepted": candidate.accepted, **score.model_dump()}
                for candidate in self._store.candidates()
                if (verdict := candidate.verdict) is not None
                for score in verdict.scores
            ),
            ("trajectory", "accepted", "judge", "criterion", "score", "reason"),
        )

    def generations(self) -> pd.DataFrame:
        """Return one row for each generation: ``generation``, then the controller's numbers (nested: ``a.b``)."""
        return _frame(
            ({"generation": g.number, **_flat(g.record.model_dump())} for g in self._store.generations()),
            ("generation",),
        )

    def rejections(self) -> pd.DataFrame:
        """Return one row for each reason of each rejected candidate.

        Columns: ``generation``, ``position``, ``check`` (the word before the colon), ``reason``, ``blueprint``,
        ``cluster``, ``trajectory`` (None where it was not kept).
        """
        return _frame(
            (row for candidate in self._store.candidates(accepted=False) for row in _rejection_rows(candidate)),
            ("generation", "position", "check", "reason", "blueprint", "cluster", "trajectory"),
        )

    def clusters(self) -> pd.DataFrame:
        """Return one row for each selected cluster, in the order of selection.

        Columns: ``cluster``, ``title``, ``tools``, ``dependencies``, ``services`` (their numbers), ``domain`` (the
        heaviest), ``trajectories`` (the number of accepted ones made from it).
        """
        accepted = self._store.accepted_by_cluster()
        return _frame(
            (
                {
                    "cluster": cluster.id,
                    "title": cluster.title,
                    "tools": len(cluster.tools),
                    "dependencies": len(cluster.dependencies),
                    "services": len({key.partition("/")[0] for key in cluster.tools}),
                    "domain": heaviest(cluster.domains) or None,
                    "trajectories": accepted.get(cluster.id, 0),
                }
                for cluster in self._store.clusters()
            ),
            ("cluster", "title", "tools", "dependencies", "services", "domain", "trajectories"),
        )

    def metrics(self) -> dict[str, Json]:
        """Return the content of ``metrics.json``.

        Raises:
            RunNotFound: The run has not written it yet.
            StoreError: It cannot be read.
        """
        file = self.path / "metrics.json"
        command = f"`tdlab run --out {quote(str(self.path))}`"
        rewrite = f"rewrite it with {command}"
        try:
            content = json.loads(file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise RunNotFound(
                f"{file}: does not exist", expected="a finished run", do=f"resume it with {command}"
            ) from None
        except (OSError, ValueError) as error:
            raise StoreError(f"{file}: cannot be read ({error})", expected="JSON", do=rewrite) from error
        if not isinstance(content, dict):
            raise StoreError(f"{file}: contains a {type(content).__name__}", expected="a JSON object", do=rewrite)
        return content

    # ------------------------------------------------------------------------------------------------ single records

    def trajectory(self, trajectory_id: str) -> Trajectory:
        """Return one stored trajectory by its id or a unique prefix; of several of one id the accepted one.

        Raises:
            RunNotFound: No id or more than one starts like this; the message suggests close ids.
        """
        return self._store.trajectory(self._resolve("trajectory", trajectory_id))

    def blueprint(self, blueprint_id: str) -> Blueprint:
        """Return one stored blueprint by its id or a unique prefix.

        Raises:
            RunNotFound: No id or more than one starts like this; the message suggests close ids.
        """
        return self._store.blueprint(self._resolve("blueprint", blueprint_id))

    def cluster(self, cluster_id: str) -> BusinessCluster:
        """Return one selected cluster by its id or a unique prefix.

        Raises:
            RunNotFound: No id or more than one starts like this; the message suggests close ids.
        """
        return self._store.cluster(self._resolve("cluster", cluster_id))

    def generation(self, number: int) -> Generation:
        """Return one generation, with the numbers behind its decisions.

        Raises:
            RunNotFound: There is no generation of that number.
        """
        generation = self._store.generation(number)
        if generation is None:
            last = self._store.last_generation()
            known = "no number, since none was committed" if last is None else f"a number from 0 to {last.number}"
            raise RunNotFound(
                f"no generation {number} in {self.path}", expected=known, do=self._listing("generation", "generations")
            )
        return generation

    def lineage(self, record_id: str) -> list[Candidate]:
        """Return the candidate of a trajectory or blueprint and its ancestors, youngest first.

        An ancestor is the candidate whose accepted blueprint the younger one's draft started from; the last one started
        from a new plan. Each candidate's ``lineage`` holds the numbers behind it.

        Args:
            record_id: The id of a trajectory or blueprint, or a unique prefix.

        Raises:
            RunNotFound: No id or more than one starts like this; the message suggests close ids.
        """
        try:
            candidate = self._store.candidate_of("trajectory", self._resolve("trajectory", record_id))
        except RunNotFound as no_trajectory:
            try:
                candidate = self._store.candidate_of("blueprint", self._resolve("blueprint", record_id))
            except RunNotFound:
                raise no_trajectory from None
        line = [candidate]
        while base := line[-1].lineage.draft.base:
            older = self._store.candidate_of("blueprint", base)
            if older.generation >= line[-1].generation:
                raise StoreError(
                    f"candidate {line[-1].generation}.{line[-1].position} descends from {older.generation}",
                    expected="an ancestor of an earlier generation",
                    do="the database was edited by hand; start another run with --out",
                )
            line.append(older)
        return line

    def _resolve(self, noun: Literal["trajectory", "blueprint", "cluster"], wanted: str) -> str:
        ids = self._store.ids(noun)
        if wanted in ids:
            return wanted
        matches = [known for known in ids if wanted and known.startswith(wanted)]
        if len(matches) == 1:
            return matches[0]
        if matches:
            shown = ", ".join(matches[:5]) + (", ..." if len(matches) > 5 else "")
            raise RunNotFound(
                f"{len(matches)} ids start with {wanted!r}: {shown}", expected=f"one {noun}", do="give more characters"
            )
        close = difflib.get_close_matches(wanted, ids[:5000], n=5, cutoff=0.5) or ids[:3]
        raise RunNotFound(
            f"no {noun} {wanted!r} in {self.path}",
            expected=f"one of its {len(ids)}" + (f", such as {', '.join(close)}" if close else ""),
            do=self._listing(noun, "clusters" if noun == "cluster" else "trajectories"),
        )

    def _listing(self, noun: str, method: str) -> str:
        """Return the advice for an unknown id."""
        command = f"tdlab show {noun} latest --run {quote(str(self.path))}"
        return f"run `{command}`, or list all with `tdlab.open_run({str(self.path)!r}).{method}()`"

    def _trajectories(self) -> Iterator[Trajectory]:
        return (c.trajectory for c in self._store.accepted() if c.trajectory is not None)

    # -------------------------------------------------------------------------------------------------------- on view

    def _facts(self) -> dict[str, str]:
        counts = self.counts()
        config = self.config
        return {
            "run": str(self.path),
            "status": self.status,
            "accepted": f"{counts.accepted:,} of {config.target:,} wanted",
            "rejected": f"{counts.rejected:,}",
            "generations": f"{counts.generations:,}",
            "clusters": f"{counts.clusters:,} with {counts.tools:,} tools of {counts.services:,} services",
            "config": f"{config.digest}, seed {config.seed}, strategy {config.evolution.strategy}",
            "pool": self._store.pool_fingerprint,
        }

    def __repr__(self) -> str:
        """Describe the run in one line."""
        counts = self.counts()
        return f"Run({str(self.path)!r}: {self.status}, {counts.accepted} accepted, {counts.rejected} rejected)"

    def _repr_html_(self) -> str:
        rows = "".join(
            f'<tr><th style="text-align:left">{html.escape(name)}</th>'
            f'<td style="text-align:left">{html.escape(value)}</td></tr>'
            for name, value in self._facts().items()
        )
        return f"<table>{rows}</table>"


_TRAJECTORY_COLUMNS = (
    "trajectory",
    "generation",
    "position",
    "blueprint",
    "cluster",
    "intent",
    "turns",
    "messages",
    "calls",
    "tools",
    "services",
    "errors",
    "steps",
    "mutations",
    "parent",
    "teacher",
    "environment",
)


def _trajectory_row(candidate: Candidate) -> dict[str, Json]:
    trajectory, blueprint = candidate.trajectory, candidate.blueprint
    if trajectory is None:
        raise StoreError(f"candidate {candidate.generation}.{candidate.position} is accepted and has no trajectory")
    calls = list(trajectory.calls())
    keys = {trajectory.key_of(call) for call in calls}
    row: dict[str, Json] = {
        "trajectory": trajectory.id,
        "generation": candidate.generation,
        "position": candidate.position,
        "blueprint": trajectory.blueprint,
        "cluster": blueprint.cluster if blueprint else None,
        "intent": blueprint.intent if blueprint else None,
        "turns": sum(message.role == "user" for message in trajectory.messages),
        "messages": len(trajectory.messages),
        "calls": len(calls),
        "tools": len(keys),
        "services": len({key.partition("/")[0] for key in keys}),
        "errors": sum(message.role == "tool" and message.is_error for message in trajectory.messages),
        "steps": len(blueprint.steps) if blueprint else None,
        "mutations": "+".join(blueprint.lineage) if blueprint else None,
        "parent": blueprint.parent if blueprint else None,
        "teacher": trajectory.teacher,
        "environment": trajectory.environment,
    }
    features = {name: value for name, value in candidate.features.items() if not isinstance(value, dict | list)}
    return {**features, **row}


def _call_rows(trajectory: Trajectory) -> Iterator[dict[str, Json]]:
    receipts = {execution.call_id: execution for execution in trajectory.executions}
    steps = {call_id: step for step, call_ids in trajectory.steps.items() for call_id in call_ids}
    results = trajectory.results()
    number = 0
    for n, message in enumerate(trajectory.messages):
        for call in message.tool_calls:
            key = trajectory.tools.get(call.name, "")
            receipt = receipts.get(call.id)
            arguments = json.dumps(call.arguments, ensure_ascii=False) if call.malformed is None else call.malformed
            result = results.get(call.id)
            yield {
                "trajectory": trajectory.id,
                "call": number,
                "message": n,
                "id": call.id,
                "tool": key,
                "service": key.partition("/")[0],
                "name": call.name,
                "arguments": arguments,
                "step": steps.get(call.id),
                "executor": receipt.executor if receipt else None,
                "ok": receipt.ok if receipt else None,
                "result": result.content if result else None,
            }
            number += 1


def _rejection_rows(candidate: Candidate) -> Iterator[dict[str, Json]]:
    for reason in candidate.reasons or (Reason(""),):
        yield {
            "generation": candidate.generation,
            "position": candidate.position,
            "check": reason.check,
            "reason": reason.text,
            "blueprint": candidate.blueprint.id if candidate.blueprint else None,
            "cluster": candidate.blueprint.cluster if candidate.blueprint else None,
            "trajectory": candidate.trajectory.id if candidate.trajectory else None,
        }


def _flat(record: Mapping[str, Json], prefix: str = "") -> dict[str, Json]:
    flat: dict[str, Json] = {}
    for name, value in record.items():
        if isinstance(value, dict):
            flat.update(_flat(value, f"{prefix}{name}."))
        else:
            flat[prefix + name] = value
    return flat


def _frame(rows: Iterator[dict[str, Json]], columns: Sequence[str]) -> pd.DataFrame:
    """Return a frame with ``columns`` first and always, further columns in order of first appearance."""
    import pandas as pd

    values = [{name: _showable(value) for name, value in row.items()} for row in rows]
    further = dict.fromkeys(name for row in values for name in row if name not in columns)
    return pd.DataFrame(values, columns=[*columns, *further])


def _showable(value: Json) -> Json:
    """Return the value; in text, half a surrogate pair, which no frame can hold, becomes U+FFFD."""
    if isinstance(value, str) and not value.isascii():
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return value
