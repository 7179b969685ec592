"""Commands on pools: harvest live servers, mine Business Clusters."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from tdlab.cli._common import ConfigOption, PoolOption, SetOption, harvested, run_config, say

if TYPE_CHECKING:
    from tdlab.pool import PoolIssue

__all__ = ["harvest", "mine"]


def harvest(
    servers: Annotated[Path, typer.Argument(help="File of an MCP client, such as mcp.json, as it is.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Pool file to write (JSONL).")] = Path("pool.jsonl"),
    timeout: Annotated[float, typer.Option("--timeout", help="Time limit per server, in seconds.")] = 30.0,
) -> None:
    """Write a pool with the tools of live MCP servers.

    Servers that fail are reported; the tools of the others are written. An input of the file (`${input:ID}`) is read
    from the environment variable TDLAB_INPUT_ID, or asked for on a terminal.
    """
    from tdlab.pool import write_pool

    harvest = harvested(servers, timeout_s=timeout)
    write_pool(harvest.pool, out)
    for service in harvest.pool.services:
        say(f"{service.name}: {len(service.tools)} tools")
    for name, reason in harvest.failures.items():
        say(f"{name}: FAILED, {reason}")
    for name in harvest.disabled:
        say(f"{name}: skipped, the file switches it off")
    kinds: dict[tuple[str, str, str], list[PoolIssue]] = {}
    for issue in harvest.pool.issues:
        if issue.code == "server_failed":
            continue  # said above
        kinds.setdefault((issue.service or "", issue.severity, issue.code), []).append(issue)
    for (server, severity, code), issues in kinds.items():
        count, first = len(issues), issues[0]
        tool = "" if first.tool is None else f"{first.tool}: "
        word = "skipped" if severity == "error" else severity
        say(f"{server}: {word}, {code}" + (f" ({count} times)" if count > 1 else "") + f": {tool}{first.found}")
    say(f"Wrote {len(harvest.pool)} tools of {len(harvest.pool.services)} servers to {out}.")


def mine(
    pool: PoolOption = None,
    config: ConfigOption = None,
    set_: SetOption = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Write the clusters to this file (JSONL).")] = None,
    seed: Annotated[int | None, typer.Option("--seed", help="Seed of random choices; default: the config's.")] = None,
    show: Annotated[int, typer.Option("--show", min=0, help="Number of clusters to list.")] = 15,
) -> None:
    """Mine Business Clusters from a pool."""
    from tdlab.cli.render import show_issues, show_mined
    from tdlab.clusters import mine as select
    from tdlab.clusters import write_clusters
    from tdlab.jobs import Reporter, issue_counts
    from tdlab.pool import ToolPool

    settings = run_config(config, set_, pool=pool, seed=seed)
    with Reporter() as reporter:
        reporter.stage("pool")
        tools = ToolPool.named(settings.pools)
        reporter.stage("clusters", total=100)
        mined = select(
            tools,
            settings.clusters,
            seed=settings.seed,
            on_progress=lambda name, share: reporter.update(int(share * 100), note=name),
        )
    console = Console()
    named = repr(settings.pool) if isinstance(settings.pool, str) else repr(list(settings.pools))
    for block in show_issues(issue_counts(tools), every=f"ToolPool.named({named}).issues_frame()"):
        console.print(block)
    console.print(show_mined(mined, most=show))
    if len(mined.clusters) > show:
        say(f"... and {len(mined.clusters) - show:,} more (--show N)")
    if out is not None:
        written = write_clusters(mined.clusters, out)
        origin = "".join(f" --pool {shlex.quote(name)}" for name in pool or ())
        say(f"Wrote {written:,} clusters to {out}. To show one: tdlab show cluster ID --clusters {out}{origin}")
