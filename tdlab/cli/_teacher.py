"""Commands around the LLM teacher: what a run will cost, and a server to rehearse it with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from tdlab.cli._common import ConfigOption, PoolOption, assignment, harvested, say

__all__ = ["estimate", "rehearse"]


def estimate(
    config: ConfigOption = None,
    pool: PoolOption = None,
    target: Annotated[int | None, typer.Option("--target", "-n", help="verified trajectories to make")] = None,
    servers: Annotated[
        Path | None, typer.Option("--servers", help="an mcpServers file: for a run on these live servers")
    ] = None,
    set_: Annotated[list[str] | None, typer.Option("--set", help="any config value: teacher.model=NAME")] = None,
    sample: Annotated[int, typer.Option("--sample", min=1, help="rollouts to play dry for it")] = 50,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON instead of a table")] = False,
) -> None:
    """Tell what a run with an LLM teacher will take: calls, tokens and money by role. Nothing is bought."""
    from tdlab.cli.render import show_estimate
    from tdlab.config import RunConfig
    from tdlab.jobs import estimate as tell

    base = RunConfig.from_yaml(config) if config else RunConfig()
    changes: dict[str, Any] = dict(assignment(text) for text in set_ or [])
    changes |= {k: v for k, v in {"target": target, "pool": pool}.items() if v is not None}
    changes.setdefault("rollout__teacher", "llm")
    if servers is not None:
        changes["rollout__environment"] = "live"
    settings = base.with_values(**changes)
    found = tell(settings, pool=harvested(servers).pool if servers is not None else None, sample=sample)
    if as_json:
        roles = [role._asdict() for role in found.roles]
        typer.echo(json.dumps({**found._asdict(), "roles": roles}, indent=2))
    else:
        Console().print(show_estimate(found))


def rehearse(
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="on 127.0.0.1; 0 takes a free one")] = 8377,
    latency: Annotated[float, typer.Option("--latency", min=0.0, max=600.0, help="seconds before each reply")] = 0.0,
    rate_429: Annotated[float, typer.Option("--429", min=0.0, max=1.0, help="share of calls told to slow down")] = 0.0,
    rate_500: Annotated[float, typer.Option("--500", min=0.0, max=1.0, help="share of calls that fail")] = 0.0,
    cut: Annotated[float, typer.Option("--cut", min=0.0, max=1.0, help="share of connections that are cut")] = 0.0,
    malformed: Annotated[float, typer.Option("--malformed", min=0.0, max=1.0, help="share of broken bodies")] = 0.0,
    corrupt: Annotated[float, typer.Option("--corrupt", min=0.0, max=1.0, help="share of rollouts spoilt")] = 0.0,
    retry_after: Annotated[
        float, typer.Option("--retry-after", min=0.0, max=600.0, help="seconds that a 429 asks for")
    ] = 1.0,
    no_schema: Annotated[bool, typer.Option("--no-schema", help="refuse JSON Schema, as some servers do")] = False,
    seed: Annotated[int, typer.Option("--seed", help="of what goes wrong")] = 0,
) -> None:
    """Serve an OpenAI-compatible endpoint on this machine, answered by the scripted teacher. Ctrl-C ends it."""
    import anyio

    from tdlab.rollout import Misbehaviour, serve_mock

    how = Misbehaviour(
        latency_s=latency, rate_429=rate_429, rate_500=rate_500, rate_cut=cut, rate_malformed=malformed,
        corrupt=corrupt, retry_after_s=retry_after, no_schema=no_schema, seed=seed,
    )  # fmt: skip

    def started(address: str, state: object) -> None:
        say(f"Rehearsing at {address}. In another terminal:")
        say(
            "  tdlab run --out runs/rehearsed --set rollout.teacher=llm --set teacher.model=rehearsal"
            f" --set teacher.base_url={address}"
        )

    async def serve() -> None:
        await serve_mock(how, port=port, started=started)

    try:
        anyio.run(serve)
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
