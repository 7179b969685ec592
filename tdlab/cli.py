"""The command line: ``tdlab run``, ``harvest``, ``mine``, ``show``, ``profile``, ``export``, ``lab``.

Thin: every command calls what a notebook calls. The only importer of typer. Exit status: 0 done, 1 the run ended short
of its target, 2 an error that is explained, 130 interrupted.
"""

from __future__ import annotations

import difflib
import importlib.util
import json
import shlex
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.console import Console
from rich.text import Text

from tdlab.errors import ConfigError, PoolError, RunNotFound, TdlabError

if TYPE_CHECKING:
    from tdlab.pool import Harvest, ServerSpec, ToolPool

__all__ = ["export", "harvest", "lab", "main", "mine", "profile", "run", "show"]

app = typer.Typer(
    name="tdlab", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None,
    help="Synthesise diverse, verified tool-use trajectories from MCP tools.",
)  # fmt: skip

Out = Annotated[Path, typer.Option("--out", "-o", help="the run directory; it is created, or resumed if it is there")]
PoolOption = Annotated[str | None, typer.Option("--pool", "-p", help="'bundled', or a pool file or folder")]
ConfigOption = Annotated[Path | None, typer.Option("--config", "-c", help="a YAML file with the values of RunConfig")]


@app.command()
def run(
    out: Out = Path("runs/first"),
    config: ConfigOption = None,
    pool: PoolOption = None,
    target: Annotated[int | None, typer.Option("--target", "-n", help="verified trajectories to make")] = None,
    seed: Annotated[int | None, typer.Option("--seed", help="seed of every random choice")] = None,
    strategy: Annotated[str | None, typer.Option("--strategy", help="evolved, random or quantity")] = None,
    servers: Annotated[
        Path | None, typer.Option("--servers", help="an mcpServers file: play on these live servers")
    ] = None,
    set_: Annotated[list[str] | None, typer.Option("--set", help="any config value: evolution.batch=32")] = None,
    workers: Annotated[
        int, typer.Option("--workers", "-w", min=1, help="processes; the dataset does not depend on it")
    ] = 1,
) -> None:
    """Make a dataset: pool, clusters, blueprints, rollouts, verification, evolution. Resumes what was interrupted."""
    from tdlab.config import RunConfig
    from tdlab.pipeline import run as make
    from tdlab.show import show_run

    base = RunConfig.from_yaml(config) if config else RunConfig()
    changes: dict[str, Any] = dict(_assignment(text) for text in set_ or [])
    changes |= {
        k: v
        for k, v in {"target": target, "seed": seed, "pool": pool, "evolution__strategy": strategy}.items()
        if v is not None
    }
    live = None
    tools = None
    if servers is not None:
        changes["rollout__environment"] = "live"
        live, tools = _live(servers)
    settings = base.with_values(**changes)
    try:
        made = make(settings, out=out, pool=tools, servers=live, workers=workers)
    except KeyboardInterrupt:
        _say(f"Interrupted. What was made is kept; the same command resumes it:\n  {_this_command()}", err=True)
        raise typer.Exit(130) from None
    Console().print(show_run(made))
    complete = made.store.status == "complete"
    names = (
        ("Dataset", "dataset.jsonl"),
        ("also as", "dataset.parquet"),
        ("metrics", "metrics.json"),
        ("figure", "diversity.png"),
    )
    _say("\n" + "\n".join(f"{label:<8} {out / name}" for label, name in names))
    made.close()
    if not complete:
        raise typer.Exit(1)


@app.command()
def harvest(
    servers: Annotated[Path, typer.Argument(help="an mcpServers file, as MCP clients use it")],
    out: Annotated[Path, typer.Option("--out", "-o", help="the pool file to write (JSONL)")] = Path("pool.jsonl"),
    timeout: Annotated[float, typer.Option("--timeout", help="seconds allowed for each server")] = 30.0,
) -> None:
    """Ask live MCP servers for their tools and write them as a pool.

    A server that fails is reported, and the others are kept.
    """
    from tdlab.pool import write_pool

    found = _harvest(servers, timeout_s=timeout)
    write_pool(found.pool, out)
    for service in found.pool.services:
        _say(f"{service.name}: {len(service.tools)} tools")
    for name, reason in found.failures.items():
        _say(f"{name}: FAILED, {reason}")
    _say(f"{len(found.pool)} tools of {len(found.pool.services)} servers written to {out}")


@app.command()
def mine(
    pool: PoolOption = None,
    config: ConfigOption = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="write the clusters as JSONL")] = None,
    seed: Annotated[int, typer.Option("--seed")] = 0,
    show: Annotated[int, typer.Option("--show", help="how many clusters to list")] = 15,
) -> None:
    """Mine Business Clusters from a pool and show a summary."""
    from tdlab.clusters import mine as select
    from tdlab.config import RunConfig
    from tdlab.progress import Reporter
    from tdlab.records import canonical_json
    from tdlab.show import plain
    from tdlab.store import atomic_write

    settings = RunConfig.from_yaml(config) if config else RunConfig()
    with Reporter() as reporter:
        reporter.stage("pool")
        tools = _pool(pool or settings.pool)
        reporter.stage("clusters", total=100)
        mined = select(
            tools,
            settings.clusters,
            seed=seed,
            on_progress=lambda name, share: reporter.update(int(share * 100), note=name),
        )
    _say(mined.summary())
    for cluster in mined.clusters[:show]:
        size = f"{len(cluster.tools):>2} tools  {len(cluster.dependencies):>2} dependencies"
        _say(f"{cluster.id}  {size}  {plain(cluster.title, most=80)}")
    if len(mined.clusters) > show:
        _say(f"... and {len(mined.clusters) - show} more (--show N)")
    if out is not None:
        lines = "".join(canonical_json(cluster) + "\n" for cluster in mined.clusters)
        atomic_write(out, lines.encode("utf-8", "backslashreplace"))  # half a surrogate pair becomes a JSON escape
        _say(f"written to {out}")


@app.command()
def show(
    noun: Annotated[str, typer.Argument(help="run, cluster, blueprint or trajectory")] = "run",
    name: Annotated[str, typer.Argument(help="its id, or the beginning of it; for run: the folder")] = "",
    run_: Annotated[Path, typer.Option("--run", "-r", help="the run directory")] = Path("runs/first"),
) -> None:
    """Show a run, or a cluster, a blueprint or a trajectory of it."""
    from tdlab.show import show_blueprint, show_cluster, show_run, show_trajectory
    from tdlab.store import open_run

    nouns: dict[str, Literal["cluster", "blueprint", "trajectory"] | None] = {
        "run": None, "cluster": "cluster", "blueprint": "blueprint", "trajectory": "trajectory",
    }  # fmt: skip
    if noun not in nouns:
        close = difflib.get_close_matches(noun, nouns, n=1, cutoff=0.4)
        raise ConfigError(
            f"there is nothing called {noun!r} to show",
            expected="run, cluster, blueprint or trajectory",
            do=f"did you mean {close[0]!r}?" if close else "`tdlab show run` shows the run",
        )
    kind = nouns[noun]
    console = Console()
    with open_run(Path(name) if kind is None and name else run_) as opened:
        if kind is None:
            console.print(show_run(opened))
        elif not name:
            ids = opened.store.ids(kind)
            raise RunNotFound(
                f"which {kind}?", expected="an id, such as " + ", ".join(ids[:3]), do=f"`tdlab show {kind} ID`"
            )
        elif kind == "cluster":
            console.print(show_cluster(opened.cluster(name), {tool.key: tool for tool in opened.store.tools()}))
        elif kind == "blueprint":
            console.print(show_blueprint(opened.blueprint(name)))
        else:
            console.print(show_trajectory(opened.trajectory(name)))


@app.command()
def profile(
    files: Annotated[list[Path], typer.Argument(help="trajectory files or run directories")],
    format_: Annotated[
        str | None, typer.Option("--format", help="the file format; found out where it is not given")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="of the bootstrap intervals")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON instead of a table")] = False,
) -> None:
    """Measure the diversity of any trajectory files, several at equal N."""
    from tdlab.diversity import compare
    from tdlab.pool import Taxonomy
    from tdlab.show import plain, show_report
    from tdlab.store.formats import TrajectorySet, read_trajectories

    taxonomy = Taxonomy.bundled()
    sets: dict[str, TrajectorySet] = {}
    for file in files:
        path = file / "dataset.jsonl" if file.is_dir() and (file / "run.sqlite").exists() else file
        found = read_trajectories(path, format=format_, classify=taxonomy.classify)
        sets[str(file)] = found
        for problem in found.problems[:20]:
            _say(plain(f"{file}: {problem}"), err=True)
        if len(found.problems) > 20:
            _say(f"{file}: and {len(found.problems) - 20} more problems", err=True)
        _say(f"{file}: {len(found.trajectories)} trajectories, format {found.format}", err=True)
    reports = {
        name: report.model_dump(mode="json")
        for name, report in compare(sets, seed=seed, categories=len(taxonomy) + 1).items()
    }
    if as_json:
        typer.echo(json.dumps(reports, indent=2, sort_keys=True))
    else:
        Console().print(show_report(reports))


@app.command()
def export(
    out: Annotated[Path, typer.Argument(help="the file to write: .jsonl (OpenAI messages) or .parquet")],
    run_: Annotated[Path, typer.Option("--run", "-r", help="the run directory")] = Path("runs/first"),
) -> None:
    """Write a run's dataset to a file."""
    from tdlab.pipeline import export as write
    from tdlab.store import open_run

    if out.suffix not in (".jsonl", ".parquet"):
        raise ConfigError(f"{out}: which format?", expected="a name that ends in .jsonl or .parquet", do="rename it")
    with open_run(run_) as opened:
        number = write(opened, out)
    _say(f"{number} trajectories written to {out}")


@app.command()
def lab(
    folder: Annotated[Path, typer.Option("--folder", help="the notebooks to open")] = Path("notebooks"),
    browser: Annotated[bool, typer.Option(help="open a browser window")] = True,
) -> None:
    """Open JupyterLab on the notebooks."""
    if not folder.is_dir():
        raise PoolError(
            f"{folder}: there is no such folder",
            expected="the project's notebooks",
            do="run it in the checkout, or give --folder",
        )
    if importlib.util.find_spec("jupyterlab") is None:
        raise ConfigError("jupyterlab is not installed", expected="the packages of tdlab", do="pip install tdlab")
    command = [sys.executable, "-m", "jupyterlab", f"--notebook-dir={folder.resolve()}"]
    raise typer.Exit(subprocess.call([*command, *([] if browser else ["--no-browser"])]))  # noqa: S603  # our own words


def main() -> None:
    """Entry point: explained errors are printed and exit with 2, as a wrong command line does."""
    try:
        app()
    except TdlabError as error:
        _say(f"tdlab: {error}", err=True)
        raise SystemExit(2) from None


def _harvest(servers: Path, *, timeout_s: float = 30.0) -> Harvest:
    from tdlab.pool import harvest_sync
    from tdlab.progress import Reporter

    with Reporter() as reporter:
        reporter.stage("servers")

        def told(done: int, total: int, server: str, reason: str | None) -> None:
            reporter.update(done, total=total, note=f"{server}: {'failed' if reason else 'done'}")

        return harvest_sync(servers, timeout_s=timeout_s, on_progress=told)


def _live(servers: Path) -> tuple[dict[str, ServerSpec], ToolPool]:
    from tdlab.pool import read_mcp_config

    specs = read_mcp_config(servers)
    found = _harvest(servers)
    for name, reason in found.failures.items():
        _say(f"{name}: left out, {reason}", err=True)
    return {name: spec for name, spec in specs.items() if name not in found.failures}, found.pool


def _pool(name: str) -> ToolPool:
    from tdlab.pool import ToolPool

    return ToolPool.bundled() if name == "bundled" else ToolPool.load(name)


def _assignment(text: str) -> tuple[str, Any]:
    """``evolution.batch=32`` as a name and a JSON value; what is no JSON is a word."""
    name, sign, value = text.partition("=")
    if not sign or not name.strip():
        raise ConfigError(f"--set {text!r}", expected="key=value, such as evolution.batch=32", do="write it with =")
    key = name.strip().replace(".", "__")
    try:
        return key, json.loads(value)
    except (ValueError, RecursionError):
        return key, value.strip()


def _this_command() -> str:
    """The command that is running, ready to be pasted into a shell."""
    name = Path(sys.argv[0]).name
    start = [sys.executable, "-m", "tdlab.cli"] if name in ("cli.py", "__main__.py") else [sys.argv[0]]
    return shlex.join([*start, *sys.argv[1:]])


def _say(text: str, *, err: bool = False) -> None:
    """Print text as it is: no markup is read in it, and no control character reaches the terminal."""
    from tdlab.show import plain

    Console(stderr=err, soft_wrap=True).print(Text(plain(text)))


if __name__ == "__main__":
    main()
