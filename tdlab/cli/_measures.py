"""Commands that measure: the diversity of any trajectory files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from tdlab.cli._common import say

__all__ = ["profile"]


def profile(
    files: Annotated[list[Path], typer.Argument(help="trajectory files or run directories")],
    format_: Annotated[
        str | None, typer.Option("--format", help="the file format; found out where it is not given")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="of the bootstrap intervals")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON instead of a table")] = False,
) -> None:
    """Measure the diversity of any trajectory files, several at equal N."""
    from tdlab.diversity import compare
    from tdlab.pool import Taxonomy
    from tdlab.show import plain, show_report
    from tdlab.store.formats import TrajectorySet, read_trajectories

    taxonomy = Taxonomy.bundled()
    sets: dict[str, TrajectorySet] = {}
    for file in files:
        path = file / "dataset.jsonl" if file.is_dir() and (file / "run.sqlite").exists() else file
        found = read_trajectories(path, format=format_, classify=taxonomy.classify)
        sets[str(file)] = found
        for problem in found.problems[:20]:
            say(plain(f"{file}: {problem}"), err=True)
        if len(found.problems) > 20:
            say(f"{file}: and {len(found.problems) - 20} more problems", err=True)
        say(f"{file}: {len(found.trajectories)} trajectories, format {found.format}", err=True)
    reports = {
        name: report.model_dump(mode="json")
        for name, report in compare(sets, seed=seed, categories=len(taxonomy) + 1).items()
    }
    if as_json:
        typer.echo(json.dumps(reports, indent=2, sort_keys=True))
    else:
        Console().print(show_report(reports))
