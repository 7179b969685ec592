"""Render reports of contamination as text for a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from tdlab.contamination import KINDS, ContaminationReport
from tdlab.tools import counted, printable

if TYPE_CHECKING:
    from rich.console import RenderableType

__all__ = ["show_contamination"]

_TITLES = {
    "sequence": "shared word sequences",
    "near_duplicate": "near-duplicate tasks",
    "values": "shared identifiers",
    "definitions": "shared tool definitions",
    "names": "shared tool names",
}


def show_contamination(reports: Mapping[str, ContaminationReport], *, examples: bool = True) -> RenderableType:
    """Render reports of contamination, one table per dataset.

    Args:
        reports: Reports by dataset name.
        examples: Also print the largest overlaps of each kind.

    Returns:
        For each dataset: how many trajectories are contaminated, and how many share what with the benchmarks.
    """
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    blocks: list[RenderableType] = []
    for name, report in reports.items():
        size, rules = report.benchmark, report.rules
        share = "" if report.share is None else f" ({100 * report.share:.1f} %)"
        number = counted(report.trajectories, "trajectory")
        blocks.append(Text(f"{printable(name, most=200)}: {number}, {report.contaminated:,} contaminated{share}"))
        blocks.append(
            Text(
                f"  against {counted(size.tasks, 'task')} ({size.texts:,} distinct texts): sequences of {rules.words} "
                f"words, similarity from {rules.similarity:g}; decided by {', '.join(rules.deciding)}"
            )
        )
        table = Table(box=None, pad_edge=False, collapse_padding=True)
        for title in ("overlap", "trajectories", "strongest"):
            table.add_column(title, justify="left" if title == "overlap" else "right", no_wrap=True)
        for kind in KINDS:
            table.add_row(_TITLES[kind], f"{report.kinds[kind]:,}", f"{report.strongest[kind]:,}")
        blocks.append(table)
        if size.cut:
            blocks.append(Text(f"  of {counted(size.cut, 'task')} only the beginning was compared"))
        if report.unread:
            blocks.append(Text(f"  of {counted(report.unread, 'trajectory')} only the beginning was compared"))
        for kind in KINDS if examples else ():
            for example in report.examples.get(kind, ()):
                match = example.match
                where = f"{printable(example.trajectory, most=40)} and {printable(match.task, most=60)}"
                blocks.append(Text(f"  {kind}, {where}: {match.evidence} ({match.size}, {match.score:.2f})"))
    return Group(*blocks)
