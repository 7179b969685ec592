"""Commands on code: test, clean up and serve the sandbox; re-run recorded code."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from tdlab.cli._common import say
from tdlab.errors import ConfigError

if TYPE_CHECKING:
    from tdlab.sandbox import BackendReport

__all__ = ["check", "doctor", "gc", "sandbox", "serve"]

BackendOption = Annotated[str | None, typer.Option("--backend", "-b", help="auto, or the name of a sandbox backend.")]
_MOST_LISTED = 20

sandbox = typer.Typer(no_args_is_help=True, help="Test, clean up or serve the code sandbox.")


@sandbox.command()
def doctor() -> None:
    """Test every sandbox with escape probes.

    Show which guarantees each sandbox gives on this machine, and how to install those that are missing. Exit status 1
    means that none works.
    """
    import anyio

    from tdlab.sandbox import probe
    from tdlab.tools import printable

    reports = anyio.run(probe)
    console = Console()
    for report in reports:
        console.print(_head(report))
        if report.enforced:
            table = Table(box=None, pad_edge=False, collapse_padding=True)
            for column in ("guarantee", "enforced by", "how"):
                table.add_column(column, overflow="fold", no_wrap=column != "how")
            for name, guarantee in report.enforced.items():
                table.add_row(name, guarantee.level, Text(printable(guarantee.how, most=300)))
            console.print(table)
        console.print()
    first = next((report.name for report in reports if report.available), None)
    if first is None:
        say("No working sandbox found. Runs will skip code steps.")
        raise typer.Exit(1)
    say(f"On this machine, auto chooses {first}.")


def _head(report: BackendReport) -> Group:
    from tdlab.tools import printable

    if report.available:
        status = f"works: none of {report.probes} escape attempts succeeded; first start in {report.cold_ms} ms"
    else:
        status = f"does not work: {report.reason}"
    lines = [
        Text(printable(f"{report.name} {report.version}".strip(), most=120), style="bold"),
        Text(printable(status)),
    ]
    lines += [Text(printable(f"escaped: {escape}")) for escape in report.escapes]
    if report.install and not report.available:
        lines.append(Text(printable(f"to do: {report.install}")))
    return Group(*lines)


@sandbox.command()
def gc() -> None:
    """Remove leftover containers, cgroups and folders.

    Only those of processes that have ended are removed.
    """
    import anyio

    from tdlab.sandbox import gc as collect

    leftovers = anyio.run(collect)
    for what, names in (
        ("container", leftovers.containers),
        ("cgroup", leftovers.cgroups),
        ("folder", leftovers.folders),
    ):
        for name in names:
            say(f"removed {what} {name}")
    total = len(leftovers.containers) + len(leftovers.cgroups) + len(leftovers.folders)
    say(f"Removed {total} leftovers." if total else "No leftovers found.")


@sandbox.command()
def serve(
    backend: BackendOption = None,
    workers: Annotated[int, typer.Option("--workers", "-w", min=1, help="Sandboxes that work in parallel.")] = 2,
    wall_s: Annotated[float, typer.Option("--time-limit", help="Time limit of a program, in seconds.")] = 10.0,
    memory_mb: Annotated[int, typer.Option("--memory", help="Memory limit of a program, in MB.")] = 256,
    database: Annotated[
        list[str] | None, typer.Option("--database", help="NAME=FILE: SQLite file that SQL programs can read.")
    ] = None,
) -> None:
    """Serve the code tool as an MCP server.

    The server speaks on stdin and stdout and offers one tool, run_code. Every call runs in the sandbox.
    """
    import anyio
    from pydantic import ValidationError

    from tdlab.sandbox import Limits
    from tdlab.sandbox import serve as run_server

    try:
        limits = Limits(wall_s=wall_s, cpu_s=wall_s, memory_mb=memory_mb)
    except ValidationError as error:
        raise ConfigError(
            f"the limits are invalid: {error.errors()[0]['msg']}",
            expected="a time limit of up to 3600 s and at least 32 MB",
            do="change --time-limit or --memory",
        ) from None
    databases = dict(_database(text) for text in database or [])
    anyio.run(partial(run_server, backend=backend or "auto", limits=limits, workers=workers, databases=databases))


def _database(text: str) -> tuple[str, bytes]:
    name, sign, file = text.partition("=")
    if not sign or not name.strip():
        raise ConfigError(f"--database {text!r}", expected="NAME=FILE")
    try:
        return name.strip(), Path(file).read_bytes()
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read ({error.strerror})", do="check the path") from None


def check(
    run: Annotated[Path, typer.Argument(help="Run directory.")] = Path("runs/first"),
    backend: BackendOption = None,
    wall_s: Annotated[float | None, typer.Option("--time-limit", help="Time limit of a program, in seconds.")] = None,
    workers: Annotated[int, typer.Option("--workers", "-w", min=1, help="Sandboxes that work in parallel.")] = 2,
) -> None:
    """Re-run recorded code; reject what differs.

    A trajectory with a program that prints something else leaves the dataset. Exit status 1 means that a program
    differed or could not be run.
    """
    from tdlab.jobs import check_run

    report = check_run(run, backend=backend, wall_s=wall_s, workers=workers)
    if not report.checked:
        say(f"{run} has no code steps, so there is nothing to check. `tdlab run --code` makes a run with code steps.")
        return
    failed = [checked for checked in report.checked if not checked.comparison.same]
    for checked in failed[:_MOST_LISTED]:
        comparison = checked.comparison
        say(f"{checked.program.name}: {comparison.verdict}, {comparison.reason}")
        for difference in comparison.differences[:3]:
            where = f"{difference.part}, line {difference.line}" if difference.line else difference.part
            say(f"  {where}\n    recorded: {difference.recorded}\n    now:      {difference.replayed}")
    if len(failed) > _MOST_LISTED:
        say(f"... and {len(failed) - _MOST_LISTED} more")
    say(
        f"Re-ran {len(report.checked)} programs in {report.backend}: {report.count('same')} the same, "
        f"{report.count('different')} different, {report.count('not_replayed')} could not be run"
    )
    for what, ids in (("left the dataset", report.rejected), ("returned to the dataset", report.restored)):
        if ids:
            say(f"{len(ids)} trajectories {what}: {', '.join(ids[:_MOST_LISTED])}")
    if not report.ok:
        raise typer.Exit(1)
