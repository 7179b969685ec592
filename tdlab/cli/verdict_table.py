"""Render reports of verification as text for a terminal: one row per check, and the agreement with rewards."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from tdlab.tools import counted, printable
from tdlab.verify import Agreement, VerificationReport

if TYPE_CHECKING:
    from rich.console import RenderableType

__all__ = ["show_verification"]


def show_verification(reports: Mapping[str, VerificationReport], *, examples: bool = False) -> RenderableType:
    """Render reports of verification, one table per file.

    Args:
        reports: Reports by file name.
        examples: Also print where each check failed.

    Returns:
        For each file: how many were accepted, each check's failures and what is not known, and why.
    """
    from rich.console import Group
    from rich.text import Text

    blocks: list[RenderableType] = []
    for name, report in reports.items():
        share = f", {report.accepted:,} accepted"
        blocks.append(Text(f"{printable(name, most=200)}: {counted(report.trajectories, 'trajectory')}{share}"))
        blocks.append(_checks(report))
        lacking: dict[str, list[str]] = {}
        for check, count in report.checks.items():
            for reason in count.lacking:
                lacking.setdefault(reason, []).append(f"{check} {count.lacking[reason]:,}")
        blocks += [Text(f"  not known: {reason} ({', '.join(checks)})") for reason, checks in lacking.items()]
        if report.agreement is not None:
            blocks.append(_agreement(report.agreement))
        for check, count in report.checks.items() if examples else ():
            for example in count.examples:
                where = "" if example.message is None else f", message {example.message}"
                text = f"  {check}, {printable(example.trajectory, most=60)}{where}: {example.reason}"
                blocks.append(Text(printable(text)))
    return Group(*blocks)


def _checks(report: VerificationReport) -> RenderableType:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, collapse_padding=True)
    for title in ("check", "passed", "failed", "not known"):
        table.add_column(title, justify="left" if title == "check" else "right", no_wrap=True)
    for check, count in report.checks.items():
        table.add_row(check, f"{count.passed:,}", f"{count.failed:,}", f"{count.not_known:,}")
    return table


def _agreement(agreement: Agreement) -> RenderableType:
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, collapse_padding=True)
    for title in ("with reward", "benchmark passes", "benchmark fails"):
        table.add_column(title, justify="left" if title == "with reward" else "right", no_wrap=True)
    table.add_row("accepted", f"{agreement.accepted_passing:,}", f"{agreement.accepted_failing:,}")
    table.add_row("rejected", f"{agreement.rejected_passing:,}", f"{agreement.rejected_failing:,}")
    numbers = (
        f"balanced accuracy {_number(agreement.balanced_accuracy)}, Cohen's kappa {_number(agreement.kappa)}, "
        f"the benchmark fails {_number(agreement.base_rate)} of all"
    )
    flagged = [
        Text(f"  flagged by {name}: {count.flagged:,}, of which the benchmark fails {_number(count.precision)}")
        for name, count in agreement.checks.items()
    ]
    return Group(table, Text(f"  {numbers}"), *flagged)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
