"""What a pack's texts and queries can name: columns of targets, facts of the user, fields of results."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tdlab.errors import PackError
from tdlab.records import Json
from tdlab.tasks.frames import Frame, TaskPack
from tdlab.tasks.search import bare
from tdlab.worlds import World, parameters_in

__all__ = ["Names"]

_DEEPEST = 12  # objects within objects of a schema


class Names:
    """The names of one pack.

    ``fields`` are the fields of results outside of lists, ``rows`` the fields of the rows of each list, ``enums`` the
    values of every parameter and field that has a fixed set of them (as texts), ``constants`` those that are the only
    one somewhere, ``free`` the names of which one place sets no values, ``broken`` the queries that are wrong.

    Args:
        tasks: The pack and its frames.
        world: One of its worlds.
    """

    def __init__(self, tasks: TaskPack, world: World) -> None:
        self._tasks = tasks
        self.broken: list[PackError] = []
        self.fields: set[str] = set()
        self.parameters: set[str] = set()
        self.rows: dict[str, set[str]] = {}
        self.enums: dict[str, set[str]] = {}
        self.constants: dict[str, set[str]] = {}
        self.free: set[str] = set()
        for program in tasks.pack.programs.values():
            self.parameters |= program.tool.parameters.keys()
            self._walk(program.tool.output_schema or {}, self.fields, program.tool.output_schema or {})
            self._walk(program.tool.input_schema, set(), program.tool.input_schema)
        self._columns: dict[tuple[str, str], frozenset[str]] = {}
        self._changed: dict[str, set[str]] = {name: set() for name in tasks.frames}
        for name, frame in tasks.frames.items():
            self._columns[name, ""] = self._of(world, frame.target, "frames", name, "target")
            for twist, trouble in frame.twists.items():
                path = ("frames", name, "twists", twist)
                if trouble.target:
                    self._columns[name, twist] = self._of(world, trouble.target, *path, "target")
                for place, then in enumerate(trouble.then):
                    if then.change:
                        self._changed[name] |= self._of(world, then.change, *path, "then", place, "change")

    def opening(self, frame: str, twist: str = "") -> frozenset[str]:
        """Return the facts of a frame (of one of its twists) before anything is looked up."""
        columns = self._columns.get((frame, twist), self._columns.get((frame, ""), frozenset()))
        return columns | self._tasks.frames[frame].user.keys()

    def facts(self, frame: str) -> frozenset[str]:
        """Return the facts of a frame, of its twists and of what they change."""
        known = self._tasks.frames[frame]
        return (
            frozenset(self._changed[frame])
            | known.compute.keys()
            | self.opening(frame).union(*(self.opening(frame, twist) for twist in known.twists))
        )

    def known(self, frame: str) -> frozenset[str]:
        """Return all that can be said in a frame: its facts and the fields of results."""
        return self.facts(frame) | self.fields

    def all_facts(self) -> frozenset[str]:
        """Return the facts of all frames."""
        return frozenset().union(*map(self.facts, self._tasks.frames))

    def askable(self, fact: str) -> frozenset[str]:
        """Return what the user knows who is asked for a fact: the facts of the frames that have it."""
        having = (frame for frame in self._tasks.frames if fact in {bare(known) for known in self.facts(frame)})
        return frozenset({fact}).union(*map(self.facts, having))

    def needed(self, frame: Frame, *, required: bool = False) -> Iterator[str]:
        """Yield the facts that the acts of a frame take, or those that they cannot do without."""
        for act in frame.act:
            for tool, arguments in act.items():
                program = self._tasks.pack.programs.get(tool)
                facts = arguments if isinstance(arguments, dict) else {one: one for one in arguments}
                for parameter, fact in facts.items():
                    if not required or (program is not None and parameter in program.tool.required):
                        yield fact

    def _of(self, world: World, sql: str, *path: str | int) -> frozenset[str]:
        """The columns of a query."""
        empty = f"SELECT * FROM ({sql.strip().rstrip(';')}) LIMIT 0"  # noqa: S608  # runs under the world's authorizer
        try:
            columns, _ = world.select(empty, dict.fromkeys(parameters_in(sql)), line=self._tasks.pack.tasks.line(*path))
        except PackError as error:
            self.broken.append(error)
            return frozenset()
        return frozenset(columns)

    def _walk(self, schema: Any, fields: set[str], root: Mapping[str, Any], depth: int = 0) -> None:
        """Note the fields of an object, those of the objects in it, and those of the rows of its lists."""
        if not isinstance(schema, dict) or depth > _DEEPEST:
            return
        for word in ("anyOf", "oneOf", "allOf"):
            for part in schema.get(word) or ():
                self._walk(part, fields, root, depth + 1)
        if "$ref" in schema:
            self._walk(_referred(schema["$ref"], root), fields, root, depth + 1)
        properties = schema.get("properties")
        for name, part in properties.items() if isinstance(properties, dict) else ():
            fields.add(name)
            values = _values_of(part)
            if isinstance(part, dict) and "const" in part:
                self.constants.setdefault(name, set()).add(_as_text(part["const"]))
            elif values is None:
                self.free.add(name)
            else:
                self.enums.setdefault(name, set()).update(values)
            items = part.get("items") if isinstance(part, dict) else None
            if isinstance(items, dict):
                rows = self.rows.setdefault(name, {"value"})
                self._walk(items, rows, root, depth + 1)
            else:
                self._walk(part, fields, root, depth + 1)


def _referred(pointer: object, root: Mapping[str, Any]) -> Any:
    part: Any = root
    for key in str(pointer).removeprefix("#/").split("/"):
        part = part.get(key) if isinstance(part, dict) else None
    return part


def _values_of(schema: Any) -> set[str] | None:
    """The values that a schema allows, as texts; None where it sets none."""
    if not isinstance(schema, dict):
        return None
    if isinstance(schema.get("enum"), list):
        return {_as_text(value) for value in schema["enum"] if value is not None}
    kinds = schema.get("type")
    return {"true", "false"} if kinds == "boolean" or kinds == ["boolean", "null"] else None


def _as_text(value: Json) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
