"""The stage: every service that has a pack, with its worlds, ready to be played.

A world is populated once for each seed and service and set back after every task. The worlds of one seed share a clock,
so that a task may go through several services. A stage belongs to one thread; `stage_here` returns that of the bundled
packs.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from importlib.resources.abc import Traversable
from pathlib import Path

from tdlab.records import Recipe, TaskScript, Tool
from tdlab.tasks.frames import TaskPack, read_frames
from tdlab.tasks.planner import plan_task
from tdlab.worlds import Clock, World, bundled_packs, load_pack, start_of

__all__ = ["Stage", "stage_here"]

_MOST_WORLDS = 256  # those of one run: three a service


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
        self._known: dict[str, bool] = {}

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

    def knows(self, service: str, tools: Mapping[str, Tool]) -> bool:
        """Return whether a service has a pack, and the pack has the same tools.

        Args:
            service: The service's name.
            tools: Definitions of tools by key, those of the service among them; the first that are given decide.
        """
        if service not in self._folders:
            return False
        if service not in self._known:
            own = self.tasks(service).pack.service.tools
            self._known[service] = all(_same(tool, tools.get(tool.key)) for tool in own)
        return self._known[service]

    def worlds(self, services: Sequence[str], seed: int) -> list[World]:
        """Return the worlds of some services, all of them fresh and on one clock.

        Args:
            services: Names of services.
            seed: The seed of the worlds.

        Returns:
            A world for each service. They are this stage's own: the next call sets them back.
        """
        self._clock(seed).reset()
        return [self.world(service, seed) for service in services]

    def world(self, service: str, seed: int) -> World:
        """Return one fresh world, on the clock of its seed as it stands."""
        world = self._worlds.get((service, seed))
        if world is None:
            world = World(self.tasks(service).pack, seed, self._clock(seed))
            self._worlds[service, seed] = world
            if len(self._worlds) > _MOST_WORLDS:
                self._worlds.popitem(last=False)[1].close()
        self._worlds.move_to_end((service, seed))
        world.reset()
        return world

    def forget_worlds(self) -> None:
        """Free all worlds; the next task populates those that it needs again."""
        while self._worlds:
            self._worlds.popitem()[1].close()
        self._clocks.clear()

    def _clock(self, seed: int) -> Clock:
        return self._clocks.setdefault(seed, Clock(start_of(seed), str(seed)))

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
            beyond=recipe.beyond, terse=recipe.terse, choice=recipe.choice, programs=recipe.programs,
        )  # fmt: skip


def _same(own: Tool, other: Tool | None) -> bool:
    return other is not None and (own.input_schema, own.output_schema) == (other.input_schema, other.output_schema)


_here = threading.local()


def stage_here() -> Stage:
    """Return the stage of the bundled packs that belongs to the current thread.

    Returns:
        The stage: the same one for every call in a thread, so that packs and worlds are read once.

    Example:
        >>> stage_here() is stage_here()
        True
    """
    if not hasattr(_here, "stage"):
        _here.stage = Stage()
    stage: Stage = _here.stage
    return stage
