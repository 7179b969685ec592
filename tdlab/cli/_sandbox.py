"""Commands on code: what a sandbox holds here, its leftovers, the code tool for other agents, recorded code again."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from tdlab.cli._common import say
from tdlab.errors import ConfigError

if TYPE_CHECKING:
    from tdlab.sandbox import BackendReport

__all__ = ["check", "doctor", "gc", "sandbox", "serve"]

BackendOption = Annotated[
    Literal["auto", "docker", "bubblewrap"] | None, typer.Option("--backend", "-b", help="auto, docker or bubblewrap")
]
_MOST_LISTED = 20

sandbox = typer.Typer(no_args_is_help=True, help="The jails that code runs in: try them, clean up, offer them.")


@sandbox.command()
def doctor() -> None:
    """Start every kind of sandbox, try to escape from each, and show who holds which guarantee on this machine."""
    import anyio

    from tdlab.sandbox import probe
    from tdlab.tools import plain

    reports = anyio.run(probe)
    console = Console()
    for report in reports:
        console.print(_head(report))
        if report.enforced:
            table = Table(box=None, pad_edge=False, collapse_padding=True)
            for column in ("guarantee", "held by", "how"):
                table.add_column(column, overflow="fold", no_wrap=column != "how")
            for name, found in report.enforced.items():
                table.add_row(name, found.level, Text(plain(found.how, most=300)))
            console.print(table)
        console.print()
    first = next((report.name for report in reports if report.available), None)
    if first is None:
        say("No sandbox holds here: runs leave code steps out, and nothing runs code.")
        raise typer.Exit(1)
    say(f"auto takes {first} here.")


def _head(report: BackendReport) -> Group:
    from tdlab.tools import plain

    if report.available:
        told = f"holds: {report.probes} escape probes, none got out; first jail in {report.cold_ms} ms"
    else:
        told = f"is out: {report.reason}"
    lines = [Text(plain(f"{report.name} {report.version}".strip(), most=120), style="bold"), Text(plain(told))]
    lines += [Text(plain(f"escaped: {escape}")) for escape in report.escapes]
    if report.install and not report.available:
        lines.append(Text(plain(f"to do: {report.install}")))
    return Group(*lines)


@sandbox.command()
def gc() -> None:
    """Remove containers and cgroups of processes that are gone; what is in use stays."""
    import anyio

    from tdlab.sandbox import gc as collect

    found = anyio.run(collect)
    for what, names in (("container", found.containers), ("cgroup", found.cgroups), ("folder", found.folders)):
        for name in names:
            say(f"removed {what} {name}")
    total = len(found.containers) + len(found.cgroups) + len(found.folders)
    say(f"{total} leftovers removed." if total else "Nothing was left behind.")


@sandbox.command()
def serve(
    backend: BackendOption = None,
    workers: Annotated[int, typer.Option("--workers", "-w", min=1, help="jails that work at the same time")] = 2,
    wall_s: Annotated[float, typer.Option("--time-limit", help="seconds that a program may take")] = 10.0,
    memory_mb: Annotated[int, typer.Option("--memory", help="MB that a program may use")] = 256,
    database: Annotated[
        list[str] | None, typer.Option("--database", help="NAME=FILE: an SQLite file that SQL may read")
    ] = None,
) -> None:
    """Offer the run_code tool as an MCP server on stdin and stdout, every call in a jail."""
    import anyio
    from pydantic import ValidationError

    from tdlab.sandbox import Limits
    from tdlab.sandbox import serve as run_server

    try:
        limits = Limits(wall_s=wall_s, cpu_s=wall_s, memory_mb=memory_mb)
    except ValidationError as error:
        raise ConfigError(
            f"the limits do not do: {error.errors()[0]['msg']}",
            expected="a time limit of up to 3600 s and at least 32 MB",
            do="change --time-limit or --memory",
        ) from None
    databases = dict(_database(text) for text in database or [])
    anyio.run(partial(run_server, backend=backend or "auto", limits=limits, workers=workers, databases=databases))


def _database(text: str) -> tuple[str, bytes]:
    name, sign, file = text.partition("=")
    if not sign or not name.strip():
        raise ConfigError(f"--database {text!r}", expected="NAME=FILE", do="write it with =")
    try:
        return name.strip(), Path(file).read_bytes()
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read ({error.strerror})", do="check the path") from None


def check(
    run: Annotated[Path, typer.Argument(help="the run directory")] = Path("runs/first"),
    backend: BackendOption = None,
    wall_s: Annotated[float | None, typer.Option("--time-limit", help="seconds that a program may take")] = None,
    workers: Annotated[int, typer.Option("--workers", "-w", min=1, help="jails that work at the same time")] = 2,
) -> None:
    """Run every recorded program of a run again; what prints something else leaves the dataset. Exit 1 if any does."""
    from tdlab.jobs import check_run

    report = check_run(run, backend=backend, wall_s=wall_s, workers=workers)
    if not report.checked:
        say(f"{run} holds no code steps: there is nothing to check (`tdlab run --code` makes some).")
        return
    failed = [one for one in report.checked if not one.comparison.same]
    for one in failed[:_MOST_LISTED]:
        say(f"{one.program.trajectory} {one.program.call_id}: {one.comparison.verdict}, {one.comparison.reason}")
        for difference in one.comparison.differences[:3]:
            where = f"{difference.part}, line {difference.line}" if difference.line else difference.part
            say(f"  {where}\n    on record: {difference.recorded}\n    run again: {difference.replayed}")
    if len(failed) > _MOST_LISTED:
        say(f"... and {len(failed) - _MOST_LISTED} more")
    say(
        f"{len(report.checked)} programs run again in {report.backend}: {report.count('same')} the same, "
        f"{report.count('different')} different, {report.count('not_replayed')} could not be run"
    )
    for what, ids in (("left the dataset", report.rejected), ("came back to the dataset", report.restored)):
        if ids:
            say(f"{len(ids)} trajectories {what}: {', '.join(ids[:_MOST_LISTED])}")
    if not report.ok:
        raise typer.Exit(1)
