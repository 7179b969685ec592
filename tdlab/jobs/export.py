"""Writing datasets: runs and trajectory files into one file that a trainer reads."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tdlab.config import RunConfig
from tdlab.errors import FormatError
from tdlab.formats import Exporter, ExportNote, ExportReport, LineProblem, scan_trajectories
from tdlab.records import Domains, Score, Tool, Trajectory
from tdlab.store import Run, open_run

__all__ = ["export", "has_committee", "is_run", "published_trajectories"]


def is_run(path: str | Path) -> bool:
    """Return whether a path is a run directory.

    Args:
        path: Any path.

    Returns:
        Whether a run is stored there.

    Example:
        >>> is_run("runs/first"), is_run("nowhere")
        (True, False)
    """
    return (Path(path) / "run.sqlite").exists()


def has_committee(config: RunConfig) -> bool:
    """Return whether a committee of models judges the rollouts of a run."""
    return config.rollout.teacher == "llm" and "committee" in config.teacher.roles


def export(
    sources: Run | str | Path | Sequence[Run | str | Path],
    path: str | Path,
    *,
    format: str = "trl",
    read_format: str | None = None,
    annotate: bool = True,
    on_note: Callable[[ExportNote], None] | None = None,
    on_problem: Callable[[LineProblem], None] | None = None,
) -> ExportReport:
    """Write the datasets of runs, or trajectory files, to one file.

    Of a run, trajectories with guessed results are left out, unless its ``rollout.guessed`` is ``keep``. The formats:

    - ``trl``, which a run's own ``dataset.jsonl`` and ``dataset.parquet`` are: arguments are objects, as the chat
      templates of open models want them. A text is rendered wrong in silence by some of them.
    - ``openai``: arguments are JSON text, as OpenAI's API demands.
    - ``hermes`` and ``qwen``: calls as text in tags. ``sharegpt``, ``llama-factory``, ``ms-swift``, ``toucan``,
      ``atif``: what their names say. `tdlab.formats.EXPORTS` lists all.

    Repeated ids get ``#2``, ``#3``, ...

    Args:
        sources: An open run, a run directory, a trajectory file or a folder of them; or several.
        path: The file to create or replace: Parquet if it ends in ``.parquet``, otherwise JSONL.
        format: The name of the format to write.
        read_format: The only format to accept in files; by default, each conversation's format is detected.
        annotate: Whether to add services, annotations and error flags under the key ``tdlab``, where the format has a
            place for it; trainers skip it.
        on_note: Called with each thing that the format cannot hold.
        on_problem: Called with each part of a file that cannot be read.

    Returns:
        The number of trajectories, and what the format could not hold, counted by kind.

    Raises:
        FormatError: There is no such format, a file cannot be read, or the format has no Parquet form.
        StoreError: The file cannot be written.

    Example:
        >>> report = export("runs/first", "dataset.parquet")
        >>> report.format, report.trajectories
        ('trl', 12)
    """
    several = [sources] if isinstance(sources, Run | str | Path) else list(sources)
    numbers: dict[str, int] = {}
    with Exporter(path, format=format, annotate=annotate, on_note=on_note) as exporter:
        for source in several:
            for part in _parts(source, read_format, on_problem):
                unique = _with_unique_id(part.trajectory, numbers)
                exporter.add(unique, part.tools, services=part.services, scores=part.scores)
    return exporter.report


@dataclass(frozen=True)
class _Part:
    trajectory: Trajectory
    tools: Mapping[str, Tool]
    services: Mapping[str, Domains]
    scores: Sequence[Score] = ()


def _parts(
    source: Run | str | Path, read_format: str | None, on_problem: Callable[[LineProblem], None] | None
) -> Iterator[_Part]:
    if isinstance(source, Run):
        yield from _parts_of_run(source)
    elif is_run(source):
        with open_run(source) as run:
            yield from _parts_of_run(run)
    else:
        if not Path(source).exists():
            raise FormatError(f"{source}: there is no such file", expected="a run directory or a trajectory file")
        stream = scan_trajectories(source, format=read_format)
        if on_problem is not None:
            for problem in stream.problems:
                on_problem(problem)
        for trajectory in stream.trajectories:
            yield _Part(trajectory, stream.tools, stream.domains)


def _parts_of_run(run: Run) -> Iterator[_Part]:
    tools = {tool.key: tool for tool in run.store.tools()}
    services = run.store.services()
    for trajectory, scores in published_trajectories(run):
        yield _Part(trajectory, tools, services, scores)


def published_trajectories(run: Run) -> Iterator[tuple[Trajectory, Sequence[Score]]]:
    """Yield the trajectories of a run's dataset, with the marks of its committee."""
    keep = run.config.rollout.guessed == "keep"
    judged = has_committee(run.config)
    for kept in run.store.accepted():
        if kept.trajectory is not None and (keep or not kept.trajectory.guessed):
            yield kept.trajectory, kept.verdict.scores if judged and kept.verdict is not None else ()


def _with_unique_id(trajectory: Trajectory, numbers: dict[str, int]) -> Trajectory:
    number = numbers.get(trajectory.id, 0) + 1
    numbers[trajectory.id] = number
    if number == 1:
        return trajectory
    unique = f"{trajectory.id}#{number}"
    while unique in numbers:
        number += 1
        unique = f"{trajectory.id}#{number}"
    numbers[trajectory.id], numbers[unique] = number, 1
    return trajectory.model_copy(update={"id": unique})
