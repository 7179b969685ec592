"""What the commands share: options, printing, reading a pool, asking servers."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from tdlab.errors import ConfigError

if TYPE_CHECKING:
    from tdlab.pool import Harvest, ToolPool

__all__ = [
    "ConfigOption",
    "Out",
    "PoolOption",
    "RunOption",
    "assignment",
    "harvested",
    "pool_of",
    "say",
    "this_command",
]

Out = Annotated[Path, typer.Option("--out", "-o", help="the run directory; it is created, or resumed if it is there")]
PoolOption = Annotated[str | None, typer.Option("--pool", "-p", help="'bundled', or a pool file or folder")]
ConfigOption = Annotated[Path | None, typer.Option("--config", "-c", help="a YAML file with the values of RunConfig")]
RunOption = Annotated[Path, typer.Option("--run", "-r", help="the run directory")]


def say(text: str, *, err: bool = False) -> None:
    """Print text as it is: no markup is read in it, and no control character reaches the terminal."""
    from tdlab.tools import plain

    Console(stderr=err, soft_wrap=True).print(Text(plain(text)))


def pool_of(name: str) -> ToolPool:
    """The bundled pool, or the one in a file or folder."""
    from tdlab.pool import ToolPool

    return ToolPool.bundled() if name == "bundled" else ToolPool.load(name)


def harvested(servers: Path, *, timeout_s: float = 30.0) -> Harvest:
    """What the servers of an ``mcpServers`` file offer, asked with a progress bar."""
    from tdlab.jobs import Reporter
    from tdlab.pool import harvest_sync

    with Reporter() as reporter:
        reporter.stage("servers")

        def told(done: int, total: int, server: str, reason: str | None) -> None:
            reporter.update(done, total=total, note=f"{server}: {'failed' if reason else 'done'}")

        return harvest_sync(servers, timeout_s=timeout_s, on_progress=told)


def this_command() -> str:
    """The command that is running, ready to be pasted into a shell."""
    name = Path(sys.argv[0]).name
    start = [sys.executable, "-m", "tdlab.cli"] if name in ("cli.py", "__main__.py") else [sys.argv[0]]
    return shlex.join([*start, *sys.argv[1:]])


def assignment(text: str) -> tuple[str, Any]:
    """``evolution.batch=32`` as a name and a JSON value; what is no JSON is a word."""
    name, sign, value = text.partition("=")
    if not sign or not name.strip():
        raise ConfigError(f"--set {text!r}", expected="key=value, such as evolution.batch=32", do="write it with =")
    key = name.strip().replace(".", "__")
    try:
        return key, json.loads(value)
    except (ValueError, RecursionError):
        return key, value.strip()
