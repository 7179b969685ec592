"""The command that compares the evolution with its controls and with itself less each part."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from tdlab.cli._common import ConfigOption, PoolOption, assignment, say, this_command

__all__ = ["ablate"]


def ablate(
    out: Annotated[
        Path, typer.Option("--out", "-o", help="the folder of its run directories, table and figure; resumed")
    ] = Path("runs/ablation"),
    config: ConfigOption = None,
    pool: PoolOption = None,
    target: Annotated[int | None, typer.Option("--target", "-n", help="verified trajectories in each cell")] = None,
    seeds: Annotated[int, typer.Option("--seeds", min=1, help="how many, counted from the config's seed")] = 5,
    arms: Annotated[str | None, typer.Option("--arms", help="some of the arms, with commas; all by default")] = None,
    set_: Annotated[list[str] | None, typer.Option("--set", help="any config value: evolution.batch=32")] = None,
    workers: Annotated[int, typer.Option("--workers", "-w", min=1, help="processes, each with cells of its own")] = 1,
) -> None:
    """Compare evolved, random, quantity, no evolution and each gauge off, at equal N over seeds."""
    from tdlab.config import RunConfig
    from tdlab.evolution import ARMS
    from tdlab.jobs import ablate as compare

    changes: dict[str, Any] = dict(assignment(text) for text in set_ or [])
    changes |= {name: value for name, value in {"target": target, "pool": pool}.items() if value is not None}
    settings = (RunConfig.from_yaml(config) if config else RunConfig()).with_values(**changes)
    chosen = tuple(ARMS) if arms is None else tuple(arm.strip() for arm in arms.split(","))
    try:
        found = compare(settings, out=out, arms=chosen, seeds=seeds, workers=workers)
    except KeyboardInterrupt:
        say(f"Interrupted. What was made is kept; the same command resumes it:\n  {this_command()}", err=True)
        raise typer.Exit(130) from None
    say((found.path / "ablation.md").read_text(encoding="utf-8"))
    say("\n".join(str(out / name) for name in ("ablation.csv", "ablation_cells.csv", "ablation.md", "ablation.png")))
