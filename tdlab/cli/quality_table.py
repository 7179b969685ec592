"""Render quality reports as text for a terminal: one row per measure, one column per dataset."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePath
from typing import TYPE_CHECKING

from tdlab.quality import MEASURES, Measure, QualityReport
from tdlab.tools import counted, printable

if TYPE_CHECKING:
    from rich.console import RenderableType

__all__ = ["show_quality"]

_MOST_NAME = 22  # characters of a dataset's name at the head of its column


def show_quality(reports: Mapping[str, QualityReport], *, examples: bool = False) -> RenderableType:
    """Render quality reports side by side: value, 95 % interval and N of each measure.

    Args:
        reports: Reports by dataset name.
        examples: Also print the examples of each measure.

    Returns:
        A table; two datasets fit 80 columns.
    """
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, collapse_padding=True)
    table.add_column("measure", no_wrap=True)
    for name in reports:
        table.add_column(Text(_short(name)), justify="right", no_wrap=True)
        table.add_column("N", justify="right", no_wrap=True)
    first = next(iter(reports.values()))
    for measure in sorted(first.measures, key=MEASURES.index):
        told = first.measures[measure]
        cells: list[Text] = []
        for report in reports.values():
            cells += [Text(_value(report.measures[measure])), Text(_number(report.measures[measure]))]
        table.add_row(Text(told.title), *cells)
    blocks: list[RenderableType] = [
        Text("Quality (shares in %, 95 % intervals; - is not known)", style="italic"),
        table,
    ]
    for name, report in reports.items():
        kinds = ", ".join(f"{kind} {number}" for kind, number in report.contradictions.items())
        number = counted(report.trajectories, "trajectory")
        line = f"{printable(name, most=200)}: {number}" if name else number
        blocks.append(Text(f"{line}; contradictions: {kinds}" if kinds else line))
        for told in report.measures.values() if examples else ():
            for example in told.examples:
                text = f"  {told.title}, {printable(example.trajectory, most=40)}: {example.text}"
                blocks.append(Text(printable(text)))
    return Group(*blocks)


def _short(name: str) -> str:
    """Return the last parts of a path that fit at the head of a column."""
    path = PurePath(name)
    short = f"{path.parent.name}/{path.name}" if path.parent.name else path.name
    return printable(short if len(short) <= _MOST_NAME else path.name, most=_MOST_NAME)


def _value(measure: Measure) -> str:
    if measure.value is None or measure.low is None or measure.high is None:
        return "-"
    if measure.kind == "value":
        return f"{measure.value:.2f} {measure.low:.2f} to {measure.high:.2f}"
    return f"{100 * measure.value:.1f} {100 * measure.low:.0f} to {100 * measure.high:.0f}"


def _number(measure: Measure) -> str:
    return f"{measure.n:,}" if measure.n else ""
