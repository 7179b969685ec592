"""The stage: every service that has a pack, with its worlds, ready to be played.

A world is populated once for each seed and service and set back after every task. The worlds of one seed share a clock,
so that a task may go through several services. A stage belongs to one thread; `stage_here` returns that of the bundled
packs, and inside `playing_packs` that of the user's packs, too.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.resources.abc import Traversable
from pathlib import Path

from tdlab.errors import PackError
from tdlab.records import Recipe, TaskScript, Tool
from tdlab.tasks.frames import TaskPack, read_frames
from tdlab.tasks.planner import plan_task
from tdlab.worlds import Clock, PackFolder, World, bundled_packs, load_pack, start_of

__all__ = ["Stage", "keep_worlds", "playing_packs", "stage_here"]

_MOST_WORLDS = 256  # those of one run: three a service


class Stage:
    """Packs and worlds by service.

    Args:
        folders: The folder of each service's pack; the bundled ones by default.
        own: Packs of the user's besides, which take the place of those of the same service.
        packs: Packs that were read already, by service, which stages of several threads may share.
    """

    def __init__(
        self,
        folders: Mapping[str, Path | Traversable] | None = None,
        *,
        own: Sequence[PackFolder] = (),
        packs: dict[str, TaskPack] | None = None,
    ) -> None:
        self._folders = dict(bundled_packs() if folders is None else folders)
        self._folders |= {pack.service: Path(pack.folder) for pack in own}
        self._digests = {pack.service: pack.digest for pack in own}
        self._packs: dict[str, TaskPack] = {} if packs is None else packs
        self._clocks: dict[int, Clock] = {}
        self._worlds: OrderedDict[tuple[str, int], World] = OrderedDict()
        self._known: dict[str, tuple[tuple[Tool | None, ...], bool]] = {}

    @property
    def services(self) -> tuple[str, ...]:
        """The services that have a pack."""
        return tuple(self._folders)

    def tasks(self, service: str) -> TaskPack:
        """Return the pack of a service with its frames.

        Raises:
            KeyError: The service has no pack.
            PackError: The pack is wrong, or has changed since the stage was set up.
        """
        if service not in self._packs:
            with _READING:
                if service not in self._packs:
                    self._packs[service] = self._read(service)
        return self._packs[service]

    def _read(self, service: str) -> TaskPack:
        pack = load_pack(self._folders[service])
        if self._digests.get(service, pack.digest) != pack.digest:
            raise PackError(
                "the pack has changed since the run began", file=pack.files["tools.json"], rule="files",
                expected="the same files during a whole run", do="start another run with --out",
            )  # fmt: skip
        return read_frames(pack)

    def knows(self, service: str, tools: Mapping[str, Tool]) -> bool:
        """Return whether a service has a pack, and the pack has the same tools.

        An output schema that the server did not declare is no difference: the pack says what its tools return.

        Args:
            service: The service's name.
            tools: Definitions of tools by key, those of the service among them.
        """
        if service not in self._folders:
            return False
        own = self.tasks(service).pack.service.tools
        given = tuple(tools.get(tool.key) for tool in own)
        known = self._known.get(service)
        if known is None or any(before is not now for before, now in zip(known[0], given, strict=True)):
            known = self._known[service] = given, all(map(_same, own, given))
        return known[1]

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
            if len(self._worlds) > _here.most_worlds:
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
    if other is None or own.input_schema != other.input_schema:
        return False
    return other.output_schema is None or other.output_inferred or own.output_schema == other.output_schema


class _Here(threading.local):
    """The stages of a thread: those of the packs last used, and which are in use now."""

    def __init__(self) -> None:
        self.stages: OrderedDict[tuple[PackFolder, ...], Stage] = OrderedDict()
        self.packs: tuple[PackFolder, ...] = ()
        self.most_worlds = _MOST_WORLDS


_here = _Here()
_READING = threading.Lock()
_read: dict[tuple[PackFolder, ...], dict[str, TaskPack]] = {}
"""The packs that some thread has read: they do not change, so that all threads have the same."""
_MOST_STAGES = 4  # of a thread, with packs of the user's


def stage_here() -> Stage:
    """Return the stage that belongs to the current thread: of the bundled packs, and those of `playing_packs`.

    Returns:
        The stage: the same one for every call in a thread with the same packs, so that packs and worlds are read once.

    Example:
        >>> stage_here() is stage_here()
        True
    """
    packs, stages = _here.packs, _here.stages
    if packs not in stages:
        stages[packs] = Stage(own=packs, packs=_read.setdefault(packs, {}))
        for old in [key for key in stages if key and key != packs][: max(0, len(stages) - _MOST_STAGES)]:
            stages.pop(old).forget_worlds()
            _read.pop(old, None)
    return stages[packs]


def keep_worlds(count: int) -> None:
    """Keep at most so many worlds in this thread, where many threads play at the same time.

    Args:
        count: The number of worlds; one that is needed again is populated again, which takes about 15 ms.

    Example:
        >>> keep_worlds(256)
    """
    _here.most_worlds = count


@contextmanager
def playing_packs(packs: Sequence[PackFolder]) -> Iterator[Stage]:
    """Let `stage_here` return a stage with packs of the user's, in this thread and until the block ends.

    Args:
        packs: The packs, from `tdlab.worlds.find_packs`; none for the bundled ones alone.

    Yields:
        The stage.

    Example:
        >>> with playing_packs([]) as stage:
        ...     stage is stage_here()
        True
    """
    before, _here.packs = _here.packs, tuple(packs)
    try:
        yield stage_here()
    finally:
        _here.packs = before
