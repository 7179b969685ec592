"""The command that compares datasets with benchmarks."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from tdlab.cli._common import refuse_to_read, say
from tdlab.cli._measures import MOST_PROBLEMS, Files, FormatOption, each_once, name_of, read_files
from tdlab.errors import ConfigError, FormatError

if TYPE_CHECKING:
    from tdlab.contamination import ContaminationReport, Overlap
    from tdlab.formats import LineProblem

__all__ = ["contamination"]


def contamination(
    files: Files,
    against: Annotated[
        list[Path], typer.Option("--against", help="Benchmark file or folder; repeatable.", show_default=False)
    ],
    format_: FormatOption = None,
    words: Annotated[int, typer.Option("--words", min=4, max=100, help="Words of a shared sequence.")] = 13,
    similarity: Annotated[
        float, typer.Option("--similarity", min=0.3, max=1.0, help="Least Jaccard similarity of near-duplicates.")
    ] = 0.6,
    also: Annotated[
        list[str] | None,
        typer.Option("--also", help="Another kind that decides: values, definitions or names; repeatable."),
    ] = None,
    examples: Annotated[bool, typer.Option("--examples", help="Also print the largest overlaps of each kind.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
    out: Annotated[
        Path | None, typer.Option("--out", help="Write what is not contaminated to this file, as OpenAI JSONL.")
    ] = None,
    matches: Annotated[
        Path | None, typer.Option("--matches", help="Write what each trajectory shares to this file, as JSONL.")
    ] = None,
) -> None:
    """Find overlaps of datasets with benchmarks.

    A trajectory is contaminated if its user's words share a sequence of 13 words with a task (as in GPT-3's
    decontamination) or are a near-duplicate of one. Shared identifiers, tool definitions and tool names are counted
    beside it. Benchmark files: any format of `tdlab profile`, other JSON records, or text with one task a line.
    """
    from tdlab.cli.contamination_table import show_contamination
    from tdlab.contamination import KINDS, ContaminationRules
    from tdlab.formats import TrajectoryStream
    from tdlab.jobs import compare_with_benchmark, read_benchmark, tasks_of
    from tdlab.records import canonical_json
    from tdlab.store import atomic_open
    from tdlab.tools import counted

    files = each_once(files)
    if out is not None and len(files) > 1:
        raise ConfigError(
            f"--out {name_of(out)} is one file, for {len(files)} datasets",
            expected="one dataset",
            do="clean one dataset at a time",
        )
    deciding = ContaminationRules().deciding + tuple(also or ())
    if unknown := [kind for kind in deciding if kind not in KINDS]:
        raise ConfigError(f"--also {unknown[0]!r} is no kind of overlap", expected=", ".join(KINDS[2:]))
    for written in (out, matches):
        refuse_to_read(written, [*files, *against])
    problems = 0

    def report_problem(problem: LineProblem) -> None:
        nonlocal problems
        problems += 1
        if problems <= MOST_PROBLEMS:
            say(str(problem), err=True)

    rules = ContaminationRules(words=words, similarity=similarity, deciding=deciding)
    benchmark = read_benchmark(each_once(against), rules=rules, on_problem=report_problem)
    if problems > MOST_PROBLEMS:
        say(f"and {counted(problems - MOST_PROBLEMS, 'more problem')} in the benchmark files", err=True)
    reports: dict[str, ContaminationReport] = {}
    with ExitStack() as stack:
        handle = stack.enter_context(atomic_open(matches)) if matches is not None else None

        def writer(file: str) -> Callable[[Overlap], None]:
            def write(overlap: Overlap) -> None:
                if handle is not None:
                    line = canonical_json({"file": file, **overlap.model_dump(mode="json")})
                    handle.write(line.encode("utf-8", "backslashreplace") + b"\n")

            return write

        unread = problems
        for file in files:
            try:
                stream = read_files([file], format_)[name_of(file)]
            except FormatError:
                if out is not None or format_ is not None:
                    raise
                say(f"{name_of(file)}: holds no conversations, its records are read as tasks", err=True)
                stream = TrajectoryStream((), recordings=())
            recordings = stream.recordings or tasks_of(file, on_problem=report_problem)
            reports[name_of(file)] = compare_with_benchmark(
                recordings,
                benchmark,
                on_overlap=writer(name_of(file)),
                clean=out,
                services=stream.domains,
                problems=unread,
            )
    if as_json:
        text = {name: {**report.model_dump(mode="json"), "share": report.share} for name, report in reports.items()}
        typer.echo(json.dumps(text, indent=2, sort_keys=True))
    else:
        Console().print(show_contamination(reports, examples=examples))
    for written in (out, matches):
        if written is not None:
            say(f"Wrote {name_of(written)}.", err=True)
