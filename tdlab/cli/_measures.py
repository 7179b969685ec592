"""Commands that measure: the diversity of any trajectory files, and their map."""

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

__all__ = ["map_", "profile"]

Files = Annotated[list[Path], typer.Argument(help="trajectory files, folders of them, or run directories")]
FormatOption = Annotated[str | None, typer.Option("--format", help="the file format; found out where it is not given")]
FigureOption = Annotated[
    Path | None, typer.Option("--figure", help="write the figure here, as PDF and PNG; an ending is left out")
]
_TOLD = 20  # problems of a file that are printed one by one


def profile(
    files: Files,
    format_: FormatOption = None,
    seed: Annotated[int, typer.Option("--seed", help="of the bootstrap intervals")] = 0,
    equal_n: Annotated[
        int | None,
        typer.Option("--equal-n", min=1, help="compare at this many trajectories (default: the smallest set)"),
    ] = None,
    figure: FigureOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON instead of a table")] = False,
) -> None:
    """Measure the diversity of any trajectory files, several at equal N."""
    from tdlab.cli.render import show_report
    from tdlab.diversity import compare, taxonomy_domains

    sets = _read(_each_once(files), format_)
    found = compare(sets, seed=seed, categories=taxonomy_domains(), rarefy_to=equal_n)
    reports = {name: report.model_dump(mode="json") for name, report in found.items()}
    if as_json:
        typer.echo(json.dumps(reports, indent=2, sort_keys=True))
    else:
        Console().print(show_report(reports))
    if figure is not None:
        from tdlab.plots import plot_datasets, save_figure

        for path in save_figure(plot_datasets(found), _stem(figure)):
            say(str(path), err=True)


def map_(
    files: Files,
    format_: FormatOption = None,
    by: Annotated[str, typer.Option("--by", help="text, structure or both")] = "text",
    seed: Annotated[int, typer.Option("--seed", help="of the layout")] = 0,
    likeness: Annotated[
        float, typer.Option("--likeness", help="from which cosine likeness on trajectories are near-same")
    ] = 0.95,
    figure: FigureOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="print holes and collapses as JSON")] = False,
) -> None:
    """Map any trajectory files: holes and collapses named, the picture with --figure."""
    from tdlab.embedding import collapses, holes, map_trajectories

    files = _each_once(files)
    streams = _read([file for file in files if not _is_run(file)], format_)
    sets = {_name(file): file if _is_run(file) else streams[_name(file)] for file in files}
    found = map_trajectories(sets, by=by, seed=seed)  # type: ignore[arg-type]  # `by` is checked there
    clumps, missing = collapses(found, likeness=likeness), holes(found.frame)
    if as_json:
        frames = {"collapses": clumps.drop(columns="members"), "holes": missing}
        text = {name: json.loads(frame.to_json(orient="records")) for name, frame in frames.items()}
        typer.echo(json.dumps(text, indent=2, sort_keys=True))
    else:
        _table(
            f"Collapses: {len(clumps)} clumps of the same tools in the same order (likeness {likeness:g}, by {by})",
            clumps,
            ("clump", "trajectories", "share", "domain", "mode", "example", "tool_sequence"),
        )
        _table(
            f"Holes: {len(missing)} cells of domain x mode emptier than expected",
            missing,
            ("dataset", "domain", "mode", "kind", "trajectories", "expected"),
        )
    if figure is not None:
        from tdlab.plots import plot_maps, save_figure

        for path in save_figure(plot_maps(found, collapses=clumps), _stem(figure)):
            say(str(path), err=True)


def _read(files: Sequence[Path], format_: str | None) -> dict[str, TrajectoryStream]:
    """Each file as a stream by its name, what is broken in it told on stderr."""
    from tdlab.formats import scan_trajectories
    from tdlab.pool import Taxonomy
    from tdlab.tools import counted

    classify = Taxonomy.bundled().classify
    sets: dict[str, TrajectoryStream] = {}
    for file in files:
        path = file / "dataset.jsonl" if _is_run(file) else file
        found = scan_trajectories(path, format=format_, classify=classify)
        sets[_name(file)] = found
        for problem in found.problems[:_TOLD]:
            say(str(problem), err=True)
        if len(found.problems) > _TOLD:
            say(f"{_name(file)}: and {counted(len(found.problems) - _TOLD, 'more problem')}", err=True)
        say(f"{_name(file)}: {counted(len(found.trajectories), 'trajectory')}, format {found.format}", err=True)
    return sets


def _each_once(files: Sequence[Path]) -> list[Path]:
    """The files without those that were named before, which is said."""
    for file in {file: None for place, file in enumerate(files) if file in files[:place]}:
        say(f"{_name(file)}: named more than once, read once", err=True)
    return list(dict.fromkeys(files))


def _name(file: Path) -> str:
    """A file's name as text; bytes of it that are no UTF-8 are written as escapes."""
    return os.fsencode(file).decode("utf-8", "backslashreplace")


def _is_run(file: Path) -> bool:
    return file.is_dir() and (file / "run.sqlite").exists()


def _stem(figure: Path) -> Path:
    return figure.with_suffix("") if figure.suffix.lower() in (".pdf", ".png") else figure


def _table(title: str, frame: pd.DataFrame, columns: Sequence[str], *, most: int = 15) -> None:
    """The first rows of a frame, every text as it is; says how many more there are."""
    from rich.table import Table
    from rich.text import Text

    from tdlab.tools import plain

    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for column in columns:
        table.add_column(column)
    for row in frame.head(most).loc[:, list(columns)].itertuples(index=False):
        cells = (f"{cell:.2f}" if isinstance(cell, float) else str(cell) for cell in row)
        table.add_row(*(Text(plain(cell, most=40)) for cell in cells))
    if len(frame) > most:
        table.caption = f"and {len(frame) - most} more; --json prints all"
    Console().print(table)
