"""Targets: the rows of a world that a task frame can be about."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from tdlab.records import Json
from tdlab.tasks.frames import TaskPack
from tdlab.tasks.search import bare
from tdlab.worlds import World

__all__ = ["in_order", "targets_of", "targets_with", "typed_rows"]


def targets_of(
    tasks: TaskPack, world: World, frame: str, twist: str = "", *, given: Mapping[str, Json] | None = None
) -> list[dict[str, Json]]:
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
    if given is None and world.is_fresh:
        if path not in world.notes:  # a fresh world has the same targets every time
            world.notes[path] = in_order(typed_rows(tasks, world.query(query, {}, line=line)))
        return list(world.notes[path])
    return [
        row
        for row in targets_with(tasks, world, query, given or {}, line=line)
        if all(row.get(fact) == value for fact, value in (given or {}).items())
    ]


def targets_with(
    tasks: TaskPack, world: World, query: str, known: Mapping[str, Json], *, line: int = 0
) -> list[dict[str, Json]]:
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
    return in_order(typed_rows(tasks, world.query(among, bound, line=line)))


def in_order(rows: Sequence[dict[str, Json]]) -> list[dict[str, Json]]:
    """Return rows in an order that depends on their content alone."""
    return sorted(rows, key=lambda row: [str(value) for value in row.values()])


def typed_rows(tasks: TaskPack, rows: Sequence[dict[str, Json]]) -> list[dict[str, Json]]:
    """Rows of SQL, which knows numbers and text alone, with booleans, lists and objects where tools take such."""
    schemas = [schema for program in tasks.pack.programs.values() for schema in program.tool.parameters.items()]
    booleans = {name for name, schema in schemas if schema.get("type") == "boolean"}
    structured = {name for name, schema in schemas if schema.get("type") in ("array", "object")}

    columns = list(rows[0]) if rows else []
    switches = [fact for fact in columns if bare(fact) in booleans]
    compound = [fact for fact in columns if bare(fact) in structured and fact not in switches]
    if not switches and not compound:
        return list(rows)

    def typed(row: dict[str, Json]) -> dict[str, Json]:
        flags = {fact: bool(row[fact]) for fact in switches if row[fact] is not None}
        texts = {fact: row[fact] for fact in compound if isinstance(row[fact], str) and row[fact][:1] in ("[", "{")}
        return row | flags | {fact: json.loads(text) for fact, text in texts.items()}

    return [typed(row) for row in rows]
