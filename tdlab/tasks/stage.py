"""The stage: every service that has a pack, with its worlds, ready to be played.

A world is populated once for each seed and service and set back after every task. The worlds of one seed share a clock,
so that a task may go through several services.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Literal

from tdlab.records import Record
from tdlab.tasks.frames import TaskPack, read_frames
from tdlab.tasks.planner import plan_task
from tdlab.tasks.script import TaskScript
from tdlab.worlds import Clock, World, bundled_packs, load_pack, start_of

__all__ = ["Recipe", "Stage"]

_MOST_WORLDS = 400


class Recipe(Record):
    """What a script is made from: the same recipe gives the same script.

    ``world`` is the seed of the worlds, ``seed`` that of all other choices. ``partners`` are services that may take up
    what the first one gives, ``follow`` how many wishes may follow, ``beyond`` where a wish is refused.
    """

    service: str
    frame: str
    twist: str = ""
    world: int = 0
    seed: int = 0
    follow: int = 0
    partners: tuple[str, ...] = ()
    beyond: Literal["", "first", "later", "last"] = ""


class Stage:
    """Packs and worlds by service.

    Args:
        folders: The folder of each service's pack; the bundled ones by default.
    """

    def __init__(self, folders: Mapping[str, Path | Traversable] | None = None) -> None:
        self._folders = dict(bundled_packs() if folders is None else folders)
        self._packs: dict[str, TaskPack] = {}
        self._clocks: dict[int, Clock] = {}
        self._worlds: OrderedDict[tuple[str, int], World] = OrderedDict()

    @property
    def services(self) -> tuple[str, ...]:
        """The services that have a pack."""
        return tuple(self._folders)

    def tasks(self, service: str) -> TaskPack:
        """Return the pack of a service with its frames.

        Raises:
            KeyError: The service has no pack.
            PackError: The pack is wrong.
        """
        if service not in self._packs:
            self._packs[service] = read_frames(load_pack(self._folders[service]))
        return self._packs[service]

    def worlds(self, services: Sequence[str], seed: int) -> list[World]:
        """Return the worlds of some services, all of them fresh and on one clock.

        Args:
            services: Names of services.
            seed: The seed of the worlds.

        Returns:
            A world for each service. They are this stage's own: the next call sets them back.
        """
        clock = self._clocks.setdefault(seed, Clock(start_of(seed), str(seed)))
        clock.reset()
        worlds = []
        for service in services:
            world = self._worlds.get((service, seed))
            if world is None:
                world = World(self.tasks(service).pack, seed, clock)
                self._worlds[service, seed] = world
                if len(self._worlds) > _MOST_WORLDS:
                    self._worlds.popitem(last=False)[1].close()
            self._worlds.move_to_end((service, seed))
            world.reset()
            worlds.append(world)
        return worlds

    def script(self, recipe: Recipe) -> TaskScript:
        """Return the script of a recipe.

        Raises:
            TaskError: The world makes no such task possible.
            PackError: A pack is wrong.
        """
        first, *others = self.worlds((recipe.service, *recipe.partners), recipe.world)
        return plan_task(
            self.tasks(recipe.service), first, recipe.frame, twist=recipe.twist, seed=recipe.seed, follow=recipe.follow,
            partners=[(self.tasks(name), world) for name, world in zip(recipe.partners, others, strict=True)],
            beyond=recipe.beyond,
        )  # fmt: skip
