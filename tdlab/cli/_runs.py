"""Commands on runs: make one, show it."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console

from tdlab.cli._common import (
    ConfigOption,
    Out,
    PoolOption,
    RunOption,
    SetOption,
    harvested,
    run_config,
    say,
    say_left_out,
    this_command,
)
from tdlab.errors import ConfigError, RunNotFound

if TYPE_CHECKING:
    from rich.console import RenderableType

    from tdlab.pool import ServerSpec, ToolPool
    from tdlab.records import BusinessCluster
    from tdlab.store import Run

__all__ = ["run", "show"]

_NOUNS: dict[str, Literal["cluster", "blueprint", "trajectory"] | None] = {
    "run": None, "cluster": "cluster", "blueprint": "blueprint", "trajectory": "trajectory",
    "generation": "trajectory", "lineage": "trajectory",
}  # fmt: skip
"""What ``show`` can show -> the kind of record that its id identifies."""


def run(
    out: Out = Path("runs/first"),
    config: ConfigOption = None,
    pool: PoolOption = None,
    target: Annotated[
        int | None, typer.Option("--target", "-n", help="Number of verified trajectories to make.")
    ] = None,
    seed: Annotated[int | None, typer.Option("--seed", help="Seed of every random choice.")] = None,
    strategy: Annotated[
        str | None, typer.Option("--strategy", help="evolved, random, planned, quantity, or a plug-in's.")
    ] = None,
    servers: Annotated[
        Path | None, typer.Option("--servers", help="File of an MCP client: call its live servers.")
    ] = None,
    code: Annotated[
        bool,
        typer.Option("--code", help="Plan code steps; use the first sandbox that works here."),
    ] = False,
    packs: Annotated[
        list[str] | None, typer.Option("--packs", help="Folder of your own service packs; repeatable.")
    ] = None,
    set_: SetOption = None,
    workers: Annotated[
        int, typer.Option("--workers", "-w", min=1, help="Worker processes; the dataset is the same for any number.")
    ] = 1,
    replies: Annotated[
        Path | None, typer.Option("--replies", help="File of the teacher's saved replies; default: beside OUT.")
    ] = None,
    figure: Annotated[bool, typer.Option("--figure/--no-figure", help="Draw the run's figure.")] = True,
) -> None:
    """Make a dataset, or resume an interrupted run.

    Exit status 1 means that the run stopped short of its target.
    """
    from tdlab.cli.render import show_run
    from tdlab.jobs import run as make

    environment = None if servers is None else "live"
    settings = run_config(
        config, set_, target=target, seed=seed, pool=pool, evolution__strategy=strategy,
        rollout__environment=environment, rollout__packs=packs,
    )  # fmt: skip
    if code and not settings.sandbox.on:
        settings = settings.with_values(sandbox__backend="auto")
    live, tools = (None, None) if servers is None else _live(servers)
    try:
        finished = make(settings, out=out, pool=tools, servers=live, workers=workers, replies=replies, figure=figure)
    except KeyboardInterrupt:
        say(f"Interrupted. Finished work is saved. To resume:\n  {this_command()}", err=True)
        raise typer.Exit(130) from None
    Console().print(show_run(finished))
    complete = finished.store.status == "complete"
    names = (
        ("Dataset", "dataset.jsonl"),
        ("also as", "dataset.parquet"),
        ("metrics", "metrics.json"),
        ("figure", "diversity.png"),
    )
    say("\n" + "\n".join(f"{label:<8} {out / name}" for label, name in names if figure or label != "figure"))
    finished.close()
    if not complete:
        raise typer.Exit(1)


def show(
    noun: Annotated[str, typer.Argument(help=", ".join(_NOUNS) + ".")] = "run",
    name: Annotated[
        str, typer.Argument(help="Id or its beginning, number of a generation, or latest; for a run, its folder.")
    ] = "",
    run_: RunOption = Path("runs/first"),
    clusters: Annotated[
        Path | None, typer.Option("--clusters", help="File written by `tdlab mine --out`: show one of its clusters.")
    ] = None,
    pool: PoolOption = None,
) -> None:
    """Show a run, or one of its records.

    Records: cluster, blueprint, trajectory, generation, lineage. `latest` is the last trajectory of the dataset, and
    the records that it comes from. With --clusters FILE, show a cluster of that file;
    --pool then gives the descriptions of its tools.
    """
    from tdlab.cli.render import show_blueprint, show_cluster, show_lineage, show_run, show_trajectory
    from tdlab.store import open_run

    if noun not in _NOUNS:
        folder = f" {noun}" if Path(noun).is_dir() else ""
        close = [] if folder else difflib.get_close_matches(noun, _NOUNS, n=1, cutoff=0.4)
        raise ConfigError(
            f"{noun!r} cannot be shown",
            expected=", ".join(_NOUNS),
            do=f"did you mean {close[0]!r}?" if close else f"`tdlab show run{folder}` shows the run",
        )
    kind = _NOUNS[noun]
    console = Console()
    if clusters is not None:
        if kind != "cluster":
            raise ConfigError(
                f"--clusters does not go with {noun!r}",
                expected="a cluster",
                do=f"`tdlab show cluster ID --clusters {clusters}`",
            )
        from tdlab.clusters import read_clusters
        from tdlab.pool import ToolPool

        chosen = _by_id(read_clusters(clusters), name, path=clusters)
        console.print(show_cluster(chosen, ToolPool.named(pool).tools if pool else {}))
        return
    with open_run(Path(name) if kind is None and name else run_) as opened:
        if kind is None:
            console.print(show_run(opened))
            return
        if name == "latest":
            name = _latest(opened, "generation" if noun == "generation" else kind)
        if noun == "generation":
            console.print(_generation(opened, name))
        elif not name:
            raise RunNotFound(
                f"which {kind}?",
                expected="an id, such as " + ", ".join(opened.store.ids(kind)[:3]),
                do=f"`tdlab show {noun} latest --run {run_}`",
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


def _latest(opened: Run, column: str) -> str:
    """Return the id in this column of the last trajectory of the dataset."""
    trajectories = opened.trajectories()
    if trajectories.empty:
        raise RunNotFound(
            f"{opened.path} has no verified trajectory",
            do=f"resume it: `tdlab run --out {opened.path}` with its options",
        )
    return str(trajectories.iloc[-1][column])


def _generation(opened: Run, name: str) -> RenderableType:
    """Render the generation with this number."""
    from tdlab.cli.render import show_generation

    if not name.isascii() or not name.isdecimal():
        raise RunNotFound(
            f"which generation? {name!r} is not a number" if name else "which generation?",
            expected=f"a number below {opened.counts().generations}",
            do=f"`tdlab show generation 0 --run {opened.path}`",
        )
    generation = opened.generation(int(name))
    candidates = list(opened.store.candidates(generation=generation.number))
    return show_generation(generation, candidates, opened.config.evolution)


def _by_id(clusters: Sequence[BusinessCluster], wanted: str, *, path: Path) -> BusinessCluster:
    """Find a cluster by its id or a unique beginning of it."""
    matches = [cluster for cluster in clusters if wanted and cluster.id.startswith(wanted)]
    if len(matches) == 1:
        return matches[0]
    ids = [cluster.id for cluster in (matches or clusters)[:3]]
    raise RunNotFound(
        f"{path}: {len(matches)} clusters begin with {wanted!r}" if wanted else f"which cluster of {path}?",
        expected=f"one of its {len(clusters):,} ids" + (f", such as {', '.join(ids)}" if ids else ""),
        do=f"`tdlab show cluster {ids[0]} --clusters {path}`" if ids else "",
    )


def _live(servers: Path) -> tuple[dict[str, ServerSpec], ToolPool]:
    harvest = harvested(servers)
    say_left_out(harvest)
    return harvest.servers, harvest.pool
