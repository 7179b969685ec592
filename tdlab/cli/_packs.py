"""``tdlab packs``: check service packs, read conversations of one, and let a model write one."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tdlab.cli._common import say
from tdlab.cli._write_pack import write
from tdlab.errors import ConfigError, PackError, TaskError
from tdlab.records import CODE_TOOL

if TYPE_CHECKING:
    from tdlab.records import TaskScript
    from tdlab.tasks import TaskPack
    from tdlab.worlds import World

__all__ = ["packs"]

_MOST_PRINTED = 20  # errors of one rule, of one pack

packs = typer.Typer(no_args_is_help=True, help="Check, read and write service packs.", rich_markup_mode=None)


@packs.command()
def check(
    folders: Annotated[
        list[Path] | None, typer.Argument(help="Folders of packs; all bundled packs by default.")
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Worlds on which every frame is solved.")] = 20,
) -> None:
    """Check packs: statements, results, errors, frames."""
    from tdlab.tasks import check_folder
    from tdlab.worlds import bundled_packs

    wrong = 0
    chosen = folders or [Path(str(folder)) for folder in bundled_packs().values()]
    services: dict[str, Path] = {}
    for folder in chosen:
        report = check_folder(folder, seeds=seeds)
        if isinstance(report, PackError):
            say(str(report), err=True)
            wrong += 1
            continue
        errors = list(report.errors)
        other = services.setdefault(report.service, folder)
        if other.resolve() != folder.resolve():
            errors.append(
                PackError(
                    f"{str(other)!r} has a service of the same name", file=str(folder / "tools.json"), line=1,
                    rule="names", expected="server: a name of its own",
                )
            )  # fmt: skip
        _print(errors)
        wrong += bool(errors)
        solved = sum(good for good, _ in report.solved.values())
        tried = sum(number for _, number in report.solved.values())
        name = report.service if re.fullmatch(r"[\w-]{1,80}", report.service) else repr(report.service[:80])
        say(f"{name}: {len(errors)} errors; {solved} of {tried} tasks solved")
    say(f"{len(chosen) - wrong} of {len(chosen)} packs pass")
    raise typer.Exit(int(wrong > 0))


def _print(errors: Sequence[PackError]) -> None:
    """Print errors, of each rule the first ones, and how many more there are."""
    printed: Counter[str] = Counter()
    for error in errors:
        printed[error.rule] += 1
        if printed[error.rule] <= _MOST_PRINTED:
            say(str(error), err=True)
    for rule, number in printed.items():
        if number > _MOST_PRINTED:
            say(f"and {number - _MOST_PRINTED} more [{rule}]", err=True)


@packs.command()
def show(
    folder: Annotated[Path, typer.Argument(help="Folder of a pack.")],
    number: Annotated[int, typer.Option("-n", min=1, help="Conversations to print.")] = 5,
    seed: Annotated[int, typer.Option(help="Seed of the draw.")] = 0,
    frame: Annotated[str | None, typer.Option(help="Only this frame, or FRAME/TWIST.")] = None,
) -> None:
    """Print conversations of a pack."""
    from tdlab.tasks import plan_task, read_frames
    from tdlab.worlds import World, load_pack

    tasks = read_frames(load_pack(folder))
    kinds = [f"{name}/{twist}" for name, known in tasks.frames.items() for twist in ("", *known.twists)]
    kinds = [kind for kind in kinds if frame is None or kind.startswith(frame)]
    if not kinds:
        raise ConfigError(f"there is no frame {frame!r}", expected=", ".join(tasks.frames), do="give one of these")
    rng = random.Random(seed)
    worlds = [World(tasks.pack, f"show {place}") for place in range(3)]
    for place in range(number):
        name, _, twist = rng.choice(kinds).partition("/")
        world = worlds[place % len(worlds)]
        world.reset()
        world.clock.reset()
        try:
            script = plan_task(
                tasks, world, name, twist=twist, seed=f"{seed}/{place}", follow=place % 2,
                programs=tasks.frames[name].program,
            )  # fmt: skip
        except TaskError as error:
            say(f"-- {name} {twist}: {error.found}\n")
            continue
        say(f"-- {name} {twist} ({script.name}, {script.role})\n{_played(tasks, world, script)}\n")


def _played(tasks: TaskPack, world: World, script: TaskScript) -> str:
    """The script as text, with the results that its calls give."""
    world.reset()
    world.clock.reset()
    lines = []
    for beat in script.beats:
        if beat.happens is not None:
            world.happen(*beat.happens)
        if beat.text:
            lines.append(f"{beat.speaker}: {beat.text}")
        for call in beat.calls:
            if call.tool == CODE_TOOL:
                lines += ["  run_code", *(f"    {line}" for line in call.arguments["code"].splitlines())]
                continue
            name = call.tool.rpartition("/")[2]
            outcome = world.call(name, call.arguments)
            lines.append(f"  {name} {call.arguments}")
            lines.append(f"    -> {outcome.value if outcome.ok else f'{outcome.code}: {outcome.message}'}")
    return "\n".join(lines)


packs.command()(write)
