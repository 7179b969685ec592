"""The command that compares evolution with its controls."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tdlab.cli._common import ConfigOption, PoolOption, SetOption, run_config, say, this_command

__all__ = ["ablate"]


def ablate(
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Folder of the run directories, the table and the figure.")
    ] = Path("runs/ablation"),
    config: ConfigOption = None,
    pool: PoolOption = None,
    target: Annotated[int | None, typer.Option("--target", "-n", help="Verified trajectories per cell.")] = None,
    seeds: Annotated[int, typer.Option("--seeds", min=1, help="Number of seeds, counted from the config's seed.")] = 5,
    arms: Annotated[str | None, typer.Option("--arms", help="Arms, separated by commas; default: all.")] = None,
    set_: SetOption = None,
    workers: Annotated[
        int, typer.Option("--workers", "-w", min=1, help="Worker processes; each makes whole cells.")
    ] = 1,
) -> None:
    """Compare evolution with its controls at equal N.

    Arms: evolved, random, quantity, no evolution, and evolution without each gauge. Every cell (arm and seed) is a run
    directory; re-run the same command to resume.
    """
    from tdlab.evolution import ARMS
    from tdlab.jobs import ablate as compare

    settings = run_config(config, set_, target=target, pool=pool)
    chosen = tuple(ARMS) if arms is None else tuple(arm.strip() for arm in arms.split(","))
    try:
        ablation = compare(settings, out=out, arms=chosen, seeds=seeds, workers=workers)
    except KeyboardInterrupt:
        say(f"Interrupted. Finished work is saved. To resume:\n  {this_command()}", err=True)
        raise typer.Exit(130) from None
    say((ablation.path / "ablation.md").read_text(encoding="utf-8"))
    say("\n".join(str(out / name) for name in ("ablation.csv", "ablation_cells.csv", "ablation.md", "ablation.png")))
