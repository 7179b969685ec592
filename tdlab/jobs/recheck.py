"""Recorded code run again: which programs of a run still print what is on record, and the verdicts that follow.

`recorded_programs` lists them, `replay_programs` runs them in a sandbox and changes nothing, `check_run` does both and
writes what it found into the run: a trajectory with a program that prints something else is no longer accepted, and the
files that are derived from the run are made anew. A program that could not be run (the sandbox failed) says nothing
about its record and changes nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from tdlab.config import SandboxConfig
from tdlab.errors import ConfigError
from tdlab.jobs.progress import Reporter
from tdlab.jobs.run import derive_again
from tdlab.records import CODE_TOOL, Check, Json, Record, Trajectory, Verdict
from tdlab.rollout import CodeRunner, recorded_output
from tdlab.sandbox import CodeOutput, Comparison, Difference, code_job
from tdlab.store import Candidate, Run, RunStore, open_run

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["CheckReport", "Checked", "Program", "check_run", "recorded_programs", "replay_programs"]

_CHECK = "code"


class Program(Record):
    """One recorded call of the code tool: where it stands, what it was given, what is on record."""

    trajectory: str
    call_id: str
    domain: str
    arguments: dict[str, Json]
    recorded: str

    @property
    def language(self) -> str:
        """``python``, ``bash`` or ``sql``, as the call says."""
        return str(self.arguments.get("language", ""))


class Checked(Record):
    """What came of running a program again: see `tdlab.sandbox.Comparison`; ``seconds`` is what it took."""

    program: Program
    comparison: Comparison
    seconds: float


class CheckReport(NamedTuple):
    """All programs of a run with what came of each, the backend that ran them, and whose verdict changed.

    ``rejected`` and ``restored`` are ids of trajectories that left the dataset or came back to it.
    """

    checked: tuple[Checked, ...]
    backend: str
    rejected: tuple[str, ...] = ()
    restored: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether every program printed what is on record."""
        return all(one.comparison.same for one in self.checked)

    def count(self, verdict: Literal["same", "different", "not_replayed"]) -> int:
        """How many programs came out so."""
        return sum(one.comparison.verdict == verdict for one in self.checked)

    def to_frame(self) -> pd.DataFrame:
        """One row a program: ``trajectory, call, domain, language, verdict, seconds, reason, code, recorded``."""
        import pandas as pd

        columns = ["trajectory", "call", "domain", "language", "verdict", "seconds", "reason", "code", "recorded"]
        rows = [
            (
                one.program.trajectory,
                one.program.call_id,
                one.program.domain,
                one.program.language,
                one.comparison.verdict,
                one.seconds,
                one.comparison.reason,
                str(one.program.arguments.get("code", "")),
                one.program.recorded,
            )
            for one in self.checked
        ]
        return pd.DataFrame(rows, columns=columns)


def recorded_programs(run: Run) -> tuple[Program, ...]:
    """Every recorded call of the code tool in the dataset, and in what `check_run` took out of it, in order."""
    return tuple(program for candidate in _judged(run.store) for program in _programs(candidate))


def replay_programs(
    programs: Sequence[Program],
    *,
    config: SandboxConfig | None = None,
    workers: int = 2,
    on_progress: Callable[[int, int], None] | None = None,
) -> CheckReport:
    """Run programs again and compare, in jails of ``config`` (the first backend that holds, where it names none).

    ``workers`` jails work at the same time. SandboxUnavailable where there is no jail; nothing is opened for no
    programs.
    """
    config = config or SandboxConfig()
    if not config.on:
        config = config.model_copy(update={"backend": "auto"})
    if workers < 1:
        raise ConfigError(f"workers is {workers}", expected="1 or more", do="leave it out for two")
    if not programs:
        return CheckReport((), "none")
    checked: list[Checked] = []
    with CodeRunner(config, workers=workers) as runner, ThreadPoolExecutor(workers) as threads:
        backend = runner.sandbox.backend
        for number, one in enumerate(threads.map(lambda program: _replayed(runner, program), programs), start=1):
            checked.append(one)
            if on_progress is not None:
                on_progress(number, len(programs))
    return CheckReport(tuple(checked), backend)


def check_run(
    path: str | Path,
    *,
    backend: str | None = None,
    wall_s: float | None = None,
    workers: int = 2,
    progress: bool = True,
) -> CheckReport:
    """Run every recorded program of the run in folder ``path`` again, and change its verdicts by what comes out.

    ``backend`` and ``wall_s`` replace the run's own. Raises StoreError and its kin, SandboxUnavailable.
    """
    with open_run(path) as run:
        programs, settings = recorded_programs(run), run.config.sandbox
    changes: dict[str, Any] = {"backend": backend, "wall_s": wall_s}
    settings = SandboxConfig.model_validate(
        {**settings.model_dump(), **{name: value for name, value in changes.items() if value is not None}}
    )
    with Reporter(enabled=progress and bool(programs)) as reporter:
        reporter.stage("programs", total=len(programs))
        report = replay_programs(
            programs, config=settings, workers=workers, on_progress=lambda done, _: reporter.update(done)
        )
    rejected, restored = _rejudge(Path(path), report.checked)
    return report._replace(rejected=rejected, restored=restored)


# ------------------------------------------------------------------------------------------------------------- inside


def _replayed(runner: CodeRunner, program: Program) -> Checked:
    began = time.perf_counter()
    recorded = recorded_output(program.recorded)
    if recorded is None:
        comparison = Comparison(verdict="different", reason="what is on record is no answer of the code tool")
    else:
        job = code_job(program.arguments, mode="fork")
        comparison = _refused(recorded, job) if isinstance(job, CodeOutput) else runner.sandbox.replay(job, recorded)
    return Checked(program=program, comparison=comparison, seconds=time.perf_counter() - began)


def _refused(recorded: CodeOutput, now: CodeOutput) -> Comparison:
    if recorded == now:
        return Comparison(verdict="same")
    change = Difference(part="status", line=0, recorded=recorded.status, replayed=f"{now.status}: {now.reason}")
    return Comparison(verdict="different", differences=(change,), reason="it is refused now")


def _judged(store: RunStore) -> Iterable[Candidate]:
    """The dataset, and the candidates that are out of it for their code alone."""
    for candidate in store.candidates():
        alone = bool(candidate.reasons) and all(reason.startswith(f"{_CHECK}: ") for reason in candidate.reasons)
        if candidate.trajectory is not None and (candidate.accepted or alone):
            yield candidate


def _programs(candidate: Candidate) -> Iterable[Program]:
    trajectory: Trajectory | None = candidate.trajectory
    if trajectory is None:
        return
    domains = candidate.features.get("domains")
    domain = max(domains, key=lambda name: (domains[name], name)) if isinstance(domains, dict) and domains else "other"
    results = trajectory.results()
    for call in trajectory.calls():
        if trajectory.tools.get(call.name) == CODE_TOOL and call.id in results:
            yield Program(
                trajectory=trajectory.id,
                call_id=call.id,
                domain=domain,
                arguments=call.arguments,
                recorded=results[call.id].content,
            )


def _rejudge(path: Path, checked: Sequence[Checked]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Write new verdicts where they changed, and what is derived from them; who was rejected, who came back."""
    by_trajectory: dict[str, list[Checked]] = {}
    for one in checked:
        by_trajectory.setdefault(one.program.trajectory, []).append(one)
    with RunStore.open(path) as store:
        config, fingerprint, versions = store.config, store.pool_fingerprint, store.versions
        status, reason = store.status, store.reason
        changed = [
            new
            for candidate in _judged(store)
            if candidate.trajectory is not None
            and (new := _judgement(candidate, by_trajectory.get(candidate.trajectory.id, []))) is not None
        ]
    if not changed:
        return (), ()
    with RunStore.create_or_resume(path, config=config, pool_fingerprint=fingerprint, versions=versions) as store:
        store.rejudge(changed)
        if status == "stopped":
            store.mark_stopped(reason)
        derive_again(store)
    ids = [(c.trajectory.id if c.trajectory else "", c.accepted) for c in changed]
    return tuple(i for i, accepted in ids if not accepted), tuple(i for i, accepted in ids if accepted)


def _judgement(candidate: Candidate, checked: Sequence[Checked]) -> Candidate | None:
    """The candidate with its new verdict; None where nothing changes or nothing could be told."""
    if candidate.verdict is None or any(one.comparison.verdict == "not_replayed" for one in checked):
        return None
    wrong = [one for one in checked if not one.comparison.same]
    reason = ""
    if wrong:
        told = wrong[0].comparison
        first = told.differences[0] if told.differences else None
        shown = f": {first.recorded[:80]!r} is on record, it is {first.replayed[:80]!r}" if first else ""
        reason = f"run again, {wrong[0].program.call_id} gives something else ({told.reason}){shown}"
    if (not reason) == candidate.accepted:
        return None
    others = tuple(check for check in candidate.verdict.checks if check.name != _CHECK)
    verdict = Verdict(
        trajectory=candidate.verdict.trajectory, checks=(*others, Check(name=_CHECK, passed=not reason, reason=reason))
    )
    return Candidate(
        generation=candidate.generation,
        position=candidate.position,
        accepted=verdict.accepted,
        reasons=verdict.reasons,
        lineage=candidate.lineage,
        features=candidate.features,
        verdict=verdict,
        blueprint=candidate.blueprint,
        trajectory=candidate.trajectory,
    )
