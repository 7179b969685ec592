"""Commands on pools: harvest one from live servers, mine its Business Clusters."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from tdlab.cli._common import ConfigOption, PoolOption, harvested, pool_of, say

__all__ = ["harvest", "mine"]


def harvest(
    servers: Annotated[Path, typer.Argument(help="an mcpServers file, as MCP clients use it")],
    out: Annotated[Path, typer.Option("--out", "-o", help="the pool file to write (JSONL)")] = Path("pool.jsonl"),
    timeout: Annotated[float, typer.Option("--timeout", help="seconds allowed for each server")] = 30.0,
) -> None:
    """Ask live MCP servers for their tools and write them as a pool.

    A server that fails is reported, and the others are kept.
    """
    from tdlab.pool import write_pool

    found = harvested(servers, timeout_s=timeout)
    write_pool(found.pool, out)
    for service in found.pool.services:
        say(f"{service.name}: {len(service.tools)} tools")
    for name, reason in found.failures.items():
        say(f"{name}: FAILED, {reason}")
    say(f"{len(found.pool)} tools of {len(found.pool.services)} servers written to {out}")


def mine(
    pool: PoolOption = None,
    config: ConfigOption = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="write the clusters as JSONL")] = None,
    seed: Annotated[
        int | None, typer.Option("--seed", help="of candidates that are drawn; the config's by default")
    ] = None,
    show: Annotated[int, typer.Option("--show", min=0, help="how many clusters to list")] = 15,
) -> None:
    """Mine Business Clusters from a pool and show a summary."""
    from tdlab.cli.render import show_mined
    from tdlab.clusters import mine as select
    from tdlab.clusters import write_clusters
    from tdlab.config import RunConfig
    from tdlab.jobs import Reporter

    settings = RunConfig.from_yaml(config) if config else RunConfig()
    with Reporter() as reporter:
        reporter.stage("pool")
        tools = pool_of(pool or settings.pool)
        reporter.stage("clusters", total=100)
        mined = select(
            tools,
            settings.clusters,
            seed=settings.seed if seed is None else seed,
            on_progress=lambda name, share: reporter.update(int(share * 100), note=name),
        )
    Console().print(show_mined(mined, most=show))
    if len(mined.clusters) > show:
        say(f"... and {len(mined.clusters) - show:,} more (--show N)")
    if out is not None:
        written = write_clusters(mined.clusters, out)
        origin = f" --pool {shlex.quote(pool)}" if pool else ""
        say(f"{written:,} clusters written to {out}; `tdlab show cluster ID --clusters {out}{origin}` shows one")
