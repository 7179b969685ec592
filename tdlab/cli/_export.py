"""The command that writes datasets in the formats of trainers."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tdlab._files import atomic_open
from tdlab.cli._common import RunOption, refuse_to_read, say
from tdlab.errors import ConfigError

if TYPE_CHECKING:
    from tdlab.formats import ExportNote, ExportReport

__all__ = ["export", "show_notes"]

_MOST_PROBLEMS = 20


def export(
    sources: Annotated[
        list[Path] | None,
        typer.Argument(help="Run directories, trajectory files or folders. Without --out: the file to write."),
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="File to write: .jsonl or .parquet.")] = None,
    format_: Annotated[str | None, typer.Option("--format", "-f", help="Format to write; default: trl.")] = None,
    run_: RunOption = Path("runs/first"),
    read_format: Annotated[
        str | None, typer.Option("--from", help="Format of the files to read; default: detected.")
    ] = None,
    annotate: Annotated[
        bool,
        typer.Option("--annotate/--plain", help="Keep services and error flags in a column `tdlab`, where possible."),
    ] = True,
    notes: Annotated[
        Path | None, typer.Option("--notes", help="Write each loss to this file, one JSON object a line.")
    ] = None,
) -> None:
    """Write runs or files for a trainer.

    trl: TRL, and all trainers that use the model's chat template (arguments are objects). openai: OpenAI's API
    (arguments are JSON text, which most chat templates of open models render wrong). llama-factory and ms-swift: those
    trainers. sharegpt, hermes: trainers of ShareGPT rows, with call turns or with calls as tagged text. qwen: plain
    messages in the text of Qwen's template. toucan, atif: tools that read those. Trainers that load
    JSONL with `datasets` round numbers to 10 decimals; Parquet keeps 15 digits.

    What a format cannot hold is counted by kind. With one path and no --out, the dataset of --run is written there.
    """
    from tdlab.jobs import export as write
    from tdlab.store import open_run

    inputs: list[Path] = list(sources or [])
    if out is None:
        if len(inputs) != 1:
            raise ConfigError(
                "which file shall be written?",
                expected="--out FILE, or one path to write the dataset of --run to",
                do=f"`tdlab export {run_} --out dataset.jsonl`",
            )
        out, inputs = inputs[0], [run_]
        if out.exists() and (out.is_dir() or format_ is not None or read_format is not None):
            raise ConfigError(
                f"{out} exists, and no --out was given",
                expected="--out FILE, to convert this one or to replace that one",
                do=f"`tdlab export {out} --out converted.jsonl`",
            )
    if out.suffix not in (".jsonl", ".parquet"):
        raise ConfigError(f"{out}: which format?", expected="a name that ends in .jsonl or .parquet")
    inputs = inputs or [run_]
    if inputs == [run_]:
        open_run(run_).close()  # it says which runs there are, where this is none
    refuse_to_read(out, inputs)
    problems = 0
    with _note_file(notes) as write_note:

        def show_problem(problem: object) -> None:
            nonlocal problems
            problems += 1
            if problems <= _MOST_PROBLEMS:
                say(str(problem), err=True)

        report = write(
            [*inputs], out, format=format_ or "trl", read_format=read_format, annotate=annotate, on_note=write_note,
            on_problem=show_problem,
        )  # fmt: skip
    if problems > _MOST_PROBLEMS:
        say(f"and {problems - _MOST_PROBLEMS} more problems", err=True)
    show_notes(report)
    say(f"Wrote {report.trajectories} trajectories to {out}, format {report.format}.")


@contextmanager
def _note_file(path: Path | None) -> Iterator[Callable[[ExportNote], None] | None]:
    """Open the file of the notes, if there is one, and yield a function that writes to it."""
    if path is None:
        yield None
        return
    with atomic_open(path) as handle:

        def write(note: ExportNote) -> None:
            text = json.dumps(asdict(note), ensure_ascii=False)
            handle.write(text.encode("utf-8", "backslashreplace") + b"\n")

        yield write


def show_notes(report: ExportReport) -> None:
    """Print what a format could not hold, by kind, with the first example of each."""
    from tdlab.formats import NOTE_KINDS
    from tdlab.tools import counted, printable

    if not report.notes:
        return
    say(f"What {report.format} cannot hold, or not all its readers take:", err=True)
    for count in report.notes:
        times = counted(count.notes, "time")
        scope = f" in {counted(count.trajectories, 'trajectory')}" if count.trajectories else ""
        example = printable(str(count.examples[0]).removeprefix(f"{count.kind}: "), most=100)
        say(f"  {count.kind}, {times}{scope}: {NOTE_KINDS.get(count.kind, '')} (first: {example})", err=True)
    if report.left_out:
        say(f"{counted(report.left_out, 'trajectory')} left out", err=True)
