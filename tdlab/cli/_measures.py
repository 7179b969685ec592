"""Commands that measure trajectory files: their diversity, their quality, and their map."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from tdlab.cli._common import say

if TYPE_CHECKING:
    import pandas as pd

    from tdlab.formats import TrajectoryStream
    from tdlab.quality import QualityReport

__all__ = ["MOST_PROBLEMS", "Files", "FormatOption", "each_once", "map_", "name_of", "profile", "quality", "read_files"]

Files = Annotated[list[Path], typer.Argument(help="Trajectory files, folders of them, or run directories.")]
FormatOption = Annotated[str | None, typer.Option("--format", help="File format; default: detected.")]
FigureOption = Annotated[Path | None, typer.Option("--figure", help="Write the figure to this path, as PDF and PNG.")]
MOST_PROBLEMS = 20  # printed per file


def profile(
    files: Files,
    format_: FormatOption = None,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the bootstrap intervals.")] = 0,
    equal_n: Annotated[
        int | None,
        typer.Option("--equal-n", min=1, help="Compare at this many trajectories; default: the smallest dataset."),
    ] = None,
    figure: FigureOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Measure the diversity of trajectory files.

    Several files are compared at equal N. Formats: messages of chat APIs, logs of agents, training files, recordings
    of benchmarks; `tdlab.formats` lists them.
    """
    from tdlab.cli.report_table import show_report
    from tdlab.diversity import compare, taxonomy_domains

    sets = read_files(each_once(files), format_)
    compared = compare(sets, seed=seed, categories=taxonomy_domains(), rarefy_to=equal_n)
    reports = {name: report.model_dump(mode="json") for name, report in compared.items()}
    if as_json:
        typer.echo(json.dumps(reports, indent=2, sort_keys=True))
    else:
        Console().print(show_report(reports))
    if figure is not None:
        from tdlab.plots import plot_datasets, save_figure

        for path in save_figure(plot_datasets(compared), _stem(figure)):
            say(str(path), err=True)


def quality(
    files: Files,
    format_: FormatOption = None,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the sample for the self-BLEU.")] = 0,
    examples: Annotated[bool, typer.Option("--examples", help="Also print where each fault was found.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Measure how trainable trajectory files are.

    Copied labels and descriptions, dumped fields, contradictory worlds, blind retries, idle calls, refusals, how varied
    the users speak. Each measure has its N and a 95 % interval; "-" is not known. JSON has examples of each. Of a run
    directory the accepted trajectories are read with their receipts. Formats: those of `tdlab profile`.
    """
    from tdlab.cli.quality_table import show_quality
    from tdlab.jobs import is_run
    from tdlab.quality import measure_quality

    files = each_once(files)
    streams = read_files([file for file in files if not is_run(file)], format_)
    reports: dict[str, QualityReport] = {}
    for file in files:
        if is_run(file):
            reports[name_of(file)] = _quality_of_run(file, seed)
        else:
            stream = streams[name_of(file)]
            reports[name_of(file)] = measure_quality(stream.trajectories, stream.tools, seed=seed)
    if as_json:
        text = {name: report.model_dump(mode="json") for name, report in reports.items()}
        typer.echo(json.dumps(text, indent=2, sort_keys=True))
    else:
        Console().print(show_quality(reports, examples=examples))


def _quality_of_run(file: Path, seed: int) -> QualityReport:
    """Measure the accepted trajectories of a run, whose receipts a dataset file does not hold."""
    from tdlab.quality import measure_quality
    from tdlab.store import open_run
    from tdlab.tools import counted

    with open_run(file) as run:
        tools = {tool.key: tool for tool in run.store.tools()}
        accepted = (kept.trajectory for kept in run.store.accepted())
        report = measure_quality((t for t in accepted if t is not None), tools, seed=seed)
    say(f"{name_of(file)}: {counted(report.trajectories, 'trajectory')}, a run", err=True)
    return report


def map_(
    files: Files,
    format_: FormatOption = None,
    by: Annotated[str, typer.Option("--by", help="Features to map by: text, structure or both.")] = "text",
    seed: Annotated[int, typer.Option("--seed", help="Seed of the layout.")] = 0,
    similarity: Annotated[
        float, typer.Option("--similarity", help="Least cosine similarity of near-duplicates.")
    ] = 0.95,
    figure: FigureOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
    likeness: Annotated[float | None, typer.Option("--likeness", hidden=True)] = None,  # the old name, for one release
) -> None:
    """Map trajectories in 2-D; list collapses and holes.

    Collapses are groups of near-duplicates with the same tool sequence. Holes are combinations of domain and reasoning
    mode with fewer trajectories than expected.
    """
    from tdlab.embedding import collapses, holes, map_trajectories
    from tdlab.jobs import is_run

    similarity = similarity if likeness is None else likeness
    files = each_once(files)
    streams = read_files([file for file in files if not is_run(file)], format_)
    sets = {name_of(file): file if is_run(file) else streams[name_of(file)] for file in files}
    mapped = map_trajectories(sets, by=by, seed=seed)  # type: ignore[arg-type]  # `by` is checked there
    groups, gaps = collapses(mapped, similarity=similarity), holes(mapped.frame)
    if as_json:
        frames = {"collapses": groups.drop(columns="members"), "holes": gaps}
        text = {name: json.loads(frame.to_json(orient="records")) for name, frame in frames.items()}
        typer.echo(json.dumps(text, indent=2, sort_keys=True))
    else:
        _table(
            f"Collapses: {len(groups)} groups of near-duplicates (cosine similarity from {similarity:g}, by {by})",
            groups,
            ("clump", "trajectories", "share", "domain", "mode", "example", "tool_sequence"),
        )
        _table(
            f"Holes: {len(gaps)} missing or rare combinations of domain and mode",
            gaps,
            ("dataset", "domain", "mode", "kind", "trajectories", "expected"),
        )
    if figure is not None:
        from tdlab.plots import plot_maps, save_figure

        for path in save_figure(plot_maps(mapped, collapses=groups), _stem(figure)):
            say(str(path), err=True)


def read_files(files: Sequence[Path], format_: str | None) -> dict[str, TrajectoryStream]:
    """Open each file as a stream, by its name, and report its problems on stderr."""
    from tdlab.formats import scan_trajectories
    from tdlab.jobs import is_run
    from tdlab.pool import Taxonomy
    from tdlab.tools import counted

    classify = Taxonomy.bundled().classify
    sets: dict[str, TrajectoryStream] = {}
    for file in files:
        path = file / "dataset.jsonl" if is_run(file) else file
        stream = scan_trajectories(path, format=format_, classify=classify)
        sets[name_of(file)] = stream
        problems = sorted(stream.problems, key=lambda problem: _ORDER.index(problem.severity))
        for problem in problems[:MOST_PROBLEMS]:
            say(f"{problem.severity}: {problem}", err=True)
        if len(problems) > MOST_PROBLEMS:
            say(f"{name_of(file)}: and {counted(len(problems) - MOST_PROBLEMS, 'more problem')}", err=True)
        say(f"{name_of(file)}: {counted(len(stream.trajectories), 'trajectory')}, format {stream.format}", err=True)
    return sets


_ORDER = ("skipped", "fixed", "noted")
"""The severities of problems, the gravest first."""


def each_once(files: Sequence[Path]) -> list[Path]:
    """Drop files that were already named, with a message."""
    for file in {file: None for index, file in enumerate(files) if file in files[:index]}:
        say(f"{name_of(file)}: given more than once, read once", err=True)
    return list(dict.fromkeys(files))


def name_of(file: Path) -> str:
    """Return a file's name as text, with bytes that are not UTF-8 as escapes."""
    return os.fsencode(file).decode("utf-8", "backslashreplace")


def _stem(figure: Path) -> Path:
    return figure.with_suffix("") if figure.suffix.lower() in (".pdf", ".png") else figure


def _table(title: str, frame: pd.DataFrame, columns: Sequence[str], *, most: int = 15) -> None:
    """Print the first rows of a frame, and how many more there are."""
    from rich.table import Table
    from rich.text import Text

    from tdlab.tools import printable

    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for column in columns:
        table.add_column(column)
    for row in frame.head(most).loc[:, list(columns)].itertuples(index=False):
        cells = (f"{cell:.2f}" if isinstance(cell, float) else str(cell) for cell in row)
        table.add_row(*(Text(printable(cell, most=40)) for cell in cells))
    if len(frame) > most:
        table.caption = f"and {len(frame) - most} more; --json prints all"
    Console().print(table)
