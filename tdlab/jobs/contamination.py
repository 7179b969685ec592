"""Compare the trajectories of a file with the files of benchmarks."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from tdlab.contamination import (
    Benchmark,
    ContaminationReport,
    ContaminationRules,
    Overlap,
    OverlapTally,
    find_overlap,
)
from tdlab.errors import FormatError
from tdlab.formats import LineProblem, Recording, iter_tasks, openai_record
from tdlab.records import Domains
from tdlab.store import atomic_open

__all__ = ["compare_with_benchmark", "read_benchmark", "tasks_of"]


def read_benchmark(
    paths: Sequence[str | Path],
    *,
    rules: ContaminationRules | None = None,
    on_problem: Callable[[LineProblem], None] | None = None,
) -> Benchmark:
    """Read every task of benchmark files.

    Args:
        paths: Files or folders: conversations of any known format, other JSON records, or text with one task a line.
        rules: What counts as overlap; by default ``ContaminationRules()``.
        on_problem: Called with each part that holds no task.

    Returns:
        The tasks, to compare with.

    Raises:
        FormatError: A file cannot be read, or holds no task.

    Example:
        >>> with open("benchmark.txt", "w") as file:
        ...     _ = file.write("Which of the weirs on the Aare are closed on Sunday morning before eight?")
        >>> read_benchmark(["benchmark.txt"]).tasks
        1
    """
    benchmark = Benchmark(rules or ContaminationRules())
    for path in paths:
        before, last = benchmark.tasks, ""
        for part in iter_tasks(path):
            if isinstance(part, LineProblem):
                last = str(part)
                if on_problem is not None:
                    on_problem(part)
            else:
                benchmark.add(f"{Path(path).name}: {part.trajectory.id}", part.trajectory, part.tools)
        if benchmark.tasks == before:
            raise FormatError(
                f"{path}: holds no task" + (f" ({last})" if last else ""),
                expected="conversations, JSON records with a question, or text with one task a line",
                do="pass the benchmark's own files",
            )
    return benchmark


def tasks_of(path: str | Path, *, on_problem: Callable[[LineProblem], None] | None = None) -> Iterator[Recording]:
    """Yield the tasks of a file that holds no conversations, so that benchmarks compare with each other.

    Args:
        path: A file or folder that `iter_tasks` reads.
        on_problem: Called with each part that holds no task.

    Yields:
        A recording of what each task's user says.

    Example:
        >>> with open("tasks.txt", "w") as file:
        ...     _ = file.write("Which of the weirs on the Aare are closed on Sunday morning before eight?")
        >>> [task.trajectory.id for task in tasks_of("tasks.txt")]
        ['tasks-1']
    """
    for part in iter_tasks(path):
        if isinstance(part, Recording):
            yield part
        elif on_problem is not None:
            on_problem(part)


def compare_with_benchmark(
    recordings: Iterable[Recording],
    benchmark: Benchmark,
    *,
    on_overlap: Callable[[Overlap], None] | None = None,
    clean: str | Path | None = None,
    services: Mapping[str, Domains] | None = None,
    problems: int = 0,
) -> ContaminationReport:
    """Compare recordings with a benchmark one by one; memory holds the benchmark.

    Args:
        recordings: The dataset, such as the ``recordings`` of `scan_trajectories`.
        benchmark: The tasks, from `read_benchmark`.
        on_overlap: Called with what each trajectory shares, such as to write it to a file.
        clean: A file to write the trajectories that are not contaminated to, as OpenAI JSONL.
        services: The services' domains, for that file.
        problems: How many parts of the benchmark's files could not be read.

    Returns:
        The counts by kind, with examples.

    Raises:
        StoreError: The file cannot be written.

    Example:
        >>> from tdlab.formats import scan_trajectories
        >>> stream = scan_trajectories("runs/first/dataset.jsonl")
        >>> compare_with_benchmark(stream.recordings, read_benchmark(["runs/first/dataset.jsonl"])).share
        1.0
    """
    tally = OverlapTally()
    with ExitStack() as stack:
        handle = stack.enter_context(atomic_open(clean)) if clean is not None else None
        for recording in recordings:
            overlap = find_overlap(recording.trajectory, recording.tools, benchmark)
            tally.add(overlap)
            if on_overlap is not None:
                on_overlap(overlap)
            if handle is not None and not overlap.contaminated:
                record = openai_record(recording.trajectory, recording.tools, services=services)
                text = json.dumps(record, ensure_ascii=False, separators=(",", ":"))
                handle.write(text.encode("utf-8", "backslashreplace") + b"\n")
    return tally.report(benchmark, problems=problems)
