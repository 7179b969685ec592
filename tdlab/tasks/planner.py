"""Planning: from a frame and a world to a script, goal first.

A scene plays the task on the world while it writes it down: every call of the script has been made, and every value
that is said or used stands in a message or a result before.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Literal

from tdlab.errors import TaskError
from tdlab.records import Json, TaskScript
from tdlab.tasks.frames import TaskPack
from tdlab.tasks.scene import Scene
from tdlab.tasks.targets import targets_of
from tdlab.worlds import World

__all__ = ["plan_task"]


def plan_task(
    tasks: TaskPack,
    world: World,
    frame: str,
    *,
    twist: str = "",
    seed: int | str = 0,
    target: Mapping[str, Json] | None = None,
    follow: int = 0,
    partners: Sequence[tuple[TaskPack, World]] = (),
    beyond: Literal["", "first", "later", "last"] = "",
    terse: bool = False,
    choice: Literal["", "rule", "ask"] = "",
    programs: bool = False,
) -> TaskScript:
    """Plan one task: draw a target, find the way to its goal, and write the conversation.

    Args:
        tasks: The pack and its frames.
        world: A world of the pack, at its start; it is left in the state after the task.
        frame: The frame's name.
        twist: The twist's name, or none.
        seed: What every choice depends on.
        target: The target, instead of one drawn.
        follow: How many frames may follow on the first, at most.
        partners: Other services, with worlds on the same clock, that may take up what this one gives.
        beyond: Where the user also has a wish that no tool of the service can fulfil.
        terse: Whether the user says little at once.
        choice: How the user chooses among several rows, where both ways are open.
        programs: Whether the assistant can run programs.

    Returns:
        The task and its script. Playing the calls on the same world gives the same results.

    Raises:
        TaskError: The world has no target for it, or no way to the goal is found.
        PackError: The pack is wrong.

    Example:
        >>> stage = stage_here()
        >>> (world,) = stage.worlds(["saffron_gable"], seed=1)
        >>> script = plan_task(stage.tasks("saffron_gable"), world, "cancel_booking", seed=1)
        >>> [call.tool for beat in script.beats for call in beat.calls]
        ['saffron_gable/get_booking', 'saffron_gable/get_restaurant', 'saffron_gable/cancel_booking']
    """
    if frame not in tasks.frames:
        raise TaskError(f"there is no frame {frame!r}", expected=", ".join(tasks.frames))
    if twist and twist not in tasks.frames[frame].twists:
        raise TaskError(f"there is no twist {twist!r}", expected=", ".join(tasks.frames[frame].twists))
    rng = random.Random(f"{seed}/{frame}/{twist}")
    if target is None:
        targets = targets_of(tasks, world, frame, twist)
        if not targets:
            raise TaskError(f"this world has no target for {frame}" + (f" with {twist}" if twist else ""))
        target = rng.choice(targets)
    scene = Scene(tasks, world, rng, target, partners, terse=terse, choice=choice, programs=programs)
    if beyond == "first":
        scene.wish_beyond(first=True)
    scene.perform(frame, dict(target), twist=twist, lead=beyond == "first")
    if beyond == "later":
        scene.wish_beyond()
    for _ in range(follow):
        if not scene.follow_on():
            break
    if beyond == "last":
        scene.wish_beyond()
    return scene.end()
