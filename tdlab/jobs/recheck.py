"""Check recorded code: re-run the programs of a run and update its verdicts.

`recorded_programs` lists the programs, `replay_programs` re-runs them in a sandbox, and `check_run` does both and
updates the run: a trajectory with a program that prints something else is rejected, and the derived files are written
again. A program that could not be run (the sandbox failed) changes no verdict.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from tdlab.config import SandboxConfig
from tdlab.errors import ConfigError
from tdlab.jobs.files import derive_again
from tdlab.jobs.progress import Reporter
from tdlab.records import CODE_TOOL, Check, Json, Record, Trajectory, Verdict, heaviest
from tdlab.rollout import CodeRunner, recorded_output
from tdlab.sandbox import BACKENDS, CodeOutput, Comparison, Difference, code_job
from tdlab.store import Candidate, Run, RunStore, open_run

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["CheckReport", "Checked", "Program", "check_run", "recorded_programs", "replay_programs"]

_CHECK = "code"


class Program(Record):
    """One recorded call of the code tool: its trajectory, arguments and recorded output."""

    trajectory: str
    call_id: str
    domain: str
    arguments: dict[str, Json]
    recorded: str

    @property
    def name(self) -> str:
        """Return the ids of trajectory and call."""
        return f"{self.trajectory} {self.call_id}"

    @property
    def language(self) -> str:
        """Return the language of the call: ``python``, ``bash`` or ``sql``."""
        return str(self.arguments.get("language", ""))


class Checked(Record):
    """One re-run program: how its output compares with the recorded one, and the time it took."""

    program: Program
    comparison: Comparison
    seconds: float


class CheckReport(NamedTuple):
    """The re-run programs of a run and the sandbox that ran them.

    ``rejected`` and ``restored`` are the ids of trajectories that left the dataset or returned to it.
    """

    checked: tuple[Checked, ...]
    backend: str
    rejected: tuple[str, ...] = ()
    restored: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Return whether every program printed its recorded output."""
        return all(program.comparison.same for program in self.checked)

    def count(self, verdict: Literal["same", "different", "not_replayed"]) -> int:
        """Count the programs with this verdict."""
        return sum(program.comparison.verdict == verdict for program in self.checked)

    def to_frame(self) -> pd.DataFrame:
        """Return a table: ``trajectory, call, domain, language, verdict, seconds, reason, code, recorded``."""
        import pandas as pd

        columns = ["trajectory", "call", "domain", "language", "verdict", "seconds", "reason", "code", "recorded"]
        rows = [
            (
                checked.program.trajectory,
                checked.program.call_id,
                checked.program.domain,
                checked.program.language,
                checked.comparison.verdict,
                checked.seconds,
                checked.comparison.reason,
                str(checked.program.arguments.get("code", "")),
                checked.program.recorded,
            )
            for checked in self.checked
        ]
        return pd.DataFrame(rows, columns=columns)


def recorded_programs(run: Run) -> tuple[Program, ...]:
    """List the recorded calls of the code tool, in order.

    Args:
        run: An open run.

    Returns:
        The calls in the dataset and in the trajectories that `check_run` has rejected.

    Example:
        >>> from tdlab.store import open_run
        >>> with open_run("runs/first") as made:  # a run without code steps
        ...     recorded_programs(made)
        ()
    """
    return tuple(program for candidate in _judged(run.store) for program in _programs(candidate))


def replay_programs(
    programs: Sequence[Program],
    *,
    config: SandboxConfig | None = None,
    workers: int = 2,
    on_progress: Callable[[int, int], None] | None = None,
) -> CheckReport:
    """Re-run programs in a sandbox and compare their output with the recorded one.

    Args:
        programs: The programs, from `recorded_programs`.
        config: The sandbox and its limits; default: the first sandbox that works.
        workers: Number of sandboxes that work in parallel.
        on_progress: Called with the number of finished programs and of all programs.

    Returns:
        A report with one entry per program, in order. Without programs no sandbox is started.

    Raises:
        ConfigError: ``workers`` is below 1.
        SandboxUnavailable: No sandbox works.

    Example:
        >>> replay_programs([]).ok
        True
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
        for result in threads.map(lambda program: _replay(runner, program), programs):
            checked.append(result)
            if on_progress is not None:
                on_progress(len(checked), len(programs))
    return CheckReport(tuple(checked), backend)


def check_run(
    path: str | Path,
    *,
    backend: str | None = None,
    wall_s: float | None = None,
    workers: int = 2,
    progress: bool = True,
) -> CheckReport:
    """Re-run every recorded program of a run and update its verdicts.

    Args:
        path: Run directory.
        backend: Sandbox to use instead of the run's.
        wall_s: Time limit of a program in seconds, instead of the run's.
        workers: Number of sandboxes that work in parallel.
        progress: Show a progress bar.

    Returns:
        A report with one entry per program, and the trajectories whose verdict changed.

    Raises:
        ConfigError: A limit or ``workers`` is invalid.
        SandboxUnavailable: There are programs and no sandbox works.
        StoreError: The run directory cannot be read or written.

    Example:
        >>> check_run("runs/first", progress=False).ok
        True
    """
    with open_run(path) as run:
        programs, settings = recorded_programs(run), run.config.sandbox
    changes: dict[str, Any] = {"backend": backend, "wall_s": wall_s}
    settings = SandboxConfig.model_validate(
        {**settings.model_dump(), **{name: value for name, value in changes.items() if value is not None}}
    )
    BACKENDS.check(settings.backend)
    with Reporter(enabled=progress and bool(programs)) as reporter:
        reporter.stage("programs", total=len(programs))
        report = replay_programs(
            programs, config=settings, workers=workers, on_progress=lambda done, _: reporter.update(done)
        )
    rejected, restored = _replace_verdicts(Path(path), report.checked)
    return report._replace(rejected=rejected, restored=restored)


# ------------------------------------------------------------------------------------------------------------- inside


def _replay(runner: CodeRunner, program: Program) -> Checked:
    began = time.perf_counter()
    recorded = recorded_output(program.recorded)
    if recorded is None:
        comparison = Comparison(verdict="different", reason="the recorded output is not one of the code tool")
    else:
        job = code_job(program.arguments, mode="fork")
        comparison = _refused(recorded, job) if isinstance(job, CodeOutput) else runner.sandbox.replay(job, recorded)
    return Checked(program=program, comparison=comparison, seconds=time.perf_counter() - began)


def _refused(recorded: CodeOutput, now: CodeOutput) -> Comparison:
    if recorded == now:
        return Comparison(verdict="same")
    change = Difference(part="status", line=0, recorded=recorded.status, replayed=f"{now.status}: {now.reason}")
    return Comparison(verdict="different", differences=(change,), reason="the code tool now refuses it")


def _judged(store: RunStore) -> Iterable[Candidate]:
    """Yield the dataset and the candidates that were rejected for their code only."""
    for candidate in store.candidates():
        only_code = bool(candidate.reasons) and all(reason.check == _CHECK for reason in candidate.reasons)
        if candidate.trajectory is not None and (candidate.accepted or only_code):
            yield candidate


def _programs(candidate: Candidate) -> Iterable[Program]:
    trajectory: Trajectory | None = candidate.trajectory
    if trajectory is None:
        return
    domains = candidate.features.get("domains")
    domain = (heaviest(domains) if isinstance(domains, dict) else "") or "other"
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


def _replace_verdicts(path: Path, checked: Sequence[Checked]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Store changed verdicts and write the derived files; return the rejected and the restored ids."""
    by_trajectory: dict[str, list[Checked]] = {}
    for result in checked:
        by_trajectory.setdefault(result.program.trajectory, []).append(result)
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
        store.replace_verdicts(changed)
        if status == "stopped":
            store.mark_stopped(reason)
        derive_again(store)
    ids = [(c.trajectory.id if c.trajectory else "", c.accepted) for c in changed]
    return tuple(i for i, accepted in ids if not accepted), tuple(i for i, accepted in ids if accepted)


def _judgement(candidate: Candidate, checked: Sequence[Checked]) -> Candidate | None:
    """Return the candidate with its new verdict, or None if the verdict stays."""
    if candidate.verdict is None or any(result.comparison.verdict == "not_replayed" for result in checked):
        return None
    different = [result for result in checked if not result.comparison.same]
    reason = ""
    if different:
        comparison = different[0].comparison
        first = comparison.differences[0] if comparison.differences else None
        detail = f": {first.recorded[:80]!r} is recorded, now it is {first.replayed[:80]!r}" if first else ""
        reason = f"re-run, {different[0].program.call_id} differs ({comparison.reason}){detail}"
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
