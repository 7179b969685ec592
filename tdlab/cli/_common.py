"""Shared by the commands: options, printing, harvesting servers."""

from __future__ import annotations

import json
import logging
import shlex
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from tdlab.errors import ConfigError

if TYPE_CHECKING:
    from tdlab.config import RunConfig
    from tdlab.pool import ConfigInput, Harvest

__all__ = [
    "ConfigOption",
    "Out",
    "PoolOption",
    "RunOption",
    "SetOption",
    "harvested",
    "refuse_to_read",
    "run_config",
    "say",
    "say_left_out",
    "start_logging",
    "this_command",
]

Out = Annotated[Path, typer.Option("--out", "-o", help="Run directory; created, or resumed if it exists.")]
PoolOption = Annotated[
    list[str] | None, typer.Option("--pool", "-p", help="'bundled', or a pool file or folder; repeatable.")
]
ConfigOption = Annotated[Path | None, typer.Option("--config", "-c", help="YAML file with settings of RunConfig.")]
SetOption = Annotated[
    list[str] | None, typer.Option("--set", help="Any setting, such as evolution.batch=32; repeatable.")
]
RunOption = Annotated[Path, typer.Option("--run", "-r", help="Run directory.")]


def say(text: str, *, err: bool = False) -> None:
    """Print text as it is: without interpreting markup, with control characters escaped."""
    from tdlab.tools import printable

    Console(stderr=err, soft_wrap=True).print(Text(printable(text)))


class _ToStderr(logging.Handler):
    """Print each log record on stderr, above a progress bar where there is one."""

    def emit(self, record: logging.LogRecord) -> None:
        from tdlab.tools import printable

        sys.stderr.write(printable(self.format(record)) + "\n")


def refuse_to_read(out: Path | None, sources: Sequence[Path]) -> None:
    """Check that a file to write is none of the files to read, and would be none the next time.

    Raises:
        ConfigError: It is one, or is in a folder of trajectory files.
    """
    from tdlab.jobs import is_run

    if out is None:
        return
    for source in sources:
        folder = source.is_dir() and not is_run(source) and out.resolve().is_relative_to(source.resolve())
        if folder or (source.exists() and out.exists() and source.resolve() == out.resolve()):
            raise ConfigError(
                f"{out} would be read and written", expected=f"another {'folder' if folder else 'name'} after --out"
            )


def start_logging(level: int) -> None:
    """Print what tdlab logs at this level or above, instead of what an earlier call asked for."""
    logger = logging.getLogger("tdlab")
    for handler in [handler for handler in logger.handlers if isinstance(handler, _ToStderr)]:
        logger.removeHandler(handler)
    handler = _ToStderr()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)-7s %(name)s: %(message)s", "%H:%M:%S"))
    logger.addHandler(handler)
    logger.setLevel(level)


def harvested(servers: Path, *, timeout_s: float = 30.0) -> Harvest:
    """Harvest the servers of an MCP client's file, with a progress bar; inputs are asked for on a terminal."""
    from tdlab.jobs import Reporter
    from tdlab.pool import harvest_sync, read_mcp_config

    terminal = sys.stdin.isatty() and sys.stderr.isatty()
    config = read_mcp_config(servers, ask=_ask if terminal else None)
    with Reporter() as reporter:
        reporter.stage("servers")

        def show_progress(done: int, total: int, server: str, reason: str | None) -> None:
            reporter.update(done, total=total, note=f"{server}: {'failed' if reason else 'done'}")

        return harvest_sync(config, timeout_s=timeout_s, on_progress=show_progress)


def say_left_out(harvest: Harvest) -> None:
    """Print on stderr which servers of a client's file are left out, and why."""
    for name, reason in harvest.failures.items():
        say(f"{name}: skipped, {reason}", err=True)
    for name in harvest.disabled:
        say(f"{name}: skipped, the file switches it off", err=True)


def _ask(wanted: ConfigInput) -> str | None:
    """Ask for an input of a client's file on the terminal; a password is not shown."""
    from tdlab.tools import printable

    words = printable(wanted.description or wanted.id, most=200)
    if wanted.options:
        words += " (" + ", ".join(printable(option, most=40) for option in wanted.options[:20]) + ")"
    default = "" if wanted.password or wanted.default is None else wanted.default
    answer: str = typer.prompt(words, default=default, hide_input=wanted.password, show_default=bool(default), err=True)
    return answer or None


def this_command() -> str:
    """Return the running command, ready to paste into a shell."""
    name = Path(sys.argv[0]).name
    program = [sys.executable, "-m", "tdlab.cli"] if name in ("cli.py", "__main__.py") else [sys.argv[0]]
    return shlex.join([*program, *sys.argv[1:]])


def run_config(file: Path | None, assignments: Sequence[str] | None, **options: Any) -> RunConfig:
    """Assemble a config from --config, --set and the options of a command; later ones take precedence.

    ``options`` are keyword arguments of `RunConfig.with_values`; None means that an option was not given.
    """
    from tdlab.config import RunConfig

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        base = RunConfig.from_yaml(file) if file is not None else RunConfig()
    for warning in caught:
        say(f"tdlab: {warning.message}", err=True)
    changes = dict(_assignment(text) for text in assignments or ())
    changes |= {name: value for name, value in options.items() if value not in (None, [])}
    return base.with_values(**changes)


def _assignment(text: str) -> tuple[str, Any]:
    """Parse ``evolution.batch=32`` into a setting and its value: JSON, or else text."""
    name, sign, value = text.partition("=")
    if not sign or not name.strip():
        raise ConfigError(f"--set {text!r}", expected="key=value, such as evolution.batch=32")
    key = name.strip().replace(".", "__")
    try:
        return key, json.loads(value)
    except (ValueError, RecursionError):
        return key, value.strip()
