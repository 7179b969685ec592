"""Targets: the rows of a world that a task frame can be about."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, overload

from tdlab.records import Json
from tdlab.tasks.frames import TaskPack
from tdlab.tasks.search import bare
from tdlab.worlds import World

__all__ = ["Rows", "targets_of", "targets_with"]


def targets_of(
    tasks: TaskPack, world: World, frame: str, twist: str = "", *, given: Mapping[str, Json] | None = None
) -> Sequence[dict[str, Json]]:
    """Return the targets that a world has for a frame: each row is a task that is possible.

    Args:
        tasks: The pack and its frames.
        world: One of its worlds.
        frame: The frame's name.
        twist: A twist of it, whose own target counts where it has one.
        given: Facts that the targets must have.

    Returns:
        Rows as fact to value, in an order that depends on their content alone.

    Raises:
        KeyError: There is no such frame or twist.
        PackError: The query of the target is wrong.

    Example:
        >>> stage = stage_here()
        >>> (world,) = stage.worlds(["saffron_gable"], seed=1)
        >>> rows = targets_of(stage.tasks("saffron_gable"), world, "cancel_booking")
        >>> sorted(rows[0])[:3]
        ['booking_id', 'cancel_hours', 'diner_name']
    """
    chosen = tasks.frames[frame]
    own = bool(twist and chosen.twists[twist].target)
    path = ("frames", frame, "twists", twist, "target") if own else ("frames", frame, "target")
    query = chosen.twists[twist].target if own else chosen.target
    line = tasks.pack.tasks.line(*path)
    if given is None:
        return Rows(tasks, *world.select(query, {}, line=line))
    return [
        row
        for row in targets_with(tasks, world, query, given, line=line)
        if all(row.get(fact) == value for fact, value in given.items())
    ]


def targets_with(
    tasks: TaskPack, world: World, query: str, known: Mapping[str, Json], *, line: int = 0
) -> Sequence[dict[str, Json]]:
    """Rows of a target query that agree with what is known of their columns, as far as SQL can tell."""
    note = ("columns", query)
    if note not in world.notes:
        # The query is the pack's own, and runs under the world's authorizer.
        first = world.query(f"SELECT * FROM ({query.strip().rstrip(';')}) LIMIT 1", {}, line=line)  # noqa: S608
        if not first:
            return []
        world.notes[note] = frozenset(first[0])
    given = {
        fact: value
        for fact, value in known.items()
        if fact in world.notes[note] and isinstance(value, (str, int, float)) and not isinstance(value, bool)
    }
    where = " AND ".join(f'"{fact}" = :given_{fact}' for fact in given) or "true"
    # The query is the pack's own, and runs under the world's authorizer; the values are bound.
    among = f"SELECT * FROM ({query.strip().rstrip(';')}) WHERE {where}"  # noqa: S608
    bound = {f"given_{fact}": value for fact, value in given.items()}
    return Rows(tasks, *world.select(among, bound, line=line))


class Rows(Sequence[dict[str, Json]]):
    """Rows of a query as facts, in an order that depends on their content alone.

    SQL knows numbers and text alone: a fact has a boolean, list or object where tools take such. Rows are made when
    they are looked at, for a query may give thousands and one is drawn.

    Args:
        tasks: The pack whose tools take the facts.
        columns: The names of the facts.
        rows: Their values.
    """

    def __init__(self, tasks: TaskPack, columns: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> None:
        self._columns = tuple(columns)
        self._rows = sorted(rows, key=repr)
        self._switches = [fact for fact in columns if bare(fact) in tasks.booleans]
        self._compound = [fact for fact in columns if bare(fact) in tasks.structured and fact not in self._switches]

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, place: int) -> dict[str, Json]: ...
    @overload
    def __getitem__(self, place: slice) -> list[dict[str, Json]]: ...
    def __getitem__(self, place: int | slice) -> dict[str, Json] | list[dict[str, Json]]:
        if isinstance(place, slice):
            return [self._typed(row) for row in self._rows[place]]
        return self._typed(self._rows[place])

    def _typed(self, values: tuple[Any, ...]) -> dict[str, Json]:
        row: dict[str, Json] = dict(zip(self._columns, values, strict=True))
        row |= {fact: bool(row[fact]) for fact in self._switches if row[fact] is not None}
        texts = {fact: row[fact] for fact in self._compound if isinstance(row[fact], str)}
        return row | {fact: json.loads(text) for fact, text in texts.items() if text[:1] in ("[", "{")}
