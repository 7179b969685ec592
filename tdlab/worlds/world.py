"""A world: the state behind one service, prepared from a seed; its tools run against it, and it can be set back.

A world is prepared once and played many times: everything that a rollout changes is inside one transaction, which is
rolled back when the next one begins.
"""

from __future__ import annotations

import datetime
import json
import math
import re
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from typing import Any, NamedTuple

from tdlab.errors import PackError
from tdlab.records import Json, digest
from tdlab.worlds._connection import open_database, quoted
from tdlab.worlds._functions import Clock, register
from tdlab.worlds._shaping import nested
from tdlab.worlds._statements import Statement, check_words
from tdlab.worlds.pack import Output, ServicePack, ToolProgram, fetch, run, trusted_rows

__all__ = ["Outcome", "World", "start_of"]

_PLACEHOLDER = re.compile(r"\{(\w+)\}")
_CURSOR = re.compile(r"p([0-9]{1,6})")
_FIRST_DAY = datetime.datetime(2026, 1, 5, 8, 0)
_SECONDS = 2.0  # of CPU for a population
_DAYS = 330  # worlds start on a day of this range


class Outcome(NamedTuple):
    """What a call came to: its ``value``, or the ``code`` and ``message`` of a documented error."""

    value: dict[str, Json]
    code: str = ""
    message: str = ""

    @property
    def ok(self) -> bool:
        """Whether the call succeeded."""
        return not self.code


class World:
    """The state of one service, and its tools. ``notes`` is for others to remember what is true whatever was called.

    Args:
        pack: The service's pack.
        seed: The seed of its population.
        clock: The clock it shares with the other worlds of a rollout; a new one that starts at `start_of` the seed by
            default.
        reverse: Let SQLite give rows that no ORDER BY sorts in reverse, to find what depends on their order.

    Raises:
        PackError: Its population breaks a constraint, or takes too long.
    """

    def __init__(
        self, pack: ServicePack, seed: int | str, clock: Clock | None = None, *, reverse: bool = False
    ) -> None:
        self.pack = pack
        self.seed = str(seed)
        self.clock = clock or Clock(start_of(seed), self.seed)
        self._file = pack.files["world.sql"]
        self._connection, self._guard = open_database(reverse=reverse)
        register(self._connection, seed=digest(self.seed, pack.service.name), lists=pack.lists, clock=self.clock)
        for statement in pack.tables:
            run(self._connection, self._guard, statement, "tables", {}, self._file)
        self._trusted("BEGIN")
        began = time.thread_time()
        for statement in pack.populate:
            run(self._connection, self._guard, statement, "populate", {}, self._file)
            if time.thread_time() - began > _SECONDS:
                raise PackError(
                    "the population takes too long", file=self._file, line=statement.line, rule="time",
                    expected=f"at most {_SECONDS:g} seconds of CPU, better 0.03",
                )  # fmt: skip
        self._trusted("COMMIT")
        self._trusted("BEGIN")
        self._touched: set[str] = set()
        self._start: dict[str, dict[str, tuple[Any, ...]]] = {}  # of each table that was ever changed
        self._writes: dict[str, frozenset[str]] = {}  # by statement: the tables that it changes
        self.notes: dict[Any, Any] = {}

    def close(self) -> None:
        """Free the database."""
        self._connection.close()

    def reset(self) -> None:
        """Set the state back to what the population made. The clock is its owner's to set back."""
        if self._connection.in_transaction:  # SQLite itself ends one whose statement it had to stop
            self._trusted("ROLLBACK")
        self._trusted("BEGIN")
        self._touched.clear()

    @contextmanager
    def attempt(self) -> Iterator[None]:
        """A block after which state and clock are set back to what they were if it raises."""
        position, touched = self.clock.position, set(self._touched)
        self._trusted("SAVEPOINT attempt")
        try:
            yield
        except BaseException:
            if self._connection.in_transaction:
                self._trusted("ROLLBACK TO attempt")
                self._trusted("RELEASE attempt")
            else:  # SQLite itself ended it, since it had to stop a statement: nothing is left but the start
                self._trusted("BEGIN")
                touched = set()
            self.clock.set(position)
            self._touched = touched
            raise
        self._trusted("RELEASE attempt")

    def call(self, name: str, arguments: Mapping[str, Json]) -> Outcome:
        """Run one tool on valid arguments, and move the clock on before it.

        Args:
            name: The tool's name.
            arguments: Values that fit its input schema; what is not given has its default.

        Returns:
            The result, or the documented error whose precondition did not hold. A failed call changes nothing.

        Raises:
            PackError: A statement of the pack is wrong.
            KeyError: There is no such tool.
        """
        self.clock.tick()
        return self.look(name, arguments)

    def look(self, name: str, arguments: Mapping[str, Json]) -> Outcome:
        """Run one tool as `call` does, without moving the clock."""
        program, changes = self.pack.programs[name], self._connection.total_changes
        parameters = {
            parameter: _bound(arguments.get(parameter, schema.get("default")))
            for parameter, schema in program.tool.parameters.items()
        }
        for action in program.actions:
            if action.word == "do":
                self._before(program.writes)
                for statement in action.statements:
                    run(self._connection, self._guard, statement, "write", parameters, self._file)
                self._touched |= program.writes
                continue
            columns, rows = fetch(self._connection, self._guard, action.statements[0], parameters, self._file)
            if action.word == "error":
                if rows:
                    return _failed(
                        program, action.code, arguments, parameters | dict(zip(columns, rows[0], strict=True))
                    )
                continue
            if len(rows) != 1:
                raise PackError(
                    f"--- let of {name} gives {len(rows)} rows", file=self._file, line=action.statements[0].line,
                    rule="let", expected="one row",
                )  # fmt: skip
            parameters |= zip(columns, rows[0], strict=True)
        value: dict[str, Any] = {}
        for output in program.outputs:
            try:
                failed = self._put(program, output, arguments, parameters, value)
            except (ValueError, TypeError, AttributeError, RecursionError) as error:
                raise PackError(
                    f"a row of {name} cannot be shaped into its output: {error}", file=self._file,
                    line=output.statement.line, rule="results", expected="JSON text for objects and lists",
                ) from None  # fmt: skip
            if failed is not None:
                return failed
        self.clock.acts += self._connection.total_changes > changes
        return Outcome(value)

    def select(
        self, sql: str, parameters: Mapping[str, Any] | None = None, *, line: int = 0
    ) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
        """Run a query of the pack's tables.

        Args:
            sql: One SELECT.
            parameters: Values for its ``:parameters``.
            line: Its line in ``tasks.yaml``, for errors.

        Returns:
            The names of the columns, and the rows.

        Raises:
            PackError: The query is wrong, refused or too long.
        """
        statement = Statement(sql.strip().rstrip(";"), line, frozenset())
        check_words(sql, file=self.pack.files["tasks.yaml"], line=line)
        bound = {name: _bound(value) for name, value in (parameters or {}).items()}
        return fetch(self._connection, self._guard, statement, bound, self.pack.files["tasks.yaml"])

    def query(self, sql: str, parameters: Mapping[str, Any] | None = None, *, line: int = 0) -> list[dict[str, Any]]:
        """Run a query as `select` does, and return each row as column to value."""
        columns, rows = self.select(sql, parameters, line=line)
        return [dict(zip(columns, row, strict=True)) for row in rows]

    def happen(self, sql: str, parameters: Mapping[str, Any], *, line: int = 0) -> None:
        """Let something happen that no call did: another customer takes the last seat.

        Args:
            sql: One INSERT, UPDATE or DELETE on the pack's tables.
            parameters: Values for its ``:parameters``.
            line: Its line in ``tasks.yaml``, for errors.

        Raises:
            PackError: The statement is wrong, refused or breaks a constraint.
        """
        file, text = self.pack.files["tasks.yaml"], sql.strip().rstrip(";")
        check_words(sql, file=file, line=line)
        bound = {name: _bound(value) for name, value in parameters.items()}
        if text not in self._writes:  # what a statement writes is asked when it is prepared for the first time
            self._guard.written.clear()
            run(self._connection, self._guard, Statement(f"EXPLAIN {text}", line, frozenset()), "write", bound, file)
            self._writes[text] = frozenset(self._guard.written)
        self._before(self._writes[text])
        run(self._connection, self._guard, Statement(text, line, frozenset()), "write", bound, file)
        self._touched |= self._writes[text]

    def broken(self) -> tuple[str, ...]:
        """Return the text of every invariant that does not hold now."""
        return tuple(
            text
            for text, statement in self.pack.invariants
            if fetch(self._connection, self._guard, statement, {}, self._file)[1]
        )

    def tables(self) -> dict[str, list[dict[str, Json]]]:
        """Return every table as rows, in the order of its primary key.

        Raises:
            PackError: A value is neither text, a finite number nor null.
        """
        for table in self._tables:
            for row in self._rows(table).values():
                odd = next((value for value in row if _is_odd(value)), None)
                if odd is not None:
                    raise PackError(
                        f"the table {table} holds {str(odd)[:40]!r}", file=self._file, rule="tables",
                        expected="text without NUL, finite numbers and null",
                    )  # fmt: skip
        return {
            table: [dict(zip(self._columns[table], row, strict=True)) for row in self._rows(table).values()]
            for table in self._tables
        }

    def changes(self) -> dict[str, dict[str, Json]]:
        """Return what has changed since the population.

        Returns:
            Table, then primary key as text, then the row as it is now, or None where it is gone.
        """
        changed: dict[str, dict[str, Json]] = {}
        for table in sorted(self._touched):
            before, now, columns = self._start[table], self._rows(table), self._columns[table]
            rows: dict[str, Json] = {
                key: dict(zip(columns, row, strict=True)) for key, row in now.items() if before.get(key) != row
            }
            rows |= {key: None for key in before if key not in now}
            if rows:
                changed[table] = dict(sorted(rows.items()))
        return changed

    def _put(
        self, program: ToolProgram, output: Output, arguments: Mapping[str, Json], parameters: dict[str, Any],
        value: dict[str, Any],
    ) -> Outcome | None:  # fmt: skip
        columns, rows = fetch(self._connection, self._guard, output.statement, parameters, self._file)
        if output.word == "result":
            if len(rows) != 1:
                raise PackError(
                    f"--- result of {program.tool.name} gives {len(rows)} rows", file=self._file,
                    line=output.statement.line, rule="results", expected="one row",
                )  # fmt: skip
            value.update(output.shape(nested(columns, rows[0])))
            return None
        if output.word == "page":
            first = 0
            cursor = arguments.get("cursor")
            if cursor is not None:
                match = _CURSOR.fullmatch(str(cursor))
                if match is None or int(match.group(1)) >= len(rows):
                    return _bad_cursor(program, arguments, parameters)
                first = int(match.group(1))
            limit = parameters.get("limit") or len(rows)
            more = first + limit < len(rows)
            rows = rows[first : first + limit]
            value["next_cursor"] = f"p{first + limit}" if more else None
        each = _scalar if len(columns) == 1 and not _lists_objects(program, output.field) else nested
        value[output.field] = output.shape([each(columns, row) for row in rows])
        if "next_cursor" in _fields(program):
            value.setdefault("next_cursor", None)
        return None

    @cached_property
    def _tables(self) -> dict[str, tuple[str, ...]]:
        """Table to the columns of its primary key; all columns where it has none."""
        names = trusted_rows(
            self._connection, self._guard,
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND name <> 'numbers' "
            "ORDER BY name",
        )  # fmt: skip
        tables = {}
        for (name,) in list(names):
            columns = list(trusted_rows(self._connection, self._guard, f"PRAGMA table_info({quoted(name)})"))
            keys = sorted((place, column) for _, column, _, _, _, place in columns if place)
            tables[name] = tuple(column for _, column in keys) or tuple(column for _, column, *_ in columns)
        return tables

    @cached_property
    def _columns(self) -> dict[str, tuple[str, ...]]:
        return {
            table: tuple(
                c[1] for c in trusted_rows(self._connection, self._guard, f"PRAGMA table_info({quoted(table)})")
            )
            for table in self._tables
        }

    def _before(self, tables: Iterable[str]) -> None:
        """Remember the start of tables that are about to be changed for the first time."""
        for table in tables:
            if table not in self._start:
                self._start[table] = self._rows(table)

    def _rows(self, table: str) -> dict[str, tuple[Any, ...]]:
        keys = self._tables[table]
        order = ", ".join(quoted(key) for key in keys)
        query = f"SELECT * FROM {quoted(table)} ORDER BY {order}"  # noqa: S608  # names that SQLite itself listed
        places = [self._columns[table].index(key) for key in keys]
        rows = trusted_rows(self._connection, self._guard, query)
        try:
            return {"/".join(str(row[place]) for place in places): row for row in rows}
        except (sqlite3.Error, UnicodeError) as error:
            raise PackError(
                f"the table {table} holds a value that cannot be read: {error}", file=self._file, rule="tables",
                expected="text in UTF-8, numbers and null",
            ) from None  # fmt: skip

    def _trusted(self, sql: str) -> None:
        list(trusted_rows(self._connection, self._guard, sql))


def start_of(seed: int | str) -> datetime.datetime:
    """Return the moment at which the worlds of a seed start: a working hour of a working day in 2026.

    Args:
        seed: The seed of the worlds.

    Returns:
        The moment in UTC, without a time zone.

    Example:
        >>> start_of(7) == start_of("7"), start_of(7).weekday() < 5
        (True, True)
    """
    number = int(digest("start", str(seed), length=12), 16)
    day = _FIRST_DAY + datetime.timedelta(days=number % _DAYS)
    day -= datetime.timedelta(days=max(0, day.weekday() - 4))  # a working day: most businesses answer then
    return day + datetime.timedelta(minutes=(number // _DAYS) % 540)


def _is_odd(value: Any) -> bool:
    if isinstance(value, float):
        return not math.isfinite(value)
    return isinstance(value, bytes) or (isinstance(value, str) and "\0" in value)


def _bound(value: Json) -> Any:
    if isinstance(value, bool):
        return int(value)
    return json.dumps(value, ensure_ascii=False, sort_keys=True) if isinstance(value, (dict, list)) else value


def _failed(program: ToolProgram, code: str, arguments: Mapping[str, Json], values: Mapping[str, Any]) -> Outcome:
    template = next(error.message for error in program.tool.errors if error.code == code)

    def filled(match: re.Match[str]) -> str:
        name = match.group(1)
        value = arguments.get(name, values.get(name))
        return json.dumps(value) if isinstance(value, (dict, list, bool)) else str(value)

    return Outcome({}, code, _PLACEHOLDER.sub(filled, template))


def _bad_cursor(program: ToolProgram, arguments: Mapping[str, Json], values: Mapping[str, Any]) -> Outcome:
    """The documented error about cursors, or where there is none what any server says of a wrong argument."""
    code = next((error.code for error in program.tool.errors if "cursor" in error.code), None)
    if code is not None:
        return _failed(program, code, arguments, values)
    return Outcome({}, "invalid_arguments", "cursor: not one that this tool returned for these arguments")


def _scalar(columns: tuple[str, ...], row: tuple[Any, ...]) -> Any:
    return row[0]


def _fields(program: ToolProgram) -> Mapping[str, Json]:
    properties = (program.tool.output_schema or {}).get("properties")
    return properties if isinstance(properties, dict) else {}


def _lists_objects(program: ToolProgram, field: str) -> bool:
    items = _fields(program).get(field, {})
    items = items.get("items", {}) if isinstance(items, dict) else {}
    return isinstance(items, dict) and (items.get("type") == "object" or "properties" in items)
