"""``tdlab packs write``: let a language model write a service pack."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tdlab.cli._common import ConfigOption, SetOption, run_config, say, this_command
from tdlab.errors import ConfigError

if TYPE_CHECKING:
    from tdlab.errors import PackError
    from tdlab.rollout import AuthorEstimate

__all__ = ["write"]


def write(
    pool: Annotated[str, typer.Argument(help="'bundled', or a pool file or folder.")],
    service: Annotated[str, typer.Option("--service", "-s", help="Name of the service.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of packs; the pack becomes a subfolder.")] = Path(
        "packs"
    ),
    rounds: Annotated[int, typer.Option("--rounds", min=1, max=100, help="Most replies to ask for.")] = 5,
    max_tokens: Annotated[int, typer.Option("--max-tokens", min=256, help="Most tokens of one reply.")] = 32_768,
    config: ConfigOption = None,
    set_: SetOption = None,
    replies: Annotated[Path | None, typer.Option("--replies", help="File of saved replies; default: in OUT.")] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Write the pack again; the earlier one becomes OUT/.before-NAME.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before paying.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the estimated cost only.")] = False,
) -> None:
    """Let a model write the pack of a service.

    The model of the role author writes the world, the programs of the tools and the tasks, until the pack passes
    `tdlab packs check`. Runs with --packs OUT then execute the service, without a model. A pack that is there for the
    same tools costs nothing. Re-run the same command to resume; replies are not paid for twice.
    """
    from tdlab.jobs import write_service_pack
    from tdlab.pool import ToolPool
    from tdlab.rollout import estimate_pack, pack_in_place, written_pack
    from tdlab.worlds import bundled_packs

    settings = run_config(config, set_).teacher
    tools = ToolPool.named(pool)
    wanted = tools.service(service)
    present = None if force else pack_in_place(wanted, out)
    if present is not None:
        state = written_pack(wanted, out)
        edited = f" ({', '.join(state.edited)} edited since)" if state is not None and state.edited else ""
        say(f"{present.folder} is the pack of {service} for these tools{edited}. Nothing was paid.")
        return
    if service in bundled_packs():
        say(f"tdlab has a pack of {service}; in runs with --packs {out} yours takes its place.")
    estimate = estimate_pack(settings, wanted, rounds=rounds, max_tokens=max_tokens)
    _print(estimate)
    if dry_run:
        return
    if not yes:
        if not sys.stdin.isatty():
            raise ConfigError(
                "the cost has to be confirmed, and this is no terminal",
                expected="a terminal, or --yes",
                do=f"{this_command()} --yes",
            )
        if not typer.confirm("Go on?"):
            say("Nothing was paid.")
            return
    try:
        pack = write_service_pack(
            tools, service, settings, out=out, rounds=rounds, max_tokens=max_tokens, force=force, replies=replies,
            on_round=_progress,
        )  # fmt: skip
    except KeyboardInterrupt:
        say(f"Interrupted. Replies are saved. To resume:\n  {this_command()}", err=True)
        raise typer.Exit(130) from None
    use = f"tdlab run --pool {pool} --packs {out} --out runs/{pack.folder.name}"
    say(f"{pack.folder} passes the check. To use it:\n  {use}")


def _progress(number: int, problems: Sequence[PackError]) -> None:
    first = f", first: {problems[0].found}" if problems else ""
    count = f"{len(problems)} problem{'s' if len(problems) != 1 else ''}" if problems else "no problem"
    say(f"Round {number}: {count}{first}")


def _print(estimate: AuthorEstimate) -> None:
    """Print what rounds are expected to cost, and the most that they can."""
    from tdlab.rollout import PRICE_TABLE

    many = estimate.all.calls
    plural = "s" if many > 1 else ""
    rows = [("one round", estimate.one), (f"all {many} round{plural}", estimate.all), ("at most", estimate.most)]
    say(f"Estimated cost of the pack of {estimate.service} with {estimate.model}:")
    for name, part in rows:
        money = f"{part.money:,.2f} {estimate.currency}" if part.money is not None else "price unknown"
        calls = f"{part.calls} call{'s' if part.calls > 1 else ''}"
        say(f"  {name:<14} {calls:<9} {part.input_tokens:>9,} tokens in {part.output_tokens:>9,} out   {money}")
    if estimate.one.money is None:
        say(f"To see money, write a price table and add --set teacher.prices=FILE: {PRICE_TABLE}")
    say("Not included: retries of failed calls. teacher.budget_tokens and teacher.budget_money bound those, too.")
    if estimate.doubt:
        say(f"Note: {estimate.doubt}")
