"""Diversity reports as tables for a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from tdlab.records import Json
from tdlab.tools import counted, printable

if TYPE_CHECKING:
    from rich.console import RenderableType

__all__ = ["show_report", "shown_number"]

_LINE = 200  # characters of untrusted text in one line


def show_report(reports: Mapping[str, Mapping[str, Json]], *, corrections: bool = True) -> RenderableType:
    """Render diversity reports, one table per dataset: value, ceiling, 95 % interval, N and K.

    Args:
        reports: Name of the dataset -> report as JSON. A dataset named "" gets no title.
        corrections: Also show the Miller-Madow and Chao-Shen estimates, and the value rarefied to the common number of
            trajectories.

    Returns:
        Tables that fit 80 columns.
    """
    from rich.console import Group
    from rich.text import Text

    blocks: list[RenderableType] = [Text("Diversity (entropies in bits, 95 % intervals)", style="italic")]
    if corrections:
        common = next((n for report in reports.values() if (n := report["signature"]["rarefied_to"]) is not None), None)
        rare = "" if common is None else f", rare: rarefied to {counted(common, 'trajectory')}"
        blocks.append(Text(f"MM: Miller-Madow, CS: Chao-Shen{rare}", style="italic"))
    for dataset, report in reports.items():
        if dataset:
            blocks += [Text(""), Text(printable(dataset, most=_LINE), style="bold")]
        blocks.append(_report_table(report, corrections=corrections))
    return Group(*blocks)


def _report_table(report: Mapping[str, Json], *, corrections: bool) -> RenderableType:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, collapse_padding=True)
    table.add_column("metric", no_wrap=True, min_width=16)
    for column in ("value", "ceiling", "from", "to", "N", "K", *(("MM", "CS", "rare") if corrections else ())):
        table.add_column(column, justify="right", no_wrap=True)
    for metric, title in (
        ("domain", "H_dom"),
        ("tool_sequence", "H_mode tools"),
        ("signature", "H_mode signature"),
        ("trigrams", "H_mode trigrams"),
    ):
        estimate = report[metric]
        if estimate is None:
            table.add_row(title, "not known", *[""] * 3, str(report["trajectories"]))
            continue
        row = [
            title,
            *(shown_number(estimate[name]) for name in ("value", "ceiling", "low", "high")),
            str(estimate["n"]),
            str(estimate["k"]),
        ]
        if corrections:
            row += [shown_number(estimate[name]) for name in ("miller_madow", "chao_shen", "rarefied")]
        table.add_row(*row)
    cac = report["cac"]
    table.add_row(
        "mean CAC",
        shown_number(cac["mean"]),
        "",
        shown_number(cac["low"]),
        shown_number(cac["high"]),
        str(report["trajectories"]),
    )
    return table


def shown_number(value: object) -> str:
    """Return a number with three decimals, and a dash for what is not known."""
    return f"{value:.3f}" if isinstance(value, (int, float)) else "-"
