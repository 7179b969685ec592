"""Commands for the LLM teacher: estimate the cost of a run, probe its servers, serve a mock model."""

from __future__ import annotations

import json
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from tdlab.cli._common import ConfigOption, PoolOption, SetOption, harvested, run_config, say, say_left_out

__all__ = ["estimate", "mock_server", "probe", "rehearse"]


def estimate(
    config: ConfigOption = None,
    pool: PoolOption = None,
    target: Annotated[
        int | None, typer.Option("--target", "-n", help="Number of verified trajectories to make.")
    ] = None,
    servers: Annotated[
        Path | None, typer.Option("--servers", help="File of an MCP client: estimate a run on its live servers.")
    ] = None,
    set_: SetOption = None,
    sample: Annotated[
        int, typer.Option("--sample", min=1, help="Number of dry-run rollouts to extrapolate from.")
    ] = 50,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Estimate the cost of a run with an LLM teacher.

    Estimate calls, tokens and cost per role, without calling any API.
    """
    from tdlab.cli.render import show_estimate
    from tdlab.jobs import estimate as estimate_run

    assignments = ["rollout.teacher=llm", *(set_ or [])]
    environment = None if servers is None else "live"
    settings = run_config(config, assignments, target=target, pool=pool, rollout__environment=environment)
    harvest = None if servers is None else harvested(servers)
    if harvest is not None:
        say_left_out(harvest)
    estimated = estimate_run(settings, pool=None if harvest is None else harvest.pool, sample=sample)
    if as_json:
        roles = [role._asdict() for role in estimated.roles]
        typer.echo(json.dumps({**estimated._asdict(), "roles": roles}, indent=2))
    else:
        Console().print(show_estimate(estimated))


def probe(
    config: ConfigOption = None,
    set_: SetOption = None,
    paid: Annotated[
        bool, typer.Option("--paid", help="Also make a few calls of at most 32 tokens per model and server.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Check what the servers of an LLM teacher can do.

    Print what each model and server says about itself, and what will not work. The exit status is 1 if a role of the
    config cannot be played.
    """
    from tdlab.cli.probe_table import show_probes
    from tdlab.rollout import probe as probe_servers

    settings = run_config(config, ["rollout.teacher=llm", *(set_ or [])])
    probes = probe_servers(settings.teacher, paid=paid)
    if as_json:
        typer.echo(json.dumps([{**found._asdict(), "notes": found.notes} for found in probes], indent=2))
    else:
        Console().print(show_probes(probes))
    if any(found.error for found in probes):
        raise typer.Exit(1)


def mock_server(
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="Port on 127.0.0.1; 0: any free port.")] = 8377,
    latency: Annotated[
        float, typer.Option("--latency", min=0.0, max=600.0, help="Delay of each reply, in seconds.")
    ] = 0.0,
    rate_429: Annotated[
        float, typer.Option("--429", min=0.0, max=1.0, help="Share of calls answered with 429 (rate limit).")
    ] = 0.0,
    rate_500: Annotated[float, typer.Option("--500", min=0.0, max=1.0, help="Share of calls answered with 500.")] = 0.0,
    cut: Annotated[float, typer.Option("--cut", min=0.0, max=1.0, help="Share of connections closed mid-reply.")] = 0.0,
    malformed: Annotated[
        float, typer.Option("--malformed", min=0.0, max=1.0, help="Share of replies that are not valid JSON.")
    ] = 0.0,
    corrupt: Annotated[
        float, typer.Option("--corrupt", min=0.0, max=1.0, help="Share of rollouts with wrong content.")
    ] = 0.0,
    retry_after: Annotated[
        float, typer.Option("--retry-after", min=0.0, max=600.0, help="Wait that a 429 asks for, in seconds.")
    ] = 1.0,
    no_schema: Annotated[
        bool, typer.Option("--no-schema", help="Reject JSON-schema mode, as some servers do.")
    ] = False,
    no_tools: Annotated[
        bool, typer.Option("--no-tools", help="Drop the tools of requests, as some servers do.")
    ] = False,
    unparsable: Annotated[
        float, typer.Option("--unparsable", min=0.0, max=1.0, help="Share of replies that the server cannot parse.")
    ] = 0.0,
    context: Annotated[int | None, typer.Option("--context", min=1, help="Context length in tokens.")] = None,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the injected faults.")] = 0,
) -> None:
    """Serve a mock OpenAI-compatible endpoint.

    The scripted teacher answers on this machine. Options inject faults. Stop it with Ctrl-C.
    """
    import anyio

    from tdlab.rollout import Misbehaviour, serve_mock

    faults = Misbehaviour(
        latency_s=latency, rate_429=rate_429, rate_500=rate_500, rate_cut=cut, rate_malformed=malformed,
        corrupt=corrupt, retry_after_s=retry_after, no_schema=no_schema, seed=seed, no_tools=no_tools,
        rate_unparsable=unparsable, context=context,
    )  # fmt: skip

    def started(address: str, state: object) -> None:
        say(f"Mock server at {address}. In another terminal:")
        say(
            "  tdlab run --out runs/mock --set rollout.teacher=llm --set teacher.model=mock"
            f" --set teacher.base_url={address}"
        )

    async def serve() -> None:
        await serve_mock(faults, port=port, started=started)

    try:
        anyio.run(serve)
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


@wraps(mock_server)
def rehearse(**options: Any) -> None:
    """Run `mock_server` under its old name, which is kept for one release."""
    say("`tdlab rehearse` is deprecated; use `tdlab mock-server`.", err=True)
    mock_server(**options)
