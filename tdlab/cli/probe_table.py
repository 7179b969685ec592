"""Render what `tdlab probe` found out as text for a terminal. Untrusted text is printed as plain text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tdlab.rollout import Probe
from tdlab.tools import printable

if TYPE_CHECKING:
    from rich.console import RenderableType

__all__ = ["show_probes"]


def show_probes(probes: Sequence[Probe]) -> RenderableType:
    """Render what the servers of a config can do: a table per model and server, and what will not work."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    blocks: list[RenderableType] = []
    for probe in probes:
        title = f"{printable(probe.model, most=80)} at {printable(probe.address, most=200)}"
        blocks.append(Text(f"{title}: {', '.join(probe.roles)}", style="bold"))
        table = Table(box=None, pad_edge=False, show_header=False)
        context = "not known" if probe.context is None else f"{probe.context:,} tokens"
        rows = [("model is listed", _known(probe.listed)), ("context", context)]
        rows += [
            (words, _known(value))
            for words, value in (
                ("takes tools", probe.takes_tools),
                ("calls tools", probe.calls_tools),
                ("honours tool_choice", probe.honours_tool_choice),
                ("honours JSON schemas", probe.honours_schema),
                ("reports tokens", probe.reports_usage),
                ("accepts a seed", probe.accepts_seed),
                ("accepts top_p", probe.accepts_top_p),
            )
        ]
        for words, value in rows:
            table.add_row(f"  {words}", value)
        blocks.append(table)
        if probe.error:
            blocks.append(Text(f"  Cannot be used: {printable(probe.error, most=1000)}", style="bold red"))
        blocks += [Text(f"  Note: {printable(note, most=1000)}") for note in probe.notes]
    if not probes:
        blocks.append(Text("No model plays a role: teacher.roles is empty."))
    return Group(*blocks)


def _known(value: bool | None) -> str:
    return "not known" if value is None else "yes" if value else "no"
