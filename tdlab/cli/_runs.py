"""Commands on runs: make one, look at it, write its dataset."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.console import Console

from tdlab.cli._common import (
    ConfigOption,
    Out,
    PoolOption,
    RunOption,
    assignment,
    harvested,
    pool_of,
    say,
    this_command,
)
from tdlab.errors import ConfigError, RunNotFound

if TYPE_CHECKING:
    from rich.console import RenderableType

    from tdlab.pool import ServerSpec, ToolPool
    from tdlab.records import BusinessCluster
    from tdlab.store import Run

__all__ = ["export", "run", "show"]

_NOUNS: dict[str, Literal["cluster", "blueprint", "trajectory"] | None] = {
    "run": None, "cluster": "cluster", "blueprint": "blueprint", "trajectory": "trajectory",
    "generation": "trajectory", "lineage": "trajectory",
}  # fmt: skip
"""What can be shown, and the kind of record that its id names."""


def run(
    out: Out = Path("runs/first"),
    config: ConfigOption = None,
    pool: PoolOption = None,
    target: Annotated[int | None, typer.Option("--target", "-n", help="verified trajectories to make")] = None,
    seed: Annotated[int | None, typer.Option("--seed", help="seed of every random choice")] = None,
    strategy: Annotated[str | None, typer.Option("--strategy", help="evolved, random, planned or quantity")] = None,
    servers: Annotated[
        Path | None, typer.Option("--servers", help="an mcpServers file: play on these live servers")
    ] = None,
    code: Annotated[
        bool,
        typer.Option("--code", help="with code steps, in the first sandbox that holds here (sandbox.backend=auto)"),
    ] = False,
    set_: Annotated[list[str] | None, typer.Option("--set", help="any config value: evolution.batch=32")] = None,
    workers: Annotated[
        int, typer.Option("--workers", "-w", min=1, help="processes; the dataset does not depend on it")
    ] = 1,
    replies: Annotated[
        Path | None, typer.Option("--replies", help="the journal of a teacher's replies; beside OUT by default")
    ] = None,
) -> None:
    """Make a dataset: pool, clusters, blueprints, rollouts, verification, evolution. Resumes what was interrupted."""
    from tdlab.cli.render import show_run
    from tdlab.config import RunConfig
    from tdlab.jobs import run as make

    base = RunConfig.from_yaml(config) if config else RunConfig()
    changes: dict[str, Any] = dict(assignment(text) for text in set_ or [])
    changes |= {
        k: v
        for k, v in {"target": target, "seed": seed, "pool": pool, "evolution__strategy": strategy}.items()
        if v is not None
    }
    if code and base.with_values(**changes).sandbox.backend == "none":
        changes["sandbox__backend"] = "auto"
    live = None
    tools = None
    if servers is not None:
        changes["rollout__environment"] = "live"
        live, tools = _live(servers)
    settings = base.with_values(**changes)
    try:
        made = make(settings, out=out, pool=tools, servers=live, workers=workers, replies=replies)
    except KeyboardInterrupt:
        say(f"Interrupted. What was made is kept; the same command resumes it:\n  {this_command()}", err=True)
        raise typer.Exit(130) from None
    Console().print(show_run(made))
    complete = made.store.status == "complete"
    names = (
        ("Dataset", "dataset.jsonl"),
        ("also as", "dataset.parquet"),
        ("metrics", "metrics.json"),
        ("figure", "diversity.png"),
    )
    say("\n" + "\n".join(f"{label:<8} {out / name}" for label, name in names))
    made.close()
    if not complete:
        raise typer.Exit(1)


def show(
    noun: Annotated[str, typer.Argument(help=", ".join(_NOUNS))] = "run",
    name: Annotated[
        str, typer.Argument(help="its id (or the beginning), a generation's number; for run: the folder")
    ] = "",
    run_: RunOption = Path("runs/first"),
    clusters: Annotated[
        Path | None, typer.Option("--clusters", help="a file that `tdlab mine --out` wrote: show a cluster of it")
    ] = None,
    pool: PoolOption = None,
) -> None:
    """Show a run, or a cluster, blueprint, trajectory, generation or lineage of it; or a cluster of a file.

    The tools of a file's cluster come from --pool.
    """
    from tdlab.cli.render import show_blueprint, show_cluster, show_lineage, show_run, show_trajectory
    from tdlab.store import open_run

    if noun not in _NOUNS:
        place = f" {noun}" if Path(noun).is_dir() else ""
        close = [] if place else difflib.get_close_matches(noun, _NOUNS, n=1, cutoff=0.4)
        raise ConfigError(
            f"there is nothing called {noun!r} to show",
            expected=", ".join(_NOUNS),
            do=f"did you mean {close[0]!r}?" if close else f"`tdlab show run{place}` shows the run",
        )
    kind = _NOUNS[noun]
    console = Console()
    if clusters is not None:
        if kind != "cluster":
            raise ConfigError(
                f"--clusters, and a {noun} to show",
                expected="a cluster",
                do=f"`tdlab show cluster ID --clusters {clusters}`",
            )
        from tdlab.clusters import read_clusters

        chosen = _by_id(read_clusters(clusters), name, place=clusters)
        console.print(show_cluster(chosen, pool_of(pool).tools if pool else {}))
        return
    with open_run(Path(name) if kind is None and name else run_) as opened:
        if kind is None:
            console.print(show_run(opened))
        elif noun == "generation":
            console.print(_generation(opened, name))
        elif not name:
            ids = opened.store.ids(kind)
            raise RunNotFound(
                f"which {kind}?", expected="an id, such as " + ", ".join(ids[:3]), do=f"`tdlab show {noun} ID`"
            )
        elif kind == "cluster":
            console.print(show_cluster(opened.cluster(name), {tool.key: tool for tool in opened.store.tools()}))
        elif kind == "blueprint":
            console.print(show_blueprint(opened.blueprint(name)))
        elif noun == "lineage":
            line = opened.lineage(name)
            through = {candidate.generation: opened.generation(candidate.generation) for candidate in line}
            console.print(show_lineage(line, through))
        else:
            console.print(show_trajectory(opened.trajectory(name)))


def _generation(opened: Run, name: str) -> RenderableType:
    """A generation by its number, ready to be printed."""
    from tdlab.cli.render import show_generation

    if not name.isascii() or not name.isdecimal():
        raise RunNotFound(
            f"which generation? {name!r} is no number" if name else "which generation?",
            expected=f"a number below {opened.counts().generations}",
            do="`tdlab show generation 0`",
        )
    generation = opened.generation(int(name))
    candidates = list(opened.store.candidates(generation=generation.number))
    return show_generation(generation, candidates, opened.config.evolution)


def export(
    out: Annotated[Path, typer.Argument(help="the file to write: .jsonl (OpenAI messages) or .parquet")],
    run_: RunOption = Path("runs/first"),
) -> None:
    """Write a run's dataset to a file."""
    from tdlab.jobs import export as write
    from tdlab.store import open_run

    if out.suffix not in (".jsonl", ".parquet"):
        raise ConfigError(f"{out}: which format?", expected="a name that ends in .jsonl or .parquet", do="rename it")
    with open_run(run_) as opened:
        number = write(opened, out)
    say(f"{number} trajectories written to {out}")


def _by_id(clusters: Sequence[BusinessCluster], wanted: str, *, place: Path) -> BusinessCluster:
    """The cluster of that id, or of the only id that begins so."""
    matches = [cluster for cluster in clusters if wanted and cluster.id.startswith(wanted)]
    if len(matches) == 1:
        return matches[0]
    ids = [cluster.id for cluster in (matches or clusters)[:3]]
    raise RunNotFound(
        f"{place}: {len(matches)} clusters begin with {wanted!r}" if wanted else f"which cluster of {place}?",
        expected=f"one of its {len(clusters):,} ids" + (f", such as {', '.join(ids)}" if ids else ""),
        do=f"`tdlab show cluster ID --clusters {place}`",
    )


def _live(servers: Path) -> tuple[dict[str, ServerSpec], ToolPool]:
    from tdlab.pool import read_mcp_config

    specs = read_mcp_config(servers)
    found = harvested(servers)
    for name, reason in found.failures.items():
        say(f"{name}: left out, {reason}", err=True)
    return {name: spec for name, spec in specs.items() if name not in found.failures}, found.pool
