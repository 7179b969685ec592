"""The command line, ``tdlab``. The only importer of typer.

Commands are thin: each calls the function that a notebook would call. Exit status: 0 success; 1 a run stopped short of
its target, or a check failed; 2 an error with an explanation; 130 interrupted.
"""

from __future__ import annotations

import importlib.metadata
import logging
from typing import Annotated, Literal

import typer

from tdlab.cli import _common
from tdlab.cli._ablate import ablate
from tdlab.cli._config import config
from tdlab.cli._contamination import contamination
from tdlab.cli._export import export
from tdlab.cli._lab import lab
from tdlab.cli._measures import map_, profile, quality
from tdlab.cli._packs import packs
from tdlab.cli._pools import harvest, mine
from tdlab.cli._publish import publish
from tdlab.cli._runs import run, show
from tdlab.cli._sandbox import check, sandbox
from tdlab.cli._teacher import estimate, mock_server, probe, rehearse
from tdlab.cli._verify import verify
from tdlab.errors import TdlabError

__all__ = [
    "ablate",
    "check",
    "config",
    "contamination",
    "estimate",
    "export",
    "harvest",
    "lab",
    "main",
    "map_",
    "mine",
    "mock_server",
    "packs",
    "probe",
    "profile",
    "publish",
    "quality",
    "rehearse",
    "run",
    "sandbox",
    "show",
    "verify",
]

LogLevel = Literal["debug", "info", "warning", "error"]

app = typer.Typer(
    name="tdlab", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None,
)  # fmt: skip
_COMMANDS = (
    run, show, export, publish, check, verify, contamination, profile, quality, map_, ablate, mine, harvest, estimate,
    probe, mock_server, config, lab,
)  # fmt: skip
for command in _COMMANDS:
    app.command(command.__name__.rstrip("_").replace("_", "-"))(command)
app.command("rehearse", hidden=True)(rehearse)  # the old name of mock-server, for one release
app.add_typer(packs, name="packs")
app.add_typer(sandbox, name="sandbox")


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"tdlab {importlib.metadata.version('tdlab')}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and exit.")
    ] = False,
    verbose: Annotated[
        int,
        typer.Option("--verbose", "-v", count=True, show_default=False, help="Log progress; -vv also logs each call."),
    ] = 0,
    log_level: Annotated[
        LogLevel | None, typer.Option("--log-level", case_sensitive=False, help="Log this level and above.")
    ] = None,
) -> None:
    """Synthesise diverse, verified tool-use trajectories from MCP tools."""
    if log_level:
        _common.start_logging(logging.getLevelNamesMapping()[log_level.upper()])
    elif verbose:
        _common.start_logging(logging.INFO if verbose == 1 else logging.DEBUG)


def main() -> None:
    """Run the command line; print the errors of tdlab without a traceback and exit with status 2."""
    try:
        app()
    except TdlabError as error:
        _common.say(f"tdlab: {error}", err=True)
        raise SystemExit(2) from None
