"""The command that opens JupyterLab on the notebooks."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from tdlab.errors import ConfigError, PoolError

__all__ = ["lab"]


def lab(
    folder: Annotated[Path, typer.Option("--folder", help="Folder of the notebooks.")] = Path("notebooks"),
    browser: Annotated[bool, typer.Option(help="Open a browser window.")] = True,
) -> None:
    """Open JupyterLab on the notebooks."""
    if not folder.is_dir():
        raise PoolError(
            f"{folder}: no such folder",
            expected="the project's notebooks",
            do="run it in a clone of the repository, or give --folder",
        )
    if importlib.util.find_spec("jupyterlab") is None:
        raise ConfigError("jupyterlab is not installed", expected="the packages of tdlab", do="pip install tdlab")
    command = [sys.executable, "-m", "jupyterlab", f"--notebook-dir={folder.resolve()}"]
    raise typer.Exit(subprocess.call([*command, *([] if browser else ["--no-browser"])]))  # noqa: S603  # a fixed command
