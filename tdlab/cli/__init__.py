"""The command line: ``tdlab run``, ``show``, ``ablate``, ``profile``, ``map``, ``check`` and the others.

``estimate`` and ``rehearse`` are about the LLM teacher.

Thin: every command calls what a notebook calls. The only importer of typer. Exit status: 0 done, 1 the run ended short
of its target or recorded code did not come out the same, 2 an error that is explained, 130 interrupted.
"""

from __future__ import annotations

import typer

from tdlab.cli import _common
from tdlab.cli._ablate import ablate
from tdlab.cli._lab import lab
from tdlab.cli._measures import map_, profile
from tdlab.cli._pools import harvest, mine
from tdlab.cli._runs import export, run, show
from tdlab.cli._sandbox import check, sandbox
from tdlab.cli._teacher import estimate, rehearse
from tdlab.errors import TdlabError

__all__ = [
    "ablate",
    "check",
    "estimate",
    "export",
    "harvest",
    "lab",
    "main",
    "map_",
    "mine",
    "profile",
    "rehearse",
    "run",
    "sandbox",
    "show",
]

app = typer.Typer(
    name="tdlab", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None,
    help="Synthesise diverse, verified tool-use trajectories from MCP tools.",
)  # fmt: skip
for command in (run, estimate, rehearse, harvest, mine, show, profile, ablate, export, check, lab):
    app.command()(command)
app.command("map")(map_)
app.add_typer(sandbox, name="sandbox")


def main() -> None:
    """Entry point: explained errors are printed and exit with 2, as a wrong command line does."""
    try:
        app()
    except TdlabError as error:
        _common.say(f"tdlab: {error}", err=True)
        raise SystemExit(2) from None
